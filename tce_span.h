/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spans: who is at work on which entries of a table.
 *
 * MAPs and UNMAPs whose ranges overlap take turns. Others go on side by side. A call of
 * one entry takes no span if there is none, but keeps all others out for a moment.
 */
#ifndef TCE_SPAN_H
#define TCE_SPAN_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/preempt.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/wait.h>

/* MAPs and UNMAPs that may be at work in a table at the same time */
#define TCE_SPANS	16
/* In &tce_spans.used: no span, but somebody who exchanges one entry */
#define TCE_SPAN_ONE	BIT(BITS_PER_LONG - 1)

/**
 * struct tce_span - a range of entries that one call works on
 * @first: first entry
 * @last: last entry
 * @slot: its place in &tce_spans.span
 */
struct tce_span {
	unsigned long first;
	unsigned long last;
	unsigned int slot;
};

/**
 * struct tce_spans - the spans of a table
 * @lock: guards @span, and who sets bits of @used, but for those of one entry
 * @used: the slots in use, or TCE_SPAN_ONE; cleared without the lock
 * @span: ranges in which a MAP or an UNMAP is at work
 * @wait: for those who wait for a range or a slot
 */
struct tce_spans {
	spinlock_t lock;
	unsigned long used;
	struct tce_span span[TCE_SPANS];
	wait_queue_head_t wait;
};

void tce_spans_init(struct tce_spans *spans);
int tce_span_lock(struct tce_spans *spans, struct tce_span *span,
		  unsigned long first, unsigned long n);
void tce_span_unlock(struct tce_spans *spans, struct tce_span *span);

/**
 * tce_span_trylock_one() - keep all others out of a table
 * @spans: of the table
 *
 * To exchange one entry and write its cell (litmus/span-one.litmus,
 * litmus/unmap-twice.litmus). Undone by tce_span_unlock_one(). Don't sleep in between. In
 * line: it is a tenth of a MAP of one entry.
 *
 * Return: false if somebody is at work in it; it doesn't wait.
 */
static __always_inline bool tce_span_trylock_one(struct tce_spans *spans)
{
	/* there, the platform must not allocate with preemption off */
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
 * @spans: of the table
 */
static __always_inline void tce_span_unlock_one(struct tce_spans *spans)
{
	/* nobody else changes it meanwhile, nor sleeps until it is changed */
	smp_store_release(&spans->used, 0);
	preempt_enable();
}

#endif /* TCE_SPAN_H */
