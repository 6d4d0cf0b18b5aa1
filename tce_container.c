// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: open, look-up, binding to a process, locking and release.
 *
 * A container is
 *   unbound	after open: groups may be attached, but nothing can be mapped
 *   bound	to the mm of the first process that needs memory, for good; others get -EPERM
 *   enabled	for MAP and UNMAP. v1: between ENABLE and DISABLE; v2: after the first REGISTER
 *   closed	after release, when all groups have left; the last reference frees it
 *
 * The VFIO core calls ioctls without a lock, so the last group can be detached, and the container
 * released, while an ioctl is in flight. So the core gets a number, which is never reused, instead
 * of a pointer, and each ioctl takes a reference. That keeps the container in memory and the module
 * loaded, but does not delay the release, because an ioctl may sleep for as long as its client
 * likes, in a page fault or in EEH.
 *
 * Locks, in the order in which they are taken:
 *   &tce_mm.registering	serializes REGISTER, also while it pins pages
 *   the VFIO core's		held in open, attach, detach and release, but not in ioctls
 *   &tce_container.lock	groups, windows and state of a container
 *   &tce_mm.region_lock	references of containers to regions
 *   &tce_mm.map_lock		read by MAP and UNMAP; written to change windows (with
 *				&tce_container.lock held) or the tree of regions (with region_lock
 *				held), and by UNREGISTER to unmap
 *   tce_delist_lock		serializes taking regions off KVM's list
 *   tce_create_lock		pseries: read to create a table, written to take regions off KVM's
 *				list
 *   &tce_group.lock		keeps a group in its container while EEH looks its PE up
 *   &tce_table.lock		entries, for one chunk of MAP or UNMAP; KVM does not take it
 * &tce_v1.lock, tce_mms_lock, tce_containers_lock and the lock of tce_groups are innermost, and
 * their holders never wait.
 *
 * With any of its locks but &tce_mm.registering held, the module does not access user space, pin
 * pages, take the mmap_lock or start an EEH operation. So pages are charged before these locks are
 * taken, and uncharged after they are dropped.
 *
 * Never fails: tce_container_release().
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "tce_container.h"
#include "tce_region.h"
#include "tce_table.h"
#include "tce_trace.h"
#include "tce_v1.h"

/* Between attempts to uncharge a closed container */
#define TCE_UNCHARGE_DELAY	(HZ / 10)

/* By id; changed with tce_containers_lock held, read under RCU */
static DEFINE_HASHTABLE(tce_containers, 8);
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_last_id = ATOMIC_LONG_INIT(0);
atomic_long_t tce_closing = ATOMIC_LONG_INIT(0);

/* For the VFIO core, which has not released it, or under RCU */
struct tce_container *tce_container_find(void *iommu_data)
{
	unsigned long id = (unsigned long)iommu_data;
	struct tce_container *container;

	rcu_read_lock();
	hash_for_each_possible_rcu(tce_containers, container, node, id)
		if (container->id == id)
			break;
	rcu_read_unlock();
	return container;
}

/*
 * Take a reference, which keeps the container in memory even if the VFIO core releases it meanwhile
 * (litmus/container-get.litmus). Undone by tce_container_put(). Return: NULL if it was released.
 */
struct tce_container *tce_container_get(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = tce_container_find(iommu_data);
	if (container && !refcount_inc_not_zero(&container->users))
		container = NULL;
	rcu_read_unlock();
	return container;
}

/* The newest container that is older than @id, or NULL. Undone by tce_container_put(). */
struct tce_container *tce_container_next(unsigned long id)
{
	struct tce_container *container, *found = NULL;
	unsigned int i;

	spin_lock(&tce_containers_lock);
	hash_for_each(tce_containers, i, container, node)
		if (container->id < id && (!found || container->id > found->id))
			found = container;
	/* release unlists it before it puts its reference */
	if (found)
		refcount_inc(&found->users);
	spin_unlock(&tce_containers_lock);
	return found;
}

