// SPDX-License-Identifier: GPL-2.0-only
/*
 * The harness: picks tests of the table, runs each in a child, prints KTAP.
 *
 * Besides its own verdict every test is checked for what it leaves
 * behind once its process is gone: the groups can be opened again, and as many
 * pages are pinned in the system as before. A leak therefore fails the test that
 * caused it, even when the test was about something else.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define DEFAULT_TIMEOUT	240
/* Seconds for what takes less than three, unless somebody waits for ever. */
#define CLEAN_TIMEOUT	30

static struct options {
	const char *glob;		/* of tests' names, or several with '|' between them */
	const char *device;		/* this one, which need not be an edu */
	uid_t uid;			/* of all tests, who may lock any amount of memory */
} opt;

static const unsigned int variants[] = { BARE, V1, V2 };

/* Why no further test can run: something waits for ever, or the device is gone. */
static const char *stuck;
#define WAITS	"Further tests would wait, too."

/* In front of the name of a test that somebody else than root runs; globs do without it. */
#define USER	"user: "

static const char *test_name(const char *suite, const struct test *test,
			    unsigned int variant)
{
	static char name[256];

	snprintf(name, sizeof(name), "%s%s: %s%s", opt.uid ? USER : "", suite,
		 variant == V1 ? "v1: " : variant == V2 ? "v2: " : "",
		 test->name);
	return name;
}

static void become_user(void)
{
	if (opt.uid && setresuid(opt.uid, opt.uid, opt.uid))
		fail(__FILE__, __LINE__, "cannot become uid %u", opt.uid);
}

pid_t spawn(bool client, void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		fail(__FILE__, __LINE__, "fork: %m");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (client)
			become_user();
		run(arg);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

/* Waits until a child, or all of a group, has ended. Returns the pid, or 0. */
static pid_t wait_for(pid_t pid, int *status, int seconds)
{
	pid_t ended;

	within(seconds, (ended = waitpid(pid, status, WNOHANG)));
	return ended;
}

bool ends(pid_t pid, int seconds)
{
	int status;
	pid_t ended = wait_for(pid, &status, seconds);

	if (ended < 0)
		fail(__FILE__, __LINE__, "waitpid: %m");
	if (ended && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
		_exit(EXIT_SKIP);
	if (ended && (!WIFEXITED(status) || WEXITSTATUS(status)))
		fail(__FILE__, __LINE__, "a process of the test failed");
	return ended;
}

bool lives(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	expect(waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status))
		fail(__FILE__, __LINE__, "a process of the test ended by itself");
}

void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(__FILE__, __LINE__, "sched_setaffinity: %m");
}

uint64_t knob(const char *name, uint64_t usual)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : usual;
}

uint64_t seed_of_run(void)
{
	uint64_t seed = knob("TCE_SEED", 1);

	note("TCE_SEED=%llu", (unsigned long long)seed);
	return seed;
}

void needs_module(void)
{
	if (access("/sys/module/vfio_iommu_spapr_tce/initstate", F_OK))
		skip("the driver is built in");
}

/* Everything here happens in the test's own process. */
static void run_child(const struct test *test, unsigned int variant)
{
	struct tce t = { .container = -1, .group = -1, .group2 = -1, .arg = test->arg };

	alarm((test->timeout ?: DEFAULT_TIMEOUT) * knob("TCE_PATIENCE", 1));
	if (opt.uid)
		set_memlock(RLIM_INFINITY);
	if (opt.uid && !(test->flags & APART)) {
		start_counter();
		become_user();
	}

	if ((test->flags & POWERNV) && !host.powernv)
		skip("only on PowerNV");
	if ((test->flags & TWO) && host.other < 0)
		skip("needs devices in two groups");

	t.version = variant == V1 ? 1 : variant == V2 ? 2 : 0;
	if (variant != BARE && !(test->flags & APART)) {
		attach(&t, variant == V1 ? 1 : 2);
		if (test->flags & TWO)
			t.group2 = open_group(host.other);
		if (test->flags & DMA)
			expect_rc(0, edu_open(&t.edu, t.group, 0));
	}
	test->run(&t);
	fflush(stdout);
	_exit(0);
}

/* What must hold again when a test's processes are gone. */
static bool left_clean(long pins)
{
	int busy;
	long now;

	if (!host_restore())
		return false;
	busy = busy_group();
	if (busy >= 0) {
		note("group %d cannot be opened again", busy);
		return false;
	}
	now = pinned_settled(pins);
	if (now != pins) {
		note("%ld pages stay pinned", now - pins);
		return false;
	}
	return true;
}

/*
 * The same in a process of its own, since a driver may have made it wait for ever,
 * once all processes of the test are gone.
 */
