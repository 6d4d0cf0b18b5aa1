// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/realmode.h"
#include "tce_container.h"
#include "tce_table.h"
#include "tce_trace.h"
#include "tce_window.h"

/*
 * The I/O address space of a container: its groups and windows, and the way from an IOBA to a
 * TCE. The platform's operations do not check bounds, and would write outside the table if they
 * were given an entry beyond its end. That is why space_find() is the only place where an IOBA
 * is turned into an entry.
 *
 * A group that is attached is taken from the host first (tce_group_take()), so that it has no
 * window of its own, and then gets those of the space. When a group is detached the windows are
 * removed from its bridge, and with the last group they are freed.
 *
 * Locks, in the order in which they are taken:
 *   &tce_space.lock		see struct tce_space
 *   &tce_process.map_lock	held by MAP and UNMAP for reading; see tce_space_lock()
 *   spans of a table		see tce_table.h
 *
 * Never fails: tce_space_detach(), tce_space_unmap_all().
 */

static void space_assert_locked(struct tce_space *space)
{
	lockdep_assert_held_write(&space->lock);
	if (space->mem->process)
		lockdep_assert_held_write(&space->mem->process->map_lock);
}

/*
 * Turn a range of IOBAs into entries of a table.
 *
 * Return: 0; -ENXIO if @ioba is in no window; -EINVAL if the range is misaligned or
 * leaves the window.
 */
static __always_inline int space_find(struct tce_space *space, u64 ioba,
				      u64 size, struct tce_table **found,
				      unsigned long *first, unsigned long *n)
{
	int i;

	lockdep_assert_held(&space->mem->process->map_lock);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		struct iommu_table *tbl;
		unsigned int shift;
		unsigned long at;

		if (!space->windows[i])
			continue;
		*found = &space->windows[i]->table;
		tbl = (*found)->tbl;
		shift = tbl->it_page_shift;
		*first = ioba >> shift;
		at = *first - tbl->it_offset;
		if (*first < tbl->it_offset || at >= tbl->it_size)
			continue;
		if ((ioba | size) & ((1UL << shift) - 1))
			return TCE_REFUSE(IOBA_MISALIGNED, EINVAL);
		*n = size >> shift;
		return *n > tbl->it_size - at ?
			TCE_REFUSE(BEYOND_WINDOW, EINVAL) : 0;
	}
	return TCE_REFUSE(NO_WINDOW_THERE, ENXIO);
}

/* The same for MAP, which also needs @ua to be a multiple of the IOMMU page */
static __always_inline int space_find_map(struct tce_space *space, u64 ioba,
					  u64 ua, u64 size,
					  struct tce_table **found,
					  unsigned long *first,
					  unsigned long *n)
{
	int rc = space_find(space, ioba, size, found, first, n);

	if (unlikely(rc))
		return rc;
	return ua & ((1UL << (*found)->tbl->it_page_shift) - 1) ?
		TCE_REFUSE(UA_MISALIGNED, EINVAL) : 0;
}

/**
 * tce_space_check() - check the arguments of a MAP of v1, before its pages are pinned
 * @space: the space, with &tce_process.map_lock held
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes
 *
 * Return: 0; -ENXIO or -EINVAL, as tce_space_map(); -EFAULT if the range can't be user
 * memory.
 */
int tce_space_check(struct tce_space *space, u64 ioba, u64 ua, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc;

	rc = space_find_map(space, ioba, ua, size, &table, &first, &n);
	if (rc || !n)
		return rc;
	return access_ok((void __user *)ua, size) ?
		0 : TCE_REFUSE(NOT_USER_MEMORY, EFAULT);
}

/**
 * tce_space_map() - map user memory for the devices
 * @space: the space, with &tce_process.map_lock held
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes; 0 maps nothing
 * @dir: what the devices may do
 * @pins: v1: the pages of exactly this memory
 *
 * Replaces what was mapped there before. Undone by tce_space_unmap(). Context: the owner of
 * the memory; sleeps, but does not wait for any client.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving the window;
 * or as tce_table_map().
 */
int tce_space_map(struct tce_space *space, u64 ioba, u64 ua, u64 size,
		  enum dma_data_direction dir, struct tce_pins *pins)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc;

	rc = space_find_map(space, ioba, ua, size, &table, &first, &n);
	if (unlikely(rc))
		return rc;
	return tce_table_map(table, first, ua, n, dir, pins);
}

