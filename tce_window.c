// SPDX-License-Identifier: GPL-2.0-only
/*
 * The windows of a container: CREATE, REMOVE, and the default window, which is created when it is
 * first needed. A window's table is charged, and set in the bridge of each group. The platform says
 * which page sizes, levels and windows there are (struct iommu_table_group).
 *
 * Locks: tce_container_lock(), or tce_container_lock_always() for attach and detach. GET_INFO takes
 * &tce_container.lock for reading, and new_window() tce_create_lock.
 *
 * Never fails: tce_windows_unset(). The table of a window that a bridge refuses to release is never
 * freed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_group.h"
#include "tce_region.h"
#include "tce_trace.h"
#include "tce_window.h"

atomic_long_t tce_leaked_tables = ATOMIC_LONG_INIT(0);

static bool window_in(const struct tce_window *win, const struct tce_group *grp)
{
	return grp->table_group->tables[win->num] == win->table.tbl;
}

/* create_table() sometimes returns a firmware code by mistake, which becomes -EIO. */
static int table_errno(long rc)
{
	switch (rc) {
	case 0:
	case -EPERM:
	case -ENOMEM:
	case -ENODEV:
	case -EINVAL:
	case -ENOSPC:
		return rc;
	default:
		return -EIO;
	}
}

/*
 * On powernv set_window() and unset_window() return OPAL codes, some of which look like errnos. On
 * pseries, whose tables have no tce_kill(), they return errnos.
 */
static int bridge_errno(const struct iommu_table_ops *ops, long rc)
{
	return rc && ops->tce_kill ? -EIO : table_errno(rc);
}

/* The platform would log a warning if a level exceeded the largest allocation. */
static bool level_too_large(struct iommu_table_group *table_group, u32 shift,
			    u64 size, u32 levels)
{
	unsigned int bits;

	if (table_group->max_levels <= 1 || !levels)
		return false;
	bits = DIV_ROUND_UP(ilog2(size) - shift, levels);
	/* The platform refuses more address bits than a bridge has. */
	if (bits * levels + shift >= 55)
		return false;
	return bits + ilog2(sizeof(u64)) > PAGE_SHIFT + MAX_PAGE_ORDER;
}

/* Returns the CPU pages of the table, or an errno if there can't be such a window. */
static long table_pages(struct iommu_table_group *table_group, u32 shift, u64 size, u32 levels)
{
	unsigned long bytes;

	if (shift >= BITS_PER_LONG || !(table_group->pgsizes & BIT(shift)))
		return TCE_REFUSE(-EINVAL, "", shift);
	if (!is_power_of_2(size) || size < BIT(shift))
		return TCE_REFUSE(-EINVAL);
	if (levels > max_t(u32, table_group->max_levels, 1))
		return TCE_REFUSE(-EINVAL, "", levels);
	bytes = table_group->ops->get_table_size(shift, size, levels);
	if (!bytes)
		return TCE_REFUSE(-EINVAL, "", levels);
	if (level_too_large(table_group, shift, size, levels))
		return TCE_REFUSE(-ENOMEM, "LEVEL_TOO_LARGE", levels);
	return bytes >> PAGE_SHIFT;
}

/*
 * CPU pages that CREATE allocates for a table of @npages in all: the first level, and by
 * tce_table_init() those of the last entry, of the table and of the userspace entries.
 */
static unsigned long first_pages(u32 shift, u64 size, u32 levels, long npages)
{
	unsigned int bits;

	if (levels <= 1)
		return npages;
	bits = DIV_ROUND_UP(ilog2(size) - shift, levels);
	return 2 * levels * max(sizeof(u64) << bits >> PAGE_SHIFT, 1UL);
}

/* pseries recognizes its default window by page and size alone. */
static bool is_default(const struct iommu_table_group *table_group, u32 shift, u64 size)
{
	return shift == IOMMU_PAGE_SHIFT_4K && size <= table_group->tce32_size;
}

static bool has_default(const struct iommu_table_group *table_group, const struct tce_window *win)
{
	const struct iommu_table *tbl = win ? win->table.tbl : NULL;

	return tbl && is_default(table_group, tbl->it_page_shift,
				 (u64)tbl->it_size << tbl->it_page_shift);
}

