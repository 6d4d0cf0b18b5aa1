// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arena, which is the memory that is given to devices, its content, and what devices
 * reach, asked with real DMA.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"

uint8_t *arena, *before;

#define HUGE_SIZE	(2 * MiB)
#define MAGIC		0xfa57000000000000ULL

uint8_t *page_start(unsigned int p)
{
	return arena + p * host.page;
}

static uint64_t word_of(uint32_t tag, uint32_t offset)
{
	return MAGIC | (uint64_t)(tag & 0xffffff) << 24 | offset / 8;
}

static bool is_content(uint64_t word)
{
	return (word & 0xffff000000000000ULL) == MAGIC;
}

/* Content that no other page has or had. */
void page_fill(unsigned int p)
{
	struct phys *phys = &model.phys[model.page[p].phys];
	uint64_t *word = (uint64_t *)page_start(p);
	size_t i;

	phys->tag = ++model.next_tag;
	phys->unknown = false;
	for (i = 0; i < host.page / 8; i++)
		word[i] = word_of(phys->tag, i * 8);
}

static void arena_refresh(void)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		if (!model.page[p].there)
			continue;
		page_fill(p);
		memcpy(before + p * host.page, page_start(p), host.page);
	}
}

/* Where memory is seen in the arena, or -1. */
static int page_of(int phys)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++)
		if (model.page[p].there && model.page[p].phys == phys)
			return p;
	return -1;
}

void map_pages(unsigned int p, unsigned int n)
{
	if (mmap(page_start(p), n * host.page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		disagree(WRONG_CRASH, 0, "mmap: %m");
}

/*
 * The arena as a part of a huge page: what is next to each other there is so in
 * memory, and stays one large folio however much of it is unmapped.
 */
void map_huge(void)
{
	void *end = page_start(machine.pages);

	if (mmap(arena, HUGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		disagree(WRONG_CRASH, 0, "mmap: %m");
	/* Without huge pages it is memory like any other. */
	madvise(arena, HUGE_SIZE, MADV_HUGEPAGE);
	*arena = 1;
	munmap(end, arena + HUGE_SIZE - (uint8_t *)end);
}

static bool may_read(const struct entry *e)
{
	return e && e->dir & R;
}

/* PowerNV lets a device read what it may write. */
static bool maybe_read(const struct entry *e)
{
	return e && host.powernv;
}

/* The arena is as it was before, but for @n words that may differ at @except. */
static void compare_arena(const uint8_t *except, size_t len, const struct op *op)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		const uint64_t *now = (uint64_t *)page_start(p);
		const uint64_t *old = (uint64_t *)(before + p * host.page);
		size_t i;

		if (!model.page[p].there || !memcmp(now, old, host.page))
			continue;
		for (i = 0; i < host.page / 8; i++) {
			const uint8_t *at = (uint8_t *)(now + i);

			if (now[i] == old[i] || (at >= except && at < except + len))
				continue;
			disagree(WRONG_DMA, 1, "DMA to %#llx changed page %u+%#zx, which is not there",
				 (unsigned long long)op->a, p, i * 8);
		}
	}
}

/* An entry of the container through which the device can show what it read. */
static const struct entry *find_bounce(const struct container *c, uint64_t select,
				       size_t len)
{
	int i;

	for (i = 0; i < c->entries; i++) {
		const struct entry *e = &c->entry[(select + i) % c->entries];

		if (e->dir & W && page_of(e->phys) >= 0 && len <= 1u << e->shift &&
		    !model_bus_address(e->iova, len))
			return e;
	}
	return NULL;
}

static void dma_read(struct edu *dev, const struct container *c, const struct op *op)
{
	const struct entry *bounce = find_bounce(c, op->c, op->b);
	uint64_t got[EDU_MAX / 8];
	uint8_t *at;
	size_t i;

	if (!bounce)
		return;
	arena_refresh();
	at = page_start(page_of(bounce->phys)) + bounce->offset;
	edu_read(dev, op->a, 0, op->b);
	edu_write(dev, bounce->iova, 0, op->b);
	memcpy(got, at, op->b);
	compare_arena(at, op->b, op);
	model.phys[bounce->phys].unknown = true;
	report->dma_reads++;

	for (i = 0; i < op->b / 8; i++) {
		uint64_t iova = op->a + i * 8, want;
		const struct entry *e = model_entry(c, iova);
		uint32_t offset;
		int p;

		if (!may_read(e)) {
			if (is_content(got[i]) && !maybe_read(e))
				disagree(WRONG_DMA, 2, "the device read memory at %#llx (%#llx)",
					 (unsigned long long)iova, (unsigned long long)got[i]);
			continue;
		}
		offset = e->offset + (iova - e->iova);
		p = page_of(e->phys);
		if (p >= 0)
			memcpy(&want, before + p * host.page + offset, 8);
		else if (e->phys != bounce->phys && !model.phys[e->phys].unknown)
			want = word_of(model.phys[e->phys].tag, offset);
		else
			continue;
		if (got[i] != want)
			disagree(WRONG_DMA, 3, "the device read %#llx at %#llx, not %#llx",
				 (unsigned long long)got[i], (unsigned long long)iova,
				 (unsigned long long)want);
	}
}

static void dma_write(struct edu *dev, const struct container *c, const struct op *op)
{
	bool none = true;
	size_t i;

	/* New content: what the device has in its buffer is not it. */
	arena_refresh();
	edu_write(dev, op->a, 0, op->b);
	report->dma_writes++;
	for (i = 0; i < op->b / 8; i++) {
		uint64_t iova = op->a + i * 8;
		const struct entry *e = model_entry(c, iova);
		uint64_t *now, *old;
		size_t at;
		int p;

		if (!e || !(e->dir & W))
			continue;
		none = false;
		model.phys[e->phys].unknown = true;
		p = page_of(e->phys);
		if (p < 0)
			continue;
		at = p * host.page + e->offset + (iova - e->iova);
		now = (uint64_t *)(arena + at);
		old = (uint64_t *)(before + at);
		if (*now == *old)
			disagree(WRONG_DMA, 4, "the device did not write memory at %#llx",
				 (unsigned long long)iova);
		/* Seen and right, so no longer a difference. */
		*old = *now;
	}
	report->dma_none += none;
	compare_arena(NULL, 0, op);
}

void exec_dma(const struct op *op)
{
	int group = op->group;
	const struct container *c = &model.object[model.group[group].object];
	struct edu dev;
	long rc = edu_open(&dev, group_fd[group], group);

	if (rc)
		disagree(WRONG_RESULT, rc, "the device can't be opened: %s", strerror(-rc));
	if (op->flags & 1)
		dma_read(&dev, c, op);
	if (op->flags & 2)
		dma_write(&dev, c, op);
	edu_close(&dev);
}
