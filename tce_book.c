// SPDX-License-Identifier: GPL-2.0-only
/*
 * The book of a region: its pages are pinned here, and let go.
 *
 * A large folio is neither split nor freed nor moved while it has a pin. So one pin holds
 * all of a huge page. But which part of it does the client see? A page of each grain is
 * pinned first, while no lock is held, since a client may let a page fault take as long as
 * it likes. Then one entry of its page table is looked at. If it maps a part of the pinned
 * folio as a huge page, the client sees all that the entry maps, in that instant. If it
 * does not, whatever the reason, the pages of that grain are pinned one by one.
 * Documentation/design.rst says why nothing else would do.
 *
 * Locks: none. &tce_process.registering keeps others from pinning the same region.
 *
 * Never fails: tce_book_unpin(), tce_book_hpas().
 */
#include <linux/hugetlb.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <asm/pte-walk.h>

#include "compat/older.h"
#include "tce_book.h"
#include "tce_page.h"
#include "tce_refusal.h"

/* No huge page is smaller */
#define TCE_HUGE_MIN	((unsigned long)SZ_2M)

/* Places of a region that are looked at for a huge page */
#define TCE_BOOK_PROBES	4UL

/* Grains between two looks at whether somebody else should run, or we be killed */
#define TCE_BOOK_CHUNK	64UL

/* kvmalloc() would be of no use: it has a limit, of 2^28 pages. */
static struct page **pages_alloc(unsigned long npages)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	size_t size = npages * sizeof(struct page *);

	return size > PAGE_SIZE ? __vmalloc(size, gfp) : kmalloc(size, gfp);
}

static void pages_unpin(struct page **pages, unsigned long npages, bool dirty)
{
	unsigned long i, n;

	for (i = 0; i < npages; i += n) {
		n = min_t(unsigned long, npages - i, TCE_PIN_CHUNK);
		unpin_user_pages_dirty_lock(pages + i, n, dirty);
		cond_resched();
	}
}

/*
 * Pin all pages of a range, or none.
 *
 * Return: 0; -ENOMEM; -EFAULT; -EINTR, with how far it came in *@stop.
 */
static int pages_pin(struct page **pages, unsigned long ua,
		     unsigned long npages, u64 *stop)
{
	unsigned long done = 0, n;
	int got;

	while (done < npages) {
		n = min_t(unsigned long, TCE_PIN_CHUNK, npages - done);
		/* pages that are there are pinned without a look at signals */
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_user_pages_fast(ua + (done << PAGE_SHIFT), n,
					  FOLL_WRITE | FOLL_LONGTERM,
					  pages + done);
		if (got <= 0) {
			pages_unpin(pages, done, false);
			*stop = ua + (done << PAGE_SHIFT);
			return tce_pin_errno("PIN", got, ua + (done << PAGE_SHIFT));
		}
		done += got;
		if (n > 1)
			cond_resched();
	}
	return 0;
}

/* pages_pin() of a single page: of huge ones each call counts. */
static int page_pin(struct page **page, unsigned long ua, u64 *stop)
{
	int got = pin_user_pages_fast(ua, 1, FOLL_WRITE | FOLL_LONGTERM, page);

	if (likely(got == 1))
		return 0;
	*stop = ua;
	return tce_pin_errno("PIN", got, ua);
}

/* The entry of the page table that maps a huge page at @ua; one of 0 if none does */
static pte_t huge_entry(unsigned long ua, unsigned int *shift)
{
	pte_t entry = __pte(0), *ptep;
	unsigned long flags;

	/* the kernel frees no page table that a CPU may look at so */
	local_irq_save(flags);
	ptep = find_linux_pte(current->mm->pgd, ua, NULL, shift);
	if (ptep && *shift)
		entry = READ_ONCE(*ptep);
	local_irq_restore(flags);
	return entry;
}

/*
 * How large is the page, around @ua and aligned, that the client has and may write to? It
 * has to be of @folio, which is pinned.
 *
 * Return: log2 of it, and in *@index the number of the folio's page that is at @ua;
 * PAGE_SHIFT if no more is known.
 */
