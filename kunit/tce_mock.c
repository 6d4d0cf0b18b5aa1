// SPDX-License-Identifier: GPL-2.0-only
/*
 * The platform that watches, see tce_mock.h.
 *
 * An entry is "live" while it has a direction. When a live entry is changed,
 * what it reached is kept in its table's list of stale entries until a kill
 * covers it, because until then a bridge may still use the old translation;
 * an entry that was only filled is in that list as well, so that a missing
 * kill is noticed. Where the table has a flush(), runs that are set or cleared
 * are not done before it. Pages that live or stale entries of a table in some bridge
 * reach are counted in &tce_mock_page.refs.
 *
 * Locks: &tce_mock.lock guards everything and is taken last. Memory is
 * allocated with faults switched off, since only the driver's are to fail.
 *
 * Entries and pages come and go by the thousand, and each is looked up several
 * times. A kernel that checks locks, RCU and the allocator would spend most of
 * its time on that: so they are in plain hashes, and are used again.
 */
#include <linux/hash.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <asm/tce.h>

#include "tce_mock.h"
#include "tce_wrap.h"

#define TABLE_BITS	9

/**
 * struct tce_mock_table - what is behind a table
 * @list: in &tce_mock.tables
 * @mock: the platform
 * @tbl: the table
 * @bridges: how many bridges it is in
 * @kvm: KVM has a reference
 * @live: live entries (struct tce_mock_tce)
 * @buckets: hash of the same, by their number
 * @leaves: for which it_level_size entries a table of several levels has memory
 * @root: cells, or the top level of a tree of them; see mock_useraddrptr()
 * @stale: changed and not yet killed (struct tce_mock_tce)
 * @cleared: cleared as a run, which kills, and not yet flushed
 * @unflushed: the driver has set, cleared or killed entries since the last
 *	flush, where there is something to flush
 */
struct tce_mock_table {
	struct list_head list;
	struct tce_mock *mock;
	struct iommu_table *tbl;
	unsigned int bridges;
	bool kvm;
	struct list_head live;
	struct hlist_head buckets[BIT(TABLE_BITS)];
	struct xarray leaves;
	__be64 *root;
	struct list_head stale;
	struct list_head cleared;
	bool unflushed;
};

/**
 * struct tce_mock_tce - a live or stale entry
 * @list: in one of the lists of &struct tce_mock_table, or in &tce_mock.spare
 * @node: in &tce_mock_table.buckets, if live
 * @entry: its number
 * @hpa: what it reaches
 * @dir: how; DMA_NONE for one that was empty before
 */
struct tce_mock_tce {
	struct list_head list;
	struct hlist_node node;
	unsigned long entry;
	unsigned long hpa;
	enum dma_data_direction dir;
};

/**
 * struct tce_mock_page - a page that is pinned or reached
 * @node: in &tce_mock.pages, or in &tce_mock.spare_pages
 * @pfn: its number
 * @pins: pins that the driver owns
 * @refs: entries in bridges that reach it or may
 */
struct tce_mock_page {
	struct hlist_node node;
	unsigned long pfn;
	long pins;
	long refs;
};

/* More cells than this in one piece are more than a real platform has */
#define MOCK_MAX_CELLS	SZ_2M

/* What an UNMAP may invalidate more than once is longer than that */
#define MOCK_KILL_PIECE	512

static struct tce_mock *mock_now;

/**
 * tce_quiet_begin() - switch allocation faults of this thread off
 *
 * Return: what tce_quiet_end() wants to have back.
 */
unsigned int tce_quiet_begin(void)
{
	unsigned int nth = 0;

#ifdef CONFIG_FAULT_INJECTION
	nth = current->fail_nth;
	current->fail_nth = 0;
#endif
	return nth;
}

/**
 * tce_quiet_end() - undo tce_quiet_begin()
 * @nth: what it returned
 */
void tce_quiet_end(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = nth;
#endif
}

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

/**
 * tce_fault_arm() - make one call fail
 * @mock: the platform
 * @fault: a call of what
 * @nth: which one from now on, the next is 1
 * @rc: its result; for TCE_FAULT_ALLOC it has no meaning
 *
 * Context: the thread that will do the calls. Undone by tce_fault_disarm().
 */
void tce_fault_arm(struct tce_mock *mock, enum tce_fault fault,
		   unsigned int nth, int rc)
{
	mock->fault_left = nth;
	mock->fault_rc = rc;
	mock->fault_sticky = false;
	mock->fault_hits = 0;
	mock->fault = fault;
	if (fault == TCE_FAULT_ALLOC)
		tce_quiet_end(nth);
}

