// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads at a moment that storm meets too seldom, and a driver that is unloaded and loaded.
 * Which of the threads is first is open; that nothing is charged twice, lost, or used after it was
 * freed is not. A driver that loses such a race corrupts memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#define SECONDS		1	/* or as TCE_SECONDS in the environment says */
#define TURNS		20	/* of each thread, at least */

static struct tce *client;
static uint8_t *mem;			/* two chunks */

static void prepare(struct tce *t)
{
	client = t;
	mem = alloc(2 * CHUNK, CHUNK);
	allow(t, mem, 2 * CHUNK);
}

/* Two MAPs at the same moment */

static uint64_t both_at;
static volatile unsigned int ready;

static void *map_one_of_both(void *second)
{
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (ready < 2)
		;
	if (second)
		map(client->container, mem + CHUNK, both_at + CHUNK, CHUNK, RW);
	else
		map(client->container, mem, both_at, 4096, RW);
	return NULL;
}

static void map_both(uint64_t ioba)
{
	pthread_t second;

	both_at = ioba;
	ready = 0;
	expect(!pthread_create(&second, NULL, map_one_of_both, client));
	map_one_of_both(NULL);
	pthread_join(second, NULL);
}

/* Whichever MAP creates the table, it is charged once. */
static void one_default(struct tce *t)
{
	uint64_t want = table_bytes(12, t->info.dma32_window_size, 1);
	int version = t->version, i;

	for (i = 0; i < 60; i++) {
		if (i)
			attach(t, version);
		prepare(t);
		if (!i)
			want += locked();
		map_both(base(t));
		expect_eq(want, locked_settled(want));
		detach(t);
		munmap(mem, 2 * CHUNK);
	}
}

/*
 * Two MAPs need the same new level of a table. The platform makes two, and leaks most of one of
 * them.
 */
static void same_level(struct tce *t)
{
	uint64_t free = 0, start;
	int round, level;

	prepare(t);
	for (round = 0; round < 5; round++) {
		if (round == 1)
			free = mem_free();
		create(t->container, 12, 1ULL << 40, 2, &start);
		for (level = 1; level <= 64; level++)
			map_both(start + level * 64 * MiB);
		remove_window(t->container, start);
	}
	expect(mem_free_returns(free - 8 * MiB));
}

/* A thread makes the same calls over and over, until the test has made its own for some time. */

static void (*calls_of_thread)(void);
static volatile unsigned long thread_turns;
static volatile bool stop;

static void *make_calls(void *unused)
{
	while (!stop) {
		calls_of_thread();
		thread_turns++;
	}
	return unused;
}

/* Afterwards DISABLE leaves nothing pinned, and close nothing charged. */
static void contend(struct tce *t, void (*of_thread)(void), void (*turn)(struct tce *t))
{
	double end = seconds() + knob("TCE_SECONDS", SECONDS);
	unsigned long turns = 0;
	uint64_t before = locked();
	long pins = pinned();
	pthread_t thread;

	prepare(t);
	calls_of_thread = of_thread;
	expect(!pthread_create(&thread, NULL, make_calls, NULL));
	while (seconds() < end || turns < TURNS || thread_turns < TURNS) {
		turn(t);
		turns++;
	}
	stop = true;
	pthread_join(thread, NULL);
	note("%lu and %lu turns", turns, thread_turns);
	if (t->version == 1) {
		disable(t->container);
		expect_rc(pins, pinned_settled(pins));
	}
	detach(t);
	expect_eq(before, locked_settled(before));
}

static void ask_for_eeh_state(void)
{
	expect(__eeh(client->container, VFIO_EEH_PE_GET_STATE) >= 0);
}

static void join_and_leave(struct tce *t)
{
	set_container(t->group2, t->container);
	unset_container(t->group2);
}

static void eeh_join(struct tce *t)
{
	need_eeh(t);
	if (!host.powernv)
		skip("the platform does not share tables between groups");
	contend(t, ask_for_eeh_state, join_and_leave);
}

/* Without a driver a container says EINVAL, with no window or group left ENXIO or ENODEV. */
static void expect_done_or_gone(long rc)
{
	expect(!rc || rc == -EPERM || rc == -EINVAL || rc == -ENXIO || rc == -ENODEV);
}

static void map_and_unmap(void)
{
	expect_done_or_gone(__map(client->container, mem, base(client), 2 * CHUNK, RW));
	expect_done_or_gone(__unmap(client->container, base(client), 2 * CHUNK));
}

/* Between DISABLE and ENABLE either is EPERM. */
static void map_and_unmap_enabled(void)
{
	long rc = __map(client->container, mem, base(client), 2 * CHUNK, RW);

	expect(!rc || rc == -EPERM);
	rc = __unmap(client->container, base(client), 2 * CHUNK);
	expect(!rc || rc == -EPERM);
}

static void disable_and_enable(struct tce *t)
{
	disable(t->container);
	enable(t->container);
}

static void map_disable(struct tce *t)
{
	contend(t, map_and_unmap_enabled, disable_and_enable);
}

/* The last group takes the driver along, and another one is there at once. */
static void leave_and_return(struct tce *t)
{
	unset_container(t->group);
	set_container(t->group, t->container);
	set_iommu(t->container, t->version == 1 ? V1_IOMMU : V2_IOMMU);
	t->enabled = false;
	allow(t, mem, 2 * CHUNK);
}

static void map_leave(struct tce *t)
{
	contend(t, map_and_unmap, leave_and_return);
}

/* A client that begins and ends, while somebody unloads the driver whenever it can be. */
static void comes_and_goes(void *arg)
{
	struct tce *t = arg;
	long rc;

	mem = alloc(CHUNK, CHUNK);
	for (;;) {
		t->container = open_container();
		t->group = open_group(0);
		set_container(t->group, t->container);
		do {
			rc = __set_iommu(t->container, t->version == 1 ? V1_IOMMU : V2_IOMMU);
		} while (rc == -ENODEV);
		expect_rc(0, rc);
		/* this has to work as soon as SET_IOMMU finds the driver, which may still be loading */
		__eeh(t->container, VFIO_EEH_PE_ENABLE);
		get_info(t->container, &t->info);
		t->enabled = false;
		allow(t, mem, CHUNK);
		map(t->container, mem, base(t), CHUNK, RW);
		detach(t);
	}
}

static void unload_load(struct tce *t)
{
	unsigned int unloaded = 0, refused = 0;
	pid_t client;

	needs_module();
	client = spawn(true, comes_and_goes, t);
	while (unloaded < 5 || refused < 5) {
		expect(lives(client));
		if (syscall(__NR_delete_module, "vfio_iommu_spapr_tce", O_NONBLOCK)) {
			refused++;
			continue;
		}
		unloaded++;
		expect_rc(0, system("modprobe vfio_iommu_spapr_tce"));
	}
	note("unloaded %u times, refused %u times", unloaded, refused);
	kill_child(client);
}

static const struct test tests[] = {
	{ "the driver is unloaded and loaded while a client comes and goes",
	  unload_load, BOTH | APART },
	{ "two first MAPs make one default window", one_default, BOTH },
	{ "MAP against MAP that needs the same level of the table", same_level,
	  V2 | POWERNV },
	{ "EEH against a group that comes and goes", eeh_join, V2 | TWO },
	{ "MAP and UNMAP against DISABLE and ENABLE", map_disable, V1 },
	{ "MAP and UNMAP against UNSET_CONTAINER and SET_IOMMU", map_leave,
	  BOTH },
};

TEST_MAIN("races", tests)
