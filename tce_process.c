// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processes that have containers. All containers of a process share one struct
 * tce_process: its registered regions, and the lock that MAP and UNMAP take.
 *
 * Locks: tce_processes_lock guards the list of processes and their counts. It is the
 * module's innermost lock: nothing is waited for or allocated while it is held.
 *
 * Never fails: all but tce_process_get().
 */
#include <linux/atomic.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "tce_process.h"

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
