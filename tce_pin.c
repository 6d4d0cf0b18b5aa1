// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: MAP of v1 pins what it maps, and UNMAP unpins it. What is pinned is charged.
 *
 * ENABLE charges as many pages as the window has. Where the CPU's page is larger than a
 * TCE's 4K, a client may pin one such page for each TCE. What is beyond the charge of
 * ENABLE is charged as it is pinned. It is refused if the client may not lock as much. A
 * MAP counts its pages before it knows which of them are pinned already. So a MAP of more
 * than one TCE into a full window may be charged for a moment, or refused.
 *
 * Locks:
 *   &tce_pinned.charging	see there; nobody but the container's own calls take it
 *   &tce_pinned.lock	inside all others; nothing is waited for while it is held
 *
 * Pages are pinned with none of our locks held, since a client may let a page fault take
 * as long as it likes.
 *
 * Never fails: to take pins for entries, and to put them.
 */
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_account.h"
#include "tce_page.h"
#include "tce_pin.h"
#include "tce_refusal.h"

/*
 * Buckets of a set: eight pages in each, for a window of 2 GiB that is full of 64K pages.
 * Who maps 4K of each page has more, and pays for it.
 */
#define TCE_SET_BITS	12

/**
 * struct tce_pin - a page in the set. It has one pin, and counts as one page pinned
 * @node: in &tce_pinned.set
 * @page: the page
 * @uses: TCEs that map it, and MAPs that are about to
 * @write: one of them has let the device write
 */
struct tce_pin {
	struct hlist_node node;
	struct page *page;
	unsigned long uses;
	bool write;
};

/**
 * tce_pinned_init() - nothing is pinned yet
 * @pinned: zeroed
 * @account: who will pay
 *
 * Undone by tce_pinned_destroy().
 */
void tce_pinned_init(struct tce_pinned *pinned, struct tce_account *account)
{
	pinned->account = account;
	mutex_init(&pinned->charging);
	spin_lock_init(&pinned->lock);
}

/**
 * tce_pinned_bind() - get ready for an owner's pins
 * @pinned: of the container, with &tce_pinned.charging held
 *
 * Once is enough. Undone by tce_pinned_destroy().
 *
 * Return: 0; -ENOMEM.
 */
int tce_pinned_bind(struct tce_pinned *pinned)
{
	if (TCE_PER_PAGE == 1 || pinned->set)
		return 0;
	pinned->set = kvcalloc(1UL << TCE_SET_BITS, sizeof(*pinned->set),
			       GFP_KERNEL_ACCOUNT);
	return pinned->set ? 0 : TCE_REFUSE(PIN_SET_MEMORY, ENOMEM);
}

/**
 * tce_pinned_destroy() - undo tce_pinned_init()
 * @pinned: nobody uses it any more
 *
 * What a bridge may still reach stays pinned.
 */
void tce_pinned_destroy(struct tce_pinned *pinned)
{
	unsigned long i;

	tce_account_keep(atomic_long_read(&pinned->pages));
	for (i = 0; pinned->set && i < 1UL << TCE_SET_BITS; i++) {
		struct hlist_node *next;
		struct tce_pin *pin;

		hlist_for_each_entry_safe(pin, next, &pinned->set[i], node)
			kfree(pin);
	}
	kvfree(pinned->set);
	mutex_destroy(&pinned->charging);
}

/**
 * tce_pinned_allow() - what ENABLE has charged, or DISABLE will give back
 * @pinned: of a bound container, with &tce_space.lock held for writing
 * @npages: CPU pages, charged, with &tce_pinned.charging held; or 0 to take it back
 */
void tce_pinned_allow(struct tce_pinned *pinned, unsigned long npages)
{
	WRITE_ONCE(pinned->window, npages);
	if (npages)
		WRITE_ONCE(pinned->charged, pinned->charged + npages);
}

/**
 * tce_pinned_trim() - uncharge what is not needed any more
 * @pinned: of a bound container
 *
 * A whole window stays charged while the container is enabled, and what is pinned in any
 * case. Context: as tce_account_charge(). On SIGKILL it is left to the end of the
 * container.
 */
void tce_pinned_trim(struct tce_pinned *pinned)
{
	unsigned long charged, keep;

	/* litmus/charge-trim.litmus: who trims and does not count us is seen */
	smp_mb();
	if (likely(!tce_pinned_excess(pinned)) ||
	    mutex_lock_killable(&pinned->charging))
		return;
	charged = pinned->charged;
	keep = max_t(unsigned long, READ_ONCE(pinned->window),
		     atomic_long_read(&pinned->pages));
	if (keep < charged) {
		WRITE_ONCE(pinned->charged, keep);
		/* litmus/charge.litmus: who is not counted yet sees what is left */
		smp_mb();
		keep = max_t(unsigned long, keep,
			     atomic_long_read(&pinned->pages));
		keep = min(keep, charged);
		WRITE_ONCE(pinned->charged, keep);
		tce_account_uncharge(pinned->account, charged - keep);
	}
	mutex_unlock(&pinned->charging);
}

