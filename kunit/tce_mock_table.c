// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables: the record of their entries, both live and stale, and their operations, as the
 * driver and KVM call them, see tce_mock.h.
 *
 * An entry is "live" while it has a direction. When a live entry is changed,
 * what it reached is kept in its table's list of stale entries until an invalidation
 * covers it, because until then a bridge may still use the old translation;
 * an entry that was only filled is in that list as well, so that a missing
 * invalidation is noticed. If the table has a flush(), neither an invalidation nor a run
 * has an effect before that. Pages that live or stale entries of a table in some bridge
 * reach are counted in &tce_mock_page.refs.
 *
 * Entries are in a plain hash, and are reused, as pages are (see tce_mock_page.c).
 */
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <asm/hvcall.h>
#include <asm/tce.h>

#include "tce_mock.h"

static unsigned long mock_get(struct iommu_table *tbl, long index);

/* Pages that an entry of this table covers */
static unsigned long tce_pages(const struct tce_mock_table *mt)
{
	unsigned long shift = mt->tbl->it_page_shift;

	return shift > PAGE_SHIFT ? 1UL << (shift - PAGE_SHIFT) : 1;
}

/* One table in a bridge more (@n is 1) or less (-1) reaches what the entry does. */
static void mock_entry_ref(struct tce_mock_table *mt,
			   const struct tce_mock_tce *tce, int n)
{
	unsigned long i, pfn = tce->hpa >> PAGE_SHIFT;
	struct tce_mock_page *page;

	if (tce->dir == DMA_NONE || !mt->bridges)
		return;
	for (i = 0; i < tce_pages(mt); i++) {
		page = mock_page_count(mt->mock, pfn + i, 0, n);
		if (page)
			page->written |= tce->dir != DMA_TO_DEVICE;
	}
}

