// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver costs, counted and not timed: instructions of the CPU, kernel and
 * firmware included, and calls of the hypervisor or the firmware. These do not depend
 * on what else the host of an emulated machine has to do.
 *
 * Each figure is a line "bench,DRIVER,NAME,VALUE". It is the least of calls that are
 * alike, because most of the longer ones have the timer's interrupt in them.
 *
 * usage: bench DRIVER REGIONS
 */
#define _GNU_SOURCE
#include <endian.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "test.h"

#define TCE		4096ULL		/* windows here have 4K pages */
#define REPS		9
#define PROBES		33
#define HUGE		(2 * MiB)
#define LISTED		256		/* regions that KVM can find */
#define BESIDE		(1ULL << 16)	/* mapped entries of another container */

static const char *driver = "?";
static uint64_t regions;		/* the most that are registered */

__attribute__((format(printf, 2, 3)))
static void figure(double value, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	printf("bench,%s,", driver);
	vprintf(name, ap);
	printf(",%.3f\n", value);
	va_end(ap);
}

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

/* Single pages in an order that has nothing to do with their addresses */
static uint8_t *scattered(size_t size)
{
	size_t n = size / host.page, stride = 104729 % n, i, at;
	uint8_t *p = alloc(size, HUGE);

	expect(!madvise(p, size, MADV_NOHUGEPAGE) && !madvise(p, size, MADV_DONTNEED));
	/* a power of two and an odd number: each page's turn comes */
	stride |= 1;
	for (i = at = 0; i < n; i++, at = (at + stride) % n)
		p[at * host.page] = 1;
	return p;
}

/* The same 64 MiB, or less, again and again, at addresses that follow each other */
static void *alloc_repeated(uint64_t size)
{
	const uint64_t some = size < 64 * MiB ? size : 64 * MiB;
	int file = memfd_create("repeated", 0);
	uint8_t *mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at;

	expect(mem != MAP_FAILED && file >= 0 && ftruncate(file, some) == 0);
	for (at = 0; at < size; at += some)
		expect(mmap(mem + at, some, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
			    file, 0) == mem + at);
	close(file);
	return mem;
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
	struct tce t;
	int calls = tracepoint(host.powernv ? "powerpc/opal_entry" :
			       "powerpc/hcall_entry", NULL), r;
	uint64_t iova;
	size_t i;

	attach(&t, version);
	allow(&t, mem, 4 * MiB);
	iova = t.info.dma32_window_start + 64 * MiB;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t m[REPS], u[REPS], c[REPS], n = sizes[i] / TCE;
		double map_cost, unmap_cost;
		const char *what;

		for (r = -1; r < REPS; r++) {
			/* The first one allocates levels. */
			int at = r < 0 ? 0 : r;

			c[at] = perf_read(calls);
			m[at] = counted(map(t.container, mem, iova, sizes[i], RW));
			u[at] = counted(unmap(t.container, iova, sizes[i]));
			c[at] = perf_read(calls) - c[at];
		}
		if (n == 512) {
			figure(least(c, REPS), "v%d platform calls for MAP and UNMAP of 512 TCEs %s",
			    version, kind);
			continue;
		}
		what = n == 1 ? "one entry" : "4 MiB";
		map_cost = 1.0 * least(m, REPS) / n;
		unmap_cost = 1.0 * least(u, REPS) / n;
		figure(map_cost, "v%d MAP of %s %s per TCE", version, what, kind);
		figure(unmap_cost, "v%d UNMAP of %s %s per TCE", version, what, kind);
		figure(map_cost + unmap_cost, "v%d MAP and UNMAP of %s %s per TCE", version, what,
		    kind);
	}
}

static void ranges_scattered(int version)
{
	ranges(version, "scattered", scattered(4 * MiB));
}

static void ranges_hugetlb(int version)
{
	ranges(version, "hugetlb", alloc_huge(4 * MiB, NULL));
}

/* REGISTER of @mem again and again. Return: instructions per @unit bytes */
static double register_cost(struct tce *t, uint8_t *mem, uint64_t size, uint64_t unit)
{
	uint64_t cost[REPS];
	long pins = pinned();
	int r;

	for (r = 0; r < REPS; r++) {
		cost[r] = counted(register_mem(t->container, mem, size));
		unregister_mem(t->container, mem, size);
		/* the kernel's own list lets go of memory some time later */
		pinned_settled(pins);
	}
	return 1.0 * least(cost, REPS) / (size / unit);
}

