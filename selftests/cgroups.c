// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients in a control group with a limit of memory: what the driver allocates for them is charged
 * to it, and who is killed because it runs out of memory leaves nothing.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define CGROUP	"/tmp/cgroup"

/* A control group whose members get so much memory; undone by unlimit() */
static void limit_memory(uint64_t bytes)
{
	char limit[24];

	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		skip("this kernel has no cgroup2");
	expect_rc(0, write_to(CGROUP "/cgroup.subtree_control", "+memory"));
	mkdir(CGROUP "/pod", 0755);
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)bytes);
	expect_rc(0, write_to(CGROUP "/pod/memory.max", limit));
	/* the kernel tells at length whom it killed */
	write_to("/proc/sys/kernel/printk", "1");
}

static void unlimit(void)
{
	write_to("/proc/sys/kernel/printk", "5");
	rmdir(CGROUP "/pod");
	umount(CGROUP);
}

/*
 * A client waits until it is in the control group: what it has by then is not charged to that. In
 * *@rc it leaves what it was told.
 */
static void wait_for_group(volatile long *rc)
{
	*rc = 1;
	while (*rc == 1)
		usleep(1000);
}

/* Returns how it has ended. */
static int run_in_group(void (*client)(void *), volatile long *rc)
{
	char text[16];
	int status;
	pid_t pid = spawn(true, client, (void *)rc);

	while (*rc != 1 && lives(pid))
		usleep(1000);
	snprintf(text, sizeof(text), "%d", pid);
	expect_rc(0, write_to(CGROUP "/pod/cgroup.procs", text));
	*rc = 0;
	expect(waitpid(pid, &status, 0) == pid);
	return status;
}

static bool killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/*
 * A large window and memory for each device, in pieces; and then more and more memory that is no
 * device's
 */
#define EACH		(32 * MiB)
#define PIECE		(4 * MiB)

static void grows(void *rc)
{
	const uint32_t shift = __builtin_ctzl(host.page);
	uint64_t start, at;
	struct tce t;
	uint8_t *mem;
	int i;

	wait_for_group(rc);
	for (i = 0; i < host.devices; i++) {
		attach_at(&t, 2, i);
		mem = alloc(EACH, PIECE);
		/* the first one keeps its default window beside it */
		if (i)
			remove_window(t.container, t.info.dma32_window_start);
		create(t.container, shift, 32768ULL << shift, 1, &start);
		for (at = 0; at < EACH; at += PIECE)
			register_mem(t.container, mem + at, PIECE);
		map(t.container, mem, start, EACH, RW);
	}
	*(volatile long *)rc = 2;
	for (;;)
		alloc(MiB, host.page);
}

static void out_of_memory(struct tce *t __attribute__((unused)))
{
	volatile long *rc = alloc_shared(host.page);
	uint64_t free = 0;
	long pins = pinned();
	int i;

	limit_memory(host.devices * EACH + 64 * MiB);
	/* the first ones fill caches */
	for (i = 0; i < 5; i++) {
		if (i == 2)
			free = mem_free();
		expect(killed(run_in_group(grows, rc)));
		expect_rc(2, *rc);
		expect_rc(pins, pinned_settled(pins));
	}
	/* khugepaged may have taken a huge page, of 16 MiB on POWER8 */
	expect(mem_free_returns(free - 32 * MiB));
	unlimit();
}

/* A client that needs more than @bytes is refused, or killed. */
static void expect_bounded(uint64_t bytes, void (*client)(void *))
{
	volatile long *rc = alloc_shared(host.page);
	int status;

	limit_memory(bytes);
	status = run_in_group(client, rc);
	expect(killed(status) || *rc == -ENOMEM);
	unlimit();
}

/* The blocks of so much take 128 MiB, and are allocated before anything is pinned. */
#define RESERVED	(32ULL << 40)

static void registers_reserved(void *rc)
{
	void *mem = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct tce t;

	expect(mem != MAP_FAILED);
	attach(&t, 2);
	wait_for_group(rc);
	*(volatile long *)rc = __register(t.container, mem, RESERVED);
}

/* Each of so many pages has a record of its own, of 8 bytes */
#define SCATTERED	(1ULL << 18)

static void registers_scattered(void *rc)
{
	const uint64_t size = SCATTERED * host.page;
	void *mem = alloc_repeated(size);
	struct tce t;

	attach(&t, 2);
	wait_for_group(rc);
	*(volatile long *)rc = __register(t.container, mem, size);
}

static void bounded(struct tce *t __attribute__((unused)))
{
	expect_bounded(64 * MiB, registers_reserved);
	expect_bounded(MiB, registers_scattered);
}

/* v1's set has 32 bytes for each page that is pinned: 256 KiB with pages of 64K */
#define PINNED		(512 * MiB)

static void maps_piece_by_piece(void *rc)
{
	uint8_t *mem = alloc(PINNED, MiB);
	uint64_t at, start;
	struct tce t;
	long done;

	attach(&t, 1);
	start = t.info.dma32_window_start;
	enable(t.container);
	/* which creates the window */
	unmap(t.container, start, MiB);
	wait_for_group(rc);
	for (at = 0, done = 0; !done && at < PINNED; at += MiB)
		done = __map(t.container, mem + at, start + at, MiB, RW);
	*(volatile long *)rc = done;
}

static void bounded_set(struct tce *t __attribute__((unused)))
{
	if (host.page == 4096)
		skip("the CPU's pages are no larger than the window's");
	expect_bounded(128 * KiB, maps_piece_by_piece);
}

static const struct test tests[] = {
	{ "a container that runs out of memory leaves nothing", out_of_memory, V2 | APART },
	{ "a control group's limit bounds what REGISTER allocates", bounded, V2 | APART },
	{ "a control group's limit bounds the set of pinned pages", bounded_set, V1 | APART },
};

TEST_MAIN("cgroups", tests)
