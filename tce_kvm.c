// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM, and what it is allowed of a table.
 *
 * KVM may take a reference to a table of its own process, or of another process that was
 * given the table's group, and then change TCEs and userspace entries whenever a guest asks for it.
 * It takes no lock that this module could take, and an entry and its userspace entry are two words.
 * So KVM sees operations of this module instead of the platform's, and changes entries only
 * through the functions below:
 *  - In a blocked table nothing is done, so that KVM leaves each call of the guest to user space.
 *    The exception is a call that finds its userspace entry just before the table is blocked, and
 *    whose effect is lost with the window. All tables that are not shared are blocked, and so are
 *    tables whose window is removed, because on pseries such a table is merely a number
 *    (LIOBN), which the next window or the host gets.
 *  - KVM is allowed to use a shared table (&tce_table.shared). KVM of the owner's process may map
 *    memory where user space has mapped nothing, and may remove what KVM has mapped. What
 *    user space has mapped, and what needs a new level of the table, is left to user space.
 * Whoever removes a value from an entry decrements the count of the memory if the userspace entry
 * tells where that is, and the value agrees. The userspace entry is no more than a hint, because
 * KVM writes it some time after the entry, when something else may be mapped there
 * (litmus/kvm-count.litmus). If the two do not agree, the memory stays counted as mapped.
 *
 * KVM exchanges the entries of one page of the guest, and then asks for one invalidation of them.
 * What it has taken out in between waits in a struct tce_kvm_taken, and is counted down after that
 * (litmus/kvm-taken.litmus). KVM does not ask after an error, when it takes out what it has just
 * put (kvmppc_clear_tce()). That waits for the next hypercall of the same processor, or for
 * tce_kvm_settle(), and stays counted meanwhile.
 *
 * KVM may look at a table's operations at any time. So they stay until the table is freed, and
 * the module stays with them.
 *
 * Locks: &tce_kvm_taken.lock, inside of which none is taken. Only KVM can race with the creation or
 * destruction of a table.
 *
 * Never fails: tce_kvm_block(), tce_kvm_settle().
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
 * struct tce_ops - operations of a table that replace the platform's
 * @ops: what KVM sees
 * @kvm_ops: the structure that they are part of
 */
struct tce_ops {
	struct iommu_table_ops ops;
	struct tce_kvm_ops *kvm_ops;
};

/* More processors of a guest than this share what waits, as do those of a host with fewer. */
#define TCE_KVM_TAKEN_MAX	256U

/**
 * struct tce_kvm_taken - what a processor of the guest has taken out, and is not invalidated
 * @lock: guards the rest
 * @first: the first of the entries
 * @end: what follows the last of them
 * @mem: what all of them mapped: memory in the kernel's list, from which it does not go, because
 *	what is taken out stays counted
 * @n: how often it is to be counted down; 0 if nothing waits
 */
struct tce_kvm_taken {
	spinlock_t lock;
	unsigned long first;
	unsigned long end;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long n;
} ____cacheline_aligned_in_smp;

/**
 * struct tce_kvm_ops - what KVM can see of a table
 * @platform: the platform's operations, which this module still uses
 * @mm: the memory of the owner's process, only for comparison
 * @allowed: the operations of a table that KVM may use
 * @blocked: the operations of a table that KVM may not use
 * @nr_taken: how many elements @taken has: a power of two
 * @taken: what waits for an invalidation; a processor of the guest uses the element of its thread
 */
struct tce_kvm_ops {
	struct iommu_table_ops *platform;
	struct mm_struct *mm;
	struct tce_ops allowed;
	struct tce_ops blocked;
	unsigned int nr_taken;
	struct tce_kvm_taken *taken;
};

/* The userspace entry that makes KVM give up, because this address can't be registered */
static __be64 tce_kvm_no_ua = cpu_to_be64(TCE_UA_VFIO);

atomic_long_t tce_kvm_tables = ATOMIC_LONG_INIT(0);

