// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MAP writes as one run is contiguous: each byte of an extent is where its first byte's
 * address says, an extent is not empty and not longer than was asked for, and it ends early only
 * where the next page is elsewhere. A run of userspace entries has only empty ones, or only others,
 * and ends at one that is not so.
 *
 * Assumed: hpas have at most 52 bits. Looked at are up to two pages of v1, two contiguous blocks,
 * and five userspace entries. Of a block whose pages are known one by one, CBMC does not find an
 * end.
 *
 * each: CALL=V1,BLOCKS,PUAS
 * each: CALL=V1 PAGE_SHIFT=12
 * unwind: 6
 *
 * control: tce_v1_extent CALL=V1
 * control: tce_region_extent tce_block_hpa CALL=BLOCKS
 * control: tce_pua_run CALL=PUAS
 */
#include "../tce_region.c"
#include "../tce_v1.c"
#include "../tce_table.c"
#include "../tce_trace.c"

enum { V1, BLOCKS, PUAS };

#define PIECES		2
#define HPA_BITS	52

static unsigned long any_page_hpa(void)
{
	unsigned long hpa = any_ulong() << PAGE_SHIFT;

	assume(hpa < 1UL << HPA_BITS);
	return hpa;
}

static void v1(void)
{
	unsigned long at = any_ulong(), max = any_ulong(), byte = any_ulong(), size, hpa;
	struct page *pages[PIECES];
	struct tce_v1_batch batch = { .ua = any_ulong() & PAGE_MASK, .n = PIECES, .pages = pages };
	int i;

	for (i = 0; i < PIECES; i++)
		pages[i] = pfn_to_page(PHYS_PFN(any_page_hpa()));
	assume(at < PIECES * PAGE_SIZE && max && max <= PIECES * PAGE_SIZE - at);
	assume(batch.ua < TASK_SIZE_MAX);
	at += batch.ua;

	size = tce_v1_extent(&batch, at, max, &hpa);
	prove(size && size <= max);
	assume(byte < size);
	prove(tce_v1_hpa(&batch, at + byte) == hpa + byte);
	prove(size == max || tce_v1_hpa(&batch, at + size) != hpa + size);
}

static void region(void)
{
	unsigned long space[sizeof(struct tce_region) / sizeof(long) + PIECES];
	struct tce_region *p = (struct tce_region *)space;
	unsigned long at = any_ulong(), max = any_ulong(), byte = any_ulong(), size, hpa;
	int i;

	p->ua = any_ulong() & PAGE_MASK;
	p->npages = any_ulong();
	assume(p->ua < TASK_SIZE_MAX && p->npages && p->npages <= PIECES * TCE_BLOCK >> PAGE_SHIFT);
	assume(tce_blocks_count(p->ua, p->npages) <= PIECES);
	assume(at >= p->ua && at < tce_region_end(p) && max && max <= tce_region_end(p) - at);
	for (i = 0; i < PIECES; i++)
		p->blocks[i] = any_page_hpa();

	size = tce_region_extent(p, at, max, &hpa);
	prove(size && size <= max);
	assume(byte < size);
	prove(tce_region_hpa(p, at + byte) == hpa + byte);
	prove(size == max || tce_region_hpa(p, at + size) != hpa + size);
}

static void puas(void)
{
	unsigned long max = any_ulong(), n, i = any_ulong();
	bool empty = any_bool();
	__be64 pua[5];

	assume(max <= ARRAY_SIZE(pua));
	n = tce_pua_run(pua, max, empty);
	prove(n <= max);
	prove(n == max || !pua[n] != empty);
	assume(i < n);
	prove(!pua[i] == empty);
}

int main(void)
{
	if (CALL == V1)
		v1();
	else if (CALL == PUAS)
		puas();
	else
		region();
	return 0;
}
