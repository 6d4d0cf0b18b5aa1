// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may call: the process that the container is bound to.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

/*
 * Windows, enabling and registered memory belong to the process that bound the
 * container to its address space. Another one that inherited the fd is refused
 * everything but the question what the container can do.
 */
static void from_other_process(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_spapr_tce_info info;
	uint64_t start, before;
	int c = t->container, status;
	pid_t pid;

	allow(t, mem, 64 * KiB);
	map(c, mem, t->info.dma32_window_start, 64 * KiB, RW);
	before = locked();

	pid = fork();
	if (!pid) {
		expect_rc(1, __check_extension(c, V2_IOMMU));
		expect_rc(-EPERM, __get_info(c, &info));
		expect_rc(-EPERM, __map(c, mem, 0, 64 * KiB, RW));
		expect_rc(-EPERM, __unmap(c, t->info.dma32_window_start,
					  64 * KiB));
		if (t->version == 1) {
			expect_rc(-EPERM, __enable(c));
			expect_rc(-EPERM, __disable(c));
		} else {
			expect_rc(-EPERM, __register(c, mem, 64 * KiB));
			expect_rc(-EPERM, __unregister(c, mem, 64 * KiB));
			expect_rc(-EPERM, __create(c, 12, GiB, 1, &start));
			expect_rc(-EPERM, __remove(c, 0));
		}
		expect_rc(-EPERM, __eeh(c, VFIO_EEH_PE_GET_STATE));
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	expect_eq(before, locked());
	unmap(c, t->info.dma32_window_start, 64 * KiB);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	expect(recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	expect(sendmsg(socket, &msg, 0) == 1);
}

/*
 * A process that was sent the container can't have the device reach memory of its
 * own, which is at the same address, nor take the owner's away from it.
 */
static void over_a_socket(struct tce *t)
{
	uint64_t at = t->info.dma32_window_start + 32 * MiB;
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	int pair[2], status, c;
	pid_t pid;

	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	allow(t, mem, 64 * KiB);
	bounce_at(t, at - 64 * KiB);
	map(t->container, mem, at, 64 * KiB, RW);

	pid = fork();
	if (!pid) {
		close(t->container);
		c = receive_fd(pair[1]);
		memset(mem, 0x5a, 64 * KiB);
		if (t->version == 2)
			expect_rc(-EPERM, __register(c, mem, 64 * KiB));
		else
			expect_rc(-EPERM, __enable(c));
		expect_rc(-EPERM, __map(c, mem, at, 64 * KiB, RW));
		expect_rc(-EPERM, __map(c, mem, at + MiB, 64 * KiB, RW));
		expect_rc(-EPERM, __unmap(c, at, 64 * KiB));
		_exit(0);
	}
	send_fd(pair[0], t->container);
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	expect(can_write(t, at, mem));
	expect(can_read(t, at, mem));
	expect(!can_read(t, at + MiB, mem));
}

/* Before anything is bound a container may be prepared here and used there. */
static void handed_over(struct tce *t)
{
	struct vfio_iommu_spapr_tce_info info;
	int c = t->container, status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		uint8_t *mem = alloc(64 * KiB, 64 * KiB);
		struct tce child = *t;

		get_info(c, &info);
		allow(&child, mem, 64 * KiB);
		map(c, mem, t->info.dma32_window_start, 64 * KiB, RW);
		unmap(c, t->info.dma32_window_start, 64 * KiB);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	/* Now it is bound, though its owner is gone. */
	expect_rc(-EPERM, __get_info(c, &info));
}

static const struct test rows[] = {
	{ "another process is refused with EPERM and changes nothing",
	  from_other_process, BOTH },
	{ "a container passed over a socket obeys its owner only", over_a_socket,
	  BOTH | DMA },
	{ "a container that is not bound yet can be handed to another process",
	  handed_over, BOTH },
};

const struct rows owner_rows = ROWS(rows);
