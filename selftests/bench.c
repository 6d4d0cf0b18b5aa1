// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver costs, counted and not timed: instructions of the CPU, kernel
 * and firmware included, calls of the hypervisor or of the firmware, contended
 * locks, pages of memory. On an emulated machine these repeat to within a
 * percent, whatever else its host has to do.
 *
 * Results are lines "csv,DRIVER,TEST,VERSION,MEMORY,N,UNIT,VALUE"; scripts/bench
 * knows what they should be. VERSION is 0 where no container is involved.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tce.h"

#define TCE		4096ULL		/* windows here have 4K pages */
#define MAX_REPS	9

static struct options {
	const char *driver;
	uint64_t max_bytes;		/* largest MAP */
	uint64_t max_regs;		/* most registrations */
	uint64_t reg_bytes;		/* largest REGISTER */
	uint64_t segments;		/* of the DPDK sequence */
	bool few;			/* only the ends of long series */
	bool profile;			/* mark what is counted, see mark() */
} opt = {
	.driver = "?",
	.max_bytes = 64 * MiB,
	.max_regs = 65536,
	.reg_bytes = GiB,
	.segments = 65536,
};

#define SKIPPED	4

/* Leaves the process: the host has not what this one needs. */
#define leave_out(...) do {				\
	note("left out: " __VA_ARGS__);			\
	_exit(SKIPPED);					\
} while (0)

static int cpus;

static void row(const char *test, int version, const char *memory, uint64_t n,
		const char *unit, double value)
{
	/* Firmware tears lines of the console apart: the file is shown again. */
	FILE *out[] = { stdout, fopen("/tmp/bench.csv", "a") };
	int i;

	for (i = 0; i < 2 && out[i]; i++)
		fprintf(out[i], "csv,%s,%s,%d,%s,%llu,%s,%.3f\n", opt.driver,
			test, version, memory, (unsigned long long)n, unit, value);
	fflush(stdout);
	if (out[1])
		fclose(out[1]);
}

/*
 * Counters
 */
static int perf_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			 PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "perf_event_open: %m");
	return fd;
}

static uint64_t perf_read(int fd)
{
	uint64_t val;

	if (read(fd, &val, sizeof(val)) != sizeof(val))
		fail(__FILE__, __LINE__, "reading a counter: %m");
	return val;
}

/* Of the calling thread. */
struct counter {
	int fd;
	uint64_t overhead;		/* of looking at it */
	uint64_t start;
};

static struct counter insns;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *val, int n)
{
	qsort(val, n, sizeof(*val), compare);
	return val[n / 2];
}

/*
 * Of calls that are all alike: the least, not the median. What some cost more is the
 * timer's interrupt, which comes the more often the slower the emulator gets on. A
 * median of long calls has a share of it that says how busy the emulator's host is.
 * Where calls differ from each other, as by the region that is looked for, the median
 * counts.
 */
static uint64_t cheapest(const uint64_t *val, int n)
{
	uint64_t least = val[0];

	while (n--)
		if (val[n] < least)
			least = val[n];
	return least;
}

static void counter_open(struct counter *c, uint32_t type, uint64_t config)
{
	uint64_t val[101];
	int i;

	c->fd = perf_open(type, config);
	for (i = 0; i < 101; i++) {
		val[i] = perf_read(c->fd);
		val[i] = perf_read(c->fd) - val[i];
	}
	c->overhead = median(val, 101);
}

static void counter_start(struct counter *c)
{
	c->start = perf_read(c->fd);
}

static uint64_t counter_stop(struct counter *c)
{
	uint64_t now = perf_read(c->fd);

	return now - c->start > c->overhead ? now - c->start - c->overhead : 0;
}

/*
 * An instruction that does nothing and that no compiler emits tells the profiler
 * outside of the emulated machine (scripts/data/bench-profile.c) where a section
 * begins (1..12) and ends (13).
 */
#define MARK(n)	asm volatile(".long 0x68000000 | " #n "<<21 | " #n "<<16" ::: "memory")

static void mark(int section)
{
	if (!opt.profile)
		return;
	switch (section) {
	case 1: MARK(1); break;
	case 2: MARK(2); break;
	case 3: MARK(3); break;
	case 4: MARK(4); break;
	case 5: MARK(5); break;
	case 6: MARK(6); break;
	case 7: MARK(7); break;
	case 8: MARK(8); break;
	case 9: MARK(9); break;
	case 10: MARK(10); break;
	case 11: MARK(11); break;
	case 12: MARK(12); break;
	default: MARK(13); break;
	}
}

