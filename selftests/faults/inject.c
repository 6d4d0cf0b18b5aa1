// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the n-th allocation, or copy from or to user space, of this task fail.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

static int fail_nth;
bool copies_fail;

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		note("%s: %m", path);
	close(fd);
}

void need_faults(void)
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
		set(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose",
			 kinds[i]);
		set(path, "0");
	}
	set("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	copies_fail = !access(copies, F_OK);
	set("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

void arm(unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	/* The copy of this very argument may be the one that fails. */
	if (pwrite(fail_nth, buf, len, 0) != len &&
	    pwrite(fail_nth, buf, len, 0) != len)
		fail(__FILE__, __LINE__, "fail-nth: %m");
}

/* True if a fault was injected since arm(). */
bool disarm(void)
{
	char buf[16] = "1";

	/* If the answer can't be copied, that is what was made to fail. */
	if (pread(fail_nth, buf, sizeof(buf) - 1, 0) <= 0 &&
	    !(copies_fail && errno == EFAULT))
		fail(__FILE__, __LINE__, "fail-nth: %m");
	arm(0);
	return atoi(buf) == 0;
}
