// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs beside the thread of the case: other threads, and other processes.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "../tce_container.h"
#include "../tce_debugfs.h"
#include "tce_threads.h"

struct other {
	struct tce_fixture *fx;
	bool has_mm;
	void (*what)(struct tce_fixture *fx, void *arg);
	void *arg;
	struct completion done;
};

static int other_thread(void *data)
{
	struct other *other = data;

	/* with room for the arguments of its calls, where the containers look for them */
	if (other->has_mm)
		kunit_vm_mmap(other->fx->test, NULL, other->fx->args, PAGE_SIZE,
			      PROT_READ | PROT_WRITE,
			      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	other->what(other->fx, other->arg);
	kthread_complete_and_exit(&other->done, 0);
}

/* Do something in another process. */
void tce_do_as_other(struct tce_fixture *fx, bool has_mm,
		     void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg)
{
	struct other other = {
		.fx = fx, .has_mm = has_mm, .what = what, .arg = arg,
	};
	struct task_struct *thread;

	init_completion(&other.done);
	thread = kthread_run(other_thread, &other, "tce_other");
	KUNIT_ASSERT_FALSE(fx->test, IS_ERR(thread));
	wait_for_completion(&other.done);
}

/* Even a refused call binds a container to the process that made it. */
void tce_use_as_other(struct tce_fixture *fx, void *arg)
{
	KUNIT_EXPECT_EQ(fx->test, tce_register(arg, 0, 0), -EINVAL);
}

static int thread_fn(void *data)
{
	struct tce_thread *thread = data;
	struct mm_struct *mm = thread->view.fx->mm;

	kthread_use_mm(mm);
	thread->what(thread);
	/* tce_thread_kill() */
	tce_be_killed(false);
	kthread_unuse_mm(mm);
	kthread_complete_and_exit(&thread->done, 0);
}

/*
 * Do something in another thread of the process. From now on calls are not checked one by one.
 * Undone by tce_thread_join().
 */
void tce_thread_start(struct tce_thread *thread, struct tce_client *client,
		      void (*what)(struct tce_thread *thread))
{
	struct tce_fixture *fx = client->fx;

	fx->busy++;
	thread->view = *client;
	thread->view.slot = ffz(fx->slots);
	thread->view.arg = fx->args + 64 * thread->view.slot;
	fx->slots |= BIT(thread->view.slot);
	thread->what = what;
	thread->rc = 0;
	init_completion(&thread->done);
	thread->task = kthread_run(thread_fn, thread, "tce_thread");
	if (IS_ERR(thread->task))
		KUNIT_FAIL_AND_ABORT(fx->test, "no more threads");
}

/* tce_be_killed() for a thread that waits, for a lock or at a gate, up to its end */
void tce_thread_kill(struct tce_thread *thread)
{
	sigaddset(&thread->task->pending.signal, SIGKILL);
	set_tsk_thread_flag(thread->task, TIF_SIGPENDING);
	wake_up_process(thread->task);
}

/* Wait for a thread. With the last one, all has to be settled. */
void tce_thread_join(struct tce_thread *thread)
{
	struct tce_fixture *fx = thread->view.fx;

	wait_for_completion(&thread->done);
	fx->slots &= ~BIT(thread->view.slot);
	if (!--fx->busy)
		tce_settled(fx);
}

unsigned long tce_shared;

const struct tce_op tce_map_shared = { TCE_MAP, 0, TCE_SHARED_SIZE, TCE_RW };
const struct tce_op tce_map_first = { TCE_MAP, 0, SZ_4K, TCE_RW };

/* A container with a window, and memory that may be mapped there, but for the page behind it */
struct tce_client *tce_share(struct kunit *test, bool v2,
			     struct tce_mock_group **pgrp)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE + PAGE_SIZE);
	client = tce_ready_for(fx, v2, tce_shared, TCE_SHARED_SIZE, pgrp);
	return client;
}

/* Root reads the state, if that takes no more than there is. */
static long read_state(void)
{
	struct seq_file m = { .size = SZ_64K };
	long rc;

	m.buf = kvmalloc(m.size, GFP_KERNEL);
	rc = m.buf ? tce_debugfs_show(&m, NULL) : -ENOMEM;
	kvfree(m.buf);
	return rc;
}

