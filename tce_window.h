/* SPDX-License-Identifier: GPL-2.0-only */
/* The windows of a container. */
#ifndef TCE_WINDOW_H
#define TCE_WINDOW_H

#include <linux/types.h>
#include <linux/vfio.h>

#include "tce_container.h"
#include "tce_table.h"

struct tce_group;

/**
 * struct tce_window - a range of IOBAs that a table translates for the devices of all groups
 * @table: its table
 * @num: the platform's number of the window
 * @charged: CPU pages charged for the table
 * @leaked: a bridge refused to release it, and may use the table until the next boot
 */
struct tce_window {
	struct tce_table table;
	int num;
	unsigned long charged;
	bool leaked;
};

int tce_window_info(struct tce_container *container, struct vfio_iommu_spapr_tce_info *info);
long tce_window_create(struct tce_container *container,
		       struct vfio_iommu_spapr_tce_create *create);
long tce_window_remove(struct tce_container *container, u64 start);
int tce_windows_set(struct tce_container *container, struct tce_group *grp);
void tce_windows_unset(struct tce_container *container, struct tce_group *grp);

/* Tables that are never freed, because a bridge refused to release the window */
extern atomic_long_t tce_leaked_tables;

#endif /* TCE_WINDOW_H */