static bool left_clean_in_time(pid_t group, long pins)
{
	int status;
	pid_t pid;

	while ((pid = wait_for(-group, &status, CLEAN_TIMEOUT)) > 0)
		;
	if (!pid) {
		note("a process can't be killed");
		stuck = WAITS;
	}
	pid = fork();
	if (!pid) {
		bool clean = left_clean(pins);

		fflush(stdout);
		_exit(clean ? 0 : 1);
	}
	if (!wait_for(pid, &status, CLEAN_TIMEOUT)) {
		note("the groups can't be opened again: that takes for ever");
		stuck = WAITS;
	}
	if (host_lost())
		stuck = "The device is gone.";
	/* its numbers may be others by now */
	host_refresh();
	return !stuck && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Returns 1 for pass, 0 for failure, -1 for skip. */
static int run_test(const struct test *test, unsigned int variant)
{
	long pins = pinned();
	bool clean;
	int status;
	pid_t pid;

	skip_reason[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* A group, so that what the test forks ends with it. */
		setpgid(0, 0);
		/* Who ends the program with a signal ends the test, too. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_child(test, variant);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		note("cannot run the test");
		return 0;
	}
	kill(-pid, SIGKILL);

	clean = left_clean_in_time(pid, pins);
	if (WIFSIGNALED(status)) {
		note("ended by signal %d (%s)", WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
		return 0;
	}
	if (!clean)
		return 0;
	if (WEXITSTATUS(status) == EXIT_SKIP)
		return -1;
	return WEXITSTATUS(status) == 0;
}

/* Whether @name matches one of the globs, which are separated by '|'. */
static bool matches(const char *name, const char *globs)
{
	char *list = strdup(globs), *next = list, *glob;
	bool found = false;

	while (!found && (glob = strsep(&next, "|")))
		found = !fnmatch(glob, name, 0);
	free(list);
	return found;
}

static bool selected(const char *suite, const struct test *test, unsigned int variant)
{
	if (!(test->flags & variant))
		return false;
	if ((test->flags & REPEATS) && !knob("TCE_REPEATS", 0))
		return false;
	return !opt.glob ||
	       matches(test_name(suite, test, variant) + (opt.uid ? strlen(USER) : 0), opt.glob);
}

static const char usage[] =
	"usage: PROGRAM [--test GLOB|...] [--uid N] [--device PCI]\n";

static void parse(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (i + 1 < argc && !strcmp(argv[i], "--uid")) {
			opt.uid = strtoul(argv[++i], NULL, 0);
		} else if (i + 1 < argc && !strcmp(argv[i], "--device")) {
			opt.device = argv[++i];
		} else if (i + 1 < argc && !strcmp(argv[i], "--test")) {
			opt.glob = argv[++i];
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static unsigned int ran, passed, failed;

/* The selected tests */
static struct selection {
	const struct test *test;
	unsigned int variant;
} *selection;
static unsigned int planned;

static void select_tests(const char *suite, const struct test *tests, size_t count)
{
	size_t i, v;

	selection = calloc(count * 3, sizeof(*selection));
	for (i = 0; selection && i < count; i++)
		for (v = 0; v < sizeof(variants) / sizeof(*variants); v++)
			if (selected(suite, &tests[i], variants[v]))
				selection[planned++] = (struct selection){ &tests[i], variants[v] };
}

/* Whether the next test has its turn. */
static bool report_test(const char *suite, const struct selection *next)
{
	int result = run_test(next->test, next->variant);
	const char *name = test_name(suite, next->test, next->variant);

	ran++;
	if (result < 0) {
		printf("ok %u %s # SKIP %s\n", ran, name, skip_reason);
	} else if (result) {
		passed++;
		printf("ok %u %s\n", ran, name);
	} else {
		failed++;
		printf("not ok %u %s\n", ran, name);
	}
	if (stuck)
		printf("Bail out! %s\n", stuck);
	fflush(stdout);
	return !stuck;
}

static bool find_devices(void)
{
	host_init();
	if (!opt.device) {
		note("%s, %zuK pages, %d edu devices, %s", host.powernv ? "powernv" : "pseries",
		     host.page / 1024, host.devices,
		     host.other < 0 ? "one group" : "several groups");
		return true;
	}
	if (host_use(opt.device))
		return true;
	printf("Bail out! %s is not bound to vfio-pci.\n", opt.device);
	return false;
}

int run_tests(int argc, char **argv, const char *suite, const struct test *tests,
	      size_t count)
{
	unsigned int i;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	select_tests(suite, tests, count);
	/* What a test's processes leave behind is waited for here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* The script that runs this on its owner's host gives the device back. */
	if (opt.device)
		prctl(PR_SET_PDEATHSIG, SIGKILL);

	if (!planned) {
		printf("KTAP version 1\n1..0 # SKIP no such rows\n");
		return EXIT_SKIP;
	}
	printf("KTAP version 1\n1..%u\n", planned);
	fflush(stdout);
	if (!find_devices())
		return 2;
	for (i = 0; i < planned; i++)
		if (!report_test(suite, &selection[i]))
			return 1;

	printf("# %s: %u passed, %u failed, %u skipped of %u\n", suite, passed,
	       failed, ran - passed - failed, planned);
	/* A program of which nothing passed has proved nothing. */
	return failed ? 1 : passed ? 0 : EXIT_SKIP;
}
