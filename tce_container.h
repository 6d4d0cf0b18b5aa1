/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO containers, each with its groups, windows and memory. */
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
 * @users: references: one per ioctl in flight, one of a reader of the state file, and one until
 *	release
 * @lock: guards @groups to @closed. MAP and UNMAP do not take it: the fields that they use are
 *	changed with &tce_mm.map_lock held as well
 * @groups: struct tce_group, oldest first
 * @windows: by the platform's number; NULL where there is none
 * @default_pending: the default window is created when it is first needed
 * @enabled: MAP and UNMAP are allowed
 * @closed: the VFIO core has released it
 * @hole_told: the log says that it has mapped what the bridge does not pass on
 * @mem: the user's memory
 * @free_work: retries to free it after the last put
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
	bool hole_told;
	struct tce_memory mem;
	struct delayed_work free_work;
};

void *tce_container_open(bool v2);
void tce_container_release(void *iommu_data);
struct tce_container *tce_container_find(void *iommu_data);
struct tce_container *tce_container_get(void *iommu_data);
struct tce_container *tce_container_next(unsigned long id);
void tce_container_put(struct tce_container *container);

/* Released containers that are still in use; each keeps the module loaded */
extern atomic_long_t tce_closing;

int tce_container_disabled(struct tce_container *container);
int tce_container_bind(struct tce_container *container);
int tce_container_lock(struct tce_container *container);
void tce_container_lock_always(struct tce_container *container);
void tce_container_unlock(struct tce_container *container);
void tce_container_assert_locked(struct tce_container *container);
int tce_container_lock_charged(struct tce_container *container, unsigned long npages);

/* Unless the caller has the lock, another process may bind an unbound container. */
static inline bool tce_container_owned(const struct tce_container *container)
{
	const struct tce_mm *tmm = tce_memory_mm(&container->mem);

	return current->mm && (!tmm || tmm->mm == current->mm);
}

#endif /* TCE_CONTAINER_H */
