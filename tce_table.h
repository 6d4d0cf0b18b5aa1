/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of TCEs, with a userspace entry for each of them.
 *
 * An IOBA is an address on the I/O bus in bytes, and an entry the number of a TCE, which is the
 * IOBA shifted right by the page shift. As in the platform's functions, a table begins with entry
 * it_offset.
 *
 * The userspace entry ("pua") tells which memory the entry maps; 0 is none. The platform allocates
 * these entries for KVM, which keeps userspace addresses there, in big endian. In a shared table
 * KVM changes TCEs, and writes the userspace entries some time later, so that only the TCEs tell
 * what is mapped (tce_kvm.c). In any other only this module changes either, so that they always
 * match.
 *
 * find_entries() in tce_map.c and, for KVM, tce_kvm.c check that entries are inside the table.
 */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/compiler.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include <asm/iommu.h>

#include "compat/older.h"
#include "compat/realmode.h"
#include "tce_mm.h"

struct tce_kvm_ops;
struct tce_region;
struct tce_v1_batch;

/*
 * Entries that MAP and UNMAP change with the table's lock held: enough to amortize an invalidation,
 * and few because others wait. pseries may need two hypervisor calls for each, and sets a run with
 * interrupts disabled.
 */
#define TCE_CHUNK		512UL

/*
 * MAP has written this userspace entry. The rest is the userspace address in v2, as in those of KVM
 * (none that has this bit can be registered), and tce_v1_val() of the hpa in v1.
 */
#define TCE_UA_VFIO		BIT_ULL(63)

/*
 * In a shared table a userspace entry that has been in use never becomes 0 again, because KVM may
 * be about to map there. This one is of no region.
 */
#define TCE_UA_USED		1ULL

/*
 * What KVM has cleared in a table in memory: without permissions, so that a bridge finds nothing,
 * but it may have cached what was there before. The address is a multiple of any shared IOMMU page.
 */
#define TCE_TOMBSTONE		PAGE_SIZE

/**
 * struct tce_search - how far UNREGISTER has searched a table
 * @from: where it has begun, counted from 0
 * @seen: number of entries it has looked at
 * @found: its first find, where the next search begins; &iommu_table.it_size for none
 */
struct tce_search {
	unsigned long from;
	unsigned long seen;
	unsigned long found;
};

/**
 * struct tce_table - one of the platform's tables as this module uses it
 * @tbl: the platform's table, with a reference; groups and KVM may have others
 * @ops: the platform's operations, in place of which KVM sees those in @tbl (tce_kvm.c)
 * @mem: the memory that is mapped
 * @in_mm: v2: in &tce_mm.tables
 * @search: of the last UNREGISTER
 * @kvm_ops: the operations that KVM may see
 * @npages: CPU pages that it takes, or will with the levels that exist as userspace entries only;
 *	counted by tce_tables_take()
 * @run_min: the shortest run that is worth one operation of the platform
 * @shared: KVM may map memory there; see tce_table_init()
 * @lock: held by MAP and UNMAP while they change and invalidate a chunk, but not by KVM
 */
struct tce_table {
	struct iommu_table *tbl;
	struct iommu_table_ops *ops;
	struct tce_memory *mem;
	struct list_head in_mm;
	struct tce_search search;
	struct tce_kvm_ops *kvm_ops;
	unsigned long npages;
	unsigned int run_min;
	bool shared;
	struct mutex lock;
};

/* tce_platform.c */
int tce_table_init(struct tce_table *table);
__be64 *tce_table_walk(const struct iommu_table *tbl, __be64 *node,
		       unsigned long at, unsigned int *missing);
__be64 *tce_table_add_levels(struct tce_table *table, unsigned long entry, unsigned int n);
int tce_table_set(struct tce_table *table, unsigned long entry, unsigned long n,
		  unsigned long hpa, enum dma_data_direction dir);
bool tce_table_may_set(const struct tce_table *table, enum dma_data_direction dir);
bool tce_table_clear(struct tce_table *table, unsigned long entry, unsigned long n);
bool tce_table_is_new(const struct tce_table *table);
void tce_table_wipe(struct tce_table *table);
int tce_table_get(const struct tce_table *table, unsigned long entry, u64 *tce);

