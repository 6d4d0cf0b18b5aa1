// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hugetlb.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/pte-walk.h>

#include "compat/older.h"
#include "tce_mm.h"
#include "tce_prereg.h"
#include "tce_trace.h"

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

/*
 * Regions: user memory that is pinned before it is mapped (v2). The regions of a process are
 * in a tree, and no two overlap.
 *
 * The kernel has a list of regions, too (mm_iommu_*), in which KVM looks up what a guest maps for
 * a device, and counts the mapping. Each lookup walks that list from end to end, and the kernel
 * pins its regions page by page. So at most TCE_LISTED_MAX regions are put there ("listed"), and
 * only those of a process that may have KVM. Any other region is pinned here, in chunks, and KVM
 * passes mappings of it on to user space, which then calls MAP. What MAP maps is counted here,
 * whether the region is listed or not.
 *
 * A region is released only if nothing maps it. When the process's last container is closed,
 * mappings may still be counted, here or in the kernel's list, because a vCPU that races with
 * another one or with MAP can lose a count. They do not exist any more, unless a bridge did not
 * release a window.
 *
 * Locks: the callers'. The tree is read under &tce_process.map_lock or
 * &tce_process.region_lock, and written under both.
 *
 * Never fails: tce_region_abandon(), tce_region_free(), tce_region_drop().
 */

/* More than a guest's memory comes in, few enough to walk */
#define TCE_LISTED_MAX	256

/**
 * tce_region_first() - the first region that overlaps a range
 * @process: the process, with &tce_process.region_lock held
 * @ua: first byte of the range
 * @end: first byte behind it
 *
 * Return: the region; NULL if there is none.
 */
struct tce_region *tce_region_first(const struct tce_process *process,
				    unsigned long ua, unsigned long end)
{
	struct rb_node *node = process->regions.rb_node;
	struct tce_region *first = NULL;

	lockdep_assert_held(&process->region_lock);
	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region,
						     node);

		if (tce_region_end(region) <= ua) {
			node = node->rb_right;
		} else {
			first = region;
			node = node->rb_left;
		}
	}
	return first && first->ua < end ? first : NULL;
}

/**
 * tce_region_insert() - put a region into the tree
 * @process: the process, with &tce_process.region_lock held
 * @region: overlaps no other
 *
 * Undone by tce_region_release(). Context: sleeps until no MAP and no UNMAP of the
 * process is under way.
 */
void tce_region_insert(struct tce_process *process, struct tce_region *region)
{
	struct rb_node **link = &process->regions.rb_node, *parent = NULL;

	lockdep_assert_held(&process->region_lock);
	down_write(&process->map_lock);
	while (*link) {
		parent = *link;
		if (region->ua < rb_entry(parent, struct tce_region, node)->ua)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&region->node, parent, link);
	rb_insert_color(&region->node, &process->regions);
	up_write(&process->map_lock);
}

/*
 * The hpas of up to @n IOMMU pages that are no smaller than the CPU's, as far as they are in
 * one grain, or of one page if it is no smaller than the grain. Return: their number.
 */
static unsigned long grain_hpas(const struct tce_region *region,
				unsigned long ua, unsigned long n,
				unsigned int shift, unsigned long *hpas)
{
	unsigned long offset = ua & (TCE_GRAIN - 1), word, i;
	struct page **pages;

	n = min(n, max((TCE_GRAIN - offset) >> shift, 1UL));
	word = *tce_region_word(region, ua);
	pages = tce_book_array(word);
	if (pages) {
		pages += offset >> PAGE_SHIFT;
		for (i = 0; i < n; i++)
			hpas[i] = tce_page_hpa(pages[i << (shift - PAGE_SHIFT)]);
	} else {
		for (i = 0, word += offset; i < n; i++, word += 1UL << shift)
			hpas[i] = word;
	}
	return n;
}

/*
 * The hpa of each of @n IOMMU pages that are no smaller than the CPU's. False
 * if one is not aligned: the platform has a BUG_ON() for that.
 */
