// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM: what it is shown of a table.
 *
 * KVM of the process, or of another one that was given the group, may take a reference of
 * a table and change its entries and cells when a guest asks for it. It has no lock in
 * common with us. Two things are kept from it, by other operations in the table:
 *  - The cells of v1: KVM knows nothing of v1's pins, and would write over the only
 *    record of them. It finds no cell, and leaves MAPs to user space.
 *  - A table whose window is gone, on pseries. There a table is no more than a number
 *    (LIOBN), which the next window gets, or the host. On powernv no bridge translates by
 *    such a table any more.
 * KVM may look at a table's operations at any time. So they stay until the table is freed,
 * and the module with them.
 *
 * Locks: none. Who creates or destroys a table is alone with it, but for KVM.
 *
 * Never fails: tce_kvm_bury().
 */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

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
 * @v1: of a table of v1: KVM finds no cell
 * @dead: of a table whose window is gone: nothing is there, and nothing is written
 */
struct tce_shown {
	struct iommu_table_ops *platform;
	struct tce_ops v1;
	struct tce_ops dead;
};

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

/* There is no cell: KVM leaves MAPs to user space, and can't count. */
static __be64 *no_useraddr(struct iommu_table *tbl, long index, bool alloc)
{
	return NULL;
}

/*
 * What KVM takes out is the cell's, which may be let go at once: KVM, or what it
 * calls, shall not mark it dirty. Our cookie says that the device could write.
 */
static int v1_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		   enum dma_data_direction *dir)
{
	int rc = table_shown(tbl)->platform->xchg_no_kill(tbl, index, hpa, dir);

	if (!rc && tce_dir_writes(*dir))
		*dir = DMA_TO_DEVICE;
	return rc;
}

/* Nothing is there, and nothing is written. */
static int dead_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	*hpa = 0;
	*dir = DMA_NONE;
	return 0;
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
	ops->ops.useraddrptr = no_useraddr;
	ops->ops.free = shown_free;
}

/* The table keeps the module, and what it is shown, until it is freed. */
static void shown_init(struct tce_table *table)
{
	struct tce_shown *shown = table->shown;

	__module_get(THIS_MODULE);
	atomic_long_inc(&tce_tables_shown);
	shown->platform = table->ops;
	ops_init(&shown->v1, shown);
	shown->v1.ops.xchg_no_kill = v1_xchg;
	ops_init(&shown->dead, shown);
	shown->dead.ops.xchg_no_kill = dead_xchg;
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
 * So that tce_kvm_bury() can't fail. Undone by tce_kvm_free().
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
 * tce_kvm_hide() - keep the cells of a table of v1 from KVM
 * @table: a new one
 * @in_group: the platform has given it to the group already, as pseries does, with a
 *	reference that does not count
 *
 * Context: sleeps. KVM that is just finding the table is waited for, unless it is
 * preempted.
 *
 * Return: 0; -EBUSY if somebody has found it already, and may have found a cell.
 */
int tce_kvm_hide(struct tce_table *table, bool in_group)
{
	unsigned int refs = table->refs;

	table_show(table, &table->shown->v1);
	if (in_group) {
		refs++;
		/* litmus/hide.litmus: who has the old ones is counted by then */
		synchronize_rcu();
	}
	return kref_read(&table->tbl->it_kref) == refs ?
		0 : TCE_REFUSE(KVM_HAS_TABLE, EBUSY);
}

/**
 * tce_kvm_bury() - the window of a table goes
 * @table: the table
 *
 * On pseries KVM finds nothing in it from now on, and reaches nothing by it. Context:
 * sleeps. What KVM is doing there is waited for, unless it is preempted.
 */
void tce_kvm_bury(struct tce_table *table)
{
	if (table->ops->tce_kill)
		return;
	table_show(table, &table->shown->dead);
	/*
	 * litmus/bury.litmus: even who is not counted yet may have the old ones, so
	 * that there is nothing to be asked first.
	 */
	synchronize_rcu();
}
