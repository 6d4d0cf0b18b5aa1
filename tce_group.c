// SPDX-License-Identifier: GPL-2.0-only
/*
 * The groups of a container: taking a group from the host, and giving it back.
 *
 * When the VFIO core claims a group, before it attaches it, the platform removes the host's window
 * and bypass. It has three shortcomings, which are made up for here:
 *  - It removes neither if the host has no window, for lack of memory when it got the group back,
 *    although the bypass, which reaches all of the host's memory, may be on. So both windows are
 *    always cleared again. A dynamic window of the host on pseries can't be removed here, so the
 *    group is refused, and the platform resets all windows when it gets the group back.
 *  - When a function is added to a claimed group, it takes the ownership again, which removes
 *    window 0 of the client and, on PowerNV, clears window 1 in the bridge. So while this module
 *    has the ownership, the platform uses a copy of its operations, whose take_ownership() does
 *    nothing.
 *  - On pseries it takes the default window from the host in the device tree only. So the entries
 *    that the host's driver has left in the hypervisor's table are cleared.
 *
 * Locks: tce_container_lock_always(), or tce_container_lock() for tce_group_hide_tables(). The lock
 * of the IOMMU group is taken inside. EEH operations, which do not hold the container's lock, keep
 * the group from leaving by &tce_group.lock. The lock of tce_groups is innermost.
 *
 * The platform frees a PE with its last device, and expects the IOMMU group to go with it. So an
 * EEH operation, which may end after the group has left, keeps only the struct tce_group, which
 * then serves the next container that takes the group.
 *
 * Never fails: tce_group_give_back(), tce_group_hide_tables(), tce_group_put().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <asm/firmware.h>
#include <asm/hvcall.h>
#include <asm/pci-bridge.h>

#include "compat/ownership.h"
#include "compat/realmode.h"
#include "tce_group.h"
#include "tce_table.h"
#include "tce_trace.h"

/*
 * Up to Linux 6.3 pseries has no group operations, and up to 6.10 it borrows some whose tables have
 * no userspace view.
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

/* By number; one that was kept may be that of an earlier IOMMU group, which is gone */
static DEFINE_XARRAY(tce_groups);

/* Find the group if an EEH operation has kept it, else create it. Undone by tce_group_put(). */
static struct tce_group *group_get(int id)
{
	struct tce_group *grp;

	xa_lock(&tce_groups);
	grp = xa_load(&tce_groups, id);
	if (grp)
		refcount_inc(&grp->refs);
	xa_unlock(&tce_groups);
	if (grp)
		return grp;

	grp = kzalloc(sizeof(*grp), GFP_KERNEL);
	if (!grp)
		return NULL;
	grp->id = id;
	refcount_set(&grp->refs, 1);
	mutex_init(&grp->lock);
	if (!xa_insert(&tce_groups, id, grp, GFP_KERNEL))
		return grp;
	kfree(grp);
	return NULL;
}

/* A reference keeps the memory, but not the IOMMU group. */
void tce_group_put(struct tce_group *grp)
{
	xa_lock(&tce_groups);
	if (refcount_dec_and_test(&grp->refs))
		__xa_erase(&tce_groups, grp->id);
	else
		grp = NULL;
	xa_unlock(&tce_groups);
	kfree(grp);
}

static void group_free(struct tce_group *grp)
{
	iommu_group_put(grp->group);
	tce_group_put(grp);
}

static long clear_tces(unsigned long liobn, u64 ioba, u64 n)
{
	long rc = 0;

	if (firmware_has_feature(FW_FEATURE_STUFF_TCE))
		return plpar_hcall_norets(H_STUFF_TCE, liobn, ioba, 0UL, n);
	for (; n && !rc; n--, ioba += IOMMU_PAGE_SIZE_4K)
		rc = plpar_hcall_norets(H_PUT_TCE, liobn, ioba, 0UL);
	return rc;
}

/*
 * Clear the entries that the host's driver has left in the default window of pseries. The property
 * has the LIOBN first, and the start and size last. On H_PARAMETER there is no such window.
 */
