// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER and UNREGISTER: by their number, by their size, and with MAP.
 */
#define _GNU_SOURCE
#include <string.h>

#include "bench.h"

/*
 * Single pages against the number of registrations there are: REGISTER, MAP,
 * UNMAP and UNREGISTER of one page more
 */
#define PROBES	32

void registrations(struct tce *t)
{
	static const char *const names[] = {
		"register", "map", "unmap", "unregister"
	};
	static const size_t counts[] = {
		16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536
	};
	uint64_t max = opt.max_regs, cost[4][PROBES], iova;
	size_t i, j, k, n = 0;
	uint8_t *mem;
	int r;

	attach(t, 2);
	iova = first_iova(t) + 16 * MiB;
	mem = address_space(max);
	for (i = 0; i < sizeof(counts) / sizeof(*counts) && counts[i] <= max; i++) {
		for (; n < counts[i]; n++)
			register_mem(t->container, mem + n * host.page, host.page);
		if (opt.few && n != counts[0] && n != max)
			continue;
		for (r = -1; r < PROBES; r++) {
			/* one of them goes and comes back, wherever it is */
			uint8_t *probe = mem + (r < 0 ? 0 : r * 7919 % n) * host.page;

			j = r < 0 ? 0 : r;
			cost[3][j] = counted(unregister_mem(t->container, probe,
							    host.page));
			cost[0][j] = counted(register_mem(t->container, probe,
							  host.page));
			cost[1][j] = counted(map(t->container, probe, iova, TCE,
						 RW));
			cost[2][j] = counted(unmap(t->container, iova, TCE));
		}
		for (k = 0; k < 4; k++)
			row(names[k], 2, "registrations", n, "insn",
			    median(cost[k], PROBES));
	}
}

static void bench_register(struct tce *t, enum memory kind)
{
	uint64_t size = opt.reg_bytes, reg[4], unreg[4];
	uint64_t before, after, books = ~0ULL;
	uint8_t *mem;
	long pins;
	int r;

	attach(t, 2);
	mem = memory(kind, size);
	if (!mem)
		return;
	pins = pinned();
	for (r = 0; r < 4; r++) {
		before = kernel_memory();
		reg[r] = counted_as(r ? 13 : 11,
				    register_mem(t->container, mem, size));
		after = kernel_memory();
		unreg[r] = counted_as(r ? 13 : 12,
				      unregister_mem(t->container, mem, size));
		/* the kernel's own list lets go of memory some time later */
		pinned_settled(pins);
		if (r && after - before < books)
			books = after - before;
	}
	row("register", 2, memory_name[kind], size, "insn/page",
	    1.0 * cheapest(reg + 1, 3) / (size / host.page));
	row("unregister", 2, memory_name[kind], size, "insn/page",
	    1.0 * cheapest(unreg + 1, 3) / (size / host.page));
	row("books", 2, memory_name[kind], size, "byte/page",
	    1.0 * books / (size / host.page));
}

void register_scattered(struct tce *t)
{
	bench_register(t, SCATTERED);
}

void register_thp(struct tce *t)
{
	bench_register(t, THP);
}

void register_hugetlb(struct tce *t)
{
	bench_register(t, HUGETLB);
}

/*
 * More hugetlb memory than there is: the same huge pages again and again, which a
 * registration neither knows nor cares.
 */
static void bench_again(struct tce *t, const char *name, uint64_t size, uint64_t huge)
{
	uint64_t before, books[4], reg[4], unreg[4], n = size / huge;
	uint8_t *mem;
	long pins;
	int r;

	attach(t, 2);
	mem = same_huge_pages(size, huge);
	if (!mem)
		leave_out("this host has no huge pages of %llu MiB",
			  (unsigned long long)(huge / MiB));
	pins = pinned();
	for (r = 0; r < 4; r++) {
		before = kernel_memory();
		reg[r] = counted(register_mem(t->container, mem, size));
		books[r] = kernel_memory() - before;
		unreg[r] = counted(unregister_mem(t->container, mem, size));
		pinned_settled(pins);
	}
	row("register", 2, name, size, "insn/huge", 1.0 * cheapest(reg + 1, 3) / n);
	row("unregister", 2, name, size, "insn/huge", 1.0 * cheapest(unreg + 1, 3) / n);
	/* others allocate and free, too */
	row("books", 2, name, size, "byte/huge", 1.0 * (int64_t)median(books + 1, 3) / n);
}

void register_again(struct tce *t)
{
	bench_again(t, "again", AGAIN, 2 * MiB);
}

void register_giant(struct tce *t)
{
	if (strcmp(opt.driver, "ours"))
		leave_out("the kernel's own driver has books of 2 GiB for so much");
	bench_again(t, "giant", GIANT_AGAIN, GiB);
}

#define FEW	64

static void bench_sparse(struct tce *t, unsigned int bits)
{
	uint64_t size = 1ULL << bits, start, unmapping, removing;
	unsigned int levels;
	uint8_t *mem;
	int r, i;

	/* a hypervisor that refuses a window offers none until the next boot */
	if (!host.powernv)
		leave_out("only on powernv");
	attach(t, 2);
	remove_window(t->container, t->info.dma32_window_start);
	/* as many levels as it gets, so that little needs to be allocated */
	for (levels = t->info.ddw.levels; levels; levels--)
		if (!__create(t->container, 12, size, levels, &start))
			break;
	if (levels < 2)
		leave_out("no window of 2^%u bytes in levels", bits);
	mem = memory(SCATTERED, host.page);
	register_mem(t->container, mem, host.page);
	for (r = 0; r < 2; r++) {
		for (i = 0; i < FEW; i++)
			map(t->container, mem, start + size / FEW * i, TCE, RW);
		unmapping = counted(unmap(t->container, start, size));
	}
	for (i = 0; i < FEW; i++)
		map(t->container, mem, start + size / FEW * i, TCE, RW);
	removing = counted(remove_window(t->container, start));
	row("levels", 2, "sparse", size, "levels", levels);
	row("unmap-all", 2, "sparse", size, "insn", unmapping);
	row("remove", 2, "sparse", size, "insn", removing);
}

void sparse_37(struct tce *t)
{
	bench_sparse(t, 37);
}

void sparse_40(struct tce *t)
{
	bench_sparse(t, 40);
}

void sparse_46(struct tce *t)
{
	bench_sparse(t, 46);
}

/*
 * What DPDK does with memory in small segments: each is registered and mapped,
 * and at the end unmapped and unregistered
 */
void dpdk_sequence(struct tce *t)
{
	uint64_t n = opt.segments, i, iova, begin, end;
	uint8_t *mem;

	attach(t, 2);
	if (n > t->info.dma32_window_size / 2 / host.page)
		n = t->info.dma32_window_size / 2 / host.page;
	iova = first_iova(t) + t->info.dma32_window_size / 2;
	mem = address_space(n);
	counter_start(&insns);
	for (i = 0; i < n; i++) {
		register_mem(t->container, mem + i * host.page, host.page);
		map(t->container, mem + i * host.page, iova + i * host.page,
		    host.page, RW);
	}
	begin = counter_stop(&insns);
	counter_start(&insns);
	for (i = 0; i < n; i++) {
		unmap(t->container, iova + i * host.page, host.page);
		unregister_mem(t->container, mem + i * host.page, host.page);
	}
	end = counter_stop(&insns);
	row("start", 2, "dpdk", n, "insn", begin);
	row("stop", 2, "dpdk", n, "insn", end);
}
