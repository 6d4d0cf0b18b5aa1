// SPDX-License-Identifier: GPL-2.0-only
/*
 * v1: MAP pins the memory that it maps, and UNMAP unpins it.
 *
 * With 4K pages each TCE has its own pin, so that a window can't pin more than ENABLE has charged.
 * Larger pages are pinned once, with a hashed set that counts their TCEs, because a client that
 * maps 4K of each would otherwise pin far more memory than it maps. Pages beyond the charge of
 * ENABLE are charged when they are pinned, and stay charged until DISABLE. A MAP counts its pages
 * before it knows which are pinned already and which it replaces, so in a nearly full window it can
 * be charged for more than it adds.
 *
 * Locks: &tce_v1.lock. Memory is pinned and charged with none of the module's locks held, because a
 * client's page fault can take forever.
 *
 * Never fails: giving pins to entries, and releasing them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_trace.h"
#include "tce_v1.h"

/**
 * struct tce_v1_page - a pinned page that is larger than a TCE
 * @node: in &tce_v1.set
 * @page: the page, which has one pin and counts as one page in &tce_v1.pages
 * @uses: TCEs that map it, and MAPs in progress that may
 */
struct tce_v1_page {
	struct hlist_node node;
	struct page *page;
	long uses;
};

/* Undone by tce_v1_free(). Return: NULL if out of memory */
struct tce_v1 *tce_v1_create(void)
{
	struct tce_v1 *v1 = kvzalloc(sizeof(*v1), GFP_KERNEL);

	if (v1)
		spin_lock_init(&v1->lock);
	return v1;
}

/* Pages of entries that could not be cleared stay pinned for good. */
void tce_v1_free(struct tce_v1 *v1)
{
	unsigned long pages = atomic_long_read(&v1->pages);
	struct tce_v1_page *shared;
	struct hlist_node *next;
	unsigned int i;

	if (pages) {
		atomic_long_add(pages, &tce_leaked_pages);
		pr_warn_ratelimited("%lu pages of entries that could not be cleared stay pinned for good\n",
				    pages);
	}
	for (i = 0; i < ARRAY_SIZE(v1->set); i++)
		hlist_for_each_entry_safe(shared, next, &v1->set[i], node)
			kfree(shared);
	kvfree(v1);
}

/* Undone by tce_v1_disallow(). */
void tce_v1_allow(struct tce_v1 *v1, unsigned long npages)
{
	spin_lock(&v1->lock);
	v1->charged += npages;
	spin_unlock(&v1->lock);
}

/* While nothing is mapped, uncharge all pages but those that a MAP in flight has pinned. */
void tce_v1_disallow(struct tce_memory *mem)
{
	struct tce_v1 *v1 = mem->v1;
	long excess;

	spin_lock(&v1->lock);
	excess = v1->charged - atomic_long_read(&v1->pages);
	if (excess > 0) {
		v1->charged -= excess;
		tce_uncharge_later(mem, excess);
	}
	spin_unlock(&v1->lock);
}

static int count_pages(struct tce_memory *mem, long n)
{
	struct tce_v1 *v1 = mem->v1;
	long more;
	int rc;

	spin_lock(&v1->lock);
	more = atomic_long_add_return_relaxed(n, &v1->pages) - v1->charged;
	spin_unlock(&v1->lock);
	if (more <= 0)
		return 0;
	/* concurrent MAPs charge the rest */
	more = min(more, n);
	rc = tce_charge(mem->tmm->mm, more);
	if (rc)
		atomic_long_sub(n, &v1->pages);
	else
		tce_v1_allow(v1, more);
	return rc;
}

/*
 * Add @n uses of a page, or remove -@n. Return: an element to be freed: @new unless it was added to
 * the set, or the one whose last use this was
 */
static struct tce_v1_page *page_use(struct tce_v1 *v1, struct page *page, long n,
				    struct tce_v1_page *new)
{
	struct hlist_head *bucket = &v1->set[hash_ptr(page, TCE_V1_SET_BITS)];
	struct tce_v1_page *found;

	spin_lock(&v1->lock);
	hlist_for_each_entry(found, bucket, node)
		if (found->page == page)
			break;
	if (!found) {
		found = new;
		new = NULL;
		found->page = page;
		found->uses = 0;
		hlist_add_head(&found->node, bucket);
	}
	found->uses += n;
	if (!found->uses) {
		hlist_del(&found->node);
		new = found;
	}
	spin_unlock(&v1->lock);
	return new;
}

static void unpin(struct tce_v1 *v1, struct page *page)
{
	unpin_user_page(page);
	atomic_long_dec(&v1->pages);
}

/*
 * Undo tce_v1_take() for @n entries that mapped the same page, and were invalidated or never
 * written. @val tells the page, and whether the device may have written to it; see tce_v1_val().
 * Sleeps.
 */
void tce_v1_release(struct tce_v1 *v1, u64 val, unsigned long n)
{
	struct page *page = pfn_to_page(PHYS_PFN(val & ~TCE_V1_WRITE));
	struct tce_v1_page *shared;

	if (val & TCE_V1_WRITE && !PageDirty(page))
		set_page_dirty_lock(page);
	if (TCE_PER_PAGE > 1) {
		shared = page_use(v1, page, -n, NULL);
		if (!shared)
			return;
		kfree(shared);
		n = 1;
	}
	while (n--)
		unpin(v1, page);
}

