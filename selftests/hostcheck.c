// SPDX-License-Identifier: GPL-2.0-only
/*
 * One PCI function of any host, given to vfio-pci, drives DMA through the module:
 * what scripts/hostcheck runs on machines that this project does not have.
 *
 * usage: hostcheck --device PCI [OPTION of the harness]
 *        hostcheck --exclusive DISK
 *
 * The second form fails unless the disk can be opened as those do who want it for themselves (ZFS,
 * btrfs, md, the device mapper), which no mount tells of.
 *
 * HOSTCHECK_SECONDS is how long the test runs that replaces a page (5). HOSTCHECK_STRAY is a
 * command that stops the device after each access that was not allowed, as hardware does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostcheck/hostcheck.h"

/* Maps all of the test's memory. */
static void map_all(struct engine *e, uint32_t flags)
{
	map(e->t->container, e->mem, e->iova, e->size, flags);
}

/* One more each time, but never 0, which is what fresh memory has. */
static uint32_t next_token(struct engine *e)
{
	static uint32_t last;

	do {
		last++;
	} while (!(last & e->tokens));
	return last & e->tokens;
}

/*
 * Does the device see, or change, memory at @va? With new content each time. Rows that need a
 * device which tells what it read look at e->reads first.
 */
static bool engine_reads(struct engine *e, uint64_t iova, void *va)
{
	uint32_t token = next_token(e), seen;

	expect(e->reads);
	e->ops->put(e, va, token);
	return !read_token(e, iova, &seen) && seen == token;
}

static bool engine_writes(struct engine *e, uint64_t iova, void *va)
{
	static unsigned int seed = 1000;

	fill(va, e->span, ++seed);
	if (!write_token(e, iova, va, next_token(e)))
		return true;
	if (!filled(va, e->span, seed))
		fail(__FILE__, __LINE__, "memory at IOVA %#llx changed in part",
		     (unsigned long long)iova);
	return false;
}

/* Both, or only writing if it can't tell what it has read */
static bool reaches(struct engine *e, uint64_t iova, void *va)
{
	return engine_writes(e, iova, va) && (!e->reads || engine_reads(e, iova, va));
}

static bool frozen(struct tce *t)
{
	long state;

	if (__check_extension(t->container, VFIO_EEH) <= 0)
		return false;
	state = __eeh(t->container, VFIO_EEH_PE_GET_STATE);
	expect(state >= 0);
	return state != VFIO_EEH_PE_STATE_NORMAL;
}

/* EEH as a guest does it: reset, and what comes after it. */
static void eeh_reset(struct tce *t, uint32_t kind)
{
	expect_rc(0, __eeh(t->container, kind));
	nap(250);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_RESET_DEACTIVATE));
	/* What PCI gives a device until it has to answer. */
	nap(1000);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_CONFIGURE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
}

/* After an access that was not allowed: the device works again. */
static void recover(struct engine *e)
{
	/* Emulated bridges never stop a device. There a test says how that is done. */
	const char *stray = getenv("HOSTCHECK_STRAY");

	if (stray)
		expect(!system(stray));
	if (frozen(e->t)) {
		eeh_reset(e->t, VFIO_EEH_PE_RESET_HOT);
		note("EEH: 1 freeze, from which the device came back");
	}
	expect_rc(0, restart(e));
}

/* Offsets in 1 MiB: both ends, and where tables of any page size have a border. */
static const size_t offsets[] = {
	0, 4 * KiB, 60 * KiB, 64 * KiB, 68 * KiB, 512 * KiB, MiB - 64 * KiB, MiB - 4 * KiB,
};

/* Memory at each offset is read and written, and not a byte beside what is written. */
static void accesses(struct tce *t)
{
	struct engine e;
	size_t i, after;

	begin(&e, t, MiB);
	note("device: %s; it %s what it reads, writes %zu bytes",
	     e.what, e.reads ? "tells" : "can't tell", e.span);
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		if (e.reads)
			expect(engine_reads(&e, e.iova + offsets[i], e.mem + offsets[i]));
		fill(e.mem, e.size, i);
		expect(engine_writes(&e, e.iova + offsets[i], e.mem + offsets[i]));
		expect(filled(e.mem, offsets[i], i));
		/* The pattern begins anew in a buffer: what was there, and where. */
		after = offsets[i] + e.span;
		fill(e.mem, after, i);
		expect(filled(e.mem, e.size, i));
	}
	end(&e);
}

