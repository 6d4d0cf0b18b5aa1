// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP of a table's entries, and how the memory behind removed entries is put.
 *
 * Memory is put only after its entries were invalidated, because the device can reach it until
 * then. Both commands work in chunks. A chunk takes the table's lock, changes entries, invalidates
 * them, puts what they had mapped, and drops the lock. So commands whose ranges overlap may
 * interleave by chunks, which is safe, since an entry changes together with its userspace
 * entry, an empty entry was invalidated, and what a MAP has not written yet does not depend on
 * what it has: memory stays registered (v2), or pinned by the batch (v1), until the last chunk.
 *
 * Whoever removes a value from an entry puts its page: unpins it (v1), or counts down the mappings
 * of the preregistered memory (v2). MAP's mappings are counted here, and those of KVM in KVM's
 * list. In a shared table whoever removes the value can be KVM, a userspace entry can be 0 while
 * its entry is live, and it can be that of another value, because KVM writes it late. So each entry
 * is exchanged there, and nothing is put unless the memory has the page of the entry at that
 * address: we err on the side of counting a page as mapped (litmus/kvm-count.litmus,
 * litmus/kvm-unmap.litmus). In all other tables the userspace entries tell what is mapped, and long
 * runs of entries are written and cleared by one operation of the platform.
 *
 * Whatever MAP can refuse is refused before the first entry is written. A MAP that fails later,
 * because a level of the table needs memory, the platform refuses or the caller is killed, leaves
 * its range unmapped.
 *
 * Locks: the caller holds &tce_mm.map_lock, for reading in a client's command. &tce_table.lock is
 * taken here.
 *
 * If the platform refuses to clear an entry, its page stays pinned or counted, because the device
 * may still reach it.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat/older.h"
#include "tce_prereg.h"
#include "tce_table.h"
#include "tce_trace.h"

#define TCE_GATHER_MAX	32

/* In &tce_gather.put: KVM's mapping, which KVM's list counts */
#define TCE_PUT_KVM	1UL

/**
 * struct tce_gather - what waits for an invalidation
 * @table: the table, with &tce_table.lock held
 * @first: first entry to be invalidated
 * @end: end of the entries to be invalidated; 0 for none
 * @nr: how many elements of @put are in use
 * @put: v1: a userspace entry; v2: the preregistered memory, with TCE_PUT_KVM if KVM mapped
 *	it; and how many entries had that
 */
struct tce_gather {
	struct tce_table *table;
	unsigned long first;
	unsigned long end;
	unsigned int nr;
	struct {
		unsigned long what;
		unsigned long n;
	} put[TCE_GATHER_MAX];
};

/*
 * What has to be put for a removed entry, as in &tce_gather.put; 0 for nothing. @before is what
 * another one had, or 0.
 *
 * In a shared table the value may not be that of the userspace entry. In any other it is, or the
 * platform has refused to write it, or KVM has written the userspace entry, as in put_puas().
 */
static __always_inline unsigned long what_to_put(const struct tce_table *table,
						 unsigned long before,
						 const struct tce_entry *old)
{
	struct tce_prereg *prereg = (struct tce_prereg *)(before & ~TCE_PUT_KVM);
	unsigned long ua = old->val & ~TCE_UA_VFIO;
	bool from_map = old->val & TCE_UA_VFIO;

	if (table->mem->v1)
		return from_map ? old->val : 0;
	if (!prereg || ua - prereg->ua >= prereg->npages << PAGE_SHIFT)
		prereg = tce_prereg_find(table->mem->tmm, ua);
	if (!prereg || (table->shared && tce_prereg_hpa(prereg, ua) != old->hpa))
		return 0;
	if (likely(from_map))
		return (unsigned long)prereg;
	if (!table->shared || !prereg->mm_iommu)
		return 0;
	return (unsigned long)prereg | TCE_PUT_KVM;
}

/* Put what @n entries had, which were invalidated, or never written. Context: v1: sleeps */
static void put_memory(const struct tce_table *table, unsigned long what, unsigned long n)
{
	struct tce_prereg *prereg = (struct tce_prereg *)(what & ~TCE_PUT_KVM);

	if (table->mem->v1)
		tce_v1_put(table->mem->v1, what, n);
	else if (likely(!(what & TCE_PUT_KVM)))
		atomic64_sub(n, &prereg->mapped);
	else
		while (n--)	/* KVM's list is counted down one by one */
			mm_iommu_mapped_dec(prereg->mm_iommu);
}

