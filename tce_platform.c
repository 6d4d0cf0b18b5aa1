// SPDX-License-Identifier: GPL-2.0-only
/*
 * The platform's operations on tables, which the inline functions of tce_table.h, the head of
 * tce_table.c and, on behalf of KVM, tce_kvm.c call as well.
 *
 * Locks: the caller holds &tce_table.lock, except for look-ups, because no level is freed before
 * the table. Only KVM can race with the creation or destruction of a table.
 *
 * Never fails: tce_table_wipe(), although the platform may refuse to clear entries.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include <asm/firmware.h>
#include <asm/hvcall.h>
#include <asm/tce.h>

#include "tce_table.h"
#include "tce_trace.h"

/*
 * The shortest run worth one operation, which costs an invalidation or, on pseries, two hypervisor
 * calls
 */
#define TCE_RUN_MIN_KILL	64
#define TCE_RUN_MIN_HCALL	4

/**
 * tce_table_walk() - find an entry, or its userspace entry, in a table of several levels
 * @tbl: the table
 * @node: its top level: it_base or it_userspace
 * @at: the entry's place in the table, counted from 0
 * @missing: returns how many levels are missing there
 *
 * The platform's look-up does not tell the size of a hole, and a window of 2^46 bytes is mostly
 * holes. An entry of an upper level is the real address of the next one, | 3, in big endian.
 *
 * Return: the entry; NULL if a level is missing.
 */