/* Memory that is mapped to be read, or not at all, can't be written, or reached. */
static void denied(struct tce *t)
{
	const uint32_t flags = t->arg;
	struct engine e;

	begin(&e, t, SMALL);
	expect(reaches(&e, e.iova, e.mem));
	if (flags)
		map_all(&e, flags);
	else
		unmap(t->container, e.iova, SMALL);
	if (e.reads && flags)
		expect(engine_reads(&e, e.iova, e.mem));
	expect(!engine_writes(&e, e.iova, e.mem));
	recover(&e);
	if (e.reads && !flags) {
		expect(!engine_reads(&e, e.iova, e.mem));
		recover(&e);
	}
	map_all(&e, RW);
	expect(reaches(&e, e.iova, e.mem));
	end(&e);
}

/*
 * The bridge keeps entries that it has used. If it kept the old one after the ioctl
 * returned, the device would read the old page. An emulator keeps none.
 *
 * A thread lets the device read all the time. Each page that takes another's place
 * carries the next token.
 */
static struct {
	struct engine e;
	uint32_t mapped;		/* of the page whose MAP has returned */
	uint32_t begun;			/* of the page whose MAP may have begun */
	bool stop;
	unsigned int reads;
	char wrong[100];
} race;

#define load(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define store(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)

static void *reader(void *arg)
{
	uint32_t low, seen, mask = race.e.tokens;
	int rc;

	while (!load(race.stop) && !race.wrong[0]) {
		low = load(race.mapped);
		rc = read_token(&race.e, race.e.iova, &seen);
		/* As numbers that begin again after the highest. */
		if (rc)
			snprintf(race.wrong, sizeof(race.wrong), "a read failed: %s",
				 strerrorname_np(-rc));
		else if (((seen - low) & mask) > ((load(race.begun) - low) & mask))
			snprintf(race.wrong, sizeof(race.wrong),
				 "it read page %u after the MAP of page %u", seen, low);
		race.reads++;
	}
	return arg;
}

static void next_page(struct tce *t)
{
	uint32_t token = next_token(&race.e);
	static unsigned int turn;
	uint8_t *page = race.e.mem + turn++ % 2 * SMALL;

	race.e.ops->put(&race.e, page, token);
	store(race.begun, token);
	map(t->container, page, race.e.iova, SMALL, R);
	store(race.mapped, token);
}

/*
 * A page is laid out anew when the one before it is mapped: no read that has
 * begun since then may find it. So pages change hands no sooner than a read ends.
 */
static void replaced(struct tce *t)
{
	unsigned int rounds = 0, done;
	pthread_t thread;
	double last;

	begin(&race.e, t, 2 * SMALL);
	if (!race.e.reads)
		skip("this device can't tell what it has read");
	next_page(t);
	expect(!pthread_create(&thread, NULL, reader, NULL));
	last = seconds() + knob("HOSTCHECK_SECONDS", 5);
	/* However slow the device is: a read that fails ends it. */
	while ((seconds() < last || rounds < 2 || race.reads < 4) && !race.wrong[0]) {
		next_page(t);
		done = load(race.reads) + 2;
		until(20 * ENGINE_MS, race.wrong[0] || (int)(load(race.reads) - done) >= 0);
		rounds++;
	}
	store(race.stop, true);
	pthread_join(thread, NULL);
	if (race.wrong[0])
		fail(__FILE__, __LINE__, "%s", race.wrong);
	note("%u replacements, %u reads", rounds, race.reads);
	end(&race.e);
}

/* Windows and mappings are not the reset's business. */
static void resets(struct tce *t)
{
	static const uint32_t kinds[] = { VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_FUNDAMENTAL };
	struct engine e;
	int i;

	need_eeh(t);
	begin(&e, t, SMALL);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	for (i = 0; i < 2; i++) {
		expect(reaches(&e, e.iova, e.mem));
		expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
		eeh_reset(t, kinds[i]);
		expect_rc(0, restart(&e));
	}
	expect(reaches(&e, e.iova, e.mem));
	end(&e);
}

/*
 * Memory whose pages are at least so large, or NULL where the host has none. @whole is
 * what to give back. No kernel has huge pages of all these sizes, and mmap() refuses the others.
 *
 * Shared, since Linux 6.12 to 7.2 with a hash MMU and CPU pages of 4K has a huge page in
 * eight entries. A private one is made writable in the first of them only, and pinning
 * other parts of it for writing waits until a signal ends it.
 */
static uint8_t *alloc_pages(unsigned int shift, size_t size, size_t *whole)
{
	uint8_t *mem;

	*whole = size;
	if (1UL << shift <= host.page)
		return alloc(size, 1UL << shift);
	for (; shift < 40; shift++) {
		*whole = (((size - 1) >> shift) + 1) << shift;
		mem = mmap(NULL, *whole, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB |
			   shift << MAP_HUGE_SHIFT, -1, 0);
		if (mem != MAP_FAILED) {
			memset(mem, 0, size);
			return mem;
		}
	}
	return NULL;
}

static void need_windows(struct tce *t)
{
	if (!t->info.ddw.pgsizes)
		skip("this host makes no windows");
}