/**
 * tce_space_unmap() - undo tce_space_map()
 * @space: the space, with &tce_process.map_lock held
 * @ioba: first I/O address
 * @size: bytes, of which not all need to be mapped; 0 unmaps nothing
 *
 * When it returns the devices can no longer reach the memory. Context: sleeps; any process.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving the window;
 * or as tce_table_unmap().
 */
int tce_space_unmap(struct tce_space *space, u64 ioba, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc;

	rc = space_find(space, ioba, size, &table, &first, &n);
	if (unlikely(rc))
		return rc;
	return tce_table_unmap(table, first, n);
}

/**
 * tce_space_unmap_all() - unmap everything in all windows
 * @space: the space, locked by tce_space_lock()
 */
void tce_space_unmap_all(struct tce_space *space)
{
	int i;

	space_assert_locked(space);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++)
		if (space->windows[i])
			tce_unmap_table(&space->windows[i]->table);
}

/**
 * tce_space_unmap_region() - v2: remove all mappings of a region
 * @space: the space, with &tce_process.map_lock held for writing
 * @region: the region
 *
 * Context: sleeps; may look at all windows from end to end.
 *
 * Return: 0; -EINTR on SIGKILL.
 */
int tce_space_unmap_region(struct tce_space *space, const struct tce_region *region)
{
	int i, rc = 0;

	lockdep_assert_held_write(&space->mem->process->map_lock);
	for (i = 0; !rc && i < ARRAY_SIZE(space->windows); i++)
		if (space->windows[i])
			rc = tce_unmap_region(&space->windows[i]->table, region);
	return rc;
}

static struct tce_group *first_group(struct tce_space *space)
{
	lockdep_assert_held(&space->lock);
	return list_first_entry_or_null(&space->groups, struct tce_group, list);
}

/**
 * tce_space_table_group() - the platform's side of the first group
 * @space: the space, locked
 *
 * All groups of a space are of the same kind, so that one of them can be asked for all.
 *
 * Return: the table group; NULL if there is no group.
 */
struct iommu_table_group *tce_space_table_group(struct tce_space *space)
{
	struct tce_group *grp = first_group(space);

	return grp ? grp->table_group : NULL;
}

/* Remove a window from all bridges, and free it. Return: 0 or the first errno */
static int space_drop(struct tce_space *space, int num)
{
	struct tce_window *win = space->windows[num];
	struct tce_group *grp;
	int rc = 0;

	space->windows[num] = NULL;
	tce_window_empty(win);
	list_for_each_entry(grp, &space->groups, list)
		if (tce_window_in(win, grp))
			rc = tce_window_unset(win, grp) ?: rc;
	trace_tce_window_remove(space->mem->container, num, rc);
	tce_window_free(win);
	return rc;
}

/* The number of the next window; ARRAY_SIZE() if there can be no more. */
static int space_next(const struct tce_space *space)
{
	int num = 0;

	while (num < ARRAY_SIZE(space->windows) && space->windows[num])
		num++;
	return num;
}

/* Add a window, for whose table @price CPU pages were charged, to all bridges. */
static int space_add(struct tce_space *space, u32 shift, u64 size, u32 levels,
		     unsigned long price, u64 *start, unsigned long *paid)
{
	struct tce_group *grp = first_group(space);
	int num = space_next(space), rc;
	struct tce_window *win;

	win = tce_window_create(space->mem, grp, num, shift, size, levels);
	rc = PTR_ERR_OR_ZERO(win);
	if (rc)
		goto out;
	win->charged = price;
	*paid -= price;
	space->windows[num] = win;
	*start = tce_table_start(&win->table);
	list_for_each_entry(grp, &space->groups, list) {
		rc = tce_window_set(win, grp);
		if (rc) {
			space_drop(space, num);
			break;
		}
	}
out:
	trace_tce_window_create(space->mem->container, num, rc ? 0 : *start,
				size, shift, levels, rc);
	return rc;
}

/**
 * tce_space_price() - check whether windows could be created, and what has to be charged
 * @space: the space, locked by tce_space_lock(); the memory is bound
 * @create: the window that is wanted; NULL for the default window alone
 * @price: returned here
 *
 * Return: 0; if no group is attached, -ENXIO, or -ENODEV without @create; -ENXIO if only the
 * default window is wanted, and the platform says that its size is 0; -EINVAL, -ENOSPC, -ENOMEM.
 */