/**
 * tce_fault_arm_from() - make a call fail, and all that follow
 * @mock: the platform
 * @fault: calls of what
 * @nth: the first that fails, the next is 1
 * @rc: their result
 *
 * Undone by tce_fault_disarm().
 */
void tce_fault_arm_from(struct tce_mock *mock, enum tce_fault fault,
			unsigned int nth, int rc)
{
	tce_fault_arm(mock, fault, nth, rc);
	mock->fault_sticky = true;
}

/**
 * tce_fault_arm_sticky() - make all calls fail
 * @mock: the platform
 * @fault: calls of what
 * @rc: their result
 *
 * Undone by tce_fault_disarm().
 */
void tce_fault_arm_sticky(struct tce_mock *mock, enum tce_fault fault, int rc)
{
	tce_fault_arm_from(mock, fault, 1, rc);
}

/**
 * tce_fault_disarm() - let calls succeed again
 * @mock: the platform
 *
 * Return: how many calls were made to fail.
 */
unsigned int tce_fault_disarm(struct tce_mock *mock)
{
	unsigned int left = tce_quiet_begin();

	if (mock->fault == TCE_FAULT_ALLOC && mock->fault_left && !left)
		mock->fault_hits = 1;
	mock->fault = TCE_FAULT_NONE;
	mock->fault_left = 0;
	return mock->fault_hits;
}

/**
 * tce_fault_hit() - is this call to fail?
 * @mock: the platform
 * @fault: what is being called
 * @rc: its result is returned here if so
 *
 * Caller holds &tce_mock.lock.
 *
 * Return: true if it is.
 */
bool tce_fault_hit(struct tce_mock *mock, enum tce_fault fault, int *rc)
{
	mock->asked[fault]++;
	if (mock->fault != fault || !mock->fault_left)
		return false;
	if (mock->fault_left > 1) {
		mock->fault_left--;
		return false;
	}
	if (!mock->fault_sticky)
		mock->fault_left = 0;
	mock->fault_hits++;
	*rc = mock->fault_rc;
	return true;
}

/**
 * tce_fault_can_alloc() - can this kernel make an allocation fail?
 *
 * It needs CONFIG_FAILSLAB, and to be told that GFP_KERNEL may fail, too.
 *
 * Return: true if it can.
 */
bool tce_fault_can_alloc(void)
{
	void *p;

	tce_quiet_end(1);
	p = kmalloc(16, GFP_KERNEL | __GFP_NOWARN);
	tce_quiet_begin();
	kfree(p);
	return !p;
}

static struct tce_mock_page *page_find(struct tce_mock *mock, unsigned long pfn)
{
	struct tce_mock_page *page;

	hlist_for_each_entry(page,
			     &mock->pages[hash_long(pfn, TCE_PAGES_BITS)], node)
		if (page->pfn == pfn)
			return page;
	return NULL;
}

static struct tce_mock_page *page_add(struct tce_mock *mock, unsigned long pfn)
{
	struct tce_mock_page *page;

	page = hlist_entry_safe(mock->spare_pages.first, struct tce_mock_page,
				node);
	if (page)
		hlist_del(&page->node);
	else
		page = kmalloc(sizeof(*page), GFP_ATOMIC);
	if (!page) {
		tce_mock_violation(mock, "the mock is out of memory");
		return NULL;
	}
	page->pfn = pfn;
	page->pins = 0;
	page->refs = 0;
	hlist_add_head(&page->node,
		       &mock->pages[hash_long(pfn, TCE_PAGES_BITS)]);
	return page;
}

/* There are so many pins and references more, or less. */
static struct tce_mock_page *count_page(struct tce_mock *mock,
					unsigned long pfn, int pins, int refs)
{
	struct tce_mock_page *page = page_find(mock, pfn);

	if (!page && pins + refs > 0)
		page = page_add(mock, pfn);
	if (!page || page->pins + pins < 0 || page->refs + refs < 0) {
		tce_mock_violation(mock, "page %lx let go too often", pfn);
		return NULL;
	}
	page->pins += pins;
	page->refs += refs;
	mock->pins += pins;
	mock->refs += refs;
	if (page->pins || page->refs)
		return page;
	hlist_del(&page->node);
	hlist_add_head(&page->node, &mock->spare_pages);
	return NULL;
}

/* Pages that an entry of this table covers */
static unsigned long tce_pages(const struct tce_mock_table *mt)
{
	unsigned long shift = mt->tbl->it_page_shift;

	return shift > PAGE_SHIFT ? 1UL << (shift - PAGE_SHIFT) : 1;
}

static void tce_ref(struct tce_mock_table *mt, const struct tce_mock_tce *tce,
		    int n)
{
	unsigned long i, pfn = tce->hpa >> PAGE_SHIFT;

	if (tce->dir == DMA_NONE || !mt->bridges)
		return;
	for (i = 0; i < tce_pages(mt); i++)
		count_page(mt->mock, pfn + i, 0, n);
}

