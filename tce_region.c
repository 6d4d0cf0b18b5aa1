// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: memory that REGISTER of v2 pins and charges before it can be mapped.
 *
 * The containers of an mm share its regions. If two of them register the same range there is one
 * region with two references; any other overlap is refused. A region lives like this:
 *
 *	     REGISTER
 *	         v         close, while other containers map it
 *	     referenced ----------------------------------------> orphan
 *	         | UNREGISTER or close,                              | REGISTER of its address,
 *	         | and no TCE maps it                                | and no TCE maps it
 *	         v                                                   |
 *	       freed <-----------------------------------------------+
 *
 * UNREGISTER removes the container's own mappings first, and is refused if others are left, which a
 * close can't be: so there are orphans, which stay pinned and charged. When the last container of
 * the mm is closed no window is left, and all regions go. Mappings may still be counted then,
 * because a vCPU that races with another one or with MAP can lose a count:
 *
 *	     referenced, orphan --> draining, while KVM counts mappings --> freed
 *	                       \-> leaked, if a bridge did not release a window
 *
 * KVM has a list of its own (mm_iommu), in which it looks up what a guest maps for a device, and
 * counts the mapping. Each look-up walks that list, and the kernel pins what is in it page by page.
 * So at most TCE_LISTED_MAX ranges are put there, and only those of a process that may have KVM.
 * All others are pinned here, and KVM leaves mappings of them to user space, which then calls MAP.
 * What MAP maps is counted here, wherever the range is.
 *
 * Each page is pinned at its own address, to verify that the client may use it. As far as pages are
 * contiguous in one folio, all pins but the first are dropped at once. One is enough, because it
 * is a reference to the folio (FOLL_PIN), and the kernel neither frees nor migrates nor splits a
 * folio with an extra reference. The client may unmap a part of the folio, but the pages stay
 * where they are. Of a hugetlb page only one page is pinned to begin with, because a hugetlb VMA
 * maps all of it or nothing.
 *
 * Locks: those of struct tce_mm, and tce_create_lock; tce_container.c has their order. Only
 * REGISTER takes &tce_mm.registering, and holds it while pages are pinned, for as long as the
 * client likes. &tce_mm.region_lock, which guards the references, is never held in a page fault.
 * The tree is read with that or &tce_mm.map_lock held, and changed with both.
 *
 * Never fails: tce_region_close(), tce_region_drain().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat/older.h"
#include "tce_region.h"
#include "tce_trace.h"

/* Ranges in KVM's list: more than a guest's memory comes in, few enough to walk */
#define TCE_LISTED_MAX	256

/* Counts of KVM to take back with tce_create_lock held: a few milliseconds at most */
#define TCE_DRAIN_CHUNK	BIT(16)

/* Chunks in one go: with only one, vCPUs could raise counts faster than they are taken back */
#define TCE_DRAIN_CHUNKS	8

DECLARE_RWSEM(tce_create_lock);

/* Where the block that has @ua ends, or the range does */
static unsigned long block_end(unsigned long ua, unsigned long end)
{
	return min(end, (ua | (TCE_BLOCK - 1)) + 1);
}

/* How many blocks have a part of a range of at least one page? */
static unsigned long count_blocks(unsigned long ua, unsigned long npages)
{
	return ((ua + (npages << PAGE_SHIFT) - 1) >> TCE_BLOCK_SHIFT) -
		(ua >> TCE_BLOCK_SHIFT) + 1;
}

/* Do @n pages, of which @folio has the first, follow each other in it? */
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

/* Does the pin of the block before hold this one too, which continues it in the same @folio? */
static bool is_held_before(const unsigned long *block, struct folio *folio)
{
	return folio_shift(folio) > TCE_BLOCK_SHIFT && block[0] == block[-1] + TCE_BLOCK &&
	       page_folio(pfn_to_page(PHYS_PFN(block[0]) - 1)) == folio;
}

