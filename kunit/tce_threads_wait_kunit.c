// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads_wait: one thread is stopped in the middle of a call, and others have to wait
 * for it, or must not. Which call waits for which lock is in suite tce_killed.
 */
#include "../tce_window.h"
#include "tce_threads.h"

/* Entries that a MAP writes with the table's lock held */
#define CHUNK	512

static const struct tce_op map_long = { TCE_MAP, 0, SZ_8M, TCE_W };

/* A call waits for a chunk of a long one, or for the next one as well, but not for all of it. */
static void waits_for_a_chunk(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	struct tce_container *container = tce_container_find(client->data);
	struct tce_stop fourth;
	struct tce_thread a, b;

	tce_shared = tce_plain(fx, SZ_8M);
	KUNIT_ASSERT_EQ(test, tce_register(client, tce_shared, SZ_8M), 0);
	tce_thread_stop(&a, client, &map_long, TCE_AT_MAP);
	tce_thread_op(&b, client, &tce_op_unmap_one);
	KUNIT_EXPECT_TRUE(test, tce_thread_waits_mutex(&b, &container->windows[0]->table.lock));
	tce_stop_at(fx->mock, TCE_AT_MAP, &fourth);
	fourth.hook.skip = 3 * CHUNK;
	complete(&a.stop.go_on);
	wait_for_completion(&fourth.reached);
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&b));
	complete(&fourth.go_on);
	tce_thread_join(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, 0);
}

/*
 * A call that is made twice, the second time while the first is about to invalidate an entry. The
 * second waits for this lock, and ends after the first.
 */
static void call_twice(struct kunit *test, struct tce_client *client, const struct tce_op *op,
		       struct mutex *lock, long second)
{
	struct tce_thread a, b;

	KUNIT_ASSERT_EQ(test, tce_op_do(client, &tce_op_map_one), 0);
	tce_thread_stop(&a, client, op, TCE_AT_INVALIDATE);
	tce_thread_op(&b, client, op);
	KUNIT_EXPECT_TRUE(test, tce_thread_waits_mutex(&b, lock));
	tce_thread_go_on(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, second);
}

/*
 * An UNMAP of an entry that another thread has just emptied does not return before that entry
 * is invalidated, because it waits for the table's lock. An UNREGISTER of memory that is just being
 * unmapped does not take it for its own.
 */
static void same_call_twice(struct kunit *test)
{
	struct tce_container *container;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = tce_share(test, v2);
		KUNIT_ASSERT_EQ(test, tce_op_do(client, &tce_op_unmap_one), 0);
		container = tce_container_find(client->data);
		call_twice(test, client, &tce_op_unmap_one, &container->windows[0]->table.lock, 0);
	}
	call_twice(test, client, &tce_op_unregister, &container->mem.tmm->region_lock, -ENOENT);
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

	client = tce_share(test, false);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	window = tce_charged(fx);
	KUNIT_ASSERT_EQ(test, tce_disable(client), 0);
	table = tce_charged(fx);
	for (int n = one ? 1 : 2; n <= 2; n++) {
		KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
		tce_thread_stop(&a, client, n == 1 ? &tce_op_map_one : &map_two,
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

/* DISABLE may wait for the mmap_lock when it uncharges. From then on nothing can be mapped. */
static void map_beside_disable(struct kunit *test)
{
	struct tce_client *client = tce_share(test, false);
	struct tce_fixture *fx = test->priv;
	struct tce_thread a, b;

	mmap_read_lock(fx->mm);
	tce_thread_op(&a, client, &tce_op_disable);
	KUNIT_EXPECT_TRUE(test, tce_thread_waits_rwsem(&a, &fx->mm->mmap_lock));
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
	KUNIT_CASE(map_beside_disable),
	{}
};

TCE_SUITE(tce_threads_wait);
