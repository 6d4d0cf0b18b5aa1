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
 * charged. So does a new region that KVM has mapped by the time that REGISTER is refused. After the
 * mm's last close no window is left. If a bridge did not release a window, the pages of a region
 * that may still be mapped are leaked.
 *
 * region_unlink() alone decides whether a region may go. What KVM counts tells nothing (tce_kvm.c),
 * but has to be taken back before KVM's list lets go of it, and a guest can raise it at will.
 *
 * The pages of a region are pinned in blocks (tce_block.c). KVM has its own list (mm_iommu), where
 * it looks up and counts the memory that a guest maps for a device. Each look-up walks the list,
 * and the kernel pins what is in it once more, page by page. So it gets at most TCE_LISTED_MAX
 * regions, and only of a process that may have KVM; KVM leaves mapping others to user space. If the
 * client maps another page at an address between the two pins, REGISTER is refused, because twice
 * as many pages would be pinned as are charged. Mappings by MAP are always counted here.
 *
 * Locks: tce_container.c has their order, and struct tce_mm what each guards.
 *
 * Never fails: tce_region_close(), tce_region_drain().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
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

/* Held for each chunk, so that tce_create_lock is only tried while somebody creates a table */
static DEFINE_MUTEX(tce_delist_lock);

/*
 * Return: how many bytes are contiguous from @ua on, of @max that are all in @region. @hpa returns
 * the address of the first one.
 */
unsigned long tce_region_extent(const struct tce_region *region, unsigned long ua,
				unsigned long max, unsigned long *hpa)
{
	unsigned long size = 0;

	*hpa = tce_region_hpa(region, ua);
	do {
		size += tce_block_rest(tce_region_block(region, ua + size), ua + size);
	} while (size < max && tce_region_hpa(region, ua + size) == *hpa + size);
	return min(size, max);
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
	if (region->mm_iommu)
		list_add_rcu(&region->in_list, &tmm->listed_regions);
	up_write(&tmm->map_lock);
}

/*
 * Take a region off KVM's list, if it is there, with what KVM counts of it: down to 0 are taken
 * back TCE_DRAIN_CHUNK, each of which uses up one of @chunks. No entry maps it that KVM could find,
 * and KVM begins no mapping. But on pseries KVM of any process can use a table until its creator
 * has hidden and cleared it. So no table may be created meanwhile, nor is the region delisted while
 * another client creates one, which may take long.
 *
 * The kernel drops its own pins after a grace period. With an mm it would also uncharge the region,
 * and wait for the mmap_lock. Return: 0; -EBUSY if it has to be called again
 */
static int region_delist(struct tce_mm *tmm, struct tce_region *region, unsigned int *chunks)
{
	unsigned long i;
	bool locked;
	int rc;

	if (!region->mm_iommu)
		return 0;
	for (;;) {
		rc = -EBUSY;
		mutex_lock(&tce_delist_lock);
		locked = down_write_trylock(&tce_create_lock);
		if (locked) {
			rc = mm_iommu_put(NULL, region->mm_iommu);
			for (i = 0; rc && *chunks && i < TCE_DRAIN_CHUNK; i++)
				mm_iommu_mapped_dec(region->mm_iommu);
			up_write(&tce_create_lock);
		}
		mutex_unlock(&tce_delist_lock);
		if (!rc)
			break;
		if (!locked || !*chunks)
			return -EBUSY;
		--*chunks;
		/* other work items of this CPU run only while this one sleeps */
		usleep_range(50, 100);
	}
	atomic_dec(&tmm->listed);
	return 0;
}

