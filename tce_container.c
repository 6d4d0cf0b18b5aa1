// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: how they are opened, found, bound to a process, locked and released; ENABLE and
 * REGISTER; and the way of MAP and UNMAP from an IOBA to an entry of a table. The platform's
 * operations do not check bounds, and would write outside of the table if they were given an entry
 * beyond its end. That is why find_entries() is the only place where an IOBA is turned into an
 * entry. Groups join and leave in tce_group.c, and windows come and go in tce_window.c.
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
 * no window any more; it marks the container as dead, and the last reference frees it. Until then
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
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "tce_container.h"
#include "tce_region.h"
#include "tce_trace.h"

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

/* Does the caller own this? A container that is not bound has NULL. Return: 0; -EPERM */
static int check_owner(const struct tce_mm *tmm)
{
	return tmm && tmm->mm == current->mm ? 0 : TCE_REFUSE_WHY(NOT_OWNER, -EPERM, 0);
}

/* The refusal of what needs ENABLE (v1) or REGISTER (v2) before. Return: -EPERM */
static int not_enabled(void)
{
	return TCE_REFUSE_WHY(NOT_ENABLED, -EPERM, 0);
}

/* The refusal of what an ioctl asks of a container that was released meanwhile. Return: -EINVAL */
static int container_gone(void)
{
	return TCE_REFUSE(-EINVAL);
}

/*
 * A MAP or UNMAP has found that the container is not enabled: it may have been released meanwhile.
 * Context: no lock held. Return: -EPERM; -EINVAL if it is gone; -EINTR
 */
int tce_container_disabled(struct tce_container *container)
{
	int rc = down_read_killable(&container->lock);

	if (rc)
		return rc;
	rc = container->dead ? container_gone() : not_enabled();
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
		return check_owner(mem->tmm);
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
		rc = container->dead ? container_gone() : bind_mm(container, tmm);
		if (rc)
			up_write(&container->lock);
	}
	if (tmm)
		tce_mm_put(tmm);
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

/*
 * Lock a container for MAP or UNMAP: it is enabled, and has its default window if that was
 * pending. Undone by unlock_for_map(). Return: 0; -EPERM; -EINVAL if the container is gone; -EINTR;
 * for the default window, an errno of tce_window_create()
 */
static int lock_for_map(struct tce_container *container)
{
	struct tce_mm *tmm = tce_memory_mm(&container->mem);
	int rc = check_owner(tmm);

	if (rc)
		return rc;
	for (;;) {
		rc = down_read_killable(&tmm->map_lock);
		if (rc)
			return rc;
		if (container->enabled && !container->default_pending)
			return 0;
		if (container->dead)
			rc = container_gone();
		else if (!container->enabled)
			rc = not_enabled();
		up_read(&tmm->map_lock);
		rc = rc ?: tce_window_create(container, NULL);
		if (rc)
			return rc;
	}
}

static void unlock_for_map(struct tce_container *container)
{
	up_read(&container->mem.tmm->map_lock);
}

/*
 * Turn a range of IOBAs into entries of a table.
 *
 * Return: 0; -ENXIO if @ioba is in no window; -EINVAL if the range is misaligned or
 * leaves the window.
 */
static __always_inline int find_entries(struct tce_container *container, u64 ioba, u64 size,
					struct tce_table **found, unsigned long *first,
					unsigned long *n)
{
	int i;

	lockdep_assert_held(&container->mem.tmm->map_lock);
	for (i = 0; i < ARRAY_SIZE(container->windows); i++) {
		struct iommu_table *tbl;
		unsigned int shift;
		unsigned long at;

		if (!container->windows[i])
			continue;
		*found = &container->windows[i]->table;
		tbl = (*found)->tbl;
		shift = tbl->it_page_shift;
		*first = ioba >> shift;
		at = *first - tbl->it_offset;
		if (*first < tbl->it_offset || at >= tbl->it_size)
			continue;
		if ((ioba | size) & ((1UL << shift) - 1))
			return TCE_REFUSE_WHY(IOBA_MISALIGNED, -EINVAL, 0);
		*n = size >> shift;
		return *n > tbl->it_size - at ? TCE_REFUSE(-EINVAL) : 0;
	}
	return TCE_REFUSE_WHY(NO_WINDOW_THERE, -ENXIO, 0);
}