static noinline void put_entry(const struct tce_table *table, const struct tce_entry *old)
{
	unsigned long what = what_to_put(table, 0, old);

	if (likely(what))
		put_memory(table, what, 1);
}

/*
 * Put what invalidated entries had by their userspace entries alone, and clear these. This is not
 * for shared tables. Userspace entries that KVM has written, because it had found the table before
 * it was hidden, stand for nothing. Context: sleeps.
 */
static void put_puas(struct tce_table *table, __be64 *pua, unsigned long n)
{
	struct tce_memory *mem = table->mem;
	unsigned long i = 0, start;
	struct tce_prereg *prereg;
	u64 first, size;
	bool from_map;

	while (i < n) {
		first = tce_pua_read(&pua[i]);
		if (!first) {
			i++;
			continue;
		}
		size = 1;
		from_map = first & TCE_UA_VFIO;
		prereg = !mem->v1 && from_map ?
			tce_prereg_find(mem->tmm, first & ~TCE_UA_VFIO) : NULL;
		if (prereg) {
			first = prereg->ua | TCE_UA_VFIO;
			size = prereg->npages << PAGE_SHIFT;
		}
		/* all of the same page or preregistered memory */
		start = i;
		do {
			tce_pua_write(&pua[i++], 0);
		} while (i < n && tce_pua_read(&pua[i]) - first < size);
		if (prereg)
			atomic64_sub(i - start, &prereg->mapped);
		else if (mem->v1 && from_map)
			tce_v1_put(mem->v1, first, i - start);
	}
}

static void gather_init(struct tce_gather *gather, struct tce_table *table)
{
	gather->table = table;
	gather->end = 0;
	gather->nr = 0;
}

/* Invalidate entries, and put what they had. Context: sleeps. */
static void gather_flush(struct tce_gather *gather)
{
	unsigned int i;

	if (gather->end)
		tce_table_invalidate(gather->table, gather->first,
				     gather->end - gather->first);
	else
		tce_table_flush(gather->table);
	gather->end = 0;
	for (i = 0; i < gather->nr; i++)
		put_memory(gather->table, gather->put[i].what, gather->put[i].n);
	gather->nr = 0;
}

/* The entries from @first to @end have to be invalidated, and what is between them and others. */
static __always_inline void gather_entries(struct tce_gather *gather, unsigned long first,
					   unsigned long end)
{
	if (!gather->end)
		gather->first = first;
	gather->end = end;
}

/* What an entry had is to be put after the invalidation. */
static void gather_put(struct tce_gather *gather, const struct tce_entry *old)
{
	unsigned long before = gather->nr ? gather->put[gather->nr - 1].what : 0;
	unsigned long what = what_to_put(gather->table, before, old);

	if (!what)
		return;
	if (what == before) {
		gather->put[gather->nr - 1].n++;
		return;
	}
	if (gather->nr == TCE_GATHER_MAX)
		gather_flush(gather);
	gather->put[gather->nr].what = what;
	gather->put[gather->nr++].n = 1;
}

/* Clear entries by an exchange of each, in a shared table. Return: 0, or the first failure */
static int unmap_shared(struct tce_gather *gather, unsigned long entry, __be64 *pua,
			unsigned long n, bool client)
{
	struct tce_table *table = gather->table;
	struct tce_entry old;
	unsigned long i;
	int rc = 0;

	for (i = 0; i < n; i++) {
		old = (struct tce_entry){ .dir = DMA_NONE };
		if (tce_entry_swap(table, entry + i, &pua[i], &old, true)) {
			rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
			continue;
		}
		/* KVM may have emptied it and not invalidated it, for which a client waits */
		if (old.dir != DMA_NONE || old.val || client)
			gather_entries(gather, entry + i, entry + i + 1);
		if (old.val)
			gather_put(gather, &old);
	}
	return rc;
}

/*
 * Invalidate what was exchanged, and put what it had by its userspace entries. @pua is that of
 * @entry.
 */
