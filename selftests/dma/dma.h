/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of this program have in common.
 */
#ifndef SELFTESTS_DMA_H
#define SELFTESTS_DMA_H

#include "test.h"

#define CHUNK	(64 * KiB)	/* a multiple of every page size of 4K and 64K */

/* Where the tests put things: low enough for a device with 28 address bits. */
static inline uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

static inline uint64_t window_end(const struct tce *t)
{
	return t->info.dma32_window_start + (uint64_t)t->info.dma32_window_size;
}

/* reach.c */
extern const struct rows reach_rows;
uint8_t *prepare(struct tce *t, size_t size);
void need_reach(uint64_t iova);

/* unmap.c */
extern const struct rows unmap_rows;

/* bounds.c */
extern const struct rows bounds_rows;

/* refusal.c */
extern const struct rows refusal_rows;

/* memory.c */
extern const struct rows memory_rows;

#endif
