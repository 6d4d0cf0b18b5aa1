// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM: what it is shown of a table.
 *
 * KVM may take a reference of a table, of the process's or of one that another process
 * was given the group of, and change its entries and cells whenever a guest asks for it.
 * It takes no lock that we could take, and the cell of an entry is a second word. So it is
 * shown operations of ours instead of the platform's, and its entries change in the
 * functions below only:
 *  - A closed table takes nothing, so that KVM leaves each call of the guest to user space,
 *    but for one that finds its cell just before the table is closed, which is lost with
 *    the window. All tables that are not shared are closed, and so is a table whose window
 *    goes. On pseries such a table is no more than a number (LIOBN), which the next window
 *    gets, or the host.
 *  - An open table is a shared one (&tce_table.shared). KVM of the owner's process may put
 *    memory where user space has mapped nothing, and take out what KVM has put. What
 *    user space has mapped it leaves to user space.
 * Whoever takes a value out of an entry counts it down, if the cell says where that memory
 * is and the value agrees. The cell is no more than a hint. KVM writes it some time after
 * the entry, when something else may be there (litmus/kvm-count.litmus). If it does not
 * agree, a mapping too many stays counted.
 *
 * KVM may look at a table's operations at any time. So they stay until the table is freed,
 * and the module with them.
 *
 * Locks: none. Whoever creates or destroys a table is alone with it, but for KVM.
 *
 * Never fails: tce_kvm_close().
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/mmu_context.h>

#include "compat/realmode.h"
#include "tce_entry.h"
#include "tce_kvm.h"
#include "tce_refusal.h"

/**
 * struct tce_ops - operations that a table has instead of the platform's
 * @ops: what KVM sees
 * @shown: what they belong to
 */
struct tce_ops {
	struct iommu_table_ops ops;
	struct tce_shown *shown;
};

/**
 * struct tce_shown - what KVM can be shown of a table
 * @platform: the platform's operations, which the table goes on to use
 * @mm: the memory of the owner's process; only to be compared
 * @open: KVM may use the table
 * @closed: KVM may not
 */
struct tce_shown {
	struct iommu_table_ops *platform;
	struct mm_struct *mm;
	struct tce_ops open;
	struct tce_ops closed;
};

/* What KVM finds where it is to give up: no region has this address. */
static __be64 tce_kvm_gives_up = cpu_to_be64(TCE_COOKIE_OURS);

/* Tables that have operations of ours */
static atomic_long_t tce_tables_shown = ATOMIC_LONG_INIT(0);

/**
 * tce_kvm_tables() - how many tables have operations of ours?
 *
 * Each keeps the module.
 *
 * Return: that.
 */
long tce_kvm_tables(void)
{
	return atomic_long_read(&tce_tables_shown);
}

/* Of a table that has operations of ours, which it may change, but never loses. */
static struct tce_shown *table_shown(struct iommu_table *tbl)
{
	struct iommu_table_ops *ops = READ_ONCE(tbl->it_ops);

	return container_of(ops, struct tce_ops, ops)->shown;
}

static bool cell_marked(const __be64 *cell)
{
	return READ_ONCE(*cell) & cpu_to_be64(TCE_COOKIE_OURS);
}

/* KVM asks for the cell with @alloc to write it, and without to count down by it. */
static __be64 *closed_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return alloc ? NULL : &tce_kvm_gives_up;
}

static __be64 *open_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	const struct tce_shown *shown = table_shown(tbl);
	__be64 *cell;

	/* KVM of another process counts regions that we don't know */
	if (!alloc || current->mm != shown->mm)
		return closed_useraddr(tbl, index, alloc);
	cell = shown->platform->useraddrptr(tbl, index, true);
	return cell && !cell_marked(cell) ? cell : NULL;
}

/*
 * Something has been taken out, says this. KVM does not find it by tce_kvm_gives_up, puts
 * it back, which is not done either, and leaves the call to user space.
 */
static int leave_to_user(unsigned long *hpa, enum dma_data_direction *dir)
{
	*dir = *dir == DMA_NONE ? DMA_TO_DEVICE : DMA_NONE;
	*hpa = 0;
	return 0;
}

static int closed_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		       enum dma_data_direction *dir)
{
	return leave_to_user(hpa, dir);
}

/*
 * Count down what was taken out of an entry and invalidated, if its cell says what it was.
 * Its page is marked dirty as long as it is counted: it may be freed at once after that.
 */
static void kvm_uncount(const struct iommu_table *tbl, __be64 *cell,
			unsigned long hpa, enum dma_data_direction dir)
{
	struct mm_iommu_table_group_mem_t *mem;
	__be64 was = READ_ONCE(*cell);
	unsigned long its;

	if (!was || was & cpu_to_be64(TCE_COOKIE_OURS))
		return;
	mem = mm_iommu_lookup(current->mm, be64_to_cpu(was),
			      1UL << tbl->it_page_shift);
	/* MAP may just count it down by the same cell (litmus/kvm-map.litmus) */
	if (!mem || mm_iommu_ua_to_hpa(mem, be64_to_cpu(was), 0, &its) ||
	    its != hpa || !tce_cell_replace(cell, was, 0))
		return;
	if (tce_dir_writes(dir))
		SetPageDirty(pfn_to_page(PHYS_PFN(hpa)));
	mm_iommu_mapped_dec(mem);
}

/* As open_xchg(), of which tce_kvm_close() waits for this part */
static int open_exchange(struct iommu_table *tbl, const struct tce_shown *shown,
			 long index, unsigned long *hpa,
			 enum dma_data_direction *dir)
{
	struct iommu_table_ops *platform = shown->platform;
	__be64 *cell;
	int rc;

