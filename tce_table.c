// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP of a table's entries, and the release of the memory behind removed entries.
 *
 * A device can reach memory until the entries that map it are invalidated, so it is released only
 * then. With the table's lock held, both commands change a chunk of entries, invalidate them and
 * release the memory that they had mapped. Chunks of overlapping commands may interleave: an entry
 * changes together with its userspace entry and is invalidated under the lock, and memory that MAP
 * has yet to write stays registered (v2), or pinned by the batch (v1).
 *
 * Whoever replaces a userspace entry releases its page: it unpins it (v1), or decrements the count
 * of mappings (v2), which the region has for MAP, and KVM's list for KVM. A shared table may have
 * entries that its userspace entries do not show (tce_kvm.c), so these are exchanged one by one. In
 * other tables the platform can write or clear a long run in one operation.
 *
 * Locks: the caller holds &tce_mm.map_lock, for reading in a client's command. &tce_table.lock is
 * taken here.
 *
 * Never fails: tce_table_unmap_all() and the cleanup of a failed MAP, except that an entry which
 * the platform refuses to clear keeps its page, as the device may still reach it.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include <asm/mmu_context.h>

#include "compat/older.h"
#include "tce_region.h"
#include "tce_table.h"
#include "tce_trace.h"
#include "tce_v1.h"

/* The userspace entry for an IOMMU page; never 0 */
static __always_inline u64 tce_val(bool v1, unsigned long ua, unsigned long hpa,
				   enum dma_data_direction dir)
{
	if (likely(!v1))
		return ua | TCE_UA_VFIO;
	return tce_v1_val(hpa, tce_dir_writes(dir)) | TCE_UA_VFIO;
}

/* set() ignores a failure to allocate a missing level, so MAP adds levels by an exchange. */
static __always_inline bool tce_table_has_level(const struct tce_table *table, unsigned long entry)
{
	const struct iommu_table *tbl = table->tbl;
	unsigned int missing;

	return likely(!tbl->it_indirect_levels) ||
	       tce_table_walk(tbl, (__be64 *)tbl->it_base, entry - tbl->it_offset, &missing);
}

/**
 * struct tce_content - the content of an entry
 * @hpa: the address
 * @dir: the device's permissions; DMA_NONE for an empty entry
 * @val: the userspace entry; 0 for none
 */
struct tce_content {
	unsigned long hpa;
	enum dma_data_direction dir;
	u64 val;
};

/*
 * Exchange an entry and its userspace entry. @new returns the old content, to be released after the
 * caller has invalidated the entry. Return: 0; -ENOMEM or -EIO if the platform refused, and nothing
 * has changed
 */
static __always_inline int exchange_entry(struct tce_table *table, unsigned long entry,
					  __be64 *pua, struct tce_content *new)
{
	u64 val = new->val, old = tce_pua_read(pua);
	int rc = table->ops->xchg_no_kill(table->tbl, entry, &new->hpa, &new->dir);

	/* powernv returns -ENOMEM, and pseries the hypervisor's own codes */
	if (unlikely(rc))
		return rc == -ENOMEM ? -ENOMEM : -EIO;

	tce_pua_write(pua, val);
	new->val = old;
	return 0;
}

/* How many scattered pages of v1 one invalidation can release */
#define TCE_GATHER_MAX	32

/**
 * struct tce_holder - pinned memory that entries map: a region, or a page of v1
 * @first: the userspace entry of its first byte, in which TCE_UA_VFIO tells MAP from KVM
 * @size: its bytes; 0 if there is no page to release
 * @region: v2: the region; NULL for a page of v1
 */
struct tce_holder {
	u64 first;
	u64 size;
	struct tce_region *region;
};

/**
 * struct tce_release - memory to be released
 * @holder: the memory
 * @n: number of entries that mapped it
 */
struct tce_release {
	struct tce_holder holder;
	unsigned long n;
};

/**
 * struct tce_gather - entries to be invalidated, and memory to be released after that
 * @table: the table, with &tce_table.lock held
 * @first: first of the entries
 * @end: end of the entries; 0 for none
 * @nr: number of elements of @release in use
 * @release: the memory
 */
struct tce_gather {
	struct tce_table *table;
	unsigned long first;
	unsigned long end;
	unsigned int nr;
	struct tce_release release[TCE_GATHER_MAX];
};

static bool is_held_by(const struct tce_holder *holder, u64 val)
{
	return val - holder->first < holder->size;
}

/*
 * Whether entries of a region are counted there by KVM, in its list. MAP's are not counted then,
 * because the entries are read before the region goes. KVM can have written to a table that is not
 * shared only if it found the table before that was hidden.
 */
