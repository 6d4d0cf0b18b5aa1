// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows: create a table, set the window in the bridge of each group, remove it from them, and
 * free the table. Which IOMMU pages, levels and windows there are is the platform's decision
 * (struct iommu_table_group). Which memory fits a large IOMMU page, REGISTER finds out
 * (&tce_region.page_shift).
 *
 * Locks: the caller has locked the container for writing (lock_all(), lock_for_core()).
 *
 * Never fails: tce_window_free(). If a bridge refuses to release a window, the table of the window
 * is never freed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_region.h"
#include "tce_trace.h"
#include "tce_window.h"

atomic_long_t tce_leaked_tables = ATOMIC_LONG_INIT(0);

/*
 * The platform's create_table() returns errnos, but sometimes a code of the firmware by mistake.
 * Errnos of our ABI are passed on, and anything else becomes -EIO.
 */
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
 * set_window() and unset_window() of powernv return codes of OPAL, some of which look like
 * errnos. Those of pseries, whose tables have no tce_kill(), return errnos.
 */
static int bridge_errno(const struct iommu_table_ops *ops, long rc)
{
	return rc && ops->tce_kill ? -EIO : table_errno(rc);
}

/* Is a level of the table larger than the largest allocation? The platform would log a warning. */
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

/**
 * tce_window_pages() - check whether a window could be created, and how large its table is
 * @table_group: the platform's side of a group of the container
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 *
 * Return: the CPU pages of its table; -EINVAL; -ENOMEM.
 */
long tce_window_pages(struct iommu_table_group *table_group, u32 shift,
		      u64 size, u32 levels)
{
	unsigned long bytes;

	if (shift >= BITS_PER_LONG || !(table_group->pgsizes & BIT(shift)))
		return TCE_REFUSE_VALUE(-EINVAL, shift);
	if (!is_power_of_2(size) || size < BIT(shift))
		return TCE_REFUSE(-EINVAL);
	if (levels > max_t(u32, table_group->max_levels, 1))
		return TCE_REFUSE_VALUE(-EINVAL, levels);
	bytes = table_group->ops->get_table_size(shift, size, levels);
	if (!bytes)
		return TCE_REFUSE_VALUE(-EINVAL, levels);
	/* Don't provoke a failure: pseries creates no more windows then. */
	if (table_group->max_levels <= 1 &&
	    bytes >> PAGE_SHIFT > totalram_pages())
		return TCE_REFUSE_WHY(TABLE_TOO_LARGE, -ENOMEM, 0);
	if (level_too_large(table_group, shift, size, levels))
		return TCE_REFUSE_WHY(LEVEL_TOO_LARGE, -ENOMEM, levels);
	return bytes >> PAGE_SHIFT;
}

/* Is this the default window of pseries, which knows it by its page and size alone? */
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

/* How many windows can there be? pseries says -1 if it has only the default window. */
unsigned int tce_window_most(const struct iommu_table_group *table_group)
{
	u32 most = table_group->max_dynamic_windows_supported;

	return most > IOMMU_TABLE_GROUP_MAX_TABLES ? 1 : most;
}

/**
 * tce_window_room() - check whether there is room for one more window
 * @table_group: the platform's side of a group of the container
 * @windows: what the container has
 * @pending: the default window is created before
 * @shift: log2 of the IOMMU page
 * @size: bytes
 *
 * What pseries can't give must not be asked for, since it loses the table, or never creates a
 * window for the device again. It has the default window and one of its own, which it keeps as a
 * property of one name. The default window can't come back while the other one is there.
 *
 * Return: 0; -ENOSPC; -EPERM if the default window would have to come back.
 */
int tce_window_room(const struct iommu_table_group *table_group,
		    struct tce_window *const *windows, bool pending, u32 shift, u64 size)
{
	bool default_here = pending || has_default(table_group, windows[0]);
	bool none = !windows[0] && !pending;

	if (!none && windows[1])
		return TCE_REFUSE_WHY(TOO_MANY_WINDOWS, -ENOSPC, 0);
	if (table_group->max_levels > 1)
		return 0;
	if (windows[1])
		return TCE_REFUSE_WHY(TOO_MANY_WINDOWS, -EPERM, 0);
	if (!none && (!default_here || tce_window_most(table_group) == 1))
		return TCE_REFUSE_WHY(TOO_MANY_WINDOWS, -ENOSPC, 0);
	/* -1: there are none but the default window */
	if (table_group->max_dynamic_windows_supported > IOMMU_TABLE_GROUP_MAX_TABLES &&
	    !is_default(table_group, shift, size))
		return TCE_REFUSE_WHY(TOO_MANY_WINDOWS, -ENOSPC, 0);
	return 0;
}

/*
 * A device may go on to use what is counted as mapped. The entries of v1 have pins of their own,
 * and KVM finds no userspace entries in its tables, and so nothing that it could count.
 */
