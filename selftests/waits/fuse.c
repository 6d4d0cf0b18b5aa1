// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server of FUSE, as small as it can be: its root is a file, which anybody may open and
 * map. It answers all but READ.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse.h"
#include "test.h"

#define FILE_SIZE	MiB

int fuse_mount(const char *path)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), file;
	char options[100];

	if (fd < 0)
		skip("this host has no FUSE");
	/* what a row that failed has left */
	umount2(path, MNT_DETACH);
	file = open(path, O_CREAT | O_RDWR, 0600);
	expect(file >= 0);
	close(file);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fd,
		 S_IFREG | 0666);
	expect(!mount("fuse", path, "fuse", 0, options));
	return fd;
}

void fuse_umount(const char *path)
{
	expect(!umount2(path, MNT_DETACH));
	unlink(path);
}

void fuse_abort(const char *path)
{
	static const char control[] = "/sys/fs/fuse/connections";
	char abort[100];
	struct stat st;

	expect(!stat(path, &st));
	expect(!mount("fusectl", control, "fusectl", 0, NULL));
	snprintf(abort, sizeof(abort), "%s/%u/abort", control, minor(st.st_dev));
	expect_rc(0, write_to(abort, "1"));
	expect(!umount2(control, 0));
}

static void answer(int fd, const struct fuse_in_header *in, int error,
		   const void *what, size_t size)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + size,
		.error = error,
		.unique = in->unique,
	};
	const struct iovec parts[] = {
		{ &out, sizeof(out) }, { (void *)what, size },
	};

	/* who has asked may be gone */
	expect(writev(fd, parts, 2) == (ssize_t)out.len || errno == ENOENT);
}

void fuse_serve(int fd, void (*asked)(void))
{
	static const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};
	static const struct fuse_open_out opened;
	static union {
		struct fuse_in_header in;
		char bytes[128 * KiB];
	} request;
	struct fuse_attr_out attr = {
		.attr = {
			.ino = FUSE_ROOT_ID,
			.mode = S_IFREG | 0666,
			.size = FILE_SIZE,
			.nlink = 1,
		},
	};

	for (;;) {
		ssize_t n = read(fd, &request, sizeof(request));

		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		/* aborted */
		if (n < (ssize_t)sizeof(request.in))
			_exit(0);
		switch (request.in.opcode) {
		case FUSE_INIT:
			answer(fd, &request.in, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			answer(fd, &request.in, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			answer(fd, &request.in, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			asked();
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fd, &request.in, -EOPNOTSUPP, NULL, 0);
		}
	}
}
