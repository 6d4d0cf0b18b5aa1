/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries and their cells. These functions are inline because they are what the loops of MAP
 * and UNMAP consist of.
 *
 * Each entry has a cell, which holds a cookie (tce_mem_cookie()) for the memory that the entry
 * maps, or 0. The cells are the platform's view of the table for user space, where KVM keeps
 * its own addresses, and are big endian. Unless a table is shared with KVM, only this module
 * changes its entries and cells, so that a cell always says what its entry maps. In a shared
 * table KVM changes entries and writes the cells some time later (tce_kvm.c).
 *
 * None of these functions checks that an entry is inside the table. Only space_find() in
 * tce_space.c turns an IOBA into an entry.
 */
#ifndef TCE_ENTRY_H
#define TCE_ENTRY_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "compat/older.h"
#include "compat/realmode.h"
#include "tce_table.h"

/**
 * tce_dir_writes() - may the device write?
 * @dir: what the device may do
 *
 * Return: true if it may.
 */
static __always_inline bool tce_dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

/**
 * tce_cell_read() - read the cookie in a cell
 * @cell: the cell
 *
 * gcc needs ten instructions to swap the bytes of a volatile access, but only one if it can
 * swap them in the load itself. Hiding the value ensures that it is read only once.
 *
 * Return: the cookie, or 0.
 */
static __always_inline u64 tce_cell_read(const __be64 *cell)
{
	/* KVM may change a cell at any time */
	u64 cookie = be64_to_cpu(data_race(*cell));

	OPTIMIZER_HIDE_VAR(cookie);
	return cookie;
}

/**
 * tce_cell_write() - write a cookie to a cell
 * @cell: the cell
 * @cookie: the cookie, or 0
 */
static __always_inline void tce_cell_write(__be64 *cell, u64 cookie)
{
	OPTIMIZER_HIDE_VAR(cookie);
	/* KVM may read it at any time */
	data_race(*cell = cpu_to_be64(cookie));
}

/**
 * tce_cell_replace() - replace a cookie unless KVM has replaced it already
 * @cell: the cell
 * @from: the previous content
 * @to: the new content
 *
 * Return: false if KVM was faster, and nothing has changed.
 */
static __always_inline bool tce_cell_replace(__be64 *cell, __be64 from,
					     __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)cell, old,
			       (__force u64)to) == old;
}

/**
 * tce_cells_run() - how many cells in a row are empty, or in use?
 * @cell: the first cell
 * @max: cells to look at
 * @empty: count empty ones
 *
 * Return: their number, from the first one on.
 */
static __always_inline unsigned long tce_cells_run(const __be64 *cell,
						   unsigned long max,
						   bool empty)
{
	unsigned long n = 0;

	/* most of a large window is empty */
	while (empty && n + 4 <= max &&
	       !(READ_ONCE(cell[n]) | READ_ONCE(cell[n + 1]) |
		 READ_ONCE(cell[n + 2]) | READ_ONCE(cell[n + 3])))
		n += 4;
	while (n < max && !READ_ONCE(cell[n]) == empty)
		n++;
	return n;
}

/**
 * tce_table_cells() - find the cell of an entry
 * @table: the table
 * @entry: the entry
 * @alloc: add missing levels of the table
 * @left: returns how many cells are contiguous in memory from this one on
 *
 * Context: atomic; with @alloc, may allocate memory.
 *
 * Return: the cell. With @alloc, NULL means that there is no memory for a level; without,
 * that a level is missing, so that nothing is mapped in these *@left entries.
 */
static __always_inline __be64 *tce_table_cells(struct tce_table *table,
					       unsigned long entry, bool alloc,
					       unsigned long *left)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at = entry - tbl->it_offset;

	if (likely(!tbl->it_indirect_levels)) {
		*left = tbl->it_size - at;
		return tbl->it_userspace + at;
	}
	*left = tbl->it_level_size - (at & (tbl->it_level_size - 1));
	if (alloc)
		return table->ops->useraddrptr(tbl, entry, true);
	return tce_table_walk(table, at, left);
}

/**
 * tce_table_flush() - wait for the invalidations that have been started
 * @table: the table
 *
 * This is iommu_flush_tce(), inline. Writing an entry is a store to memory, and invalidating
 * it a store to the bridge, and what follows must not overtake either (litmus/unpin.litmus).
 * Hypervisor calls are complete when they return, but do not order later stores.
 */
static __always_inline void tce_table_flush(struct tce_table *table)
{
	if (unlikely(table->ops->flush))
		iommu_flush_tce(table->tbl);
	else
		mb();
}

/**
 * tce_table_kill_one() - tce_table_kill() for one entry
 * @table: the table
 * @entry: the entry
 *
 * Context: atomic.
 */
static __always_inline void tce_table_kill_one(struct tce_table *table,
					       unsigned long entry)
{
	if (likely(table->ops->tce_kill))
		table->ops->tce_kill(table->tbl, entry, 1);
	tce_table_flush(table);
}

/**
 * struct tce_entry - the content of an entry and its cell
 * @hpa: the address
 * @dir: what the device may do; DMA_NONE for an empty entry
 * @cookie: the content of the cell; 0 for none
 */
struct tce_entry {
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 cookie;
};

/**
 * tce_entry_swap() - exchange the content of an entry and its cell
 * @table: the table
 * @entry: the entry, in a span of the caller's
 * @cell: its cell
 * @new: the new content; returns the old one, which is to be released by tce_holds_add()
 *	or tce_hold_put() after the entry has been invalidated
 * @shared: &tce_table.shared, a constant in the loop of MAP
 *
 * In a shared table, the cell may not belong to the value that the exchange takes out. When
 * an entry is cleared, a cell that KVM has written in the meantime is left alone because it
 * belongs to the next value, and so is the cell of a value that KVM has just taken out,
 * because KVM counts the value down by that cell. A mapping of KVM's is counted down once, by
 * whoever replaces its cell (litmus/kvm-map.litmus). What MAP has mapped and a vCPU has taken out,
 * because it looked at the cell before MAP marked it, stays counted (litmus/kvm-unmap.litmus).
 *
 * The entry is not invalidated. Context: may allocate a missing level of the table; see
 * tce_table_cells().
 *
 * Return: 0; -ENOMEM or -EIO if the platform refused, and nothing has changed.
 */
static __always_inline int tce_entry_swap(struct tce_table *table,
					  unsigned long entry, __be64 *cell,
					  struct tce_entry *new,
					  const bool shared)
{
	u64 cookie = new->cookie;
	__be64 old = 0;
	int rc;

	if (unlikely(shared))
		old = READ_ONCE(*cell);
	rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);
	/* powernv returns -ENOMEM, and pseries the hypervisor's own codes */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	if (likely(!shared)) {
		new->cookie = tce_cell_read(cell);
		tce_cell_write(cell, cookie);
		return 0;
	}
	if (!cookie && new->dir == DMA_NONE &&
	    !(old & cpu_to_be64(TCE_COOKIE_OURS))) {
		old = 0;
	} else if (!tce_cell_replace(cell, old, cpu_to_be64(cookie))) {
		if (cookie)
			tce_cell_write(cell, cookie);
		if (!(old & cpu_to_be64(TCE_COOKIE_OURS)))
			old = 0;
	}
	new->cookie = be64_to_cpu(old);
	return 0;
}

#endif /* TCE_ENTRY_H */
