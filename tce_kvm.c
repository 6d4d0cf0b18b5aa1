// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's access to a table: why no memory is released that a guest's entry maps, or a bridge has
 * cached.
 *
 * KVM of any process that was given a table's group may take a reference to the table, and then
 * change TCEs and userspace entries whenever a guest asks for it. It takes no lock that this module
 * could take, so it sees operations of this module instead of the platform's, one of two sets:
 *  - allowed, in a shared table (&tce_table.shared). KVM of the owner's process may map where user
 *    space has mapped nothing, unless this needs a new level of the table, and may remove its own
 *    mappings. All else is left to user space. Afterwards KVM invalidates by the platform's own
 *    tce_kill(). While it is paused, it may only finish the mapping that it has begun.
 *  - blocked: operations do nothing. So are all tables that are not shared, and those whose window
 *    is removed, because on pseries a table is merely a number (LIOBN), which then passes to the
 *    next window or to the host.
 *
 * While a guest runs nothing is exact. KVM counts each mapping in the kernel's list, is told that
 * every entry was empty, and so counts nothing down; we do, by the userspace entry, which KVM
 * writes after the TCE and which may be that of another vCPU. This keeps KVM's counts low, and
 * nobody believes them. KVM's memory stays pinned because whoever releases a region of KVM's list
 * reads the entries first (tce_search.c):
 *  1. tce_kvm_pause() takes the owner's mm away, and drains. KVM does not sleep between its look at
 *     the operations and its invalidation, nor until it has written the userspace entry, so all
 *     that it has mapped is in the entries by then, and what it has replaced was invalidated
 *     (litmus/kvm-pause.litmus).
 *  2. Nobody else changes entries: MAP and UNMAP need &tce_mm.map_lock. Each entry that maps the
 *     region is cleared and invalidated, or the region stays.
 *  3. After an error KVM invalidates first and clears afterwards (kvmppc_clear_tce()), so that an
 *     entry may be empty and still be cached. So what KVM clears is a tombstone, which for a bridge
 *     is empty as well, and whoever finds one invalidates it: the search, UNMAP, the undo of a MAP,
 *     and the removal of a window (litmus/kvm-tombstone.litmus). A hypervisor caches nothing that
 *     it was told to clear.
 *  4. Only then are KVM's counts, whatever they are, taken back, and the region leaves the list, so
 *     that KVM finds it no more. On pseries KVM can have mapped it in a table that is just being
 *     created, too, by the platform's operations: tce_create_lock (tce_region.c).
 *  5. tce_kvm_resume() forgets the region that was counted down last.
 * MAP's entries in a shared table are found in the same way if KVM's list has their region, else
 * &tce_region.mapped counts them: only MAP and UNMAP, which exclude each other, write a userspace
 * entry with TCE_UA_VFIO, and whoever replaces it has exchanged and invalidates its entry. A vCPU
 * that raced with MAP may overwrite it, and then the region stays counted.
 *
 * A window that is removed is blocked and drained. An invalidation that KVM still owes is lost
 * then, but each entry that it has changed is not 0, and is invalidated when all are cleared.
 *
 * A hypercall may clear any number of entries without sleeping. While anybody drains, clears are
 * left to user space, so that a guest delays nobody (kvm_draining).
 *
 * The operations stay, and keep the module, until the table is freed. Whoever removes a window
 * waits for one more grace period, and then frees the table (free_window()). An RCU callback could
 * do so, but then the next CREATE would still find the old table counted, the module could not be
 * unloaded right after the last close, and up to an eighth of memory would be freed in a softirq.
 * The wait delays only the client itself, and root who unbinds its device.
 *
 * Locks: none. Only KVM can race with the creation or destruction of a table.
 *
 * Never fails: tce_kvm_drain(), tce_kvm_pause(), tce_kvm_resume(), tce_kvm_block(), tce_kvm_put().
 */
#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <asm/hvcall.h>
#include <asm/mmu_context.h>
#include <asm/tce.h>

#include "tce_region.h"
#include "tce_table.h"
#include "tce_trace.h"

/**
 * struct tce_ops - operations that replace the platform's
 * @ops: seen by KVM
 * @kvm_ops: contains this structure
 */