/*
 * The largest IOMMU page that fits a block: a hugetlb page, if it is aligned in user space, and the
 * part of it in the blocks before is contiguous with this one. Other large folios don't count,
 * because the kernel may split their page-table entries. The caller checks the alignment of the
 * range.
 */
static unsigned int block_page_shift(const unsigned long *blocks, unsigned long i,
				     unsigned long ua, struct folio *folio)
{
	unsigned int shift = folio_shift(folio);

	/* with udmabuf of Linux 6.1, a client may have single pages of a huge one, anywhere */
	if (!folio_test_hugetlb(folio) ||
	    !IS_ALIGNED(blocks[i] - (ua & ~(TCE_BLOCK - 1)), 1UL << shift) ||
	    (i && !IS_ALIGNED(ua, 1UL << shift) && blocks[i] != blocks[i - 1] + TCE_BLOCK))
		return PAGE_SHIFT;
	return shift;
}

/* Unpin the first @n blocks of a range, from the last one on, which an earlier pin may hold. */
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
			pages += offset >> PAGE_SHIFT;
			unpin_user_pages_dirty_lock(pages, (block_end(at, end) - at) >> PAGE_SHIFT,
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
 * Pin one page of a hugetlb page that is there, and return in @known where that ends in user space.
 * The mmap_lock keeps the client from mapping something else there meanwhile. Nothing is faulted in
 * while it is held, because userfaultfd would not be waited for.
 *
 * Return: 1 if it is pinned; 0 if it has to be pinned as other memory is; -EINTR.
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
 * Record the pages of a block, of which the first @n are pinned, and which begins at @ua. If they
 * are contiguous, all pins but one are dropped, or all of them if the block before has one.
 *
 * Return: log2 of the largest IOMMU page that fits; -ENOMEM, and they are still pinned.
 */
static int record_block(unsigned long *blocks, unsigned long i, unsigned long ua,
			struct page **pages, unsigned long n)
{
	unsigned long skip = (ua & (TCE_BLOCK - 1)) >> PAGE_SHIFT;
	struct folio *folio = page_folio(pages[0]);

	if (!is_contiguous(pages, n, folio)) {
		pages = kmemdup(pages, n * sizeof(*pages), GFP_KERNEL_ACCOUNT);
		if (!pages)
			return TCE_REFUSE(-ENOMEM);
		blocks[i] = (unsigned long)(pages - skip) | TCE_BLOCK_PAGES;
		return PAGE_SHIFT;
	}
	blocks[i] = tce_page_hpa(pages[0]) - (skip << PAGE_SHIFT);
	n -= !i || !is_held_before(blocks + i, folio);
	if (n)
		unpin_user_folio(folio, n);
	return block_page_shift(blocks, i, ua, folio);
}

/*
 * Pin pages from @ua on, at most TCE_PIN_CHUNK, and up to the end of a block or of the range. Of a
 * hugetlb page only one is pinned, and then @known returns where that ends. @n returns how many.
 * Return: 0; -ENOMEM; -EFAULT; -EINTR, and none is pinned.
 */
static int pin_ahead(struct page **pages, unsigned long ua, unsigned long end,
		     unsigned long *n, unsigned long *known)
{
	unsigned long skip = (ua & (TCE_BLOCK - 1)) >> PAGE_SHIFT;
	int rc = 0;

	/* pinning all of a few larger pages costs less than to look for the VMA */
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

/**
 * pin_blocks() - pin a range, and record its pages
 * @blocks: room for count_blocks() of them
 * @ua: first byte
 * @npages: CPU pages
 * @page_shift: log2 of the smallest page is returned here, of which only those of hugetlbfs
 *	count as larger than PAGE_SIZE
 *
 * Undone by unpin_blocks(). Context: the owner of the memory; sleeps for as long as the client
 * likes, ends early on SIGKILL.
 *
 * Return: 0; -ENOMEM; -EFAULT; -EINTR.
 */
static int pin_blocks(unsigned long *blocks, unsigned long ua, unsigned long npages,
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

/* tce_region_extent() within one block */
static unsigned long extent_in_block(const struct tce_region *region, unsigned long ua,
				     unsigned long max, unsigned long *hpa)
{
	unsigned long left = TCE_BLOCK - (ua & (TCE_BLOCK - 1));
	unsigned long size = PAGE_SIZE - offset_in_page(ua);

	*hpa = tce_region_hpa(region, ua);
	max = min(max, left);
	if (!region->mm_iommu && !tce_block_pages(tce_region_block(region, ua)))
		return max;
	while (size < max && tce_region_hpa(region, ua + size) == *hpa + size)
		size += PAGE_SIZE;
	return min(size, max);
}

/**
 * tce_region_extent() - how much of a region is contiguous from an address on?
 * @region: where it is
 * @ua: the address
 * @max: bytes to look at, all of them in @region
 * @hpa: returns where the first byte is; 0 as tce_region_hpa()
 *
 * Return: bytes.
 */
unsigned long tce_region_extent(const struct tce_region *region, unsigned long ua,
				unsigned long max, unsigned long *hpa)
{
	unsigned long size = extent_in_block(region, ua, max, hpa), more, next;

	while (size < max && !((ua + size) & (TCE_BLOCK - 1))) {
		more = extent_in_block(region, ua + size, max - size, &next);
		if (next != *hpa + size)
			break;
		size += more;
	}
	return size;
}

/* Find the first that overlaps [@ua, @end), with &tce_mm.region_lock held; NULL if none does */
struct tce_region *tce_region_first(const struct tce_mm *tmm, unsigned long ua,
				    unsigned long end)
{
	struct rb_node *node = tmm->regions.rb_node;
	struct tce_region *first = NULL;

	lockdep_assert_held(&tmm->region_lock);
	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region, node);

		if (tce_region_end(region) <= ua) {
			node = node->rb_right;
		} else {
			first = region;
			node = node->rb_left;
		}
	}
	return first && first->ua < end ? first : NULL;
}

/* Undone by region_unlink(). Context: sleeps until no MAP and no UNMAP of the mm is under way. */
static void region_insert(struct tce_mm *tmm, struct tce_region *region)
{
	struct rb_node **link = &tmm->regions.rb_node, *parent = NULL;

	lockdep_assert_held(&tmm->region_lock);
	down_write(&tmm->map_lock);
	while (*link) {
		parent = *link;
		if (region->ua < rb_entry(parent, struct tce_region, node)->ua)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&region->node, parent, link);
	rb_insert_color(&region->node, &tmm->regions);
	up_write(&tmm->map_lock);
}

/* A device may have written to it: tell the owners of its pages. */
static void region_mark_dirty(struct tce_region *region)
{
	unsigned long i, hpa;
	struct page *page;

	for (i = 0; i < region->npages; i++) {
		hpa = tce_region_hpa(region, region->ua + (i << PAGE_SHIFT));
		page = pfn_to_page(PHYS_PFN(hpa));
		if (hpa && !PageDirty(page))
			set_page_dirty_lock(page);
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
}

/*
 * The largest IOMMU page that fits everywhere: limited by the alignment of the range and, beyond
 * PAGE_SIZE, by its smallest hugetlb page. Other large pages do not count, because they can be
 * split at any time.
 */
static unsigned int largest_page_shift(struct tce_region *region)
{
	unsigned int shift = __ffs(region->ua | region->npages << PAGE_SHIFT);
	unsigned long i, ua, before, hpa = 0;
	struct page *head;

	if (!region->mm_iommu)
		return min(shift, region->page_shift);
	for (i = 0; i < region->npages && shift > PAGE_SHIFT; i++) {
		ua = region->ua + (i << PAGE_SHIFT);
		before = hpa;
		hpa = tce_region_hpa(region, ua);
		head = compound_head(pfn_to_page(PHYS_PFN(hpa)));
		/* as block_page_shift() */
		if (!PageHuge(head) || !IS_ALIGNED(hpa - ua, page_size(head)) ||
		    (i && !IS_ALIGNED(ua, page_size(head)) && hpa != before + PAGE_SIZE))
			return PAGE_SHIFT;
		shift = min(shift, page_shift(head));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	return shift;
}

/*
 * Take a region off KVM's list, upon which the kernel unpins it after a grace period. Without an mm
 * the kernel does not uncharge it, for which it would wait for the mmap_lock; region_free() does.
 * Return: 0; -EBUSY while KVM counts it as mapped.
 */
static int region_delist(struct tce_region *region)
{
	return mm_iommu_put(NULL, region->mm_iommu) == -EBUSY ? -EBUSY : 0;
}

/*
 * Unpin and free a region that has left the tree and KVM's list. Context: sleeps, but waits for no
 * client; tce_uncharge() has to follow.
 */
static void region_free(struct tce_region *region, struct tce_memory *mem)
{
	/* what was in KVM's list the kernel unpins */
	if (!region->mm_iommu)
		unpin_blocks(region->blocks, count_blocks(region->ua, region->npages),
			     region->ua, tce_region_end(region), region->written);
	tce_uncharge_later(mem, region->npages);
	kvfree(region);
}

/* Free regions that region_unlink() has taken out of the tree. Context: as region_free() */
static void free_unlinked(struct list_head *unlinked, struct tce_memory *mem)
{
	struct tce_region *region, *next;

	list_for_each_entry_safe(region, next, unlinked, out)
		region_free(region, mem);
}

/*
 * Take a region out of the tree and add it to @unlinked, unless TCEs map it. Return: 0; -EBUSY if
 * they do
 */
static int region_unlink(struct tce_mm *tmm, struct tce_region *region, struct list_head *unlinked)
{
	bool mapped = true;

	lockdep_assert_held(&tmm->region_lock);
	down_write(&tmm->map_lock);
	if (region->mm_iommu && region->written && !atomic64_read(&region->mapped)) {
		/* marking sleeps, and taking it off KVM's list unpins it */
		region->written = false;
		up_write(&tmm->map_lock);
		region_mark_dirty(region);
		down_write(&tmm->map_lock);
	}
	/* a MAP that came in between may have been unmapped again, and have written */
	if (!atomic64_read(&region->mapped) && !(region->mm_iommu && region->written))
		mapped = region->mm_iommu && region_delist(region);
	if (!mapped) {
		rb_erase(&region->node, &tmm->regions);
		list_add(&region->out, unlinked);
		if (region->mm_iommu)
			tmm->listed--;
	}
	up_write(&tmm->map_lock);
	return mapped ? -EBUSY : 0;
}

/* Some device may still reach it, so its pages are never freed. */
static void region_leak(const struct tce_region *region)
{
	unsigned long i, hpa;

	for (i = 0; i < region->npages; i++) {
		hpa = tce_region_hpa(region, region->ua + (i << PAGE_SHIFT));
		if (hpa)
			get_page(pfn_to_page(PHYS_PFN(hpa)));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	atomic_long_add(region->npages, &tce_leaked_pages);
	pr_warn_ratelimited("%lu pages that a device may still reach are kept for good\n",
			    region->npages);
}

/*
 * Take back some of KVM's counts of a region, which end where nothing is mapped, and take it off
 * KVM's list.
 *
 * All tables in which KVM could map it were blocked and cleared with their windows, and KVM is not
 * allowed to use new ones (tce_mm_allows_kvm()). So these are counts that KVM has lost
 * (litmus/kvm-count.litmus), or that a guest has raised, by as many as it likes. Only in a table
 * that pseries is just creating, perhaps for another process, KVM can have mapped it, until that
 * is hidden and cleared. So no table is created meanwhile, and while another client creates one,
 * which may take long, no count is taken back. @chunks: how many times TCE_DRAIN_CHUNK may be;
 * returns what is left of that. Return: 0; -EBUSY: to be called again
 */
static int drain_some(struct tce_region *region, unsigned int *chunks)
{
	unsigned long i;
	int rc = -EBUSY;

	while (rc && *chunks && down_write_trylock(&tce_create_lock)) {
		--*chunks;
		for (i = 0; i < TCE_DRAIN_CHUNK; i++)
			mm_iommu_mapped_dec(region->mm_iommu);
		rc = region_delist(region);
		up_write(&tce_create_lock);
		/* other work items of this CPU run only while this one sleeps */
		usleep_range(50, 100);
	}
	return rc;
}

/*
 * The end of a region that is not in the tree any more, because no window of v2 is left. If KVM
 * counts more than @chunks allow, or a table is just being created, the rest is left to
 * tce_region_drain(). What a device may still reach stays pinned for good. That takes a bridge that
 * did not release a window.
 */
static void region_end(struct tce_region *region, struct tce_memory *mem, unsigned int *chunks)
{
	bool leak = READ_ONCE(mem->tmm->table_leaked), mapped = atomic64_read(&region->mapped);
	struct tce_mm *tmm = mem->tmm;

	lockdep_assert_held(&tmm->region_lock);
	if (region->mm_iommu && region->written)
		region_mark_dirty(region);
	if (leak && mapped)
		region_leak(region);
	if (region->mm_iommu && region_delist(region)) {
		if (leak && !mapped)
			region_leak(region);
		if (drain_some(region, chunks)) {
			list_add(&region->out, &mem->draining);
			tmm->nr_draining++;
			return;
		}
	}
	if (region->mm_iommu)
		tmm->listed--;
	region_free(region, mem);
}

/*
 * Go on with regions that only KVM's counts keep, when the container is being freed. Return: true
 * if none is left; otherwise it has to be called again
 */
bool tce_region_drain(struct tce_memory *mem)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_region *region, *next;
	struct tce_mm *tmm = mem->tmm;

	list_for_each_entry_safe(region, next, &mem->draining, out) {
		if (drain_some(region, &chunks))
			return false;
		mutex_lock(&tmm->region_lock);
		down_write(&tmm->map_lock);
		list_del(&region->out);
		tmm->listed--;
		tmm->nr_draining--;
		up_write(&tmm->map_lock);
		mutex_unlock(&tmm->region_lock);
		region_free(region, mem);
	}
	return true;
}

/* End all regions if the mm has no open container of v2. @closed: see tce_mm_take_regions() */
static void end_regions(struct tce_memory *mem, int closed)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_region *region, *next;
	struct tce_mm *tmm = mem->tmm;
	struct rb_root regions;

	mutex_lock(&tmm->region_lock);
	regions = tce_mm_take_regions(tmm, closed);
	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		region_end(region, mem, &chunks);
	mutex_unlock(&tmm->region_lock);
}

static struct tce_region_ref *find_ref(struct tce_memory *mem, struct tce_region *region)
{
	struct tce_region_ref *ref;

	list_for_each_entry(ref, &region->refs, in_region)
		if (ref->mem == mem)
			return ref;
	return NULL;
}

/* Undone by drop_ref(). */
static void add_ref(struct tce_region_ref *ref, struct tce_region *region)
{
	lockdep_assert_held(&ref->mem->tmm->region_lock);
	ref->region = region;
	list_add(&ref->in_memory, &ref->mem->refs);
	list_add(&ref->in_region, &region->refs);
}

static void drop_ref(struct tce_region_ref *ref)
{
	lockdep_assert_held(&ref->mem->tmm->region_lock);
	list_del(&ref->in_region);
	list_del(&ref->in_memory);
	kfree(ref);
}

/* Has another container registered the same? */
static bool is_shared(const struct tce_region_ref *ref)
{
	return !list_is_singular(&ref->region->refs);
}

/*
 * With its last reference a region is taken out of the tree. Return: 0; -EBUSY if there are others,
 * or TCEs map it
 */
static int unlink_last(struct tce_region_ref *ref, struct list_head *unlinked)
{
	return is_shared(ref) ? -EBUSY : region_unlink(ref->mem->tmm, ref->region, unlinked);
}

/**
 * region_create() - pin memory, which is in no tree yet
 * @tmm: with &tce_mm.registering held
 * @ua: first byte
 * @npages: CPU pages
 * @listed: put it into KVM's list
 *
 * Charges locked_vm. Context: the owner of the memory; sleeps for as long as the client likes,
 * ends early on SIGKILL.
 *
 * Return: it; -ENOMEM; -EFAULT; -EINVAL; -EINTR.
 */
static struct tce_region *region_create(struct tce_mm *tmm, unsigned long ua,
					unsigned long npages, bool listed)
{
	unsigned long n = listed ? 0 : count_blocks(ua, npages);
	struct tce_region *region;
	long rc;

	lockdep_assert_held(&tmm->registering);
	/* this waits for the process's own mmap_lock, as page faults do */
	rc = tce_charge(tmm->mm, npages);
	if (rc)
		return ERR_PTR(rc);
	region = kvzalloc(struct_size(region, blocks, n), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!region) {
		rc = TCE_REFUSE(-ENOMEM);
		goto err_uncharge;
	}
	region->ua = ua;
	region->npages = npages;
	INIT_LIST_HEAD(&region->refs);

	if (listed) {
		/* it charges the pages itself */
		account_locked_vm(tmm->mm, npages, false);
		rc = mm_iommu_new(tmm->mm, ua, npages, &region->mm_iommu);
		/* a short pin is reported as the number of pages */
		if (rc == -EINVAL)
			rc = TCE_REFUSE(-EINVAL);
		else if (rc)
			rc = tce_pin_errno(rc, ua);
	} else {
		rc = pin_blocks(region->blocks, ua, npages, &region->page_shift);
	}
	if (rc)
		goto err_free;
	region->page_shift = largest_page_shift(region);
	return region;

err_free:
	kvfree(region);
	if (listed)
		return ERR_PTR(rc);
err_uncharge:
	account_locked_vm(tmm->mm, npages, false);
	return ERR_PTR(rc);
}

/*
 * Find the region of a range, if there is one. Orphans in the range are taken out of the tree if
 * no TCE maps them, because their pages may no longer be those at these addresses.
 *
 * Return: what is to be shared; NULL if there is none; -EINVAL; -EBUSY.
 */
static struct tce_region *region_share(struct tce_memory *mem, unsigned long ua,
				       unsigned long npages, struct list_head *unlinked)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);
	struct tce_mm *tmm = mem->tmm;
	struct tce_region *region;

	lockdep_assert_held(&tmm->region_lock);
	if (mem->closed)
		return ERR_PTR(TCE_REFUSE(-EINVAL));
	/* no orphan goes if the range has a region that is not one */
	for (region = tce_region_first(tmm, ua, end); region && region->ua < end;
	     region = rb_entry_safe(rb_next(&region->node), struct tce_region, node)) {
		if (need_resched())
			cond_resched();
		if (list_empty(&region->refs))
			continue;
		if (region->ua != ua || region->npages != npages)
			return ERR_PTR(TCE_REFUSE_VALUE(-EINVAL, region->ua));
		if (find_ref(mem, region))
			return ERR_PTR(TCE_REFUSE_WHY(REGISTERED_ALREADY, -EBUSY, ua));
		return region;
	}
	while ((region = tce_region_first(tmm, ua, end)))
		if (region_unlink(tmm, region, unlinked))
			return ERR_PTR(TCE_REFUSE_VALUE(-EBUSY, region->ua));
	return NULL;
}

