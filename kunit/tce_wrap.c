// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layer between the driver and the kernel in the suites' module.
 *
 * The driver's call of f() arrives in __wrap_f(), and __real_f() is the kernel's.
 * The linker does this (see Kbuild.include).
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <asm/hvcall.h>
#include <asm/mmu_context.h>

#include "../tce_region.h"
#include "../tce_trace.h"
#include "tce_mock.h"
#include "tce_wrap.h"

const struct vfio_iommu_driver_ops *tce_driver;

/**
 * struct listed - a region that the driver has put into the kernel's list
 * @list: in &tce_mock.listed
 * @mem: the kernel's
 * @npages: length in pages
 * @counted: as the kernel counts it
 * @pfns: the pages
 */
struct listed {
	struct list_head list;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long npages;
	long counted;
	unsigned long pfns[];
};

static bool fault(enum tce_fault what, int *rc)
{
	struct tce_mock *mock = tce_mock_current();
	bool hit;

	if (!mock)
		return false;
	spin_lock(&mock->lock);
	hit = tce_fault_hit(mock, what, rc);
	spin_unlock(&mock->lock);
	return hit;
}

/* Is a pin to fail, with @rc, or to pin fewer pages than @n? */
static bool pin_fails(unsigned long *n, int *rc)
{
	if (!fault(TCE_FAULT_PIN, rc))
		return false;
	*n = min_t(unsigned long, *n, max(*rc, 0));
	return *rc <= 0;
}

static void note_pinned(struct page **pages, long n, unsigned int flags)
{
	struct tce_mock *mock = tce_mock_current();
	long i;

	for (i = 0; mock && i < n; i++)
		tce_mock_pinned(mock, page_to_pfn(pages[i]), flags & FOLL_WRITE);
}

/* @dirty: the kernel marks them dirty before it unpins them */
static void note_unpinned(struct page **pages, unsigned long n, bool dirty)
{
	struct tce_mock *mock = tce_mock_current();
	unsigned long i;

	for (i = 0; mock && i < n; i++)
		tce_mock_unpinned(mock, page_to_pfn(pages[i]), dirty);
}

/*
 * A client that is over its memory cgroup's limit is held up in an allocation that is
 * accounted. Nobody else may wait for it then: it holds no lock but the one that only
 * the process's own REGISTERs want. All that is allocated with that lock held grows with
 * the memory that is registered, and is accounted.
 */
static void check_account(struct tce_mock *mock, gfp_t flags)
{
#ifdef CONFIG_LOCKDEP
	const char *name, *member;
	int i;

	/* those of this module that are made there can't wait */
	if (!mock || !gfpflags_allow_blocking(flags))
		return;
	for (i = 0; i < current->lockdep_depth; i++) {
		name = current->held_locks[i].instance->name;
		member = strrchr(name, '>');
		if ((member && !strcmp(member + 1, "registering")) != !!(flags & __GFP_ACCOUNT))
			tce_mock_violation(mock, "memory is %scharged to a cgroup with %s held",
					   flags & __GFP_ACCOUNT ? "" : "not ", name);
	}
#endif
}

static void check_kvmalloc(gfp_t flags)
{
	struct tce_mock *mock = tce_mock_current();

	check_account(mock, flags);
	if (mock)
		mock->kvmallocs++;
}

/* kmalloc() and kzalloc() of a size that the compiler knows */
void *__wrap___kmalloc_cache_noprof(struct kmem_cache *s, gfp_t flags,
				    size_t size)
{
	struct tce_mock *mock = tce_mock_current();

	check_account(mock, flags);
	if (gfpflags_allow_blocking(flags))
		tce_run_hook(mock, TCE_AT_ALLOC);
	return __real___kmalloc_cache_noprof(s, flags, size);
}

/* The same of any other size, and kvmalloc(), whose parameters depend on the kernel */
#ifdef DECL_KMALLOC_PARAMS
void *__wrap___kmalloc_noprof(DECL_TOKEN_PARAMS(size, token), gfp_t flags)
{
	check_account(tce_mock_current(), flags);
	return __real___kmalloc_noprof(PASS_TOKEN_PARAMS(size, token), flags);
}

void *__wrap___kvmalloc_node_noprof(DECL_KMALLOC_PARAMS(size, b, token), unsigned long align,
				    gfp_t flags, int node)
{
	check_kvmalloc(flags);
	return __real___kvmalloc_node_noprof(PASS_KMALLOC_PARAMS(size, b, token), align, flags,
					     node);
}
#else
void *__wrap___kmalloc_noprof(size_t size, gfp_t flags)
{
	check_account(tce_mock_current(), flags);
	return __real___kmalloc_noprof(size, flags);
}

