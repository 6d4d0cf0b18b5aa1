// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: how they are opened, found, locked and released.
 *
 * The VFIO core passes ioctls on without a lock. While an ioctl is under way, another thread
 * can remove the last group and thereby the container. So the core gets a number instead of a
 * pointer, which is never used again, and each ioctl looks the container up by it.
 *
 * No client can make others wait. An ioctl may sleep for as long as its client likes, when it
 * copies its argument, in a page fault, or in the kernel's EEH code. Meanwhile it has only a
 * reference, which keeps the memory of the container but does not delay its release. Release
 * comes after the last group has left, so that there is no window any more; it marks the
 * container as dead, and the last reference frees it. Until then a container keeps the module
 * loaded. A MAP or UNMAP that does not have to sleep takes no reference: it looks the container
 * up and takes its lock in one RCU read-side critical section.
 *
 * Locks, in the order in which they are taken:
 *   &tce_process.registering	taken for the client only
 *   the VFIO core's		held in open, attach, detach and release, but not in ioctls
 *   &tce_space.lock		groups, windows, and the other fields of the container
 *   &tce_process.region_lock	registrations
 *   &tce_process.map_lock	what MAP and UNMAP use
 *   spans, and the locks of tce_pin.c and tce_process.c
 * While one of the module's locks is held, except for the first, it does not access user space,
 * pin pages, take the mmap_lock or call EEH.
 *
 * Never fails: tce_container_release().
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "tce_container.h"
#include "tce_refusal.h"

/* How long close waits before it tries again to uncharge what is owed */
#define TCE_SETTLE_DELAY	(HZ / 10)

/* Changed with the lock held, read under RCU */
struct hlist_head tce_containers[1 << TCE_CONTAINERS_BITS];
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_next_id = ATOMIC_LONG_INIT(0);
/* Containers that were released but are still in use */
static atomic_long_t tce_closing = ATOMIC_LONG_INIT(0);

/**
 * tce_container_closing() - count the containers that were released but are still in use
 *
 * Each of them keeps the module loaded.
 *
 * Return: their number.
 */
long tce_container_closing(void)
{
	return atomic_long_read(&tce_closing);
}

static void container_free(struct tce_container *container)
{
	atomic_long_dec(&tce_closing);
	tce_mem_destroy(&container->mem);
	/*
	 * Lookups may have found it without getting a reference or the lock, or may be walking
	 * past it (litmus/container-get.litmus, litmus/container-lookup.litmus,
	 * litmus/container-walk.litmus).
	 */
	kfree_rcu(container, rcu);
	/* release has taken this reference */
	module_put(THIS_MODULE);
}

/* A client can hold the mmap_lock for as long as it likes, and close must not wait for that. */
static void container_settle(struct work_struct *work)
{
	struct tce_container *container = container_of(to_delayed_work(work),
						       struct tce_container,
						       settle);

	if (tce_account_try_settle(&container->mem.account))
		container_free(container);
	else
		schedule_delayed_work(&container->settle, TCE_SETTLE_DELAY);
}

/**
 * tce_container_end() - free a container after the last put
 * @container: the container, which has been released; only for tce_container_put()
 */
void tce_container_end(struct tce_container *container)
{
	tce_mem_owe_all(&container->mem);
	container_settle(&container->settle.work);
}

/**
 * tce_container_open() - create a container
 * @v2: which version of the ABI it has
 *
 * Undone by tce_container_release().
 *
 * Return: its number, which the VFIO core gets instead of a pointer; -ENOMEM.
 */
void *tce_container_open(bool v2)
{
	struct tce_container *container;

	container = kzalloc(sizeof(*container), GFP_KERNEL);
	if (!container)
		return ERR_PTR(TCE_REFUSE(CONTAINER_MEMORY, ENOMEM));
	container->id = atomic_long_inc_return(&tce_next_id) << 1 | v2;
	INIT_DELAYED_WORK(&container->settle, container_settle);
	tce_mem_init(&container->mem, v2);
	container->mem.container = container->id;
	tce_space_init(&container->space, &container->mem);

	spin_lock(&tce_containers_lock);
	hlist_add_head_rcu(&container->node,
			   tce_container_bucket(container->id));
	spin_unlock(&tce_containers_lock);
	return (void *)container->id;
}

