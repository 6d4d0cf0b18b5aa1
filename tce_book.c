// SPDX-License-Identifier: GPL-2.0-only
/*
 * The book of a region: its pages are pinned here, and unpinned.
 *
 * Each page is pinned at its own address. As far as pages are contiguous in one folio, all pins
 * but the first are dropped at once. One is enough, because it is a reference to the folio
 * (FOLL_PIN), and the kernel neither frees nor migrates nor splits a folio with an extra
 * reference. The kernel may still split the page-table entry, and the client may unmap a part of
 * the folio, but the pages stay where they are. The dropped pins have shown that the client had
 * all of them.
 *
 * Pinning 512 pages of 4K costs the kernel some 6,000 instructions, even if they are one huge
 * page, and on the hash MMU some kernels never return from pinning the later parts of a private
 * huge page. So the first page of a grain is pinned alone, and whatever its page-table entry maps
 * beyond it is not pinned again.
 *
 * Locks: none. &tce_process.registering keeps others from pinning the same region.
 *
 * Never fails: tce_book_unpin().
 */
#include <linux/hugetlb.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/pte-walk.h>

#include "compat/older.h"
#include "tce_book.h"
#include "tce_page.h"
#include "tce_refusal.h"

/* The end of the part of a region that begins at @ua and is in one grain */
static unsigned long part_end(unsigned long ua, unsigned long end)
{
	return min(end, (ua | (TCE_GRAIN - 1)) + 1);
}

/* Are there @n pages from @page on in its folio? */
static bool folio_has(struct page *page, unsigned long n)
{
	struct folio *folio = page_folio(page);

	return folio_page_idx(folio, page) + n <= folio_nr_pages(folio);
}

/* Are pages contiguous, all in one folio? */
static bool pages_follow(struct page **pages, unsigned long n)
{
	unsigned long hpa = tce_page_hpa(pages[0]), i;

	if (!folio_has(pages[0], n))
		return false;
	for (i = 1; i < n; i++)
		if (tce_page_hpa(pages[i]) != hpa + (i << PAGE_SHIFT))
			return false;
	return true;
}

/*
 * Up to where does one page-table entry map the folio of @page, which is at @ua? The entry must
 * let the client write. @page is pinned, but another thread may have mapped something else since;
 * no entry ever maps parts of two folios.
 *
 * Return: that address, no matter where the region ends; @ua if it does not map the folio.
 */
static unsigned long mapped_end(struct page *page, unsigned long ua)
{
	struct folio *folio = page_folio(page);
	unsigned long flags, before, pfn;
	unsigned int shift = 0;
	pte_t *ptep, entry = __pte(0);

	if (!folio_test_large(folio))
		return ua;
	/* while interrupts are off, the kernel does not free the page table */
	local_irq_save(flags);
	ptep = find_linux_pte(current->mm->pgd, ua, NULL, &shift);
	if (ptep && shift >= TCE_GRAIN_SHIFT)
		entry = READ_ONCE(*ptep);
	local_irq_restore(flags);

	before = (ua & ((1UL << shift) - 1)) >> PAGE_SHIFT;
	pfn = PHYS_PFN(tce_page_hpa(page));
	if (!pte_hw_valid(entry) || !pte_write(entry) ||
	    pte_pfn(entry) + before != pfn)
		return ua;
	/* the hash MMU may have several such entries for a hugetlb page, but never for a part */
	if (folio_test_hugetlb(folio))
		shift = folio_shift(folio);
	before = (ua & ((1UL << shift) - 1)) >> PAGE_SHIFT;
	/* a huge mapping of device memory may consist of smaller folios */
	if (folio_page_idx(folio, page) < before ||
	    !folio_has(pfn_to_page(pfn - before), 1UL << (shift - PAGE_SHIFT)))
		return ua;
	return (ua | ((1UL << shift) - 1)) + 1;
}

/*
 * Is a grain held by the pin of the previous grain, because it continues the same folio?
 * @word is that of the grain, and the previous one is in front of it.
 */
static bool held_before(const unsigned long *word)
{
	unsigned long pfn = PHYS_PFN(word[0]);

	return !tce_book_array(word[0]) && word[0] == word[-1] + TCE_GRAIN &&
	       page_folio(pfn_to_page(pfn)) == page_folio(pfn_to_page(pfn - 1));
}

/*
 * The largest IOMMU page that fits: a hugetlb page, if its part of the region before this grain
 * is contiguous with it. Other large folios don't count, because the kernel may split their
 * page-table entries. The caller checks the alignment of the region.
 */
static unsigned int grain_page_shift(const unsigned long *words,
				     unsigned long i, unsigned long ua,
				     struct folio *folio)
{
	unsigned int shift = folio_shift(folio);

	if (!folio_test_hugetlb(folio) ||
	    (i && !IS_ALIGNED(ua, 1UL << shift) &&
	     words[i] != words[i - 1] + TCE_GRAIN))
		return PAGE_SHIFT;
	return shift;
}