void *__wrap___kvmalloc_node_noprof(DECL_BUCKET_PARAMS(size, b), gfp_t flags, int node)
{
	check_kvmalloc(flags);
	return __real___kvmalloc_node_noprof(PASS_BUCKET_PARAMS(size, b), flags, node);
}
#endif

static void check_flags(unsigned int flags)
{
	struct tce_mock *mock = tce_mock_current();

	/* a device may keep the pages for days */
	if (mock && !(flags & FOLL_LONGTERM))
		tce_mock_violation(mock, "pages are pinned, but not for long");
}

/* A check of the driver's fails. */
static void note_refused(void *data, const struct tce_refusal *refusal, u64 value, int rc)
{
	const char *by = *refusal->reason ? refusal->reason : refusal->function;
	struct tce_mock *mock = tce_mock_current();

	if (!mock)
		return;
	spin_lock(&mock->lock);
	mock->refusals++;
	mock->refused_by = by;
	mock->refused_value = value;
	spin_unlock(&mock->lock);
}

int __wrap_vfio_register_iommu_driver(const struct vfio_iommu_driver_ops *ops)
{
	tce_driver = ops;
	return register_trace_tce_refused(note_refused, NULL);
}

void
__wrap_vfio_unregister_iommu_driver(const struct vfio_iommu_driver_ops *ops)
{
	tce_driver = NULL;
	unregister_trace_tce_refused(note_refused, NULL);
	tracepoint_synchronize_unregister();
}

int __wrap_pin_user_pages_fast(unsigned long start, int nr_pages,
			       unsigned int gup_flags, struct page **pages)
{
	struct tce_mock *mock = tce_mock_current();
	unsigned long n = nr_pages;
	int rc;

	tce_run_hook(mock, TCE_AT_PIN);
	check_flags(gup_flags);
	if (pin_fails(&n, &rc))
		return rc;
	rc = __real_pin_user_pages_fast(start, n, gup_flags, pages);
	note_pinned(pages, rc, gup_flags);
	tce_run_hook(mock, TCE_AT_PINNED);
	return rc;
}

long __wrap_pin_user_pages(unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages)
{
	long rc;
	int fault_rc;

	check_flags(gup_flags);
	if (pin_fails(&nr_pages, &fault_rc))
		return fault_rc;
	rc = __real_pin_user_pages(start, nr_pages, gup_flags, pages);
	note_pinned(pages, rc, gup_flags);
	return rc;
}

void __wrap_unpin_user_page(struct page *page)
{
	note_unpinned(&page, 1, false);
	__real_unpin_user_page(page);
}

void __wrap_unpin_user_pages(struct page **pages, unsigned long npages)
{
	note_unpinned(pages, npages, false);
	__real_unpin_user_pages(pages, npages);
}

void __wrap_unpin_user_pages_dirty_lock(struct page **pages,
					unsigned long npages, bool make_dirty)
{
	note_unpinned(pages, npages, make_dirty);
	__real_unpin_user_pages_dirty_lock(pages, npages, make_dirty);
}

void __wrap_unpin_user_page_range_dirty_lock(struct page *page,
					     unsigned long npages,
					     bool make_dirty)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		struct page *one = page + i;

		note_unpinned(&one, 1, make_dirty);
	}
	__real_unpin_user_page_range_dirty_lock(page, npages, make_dirty);
}

void __wrap_unpin_user_folio(struct folio *folio, unsigned long npages)
{
	struct page *page = folio_page(folio, 0);
	unsigned long i;

	for (i = 0; i < npages; i++)
		note_unpinned(&page, 1, false);
	__real_unpin_user_folio(folio, npages);
}

/* Remember the pages of a region, which are not to be had after its end. */
static void note_listed(struct tce_mock *mock,
			struct mm_iommu_table_group_mem_t *mem,
			unsigned long ua, unsigned long npages)
{
	unsigned int nth = tce_quiet_begin();
	unsigned long i, hpa;
	struct listed *listed;

	listed = kvmalloc(struct_size(listed, pfns, npages), GFP_KERNEL_ACCOUNT);
	if (!listed) {
		tce_mock_violation(mock, "the mock is out of memory");
		goto out;
	}
	listed->mem = mem;
	listed->npages = npages;
	listed->counted = 0;
	for (i = 0; i < npages; i++) {
		if (mm_iommu_ua_to_hpa(mem, ua + i * PAGE_SIZE, 0, &hpa))
			tce_mock_violation(mock, "a new region lacks a page");
		listed->pfns[i] = hpa >> PAGE_SHIFT;
		tce_mock_pinned(mock, listed->pfns[i], true);
	}
	spin_lock(&mock->lock);
	list_add(&listed->list, &mock->listed);
	spin_unlock(&mock->lock);
out:
	tce_quiet_end(nth);
}

