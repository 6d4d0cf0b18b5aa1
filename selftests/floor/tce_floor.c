// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor under what a TCE can cost: the platform's own table operations in a
 * loop, with nothing around them, and pinning alone. For the benchmark only,
 * never installed.
 *
 * It works on a window that a VFIO container has created, so that the table, the
 * bridge and the number of groups are those that the driver is measured with.
 * The caller, who owns that container, sees to it that nothing is mapped in the
 * range, that nobody else uses it meanwhile, and that the device is silent.
 *
 *	echo "DOMAIN BUS DEVFN WINDOW OP FIRST COUNT" >/sys/module/tce_floor/parameters/run
 *
 * FIRST counts from the start of the window. OP is one of:
 *	nop		nothing: what the call itself costs
 *	exchange	xchg_no_kill() of each entry, to a page of ours
 *	exchange0	the same, to nothing
 *	set		set() of runs as long as our memory
 *	clear		clear() of the whole range
 *	kill		one invalidation of the whole range
 *	wipe		leaves the range as a careful driver would: empty and killed
 *
 * What v1 needs besides, since it pins what it maps. FIRST is the address of the
 * caller's memory, COUNT its pages; they are let go of before the next pin:
 *	pin		all at once, for as long as somebody likes (FOLL_LONGTERM)
 *	pin-short	all at once, as for an access that is over soon
 *	pin-each	as pin-short, one call for each TCE of 4K; COUNT is theirs
 *	unpin		all at once
 *	unpin-each	one call for each page
 *	unpin-folio	one call for each page, which names the folio
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <asm/iommu.h>

static unsigned long run_bytes = 4 << 20;
module_param(run_bytes, ulong, 0444);
MODULE_PARM_DESC(run_bytes, "contiguous memory for set(), a power of two");

static unsigned long memory;

static int exchange(struct iommu_table *tbl, unsigned long first,
		    unsigned long n, unsigned long hpa,
		    enum dma_data_direction dir)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		enum dma_data_direction d = dir;
		unsigned long h = hpa;
		int rc = tbl->it_ops->xchg_no_kill(tbl, first + i, &h, &d);

		if (rc)
			return rc;
	}
	return 0;
}

static int set(struct iommu_table *tbl, unsigned long first, unsigned long n)
{
	unsigned long max = run_bytes >> tbl->it_page_shift;

	while (n) {
		unsigned long now = min(n, max);
		int rc = tbl->it_ops->set(tbl, first, now, memory,
					  DMA_BIDIRECTIONAL, 0);

		if (rc)
			return rc;
		first += now;
		n -= now;
	}
	return 0;
}

static int run_op(struct iommu_table *tbl, const char *op, unsigned long first,
		  unsigned long n)
{
	if (first > tbl->it_size || n > tbl->it_size - first)
		return -EINVAL;
	first += tbl->it_offset;

	if (!strcmp(op, "nop"))
		return 0;
	if (!strcmp(op, "exchange"))
		return exchange(tbl, first, n, __pa(memory), DMA_BIDIRECTIONAL);
	if (!strcmp(op, "exchange0"))
		return exchange(tbl, first, n, 0, DMA_NONE);
	if (!strcmp(op, "set"))
		return set(tbl, first, n);
	if (!strcmp(op, "clear")) {
		tbl->it_ops->clear(tbl, first, n);
		return 0;
	}
	if (!strcmp(op, "kill")) {
		iommu_tce_kill(tbl, first, n);
		return 0;
	}
	if (!strcmp(op, "wipe")) {
		int rc = exchange(tbl, first, n, 0, DMA_NONE);

		iommu_tce_kill(tbl, first, n);
		return rc;
	}
	return -EINVAL;
}

/* of the caller, one bench at a time */
#define MAX_PINNED	16384

static struct page **pinned;
static unsigned long nr_pinned;

