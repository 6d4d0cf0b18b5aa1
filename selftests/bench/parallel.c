// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two CPUs at once in one container.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/*
 * Two CPUs that map and unmap in one container, each its own range, each until both
 * have done so often enough. What they lose to each other is waiting: spinning is
 * counted as instructions, which one thread alone does not need, and sleeping as time
 * in which a thread neither ran nor could have (by the guest's own books, which know
 * nothing of an emulator that has to wait). A CPU counts for as much as is left of it:
 *
 *	instructions of a call alone / of a call here * time awake / time
 *
 * Two CPUs that do not disturb each other count for two. A median of rounds, and no
 * best one: with luck no lock is met.
 *
 * An emulated processor that spins may give way to the other, and an emulator without
 * processors of its own runs one after the other: then even one lock for all is hardly
 * met. So there is a second figure, which such a lock can't pass: how far one CPU gets
 * with calls of one entry while the other is inside a long call. That is nowhere with
 * a lock, however it is waited for.
 */
#define CALLS	150
#define ROUNDS	5
/* longer than the host of an emulated machine keeps one of its CPUs waiting for another */
#define LONG_CALL(version)	((version) == 1 ? 16 * MiB : 64 * MiB)
#define LONG_CALLS	24
#define TRIES		8

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct tce *t;
	uint8_t *mem;
	uint64_t iova;
	uint64_t size;
	int cpu;
	int *enough;			/* workers that have */
	int all;			/* workers */
	double calls;
	double insns;
	double awake;			/* part of the time */
	double contended;
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		fail(__FILE__, __LINE__, "clock_gettime: %m");
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* For how long this thread has run, or waited for its CPU. */
static double awake(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	unsigned long long waited;

	if (!f || fscanf(f, "%*u %llu", &waited) != 1)
		fail(__FILE__, __LINE__, "schedstat: %m");
	fclose(f);
	return seconds(CLOCK_THREAD_CPUTIME_ID) + waited / 1e9;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int lock = tracepoint("lock/contention_begin");
	struct counter insn, contention = { .fd = -1 };
	double up, passed;
	int done = 0;

	stay_on(w->cpu);
	counter_open(&insn, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	if (lock >= 0)
		contention.fd = perf_open(PERF_TYPE_TRACEPOINT, lock);
	map(w->t->container, w->mem, w->iova, w->size, RW);
	unmap(w->t->container, w->iova, w->size);

	pthread_barrier_wait(w->barrier);
	if (contention.fd >= 0)
		contention.start = perf_read(contention.fd);
	passed = seconds(CLOCK_MONOTONIC);
	up = awake();
	counter_start(&insn);
	/* Nobody stops before all have worked against each other. */
	while (__atomic_load_n(w->enough, __ATOMIC_RELAXED) < w->all) {
		map(w->t->container, w->mem, w->iova, w->size, RW);
		unmap(w->t->container, w->iova, w->size);
		if (++done == CALLS)
			__atomic_fetch_add(w->enough, 1, __ATOMIC_RELAXED);
	}
	w->insns = counter_stop(&insn);
	up = awake() - up;
	passed = seconds(CLOCK_MONOTONIC) - passed;
	w->awake = up / passed;
	w->calls = 2.0 * done;
	if (contention.fd >= 0)
		w->contended = perf_read(contention.fd) - contention.start;
	return NULL;
}

static void parallel_run(struct tce *t, uint8_t *mem, uint64_t size, int n,
			 struct worker *w)
{
	pthread_barrier_t barrier;
	int i, enough = 0;

	pthread_barrier_init(&barrier, NULL, n);
	for (i = 0; i < n; i++) {
		w[i] = (struct worker) {
			.barrier = &barrier, .t = t, .cpu = i, .size = size,
			.mem = mem + i * size, .enough = &enough, .all = n,
			.iova = first_iova(t) + 64 * MiB + i * 64 * MiB,
		};
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			fail(__FILE__, __LINE__, "pthread_create: %m");
	}
	for (i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
}

/* Makes calls of one entry until it is told to stop, and counts them. */
static struct beside {
	struct tce *t;
	uint8_t *mem;
	unsigned long calls;
	bool over;
} beside;

static void *short_calls(void *arg)
{
	struct tce *t = beside.t;
	uint64_t iova = first_iova(t) + 128 * MiB;

	(void)arg;
	stay_on(1);
	while (!__atomic_load_n(&beside.over, __ATOMIC_RELAXED)) {
		map(t->container, beside.mem, iova, TCE, RW);
		__atomic_fetch_add(&beside.calls, 1, __ATOMIC_RELAXED);
		unmap(t->container, iova, TCE);
		__atomic_fetch_add(&beside.calls, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median_of(double *val, int n)
{
	qsort(val, n, sizeof(*val), compare_doubles);
	return val[n / 2];
}

/* Two calls that undo each other, and take long; which are @what of @n bytes */
struct long_calls {
	const char *what;
	uint64_t n;
	uint8_t *mem;
	void (*go)(struct tce *t, uint8_t *mem);
	void (*back)(struct tce *t, uint8_t *mem);
};

static void map_long(struct tce *t, uint8_t *mem)
{
	map(t->container, mem, first_iova(t) + 64 * MiB, LONG_CALL(t->version), RW);
}

static void unmap_long(struct tce *t, uint8_t *mem)
{
	(void)mem;
	unmap(t->container, first_iova(t) + 64 * MiB, LONG_CALL(t->version));
}

static void register_long(struct tce *t, uint8_t *mem)
{
	register_mem(t->container, mem, AGAIN);
}

static void unregister_long(struct tce *t, uint8_t *mem)
{
	unregister_mem(t->container, mem, AGAIN);
}

/*
 * Instructions of the short calls that ended while a long one was under way, as they
 * cost alone, for each instruction that the long one costs alone: about one. A quarter
 * of the long calls has as much or more. The host of an emulated machine may stop one of
 * its CPUs for a while: the short calls' CPU during the long call, or that of the long
 * call just before it takes its locks, so that the other gets on, whatever is locked. A
 * host that is busy does the former again and again, so that the best of some tries counts.
 */
static double ended_beside(struct tce *t, const struct long_calls *calls)
{
	double ended[LONG_CALLS];
	unsigned long before;
	int i;

	for (i = 0; i < LONG_CALLS; i++) {
		before = __atomic_load_n(&beside.calls, __ATOMIC_RELAXED);
		(i % 2 ? calls->back : calls->go)(t, calls->mem);
		ended[i] = __atomic_load_n(&beside.calls, __ATOMIC_RELAXED) - before;
	}
	qsort(ended, LONG_CALLS, sizeof(*ended), compare_doubles);
	return ended[LONG_CALLS * 3 / 4];
}

static void bench_beside(struct tce *t, const struct long_calls *calls, uint8_t *page)
{
	uint64_t iova = first_iova(t) + 64 * MiB, small[MAX_REPS], large[2];
	double best = 0, now;
	pthread_t thread;
	int i;

	beside = (struct beside){ .t = t, .mem = page };
	for (i = -1; i < MAX_REPS; i++) {
		uint64_t cost = counted(map(t->container, beside.mem, iova, TCE, RW));

		cost += counted(unmap(t->container, iova, TCE));
		if (i >= 0)
			small[i] = cost;
	}
	for (i = 0; i < 2; i++) {
		large[i] = counted(calls->go(t, calls->mem));
		large[i] += counted(calls->back(t, calls->mem));
	}

	if (pthread_create(&thread, NULL, short_calls, NULL))
		fail(__FILE__, __LINE__, "pthread_create: %m");
	while (__atomic_load_n(&beside.calls, __ATOMIC_RELAXED) < 10)
		sched_yield();
	for (i = 0; i < TRIES; i++) {
		now = ended_beside(t, calls);
		best = now > best ? now : best;
		usleep(20000);
	}
	__atomic_store_n(&beside.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	row("parallel", t->version, calls->what, calls->n, "ratio",
	    best * cheapest(small, MAX_REPS) / cheapest(large, 2));
}

static void bench_beside_all(struct tce *t)
{
	uint64_t size = LONG_CALL(t->version);
	uint8_t *mem = memory(SCATTERED, size + host.page);
	struct long_calls calls = { "beside", size, mem, map_long, unmap_long };

	allow(t, mem, size + host.page);
	bench_beside(t, &calls, mem + size);
	/* the kernel's own driver would take minutes */
	if (t->version == 1 || strcmp(opt.driver, "ours"))
		return;
	calls = (struct long_calls){ "beside-register", AGAIN, same_huge_pages(AGAIN, 2 * MiB),
				     register_long, unregister_long };
	if (calls.mem)
		bench_beside(t, &calls, mem + size);
}

static void bench_parallel(struct tce *t, int version)
{
	static const uint64_t ranges[] = { 4 * KiB, 64 * KiB, MiB };
	struct worker alone[1], both[2];
	uint8_t *mem;
	size_t i;
	int r, c;

	if (cpus < 2)
		leave_out("one CPU");
	/* there they wait for each other in the emulator, time passes, and ticks */
	if (!host.powernv)
		leave_out("the emulated hypervisor serves one CPU at a time");
	attach_or_leave_out(t, version);
	mem = memory(SCATTERED, 2 * MiB);
	allow(t, mem, 2 * MiB);
	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		double one[ROUNDS], cpus_worth[ROUNDS], spun[ROUNDS];
		double slept[ROUNDS], contended[ROUNDS], least;

		if (opt.few && ranges[i] != MiB)
			continue;
		for (r = 0; r < ROUNDS; r++) {
			parallel_run(t, mem, ranges[i], 1, alone);
			one[r] = alone[0].insns / alone[0].calls;
		}
		least = median_of(one, ROUNDS);
		for (r = 0; r < ROUNDS; r++) {
			parallel_run(t, mem, ranges[i], 2, both);
			cpus_worth[r] = spun[r] = slept[r] = contended[r] = 0;
			for (c = 0; c < 2; c++) {
				double insns = both[c].insns / both[c].calls;

				cpus_worth[r] += least / insns * both[c].awake;
				spun[r] += (1 - least / insns) / 2;
				slept[r] += (1 - both[c].awake) / 2;
				contended[r] += both[c].contended /
						both[c].calls / 2;
			}
		}
		row("parallel", version, "cpus", ranges[i], "ratio",
		    median_of(cpus_worth, ROUNDS));
		row("parallel", version, "spun", ranges[i], "ratio",
		    median_of(spun, ROUNDS));
		row("parallel", version, "slept", ranges[i], "ratio",
		    median_of(slept, ROUNDS));
		row("parallel", version, "contended", ranges[i], "per-call",
		    median_of(contended, ROUNDS));
	}
	bench_beside_all(t);
}

void parallel_v1(struct tce *t)
{
	bench_parallel(t, 1);
}

void parallel_v2(struct tce *t)
{
	bench_parallel(t, 2);
}
