/* SPDX-License-Identifier: GPL-2.0-only */
/* Table groups and their bridges, see tce_mock_group.c. */
#ifndef TCE_KUNIT_MOCK_GROUP_H
#define TCE_KUNIT_MOCK_GROUP_H

#include "tce_mock.h"

/* First IOBA of a group's second window */
#define TCE_SECOND	BIT_ULL(59)

/* Of the host's default window, where the device tree shows one */
#define TCE_LIOBN	0x80000005UL

extern struct iommu_table_group_ops tce_mock_group_ops;

struct tce_mock_group *tce_mock_add_group(struct tce_mock *mock);
void tce_mock_show_group(struct tce_mock_group *grp, bool shown);
bool tce_mock_unplug(struct tce_mock_group *grp);
unsigned int tce_mock_forget_groups(struct tce_mock *mock);
unsigned int tce_mock_forget_bridges(struct tce_mock *mock);

#endif /* TCE_KUNIT_MOCK_GROUP_H */
