// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP: clear entries and collect what they held, invalidate them, and release it.
 *
 * Whoever removes an entry's value releases its page. In a shared table that can be KVM
 * (tce_kvm.c), and a cell can be 0 while its entry is live, so each entry is exchanged
 * there whatever its cell says. In all other tables the cells tell what is mapped, and long
 * runs of entries are cleared by one operation of the platform.
 *
 * Locks: the caller holds &tce_process.map_lock. The entries are locked by a span.
 *
 * Never fails: tce_unmap_table(). If the platform refuses to clear an entry, its page stays pinned,
 * because the device may still reach it.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "tce_entry.h"
#include "tce_hold.h"
#include "tce_refusal.h"
#include "tce_region.h"
#include "tce_unmap.h"

/* A gap of so many entries splits an invalidation in two */
#define TCE_KILL_GAP	512

/**
 * struct tce_unmap - an UNMAP in progress
 * @table: the table
 * @holds: what has been collected and not yet released
 * @first: first entry to be invalidated before @holds are released
 * @end: end of the entries to be invalidated; 0 for none
 * @killable: a client's own call, which a fatal signal ends
 * @run_min: how many entries in a row are cleared by one operation
 * @rc: the first failure
 */
struct tce_unmap {
	struct tce_table *table;
	struct tce_holds holds;
	unsigned long first;
	unsigned long end;
	bool killable;
	unsigned long run_min;
	int rc;
};

static void unmap_release(struct tce_unmap *unmap)
{
	if (unmap->end)
		tce_table_kill(unmap->table, unmap->first,
			       unmap->end - unmap->first);
	else
		tce_table_flush(unmap->table);
	unmap->end = 0;
	tce_holds_release(&unmap->holds);
}

/* An entry has to be invalidated before anything is released. */
static __always_inline void unmap_kill(struct tce_unmap *unmap,
				       unsigned long entry)
{
	if (unmap->end && entry - unmap->end > TCE_KILL_GAP)
		unmap_release(unmap);
	if (!unmap->end)
		unmap->first = entry;
	unmap->end = entry + 1;
}

/* Clear one entry by an exchange. */
static void unmap_entry(struct tce_unmap *unmap, unsigned long entry,
			__be64 *cell)
{
	struct tce_entry old = { .dir = DMA_NONE };

	if (tce_holds_full(&unmap->holds))
		unmap_release(unmap);
	if (unlikely(tce_entry_swap(unmap->table, entry, cell, &old,
				    unmap->table->shared))) {
		unmap->rc = unmap->rc ?: TCE_REFUSE(CLEAR_ENTRY, EIO);
		return;
	}
	/* KVM may have emptied it and not invalidated it, for which a client's UNMAP waits */
	if (old.dir != DMA_NONE || old.cookie || unmap->killable)
		unmap_kill(unmap, entry);
	if (old.cookie)
		tce_holds_add(&unmap->holds, &old);
}

/*
 * Clear a run of entries by one operation of the platform, which invalidates them as well and
 * is cheaper than an exchange of each. Their cells tell what they held, so this is not for
 * shared tables. Return: false if the entries are still there, and have to be exchanged
 */
static bool unmap_run(struct tce_unmap *unmap, unsigned long entry,
		      __be64 *cell, unsigned long n)
{
	if (!tce_table_clear(unmap->table, entry, n))
		return false;
	tce_hold_put_cells(unmap->table->mem, cell, n);
	return true;
}

/* Clear the first of @max entries whose cells are alike. Return: how many */
static unsigned long unmap_some(struct tce_unmap *unmap, unsigned long entry,
				__be64 *cell, unsigned long max)
{
	unsigned long n;

	if (!unmap->table->shared) {
		n = tce_cells_run(cell, max, true);
		if (n)
			return n;
		max = tce_cells_run(cell, max, false);
		if (max >= unmap->run_min && unmap_run(unmap, entry, cell, max))
			return max;
	}
	max = min(max, TCE_EXCHANGE_MAX);
	for (n = 0; n < max; n++)
		unmap_entry(unmap, entry + n, cell + n);
	return max;
}

/* The cells from @entry on that are processed in one go; as tce_table_cells() */
static __be64 *cells_from(struct tce_table *table, unsigned long entry,
			  unsigned long end, unsigned long *left)
{
	__be64 *cell = tce_table_cells(table, entry, false, left);

	*left = min(*left, end - entry);
	if (cell)
		*left = min(*left, TCE_CLEAR_MAX);
	if (need_resched())
		cond_resched();
	return cell;
}

/*
 * Clear some entries, each of them by an exchange if @exchange is set. If it is @killable, SIGKILL
 * ends it. Return: as tce_table_unmap()
 */
static int unmap_entries(struct tce_table *table, unsigned long first,
			 unsigned long n, bool exchange, bool killable)
{
	unsigned long end = first + n, entry = first, left;
	struct tce_unmap unmap __uninitialized;
	__be64 *cell;

	unmap.table = table;
	unmap.end = 0;
	unmap.killable = killable;
	/* a run that is the whole range saves an invalidation, however short it is */
	unmap.run_min = exchange ? ULONG_MAX : min_t(unsigned long, table->run_min, n);
	unmap.rc = 0;
	tce_holds_init(&unmap.holds, table->mem, table->shared);

	while (entry < end) {
		cell = cells_from(table, entry, end, &left);
		entry += cell ? unmap_some(&unmap, entry, cell, left) : left;
		if (killable && entry < end && fatal_signal_pending(current)) {
			unmap.rc = -EINTR;
			break;
		}
	}

	unmap_release(&unmap);
	return unmap.rc;
}

