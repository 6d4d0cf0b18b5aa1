/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the platform share: a table, its entries, and the pages that they
 * reach. No other file includes this.
 */
#ifndef TCE_KUNIT_MOCK_TABLE_H
#define TCE_KUNIT_MOCK_TABLE_H

#include <linux/xarray.h>

#include "tce_mock.h"

#define TCE_TABLE_BITS	9

/**
 * struct tce_mock_table - what is behind a table
 * @list: in &tce_mock.tables
 * @mock: the platform
 * @tbl: the table
 * @price: what get_table_size() has said of it, in CPU pages
 * @bridges: how many bridges it is in
 * @kvm: KVM has a reference
 * @live: live entries (struct tce_mock_tce)
 * @buckets: hash of the same, by their number
 * @leaves: for which it_level_size entries a table of several levels has memory
 * @root: userspace entries, or the top level of a tree of them; see mock_useraddrptr()
 * @stale: changed and not yet killed (struct tce_mock_tce)
 * @killed: killed, or cleared as a run, which kills, and not yet flushed
 * @unflushed: the driver has set, cleared or killed entries since the last
 *	flush, where there is something to flush
 */
struct tce_mock_table {
	struct list_head list;
	struct tce_mock *mock;
	struct iommu_table *tbl;
	unsigned long price;
	unsigned int bridges;
	bool kvm;
	struct list_head live;
	struct hlist_head buckets[BIT(TCE_TABLE_BITS)];
	struct xarray leaves;
	__be64 *root;
	struct list_head stale;
	struct list_head killed;
	bool unflushed;
};

/**
 * struct tce_mock_tce - a live or stale entry
 * @list: in one of the lists of &struct tce_mock_table, or in &tce_mock.spare
 * @node: in &tce_mock_table.buckets, if live
 * @entry: its number
 * @hpa: what it reaches
 * @dir: how; DMA_NONE for one that was empty before
 */
struct tce_mock_tce {
	struct list_head list;
	struct hlist_node node;
	unsigned long entry;
	unsigned long hpa;
	enum dma_data_direction dir;
};

/**
 * struct tce_mock_page - a page that is pinned or reached
 * @node: in &tce_mock.pages, or in &tce_mock.spare_pages
 * @pfn: its number
 * @pins: pins that the driver owns
 * @refs: entries in bridges that reach it or may
 * @whole: it stands for all of its folio
 */
struct tce_mock_page {
	struct hlist_node node;
	unsigned long pfn;
	long pins;
	long refs;
	bool whole;
};

extern struct iommu_table_ops mock_table_ops;
extern struct iommu_table_ops mock_hcall_table_ops;

static inline struct tce_mock_table *to_mock(struct iommu_table *tbl)
{
	return (struct tce_mock_table *)tbl->it_base;
}

void mock_check_asked(struct tce_mock_table *mt, unsigned long entry,
		      unsigned long n, const char *what);

struct tce_mock_page *mock_page_find(struct tce_mock *mock, unsigned long pfn);
struct tce_mock_page *mock_page_count(struct tce_mock *mock, unsigned long pfn,
				      int pins, int refs);

void mock_entry_ref(struct tce_mock_table *mt, const struct tce_mock_tce *tce,
		    int n);
struct tce_mock_tce *mock_entry_new(struct tce_mock *mock, unsigned long hpa,
				    enum dma_data_direction dir);
void mock_entry_put(struct tce_mock *mock, struct tce_mock_tce *tce);
void mock_entry_drop(struct tce_mock_table *mt, struct tce_mock_tce *tce);
void mock_check_held(struct tce_mock_table *mt, unsigned long entry,
		     unsigned long hpa);
struct tce_mock_tce *mock_entry_find(struct tce_mock_table *mt,
				     unsigned long entry);
void mock_drop_stale(struct tce_mock_table *mt);
struct tce_mock_tce *mock_entry_swap(struct tce_mock_table *mt,
				     unsigned long entry,
				     struct tce_mock_tce *new);
void mock_entry_stale(struct tce_mock_table *mt, unsigned long entry,
		      struct tce_mock_tce *old);

#endif /* TCE_KUNIT_MOCK_TABLE_H */
