// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spans: the book of who is at work in a table.
 *
 * Locks: &tce_spans.lock guards the book. It is the last lock of MAP and UNMAP. A span
 * is a lock, too: it is taken below &tce_process.map_lock, and waited for with that held
 * for reading.
 *
 * Never fails: anything but tce_span_lock() on SIGKILL.
 */
#include <linux/processor.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "tce_span.h"

/**
 * tce_spans_init() - nobody is at work
 * @spans: of a new table
 */
void tce_spans_init(struct tce_spans *spans)
{
	spin_lock_init(&spans->lock);
	init_waitqueue_head(&spans->wait);
}

/* Is some call at work in a range? @used: the slots to look at */
static __always_inline bool span_overlaps(struct tce_spans *spans,
					  unsigned long used,
					  unsigned long first,
					  unsigned long last)
{
	unsigned int i;

	lockdep_assert_held(&spans->lock);
	for (i = 0; used >> i; i++)
		if (used & BIT(i) && first <= spans->span[i].last &&
		    spans->span[i].first <= last)
			return true;
	return false;
}

/* Take a free slot for the range, unless it overlaps another. */
static bool span_take(struct tce_spans *spans, struct tce_span *span)
{
	unsigned long used;
	bool taken = false;
	unsigned int i;

	spin_lock(&spans->lock);
	used = READ_ONCE(spans->used);
	do {
		/* for as long as it takes to exchange one entry */
		while (used & TCE_SPAN_ONE) {
			cpu_relax();
			used = READ_ONCE(spans->used);
		}
		i = ffz(used);
		if (i >= TCE_SPANS ||
		    span_overlaps(spans, used, span->first, span->last))
			goto out_unlock;
		spans->span[i].first = span->first;
		spans->span[i].last = span->last;
		/* slots are given back without the lock (litmus/span-one.litmus) */
	} while (!try_cmpxchg(&spans->used, &used, used | BIT(i)));
	span->slot = i;
	taken = true;
out_unlock:
	spin_unlock(&spans->lock);
	return taken;
}

/**
 * tce_span_lock() - keep others out of some entries
 * @spans: of the table
 * @span: on the stack
 * @first: first entry
 * @n: entries, at least 1
 *
 * Undone by tce_span_unlock(). Context: sleeps until nobody is at work there.
 *
 * Return: 0; -EINTR on SIGKILL.
 */
int tce_span_lock(struct tce_spans *spans, struct tce_span *span,
		  unsigned long first, unsigned long n)
{
	span->first = first;
	span->last = first + n - 1;
	if (likely(span_take(spans, span)))
		return 0;
	if (wait_event_killable(spans->wait, span_take(spans, span)))
		return -EINTR;
	return 0;
}

/**
 * tce_span_unlock() - undo tce_span_lock()
 * @spans: of the table
 * @span: the same
 */
void tce_span_unlock(struct tce_spans *spans, struct tce_span *span)
{
	clear_bit_unlock(span->slot, &spans->used);
	/* litmus/span-wake.litmus */
	if (wq_has_sleeper(&spans->wait))
		wake_up_all(&spans->wait);
}
