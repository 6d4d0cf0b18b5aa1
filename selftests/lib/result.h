/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test says, and how it ends: by the first failed expectation, or by skip().
 */
#ifndef SELFTESTS_RESULT_H
#define SELFTESTS_RESULT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXIT_SKIP	4		/* as in the kernel's selftests */

/* Why the last process skipped its test: shared by all of them, and may be emptied. */
extern char *skip_reason;

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
