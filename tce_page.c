// SPDX-License-Identifier: GPL-2.0-only
/*
 * User pages, which are pinned for REGISTER (v2) and for MAP (v1).
 *
 * Locks: none. A client can make a page fault take as long as it likes, so callers hold only
 * locks for which nobody but that client waits.
 *
 * Never fails: tce_pages_unpin().
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "compat/older.h"
#include "tce_page.h"

/* Pinning movable memory can fail if another task does the same. Retries, 1 ms apart */
#define TCE_PIN_TRIES	20

static long pin_some(struct page **pages, unsigned long ua, unsigned long n,
		     bool write)
{
	unsigned int flags = FOLL_LONGTERM | (write ? FOLL_WRITE : TCE_FOLL_READ);
	long got = pin_user_pages_fast(ua, n, flags, pages);

	/* the client may only read the first page, too */
	if (TCE_FOLL_READ && !write && got == -EFAULT)
		got = pin_user_pages_fast(ua, 1, FOLL_LONGTERM, pages);
	return got;
}

/**
 * tce_pages_pin() - pin pages for as long as a device may use them
 * @pages: array for the pages
 * @ua: userspace address of the first
 * @n: number of pages
 * @write: a device will be allowed to write
 * @rc: returns 0, or why not all could be pinned: -ENOMEM, -EFAULT or -EINTR
 *
 * Undone by tce_pages_unpin(). Context: the owner of the memory. Sleeps for as long as the
 * client likes, but SIGKILL ends it early.
 *
 * Return: how many pages are pinned, which the caller has to undo even if it is not all.
 */
unsigned long tce_pages_pin(struct page **pages, unsigned long ua,
			    unsigned long n, bool write, int *rc)
{
	unsigned long done = 0;
	unsigned int tries = 0;
	long got;

	*rc = 0;
	while (done < n) {
		/* present pages are pinned without checking for signals */
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_some(pages + done, ua + (done << PAGE_SHIFT),
			       min_t(unsigned long, n - done, TCE_PIN_CHUNK),
			       write);
		/* the page has to be migrated, but has an extra reference for a moment */
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
 * @pages: the pages, none of which a device has written to
 * @n: number of pages
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
