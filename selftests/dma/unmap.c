// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP, and MAP over a mapping.
 */
#define _GNU_SOURCE
#include "dma.h"

static void unmapped(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	expect(!can_read(t, base(t), mem));
	expect(!can_write(t, base(t), mem));
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_read(t, base(t), mem));
	expect(can_write(t, base(t), mem));
	unmap(t->container, base(t), CHUNK);
	expect(!can_read(t, base(t), mem));
	expect(!can_write(t, base(t), mem));
	/* And again: nothing of the first time is left in the way. */
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
}

static void unmap_piece(struct tce *t)
{
	uint8_t *mem = prepare(t, 3 * CHUNK);

	map(t->container, mem, base(t), 3 * CHUNK, RW);
	unmap(t->container, base(t) + CHUNK, CHUNK);
	expect(can_write(t, base(t) + CHUNK - PROBE, mem + CHUNK - PROBE));
	expect(!can_write(t, base(t) + CHUNK, mem + CHUNK));
	expect(!can_write(t, base(t) + 2 * CHUNK - PROBE,
			  mem + 2 * CHUNK - PROBE));
	expect(can_write(t, base(t) + 2 * CHUNK, mem + 2 * CHUNK));
}

static void unmap_holes(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	/* Nothing there, then something in the middle of nothing. */
	unmap(t->container, base(t), 16 * CHUNK);
	map(t->container, mem, base(t) + 5 * CHUNK, CHUNK, RW);
	unmap(t->container, base(t), 16 * CHUNK);
	unmap(t->container, base(t), 16 * CHUNK);
	expect(!can_write(t, base(t) + 5 * CHUNK, mem));
}

static void unmap_window(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	uint64_t bounce_iova = t->bounce_iova;

	need_reach(window_end(t) - 1);
	map(t->container, mem, t->info.dma32_window_start, CHUNK, RW);
	map(t->container, mem, window_end(t) - CHUNK, CHUNK, RW);
	unmap(t->container, t->info.dma32_window_start,
	      t->info.dma32_window_size);
	bounce_at(t, bounce_iova);
	expect(!can_write(t, t->info.dma32_window_start, mem));
	expect(!can_write(t, window_end(t) - CHUNK, mem));
}

static void replaced(struct tce *t)
{
	uint8_t *old = prepare(t, CHUNK), *new = alloc(CHUNK, CHUNK);

	allow(t, new, CHUNK);
	map(t->container, old, base(t), CHUNK, RW);
	expect(can_write(t, base(t), old));
	map(t->container, new, base(t), CHUNK, RW);
	expect(can_write(t, base(t), new));
	expect(can_read(t, base(t), new));
	expect(!can_write(t, base(t), old));
	/* Part of it only. */
	map(t->container, old, base(t), 4096, RW);
	expect(can_write(t, base(t), old));
	expect(can_write(t, base(t) + 4096, new + 4096));
}

static void replaced_uncounted(struct tce *t)
{
	uint8_t *old = prepare(t, CHUNK), *new = alloc(CHUNK, CHUNK);
	uint64_t before;

	before = locked();
	allow(t, new, CHUNK);
	map(t->container, old, base(t), CHUNK, RW);
	map(t->container, new, base(t), CHUNK, RW);
	/* Nothing maps the old region any more, so it can go. */
	unregister_mem(t->container, old, CHUNK);
	expect_eq(before, locked());
	expect(can_write(t, base(t), new));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, new, CHUNK);
	expect_eq(before - CHUNK, locked());
}

static void pins_follow(struct tce *t)
{
	uint8_t *mem = prepare(t, 2 * CHUNK);
	const long pages = CHUNK / host.page;
	long before, now;
	int i;

	before = pinned();
	if (before < 0)
		skip("this kernel does not count pinned pages");
	for (i = 0; i < 20; i++)
		map(t->container, mem + i % 2 * CHUNK, base(t), CHUNK, RW);
	/* A CPU page may be pinned by each of the 4K IOMMU pages in it. */
	now = pinned_settled(before + pages);
	expect(now >= before + pages &&
	       now <= before + pages * (long)(host.page / 4096));
	/* As long as there is one of them, it must be. */
	unmap(t->container, base(t), CHUNK - 4096);
	expect_rc(before + 1, pinned_settled(before + 1));
	expect(can_write(t, base(t) + CHUNK - 4096, mem + 2 * CHUNK - 4096));
	unmap(t->container, base(t) + CHUNK - 4096, 4096);
	expect_rc(before, pinned_settled(before));
}

static void detached(struct tce *t)
{
	uint8_t *old = prepare(t, CHUNK), *new = alloc(CHUNK, CHUNK);
	int version = t->version;

	map(t->container, old, base(t), CHUNK, RW);
	expect(can_write(t, base(t), old));
	edu_close(&t->edu);
	detach(t);

	t->bounce = NULL;
	attach(t, version);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	bounce_at(t, base(t) - CHUNK);
	expect(!can_write(t, base(t), old));
	allow(t, new, CHUNK);
	map(t->container, new, base(t), CHUNK, RW);
	expect(can_write(t, base(t), new));
	expect(!can_write(t, base(t), old));
}

static const struct test rows[] = {
	{ "UNMAP takes the memory away from the device", unmapped, BOTH | DMA },
	{ "UNMAP of a piece leaves the rest", unmap_piece, BOTH | DMA },
	{ "UNMAP of holes succeeds", unmap_holes, BOTH | DMA },
	{ "UNMAP of the whole window succeeds", unmap_window, BOTH | DMA },
	{ "MAP over a mapping replaces it", replaced, BOTH | DMA },
	{ "MAP over a mapping uncounts the old memory", replaced_uncounted,
	  V2 | DMA },
	{ "pages are pinned while mapped, and no longer", pins_follow,
	  V1 | DMA },
	{ "a detached group takes nothing along", detached, BOTH | DMA },
};

const struct rows unmap_rows = ROWS(rows);
