// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds: entries that were cleared held pages (v1) or counted as mappings of regions
 * (v2). They are collected here, and let go after the entries have been killed.
 *
 * KVM changes entries and cookies of v2 under us, without a lock in common. So nothing is
 * given back for an entry whose cookie does not fit its address. A region would rather
 * be counted as mapped until it is closed than be let go while it is mapped.
 *
 * Locks: the caller holds &tce_process.map_lock.
 *
 * Never fails: anything here. Without memory there is less room.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "tce_hold.h"
#include "tce_page.h"
#include "tce_region_inline.h"

/* Holds that are collected before they must be released: a MiB of them */
#define TCE_HOLDS_MAX	SZ_64K

/*
 * Does the region count the mapping that an entry has this cookie for? It does
 * not if KVM of another process, which was given the group, has written both: that
 * counts a region of its own.
 */
static __always_inline bool region_counts(const struct tce_region *region,
					  u64 cookie)
{
	return !region->mem == !!(cookie & TCE_COOKIE_OURS);
}

static bool region_has(const struct tce_region *region, unsigned long ua)
{
	return ua - region->ua < region->npages << PAGE_SHIFT;
}

/*
 * v2: the region whose mapping a cleared entry was; NULL if none counts it, or if the
 * cookie is not the address's (litmus/cells-unmap.litmus).
 */
static struct tce_region *region_of(struct tce_mem *mem,
				    struct tce_region *region, u64 cookie,
				    unsigned long hpa)
{
	unsigned long ua = cookie & ~TCE_COOKIE_OURS;

	if (!region || !region_has(region, ua))
		region = tce_region_find(mem->process, ua);
	if (!region || !region_counts(region, cookie) ||
	    tce_region_hpa(region, ua) != hpa)
		return NULL;
	return region;
}

/**
 * tce_hold_put() - let go of what one entry held
 * @mem: the container's memory
 * @cookie: as for tce_holds_add()
 * @hpa: as for tce_holds_add()
 * @write: as for tce_holds_add()
 *
 * tce_holds_add() and tce_holds_release() at once, for an entry that has been killed, or
 * was never written. Context: v2: atomic; v1: sleeps.
 */
void tce_hold_put(struct tce_mem *mem, u64 cookie, unsigned long hpa,
		  bool write)
{
	struct tce_region *region;

	if (!mem->v2) {
		tce_pin_put(&mem->pinned, tce_pin_page(cookie), 1,
			    write || cookie & TCE_WRITE);
		return;
	}
	region = region_of(mem, NULL, cookie, hpa);
	if (!region)
		return;
	tce_region_written(region, write);
	tce_region_drop(region, 1);
}

/**
 * tce_holds_init() - start to collect
 * @holds: on the stack
 * @mem: whose memory
 *
 * Undone by tce_holds_destroy().
 */
void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem)
{
	holds->mem = mem;
	holds->region = NULL;
	holds->first = holds->few;
	holds->next = holds->few;
	holds->end = holds->few + TCE_HOLDS_INLINE;
}

/**
 * tce_holds_destroy() - release what was collected, and the rest
 * @holds: the entries have been killed
 *
 * As tce_holds_release().
 */
void tce_holds_destroy(struct tce_holds *holds)
{
	if (holds->next != holds->first)
		tce_holds_release(holds);
	if (holds->first != holds->few)
		kvfree(holds->first);
}

/**
 * tce_holds_grow() - make room; only for tce_holds_full()
 * @holds: full
 *
 * Return: whether there is room now.
 */
bool tce_holds_grow(struct tce_holds *holds)
{
	unsigned long nr = holds->next - holds->first;
	struct tce_hold *more;

	/* in steps, so that no call pays for much more than it needs */
	if (nr >= TCE_HOLDS_MAX)
		return false;
	/* for a moment; a cgroup's limit must not have us wait with a lock held */
	more = kvmalloc_array(nr * 16, sizeof(*more),
			      GFP_KERNEL | __GFP_NOWARN);
	if (!more)
		return false;
	memcpy(more, holds->first, nr * sizeof(*more));
	if (holds->first != holds->few)
		kvfree(holds->first);
	holds->first = more;
	holds->next = more + nr;
	holds->end = more + nr * 16;
	return true;
}

/* One more hold, which may be @step behind the last one, or the same */
static __always_inline void holds_add(struct tce_holds *holds,
				      unsigned long what, unsigned long step)
{
	struct tce_hold *last = holds->next - 1;

	if (last >= holds->first && last->what + last->n * step == what) {
		last->n++;
		return;
	}
	holds->next->what = what;
	holds->next->n = 1;
	holds->next++;
}

static __always_inline void holds_add_region(struct tce_holds *holds,
					     struct tce_region *region)
{
	holds_add(holds, (unsigned long)region, 0);
}

