// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a MAP has replaced: a stack, in blocks of a page. A MAP owns its own.
 *
 * Locks: none.
 *
 * Never fails: tce_replaced_pop().
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "tce_refusal.h"
#include "tce_replaced.h"

/**
 * struct tce_old_block - a page of replaced entries
 * @next: the block before
 * @olds: the entries, in their order
 */
struct tce_old_block {
	struct tce_old_block *next;
	struct tce_old olds[];
};

#define TCE_OLDS_PER_BLOCK \
	((PAGE_SIZE - sizeof(struct tce_old_block)) / sizeof(struct tce_old))

static bool replaced_grow(struct tce_replaced *replaced)
{
	struct tce_old_block *block;

	/* for a moment; a cgroup's limit must not have us wait with a lock held */
	block = kmalloc(PAGE_SIZE, GFP_KERNEL | __GFP_NOWARN);
	if (!block)
		return false;
	block->next = replaced->blocks;
	replaced->blocks = block;
	replaced->nr = 0;
	replaced->max = TCE_OLDS_PER_BLOCK;
	return true;
}

static struct tce_old *newest_olds(struct tce_replaced *replaced)
{
	return replaced->blocks ? replaced->blocks->olds : replaced->few;
}

/**
 * tce_replaced_push() - keep what was in an entry
 * @replaced: the entries before
 * @entry: the entry
 * @was: what was there
 *
 * Context: may sleep to allocate.
 *
 * Return: 0; -ENOMEM if there is no room for the next one. This one is kept.
 */
int tce_replaced_push(struct tce_replaced *replaced, unsigned long entry,
		      const struct tce_entry *was)
{
	newest_olds(replaced)[replaced->nr++] = (struct tce_old) {
		.entry = entry,
		.was = *was,
	};
	if (replaced->nr == replaced->max && !replaced_grow(replaced))
		return TCE_REFUSE(UNDO_MEMORY, ENOMEM);
	return 0;
}

/**
 * tce_replaced_pop() - take the newest replaced entry off
 * @replaced: the entries
 * @entry: only if it is this one, or beyond
 * @old: returned here
 *
 * Return: false if there is none.
 */
bool tce_replaced_pop(struct tce_replaced *replaced, unsigned long entry,
		      struct tce_old *old)
{
	while (!replaced->nr) {
		struct tce_old_block *block = replaced->blocks;

		if (!block)
			return false;
		replaced->blocks = block->next;
		replaced->max = replaced->blocks ? TCE_OLDS_PER_BLOCK :
						   TCE_OLDS_INLINE;
		replaced->nr = replaced->max;
		kfree(block);
	}
	if (newest_olds(replaced)[replaced->nr - 1].entry < entry)
		return false;
	*old = newest_olds(replaced)[--replaced->nr];
	return true;
}
