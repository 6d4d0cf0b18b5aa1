// SPDX-License-Identifier: GPL-2.0-only
/*
 * The platform that watches, see tce_mock.h.
 *
 * Locks: &tce_mock.lock guards everything and is taken last.
 */
#include <linux/hash.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "tce_mock_table.h"

/* What an UNMAP may invalidate more than once is longer than that */
#define MOCK_KILL_PIECE	512

static struct tce_mock *mock_now;

/**
 * tce_mock_violation() - note that something does not hold
 * @mock: the platform
 * @fmt: what, as for printk()
 *
 * Context: any.
 */
void tce_mock_violation(struct tce_mock *mock, const char *fmt, ...)
{
	va_list args;

	if (mock->nr_violations < TCE_VIOLATIONS_KEPT) {
		va_start(args, fmt);
		vsnprintf(mock->violations[mock->nr_violations],
			  TCE_VIOLATION_LEN, fmt, args);
		va_end(args);
	}
	mock->nr_violations++;
}

/* What the call that is under way was not asked to do, it must not do. */
void mock_check_asked(struct tce_mock_table *mt, unsigned long entry,
		      unsigned long n, const char *what)
{
	const struct tce_mock *mock = mt->mock;
	unsigned int shift = mt->tbl->it_page_shift;
	u64 last = ((u64)(entry + n) << shift) - 1;

	if (mock->calling && ((u64)entry << shift < mock->call_first ||
			      last > mock->call_last))
		tce_mock_violation(mt->mock, "%s of %lx+%lx, which nobody asked for",
				   what, entry, n);
}

/**
 * tce_mock_call() - a MAP or UNMAP begins
 * @mock: the platform
 * @ioba: first IOBA that it is about
 * @size: bytes
 *
 * From now on entries of others must not be touched. Not for calls that run
 * beside others. Undone by tce_mock_called().
 */
void tce_mock_call(struct tce_mock *mock, u64 ioba, u64 size)
{
	spin_lock(&mock->lock);
	mock->call_first = ioba;
	mock->call_last = ioba + size - 1;
	/* nothing, or more than there can be */
	if (!size || mock->call_last < ioba) {
		mock->call_first = ~0ULL;
		mock->call_last = 0;
	}
	mock->call_kills = mock->kills;
	mock->calling = true;
	spin_unlock(&mock->lock);
}

/**
 * tce_mock_called() - undo tce_mock_call()
 * @mock: the platform
 * @map: it was a MAP
 * @entries: if it succeeded, how many it was about; else 0
 *
 * Without faults a MAP of some entries kills once at most, and an UNMAP once
 * for each piece of the range: what is in between may be large.
 */
void tce_mock_called(struct tce_mock *mock, bool map, u64 entries)
{
	unsigned long kills, most = 1;

	spin_lock(&mock->lock);
	mock->calling = false;
	kills = mock->kills - mock->call_kills;
	if (entries > MOCK_KILL_PIECE)
		most = map ? 1 + entries / SZ_64K : 1 + entries / MOCK_KILL_PIECE;
	if (entries && !mock->fault && kills > most)
		tce_mock_violation(mock, "%lu kills for %llu entries", kills,
				   entries);
	spin_unlock(&mock->lock);
}

/**
 * tce_mock_live() - entries that reach something, in all tables
 * @mock: the platform
 *
 * Return: their number.
 */
unsigned long tce_mock_live(struct tce_mock *mock)
{
	struct tce_mock_table *mt;
	struct tce_mock_tce *tce;
	unsigned long n = 0;

	spin_lock(&mock->lock);
	list_for_each_entry(mt, &mock->tables, list)
		list_for_each_entry(tce, &mt->live, list)
			n++;
	spin_unlock(&mock->lock);
	return n;
}

/**
 * tce_mock_stale() - entries that were changed and not killed, or not flushed
 * @mock: the platform
 *
 * Return: their number.
 */
unsigned long tce_mock_stale(struct tce_mock *mock)
{
	struct tce_mock_table *mt;
	unsigned long n = 0;

	spin_lock(&mock->lock);
	list_for_each_entry(mt, &mock->tables, list)
		n += list_count_nodes(&mt->stale) + mt->unflushed;
	spin_unlock(&mock->lock);
	return n;
}

/**
 * tce_mock_tables() - tables that exist
 * @mock: the platform
 *
 * Return: their number.
 */
unsigned int tce_mock_tables(struct tce_mock *mock)
{
	unsigned int n;

	spin_lock(&mock->lock);
	n = list_count_nodes(&mock->tables);
	spin_unlock(&mock->lock);
	return n;
}

/**
 * tce_mock_snapshot() - what the devices can reach now
 * @mock: the platform
 * @snap: it is returned here; the same if and only if nothing has changed
 */
void tce_mock_snapshot(struct tce_mock *mock, struct tce_snapshot *snap)
{
	struct tce_mock_group *grp;
	struct tce_mock_table *mt;
	struct tce_mock_tce *tce;
	int i;

	memset(snap, 0, sizeof(*snap));
	list_for_each_entry(mt, &mock->tables, list) {
		snap->tables++;
		list_for_each_entry(tce, &mt->live, list) {
			u64 cell = tce_mock_cell(mt->tbl, tce->entry);

			snap->n++;
			snap->sum += hash_64(hash_64(tce->entry, 64) +
					     tce->hpa + tce->dir, 64) ^
				     hash_64(cell, 64);
		}
	}
	list_for_each_entry(grp, &mock->groups, list)
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
			snap->sum += hash_64((u64)grp->hw[i] + i, 64);
}

/**
 * tce_mock_current() - the platform of the test that runs
 *
 * Return: the platform, NULL if there is none.
 */
struct tce_mock *tce_mock_current(void)
{
	return mock_now;
}

/**
 * tce_mock_create() - switch a platform on
 *
 * There is only one at a time. Undone by tce_mock_destroy().
 *
 * Return: the platform; NULL if there is no memory.
 */
struct tce_mock *tce_mock_create(void)
{
	struct tce_mock *mock = kzalloc(sizeof(*mock), GFP_KERNEL);

	if (!mock)
		return NULL;
	spin_lock_init(&mock->lock);
	INIT_LIST_HEAD(&mock->tables);
	INIT_LIST_HEAD(&mock->groups);
	INIT_LIST_HEAD(&mock->listed);
	INIT_LIST_HEAD(&mock->spare);
	mock_now = mock;
	return mock;
}

/**
 * tce_mock_destroy() - switch it off
 * @mock: the platform, in no use
 */
void tce_mock_destroy(struct tce_mock *mock)
{
	struct tce_mock_tce *tce, *tmp;
	struct tce_mock_page *page;
	struct hlist_node *at;
	int i;

	tce_mock_forget_bridges(mock);
	list_for_each_entry_safe(tce, tmp, &mock->spare, list)
		kfree(tce);
	for (i = 0; i < ARRAY_SIZE(mock->pages); i++)
		hlist_for_each_entry_safe(page, at, &mock->pages[i], node)
			kfree(page);
	hlist_for_each_entry_safe(page, at, &mock->spare_pages, node)
		kfree(page);
	tce_mock_forget_groups(mock);
	mock_now = NULL;
	kfree(mock);
}
