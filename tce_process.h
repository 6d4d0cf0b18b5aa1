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
 * enum tce_process_state - how far the kernel's counts of a process can be relied on
 * @TCE_PROCESS_SOUND: KVM has no address of a region that is gone
 * @TCE_PROCESS_ASTRAY: KVM may have such an address, and would count down whatever is
 *	registered there next: no region is put into the kernel's list any more
 * @TCE_PROCESS_STUCK: besides, a bridge did not let go of a window: pages that are
 *	counted as mapped at the end are never free again
 *
 * A state is never left for one above it. The process is remembered in the last two
 * until it is gone.
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
 * @pid: of the process, or of the one that it was when it had its first container
 * @open: its containers of v2 that are open
 * @users: its containers, with those that are closed but still in use; and whoever has it
 *	from tce_process_get() or tce_process_find()
 * @mm: the process's memory, grabbed
 * @state: see enum tce_process_state
 * @map_lock: what MAP and UNMAP hold, for reading. It guards the windows of the
 *	process's containers. Who changes them holds &tce_space.lock as well. It also
 *	guards @regions. Who changes them holds @region_lock as well. Only
 *	tce_process_take_last() does without it: nobody maps then
 * @registering: REGISTERs take turns; held while pages are pinned, for as long as the
 *	client likes
 * @region_lock: guards the registrations, and @listed
 * @regions: v2: tree of struct tce_region by address; no two overlap
 * @listed: regions that are in the kernel's list
 * @rcu: for who comes by a container that is gone, and takes @map_lock
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

void tce_process_count(int containers);
bool tce_process_alone(int containers);
struct tce_process *tce_process_get(struct mm_struct *mm);
void tce_process_join(struct tce_process *process, bool v2);
void tce_process_put(struct tce_process *process);
unsigned long tce_process_older(unsigned long id);
struct tce_process *tce_process_find(unsigned long id);
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