#define counted_as(section, ...) ({			\
	counter_start(&insns);				\
	mark(section);					\
	__VA_ARGS__;					\
	mark(13);					\
	counter_stop(&insns);				\
})
#define counted(...)	counted_as(13, __VA_ARGS__)

/* Scheduling and interrupts would be counted with the rest: one CPU, no moves. */
static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(__FILE__, __LINE__, "sched_setaffinity: %m");
}

/*
 * Memory
 */
/* A line of /proc/meminfo in bytes, 0 if there is none. */
static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "r");
	uint64_t kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key))) {
			kib = strtoull(line + strlen(key), NULL, 10);
			break;
		}
	}
	if (f)
		fclose(f);
	return kib * KiB;
}

/* What the kernel has allocated for itself in small or scattered pieces. */
static uint64_t kernel_memory(void)
{
	pinned();	/* which folds the counters of all CPUs */
	return meminfo("VmallocUsed:") + meminfo("Slab:");
}

static bool set_vm(const char *what, size_t n)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", what);
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f, "%zu\n", n);
	return !fclose(f);
}

/* Physical page numbers of @n pages from @va on; the caller frees them. */
static uint64_t *page_numbers(const void *va, size_t n)
{
	uint64_t *pfn = malloc(n * sizeof(*pfn));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0 || !pfn ||
	    pread(fd, pfn, n * 8, (uintptr_t)va / host.page * 8) != (ssize_t)n * 8)
		fail(__FILE__, __LINE__, "pagemap: %m");
	close(fd);
	for (i = 0; i < n; i++)
		pfn[i] &= (1ULL << 55) - 1;
	return pfn;
}

/* Of how many pieces the memory consists. */
static uint64_t physical_runs(const void *va, size_t size)
{
	size_t n = size / host.page, i;
	uint64_t *pfn = page_numbers(va, n), runs = 1;

	for (i = 1; i < n; i++)
		runs += pfn[i] != pfn[i - 1] + 1;
	free(pfn);
	return runs;
}

enum memory { SCATTERED, CONTIGUOUS, THP, HUGETLB };
static const char *const memory_name[] = {
	"scattered", "contiguous", "thp", "hugetlb"
};

static uint8_t *reserve(size_t size)
{
	uint8_t *p = mmap(NULL, size + 2 * MiB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size);
	return (uint8_t *)(((uintptr_t)p + 2 * MiB - 1) / (2 * MiB) * (2 * MiB));
}