static struct tce_mock_tce *tce_new(struct tce_mock *mock, unsigned long hpa,
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

static void tce_put(struct tce_mock *mock, struct tce_mock_tce *tce)
{
	list_add(&tce->list, &mock->spare);
}

static void stale_drop(struct tce_mock_table *mt, struct tce_mock_tce *tce)
{
	tce_ref(mt, tce, -1);
	list_del(&tce->list);
	tce_put(mt->mock, tce);
}

static void check_held(struct tce_mock_table *mt, unsigned long entry,
		       unsigned long hpa)
{
	unsigned long i, pfn = hpa >> PAGE_SHIFT;

	if (hpa & ((1UL << mt->tbl->it_page_shift) - 1))
		tce_mock_violation(mt->mock, "entry %lx gets hpa %lx, which is no whole page",
				   entry, hpa);
	for (i = 0; i < tce_pages(mt); i++) {
		struct tce_mock_page *page = page_find(mt->mock, pfn + i);

		if ((!page || !page->pins) && !mt->mock->kept) {
			tce_mock_violation(mt->mock, "entry %lx reaches page %lx, not pinned",
					   entry, pfn + i);
			return;
		}
	}
}

/**
 * tce_mock_pinned() - the driver has pinned a page
 * @mock: the platform
 * @pfn: the page
 */
void tce_mock_pinned(struct tce_mock *mock, unsigned long pfn)
{
	unsigned int nth = tce_quiet_begin();

	spin_lock(&mock->lock);
	count_page(mock, pfn, 1, 0);
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
}

/**
 * tce_mock_unpinned() - the driver is about to end a pin
 * @mock: the platform
 * @pfn: the page
 */
void tce_mock_unpinned(struct tce_mock *mock, unsigned long pfn)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_page *page;

	spin_lock(&mock->lock);
	page = count_page(mock, pfn, -1, 0);
	if (page && !page->pins && page->refs && !mock->kept)
		tce_mock_violation(mock, "page %lx let go while a device can reach it",
				   pfn);
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
}

/**
 * tce_mock_pins() - pins that the driver owns
 * @mock: the platform
 *
 * Return: their number.
 */
unsigned long tce_mock_pins(struct tce_mock *mock)
{
	unsigned long n;

	spin_lock(&mock->lock);
	n = mock->pins;
	spin_unlock(&mock->lock);
	return n;
}

static struct tce_mock_table *to_mock(struct iommu_table *tbl)
{
	return (struct tce_mock_table *)tbl->it_base;
}

static bool in_table(const struct iommu_table *tbl, unsigned long entry,
		     unsigned long n)
{
	return entry >= tbl->it_offset && n <= tbl->it_size &&
	       entry - tbl->it_offset <= tbl->it_size - n;
}

