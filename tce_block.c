// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: pins the pages of a range of user memory, and records where they are (tce_block.h).
 *
 * Each page is pinned at its own address, to verify that the client may use it. As far as pages are
 * contiguous in one folio, all pins but the first are dropped at once, because the kernel neither
 * frees nor migrates nor splits a folio with an extra reference (FOLL_PIN), even if the client
 * unmaps a part of it. With 4K pages only one page of a hugetlb page is pinned to begin with,
 * because a hugetlb VMA maps all of it or none.
 *
 * Locks: page faults are taken here, so the caller holds none but &tce_mm.registering.
 *
 * Never fails: tce_blocks_unpin().
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_block.h"
#include "tce_trace.h"

static unsigned long block_end(unsigned long ua, unsigned long end)
{
	return min(end, (ua | (TCE_BLOCK - 1)) + 1);
}

static bool is_contiguous(struct page **pages, unsigned long n, struct folio *folio)
{
	unsigned long first = folio_page_idx(folio, pages[0]), i, differ = 0;

	if (first + n > folio_nr_pages(folio))
		return false;
	/* a tenth of what REGISTER of huge pages costs with pages of 64K */
#pragma GCC unroll 16
	for (i = 0; i < n; i++)
		differ |= (unsigned long)pages[i] ^ (unsigned long)folio_page(folio, first + i);
	return !differ;
}

/* True if the pin of the block before in @folio holds this one, too */
static bool is_held_before(const unsigned long *block, struct folio *folio)
{
	return folio_shift(folio) > TCE_BLOCK_SHIFT && block[0] == block[-1] + TCE_BLOCK &&
	       page_folio(pfn_to_page(PHYS_PFN(block[0]) - 1)) == folio;
}

/*
 * log2 of the largest IOMMU page that fits a block: a hugetlb page, if it is aligned in user space
 * and contiguous with its part in the blocks before. Other large folios don't count, because the
 * kernel may split their page-table entries. The caller checks the alignment of the range.
 */
static unsigned int block_page_shift(const unsigned long *blocks, unsigned long i,
				     unsigned long ua, struct folio *folio)
{
	unsigned int shift = folio_shift(folio);

	/* udmabuf of Linux 6.1 can map single pages of a hugetlb page anywhere */
	if (!folio_test_hugetlb(folio) ||
	    !IS_ALIGNED(blocks[i] - (ua & ~(TCE_BLOCK - 1)), 1UL << shift) ||
	    (i && !IS_ALIGNED(ua, 1UL << shift) && blocks[i] != blocks[i - 1] + TCE_BLOCK))
		return PAGE_SHIFT;
	return shift;
}

/* Backwards, because is_held_before() needs the block before to be pinned */
static void unpin_blocks(unsigned long *blocks, unsigned long n, unsigned long ua,
			 unsigned long end, bool dirty)
{
	unsigned long at, offset;
	struct page **pages, *page;

	while (n--) {
		at = n ? ((ua >> TCE_BLOCK_SHIFT) + n) << TCE_BLOCK_SHIFT : ua;
		offset = at & (TCE_BLOCK - 1);
		pages = tce_block_pages(blocks[n]);
		if (pages) {
			unpin_user_pages_dirty_lock(pages + (offset >> PAGE_SHIFT),
						    (block_end(at, end) - at) >> PAGE_SHIFT,
						    dirty);
			kfree(pages);
		} else {
			page = pfn_to_page(PHYS_PFN(blocks[n] + offset));
			if (!n || !is_held_before(blocks + n, page_folio(page)))
				unpin_user_pages_dirty_lock(&page, 1, dirty);
		}
		cond_resched();
	}
}

/*
 * Pin one page of a hugetlb page that is present, and return its end in user space in @known. The
 * mmap_lock keeps the client from mapping something else there. No page is to be faulted in, as a
 * fault with that lock held would not wait for userfaultfd. (Linux 6.1 with 4K pages faults it in
 * all the same.)
 *
 * Return: 1 if pinned; 0 if it has to be pinned like other memory; -EINTR.
 */
static int pin_hugetlb(struct page **page, unsigned long ua, unsigned long *known)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long got = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, ua);
	if (vma && is_vm_hugetlb_page(vma))
		got = pin_user_pages(ua, 1, FOLL_WRITE | FOLL_LONGTERM | FOLL_NOFAULT, page);
	if (got > 0)
		*known = (ua | (huge_page_size(hstate_vma(vma)) - 1)) + 1;
	mmap_read_unlock(mm);
	return got == -EINTR ? got : max(got, 0L);
}