static bool region_hpas(const struct tce_region *region, unsigned long ua,
			unsigned long n, unsigned int shift,
			unsigned long *hpas)
{
	unsigned long step = 1UL << shift, i, some;

	for (i = 0; i < n; i += some, ua += some << shift) {
		some = 1;
		if (!region->mem)
			some = grain_hpas(region, ua, n - i, shift, hpas + i);
		else if (mm_iommu_ua_to_hpa(region->mem, ua, 0, hpas + i))
			return false;
	}
	for (i = 0; shift > PAGE_SHIFT && i < n; i++)
		if (hpas[i] & (step - 1))
			return false;
	return true;
}

/**
 * tce_region_get() - count some TCEs that map a region, and find its pages
 * @region: the region
 * @ua: where the first TCE's memory is, aligned to the IOMMU page
 * @n: TCEs
 * @shift: log2 of the IOMMU page
 * @hpas: room for @n addresses, which are returned here
 *
 * Undone by tce_region_drop(). Context: atomic. Caller holds &tce_process.map_lock.
 *
 * Return: how many of them are in the region, at least 1; -EINVAL if none is, or if an
 * IOMMU page has no page as large behind it.
 */
long tce_region_get(struct tce_region *region, unsigned long ua,
		    unsigned long n, unsigned int shift, unsigned long *hpas)
{
	unsigned long i, hpa, sub;

	n = min(n, (tce_region_end(region) - ua) >> shift);
	if (!n)
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	tce_region_hold(region, n);
	if (shift >= PAGE_SHIFT) {
		if (region_hpas(region, ua, n, shift, hpas))
			return n;
		tce_region_drop(region, n);
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	}
	for (i = 0; i < n; ) {
		/* the IOMMU pages in one page of the CPU */
		hpa = tce_region_hpa(region, ua);
		sub = (PAGE_SIZE - offset_in_page(ua)) >> shift;
		sub = min(sub, n - i);
		ua += sub << shift;
		for (; sub--; hpa += 1UL << shift)
			hpas[i++] = hpa;
	}
	return n;
}