/* On failure, pages that are not in the set are unpinned. */
static int share_pages(struct tce_v1_batch *batch, unsigned long n)
{
	struct tce_v1 *v1 = batch->mem->v1;
	struct tce_v1_page *shared;
	struct page *page;

	for (; batch->n < n; batch->n++) {
		page = batch->pages[batch->n];
		shared = kmalloc(sizeof(*shared), GFP_KERNEL_ACCOUNT);
		if (!shared) {
			tce_unpin_pages(batch->pages + batch->n, n - batch->n);
			return TCE_REFUSE(-ENOMEM);
		}
		shared = page_use(v1, page, 1, shared);
		if (shared) {
			unpin(v1, page);
			kfree(shared);
		}
	}
	return 0;
}

/*
 * Pin the pages for a MAP of at least one byte, to which the device may @write. Undone by
 * tce_v1_unpin(). Context: as tce_pin_pages(), no lock held. Return: 0; -EFAULT; -ENOMEM, also for
 * lack of RLIMIT_MEMLOCK; -EINTR
 */
int tce_v1_pin(struct tce_v1_batch *batch, struct tce_memory *mem,
	       unsigned long ua, unsigned long size, bool write)
{
	unsigned long n = PFN_UP(offset_in_page(ua) + size), done = 0;
	int rc;

	batch->mem = mem;
	batch->ua = ua & PAGE_MASK;
	batch->end = ua + size;
	batch->n = 0;
	batch->taken = 0;
	batch->pages = batch->few;
	if (n > TCE_V1_INLINE)
		batch->pages = kvmalloc_array(n, sizeof(*batch->pages),
					      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!batch->pages)
		return TCE_REFUSE(-ENOMEM);

	rc = count_pages(mem, n);
	if (rc) {
		tce_v1_unpin(batch);
		return rc;
	}
	done = tce_pin_pages(batch->pages, batch->ua, n, write, &rc);
	if (TCE_PER_PAGE == 1)
		batch->n = done;
	else
		rc = share_pages(batch, done) ?: rc;
	if (rc) {
		atomic_long_sub(n - batch->n, &mem->v1->pages);
		tce_v1_unpin(batch);
	}
	return rc;
}

/* Undo tce_v1_pin(), except for pins that entries have taken. */
void tce_v1_unpin(struct tce_v1_batch *batch)
{
	for (; batch->taken < batch->n; batch->taken++) {
		tce_v1_release(batch->mem->v1, tce_page_hpa(batch->pages[batch->taken]), 1);
		if (need_resched())
			cond_resched();
	}
	if (batch->pages != batch->few)
		kvfree(batch->pages);
}

/*
 * Return: how many bytes are contiguous from @ua on, of @max that are all in @batch. @hpa returns
 * the address of the first one.
 */
unsigned long tce_v1_extent(const struct tce_v1_batch *batch, unsigned long ua,
			    unsigned long max, unsigned long *hpa)
{
	unsigned long at = (ua - batch->ua) >> PAGE_SHIFT;
	unsigned long size = PAGE_SIZE - offset_in_page(ua);

	*hpa = tce_page_hpa(batch->pages[at]) + offset_in_page(ua);
	while (size < max && tce_page_hpa(batch->pages[++at]) == *hpa + size)
		size += PAGE_SIZE;
	return min(size, max);
}

static struct page *page_at(const struct tce_v1_batch *batch, unsigned long ua)
{
	return batch->pages[(ua - batch->ua) >> PAGE_SHIFT];
}

/* How many entries from @ua on, before @end, map the same page. @last: the last that MAP writes */
static unsigned long same_page(const struct tce_v1_batch *batch, unsigned long ua,
			       unsigned long end, bool *last)
{
	unsigned long next = min(end, (ua | ~PAGE_MASK) + 1);

	*last = PAGE_ALIGNED(next) || next == batch->end;
	return (next - ua) / SZ_4K;
}

/*
 * Give the next @n entries, whose memory begins at @ua, the pins of the pages that they will map.
 * The batch keeps its use of a larger page for the last entry, because another thread may unmap the
 * page's entries before the next chunk of MAP maps the rest. Does not sleep. Undone by
 * tce_v1_release() or tce_v1_untake().
 */
void tce_v1_take(struct tce_v1_batch *batch, unsigned long ua, unsigned long n)
{
	unsigned long end = ua + n * SZ_4K, more;
	bool last;

	if (TCE_PER_PAGE == 1) {
		batch->taken += n;
		return;
	}
	for (; ua < end; ua += n * SZ_4K) {
		n = same_page(batch, ua, end, &last);
		more = n - last;
		batch->taken += last;
		if (more)
			page_use(batch->mem->v1, page_at(batch, ua), more, NULL);
	}
}

/* Take back the last @n pins, for entries that were not written. */
void tce_v1_untake(struct tce_v1_batch *batch, unsigned long ua, unsigned long n)
{
	unsigned long end = ua + n * SZ_4K;
	long less;
	bool last;

	if (TCE_PER_PAGE == 1) {
		batch->taken -= n;
		return;
	}
	for (; ua < end; ua += n * SZ_4K) {
		n = same_page(batch, ua, end, &last);
		less = n - last;
		batch->taken -= last;
		if (less)
			page_use(batch->mem->v1, page_at(batch, ua), -less, NULL);
	}
}
