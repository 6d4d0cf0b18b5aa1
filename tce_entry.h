/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An entry and its cell, in line. A call of one entry, or a loop over many, would cost up
 * to a fifth more if these were functions of tce_table.c.
 *
 * For each entry there is a cell, which has the cookie of the memory that is mapped
 * (tce_mem_cookie()), or 0. Cells are big endian. KVM reads and writes those of v2, with
 * no lock in common with us. It finds no cell of v1: so it can empty entries of v1, but
 * put nothing there.
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
 * tce_cookie_cell() - what a cell with a cookie has
 * @cookie: the cookie, or 0
 *
 * Return: what is in the cell.
 */
static __always_inline __be64 tce_cookie_cell(u64 cookie)
{
	__be64 turned __uninitialized;
	__be64 *at = &turned;

	OPTIMIZER_HIDE_VAR(at);
	tce_cell_write(at, cookie);
	return turned;
}

/**
 * tce_cell_replace() - put a cookie into a cell, unless KVM has put another one there
 * @cell: the cell
 * @from: what was in it
 * @to: what shall be
 *
 * KVM does so for another entry (litmus/cells-map.litmus, litmus/cells-unmap.litmus).
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
 * one to memory: nobody shall see what comes after them before (litmus/unpin.litmus,
 * litmus/exclusive.litmus). Hypervisor calls are done when they return, but do not order
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
	iommu_tce_kill(table->tbl, entry, 1);
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
 * enum tce_was - whose is what was taken out of an entry?
 * @TCE_WAS_EMPTY: nothing was there
 * @TCE_WAS_OURS: the cell's cookie said what it held. That is to be let go after the
 *	entry has been killed.
 * @TCE_WAS_KVMS: KVM has put there what was in it, or has taken it out. It counts, or has
 *	counted, that by itself.
 * @TCE_WAS_LOST: KVM changes entry and cell at this moment. Nobody can tell whose cookie
 *	it was: it stays counted.
 */
enum tce_was {
	TCE_WAS_EMPTY,
	TCE_WAS_OURS,
	TCE_WAS_KVMS,
	TCE_WAS_LOST,
};

/**
 * tce_entry_swap() - exchange an entry and its cell
 * @table: the table
 * @entry: the entry, in a span of the caller's
 * @cell: its cell
 * @new: what shall be there; returns what was
 * @v2: &tce_mem.v2, as a constant
 * @alone: tce_kvm_absent() said so: KVM writes no cell meanwhile
 * @was: whose it was is returned here
 *
 * What entry and cell said together::
 *
 *   cell   entry    cell then                    was
 *   0      none     the new cookie               empty; if KVM has taken out what was
 *                                                put at once, that stays counted
 *   0      mapped   the new cookie               KVM's, who has not written the cell;
 *                                                lost, if it does so under a MAP
 *   full   mapped   the new cookie, if KVM       ours
 *                   did not change it
 *                   else: to clear, left alone;  lost
 *                   to map, the new cookie
 *   full   none     v1: the new cookie           ours; KVM can only empty entries
 *                   v2, to map: the new cookie   KVM's, who has taken it out
 *                   v2, to clear: left alone,    KVM's; it may put it back
 *                   since KVM reads it next
 *
 * With @alone the cell of an empty entry of v2 is not looked at.
 *
 * Does not kill the entry. Context: may allocate a level of the table, if it is not
 * there; see tce_table_cells().
 *
 * Return: 0; -ENOMEM or -EIO if the platform refused, with nothing changed.
 */
static __always_inline int tce_entry_swap(struct tce_table *table,
					  unsigned long entry, __be64 *cell,
					  struct tce_entry *new, const bool v2,
					  const bool alone, enum tce_was *was)
{
	const bool ours_alone = !v2 || alone;
	__be64 old = ours_alone ? 0 : READ_ONCE(*cell);
	u64 cookie = new->cookie;
	int rc;

	rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);
	/* -ENOMEM of powernv; pseries has raw codes of the hypervisor */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	if (ours_alone) {
		if (!v2 || unlikely(new->dir != DMA_NONE))
			old = *cell;
		tce_cell_write(cell, cookie);
		new->cookie = tce_cell_cookie(old);
		*was = old ? TCE_WAS_OURS :
		       new->dir == DMA_NONE ? TCE_WAS_EMPTY : TCE_WAS_KVMS;
		return 0;
	}
	new->cookie = tce_cell_cookie(old);
	if (!old)
		*was = new->dir == DMA_NONE ? TCE_WAS_EMPTY : TCE_WAS_KVMS;
	else
		*was = new->dir == DMA_NONE ? TCE_WAS_KVMS : TCE_WAS_OURS;
	/* nothing is to be cleared, or KVM will */
	if (!cookie && unlikely(!old || new->dir == DMA_NONE))
		return 0;
	if (likely(tce_cell_replace(cell, old, tce_cookie_cell(cookie))))
		return 0;
	if (cookie)
		tce_cell_write(cell, cookie);
	if (new->dir != DMA_NONE)
		*was = TCE_WAS_LOST;
	return 0;
}

#endif /* TCE_ENTRY_H */