static void gather_flush_puas(struct tce_gather *gather, unsigned long entry, __be64 *pua)
{
	unsigned long first = gather->first, end = gather->end;

	if (!end)
		return;
	gather_flush(gather);
	put_puas(gather->table, pua + (first - entry), end - first);
}

/* Clear an entry by an exchange. Return: false if the platform refused: it keeps what it has */
static bool unmap_exchange(struct tce_gather *gather, unsigned long entry)
{
	struct tce_table *table = gather->table;
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;

	if (table->ops->xchg_no_kill(table->tbl, entry, &hpa, &dir))
		return false;
	gather_entries(gather, entry, entry + 1);
	return true;
}

/* Clear @n entries in a table that is not shared, runs of @run_min and more by one operation. */
static int unmap_runs(struct tce_gather *gather, unsigned long entry, __be64 *pua,
		      unsigned long n, unsigned long run_min)
{
	struct tce_table *table = gather->table;
	unsigned long i, end, run;
	int rc = 0;

	for (i = 0; i < n; i = end) {
		i += tce_pua_run(pua + i, n - i, true);
		run = tce_pua_run(pua + i, n - i, false);
		end = i + run;
		if (run >= run_min && tce_table_clear(table, entry + i, run)) {
			put_puas(table, pua + i, run);
			continue;
		}
		for (; i < end; i++) {
			if (likely(unmap_exchange(gather, entry + i)))
				continue;
			gather_flush_puas(gather, entry, pua);
			rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
		}
	}
	gather_flush_puas(gather, entry, pua);
	return rc;
}

/* How an UNMAP is done */
#define TCE_UNMAP_CLIENT	1	/* a client waits for it, and may be killed */
#define TCE_UNMAP_EXCHANGE	2	/* never by runs */

/* UNMAP of up to @max entries from @entry on. Return: how many, or -EINTR; failures are in @rc */
static long unmap_chunk(struct tce_table *table, unsigned long entry, unsigned long max,
			unsigned long run_min, unsigned int how, int *rc)
{
	struct tce_gather gather __uninitialized;
	unsigned long n;
	__be64 *pua;
	int failed;

	if (!(how & TCE_UNMAP_CLIENT))
		mutex_lock(&table->lock);
	else if (mutex_lock_killable(&table->lock))
		return -EINTR;
	pua = tce_table_pua(table, entry, false, &n);
	n = min(n, max);
	if (!pua)
		goto out;
	n = min(n, TCE_CHUNK);
	gather_init(&gather, table);
	if (table->shared) {
		failed = unmap_shared(&gather, entry, pua, n, how & TCE_UNMAP_CLIENT);
		gather_flush(&gather);
	} else {
		failed = unmap_runs(&gather, entry, pua, n, run_min);
	}
	*rc = failed ?: *rc;
out:
	mutex_unlock(&table->lock);
	return n;
}

