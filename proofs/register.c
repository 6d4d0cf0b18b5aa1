// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER accepts whole pages of user memory, not at address 0, no more than the process or the
 * host has, and nothing else. What is allocated for it has a place for each of its blocks: the walk
 * of tce_blocks_pin() goes from its first byte to its end by parts of blocks, each in the place
 * where a look-up of any of its addresses looks, and pins no more pages at once than its array has.
 * Only what is pinned counts as known. A block allows larger IOMMU pages than the CPU's only if all
 * of such a page is of hugetlbfs, contiguous with the block before, and as aligned as in user space.
 * That a look-up finds the page which is pinned there is shown by KUnit's tce_map and tce_memory.
 *
 * each: SHIFT=12,16
 * unwind: 2
 *
 * control: check_range tce_blocks_count block_end pin_ahead block_page_shift SHIFT=16
 * control: pin_hugetlb pin_ahead SHIFT=12
 */
#undef PAGE_SHIFT
#define PAGE_SHIFT	SHIFT

/* Memory that may be of hugetlbfs */
struct vm_area_struct { int unused; };
static struct vm_area_struct area;
static _Bool is_huge;
static long pin_one(void);

#define mmap_read_lock_killable(mm)	killed(mm)
#define mmap_read_unlock(mm)		((void)0)
#define vma_lookup(mm, ua)		(any_bool() ? &area : NULL)
#define is_vm_hugetlb_page(vma)		(is_huge = any_bool())
#define hstate_vma(vma)			(vma)
#define huge_page_size(size)		(1UL << (21 + any_u32() % 14))
#define pin_user_pages(ua, n, flags, page) pin_one()
#define page_folio(page)		((struct folio *)NULL)
#define kmalloc_array(n, size, flags)	NULL

#include "../tce_block.c"
#include "../tce_region.c"
#include "../tce_trace.c"

static unsigned long ram, asked;

unsigned long totalram_pages(void)
{
	return ram;
}

/* What is pinned ahead is what the array has room for. */
unsigned long tce_pin_pages(struct page **pages, unsigned long ua, unsigned long n, bool write,
			    int *rc)
{
	asked = n;
	*rc = 0;
	return n;
}

static long pin_one(void)
{
	return any_bool() ? 1 : any_bool() ? 0 : -ENOMEM;
}

static _Bool hugetlb;
static unsigned int folio_log;

static _Bool folio_test_hugetlb(struct folio *folio)
{
	return hugetlb;
}

static unsigned int folio_shift(struct folio *folio)
{
	return folio_log;
}

static bool whole_pages(u64 x)
{
	return x >> PAGE_SHIFT << PAGE_SHIFT == x;
}

static int want(u64 ua, u64 size, unsigned long mapped)
{
	wide end = (wide)ua + size;

	if (!size || !whole_pages(ua) || !whole_pages(size) || end > (wide)1 << 64)
		return -EINVAL;
	if (!ua || end > TASK_SIZE_MAX)
		return -EFAULT;
	if (size >> PAGE_SHIFT > ram && size >> PAGE_SHIFT > mapped)
		return -ENOMEM;
	return 0;
}

/* A block, or the part of the first one from @ua on, and the IOMMU pages that it allows */
static void larger_pages(unsigned long ua, bool is_first)
{
	unsigned long blocks[2] = { any_ulong(), any_ulong() }, i = !is_first;
	unsigned int shift;

	hugetlb = any_bool();
	folio_log = PAGE_SHIFT + any_u32() % 24;
	shift = block_page_shift(blocks, i, ua, NULL);
	prove(shift == PAGE_SHIFT || (hugetlb && shift == folio_log));
	if (shift == PAGE_SHIFT)
		return;
	prove(((blocks[i] + (ua & (TCE_BLOCK - 1)) - ua) & (BIT(shift) - 1)) == 0);
	prove(is_first || (ua & (BIT(shift) - 1)) == 0 || blocks[1] == blocks[0] + TCE_BLOCK);
}

int main(void)
{
	struct mm_struct mm = { .total_vm = any_ulong() };
	struct tce_mm tmm = { .mm = &mm };
	struct task_struct task = { .mm = &mm };
	unsigned long ua = any_ulong(), size = any_ulong(), at, blocks, n, next, known;
	int rc;

	current = &task;
	ram = any_ulong();
	rc = check_range(&tmm, ua, size);
	prove(rc == want(ua, size, mm.total_vm) ||
	      (rc == -ENOMEM && (size >> TCE_BLOCK_SHIFT) + 2 >= SZ_128M));
	if (rc)
		return 0;

	blocks = tce_blocks_count(ua, size >> PAGE_SHIFT);
	prove(blocks && blocks < SZ_128M);
	/* of any byte, and so of one where the walk has come to */
	at = ua + any_ulong();
	assume(at >= ua && at < ua + size);
	prove((at >> TCE_BLOCK_SHIFT) - (ua >> TCE_BLOCK_SHIFT) < blocks);

	assume(whole_pages(at));
	next = block_end(at, ua + size);
	prove(next > at && next <= ua + size && whole_pages(next));
	prove((next - 1) >> TCE_BLOCK_SHIFT == at >> TCE_BLOCK_SHIFT);
	prove(next == ua + size || (next & (TCE_BLOCK - 1)) == 0);

	known = ua;
	rc = pin_ahead(NULL, at, ua + size, &n, &known);
	prove(rc ? PAGE_SIZE == SZ_4K && !n : n && n <= TCE_PIN_CHUNK && n <= size >> PAGE_SHIFT);
	prove(known == ua || (!rc && n != asked));
	if (!rc && n == asked) {
		/* it ends with a block, or with all of it */
		prove(at + (n << PAGE_SHIFT) == ua + size ||
		      ((at + (n << PAGE_SHIFT)) & (TCE_BLOCK - 1)) == 0);
		prove(n >= (next - at) >> PAGE_SHIFT);
	} else if (!rc) {
		/* of a page of hugetlbfs, up to where that ends */
		prove(is_huge && n == 1 && known >= (at | (TCE_BLOCK - 1)) + 1 &&
		      (known & (TCE_BLOCK - 1)) == 0);
	}
	larger_pages(at, at == ua);
	return 0;
}
