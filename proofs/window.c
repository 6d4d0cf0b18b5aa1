// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE asks the platform for the size of a table only with arguments for which it has an answer:
 * a page size that it offers, a power of 2 that is at least one page, no more levels than it has.
 * What the window is charged is the answer in whole CPU pages, and so is 0 for a table that is
 * smaller than one, as pseries has them. Where the platform has several levels, none that it would
 * accept is larger than the largest allocation; where it has one, the table is not larger than the
 * host's memory. Whatever else is asked for is refused, and nothing that is not: with ENOMEM if it
 * is too large, and otherwise with EINVAL. If the platform then fails, with an errno or with a code
 * of its firmware, the client gets one of the documented errnos, and EIO where a code may look like
 * an errno.
 *
 * Assumed of the platform: a table has at most 5 levels.
 *
 * unwind: 65
 * each: LEVELS=0,1,2,3,4,5,6,4294967295 MAX_LEVELS=1,5 PAGE_SHIFT=16,12
 *
 * control: table_pages level_too_large get_table_size(any) LEVELS=2 MAX_LEVELS=5
 * control: totalram_pages LEVELS=1 MAX_LEVELS=1
 * control: table_errno LEVELS=1 MAX_LEVELS=1
 */
#include "../tce_window.c"
#include "../tce_trace.c"

static struct iommu_table_group group;
static u32 shift;
static u64 size;
static unsigned long answer, ram;
static bool asked;

unsigned long totalram_pages(void)
{
	return ram;
}

static unsigned long get_table_size(u32 its_shift, u64 its_size, u32 levels)
{
	asked = true;
	prove(its_shift == shift && its_size == size && levels == LEVELS);
	prove(its_shift < 64 && group.pgsizes >> its_shift & 1);
	prove(its_size && !(its_size & (its_size - 1)) && its_size >> its_shift);
	prove(levels <= MAX_LEVELS);
	return answer;
}

static int want(void)
{
	unsigned int bits, each;

	if (shift >= 64 || !(group.pgsizes >> shift & 1) || !size || size & (size - 1) ||
	    !(size >> shift))
		return -EINVAL;
	if (LEVELS > MAX_LEVELS || !answer)
		return -EINVAL;
	/* pseries has it in one piece, of the hypervisor's memory */
	if (MAX_LEVELS == 1)
		return answer >> PAGE_SHIFT > ram ? -ENOMEM : 0;
	if (!LEVELS)
		return 0;
	for (bits = 0; size >> bits > 1; bits++)
		;
	each = (bits - shift + LEVELS - 1) / LEVELS;
	/* powernv refuses what has more address bits than a bridge */
	return each * LEVELS + shift < 55 && each + 3 > PAGE_SHIFT + MAX_PAGE_ORDER ? -ENOMEM : 0;
}

static void kill(struct iommu_table *tbl, unsigned long index, unsigned long pages)
{
}

static void prove_errno(long rc)
{
	struct iommu_table_ops powernv = { .tce_kill = kill }, pseries = {};
	int told = table_errno(rc);

	prove(told == rc || told == -EIO);
	prove(!told || told == -EPERM || told == -ENOMEM || told == -ENODEV || told == -EINVAL ||
	      told == -ENOSPC || told == -EIO);
	prove(bridge_errno(&pseries, rc) == told);
	prove(bridge_errno(&powernv, rc) == (rc ? -EIO : 0));
}

int main(void)
{
	struct iommu_table_group_ops ops = { .get_table_size = get_table_size };
	long pages;

	prove_errno((long)any_ulong());
	shift = any_u32();
	size = any_u64();
	answer = any_ulong();
	ram = any_ulong();
	group.pgsizes = any_u64();
	group.max_levels = MAX_LEVELS;
	group.ops = &ops;

	pages = table_pages(&group, shift, size, LEVELS);

	prove((pages < 0 ? pages : 0) == want());
	if (pages < 0)
		return 0;
	prove(asked);
	prove((wide)pages << PAGE_SHIFT <= answer &&
	      answer - ((wide)pages << PAGE_SHIFT) < PAGE_SIZE);
	return 0;
}
