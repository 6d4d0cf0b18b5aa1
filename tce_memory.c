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
 * What a client can make take as long as it likes happens with no lock held that
 * anybody else waits for: page faults, and what takes the mmap_lock of its process,
 * which it may hold in a page fault of another thread. So v1 pins before MAP takes a
 * lock (struct tce_pins), REGISTER pins under a lock that only REGISTERs take, and
 * pages are charged before, and given back after, the locks (&tce_mem.owed). Who closes a
 * container gives back what it can without waiting; a work item does the rest.
 *
 * Locks, in the order in which they are taken:
 *   &tce_mem.charging	v1: changes of what is charged; held while the owner's
 *			mmap_lock is waited for
 *   &tce_mm.registering	REGISTERs of a process take turns; held while pages are
 *			pinned
 *   &tce_mm.lock	the regions of a process, for who adds or removes some
 *   &tce_mm.tree_lock	the tree and all regions in it; held for reading
 *			for MAP and UNMAP (&tce_mem.lock), so that no
 *			region goes away in between; and for writing by who
 *			changes a space
 *   tce_mms_lock		tce_mms, &tce_mm.refs, &tce_mm.users
 * mmap_lock is taken under the first two only.
 *
 * Never fails: tce_mem_close(), tce_mem_destroy(), and to collect and release holds.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
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

/* Pinning of movable memory fails while somebody else does the same: so often, 1 ms apart */
#define TCE_PIN_TRIES	20

/* Pages to pin at once: long enough to be cheap, short enough to be killed. */
#define TCE_PIN_CHUNK	SZ_8K

/**
 * struct tce_mm - the registered regions of a process
 * @list: in tce_mms
 * @refs: containers that are open; guarded by tce_mms_lock
 * @users: containers that have it, closed ones included; guarded by tce_mms_lock.
 *	With none it stays if @astray or @stuck, until the process is gone
 * @mm: the process's memory, grabbed
 * @registering: see the top of the file
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
	unsigned int users;
	struct mm_struct *mm;
	struct mutex registering;
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
 * @unwanted: the last container that has it wanted to unregister it while it was
 *	mapped; guarded by &tce_mm.lock
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
	bool unwanted;
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

static struct tce_region *region_next(struct tce_region *region)
{
	return rb_entry_safe(rb_next(&region->node), struct tce_region, node);
}

/* The first region that overlaps [ua, end), or NULL. */
static struct tce_region *region_first(struct tce_mm *shared,
				       unsigned long ua, unsigned long end)
{
	struct tce_region *region = region_overlap(shared, ua, end), *before;

	while (region) {
		before = rb_entry_safe(rb_prev(&region->node),
				       struct tce_region, node);
		if (!before || region_end(before) <= ua)
			break;
		region = before;
	}
	return region;
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

	/* waits for the process's own mmap_lock, as the page faults do */
	rc = account_locked_vm(shared->mm, region->npages, true);
	if (rc)
		return rc;
	region->pages = &region->one;
	if (region->npages > 1) {
		region->pages = pages_alloc(region->npages);
		if (!region->pages) {
			rc = -ENOMEM;
			goto err_uncharge;
		}
	}

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
	region_unpin(region, done);
	rc = tce_pin_errno(rc);
err_uncharge:
	account_locked_vm(shared->mm, region->npages, false);
	return rc;
}

/* Unpin a region that is not in the tree any more; @mem gives back the charge. */
static void region_free(struct tce_mem *mem, struct tce_region *region)
{
	if (!region->mem)
		region_unpin(region, region->npages);
	tce_mem_owe(mem, region->npages);
	kfree(region);
}

/*
 * Take a region off the kernel's list. The kernel would give back the charge by itself,
 * under the process's mmap_lock, for which we can't wait here: without an mm it does
 * not, and region_free() does. Return: 0, or -EBUSY while it is counted as mapped.
 */
