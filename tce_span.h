/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spans: ranges of a table's entries that are locked.
 *
 * MAPs and UNMAPs whose ranges overlap take turns, and all others run side by side. A call
 * for one entry takes no span while there is none, but excludes all others for a moment.
 */
#ifndef TCE_SPAN_H
#define TCE_SPAN_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/preempt.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/wait.h>

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

#endif /* TCE_SPAN_H */
