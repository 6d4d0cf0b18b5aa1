/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region: a run of user memory that is pinned beforehand (v2).
 *
 * "ua" is a userspace address, "hpa" a host physical address. An IOMMU page is what one
 * TCE maps, 2^shift bytes. It may be smaller or larger than the CPU's page (PAGE_SIZE).
 */
#ifndef TCE_REGION_H
#define TCE_REGION_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <asm/mmu_context.h>

#include "tce_process.h"

struct tce_account;

/**
 * struct tce_region - a run of user memory that is pinned for DMA
 * @node: in &tce_process.regions
 * @ua: first byte; page aligned
 * @npages: length in CPU pages
 * @regs: registrations of it; empty for an orphan; guarded by &tce_process.region_lock
 * @page_shift: the largest IOMMU page that no backing page is smaller than
 * @written: some device may have written to it
 * @mem: the kernel's own entry if the region is listed, else NULL
 * @mapped: TCEs that map it, but for those that KVM has put, which @mem counts
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

struct tce_region *tce_region_overlap(const struct tce_process *process,
				      unsigned long ua, unsigned long end);
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
			struct tce_account *account, int containers);
int tce_region_unlist(struct tce_region *region);

long tce_region_get(struct tce_region *region, unsigned long ua,
		    unsigned long n, unsigned int shift, unsigned long *hpas);

#endif /* TCE_REGION_H */
