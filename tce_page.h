/* SPDX-License-Identifier: GPL-2.0-only */
/* Pinned pages of users: what regions (v2) and pins (v1) have in common. */
#ifndef TCE_PAGE_H
#define TCE_PAGE_H

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>

/* Pages to pin at once: long enough to be cheap, short enough to be killed */
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
 * tce_pin_errno() - what to tell the user when pages could not be pinned
 * @rc: what pin_user_pages_fast() returned instead of the number of pages
 *
 * Return: -ENOMEM, -EINTR or -EFAULT.
 */
static inline int tce_pin_errno(long rc)
{
	return rc == -ENOMEM || rc == -EINTR ? rc : -EFAULT;
}

#endif /* TCE_PAGE_H */
