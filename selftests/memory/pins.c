// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the pages are that are pinned, and until when.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

static void pins(struct tce *t)
{
	const long pages = 4 * MiB / host.page;
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	long before = pinned();

	if (before < 0)
		skip("this kernel does not count pinned pages");
	register_mem(t->container, mem, 4 * MiB);
	expect_rc(before + pages, pinned_settled(before + pages));
	map(t->container, mem, base(t), 4 * MiB, RW);
	expect_rc(before + pages, pinned_settled(before + pages));
	unmap(t->container, base(t), 4 * MiB);
	unregister_mem(t->container, mem, 4 * MiB);
	expect_rc(before, pinned_settled(before));
}

/* The number after @key in @line; false if it is not there. */
static bool number_after(const char *line, const char *key, uint64_t *number)
{
	const char *at = strstr(line, key);

	if (at)
		*number = strtoull(at + strlen(key), NULL, 10);
	return at;
}

/* Memory that the system wants to be able to empty, in pages: [start, end). */
static void movable_zone(uint64_t *start, uint64_t *end)
{
	uint64_t spanned = 0;
	bool movable = false;
	char line[256];
	FILE *f = fopen("/proc/zoneinfo", "r");

	*start = *end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Node", 4))
			movable = strstr(line, "zone  Movable") != NULL;
		if (!movable)
			continue;
		number_after(line, "spanned", &spanned);
		if (number_after(line, "start_pfn:", start))
			*end = *start + spanned;
	}
	if (f)
		fclose(f);
}

/* How many of the pages of @mem are there; -1 if the kernel doesn't tell. */
static long pages_in_zone(uint8_t *mem, size_t size, uint64_t start,
			  uint64_t end)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry, pfn;
	long count = 0;
	size_t at;

	for (at = 0; at < size && count >= 0; at += host.page) {
		if (pread(fd, &entry, sizeof(entry),
			  ((uintptr_t)mem + at) / host.page * 8) !=
		    sizeof(entry))
			entry = 0;
		pfn = entry & ((1ULL << 55) - 1);
		if (!pfn)
			count = -1;
		else if (pfn >= start && pfn < end)
			count++;
	}
	close(fd);
	return count;
}

/*
 * Pages that a device is given stay where they are for as long as the client
 * likes, so they have no place in memory that is to be taken out of the machine.
 */
static void not_in_movable(struct tce *t)
{
	uint8_t *mem = alloc(MiB, CHUNK);
	uint64_t start, end;

	movable_zone(&start, &end);
	if (start == end)
		skip("this host has no movable memory (movablecore=512M)");
	if (pages_in_zone(mem, MiB, start, end) <= 0)
		skip("where memory lies is for root to see");
	allow(t, mem, MiB);
	map(t->container, mem, base(t), MiB, RW);
	expect_rc(0, pages_in_zone(mem, MiB, start, end));
	bounce_at(t, base(t) - CHUNK);
	expect(can_write(t, base(t), mem));
	expect(can_read(t, base(t) + MiB - PROBE, mem + MiB - PROBE));
}

static const struct test rows[] = {
	{ "pages are pinned from REGISTER to UNREGISTER", pins, V2 },
	{ "pages of movable memory move out of it before a device gets them",
	  not_in_movable, BOTH | DMA },
};

const struct rows pins_rows = ROWS(rows);