static int pin(unsigned long ua, unsigned long n, unsigned int flags)
{
	while (nr_pinned < n) {
		long got = pin_user_pages_fast(ua + (nr_pinned << PAGE_SHIFT),
					       n - nr_pinned,
					       FOLL_WRITE | flags,
					       pinned + nr_pinned);

		if (got <= 0)
			return got ?: -EFAULT;
		nr_pinned += got;
	}
	return 0;
}

static int pin_each(unsigned long ua, unsigned long n)
{
	for (; nr_pinned < n; nr_pinned++) {
		unsigned long at = ua + nr_pinned * SZ_4K;
		long got = pin_user_pages_fast(at & PAGE_MASK, 1, FOLL_WRITE,
					       pinned + nr_pinned);

		if (got != 1)
			return got ?: -EFAULT;
	}
	return 0;
}

static void unpin_each(void)
{
	unsigned long i;

	for (i = 0; i < nr_pinned; i++)
		unpin_user_page(pinned[i]);
}

/* Before Linux 6.12 there is no such call. */
static void unpin_each_folio(void)
{
	unsigned long i;

	for (i = 0; i < nr_pinned; i++)
#ifdef HAS_UNPIN_FOLIO
		unpin_user_folio(page_folio(pinned[i]), 1);
#else
		unpin_user_page(pinned[i]);
#endif
}

/* 1 if it is none of these */
static int pin_op(const char *op, unsigned long ua, unsigned long n)
{
	if (!strcmp(op, "unpin")) {
		unpin_user_pages(pinned, nr_pinned);
		nr_pinned = 0;
		return 0;
	}
	if (!strcmp(op, "unpin-each")) {
		unpin_each();
		nr_pinned = 0;
		return 0;
	}
	if (!strcmp(op, "unpin-folio")) {
		unpin_each_folio();
		nr_pinned = 0;
		return 0;
	}
	if (strncmp(op, "pin", 3))
		return 1;
	if (nr_pinned || n > MAX_PINNED)
		return -EBUSY;
	if (!strcmp(op, "pin"))
		return pin(ua, n, FOLL_LONGTERM);
	if (!strcmp(op, "pin-short"))
		return pin(ua, n, 0);
	if (!strcmp(op, "pin-each"))
		return pin_each(ua, n);
	return -EINVAL;
}

static int run_store(const char *text, const struct kernel_param *kp)
{
	unsigned int domain, bus, devfn, window;
	struct iommu_table_group *table_group;
	unsigned long first, count;
	struct iommu_group *group;
	struct pci_dev *pdev;
	char op[16];
	int rc;

	if (sscanf(text, "%x %x %x %u %15s %lu %lu", &domain, &bus, &devfn,
		   &window, op, &first, &count) != 7 ||
	    window >= IOMMU_TABLE_GROUP_MAX_TABLES)
		return -EINVAL;
	rc = pin_op(op, first, count);
	if (rc <= 0)
		return rc;
	rc = -ENODEV;
	pdev = pci_get_domain_bus_and_slot(domain, bus, devfn);
	if (!pdev)
		return -ENODEV;
	group = iommu_group_get(&pdev->dev);
	if (!group)
		goto out_put;
	table_group = iommu_group_get_iommudata(group);
	if (table_group && table_group->tables[window])
		rc = run_op(table_group->tables[window], op, first, count);
	iommu_group_put(group);
out_put:
	pci_dev_put(pdev);
	return rc;
}

static const struct kernel_param_ops run_ops = {
	.set = run_store,
};
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "see the top of the source");

static int __init tce_floor_init(void)
{
	pinned = vcalloc(MAX_PINNED, sizeof(*pinned));
	if (!pinned)
		return -ENOMEM;
	memory = __get_free_pages(GFP_KERNEL | __GFP_ZERO,
				  get_order(run_bytes));
	if (!memory)
		vfree(pinned);
	return memory ? 0 : -ENOMEM;
}

static void __exit tce_floor_exit(void)
{
	/* a bench that died in between */
	unpin_user_pages(pinned, nr_pinned);
	vfree(pinned);
	free_pages(memory, get_order(run_bytes));
}

module_init(tce_floor_init);
module_exit(tce_floor_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Loops over TCE table operations, for the benchmark");
