/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks: how the pages of a range of user memory are pinned, and how they are found.
 *
 * A range has one word for each aligned block of 2 MiB in user space. That is the hpa of the block
 * if it is contiguous in one folio, where one pin holds it and the blocks that continue it;
 * otherwise, with TCE_BLOCK_PAGES set, the address of an array of its pages, each with a pin. The
 * part of a block at either end of the range has the word of a whole block, and an array whose
 * first elements are not used.
 */
#ifndef TCE_BLOCK_H
#define TCE_BLOCK_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "tce_mm.h"

#define TCE_BLOCK_SHIFT		21
#define TCE_BLOCK		BIT(TCE_BLOCK_SHIFT)
#define TCE_BLOCK_PAGES		1UL

int tce_blocks_pin(unsigned long *blocks, unsigned long ua, unsigned long npages,
		   unsigned int *page_shift);
void tce_blocks_unpin(unsigned long *blocks, unsigned long ua, unsigned long npages, bool dirty);

/* For a range of at least one page */
static inline unsigned long tce_blocks_count(unsigned long ua, unsigned long npages)
{
	return ((ua + (npages << PAGE_SHIFT) - 1) >> TCE_BLOCK_SHIFT) -
		(ua >> TCE_BLOCK_SHIFT) + 1;
}

/* NULL for a contiguous block. Inline, like those below, for MAP and UNMAP of one entry */
static __always_inline struct page **tce_block_pages(unsigned long block)
{
	return block & TCE_BLOCK_PAGES ? (struct page **)(block ^ TCE_BLOCK_PAGES) : NULL;
}

/* The hpa of a byte of @block */
static __always_inline unsigned long tce_block_hpa(unsigned long block, unsigned long ua)
{
	unsigned long offset = ua & (TCE_BLOCK - 1);
	struct page **pages = tce_block_pages(block);

	if (likely(!pages))
		return block + offset;
	return tce_page_hpa(pages[offset >> PAGE_SHIFT]) + offset_in_page(ua);
}

/* How many bytes from @ua on are contiguous for certain: up to the end of the block, or the page */
static inline unsigned long tce_block_rest(unsigned long block, unsigned long ua)
{
	return tce_block_pages(block) ? PAGE_SIZE - offset_in_page(ua) :
					TCE_BLOCK - (ua & (TCE_BLOCK - 1));
}

#endif /* TCE_BLOCK_H */