static void register_hugetlb(int version)
{
	uint64_t size = 256 * MiB;
	struct tce t;

	attach(&t, version);
	figure(register_cost(&t, alloc_huge(size, NULL), size, HUGE),
	       "v2 REGISTER of hugetlb memory per 2 MiB");
}

static uint8_t *transparent_huge(size_t size)
{
	uint8_t *p = alloc(size, HUGE);

	expect(!madvise(p, size, MADV_DONTNEED) && !madvise(p, size, MADV_HUGEPAGE));
	memset(p, 0, size);
	expect(read_number("/proc/self/smaps_rollup", "AnonHugePages:") * KiB >= size);
	return p;
}

/* The same in a process that has KVM, where the kernel's own list gets the memory as well */
static void register_with_kvm(int version)
{
	uint64_t size = 64 * MiB;
	uint8_t *single = scattered(size);
	struct tce t;

	guest_init();
	attach(&t, version);
	figure(register_cost(&t, alloc_huge(size, NULL), size, HUGE),
	       "v2 REGISTER with KVM of hugetlb memory per 2 MiB");
	figure(register_cost(&t, transparent_huge(size), size, HUGE),
	       "v2 REGISTER with KVM of transparent huge pages per 2 MiB");
	figure(register_cost(&t, single, size, HUGE),
	       "v2 REGISTER with KVM of scattered pages per 2 MiB");
	figure(register_cost(&t, single, host.page, host.page),
	       "v2 REGISTER with KVM of a page");
}

/* UNREGISTER unmaps what is mapped. The kernel's own driver refuses it until that is unmapped. */
static void unregister_mapped(int version)
{
	struct tce t;
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
	figure(1.0 * least(cost, REPS) / (size / TCE),
	    "v%d UNREGISTER of 64 MiB that are mapped per TCE", version);
}

/* A page more or less, with few regions and with many */
static void many_regions(int version)
{
	static const char *const names[] = { "REGISTER", "MAP", "UNMAP" };
	const uint64_t counts[] = { 64, regions };
	struct tce t;
	uint64_t cost[3][PROBES], iova, n = 0;
	uint8_t *mem = alloc_repeated(regions * host.page);
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
			figure(least(cost[k], PROBES), "v2 %s of a page with %s regions",
			    names[k], i ? "many" : "64");
	}
	figure(1.0 * counted(detach(&t)) / regions, "v2 close of many regions per region");
}

/*
 * UNREGISTER takes along what its container maps, and not what another container of the process
 * does, which has the same memory and is there as well the second time.
 */
static void shared_regions(int version)
{
	struct tce t[2];
	const uint64_t count = 4096;
	uint8_t *mem = alloc_repeated(count * host.page);
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
		figure(1.0 * cost / count, "v%d UNREGISTER of 4096 mapped regions per region %s",
		    version, both ? "shared by two containers" : "of one container");
	}
}

/* All entries from @start on map the same memory. */
static void map_all(const struct tce *t, uint64_t start, uint64_t entries, uint8_t *mem,
		    uint64_t size)
{
	uint64_t at;

	for (at = 0; at < entries * TCE; at += size)
		map(t->container, mem, start + at, size, RW);
}

/*
 * UNREGISTER of a page that nothing maps, in a process that has KVM, beside a window whose entries
 * all map other memory. Each of them is read; a partition asks the hypervisor for it. The kernel's
 * own driver reads none.
 */
static void unregister_beside(int version)
{
	const uint64_t entries = host.powernv ? 1ULL << 24 : 1ULL << 20, size = 64 * MiB;
	uint8_t *mem, *page = scattered(host.page);
	uint64_t cost[3], start;
	struct tce t;
	int r;

	if (!strcmp(driver, "intree"))
		return;
	mem = alloc_huge(size, NULL);
	guest_init();
	attach(&t, version);
	allow(&t, mem, size);
	remove_window(t.container, t.info.dma32_window_start);
	create(t.container, 12, entries * TCE, host.powernv ? 3 : 1, &start);
	map_all(&t, start, entries, mem, size);
	for (r = 0; r < 3; r++) {
		register_mem(t.container, page, host.page);
		cost[r] = counted(unregister_mem(t.container, page, host.page));
	}
	figure(1.0 * least(cost, 3) / entries,
	       "v2 UNREGISTER with KVM beside a mapped window per entry");
}

/*
 * Close of one of two containers of a process that has KVM, with 255 regions, beside the window of
 * the other one, of which entries are read once
 */
