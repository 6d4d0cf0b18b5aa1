// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP: take holds on the memory, write the entries, invalidate them, and release what they
 * held before. Whatever can be refused is refused before the first entry is written. A MAP that
 * fails later, because a level of the table needs memory, the platform refuses or the caller
 * is killed, leaves its range unmapped.
 *
 * Locks: the caller holds &tce_process.map_lock. The entries are locked by a span.
 *
 * Never fails: clearing its entries, unless the platform refuses to. What the device may still
 * reach is not released.
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

/* Entries whose memory is looked up at once */
#define TCE_CHUNK	4096UL
/* The same if their addresses are to fit on the stack */
#define TCE_CHUNK_STACK	16

/**
 * struct tce_map - a MAP in progress
 * @table: the table
 * @first: first entry
 * @done: entries written so far
 * @killed: how many of them need no invalidation any more
 * @ua: address of the memory for @first
 * @dir: what the device may do
 * @run_min: how many entries in a row are written by one operation
 * @exchanged: some entries were exchanged, and need to be invalidated
 * @pins: v1: the pages
 * @holds: what was replaced, to be released after the invalidation
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

/* Make what was written visible to the devices, and release what was there before. */
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
 * Write a run of empty entries, whose memory is contiguous, by one operation of the platform,
 * which invalidates them as well.
 *
 * Return: 0; -ENOMEM; -EIO. The entries count as written in any case, so that they are cleared.
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
					    const bool shared)
{
	struct tce_table *table = map->table;
	unsigned long step = 1UL << table->tbl->it_page_shift;
	unsigned long from = map->done, ua = map_ua(map, from), i;
	unsigned long entry = map->first + from;
	enum dma_data_direction dir = map->dir;
	bool v2 = table->mem->v2, write = tce_dir_writes(dir);
	struct tce_entry now;
	int rc = 0;

	for (i = 0; i < n; i++, ua += step) {
		now.hpa = hpas[i];
		now.dir = dir;
		now.cookie = tce_mem_cookie(v2, ua, hpas[i], write);
		rc = tce_entry_swap(table, entry + i, &cell[i], &now, shared);
		if (unlikely(rc))
			break;
		if (unlikely(now.cookie)) {
			map->done = from + i + 1;
			tce_holds_add(&map->holds, &now);
			if (tce_holds_full(&map->holds))
				map_release(map);
		}
	}
	map->done = from + i;
	return TCE_REFUSE_BY(WRITE_ENTRY, rc);
}

/* Write entries by an exchange each. Return: 0; -ENOMEM; -EIO, and &tce_map.done are written */
static int map_exchange(struct tce_map *map, const unsigned long *hpas,
			__be64 *cell, unsigned long n)
{
	unsigned long i, now;
	int rc = 0;

	map->exchanged = true;
	for (i = 0; !rc && i < n; i += now) {
		now = min(n - i, TCE_EXCHANGE_MAX);
		if (map->table->shared)
			rc = exchange_entries(map, hpas + i, cell + i, now, true);
		else
			rc = exchange_entries(map, hpas + i, cell + i, now, false);
		if (need_resched())
			cond_resched();
	}
	return rc;
}

/*
 * From @at on, find the next run of adjacent IOMMU pages that is long enough. It must contain
 * half of the least such run at a multiple of that half, so that only a few pages of scattered
 * memory have to be looked at.
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

/*
 * Write the next @n entries, whose cells are all in one leaf. Return: 0; -ENOMEM; -EIO, and
 * &tce_map.done are written
 */
static int map_write(struct tce_map *map, const unsigned long *hpas,
		     __be64 *cell, unsigned long n)
{
	/*
	 * set() does not check that it got the memory for a missing leaf, so the first entry
	 * of a leaf is exchanged.
	 */
	unsigned long at = map->table->tbl->it_indirect_levels ? 1 : 0;
	unsigned long max = tce_table_set_max(map->table, map->dir);
	unsigned long from = 0, run, end;
	int rc;

	/* [from, run) are exchanged, and [run, end) may be set */
	while (!map->table->shared && max &&
	       find_run(map, hpas, at, n, &run, &end)) {
		if (end - run > max)
			end = run + max;
		at = end;
		if (tce_cells_run(cell + run, end - run, true) < end - run)
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

/* Release what is held for @n entries that were not written. */
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
		tce_hold_put(map->table->mem, &held, false);
	}
}

/* Take holds for up to @max of the entries that are left of @n, and write these entries. */
static int map_chunk(struct tce_map *map, unsigned long *hpas, unsigned long n,
		     unsigned long max)
{
	struct tce_table *table = map->table;
	unsigned long from = map->done, left, written;
	__be64 *cell;
	long got;
	int rc;

	cell = tce_table_cells(table, map->first + from, true, &left);
	if (!cell)
		return TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
	got = tce_mem_get(table->mem, map->pins, map_ua(map, from),
			  min3(n - from, max, left), table->tbl->it_page_shift,
			  hpas);
	if (got < 0)
		return got;
	rc = map_write(map, hpas, cell, got);
	written = map->done - from;
	if (rc)
		map_unhold(map, hpas + written, got - written);
	return rc;
}