/* Single pages, touched @stride apart, forwards or backwards. */
static uint8_t *single_pages(size_t size, size_t stride, bool backwards)
{
	size_t n = size / host.page, i, at;
	uint8_t *p = reserve(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	for (i = at = 0; i < n; i++, at = (at + stride) % n)
		p[(backwards ? n - 1 - at : at) * host.page] = 1;
	return p;
}

/*
 * Huge pages, touched forwards or backwards, and split into the single pages that
 * they consist of; or NULL.
 */
static uint8_t *split_pages(size_t size, bool backwards)
{
	FILE *f = fopen("/sys/kernel/debug/split_huge_pages", "w");
	size_t n = size / (2 * MiB), i;
	uint8_t *p = reserve(size);

	if (!f)
		return NULL;
	if (madvise(p, size, MADV_HUGEPAGE)) {
		fclose(f);
		return NULL;
	}
	for (i = 0; i < n; i++)
		p[(backwards ? n - 1 - i : i) * 2 * MiB] = 1;
	memset(p, 1, size);
	fprintf(f, "%d,0x%lx,0x%lx\n", getpid(), (unsigned long)p,
		(unsigned long)p + size);
	return fclose(f) ? NULL : p;
}

/* Is none of @n pages part of a larger one? */
static bool all_single(const uint64_t *pfn, size_t n)
{
	const uint64_t compound = 1 << 15 | 1 << 16;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t flags = compound;
	size_t i;

	if (fd < 0)
		return false;
	for (i = 0; i < n; i++)
		if (pread(fd, &flags, 8, pfn[i] * 8) != 8 || flags & compound)
			break;
	close(fd);
	return i == n;
}

/*
 * The kernel hands out pages of a large free block in the order of their
 * addresses or against it, once smaller blocks are used up: so take more than
 * is wanted and look for the piece with the fewest breaks. Where memory was much
 * used before, huge pages have to be split for it, and pieces of a large run may
 * be as short as they are.
 */
static uint8_t *contiguous_pages(size_t size)
{
	size_t n = size / host.page, total = 2 * n + 128 * MiB / host.page, i;
	size_t least = ~0UL, at = 0;
	int try;

	for (try = 0; try < 6; try++) {
		size_t breaks = 0, best = ~0UL;
		uint8_t *p = NULL;
		uint64_t *pfn;
		bool single;

		set_vm("compact_memory", 1);
		if (try > 1)
			p = split_pages(total * host.page, try % 2);
		if (!p)
			p = single_pages(total * host.page, 1, try % 2);
		pfn = page_numbers(p, total);
		for (i = 1; i < total; i++) {
			breaks += pfn[i] != pfn[i - 1] + 1;
			if (i >= n)
				breaks -= pfn[i - n + 1] != pfn[i - n] + 1;
			if (i + 1 >= n && breaks < best) {
				best = breaks;
				at = i + 1 - n;
			}
		}
		single = all_single(pfn + at, n);
		free(pfn);
		if (single && (best <= size / (16 * MiB) ||
			       (try > 3 && size > 16 * MiB &&
				best <= size / (2 * MiB))))
			return p + at * host.page;
		note("contiguous pages, try %d: %zu breaks%s", try, best,
		     single ? "" : ", in larger pages");
		if (best < least)
			least = best;
	}
	fail(__FILE__, __LINE__, "no %zu bytes of contiguous pages: %zu breaks",
	     size, least);
}

/* @size bytes of memory that is there, or NULL where there is none of a kind. */
static uint8_t *memory(enum memory kind, size_t size)
{
	size_t n = size / host.page, stride, huge;
	uint8_t *p;

	switch (kind) {
	case SCATTERED:
		/* prime, so that each page's turn comes */
		for (stride = 104729; n % stride == 0; stride = 7919)
			;
		return single_pages(size, stride % n ?: 1, false);
	case CONTIGUOUS:
		return contiguous_pages(size);
	case THP:
		p = reserve(size);
		/* without the file the CPU, as described to the kernel, has none */
		if (access("/sys/kernel/mm/transparent_hugepage", F_OK) ||
		    size < 2 * MiB || madvise(p, size, MADV_HUGEPAGE))
			return NULL;
		memset(p, 1, size);
		return physical_runs(p, size) <= size / (2 * MiB) ? p : NULL;
	case HUGETLB:
		huge = meminfo("Hugepagesize:");
		if (!huge)
			return NULL;
		size = (size + huge - 1) / huge * huge;
		if (!set_vm("nr_hugepages", size / huge))
			return NULL;
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	return NULL;
}

static uint64_t first_iova(const struct tce *t)
{
	return t->info.dma32_window_start;
}

/*
 * MAP and UNMAP of all sizes, per TCE
 */
static const uint64_t sizes[] = {
	4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB, 64 * MiB
};
#define NR_SIZES	(sizeof(sizes) / sizeof(*sizes))

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

static void tce_v1_scattered(struct tce *t)
{
	attach(t, 1);
	bench_tce(t, SCATTERED);
}

static void tce_v1_contiguous(struct tce *t)
{
	attach(t, 1);
	bench_tce(t, CONTIGUOUS);
}

static void tce_v1_thp(struct tce *t)
{
	attach(t, 1);
	bench_tce(t, THP);
}

static void tce_v1_hugetlb(struct tce *t)
{
	attach(t, 1);
	bench_tce(t, HUGETLB);
}

static void tce_v2_scattered(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, SCATTERED);
}

static void tce_v2_contiguous(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, CONTIGUOUS);
}

static void tce_v2_thp(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, THP);
}

static void tce_v2_hugetlb(struct tce *t)
{
	attach(t, 2);
	bench_tce(t, HUGETLB);
}

/*
 * The floor: the platform's operations on the same window, by tce_floor.ko
 */