static int clear_default_window(const struct device_node *dn)
{
	const __be32 *prop;
	u64 at, start, size, n;
	int len, rc;

	prop = of_get_property(dn, "ibm,dma-window", &len);
	if (!prop)
		prop = of_get_property(dn, "ibm,dma-window-saved", &len);
	if (!prop || !IS_ENABLED(CONFIG_PPC_PSERIES))
		return 0;
	len /= sizeof(*prop);
	if (len < 5)
		return -EIO;
	start = of_read_number(prop + len - 4, 2);
	size = of_read_number(prop + len - 2, 2);
	for (at = 0; at < size; at += n * IOMMU_PAGE_SIZE_4K) {
		n = min_t(u64, (size - at) >> IOMMU_PAGE_SHIFT_4K, TCE_CHUNK);
		rc = clear_tces(be32_to_cpu(*prop), start + at, n);
		if (rc)
			return rc == H_PARAMETER && !at ? 0 : -EIO;
		cond_resched();
	}
	return 0;
}

/*
 * unset_window() does not know the dynamic window of pseries, which the platform does not remove if
 * the group has no default window, so the group is refused.
 */
static int clear_host_windows(struct device *dev, void *table_group)
{
	struct device_node *dn = dev->of_node;

	while (dn && PCI_DN(dn) && PCI_DN(dn)->table_group != table_group)
		dn = dn->parent;
	if (!dn || !PCI_DN(dn))
		return 0;
	if (of_find_property(dn, "linux,direct64-ddr-window-info", NULL) ||
	    of_find_property(dn, "linux,dma64-ddr-window-info", NULL))
		return -EIO;
	return clear_default_window(dn);
}

/*
 * Take the client's table away from a device. Linux 7.0 and later maps directly below that limit,
 * in the host's window of pseries, which has gone. The host's driver gets both again.
 */
static int clear_table(struct device *dev, void *unused)
{
	set_iommu_table_base(dev, NULL);
	dev->bus_dma_limit = 0;
	return 0;
}

/*
 * pseries restores the host's default window for the first device that it is told of, and gives
 * that device alone the table. The core's own call, which follows, finds that done.
 */
static int restore_table(struct device *dev, void *data)
{
	struct iommu_table_group *table_group = data;

	if (!table_group->tables[0])
		tce_ownership_restore(table_group, dev);
	set_iommu_table_base(dev, table_group->tables[0]);
	return 0;
}

/* @reset is called for each device, also for one that was added with the old operations. */
static void group_use(struct tce_group *grp, struct iommu_table_group_ops *ops,
		      int (*reset)(struct device *, void *))
{
	/*
	 * pairs with the address dependency of a function that is being added, which sees their
	 * contents (litmus/publish.litmus)
	 */
	smp_store_release(&grp->table_group->ops, ops);
	iommu_group_for_each_dev(grp->group, grp->table_group, reset);
}

/* EEH operations that have not begun can't reach the group from now on. */
static void group_give_back(struct tce_group *grp)
{
	mutex_lock(&grp->lock);
	grp->container = 0;
	mutex_unlock(&grp->lock);
	group_use(grp, grp->platform,
		  firmware_has_feature(FW_FEATURE_LPAR) ? restore_table : clear_table);
	tce_ownership_give_back(grp->table_group);
}

/* Take a group from the host, so that its devices reach no memory. Undone by group_give_back(). */
static int group_take(struct tce_group *grp)
{
	struct iommu_table_group *table_group = grp->table_group;
	int i, rc = 0;

	if (tce_ownership_take(table_group))
		return TCE_REFUSE(-EPERM, "HOST_KEEPS_GROUP", 0);
	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES && !rc; i++) {
		/* Up to 6.13 pseries dereferences the table without checking for NULL. */
		if (table_group->max_levels <= 1 && !table_group->tables[i])
			continue;
		rc = table_group->ops->unset_window(table_group, i) ? -EIO : 0;
	}
	if (!rc)
		rc = iommu_group_for_each_dev(grp->group, table_group, clear_host_windows);
	grp->platform = table_group->ops;
	if (rc) {
		group_give_back(grp);
		return TCE_REFUSE(rc, "HOST_KEEPS_GROUP", 0);
	}
	grp->ops = *grp->platform;
	grp->ops.take_ownership = tce_ownership_taken;
	group_use(grp, &grp->ops, clear_table);
	return 0;
}

