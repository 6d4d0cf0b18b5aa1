/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory: what is pinned for a container, and who pays for it.
 *
 * Terms: "ua" is a userspace address, "hpa" a host physical address. An
 * "IOMMU page" is what one TCE maps, 2^shift bytes; it may be smaller or
 * larger than the CPU's page (PAGE_SIZE).
 */
#ifndef TCE_MEMORY_H
#define TCE_MEMORY_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct tce_mm;
struct tce_region;

/**
 * struct tce_mem - the user memory of one container
 * @mm: whose memory it is; set once by tce_mem_bind() and grabbed until
 *	tce_mem_destroy(). NULL before.
 * @shared: v2: the regions of @mm, shared by all containers of the process
 * @regs: v2: what this container has registered (struct tce_registration);
 *	guarded by &tce_mm.lock
 * @pins: v1 where PAGE_SIZE is larger than 4K: page frame number -> number
 *	of TCEs that share the one pin of that page; guarded by its xa_lock
 * @v2: pages are mapped out of registered regions, rather than pinned one
 *	by one as they are mapped
 */
struct tce_mem {
	struct mm_struct *mm;
	struct tce_mm *shared;
	struct list_head regs;
	struct xarray pins;
	bool v2;
};

void tce_mem_init(struct tce_mem *mem, bool v2);
void tce_mem_destroy(struct tce_mem *mem);
int tce_mem_bind(struct tce_mem *mem);

int tce_mem_charge(struct tce_mem *mem, unsigned long npages);
void tce_mem_uncharge(struct tce_mem *mem, unsigned long npages);

int tce_mem_register(struct tce_mem *mem, unsigned long ua,
		     unsigned long size);
int tce_mem_unregister(struct tce_mem *mem, unsigned long ua,
		       unsigned long size);

void tce_mem_lock(struct tce_mem *mem);
void tce_mem_unlock(struct tce_mem *mem);

int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write);
long tce_mem_get(struct tce_mem *mem, unsigned long ua, unsigned long n,
		 unsigned int shift, bool write, unsigned long *hpas);
u64 tce_mem_cookie(const struct tce_mem *mem, unsigned long ua,
		   unsigned long hpa, bool write);

/**
 * struct tce_hold - what some cleared entries held
 * @what: v2: the region; v1: the struct page, | 1 if the device could write
 * @n: v2: entries; v1: pages from this one on, or, where pins are shared,
 *	entries that shared the page
 */
struct tce_hold {
	unsigned long what;
	unsigned long n;
};

struct tce_hold_block;

#define TCE_HOLDS_INLINE	8

/**
 * struct tce_holds - holds on user memory that wait for an invalidation
 * @mem: whose memory
 * @region: v2: the region that was found last
 * @next: the next free element
 * @end: where the free elements end
 * @blocks: blocks of elements, newest first, after @few
 * @nr_blocks: their number
 * @few: the first elements, so that a short call allocates nothing
 *
 * An entry's page may be let go only after the entry was killed: until then
 * the device can reach it. So whoever clears entries collects what they held
 * here, kills, and calls tce_holds_release().
 */
struct tce_holds {
	struct tce_mem *mem;
	struct tce_region *region;
	struct tce_hold *next;
	struct tce_hold *end;
	struct tce_hold_block *blocks;
	unsigned int nr_blocks;
	struct tce_hold few[TCE_HOLDS_INLINE];
};

void tce_holds_init(struct tce_holds *holds, struct tce_mem *mem);
bool tce_holds_grow(struct tce_holds *holds);
void tce_holds_add(struct tce_holds *holds, u64 cookie, unsigned long hpa,
		   bool write);
void tce_holds_add_cookie(struct tce_holds *holds, u64 cookie);
void tce_holds_release(struct tce_holds *holds);

/**
 * tce_holds_full() - is there no room for one more hold?
 * @holds: the holds
 *
 * To be asked before each entry is cleared. Context: may sleep to allocate.
 *
 * Return: true if the holds must be released before the next is added.
 */
static inline bool tce_holds_full(struct tce_holds *holds)
{
	return holds->next == holds->end && !tce_holds_grow(holds);
}

#endif /* TCE_MEMORY_H */
