/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_MM_H
#define TCE_MM_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "tce_trace.h"

/* The process: what all containers of one process share. */

/**
 * struct tce_process - a process that has containers
 * @list: all of them; guarded by a lock of tce_process.c, as are @open and
 *	@users
 * @id: its number
 * @pid: of the process when it opened its first container
 * @open: its open containers of v2
 * @users: references: its containers, including those that are closed but still in use, and
 *	those from tce_process_get() and tce_process_older()
 * @mm: the process's memory, grabbed
 * @window_kept: a bridge did not release a window of v2: pages that are counted as mapped when the
 *	last container of v2 is closed are never freed. Never cleared
 * @map_lock: what MAP and UNMAP hold, for reading. It guards the windows of the process's
 *	containers, which are changed with &tce_space.lock held as well, and @regions,
 *	which are changed with @region_lock held as well. Only tce_process_take_last()
 *	does without it, because nothing can be mapped by then
 * @registering: serializes REGISTER; held while pages are pinned, for as long as the
 *	client likes
 * @region_lock: guards the registrations, and @listed
 * @regions: v2: tree of struct tce_region by address; no two overlap
 * @listed: regions that are in the kernel's list
 * @rcu: a lookup may take the @map_lock of a container's process after both are gone
 */
struct tce_process {
	struct list_head list;
	unsigned long id;
	struct pid *pid;
	unsigned int open;
	unsigned int users;
	struct mm_struct *mm;
	bool window_kept;
	struct rw_semaphore map_lock;
	struct mutex registering;
	struct mutex region_lock;
	struct rb_root regions;
	unsigned int listed;
	struct rcu_head rcu;
};

struct tce_process *tce_process_get(struct mm_struct *mm);
void tce_process_join(struct tce_process *process, bool v2);
void tce_process_put(struct tce_process *process);
struct tce_process *tce_process_older(unsigned long id);
struct rb_root tce_process_take_last(struct tce_process *process, int closed);

/*
 * Held for reading while a table is created, because on pseries KVM of any process can find it, and
 * write to it, before it is hidden. Taken inside of all locks above.
 */
extern struct rw_semaphore tce_create_lock;

/**
 * tce_mm_has_kvm() - may KVM write entries and cells for a process?
 * @mm: its memory
 *
 * KVM watches the process's memory by an MMU notifier.
 *
 * Return: false if not. Once true, it stays so.
 */
static __always_inline bool tce_mm_has_kvm(const struct mm_struct *mm)
{
#ifdef CONFIG_MMU_NOTIFIER
	/* mm_has_notifiers(), but read once */
	return unlikely(READ_ONCE(mm->notifier_subscriptions));
#else
	return false;
#endif
}

/* The account: what a container's owner is charged for, in locked_vm. */

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

/* Pinned user pages: what regions (v2) and pins (v1) have in common. */

/*
 * A table has a cookie for the memory of each entry. In v2 it is the userspace address, which
 * KVM keeps in the same place, with this bit set. The bit distinguishes the cookies of MAP from
 * those of KVM, and no process can have registered such an address. The cookies of v1 have the
 * bit set because they are kernel addresses; see tce_pin_cookie().
 */
#define TCE_COOKIE_OURS	BIT_ULL(63)

/* Pages to pin at once: enough to be cheap, and few enough to react to SIGKILL */
#define TCE_PIN_CHUNK	SZ_8K

/**
 * tce_page_hpa() - the address of a page
 * @page: the page
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_page_hpa(struct page *page)
{
	/*
	 * Without vmemmap the kernel derives a page's number from its flags. They may change
	 * at any time, except for the bits that are used here.
	 */
	return data_race(page_to_phys(page));
}

/**
 * tce_pin_errno() - the errno if pages could not be pinned
 * @reason: the name of the check
 * @rc: what pin_user_pages_fast() returned instead of the number of pages
 * @ua: the address at which it stopped
 *
 * Return: -ENOMEM, -EINTR or -EFAULT.
 */
static inline int tce_pin_errno(const char *reason, long rc, u64 ua)
{
	if (rc == -EINTR)
		return -EINTR;
	return tce_refuse(reason, rc == -ENOMEM ? -ENOMEM : -EFAULT, ua);
}

unsigned long tce_pages_pin(struct page **pages, unsigned long ua,
			    unsigned long n, bool write, int *rc);
void tce_pages_unpin(struct page **pages, unsigned long n);

#endif /* TCE_MM_H */