/*
 * Record the block at @ua, whose first @n pages are pinned. If they are contiguous, all pins but
 * one are dropped, or all if the pin of the block before holds this one too.
 *
 * Return: log2 of the largest IOMMU page that fits; -ENOMEM, with the pages still pinned.
 */
static int record_block(unsigned long *blocks, unsigned long i, unsigned long ua,
			struct page **pages, unsigned long n)
{
	unsigned long skip = (ua & (TCE_BLOCK - 1)) >> PAGE_SHIFT;
	struct folio *folio = page_folio(pages[0]);
	struct page **copy;

	if (!is_contiguous(pages, n, folio)) {
		copy = kmalloc_array(skip + n, sizeof(*copy), GFP_KERNEL_ACCOUNT);
		if (!copy)
			return TCE_REFUSE(-ENOMEM);
		memcpy(copy + skip, pages, n * sizeof(*pages));
		blocks[i] = (unsigned long)copy | TCE_BLOCK_PAGES;
		return PAGE_SHIFT;
	}
	blocks[i] = tce_page_hpa(pages[0]) - (skip << PAGE_SHIFT);
	n -= !i || !is_held_before(blocks + i, folio);
	if (n)
		unpin_user_folio(folio, n);
	return block_page_shift(blocks, i, ua, folio);
}

/*
 * Pin pages from @ua on, at most TCE_PIN_CHUNK, up to the end of a block or of the range, and
 * return their number in @n. For a hugetlb page that may be one; @known then returns its end. On an
 * error no page is pinned.
 */
static int pin_ahead(struct page **pages, unsigned long ua, unsigned long end,
		     unsigned long *n, unsigned long *known)
{
	unsigned long skip = (ua & (TCE_BLOCK - 1)) >> PAGE_SHIFT;
	int rc = 0;

	/* with larger pages, pinning them all costs less than looking up the VMA */
	if (PAGE_SIZE == SZ_4K)
		rc = pin_hugetlb(pages, ua, known);
	*n = max(rc, 0);
	if (rc)
		return min(rc, 0);
	*n = tce_pin_pages(pages, ua, min((end - ua) >> PAGE_SHIFT, TCE_PIN_CHUNK - skip), true,
			   &rc);
	if (rc)
		tce_unpin_pages(pages, *n);
	return rc;
}

/*
 * Pin a range of user memory, and record its blocks, which are tce_blocks_count(). @page_shift
 * returns log2 of the smallest page, where only hugetlb pages count as larger than PAGE_SIZE.
 * Undone by tce_blocks_unpin(). Context: as tce_pin_pages(). Return: 0; -ENOMEM; -EFAULT; -EINTR
 */
int tce_blocks_pin(unsigned long *blocks, unsigned long ua, unsigned long npages,
		   unsigned int *page_shift)
{
	unsigned long end = ua + (npages << PAGE_SHIFT), at, next, i;
	unsigned long known = ua, left = 0, n;
	struct page **pages, **first = NULL;
	int rc = 0;

	pages = kmalloc_array(min(npages, TCE_PIN_CHUNK), sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return TCE_REFUSE(-ENOMEM);
	*page_shift = BITS_PER_LONG;
	for (at = ua, i = 0; at < end; at = next, i++) {
		next = block_end(at, end);
		if (at < known) {
			blocks[i] = blocks[i - 1] + TCE_BLOCK;
			continue;
		}
		if (!left) {
			first = pages;
			rc = pin_ahead(pages, at, end, &left, &known);
			if (rc)
				break;
		}
		n = min((next - at) >> PAGE_SHIFT, left);
		rc = record_block(blocks, i, at, first, n);
		if (rc < 0) {
			tce_unpin_pages(first, left);
			break;
		}
		*page_shift = min_t(unsigned int, *page_shift, rc);
		first += n;
		left -= n;
	}
	kfree(pages);
	if (rc < 0)
		unpin_blocks(blocks, i, ua, end, false);
	return min(rc, 0);
}

/* Undo tce_blocks_pin(). @dirty: a device may have written to the memory. Sleeps. */
void tce_blocks_unpin(unsigned long *blocks, unsigned long ua, unsigned long npages, bool dirty)
{
	unpin_blocks(blocks, tce_blocks_count(ua, npages), ua, ua + (npages << PAGE_SHIFT), dirty);
}
