// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP, judged by what the device can then reach. What a driver says
 * about a mapping proves little; memory that changed, or did not, proves it.
 */
#define _GNU_SOURCE
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test.h"

/* What the device reaches, and with which permissions. */

/*
 * MAP with each permission, and UNMAP: each where nothing is mapped, where all is, and where one
 * entry in the midst is not. The device has used that one and both ends right before the call, and
 * tries them again after it, and the entries beside. Which entries and pages these are is drawn.
 */
#define ENTRIES		16
#define ROOM		(2 * ENTRIES)	/* pages of memory, twice: each MAP takes the other half */

static struct entry {
	uint8_t *page;			/* what it maps, or has mapped */
	uint32_t flags;			/* 0 for UNMAP */
} entries[ENTRIES];
static uint8_t *memory;
static uint64_t random_state;

static void change(struct tce *t, unsigned int first, unsigned int n, uint32_t flags)
{
	uint64_t iova = base(t) + first * 4096;
	static unsigned int half;
	uint8_t *page;
	unsigned int i;

	for (i = first; i < first + n; i++)
		entries[i].flags = flags;
	if (!flags) {
		unmap(t->container, iova, n * 4096);
		return;
	}
	half = !half;
	page = memory + (half * ROOM + draw(&random_state, ROOM - n)) * 4096;
	map(t->container, page, iova, n * 4096, flags);
	for (i = first; i < first + n; i++, page += 4096)
		entries[i].page = page;
}

/* PowerNV lets a device read what it may write. */
static void probe(struct tce *t, unsigned int i)
{
	const struct entry *entry = &entries[i];
	uint64_t iova = base(t) + i * 4096;

	if (!entry->page)
		return;
	expect(can_write(t, iova, entry->page) == !!(entry->flags & W));
	if (entry->flags != W)
		expect(can_read(t, iova, entry->page) == !!(entry->flags & R));
}

static void reaches_what_is_mapped(struct tce *t)
{
	static const uint32_t calls[] = { 0, RW, R, W };
	enum { NOTHING, ALL, ALL_BUT_ONE, STATES } before;
	unsigned int i, first, inner, last;

	memory = prepare_dma(t, 2 * ROOM * 4096);
	random_state = seed_of_run();
	for (before = NOTHING; before < STATES; before++) {
		for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
			first = 1 + draw(&random_state, ENTRIES - 4);
			last = first + 2 + draw(&random_state, ENTRIES - first - 3);
			inner = first + 1 + draw(&random_state, last - first - 1);
			change(t, 0, ENTRIES, before == NOTHING ? 0 : RW);
			probe(t, inner);
			if (before == ALL_BUT_ONE) {
				change(t, inner, 1, 0);
				probe(t, inner);
			}
			probe(t, first);
			probe(t, last);
			change(t, first, last - first + 1, calls[i]);
			probe(t, first - 1);
			probe(t, first);
			probe(t, inner);
			probe(t, last);
			probe(t, last + 1);
		}
	}
}

/*
 * The process gives its memory back to the system while the device writes to the first page, so
 * that the page is free at the moment at which the driver has released it. A device that still
 * writes then is seen here, or by the kernel, if that checks free pages (page_poison=1).
 */
enum { WHOLE, PIECES, REPLACE, DISABLED, UNMAPPINGS };

static void give_back(struct tce *t, unsigned int how)
{
	const size_t size = 8 * MiB;
	uint8_t *mem = alloc(size, CHUNK), *new = alloc(size, CHUNK);
	size_t at;

	allow(t, mem, size);
	allow(t, new, size);
	map(t->container, mem, base(t), size, RW);
	expect(!munmap(mem, size));
	/* so that the driver finds no long run in it */
	for (at = CHUNK - 4096; how == PIECES && at < size; at += CHUNK)
		unmap(t->container, base(t) + at, 4096);
	edu_keep_writing(&t->edu, base(t), 0, PROBE);
	/* it begins after 100 ms */
	nap(150);
	if (how == REPLACE)
		map(t->container, new, base(t), size, R);
	else if (how == DISABLED)
		disable(t->container);
	else
		unmap(t->container, base(t), size);
	if (t->version == 2)
		unregister_mem(t->container, mem, size);
	stop_in_new_memory(&t->edu, how);
	if (how == DISABLED)
		enable(t->container);
	unmap(t->container, base(t), size);
	if (t->version == 2)
		unregister_mem(t->container, new, size);
	munmap(new, size);
}

