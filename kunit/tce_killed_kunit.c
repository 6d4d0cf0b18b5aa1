// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_killed: a client that waits for a lock of the driver can be killed, in each
 * command. What the command did before is undone, and it succeeds when it is repeated.
 */
#include <linux/rcupdate.h>

#include "../tce_container.h"
#include "../tce_mm.h"
#include "../tce_region.h"
#include "../tce_window.h"
#include "tce_threads.h"

/* What somebody else holds */
enum held {
	CONTAINER,
	MAP_LOCK,
	REGISTERING,
	REGIONS,
	CREATION,
	TABLE,
};

/* A command, be it the container's first one, and a lock that it waits for */
struct wait {
	const char *name;
	bool v2;
	enum held held;
	const struct tce_op *before;
	struct tce_op op;
	bool first;
};

static const struct tce_op disable = { TCE_DISABLE };
static const struct tce_op map_some = { TCE_MAP, 0, SZ_64K, TCE_RW };

static const struct wait waits[] = {
	{ "ENABLE beside attach", false, CONTAINER, &disable, { TCE_ENABLE } },
	{ "ENABLE beside MAP", false, MAP_LOCK, &disable, { TCE_ENABLE } },
	{ "DISABLE beside attach", false, CONTAINER, NULL, { TCE_DISABLE } },
	{ "DISABLE beside MAP", false, MAP_LOCK, NULL, { TCE_DISABLE } },
	{ "v1 MAP beside DISABLE", false, MAP_LOCK, NULL, { TCE_MAP, 0, SZ_64K, TCE_RW } },
	{ "v1 UNMAP beside DISABLE", false, MAP_LOCK, &map_some, { TCE_UNMAP, 0, SZ_64K } },
	{ "CREATE beside attach", true, CONTAINER, NULL, { TCE_CREATE, .size = SZ_64M } },
	{ "CREATE beside MAP", true, MAP_LOCK, NULL, { TCE_CREATE, .size = SZ_64M } },
	{ "CREATE beside KVM's counts", true, CREATION, NULL, { TCE_CREATE, .size = SZ_64M } },
	{ "REMOVE beside attach", true, CONTAINER, NULL, { TCE_REMOVE } },
	{ "REMOVE beside MAP", true, MAP_LOCK, NULL, { TCE_REMOVE } },
	{ "MAP of one entry beside REMOVE", true, MAP_LOCK, NULL,
	  { TCE_MAP, 0, SZ_4K, TCE_RW } },
	{ "MAP beside REMOVE", true, MAP_LOCK, NULL, { TCE_MAP, 0, SZ_64K, TCE_RW } },
	{ "UNMAP of one entry beside REMOVE", true, MAP_LOCK, &map_some,
	  { TCE_UNMAP, 0, SZ_4K } },
	{ "UNMAP beside REMOVE", true, MAP_LOCK, &map_some, { TCE_UNMAP, 0, SZ_64K } },
	{ "MAP beside a chunk of MAP", true, TABLE, NULL, { TCE_MAP, 0, SZ_64K, TCE_RW } },
	{ "UNMAP beside a chunk of MAP", true, TABLE, &map_some, { TCE_UNMAP, 0, SZ_64K } },
	{ "REGISTER beside REGISTER", true, REGISTERING, NULL,
	  { TCE_REGISTER, .size = PAGE_SIZE, .spare = true } },
	{ "REGISTER beside regions", true, REGIONS, NULL,
	  { TCE_REGISTER, .size = PAGE_SIZE, .spare = true } },
	{ "the first REGISTER beside regions", true, REGIONS, NULL,
	  { TCE_REGISTER, .size = PAGE_SIZE, .spare = true }, true },
	{ "UNREGISTER beside regions", true, REGIONS, NULL,
	  { TCE_UNREGISTER, .size = TCE_SHARED_SIZE } },
};

KUNIT_ARRAY_PARAM_DESC(wait, waits, name);

static void take(struct tce_container *container, enum held held)
{
	struct tce_mm *tmm = container->mem.tmm;

	switch (held) {
	case CONTAINER:
		return down_write(&container->lock);
	case MAP_LOCK:
		return down_write(&tmm->map_lock);
	case REGISTERING:
		return mutex_lock(&tmm->registering);
	case REGIONS:
		return mutex_lock(&tmm->region_lock);
	case CREATION:
		return down_write(&tce_create_lock);
	case TABLE:
		return mutex_lock(&container->windows[0]->table.lock);
	}
}