static void container_free(struct tce_container *container)
{
	struct tce_memory *mem = &container->mem;

	atomic_long_dec(&tce_closing);
	if (mem->tmm)
		tce_mm_put(mem->tmm);
	if (mem->v1)
		tce_v1_free(mem->v1);
	/*
	 * A look-up may have found it without getting a reference, or be walking past it
	 * (litmus/container-get.litmus, litmus/container-walk.litmus).
	 */
	kfree_rcu(container, rcu);
	/* taken by release */
	module_put(THIS_MODULE);
}

/*
 * Free a closed container, or retry later, because close must not wait for the mmap_lock, which a
 * client can hold at will, nor for KVM's counts, which a guest can raise at will.
 */
static void container_free_work(struct work_struct *work)
{
	struct tce_container *container =
		container_of(to_delayed_work(work), struct tce_container, free_work);

	if (!tce_region_drain(&container->mem))
		schedule_delayed_work(&container->free_work, 1);
	else if (!tce_uncharge_try(&container->mem))
		schedule_delayed_work(&container->free_work, TCE_UNCHARGE_DELAY);
	else
		container_free(container);
}

/* The last put may sleep, for less than a second. */
void tce_container_put(struct tce_container *container)
{
	struct tce_v1 *v1 = container->mem.v1;

	if (!refcount_dec_and_test(&container->users))
		return;
	/* DISABLE leaves the charge of pages that a MAP in flight has pinned. */
	if (v1)
		tce_uncharge_later(&container->mem, v1->charged);
	container_free_work(&container->free_work.work);
}

/* Return: the container's number; -ENOMEM. Undone by tce_container_release(). */
void *tce_container_open(bool v2)
{
	struct tce_container *container;

	container = kzalloc(sizeof(*container), GFP_KERNEL);
	if (!container)
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	if (!v2)
		container->mem.v1 = tce_v1_create();
	if (!v2 && !container->mem.v1) {
		kfree(container);
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	}
	container->id = atomic_long_inc_return(&tce_last_id);
	refcount_set(&container->users, 1);
	init_rwsem(&container->lock);
	INIT_LIST_HEAD(&container->groups);
	INIT_LIST_HEAD(&container->mem.refs);
	INIT_LIST_HEAD(&container->mem.draining);
	INIT_DELAYED_WORK(&container->free_work, container_free_work);

	spin_lock(&tce_containers_lock);
	hash_add_rcu(tce_containers, &container->node, container->id);
	spin_unlock(&tce_containers_lock);
	return (void *)container->id;
}

/*
 * The errno for a MAP or UNMAP of a container that is not enabled: -EPERM; -EINVAL if it was
 * released meanwhile; -EINTR. Context: no lock held.
 */
int tce_container_disabled(struct tce_container *container)
{
	int rc = down_read_killable(&container->lock);

	if (rc)
		return rc;
	rc = container->closed ? TCE_REFUSE(-EINVAL) : TCE_REFUSE(-EPERM, "NOT_ENABLED", 0);
	up_read(&container->lock);
	return rc;
}

static int bind_mm(struct tce_container *container, struct tce_mm *tmm)
{
	struct tce_memory *mem = &container->mem;
	int rc;

	lockdep_assert_held_write(&container->lock);
	if (mem->tmm)
		return tce_container_owned(container) ? 0 : TCE_REFUSE(-EPERM, "NOT_OWNER", 0);
	/*
	 * The last container may still be releasing regions that KVM can find. Until it has, there
	 * must be no table in which KVM could map them.
	 */
	rc = mutex_lock_killable(&tmm->region_lock);
	if (rc)
		return rc;
	tce_mm_join(tmm, !mem->v1);
	mutex_unlock(&tmm->region_lock);
	/* pairs with smp_load_acquire() of &tce_memory.tmm (litmus/bind.litmus) */
	smp_store_release(&mem->tmm, tmm);
	return 0;
}

