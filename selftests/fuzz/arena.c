// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arena: the memory that is given to devices, and its content.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "exec.h"

uint8_t *arena, *before;

#define HUGE_SIZE	(2 * MiB)
#define MAGIC		0xfa57000000000000ULL

uint8_t *page_start(unsigned int p)
{
	return arena + p * host.page;
}

uint64_t word_of(uint32_t tag, uint32_t offset)
{
	return MAGIC | (uint64_t)(tag & 0xffffff) << 24 | offset / 8;
}

bool is_content(uint64_t word)
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

bool page_readable(unsigned int p)
{
	return model.page[p].there && model.page[p].prot != PROT_NO;
}

void arena_refresh(void)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		if (model.page[p].there && model.page[p].prot == PROT_RW)
			page_fill(p);
		if (page_readable(p))
			memcpy(before + p * host.page, page_start(p), host.page);
	}
}

/* Where memory is seen in the arena, or -1. */
int page_of(int phys)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++)
		if (page_readable(p) && model.page[p].phys == phys)
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