static unsigned int mapped_shift(struct folio *folio, unsigned long ua,
				 unsigned long *index)
{
	unsigned int shift = 0;
	unsigned long before;
	pte_t entry;

	if (!folio_test_large(folio))
		return PAGE_SHIFT;
	entry = huge_entry(ua, &shift);
	/* another thread may have put there what is no page, as a page table */
	if (!pte_hw_valid(entry) || !pte_write(entry))
		return PAGE_SHIFT;
	before = (ua & ((1UL << shift) - 1)) >> PAGE_SHIFT;
	*index = pte_pfn(entry) + before - folio_pfn(folio);
	if (*index >= folio_nr_pages(folio))
		return PAGE_SHIFT;

	/* the hash MMU may have several entries for one page of hugetlbfs, but never for a part */
	if (folio_test_hugetlb(folio)) {
		shift = folio_shift(folio);
		before = (ua & ((1UL << shift) - 1)) >> PAGE_SHIFT;
		return *index == before ? shift : PAGE_SHIFT;
	}
	/* pages of devices may be mapped as huge, and be single */
	if (*index < before ||
	    *index - before + (1UL << (shift - PAGE_SHIFT)) > folio_nr_pages(folio))
		return PAGE_SHIFT;
	return shift;
}

/*
 * The first huge page that is found at some places of a region that has room for one.
 *
 * Return: log2 of it; -ENOMEM; -EFAULT; -EINTR.
 */
static int book_probe(unsigned long ua, unsigned long npages, u64 *stop)
{
	unsigned long end = ua + (npages << PAGE_SHIFT), n, places, i, at;
	unsigned long first = round_up(ua, TCE_HUGE_MIN);
	unsigned int shift = PAGE_SHIFT;
	unsigned long index;
	struct page *page;
	int rc;

	n = end > first ? (end - first) / TCE_HUGE_MIN : 0;
	places = min(n, TCE_BOOK_PROBES);
	for (i = 0; i < places && shift == PAGE_SHIFT; i++) {
		at = first + n * i / places * TCE_HUGE_MIN;
		rc = page_pin(&page, at, stop);
		if (rc)
			return rc;
		shift = mapped_shift(page_folio(page), at, &index);
		unpin_user_page(page);
	}
	return shift;
}

/* How many words a book has */
static unsigned long words_of(const struct tce_book *book, unsigned long ua,
			      unsigned long end)
{
	return ((end - 1) >> book->grain) - (ua >> book->grain) + 1;
}

/* The page of a grain that has @ua */
static unsigned long page_of(const struct tce_book *book, unsigned long ua)
{
	return (ua & book->mask) >> PAGE_SHIFT;
}

/* The end of the part of a region that a word stands for, which begins at @ua */
static unsigned long part_end(const struct tce_book *book, unsigned long ua,
			      unsigned long end)
{
	return min(end, (ua | book->mask) + 1);
}

/* Pin the grain that has @ua, page by page. Return: 0; -ENOMEM; -EFAULT; -EINTR */
static int array_pin(struct tce_book *book, unsigned long ua, unsigned long end,
		     u64 *stop)
{
	unsigned long npages = (part_end(book, ua, end) - ua) >> PAGE_SHIFT;
	struct page **array = pages_alloc(npages);
	int rc;

	if (!array)
		return TCE_REFUSE(BOOKS_MEMORY, ENOMEM);
	rc = pages_pin(array, ua, npages, stop);
	if (rc) {
		kvfree(array);
		return rc;
	}
	array -= page_of(book, ua);
	book->page_shift = PAGE_SHIFT;
	book->at[ua >> book->grain] =
		(struct page *)((unsigned long)array | TCE_BOOK_ARRAY);
	return 0;
}

/* Undo array_pin(). */
static void array_unpin(struct tce_book *book, unsigned long ua, unsigned long end,
			bool dirty)
{
	struct page **array = tce_book_array(book->at[ua >> book->grain]);

	array += page_of(book, ua);
	pages_unpin(array, (part_end(book, ua, end) - ua) >> PAGE_SHIFT, dirty);
	kvfree(array);
}

/*
 * Pin a page of each of @n grains, the first of which has @ua. Two pages cost hardly more
 * than one if a single call pins them. So the last page of a grain and the first of the
 * next one are pinned together.
 *
 * Return: how many have a pin, which their words have; fewer if *@rc is -ENOMEM, -EFAULT
 * or -EINTR.
 */
static unsigned long grains_pin(struct tce_book *book, unsigned long ua,
				unsigned long n, int *rc, u64 *stop)
{
	struct page **words = book->at + (ua >> book->grain);
	unsigned long i, next;
	int got;

	for (i = 0; i < n; i += got) {
		next = (ua | book->mask) + 1;
		got = pin_user_pages_fast(i + 1 < n ? next - PAGE_SIZE : ua,
					  i + 1 < n ? 2 : 1,
					  FOLL_WRITE | FOLL_LONGTERM, words + i);
		if (unlikely(got <= 0)) {
			*stop = ua;
			*rc = tce_pin_errno("PIN", got, ua);
			break;
		}
		ua = next + (got - 1) * (book->mask + 1);
	}
	return i;
}

