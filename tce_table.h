/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of TCEs, with a userspace entry for each of them.
 *
 * An IOBA is an address on the I/O bus in bytes, and an entry is the number of a TCE, which is
 * the IOBA shifted right by the page shift. As in the platform's functions, the first entry of
 * a table is it_offset rather than 0.
 *
 * The userspace entry ("pua") says what memory the entry maps, or is 0. The platform allocates
 * these entries for KVM, which keeps userspace addresses there, in big endian. Unless a table is
 * shared with KVM, only this module changes its entries, so that a userspace entry always tells
 * what its TCE maps. In a shared table KVM changes TCEs and writes the userspace entries some
 * time later (tce_kvm.c).
 *
 * None of these functions checks that an entry is inside of the table. Only find_entries() in
 * tce_map.c turns an IOBA into an entry; what KVM turns into one, tce_kvm.c checks.
 */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/compiler.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page-flags.h>
#include <linux/pfn.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "compat/older.h"
#include "compat/realmode.h"
#include "tce_mm.h"

struct tce_kvm_ops;
struct tce_region;
struct tce_v1_batch;

/*
 * Entries that MAP and UNMAP change with the table's lock held: enough for one invalidation to cost
 * little, and few enough for others not to wait long. On pseries it may take two hypervisor calls
 * for each, and a run of them is set with interrupts disabled.
 */
#define TCE_CHUNK		512UL

/*
 * In a userspace entry that MAP has written. In v2 the rest is the userspace address, where KVM
 * keeps it as well, but no process can have registered one with this bit. In v1 it is what
 * tce_v1_val() makes of the hpa.
 */
#define TCE_UA_VFIO		BIT_ULL(63)

/**
 * struct tce_table - one of the platform's tables as this module uses it
 * @tbl: the platform's table; this is one reference to it, and groups and KVM may have others
 * @ops: the platform's operations, while KVM sees those in @tbl; see tce_kvm.c
 * @mem: the memory that is mapped
 * @in_mm: in &tce_mm.tables
 * @from: where UNREGISTER has begun to look, counted from 0
 * @seen: how many entries it has looked at
 * @found: where it has first found something, and the next one begins; else &iommu_table.it_size
 * @kvm_ops: what KVM may see
 * @run_min: how many entries in a row are worth setting or clearing by one operation
 * @shared: KVM may map memory there: v2, pages no larger than the CPU's, and a process that could
 *	have KVM when the table was created (tce_mm_allows_kvm())
 * @lock: held while entries are changed and invalidated, by MAP and UNMAP for a chunk at a time.
 *	KVM does not take it
 */
struct tce_table {
	struct iommu_table *tbl;
	struct iommu_table_ops *ops;
	struct tce_memory *mem;
	struct list_head in_mm;
	unsigned long from;
	unsigned long seen;
	unsigned long found;
	struct tce_kvm_ops *kvm_ops;
	unsigned int run_min;
	bool shared;
	struct mutex lock;
};

/* tce_platform.c */
int tce_table_init(struct tce_table *table);
__be64 *tce_table_walk(const struct iommu_table *tbl, __be64 *node,
		       unsigned long at, unsigned long *hole);
int tce_table_set(struct tce_table *table, unsigned long entry, unsigned long n,
		  unsigned long hpa, enum dma_data_direction dir);
bool tce_table_may_set(const struct tce_table *table, enum dma_data_direction dir);
bool tce_table_clear(struct tce_table *table, unsigned long entry, unsigned long n);
bool tce_table_is_new(const struct tce_table *table);
void tce_table_wipe(struct tce_table *table);

/* tce_table.c */
int tce_table_map(struct tce_table *table, unsigned long first, unsigned long ua,
		  unsigned long n, enum dma_data_direction dir, struct tce_v1_batch *batch);
int tce_table_unmap(struct tce_table *table, unsigned long first, unsigned long n);
bool tce_table_unmap_all(struct tce_table *table);
int tce_table_unmap_region(struct tce_memory *mem, const struct tce_region *region);

/* tce_kvm.c */
int tce_kvm_prepare(struct tce_table *table);
void tce_kvm_unprepare(struct tce_kvm_ops *kvm_ops);
int tce_kvm_hide(struct tce_table *table, bool in_group);
void tce_kvm_allow(struct tce_table *table);
void tce_kvm_block(struct tce_table *table);
void tce_kvm_settle(struct tce_table *table);

/* Tables that have operations of this module, each of which keeps the module loaded */
extern atomic_long_t tce_kvm_tables;

/* May the device write? */
static __always_inline bool tce_dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

/*
 * Read a userspace entry. gcc needs ten instructions to swap the bytes of a volatile access, but
 * only one if it can swap them in the load itself. Hiding the value ensures that it is read only
 * once.
 */
static __always_inline u64 tce_pua_read(const __be64 *pua)
{
	/* KVM may change it at any time */
	u64 val = be64_to_cpu(data_race(*pua));

	OPTIMIZER_HIDE_VAR(val);
	return val;
}

/* Replace a userspace entry. Return: false if KVM was faster, and nothing has changed */
static __always_inline bool tce_pua_replace(__be64 *pua, __be64 from, __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)pua, old, (__force u64)to) == old;
}

/**
 * tce_table_pua() - find the userspace entry of an entry
 * @table: the table
 * @entry: the entry
 * @alloc: add missing levels of the table
 * @left: returns how many userspace entries are contiguous from this one on
 *
 * Context: atomic; with @alloc, may allocate memory.
 *
 * Return: the userspace entry. With @alloc, NULL means that there is no memory for a level;
 * without, that a level is missing, so that nothing is mapped in these *@left entries.
 */
static __always_inline __be64 *tce_table_pua(struct tce_table *table, unsigned long entry,
					     bool alloc, unsigned long *left)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at = entry - tbl->it_offset;

	if (likely(!tbl->it_indirect_levels)) {
		*left = tbl->it_size - at;
		return tbl->it_userspace + at;
	}
	*left = tbl->it_level_size - (at & (tbl->it_level_size - 1));
	if (alloc)
		return table->ops->useraddrptr(tbl, entry, true);
	return tce_table_walk(tbl, tbl->it_userspace, at, left);
}

/*
 * Wait for the invalidations that were started: iommu_flush_tce(), inline. Writing an entry is a
 * store to memory, and invalidating it a store to the bridge, and what follows must not overtake
 * either (litmus/unpin.litmus). Hypervisor calls are complete when they return, but do not order
 * later stores.
 */
static __always_inline void tce_table_flush(struct tce_table *table)
{
	if (unlikely(table->ops->flush))
		iommu_flush_tce(table->tbl);
	else
		mb(); /* litmus/unpin.litmus */
}

/* The first IOBA */
static inline u64 tce_table_start(const struct tce_table *table)
{
	return (u64)table->tbl->it_offset << table->tbl->it_page_shift;
}

/* The device may have written to what was taken out of a shared table, which is still counted. */
static inline void tce_entry_dirty(unsigned long hpa, enum dma_data_direction dir)
{
	if (tce_dir_writes(dir))
		SetPageDirty(pfn_to_page(PHYS_PFN(hpa)));
}

#endif /* TCE_TABLE_H */
