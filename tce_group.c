// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: what is kept of one while it is in a space, or while EEH is done for it.
 *
 * The VFIO core claims a group before it attaches it, and the platform takes the host's
 * window and bypass away then. Two of the platform's habits are in the way:
 *  - It takes nothing from a host that has no window, because it had no memory for one when
 *    it got the group back. But the bypass, by which the device reaches all memory of the
 *    host, is on all the same. So both windows are cleared once more, whatever is there. On
 *    pseries a dynamic window of the host has this part. There the group is refused, since
 *    the platform resets all windows when it gets a group back.
 *  - It takes the group again for each function that is added to it meanwhile, and clears
 *    the client's window 0, and on PowerNV the bits of window 1. So while a group is taken,
 *    the platform's operations are a copy, in which this does nothing.
 *
 * Locks: that of the space. The lock of the IOMMU group is taken in it, for which the core
 * has it while it calls take_ownership(). A group that has left its space says so in
 * &tce_group.left.
 *
 * Never fails: tce_group_give_back(), tce_group_put().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <asm/pci-bridge.h>

#include "compat/ownership.h"
#include "tce_group.h"
#include "tce_refusal.h"

/*
 * Can user space have windows, and the cells in them? pseries has no operations of a group
 * up to Linux 6.3, and borrows some without cells up to 6.10.
 */
static bool has_windows(const struct iommu_table_group *table_group)
{
	const struct iommu_table_group_ops *ops = table_group->ops;
	int i;

	if (!ops || !ops->get_table_size || !ops->create_table ||
	    !ops->set_window || !ops->unset_window)
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
		pr_err_ratelimited("group %d: this kernel gives no windows to user space here; for pseries, boot Linux 6.11, RHEL 9.6, SLES 15 SP7 or newer\n",
				   iommu_group_id(group));
		return ERR_PTR(TCE_REFUSE(NO_WINDOW_CALLS, ENODEV));
	}
	grp = kzalloc(sizeof(*grp), GFP_KERNEL);
	if (!grp)
		return ERR_PTR(TCE_REFUSE(GROUP_MEMORY, ENOMEM));
	refcount_set(&grp->refs, 1);
	grp->group = iommu_group_ref_get(group);
	grp->table_group = table_group;
	return grp;
}

/*
 * The host's own dynamic window, on pseries: unset_window() does not know of it, and the
 * platform leaves it to a group without a default window.
 */
static int has_host_window(struct device *dev, void *table_group)
{
	struct device_node *dn = dev->of_node;

	while (dn && PCI_DN(dn) && PCI_DN(dn)->table_group != table_group)
		dn = dn->parent;
	return dn && PCI_DN(dn) &&
	       (of_find_property(dn, "linux,direct64-ddr-window-info", NULL) ||
		of_find_property(dn, "linux,dma64-ddr-window-info", NULL));
}

static long taken_already(struct iommu_table_group *table_group, struct device *dev)
{
	return 0;
}

/* A function that is added to a claimed group has got the client's table from the platform. */
static int forget_table(struct device *dev, void *unused)
{
	set_iommu_table_base(dev, NULL);
	return 0;
}

static void group_use(struct tce_group *grp, struct iommu_table_group_ops *ops)
{
	WRITE_ONCE(grp->table_group->ops, ops);
	/* a function that is just added uses the others under the group's lock */
	iommu_group_for_each_dev(grp->group, NULL, forget_table);
}

/**
 * tce_group_take() - take a group from the host
 * @grp: the group, which the VFIO core has claimed
 *
 * Undone by tce_group_give_back(). Context: sleeps.
 *
 * Return: 0, and the group's devices reach nothing; -EPERM if the platform can't; -EIO if
 * the bridge does not let go of what the host had.
 */
int tce_group_take(struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	int i, rc;

	rc = TCE_REFUSE_BY(HOST_KEEPS_GROUP, tce_ownership_take(table_group));
	if (rc)
		return rc;
	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES && !rc; i++) {
		/* pseries, up to 6.13, looks into a table that is not there */
		if (table_group->max_levels <= 1 && !table_group->tables[i])
			continue;
		rc = table_group->ops->unset_window(table_group, i) ? -EIO : 0;
	}
	if (!rc && iommu_group_for_each_dev(grp->group, table_group, has_host_window))
		rc = -EIO;
	if (rc) {
		tce_ownership_give_back(table_group);
		return TCE_REFUSE_BY(HOST_KEEPS_GROUP, rc);
	}
	grp->platform = table_group->ops;
	grp->ops = *grp->platform;
	/* older kernels have fewer arguments for it, or do not call it */
	grp->ops.take_ownership = (void *)taken_already;
	group_use(grp, &grp->ops);
	return 0;
}

/**
 * tce_group_give_back() - undo tce_group_take()
 * @grp: the group, which has no window
 */
void tce_group_give_back(struct tce_group *grp)
{
	group_use(grp, grp->platform);
	tce_ownership_give_back(grp->table_group);
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
