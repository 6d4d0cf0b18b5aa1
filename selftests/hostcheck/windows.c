// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows of the client's own: in both slots, of all page sizes, of several levels.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "check.h"

#define SMALL	(64 * KiB)

/* Sizes of huge pages, as shifts, that some POWER host has. */
static const unsigned int huge[] = { 16, 21, 24, 28, 30, 34 };

/*
 * Memory whose pages are at least so large; skips where the host has none.
 *
 * Shared, since Linux 6.12 to 7.2 with a hash MMU and CPU pages of 4K has a huge page in
 * eight entries. A private one is made writable in the first of them only. Who pins other
 * parts of it for writing waits until a signal ends it.
 */
static uint8_t *alloc_pages(unsigned int shift, size_t size)
{
	size_t i, whole;
	uint8_t *mem;

	if (1UL << shift <= host.page)
		return alloc(size, 1UL << shift);
	for (i = 0; i < sizeof(huge) / sizeof(*huge); i++) {
		if (huge[i] < shift)
			continue;
		whole = ((size - 1) >> huge[i]) + 1;
		mem = mmap(NULL, whole << huge[i], PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB |
			   huge[i] << MAP_HUGE_SHIFT, -1, 0);
		if (mem != MAP_FAILED) {
			memset(mem, 0, size);
			return mem;
		}
	}
	skip("the host has no huge pages of %lu KiB or more free", (1UL << shift) / 1024);
}

static void need_windows(struct tce *t)
{
	if (!t->info.ddw.pgsizes)
		skip("this host makes no windows");
}

static void need_wide(struct check *c, uint64_t start)
{
	if (start >= 4 * GiB && !c->e.wide)
		skip("this device drives 32-bit addresses, the window is at %#llx",
		     (unsigned long long)start);
}

/* A second window, beside the default one, in which the engine lives. */
static void pages_of(struct tce *t, unsigned int shift)
{
	uint64_t page = 1ULL << shift, size = 4 * page, used = 2 * page, start;
	struct check c;
	uint8_t *mem;

	if (!has_shift(t, shift))
		skip("this host has no IOMMU pages of this size");
	if (used < SMALL)
		used = SMALL;
	mem = alloc_pages(shift, used);
	check_begin(&c, t, SMALL);
	allow(t, mem, used);
	create(t->container, shift, size < MiB ? MiB : size, 1, &start);
	need_wide(&c, start);
	map(t->container, mem, start, used, RW);
	expect(check_reaches(&c, start, mem));
	expect(check_reaches(&c, start + page - 4 * KiB, mem + page - 4 * KiB));
	expect(check_reaches(&c, start + page, mem + page));
	expect(check_reaches(&c, start + 2 * page - 4 * KiB, mem + 2 * page - 4 * KiB));
	note("window at %#llx", (unsigned long long)start);
	unmap(t->container, start, used);
	remove_window(t->container, start);
	check_end(&c);
}

static void pages_4k(struct tce *t) { pages_of(t, 12); }
static void pages_64k(struct tce *t) { pages_of(t, 16); }
static void pages_2m(struct tce *t) { pages_of(t, 21); }
static void pages_16m(struct tce *t) { pages_of(t, 24); }
static void pages_256m(struct tce *t) { pages_of(t, 28); }
static void pages_1g(struct tce *t) { pages_of(t, 30); }

static unsigned int some_shift(struct tce *t)
{
	return has_shift(t, 16) && host.page >= SMALL ? 16 : 12;
}

static void two(struct tce *t)
{
	struct check c;
	uint64_t start;

	need_windows(t);
	check_begin(&c, t, 2 * SMALL);
	create(t->container, some_shift(t), 256 * MiB, 1, &start);
	need_wide(&c, start);
	map(t->container, c.mem, c.iova, SMALL, RW);
	map(t->container, c.mem + SMALL, start + MiB, SMALL, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	expect(check_reaches(&c, start + MiB, c.mem + SMALL));
	expect(check_reaches(&c, c.iova, c.mem));
	remove_window(t->container, start);
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
}

/* In the place of the default window, which then is no more. */
static void instead(struct tce *t, unsigned int levels)
{
	uint64_t start;
	struct check c;

	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, some_shift(t), GiB, levels, &start);
	check_begin_at(&c, t, SMALL, start);
	need_wide(&c, start);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	map(t->container, c.mem, start + GiB - SMALL, SMALL, RW);
	expect(check_reaches(&c, start + GiB - SMALL, c.mem));
	check_end(&c);
}

static void own(struct tce *t)
{
	need_windows(t);
	instead(t, 1);
}

static void levels(struct tce *t)
{
	need_windows(t);
	if (t->info.ddw.levels < 2)
		skip("this host has windows of one level only");
	instead(t, 2);
}

static const struct test tests[] = {
	{ "a window of its own in the place of the default one", own, V2 },
	{ "a window of two levels", levels, V2 },
	{ "both windows at a time", two, V2 },
	{ "IOMMU pages of 4K", pages_4k, V2 },
	{ "IOMMU pages of 64K", pages_64k, V2 },
	{ "IOMMU pages of 2M", pages_2m, V2 },
	{ "IOMMU pages of 16M", pages_16m, V2 },
	{ "IOMMU pages of 256M", pages_256m, V2 },
	{ "IOMMU pages of 1G", pages_1g, V2 },
};

const struct rows window_rows = ROWS(tests);
