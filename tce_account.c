// SPDX-License-Identifier: GPL-2.0-only
/*
 * The account of a container: pages charged to its owner's locked_vm.
 *
 * Charging and uncharging take the owner's mmap_lock, which a client can hold for as long as
 * it likes, in a page fault of another thread. So pages are charged before any lock is taken,
 * and a caller that holds a lock only records what is owed and settles it later.
 *
 * Locks: none of its own. mmap_lock is taken by tce_account_charge() and tce_account_settle().
 *
 * Never fails: to uncharge, to owe, to settle.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>

#include "tce_account.h"
#include "tce_refusal.h"

/* CPU pages of all containers that stay pinned until the next boot */
static atomic_long_t tce_kept = ATOMIC_LONG_INIT(0);

/**
 * tce_account_charge() - charge pages to the owner's locked_vm
 * @mm: the owner's memory
 * @npages: CPU pages
 *
 * Undone by account_locked_vm() or tce_account_owe(). Context: process; waits for the
 * owner's mmap_lock, so no lock may be held that anybody but the owner wants.
 *
 * Return: 0; -ENOMEM if the caller's RLIMIT_MEMLOCK does not allow it.
 */
int tce_account_charge(struct mm_struct *mm, unsigned long npages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK);

	if (!account_locked_vm(mm, npages, true))
		return 0;
	pr_warn_ratelimited("%s[%d]: %lu KiB of locked memory refused: %lu KiB are in use, and RLIMIT_MEMLOCK is %lu KiB\n",
			    current->comm, task_tgid_nr(current),
			    npages << (PAGE_SHIFT - 10),
			    /* of a moment ago */
			    data_race(mm->locked_vm) << (PAGE_SHIFT - 10), limit >> 10);
	return TCE_REFUSE_VALUE(LOCKED_LIMIT, ENOMEM, limit);
}

/**
 * tce_account_owe() - undo tce_account_charge(), but later
 * @account: the same
 * @npages: CPU pages, no more than were charged; 0 is nothing
 *
 * Context: any. Call tce_account_settle() after the last lock has been dropped.
 */
void tce_account_owe(struct tce_account *account, unsigned long npages)
{
	atomic_long_add(npages, &account->owed);
}

/**
 * tce_account_settle() - uncharge what is owed
 * @account: the account
 *
 * Context: as tce_account_charge().
 */
void tce_account_settle(struct tce_account *account)
{
	if (atomic_long_read(&account->owed))
		account_locked_vm(account->mm, atomic_long_xchg(&account->owed, 0), false);
}

/**
 * tce_account_try_settle() - uncharge what is owed, if the mmap_lock is free
 * @account: the account, which has no other users left
 *
 * Context: process, any. Does not wait.
 *
 * Return: true if nothing is owed any more.
 */
bool tce_account_try_settle(struct tce_account *account)
{
	unsigned long npages = atomic_long_read(&account->owed);

	if (!npages)
		return true;
	/* the kernel has no mmap_write_trylock(); no mapping is changed here */
	if (!down_write_trylock(&account->mm->mmap_lock))
		return false;
	__account_locked_vm(account->mm, npages, false, current, true);
	up_write(&account->mm->mmap_lock);
	atomic_long_sub(npages, &account->owed);
	return true;
}

/**
 * tce_account_keep() - count pages that a device may still reach, and that are never freed
 * @npages: CPU pages; 0 is nothing
 */
void tce_account_keep(unsigned long npages)
{
	atomic_long_add(npages, &tce_kept);
}

/**
 * tce_account_kept() - how many pages are never freed?
 *
 * Return: CPU pages, since the module was loaded.
 */
unsigned long tce_account_kept(void)
{
	return atomic_long_read(&tce_kept);
}
