/* SPDX-License-Identifier: GPL-2.0-only */
/* The I/O address space of a container: its groups, and the windows that all of them share. */
#ifndef TCE_SPACE_H
#define TCE_SPACE_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_memory.h"

struct iommu_group;
struct page;
struct tce_pins;
struct tce_window;
struct vfio_iommu_spapr_tce_create;

/**
 * struct tce_space - the I/O address space of a container
 * @lock: guards this structure and the container around it. MAP and UNMAP do not take it: what
 *	they use is also guarded by &tce_process.map_lock, and so is changed with both locks
 *	held
 * @mem: the user memory that is mapped
 * @groups: struct tce_group, oldest first
 * @windows: indexed by the platform's number; NULL where there is none
 * @default_pending: the default window is created when it is first needed
 */
struct tce_space {
	struct rw_semaphore lock;
	struct tce_mem *mem;
	struct list_head groups;
	struct tce_window *windows[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool default_pending;
};

/**
 * struct tce_price - what has to be charged for the tables of new windows, in CPU pages
 * @pending: for the default window; 0 if it is not pending
 * @wanted: for the window that is wanted
 */
struct tce_price {
	unsigned long pending;
	unsigned long wanted;
};

/**
 * tce_space_lock() - lock a space for writing
 * @space: the space
 *
 * As long as a container is not bound to a process (litmus/bind.litmus) nothing can be mapped in
 * it, and there is no map_lock to take. Undone by tce_space_unlock(). Context: sleeps.
 */
static inline void tce_space_lock(struct tce_space *space)
{
	down_write(&space->lock);
	if (space->mem->process)
		down_write(&space->mem->process->map_lock);
}

/**
 * tce_space_unlock() - undo tce_space_lock()
 * @space: the space
 */
static inline void tce_space_unlock(struct tce_space *space)
{
	if (space->mem->process)
		up_write(&space->mem->process->map_lock);
	up_write(&space->lock);
}

void tce_space_init(struct tce_space *space, struct tce_mem *mem);

int tce_space_attach(struct tce_space *space, struct iommu_group *group);
void tce_space_detach(struct tce_space *space, struct iommu_group *group);
struct iommu_table_group *tce_space_table_group(struct tce_space *space);

int tce_space_price(struct tce_space *space,
		    const struct vfio_iommu_spapr_tce_create *create,
		    struct tce_price *price);
int tce_space_create_window(struct tce_space *space,
			    struct vfio_iommu_spapr_tce_create *create,
			    const struct tce_price *price, unsigned long *paid);
int tce_space_remove_window(struct tce_space *space, u64 start);

int tce_space_check(struct tce_space *space, u64 ioba, u64 ua, u64 size);
int tce_space_map(struct tce_space *space, u64 ioba, u64 ua, u64 size,
		  enum dma_data_direction dir, struct tce_pins *pins);
int tce_space_unmap(struct tce_space *space, u64 ioba, u64 size);
void tce_space_unmap_all(struct tce_space *space);
int tce_space_unmap_region(struct tce_space *space, const struct tce_region *region);

#endif /* TCE_SPACE_H */