int tce_space_price(struct tce_space *space,
		    const struct vfio_iommu_spapr_tce_create *create,
		    struct tce_price *price)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	int num = space_next(space);
	long npages;

	space_assert_locked(space);
	*price = (struct tce_price){};
	if (!table_group)
		return create ? TCE_REFUSE(NO_GROUP, ENXIO) :
				TCE_REFUSE(NO_GROUP, ENODEV);
	if (create) {
		npages = tce_window_price(table_group, create->page_shift,
					  create->window_size, create->levels);
		if (npages < 0)
			return npages;
		price->wanted = npages;
	}
	if (space->default_pending && !table_group->tce32_size) {
		if (!create)
			return TCE_REFUSE(NO_32BIT_WINDOW, ENXIO);
	} else if (space->default_pending) {
		npages = tce_window_price(table_group, IOMMU_PAGE_SHIFT_4K,
					  table_group->tce32_size, 1);
		if (npages < 0)
			return npages;
		price->pending = npages;
		num++;
	}
	return create && num >= ARRAY_SIZE(space->windows) ?
		TCE_REFUSE(TOO_MANY_WINDOWS, ENOSPC) : 0;
}

/**
 * tce_space_create_window() - add a window
 * @space: the space, locked by tce_space_lock() since tce_space_price() has succeeded
 * @create: what is wanted; the first IOBA, which the platform chooses, is returned there.
 *	NULL for the default window alone
 * @price: what tce_space_price() has returned
 * @paid: CPU pages that were charged for the tables; what is used is subtracted
 *
 * A pending default window, which has 4K pages and covers the platform's 32-bit range, is
 * created first, and so becomes the first window. If the size of that range is 0, as pseries
 * says of 4 GiB or more, there is no default window, and the one that is wanted is the first.
 * Undone by tce_space_remove_window(). Context: process; sleeps.
 *
 * Return: 0; -EINVAL if the platform does not support such a window; -ENOSPC if it has no more;
 * -ENOMEM if out of memory; -EPERM if the platform can't; -EIO; -EBUSY, see tce_kvm_hide(). If
 * it fails nothing has changed, except that on pseries the default window may now exist.
 */
int tce_space_create_window(struct tce_space *space,
			    struct vfio_iommu_spapr_tce_create *create,
			    const struct tce_price *price, unsigned long *paid)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	bool pending = space->default_pending && table_group->tce32_size;
	u64 start;
	int rc;

	space_assert_locked(space);
	if (pending) {
		rc = space_add(space, IOMMU_PAGE_SHIFT_4K,
			       table_group->tce32_size, 1, price->pending,
			       &start, paid);
		if (rc)
			return rc;
		space->default_pending = false;
	}
	if (!create)
		return 0;
	rc = space_add(space, create->page_shift, create->window_size,
		       create->levels, price->wanted, &create->start_addr, paid);
	if (!rc)
		space->default_pending = false;
	/*
	 * After one failure pseries (spapr_tce_create_table()) creates no more windows for
	 * a device, not even the default window again. So that one is kept there.
	 */
	if (rc && pending && space->windows[0]->table.ops->tce_kill) {
		space_drop(space, 0);
		space->default_pending = true;
	}
	return rc;
}

/**
 * tce_space_remove_window() - undo tce_space_create_window()
 * @space: the space, locked by tce_space_lock()
 * @start: the window's first IOBA
 *
 * Unmaps what is mapped there. A pending default window that would start there is not created
 * any more. Context: sleeps. Call tce_account_settle() after the unlock.
 *
 * Return: 0; -ENXIO if no group is attached; -EINVAL if no window starts there; another errno
 * if a bridge refused, though the window is gone.
 */
int tce_space_remove_window(struct tce_space *space, u64 start)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	struct tce_window *win;
	int i;

	space_assert_locked(space);
	if (!table_group)
		return TCE_REFUSE(NO_GROUP, ENXIO);
	if (space->default_pending && start == table_group->tce32_start) {
		space->default_pending = false;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		win = space->windows[i];
		if (win && tce_table_start(&win->table) == start)
			return space_drop(space, i);
	}
	return TCE_REFUSE(NO_SUCH_WINDOW, EINVAL);
}

/*
 * Take a group from the host if it fits the version of the ABI and the groups of the space.
 * Return: 0; -EINVAL; -EBUSY; -EPERM; -EIO
 */
