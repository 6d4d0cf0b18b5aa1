/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test harness: a program is a table of tests, each of which runs in a child
 * process of its own, so that a crash, a hang or a leak fails one test and not
 * the tests after it. Results are KTAP on stdout.
 *
 * A test ends by returning (pass), by the first failed expectation, or by
 * skip(). There is no "expected failure": the table says what is correct.
 */
#ifndef SELFTESTS_TEST_H
#define SELFTESTS_TEST_H

#include <sys/types.h>

#include "tce.h"

/* Which container the test finds ready: one test of the plan for each bit. */
#define V1		(1u << 0)	/* attached, SET_IOMMU(2) */
#define V2		(1u << 1)	/* attached, SET_IOMMU(7) */
#define BARE		(1u << 2)	/* nothing is open yet */
#define BOTH		(V1 | V2)
/* What else the test needs. Where it is missing the test is skipped. */
#define DMA		(1u << 3)	/* the device's DMA engine, opened */
#define TWO		(1u << 4)	/* a second device in another group */
#define POWERNV		(1u << 5)
/*
 * The test opens nothing and stays root: its clients are processes of their own
 * (spawn()), which have the rights of the tests' user. It may take devices from
 * vfio-pci; they are given back afterwards.
 */
#define APART		(1u << 6)
/* For a device that writes all the time: scripts/nightly/wrong-modules has one (TCE_REPEATS=1). */
#define REPEATS		(1u << 7)

struct test {
	const char *name;		/* the behaviour that a pass proves */
	void (*run)(struct tce *t);
	unsigned int flags;
	unsigned int timeout;		/* seconds, 0 is the default */
	unsigned int arg;		/* which of several tests that one function has */
};

int run_tests(int argc, char **argv, const char *suite, const struct test *tests,
	      size_t count);

/* A figure that the environment may change. All tests may take TCE_PATIENCE times as long. */
uint64_t knob(const char *name, uint64_t usual);
/* What random numbers begin with: TCE_SEED, or 1. The test says which. */
uint64_t seed_of_run(void);

/* For what unloads the driver: skips where it is a part of the kernel. */
void needs_module(void);

#define TEST_MAIN(suite, tests)						\
int main(int argc, char **argv)						\
{									\
	return run_tests(argc, argv, suite, tests,			\
			 sizeof(tests) / sizeof((tests)[0]));		\
}

/*
 * A process of the test: it runs @run, as the tests' user if @client, as root if not,
 * and ends. Of what it leaves undone the test only knows that it did not end.
 */
pid_t spawn(bool client, void (*run)(void *arg), void *arg);
/* Whether it ended well within so many seconds. */
bool ends(pid_t pid, int seconds);
/* Whether it is still there. */
bool lives(pid_t pid);
/* Kills a child that is to live until then. */
void kill_child(pid_t pid);
/* The calling thread, and what it forks, runs on no other CPU. */
void stay_on(int cpu);

#endif
