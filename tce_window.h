/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A group: an IOMMU group, which is a PE of the bridge, in a container. A window: a range of IOBAs
 * that a table translates for the devices of all groups of a container.
 */
#ifndef TCE_WINDOW_H
#define TCE_WINDOW_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_table.h"

struct iommu_group;

/**
 * struct tce_group - a group in a container
 * @list: in &tce_container.groups
 * @refs: one of the container, and one of each EEH operation that includes the group
 * @lock: as long as it is held, the group does not leave
 * @left: it is no longer in the container
 * @group: the IOMMU group, with a reference until it has left
 * @table_group: the platform's side of the group; valid until the group has left
 * @ops: the operations that the platform uses while this module has the ownership
 * @platform: the platform's own operations
 * @refused: pseries: the errno with which the platform has refused a table; 0 for none
 * @refused_entries: tables of as many entries, and larger ones, are refused as well
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

struct tce_group *tce_group_create(struct iommu_group *group);
int tce_group_take_ownership(struct tce_group *grp);
void tce_group_release_ownership(struct tce_group *grp);
void tce_group_hide_tables(struct tce_group *grp);
void tce_group_free(struct tce_group *grp);
void tce_group_put(struct tce_group *grp);

/**
 * struct tce_window - a window
 * @table: its table
 * @num: the platform's number of the window
 * @charged: CPU pages that were charged for the table
 * @leaked: a bridge refused to release it, and may use the table until the next boot
 */
struct tce_window {
	struct tce_table table;
	int num;
	unsigned long charged;
	bool leaked;
};

long tce_window_pages(struct iommu_table_group *table_group, u32 shift, u64 size,
		      u32 levels);
unsigned int tce_window_most(const struct iommu_table_group *table_group);
int tce_window_room(const struct iommu_table_group *table_group,
		    struct tce_window *const *windows, bool pending, u32 shift, u64 size);
struct tce_window *tce_window_create(struct tce_memory *mem, struct tce_group *grp,
				     int num, u32 shift, u64 size, u32 levels);
void tce_window_free(struct tce_window *win);

int tce_window_set(struct tce_window *win, struct tce_group *grp);
int tce_window_unset(struct tce_window *win, struct tce_group *grp);
void tce_window_leak(struct tce_window *win);

/* Tables that are never freed, because a bridge refused to release their window */
extern atomic_long_t tce_leaked_tables;

/* Does a group have this window? */
static inline bool tce_window_in(const struct tce_window *win, const struct tce_group *grp)
{
	return grp->table_group->tables[win->num] == win->table.tbl;
}

#endif /* TCE_WINDOW_H */