static int space_take(struct tce_space *space, struct tce_group *new)
{
	struct iommu_table_group *table_group = new->table_group;
	struct tce_group *grp;

	if (space->mem->v2 && !table_group->max_dynamic_windows_supported)
		return TCE_REFUSE(NO_DYNAMIC_WINDOWS, EINVAL);
	/* In v1 a client could not say which group's window it means. */
	if (!space->mem->v2 && !list_empty(&space->groups))
		return TCE_REFUSE(SECOND_GROUP, EBUSY);
	list_for_each_entry(grp, &space->groups, list) {
		if (grp->group == new->group)
			return TCE_REFUSE(ATTACHED_ALREADY, EBUSY);
		if (grp->table_group->ops->create_table !=
		    table_group->ops->create_table)
			return TCE_REFUSE(OTHER_PLATFORM, EPERM);
	}
	if (tce_realmode_check(new->group))
		return TCE_REFUSE(REAL_MODE, EPERM);
	return tce_group_take(new);
}

/**
 * tce_space_attach() - add a group to a space
 * @space: the space, locked by tce_space_lock()
 * @group: the group, whose DMA ownership the VFIO core has claimed
 *
 * The group's bridge gets the windows of the space. Undone by tce_space_detach().
 *
 * Return: 0; -ENODEV if the group has no TCE tables; -EINVAL if it does not support dynamic
 * windows (v2); -EBUSY if it is attached already, or is a second one (v1); -EPERM if the others
 * are of another kind, or if KVM would call our operations in real mode; -EIO if the bridge
 * keeps what the host had; -ENOMEM; an errno of the platform. If it fails nothing has changed.
 */
int tce_space_attach(struct tce_space *space, struct iommu_group *group)
{
	struct tce_group *grp;
	int i, rc;

	space_assert_locked(space);
	grp = tce_group_create(group);
	if (IS_ERR(grp))
		return PTR_ERR(grp);
	rc = space_take(space, grp);
	if (rc)
		goto err_put;

	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		if (!space->windows[i])
			continue;
		rc = tce_window_set(space->windows[i], grp);
		if (rc)
			goto err_unset;
	}

	if (list_empty(&space->groups) && !space->windows[0])
		space->default_pending = true;
	list_add_tail(&grp->list, &space->groups);
	return 0;

err_unset:
	while (i--)
		if (space->windows[i])
			tce_window_unset(space->windows[i], grp);
	tce_group_give_back(grp);
err_put:
	tce_group_put(grp);
	return rc;
}

/**
 * tce_space_detach() - undo tce_space_attach()
 * @space: the space, locked by tce_space_lock()
 * @group: the group
 *
 * When it returns the group's devices can't reach any memory of the space, unless other groups
 * stay and the bridge refused to remove a window. Such a bridge misses all later invalidations,
 * because the platform unlinks the group from the table anyway. But the core has disabled the
 * group's devices, the host invalidates all that the bridge knows of them when it sets its own
 * window, and no other space gets the group until the bridge has removed that window.
 *
 * The other groups keep their mappings. When the last group leaves the windows are removed.
 * Context: sleeps. Call tce_account_settle() after the unlock.
 */
void tce_space_detach(struct tce_space *space, struct iommu_group *group)
{
	struct tce_group *grp;
	int i;

	space_assert_locked(space);
	list_for_each_entry(grp, &space->groups, list)
		if (grp->group == group)
			goto found;
	return;

found:
	for (i = 0; i < ARRAY_SIZE(space->windows); i++) {
		if (!space->windows[i])
			continue;
		if (list_is_singular(&space->groups))
			space_drop(space, i);
		else
			tce_window_unset(space->windows[i], grp);
	}
	list_del(&grp->list);
	/* EEH operations that have not begun skip the group before the host gets it. */
	WRITE_ONCE(grp->left, true);
	tce_group_give_back(grp);
	trace_tce_detach(space->mem->container, iommu_group_id(group), 0);
	tce_group_put(grp);
}

/**
 * tce_space_init() - initialize an empty space
 * @space: zeroed
 * @mem: the memory that will be mapped in it
 *
 * Nothing has to be undone after all groups have been detached.
 */
void tce_space_init(struct tce_space *space, struct tce_mem *mem)
{
	init_rwsem(&space->lock);
	space->mem = mem;
	INIT_LIST_HEAD(&space->groups);
}

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
 *   spans, and the locks of tce_v1.c and tce_mm.c
 * While one of the module's locks is held, except for the first, it does not access user space,
 * pin pages, take the mmap_lock or call EEH.
 *
 * Never fails: tce_container_release().
 */

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
