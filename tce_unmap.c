// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP. Clear entries and collect what they held; kill them; let go.
 *
 * Who gets a value out of an entry gives its page back. In a shared table that can be KVM
 * (tce_kvm.c), and a cell can be 0 while its entry is live. So there each entry is
 * exchanged, whatever its cell says. In any other one the cells say what there is.
 *
 * Three ways through here, and who lets go of what was mapped:
 *   one entry	unmap_one()	tce_hold_put()
 *   a short run, or a shared table	unmap_entry() for each	struct tce_holds
 *   a long run	unmap_run()	tce_hold_put_cells(); struct tce_holds for the rest
 *
 * Locks: the caller holds &tce_process.map_lock. A span keeps others out of the entries.
 *
 * Never fails: to unmap what is mapped. If the platform refuses to clear an entry, the
 * page stays, since the device may still reach it.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "tce_entry.h"
#include "tce_hold.h"
#include "tce_refusal.h"
#include "tce_unmap.h"

/* A hole of so many entries ends an invalidation, rather than be in it. */
#define TCE_KILL_GAP	512

/**
 * enum tce_kind - what the cells of a run of entries have in common
 * @TCE_HOLE: there are no cells, since a level of the table is missing
 * @TCE_EMPTY: nothing is mapped, unless the table is shared
 * @TCE_OURS: MAP has written them (TCE_COOKIE_OURS)
 * @TCE_OTHER: KVM has written them
 */
enum tce_kind {
	TCE_HOLE,
	TCE_EMPTY,
	TCE_OURS,
	TCE_OTHER,
};

/**
 * struct tce_run - some entries of one kind that follow each other
 * @entry: the first
 * @n: how many
 * @cell: the cell of the first; NULL for a hole
 * @left: cells that follow each other in memory from @cell on
 * @kind: what they are
 */
struct tce_run {
	unsigned long entry;
	unsigned long n;
	__be64 *cell;
	unsigned long left;
	enum tce_kind kind;
};

/**
 * struct tce_unmap - an UNMAP under way
 * @table: the table
 * @holds: what was collected, not yet let go
 * @first: where the range begins that must be killed before that
 * @end: where it ends; nothing to be killed if 0
 * @killable: a fatal signal ends it
 * @rc: the first failure
 */
struct tce_unmap {
	struct tce_table *table;
	struct tce_holds holds;
	unsigned long first;
	unsigned long end;
	bool killable;
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

/* @n entries are to be killed before anything is let go. */
static __always_inline void unmap_kill(struct tce_unmap *unmap,
				       unsigned long entry, unsigned long n)
{
	if (unmap->end && entry - unmap->end > TCE_KILL_GAP)
		unmap_release(unmap);
	if (!unmap->end)
		unmap->first = entry;
	unmap->end = entry + n;
}

static __always_inline bool cell_is(const __be64 *cell,
				    const enum tce_kind kind)
{
	const __be64 ours = cpu_to_be64(TCE_COOKIE_OURS);
	__be64 cookie = READ_ONCE(*cell);

	if (kind == TCE_EMPTY)
		return !cookie;
	if (kind == TCE_OURS)
		return !!(cookie & ours);
	return cookie && !(cookie & ours);
}

/* How many cells in a row, of @max, are of a kind? */
static __always_inline unsigned long cells_run(const __be64 *cell,
					       unsigned long max,
					       const enum tce_kind kind)
{
	unsigned long n = 0;

	while (n + 4 <= max && cell_is(&cell[n], kind) &&
	       cell_is(&cell[n + 1], kind) && cell_is(&cell[n + 2], kind) &&
	       cell_is(&cell[n + 3], kind))
		n += 4;
	while (n < max && cell_is(&cell[n], kind))
		n++;
	return n;
}

/* Find the next run behind @run, which ends before @end. Return: false if there is none */
static __always_inline bool next_run(struct tce_table *table,
				     struct tce_run *run, unsigned long end)
{
	unsigned long max;

