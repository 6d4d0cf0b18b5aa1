// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MAP or UNMAP takes out of an entry is put once, and not before the entry was invalidated. What the
 * platform refuses to change is not put, and keeps its userspace entry. All that UNMAP has taken out is invalidated, and
 * all that MAP has written; of a shared table, for a client, also what was empty. No entry is exchanged but those of the
 * call, and none twice.
 *
 * UNMAP goes through its range part by part, and leaves none out (PARTS, shown for up to two missing levels, which are
 * parts of any length). What a MAP's chunk has not written is not counted (CHUNK).
 *
 * Shown for two entries in a row, which have any userspace entries. What MAP of v1, or an UNMAP that exchanges, has taken
 * out of others may be waiting then, with one place left in the list (WAITING), so that it holds for any number of
 * entries, one after the other; MAP of v2 has the same list. All that waits is put in less than PUTS turns. The proof
 * follows one registered region (v2) or page (v1), which may be any.
 *
 * Assumed: what MAP writes, and what is waiting, is not of that region; an exchange that the platform refuses changes
 * nothing, an empty entry has no address, and clear() and set() invalidate.
 *
 * each: CALL=MAP V1=1 SHARED=0 WAITING=0 PUTS=3
 * each: CALL=MAP V1=1 SHARED=0 WAITING=31 PUTS=34
 * each: CALL=MAP,UNMAP,CHUNK V1=0 SHARED=0,1 WAITING=0 PUTS=3
 * each: CALL=UNMAP V1=0 SHARED=1 WAITING=31 PUTS=34
 * each: CALL=UNMAP V1=1 SHARED=0 WAITING=0 PUTS=3
 * each: CALL=UNMAP V1=1 SHARED=0 WAITING=31 PUTS=34
 * each: CALL=CHUNK V1=1 SHARED=0 WAITING=0 PUTS=3
 * each: CALL=PARTS V1=0 SHARED=0 WAITING=0 PUTS=3
 * unwind: 3 gather_put_all.0:PUTS any_gather.0:33 put_kvm.0:4
 *
 * control: gather_put_all tce_table_invalidate gather_put gather_entries find_holder put_holder write_each CALL=MAP V1=1 WAITING=0
 * control: gather_put_all gather_put CALL=MAP V1=1 WAITING=31
 * control: gather_put_all tce_table_invalidate erase_run tce_pua_write erase_each CALL=UNMAP V1=1 WAITING=0
 * control: gather_put gather_entries find_holder erase_each CALL=UNMAP V1=0 SHARED=1 WAITING=0
 * control: unmap_chunk CALL=PARTS
 * control: read_hold read_undo write_run CALL=CHUNK V1=1
 * control: read_hold read_undo CALL=CHUNK V1=0
 */
struct mm_iommu_table_group_mem_t;

static void sub(long n, void *from);
#define atomic64_sub(n, a)	sub(n, a)

#include "../tce_table.c"
#include "../tce_trace.c"

enum { MAP, UNMAP, CHUNK, PARTS };

#define MAPS	(CALL == MAP || CALL == CHUNK)

#define N	2

/* An entry of the call */
static struct {
	u64 was;			/* its userspace entry, */
	unsigned long there;		/* address */
	enum dma_data_direction live;	/* and direction before */
	bool agrees;			/* it has to be put if it is taken out */
	bool taken, invalidated;
} of[N];

static unsigned long first, count;	/* the entries of the call */
static __be64 pua[N];
static struct tce_region its, others;
static u64 val;				/* the value that is looked at, of a page of v1 */
static unsigned long puts;
static long took;			/* of the memory that MAP writes */

static unsigned long to_put(bool invalidated)
{
	unsigned long n = 0;
	int i;

	for (i = 0; i < N; i++)
		n += of[i].agrees && of[i].taken && (of[i].invalidated || !invalidated);
	return n;
}

static void put(unsigned long n)
{
	prove(n <= N);
	puts += n;
	prove(puts <= to_put(true));
}

/* The page of v1, and whether it is written, that a userspace entry has; and one that is not looked at */
#define PAGE_OF(val)	((val) & PAGE_MASK & ~TCE_UA_VFIO)
#define ELSEWHERE	(TCE_UA_VFIO | 3UL << PAGE_SHIFT)

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

