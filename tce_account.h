/* SPDX-License-Identifier: GPL-2.0-only */
/* The account: what a container's owner is charged for, in locked_vm. */
#ifndef TCE_ACCOUNT_H
#define TCE_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct tce_account - what a container is charged
 * @mm: the owner's memory; set when the container is bound, before anything is charged
 * @owed: CPU pages that are charged but no longer needed
 */
struct tce_account {
	struct mm_struct *mm;
	atomic_long_t owed;
};

int tce_account_charge(struct mm_struct *mm, unsigned long npages);
void tce_account_owe(struct tce_account *account, unsigned long npages);
void tce_account_settle(struct tce_account *account);
bool tce_account_try_settle(struct tce_account *account);

void tce_account_keep(unsigned long npages);
unsigned long tce_account_kept(void);

#endif /* TCE_ACCOUNT_H */
