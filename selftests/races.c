// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of one process at the same time that need a moment, a device or a counter of their own,
 * or that show by themselves a fault of the in-tree driver; all others are in storm.c. Which of
 * them wins is open; that nothing is counted twice, lost, or used after it is gone is not. Most
 * rows are dangerous: a driver that loses a race corrupts memory.
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
#define TURNS		20	/* of each side, at least */

/* Fails the test unless the result is one of those; 0 always is. */
#define expect_one_of(call, ...) do {					\
	static const long allowed_[] = { 0, __VA_ARGS__ };		\
	long rc_ = (call);						\
	size_t i_;							\
									\
	for (i_ = 0; i_ < sizeof(allowed_) / sizeof(long); i_++)	\
		if (rc_ == allowed_[i_])				\
			break;						\
	if (i_ == sizeof(allowed_) / sizeof(long))			\
		fail_rc(__FILE__, __LINE__, #call, 0, rc_);		\
} while (0)

static struct tce *box;
static uint8_t *mem;			/* four chunks */

/* Two sides that run against each other for some seconds, and until each has had its turns */
static struct side {
	void (*turn)(void);
	volatile unsigned long turns;
} sides[2];
static double end;

static void *side_loop(void *arg)
{
	struct side *side = arg;

	while (seconds() < end || sides[0].turns < TURNS || sides[1].turns < TURNS) {
		side->turn();
		side->turns++;
	}
	return NULL;
}

static void contend(void (*a)(void), void (*b)(void))
{
	pthread_t thread;

	sides[0] = (struct side){ .turn = a };
	sides[1] = (struct side){ .turn = b };
	end = seconds() + knob("TCE_SECONDS", SECONDS);
	expect(!pthread_create(&thread, NULL, side_loop, &sides[1]));
	side_loop(&sides[0]);
	pthread_join(thread, NULL);
	note("%lu and %lu turns", sides[0].turns, sides[1].turns);
}

static void prepare(struct tce *t)
{
	box = t;
	mem = alloc(4 * CHUNK, CHUNK);
	allow(t, mem, 4 * CHUNK);
}

/* What a side does in a turn. */

static void joining(void)
{
	expect_rc(0, __set_container(box->group2, box->container));
	expect_rc(0, __unset_container(box->group2));
}

static void eeh_state(void)
{
	expect(__eeh(box->container, VFIO_EEH_PE_GET_STATE) >= 0);
}

static void enabling(void)
{
	expect_rc(0, __disable(box->container));
	expect_rc(0, __enable(box->container));
}

static void mapping_v1(void)
{
	expect_one_of(__map(box->container, mem, base(box), CHUNK, RW),
		      -EPERM);
	expect_one_of(__unmap(box->container, base(box), CHUNK), -EPERM);
}

/* The last group takes the container along, and another one is there at once. */
static void leaving(void)
{
	unset_container(box->group);
	set_container(box->group, box->container);
	set_iommu(box->container, box->version == 1 ? V1_IOMMU : V2_IOMMU);
	box->enabled = false;
	allow(box, mem, 4 * CHUNK);
}

/* Without a driver a container says EINVAL, with no window or group left ENXIO. */
static void mapping_anyhow(void)
{
	expect_one_of(__map(box->container, mem, base(box), 4 * CHUNK, RW),
		      -EINVAL, -EPERM, -ENXIO, -ENODEV);
	expect_one_of(__unmap(box->container, base(box), 4 * CHUNK),
		      -EINVAL, -EPERM, -ENXIO, -ENODEV);
}

/* The rows: who runs against whom, and what must be so afterwards. */

static pthread_barrier_t start_line;

static void *first_map(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	pthread_barrier_wait(&start_line);
	return (void *)__map(box->container, mem + i * CHUNK,
			     base(box) + i * CHUNK, CHUNK, RW);
}

static void one_default(struct tce *t)
{
	int version = t->version, i;
	uint64_t before = 0, one = 0;
	pthread_t a, b;
	void *ra, *rb;

	pthread_barrier_init(&start_line, NULL, 2);
	for (i = 0; i < 60; i++) {
		if (i) {
			detach(t);
			attach(t, version);
		}
		prepare(t);
		if (!i)
			before = locked();
		pthread_create(&a, NULL, first_map, (void *)0);
		pthread_create(&b, NULL, first_map, (void *)1);
		pthread_join(a, &ra);
		pthread_join(b, &rb);
		expect_rc(0, (long)ra);
		expect_rc(0, (long)rb);
		/* One table, whoever made it. */
		if (!i)
			one = locked() - before;
		expect_eq(before + one, locked_settled(before + one));
		expect_eq(table_bytes(12, t->info.dma32_window_size, 1), one);
		munmap(mem, 4 * CHUNK);
	}
}

static void eeh_join(struct tce *t)
{
	need_eeh(t);
	need_sharing();
	box = t;
	contend(eeh_state, joining);
}

static void map_disable(struct tce *t)
{
	uint64_t before = locked();
	long pins = pinned();

	prepare(t);
	contend(mapping_v1, enabling);
	disable(t->container);
	expect_rc(pins, pinned_settled(pins));
	/* Only the window is left, which goes with the group. */
	detach(t);
	expect_eq(before, locked_settled(before));
}

static void map_leave(struct tce *t)
{
	uint64_t before = locked();
	long pins = pinned();

	prepare(t);
	contend(mapping_anyhow, leaving);
	detach(t);
	expect_eq(before, locked_settled(before));
	expect_rc(pins, pinned_settled(pins));
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

	/* the kernel warns if a module goes whose events have triggers */
	if (getenv("TCE_GCOV"))
		skip("the driver's events have triggers");
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

/*
 * Two MAPs need the same new level of a table at the same moment. The platform makes two, and
 * leaks most of one of them.
 */
#define LEAVES	64

static volatile unsigned int at_leaf[2];
static uint64_t sparse;

static void *map_leaves(void *second)
{
	int side = !!second;
	unsigned int leaf;

	for (leaf = 1; leaf <= LEAVES; leaf++) {
		at_leaf[side] = leaf;
		while (at_leaf[!side] < leaf)
			;
		map(box->container, mem, sparse + leaf * 64 * MiB + side * CHUNK,
		    side ? CHUNK : 4096, RW);
	}
	return NULL;
}

static void same_level(struct tce *t)
{
	uint64_t free = 0;
	pthread_t other;
	int round;

	prepare(t);
	for (round = 0; round < 5; round++) {
		if (round == 1)
			free = mem_free();
		create(t->container, 12, 1ULL << 40, 2, &sparse);
		at_leaf[0] = 0;
		at_leaf[1] = 0;
		expect(!pthread_create(&other, NULL, map_leaves, t));
		map_leaves(NULL);
		pthread_join(other, NULL);
		remove_window(t->container, sparse);
	}
	expect(mem_free_returns(free - 8 * MiB));
}

static const struct test tests[] = {
	{ "the driver is unloaded and loaded while a client comes and goes",
	  unload_load, BOTH | APART | DANGEROUS },
	{ "two first MAPs make one default window", one_default,
	  BOTH | DANGEROUS },
	{ "MAP against MAP that needs the same level of the table", same_level,
	  V2 | POWERNV | DANGEROUS },
	{ "EEH against a group that comes and goes", eeh_join,
	  V2 | TWO | DANGEROUS },
	{ "MAP and UNMAP against DISABLE and ENABLE", map_disable,
	  V1 | DANGEROUS },
	{ "MAP and UNMAP against UNSET_CONTAINER and SET_IOMMU", map_leave,
	  BOTH | DANGEROUS },
};

TEST_MAIN("races", tests)
