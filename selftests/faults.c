// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every memory allocation of a command, and where the kernel can do that every
 * copy from or to user space, fails once: the first one, then the second one,
 * until the command needs no more. Each time the command must fail cleanly or get
 * along without, and afterwards it must work.
 *
 * KUnit's suite tce_failure does so with all commands. Here are those for which the platform, the
 * VFIO core or the loader of modules allocates.
 *
 * Needs a kernel with CONFIG_FAULT_INJECTION (fail-nth of each task) and root.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* No command needs so many allocations. */
#define MANY	2000
#define SIZE	(4 * MiB)

static int fail_nth;
/* Copies from and to user space can fail as well. */
static bool copies_fail;

/* Skips the test where the kernel has no fault injection. */
static void need_faults(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	static const char copies[] = "/sys/kernel/debug/fail_usercopy";
	char path[80];
	size_t i;

	if (geteuid())
		skip("needs root");
	fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		skip("this kernel has no fault injection");
	for (i = 0; i < 2; i++) {
		/* Also what may sleep, pages of every order, without a trace. */
		snprintf(path, sizeof(path),
			 "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		expect_rc(0, write_to(path, "N"));
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose",
			 kinds[i]);
		expect_rc(0, write_to(path, "0"));
	}
	expect_rc(0, write_to("/sys/kernel/debug/fail_page_alloc/min-order", "0"));
	copies_fail = !access(copies, F_OK);
	if (copies_fail)
		expect_rc(0, write_to("/sys/kernel/debug/fail_usercopy/verbose", "0"));
}

/* Makes the @n-th allocation, or copy, of this task fail from now on; 0: none. */
static void arm(unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	/* The copy of this very argument may be the one that fails. */
	if (pwrite(fail_nth, buf, len, 0) != len &&
	    pwrite(fail_nth, buf, len, 0) != len)
		fail(__FILE__, __LINE__, "fail-nth: %m");
}

/* True if a fault was injected since arm(). */
static bool disarm(void)
{
	char buf[16] = "1";

	/* If the answer can't be copied, that is what was made to fail. */
	if (pread(fail_nth, buf, sizeof(buf) - 1, 0) <= 0 &&
	    !(copies_fail && errno == EFAULT))
		fail(__FILE__, __LINE__, "fail-nth: %m");
	arm(0);
	return atoi(buf) == 0;
}

static uint8_t *mem;

/* A command each of whose allocations fails once */
static struct {
	const char *what;
	bool may_fail;			/* what releases must always work */
	unsigned int n, failed;
	uint64_t before;
	long rc;			/* of the last call */
} faults;

static void begin(const char *what, bool may_fail)
{
	faults = (typeof(faults)){ what, may_fail, .n = 1, .before = locked() };
	arm(1);
}

/* What came of a call: false if there was no allocation left to fail. */
static bool had_fault(long rc)
{
	faults.rc = rc;
	if (!disarm()) {
		if (rc)
			fail_rc(__FILE__, __LINE__, faults.what, 0, rc);
		note("%s: %u allocations, failed %u times", faults.what, faults.n - 1,
		     faults.failed);
		/* else nothing was tried */
		expect(faults.failed || !faults.may_fail);
		return false;
	}
	/* An argument that can't be read is nobody's fault. */
	if (rc && !faults.may_fail && !(copies_fail && rc == -EFAULT))
		fail_rc(__FILE__, __LINE__, faults.what, 0, rc);
	if (rc && rc != -ENOMEM && rc != -EFAULT && rc != -EAGAIN)
		fail_rc(__FILE__, __LINE__, faults.what, -ENOMEM, rc);
	if (rc && locked() != faults.before)
		fail(__FILE__, __LINE__, "%s: failure %u leaves %lld bytes locked",
		     faults.what, faults.n, (long long)(locked() - faults.before));
	faults.failed += !!rc;
	if (++faults.n == MANY)
		fail(__FILE__, __LINE__, "%s: there is no end of allocations", faults.what);
	return true;
}

/*
 * Makes @call with each of its allocations failing. After each time, but not after the last, with
 * which none fails, comes what brings the state back in which it needs all allocations.
 */
#define each(what, may_fail, call) \
	for (begin(what, may_fail); had_fault(call); arm(faults.n))

static long do_attach(struct tce *t)
{
	return __set_iommu(t->container, t->version == 1 ? V1_IOMMU : V2_IOMMU);
}

static void undo_attach(struct tce *t)
{
	unset_container(t->group);
	set_container(t->group, t->container);
}

static long do_allow(struct tce *t)
{
	return t->version == 1 ? __enable(t->container) :
	       __register(t->container, mem, SIZE);
}

static void undo_allow(struct tce *t)
{
	if (t->version == 1)
		disable(t->container);
	else
		unregister_mem(t->container, mem, SIZE);
}

static void do_map(struct tce *t)
{
	map(t->container, mem, base(t), SIZE, RW);
}

static void prepare(void)
{
	need_faults();
	mem = alloc(SIZE, CHUNK);
}

/* The first use makes the default window, which is undone with all else. */
static void undo_first(struct tce *t)
{
	undo_attach(t);
	expect_rc(0, do_attach(t));
	expect_rc(0, do_allow(t));
}

/* What a group that is not in use takes along */
static void open_again(struct tce *t)
{
	t->group = open_group(0);
	set_container(t->group, t->container);
	expect_rc(0, do_attach(t));
	expect_rc(0, do_allow(t));
	do_map(t);
}

