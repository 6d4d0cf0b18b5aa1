/* SPDX-License-Identifier: GPL-2.0-only */
/* The process: what all containers of one process share. */
#ifndef TCE_PROCESS_H
#define TCE_PROCESS_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/types.h>

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

#endif /* TCE_PROCESS_H */
