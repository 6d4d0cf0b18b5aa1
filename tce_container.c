// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: how they are opened, found, bound to a process, locked and released.
 *
 * The VFIO core passes ioctls on without a lock. While an ioctl is under way, another thread
 * can remove the last group and thereby the container. So the core gets a number instead of a
 * pointer, which is never used again, and each ioctl looks the container up by it and takes a
 * reference.
 *
 * No client can make others wait, except in EEH while root unplugs a device. An ioctl may sleep
 * for as long as its client likes, when it copies its argument, in a page fault, or in the
 * kernel's EEH code. Meanwhile it has only a reference, which keeps the memory of the container
 * but does not delay its release. Release comes after the last group has left, so that there is
 * no window any more; it marks the container as closed, and the last reference frees it. Until then
 * a container keeps the module loaded.
 *
 * A container serves one process, to which the first call that needs memory binds it.
 *
 * Locks, in the order in which they are taken:
 *   &tce_mm.registering	taken for the client only
 *   the VFIO core's		held in open, attach, detach and release, but not in ioctls
 *   &tce_container.lock	groups, windows, and the other fields of the container
 *   &tce_mm.region_lock	references to regions
 *   &tce_mm.map_lock		what MAP and UNMAP use
 *   tce_create_lock		while a table is created
 *   &tce_group.lock		while EEH looks a PE up
 *   &tce_table.lock		entries, by chunks
 *   &tce_v1.lock, &tce_kvm_taken.lock, and the lock of tce_mm.c, inside of which none is taken
 * While one of the module's locks is held, except for the first, it does not access user space,
 * pin pages, take the mmap_lock or start an EEH operation.
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
#include "tce_trace.h"
#include "tce_v1.h"

/* How long to wait before trying again to uncharge a closed container */
#define TCE_UNCHARGE_DELAY	(HZ / 10)

/* By id; changed with the lock held, read under RCU */
static DEFINE_HASHTABLE(tce_containers, 8);
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_last_id = ATOMIC_LONG_INIT(0);
atomic_long_t tce_closing = ATOMIC_LONG_INIT(0);

/* Find a container that the caller, the VFIO core, has not released. */
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
 * Find a container and take a reference, which keeps its memory, though the VFIO core can release
 * it meanwhile (litmus/container-get.litmus). Undone by tce_container_put(). Return: NULL if it was
 * released
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
	/* release puts its reference after it has taken the container off the list */
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
	 * Look-ups may have found it without getting a reference, or may be walking past it
	 * (litmus/container-get.litmus, litmus/container-walk.litmus).
	 */
	kfree_rcu(container, rcu);
	/* release has taken this reference */
	module_put(THIS_MODULE);
}

/*
 * Free what a closed container has, now or later: close must not wait for the mmap_lock, which a
 * client can hold for as long as it likes, nor for KVM's counts, which a guest can raise at will.
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

/* Context: sleeps, for less than a second. */
void tce_container_put(struct tce_container *container)
{
	struct tce_v1 *v1 = container->mem.v1;

	if (!refcount_dec_and_test(&container->users))
		return;
	/* what MAPs in flight had pinned when it was disabled */
	if (v1)
		tce_uncharge_later(&container->mem, v1->charged);
	container_free_work(&container->free_work.work);
}

/* Undone by tce_container_release(). Return: the container's number; -ENOMEM */
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
 * Is the calling process the owner of the container, or is there no owner yet? Another process may
 * become the owner right after this, unless the caller has the lock.
 */
bool tce_container_owned(struct tce_container *container)
{
	struct tce_mm *tmm = tce_memory_mm(&container->mem);

	return current->mm && (!tmm || tmm->mm == current->mm);
}

/*
 * The refusal of a MAP or UNMAP which has found that the container is not enabled, and may have
 * been released meanwhile. Context: no lock held. Return: -EPERM; -EINVAL if it is gone; -EINTR
 */