/**
 * tce_unmap_failed() - clear what a MAP has written before it failed
 * @table: the table
 * @first: first entry, in a span of the caller's
 * @n: entries
 *
 * Each is exchanged: after a run that the platform refused midway, an operation that clears the
 * whole run could be refused as well, and the run's empty end would hide that.
 *
 * Context: sleeps, and can't be killed.
 */
void tce_unmap_failed(struct tce_table *table, unsigned long first,
		      unsigned long n)
{
	unmap_entries(table, first, n, true, false);
}

/* UNMAP of @n entries, at least 1. Return: as tce_table_unmap() */
static noinline int unmap_range(struct tce_table *table, unsigned long first,
				unsigned long n)
{
	int span = tce_span_lock(&table->spans, first, n), rc;

	if (span < 0)
		return span;
	rc = unmap_entries(table, first, n, false, true);
	tce_span_unlock(&table->spans, span);
	return rc;
}

/*
 * UNMAP of one entry, which costs clients that map page by page less than unmap_range() would.
 * Return: as tce_table_unmap(); -EAGAIN if another call is working on the table
 */
static __always_inline int unmap_one(struct tce_table *table,
				     unsigned long entry)
{
	struct tce_entry old = { .dir = DMA_NONE };
	unsigned long left;
	__be64 *cell;
	int rc = 0;

	cell = tce_table_cells(table, entry, false, &left);
	if (unlikely(!cell))
		return 0;
	if (unlikely(!tce_span_trylock_one(&table->spans)))
		return -EAGAIN;
	if (table->shared || likely(READ_ONCE(*cell))) {
		rc = tce_entry_swap(table, entry, cell, &old, table->shared);
		/*
		 * Under the lock, or else the next UNMAP could find the entry empty and report
		 * it as unmapped too early (litmus/unmap-twice.litmus)
		 */
		if (likely(!rc))
			tce_table_kill_one(table, entry);
		else
			rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
	}
	tce_span_unlock_one(&table->spans);

	if (likely(old.cookie))
		tce_hold_put(table->mem, &old, table->shared);
	return rc;
}

/**
 * tce_table_unmap() - UNMAP
 * @table: the table
 * @first: first entry
 * @n: entries, not all of which need to be mapped
 *
 * When it returns, the devices can no longer reach the memory. Context: sleeps; need not be
 * the owner of the memory.
 *
 * Return: 0; -EINTR on SIGKILL; -EIO if the platform refused to clear some entry, which keeps
 * its page.
 */
int tce_table_unmap(struct tce_table *table, unsigned long first,
		    unsigned long n)
{
	int rc = n == 1 ? unmap_one(table, first) : -EAGAIN;

	if (likely(rc != -EAGAIN))
		return rc;
	return n ? unmap_range(table, first, n) : 0;
}

/**
 * tce_unmap_table() - clear all entries of a table
 * @table: the table, which nobody but KVM uses
 *
 * Context: sleeps, and can't be killed.
 */
void tce_unmap_table(struct tce_table *table)
{
	unmap_entries(table, table->tbl->it_offset, table->tbl->it_size, false, false);
}

/**
 * tce_unmap_leftovers() - v1: release what tce_unmap_table() could not clear
 * @table: the table, which is in no bridge any more, so that nothing in it reaches a page
 *
 * Regions of v2 are released with the process's last container. Context: sleeps.
 */
void tce_unmap_leftovers(struct tce_table *table)
{
	unsigned long entry = table->tbl->it_offset, left, n;
	unsigned long end = entry + table->tbl->it_size;
	__be64 *cell;

	for (; entry < end; entry += n) {
		cell = cells_from(table, entry, end, &left);
		n = cell ? tce_cells_run(cell, left, true) : left;
		if (n)
			continue;
		n = tce_cells_run(cell, left, false);
		tce_hold_put_cells(table->mem, cell, n);
	}
}

static bool cell_is_of(const __be64 *cell, const struct tce_region *region)
{
	return (tce_cell_read(cell) & ~TCE_COOKIE_OURS) - region->ua <
	       region->npages << PAGE_SHIFT;
}

/**
 * tce_unmap_region() - v2: unmap a region wherever it is mapped
 * @table: the table, which nobody but KVM uses
 * @region: the region
 *
 * What the platform refuses to clear stays counted. Context: sleeps; reads the cells until nothing
 * is counted any more, or to the end of the table if KVM may have mapped some of the region.
 *
 * Return: 0; -EINTR on SIGKILL.
 */
int tce_unmap_region(struct tce_table *table, const struct tce_region *region)
{
	unsigned long entry = table->tbl->it_offset, left, n;
	unsigned long end = entry + table->tbl->it_size;
	__be64 *cell;

	/* the kernel's list does not tell how often KVM maps it */
	for (; entry < end && (region->mem || atomic64_read(&region->mapped)); entry += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cell = cells_from(table, entry, end, &left);
		n = cell ? tce_cells_run(cell, left, true) : left;
		if (n)
			continue;
		while (n < left && cell_is_of(&cell[n], region))
			n++;
		if (n)
			unmap_entries(table, entry, n, false, true);
		else
			while (n < left && tce_cell_read(&cell[n]) &&
			       !cell_is_of(&cell[n], region))
				n++;
	}
	return 0;
}