/* What the call that is under way was not asked to do, it must not do. */
static void check_asked(struct tce_mock_table *mt, unsigned long entry,
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

static struct hlist_head *bucket(struct tce_mock_table *mt, unsigned long entry)
{
	return &mt->buckets[hash_long(entry, TABLE_BITS)];
}

static struct tce_mock_tce *find_live(struct tce_mock_table *mt,
				      unsigned long entry)
{
	struct tce_mock_tce *tce;

	hlist_for_each_entry(tce, bucket(mt, entry), node)
		if (tce->entry == entry)
			return tce;
	return NULL;
}

static bool has_flush(const struct tce_mock_table *mt)
{
	return mt->tbl->it_ops->flush;
}

static void stale_drop_all(struct tce_mock_table *mt)
{
	struct tce_mock_tce *tce, *next;

	list_for_each_entry_safe(tce, next, &mt->stale, list)
		stale_drop(mt, tce);
	list_for_each_entry_safe(tce, next, &mt->cleared, list)
		stale_drop(mt, tce);
	mt->unflushed = false;
}

/* Put @new, or nothing, into an entry; what was there is returned. */
static struct tce_mock_tce *entry_swap(struct tce_mock_table *mt,
				       unsigned long entry,
				       struct tce_mock_tce *new)
{
	struct tce_mock_tce *old = find_live(mt, entry);

	mt->mock->writes++;
	check_asked(mt, entry, 1, "write");
	if (old) {
		hlist_del(&old->node);
		list_del(&old->list);
	}
	if (!new)
		return old;
	check_held(mt, entry, new->hpa);
	new->entry = entry;
	list_add(&new->list, &mt->live);
	hlist_add_head(&new->node, bucket(mt, entry));
	tce_ref(mt, new, 1);
	return old;
}

/* The old content of an entry, which a bridge may go on to use. */
static void entry_stale(struct tce_mock_table *mt, unsigned long entry,
			struct tce_mock_tce *old)
{
	if (!old)
		return;
	old->entry = entry;
	list_add(&old->list, &mt->stale);
	if (mt->mock->hcalls)
		stale_drop(mt, old);
}

static unsigned long leaf_of(const struct iommu_table *tbl,
			     unsigned long entry)
{
	return (entry - tbl->it_offset) / tbl->it_level_size;
}

/* What somebody else kills is not the call's. */
static void let_in(struct tce_mock *mock, struct tce_visit *visit)
{
	unsigned long kills = mock->kills;

	visit->call(visit->data);
	mock->call_kills += mock->kills - kills;
}

/* Who comes now? Is not asked again. */
static struct tce_visit *visitor(struct tce_mock *mock)
{
	struct tce_visit *visit = mock->visit;

	if (!visit)
		return NULL;
	if (visit->skip) {
		visit->skip--;
		return NULL;
	}
	mock->visit = NULL;
	return visit;
}

static int mock_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_mock_tce *old, *new = NULL;
	struct tce_visit *visit = visitor(mock);
	unsigned long entry = index;
	int rc = 0;

	if (*dir != DMA_NONE && READ_ONCE(mock->table_gate))
		tce_pass_gate(mock, &mock->table_gate);
	if (visit && !visit->after)
		let_in(mock, visit);
	spin_lock(&mock->lock);
	if (!in_table(tbl, entry, 1)) {
		tce_mock_violation(mock, "entry %lx is outside of the table",
				   entry);
		rc = -EINVAL;
		goto out;
	}
	if (tce_fault_hit(mock, TCE_FAULT_XCHG, &rc)) {
		if (mock->then_no_memory)
			nth = 1;
		goto out;
	}
	if (*dir == DMA_NONE && tce_fault_hit(mock, TCE_FAULT_CLEAR, &rc)) {
		if (mock->then_no_memory)
			nth = 1;
		goto out;
	}
	if (*dir == DMA_NONE && *hpa)
		tce_mock_violation(mock, "entry %lx is cleared, but to %lx",
				   entry, *hpa);
	if (*dir != DMA_NONE) {
		new = tce_new(mock, *hpa, *dir);
		if (tbl->it_indirect_levels)
			xa_store(&mt->leaves, leaf_of(tbl, entry),
				 xa_mk_value(1), GFP_ATOMIC);
	}
	old = entry_swap(mt, entry, new);
	*hpa = old ? old->hpa : 0;
	*dir = old ? old->dir : DMA_NONE;

	/* one that was empty has to be killed, too */
	if (!old && new)
		old = tce_new(mock, 0, DMA_NONE);
	entry_stale(mt, entry, old);
out:
	spin_unlock(&mock->lock);
	if (visit && visit->after)
		let_in(mock, visit);
	tce_quiet_end(nth);
	return rc;
}

/* Write a run of entries; invalidates them itself, but for the flush. */
static int mock_set(struct iommu_table *tbl, long index, long npages,
		    unsigned long uaddr, enum dma_data_direction dir,
		    unsigned long attrs)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	unsigned long entry = index, i;
	int rc = 0;

	if (READ_ONCE(mock->table_gate))
		tce_pass_gate(mock, &mock->table_gate);
	spin_lock(&mock->lock);
	mock->runs++;
	if (npages <= 0 || !in_table(tbl, entry, npages)) {
		tce_mock_violation(mock, "set of %lx+%lx is outside of the table",
				   entry, npages);
		goto out;
	}
	if (tce_fault_hit(mock, TCE_FAULT_BUILD, &rc))
		goto out;
	if (tce_fault_hit(mock, TCE_FAULT_LOST, &rc)) {
		rc = 0;
		goto out;
	}
	/* pseries lets the device read what it may write */
	if (mock->hcalls && dir == DMA_FROM_DEVICE)
		dir = DMA_BIDIRECTIONAL;
	mt->unflushed = has_flush(mt);
	for (i = 0; i < npages; i++) {
		struct tce_mock_tce *old, *new =
			tce_new(mock, __pa(uaddr) + (i << tbl->it_page_shift),
				dir);

		if (tbl->it_indirect_levels &&
		    !xa_load(&mt->leaves, leaf_of(tbl, entry + i)))
			tce_mock_violation(mock, "set of %lx, for which the table has no memory",
					   entry + i);
		old = entry_swap(mt, entry + i, new);
		if (old) {
			tce_mock_violation(mock, "set of %lx, which was in use",
					   entry + i);
			entry_stale(mt, entry + i, old);
		}
	}
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
	return rc;
}

