// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device reaches, and with which permissions.
 */
#define _GNU_SOURCE
#include <string.h>

#include "dma.h"

/* Memory that the device may be given, and the bounce page mapped below it. */
uint8_t *prepare(struct tce *t, size_t size)
{
	uint8_t *mem = alloc(size, CHUNK);

	allow(t, mem, size);
	bounce_at(t, base(t) - CHUNK);
	return mem;
}

void need_reach(uint64_t iova)
{
	if (iova >= 256 * MiB && !host.wide)
		skip("the device cannot address %#llx",
		     (unsigned long long)iova);
}

static void round_trip(struct tce *t)
{
	static const struct {
		size_t from, to, len;
	} copy[] = {
		{ 0, 0, 2048 },
		{ 0x123, 0x457, 1999 },
		{ 4096 - 1000, 8192 - 24, 2048 },	/* over page boundaries */
		{ 65536 - 2048, 65536 - 2048, 2048 },	/* up to the end */
		{ 17, 5, 4 },
	};
	uint8_t *from = alloc(CHUNK, CHUNK), *to = alloc(CHUNK, CHUNK);
	uint8_t *want = alloc(CHUNK, CHUNK);
	size_t i;

	allow(t, from, CHUNK);
	allow(t, to, CHUNK);
	map(t->container, from, base(t), CHUNK, R);
	map(t->container, to, base(t) + CHUNK, CHUNK, RW);
	fill(from, CHUNK, 1);
	for (i = 0; i < sizeof(copy) / sizeof(*copy); i++) {
		fill(to, CHUNK, 2 + i);
		fill(want, CHUNK, 2 + i);
		memcpy(want + copy[i].to, from + copy[i].from, copy[i].len);
		edu_copy(&t->edu, base(t) + copy[i].from,
			 base(t) + CHUNK + copy[i].to, copy[i].len);
		/* Byte by byte, and nothing around it. */
		expect(!memcmp(to, want, CHUNK));
		expect(filled(from, CHUNK, 1));
	}
}

/* Neighbours on the bus are strangers in memory; 4K steps in a 64K page too. */
static void scattered(struct tce *t)
{
	static const int order[] = { 5, 2, 7, 0 };
	uint8_t *mem = prepare(t, CHUNK), got[2048];
	size_t i;

	fill(mem, CHUNK, 1);
	for (i = 0; i < 4; i++)
		map(t->container, mem + order[i] * 4096, base(t) + i * 4096,
		    4096, RW);
	for (i = 0; i < 3; i++) {
		memset(t->bounce, 0, 2048);
		edu_copy(&t->edu, base(t) + (i + 1) * 4096 - 1024,
			 t->bounce_iova, 2048);
		memcpy(got, mem + order[i] * 4096 + 3072, 1024);
		memcpy(got + 1024, mem + order[i + 1] * 4096, 1024);
		expect(!memcmp(got, t->bounce, 2048));
	}
}

static void many_pages(struct tce *t)
{
	const size_t size = 4 * MiB;
	uint8_t *mem = prepare(t, size);

	map(t->container, mem, base(t), size, RW);
	expect(can_read(t, base(t), mem));
	expect(can_write(t, base(t) + size / 2 - 512, mem + size / 2 - 512));
	expect(can_write(t, base(t) + size - PROBE, mem + size - PROBE));
	unmap(t->container, base(t), size);
	expect(!can_write(t, base(t), mem));
	expect(!can_write(t, base(t) + size / 2 - 512, mem + size / 2 - 512));
	expect(!can_write(t, base(t) + size - PROBE, mem + size - PROBE));
}

static void twice_mapped(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	map(t->container, mem, base(t), CHUNK, RW);
	map(t->container, mem, base(t) + CHUNK, CHUNK, R);
	expect(can_write(t, base(t), mem));
	expect(can_read(t, base(t) + CHUNK, mem));
	unmap(t->container, base(t), CHUNK);
	expect(!can_write(t, base(t), mem));
	expect(can_read(t, base(t) + CHUNK, mem));
}

static void read_only(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	map(t->container, mem, base(t), CHUNK, R);
	expect(can_read(t, base(t), mem));
	expect(!can_write(t, base(t), mem));
	expect(!can_write(t, base(t) + CHUNK - PROBE, mem + CHUNK - PROBE));
}

static void write_only_writes(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	map(t->container, mem, base(t), CHUNK, W);
	expect(can_write(t, base(t), mem));
}

static void write_only_hides(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	if (host.powernv)
		skip("the platform makes every writable entry readable");
	map(t->container, mem, base(t), CHUNK, W);
	expect(!can_read(t, base(t), mem));
}

static void permissions_change(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);

	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
	map(t->container, mem, base(t), CHUNK, R);
	expect(can_read(t, base(t), mem));
	expect(!can_write(t, base(t), mem));
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
}

static const struct test rows[] = {
	{ "memory gets to the device and back, byte by byte", round_trip,
	  BOTH | DMA },
	{ "4K pages map in any order", scattered, BOTH | DMA },
	{ "one MAP of many pages maps all, one UNMAP unmaps all", many_pages,
	  BOTH | DMA },
	{ "one page can be at two addresses", twice_mapped, BOTH | DMA },
	{ "a page mapped for reading cannot be written", read_only,
	  BOTH | DMA },
	{ "a page mapped for writing can be written", write_only_writes,
	  BOTH | DMA },
	{ "a page mapped for writing cannot be read", write_only_hides,
	  BOTH | DMA },
	{ "mapping again changes the permissions", permissions_change,
	  BOTH | DMA },
};

const struct rows reach_rows = ROWS(rows);
