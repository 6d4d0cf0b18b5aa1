// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's access to a table.
 *
 * KVM of any process that was given a table's group may take a reference to the table, and then
 * change TCEs and userspace entries whenever a guest asks for it. It takes no lock that this module
 * could take, so it sees operations of this module instead of the platform's:
 *  - In a blocked table they do nothing, and KVM leaves hypercalls to user space. One that has
 *    found its userspace entry just before may succeed, but its effect is lost with the window.
 *    Blocked are tables that are not shared, and those whose window is removed, because on pseries
 *    a table is merely a number (LIOBN), which then passes to the next window or to the host.
 *  - In a shared table (&tce_table.shared), KVM of the owner's process may map memory where user
 *    space has mapped none, unless this needs a new level of the table, and may remove its own
 *    mappings. All else is left to user space.
 * The thread that removes a value from an entry decrements the count of its memory if the userspace
 * entry matches. That is only a hint, because KVM writes it after the entry
 * (litmus/kvm-count.litmus). Without a match the memory stays counted as mapped.
 *
 * KVM exchanges the entries of one guest page, and then asks for one invalidation. Until then the
 * removed values wait, still counted, in a struct tce_kvm_taken (litmus/kvm-taken.litmus). After an
 * error KVM removes values without asking (kvmppc_clear_tce()). These wait for the next hypercall
 * of the same processor, or for tce_kvm_settle().
 *
 * The operations stay, and keep the module, until the table is freed.
 *
 * Locks: &tce_kvm_taken.lock, inside of which none is taken. Only KVM can race with the creation or
 * destruction of a table.
 *
 * Never fails: tce_kvm_block(), tce_kvm_settle(), tce_kvm_put().
 */
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include <asm/mmu_context.h>

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

/* Threads share an element if their pids agree modulo the number of elements. */
#define TCE_KVM_TAKEN_MAX	256U

/**
 * struct tce_kvm_taken - values removed by a processor of the guest, not invalidated yet
 * @lock: protects the rest
 * @first: first entry
 * @end: end of the entries
 * @mem: the memory of all of them, which stays in the kernel's list while it is counted
 * @n: number of counts to drop after the invalidation
 */
struct tce_kvm_taken {
	spinlock_t lock;
	unsigned long first;
	unsigned long end;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long n;
} ____cacheline_aligned_in_smp;

/**
 * struct tce_kvm_ops - a table's operations for KVM
 * @platform: the platform's, which this module still uses
 * @mm: that of the owner, only for comparison
 * @npages: CPU pages that the table takes, once its window is gone
 * @allowed: while KVM may use the table
 * @blocked: while it may not
 * @nr_taken: elements of @taken, a power of two
 * @taken: values not invalidated yet, by thread of the guest's processor
 */
struct tce_kvm_ops {
	struct iommu_table_ops *platform;
	struct mm_struct *mm;
	unsigned long npages;
	struct tce_ops allowed;
	struct tce_ops blocked;
	unsigned int nr_taken;
	struct tce_kvm_taken *taken;
};

/* A userspace entry that makes KVM give up, because this address can't be registered */
static __be64 tce_kvm_no_ua = cpu_to_be64(TCE_UA_VFIO);

atomic_long_t tce_kvm_tables = ATOMIC_LONG_INIT(0);

static struct tce_kvm_ops *table_kvm_ops(struct iommu_table *tbl)
{
	struct iommu_table_ops *ops = READ_ONCE(tbl->it_ops);

	return container_of(ops, struct tce_ops, ops)->kvm_ops;
}

static bool pua_is_vfio(const __be64 *pua)
{
	return READ_ONCE(*pua) & cpu_to_be64(TCE_UA_VFIO);
}

/* KVM sets @alloc to write the entry, and clears it to count down by it. */
static __be64 *blocked_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return alloc ? NULL : &tce_kvm_no_ua;
}

/* Out of line, as is all work for uncommon entries. */
static noinline __be64 *pua_in_levels(const struct iommu_table *tbl, unsigned long at)
{
	unsigned int missing;

	return tce_table_walk(tbl, tbl->it_userspace, at, &missing);
}