/* A device may have written to the region: tell the owners of its pages. */
static void region_mark_dirty(struct tce_region *region)
{
	unsigned long i;

	for (i = 0; i < region->npages; i++) {
		unsigned long hpa = tce_region_hpa(region,
					       region->ua + (i << PAGE_SHIFT));
		struct page *page = pfn_to_page(PHYS_PFN(hpa));

		if (hpa && !PageDirty(page))
			set_page_dirty_lock(page);
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
}

/*
 * The largest IOMMU page that fits everywhere: limited by the alignment of
 * the region and, beyond PAGE_SIZE, by its smallest hugetlb page. Other large
 * pages do not count, because they can be split at any time.
 */
static unsigned int region_page_shift(struct tce_region *region)
{
	unsigned int shift = __ffs(region->ua | region->npages << PAGE_SHIFT);
	unsigned long i, hpa = 0;

	if (!region->mem)
		return min(shift, region->page_shift);
	for (i = 0; i < region->npages && shift > PAGE_SHIFT; i++) {
		unsigned long ua = region->ua + (i << PAGE_SHIFT);
		unsigned long before = hpa;
		struct page *head;

		hpa = tce_region_hpa(region, ua);
		head = compound_head(pfn_to_page(PHYS_PFN(hpa)));
		/* as grain_page_shift(): a client may have single pages of a huge one */
		if (!PageHuge(head) ||
		    (i && !IS_ALIGNED(ua, page_size(head)) &&
		     hpa != before + PAGE_SIZE))
			return PAGE_SHIFT;
		shift = min(shift, page_shift(head));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	return shift;
}

/**
 * tce_region_unlist() - take a region off the kernel's list
 * @region: a listed one
 *
 * The kernel would uncharge it by itself, and wait for the process's mmap_lock. Without
 * an mm it does not, and tce_region_free() does.
 *
 * Return: 0; -EBUSY while it is counted as mapped.
 */
int tce_region_unlist(struct tce_region *region)
{
	return mm_iommu_put(NULL, region->mem) == -EBUSY ? -EBUSY : 0;
}

/**
 * tce_region_free() - undo tce_region_create()
 * @region: not in the tree any more, nor in the kernel's list
 * @account: no longer charged for it
 */
void tce_region_free(struct tce_region *region, struct tce_account *account)
{
	if (!region->mem)
		tce_book_unpin(region->words, region->ua, region->npages,
			       region->written);
	tce_account_owe(account, region->npages);
	kvfree(region);
}

/* Some device may still reach the region, so its pages are never freed. */
static void region_keep_pages(const struct tce_region *region)
{
	unsigned long i;

	for (i = 0; i < region->npages; i++) {
		unsigned long hpa = tce_region_hpa(region,
					       region->ua + (i << PAGE_SHIFT));

		if (hpa)
			get_page(pfn_to_page(PHYS_PFN(hpa)));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	tce_account_keep(region->npages);
	pr_warn_ratelimited("%lu pages that a device may still reach are kept for good\n",
			    region->npages);
}

/**
 * tce_region_release() - take a region out of the tree
 * @process: the process, with &tce_process.region_lock held
 * @region: no container has it registered any more
 *
 * For tce_region_free(). Context: as tce_region_insert().
 *
 * Return: 0; -EBUSY while TCEs map it, and nothing is changed.
 */
int tce_region_release(struct tce_process *process, struct tce_region *region)
{
	bool mapped;

	lockdep_assert_held(&process->region_lock);
	down_write(&process->map_lock);
	mapped = atomic64_read(&region->mapped);
	if (!mapped && region->written && region->mem) {
		/* marking sleeps, and removing it from the kernel's list unpins it */
		region->written = false;
		up_write(&process->map_lock);
		region_mark_dirty(region);
		down_write(&process->map_lock);
		/* a MAP that came in between may have been unmapped again */
		mapped = atomic64_read(&region->mapped) || region->written;
	}
	if (!mapped && region->mem)
		mapped = tce_region_unlist(region);
	if (!mapped) {
		rb_erase(&region->node, &process->regions);
		if (region->mem)
			process->listed--;
	}
	up_write(&process->map_lock);
	return mapped ? -EBUSY : 0;
}

/**
 * tce_region_abandon() - release a region, whatever is counted
 * @process: has no v2 window any more; &tce_process.region_lock is held
 * @region: not in the tree any more; it is freed
 * @account: no longer charged for it
 *
 * What a device may still reach stays pinned for good. That takes a bridge that kept a window: all
 * tables in which KVM could map the region were closed and cleared with their windows, so what
 * KVM still counts then are counts that it lost (litmus/kvm-count.litmus). Only in a table that
 * pseries is just creating, perhaps for another process, KVM can have mapped it. So if something is
 * counted, this waits for such a table to be hidden and cleared.
 */
void tce_region_abandon(struct tce_process *process, struct tce_region *region,
			struct tce_account *account)
{
	bool keep = READ_ONCE(process->window_kept);

	lockdep_assert_held(&process->region_lock);
	if (region->mem && region->written)
		region_mark_dirty(region);
	if (keep && atomic64_read(&region->mapped)) {
		region_keep_pages(region);
		keep = false;
	}
	if (region->mem && tce_region_unlist(region)) {
		if (keep)
			region_keep_pages(region);
		down_write(&tce_create_lock);
		do {
			mm_iommu_mapped_dec(region->mem);
			cond_resched();
		} while (tce_region_unlist(region));
		up_write(&tce_create_lock);
	}
	if (region->mem)
		process->listed--;
	tce_region_free(region, account);
}

/**
 * tce_region_listable() - may KVM need the next region?
 * @process: the process, with &tce_process.region_lock held
 *
 * If a process gets KVM later, its earlier regions are not in the list, and its guest's calls
 * for them go to user space.
 *
 * Return: true if the next region is to be listed.
 */
bool tce_region_listable(const struct tce_process *process)
{
	return tce_mm_has_kvm(process->mm) &&
	       process->listed < TCE_LISTED_MAX;
}

/**
 * tce_region_create() - pin a region, which is in no tree yet
 * @process: the process, with &tce_process.registering held
 * @ua: first byte
 * @npages: CPU pages
 * @listable: put it into the kernel's list
 *
 * Charges locked_vm. Undone by tce_region_free(). Context: the owner of the memory;
 * sleeps for as long as the client likes, ends early on SIGKILL.
 *
 * Return: the region; -ENOMEM; -EFAULT; -EINVAL; -EINTR.
 */
struct tce_region *tce_region_create(struct tce_process *process,
				     unsigned long ua, unsigned long npages,
				     bool listable)
{
	unsigned long words = listable ? 0 : tce_book_words(ua, npages);
	struct tce_region *region;
	long rc;

	lockdep_assert_held(&process->registering);
	/* this waits for the process's own mmap_lock, as page faults do */
	rc = tce_account_charge(process->mm, npages);
	if (rc)
		return ERR_PTR(rc);
	region = kvzalloc(struct_size(region, words, words),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!region) {
		rc = TCE_REFUSE(REGION_MEMORY, ENOMEM);
		goto err_uncharge;
	}
	region->ua = ua;
	region->npages = npages;
	INIT_LIST_HEAD(&region->regs);

	if (listable) {
		/* it charges the pages itself */
		account_locked_vm(process->mm, npages, false);
		rc = mm_iommu_new(process->mm, ua, npages, &region->mem);
		/* a short pin is reported as the number of pages */
		if (rc == -EINVAL)
			rc = TCE_REFUSE(KERNEL_LIST_NEW, EINVAL);
		else if (rc)
			rc = tce_pin_errno("KERNEL_LIST_NEW", rc, ua);
	} else {
		rc = tce_book_pin(region->words, ua, npages, &region->page_shift);
	}
	if (rc)
		goto err_free;
	region->page_shift = region_page_shift(region);
	return region;

err_free:
	kvfree(region);
	if (listable)
		return ERR_PTR(rc);
err_uncharge:
	account_locked_vm(process->mm, npages, false);
	return ERR_PTR(rc);
}

/*
 * Registrations: REGISTER and UNREGISTER. All containers of a process share its regions.
 * If two containers register the same range, it is one region with two registrations. Any
 * other overlap is refused.
 *
 * A region is released with its last registration, but only if nothing maps it. UNREGISTER
 * removes the container's own mappings first, and is refused if others are left. Closing a
 * container can't be refused, so regions that other containers still map stay as orphans, pinned
 * and charged, until the process's last container is closed.
 *
 * Locks, in the order in which they are taken:
 *   &tce_process.registering	one REGISTER of a process at a time. It is held while
 *				pages are pinned, for as long as the client likes.
 *				Nothing else takes it.
 *   &tce_process.region_lock	the registrations. Never held in a page fault.
 *   &tce_process.map_lock	the tree of regions; see tce_region.c
 *
 * Never fails: tce_registration_remove_all().
 */

static struct tce_registration *registration_find(struct tce_registered *registered,
						  struct tce_region *region)
{
	struct tce_registration *reg;

	list_for_each_entry(reg, &region->regs, in_region)
		if (reg->of == registered)
			return reg;
	return NULL;
}

static void registration_add(struct tce_registration *reg,
			     struct tce_region *region)
{
	struct tce_registered *registered = reg->of;

	lockdep_assert_held(&registered->process->region_lock);
	reg->region = region;
	list_add(&reg->in_registered, &registered->regs);
	list_add(&reg->in_region, &region->regs);
}

/*
 * Find the region of a range, if it exists. Orphans in the range are released if nothing maps
 * them, because their pages may no longer be those at these addresses.
 *
 * Return: the region, to be shared; NULL if there is none; -EINVAL; -EBUSY.
 */
static struct tce_region *region_share(struct tce_registered *registered,
				       unsigned long ua, unsigned long npages)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);
	struct tce_process *process = registered->process;
	struct tce_region *region;

	lockdep_assert_held(&process->region_lock);
	if (registered->closed)
		return ERR_PTR(TCE_REFUSE(CONTAINER_GONE, EINVAL));
	/* nothing is released if one is registered */
	for (region = tce_region_first(process, ua, end);
	     region && region->ua < end;
	     region = rb_entry_safe(rb_next(&region->node), struct tce_region,
				    node)) {
		if (list_empty(&region->regs))
			continue;
		if (region->ua != ua || region->npages != npages)
			return ERR_PTR(TCE_REFUSE_VALUE(OVERLAPS, EINVAL,
							region->ua));
		if (registration_find(registered, region))
			return ERR_PTR(TCE_REFUSE_VALUE(REGISTERED_ALREADY,
							EBUSY, ua));
		return region;
	}
	while ((region = tce_region_first(process, ua, end))) {
		if (tce_region_release(process, region))
			return ERR_PTR(TCE_REFUSE_VALUE(OVERLAPS_MAPPED, EBUSY,
							region->ua));
		tce_region_free(region, registered->account);
	}
	return NULL;
}

/* Release all regions if the process has no open container. @closed: see tce_process_take_last() */
static void abandon_last(struct tce_registered *registered, int closed)
{
	struct tce_process *process = registered->process;
	struct tce_region *region, *next;
	struct rb_root regions;

	mutex_lock(&process->region_lock);
	regions = tce_process_take_last(process, closed);
	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		tce_region_abandon(process, region, registered->account);
	mutex_unlock(&process->region_lock);
}

/* REGISTER of what no container has. Return: as tce_registration_add() */
static int register_new(struct tce_registration *reg, unsigned long ua,
			unsigned long npages, bool listable)
{
	struct tce_registered *registered = reg->of;
	struct tce_process *process = registered->process;
	struct tce_region *region;
	bool orphan = false;
	int rc;

	/* as long as the client likes */
	region = tce_region_create(process, ua, npages, listable);
	rc = PTR_ERR_OR_ZERO(region);

	mutex_lock(&process->region_lock);
	if (listable && rc)
		process->listed--;
	if (!rc && registered->closed) {
		rc = TCE_REFUSE(CONTAINER_GONE, EINVAL);
		/* KVM may have found it in the kernel's list, and mapped it */
		orphan = region->mem && tce_region_unlist(region);
		if (region->mem && !orphan)
			process->listed--;
	}
	if (!rc || orphan)
		tce_region_insert(process, region);
	if (!rc)
		registration_add(reg, region);
	mutex_unlock(&process->region_lock);

	if (orphan)
		abandon_last(registered, 0);
	else if (rc && !IS_ERR(region))
		tce_region_free(region, registered->account);
	return rc;
}

/* Can this be registered at all? Return: 0; -EINVAL; -EFAULT; -ENOMEM */
static int range_check(const struct tce_process *process, unsigned long ua,
		       unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT;

	if (!size)
		return TCE_REFUSE(REGION_EMPTY, EINVAL);
	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(REGION_MISALIGNED, EINVAL);
	if (ua + size - 1 < ua)
		return TCE_REFUSE(REGION_WRAPS, EINVAL);
	/* the cookie of address 0 would say that nothing is mapped */
	if (!ua)
		return TCE_REFUSE(REGION_AT_ZERO, EFAULT);
	if (!access_ok((void __user *)ua, size))
		return TCE_REFUSE(NOT_USER_MEMORY, EFAULT);
	/* a process can map more device memory than the host has RAM, but not register a hole */
	if (npages > totalram_pages() &&
	    npages > READ_ONCE(process->mm->total_vm))
		return TCE_REFUSE(MORE_THAN_MAPPED, ENOMEM);
	/* kvmalloc() has a limit of INT_MAX, and older kernels warn */
	if (tce_book_words(ua, npages) >= SZ_128M)
		return TCE_REFUSE(MORE_THAN_BOOKS, ENOMEM);
	return 0;
}

/**
 * tce_registration_add() - pin a range of memory for DMA
 * @registered: of a bound container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Charges locked_vm. The same range registered by another container of the process is
 * shared and costs nothing. Undone by tce_registration_remove() and by
 * tce_registration_remove_all().
 * Context: the owner of the memory; sleeps, ends early on SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region, or if the
 * container is closed; -EBUSY if this container has it already, or if it overlaps what a
 * closed container has left mapped in another; -ENOMEM if out of memory or over RLIMIT_MEMLOCK;
 * -EFAULT if the range is not all writable memory that can be pinned, or begins at
 * address 0; -EINTR.
 */
int tce_registration_add(struct tce_registered *registered, unsigned long ua,
			 unsigned long size)
{
	struct tce_process *process = registered->process;
	unsigned long npages = size >> PAGE_SHIFT;
	struct tce_registration *reg;
	struct tce_region *region;
	bool listable;
	int rc;

	rc = range_check(process, ua, size);
	if (rc)
		return rc;
	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg)
		return TCE_REFUSE(REGISTRATION_MEMORY, ENOMEM);
	reg->of = registered;

	rc = mutex_lock_killable(&process->registering);
	if (rc)
		goto err_free;
	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		goto err_unlock;
	region = region_share(registered, ua, npages);
	listable = !region && tce_region_listable(process);
	process->listed += listable;
	if (!IS_ERR_OR_NULL(region))
		registration_add(reg, region);
	mutex_unlock(&process->region_lock);

	/* orphans that were released must not count against the limit */
	tce_account_settle(registered->account);
	rc = PTR_ERR_OR_ZERO(region);
	if (!region)
		rc = register_new(reg, ua, npages, listable);
	if (rc)
		goto err_unlock;
	mutex_unlock(&process->registering);
	return 0;

err_unlock:
	mutex_unlock(&process->registering);
err_free:
	kfree(reg);
	return rc;
}