int tce_container_disabled(struct tce_container *container)
{
	int rc = down_read_killable(&container->lock);

	if (rc)
		return rc;
	rc = container->closed ? TCE_REFUSE(-EINVAL) : TCE_REFUSE_WHY(NOT_ENABLED, -EPERM, 0);
	up_read(&container->lock);
	return rc;
}

/* Make the caller's memory that of the container. Return: 0; -EPERM; -EINTR */
static int bind_mm(struct tce_container *container, struct tce_mm *tmm)
{
	struct tce_memory *mem = &container->mem;
	int rc;

	lockdep_assert_held_write(&container->lock);
	if (mem->tmm)
		return tce_container_owned(container) ? 0 : TCE_REFUSE_WHY(NOT_OWNER, -EPERM, 0);
	/*
	 * The last container may be releasing memory that KVM can still find: there must not be a
	 * table yet in which KVM could map it.
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

/*
 * Bind a container to the calling process, and lock it for writing. Return: 0; -EINVAL if the
 * container is gone; -EPERM if it is another process's; -ENOMEM; -EINTR
 */
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

/* Make the calling process the owner of a container. Return: as bind_and_lock() */
int tce_container_bind(struct tce_container *container)
{
	int rc = bind_and_lock(container);

	if (!rc)
		up_write(&container->lock);
	return rc;
}

/**
 * tce_container_lock() - lock a container for a change of its windows
 * @container: the container, which is bound to the calling process if it was not bound
 *
 * Keeps out all that takes &tce_container.lock, and MAP, UNMAP and UNREGISTER of the process.
 * Undone by tce_container_unlock(). Context: no lock held, because tce_mm_get() may wait.
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
 * The same for callers that can't fail: attach, detach and release, and the end of REGISTER. It
 * does not bind. As long as a container is not bound (litmus/bind.litmus), nothing can be mapped in
 * it, and there is no map_lock to take.
 */
void tce_container_lock_always(struct tce_container *container)
{
	down_write(&container->lock);
	if (container->mem.tmm)
		down_write(&container->mem.tmm->map_lock);
}

/* Undo tce_container_lock() or tce_container_lock_always(). */
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

/**
 * tce_container_act_charged() - charge what a command needs, and do it with the container locked
 * @container: the container
 * @act: the command, which says how much that is by tce_charge_need(), and changes nothing until it
 *	is reserved
 * @arg: for @act
 *
 * Context: as tce_charge().
 *
 * Return: as tce_container_lock(), tce_charge() or @act.
 */
long tce_container_act_charged(struct tce_container *container,
			       long (*act)(struct tce_container *, struct tce_charge *, void *),
			       void *arg)
{
	struct tce_charge charge = {};
	long rc;

	do {
		rc = tce_charge_reserve(&charge, &container->mem) ?: tce_container_lock(container);
		if (rc)
			break;
		rc = act(container, &charge, arg);
		tce_container_unlock(container);
	} while (rc == -EAGAIN);
	tce_charge_settle(&charge, &container->mem);
	return rc;
}

/**
 * tce_container_release() - undo tce_container_open()
 * @iommu_data: its number; all groups were detached
 *
 * Ioctls that are under way keep the memory of the container. Context: sleeps, but does not wait
 * for any client.
 */
void tce_container_release(void *iommu_data)
{
	struct tce_container *container = tce_container_find(iommu_data);
	struct tce_memory *mem = &container->mem;

	spin_lock(&tce_containers_lock);
	hash_del_rcu(&container->node);
	spin_unlock(&tce_containers_lock);

	tce_container_lock_always(container);
	/* Ioctls may have found it, and be waiting for the lock. */
	WRITE_ONCE(container->enabled, false);
	container->closed = true;
	tce_container_unlock(container);

	if (mem->tmm && !mem->v1)
		tce_region_close(mem);
	/* The VFIO core is about to put the module, but ioctls may still be running its code. */
	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_closing);
	tce_container_put(container);
}
