/* SPDX-License-Identifier: GPL-2.0-only */
/* The groups of a container. */
#ifndef TCE_GROUP_H
#define TCE_GROUP_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_container.h"

struct iommu_group;

/**
 * struct tce_group - an IOMMU group in a container, which is a PE of the bridge
 * @list: in &tce_container.groups
 * @refs: one of tce_group_take(), and one per EEH operation that includes the group
 * @lock: keeps the group from leaving
 * @left: it is no longer in the container
 * @group: the IOMMU group, with a reference until it has left
 * @table_group: the platform's side of it; valid until it has left
 * @ops: the operations that the platform uses while this module has the ownership
 * @platform: the platform's own operations
 * @refused: pseries: the errno with which it has refused a table; 0 for none
 * @refused_entries: tables with at least as many entries are refused as well
 */
struct tce_group {
	struct list_head list;
	refcount_t refs;
	struct mutex lock;
	bool left;
	struct iommu_group *group;
	struct iommu_table_group *table_group;
	struct iommu_table_group_ops ops;
	struct iommu_table_group_ops *platform;
	int refused;
	u64 refused_entries;
};

struct tce_group *tce_group_take(struct tce_container *container, struct iommu_group *group);
void tce_group_give_back(struct tce_group *grp);
struct tce_group *tce_group_first(struct tce_container *container);
struct iommu_table_group *tce_group_platform(struct tce_container *container);
void tce_group_hide_tables(struct tce_group *grp);
void tce_group_put(struct tce_group *grp);

#endif /* TCE_GROUP_H */
