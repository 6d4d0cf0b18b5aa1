/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_TABLE_H
#define TCE_TABLE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/dma-direction.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/pfn.h>
#include <linux/preempt.h>
#include <linux/refcount.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <asm/iommu.h>

#include "compat/older.h"
#include "compat/realmode.h"
#include "tce_mm.h"
#include "tce_prereg.h"
#include "tce_v1.h"

/*
 * Spans: ranges of a table's entries that are locked.
 *
 * MAPs and UNMAPs whose ranges overlap take turns, and all others run side by side. A call
 * for one entry takes no span while there is none, but excludes all others for a moment.
 */

/* How many MAPs and UNMAPs of ranges can run in a table at the same time */
#define TCE_SPANS	16
/* In &tce_spans.used: there are no spans, but one entry is being exchanged */
#define TCE_SPAN_ONE	BIT(BITS_PER_LONG - 1)

/**
 * struct tce_spans - the spans of a table
 * @lock: guards @first, @last, and setting bits of @used other than TCE_SPAN_ONE
 * @used: the spans in use, or TCE_SPAN_ONE; cleared without the lock
 * @first: first entry of each span
 * @last: last entry of each span
 * @wait: for tasks that wait for a range, or for a span to become free
 */
struct tce_spans {
	spinlock_t lock;
	unsigned long used;
	unsigned long first[TCE_SPANS];
	unsigned long last[TCE_SPANS];
	wait_queue_head_t wait;
};

void tce_spans_init(struct tce_spans *spans);
int tce_span_lock(struct tce_spans *spans, unsigned long first,
		  unsigned long n);
void tce_span_unlock(struct tce_spans *spans, int span);

/**
 * tce_span_trylock_one() - lock a whole table for the exchange of one entry
 * @spans: the table's spans
 *
 * This is for exchanging one entry and writing its cell (litmus/span-one.litmus,
 * litmus/unmap-twice.litmus), without sleeping in between. Undone by tce_span_unlock_one().
 * Inline because it is a tenth of the cost of a MAP of one entry.
 *
 * Return: false if another call is working on the table; it does not wait.
 */
static __always_inline bool tce_span_trylock_one(struct tce_spans *spans)
{
	/* with PREEMPT_RT, the platform must not allocate with preemption disabled */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	preempt_disable();
	if (likely(!cmpxchg_acquire(&spans->used, 0, TCE_SPAN_ONE)))
		return true;
	preempt_enable();
	return false;
}

/**
 * tce_span_unlock_one() - undo tce_span_trylock_one()
 * @spans: the table's spans
 */
static __always_inline void tce_span_unlock_one(struct tce_spans *spans)
{
	/* no other CPU changes it meanwhile, or sleeps until it changes */
	smp_store_release(&spans->used, 0);
	preempt_enable();
}

/*
 * A table of TCEs, with a cell for each of them.
 *
 * An IOBA is an address on the I/O bus in bytes, and an entry is the number of a TCE, which is
 * the IOBA shifted right by the page shift. As in the platform's functions, the first entry of
 * a table is it_offset rather than 0. To kill entries is to invalidate what the bridge has
 * cached of them.
 */

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

/*
 * The memory of a container: whose it is, and what of it may be mapped. It is registered
 * before (v2), or pinned by the MAP itself (v1).
 */

/**
 * struct tce_mem - the user memory of one container
 * @mm: whose memory it is; set once, last of all, by tce_mem_bind(), and grabbed until
 *	tce_mem_destroy(). NULL before.
 * @users: references to this memory and the container around it: those of ioctls, and one of
 *	the container itself
 * @v2: pages are mapped out of registered regions, rather than pinned by the MAP
 * @account: what the owner is charged
 * @process: what it shares with the other containers of its process
 * @pinned: v1: what is pinned
 * @registered: v2: what is registered
 * @container: the container's number, for tracepoints
 */
struct tce_mem {
	struct mm_struct *mm;
	refcount_t users;
	bool v2;
	struct tce_account account;
	struct tce_process *process;
	struct tce_pinned pinned;
	struct tce_registered registered;
	unsigned long container;
};

void tce_mem_init(struct tce_mem *mem, bool v2);
struct tce_process *tce_mem_process(struct tce_mem *mem);
int tce_mem_bind(struct tce_mem *mem, struct tce_process *process);
void tce_mem_close(struct tce_mem *mem);
void tce_mem_owe_all(struct tce_mem *mem);
void tce_mem_destroy(struct tce_mem *mem);

int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write);
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, unsigned long ua,
		 unsigned long n, unsigned int shift, unsigned long *hpas);
int tce_mem_get_one(struct tce_mem *mem, struct tce_pins *pins,
		    unsigned long ua, unsigned int shift, bool write,
		    unsigned long *hpa);

/**
 * tce_mem_cookie() - what the cell of an entry says of its memory
 * @v2: &tce_mem.v2
 * @ua: where the owner sees the IOMMU page
 * @hpa: where it is
 * @write: the device may write
 *
 * Return: the cookie, never 0.
 */
