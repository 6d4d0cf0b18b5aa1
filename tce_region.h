/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Regions: the memory that v2 has registered ("preregistered memory" in the kernel).
 *
 * "ua" is a userspace address, "hpa" a host physical address. An IOMMU page is what one TCE maps,
 * and may be smaller or larger than PAGE_SIZE.
 */
#ifndef TCE_REGION_H
#define TCE_REGION_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <asm/mmu_context.h>

#include "tce_mm.h"

#define TCE_BLOCK_SHIFT		21
#define TCE_BLOCK		BIT(TCE_BLOCK_SHIFT)
/* In &tce_region.blocks: the address of an array of pages */
#define TCE_BLOCK_PAGES		1UL

/**
 * struct tce_region - a range of user memory that is pinned for DMA
 * @node: in &tce_mm.regions
 * @out: after that, in &tce_memory.draining or about to be freed
 * @ua: first byte; page aligned
 * @npages: length in CPU pages
 * @refs: references of containers, none for an orphan; guarded by &tce_mm.region_lock
 * @page_shift: log2 of the largest IOMMU page that its pages allow
 * @written: a device may have written to it
 * @mm_iommu: the kernel's own structure if it is in KVM's list, else NULL
 * @mapped: TCEs that map it, except for those of KVM, which @mm_iommu counts
 * @blocks: without @mm_iommu, one word for each aligned block of 2 MiB: its hpa if it is contiguous
 *	in one folio, where one pin holds it and the blocks that continue it; otherwise, with
 *	TCE_BLOCK_PAGES set, the address of an array of its pages, each with a pin. The part
 *	of a block at either end of the range has the word of a whole block, and an array whose
 *	first elements are not used
 */
struct tce_region {
	union {
		struct rb_node node;
		struct list_head out;
	};
	unsigned long ua;
	unsigned long npages;
	struct list_head refs;
	unsigned int page_shift;
	bool written;
	struct mm_iommu_table_group_mem_t *mm_iommu;
	atomic64_t mapped;
	unsigned long blocks[];
};

/**
 * struct tce_region_ref - a container's reference to a region
 * @in_memory: in &tce_memory.refs
 * @in_region: in &tce_region.refs
 * @mem: the container's memory
 * @region: the region
 */
struct tce_region_ref {
	struct list_head in_memory;
	struct list_head in_region;
	struct tce_memory *mem;
	struct tce_region *region;
};

int tce_region_register(struct tce_memory *mem, unsigned long ua, unsigned long size);
int tce_region_unregister(struct tce_memory *mem, unsigned long ua, unsigned long size,
			  int (*unmap)(struct tce_memory *, const struct tce_region *));
void tce_region_close(struct tce_memory *mem);
bool tce_region_drain(struct tce_memory *mem);

struct tce_region *tce_region_first(const struct tce_mm *tmm, unsigned long ua,
				    unsigned long end);
unsigned long tce_region_extent(const struct tce_region *region, unsigned long ua,
				unsigned long max, unsigned long *hpa);

/*
 * Held for reading while a table is created, because on pseries KVM of any process can find and use
 * it before it is hidden. Nests inside all locks of struct tce_mm.
 */
extern struct rw_semaphore tce_create_lock;

static inline unsigned long tce_region_end(const struct tce_region *region)
{
	return region->ua + (region->npages << PAGE_SHIFT);
}

/*
 * NULL if there is none. For holders of &tce_mm.map_lock or &tce_mm.region_lock. Inline, like those
 * below, for MAP and UNMAP of one entry.
 */
static __always_inline struct tce_region *
tce_region_find(const struct tce_mm *tmm, unsigned long ua)
{
	struct rb_node *node = tmm->regions.rb_node;

	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region, node);

		if (ua < region->ua)
			node = node->rb_left;
		else if (ua >= tce_region_end(region))
			node = node->rb_right;
		else
			return region;
	}
	return NULL;
}

/* A device may write to it, so UNREGISTER has to mark its pages dirty. */
static __always_inline void tce_region_written(struct tce_region *region)
{
	if (!READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
}

/* NULL for a contiguous block */
static __always_inline struct page **tce_block_pages(unsigned long block)
{
	return block & TCE_BLOCK_PAGES ? (struct page **)(block ^ TCE_BLOCK_PAGES) : NULL;
}

static __always_inline unsigned long
tce_region_block(const struct tce_region *region, unsigned long ua)
{
	return region->blocks[(ua >> TCE_BLOCK_SHIFT) - (region->ua >> TCE_BLOCK_SHIFT)];
}

/* The hpa of a byte; 0 if KVM's list lacks it, which would be a bug there */
static __always_inline unsigned long
tce_region_hpa(const struct tce_region *region, unsigned long ua)
{
	unsigned long offset = ua & (TCE_BLOCK - 1), block, hpa;
	struct page **pages;

	if (region->mm_iommu)
		return mm_iommu_ua_to_hpa(region->mm_iommu, ua, 0, &hpa) ? 0 : hpa;
	block = tce_region_block(region, ua);
	pages = tce_block_pages(block);
	if (likely(!pages))
		return block + offset;
	return tce_page_hpa(pages[offset >> PAGE_SHIFT]) + offset_in_page(ua);
}

#endif /* TCE_REGION_H */
