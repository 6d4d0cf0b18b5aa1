// SPDX-License-Identifier: GPL-2.0-only
/*
 * The default window, which exists only once it is needed.
 */
#define _GNU_SOURCE
#include "windows.h"

static void default_pending(struct tce *t)
{
	uint64_t before = locked();
	uint8_t *mem = alloc(CHUNK, CHUNK);

	remove_window(t->container, first(t));
	expect_eq(before, locked());
	/* It counted as a window all the same: it cannot go twice. */
	expect_rc(-EINVAL, __remove(t->container, first(t)));
	register_mem(t->container, mem, CHUNK);
	expect_rc(-ENXIO, __map(t->container, mem, first(t), CHUNK, RW));
	expect_rc(-ENXIO, __unmap(t->container, first(t), CHUNK));
	expect_eq(before + CHUNK, locked());
}

static void default_by_map(struct tce *t)
{
	uint64_t want = table_bytes(12, t->info.dma32_window_size, 1);
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before;

	allow(t, mem, CHUNK);
	before = locked();
	map(t->container, mem, first(t), CHUNK, RW);
	note("the default window is charged %llu KiB",
	     (unsigned long long)(locked() - before) / 1024);
	expect(locked() - before <= want);
	if (t->version == 2) {
		remove_window(t->container, first(t));
		expect_eq(before, locked());
	}
}

static void default_by_unmap(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, after;

	allow(t, mem, CHUNK);
	before = locked();
	unmap(t->container, first(t), CHUNK);
	after = locked();
	expect(after > before);
	unmap(t->container, first(t), t->info.dma32_window_size);
	map(t->container, mem, first(t), CHUNK, RW);
	expect_eq(after, locked());
}

static void default_by_create(struct tce *t)
{
	uint64_t start;

	create(t->container, 16, some_size(16), 1, &start);
	/* Slot 0 is the default window's, so this one is the other. */
	expect(start != first(t));
	if (host.powernv)
		expect_eq(SLOT1_POWERNV, start);
	remove_window(t->container, first(t));
	remove_window(t->container, start);
}

static void default_returns(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	remove_window(t->container, first(t));
	detach(t);
	attach(t, 2);
	register_mem(t->container, mem, CHUNK);
	map(t->container, mem, first(t), CHUNK, RW);
}

/*
 * A CREATE that is refused leaves the default window as it was: not there yet, or in
 * use. (A partition without dynamic windows has not even that one, in Linux 6.12:
 * spapr_tce_create_table() makes it in the same way.)
 */
static void refused_creates(struct tce *t)
{
	uint64_t start;

	expect_rc(-EINVAL, __create(t->container, 13, GiB, 1, &start));
	expect_rc(-EINVAL, __create(t->container, 12, GiB + 4096, 1, &start));
	expect_rc(-EINVAL, __create(t->container, 12, GiB, 100, &start));
	expect(__create(t->container, 12, 1ULL << 62, 1, &start) < 0);
}

static void default_after_refusal(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before, at = first(t) + 32 * MiB;

	allow(t, mem, 2 * CHUNK);
	before = locked();
	refused_creates(t);
	/* Whether it was made meanwhile or not, no other one was. */
	expect(locked() - before <=
	       table_bytes(12, t->info.dma32_window_size, 1));
	bounce_at(t, first(t) + MiB);
	map(t->container, mem, at, CHUNK, RW);
	expect(can_write(t, at, mem));
	expect(can_read(t, at, mem));
	before = locked();
	refused_creates(t);
	expect_eq(before, locked());
	expect(can_write(t, at, mem));
	map(t->container, mem + CHUNK, at + CHUNK, CHUNK, RW);
	expect(can_write(t, at + CHUNK, mem + CHUNK));
}

static const struct test rows[] = {
	{ "removing the default window before it is used is free",
	  default_pending, V2 },
	{ "MAP creates the default window", default_by_map, BOTH },
	{ "UNMAP creates the default window", default_by_unmap, BOTH },
	{ "CREATE creates the default window first", default_by_create, V2 },
	{ "a refused CREATE leaves the default window usable",
	  default_after_refusal, V2 | DMA },
	{ "the default window is back after the group was detached",
	  default_returns, V2 },
};

const struct rows default_rows = ROWS(rows);