static void given_back(struct tce *t)
{
	unsigned int i;

	/* of a huge page nothing is free before all of it is */
	expect(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	bounce_at(t, base(t) - CHUNK);
	fill(t->bounce, PROBE, UNMAPPINGS);
	edu_read(&t->edu, t->bounce_iova, 0, PROBE);
	for (i = 0; i < 4 * UNMAPPINGS; i++)
		if (t->version == 1 || i % UNMAPPINGS != DISABLED)
			give_back(t, i % UNMAPPINGS);
}

/* Kinds of memory, and what becomes of them under DMA. */

/*
 * Memory that the process itself may only read v1 gives to the device for reading, and not for
 * writing. REGISTER of v2 does not know what the device will do.
 */
static void readonly_memory(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	fill(mem, CHUNK, 1);
	mprotect(mem, CHUNK, PROT_READ);
	if (t->version == 2) {
		expect_rc(-EFAULT, __register(t->container, mem, CHUNK));
		return;
	}
	enable(t->container);
	t->enabled = true;
	bounce_at(t, base(t) - CHUNK);
	expect_rc(-EFAULT, __map(t->container, mem, base(t), CHUNK, RW));
	expect_rc(-EFAULT, __map(t->container, mem, base(t), CHUNK, W));
	map(t->container, mem, base(t), CHUNK, R);
	edu_copy(&t->edu, base(t), t->bounce_iova, PROBE);
	expect(!memcmp(t->bounce, mem, PROBE));
}

/*
 * Memory that only the device's reads have looked at so far: of nothing, and of a file. The first
 * write gives the process a page of its own, which the device has to have as well. In v1 a page
 * that the process may not write comes first.
 */
static void written_later(struct tce *t)
{
	uint8_t *first = alloc(3 * CHUNK, CHUNK), *mem = first + CHUNK;
	uint64_t before = t->version == 1 ? CHUNK : 0;
	int fd = memfd_create("file", 0);

	expect(!ftruncate(fd, CHUNK) && pwrite(fd, "x", 1, 0) == 1);
	expect(mmap(mem, CHUNK, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	expect(mmap(mem + CHUNK, CHUNK, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0) == mem + CHUNK);
	fill(first, CHUNK, 1);
	mprotect(first, CHUNK, PROT_READ);
	allow(t, mem, 2 * CHUNK);
	bounce_at(t, base(t) - 2 * CHUNK);
	map(t->container, mem - before, base(t) - before, before + 2 * CHUNK, R);
	expect(can_read(t, base(t), mem));
	expect(can_read(t, base(t) + CHUNK, mem + CHUNK));
}

#define PAIR	(2 * CHUNK)

/* Memory that can be pinned for long where it is, so that no move marks it dirty */
static uint8_t *clean_memory(struct tce *t, unsigned int seed)
{
	uint8_t *mem = alloc(PAIR, CHUNK);

	fill(mem, PAIR, seed);
	allow(t, mem, PAIR);
	map(t->container, mem, base(t), PAIR, R);
	unmap(t->container, base(t), PAIR);
	if (t->version == 2)
		unregister_mem(t->container, mem, PAIR);
	expect(!madvise(mem, PAIR, MADV_FREE));
	fill(mem, PAIR, seed);
	expect(!is_dirty(mem));
	expect(!is_dirty(mem + CHUNK));
	return mem;
}

/*
 * A page that the device has written to is dirty at close, also if the page before it was dirty
 * already. Nothing is unmapped or unregistered before.
 */
static void dirty_at_close(struct tce *t)
{
	uint8_t *written, *read;

	if (geteuid())
		skip("needs root");
	written = clean_memory(t, 1);
	read = clean_memory(t, 2);
	allow(t, written, CHUNK);
	map(t->container, written, base(t), CHUNK, RW);
	unmap(t->container, base(t), CHUNK);
	if (t->version == 2)
		unregister_mem(t->container, written, CHUNK);
	expect(is_dirty(written));
	expect(!is_dirty(written + CHUNK));
	allow(t, written, PAIR);
	allow(t, read, PAIR);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, written, base(t), PAIR, RW);
	map(t->container, read, base(t) + PAIR, PAIR, R);
	expect(can_write(t, base(t) + CHUNK, written + CHUNK));
	expect(can_read(t, base(t) + PAIR, read));
	edu_close(&t->edu);
	detach(t);
	expect(is_dirty(written));
	expect(is_dirty(written + CHUNK));
	expect(!is_dirty(read));
}

/*
 * The same memory is mapped twice, to be read only and to be written, in both orders. Each has its
 * own permission, the second also when the other one has gone, and the page is dirty then.
 */
static void mapped_twice(struct tce *t)
{
	unsigned int order;

	for (order = 0; order < 2; order++) {
		uint64_t written = base(t) + (order ? CHUNK : 0);
		uint64_t read = base(t) + (order ? 0 : CHUNK);
		uint8_t *mem = geteuid() ? alloc(PAIR, CHUNK) : clean_memory(t, order);

		bounce_at(t, base(t) - CHUNK);
		allow(t, mem, PAIR);
		map(t->container, mem, base(t), CHUNK, order ? R : RW);
		map(t->container, mem, base(t) + CHUNK, CHUNK, order ? RW : R);
		expect(can_write(t, written, mem));
		expect(!can_write(t, read, mem));
		expect(can_read(t, read, mem));
		unmap(t->container, written, CHUNK);
		expect(!can_write(t, written, mem));
		expect(can_read(t, read, mem));
		unmap(t->container, read, CHUNK);
		if (t->version == 2)
			unregister_mem(t->container, mem, PAIR);
		expect(geteuid() || is_dirty(mem));
	}
}

static const struct test tests[] = {
	{ "the device reaches what is mapped and nothing else, after MAP and after UNMAP",
	  reaches_what_is_mapped, BOTH | DMA },
	{ "memory that is read-only for the process is not written by the device",
	  readonly_memory, BOTH | DMA },
	{ "what the process writes for the first time after MAP is read by the device", written_later,
	  BOTH | DMA },
	{ "a device that writes all the time does not write to what was given back",
	  given_back, BOTH | DMA | REPEATS },
	{ "memory that is mapped twice is written where that is allowed, and is dirty then",
	  mapped_twice, BOTH | DMA },
	{ "a page that the device has written to is dirty when the container is closed", dirty_at_close,
	  BOTH | DMA },
};

TEST_MAIN("dma", tests)
