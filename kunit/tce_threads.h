/* SPDX-License-Identifier: GPL-2.0-only */
/* What runs beside the thread of a case, see tce_threads.c. */
#ifndef TCE_KUNIT_THREADS_H
#define TCE_KUNIT_THREADS_H

#include "tce_client.h"

void tce_do_as_other(struct tce_fixture *fx, bool has_mm,
		     void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg);

void tce_use_as_other(struct tce_fixture *fx, void *arg);

#define TCE_SHARED_SIZE	SZ_256K

/* Memory of TCE_SHARED_SIZE bytes that the threads of a case share */
extern unsigned long tce_shared;

struct tce_client *tce_share(struct kunit *test, bool v2,
			     struct tce_mock_group **pgrp);

/* A call, about the shared memory from @from on. @levels: 0 is 1 */
struct tce_op {
	enum {
		TCE_MAP, TCE_UNMAP, TCE_REGISTER, TCE_UNREGISTER, TCE_CREATE, TCE_REMOVE,
		TCE_ENABLE, TCE_DISABLE, TCE_STATE,
	} call;
	u64 ioba;
	u64 size;
	u32 flags;
	unsigned long from;
	u32 levels;
};

extern const struct tce_op tce_map_shared;
extern const struct tce_op tce_map_first;

long tce_op_do(struct tce_client *client, const struct tce_op *op);

struct tce_container;

/**
 * struct tce_thread - another thread of the process
 * @view: the container, with room for this thread's own arguments
 * @what: what it does
 * @op: or the call that it makes
 * @leaving: or the container that it closes
 * @gate: where it is held up, with tce_thread_stop()
 * @task: the thread
 * @done: completed when it has done it
 * @rc: what it has to say
 */
struct tce_thread {
	struct tce_client view;
	void (*what)(struct tce_thread *thread);
	const struct tce_op *op;
	struct tce_client *leaving;
	struct tce_gate gate;
	struct task_struct *task;
	struct completion done;
	long rc;
};

void tce_thread_start(struct tce_thread *thread, struct tce_client *client,
		      void (*what)(struct tce_thread *thread));
void tce_thread_op(struct tce_thread *thread, struct tce_client *client,
		   const struct tce_op *op);
void tce_thread_close(struct tce_thread *thread, struct tce_client *client);
void tce_thread_stop(struct tce_thread *thread, struct tce_client *client,
		     void (*what)(struct tce_thread *thread), enum tce_place place);
void tce_thread_stop_op(struct tce_thread *thread, struct tce_client *client,
			const struct tce_op *op, enum tce_place place);
void tce_thread_go_on(struct tce_thread *thread);
void tce_thread_kill(struct tce_thread *thread);
bool tce_thread_is_done(struct tce_thread *thread);
bool tce_thread_ends(struct tce_thread *thread);
bool tce_tries_again(struct tce_container *leaving);
bool tce_thread_waits(struct tce_thread *thread, bool (*contended)(void *lock), void *lock);
#define TCE_WAITS_MUTEX(thread, lock)	tce_thread_waits(thread, tce_mutex_is_contended, lock)
#define TCE_WAITS_RWSEM(thread, lock)	tce_thread_waits(thread, tce_rwsem_is_contended, lock)
bool tce_mutex_is_contended(void *lock);
bool tce_rwsem_is_contended(void *lock);
void tce_thread_join(struct tce_thread *thread);

#endif /* TCE_KUNIT_THREADS_H */
