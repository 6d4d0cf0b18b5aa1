// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver costs, counted and not timed: instructions of the CPU, kernel and
 * firmware included, and calls of the hypervisor or the firmware. These do not depend
 * on what else the host of an emulated machine has to do.
 *
 * Each figure is a line "bench,DRIVER,NAME,VALUE". It is the least of calls that are
 * alike, because most of the longer ones have the timer's interrupt in them.
 *
 * usage: bench DRIVER REGIONS [TEST...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tce.h"

#define TCE		4096ULL		/* windows here have 4K pages */
#define REPS		9
#define PROBES		33
#define HUGE		(2 * MiB)

static const char *driver = "?";
static uint64_t regions;		/* the most that are registered */

static void row(const char *name, double value)
{
	/* Firmware tears lines of the console apart: the file is shown again. */
	FILE *out[] = { stdout, fopen("/tmp/bench.csv", "a") };
	int i;

	for (i = 0; i < 2 && out[i]; i++)
		fprintf(out[i], "bench,%s,%s,%.3f\n", driver, name, value);
	fflush(stdout);
	if (out[1])
		fclose(out[1]);
}

#define row_of(value, ...) do {				\
	char name_[96];					\
							\
	snprintf(name_, sizeof(name_), __VA_ARGS__);	\
	row(name_, value);				\
} while (0)

/* A counter of the calling thread */
static int perf_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type, .size = sizeof(attr), .config = config,
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

/* Most of the longer calls include a timer interrupt, but not all. */
static uint64_t least(const uint64_t *val, int n)
{
	uint64_t found = val[0];

	while (--n)
		found = val[n] < found ? val[n] : found;
	return found;
}

static int insns;			/* counts instructions */
static uint64_t overhead;		/* of looking at it */

#define counted(...) ({						\
	uint64_t start_ = perf_read(insns), end_;		\
								\
	__VA_ARGS__;						\
	end_ = perf_read(insns) - start_;			\
	end_ > overhead ? end_ - overhead : 0;			\
})

static void count_instructions(void)
{
	uint64_t val[101];
	int i;

	insns = perf_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	overhead = 0;
	for (i = 0; i < 101; i++)
		val[i] = counted();
	overhead = least(val, 101);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(__FILE__, __LINE__, "sched_setaffinity: %m");
}

/* Address space that begins at a multiple of the size of a huge page */
static uint8_t *reserve(size_t size)
{
	uint8_t *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size);
	return (uint8_t *)(((uintptr_t)p + HUGE - 1) / HUGE * HUGE);
}

