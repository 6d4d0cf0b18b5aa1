/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The book of a region: which pages it has, and their pins (v2).
 *
 * A grain is a piece of the region, 2^n bytes, aligned. Its word in the book tells all of
 * its pages. It is the first page of the grain, if one pin holds all of it. Or it is an
 * array of single pages.
 */
#ifndef TCE_BOOK_H
#define TCE_BOOK_H

#include <linux/mm_types.h>
#include <linux/types.h>

#include "tce_page.h"

/* In a word of a book: an array of the pages of this grain that the region has */
#define TCE_BOOK_ARRAY	1UL

/**
 * struct tce_book - the pages of a region
 * @grain: log2 of the bytes that a word stands for
 * @page_shift: log2 of the smallest page, of which only those of hugetlbfs count as
 *	larger than PAGE_SIZE: others can be split under us
 * @mask: these bytes, less one
 * @at: the words, as if the first stood for address 0: this saves MAP and UNMAP of one
 *	entry some instructions
 * @pages: the words: a page, or an array with TCE_BOOK_ARRAY. None is an array where a
 *	grain is PAGE_SIZE, or not larger than 2^@page_shift.
 * @one: what @pages points to for a book of one word
 */
struct tce_book {
	unsigned int grain;
	unsigned int page_shift;
	unsigned long mask;
	struct page **at;
	struct page **pages;
	struct page *one;
};

int tce_book_pin(struct tce_book *book, unsigned long ua, unsigned long npages,
		 u64 *stop);
void tce_book_unpin(struct tce_book *book, unsigned long ua,
		    unsigned long npages, bool dirty);
void tce_book_hpas(const struct tce_book *book, unsigned long ua,
		   unsigned long n, unsigned int shift, unsigned long *hpas);

/**
 * tce_book_array() - the single pages of a grain
 * @page: a word of a book
 *
 * Return: the array, as if it had all pages of the grain; NULL if the word is a page.
 */
static __always_inline struct page **tce_book_array(struct page *page)
{
	unsigned long word = (unsigned long)page;

	return word & TCE_BOOK_ARRAY ? (struct page **)(word ^ TCE_BOOK_ARRAY) :
				       NULL;
}

/**
 * tce_book_hpa() - where a byte of a region is
 * @book: its book
 * @ua: an address inside
 *
 * Return: its hpa.
 */
static __always_inline unsigned long
tce_book_hpa(const struct tce_book *book, unsigned long ua)
{
	struct page *page = book->at[ua >> book->grain];

	if (unlikely((unsigned long)page & TCE_BOOK_ARRAY))
		return tce_page_hpa(tce_book_array(page)[(ua & book->mask) >>
							 PAGE_SHIFT]) +
			offset_in_page(ua);
	return tce_page_hpa(page) + (ua & book->mask);
}

#endif /* TCE_BOOK_H */
