// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client of "make demo": uses a device through each version of the API and
 * reports every step with its figures, for a person to read. The exit code is 0
 * if every step is ok.
 *
 * usage: demo 1|2
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tce.h"

#define CHUNK	(64 * KiB)

static int failures;

static void step(bool ok, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void step(bool ok, const char *what, const char *fmt, ...)
{
	char figure[80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(figure, sizeof(figure), fmt, ap);
	va_end(ap);
	printf("   %-30s %-42s %s\n", what, figure, ok ? "ok" : "FAILED");
	fflush(stdout);
	failures += !ok;
}

/* A step that is a command: goes on only if it worked. */
static void command(long rc, const char *what, const char *figure)
{
	step(!rc, what, "%s", rc ? strerrorname_np(-rc) : figure);
	if (rc)
		exit(1);
}

static void accounting(const char *what, uint64_t before)
{
	uint64_t now = locked();

	step(now != before, what, "locked memory %llu -> %llu KiB",
	     (unsigned long long)before / 1024,
	     (unsigned long long)now / 1024);
}

static size_t equal_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
	size_t i, equal = 0;

	for (i = 0; i < size; i++)
		equal += a[i] == b[i];
	return equal;
}

/* Tells the device to write at @iova what it is sent from @from. */
static size_t changed_by_device(struct tce *t, uint64_t iova, uint8_t *mem,
				uint64_t from_iova, uint8_t *from)
{
	uint8_t before[EDU_MAX];

	fill(mem, EDU_MAX, 7);
	memcpy(before, mem, EDU_MAX);
	fill(from, EDU_MAX, 8);
	edu_copy(&t->edu, from_iova, iova, EDU_MAX);
	return EDU_MAX - equal_bytes(before, mem, EDU_MAX);
}

static uint64_t own_window(struct tce *t)
{
	const uint64_t size = GiB;
	uint64_t before, start;
	char figure[80];

	command(__remove(t->container, t->info.dma32_window_start),
		"remove the default window", "it was not in use yet");
	before = locked();
	command(__create(t->container, 12, size, 1, &start), "create a window",
		"1 GiB of 4K pages");
	snprintf(figure, sizeof(figure), "its table, %llu KiB",
		 (unsigned long long)(locked() - before) / 1024);
	accounting(figure, before);
	step(start == t->info.dma32_window_start, "it begins at", "%#llx",
	     (unsigned long long)start);
	return start;
}

/* What the device does with both pieces of memory, the second of which changes. */
static void transfers(struct tce *t, uint8_t *from, uint8_t *to, uint64_t base)
{
	size_t equal;

	fill(from, EDU_MAX, 1);
	edu_copy(&t->edu, base, base + CHUNK, EDU_MAX);
	equal = equal_bytes(from, to, EDU_MAX);
	step(equal == EDU_MAX, "memory, device, memory",
	     "%zu of %d bytes equal", equal, EDU_MAX);

	command(__map(t->container, to, base + CHUNK, CHUNK, R),
		"map again", "the destination, read-only");
	equal = changed_by_device(t, base + CHUNK, to, base, from);
	step(!equal, "device writes read-only page", "%zu of %d bytes changed",
	     equal, EDU_MAX);

	command(__map(t->container, to, base + CHUNK, CHUNK, RW),
		"map again", "the destination, read and write");
	equal = changed_by_device(t, base + CHUNK, to, base, from);
	step(equal > EDU_MAX / 2 && filled(to, EDU_MAX, 8), "device writes it",
	     "%zu of %d bytes changed", equal, EDU_MAX);

	command(__unmap(t->container, base + CHUNK, CHUNK), "unmap",
		"the destination");
	equal = changed_by_device(t, base + CHUNK, to, base, from);
	step(!equal, "device writes unmapped page", "%zu of %d bytes changed",
	     equal, EDU_MAX);
}

static void demo(int version)
{
	uint64_t base, begun = locked(), before;
	struct tce t = { .group2 = -1 };
	uint8_t *from, *to;

	attach(&t, version);
	step(true, "container and group", "group %d, type %d",
	     host.device[0].group, version == 1 ? V1_IOMMU : V2_IOMMU);
	step(t.info.dma32_window_size, "default window", "%#llx..%#llx",
	     (unsigned long long)t.info.dma32_window_start,
	     (unsigned long long)t.info.dma32_window_start +
	     t.info.dma32_window_size - 1);
	if (version == 2)
		step(t.info.ddw.pgsizes, "dynamic windows",
		     "%u, %u levels, page sizes %#llx",
		     t.info.ddw.max_dynamic_windows_supported,
		     t.info.ddw.levels, t.info.ddw.pgsizes);

	from = alloc(2 * CHUNK, CHUNK);
	to = from + CHUNK;
	before = locked();
	if (version == 1) {
		command(__enable(t.container), "enable", "a whole window");
		accounting("it is charged", before);
		base = t.info.dma32_window_start;
	} else {
		command(__register(t.container, from, 2 * CHUNK),
			"register memory", "128 KiB");
		accounting("it is charged", before);
		base = own_window(&t);
	}
	base += 16 * MiB;

	command(edu_open(&t.edu, t.group, 0), "device", host.device[0].pci);
	before = locked();
	command(__map(t.container, from, base, CHUNK, RW), "map source",
		"64 KiB, read and write");
	command(__map(t.container, to, base + CHUNK, CHUNK, RW),
		"map destination", "64 KiB, read and write");
	/* v1 makes its table now. */
	if (version == 1)
		accounting("the table is charged", before);

	transfers(&t, from, to, base);

	/* No more commands: what is left must go by itself. */
	edu_close(&t.edu);
	detach(&t);
	step(locked() == begun, "close", "locked memory back at %llu KiB",
	     (unsigned long long)locked() / 1024);
}

int main(int argc, char **argv)
{
	int version = argc == 2 ? atoi(argv[1]) : 0;

	if (version != 1 && version != 2) {
		fprintf(stderr, "usage: %s 1|2\n", argv[0]);
		return 2;
	}
	host_init();
	demo(version);
	return failures ? 1 : 0;
}
