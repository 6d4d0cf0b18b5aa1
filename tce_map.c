// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "tce_mm.h"
#include "tce_prereg.h"
#include "tce_table.h"
#include "tce_trace.h"

/*
 * Holds: what cleared entries held, which is a pin (v1), or one mapping in the count of a region
 * (v2). Holds are collected here, and released after the entries have been invalidated.
 *
 * MAP's mappings are counted by the region, and only this file decrements that count, by the
 * cookies that MAP has marked. KVM's mappings in a shared table are counted by the kernel's list.
 * In such a table the cookie may be that of another value. KVM writes its own late, and a vCPU may
 * have taken out what MAP had mapped. So nothing is released unless the region has the page of the
 * entry at that address: we err on the side of counting a page as mapped (litmus/kvm-count.litmus,
 * litmus/kvm-unmap.litmus).
 *
 * Locks: the caller holds &tce_process.map_lock.
 *
 * Nothing here can fail.
 */

/* The most entries that one hold stands for, so that releasing it does not take long */
#define TCE_HOLD_MAX	SZ_8K

/* In &tce_hold.what: KVM's mapping, which the kernel's list counts */
#define TCE_HOLD_KVMS	1UL

static bool region_has(const struct tce_region *region, unsigned long ua)
{
	return ua - region->ua < region->npages << PAGE_SHIFT;
}

/*
 * v2: the region that counts a cleared entry's mapping; NULL if none does. In a shared table the
 * value may not be the cell's. In any other it is, or the platform has refused to write it.
 */
static struct tce_region *region_of(struct tce_mem *mem,
				    struct tce_region *region,
				    const struct tce_entry *old, bool shared)
{
	unsigned long ua = old->cookie & ~TCE_COOKIE_OURS;

	if (!region || !region_has(region, ua))
		region = tce_region_find(mem->process, ua);
	if (!region || (shared && tce_region_hpa(region, ua) != old->hpa))
		return NULL;
	if (old->cookie & TCE_COOKIE_OURS)
		return region;
	if (!region->mem)
		return NULL;
	tce_region_written(region, tce_dir_writes(old->dir));
	return region;
}

/**
 * tce_hold_put() - release what one entry held
 * @mem: the container's memory
 * @old: what was in the entry, or was to be
 * @shared: &tce_table.shared
 *
 * tce_holds_add() and tce_holds_release() at once, for an entry that has been invalidated, or
 * was never written. Context: v2: atomic; v1: sleeps.
 */
void tce_hold_put(struct tce_mem *mem, const struct tce_entry *old, bool shared)
{
	struct tce_region *region;

	if (!mem->v2) {
		if (old->cookie & TCE_COOKIE_OURS)
			tce_pin_put(&mem->pinned, old->cookie, 1);
		return;
	}
	region = region_of(mem, NULL, old, shared);
	if (!region)
		return;
	if (likely(old->cookie & TCE_COOKIE_OURS))
		tce_region_drop(region, 1);
	else
		mm_iommu_mapped_dec(region->mem);
}

/**
 * tce_holds_init() - start to collect
 * @holds: on the stack
 * @mem: whose memory
 * @shared: &tce_table.shared
 *
 * Undone by tce_holds_release().
 */
void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem, bool shared)
{
	holds->mem = mem;
	holds->shared = shared;
	holds->region = NULL;
	holds->nr = 0;
}

/* Collect one more hold, which may be of the same page or region as the last one. */
static void holds_add(struct tce_holds *holds, unsigned long what)
{
	struct tce_hold *next = holds->holds + holds->nr;

	if (holds->nr && next[-1].what == what && next[-1].n < TCE_HOLD_MAX) {
		next[-1].n++;
		return;
	}
	holds->holds[holds->nr++] = (struct tce_hold){ .what = what, .n = 1 };
}

/**
 * tce_holds_add() - collect what a cleared entry held
 * @holds: not full
 * @old: what was in the entry; its cookie is not 0
 */
void tce_holds_add(struct tce_holds *holds, const struct tce_entry *old)
{
	struct tce_region *region;

	if (!holds->mem->v2) {
		if (old->cookie & TCE_COOKIE_OURS)
			holds_add(holds, old->cookie);
		return;
	}
	region = region_of(holds->mem, holds->region, old, holds->shared);
	if (!region)
		return;
	holds->region = region;
	holds_add(holds, (unsigned long)region |
		  (old->cookie & TCE_COOKIE_OURS ? 0 : TCE_HOLD_KVMS));
}