/* For a table that has operations of this module, which may change but never go. */
static struct tce_kvm_ops *table_kvm_ops(struct iommu_table *tbl)
{
	struct iommu_table_ops *ops = READ_ONCE(tbl->it_ops);

	return container_of(ops, struct tce_ops, ops)->kvm_ops;
}

static bool pua_is_vfio(const __be64 *pua)
{
	return READ_ONCE(*pua) & cpu_to_be64(TCE_UA_VFIO);
}

/* KVM asks with @alloc for an entry to write, and without for one to count down by. */
static __be64 *blocked_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return alloc ? NULL : &tce_kvm_no_ua;
}

/* Out of line, as is everything that only some entries need, because KVM calls us for each one. */
static noinline __be64 *pua_in_levels(const struct iommu_table *tbl, unsigned long at)
{
	unsigned long left;

	return tce_table_walk(tbl, tbl->it_userspace, at, &left);
}

/* The userspace entry at a place in the table, counted from 0; NULL if a level is missing */
static __be64 *pua_at(const struct iommu_table *tbl, unsigned long at)
{
	return tbl->it_indirect_levels ? pua_in_levels(tbl, at) : tbl->it_userspace + at;
}

/*
 * Is an entry empty? Most of what a guest clears is, such as all of its windows when it starts, and
 * a look is cheaper than an exchange (litmus/kvm-clear.litmus). pseries has no tables in memory.
 */
static bool entry_is_empty(const struct iommu_table *tbl, unsigned long at)
{
	const __be64 *tces = (const __be64 *)tbl->it_base;

	return tces && !tbl->it_indirect_levels && !READ_ONCE(tces[at]);
}

static __be64 *allowed_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	const struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long at = index - tbl->it_offset, left;
	__be64 *pua;

	/* KVM of another process counts memory that is not known here */
	if (!alloc || current->mm != kvm_ops->mm || at >= tbl->it_size)
		return blocked_useraddr(tbl, index, alloc);
	/*
	 * Only MAP makes missing levels, of TCEs or of userspace entries, because the platform
	 * leaks one if two calls make it.
	 */
	if (tbl->it_indirect_levels && !tce_table_walk(tbl, (__be64 *)tbl->it_base, at, &left))
		return NULL;
	pua = pua_at(tbl, at);
	return pua && !pua_is_vfio(pua) ? pua : NULL;
}

/*
 * Pretend that something has been taken out. KVM finds no memory for tce_kvm_no_ua, so it
 * tries to put the value back, which is ignored as well, and leaves the call to user space.
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

/* Count down what is invalidated. */
static void kvm_uncount(struct iommu_table *tbl, struct mm_iommu_table_group_mem_t *mem,
			unsigned long n)
{
	/* with an mb(), litmus/unpin.litmus: the device can no longer reach it */
	iommu_flush_tce(tbl);
	while (n--)
		mm_iommu_mapped_dec(mem);
}

/* Where what the current processor of the guest takes out waits */
static struct tce_kvm_taken *kvm_taken(struct tce_kvm_ops *kvm_ops)
{
	return &kvm_ops->taken[current->pid & (kvm_ops->nr_taken - 1)];
}

/* The region that @hpa is of, and @ua as well, which may be @likely; NULL if they do not agree */
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

/* False if other entries wait there, or other memory */
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

/*
 * What was taken out of an entry waits for KVM's invalidation, and is then counted down, if the
 * userspace entry tells what it was.
 */