/* REGISTER of what no container has. Return: as tce_region_register() */
static int register_new(struct tce_region_ref *ref, unsigned long ua,
			unsigned long npages, bool listed)
{
	struct tce_memory *mem = ref->mem;
	struct tce_mm *tmm = mem->tmm;
	struct tce_region *region;
	bool orphan = false;
	int rc;

	/* this may take for ever */
	region = region_create(tmm, ua, npages, listed);
	rc = PTR_ERR_OR_ZERO(region);

	mutex_lock(&tmm->region_lock);
	if (!rc && mem->closed) {
		rc = TCE_REFUSE(-EINVAL);
		/* no container may map it now, but KVM may have found it in its list, and have */
		orphan = region->mm_iommu && region_delist(region);
	}
	if (!rc || orphan)
		region_insert(tmm, region);
	else
		tmm->listed -= listed;
	if (!rc)
		add_ref(ref, region);
	mutex_unlock(&tmm->region_lock);

	if (orphan)
		end_regions(mem, 0);
	else if (rc && !IS_ERR(region))
		region_free(region, mem);
	return rc;
}

/* Can this be registered at all? Return: 0; -EINVAL; -EFAULT; -ENOMEM */
static int check_range(const struct tce_mm *tmm, unsigned long ua, unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT;

	if (!size)
		return TCE_REFUSE(-EINVAL);
	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(-EINVAL);
	if (ua + size - 1 < ua)
		return TCE_REFUSE(-EINVAL);
	/* the userspace entry for address 0 would say that nothing is mapped */
	if (!ua)
		return TCE_REFUSE(-EFAULT);
	if (!access_ok((void __user *)ua, size))
		return TCE_REFUSE(-EFAULT);
	/* a process can map more device memory than the host has RAM, but not register a hole */
	if (npages > totalram_pages() && npages > READ_ONCE(tmm->mm->total_vm))
		return TCE_REFUSE(-ENOMEM);
	/* kvmalloc() has a limit of INT_MAX, and older kernels warn */
	if (count_blocks(ua, npages) >= SZ_128M)
		return TCE_REFUSE(-ENOMEM);
	return 0;
}

