/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM: what it may do to a table, and what it is shown of one. */
#ifndef TCE_KVM_H
#define TCE_KVM_H

#include <linux/kref.h>
#include <linux/types.h>

#include "tce_memory.h"
#include "tce_table.h"

int tce_kvm_prepare(struct tce_table *table);
void tce_kvm_free(struct tce_table *table);
int tce_kvm_hide(struct tce_table *table, bool in_group);
void tce_kvm_bury(struct tce_table *table);
long tce_kvm_tables(void);

/**
 * tce_kvm_absent() - does KVM keep its hands off a table?
 * @table: the table
 *
 * Besides us and our groups, only KVM could have it: that of the process, or of another
 * one that was given the group. KVM drops a table by RCU. If the answer is true at the
 * beginning and at the end of one RCU read-side section, it was true throughout
 * (litmus/exclusive.litmus, litmus/notifier.litmus). KVM may leave cells behind that do
 * not fit their entries. So a table in which KVM was seen counts as its for good.
 *
 * One case can't be seen, on a kernel that preempts the kernel (7.2). A virtual CPU of
 * another process takes a page out, and is preempted before it puts it back. Meanwhile its
 * KVM loses the group. The page comes back after we have let it go.
 *
 * In line, as it is asked for each run of entries.
 *
 * Return: true if nobody but us has it.
 */
static __always_inline bool tce_kvm_absent(struct tce_table *table)
{
	if (likely(kref_read(&table->tbl->it_kref) == table->refs))
		return !READ_ONCE(table->kvm) &&
		       likely(!tce_mem_has_kvm(table->mem));
	WRITE_ONCE(table->kvm, true);
	return false;
}

#endif /* TCE_KVM_H */
