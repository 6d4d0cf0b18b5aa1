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
 * enum tce_process_state - how reliable the kernel's counts of a process are
 * @TCE_PROCESS_SOUND: KVM has no address of a region that is gone
 * @TCE_PROCESS_ASTRAY: KVM may have such an address, and would count down whatever is
 *	registered there next, so no region is put into the kernel's list any more
 * @TCE_PROCESS_STUCK: in addition, a bridge kept a window, so pages that are counted as
 *	mapped at the end are never freed
 *
 * The last two states are permanent: the process is remembered until its memory is gone.
 */
enum tce_process_state {
	TCE_PROCESS_SOUND,
	TCE_PROCESS_ASTRAY,
	TCE_PROCESS_STUCK,
};

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
 * @state: see enum tce_process_state
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
	enum tce_process_state state;
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
void tce_process_worsen(struct tce_process *process,
			enum tce_process_state state);
void tce_process_exit(void);

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
