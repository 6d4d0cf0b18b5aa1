/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_V1_H
#define TCE_V1_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

/* Pins: user memory that MAP of v1 pins, and UNMAP unpins. */

struct tce_account;

/* Bit 0 of a v1 cookie, which otherwise is the struct page: the device may write */
#define TCE_WRITE	1UL

/* TCEs of v1, which map 4K each, that fit into one of the CPU's pages */
#define TCE_PER_PAGE	(PAGE_SIZE / SZ_4K)

/* Hash buckets for shared pages: eight pages in each for a window of 2 GiB in 64K pages */
#define TCE_SET_BITS	12

/**
 * struct tce_pinned - the memory that a v1 container has pinned
 * @account: the account that is charged
 * @lock: guards @charged, additions to @pages, and @set; the innermost lock
 * @pages: CPU pages that are pinned or about to be; with 4K pages, pins
 * @charged: CPU pages charged, by ENABLE or because MAP needed more; not lowered before
 *	DISABLE
 * @set: only where TCEs can share a page: struct tce_pin by the hash of the page
 */
struct tce_pinned {
	struct tce_account *account;
	spinlock_t lock;
	atomic_long_t pages;
	long charged;
	struct hlist_head set[TCE_PER_PAGE > 1 ? 1 << TCE_SET_BITS : 0];
};

#define TCE_PINS_INLINE	16

/**
 * struct tce_pins - pages that a MAP has pinned before it takes any lock
 * @pinned: the container's pins
 * @ua: address of the first page
 * @n: number of pages
 * @taken: how many of them have been given to entries
 * @pages: the pages
 * @few: storage for @pages if there are only a few
 */
struct tce_pins {
	struct tce_pinned *pinned;
	unsigned long ua;
	unsigned long n;
	unsigned long taken;
	struct page **pages;
	struct page *few[TCE_PINS_INLINE];
};

void tce_pinned_init(struct tce_pinned *pinned, struct tce_account *account);
void tce_pinned_destroy(struct tce_pinned *pinned);
void tce_pinned_allow(struct tce_pinned *pinned, unsigned long npages);
void tce_pinned_disallow(struct tce_pinned *pinned);

int tce_pins_get(struct tce_pins *pins, struct tce_pinned *pinned,
		 unsigned long ua, unsigned long size, bool write);
void tce_pins_put(struct tce_pins *pins);
void tce_pins_take(struct tce_pins *pins, unsigned long ua, unsigned long n,
		   unsigned long *hpas);
void tce_pin_put(struct tce_pinned *pinned, u64 cookie, unsigned long n);

/**
 * tce_pin_cookie() - the value that a v1 table keeps in an entry's cell
 * @page: the page, whose address has bit 63 set like every kernel address
 * @write: whether the device may write
 *
 * Return: the cookie.
 */
static __always_inline u64 tce_pin_cookie(struct page *page, bool write)
{
	return (unsigned long)page | (write ? TCE_WRITE : 0);
}

#endif /* TCE_V1_H */
