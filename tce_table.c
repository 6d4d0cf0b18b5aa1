// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <asm/firmware.h>
#include <asm/tce.h>

#include "tce_table.h"
#include "tce_trace.h"

/*
 * Tables. Apart from the inline functions in tce_table.h, and from tce_kvm.c on behalf of KVM,
 * only this file calls the platform's operations on a table.
 *
 * Locks: the caller's. MAP and UNMAP hold &tce_process.map_lock and a span. Only KVM can race
 * with the creation or destruction of a table.
 *
 * Never fails: tce_table_kill().
 */

/* Entries that pseries sets at once, with interrupts disabled */
#define TCE_SET_MAX_HCALL	512UL
/*
 * The shortest run of entries that is set or cleared by one operation, which costs an
 * invalidation of its own, or on pseries two hypervisor calls.
 */
#define TCE_RUN_MIN_KILL	64
#define TCE_RUN_MIN_HCALL	4
/* Entries that firmware is asked to invalidate at once, which it does one by one */
#define TCE_KILL_MAX	65536UL

/**
 * tce_table_walk() - find the cell of an entry in a table of several levels
 * @table: the table
 * @at: the entry's place in the table, counted from 0
 * @hole: if a level is missing, returns how many entries from this one on are missing with it
 *
 * The platform's own look-up does not tell at which level it ended, so that most of a window
 * of 2^46 bytes would have to be tried leaf by leaf. The format is that of the indirect TCE
 * tables that the bridge walks: an entry of an upper level is the real address of the next
 * one, | 3, in big endian.
 *
 * Return: the cell; NULL if a level is missing.
 */
