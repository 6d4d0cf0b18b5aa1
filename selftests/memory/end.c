// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end: what is left once the files are closed.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"

static void by_close(struct tce *t)
{
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	uint64_t before = locked(), start;
	long pins = pinned();

	allow(t, mem, 4 * MiB);
	map(t->container, mem, base(t), 4 * MiB, RW);
	if (t->version == 2)
		create(t->container, has_shift(t, 16) ? 16 : 12, GiB, 1, &start);
	expect(locked() > before);
	/* No command, nothing but the files. */
	close(t->container);
	expect(locked() > before);
	close(t->group);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
}

static void by_close_reversed(struct tce *t)
{
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	uint64_t before = locked();
	long pins = pinned();

	allow(t, mem, 4 * MiB);
	map(t->container, mem, base(t), 4 * MiB, RW);
	close(t->group);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	/* The container is as good as new. */
	t->group = open_group(0);
	set_container(t->group, t->container);
	set_iommu(t->container, V2_IOMMU);
	register_mem(t->container, mem, 4 * MiB);
}

/* The harness looks for what stays behind after each row. */
static void by_kill(struct tce *t)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		uint8_t *mem = alloc(4 * MiB, CHUNK);

		allow(t, mem, 4 * MiB);
		map(t->container, mem, base(t), 4 * MiB, RW);
		kill(getpid(), SIGKILL);
	}
	expect(waitpid(pid, &status, 0) == pid);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static const struct test rows[] = {
	{ "close without any cleanup releases everything", by_close, BOTH },
	{ "the group's close alone releases everything", by_close_reversed,
	  V2 },
	{ "a killed process leaves nothing behind", by_kill, BOTH },
};

const struct rows end_rows = ROWS(rows);
