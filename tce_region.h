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

#include "tce_block.h"
#include "tce_mm.h"

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
 * @in_list: in &tce_mm.listed_regions, if it is in KVM's list
 * @in_use: entries of a shared table map it; set by &tce_tables.search, and true until the next one
 * @mapped: TCEs that map it, except for those in a shared table of a region in KVM's list; raised
 *	by MAP before it writes (read_hold()), lowered after the invalidation (release_holder()),
 *	and for what was not written (read_undo())
 * @blocks: where its pages are (tce_block.h)
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
	struct list_head in_list;
	bool in_use;
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

/**
 * struct tce_tables - the tables that map regions, of which memory knows no more (tce_search.c)
 * @search: with @mem and @region, removes the container's mappings of a region. Stops KVM if the
 *	region is in its list, or without one, and sets &tce_region.in_use of all that are. To be
 *	followed by @resume. -EINTR on SIGKILL, with @mem only; -EBUSY if any region may be mapped
 * @resume: lets KVM go on
 *
 * With &tce_mm.region_lock held, and &tce_mm.map_lock for writing.
 */
struct tce_tables {
	int (*search)(struct tce_mm *tmm, struct tce_memory *mem, struct tce_region *region);
	void (*resume)(struct tce_mm *tmm);
};

int tce_region_register(struct tce_memory *mem, unsigned long ua, unsigned long size,
			const struct tce_tables *tables);
int tce_region_unregister(struct tce_memory *mem, unsigned long ua, unsigned long size,
			  const struct tce_tables *tables);
void tce_region_close(struct tce_memory *mem, const struct tce_tables *tables);
bool tce_region_drain(struct tce_memory *mem);

struct tce_region *tce_region_first(const struct tce_mm *tmm, unsigned long ua,
				    unsigned long end);
unsigned long tce_region_extent(const struct tce_region *region, unsigned long ua,
				unsigned long max, unsigned long *hpa);

/*
 * Held for reading while a table is created on pseries, because KVM of any process can find and use
 * it there before it is hidden. Nests inside all locks of struct tce_mm.
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

/* A device may write to it, so its pages are marked dirty when they are unpinned. */
static __always_inline void tce_region_written(struct tce_region *region)
{
	if (!READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
}

static inline unsigned long
tce_region_block(const struct tce_region *region, unsigned long ua)
{
	return region->blocks[(ua >> TCE_BLOCK_SHIFT) - (region->ua >> TCE_BLOCK_SHIFT)];
}

/* The hpa of a byte */
static __always_inline unsigned long
tce_region_hpa(const struct tce_region *region, unsigned long ua)
{
	return tce_block_hpa(tce_region_block(region, ua), ua);
}

#endif /* TCE_REGION_H */