static int region_unlist(struct tce_region *region)
{
	return mm_iommu_put(NULL, region->mem) == -EBUSY ? -EBUSY : 0;
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
 * Take a region out of the tree that no container uses any more, for region_free().
 * Refused with -EBUSY while TCEs map it.
 */
static int region_release(struct tce_mm *shared, struct tce_region *region)
{
	int rc = 0;

	lockdep_assert_held(&shared->lock);
	if (region->mem && region->written)
		region_mark_dirty(region);

	down_write(&shared->tree_lock);
	if (atomic64_read(&region->mapped) ||
	    (region->mem && region_unlist(region))) {
		rc = -EBUSY;
	} else {
		rb_erase(&region->node, &shared->regions);
		if (region->mem)
			shared->listed--;
	}
	up_write(&shared->tree_lock);
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
static void region_abandon(struct tce_mem *mem, struct tce_region *region,
			   unsigned int refs)
{
	struct tce_mm *shared = mem->shared;
	bool kept = shared->keep;

	lockdep_assert_held(&shared->lock);
	if (region->mem && region->written)
		region_mark_dirty(region);
	if (atomic64_read(&region->mapped))
		kept |= shared->stuck;
	if (kept)
		region_keep_pages(region);
	if (region->mem) {
		while (region_unlist(region)) {
			shared->astray = true;
			/*
			 * another container may have come since the last look
			 * (litmus/abandon.litmus)
			 */
			smp_mb();
			if (!kept && (atomic_read(&tce_mems) > refs ||
				      shared->stuck)) {
				region_keep_pages(region);
				kept = true;
			}
			mm_iommu_mapped_dec(region->mem);
			cond_resched();
		}
		shared->listed--;
	}
	region_free(mem, region);
}

/*
 * May KVM need the next region? A process that gets KVM later has none of those
 * from before in the list, and its guest's calls for them go to user space.
 */
static bool region_listable(const struct tce_mm *shared)
{
	return tce_mm_has_kvm(shared->mm) && !shared->astray &&
	       shared->listed < TCE_LISTED_MAX;
}

/*
 * Pin a region, in no tree yet. @listable: the caller has counted it in
 * &tce_mm.listed; it may have to be counted out, if it has no &tce_region.mem.
 */
static struct tce_region *region_create(struct tce_mm *shared,
					unsigned long ua, unsigned long npages,
					bool listable)
{
	struct tce_region *region;
	long rc;

	lockdep_assert_held(&shared->registering);
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	region->ua = ua;
	region->npages = npages;
	INIT_LIST_HEAD(&region->regs);

	if (listable) {
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
	return region;
}

static void tce_mm_free(struct tce_mm *shared)
{
	lockdep_assert_held(&tce_mms_lock);
	list_del(&shared->list);
	mmdrop(shared->mm);
	mutex_destroy(&shared->registering);
	mutex_destroy(&shared->lock);
	/* litmus/container-lookup.litmus: who has just found its lock */
	kfree_rcu(shared, rcu);
}

/* Forget what is left of processes that are gone, or of all. */
static void tce_mms_sweep(bool all)
{
	struct tce_mm *shared, *next;

	list_for_each_entry_safe(shared, next, &tce_mms, list)
		if (!shared->users &&
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
			shared->users++;
			goto out_unlock;
		}
	}

	shared = kzalloc(sizeof(*shared), GFP_KERNEL_ACCOUNT);
	if (!shared)
		goto out_unlock;
	mmgrab(mm);
	shared->mm = mm;
	shared->refs = 1;
	shared->users = 1;
	mutex_init(&shared->registering);
	mutex_init(&shared->lock);
	init_rwsem(&shared->tree_lock);
	shared->regions = RB_ROOT;
	list_add(&shared->list, &tce_mms);

out_unlock:
	mutex_unlock(&tce_mms_lock);
	return shared;
}

/*
 * Let go of all regions if no more than @refs containers are open: that of the caller,
 * or none if it has been closed. No lock of the tree is needed then: a container that
 * comes meanwhile waits for us when it binds.
 */
static void tce_mm_empty(struct tce_mem *mem, unsigned int refs)
{
	struct tce_mm *shared = mem->shared;
	struct rb_root regions = RB_ROOT;
	struct tce_region *region, *next;

	mutex_lock(&shared->lock);
	mutex_lock(&tce_mms_lock);
	if (shared->refs == refs)
		swap(regions, shared->regions);
	mutex_unlock(&tce_mms_lock);

	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		region_abandon(mem, region, refs);
	mutex_unlock(&shared->lock);
}

/* One open container less. */
static void tce_mm_leave(struct tce_mem *mem)
{
	struct tce_mm *shared = mem->shared;

	for (;;) {
		mutex_lock(&tce_mms_lock);
		/* the last one is alone with the tree */
		if (shared->refs > 1 || RB_EMPTY_ROOT(&shared->regions))
			break;
		mutex_unlock(&tce_mms_lock);
		tce_mm_empty(mem, 1);
	}
	/* the pages that this was about have been kept */
	if (!--shared->refs)
		shared->keep = false;
	mutex_unlock(&tce_mms_lock);
}

static void tce_mm_put(struct tce_mm *shared)
{
	mutex_lock(&tce_mms_lock);
	if (!--shared->users && !shared->astray && !shared->stuck)
		tce_mm_free(shared);
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
	refcount_set(&mem->users, 1);
	mutex_init(&mem->charging);
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
 * another one or if the caller has none; -ENOMEM.
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
		mutex_lock(&mem->shared->lock);
		mutex_unlock(&mem->shared->lock);
		mem->lock = &mem->shared->tree_lock;
	}
	mmgrab(current->mm);
	/* who sees it, without a lock, sees the rest as well (litmus/bind.litmus) */
	smp_store_release(&mem->mm, current->mm);
	return 0;
}

/**
 * tce_mem_close() - let go of all that a container had registered
 * @mem: the container's memory, none of which its own windows map any more
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory. Never
 * fails: regions that other containers map stay until the last of them closes. A
 * REGISTER that is under way undoes itself when it has its pages.
 */
void tce_mem_close(struct tce_mem *mem)
{
	struct tce_registration *reg, *next;
	struct tce_mm *shared = mem->shared;

	if (shared) {
		mutex_lock(&shared->lock);
		mem->closed = true;
		list_for_each_entry_safe(reg, next, &mem->regs, in_mem) {
			struct tce_region *region = reg->region;

			list_del(&reg->in_region);
			kfree(reg);
			if (list_empty(&region->regs) &&
			    !region_release(shared, region))
				region_free(mem, region);
			cond_resched();
		}
		INIT_LIST_HEAD(&mem->regs);
		mutex_unlock(&shared->lock);
		tce_mm_leave(mem);
	}
	atomic_dec(&tce_mems);
}

/**
 * tce_mem_destroy() - undo tce_mem_init()
 * @mem: closed, nobody uses it any more, and nothing is owed
 */
void tce_mem_destroy(struct tce_mem *mem)
{
	if (mem->shared)
		tce_mm_put(mem->shared);
	if (mem->mm)
		mmdrop(mem->mm);
	mutex_destroy(&mem->charging);
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
 * Undone by tce_mem_uncharge(), tce_mem_owe(). Context: process; waits for the owner's
 * mmap_lock, so with no lock held that anybody else may want.
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
 * @npages: no more than was charged; 0 is nothing
 *
 * Context: as tce_mem_charge().
 */
void tce_mem_uncharge(struct tce_mem *mem, unsigned long npages)
{
	account_locked_vm(mem->mm, npages, false);
}

/**
 * tce_mem_owe() - undo tce_mem_charge(), but later
 * @mem: the same
 * @npages: as tce_mem_uncharge()
 *
 * Context: any. Who has locks calls tce_mem_settle() when he has none any more.
 */
void tce_mem_owe(struct tce_mem *mem, unsigned long npages)
{
	atomic_long_add(npages, &mem->owed);
}

/**
 * tce_mem_owe_all() - the container has gone
 * @mem: its memory; nobody else uses it any more
 */
void tce_mem_owe_all(struct tce_mem *mem)
{
	tce_mem_owe(mem, mem->charged);
	mem->charged = 0;
}

/**
 * tce_mem_settle() - give back what is owed
 * @mem: the container's memory
 *
 * Context: as tce_mem_charge().
 */
void tce_mem_settle(struct tce_mem *mem)
{
	if (atomic_long_read(&mem->owed))
		tce_mem_uncharge(mem, atomic_long_xchg(&mem->owed, 0));
}

/**
 * tce_mem_try_settle() - give back what is owed, unless somebody must be waited for
 * @mem: the container's memory; nobody else uses it any more
 *
 * Context: process, any.
 *
 * Return: true if nothing is owed any more.
 */
bool tce_mem_try_settle(struct tce_mem *mem)
{
	unsigned long npages = atomic_long_read(&mem->owed);

	if (!npages)
		return true;
	/* the kernel has no mmap_write_trylock(); no mapping is changed here */
	if (!down_write_trylock(&mem->mm->mmap_lock))
		return false;
	__account_locked_vm(mem->mm, npages, false, current, true);
	up_write(&mem->mm->mmap_lock);
	atomic_long_sub(npages, &mem->owed);
	return true;
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

static void registration_add(struct tce_registration *reg,
			     struct tce_region *region)
{
	struct tce_mem *mem = reg->mem;

	lockdep_assert_held(&mem->shared->lock);
	reg->region = region;
	list_add(&reg->in_mem, &mem->regs);
	list_add(&reg->in_region, &region->regs);
	trace_tce_register(region->ua, region->npages << PAGE_SHIFT,
			   region->page_shift, region->mem);
}

/* The only registration of a region, if nobody wants that any more; else NULL. */
static struct tce_registration *
registration_unwanted(const struct tce_region *region)
{
	return region->unwanted && list_is_singular(&region->regs) ?
		list_first_entry(&region->regs, struct tce_registration,
				 in_region) : NULL;
}

/*
 * Who has a range already? What nobody uses or wants any more is let go of: it has the
 * pages of then, and what is there now may be others.
 *
 * Return: the region, to be shared; NULL if there is none; -EINVAL; -EBUSY.
 */
static struct tce_region *region_share(struct tce_mem *mem, unsigned long ua,
				       unsigned long npages)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);
	struct tce_mm *shared = mem->shared;
	struct tce_registration *reg;
	struct tce_region *region;

	lockdep_assert_held(&shared->lock);
	if (mem->closed)
		return ERR_PTR(-EINVAL);
	/* nothing is let go of if one is wanted */
	for (region = region_first(shared, ua, end);
	     region && region->ua < end; region = region_next(region)) {
		if (list_empty(&region->regs) || registration_unwanted(region))
			continue;
		if (region->ua != ua || region->npages != npages)
			return ERR_PTR(-EINVAL);
		return registration_find(mem, region) ? ERR_PTR(-EBUSY) :
							region;
	}
	while ((region = region_overlap(shared, ua, end))) {
		reg = registration_unwanted(region);
		if (region_release(shared, region))
			return ERR_PTR(-EBUSY);
		if (reg) {
			list_del(&reg->in_mem);
			kfree(reg);
		}
		region_free(mem, region);
	}
	return NULL;
}

/* REGISTER of what no container has. Return: as tce_mem_register() */
static int register_new(struct tce_registration *reg, unsigned long ua,
			unsigned long npages, bool listable)
{
	struct tce_mem *mem = reg->mem;
	struct tce_mm *shared = mem->shared;
	struct tce_region *region;
	bool orphan = false;
	int rc;

	/* as long as the client likes */
	region = region_create(shared, ua, npages, listable);
	rc = PTR_ERR_OR_ZERO(region);

	mutex_lock(&shared->lock);
	if (listable && (rc || !region->mem))
		shared->listed--;
	if (!rc && mem->closed) {
		rc = -EINVAL;
		/* KVM may have found it in the kernel's list, and mapped it */
		orphan = region->mem && region_unlist(region);
		if (region->mem && !orphan)
			shared->listed--;
	}
	if (!rc || orphan)
		region_insert(shared, region);
	if (!rc)
		registration_add(reg, region);
	mutex_unlock(&shared->lock);

	if (orphan)
		tce_mm_empty(mem, 0);
	else if (rc && !IS_ERR(region))
		region_free(mem, region);
	return rc;
}

/**
 * tce_mem_register() - pin a range of memory for DMA
 * @mem: a bound v2 container's memory
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Charges locked_vm. The same range registered by another container of the
 * process is shared and costs nothing. Undone by tce_mem_unregister() and by
 * tce_mem_close(). Context: the owner of the memory; sleeps, ends early on
 * SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region;
 * -EBUSY if this container has it already, or if it overlaps what a closed
 * container has left mapped in another, or what this container wanted to unregister
 * and still is mapped; -ENOMEM if out of memory or over RLIMIT_MEMLOCK; -EFAULT if
 * the range is not all writable memory that can be pinned, or begins at address 0;
 * -EINTR.
 */
int tce_mem_register(struct tce_mem *mem, unsigned long ua, unsigned long size)
{
	struct tce_mm *shared = mem->shared;
	unsigned long npages = size >> PAGE_SHIFT;
	struct tce_registration *reg;
	struct tce_region *region;
	bool listable;
	int rc;

	if (!size || !PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size) ||
	    ua + size - 1 < ua)
		return -EINVAL;
	/* to KVM and to us, the cookie of address 0 says "nothing mapped" */
	if (!ua || !access_ok((void __user *)ua, size))
		return -EFAULT;
	/* of devices there may be more memory than the host has, but not of nothing */
	if (npages > totalram_pages() &&
	    npages > READ_ONCE(shared->mm->total_vm))
		return -ENOMEM;
	/* the books would not fit into the host's memory, and the kernel says so */
	if (npages / (PAGE_SIZE / sizeof(struct page *)) >= totalram_pages())
		return -ENOMEM;

	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg)
		return -ENOMEM;
	reg->mem = mem;

	rc = mutex_lock_killable(&shared->registering);
	if (rc)
		goto err_free;
	rc = mutex_lock_killable(&shared->lock);
	if (rc)
		goto err_unlock;
	region = region_share(mem, ua, npages);
	listable = !region && region_listable(shared);
	shared->listed += listable;
	if (!IS_ERR_OR_NULL(region))
		registration_add(reg, region);
	mutex_unlock(&shared->lock);

	/* what was let go of need not be charged beside what comes */
	tce_mem_settle(mem);
	rc = PTR_ERR_OR_ZERO(region);
	if (!region)
		rc = register_new(reg, ua, npages, listable);
	if (rc)
		goto err_unlock;
	mutex_unlock(&shared->registering);
	return 0;

