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
#include "tce_v1.h"

struct tce_kvm_ops;
struct tce_region;

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

/* What the userspace entry says of an IOMMU page: never 0 */
static __always_inline u64 tce_val(bool v1, unsigned long ua, unsigned long hpa, bool write)
{
	if (likely(!v1))
		return ua | TCE_UA_VFIO;
	return tce_v1_val(hpa, write) | TCE_UA_VFIO;
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

static __always_inline void tce_pua_write(__be64 *pua, u64 val)
{
	OPTIMIZER_HIDE_VAR(val);
	/* KVM may read it at any time */
	data_race(*pua = cpu_to_be64(val));
}

/* Replace a userspace entry. Return: false if KVM was faster, and nothing has changed */
static __always_inline bool tce_pua_replace(__be64 *pua, __be64 from, __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)pua, old, (__force u64)to) == old;
}

/* How many of @max userspace entries in a row are empty, or in use? */
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
 * Is there the level that has an entry? set() does not check that it got the memory for one, but an
 * exchange does.
 */
static __always_inline bool tce_table_has_level(const struct tce_table *table, unsigned long entry)
{
	const struct iommu_table *tbl = table->tbl;
	unsigned long hole;

	return likely(!tbl->it_indirect_levels) ||
	       tce_table_walk(tbl, (__be64 *)tbl->it_base, entry - tbl->it_offset, &hole);
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

/**
 * tce_table_invalidate() - invalidate entries
 * @table: the table
 * @first: the first of them
 * @n: entries, at most TCE_CHUNK, which firmware may do one by one
 *
 * When it returns, the device can no longer reach what these entries mapped before, and its
 * pages may be put (litmus/unpin.litmus).
 */
static __always_inline void tce_table_invalidate(struct tce_table *table, unsigned long first,
						 unsigned long n)
{
	if (likely(table->ops->tce_kill))
		table->ops->tce_kill(table->tbl, first, n);
	tce_table_flush(table);
}

/* The first IOBA */
static inline u64 tce_table_start(const struct tce_table *table)
{
	return (u64)table->tbl->it_offset << table->tbl->it_page_shift;
}

/**
 * struct tce_entry - the content of an entry and its userspace entry
 * @hpa: the address
 * @dir: what the device may do; DMA_NONE for an empty entry
 * @val: the userspace entry; 0 for none
 */
struct tce_entry {
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 val;
};

/* The device may have written to what was taken out of a shared table, which is still counted. */
static inline void tce_entry_dirty(unsigned long hpa, enum dma_data_direction dir)
{
	if (tce_dir_writes(dir))
		SetPageDirty(pfn_to_page(PHYS_PFN(hpa)));
}

/**
 * tce_entry_swap() - exchange the content of an entry and its userspace entry
 * @table: the table, with &tce_table.lock held
 * @entry: the entry
 * @pua: its userspace entry
 * @new: the new content; returns the old one, which is to be put after the entry was invalidated
 *
 * In a shared table, the userspace entry may not belong to the value that the exchange takes out.
 * The entry is not invalidated. Context: may allocate a missing level of the table.
 *
 * Return: 0; -ENOMEM or -EIO if the platform refused, and nothing has changed.
 */
static __always_inline int tce_entry_swap(struct tce_table *table, unsigned long entry,
					  __be64 *pua, struct tce_entry *new)
{
	u64 val = new->val, old = tce_pua_read(pua);
	int rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);

	/* powernv returns -ENOMEM, and pseries the hypervisor's own codes */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	if (likely(!table->shared)) {
		tce_pua_write(pua, val);
		new->val = old;
		return 0;
	}
	tce_entry_dirty(new->hpa, new->dir);
	if (!val && new->dir == DMA_NONE && !(old & TCE_UA_VFIO)) {
		old = 0;
	} else if (!tce_pua_replace(pua, cpu_to_be64(old), cpu_to_be64(val))) {
		if (val)
			tce_pua_write(pua, val);
		if (!(old & TCE_UA_VFIO))
			old = 0;
	}
	new->val = old;
	return 0;
}

#endif /* TCE_TABLE_H */