/* More is to be pinned than was charged. Return: 0; -ENOMEM; -EINTR */
static noinline int pinned_charge(struct tce_pinned *pinned)
{
	unsigned long pages, charged;
	int rc;

	rc = mutex_lock_killable(&pinned->charging);
	if (rc)
		return rc;
	pages = atomic_long_read(&pinned->pages);
	charged = pinned->charged;
	if (pages > charged) {
		rc = tce_account_charge(pinned->account, pages - charged);
		if (!rc)
			WRITE_ONCE(pinned->charged, pages);
	}
	mutex_unlock(&pinned->charging);
	return rc;
}

/* The page's place in the set, or NULL. */
static struct tce_pin *pin_find(struct tce_pinned *pinned,
				const struct page *page)
{
	struct tce_pin *pin;

	lockdep_assert_held(&pinned->lock);
	hlist_for_each_entry(pin, &pinned->set[hash_ptr(page, TCE_SET_BITS)],
			     node)
		if (pin->page == page)
			return pin;
	return NULL;
}

/*
 * A page was pinned and counted in &tce_pinned.pages. Where TCEs share pages, it gets
 * into the set with one use, or, if it is there already, its second pin goes.
 *
 * Return: 0; -ENOMEM, with nothing undone.
 */
static __always_inline int pin_share(struct tce_pinned *pinned,
				     struct page *page)
{
	struct tce_pin *pin, *new;

	if (TCE_PER_PAGE == 1)
		return 0;
	new = kmalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return TCE_REFUSE(PIN_SET_MEMORY, ENOMEM);
	new->page = page;
	new->uses = 1;
	new->write = false;
	spin_lock(&pinned->lock);
	pin = pin_find(pinned, page);
	if (pin)
		pin->uses++;
	else
		hlist_add_head(&new->node,
			       &pinned->set[hash_ptr(page, TCE_SET_BITS)]);
	spin_unlock(&pinned->lock);
	if (pin) {
		kfree(new);
		unpin_user_page(page);
		atomic_long_dec(&pinned->pages);
	}
	return 0;
}

/* @n entries more map a page, of which a MAP has one use */
static void pin_use(struct tce_pinned *pinned, struct page *page,
		    unsigned long n)
{
	struct tce_pin *pin;

	spin_lock(&pinned->lock);
	pin = pin_find(pinned, page);
	if (pin)
		pin->uses += n;
	spin_unlock(&pinned->lock);
}

/* Undo @n uses of a page. Return: whether it was in use last; @write then says how */
static bool pin_unuse(struct tce_pinned *pinned, struct page *page,
		      unsigned long n, bool *write)
{
	struct tce_pin *pin;
	bool last = false;

	spin_lock(&pinned->lock);
	pin = pin_find(pinned, page);
	if (pin) {
		pin->write |= *write;
		*write = pin->write;
		pin->uses -= n;
		last = !pin->uses;
		if (last)
			hlist_del(&pin->node);
	}
	spin_unlock(&pinned->lock);
	if (last)
		kfree(pin);
	return last;
}

/**
 * tce_pin_put() - undo tce_pins_take()
 * @pinned: of the container
 * @page: the page
 * @n: where pages have 4K: pages, from @page on, which need not be of one folio. Where
 *	they are larger: entries that map @page
 * @write: the device may have written
 *
 * The entries have been killed, or were never written. Context: sleeps.
 */
void tce_pin_put(struct tce_pinned *pinned, struct page *page, unsigned long n,
		 bool write)
{
	if (TCE_PER_PAGE > 1) {
		if (!pin_unuse(pinned, page, n, &write))
			return;
		n = 1;
	}
	if (n > 1) {
		unpin_user_page_range_dirty_lock(page, n, write);
	} else {
		if (write && !PageDirty(page))
			set_page_dirty_lock(page);
		unpin_user_page(page);
	}
	atomic_long_sub(n, &pinned->pages);
}

/* The cells from this one on that have the next pages of its folio */
static noinline unsigned long put_folio_cells(__be64 *cells, unsigned long n,
					      u64 cookie, struct page *page)
{
	struct folio *folio = page_folio(page);
	unsigned long i = 1;

	n = min_t(unsigned long, n,
		  folio_nr_pages(folio) - folio_page_idx(folio, page));
	while (i < n &&
	       tce_cookie_read(&cells[i]) == cookie + i * sizeof(*page))
		i++;
	memset(cells, 0, i * sizeof(*cells));
	unpin_user_page_range_dirty_lock(page, i, false);
	return i;
}

/* Is it still to be marked as written to? That sleeps. */
static __always_inline bool must_dirty(u64 cookie, struct folio *folio)
{
	return cookie & TCE_WRITE && !folio_test_dirty(folio);
}

