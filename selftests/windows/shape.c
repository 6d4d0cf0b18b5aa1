// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes and levels that a window may have.
 */
#define _GNU_SOURCE
#include <time.h>

#include "windows.h"

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void bad_shift(struct tce *t)
{
	static const uint32_t shifts[] = {
		0, 1, 11, 13, 17, 31, 32, 44, 63, 64, 76, 80, 128, 140, 256,
		0x7fffffff, 0x80000000, 0x8000000c, 0xffffffff,
	};
	uint64_t before, start;
	size_t i;

	remove_window(t->container, first(t));
	before = locked();
	for (i = 0; i < sizeof(shifts) / sizeof(*shifts); i++) {
		if (shifts[i] < 64 && has_shift(t, shifts[i]))
			continue;
		expect_rc(-EINVAL, __create(t->container, shifts[i], GiB, 1,
					    &start));
	}
	expect_eq(before, locked());
}

static void bad_size(struct tce *t)
{
	static const uint64_t sizes[] = {
		0, 3 * GiB, GiB + 4096, GiB - 4096, 1ULL << 63 | GiB, -1ULL,
		-GiB + 1,
	};
	uint64_t before, start;
	size_t i;

	remove_window(t->container, first(t));
	before = locked();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		expect_rc(-EINVAL, __create(t->container, 12, sizes[i], 1,
					    &start));
	expect_eq(before, locked());
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_eq(first(t), start);
}

/* A window without room for one page is a mistake, not a window. */
static void tiny_size(struct tce *t)
{
	uint64_t before, start;

	remove_window(t->container, first(t));
	before = locked();
	expect_rc(-EINVAL, __create(t->container, 12, 1, 1, &start));
	expect_rc(-EINVAL, __create(t->container, 12, 2048, 1, &start));
	expect_rc(-EINVAL, __create(t->container, 16, 32768, 1, &start));
	expect_eq(before, locked());
}

static void huge_size(struct tce *t)
{
	uint64_t before, start;
	int i;

	remove_window(t->container, first(t));
	before = locked();
	/* Clients retry in loops; nothing may add up. */
	for (i = 0; i < 8; i++) {
		expect(__create(t->container, 12, 1ULL << 62, 1, &start) < 0);
		expect(__create(t->container, 12, 1ULL << 63, 1, &start) < 0);
		expect(__create(t->container, 12, 1ULL << 55, 1, &start) < 0);
		/* pseries would try, and give the device up for good */
		expect(__create(t->container, 21, 1ULL << 53, 1, &start) < 0);
		expect_eq(before, locked());
	}
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_eq(first(t), start);
}

static void levels_refused(struct tce *t)
{
	uint64_t before, start;

	remove_window(t->container, first(t));
	before = locked();
	if (host.powernv)
		expect_rc(-EINVAL, __create(t->container, 12, 256 * MiB, 0,
					    &start));
	expect_rc(-EINVAL, __create(t->container, 12, 256 * MiB,
				    t->info.ddw.levels + 1, &start));
	expect_rc(-EINVAL, __create(t->container, 12, 256 * MiB, 100, &start));
	expect_rc(-EINVAL, __create(t->container, 12, 256 * MiB, -1, &start));
	expect_eq(before, locked());
}

/* QEMU from 10.1 on asks for none where the platform has one. */
static void levels_zero(struct tce *t)
{
	uint64_t start;

	remove_window(t->container, first(t));
	create(t->container, 12, 256 * MiB, 0, &start);
	bounce_at(t, start);
	expect(can_write(t, start, t->bounce));
}

/* Levels are whole pages, and hardware has 55 address bits for all of them. */
static bool levels_fit(unsigned int shift, uint64_t size, unsigned int levels)
{
	unsigned int page_bits = __builtin_ctzl(host.page) - 3;
	unsigned int bits = __builtin_ctzll(size) - shift;

	bits = (bits + levels - 1) / levels;
	if (bits < page_bits)
		bits = page_bits;
	return bits * levels + shift < 55;
}

static void levels_many(struct tce *t)
{
	uint64_t before, start, size = 1ULL << 40;
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	unsigned int levels, shift = host.page == CHUNK ? 16 : 12;

	if (!host.wide)
		skip("the device cannot address the whole window");
	register_mem(t->container, mem, 2 * CHUNK);
	bounce_at(t, first(t));
	remove_window(t->container, first(t));
	for (levels = 2; levels <= t->info.ddw.levels; levels++) {
		if (!levels_fit(shift, size, levels))
			break;
		before = locked();
		create(t->container, shift, size, levels, &start);
		expect_eq(first(t), start);
		note("%u levels: %llu KiB", levels,
		     (unsigned long long)(locked() - before) / 1024);
		expect(locked() - before <= table_bytes(shift, size, levels));
		bounce_at(t, start);
		/* Below 4 GiB there are other things on this bus. */
		map(t->container, mem, start + size / 2, CHUNK, RW);
		map(t->container, mem + CHUNK, start + size - CHUNK, CHUNK, RW);
		expect(can_write(t, start + size / 2, mem));
		expect(can_write(t, start + size - PROBE,
				 mem + 2 * CHUNK - PROBE));
		unmap(t->container, start + size / 2, size / 2);
		expect(!can_write(t, start + size / 2, mem));
		expect(!can_write(t, start + size - CHUNK, mem + CHUNK));
		unmap(t->container, t->bounce_iova, CHUNK);
		remove_window(t->container, start);
		expect_eq(before, locked());
	}
}

/* DPDK's window on a big machine: 2^46 bytes with little in it. */
static void unmap_huge(struct tce *t)
{
	uint64_t start, size = 1ULL << 46;
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	unsigned int shift = host.page == CHUNK ? 16 : 12;
	double begun;

	register_mem(t->container, mem, 2 * CHUNK);
	remove_window(t->container, first(t));
	create(t->container, shift, size, host.page == CHUNK ? 2 : 3, &start);
	map(t->container, mem, start + 5 * GiB, CHUNK, RW);
	map(t->container, mem, start + size / 2, CHUNK, RW);
	map(t->container, mem + CHUNK, start + size - CHUNK, CHUNK, RW);
	begun = seconds();
	unmap(t->container, start, size);
	note("UNMAP of 2^46 bytes took %.2f s", seconds() - begun);
	expect(seconds() - begun < 20);
	unregister_mem(t->container, mem, 2 * CHUNK);
	begun = seconds();
	unmap(t->container, start, size);
	remove_window(t->container, start);
	note("UNMAP and REMOVE of the empty window took %.2f s",
	     seconds() - begun);
	expect(seconds() - begun < 20);
}

static const struct test rows[] = {
	{ "CREATE refuses sizes that are no power of two with EINVAL",
	  bad_size, V2 },
	{ "CREATE refuses impossible levels with EINVAL", levels_refused, V2 },
	{ "CREATE accepts no levels", levels_zero, V2 | DMA | PSERIES },
	{ "windows of 2^40 bytes at each number of levels", levels_many,
	  V2 | DMA | POWERNV },
	{ "UNMAP of 2^46 bytes is quick", unmap_huge, V2 | POWERNV },
	{ "CREATE of a huge window fails and is not charged", huge_size, V2 },
	/* On pseries a failure of the hypervisor's is remembered until reboot. */
	{ "CREATE refuses page sizes that are not offered with EINVAL",
	  bad_shift, V2 | DANGEROUS },
	{ "CREATE refuses windows of less than a page with EINVAL", tiny_size,
	  V2 | DANGEROUS },
};

const struct rows shape_rows = ROWS(rows);
