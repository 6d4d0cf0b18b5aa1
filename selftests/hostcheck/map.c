// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP, as the device sees them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

#include "check.h"

#define SMALL	(64 * KiB)

static void need_reads(struct check *c)
{
	if (!c->e.reads)
		skip("this device can't tell what it has read");
}

static void answers(struct tce *t)
{
	struct check c;

	check_begin(&c, t, SMALL);
	note("device: %s; it %s what it reads, writes %zu bytes, drives %s addresses",
	     c.e.what, c.e.reads ? "tells" : "can't tell", c.e.span,
	     c.e.wide ? "64-bit" : "32-bit");
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
}

/* Places in 1 MiB: both ends, and where tables of any page size have a border. */
static const size_t places[] = {
	0, 4 * KiB, 60 * KiB, 64 * KiB, 68 * KiB, 512 * KiB, MiB - 64 * KiB, MiB - 4 * KiB,
};

#define PLACES	(sizeof(places) / sizeof(*places))

static void reads(struct tce *t)
{
	struct check c;
	size_t i;

	check_begin(&c, t, MiB);
	need_reads(&c);
	check_map(&c, R);
	for (i = 0; i < PLACES; i++)
		expect(engine_reads(&c.e, c.iova + places[i], c.mem + places[i]));
	check_end(&c);
}

/* And not a byte beside it. */
static void writes(struct tce *t)
{
	struct check c;
	size_t i, end;

	check_begin(&c, t, MiB);
	check_map(&c, RW);
	for (i = 0; i < PLACES; i++) {
		fill(c.mem, c.size, i);
		expect(engine_writes(&c.e, c.iova + places[i], c.mem + places[i]));
		expect(filled(c.mem, places[i], i));
		/* The pattern begins anew in a buffer: what was there, and where. */
		end = places[i] + c.e.span;
		fill(c.mem, end, i);
		expect(filled(c.mem, c.size, i));
	}
	check_end(&c);
}

static void last_page(struct tce *t)
{
	uint64_t iova = t->info.dma32_window_start + t->info.dma32_window_size - SMALL;
	struct check c;

	check_begin(&c, t, SMALL);
	map(t->container, c.mem, iova, SMALL, RW);
	expect(check_reaches(&c, iova + SMALL - 4 * KiB, c.mem + SMALL - 4 * KiB));
	check_end(&c);
}

static void read_only(struct tce *t)
{
	struct check c;

	check_begin(&c, t, SMALL);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	check_map(&c, R);
	if (c.e.reads)
		expect(engine_reads(&c.e, c.iova, c.mem));
	expect(!engine_writes(&c.e, c.iova, c.mem));
	check_recover(&c);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
}

static void unmapped_write(struct tce *t)
{
	struct check c;

	check_begin(&c, t, SMALL);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	unmap(t->container, c.iova, SMALL);
	expect(!engine_writes(&c.e, c.iova, c.mem));
	check_recover(&c);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
}

static void unmapped_read(struct tce *t)
{
	struct check c;

	check_begin(&c, t, SMALL);
	need_reads(&c);
	check_map(&c, RW);
	expect(engine_reads(&c.e, c.iova, c.mem));
	unmap(t->container, c.iova, SMALL);
	expect(!engine_reads(&c.e, c.iova, c.mem));
	check_recover(&c);
	check_map(&c, RW);
	expect(engine_reads(&c.e, c.iova, c.mem));
	check_end(&c);
}

/*
 * The bridge keeps entries that it has used. If it kept the old one after the ioctl
 * returned, the device would read the old page. An emulator keeps none.
 */
static void replaced(struct tce *t)
{
	uint64_t end = now_ms() + 1000 * check_seconds();
	unsigned int rounds = 0;
	struct check c;
	uint8_t *page;

	check_begin(&c, t, 2 * SMALL);
	need_reads(&c);
	do {
		page = c.mem + rounds % 2 * SMALL;
		map(t->container, page, c.iova, SMALL, R);
		expect(engine_reads(&c.e, c.iova, page));
		rounds++;
	} while (now_ms() < end);
	note("figure: replacements: %u seen by the next read", rounds);
	check_end(&c);
}

