// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes a device as a client would, maps memory for it and keeps it: what is
 * left then is for the kernel to clean up, by close or by SIGKILL.
 *
 * usage: hold PCI-ADDRESS 1|2 exit|wait
 *   exit   closes everything without a cleaning command and ends
 *   wait   says "holding" and waits to be killed
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

#define SIZE	(4 * MiB)

int main(int argc, char **argv)
{
	struct tce t;
	uint64_t start;
	uint8_t *mem;
	int version = argc == 4 ? atoi(argv[2]) : 0, fd;

	if (version < 1 || version > 2) {
		fprintf(stderr, "usage: %s PCI-ADDRESS 1|2 exit|wait\n", argv[0]);
		return 2;
	}
	host_init_quiet();
	if (!host_use(argv[1])) {
		fprintf(stderr, "%s is not bound to vfio-pci\n", argv[1]);
		return 2;
	}
	attach(&t, version);
	mem = alloc(SIZE, 64 * KiB);
	allow(&t, mem, SIZE);
	if (version == 2) {
		remove_window(t.container, t.info.dma32_window_start);
		create(t.container, 12, GiB, 1, &start);
	} else {
		start = t.info.dma32_window_start;
	}
	map(t.container, mem, start, SIZE, RW);
	map(t.container, mem, start + 64 * MiB, SIZE, R);
	fd = __raw(t.group, VFIO_GROUP_GET_DEVICE_FD, argv[1]);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-fd));
		return 1;
	}
	printf("holding %s: v%d, %llu KiB locked\n", argv[1], version,
	       (unsigned long long)locked() / 1024);
	fflush(stdout);
	if (!strcmp(argv[3], "wait"))
		pause();
	return 0;
}
