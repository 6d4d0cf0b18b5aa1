// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory: registered regions, pinning, locked_vm. Knows no table.
 *
 * v1 pins a page when it is mapped. Each TCE owns one pin; where the CPU's
 * page holds several IOMMU pages, TCEs that map a page as a whole, or a part of
 * it in its place, share one pin. Nothing counts them: their cells lie next to
 * each other, so that who takes a TCE out sees whether it was the last. A TCE
 * that is mapped by itself has a pin by itself (TCE_ALONE).
 *
 * v2 pins whole regions beforehand. All containers of a process share them
 * (struct tce_mm): the same range registered by two containers is one region
 * with two users, and any other overlap is refused. Regions live in a tree of
 * our own, because the kernel's list of them (mm_iommu_*) is walked from end
 * to end for each look-up. KVM reads that list, however, and only that: when
 * a guest hands a page to a device, KVM finds the page there and counts the
 * mapping there. So of a process that may have KVM the first TCE_LISTED_MAX
 * regions are registered with the kernel instead ("listed"), and their mappings
 * are counted by the kernel's counter. KVM passes mappings of any other region
 * on to user space, which then calls our MAP.
 *
 * A region that its last user gives up is unpinned only if nothing maps it:
 * UNREGISTER is refused then. A container that is closed can't be refused;
 * what it leaves mapped in other containers stays as an orphan, pinned and
 * charged, until the last container of the process goes.
 *
 * What the kernel counts as mapped even then is in a table that KVM still has, or
 * that another process has. KVM finds a region by its address: it would count down
 * whatever the process registers there next. So from then on nothing of the process
 * is listed.
 *
 * Locks, in the order in which they are taken:
 *   &tce_mm.lock		writers of regions: REGISTER and UNREGISTER of a
 *			process take turns; held while pages are pinned
 *   &tce_mm.tree_lock	the tree and all regions in it; held for reading
 *			for MAP and UNMAP (&tce_mem.lock), so that no
 *			region goes away in between; and for writing by who
 *			changes a space
 *   tce_mms_lock		tce_mms, &tce_mm.refs
 *   mmap_lock		in the kernel, to pin and to charge
 *
 * Never fails: tce_mem_destroy(), and to collect and release holds.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include <asm/mmu_context.h>

#include "tce_memory.h"
#include "tce_trace.h"

/* More than a guest's memory comes in, few enough to walk */
#define TCE_LISTED_MAX	256

/* Holds that are collected before they must be released: a MiB of them */
#define TCE_HOLDS_MAX	SZ_64K

/* Pages to pin at once: long enough to be cheap, short enough to be killed. */
#define TCE_PIN_CHUNK	SZ_8K

/**
 * struct tce_mm - the registered regions of a process
 * @list: in tce_mms
 * @refs: containers that use it; guarded by tce_mms_lock. With none it stays if
 *	@astray or @stuck, until the process is gone
 * @mm: the process's memory, grabbed
 * @lock: see the top of the file
 * @tree_lock: see the top of the file
 * @regions: tree of struct tce_region by address, no two overlap; written
 *	under @lock and @tree_lock, so that either is enough to read it; and
 *	by the last container, see tce_mm_empty()
 * @listed: regions that are in the kernel's list; guarded by @lock
 * @keep: see tce_mem_keep()
 * @stuck: see tce_mem_stuck()
 * @astray: KVM may have cookies of regions that are gone: list none any more;
 *	guarded by @lock
 * @rcu: for who comes by a container that is gone, and takes @tree_lock
 */
struct tce_mm {
	struct list_head list;
	unsigned int refs;
	struct mm_struct *mm;
	struct mutex lock;
	struct rw_semaphore tree_lock;
	struct rb_root regions;
	unsigned int listed;
	bool keep;
	bool stuck;
	bool astray;
	struct rcu_head rcu;
};

/**
 * struct tce_region - a run of user memory that is pinned for DMA
 * @node: in &tce_mm.regions
 * @ua: first byte; page aligned
 * @npages: length in CPU pages
 * @regs: the containers that registered it (struct tce_registration); empty
 *	for an orphan; guarded by &tce_mm.lock
 * @page_shift: the largest IOMMU page that no backing page is smaller than
 * @written: some device may have written to it
 * @mem: the kernel's own entry if the region is listed, else NULL
 * @mapped: if not listed: TCEs that map it
 * @pages: if not listed: the pinned pages
 * @one: what @pages points to for a region of one page
 */
struct tce_region {
	struct rb_node node;
	unsigned long ua;
	unsigned long npages;
	struct list_head regs;
	unsigned int page_shift;
	bool written;
	struct mm_iommu_table_group_mem_t *mem;
	atomic64_t mapped;
	struct page **pages;
	struct page *one;
};

/**
 * struct tce_registration - one container's use of a region
 * @in_mem: in &tce_mem.regs
 * @in_region: in &tce_region.regs
 * @mem: the container's memory
 * @region: what it registered
 */
struct tce_registration {
	struct list_head in_mem;
	struct list_head in_region;
	struct tce_mem *mem;
	struct tce_region *region;
};

static DEFINE_MUTEX(tce_mms_lock);
static LIST_HEAD(tce_mms);
/* Containers; of v1 as well, whose LIOBN KVM may know from an earlier table */
static atomic_t tce_mems = ATOMIC_INIT(0);

/**
 * tce_pin_errno() - pin_user_pages() fails in more ways than the ABI has names for
 * @rc: what it returned instead of the number of pages
 *
 * Return: -ENOMEM, -EINTR or -EFAULT.
 */
int tce_pin_errno(long rc)
{
	switch (rc) {
	case -ENOMEM:
	case -EINTR:
		return rc;
	default:
		return -EFAULT;
	}
}

static unsigned long region_end(const struct tce_region *region)
{
	return region->ua + (region->npages << PAGE_SHIFT);
}

