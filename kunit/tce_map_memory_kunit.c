// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_memory: which memory MAP takes, and which it refuses. A MAP that is
 * refused leaves nothing behind.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "tce_fixture.h"

#define SMALL	SZ_256K
#define LARGE	(SZ_1M + SZ_256K)

/* v1 pins: the pages that are there; v2: what is registered. */
static void expect_refused(struct kunit *test, bool v2, u32 shift,
			   unsigned long ua, unsigned long size, u32 flags,
			   long rc)
{
	struct tce_fixture *fx = test->priv;
	unsigned long good = tce_plain(fx, PAGE_SIZE);
	struct tce_snapshot before, after;
	struct tce_mock_group *grp;
	struct tce_client *client;
	unsigned long pins;

	client = v2 ? tce_ready_window(fx, shift, SZ_64M, 1, &grp) :
		      tce_ready(fx, false, &grp);
	if (v2)
		KUNIT_ASSERT_EQ(test, tce_register(client, good, PAGE_SIZE), 0);
	if (1UL << shift <= PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, tce_map(client, 1UL << shift, good,
					      1UL << shift, TCE_RW), 0);
	pins = tce_mock_pins(fx->mock);
	tce_mock_snapshot(fx->mock, &before);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, size, flags), rc);
	tce_mock_snapshot(fx->mock, &after);
	KUNIT_EXPECT_EQ(test, before.n, after.n);
	KUNIT_EXPECT_EQ(test, before.sum, after.sum);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
}

static void v1_no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	expect_refused(test, false, 12, tce_hole(fx, SMALL), SMALL, TCE_RW,
		       -EFAULT);
	expect_refused(test, false, 12,
		       tce_memory(fx, TCE_MEM_NOACCESS, SMALL), SMALL, TCE_R,
		       -EFAULT);
}

static void v1_the_last_page_is_missing(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	expect_refused(test, false, 12, tce_plain(fx, SMALL),
		       SMALL + PAGE_SIZE, TCE_RW, -EFAULT);
	expect_refused(test, false, 12, tce_plain(fx, LARGE),
		       2 * LARGE, TCE_RW, -EFAULT);
}

static void v1_memory_of_the_kernel(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	expect_refused(test, false, 12, (unsigned long)fx & PAGE_MASK, SZ_4K,
		       TCE_R, -EFAULT);
	expect_refused(test, false, 12, -SZ_64K, SZ_64K, TCE_R, -EFAULT);
	expect_refused(test, false, 12, -SZ_64K, SZ_128K, TCE_R, -EFAULT);
}

static void v1_readonly_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_memory(fx, TCE_MEM_READONLY, SMALL);
	struct tce_client *client;

	expect_refused(test, false, 12, ua, SMALL, TCE_W, -EFAULT);
	expect_refused(test, false, 12, ua, SMALL, TCE_RW, -EFAULT);
	client = tce_ready(fx, false, NULL);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_R), 0);
}

static void v1_untouched_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_memory(fx, TCE_MEM_UNTOUCHED, SMALL);
	struct tce_client *client = tce_ready(fx, false, NULL);

	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), SMALL / SZ_4K);
}

static void v1_new_memory_at_the_same_address(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);
	unsigned long ua = tce_plain(fx, SMALL), hpa, new_hpa;

	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
	tce_mock_entry(grp->tg.tables[0], 0, &hpa);
	KUNIT_ASSERT_EQ(test, vm_munmap(ua, SMALL), 0);
	fx->next_ua = ua;
	KUNIT_ASSERT_EQ(test, tce_plain(fx, SMALL), ua);
	/* the first is still pinned, so the second is another */
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
	tce_mock_entry(grp->tg.tables[0], 0, &new_hpa);
	KUNIT_EXPECT_NE(test, hpa, new_hpa);
}

static void v2_not_registered(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	expect_refused(test, true, 12, tce_plain(fx, SMALL), SMALL, TCE_RW,
		       -EINVAL);
	expect_refused(test, true, 12, tce_hole(fx, SMALL), SMALL, TCE_RW,
		       -EINVAL);
	expect_refused(test, true, 12, 0, SZ_4K, TCE_RW, -EINVAL);
	expect_refused(test, true, 12, -SZ_64K, SZ_128K, TCE_RW, -EINVAL);
}

