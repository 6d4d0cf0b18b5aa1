/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TCE layer: what a container's devices see of memory.
 *
 * Terms: an IOBA is an address on the I/O bus, in bytes. A window is a range
 * of IOBAs that a TCE table translates; "entry" is IOBA >> page shift, which
 * is how the platform counts too, so the first entry of a window is
 * it_offset, not 0. A group is an IOMMU group (a PE); all groups of a
 * container share its windows.
 */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/semaphore.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_memory.h"

struct iommu_group;
struct tce_window;
struct vfio_iommu_spapr_tce_create;

/**
 * struct tce_group - a group in a space
 * @list: in &tce_space.groups
 * @refs: of the space, and of who does EEH for it
 * @left: it is not in the space any more
 * @eeh: EEH operations that begin with this group take turns; only who wants one ever
 *	waits for it
 * @group: the group, of which this has a reference
 * @table_group: the platform's side of it; only while it has not left
 */
struct tce_group {
	struct list_head list;
	refcount_t refs;
	bool left;
	struct semaphore eeh;
	struct iommu_group *group;
	struct iommu_table_group *table_group;
};

/**
 * struct tce_space - the I/O address space of a container
 * @lock: guards all of this, and what the container keeps beside it. Held for
 *	reading by queries, and by MAP and UNMAP of v1; those of v2 have
 *	&tce_mem.lock instead. Whatever changes groups or windows holds both for
 *	writing: tce_space_lock()
 * @mem: the user memory that is mapped
 * @groups: struct tce_group, oldest first
 * @windows: by the platform's number; NULL where there is none
 * @default_pending: the default window is to be created when first needed
 */
struct tce_space {
	struct rw_semaphore lock;
	struct tce_mem *mem;
	struct list_head groups;
	struct tce_window *windows[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool default_pending;
};

/**
 * tce_space_lock() - lock a space for writing
 * @space: the space
 *
 * Undone by tce_space_unlock(). Context: sleeps.
 */
static inline void tce_space_lock(struct tce_space *space)
{
	down_write(&space->lock);
	if (space->mem->lock != &space->lock)
		down_write(space->mem->lock);
}

/**
 * tce_space_unlock() - undo tce_space_lock()
 * @space: the space
 */
static inline void tce_space_unlock(struct tce_space *space)
{
	if (space->mem->lock != &space->lock)
		up_write(space->mem->lock);
	up_write(&space->lock);
}

void tce_space_init(struct tce_space *space, struct tce_mem *mem);
void tce_space_destroy(struct tce_space *space);

int tce_space_attach(struct tce_space *space, struct iommu_group *group);
void tce_space_detach(struct tce_space *space, struct iommu_group *group);
struct iommu_table_group *tce_space_table_group(struct tce_space *space);
void tce_group_put(struct tce_group *grp);

int tce_space_price(struct tce_space *space,
		    const struct vfio_iommu_spapr_tce_create *create,
		    unsigned long *price);
int tce_space_create_default(struct tce_space *space, unsigned long *paid);
int tce_space_create_window(struct tce_space *space,
			    struct vfio_iommu_spapr_tce_create *create,
			    unsigned long *paid);
int tce_space_remove_window(struct tce_space *space, u64 start);

int tce_space_check(struct tce_space *space, u64 ioba, u64 ua, u64 size);
int tce_space_map(struct tce_space *space, u64 ioba, u64 ua, u64 size,
		  enum dma_data_direction dir, struct tce_pins *pins);
int tce_space_map_page(struct tce_space *space, u64 ioba, u64 ua,
		       struct page *page, enum dma_data_direction dir);
int tce_space_unmap(struct tce_space *space, u64 ioba, u64 size);
void tce_space_unmap_all(struct tce_space *space);
bool tce_space_forget(struct tce_space *space, u64 ua, u64 size);

#endif /* TCE_TABLE_H */
