// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads: threads open and close the first and last containers of a process at the same
 * moment. Calls that need no such moment are in selftests/storm.c.
 */
#include "tce_threads.h"

#define ROUNDS	100
#define THREADS	2

/* @what in each of two threads */
static void both_at_once(struct kunit *test, struct tce_client *client,
			 void (*what)(struct tce_thread *thread))
{
	struct tce_thread threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		tce_thread_start(&threads[i], client, what);
	for (i = 0; i < THREADS; i++)
		tce_thread_join(&threads[i]);
	for (i = 0; i < THREADS; i++)
		KUNIT_EXPECT_EQ_MSG(test, threads[i].rc, 0, "thread %d", i);
}

static void keep_first_error(struct tce_thread *thread, long rc)
{
	if (!thread->rc)
		thread->rc = rc;
}

static atomic_t arrived;

/* The first container of a process to register something, and the last to have it. */
static void open_and_close(struct tce_thread *thread)
{
	void *data;
	int i;

	for (i = 1; i <= 2 * ROUNDS; i++) {
		data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);
		thread->view.data = data;
		atomic_inc(&arrived);
		/* both at once */
		while (atomic_read(&arrived) < THREADS * i)
			cond_resched();
		if (IS_ERR_OR_NULL(data)) {
			keep_first_error(thread, -ENODEV);
			continue;
		}
		keep_first_error(thread, tce_register(&thread->view, tce_shared,
						      PAGE_SIZE));
		tce_driver->release(data);
	}
}

/* All containers of a process find each other, even if none was there before. */
static void containers_come_and_go(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	atomic_set(&arrived, 0);
	both_at_once(test, tce_open(fx, false), open_and_close);
	tce_expect_balance(fx);
}

/* Even a refused call binds the container to the process. */
static void bind_and_close(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < 20 * ROUNDS; i++) {
		thread->view.data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);
		if (IS_ERR_OR_NULL(thread->view.data)) {
			keep_first_error(thread, -ENODEV);
			return;
		}
		rc = tce_register(&thread->view, tce_shared, 0);
		if (rc != -EINVAL)
			keep_first_error(thread, rc ?: -EIO);
		tce_driver->release(thread->view.data);
	}
}

/* The last of a process's containers is closed just when another one is opened. */
static void last_container_goes(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	tce_shared = tce_plain(fx, PAGE_SIZE);
	both_at_once(test, tce_open(fx, false), bind_and_close);
}

static struct kunit_case tce_threads_cases[] = {
	KUNIT_CASE(containers_come_and_go),
	KUNIT_CASE(last_container_goes),
	{}
};

TCE_SUITE(tce_threads);
