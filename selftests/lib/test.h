/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test harness: a program is a table of tests, each of which runs in a child
 * process of its own, so that a crash, a hang or a leak fails one row and not
 * the rows after it. Results are KTAP on stdout.
 *
 * A test ends by returning (pass), by the first failed expectation, or by
 * skip(). There is no "expected failure": the table says what is correct.
 */
#ifndef SELFTESTS_TEST_H
#define SELFTESTS_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tce;

/* Which container the test finds ready: one row of the plan for each bit. */
#define V1		(1u << 0)	/* attached, SET_IOMMU(2) */
#define V2		(1u << 1)	/* attached, SET_IOMMU(7) */
#define BARE		(1u << 2)	/* nothing is open yet */
#define BOTH		(V1 | V2)
/* What else the test needs. Where it is missing the row is skipped. */
#define DMA		(1u << 3)	/* the device's DMA engine, opened */
#define TWO		(1u << 4)	/* a second device in another group */
#define POWERNV		(1u << 5)
#define PSERIES		(1u << 6)
/*
 * A driver with the defect that this row looks for corrupts the host's memory,
 * leaks pinned pages or trips a kernel warning. Such rows run after all others
 * (--safe, --dangerous), or each in a machine of its own (--test).
 */
#define DANGEROUS	(1u << 7)
/*
 * The row opens nothing and stays root: its clients are processes of their own
 * (spawn()), which have the rights of the tests' user. It may take devices from
 * vfio-pci; they are given back afterwards.
 */
#define APART		(1u << 8)

struct test {
	const char *name;		/* the behaviour that a pass proves */
	void (*run)(struct tce *t);
	unsigned int flags;
	unsigned int timeout;		/* seconds, 0 is the default */
};

int run_tests(int argc, char **argv, const char *suite,
	      const struct test *tests, size_t count);

#define TEST_MAIN(suite, tests)						\
int main(int argc, char **argv)						\
{									\
	return run_tests(argc, argv, suite, tests,			\
			 sizeof(tests) / sizeof((tests)[0]));		\
}

/*
 * A process of the row: it runs @run, as the tests' user if @client, as root if not,
 * and ends. Of what it leaves undone the row only knows that it did not end.
 */
pid_t spawn(bool client, void (*run)(void *arg), void *arg);
/* Whether it ended well within so many seconds. */
bool ends(pid_t pid, int seconds);
/* Whether it is still there. */
bool lives(pid_t pid);

/* Prints a KTAP diagnostic line. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
void fail_rc(const char *file, int line, const char *what, long want,
	     long got) __attribute__((noreturn));

/* Wrappers of ioctls return what the kernel did, or -errno. */
#define expect_rc(want, call) do {					\
	long want_ = (want), got_ = (call);				\
									\
	if (got_ != want_)						\
		fail_rc(__FILE__, __LINE__, #call, want_, got_);	\
} while (0)

#define expect(cond) do {						\
	if (!(cond))							\
		fail(__FILE__, __LINE__, "%s is not true", #cond);	\
} while (0)

#define expect_eq(want, got) do {					\
	unsigned long long want_ = (want), got_ = (got);		\
									\
	if (got_ != want_)						\
		fail(__FILE__, __LINE__,				\
		     "%s is %lld (%#llx), not %lld (%#llx)",		\
		     #got, got_, got_, want_, want_);			\
} while (0)

#endif