/* The region has left the tree and KVM's list. */
static void region_free(struct tce_region *region, struct tce_memory *mem)
{
	tce_blocks_unpin(region->blocks, region->ua, region->npages, region->written);
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
 * Move a region to @unlinked if its memory may be released. One of KVM's list was searched for,
 * with success, and KVM has not gone on. Return: 0; -EBUSY if it is mapped, or has to stay in KVM's
 * list
 */
static int region_unlink(struct tce_mm *tmm, struct tce_region *region, unsigned int *chunks,
			 struct list_head *unlinked)
{
	lockdep_assert_held(&tmm->region_lock);
	lockdep_assert_held_write(&tmm->map_lock);
	if (atomic64_read(&region->mapped) ||
	    (region->mm_iommu && (region->in_use || tmm->shared_leaked)) ||
	    region_delist(tmm, region, chunks))
		return -EBUSY;
	if (region->mm_iommu)
		list_del_rcu(&region->in_list);
	rb_erase(&region->node, &tmm->regions);
	list_add(&region->out, unlinked);
	return 0;
}

/* @listed: it is still in KVM's list, where pages may be others */
static void region_leak(const struct tce_region *region, bool listed)
{
	unsigned long i, ua, hpa, its;

	for (i = 0; i < region->npages; i++) {
		ua = region->ua + (i << PAGE_SHIFT);
		hpa = tce_region_hpa(region, ua);
		get_page(pfn_to_page(PHYS_PFN(hpa)));
		if (listed && !mm_iommu_ua_to_hpa(region->mm_iommu, ua, 0, &its) && its != hpa)
			get_page(pfn_to_page(PHYS_PFN(its)));
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	atomic_long_add(region->npages, &tce_leaked_pages);
	pr_warn_ratelimited("%lu pages that a device may still reach are kept for good\n",
			    region->npages);
}

/*
 * Called when no window of v2 is left. Counts beyond @chunks, or any if a table is just being
 * created, are left to tce_region_drain(). If a bridge did not release a window, pages that a
 * device may still reach stay pinned for good.
 */
static void region_end(struct tce_region *region, struct tce_memory *mem, unsigned int *chunks)
{
	struct tce_mm *tmm = mem->tmm;

	lockdep_assert_held(&tmm->region_lock);
	if ((READ_ONCE(tmm->table_leaked) && atomic64_read(&region->mapped)) ||
	    (tmm->shared_leaked && region->mm_iommu))
		region_leak(region, region->mm_iommu);
	if (region->mm_iommu)
		list_del_rcu(&region->in_list);
	if (region_delist(tmm, region, chunks)) {
		list_add(&region->out, &mem->draining);
		tmm->nr_draining++;
		return;
	}
	region_free(region, mem);
}

/* Called while a container is being freed, until it returns true because no region is left */
bool tce_region_drain(struct tce_memory *mem)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_region *region, *next;
	struct tce_mm *tmm = mem->tmm;

	list_for_each_entry_safe(region, next, &mem->draining, out) {
		if (region_delist(tmm, region, &chunks))
			return false;
		mutex_lock(&tmm->region_lock);
		down_write(&tmm->map_lock);
		list_del(&region->out);
		tmm->nr_draining--;
		up_write(&tmm->map_lock);
		mutex_unlock(&tmm->region_lock);
		region_free(region, mem);
	}
	return true;
}

static void end_regions(struct tce_memory *mem, int closed, unsigned int *chunks)
{
	struct tce_region *region, *next;
	struct tce_mm *tmm = mem->tmm;
	struct rb_root regions;

	mutex_lock(&tmm->region_lock);
	regions = tce_mm_take_regions(tmm, closed);
	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		region_end(region, mem, chunks);
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

/* Charge and pin memory, which is in no tree yet, and with @listed put it into KVM's list. */
static struct tce_region *region_create(struct tce_mm *tmm, unsigned long ua,
					unsigned long npages, bool listed)
{
	struct tce_region *region;
	long rc;

	lockdep_assert_held(&tmm->registering);
	/* this waits for the process's own mmap_lock, as page faults do */
	rc = tce_charge(tmm->mm, npages);
	if (rc)
		return ERR_PTR(rc);
	region = kvzalloc(struct_size(region, blocks, tce_blocks_count(ua, npages)),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!region) {
		rc = TCE_REFUSE(-ENOMEM);
		goto err_uncharge;
	}
	region->ua = ua;
	region->npages = npages;
	INIT_LIST_HEAD(&region->refs);
	rc = tce_blocks_pin(region->blocks, ua, npages, &region->page_shift);
	if (rc)
		goto err_free;
	region->page_shift = min_t(unsigned int, region->page_shift,
				   __ffs(ua | npages << PAGE_SHIFT));
	if (!listed)
		return region;

	/* mm_iommu_new() charges the pages itself; until then they are pinned and not charged */
	account_locked_vm(tmm->mm, npages, false);
	rc = mm_iommu_new(tmm->mm, ua, npages, &region->mm_iommu);
	if (!rc) {
		atomic_inc(&tmm->listed);
		/* KVM does not tell what a device may write */
		region->written = true;
		return region;
	}
	tce_blocks_unpin(region->blocks, ua, npages, false);
	kvfree(region);
	/* a short pin is reported as the number of pages */
	return ERR_PTR(rc == -EINVAL ? TCE_REFUSE(-EINVAL) : tce_pin_errno(rc, ua));

err_free:
	kvfree(region);
err_uncharge:
	account_locked_vm(tmm->mm, npages, false);
	return ERR_PTR(rc);
}

/*
 * Find the region to share, or NULL. Orphans that no TCE maps are unlinked, because their pages may
 * no longer be those at these addresses.
 */
static struct tce_region *region_share(struct tce_memory *mem, unsigned long ua,
				       unsigned long npages, struct list_head *unlinked,
				       const struct tce_tables *tables)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);
	struct tce_mm *tmm = mem->tmm;
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_region *region;
	bool listed = false;
	int rc = 0;

	lockdep_assert_held(&tmm->region_lock);
	if (mem->closed)
		return ERR_PTR(TCE_REFUSE(-EINVAL));
	/* no orphan goes if a referenced region overlaps the range */
	for (region = tce_region_first(tmm, ua, end); region && region->ua < end;
	     region = rb_entry_safe(rb_next(&region->node), struct tce_region, node)) {
		if (need_resched())
			cond_resched();
		listed |= !!region->mm_iommu;
		if (list_empty(&region->refs))
			continue;
		if (region->ua != ua || region->npages != npages)
			return ERR_PTR(TCE_REFUSE(-EINVAL, "", region->ua));
		if (find_ref(mem, region))
			return ERR_PTR(TCE_REFUSE(-EBUSY, "REGISTERED_ALREADY", ua));
		return region;
	}
	if (!tce_region_first(tmm, ua, end))
		return NULL;
	down_write(&tmm->map_lock);
	if (listed)
		rc = tables->search(tmm, NULL, NULL);
	while (!rc && (region = tce_region_first(tmm, ua, end))) {
		rc = region_unlink(tmm, region, &chunks, unlinked);
		ua = region->ua;
	}
	if (listed)
		tables->resume(tmm);
	up_write(&tmm->map_lock);
	return rc ? ERR_PTR(TCE_REFUSE(rc, "", ua)) : NULL;
}