/**
 * tce_registration_remove() - undo tce_registration_add()
 * @registered: of a bound container
 * @ua: start, as registered
 * @size: bytes, as registered
 * @unmap: is called to remove the container's mappings of the region, if it is mapped and no
 *	other container has registered it
 *
 * The kernel's own driver returns 0 for memory that is mapped, and QEMU and DPDK rely on that:
 * they later register whatever is mapped at the same address. So the mappings are removed as
 * well, with &tce_process.region_lock held, so that no other thread can register other memory
 * at the address meanwhile.
 *
 * Context: process; sleeps.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has no region
 * of exactly these bounds; -EBUSY if it is mapped elsewhere; -EINTR.
 */
int tce_registration_remove(struct tce_registered *registered, unsigned long ua,
			    unsigned long size,
			    int (*unmap)(struct tce_registered *registered,
					 const struct tce_region *region))
{
	struct tce_process *process = registered->process;
	struct tce_region *region, *released = NULL;
	struct tce_registration *reg = NULL;
	int rc;

	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(REGION_MISALIGNED, EINVAL);

	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		return rc;

	region = registered->closed ? NULL : tce_region_find(process, ua);
	if (region && region->ua == ua && region->npages == size >> PAGE_SHIFT)
		reg = registration_find(registered, region);
	if (!reg) {
		rc = TCE_REFUSE(NO_SUCH_REGION, ENOENT);
		goto out_unlock;
	}

	if (list_is_singular(&region->regs)) {
		rc = tce_region_release(process, region);
		if (rc) {
			rc = unmap(registered, region);
			if (!rc && tce_region_release(process, region))
				rc = TCE_REFUSE(REGION_MAPPED, EBUSY);
		}
		if (rc)
			goto out_unlock;
		released = region;
	} else {
		list_del(&reg->in_region);
	}
	list_del(&reg->in_registered);
	kfree(reg);

out_unlock:
	mutex_unlock(&process->region_lock);
	if (released)
		tce_region_free(released, registered->account);
	return rc;
}

/**
 * tce_registration_remove_all() - give up all registrations of a container
 * @registered: of a bound container, none of whose windows is left
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory. Never
 * fails: regions that other containers map stay until the last of them is closed. A
 * REGISTER that is under way undoes itself when it has its pages.
 */
void tce_registration_remove_all(struct tce_registered *registered)
{
	struct tce_process *process = registered->process;
	struct tce_registration *reg, *next;
	struct tce_region *region;

	mutex_lock(&process->region_lock);
	registered->closed = true;
	list_for_each_entry_safe(reg, next, &registered->regs, in_registered) {
		region = reg->region;
		list_del(&reg->in_region);
		kfree(reg);
		if (list_empty(&region->regs) &&
		    !tce_region_release(process, region))
			tce_region_free(region, registered->account);
		cond_resched();
	}
	INIT_LIST_HEAD(&registered->regs);
	mutex_unlock(&process->region_lock);
	abandon_last(registered, 1);
}