/**
 * tce_region_register() - REGISTER: pin a range of memory for DMA
 * @mem: the memory of a bound container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Charges locked_vm. The same range registered by another container of the mm is shared and
 * costs nothing. Undone by tce_region_unregister() and by tce_region_close(). Context: the owner
 * of the memory; sleeps, ends early on SIGKILL; tce_uncharge() has to follow.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region, or if the
 * container is closed; -EBUSY if this container has it already, or if it overlaps what a
 * closed container has left mapped in another; -ENOMEM if out of memory or over RLIMIT_MEMLOCK;
 * -EFAULT if the range is not all writable memory that can be pinned, or begins at
 * address 0; -EINTR.
 */
int tce_region_register(struct tce_memory *mem, unsigned long ua, unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT;
	struct tce_mm *tmm = mem->tmm;
	struct tce_region_ref *ref;
	struct tce_region *region;
	LIST_HEAD(unlinked);
	bool listed;
	int rc;

	rc = check_range(tmm, ua, size);
	if (rc)
		return rc;
	ref = kzalloc(sizeof(*ref), GFP_KERNEL_ACCOUNT);
	if (!ref)
		return TCE_REFUSE(-ENOMEM);
	ref->mem = mem;

	rc = mutex_lock_killable(&tmm->registering);
	if (rc)
		goto err_free;
	rc = mutex_lock_killable(&tmm->region_lock);
	if (rc)
		goto err_unlock;
	region = region_share(mem, ua, npages, &unlinked);
	/* If a process gets KVM later, what it has registered before is not in KVM's list. */
	listed = !region && tce_mm_allows_kvm(tmm) && tmm->listed < TCE_LISTED_MAX;
	tmm->listed += listed;
	if (!IS_ERR_OR_NULL(region))
		add_ref(ref, region);
	mutex_unlock(&tmm->region_lock);

	/* orphans that are gone must not count against the limit */
	free_unlinked(&unlinked, mem);
	tce_uncharge(mem);
	rc = PTR_ERR_OR_ZERO(region);
	if (!region)
		rc = register_new(ref, ua, npages, listed);
	if (rc)
		goto err_unlock;
	mutex_unlock(&tmm->registering);
	return 0;

err_unlock:
	mutex_unlock(&tmm->registering);
err_free:
	kfree(ref);
	return rc;
}

