// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: memory that REGISTER of v2 pins and charges before it can be mapped.
 *
 * The containers of an mm share its regions. Those that register the same range hold references to
 * one region; any other overlap is refused.
 *
 *	 REGISTER
 *	     v
 *	referenced --- last reference dropped, not mapped -----------------------> freed
 *	     v   last reference closed, still mapped                                 ^
 *	  orphan ----- overlapping REGISTER, not mapped; or the mm's last close -----+
 *	     v   the mm's last close, KVM still counts mappings                      |
 *	 draining ---- KVM's counts taken back --------------------------------------+
 *
 * UNREGISTER removes the container's own mappings first, and is refused if others are left. Close
 * can't be refused, so a region that other containers map becomes an orphan, which stays pinned and
 * charged. So does a new region that KVM has mapped by the time that REGISTER finds its container
 * closed. After the mm's last close no window is left, but KVM may still count mappings, because a
 * vCPU that races with another one or with MAP can lose a count. If a bridge did not release a
 * window, the pages of a region that is still counted as mapped are leaked.
 *
 * KVM has its own list (mm_iommu), in which it looks up and counts the memory that a guest maps for
 * a device. Each look-up walks the list, and the kernel pins its ranges page by page. So it gets at
 * most TCE_LISTED_MAX ranges, and only of a process that may have KVM. Others are pinned here, and
 * KVM leaves mapping them to user space. Mappings by MAP are always counted here.
 *
 * Each page is pinned at its own address, to verify that the client may use it. As far as pages are
 * contiguous in one folio, all pins but the first are dropped at once, because the kernel neither
 * frees nor migrates nor splits a folio with an extra reference (FOLL_PIN), even if the client
 * unmaps a part of it. With 4K pages only one page of a hugetlb page is pinned to begin with,
 * because a hugetlb VMA maps all of it or none.
 *
 * Locks: tce_container.c has their order. Only REGISTER takes &tce_mm.registering, and page faults
 * are taken with no other lock held. The tree is read with &tce_mm.region_lock or &tce_mm.map_lock
 * held, and changed with both.
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

/* Limit of KVM's list: more ranges than a guest's memory has, few enough to walk */
#define TCE_LISTED_MAX	256

/* KVM's counts to take back per hold of tce_create_lock: a few milliseconds at most */
#define TCE_DRAIN_CHUNK	BIT(16)

/* Chunks per attempt: with only one, vCPUs could raise counts faster than they are taken back */
#define TCE_DRAIN_CHUNKS	8

DECLARE_RWSEM(tce_create_lock);

static unsigned long block_end(unsigned long ua, unsigned long end)
{
	return min(end, (ua | (TCE_BLOCK - 1)) + 1);
}