/* The region that holds @ua, or NULL. Caller holds either lock of the tree. */
static struct tce_region *region_find(struct tce_mm *shared, unsigned long ua)
{
	struct rb_node *node = shared->regions.rb_node;

	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region,
						     node);

		if (ua < region->ua)
			node = node->rb_left;
		else if (ua >= region_end(region))
			node = node->rb_right;
		else
			return region;
	}
	return NULL;
}

/* Some region that overlaps [ua, end), or NULL. */
static struct tce_region *region_overlap(struct tce_mm *shared,
					 unsigned long ua, unsigned long end)
{
	struct rb_node *node = shared->regions.rb_node;

	lockdep_assert_held(&shared->lock);
	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region,
						     node);

		if (end <= region->ua)
			node = node->rb_left;
		else if (ua >= region_end(region))
			node = node->rb_right;
		else
			return region;
	}
	return NULL;
}

static void region_insert(struct tce_mm *shared, struct tce_region *region)
{
	struct rb_node **link = &shared->regions.rb_node, *parent = NULL;

	lockdep_assert_held(&shared->lock);
	down_write(&shared->tree_lock);
	while (*link) {
		parent = *link;
		if (region->ua < rb_entry(parent, struct tce_region, node)->ua)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&region->node, parent, link);
	rb_insert_color(&region->node, &shared->regions);
	up_write(&shared->tree_lock);
}

/* hpa of the page that backs @ua; @ua is inside the region */
static __always_inline unsigned long
region_hpa(const struct tce_region *region, unsigned long ua)
{
	unsigned long hpa;

	if (!region->mem)
		return tce_page_hpa(region->pages[(ua - region->ua) >>
						  PAGE_SHIFT]) |
			offset_in_page(ua);
	if (mm_iommu_ua_to_hpa(region->mem, ua, 0, &hpa))
		return 0;
	return hpa;
}

/*
 * The hpa of each of @n IOMMU pages that are no smaller than the CPU's. False
 * if one is not aligned: the platform has a BUG_ON() for that.
 */
static bool region_hpas(const struct tce_region *region, unsigned long ua,
			unsigned long n, unsigned int shift,
			unsigned long *hpas)
{
	struct mm_iommu_table_group_mem_t *mem = region->mem;
	unsigned long step = 1UL << shift, *end = hpas + n, *hpa;
	unsigned long at = (ua - region->ua) >> PAGE_SHIFT;

	for (hpa = hpas; mem && hpa < end; hpa++, ua += step)
		if (mm_iommu_ua_to_hpa(mem, ua, 0, hpa))
			return false;
	for (hpa = hpas; !mem && hpa < end; hpa++, at += step >> PAGE_SHIFT)
		*hpa = tce_page_hpa(region->pages[at]);

	for (hpa = hpas; shift > PAGE_SHIFT && hpa < end; hpa++)
		if (*hpa & (step - 1))
			return false;
	return true;
}

/*
 * Count @n more TCEs. The kernel's counter can be counted up and down by one
 * only. Fails only for a region that the kernel is letting go.
 */
static __always_inline int region_hold(struct tce_region *region,
				       unsigned long n)
{
	unsigned long i;

	if (likely(!region->mem)) {
		atomic64_add(n, &region->mapped);
		return 0;
	}
	for (i = 0; i < n; i++) {
		if (mm_iommu_mapped_inc(region->mem)) {
			while (i--)
				mm_iommu_mapped_dec(region->mem);
			return -EINVAL;
		}
	}
	return 0;
}

static __always_inline void region_drop(struct tce_region *region,
					unsigned long n)
{
	if (likely(!region->mem))
		atomic64_sub(n, &region->mapped);
	else
		while (n--)
			mm_iommu_mapped_dec(region->mem);
}

/*
 * Does the region count the mapping that an entry has this cookie for? It does
 * not if KVM of another process, which was given the group, has written both: that
 * counts a region of its own.
 */
static __always_inline bool region_counts(const struct tce_region *region,
					  u64 cookie)
{
	return !region->mem == !!(cookie & TCE_COOKIE_OURS);
}

