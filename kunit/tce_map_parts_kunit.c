// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_parts: entries of 4K where the CPU's pages are larger. Several
 * entries share a page, and its pin ends with the last of them.
 */
#include <linux/mm.h>

#include "tce_threads.h"

/* 4K of a larger CPU page: each part is found, and unmapping one does not release the page. */
static void parts_of_a_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, 4 * PAGE_SIZE), at;
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready_for(fx, v2, ua, 4 * PAGE_SIZE, &grp);
		/* from the middle of one page to the middle of another */
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + 3 * SZ_4K,
					      2 * PAGE_SIZE, TCE_RW), 0);
		tce_expect_mapped(fx, grp, 0, 0, ua + 3 * SZ_4K, 2 * PAGE_SIZE,
				  TCE_RW);
		/* in the wrong order, and one page twice */
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M + SZ_4K, ua, SZ_4K,
					      TCE_W), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M, ua + SZ_4K, SZ_4K,
					      TCE_R), 0);
		for (at = 0; at < 2 * PAGE_SIZE; at += SZ_4K)
			KUNIT_ASSERT_EQ(test, tce_unmap(client, at, SZ_4K), 0);
		tce_expect_mapped(fx, grp, 0, SZ_1M, ua + SZ_4K, SZ_4K, TCE_R);
		tce_expect_mapped(fx, grp, 0, SZ_1M + SZ_4K, ua, SZ_4K, TCE_W);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, SZ_1M, 2 * SZ_4K), 0);
		if (!v2)
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	}
}

/* Nothing is left of a page all of whose entries were mapped, however they are unmapped. */
static void unmap_parts(struct kunit *test, struct tce_client *client,
			unsigned long ua, int how)
{
	struct tce_fixture *fx = test->priv;
	unsigned long at;

	switch (how) {
	case 0:
		for (at = 0; at < PAGE_SIZE; at += SZ_4K)
			KUNIT_ASSERT_EQ(test, tce_unmap(client, at,
							SZ_4K), 0);
		break;
	case 1:	/* a run */
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE),
				0);
		break;
	case 2:	/* too short a run among others */
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_1M), 0);
		break;
	case 3:	/* from the middle on */
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 2 * SZ_4K,
						PAGE_SIZE - 2 * SZ_4K),
				0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, 2 * SZ_4K),
				0);
		break;
	case 4:	/* replaced by other parts, by one at a time and all */
		for (at = 0; at < PAGE_SIZE; at += 3 * SZ_4K)
			KUNIT_ASSERT_EQ(test,
					tce_map(client, at,
						ua + PAGE_SIZE + at,
						SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, PAGE_SIZE,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE),
				0);
		break;
	case 5:	/* a MAP that fails on its second page */
		KUNIT_ASSERT_EQ(test, vm_munmap(ua + PAGE_SIZE,
						PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua,
					      2 * PAGE_SIZE, TCE_R),
				-EFAULT);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE),
				0);
		break;
	default:
		KUNIT_ASSERT_EQ(test, tce_disable(client), 0);
	}
}

/* A page has one pin, however its parts are mapped, and whatever unmaps them. */
static void parts_alone(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, 2 * PAGE_SIZE), at;
	int how;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (how = 0; how < 7; how++) {
		for (at = 0; at < PAGE_SIZE; at += SZ_4K)
			KUNIT_ASSERT_EQ(test, tce_map(client, at, ua + at,
						      SZ_4K, TCE_R), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		/* the first ones are replaced by the same */
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, 4 * SZ_4K, TCE_R),
				0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		unmap_parts(test, client, ua, how);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_live(fx->mock), 0, "%d",
				    how);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_pins(fx->mock), 0, "%d",
				    how);
	}
}

/* A page would begin before the window, or end behind it. */
static void parts_at_the_ends(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);
	unsigned long ua = tce_memory(fx, TCE_MEM_SCATTERED, 2 * PAGE_SIZE);
	unsigned long last = PAGE_SIZE - SZ_4K;
	u64 end = grp->tg.tce32_size;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	KUNIT_ASSERT_NE(test, ua, 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + last, 2 * SZ_4K, TCE_RW),
			0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
	KUNIT_ASSERT_EQ(test, tce_map(client, end - SZ_4K, ua, SZ_4K, TCE_RW),
			0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
	tce_expect_mapped(fx, grp, 0, 0, ua + last, 2 * SZ_4K, TCE_RW);
	tce_expect_mapped(fx, grp, 0, end - SZ_4K, ua, SZ_4K, TCE_RW);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, end - 2 * SZ_4K, ua + last,
				      2 * SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, end - SZ_4K, SZ_4K), 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, end), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* A page of which some entries are exchanged, and the others cleared as a run. */
static void parts_of_two_runs(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, 8 * PAGE_SIZE);
	unsigned int hole;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (hole = 1; hole < 2 * PAGE_SIZE / SZ_4K; hole += 3) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, 6 * PAGE_SIZE,
					      TCE_R), 0);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, hole * SZ_4K, SZ_4K),
				0);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, 6 * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	}
}

/* The part that the device could write is unmapped first, as an entry or as a run. */
static void parts_are_dirty(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, PAGE_SIZE), size;
	struct page *page = tce_page(fx, ua);

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (size = SZ_4K; size < PAGE_SIZE; size *= 2) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, PAGE_SIZE, TCE_R),
				0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, size, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		ClearPageDirty(page);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, size), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE), 0);
		KUNIT_EXPECT_TRUE(test, PageDirty(page));
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);

		/* replaced by those that can't write: the page remembers */
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, size, TCE_RW), 0);
		ClearPageDirty(page);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, PAGE_SIZE, TCE_R),
				0);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE), 0);
		KUNIT_EXPECT_TRUE(test, PageDirty(page));
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	}
}

/* Killed while it pins what is pinned already: kmemleak looks for what was allocated for that. */
static void killed_while_sharing(struct kunit *test)
{
	static const struct tce_op again = { TCE_MAP, SZ_1M, 2 * PAGE_SIZE, TCE_R };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	struct tce_thread a;
	struct tce_gate gate;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	tce_shared = tce_plain(fx, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, tce_shared, 2 * PAGE_SIZE, TCE_R), 0);
	tce_gate_close(&fx->mock->alloc_gate, &gate);
	tce_thread_op(&a, client, &again);
	wait_for_completion(&gate.reached);
	tce_thread_kill(&a);
	complete(&gate.open);
	tce_thread_join(&a);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
}

static struct kunit_case tce_map_parts_cases[] = {
	KUNIT_CASE(parts_of_a_page),
	KUNIT_CASE(parts_alone),
	KUNIT_CASE(parts_at_the_ends),
	KUNIT_CASE(parts_of_two_runs),
	KUNIT_CASE(parts_are_dirty),
	KUNIT_CASE(killed_while_sharing),
	{}
};

TCE_SUITE(tce_map_parts);
