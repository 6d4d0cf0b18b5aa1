// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP. Take hold of the memory, write the entries, kill them, and let go of what they
 * held before. A MAP that fails puts back what it replaced, entry by entry.
 *
 * Locks: the caller holds &tce_process.map_lock. A span keeps others out of the entries.
 *
 * Never fails: to put back, but for entries that KVM or the platform does not let us
 * write. What the device may still reach is not let go.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tce_entry.h"
#include "tce_hold.h"
#include "tce_kvm.h"
#include "tce_map.h"
#include "tce_page.h"
#include "tce_refusal.h"
#include "tce_replaced.h"

/* Entries that a MAP writes per look at the memory */
#define TCE_CHUNK	4096UL
/* The same where the addresses fit on the stack */
#define TCE_CHUNK_STACK	16

/**
 * struct tce_map - a MAP under way
 * @table: the table
 * @first: first entry
 * @done: entries written so far
 * @ua: where the memory of @first is
 * @dir: direction for all of them
 * @ours: the chunk's cells are marked; see TCE_COOKIE_OURS
 * @alone: KVM has no part in the table; see tce_kvm_absent()
 * @run_min: the least run that is worth a set()
 * @exchanged: some were exchanged instead, and are to be killed
 * @pins: v1: the pages
 * @replaced: what was there before
 * @holds: what waits for a kill
 */
struct tce_map {
	struct tce_table *table;
	unsigned long first;
	unsigned long done;
	unsigned long ua;
	enum dma_data_direction dir;
	bool ours;
	bool alone;
	unsigned long run_min;
	bool exchanged;
	struct tce_pins *pins;
	struct tce_replaced replaced;
	struct tce_holds holds;
};

static unsigned long map_ua(const struct tce_map *map, unsigned long done)
{
	return map->ua + (done << map->table->tbl->it_page_shift);
}

/*
 * Write a run of empty entries with a run of memory by one operation of the platform,
 * which invalidates them too. KVM, if it gets the table meanwhile, at worst loses count
 * of a page that it puts there.
 *
 * Return: 0; -ENOMEM; -EIO. The entries count as written in any case, to be cleared by
 * map_undo().
 */
static int map_set_run(struct tce_map *map, const unsigned long *hpas,
		       __be64 *cell, unsigned long n)
{
	unsigned long step = 1UL << map->table->tbl->it_page_shift;
	unsigned long ua = map_ua(map, map->done), i;
	bool v2 = map->table->mem->v2, write = tce_dir_writes(map->dir);
	int rc;

	rc = tce_table_set(map->table, map->first + map->done, n, hpas[0],
			   map->dir);
	for (i = 0; i < n; i++, ua += step)
		tce_cell_write(&cell[i],
			       tce_mem_cookie(v2, true, ua, hpas[i], write));
	map->done += n;
	return rc;
}

static __always_inline int exchange_entries(struct tce_map *map,
					    const unsigned long *hpas,
					    __be64 *cell, unsigned long n,
					    const bool v2, const bool ours,
					    const bool alone)
{
	struct tce_table *table = map->table;
	unsigned long step = 1UL << table->tbl->it_page_shift;
	unsigned long entry = map->first + map->done;
	unsigned long ua = map_ua(map, map->done), i;
	enum dma_data_direction dir = map->dir;
	bool write = tce_dir_writes(dir);
	struct tce_entry now;
	enum tce_was was;
	int rc = 0;

	for (i = 0; i < n; i++, ua += step) {
		now.hpa = hpas[i];
		now.dir = dir;
		now.cookie = tce_mem_cookie(v2, ours, ua, hpas[i], write);
		rc = tce_entry_swap(table, entry + i, &cell[i], &now, v2,
				    alone, &was);
		if (unlikely(rc)) {
			rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
			break;
		}
		/* what is not ours is not put back: nobody would count it */
		if (likely(was != TCE_WAS_OURS))
			continue;
		rc = tce_replaced_push(&map->replaced, entry + i, &now);
		if (rc) {
			i++;
			break;
		}
	}
	map->done += i;
	return rc;
}

/*
 * Write entries by an exchange each. Return: 0, or -ENOMEM, -EIO, with
 * &tce_map.done entries written.
 */