/* tce_table.c */
int tce_table_map(struct tce_table *table, unsigned long first, unsigned long ua,
		  unsigned long n, enum dma_data_direction dir, struct tce_v1_batch *batch);
int tce_table_unmap(struct tce_table *table, unsigned long first, unsigned long n);
bool tce_table_unmap_all(struct tce_table *table);

/* tce_search.c */
extern const struct tce_tables tce_tables;

/* tce_kvm.c */
int tce_kvm_prepare(struct tce_table *table);
void tce_kvm_unprepare(struct tce_kvm_ops *kvm_ops);
int tce_kvm_hide(struct tce_table *table, bool in_group);
void tce_kvm_drain(void);
void tce_kvm_allow(struct tce_table *table);
void tce_kvm_block(struct tce_table *table);
void tce_kvm_put(struct tce_table *table);
bool tce_kvm_pause(struct tce_mm *tmm);
void tce_kvm_resume(struct tce_mm *tmm);

/* Number of tables with operations of this module, each of which keeps the module loaded */
extern atomic_long_t tce_kvm_tables;

static __always_inline bool tce_dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

/*
 * gcc needs ten instructions to swap the bytes of a volatile access, but otherwise one load. Hiding
 * the value ensures that it is read only once.
 */
static __always_inline u64 tce_pua_read(const __be64 *pua)
{
	/* KVM may change it at any time */
	u64 val = be64_to_cpu(data_race(*pua));

	OPTIMIZER_HIDE_VAR(val);
	return val;
}

static __always_inline void tce_pua_write(__be64 *pua, u64 val)
{
	OPTIMIZER_HIDE_VAR(val);
	/* KVM may read it at any time */
	data_race(*pua = cpu_to_be64(val));
}

/* Count userspace entries in a row that are empty or, without @empty, in use. */
static __always_inline unsigned long tce_pua_run(const __be64 *pua, unsigned long max,
						 bool empty)
{
	unsigned long n = 0;

	/* most of a large window is empty */
	while (empty && n + 4 <= max &&
	       !(READ_ONCE(pua[n]) | READ_ONCE(pua[n + 1]) |
		 READ_ONCE(pua[n + 2]) | READ_ONCE(pua[n + 3])))
		n += 4;
	while (n < max && !READ_ONCE(pua[n]) == empty)
		n++;
	return n;
}

/* Return: false if KVM was faster, and nothing has changed */
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
 * Return: the userspace entry; NULL if there is no memory for a level or, without @alloc, if one is
 * missing, so that none of these *@left entries is mapped.
 */
static __always_inline __be64 *tce_table_pua(struct tce_table *table, unsigned long entry,
					     bool alloc, unsigned long *left)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at = entry - tbl->it_offset, size;
	unsigned int missing;
	__be64 *pua;

	if (likely(!tbl->it_indirect_levels)) {
		*left = tbl->it_size - at;
		return tbl->it_userspace + at;
	}
	pua = tce_table_walk(tbl, tbl->it_userspace, at, &missing);
	if (!pua && alloc)
		pua = tce_table_add_levels(table, entry, missing);
	size = tbl->it_level_size;
	if (!pua)
		size = 1UL << (missing * ilog2(size));
	*left = size - (at & (size - 1));
	return pua;
}

/*
 * iommu_flush_tce(), inline. Later accesses must overtake neither the store to an entry nor the
 * store to the bridge that invalidates it (litmus/unpin.litmus). Hypervisor calls are complete when
 * they return, but do not order later stores.
 */
static __always_inline void tce_table_flush(struct tce_table *table)
{
	if (unlikely(table->ops->flush))
		iommu_flush_tce(table->tbl);
	else
		mb(); /* litmus/unpin.litmus */
}

/*
 * Invalidate at most TCE_CHUNK entries, which firmware may do one by one. Afterwards the device can
 * no longer reach the memory that they mapped before (litmus/unpin.litmus).
 */
static __always_inline void tce_table_invalidate(struct tce_table *table, unsigned long first,
						 unsigned long n)
{
	if (likely(table->ops->tce_kill))
		table->ops->tce_kill(table->tbl, first, n);
	tce_table_flush(table);
}

static inline u64 tce_table_start(const struct tce_table *table)
{
	return (u64)table->tbl->it_offset << table->tbl->it_page_shift;
}

#endif /* TCE_TABLE_H */