static void close_beside(int version)
{
	const uint64_t size = 64 * MiB;
	uint8_t *mem = alloc_huge(size, NULL), *own = alloc(LISTED * CHUNK, HUGE);
	struct tce t[2];
	int i;

	guest_init();
	attach(&t[0], version);
	attach_at(&t[1], version, host.other);
	register_mem(t[1].container, mem, size);
	map_all(&t[1], t[1].info.dma32_window_start, BESIDE, mem, size);
	for (i = 1; i < LISTED; i++)
		register_mem(t[0].container, own + i * CHUNK, host.page);
	figure(1.0 * counted(detach(&t[0])) / (t[1].info.dma32_window_size / TCE),
	       "v2 close with KVM of one of two containers per entry");
}

#define THREADS	4
#define TURNS	1000

static pthread_barrier_t together;

/* A thread that does nothing but MAP and UNMAP an entry of its own, and what that takes */
static struct caller {
	pthread_t thread;
	const struct tce *t;
	uint8_t *mem;
	uint64_t iova, cost;
	long slept;
} callers[THREADS];

static void *call_again_and_again(void *arg)
{
	struct caller *caller = arg;
	struct rusage before, after;
	int counter, i;

	stay_on((caller - callers) % sysconf(_SC_NPROCESSORS_ONLN));
	counter = perf_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	pthread_barrier_wait(&together);
	getrusage(RUSAGE_THREAD, &before);
	caller->cost = perf_read(counter);
	for (i = 0; i < TURNS; i++) {
		map(caller->t->container, caller->mem, caller->iova, TCE, RW);
		unmap(caller->t->container, caller->iova, TCE);
	}
	caller->cost = perf_read(counter) - caller->cost;
	getrusage(RUSAGE_THREAD, &after);
	caller->slept = after.ru_nvcsw - before.ru_nvcsw;
	return NULL;
}

/* Four of them at once, in one container or in two. Not the least: what they cost each other */
static void several_threads(int version)
{
	static const char *const where[] = { "one container", "two containers" };
	struct tce t[2];
	uint8_t *mem[2];
	int both, i;

	for (i = 0; i < 2; i++) {
		attach_at(&t[i], version, i ? host.other : 0);
		mem[i] = scattered(THREADS * host.page);
		allow(&t[i], mem[i], THREADS * host.page);
		/* makes the default window, of which the kernel's own driver would lose one */
		map(t[i].container, mem[i], t[i].info.dma32_window_start, TCE, RW);
		unmap(t[i].container, t[i].info.dma32_window_start, TCE);
	}
	pthread_barrier_init(&together, NULL, THREADS);
	for (both = 0; both < 2; both++) {
		uint64_t cost = 0, slept = 0;

		for (i = 0; i < THREADS; i++) {
			struct caller *caller = &callers[i];

			caller->t = &t[both && i % 2];
			caller->mem = mem[both && i % 2] + i * host.page;
			caller->iova = caller->t->info.dma32_window_start + i * TCE;
			expect(!pthread_create(&caller->thread, NULL, call_again_and_again, caller));
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(callers[i].thread, NULL);
			cost += callers[i].cost;
			slept += callers[i].slept;
		}
		figure(1.0 * cost / (THREADS * TURNS), "v%d MAP and UNMAP by four threads in %s per TCE",
		       version, where[both]);
		figure(1000.0 * slept / (THREADS * TURNS),
		       "v%d sleeps of four threads in %s per 1000 TCEs", version, where[both]);
	}
}

/* What a guest's hypercall for TCEs costs, which KVM does by itself in the container's table */
#define TCES		512U		/* the most that one hypercall takes */
#define DATA		(64 * KiB)	/* what the guest maps, up to its end */
#define OPAL_TCE_KILL	"opcode == 126"

static const struct shape {
	unsigned int guest, table;	/* log2 of the guest's page, and of the table's */
	const char *name;
} shapes[] = {
	{ 12, 12, "guest 4K on 4K" },
	{ 16, 12, "guest 64K on 4K" },
	{ 16, 16, "guest 64K on 64K" },
};

