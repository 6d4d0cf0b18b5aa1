/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of TCEs, with a cell for each of them.
 *
 * An IOBA is an address on the I/O bus in bytes, and an entry is the number of a TCE, which is
 * the IOBA shifted right by the page shift. As in the platform's functions, the first entry of
 * a table is it_offset rather than 0. To kill entries is to invalidate what the bridge has
 * cached of them.
 */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/dma-direction.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_memory.h"
#include "tce_span.h"

struct tce_shown;

/* Entries exchanged before the CPU is yielded: two hypervisor calls each */
#define TCE_EXCHANGE_MAX	512UL
/* Entries that are cleared by one operation of the platform */
#define TCE_CLEAR_MAX		8192UL

/**
 * struct tce_table - one of the platform's tables as this module uses it
 * @tbl: the platform's table; this is one reference to it, and groups and KVM may have others
 * @ops: the platform's operations, while KVM is shown those in @tbl; see tce_kvm.c
 * @mem: the memory that is mapped
 * @shown: what KVM can be shown
 * @run_min: how many entries in a row are worth setting or clearing by one operation
 * @shared: KVM may map memory there, because the process had KVM when the table was created
 * @spans: the ranges of entries that MAPs and UNMAPs are working on
 */
struct tce_table {
	struct iommu_table *tbl;
	struct iommu_table_ops *ops;
	struct tce_mem *mem;
	struct tce_shown *shown;
	unsigned int run_min;
	bool shared;
	struct tce_spans spans;
};

int tce_table_init(struct tce_table *table);
__be64 *tce_table_walk(struct tce_table *table, unsigned long at,
		       unsigned long *hole);
int tce_table_set(struct tce_table *table, unsigned long entry,
		  unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir);
unsigned long tce_table_set_max(const struct tce_table *table,
				enum dma_data_direction dir);
bool tce_table_clear(struct tce_table *table, unsigned long entry,
		     unsigned long n);
void tce_table_wipe(struct tce_table *table);
void tce_table_kill(struct tce_table *table, unsigned long first,
		    unsigned long n);

/**
 * tce_table_start() - where a table begins
 * @table: the table
 *
 * Return: its first IOBA.
 */
static inline u64 tce_table_start(const struct tce_table *table)
{
	return (u64)table->tbl->it_offset << table->tbl->it_page_shift;
}

#endif /* TCE_TABLE_H */
