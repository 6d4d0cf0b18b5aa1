/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of this program have in common.
 */
#ifndef SELFTESTS_MEMORY_H
#define SELFTESTS_MEMORY_H

#include "test.h"

#define CHUNK	(64 * KiB)

static inline uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

/* registration.c */
extern const struct rows registration_rows;

/* pins.c */
extern const struct rows pins_rows;

/* mapped.c */
extern const struct rows mapped_rows;

/* limit.c */
extern const struct rows limit_rows;
void limited(uint64_t more);

/* work.c */
extern const struct rows work_rows;

/* enable.c */
extern const struct rows enable_rows;

/* end.c */
extern const struct rows end_rows;

#endif