/* The same for MAP, which also needs @ua to be a multiple of the IOMMU page */
static __always_inline int find_entries_for(struct tce_container *container, u64 ioba, u64 ua,
					    u64 size, struct tce_table **found,
					    unsigned long *first, unsigned long *n)
{
	int rc = find_entries(container, ioba, size, found, first, n);

	if (rc)
		return rc;
	return ua & ((1UL << (*found)->tbl->it_page_shift) - 1) ?
		TCE_REFUSE_WHY(UA_MISALIGNED, -EINVAL, 0) : 0;
}

/*
 * Check the arguments of a MAP of v1, before its pages are pinned. Return: as lock_for_map() or
 * find_entries_for(); -EFAULT if the range can't be user memory
 */
static int check_map(struct tce_container *container, u64 ioba, u64 ua, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries_for(container, ioba, ua, size, &table, &first, &n);
	if (!rc && n && !access_ok((void __user *)ua, size))
		rc = TCE_REFUSE(-EFAULT);
	unlock_for_map(container);
	return rc;
}

/* @batch: v1: the pages of exactly this memory */
static __always_inline int map_range(struct tce_container *container, u64 ioba, u64 ua, u64 size,
				     enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries_for(container, ioba, ua, size, &table, &first, &n);
	tce_gap(MAP, unlock_for_map(container), down_read(&container->mem.tmm->map_lock));
	rc = rc ?: tce_table_map(table, first, ua, n, dir, batch);
	unlock_for_map(container);
	return rc;
}

/* MAP of v1. The pages are pinned with no lock held. */
static noinline int map_v1(struct tce_container *container, u64 ioba, u64 ua, u64 size,
			   enum dma_data_direction dir)
{
	struct tce_v1_batch batch __uninitialized;
	int rc;

	/*
	 * For one entry, pinning is cheaper than checking the window twice, but only the owner may
	 * be charged.
	 */
	rc = size == SZ_4K ? check_owner(tce_memory_mm(&container->mem)) :
			     check_map(container, ioba, ua, size);
	if (rc || !size)
		return rc;
	rc = tce_v1_pin(&batch, &container->mem, ua, size, tce_dir_writes(dir));
	/* what is wrong with the window comes first, as for any size */
	if (rc)
		return check_map(container, ioba, ua, size) ?: rc;
	rc = map_range(container, ioba, ua, size, dir, &batch);
	tce_v1_unpin(&batch);
	return rc;
}

/**
 * tce_container_map() - MAP
 * @container: the container, not locked
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes; 0 maps nothing
 * @dir: what the devices may do
 *
 * Undone by tce_container_unmap(). Context: the owner of the memory; sleeps, ends early on SIGKILL.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving the window; as
 * lock_for_map(), tce_table_map(), or in v1 tce_v1_pin().
 */
int tce_container_map(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		      enum dma_data_direction dir)
{
	return container->mem.v1 ? map_v1(container, ioba, ua, size, dir) :
				   map_range(container, ioba, ua, size, dir, NULL);
}

/* UNMAP. Return: as lock_for_map(), find_entries() or tce_table_unmap() */
int tce_container_unmap(struct tce_container *container, u64 ioba, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries(container, ioba, size, &table, &first, &n) ?:
	     tce_table_unmap(table, first, n);
	unlock_for_map(container);
	return rc;
}

