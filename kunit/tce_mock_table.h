/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables, see tce_mock_table.c. */
#ifndef TCE_KUNIT_MOCK_TABLE_H
#define TCE_KUNIT_MOCK_TABLE_H

#include "tce_mock.h"

extern struct iommu_table_ops mock_table_ops;
extern struct iommu_table_ops mock_hcall_table_ops;

static inline struct tce_mock_table *to_mock(struct iommu_table *tbl)
{
	return container_of((__be64 *)tbl->it_base, struct tce_mock_table, tces[0]);
}

void tce_mock_visit(struct tce_mock *mock, struct tce_visit **where);
void mock_table_reach(struct tce_mock_table *mt, int n);
enum dma_data_direction tce_mock_entry(struct iommu_table *tbl,
				       unsigned long entry, unsigned long *hpa);
u64 tce_mock_pua(struct iommu_table *tbl, unsigned long entry);

#endif /* TCE_KUNIT_MOCK_TABLE_H */
