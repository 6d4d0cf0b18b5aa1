/* SPDX-License-Identifier: GPL-2.0-only */
/* A VFIO container: its groups and windows, and the user memory that is mapped there. */
#ifndef TCE_CONTAINER_H
#define TCE_CONTAINER_H

#include <linux/dma-direction.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include "tce_window.h"

struct seq_file;

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @rcu: for look-ups
 * @id: the number that the VFIO core has instead of a pointer
 * @users: references: those of ioctls, and one until it is released
 * @lock: guards the fields below, except for @mem. MAP and UNMAP do not take it: what they use is
 *	also guarded by &tce_mm.map_lock, and so is changed with both locks held
 * @groups: struct tce_group, oldest first
 * @windows: indexed by the platform's number; NULL where there is none
 * @default_pending: the default window is created when it is first needed
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered
 * @dead: the VFIO core has released it
 * @mem: the user's memory
 * @free_work: frees it after the last put, if that is not possible at once
 */
struct tce_container {
	struct hlist_node node;
	struct rcu_head rcu;
	unsigned long id;
	refcount_t users;
	struct rw_semaphore lock;
	struct list_head groups;
	struct tce_window *windows[IOMMU_TABLE_GROUP_MAX_TABLES];
	bool default_pending;
	bool enabled;
	bool dead;
	struct tce_memory mem;
	struct delayed_work free_work;
};

void *tce_container_open(bool v2);
void tce_container_release(void *iommu_data);
struct tce_container *tce_container_find(void *iommu_data);
struct tce_container *tce_container_get(void *iommu_data);
struct tce_container *tce_container_next(unsigned long id);
void tce_container_put(struct tce_container *container);

/* Containers that were released but are still in use; each keeps the module loaded */
extern atomic_long_t tce_closing;

bool tce_container_owned(struct tce_container *container);
int tce_container_disabled(struct tce_container *container);

int tce_container_attach(struct tce_container *container, struct iommu_group *group);
void tce_container_detach(struct tce_container *container, struct iommu_group *group);
int tce_container_info(struct tce_container *container,
		       struct vfio_iommu_spapr_tce_info *info);

long tce_container_enable(struct tce_container *container);
long tce_container_disable(struct tce_container *container);
long tce_container_register(struct tce_container *container, u64 ua, u64 size);
long tce_container_unregister(struct tce_container *container, u64 ua, u64 size);
long tce_container_create(struct tce_container *container,
			  struct vfio_iommu_spapr_tce_create *create);
long tce_container_remove(struct tce_container *container, u64 start);

int tce_container_map(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		      enum dma_data_direction dir);
int tce_container_unmap(struct tce_container *container, u64 ioba, u64 size);

/* tce_eeh.c */
long tce_eeh_op(struct tce_container *container, const struct vfio_eeh_pe_op *op);
int tce_eeh_init(void);
void tce_eeh_exit(void);

/* tce_debugfs.c */

/* Raised when a field changes its meaning or goes, but not when one is added */
#define TCE_DEBUGFS_FORMAT	4

int tce_debugfs_show(struct seq_file *m, void *unused);
void tce_debugfs_init(void);
void tce_debugfs_exit(void);

#endif /* TCE_CONTAINER_H */