/* pseries then says that it supports -1 windows. */
static bool only_default(const struct iommu_table_group *table_group)
{
	return table_group->max_dynamic_windows_supported > IOMMU_TABLE_GROUP_MAX_TABLES;
}

static unsigned int most_windows(const struct iommu_table_group *table_group)
{
	return only_default(table_group) ? 1 : table_group->max_dynamic_windows_supported;
}

/*
 * pseries has the default window and one other, which it keeps as a property of one name. It can't
 * bring the default window back while the other one exists.
 */
static int check_room_on_pseries(const struct iommu_table_group *table_group,
				 struct tce_window *const *windows, bool pending, u32 shift,
				 u64 size)
{
	if (windows[1])
		return -EPERM;
	if (pending || windows[0])
		return most_windows(table_group) > 1 &&
		       (pending || has_default(table_group, windows[0])) ? 0 : -ENOSPC;
	return only_default(table_group) && !is_default(table_group, shift, size) ? -ENOSPC : 0;
}

/*
 * Check that one more window fits, besides a @pending default window. If pseries is asked for one
 * that it can't give, it loses the table, or never creates a window for the device again.
 */
static int check_room(const struct iommu_table_group *table_group,
		      struct tce_window *const *windows, bool pending, u32 shift, u64 size)
{
	int rc = 0;

	if ((pending || windows[0]) && windows[1])
		rc = -ENOSPC;
	else if (table_group->max_levels <= 1)
		rc = check_room_on_pseries(table_group, windows, pending, shift, size);
	return TCE_REFUSE(rc, "TOO_MANY_WINDOWS", 0);
}

/*
 * Keep memory that is still counted as mapped from being freed, because devices may reach it. In v1
 * entries have pins of their own.
 */
static void window_leaks(struct tce_window *win)
{
	if (!win->table.mem->v1)
		WRITE_ONCE(win->table.mem->tmm->table_leaked, true);
}

/* Undo window_set(). A bridge that refuses may still use the table, which is then never freed. */
static int window_unset(struct tce_window *win, struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	struct tce_table *table = &win->table;
	int rc = bridge_errno(table->ops, table_group->ops->unset_window(table_group, win->num));

	if (!rc)
		return 0;
	iommu_tce_table_get(table->tbl);
	if (!win->leaked)
		atomic_long_inc(&tce_leaked_tables);
	win->leaked = true;
	window_leaks(win);
	pr_err_ratelimited("group %d: window %d can't be removed: %d; its table stays\n",
			   iommu_group_id(grp->group), win->num, rc);
	return TCE_REFUSE(rc);
}

static int window_set(struct tce_window *win, struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	int rc = bridge_errno(win->table.ops, table_group->ops->set_window(table_group, win->num,
									   win->table.tbl));

	/*
	 * powernv returns 0 even if it had no memory to link the table to the group, without which
	 * it can't invalidate entries.
	 */
	if (rc || window_in(win, grp))
		return TCE_REFUSE(rc);
	window_unset(win, grp);
	return TCE_REFUSE(-ENOMEM);
}

/*
 * Undo new_window(). The window is blocked for KVM, empty, and in no bridge except those that
 * refused to release it.
 */
static void free_window(struct tce_window *win)
{
	struct tce_table *table = &win->table;

	/* KVM may be looking the table up, without a reference yet (litmus/lookup.litmus). */
	tce_kvm_drain();
	tce_kvm_put(table);
	tce_uncharge_later(table->mem, win->charged);
	kfree(win);
}

/*
 * pseries may have less room than it says, or the hypervisor may refuse. pseries then loses the
 * table or creates no more, and logs each attempt, so it is not asked for as many entries or more
 * again until the group has left.
 */
