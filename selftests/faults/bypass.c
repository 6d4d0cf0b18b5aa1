// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host that gets its group back may have no memory for a window of its own. PowerNV then
 * turns the bypass on all the same, by which the device reaches all memory of the host at
 * 1 << 59, and from Linux 6.4 on leaves it on when the next client comes. Whatever failed,
 * that client's device reaches nothing but what it maps.
 *
 * The device is driven by its BAR in sysfs, so that nothing resets it in between.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

#define BYPASS	(1ULL << 59)

static struct edu edu;
/* A page that nobody registers, and its real address */
static uint8_t *secret;
static uint64_t real;
static unsigned int seed = 1;

static uint64_t real_address(const void *va)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)va / host.page * sizeof(entry)) != sizeof(entry))
		fail(__FILE__, __LINE__, "pagemap: %m");
	close(fd);
	entry &= (1ULL << 55) - 1;
	expect(entry);
	return entry * host.page;
}

/* The device reads the page, in both ways that a host has. */
static void look(void)
{
	fill(secret, PROBE, ++seed);
	/* after a fork it is another one */
	real = real_address(secret);
	edu_read(&edu, BYPASS | real, 0, PROBE);
	edu_read(&edu, real, PROBE, PROBE);
}

/* Whether it got there, as far as the client can see. */
static bool saw(struct tce *t)
{
	memset(t->bounce, 0, 2 * PROBE);
	edu_write(&edu, t->bounce_iova, 0, 2 * PROBE);
	return filled(t->bounce, PROBE, seed) ||
	       filled((uint8_t *)t->bounce + PROBE, PROBE, seed);
}

/* The next client: before it has a window, with the first, and with the second one. */
static bool client_reaches(void)
{
	struct tce t = { .container = -1 };
	uint64_t start;
	bool reached;

	attach(&t, 2);
	look();
	bounce_at(&t, t.info.dma32_window_start + 32 * MiB);
	reached = saw(&t);
	look();
	reached |= saw(&t);
	create(t.container, 12, GiB, 1, &start);
	expect_eq(BYPASS, start);
	look();
	reached |= saw(&t);
	detach(&t);
	munmap(t.bounce, 64 * KiB);
	return reached;
}

/* What the device can do while the host has it: else nothing was looked for. */
static bool host_reaches(void)
{
	look();
	memset(secret, 0, PROBE);
	edu_write(&edu, BYPASS | real, 0, PROBE);
	return filled(secret, PROBE, seed);
}

static void write_nth(const char *path, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	expect_rc(0, write_to(path, text));
}

static bool injected_in(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	expect(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return !atoi(text);
}

/* The client leaves in order, and allocation @n of that fails. */
static bool leaves(unsigned int n)
{
	struct tce t = { .container = -1 };
	bool injected;
	long rc;

	attach(&t, 2);
	arm(n);
	rc = __unset_container(t.group);
	injected = disarm();
	if (rc == -EFAULT && copies_fail)
		rc = __unset_container(t.group);
	expect_rc(0, rc);
	close(t.group);
	close(t.container);
	return injected;
}

/* It is killed while it leaves, or a moment before or after. */
static bool is_killed(unsigned int n)
{
	const struct timespec moment = { .tv_nsec = n * 50 * 1000 };
	siginfo_t info;
	char path[40];
	bool injected;
	int go[2], ready[2];
	pid_t pid;
	char c;

	expect(!pipe2(go, O_CLOEXEC) && !pipe2(ready, O_CLOEXEC));
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		struct tce t = { .container = -1 };

		attach(&t, 2);
		if (write(ready[1], "", 1) == 1 && read(go[0], &c, 1) == 1)
			__unset_container(t.group);
		pause();
		_exit(1);
	}
	expect(read(ready[0], &c, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	write_nth(path, n);
	expect(write(go[1], "", 1) == 1);
	nanosleep(&moment, NULL);
	expect(!kill(pid, SIGKILL));
	expect(!waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	injected = injected_in(path);
	expect(waitpid(pid, NULL, 0) == pid);
	close(go[0]);
	close(go[1]);
	close(ready[0]);
	close(ready[1]);
	return injected;
}

static void each_failure(const char *what, bool (*leave)(unsigned int n))
{
	char which[200] = "";
	unsigned int n = 0;
	bool injected;

	do {
		expect(++n < MANY);
		injected = leave(n);
		if (client_reaches())
			snprintf(which + strlen(which), sizeof(which) - strlen(which),
				 " %u", n);
	} while (injected);
	if (which[0])
		fail(__FILE__, __LINE__,
		     "%s: the next client reaches the host's memory if one of these allocations fails:%s",
		     what, which);
	note("%s: %u allocations, none lets the next client reach the host's memory",
	     what, n - 1);
}

static void prepare(struct tce *t)
{
	if (geteuid())
		skip("needs root");
	if (!host.wide)
		skip("the device drives no 64 address bits");
	detach(t);
	secret = alloc(host.page, host.page);
	expect(!mlock(secret, host.page));
	expect_rc(0, edu_open_host(&edu, 0));
	if (!host_reaches())
		fail(__FILE__, __LINE__, "the host's bypass does not work: nothing can be seen");
}

static void two_functions(struct tce *t)
{
	need_faults();
	prepare(t);
	each_failure("UNSET_CONTAINER", leaves);
}

/* The platform gives the group back once for each function, and may try again so. */
static void one_function(struct tce *t)
{
	int status;
	pid_t pid;

	need_faults();
	prepare(t);
	expect(host_second(0, false));
	pid = fork();
	if (!pid) {
		need_faults();
		each_failure("UNSET_CONTAINER", leaves);
		each_failure("SIGKILL", is_killed);
		fflush(stdout);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	/* however that ended */
	expect(host_second(0, true));
	expect(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void *eat(void *arg)
{
	for (;;)
		mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return arg;
}

/* A client that gives its group back again and again, until it has eaten the host's memory. */
static void gives_back_and_eats(void)
{
	struct tce t = { .container = -1 };
	pthread_t thread;

	expect_rc(0, write_to("/proc/self/oom_score_adj", "1000"));
	attach(&t, 2);
	pthread_create(&thread, NULL, eat, NULL);
	for (;;) {
		__unset_container(t.group);
		__set_container(t.group, t.container);
		__set_iommu(t.container, V2_IOMMU);
	}
}

static void out_of_memory(struct tce *t)
{
	int i, status, reached = 0;
	uint64_t size;
	void *most;
	pid_t pid;

	prepare(t);
	/* so that a client's turn is short */
	expect_rc(0, write_to("/proc/self/oom_score_adj", "-1000"));
	size = (mem_free() - 256 * MiB) / host.page * host.page;
	most = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	expect(most != MAP_FAILED);
	for (i = 0; i < 8; i++) {
		pid = fork();
		expect(pid >= 0);
		if (!pid) {
			munmap(most, size);
			gives_back_and_eats();
		}
		expect(waitpid(pid, &status, 0) == pid);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		reached += client_reaches();
	}
	munmap(most, size);
	note("%d clients ran out of memory, %d left the host's memory to the next one",
	     i, reached);
	expect_eq(0, reached);
}

static const struct test tests[] = {
	{ "after a failed give-back the next client reaches its own windows only", two_functions,
	  V2 | POWERNV | DANGEROUS },
	{ "the same of a group with one function", one_function,
	  V2 | POWERNV | DANGEROUS },
	{ "the same of one that is killed since the host is out of memory", out_of_memory,
	  V2 | POWERNV | DANGEROUS, 180 },
};

const struct rows bypass_rows = ROWS(tests);