static uint64_t floor_op(const char *op, uint64_t first, uint64_t n, int section)
{
	static const char path[] = "/sys/module/tce_floor/parameters/run";
	unsigned int domain, bus, dev, fn;
	int fd = open(path, O_WRONLY | O_CLOEXEC), len;
	uint64_t cost;
	char cmd[128];

	if (fd < 0)
		leave_out("%s: %s", path, strerror(errno));
	if (sscanf(host.device[0].pci, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		fail(__FILE__, __LINE__, "%s is no PCI address", host.device[0].pci);
	len = snprintf(cmd, sizeof(cmd), "%x %x %x 0 %s %llu %llu", domain, bus,
		       dev << 3 | fn, op, (unsigned long long)first,
		       (unsigned long long)n);
	counter_start(&insns);
	mark(section);
	if (write(fd, cmd, len) != len)
		fail(__FILE__, __LINE__, "%s: %m", cmd);
	mark(13);
	cost = counter_stop(&insns);
	close(fd);
	return cost;
}

static void floor_rows(struct tce *t)
{
	/* What each one needs before and leaves behind. */
	static const char *const ops[] = {
		"exchange", "exchange0", "set", "clear", "kill"
	};
	uint8_t *page;
	size_t i, o;
	int r;

	attach(t, 2);
	page = memory(CONTIGUOUS, host.page);
	/* The first MAP makes the window. */
	allow(t, page, host.page);
	map(t->container, page, first_iova(t), TCE, RW);
	unmap(t->container, first_iova(t), TCE);

	for (i = 0; i < NR_SIZES && sizes[i] <= opt.max_bytes; i++) {
		int reps = sizes[i] > 4 * MiB ? 2 : MAX_REPS;
		uint64_t n = sizes[i] / TCE, first = 64 * MiB / TCE;
		uint64_t cost[5][MAX_REPS], nop[MAX_REPS];

		for (r = -1; r < reps; r++) {
			for (o = 0; o < 5; o++) {
				/* sections 9, 10: exchanges of 4 MiB */
				bool last = sizes[i] == 4 * MiB &&
					    r == reps - 1 && o < 2;
				uint64_t c = floor_op(ops[o], first, n,
						      last ? 9 + o : 13);

				if (r >= 0)
					cost[o][r] = c;
			}
			if (r >= 0)
				nop[r] = floor_op("nop", first, n, 13);
			floor_op("wipe", first, n, 13);
		}
		for (o = 0; o < 5; o++) {
			uint64_t c = cheapest(cost[o], reps);
			uint64_t none = cheapest(nop, reps);

			row(ops[o], 0, "floor", sizes[i], "insn/tce",
			    c > none ? 1.0 * (c - none) / n : 0);
		}
	}
}

/*
 * What v1 cannot do without besides: pinning and unpinning, alone, by the same
 * module. Per TCE, as the rest: with large pages there are fewer pages to pin.
 */
static void floor_pins_of(enum memory kind)
{
	static const char *const ops[] = {
		"pin", "unpin", "pin-short", "unpin-folio",
		"pin-each", "unpin-each"
	};
	uint64_t cost[6][MAX_REPS], nop[MAX_REPS], size = 4 * MiB;
	uint8_t *mem = memory(kind, size);
	size_t o;
	int r;

	if (!mem)
		return;
	for (r = -1; r < MAX_REPS; r++) {
		for (o = 0; o < 6; o++) {
			bool each = !strcmp(ops[o], "pin-each");
			uint64_t c = floor_op(ops[o], (uintptr_t)mem, size /
					      (each ? TCE : host.page), 13);

			if (r >= 0)
				cost[o][r] = c;
		}
		if (r >= 0)
			nop[r] = floor_op("pin", (uintptr_t)mem, 0, 13);
	}
	for (o = 0; o < 6; o++) {
		uint64_t c = cheapest(cost[o], MAX_REPS);
		uint64_t none = cheapest(nop, MAX_REPS);

		row(ops[o], 0, memory_name[kind], size, "insn/tce",
		    c > none ? 1.0 * (c - none) / (size / TCE) : 0);
	}
}

static void floor_pins(struct tce *t)
{
	(void)t;	/* no window has a part in it */
	floor_pins_of(SCATTERED);
	floor_pins_of(CONTIGUOUS);
	floor_pins_of(THP);
	floor_pins_of(HUGETLB);
}

/*
 * Single pages against the number of registrations there are: REGISTER, MAP,
 * UNMAP and UNREGISTER of one page more
 */
#define PROBES	32

/*
 * @n pages at successive addresses. Where they are many, the same few pages of
 * memory again and again: a registration neither knows nor cares.
 */
static uint8_t *address_space(size_t n)
{
	size_t size = n * host.page, part = 32 * MiB, at;
	uint8_t *p = reserve(size);
	int fd;

	if (size <= 512 * MiB) {
		madvise(p, size, MADV_NOHUGEPAGE);
		memset(p, 1, size);
		return p;
	}
	fd = memfd_create("bench", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, part))
		fail(__FILE__, __LINE__, "memfd: %m");
	for (at = 0; at < size; at += part)
		if (mmap(p + at, part, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fail(__FILE__, __LINE__, "mmap: %m");
	close(fd);
	return p;
}

static void registrations(struct tce *t)
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

/*
 * REGISTER and UNREGISTER of much memory: instructions, and memory for the books
 */
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

static void register_scattered(struct tce *t)
{
	bench_register(t, SCATTERED);
}

static void register_thp(struct tce *t)
{
	bench_register(t, THP);
}

static void register_hugetlb(struct tce *t)
{
	bench_register(t, HUGETLB);
}

/*
 * UNMAP of all of a window in which little is mapped, and its end
 */
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

static void sparse_37(struct tce *t)
{
	bench_sparse(t, 37);
}

static void sparse_40(struct tce *t)
{
	bench_sparse(t, 40);
}

static void sparse_46(struct tce *t)
{
	bench_sparse(t, 46);
}

/*
 * What DPDK does with memory in small segments: each is registered and mapped,
 * and at the end unmapped and unregistered
 */
static void dpdk_sequence(struct tce *t)
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

/*
 * How many instructions the counter misses: of two loops whose length is known, one
 * of branches within a page, and one that calls a function and returns from it.
 */
#define TURNS	100000ULL

static void counter_rows(struct tce *t)
{
	uint64_t cost, turns = TURNS;

	(void)t;
	/* three instructions a turn */
	cost = counted(asm volatile("mtctr %0\n\t"
				    ".balign 64\n"
				    "1: addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "bdnz 1b"
				    : : "r" (turns) : "r9", "ctr", "memory"));
	row("counter", 0, "loop", TURNS * 3, "seen/executed",
	    1.0 * cost / (TURNS * 3));
	/* nine: two in the loop, seven in the function */
	cost = counted(asm volatile("mtctr %0\n\t"
				    "mflr 10\n\t"
				    "b 1f\n\t"
				    ".balign 64\n"
				    "2: addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "addi 9,9,1\n\t"
				    "blr\n"
				    "1: bl 2b\n\t"
				    "bdnz 1b\n\t"
				    "mtlr 10"
				    : : "r" (turns)
				    : "r9", "r10", "ctr", "lr", "memory"));
	row("counter", 0, "calls", TURNS * 9, "seen/executed",
	    1.0 * cost / (TURNS * 9));
}

/*
 * Two CPUs that map and unmap in one container, each its own range, each until both
 * have done so often enough. What they lose to each other is waiting: spinning is
 * counted as instructions, which one thread alone does not need, and sleeping as time
 * in which a thread neither ran nor could have (by the guest's own books, which know
 * nothing of an emulator that has to wait). A CPU counts for as much as is left of it:
 *
 *	instructions of a call alone / of a call here * time awake / time
 *
 * Two CPUs that do not disturb each other count for two. A median of rounds, and no
 * best one: with luck no lock is met.
 *
 * An emulated processor that spins may give way to the other, and an emulator without
 * processors of its own runs one after the other: then even one lock for all is hardly
 * met. So there is a second figure, which such a lock can't pass: how far one CPU gets
 * with calls of one entry while the other is inside a long call. That is nowhere with
 * a lock, however it is waited for.
 */
#define CALLS	150
#define ROUNDS	5
#define LONG_CALL	(16 * MiB)
#define LONG_CALLS	24

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct tce *t;
	uint8_t *mem;
	uint64_t iova;
	uint64_t size;
	int cpu;
	int *enough;			/* workers that have */
	int all;			/* workers */
	double calls;
	double insns;
	double awake;			/* part of the time */
	double contended;
};

static int tracepoint(const char *name)
{
	char path[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%d", &id) != 1)
		id = -1;
	if (f)
		fclose(f);
	return id;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		fail(__FILE__, __LINE__, "clock_gettime: %m");
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* For how long this thread has run, or waited for its CPU. */
static double awake(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	unsigned long long waited;

	if (!f || fscanf(f, "%*u %llu", &waited) != 1)
		fail(__FILE__, __LINE__, "schedstat: %m");
	fclose(f);
	return seconds(CLOCK_THREAD_CPUTIME_ID) + waited / 1e9;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int lock = tracepoint("lock/contention_begin");
	struct counter insn, contention = { .fd = -1 };
	double up, passed;
	int done = 0;

	stay_on(w->cpu);
	counter_open(&insn, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	if (lock >= 0)
		contention.fd = perf_open(PERF_TYPE_TRACEPOINT, lock);
	map(w->t->container, w->mem, w->iova, w->size, RW);
	unmap(w->t->container, w->iova, w->size);

	pthread_barrier_wait(w->barrier);
	if (contention.fd >= 0)
		contention.start = perf_read(contention.fd);
	passed = seconds(CLOCK_MONOTONIC);
	up = awake();
	counter_start(&insn);
	/* Nobody stops before all have worked against each other. */
	while (__atomic_load_n(w->enough, __ATOMIC_RELAXED) < w->all) {
		map(w->t->container, w->mem, w->iova, w->size, RW);
		unmap(w->t->container, w->iova, w->size);
		if (++done == CALLS)
			__atomic_fetch_add(w->enough, 1, __ATOMIC_RELAXED);
	}
	w->insns = counter_stop(&insn);
	up = awake() - up;
	passed = seconds(CLOCK_MONOTONIC) - passed;
	w->awake = up / passed;
	w->calls = 2.0 * done;
	if (contention.fd >= 0)
		w->contended = perf_read(contention.fd) - contention.start;
	return NULL;
}

static void parallel_run(struct tce *t, uint8_t *mem, uint64_t size, int n,
			 struct worker *w)
{
	pthread_barrier_t barrier;
	int i, enough = 0;

	pthread_barrier_init(&barrier, NULL, n);
	for (i = 0; i < n; i++) {
		w[i] = (struct worker) {
			.barrier = &barrier, .t = t, .cpu = i, .size = size,
			.mem = mem + i * size, .enough = &enough, .all = n,
			.iova = first_iova(t) + 64 * MiB + i * 64 * MiB,
		};
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			fail(__FILE__, __LINE__, "pthread_create: %m");
	}
	for (i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
}

/* Makes calls of one entry until it is told to stop, and counts them. */
static struct beside {
	struct tce *t;
	uint8_t *mem;
	unsigned long calls;
	bool over;
} beside;

static void *short_calls(void *arg)
{
	struct tce *t = beside.t;
	uint64_t iova = first_iova(t) + 128 * MiB;

	(void)arg;
	stay_on(1);
	while (!__atomic_load_n(&beside.over, __ATOMIC_RELAXED)) {
		map(t->container, beside.mem, iova, TCE, RW);
		__atomic_fetch_add(&beside.calls, 1, __ATOMIC_RELAXED);
		unmap(t->container, iova, TCE);
		__atomic_fetch_add(&beside.calls, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median_of(double *val, int n)
{
	qsort(val, n, sizeof(*val), compare_doubles);
	return val[n / 2];
}

/*
 * Instructions of the short calls that ended while a long one was under way, as they
 * cost alone, for each instruction that the long one costs alone: about one. The median
 * of the long calls counts. The host of an emulated machine may stop one of its CPUs
 * just before a long call takes its locks. Then the other CPU gets on, whatever is locked.
 */
static void bench_beside(struct tce *t)
{
	uint64_t iova = first_iova(t) + 64 * MiB, small[MAX_REPS], large[2];
	uint8_t *mem = memory(SCATTERED, LONG_CALL + host.page);
	double ended[LONG_CALLS];
	unsigned long before;
	pthread_t thread;
	int i;

	allow(t, mem, LONG_CALL + host.page);
	beside = (struct beside){ .t = t, .mem = mem + LONG_CALL };
	for (i = -1; i < MAX_REPS; i++) {
		uint64_t cost = counted(map(t->container, beside.mem, iova, TCE, RW));

		cost += counted(unmap(t->container, iova, TCE));
		if (i >= 0)
			small[i] = cost;
	}
	for (i = 0; i < 2; i++) {
		large[i] = counted(map(t->container, mem, iova, LONG_CALL, RW));
		large[i] += counted(unmap(t->container, iova, LONG_CALL));
	}

	if (pthread_create(&thread, NULL, short_calls, NULL))
		fail(__FILE__, __LINE__, "pthread_create: %m");
	while (__atomic_load_n(&beside.calls, __ATOMIC_RELAXED) < 10)
		sched_yield();
	for (i = 0; i < LONG_CALLS; i++) {
		before = __atomic_load_n(&beside.calls, __ATOMIC_RELAXED);
		if (i % 2)
			unmap(t->container, iova, LONG_CALL);
		else
			map(t->container, mem, iova, LONG_CALL, RW);
		ended[i] = __atomic_load_n(&beside.calls, __ATOMIC_RELAXED) - before;
	}
	__atomic_store_n(&beside.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	row("parallel", t->version, "beside", LONG_CALL, "ratio",
	    median_of(ended, LONG_CALLS) * cheapest(small, MAX_REPS) /
	    cheapest(large, 2));
}

static void bench_parallel(struct tce *t, int version)
{
	static const uint64_t ranges[] = { 4 * KiB, 64 * KiB, MiB };
	struct worker alone[1], both[2];
	uint8_t *mem;
	size_t i;
	int r, c;

	if (cpus < 2)
		leave_out("one CPU");
	/* there they wait for each other in the emulator, time passes, and ticks */
	if (!host.powernv)
		leave_out("the emulated hypervisor serves one CPU at a time");
	attach(t, version);
	mem = memory(SCATTERED, 2 * MiB);
	allow(t, mem, 2 * MiB);
	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		double one[ROUNDS], cpus_worth[ROUNDS], spun[ROUNDS];
		double slept[ROUNDS], contended[ROUNDS], least;

		if (opt.few && ranges[i] != MiB)
			continue;
		for (r = 0; r < ROUNDS; r++) {
			parallel_run(t, mem, ranges[i], 1, alone);
			one[r] = alone[0].insns / alone[0].calls;
		}
		least = median_of(one, ROUNDS);
		for (r = 0; r < ROUNDS; r++) {
			parallel_run(t, mem, ranges[i], 2, both);
			cpus_worth[r] = spun[r] = slept[r] = contended[r] = 0;
			for (c = 0; c < 2; c++) {
				double insns = both[c].insns / both[c].calls;

				cpus_worth[r] += least / insns * both[c].awake;
				spun[r] += (1 - least / insns) / 2;
				slept[r] += (1 - both[c].awake) / 2;
				contended[r] += both[c].contended /
						both[c].calls / 2;
			}
		}
		row("parallel", version, "cpus", ranges[i], "ratio",
		    median_of(cpus_worth, ROUNDS));
		row("parallel", version, "spun", ranges[i], "ratio",
		    median_of(spun, ROUNDS));
		row("parallel", version, "slept", ranges[i], "ratio",
		    median_of(slept, ROUNDS));
		row("parallel", version, "contended", ranges[i], "per-call",
		    median_of(contended, ROUNDS));
	}
	bench_beside(t);
}

static void parallel_v1(struct tce *t)
{
	bench_parallel(t, 1);
}

static void parallel_v2(struct tce *t)
{
	bench_parallel(t, 2);
}

/*
 * Calls that leave the kernel: of the hypervisor (pseries) or of the firmware
 */
static int trace_open(const char *event, const char *filter)
{
	int id = tracepoint(event), fd;

	if (id < 0)
		leave_out("the kernel has no event %s", event);
	fd = perf_open(PERF_TYPE_TRACEPOINT, id);
	if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter))
		fail(__FILE__, __LINE__, "filter %s: %m", filter);
	return fd;
}

static const struct platform_call {
	const char *name;
	const char *event;
	const char *filter;
	bool powernv;
} platform_calls[] = {
	{ "H_GET_TCE", "powerpc/hcall_entry", "opcode == 0x1c", false },
	{ "H_PUT_TCE", "powerpc/hcall_entry", "opcode == 0x20", false },
	{ "H_PUT_TCE_INDIRECT", "powerpc/hcall_entry", "opcode == 0x138", false },
	{ "H_STUFF_TCE", "powerpc/hcall_entry", "opcode == 0x13c", false },
	{ "OPAL_PCI_TCE_KILL", "powerpc/opal_entry", "opcode == 126", true },
};
#define NR_CALLS (sizeof(platform_calls) / sizeof(*platform_calls))

static void bench_calls(struct tce *t, int version, enum memory kind)
{
	static const uint64_t entries[] = { 1, 16, 512, 1024 };
	uint64_t iova, before[NR_CALLS], sum[2], val;
	int fd[NR_CALLS];
	uint8_t *mem;
	size_t i, c;
	int r, op;

	attach(t, version);
	mem = memory(kind, 4 * MiB);
	if (!mem)
		return;
	allow(t, mem, 4 * MiB);
	iova = first_iova(t) + 64 * MiB;
	for (c = 0; c < NR_CALLS; c++) {
		fd[c] = -1;
		if (platform_calls[c].powernv == host.powernv)
			fd[c] = trace_open(platform_calls[c].event,
					   platform_calls[c].filter);
	}
	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		for (r = 0; r < 2; r++) {
			for (op = 0; op < 2; op++) {
				sum[op] = 0;
				for (c = 0; c < NR_CALLS; c++)
					if (fd[c] >= 0)
						before[c] = perf_read(fd[c]);
				if (op)
					unmap(t->container, iova, entries[i] * TCE);
				else
					map(t->container, mem, iova,
					    entries[i] * TCE, RW);
				for (c = 0; c < NR_CALLS; c++) {
					if (fd[c] < 0)
						continue;
					val = perf_read(fd[c]) - before[c];
					sum[op] += val;
					if (val && r)
						note("v%d %s %s of %llu entries: %llu %s",
						     version, memory_name[kind],
						     op ? "UNMAP" : "MAP",
						     (unsigned long long)entries[i],
						     (unsigned long long)val,
						     platform_calls[c].name);
				}
			}
		}
		row("map-calls", version, memory_name[kind], entries[i], "calls",
		    sum[0]);
		row("unmap-calls", version, memory_name[kind], entries[i], "calls",
		    sum[1]);
	}
}

static void calls(struct tce *t)
{
	int version;
	pid_t pid;

	for (version = 1; version <= 2; version++) {
		enum memory kind;

		for (kind = SCATTERED; kind <= CONTIGUOUS; kind++) {
			int status;

			fflush(stdout);
			pid = fork();
			if (!pid) {
				bench_calls(t, version, kind);
				fflush(stdout);
				_exit(0);
			}
			if (waitpid(pid, &status, 0) != pid || status)
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
	}
}

static const struct {
	const char *name;
	void (*run)(struct tce *t);
} benches[] = {
	{ "v1-scattered", tce_v1_scattered },
	{ "v2-scattered", tce_v2_scattered },
	{ "v1-contiguous", tce_v1_contiguous },
	{ "v2-contiguous", tce_v2_contiguous },
	{ "v1-thp", tce_v1_thp },
	{ "v2-thp", tce_v2_thp },
	{ "v1-hugetlb", tce_v1_hugetlb },
	{ "v2-hugetlb", tce_v2_hugetlb },
	{ "registrations", registrations },
	{ "register-scattered", register_scattered },
	{ "register-thp", register_thp },
	{ "register-hugetlb", register_hugetlb },
	{ "sparse-37", sparse_37 },
	{ "sparse-40", sparse_40 },
	{ "sparse-46", sparse_46 },
	{ "dpdk", dpdk_sequence },
	{ "parallel-v1", parallel_v1 },
	{ "parallel-v2", parallel_v2 },
	{ "calls", calls },
	{ "counter", counter_rows },
	{ "floor", floor_rows },
	{ "floor-pins", floor_pins },
};

/* In a process of its own, so that nothing is left of it. Returns the status. */
static int run(size_t i)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct tce t = { .container = -1, .group = -1, .group2 = -1 };

		stay_on(0);
		counter_open(&insns, PERF_TYPE_HARDWARE,
			     PERF_COUNT_HW_INSTRUCTIONS);
		benches[i].run(&t);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	set_vm("nr_hugepages", 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "driver", required_argument, NULL, 'd' },
		{ "max-bytes", required_argument, NULL, 'm' },
		{ "max-regs", required_argument, NULL, 'r' },
		{ "reg-bytes", required_argument, NULL, 'b' },
		{ "segments", required_argument, NULL, 's' },
		{ "few", no_argument, NULL, 'f' },
		{ "profile", no_argument, NULL, 'p' },
		{ }
	};
	int c, failed = 0, j;
	size_t i;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt.driver = optarg;
			break;
		case 'm':
			opt.max_bytes = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			opt.max_regs = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			opt.reg_bytes = strtoull(optarg, NULL, 0);
			break;
		case 's':
			opt.segments = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			opt.few = true;
			break;
		case 'p':
			opt.profile = true;
			break;
		default:
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	tce_init();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (j = optind; j < argc || (optind == argc && j == argc); j++) {
		const char *name = j < argc ? argv[j] : "";
		bool found = false;

		for (i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
			int status;

			if (*name && strcmp(name, benches[i].name))
				continue;
			found = true;
			note("%s", benches[i].name);
			status = run(i);
			if (status && status != SKIPPED) {
				note("%s failed (%d)", benches[i].name, status);
				failed++;
			}
		}
		if (!found) {
			note("there is no %s", name);
			failed++;
		}
	}
	return !!failed;
}
