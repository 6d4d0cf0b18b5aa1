// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rows: who runs against whom, and what must be so afterwards.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "races.h"

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
	uint64_t before, one = 0;
	pthread_t a, b;
	void *ra, *rb;

	pthread_barrier_init(&start_line, NULL, 2);
	for (i = 0; i < 60; i++) {
		if (i) {
			detach(t);
			attach(t, version);
		}
		prepare(t);
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
		expect_eq(one, locked() - before);
		expect(one <= table_bytes(12, t->info.dma32_window_size, 1));
		munmap(mem, 4 * CHUNK);
	}
}

/* All must be released now, and every count be back where it was. */
static void settle(struct tce *t, uint64_t before)
{
	expect_one_of(__unmap(t->container, base(t), 4 * CHUNK), -ENXIO);
	expect_one_of(__unregister(t->container, mem, 4 * CHUNK), -ENOENT);
	expect_one_of(__remove(t->container, t->info.dma32_window_start),
		      -EINVAL);
	expect_eq(before, locked());
}

static void map_map(struct tce *t)
{
	uint64_t before = locked();
	long pins = pinned();

	prepare(t);
	contend(mapping_mirrored, mapping_mirrored);
	unmap(t->container, base(t), 4 * CHUNK);
	if (t->version == 2)
		settle(t, before);
	else
		disable(t->container);
	expect_rc(pins, pinned_settled(pins));
}

static void map_remove(struct tce *t)
{
	uint64_t before = locked();

	prepare(t);
	contend(mapping, windows);
	settle(t, before);
}

static void map_unregister(struct tce *t)
{
	uint64_t before = locked();

	prepare(t);
	contend(mapping, registrations);
	settle(t, before);
}

static void register_remove(struct tce *t)
{
	uint64_t before = locked();

	prepare(t);
	contend(registrations, windows);
	settle(t, before);
}

static void map_join(struct tce *t)
{
	uint64_t before = locked();

	if (!host.powernv)
		skip("the platform does not share tables between groups");
	prepare(t);
	contend(mapping, joining);
	settle(t, before);
}

static void window_join(struct tce *t)
{
	uint64_t before = locked();

	if (!host.powernv)
		skip("the platform does not share tables between groups");
	prepare(t);
	contend(windows, joining);
	settle(t, before);
}

static void eeh_join(struct tce *t)
{
	if (!__check_extension(t->container, VFIO_EEH))
		skip("this host has no EEH");
	if (!host.powernv)
		skip("the platform does not share tables between groups");
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
	expect_eq(before, locked());
}

static void map_leave(struct tce *t)
{
	uint64_t before = locked();
	long pins = pinned();

	prepare(t);
	contend(mapping_anyhow, leaving);
	detach(t);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
}

static void map_neighbours(struct tce *t)
{
	uint64_t page = 4096;
	int i;

	prepare(t);
	bounce_at(t, base(t) - CHUNK);
	contend(even_neighbour, odd_neighbour);
	for (i = 0; i < 16; i++)
		expect(can_write(t, base(t) + i * page, mem + i * page) ==
		       (i % 4 > 1));
}

static void prepare_fleeting(struct tce *t)
{
	prepare(t);
	fleeting = alloc(CHUNK, CHUNK);
	allow(t, fleeting, CHUNK);
}

static void map_munmap(struct tce *t)
{
	prepare_fleeting(t);
	contend(mapping_fleeting, unmapping_memory);
}

static void map_fork(struct tce *t)
{
	prepare_fleeting(t);
	bounce_at(t, base(t) - CHUNK);
	contend(mapping_fleeting, forking);
	map(t->container, fleeting, base(t) + MiB, CHUNK, RW);
	expect(can_write(t, base(t) + MiB, fleeting));
}

/*
 * Two UNMAPs of one entry. Whoever comes second finds it cleared; when he returns, it
 * is unmapped all the same: its memory can be unregistered at once.
 */
static volatile unsigned long round_of[2];	/* how far each side has come */

static bool both_in(int side, unsigned long round)
{
	unsigned long spins = 0;

	round_of[side] = round;
	while (round_of[!side] < round) {
		if (over)
			return false;
		if (++spins % 10000 == 0)
			sched_yield();
	}
	return true;
}

static void *unmap_beside(void *arg)
{
	unsigned long round;

	for (round = 1; both_in(1, round); round += 2) {
		expect_rc(0, __unmap(box->container, base(box), 4096));
		if (!both_in(1, round + 1))
			break;
	}
	return arg;
}

