// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM at the same tables. A process here is what QEMU is to a guest: it has a
 * container, and a virtual machine whose hypercalls KVM answers by itself, in the
 * tables of the container's windows, without a lock in common (lib/guest.h).
 *
 * Needs a host with KVM; the tests are skipped where there is none.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <linux/mman.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guest.h"
#include "test.h"

#define DATA			0x100000	/* in the guest's memory */

static long put(uint64_t iova, uint64_t offset)
{
	return hcall(H_PUT_TCE, LIOBN, iova, (DATA + offset) | TCE_RW, 0);
}

static long clear(uint64_t iova, uint64_t pages)
{
	return hcall(H_STUFF_TCE, LIOBN, iova, 0, pages);
}

/* @shift: of the guest's pages */
static long put_list(uint64_t iova, uint64_t offset, unsigned int pages, uint32_t shift)
{
	uint64_t *list = (uint64_t *)(guest.mem + GUEST_LIST);
	unsigned int i;

	/* big endian, whatever the guest is */
	for (i = 0; i < pages; i++)
		list[i] = htobe64((DATA + offset + ((uint64_t)i << shift)) | TCE_RW);
	return hcall(H_PUT_TCE_INDIRECT, LIOBN, iova, GUEST_LIST, pages);
}

/*
 * Gives KVM the table of the container's first window, which has to be there. The
 * guest's idea of a page may be a larger one than the table's.
 */
static void give_table(struct tce *t, uint32_t shift)
{
	guest_view(t->info.dma32_window_start, GUEST_WINDOW, shift);
	expect_rc(0, guest_add_group(t->group));
}

