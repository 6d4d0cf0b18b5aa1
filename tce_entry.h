/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An entry and its cell, in line. A call of one entry, or a loop over many, would cost up
 * to a fifth more if these were functions of tce_table.c.
 *
 * For each entry there is a cell, which has the cookie of the memory that is mapped
 * (tce_mem_cookie()), or 0. Cells are big endian. Nobody but us changes entries and cells
 * of a table that is not shared, and so each cell says what its entry holds. In a shared
 * one KVM changes entries, and writes cells some time later (tce_kvm.c).
 *
 * Nobody checks that an entry is inside the table. space_find() in tce_space.c alone turns
 * an IOBA into an entry.
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
 * @dir: what it may do
 *
 * Return: true if it may.
 */
static __always_inline bool tce_dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

/**
 * tce_cell_read() - the cookie in a cell
 * @cell: the cell
 *
 * gcc turns the bytes round while it loads or stores them, which costs one instruction
 * instead of ten, if the access is not volatile. Read once all the same: what is hidden
 * can't be read anew.
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
 * tce_cell_write() - put a cookie into a cell
 * @cell: the cell
 * @cookie: the cookie, or 0
 */
static __always_inline void tce_cell_write(__be64 *cell, u64 cookie)
{
	OPTIMIZER_HIDE_VAR(cookie);
	/* KVM may look at it */
	data_race(*cell = cpu_to_be64(cookie));
}

/**
 * tce_cell_cookie() - tce_cell_read() of a cell that is not in a table
 * @cell: what was in it
 *
 * By way of memory that costs three instructions.
 *
 * Return: the cookie, or 0.
 */
static __always_inline u64 tce_cell_cookie(__be64 cell)
{
	const __be64 *at = &cell;

	OPTIMIZER_HIDE_VAR(at);
	return tce_cell_read(at);
}

/**
 * tce_cell_replace() - put a cookie into a cell, unless KVM has put another one there
 * @cell: the cell
 * @from: what was in it
 * @to: what shall be
 *
 * Return: false if KVM has; nothing is changed then.
 */
static __always_inline bool tce_cell_replace(__be64 *cell, __be64 from,
					     __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)cell, old,
			       (__force u64)to) == old;
}

/**
 * tce_table_cell() - the cell of an entry of v1
 * @table: whose cells follow each other in memory
 * @entry: the entry
 *
 * Return: the cell.
 */
static __always_inline __be64 *tce_table_cell(struct tce_table *table,
					      unsigned long entry)
{
	return table->cells + (entry - table->tbl->it_offset);
}

/**
 * tce_table_cells() - the cell of an entry
 * @table: the table
 * @entry: the entry
 * @alloc: add a missing level of the table
 * @left: returned here: how many cells follow each other in memory, itself included
 *
 * Context: with @alloc, may allocate memory.
 *
 * Return: the cell. NULL: with @alloc, there is no memory; else nothing is mapped in
 * these *@left entries.
 */
static __always_inline __be64 *tce_table_cells(struct tce_table *table,
					       unsigned long entry, bool alloc,
					       unsigned long *left)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at = entry - tbl->it_offset;

	if (likely(table->cells)) {
		*left = tbl->it_size - at;
		return table->cells + at;
	}
	*left = 1;
	if (tbl->it_indirect_levels)
		*left = tbl->it_level_size - (at & (tbl->it_level_size - 1));
	if (alloc || !table->walkable)
		return tce_table_useraddr(table, at, alloc);
	return tce_table_walk(table, at, left);
}

/**
 * tce_table_flush() - what comes next is done after the kills
 * @table: the table
 *
 * iommu_flush_tce(), in line. A kill is no more than a store to the bridge, and an entry
 * one to memory: nobody shall see what comes after them before (litmus/unpin.litmus).
 * Hypervisor calls are done when they return, but do not order
 * what we ask for next.
 */
static __always_inline void tce_table_flush(struct tce_table *table)
{
	if (unlikely(table->ops->flush))
		iommu_flush_tce(table->tbl);
	else
		mb();
}

/**
 * tce_table_kill_one() - tce_table_kill() of one entry
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
 * struct tce_entry - what is, or shall be, in an entry and its cell
 * @hpa: the address
 * @dir: what the device may do; DMA_NONE for an empty entry
 * @cookie: in the cell; 0 for nothing
 */
struct tce_entry {
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 cookie;
};

/**
 * tce_entry_swap() - exchange an entry and its cell
 * @table: the table
 * @entry: the entry, in a span of the caller's
 * @cell: its cell
 * @new: what shall be there; returns what was, to be let go by tce_holds_add() or
 *	tce_hold_put() after a kill
 * @shared: &tce_table.shared, as a constant
 *
 * In a shared table the cell that was there before the exchange may not be the entry's. When
 * an entry is cleared, what KVM has written to the cell meanwhile is left alone, since it is
 * for the next value. So is the cell of a value that KVM has just taken out, which KVM
 * counts down by it. What a cell of KVM's says is counted down once, by whoever replaces that
 * cell (litmus/kvm-map.litmus).
 *
 * Does not kill the entry. Context: may allocate a level of the table, if it is not
 * there; see tce_table_cells().
 *
 * Return: 0; -ENOMEM or -EIO if the platform refused, with nothing changed.
 */
static __always_inline int tce_entry_swap(struct tce_table *table,
					  unsigned long entry, __be64 *cell,
					  struct tce_entry *new,
					  const bool shared)
{
	u64 cookie = new->cookie;
	__be64 old = 0;
	int rc;

	if (shared)
		old = READ_ONCE(*cell);
	rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);
	/* -ENOMEM of powernv; pseries has raw codes of the hypervisor */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	if (!shared)
		old = *cell;
	if (!shared) {
		tce_cell_write(cell, cookie);
	} else if (!cookie && new->dir == DMA_NONE &&
		   !(old & cpu_to_be64(TCE_COOKIE_OURS))) {
		old = 0;
	} else if (!tce_cell_replace(cell, old, cpu_to_be64(cookie))) {
		if (cookie)
			tce_cell_write(cell, cookie);
		if (!(old & cpu_to_be64(TCE_COOKIE_OURS)))
			old = 0;
	}
	new->cookie = tce_cell_cookie(old);
	return 0;
}

#endif /* TCE_ENTRY_H */
