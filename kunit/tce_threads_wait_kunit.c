// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads_wait: one thread is stopped in the middle of a call, and others have to wait
 * for it, or must not; which command waits for which lock of the driver, and that a client that
 * waits for one can be killed.
 */
#include <linux/rcupdate.h>

#include "../tce_container.h"
#include "../tce_mm.h"
#include "../tce_region.h"
#include "../tce_table.h"
#include "../tce_window.h"
#include "tce_threads.h"

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
	fourth.hook.skip = 3 * TCE_CHUNK;
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

/* ---- commands that wait for a lock, and are killed ---- */

/* A lock that somebody else holds, all but READS for writing */
enum held {
	CONTAINER,
	MAP_LOCK,
	READS,
	REGISTERING,
	REGIONS,
	CREATION,
	TABLE,
	SECOND_TABLE,
};

/*
 * A command, be it the container's first one, and a lock that it waits for. @not_killable: it
 * succeeds all the same. @again: what it says when it is repeated
 */
struct wait {
	const char *name;
	bool v2;
	enum held held;
	const struct tce_op *before;
	struct tce_op op;
	bool first;
	bool not_killable;
	long again;
};

#define REGISTER_PAGE	{ TCE_REGISTER, .size = PAGE_SIZE, .from = TCE_SHARED_SIZE }
#define UNREGISTER	{ TCE_UNREGISTER, .size = TCE_SHARED_SIZE }
#define CREATE		{ TCE_CREATE, .size = SZ_64M }
#define MAP		{ TCE_MAP, 0, SZ_64K, TCE_RW }
#define MAP_ONE		{ TCE_MAP, 0, SZ_4K, TCE_RW }
#define UNMAP		{ TCE_UNMAP, 0, SZ_64K }
#define UNMAP_ONE	{ TCE_UNMAP, 0, SZ_4K }

static const struct tce_op map_some = MAP;
static const struct tce_op create_levels = { TCE_CREATE, .size = SZ_64M, .levels = 3 };

static const struct wait waits[] = {
	{ "ENABLE beside attach", false, CONTAINER, &tce_op_disable, { TCE_ENABLE } },
	{ "ENABLE beside MAP", false, READS, &tce_op_disable, { TCE_ENABLE } },
	{ "DISABLE beside attach", false, CONTAINER, NULL, { TCE_DISABLE } },
	{ "DISABLE beside MAP", false, READS, NULL, { TCE_DISABLE } },
	{ "v1 MAP beside DISABLE", false, MAP_LOCK, NULL, MAP },
	{ "v1 MAP after DISABLE, beside attach", false, CONTAINER, &tce_op_disable, MAP,
	  .again = -EPERM },
	{ "v1 MAP of what is mapped beside DISABLE", false, MAP_LOCK, &map_some, MAP },
	{ "v1 UNMAP beside DISABLE", false, MAP_LOCK, &map_some, UNMAP },
	{ "v1 MAP beside a chunk of MAP", false, TABLE, NULL, MAP },
	{ "v1 MAP of one entry beside a chunk of MAP", false, TABLE, NULL, MAP_ONE },
	{ "v1 UNMAP of one entry beside a chunk of MAP", false, TABLE, &map_some, UNMAP_ONE },
	{ "CREATE beside attach", true, CONTAINER, NULL, CREATE },
	{ "CREATE beside MAP", true, READS, NULL, CREATE },
	{ "CREATE beside KVM's counts", true, CREATION, NULL, CREATE },
	{ "REMOVE beside attach", true, CONTAINER, NULL, { TCE_REMOVE } },
	{ "REMOVE beside MAP", true, READS, NULL, { TCE_REMOVE } },
	{ "MAP of one entry beside REMOVE", true, MAP_LOCK, NULL, MAP_ONE },
	{ "MAP beside REMOVE", true, MAP_LOCK, NULL, MAP },
	{ "UNMAP of one entry beside REMOVE", true, MAP_LOCK, &map_some, UNMAP_ONE },
	{ "UNMAP beside REMOVE", true, MAP_LOCK, &map_some, UNMAP },
	{ "MAP beside a chunk of MAP", true, TABLE, NULL, MAP },
	{ "UNMAP beside a chunk of MAP", true, TABLE, &map_some, UNMAP },
	{ "MAP that makes levels", true, SECOND_TABLE, &create_levels,
	  { TCE_MAP, TCE_SECOND, SZ_64K, TCE_RW } },
	{ "UNMAP beside a MAP that makes levels", true, SECOND_TABLE, &create_levels,
	  { TCE_UNMAP, TCE_SECOND, SZ_64M } },
	{ "REGISTER beside REGISTER", true, REGISTERING, NULL, REGISTER_PAGE },
	{ "REGISTER beside regions", true, REGIONS, NULL, REGISTER_PAGE },
	{ "the first REGISTER beside regions", true, REGIONS, NULL, REGISTER_PAGE, true },
	{ "REGISTER beside MAP", true, READS, NULL, REGISTER_PAGE, .not_killable = true,
	  .again = -EBUSY },
	{ "UNREGISTER beside regions", true, REGIONS, NULL, UNREGISTER },
	{ "UNREGISTER beside MAP", true, READS, NULL, UNREGISTER },
	{ "UNREGISTER of what is mapped beside MAP", true, READS, &map_some, UNREGISTER },
	{ "the state beside attach", true, CONTAINER, NULL, { TCE_STATE } },
	{ "the state beside regions", true, REGIONS, NULL, { TCE_STATE } },
};