/**
 * tce_pin_put_cells() - tce_pin_put() by the cookies of entries in a row
 * @pinned: of the container
 * @cells: the cookies, none of them 0, of entries that have been killed; they are set to 0
 * @n: how many
 *
 * Context: atomic.
 *
 * Return: how many cells were dealt with; 0 where pages are larger than 4K, which TCEs
 * share. The next cell is for tce_pin_put() if its page is to be marked dirty, which
 * sleeps. Or its cookie is not ours.
 */
unsigned long tce_pin_put_cells(struct tce_pinned *pinned, __be64 *cells,
				unsigned long n)
{
	__be64 *cell = cells, *end = cells + n;

	while (TCE_PER_PAGE == 1 && cell < end) {
		u64 cookie = tce_cookie_read(cell);
		struct page *page = tce_pin_page(cookie);

		if (!(cookie & TCE_COOKIE_OURS))
			break;
		/* large folios by the run, but for their first pages */
		if (unlikely(PageTail(page))) {
			if (must_dirty(cookie, page_folio(page)))
				break;
			cell += put_folio_cells(cell, end - cell, cookie, page);
			continue;
		}
		/* no tail, so that it is the folio, and need not be asked */
		if (must_dirty(cookie, (struct folio *)page))
			break;
		*cell++ = 0;
		unpin_user_folio((struct folio *)page, 1);
	}
	if (cell > cells)
		atomic_long_sub(cell - cells, &pinned->pages);
	return cell - cells;
}

/* Pin some pages, whose number is counted already. Return: 0; -ENOMEM; -EFAULT; -EINTR */
static int pin_pages(struct tce_pins *pins, unsigned long n, bool write)
{
	int rc;

	n = tce_pages_pin(pins->pages, pins->ua, n, write, &rc);
	if (TCE_PER_PAGE == 1) {
		pins->n = n;
		return rc;
	}
	for (; pins->n < n; pins->n++) {
		if (pin_share(pins->pinned, pins->pages[pins->n])) {
			tce_pages_unpin(pins->pages + pins->n, n - pins->n);
			return TCE_REFUSE(PIN_SET_MEMORY, ENOMEM);
		}
	}
	return rc;
}

/**
 * tce_pins_get() - pin the pages for a MAP
 * @pins: on the stack
 * @pinned: of a bound container, with no lock held
 * @ua: first byte
 * @size: bytes, at least 1
 * @write: the device will be allowed to write
 *
 * Undone by tce_pins_put(). Context: the owner of the memory; sleeps for as long as he
 * likes, ends early on SIGKILL.
 *
 * Return: 0; -EFAULT; -ENOMEM, also if more would be pinned than RLIMIT_MEMLOCK allows;
 * -EINTR.
 */
int tce_pins_get(struct tce_pins *pins, struct tce_pinned *pinned,
		 unsigned long ua, unsigned long size, bool write)
{
	unsigned long n = PFN_UP(offset_in_page(ua) + size);
	int rc = 0;

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

	if (atomic_long_add_return(n, &pinned->pages) >
	    READ_ONCE(pinned->charged))
		rc = pinned_charge(pinned);
	if (!rc)
		rc = pin_pages(pins, n, write);
	if (!rc)
		return 0;
	atomic_long_sub(n - pins->n, &pinned->pages);
	tce_pins_put(pins);
	return rc;
}

/**
 * tce_pins_put() - undo tce_pins_get(), but for what entries have by now
 * @pins: the pages
 */
void tce_pins_put(struct tce_pins *pins)
{
	unsigned long i;

	for (i = pins->taken; i < pins->n; i++) {
		tce_pin_put(pins->pinned, pins->pages[i], 1, false);
		if (need_resched())
			cond_resched();
	}
	if (pins->pages != pins->few)
		kvfree(pins->pages);
}

/**
 * tce_pins_take() - entries get the pins of the pages behind them
 * @pins: the pages; of 4K, each is taken once, and in their order
 * @ua: where the first entry's memory is
 * @n: entries
 * @hpas: room for @n addresses, which are returned here
 *
 * Undone by tce_pin_put(). Context: waits for nobody.
 */
void tce_pins_take(struct tce_pins *pins, unsigned long ua, unsigned long n,
		   unsigned long *hpas)
{
	struct page **page = pins->pages + ((ua - pins->ua) >> PAGE_SHIFT);
	unsigned long *end = hpas + n, hpa, some;

	if (TCE_PER_PAGE == 1) {
		pins->taken += n;
		while (hpas < end)
			*hpas++ = tce_page_hpa(*page++);
		return;
	}
	for (; hpas < end; page++, ua = 0) {
		hpa = tce_page_hpa(*page) + offset_in_page(ua);
		some = (PAGE_SIZE - offset_in_page(ua)) / SZ_4K;
		some = min_t(unsigned long, some, end - hpas);
		pin_use(pins->pinned, *page, some);
		for (; some--; hpa += SZ_4K)
			*hpas++ = hpa;
	}
}
