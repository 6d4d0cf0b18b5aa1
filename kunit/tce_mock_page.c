// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of pages: how often each is pinned, and how many entries reach it. Those of a folio
 * have one record, since any pin holds all of it, and one flag says whether it is dirty.
 *
 * Pages come and go by the thousand, and each is looked up several times. They are in a
 * plain hash, and are reused, because a kernel that checks locks, RCU and the allocator
 * would otherwise spend most of its time on that.
 */
#include <linux/hash.h>
#include <linux/page-flags.h>
#include <linux/slab.h>

#include "tce_mock.h"

static struct tce_mock_page *page_of(struct tce_mock *mock, unsigned long pfn)
{
	struct tce_mock_page *page;

	hlist_for_each_entry(page,
			     &mock->pages[hash_long(pfn, TCE_PAGES_BITS)], node)
		if (page->pfn == pfn)
			return page;
	return NULL;
}

static unsigned long head_of(unsigned long pfn)
{
	return pfn_valid(pfn) ? folio_pfn(page_folio(pfn_to_page(pfn))) : pfn;
}

/* The record of that page; NULL if it is neither pinned nor reached. */
struct tce_mock_page *mock_page_find(struct tce_mock *mock, unsigned long pfn)
{
	/* if it is not held any more, it may belong to another folio by now */
	return page_of(mock, pfn) ?: page_of(mock, head_of(pfn));
}

static struct tce_mock_page *page_add(struct tce_mock *mock, unsigned long pfn)
{
	struct tce_mock_page *page;

	page = hlist_entry_safe(mock->spare_pages.first, struct tce_mock_page,
				node);
	if (page)
		hlist_del(&page->node);
	else
		page = kmalloc(sizeof(*page), GFP_ATOMIC);
	if (!page) {
		tce_mock_violation(mock, "the mock is out of memory");
		return NULL;
	}
	page->pfn = pfn;
	page->pins = 0;
	page->refs = 0;
	page->written = false;
	hlist_add_head(&page->node,
		       &mock->pages[hash_long(pfn, TCE_PAGES_BITS)]);
	return page;
}

/* There are so many pins and references more, or less. */
struct tce_mock_page *mock_page_count(struct tce_mock *mock,
				      unsigned long pfn, int pins, int refs)
{
	struct tce_mock_page *page = mock_page_find(mock, pfn);

	if (!page && pins + refs > 0)
		page = page_add(mock, head_of(pfn));
	if (!page || page->pins + pins < 0 || page->refs + refs < 0) {
		tce_mock_violation(mock, "page %lx let go too often", pfn);
		return NULL;
	}
	page->pins += pins;
	page->refs += refs;
	mock->pins += pins;
	mock->refs += refs;
	if (page->pins || page->refs)
		return page;
	hlist_del(&page->node);
	hlist_add_head(&page->node, &mock->spare_pages);
	return NULL;
}

/* The driver has pinned a page; to @write, it is the process's own. */
void tce_mock_pinned(struct tce_mock *mock, unsigned long pfn, bool write)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_page *page;

	spin_lock(&mock->lock);
	page = mock_page_count(mock, pfn, 1, 0);
	/* what it was before does not matter */
	if (page && page->pins == 1) {
		ClearPageDirty(pfn_to_page(pfn));
		page->for_writing = false;
		page->written = false;
	}
	if (page)
		page->for_writing |= write;
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
}

/* The driver is about to end a pin, and makes the page dirty as well, or has done so before. */
void tce_mock_unpinned(struct tce_mock *mock, unsigned long pfn, bool dirty)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_page *page;

	spin_lock(&mock->lock);
	page = mock_page_find(mock, pfn);
	if (page && page->pins == 1 && page->written && !dirty && !PageDirty(pfn_to_page(pfn)))
		tce_mock_violation(mock, "page %lx let go clean, to which a device could write",
				   pfn);
	page = mock_page_count(mock, pfn, -1, 0);
	if (page && !page->pins && page->refs && !mock->kept)
		tce_mock_violation(mock, "page %lx let go while a device can reach it",
				   pfn);
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
}