	/* the window has gone; or it is KVM of another process, which counts other regions */
	if (READ_ONCE(tbl->it_ops) != &shown->open.ops || current->mm != shown->mm)
		return leave_to_user(hpa, dir);
	cell = platform->useraddrptr(tbl, index, false);
	/* user space's; or what KVM puts back instead of that */
	if (*dir == DMA_NONE ? cell && cell_marked(cell) : !*hpa)
		return leave_to_user(hpa, dir);
	/* a guest can get it past KVM's checks, and the platform has a BUG_ON() for it */
	if (*dir != DMA_NONE && *hpa & ~IOMMU_PAGE_MASK(tbl))
		return leave_to_user(hpa, dir);
	/* an entry without permissions is an empty one */
	if (*dir == DMA_NONE)
		*hpa = 0;
	rc = platform->xchg_no_kill(tbl, index, hpa, dir);
	if (rc)
		return rc;
	if (platform->tce_kill)
		platform->tce_kill(tbl, index, 1);
	mb(); /* litmus/unpin.litmus: the device does not reach it any more */
	if (*dir != DMA_NONE && cell)
		kvm_uncount(tbl, cell, *hpa, *dir);
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
}

/*
 * KVM exchanges an entry. All that is to be done for what was there is done here, so KVM is
 * told that nothing was.
 */
static int open_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	int rc;

	rcu_read_lock();
	rc = open_exchange(tbl, table_shown(tbl), index, hpa, dir);
	rcu_read_unlock();
	return rc;
}

/* Nobody has the table any more, nor what it was shown (litmus/shown-free.litmus). */
static void shown_free(struct iommu_table *tbl)
{
	struct tce_shown *shown = table_shown(tbl);

	/* which may look which table it is by its operations */
	tbl->it_ops = shown->platform;
	if (shown->platform->free)
		shown->platform->free(tbl);
	kfree(shown);
	atomic_long_dec(&tce_tables_shown);
	module_put(THIS_MODULE);
}

static void ops_init(struct tce_ops *ops, struct tce_shown *shown)
{
	ops->shown = shown;
	ops->ops = *shown->platform;
	/* open_xchg() kills */
	ops->ops.tce_kill = NULL;
	ops->ops.free = shown_free;
}

/* The table keeps the module, and what it is shown, until it is freed. */
static void shown_init(struct tce_table *table)
{
	struct tce_shown *shown = table->shown;

	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_tables_shown);
	shown->platform = table->ops;
	shown->mm = table->mem->mm;
	ops_init(&shown->open, shown);
	shown->open.ops.useraddrptr = open_useraddr;
	shown->open.ops.xchg_no_kill = open_xchg;
	ops_init(&shown->closed, shown);
	shown->closed.ops.useraddrptr = closed_useraddr;
	shown->closed.ops.xchg_no_kill = closed_xchg;
}

/* Let KVM see other operations of a table, with what they consist of. */
static void table_show(struct tce_table *table, struct tce_ops *ops)
{
	if (table->tbl->it_ops == table->ops)
		shown_init(table);
	/* litmus/shown-ops.litmus: who sees them sees their contents */
	smp_store_release(&table->tbl->it_ops, &ops->ops);
}

/**
 * tce_kvm_prepare() - make room for what KVM can be shown of a table
 * @table: a new one, without @tbl yet
 *
 * So that tce_kvm_close() can't fail. Undone by tce_kvm_free().
 *
 * Return: 0; -ENOMEM.
 */
int tce_kvm_prepare(struct tce_table *table)
{
	table->shown = kzalloc(sizeof(*table->shown), GFP_KERNEL);
	return table->shown ? 0 : TCE_REFUSE(SHOWN_MEMORY, ENOMEM);
}

/**
 * tce_kvm_free() - undo tce_kvm_prepare()
 * @table: about to be put; or without @tbl
 *
 * What KVM has been shown is freed with the table.
 */
void tce_kvm_free(struct tce_table *table)
{
	if (!table->tbl || table->tbl->it_ops == table->ops)
		kfree(table->shown);
	table->shown = NULL;
}

/**
 * tce_kvm_show() - keep the platform's operations of a table from KVM
 * @table: a new one, from tce_table_init()
 * @in_group: the platform has given it to the group already, as pseries does, with a
 *	reference
 *
 * Undone by tce_kvm_close(). Context: sleeps. KVM that is just finding the table is waited
 * for, unless it is preempted.
 *
 * Return: 0; -EBUSY if somebody has found it already, and may use the platform's.
 */
int tce_kvm_show(struct tce_table *table, bool in_group)
{
	table_show(table, table->shared ? &table->shown->open :
					  &table->shown->closed);
	/* litmus/hide.litmus: who has the old ones is counted by then */
	if (in_group)
		synchronize_rcu();
	return kref_read(&table->tbl->it_kref) == 1 + in_group ?
		0 : TCE_REFUSE(KVM_HAS_TABLE, EBUSY);
}

/**
 * tce_kvm_close() - the window of a table goes
 * @table: the table
 *
 * KVM puts nothing there any more, and reaches nothing by it. Context: sleeps. What KVM is
 * doing there is waited for.
 */
void tce_kvm_close(struct tce_table *table)
{
	if (table->tbl->it_ops == &table->shown->closed.ops)
		return;
	table_show(table, &table->shown->closed);
	/*
	 * litmus/bury.litmus: even who is not counted yet may have the old ones, so
	 * that there is nothing to be asked first.
	 */
	synchronize_rcu();
}