static void kvm_take(struct iommu_table *tbl, struct tce_kvm_ops *kvm_ops, unsigned long index,
		     __be64 *pua, unsigned long hpa)
{
	struct tce_kvm_taken *taken = kvm_taken(kvm_ops);
	struct mm_iommu_table_group_mem_t *mem;
	__be64 was = READ_ONCE(*pua);
	unsigned long ua = be64_to_cpu(was);
	bool waits;

	/*
	 * MAP may be about to count it down by the same entry (litmus/kvm-map.litmus). From here
	 * on the region can't leave the list: it is counted, and only we count it down.
	 */
	if (!ua || ua & TCE_UA_VFIO || !tce_pua_replace(pua, was, 0))
		return;
	spin_lock(&taken->lock);
	mem = kvm_region(tbl, taken->n ? taken->mem : NULL, ua, hpa);
	waits = mem && taken_add(taken, mem, index);
	spin_unlock(&taken->lock);
	if (!mem) {
		/* it belongs to the value that another thread takes out */
		tce_pua_replace(pua, 0, was);
	} else if (!waits) {
		kvm_invalidate(tbl, kvm_ops, index, 1);
		kvm_uncount(tbl, mem, 1);
	}
}

/* An exchange has taken something out. KVM is told that there was nothing. */
static noinline int kvm_taken_out(struct iommu_table *tbl, unsigned long index,
				  unsigned long *hpa, enum dma_data_direction *dir)
{
	__be64 *pua = pua_at(tbl, index - tbl->it_offset);

	/* before it is not counted any more, and may be freed */
	tce_entry_dirty(*hpa, *dir);
	if (pua)
		kvm_take(tbl, table_kvm_ops(tbl), index, pua, *hpa);
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
}

/*
 * KVM exchanges an entry. Everything that has to be done for the old value is done here or waits
 * for allowed_kill(). What was put into an empty entry needs only KVM's own invalidation.
 */
static int allowed_exchange(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
			    long index, unsigned long *hpa, enum dma_data_direction *dir)
{
	unsigned long at = index - tbl->it_offset;
	bool clear = *dir == DMA_NONE;
	__be64 *pua;
	int rc;

	/*
	 * the window has gone, or this is KVM of another process, which counts other memory, or
	 * there is no such entry
	 */
	if (READ_ONCE(tbl->it_ops) != &kvm_ops->allowed.ops || current->mm != kvm_ops->mm ||
	    at >= tbl->it_size)
		return leave_to_user(hpa, dir);
	if (clear) {
		pua = pua_at(tbl, at);
		/* what user space has mapped */
		if (pua && pua_is_vfio(pua))
			return leave_to_user(hpa, dir);
		/* an entry without permissions is an empty one */
		*hpa = 0;
		if (entry_is_empty(tbl, at))
			return 0;
	} else if (!*hpa || *hpa & ~IOMMU_PAGE_MASK(tbl)) {
		/*
		 * what KVM puts back in the place of what user space has mapped; or a guest has got
		 * past KVM's checks, for which the platform has a BUG_ON()
		 */
		return leave_to_user(hpa, dir);
	}
	rc = kvm_ops->platform->xchg_no_kill(tbl, index, hpa, dir);
	/*
	 * KVM warns of any error. An entry that can't be cleared can be left to user space instead.
	 * One that can't be written can't, because KVM would take it for written.
	 */
	if (rc)
		return clear ? leave_to_user(hpa, dir) : rc;
	return *dir == DMA_NONE ? 0 : kvm_taken_out(tbl, index, hpa, dir);
}

/* In an RCU section, for which tce_kvm_block() waits */
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
 * Take what waits, invalidate it, and count it down. With @n, invalidate these entries as well.
 * What is taken was taken out of its entry before, so that no invalidation comes too early for it.
 */
static void kvm_settle(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
		       struct tce_kvm_taken *taken, unsigned long first, unsigned long n)
{
	struct mm_iommu_table_group_mem_t *mem = NULL;
	unsigned long from = 0, end = 0, counts = 0;