	run->entry += run->n;
	run->left -= run->n;
	if (run->cell)
		run->cell += run->n;
	if (run->entry >= end)
		return false;
	if (!run->left) {
		run->cell = tce_table_cells(table, run->entry, false,
					    &run->left);
		run->left = min(run->left, end - run->entry);
	}
	if (!run->cell) {
		run->kind = TCE_HOLE;
		run->n = run->left;
		return true;
	}
	max = min(run->left, TCE_CLEAR_MAX);
	run->n = cells_run(run->cell, max, TCE_OURS);
	run->kind = TCE_OURS;
	if (run->n)
		return true;
	run->n = cells_run(run->cell, max, TCE_EMPTY);
	run->kind = TCE_EMPTY;
	if (run->n)
		return true;
	/* KVM may empty the first of them meanwhile */
	run->n = max(cells_run(run->cell, min(max, TCE_EXCHANGE_MAX),
			       TCE_OTHER), 1UL);
	run->kind = TCE_OTHER;
	return true;
}

/*
 * Clear a run of mapped entries by one operation of the platform, which invalidates them
 * too. It is cheaper than an exchange each. Then let go of what their cells say that they
 * held. An exchange tells what was in the entry, so this is not for shared tables.
 *
 * Return: whether it is done; if not, nothing is, and it must be done by exchange.
 */
static bool unmap_run(struct tce_unmap *unmap, const struct tce_run *run)
{
	struct tce_table *table = unmap->table;
	unsigned long done;

	if (!tce_table_clear(table, run->entry, run->n))
		return false;
	done = tce_hold_put_cells(table->mem, run->cell, run->n);
	while (done < run->n) {
		if (tce_holds_full(&unmap->holds))
			unmap_release(unmap);
		done += tce_holds_take(&unmap->holds, run->cell + done,
				       run->n - done);
	}
	return true;
}

/* Clear one entry by an exchange. */
static __always_inline void unmap_entry(struct tce_unmap *unmap,
					unsigned long entry, __be64 *cell,
					const bool shared)
{
	struct tce_entry old = { .dir = DMA_NONE };

	if (tce_holds_full(&unmap->holds))
		unmap_release(unmap);
	if (unlikely(tce_entry_swap(unmap->table, entry, cell, &old, shared))) {
		WRITE_ONCE(unmap->table->stale, true);
		if (!unmap->rc)
			unmap->rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
		return;
	}
	/* KVM may just have emptied it, and not have invalidated it yet */
	if (!shared || old.dir != DMA_NONE || old.cookie || unmap->killable)
		unmap_kill(unmap, entry, 1);
	if (old.cookie)
		tce_holds_add(&unmap->holds, &old);
}

/* Clear the first entries of a run, and make it as long as that is worth a look at signals. */
static void unmap_entries(struct tce_unmap *unmap, struct tce_run *run)
{
	unsigned long i;

	run->n = min(run->n, TCE_EXCHANGE_MAX);
	for (i = 0; i < run->n; i++) {
		if (unmap->table->shared)
			unmap_entry(unmap, run->entry + i, run->cell + i, true);
		else
			unmap_entry(unmap, run->entry + i, run->cell + i, false);
	}
}

/* Clear @n entries from @first on. Return: as tce_table_unmap() */
static int unmap_entries_of(struct tce_table *table, unsigned long first,
			    unsigned long n, bool killable)
{
	/* a run that is all of it needs no other kill, however short it is */
	unsigned long run_min = min_t(unsigned long, table->run_min, n);
	unsigned long end = first + n;
	struct tce_run run = { .entry = first };
	struct tce_unmap unmap __uninitialized;

	unmap.table = table;
	unmap.end = 0;
	unmap.killable = killable;
	unmap.rc = 0;
	tce_holds_init(&unmap.holds, table->mem);

	while (next_run(table, &run, end)) {
		if (run.kind != TCE_HOLE &&
		    (table->shared ||
		     (run.kind == TCE_OURS &&
		      (run.n < run_min || !unmap_run(&unmap, &run)))))
			unmap_entries(&unmap, &run);
		if (need_resched())
			cond_resched();
		if (killable && run.entry + run.n < end &&
		    fatal_signal_pending(current)) {
			unmap.rc = -EINTR;
			break;
		}
	}

	unmap_release(&unmap);
	tce_holds_destroy(&unmap.holds);
	return unmap.rc;
}

/* UNMAP of @n entries, at least 1. Return: as tce_table_unmap() */
static noinline int unmap_range(struct tce_table *table, unsigned long first,
				unsigned long n)
{
	struct tce_span span __uninitialized;
	int rc;

	rc = tce_span_lock(&table->spans, &span, first, n);
	if (rc)
		return rc;
	rc = unmap_entries_of(table, first, n, true);
	tce_span_unlock(&table->spans, &span);
	return rc;
}

/*
 * UNMAP of one entry: what unmap_range() does, at less cost for those who map page by
 * page. Return: as tce_table_unmap(); -EAGAIN if somebody else is at work in the table.
 */
static __always_inline int unmap_one(struct tce_table *table,
				     unsigned long entry, const bool v2,
				     const bool shared)
{
	struct tce_entry old = { .dir = DMA_NONE };
	unsigned long left;
	__be64 *cell;
	int rc = 0;

	cell = v2 ? tce_table_cells(table, entry, false, &left) :
		    tce_table_cell(table, entry);
	if (unlikely(!cell))
		return 0;
	if (unlikely(!tce_span_trylock_one(&table->spans)))
		return -EAGAIN;
	if (shared || likely(READ_ONCE(*cell))) {
		rc = tce_entry_swap(table, entry, cell, &old, shared);
		if (likely(!rc)) {
			/*
			 * before the next one finds it empty, and says that it is
			 * unmapped (litmus/unmap-twice.litmus)
			 */
			tce_table_kill_one(table, entry);
		} else {
			WRITE_ONCE(table->stale, true);
			rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
		}
	}
	tce_span_unlock_one(&table->spans);

	if (likely(!rc && old.cookie))
		tce_hold_put(table->mem, &old);
	return rc;
}

/**
 * tce_table_unmap() - UNMAP
 * @table: the table
 * @first: first entry
 * @n: entries, of which not all need to be mapped
 *
 * When it returns the devices can't reach the memory any more. Context: sleeps; need not
 * be the owner of the memory.
 *
 * Return: 0; -EINTR on SIGKILL; -EIO if the platform refused to clear some entry, which
 * keeps its page.
 */
int tce_table_unmap(struct tce_table *table, unsigned long first,
		    unsigned long n)
{
	int rc;

	if (n == 1) {
		if (!table->mem->v2)
			rc = unmap_one(table, first, false, false);
		else if (likely(!table->shared))
			rc = unmap_one(table, first, true, false);
		else
			rc = unmap_one(table, first, true, true);
		if (likely(rc != -EAGAIN))
			return rc;
	}
	return n ? unmap_range(table, first, n) : 0;
}

/**
 * tce_unmap_entries() - clear some entries, whatever happens
 * @table: the table
 * @first: first entry, in a span of the caller's
 * @n: entries
 *
 * Context: sleeps. Can't be killed.
 */
void tce_unmap_entries(struct tce_table *table, unsigned long first,
		       unsigned long n)
{
	unmap_entries_of(table, first, n, false);
}

/* If there was no memory for cells, nothing is mapped. */
static bool table_has_cells(const struct tce_table *table)
{
	return table->tbl->it_userspace && (table->mem->v2 || table->cells);
}

/**
 * tce_unmap_table() - clear all entries of a table
 * @table: the table, which nobody uses but KVM
 *
 * Context: sleeps. Can't be killed.
 */
void tce_unmap_table(struct tce_table *table)
{
	if (!table_has_cells(table))
		return;
	unmap_entries_of(table, table->tbl->it_offset, table->tbl->it_size,
			 false);
}

/**
 * tce_unmap_count() - how much is mapped in a table?
 * @table: the table; KVM may change it meanwhile
 * @ours: entries that MAP has written, by what their cells say, are returned here
 * @others: the same of those that KVM has written
 *
 * Context: sleeps; looks at each cell of the table.
 */
void tce_unmap_count(struct tce_table *table, unsigned long *ours,
		     unsigned long *others)
{
	struct tce_run run = { .entry = table->tbl->it_offset };

	*ours = 0;
	*others = 0;
	if (!table_has_cells(table))
		return;
	while (next_run(table, &run, tce_table_end(table))) {
		if (run.kind == TCE_OURS)
			*ours += run.n;
		if (run.kind == TCE_OTHER)
			*others += run.n;
		cond_resched();
	}
}

/**
 * tce_unmap_memory() - v2: unmap some memory, wherever it is mapped
 * @table: the table, which nobody uses but KVM
 * @ua: first byte
 * @size: bytes
 *
 * Context: sleeps; looks at each cell of the table.
 */
void tce_unmap_memory(struct tce_table *table, unsigned long ua,
		      unsigned long size)
{
	unsigned long entry = table->tbl->it_offset, end, left, n;
	__be64 *cell;
	u64 cookie;

	for (end = tce_table_end(table); entry < end; entry += left) {
		cell = tce_table_cells(table, entry, false, &left);
		if (cell)
			left = min_t(unsigned long, left, SZ_64K);
		for (n = 0; cell && n < left; n++) {
			cookie = tce_cell_read(&cell[n]);
			if (cookie && (cookie & ~TCE_COOKIE_OURS) - ua < size)
				unmap_entries_of(table, entry + n, 1, true);
		}
		if (need_resched())
			cond_resched();
	}
}

/**
 * tce_unmap_leftovers() - let go of what tce_unmap_table() had to leave
 * @table: no bridge uses it any more, so that nothing in it reaches a page
 *
 * Only pages of v1: regions of v2 are let go with the process's last container.
 */
void tce_unmap_leftovers(struct tce_table *table)
{
	struct tce_run run = { .entry = table->tbl->it_offset };
	struct tce_holds holds;

	if (table->mem->v2 || !table->stale)
		return;
	tce_holds_init(&holds, table->mem);
	while (next_run(table, &run, tce_table_end(table))) {
		if (tce_holds_full(&holds))
			tce_holds_release(&holds);
		if (run.kind == TCE_OURS)
			run.n = max(tce_holds_take(&holds, run.cell, run.n), 1UL);
		cond_resched();
	}
	tce_holds_destroy(&holds);
}