/**
 * tce_hold_put_cells() - release what entries held, by their cookies alone
 * @mem: the container's memory
 * @cells: the cells of the entries, none of which is 0; they are set to 0
 * @n: how many
 *
 * The entries, which are not those of a shared table, have been invalidated. A cell that KVM has
 * written, because it had looked it up before the table was hidden, holds nothing. Context: sleeps.
 */
void tce_hold_put_cells(struct tce_mem *mem, __be64 *cells, unsigned long n)
{
	struct tce_region *region;
	unsigned long i = 0, start;
	u64 first, size;
	bool ours;

	while (i < n) {
		first = tce_cell_read(&cells[i]);
		size = 1;
		ours = first & TCE_COOKIE_OURS;
		region = mem->v2 && ours ?
			tce_region_find(mem->process, first & ~TCE_COOKIE_OURS) : NULL;
		if (region) {
			first = region->ua | TCE_COOKIE_OURS;
			size = region->npages << PAGE_SHIFT;
		}
		/* all of the same page or region */
		start = i;
		do {
			tce_cell_write(&cells[i++], 0);
		} while (i < n && tce_cell_read(&cells[i]) - first < size);
		if (region)
			tce_region_drop(region, i - start);
		else if (!mem->v2 && ours)
			tce_pin_put(&mem->pinned, first, i - start);
	}
}

static void hold_drop(struct tce_mem *mem, struct tce_hold *hold)
{
	struct tce_region *region = (void *)(hold->what & ~TCE_HOLD_KVMS);

	if (!mem->v2)
		tce_pin_put(&mem->pinned, hold->what, hold->n);
	else if (!(hold->what & TCE_HOLD_KVMS))
		tce_region_drop(region, hold->n);
	else
		/* the kernel counts them down one by one */
		while (hold->n--)
			mm_iommu_mapped_dec(region->mem);
}

/**
 * tce_holds_release() - release what was collected, and start anew
 * @holds: what was collected; the entries have been invalidated
 *
 * Context: sleeps.
 */
void tce_holds_release(struct tce_holds *holds)
{
	unsigned int i;

	for (i = 0; i < holds->nr; i++) {
		hold_drop(holds->mem, &holds->holds[i]);
		if (need_resched())
			cond_resched();
	}
	holds->nr = 0;
}

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

/*
 * The memory of a container. This is the only file that decides between v1 (tce_v1.c) and v2
 * (tce_prereg.c, tce_prereg.c).
 *
 * A container serves one process, to which the first call that needs memory binds it.
 *
 * Locks: the callers', &tce_process.map_lock as a rule; see the header of each file that
 * is called.
 *
 * Never fails: tce_mem_close(), tce_mem_destroy().
 */

/**
 * tce_mem_init() - start a container's user memory
 * @mem: zeroed
 * @v2: which of the two interfaces the container speaks
 *
 * Undone by tce_mem_close(), and then tce_mem_destroy().
 */
void tce_mem_init(struct tce_mem *mem, bool v2)
{
	refcount_set(&mem->users, 1);
	mem->v2 = v2;
	tce_pinned_init(&mem->pinned, &mem->account);
	INIT_LIST_HEAD(&mem->registered.regs);
}

/**
 * tce_mem_process() - get the process that a container is to be bound to
 * @mem: the container's memory
 *
 * Undone by tce_process_put(). Context: no lock held, as tce_process_get().
 *
 * Return: the caller's process; NULL if the container is bound; -EPERM if the caller has no
 * memory; -ENOMEM.
 */
struct tce_process *tce_mem_process(struct tce_mem *mem)
{
	/* litmus/bind.litmus */
	if (smp_load_acquire(&mem->mm))
		return NULL;
	if (!current->mm)
		return ERR_PTR(TCE_REFUSE(NOT_OWNER, EPERM));
	return tce_process_get(current->mm) ?:
	       ERR_PTR(TCE_REFUSE(PROCESS_MEMORY, ENOMEM));
}

/**
 * tce_mem_bind() - make the caller's memory the container's
 * @mem: the container's memory
 * @process: from tce_mem_process()
 *
 * Context: process; caller keeps other calls for @mem out.
 *
 * Return: 0, also if it was bound to the same memory before; -EPERM if to another one;
 * -EINTR.
 */
