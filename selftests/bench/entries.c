// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP of all sizes, per TCE, and close.
 */
#define _GNU_SOURCE
#include "bench.h"

const uint64_t sizes[NR_SIZES] = {
	4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB, 64 * MiB
};

static void bench_tce(struct tce *t, enum memory kind)
{
	uint64_t iova = first_iova(t) + 64 * MiB, cost[2][MAX_REPS];
	uint64_t max = opt.max_bytes;
	uint8_t *mem;
	size_t i;
	int r;

	if (max > t->info.dma32_window_size / 4)
		max = t->info.dma32_window_size / 4;
	mem = memory(kind, max);
	if (!mem)
		return;
	row("runs", t->version, memory_name[kind], max, "runs",
	    physical_runs(mem, max));
	allow(t, mem, max);
	for (i = 0; i < NR_SIZES && sizes[i] <= max; i++) {
		uint64_t size = sizes[i], tces = size / TCE;

		int reps = size > 4 * MiB ? 3 : MAX_REPS;
		/* sections 1-4: v1 map, unmap, v2 map, unmap; 5-8 of one entry */
		int section = size == 4 * MiB ? 2 * t->version - 1 :
			      size == TCE ? 2 * t->version + 3 : 13;

		if (opt.few && size != TCE && size != max)
			continue;
		for (r = -1; r < reps; r++) {
			int mapping = r == reps - 1 ? section : 13;
			int unmapping = r == reps - 1 ? section + 1 : 13;
			uint64_t m, u;

			m = counted_as(mapping, map(t->container, mem, iova,
						    size, RW));
			u = counted_as(unmapping, unmap(t->container, iova,
							size));
			if (r < 0)
				continue;	/* allocates levels, fills caches */
			cost[0][r] = m;
			cost[1][r] = u;
		}
		row("map", t->version, memory_name[kind], size, "insn/tce",
		    1.0 * cheapest(cost[0], reps) / tces);
		row("unmap", t->version, memory_name[kind], size, "insn/tce",
		    1.0 * cheapest(cost[1], reps) / tces);
	}
}

void tce_v1_scattered(struct tce *t)
{
	attach_or_leave_out(t, 1);
	bench_tce(t, SCATTERED);
}

void tce_v1_contiguous(struct tce *t)
{
	attach_or_leave_out(t, 1);
	bench_tce(t, CONTIGUOUS);
}

void tce_v1_thp(struct tce *t)
{
	attach_or_leave_out(t, 1);
	bench_tce(t, THP);
}

void tce_v1_hugetlb(struct tce *t)
{
	attach_or_leave_out(t, 1);
	bench_tce(t, HUGETLB);
}

void tce_v2_scattered(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, SCATTERED);
}

void tce_v2_contiguous(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, CONTIGUOUS);
}

void tce_v2_thp(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, THP);
}

void tce_v2_hugetlb(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, HUGETLB);
}

/*
 * What close costs more if each entry of the window maps something than if none does. The
 * rest is the platform's: it makes the group's own window again, as large as memory.
 */
static void bench_close(struct tce *t, int version)
{
	uint64_t start, size, at, piece = 4 * MiB, cost[2];
	uint8_t *mem = memory(SCATTERED, piece);
	int full;

	for (full = 0; full < 2; full++) {
		attach_or_leave_out(t, version);
		start = first_iova(t);
		size = t->info.dma32_window_size;
		allow(t, mem, piece);
		/* allocates levels */
		map(t->container, mem, start, piece, RW);
		unmap(t->container, start, piece);
		for (at = start; full && at < start + size; at += piece)
			map(t->container, mem, at, piece, RW);
		cost[full] = counted(close(t->container), close(t->group));
	}
	row("close", version, "full", size, "insn/tce",
	    ((double)cost[1] - (double)cost[0]) / (size / TCE));
}

void close_v1(struct tce *t)
{
	bench_close(t, 1);
}

void close_v2(struct tce *t)
{
	bench_close(t, 2);
}