/* @at is counted from 0. Return: NULL if a level is missing */
static __be64 *pua_at(const struct iommu_table *tbl, unsigned long at)
{
	return tbl->it_indirect_levels ? pua_in_levels(tbl, at) : tbl->it_userspace + at;
}

/*
 * A guest mostly clears empty entries, and a read is cheaper than an exchange
 * (litmus/kvm-clear.litmus). pseries has no tables in memory.
 */
static bool entry_is_empty(const struct iommu_table *tbl, unsigned long at)
{
	const __be64 *tces = (const __be64 *)tbl->it_base;

	return tces && !tbl->it_indirect_levels && !READ_ONCE(tces[at]);
}

static __be64 *allowed_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	const struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long at = index - tbl->it_offset;
	unsigned int missing;
	__be64 *pua;

	/* KVM of another process counts in that process's list */
	if (!alloc || current->mm != kvm_ops->mm || at >= tbl->it_size)
		return blocked_useraddr(tbl, index, alloc);
	/* The platform leaks a level if two calls make it, so only MAP does. */
	if (tbl->it_indirect_levels && !tce_table_walk(tbl, (__be64 *)tbl->it_base, at, &missing))
		return NULL;
	pua = pua_at(tbl, at);
	return pua && !pua_is_vfio(pua) ? pua : NULL;
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

static void kvm_invalidate(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
			   unsigned long first, unsigned long n)
{
	if (kvm_ops->platform->tce_kill)
		kvm_ops->platform->tce_kill(tbl, first, n);
}

static void kvm_uncount(struct iommu_table *tbl, struct mm_iommu_table_group_mem_t *mem,
			unsigned long n)
{
	/* includes an mb() (litmus/unpin.litmus): the device can no longer reach the memory */
	iommu_flush_tce(tbl);
	while (n--)
		mm_iommu_mapped_dec(mem);
}

static struct tce_kvm_taken *kvm_taken(struct tce_kvm_ops *kvm_ops)
{
	return &kvm_ops->taken[current->pid & (kvm_ops->nr_taken - 1)];
}

/* Return: the region that has @hpa at @ua, or NULL. @likely is tried first, and may be NULL. */
static struct mm_iommu_table_group_mem_t *
kvm_region(const struct iommu_table *tbl, struct mm_iommu_table_group_mem_t *likely,
	   unsigned long ua, unsigned long hpa)
{
	struct mm_iommu_table_group_mem_t *mem = likely;
	unsigned long its;

	if (!mem || mm_iommu_ua_to_hpa(mem, ua, 0, &its)) {
		mem = mm_iommu_lookup(current->mm, ua, 1UL << tbl->it_page_shift);
		if (!mem || mm_iommu_ua_to_hpa(mem, ua, 0, &its))
			return NULL;
	}
	return its == hpa ? mem : NULL;
}

/* Return: false if @taken has other memory, or entries not adjacent to @index */
static bool taken_add(struct tce_kvm_taken *taken, struct mm_iommu_table_group_mem_t *mem,
		      unsigned long index)
{
	if (!taken->n) {
		taken->first = index;
		taken->end = index;
		taken->mem = mem;
	}
	if (mem != taken->mem || index - taken->first > taken->end - taken->first)
		return false;
	taken->end = max(taken->end, index + 1);
	WRITE_ONCE(taken->n, taken->n + 1);
	return true;
}

/* Queue a removed value, to be counted down after invalidation, if the userspace entry matches. */
static void kvm_take(struct iommu_table *tbl, struct tce_kvm_ops *kvm_ops, unsigned long index,
		     __be64 *pua, unsigned long hpa)
{
	struct tce_kvm_taken *taken = kvm_taken(kvm_ops);
	struct mm_iommu_table_group_mem_t *mem;
	__be64 was = READ_ONCE(*pua);
	unsigned long ua = be64_to_cpu(was);
	bool waits;

	/*
	 * If we replace the userspace entry before MAP does (litmus/kvm-map.litmus), only we count
	 * the memory down, and the region stays in the list until then.
	 */
	if (!ua || ua & TCE_UA_VFIO || !tce_pua_replace(pua, was, 0))
		return;
	spin_lock(&taken->lock);
	mem = kvm_region(tbl, taken->n ? taken->mem : NULL, ua, hpa);
	waits = mem && taken_add(taken, mem, index);
	spin_unlock(&taken->lock);
	if (!mem) {
		/* it belongs to a value that another thread removes */
		tce_pua_replace(pua, 0, was);
	} else if (!waits) {
		kvm_invalidate(tbl, kvm_ops, index, 1);
		kvm_uncount(tbl, mem, 1);
	}
}

