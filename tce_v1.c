// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "tce_mm.h"
#include "tce_trace.h"
#include "tce_v1.h"

/*
 * Pins: in v1, MAP pins the memory that it maps, and UNMAP unpins it.
 *
 * With 4K pages each TCE has a pin of its own, so that a window can't pin more than ENABLE
 * has charged. A larger page is pinned only once, because a client that maps 4K of each
 * page would otherwise pin far more memory than it maps; a hashed set counts the TCEs that
 * share it. Whatever exceeds the charge of ENABLE is charged when it is pinned, or refused
 * if RLIMIT_MEMLOCK does not allow it, and stays charged until DISABLE. A MAP counts its
 * pages before it knows which of them are pinned already and which it replaces, so a MAP
 * into a window that is nearly full can be charged for more than it adds.
 *
 * Locks: &tce_pinned.lock. Memory is pinned and charged with none of the module's locks held,
 * because a client can make a page fault take as long as it likes.
 *
 * Never fails: giving pins to entries, and putting them.
 */

/**
 * struct tce_pin - a pinned page that is larger than a TCE
 * @node: in &tce_pinned.set
 * @page: the page, which has one pin and counts as one page in &tce_pinned.pages
 * @uses: TCEs that map it, and MAPs that are about to
 */
struct tce_pin {
	struct hlist_node node;
	struct page *page;
	long uses;
};

/**
 * tce_pinned_init() - prepare for a container's pins
 * @pinned: zeroed
 * @account: the account to be charged
 *
 * Undone by tce_pinned_destroy().
 */
void tce_pinned_init(struct tce_pinned *pinned, struct tce_account *account)
{
	pinned->account = account;
	spin_lock_init(&pinned->lock);
}

/**
 * tce_pinned_destroy() - undo tce_pinned_init()
 * @pinned: no longer used by anybody
 *
 * Pages that a bridge may still reach stay pinned for good.
 */
void tce_pinned_destroy(struct tce_pinned *pinned)
{
	struct hlist_node *next;
	struct tce_pin *pin;
	int i;

	tce_account_keep(atomic_long_read(&pinned->pages));
	for (i = 0; i < ARRAY_SIZE(pinned->set); i++)
		hlist_for_each_entry_safe(pin, next, &pinned->set[i], node)
			kfree(pin);
}

/**
 * tce_pinned_allow() - ENABLE has charged a window
 * @pinned: the pins of a bound container
 * @npages: CPU pages
 *
 * Undone by tce_pinned_disallow(). Context: any.
 */
void tce_pinned_allow(struct tce_pinned *pinned, unsigned long npages)
{
	spin_lock(&pinned->lock);
	pinned->charged += npages;
	spin_unlock(&pinned->lock);
}

/**
 * tce_pinned_disallow() - DISABLE gives back the charge
 * @pinned: the pins of a bound container, in which nothing is mapped any more
 *
 * What a MAP in flight has pinned remains charged. Context: any. Call tce_account_settle()
 * after the last lock has been dropped.
 */
void tce_pinned_disallow(struct tce_pinned *pinned)
{
	long excess;

	spin_lock(&pinned->lock);
	excess = pinned->charged - atomic_long_read(&pinned->pages);
	if (excess > 0) {
		pinned->charged -= excess;
		tce_account_owe(pinned->account, excess);
	}
	spin_unlock(&pinned->lock);
}

/* Count @n pages that are to be pinned, and charge what is not charged yet. */
static int pinned_add(struct tce_pinned *pinned, long n)
{
	long more;
	int rc;

	spin_lock(&pinned->lock);
	atomic_long_add(n, &pinned->pages);
	more = atomic_long_read(&pinned->pages) - pinned->charged;
	spin_unlock(&pinned->lock);
	if (likely(more <= 0))
		return 0;
	/* concurrent MAPs charge the rest */
	more = min(more, n);
	rc = tce_account_charge(pinned->account->mm, more);
	if (rc)
		atomic_long_sub(n, &pinned->pages);
	else
		tce_pinned_allow(pinned, more);
	return rc;
}

/*
 * Count @n more uses of a page in the set, or fewer. @pin is added if the page is not there.
 * Return: the struct tce_pin that is not needed, or no longer, and is to be freed; or NULL.
 */
static struct tce_pin *pin_use(struct tce_pinned *pinned, struct page *page,
			       long n, struct tce_pin *pin)
{
	struct hlist_head *bucket = &pinned->set[hash_ptr(page, TCE_SET_BITS)];
	struct tce_pin *found;

	spin_lock(&pinned->lock);
	hlist_for_each_entry(found, bucket, node)
		if (found->page == page)
			break;
	if (!found) {
		found = pin;
		pin = NULL;
		found->page = page;
		found->uses = 0;
		hlist_add_head(&found->node, bucket);
	}
	found->uses += n;
	if (!found->uses) {
		hlist_del(&found->node);
		pin = found;
	}
	spin_unlock(&pinned->lock);
	return pin;
}

