// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a disk free? Opens it as those do who want it for themselves (ZFS, btrfs, md,
 * the device mapper), which no mount tells of.
 *
 * usage: exclusive FILE
 *
 * Exit codes: 0 it is free, 1 somebody has it, 2 it can't be told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	if (open(argv[1], O_RDONLY | O_EXCL | O_CLOEXEC) >= 0)
		return 0;
	fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
	return errno == EBUSY ? 1 : 2;
}
