/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table: TCEs, and what we remember of each.
 *
 * An IOBA is an address on the I/O bus, in bytes. An entry is the number of a TCE, IOBA >>
 * page shift. The platform counts so, too: the first entry of a table is it_offset, not 0.
 * A kill makes the bridge forget entries that it has cached.
 */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/dma-direction.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "tce_memory.h"
#include "tce_span.h"

struct tce_shown;

/* Entries that are exchanged in a row: two hypervisor calls each, on pseries */
#define TCE_EXCHANGE_MAX	512UL
/* Entries that one operation of the platform clears */
#define TCE_CLEAR_MAX		8192UL

/**
 * struct tce_table - a table of the platform's, as we use it
 * @tbl: the platform's table; we own one reference, as may groups and KVM
 * @ops: the platform's operations; those in @tbl are what KVM sees, see tce_kvm.c
 * @mem: the memory that is mapped
 * @cells: all cells, if they follow each other in memory; else NULL. Those of v1 are our
 *	own, those of v2 the table's view for user space (it_userspace)
 * @shown: what KVM can be shown
 * @run_min: entries in a row that are set or cleared by one operation
 * @walkable: the table's levels can be walked by tce_table_walk()
 * @shared: KVM may put memory there, since the process had KVM when the table was made. Of
 *	any other table each cell says what its entry holds; see tce_kvm.c
 * @stale: some entry still holds a page, since the platform refused to clear it; only
 *	those of v1 are let go after that
 * @spans: who is at work on which entries
 */
struct tce_table {
	struct iommu_table *tbl;
	struct iommu_table_ops *ops;
	struct tce_mem *mem;
	__be64 *cells;
	struct tce_shown *shown;
	unsigned int run_min;
	bool walkable;
	bool shared;
	bool stale;
	struct tce_spans spans;
};

int tce_table_init(struct tce_table *table);
int tce_table_alloc_cells(struct tce_table *table);
void tce_table_free_cells(struct tce_table *table);
__be64 *tce_table_walk(struct tce_table *table, unsigned long at,
		       unsigned long *hole);
__be64 *tce_table_useraddr(struct tce_table *table, unsigned long at,
			   bool alloc);
int tce_table_set(struct tce_table *table, unsigned long entry,
		  unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir);
unsigned long tce_table_set_max(const struct tce_table *table,
				enum dma_data_direction dir);
bool tce_table_clear(struct tce_table *table, unsigned long entry,
		     unsigned long n);
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

/**
 * tce_table_end() - where a table ends
 * @table: the table
 *
 * Return: the entry behind its last one.
 */
static inline unsigned long tce_table_end(const struct tce_table *table)
{
	return table->tbl->it_offset + table->tbl->it_size;
}

#endif /* TCE_TABLE_H */