static bool kvm_counts(const struct tce_table *table, const struct tce_region *region)
{
	return unlikely(table->shared) && region->mm_iommu;
}

static __always_inline struct tce_holder find_holder(const struct tce_table *table, u64 val)
{
	struct tce_region *region;
	bool by_map = val & TCE_UA_VFIO;

	if (table->mem->v1)
		return (struct tce_holder){ val & PAGE_MASK, by_map ? PAGE_SIZE : 0 };
	region = tce_region_find(table->mem->tmm, val & ~TCE_UA_VFIO);
	if (!region || by_map == kvm_counts(table, region))
		return (struct tce_holder){ 0 };
	return (struct tce_holder){
		region->ua | (val & TCE_UA_VFIO), region->npages << PAGE_SHIFT, region
	};
}

/* KVM's list can be decremented only one by one. */
static noinline void release_kvm(const struct tce_region *region, unsigned long n)
{
	while (n--)
		mm_iommu_mapped_dec(region->mm_iommu);
}

/* After the invalidation. Sleeps for v1. */
static __always_inline void release_holder(const struct tce_table *table,
					   const struct tce_holder *holder, unsigned long n)
{
	if (table->mem->v1)
		tce_v1_release(table->mem->v1, holder->first & ~TCE_UA_VFIO, n);
	else if (likely(holder->first & TCE_UA_VFIO))
		atomic64_sub(n, &holder->region->mapped);
	else
		release_kvm(holder->region, n);
}

static void gather_init(struct tce_gather *gather, struct tce_table *table)
{
	gather->table = table;
	gather->end = 0;
	gather->nr = 0;
}

static noinline void release_all(struct tce_gather *gather)
{
	unsigned int i;

	for (i = 0; i < gather->nr; i++)
		release_holder(gather->table, &gather->release[i].holder, gather->release[i].n);
	gather->nr = 0;
}

static __always_inline void gather_flush(struct tce_gather *gather)
{
	if (gather->end)
		tce_table_invalidate(gather->table, gather->first, gather->end - gather->first);
	else
		tce_table_flush(gather->table);
	gather->end = 0;
	if (gather->nr)
		release_all(gather);
}

/* Entries in between are invalidated as well. */
static __always_inline void gather_entries(struct tce_gather *gather, unsigned long first,
					   unsigned long end)
{
	if (!gather->end)
		gather->first = first;
	gather->end = end;
}

static void gather_release(struct tce_gather *gather, const struct tce_content *old)
{
	const struct tce_table *table = gather->table;
	struct tce_release *last = gather->release + gather->nr - 1;
	struct tce_holder holder;

	holder = gather->nr && is_held_by(&last->holder, old->val) ? last->holder :
								     find_holder(table, old->val);
	if (!holder.size)
		return;
	if (gather->nr && holder.first == last->holder.first) {
		last->n++;
		return;
	}
	if (gather->nr == TCE_GATHER_MAX)
		gather_flush(gather);
	gather->release[gather->nr++] = (struct tce_release){ holder, 1 };
}

/*
 * The shortest run worth one operation of the platform. If all @n entries of a call are one, fewer
 * suffice, because that saves an invalidation.
 */
static unsigned long least_run(const struct tce_table *table, unsigned long n)
{
	return table->shared ? ULONG_MAX : clamp_t(unsigned long, n, 2, table->run_min);
}

/*
 * Memory is released by the userspace entries alone, so this is not for shared tables. Return:
 * false if the platform may have refused some, and none is released
 */
static noinline bool erase_run(struct tce_table *table, unsigned long entry, __be64 *pua,
			       unsigned long n)
{
	unsigned long i = 0, start;
	struct tce_holder holder;

	if (!tce_table_clear(table, entry, n))
		return false;
	while (i < n) {
		holder = find_holder(table, tce_pua_read(&pua[i]));
		start = i;
		do {
			tce_pua_write(&pua[i++], 0);
		} while (i < n && is_held_by(&holder, tce_pua_read(&pua[i])));
		if (holder.size)
			release_holder(table, &holder, i - start);
	}
	return true;
}

/**
 * struct tce_unmap - an UNMAP in progress
 * @table: the table
 * @entry: the next entry
 * @left: number of entries from there on
 * @run_min: the shortest run worth one operation of the platform
 * @command: it is a command: the caller may be killed, and expects that also empty entries of a
 *	shared table are invalidated
 * @rc: 0, or -EIO if the platform refused entries
 */
struct tce_unmap {
	struct tce_table *table;
	unsigned long entry;
	unsigned long left;
	unsigned long run_min;
	bool command;
	int rc;
};

