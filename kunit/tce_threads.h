/* SPDX-License-Identifier: GPL-2.0-only */
/* What runs beside the thread of a case, see tce_threads.c. */
#ifndef TCE_KUNIT_THREADS_H
#define TCE_KUNIT_THREADS_H

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>

#include "tce_fixture.h"

/* Does it become true within a minute? That is for what hangs, and not for what is slow. */
#define TCE_SOON(condition) ({						\
	unsigned long _end = jiffies + 60 * HZ;				\
	bool _is;							\
									\
	for (;;) {							\
		_is = condition;					\
		if (_is || time_after(jiffies, _end))			\
			break;						\
		msleep(20);						\
	}								\
	_is;								\
})

void tce_do_as_other(struct tce_fixture *fx, void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg);

void tce_use_as_other(struct tce_fixture *fx, void *arg);

#define TCE_SHARED_SIZE	SZ_256K

/* Memory of TCE_SHARED_SIZE bytes that the threads of a case share */
extern unsigned long tce_shared;

struct tce_client *tce_share(struct kunit *test, bool v2);

/* A call, about the shared memory from @from on. @levels: 0 is 1 */
struct tce_op {
	enum {
		TCE_MAP, TCE_UNMAP, TCE_REGISTER, TCE_UNREGISTER, TCE_CREATE, TCE_REMOVE,
		TCE_ENABLE, TCE_DISABLE, TCE_RESET, TCE_STATE, TCE_CLOSE,
	} call;
	u64 ioba;
	u64 size;
	u32 flags;
	unsigned long from;
	u32 levels;
};

/* Calls about all of it, but for those of one entry, which is the first */
extern const struct tce_op tce_op_map;
extern const struct tce_op tce_op_map_one;
extern const struct tce_op tce_op_unmap_one;
extern const struct tce_op tce_op_register;
extern const struct tce_op tce_op_unregister;
extern const struct tce_op tce_op_disable;
extern const struct tce_op tce_op_reset;
extern const struct tce_op tce_op_close;

long tce_op_do(struct tce_client *client, const struct tce_op *op);

struct tce_container;

/**
 * struct tce_thread - another thread of the process
 * @client: the container
 * @view: the same, with room for this thread's own arguments
 * @what: what it does
 * @op: or the call that it makes
 * @stop: where it is held up, with tce_thread_stop()
 * @task: the thread
 * @done: completed when it has done it
 * @rc: what it has to say
 */
struct tce_thread {
	struct tce_client *client;
	struct tce_client view;
	void (*what)(struct tce_thread *thread);
	const struct tce_op *op;
	struct tce_stop stop;
	struct task_struct *task;
	struct completion done;
	long rc;
};

void tce_thread_start(struct tce_thread *thread, struct tce_client *client,
		      void (*what)(struct tce_thread *thread));
void tce_thread_op(struct tce_thread *thread, struct tce_client *client,
		   const struct tce_op *op);
void tce_thread_stop(struct tce_thread *thread, struct tce_client *client,
		     const struct tce_op *op, enum tce_point point);
void tce_thread_go_on(struct tce_thread *thread);
void tce_thread_kill(struct tce_thread *thread);
bool tce_thread_ends(struct tce_thread *thread);
bool tce_tries_again(struct tce_container *leaving);
void tce_thread_join(struct tce_thread *thread);

/* Has it done what it had to do? */
static inline bool tce_thread_is_done(struct tce_thread *thread)
{
	return completion_done(&thread->done);
}

static inline bool tce_mutex_is_contended(struct mutex *mutex)
{
	/* MUTEX_FLAG_WAITERS */
	return atomic_long_read(&mutex->owner) & 1;
}

/* Does a thread come to wait for a lock, for which nobody else waits? */
static inline bool tce_thread_waits_mutex(struct tce_thread *thread, struct mutex *lock)
{
	return TCE_SOON(tce_mutex_is_contended(lock) || tce_thread_is_done(thread)) &&
	       !tce_thread_is_done(thread);
}

static inline bool tce_thread_waits_rwsem(struct tce_thread *thread, struct rw_semaphore *lock)
{
	return TCE_SOON(rwsem_is_contended(lock) || tce_thread_is_done(thread)) &&
	       !tce_thread_is_done(thread);
}

#endif /* TCE_KUNIT_THREADS_H */
