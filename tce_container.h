/* SPDX-License-Identifier: GPL-2.0-only */
/* A VFIO container: its groups and windows, and the user memory that is mapped there. */
#ifndef TCE_CONTAINER_H
#define TCE_CONTAINER_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include <asm/iommu.h>

#include "tce_table.h"

struct iommu_group;
struct seq_file;

/**
 * struct tce_group - an IOMMU group in a container, which is a PE of the bridge
 * @list: in &tce_container.groups
 * @refs: one of the container, and one of each EEH operation that includes the group
 * @lock: as long as it is held, the group does not leave
 * @left: it is no longer in the container
 * @group: the IOMMU group, with a reference until it has left
 * @table_group: the platform's side of the group; valid until the group has left
 * @ops: the operations that the platform uses while this module has the ownership
 * @platform: the platform's own operations
 * @refused: pseries: the errno with which the platform has refused a table; 0 for none
 * @refused_entries: tables of as many entries, and larger ones, are refused as well
 */
struct tce_group {
	struct list_head list;
	refcount_t refs;
	struct mutex lock;
	bool left;
	struct iommu_group *group;
	struct iommu_table_group *table_group;
	struct iommu_table_group_ops ops;
	struct iommu_table_group_ops *platform;
	int refused;
	u64 refused_entries;
};

/**
 * struct tce_window - a range of IOBAs that a table translates for the devices of all groups
 * @table: its table
 * @num: the platform's number of the window
 * @charged: CPU pages that were charged for the table
 * @leaked: a bridge refused to release it, and may use the table until the next boot
 */
struct tce_window {
	struct tce_table table;
	int num;
	unsigned long charged;
	bool leaked;
};

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

/* tce_container.c */
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
int tce_container_lock(struct tce_container *container);
void tce_container_lock_always(struct tce_container *container);
void tce_container_unlock(struct tce_container *container);
void tce_container_assert_locked(struct tce_container *container);
long tce_container_act_charged(struct tce_container *container,
			       long (*act)(struct tce_container *, struct tce_charge *, void *),
			       void *arg);

long tce_container_enable(struct tce_container *container);
long tce_container_disable(struct tce_container *container);
long tce_container_register(struct tce_container *container, u64 ua, u64 size);
long tce_container_unregister(struct tce_container *container, u64 ua, u64 size);
int tce_container_map(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		      enum dma_data_direction dir);
int tce_container_unmap(struct tce_container *container, u64 ioba, u64 size);

/* tce_group.c */
int tce_group_attach(struct tce_container *container, struct iommu_group *group);
void tce_group_detach(struct tce_container *container, struct iommu_group *group);
struct tce_group *tce_group_first(struct tce_container *container);
struct iommu_table_group *tce_group_platform(struct tce_container *container);
void tce_group_hide_tables(struct tce_group *grp);
void tce_group_put(struct tce_group *grp);

/* tce_window.c */
int tce_window_info(struct tce_container *container, struct vfio_iommu_spapr_tce_info *info);
long tce_window_create(struct tce_container *container,
		       struct vfio_iommu_spapr_tce_create *create);
long tce_window_remove(struct tce_container *container, u64 start);
int tce_windows_set(struct tce_container *container, struct tce_group *grp);
void tce_windows_unset(struct tce_container *container, struct tce_group *grp);

/* Tables that are never freed, because a bridge refused to release their window */
extern atomic_long_t tce_leaked_tables;

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