/* Clear a run of entries; invalidates them itself, but for the flush. */
static void mock_clear(struct iommu_table *tbl, long index, long npages)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	unsigned long entry = index, i;
	int rc;

	spin_lock(&mock->lock);
	mock->runs++;
	if (npages <= 0 || !in_table(tbl, entry, npages)) {
		tce_mock_violation(mock, "clear of %lx+%lx is outside of the table",
				   entry, npages);
		goto out;
	}
	/* else KVM could get the table in between; only lockdep can tell */
	if (!rcu_read_lock_held())
		tce_mock_violation(mock, "a run is cleared outside of an RCU section");
	if (tce_fault_hit(mock, TCE_FAULT_LOST, &rc))
		goto out;
	for (i = 0; i < npages; i++) {
		struct tce_mock_tce *old = entry_swap(mt, entry + i, NULL);

		if (old)
			list_add(&old->list, &mt->cleared);
	}
	mt->unflushed = true;
	if (!has_flush(mt))
		stale_drop_all(mt);
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
}

static unsigned long mock_get(struct iommu_table *tbl, long index)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_mock_tce *tce;
	unsigned long value = 0;

	spin_lock(&mock->lock);
	if (!in_table(tbl, index, 1))
		tce_mock_violation(mock, "entry %lx is outside of the table",
				   index);
	tce = find_live(mt, index);
	if (tce)
		value = tce->hpa | iommu_direction_to_tce_perm(tce->dir);
	spin_unlock(&mock->lock);
	return value;
}

static void mock_kill(struct iommu_table *tbl, unsigned long index,
		      unsigned long pages)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_visit *visit = xchg(&mock->kill_visit, NULL);
	struct tce_mock_tce *tce, *next;

	if (visit)
		visit->call(visit->data);
	spin_lock(&mock->lock);
	mock->kills++;
	mock->kill_first = index;
	mock->kill_n = pages;
	if (!pages || !in_table(tbl, index, pages))
		tce_mock_violation(mock, "kill of %lx+%lx is outside of the table",
				   index, pages);
	check_asked(mt, index, pages, "kill");
	/* KVM, which kills while nobody calls, does not flush */
	if (mock->calling)
		mt->unflushed = has_flush(mt);
	list_for_each_entry_safe(tce, next, &mt->stale, list)
		if (tce->entry >= index && tce->entry - index < pages)
			stale_drop(mt, tce);
	spin_unlock(&mock->lock);
}

/*
 * Cells are in a tree with the levels of the table, in the format in which
 * PowerNV keeps both; a node has it_level_size entries.
 */
static __be64 *mock_useraddrptr(struct iommu_table *tbl, long index,
				bool alloc)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	unsigned long entry = index, at = entry - tbl->it_offset;
	unsigned int bits = ilog2(tbl->it_level_size), level;
	__be64 *node = mt->root, *cell = NULL;
	int rc;

	spin_lock(&mock->lock);
	mock->lookups++;
	if (!in_table(tbl, entry, 1)) {
		tce_mock_violation(mock, "cell %lx is outside of the table",
				   entry);
		goto out;
	}
	for (level = tbl->it_indirect_levels; level; level--) {
		__be64 *slot = node + ((at >> (level * bits)) &
				       (tbl->it_level_size - 1));

		if (!*slot) {
			if (!alloc || tce_fault_hit(mock, TCE_FAULT_LEVEL, &rc))
				goto out;
			node = kcalloc(tbl->it_level_size, sizeof(*node),
				       GFP_ATOMIC);
			if (!node)
				goto out;
			*slot = cpu_to_be64(__pa(node) | TCE_PCI_READ |
					    TCE_PCI_WRITE);
		}
		node = __va(be64_to_cpu(*slot) &
			    ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	cell = node + (at & (tbl->it_level_size - 1));
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
	return cell;
}

static void nodes_free(struct iommu_table *tbl, __be64 *node,
		       unsigned int level)
{
	unsigned long i;

	for (i = 0; level && i < tbl->it_level_size; i++)
		if (node[i])
			nodes_free(tbl, __va(be64_to_cpu(node[i]) &
					     ~(TCE_PCI_READ | TCE_PCI_WRITE)),
				   level - 1);
	kvfree(node);
}

static void mock_flush(struct iommu_table *tbl)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock_tce *tce, *next;

	spin_lock(&mt->mock->lock);
	mt->mock->flushes++;
	mt->unflushed = false;
	list_for_each_entry_safe(tce, next, &mt->cleared, list)
		stale_drop(mt, tce);
	spin_unlock(&mt->mock->lock);
}