/*
 * The same while a thread lets the device read all the time. Each page that takes its
 * place carries the next token.
 */
static struct {
	struct check c;
	uint32_t mapped;		/* of the page whose MAP has returned */
	uint32_t begun;			/* of the page whose MAP may have begun */
	bool stop;
	unsigned int reads;
	char wrong[100];
} race;

static uint32_t load(uint32_t *from)
{
	return __atomic_load_n(from, __ATOMIC_SEQ_CST);
}

static void *reader(void *arg __attribute__((unused)))
{
	uint32_t low, seen, mask = race.c.e.tokens;
	int rc;

	while (!__atomic_load_n(&race.stop, __ATOMIC_SEQ_CST) && !race.wrong[0]) {
		low = load(&race.mapped);
		rc = race.c.e.ops->read(&race.c.e, race.c.iova, &seen);
		/* As numbers that begin again after the highest. */
		if (rc)
			snprintf(race.wrong, sizeof(race.wrong), "a read failed: %s",
				 strerrorname_np(-rc));
		else if (((seen - low) & mask) > ((load(&race.begun) - low) & mask))
			snprintf(race.wrong, sizeof(race.wrong),
				 "it read page %u after the MAP of page %u", seen, low);
		race.reads++;
	}
	return NULL;
}

static void next_page(struct tce *t)
{
	uint32_t token = (race.begun + 1) & race.c.e.tokens;
	static unsigned int turn;
	uint8_t *page = race.c.mem + turn++ % 2 * SMALL;

	/* 0 is nobody's token. */
	token += !token;
	race.c.e.ops->put(&race.c.e, page, token);
	__atomic_store_n(&race.begun, token, __ATOMIC_SEQ_CST);
	map(t->container, page, race.c.iova, SMALL, R);
	__atomic_store_n(&race.mapped, token, __ATOMIC_SEQ_CST);
}

/*
 * A page is laid out anew when the one before it is mapped: no read that has
 * begun since then may find it. So pages change hands no sooner than a read ends.
 */
static void replaced_meanwhile(struct tce *t)
{
	uint64_t end = now_ms() + 1000 * check_seconds();
	unsigned int rounds = 0, reads;
	pthread_t thread;

	check_begin(&race.c, t, 2 * SMALL);
	need_reads(&race.c);
	next_page(t);
	expect(!pthread_create(&thread, NULL, reader, NULL));
	/* However slow the device is: a read that fails ends it. */
	while ((now_ms() < end || rounds < 2 || race.reads < 4) && !race.wrong[0]) {
		next_page(t);
		reads = __atomic_load_n(&race.reads, __ATOMIC_SEQ_CST) + 2;
		until(20 * ENGINE_MS, race.wrong[0] ||
		      (int)(__atomic_load_n(&race.reads, __ATOMIC_SEQ_CST) - reads) >= 0);
		rounds++;
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	if (race.wrong[0])
		fail(__FILE__, __LINE__, "%s", race.wrong);
	note("figure: replacements: %u beside reads", rounds);
	note("figure: reads: %u beside replacements", race.reads);
	check_end(&race.c);
}

static const struct test tests[] = {
	{ "the device works as an engine", answers, BOTH },
	{ "the device reads what is mapped for reading", reads, BOTH },
	{ "the device writes what is mapped, and nothing beside it", writes, BOTH },
	{ "the last page of the window is as good as any", last_page, BOTH },
	{ "a page that replaced another is seen by the next read", replaced, BOTH, 24 * 3600 },
	{ "the same while the device reads", replaced_meanwhile, BOTH, 24 * 3600 },
	{ "mapped read-only, the device can't write it", read_only, BOTH | DANGEROUS },
	{ "unmapped, the device can't write it", unmapped_write, BOTH | DANGEROUS },
	{ "unmapped, the device can't read it", unmapped_read, BOTH | DANGEROUS },
};

const struct rows map_rows = ROWS(tests);
