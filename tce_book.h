/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The book of a region: where its pages are, and their pins (v2).
 *
 * A region has a word for each grain, which is an aligned range of TCE_GRAIN bytes. If the pages
 * of the grain are contiguous in one folio, the word is the hpa of the grain, and one pin holds
 * them and those of the next grains in the same folio. Otherwise the word points to an array of
 * the pages, each of which has a pin. No page of hugetlbfs is smaller than a grain.
 */
#ifndef TCE_BOOK_H
#define TCE_BOOK_H

#include <linux/mm.h>
#include <linux/types.h>

#include "tce_page.h"

/* Set in a word that points to an array of pages, which begins with the grain's first page */
#define TCE_BOOK_ARRAY		1UL

#define TCE_GRAIN_SHIFT		21
#define TCE_GRAIN		BIT(TCE_GRAIN_SHIFT)

int tce_book_pin(unsigned long *words, unsigned long ua, unsigned long npages,
		 unsigned int *page_shift);
void tce_book_unpin(unsigned long *words, unsigned long ua,
		    unsigned long npages, bool dirty);

/**
 * tce_book_words() - how many words does a region need?
 * @ua: first byte
 * @npages: CPU pages, at least 1
 *
 * Return: that.
 */
static inline unsigned long tce_book_words(unsigned long ua,
					   unsigned long npages)
{
	return ((ua + (npages << PAGE_SHIFT) - 1) >> TCE_GRAIN_SHIFT) -
		(ua >> TCE_GRAIN_SHIFT) + 1;
}

/**
 * tce_book_array() - the array of the pages of a grain
 * @word: its word
 *
 * Return: the array; NULL if the pages are contiguous.
 */
static __always_inline struct page **tce_book_array(unsigned long word)
{
	return word & TCE_BOOK_ARRAY ? (struct page **)(word ^ TCE_BOOK_ARRAY) :
				       NULL;
}

/**
 * tce_book_hpa() - where a byte of a region is
 * @word: the word of its grain
 * @ua: where user space sees it
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_book_hpa(unsigned long word,
						  unsigned long ua)
{
	unsigned long offset = ua & (TCE_GRAIN - 1);
	struct page **pages = tce_book_array(word);

	if (unlikely(pages))
		return tce_page_hpa(pages[offset >> PAGE_SHIFT]) +
			offset_in_page(ua);
	return word + offset;
}

#endif /* TCE_BOOK_H */
