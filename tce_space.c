// SPDX-License-Identifier: GPL-2.0-only
/*
 * A space: the groups and windows of a container, and which window has an IOBA. The
 * kernel checks nothing for us. A table's operation that is given an entry outside its
 * table writes outside its table. So space_find() is the one door through which an IOBA
 * becomes an entry.
 *
 * A group that comes has been taken from the host (tce_group_take()), so that it has no
 * window, and gets those of the space. One that leaves has them taken out of its bridge,
 * and the last one takes them with it.
 *
 * Locks, in the order in which they are taken:
 *   &tce_space.lock		see there
 *   &tce_process.map_lock	MAP and UNMAP hold it for reading; see tce_space_lock()
 *   spans of a table		see tce_span.h
 *
 * Never fails: tce_space_detach(), tce_space_unmap_all().
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/realmode.h"
#include "tce_group.h"
#include "tce_map.h"
#include "tce_refusal.h"
#include "tce_space.h"
#include "tce_trace.h"
#include "tce_unmap.h"
#include "tce_window.h"

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

/* The same for MAP, where @ua has to be a multiple of the IOMMU page as well */
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
 * tce_space_check() - could a range be mapped?
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
 * tce_space_map() - let the devices reach user memory
 * @space: the space, with &tce_process.map_lock held
 * @ioba: first I/O address
 * @ua: where the memory is in the caller's address space
 * @size: bytes; 0 maps nothing
 * @dir: what the devices may do
 * @pins: v1: the pages of just this memory
 *
 * What was mapped there before is replaced. Undone by tce_space_unmap(). Context: the
 * owner of the memory; sleeps, but waits for no client.
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
 * When it returns the devices can't reach the memory any more. Context: sleeps; need not
 * be the owner of the memory.
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
 * tce_space_unmap_all() - unmap all of all windows
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
 * tce_space_unmap_memory() - v2: unmap some memory, wherever it is mapped
 * @space: the space, with &tce_process.map_lock held for writing
 * @ua: first byte
 * @size: bytes
 *
 * Context: sleeps; looks at each cell of the space.
 */
void tce_space_unmap_memory(struct tce_space *space, u64 ua, u64 size)
{
	int i;

	lockdep_assert_held_write(&space->mem->process->map_lock);
	for (i = 0; i < ARRAY_SIZE(space->windows); i++)
		if (space->windows[i])
			tce_unmap_memory(&space->windows[i]->table, ua, size);
}

static struct tce_group *first_group(struct tce_space *space)
{
	lockdep_assert_held(&space->lock);
	return list_first_entry_or_null(&space->groups, struct tce_group, list);
}

/**
 * tce_space_table_group() - the group that speaks for all
 * @space: the space, locked
 *
 * Return: the platform's side of the first group; NULL if there is none.
 */
struct iommu_table_group *tce_space_table_group(struct tce_space *space)
{
	struct tce_group *grp = first_group(space);

	return grp ? grp->table_group : NULL;
}

/* Take a window out of all bridges and free it. Return: 0 or the first errno */
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

/* The number of the next window; ARRAY_SIZE() if there can be none. */
static int space_next(const struct tce_space *space)
{
	int num = 0;

	while (num < ARRAY_SIZE(space->windows) && space->windows[num])
		num++;
	return num;
}