/* Goes on after a refused entry. */
static void erase_each(struct tce_unmap *unmap, struct tce_gather *gather, unsigned long entry,
		       __be64 *pua, unsigned long n)
{
	u64 empty = unmap->table->shared ? TCE_UA_USED : 0;
	struct tce_content old;
	unsigned long i;

	for (i = 0; i < n; i++) {
		old = (struct tce_content){ .dir = DMA_NONE, .val = empty };
		if (exchange_entry(unmap->table, entry + i, &pua[i], &old)) {
			unmap->rc = TCE_REFUSE(-EIO);
			continue;
		}
		/* MAP's and what KVM has put; a tombstone; and what KVM may have put over MAP's */
		if (old.dir != DMA_NONE || old.hpa || old.val || unmap->command)
			gather_entries(gather, entry + i, entry + i + 1);
		if (old.val)
			gather_release(gather, &old);
	}
}

/*
 * Erase entries in a row, or skip empty ones, which userspace entries show unless the table is
 * shared. Return: how many of @max
 */
static unsigned long erase_next(struct tce_unmap *unmap, struct tce_gather *gather,
				unsigned long entry, __be64 *pua, unsigned long max)
{
	struct tce_table *table = unmap->table;
	unsigned long n = table->shared ? max : tce_pua_run(pua, max, false);

	if (!n)
		return tce_pua_run(pua, max, true);
	if (n < unmap->run_min || !erase_run(table, entry, pua, n))
		erase_each(unmap, gather, entry, pua, n);
	return n;
}

/* Inline for UNMAP of one entry. Return: 0; -EINTR */
static __always_inline int unmap_chunk(struct tce_unmap *unmap)
{
	struct tce_table *table = unmap->table;
	struct tce_gather gather __uninitialized;
	unsigned long n, i = 0;
	__be64 *pua;

	if (!unmap->command)
		mutex_lock(&table->lock);
	else if (mutex_lock_killable(&table->lock))
		return -EINTR;
	pua = tce_table_pua(table, unmap->entry, false, &n);
	n = min(n, unmap->left);
	if (pua) {
		n = min(n, TCE_CHUNK);
		gather_init(&gather, table);
		while (i < n)
			i += erase_next(unmap, &gather, unmap->entry + i, pua + i, n - i);
		gather_flush(&gather);
	}
	mutex_unlock(&table->lock);
	unmap->entry += n;
	unmap->left -= n;
	return 0;
}