err_unlock:
	mutex_unlock(&shared->registering);
err_free:
	kfree(reg);
	return rc;
}

/*
 * Is there a region of just these bounds that its container wanted to unregister, and are
 * the @n pages from @from on still @pages? If these are its last, it is wanted again.
 * @mine: is set if the container that asks is the one that has it
 */
static bool region_still(struct tce_mem *mem, unsigned long ua,
			 unsigned long npages, unsigned long from,
			 struct page **pages, unsigned long n, bool *mine)
{
	struct tce_mm *shared = mem->shared;
	struct tce_region *region;
	unsigned long i;
	bool still;

	mutex_lock(&shared->lock);
	region = region_find(shared, ua);
	still = region && region->ua == ua && region->npages == npages &&
		registration_unwanted(region);
	*mine = still && registration_find(mem, region);
	for (i = 0; still && i < n; i++)
		still = region_hpa(region, from + (i << PAGE_SHIFT)) ==
			tce_page_hpa(pages[i]);
	if (still && from + (n << PAGE_SHIFT) == region_end(region))
		region->unwanted = false;
	mutex_unlock(&shared->lock);
	return still;
}

/**
 * tce_mem_register_again() - tce_mem_register() of what UNREGISTER was refused for
 * @mem: a bound v2 container's memory, for which tce_mem_register() said -EBUSY
 * @ua: as there
 * @size: as there
 *
 * UNREGISTER has changed nothing, so this need not do anything either, if it is the same
 * memory still. Context: as tce_mem_register().
 *
 * Return: 0; -EBUSY if it is another memory, or was not refused; -EFAULT, -ENOMEM or
 * -EINTR if it can't be looked at.
 */