/**
 * tce_container_release() - undo tce_container_open()
 * @iommu_data: its number; all groups have been detached
 *
 * Ioctls that are under way keep the memory of the container. Context: sleeps, but does not wait
 * for any client.
 */
void tce_container_release(void *iommu_data)
{
	struct tce_container *container = tce_container_find(iommu_data);

	spin_lock(&tce_containers_lock);
	hlist_del_rcu(&container->node);
	spin_unlock(&tce_containers_lock);

	tce_space_lock(&container->space);
	tce_container_disable(container);
	/* Ioctls may have found it, and be waiting for the lock. */
	WRITE_ONCE(container->enabled, false);
	container->dead = true;
	tce_space_unlock(&container->space);

	tce_mem_close(&container->mem);
	/* The VFIO core is about to put the module, but ioctls may still be running its code. */
	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_closing);
	tce_container_put(container);
}

/**
 * tce_container_older() - get the newest of the containers that are older than one
 * @id: &tce_container.id of that one; ULONG_MAX for the newest of all
 *
 * Undone by tce_container_put().
 *
 * Return: the container; NULL if there is none.
 */
struct tce_container *tce_container_older(unsigned long id)
{
	struct tce_container *container, *found = NULL;
	unsigned int i;

	spin_lock(&tce_containers_lock);
	for (i = 0; i < HASH_SIZE(tce_containers); i++)
		hlist_for_each_entry(container, &tce_containers[i], node)
			if (container->id < id &&
			    (!found || container->id > found->id))
				found = container;
	/* release puts its reference after it has taken the container off the list */
	if (found)
		refcount_inc(&found->mem.users);
	spin_unlock(&tce_containers_lock);
	return found;
}

/**
 * tce_container_bind() - bind a container to the calling process, and lock its space
 * @container: the container
 *
 * On success &tce_space.lock is held for writing.
 *
 * Return: 0; -EINVAL if the container is gone; -EPERM, -ENOMEM as tce_mem_bind(); -EINTR.
 */
int tce_container_bind(struct tce_container *container)
{
	struct tce_process *process = tce_mem_process(&container->mem);
	struct tce_space *space = &container->space;
	int rc;

	if (IS_ERR(process))
		return PTR_ERR(process);
	rc = down_write_killable(&space->lock);
	if (!rc) {
		rc = container->dead ? TCE_REFUSE(CONTAINER_GONE, EINVAL) :
				       tce_mem_bind(&container->mem, process);
		if (rc)
			up_write(&space->lock);
	}
	if (process)
		tce_process_put(process);
	return rc;
}

/**
 * tce_container_lock_all() - tce_container_bind(), and take the map_lock as well
 * @container: the container
 *
 * Undone by tce_space_unlock().
 *
 * Return: as tce_container_bind().
 */
int tce_container_lock_all(struct tce_container *container)
{
	struct tce_space *space = &container->space;
	int rc = tce_container_bind(container);

	if (rc)
		return rc;
	rc = down_write_killable(&container->mem.process->map_lock);
	if (rc)
		up_write(&space->lock);
	return rc;
}

/**
 * tce_container_owned() - may the calling process use a container?
 * @container: the container
 *
 * A container maps the memory of one process, and obeys only that process. If there is no owner
 * yet, and the caller has no lock, another process may become the owner right after this.
 *
 * Return: true if the process is the owner, or if there is no owner yet.
 */
bool tce_container_owned(struct tce_container *container)
{
	/* litmus/bind.litmus */
	struct mm_struct *mm = smp_load_acquire(&container->mem.mm);

	return current->mm && (!mm || mm == current->mm);
}