/* v1: Return: CPU pages that ENABLE has to charge; -EBUSY; -ENODEV; -EPERM */
static long check_enable(struct tce_container *container)
{
	struct iommu_table_group *table_group = tce_group_platform(container);

	if (container->enabled)
		return TCE_REFUSE(-EBUSY);
	if (!table_group)
		return TCE_REFUSE(-ENODEV);
	if (!table_group->tce32_size)
		return TCE_REFUSE(-EPERM);
	return table_group->tce32_size >> PAGE_SHIFT;
}

/* ENABLE, for tce_container_act_charged(). Return: -EAGAIN, or as tce_container_enable() */
static long enable(struct tce_container *container, struct tce_charge *charge, void *arg)
{
	long npages = check_enable(container);
	int rc;

	if (npages < 0)
		return npages;
	/* what DISABLE had left for a MAP in flight */
	tce_v1_disallow(&container->mem);
	rc = tce_charge_need(charge, npages);
	if (rc)
		return rc;
	tce_v1_allow(container->mem.v1, tce_charge_commit(charge, npages));
	WRITE_ONCE(container->enabled, true);
	return 0;
}

/**
 * tce_container_enable() - v1: ENABLE: charge the whole window in advance
 * @container: the container
 *
 * So no MAP of a well-behaved client fails for lack of RLIMIT_MEMLOCK in the middle of a guest's
 * life. Context: no lock held.
 *
 * Return: 0; -EBUSY if it is enabled; -ENODEV without a group; -EPERM if that has no 32-bit window;
 * -ENOMEM; as tce_container_lock().
 */
long tce_container_enable(struct tce_container *container)
{
	long rc;

	/* An ENABLE that is refused does not bind the container to its caller. */
	rc = down_read_killable(&container->lock);
	if (rc)
		return rc;
	rc = check_enable(container);
	up_read(&container->lock);
	return rc < 0 ? rc : tce_container_act_charged(container, enable, NULL);
}

/*
 * v1: DISABLE. Unmaps everything, because pages may only be pinned while they are charged. Return:
 * 0; as tce_container_lock()
 */
long tce_container_disable(struct tce_container *container)
{
	long rc;
	int i;

	/* what is not bound was never enabled */
	if (!tce_memory_mm(&container->mem))
		return 0;
	rc = tce_container_lock(container);
	if (rc)
		return rc;
	for (i = 0; i < ARRAY_SIZE(container->windows); i++)
		if (container->windows[i])
			tce_table_unmap_all(&container->windows[i]->table);
	WRITE_ONCE(container->enabled, false);
	tce_v1_disallow(&container->mem);
	tce_container_unlock(container);
	tce_uncharge(&container->mem);
	return 0;
}

/**
 * tce_container_register() - v2: REGISTER, which also allows MAP and UNMAP
 * @container: the container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Context: no lock held. Only other REGISTERs of the process wait while the pages are pinned.
 *
 * Return: as tce_container_lock() or tce_region_register().
 */
long tce_container_register(struct tce_container *container, u64 ua, u64 size)
{
	int rc = bind_and_lock(container);

	if (rc)
		return rc;
	up_write(&container->lock);

	rc = tce_region_register(&container->mem, ua, size);
	if (!rc && !READ_ONCE(container->enabled)) {
		/* It is registered, and there is no way back. */
		tce_container_lock_always(container);
		if (!container->dead)
			WRITE_ONCE(container->enabled, true);
		tce_container_unlock(container);
	}
	tce_uncharge(&container->mem);
	return rc;
}

/* v2: UNREGISTER. Return: as tce_region_unregister(); -EPERM if the caller is not the owner */
long tce_container_unregister(struct tce_container *container, u64 ua, u64 size)
{
	int rc = check_owner(tce_memory_mm(&container->mem));

	if (rc)
		return rc;
	rc = tce_region_unregister(&container->mem, ua, size, tce_table_unmap_region);
	tce_uncharge(&container->mem);
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
	container->dead = true;
	tce_container_unlock(container);

	if (mem->tmm && !mem->v1)
		tce_region_close(mem);
	/* The VFIO core is about to put the module, but ioctls may still be running its code. */
	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_closing);
	tce_container_put(container);
}
