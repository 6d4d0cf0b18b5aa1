/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of this program have in common.
 */
#ifndef SELFTESTS_WINDOWS_H
#define SELFTESTS_WINDOWS_H

#include "test.h"

#define CHUNK		(64 * KiB)
#define SLOT1_POWERNV	(1ULL << 59)

static inline uint64_t first(const struct tce *t)
{
	return t->info.dma32_window_start;
}

/* A window of a size that is big enough for one page of TCEs on each platform. */
static inline uint64_t some_size(unsigned int shift)
{
	uint64_t size = (host.page / 8) << shift;

	return size > 256 * MiB ? size : 256 * MiB;
}

/* default.c */
extern const struct rows default_rows;

/* slots.c */
extern const struct rows slots_rows;

/* pages.c */
extern const struct rows pages_rows;

/* shape.c */
extern const struct rows shape_rows;

/* failure.c */
extern const struct rows failure_rows;

#endif
