// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads_wait: one thread is stopped in the middle of a call, and others have to wait
 * for it, or must not. Which call waits for which lock is in suite tce_killed.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/mm.h>

#include "../tce_v1.h"
#include "../tce_window.h"
#include "tce_threads.h"

static const struct tce_op unmap_one = { TCE_UNMAP, 0, SZ_4K };

/* Entries that a MAP writes with the table's lock held */
#define CHUNK	512

static const struct tce_op map_long = { TCE_MAP, 0, SZ_8M, TCE_W };

/* A call waits for a chunk of a long one, or for the next one as well, but not for all of it. */
static void waits_for_a_chunk(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	struct tce_container *container = tce_container_find(client->data);
	struct tce_gate fourth;
	struct tce_thread a, b;

	tce_shared = tce_plain(fx, SZ_8M);
	KUNIT_ASSERT_EQ(test, tce_register(client, tce_shared, SZ_8M), 0);
	tce_thread_stop_op(&a, client, &map_long, TCE_AT_MAP);
	tce_thread_op(&b, client, &unmap_one);
	KUNIT_EXPECT_TRUE(test, TCE_WAITS_MUTEX(&b, &container->windows[0]->table.lock));
	tce_gate_close(fx->mock, TCE_AT_MAP, &fourth);
	fourth.visit.skip = 3 * CHUNK;
	complete(&a.gate.open);
	wait_for_completion(&fourth.reached);
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&b));
	complete(&fourth.open);
	tce_thread_join(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, 0);
}

/* A call that is made twice, by a second thread while the first invalidates the entry */
struct two_calls {
	struct completion killing;
	struct completion begun;
	struct completion done;
	bool waited;
	const struct tce_op *op;
};

static struct two_calls twice;

/* Atomic. The second spins as well, so that two CPUs are in use. */
static void let_the_second_try(void *unused)
{
	int ms;

	complete(&twice.killing);
	for (ms = 0; ms < 10000 && !completion_done(&twice.begun); ms++)
		mdelay(1);
	twice.waited = completion_done(&twice.begun);
	for (ms = 0; ms < 100 && !completion_done(&twice.done); ms++)
		mdelay(1);
}

static void call_again(struct tce_thread *thread)
{
	wait_for_completion(&twice.killing);
	complete(&twice.begun);
	thread->rc = tce_op_do(&thread->view, twice.op);
	/* what the device can reach still, though it is unmapped */
	if (!thread->rc && tce_mock_count(thread->view.fx->mock).stale)
		thread->rc = -EBUSY;
	complete(&twice.done);
}

static const struct tce_op unregister_shared = { TCE_UNREGISTER, .size = TCE_SHARED_SIZE };

/* Expect that the first call succeeds, and that the second one ends after it with @second. */
static void call_twice(struct kunit *test, bool v2, const struct tce_op *op, long second)
{
	struct tce_visit visit = { .call = let_the_second_try };
	struct tce_client *client = tce_share(test, v2, NULL);
	struct tce_fixture *fx = test->priv;
	struct tce_thread a, b;

	KUNIT_ASSERT_EQ(test, tce_map(client, 0, tce_shared, SZ_4K, TCE_RW), 0);
	init_completion(&twice.killing);
	init_completion(&twice.begun);
	init_completion(&twice.done);
	twice.op = op;
	fx->mock->at[TCE_AT_KILL] = &visit;
	tce_thread_start(&b, client, call_again);
	tce_thread_op(&a, client, op);
	tce_thread_join(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_TRUE(test, twice.waited);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, second);
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, 0);
}

/*
 * An UNMAP of an entry that another thread has just emptied does not return before that entry
 * is invalidated, because it waits for the table's lock. An UNREGISTER of memory that is just being
 * unmapped does not take it for its own.
 */
static void same_call_twice(struct kunit *test)
{
	/* the first spins until the second has begun */
	if (num_online_cpus() < 2)
		kunit_skip(test, "this machine has one CPU");
	call_twice(test, false, &unmap_one, 0);
	call_twice(test, true, &unmap_one, 0);
	call_twice(test, true, &unregister_shared, -ENOENT);
}

