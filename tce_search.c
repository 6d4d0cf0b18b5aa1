// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tables map of a region, for those who release memory (struct tce_tables).
 *
 * In tables that are not shared, and for regions that are not in KVM's list, userspace entries and
 * &tce_region.mapped tell. In a shared table only the TCEs themselves tell what KVM maps, and they
 * do only while it is paused; the head of tce_kvm.c has the whole argument.
 *
 * Locks: the caller holds &tce_mm.region_lock, and &tce_mm.map_lock for writing, until after
 * resume(). The table's lock is not needed then, but for UNMAP.
 *
 * Never fails: resume().
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include <asm/mmu_context.h>
#include <asm/tce.h>

#include "tce_region.h"
#include "tce_table.h"
#include "tce_trace.h"

#define TCE_PERMISSIONS		(TCE_PCI_READ | TCE_PCI_WRITE)

/**
 * struct tce_reading - the shared tables of an mm are being read
 * @tmm: the mm's memory
 * @mem: the container whose mappings of @region are removed; NULL for none
 * @region: the region; NULL for none
 * @table: the table
 * @holder: whose entry was left as it is before; NULL at the beginning of a table
 * @first: first of the entries that were cleared and not invalidated yet
 * @end: end of these; 0 for none
 * @refused: the platform did not say what an entry maps, or did not clear it
 */
struct tce_reading {
	struct tce_mm *tmm;
	const struct tce_memory *mem;
	const struct tce_region *region;
	struct tce_table *table;
	struct tce_region *holder;
	unsigned long first;
	unsigned long end;
	bool refused;
};

/*
 * Clear an entry of the region, a tombstone, or what does not fit its userspace entry, because
 * vCPUs or MAP have raced. Or note whose page it maps.
 */
static noinline void read_unlike(struct tce_reading *reading, unsigned long entry, __be64 *pua,
				 u64 tce)
{
	u64 val = tce_pua_read(pua), ua = val & ~TCE_UA_VFIO;
	enum dma_data_direction dir = DMA_NONE;
	struct tce_table *table = reading->table;
	struct tce_region *holder = tce_region_find(reading->tmm, ua);
	unsigned long hpa = 0;

	if (holder && (tce & TCE_PERMISSIONS) &&
	    tce_region_hpa(holder, ua) == (tce & ~TCE_PERMISSIONS) &&
	    (holder != reading->region || table->mem != reading->mem)) {
		holder->in_use = true;
		reading->holder = holder;
		return;
	}
	if (table->ops->xchg_no_kill(table->tbl, entry, &hpa, &dir)) {
		reading->refused = true;
		return;
	}
	/* what &tce_region.mapped counts, UNMAP counts down by its userspace entry */
	if (!(val & TCE_UA_VFIO) || !holder || holder->mm_iommu)
		tce_pua_write(pua, TCE_UA_USED);
	if (!(val & TCE_UA_VFIO) && holder && holder->mm_iommu)
		mm_iommu_mapped_dec(holder->mm_iommu);
	if (!reading->end)
		reading->first = entry;
	reading->end = entry + 1;
}

/* Most entries are of the region that the one before is of. */
static __always_inline void read_entry(struct tce_reading *reading, unsigned long entry,
				       __be64 *pua, u64 tce)
{
	const struct tce_region *holder = reading->holder;
	unsigned long ua = tce_pua_read(pua) & ~TCE_UA_VFIO;

	if (unlikely(!(tce & TCE_PERMISSIONS) || !holder ||
		     ua - holder->ua >= holder->npages << PAGE_SHIFT ||
		     tce_region_hpa(holder, ua) != (tce & ~TCE_PERMISSIONS)))
		read_unlike(reading, entry, pua, tce);
}

/* @tces: NULL for a table of the hypervisor's, which is asked about entries that were ever used. */
static void read_chunk(struct tce_reading *reading, unsigned long entry, const __be64 *tces,
		       __be64 *pua, unsigned long n)
{
	unsigned long i;
	u64 tce;

	for (i = 0; i < n; i++) {
		if (tces) {
			tce = tce_pua_read(&tces[i]);
			if (tce)
				read_entry(reading, entry + i, &pua[i], tce);
		} else if (READ_ONCE(pua[i])) {
			if (tce_table_get(reading->table, entry + i, &tce))
				reading->refused = true;
			else if (tce & TCE_PERMISSIONS)
				read_entry(reading, entry + i, &pua[i], tce);
		}
	}
	if (reading->end)
		tce_table_invalidate(reading->table, reading->first, reading->end - reading->first);
	reading->end = 0;
}