/**
 * struct region_watch - whether other pages may come to a range between its two pins
 * @notifier: is told before a page-table entry of the range changes
 * @seq: what it held when it began
 * @on: there is one
 */
struct region_watch {
	struct mmu_interval_notifier notifier;
	unsigned long seq;
	bool on;
};

#ifndef CONFIG_MMU_NOTIFIER
/* Without it there is no KVM. */
static void watch_begin(struct region_watch *watch, struct mm_struct *mm, unsigned long ua,
			unsigned long npages)
{
}

static bool watch_end(struct region_watch *watch)
{
	return true;
}
#else
/* Whoever changes a page-table entry of the range calls this before. */
static bool watch_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *range, unsigned long seq)
{
	mmu_interval_set_seq(notifier, seq);
	return true;
}

static const struct mmu_interval_notifier_ops watch_ops = { .invalidate = watch_invalidate };

/*
 * Watch a range, from before its first pin (litmus/watch.litmus). Waits until what is being
 * invalidated in the caller's mm has been, and the first time for its mmap_lock. SIGKILL ends
 * neither. May fail, upon which all pages are compared; a single one always is, at less cost.
 */
static void watch_begin(struct region_watch *watch, struct mm_struct *mm, unsigned long ua,
			unsigned long npages)
{
	watch->on = npages > 1 && !mmu_interval_notifier_insert(&watch->notifier, mm, ua,
								npages << PAGE_SHIFT, &watch_ops);
	if (watch->on)
		watch->seq = mmu_interval_read_begin(&watch->notifier);
}

/* After the second pin. Waits like watch_begin(). Returns false if both had the same pages. */
static bool watch_end(struct region_watch *watch)
{
	if (!watch->on)
		return true;
	mmu_interval_notifier_remove(&watch->notifier);
	return mmu_interval_check_retry(&watch->notifier, watch->seq);
}
#endif

