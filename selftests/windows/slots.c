// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE and REMOVE: where windows are, and how many.
 */
#define _GNU_SOURCE
#include "windows.h"

static void slots(struct tce *t)
{
	uint64_t before, a, b, c;

	if (t->info.ddw.max_dynamic_windows_supported < 2)
		skip("the platform has one window");
	remove_window(t->container, first(t));
	before = locked();
	create(t->container, 12, 256 * MiB, 1, &a);
	expect_eq(first(t), a);
	create(t->container, 16, some_size(16), 1, &b);
	expect(b != a);
	if (host.powernv)
		expect_eq(SLOT1_POWERNV, b);
	expect_rc(-ENOSPC, __create(t->container, 12, 256 * MiB, 1, &c));
	expect_rc(-ENOSPC, __create(t->container, 12, 256 * MiB, 1, &c));
	remove_window(t->container, a);
	remove_window(t->container, b);
	expect_eq(before, locked());
	expect_rc(-EINVAL, __remove(t->container, a));
	expect_rc(-EINVAL, __remove(t->container, b));
}

/* The lowest free slot, also when the other one is in use. */
static void lowest_slot(struct tce *t)
{
	uint64_t a, b;

	remove_window(t->container, first(t));
	create(t->container, 12, 256 * MiB, 1, &a);
	create(t->container, 16, some_size(16), 1, &b);
	remove_window(t->container, a);
	create(t->container, 12, 128 * MiB, 1, &a);
	expect_eq(first(t), a);
	remove_window(t->container, b);
	create(t->container, 12, 256 * MiB, 1, &b);
	expect_eq(SLOT1_POWERNV, b);
}

static void unknown_start(struct tce *t)
{
	uint64_t start;

	expect_rc(-EINVAL, __remove(t->container, 1ULL << 40));
	expect_rc(-EINVAL, __remove(t->container, -1ULL));
	remove_window(t->container, first(t));
	expect_rc(-EINVAL, __remove(t->container, first(t)));
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_rc(-EINVAL, __remove(t->container, start + 256 * MiB));
	remove_window(t->container, start);
}

static void removed_is_cleared(struct tce *t)
{
	uint64_t start, before;
	uint8_t *mem = alloc(CHUNK, CHUNK);

	remove_window(t->container, first(t));
	before = locked();
	register_mem(t->container, mem, CHUNK);
	create(t->container, 12, 256 * MiB, 1, &start);
	map(t->container, mem, start + MiB, CHUNK, RW);
	remove_window(t->container, start);
	/* Its mappings no longer count. */
	unregister_mem(t->container, mem, CHUNK);
	expect_eq(before, locked());
	/* And a new window is empty. */
	create(t->container, 12, 256 * MiB, 1, &start);
	bounce_at(t, start);
	expect(!can_write(t, start + MiB, mem));
}

static void both_windows(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t second;

	if (!host.wide)
		skip("the device cannot address the second window");
	register_mem(t->container, mem, 2 * CHUNK);
	bounce_at(t, first(t));
	create(t->container, 12, GiB, 1, &second);
	map(t->container, mem, first(t) + MiB, CHUNK, RW);
	map(t->container, mem + CHUNK, second + MiB, CHUNK, RW);
	expect(can_write(t, first(t) + MiB, mem));
	expect(can_write(t, second + MiB, mem + CHUNK));
	expect(can_read(t, second + MiB, mem + CHUNK));
	expect(!can_write(t, second + 2 * MiB, mem));
	/* First and last page of the second one. */
	map(t->container, mem, second, 4096, RW);
	map(t->container, mem + 8192, second + GiB - 4096, 4096, RW);
	expect(can_write(t, second, mem));
	expect(can_write(t, second + GiB - 4096, mem + 8192));
	/* One goes, the other stays. */
	remove_window(t->container, second);
	expect(can_write(t, first(t) + MiB, mem));
	expect(!can_write(t, second + MiB, mem + CHUNK));
	expect_rc(-ENXIO, __map(t->container, mem, second, CHUNK, RW));
}

static void second_stays(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t second;

	if (!host.wide)
		skip("the device cannot address the second window");
	register_mem(t->container, mem, 2 * CHUNK);
	map(t->container, mem, first(t), CHUNK, RW);
	create(t->container, 12, GiB, 1, &second);
	bounce_at(t, second);
	map(t->container, mem + CHUNK, second + MiB, CHUNK, RW);
	remove_window(t->container, first(t));
	expect(can_write(t, second + MiB, mem + CHUNK));
	expect(!can_write(t, first(t), mem));
	unmap(t->container, second, GiB);
	remove_window(t->container, second);
}

static const struct test rows[] = {
	{ "two windows at their places, then ENOSPC", slots, V2 },
	{ "CREATE takes the lowest free slot", lowest_slot, V2 | POWERNV },
	{ "REMOVE of an unknown address is EINVAL", unknown_start, V2 },
	{ "REMOVE clears the window and uncounts its mappings",
	  removed_is_cleared, V2 | DMA },
	{ "two windows work side by side and the first one stays",
	  both_windows, V2 | DMA },
	{ "the second window stays when the first one goes", second_stays,
	  V2 | DMA },
};

const struct rows slots_rows = ROWS(rows);
