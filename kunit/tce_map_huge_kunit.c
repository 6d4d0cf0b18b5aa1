// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_huge: huge CPU pages behind the IOMMU pages of v2, alone and next to
 * ordinary ones.
 */
#include <linux/mm.h>

#include <asm/mmu_context.h>

#include "tce_client.h"

/* Whether the process has KVM, and where the ordinary pages of some cases are */
static const struct huge_param {
	const char *name;
	bool kvm;
	bool behind;
} params[] = {
	{ "before", false, false },
	{ "behind", false, true },
	{ "KVM, before", true, false },
	{ "KVM, behind", true, true },
};

KUNIT_ARRAY_PARAM_DESC(huge, params, name);

/*
 * The kernel's list may take all pages of the region for huge ones, and some ordinary pages are
 * where a huge one could be. KVM is not believed, and leaves huge pages to user space.
 */
static void kvm_puts_huge(struct kunit *test, struct iommu_table *tbl, unsigned long ua,
			  unsigned long plain, unsigned long huge)
{
	struct tce_fixture *fx = test->priv;
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	unsigned long hpa = round_down(page_to_phys(tce_page(fx, plain)), huge);

	KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, tbl, 0, &hpa, &dir), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);

	hpa = page_to_phys(tce_page(fx, ua));
	dir = DMA_BIDIRECTIONAL;
	KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, tbl, 0, &hpa, &dir), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_NULL(test, tbl->it_ops->useraddrptr(tbl, 0, true));
}

/*
 * Ordinary pages behind a hugetlb page, or before it, in one region: none of them
 * may be mapped as a huge page, not by KVM either, but each may be mapped by itself.
 */
static void v2_huge_and_ordinary(struct kunit *test)
{
	const struct huge_param *param = test->param_value;
	bool behind = param->behind, kvm = param->kvm;
	struct tce_fixture *fx = test->priv;
	unsigned long edge, huge, ua = 0, plain;
	struct tce_mock_group *grp;
	struct tce_client *client;
	u64 start;

	/* the hash MMU wants one size of pages between two such edges */
	edge = round_up(fx->next_ua, SZ_256M) + SZ_256M;
	for (huge = SZ_2M; huge <= SZ_16M; huge <<= 3) {
		fx->next_ua = behind ? edge - huge : edge;
		ua = tce_memory(fx, TCE_MEM_HUGETLB, huge);
		if (ua)
			break;
	}
	if (!ua)
		kunit_skip(test, "this machine has no hugetlb pages");
	KUNIT_ASSERT_EQ(test, page_size(compound_head(tce_page(fx, ua))), huge);
	fx->next_ua = edge + SZ_256M;
	if (kvm)
		tce_watch(fx);
	plain = behind ? ua + huge : ua - huge;
	tce_renew(fx, plain, huge);
	client = tce_ready_window(fx, ilog2(huge), SZ_64M, 1, &grp);
	KUNIT_ASSERT_EQ(test, tce_create(client, PAGE_SHIFT, SZ_64M, 1, &start),
			0);
	ua = min(ua, plain);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * huge), 0);
	if (kvm)
		kvm_puts_huge(test, grp->tg.tables[0], plain == ua ? ua + huge : ua,
			      plain, huge);

	KUNIT_EXPECT_EQ(test, tce_map(client, 0, plain, huge, TCE_RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 2 * huge, TCE_RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->writes, 0);

	KUNIT_EXPECT_EQ(test, tce_map(client, start, ua, 2 * huge, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 1, start, ua, 2 * huge, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, start, 2 * huge), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * huge), 0);
}

static struct kunit_case tce_map_huge_cases[] = {
	KUNIT_CASE_PARAM(v2_huge_and_ordinary, huge_gen_params),
	{}
};

TCE_SUITE(tce_map_huge);