/* Return: 0; -EINTR on SIGKILL, for an UNREGISTER alone */
static int read_table(struct tce_reading *reading)
{
	struct iommu_table *tbl = reading->table->tbl;
	const bool in_memory = reading->table->ops->tce_kill;
	unsigned long at, n;
	unsigned int missing;
	__be64 *pua, *tces = NULL;

	reading->holder = NULL;
	for (at = 0; at < tbl->it_size; at += n) {
		pua = tce_table_pua(reading->table, tbl->it_offset + at, false, &n);
		n = min(n, tbl->it_size - at);
		if (in_memory)
			tces = tce_table_walk(tbl, (__be64 *)tbl->it_base, at, &missing);
		if (!pua || (in_memory && !tces))
			continue;
		n = min(n, TCE_CHUNK);
		read_chunk(reading, tbl->it_offset + at, tces, pua, n);
		if (reading->mem && fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
	return 0;
}

/* Return: 0; -EINTR; -EBUSY if it is not known what an entry maps */
static int read_shared(struct tce_mm *tmm, const struct tce_memory *mem,
		       const struct tce_region *region)
{
	struct tce_reading reading = { .tmm = tmm, .mem = mem, .region = region };
	struct tce_region *listed;
	int rc;

	list_for_each_entry(listed, &tmm->listed_regions, in_list)
		listed->in_use = false;
	if (!tce_kvm_pause(tmm))
		return 0;
	list_for_each_entry(reading.table, &tmm->tables, in_mm) {
		if (!reading.table->shared)
			continue;
		rc = read_table(&reading);
		if (rc)
			return rc;
	}
	return reading.refused ? TCE_REFUSE(-EBUSY) : 0;
}

/* Whether a userspace entry is MAP's, of the region */
static __always_inline bool is_of(const struct tce_region *region, u64 val)
{
	return val - (region->ua | TCE_UA_VFIO) < region->npages << PAGE_SHIFT;
}

/* Count userspace entries in a row that are MAP's of the region. */
static unsigned long run_of(const struct tce_region *region, const __be64 *pua, unsigned long max)
{
	unsigned long n = 0;

	while (n < max && is_of(region, tce_pua_read(&pua[n])))
		n++;
	return n;
}

/* Count those that are others, and not empty. */
static unsigned long run_of_others(const struct tce_region *region, const __be64 *pua,
				   unsigned long max)
{
	unsigned long n;
	u64 val;

	for (n = 0; n < max; n++) {
		val = tce_pua_read(&pua[n]);
		if (!val || is_of(region, val))
			break;
	}
	return n;
}

/*
 * Unmap the next run of entries if it maps the region, or only count it if @others is not NULL.
 * Skip it if it is empty or maps other memory.
 */
static void search_next(struct tce_table *table, const struct tce_region *region, long *others)
{
	struct tce_search *search = &table->search;
	unsigned long size = table->tbl->it_size, at, entry, n, run;
	__be64 *pua;

	at = search->from + search->seen;
	if (at >= size)
		at -= size;
	entry = table->tbl->it_offset + at;
	pua = tce_table_pua(table, entry, false, &n);
	n = min3(n, size - at, size - search->seen);
	if (pua) {
		n = min(n, TCE_CHUNK);
		run = run_of(region, pua, n);
		if (run && search->found == size)
			search->found = at;
		/* entries that the platform refuses to clear stay counted */
		if (run && others)
			*others += run;
		else if (run)
			tce_table_unmap(table, entry, run);
		n = run ?: tce_pua_run(pua, n, true) ?: run_of_others(region, pua, n);
	}
	search->seen += n;
}

/*
 * Remove a container's mappings that are counted. Those of the mm's other containers stay, and are
 * counted to end the search when all are found. It goes through the tables side by side, each from
 * the first find of the last search, because clients often map and unregister in the same order or
 * at the same place, and in all containers alike.
 */
static int unmap_counted(struct tce_memory *mem, const struct tce_region *region)
{
	struct tce_table *table, *next;
	long others = 0;

	list_for_each_entry(table, &mem->tmm->tables, in_mm) {
		if (table->search.found < table->tbl->it_size)
			table->search.from = table->search.found;
		table->search.found = table->tbl->it_size;
		/* in a shared table those of KVM's list were found by the TCEs */
		table->search.seen = table->shared && region->mm_iommu ? table->tbl->it_size : 0;
	}
	while (atomic64_read(&region->mapped) > others) {
		next = NULL;
		list_for_each_entry(table, &mem->tmm->tables, in_mm)
			if (table->search.seen < table->tbl->it_size &&
			    (!next || table->search.seen < next->search.seen))
				next = table;
		if (!next)
			break;
		search_next(next, region, next->mem == mem ? NULL : &others);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
	return 0;
}

static int search(struct tce_mm *tmm, struct tce_memory *mem, struct tce_region *region)
{
	int rc = 0;

	if (!region || region->mm_iommu)
		rc = read_shared(tmm, mem, region);
	return rc || !region ? rc : unmap_counted(mem, region);
}

const struct tce_tables tce_tables = {
	.search = search,
	.resume = tce_kvm_resume,
};
