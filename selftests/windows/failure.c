// SPDX-License-Identifier: GPL-2.0-only
/*
 * What failed or was repeated leaves nothing.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "windows.h"

static void failed_create(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, start;
	int i;

	register_mem(t->container, mem, CHUNK);
	bounce_at(t, first(t));
	map(t->container, mem, first(t) + MiB, CHUNK, RW);
	before = locked();
	for (i = 0; i < 20; i++) {
		expect_rc(-EINVAL, __create(t->container, 13, GiB, 1, &start));
		expect_rc(-EINVAL, __create(t->container, 12, 3 * GiB, 1,
					    &start));
		expect_rc(-EINVAL, __create(t->container, 12, GiB, 100,
					    &start));
	}
	expect_eq(before, locked());
	expect(can_write(t, first(t) + MiB, mem));
	/* The slot that none of them got is free. */
	create(t->container, 16, some_size(16), 1, &start);
}

/* The window cannot be told to the caller, who could never remove it. */
static void result_unwritable(struct tce *t)
{
	struct vfio_iommu_spapr_tce_create *arg;
	uint64_t before, start;

	remove_window(t->container, first(t));
	before = locked();
	arg = alloc(host.page, host.page);
	arg->argsz = sizeof(*arg);
	arg->page_shift = 12;
	arg->window_size = 256 * MiB;
	arg->levels = 1;
	mprotect(arg, host.page, PROT_READ);
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE,
				 arg));
	expect_eq(before, locked());
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_eq(first(t), start);
}

static void create_cycles(struct tce *t)
{
	uint64_t before, free = 0, start;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	int i;

	register_mem(t->container, mem, CHUNK);
	remove_window(t->container, first(t));
	before = locked();
	/* The first ones fill caches. */
	for (i = 0; i < 60; i++) {
		if (i == 10)
			free = mem_free();
		create(t->container, 12, 512 * MiB, 1, &start);
		map(t->container, mem, start + MiB, CHUNK, RW);
		remove_window(t->container, start);
		expect_eq(before, locked());
	}
	/* 50 tables of 1 MiB, and on PowerNV as much for user addresses. */
	expect(mem_free_returns(free - 24 * MiB));
}

static void attach_cycles(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, free = 0, start;
	int i;

	detach(t);
	before = locked();
	for (i = 0; i < 30; i++) {
		if (i == 10)
			free = mem_free();
		attach(t, 2);
		register_mem(t->container, mem, CHUNK);
		map(t->container, mem, first(t), CHUNK, RW);
		create(t->container, 16, some_size(16), 1, &start);
		detach(t);
		expect_eq(before, locked());
	}
	expect(mem_free_returns(free - 24 * MiB));
}

/* A window of 2^21 entries has a user view of 16 MiB, which pseries before 6.16 loses. */
static void large_windows(struct tce *t)
{
	unsigned int shift = has_shift(t, 16) ? 16 : 12;
	uint64_t free = 0, start;
	int i;

	detach(t);
	for (i = 0; i < 24; i++) {
		if (i == 4)
			free = mem_free();
		attach(t, 2);
		create(t->container, shift, 1ULL << (21 + shift), 1, &start);
		detach(t);
	}
	expect(mem_free_returns(free - 64 * MiB));
}

static void refused_clients(struct tce *t)
{
	uint64_t free = 0, start;
	int i;

	detach(t);
	for (i = 0; i < 400; i++) {
		if (i == 100)
			free = mem_free();
		attach(t, 2);
		expect_rc(-EINVAL, __create(t->container, 13, GiB, 1, &start));
		expect_rc(-EINVAL, __create(t->container, 12, GiB, 100, &start));
		detach(t);
	}
	expect(mem_free_returns(free - 8 * MiB));
}

static const struct test rows[] = {
	{ "a failed CREATE has no lasting effect", failed_create, V2 | DMA },
	{ "60 cycles of CREATE and REMOVE leave nothing", create_cycles, V2 },
	{ "30 cycles of attaching leave nothing", attach_cycles, V2 },
	{ "20 clients with a window of 2^21 entries leave nothing", large_windows, V2, 120 },
	{ "300 clients that are refused leave nothing", refused_clients, V2, 120 },
	{ "CREATE that cannot return its result keeps nothing",
	  result_unwritable, V2 },
};

const struct rows failure_rows = ROWS(rows);
