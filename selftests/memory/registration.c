// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER and UNREGISTER: what they charge and what they refuse.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "memory.h"

static void charge(struct tce *t)
{
	static const size_t sizes[] = { CHUNK, 3 * CHUNK, 16 * MiB };
	uint64_t before = locked();
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *mem = alloc(sizes[i], CHUNK);

		register_mem(t->container, mem, sizes[i]);
		expect_eq(before + sizes[i], locked());
		unregister_mem(t->container, mem, sizes[i]);
		expect_eq(before, locked());
	}
}

/* A mapping is paid for by its registration; only the table comes on top. */
static void map_is_free(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	before = locked();
	map(t->container, mem, base(t) + CHUNK, CHUNK, RW);
	map(t->container, mem, base(t), CHUNK, R);
	expect_eq(before, locked());
	unmap(t->container, base(t), 2 * CHUNK);
	expect_eq(before, locked());
}

static void register_twice(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, 2 * CHUNK);
	before = locked();
	expect_rc(-EBUSY, __register(t->container, mem, 2 * CHUNK));
	expect_rc(-EBUSY, __register(t->container, mem, 2 * CHUNK));
	expect_eq(before, locked());
	/* The refusals count for nothing: one UNREGISTER is enough. */
	unregister_mem(t->container, mem, 2 * CHUNK);
	expect_eq(before - 2 * CHUNK, locked());
	expect_rc(-ENOENT, __unregister(t->container, mem, 2 * CHUNK));
}

static void overlaps(struct tce *t)
{
	uint8_t *mem = alloc(6 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem + 2 * CHUNK, 2 * CHUNK);
	before = locked();
	expect_rc(-EINVAL, __register(t->container, mem + CHUNK, 2 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 3 * CHUNK, 2 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2 * CHUNK, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 3 * CHUNK, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, 6 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2 * CHUNK, 3 * CHUNK));
	expect_eq(before, locked());
	/* Neighbours do not overlap. */
	register_mem(t->container, mem, 2 * CHUNK);
	register_mem(t->container, mem + 4 * CHUNK, 2 * CHUNK);
	expect_eq(before + 4 * CHUNK, locked());
}

static void exact_bounds(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, 4 * CHUNK);
	before = locked();
	expect_rc(-ENOENT, __unregister(t->container, mem, CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem + CHUNK, CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem, 8 * CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem + 64 * CHUNK, CHUNK));
	expect_eq(before, locked());
	map(t->container, mem, base(t), 4 * CHUNK, RW);
}

static void misaligned(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	expect_rc(-EINVAL, __register(t->container, mem + 1, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2048, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, host.page - 1));
	expect_rc(-EINVAL, __register(t->container, mem, host.page + 2048));
	register_mem(t->container, mem, CHUNK);
	expect_rc(-EINVAL, __unregister(t->container, mem + 1, CHUNK));
	expect_rc(-EINVAL, __unregister(t->container, mem, CHUNK - 1));
	expect_eq(before + CHUNK, locked());
}

static void wraps(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	expect_rc(-EINVAL, __register(t->container, mem, -CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, -(uint64_t)(uintptr_t)mem + CHUNK));
	expect_rc(-EINVAL, __register(t->container, (void *)-CHUNK, 2 * CHUNK));
	expect_eq(before, locked());
}

static void nothing(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	expect_rc(-EINVAL, __register(t->container, mem, 0));
}

/* Refused with an errno, not with the number of pages that were found. */
static void no_memory_there(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);
	uint64_t before = locked();
	long pins = pinned();

	munmap(mem + 2 * CHUNK, CHUNK);
	mprotect(mem + 3 * CHUNK, CHUNK, PROT_NONE);
	expect_rc(-EFAULT, __register(t->container, mem + 2 * CHUNK, CHUNK));
	expect_rc(-EFAULT, __register(t->container, mem + 3 * CHUNK, CHUNK));
	expect_rc(-EFAULT, __register(t->container, NULL, CHUNK));
	expect_eq(before, locked());
	expect_rc(-EFAULT, __register(t->container, mem, 3 * CHUNK));
	expect_rc(-EFAULT, __register(t->container, mem + CHUNK, 3 * CHUNK));
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	register_mem(t->container, mem, 2 * CHUNK);
}

static void readonly_memory(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	mprotect(mem, CHUNK, PROT_READ);
	expect_rc(-EFAULT, __register(t->container, mem, CHUNK));
	expect_eq(before, locked());
}

static void many_regions(struct tce *t)
{
	const int n = 512;
	uint8_t *mem = alloc(2 * n * host.page, CHUNK);
	uint64_t before = locked();
	int i;

	/* Every other page, so that none are neighbours. */
	for (i = 0; i < n; i++)
		register_mem(t->container, mem + 2 * i * host.page, host.page);
	expect_eq(before + n * host.page, locked());
	for (i = 0; i < n; i++)
		map(t->container, mem + 2 * i * host.page, base(t) + i * host.page,
		    host.page, RW);
	for (i = 0; i < n; i++)
		expect_rc(-EBUSY, __register(t->container,
					     mem + 2 * i * host.page, host.page));
	unmap(t->container, base(t), n * host.page);
	for (i = n - 1; i >= 0; i--)
		unregister_mem(t->container, mem + 2 * i * host.page, host.page);
}

static void register_cycles(struct tce *t)
{
	uint8_t *mem = alloc(MiB, CHUNK);
	uint64_t before = locked(), free = mem_free();
	long pins = pinned();
	int i;

	for (i = 0; i < 500; i++) {
		register_mem(t->container, mem, MiB);
		unregister_mem(t->container, mem, MiB);
	}
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	expect(mem_free_returns(free - 16 * MiB));
}

static const struct test rows[] = {
	{ "REGISTER charges its size and UNREGISTER returns it", charge, V2 },
	{ "MAP and UNMAP charge nothing", map_is_free, V2 },
	{ "REGISTER of the same range is EBUSY and counts for nothing",
	  register_twice, V2 },
	{ "REGISTER of an overlapping range is EINVAL", overlaps, V2 },
	{ "UNREGISTER needs the exact bounds, else ENOENT", exact_bounds, V2 },
	{ "REGISTER and UNREGISTER refuse misaligned ranges with EINVAL",
	  misaligned, V2 },
	{ "REGISTER past 2^64 is EINVAL", wraps, V2 },
	{ "REGISTER of a range with a hole is EFAULT and keeps nothing",
	  no_memory_there, V2 },
	{ "REGISTER of read-only memory is EFAULT", readonly_memory, V2 },
	{ "hundreds of regions", many_regions, V2 },
	{ "500 cycles of REGISTER and UNREGISTER leave nothing",
	  register_cycles, V2 },
	{ "REGISTER of nothing is EINVAL", nothing, V2 | DANGEROUS },
};

const struct rows registration_rows = ROWS(rows);
