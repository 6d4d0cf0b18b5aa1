// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_mm.h"
#include "tce_trace.h"

/*
 * The processes that have containers. All containers of a process share one struct
 * tce_process: its registered regions, and the lock that MAP and UNMAP take.
 *
 * Locks: tce_processes_lock guards the list of processes and their counts. It is the
 * module's innermost lock: nothing is waited for or allocated while it is held.
 *
 * Never fails: all but tce_process_get().
 */

static DEFINE_MUTEX(tce_processes_lock);
static LIST_HEAD(tce_processes);
static unsigned long tce_process_last;
DECLARE_RWSEM(tce_create_lock);

static void process_free(struct tce_process *process)
{
	lockdep_assert_held(&tce_processes_lock);
	list_del(&process->list);
	mmdrop(process->mm);
	put_pid(process->pid);
	mutex_destroy(&process->registering);
	mutex_destroy(&process->region_lock);
	/* a lookup may have just found its lock (litmus/container-lookup.litmus) */
	kfree_rcu(process, rcu);
}

/**
 * tce_process_get() - find the process of some memory, or remember it
 * @mm: the memory
 *
 * Undone by tce_process_put(). Context: no lock held, because a client at its cgroup's limit
 * is throttled here.
 *
 * Return: the process; NULL if there is no memory.
 */
struct tce_process *tce_process_get(struct mm_struct *mm)
{
	struct tce_process *process, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	mutex_lock(&tce_processes_lock);
	list_for_each_entry(process, &tce_processes, list)
		if (process->mm == mm)
			goto found;

	process = new;
	new = NULL;
	mmgrab(mm);
	process->mm = mm;
	process->id = ++tce_process_last;
	process->pid = get_pid(task_tgid(current));
	init_rwsem(&process->map_lock);
	mutex_init(&process->registering);
	mutex_init(&process->region_lock);
	process->regions = RB_ROOT;
	list_add(&process->list, &tce_processes);
found:
	process->users++;
	mutex_unlock(&tce_processes_lock);
	kfree(new);
	return process;
}

/**
 * tce_process_join() - add a container to a process
 * @process: the process, with &tce_process.region_lock held
 * @v2: the container shares the regions
 *
 * Undone by tce_process_take_last(), when one of v2 is closed, and then
 * tce_process_put().
 */
void tce_process_join(struct tce_process *process, bool v2)
{
	lockdep_assert_held(&process->region_lock);
	mutex_lock(&tce_processes_lock);
	process->open += v2;
	process->users++;
	mutex_unlock(&tce_processes_lock);
}

/**
 * tce_process_older() - get the newest of the processes that are older than one
 * @id: &tce_process.id of that one; ULONG_MAX for the newest of all
 *
 * Undone by tce_process_put(). Context: sleeps.
 *
 * Return: the process; NULL if there is none.
 */
struct tce_process *tce_process_older(unsigned long id)
{
	struct tce_process *process, *found = NULL;

	mutex_lock(&tce_processes_lock);
	list_for_each_entry(process, &tce_processes, list)
		if (process->id < id && (!found || process->id > found->id))
			found = process;
	if (found)
		found->users++;
	mutex_unlock(&tce_processes_lock);
	return found;
}

/**
 * tce_process_put() - drop a reference
 * @process: of a container that is closed and no longer in use; or from tce_process_get()
 *	or tce_process_older()
 */
void tce_process_put(struct tce_process *process)
{
	mutex_lock(&tce_processes_lock);
	if (!--process->users)
		process_free(process);
	mutex_unlock(&tce_processes_lock);
}

/**
 * tce_process_take_last() - take the regions of a process with no container of v2 open
 * @process: the process, with &tce_process.region_lock held
 * @closed: 1 if the caller's container has just been closed, 0 if it was before
 *
 * A container that is being bound waits for &tce_process.region_lock first.
 *
 * Return: its regions, if it has no open container any more; else none.
 */
struct rb_root tce_process_take_last(struct tce_process *process, int closed)
{
	struct rb_root regions = RB_ROOT;

	lockdep_assert_held(&process->region_lock);
	mutex_lock(&tce_processes_lock);
	process->open -= closed;
	if (!process->open)
		swap(regions, process->regions);
	mutex_unlock(&tce_processes_lock);
	return regions;
}

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

/*
 * User pages, which are pinned for REGISTER (v2) and for MAP (v1).
 *
 * Locks: none. A client can make a page fault take as long as it likes, so callers hold only
 * locks for which nobody but that client waits.
 *
 * Never fails: tce_pages_unpin().
 */

/* Pinning movable memory can fail if another task does the same. Retries, 1 ms apart */
#define TCE_PIN_TRIES	20

static long pin_some(struct page **pages, unsigned long ua, unsigned long n,
		     bool write)
{
	unsigned int flags = FOLL_LONGTERM | (write ? FOLL_WRITE : TCE_FOLL_READ);
	long got = pin_user_pages_fast(ua, n, flags, pages);

	/* the client may only read the first page, too */
	if (TCE_FOLL_READ && !write && got == -EFAULT)
		got = pin_user_pages_fast(ua, 1, FOLL_LONGTERM, pages);
	return got;
}

/**
 * tce_pages_pin() - pin pages for as long as a device may use them
 * @pages: array for the pages
 * @ua: userspace address of the first
 * @n: number of pages
 * @write: a device will be allowed to write
 * @rc: returns 0, or why not all could be pinned: -ENOMEM, -EFAULT or -EINTR
 *
 * Undone by tce_pages_unpin(). Context: the owner of the memory. Sleeps for as long as the
 * client likes, but SIGKILL ends it early.
 *
 * Return: how many pages are pinned, which the caller has to undo even if it is not all.
 */
unsigned long tce_pages_pin(struct page **pages, unsigned long ua,
			    unsigned long n, bool write, int *rc)
{
	unsigned long done = 0;
	unsigned int tries = 0;
	long got;

	*rc = 0;
	while (done < n) {
		/* present pages are pinned without checking for signals */
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_some(pages + done, ua + (done << PAGE_SHIFT),
			       min_t(unsigned long, n - done, TCE_PIN_CHUNK),
			       write);
		/* the page has to be migrated, but has an extra reference for a moment */
		if (got == -ENOMEM && tries++ < TCE_PIN_TRIES) {
			msleep(1);
			continue;
		}
		if (got <= 0) {
			*rc = tce_pin_errno("PIN", got,
					    ua + (done << PAGE_SHIFT));
			break;
		}
		done += got;
		if (need_resched())
			cond_resched();
	}
	return done;
}

/**
 * tce_pages_unpin() - undo tce_pages_pin()
 * @pages: the pages, none of which a device has written to
 * @n: number of pages
 */
void tce_pages_unpin(struct page **pages, unsigned long n)
{
	unsigned long now;

	for (; n; n -= now, pages += now) {
		now = min_t(unsigned long, n, TCE_PIN_CHUNK);
		unpin_user_pages(pages, now);
		cond_resched();
	}
}