/* Single pages in an order that has nothing to do with their addresses */
static uint8_t *scattered(size_t size)
{
	size_t n = size / host.page, stride = 104729 % n, i, at;
	uint8_t *p = reserve(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	/* a power of two and an odd number: each page's turn comes */
	stride |= 1;
	for (i = at = 0; i < n; i++, at = (at + stride) % n)
		p[at * host.page] = 1;
	return p;
}

/* Huge pages that are set aside for programs, or NULL where there are none */
static uint8_t *hugetlb(size_t size)
{
	char text[32];
	uint8_t *p;

	snprintf(text, sizeof(text), "%zu", (size_t)(size / HUGE));
	if (write_to("/proc/sys/vm/nr_hugepages", text) < 0)
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE |
		 MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* A large range in which the same 32 MiB come again and again: a registration does not care. */
static uint8_t *repeated(size_t size)
{
	size_t same = 32 * MiB, at;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	uint8_t *p = reserve(size);

	if (fd < 0 || ftruncate(fd, same))
		fail(__FILE__, __LINE__, "memfd: %m");
	for (at = 0; at < size; at += same)
		if (mmap(p + at, same, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fail(__FILE__, __LINE__, "mmap: %m");
	close(fd);
	return p;
}

/* Counts how often a tracepoint is met. */
static int tracepoint(const char *event, const char *filter)
{
	char path[96];
	FILE *f;
	int id, fd;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", event);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%d", &id) != 1)
		fail(__FILE__, __LINE__, "%s: %m", path);
	fclose(f);
	fd = perf_open(PERF_TYPE_TRACEPOINT, id);
	if (filter && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter))
		fail(__FILE__, __LINE__, "filter %s: %m", filter);
	return fd;
}

/* MAP and UNMAP of one entry, of as many as one call of the hypervisor takes, and of 4 MiB */
static void ranges(int version, const char *kind, uint8_t *mem)
{
	static const uint64_t sizes[] = { TCE, 512 * TCE, 4 * MiB };
	struct tce t = { .container = -1, .group = -1, .group2 = -1 };
	int calls = tracepoint(host.powernv ? "powerpc/opal_entry" :
			       "powerpc/hcall_entry", NULL), r;
	uint64_t iova;
	size_t i;

	attach(&t, version);
	allow(&t, mem, 4 * MiB);
	iova = t.info.dma32_window_start + 64 * MiB;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t m[REPS], u[REPS], c[REPS], n = sizes[i] / TCE;

		for (r = -1; r < REPS; r++) {
			/* The first one allocates levels. */
			int at = r < 0 ? 0 : r;

			c[at] = perf_read(calls);
			m[at] = counted(map(t.container, mem, iova, sizes[i], RW));
			u[at] = counted(unmap(t.container, iova, sizes[i]));
			c[at] = perf_read(calls) - c[at];
		}
		if (n == 512) {
			row_of(least(c, REPS), "v%d platform calls for MAP and UNMAP of 512 TCEs %s",
			       version, kind);
			continue;
		}
		row_of(1.0 * least(m, REPS) / n, "v%d MAP of %s %s per TCE", version,
		       n == 1 ? "one entry" : "4 MiB", kind);
		row_of(1.0 * least(u, REPS) / n, "v%d UNMAP of %s %s per TCE", version,
		       n == 1 ? "one entry" : "4 MiB", kind);
	}
}

static void ranges_scattered(int version)
{
	ranges(version, "scattered", scattered(4 * MiB));
}

static void ranges_hugetlb(int version)
{
	uint8_t *mem = hugetlb(4 * MiB);

	if (mem)
		ranges(version, "hugetlb", mem);
}

static void register_of(const char *name, uint8_t *mem, uint64_t page)
{
	struct tce t = { .container = -1, .group = -1, .group2 = -1 };
	uint64_t cost[REPS], size = 256 * MiB;
	long pins;
	int r;

	attach(&t, 2);
	pins = pinned();
	for (r = 0; r < REPS; r++) {
		cost[r] = counted(register_mem(t.container, mem, size));
		unregister_mem(t.container, mem, size);
		/* the kernel's own list lets go of memory some time later */
		pinned_settled(pins);
	}
	row(name, 1.0 * least(cost, REPS) / (size / page));
}

static void register_scattered(int version)
{
	(void)version;
	register_of("v2 REGISTER of scattered memory per page", scattered(256 * MiB),
		    host.page);
}

static void register_hugetlb(int version)
{
	uint8_t *mem = hugetlb(256 * MiB);

	(void)version;
	if (mem)
		register_of("v2 REGISTER of hugetlb memory per 2 MiB", mem, HUGE);
}

/* UNREGISTER takes along what is mapped. The kernel's own driver refuses it until that is unmapped. */
static void unregister_mapped(int version)
{
	struct tce t = { .container = -1, .group = -1, .group2 = -1 };
	uint64_t cost[REPS], size = 64 * MiB, iova;
	uint8_t *mem = scattered(size);
	long pins;
	int r;

	attach(&t, version);
	iova = t.info.dma32_window_start + 64 * MiB;
	pins = pinned();
	for (r = 0; r < REPS; r++) {
		register_mem(t.container, mem, size);
		map(t.container, mem, iova, size, RW);
		cost[r] = counted({
			if (!strcmp(driver, "intree"))
				unmap(t.container, iova, size);
			unregister_mem(t.container, mem, size);
		});
		pinned_settled(pins);
	}
	row_of(1.0 * least(cost, REPS) / (size / TCE),
	       "v%d UNREGISTER of 64 MiB that are mapped per TCE", version);
}