static int ask_for_table(struct tce_window *win, struct tce_group *grp, u32 shift, u64 size,
			 u32 levels)
{
	struct iommu_table_group *table_group = grp->table_group;
	/* window 1 may have the shape of the default one */
	u64 entries = !win->num && is_default(table_group, shift, size) ? 0 : size >> shift;
	int rc;

	if (grp->refused && entries >= grp->refused_entries)
		return TCE_REFUSE(grp->refused);
	rc = table_errno(table_group->ops->create_table(table_group, win->num, shift, size,
							levels, &win->table.tbl));
	if (!rc) {
		tce_group_hide_tables(grp);
		return 0;
	}
	win->table.tbl = NULL;
	if (table_group->max_levels <= 1) {
		grp->refused = rc;
		/* -EINVAL: the largest free block has fewer entries */
		grp->refused_entries = rc == -EINVAL ? entries : 0;
	}
	return TCE_REFUSE(rc);
}

/**
 * struct budget - CPU pages that CREATE has charged and counted, and no window has got yet
 * @charged: by tce_charge(), for all levels of a table
 * @taken: by tce_tables_take(), for those that are allocated with it
 */
struct budget {
	unsigned long charged;
	unsigned long taken;
};

/* Adds the pages of a window to @budget. Return: 0; an errno if there can't be such a window */
static int budget_add(struct budget *budget, struct iommu_table_group *table_group, u32 shift,
		      u64 size, u32 levels)
{
	long npages = table_pages(table_group, shift, size, levels);

	if (npages < 0)
		return npages;
	budget->charged += npages;
	budget->taken += first_pages(shift, size, levels, npages);
	return 0;
}

/*
 * Create a window that is not set in any bridge yet. It gets its pages from @budget. Undone by
 * tce_kvm_block(), tce_table_unmap_all() and free_window().
 */
static struct tce_window *new_window(struct tce_memory *mem, struct tce_group *grp, int num,
				     u32 shift, u64 size, u32 levels, struct budget *budget)
{
	struct budget own = {};
	struct tce_table *table;
	struct tce_window *win;
	bool unhidden;
	int rc, hidden;

	rc = budget_add(&own, grp->table_group, shift, size, levels);
	if (rc)
		return ERR_PTR(rc);
	win = kzalloc(sizeof(*win), GFP_KERNEL);
	if (!win)
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	win->num = num;
	table = &win->table;
	table->mem = mem;
	rc = tce_kvm_prepare(table);
	if (rc)
		goto err_free;
	/* on PowerNV KVM can't find a table before it is hidden */
	unhidden = grp->table_group->max_levels <= 1;
	rc = unhidden ? down_read_killable(&tce_create_lock) : 0;
	if (rc)
		goto err_unprepare;
	rc = ask_for_table(win, grp, shift, size, levels);
	if (!rc) {
		win->charged = own.charged;
		budget->charged -= own.charged;
		table->npages = own.taken;
		budget->taken -= own.taken;
		rc = tce_table_init(table);
		hidden = tce_kvm_hide(table, window_in(win, grp));
		rc = rc ?: hidden;
		/*
		 * pseries sets a window when it creates the table. If the table could not be
		 * cleared, a device can reach memory that KVM has mapped there until it is unset.
		 */
		if (rc && window_in(win, grp))
			window_unset(win, grp);
	}
	if (unhidden)
		up_read(&tce_create_lock);
	if (!rc) {
		tce_kvm_allow(table);
		return win;
	}
	if (!table->tbl)
		goto err_unprepare;
	free_window(win);
	return ERR_PTR(rc);

err_unprepare:
	tce_kvm_unprepare(table->kvm_ops);
err_free:
	kfree(win);
	return ERR_PTR(rc);
}

/* The window is gone even if a bridge refuses and its errno is returned. */
static int drop_window(struct tce_container *container, int num)
{
	struct tce_window *win = container->windows[num];
	struct tce_group *grp;
	bool cleared;
	int rc = 0;

	container->windows[num] = NULL;
	if (!container->mem.v1)
		list_del(&win->table.in_mm);
	tce_kvm_block(&win->table);
	/*
	 * pseries does not remove its default window from the hypervisor, so entries that were not
	 * cleared stay valid.
	 */
	cleared = tce_table_unmap_all(&win->table);
	if (!cleared && !win->table.ops->tce_kill)
		window_leaks(win);
	list_for_each_entry(grp, &container->groups, list)
		if (window_in(win, grp))
			rc = window_unset(win, grp) ?: rc;
	/* what is mapped in a shared table is not counted */
	if (!cleared && win->table.shared && (win->leaked || !win->table.ops->tce_kill))
		win->table.mem->tmm->shared_leaked = true;
	trace_tce_window_remove(container->id, num, rc);
	free_window(win);
	return rc;
}

