/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_CONTAINER_H
#define TCE_CONTAINER_H

#include <linux/dma-direction.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include <asm/iommu.h>

#include "tce_window.h"

/* The I/O address space of a container: its groups, and the windows that all of them share. */

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

/* A VFIO container: the I/O address space of its devices, and the user memory mapped there. */

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @rcu: for lookups
 * @id: the number that the VFIO core has instead of a pointer; see tce_container_is_v2()
 * @space: groups and windows; its lock also guards the fields below
 * @mem: the user's memory
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered. Also guarded by
 *	&tce_process.map_lock, because MAP and UNMAP read it
 * @dead: the VFIO core has released it
 * @settle: uncharges what is owed after the last put, if that is not possible at once
 */
struct tce_container {
	struct hlist_node node;
	struct rcu_head rcu;
	unsigned long id;
	struct tce_space space;
	struct tce_mem mem;
	bool enabled;
	bool dead;
	struct delayed_work settle;
};

/* log2 of the number of hash buckets in which containers are found by id */
#define TCE_CONTAINERS_BITS	8
extern struct hlist_head tce_containers[1 << TCE_CONTAINERS_BITS];

void *tce_container_open(bool v2);
void tce_container_release(void *iommu_data);
void tce_container_end(struct tce_container *container);
struct tce_container *tce_container_older(unsigned long id);
long tce_container_closing(void);

int tce_container_bind(struct tce_container *container);
int tce_container_lock_all(struct tce_container *container);
int tce_container_lock(struct tce_container *container);
long tce_container_pay(struct tce_container *container,
		       long (*act)(struct tce_container *container, void *arg,
				   unsigned long *paid, unsigned long *price),
		       void *arg);
long tce_container_create_windows(struct tce_container *container, void *create,
				  unsigned long *paid, unsigned long *price);
void tce_container_disable(struct tce_container *container);
bool tce_container_owned(struct tce_container *container);

/**
 * tce_container_is_v2() - which version of the ABI does a container have?
 * @iommu_data: its number, whose lowest bit says so
 *
 * Return: true for v2.
 */
static __always_inline bool tce_container_is_v2(void *iommu_data)
{
	return (unsigned long)iommu_data & 1;
}

/**
 * tce_container_bucket() - the hash bucket that a container is in
 * @id: its number
 *
 * Return: the bucket.
 */
static inline struct hlist_head *tce_container_bucket(unsigned long id)
{
	return &tce_containers[(id >> 1) % HASH_SIZE(tce_containers)];
}

/**
 * tce_container_find() - find a container
 * @iommu_data: its number
 *
 * The container remains valid while the caller is in an RCU read-side critical section
 * (litmus/container-walk.litmus). For attach, detach and release it remains valid anyway,
 * because the VFIO core serializes them. Inlined because a MAP or UNMAP of one entry would cost
 * half a percent more otherwise.
 *
 * Return: the container; NULL if it has been released.
 */
static __always_inline struct tce_container *
tce_container_find(void *iommu_data)
{
	unsigned long id = (unsigned long)iommu_data;
	struct tce_container *container;

	rcu_read_lock();
	hlist_for_each_entry_rcu(container, tce_container_bucket(id), node)
		if (container->id == id)
			break;
	rcu_read_unlock();
	return container;
}

/**
 * tce_container_get() - find a container and take a reference
 * @iommu_data: its number
 *
 * The reference keeps the memory of the container, but the VFIO core can release the container
 * meanwhile (litmus/container-get.litmus). Undone by tce_container_put().
 *
 * Return: the container; NULL if it has been released.
 */
static __always_inline struct tce_container *
tce_container_get(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = tce_container_find(iommu_data);
	if (container && !refcount_inc_not_zero(&container->mem.users))
		container = NULL;
	rcu_read_unlock();
	return container;
}

/**
 * tce_container_put() - undo tce_container_get()
 * @container: the container
 *
 * Context: sleeps, for a few milliseconds at most.
 */
static __always_inline void tce_container_put(struct tce_container *container)
{
	if (unlikely(refcount_dec_and_test(&container->mem.users)))
		tce_container_end(container);
}

/**
 * tce_container_trylock() - tce_container_lock(), if that is possible without waiting
 * @container: the container, which the caller prevents from being freed
 *
 * Undone by up_read() of &tce_process.map_lock, or tce_container_unlock().
 *
 * Return: false if the caller would have to wait, or if something has to be done first: then
 * use tce_container_lock().
 */
static __always_inline bool tce_container_trylock(struct tce_container *container)
{
	/*
	 * The owner and the lock of a container that is bound never change
	 * (litmus/bind.litmus, litmus/container-lookup.litmus).
	 */
	if (unlikely(smp_load_acquire(&container->mem.mm) != current->mm ||
		     !down_read_trylock(&container->mem.process->map_lock)))
		return false;
	/* While it is enabled, release has not begun, and has to wait for this lock. */
	if (likely(container->enabled && !container->space.default_pending))
		return true;
	up_read(&container->mem.process->map_lock);
	return false;
}

/**
 * tce_container_find_locked() - tce_container_find() and tce_container_trylock()
 * @iommu_data: the container's number
 *
 * Undone by tce_container_unlock().
 *
 * Return: the container; NULL if tce_container_lock() has to be used.
 */
static __always_inline struct tce_container *
tce_container_find_locked(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = tce_container_find(iommu_data);
	if (container && unlikely(!tce_container_trylock(container)))
		container = NULL;
	rcu_read_unlock();
	return container;
}

/**
 * tce_container_unlock() - undo tce_container_lock(), tce_container_find_locked()
 * @container: the container
 */
static __always_inline void tce_container_unlock(struct tce_container *container)
{
	/*
	 * Once it is unlocked the container can be released, and the process with the lock can
	 * go. But both are freed by kfree_rcu().
	 */
	rcu_read_lock();
	up_read(&container->mem.process->map_lock);
	rcu_read_unlock();
}

/* EEH: error handling for the PEs of a container's groups. */

struct tce_space;

bool tce_eeh_enabled(void);
long tce_eeh_op(struct tce_space *space, const struct vfio_eeh_pe_op *op);

/*
 * The module's state, which root can read in debugfs. Documentation/tcestat.rst has the format.
 */

struct seq_file;

/* Raised when a field changes its meaning or goes, but not when one is added */
#define TCE_DEBUGFS_FORMAT	3

int tce_debugfs_show(struct seq_file *m, void *unused);

void tce_debugfs_init(void);
void tce_debugfs_exit(void);

#endif /* TCE_CONTAINER_H */