/**
 * struct map_cover - how a MAP lies to a registered range
 * @name: of the parameter
 * @from: where it starts, to the start of the range, in pages
 * @to: where it ends, to the start of the range, in pages
 * @rc: expected
 *
 * Registered are pages 0 to 3 and, as another region, 4 to 7.
 */
struct map_cover {
	const char *name;
	int from;
	int to;
	long rc;
};

static const struct map_cover covers[] = {
	{ "all of the first", 0, 4, 0 },
	{ "all of the second", 4, 8, 0 },
	{ "inside", 1, 3, 0 },
	{ "both", 0, 8, 0 },
	{ "from one to the other", 3, 5, 0 },
	{ "one page before", -1, 4, -EINVAL },
	{ "one page behind", 4, 9, -EINVAL },
	{ "around both", -1, 9, -EINVAL },
	{ "ends where it starts", -2, 0, -EINVAL },
	{ "starts where it ends", 8, 10, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(cover, covers, name);

static void v2_partly_registered(struct kunit *test)
{
	const struct map_cover *cover = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, 16 * PAGE_SIZE) + 4 * PAGE_SIZE;
	unsigned long at = ua + cover->from * PAGE_SIZE;
	unsigned long size = (cover->to - cover->from) * PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 4 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua + 4 * PAGE_SIZE,
					   4 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, at, size, TCE_RW), cover->rc);
	if (cover->rc)
		KUNIT_EXPECT_EQ(test, fx->mock->writes, 0);
	else
		tce_expect_mapped(fx, grp, 0, 0, at, size, TCE_RW);
}

/* IOMMU pages that are larger than what the memory is made of. */
static void v2_pages_too_large(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 21, SZ_64M, 1, &grp);
	unsigned long plain = tce_plain(fx, SZ_2M);
	unsigned long thp = tce_memory(fx, TCE_MEM_THP, SZ_4M);

	KUNIT_ASSERT_EQ(test, tce_register(client, plain, SZ_2M), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, thp, SZ_4M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, plain, SZ_2M, TCE_RW),
			-EINVAL);
	/* can be split under the device */
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, thp, SZ_2M, TCE_RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->writes, 0);
}

/* What is registered is what was there then, whatever comes to be there. */
static void v2_new_memory_at_the_same_address(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, SMALL);
	struct page *then = tce_page(fx, ua), *now;
	unsigned long hpa;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SMALL), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(ua, SMALL), 0);
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, ua, SMALL, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				      0), ua);
	tce_stamp(ua, SMALL);
	now = tce_page(fx, ua);
	KUNIT_ASSERT_PTR_NE(test, now, then);

	KUNIT_EXPECT_EQ(test, tce_map(client, SZ_1M, ua, SMALL, TCE_RW), 0);
	tce_mock_entry(grp->tg.tables[0], SZ_1M >> 12, &hpa);
	KUNIT_EXPECT_EQ(test, hpa, page_to_phys(then));
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, SMALL), 0);

	/* and what is there now can be registered instead */
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, SMALL), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
	tce_mock_entry(grp->tg.tables[0], 0, &hpa);
	KUNIT_EXPECT_EQ(test, hpa, page_to_phys(now));
}

static struct kunit_case tce_map_memory_cases[] = {
	KUNIT_CASE(v1_no_memory),
	KUNIT_CASE(v1_the_last_page_is_missing),
	KUNIT_CASE(v1_memory_of_the_kernel),
	KUNIT_CASE(v1_readonly_memory),
	KUNIT_CASE(v1_untouched_memory),
	KUNIT_CASE(v1_new_memory_at_the_same_address),
	KUNIT_CASE(v2_not_registered),
	KUNIT_CASE_PARAM(v2_partly_registered, cover_gen_params),
	KUNIT_CASE(v2_pages_too_large),
	KUNIT_CASE(v2_new_memory_at_the_same_address),
	{}
};

TCE_SUITE(tce_map_memory);
