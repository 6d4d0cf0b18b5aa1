/* SPDX-License-Identifier: GPL-2.0-only */
/* Pinned pages of users: what regions (v2) and pins (v1) have in common. */
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
 * What a table remembers of an entry's memory is a cookie. That of v2 is the userspace
 * address, as KVM keeps it in the same place, with this bit: so KVM's cookies can be told
 * from ours, and it is no address that a process could have registered. Those of v1 have
 * the bit as well: they are addresses of the kernel, see tce_pin_cookie().
 */
#define TCE_COOKIE_OURS	BIT_ULL(63)

/* Pages to work on at once: long enough to be cheap, short enough to be killed */
#define TCE_PIN_CHUNK	SZ_8K

/**
 * tce_page_hpa() - where a page is
 * @page: the page
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel finds a page's number by its flags. Others
	 * may change those, but not the bits that tell where the page is.
	 */
	return data_race(page_to_phys(page));
}

/**
 * tce_cookie_read() - the cookie in a cell that nobody else looks at
 * @cell: the cell, big endian
 *
 * One instruction turns the bytes round as it loads them.
 *
 * Return: the cookie, or 0.
 */
static __always_inline u64 tce_cookie_read(const __be64 *cell)
{
	u64 cookie = be64_to_cpu(*cell);

	OPTIMIZER_HIDE_VAR(cookie);
	return cookie;
}

/**
 * tce_pin_errno() - what to tell the user when pages could not be pinned
 * @reason: the name of the check
 * @rc: what pin_user_pages_fast() returned instead of the number of pages
 * @ua: where it stopped
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
