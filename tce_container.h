/* SPDX-License-Identifier: GPL-2.0-only */
/* A container, as VFIO knows it: the space that its devices see, and its user's memory. */
#ifndef TCE_CONTAINER_H
#define TCE_CONTAINER_H

#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "tce_memory.h"
#include "tce_space.h"

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @rcu: for lookups
 * @id: what the VFIO core knows it by; see tce_container_is_v2()
 * @space: groups and windows; its lock guards what follows as well
 * @mem: the user's memory
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered. Written with
 *	&tce_process.map_lock held as well, for MAP and UNMAP
 * @dead: the VFIO core has released it
 * @settle: uncharges what is owed in the end, if that can't be done at once
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

/* Containers are found by id in so many buckets. */
#define TCE_CONTAINERS_BITS	8
extern struct hlist_head tce_containers[1 << TCE_CONTAINERS_BITS];

void tce_container_exit(void);
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
 * tce_container_is_v2() - which interface does a container speak?
 * @iommu_data: what the VFIO core knows it by: a number that tells
 *
 * Return: true for v2.
 */
static __always_inline bool tce_container_is_v2(void *iommu_data)
{
	return (unsigned long)iommu_data & 1;
}

/**
 * tce_container_bucket() - where is a container listed?
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
 * @iommu_data: what the VFIO core knows it by
 *
 * What is found stays while the caller is in an RCU read-side section
 * (litmus/container-walk.litmus). It also stays for the VFIO core, which calls nothing
 * else while it calls release.
 * In line, as MAP and UNMAP of one entry are: half a percent of each.
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
 * tce_container_get() - keep a container's memory, not the container
 * @iommu_data: what the VFIO core knows it by
 *
 * litmus/container-get.litmus. Undone by tce_container_put().
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
 * Context: sleeps, for some ms at the most.
 */
static __always_inline void tce_container_put(struct tce_container *container)
{
	if (unlikely(refcount_dec_and_test(&container->mem.users)))
		tce_container_end(container);
}

/**
 * tce_container_trylock() - lock what MAP and UNMAP use, if nobody has to be waited for
 * @container: the container; the caller keeps its memory
 *
 * Undone by up_read() of &tce_process.map_lock, or tce_container_unlock().
 *
 * Return: false if somebody has to be waited for, or something is to be done first; see
 * tce_container_lock().
 */
static __always_inline bool tce_container_trylock(struct tce_container *container)
{
	/*
	 * Who is bound has an owner and a lock, which stay the same
	 * (litmus/bind.litmus, litmus/container-lookup.litmus). The trylock is also
	 * the cheaper half of it.
	 */
	if (unlikely(smp_load_acquire(&container->mem.mm) != current->mm ||
		     !down_read_trylock(&container->mem.process->map_lock)))
		return false;
	/* enabled: release is to come, and waits */
	if (likely(container->enabled && !container->space.default_pending))
		return true;
	up_read(&container->mem.process->map_lock);
	return false;
}

/**
 * tce_container_find_locked() - find a container, and tce_container_trylock()
 * @iommu_data: what the VFIO core knows it by
 *
 * Undone by tce_container_unlock().
 *
 * Return: the container; NULL if it must be done by tce_container_lock().
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
	/* kfree_rcu() waits until the lock, too, is done with itself */
	rcu_read_lock();
	up_read(&container->mem.process->map_lock);
	rcu_read_unlock();
}

#endif /* TCE_CONTAINER_H */
