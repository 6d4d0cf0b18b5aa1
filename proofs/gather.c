// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MAP or UNMAP takes out of an entry is put once, and not before the entry was invalidated. What the
 * platform refuses to change is not put, and keeps its userspace entry. All that UNMAP has taken out is invalidated, and
 * all that MAP has written; of a shared table, for a client, also what was empty. No entry is exchanged but those of the
 * call, and none twice.
 *
 * The commands of one entry put what they took if the platform refuses.
 *
 * Shown for either of two entries in a row, and for the commands of one. What MAP, or UNMAP of a shared table, has taken out of others may be
 * waiting then, with no or one place left in the list (WAITING), so that it holds for any number of entries, one after
 * the other.
 *
 * Assumed: nothing else in the call has the same memory (v2) or value (v1), so that it can be told which is put; an
 * exchange that the platform refuses changes nothing, an empty entry has no address, and clear() invalidates.
 *
 * each: CALL=MAP V1=1 SHARED=0 WAITING=0,31
 * each: CALL=MAP V1=0 SHARED=0,1 WAITING=31
 * each: CALL=UNMAP V1=0 SHARED=1 WAITING=31
 * each: CALL=UNMAP V1=0,1 SHARED=0 WAITING=0
 * each: CALL=MAP_ONE,UNMAP_ONE V1=0 SHARED=0,1 WAITING=0
 * each: CALL=MAP_ONE,UNMAP_ONE V1=1 SHARED=0 WAITING=0
 * unwind: 4 gather_flush.0:34 any_gather.0:33
 *
 * control full: tce_map.c WAITING=31
 *	if (gather->nr == TCE_GATHER_MAX)
 *	if (false)
 * control first: tce_map.c
 *	gather_entries(gather, entry + from, entry + i + 1);
 *	gather_entries(gather, entry + i, entry + i + 1);
 * control rest: tce_map.c
 *	if (i > from)
 *	if (false)
 * control last: tce_map.c
 *	gather->end = end;
 *	gather->end = end - 1;
 * control same: tce_map.c
 *	if (what == before) {
 *	if (what == before || !before) {
 * control live: tce_map.c CALL=UNMAP V1=0 SHARED=1
 *	if (old.dir != DMA_NONE || old.val || client)
 *	if (old.val || client)
 * control client: tce_map.c CALL=UNMAP V1=0 SHARED=1
 *	if (old.dir != DMA_NONE || old.val || client)
 *	if (old.dir != DMA_NONE || old.val)
 * control agreed: tce_map.c V1=0 SHARED=1
 *	tce_prereg_hpa(prereg, ua) != old->hpa))
 *	false))
 * control cleared: tce_map.c CALL=UNMAP
 *	tce_pua_write(&pua[i++], 0);
 *	i++;
 * control next: tce_map.c CALL=UNMAP
 *	tce_pua_read(&pua[i]) - first < size);
 *	tce_pua_read(&pua[i]) - first <= size);
 * control refused: tce_map.c CALL=UNMAP
 *	if (table->ops->xchg_no_kill(table->tbl, entry, &hpa, &dir))
 *	if (table->ops->xchg_no_kill(table->tbl, entry, &hpa, &dir) == -EINVAL)
 * control kept: tce_map.c CALL=MAP_ONE
 *	tce_v1_take(batch, ua, 1);
 *	tce_v1_take(batch, ua, 2);
 * control written: tce_map.c CALL=MAP_ONE
 *	if (unlikely(new.val))
 *	if (unlikely(new.val && !rc))
 * control early: tce_table.h CALL=UNMAP_ONE
 *	table->ops->tce_kill(table->tbl, entry, 1);
 *	(void)entry;
 */
struct mm_iommu_table_group_mem_t;

static void sub(long n, void *from);
#define atomic64_sub(n, a)	sub(n, a)

#include "../tce_map.c"
#include "../tce_trace.c"

enum { MAP, UNMAP, MAP_ONE, UNMAP_ONE };

#define MAPS	(CALL == MAP || CALL == MAP_ONE)
#define ONE	(CALL == MAP_ONE || CALL == UNMAP_ONE)

#define N	2

static unsigned long first, at;		/* the entries, and which of them is looked at */
static __be64 pua[N + 1];
static u64 was;				/* the userspace entry that it had */
static unsigned long there;		/* and the address */
static enum dma_data_direction live;
static struct tce_prereg its, others;
static bool taken, invalidated;
static unsigned long puts;
static long took;			/* of the memory that MAP writes */

static void put(unsigned long n)
{
	prove(taken && invalidated);
	puts += n;
}

static void sub(long n, void *from)
{
	if (from == &its.mapped)
		put(n);
	else
		took -= n;
}

void mm_iommu_mapped_dec(struct mm_iommu_table_group_mem_t *mem)
{
	if (mem == its.mm_iommu)
		put(1);
}

void tce_v1_put(struct tce_v1 *v1, u64 val, unsigned long n)
{
	if (val == was)
		put(n);
	else
		took -= n;
}

void tce_v1_take(struct tce_v1_batch *batch, unsigned long ua, unsigned long n)
{
	took += n;
}

/* Pages of preregistered memory, which is in KVM's list, are as far apart as in user space. */
static unsigned long hpa_of(unsigned long ua)
{
	return BIT(50) + ua;
}

long mm_iommu_ua_to_hpa(struct mm_iommu_table_group_mem_t *mem, unsigned long ua, unsigned int shift, unsigned long *hpa)
{
	*hpa = hpa_of(ua);
	return 0;
}

static enum dma_data_direction any_dir(void)
{
	enum dma_data_direction dir = any_int();

	assume(dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE || dir == DMA_FROM_DEVICE || dir == DMA_NONE);
	return dir;
}

