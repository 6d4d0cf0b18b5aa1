// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window: windows that are created and removed, with a platform that may
 * refuse at every step.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "tce_client.h"

/*
 * Platforms return errnos, or codes of their firmware. The operation that creates a table returns
 * errnos on both, as does the one that sets a window on pseries; on powernv that returns codes of
 * OPAL, some of which look like errnos. What a CREATE that fails leaves is in suite tce_failure.
 */
static void platform_says_why(struct kunit *test)
{
	static const int errors[][2] = {
		{ -EPERM, -EPERM }, { -ENOMEM, -ENOMEM }, { -ENODEV, -ENODEV },
		{ -EINVAL, -EINVAL }, { -ENOSPC, -ENOSPC }, { -EIO, -EIO },
		/* firmware's */
		{ -4, -EIO }, { -3, -EIO }, { -55, -EIO }, { 1, -EIO }, { 9900, -EIO },
	};
	struct tce_fixture *fx = test->priv;
	bool hcalls, set;
	int i, from, to;
	u64 start;

	for (i = 0; i < 4 * ARRAY_SIZE(errors); i++) {
		struct tce_client *client;

		hcalls = i & 1;
		set = i & 2;
		from = errors[i / 4][0];
		to = set && !hcalls ? -EIO : errors[i / 4][1];
		fx->mock->hcalls = hcalls;
		client = tce_ready(fx, true, NULL);
		KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
		tce_fault_arm(fx->mock, set ? TCE_FAULT_SET : TCE_FAULT_CREATE, 1, from);
		KUNIT_EXPECT_EQ_MSG(test, tce_create(client, 12, SZ_16M, 1, &start), to, "%d",
				    from);
		KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		tce_close(client);
	}
}

/* Tables whose userspace entries are left when they are freed */
static struct iommu_table_ops leaving_ops;

static void free_but_for_the_view(struct iommu_table *tbl)
{
	__be64 *view = tbl->it_userspace;

	to_mock(tbl)->root = NULL;
	mock_hcall_table_ops.free(tbl);
	tbl->it_userspace = view;
}

static long create_with_a_view(struct iommu_table_group *tg, int num, u32 shift, u64 size,
			       u32 levels, struct iommu_table **ptbl)
{
	long rc = tce_mock_group_ops.create_table(tg, num, shift, size, levels, ptbl);
	struct iommu_table *tbl = *ptbl;

	if (rc)
		return rc;
	kvfree(tbl->it_userspace);
	tbl->it_userspace = vzalloc(tbl->it_size * sizeof(__be64));
	to_mock(tbl)->root = tbl->it_userspace;
	leaving_ops = mock_hcall_table_ops;
	leaving_ops.free = free_but_for_the_view;
	tbl->it_ops = &leaving_ops;
	return 0;
}

/* What pseries before 6.16 leaks of a window is freed all the same. */
static void view_is_left(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	void *view;
	u64 start;

	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	grp->tg.ops->create_table = create_with_a_view;
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	view = grp->hw[0]->it_userspace;
	KUNIT_EXPECT_NOT_NULL(test, vmalloc_to_page(view));
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(view));
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
	KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], 1);
}

/* pseries reports size 0 for a default window of 4 GiB or more, and the low half of its start. */
static void default_window_of_4g(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	u64 start;
	int i;

	fx->mock->hcalls = true;
	grp->tg.tce32_size = 0;
	grp->tg.max_levels = 1;
	grp->tg.max_dynamic_windows_supported = 1;
	grp->start[0] = TCE_SECOND;
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
		TCE_REFUSED(fx, NO_WINDOW_THERE, ENXIO,
			    tce_map(client, TCE_SECOND, ua, SZ_4K, TCE_RW));
		KUNIT_EXPECT_EQ(test, tce_remove(client, grp->tg.tce32_start), -EINVAL);
		KUNIT_EXPECT_EQ(test, tce_create(client, 13, SZ_16M, 1, &start),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_16M, 1, &start), 0);
		KUNIT_EXPECT_EQ(test, start, TCE_SECOND);
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], i + 1);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 0, TCE_RW), -ENXIO);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, start, SZ_16M), 0);
		KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
		tce_detach(client, grp);
	}
}

