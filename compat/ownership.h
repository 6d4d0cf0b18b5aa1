/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking a group's window and bypass from the host, and giving them back.
 *
 * Since Linux 6.4 the VFIO core's claim does this. On older kernels the backend asks the platform,
 * after the claim, when no driver of the host is bound any more, and before the claim ends.
 */
#ifndef TCE_COMPAT_OWNERSHIP_H
#define TCE_COMPAT_OWNERSHIP_H

#include <asm/iommu.h>

#include "found.inc"

#ifdef TCE_HAS_BACKEND_OWNS

/**
 * tce_ownership_take() - take a group from the host
 * @table_group: the platform's side of the group
 *
 * If the host has no window, for lack of memory when it got the group back, there is nothing to
 * take, and PowerNV would warn. Undone by tce_ownership_give_back(). Context: process.
 *
 * Return: 0; -EPERM if the platform can't.
 */
static inline int tce_ownership_take(struct iommu_table_group *table_group)
{
	if (!table_group->ops->take_ownership ||
	    !table_group->ops->release_ownership)
		return -EPERM;
	if (table_group->tables[0])
		table_group->ops->take_ownership(table_group);
	return 0;
}

/**
 * tce_ownership_give_back() - give a group back to the host
 * @table_group: the platform's side of the group, which must have no window
 */
static inline void
tce_ownership_give_back(struct iommu_table_group *table_group)
{
	table_group->ops->release_ownership(table_group);
}

#else

static inline int tce_ownership_take(struct iommu_table_group *table_group)
{
	return 0;
}

static inline void
tce_ownership_give_back(struct iommu_table_group *table_group)
{
}

#endif

/* Called for pseries only, which takes a device wherever it has windows for user space */
static inline void tce_ownership_restore(struct iommu_table_group *table_group, struct device *dev)
{
#ifdef TCE_HAS_RELEASE_DEVICE
	table_group->ops->release_ownership(table_group, dev);
#endif
}

/* In place of the platform's take_ownership(), for a group that is taken already */
#if defined(TCE_HAS_BACKEND_OWNS)
static inline void tce_ownership_taken(struct iommu_table_group *table_group)
{
}
#elif defined(TCE_HAS_RELEASE_DEVICE)
static inline long tce_ownership_taken(struct iommu_table_group *table_group, struct device *dev)
{
	return 0;
}
#else
static inline long tce_ownership_taken(struct iommu_table_group *table_group)
{
	return 0;
}
#endif

#endif /* TCE_COMPAT_OWNERSHIP_H */