static int map_exchange(struct tce_map *map, const unsigned long *hpas,
			__be64 *cell, unsigned long n)
{
	const bool v2 = map->table->mem->v2;
	unsigned long i, now;
	int rc = 0;

	map->exchanged = true;
	for (i = 0; !rc && i < n; i += now) {
		now = min(n - i, TCE_EXCHANGE_MAX);
		if (!v2)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      false, true, false);
		else if (map->alone)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      true, true, true);
		else
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      true, map->ours, false);
		if (need_resched())
			cond_resched();
	}
	return rc;
}

/*
 * Find the next run of adjacent IOMMU pages that is worth a set(), from @at
 * on. It has to contain half of the least such run at a multiple of that
 * half, so that scattered memory costs a look at a few pages only.
 */
static bool find_run(const struct tce_map *map, const unsigned long *hpas,
		     unsigned long at, unsigned long n, unsigned long *run,
		     unsigned long *end)
{
	unsigned int shift = map->table->tbl->it_page_shift;
	unsigned long half = map->run_min / 2, i, a, b;

	for (i = at; i + half <= n; i = max(b, i + half)) {
		b = i;
		if (hpas[i + half - 1] - hpas[i] != (half - 1) << shift)
			continue;
		for (a = i; a > at; a--)
			if (hpas[a - 1] + (1UL << shift) != hpas[a])
				break;
		for (b = i + 1; b < n; b++)
			if (hpas[b - 1] + (1UL << shift) != hpas[b])
				break;
		if (b - a >= map->run_min) {
			*run = a;
			*end = b;
			return true;
		}
	}
	return false;
}

static bool cells_empty(const __be64 *cell, unsigned long n)
{
	while (n && !READ_ONCE(*cell)) {
		cell++;
		n--;
	}
	return !n;
}

/*
 * Write the next @n entries, whose cells are all in one leaf. Return: 0, or
 * -ENOMEM, -EIO, with &tce_map.done entries written.
 */
static int map_write(struct tce_map *map, const unsigned long *hpas,
		     __be64 *cell, unsigned long n)
{
	/*
	 * set() does not check if it got the memory for a missing leaf, so
	 * the first entry of a leaf is exchanged.
	 */
	unsigned long at = map->table->tbl->it_indirect_levels ? 1 : 0;
	unsigned long max = tce_table_set_max(map->table, map->dir);
	unsigned long from = 0, run, end;
	int rc;

	/* [from, run) are to be exchanged, [run, end) may be set */
	while (map->alone && max && find_run(map, hpas, at, n, &run, &end)) {
		if (end - run > max)
			end = run + max;
		at = end;
		if (!cells_empty(cell + run, end - run))
			continue;
		if (from < run) {
			rc = map_exchange(map, hpas + from, cell + from,
					  run - from);
			if (rc)
				return rc;
		}
		rc = map_set_run(map, hpas + run, cell + run, end - run);
		if (rc)
			return rc;
		from = end;
	}
	return from < n ? map_exchange(map, hpas + from, cell + from, n - from)
			: 0;
}

/* Put back what was in an entry, and let go of what the MAP had put. */
static void undo_entry(struct tce_map *map, unsigned long entry)
{
	struct tce_old old = { .was.dir = DMA_NONE };
	struct tce_table *table = map->table;
	unsigned long left;
	enum tce_was was;
	bool replaced;
	__be64 *cell;
	u64 cookie;

	replaced = tce_replaced_pop(&map->replaced, entry, &old);
	cookie = old.was.cookie;
	cell = tce_table_cells(table, entry, false, &left);
	if (tce_entry_swap(table, entry, cell, &old.was, table->mem->v2, false,
			   &was)) {
		/* the new page stays, the old one can't come back */
		WRITE_ONCE(table->stale, true);
		if (cookie)
			tce_holds_add(&map->holds, cookie, old.was.hpa,
				      tce_dir_writes(old.was.dir));
	} else if (was == TCE_WAS_OURS) {
		tce_holds_add(&map->holds, old.was.cookie, old.was.hpa,
			      tce_dir_writes(old.was.dir));
	} else if (was == TCE_WAS_KVMS && !replaced && tce_kvm_absent(table)) {
		/* no, set() failed and took its entries out again */
		tce_holds_take(&map->holds, cell, 1);
	}
}