int tce_mem_bind(struct tce_mem *mem, struct tce_process *process)
{
	int rc;

	if (mem->mm)
		return mem->mm == current->mm ? 0 : TCE_REFUSE(NOT_OWNER, EPERM);
	/*
	 * The last container may be releasing regions that KVM can still find: there must not
	 * be a table yet in which KVM could map them.
	 */
	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		return rc;
	tce_process_join(process, mem->v2);
	mutex_unlock(&process->region_lock);

	mem->process = process;
	mem->account.mm = current->mm;
	mem->registered.process = process;
	mem->registered.account = &mem->account;
	mmgrab(current->mm);
	/* a lockless reader that sees it sees the rest as well (litmus/bind.litmus) */
	smp_store_release(&mem->mm, current->mm);
	return 0;
}

/**
 * tce_mem_close() - give up all registrations of a container
 * @mem: the container's memory, none of which its own windows map any more
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory.
 */
void tce_mem_close(struct tce_mem *mem)
{
	if (mem->process && mem->v2)
		tce_registration_remove_all(&mem->registered);
}

/**
 * tce_mem_owe_all() - nothing that was charged is needed any more
 * @mem: of a container that is closed, and that nobody uses any more
 */
void tce_mem_owe_all(struct tce_mem *mem)
{
	tce_account_owe(&mem->account, mem->pinned.charged);
	mem->pinned.charged = 0;
}

/**
 * tce_mem_destroy() - undo tce_mem_init()
 * @mem: closed, nobody uses it any more, and nothing is owed
 */
void tce_mem_destroy(struct tce_mem *mem)
{
	if (mem->process)
		tce_process_put(mem->process);
	if (mem->mm)
		mmdrop(mem->mm);
	tce_pinned_destroy(&mem->pinned);
}

/**
 * tce_mem_check() - may this memory be mapped?
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @ua: start, aligned to the IOMMU page
 * @size: bytes, a multiple of the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 *
 * After it, tce_mem_get() for v2 does not fail as long as the lock is held.
 *
 * Return: 0; -EINVAL if some IOMMU page is not inside one registered region, or is larger
 * than the pages behind it (v2); -EINTR on SIGKILL (v2); -EFAULT if the range can't be user
 * memory (v1).
 */
int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write)
{
	unsigned long end = ua + size;
	struct tce_region *region;

	if (!mem->v2)
		return access_ok((void __user *)ua, size) ?
			0 : TCE_REFUSE(NOT_USER_MEMORY, EFAULT);
	if (end < ua)
		return TCE_REFUSE(UA_WRAPS, EINVAL);

	lockdep_assert_held(&mem->process->map_lock);
	for (;;) {
		region = tce_region_find(mem->process, ua);
		if (!region)
			return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
		if (region->page_shift < shift)
			return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
						1UL << region->page_shift);
		tce_region_written(region, write);
		ua = tce_region_end(region);
		if (ua >= end)
			return 0;
		/* there may be as many regions as pages */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
}

/**
 * tce_mem_get() - take holds on the memory of some entries
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @pins: v1: the pages, none of which may be looked at twice
 * @ua: of the first entry, aligned to the IOMMU page
 * @n: entries wanted, at least 1
 * @shift: log2 of the IOMMU page
 * @hpas: room for @n addresses, which are returned here
 *
 * Each hold is released through a struct tce_holds. Context: waits for nobody.
 *
 * Return: how many of the entries could be served, at least 1 (v1: all); or -EINVAL (v2,
 * if tce_mem_check() was not asked).
 */
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, unsigned long ua,
		 unsigned long n, unsigned int shift, unsigned long *hpas)
{
	struct tce_region *region;

	if (!mem->v2) {
		tce_pins_take(pins, ua, n, hpas);
		return n;
	}
	region = tce_region_find(mem->process, ua);
	if (!region)
		return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
	return tce_region_get(region, ua, n, shift, hpas);
}

/**
 * tce_mem_get_one() - tce_mem_check() and tce_mem_get() for one entry
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @pins: v1: the page
 * @ua: aligned to the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 * @hpa: the address is returned here
 *
 * Undone by tce_hold_put(). Context: atomic.
 *
 * Return: 0; -EINVAL as those two (v2).
 */
int tce_mem_get_one(struct tce_mem *mem, struct tce_pins *pins,
		    unsigned long ua, unsigned int shift, bool write,
		    unsigned long *hpa)
{
	struct tce_region *region;
	int rc;

	if (!mem->v2) {
		tce_pins_take(pins, ua, 1, hpa);
		return 0;
	}
	region = tce_region_find(mem->process, ua);
	rc = region ? tce_region_get_one(region, ua, shift, hpa) :
		      TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
	if (unlikely(rc))
		return rc;
	tce_region_written(region, write);
	return 0;
}