static struct listed *find_listed(struct tce_mock *mock, struct mm_iommu_table_group_mem_t *mem)
{
	struct listed *listed;

	lockdep_assert_held(&mock->lock);
	list_for_each_entry(listed, &mock->listed, list)
		if (listed->mem == mem)
			return listed;
	return NULL;
}

/* The kernel counts down to what it begins with, and no further. */
static void note_counted(struct tce_mock *mock, struct mm_iommu_table_group_mem_t *mem, int by)
{
	struct listed *listed;

	spin_lock(&mock->lock);
	listed = find_listed(mock, mem);
	if (by > 0 || !listed || listed->counted)
		mock->counted += by;
	if (listed)
		listed->counted = max(listed->counted + by, 0L);
	if (by < 0 && !(current->flags & PF_WQ_WORKER))
		mock->taken_back++;
	spin_unlock(&mock->lock);
}

static void note_unlisted(struct tce_mock *mock,
			  struct mm_iommu_table_group_mem_t *mem)
{
	struct listed *found;
	unsigned long i;

	spin_lock(&mock->lock);
	found = find_listed(mock, mem);
	if (found)
		list_del(&found->list);
	spin_unlock(&mock->lock);

	if (!found) {
		tce_mock_violation(mock, "a region is let go that is not listed");
		return;
	}
	for (i = 0; i < found->npages; i++)
		tce_mock_unpinned(mock, found->pfns[i], false);
	kvfree(found);
}

long __wrap_mm_iommu_new(struct mm_struct *mm, unsigned long ua,
			 unsigned long entries,
			 struct mm_iommu_table_group_mem_t **pmem)
{
	struct tce_mock *mock = tce_mock_current();
	int fault_rc;
	long rc;

	tce_run_hook(mock, TCE_AT_PIN);
	if (fault(TCE_FAULT_REGISTER, &fault_rc))
		return fault_rc;
	rc = __real_mm_iommu_new(mm, ua, entries, pmem);
	if (!rc && mock)
		note_listed(mock, *pmem, ua, entries);
	tce_run_hook(mock, TCE_AT_PINNED);
	return rc;
}

int __wrap_mmu_interval_notifier_insert(struct mmu_interval_notifier *notifier,
					struct mm_struct *mm, unsigned long start,
					unsigned long length,
					const struct mmu_interval_notifier_ops *ops)
{
	int rc;

	if (fault(TCE_FAULT_WATCH, &rc))
		return rc;
	return __real_mmu_interval_notifier_insert(notifier, mm, start, length, ops);
}

long __wrap_mm_iommu_put(struct mm_struct *mm,
			 struct mm_iommu_table_group_mem_t *mem)
{
	struct tce_mock *mock = tce_mock_current();
	long rc;

	tce_run_hook(mock, TCE_AT_PIN);
	rc = __real_mm_iommu_put(mm, mem);
	if (!rc && mock)
		note_unlisted(mock, mem);
	return rc;
}

struct mm_iommu_table_group_mem_t *
__wrap_mm_iommu_lookup(struct mm_struct *mm, unsigned long ua, unsigned long size)
{
	tce_run_hook(tce_mock_current(), TCE_AT_LOOKUP);
	return __real_mm_iommu_lookup(mm, ua, size);
}

long __wrap_mm_iommu_mapped_inc(struct mm_iommu_table_group_mem_t *mem)
{
	struct tce_mock *mock = tce_mock_current();
	long rc = __real_mm_iommu_mapped_inc(mem);

	if (!rc && mock)
		note_counted(mock, mem, 1);
	return rc;
}

void __wrap_mm_iommu_mapped_dec(struct mm_iommu_table_group_mem_t *mem)
{
	struct tce_mock *mock = tce_mock_current();

	if (mock)
		note_counted(mock, mem, -1);
	__real_mm_iommu_mapped_dec(mem);
}

/* To the driver a PE is only a pointer to pass on: ours is the group. */
static int note_eeh(struct eeh_pe *pe, const char *what, unsigned long arg0,
		    unsigned long arg1, unsigned long arg2, unsigned long arg3)
{
	struct tce_mock_group *grp = (struct tce_mock_group *)pe;

	tce_run_hook(grp->mock, TCE_AT_EEH);
	grp->eeh.calls++;
	grp->eeh.rescans = grp->mock->rescans;
	grp->eeh.what = what;
	grp->eeh.args[0] = arg0;
	grp->eeh.args[1] = arg1;
	grp->eeh.args[2] = arg2;
	grp->eeh.args[3] = arg3;
	return grp->eeh_rc;
}

