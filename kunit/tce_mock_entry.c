// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of entries, both live and stale.
 *
 * An entry is "live" while it has a direction. When a live entry is changed,
 * what it reached is kept in its table's list of stale entries until a kill
 * covers it, because until then a bridge may still use the old translation;
 * an entry that was only filled is in that list as well, so that a missing
 * kill is noticed. If the table has a flush(), a kill has no effect before that, nor
 * has a run. Pages that live or stale entries of a table in some bridge
 * reach are counted in &tce_mock_page.refs.
 *
 * Entries are in a plain hash, and are reused, as pages are (see tce_mock_page.c).
 */
#include <linux/hash.h>
#include <linux/slab.h>

#include "tce_mock_table.h"

/* Pages that an entry of this table covers */
static unsigned long tce_pages(const struct tce_mock_table *mt)
{
	unsigned long shift = mt->tbl->it_page_shift;

	return shift > PAGE_SHIFT ? 1UL << (shift - PAGE_SHIFT) : 1;
}

/* One table in a bridge more (@n is 1) or less (-1) reaches what the entry does. */
void mock_entry_ref(struct tce_mock_table *mt, const struct tce_mock_tce *tce,
		    int n)
{
	unsigned long i, pfn = tce->hpa >> PAGE_SHIFT;

	if (tce->dir == DMA_NONE || !mt->bridges)
		return;
	for (i = 0; i < tce_pages(mt); i++)
		mock_page_count(mt->mock, pfn + i, 0, n);
}

/* An entry that is in no table yet. */
struct tce_mock_tce *mock_entry_new(struct tce_mock *mock, unsigned long hpa,
				    enum dma_data_direction dir)
{
	struct tce_mock_tce *tce;

	tce = list_first_entry_or_null(&mock->spare, struct tce_mock_tce, list);
	if (tce)
		list_del(&tce->list);
	else
		tce = kmalloc(sizeof(*tce), GFP_ATOMIC);
	if (!tce) {
		tce_mock_violation(mock, "the mock is out of memory");
		return NULL;
	}
	tce->hpa = hpa;
	tce->dir = dir;
	return tce;
}

/* An entry that is in no table any more. */
void mock_entry_put(struct tce_mock *mock, struct tce_mock_tce *tce)
{
	list_add(&tce->list, &mock->spare);
}

/* A stale entry was killed: nothing reaches its page any more. */
void mock_entry_drop(struct tce_mock_table *mt, struct tce_mock_tce *tce)
{
	mock_entry_ref(mt, tce, -1);
	list_del(&tce->list);
	mock_entry_put(mt->mock, tce);
}

/* What an entry reaches is pinned. */
void mock_check_held(struct tce_mock_table *mt, unsigned long entry,
		     unsigned long hpa)
{
	unsigned long i, pfn = hpa >> PAGE_SHIFT;

	if (hpa & ((1UL << mt->tbl->it_page_shift) - 1))
		tce_mock_violation(mt->mock, "entry %lx gets hpa %lx, which is no whole page",
				   entry, hpa);
	for (i = 0; i < tce_pages(mt); i++) {
		struct tce_mock_page *page = mock_page_find(mt->mock, pfn + i);

		if ((!page || !page->pins) && !mt->mock->kept) {
			tce_mock_violation(mt->mock, "entry %lx reaches page %lx, not pinned",
					   entry, pfn + i);
			return;
		}
	}
}

static struct hlist_head *bucket(struct tce_mock_table *mt, unsigned long entry)
{
	return &mt->buckets[hash_long(entry, TCE_TABLE_BITS)];
}

/* The live entry of that number. */
struct tce_mock_tce *mock_entry_find(struct tce_mock_table *mt,
				     unsigned long entry)
{
	struct tce_mock_tce *tce;

	hlist_for_each_entry(tce, bucket(mt, entry), node)
		if (tce->entry == entry)
			return tce;
	return NULL;
}

/* All of the table's stale entries were killed, and all is flushed. */
void mock_drop_stale(struct tce_mock_table *mt)
{
	struct tce_mock_tce *tce, *next;

	list_for_each_entry_safe(tce, next, &mt->stale, list)
		mock_entry_drop(mt, tce);
	list_for_each_entry_safe(tce, next, &mt->killed, list)
		mock_entry_drop(mt, tce);
	mt->unflushed = false;
}

/* Put @new, or nothing, into an entry; what was there is returned. */
struct tce_mock_tce *mock_entry_swap(struct tce_mock_table *mt,
				     unsigned long entry,
				     struct tce_mock_tce *new)
{
	struct tce_mock_tce *old = mock_entry_find(mt, entry);

	mt->mock->writes++;
	mock_check_asked(mt, entry, 1, "write");
	if (old) {
		hlist_del(&old->node);
		list_del(&old->list);
	}
	if (!new)
		return old;
	mock_check_held(mt, entry, new->hpa);
	new->entry = entry;
	list_add(&new->list, &mt->live);
	hlist_add_head(&new->node, bucket(mt, entry));
	mock_entry_ref(mt, new, 1);
	return old;
}

/* The old content of an entry, which a bridge may go on to use. */
void mock_entry_stale(struct tce_mock_table *mt, unsigned long entry,
		      struct tce_mock_tce *old)
{
	if (!old)
		return;
	old->entry = entry;
	list_add(&old->list, &mt->stale);
	if (mt->mock->hcalls)
		mock_entry_drop(mt, old);
}
