/* SPDX-License-Identifier: GPL-2.0-only */
/* A window: a range of IOBAs that a table translates for the devices of all groups. */
#ifndef TCE_WINDOW_H
#define TCE_WINDOW_H

#include <linux/types.h>

#include "tce_table.h"

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