/* All that a guest of QEMU has when it starts; DMA probes go by @base - CHUNK. */
static void prepare(struct tce *t)
{
	guest_init();
	allow(t, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table(t, 12);
}

static uint8_t *data(uint64_t offset)
{
	return guest.mem + DATA + offset;
}

static bool reaches(struct tce *t, uint64_t iova, uint64_t offset)
{
	return can_write(t, iova, data(offset));
}

/*
 * All that a guest and its process do to entries, each where nothing is mapped, where the guest has
 * put something, and where MAP has; the device has used both ends right before. Which entries and
 * pages these are is drawn. It reaches what was mapped last, and nothing else.
 */
#define ENTRIES		64U		/* four of a guest that has pages of 64K */
#define PAGES		256U		/* of the guest's memory from DATA on */

enum step { UNMAP, PUT_LIST, MAP, PUT, CLEAR, UNREGISTER, STEPS };
static const char *const names[] = {
	"UNMAP", "H_PUT_TCE_INDIRECT", "MAP", "H_PUT_TCE", "H_STUFF_TCE", "UNREGISTER"
};

static struct entry {
	bool mapped;
	bool by_map;			/* so KVM leaves it to us */
	long page;			/* the one that it maps or has mapped */
} entries[ENTRIES];
static uint64_t random_state;

/* From @page on, or nothing if that is negative */
static void set_entries(unsigned int at, unsigned int n, long page, bool by_map)
{
	unsigned int i;

	for (i = at; i < at + n; i++) {
		entries[i].mapped = page >= 0;
		entries[i].by_map = page >= 0 && by_map;
		if (page >= 0)
			entries[i].page = page++;
	}
}

static bool any_by_map(unsigned int at, unsigned int n)
{
	while (n && !entries[at].by_map) {
		at++;
		n--;
	}
	return n;
}

static void probe(struct tce *t, unsigned int i)
{
	const struct entry *entry = &entries[i];

	if (entry->page >= 0)
		expect(reaches(t, base(t) + i * 4096, entry->page * 4096) == entry->mapped);
}

/* @late: KVM may leave to us what the guest asks for. @shift: of the guest's pages */
static void do_step(struct tce *t, enum step what, unsigned int at, unsigned int n, uint32_t shift,
		    bool late)
{
	const unsigned int unit = 1 << (shift - 12);
	long page = draw(&random_state, (PAGES - n) / unit) * unit, rc = NOT_IN_KERNEL;
	uint64_t iova = base(t) + at * 4096;

	switch (what) {
	case PUT:
		n = unit;
		rc = put(iova, page * 4096);
		break;
	case PUT_LIST:
		rc = put_list(iova, page * 4096, n / unit, shift);
		break;
	case CLEAR:
		rc = clear(iova, n / unit);
		break;
	default:
		late = true;		/* it is for us */
	}
	if (rc != NOT_IN_KERNEL || !(late || any_by_map(at, n)))
		expect_rc(0, rc);
	if (what == UNMAP || what == CLEAR)
		page = -1;
	if (rc == NOT_IN_KERNEL && page < 0)
		unmap(t->container, iova, n * 4096);
	else if (rc == NOT_IN_KERNEL)
		map(t->container, data(page * 4096), iova, n * 4096, RW);
	set_entries(at, n, page, rc == NOT_IN_KERNEL);
}

static void unregister_all(struct tce *t)
{
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
	set_entries(0, ENTRIES, -1, false);
	/* what is not registered KVM leaves to us */
	expect_rc(NOT_IN_KERNEL, put(base(t), 0));
}

/* Memory is registered before there is a machine: a driver may say no to KVM. */
#define LATE	0x100

static void take_turns(struct tce *t)
{
	const bool late = t->arg & LATE;
	const unsigned int shift = t->arg & ~LATE;
	const unsigned int unit = 1 << (shift - 12), most = ENTRIES / unit;
	unsigned int at, n, from;
	enum step before, step;

	random_state = seed_of_run();
	guest.mem = alloc(GUEST_SIZE, CHUNK);
	if (late)
		allow(t, guest.mem, GUEST_SIZE);
	guest_init();
	if (!late)
		allow(t, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table(t, shift);
	for (at = 0; at < ENTRIES; at++)
		entries[at].page = -1;
	for (step = UNMAP; step < STEPS; step++) {
		for (before = UNMAP; before <= MAP; before++) {
			n = 1 + draw(&random_state, most);
			at = draw(&random_state, most - n + 1) * unit;
			n *= unit;
			do_step(t, before, at, n, shift, late);
			probe(t, at);
			probe(t, at + n - 1);
			/* a part of a guest's page, too */
			from = step == MAP || step == UNMAP ? draw(&random_state, n) : 0;
			note("%s after %s, %u entries from %u on", names[step], names[before],
			     n - from, at + from);
			if (step == UNREGISTER)
				unregister_all(t);
			else
				do_step(t, step, at + from, n - from, shift, late);
			probe(t, at);
			probe(t, at + n - 1);
			probe(t, draw(&random_state, ENTRIES));
			if (step == UNREGISTER)
				register_mem(t->container, guest.mem, GUEST_SIZE);
		}
	}
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/* A window of the guest's size, with memory at its start that DMA probes go by */
static void create_for_guest(struct tce *t, uint32_t levels)
{
	uint64_t start;

	guest_init();
	allow(t, guest.mem, GUEST_SIZE);
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 12, GUEST_WINDOW, levels, &start);
	expect_eq(t->info.dma32_window_start, start);
	bounce_at(t, start);
	give_table(t, 12);
}

static bool is_stopped(long rc)
{
	return rc == NOT_IN_KERNEL || rc == H_PARAMETER;
}

/* KVM may check only the first entry of a hypercall, and behind the last is the host's memory. */
static void past_the_end(struct tce *t)
{
	uint64_t last = t->info.dma32_window_start + GUEST_WINDOW - 4096;

	create_for_guest(t, 1);
	expect_rc(0, put(last, 0));
	expect(reaches(t, last, 0));
	expect(is_stopped(put_list(last, 0, 2, 12)));
	expect_rc(0, put(last, 4096));
	expect(is_stopped(clear(last, 2)));
	expect(is_stopped(clear(last, 1UL << 40)));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * Two calls that make the same level of a table lose memory of the host. So KVM leaves to us an
 * entry whose level is missing, even if its userspace entry is there, as a window's last one is.
 */
static void missing_levels(struct tce *t)
{
	const uint64_t start = t->info.dma32_window_start;
	const uint64_t last = start + GUEST_WINDOW - 4096, middle = start + GUEST_WINDOW / 2;

	create_for_guest(t, 2);
	expect_rc(NOT_IN_KERNEL, put(middle, 0));
	expect_rc(NOT_IN_KERNEL, put(last, 0));
	map(t->container, guest.mem, last, 4096, RW);
	unmap(t->container, last, 4096);
	expect_rc(0, put(last, 4096));
	expect(reaches(t, last, 4096));
	expect_rc(0, clear(last, 1));
	expect(!reaches(t, last, 4096));
	expect_rc(NOT_IN_KERNEL, put(middle, 0));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * Huge pages of hugetlbfs and ordinary ones behind them are one region. An entry of 2 MiB may only
 * be put for the first: the others are of 2 MiB by address alone, even if they happen to be a
 * transparent huge page.
 */
#define HUGE_ONES	(8 * MiB)
#define HUGE_AT		(256 * MiB)

static void behind_a_huge_one(struct tce *t)
{
	const uint64_t huge = 2 * MiB, size = HUGE_ONES + huge;
	uint8_t *mem = alloc(size, huge), *behind = mem + HUGE_ONES;
	uint64_t start, iova;

	guest_init();
	expect(!madvise(behind, huge, MADV_DONTNEED));
	madvise(behind, huge, MADV_HUGEPAGE);
	memset(behind, 0, huge);
	alloc_huge(HUGE_ONES, mem);
	guest_add_memory(1, HUGE_AT, mem, size);
	remove_window(t->container, t->info.dma32_window_start);
	/* in a partition it is not where the default window was */
	create(t->container, 21, GiB, 1, &start);
	guest_view(start, GUEST_WINDOW, 21);
	expect_rc(0, guest_add_group(t->group));
	iova = start + huge;
	register_mem(t->container, mem, size);
	t->bounce = alloc_huge(huge, NULL);
	register_mem(t->container, t->bounce, huge);
	t->bounce_iova = iova + huge;
	map(t->container, t->bounce, t->bounce_iova, huge, RW);
	/* whatever KVM tells the guest */
	note("behind it: %ld",
	     hcall(H_PUT_TCE, LIOBN, iova, (HUGE_AT + HUGE_ONES) | TCE_RW, 0));
	expect(!can_write(t, iova, behind));
	note("the huge page: %ld", hcall(H_PUT_TCE, LIOBN, iova, HUGE_AT | TCE_RW, 0));
	clear(iova, 1);
	unmap(t->container, iova, 2 * huge);
}

/*
 * Two processors put and clear an entry that MAP and UNMAP change, until its memory is
 * unregistered. Another entry of KVM's maps that memory all the time. If any of them counts down
 * what it did not take out, UNREGISTER lets go of what this one still maps. It may be refused,
 * each time on a busy machine: KVM itself loses count of what two processors put.
 */
#define ROUNDS		40
#define CALLS		100
#define MORE		(256 * MiB)	/* memory for each round */

static struct {
	pthread_barrier_t barrier;
	struct tce *t;
	uint64_t at;
} same;

static long put_same(uint64_t entry, uint64_t page)
{
	return hcall(H_PUT_TCE, LIOBN, base(same.t) + entry * 4096,
		     (same.at + page * 4096) | TCE_RW, 0);
}

static void *processor(void *arg)
{
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&same.barrier);
		for (i = 0; i < CALLS; i++) {
			put_same(0, i % 2);
			clear(base(same.t), 1);
		}
		pthread_barrier_wait(&same.barrier);
	}
	return arg;
}

/* Does the device write to this memory, by the end of one entry and the beginning of the next? */
static bool writes(uint8_t *mem)
{
	uint64_t i;

	memset(mem, 0, CHUNK);
	edu_write(&same.t->edu, base(same.t) + 4096 - 8, 0, 16);
	for (i = 0; i < CHUNK && !mem[i]; i++)
		;
	return i < CHUNK;
}

static void same_entries(struct tce *t)
{
	uint8_t *mem = alloc(ROUNDS * CHUNK, CHUNK);
	int round, i, kept = 0;
	pthread_t thread[2];

	prepare(t);
	guest_add_memory(1, MORE, mem, ROUNDS * CHUNK);
	fill(t->bounce, 16, 1);
	edu_read(&t->edu, t->bounce_iova, 0, 16);
	same.t = t;
	pthread_barrier_init(&same.barrier, NULL, 3);
	for (i = 0; i < 2; i++)
		expect(!pthread_create(&thread[i], NULL, processor, NULL));
	for (round = 0; round < ROUNDS; round++, mem += CHUNK) {
		same.at = MORE + round * CHUNK;
		register_mem(t->container, mem, CHUNK);
		expect_rc(0, put_same(1, 2));
		expect(round || writes(mem));
		pthread_barrier_wait(&same.barrier);
		for (i = 0; i < CALLS; i++) {
			map(t->container, mem, base(t) - i % 2 * 4096,
			    (1 + i % 2) * 4096, RW);
			unmap(t->container, base(t) - i % 4 / 2 * 4096,
			      (1 + i % 4 / 2) * 4096);
		}
		pthread_barrier_wait(&same.barrier);
		if (__unregister(t->container, mem, CHUNK)) {
			kept++;
			unmap(t->container, base(t) - 4096, 3 * 4096);
		}
		expect(!writes(mem));
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	note("%d rounds, memory of %d stays registered", round, kept);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * What a guest has cleared the process gives back to the system, as soon as it may. The device
 * writes there all the time. UNREGISTER comes while the guest clears, or right after it.
 */
static volatile bool clearing;

static void *clear_one(void *arg)
{
	struct tce *t = arg;

	hcall(H_STUFF_TCE, LIOBN, base(t) + GUEST_SIZE, 0, 1);	/* makes the processor */
	clearing = true;
	expect_rc(0, clear(base(t), 1));
	return NULL;
}

static void cleared_is_given_back(struct tce *t)
{
	pthread_t thread;
	uint8_t *mem;
	int round;

	/* of a huge page nothing is free before all of it is */
	expect(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	prepare(t);
	fill(t->bounce, PROBE, 1);
	edu_read(&t->edu, t->bounce_iova, 0, PROBE);
	for (round = 0; round < 6; round++) {
		mem = alloc(CHUNK, CHUNK);
		register_mem(t->container, mem, CHUNK);
		guest_add_memory(1, MORE, mem, CHUNK);
		expect_rc(0, hcall(H_PUT_TCE, LIOBN, base(t), MORE | TCE_RW, 0));
		expect(!munmap(mem, CHUNK));
		edu_keep_writing(&t->edu, base(t), 0, PROBE);
		nap(150);	/* it begins after 100 ms */
		clearing = false;
		expect(!pthread_create(&thread, NULL, clear_one, t));
		while (!clearing)
			usleep(100);
		nap(round % 2 * 5);
		unregister_mem(t->container, mem, CHUNK);
		stop_in_new_memory(&t->edu, 2);
		pthread_join(thread, NULL);
		guest_add_memory(1, MORE, NULL, 0);
	}
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * A guest clears 2^19 entries by one hypercall, again and again, or 2^23 in a partition, where each
 * takes less. KVM does not sleep meanwhile, so that on some kernels no grace period ends. Another
 * process, with another group, waits for none of it: at most a tenth of the time that KVM needs to
 * clear so many. Nor does root who takes that group's device away (on PowerNV, where that is time
 * enough). One that does wait does so in each of several attempts, and a busy machine only in some.
 */
#define PIECE		2048UL		/* in no time, if nobody waits */
#define MEASURED	(1UL << 16)
#define NEIGHBOURS	12
#define ATTEMPTS	3

static struct {
	double alone;			/* that KVM needs */
	double worst;
	char what[16];
	unsigned int done, calls, left;
	bool ready, over;
} *volatile clears;

static double note_time(const char *what, double begun)
{
	double now = seconds();

	if (now - begun > clears->worst) {
		clears->worst = now - begun;
		snprintf(clears->what, sizeof(clears->what), "%s", what);
	}
	return now;
}

static bool nobody_waited(void)
{
	return clears->worst <= clears->alone / 10;
}

static void change_windows(void *arg)
{
	struct tce *t = arg;
	uint64_t start;
	double at;

	stay_on(1);
	while (clears->done < NEIGHBOURS && nobody_waited()) {
		attach_at(t, 2, host.other);
		remove_window(t->container, t->info.dma32_window_start);
		at = seconds();
		create(t->container, 12, MiB, 1, &start);
		at = note_time("CREATE", at);
		remove_window(t->container, start);
		at = note_time("REMOVE", at);
		create(t->container, 12, MiB, 1, &start);
		at = seconds();
		expect_rc(0, __unset_container(t->group));
		close(t->container);
		close(t->group);
		note_time("close", at);
		clears->done++;
	}
}

/* KVM leaves to us what it does not do at once, because somebody waits. */
static void clear_piece(uint64_t iova)
{
	expect(within(10, !clear(iova, PIECE)));
}

static void clear_all(void *arg)
{
	struct tce *t = arg;
	const uint64_t entries = 1ULL << (host.powernv ? 19 : 23);
	/* in memory, because KVM does not keep all of this thread's registers */
	static volatile double begun;
	static volatile uint64_t at;
	uint64_t start;

	stay_on(0);
	attach_at(t, 2, 0);
	guest_init();
	allow(t, guest.mem, GUEST_SIZE);
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 12, entries * 4096, 1, &start);
	guest_view(start, entries * 4096, 12);
	expect_rc(0, guest_add_group(t->group));
	/* makes the processor */
	clear_piece(start);
	begun = seconds();
	for (at = 0; at < MEASURED; at += PIECE)
		clear_piece(start + at * 4096);
	clears->alone = (seconds() - begun) * entries / MEASURED;
	clears->ready = true;
	while (!clears->over) {
		clears->left += clear(start, entries) == NOT_IN_KERNEL;
		clears->calls++;
	}
	/* and afterwards KVM does it again */
	clear_piece(start);
}

static void root_unbinds(void)
{
	double at = seconds();

	expect_rc(0, write_to("/sys/bus/pci/drivers/vfio-pci/unbind",
			      host.device[host.other].pci));
	note_time("unbind", at);
	expect(host_restore());
}

static void long_clear(struct tce *t)
{
	unsigned int attempt;
	pid_t guests, other;

	clears = alloc_shared(sizeof(*clears));
	guests = spawn(true, clear_all, t);
	expect(within(120, clears->ready || !lives(guests)));
	if (!clears->ready)
		ends(guests, 0);
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		clears->worst = 0;
		clears->done = 0;
		clears->calls = 0;
		clears->left = 0;
		other = spawn(true, change_windows, t);
		expect(ends(other, 100));
		if (host.powernv)
			root_unbinds();
		note("%.3f s, and of %u calls %u are left to us; the others' slowest is %s, %.3f s",
		     clears->alone, clears->calls, clears->left, clears->what, clears->worst);
		if (nobody_waited())
			break;
	}
	clears->over = true;
	expect(ends(guests, 100));
	expect(attempt < ATTEMPTS);
}

/* Version 1 beside a container of version 2, whose memory KVM knows */
static void v1_put(struct tce *t)
{
	int second = open_container();
	long pins, rc;
	bool reached;

	guest_init();
	set_container(t->group2, second);
	set_iommu(second, V2_IOMMU);
	register_mem(second, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table(t, 12);
	pins = pinned();
	rc = put(base(t), 0);
	reached = reaches(t, base(t), 0);
	/* Whatever came of it, UNMAP ends it, and nothing is miscounted. */
	unmap(t->container, base(t), 4096);
	expect(!reaches(t, base(t), 0));
	expect_rc(pins, pinned_settled(pins));
	unregister_mem(second, guest.mem, GUEST_SIZE);
	/* KVM has nothing to map in a table of version 1. */
	expect_rc(NOT_IN_KERNEL, rc);
	expect(!reached);
}

static const struct test tests[] = {
	{ "the device reaches what a guest and its process map, and nothing else", take_turns,
	  V2 | DMA, .arg = 12 },
	{ "a guest's page may be many of the table's", take_turns,
	  V2 | DMA, .arg = 16 },
	{ "a guest that comes later maps what was registered before it", take_turns,
	  V2 | DMA, .arg = 12 | LATE },
	{ "a guest's hypercall ends at the end of the table", past_the_end,
	  V2 | DMA },
	{ "KVM leaves it to MAP to make levels of a table", missing_levels,
	  V2 | DMA | POWERNV },
	{ "a guest can't have ordinary pages behind a huge one as huge",
	  behind_a_huge_one, V2 | DMA },
	{ "two processors map and unmap an entry that MAP and UNMAP change",
	  same_entries, V2 | DMA },
	{ "what a guest clears can be given back, while a device writes all the time",
	  cleared_is_given_back, V2 | DMA | REPEATS },
	{ "nobody waits for a hypercall that clears many entries", long_clear,
	  V2 | TWO | APART, 300 },
	{ "UNMAP ends what KVM may put into its table", v1_put,
	  V1 | DMA | TWO },
};

TEST_MAIN("kvm", tests)