struct tce_ops {
	struct iommu_table_ops ops;
	struct tce_kvm_ops *kvm_ops;
};

/**
 * struct tce_kvm_ops - a table's operations for KVM
 * @platform: the platform's, which this module still uses
 * @tmm: whose regions KVM maps in a shared table
 * @mm: that of the owner, only for comparison; NULL while KVM is paused
 * @npages: CPU pages that the table takes, once its window is gone
 * @misaligned: bits that the address of no IOMMU page has
 * @likely: the region that was counted down last; NULL for none
 * @allowed: while KVM may use the table
 * @blocked: while it may not
 */
struct tce_kvm_ops {
	struct iommu_table_ops *platform;
	struct tce_mm *tmm;
	struct mm_struct *mm;
	unsigned long npages;
	unsigned long misaligned;
	struct tce_region *likely;
	struct tce_ops allowed;
	struct tce_ops blocked;
};

/* A userspace entry that makes KVM give up, because this address can't be registered */
static __be64 tce_kvm_no_ua = cpu_to_be64(TCE_UA_VFIO);

atomic_long_t tce_kvm_tables = ATOMIC_LONG_INIT(0);

/* How many threads wait in tce_kvm_drain() */
static atomic_t kvm_draining = ATOMIC_INIT(0);

static __always_inline struct tce_kvm_ops *table_kvm_ops(struct iommu_table *tbl)
{
	struct iommu_table_ops *ops = READ_ONCE(tbl->it_ops);

	return container_of(ops, struct tce_ops, ops)->kvm_ops;
}

static __always_inline bool pua_is_vfio(const __be64 *pua)
{
	return READ_ONCE(*pua) & cpu_to_be64(TCE_UA_VFIO);
}

/* KVM sets @alloc to write the entry, and clears it to count down by it. */
static __be64 *blocked_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return alloc ? NULL : &tce_kvm_no_ua;
}

/* Out of line, as is all work for uncommon entries. @at is counted from 0. */
static noinline __be64 *in_levels(const struct iommu_table *tbl, __be64 *node, unsigned long at)
{
	unsigned int missing;

	return tce_table_walk(tbl, node, at, &missing);
}

/* The platform leaks a level if two calls make it, so only MAP does. */
static noinline __be64 *useraddr_in_levels(const struct iommu_table *tbl, unsigned long at)
{
	__be64 *pua = in_levels(tbl, (__be64 *)tbl->it_base, at) ?
		      in_levels(tbl, tbl->it_userspace, at) : NULL;

	return pua && !pua_is_vfio(pua) ? pua : NULL;
}

static __be64 *allowed_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	const struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long at = index - tbl->it_offset;
	__be64 *pua;

	if (unlikely(!alloc))
		return &tce_kvm_no_ua;
	/* KVM of another process counts in that process's list */
	if (unlikely(current->mm != READ_ONCE(kvm_ops->mm) || at >= tbl->it_size))
		return NULL;
	if (unlikely(tbl->it_indirect_levels))
		return useraddr_in_levels(tbl, at);
	pua = tbl->it_userspace + at;
	return likely(!pua_is_vfio(pua)) ? pua : NULL;
}

/*
 * Pretend that a clear has removed a value. KVM finds no memory for tce_kvm_no_ua, tries to put the
 * value back, which is ignored as well, and leaves the call to user space.
 */
static int leave_to_user(unsigned long *hpa, enum dma_data_direction *dir)
{
	*dir = *dir == DMA_NONE ? DMA_TO_DEVICE : DMA_NONE;
	*hpa = 0;
	return 0;
}

static int blocked_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
			enum dma_data_direction *dir)
{
	return leave_to_user(hpa, dir);
}

static void blocked_kill(struct iommu_table *tbl, unsigned long index, unsigned long pages)
{
}

/* Regions of KVM's list are freed only while KVM is paused. */
static noinline void count_down_any(struct tce_kvm_ops *kvm_ops, u64 ua)
{
	struct tce_region *region;

	rcu_read_lock();
	list_for_each_entry_rcu(region, &kvm_ops->tmm->listed_regions, in_list) {
		if (ua - region->ua < region->npages << PAGE_SHIFT) {
			/* litmus/publish.litmus, as for those that find it in the list */
			smp_store_release(&kvm_ops->likely, region);
			mm_iommu_mapped_dec(region->mm_iommu);
			break;
		}
	}
	rcu_read_unlock();
}

