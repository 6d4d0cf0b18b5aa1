/* SPDX-License-Identifier: GPL-2.0-only */
/* A VFIO container: its life, its lock, and where its groups, windows and memory are. */
#ifndef TCE_CONTAINER_H
#define TCE_CONTAINER_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <asm/iommu.h>

#include "tce_mm.h"

struct tce_window;

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @rcu: for look-ups
 * @id: the number that the VFIO core has instead of a pointer
 * @users: references: those of ioctls, and one until it is released
 * @lock: guards the fields below, except for @mem. MAP and UNMAP work without it: what they use is
 *	also guarded by &tce_mm.map_lock, and so is changed with both locks held
 * @groups: struct tce_group, oldest first
 * @windows: indexed by the platform's number; NULL where there is none
 * @default_pending: the default window is created when it is first needed
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered
 * @closed: the VFIO core has released it
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
	bool closed;
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
int tce_container_bind(struct tce_container *container);
int tce_container_lock(struct tce_container *container);
void tce_container_lock_always(struct tce_container *container);
void tce_container_unlock(struct tce_container *container);
void tce_container_assert_locked(struct tce_container *container);
long tce_container_act_charged(struct tce_container *container,
			       long (*act)(struct tce_container *, struct tce_charge *, void *),
			       void *arg);

#endif /* TCE_CONTAINER_H */
