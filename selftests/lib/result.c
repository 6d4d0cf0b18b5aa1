// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bottom of the library: what a test says, and how it ends.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "result.h"

char *skip_reason;
#define REASON_SIZE	256

__attribute__((constructor))
static void share_reason(void)
{
	skip_reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		abort();
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(skip_reason, REASON_SIZE, fmt, ap);
	va_end(ap);
	_exit(EXIT_SKIP);
}

void fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# %s:%d: ", file, line);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

/* "0", "7", "EINVAL": the way in which results are spoken of. */
static const char *rc_name(long rc, char *buf, size_t size)
{
	const char *name = rc < 0 ? strerrorname_np(-rc) : NULL;

	if (name)
		snprintf(buf, size, "-%s", name);
	else
		snprintf(buf, size, "%ld", rc);
	return buf;
}

void fail_rc(const char *file, int line, const char *what, long want, long got)
{
	char a[32], b[32];

	fail(file, line, "%s returned %s, not %s", what,
	     rc_name(got, a, sizeof(a)), rc_name(want, b, sizeof(b)));
}
