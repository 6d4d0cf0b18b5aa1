// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process is charged for memory is what is pinned, or about to be. MAP of v1 charges what exceeds the charge
 * of ENABLE, so that no page is pinned that is not charged, or about to be by another MAP (MAP). REGISTER charges a
 * region, in KVM's list or not, and what is refused is uncharged at once, or by the kernel (REGISTER). What a region
 * was charged is uncharged when it is freed (UNREGISTER).
 *
 * Assumed: the kernel's own list charges what it takes, and nothing if it fails, and does not uncharge without an mm.
 * A region that is not in the list has NPAGES pages in one block, because pinning more loops by its data.
 *
 * each: CALL=MAP LISTED=0 PAGE_SHIFT=12 BITS=40 NPAGES=0
 * each: CALL=REGISTER,UNREGISTER LISTED=1 PAGE_SHIFT=12,16 BITS=40 NPAGES=0
 * each: CALL=REGISTER,UNREGISTER LISTED=0 PAGE_SHIFT=16 BITS=40 NPAGES=1,2
 * unwind: 4
 *
 * control: count_pages tce_charge tce_v1_allow CALL=MAP
 * control: tce_charge account_locked_vm region_create CALL=REGISTER LISTED=1 PAGE_SHIFT=16
 * control: tce_charge account_locked_vm(any) pin_blocks CALL=REGISTER LISTED=0 NPAGES=1
 * control: tce_uncharge_later region_free CALL=UNREGISTER LISTED=0 NPAGES=2
 */
#include "charge.h"
#include "../tce_mm.c"

static void *kmalloc_array(size_t n, size_t size, gfp_t flags);
#define memcpy(to, from, size)	((void)0)
static struct folio *page_folio(struct page *page);
static struct page *folio_page(struct folio *folio, unsigned long n);
static unsigned int folio_shift(struct folio *folio);

#include "../tce_v1.c"
#include "../tce_region.c"
#include "../tce_trace.c"

enum { MAP, REGISTER, UNREGISTER };

static struct tce_mm tmm = { .mm = &mm };
static struct tce_v1 v1;
static struct tce_memory mem = { .tmm = &tmm };
/* Pages of regions, and what other MAPs have counted and are about to charge */
static unsigned long registered, others_charge;

static unsigned long held(void)
{
	return (unsigned long)v1.charged + registered + (unsigned long)mem.uncharge.n;
}

static void any_state(void)
{
	mem.uncharge.n = any_amount();
	v1.charged = CALL == MAP ? any_amount() : 0;
	registered = CALL != MAP ? any_amount() : 0;
	suppose();
}

/* Each page that is counted is charged, or about to be. */
static bool all_charged(unsigned long mine)
{
	return (wide)v1.pages.n <= (wide)v1.charged + others_charge + mine;
}

static void any_pages(unsigned long mine)
{
	v1.pages.n = any_amount();
	others_charge = any_amount();
	assume(all_charged(mine));
}

unsigned long tce_pin_pages(struct page **pages, unsigned long ua, unsigned long n, bool write, int *rc)
{
	*rc = any_bool() ? -EFAULT : 0;
	return *rc ? 0 : n;
}

void tce_unpin_pages(struct page **pages, unsigned long n) {}

static void *kmalloc_array(size_t n, size_t size, gfp_t flags)
{
	static struct page *pages[NPAGES + 1];

	return any_bool() ? NULL : pages;
}

static struct folio *page_folio(struct page *page)
{
	return (struct folio *)any_ulong();
}

static struct page *folio_page(struct folio *folio, unsigned long n)
{
	return (struct page *)any_ulong();
}

static unsigned int folio_shift(struct folio *folio)
{
	return any_u32() % 40;
}

/* The kernel's own list */
long mm_iommu_new(struct mm_struct *its, unsigned long ua, unsigned long npages,
		  struct mm_iommu_table_group_mem_t **list)
{
	if (change(npages, true))
		return -ENOMEM;
	if (any_bool()) {
		change(npages, false);
		return any_bool() ? -EFAULT : -EINVAL;
	}
	*list = (struct mm_iommu_table_group_mem_t *)1;
	return 0;
}

int main(void)
{
	unsigned long n = NPAGES ?: any_amount(), was;
	struct tce_region *region;
	int rc;

	current = &task;
	task.mm = &mm;
	mem.v1 = CALL == MAP ? &v1 : NULL;
	any_state();
	switch (CALL) {
	case MAP:
		any_pages(0);
		was = v1.pages.n;
		rc = count_pages(&mem, n);
		prove(rc ? v1.pages.n == was : v1.pages.n == was + n);
		prove(all_charged(0));
		break;
	case REGISTER:
		/* an odd page, so that the size of the pages behind it is not looked for */
		region = region_create(&tmm, TCE_BLOCK + PAGE_SIZE, n, LISTED);
		if (!IS_ERR(region))
			registered += n;
		break;
	case UNREGISTER:
		region = some(sizeof(*region) + sizeof(*region->blocks));
		if (LISTED)
			region->mm_iommu = (struct mm_iommu_table_group_mem_t *)1;
		else
			region->blocks[0] = any_ulong();
		region->ua = TCE_BLOCK + PAGE_SIZE;
		region->npages = n;
		assume(n <= registered);
		registered -= n;
		region_free(region, &mem);
		break;
	}
	check();
	return 0;
}
