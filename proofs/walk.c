// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way to a userspace entry, in a table of one to five levels of which any may be missing, reads
 * of each level the slot that belongs to the entry, and no other, and ends at the entry's own place
 * in the last one. What is said to be missing is what is left below the slot that is empty, and
 * what is said to follow is what is left of the last level.
 *
 * Assumed of the platform: each level has it_level_size slots, a power of two, and an entry of an
 * upper level is 0, or leads to a level below. A table of one level has any size below 2^48
 * entries.
 *
 * each: LEVELS=0 SLOTS=512
 * each: LEVELS=1,2,3 SLOTS=512,1024,2048,4096,8192,16384,32768
 * each: LEVELS=1 SLOTS=65536,131072,262144,524288,1048576,2097152
 * each: LEVELS=4 SLOTS=512,2048,4096
 * unwind: 6
 *
 * control: tce_table_walk tce_table_walk(any) tce_table_pua read_slot LEVELS=2
 * control: tce_table_pua LEVELS=0
 */
#include "../tce_table.h"

/* Levels stand at addresses that nobody follows: what is read is decided here. */
static u64 read_slot(const __be64 *slot);
static __be64 *__va(u64 address);

#define tce_pua_read	read_slot
#include "../tce_platform.c"
#include "../tce_trace.c"

#define BITS		ilog2((u64)SLOTS)
#define NODE(level)	((__be64 *)(BIT(63) | (unsigned long)(level) << 32))

static unsigned long at;
static u64 next;
/* The level that is being read, and whether its slot was empty */
static unsigned int level = LEVELS;
static bool missing;

static u64 read_slot(const __be64 *slot)
{
	unsigned long place = (at >> (level * BITS)) % SLOTS;

	prove(level && !missing);
	prove((unsigned long)slot == (unsigned long)NODE(level) + place * sizeof(*slot));
	next = any_u64() & ~3UL;
	missing = !next;
	return missing ? 0 : next | 3;
}

static __be64 *__va(u64 address)
{
	prove(!missing && address == next);
	return NODE(--level);
}

int main(void)
{
	struct iommu_table tbl = {
		.it_indirect_levels = LEVELS,
		.it_level_size = SLOTS,
		.it_userspace = NODE(LEVELS),
		.it_offset = any_ulong(),
		.it_size = LEVELS ? 1UL << ((LEVELS + 1) * BITS) : any_ulong(),
	};
	struct tce_table table = { .tbl = &tbl };
	unsigned long left;
	__be64 *found;

	at = any_ulong();
	assume(at < tbl.it_size);
	assume((wide)tbl.it_offset + tbl.it_size <= ULONG_MAX);
	assume(LEVELS || tbl.it_size < BIT(48));

	found = tce_table_pua(&table, tbl.it_offset + at, false, &left);

	if (missing) {
		prove(!found);
		prove(left == BIT(level * BITS) - at % BIT(level * BITS));
	} else {
		prove(!level);
		prove((unsigned long)found ==
		      (unsigned long)NODE(0) + (LEVELS ? at % SLOTS : at) * sizeof(*found));
		prove(left == (LEVELS ? SLOTS - at % SLOTS : tbl.it_size - at));
	}
	return 0;
}
