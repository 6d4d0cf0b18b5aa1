// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_killed: who waits for a lock of the driver can be killed, in each command. What
 * was done before is undone, and the same command succeeds when it is given again.
 */
#include <linux/rcupdate.h>

#include "../tce_container.h"
#include "../tce_process.h"
#include "tce_together.h"

#define KILLED_WAIT	(30 * HZ)

/* What somebody else holds */
enum held {
	SPACE,
	MAP_LOCK,
	REGISTERING,
	REGIONS,
};

/**
 * struct wait - a command, and a lock that it waits for
 * @name: of both
 * @v2: of the container
 * @held: the lock
 * @before: what comes first; may be NULL
 * @call: the command
 */
struct wait {
	const char *name;
	bool v2;
	enum held held;
	long (*before)(struct tce_client *client);
	long (*call)(struct tce_client *client);
};

static long create_second(struct tce_client *client)
{
	u64 start;

	return tce_create(client, 12, SZ_64M, 1, &start);
}

static long remove_first(struct tce_client *client)
{
	return tce_remove(client, 0);
}

static long map_one(struct tce_client *client)
{
	return tce_map(client, 0, tce_shared, SZ_4K, TCE_RW);
}

static long map_some(struct tce_client *client)
{
	return tce_map(client, 0, tce_shared, SZ_64K, TCE_RW);
}

static long unmap_one(struct tce_client *client)
{
	return tce_unmap(client, 0, SZ_4K);
}

static long unmap_some(struct tce_client *client)
{
	return tce_unmap(client, 0, SZ_64K);
}

static long register_spare(struct tce_client *client)
{
	return tce_register(client, tce_spare, PAGE_SIZE);
}

static long unregister_shared(struct tce_client *client)
{
	return tce_unregister(client, tce_shared, TCE_SHARED_SIZE);
}

static const struct wait waits[] = {
	{ "ENABLE beside attach", false, SPACE, tce_disable, tce_enable },
	{ "ENABLE beside MAP", false, MAP_LOCK, tce_disable, tce_enable },
	{ "DISABLE beside attach", false, SPACE, NULL, tce_disable },
	{ "DISABLE beside MAP", false, MAP_LOCK, NULL, tce_disable },
	{ "v1 MAP beside DISABLE", false, MAP_LOCK, NULL, map_some },
	{ "v1 UNMAP beside DISABLE", false, MAP_LOCK, map_some, unmap_some },
	{ "CREATE beside attach", true, SPACE, NULL, create_second },
	{ "CREATE beside MAP", true, MAP_LOCK, NULL, create_second },
	{ "REMOVE beside attach", true, SPACE, NULL, remove_first },
	{ "REMOVE beside MAP", true, MAP_LOCK, NULL, remove_first },
	{ "MAP of one entry beside REMOVE", true, MAP_LOCK, NULL, map_one },
	{ "MAP beside REMOVE", true, MAP_LOCK, NULL, map_some },
	{ "UNMAP of one entry beside REMOVE", true, MAP_LOCK, map_one, unmap_one },
	{ "UNMAP beside REMOVE", true, MAP_LOCK, map_some, unmap_some },
	{ "REGISTER beside REGISTER", true, REGISTERING, NULL, register_spare },
	{ "REGISTER beside regions", true, REGIONS, NULL, register_spare },
	{ "UNREGISTER beside regions", true, REGIONS, NULL, unregister_shared },
};

KUNIT_ARRAY_PARAM_DESC(wait, waits, name);

/* What the threads of a case have in common */
static struct killed_case {
	const struct wait *wait;
	struct completion held;
	struct completion release;
} killed_case;

static struct tce_container *container_of_client(struct tce_client *client)
{
	struct tce_container *container;

	/* it stays: the client has it open */
	rcu_read_lock();
	container = tce_container_find(client->data);
	rcu_read_unlock();
	return container;
}

static void take(struct tce_container *container, enum held held)
{
	struct tce_process *process = container->mem.process;

	switch (held) {
	case SPACE:
		return down_write(&container->space.lock);
	case MAP_LOCK:
		return down_write(&process->map_lock);
	case REGISTERING:
		return mutex_lock(&process->registering);
	case REGIONS:
		return mutex_lock(&process->region_lock);
	}
}

static void give_back(struct tce_container *container, enum held held)
{
	struct tce_process *process = container->mem.process;

	switch (held) {
	case SPACE:
		return up_write(&container->space.lock);
	case MAP_LOCK:
		return up_write(&process->map_lock);
	case REGISTERING:
		return mutex_unlock(&process->registering);
	case REGIONS:
		return mutex_unlock(&process->region_lock);
	}
}

static void hold(struct tce_thread *thread)
{
	struct tce_container *container = container_of_client(&thread->view);

	take(container, killed_case.wait->held);
	complete(&killed_case.held);
	wait_for_completion(&killed_case.release);
	give_back(container, killed_case.wait->held);
}

static void call_killed(struct tce_thread *thread)
{
	tce_be_killed(true);
	thread->rc = killed_case.wait->call(&thread->view);
	tce_be_killed(false);
}

static void who_waits_is_killed(struct kunit *test)
{
	const struct wait *wait = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_thread holder, caller;
	struct tce_client *client;
	unsigned long left;

	client = tce_share(test, wait->v2, NULL);
	tce_spare = tce_plain(fx, PAGE_SIZE);
	if (wait->before)
		KUNIT_ASSERT_EQ(test, wait->before(client), 0);
	killed_case.wait = wait;
	init_completion(&killed_case.held);
	init_completion(&killed_case.release);
	tce_thread_start(&holder, client, hold);
	wait_for_completion(&killed_case.held);
	tce_thread_start(&caller, client, call_killed);
	left = wait_for_completion_timeout(&caller.done, KILLED_WAIT);
	complete(&killed_case.release);
	if (!left)
		wait_for_completion(&caller.done);
	complete(&caller.done);
	tce_thread_join(&caller);
	tce_thread_join(&holder);
	KUNIT_EXPECT_NE_MSG(test, left, 0, "it could not be killed");
	KUNIT_EXPECT_EQ(test, caller.rc, -EINTR);
	KUNIT_EXPECT_EQ(test, wait->call(client), 0);
}

static struct kunit_case tce_killed_cases[] = {
	KUNIT_CASE_PARAM(who_waits_is_killed, wait_gen_params),
	{}
};

TCE_SUITE(tce_killed);