static __always_inline void holds_add_page(struct tce_holds *holds, u64 cookie)
{
	/* of 4K pages the next one, else the same */
	holds_add(holds, cookie, TCE_PER_PAGE > 1 ? 0 : sizeof(struct page));
}

/**
 * tce_holds_add() - collect what a cleared entry held
 * @holds: not full
 * @cookie: what tce_mem_cookie() said when the entry was written
 * @hpa: the address that was taken out of the entry
 * @write: the direction that was taken out of the entry let the device write
 */
void tce_holds_add(struct tce_holds *holds, u64 cookie, unsigned long hpa,
		   bool write)
{
	struct tce_region *region;

	if (!holds->mem->v2) {
		holds_add_page(holds, cookie | (write ? TCE_WRITE : 0));
		return;
	}
	region = region_of(holds->mem, holds->region, cookie, hpa);
	if (!region)
		return;
	holds->region = region;
	tce_region_written(region, write);
	holds_add_region(holds, region);
}

/**
 * tce_holds_take() - collect by the cookies alone
 * @holds: what was collected so far
 * @cells: cookies as they are in a table; a 0 ends them
 * @n: how many at most
 *
 * For entries that KVM has no part in: those of our cookies agree with their entries. Any
 * other belongs to KVM, and stays counted. The cells are set to 0. Context: atomic.
 *
 * Return: how many cells were taken; fewer than there are if there is no more room.
 */
unsigned long tce_holds_take(struct tce_holds *holds, __be64 *cells,
			     unsigned long n)
{
	struct tce_region *region = holds->region;
	unsigned long i, ua;
	u64 cookie;

	for (i = 0; i < n && holds->next != holds->end; i++) {
		cookie = be64_to_cpu(cells[i]);
		if (!cookie)
			break;
		cells[i] = 0;
		if (!(cookie & TCE_COOKIE_OURS))
			continue;
		if (!holds->mem->v2) {
			holds_add_page(holds, cookie);
			continue;
		}
		ua = cookie & ~TCE_COOKIE_OURS;
		if (!region || !region_has(region, ua))
			region = tce_region_find(holds->mem->process, ua);
		if (region)
			holds_add_region(holds, region);
	}
	holds->region = region;
	return i;
}

static unsigned long put_region_cells(struct tce_mem *mem, __be64 *cells,
				      unsigned long n)
{
	unsigned long i = 0, start, size;
	struct tce_region *region;
	u64 cookie, first;

	while (i < n) {
		cookie = tce_cookie_read(&cells[i]);
		if (!(cookie & TCE_COOKIE_OURS))
			break;
		region = tce_region_find(mem->process, cookie & ~TCE_COOKIE_OURS);
		if (!region) {
			cells[i++] = 0;
			continue;
		}
		first = region->ua | TCE_COOKIE_OURS;
		size = region->npages << PAGE_SHIFT;
		start = i;
		do {
			cells[i++] = 0;
		} while (i < n && tce_cookie_read(&cells[i]) - first < size);
		tce_region_drop(region, i - start);
	}
	return i;
}

/**
 * tce_hold_put_cells() - let go of what entries held, by the cookies alone
 * @mem: whose memory
 * @cells: cookies as they are in a table, none of them 0; they are set to 0
 * @n: how many
 *
 * For entries that KVM has no part in and that have been killed. Context: atomic.
 *
 * Return: how many cells were dealt with. The next one can't be here, because it takes a
 * lock that sleeps, or is cheaper together with others. Collect it in struct tce_holds.
 */
unsigned long tce_hold_put_cells(struct tce_mem *mem, __be64 *cells,
				 unsigned long n)
{
	if (mem->v2)
		return put_region_cells(mem, cells, n);
	return tce_pin_put_cells(&mem->pinned, cells, n);
}

/* One hold may be of as many entries, or pages, as a window has. */
static void hold_drop(struct tce_mem *mem, struct tce_hold *hold)
{
	struct page *page = tce_pin_page(hold->what);
	unsigned long now;

	for (; hold->n; hold->n -= now) {
		now = min_t(unsigned long, hold->n, SZ_8K);
		if (mem->v2) {
			tce_region_drop((struct tce_region *)hold->what, now);
		} else {
			tce_pin_put(&mem->pinned, page, now,
				    hold->what & TCE_WRITE);
			page += TCE_PER_PAGE > 1 ? 0 : now;
		}
		if (now == SZ_8K)
			cond_resched();
	}
}

/**
 * tce_holds_release() - let go, and start anew
 * @holds: what was collected; the entries have been killed
 *
 * Context: sleeps.
 */
void tce_holds_release(struct tce_holds *holds)
{
	struct tce_hold *hold;

	for (hold = holds->first; hold < holds->next; hold++) {
		hold_drop(holds->mem, hold);
		if (!((hold - holds->first + 1) % SZ_1K))
			cond_resched();
	}
	holds->next = holds->first;
}
