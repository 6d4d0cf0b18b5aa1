// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table: the only caller of the platform's operations on it, but for what is in line
 * (tce_entry.h) and what KVM does.
 *
 * Locks: the callers'. MAP and UNMAP hold &tce_process.map_lock and a span. Who creates
 * or destroys a table is alone with it.
 *
 * Never fails: tce_table_clear() says if it did nothing; tce_table_kill().
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/tce.h>

#include "tce_entry.h"
#include "tce_refusal.h"
#include "tce_table.h"

/* Entries that pseries sets in a row, with interrupts off */
#define TCE_SET_MAX_HCALL	512UL
/*
 * So many entries in a row are set or cleared by one operation. They are worth an
 * invalidation of their own, or two hypervisor calls.
 */
#define TCE_RUN_MIN_KILL	64
#define TCE_RUN_MIN_HCALL	4
/* Entries that firmware is asked to invalidate at once, one by one */
#define TCE_KILL_MAX	65536UL

/**
 * tce_table_walk() - the cell of an entry in a table of several levels
 * @table: a walkable one
 * @at: the entry's place in the table, from 0 on
 * @hole: returned here, if a level is missing: how many entries are missing with it,
 *	from this one on
 *
 * The platform's own look-up does not say at which level it ended. Most of a window of
 * 2^46 bytes would have to be tried leaf by leaf. The format is that of the indirect TCE
 * tables which the bridge walks. An entry of an upper level is the real address of the
 * next, | 3, big endian. tce_table_init() has made sure that the table has this format.
 *
 * Return: the cell; NULL if a level is missing.
 */
