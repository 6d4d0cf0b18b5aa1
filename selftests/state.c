// SPDX-License-Identifier: GPL-2.0-only
/*
 * What root reads of the module's state in debugfs; races reads it while clients are busy.
 * A driver without that file skips all of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
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

/*
 * The first line that has all of these words, as a string of its own, or NULL. A word is
 * "key=value".
 */
static char *line_with(const char *text, const char *kind, const char *a,
		       const char *b)
{
	size_t len = strlen(kind);
	const char *end;
	char padded[64];
	const char *const words[] = { a, b };
	unsigned int i;

	for (; *text; text = end + 1) {
		char *line;

		end = strchr(text, '\n');
		expect(end);
		if (strncmp(text, kind, len) || text[len] != ' ')
			continue;
		if (asprintf(&line, "%.*s ", (int)(end - text), text) < 0)
			return NULL;
		for (i = 0; i < 2; i++) {
			snprintf(padded, sizeof(padded), " %s ", words[i]);
			if (words[i] && !strstr(line, padded))
				break;
		}
		if (i == 2)
			return line;
		free(line);
	}
	return NULL;
}

/* The number of a field of a line */
static uint64_t field(const char *line, const char *key)
{
	char padded[64];
	const char *at;

	snprintf(padded, sizeof(padded), " %s=", key);
	at = line ? strstr(line, padded) : NULL;
	if (!at)
		fail(__FILE__, __LINE__, "no %s in: %s", key, line ? line : "no line");
	return strtoull(at + strlen(padded), NULL, 0);
}

static char *word(const char *key, uint64_t value)
{
	char *text;

	expect(asprintf(&text, "%s=%llu", key, (unsigned long long)value) > 0);
	return text;
}

/* What a client tells the row that reads. */
static struct told {
	volatile bool ready;
	int version;
	pid_t pid;
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
	told->pid = getpid();
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
	int i;

	close(open_state());
	told = alloc_shared(sizeof(*told));
	told->version = t->version;
	pid = spawn(true, client, NULL);
	for (i = 0; i < LIMIT * 50 && !told->ready && lives(pid); i++)
		nap(20);
	if (!told->ready) {
		ends(pid, 0);
		fail(__FILE__, __LINE__, "the client does not begin");
	}
	return pid;
}

/* The line of the client's process, and that of its container */
static void client_lines(const char *text, char **process, char **container)
{
	*process = line_with(text, "process", word("tgid", told->pid), "alive=1");
	expect(*process);
	*container = line_with(text, "container",
			       word("process", field(*process, "id")), NULL);
	expect(*container);
}

static void shows_container(struct tce *t)
{
	char *text, *process, *container, *window, *region;
	pid_t pid = start_client(t);

	text = read_state(4096);
	/* It is the same text, however it is read. */
	expect(!strcmp(text, read_state(1)));
	expect(!strcmp(text, read_state(33)));
	client_lines(text, &process, &container);
	expect_eq(told->locked, field(process, "locked_vm"));
	expect_eq(t->version, field(container, "version"));
	expect_eq(1, field(container, "enabled"));
	expect(line_with(text, "group",
			 word("container", field(container, "id")),
			 word("number", host.device[0].group)));
	window = line_with(text, "window",
			   word("container", field(container, "id")), "number=0");
	expect_eq(told->info.dma32_window_start, field(window, "start"));
	expect_eq(told->info.dma32_window_size, field(window, "size"));
	expect_eq(12, field(window, "page_shift"));
	expect_eq(CHUNK / 4096, field(window, "mapped"));
	expect_eq(0, field(window, "by_kvm"));
	if (t->version == 1) {
		expect_eq(CHUNK, field(container, "pinned"));
		expect_eq(told->info.dma32_window_size, field(container, "charged"));
	} else {
		region = line_with(text, "region", word("size", CHUNK),
				   word("process", field(process, "id")));
		expect_eq(told->ua, field(region, "ua"));
		expect_eq(CHUNK / 4096 + (told->start ? CHUNK / host.page : 0),
			  field(region, "mapped"));
		expect_eq(field(container, "id"), field(region, "containers"));
	}
	if (told->start) {
		window = line_with(text, "window",
				   word("container", field(container, "id")), "number=1");
		expect_eq(told->start, field(window, "start"));
		expect_eq(FAR, field(window, "size"));
		expect_eq(CHUNK / host.page, field(window, "mapped"));
		/* holes are stepped over: with 2^30 cells, or more, this would last for hours */
	}
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
