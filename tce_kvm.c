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
 * KVM may look at a table's operations at any time. So they stay until the table is freed, and
 * the module stays with them.
 *
 * Locks: none. Only KVM can race with the creation or destruction of a table.
 *
 * Never fails: tce_kvm_block().
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
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

/**
 * struct tce_kvm_ops - what KVM can see of a table
 * @platform: the platform's operations, which this module still uses
 * @mm: the memory of the owner's process, only for comparison
 * @allowed: the operations of a table that KVM may use
 * @blocked: the operations of a table that KVM may not use
 */
struct tce_kvm_ops {
	struct iommu_table_ops *platform;
	struct mm_struct *mm;
	struct tce_ops allowed;
	struct tce_ops blocked;
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

/* In older kernels, iommu_tce_check_ioba() checks only the first entry of a hypercall. */
static bool in_table(const struct iommu_table *tbl, unsigned long index)
{
	return index - tbl->it_offset < tbl->it_size;
}

static __be64 *allowed_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	const struct tce_kvm_ops *kvm_ops = table_kvm_ops(tbl);
	unsigned long hole;
	__be64 *pua;

	/* KVM of another process counts memory that is not known here */
	if (!alloc || current->mm != kvm_ops->mm || !in_table(tbl, index))
		return blocked_useraddr(tbl, index, alloc);
	/*
	 * Only MAP makes missing levels, of TCEs or of userspace entries, because the platform
	 * leaks one if two calls make it.
	 */
	if (tbl->it_indirect_levels &&
	    !tce_table_walk(tbl, (__be64 *)tbl->it_base, index - tbl->it_offset, &hole))
		return NULL;
	pua = kvm_ops->platform->useraddrptr(tbl, index, false);
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

/*
 * Count down what was taken out of an entry and invalidated, if the userspace entry tells what it
 * was.
 */
static void kvm_uncount(const struct iommu_table *tbl, __be64 *pua, unsigned long hpa)
{
	struct mm_iommu_table_group_mem_t *mem;
	__be64 was = READ_ONCE(*pua);
	unsigned long its;

	if (!was || was & cpu_to_be64(TCE_UA_VFIO))
		return;
	mem = mm_iommu_lookup(current->mm, be64_to_cpu(was),
			      1UL << tbl->it_page_shift);
	/* MAP may be about to count it down by the same entry (litmus/kvm-map.litmus) */
	if (!mem || mm_iommu_ua_to_hpa(mem, be64_to_cpu(was), 0, &its) ||
	    its != hpa || !tce_pua_replace(pua, was, 0))
		return;
	mm_iommu_mapped_dec(mem);
}

/* The part of allowed_xchg() that tce_kvm_block() waits for */
static int allowed_exchange(struct iommu_table *tbl, const struct tce_kvm_ops *kvm_ops,
			    long index, unsigned long *hpa,
			    enum dma_data_direction *dir)
{
	struct iommu_table_ops *platform = kvm_ops->platform;
	__be64 *pua;
	int rc;

	/*
	 * the window has gone, or this is KVM of another process, which counts other memory, or
	 * there is no such entry
	 */
	if (READ_ONCE(tbl->it_ops) != &kvm_ops->allowed.ops || current->mm != kvm_ops->mm ||
	    !in_table(tbl, index))
		return leave_to_user(hpa, dir);
	pua = platform->useraddrptr(tbl, index, false);
	/* what user space has mapped, or what KVM puts back in its place */
	if (*dir == DMA_NONE ? pua && pua_is_vfio(pua) : !*hpa)
		return leave_to_user(hpa, dir);
	/* a guest can get past KVM's checks, and the platform has a BUG_ON() for it */
	if (*dir != DMA_NONE && *hpa & ~IOMMU_PAGE_MASK(tbl))
		return leave_to_user(hpa, dir);
	/* an entry without permissions is an empty one */
	if (*dir == DMA_NONE)
		*hpa = 0;
	rc = platform->xchg_no_kill(tbl, index, hpa, dir);
	/*
	 * KVM warns of any error. An entry that can't be cleared can be left to user space instead.
	 * One that can't be written can't, because KVM would take it for written.
	 */
	if (rc)
		return *dir == DMA_NONE ? leave_to_user(hpa, dir) : rc;
	if (platform->tce_kill)
		platform->tce_kill(tbl, index, 1);
	mb(); /* litmus/unpin.litmus: the device can no longer reach it */
	/* before it is not counted any more, and may be freed */
	tce_entry_dirty(*hpa, *dir);
	if (pua)
		kvm_uncount(tbl, pua, *hpa);
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
}

/*
 * KVM exchanges an entry. Everything that has to be done for the old value is done here, so
 * KVM is told that there was none.
 */
static int allowed_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
			enum dma_data_direction *dir)
{
	int rc;

	rcu_read_lock();
	rc = allowed_exchange(tbl, table_kvm_ops(tbl), index, hpa, dir);
	rcu_read_unlock();
	return rc;
}

/* Nobody uses the table any more, nor what KVM saw of it (litmus/kvm-ops-free.litmus). */
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
	kfree(kvm_ops);
	atomic_long_dec(&tce_kvm_tables);
	module_put(THIS_MODULE);
}

static void ops_init(struct tce_ops *ops, struct tce_kvm_ops *kvm_ops)
{
	ops->kvm_ops = kvm_ops;
	ops->ops = *kvm_ops->platform;
	/* allowed_xchg() invalidates */
	ops->ops.tce_kill = NULL;
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
	ops_init(&kvm_ops->blocked, kvm_ops);
	kvm_ops->blocked.ops.useraddrptr = blocked_useraddr;
	kvm_ops->blocked.ops.xchg_no_kill = blocked_xchg;
}

/* Show KVM other operations of a table. */
static void show_kvm(struct tce_table *table, struct tce_ops *ops)
{
	/* pairs with KVM's address dependency: it sees their contents (litmus/kvm-ops.litmus) */
	smp_store_release(&table->tbl->it_ops, &ops->ops);
}

/*
 * Allocate what KVM can see of a table that does not exist yet, so that tce_kvm_block() can't fail.
 * Undone by kfree() of &tce_table.kvm_ops, until tce_kvm_hide() has given them to the table, with
 * which they are freed (kvm_ops_free()). Return: 0; -ENOMEM
 */
int tce_kvm_prepare(struct tce_table *table)
{
	table->kvm_ops = kzalloc(sizeof(*table->kvm_ops), GFP_KERNEL);
	return table->kvm_ops ? 0 : TCE_REFUSE(KVM_OPS_MEMORY, ENOMEM);
}

/**
 * tce_kvm_hide() - hide the platform's operations on a table from KVM
 * @table: a new table, after tce_table_init()
 * @in_group: the platform has already given it to the group, with a reference, as pseries
 *	does, so that KVM can have found it
 *
 * Until now KVM of any process could write TCEs and userspace entries with the platform's
 * operations. If there is a sign of that, all of them are cleared, and nothing is put for them:
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
	return TCE_REFUSE(KVM_HAS_TABLE, EBUSY);
}

/* Let KVM use a table that was hidden, if it is a shared one. Undone by tce_kvm_block(). */
void tce_kvm_allow(struct tce_table *table)
{
	if (table->shared)
		show_kvm(table, &table->kvm_ops->allowed);
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
}