/*
 * Take the client's tables away from the host's DMA API. pseries gives it each table except for the
 * default window's. A late unmap by a host driver would clear an entry there, or use freed memory.
 */
void tce_group_hide_tables(struct tce_group *grp)
{
	iommu_group_for_each_dev(grp->group, NULL, clear_table);
}

struct tce_group *tce_group_first(struct tce_container *container)
{
	lockdep_assert_held(&container->lock);
	return list_first_entry_or_null(&container->groups, struct tce_group, list);
}

/* The first group stands for all, which are of the same kind. Returns NULL if there is none. */
struct iommu_table_group *tce_group_platform(struct tce_container *container)
{
	struct tce_group *grp = tce_group_first(container);

	return grp ? grp->table_group : NULL;
}

static int check_group(struct tce_container *container, struct iommu_group *group)
{
	const struct iommu_table_group *table_group = iommu_group_get_iommudata(group);
	bool v1 = container->mem.v1;
	struct tce_group *grp;

	if (!table_group)
		return TCE_REFUSE(-ENODEV);
	if (!has_windows(table_group)) {
		pr_err_ratelimited("group %d: this kernel gives no windows to user space here; for pseries, boot Linux 6.11, RHEL 9.6, SLES 15 SP7 or newer\n",
				   iommu_group_id(group));
		return TCE_REFUSE(-ENODEV, "NO_WINDOW_CALLS", 0);
	}
	if (!v1 && !table_group->max_dynamic_windows_supported)
		return TCE_REFUSE(-EINVAL);
	/* In v1 a client could not tell two groups' windows apart. */
	if (v1 && !list_empty(&container->groups))
		return TCE_REFUSE(-EBUSY, "SECOND_GROUP", 0);
	list_for_each_entry(grp, &container->groups, list) {
		if (grp->group == group)
			return TCE_REFUSE(-EBUSY);
		if (grp->table_group->ops->create_table != table_group->ops->create_table)
			return TCE_REFUSE(-EPERM);
	}
	if (tce_realmode_check(group))
		return TCE_REFUSE(-EPERM, "REAL_MODE", 0);
	return 0;
}

/**
 * tce_group_take() - take a group from the host, for a container
 * @container: the container
 * @group: the group, whose DMA ownership the VFIO core has claimed
 *
 * The group has no window and is not in the container yet. Undone by tce_group_give_back().
 *
 * Return: the group; -ENODEV if it has no TCE tables, or the kernel gives user space no windows
 * there; -EINVAL if it does not support dynamic windows (v2); -EBUSY if it is attached already, or
 * is a second one (v1); -EPERM if the others are of another kind, if KVM would call our operations
 * in real mode, or if the platform can't give the group up; -EIO if the bridge keeps a window or
 * bypass of the host; -ENOMEM. A failure changes nothing.
 */
struct tce_group *tce_group_take(struct tce_container *container, struct iommu_group *group)
{
	struct tce_group *grp;
	int rc;

	tce_container_assert_locked(container);
	rc = check_group(container, group);
	if (rc)
		return ERR_PTR(rc);
	grp = group_get(iommu_group_id(group));
	if (!grp)
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	grp->group = iommu_group_ref_get(group);
	grp->table_group = iommu_group_get_iommudata(group);
	grp->refused = 0;
	rc = group_take(grp);
	if (rc) {
		group_free(grp);
		return ERR_PTR(rc);
	}
	mutex_lock(&grp->lock);
	grp->container = container->id;
	mutex_unlock(&grp->lock);
	return grp;
}

/* Undo tce_group_take(), for a group that has no window and is not in a container. */
void tce_group_give_back(struct tce_group *grp)
{
	group_give_back(grp);
	group_free(grp);
}
