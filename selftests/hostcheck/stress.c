// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random maps beside DMA, for as long as one likes, compared byte by byte.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

#include "check.h"

#define PAGE	(64 * KiB)
#define PAGES	32
#define SLOTS	64

static struct {
	struct check c;
	int slot[SLOTS];		/* the page that is mapped there, or -1 */
	unsigned int count[4];
	bool stop;
} me;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL >> 11;
}

/* Maps and unmaps elsewhere in the same window, all the time. */
static void *neighbour(void *arg)
{
	uint64_t iova = me.c.iova + 2 * SLOTS * PAGE, state = (uintptr_t)arg;

	while (!__atomic_load_n(&me.stop, __ATOMIC_SEQ_CST)) {
		uint64_t at = iova + next_random(&state) % SLOTS * PAGE;

		map(me.c.t->container, me.c.mem, at, 4 * PAGE, RW);
		unmap(me.c.t->container, at, 4 * PAGE);
	}
	return NULL;
}

/* The page may be mapped in other slots, too; what it has is what counts. */
static void use(int slot, uint64_t *state)
{
	uint64_t off = next_random(state) % (PAGE / (4 * KiB)) * 4 * KiB;
	uint8_t *page = me.c.mem + (size_t)me.slot[slot] * PAGE;
	uint64_t iova = me.c.iova + (uint64_t)slot * PAGE;
	uint8_t before[PAGE];

	memcpy(before, page, PAGE);
	if (me.c.e.reads && next_random(state) % 2) {
		expect(engine_reads(&me.c.e, iova + off, page + off));
		me.count[2]++;
	} else {
		expect(engine_writes(&me.c.e, iova + off, page + off));
		me.count[3]++;
	}
	expect(!memcmp(before, page, off));
	off += me.c.e.span;
	if (off < PAGE)
		expect(!memcmp(before + off, page + off, PAGE - off));
}

static void step(struct tce *t, uint64_t *state)
{
	int slot = next_random(state) % SLOTS, page = next_random(state) % PAGES;
	uint64_t iova = me.c.iova + (uint64_t)slot * PAGE;

	switch (next_random(state) % 4) {
	case 0:
		map(t->container, me.c.mem + (size_t)page * PAGE, iova, PAGE, RW);
		me.slot[slot] = page;
		me.count[0]++;
		break;
	case 1:
		unmap(t->container, iova, PAGE);
		me.slot[slot] = -1;
		me.count[1]++;
		break;
	default:
		if (me.slot[slot] >= 0)
			use(slot, state);
	}
}

static void stress(struct tce *t)
{
	uint64_t end = now_ms() + 1000 * check_seconds();
	uint64_t seed = now_ms() | 1, state = seed;
	pthread_t thread;
	int i;

	note("seed %llu", (unsigned long long)seed);
	check_begin(&me.c, t, PAGES * PAGE);
	for (i = 0; i < SLOTS; i++)
		me.slot[i] = -1;
	expect(!pthread_create(&thread, NULL, neighbour, (void *)(seed ^ 0x5555)));
	while (now_ms() < end || !me.count[3])
		step(t, &state);
	__atomic_store_n(&me.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	note("figure: MAP: %u calls", me.count[0]);
	note("figure: UNMAP: %u calls", me.count[1]);
	note("figure: reads: %u compared", me.count[2]);
	note("figure: writes: %u compared", me.count[3]);
	check_end(&me.c);
}

static const struct test tests[] = {
	{ "random maps beside DMA", stress, BOTH, 24 * 3600 },
};

const struct rows stress_rows = ROWS(tests);