/* Add a window that tce_space_price() has nothing against, in all bridges. */
static int space_add(struct tce_space *space, u32 shift, u64 size, u32 levels,
		     u64 *start, unsigned long *paid)
{
	struct tce_group *grp = first_group(space);
	int num = space_next(space), rc;
	struct tce_window *win;

	win = tce_window_create(space->mem, grp, num, shift, size, levels);
	rc = PTR_ERR_OR_ZERO(win);
	if (rc)
		goto out;
	win->charged = tce_window_price(grp->table_group, shift, size, levels);
	*paid -= win->charged;
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
 * tce_space_price() - what are the tables of windows charged with?
 * @space: the space, locked by tce_space_lock(), the memory is bound
 * @create: the window that is wanted; NULL for the default window alone
 * @price: CPU pages are returned here; that of the default window included, if it is
 *	pending
 *
 * Return: 0; what tce_space_create_window() would refuse without trying: -ENXIO if no
 * group is attached, -EINVAL, -EPERM, -ENOSPC, -ENOMEM.
 */
int tce_space_price(struct tce_space *space,
		    const struct vfio_iommu_spapr_tce_create *create,
		    unsigned long *price)
{
	struct iommu_table_group *table_group = tce_space_table_group(space);
	int num = space_next(space);
	long npages;

	space_assert_locked(space);
	*price = 0;
	if (!table_group)
		return create ? TCE_REFUSE(NO_GROUP, ENXIO) :
				TCE_REFUSE(NO_GROUP, ENODEV);
	if (create) {
		npages = tce_window_price(table_group, create->page_shift,
					  create->window_size, create->levels);
		if (npages < 0)
			return npages;
		*price = npages;
	}
	if (space->default_pending) {
		npages = tce_window_price(table_group, IOMMU_PAGE_SHIFT_4K,
					  table_group->tce32_size, 1);
		if (npages < 0)
			return npages;
		*price += npages;
		num++;
	}
	return create && num >= ARRAY_SIZE(space->windows) ?
		TCE_REFUSE(TOO_MANY_WINDOWS, ENOSPC) : 0;
}

/**
 * tce_space_create_window() - add a window
 * @space: the space, locked by tce_space_lock(); a group is attached and the memory is
 *	bound
 * @create: what is wanted; the first IOBA, which the platform chooses, is returned there.
 *	NULL for the default window alone
 * @paid: CPU pages that were charged for tables, as tce_space_price() says; what is used
 *	is taken off
 *
 * A pending default window, which has 4K pages over the platform's 32-bit range, is created
 * first and takes the first place. Undone by tce_space_remove_window(). Context: process;
 * sleeps.
 *
 * Return: 0; -EINVAL if the platform has no such windows; -ENOSPC if it has no more;
 * -ENOMEM if out of memory; -EPERM if the platform can't; -EIO; -EBUSY, see tce_kvm_show(). On
 * any of them nothing has changed, but that on pseries the default window is there now.
 */
int tce_space_create_window(struct tce_space *space,
			    struct vfio_iommu_spapr_tce_create *create,
			    unsigned long *paid)
{
	bool pending = space->default_pending;
	u64 start;
	int rc;

	space_assert_locked(space);
	if (pending) {
		rc = space_add(space, IOMMU_PAGE_SHIFT_4K,
			       tce_space_table_group(space)->tce32_size, 1,
			       &start, paid);
		if (rc)
			return rc;
		space->default_pending = false;
	}
	if (!create)
		return 0;
	rc = space_add(space, create->page_shift, create->window_size,
		       create->levels, &create->start_addr, paid);
	/*
	 * pseries (spapr_tce_create_table()) makes no window any more for a device for
	 * which it once could not make one. It would not even make the default window
	 * again. So what is there is kept.
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
 * Unmaps what is mapped there. A default window that is pending is removed by not
 * creating it.
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
 * May a group join those that are there? If so, it is taken from the host. Return: 0;
 * -EINVAL; -EBUSY; -EPERM; -EIO
 */
static int space_take(struct tce_space *space, struct tce_group *new)
{
	struct iommu_table_group *table_group = new->table_group;
	struct tce_group *grp;

	if (space->mem->v2 && !table_group->max_dynamic_windows_supported)
		return TCE_REFUSE(NO_DYNAMIC_WINDOWS, EINVAL);
	/* v1 has no way to say which group's window is meant */
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
 * tce_space_attach() - take a group in
 * @space: the space, locked by tce_space_lock()
 * @group: the group, whose DMA ownership the VFIO core has claimed
 *
 * The windows of the space are put into the group's bridge. Undone by
 * tce_space_detach().
 *
 * Return: 0; -ENODEV if the group has no TCE tables; -EINVAL if it has no dynamic windows
 * (v2); -EBUSY if attached already, or a second one (v1); -EPERM if it is not of the kind
 * of the others, or if KVM would call operations of ours in real mode; -EIO if the bridge
 * does not let go of what the host had; -ENOMEM; an errno of the platform. On any of them
 * nothing has changed.
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
 * When it returns the group's devices reach none of the space's memory. The other groups
 * keep their mappings; with the last group the windows go.
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
	tce_group_give_back(grp);
	list_del(&grp->list);
	if (list_empty(&space->groups))
		space->default_pending = false;
	/* who is about to do something for the group sees it, or does it for us still */
	WRITE_ONCE(grp->left, true);
	trace_tce_detach(space->mem->container, iommu_group_id(group), 0);
	tce_group_put(grp);
}

/**
 * tce_space_init() - start an empty space
 * @space: zeroed
 * @mem: the memory that will be mapped in it
 *
 * Nothing is to be undone once all groups have been detached.
 */
void tce_space_init(struct tce_space *space, struct tce_mem *mem)
{
	init_rwsem(&space->lock);
	space->mem = mem;
	INIT_LIST_HEAD(&space->groups);
}