static void mock_free(struct iommu_table *tbl)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_mock_tce *tce, *next;
	struct tce_mock_group *grp;
	int i;

	spin_lock(&mock->lock);
	list_for_each_entry(grp, &mock->groups, list) {
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++) {
			if (grp->hw[i] != tbl)
				continue;
			tce_mock_violation(mock, "a table is freed while it is in a bridge");
			grp->hw[i] = NULL;
		}
	}
	stale_drop_all(mt);
	list_for_each_entry_safe(tce, next, &mt->live, list) {
		tce_ref(mt, tce, -1);
		list_del(&tce->list);
		tce_put(mock, tce);
	}
	list_del(&mt->list);
	spin_unlock(&mock->lock);

	xa_destroy(&mt->leaves);
	if (tbl->it_userspace != mt->root)
		kvfree(tbl->it_userspace);
	nodes_free(tbl, mt->root, tbl->it_indirect_levels);
	kfree(mt);
	/* the kernel frees the table itself */
}

static struct iommu_table_ops mock_table_ops = {
	.set		= mock_set,
	.clear		= mock_clear,
	.get		= mock_get,
	.xchg_no_kill	= mock_xchg,
	.tce_kill	= mock_kill,
	.useraddrptr	= mock_useraddrptr,
	.flush		= mock_flush,
	.free		= mock_free,
};

/* As on pseries: neither to be killed nor flushed */
static struct iommu_table_ops mock_hcall_table_ops = {
	.set		= mock_set,
	.clear		= mock_clear,
	.get		= mock_get,
	.xchg_no_kill	= mock_xchg,
	.useraddrptr	= mock_useraddrptr,
	.free		= mock_free,
};

static struct tce_mock_group *to_group(struct iommu_table_group *tg)
{
	return container_of(tg, struct tce_mock_group, tg);
}

static unsigned long mock_get_table_size(u32 shift, u64 size, u32 levels)
{
	if (mock_now->size_is_unknown && levels > 1)
		return ~0UL;
	if (mock_now->table_size)
		return mock_now->table_size;
	return round_up((size >> shift) * sizeof(u64), PAGE_SIZE);
}

static int table_fill(struct tce_mock_group *grp, struct iommu_table *tbl,
		      int num, u32 shift, u64 size, u32 levels)
{
	unsigned int bits = ilog2(size) - shift;
	struct tce_mock_table *mt;

	tbl->it_page_shift = shift;
	tbl->it_offset = grp->start[num] >> shift;
	tbl->it_size = size >> shift;
	tbl->it_ops = grp->mock->hcalls ? &mock_hcall_table_ops :
					  &mock_table_ops;
	INIT_LIST_HEAD_RCU(&tbl->it_group_list);
	kref_init(&tbl->it_kref);
	tbl->it_level_size = tbl->it_size;
	if (levels > 1) {
		tbl->it_indirect_levels = levels - 1;
		tbl->it_level_size = 1UL << DIV_ROUND_UP(bits, levels);
	}
	if (tbl->it_level_size > MOCK_MAX_CELLS)
		return -ENOMEM;

	mt = kzalloc(sizeof(*mt), GFP_KERNEL);
	if (!mt)
		return -ENOMEM;
	/* the nodes of a tree are found by their real addresses */
	mt->root = levels > 1 ?
		kcalloc(tbl->it_level_size, sizeof(__be64), GFP_KERNEL) :
		kvcalloc(tbl->it_level_size, sizeof(__be64), GFP_KERNEL);
	if (!mt->root) {
		kfree(mt);
		return -ENOMEM;
	}
	tbl->it_userspace = mt->root;
	if (levels > 1 && grp->mock->opaque)
		tbl->it_userspace = kvcalloc(tbl->it_level_size,
					     sizeof(__be64), GFP_KERNEL);
	if (grp->mock->no_userspace)
		tbl->it_userspace = NULL;
	tbl->it_base = (unsigned long)mt;
	mt->mock = grp->mock;
	mt->tbl = tbl;
	xa_init(&mt->leaves);
	INIT_LIST_HEAD(&mt->stale);
	INIT_LIST_HEAD(&mt->cleared);
	INIT_LIST_HEAD(&mt->live);

	spin_lock(&mt->mock->lock);
	list_add(&mt->list, &mt->mock->tables);
	spin_unlock(&mt->mock->lock);
	return 0;
}

/* One bridge more (@n is 1) or less (-1) reaches what the table's entries do. */
static void table_reach(struct tce_mock_table *mt, int n)
{
	struct tce_mock_tce *tce;

	if (n < 0 && mt->bridges == 1) {
		stale_drop_all(mt);
		list_for_each_entry(tce, &mt->live, list)
			tce_ref(mt, tce, -1);
	}
	mt->bridges += n;
	if (n > 0 && mt->bridges == 1) {
		list_for_each_entry(tce, &mt->stale, list)
			tce_ref(mt, tce, 1);
		list_for_each_entry(tce, &mt->live, list) {
			check_held(mt, tce->entry, tce->hpa);
			tce_ref(mt, tce, 1);
		}
	}
}

