// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a window: create a table, set the window in the bridge of each group,
 * withdraw it from them, free the table.
 *
 * Locks: the caller has locked the space for writing (tce_space_lock()).
 *
 * Never fails: tce_window_empty(), tce_window_free(). A bridge may
 * not let go of a window. Then the window's table is never freed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_group.h"
#include "tce_kvm.h"
#include "tce_refusal.h"
#include "tce_unmap.h"
#include "tce_window.h"

/* Tables that a bridge did not let go of */
static atomic_long_t tce_tables_kept = ATOMIC_LONG_INIT(0);

/**
 * tce_window_kept() - how many tables has a bridge not let go of?
 *
 * Return: that, since the module was loaded.
 */
long tce_window_kept(void)
{
	return atomic_long_read(&tce_tables_kept);
}

/*
 * The platform's functions that make and charge a table return errnos, and, by mistake,
 * what firmware said. Errnos of our ABI pass. All else is -EIO.
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
 * set_window() and unset_window() of powernv return what OPAL said, some of which look
 * like errnos; pseries, whose tables know no kill, has errnos.
 */
static int bridge_errno(const char *reason, const struct iommu_table_ops *ops,
			long rc)
{
	int errno = rc && ops->tce_kill ? -EIO : table_errno(rc);

	return errno ? tce_refuse(reason, errno, 0) : 0;
}

/* The pages behind a level of a table can't be had: the platform would log. */
static bool level_too_large(struct iommu_table_group *table_group, u32 shift,
			    u64 size, u32 levels)
{
	unsigned int bits;

	if (table_group->max_levels <= 1 || !levels)
		return false;
	bits = DIV_ROUND_UP(ilog2(size) - shift, levels);
	/* more address bits than any bridge has: the platform's to refuse */
	if (bits * levels + shift >= 55)
		return false;
	return bits + ilog2(sizeof(u64)) > PAGE_SHIFT + MAX_PAGE_ORDER;
}

/**
 * tce_window_price() - what a window's table is charged with, if there could be such a window
 * @table_group: the group that speaks for all
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 *
 * Return: CPU pages; -EINVAL; -ENOMEM.
 */
long tce_window_price(struct iommu_table_group *table_group, u32 shift,
		      u64 size, u32 levels)
{
	unsigned long bytes;

	if (shift >= BITS_PER_LONG || !(table_group->pgsizes & BIT(shift)))
		return TCE_REFUSE_VALUE(WINDOW_PAGE, EINVAL, shift);
	if (!is_power_of_2(size) || size < BIT(shift))
		return TCE_REFUSE(WINDOW_SIZE, EINVAL);
	if (levels > max_t(u32, table_group->max_levels, 1))
		return TCE_REFUSE_VALUE(WINDOW_LEVELS, EINVAL, levels);
	bytes = table_group->ops->get_table_size(shift, size, levels);
	if (!bytes)
		return TCE_REFUSE_VALUE(TABLE_SIZE, EINVAL, levels);
	/* on pseries a failed attempt is the device's last */
	if (table_group->max_levels <= 1 &&
	    bytes >> PAGE_SHIFT > totalram_pages())
		return TCE_REFUSE(TABLE_TOO_LARGE, ENOMEM);
	if (level_too_large(table_group, shift, size, levels))
		return TCE_REFUSE_VALUE(LEVEL_TOO_LARGE, ENOMEM, levels);
	return bytes >> PAGE_SHIFT;
}

/**
 * tce_window_in() - does a group have a window?
 * @win: the window
 * @grp: the group
 *
 * Return: true if it does.
 */
bool tce_window_in(const struct tce_window *win, const struct tce_group *grp)
{
	return grp->table_group->tables[win->num] == win->table.tbl;
}

/**
 * tce_window_unset() - undo tce_window_set()
 * @win: the window
 * @grp: the group
 *
 * A bridge that does not let go may go on to use the table, so that it is never freed.
 *
 * Return: 0; an errno if the bridge refused.
 */
