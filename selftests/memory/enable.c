// SPDX-License-Identifier: GPL-2.0-only
/*
 * ENABLE and DISABLE of v1, and what is pinned in between.
 */
#define _GNU_SOURCE
#include "memory.h"

static void enable_charges(struct tce *t)
{
	uint64_t before = locked();
	int i;

	for (i = 0; i < 3; i++) {
		enable(t->container);
		expect_eq(before + t->info.dma32_window_size, locked());
		expect_rc(-EBUSY, __enable(t->container));
		expect_eq(before + t->info.dma32_window_size, locked());
		disable(t->container);
		expect_eq(before, locked());
		/* Once more does nothing, successfully. */
		disable(t->container);
		expect_eq(before, locked());
	}
}

static void disable_unmaps(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	long before;

	enable(t->container);
	t->enabled = true;
	unmap(t->container, base(t), CHUNK);
	before = pinned();
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
	disable(t->container);
	expect_rc(-EPERM, __map(t->container, mem, base(t), CHUNK, RW));
	expect_rc(-EPERM, __unmap(t->container, base(t), CHUNK));
	/* What is no longer charged is no longer pinned nor reachable. */
	expect_rc(before, pinned_settled(before));
	enable(t->container);
	bounce_at(t, base(t) - CHUNK);
	expect(!can_write(t, base(t), mem));
}

/*
 * Where the CPU's pages are larger than the window's, each entry of a MAP of its own
 * pins a whole page. So more pages can be pinned than the window has room for, or than
 * ENABLE has charged.
 */
static uint64_t room;			/* in the window, in CPU pages */
static uint64_t others;			/* locked before ENABLE, and for the table */

static void expect_charged(long pins)
{
	long pages = pinned() - pins;

	if (pages > (long)((locked() - others) / host.page))
		fail(__FILE__, __LINE__, "%ld pages are pinned, %llu are charged",
		     pages, (unsigned long long)(locked() - others) / host.page);
}

static void prepare_pins(struct tce *t)
{
	others = locked();
	enable(t->container);
	t->enabled = true;
	others = locked() - others;
	room = t->info.dma32_window_size / host.page;
	expect_eq(room, others / host.page);
	/* The default window comes with it. */
	unmap(t->container, t->info.dma32_window_start, CHUNK);
	others = locked() - others;
	if (t->info.dma32_window_size / 4096 <= room)
		skip("the CPU's pages are no larger than the window's");
}

static void v1_charged(struct tce *t)
{
	uint64_t before = locked(), from = t->info.dma32_window_start, i;
	uint8_t *mem = alloc(host.page, host.page);
	long pins;

	prepare_pins(t);
	pins = pinned();
	for (i = 0; i < room + room / 8; i++)
		map(t->container, mem, from + i * 4096, 4096, RW);
	expect_charged(pins);
	unmap(t->container, from, i * 4096);
	expect_rc(pins, pinned_settled(pins));
	disable(t->container);
	detach(t);
	expect_eq(before, locked());
}

/* The same for whom the limit is the window, and not more: a page is pinned once. */
static void v1_once(struct tce *t)
{
	uint64_t from = t->info.dma32_window_start, i, charged, before = locked();
	uint8_t *mem = alloc(2 * host.page, host.page);
	long pins;

	prepare_pins(t);
	limited(0);
	pins = pinned();
	charged = locked();
	for (i = 0; i < room + room / 8; i++)
		map(t->container, mem, from + i * 4096, 4096, RW);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	expect_eq(charged, locked());
	/* It stays as long as one maps it. */
	unmap(t->container, from, (i - 1) * 4096);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	map(t->container, mem + host.page, from, 4096, RW);
	expect_rc(pins + 2, pinned_settled(pins + 2));
	unmap(t->container, from, t->info.dma32_window_size);
	expect_rc(pins, pinned_settled(pins));
	/* All that was charged is for use: whole pages fill the window. */
	map(t->container, mem, from, host.page, RW);
	disable(t->container);
	expect_rc(pins, pinned_settled(pins));
	detach(t);
	expect_eq(before, locked());
}

static const struct test rows[] = {
	{ "ENABLE charges the window once, DISABLE returns it",
	  enable_charges, V1 },
	{ "DISABLE takes all memory away from the device", disable_unmaps,
	  V1 | DMA },
	{ "no more pages are pinned than are charged", v1_charged, V1 },
	{ "a page that is mapped over and over is pinned once", v1_once, V1 },
};

const struct rows enable_rows = ROWS(rows);