/*
 * pseries creates no more windows for a device after it once failed to create one. So the
 * default window that was created for CREATE stays.
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

/* What a client of pseries has before it asks for one more window */
enum have { PENDING, DEFAULT, BOTH, ONLY_OTHER, NONE, OTHER, HAVES };

static const struct room {
	const char *name;
	u32 most;		/* what the platform says */
	/* of CREATE for the default window, and for another one; 1: can't be reached */
	int rc[HAVES][2];
} rooms[] = {
	{ "2 windows", 2, { [BOTH] = { -ENOSPC, -ENOSPC }, [ONLY_OTHER] = { -EPERM, -EPERM },
			    [OTHER] = { -ENOSPC, -ENOSPC } } },
	{ "1 window", 1, { [PENDING] = { -ENOSPC, -ENOSPC }, [DEFAULT] = { -ENOSPC, -ENOSPC },
			   [BOTH] = { 1 }, [ONLY_OTHER] = { 1 }, [OTHER] = { -ENOSPC, -ENOSPC } } },
	{ "only the default window", -1, { [PENDING] = { -ENOSPC, -ENOSPC },
					   [DEFAULT] = { -ENOSPC, -ENOSPC }, [BOTH] = { 1 },
					   [ONLY_OTHER] = { 1 }, [NONE] = { 0, -ENOSPC },
					   [OTHER] = { 1 } } },
};

KUNIT_ARRAY_PARAM_DESC(room, rooms, name);

static void reach(struct kunit *test, struct tce_client *client, enum have have)
{
	u64 start;

	if (have == DEFAULT)
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	if (have == NONE || have == OTHER)
		KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	if (have == BOTH || have == ONLY_OTHER || have == OTHER)
		KUNIT_ASSERT_EQ(test, tce_create(client, 16, SZ_16M, 1, &start), 0);
	if (have == ONLY_OTHER)
		KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
}

/*
 * pseries is asked only for what it can give: it would never create a window for the device again,
 * or lose a table. Whatever a client has tried, the next one has all that can be had.
 */
static void room_on_pseries(struct kunit *test)
{
	const struct room *room = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE), asked;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client;
	enum have have;
	int other, rc;
	u64 start;

	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	grp->tg.max_dynamic_windows_supported = room->most;
	for (have = PENDING; have < HAVES; have++) {
		for (other = 0; other < 2 && room->rc[have][0] != 1; other++) {
			client = tce_open(fx, true);
			KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
			reach(test, client, have);
			asked = fx->mock->asked[TCE_FAULT_CREATE];
			rc = tce_create(client, other ? 16 : 12, SZ_16M, 1, &start);
			KUNIT_EXPECT_EQ_MSG(test, rc, room->rc[have][other], "%d %d", have, other);
			if (rc)
				KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], asked);
			tce_close(client);
		}
	}
}

/* What the hypervisor has refused, it is not asked for again until the group has left. */
static void refused_by_the_hypervisor(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	int i, rc, asked = 0;
	u64 start;

	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	for (i = 0; i < 4; i++) {
		/* too large for the largest block that is free; or no more windows at all */
		rc = i & 1 ? -ENODEV : -EINVAL;
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
		tce_fault_arm(fx->mock, TCE_FAULT_CREATE, 1, rc);
		KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_16M, 1, &start), rc);
		KUNIT_EXPECT_TRUE(test, tce_fault_disarm(fx->mock));
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], ++asked);
		KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_16M, 1, &start), rc);
		KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_32M, 1, &start), rc);
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], asked);
		rc = i & 1 ? rc : 0;
		KUNIT_EXPECT_EQ(test, tce_create(client, 16, SZ_8M, 1, &start), rc);
		if (!rc)
			KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
		/* the default window does not come out of that block */
		KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_32M, 1, &start), rc);
		asked += rc ? 0 : 2;
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], asked);
		tce_detach(client, grp);
	}
}

static struct kunit_case tce_window_cases[] = {
	KUNIT_CASE(platform_says_why),
	KUNIT_CASE(view_is_left),
	KUNIT_CASE(default_window_not_at_0),
	KUNIT_CASE(default_window_of_4g),
	KUNIT_CASE(default_window_stays_on_pseries),
	KUNIT_CASE_PARAM(room_on_pseries, room_gen_params),
	KUNIT_CASE(refused_by_the_hypervisor),
	{}
};

TCE_SUITE(tce_window);
