// SPDX-License-Identifier: GPL-2.0-only
/*
 * What root reads of the module's state in debugfs; races reads it while clients are busy.
 * A driver without that file skips all of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define STATE	"/sys/kernel/debug/vfio_iommu_spapr_tce/state"
#define LIMIT	20
#define FAR	(1ULL << 46)

static int open_state(void)
{
	int fd = open(STATE, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		skip("this driver has no such file");
	expect(fd >= 0);
	return fd;
}

/* All of it, read @step bytes at a time */
static char *read_state(size_t step)
{
	size_t size = 4 * MiB, done = 0;
	char *text = malloc(size);
	int fd = open_state();
	ssize_t n = 1;

	expect(text);
	while (n > 0 && done + step < size) {
		n = read(fd, text + done, step);
		if (n > 0)
			done += n;
	}
	expect_rc(0, n);
	text[done] = '\0';
	close(fd);
	return text;
}

/* The number in the parentheses of the pattern, if it has any, in the first line that is like it */
static uint64_t expect_line(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static uint64_t expect_line(const char *text, const char *fmt, ...)
{
	regmatch_t found[2];
	char pattern[256];
	regex_t regex;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pattern, sizeof(pattern), fmt, ap);
	va_end(ap);
	expect(!regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE));
	if (regexec(&regex, text, 2, found, 0))
		fail(__FILE__, __LINE__, "no line is like %s", pattern);
	regfree(&regex);
	return found[1].rm_so < 0 ? 0 : strtoull(text + found[1].rm_so, NULL, 0);
}

/* What a client tells the row that reads. */
static struct told {
	volatile bool ready;
	int version;
	uint64_t locked;
	uint64_t ua;
	struct vfio_iommu_spapr_tce_info info;
	uint64_t start;			/* of the second window, or 0 */
} *told;

/* A thread of the client, which binds the container and does not stay */
static void *maps(void *arg)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	struct tce *t = arg;

	allow(t, mem, CHUNK);
	map(t->container, mem, t->info.dma32_window_start + MiB, CHUNK, RW);
	told->ua = (uintptr_t)mem;
	if (t->version == 1 || !host.powernv)
		return NULL;
	/* DPDK's window on a big machine, with memory at its end */
	create(t->container, host.page == CHUNK ? 16 : 12, FAR, host.page == CHUNK ? 2 : 3,
	       &told->start);
	map(t->container, mem, told->start + FAR - CHUNK, CHUNK, RW);
	return NULL;
}

static void client(void *arg __attribute__((unused)))
{
	struct tce t = { .version = told->version };
	pthread_t thread;

	attach(&t, t.version);
	expect(!pthread_create(&thread, NULL, maps, &t) && !pthread_join(thread, NULL));
	told->info = t.info;
	told->locked = locked();
	told->ready = true;
	pause();
}

/* A client that has mapped something, and stays as it is */
static pid_t start_client(const struct tce *t)
{
	pid_t pid;

	close(open_state());
	told = alloc_shared(sizeof(*told));
	told->version = t->version;
	pid = spawn(true, client, NULL);
	if (!within(LIMIT, told->ready || !lives(pid)) || !told->ready) {
		ends(pid, 0);
		fail(__FILE__, __LINE__, "the client does not begin");
	}
	return pid;
}

static void shows_container(struct tce *t)
{
	unsigned long long process, container, pinned, charged;
	pid_t pid = start_client(t);
	char *text;

	text = read_state(4096);
	/* It is the same text, however it is read. */
	expect(!strcmp(text, read_state(1)));
	expect(!strcmp(text, read_state(33)));
	pinned = t->version == 1 ? CHUNK : 0;
	charged = t->version == 1 ? told->info.dma32_window_size : 0;
	process = expect_line(text, "^process id=([0-9]+) tgid=%d .* locked_vm=%llu alive=1 ", pid,
			      (unsigned long long)told->locked);
	container = expect_line(text, "^container id=([0-9]+) version=%d process=%llu enabled=1 .* pinned=%llu charged=%llu ",
				t->version, process, pinned, charged);
	expect_line(text, "^group container=%llu number=%d$", container, host.device[0].group);
	expect_line(text, "^window container=%llu number=0 start=0x%x size=%u page_shift=12 .* mapped=%llu by_kvm=0 ",
		    container, told->info.dma32_window_start, told->info.dma32_window_size,
		    CHUNK / 4096);
	if (t->version == 2)
		expect_line(text, "^region process=%llu ua=%#llx size=%llu .* mapped=%llu .* containers=%llu$",
			    process, (unsigned long long)told->ua, CHUNK,
			    CHUNK / 4096 + (told->start ? CHUNK / host.page : 0), container);
	/* holes are stepped over: with 2^30 cells, or more, this would last for hours */
	if (told->start)
		expect_line(text, "^window container=%llu number=1 start=0x%llx size=%llu .* mapped=%llu ",
			    container, (unsigned long long)told->start, FAR, CHUNK / host.page);
	kill_child(pid);
	text = read_state(4096);
	expect(!strstr(text, "\ncontainer ") && !strstr(text, "\nprocess "));
}

static void try_to_open(void *arg __attribute__((unused)))
{
	if (!getuid())
		drop_root();
	expect(open(STATE, O_RDONLY) < 0);
	expect_eq(EACCES, errno);
}

static void root_only(struct tce *t __attribute__((unused)))
{
	close(open_state());
	expect(ends(spawn(true, try_to_open, NULL), LIMIT));
}

static const struct test tests[] = {
	{ "a container is shown with its process, group, window and memory",
	  shows_container, BOTH | APART },
	{ "nobody but root can read it", root_only, V2 | APART },
};

TEST_MAIN("state", tests)