long tce_op_do(struct tce_client *client, const struct tce_op *op)
{
	unsigned long ua = tce_shared + op->from;
	u64 start;

	switch (op->call) {
	case TCE_MAP:
		return tce_map(client, op->ioba, ua, op->size, op->flags);
	case TCE_UNMAP:
		return tce_unmap(client, op->ioba, op->size);
	case TCE_REGISTER:
		return tce_register(client, ua, op->size);
	case TCE_UNREGISTER:
		return tce_unregister(client, ua, op->size);
	case TCE_CREATE:
		return tce_create(client, 12, op->size, op->levels ?: 1, &start);
	case TCE_REMOVE:
		return tce_remove(client, op->ioba);
	case TCE_ENABLE:
		return tce_enable(client);
	case TCE_DISABLE:
		return tce_disable(client);
	case TCE_STATE:
		return read_state();
	}
	return -ENOTTY;
}

static void do_op(struct tce_thread *thread)
{
	thread->rc = tce_op_do(&thread->view, thread->op);
}

/* tce_thread_start() of one call */
void tce_thread_op(struct tce_thread *thread, struct tce_client *client,
		   const struct tce_op *op)
{
	thread->op = op;
	tce_thread_start(thread, client, do_op);
}

static void do_close(struct tce_thread *thread)
{
	tce_close(thread->leaving);
}

/* tce_thread_start() of a thread that closes the container */
void tce_thread_close(struct tce_thread *thread, struct tce_client *client)
{
	thread->leaving = client;
	tce_thread_start(thread, client, do_close);
}

/* tce_thread_start() of a thread that stops at a gate. Undone by tce_thread_go_on(). */
void tce_thread_stop(struct tce_thread *thread, struct tce_client *client,
		     void (*what)(struct tce_thread *thread), enum tce_place place)
{
	tce_gate_close(client->fx->mock, place, &thread->gate);
	tce_thread_start(thread, client, what);
	wait_for_completion(&thread->gate.reached);
}

/* The same for one call */
void tce_thread_stop_op(struct tce_thread *thread, struct tce_client *client,
			const struct tce_op *op, enum tce_place place)
{
	thread->op = op;
	tce_thread_stop(thread, client, do_op, place);
}

/* Let it go on, to its end. */
void tce_thread_go_on(struct tce_thread *thread)
{
	complete(&thread->gate.open);
	tce_thread_join(thread);
}

/* Has it done what it had to do? */
bool tce_thread_is_done(struct tce_thread *thread)
{
	return completion_done(&thread->done);
}

/* Does it get there within 30 seconds, which is for a thread that hangs and not for a slow one? */
bool tce_thread_ends(struct tce_thread *thread)
{
	if (!wait_for_completion_timeout(&thread->done, 30 * HZ))
		return false;
	/* for tce_thread_join() */
	complete(&thread->done);
	return true;
}

bool tce_mutex_is_contended(void *lock)
{
	struct mutex *mutex = lock;

	/* MUTEX_FLAG_WAITERS */
	return atomic_long_read(&mutex->owner) & 1;
}

bool tce_rwsem_is_contended(void *lock)
{
	return rwsem_is_contended(lock);
}

/*
 * Does a thread come to wait for a lock, for which nobody else waits? Return: true as soon as it
 * does; false if it is done, or has not got there after 30 seconds.
 */
bool tce_thread_waits(struct tce_thread *thread, bool (*contended)(void *lock), void *lock)
{
	int ms;

	for (ms = 0; ms < 30000 && !contended(lock) && !tce_thread_is_done(thread); ms += 20)
		msleep(20);
	return contended(lock) && !tce_thread_is_done(thread);
}

/*
 * The work of a closed container tries again and again, and sets its timer each time. It is not
 * flushed, because the caller holds locks.
 */
bool tce_tries_again(struct tce_container *leaving)
{
	struct timer_list *timer = &leaving->free_work.timer;
	unsigned long expires = READ_ONCE(timer->expires);
	int ms;

	for (ms = 0; READ_ONCE(timer->expires) == expires && ms < 10000; ms++)
		msleep(1);
	return ms < 10000;
}