static __always_inline u64 tce_mem_cookie(bool v2, unsigned long ua,
					  unsigned long hpa, bool write)
{
	if (v2)
		return ua | TCE_COOKIE_OURS;
	return tce_pin_cookie(pfn_to_page(PHYS_PFN(hpa)), write);
}

/*
 * Entries and their cells. These functions are inline because they are what the loops of MAP
 * and UNMAP consist of.
 *
 * Each entry has a cell, which holds a cookie (tce_mem_cookie()) for the memory that the entry
 * maps, or 0. The cells are the platform's view of the table for user space, where KVM keeps
 * its own addresses, and are big endian. Unless a table is shared with KVM, only this module
 * changes its entries and cells, so that a cell always says what its entry maps. In a shared
 * table KVM changes entries and writes the cells some time later (tce_kvm.c).
 *
 * None of these functions checks that an entry is inside the table. Only space_find() in
 * tce_container.c turns an IOBA into an entry.
 */

/**
 * tce_dir_writes() - may the device write?
 * @dir: what the device may do
 *
 * Return: true if it may.
 */
static __always_inline bool tce_dir_writes(enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE || dir == DMA_BIDIRECTIONAL;
}

/**
 * tce_cell_read() - read the cookie in a cell
 * @cell: the cell
 *
 * gcc needs ten instructions to swap the bytes of a volatile access, but only one if it can
 * swap them in the load itself. Hiding the value ensures that it is read only once.
 *
 * Return: the cookie, or 0.
 */
static __always_inline u64 tce_cell_read(const __be64 *cell)
{
	/* KVM may change a cell at any time */
	u64 cookie = be64_to_cpu(data_race(*cell));

	OPTIMIZER_HIDE_VAR(cookie);
	return cookie;
}

/**
 * tce_cell_write() - write a cookie to a cell
 * @cell: the cell
 * @cookie: the cookie, or 0
 */
static __always_inline void tce_cell_write(__be64 *cell, u64 cookie)
{
	OPTIMIZER_HIDE_VAR(cookie);
	/* KVM may read it at any time */
	data_race(*cell = cpu_to_be64(cookie));
}

/**
 * tce_cell_replace() - replace a cookie unless KVM has replaced it already
 * @cell: the cell
 * @from: the previous content
 * @to: the new content
 *
 * Return: false if KVM was faster, and nothing has changed.
 */
static __always_inline bool tce_cell_replace(__be64 *cell, __be64 from,
					     __be64 to)
{
	u64 old = (__force u64)from;

	return cmpxchg_relaxed((__force u64 *)cell, old,
			       (__force u64)to) == old;
}

/**
 * tce_cells_run() - how many cells in a row are empty, or in use?
 * @cell: the first cell
 * @max: cells to look at
 * @empty: count empty ones
 *
 * Return: their number, from the first one on.
 */
static __always_inline unsigned long tce_cells_run(const __be64 *cell,
						   unsigned long max,
						   bool empty)
{
	unsigned long n = 0;

	/* most of a large window is empty */
	while (empty && n + 4 <= max &&
	       !(READ_ONCE(cell[n]) | READ_ONCE(cell[n + 1]) |
		 READ_ONCE(cell[n + 2]) | READ_ONCE(cell[n + 3])))
		n += 4;
	while (n < max && !READ_ONCE(cell[n]) == empty)
		n++;
	return n;
}

/**
 * tce_table_cells() - find the cell of an entry
 * @table: the table
 * @entry: the entry
 * @alloc: add missing levels of the table
 * @left: returns how many cells are contiguous in memory from this one on
 *
 * Context: atomic; with @alloc, may allocate memory.
 *
 * Return: the cell. With @alloc, NULL means that there is no memory for a level; without,
 * that a level is missing, so that nothing is mapped in these *@left entries.
 */
static __always_inline __be64 *tce_table_cells(struct tce_table *table,
					       unsigned long entry, bool alloc,
					       unsigned long *left)
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
	return tce_table_walk(table, at, left);
}

/**
 * tce_table_flush() - wait for the invalidations that have been started
 * @table: the table
 *
 * This is iommu_flush_tce(), inline. Writing an entry is a store to memory, and invalidating
 * it a store to the bridge, and what follows must not overtake either (litmus/unpin.litmus).
 * Hypervisor calls are complete when they return, but do not order later stores.
 */
static __always_inline void tce_table_flush(struct tce_table *table)
{
	if (unlikely(table->ops->flush))
		iommu_flush_tce(table->tbl);
	else
		mb();
}

/**
 * tce_table_kill_one() - tce_table_kill() for one entry
 * @table: the table
 * @entry: the entry
 *
 * Context: atomic.
 */
static __always_inline void tce_table_kill_one(struct tce_table *table,
					       unsigned long entry)
{
	if (likely(table->ops->tce_kill))
		table->ops->tce_kill(table->tbl, entry, 1);
	tce_table_flush(table);
}

/**
 * struct tce_entry - the content of an entry and its cell
 * @hpa: the address
 * @dir: what the device may do; DMA_NONE for an empty entry
 * @cookie: the content of the cell; 0 for none
 */