/* Unpin the first @n grains of a region, from the last one on, which an earlier pin may hold. */
static void grains_unpin(unsigned long *words, unsigned long n,
			 unsigned long ua, unsigned long end, bool dirty)
{
	struct page **pages, *page;
	unsigned long at;

	while (n--) {
		at = n ? ((ua >> TCE_GRAIN_SHIFT) + n) << TCE_GRAIN_SHIFT : ua;
		pages = tce_book_array(words[n]);
		if (pages) {
			pages += (at & (TCE_GRAIN - 1)) >> PAGE_SHIFT;
			unpin_user_pages_dirty_lock(pages,
						    (part_end(at, end) - at) >> PAGE_SHIFT,
						    dirty);
			kfree(pages);
		} else if (!n || !held_before(words + n)) {
			page = pfn_to_page(PHYS_PFN(tce_book_hpa(words[n], at)));
			unpin_user_pages_dirty_lock(&page, 1, dirty);
		}
		cond_resched();
	}
}

/*
 * Pin the part of a grain from @ua to @end: all pages, or, with @try, only the first one if its
 * page-table entry maps more. *@known then returns the end of what it maps.
 *
 * Return: 0; -ENOMEM; -EFAULT; -EINTR, and nothing is pinned.
 */
static int grain_pin(struct page **pages, unsigned long ua, unsigned long end,
		     bool try, unsigned long *known)
{
	unsigned long n = (end - ua) >> PAGE_SHIFT, done;
	int rc;

	try = try && n == TCE_GRAIN >> PAGE_SHIFT;
	done = tce_pages_pin(pages, ua, try ? 1 : n, true, &rc);
	if (try && !rc) {
		*known = mapped_end(pages[0], ua);
		if (*known > ua)
			return 0;
		done += tce_pages_pin(pages + 1, ua + PAGE_SIZE, n - 1, true, &rc);
	}
	if (rc)
		tce_pages_unpin(pages, done);
	return rc;
}

/**
 * tce_book_pin() - pin a range of memory, and record its pages
 * @words: room for as many as tce_book_words()
 * @ua: first byte
 * @npages: CPU pages
 * @page_shift: log2 of the smallest page is returned here, of which only those of
 *	hugetlbfs count as larger than PAGE_SIZE
 *
 * Undone by tce_book_unpin(). Context: the owner of the memory; sleeps for as long as the
 * client likes, ends early on SIGKILL.
 *
 * Return: 0; -ENOMEM; -EFAULT; -EINTR.
 */
int tce_book_pin(unsigned long *words, unsigned long ua, unsigned long npages,
		 unsigned int *page_shift)
{
	unsigned long end = ua + (npages << PAGE_SHIFT), at, next, i, n;
	unsigned long room = min(npages, TCE_GRAIN >> PAGE_SHIFT), known = ua;
	struct page **pages = NULL;
	struct folio *folio;
	int rc;

	*page_shift = BITS_PER_LONG;
	for (at = ua, i = 0; at < end; at = next, i++) {
		next = part_end(at, end);
		if (at < known) {
			words[i] = words[i - 1] + TCE_GRAIN;
			continue;
		}
		if (!pages)
			pages = kmalloc_array(room, sizeof(*pages),
					      GFP_KERNEL_ACCOUNT);
		rc = pages ? grain_pin(pages, at, next,
				       !i || !tce_book_array(words[i - 1]),
				       &known) :
			     TCE_REFUSE(BOOKS_MEMORY, ENOMEM);
		if (rc) {
			kfree(pages);
			grains_unpin(words, i, ua, end, false);
			return rc;
		}
		n = at < known ? 1 : (next - at) >> PAGE_SHIFT;
		words[i] = (at & (TCE_GRAIN - 1)) >> PAGE_SHIFT;
		if (!pages_follow(pages, n)) {
			words[i] = (unsigned long)(pages - words[i]) | TCE_BOOK_ARRAY;
			*page_shift = PAGE_SHIFT;
			pages = NULL;
			continue;
		}
		words[i] = tce_page_hpa(pages[0]) - (words[i] << PAGE_SHIFT);
		folio = page_folio(pages[0]);
		*page_shift = min(*page_shift,
				  grain_page_shift(words, i, at, folio));
		n -= !i || !held_before(words + i);
		if (n)
			unpin_user_folio(folio, n);
	}
	kfree(pages);
	return 0;
}

/**
 * tce_book_unpin() - undo tce_book_pin()
 * @words: from there
 * @ua: as there
 * @npages: as there
 * @dirty: some device may have written to it
 *
 * Context: sleeps, but waits for no client.
 */
void tce_book_unpin(unsigned long *words, unsigned long ua,
		    unsigned long npages, bool dirty)
{
	grains_unpin(words, tce_book_words(ua, npages), ua,
		     ua + (npages << PAGE_SHIFT), dirty);
}
