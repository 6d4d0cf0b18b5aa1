/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds: what cleared entries held, until it may be released.
 *
 * An entry's page may be released only after the entry has been invalidated, because the device
 * can reach it until then. So whoever clears entries collects what they held, invalidates them,
 * and then calls tce_holds_release().
 */
#ifndef TCE_HOLD_H
#define TCE_HOLD_H

#include <linux/types.h>

#include "tce_memory.h"

struct tce_entry;
struct tce_region;

/**
 * struct tce_hold - what some cleared entries held
 * @what: v2: the region, with TCE_HOLD_KVMS if KVM mapped it; v1: the cookie
 * @n: entries
 */
struct tce_hold {
	unsigned long what;
	unsigned long n;
};

#define TCE_HOLDS	32

/**
 * struct tce_holds - holds on user memory that wait for an invalidation
 * @mem: whose memory
 * @shared: of a shared table
 * @region: v2: the region that was found last
 * @nr: how many have been collected
 * @holds: the first @nr of these are in use
 */
struct tce_holds {
	struct tce_mem *mem;
	bool shared;
	struct tce_region *region;
	unsigned int nr;
	struct tce_hold holds[TCE_HOLDS];
};

void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem, bool shared);
void tce_holds_add(struct tce_holds *holds, const struct tce_entry *old);
void tce_holds_release(struct tce_holds *holds);

void tce_hold_put(struct tce_mem *mem, const struct tce_entry *old, bool shared);
void tce_hold_put_cells(struct tce_mem *mem, __be64 *cells, unsigned long n);

/**
 * tce_holds_full() - is there no room for one more hold?
 * @holds: the holds
 *
 * To be asked before each entry is cleared.
 *
 * Return: true if the holds must be released before the next is added.
 */
static inline bool tce_holds_full(const struct tce_holds *holds)
{
	return holds->nr == TCE_HOLDS;
}

#endif /* TCE_HOLD_H */