/* What a container has registered with these bounds. Return: the reference; -EINVAL; -ENOENT */
static struct tce_region_ref *find_registered(struct tce_memory *mem, unsigned long ua,
					      unsigned long size)
{
	struct tce_region_ref *ref = NULL;
	struct tce_region *region;

	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return ERR_PTR(TCE_REFUSE(-EINVAL));
	region = mem->closed ? NULL : tce_region_find(mem->tmm, ua);
	if (region && region->ua == ua && region->npages == size >> PAGE_SHIFT)
		ref = find_ref(mem, region);
	return ref ?: ERR_PTR(TCE_REFUSE_WHY(NO_SUCH_REGION, -ENOENT, 0));
}

/* Unmap a region for its container, and drop the reference. Return: as tce_region_unregister() */
static int unregister(struct tce_region_ref *ref, struct list_head *unlinked,
		      int (*unmap)(struct tce_memory *, const struct tce_region *))
{
	struct tce_mm *tmm = ref->mem->tmm;
	int rc;

	/* Tables are searched only if TCEs may map it, which is often known without the lock. */
	if (atomic64_read(&ref->region->mapped) || unlink_last(ref, unlinked)) {
		rc = down_write_killable(&tmm->map_lock);
		if (rc)
			return rc;
		rc = unmap(ref->mem, ref->region);
		up_write(&tmm->map_lock);
		if (rc)
			return rc;
		if (!is_shared(ref) && unlink_last(ref, unlinked))
			return TCE_REFUSE_WHY(REGION_MAPPED, -EBUSY, 0);
	}
	drop_ref(ref);
	return 0;
}

