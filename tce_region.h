/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region: a range of user memory that is pinned before it is mapped (v2).
 *
 * "ua" is a userspace address, "hpa" a host physical address. An IOMMU page is what one
 * TCE maps, 2^shift bytes. It may be smaller or larger than the CPU's page (PAGE_SIZE).
 */
#ifndef TCE_REGION_H
#define TCE_REGION_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <asm/mmu_context.h>

#include "tce_book.h"
#include "tce_process.h"
#include "tce_refusal.h"

struct tce_account;

/**
 * struct tce_region - a range of user memory that is pinned for DMA
 * @node: in &tce_process.regions
 * @ua: first byte; page aligned
 * @npages: length in CPU pages
 * @regs: registrations of it; empty for an orphan; guarded by &tce_process.region_lock
 * @page_shift: log2 of the largest IOMMU page for which all backing pages are large enough
 * @written: some device may have written to it
 * @mem: the kernel's own entry if the region is listed, else NULL
 * @mapped: TCEs that map it, except for those of KVM, which @mem counts
 * @words: if not listed: where its pages are, see tce_book.h
 */
struct tce_region {
	struct rb_node node;
	unsigned long ua;
	unsigned long npages;
	struct list_head regs;
	unsigned int page_shift;
	bool written;
	struct mm_iommu_table_group_mem_t *mem;
	atomic64_t mapped;
	unsigned long words[];
};

/**
 * tce_region_end() - where a region ends
 * @region: the region
 *
 * Return: the first address behind it.
 */
static inline unsigned long tce_region_end(const struct tce_region *region)
{
	return region->ua + (region->npages << PAGE_SHIFT);
}

struct tce_region *tce_region_first(const struct tce_process *process,
				    unsigned long ua, unsigned long end);
void tce_region_insert(struct tce_process *process, struct tce_region *region);

bool tce_region_listable(const struct tce_process *process);
struct tce_region *tce_region_create(struct tce_process *process,
				     unsigned long ua, unsigned long npages,
				     bool listable);
void tce_region_free(struct tce_region *region, struct tce_account *account);
int tce_region_release(struct tce_process *process, struct tce_region *region);
void tce_region_abandon(struct tce_process *process, struct tce_region *region,
			struct tce_account *account);
int tce_region_unlist(struct tce_region *region);

long tce_region_get(struct tce_region *region, unsigned long ua,
		    unsigned long n, unsigned int shift, unsigned long *hpas);

/*
 * These are inline because a MAP or UNMAP of one entry would otherwise cost 2 % more, which on
 * pseries is nearly all of its lead over the kernel's own driver.
 */

/**
 * tce_region_find() - the region that has an address
 * @process: the process, with &tce_process.map_lock or &tce_process.region_lock held
 * @ua: the address
 *
 * Return: the region; NULL if there is none.
 */
static __always_inline struct tce_region *
tce_region_find(const struct tce_process *process, unsigned long ua)
{
	struct rb_node *node = process->regions.rb_node;

	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region,
						     node);

		if (ua < region->ua)
			node = node->rb_left;
		else if (ua >= tce_region_end(region))
			node = node->rb_right;
		else
			return region;
	}
	return NULL;
}

/**
 * tce_region_written() - a device is allowed to write to a region
 * @region: the region
 * @write: false if it may only read
 *
 * This is remembered until the region is released, when its pages are marked dirty.
 */
static __always_inline void tce_region_written(struct tce_region *region,
					       bool write)
{
	if (write && !READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
}

/**
 * tce_region_word() - the word of a grain
 * @region: the region, which is not listed
 * @ua: an address inside
 *
 * Return: where the word is.
 */
static __always_inline const unsigned long *
tce_region_word(const struct tce_region *region, unsigned long ua)
{
	return &region->words[(ua >> TCE_GRAIN_SHIFT) -
			      (region->ua >> TCE_GRAIN_SHIFT)];
}

/**
 * tce_region_hpa() - where a byte of a region is
 * @region: the region
 * @ua: an address inside
 *
 * Return: its hpa; 0 if the kernel's list does not have it, which would be a bug there.
 */
static __always_inline unsigned long
tce_region_hpa(const struct tce_region *region, unsigned long ua)
{
	unsigned long hpa;

	if (!region->mem)
		return tce_book_hpa(*tce_region_word(region, ua), ua);
	if (mm_iommu_ua_to_hpa(region->mem, ua, 0, &hpa))
		return 0;
	return hpa;
}

/**
 * tce_region_hold() - count TCEs by which MAP maps a region
 * @region: the region
 * @n: TCEs
 *
 * Undone by tce_region_drop(). Context: atomic. Caller holds &tce_process.map_lock.
 */
static __always_inline void tce_region_hold(struct tce_region *region,
					    unsigned long n)
{
	atomic64_add(n, &region->mapped);
}

/**
 * tce_region_drop() - undo tce_region_hold(), tce_region_get()
 * @region: the region
 * @n: TCEs that no longer map it
 *
 * Context: atomic. Caller holds &tce_process.map_lock.
 */
static __always_inline void tce_region_drop(struct tce_region *region,
					    unsigned long n)
{
	atomic64_sub(n, &region->mapped);
}

/**
 * tce_region_get_one() - tce_region_get() of one TCE
 * @region: the region
 * @ua: aligned to the IOMMU page
 * @shift: log2 of the IOMMU page
 * @hpa: the address is returned here
 *
 * Undone by tce_region_drop(). Context: atomic. Caller holds &tce_process.map_lock.
 *
 * Return: 0; -EINVAL as tce_region_get().
 */
static __always_inline int tce_region_get_one(struct tce_region *region,
					      unsigned long ua,
					      unsigned int shift,
					      unsigned long *hpa)
{
	unsigned long size = 1UL << shift;

	if (region->page_shift < shift || tce_region_end(region) - ua < size)
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	*hpa = tce_region_hpa(region, ua);
	/* the platform has a BUG_ON() for a misaligned address */
	if (unlikely(!*hpa || *hpa & (size - 1)))
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	tce_region_hold(region, 1);
	return 0;
}

#endif /* TCE_REGION_H */