/* For a range of at least one page */
static unsigned long count_blocks(unsigned long ua, unsigned long npages)
{
	return ((ua + (npages << PAGE_SHIFT) - 1) >> TCE_BLOCK_SHIFT) -
		(ua >> TCE_BLOCK_SHIFT) + 1;
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
 * mmap_lock keeps the client from mapping something else there. No page is faulted in, because a
 * fault with that lock held would not wait for userfaultfd.
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
 * Pin a range and record its blocks. @page_shift returns log2 of the smallest page, where only
 * hugetlb pages count as larger than PAGE_SIZE. Undone by unpin_blocks().
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
 * tce_region_extent() - size of the contiguous memory at an address
 * @region: the region
 * @ua: userspace address
 * @max: bytes to look at, all of them in @region
 * @hpa: returns the hpa of the first byte, or 0
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

/* The first region that overlaps [@ua, @end), or NULL */
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

/* Sleeps until no MAP and no UNMAP of the mm is in flight. Undone by region_unlink(). */
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
 * log2 of the largest IOMMU page that fits everywhere, limited by the alignment of the range and,
 * beyond PAGE_SIZE, by its smallest hugetlb page
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
 * Returns -EBUSY while KVM counts the region as mapped. The kernel unpins it after a grace period.
 * With an mm it would also uncharge the region, and wait for the mmap_lock.
 */
static int region_delist(struct tce_region *region)
{
	return mm_iommu_put(NULL, region->mm_iommu) == -EBUSY ? -EBUSY : 0;
}

/* The region has left the tree and KVM's list. tce_uncharge() has to follow. */
static void region_free(struct tce_region *region, struct tce_memory *mem)
{
	/* the kernel unpins regions of KVM's list */
	if (!region->mm_iommu)
		unpin_blocks(region->blocks, count_blocks(region->ua, region->npages),
			     region->ua, tce_region_end(region), region->written);
	tce_uncharge_later(mem, region->npages);
	kvfree(region);
}

static void free_unlinked(struct list_head *unlinked, struct tce_memory *mem)
{
	struct tce_region *region, *next;

	list_for_each_entry_safe(region, next, unlinked, out)
		region_free(region, mem);
}

/*
 * Move a region to @unlinked. Returns -EBUSY if it is mapped, or if another thread has mapped it
 * while map_lock was dropped.
 */
static int region_unlink(struct tce_mm *tmm, struct tce_region *region, struct list_head *unlinked)
{
	bool mapped = true;

	lockdep_assert_held(&tmm->region_lock);
	down_write(&tmm->map_lock);
	if (region->mm_iommu && region->written && !atomic64_read(&region->mapped)) {
		/* marking sleeps, and has to precede the unpinning by region_delist() */
		region->written = false;
		up_write(&tmm->map_lock);
		region_mark_dirty(region);
		down_write(&tmm->map_lock);
	}
	/* another thread may have mapped and unmapped it meanwhile, and a device written to it */
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
 * Take back KVM's counts of a region, down to 0, and take it off KVM's list. Each TCE_DRAIN_CHUNK
 * of them uses up one of @chunks. Returns -EBUSY if it has to be called again.
 *
 * The tables in which KVM could map the region were blocked and cleared with their windows, and KVM
 * may not use new ones (tce_mm_allows_kvm()). So KVM has lost these counts
 * (litmus/kvm-count.litmus), or a guest has raised them, by as many as it likes. But on pseries KVM
 * of any process can use a table until its creator has hidden and cleared it. So no table may be
 * created meanwhile, and no count is taken back while another client creates one, which may take
 * long.
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
 * Called when no window of v2 is left. Counts beyond @chunks, or any if a table is just being
 * created, are left to tce_region_drain(). If a bridge did not release a window, pages that a
 * device may still reach stay pinned for good.
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

/* Called while a container is being freed, until it returns true because no region is left */
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

static bool is_shared(const struct tce_region_ref *ref)
{
	return !list_is_singular(&ref->region->refs);
}

static int unlink_last(struct tce_region_ref *ref, struct list_head *unlinked)
{
	return is_shared(ref) ? -EBUSY : region_unlink(ref->mem->tmm, ref->region, unlinked);
}

/* Charge and pin memory, which is in no tree yet, and with @listed put it into KVM's list. */
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
		/* mm_iommu_new() charges the pages itself */
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
 * Find the region to share, or NULL. Orphans that no TCE maps are unlinked, because their pages may
 * no longer be those at these addresses.
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
	/* no orphan goes if a referenced region overlaps the range */
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

static int register_new(struct tce_region_ref *ref, unsigned long ua,
			unsigned long npages, bool listed)
{
	struct tce_memory *mem = ref->mem;
	struct tce_mm *tmm = mem->tmm;
	struct tce_region *region;
	bool orphan = false;
	int rc;

	/* this may take forever */
	region = region_create(tmm, ua, npages, listed);
	rc = PTR_ERR_OR_ZERO(region);

	mutex_lock(&tmm->region_lock);
	if (!rc && mem->closed) {
		rc = TCE_REFUSE(-EINVAL);
		/* it is in no tree, so no container can map it, but KVM may have */
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

static int check_range(const struct tce_mm *tmm, unsigned long ua, unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT;

	if (!size)
		return TCE_REFUSE(-EINVAL);
	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(-EINVAL);
	if (ua + size - 1 < ua)
		return TCE_REFUSE(-EINVAL);
	/* a userspace entry for address 0 would look empty */
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
 * Charges locked_vm, unless it shares the region of another container. Undone by
 * tce_region_unregister() and tce_region_close().
 *
 * Context: the owner of the memory; sleeps, ends early on SIGKILL; tce_uncharge() has to follow.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region, or if the container is
 * closed; -EBUSY if the container has registered it already, or if an orphan in the range is still
 * mapped; -ENOMEM if out of memory or over RLIMIT_MEMLOCK; -EFAULT if the range begins at address 0
 * or is not all writable memory that can be pinned; -EINTR.
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
	/* Regions that a process registers before it gets KVM stay out of KVM's list. */
	listed = !region && tce_mm_allows_kvm(tmm) && tmm->listed < TCE_LISTED_MAX;
	tmm->listed += listed;
	if (!IS_ERR_OR_NULL(region))
		add_ref(ref, region);
	mutex_unlock(&tmm->region_lock);

	/* unlinked orphans must not count against the limit */
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
 * @unmap: removes a container's mappings of a region, with &tce_mm.map_lock held for writing
 *
 * The in-tree driver returns 0 for memory that is mapped, and QEMU and DPDK rely on that: they
 * later register other memory at the same address. So the container's mappings are removed as
 * well, even if the region is shared. &tce_mm.region_lock is held throughout, so that no other
 * thread can register the address meanwhile.
 *
 * Context: sleeps, ends early on SIGKILL; tce_uncharge() has to follow.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has no region of exactly these bounds;
 * -EBUSY if no other container has registered the region, and it is still counted as mapped: by
 * another container, by entries that the platform refused to clear, by KVM, which can lose a count,
 * or because another thread has mapped it after @unmap, when &tce_mm.map_lock is dropped; -EINTR.
 * On an error the region stays registered, but the container's mappings may be gone.
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
 * A REGISTER in flight undoes itself once it has its pages.
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory.
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
