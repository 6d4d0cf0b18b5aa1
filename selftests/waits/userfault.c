// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that never come.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waits.h"

int uffd;

/* Root lets everybody have them. */
void allow_userfaults(void)
{
	write_to("/proc/sys/vm/unprivileged_userfaultfd", "1");
}

void init_userfaults(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		skip("this host has no userfaultfd");
	expect_rc(0, __raw(uffd, UFFDIO_API, &api));
}

/* Takes what lies at @mem away, and lets everybody who wants it wait. */
void keep_back(uint8_t *mem, size_t size)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)mem, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	expect(!madvise(mem, size, MADV_DONTNEED));
	expect_rc(0, __raw(uffd, UFFDIO_REGISTER, &range));
}

/* Whether somebody asks for a page soon, and for which one. */
bool asked(struct uffd_msg *msg, int ms)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1 &&
	       read(uffd, msg, sizeof(*msg)) == sizeof(*msg) &&
	       msg->event == UFFD_EVENT_PAGEFAULT;
}

uint64_t page_of(const struct uffd_msg *msg)
{
	return msg->arg.pagefault.address & -(uint64_t)host.page;
}

void provide(uint64_t page)
{
	struct uffdio_zeropage zero = {
		.range = { .start = page, .len = host.page },
	};

	expect_rc(0, __raw(uffd, UFFDIO_ZEROPAGE, &zero));
}