/* A MAP failed: put back what was there, and let go of what it had put. */
static void map_undo(struct tce_map *map)
{
	unsigned long entry = map->first + map->done;
	unsigned long kill_end = entry;

	while (entry-- > map->first) {
		if (tce_holds_full(&map->holds)) {
			tce_table_kill(map->table, entry + 1,
				       kill_end - entry - 1);
			tce_holds_release(&map->holds);
			kill_end = entry + 1;
		}
		undo_entry(map, entry);
		if (need_resched())
			cond_resched();
	}
	tce_table_kill(map->table, map->first, kill_end - map->first);
}

/* A MAP succeeded: let go of what it replaced, after a kill. */
static void map_finish(struct tce_map *map)
{
	struct tce_old old;

	if (map->exchanged)
		tce_table_kill(map->table, map->first, map->done);
	else
		tce_table_flush(map->table);
	while (tce_replaced_pop(&map->replaced, map->first, &old)) {
		if (tce_holds_full(&map->holds))
			tce_holds_release(&map->holds);
		if (old.was.cookie)
			tce_holds_add(&map->holds, old.was.cookie, old.was.hpa,
				      tce_dir_writes(old.was.dir));
		if (need_resched())
			cond_resched();
	}
}

/* Let go of what was held for @n entries that were not written. */
static void map_unhold(struct tce_map *map, const unsigned long *hpas,
		       unsigned long n)
{
	bool v2 = map->table->mem->v2, write = tce_dir_writes(map->dir);
	unsigned long i;
	u64 cookie;

	for (i = 0; i < n; i++) {
		cookie = tce_mem_cookie(v2, map->ours,
					map_ua(map, map->done + i), hpas[i],
					write);
		if (tce_holds_full(&map->holds))
			tce_holds_release(&map->holds);
		tce_holds_add(&map->holds, cookie, hpas[i], write);
	}
	tce_holds_release(&map->holds);
}

/* Hold and write up to @max of the entries that are left of @n. */
static int map_chunk(struct tce_map *map, unsigned long *hpas, unsigned long n,
		     unsigned long max)
{
	struct tce_table *table = map->table;
	unsigned long from = map->done, i, left;
	__be64 *cell;
	long got;
	int rc;

	got = tce_mem_get(table->mem, map->pins, map_ua(map, from),
			  min(n - from, max), table->tbl->it_page_shift,
			  &map->ours, hpas);
	if (got < 0)
		return got;
	map->alone = tce_kvm_absent(table);

	for (i = 0; i < got; i += left) {
		cell = tce_table_cells(table, map->first + from + i, true,
				       &left);
		if (!cell) {
			rc = TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
			goto err_unhold;
		}
		left = min(left, got - i);
		rc = map_write(map, hpas + i, cell, left);
		if (rc)
			goto err_unhold;
	}
	return 0;

err_unhold:
	i = map->done - from;
	map_unhold(map, hpas + i, got - i);
	return rc;
}