/*
 * -EFAULT if KVM's list has other pages, because the client has mapped them meanwhile. These are
 * marked dirty, because KVM may have mapped them for a device, and nobody else knows of them.
 */
static int compare_pages(const struct tce_region *region)
{
	unsigned long i, ua, hpa;
	int rc = 0;

	for (i = 0; region->mm_iommu && i < region->npages; i++) {
		ua = region->ua + (i << PAGE_SHIFT);
		if (mm_iommu_ua_to_hpa(region->mm_iommu, ua, 0, &hpa))
			return tce_pin_errno(-EFAULT, ua);
		if (hpa != tce_region_hpa(region, ua)) {
			rc = rc ?: tce_pin_errno(-EFAULT, ua);
			set_page_dirty_lock(pfn_to_page(PHYS_PFN(hpa)));
		}
		if (!(i % TCE_PIN_CHUNK))
			cond_resched();
	}
	return rc;
}

/* KVM may have mapped a region whose REGISTER is refused, and would keep it in its list. */
static void unlink_refused(struct tce_mm *tmm, struct tce_region *region, unsigned int *chunks,
			   struct list_head *unlinked, const struct tce_tables *tables)
{
	down_write(&tmm->map_lock);
	if (!tables->search(tmm, NULL, NULL))
		region_unlink(tmm, region, chunks, unlinked);
	tables->resume(tmm);
	up_write(&tmm->map_lock);
}

static int register_new(struct tce_region_ref *ref, unsigned long ua,
			unsigned long npages, bool listed, const struct tce_tables *tables)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_memory *mem = ref->mem;
	struct tce_mm *tmm = mem->tmm;
	struct region_watch watch;
	struct tce_region *region;
	bool changed = false;
	LIST_HEAD(unlinked);
	int rc;

	if (listed)
		watch_begin(&watch, tmm->mm, ua, npages);
	/* this may take forever */
	region = region_create(tmm, ua, npages, listed);
	if (listed)
		changed = watch_end(&watch);
	if (IS_ERR(region))
		return PTR_ERR(region);
	rc = changed ? compare_pages(region) : 0;

	mutex_lock(&tmm->region_lock);
	if (!rc && mem->closed)
		rc = TCE_REFUSE(-EINVAL);
	if (!rc || region->mm_iommu)
		region_insert(tmm, region);
	/* no container can have mapped it, but KVM may have */
	if (!rc)
		add_ref(ref, region);
	else if (region->mm_iommu)
		unlink_refused(tmm, region, &chunks, &unlinked, tables);
	else
		list_add(&region->out, &unlinked);
	mutex_unlock(&tmm->region_lock);
	free_unlinked(&unlinked, mem);
	/* an orphan, if no container of v2 is open */
	if (rc)
		end_regions(mem, 0, &chunks);
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
	if (tce_blocks_count(ua, npages) >= SZ_128M)
		return TCE_REFUSE(-ENOMEM);
	return 0;
}

/**
 * tce_region_register() - REGISTER: pin a range of memory for DMA
 * @mem: the memory of a bound container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 * @tables: what may map an orphan
 *
 * Charges locked_vm, unless it shares the region of another container. Undone by
 * tce_region_unregister() and tce_region_close().
 *
 * Context: the owner of the memory; sleeps, ends early on SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region, or if the container is
 * closed; -EBUSY if the container has registered it already, or if an orphan in the range is still
 * mapped; -ENOMEM if out of memory or over RLIMIT_MEMLOCK; -EFAULT if the range begins at address
 * 0, is not all writable memory that can be pinned, or was mapped anew meanwhile; -EINTR.
 */
int tce_region_register(struct tce_memory *mem, unsigned long ua, unsigned long size,
			const struct tce_tables *tables)
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
	region = region_share(mem, ua, npages, &unlinked, tables);
	/* Regions that a process registers before it gets KVM stay out of KVM's list. */
	listed = tce_mm_allows_kvm(tmm) && atomic_read(&tmm->listed) < TCE_LISTED_MAX;
	if (!IS_ERR_OR_NULL(region))
		add_ref(ref, region);
	mutex_unlock(&tmm->region_lock);

	/* unlinked orphans must not count against the limit */
	free_unlinked(&unlinked, mem);
	tce_uncharge(mem);
	rc = PTR_ERR_OR_ZERO(region);
	if (!region)
		rc = register_new(ref, ua, npages, listed, tables);
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
	return ref ?: ERR_PTR(TCE_REFUSE(-ENOENT, "NO_SUCH_REGION", 0));
}

