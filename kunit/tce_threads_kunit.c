// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads: several threads register and map memory, and open and close containers of the
 * process, each as fast as it can. The mock checks every write; lockdep and, where configured,
 * KASAN and KCSAN check everything else. Other races are in selftests/races.c.
 */
#include "tce_threads.h"

#define ROUNDS	100

#define THREADS	4

typedef void (*thread_fn)(struct tce_thread *thread);

/* Each of @whats in a thread of its own */
static void all_at_once(struct kunit *test, struct tce_client *client,
			const thread_fn *whats)
{
	struct tce_thread threads[THREADS];
	int i;

	for (i = 0; i < THREADS && whats[i]; i++)
		tce_thread_start(&threads[i], client, whats[i]);
	for (i = 0; i < THREADS && whats[i]; i++)
		tce_thread_join(&threads[i]);
	for (i = 0; i < THREADS && whats[i]; i++)
		KUNIT_EXPECT_EQ_MSG(test, threads[i].rc, 0, "thread %d", i);
}

static void keep_first_error(struct tce_thread *thread, long rc)
{
	if (!thread->rc)
		thread->rc = rc;
}

static void register_and_unregister(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		rc = tce_unregister(&thread->view, tce_shared, TCE_SHARED_SIZE);
		/* mapped, or the other was quicker */
		if (rc != -EBUSY && rc != -ENOENT)
			keep_first_error(thread, rc);
		rc = tce_register(&thread->view, tce_shared, TCE_SHARED_SIZE);
		if (rc != -EBUSY)
			keep_first_error(thread, rc);
	}
}

static void map_if_registered(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		rc = tce_map(&thread->view, SZ_1M, tce_shared, TCE_SHARED_SIZE, TCE_RW);
		if (rc != -EINVAL)
			keep_first_error(thread, rc);
		keep_first_error(thread, tce_unmap(&thread->view, SZ_1M,
						   TCE_SHARED_SIZE));
	}
}

static void regions_come_and_go(struct kunit *test)
{
	static const thread_fn whats[THREADS] = {
		register_and_unregister, register_and_unregister,
		map_if_registered, map_if_registered,
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	int kvm;

	for (kvm = 0; kvm < 2; kvm++) {
		if (kvm)
			tce_watch(fx);
		client = tce_share(test, true, NULL);
		all_at_once(test, client, whats);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, tce_shared, TCE_SHARED_SIZE),
				0);
	}
}

/* Two containers with the same memory, independent of each other. */
static void two_containers(struct kunit *test)
{
	struct tce_client *a = tce_share(test, true, NULL), *b;
	struct tce_fixture *fx = test->priv;
	struct tce_thread threads[THREADS];
	int i;

	b = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	tce_thread_start(&threads[0], a, register_and_unregister);
	tce_thread_start(&threads[1], b, register_and_unregister);
	tce_thread_start(&threads[2], a, map_if_registered);
	tce_thread_start(&threads[3], b, map_if_registered);
	for (i = 0; i < THREADS; i++) {
		tce_thread_join(&threads[i]);
		KUNIT_EXPECT_EQ_MSG(test, threads[i].rc, 0, "thread %d", i);
	}
	KUNIT_EXPECT_EQ(test, tce_unmap(a, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, SZ_64M), 0);
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
		while (atomic_read(&arrived) < 2 * i)
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
	static const thread_fn whats[THREADS] = {
		open_and_close, open_and_close,
	};
	struct tce_fixture *fx = test->priv;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	atomic_set(&arrived, 0);
	all_at_once(test, tce_open(fx, false), whats);
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
	static const thread_fn whats[THREADS] = {
		bind_and_close, bind_and_close,
	};
	struct tce_fixture *fx = test->priv;

	tce_shared = tce_plain(fx, PAGE_SIZE);
	all_at_once(test, tce_open(fx, false), whats);
}

static struct kunit_case tce_threads_cases[] = {
	KUNIT_CASE(regions_come_and_go),
	KUNIT_CASE(two_containers),
	KUNIT_CASE(containers_come_and_go),
	KUNIT_CASE(last_container_goes),
	{}
};

TCE_SUITE(tce_threads);
