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
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfio.h"

#define TCE		4096ULL		/* windows here have 4K pages */
#define MAX_REPS	9

static struct options {
	const char *driver;
	uint64_t max_bytes;		/* largest MAP */
	uint64_t max_regs;		/* most registrations */
	uint64_t reg_bytes;		/* largest REGISTER */
	uint64_t segments;		/* of the DPDK sequence */
	bool profile;			/* mark what is counted, see mark() */
} opt = {
	.driver = "?",
	.max_bytes = 64 * MiB,
	.max_regs = 65536,
	.reg_bytes = GiB,
	.segments = 65536,
};

static void row(const char *test, int version, const char *memory, uint64_t n,
		const char *unit, double value)
{
	printf("csv,%s,%s,%d,%s,%llu,%s,%.2f\n", opt.driver, test, version,
	       memory, (unsigned long long)n, unit, value);
	fflush(stdout);
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
 * outside of the emulated machine (scripts/bench-profile.c) where a section
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

#define counted(call) ({				\
	counter_start(&insns);				\
	call;						\
	counter_stop(&insns);				\
})

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
static bool hugetlb_ready(size_t size)
{
	static const char path[] = "/proc/sys/vm/nr_hugepages";
	FILE *f = fopen(path, "w");

	if (!f)
		return false;
	fprintf(f, "%llu\n", (size + 2 * MiB - 1) / (2 * MiB));
	return !fclose(f);
}

/* How often the physical addresses do not go on where the last page ended. */
static uint64_t physical_runs(const void *va, size_t size)
{
	size_t n = size / host.page, i;
	uint64_t *map = malloc(n * sizeof(*map)), runs = 1;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	const uint64_t pfn = (1ULL << 55) - 1;

	if (fd < 0 || !map ||
	    pread(fd, map, n * 8, (uintptr_t)va / host.page * 8) != (ssize_t)n * 8)
		fail(__FILE__, __LINE__, "pagemap: %m");
	for (i = 1; i < n; i++)
		runs += (map[i] & pfn) != (map[i - 1] & pfn) + 1;
	close(fd);
	free(map);
	return runs;
}

enum memory { SCATTERED, CONTIGUOUS, THP, HUGETLB };
static const char *const memory_name[] = {
	"scattered", "contiguous", "thp", "hugetlb"
};

/*
 * @size bytes of memory that is there. SCATTERED is touched in an order that has
 * nothing to do with its addresses, CONTIGUOUS from its end to its start, which is
 * how the kernel hands out pages; both consist of single pages. Returns NULL where the host has no such memory.
 */
static uint8_t *memory(enum memory kind, size_t size)
{
	size_t n = size / host.page, i, at, stride;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *p;

	if (kind == HUGETLB) {
		size = (size + 2 * MiB - 1) / (2 * MiB) * (2 * MiB);
		if (!hugetlb_ready(size))
			return NULL;
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	p = mmap(NULL, size + 2 * MiB, PROT_READ | PROT_WRITE,
		 flags | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size);
	p = (uint8_t *)(((uintptr_t)p + 2 * MiB - 1) / (2 * MiB) * (2 * MiB));
	if (kind == THP) {
		if (size < 2 * MiB || madvise(p, size, MADV_HUGEPAGE))
			return NULL;
	} else {
		madvise(p, size, MADV_NOHUGEPAGE);
	}

	/* A stride that has no factor in common with n visits each page once. */
	stride = kind == SCATTERED && n > 4 ? n / 5 * 3 : 1;
	while (__builtin_popcountl(n) == 1 && stride > 1 && stride % 2 == 0)
		stride++;
	for (i = at = 0; i < n; i++, at = (at + stride) % n)
		p[(n - 1 - at) * host.page] = 1;
	if (kind == THP && physical_runs(p, size) > size / (2 * MiB))
		return NULL;
	return p;
}

static uint64_t first_iova(const struct tce *t)
{
	return t->info.dma32_window_start;
}

/*
 * MAP and UNMAP of all sizes, per TCE
 */
static void bench_tce(struct tce *t, enum memory kind)
{
	static const uint64_t sizes[] = {
		4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB,
		64 * MiB
	};
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
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes) && sizes[i] <= max; i++) {
		uint64_t size = sizes[i], tces = size / TCE;
		int reps = size > 4 * MiB ? 2 : MAX_REPS;
		bool profile = size == 4 * MiB;

		for (r = -1; r < reps; r++) {
			uint64_t m, u;

			if (profile && r == reps - 1)
				mark(t->version * 2 - 1);
			m = counted(map(t->container, mem, iova, size, RW));
			mark(13);
			if (profile && r == reps - 1)
				mark(t->version * 2);
			u = counted(unmap(t->container, iova, size));
			mark(13);
			if (r < 0)
				continue;	/* allocates levels, fills caches */
			cost[0][r] = m;
			cost[1][r] = u;
		}
		row("map", t->version, memory_name[kind], size, "insn/tce",
		    1.0 * median(cost[0], reps) / tces);
		row("unmap", t->version, memory_name[kind], size, "insn/tce",
		    1.0 * median(cost[1], reps) / tces);
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
static uint64_t floor_op(const char *op, uint64_t first, uint64_t n)
{
	static const char path[] = "/sys/module/tce_floor/parameters/run";
	unsigned int domain, bus, dev, fn;
	int fd = open(path, O_WRONLY | O_CLOEXEC), len;
	uint64_t cost;
	char cmd[128];

	if (fd < 0)
		skip("%s: %s", path, strerror(errno));
	if (sscanf(host.device[0].pci, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		fail(__FILE__, __LINE__, "%s is no PCI address", host.device[0].pci);
	len = snprintf(cmd, sizeof(cmd), "%x %x %x 0 %s %llu %llu", domain, bus,
		       dev << 3 | fn, op, (unsigned long long)first,
		       (unsigned long long)n);
	counter_start(&insns);
	if (write(fd, cmd, len) != len)
		fail(__FILE__, __LINE__, "%s: %m", cmd);
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
	static const uint64_t sizes[] = { 4 * KiB, 64 * KiB, MiB, 4 * MiB, 16 * MiB };
	uint8_t *page;
	size_t i, o;
	int r;

	attach(t, 2);
	page = memory(CONTIGUOUS, host.page);
	/* The first MAP makes the window. */
	allow(t, page, host.page);
	map(t->container, page, first_iova(t), TCE, RW);
	unmap(t->container, first_iova(t), TCE);

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t n = sizes[i] / TCE, first = 64 * MiB / TCE;
		uint64_t cost[5][MAX_REPS], nop[MAX_REPS];

		for (r = -1; r < MAX_REPS; r++) {
			for (o = 0; o < 5; o++) {
				uint64_t c = floor_op(ops[o], first, n);

				if (r >= 0)
					cost[o][r] = c;
			}
			if (r >= 0)
				nop[r] = floor_op("nop", first, n);
			floor_op("wipe", first, n);
		}
		for (o = 0; o < 5; o++) {
			uint64_t c = median(cost[o], MAX_REPS), none = median(nop, MAX_REPS);

			row(ops[o], 0, "floor", sizes[i], "insn/tce",
			    c > none ? 1.0 * (c - none) / n : 0);
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
	{ "floor", floor_rows },
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
	hugetlb_ready(0);
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
		case 'p':
			opt.profile = true;
			break;
		default:
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	host_init();
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
			if (status && status != 4) {
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
