// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window_leaked: a bridge that refuses to release a window. What its entries
 * reach stays pinned or is cleared, whatever else is released.
 */
#include <asm/mmu_context.h>

#include "../tce_mm.h"
#include "tce_client.h"

/* A bridge keeps a window: its table is empty and is never freed. */
static void bridge_keeps_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = tce_two_windows(test, &grp, &ua);
	u64 start;

	fx->tables_left = 1;
	tce_fault_arm(fx->mock, TCE_FAULT_UNSET, 1, -5);
	KUNIT_EXPECT_EQ(test, tce_remove(client, TCE_SECOND), -EIO);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_NOT_NULL(test, grp->hw[1]);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
	/* for the container it is gone */
	KUNIT_EXPECT_EQ(test, tce_remove(client, TCE_SECOND), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, TCE_SECOND, ua, SZ_4K, TCE_RW),
			-ENXIO);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
	/* and another window can take its place */
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_EXPECT_EQ(test, start, TCE_SECOND);
}

static void bridge_keeps_a_window_at_detach(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua;
	struct tce_client *client = tce_two_windows(test, &a, &ua);

	fx->tables_left = 2;
	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -5);
	tce_detach(client, b);
	tce_fault_disarm(fx->mock);
	/* the first group is not affected */
	tce_expect_mapped(fx, a, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	tce_detach(client, a);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 2);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* On pseries it stays in its group, from which the platform takes it for the next client. */
static void group_keeps_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;

	fx->mock->hcalls = true;
	client = tce_ready_window(fx, 12, SZ_1M, 1, &grp);
	grp->tg.max_levels = 1;
	fx->tables_left = 1;
	tce_fault_arm(fx->mock, TCE_FAULT_UNSET, 1, -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_PTR_EQ(test, grp->tg.tables[0], grp->hw[0]);
	tce_detach(client, grp);
	KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_NULL(test, grp->tg.tables[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
}

/*
 * The bridge keeps a table, and in it entries that could not be cleared: the
 * devices still reach the pages, so that they are kept, too.
 */
static void bridge_keeps_pages(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);
	unsigned long ua = tce_plain(fx, 2 * PAGE_SIZE);
	int i;

	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, 2 * PAGE_SIZE, TCE_RW), 0);
	fx->mock->also_unset = true;
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CLEAR, -4);
	tce_close(client);
	tce_fault_disarm(fx->mock);
	fx->mock->also_unset = false;
	tce_expect_mapped(fx, grp, 0, 0, ua, 2 * PAGE_SIZE, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);

	/* nothing else will ever do that */
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < 2; i++)
		unpin_user_page(tce_page(fx, ua + i * PAGE_SIZE));
}

/*
 * The same with registered memory: its region counts as mapped as long as the process
 * has containers, and after that its pages are kept, but nothing else is.
 */
static void keeps_a_region(struct kunit *test, bool listed)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
	long leaked = atomic_long_read(&tce_leaked_pages);
	struct page *pages[2];
	unsigned long ua;
	int i;

	if (listed)
		tce_watch(fx);
	client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	ua = tce_plain(fx, 2 * PAGE_SIZE);
	for (i = 0; i < 2; i++)
		pages[i] = tce_page(fx, ua + i * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, !!mm_iommu_lookup(fx->mm, ua, PAGE_SIZE), listed);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, 2 * PAGE_SIZE, TCE_RW), 0);
	fx->mock->also_unset = true;
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CLEAR, -4);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EIO);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * PAGE_SIZE), -EBUSY);

	fx->mock->kept = true;
	/* all the same if its process is being killed */
	tce_be_killed(true);
	tce_close(client);
	tce_be_killed(false);
	tce_fault_disarm(fx->mock);
	fx->mock->also_unset = false;
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&tce_leaked_pages), leaked + 2);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mm->locked_vm, fx->locked_vm);
	/* the process does not have them any more either */
	KUNIT_ASSERT_EQ(test, vm_munmap(ua, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_NOT_NULL(test, grp->hw[0]);
	for (i = 0; i < 2; i++) {
		unsigned long entry = i * PAGE_SIZE >> 12, hpa;

		tce_mock_entry(grp->hw[0], entry, &hpa);
		KUNIT_EXPECT_EQ(test, hpa, page_to_phys(pages[i]));
		KUNIT_EXPECT_EQ(test, tce_holders(pages[i]), 1);
	}
	tce_expect_mapped(fx, grp, 0, 0, ua, 2 * PAGE_SIZE, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < 2; i++)
		if (tce_holders(pages[i]))
			put_page(pages[i]);
}

static void bridge_keeps_a_listed_region(struct kunit *test)
{
	keeps_a_region(test, true);
}

static void bridge_keeps_an_unlisted_region(struct kunit *test)
{
	keeps_a_region(test, false);
}

/* It is unknown whether the bridge has the window, and the window can't be removed. */
static void bridge_keeps_a_window_that_it_lost(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	u64 start;

	fx->tables_left = 1;
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	fx->mock->also_unset = true;
	tce_fault_arm(fx->mock, TCE_FAULT_LINK, 1, 0);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOMEM);
	tce_fault_disarm(fx->mock);
	fx->mock->also_unset = false;
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
}

static struct kunit_case tce_window_kept_cases[] = {
	KUNIT_CASE(bridge_keeps_a_window),
	KUNIT_CASE(bridge_keeps_a_window_at_detach),
	KUNIT_CASE(group_keeps_a_window),
	KUNIT_CASE(bridge_keeps_pages),
	KUNIT_CASE(bridge_keeps_a_listed_region),
	KUNIT_CASE(bridge_keeps_an_unlisted_region),
	KUNIT_CASE(bridge_keeps_a_window_that_it_lost),
	{}
};

TCE_SUITE(tce_window_kept);