/* Map @n entries. If this fails after the first was written, none of them is mapped. */
static int map_entries(struct tce_map *map, unsigned long n)
{
	unsigned long few[TCE_CHUNK_STACK] __uninitialized;
	unsigned long *many = NULL, *hpas = few;
	unsigned long max = min(n, TCE_CHUNK);
	int rc;

	if (n > TCE_CHUNK_STACK)
		many = kmalloc_array(max, sizeof(*many),
				     GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
	if (many)
		hpas = many;
	else
		max = TCE_CHUNK_STACK;

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
		tce_unmap_failed(map->table, map->first, n);

	kfree(many);
	return rc;
}

/* MAP of @n entries, at least 1. Return: as tce_table_map() */
static noinline int map_range(struct tce_table *table, unsigned long first,
			      unsigned long ua, unsigned long n,
			      enum dma_data_direction dir,
			      struct tce_pins *pins)
{
	struct iommu_table *tbl = table->tbl;
	unsigned int shift = tbl->it_page_shift;
	struct tce_map map __uninitialized;
	int span, rc;

	/* if two calls need the same new level, the platform leaks a part of one: one by one */
	if (tbl->it_indirect_levels)
		span = tce_span_lock(&table->spans, 0, tbl->it_offset + tbl->it_size);
	else
		span = tce_span_lock(&table->spans, first, n);
	if (span < 0)
		return span;
	rc = tce_mem_check(table->mem, ua, n << shift, shift,
			   tce_dir_writes(dir));
	if (rc)
		goto out_unlock;

	map.table = table;
	map.first = first;
	map.done = 0;
	map.ua = ua;
	map.dir = dir;
	/* a run that is the whole range saves an invalidation, however short it is */
	map.run_min = clamp_t(unsigned long, n, 2, table->run_min);
	map.killed = 0;
	map.exchanged = false;
	map.pins = pins;
	tce_holds_init(&map.holds, table->mem, table->shared);
	rc = map_entries(&map, n);

out_unlock:
	tce_span_unlock(&table->spans, span);
	return rc;
}

/*
 * MAP of one entry that is empty, which costs clients that map page by page less than
 * map_range() would. Return: as tce_table_map(); -EAGAIN if it has to be done by map_range()
 */
static __always_inline int map_one(struct tce_table *table, unsigned long entry,
				   unsigned long ua,
				   enum dma_data_direction dir,
				   struct tce_pins *pins)
{
	struct tce_mem *mem = table->mem;
	bool write = tce_dir_writes(dir);
	struct tce_entry new = { .dir = dir };
	unsigned long left;
	__be64 *cell;
	int rc = -EAGAIN;

	cell = tce_table_cells(table, entry, false, &left);
	if (unlikely(!cell))
		return -EAGAIN;
	if (unlikely(!tce_span_trylock_one(&table->spans)))
		return -EAGAIN;
	if (likely(!READ_ONCE(*cell)))
		rc = tce_mem_get_one(mem, pins, ua, table->tbl->it_page_shift,
				     write, &new.hpa);
	if (likely(!rc)) {
		new.cookie = tce_mem_cookie(mem->v2, ua, new.hpa, write);
		rc = tce_entry_swap(table, entry, cell, &new, table->shared);
		if (likely(!rc))
			tce_table_kill_one(table, entry);
		else
			rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
	}
	tce_span_unlock_one(&table->spans);

	/* what was not written, or what KVM has mapped there since */
	if (unlikely(new.cookie))
		tce_hold_put(mem, &new, table->shared);
	return rc;
}

/**
 * tce_table_map() - MAP
 * @table: the table
 * @first: first entry
 * @ua: address of the memory, aligned to the IOMMU page
 * @n: entries; 0 maps nothing
 * @dir: what the devices may do
 * @pins: v1: the pages of exactly this memory
 *
 * Whatever was mapped there before is replaced. Undone by tce_table_unmap(). Context: the
 * owner of the memory; sleeps, but waits for no client.
 *
 * Return: 0; -EINVAL or -EFAULT as tce_mem_check(), or -EINTR on SIGKILL, and nothing has
 * changed; -ENOMEM, -EIO if the platform refused, or -EINTR, and none of the entries is
 * mapped, unless it was the first one that failed, and nothing has changed.
 */
int tce_table_map(struct tce_table *table, unsigned long first,
		  unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_pins *pins)
{
	int rc = n == 1 ? map_one(table, first, ua, dir, pins) : -EAGAIN;

	if (likely(rc != -EAGAIN))
		return rc;
	return n ? map_range(table, first, ua, n, dir, pins) : 0;
}