/*
 * Of @n grains, the first of which has @ua, and of each of which a page is pinned: how
 * many are whole huge pages? This is mapped_shift() for the usual case. The entries of
 * many grains lie side by side. Each has to map all of the pinned folio, and nothing else.
 *
 * Return: how many, up to the first that is not known to be one.
 */
static unsigned long grains_look(struct tce_book *book, unsigned long ua,
				 unsigned long n)
{
	struct page **words = book->at + (ua >> book->grain);
	unsigned long i, flags;
	unsigned int shift;
	pte_t *ptep, entry;

	BUILD_BUG_ON(sizeof(pte_t) != sizeof(pmd_t));
	if (book->grain != PMD_SHIFT)
		return 0;
	/* the entries of one page table */
	n = min(n, ((ua | ~PUD_MASK) >> PMD_SHIFT) - (ua >> PMD_SHIFT) + 1);
	/* as in huge_entry() */
	local_irq_save(flags);
	ptep = find_linux_pte(current->mm->pgd, ua, NULL, &shift);
	if (!ptep || shift != PMD_SHIFT)
		n = 0;
	for (i = 0; i < n; i++) {
		struct folio *folio = page_folio(words[i]);

		entry = READ_ONCE(ptep[i]);
		if (!pte_hw_valid(entry) || !pte_write(entry) ||
		    folio_shift(folio) != shift ||
		    pte_pfn(entry) != folio_pfn(folio))
			break;
		words[i] = folio_page(folio, 0);
		if (!folio_test_hugetlb(folio))
			book->page_shift = PAGE_SHIFT;
	}
	local_irq_restore(flags);
	if (i && book->page_shift > PMD_SHIFT)
		book->page_shift = PMD_SHIFT;
	return i;
}

/*
 * Find out what the grain is that has @ua, and of which a page is pinned: a part of a huge
 * page, or single pages. Those are pinned.
 *
 * Return: 0; log2 of a huge page that is there and is smaller; -ENOMEM; -EFAULT; -EINTR.
 */
static int grain_settle(struct tce_book *book, unsigned long ua, unsigned long end,
			u64 *stop)
{
	struct page **word = book->at + (ua >> book->grain), *page = *word;
	struct folio *folio = page_folio(page);
	unsigned long index;
	unsigned int shift;
	int rc;

	shift = mapped_shift(folio, ua, &index);
	if (shift >= book->grain) {
		*word = folio_page(folio, index - page_of(book, ua));
		if (!folio_test_hugetlb(folio))
			shift = PAGE_SHIFT;
		if (shift < book->page_shift)
			book->page_shift = shift;
		return 0;
	}
	if (shift > PAGE_SHIFT)
		return shift;
	rc = array_pin(book, ua, end, stop);
	if (!rc)
		unpin_user_page(page);
	return rc;
}

/*
 * Pin *@n grains, the first of which has @ua.
 *
 * Return: as grain_settle(), and how many words have pins in *@n.
 */
static int grains_fill(struct tce_book *book, unsigned long ua, unsigned long end,
		       unsigned long *n, u64 *stop)
{
	unsigned long i = 0, first = ua;
	int rc = 0;

	*n = grains_pin(book, ua, *n, &rc, stop);
	while (!rc) {
		i += grains_look(book, ua, *n - i);
		if (i == *n)
			break;
		ua = max(first, ((first >> book->grain) + i++) << book->grain);
		rc = grain_settle(book, ua, end, stop);
		ua = (ua | book->mask) + 1;
	}
	return rc;
}

/* Let go of the first @n words, and of the book. */
static void words_unpin(struct tce_book *book, unsigned long n, unsigned long ua,
			unsigned long end, bool dirty)
{
	unsigned long i, first = 0;

	for (i = 0; book->grain > PAGE_SHIFT && i < n; i++) {
		if (tce_book_array(book->pages[i])) {
			pages_unpin(book->pages + first, i - first, dirty);
			array_unpin(book, ua, end, dirty);
			first = i + 1;
		} else if (i - first == TCE_PIN_CHUNK) {
			pages_unpin(book->pages + first, i - first, dirty);
			first = i;
		}
		ua = (ua | book->mask) + 1;
	}
	pages_unpin(book->pages + first, n - first, dirty);
	if (book->pages != &book->one)
		kvfree(book->pages);
}

/*
 * Pin all, page by page. If that is a part of a huge page, it is worth to begin again only
 * for pages of hugetlbfs: larger IOMMU pages can map these.
 *
 * Return: as grain_settle().
 */
