// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a TCE costs on this host: nanoseconds, and instructions where there is a PMU. For
 * scripts/hostcheck --bench.
 *
 * usage: hostcost --device PCI [OPTION of the harness]
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define SIZE	(16 * MiB)
#define ROUNDS	20

/* Nearly all instructions between two reads of the counter are the kernel's. */
static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t instructions(int counter)
{
	uint64_t count = 0;

	if (counter >= 0 && read(counter, &count, 8) != 8)
		fail(__FILE__, __LINE__, "the counter can't be read: %m");
	return count;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The middle one: what else the machine does makes some rounds slow. */
static double median(uint64_t *values, uint64_t entries)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return (double)values[ROUNDS / 2] / entries;
}

static void cost(struct tce *t)
{
	uint64_t ns[2][ROUNDS], count[2][ROUNDS], iova = t->info.dma32_window_start;
	uint64_t entries = SIZE / (4 * KiB), time, counted;
	int counter = open_counter(), i, what;
	uint8_t *mem;

	if (counter < 0)
		note("no PMU here (%s): time only", strerrorname_np(errno));
	mem = alloc(SIZE, 64 * KiB);
	allow(t, mem, SIZE);
	for (i = 0; i < ROUNDS; i++) {
		for (what = 0; what < 2; what++) {
			counted = instructions(counter);
			time = now_ns();
			if (what)
				unmap(t->container, iova, SIZE);
			else
				map(t->container, mem, iova, SIZE, RW);
			ns[what][i] = now_ns() - time;
			count[what][i] = instructions(counter) - counted;
		}
	}
	for (what = 0; what < 2; what++) {
		note("figure: %s: %.1f ns a TCE", what ? "UNMAP" : "MAP",
		     median(ns[what], entries));
		if (counter >= 0)
			note("figure: %s: %.1f instructions a TCE", what ? "UNMAP" : "MAP",
			     median(count[what], entries));
	}
}

static const struct test tests[] = {
	{ "what MAP and UNMAP cost", cost, BOTH },
};

TEST_MAIN("hostcost", tests)