void tce_window_leak(struct tce_window *win)
{
	if (!win->table.mem->v1)
		WRITE_ONCE(win->table.mem->tmm->table_leaked, true);
}

/**
 * tce_window_unset() - undo tce_window_set()
 * @win: the window
 * @grp: the group
 *
 * If the bridge refuses, it may continue to use the table, which is therefore never freed.
 *
 * Return: 0; an errno if the bridge refused.
 */
int tce_window_unset(struct tce_window *win, struct tce_group *grp)
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
	tce_window_leak(win);
	pr_err_ratelimited("group %d: window %d can't be removed: %d; its table stays\n",
			   iommu_group_id(grp->group), win->num, rc);
	return TCE_REFUSE(rc);
}

/**
 * tce_window_set() - set a window in a group's bridge
 * @win: the window
 * @grp: the group
 *
 * Undone by tce_window_unset().
 *
 * Return: 0; an errno of the platform.
 */
int tce_window_set(struct tce_window *win, struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	int rc = bridge_errno(win->table.ops, table_group->ops->set_window(table_group, win->num,
									   win->table.tbl));

	/*
	 * powernv programs the bridge and then returns 0, even if it had no memory to
	 * link the table to the group, which it would need for invalidations.
	 */
	if (rc || tce_window_in(win, grp))
		return TCE_REFUSE(rc);
	tce_window_unset(win, grp);
	return TCE_REFUSE(-ENOMEM);
}

/**
 * tce_window_free() - undo tce_window_create()
 * @win: blocked for KVM, empty, and in no bridge except those that refused to release it
 *
 * Context: sleeps; tce_uncharge() has to follow after the last lock was dropped.
 */
void tce_window_free(struct tce_window *win)
{
	struct tce_table *table = &win->table;

	/*
	 * KVM may be looking it up in a group, and not have taken its reference yet. This
	 * waits for KVM, unless KVM is preempted (litmus/lookup.litmus).
	 */
	synchronize_rcu();
	/* What KVM may have seen is freed with it (litmus/kvm-ops-free.litmus). */
	iommu_tce_table_put(table->tbl);
	tce_uncharge_later(table->mem, win->charged);
	kfree(win);
}

/*
 * Ask the platform for a table. pseries may have less room than it says, or refuse for a reason of
 * the hypervisor's. It loses a table then, or tries no more, and logs each attempt: so it is not
 * asked for the same or more again until the group has left.
 */
static int ask_for_table(struct tce_window *win, struct tce_group *grp, u32 shift, u64 size,
			 u32 levels)
{
	struct iommu_table_group *table_group = grp->table_group;
	u64 entries = is_default(table_group, shift, size) ? 0 : size >> shift;
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
		/* -EINVAL: the largest block that is free has fewer entries */
		grp->refused_entries = rc == -EINVAL ? entries : 0;
	}
	return TCE_REFUSE(rc);
}

/**
 * tce_window_create() - create a window, which is not set in any bridge yet
 * @mem: the memory that will be mapped
 * @grp: a group of the container
 * @num: the platform's number of the window
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 *
 * Undone by tce_kvm_block(), tce_table_unmap_all() and tce_window_free(). Context: sleeps.
 *
 * Return: the window; -EINVAL, -ENOSPC, -ENOMEM, -EPERM, -ENODEV or -EIO if the platform
 * refuses; -EBUSY, see tce_kvm_hide(); -EINTR on SIGKILL.
 */
struct tce_window *tce_window_create(struct tce_memory *mem, struct tce_group *grp,
				     int num, u32 shift, u64 size, u32 levels)
{
	struct tce_table *table;
	struct tce_window *win;
	int rc, hidden;

	win = kzalloc(sizeof(*win), GFP_KERNEL);
	if (!win)
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	win->num = num;
	table = &win->table;
	table->mem = mem;
	rc = tce_kvm_prepare(table);
	if (rc)
		goto err_free;
	rc = down_read_killable(&tce_create_lock);
	if (rc)
		goto err_unprepare;
	rc = ask_for_table(win, grp, shift, size, levels);
	if (!rc) {
		rc = tce_table_init(table);
		hidden = tce_kvm_hide(table, tce_window_in(win, grp));
		rc = rc ?: hidden;
		/*
		 * pseries sets the window when it creates the table. If the table could not be
		 * cleared, a device can reach what KVM has mapped there until this is undone.
		 */
		if (rc && tce_window_in(win, grp))
			tce_window_unset(win, grp);
	}
	up_read(&tce_create_lock);
	if (!rc) {
		tce_kvm_allow(table);
		return win;
	}
	if (!table->tbl)
		goto err_unprepare;
	tce_window_free(win);
	return ERR_PTR(rc);

err_unprepare:
	tce_kvm_unprepare(table->kvm_ops);
err_free:
	kfree(win);
	return ERR_PTR(rc);
}
