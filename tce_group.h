/* SPDX-License-Identifier: GPL-2.0-only */
/* A group: an IOMMU group, which is a PE of the bridge, in the space of a container. */
#ifndef TCE_GROUP_H
#define TCE_GROUP_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <asm/iommu.h>

struct iommu_group;

/**
 * struct tce_group - a group in a space
 * @list: in &tce_space.groups
 * @refs: one of the space, and one of each EEH operation that includes the group
 * @left: it is no longer in the space
 * @group: the IOMMU group, with a reference
 * @table_group: the platform's side of the group; valid until the group has left
 * @ops: the operations that the platform uses while the group is taken
 * @platform: the platform's own operations
 */
struct tce_group {
	struct list_head list;
	refcount_t refs;
	bool left;
	struct iommu_group *group;
	struct iommu_table_group *table_group;
	struct iommu_table_group_ops ops;
	struct iommu_table_group_ops *platform;
};

struct tce_group *tce_group_create(struct iommu_group *group);
int tce_group_take(struct tce_group *grp);
void tce_group_give_back(struct tce_group *grp);
void tce_group_put(struct tce_group *grp);

#endif /* TCE_GROUP_H */
