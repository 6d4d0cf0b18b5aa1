// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients in a control group with a limit of memory: what the driver allocates for them is charged
 * to it. Who is killed because it runs out of memory leaves nothing, as after each test.
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

/* A control group whose members get so much memory */
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

/* A client that needs more than @bytes is refused, or killed. */
static void expect_bounded(uint64_t bytes, void (*client)(void *))
{
	volatile long *rc = alloc_shared(host.page);
	char text[16];
	int status;
	pid_t pid;

	limit_memory(bytes);
	pid = spawn(true, client, (void *)rc);
	while (*rc != 1 && lives(pid))
		usleep(1000);
	snprintf(text, sizeof(text), "%d", pid);
	expect_rc(0, write_to(CGROUP "/pod/cgroup.procs", text));
	*rc = 0;
	expect(waitpid(pid, &status, 0) == pid);
	expect((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || *rc == -ENOMEM);
	write_to("/proc/sys/kernel/printk", "5");
	rmdir(CGROUP "/pod");
	umount(CGROUP);
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
	{ "a control group's limit bounds what REGISTER allocates", bounded, V2 | APART },
	{ "a control group's limit bounds the set of pinned pages", bounded_set, V1 | APART },
};

TEST_MAIN("cgroups", tests)