/* KVM has removed what it had mapped at @ua, perhaps: TCE_UA_USED and MAP's are no region's. */
static __always_inline void count_down(struct tce_kvm_ops *kvm_ops, u64 ua)
{
	struct tce_region *region = READ_ONCE(kvm_ops->likely);

	if (likely(region && ua - region->ua < region->npages << PAGE_SHIFT))
		mm_iommu_mapped_dec(region->mm_iommu);
	else if (ua > TCE_UA_USED && !(ua & TCE_UA_VFIO))
		count_down_any(kvm_ops, ua);
}

/* KVM has cleared an entry. Its userspace entry must not count down a second time. */
static __always_inline void cleared(struct tce_kvm_ops *kvm_ops, __be64 *pua)
{
	u64 was = tce_pua_read(pua);

	/* if MAP has come since KVM looked, UNMAP counts down by it */
	if (was > TCE_UA_USED && !(was & TCE_UA_VFIO) &&
	    tce_pua_replace(pua, cpu_to_be64(was), cpu_to_be64(TCE_UA_USED)))
		count_down(kvm_ops, was);
}

/* Not KVM of another process or while it is paused, nor past the end, nor while somebody waits */
static __always_inline bool may_clear(const struct iommu_table *tbl,
				      const struct tce_kvm_ops *kvm_ops, unsigned long at)
{
	return likely(current->mm == READ_ONCE(kvm_ops->mm) && at < tbl->it_size &&
		      !atomic_read(&kvm_draining));
}

/*
 * KVM has got the userspace entry first, with all checks, unless @hpa is 0: it undoes a clear that
 * was left to user space. Unaligned: a guest has got past KVM's checks.
 */
static __always_inline bool may_map(const struct tce_kvm_ops *kvm_ops, unsigned long hpa)
{
	return likely(hpa && !(hpa & kvm_ops->misaligned));
}

/*
 * A table in memory. Where nothing is mapped a guest clears most often (litmus/kvm-clear.litmus).
 */
static __always_inline int memory_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
				       enum dma_data_direction *dir, const bool flat)
{
	const u64 live = (__force u64)cpu_to_be64(TCE_PCI_READ | TCE_PCI_WRITE);
	unsigned long at = index - tbl->it_offset, new = *hpa;
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	__be64 *node = (__be64 *)tbl->it_base, *pua;
	bool clear = *dir == DMA_NONE;
	u64 *tce;

	if (clear ? !may_clear(tbl, kvm_ops, at) : !may_map(kvm_ops, new))
		return leave_to_user(hpa, dir);
	tce = (__force u64 *)(flat ? node + at : in_levels(tbl, node, at));
	pua = flat ? tbl->it_userspace + at : in_levels(tbl, tbl->it_userspace, at);
	if (clear) {
		if (pua && unlikely(pua_is_vfio(pua)))
			return leave_to_user(hpa, dir);
		*hpa = 0;
		if (!tce || !pua || !(READ_ONCE(*tce) & live))
			return 0;
		new = TCE_TOMBSTONE;
	} else {
		new |= TCE_PCI_READ | (*dir == DMA_TO_DEVICE ? 0 : TCE_PCI_WRITE);
		*dir = DMA_NONE;
	}
	if (!(xchg(tce, (__force u64)cpu_to_be64(new)) & live))
		return 0;
	if (clear)
		cleared(kvm_ops, pua);
	else
		count_down(kvm_ops, tce_pua_read(pua));
	return 0;
}

static int flat_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	return memory_xchg(tbl, index, hpa, dir, true);
}

static int levels_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		       enum dma_data_direction *dir)
{
	return memory_xchg(tbl, index, hpa, dir, false);
}

/*
 * A table of the hypervisor's, of one level. What was in the entry does not matter, so one call is
 * enough, which is complete when it returns. KVM warns of any error, so a failed clear is left to
 * user space instead. A failed write can't be, because KVM would take it for done.
 */