static void lifetime(struct tce *t)
{
	long pins;

	prepare();
	pins = pinned();
	undo_attach(t);
	each("SET_IOMMU", true, do_attach(t))
		if (!faults.rc)
			undo_attach(t);
	each(t->version == 1 ? "ENABLE" : "REGISTER", true, do_allow(t))
		if (!faults.rc)
			undo_allow(t);
	each("the default window", true, __unmap(t->container, base(t), CHUNK))
		if (!faults.rc)
			undo_first(t);
	do_map(t);
	/* windows, regions and pins go with the last group */
	each("close", false, close(t->group))
		open_again(t);
	expect_rc(pins, pinned_settled(pins));
}

/*
 * Levels of a sparse table come into being with MAP, and that can fail. Those
 * that did stay, so each attempt needs a new window.
 */
static void sparse(struct tce *t)
{
	int c = t->container;
	uint64_t start;

	prepare();
	expect_rc(0, do_allow(t));
	remove_window(c, t->info.dma32_window_start);
	create(c, 12, 1ULL << 40, 3, &start);
	each("MAP into a sparse table", true, __map(c, mem, start + 16 * MiB, SIZE, RW)) {
		remove_window(c, start);
		create(c, 12, 1ULL << 40, 3, &start);
	}
	remove_window(c, start);
	each("CREATE", true, __create(c, 12, 1ULL << 40, 3, &start))
		if (!faults.rc)
			remove_window(c, start);
	remove_window(c, start);
	undo_allow(t);
}

/*
 * A host that gets its group back may have no memory for a window of its own. PowerNV then
 * turns the bypass on all the same, by which the device reaches all memory of the host at
 * 1 << 59, and from Linux 6.4 on leaves it on when the next client comes. Whatever failed,
 * that client's device reaches nothing but what it maps.
 *
 * The device is driven by its BAR in sysfs, so that nothing resets it in between.
 */

#define BYPASS	(1ULL << 59)

static struct edu edu;
/* A page that nobody registers, and its real address */
static uint8_t *secret;
static uint64_t real;
static unsigned int seed = 1;

/* The device reads the page, in both ways that a host has. */
static void look(void)
{
	fill(secret, PROBE, ++seed);
	/* after a fork it is another one */
	real = real_address(secret);
	expect(real);
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

/* The client leaves in order. True if allocation @n of that was there to fail. */
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

static void each_failure(void *functions)
{
	char which[200] = "";
	unsigned int n = 0;
	bool injected;

	need_faults();
	do {
		expect(++n < MANY);
		injected = leaves(n);
		if (client_reaches())
			snprintf(which + strlen(which), sizeof(which) - strlen(which),
				 " %u", n);
	} while (injected);
	if (which[0])
		fail(__FILE__, __LINE__,
		     "the next client reaches the host's memory if one of these allocations fails:%s",
		     which);
	note("%s: %u allocations, none lets the next client reach the host's memory",
	     (char *)functions, n - 1);
}

/*
 * The platform gives a group back once for each of its functions, and may try again so: there are
 * two of them, and then one.
 */
static void bypass(struct tce *t)
{
	int status;
	pid_t pid;

	need_faults();
	detach(t);
	secret = alloc(host.page, host.page);
	expect(!mlock(secret, host.page));
	expect_rc(0, edu_open_host(&edu, 0));
	if (!host_reaches())
		fail(__FILE__, __LINE__, "the host's bypass does not work: nothing can be seen");
	each_failure("two functions");
	expect(host_second(0, false));
	pid = spawn(false, each_failure, "one function");
	expect(waitpid(pid, &status, 0) == pid);
	/* however that ended */
	expect(host_second(0, true));
	expect(WIFEXITED(status) && !WEXITSTATUS(status));
}

#define DRIVER	"vfio_iommu_spapr_tce"
#define LOADS	48	/* more than its start has allocations */

/*
 * The driver does not load because one of its start's allocations fails, or it can do without that
 * one. Then it works, and in either case it can be loaded again.
 */
static void loading(struct tce *t)
{
	unsigned int nth, failed = 0;
	char number[16];

	needs_module();
	need_faults();
	/* an allocation of pages can fail without that of the object, which then takes fewer */
	expect_rc(0, write_to("/sys/kernel/debug/fail_page_alloc/min-order", "99"));
	expect_rc(0, system("insmod /selftests/fail_load.ko which=" DRIVER));
	for (nth = 0; nth <= LOADS; nth++) {
		expect_rc(0, syscall(SYS_delete_module, DRIVER, O_NONBLOCK));
		/* modprobe of busybox tries twice, so that what failed can be hidden */
		expect(access("/sys/kernel/debug/" DRIVER, F_OK));
		snprintf(number, sizeof(number), "%u", nth);
		expect(write_to("/sys/module/fail_load/parameters/nth", number) >= 0);
		if (!system("modprobe " DRIVER " 2>/dev/null")) {
			attach(t, 1 + nth % 2);
			detach(t);
			continue;
		}
		failed++;
		expect(access("/sys/module/" DRIVER, F_OK));
		expect(access("/sys/kernel/debug/" DRIVER, F_OK));
		expect(write_to("/sys/module/fail_load/parameters/nth", "0") >= 0);
		expect_rc(0, system("modprobe " DRIVER));
	}
	expect_rc(0, system("rmmod fail_load"));
	note("%u of %u loads failed", failed, LOADS);
	/* the workqueue, and what the core remembers the driver by */
	expect(failed >= 2 && failed < LOADS);
}

static const struct test tests[] = {
	{ "attaching, allowing memory, the first window, and close", lifetime,
	  BOTH | POWERNV },
	{ "sparse tables", sparse, V2 | POWERNV },
	{ "after a failed give-back the next client reaches its own windows only", bypass,
	  V2 | POWERNV, 480 },
	{ "loading that fails midway", loading, BARE | APART },
};

TEST_MAIN("faults", tests)