static int bind_and_lock(struct tce_container *container)
{
	struct tce_mm *tmm = NULL;
	int rc;

	if (!tce_memory_mm(&container->mem)) {
		tmm = tce_mm_get(current->mm);
		if (!tmm)
			return TCE_REFUSE(-ENOMEM);
	}
	rc = down_write_killable(&container->lock);
	if (!rc) {
		rc = container->closed ? TCE_REFUSE(-EINVAL) : bind_mm(container, tmm);
		if (rc)
			up_write(&container->lock);
	}
	if (tmm)
		tce_mm_put(tmm);
	return rc;
}

/* Make the calling process the owner of a container. Return: as tce_container_lock(). */
int tce_container_bind(struct tce_container *container)
{
	int rc = bind_and_lock(container);

	if (!rc)
		up_write(&container->lock);
	return rc;
}

/**
 * tce_container_lock() - lock a container for a change of its windows
 * @container: the container, which is bound to the calling process if it was unbound
 *
 * Excludes all holders of &tce_container.lock, MAP and UNMAP of the process, and the part of its
 * UNREGISTER that unmaps. Undone by tce_container_unlock(). Context: no lock held, because
 * tce_mm_get() may wait.
 *
 * Return: 0; -EINVAL if the container is gone; -EPERM if it is another process's; -ENOMEM; -EINTR.
 */
int tce_container_lock(struct tce_container *container)
{
	int rc = bind_and_lock(container);

	if (rc)
		return rc;
	rc = down_write_killable(&container->mem.tmm->map_lock);
	if (rc)
		up_write(&container->lock);
	return rc;
}

/*
 * The same for attach, detach, release and the end of REGISTER, which can't fail. It does not bind:
 * an unbound container (litmus/bind.litmus) has no mappings, and no map_lock to take.
 */
void tce_container_lock_always(struct tce_container *container)
{
	down_write(&container->lock);
	if (container->mem.tmm)
		down_write(&container->mem.tmm->map_lock);
}

void tce_container_unlock(struct tce_container *container)
{
	if (container->mem.tmm)
		up_write(&container->mem.tmm->map_lock);
	up_write(&container->lock);
}

void tce_container_assert_locked(struct tce_container *container)
{
	lockdep_assert_held_write(&container->lock);
	if (container->mem.tmm)
		lockdep_assert_held_write(&container->mem.tmm->map_lock);
}

/*
 * Charge @npages, and lock a container. Undone by tce_uncharge_later() and tce_container_unlock().
 * Context: no lock held. Return: as tce_container_lock() or tce_charge()
 */
int tce_container_lock_charged(struct tce_container *container, unsigned long npages)
{
	int rc = tce_container_bind(container);

	if (rc)
		return rc;
	/* pending uncharges may make the difference */
	tce_uncharge(&container->mem);
	rc = tce_charge(container->mem.tmm->mm, npages);
	if (rc)
		return rc;
	rc = tce_container_lock(container);
	if (rc)
		tce_uncharge_later(&container->mem, npages);
	return rc;
}

/*
 * Undo tce_container_open(), after all groups have left. Ioctls in flight keep the container in
 * memory. Context: sleeps, but waits for no client.
 */
void tce_container_release(void *iommu_data)
{
	struct tce_container *container = tce_container_find(iommu_data);
	struct tce_memory *mem = &container->mem;

	spin_lock(&tce_containers_lock);
	hash_del_rcu(&container->node);
	spin_unlock(&tce_containers_lock);

	tce_container_lock_always(container);
	/* Ioctls that have found it may be waiting for the lock. */
	WRITE_ONCE(container->enabled, false);
	container->closed = true;
	tce_container_unlock(container);

	if (mem->tmm && !mem->v1)
		tce_region_close(mem, &tce_tables);
	/* The VFIO core is about to put the module, but ioctls may still be running its code. */
	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_closing);
	tce_container_put(container);
}