	/* a thread sees what it has taken out itself */
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

/* KVM asks for the invalidation of what it has exchanged, some of which may not be there. */
static void allowed_kill(struct iommu_table *tbl, unsigned long index, unsigned long pages)
{
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long at = index - tbl->it_offset;

	rcu_read_lock();
	/* as in allowed_exchange(); tce_kvm_block() does it for a window that goes */
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

/* The last reference to the table is gone, and so is KVM's (litmus/kvm-ops-free.litmus). */
static void kvm_ops_free(struct iommu_table *tbl)
{
	struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);

	/* its free() may tell tables apart by their operations */
	tbl->it_ops = kvm_ops->platform;
	if (kvm_ops->platform->free)
		kvm_ops->platform->free(tbl);
	/*
	 * pseries before 6.16 leaves the user view (d36e3f11fe8b is in stable kernels, but not in
	 * RHEL 9.6 and 10.0). If pseries has freed it, it is NULL. PowerNV frees its own, which
	 * is not in vmalloc's range.
	 */
	if (is_vmalloc_addr(tbl->it_userspace)) {
		vfree(tbl->it_userspace);
		tbl->it_userspace = NULL;
	}
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

/* The table keeps the module, and what KVM sees, until it is freed. */
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
	/* not NULL, because KVM reads it once to ask and once to call */
	kvm_ops->blocked.ops.tce_kill = blocked_kill;
}

/* Show KVM other operations of a table. */
static void show_kvm(struct tce_table *table, struct tce_ops *ops)
{
	/* pairs with KVM's address dependency: it sees their contents (litmus/kvm-ops.litmus) */
	smp_store_release(&table->tbl->it_ops, &ops->ops);
}

/*
 * Allocate what KVM can see of a table that does not exist yet, so that tce_kvm_block() can't fail.
 * Undone by tce_kvm_unprepare(), until tce_kvm_hide() has given them to the table, with
 * which they are freed (kvm_ops_free()). Return: 0; -ENOMEM
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
 * @in_group: the platform has already given it to the group, with a reference, as pseries
 *	does, so that KVM can have found it
 *
 * Until now KVM of any process could write TCEs and userspace entries with the platform's
 * operations. If there is a sign of that, all of them are cleared, and no page is put for them:
 * KVM has counted its own. To be followed by tce_kvm_allow(). The platform's operations come back
 * when the table is freed. Context: sleeps. It waits for KVM if that is just using the table,
 * unless KVM is preempted.
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
	/* litmus/hide.litmus: KVM with the old ones has a reference now, or has written a pua */
	synchronize_rcu();
	/* the references of the window and of the group */
	if (kref_read(&tbl->it_kref) == 2 && tce_table_is_new(table))
		return 0;
	tce_table_wipe(table);
	return TCE_REFUSE_WHY(KVM_HAS_TABLE, -EBUSY, 0);
}

/* Let KVM use a table that was hidden, if it is a shared one. Undone by tce_kvm_block(). */
void tce_kvm_allow(struct tce_table *table)
{
	if (table->shared)
		show_kvm(table, &table->kvm_ops->allowed);
}

/*
 * Invalidate what KVM has taken out without having asked for its invalidation, be it after an error
 * or because that is still to come, and count it down. Context: with &tce_mm.map_lock held for
 * writing, so that the table stays; does not sleep.
 */
void tce_kvm_settle(struct tce_table *table)
{
	struct tce_kvm_ops *kvm_ops = table->kvm_ops;
	unsigned int i;

	for (i = 0; i < kvm_ops->nr_taken; i++)
		kvm_settle(table->tbl, kvm_ops, &kvm_ops->taken[i], 0, 0);
}

/*
 * Undo tce_kvm_allow(), because the window goes: KVM can no longer map anything there. Context:
 * sleeps until KVM has finished what it is doing there.
 */
void tce_kvm_block(struct tce_table *table)
{
	if (table->tbl->it_ops == &table->kvm_ops->blocked.ops)
		return;
	show_kvm(table, &table->kvm_ops->blocked);
	/*
	 * litmus/kvm-block.litmus: even KVM that has no reference yet may have the old ones, so
	 * this can't be skipped if there are no other references.
	 */
	synchronize_rcu();
	/* from now on KVM's own call has no effect */
	tce_kvm_settle(table);
}