/**
 * tce_region_unregister() - UNREGISTER: undo tce_region_register()
 * @mem: the memory of a bound container
 * @ua: start, as registered
 * @size: bytes, as registered
 * @unmap: unmaps what a container maps of a region; called with &tce_mm.map_lock held for writing
 *
 * The in-tree driver returns 0 for memory that is mapped, and QEMU and DPDK rely on that: they
 * later register other memory at the same address. So the container's mappings are removed as
 * well, also if another container has registered the same, and with &tce_mm.region_lock held, so
 * that no other thread can register other memory at the address meanwhile. Context: sleeps, ends
 * early on SIGKILL; tce_uncharge() has to follow.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has nothing of exactly these bounds;
 * -EBUSY if it is the last to have registered it, and it is mapped elsewhere; -EINTR. If it fails
 * the region stays registered.
 */
int tce_region_unregister(struct tce_memory *mem, unsigned long ua, unsigned long size,
			  int (*unmap)(struct tce_memory *, const struct tce_region *))
{
	struct tce_mm *tmm = mem->tmm;
	struct tce_region_ref *ref;
	LIST_HEAD(unlinked);
	int rc;

	rc = mutex_lock_killable(&tmm->region_lock);
	if (rc)
		return rc;
	ref = find_registered(mem, ua, size);
	tce_gap(UNREGISTER, mutex_unlock(&tmm->region_lock), mutex_lock(&tmm->region_lock));
	rc = IS_ERR(ref) ? PTR_ERR(ref) : unregister(ref, &unlinked, unmap);
	mutex_unlock(&tmm->region_lock);
	free_unlinked(&unlinked, mem);
	return rc;
}

/**
 * tce_region_close() - drop all references of a container
 * @mem: the memory of a container that is bound, and has no windows
 *
 * Regions that other containers map stay. A REGISTER that is under way undoes itself when it has
 * its pages. Context: sleeps, but waits for no client; need not be the owner of the memory.
 */
void tce_region_close(struct tce_memory *mem)
{
	struct tce_region_ref *ref, *next;
	struct tce_mm *tmm = mem->tmm;
	LIST_HEAD(unlinked);

	mutex_lock(&tmm->region_lock);
	mem->closed = true;
	list_for_each_entry_safe(ref, next, &mem->refs, in_memory) {
		unlink_last(ref, &unlinked);
		drop_ref(ref);
		cond_resched();
	}
	mutex_unlock(&tmm->region_lock);
	free_unlinked(&unlinked, mem);
	end_regions(mem, 1);
}
