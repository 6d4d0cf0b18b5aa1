// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spans: locks on ranges of a table's entries.
 *
 * Locks: &tce_spans.lock is the innermost lock of MAP and UNMAP. A span is a lock, too, which is
 * taken, and waited for, with &tce_process.map_lock held for reading.
 *
 * Only tce_span_lock() can fail, if the caller is killed while it waits.
 */
#include <linux/processor.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "tce_span.h"

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
