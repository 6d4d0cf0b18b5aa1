/* SPDX-License-Identifier: GPL-2.0-only */
/* v1: user memory that MAP pins. */
#ifndef TCE_V1_H
#define TCE_V1_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

#include "tce_mm.h"

/* In a v1 userspace entry, otherwise an hpa: the device may write */
#define TCE_V1_WRITE	BIT_ULL(62)

/* TCEs of v1 (4K each) per CPU page */
#define TCE_PER_PAGE	(PAGE_SIZE / SZ_4K)

/* Eight pages in each hash bucket for a window of 2 GiB in 64K pages */
#define TCE_V1_SET_BITS	12

/**
 * struct tce_v1 - the pages that a v1 container has pinned
 * @lock: guards @charged, additions to @pages, and @set; innermost
 * @pages: CPU pages that are pinned or about to be; with 4K pages, pins. Raised by count_pages(),
 *	lowered by unpin(), and by tce_v1_pin() if it fails
 * @charged: CPU pages charged by ENABLE, and by MAPs that needed more; raised by tce_v1_allow(),
 *	lowered by tce_v1_disallow() at DISABLE and at the next ENABLE
 * @set: only where TCEs can share a page: struct tce_v1_page by hash
 */
struct tce_v1 {
	spinlock_t lock;
	atomic_long_t pages;
	long charged;
	struct hlist_head set[TCE_PER_PAGE > 1 ? 1 << TCE_V1_SET_BITS : 0];
};

#define TCE_V1_INLINE	16

/**
 * struct tce_v1_batch - pages that a MAP has pinned before it takes any lock
 * @mem: the container's memory
 * @ua: address of the first page
 * @end: end of the memory
 * @n: number of pages
 * @taken: pages given to entries; a larger page counts with its last entry
 * @pages: the pages
 * @few: storage for a few @pages
 */
struct tce_v1_batch {
	struct tce_memory *mem;
	unsigned long ua;
	unsigned long end;
	unsigned long n;
	unsigned long taken;
	struct page **pages;
	struct page *few[TCE_V1_INLINE];
};

struct tce_v1 *tce_v1_create(void);
void tce_v1_free(struct tce_v1 *v1);
void tce_v1_allow(struct tce_v1 *v1, unsigned long npages);
void tce_v1_disallow(struct tce_memory *mem);

int tce_v1_pin(struct tce_v1_batch *batch, struct tce_memory *mem,
	       unsigned long ua, unsigned long size, bool write);
void tce_v1_unpin(struct tce_v1_batch *batch);
unsigned long tce_v1_extent(const struct tce_v1_batch *batch, unsigned long ua,
			    unsigned long max, unsigned long *hpa);
void tce_v1_take(struct tce_v1_batch *batch, unsigned long ua, unsigned long n);
void tce_v1_untake(struct tce_v1_batch *batch, unsigned long ua, unsigned long n);
void tce_v1_release(struct tce_v1 *v1, u64 val, unsigned long n);

/* The userspace entry of an hpa, without bit 63. Offsets in the page do not matter. */
static inline u64 tce_v1_val(unsigned long hpa, bool write)
{
	return hpa | (write ? TCE_V1_WRITE : 0);
}

static __always_inline unsigned long tce_v1_hpa(const struct tce_v1_batch *batch, unsigned long ua)
{
	return tce_page_hpa(batch->pages[(ua - batch->ua) >> PAGE_SHIFT]) + offset_in_page(ua);
}

#endif /* TCE_V1_H */