KUNIT_ARRAY_PARAM_DESC(wait, waits, name);

static struct rw_semaphore *rwsem_of(struct tce_container *container, enum held held)
{
	switch (held) {
	case CONTAINER:
		return &container->lock;
	case MAP_LOCK:
	case READS:
		return &container->mem.tmm->map_lock;
	case CREATION:
		return &tce_create_lock;
	default:
		return NULL;
	}
}

static struct mutex *mutex_of(struct tce_container *container, enum held held)
{
	switch (held) {
	case REGISTERING:
		return &container->mem.tmm->registering;
	case REGIONS:
		return &container->mem.tmm->region_lock;
	case TABLE:
		return &container->windows[0]->table.lock;
	default:
		return &container->windows[1]->table.lock;
	}
}

static void take(struct tce_container *container, enum held held)
{
	struct rw_semaphore *rwsem = rwsem_of(container, held);

	if (held == READS)
		down_read(rwsem);
	else if (rwsem)
		down_write(rwsem);
	else
		mutex_lock(mutex_of(container, held));
}

static void give_back(struct tce_container *container, enum held held)
{
	struct rw_semaphore *rwsem = rwsem_of(container, held);

	if (held == READS)
		up_read(rwsem);
	else if (rwsem)
		up_write(rwsem);
	else
		mutex_unlock(mutex_of(container, held));
}

static bool is_awaited(struct tce_thread *caller, struct tce_container *container, enum held held)
{
	struct rw_semaphore *rwsem = rwsem_of(container, held);

	return rwsem ? tce_thread_waits_rwsem(caller, rwsem) :
		       tce_thread_waits_mutex(caller, mutex_of(container, held));
}

/*
 * What the command did before it waited is undone, and it succeeds when it is repeated and nobody
 * has the lock any more. A command that is complete but for the wait goes on to its end. A SIGKILL
 * that is pending already is in suite tce_failure.
 */
static void who_waits_is_killed(struct kunit *test)
{
	const struct wait *wait = test->param_value;
	struct tce_client *first = tce_open(test->priv, true), *client;
	unsigned long ua = tce_plain(test->priv, PAGE_SIZE);
	struct tce_container *container;
	struct tce_thread caller;
	bool ended = true, waited;

	/* on PowerNV a table is hidden before KVM can find it */
	first->fx->mock->hcalls = wait->held == CREATION;
	/* the locks of the process were made by a call that was killed */
	KUNIT_EXPECT_EQ(test, TCE_KILLED_IF(true, tce_register(first, ua, PAGE_SIZE)), -EINTR);
	client = tce_share(test, wait->v2);
	if (!wait->v2)
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	if (wait->before)
		KUNIT_ASSERT_EQ(test, tce_op_do(client, wait->before), 0);
	/* it stays: the client has it open */
	rcu_read_lock();
	container = tce_container_find(client->data);
	rcu_read_unlock();
	if (wait->first)
		client = tce_open(test->priv, wait->v2);
	take(container, wait->held);
	tce_thread_op(&caller, client, &wait->op);
	waited = is_awaited(&caller, container, wait->held);
	tce_thread_kill(&caller);
	if (!wait->not_killable)
		ended = tce_thread_ends(&caller);
	if (wait->first && ended) {
		KUNIT_EXPECT_NULL(test, tce_container_find(client->data)->mem.tmm);
		KUNIT_EXPECT_TRUE(test, mutex_is_locked(&container->mem.tmm->region_lock));
	}
	give_back(container, wait->held);
	tce_thread_join(&caller);
	KUNIT_EXPECT_TRUE_MSG(test, waited, "it did not wait");
	KUNIT_EXPECT_TRUE_MSG(test, ended, "it could not be killed");
	KUNIT_EXPECT_EQ(test, caller.rc, wait->not_killable ? 0 : -EINTR);
	KUNIT_EXPECT_EQ(test, tce_op_do(client, &wait->op), wait->again);
}

static struct kunit_case tce_threads_wait_cases[] = {
	KUNIT_CASE(waits_for_a_chunk),
	KUNIT_CASE(same_call_twice),
	KUNIT_CASE(disable_during_a_map),
	KUNIT_CASE(map_beside_disable),
	KUNIT_CASE_PARAM(who_waits_is_killed, wait_gen_params),
	{}
};

TCE_SUITE(tce_threads_wait);
