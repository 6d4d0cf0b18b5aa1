// SPDX-License-Identifier: GPL-2.0-only
/*
 * The account of a container: pages charged to its owner's locked_vm.
 *
 * Charging and uncharging take the owner's mmap_lock, which a client can hold for as long as
 * it likes, in a page fault of another thread. So pages are charged before any lock is taken,
 * and a caller that holds a lock only records what is owed and settles it later.
 *
 * Locks: none of its own. mmap_lock is taken by tce_account_charge(),
 * tce_account_uncharge() and tce_account_settle().
 *
 * Never fails: to uncharge, to owe, to settle.
 */
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>

#include "tce_account.h"
#include "tce_refusal.h"

/* CPU pages of all containers that stay pinned until the next boot */
static atomic_long_t tce_kept = ATOMIC_LONG_INIT(0);

/**
 * tce_account_charge() - charge pages to the owner's locked_vm
 * @account: the account of a bound container
 * @npages: CPU pages
 *
 * Undone by tce_account_uncharge() or tce_account_owe(). Context: process; waits for the
 * owner's mmap_lock, so no lock may be held that anybody but the owner wants.
 *
 * Return: 0; -ENOMEM if the caller's RLIMIT_MEMLOCK does not allow it.
 */
int tce_account_charge(struct tce_account *account, unsigned long npages)
{
	return account_locked_vm(account->mm, npages, true) ?
		TCE_REFUSE_VALUE(LOCKED_LIMIT, ENOMEM, rlimit(RLIMIT_MEMLOCK)) : 0;
}

/**
 * tce_account_uncharge() - undo tce_account_charge()
 * @account: the same
 * @npages: CPU pages, no more than were charged; 0 is nothing
 *
 * Context: as tce_account_charge().
 */
void tce_account_uncharge(struct tce_account *account, unsigned long npages)
{
	account_locked_vm(account->mm, npages, false);
}

/**
 * tce_account_owe() - undo tce_account_charge(), but later
 * @account: the same
 * @npages: as for tce_account_uncharge()
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
		tce_account_uncharge(account,
				     atomic_long_xchg(&account->owed, 0));
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