void tce_v1_put(struct tce_v1 *v1, u64 its_val, unsigned long n)
{
	if (its_val == val)
		put(n);
	else
		took -= n;
}

void tce_v1_take(struct tce_v1_batch *batch, unsigned long ua, unsigned long n)
{
	took += n;
}

void tce_v1_untake(struct tce_v1_batch *batch, unsigned long ua, unsigned long n)
{
	took -= n;
}

unsigned long tce_v1_extent(const struct tce_v1_batch *batch, unsigned long ua, unsigned long max, unsigned long *hpa)
{
	unsigned long size = any_ulong();

	assume(size && size <= max);
	return size;
}

unsigned long tce_region_extent(const struct tce_region *region, unsigned long ua, unsigned long max, unsigned long *hpa)
{
	return tce_v1_extent(NULL, ua, max, hpa);
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
	unsigned long i = (unsigned long)index - first;

	prove(i < count && !of[i].taken);
	if (any_bool())
		return any_bool() ? -ENOMEM : -EIO;
	of[i].taken = true;
	*hpa = of[i].there;
	*dir = of[i].live;
	return 0;
}

static void invalidate(unsigned long from, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < N; i++)
		if (of[i].taken && first + i - from < n)
			of[i].invalidated = true;
}

static void kill(struct iommu_table *tbl, unsigned long from, unsigned long n)
{
	invalidate(from, n);
}

static unsigned long next, end;		/* of PARTS: the next part, and the end of the range */
static unsigned long here;		/* of CHUNK: how many entries the chunk may have */

__be64 *tce_table_pua(struct tce_table *table, unsigned long entry, bool alloc, unsigned long *left)
{
	static unsigned int parts;

	*left = any_ulong();
	if (CALL == PARTS) {
		prove(entry == next && entry < end);
		assume(*left && (++parts < 2 || *left >= end - entry));
		next += min(*left, end - entry);
		return NULL;
	}
	prove(entry == first);
	assume(*left);
	here = *left;
	return any_bool() ? pua : NULL;
}

bool tce_table_clear(struct tce_table *table, unsigned long from, unsigned long n)
{
	unsigned long i;

	prove(from - first < count && n <= count - (from - first));
	if (any_bool())
		return false;
	for (i = 0; i < N; i++) {
		if (first + i - from >= n)
			continue;
		prove(!of[i].taken);
		of[i].taken = true;
	}
	invalidate(from, n);
	return true;
}

bool tce_table_has_level(const struct tce_table *table, unsigned long entry)
{
	return any_bool();
}

int tce_table_set(struct tce_table *table, unsigned long from, unsigned long n, unsigned long hpa,
		  enum dma_data_direction dir)
{
	unsigned long i;

	prove(from - first < count && n <= count - (from - first));
	for (i = 0; i < N; i++) {
		if (first + i - from >= n)
			continue;
		prove(!of[i].taken && !pua[i]);
		of[i].taken = true;
	}
	invalidate(from, n);
	return any_bool() ? -EIO : 0;
}

/* What others have had is waiting, of entries before these. */
static void any_gather(struct tce_gather *gather)
{
	int i;

	gather->nr = WAITING;
	gather->first = any_ulong();
	gather->end = any_ulong();
	assume(!gather->end || (gather->first < gather->end && gather->end <= first));
	for (i = 0; i < WAITING; i++) {
		gather->put[i].holder = V1 ? (struct tce_holder){ ELSEWHERE, PAGE_SIZE } :
			(struct tce_holder){ others.ua | TCE_UA_VFIO, others.npages << PAGE_SHIFT, &others };
		gather->put[i].n = 1;
	}
}

static void any_entry(int i)
{
	u64 was = any_u64(), ua = was & ~TCE_UA_VFIO;

	of[i].was = was;
	of[i].live = any_dir();
	of[i].there = of[i].live == DMA_NONE ? 0 : any_ulong();
	if (V1)
		of[i].agrees = PAGE_OF(was) == val && was & TCE_UA_VFIO;
	else
		of[i].agrees = ua >= its.ua && ua < tce_region_end(&its) &&
			       (SHARED ? of[i].there == hpa_of(ua) : was & TCE_UA_VFIO);
	/* of what the chunk writes itself nothing was there */
	if (CALL == CHUNK)
		assume(V1 ? of[i].agrees || !(was & TCE_UA_VFIO) : ua < others.ua || ua >= tce_region_end(&others));
	pua[i] = cpu_to_be64(was);
}