/**
 * tce_region_unregister() - UNREGISTER: undo tce_region_register()
 * @mem: the memory of a bound container
 * @ua: start, as registered
 * @size: bytes, as registered
 * @tables: what may map it
 *
 * The in-tree driver returns 0 for memory that is mapped, and QEMU and DPDK rely on that: they
 * later register other memory at the same address. So the container's mappings are removed as
 * well, even if the region is shared. &tce_mm.region_lock is held throughout, so that no other
 * thread can register the address meanwhile.
 *
 * Context: sleeps, ends early on SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has no region of exactly these bounds;
 * -EBUSY if no other container has registered the region, and another container, or an entry that
 * the platform refused to clear, still maps it; or if it is in KVM's list, and the guest has raised
 * the count there beyond what can be taken back at once, or on pseries another client is creating a
 * window; -EINTR. On an error the region stays registered, but the container's mappings may be
 * gone.
 */
int tce_region_unregister(struct tce_memory *mem, unsigned long ua, unsigned long size,
			  const struct tce_tables *tables)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_mm *tmm = mem->tmm;
	struct tce_region_ref *ref;
	struct tce_region *region;
	LIST_HEAD(unlinked);
	bool last, search;
	int rc;

	rc = mutex_lock_killable(&tmm->region_lock);
	if (rc)
		return rc;
	ref = find_registered(mem, ua, size);
	rc = PTR_ERR_OR_ZERO(ref) ?: down_write_killable(&tmm->map_lock);
	if (rc)
		goto out_unlock;
	region = ref->region;
	last = list_is_singular(&region->refs);
	/* the tables are searched only if TCEs may map it */
	search = region->mm_iommu || atomic64_read(&region->mapped);
	if (search)
		rc = tables->search(tmm, mem, region);
	if (!rc && last && region_unlink(tmm, region, &chunks, &unlinked))
		rc = TCE_REFUSE(-EBUSY, "REGION_MAPPED", 0);
	if (search)
		tables->resume(tmm);
	up_write(&tmm->map_lock);
	if (!rc)
		drop_ref(ref);
out_unlock:
	mutex_unlock(&tmm->region_lock);
	free_unlinked(&unlinked, mem);
	return rc;
}

/* Will a region of KVM's list lose its last reference? */
static bool any_listed_ends(const struct tce_memory *mem)
{
	const struct tce_region_ref *ref;

	if (list_empty(&mem->tmm->listed_regions))
		return false;
	list_for_each_entry(ref, &mem->refs, in_memory)
		if (ref->region->mm_iommu && list_is_singular(&ref->region->refs))
			return true;
	return false;
}

/*
 * Drop all references of a container that is bound, and has no windows. A REGISTER in flight undoes
 * itself once it has its pages. Context: sleeps, but waits for no client; any process.
 */
void tce_region_close(struct tce_memory *mem, const struct tce_tables *tables)
{
	unsigned int chunks = TCE_DRAIN_CHUNKS;
	struct tce_region_ref *ref, *next;
	struct tce_mm *tmm = mem->tmm;
	struct tce_region *region;
	LIST_HEAD(unlinked);
	bool search;
	int rc = 0;

	mutex_lock(&tmm->region_lock);
	mem->closed = true;
	down_write(&tmm->map_lock);
	/* one search for all of them */
	search = any_listed_ends(mem);
	if (search)
		rc = tables->search(tmm, NULL, NULL);
	list_for_each_entry_safe(ref, next, &mem->refs, in_memory) {
		region = ref->region;
		drop_ref(ref);
		if (list_empty(&region->refs) && !(rc && region->mm_iommu))
			region_unlink(tmm, region, &chunks, &unlinked);
		cond_resched();
	}
	if (search)
		tables->resume(tmm);
	up_write(&tmm->map_lock);
	mutex_unlock(&tmm->region_lock);
	free_unlinked(&unlinked, mem);
	end_regions(mem, 1, &chunks);
}