/*
 * Set all windows in the bridge of a group that joins, or none. The first group makes the default
 * window pending, if it has one. Return: 0; an errno of the bridge.
 */
int tce_windows_set(struct tce_container *container, struct tce_group *grp)
{
	int i, rc;

	for (i = 0; i < ARRAY_SIZE(container->windows); i++) {
		if (!container->windows[i])
			continue;
		rc = window_set(container->windows[i], grp);
		if (rc)
			goto err;
	}
	/* pseries reports a size of 4 GiB or more as 0, and then has no default window */
	if (list_empty(&container->groups) && !container->windows[0])
		container->default_pending = grp->table_group->tce32_size;
	return 0;

err:
	while (i--)
		if (container->windows[i])
			window_unset(container->windows[i], grp);
	return rc;
}

/* The windows are removed with the last group. */
void tce_windows_unset(struct tce_container *container, struct tce_group *grp)
{
	bool last = list_is_singular(&container->groups);
	int i;

	for (i = 0; i < ARRAY_SIZE(container->windows); i++) {
		if (!container->windows[i])
			continue;
		if (last)
			drop_window(container, i);
		else
			window_unset(container->windows[i], grp);
	}
}

static int add_window(struct tce_container *container, u32 shift, u64 size, u32 levels,
		      struct budget *budget, u64 *start)
{
	struct tce_group *grp = tce_group_first(container);
	/* check_room() has found room. */
	int num = container->windows[0] ? 1 : 0, rc;
	struct tce_window *win;

	win = new_window(&container->mem, grp, num, shift, size, levels, budget);
	rc = PTR_ERR_OR_ZERO(win);
	if (rc)
		goto out;
	container->windows[num] = win;
	if (!container->mem.v1)
		list_add(&win->table.in_mm, &container->mem.tmm->tables);
	*start = tce_table_start(&win->table);
	list_for_each_entry(grp, &container->groups, list) {
		rc = window_set(win, grp);
		if (rc) {
			drop_window(container, num);
			break;
		}
	}
out:
	trace_tce_window_create(container->id, num, rc ? 0 : *start, size, shift, levels, rc);
	return rc;
}

/* What tce_window_create() needs. Return: 0; its errnos */
static int budget_windows(struct tce_container *container,
			  const struct vfio_iommu_spapr_tce_create *create, struct budget *budget)
{
	struct iommu_table_group *table_group = tce_group_platform(container);
	bool pending = container->default_pending;
	int rc = 0;

	*budget = (struct budget){};
	if (container->closed)
		return TCE_REFUSE(-EINVAL);
	if (!create && !container->enabled)
		return TCE_REFUSE(-EPERM, "NOT_ENABLED", 0);
	if (!table_group)
		return TCE_REFUSE(create ? -ENXIO : -ENODEV);
	if (create)
		rc = budget_add(budget, table_group, create->page_shift, create->window_size,
				create->levels);
	if (!rc && pending)
		rc = budget_add(budget, table_group, IOMMU_PAGE_SHIFT_4K, table_group->tce32_size,
				1);
	if (!rc && create)
		rc = check_room(table_group, container->windows, pending, create->page_shift,
				create->window_size);
	return rc;
}

static int create_windows(struct tce_container *container,
			  struct vfio_iommu_spapr_tce_create *create, struct budget *budget)
{
	bool pending = container->default_pending;
	u64 start;
	int rc;

