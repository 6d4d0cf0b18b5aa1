/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_WINDOW_H
#define TCE_WINDOW_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_table.h"

/* A group: an IOMMU group, which is a PE of the bridge, in the space of a container. */

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

/* A window: a range of IOBAs that a table translates for the devices of all groups. */

struct iommu_table_group;
struct tce_group;
struct tce_mem;

/**
 * struct tce_window - a window
 * @table: its table
 * @num: the platform's number of the window
 * @charged: CPU pages that were charged for the table
 * @stuck: a bridge refused to remove it, and may use the table until the next boot
 */
struct tce_window {
	struct tce_table table;
	int num;
	unsigned long charged;
	bool stuck;
};

long tce_window_price(struct iommu_table_group *table_group, u32 shift,
		      u64 size, u32 levels);
struct tce_window *tce_window_create(struct tce_mem *mem,
				     struct tce_group *grp, int num, u32 shift,
				     u64 size, u32 levels);
void tce_window_empty(struct tce_window *win);
void tce_window_free(struct tce_window *win);

int tce_window_set(struct tce_window *win, struct tce_group *grp);
int tce_window_unset(struct tce_window *win, struct tce_group *grp);
long tce_window_kept(void);
bool tce_window_in(const struct tce_window *win, const struct tce_group *grp);

#endif /* TCE_WINDOW_H */
