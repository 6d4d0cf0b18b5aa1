/* SPDX-License-Identifier: GPL-2.0-only */
/* The groups of a container. */
#ifndef TCE_GROUP_H
#define TCE_GROUP_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include <asm/iommu.h>

#include "tce_container.h"

struct iommu_group;

/**
 * struct tce_group - an IOMMU group in a container, which is a PE of the bridge
 * @list: in &tce_container.groups
 * @id: its number
 * @refs: one of tce_group_take(), and of each EEH operation one by its client and one by @op_work
 * @lock: keeps the group from leaving
 * @container: the number of its container; 0 after it has left
 * @group: the IOMMU group, with a reference until it has left
 * @table_group: the platform's side of it; valid until it has left
 * @ops: the operations that the platform uses while this module has the ownership
 * @platform: the platform's own operations
 * @refused: pseries: the errno with which it has refused a table; 0 for none
 * @refused_entries: tables with at least as many entries are refused as well
 * @op_users: who uses the fields below, for one EEH operation: the client, and @op_work; see
 *	tce_eeh.c
 * @op_work: does the operation
 * @op_done: completed with @op_rc
 * @op: the operation
 * @op_container: the container for which it is done
 * @op_rc: its result
 */
struct tce_group {
	struct list_head list;
	int id;
	refcount_t refs;
	struct mutex lock;
	unsigned long container;
	struct iommu_group *group;
	struct iommu_table_group *table_group;
	struct iommu_table_group_ops ops;
	struct iommu_table_group_ops *platform;
	int refused;
	u64 refused_entries;
	atomic_t op_users;
	struct work_struct op_work;
	struct completion op_done;
	struct vfio_eeh_pe_op op;
	unsigned long op_container;
	long op_rc;
};

struct tce_group *tce_group_take(struct tce_container *container, struct iommu_group *group);
void tce_group_give_back(struct tce_group *grp);
struct tce_group *tce_group_first(struct tce_container *container);
struct iommu_table_group *tce_group_platform(struct tce_container *container);
void tce_group_hide_tables(struct tce_group *grp);
void tce_group_put(struct tce_group *grp);

#endif /* TCE_GROUP_H */