	tce_container_assert_locked(container);
	if (pending) {
		rc = add_window(container, IOMMU_PAGE_SHIFT_4K,
				tce_group_platform(container)->tce32_size, 1, budget, &start);
		if (rc)
			return rc;
		container->default_pending = false;
	}
	if (!create)
		return 0;
	rc = add_window(container, create->page_shift, create->window_size, create->levels, budget,
			&create->start_addr);
	if (!rc)
		container->default_pending = false;
	/*
	 * After one failure pseries (spapr_tce_create_table()) creates no more windows for a
	 * device, so the default window is kept there.
	 */
	if (rc && pending && container->windows[0]->table.ops->tce_kill) {
		drop_window(container, 0);
		container->default_pending = true;
	}
	return rc;
}

/**
 * tce_window_create() - CREATE: add a window
 * @container: the container
 * @create: the request, in which the first IOBA is returned; NULL for the default window alone, if
 *	it is pending
 *
 * A pending default window, which has 4K pages and covers the platform's 32-bit range, is created
 * first. Undone by tce_window_remove(). Context: no lock held, since charging takes the mmap_lock.
 *
 * Return: 0; as tce_container_lock(); without a group -ENXIO, or -ENODEV without @create; -EINVAL
 * if the platform does not support such a window; -ENOSPC if it has no more; -ENOMEM if out of
 * memory or over RLIMIT_MEMLOCK; -EPERM if the platform can't; -EIO; -EBUSY, see tce_kvm_hide().
 * A failure changes nothing, except that on pseries the default window may now exist.
 */
long tce_window_create(struct tce_container *container,
		       struct vfio_iommu_spapr_tce_create *create)
{
	struct tce_memory *mem = &container->mem;
	struct budget budget, now;
	bool again;
	int rc;

	do {
		rc = down_read_killable(&container->lock);
		if (rc)
			return rc;
		rc = budget_windows(container, create, &budget);
		up_read(&container->lock);
		rc = rc ?: tce_container_lock_charged(container, budget.charged);
		if (rc)
			return rc;
		/* there may be another group or window by now */
		rc = budget_windows(container, create, &now);
		again = !rc && now.charged != budget.charged;
		if (!rc && !again) {
			budget = now;
			rc = tce_tables_take(mem->tmm, budget.taken);
		}
		if (!rc && !again) {
			rc = create_windows(container, create, &budget);
			tce_tables_give(mem->tmm, budget.taken);
		}
		tce_uncharge_later(mem, budget.charged);
		tce_container_unlock(container);
	} while (again);
	return rc;
}

static int remove_window(struct tce_container *container, u64 start)
{
	struct iommu_table_group *table_group = tce_group_platform(container);
	int i;

	tce_container_assert_locked(container);
	if (!table_group)
		return TCE_REFUSE(-ENXIO);
	if (container->default_pending && start == table_group->tce32_start) {
		container->default_pending = false;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(container->windows); i++)
		if (container->windows[i] &&
		    tce_table_start(&container->windows[i]->table) == start)
			return drop_window(container, i);
	return TCE_REFUSE(-EINVAL);
}

/*
 * REMOVE the window that starts at IOBA @start, with its entries, or no longer create a pending
 * default window there. Return: 0; as tce_container_lock(); -ENXIO if no group is attached; -EINVAL
 * if no window starts there; another errno if a bridge refused, though the window is gone
 */
long tce_window_remove(struct tce_container *container, u64 start)
{
	int rc = tce_container_lock(container);

	if (rc)
		return rc;
	rc = remove_window(container, start);
	tce_container_unlock(container);
	return rc;
}

/* GET_INFO. Return: 0; -ENXIO if no group is attached */
int tce_window_info(struct tce_container *container, struct vfio_iommu_spapr_tce_info *info)
{
	struct iommu_table_group *table_group;

	down_read(&container->lock);
	table_group = tce_group_platform(container);
	if (table_group) {
		info->dma32_window_start = table_group->tce32_start;
		info->dma32_window_size = table_group->tce32_size;
	}
	if (table_group && !container->mem.v1) {
		info->flags = VFIO_IOMMU_SPAPR_INFO_DDW;
		info->ddw.pgsizes = table_group->pgsizes;
		info->ddw.max_dynamic_windows_supported = most_windows(table_group);
		info->ddw.levels = table_group->max_levels;
	}
	up_read(&container->lock);
	return table_group ? 0 : TCE_REFUSE(-ENXIO);
}
