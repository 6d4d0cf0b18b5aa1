// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the pages are that are pinned, and until when.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

static void pins(struct tce *t)
{
	const long pages = 4 * MiB / host.page;
	uint8_t *mem = mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long before = pinned();

	/* of huge pages not each part is pinned */
	expect(mem != MAP_FAILED);
	madvise(mem, 4 * MiB, MADV_NOHUGEPAGE);
	memset(mem, 0, 4 * MiB);

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

/* A page of hugetlbfs has one pin, and is charged as if each part had one. */
static void huge_pins(struct tce *t)
{
	uint8_t *mem = mmap(NULL, 8 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	uint64_t charged;
	long before;

	if (mem == MAP_FAILED)
		skip("this host has no huge pages of 2 MiB");
	bounce_at(t, base(t) - CHUNK);
	charged = locked();
	before = pinned();
	if (before < 0)
		skip("this kernel does not count pinned pages");
	/* not from the start of a huge page, nor to the end of one */
	register_mem(t->container, mem + MiB, 6 * MiB);
	expect_rc(before + 4, pinned_settled(before + 4));
	expect_eq(charged + 6 * MiB, locked());
	map(t->container, mem + MiB, base(t), 6 * MiB, RW);
	expect(can_write(t, base(t), mem + MiB));
	expect(can_write(t, base(t) + MiB - PROBE, mem + 2 * MiB - PROBE));
	expect(can_read(t, base(t) + 6 * MiB - PROBE, mem + 7 * MiB - PROBE));
	unmap(t->container, base(t), 6 * MiB);
	unregister_mem(t->container, mem + MiB, 6 * MiB);
	expect_rc(before, pinned_settled(before));
	expect_eq(charged, locked());
}

/* A page of 1 GiB: one pin, wherever in it the device is. */
static void giant_pin(struct tce *t)
{
	uint8_t *mem = mmap(NULL, GiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);
	const uint64_t at[] = { 0, 513 * MiB, GiB - MiB };
	uint64_t charged;
	long before;
	size_t i;

	if (mem == MAP_FAILED)
		skip("this host has no huge page of 1 GiB");
	bounce_at(t, base(t) - CHUNK);
	charged = locked();
	before = pinned();
	if (before < 0)
		skip("this kernel does not count pinned pages");
	register_mem(t->container, mem, GiB);
	expect_rc(before + 1, pinned_settled(before + 1));
	expect_eq(charged + GiB, locked());
	for (i = 0; i < sizeof(at) / sizeof(*at); i++) {
		map(t->container, mem + at[i], base(t), MiB, RW);
		expect(can_write(t, base(t), mem + at[i]));
		expect(can_read(t, base(t) + MiB - PROBE, mem + at[i] + MiB - PROBE));
		unmap(t->container, base(t), MiB);
	}
	unregister_mem(t->container, mem, GiB);
	expect_rc(before, pinned_settled(before));
	expect_eq(charged, locked());
}

/* Memory of huge pages, of which one has a single page in its midst. */
static void not_all_huge(struct tce *t)
{
	const uint64_t at = 4 * MiB + 3 * host.page;
	uint8_t *mem = mmap(NULL, 12 * MiB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long before;

	expect(mem != MAP_FAILED);
	bounce_at(t, base(t) - CHUNK);
	before = pinned();
	mem += -(uintptr_t)mem % (2 * MiB);
	/* without huge pages it is memory as any */
	madvise(mem, 8 * MiB, MADV_HUGEPAGE);
	memset(mem, 0, 8 * MiB);
	expect(mmap(mem + at, host.page, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem + at);
	memset(mem + at, 0, host.page);
	register_mem(t->container, mem, 8 * MiB);
	map(t->container, mem, base(t), 8 * MiB, RW);
	expect(can_write(t, base(t) + at, mem + at));
	expect(can_read(t, base(t) + at - PROBE, mem + at - PROBE));
	expect(can_write(t, base(t) + at + host.page, mem + at + host.page));
	expect(can_write(t, base(t) + 8 * MiB - PROBE, mem + 8 * MiB - PROBE));
	unmap(t->container, base(t), 8 * MiB);
	unregister_mem(t->container, mem, 8 * MiB);
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
	{ "a page of hugetlbfs has one pin, wherever its region begins", huge_pins,
	  V2 | DMA },
	{ "a page of 1 GiB has one pin", giant_pin, V2 | DMA },
	{ "a page in the midst of a huge one is the device's", not_all_huge,
	  V2 | DMA },
	{ "pages of movable memory move out of it before a device gets them",
	  not_in_movable, BOTH | DMA },
};

const struct rows pins_rows = ROWS(rows);