/* A second window, beside the default one, in which the engine lives. */
static void pages_of(struct engine *e, unsigned int shift, uint8_t *mem, size_t used)
{
	unsigned long long page = 1ULL << shift, size = 4 * page;
	uint64_t start;
	int c = e->t->container;

	allow(e->t, mem, used);
	create(c, shift, size < MiB ? MiB : size, 1, &start);
	map(c, mem, start, used, RW);
	expect(reaches(e, start, mem));
	expect(reaches(e, start + page - 4 * KiB, mem + page - 4 * KiB));
	expect(reaches(e, start + page, mem + page));
	expect(reaches(e, start + 2 * page - 4 * KiB, mem + 2 * page - 4 * KiB));
	note("pages of %llu KiB: window at %#llx", page / KiB, (unsigned long long)start);
	unmap(c, start, used);
	remove_window(c, start);
	unregister_mem(c, mem, used);
}

static void pages(struct tce *t)
{
	struct engine e;
	unsigned int shift;

	need_windows(t);
	begin(&e, t, SMALL);
	for (shift = 12; shift < 40; shift++) {
		size_t used = (2UL << shift) < SMALL ? SMALL : 2UL << shift, whole;
		uint8_t *mem;

		if (!has_shift(t, shift))
			continue;
		mem = alloc_pages(shift, used, &whole);
		if (!mem) {
			note("the host has no free pages of %lu KiB", (1UL << shift) / 1024);
			continue;
		}
		pages_of(&e, shift, mem, used);
		munmap(mem, whole);
	}
	/* The default window is as it was. */
	expect(reaches(&e, e.iova, e.mem));
	end(&e);
}

/* In the place of the default window, with two levels if the host has them */
static void instead(struct tce *t)
{
	unsigned int levels = t->info.ddw.levels < 2 ? 1 : 2;
	uint64_t start;
	struct engine e;

	need_windows(t);
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, has_shift(t, 16) && host.page >= SMALL ? 16 : 12, GiB,
	       levels, &start);
	t->info.dma32_window_start = start;
	begin(&e, t, SMALL);
	expect(reaches(&e, e.iova, e.mem));
	map(t->container, e.mem, start + GiB - SMALL, SMALL, RW);
	expect(reaches(&e, start + GiB - SMALL, e.mem));
	end(&e);
	note("%u of %u levels", levels, t->info.ddw.levels);
}

/*
 * Work that goes on until its process is killed: DMA in a thread, and MAP beside it. The harness
 * looks at what is left.
 */
static struct engine work;
static volatile unsigned int *dma_done;

static void *dma(void *arg __attribute__((unused)))
{
	for (;;) {
		expect_rc(0, write_token(&work, work.iova, work.mem, next_token(&work)));
		__atomic_fetch_add(dma_done, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void client(void *arg)
{
	struct tce *t = arg;
	pthread_t thread;

	attach(t, t->version);
	begin(&work, t, MiB);
	expect(!pthread_create(&thread, NULL, dma, NULL));
	for (;;) {
		map(t->container, work.mem, work.iova + 32 * MiB, work.size, RW);
		unmap(t->container, work.iova + 32 * MiB, work.size);
	}
}

static void killed(struct tce *t)
{
	unsigned int i;
	struct engine e;

	detach(t);
	dma_done = alloc_shared(host.page);
	for (i = 0; i < 3; i++) {
		pid_t pid;

		*dma_done = 0;
		pid = spawn(true, client, t);
		expect(until(60000, *dma_done > 2 || !lives(pid)));
		kill_child(pid);
	}
	attach(t, t->version);
	begin(&e, t, SMALL);
	expect(reaches(&e, e.iova, e.mem));
	end(&e);
}

static const struct test tests[] = {
	{ "the device reads and writes what is mapped, and nothing beside it", accesses, BOTH },
	{ "a page that replaced another is seen by the next read", replaced, BOTH, 24 * 3600 },
	{ "EEH: a hot and a fundamental reset leave the mappings", resets, BOTH },
	{ "a window in the place of the default one", instead, V2 },
	{ "IOMMU pages of each size for which there is memory", pages, V2 },
	{ "clients that are killed amid DMA and MAP leave nothing", killed, BOTH },
	/* last, since the host may freeze the bridge after these */
	{ "mapped read-only, the device can't write it", denied, BOTH, .arg = R },
	{ "unmapped, the device can't reach it", denied, BOTH },
};

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--exclusive")) {
		if (open(argv[2], O_RDONLY | O_EXCL | O_CLOEXEC) >= 0)
			return 0;
		perror(argv[2]);
		return 1;
	}
	return run_tests(argc, argv, "hostcheck", tests, sizeof(tests) / sizeof(*tests));
}
