/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory: what kernels before 6.12 lack. */
#ifndef TCE_COMPAT_MM_H
#define TCE_COMPAT_MM_H

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>

#include "found.inc"

/*
 * Since 6.8. Before, there was MAX_ORDER, which was one more than that up to 6.3, and the
 * same from 6.4 on. This has always fitted it.
 */
#ifndef MAX_PAGE_ORDER
#define MAX_PAGE_ORDER	ilog2(MAX_ORDER_NR_PAGES)
#endif

#ifndef TCE_HAS_FOLIO
/**
 * struct folio - the first page of a compound page, or a page that is none
 * @page: the page
 */
struct folio {
	struct page page;
};

/**
 * page_folio() - the folio of a page
 * @page: the page
 *
 * Return: the folio.
 */
static inline struct folio *page_folio(struct page *page)
{
	return (struct folio *)compound_head(page);
}

/**
 * folio_nr_pages() - how large is a folio?
 * @folio: the folio
 *
 * Return: its pages.
 */
static inline long folio_nr_pages(struct folio *folio)
{
	return compound_nr(&folio->page);
}

/**
 * folio_test_dirty() - is a folio marked as written to?
 * @folio: the folio
 *
 * Return: true if it is.
 */
static inline bool folio_test_dirty(struct folio *folio)
{
	return PageDirty(&folio->page);
}

/**
 * folio_test_large() - has a folio more than one page?
 * @folio: the folio
 *
 * Return: true if it has.
 */
static inline bool folio_test_large(struct folio *folio)
{
	return PageHead(&folio->page);
}

/**
 * folio_test_hugetlb() - is a folio of hugetlbfs?
 * @folio: the folio
 *
 * Return: true if it is.
 */
static inline bool folio_test_hugetlb(struct folio *folio)
{
	return PageHuge(&folio->page);
}

/**
 * folio_shift() - how large is a folio?
 * @folio: the folio
 *
 * Return: log2 of its bytes.
 */
static inline unsigned int folio_shift(struct folio *folio)
{
	return page_shift(&folio->page);
}

/**
 * folio_pfn() - where a folio is
 * @folio: the folio
 *
 * Return: the number of its first page.
 */
static inline unsigned long folio_pfn(struct folio *folio)
{
	return page_to_pfn(&folio->page);
}

/**
 * folio_page() - a page of a folio
 * @folio: the folio
 * @n: its number in it
 *
 * Return: the page.
 */
static inline struct page *folio_page(struct folio *folio, size_t n)
{
	return pfn_to_page(folio_pfn(folio) + n);
}
#endif

#ifndef TCE_HAS_FOLIO_PAGE_IDX
/**
 * folio_page_idx() - the place of a page in its folio
 * @folio: the folio
 * @page: the page
 *
 * Return: the place, from 0 on.
 */
static inline size_t folio_page_idx(const struct folio *folio,
				    const struct page *page)
{
	return page_to_pfn(page) - page_to_pfn(&folio->page);
}
#endif

#ifndef TCE_HAS_UNPIN_FOLIO
/**
 * unpin_user_folio() - let go of pins of one folio
 * @folio: the folio
 * @npages: pins
 */
static inline void unpin_user_folio(struct folio *folio, unsigned long npages)
{
	while (npages--)
		unpin_user_page(&folio->page);
}
#endif

#ifndef TCE_HAS_UNPIN_RANGE
/**
 * unpin_user_page_range_dirty_lock() - let go of a pin of each page of a range
 * @page: the first
 * @npages: pages
 * @make_dirty: they have been written to
 */
static inline void unpin_user_page_range_dirty_lock(struct page *page,
						    unsigned long npages,
						    bool make_dirty)
{
	unsigned long pfn = page_to_pfn(page);

	for (; npages--; pfn++) {
		page = pfn_to_page(pfn);
		if (make_dirty && !PageDirty(page))
			set_page_dirty_lock(page);
		unpin_user_page(page);
	}
}
#endif

#endif /* TCE_COMPAT_MM_H */