/* Account for a removed value, and tell KVM that the entry was empty. */
static noinline int kvm_taken_out(struct iommu_table *tbl, unsigned long index,
				  unsigned long *hpa, enum dma_data_direction *dir)
{
	__be64 *pua = pua_at(tbl, index - tbl->it_offset);

	/* the page may be freed when it is no longer counted */
	tce_entry_dirty(*hpa, *dir);
	if (pua)
		kvm_take(tbl, table_kvm_ops(tbl), index, pua, *hpa);
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
}

/* A new value in an empty entry needs only KVM's own invalidation. */
static int allowed_exchange(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
			    long index, unsigned long *hpa, enum dma_data_direction *dir)
{
	unsigned long at = index - tbl->it_offset;
	bool clear = *dir == DMA_NONE;
	__be64 *pua;
	int rc;

	/* window removed, KVM of another process, or no such entry */
	if (READ_ONCE(tbl->it_ops) != &kvm_ops->allowed.ops || current->mm != kvm_ops->mm ||
	    at >= tbl->it_size)
		return leave_to_user(hpa, dir);
	if (clear) {
		pua = pua_at(tbl, at);
		/* mapped by user space */
		if (pua && pua_is_vfio(pua))
			return leave_to_user(hpa, dir);
		/* an entry without permissions is empty */
		*hpa = 0;
		if (entry_is_empty(tbl, at))
			return 0;
	} else if (!*hpa || *hpa & ~IOMMU_PAGE_MASK(tbl)) {
		/*
		 * 0: KVM undoes a clear that was left to user space. Unaligned: a guest has got
		 * past KVM's checks, and the platform has a BUG_ON().
		 */
		return leave_to_user(hpa, dir);
	}
	rc = kvm_ops->platform->xchg_no_kill(tbl, index, hpa, dir);
	/*
	 * KVM warns of any error, so a failed clear is left to user space instead. A failed write
	 * can't be, because KVM would take it for done.
	 */
	if (rc)
		return clear ? leave_to_user(hpa, dir) : rc;
	return *dir == DMA_NONE ? 0 : kvm_taken_out(tbl, index, hpa, dir);
}

/* tce_kvm_block() waits for this RCU section. */
static int allowed_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
			enum dma_data_direction *dir)
{
	int rc;

	rcu_read_lock();
	rc = allowed_exchange(tbl, table_kvm_ops(tbl), index, hpa, dir);
	rcu_read_unlock();
	return rc;
}

/*
 * Values are added to @taken after they were removed, so that no invalidation here comes too early.
 * @n more entries from @first on are invalidated.
 */
static void kvm_settle(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
		       struct tce_kvm_taken *taken, unsigned long first, unsigned long n)
{
	struct mm_iommu_table_group_mem_t *mem = NULL;
	unsigned long from = 0, end = 0, counts = 0;

	/* a thread sees its own values without the lock */
	if (READ_ONCE(taken->n)) {
		spin_lock(&taken->lock);
		from = taken->first;
		end = taken->end;
		mem = taken->mem;
		counts = taken->n;
		WRITE_ONCE(taken->n, 0);
		spin_unlock(&taken->lock);
	}
	if (counts && (from - first >= n || end - first > n))
		kvm_invalidate(tbl, kvm_ops, from, end - from);
	if (n)
		kvm_invalidate(tbl, kvm_ops, first, n);
	if (counts)
		kvm_uncount(tbl, mem, counts);
}

static void allowed_kill(struct iommu_table *tbl, unsigned long index, unsigned long pages)
{
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long at = index - tbl->it_offset;

	rcu_read_lock();
	/* as in allowed_exchange(); when a window is removed, tce_kvm_block() settles */
	if (READ_ONCE(tbl->it_ops) == &kvm_ops->allowed.ops && current->mm == kvm_ops->mm &&
	    at < tbl->it_size)
		kvm_settle(tbl, kvm_ops, kvm_taken(kvm_ops), index, min(pages, tbl->it_size - at));
	rcu_read_unlock();
}

