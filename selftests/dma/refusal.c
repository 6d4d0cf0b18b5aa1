// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a MAP that is refused changes: nothing.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "dma.h"

static void not_allowed(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK), *hole = alloc(2 * CHUNK, CHUNK);
	long rc = t->version == 1 ? -EFAULT : -EINVAL;

	munmap(hole, 2 * CHUNK);
	expect_rc(rc, __map(t->container, hole, base(t), CHUNK, RW));
	expect_rc(rc, __map(t->container, NULL, base(t), CHUNK, RW));
	expect_rc(rc, __map(t->container, (void *)-CHUNK, base(t), CHUNK, RW));
	/* The kernel's own memory. */
	expect_rc(rc, __map(t->container, (void *)0xc000000000000000ULL,
			    base(t), CHUNK, RW));
	expect(!can_write(t, base(t), mem));
}

static void not_registered(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK), *other = alloc(CHUNK, CHUNK);

	expect_rc(-EINVAL, __map(t->container, other, base(t), CHUNK, RW));
	expect(!can_write(t, base(t), other));
	map(t->container, mem, base(t), CHUNK, RW);
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, CHUNK);
	expect_rc(-EINVAL, __map(t->container, mem, base(t), CHUNK, RW));
	expect(!can_write(t, base(t), mem));
}

/* Two registrations side by side are as good as one. */
static void over_two_regions(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);

	bounce_at(t, base(t) - CHUNK);
	register_mem(t->container, mem, CHUNK);
	register_mem(t->container, mem + CHUNK, CHUNK);
	map(t->container, mem, base(t), 2 * CHUNK, RW);
	expect(can_write(t, base(t) + CHUNK - 512, mem + CHUNK - 512));
	unmap(t->container, base(t), 2 * CHUNK);
	unregister_mem(t->container, mem, CHUNK);
	unregister_mem(t->container, mem + CHUNK, CHUNK);
}

/*
 * [good][bad] in one call: v2 finds that the second half is not registered, v1
 * that there is no memory.
 */
static uint8_t *half_bad(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);

	if (t->version == 1)
		mprotect(mem + CHUNK, CHUNK, PROT_NONE);
	allow(t, mem, CHUNK);
	return mem;
}

static void failed_map_adds_nothing(struct tce *t)
{
	uint8_t *mem = half_bad(t);
	long rc = t->version == 1 ? -EFAULT : -EINVAL;
	long pins;

	bounce_at(t, base(t) - CHUNK);
	pins = pinned();
	expect_rc(rc, __map(t->container, mem, base(t), 2 * CHUNK, RW));
	expect(!can_write(t, base(t), mem));
	expect(!can_write(t, base(t) + CHUNK - PROBE, mem + CHUNK - PROBE));
	expect_rc(pins, pinned_settled(pins));
	if (t->version == 2)
		unregister_mem(t->container, mem, CHUNK);
}

static void failed_map_keeps_old(struct tce *t)
{
	uint8_t *old = prepare(t, 2 * CHUNK), *mem = half_bad(t);
	long rc = t->version == 1 ? -EFAULT : -EINVAL;

	map(t->container, old, base(t), 2 * CHUNK, RW);
	expect_rc(rc, __map(t->container, mem, base(t), 2 * CHUNK, RW));
	expect(can_write(t, base(t), old));
	expect(can_write(t, base(t) + CHUNK, old + CHUNK));
	expect(!can_write(t, base(t), mem));
}

/*
 * v2: every reason to refuse is found before the first entry is written. What was
 * mapped stays so, and the new memory counts as unused.
 */
static void refused_changes_nothing(struct tce *t)
{
	uint8_t *old = prepare(t, 2 * CHUNK), *new = alloc(3 * CHUNK, CHUNK);
	uint64_t at = base(t), last = window_end(t) - 4096, charged;
	const struct {
		const char *reason;
		uint8_t *va;
		uint64_t iova, size;
		uint32_t flags;
		long rc;
	} refused[] = {
		{ "no flag", new, at, CHUNK, 0, -EINVAL },
		{ "an unknown flag", new, at, CHUNK, RW | 8, -EINVAL },
		{ "the address is no page's", new, at + 2048, CHUNK, RW,
		  -EINVAL },
		{ "the memory is no page", new + 2048, at, CHUNK, RW, -EINVAL },
		{ "the size is no page's", new, at, CHUNK + 2048, RW, -EINVAL },
		{ "half is not registered", new, at, 3 * CHUNK, RW, -EINVAL },
		{ "nothing is registered", new + 2 * CHUNK, at, CHUNK, RW,
		  -EINVAL },
		{ "user space ends", new, at, -(uint64_t)(uintptr_t)new, RW,
		  -EINVAL },
		{ "the window ends", new, last, CHUNK, RW, -EINVAL },
		{ "all addresses end", new, at, -at, RW, -EINVAL },
		{ "there is no window", new, last + 4096, CHUNK, RW, -ENXIO },
	};
	size_t i;

	need_reach(last);
	map(t->container, old, at, 2 * CHUNK, RW);
	map(t->container, old, last, 4096, RW);
	register_mem(t->container, new, 2 * CHUNK);
	charged = locked();
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		long rc = __map(t->container, refused[i].va, refused[i].iova,
				refused[i].size, refused[i].flags);

		if (rc != refused[i].rc)
			fail_rc(__FILE__, __LINE__, refused[i].reason,
				refused[i].rc, rc);
		expect(can_write(t, at, old));
		expect(can_write(t, at + 2 * CHUNK - PROBE,
				 old + 2 * CHUNK - PROBE));
		expect(can_write(t, last, old));
		expect(!can_write(t, at + 2 * CHUNK, new));
		expect_eq(charged, locked());
		unregister_mem(t->container, new, 2 * CHUNK);
		register_mem(t->container, new, 2 * CHUNK);
	}
}

/* v1 has to try: what it wrote goes again, and what lies around stays. */
static void failed_map_and_neighbours(struct tce *t)
{
	uint8_t *mem = half_bad(t), *around = prepare(t, 2 * CHUNK);
	uint64_t at = base(t) + CHUNK;
	long pins;

	map(t->container, around, at - CHUNK, CHUNK, RW);
	map(t->container, around + CHUNK, at + 2 * CHUNK, CHUNK, RW);
	pins = pinned();
	expect_rc(-EFAULT, __map(t->container, mem, at, 2 * CHUNK, RW));
	expect(!can_write(t, at, mem));
	expect(!can_write(t, at + CHUNK - PROBE, mem + CHUNK - PROBE));
	expect(can_write(t, at - PROBE, around + CHUNK - PROBE));
	expect(can_write(t, at + 2 * CHUNK, around + CHUNK));
	expect_rc(pins, pinned_settled(pins));
}

static const struct test rows[] = {
	{ "MAP refuses addresses without memory", not_allowed, BOTH | DMA },
	{ "MAP refuses memory that is not registered with EINVAL",
	  not_registered, V2 | DMA },
	{ "MAP may span registered regions", over_two_regions, V2 | DMA },
	{ "a failed MAP adds nothing", failed_map_adds_nothing, BOTH | DMA },
	{ "a failed MAP keeps what was mapped before", failed_map_keeps_old,
	  BOTH | DMA },
	{ "a failed MAP leaves its neighbours alone", failed_map_and_neighbours,
	  V1 | DMA },
	{ "a refused MAP changes nothing, whatever the reason",
	  refused_changes_nothing, V2 | DMA | DANGEROUS },
};

const struct rows refusal_rows = ROWS(rows);