static void give_back(struct tce_container *container, enum held held)
{
	struct tce_mm *tmm = container->mem.tmm;

	switch (held) {
	case CONTAINER:
		return up_write(&container->lock);
	case MAP_LOCK:
		return up_write(&tmm->map_lock);
	case REGISTERING:
		return mutex_unlock(&tmm->registering);
	case REGIONS:
		return mutex_unlock(&tmm->region_lock);
	case CREATION:
		return up_write(&tce_create_lock);
	case TABLE:
		return mutex_unlock(&container->windows[0]->table.lock);
	}
}

static void call_killed(struct tce_thread *thread)
{
	const struct wait *wait = thread->view.fx->test->param_value;

	tce_be_killed(true);
	thread->rc = tce_op_do(&thread->view, &wait->op);
	tce_be_killed(false);
}

static void who_waits_is_killed(struct kunit *test)
{
	const struct wait *wait = test->param_value;
	struct tce_client *first = tce_open(test->priv, true), *client;
	struct tce_container *container;
	struct tce_thread caller;
	bool ended;

	tce_spare = tce_plain(test->priv, PAGE_SIZE);
	/* the locks of the process were made by a call that was killed */
	KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_register(first, tce_spare, PAGE_SIZE)), -EINTR);
	client = tce_share(test, wait->v2, NULL);
	if (wait->before)
		KUNIT_ASSERT_EQ(test, tce_op_do(client, wait->before), 0);
	/* it stays: the client has it open */
	rcu_read_lock();
	container = tce_container_find(client->data);
	rcu_read_unlock();
	if (wait->first)
		client = tce_open(test->priv, wait->v2);
	take(container, wait->held);
	tce_thread_start(&caller, client, call_killed);
	ended = tce_thread_ends(&caller);
	if (wait->first && ended) {
		KUNIT_EXPECT_NULL(test, tce_container_find(client->data)->mem.tmm);
		KUNIT_EXPECT_TRUE(test, mutex_is_locked(&container->mem.tmm->region_lock));
	}
	give_back(container, wait->held);
	tce_thread_join(&caller);
	KUNIT_EXPECT_TRUE_MSG(test, ended, "it could not be killed");
	KUNIT_EXPECT_EQ(test, caller.rc, -EINTR);
	KUNIT_EXPECT_EQ(test, tce_op_do(client, &wait->op), 0);
}

/* What the VFIO core asks for, which nobody can interrupt, is done completely. */
static void core_goes_on(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client;
	u64 start;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		tce_be_killed(true);
		client = tce_open(fx, v2);
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
		tce_be_killed(false);
		if (v2) {
			KUNIT_EXPECT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
			KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
		} else {
			KUNIT_EXPECT_EQ(test, tce_enable(client), 0);
		}
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		tce_be_killed(true);
		tce_detach(client, grp);
		KUNIT_EXPECT_NULL(test, grp->hw[0]);
		KUNIT_EXPECT_PTR_EQ(test, grp->tg.ops, &tce_mock_group_ops);
		tce_close(client);
		tce_be_killed(false);
		tce_expect_balance(fx);
	}
}

/* Killed while it pins what is pinned already: kmemleak looks for what was allocated for that. */
static void killed_while_sharing(struct kunit *test)
{
	static const struct tce_op again = { TCE_MAP, SZ_1M, 2 * PAGE_SIZE, TCE_R };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	struct tce_thread a;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	tce_shared = tce_plain(fx, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, tce_shared, 2 * PAGE_SIZE, TCE_R), 0);
	tce_thread_stop_op(&a, client, &again, &fx->mock->alloc_gate);
	tce_thread_kill(&a);
	tce_thread_go_on(&a);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
}

static struct kunit_case tce_killed_cases[] = {
	KUNIT_CASE_PARAM(who_waits_is_killed, wait_gen_params),
	KUNIT_CASE(core_goes_on),
	KUNIT_CASE(killed_while_sharing),
	{}
};

TCE_SUITE(tce_killed);
