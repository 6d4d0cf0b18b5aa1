// SPDX-License-Identifier: GPL-2.0-only
/*
 * More than one group or device: who comes or leaves takes nothing away from the others. Which
 * container maps what, who may join it, and the rest, is the fuzzer's.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static void one_leaves(struct tce *t)
{
	uint8_t *mem;
	uint64_t before;
	int i;

	need_sharing();
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	before = locked();
	for (i = 0; i < 3; i++) {
		set_container(t->group2, t->container);
		unset_container(t->group2);
		expect(can_read(t, base(t), mem));
		expect(can_write(t, base(t), mem));
		expect_eq(before, locked());
	}
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, CHUNK);
}

static void expect_dma(struct tce *t, uint64_t a, uint64_t b, void *mem)
{
	expect(can_write(t, a, mem));
	expect(can_write(t, b, mem));
}

/* PowerNV takes the group from the host once more, if it is let. */
static void function_comes(struct tce *t)
{
	uint64_t start, first;
	void *mem;

	if (!host_second(0, false))
		skip("the device has no second function");
	attach(t, 2);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	first = base(t);
	mem = alloc(CHUNK, CHUNK);
	bounce_at(t, first - CHUNK);
	allow(t, mem, CHUNK);
	create(t->container, 12, 256 * MiB, 1, &start);
	map(t->container, mem, first, CHUNK, RW);
	map(t->container, mem, start, CHUNK, RW);
	expect_dma(t, first, start, mem);
	expect(host_second(0, true));
	expect_dma(t, first, start, mem);
	unmap(t->container, first, CHUNK);
	unmap(t->container, start, CHUNK);
	expect(!can_write(t, first, mem));
	expect(!can_write(t, start, mem));
	map(t->container, mem, first + CHUNK, CHUNK, RW);
	map(t->container, mem, start + CHUNK, CHUNK, RW);
	expect_dma(t, first + CHUNK, start + CHUNK, mem);
}

static const struct test tests[] = {
	{ "a group that goes leaves the others their mappings", one_leaves,
	  V2 | TWO | DMA },
	{ "a function that comes to a claimed group takes no window away",
	  function_comes, V2 | POWERNV | APART | DANGEROUS },
};

TEST_MAIN("groups", tests)
