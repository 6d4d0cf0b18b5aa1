/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the model have in common.
 */
#ifndef SELFTESTS_MODEL_H
#define SELFTESTS_MODEL_H

#include "fuzz.h"

#define SLOT1_POWERNV	(1ULL << 59)

/* model.c */
bool power_of_two(uint64_t n);
unsigned int groups_of(const struct container *c);
void entry_add(struct container *c, const struct entry *e);
void entries_drop(struct container *c, uint64_t iova, uint64_t size);
void entries_of_region_drop(struct container *c, int region);
bool region_mapped(int region, const struct container *c);
bool overlaps(const struct region *r, uint64_t va, uint64_t size);
int region_find(uint64_t va, uint64_t size);
int region_around(uint64_t va, uint64_t size);
int page_at(uint64_t va);
bool accessible(uint64_t va, uint64_t size, bool write);
void group_leaves(int group);
void default_window(struct container *c);
void default_created(struct container *c);
bool beyond_memory(const struct op *op);

/* wanted.c */
void may(struct wanted *want, int err);
void must(struct wanted *want, bool *refused, int err);

#endif
