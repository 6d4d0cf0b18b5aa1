// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of the CPU, and what is made of their values.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "bench.h"

int perf_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			 PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "perf_event_open: %m");
	return fd;
}

struct counter insns;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t median(uint64_t *val, int n)
{
	qsort(val, n, sizeof(*val), compare);
	return val[n / 2];
}

/*
 * Of calls that are all alike: the least, not the median. What some cost more is the
 * timer's interrupt, which comes the more often the slower the emulator gets on. A
 * median of long calls has a share of it that says how busy the emulator's host is.
 * Where calls differ from each other, as by the region that is looked for, the median
 * counts.
 */
uint64_t cheapest(const uint64_t *val, int n)
{
	uint64_t least = val[0];

	while (n--)
		if (val[n] < least)
			least = val[n];
	return least;
}

void counter_open(struct counter *c, uint32_t type, uint64_t config)
{
	uint64_t val[101];
	int i;

	c->fd = perf_open(type, config);
	for (i = 0; i < 101; i++) {
		val[i] = perf_read(c->fd);
		val[i] = perf_read(c->fd) - val[i];
	}
	c->overhead = median(val, 101);
}

/* Scheduling and interrupts would be counted with the rest: one CPU, no moves. */
void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(__FILE__, __LINE__, "sched_setaffinity: %m");
}

/*
 * How many instructions the counter misses: of two loops whose length is known, one
 * of branches within a page, and one that calls a function and returns from it.
 */
#define TURNS	100000ULL

void counter_rows(struct tce *t)
{
	uint64_t cost, turns = TURNS;

	(void)t;
	/* three instructions a turn */
	cost = counted(asm volatile("mtctr %0\n\t"
				    ".balign 64\n"
				    "1: addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "bdnz 1b"
				    : : "r" (turns) : "r9", "ctr", "memory"));
	row("counter", 0, "loop", TURNS * 3, "seen/executed",
	    1.0 * cost / (TURNS * 3));
	/* nine: two in the loop, seven in the function */
	cost = counted(asm volatile("mtctr %0\n\t"
				    "mflr 10\n\t"
				    "b 1f\n\t"
				    ".balign 64\n"
				    "2: addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "blr\n"
				    "1: bl 2b\n\t"
				    "bdnz 1b\n\t"
				    "mtlr 10"
				    : : "r" (turns)
				    : "r9", "r10", "ctr", "lr", "memory"));
	row("counter", 0, "calls", TURNS * 9, "seen/executed",
	    1.0 * cost / (TURNS * 9));
}

int tracepoint(const char *name)
{
	char path[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%d", &id) != 1)
		id = -1;
	if (f)
		fclose(f);
	return id;
}