struct tce_entry {
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 cookie;
};

/**
 * tce_entry_swap() - exchange the content of an entry and its cell
 * @table: the table
 * @entry: the entry, in a span of the caller's
 * @cell: its cell
 * @new: the new content; returns the old one, which is to be released by tce_holds_add()
 *	or tce_hold_put() after the entry has been invalidated
 * @shared: &tce_table.shared, a constant in the loop of MAP
 *
 * In a shared table, the cell may not belong to the value that the exchange takes out. When
 * an entry is cleared, a cell that KVM has written in the meantime is left alone because it
 * belongs to the next value, and so is the cell of a value that KVM has just taken out,
 * because KVM counts the value down by that cell. A mapping of KVM's is counted down once, by
 * whoever replaces its cell (litmus/kvm-map.litmus). What MAP has mapped and a vCPU has taken out,
 * because it looked at the cell before MAP marked it, stays counted (litmus/kvm-unmap.litmus).
 *
 * The entry is not invalidated. Context: may allocate a missing level of the table; see
 * tce_table_cells().
 *
 * Return: 0; -ENOMEM or -EIO if the platform refused, and nothing has changed.
 */
static __always_inline int tce_entry_swap(struct tce_table *table,
					  unsigned long entry, __be64 *cell,
					  struct tce_entry *new,
					  const bool shared)
{
	u64 cookie = new->cookie;
	__be64 old = 0;
	int rc;

	if (unlikely(shared))
		old = READ_ONCE(*cell);
	rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);
	/* powernv returns -ENOMEM, and pseries the hypervisor's own codes */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	if (likely(!shared)) {
		new->cookie = tce_cell_read(cell);
		tce_cell_write(cell, cookie);
		return 0;
	}
	if (!cookie && new->dir == DMA_NONE &&
	    !(old & cpu_to_be64(TCE_COOKIE_OURS))) {
		old = 0;
	} else if (!tce_cell_replace(cell, old, cpu_to_be64(cookie))) {
		if (cookie)
			tce_cell_write(cell, cookie);
		if (!(old & cpu_to_be64(TCE_COOKIE_OURS)))
			old = 0;
	}
	new->cookie = be64_to_cpu(old);
	return 0;
}

/*
 * Holds: what cleared entries held, until it may be released.
 *
 * An entry's page may be released only after the entry has been invalidated, because the device
 * can reach it until then. So whoever clears entries collects what they held, invalidates them,
 * and then calls tce_holds_release().
 */

struct tce_entry;
struct tce_region;

/**
 * struct tce_hold - what some cleared entries held
 * @what: v2: the region, with TCE_HOLD_KVMS if KVM mapped it; v1: the cookie
 * @n: entries
 */
struct tce_hold {
	unsigned long what;
	unsigned long n;
};

#define TCE_HOLDS	32

/**
 * struct tce_holds - holds on user memory that wait for an invalidation
 * @mem: whose memory
 * @shared: of a shared table
 * @region: v2: the region that was found last
 * @nr: how many have been collected
 * @holds: the first @nr of these are in use
 */
struct tce_holds {
	struct tce_mem *mem;
	bool shared;
	struct tce_region *region;
	unsigned int nr;
	struct tce_hold holds[TCE_HOLDS];
};

void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem, bool shared);
void tce_holds_add(struct tce_holds *holds, const struct tce_entry *old);
void tce_holds_release(struct tce_holds *holds);

void tce_hold_put(struct tce_mem *mem, const struct tce_entry *old, bool shared);
void tce_hold_put_cells(struct tce_mem *mem, __be64 *cells, unsigned long n);

/**
 * tce_holds_full() - is there no room for one more hold?
 * @holds: the holds
 *
 * To be asked before each entry is cleared.
 *
 * Return: true if the holds must be released before the next is added.
 */
static inline bool tce_holds_full(const struct tce_holds *holds)
{
	return holds->nr == TCE_HOLDS;
}

/* MAP: take hold of memory, write entries, and invalidate them. */

struct tce_pins;
struct tce_table;

int tce_table_map(struct tce_table *table, unsigned long first,
		  unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_pins *pins);

/* UNMAP: clear entries, invalidate them, and release what they held. */

struct tce_region;
struct tce_table;

int tce_table_unmap(struct tce_table *table, unsigned long first,
		    unsigned long n);
void tce_unmap_failed(struct tce_table *table, unsigned long first,
		      unsigned long n);
void tce_unmap_table(struct tce_table *table);
void tce_unmap_leftovers(struct tce_table *table);
int tce_unmap_region(struct tce_table *table, const struct tce_region *region);

/* KVM, and what it is shown of a table. */

int tce_kvm_prepare(struct tce_table *table);
void tce_kvm_free(struct tce_table *table);
int tce_kvm_hide(struct tce_table *table, bool in_group);
void tce_kvm_open(struct tce_table *table);
void tce_kvm_close(struct tce_table *table);
long tce_kvm_tables(void);

#endif /* TCE_TABLE_H */
