// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window's bounds, and misaligned addresses.
 */
#define _GNU_SOURCE
#include "dma.h"

static void last_entry(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	uint64_t first = t->info.dma32_window_start;

	need_reach(window_end(t) - 1);
	map(t->container, mem, first, 4096, RW);
	expect(can_write(t, first, mem));
	map(t->container, mem + 4096, window_end(t) - 4096, 4096, RW);
	expect(can_write(t, window_end(t) - 4096, mem + 4096));
	unmap(t->container, first, 4096);
	unmap(t->container, window_end(t) - 4096, 4096);
	expect(!can_write(t, first, mem));
	expect(!can_write(t, window_end(t) - 4096, mem + 4096));
}

static void outside(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	uint64_t start = t->info.dma32_window_start;

	expect_rc(-ENXIO, __map(t->container, mem, window_end(t), 4096, RW));
	expect_rc(-ENXIO, __unmap(t->container, window_end(t), 4096));
	expect_rc(-ENXIO, __map(t->container, mem, -4096ULL, 4096, RW));
	expect_rc(-ENXIO, __unmap(t->container, -4096ULL, 4096));
	if (start) {
		expect_rc(-ENXIO, __map(t->container, mem, start - 4096, 4096,
					RW));
		expect_rc(-ENXIO, __unmap(t->container, start - 4096, 4096));
	}
}

static void past_the_end(struct tce *t)
{
	uint8_t *mem = prepare(t, 2 * CHUNK);
	uint64_t last = window_end(t) - 4096;

	need_reach(last);
	map(t->container, mem + CHUNK, last, 4096, RW);
	expect(can_write(t, last, mem + CHUNK));
	expect_rc(-EINVAL, __map(t->container, mem, last, 8192, RW));
	expect_rc(-EINVAL, __map(t->container, mem, last, CHUNK, RW));
	expect_rc(-EINVAL, __map(t->container, mem, last - CHUNK + 8192, CHUNK,
				 RW));
	/* Refused before the first entry was written. */
	expect(can_write(t, last, mem + CHUNK));
	expect(!can_write(t, last, mem));
	unmap(t->container, last, 4096);
	expect(!can_write(t, last, mem));
	expect(!can_write(t, last - 4096, mem));
}

static void past_2_64(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	uint64_t at = base(t);

	/* iova + size wraps to something below iova, to 0, and to iova. */
	expect_rc(-EINVAL, __map(t->container, mem, at, -4096ULL, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, -at, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, -at + 4096, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, 1ULL << 63, RW));
	expect(!can_write(t, at, mem));
}

static void unmap_past_the_end(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	uint64_t last = window_end(t) - 4096;

	need_reach(last);
	map(t->container, mem, last, 4096, RW);
	expect_rc(-EINVAL, __unmap(t->container, last, 8192));
	expect_rc(-EINVAL, __unmap(t->container, last, CHUNK));
	expect_rc(-EINVAL, __unmap(t->container, t->info.dma32_window_start,
				   (uint64_t)t->info.dma32_window_size + 4096));
	/* Refused as a whole: the mapping is still there. */
	expect(can_write(t, last, mem));
}

static void unmap_past_2_64(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	map(t->container, mem, base(t), CHUNK, RW);
	expect_rc(-EINVAL, __unmap(t->container, base(t), -4096ULL));
	expect_rc(-EINVAL, __unmap(t->container, base(t), -base(t)));
	expect_rc(-EINVAL, __unmap(t->container, base(t), 1ULL << 63));
	expect(can_write(t, base(t), mem));
}

static void misaligned(struct tce *t)
{
	uint8_t *mem = prepare(t, 2 * CHUNK);
	uint64_t at = base(t);

	expect_rc(-EINVAL, __map(t->container, mem, at + 1, CHUNK, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at + 2048, CHUNK, RW));
	expect_rc(-EINVAL, __map(t->container, mem + 1, at, CHUNK, RW));
	expect_rc(-EINVAL, __map(t->container, mem + 2048, at, CHUNK, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, 1, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, CHUNK + 2048, RW));
	expect_rc(-EINVAL, __map(t->container, mem, at, 4095, RW));
	expect(!can_write(t, at, mem));
}

static void unmap_misaligned(struct tce *t)
{
	uint8_t *mem = prepare(t, 2 * CHUNK);
	uint64_t at = base(t);

	map(t->container, mem, at, 2 * CHUNK, RW);
	expect_rc(-EINVAL, __unmap(t->container, at + 1, 4096));
	expect_rc(-EINVAL, __unmap(t->container, at + 2048, CHUNK));
	expect_rc(-EINVAL, __unmap(t->container, at, 1));
	expect_rc(-EINVAL, __unmap(t->container, at, CHUNK + 2048));
	expect(can_write(t, at, mem));
	expect(can_write(t, at + CHUNK, mem + CHUNK));
}

static void empty(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	long rc = __map(t->container, mem, base(t), 0, RW);

	/* The API never said which; it must be one of these, and do nothing. */
	expect(rc == 0 || rc == -EINVAL);
	expect(!can_write(t, base(t), mem));
	map(t->container, mem, base(t), CHUNK, RW);
	rc = __unmap(t->container, base(t), 0);
	expect(rc == 0 || rc == -EINVAL);
	expect(can_write(t, base(t), mem));
}

static const struct test rows[] = {
	{ "first and last entry of the window work", last_entry, BOTH | DMA },
	{ "MAP and UNMAP outside every window are ENXIO", outside, BOTH | DMA },
	{ "MAP refuses a misaligned address or size with EINVAL", misaligned,
	  BOTH | DMA },
	{ "UNMAP refuses a misaligned address or size with EINVAL",
	  unmap_misaligned, BOTH | DMA },
	{ "MAP and UNMAP of nothing do nothing", empty, BOTH | DMA },
	{ "MAP past the end of the window is EINVAL and writes nothing",
	  past_the_end, BOTH | DMA | DANGEROUS },
	{ "MAP past 2^64 is EINVAL and writes nothing", past_2_64,
	  BOTH | DMA | DANGEROUS },
	{ "UNMAP past the end of the window is EINVAL and clears nothing",
	  unmap_past_the_end, BOTH | DMA | DANGEROUS },
	{ "UNMAP past 2^64 is EINVAL and clears nothing", unmap_past_2_64,
	  BOTH | DMA | DANGEROUS },
};

const struct rows bounds_rows = ROWS(rows);