static int platform_xchg(struct iommu_table *tbl, long index, unsigned long *hpa, enum dma_data_direction *dir)
{
	int rc = any_bool() ? 0 : any_bool() ? -ENOMEM : -EIO;

	prove((unsigned long)index - first < N);
	if (rc)
		return rc;
	*hpa = any_ulong();
	*dir = any_dir();
	if (index == first + at) {
		prove(!taken);
		taken = true;
		*hpa = there;
		*dir = live;
	}
	return 0;
}

void tce_table_invalidate(struct tce_table *table, unsigned long from, unsigned long n)
{
	if (taken && first + at - from < n)
		invalidated = true;
}

static void kill(struct iommu_table *tbl, unsigned long from, unsigned long n)
{
	tce_table_invalidate(NULL, from, n);
}

__be64 *tce_table_pua(struct tce_table *table, unsigned long entry, bool alloc, unsigned long *left)
{
	prove(entry == first);
	*left = any_ulong();
	return any_bool() ? pua : NULL;
}

bool tce_table_clear(struct tce_table *table, unsigned long from, unsigned long n)
{
	prove(from - first < N && n <= N - (from - first));
	if (any_bool())
		return false;
	if (first + at - from < n)
		taken = invalidated = true;
	return true;
}

static bool is_its(u64 val)
{
	if (V1)
		return val == was;
	return (val & ~TCE_UA_VFIO) >= its.ua && (val & ~TCE_UA_VFIO) < tce_prereg_end(&its);
}

/* What others have had is waiting, of entries before these. */
static void any_gather(struct tce_gather *gather)
{
	unsigned long what = V1 ? 3 : (unsigned long)&others;
	int i;

	assume(!V1 || what != was);
	gather->nr = WAITING;
	gather->first = any_ulong();
	gather->end = any_ulong();
	assume(!gather->end || (gather->first < gather->end && gather->end <= first));
	for (i = 0; i < WAITING; i++) {
		gather->put[i].what = what;
		gather->put[i].n = 1;
	}
}

int main(void)
{
	struct iommu_table_ops ops = { .xchg_no_kill = platform_xchg, .tce_kill = kill };
	struct iommu_table tbl = { .it_page_shift = 12 };
	struct tce_v1 v1;
	struct tce_mm tmm = { .preregs.rb_node = &its.node };
	struct tce_memory mem = { .tmm = &tmm, .v1 = V1 ? &v1 : NULL };
	struct tce_table table = { .tbl = &tbl, .ops = &ops, .mem = &mem, .shared = SHARED };
	struct page *pages[N + 1];
	struct tce_v1_batch batch = { .mem = &mem, .n = N + 1, .pages = pages };
	struct tce_gather gather;
	struct tce_map map = { .table = &table, .dir = any_dir() };
	unsigned long n = any_ulong(), run_min = any_ulong(), ua, i;
	bool client = any_bool(), agrees;

	its.ua = BIT(32);
	its.npages = 2;
	its.mm_iommu = (struct mm_iommu_table_group_mem_t *)&its;
	its.node.rb_right = &others.node;
	others.ua = tce_prereg_end(&its);
	others.npages = N + 1;
	others.page_shift = PAGE_SHIFT;
	others.mm_iommu = (struct mm_iommu_table_group_mem_t *)&others;

	first = any_ulong();
	at = any_ulong();
	assume(n && n <= (ONE ? 1 : N) && at < n && first < BIT(63) - N);
	was = any_u64();
	assume(!was || is_its(was));
	for (i = 0; i < N; i++) {
		pua[i] = i == at ? cpu_to_be64(was) : any_u64();
		assume(i == at || !pua[i] || !is_its(be64_to_cpu(pua[i])));
	}
	live = any_dir();
	there = live == DMA_NONE ? 0 : any_ulong();
	agrees = V1 || !SHARED ? was & TCE_UA_VFIO : was && there == hpa_of(was & ~TCE_UA_VFIO);
	any_gather(&gather);
	gather.table = &table;

	assume(map.dir != DMA_NONE);
	ua = others.ua + (any_ulong() % (PAGE_SIZE >> 12) << 12);
	batch.ua = others.ua;
	for (i = 0; i <= N; i++) {
		pages[i] = pfn_to_page(any_u32());
		assume(tce_v1_val(pages[i], false) != was && tce_v1_val(pages[i], true) != was);
	}

	if (CALL == MAP) {
		map.first = first;
		if (V1)
			map.batch = &batch;
		else
			map.prereg = &others;
		if (SHARED)
			exchange(&map, &gather, pua, ua, n, true);
		else
			exchange(&map, &gather, pua, ua, n, false);
		gather_flush(&gather);
		prove(map.done <= n && taken == (at < map.done));
	} else if (CALL == MAP_ONE) {
		prove(!map_one(&table, first, ua, map.dir, V1 ? &batch : NULL) == taken);
		prove((V1 ? took : took + others.mapped.n) == taken);
	} else if (CALL == UNMAP_ONE) {
		unmap_one(&table, first);
		client = true;
	} else if (SHARED) {
		unmap_shared(&gather, first, pua, n, client);
		gather_flush(&gather);
	} else {
		gather_init(&gather, &table);
		assume(run_min);
		unmap_runs(&gather, first, pua, n, run_min);
	}

	if (MAPS || !SHARED || client || live != DMA_NONE)
		prove(!taken || invalidated);
	prove(puts == (taken && agrees));
	if (!taken || (!MAPS && SHARED && live == DMA_NONE && !(was & TCE_UA_VFIO)))
		prove(pua[at] == cpu_to_be64(was));
	else
		prove(MAPS || !pua[at]);
	return 0;
}
