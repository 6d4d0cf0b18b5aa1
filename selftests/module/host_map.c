// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_map.ko: what the host's own drivers and file systems do to memory, but user space can't.
 *
 * "echo 0000:01:00.0 >parameters/map" maps a page for that device below 4 GiB, the first half of it
 * full of HOST_MAP_FILL. parameters/handle has its bus address, parameters/filled how many bytes of
 * it have that value now. The page stays mapped and in memory until it is unmapped by
 * parameters/unmap in the same way.
 *
 * "echo PFN >parameters/lock" locks the page with that number, as a FUSE server can, and returns
 * only when the writer is killed.
 *
 * Used by selftests/windows.c, waits.c and scripts/guest/handback.sh, built by
 * scripts/image/build-selftests.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#define HOST_MAP_FILL	0x5a

static unsigned long handle;
static struct page *page;

static struct device *find(const char *val)
{
	return bus_find_device_by_name(&pci_bus_type, NULL, val);
}

static int map(const char *val, const struct kernel_param *kp)
{
	struct device *dev = find(val);
	int rc;

	if (!dev)
		return -ENODEV;
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page) {
		put_device(dev);
		return -ENOMEM;
	}
	memset(page_address(page), HOST_MAP_FILL, PAGE_SIZE / 2);
	rc = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	handle = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (!rc && dma_mapping_error(dev, handle))
		rc = -EIO;
	put_device(dev);
	return rc;
}

static int unmap(const char *val, const struct kernel_param *kp)
{
	struct device *dev = find(val);

	if (!dev || !page)
		return -ENODEV;
	dma_unmap_page(dev, handle, PAGE_SIZE, DMA_BIDIRECTIONAL);
	put_device(dev);
	__free_page(page);
	page = NULL;
	return 0;
}

static int filled(char *buf, const struct kernel_param *kp)
{
	unsigned int i, n = 0;

	for (i = 0; page && i < PAGE_SIZE; i++)
		n += ((u8 *)page_address(page))[i] == HOST_MAP_FILL;
	return sysfs_emit(buf, "%u\n", n);
}

static int lock(const char *val, const struct kernel_param *kp)
{
	struct folio *folio;
	unsigned long pfn;
	int rc = kstrtoul(val, 0, &pfn);

	if (rc)
		return rc;
	folio = page_folio(pfn_to_page(pfn));
	folio_get(folio);
	folio_lock(folio);
	/* so that whoever unpins it has to mark it, which takes the lock */
	folio_clear_dirty(folio);
	while (!fatal_signal_pending(current))
		msleep_interruptible(100);
	folio_unlock(folio);
	folio_put(folio);
	return -EINTR;
}

static const struct kernel_param_ops map_ops = { .set = map };
static const struct kernel_param_ops unmap_ops = { .set = unmap };
static const struct kernel_param_ops filled_ops = { .get = filled };
static const struct kernel_param_ops lock_ops = { .set = lock };

module_param_cb(map, &map_ops, NULL, 0200);
MODULE_PARM_DESC(map, "the device to map a page for");
module_param_cb(unmap, &unmap_ops, NULL, 0200);
MODULE_PARM_DESC(unmap, "the device to unmap the last page for");
module_param(handle, ulong, 0444);
MODULE_PARM_DESC(handle, "the page's bus address");
module_param_cb(filled, &filled_ops, NULL, 0444);
MODULE_PARM_DESC(filled, "how much of the page is full");
module_param_cb(lock, &lock_ops, NULL, 0200);
MODULE_PARM_DESC(lock, "the number of a page to lock");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Map a page for DMA, or lock one, as the host does");
