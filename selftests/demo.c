// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client of "make demo": uses a device through each version of the API and
 * reports every step with its figures, for a person to read. The exit code is 0
 * if every step is ok.
 *
 * usage: demo 1|2|answers
 *
 * The third makes three calls that a client may make, a line for each: what the loaded driver
 * says to it, whichever that is. For PowerNV
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tce.h"

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

/* Does the device write at @iova what it is sent from @from? Nothing else of it changes. */
static void writes(struct tce *t, const char *what, uint64_t iova, uint8_t *mem,
		   uint64_t from_iova, uint8_t *from, bool allowed)
{
	fill(mem, EDU_MAX, 7);
	fill(from, EDU_MAX, 8);
	edu_copy(&t->edu, from_iova, iova, EDU_MAX);
	step(filled(mem, EDU_MAX, allowed ? 8 : 7), what, "%s",
	     filled(mem, EDU_MAX, 7) ? "no byte changed" : "bytes changed");
}

static uint64_t own_window(struct tce *t)
{
	uint64_t before, start;

	command(__remove(t->container, t->info.dma32_window_start),
		"remove the default window", "it was not in use yet");
	before = locked();
	command(__create(t->container, 12, GiB, 1, &start), "create a window",
		"1 GiB of 4K pages");
	accounting("its table is charged", before);
	step(start == t->info.dma32_window_start, "it begins at", "%#llx",
	     (unsigned long long)start);
	return start;
}

/* What the device does with both pieces of memory, the second of which changes. */
static void transfers(struct tce *t, uint8_t *from, uint8_t *to, uint64_t base)
{
	uint64_t dest = base + CHUNK;

	writes(t, "device writes what it read", dest, to, base, from, true);
	command(__map(t->container, to, dest, CHUNK, R), "map again",
		"the destination, read-only");
	writes(t, "device writes read-only page", dest, to, base, from, false);
	command(__map(t->container, to, dest, CHUNK, RW), "map again",
		"the destination, read and write");
	writes(t, "device writes it", dest, to, base, from, true);
	command(__unmap(t->container, dest, CHUNK), "unmap", "the destination");
	writes(t, "device writes unmapped page", dest, to, base, from, false);
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

static const char *answer(long rc)
{
	return rc < 0 ? strerrorname_np(-rc) : "0";
}

/* A MAP over one that is there, of memory the second page of which is not registered */
static void failing_map(void)
{
	struct tce t = { .group2 = -1 };
	uint8_t *mem;
	long rc;

	attach(&t, 2);
	mem = alloc(2 * CHUNK, CHUNK);
	allow(&t, mem, CHUNK);
	bounce_at(&t, base(&t) - CHUNK);
	expect(!edu_open(&t.edu, t.group, 0));
	map(t.container, mem, base(&t), 8 * KiB, RW);
	expect(can_write(&t, base(&t), mem));
	rc = __map(t.container, mem + CHUNK - 4 * KiB, base(&t), 8 * KiB, RW);
	printf("%s, and what was mapped there is %s\n", answer(rc),
	       can_write(&t, base(&t), mem) ? "kept" : "lost");
	edu_close(&t.edu);
	detach(&t);
}

static void disable_of_mapped(void)
{
	struct tce t = { .group2 = -1 };
	uint8_t *mem;
	long pages;

	/* The last client's pages are given back by a worker. */
	expect(within(20, !pinned()));
	attach(&t, 1);
	mem = prepare_dma(&t, CHUNK);
	expect(!edu_open(&t.edu, t.group, 0));
	map(t.container, mem, base(&t), CHUNK, RW);
	disable(t.container);
	pages = pinned();
	printf("%ld pages stay pinned, and the device %s\n", pages,
	       can_write(&t, base(&t), mem) ? "writes to them" : "has no access");
	edu_close(&t.edu);
	detach(&t);
}

/*
 * The first level of this window's table has room for a larger window, so that the entry behind
 * the end is nobody else's memory.
 */
#define WINDOW	(2 * MiB)

static void map_past_end(void)
{
	struct tce t = { .group2 = -1 };
	uint64_t start;
	uint8_t *mem;
	long rc;

	attach(&t, 2);
	mem = alloc(2 * CHUNK, CHUNK);
	allow(&t, mem, CHUNK);
	remove_window(t.container, t.info.dma32_window_start);
	create(t.container, 12, WINDOW, 2, &start);
	rc = __map(t.container, mem, start + WINDOW - 4 * KiB, 8 * KiB, RW);
	printf("%s, and an entry behind the end is %swritten\n", answer(rc), rc ? "not " : "");
	/* One that fails takes both away, where UNMAP would be refused. */
	expect(__map(t.container, mem + CHUNK - 8 * KiB, start + WINDOW - 4 * KiB, 12 * KiB,
		     RW));
	detach(&t);
}

int main(int argc, char **argv)
{
	bool answers = argc == 2 && !strcmp(argv[1], "answers");
	int version = argc == 2 ? atoi(argv[1]) : 0;

	if (!answers && version != 1 && version != 2) {
		fprintf(stderr, "usage: %s 1|2|answers\n", argv[0]);
		return 2;
	}
	host_init();
	if (answers) {
		failing_map();
		disable_of_mapped();
		map_past_end();
	} else {
		demo(version);
	}
	return failures ? 1 : 0;
}
