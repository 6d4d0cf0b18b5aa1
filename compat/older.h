/* SPDX-License-Identifier: GPL-2.0-only */
/* Definitions that kernels before 6.12 lack, as found by macros and compat/probe */
#ifndef TCE_COMPAT_OLDER_H
#define TCE_COMPAT_OLDER_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pagemap.h>
#include <linux/version.h>

#include "found.inc"

/* Since 6.6 */
#ifndef __counted_by
#define __counted_by(...)
#endif

/* Since 6.8. MAX_ORDER has the same value only since 6.4. */
#ifndef MAX_PAGE_ORDER
#define MAX_PAGE_ORDER	ilog2(MAX_ORDER_NR_PAGES)
#endif

/* Since 6.9, and in stable kernels: exempt from CONFIG_INIT_STACK_ALL_ZERO and its like */
#ifndef __uninitialized
#if __has_attribute(__uninitialized__)
#define __uninitialized	__attribute__((__uninitialized__))
#else
#define __uninitialized
#endif
#endif

/*
 * Before 6.2 a long-term pin for reading may be of the zero page or of the page cache, which the
 * process leaves behind when it writes. So pin for writing, unless the process may not write
 * either.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
static inline int tce_pin_user_pages_fast(unsigned long start, int nr_pages,
					  unsigned int gup_flags,
					  struct page **pages)
{
	int got = pin_user_pages_fast(start, nr_pages, gup_flags | FOLL_WRITE,
				      pages);

	if (got == -EFAULT && !(gup_flags & FOLL_WRITE))
		got = pin_user_pages_fast(start, 1, gup_flags, pages);
	return got;
}

#define pin_user_pages_fast	tce_pin_user_pages_fast
#endif

/*
 * Before 6.5 a page pinned for writing may be of FUSE, whose server may hold the page's lock for as
 * long as it likes. So never wait for the lock: without it, only flag the page, as mm_iommu_put()
 * does.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
static inline int tce_set_page_dirty(struct page *page)
{
	if (trylock_page(page)) {
		set_page_dirty(page);
		unlock_page(page);
	} else {
		SetPageDirty(page);
	}
	return 0;
}

static inline void tce_unpin_user_pages_dirty(struct page **pages,
					      unsigned long npages, bool dirty)
{
	unsigned long i;

	for (i = 0; dirty && i < npages; i++)
		if (!PageDirty(pages[i]))
			tce_set_page_dirty(pages[i]);
	unpin_user_pages(pages, npages);
}

#define set_page_dirty_lock		tce_set_page_dirty
#define unpin_user_pages_dirty_lock	tce_unpin_user_pages_dirty
#endif

#ifndef TCE_HAS_LIST_COUNT
/**
 * list_count_nodes() - count the entries of a list
 * @head: the list
 *
 * Since 6.3.
 *
 * Return: the number of entries.
 */
static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *at;
	size_t n = 0;

	list_for_each(at, head)
		n++;
	return n;
}
#endif

/* Until 6.4 */
#ifdef TCE_HAS_PIN_VMAS
#define pin_user_pages(start, nr_pages, flags, pages) \
	pin_user_pages(start, nr_pages, flags, pages, NULL)
#endif

#ifndef TCE_HAS_UNPIN_FOLIO
/**
 * unpin_user_folio() - release pins of one folio
 * @folio: the folio
 * @npages: number of pins
 *
 * Since 6.12.
 */
static inline void unpin_user_folio(struct folio *folio, unsigned long npages)
{
	/* pins are counted by the folio, whichever page is named */
	unpin_user_page_range_dirty_lock(&folio->page, npages, false);
}
#endif

#endif /* TCE_COMPAT_OLDER_H */