/* What was stuck there is lost, and its reference with it. */
static void bridge_set(struct tce_mock_group *grp, int num,
		       struct iommu_table *tbl)
{
	if (grp->hw[num])
		table_reach(to_mock(grp->hw[num]), -1);
	grp->stuck[num] = false;
	grp->hw[num] = tbl;
	table_reach(to_mock(tbl), 1);
}

static long mock_create_table(struct iommu_table_group *tg, int num, u32 shift,
			      u64 size, u32 levels, struct iommu_table **ptbl)
{
	struct tce_mock_group *grp = to_group(tg);
	unsigned int nth = tce_quiet_begin();
	struct iommu_table *tbl;
	bool hit;
	int rc;

	grp->mock->created++;
	might_sleep();
	if (num < 0 || num >= IOMMU_TABLE_GROUP_MAX_TABLES)
		tce_mock_violation(grp->mock, "window %d is created", num);
	spin_lock(&grp->mock->lock);
	hit = tce_fault_hit(grp->mock, TCE_FAULT_CREATE, &rc);
	spin_unlock(&grp->mock->lock);
	if (hit)
		goto out;
	rc = -EINVAL;
	/* pseries does not look at the number of levels if it is 0 */
	if ((!levels && !grp->mock->hcalls) ||
	    levels > max(tg->max_levels, 1U) || !is_power_of_2(size))
		goto out;

	rc = -ENOMEM;
	tbl = kzalloc(sizeof(*tbl), GFP_KERNEL);
	if (!tbl)
		goto out;
	rc = table_fill(grp, tbl, num, shift, size, levels);
	if (rc) {
		kfree(tbl);
		goto out;
	}
	*ptbl = tbl;
	/* pseries opens the window, and gives the group the table, right away */
	if (grp->mock->hcalls) {
		spin_lock(&grp->mock->lock);
		bridge_set(grp, num, tbl);
		tg->tables[num] = iommu_tce_table_get(tbl);
		spin_unlock(&grp->mock->lock);
	}
	if (grp->mock->find)
		grp->mock->found = iommu_tce_table_get(tbl);
out:
	tce_quiet_end(nth);
	return rc;
}

/* Does not come from another platform, although it does the same */
static long mock_create_table_other(struct iommu_table_group *tg, int num,
				    u32 shift, u64 size, u32 levels,
				    struct iommu_table **ptbl)
{
	return mock_create_table(tg, num, shift, size, levels, ptbl);
}

static long mock_set_window(struct iommu_table_group *tg, int num,
			    struct iommu_table *tbl)
{
	struct tce_mock_group *grp = to_group(tg);
	struct tce_mock *mock = grp->mock;
	unsigned int nth = tce_quiet_begin();
	int rc = 0;

	might_sleep();
	spin_lock(&mock->lock);
	if (tce_fault_hit(mock, TCE_FAULT_SET, &rc))
		goto out;
	if (mock->hcalls) {
		rc = tbl == tg->tables[num] ? 0 : -EPERM;
		goto out;
	}
	if (grp->hw[num] && !grp->stuck[num])
		tce_mock_violation(mock, "window %d is set twice", num);
	if (tbl->it_offset != grp->start[num] >> tbl->it_page_shift)
		tce_mock_violation(mock, "window %d is set to a table of another",
				   num);

	bridge_set(grp, num, tbl);
	if (!tce_fault_hit(mock, TCE_FAULT_LINK, &rc))
		tg->tables[num] = iommu_tce_table_get(tbl);
	if (mock->kvm && !to_mock(tbl)->kvm) {
		to_mock(tbl)->kvm = true;
		iommu_tce_table_get(tbl);
	}
	rc = 0;
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
	return rc;
}

static long mock_unset_window(struct iommu_table_group *tg, int num)
{
	struct tce_mock_group *grp = to_group(tg);
	struct tce_mock *mock = grp->mock;
	struct iommu_table *linked = NULL, *kvm = NULL;
	unsigned int nth = tce_quiet_begin();
	int rc = 0;

	might_sleep();
	spin_lock(&mock->lock);
	if (!grp->hw[num]) {
		tce_mock_violation(mock, "window %d is unset, but is not set",
				   num);
	} else if (mock->also_unset && mock->fault) {
		grp->stuck[num] = true;
		rc = -EIO;
	} else if (tce_fault_hit(mock, TCE_FAULT_UNSET, &rc)) {
		grp->stuck[num] = true;
	} else {
		struct tce_mock_table *mt = to_mock(grp->hw[num]);

		table_reach(mt, -1);
		if (mt->kvm && !mt->bridges) {
			mt->kvm = false;
			kvm = mt->tbl;
		}
		linked = tg->tables[num];
		grp->hw[num] = NULL;
		tg->tables[num] = NULL;
	}
	spin_unlock(&mock->lock);

	if (linked)
		iommu_tce_table_put(linked);
	if (kvm)
		iommu_tce_table_put(kvm);
	tce_quiet_end(nth);
	return rc;
}