int main(void)
{
	struct iommu_table_ops ops = { .xchg_no_kill = platform_xchg, .tce_kill = kill };
	struct iommu_table tbl = { .it_page_shift = 12 };
	struct tce_v1 v1;
	struct tce_mm tmm = { .regions.rb_node = &its.node };
	struct tce_memory mem = { .tmm = &tmm, .v1 = V1 ? &v1 : NULL };
	struct tce_table table = { .tbl = &tbl, .ops = &ops, .mem = &mem, .shared = SHARED };
	struct page *pages[N];
	struct tce_v1_batch batch = { .mem = &mem, .n = N, .pages = pages };
	struct tce_gather gather;
	struct tce_extent extent;
	struct tce_map map = { .table = &table, .dir = any_dir() };
	unsigned long n = any_ulong(), run_min = any_ulong(), ua, i;
	bool client = any_bool();
	int rc;

	its.ua = BIT(32);
	its.npages = 2;
	its.mm_iommu = (struct mm_iommu_table_group_mem_t *)&its;
	its.node.rb_right = &others.node;
	others.ua = tce_region_end(&its);
	others.npages = N;
	others.page_shift = PAGE_SHIFT;
	others.mm_iommu = (struct mm_iommu_table_group_mem_t *)&others;

	first = any_ulong();
	assume(n && n <= N && first < BIT(63) - N);
	assume(run_min > 1);
	count = n;
	val = PAGE_OF(any_u64());
	assume(val != PAGE_OF(ELSEWHERE));
	for (i = 0; i < N; i++)
		any_entry(i);
	any_gather(&gather);
	gather.table = &table;

	assume(map.dir != DMA_NONE);
	ua = others.ua + (any_ulong() % (PAGE_SIZE >> 12) << 12);
	batch.ua = others.ua;
	for (i = 0; i < N; i++) {
		pages[i] = pfn_to_page(any_u32());
		assume(PAGE_OF(tce_v1_val(tce_page_hpa(pages[i]), false)) != val);
		assume(PAGE_OF(tce_v1_val(tce_page_hpa(pages[i]), true)) != val);
	}
	map.entry = first;
	map.left = n;
	map.reader = (struct tce_reader){ .mem = &mem, .batch = V1 ? &batch : NULL, .region = &others, .ua = ua,
					  .shift = 12, .run_min = SHARED ? ULONG_MAX : run_min };

	if (CALL == PARTS) {
		next = first;
		end = first + any_ulong();
		assume(end >= first && end < BIT(63));
		rc = unmap_entries(&table, first, end - first, run_min, client);
		prove(rc == -EINTR || (!rc && next == end));
		return 0;
	}
	if (CALL == CHUNK) {
		rc = map_chunk(&map);
		prove(rc || map.left == n - min(n, here));
		prove((V1 ? took : took + others.mapped.n) == n - map.left);
	} else if (CALL == MAP) {
		extent = (struct tce_extent){ ua, n };
		rc = write_each(&map, &gather, pua, &extent);
		gather_flush(&gather);
		prove(!rc == !extent.entries);
		map.left = extent.entries;
	} else {
		erase(&gather, first, pua, n, SHARED ? ULONG_MAX : run_min, client);
		gather_flush(&gather);
	}

	if (MAPS) {
		prove(map.left <= n);
		for (i = 0; i < N; i++)
			prove(of[i].taken == (i < n - map.left));
	}
	prove(puts == to_put(false));
	for (i = 0; i < N; i++) {
		if (MAPS || !SHARED || client || of[i].live != DMA_NONE)
			prove(!of[i].taken || of[i].invalidated);
		if (!of[i].taken || (!MAPS && SHARED && of[i].live == DMA_NONE && !(of[i].was & TCE_UA_VFIO)))
			prove(pua[i] == cpu_to_be64(of[i].was));
		else
			prove(MAPS || !pua[i]);
	}
	return 0;
}