/* Map @n entries: all of them, or none. */
static int map_entries(struct tce_map *map, unsigned long n)
{
	unsigned long few[TCE_CHUNK_STACK] __uninitialized, *hpas = few;
	unsigned long max = TCE_CHUNK_STACK;
	int rc;

	if (n > TCE_CHUNK_STACK) {
		max = min(n, TCE_CHUNK);
		hpas = kmalloc_array(max, sizeof(*hpas),
				     GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
		if (!hpas) {
			max = TCE_CHUNK_STACK;
			hpas = few;
		}
	}

	for (;;) {
		rc = map_chunk(map, hpas, n, max);
		if (rc || map->done == n)
			break;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		if (need_resched())
			cond_resched();
	}
	if (rc)
		map_undo(map);
	else
		map_finish(map);

	if (hpas != few)
		kfree(hpas);
	return rc;
}

/* MAP of @n entries, at least 1. Return: as tce_table_map() */
static noinline int map_range(struct tce_table *table, unsigned long first,
			      unsigned long ua, unsigned long n,
			      enum dma_data_direction dir,
			      struct tce_pins *pins)
{
	unsigned int shift = table->tbl->it_page_shift;
	struct tce_span span __uninitialized;
	struct tce_map map __uninitialized;
	int rc;

	rc = tce_span_lock(&table->spans, &span, first, n);
	if (rc)
		return rc;
	rc = tce_mem_check(table->mem, ua, n << shift, shift,
			   tce_dir_writes(dir));
	if (rc)
		goto out_unlock;

	map.table = table;
	map.first = first;
	map.done = 0;
	map.ua = ua;
	map.dir = dir;
	/* a run that is all of it needs no other kill, however short it is */
	map.run_min = clamp_t(unsigned long, n, 2, table->run_min);
	map.exchanged = false;
	map.pins = pins;
	tce_replaced_init(&map.replaced);
	tce_holds_init(&map.holds, table->mem);
	rc = map_entries(&map, n);
	tce_holds_destroy(&map.holds);

out_unlock:
	tce_span_unlock(&table->spans, &span);
	return rc;
}

/*
 * Write one entry, if it is empty. Return: 0; -EAGAIN if it is not, or if somebody else
 * is at work in the table; -ENOMEM; -EIO.
 */
static __always_inline int map_empty(struct tce_table *table,
				     unsigned long entry, __be64 *cell,
				     struct tce_entry *new, const bool v2)
{
	enum tce_was was = TCE_WAS_EMPTY;
	int rc = -EAGAIN;

	if (unlikely(!tce_span_trylock_one(&table->spans)))
		return -EAGAIN;
	if (likely(!READ_ONCE(*cell))) {
		rc = tce_entry_swap(table, entry, cell, new, v2, false, &was);
		if (likely(!rc))
			tce_table_kill_one(table, entry);
		else
			rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
	}
	tce_span_unlock_one(&table->spans);
	/* KVM has mapped something there since */
	if (v2 && unlikely(was == TCE_WAS_OURS))
		tce_hold_put(table->mem, new->cookie, new->hpa,
			     tce_dir_writes(new->dir));
	return rc;
}

/*
 * v2: MAP of one entry, which is empty: what map_range() does, at less cost for those who
 * map page by page. Return: as tce_table_map(); -EAGAIN if it is to be done by map_range().
 */
static __always_inline int map_one(struct tce_table *table, unsigned long entry,
				   unsigned long ua,
				   enum dma_data_direction dir)
{
	bool write = tce_dir_writes(dir), ours;
	struct tce_mem *mem = table->mem;
	struct tce_entry new = { .dir = dir };
	unsigned long left, hpa;
	__be64 *cell;
	u64 cookie;
	int rc;

	rc = tce_mem_get_one(mem, ua, table->tbl->it_page_shift, write, &hpa,
			     &ours);
	if (unlikely(rc))
		return rc;
	cookie = tce_mem_cookie(true, ours, ua, hpa, write);
	new.hpa = hpa;
	new.cookie = cookie;
	cell = tce_table_cells(table, entry, true, &left);
	rc = cell ? map_empty(table, entry, cell, &new, true) :
		    TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
	if (unlikely(rc))
		tce_hold_put(mem, cookie, hpa, write);
	return rc;
}

/**
 * tce_table_map() - MAP
 * @table: the table
 * @first: first entry
 * @ua: where the memory is in the caller's address space, aligned to the IOMMU page
 * @n: entries; 0 maps nothing
 * @dir: what the devices may do
 * @pins: v1: the pages of just this memory
 *
 * What was mapped there before is replaced. Undone by tce_table_unmap(). Context: the owner of
 * the memory; sleeps, but waits for no client.
 *
 * Return: 0; -EINVAL or -EFAULT as tce_mem_check(); -ENOMEM; -EINTR; -EIO if the platform
 * refused. On any of them all entries are what they were before, but for what KVM has
 * done to them meanwhile.
 */
int tce_table_map(struct tce_table *table, unsigned long first,
		  unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_pins *pins)
{
	int rc;

	if (n == 1 && !pins) {
		rc = map_one(table, first, ua, dir);
		if (likely(rc != -EAGAIN))
			return rc;
	}
	return n ? map_range(table, first, ua, n, dir, pins) : 0;
}