__be64 *tce_table_walk(const struct iommu_table *tbl, __be64 *node,
		       unsigned long at, unsigned int *missing)
{
	unsigned int bits = ilog2(tbl->it_level_size);
	unsigned int level;

	for (level = tbl->it_indirect_levels; level; level--) {
		unsigned long slot = (at >> (level * bits)) & (tbl->it_level_size - 1);
		/* litmus/level.litmus: MAP may just have added the level that KVM finds here */
		u64 next = tce_pua_read(&node[slot]);

		*missing = level;
		if (!next)
			return NULL;
		node = __va(next & ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	*missing = 0;
	return &node[at & (tbl->it_level_size - 1)];
}

/* CPU pages of @n levels, and of as many of the userspace entries */
static unsigned long level_pages(const struct iommu_table *tbl, unsigned int n)
{
	return 2 * n * max(tbl->it_level_size * sizeof(__be64) >> PAGE_SHIFT, 1UL);
}

/**
 * tce_table_add_levels() - MAP: add levels of userspace entries
 * @table: the table
 * @entry: the entry that needs them
 * @n: how many are missing there
 *
 * As many levels of the table are counted as well, which the exchange will add. No levels are
 * freed before the table is. Context: atomic memory only.
 *
 * Return: the userspace entry; NULL if out of memory, or over the limit of tables.
 */
__be64 *tce_table_add_levels(struct tce_table *table, unsigned long entry, unsigned int n)
{
	struct iommu_table *tbl = table->tbl;
	unsigned int missing = 0;
	__be64 *pua;

	if (tce_tables_take(table->mem->tmm, level_pages(tbl, n)))
		return NULL;
	pua = table->ops->useraddrptr(tbl, entry, true);
	if (!pua) {
		TCE_REFUSE(-ENOMEM);
		/* some may have been added */
		tce_table_walk(tbl, tbl->it_userspace, entry - tbl->it_offset, &missing);
	}
	table->npages += level_pages(tbl, n - missing);
	tce_tables_give(table->mem->tmm, level_pages(tbl, missing));
	return pua;
}

/* Prepare a new table, of which only @tbl and @mem are set. Return: 0; -ENOMEM */
int tce_table_init(struct tce_table *table)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long last = tbl->it_offset + tbl->it_size - 1, left;
	__be64 *pua;

	table->ops = tbl->it_ops;
	/*
	 * Only IOMMU pages no larger than the CPU's: KVM's list takes ordinary pages that follow a
	 * hugetlb page for huge ones, and single pages of a huge one, which udmabuf maps, for all
	 * of it. And only if tce_kvm_drain() can wait for KVM.
	 */
	table->shared = !table->mem->v1 && tbl->it_page_shift <= PAGE_SHIFT &&
			(!IS_ENABLED(CONFIG_PREEMPTION) || IS_ENABLED(CONFIG_TASKS_RCU)) &&
			tce_mm_allows_kvm(table->mem->tmm);
	table->run_min = table->ops->tce_kill ? TCE_RUN_MIN_KILL : TCE_RUN_MIN_HCALL;
	mutex_init(&table->lock);
	/*
	 * pseries does not report a failure to allocate userspace entries. The check that
	 * tce_table_pua() finds them where the platform does may cost a leaf.
	 */
	pua = tbl->it_userspace ? table->ops->useraddrptr(tbl, last, true) : NULL;
	if (!pua || pua != tce_table_pua(table, last, false, &left))
		return TCE_REFUSE(-ENOMEM);
	return 0;
}

/* IBM's patches for iommufd add an argument, whether the address is a physical one. */
#ifdef TCE_HAS_SET_PHYS
#define set(tbl, entry, n, ua, dir, attrs) \
	set(tbl, entry, n, ua, dir, attrs, false)
#endif

/**
 * tce_table_set() - write a run of entries by one operation of the platform
 * @table: the table
 * @entry: the first entry; all are empty
 * @n: number of entries, at most %TCE_CHUNK
 * @hpa: the start of their memory, which is contiguous
 * @dir: the device's permissions
 *
 * The platform also invalidates them. It stops at an entry that is refused, without reporting it.
 * Userspace entries are not touched. Undone by tce_table_clear().
 *
 * Return: 0; -ENOMEM; -EIO if the last entry was not written. On failure, others may have been.
 */
int tce_table_set(struct tce_table *table, unsigned long entry,
		  unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long tce;

	if (table->ops->set(tbl, entry, n, (unsigned long)__va(hpa), dir, 0))
		return TCE_REFUSE(-ENOMEM);
	tce = table->ops->get(tbl, entry + n - 1);
	tce &= ~(TCE_PCI_READ | TCE_PCI_WRITE);
	return tce == hpa + ((n - 1) << tbl->it_page_shift) ?
		0 : TCE_REFUSE(-EIO);
}

/*
 * set() of pseries lets a device read memory that it may only write. Without H_PUT_TCE_INDIRECT, it
 * does not stop at an entry that is refused.
 */
bool tce_table_may_set(const struct tce_table *table, enum dma_data_direction dir)
{
	return dir != DMA_FROM_DEVICE &&
	       (table->ops->tce_kill || firmware_has_feature(FW_FEATURE_PUT_TCE_IND));
}

/*
 * Ask the hypervisor for an entry of its table. get() does not tell whether it has answered.
 * Return: 0; -EIO
 */
int tce_table_get(const struct tce_table *table, unsigned long entry, u64 *tce)
{
	const struct iommu_table *tbl = table->tbl;
	unsigned long ret[PLPAR_HCALL_BUFSIZE];

	if (!IS_ENABLED(CONFIG_PPC_PSERIES) ||
	    plpar_hcall(H_GET_TCE, ret, tbl->it_index, entry << tbl->it_page_shift))
		return TCE_REFUSE(-EIO);
	*tce = ret[0];
	return 0;
}

static bool clear_entries(struct tce_table *table, unsigned long entry,
			  unsigned long n)
{
	table->ops->clear(table->tbl, entry, n);
	tce_table_flush(table);
	return !(table->ops->get(table->tbl, entry + n - 1) &
		 (TCE_PCI_READ | TCE_PCI_WRITE));
}

/*
 * Clear a run of at most TCE_CHUNK entries, none of which is empty, by one operation of the
 * platform, which also invalidates them. Userspace entries are not touched. pseries stops at an
 * entry that is refused, so that the last one tells, but not without H_STUFF_TCE. Return: false if
 * some may be left
 */
bool tce_table_clear(struct tce_table *table, unsigned long entry,
		     unsigned long n)
{
	if (!table->ops->tce_kill && !firmware_has_feature(FW_FEATURE_STUFF_TCE))
		return false;
	return clear_entries(table, entry, n);
}

/*
 * True if KVM has written no userspace entry of a new table of one level. Sleeps, because pseries
 * has up to 8 GiB of them.
 */
bool tce_table_is_new(const struct tce_table *table)
{
	const struct iommu_table *tbl = table->tbl;
	unsigned long at, n;

	for (at = 0; tbl->it_userspace && at < tbl->it_size; at += n) {
		n = min(tbl->it_size - at, TCE_CHUNK);
		if (memchr_inv(tbl->it_userspace + at, 0, n * sizeof(__be64)))
			return false;
		cond_resched();
	}
	return true;
}

/*
 * Clear a new table of one level that KVM has found before it was hidden. No page is released,
 * because KVM counts its own. Entries that the platform refuses to clear are out of reach once the
 * window is removed, which comes next. Sleeps.
 */
void tce_table_wipe(struct tce_table *table)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at, n;

	for (at = 0; at < tbl->it_size; at += n) {
		n = min(tbl->it_size - at, TCE_CHUNK);
		clear_entries(table, tbl->it_offset + at, n);
		if (tbl->it_userspace)
			memset(tbl->it_userspace + at, 0, n * sizeof(__be64));
		cond_resched();
	}
}
