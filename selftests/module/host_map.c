// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_map.ko: a driver of the host that does not unmap what it has mapped for DMA.
 *
 * "echo 0000:01:00.0 >parameters/map" maps a page for that device below 4 GiB, full of HOST_MAP_FILL, and
 * parameters/handle has its bus address. The page stays mapped and in memory for good.
 *
 * Used by selftests/windows.c, built by scripts/build-selftests.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>

#define HOST_MAP_FILL	0x5a

static unsigned long handle;

static int map(const char *val, const struct kernel_param *kp)
{
	unsigned int domain, bus, slot, func;
	struct pci_dev *pdev;
	struct page *page;
	int rc;

	if (sscanf(val, "%x:%x:%x.%x", &domain, &bus, &slot, &func) != 4)
		return -EINVAL;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	memset(page_address(page), HOST_MAP_FILL, PAGE_SIZE);
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, func));
	if (!pdev)
		return -ENODEV;
	rc = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	handle = dma_map_page(&pdev->dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (!rc && dma_mapping_error(&pdev->dev, handle))
		rc = -EIO;
	pci_dev_put(pdev);
	return rc;
}

static const struct kernel_param_ops map_ops = { .set = map };

module_param_cb(map, &map_ops, NULL, 0200);
MODULE_PARM_DESC(map, "the device to map a page for");
module_param(handle, ulong, 0444);
MODULE_PARM_DESC(handle, "the page's bus address");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leave a page mapped for DMA");
