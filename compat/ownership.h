/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who takes a group's window and bypass away from the host, and gives them back.
 *
 * Since Linux 6.4 that is the VFIO core: when it claims a group's DMA ownership, the
 * platform is asked by its IOMMU operations. Before, the platform has none. The
 * backend asks it then: after the claim, so that no driver of the host is bound, and
 * before the core lets go of that.
 */
#ifndef TCE_COMPAT_OWNERSHIP_H
#define TCE_COMPAT_OWNERSHIP_H

#include <asm/iommu.h>

#include "found.inc"

#ifdef TCE_HAS_BACKEND_OWNS

/**
 * tce_ownership_take() - the host stops using a group
 * @table_group: the platform's side of the group
 *
 * A host that had no memory for its window, when it got the group back, has none. PowerNV
 * warns if such a group is taken.
 *
 * Undone by tce_ownership_give_back(). Context: process.
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
 * tce_ownership_give_back() - the host has its group again
 * @table_group: the platform's side of the group; it has no window
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

#endif /* TCE_COMPAT_OWNERSHIP_H */
