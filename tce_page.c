// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of users: pinned for REGISTER (v2) and for MAP (v1).
 *
 * Locks: none. A client may let a page fault take as long as it likes, so that nobody but
 * the client may want what is held meanwhile.
 *
 * Never fails: tce_pages_unpin().
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "tce_page.h"

/* Pinning of movable memory fails while somebody else does the same: so often, 1 ms apart */
#define TCE_PIN_TRIES	20

/**
 * tce_pages_pin() - pin pages for as long as a device may use them
 * @pages: room for them
 * @ua: where user space sees the first
 * @n: how many
 * @write: a device will be allowed to write
 * @rc: 0, or why not all could be pinned: -ENOMEM, -EFAULT or -EINTR
 *
 * Undone by tce_pages_unpin(). Context: the owner of the memory; sleeps for as long as the
 * client likes, ends early on SIGKILL.
 *
 * Return: how many are pinned, which the caller has to undo even if it is not all.
 */
unsigned long tce_pages_pin(struct page **pages, unsigned long ua,
			    unsigned long n, bool write, int *rc)
{
	const unsigned int flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
	unsigned long done = 0;
	unsigned int tries = 0;
	long got;

	*rc = 0;
	while (done < n) {
		/* pages that are there are pinned without a look at signals */
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_user_pages_fast(ua + (done << PAGE_SHIFT),
					  min_t(unsigned long, n - done,
						TCE_PIN_CHUNK),
					  flags, pages + done);
		/* it has to move, but somebody else holds it for a moment */
		if (got == -ENOMEM && tries++ < TCE_PIN_TRIES) {
			msleep(1);
			continue;
		}
		if (got <= 0) {
			*rc = tce_pin_errno("PIN", got,
					    ua + (done << PAGE_SHIFT));
			break;
		}
		done += got;
		if (need_resched())
			cond_resched();
	}
	return done;
}

/**
 * tce_pages_unpin() - undo tce_pages_pin()
 * @pages: pages, none of which was mapped
 * @n: how many
 */
void tce_pages_unpin(struct page **pages, unsigned long n)
{
	unsigned long now;

	for (; n; n -= now, pages += now) {
		now = min_t(unsigned long, n, TCE_PIN_CHUNK);
		unpin_user_pages(pages, now);
		cond_resched();
	}
}
