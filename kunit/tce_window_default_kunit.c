// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window_default: the window that a container has without asking for it.
 */
#include "tce_fixture.h"

static void default_window_is_created_when_needed(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
	u64 start;
	int what;

	for (what = 0; what < 3; what++) {
		client = tce_ready(fx, true, &grp);
		fx->mock->created = 0;
		KUNIT_EXPECT_NULL(test, grp->hw[0]);
		if (what == 0)
			KUNIT_EXPECT_EQ(test, tce_map(client, 0, 0, 0, TCE_RW),
					0);
		else if (what == 1)
			KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
		else
			KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_16M, 1,
							 &start), 0);
		KUNIT_EXPECT_NOT_NULL(test, grp->hw[0]);
		KUNIT_EXPECT_EQ(test, grp->tg.tables[0]->it_page_shift, 12);
		KUNIT_EXPECT_EQ(test, grp->tg.tables[0]->it_size,
				SZ_64M / SZ_4K);
		KUNIT_EXPECT_EQ(test, fx->mock->created, what == 2 ? 2 : 1);
		tce_close(client);
	}
}

static void default_window_removed_before(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	unsigned long locked = tce_charged(fx);
	u64 start;

	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENXIO);
	/* and its place is free */
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_EXPECT_EQ(test, start, 0);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 1);
}

static void default_window_not_at_0(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);

	grp->tg.tce32_start = SZ_1G;
	grp->start[0] = SZ_1G;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	/* while it is pending, and when it is there */
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, SZ_1G, ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -ENXIO);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_1G), 0);
	tce_detach(client, grp);
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_1G), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 1);
}

static void default_window_cannot_be_created(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = tce_charged(fx), ua = tce_plain(fx, PAGE_SIZE);

	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CREATE, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENOMEM);
	tce_fault_disarm(fx->mock);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_SET, -EPERM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EIO);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	/* still pending */
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	KUNIT_EXPECT_NOT_NULL(test, grp->hw[0]);
}

/* The default window that CREATE made is taken back with its own. */
static void create_fails_after_the_default_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = tce_charged(fx);
	u64 start;

	tce_fault_arm(fx->mock, TCE_FAULT_CREATE, 2, -ENOSPC);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, start, ~0ULL);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	/* pending as before: removing it creates nothing */
	fx->mock->created = 0;
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
}

/*
 * pseries makes no window any more for a device for which it once could not make one. So
 * the default window that was made for CREATE stays.
 */
static void default_window_stays_on_pseries(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
	unsigned long ua, locked;
	u64 start;

	fx->mock->hcalls = true;
	client = tce_ready(fx, true, &grp);
	ua = tce_plain(fx, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	locked = tce_charged(fx);
	tce_fault_arm(fx->mock, TCE_FAULT_CREATE, 2, -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENODEV);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CREATE, -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENODEV);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
}

/* A group that leaves takes nothing from those that stay, not even what is not made yet. */
static void default_window_after_one_of_two_groups(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp, *other = tce_group(fx);
	struct tce_client *client = tce_ready(fx, true, &grp);

	KUNIT_ASSERT_EQ(test, tce_attach(client, other), 0);
	tce_detach(client, other);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	KUNIT_EXPECT_NOT_NULL(test, grp->hw[0]);
}

static struct kunit_case tce_window_default_cases[] = {
	KUNIT_CASE(default_window_is_created_when_needed),
	KUNIT_CASE(default_window_removed_before),
	KUNIT_CASE(default_window_not_at_0),
	KUNIT_CASE(default_window_after_one_of_two_groups),
	KUNIT_CASE(default_window_cannot_be_created),
	KUNIT_CASE(create_fails_after_the_default_window),
	KUNIT_CASE(default_window_stays_on_pseries),
	{}
};

TCE_SUITE(tce_window_default);
