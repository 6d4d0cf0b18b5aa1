// SPDX-License-Identifier: GPL-2.0-only
/*
 * What clients are charged, and what is left of those that end amid their work. The
 * harness looks after each row for pages that stay pinned and groups that stay taken.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SMALL	(64 * KiB)
#define KILLS	3

static void charge_v1(struct tce *t)
{
	uint64_t before = locked();

	enable(t->container);
	expect_eq(before + t->info.dma32_window_size, locked());
	disable(t->container);
	expect_eq(before, locked());
}

static void charge_v2(struct tce *t)
{
	uint8_t *mem = alloc(4 * MiB, SMALL);
	uint64_t before = locked(), start;

	register_mem(t->container, mem, 4 * MiB);
	expect_eq(before + 4 * MiB, locked());
	unregister_mem(t->container, mem, 4 * MiB);
	expect_eq(before, locked());
	if (!t->info.ddw.pgsizes)
		return;
	/* A default window that is never used has no table yet. */
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_eq(before + table_bytes(12, 256 * MiB, 1), locked());
	remove_window(t->container, start);
	expect_eq(before, locked());
}

static void closed(struct tce *t)
{
	uint64_t before = locked();
	struct check c;

	check_begin(&c, t, MiB);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	expect(locked() > before);
	c.e.ops->stop(&c.e);
	close(c.e.fd);
	detach(t);
	expect_eq(before, locked());
}

/* Work that goes on until its process ends: DMA, and a thread that maps beside it. */
static struct check load;
static volatile unsigned int *dma_done, *maps_done;

static void *dma(void *arg __attribute__((unused)))
{
	uint32_t token = 0;

	for (;;) {
		token = token % load.e.tokens + 1;
		if (load.e.ops->write(&load.e, load.iova, token))
			fail(__FILE__, __LINE__, "the device failed");
		__atomic_fetch_add(dma_done, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *maps(void *arg __attribute__((unused)))
{
	uint64_t iova = load.iova + 32 * MiB;

	for (;;) {
		map(load.t->container, load.mem, iova, load.size, RW);
		unmap(load.t->container, iova, load.size);
		__atomic_fetch_add(maps_done, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void start_load(struct tce *t)
{
	pthread_t thread;

	check_begin(&load, t, MiB);
	check_map(&load, RW);
	expect(!pthread_create(&thread, NULL, dma, NULL));
	expect(!pthread_create(&thread, NULL, maps, NULL));
}

/* Shared with children. */
static void share_counters(void)
{
	dma_done = mmap(NULL, host.page, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(dma_done != MAP_FAILED);
	maps_done = dma_done + 1;
}

/* As long as @pid, who does it, is there; 0 is this process. */
static bool under_load(pid_t pid, unsigned int more)
{
	unsigned int dmas = *dma_done + more, all_maps = *maps_done + more;

	until(60000, (*dma_done >= dmas && *maps_done >= all_maps) || (pid && !lives(pid)));
	return *dma_done >= dmas && *maps_done >= all_maps;
}

/* Returns, and with that ends the process: nothing is unmapped or closed before. */
static void close_under_load(struct tce *t)
{
	share_counters();
	start_load(t);
	expect(under_load(0, 5));
	note("%u times DMA, %u times MAP and UNMAP before the end", *dma_done, *maps_done);
}

static void client(void *version)
{
	struct tce t = { .group2 = -1 };

	attach(&t, *(int *)version);
	start_load(&t);
	for (;;)
		pause();
}

static void kill_one(int version, unsigned int more)
{
	int status;
	pid_t pid = spawn(true, client, &version);

	expect(under_load(pid, more));
	expect(!kill(pid, SIGKILL));
	expect(waitpid(pid, &status, 0) == pid);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void killed(int version)
{
	struct tce t = { .group2 = -1 };
	unsigned int i;
	struct check c;

	share_counters();
	for (i = 0; i < KILLS; i++)
		kill_one(version, 3 + 2 * i);
	attach(&t, version);
	check_begin(&c, &t, SMALL);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
	detach(&t);
	note("%d clients killed, the next one works", KILLS);
}

static void killed_v1(struct tce *t __attribute__((unused)))
{
	killed(1);
}

static void killed_v2(struct tce *t __attribute__((unused)))
{
	killed(2);
}

static const struct test tests[] = {
	{ "ENABLE charges the window, DISABLE gives it back", charge_v1, V1 },
	{ "REGISTER and CREATE charge what they take, and it comes back", charge_v2, V2 },
	{ "close gives back all locked memory", closed, BOTH },
	{ "a process that ends amid DMA and MAP leaves nothing", close_under_load, BOTH },
	{ "v1: clients that are killed amid DMA and MAP leave nothing", killed_v1, BARE },
	{ "v2: clients that are killed amid DMA and MAP leave nothing", killed_v2, BARE },
};

const struct rows account_rows = ROWS(tests);