/* @command: as in struct tce_unmap. Return: as tce_table_unmap() */
static int unmap_entries(struct tce_table *table, unsigned long first, unsigned long n,
			 unsigned long run_min, bool command)
{
	struct tce_unmap unmap = {
		.table = table,
		.entry = first,
		.left = n,
		.run_min = run_min,
		.command = command,
	};

	while (unmap.left) {
		if (unmap_chunk(&unmap))
			return -EINTR;
		if (command && unmap.left && fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
	return unmap.rc;
}

/**
 * tce_table_unmap() - UNMAP
 * @table: the table, with &tce_mm.map_lock held
 * @first: first entry
 * @n: number of entries, not all of which need to be mapped
 *
 * When it returns, the devices can no longer reach the memory. Context: sleeps; any process.
 *
 * Return: 0; -EINTR on SIGKILL; -EIO if the platform refused to clear entries, which keep their
 * pages.
 */
int tce_table_unmap(struct tce_table *table, unsigned long first, unsigned long n)
{
	return unmap_entries(table, first, n, least_run(table, n), true);
}

/*
 * Clear all entries while MAP and UNMAP are kept out. Sleeps, and can't be killed. Return: false if
 * the platform has refused some, which keep their pages
 */
bool tce_table_unmap_all(struct tce_table *table)
{
	unsigned long n = table->tbl->it_size;

	return !unmap_entries(table, table->tbl->it_offset, n, least_run(table, n), false);
}

/**
 * struct tce_extent - the memory of consecutive entries
 * @ua: its first byte in user space
 * @entries: number of entries
 * @contiguous: its memory is, and is worth one operation of the platform
 * @hpa: if so, its address
 */
struct tce_extent {
	unsigned long ua;
	unsigned long entries;
	bool contiguous;
	unsigned long hpa;
};

/**
 * struct tce_reader - reads the memory of a MAP, extent by extent
 * @table: the table
 * @batch: v1: the pages of the MAP
 * @region: v2: the region of the next byte, or of the last one
 * @ua: the next byte
 * @held: entries from there on that are counted as mapped
 * @shift: log2 of the IOMMU page
 * @run_min: the shortest run worth one operation of the platform
 */
struct tce_reader {
	const struct tce_table *table;
	struct tce_v1_batch *batch;
	struct tce_region *region;
	unsigned long ua;
	unsigned long held;
	unsigned int shift;
	unsigned long run_min;
};

static __always_inline unsigned long read_hpa(const struct tce_reader *reader, unsigned long ua)
{
	return likely(!reader->batch) ? tce_region_hpa(reader->region, ua) :
					tce_v1_hpa(reader->batch, ua);
}

/*
 * Find a run of contiguous memory. The page half a run ahead is probed first: if it does not
 * continue the memory, no run starts here, and the extent ends before it.
 */
static __always_inline void read_run(const struct tce_reader *reader, struct tce_extent *extent)
{
	unsigned long half = reader->run_min / 2, ahead = (half - 1) << reader->shift;
	unsigned long ua = extent->ua, size = extent->entries << reader->shift, hpa;

	if (read_hpa(reader, ua + ahead) != read_hpa(reader, ua) + ahead) {
		extent->entries = half;
		return;
	}
	size = reader->batch ? tce_v1_extent(reader->batch, ua, size, &hpa) :
			       tce_region_extent(reader->region, ua, size, &hpa);
	extent->hpa = hpa;
	extent->entries = size >> reader->shift ?: 1;
	extent->contiguous = extent->entries >= reader->run_min;
}

/*
 * Count up to @n entries as mapped; in v2 no more than one region has. Inline for MAP of one entry.
 */
static __always_inline void read_hold(struct tce_reader *reader, unsigned long n)
{
	if (reader->batch) {
		tce_v1_take(reader->batch, reader->ua, n);
	} else {
		if (reader->ua >= tce_region_end(reader->region))
			reader->region = tce_region_find(reader->table->mem->tmm, reader->ua);
		n = min(n, (tce_region_end(reader->region) - reader->ua) >> reader->shift);
		if (!kvm_counts(reader->table, reader->region))
			atomic64_add(n, &reader->region->mapped);
	}
	reader->held = n;
}

/* Uncount the last @n entries that were read, and those held beyond. */
static void read_undo(struct tce_reader *reader, unsigned long n)
{
	unsigned long ua = reader->ua - (n << reader->shift);

	n += reader->held;
	if (reader->batch)
		tce_v1_untake(reader->batch, ua, n);
	else if (!kvm_counts(reader->table, reader->region))
		atomic64_sub(n, &reader->region->mapped);
}

/* The next extent, which has up to @max entries and is counted as mapped */
static struct tce_extent read_next(struct tce_reader *reader, unsigned long max)
{
	struct tce_extent extent = { .ua = reader->ua };

	if (!reader->held)
		read_hold(reader, max);
	extent.entries = min(max, reader->held);
	if (extent.entries >= reader->run_min)
		read_run(reader, &extent);
	reader->ua += extent.entries << reader->shift;
	reader->held -= extent.entries;
	return extent;
}

/**
 * struct tce_map - a MAP in progress
 * @table: the table
 * @entry: the next entry
 * @left: number of entries from there on
 * @dir: the device's permissions
 * @rc: 0, or why it has ended
 * @reader: reads the memory
 */
struct tce_map {
	struct tce_table *table;
	unsigned long entry;
	unsigned long left;
	enum dma_data_direction dir;
	int rc;
	struct tce_reader reader;
};

/*
 * The platform invalidates them. Return: how many count as written, which on failure are all of
 * them, so that they are cleared
 */
static noinline unsigned long write_run(struct tce_map *map, __be64 *pua, struct tce_extent extent)
{
	unsigned long step = 1UL << map->reader.shift, offset = 0, i;

	map->rc = tce_table_set(map->table, map->entry, extent.entries, extent.hpa, map->dir);
	for (i = 0; i < extent.entries; i++, offset += step)
		tce_pua_write(&pua[i], tce_val(map->reader.batch, extent.ua + offset,
					       extent.hpa + offset, map->dir));
	return extent.entries;
}

/* Return: how many are written, fewer than @extent has if the next one is refused */
static __always_inline unsigned long write_each(struct tce_map *map, struct tce_gather *gather,
						__be64 *pua, struct tce_extent extent)
{
	const struct tce_reader reader = map->reader;
	unsigned long step = 1UL << reader.shift, i;
	unsigned long entry = map->entry, ua = extent.ua, hpa = 0;
	enum dma_data_direction dir = map->dir;
	struct tce_table *table = map->table;
	struct tce_content now;
	int rc;

	for (i = 0; i < extent.entries; i++, ua += step, hpa += step) {
		if (PAGE_SIZE == SZ_4K || !i || !offset_in_page(ua))
			hpa = read_hpa(&reader, ua);
		now = (struct tce_content){ hpa, dir, tce_val(reader.batch, ua, hpa, dir) };
		rc = exchange_entry(table, entry + i, &pua[i], &now);
		if (unlikely(rc)) {
			map->rc = TCE_REFUSE(rc);
			break;
		}
		gather_entries(gather, entry + i, entry + i + 1);
		if (unlikely(now.val))
			gather_release(gather, &now);
	}
	return i;
}

static __always_inline bool is_run(const __be64 *pua, struct tce_extent extent)
{
	return extent.contiguous && tce_pua_run(pua, extent.entries, true) == extent.entries;
}

/* Inline for MAP of one entry */
static __always_inline void map_chunk(struct tce_map *map)
{
	struct tce_table *table = map->table;
	struct tce_gather gather __uninitialized;
	struct tce_extent extent;
	unsigned long n, end;
	__be64 *pua;

	map->rc = mutex_lock_killable(&table->lock);
	if (map->rc)
		return;
	pua = tce_table_pua(table, map->entry, true, &n);
	if (!pua) {
		map->rc = -ENOMEM;
		goto out_unlock;
	}
	end = map->left - min3(n, map->left, TCE_CHUNK);
	gather_init(&gather, table);
	do {
		n = tce_table_has_level(table, map->entry) ? map->left - end : 1;
		extent = read_next(&map->reader, n);
		n = is_run(pua, extent) ? write_run(map, pua, extent) :
					  write_each(map, &gather, pua, extent);
		pua += n;
		map->entry += n;
		map->left -= n;
	} while (!map->rc && map->left > end);
	if (map->rc)
		read_undo(&map->reader, extent.entries - n);
	gather_flush(&gather);
out_unlock:
	mutex_unlock(&table->lock);
}

/* v2: @first returns the region in which the memory begins. */
static int check_memory(struct tce_memory *mem, unsigned long ua, unsigned long size,
			unsigned int shift, bool write, struct tce_region **first)
{
	unsigned long end = ua + size;
	struct tce_region *region;

	if (end < ua)
		return TCE_REFUSE(-EINVAL);
	for (*first = NULL;;) {
		region = tce_region_find(mem->tmm, ua);
		if (!region)
			return TCE_REFUSE(-EINVAL, "NOT_REGISTERED", ua);
		if (region->page_shift < shift)
			return TCE_REFUSE(-EINVAL, "PAGE_TOO_SMALL", 1UL << region->page_shift);
		if (write)
			tce_region_written(region);
		*first = *first ?: region;
		ua = tce_region_end(region);
		if (ua >= end)
			return 0;
		/* there may be as many regions as pages */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
}

/**
 * tce_table_map() - MAP
 * @table: the table, with &tce_mm.map_lock held
 * @first: first entry
 * @ua: address of the memory, aligned to the IOMMU page
 * @n: number of entries; 0 maps nothing
 * @dir: the devices' permissions
 * @batch: v1: the pages of exactly this memory
 *
 * Replaces existing mappings. Undone by tce_table_unmap(). Context: the owner of the memory;
 * sleeps, but waits for no other client.
 *
 * Return: 0; -EINVAL if some IOMMU page is not inside one region, or is larger than the pages
 * behind it (v2); -ENOMEM or -EIO if the platform refused; -EINTR on SIGKILL. After an error the
 * range is unmapped, or unchanged if no entry was written.
 */
int tce_table_map(struct tce_table *table, unsigned long first, unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	unsigned int shift = table->tbl->it_page_shift;
	bool write = tce_dir_writes(dir);
	struct tce_map map = {
		.table = table,
		.entry = first,
		.left = n,
		.dir = dir,
		.reader = {
			.table = table,
			.batch = batch,
			.ua = ua,
			.shift = shift,
			/* one entry is no run */
			.run_min = n > 1 && tce_table_may_set(table, dir) ? least_run(table, n) :
									    ULONG_MAX,
		},
	};

	if (!batch && n)
		map.rc = check_memory(table->mem, ua, n << shift, shift, write,
				      &map.reader.region);
	while (!map.rc && map.left) {
		map_chunk(&map);
		if (!map.rc && map.left && fatal_signal_pending(current))
			map.rc = -EINTR;
		if (need_resched())
			cond_resched();
	}
	/*
	 * Even if the caller is killed. And one by one, because the platform might also refuse
	 * midway to clear a run that it refused to set, which the run's empty end would hide.
	 */
	if (map.rc && map.left < n)
		unmap_entries(table, first, n, ULONG_MAX, false);
	return map.rc;
}
