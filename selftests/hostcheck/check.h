/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rows have in common: a device that works, a piece of memory, and a way
 * back after an access that the bridge has refused.
 */
#ifndef HOSTCHECK_CHECK_H
#define HOSTCHECK_CHECK_H

#include "engine.h"
#include "test.h"

extern const struct rows map_rows, window_rows, account_rows, stress_rows, eeh_rows,
	msi_rows;

struct check {
	struct tce *t;
	struct engine e;
	uint64_t iova;			/* 16 MiB, and more, are free from here */
	uint8_t *mem;
	size_t size;
};

/* The engine runs in the default window, and @size bytes of memory are allowed. */
void check_begin(struct check *c, struct tce *t, size_t size);
/* The same in a window that begins at @start. */
void check_begin_at(struct check *c, struct tce *t, size_t size, uint64_t start);
void check_end(struct check *c);

/* Maps all of the memory at c->iova. */
void check_map(struct check *c, uint32_t flags);

/* True when the device reaches @va at @iova, by writing and, if it can tell, reading. */
bool check_reaches(struct check *c, uint64_t iova, void *va);

/* True when EEH is there, and the bridge has stopped the device. */
bool check_frozen(struct tce *t);
/* As a guest does it: reset, and what comes after it. */
void check_reset(struct tce *t, uint32_t kind);
/* After an access that was not allowed: the device works again. */
void check_recover(struct check *c);

/* HOSTCHECK_SECONDS */
unsigned int check_seconds(void);

#endif