int tce_mem_register_again(struct tce_mem *mem, unsigned long ua,
			   unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT, done, n;
	struct tce_mm *shared = mem->shared;
	struct page *pages[16];
	bool mine = false;
	long got;
	int rc;

	rc = mutex_lock_killable(&shared->registering);
	if (rc)
		return rc;
	for (done = 0; !rc && done < npages; done += n) {
		n = min(npages - done, ARRAY_SIZE(pages));
		/* nobody else is asked before it is known to be ours */
		if (!region_still(mem, ua, npages, ua, NULL, 0, &mine)) {
			rc = -EBUSY;
			break;
		}
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_user_pages_fast(ua + (done << PAGE_SHIFT), n,
					  FOLL_WRITE | FOLL_LONGTERM, pages);
		if (got <= 0) {
			rc = tce_pin_errno(got);
			break;
		}
		n = got;
		if (!region_still(mem, ua, npages, ua + (done << PAGE_SHIFT),
				  pages, n, &mine))
			rc = -EBUSY;
		unpin_user_pages(pages, n);
		cond_resched();
	}
	mutex_unlock(&shared->registering);
	/* another container's is shared, as any */
	return rc || mine ? rc : tce_mem_register(mem, ua, size);
}

/**
 * tce_mem_unwanted() - is what keeps memory from being registered not wanted any more?
 * @mem: a bound v2 container's memory, for which tce_mem_register() said -EBUSY
 * @ua: as there; returns where the region begins that keeps it from being registered
 * @size: the same of its size
 *
 * A container wanted to unregister that region, and was told that it is mapped.
 *
 * Return: the memory of that container, with one more of &tce_mem.users; NULL if there
 * is none. tce_space_forget() there helps.
 */