/* Kept until the region is let go: then its pages are marked dirty. */
static void region_written(struct tce_region *region, bool write)
{
	if (write && !READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
}

/* The device is done with the region: tell the owners of its pages. */
static void region_mark_dirty(struct tce_region *region)
{
	unsigned long i;

	for (i = 0; i < region->npages; i++) {
		unsigned long hpa = region_hpa(region,
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
 * pages do not count, since they can be split under us.
 */
static unsigned int region_page_shift(struct tce_region *region)
{
	unsigned int shift = __ffs(region->ua | region->npages << PAGE_SHIFT);
	unsigned long i;

	for (i = 0; i < region->npages && shift > PAGE_SHIFT; ) {
		unsigned long hpa = region_hpa(region,
					       region->ua + (i << PAGE_SHIFT));
		struct page *page = pfn_to_page(PHYS_PFN(hpa));
		struct page *head = compound_head(page);

		if (!PageHuge(page))
			return PAGE_SHIFT;
		shift = min(shift, page_shift(head));
		i += compound_nr(head) - (page_to_pfn(page) - page_to_pfn(head));
		cond_resched();
	}

	/* we pinned in steps, and another thread may have been between them */
	for (i = 1; !region->mem && i < region->npages && shift > PAGE_SHIFT;
	     i++) {
		if (i & ((1UL << (shift - PAGE_SHIFT)) - 1) &&
		    tce_page_hpa(region->pages[i]) !=
		    tce_page_hpa(region->pages[i - 1]) + PAGE_SIZE)
			return PAGE_SHIFT;
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	return shift;
}

/*
 * Up to Linux 7.2 the kernel takes ordinary pages that follow a hugetlb page
 * in a region for huge ones, too, and would let KVM map them as such.
 */
static bool region_mistaken(struct tce_region *region)
{
	unsigned long hpa;

	return region->mem &&
	       !mm_iommu_ua_to_hpa(region->mem, region->ua,
				   region->page_shift + 1, &hpa);
}

static void region_unpin(struct tce_region *region, unsigned long npages)
{
	unsigned long i, n;

	for (i = 0; i < npages; i += n) {
		n = min_t(unsigned long, npages - i, TCE_PIN_CHUNK);
		unpin_user_pages_dirty_lock(region->pages + i, n,
					    region->written);
		cond_resched();
	}
	if (region->pages != &region->one)
		kvfree(region->pages);
}

/* kvmalloc() would be of no use: it has a limit, of 2^28 pages. */
static struct page **pages_alloc(unsigned long npages)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	size_t size = npages * sizeof(struct page *);

	return size > PAGE_SIZE ? __vmalloc(size, gfp) : kmalloc(size, gfp);
}

static int region_pin(struct tce_mm *shared, struct tce_region *region)
{
	unsigned long done = 0;
	long rc;

	region->pages = &region->one;
	if (region->npages > 1) {
		region->pages = pages_alloc(region->npages);
		if (!region->pages)
			return -ENOMEM;
	}

	rc = account_locked_vm(shared->mm, region->npages, true);
	if (rc)
		goto err_free;

	while (done < region->npages) {
		unsigned long n = min_t(unsigned long, TCE_PIN_CHUNK,
					region->npages - done);

		/* pages that are there are pinned without a look at signals */
		rc = -EINTR;
		if (fatal_signal_pending(current))
			goto err_unpin;
		rc = pin_user_pages_fast(region->ua + (done << PAGE_SHIFT), n,
					 FOLL_WRITE | FOLL_LONGTERM,
					 region->pages + done);
		if (rc <= 0)
			goto err_unpin;
		done += rc;
		cond_resched();
	}
	return 0;

err_unpin:
	account_locked_vm(shared->mm, region->npages, false);
	region_unpin(region, done);
	return tce_pin_errno(rc);
err_free:
	if (region->pages != &region->one)
		kvfree(region->pages);
	return rc;
}

static void region_free(struct tce_mm *shared, struct tce_region *region)
{
	if (!region->mem) {
		region_unpin(region, region->npages);
		account_locked_vm(shared->mm, region->npages, false);
	}
	kfree(region);
}

/* Some device may still reach the region: its pages are never free again. */
static void region_keep_pages(const struct tce_region *region)
{
	unsigned long i;

	for (i = 0; i < region->npages; i++) {
		unsigned long hpa = region_hpa(region,
					       region->ua + (i << PAGE_SHIFT));

		if (hpa)
			get_page(pfn_to_page(PHYS_PFN(hpa)));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	pr_warn_ratelimited("%lu pages that a device may still reach are kept for good\n",
			    region->npages);
}

/*
 * Let go of a region that no container uses any more. Refused with -EBUSY
 * while TCEs map it.
 */
static int region_release(struct tce_mm *shared, struct tce_region *region)
{
	int rc = 0;

	lockdep_assert_held(&shared->lock);
	if (region->mem && region->written)
		region_mark_dirty(region);

	down_write(&shared->tree_lock);
	if (atomic64_read(&region->mapped) ||
	    (region->mem &&
	     mm_iommu_put(shared->mm, region->mem) == -EBUSY)) {
		rc = -EBUSY;
	} else {
		rb_erase(&region->node, &shared->regions);
		if (region->mem)
			shared->listed--;
	}
	up_write(&shared->tree_lock);

	if (!rc)
		region_free(shared, region);
	return rc;
}

/*
 * Let go of a region of a process of which no v2 window is left; it is not in
 * the tree any more.
 *
 * What our counter still has is what KVM took out of entries, and may have put
 * back: into a table that no bridge has, unless one is stuck. What the kernel's
 * still has KVM lost count of, or it is in a table of another container: KVM was
 * given its group, and asks for no more. So then the pages stay where they are.
 */
static void region_abandon(struct tce_mm *shared, struct tce_region *region)
{
	bool kept = shared->keep;

	lockdep_assert_held(&shared->lock);
	if (region->mem && region->written)
		region_mark_dirty(region);
	if (atomic64_read(&region->mapped))
		kept |= shared->stuck;
	if (kept)
		region_keep_pages(region);
	if (region->mem) {
		while (mm_iommu_put(shared->mm, region->mem) == -EBUSY) {
			shared->astray = true;
			/* another container may have come since the last look */
			smp_mb();
			if (!kept && (atomic_read(&tce_mems) > 1 ||
				      shared->stuck)) {
				region_keep_pages(region);
				kept = true;
			}
			mm_iommu_mapped_dec(region->mem);
			cond_resched();
		}
		shared->listed--;
	}
	region_free(shared, region);
}

/*
 * May KVM need the next region? A process that gets KVM later has none of those
 * from before in the list, and its guest's calls for them go to user space.
 */
static bool region_listable(const struct tce_mm *shared)
{
	return mm_has_notifiers(shared->mm) && !shared->astray &&
	       shared->listed < TCE_LISTED_MAX;
}

static struct tce_region *region_create(struct tce_mm *shared,
					unsigned long ua, unsigned long npages)
{
	struct tce_region *region;
	long rc;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	region->ua = ua;
	region->npages = npages;
	INIT_LIST_HEAD(&region->regs);

	if (region_listable(shared)) {
		rc = mm_iommu_new(shared->mm, ua, npages, &region->mem);
		/* a short pin is reported as the number of pages */
		if (rc > 0)
			rc = -EFAULT;
		if (rc && rc != -ENOMEM && rc != -EINVAL)
			rc = tce_pin_errno(rc);
	} else {
		rc = region_pin(shared, region);
	}
	if (rc) {
		kfree(region);
		return ERR_PTR(rc);
	}

	region->page_shift = region_page_shift(region);
	/* -EBUSY if KVM maps it already: then it can't be taken back */
	if (region_mistaken(region) &&
	    !mm_iommu_put(shared->mm, region->mem)) {
		region->mem = NULL;
		rc = region_pin(shared, region);
		if (rc) {
			kfree(region);
			return ERR_PTR(rc);
		}
	}
	if (region->mem)
		shared->listed++;
	region_insert(shared, region);
	return region;
}

static void tce_mm_free(struct tce_mm *shared)
{
	lockdep_assert_held(&tce_mms_lock);
	list_del(&shared->list);
	mmdrop(shared->mm);
	mutex_destroy(&shared->lock);
	kfree_rcu(shared, rcu);
}

/* Forget what is left of processes that are gone, or of all. */
static void tce_mms_sweep(bool all)
{
	struct tce_mm *shared, *next;

	list_for_each_entry_safe(shared, next, &tce_mms, list)
		if (!shared->refs &&
		    (all || !atomic_read(&shared->mm->mm_users)))
			tce_mm_free(shared);
}

static struct tce_mm *tce_mm_get(struct mm_struct *mm)
{
	struct tce_mm *shared;

	mutex_lock(&tce_mms_lock);
	tce_mms_sweep(false);
	list_for_each_entry(shared, &tce_mms, list) {
		if (shared->mm == mm) {
			shared->refs++;
			goto out_unlock;
		}
	}

	shared = kzalloc(sizeof(*shared), GFP_KERNEL_ACCOUNT);
	if (!shared)
		goto out_unlock;
	mmgrab(mm);
	shared->mm = mm;
	shared->refs = 1;
	mutex_init(&shared->lock);
	init_rwsem(&shared->tree_lock);
	shared->regions = RB_ROOT;
	list_add(&shared->list, &tce_mms);

out_unlock:
	mutex_unlock(&tce_mms_lock);
	return shared;
}

/*
 * Let go of all regions if nobody but the caller is left, who needs no lock of
 * the tree then: a container that comes meanwhile waits for us when it binds.
 */
static void tce_mm_empty(struct tce_mm *shared)
{
	struct rb_root regions = RB_ROOT;
	struct tce_region *region, *next;

	mutex_lock(&shared->lock);
	mutex_lock(&tce_mms_lock);
	if (shared->refs == 1)
		swap(regions, shared->regions);
	mutex_unlock(&tce_mms_lock);

	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		region_abandon(shared, region);
	mutex_unlock(&shared->lock);
}

static void tce_mm_put(struct tce_mm *shared)
{
	for (;;) {
		mutex_lock(&tce_mms_lock);
		/* the last one is alone with the tree */
		if (shared->refs > 1 || RB_EMPTY_ROOT(&shared->regions))
			break;
		mutex_unlock(&tce_mms_lock);
		tce_mm_empty(shared);
	}
	if (!--shared->refs) {
		/* the pages that this was about have been kept */
		shared->keep = false;
		if (!shared->astray && !shared->stuck)
			tce_mm_free(shared);
	}
	tce_mms_sweep(false);
	mutex_unlock(&tce_mms_lock);
}

/**
 * tce_mem_init() - start a container's user memory
 * @mem: zeroed
 * @v2: which of the two interfaces the container speaks
 *
 * Undone by tce_mem_destroy().
 */
void tce_mem_init(struct tce_mem *mem, bool v2)
{
	atomic_inc(&tce_mems);
	mem->v2 = v2;
	INIT_LIST_HEAD(&mem->regs);
}

/**
 * tce_mem_bind() - make the caller's memory the container's
 * @mem: the container's memory
 *
 * A container serves one process. Context: process; caller keeps other calls
 * for @mem out.
 *
 * Return: 0, also if it was bound to the same memory before; -EPERM if to
 * another one or if the caller has none; -ENOMEM; -EINTR on SIGKILL.
 */
int tce_mem_bind(struct tce_mem *mem)
{
	if (mem->mm)
		return mem->mm == current->mm ? 0 : -EPERM;
	if (!current->mm)
		return -EPERM;
	if (mem->v2) {
		mem->shared = tce_mm_get(current->mm);
		if (!mem->shared)
			return -ENOMEM;
		/*
		 * The last container may be letting go of regions that KVM finds
		 * still: there must not be a table yet for KVM to put them in.
		 */
		if (mutex_lock_killable(&mem->shared->lock)) {
			tce_mm_put(mem->shared);
			mem->shared = NULL;
			return -EINTR;
		}
		mutex_unlock(&mem->shared->lock);
		mem->lock = &mem->shared->tree_lock;
	}
	mmgrab(current->mm);
	/* who sees it, without a lock, sees the rest as well */
	smp_store_release(&mem->mm, current->mm);
	return 0;
}

/**
 * tce_mem_destroy() - let go of all that a container had registered
 * @mem: the container's memory, none of which its own windows map any more
 *
 * Context: may sleep, need not be the owner of the memory. Never fails:
 * regions that other containers map stay until the last of them closes.
 */
void tce_mem_destroy(struct tce_mem *mem)
{
	struct tce_registration *reg, *next;
	struct tce_mm *shared = mem->shared;

	if (shared) {
		mutex_lock(&shared->lock);
		list_for_each_entry_safe(reg, next, &mem->regs, in_mem) {
			struct tce_region *region = reg->region;

			list_del(&reg->in_region);
			kfree(reg);
			if (list_empty(&region->regs))
				region_release(shared, region);
			cond_resched();
		}
		mutex_unlock(&shared->lock);
		tce_mm_put(shared);
	}
	if (mem->mm)
		mmdrop(mem->mm);
	atomic_dec(&tce_mems);
}

/**
 * tce_mem_exit() - forget all processes
 *
 * Context: there are no containers, and will be none.
 */
void tce_mem_exit(void)
{
	mutex_lock(&tce_mms_lock);
	tce_mms_sweep(true);
	mutex_unlock(&tce_mms_lock);
}

/**
 * tce_mem_keep() - a bridge may go on to use a table with entries in it
 * @mem: the container's memory
 *
 * The pages that such entries map are never free again: those of v1 because
 * nobody puts them, those of v2 by this. Never undone.
 */
void tce_mem_keep(struct tce_mem *mem)
{
	if (mem->shared)
		WRITE_ONCE(mem->shared->keep, true);
}

/**
 * tce_mem_stuck() - a bridge did not let go of a window
 * @mem: the container's memory
 *
 * What KVM counts as mapped may be in its table, even when no container of the
 * process is left: such pages are never free again. Never undone.
 */
void tce_mem_stuck(struct tce_mem *mem)
{
	if (mem->shared)
		WRITE_ONCE(mem->shared->stuck, true);
}

/**
 * tce_mem_charge() - charge pages to the owner's locked_vm
 * @mem: a bound container's memory
 * @npages: CPU pages
 *
 * Undone by tce_mem_uncharge(). Context: process.
 *
 * Return: 0, or -ENOMEM if the caller's RLIMIT_MEMLOCK does not allow it.
 */
int tce_mem_charge(struct tce_mem *mem, unsigned long npages)
{
	return account_locked_vm(mem->mm, npages, true);
}

/**
 * tce_mem_uncharge() - undo tce_mem_charge()
 * @mem: the same
 * @npages: the same
 */
void tce_mem_uncharge(struct tce_mem *mem, unsigned long npages)
{
	account_locked_vm(mem->mm, npages, false);
}

static struct tce_registration *registration_find(struct tce_mem *mem,
						  struct tce_region *region)
{
	struct tce_registration *reg;

	list_for_each_entry(reg, &region->regs, in_region)
		if (reg->mem == mem)
			return reg;
	return NULL;
}

/**
 * tce_mem_register() - pin a range of memory for DMA
 * @mem: a bound v2 container's memory
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Charges locked_vm. The same range registered by another container of the
 * process is shared and costs nothing. Undone by tce_mem_unregister() and by
 * tce_mem_destroy(). Context: the owner of the memory; sleeps, ends early on
 * SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region;
 * -EBUSY if this container has it already, or if it overlaps what a closed
 * container has left mapped in another; -ENOMEM if out of memory or over
 * RLIMIT_MEMLOCK; -EFAULT if the range is not all writable memory that can
 * be pinned, or begins at address 0; -EINTR.
 */
int tce_mem_register(struct tce_mem *mem, unsigned long ua, unsigned long size)
{
	struct tce_mm *shared = mem->shared;
	unsigned long npages = size >> PAGE_SHIFT;
	struct tce_registration *reg;
	struct tce_region *region;
	int rc;

	if (!size || !PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size) ||
	    ua + size - 1 < ua)
		return -EINVAL;
	/* to KVM and to us, the cookie of address 0 says "nothing mapped" */
	if (!ua || !access_ok((void __user *)ua, size))
		return -EFAULT;
	if (npages > totalram_pages())
		return -ENOMEM;

	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg)
		return -ENOMEM;

	rc = mutex_lock_killable(&shared->lock);
	if (rc)
		goto err_free;

	region = region_overlap(shared, ua, ua + size);
	/* An orphan has the pages of then; what is there now may be others. */
	while (region && list_empty(&region->regs)) {
		rc = region_release(shared, region);
		if (rc)
			goto err_unlock;
		region = region_overlap(shared, ua, ua + size);
	}
	if (!region) {
		region = region_create(shared, ua, npages);
		rc = PTR_ERR_OR_ZERO(region);
	} else if (region->ua != ua || region->npages != npages) {
		rc = -EINVAL;
	} else if (registration_find(mem, region)) {
		rc = -EBUSY;
	}
	if (rc)
		goto err_unlock;

	reg->mem = mem;
	reg->region = region;
	list_add(&reg->in_mem, &mem->regs);
	list_add(&reg->in_region, &region->regs);
	trace_tce_register(ua, size, region->page_shift, region->mem);
	mutex_unlock(&shared->lock);
	return 0;

err_unlock:
	mutex_unlock(&shared->lock);
err_free:
	kfree(reg);
	return rc;
}

/**
 * tce_mem_unregister() - undo tce_mem_register()
 * @mem: a bound v2 container's memory
 * @ua: start, as registered
 * @size: bytes, as registered
 *
 * Context: process; sleeps.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has no region
 * of just these bounds; -EBUSY, and nothing is changed, if TCEs map it and no
 * other container has registered it; -EINTR.
 */
int tce_mem_unregister(struct tce_mem *mem, unsigned long ua,
		       unsigned long size)
{
	struct tce_mm *shared = mem->shared;
	struct tce_registration *reg = NULL;
	struct tce_region *region;
	int rc;

	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return -EINVAL;

	rc = mutex_lock_killable(&shared->lock);
	if (rc)
		return rc;

	region = region_find(shared, ua);
	if (region && region->ua == ua && region->npages == size >> PAGE_SHIFT)
		reg = registration_find(mem, region);
	if (!reg) {
		rc = -ENOENT;
		goto out_unlock;
	}

	if (list_is_singular(&region->regs)) {
		rc = region_release(shared, region);
		if (rc)
			goto out_unlock;
	} else {
		list_del(&reg->in_region);
	}
	list_del(&reg->in_mem);
	kfree(reg);
	trace_tce_unregister(ua, size);

out_unlock:
	mutex_unlock(&shared->lock);
	return rc;
}

/**
 * tce_mem_check() - may this memory be mapped?
 * @mem: a bound container's memory, with &tce_mem.lock held
 * @ua: start, aligned to the IOMMU page
 * @size: bytes, a multiple of the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 *
 * After it, tce_mem_get() for v2 does not fail as long as the lock is held.
 *
 * Return: 0; -EINVAL if some IOMMU page is not inside one registered region,
 * or is larger than the pages behind it (v2); -EFAULT if the range can't be
 * user memory (v1).
 */
int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write)
{
	unsigned long end = ua + size;

	if (!mem->v2)
		return access_ok((void __user *)ua, size) ? 0 : -EFAULT;
	if (end < ua)
		return -EINVAL;

	lockdep_assert_held(&mem->shared->tree_lock);
	while (ua < end) {
		struct tce_region *region = region_find(mem->shared, ua);

		if (!region || region->page_shift < shift)
			return -EINVAL;
		region_written(region, write);
		ua = region_end(region);
	}
	return 0;
}

/**
 * tce_pin_pass_on() - see tce_mem_pass_on(), for v1 only
 * @cell: as there
 * @cookie: as there
 *
 * The last of those who shared the pin has to know if any could write.
 *
 * Return: as there.
 */
bool tce_pin_pass_on(__be64 *cell, u64 cookie)
{
	/* In the cells' order of bytes: 4K times 0 to 15 stay in one byte. */
	const u64 write = (__force u64)cpu_to_be64(TCE_WRITE);
	const u64 step = (__force u64)cpu_to_be64(SZ_4K);
	u64 its, want = (__force u64)cpu_to_be64(cookie & PAGE_MASK) | write;
	unsigned long i;

	/* where the page's first 4K would be */
	cell -= offset_in_page(cookie) / SZ_4K;
	for (i = 0; i < TCE_PER_PIN; i++, want += step) {
		/* others may be at work on entries of other pages in between */
		its = (__force u64)READ_ONCE(cell[i]);
		if (unlikely((its | write) == want)) {
			if (cookie & TCE_WRITE)
				WRITE_ONCE(cell[i], (__force __be64)(its | write));
			return true;
		}
	}
	return false;
}

/* v1: give back @n pages that follow each other */
static __always_inline void pages_put(struct page *page, unsigned long n,
				      bool write)
{
	if (n > 1) {
		unpin_user_page_range_dirty_lock(page, n, write);
	} else {
		if (write && !PageDirty(page))
			set_page_dirty_lock(page);
		unpin_user_page(page);
	}
}

/* The struct page in a v1 cookie */
static __always_inline struct page *cookie_page(u64 cookie)
{
	if (TCE_PER_PIN > 1)
		return pfn_to_page(PHYS_PFN(cookie & ~TCE_COOKIE_OURS));
	return (struct page *)(cookie & ~TCE_WRITE);
}

/*
 * v1: pin the pages behind up to @n entries with the cells @cells. The page
 * pointers are put where the caller wants the addresses and are replaced from
 * the end: an entry's page comes at its own place or before, so none is
 * overwritten too early.
 */
static long pin_entries(__be64 *cells, unsigned long ua, unsigned long n,
			bool write, unsigned long *hpas)
{
	struct page **pages = (struct page **)hpas;
	unsigned long first = offset_in_page(ua) / SZ_4K, left, i;
	long got;

	got = pin_user_pages_fast(ua & PAGE_MASK,
				  DIV_ROUND_UP(first + n, TCE_PER_PIN),
				  FOLL_LONGTERM | (write ? FOLL_WRITE : 0),
				  pages);
	if (got <= 0)
		return tce_pin_errno(got);
	n = min(n, got * TCE_PER_PIN - first);

	/* entries that are there already have a pin for all */
	for (i = 0; TCE_PER_PIN > 1 && i < got; i++)
		if (tce_pin_pass_on(cells - first + i * TCE_PER_PIN,
				    tce_mem_cookie(false, true, 0,
						   tce_page_hpa(pages[i]),
						   false)))
			unpin_user_page(pages[i]);

	for (left = n; left; ) {
		unsigned long last = first + left - 1, hpa, from;

		i = last / TCE_PER_PIN;
		hpa = tce_page_hpa(pages[i]) + last % TCE_PER_PIN * SZ_4K;
		from = i ? i * TCE_PER_PIN - first : 0;
		for (; left > from; hpa -= SZ_4K)
			hpas[--left] = hpa;
	}
	return n;
}

/**
 * tce_mem_get() - take hold of the memory behind some entries
 * @mem: a bound container's memory, with &tce_mem.lock held
 * @cells: v1: the cells of the entries; see also tce_mem_pass_on()
 * @ua: of the first entry, aligned to the IOMMU page
 * @n: entries wanted, at least 1
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 * @ours: returned here; to be passed to tce_mem_cookie()
 * @hpas: room for @n addresses, which are returned here
 *
 * Each hold is given back through a struct tce_holds, but for those that are
 * passed on. Context: the owner of the memory; sleeps.
 *
 * Return: how many of the entries could be served, at least 1; or -EFAULT,
 * -ENOMEM, -EINTR (v1), -EINVAL (v2, if tce_mem_check() was not asked).
 */
long tce_mem_get(struct tce_mem *mem, __be64 *cells, unsigned long ua,
		 unsigned long n, unsigned int shift, bool write, bool *ours,
		 unsigned long *hpas)
{
	struct tce_region *region;
	unsigned long i, hpa, sub;

	*ours = true;
	if (!mem->v2)
		return pin_entries(cells, ua, n, write, hpas);

	region = region_find(mem->shared, ua);
	if (!region)
		return -EINVAL;
	*ours = !region->mem;
	n = min(n, (region_end(region) - ua) >> shift);
	if (!n)
		return -EINVAL;
	if (region_hold(region, n))
		return -EINVAL;
	if (shift >= PAGE_SHIFT) {
		if (region_hpas(region, ua, n, shift, hpas))
			return n;
		region_drop(region, n);
		return -EINVAL;
	}
	for (i = 0; i < n; ) {
		/* the IOMMU pages of one page of the CPU's */
		hpa = region_hpa(region, ua);
		sub = (PAGE_SIZE - offset_in_page(ua)) >> shift;
		sub = min(sub, n - i);
		ua += sub << shift;
		for (; sub--; hpa += 1UL << shift)
			hpas[i++] = hpa;
	}
	return n;
}

/**
 * tce_region_get() - v2: take hold of the memory behind one entry
 * @mem: a bound container's memory, with &tce_mem.lock held
 * @ua: aligned to the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 * @hpa: the address is returned here
 * @cookie: as tce_mem_cookie(), too
 *
 * tce_mem_check() and tce_mem_get() in one. Undone by tce_region_put().
 * Context: atomic.
 *
 * Return: 0, or -EINVAL as those two.
 */
int tce_region_get(struct tce_mem *mem, unsigned long ua, unsigned int shift,
		   bool write, unsigned long *hpa, u64 *cookie)
{
	struct tce_region *region = region_find(mem->shared, ua);
	unsigned long size = 1UL << shift;

	if (!region || region->page_shift < shift ||
	    region_end(region) - ua < size)
		return -EINVAL;
	if (!region->mem)
		*hpa = region_hpa(region, ua);
	else if (unlikely(mm_iommu_ua_to_hpa(region->mem, ua, 0, hpa)))
		return -EINVAL;
	/* the platform has a BUG_ON() for a misaligned address */
	if (unlikely(*hpa & (size - 1)) || region_hold(region, 1))
		return -EINVAL;
	region_written(region, write);
	*cookie = tce_mem_cookie(true, !region->mem, ua, *hpa, write);
	return 0;
}

/**
 * tce_region_put() - v2: let go of what one entry held
 * @mem: the container's memory, with &tce_mem.lock held
 * @cookie: as for tce_holds_add()
 * @hpa: as for tce_holds_add()
 * @write: as for tce_holds_add()
 *
 * tce_holds_add() and tce_holds_release() at once, for an entry that has been
 * killed, or was never written. Context: atomic. Never fails.
 */
void tce_region_put(struct tce_mem *mem, u64 cookie, unsigned long hpa,
		    bool write)
{
	unsigned long ua = cookie & ~TCE_COOKIE_OURS;
	struct tce_region *region = region_find(mem->shared, ua);

	if (!region || !region_counts(region, cookie) ||
	    region_hpa(region, ua) != hpa)
		return;
	region_written(region, write);
	region_drop(region, 1);
}

/**
 * tce_pin_put() - v1: undo tce_pin_get()
 * @cookie: what tce_pin_cookie() said
 * @write: the direction that was taken out of the entry let the device write
 *
 * The entry has been killed, or was never written. Context: sleeps. Never
 * fails.
 */
void tce_pin_put(u64 cookie, bool write)
{
	pages_put(cookie_page(cookie), 1, write || cookie & TCE_WRITE);
}

/**
 * tce_holds_init() - start to collect
 * @holds: on the stack
 * @mem: whose memory
 *
 * Undone by tce_holds_destroy().
 */
void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem)
{
	holds->mem = mem;
	holds->region = NULL;
	holds->first = holds->few;
	holds->next = holds->few;
	holds->end = holds->few + TCE_HOLDS_INLINE;
}

/**
 * tce_holds_destroy() - release what was collected, and the rest
 * @holds: the entries have been killed
 *
 * As tce_holds_release().
 */
void tce_holds_destroy(struct tce_holds *holds)
{
	if (holds->next != holds->first)
		tce_holds_release(holds);
	if (holds->first != holds->few)
		kvfree(holds->first);
}

/**
 * tce_holds_grow() - make room; only for tce_holds_full()
 * @holds: full
 *
 * Return: whether there is room now.
 */
bool tce_holds_grow(struct tce_holds *holds)
{
	unsigned long nr = holds->next - holds->first;
	struct tce_hold *more;

	/* in steps, so that no call pays for much more than it needs */
	if (nr >= TCE_HOLDS_MAX)
		return false;
	more = kvmalloc_array(nr * 16, sizeof(*more),
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!more)
		return false;
	memcpy(more, holds->first, nr * sizeof(*more));
	if (holds->first != holds->few)
		kvfree(holds->first);
	holds->first = more;
	holds->next = more + nr;
	holds->end = more + nr * 16;
	return true;
}

/* Count one more hold on a region. */
static __always_inline void holds_add_region(struct tce_holds *holds,
					     struct tce_region *region)
{
	unsigned long what = (unsigned long)region;
	struct tce_hold *last = holds->next - 1;

	if (last >= holds->first && last->what == what) {
		last->n++;
		return;
	}
	holds->next->what = what;
	holds->next->n = 1;
	holds->next++;
}

/* One more page to put, given as v1 cookie */
static __always_inline void holds_add_page(struct tce_holds *holds, u64 cookie)
{
	unsigned long what = (unsigned long)cookie_page(cookie) |
			     (cookie & TCE_WRITE);
	struct tce_hold *last = holds->next - 1;

	if (last >= holds->first &&
	    last->what + last->n * sizeof(struct page) == what) {
		last->n++;
		return;
	}
	holds->next->what = what;
	holds->next->n = 1;
	holds->next++;
}

static bool region_has(const struct tce_region *region, unsigned long ua)
{
	return ua - region->ua < region->npages << PAGE_SHIFT;
}

/**
 * tce_holds_add() - collect what a cleared entry held
 * @holds: not full
 * @cookie: what tce_mem_cookie() said when the entry was written
 * @hpa: the address that was taken out of the entry
 * @write: the direction that was taken out of the entry let the device write
 *
 * KVM changes entries and cookies under us, without a lock in common. So
 * nothing is given back for an entry whose cookie does not fit its address:
 * a region would rather be counted as mapped until it is closed than be let
 * go while it is mapped. Caller holds &tce_mem.lock.
 */
void tce_holds_add(struct tce_holds *holds, u64 cookie, unsigned long hpa,
		   bool write)
{
	unsigned long ua = cookie & ~TCE_COOKIE_OURS;
	struct tce_region *region = holds->region;

	if (!holds->mem->v2) {
		holds_add_page(holds, cookie | (write ? TCE_WRITE : 0));
		return;
	}

	if (!region || !region_has(region, ua)) {
		region = region_find(holds->mem->shared, ua);
		holds->region = region;
	}
	if (!region || !region_counts(region, cookie) ||
	    region_hpa(region, ua) != hpa)
		return;
	region_written(region, write);
	holds_add_region(holds, region);
}

/**
 * tce_holds_take() - collect by the cookies alone
 * @holds: what was collected so far
 * @cells: cookies as they are in a table; a 0 ends them
 * @n: how many at most
 *
 * For entries that KVM has no part in: those of our cookies agree with their
 * entries. Any other belongs to KVM, and stays counted. The cells are set to
 * 0. Caller holds &tce_mem.lock. Context: atomic.
 *
 * Return: how many cells were taken; fewer than there are if there is no more
 * room.
 */
unsigned long tce_holds_take(struct tce_holds *holds, __be64 *cells,
			     unsigned long n)
{
	struct tce_region *region = holds->region;
	unsigned long i, ua;
	u64 cookie;

	for (i = 0; i < n && holds->next != holds->end; i++) {
		cookie = be64_to_cpu(cells[i]);
		if (!cookie)
			break;
		cells[i] = 0;
		if (!(cookie & TCE_COOKIE_OURS))
			continue;
		if (!holds->mem->v2) {
			if (!tce_mem_pass_on(holds->mem, &cells[i], cookie))
				holds_add_page(holds, cookie);
			continue;
		}
		ua = cookie & ~TCE_COOKIE_OURS;
		if (!region || !region_has(region, ua))
			region = region_find(holds->mem->shared, ua);
		if (region)
			holds_add_region(holds, region);
	}
	holds->region = region;
	return i;
}

/* A cell's cookie, read in the table's byte order by one instruction */
static __always_inline u64 cell_cookie(const __be64 *cell)
{
	u64 cookie = be64_to_cpu(*cell);

	OPTIMIZER_HIDE_VAR(cookie);
	return cookie;
}

/*
 * v1: the cells from this one on that have the next pages of its folio, or,
 * where entries share pins, the rest of its page.
 */
static noinline unsigned long put_page_run(__be64 *cells, unsigned long n,
					   u64 cookie, struct page *page)
{
	u64 step = TCE_PER_PIN > 1 ? SZ_4K : sizeof(*page);
	struct folio *folio = page_folio(page);
	unsigned long i = 1;

	if (TCE_PER_PIN > 1 && !tce_pin_shared(cookie))
		n = 1;
	else if (TCE_PER_PIN > 1)
		n = min(n, TCE_PER_PIN - offset_in_page(cookie) / SZ_4K);
	else
		n = min_t(unsigned long, n, folio_nr_pages(folio) -
					    folio_page_idx(folio, page));
	while (i < n && cell_cookie(&cells[i]) == cookie + i * step)
		i++;
	memset(cells, 0, i * sizeof(*cells));
	if (TCE_PER_PIN == 1)
		unpin_user_page_range_dirty_lock(page, i, false);
	else if (i == TCE_PER_PIN || !tce_pin_shared(cookie) ||
		 !tce_pin_pass_on(cells, cookie))
		unpin_user_page(page);
	return i;
}

/* Is it still to be marked as written to? That sleeps. */
static __always_inline bool must_dirty(u64 cookie, struct folio *folio)
{
	return cookie & TCE_WRITE && !folio_test_dirty(folio);
}

static unsigned long put_page_cells(__be64 *cells, unsigned long n)
{
	__be64 *cell = cells, *end = cells + n;

	while (cell < end) {
		u64 cookie = cell_cookie(cell);
		struct page *page = cookie_page(cookie);

		/* not ours */
		if (!(cookie & TCE_COOKIE_OURS))
			break;
		/* large folios by the run, but for their first pages */
		if (TCE_PER_PIN > 1 || unlikely(PageTail(page))) {
			if (must_dirty(cookie, page_folio(page)))
				break;
			cell += put_page_run(cell, end - cell, cookie, page);
			continue;
		}
		/* no tail, so that it is the folio, and need not be asked */
		if (must_dirty(cookie, (struct folio *)page))
			break;
		*cell++ = 0;
		unpin_user_folio((struct folio *)page, 1);
	}
	return cell - cells;
}

static unsigned long put_region_cells(struct tce_mem *mem, __be64 *cells,
				      unsigned long n)
{
	unsigned long i = 0, start, size;
	struct tce_region *region;
	u64 cookie, first;

	while (i < n) {
		cookie = cell_cookie(&cells[i]);
		if (!(cookie & TCE_COOKIE_OURS))
			break;
		region = region_find(mem->shared, cookie & ~TCE_COOKIE_OURS);
		if (!region) {
			cells[i++] = 0;
			continue;
		}
		first = region->ua | TCE_COOKIE_OURS;
		size = region->npages << PAGE_SHIFT;
		start = i;
		do {
			cells[i++] = 0;
		} while (i < n && cell_cookie(&cells[i]) - first < size);
		region_drop(region, i - start);
	}
	return i;
}

/**
 * tce_mem_put_cells() - let go of what entries held, by the cookies alone
 * @mem: whose memory
 * @cells: cookies as they are in a table, none of them 0; they are set to 0
 * @n: how many
 *
 * For entries that KVM has no part in and that have been killed. Caller holds
 * &tce_mem.lock. Context: atomic.
 *
 * Return: how many cells were dealt with. The next one can't be here, because
 * it takes a lock that sleeps, and may be collected in a struct tce_holds.
 */
unsigned long tce_mem_put_cells(struct tce_mem *mem, __be64 *cells,
				unsigned long n)
{
	return mem->v2 ? put_region_cells(mem, cells, n) :
			 put_page_cells(cells, n);
}

/* One hold may be of as many entries, or pages, as a window has. */
static void hold_drop(struct tce_mem *mem, struct tce_hold *hold)
{
	struct tce_region *region = (void *)hold->what;
	struct page *page = (void *)(hold->what & ~TCE_WRITE);
	unsigned long now;

	for (; hold->n; hold->n -= now, page += now) {
		now = min(hold->n, SZ_8K);
		if (mem->v2)
			region_drop(region, now);
		else
			pages_put(page, now, hold->what & TCE_WRITE);
		if (now == SZ_8K)
			cond_resched();
	}
}

/**
 * tce_holds_release() - let go, and start anew
 * @holds: what was collected; the entries have been killed
 *
 * Caller holds &tce_mem.lock. Context: sleeps. Never fails.
 */
void tce_holds_release(struct tce_holds *holds)
{
	struct tce_mem *mem = holds->mem;
	struct tce_hold *hold;

	for (hold = holds->first; hold < holds->next; hold++) {
		if (mem->v2 || hold->n > SZ_8K)
			hold_drop(mem, hold);
		else
			pages_put((struct page *)(hold->what & ~TCE_WRITE),
				  hold->n, hold->what & TCE_WRITE);
		if (!((hold - holds->first + 1) % SZ_1K))
			cond_resched();
	}
	holds->next = holds->first;
}