/* Drop a pin, which need not be in the set. */
static void unpin(struct tce_pinned *pinned, struct page *page)
{
	unpin_user_page(page);
	atomic_long_dec(&pinned->pages);
}

/**
 * tce_pin_put() - undo tce_pins_take()
 * @pinned: the container's pins
 * @cookie: says which page, and whether the device may have written to it
 * @n: entries that mapped the page
 *
 * The entries have been invalidated, or were never written. Context: sleeps.
 */
void tce_pin_put(struct tce_pinned *pinned, u64 cookie, unsigned long n)
{
	struct page *page = (struct page *)(cookie & ~TCE_WRITE);
	struct tce_pin *pin;

	if (cookie & TCE_WRITE && !PageDirty(page))
		set_page_dirty_lock(page);
	if (TCE_PER_PAGE > 1) {
		pin = pin_use(pinned, page, -n, NULL);
		if (!pin)
			return;
		kfree(pin);
		n = 1;
	}
	while (n--)
		unpin(pinned, page);
}

/* Put pages into the set after they were pinned. Return: 0; -ENOMEM */
static int pins_share(struct tce_pins *pins, unsigned long n)
{
	struct tce_pin *pin;
	struct page *page;

	for (; pins->n < n; pins->n++) {
		page = pins->pages[pins->n];
		pin = kmalloc(sizeof(*pin), GFP_KERNEL_ACCOUNT);
		if (!pin) {
			tce_pages_unpin(pins->pages + pins->n, n - pins->n);
			return TCE_REFUSE(PIN_SET_MEMORY, ENOMEM);
		}
		pin = pin_use(pins->pinned, page, 1, pin);
		if (pin)
			unpin(pins->pinned, page);
		kfree(pin);
	}
	return 0;
}

/**
 * tce_pins_get() - pin the pages for a MAP
 * @pins: on the stack
 * @pinned: the pins of a bound container; no lock is held
 * @ua: first byte
 * @size: bytes, at least 1
 * @write: whether the device will be allowed to write
 *
 * Undone by tce_pins_put(). Context: the owner of the memory. Sleeps for as long as the
 * client likes, but SIGKILL ends it early.
 *
 * Return: 0; -EFAULT; -ENOMEM, also if RLIMIT_MEMLOCK does not allow to pin as much;
 * -EINTR.
 */
int tce_pins_get(struct tce_pins *pins, struct tce_pinned *pinned,
		 unsigned long ua, unsigned long size, bool write)
{
	unsigned long n = PFN_UP(offset_in_page(ua) + size), done = 0;
	int rc;

	pins->pinned = pinned;
	pins->ua = ua & PAGE_MASK;
	pins->n = 0;
	pins->taken = 0;
	pins->pages = pins->few;
	if (n > TCE_PINS_INLINE)
		pins->pages = kvmalloc_array(n, sizeof(*pins->pages),
					     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pins->pages)
		return TCE_REFUSE(PINS_MEMORY, ENOMEM);

	rc = pinned_add(pinned, n);
	if (rc) {
		tce_pins_put(pins);
		return rc;
	}
	done = tce_pages_pin(pins->pages, pins->ua, n, write, &rc);
	if (TCE_PER_PAGE == 1)
		pins->n = done;
	else
		rc = pins_share(pins, done) ?: rc;
	if (rc) {
		atomic_long_sub(n - pins->n, &pinned->pages);
		tce_pins_put(pins);
	}
	return rc;
}

/**
 * tce_pins_put() - undo tce_pins_get(), except for what entries have taken
 * @pins: the pages
 */
void tce_pins_put(struct tce_pins *pins)
{
	for (; pins->taken < pins->n; pins->taken++) {
		tce_pin_put(pins->pinned,
			    tce_pin_cookie(pins->pages[pins->taken], false), 1);
		if (need_resched())
			cond_resched();
	}
	if (pins->pages != pins->few)
		kvfree(pins->pages);
}

/**
 * tce_pins_take() - give entries the pins of the pages that they will map
 * @pins: the pages, which have to be taken in their order
 * @ua: address of the first entry's memory
 * @n: entries
 * @hpas: array for @n addresses, which are returned here
 *
 * Undone by tce_pin_put(). Context: waits for nobody.
 */
void tce_pins_take(struct tce_pins *pins, unsigned long ua, unsigned long n,
		   unsigned long *hpas)
{
	unsigned long at = (ua - pins->ua) >> PAGE_SHIFT, hpa, some, more;
	unsigned long *end = hpas + n;

	for (; hpas < end; at++, ua = 0) {
		hpa = tce_page_hpa(pins->pages[at]) + offset_in_page(ua);
		some = (PAGE_SIZE - offset_in_page(ua)) / SZ_4K;
		some = min_t(unsigned long, some, end - hpas);
		/* the first entry gets the use that tce_pins_get() has counted */
		more = some - (at == pins->taken);
		pins->taken = at + 1;
		if (TCE_PER_PAGE > 1 && more)
			pin_use(pins->pinned, pins->pages[at], more, NULL);
		for (; some--; hpa += SZ_4K)
			*hpas++ = hpa;
	}
}