struct tce_mem *tce_mem_unwanted(struct tce_mem *mem, unsigned long *ua,
				 unsigned long *size)
{
	struct tce_registration *reg = NULL;
	struct tce_mm *shared = mem->shared;
	struct tce_mem *owner = NULL;
	struct tce_region *region;

	mutex_lock(&shared->lock);
	region = region_overlap(shared, *ua, *ua + *size);
	if (region)
		reg = registration_unwanted(region);
	if (reg) {
		*ua = region->ua;
		*size = region->npages << PAGE_SHIFT;
		owner = reg->mem;
		/* it is not closed: it has the registration */
		refcount_inc(&owner->users);
	}
	mutex_unlock(&shared->lock);
	return owner;
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
	struct tce_region *region, *released = NULL;
	struct tce_registration *reg = NULL;
	int rc;

	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return -EINVAL;

	rc = mutex_lock_killable(&shared->lock);
	if (rc)
		return rc;

	region = mem->closed ? NULL : region_find(shared, ua);
	if (region && region->ua == ua && region->npages == size >> PAGE_SHIFT)
		reg = registration_find(mem, region);
	if (!reg) {
		rc = -ENOENT;
		goto out_unlock;
	}

	if (list_is_singular(&region->regs)) {
		rc = region_release(shared, region);
		if (rc) {
			region->unwanted = true;
			goto out_unlock;
		}
		released = region;
	} else {
		list_del(&reg->in_region);
	}
	list_del(&reg->in_mem);
	kfree(reg);
	trace_tce_unregister(ua, size);

out_unlock:
	mutex_unlock(&shared->lock);
	if (released)
		region_free(mem, released);
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
static __always_inline void pages_put(struct tce_mem *mem, struct page *page,
				      unsigned long n, bool write)
{
	if (n > 1) {
		unpin_user_page_range_dirty_lock(page, n, write);
	} else {
		if (write && !PageDirty(page))
			set_page_dirty_lock(page);
		unpin_user_page(page);
	}
	atomic_long_sub(n, &mem->pins);
}

/* The struct page in a v1 cookie */
static __always_inline struct page *cookie_page(u64 cookie)
{
	if (TCE_PER_PIN > 1)
		return pfn_to_page(PHYS_PFN(cookie & ~TCE_COOKIE_OURS));
	return (struct page *)(cookie & ~TCE_WRITE);
}

/**
 * tce_pins_allow() - v1: what ENABLE has charged, or DISABLE will give back
 * @mem: a bound container's memory, with &tce_space.lock held for writing
 * @npages: CPU pages, already charged, with &tce_mem.charging held; or 0 to take it back
 */
void tce_pins_allow(struct tce_mem *mem, unsigned long npages)
{
	WRITE_ONCE(mem->window, npages);
	if (npages)
		WRITE_ONCE(mem->charged, mem->charged + npages);
}

/**
 * tce_pins_trim() - v1: give back what is charged beyond what is needed
 * @mem: the container's memory
 *
 * A whole window is charged while it is enabled, and what is pinned in any case. Context:
 * as tce_mem_charge(). On SIGKILL it is left to the end of the container.
 */
void tce_pins_trim(struct tce_mem *mem)
{
	unsigned long charged, keep;

	if (likely(!tce_pins_to_trim(mem)) ||
	    mutex_lock_killable(&mem->charging))
		return;
	charged = mem->charged;
	keep = max_t(unsigned long, READ_ONCE(mem->window),
		     atomic_long_read(&mem->pins));
	if (keep < charged) {
		WRITE_ONCE(mem->charged, keep);
		/* litmus/charge.litmus: who is not counted yet sees what is left */
		smp_mb();
		keep = max_t(unsigned long, keep, atomic_long_read(&mem->pins));
		keep = min(keep, charged);
		WRITE_ONCE(mem->charged, keep);
		tce_mem_uncharge(mem, charged - keep);
	}
	mutex_unlock(&mem->charging);
}

/* v1: more is to be pinned than was charged. Return: 0; -ENOMEM; -EINTR */
static noinline int pins_charge(struct tce_mem *mem)
{
	unsigned long pins, charged;
	int rc;

	rc = mutex_lock_killable(&mem->charging);
	if (rc)
		return rc;
	pins = atomic_long_read(&mem->pins);
	charged = mem->charged;
	if (pins > charged) {
		rc = tce_mem_charge(mem, pins - charged);
		if (!rc)
			WRITE_ONCE(mem->charged, pins);
	}
	mutex_unlock(&mem->charging);
	return rc;
}

/**
 * tce_pins_get() - v1: pin the pages for a MAP
 * @pins: on the stack
 * @mem: a bound container's memory, with no lock held
 * @ua: first byte
 * @size: bytes, at least 1
 * @write: the device will be allowed to write
 *
 * Undone by tce_pins_put(). Context: the owner of the memory; sleeps for as long as he
 * likes, ends early on SIGKILL.
 *
 * Return: 0; -EFAULT; -ENOMEM, also if more would be pinned than RLIMIT_MEMLOCK allows;
 * -EINTR.
 */
int tce_pins_get(struct tce_pins *pins, struct tce_mem *mem, unsigned long ua,
		 unsigned long size, bool write)
{
	unsigned long n = PFN_UP(offset_in_page(ua) + size);
	unsigned int tries = 0;
	long got = -ENOMEM;

	pins->mem = mem;
	pins->ua = ua & PAGE_MASK;
	pins->n = 0;
	pins->taken = 0;
	pins->pages = pins->few;
	if (n > TCE_PINS_INLINE)
		pins->pages = kvmalloc_array(n, sizeof(*pins->pages),
					     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pins->pages)
		return -ENOMEM;

	if (atomic_long_add_return(n, &mem->pins) > READ_ONCE(mem->charged)) {
		got = pins_charge(mem);
		if (got)
			goto err_put;
	}
	while (pins->n < n) {
		got = -EINTR;
		if (fatal_signal_pending(current))
			goto err_put;
		got = pin_user_pages_fast(pins->ua + (pins->n << PAGE_SHIFT),
					  min(n - pins->n, TCE_PIN_CHUNK),
					  FOLL_LONGTERM | (write ? FOLL_WRITE : 0),
					  (struct page **)pins->pages + pins->n);
		/* it has to move, but somebody else holds it for a moment */
		if (got == -ENOMEM && tries++ < TCE_PIN_TRIES) {
			msleep(1);
			continue;
		}
		if (got <= 0)
			goto err_put;
		pins->n += got;
		if (need_resched())
			cond_resched();
	}
	return 0;

err_put:
	atomic_long_sub(n - pins->n, &mem->pins);
	tce_pins_put(pins);
	return tce_pin_errno(got);
}

/**
 * tce_pins_put() - undo tce_pins_get(), but for what entries have by now
 * @pins: the pages
 */
void tce_pins_put(struct tce_pins *pins)
{
	/* each takes its pages in their order */
	unsigned long i = TCE_PER_PIN > 1 ? 0 : pins->taken;

	for (; pins->taken < pins->n && i < pins->n; i++) {
		if (pins->pages[i] & TCE_PIN_TAKEN)
			continue;
		unpin_user_page((struct page *)pins->pages[i]);
		if (need_resched())
			cond_resched();
	}
	if (pins->taken < pins->n)
		atomic_long_sub(pins->n - pins->taken, &pins->mem->pins);
	if (pins->pages != pins->few)
		kvfree(pins->pages);
}

/*
 * v1: give the pins of the pages behind @n entries with the cells @cells to them. Entries
 * that are there already have a pin for all of a page: then its new one stays with @pins.
 */
static void take_pins(struct tce_pins *pins, __be64 *cells, unsigned long ua,
		      unsigned long n, unsigned long *hpas)
{
	unsigned long *page = pins->pages + ((ua - pins->ua) >> PAGE_SHIFT);
	unsigned long first = offset_in_page(ua) / SZ_4K, i = 0, hpa;

	if (TCE_PER_PIN == 1) {
		for (; i < n; i++)
			hpas[i] = tce_page_hpa((struct page *)page[i]);
		pins->taken += n;
		return;
	}
	for (; i < n; page++, first = 0) {
		hpa = tce_page_hpa((struct page *)(*page & ~TCE_PIN_TAKEN));
		if (!(*page & TCE_PIN_TAKEN) &&
		    !tce_pin_pass_on(cells + i - first,
				     tce_mem_cookie(false, true, 0, hpa, false))) {
			*page |= TCE_PIN_TAKEN;
			pins->taken++;
		}
		for (hpa += first * SZ_4K; i < n && first < TCE_PER_PIN;
		     first++, hpa += SZ_4K)
			hpas[i++] = hpa;
	}
}

/**
 * tce_mem_get() - take hold of the memory behind some entries
 * @mem: a bound container's memory, with &tce_mem.lock held
 * @pins: v1: the pages, none of which may be looked at twice
 * @cells: v1: the cells of the entries; see also tce_mem_pass_on()
 * @ua: of the first entry, aligned to the IOMMU page
 * @n: entries wanted, at least 1
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 * @ours: returned here; to be passed to tce_mem_cookie()
 * @hpas: room for @n addresses, which are returned here
 *
 * Each hold is given back through a struct tce_holds, but for those that are
 * passed on. Context: waits for nobody.
 *
 * Return: how many of the entries could be served, at least 1 (v1: all); or -EINVAL
 * (v2, if tce_mem_check() was not asked).
 */
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, __be64 *cells,
		 unsigned long ua, unsigned long n, unsigned int shift,
		 bool write, bool *ours, unsigned long *hpas)
{
	struct tce_region *region;
	unsigned long i, hpa, sub;

	*ours = true;
	if (!mem->v2) {
		take_pins(pins, cells, ua, n, hpas);
		return n;
	}

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
 * tce_pin_put() - v1: undo tce_pin_get() and tce_pin_count()
 * @mem: the container's memory
 * @cookie: what tce_pin_cookie() said
 * @write: the direction that was taken out of the entry let the device write
 *
 * The entry has been killed, or was never written. Context: sleeps. Never
 * fails.
 */
void tce_pin_put(struct tce_mem *mem, u64 cookie, bool write)
{
	pages_put(mem, cookie_page(cookie), 1, write || cookie & TCE_WRITE);
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
	/* for a moment; a cgroup's limit must not have us wait with a lock held */
	more = kvmalloc_array(nr * 16, sizeof(*more),
			      GFP_KERNEL | __GFP_NOWARN);
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
static noinline unsigned long put_page_run(struct tce_mem *mem, __be64 *cells,
					   unsigned long n, u64 cookie,
					   struct page *page)
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
	if (TCE_PER_PIN == 1) {
		unpin_user_page_range_dirty_lock(page, i, false);
		atomic_long_sub(i, &mem->pins);
	} else if (i == TCE_PER_PIN || !tce_pin_shared(cookie) ||
		   !tce_pin_pass_on(cells, cookie)) {
		unpin_user_page(page);
		atomic_long_dec(&mem->pins);
	}
	return i;
}

/* Is it still to be marked as written to? That sleeps. */
static __always_inline bool must_dirty(u64 cookie, struct folio *folio)
{
	return cookie & TCE_WRITE && !folio_test_dirty(folio);
}

static unsigned long put_page_cells(struct tce_mem *mem, __be64 *cells,
				    unsigned long n)
{
	__be64 *cell = cells, *end = cells + n;
	unsigned long put = 0;

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
			cell += put_page_run(mem, cell, end - cell, cookie,
					     page);
			continue;
		}
		/* no tail, so that it is the folio, and need not be asked */
		if (must_dirty(cookie, (struct folio *)page))
			break;
		*cell++ = 0;
		unpin_user_folio((struct folio *)page, 1);
		put++;
	}
	if (put)
		atomic_long_sub(put, &mem->pins);
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
			 put_page_cells(mem, cells, n);
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
			pages_put(mem, page, now, hold->what & TCE_WRITE);
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
			pages_put(mem,
				  (struct page *)(hold->what & ~TCE_WRITE),
				  hold->n, hold->what & TCE_WRITE);
		if (!((hold - holds->first + 1) % SZ_1K))
			cond_resched();
	}
	holds->next = holds->first;
}
