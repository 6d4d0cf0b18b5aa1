// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's log is told.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

/* How many messages of the driver are in the kernel's log, from here on. */
static int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static unsigned int kmsg_count(int fd)
{
	unsigned int count = 0;
	char line[2048];
	ssize_t len;

	while ((len = read(fd, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		if (strstr(line, "tce"))
			count++;
	}
	return count;
}

/* A client may be refused as often as he likes; nobody has to read of it. */
static void quiet(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	uint64_t at = t->info.dma32_window_start, start;
	int c = t->container, log, i;
	unsigned int count;

	if (geteuid())
		skip("the log is for root to read");
	log = kmsg_open();
	if (log < 0)
		skip("this kernel has no /dev/kmsg");
	allow(t, mem, 64 * KiB);
	for (i = 0; i < 200; i++) {
		expect(__map(c, NULL, at, 64 * KiB, RW) < 0);
		expect(__map(c, mem, at + 1, 64 * KiB, RW) < 0);
		expect(__map(c, mem, -4096ULL, 64 * KiB, RW) < 0);
		expect(__unmap(c, -4096ULL, 4096) < 0);
		expect(__set_container(t->group, c) < 0);
		expect(__set_iommu(c, 99) < 0);
		if (t->version == 2) {
			expect(__register(c, NULL, -1) < 0);
			expect(__register(c, mem, 64 * KiB) < 0);
			expect(__unregister(c, mem, 4096) < 0);
			expect(__create(c, 13, GiB, 1, &start) < 0);
			expect(__create(c, 12, GiB, 100, &start) < 0);
			expect(__remove(c, 12345) < 0);
		} else {
			expect(__enable(c) < 0);
		}
	}
	count = kmsg_count(log);
	note("%u messages", count);
	expect(count <= 10);
}

/*
 * The platform tells of each window that comes or goes, as often as it may. We don't.
 */
static void windows_told(struct tce *t)
{
	unsigned int told = 0, ours = 0;
	struct timespec begin, end;
	const int cycles = 100;
	char line[2048];
	uint64_t start;
	ssize_t len;
	double took;
	int log, i;

	if (geteuid())
		skip("the log is for root to read");
	log = kmsg_open();
	if (log < 0)
		skip("this kernel has no /dev/kmsg");
	remove_window(t->container, t->info.dma32_window_start);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < cycles; i++) {
		create(t->container, 12, 256 * MiB, 1, &start);
		remove_window(t->container, start);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9;
	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		told++;
		if (strstr(line, ";vfio_iommu_spapr_tce:"))
			ours++;
	}
	/* Else some were lost, and this is no count. */
	expect(len < 0 && errno == EAGAIN);
	note("%.1f lines a cycle from the platform, %.0f cycles a second",
	     (double)(told - ours) / cycles, cycles / took);
	expect_eq(0, ours);
}

static const struct test rows[] = {
	{ "a client who is refused does not fill the log", quiet, BOTH },
	{ "windows that come and go are not told to the log by us",
	  windows_told, V2 },
};

const struct rows log_rows = ROWS(rows);