/* UNMAP of @n entries. Return: as tce_table_unmap() */
static int unmap_entries(struct tce_table *table, unsigned long first, unsigned long n,
			 unsigned int how)
{
	unsigned long done = 0, run_min;
	int rc = 0;
	long some;

	/* a run that is the whole range saves an invalidation, however short it is */
	run_min = how & TCE_UNMAP_EXCHANGE ? ULONG_MAX :
		  min_t(unsigned long, table->run_min, n);
	while (done < n) {
		some = unmap_chunk(table, first + done, n - done, run_min, how, &rc);
		if (some < 0)
			return some;
		done += some;
		if (how & TCE_UNMAP_CLIENT && done < n && fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
	return rc;
}

/* UNMAP of one entry, which costs clients that map page by page less than unmap_entries() */
static int unmap_one(struct tce_table *table, unsigned long entry)
{
	struct tce_entry old = { .dir = DMA_NONE };
	unsigned long left;
	__be64 *pua;
	int rc;

	rc = mutex_lock_killable(&table->lock);
	if (unlikely(rc))
		return rc;
	pua = tce_table_pua(table, entry, false, &left);
	if (pua && (table->shared || likely(READ_ONCE(*pua)))) {
		rc = tce_entry_swap(table, entry, pua, &old, table->shared);
		if (likely(!rc))
			tce_table_invalidate_one(table, entry);
		else
			rc = TCE_REFUSE(CLEAR_ENTRY, EIO);
	}
	mutex_unlock(&table->lock);
	if (likely(old.val))
		put_entry(table, &old);
	return rc;
}

/**
 * tce_table_unmap() - UNMAP
 * @table: the table, with &tce_mm.map_lock held
 * @first: first entry
 * @n: entries, not all of which need to be mapped
 *
 * When it returns, the devices can no longer reach the memory. Context: sleeps; need not be
 * the owner of the memory.
 *
 * Return: 0; -EINTR on SIGKILL; -EIO if the platform refused to clear some entry, which keeps
 * its page.
 */
int tce_table_unmap(struct tce_table *table, unsigned long first, unsigned long n)
{
	return n == 1 ? unmap_one(table, first) :
	       unmap_entries(table, first, n, TCE_UNMAP_CLIENT);
}

/*
 * Clear all entries of a table that nobody but KVM uses. Context: sleeps, and can't be killed.
 * Return: false if the platform has refused some, which keep what they map
 */
bool tce_table_unmap_all(struct tce_table *table)
{
	return !unmap_entries(table, table->tbl->it_offset, table->tbl->it_size, 0);
}

/*
 * How many of @max entries in a row map preregistered memory, or something else? KVM maps only what
 * is in its list.
 */
static __always_inline unsigned long pua_run_of(const __be64 *pua, unsigned long max,
						const struct tce_prereg *prereg, const bool of)
{
	const u64 first = prereg->ua | TCE_UA_VFIO, size = prereg->npages << PAGE_SHIFT;
	const u64 by_kvm = prereg->mm_iommu ? TCE_UA_VFIO : 0;
	unsigned long n;
	u64 val;

	for (n = 0; n < max; n++) {
		val = tce_pua_read(&pua[n]);
		if (((val | by_kvm) - first < size) != of || (!of && !val))
			break;
	}
	return n;
}

/*
 * Look at the next entries of a table, which are empty, or all map preregistered memory, or none of
 * them does. If they do, unmap them, or count them in @others if that is not NULL.
 */
static void unmap_next(struct tce_table *table, const struct tce_prereg *prereg, long *others)
{
	unsigned long size = table->tbl->it_size, at, entry, n, run;
	__be64 *pua;

	at = table->from + table->seen;
	if (at >= size)
		at -= size;
	entry = table->tbl->it_offset + at;
	pua = tce_table_pua(table, entry, false, &n);
	n = min3(n, size - at, size - table->seen);
	if (pua) {
		n = min(n, TCE_CHUNK);
		run = pua_run_of(pua, n, prereg, true);
		if (run && table->found == size)
			table->found = at;
		if (run && others)
			*others += run;
		else if (run)
			unmap_entries(table, entry, run, TCE_UNMAP_CLIENT);
		n = run ?: tce_pua_run(pua, n, true) ?: pua_run_of(pua, n, prereg, false);
	}
	table->seen += n;
}

/**
 * tce_table_unmap_prereg() - v2: unmap what a container maps of preregistered memory
 * @mem: the container's memory, with &tce_mm.map_lock held for writing
 * @prereg: the preregistered memory
 *
 * What the platform refuses to clear stays counted. Other containers of the mm keep their mappings.
 * These are counted as well, so that the search ends when all are found. It goes through the tables
 * side by side, and begins where the last one has first found something, because clients often map
 * and unregister memory in the same order or at the same place, and in all containers alike.
 * Context: sleeps.
 *
 * Return: 0; -EINTR on SIGKILL.
 */
int tce_table_unmap_prereg(struct tce_memory *mem, const struct tce_prereg *prereg)
{
	struct tce_table *table, *next;
	long others = 0;

	list_for_each_entry(table, &mem->tmm->tables, in_mm) {
		if (table->found < table->tbl->it_size)
			table->from = table->found;
		table->found = table->tbl->it_size;
		table->seen = 0;
	}
	/* KVM's list does not tell how often KVM maps it */
	while (prereg->mm_iommu || atomic64_read(&prereg->mapped) > others) {
		next = NULL;
		list_for_each_entry(table, &mem->tmm->tables, in_mm)
			if (table->seen < table->tbl->it_size &&
			    (!next || table->seen < next->seen))
				next = table;
		if (!next)
			break;
		unmap_next(next, prereg, next->mem == mem ? NULL : &others);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
	if (!prereg->mm_iommu)
		return 0;
	/* what KVM has taken out of them is still counted */
	list_for_each_entry(table, &mem->tmm->tables, in_mm)
		tce_kvm_settle(table);
	return 0;
}

/**
 * struct tce_map - a MAP in progress
 * @table: the table
 * @first: first entry
 * @done: entries written so far
 * @ua: address of the memory for @first
 * @dir: what the device may do
 * @run_min: how many entries in a row are written by one operation, if @may_set
 * @may_set: see tce_table_may_set()
 * @prereg: v2: the memory of the chunk
 * @batch: v1: the pages
 */
struct tce_map {
	struct tce_table *table;
	unsigned long first;
	unsigned long done;
	unsigned long ua;
	enum dma_data_direction dir;
	unsigned long run_min;
	bool may_set;
	struct tce_prereg *prereg;
	struct tce_v1_batch *batch;
};

static __always_inline unsigned long map_hpa(const struct tce_prereg *prereg,
					     const struct tce_v1_batch *batch, unsigned long ua)
{
	return likely(prereg) ? tce_prereg_hpa(prereg, ua) : tce_v1_hpa(batch, ua);
}

/*
 * Write a run of empty entries, whose memory is contiguous, by one operation of the platform, which
 * invalidates them as well. Return: 0; -ENOMEM; -EIO. They count as written in any case, so that
 * they are cleared.
 */
static int map_run(struct tce_map *map, __be64 *pua, unsigned long ua, unsigned long hpa,
		   unsigned long n)
{
	unsigned long step = 1UL << map->table->tbl->it_page_shift, i;
	bool write = tce_dir_writes(map->dir);
	int rc;

	if (map->batch)
		tce_v1_take(map->batch, ua, n);
	rc = tce_table_set(map->table, map->first + map->done, n, hpa, map->dir);
	for (i = 0; i < n; i++)
		tce_pua_write(&pua[i], tce_val(map->batch, ua + i * step, hpa + i * step, write));
	map->done += n;
	return rc;
}

/* Write entries by an exchange of each. Return: 0; -ENOMEM; -EIO, and &tce_map.done are written */
static __always_inline int exchange(struct tce_map *map, struct tce_gather *gather, __be64 *pua,
				    unsigned long ua, unsigned long n, const bool shared)
{
	struct tce_table *table = map->table;
	unsigned long step = 1UL << table->tbl->it_page_shift, i;
	unsigned long entry = map->first + map->done, from = 0;
	const struct tce_prereg *prereg = map->prereg;
	const struct tce_v1_batch *batch = map->batch;
	unsigned long hpa = map_hpa(prereg, batch, ua);
	enum dma_data_direction dir = map->dir;
	bool write = tce_dir_writes(dir);
	struct tce_entry now;
	int rc = 0;

	for (i = 0; i < n; i++, ua += step, hpa += step) {
		if (PAGE_SIZE == SZ_4K || !offset_in_page(ua))
			hpa = map_hpa(prereg, batch, ua);
		now.hpa = hpa;
		now.dir = dir;
		now.val = tce_val(batch, ua, hpa, write);
		rc = tce_entry_swap(table, entry + i, &pua[i], &now, shared);
		if (unlikely(rc))
			break;
		if (unlikely(now.val)) {
			gather_entries(gather, entry + from, entry + i + 1);
			gather_put(gather, &now);
			if (!gather->end)
				from = i + 1;
		}
	}
	if (i > from)
		gather_entries(gather, entry + from, entry + i);
	map->done += i;
	/* entries that were not written do not keep what they have taken */
	for (; batch && i < n; i++, ua += step)
		tce_v1_put(batch->mem->v1, tce_val(true, ua, tce_v1_hpa(batch, ua), write), 1);
	return TCE_REFUSE_BY(WRITE_ENTRY, rc);
}

static int map_exchange(struct tce_map *map, struct tce_gather *gather, __be64 *pua,
			unsigned long ua, unsigned long n)
{
	if (map->batch)
		tce_v1_take(map->batch, ua, n);
	return map->table->shared ? exchange(map, gather, pua, ua, n, true) :
				    exchange(map, gather, pua, ua, n, false);
}

/*
 * Write some of @n entries, whose memory and userspace entries are all in one piece. A run is found
 * where half of the least run is contiguous, so that only few pages of scattered memory have to be
 * looked at. Return: 0; -ENOMEM; -EIO, and &tce_map.done are written
 */
static int map_some(struct tce_map *map, struct tce_gather *gather, __be64 *pua,
		    unsigned long ua, unsigned long n)
{
	unsigned int shift = map->table->tbl->it_page_shift;
	unsigned long half = map->run_min / 2, hpa, run;
	unsigned long ahead = (half - 1) << shift;

	if (!map->may_set || n < map->run_min)
		return map_exchange(map, gather, pua, ua, n);
	hpa = map_hpa(map->prereg, map->batch, ua);
	if (map_hpa(map->prereg, map->batch, ua + ahead) != hpa + ahead)
		return map_exchange(map, gather, pua, ua, half);
	if (map->batch)
		run = tce_v1_extent(map->batch, ua, n << shift, &hpa) >> shift;
	else
		run = tce_prereg_extent(map->prereg, ua, n << shift, &hpa) >> shift;
	if (run < map->run_min || tce_pua_run(pua, run, true) < run)
		return map_exchange(map, gather, pua, ua, max(run, 1UL));
	return map_run(map, pua, ua, hpa, run);
}

/* Map @n entries of a chunk, whose memory is in one piece. Return: 0; -ENOMEM; -EIO */
static int map_part(struct tce_map *map, struct tce_gather *gather, __be64 *pua,
		    unsigned long ua, unsigned long n)
{
	unsigned int shift = map->table->tbl->it_page_shift;
	unsigned long from = map->done, at;
	int rc = 0;

	if (map->prereg)
		atomic64_add(n, &map->prereg->mapped);
	/*
	 * set() does not check that it got the memory for a missing level, so the first entry is
	 * exchanged.
	 */
	if (map->table->tbl->it_indirect_levels)
		rc = map_exchange(map, gather, pua, ua, 1);
	while (!rc && map->done - from < n) {
		at = map->done - from;
		rc = map_some(map, gather, pua + at, ua + (at << shift), n - at);
	}
	if (map->prereg)
		atomic64_sub(from + n - map->done, &map->prereg->mapped);
	return rc;
}

/* Map up to @max entries. Return: 0; -EINTR; -ENOMEM; -EIO */
static int map_chunk(struct tce_map *map, unsigned long max)
{
	struct tce_table *table = map->table;
	unsigned int shift = table->tbl->it_page_shift;
	unsigned long from = map->done, ua, n, part;
	struct tce_gather gather __uninitialized;
	__be64 *pua;
	int rc;

	rc = mutex_lock_killable(&table->lock);
	if (rc)
		return rc;
	pua = tce_table_pua(table, map->first + from, true, &n);
	if (!pua) {
		rc = TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
		goto out_unlock;
	}
	n = min3(n, max, TCE_CHUNK);
	gather_init(&gather, table);
	while (!rc && map->done - from < n) {
		ua = map->ua + (map->done << shift);
		part = from + n - map->done;
		if (!map->batch) {
			map->prereg = tce_prereg_find(table->mem->tmm, ua);
			part = min(part, (tce_prereg_end(map->prereg) - ua) >> shift);
		}
		rc = map_part(map, &gather, pua + (map->done - from), ua, part);
	}
	gather_flush(&gather);
out_unlock:
	mutex_unlock(&table->lock);
	return rc;
}

/* The memory is in smaller pages than the IOMMU page. */
static int too_small(const struct tce_prereg *prereg)
{
	return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL, 1UL << prereg->page_shift);
}

/* v2: may this memory be mapped? Return: 0; -EINVAL; -EINTR on SIGKILL */
static int check_memory(struct tce_memory *mem, unsigned long ua, unsigned long size,
			unsigned int shift, bool write)
{
	unsigned long end = ua + size;
	struct tce_prereg *prereg;

	if (end < ua)
		return TCE_REFUSE(UA_WRAPS, EINVAL);
	for (;;) {
		prereg = tce_prereg_find(mem->tmm, ua);
		if (!prereg)
			return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
		if (prereg->page_shift < shift)
			return too_small(prereg);
		if (write)
			tce_prereg_written(prereg);
		ua = tce_prereg_end(prereg);
		if (ua >= end)
			return 0;
		/* there may be as many as pages */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
}

/* MAP of one entry, which costs clients that map page by page less than map_entries() */
static int map_one(struct tce_table *table, unsigned long entry, unsigned long ua,
		   enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	struct tce_memory *mem = table->mem;
	unsigned int shift = table->tbl->it_page_shift;
	struct tce_entry new = { .dir = dir };
	struct tce_prereg *prereg = NULL;
	unsigned long left;
	__be64 *pua;
	int rc;

	if (batch) {
		new.hpa = tce_v1_hpa(batch, ua);
	} else {
		prereg = tce_prereg_find(mem->tmm, ua);
		if (unlikely(!prereg))
			return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
		if (unlikely(prereg->page_shift < shift))
			return too_small(prereg);
		if (tce_dir_writes(dir))
			tce_prereg_written(prereg);
		new.hpa = tce_prereg_hpa(prereg, ua);
	}
	rc = mutex_lock_killable(&table->lock);
	if (unlikely(rc))
		return rc;
	pua = tce_table_pua(table, entry, true, &left);
	if (unlikely(!pua)) {
		rc = TCE_REFUSE(LEVEL_MEMORY, ENOMEM);
		goto out_unlock;
	}
	if (prereg)
		atomic64_inc(&prereg->mapped);
	else
		tce_v1_take(batch, ua, 1);
	new.val = tce_val(batch, ua, new.hpa, tce_dir_writes(dir));
	rc = tce_entry_swap(table, entry, pua, &new, table->shared);
	if (likely(!rc))
		tce_table_invalidate_one(table, entry);
	else
		rc = TCE_REFUSE_BY(WRITE_ENTRY, rc);
out_unlock:
	mutex_unlock(&table->lock);
	/* what was there before, or what could not be written */
	if (unlikely(new.val))
		put_entry(table, &new);
	return rc;
}

/* MAP of @n entries. Return: as tce_table_map() */
static int map_entries(struct tce_table *table, unsigned long first, unsigned long ua,
		       unsigned long n, enum dma_data_direction dir,
		       struct tce_v1_batch *batch)
{
	unsigned int shift = table->tbl->it_page_shift;
	struct tce_map map = {
		.table = table,
		.first = first,
		.ua = ua,
		.dir = dir,
		/* a run that is the whole range saves an invalidation, however short it is */
		.run_min = clamp_t(unsigned long, n, 2, table->run_min),
		.may_set = !table->shared && tce_table_may_set(table, dir),
		.batch = batch,
	};
	int rc;

	if (!batch) {
		rc = check_memory(table->mem, ua, n << shift, shift, tce_dir_writes(dir));
		if (rc)
			return rc;
	}
	do {
		rc = map_chunk(&map, n - map.done);
		if (!rc && map.done < n && fatal_signal_pending(current))
			rc = -EINTR;
		if (need_resched())
			cond_resched();
	} while (!rc && map.done < n);
	/*
	 * A run that the platform refused midway could be refused when it is cleared as well, and
	 * its empty end would hide that.
	 */
	if (rc && map.done)
		unmap_entries(table, first, n, TCE_UNMAP_EXCHANGE);
	return rc;
}

/**
 * tce_table_map() - MAP
 * @table: the table, with &tce_mm.map_lock held
 * @first: first entry
 * @ua: address of the memory, aligned to the IOMMU page
 * @n: entries; 0 maps nothing
 * @dir: what the devices may do
 * @batch: v1: the pages of exactly this memory
 *
 * Whatever was mapped there before is replaced. Undone by tce_table_unmap(). Context: the owner
 * of the memory; sleeps, but waits for no other client.
 *
 * Return: 0; -EINVAL if some IOMMU page is not inside of one preregistered range, or is larger than
 * the pages behind it (v2), or -EINTR on SIGKILL, and nothing has changed; -ENOMEM, -EIO if the
 * platform refused, or -EINTR, and none of the entries is mapped, unless it was the first one that
 * failed, and nothing has changed.
 */
int tce_table_map(struct tce_table *table, unsigned long first, unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	if (n == 1)
		return map_one(table, first, ua, dir, batch);
	return n ? map_entries(table, first, ua, n, dir, batch) : 0;
}
