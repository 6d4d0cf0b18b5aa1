/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a MAP has replaced. Until it has succeeded, that is kept, in the order of the
 * entries: to be let go in the end, or to be put back.
 */
#ifndef TCE_REPLACED_H
#define TCE_REPLACED_H

#include <linux/types.h>

#include "tce_entry.h"

/**
 * struct tce_old - what a MAP found in an entry
 * @entry: the entry
 * @was: what was there
 */
struct tce_old {
	unsigned long entry;
	struct tce_entry was;
};

#define TCE_OLDS_INLINE	2

struct tce_old_block;

/**
 * struct tce_replaced - all that a MAP has replaced
 * @blocks: blocks of replaced entries, newest first, after @few
 * @nr: replaced entries in the newest block, or in @few if there is none
 * @max: room there
 * @few: the first replaced entries
 */
struct tce_replaced {
	struct tce_old_block *blocks;
	unsigned int nr;
	unsigned int max;
	struct tce_old few[TCE_OLDS_INLINE];
};

int tce_replaced_push(struct tce_replaced *replaced, unsigned long entry,
		      const struct tce_entry *was);
bool tce_replaced_pop(struct tce_replaced *replaced, unsigned long entry,
		      struct tce_old *old);

/**
 * tce_replaced_init() - nothing has been replaced yet
 * @replaced: on the stack
 *
 * Undone when tce_replaced_pop() has returned all of it.
 */
static inline void tce_replaced_init(struct tce_replaced *replaced)
{
	replaced->blocks = NULL;
	replaced->nr = 0;
	replaced->max = TCE_OLDS_INLINE;
}

#endif /* TCE_REPLACED_H */
