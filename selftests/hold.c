// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes a device as a client would, maps memory for it and keeps it: what is
 * left then is for the kernel to clean up, by close or by SIGKILL.
 *
 * usage: hold PCI-ADDRESS 1|2 exit|wait|lose|idle
 *   exit   closes everything without a cleaning command and ends
 *   wait   says "holding" and waits to be killed
 *   lose   says "holding" with the device's file not open, maps and unmaps, and ends
 *          when the group was taken from it
 *   idle   as wait, but maps nothing: where the platform has no window for clients
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tce.h"

#define SIZE	(4 * MiB)

static struct tce t;
static uint8_t *mem;
static uint64_t start;

/*
 * The kernel may take a group away from a container, whose driver then goes, too: for
 * a moment there is no window, then no driver.
 */
static int lose(void)
{
	long rc;
	int i;

	do {
		rc = __map(t.container, mem, start, SIZE, RW);
		if (!rc)
			rc = __unmap(t.container, start, SIZE);
	} while (!rc || rc == -ENXIO);
	for (i = 0; i < 500 && locked(); i++)
		nap(10);
	printf("lost the group: %s, %llu KiB locked\n", strerrorname_np(-rc),
	       (unsigned long long)locked() / 1024);
	return rc == -EINVAL && !locked() ? 0 : 1;
}

/* In a thread that ends: what root reads is about the process. */
static void *map_some(void *unused)
{
	start = t.info.dma32_window_start;
	allow(&t, mem, SIZE);
	if (t.version == 2) {
		remove_window(t.container, start);
		create(t.container, 12, GiB, 1, &start);
	}
	map(t.container, mem, start, SIZE, RW);
	map(t.container, mem, start + 64 * MiB, SIZE, R);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int version = argc == 4 ? atoi(argv[2]) : 0, fd;

	if (version < 1 || version > 2) {
		fprintf(stderr, "usage: %s PCI-ADDRESS 1|2 exit|wait|lose|idle\n", argv[0]);
		return 2;
	}
	host_init();
	if (!host_use(argv[1])) {
		fprintf(stderr, "%s is not bound to vfio-pci\n", argv[1]);
		return 2;
	}
	attach(&t, version);
	mem = alloc(SIZE, 64 * KiB);
	if (strcmp(argv[3], "idle")) {
		expect(!pthread_create(&thread, NULL, map_some, NULL));
		pthread_join(thread, NULL);
	}
	if (strcmp(argv[3], "lose")) {
		fd = __raw(t.group, VFIO_GROUP_GET_DEVICE_FD, argv[1]);
		if (fd < 0) {
			fprintf(stderr, "%s: %s\n", argv[1], strerror(-fd));
			return 1;
		}
	}
	printf("holding %s: v%d, %llu KiB locked\n", argv[1], version,
	       (unsigned long long)locked() / 1024);
	fflush(stdout);
	if (!strcmp(argv[3], "wait") || !strcmp(argv[3], "idle"))
		pause();
	if (!strcmp(argv[3], "lose"))
		return lose();
	return 0;
}