/**
 * tce_container_pay() - do something that has to be charged first
 * @container: the container
 * @act: does it, with the container locked by tce_container_lock_all(), and subtracts what it
 *	uses from @paid. If @paid is not enough, it changes nothing, stores what it needs in
 *	@price, and returns -EAGAIN
 * @arg: for @act
 *
 * Charging takes the owner's mmap_lock, which a client can hold for as long as it likes. So pages
 * are charged with none of the module's locks held, and the price is computed again afterwards.
 *
 * Return: what @act returns; an errno of tce_container_lock_all() or tce_account_charge().
 */
long tce_container_pay(struct tce_container *container,
		       long (*act)(struct tce_container *container, void *arg,
				   unsigned long *paid, unsigned long *price),
		       void *arg)
{
	struct tce_account *account = &container->mem.account;
	unsigned long paid = 0, price = 0;
	long rc;

	for (;;) {
		rc = tce_container_lock_all(container);
		if (rc)
			break;
		rc = act(container, arg, &paid, &price);
		tce_space_unlock(&container->space);
		if (rc != -EAGAIN)
			break;
		rc = tce_account_charge(account->mm, price - paid);
		if (rc)
			break;
		paid = price;
	}
	tce_account_owe(account, paid);
	tce_account_settle(account);
	return rc;
}

/**
 * tce_container_create_windows() - create a window, for tce_container_pay()
 * @container: the container, locked by tce_container_lock_all()
 * @create: struct vfio_iommu_spapr_tce_create; NULL to create the default window if it is pending
 * @paid: see tce_container_pay()
 * @price: the same
 *
 * Return: 0; -EPERM; -EAGAIN, see tce_container_pay(); an errno of tce_space_price() or
 * tce_space_create_window().
 */
long tce_container_create_windows(struct tce_container *container, void *create,
				  unsigned long *paid, unsigned long *price)
{
	struct tce_space *space = &container->space;
	struct tce_price of;
	int rc;

	if (!create && !container->enabled)
		return TCE_REFUSE(NOT_ENABLED, EPERM);
	rc = tce_space_price(space, create, &of);
	if (rc)
		return rc;
	*price = of.pending + of.wanted;
	return *price > *paid ? -EAGAIN :
	       tce_space_create_window(space, create, &of, paid);
}

/**
 * tce_container_lock() - lock a container for MAP or UNMAP
 * @container: the container, of which the caller has a reference
 *
 * On success the container is enabled, and has its default window if that was pending. Undone by
 * tce_container_unlock().
 *
 * Return: 0; -EPERM; -EINVAL if the container is gone; -EINTR; an errno of
 * tce_container_pay() for the default window.
 */
int tce_container_lock(struct tce_container *container)
{
	int rc;

	if (!current->mm ||
	    smp_load_acquire(&container->mem.mm) != current->mm)
		return TCE_REFUSE(NOT_OWNER, EPERM);
	for (;;) {
		rc = down_read_killable(&container->mem.process->map_lock);
		if (rc)
			return rc;
		if (container->dead)
			rc = TCE_REFUSE(CONTAINER_GONE, EINVAL);
		else if (!container->enabled)
			rc = TCE_REFUSE(NOT_ENABLED, EPERM);
		else if (container->space.default_pending)
			rc = -EAGAIN;
		else
			return 0;
		up_read(&container->mem.process->map_lock);
		if (rc == -EAGAIN)
			rc = tce_container_pay(container,
					       tce_container_create_windows,
					       NULL);
		if (rc)
			return rc;
	}
}

/**
 * tce_container_disable() - v1: undo ENABLE
 * @container: the container, locked by tce_space_lock()
 *
 * Unmaps everything, because pages may only be pinned for as long as they are charged.
 */
void tce_container_disable(struct tce_container *container)
{
	lockdep_assert_held_write(&container->space.lock);
	if (container->mem.v2)
		return;
	tce_space_unmap_all(&container->space);
	WRITE_ONCE(container->enabled, false);
	tce_pinned_disallow(&container->mem.pinned);
}
