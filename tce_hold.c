// SPDX-License-Identifier: GPL-2.0-only
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
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "tce_entry.h"
#include "tce_hold.h"
#include "tce_page.h"
#include "tce_region.h"

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
