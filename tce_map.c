// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP. Take hold of the memory, write the entries, kill them, and let go of what they
 * held before. What can be refused is refused before the first entry is written. A MAP that
 * fails after that, for want of memory for the table, by the platform or by a fatal signal,
 * leaves its range unmapped.
 *
 * Locks: the caller holds &tce_process.map_lock. A span keeps others out of the entries.
 *
 * Never fails: to unmap, but for entries that the platform does not let us clear. What the
 * device may still reach is not let go.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tce_entry.h"
#include "tce_hold.h"
#include "tce_map.h"
#include "tce_page.h"
#include "tce_refusal.h"
#include "tce_unmap.h"

/* Entries that a MAP writes per look at the memory */
#define TCE_CHUNK	4096UL
/* The same where the addresses fit on the stack */
#define TCE_CHUNK_STACK	16

/**
 * struct tce_map - a MAP under way
 * @table: the table
 * @first: first entry
 * @done: entries written so far
 * @killed: so many of them need no invalidation any more
 * @ua: where the memory of @first is
 * @dir: direction for all of them
 * @run_min: the least run that is worth a set()
 * @exchanged: some were exchanged rather than set, and so need one
 * @pins: v1: the pages
 * @holds: what was replaced, and waits for a kill
 */
struct tce_map {
	struct tce_table *table;
	unsigned long first;
	unsigned long done;
	unsigned long killed;
	unsigned long ua;
	enum dma_data_direction dir;
	unsigned long run_min;
	bool exchanged;
	struct tce_pins *pins;
	struct tce_holds holds;
};

static unsigned long map_ua(const struct tce_map *map, unsigned long done)
{
	return map->ua + (done << map->table->tbl->it_page_shift);
}

/* What was written so far is there for the devices: let go of what was before. */
static void map_release(struct tce_map *map)
{
	if (map->exchanged)
		tce_table_kill(map->table, map->first + map->killed,
			       map->done - map->killed);
	else
		tce_table_flush(map->table);
	map->killed = map->done;
	tce_holds_release(&map->holds);
}

/*
 * Write a run of empty entries with a run of memory by one operation of the platform,
 * which invalidates them too.
 *
 * Return: 0; -ENOMEM; -EIO. The entries count as written in any case, to be cleared.
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
			       tce_mem_cookie(v2, ua, hpas[i], write));
	map->done += n;
	return rc;
}

static __always_inline int exchange_entries(struct tce_map *map,
					    const unsigned long *hpas,
					    __be64 *cell, unsigned long n,
					    const bool v2, const bool shared)
{
	struct tce_table *table = map->table;
	unsigned long step = 1UL << table->tbl->it_page_shift;
	unsigned long entry = map->first + map->done;
	unsigned long ua = map_ua(map, map->done), i;
	enum dma_data_direction dir = map->dir;
	bool write = tce_dir_writes(dir);
	struct tce_entry now;
	int rc = 0;

	for (i = 0; i < n; i++, ua += step) {
		now.hpa = hpas[i];
		now.dir = dir;
		now.cookie = tce_mem_cookie(v2, ua, hpas[i], write);
		rc = tce_entry_swap(table, entry + i, &cell[i], &now, shared);
		if (unlikely(rc)) {
			rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
			break;
		}
		map->done++;
		if (likely(!now.cookie))
			continue;
		tce_holds_add(&map->holds, &now);
		if (tce_holds_full(&map->holds))
			map_release(map);
	}
	return rc;
}

/*
 * Write entries by an exchange each. Return: 0, or -ENOMEM, -EIO, with
 * &tce_map.done entries written.
 */
static int map_exchange(struct tce_map *map, const unsigned long *hpas,
			__be64 *cell, unsigned long n)
{
	unsigned long i, now;
	int rc = 0;

	for (i = 0; !rc && i < n; i += now) {
		now = min(n - i, TCE_EXCHANGE_MAX);
		map->exchanged = true;
		if (map->table->shared)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      true, true);
		else if (map->table->mem->v2)
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      true, false);
		else
			rc = exchange_entries(map, hpas + i, cell + i, now,
					      false, false);
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
	while (!map->table->shared && max &&
	       find_run(map, hpas, at, n, &run, &end)) {
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

/* Let go of what was held for @n entries that were not written. */
static void map_unhold(struct tce_map *map, const unsigned long *hpas,
		       unsigned long n)
{
	struct tce_entry held = { .dir = map->dir };
	unsigned long i;

	for (i = 0; i < n; i++) {
		held.hpa = hpas[i];
		held.cookie = tce_mem_cookie(map->table->mem->v2,
					     map_ua(map, map->done + i),
					     hpas[i], tce_dir_writes(map->dir));
		tce_hold_put(map->table->mem, &held);
	}
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
			  hpas);
	if (got < 0)
		return got;

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

/* Map @n entries. If it fails, none of them is mapped, unless nothing was written. */
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
	map_release(map);
	if (rc && map->done)
		tce_unmap_entries(map->table, map->first, n);

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
	map.killed = 0;
	map.exchanged = false;
	map.pins = pins;
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
				     struct tce_entry *new, const bool shared)
{
	int rc = -EAGAIN;

	if (unlikely(!tce_span_trylock_one(&table->spans)))
		return -EAGAIN;
	if (likely(!READ_ONCE(*cell))) {
		rc = tce_entry_swap(table, entry, cell, new, shared);
		if (likely(!rc))
			tce_table_kill_one(table, entry);
		else
			rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
	}
	tce_span_unlock_one(&table->spans);
	/* KVM has mapped something there since */
	if (shared && !rc && unlikely(new->cookie))
		tce_hold_put(table->mem, new);
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
	struct tce_mem *mem = table->mem;
	struct tce_entry new = { .dir = dir }, held;
	unsigned long left;
	__be64 *cell;
	int rc;

	rc = tce_mem_get_one(mem, ua, table->tbl->it_page_shift,
			     tce_dir_writes(dir), &new.hpa);
	if (unlikely(rc))
		return rc;
	new.cookie = tce_mem_cookie(true, ua, new.hpa, false);
	held = new;
	cell = tce_table_cells(table, entry, true, &left);
	if (unlikely(!cell))
		rc = TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
	else if (unlikely(table->shared))
		rc = map_empty(table, entry, cell, &new, true);
	else
		rc = map_empty(table, entry, cell, &new, false);
	if (unlikely(rc))
		tce_hold_put(mem, &held);
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
 * Return: 0; -EINVAL or -EFAULT as tce_mem_check(), or -EINTR on SIGKILL, with nothing
 * changed; -ENOMEM, -EIO if the platform refused, or -EINTR, with none of the entries
 * mapped, unless it was the first one, and nothing is changed.
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
