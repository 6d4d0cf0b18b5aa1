/* SPDX-License-Identifier: GPL-2.0-only */
/* Pinned user pages: what regions (v2) and pins (v1) have in common. */
#ifndef TCE_PAGE_H
#define TCE_PAGE_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "tce_refusal.h"

/*
 * A table has a cookie for the memory of each entry. In v2 it is the userspace address, which
 * KVM keeps in the same place, with this bit set. The bit distinguishes the cookies of MAP from
 * those of KVM, and no process can have registered such an address. The cookies of v1 have the
 * bit set because they are kernel addresses; see tce_pin_cookie().
 */
#define TCE_COOKIE_OURS	BIT_ULL(63)

/* Pages to pin at once: enough to be cheap, and few enough to react to SIGKILL */
#define TCE_PIN_CHUNK	SZ_8K

/**
 * tce_page_hpa() - the address of a page
 * @page: the page
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel derives a page's number from its flags. They may change
	 * at any time, except for the bits that are used here.
	 */
	return data_race(page_to_phys(page));
}

/**
 * tce_pin_errno() - the errno if pages could not be pinned
 * @reason: the name of the check
 * @rc: what pin_user_pages_fast() returned instead of the number of pages
 * @ua: the address at which it stopped
 *
 * Return: -ENOMEM, -EINTR or -EFAULT.
 */
static inline int tce_pin_errno(const char *reason, long rc, u64 ua)
{
	if (rc == -EINTR)
		return -EINTR;
	return tce_refuse(reason, rc == -ENOMEM ? -ENOMEM : -EFAULT, ua);
}

unsigned long tce_pages_pin(struct page **pages, unsigned long ua,
			    unsigned long n, bool write, int *rc);
void tce_pages_unpin(struct page **pages, unsigned long n);

#endif /* TCE_PAGE_H */
