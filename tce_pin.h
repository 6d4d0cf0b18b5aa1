/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pins: user memory that is pinned as it is mapped (v1).
 *
 * The TCEs of v1 map 4K. Where the CPU's page has 4K as well, each TCE has a pin of its
 * own. A larger page has one pin, however many TCEs map it, and a counted set says how
 * many do.
 */
#ifndef TCE_PIN_H
#define TCE_PIN_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

struct tce_account;

/* In a cookie of v1, which is the struct page: the device may write */
#define TCE_WRITE	1UL

/* TCEs of v1 that a page of the CPU's has room for */
#define TCE_PER_PAGE	(PAGE_SIZE / SZ_4K)

/**
 * struct tce_pinned - what a container of v1 has pinned
 * @account: who pays for it
 * @charging: ENABLE, DISABLE and who changes @charged take turns; held while the owner's
 *	mmap_lock is waited for, for as long as the client likes
 * @charged: CPU pages charged for pins; guarded by @charging
 * @window: CPU pages that ENABLE has charged, which are enough for a whole window;
 *	0 while it is disabled; guarded by &tce_space.lock
 * @pages: CPU pages pinned, or about to be; for 4K pages, pins
 * @lock: guards @set
 * @set: where TCEs share pages: struct tce_pin, hashed by the page
 */
struct tce_pinned {
	struct tce_account *account;
	struct mutex charging;
	unsigned long charged;
	unsigned long window;
	atomic_long_t pages;
	spinlock_t lock;
	struct hlist_head *set;
};

#define TCE_PINS_INLINE	16

/**
 * struct tce_pins - pages that a MAP has pinned before it takes a lock
 * @pinned: of the container
 * @ua: of the first page
 * @n: pages
 * @taken: of 4K pages: how many have been given to entries
 * @pages: the pages
 * @few: the same, if there are few
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
int tce_pinned_bind(struct tce_pinned *pinned);
void tce_pinned_destroy(struct tce_pinned *pinned);
void tce_pinned_allow(struct tce_pinned *pinned, unsigned long npages);
void tce_pinned_trim(struct tce_pinned *pinned);

int tce_pins_get(struct tce_pins *pins, struct tce_pinned *pinned,
		 unsigned long ua, unsigned long size, bool write);
void tce_pins_put(struct tce_pins *pins);
void tce_pins_take(struct tce_pins *pins, unsigned long ua, unsigned long n,
		   unsigned long *hpas);

void tce_pin_put(struct tce_pinned *pinned, struct page *page, unsigned long n,
		 bool write);
unsigned long tce_pin_put_cells(struct tce_pinned *pinned, __be64 *cells,
				unsigned long n);

/**
 * tce_pin_cookie() - what a table of v1 remembers of a page
 * @page: the page, which has bit 63 as all addresses of the kernel
 * @write: the device may write
 *
 * Return: the cookie.
 */
static __always_inline u64 tce_pin_cookie(struct page *page, bool write)
{
	return (unsigned long)page | (write ? TCE_WRITE : 0);
}

/**
 * tce_pin_page() - undo tce_pin_cookie()
 * @cookie: of v1
 *
 * Return: the page.
 */
static __always_inline struct page *tce_pin_page(u64 cookie)
{
	return (struct page *)(cookie & ~TCE_WRITE);
}

/**
 * tce_pinned_excess() - is more charged than a window needs?
 * @pinned: of a container
 *
 * Return: true if there is something for tce_pinned_trim() to do.
 */
static __always_inline bool tce_pinned_excess(const struct tce_pinned *pinned)
{
	return READ_ONCE(pinned->charged) > READ_ONCE(pinned->window);
}

#endif /* TCE_PIN_H */