static void unmap_unmap(struct tce *t)
{
	unsigned long round, late = 0, rounds = 0;
	time_t end = time(NULL) + MOST_SECONDS / 3;
	volatile unsigned long delay;
	pthread_t thread;
	long rc;

	prepare(t);
	map(t->container, mem, base(t), 4096, RW);
	over = false;
	round_of[0] = round_of[1] = 0;
	expect(!pthread_create(&thread, NULL, unmap_beside, NULL));
	/* each round takes both sides, which a busy machine seldom runs at once */
	for (round = 1; rounds < 1000 || (rounds < 10000 && time(NULL) < end); round += 2) {
		map(t->container, mem, base(t), 4096, RW);
		expect(both_in(0, round));
		/* Somewhat later each time, for as long as an UNMAP takes. */
		for (delay = round % 2000; delay; delay--)
			;
		unmap(t->container, base(t), 4096);
		rc = __unregister(t->container, mem, 4 * CHUNK);
		if (rc == -EBUSY)
			late++;
		else
			expect_rc(0, rc);
		expect(both_in(0, round + 1));
		if (!rc)
			register_mem(t->container, mem, 4 * CHUNK);
		rounds++;
	}
	over = true;
	pthread_join(thread, NULL);
	note("of %lu UNMAPs %lu returned before the memory was let go", rounds,
	     late);
	expect_eq(0, late);
}

/* Everything at once. */
static void everything(struct tce *t)
{
	static const struct turn v1[] = {
		{ mapping_v1 }, { mapping_v1 }, { enabling }, { asking },
		{ unmapping_memory },
	};
	static const struct turn v2[] = {
		{ mapping }, { mapping }, { windows }, { registrations },
		{ asking }, { joining },
	};
	uint64_t before = locked();
	long pins = pinned();

	prepare_fleeting(t);
	if (t->version == 1)
		contend_all(v1, 5);
	else
		contend_all(v2, host.powernv && t->group2 >= 0 ? 6 : 5);
	detach(t);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
}

/*
 * Killed in the middle of a command. Which command that is differs each time;
 * the next process must find everything free.
 */
static void killed(struct tce *t)
{
	const struct timespec step = { .tv_nsec = 7 * 1000 * 1000 };
	const size_t size = 32 * MiB;
	int version = t->version, round, i, status;
	uint8_t *big = alloc(size, CHUNK);
	long pins = pinned();
	pid_t pid;

	detach(t);
	for (round = 0; round < 12; round++) {
		pid = fork();
		if (!pid) {
			attach(t, version);
			for (;;) {
				allow(t, big, size);
				map(t->container, big, base(t), size, RW);
				map(t->container, big, base(t), size, R);
				unmap(t->container, base(t), size);
				if (version == 2)
					unregister_mem(t->container, big, size);
			}
		}
		for (i = 0; i <= round * 2; i++)
			nanosleep(&step, NULL);
		kill(pid, SIGKILL);
		expect(waitpid(pid, &status, 0) == pid);
		if (!WIFSIGNALED(status))
			fail(__FILE__, __LINE__, "the process failed by itself");
		expect_rc(pins, pinned_settled(pins));
	}
	attach(t, version);
	prepare(t);
	map(t->container, mem, base(t), CHUNK, RW);
}

static const struct test rows[] = {
	{ "a process killed in a command leaves nothing", killed, BOTH },
	{ "two first MAPs make one default window", one_default,
	  BOTH | DANGEROUS },
	{ "MAP against MAP of the same entries", map_map, BOTH | DANGEROUS },
	{ "MAP and UNMAP against REMOVE and CREATE", map_remove,
	  V2 | DANGEROUS },
	{ "MAP and UNMAP against UNREGISTER and REGISTER", map_unregister,
	  V2 | DANGEROUS },
	{ "REGISTER against REMOVE and CREATE", register_remove,
	  V2 | DANGEROUS },
	{ "MAP and UNMAP against a group that comes and goes", map_join,
	  V2 | TWO | DANGEROUS },
	{ "REMOVE and CREATE against a group that comes and goes",
	  window_join, V2 | TWO | DANGEROUS },
	{ "EEH against a group that comes and goes", eeh_join,
	  V2 | TWO | DANGEROUS },
	{ "MAP and UNMAP against DISABLE and ENABLE", map_disable,
	  V1 | DANGEROUS },
	{ "MAP and UNMAP of neighbouring entries", map_neighbours,
	  BOTH | DMA | DANGEROUS },
	{ "UNMAP against UNMAP of the same entry", unmap_unmap,
	  V2 | DANGEROUS },
	{ "MAP against munmap", map_munmap, BOTH | DANGEROUS },
	{ "MAP against fork", map_fork, BOTH | DMA | DANGEROUS },
	{ "everything at once", everything, BOTH | TWO | DANGEROUS },
	{ "MAP and UNMAP against UNSET_CONTAINER and SET_IOMMU", map_leave,
	  BOTH | DANGEROUS },
};

const struct rows pairs_rows = ROWS(rows);