static int hcall_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		      enum dma_data_direction *dir)
{
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long ioba = (unsigned long)index << tbl->it_page_shift, new;
	unsigned long at = index - tbl->it_offset;
	__be64 *pua = tbl->it_userspace + at;

	if (*dir == DMA_NONE) {
		if (!may_clear(tbl, kvm_ops, at) || unlikely(pua_is_vfio(pua)) ||
		    plpar_hcall_norets(H_PUT_TCE, tbl->it_index, ioba, 0UL))
			return leave_to_user(hpa, dir);
		*hpa = 0;
		cleared(kvm_ops, pua);
		return 0;
	}
	if (!may_map(kvm_ops, *hpa))
		return leave_to_user(hpa, dir);
	new = *hpa | (*dir == DMA_FROM_DEVICE ? 0 : TCE_PCI_READ) |
	      (*dir == DMA_TO_DEVICE ? 0 : TCE_PCI_WRITE);
	if (plpar_hcall_norets(H_PUT_TCE, tbl->it_index, ioba, new))
		return -EIO;
	*dir = DMA_NONE;
	count_down(kvm_ops, tce_pua_read(pua));
	return 0;
}

/* Undo tce_kvm_prepare(). */
void tce_kvm_unprepare(struct tce_kvm_ops *kvm_ops)
{
	kfree(kvm_ops);
}

/* KVM has no reference any more (litmus/kvm-ops-free.litmus). */
static void kvm_ops_free(struct iommu_table *tbl)
{
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);

	/* free() may tell tables apart by their operations */
	tbl->it_ops = kvm_ops->platform;
	if (kvm_ops->platform->free)
		kvm_ops->platform->free(tbl);
	/*
	 * pseries leaks the userspace entries before 6.16 (d36e3f11fe8b is in stable kernels, but
	 * not in RHEL 9.6 and 10.0), and sets the pointer to NULL since. PowerNV's are not
	 * vmalloc'ed.
	 */
	if (is_vmalloc_addr(tbl->it_userspace)) {
		vfree(tbl->it_userspace);
		tbl->it_userspace = NULL;
	}
	atomic_long_sub(kvm_ops->npages, &tce_table_pages);
	tce_kvm_unprepare(kvm_ops);
	atomic_long_dec(&tce_kvm_tables);
	module_put(THIS_MODULE);
}

static void ops_init(struct tce_ops *ops, struct tce_kvm_ops *kvm_ops)
{
	ops->kvm_ops = kvm_ops;
	ops->ops = *kvm_ops->platform;
	ops->ops.free = kvm_ops_free;
	ops->ops.useraddrptr = blocked_useraddr;
}

/*
 * KVM reads tce_kill twice, to test and to call it, so that it is NULL in all of them or in none.
 */
static void kvm_ops_init(struct tce_table *table)
{
	struct tce_kvm_ops *kvm_ops = table->kvm_ops;
	struct iommu_table_ops *allowed = &kvm_ops->allowed.ops;

	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_kvm_tables);
	kvm_ops->platform = table->ops;
	kvm_ops->tmm = table->mem->tmm;
	kvm_ops->mm = table->mem->tmm->mm;
	kvm_ops->misaligned = (1UL << table->tbl->it_page_shift) - 1;
	ops_init(&kvm_ops->allowed, kvm_ops);
	ops_init(&kvm_ops->blocked, kvm_ops);
	allowed->useraddrptr = allowed_useraddr;
	if (IS_ENABLED(CONFIG_PPC_PSERIES) && !table->ops->tce_kill)
		allowed->xchg_no_kill = hcall_xchg;
	else
		allowed->xchg_no_kill = table->tbl->it_indirect_levels ? levels_xchg : flat_xchg;
	kvm_ops->blocked.ops.xchg_no_kill = blocked_xchg;
	if (table->ops->tce_kill)
		kvm_ops->blocked.ops.tce_kill = blocked_kill;
}

static void show_kvm(struct tce_table *table, struct tce_ops *ops)
{
	/* pairs with KVM's address dependency (litmus/publish.litmus) */
	smp_store_release(&table->tbl->it_ops, &ops->ops);
}

/*
 * Allocate the operations before the table exists, so that tce_kvm_block() can't fail. Undone by
 * tce_kvm_unprepare(), or after tce_kvm_hide() by freeing the table. Return: 0; -ENOMEM
 */