__be64 *tce_table_walk(struct tce_table *table, unsigned long at,
		       unsigned long *hole)
{
	struct iommu_table *tbl = table->tbl;
	unsigned int bits = ilog2(tbl->it_level_size);
	unsigned int level;
	__be64 *node = tbl->it_userspace;

	for (level = tbl->it_indirect_levels; level; level--) {
		unsigned long below = 1UL << (level * bits);
		unsigned long slot = (at / below) & (tbl->it_level_size - 1);
		u64 next = tce_cell_read(&node[slot]);

		if (!next) {
			*hole = below - (at & (below - 1));
			return NULL;
		}
		node = __va(next & ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	return &node[at & (tbl->it_level_size - 1)];
}

/**
 * tce_table_useraddr() - the cell of an entry, as the platform finds it
 * @table: the table
 * @at: the entry's place in the table, from 0 on
 * @alloc: add missing levels
 *
 * Return: the cell; NULL if a level is missing, or there is no memory for one.
 */
__be64 *tce_table_useraddr(struct tce_table *table, unsigned long at,
			   bool alloc)
{
	struct iommu_table *tbl = table->tbl;

	return table->ops->useraddrptr(tbl, tbl->it_offset + at, alloc);
}

/*
 * Find out how the cells of v2 can be had without asking the platform for each.
 * Costs a table of several levels one leaf.
 */
static void table_probe(struct tce_table *table)
{
	__be64 *first = tce_table_useraddr(table, 0, true);
	unsigned long last = table->tbl->it_size - 1, hole;

	if (table->tbl->it_indirect_levels)
		table->walkable = first && tce_table_walk(table, 0, &hole) == first;
	else if (first && tce_table_useraddr(table, last, true) == first + last)
		table->cells = first;
}

/**
 * tce_table_init() - make a new table ready for use
 * @table: zeroed, but for @tbl and @mem
 *
 * v1: but for its cells; see tce_table_alloc_cells().
 *
 * Return: 0; -ENOMEM.
 */
int tce_table_init(struct tce_table *table)
{
	table->ops = table->tbl->it_ops;
	table->shared = table->mem->v2 && tce_mm_has_kvm(table->mem->mm);
	table->run_min = table->ops->tce_kill ? TCE_RUN_MIN_KILL :
						TCE_RUN_MIN_HCALL;
	tce_spans_init(&table->spans);
	/* pseries had no memory for it, and did not say so */
	if (!table->tbl->it_userspace)
		return TCE_REFUSE(NO_USER_VIEW, ENOMEM);
	if (table->mem->v2)
		table_probe(table);
	return 0;
}

/**
 * tce_table_alloc_cells() - v1: make the cells of a new table
 * @table: from tce_table_init(), and closed to KVM by now, as this takes its time
 *
 * Undone by tce_table_free_cells().
 *
 * Return: 0; -ENOMEM.
 */
int tce_table_alloc_cells(struct tce_table *table)
{
	table->cells = kvcalloc(table->tbl->it_size, sizeof(*table->cells),
				GFP_KERNEL | __GFP_NOWARN);
	return table->cells ? 0 : TCE_REFUSE(CELLS_MEMORY, ENOMEM);
}

/**
 * tce_table_free_cells() - undo tce_table_alloc_cells()
 * @table: nobody uses it any more; those of v2 are the platform's
 */
void tce_table_free_cells(struct tce_table *table)
{
	if (!table->mem->v2)
		kvfree(table->cells);
}

/**
 * tce_table_set() - write a run of entries by one operation of the platform
 * @table: the table
 * @entry: first of them; they are empty
 * @n: entries, no more than tce_table_set_max()
 * @hpa: where their memory begins, which is contiguous
 * @dir: what the device may do
 *
 * The platform invalidates them, too. Cells are not touched.
 *
 * Return: 0; -ENOMEM; -EIO if the platform, which does not say so, did not write.
 * Entries may have been written in any case.
 */
int tce_table_set(struct tce_table *table, unsigned long entry,
		  unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long tce;

	if (table->ops->set(tbl, entry, n, (unsigned long)__va(hpa), dir, 0))
		return TCE_REFUSE(SET_RUN, ENOMEM);
	tce = table->ops->get(tbl, entry + n - 1);
	tce &= ~(TCE_PCI_READ | TCE_PCI_WRITE);
	return tce == hpa + ((n - 1) << tbl->it_page_shift) ?
		0 : TCE_REFUSE(SET_RUN, EIO);
}

/**
 * tce_table_set_max() - how many entries can tce_table_set() write?
 * @table: the table
 * @dir: what the device may do
 *
 * Return: entries; 0 if it must not be asked: set() of pseries lets the device read what
 * it may write.
 */
unsigned long tce_table_set_max(const struct tce_table *table,
				enum dma_data_direction dir)
{
	if (dir == DMA_FROM_DEVICE)
		return 0;
	return table->ops->tce_kill ? ULONG_MAX : TCE_SET_MAX_HCALL;
}

/**
 * tce_table_clear() - clear a run of entries by one operation of the platform
 * @table: the table
 * @entry: first of them
 * @n: entries, at most TCE_CLEAR_MAX
 *
 * The platform invalidates them, too. Cells are not touched.
 *
 * Return: false if they are still there; pseries does not say so.
 */
bool tce_table_clear(struct tce_table *table, unsigned long entry,
		     unsigned long n)
{
	table->ops->clear(table->tbl, entry, n);
	tce_table_flush(table);
	return !(table->ops->get(table->tbl, entry + n - 1) &
		 (TCE_PCI_READ | TCE_PCI_WRITE));
}

/**
 * tce_table_kill() - make the bridge forget entries
 * @table: the table
 * @first: first of them
 * @n: entries
 *
 * When it returns, the device does not reach by them what they said before, and their
 * pages may be let go (litmus/unpin.litmus). Context: sleeps.
 */
void tce_table_kill(struct tce_table *table, unsigned long first,
		    unsigned long n)
{
	while (n && table->ops->tce_kill) {
		unsigned long now = min(n, TCE_KILL_MAX);

		table->ops->tce_kill(table->tbl, first, now);
		first += now;
		n -= now;
		if (n)
			cond_resched();
	}
	tce_table_flush(table);
}