/* An entry that is in no table yet. */
static struct tce_mock_tce *mock_entry_new(struct tce_mock *mock,
					   unsigned long hpa,
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
static void mock_entry_put(struct tce_mock *mock, struct tce_mock_tce *tce)
{
	list_add(&tce->list, &mock->spare);
}

/* A stale entry was invalidated: nothing reaches its page any more. */
static void mock_entry_drop(struct tce_mock_table *mt, struct tce_mock_tce *tce)
{
	mock_entry_ref(mt, tce, -1);
	list_del(&tce->list);
	mock_entry_put(mt->mock, tce);
}

/* What an entry reaches is pinned, and for writing if the device may write. */
static void mock_check_held(struct tce_mock_table *mt, const struct tce_mock_tce *tce)
{
	unsigned long i, pfn = tce->hpa >> PAGE_SHIFT, entry = tce->entry;

	if (tce->hpa & ((1UL << mt->tbl->it_page_shift) - 1))
		tce_mock_violation(mt->mock, "entry %lx gets hpa %lx, which is no whole page",
				   entry, tce->hpa);
	for (i = 0; i < tce_pages(mt); i++) {
		struct tce_mock_page *page = mock_page_find(mt->mock, pfn + i);

		if ((!page || !page->pins) && !mt->mock->kept) {
			tce_mock_violation(mt->mock, "entry %lx reaches page %lx, not pinned",
					   entry, pfn + i);
			return;
		}
		if (page && page->pins && !page->for_writing && tce->dir != DMA_TO_DEVICE) {
			tce_mock_violation(mt->mock, "entry %lx writes page %lx, pinned to read",
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
static struct tce_mock_tce *mock_entry_find(struct tce_mock_table *mt,
					    unsigned long entry)
{
	struct tce_mock_tce *tce;

	hlist_for_each_entry(tce, bucket(mt, entry), node)
		if (tce->entry == entry)
			return tce;
	return NULL;
}

static void drop_invalidated(struct tce_mock_table *mt)
{
	struct tce_mock_tce *tce, *next;

	list_for_each_entry_safe(tce, next, &mt->invalidated, list)
		mock_entry_drop(mt, tce);
}

/* All of the table's stale entries were invalidated, and all is flushed. */
static void mock_drop_stale(struct tce_mock_table *mt)
{
	struct tce_mock_tce *tce, *next;

	list_for_each_entry_safe(tce, next, &mt->stale, list)
		mock_entry_drop(mt, tce);
	drop_invalidated(mt);
	mt->unflushed = false;
}

static __be64 *mock_walk(struct iommu_table *tbl, __be64 *node, unsigned long entry, bool alloc);

static bool in_table(const struct iommu_table *tbl, unsigned long entry,
		     unsigned long n)
{
	return entry >= tbl->it_offset && n <= tbl->it_size &&
	       entry - tbl->it_offset <= tbl->it_size - n;
}

/* What is in the table's memory. A bridge that may write may also read. */
static u64 tce_in_memory(const struct tce_mock_table *mt, const struct tce_mock_tce *tce)
{
	u64 perm = tce ? iommu_direction_to_tce_perm(tce->dir) : 0;

	if (!mt->mock->hcalls && perm & TCE_PCI_WRITE)
		perm |= TCE_PCI_READ;
	return tce ? tce->hpa | perm : 0;
}

/* Put @new, or nothing, into an entry; what was there is returned. */
static struct tce_mock_tce *mock_entry_swap(struct tce_mock_table *mt,
					    unsigned long entry,
					    struct tce_mock_tce *new)
{
	struct tce_mock_tce *old = mock_entry_find(mt, entry);
	__be64 *tce = mock_walk(mt->tbl, mt->tces, entry, false);

	mt->mock->writes++;
	if (old) {
		hlist_del(&old->node);
		list_del(&old->list);
	}
	/* only KVM's operations, and the driver for their sake, look there */
	if (tce)
		WRITE_ONCE(*tce, cpu_to_be64(tce_in_memory(mt, new)));
	if (!new)
		return old;
	new->entry = entry;
	mock_check_held(mt, new);
	list_add(&new->list, &mt->live);
	hlist_add_head(&new->node, bucket(mt, entry));
	mock_entry_ref(mt, new, 1);
	return old;
}

/* The old content of an entry, which a bridge may go on to use. */
static void mock_entry_stale(struct tce_mock_table *mt, unsigned long entry,
			     struct tce_mock_tce *old)
{
	if (!old)
		return;
	old->entry = entry;
	list_add(&old->list, &mt->stale);
	if (mt->mock->hcalls)
		mock_entry_drop(mt, old);
}

/* One bridge more (@n is 1) or less (-1) reaches what the table's entries do. */
void mock_table_reach(struct tce_mock_table *mt, int n)
{
	struct tce_mock_tce *tce;

	if (n < 0 && mt->bridges == 1) {
		mock_drop_stale(mt);
		list_for_each_entry(tce, &mt->live, list)
			mock_entry_ref(mt, tce, -1);
	}
	mt->bridges += n;
	if (n > 0 && mt->bridges == 1) {
		list_for_each_entry(tce, &mt->stale, list)
			mock_entry_ref(mt, tce, 1);
		list_for_each_entry(tce, &mt->live, list) {
			mock_check_held(mt, tce);
			mock_entry_ref(mt, tce, 1);
		}
	}
}

/* The table is about to leave its bridge, but not what it says. */
void mock_entries_leave(struct tce_mock_table *mt)
{
	struct tce_mock_tce *tce, *left;

	list_for_each_entry(tce, &mt->live, list) {
		left = mock_entry_new(mt->mock, tce->hpa, tce->dir);
		if (!left)
			return;
		mock_entry_ref(mt, left, 1);
		list_add(&left->list, &mt->mock->left);
	}
}

/* The machine is switched off. Return: the number of entries that were left in it */
unsigned long tce_mock_forget_left(struct tce_mock *mock)
{
	struct tce_mock_tce *tce, *next;
	unsigned long n = 0;

	spin_lock(&mock->lock);
	list_for_each_entry_safe(tce, next, &mock->left, list) {
		mock_page_count(mock, tce->hpa >> PAGE_SHIFT, 0, -1);
		list_del(&tce->list);
		mock_entry_put(mock, tce);
		n++;
	}
	spin_unlock(&mock->lock);
	return n;
}

/* Does a device use it by a bridge that the platform does not tell what is invalidated? */
static bool misses_invalidation(const struct tce_mock_table *mt)
{
	struct tce_mock_group *grp;
	int i;

	list_for_each_entry(grp, &mt->mock->groups, list)
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
			if (grp->owner && grp->hw[i] == mt->tbl && grp->tg.tables[i] != mt->tbl)
				return true;
	return false;
}

/* How many of these entries does the platform set or clear before it stops without a word? */
static long not_lost(struct tce_mock *mock, long n)
{
	int done;

	if (!tce_fault_hit(mock, TCE_FAULT_LOST, &done))
		return n;
	mock->fault_rc = done / 2;
	return min_t(long, done, n - 1);
}

static bool has_flush(const struct tce_mock_table *mt)
{
	return mt->tbl->it_ops->flush;
}

/*
 * The TCEs and the userspace entries of a table of several levels are in a tree each, in the format
 * of PowerNV; a node has it_level_size entries. Return: the entry in its leaf; NULL if a level is
 * missing, with @alloc because there is no memory for it.
 */
static __be64 *mock_walk(struct iommu_table *tbl, __be64 *node, unsigned long entry, bool alloc)
{
	unsigned long at = entry - tbl->it_offset;
	unsigned int bits = ilog2(tbl->it_level_size), level;
	int rc;

	for (level = tbl->it_indirect_levels; level; level--) {
		__be64 *slot = node + ((at >> (level * bits)) &
				       (tbl->it_level_size - 1));

		if (!*slot) {
			if (!alloc || tce_fault_hit(to_mock(tbl)->mock, TCE_FAULT_LEVEL, &rc))
				return NULL;
			node = kcalloc(tbl->it_level_size, sizeof(*node),
				       GFP_ATOMIC);
			if (!node)
				return NULL;
			*slot = cpu_to_be64(__pa(node) | TCE_PCI_READ |
					    TCE_PCI_WRITE);
		}
		node = __va(be64_to_cpu(*slot) &
			    ~(TCE_PCI_READ | TCE_PCI_WRITE));
	}
	return node + (at & (tbl->it_level_size - 1));
}

static int mock_xchg(struct iommu_table *tbl, long index, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_mock_tce *old, *new = NULL;
	unsigned long entry = index;
	__be64 *leaf;
	int rc = 0;
	u64 was;

	if (*dir != DMA_NONE)
		tce_run_hook(mock, TCE_AT_MAP);
	tce_run_hook(mock, TCE_AT_EXCHANGE);
	spin_lock(&mock->lock);
	if (!in_table(tbl, entry, 1)) {
		tce_mock_violation(mock, "entry %lx is outside of the table",
				   entry);
		rc = -EINVAL;
		goto out;
	}
	if (tce_fault_hit(mock, TCE_FAULT_XCHG, &rc))
		goto out;
	if (*dir == DMA_NONE && tce_fault_hit(mock, TCE_FAULT_CLEAR, &rc))
		goto out;
	if (*dir == DMA_NONE && *hpa)
		tce_mock_violation(mock, "entry %lx is cleared, but to %lx",
				   entry, *hpa);
	if (*dir != DMA_NONE) {
		if (!mock_walk(tbl, mt->tces, entry, true)) {
			rc = -ENOMEM;
			goto out;
		}
		new = mock_entry_new(mock, *hpa, *dir);
	}
	leaf = mock_walk(tbl, mt->tces, entry, false);
	was = leaf ? be64_to_cpu(READ_ONCE(*leaf)) : 0;
	old = mock_entry_swap(mt, entry, new);
	/* without permissions it may have an address all the same */
	*hpa = old ? old->hpa : was & ~(TCE_PCI_READ | TCE_PCI_WRITE);
	*dir = old ? old->dir : DMA_NONE;

	/* one that was empty has to be invalidated, too */
	if (!old && new)
		old = mock_entry_new(mock, 0, DMA_NONE);
	mock_entry_stale(mt, entry, old);
out:
	spin_unlock(&mock->lock);
	tce_run_hook(mock, TCE_AT_EXCHANGE);
	tce_quiet_end(nth);
	return rc;
}

/* KVM may just have stored to an entry, without the platform. */
void mock_direct(struct iommu_table *tbl, unsigned long entry)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock_tce *old, *new = NULL;
	enum dma_data_direction dir;
	__be64 *leaf;
	u64 is;

	spin_lock(&mt->mock->lock);
	leaf = in_table(tbl, entry, 1) ? mock_walk(tbl, mt->tces, entry, false) : NULL;
	old = mock_entry_find(mt, entry);
	if (!leaf || !tbl->it_ops->tce_kill)
		goto out;
	is = be64_to_cpu(READ_ONCE(*leaf));
	dir = iommu_tce_direction(is);
	if (dir == DMA_NONE ? !old : is == tce_in_memory(mt, old))
		goto out;
	if (dir != DMA_NONE)
		new = mock_entry_new(mt->mock, is & ~(TCE_PCI_READ | TCE_PCI_WRITE), dir);
	old = mock_entry_swap(mt, entry, new);
	/* what is there has no permissions, but need not be 0 */
	WRITE_ONCE(*leaf, cpu_to_be64(is));
	if (!old && new)
		old = mock_entry_new(mt->mock, 0, DMA_NONE);
	mock_entry_stale(mt, entry, old);
out:
	spin_unlock(&mt->mock->lock);
}

/* H_PUT_TCE or H_GET_TCE of an entry. Return: the hypervisor's code; 1 if there is no such table */
long mock_hypervisor(struct tce_mock *mock, unsigned long opcode, unsigned long liobn, u64 ioba,
		     unsigned long *tce)
{
	enum dma_data_direction dir = iommu_tce_direction(*tce);
	unsigned long hpa = *tce & ~(TCE_PCI_READ | TCE_PCI_WRITE);
	struct iommu_table *tbl = NULL;
	struct tce_mock_table *mt;

	spin_lock(&mock->lock);
	list_for_each_entry(mt, &mock->tables, list)
		if (mt->tbl->it_index == liobn)
			tbl = mt->tbl;
	spin_unlock(&mock->lock);
	if (!tbl)
		return 1;
	if (opcode == H_PUT_TCE)
		return mock_xchg(tbl, ioba >> tbl->it_page_shift, &hpa, &dir) ? H_HARDWARE : 0;
	*tce = mock_get(tbl, ioba >> tbl->it_page_shift);
	return 0;
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

	tce_run_hook(mock, TCE_AT_MAP);
	spin_lock(&mock->lock);
	mock->runs++;
	if (npages <= 0 || !in_table(tbl, entry, npages)) {
		tce_mock_violation(mock, "set of %lx+%lx is outside of the table",
				   entry, npages);
		goto out;
	}
	if (tce_fault_hit(mock, TCE_FAULT_BUILD, &rc))
		goto out;
	npages = not_lost(mock, npages);
	/* pseries lets the device read what it may write */
	if (mock->hcalls && dir == DMA_FROM_DEVICE)
		dir = DMA_BIDIRECTIONAL;
	mt->unflushed = has_flush(mt);
	for (i = 0; i < npages; i++) {
		struct tce_mock_tce *old, *new =
			mock_entry_new(mock, __pa(uaddr) + (i << tbl->it_page_shift),
				       dir);

		if (!mock_walk(tbl, mt->tces, entry + i, false))
			tce_mock_violation(mock, "set of %lx, for which the table has no memory",
					   entry + i);
		old = mock_entry_swap(mt, entry + i, new);
		if (old) {
			tce_mock_violation(mock, "set of %lx, which was in use",
					   entry + i);
			mock_entry_stale(mt, entry + i, old);
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
	struct list_head *cleared;

	tce_run_hook(mock, TCE_AT_INVALIDATE);
	spin_lock(&mock->lock);
	mock->runs++;
	if (npages <= 0 || !in_table(tbl, entry, npages)) {
		tce_mock_violation(mock, "clear of %lx+%lx is outside of the table",
				   entry, npages);
		goto out;
	}
	if (mock->fault == TCE_FAULT_CLEAR && mock->fault_sticky && mock->fault_left == 1)
		goto out;
	npages = not_lost(mock, npages);
	cleared = misses_invalidation(mt) ? &mt->stale : &mt->invalidated;
	for (i = 0; i < npages; i++) {
		struct tce_mock_tce *old = mock_entry_swap(mt, entry + i, NULL);

		if (old)
			list_add(&old->list, cleared);
	}
	mt->unflushed = true;
	if (!has_flush(mt))
		mock_drop_stale(mt);
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
	tce = mock_entry_find(mt, index);
	if (tce)
		value = tce->hpa | iommu_direction_to_tce_perm(tce->dir);
	spin_unlock(&mock->lock);
	return value;
}

static void mock_invalidate(struct iommu_table *tbl, unsigned long index, unsigned long pages)
{
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	struct tce_mock_tce *tce, *next;
	bool misses;

	tce_run_hook(mock, TCE_AT_INVALIDATE);
	spin_lock(&mock->lock);
	mock->invalidations++;
	if (!pages || !in_table(tbl, index, pages))
		tce_mock_violation(mock, "invalidation of %lx+%lx is outside of the table",
				   index, pages);
	misses = misses_invalidation(mt);
	list_for_each_entry_safe(tce, next, &mt->stale, list)
		if (tce->entry >= index && tce->entry - index < pages && !misses)
			list_move(&tce->list, &mt->invalidated);
	/* KVM, which invalidates while nobody calls, orders that in another way */
	if (has_flush(mt) && atomic_read(&mock->calls))
		mt->unflushed = true;
	else
		drop_invalidated(mt);
	spin_unlock(&mock->lock);
	tce_run_hook(mock, TCE_AT_INVALIDATE);
}

static __be64 *mock_useraddrptr(struct iommu_table *tbl, long index,
				bool alloc)
{
	unsigned int nth = tce_quiet_begin();
	struct tce_mock_table *mt = to_mock(tbl);
	struct tce_mock *mock = mt->mock;
	unsigned long entry = index;
	__be64 *pua = NULL;

	spin_lock(&mock->lock);
	if (!in_table(tbl, entry, 1)) {
		tce_mock_violation(mock, "userspace entry %lx is outside of the table",
				   entry);
		goto out;
	}
	pua = mock_walk(tbl, mt->root, entry, alloc);
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
	return pua;
}

/* Free the @level levels below a node. */
static void nodes_free(struct iommu_table *tbl, __be64 *node, unsigned int level)
{
	unsigned long i;

	for (i = 0; level && i < tbl->it_level_size; i++) {
		__be64 *below = __va(be64_to_cpu(node[i]) & ~(TCE_PCI_READ | TCE_PCI_WRITE));

		if (!node[i])
			continue;
		nodes_free(tbl, below, level - 1);
		kfree(below);
	}
}

/* A node, and those of the @level levels below */
static unsigned long nodes(const struct iommu_table *tbl, const __be64 *node, unsigned int level)
{
	unsigned long n = 1, i;

	for (i = 0; level && i < tbl->it_level_size; i++)
		if (node[i])
			n += nodes(tbl, __va(be64_to_cpu(node[i]) &
					     ~(TCE_PCI_READ | TCE_PCI_WRITE)), level - 1);
	return n;
}

/*
 * CPU pages that all tables take on a platform that has them in memory: what it has said of those
 * of one level, and the userspace entries' levels twice of others.
 */
unsigned long tce_mock_table_pages(struct tce_mock *mock)
{
	const struct tce_mock_table *mt;
	const struct iommu_table *tbl;
	unsigned long n = 0;

	spin_lock(&mock->lock);
	list_for_each_entry(mt, &mock->tables, list) {
		tbl = mt->tbl;
		n += !tbl->it_indirect_levels ? mt->price :
		     2 * nodes(tbl, mt->root, tbl->it_indirect_levels) *
		     DIV_ROUND_UP(tbl->it_level_size * sizeof(__be64), PAGE_SIZE);
	}
	spin_unlock(&mock->lock);
	return n;
}

static void mock_flush(struct iommu_table *tbl)
{
	struct tce_mock_table *mt = to_mock(tbl);

	spin_lock(&mt->mock->lock);
	mt->unflushed = false;
	drop_invalidated(mt);
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
	mock_drop_stale(mt);
	if (mock->hcalls && !mock->fault && !mt->stuck && !list_empty(&mt->live))
		tce_mock_violation(mock, "a table is freed with live entries");
	list_for_each_entry_safe(tce, next, &mt->live, list) {
		mock_entry_ref(mt, tce, -1);
		list_del(&tce->list);
		mock_entry_put(mock, tce);
	}
	list_del(&mt->list);
	mock->priced -= mt->price;
	spin_unlock(&mock->lock);

	nodes_free(tbl, mt->tces, tbl->it_indirect_levels);
	nodes_free(tbl, mt->root, tbl->it_indirect_levels);
	kvfree(mt->root);
	tbl->it_userspace = NULL;
	kvfree(mt);
	/* the kernel frees the table itself */
}

/* pseries leaves the userspace entries before Linux 6.16. */
static void mock_hcall_free(struct iommu_table *tbl)
{
	__be64 *pua = tbl->it_userspace;

	if (pua)
		to_mock(tbl)->root = NULL;
	mock_free(tbl);
	tbl->it_userspace = pua;
}

struct iommu_table_ops mock_table_ops = {
	.set		= mock_set,
	.clear		= mock_clear,
	.get		= mock_get,
	.xchg_no_kill	= mock_xchg,
	.tce_kill	= mock_invalidate,
	.useraddrptr	= mock_useraddrptr,
	.flush		= mock_flush,
	.free		= mock_free,
};

/* As on pseries: neither to be invalidated nor flushed */
struct iommu_table_ops mock_hcall_table_ops = {
	.set		= mock_set,
	.clear		= mock_clear,
	.get		= mock_get,
	.xchg_no_kill	= mock_xchg,
	.useraddrptr	= mock_useraddrptr,
	.free		= mock_hcall_free,
};

/* What an entry says. Return: how it reaches it, DMA_NONE if it reaches nothing. */
enum dma_data_direction tce_mock_entry(struct iommu_table *tbl,
				       unsigned long entry, unsigned long *hpa)
{
	struct tce_mock_tce *tce = mock_entry_find(to_mock(tbl), entry);

	*hpa = tce ? tce->hpa : 0;
	return tce ? tce->dir : DMA_NONE;
}

/* What user space's view of an entry says. Return: that, 0 if it has no userspace entry. */
u64 tce_mock_pua(struct iommu_table *tbl, unsigned long entry)
{
	__be64 *pua = mock_useraddrptr(tbl, entry, false);

	return pua ? be64_to_cpu(READ_ONCE(*pua)) : 0;
}