int tce_kvm_prepare(struct tce_table *table)
{
	table->kvm_ops = kzalloc(sizeof(*table->kvm_ops), GFP_KERNEL);
	return table->kvm_ops ? 0 : TCE_REFUSE(-ENOMEM);
}

/*
 * Wait until KVM has left all tables: from its look at the operations until it has invalidated and
 * written the userspace entry it does not sleep. Where it can be preempted there, RCU of tasks
 * waits for it; where it can't, this is synchronize_rcu(). tce_table_init() shares no table on a
 * kernel that has neither. Context: sleeps.
 */
void tce_kvm_drain(void)
{
	atomic_inc(&kvm_draining);
	synchronize_rcu_tasks();
	atomic_dec(&kvm_draining);
}

/**
 * tce_kvm_hide() - hide the platform's operations on a table from KVM
 * @table: a new table, after tce_table_init()
 * @in_group: the group already has it, with a reference (pseries), so that KVM can have found it
 *
 * Until now KVM of any process could use the platform's operations. If it may have, all entries are
 * cleared, and no page is released, because KVM counts its own. To be followed by tce_kvm_allow();
 * freeing the table restores the platform's operations. Context: sleeps until KVM has left the
 * table.
 *
 * Return: 0; -EBUSY if KVM has found the table, which can't be used then.
 */
int tce_kvm_hide(struct tce_table *table, bool in_group)
{
	struct iommu_table *tbl = table->tbl;

	kvm_ops_init(table);
	show_kvm(table, &table->kvm_ops->blocked);
	if (!in_group)
		return 0;
	/*
	 * litmus/hide.litmus: KVM that used the old operations has a reference by now, or has
	 * written a userspace entry
	 */
	tce_kvm_drain();
	/* those of the window and of the group */
	if (kref_read(&tbl->it_kref) == 2 && tce_table_is_new(table))
		return 0;
	tce_table_wipe(table);
	return TCE_REFUSE(-EBUSY, "KVM_HAS_TABLE", 0);
}

/* Let KVM use a hidden table if it is shared. Undone by tce_kvm_block(). */
void tce_kvm_allow(struct tce_table *table)
{
	if (table->shared)
		show_kvm(table, &table->kvm_ops->allowed);
}

/*
 * Have KVM map and clear nothing in the shared tables of @tmm, and wait until what it has begun is
 * done. Undone by tce_kvm_resume(). Context: with &tce_mm.map_lock held for writing until then;
 * sleeps. Return: false if no table is shared
 */
bool tce_kvm_pause(struct tce_mm *tmm)
{
	struct tce_table *table;
	bool any = false;

	list_for_each_entry(table, &tmm->tables, in_mm) {
		if (!table->shared)
			continue;
		WRITE_ONCE(table->kvm_ops->mm, NULL);
		any = true;
	}
	if (any)
		tce_kvm_drain();
	return any;
}

/* Undo tce_kvm_pause(), if that was called. Regions may have gone meanwhile. */
void tce_kvm_resume(struct tce_mm *tmm)
{
	struct tce_table *table;

	list_for_each_entry(table, &tmm->tables, in_mm) {
		if (!table->shared)
			continue;
		WRITE_ONCE(table->kvm_ops->likely, NULL);
		WRITE_ONCE(table->kvm_ops->mm, tmm->mm);
	}
}

/*
 * Undo tce_kvm_allow(). All entries are to be cleared next. Context: sleeps until KVM has left the
 * table.
 */
void tce_kvm_block(struct tce_table *table)
{
	if (!table->shared)
		return;
	show_kvm(table, &table->kvm_ops->blocked);
	/*
	 * litmus/kvm-block.litmus: also without other references, because KVM may use the old
	 * operations before it takes its own
	 */
	tce_kvm_drain();
}

/*
 * Put the window's reference to its table. What the table takes is no longer counted for the
 * process, but for all until KVM has put its own references.
 */
void tce_kvm_put(struct tce_table *table)
{
	table->kvm_ops->npages = table->npages;
	atomic_long_sub(table->npages, &table->mem->tmm->table_pages);
	/* frees what KVM may have seen (litmus/kvm-ops-free.litmus) */
	iommu_tce_table_put(table->tbl);
}
