// SPDX-License-Identifier: GPL-2.0-only
/*
 * Long work, which can be killed and lets others run.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

#define PIECE	(64 * MiB)

/*
 * Memory that is not there yet, in small pages: as slow to pin as can be. More than
 * the machine has can't be registered, so it is half of what is free.
 */
static uint8_t *slow_memory(size_t *size)
{
	uint8_t *mem;

	*size = mem_free() / 2 / PIECE * PIECE;
	expect(*size >= PIECE);
	mem = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect(mem != MAP_FAILED);
	madvise(mem, *size, MADV_NOHUGEPAGE);
	return mem;
}

static volatile struct progress {
	bool working;
	unsigned int call;
} *progress;

static void share_progress(void)
{
	progress = mmap(NULL, host.page, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(progress != MAP_FAILED);
}

/*
 * Bounded in pages, not in time: the machine may be busy, and emulated. REGISTER has
 * to end when it is killed, so early that it got no further than half the pages.
 */
static void killed_registering(struct tce *t)
{
	const struct timespec nap = { .tv_nsec = 500 * 1000 };
	int version = t->version, status, i;
	long pins, begin, pages = 0;
	bool early = false;
	size_t size;
	pid_t pid;

	if (geteuid())
		skip("the kernel counts exactly for root only");
	detach(t);
	pins = pinned();
	for (i = 0; i < 20 && !early; i++) {
		uint8_t *mem = slow_memory(&size);

		begin = ever_pinned();
		pid = fork();
		if (!pid) {
			attach(t, version);
			register_mem(t->container, mem, size);
			pause();
		}
		do {
			nanosleep(&nap, NULL);
			if (waitpid(pid, &status, WNOHANG))
				fail(__FILE__, __LINE__, "REGISTER failed");
		} while (ever_pinned() == begin);
		kill(pid, SIGKILL);
		expect(waitpid(pid, &status, 0) == pid);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		expect_rc(pins, pinned_settled(pins));
		pages = ever_pinned() - begin;
		early = pages < (long)(size / host.page / 2);
		munmap(mem, size);
	}
	note("attempt %d: killed after %ld of %zu pages", i, pages,
	     size / host.page);
	expect(early);
	attach(t, version);
}

static void on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	expect(!sched_setaffinity(0, sizeof(set), &set));
}

/*
 * Runs @work in a child on our own CPU, until we get to run in the midst of what it
 * does: three times within one call, for the first two may be at its ends. A machine that
 * is slow gives us more of these turns, not fewer.
 */
static bool turns_beside(void (*work)(struct tce *t), struct tce *t)
{
	const struct timespec nap = { .tv_nsec = 200 * 1000 };
	int version = t->version, status = 0;
	unsigned int turns = 0, call = 0;
	pid_t pid;

	share_progress();
	on_one_cpu();
	detach(t);
	pid = fork();
	if (!pid) {
		attach(t, version);
		work(t);
		_exit(0);
	}
	while (turns < 3 && !waitpid(pid, &status, WNOHANG)) {
		if (call != progress->call)
			turns = 0;
		call = progress->call;
		if (progress->working)
			turns++;
		nanosleep(&nap, NULL);
	}
	if (turns == 3) {
		kill(pid, SIGKILL);
		expect(waitpid(pid, NULL, 0) == pid);
	} else if (status) {
		fail(__FILE__, __LINE__, "the other process failed");
	}
	attach(t, version);
	note("%u calls, %u turns in the last", call, turns);
	return turns == 3;
}

static void register_much(struct tce *t)
{
	size_t size;
	uint8_t *mem = slow_memory(&size);

	progress->working = true;
	register_mem(t->container, mem, size);
	progress->working = false;
}

static void unmap_much(struct tce *t)
{
	uint64_t start = t->info.dma32_window_start, at;
	uint64_t end = start + t->info.dma32_window_size;
	uint8_t *mem = alloc(PIECE, CHUNK);

	allow(t, mem, PIECE);
	while (progress->call < 50) {
		for (at = start; at < end; at += PIECE)
			map(t->container, mem, at, PIECE, RW);
		progress->call++;
		progress->working = true;
		unmap(t->container, start, end - start);
		progress->working = false;
	}
}

static void register_yields(struct tce *t)
{
	expect(turns_beside(register_much, t));
}

static void unmap_yields(struct tce *t)
{
	expect(turns_beside(unmap_much, t));
}

static const struct test rows[] = {
	{ "REGISTER ends when the client is killed",
	  killed_registering, V2 },
	{ "REGISTER lets others run", register_yields, V2 },
	{ "UNMAP lets others run", unmap_yields, BOTH },
};

const struct rows work_rows = ROWS(rows);