/* Undo tce_kvm_prepare(). */
void tce_kvm_unprepare(struct tce_kvm_ops *kvm_ops)
{
	kfree(kvm_ops->taken);
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
}

static void kvm_ops_init(struct tce_table *table)
{
	struct tce_kvm_ops *kvm_ops = table->kvm_ops;

	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_kvm_tables);
	kvm_ops->platform = table->ops;
	kvm_ops->mm = table->mem->tmm->mm;
	ops_init(&kvm_ops->allowed, kvm_ops);
	kvm_ops->allowed.ops.useraddrptr = allowed_useraddr;
	kvm_ops->allowed.ops.xchg_no_kill = allowed_xchg;
	kvm_ops->allowed.ops.tce_kill = allowed_kill;
	ops_init(&kvm_ops->blocked, kvm_ops);
	kvm_ops->blocked.ops.useraddrptr = blocked_useraddr;
	kvm_ops->blocked.ops.xchg_no_kill = blocked_xchg;
	/* not NULL, because KVM reads it twice, to test and to call it */
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
	unsigned int n = min(roundup_pow_of_two(num_possible_cpus()), TCE_KVM_TAKEN_MAX);
	struct tce_kvm_ops *kvm_ops = kzalloc(sizeof(*kvm_ops), GFP_KERNEL);

	if (kvm_ops)
		kvm_ops->taken = kcalloc(n, sizeof(*kvm_ops->taken), GFP_KERNEL);
	if (!kvm_ops || !kvm_ops->taken) {
		kfree(kvm_ops);
		return TCE_REFUSE(-ENOMEM);
	}
	kvm_ops->nr_taken = n;
	while (n--)
		spin_lock_init(&kvm_ops->taken[n].lock);
	table->kvm_ops = kvm_ops;
	return 0;
}

/**
 * tce_kvm_hide() - hide the platform's operations on a table from KVM
 * @table: a new table, after tce_table_init()
 * @in_group: the group already has it, with a reference (pseries), so that KVM can have found it
 *
 * Until now KVM of any process could use the platform's operations. If it may have, all entries are
 * cleared, and no page is released, because KVM counts its own. To be followed by tce_kvm_allow();
 * freeing the table restores the platform's operations. Context: sleeps until KVM has left the
 * table, unless KVM is preempted there.
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
	synchronize_rcu();
	/* those of the window and of the group */
	if (kref_read(&tbl->it_kref) == 2 && tce_table_is_new(table))
		return 0;
	tce_table_wipe(table);
	return TCE_REFUSE_WHY(KVM_HAS_TABLE, -EBUSY, 0);
}

/* Let KVM use a hidden table if it is shared. Undone by tce_kvm_block(). */
void tce_kvm_allow(struct tce_table *table)
{
	if (table->shared)
		show_kvm(table, &table->kvm_ops->allowed);
}

/*
 * Invalidate and count down removed values for which KVM has not asked. Context: with
 * &tce_mm.map_lock held for writing, so that the table stays; does not sleep.
 */
void tce_kvm_settle(struct tce_table *table)
{
	struct tce_kvm_ops *kvm_ops = table->kvm_ops;
	unsigned int i;

	for (i = 0; i < kvm_ops->nr_taken; i++)
		kvm_settle(table->tbl, kvm_ops, &kvm_ops->taken[i], 0, 0);
}

/* Undo tce_kvm_allow(). Context: sleeps until KVM has left the table. */
void tce_kvm_block(struct tce_table *table)
{
	if (table->tbl->it_ops == &table->kvm_ops->blocked.ops)
		return;
	show_kvm(table, &table->kvm_ops->blocked);
	/*
	 * litmus/kvm-block.litmus: also without other references, because KVM may use the old
	 * operations before it takes its own
	 */
	synchronize_rcu();
	/* KVM's own invalidation has no effect any more */
	tce_kvm_settle(table);
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
