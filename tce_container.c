// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a container, and its locks.
 *
 * The VFIO core passes ioctls on without a lock. Another thread may take the last group
 * away, and with it the container, while an ioctl is on its way. So the core does not
 * keep a pointer, but a number that is never used twice. An ioctl looks it up.
 *
 * Nobody waits for a client. An ioctl may sleep for as long as its client likes: in a
 * copy of its argument, in a page fault, in the kernel's EEH code. Meanwhile it holds a
 * reference that keeps the container's memory, and no more. Release does not wait for
 * it. The windows have gone with the last group by then. Release marks the container
 * dead. The last reference frees it, and keeps the module until then: rmmod fails. A MAP
 * or UNMAP that need not sleep in such a place holds the container by its lock alone,
 * taken under RCU.
 *
 * Locks, in the order in which they are taken:
 *   &tce_process.registering	of the client alone
 *   the VFIO core's		around open, attach, detach and release, not ioctls
 *   &tce_space.lock		groups, windows, and what the container keeps beside them
 *   &tce_process.region_lock	registrations
 *   &tce_process.map_lock	what MAP and UNMAP use
 *   spans, and the locks of tce_pin.c and tce_process.c
 * With one of ours held but the first, nobody copies from or to user space, pins its
 * pages, takes its mmap_lock, or does EEH.
 *
 * Never fails: tce_container_release().
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "tce_container.h"
#include "tce_refusal.h"

/* Tries to uncharge what is owed while a container is closed, for some ms, and the next */
#define TCE_SETTLE_TRIES	50
#define TCE_SETTLE_DELAY	(HZ / 10)

/* Written under the lock, read under RCU. */
struct hlist_head tce_containers[1 << TCE_CONTAINERS_BITS];
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_next_id = ATOMIC_LONG_INIT(0);
/* Containers that were released, and are still in use */
static atomic_long_t tce_closing = ATOMIC_LONG_INIT(0);

/**
 * tce_container_exit() - the module is about to go
 *
 * Context: there are no containers, and will be none.
 */
void tce_container_exit(void)
{
	/* Whoever has put the last reference may be preempted before it has left our code. */
	synchronize_rcu_tasks();
	tce_process_exit();
}

/**
 * tce_container_closing() - how many containers were released, and are still in use?
 *
 * Each keeps the module.
 *
 * Return: that.
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
	 * who has just found it, with its reference or lock, or comes by it
	 * (litmus/container-get.litmus, litmus/container-lookup.litmus,
	 * litmus/container-walk.litmus)
	 */
	kfree_rcu(container, rcu);
	/* release has taken it */
	module_put(THIS_MODULE);
}

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
 * tce_container_end() - nobody uses a container any more that has been released
 * @container: the container; only for tce_container_put()
 */
void tce_container_end(struct tce_container *container)
{
	int tries;

	tce_mem_owe_all(&container->mem);
	/*
	 * Somebody may have the process's mmap_lock, mostly for a moment. Who closes does
	 * not wait for longer than that.
	 */
	for (tries = 0; tries < TCE_SETTLE_TRIES; tries++) {
		if (tce_account_try_settle(&container->mem.account)) {
			container_free(container);
			return;
		}
		usleep_range(100, 200);
	}
	schedule_delayed_work(&container->settle, TCE_SETTLE_DELAY);
}

/**
 * tce_container_open() - make a container
 * @v2: which interface it speaks
 *
 * Undone by tce_container_release().
 *
 * Return: what the VFIO core shall know it by; -ENOMEM.
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
 * @iommu_data: what the VFIO core knows it by; all groups have been detached
 *
 * Context: sleeps, but waits for no client. Who uses the container still keeps its memory.
 */
void tce_container_release(void *iommu_data)
{
	struct tce_container *container = tce_container_find(iommu_data);

	spin_lock(&tce_containers_lock);
	hlist_del_rcu(&container->node);
	spin_unlock(&tce_containers_lock);

	tce_space_lock(&container->space);
	tce_container_disable(container);
	/* for those who have found it, but don't have the lock yet */
	WRITE_ONCE(container->enabled, false);
	container->dead = true;
	tce_space_unlock(&container->space);

	tce_mem_close(&container->mem);
	/* the VFIO core lets go of the module after this, but others may be here still */
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
 * tce_container_bind() - make the caller's memory the container's
 * @container: the container
 *
 * Returns with &tce_space.lock held for writing, if it succeeds.
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
 * tce_container_lock_all() - tce_container_bind(), and tce_space_lock()
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
 * tce_container_owned() - may the caller give a container orders?
 * @container: the container
 *
 * A container maps one process's memory, and obeys that process only. Who asks with no
 * lock held may be told "yes" just before another process binds the container.
 *
 * Return: true if it is the owner, or if there is none yet.
 */
bool tce_container_owned(struct tce_container *container)
{
	/* litmus/bind.litmus */
	struct mm_struct *mm = smp_load_acquire(&container->mem.mm);

	return current->mm && (!mm || mm == current->mm);
}

/**
 * tce_container_pay() - charge for something, and do it
 * @container: the container
 * @act: does it, with the container locked by tce_container_lock_all(), and takes what it uses
 *	off @paid; if @paid is not enough, it changes nothing, and returns -EAGAIN and what it
 *	needs in @price
 * @arg: for @act
 *
 * To charge takes the owner's mmap_lock, which a client can hold for as long as it likes, so
 * that is done with no lock of ours held.
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
		rc = tce_account_charge(account, price - paid);
		if (rc)
			break;
		paid = price;
	}
	tce_account_uncharge(account, paid);
	tce_account_settle(account);
	return rc;
}

/**
 * tce_container_create_windows() - create a window
 * @container: the container, locked by tce_container_lock_all()
 * @create: struct vfio_iommu_spapr_tce_create; NULL for the default window, if that is pending
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
	int rc;

	if (!create && !container->enabled)
		return TCE_REFUSE(NOT_ENABLED, EPERM);
	rc = tce_space_price(space, create, price);
	if (rc)
		return rc;
	return *price > *paid ? -EAGAIN :
	       tce_space_create_window(space, create, paid);
}

/**
 * tce_container_lock() - lock what MAP and UNMAP use, as they want it
 * @container: the container, of which the caller has a reference
 *
 * It is enabled then, and has its default window, if that was pending. Undone by
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
 * tce_container_disable() - v1: take back what ENABLE has given
 * @container: the container, locked by tce_space_lock()
 *
 * What was charged is not needed any more, so all that it paid for goes.
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
