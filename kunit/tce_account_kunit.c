// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_account: what is charged to locked_vm, when it is uncharged, and what
 * fails when the limit is reached.
 */
#include "tce_threads.h"

/* CPU pages of v1's whole default window */
#define WINDOW	(SZ_64M >> PAGE_SHIFT)

/* DISABLE gives back the charge, so the memory that it was for is unmapped, too. */
static void v1_disable_unmaps(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, SZ_1M);
	u32 flags;

	/* pages that the device may write have to be marked dirty, on another path */
	for (flags = TCE_R; flags <= TCE_RW; flags++) {
		KUNIT_ASSERT_EQ(test, tce_enable(client), flags == TCE_R ? -EBUSY : 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_1M, flags), 0);
		/* also if its process is being killed */
		KUNIT_EXPECT_EQ(test, TCE_KILLED_IF(flags == TCE_RW, tce_disable(client)), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), fx->mock->priced);
	}
}

/* ENABLE with a group, and DISABLE after the group has left, which gives back the same. */
static void v1_disable_without_the_group(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);

	tce_detach(client, grp);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), WINDOW);
	grp->tg.tce32_size = SZ_32M;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_disable(client), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), 0);
}

static long map_entry(struct tce_client *client, unsigned long entry, unsigned long ua)
{
	return tce_map(client, entry * SZ_4K, ua, SZ_4K, TCE_RW);
}

/*
 * An entry for each of many pages. Where the CPU's pages are larger than the entries', that
 * is more than ENABLE has charged.
 */
static void v1_pins_are_charged(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, false);
	const unsigned long entries = SZ_4M / SZ_4K, window = SZ_4M >> PAGE_SHIFT;
	unsigned long more = min(entries, window + 40);
	/* there each entry has a pin of its own: one page will do */
	unsigned long pages = PAGE_SIZE == SZ_4K ? 1 : more, i;
	unsigned long ua = tce_plain(fx, pages * PAGE_SIZE);

	grp->tg.tce32_size = SZ_4M;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
	for (i = 0; i < window; i++)
		KUNIT_ASSERT_EQ(test, map_entry(client, i, ua + i % pages * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), window);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), window + fx->mock->priced);
	for (; i < more; i++) {
		unsigned long page = ua + i % pages * PAGE_SIZE, locked = fx->mm->locked_vm;

		KUNIT_ASSERT_EQ(test, TCE_LIMITED(fx, locked, map_entry(client, i, page)), -ENOMEM);
		tce_expect_empty(fx, grp, 0, i * SZ_4K, SZ_4K);
		KUNIT_ASSERT_EQ(test, tce_charged(fx), i + fx->mock->priced);
		KUNIT_ASSERT_EQ(test, TCE_LIMITED(fx, locked + 1, map_entry(client, i, page)), 0);
		KUNIT_ASSERT_EQ(test, tce_charged(fx), i + 1 + fx->mock->priced);
		KUNIT_ASSERT_EQ(test, tce_mock_pins(fx->mock), i + 1);
	}
	/* it stays charged until DISABLE, whatever is unmapped and mapped again */
	for (i = 0; i < more; i++)
		KUNIT_ASSERT_EQ(test, tce_unmap(client, i * SZ_4K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), more + fx->mock->priced);
	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm,
					  tce_map(client, 0, ua, min(pages, window) * PAGE_SIZE,
						  TCE_RW)), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), more + fx->mock->priced);
	KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), fx->mock->priced);
}

/* A full window: a MAP pins its pages before it releases those that it replaces. */
static void v1_replaces_in_a_full_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);
	unsigned long size = PAGE_SIZE == SZ_4K ? SZ_1M : SZ_64M;
	unsigned long ua = tce_plain(fx, size), other = tce_plain(fx, SZ_2M);
	unsigned long more = SZ_1M >> PAGE_SHIFT;
	u64 at;

	for (at = 0; at < SZ_64M; at += size)
		KUNIT_ASSERT_EQ(test, tce_map(client, at, ua, size, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), WINDOW);

	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm + more - 1,
					  tce_map(client, SZ_1M, other, SZ_1M, TCE_RW)), -ENOMEM);
	tce_expect_mapped(fx, grp, 0, SZ_1M, ua + SZ_1M % size, SZ_1M, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), WINDOW + fx->mock->priced);

	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm + more,
					  tce_map(client, SZ_1M, other, SZ_1M, TCE_RW)), 0);
	tce_expect_mapped(fx, grp, 0, SZ_1M, other, SZ_1M, TCE_RW);
	/* what it pinned beyond that stays charged until DISABLE */
	KUNIT_EXPECT_EQ(test, tce_charged(fx), WINDOW + fx->mock->priced + more);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), WINDOW);
	/* half of this is charged by now: only the rest is */
	KUNIT_EXPECT_EQ(test, tce_map(client, SZ_2M, other, SZ_2M, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), WINDOW + fx->mock->priced + 2 * more);
	KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), fx->mock->priced);
}

/* What is over the limit is refused before anything of its size is allocated. */
static void charged_before_it_is_allocated(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, SZ_64K);
	unsigned int nth, hits;
	long rc;

	tce_needs_faults(test);
	/* what a container allocates only once */
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, tce_unregister(client, ua, SZ_64K), 0);
	for (nth = 1, hits = 1; hits; nth++) {
		tce_drop_cap(fx, 0);
		tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		rc = tce_register(client, ua, SZ_64K);
		hits = tce_fault_disarm(fx->mock);
		tce_restore_cap(fx);
		KUNIT_EXPECT_EQ(test, rc, -ENOMEM);
		KUNIT_EXPECT_STRNEQ(test, fx->mock->refused.by, "region_create");
	}
	tce_expect_why(fx, "LOCKED_LIMIT");
}

static unsigned long five_pages(u32 shift, u64 size, u32 levels)
{
	return 5 * PAGE_SIZE;
}

/* The first window fits, the second does not: neither is left. */
static void v2_second_table_is_over_the_limit(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long before = tce_charged(fx);
	u64 start;

	/* room for one of two tables of 5 pages, but for one page */
	grp->tg.ops->get_table_size = five_pages;
	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm + 9,
					  tce_create(client, 12, SZ_64M, 1, &start)), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), before);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_64M, 1, &start), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), before + 10);
}

static void close_it(struct tce_fixture *fx, void *arg)
{
	tce_close(arg);
}

/* The owner gets the charge back, whichever process closes the container. */
static void closed_by_another_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_4M);
	struct tce_client *client;
	int i;

	for (i = 0; i < 4; i++) {
		bool v2 = i & 1;

		client = tce_ready(fx, v2, NULL);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_4M),
					0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4M, TCE_RW), 0);
		tce_do_as_other(fx, i & 2, close_it, client);
		tce_expect_balance(fx);
	}
}

static struct kunit_case tce_account_cases[] = {
	KUNIT_CASE(v1_disable_unmaps),
	KUNIT_CASE(v1_disable_without_the_group),
	KUNIT_CASE(v1_pins_are_charged),
	KUNIT_CASE(v1_replaces_in_a_full_window),
	KUNIT_CASE(charged_before_it_is_allocated),
	KUNIT_CASE(v2_second_table_is_over_the_limit),
	KUNIT_CASE(closed_by_another_process),
	{}
};

TCE_SUITE(tce_account);