struct iommu_table_group_ops tce_mock_group_ops = {
	.get_table_size	= mock_get_table_size,
	.create_table	= mock_create_table,
	.set_window	= mock_set_window,
	.unset_window	= mock_unset_window,
};

struct iommu_table_group_ops tce_mock_other_group_ops = {
	.get_table_size	= mock_get_table_size,
	.create_table	= mock_create_table_other,
	.set_window	= mock_set_window,
	.unset_window	= mock_unset_window,
};

/**
 * tce_mock_add_group() - one more group, in no container yet
 * @mock: the platform
 *
 * Its properties, which may be changed before it is attached, are those of a
 * PowerNV bridge, but with a small default window.
 *
 * Return: the group, which lives as long as the platform; NULL if there is no
 * memory.
 */
struct tce_mock_group *tce_mock_add_group(struct tce_mock *mock)
{
	struct tce_mock_group *grp = kzalloc(sizeof(*grp), GFP_KERNEL);

	if (!grp)
		return NULL;
	grp->group = iommu_group_alloc();
	if (IS_ERR(grp->group)) {
		kfree(grp);
		return NULL;
	}
	grp->mock = mock;
	grp->start[1] = 1ULL << 59;
	grp->tg.tce32_start = 0;
	grp->tg.tce32_size = SZ_64M;
	grp->tg.pgsizes = SZ_4K | SZ_64K | SZ_2M | SZ_16M;
	grp->tg.max_dynamic_windows_supported = IOMMU_TABLE_GROUP_MAX_TABLES;
	grp->tg.max_levels = 5;
	grp->tg.group = grp->group;
	grp->tg.ops = &tce_mock_group_ops;
	iommu_group_set_iommudata(grp->group, &grp->tg, NULL);
	list_add_tail(&grp->list, &mock->groups);
	return grp;
}

static struct tce_mock_table *find_table(struct tce_mock *mock)
{
	return list_first_entry_or_null(&mock->tables, struct tce_mock_table,
					list);
}

/**
 * tce_mock_forget_bridges() - reset all bridges, and free what is left
 * @mock: the platform
 *
 * Like a machine that is switched off: takes what nobody gave back.
 *
 * Return: the number of tables that were left.
 */
unsigned int tce_mock_forget_bridges(struct tce_mock *mock)
{
	struct tce_mock_table *mt;
	struct tce_mock_group *grp;
	unsigned int left = 0;
	int i;

	tce_fault_disarm(mock);
	list_for_each_entry(grp, &mock->groups, list)
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
			if (grp->hw[i]) {
				left++;
				mock_unset_window(&grp->tg, i);
			}

	while ((mt = find_table(mock))) {
		struct iommu_table *tbl = mt->tbl;
		unsigned int refs = kref_read(&tbl->it_kref);

		if (!left)
			left++;
		while (refs--)
			iommu_tce_table_put(tbl);
	}
	return left;
}

/**
 * tce_mock_entry() - what an entry says
 * @tbl: a table of this platform
 * @entry: entry
 * @hpa: what it reaches is returned here
 *
 * Return: how it reaches it, DMA_NONE if it reaches nothing.
 */
enum dma_data_direction tce_mock_entry(struct iommu_table *tbl,
				       unsigned long entry, unsigned long *hpa)
{
	struct tce_mock_tce *tce = find_live(to_mock(tbl), entry);

	*hpa = tce ? tce->hpa : 0;
	return tce ? tce->dir : DMA_NONE;
}

/**
 * tce_mock_cell() - what user space's view of an entry says
 * @tbl: a table of this platform
 * @entry: entry
 *
 * Return: that, 0 if it has no cell.
 */
u64 tce_mock_cell(struct iommu_table *tbl, unsigned long entry)
{
	__be64 *cell = mock_useraddrptr(tbl, entry, false);

	return cell ? be64_to_cpu(READ_ONCE(*cell)) : 0;
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
	struct tce_mock_group *grp, *next;
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
	list_for_each_entry_safe(grp, next, &mock->groups, list) {
		iommu_group_put(grp->group);
		kfree(grp);
	}
	mock_now = NULL;
	kfree(mock);
}
