// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs beside the thread of the case: other threads, and other processes.
 */
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "../tce_container.h"
#include "../tce_debugfs.h"
#include "tce_threads.h"

struct other {
	struct tce_fixture *fx;
	void (*what)(struct tce_fixture *fx, void *arg);
	void *arg;
	struct completion done;
};

static int other_thread(void *data)
{
	struct other *other = data;

	/* with room for the arguments of its calls, where the containers look for them */
	kunit_vm_mmap(other->fx->test, NULL, other->fx->args, PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	other->what(other->fx, other->arg);
	kthread_complete_and_exit(&other->done, 0);
}

/* Do something in another process. */
void tce_do_as_other(struct tce_fixture *fx, void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg)
{
	struct other other = { .fx = fx, .what = what, .arg = arg };
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
	thread->client = client;
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

/* tce_be_killed() for a thread that waits, for a lock or at a point, up to its end */
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

const struct tce_op tce_op_map = { TCE_MAP, 0, TCE_SHARED_SIZE, TCE_RW };
const struct tce_op tce_op_map_one = { TCE_MAP, 0, SZ_4K, TCE_RW };
const struct tce_op tce_op_unmap_one = { TCE_UNMAP, 0, SZ_4K };
const struct tce_op tce_op_register = { TCE_REGISTER, .size = TCE_SHARED_SIZE };
const struct tce_op tce_op_unregister = { TCE_UNREGISTER, .size = TCE_SHARED_SIZE };
const struct tce_op tce_op_disable = { TCE_DISABLE };
const struct tce_op tce_op_reset = { TCE_RESET };
const struct tce_op tce_op_close = { TCE_CLOSE };

/* A container with a window, and memory that may be mapped there, but for the page behind it */
struct tce_client *tce_share(struct kunit *test, bool v2)
{
	tce_shared = tce_plain(test->priv, TCE_SHARED_SIZE + PAGE_SIZE);
	return tce_ready_for(test->priv, v2, tce_shared, TCE_SHARED_SIZE, NULL);
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
	case TCE_RESET:
		return tce_eeh(client, &(struct vfio_eeh_pe_op){ .op = VFIO_EEH_PE_RESET_HOT });
	case TCE_STATE:
		return read_state();
	case TCE_CLOSE:
		tce_close(client);
		return 0;
	}
	return -ENOTTY;
}

static void do_op(struct tce_thread *thread)
{
	bool closes = thread->op->call == TCE_CLOSE;

	thread->rc = tce_op_do(closes ? thread->client : &thread->view, thread->op);
}

/* tce_thread_start() of one call */
void tce_thread_op(struct tce_thread *thread, struct tce_client *client,
		   const struct tce_op *op)
{
	thread->op = op;
	tce_thread_start(thread, client, do_op);
}

/* The same, which is held up at a point. Undone by tce_thread_go_on(). */
void tce_thread_stop(struct tce_thread *thread, struct tce_client *client,
		     const struct tce_op *op, enum tce_point point)
{
	tce_stop_at(client->fx->mock, point, &thread->stop);
	tce_thread_op(thread, client, op);
	wait_for_completion(&thread->stop.reached);
}

/* Let it go on, to its end. */
void tce_thread_go_on(struct tce_thread *thread)
{
	complete(&thread->stop.go_on);
	tce_thread_join(thread);
}

/* Does it come to its end? */
bool tce_thread_ends(struct tce_thread *thread)
{
	return TCE_SOON(tce_thread_is_done(thread));
}

/*
 * The work of a closed container tries again and again, here twice, and sets its timer each time.
 * It is not flushed, because the caller holds locks.
 */
bool tce_tries_again(struct tce_container *leaving)
{
	struct timer_list *timer = &leaving->free_work.timer;
	unsigned long expires, times;

	for (times = 0; times < 2; times++) {
		expires = READ_ONCE(timer->expires);
		if (!TCE_SOON(READ_ONCE(timer->expires) != expires))
			return false;
	}
	return true;
}