/* What is measured; each finds what the one before it has left. */
static const struct {
	const char *name;
	unsigned int call, n;
} hypercalls[] = {
	{ "H_STUFF_TCE of empty entries", H_STUFF_TCE, TCES },
	{ "H_PUT_TCE", H_PUT_TCE, 1 },
	{ "H_STUFF_TCE of one entry", H_STUFF_TCE, 1 },
	{ "H_PUT_TCE_INDIRECT", H_PUT_TCE_INDIRECT, TCES },
	{ "H_PUT_TCE_INDIRECT over mapped entries", H_PUT_TCE_INDIRECT, TCES },
	{ "H_STUFF_TCE", H_STUFF_TCE, TCES },
	{ NULL, H_STUFF_TCE, 0 },	/* one that does nothing */
};

#define NOTHING	(sizeof(hypercalls) / sizeof(*hypercalls) - 1)

/* What @counter counts, per TCE; a hypercall that does nothing is taken off. */
static void hypercall_figures(const struct shape *shape, uint64_t iova, int counter,
			      const char *which)
{
	uint64_t val[NOTHING + 1][REPS], start;
	unsigned int call, n;
	size_t i;
	int r;

	for (r = 0; r < REPS; r++) {
		for (i = 0; i <= NOTHING; i++) {
			call = hypercalls[i].call;
			n = hypercalls[i].n;
			start = perf_read(counter);
			expect_rc(0, hcall(call, LIOBN, iova, call == H_PUT_TCE ? DATA | TCE_RW :
					   call == H_STUFF_TCE ? 0 : GUEST_LIST, n));
			val[i][r] = perf_read(counter) - start;
		}
	}
	start = least(val[NOTHING], REPS);
	for (i = 0; i < NOTHING; i++)
		figure(1.0 * (least(val[i], REPS) - start) / hypercalls[i].n, "%s %s%s per TCE",
		    shape->name, hypercalls[i].name, which);
}

static void guest_calls(int which)
{
	const struct shape *shape = &shapes[which];
	uint64_t *list, iova;
	struct tce t;
	uint8_t *more;
	unsigned int i;
	int kills;

	if (1ULL << shape->table > host.page)
		return;
	guest_init();
	list = (uint64_t *)(guest.mem + GUEST_LIST);
	/* big endian, whatever the guest is */
	for (i = 0; i < TCES; i++)
		list[i] = htobe64((DATA + ((uint64_t)i << shape->guest) % (GUEST_SIZE - DATA)) |
				  TCE_RW);
	attach(&t, 2);
	register_mem(t.container, guest.mem, GUEST_SIZE);
	iova = t.info.dma32_window_start;
	remove_window(t.container, iova);
	create(t.container, shape->table, GUEST_WINDOW, 1, &iova);
	expect_eq(t.info.dma32_window_start, iova);
	guest_view(iova, GUEST_WINDOW, shape->guest);
	expect_rc(0, guest_add_group(t.group));

	hypercall_figures(shape, iova, insns, "");
	if (host.powernv) {
		kills = tracepoint("powerpc/opal_entry", OPAL_TCE_KILL);
		hypercall_figures(shape, iova, kills, " invalidations");
		close(kills);
	}
	/* the kernel looks at the newest first */
	more = alloc(LISTED * CHUNK, HUGE);
	for (i = 1; i < LISTED; i++)
		register_mem(t.container, more + i * CHUNK, host.page);
	hypercall_figures(shape, iova, insns, " with 256 regions");
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
	{ "register", register_hugetlb, 2 },
	{ "register with KVM", register_with_kvm, 2 },
	{ "unregister", unregister_mapped, 2 },
	{ "regions", many_regions, 2 },
	{ "shared", shared_regions, 2 },
	{ "close beside", close_beside, 2 },
	{ "unregister beside", unregister_beside, 2 },
	{ "threads", several_threads, 1 },
	{ "threads", several_threads, 2 },
	{ "guest", guest_calls, 0 },
	{ "guest", guest_calls, 1 },
	{ "guest", guest_calls, 2 },
};

static void run(void *arg)
{
	size_t i = (uintptr_t)arg;

	stay_on(0);
	count_instructions();
	benches[i].run(benches[i].version);
}

int main(int argc, char **argv)
{
	int failed = 0, status;
	size_t i;

	if (argc != 3)
		return 2;
	driver = argv[1];
	regions = strtoull(argv[2], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	host_init();
	for (i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		/* a process of its own, so that nothing is left of it; a figure that it skips is missed */
		waitpid(spawn(false, run, (void *)i), &status, 0);
		if (!status || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP))
			continue;
		note("%s of v%d failed (%#x)", benches[i].name, benches[i].version, status);
		failed++;
	}
	return !!failed;
}
