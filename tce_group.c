// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: what is kept of one while it is in a space, or while EEH is done for it.
 *
 * Locks: none. A group that has left its space says so in &tce_group.left.
 *
 * Never fails: tce_group_put().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/slab.h>

#include <asm/iommu.h>

#include "tce_group.h"
#include "tce_refusal.h"

/*
 * Can user space have windows, and the cells in them? pseries has no operations of a group
 * up to Linux 6.3, and borrows some without cells up to 6.10.
 */
static bool has_windows(const struct iommu_table_group *table_group)
{
	int i;

	if (!table_group->ops)
		return false;
	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++) {
		const struct iommu_table *tbl = table_group->tables[i];

		if (tbl && !tbl->it_ops->useraddrptr)
			return false;
	}
	return true;
}

/**
 * tce_group_create() - keep a group
 * @group: the group
 *
 * Undone by tce_group_put().
 *
 * Return: the group; -ENODEV if it has no TCE tables; -ENOMEM.
 */
struct tce_group *tce_group_create(struct iommu_group *group)
{
	struct iommu_table_group *table_group = iommu_group_get_iommudata(group);
	struct tce_group *grp;

	if (!table_group)
		return ERR_PTR(TCE_REFUSE(NO_TABLES, ENODEV));
	if (!has_windows(table_group)) {
		pr_err_ratelimited("group %d: this kernel gives no windows to user space here; for pseries, boot Linux 6.11 or newer\n",
				   iommu_group_id(group));
		return ERR_PTR(TCE_REFUSE(NO_WINDOW_CALLS, ENODEV));
	}
	grp = kzalloc(sizeof(*grp), GFP_KERNEL_ACCOUNT);
	if (!grp)
		return ERR_PTR(TCE_REFUSE(GROUP_MEMORY, ENOMEM));
	refcount_set(&grp->refs, 1);
	grp->group = iommu_group_ref_get(group);
	grp->table_group = table_group;
	return grp;
}

/**
 * tce_group_put() - let go of a group
 * @grp: the group
 *
 * Who does something for a group without &tce_space.lock has a reference of it, for which
 * nobody waits. It keeps the memory, not the group in its space.
 */
void tce_group_put(struct tce_group *grp)
{
	if (!refcount_dec_and_test(&grp->refs))
		return;
	iommu_group_put(grp->group);
	kfree(grp);
}
