// SPDX-License-Identifier: GPL-2.0-only
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
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tce_account.h"
#include "tce_book.h"
#include "tce_page.h"
#include "tce_refusal.h"
#include "tce_region.h"

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
