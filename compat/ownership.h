/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who takes a group's TCE tables away from the host.
 *
 * Since Linux 6.4 the VFIO core claims the group's DMA ownership before it
 * calls us: the IOMMU core moves the group to its blocking domain and the
 * platform has then removed the host's window and bypass; releasing the
 * claim gives both back. Before that, attach and detach had to call the
 * platform's take_ownership() and release_ownership() themselves.
 */
#ifndef TCE_COMPAT_OWNERSHIP_H
#define TCE_COMPAT_OWNERSHIP_H

#include <asm/iommu.h>

/**
 * tce_take_ownership() - have the host stop to use a group's tables
 * @table_group: the group
 *
 * Undone by tce_release_ownership().
 *
 * Return: 0.
 */
static inline int tce_take_ownership(struct iommu_table_group *table_group)
{
	return 0;
}

/**
 * tce_release_ownership() - undo tce_take_ownership()
 * @table_group: the group
 */
static inline void tce_release_ownership(struct iommu_table_group *table_group)
{
}

#endif /* TCE_COMPAT_OWNERSHIP_H */