int tce_window_unset(struct tce_window *win, struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	struct tce_table *table = &win->table;
	int rc = bridge_errno("UNSET_WINDOW", table->ops,
			      table_group->ops->unset_window(table_group,
							     win->num));

	if (!rc)
		return 0;
	iommu_tce_table_get(table->tbl);
	if (!win->stuck)
		atomic_long_inc(&tce_tables_kept);
	win->stuck = true;
	/* KVM finds no cell in a table of v1, and so counts nothing by it */
	if (table->mem->v2)
		tce_process_worsen(table->mem->process, TCE_PROCESS_STUCK);
	pr_err_ratelimited("group %d: window %d can't be removed: %d; its table stays\n",
			   iommu_group_id(grp->group), win->num, rc);
	return rc;
}

/**
 * tce_window_set() - put a window into a group's bridge
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
	int rc = bridge_errno("SET_WINDOW", win->table.ops,
			      table_group->ops->set_window(table_group,
							   win->num,
							   win->table.tbl));

	/*
	 * powernv programs the bridge and then says 0, even if it had no
	 * memory to note which groups to invalidate.
	 */
	if (rc || tce_window_in(win, grp))
		return rc;
	tce_window_unset(win, grp);
	return TCE_REFUSE(WINDOW_NOT_SET, ENOMEM);
}

/**
 * tce_window_empty() - a window is about to go: nothing is mapped in it any more
 * @win: the window
 *
 * For tce_window_unset(), and tce_window_free() in the end. Context: sleeps.
 */
void tce_window_empty(struct tce_window *win)
{
	tce_kvm_close(&win->table);
	tce_unmap_table(&win->table);
}

/**
 * tce_window_free() - undo tce_window_create()
 * @win: empty, and in no bridge but those that did not let go
 */
void tce_window_free(struct tce_window *win)
{
	struct tce_table *table = &win->table;

	/* else the device may still reach what is left */
	if (!win->stuck)
		tce_unmap_leftovers(table);
	tce_kvm_free(table);
	/*
	 * KVM may just be finding it in a group, with no reference yet. It is waited for,
	 * unless it is preempted (litmus/lookup.litmus).
	 */
	synchronize_rcu();
	/* with what KVM was shown of it (litmus/shown-free.litmus) */
	iommu_tce_table_put(table->tbl);
	tce_account_owe(&table->mem->account, win->charged);
	kfree(win);
}

/**
 * tce_window_create() - make a window, which is in no bridge yet
 * @mem: the memory that will be mapped
 * @grp: the group that speaks for all
 * @num: the platform's number of the window
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 *
 * Undone by tce_window_empty(), and then tce_window_free(). Context: sleeps.
 *
 * Return: the window; -EINVAL, -ENOSPC, -ENOMEM, -EPERM, -ENODEV, -EIO as the platform
 * says; -EBUSY, see tce_kvm_show().
 */
struct tce_window *tce_window_create(struct tce_mem *mem,
				     struct tce_group *grp, int num, u32 shift,
				     u64 size, u32 levels)
{
	struct iommu_table_group *table_group = grp->table_group;
	struct tce_table *table;
	struct tce_window *win;
	int rc;

	win = kzalloc(sizeof(*win), GFP_KERNEL);
	if (!win)
		return ERR_PTR(TCE_REFUSE(WINDOW_MEMORY, ENOMEM));
	win->num = num;
	table = &win->table;
	table->mem = mem;
	rc = tce_kvm_prepare(table);
	if (rc)
		goto err_free;
	rc = table_errno(table_group->ops->create_table(table_group, num, shift,
							size, levels,
							&table->tbl));
	rc = TCE_REFUSE_BY(CREATE_TABLE, rc);
	if (rc)
		goto err_unprepare;
	rc = tce_table_init(table);
	if (!rc)
		rc = tce_kvm_show(table, tce_window_in(win, grp));
	if (!rc)
		return win;

	tce_window_empty(win);
	/* pseries has put it there already */
	if (tce_window_in(win, grp))
		tce_window_unset(win, grp);
	tce_window_free(win);
	return ERR_PTR(rc);

err_unprepare:
	table->tbl = NULL;
	tce_kvm_free(table);
err_free:
	kfree(win);
	return ERR_PTR(rc);
}