static const struct tce_op map_two = { TCE_MAP, 0, 2 * PAGE_SIZE, TCE_RW };
/*
 * DISABLE gives back what was charged, except for the pages of a MAP in flight. That MAP is
 * refused then, and the next ENABLE or DISABLE gives back the rest.
 */
static void disable_during_a_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	/* a pin of one page is counted before there is anything to wait for, but for this */
	bool one = PAGE_SIZE > SZ_4K;
	unsigned long table, window;
	struct tce_client *client;
	struct tce_thread a;

	client = tce_share(test, false, NULL);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	window = tce_charged(fx);
	KUNIT_ASSERT_EQ(test, tce_disable(client), 0);
	table = tce_charged(fx);
	for (int n = one ? 1 : 2; n <= 2; n++) {
		KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
		tce_thread_stop_op(&a, client, n == 1 ? &tce_map_first : &map_two,
				   n == 1 ? TCE_AT_ALLOC : TCE_AT_PIN);
		KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), table + n);
		tce_thread_go_on(&a);
		KUNIT_EXPECT_EQ(test, a.rc, -EPERM);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), table + n);
		/* there is room for the window, but not for that as well; or it is being killed */
		KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, window,
						  TCE_KILLED_IF(n == 2, tce_enable(client))), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), window);
		KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), table);
	}
}

/* MAPs at once for which the charge is too small: each charges a page of its own, and no more. */
static void maps_beyond_the_charge(struct kunit *test)
{
	static const struct tce_op ops[] = {
		{ TCE_MAP, 0, SZ_4K, TCE_R }, { TCE_MAP, SZ_4K, SZ_4K, TCE_R, .from = PAGE_SIZE },
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	atomic_long_t *pages = &tce_container_find(client->data)->mem.v1->pages;
	unsigned long window = tce_plain(fx, SZ_64M), charged;
	struct tce_thread threads[2];
	int i, ms;

	tce_shared = tce_plain(fx, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, window, SZ_64M, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, atomic_long_read(pages), SZ_64M >> PAGE_SHIFT);
	charged = tce_charged(fx);
	mmap_read_lock(fx->mm);
	for (i = 0; i < 2; i++)
		tce_thread_op(&threads[i], client, &ops[i]);
	/* both are counted, and wait until they may charge */
	for (ms = 0; ms < 30000 && atomic_long_read(pages) < (SZ_64M >> PAGE_SHIFT) + 2; ms += 20)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_long_read(pages), (SZ_64M >> PAGE_SHIFT) + 2);
	mmap_read_unlock(fx->mm);
	for (i = 0; i < 2; i++) {
		tce_thread_join(&threads[i]);
		KUNIT_EXPECT_EQ(test, threads[i].rc, 0);
	}
	KUNIT_EXPECT_EQ(test, tce_charged(fx), charged + 2);
}

static const struct tce_op disable = { TCE_DISABLE };

/* DISABLE may wait for the mmap_lock when it uncharges. From then on nothing can be mapped. */
static void map_beside_disable(struct kunit *test)
{
	struct tce_client *client = tce_share(test, false, NULL);
	struct tce_fixture *fx = test->priv;
	struct tce_thread a, b;

	mmap_read_lock(fx->mm);
	tce_thread_op(&a, client, &disable);
	KUNIT_EXPECT_TRUE(test, TCE_WAITS_RWSEM(&a, &fx->mm->mmap_lock));
	tce_thread_op(&b, client, &map_two);
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&b));
	mmap_read_unlock(fx->mm);
	tce_thread_join(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, -EPERM);
}

static struct kunit_case tce_threads_wait_cases[] = {
	KUNIT_CASE(waits_for_a_chunk),
	KUNIT_CASE(same_call_twice),
	KUNIT_CASE(disable_during_a_map),
	KUNIT_CASE(maps_beyond_the_charge),
	KUNIT_CASE(map_beside_disable),
	{}
};

TCE_SUITE(tce_threads_wait);