/* H_STUFF_TCE, or H_PUT_TCE for an entry: clears entries, from 0 on */
long __wrap_plpar_hcall_norets(unsigned long opcode, ...)
{
	struct tce_mock *mock = tce_mock_current();
	unsigned long liobn, tce, n = 1;
	va_list args;
	int rc = 0;
	long put;
	u64 ioba;

	va_start(args, opcode);
	liobn = va_arg(args, unsigned long);
	ioba = va_arg(args, u64);
	tce = va_arg(args, unsigned long);
	if (opcode == H_STUFF_TCE)
		n = va_arg(args, unsigned long);
	va_end(args);
	if (opcode == H_PUT_TCE) {
		put = mock_hypervisor(mock, opcode, liobn, ioba, &tce);
		if (put <= 0)
			return put;
	}
	spin_lock(&mock->lock);
	if (tce_fault_hit(mock, TCE_FAULT_HCALL, &rc))
		goto out;
	if ((opcode != H_STUFF_TCE && opcode != H_PUT_TCE) || liobn != TCE_LIOBN || tce ||
	    ioba != mock->cleared || n > 512)
		tce_mock_violation(mock, "hypervisor call %lx: LIOBN %lx, %llx, %lx, %lu", opcode,
				   liobn, ioba, tce, n);
	mock->cleared = ioba + n * SZ_4K;
out:
	spin_unlock(&mock->lock);
	return rc;
}

/* H_GET_TCE */
long __wrap_plpar_hcall(unsigned long opcode, unsigned long *ret, ...)
{
	struct tce_mock *mock = tce_mock_current();
	unsigned long liobn;
	va_list args;
	int rc = 0;
	u64 ioba;

	va_start(args, ret);
	liobn = va_arg(args, unsigned long);
	ioba = va_arg(args, u64);
	va_end(args);
	if (fault(TCE_FAULT_HCALL, &rc))
		return rc;
	ret[0] = 0;
	if (opcode != H_GET_TCE || mock_hypervisor(mock, opcode, liobn, ioba, ret))
		tce_mock_violation(mock, "hypervisor call %lx: LIOBN %lx, %llx", opcode, liobn,
				   ioba);
	return 0;
}

/* Who reads still may go on to do so. */
void __wrap_synchronize_rcu(void)
{
	tce_run_hook(tce_mock_current(), TCE_AT_GRACE);
	__real_synchronize_rcu();
}

#ifdef CONFIG_TASKS_RCU
void __wrap_synchronize_rcu_tasks(void)
{
	tce_run_hook(tce_mock_current(), TCE_AT_GRACE);
	/* a tenth of a second each time, and KVM is played by threads that nobody preempts */
	if (tce_mock_current())
		__real_synchronize_rcu();
	else
		__real_synchronize_rcu_tasks();
}
#endif

/* The time that the driver waits before it says so is over at once. */
long __wrap_wait_for_completion_killable_timeout(struct completion *done, unsigned long timeout)
{
	struct tce_mock *mock = tce_mock_current();
	long left = __real_wait_for_completion_killable_timeout(done, 1);

	if (!left && mock)
		WRITE_ONCE(mock->late, true);
	return left;
}

void __wrap_pci_lock_rescan_remove(void)
{
	struct tce_mock *mock = tce_mock_current();

	__real_pci_lock_rescan_remove();
	if (mock)
		mock->rescans++;
}

struct eeh_pe *__wrap_eeh_iommu_group_to_pe(struct iommu_group *group)
{
	struct tce_mock *mock = tce_mock_current();
	struct tce_mock_group *grp;

	list_for_each_entry(grp, &mock->groups, list)
		if (grp->group == group && !grp->has_no_pe)
			return (struct eeh_pe *)grp;
	return NULL;
}

int __wrap_eeh_pe_set_option(struct eeh_pe *pe, int option)
{
	return note_eeh(pe, "set_option", option, 0, 0, 0);
}

int __wrap_eeh_pe_get_state(struct eeh_pe *pe)
{
	return note_eeh(pe, "get_state", 0, 0, 0, 0);
}

int __wrap_eeh_pe_reset(struct eeh_pe *pe, int option, bool include_passed)
{
	return note_eeh(pe, "reset", option, include_passed, 0, 0);
}

int __wrap_eeh_pe_configure(struct eeh_pe *pe)
{
	return note_eeh(pe, "configure", 0, 0, 0, 0);
}

int __wrap_eeh_pe_inject_err(struct eeh_pe *pe, int type, int func,
			     unsigned long addr, unsigned long mask)
{
	return note_eeh(pe, "inject_err", type, func, addr, mask);
}