__be64 *tce_table_walk(struct tce_table *table, unsigned long at,
		       unsigned long *hole)
{
	struct iommu_table *tbl = table->tbl;
	unsigned int bits = ilog2(tbl->it_level_size);
	unsigned int level;
	__be64 *node = tbl->it_userspace;

	for (level = tbl->it_indirect_levels; level; level--) {
		unsigned long below = 1UL << (level * bits);
		unsigned long slot = (at / below) & (tbl->it_level_size - 1);
		u64 next = tce_cell_read(&node[slot]);

		if (!next) {
			*hole = below - (at & (below - 1));
			return NULL;
		}
		node = __va(next & ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	return &node[at & (tbl->it_level_size - 1)];
}

/**
 * tce_table_init() - prepare a new table for use
 * @table: zeroed, but for @tbl and @mem
 *
 * Return: 0; -ENOMEM.
 */
int tce_table_init(struct tce_table *table)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long last = tbl->it_offset + tbl->it_size - 1, left;
	__be64 *cell;

	table->ops = tbl->it_ops;
	table->shared = table->mem->v2 && tce_mm_has_kvm(table->mem->mm);
	table->run_min = table->ops->tce_kill ? TCE_RUN_MIN_KILL : TCE_RUN_MIN_HCALL;
	tce_spans_init(&table->spans);
	/*
	 * pseries does not report that it had no memory for the cells. And tce_table_cells()
	 * computes where they are: check once that the platform agrees, which may cost a leaf.
	 */
	cell = tbl->it_userspace ? table->ops->useraddrptr(tbl, last, true) :
				   NULL;
	if (!cell || cell != tce_table_cells(table, last, false, &left))
		return TCE_REFUSE(NO_USER_VIEW, ENOMEM);
	return 0;
}

/**
 * tce_table_set() - write a run of entries by one operation of the platform
 * @table: the table
 * @entry: the first of them; all are empty
 * @n: entries, no more than tce_table_set_max()
 * @hpa: the start of their memory, which is contiguous
 * @dir: what the device may do
 *
 * The platform invalidates them as well. The cells are not touched.
 *
 * Undone by tce_table_clear().
 *
 * Return: 0; -ENOMEM; -EIO if the last one is not there. The platform does not report that it was
 * refused an entry, but it stops there. On failure some may have been written.
 */
int tce_table_set(struct tce_table *table, unsigned long entry,
		  unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long tce;

	if (table->ops->set(tbl, entry, n, (unsigned long)__va(hpa), dir, 0))
		return TCE_REFUSE(SET_RUN, ENOMEM);
	tce = table->ops->get(tbl, entry + n - 1);
	tce &= ~(TCE_PCI_READ | TCE_PCI_WRITE);
	return tce == hpa + ((n - 1) << tbl->it_page_shift) ?
		0 : TCE_REFUSE(SET_RUN, EIO);
}

/**
 * tce_table_set_max() - how many entries can tce_table_set() write?
 * @table: the table
 * @dir: what the device may do
 *
 * Return: entries; 0 if it must not be used because set() of pseries lets a device read
 * whatever it may write, or writes entry by entry and does not stop at one that is refused, for
 * want of H_PUT_TCE_INDIRECT.
 */
unsigned long tce_table_set_max(const struct tce_table *table,
				enum dma_data_direction dir)
{
	if (dir == DMA_FROM_DEVICE)
		return 0;
	if (table->ops->tce_kill)
		return ULONG_MAX;
	return firmware_has_feature(FW_FEATURE_PUT_TCE_IND) ? TCE_SET_MAX_HCALL : 0;
}

static bool clear_entries(struct tce_table *table, unsigned long entry,
			  unsigned long n)
{
	table->ops->clear(table->tbl, entry, n);
	tce_table_flush(table);
	return !(table->ops->get(table->tbl, entry + n - 1) &
		 (TCE_PCI_READ | TCE_PCI_WRITE));
}

/**
 * tce_table_clear() - clear a run of entries by one operation of the platform
 * @table: the table
 * @entry: the first of them
 * @n: entries, at most TCE_CLEAR_MAX, none of which is empty
 *
 * The platform invalidates them as well. The cells are not touched. pseries does not report that an
 * entry was refused. It stops there, so that the last one tells, unless it has to clear entry by
 * entry for want of H_STUFF_TCE.
 *
 * Return: false if some may still be there.
 */
bool tce_table_clear(struct tce_table *table, unsigned long entry,
		     unsigned long n)
{
	if (!table->ops->tce_kill && !firmware_has_feature(FW_FEATURE_STUFF_TCE))
		return false;
	return clear_entries(table, entry, n);
}

/**
 * tce_table_wipe() - clear a new table that KVM has found before it was hidden
 * @table: of one level
 *
 * Nothing is released, because KVM counts what it has written. If the platform refuses to clear an
 * entry, it tries again when it frees the table. Context: sleeps.
 */
void tce_table_wipe(struct tce_table *table)
{
	struct iommu_table *tbl = table->tbl;
	unsigned long at, n;

	for (at = 0; at < tbl->it_size; at += n) {
		n = min(tbl->it_size - at, TCE_CLEAR_MAX);
		clear_entries(table, tbl->it_offset + at, n);
		cond_resched();
	}
	if (tbl->it_userspace)
		memset(tbl->it_userspace, 0, tbl->it_size * sizeof(__be64));
}

/**
 * tce_table_kill() - invalidate entries
 * @table: the table
 * @first: the first of them
 * @n: entries
 *
 * When it returns, the device can no longer reach what these entries mapped before, and its
 * pages may be released (litmus/unpin.litmus). Context: sleeps.
 */
void tce_table_kill(struct tce_table *table, unsigned long first,
		    unsigned long n)
{
	while (n && table->ops->tce_kill) {
		unsigned long now = min(n, TCE_KILL_MAX);

		table->ops->tce_kill(table->tbl, first, now);
		first += now;
		n -= now;
		if (n)
			cond_resched();
	}
	tce_table_flush(table);
}

/*
 * Spans: locks on ranges of a table's entries.
 *
 * Locks: &tce_spans.lock is the innermost lock of MAP and UNMAP. A span is a lock, too, which is
 * taken, and waited for, with &tce_process.map_lock held for reading.
 *
 * Only tce_span_lock() can fail, if the caller is killed while it waits.
 */

/**
 * tce_spans_init() - prepare a table's spans
 * @spans: of a new table
 */
void tce_spans_init(struct tce_spans *spans)
{
	spin_lock_init(&spans->lock);
	init_waitqueue_head(&spans->wait);
}

/* Does a range overlap one of the spans that are in use? */
static __always_inline bool span_overlaps(struct tce_spans *spans,
					  unsigned long used,
					  unsigned long first,
					  unsigned long last)
{
	unsigned int i;

	lockdep_assert_held(&spans->lock);
	for (i = 0; used >> i; i++)
		if (used & BIT(i) && first <= spans->last[i] &&
		    spans->first[i] <= last)
			return true;
	return false;
}

/* Take a free span for a range that overlaps no other. Return: the span; -EAGAIN */
static int span_take(struct tce_spans *spans, unsigned long first,
		     unsigned long last)
{
	unsigned long used;
	int span;

	spin_lock(&spans->lock);
	used = READ_ONCE(spans->used);
	do {
		/* spins while another CPU exchanges one entry */
		while (used & TCE_SPAN_ONE) {
			cpu_relax();
			used = READ_ONCE(spans->used);
		}
		span = ffz(used);
		if (span >= TCE_SPANS ||
		    span_overlaps(spans, used, first, last)) {
			span = -EAGAIN;
			break;
		}
		spans->first[span] = first;
		spans->last[span] = last;
		/* spans are freed without the lock (litmus/span-one.litmus) */
	} while (!try_cmpxchg(&spans->used, &used, used | BIT(span)));
	spin_unlock(&spans->lock);
	return span;
}

/**
 * tce_span_lock() - lock a range of entries
 * @spans: the table's spans
 * @first: first entry
 * @n: entries, at least 1
 *
 * Undone by tce_span_unlock(). Context: sleeps until no other call has locked any of them.
 *
 * Return: the span, which is not negative; -EINTR on SIGKILL.
 */
int tce_span_lock(struct tce_spans *spans, unsigned long first,
		  unsigned long n)
{
	unsigned long last = first + n - 1;
	int span = span_take(spans, first, last), rc = 0;

	if (unlikely(span < 0))
		rc = wait_event_killable(spans->wait,
					 (span = span_take(spans, first, last)) >= 0);
	return rc ? -EINTR : span;
}

/**
 * tce_span_unlock() - undo tce_span_lock()
 * @spans: the table's spans
 * @span: what that returned
 */
void tce_span_unlock(struct tce_spans *spans, int span)
{
	clear_bit_unlock(span, &spans->used);
	/* litmus/span-wake.litmus */
	if (wq_has_sleeper(&spans->wait))
		wake_up_all(&spans->wait);
}