/* A page more or less, with few regions and with many */
static void many_regions(int version)
{
	static const char *const names[] = { "REGISTER", "MAP", "UNMAP" };
	const uint64_t counts[] = { 64, regions };
	struct tce t = { .container = -1, .group = -1, .group2 = -1 };
	uint64_t cost[3][PROBES], iova, n = 0;
	uint8_t *mem = repeated(regions * host.page);
	int i, k, r;

	attach(&t, version);
	iova = t.info.dma32_window_start + 64 * MiB;
	for (i = 0; i < 2; i++) {
		for (; n < counts[i]; n++)
			register_mem(t.container, mem + n * host.page, host.page);
		for (r = -1; r < PROBES; r++) {
			/* one of them goes and comes back, wherever it is */
			uint8_t *probe = mem + (r < 0 ? 0 : r * 7919 % n) * host.page;
			int at = r < 0 ? 0 : r;

			unregister_mem(t.container, probe, host.page);
			cost[0][at] = counted(register_mem(t.container, probe, host.page));
			cost[1][at] = counted(map(t.container, probe, iova, TCE, RW));
			cost[2][at] = counted(unmap(t.container, iova, TCE));
		}
		for (k = 0; k < 3; k++)
			row_of(least(cost[k], PROBES), "v2 %s of a page with %s regions",
			       names[k], i ? "many" : "64");
	}
}

/*
 * UNREGISTER takes along what its container maps, and not what another container of the process
 * does, which has the same memory and is there as well the second time.
 */
static void shared_regions(int version)
{
	struct tce t[2] = {
		{ .container = -1, .group = -1, .group2 = -1 },
		{ .container = -1, .group = -1, .group2 = -1 },
	};
	const uint64_t count = 4096;
	uint8_t *mem = repeated(count * host.page);
	uint64_t cost, i, iova[2];
	int both, k;

	attach(&t[0], version);
	attach_at(&t[1], version, host.other);
	for (both = 0; both < 2; both++) {
		for (k = 0; k <= both; k++) {
			iova[k] = t[k].info.dma32_window_start + 64 * MiB;
			for (i = 0; i < count; i++) {
				register_mem(t[k].container, mem + i * host.page, host.page);
				map(t[k].container, mem + i * host.page, iova[k] + i * host.page,
				    host.page, RW);
			}
		}
		for (i = cost = 0; i < count; i++)
			cost += counted({
				if (!strcmp(driver, "intree"))
					unmap(t[0].container, iova[0] + i * host.page, host.page);
				unregister_mem(t[0].container, mem + i * host.page, host.page);
			});
		row_of(1.0 * cost / count, "v%d UNREGISTER of 4096 mapped regions per region %s",
		       version, both ? "shared by two containers" : "of one container");
	}
}

static const struct {
	const char *name;
	void (*run)(int version);
	int version;
} benches[] = {
	{ "ranges", ranges_scattered, 1 },
	{ "ranges", ranges_hugetlb, 1 },
	{ "ranges", ranges_scattered, 2 },
	{ "ranges", ranges_hugetlb, 2 },
	{ "register", register_scattered, 2 },
	{ "register", register_hugetlb, 2 },
	{ "unregister", unregister_mapped, 2 },
	{ "regions", many_regions, 2 },
	{ "shared", shared_regions, 2 },
};

/* In a process of its own, so that nothing is left of it. Returns whether it was good. */
static bool run(size_t i)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		stay_on(0);
		count_instructions();
		benches[i].run(benches[i].version);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	write_to("/proc/sys/vm/nr_hugepages", "0");
	if (status)
		note("%s of v%d failed (%#x)", benches[i].name, benches[i].version, status);
	return !status;
}

int main(int argc, char **argv)
{
	int failed = 0, done = 0, j;
	size_t i;

	if (argc < 3)
		return 2;
	driver = argv[1];
	regions = strtoull(argv[2], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	tce_init();
	for (i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		bool wanted = argc == 3;

		for (j = 3; j < argc; j++)
			wanted |= !strcmp(argv[j], benches[i].name);
		if (!wanted)
			continue;
		done++;
		failed += !run(i);
	}
	return failed || !done;
}