static int book_fill_pages(struct tce_book *book, unsigned long ua,
			   unsigned long end, u64 *stop)
{
	unsigned long n = (end - ua) >> PAGE_SHIFT;
	int rc = pages_pin(book->pages, ua, n, stop);
	unsigned long index;

	book->page_shift = PAGE_SHIFT;
	if (!rc && n > 1 && PageHuge(book->pages[0])) {
		rc = mapped_shift(page_folio(book->pages[0]), ua, &index);
		if (rc == PAGE_SHIFT)
			return 0;
		pages_unpin(book->pages, n, false);
	}
	if (rc)
		words_unpin(book, 0, ua, end, false);
	return rc;
}

/* Pin all, with grains of 2^@grain. Return: as grain_settle() */
static int book_fill(struct tce_book *book, unsigned long ua, unsigned long end,
		     unsigned int grain, u64 *stop)
{
	unsigned long at = ua, n, i, some;
	int rc;

	book->grain = grain;
	book->mask = (1UL << grain) - 1;
	book->page_shift = BITS_PER_LONG;
	book->pages = &book->one;
	n = words_of(book, ua, end);
	if (n > 1)
		book->pages = pages_alloc(n);
	if (!book->pages)
		return TCE_REFUSE(BOOKS_MEMORY, ENOMEM);
	book->at = book->pages - (ua >> grain);

	if (grain == PAGE_SHIFT)
		return book_fill_pages(book, ua, end, stop);
	for (i = 0; i < n; i += some) {
		cond_resched();
		some = fatal_signal_pending(current) ? 0 : min(n - i, TCE_BOOK_CHUNK);
		rc = some ? grains_fill(book, at, end, &some, stop) : -EINTR;
		if (rc) {
			words_unpin(book, i + some, ua, end, false);
			return rc;
		}
		at = ((at >> grain) + some) << grain;
	}
	return 0;
}

/**
 * tce_book_pin() - pin a range of memory, and write down its pages
 * @book: not used yet
 * @ua: first byte
 * @npages: CPU pages
 * @stop: a page that can't be pinned is returned here
 *
 * Undone by tce_book_unpin(). Context: the owner of the memory; sleeps for as long as he
 * likes, ends early on SIGKILL.
 *
 * Return: 0; -ENOMEM; -EFAULT; -EINTR.
 */
int tce_book_pin(struct tce_book *book, unsigned long ua, unsigned long npages,
		 u64 *stop)
{
	int rc = book_probe(ua, npages, stop);

	/* again, with smaller grains, while there is a smaller huge page */
	while (rc > 0)
		rc = book_fill(book, ua, ua + (npages << PAGE_SHIFT), rc,
			       stop);
	return rc;
}

/**
 * tce_book_unpin() - undo tce_book_pin()
 * @book: the book
 * @ua: as there
 * @npages: as there
 * @dirty: some device may have written to it
 *
 * Context: sleeps, but waits for no client.
 */
void tce_book_unpin(struct tce_book *book, unsigned long ua,
		    unsigned long npages, bool dirty)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);

	words_unpin(book, words_of(book, ua, end), ua, end, dirty);
}

/* Where @n IOMMU pages of a grain are, which is larger than they are. */
static void grain_hpas(const struct tce_book *book, unsigned long ua,
		       unsigned long n, unsigned int shift, unsigned long *hpas)
{
	struct page **array = tce_book_array(book->at[ua >> book->grain]);
	unsigned long hpa, step = 1UL << shift, *end = hpas + n;

	if (array) {
		array += page_of(book, ua);
		for (; hpas < end; array += step >> PAGE_SHIFT)
			*hpas++ = tce_page_hpa(*array);
		return;
	}
	for (hpa = tce_book_hpa(book, ua); hpas < end; hpa += step)
		*hpas++ = hpa;
}

/**
 * tce_book_hpas() - where IOMMU pages are that are no smaller than the CPU's
 * @book: the book of the region that has them
 * @ua: of the first
 * @n: how many
 * @shift: log2 of one, no more than &tce_book.page_shift
 * @hpas: room for @n addresses, which are returned here
 *
 * Context: any.
 */
void tce_book_hpas(const struct tce_book *book, unsigned long ua,
		   unsigned long n, unsigned int shift, unsigned long *hpas)
{
	struct page **page = book->at + (ua >> book->grain);
	unsigned long *end = hpas + n, step, some;

	if (shift >= book->grain) {
		step = 1UL << (shift - book->grain);
		for (; hpas < end; page += step)
			*hpas++ = tce_page_hpa(*page);
		return;
	}
	for (; hpas < end; hpas += some) {
		some = (book->mask + 1 - (ua & book->mask)) >> shift;
		some = min_t(unsigned long, some, end - hpas);
		grain_hpas(book, ua, some, shift, hpas);
		ua += some << shift;
	}
}
