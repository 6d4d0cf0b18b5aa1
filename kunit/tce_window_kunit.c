// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window: groups that come and go, and windows that are created and
 * removed, with a platform that may refuse at every step.
 */
#include <linux/iommu.h>

#include <asm/mmu_context.h>

#include "tce_fixture.h"

#define SECOND	BIT_ULL(59)

/* CPU pages that the table of such a window is charged with */
static unsigned long charge(u64 size, u32 shift)
{
	return PAGE_ALIGN((size >> shift) * sizeof(u64)) >> PAGE_SHIFT;
}

static unsigned long charged(struct tce_fixture *fx)
{
	return fx->mm->locked_vm - fx->locked_vm;
}

/* ---- groups ---- */

static void attach_without_tables(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		struct tce_client *client = tce_open(fx, v2);

		iommu_group_set_iommudata(grp->group, NULL, NULL);
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), -ENODEV);
		iommu_group_set_iommudata(grp->group, &grp->tg, NULL);
		grp->tg.ops = NULL;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), -ENODEV);
		grp->tg.ops = &tce_mock_group_ops;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
		tce_detach(client, grp);
	}
}

/* v2 needs dynamic windows; v1 is what user space then falls back to. */
static void attach_without_dynamic_windows(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);

	grp->tg.max_dynamic_windows_supported = 0;
	KUNIT_EXPECT_EQ(test, tce_attach(tce_open(fx, true), grp), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_attach(tce_open(fx, false), grp), 0);
}

static void attach_of_an_emulated_device(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);

	KUNIT_EXPECT_EQ(test,
			tce_driver->attach_group(client->data, grp->group,
						 VFIO_EMULATED_IOMMU), -EINVAL);
}

static void attach_twice(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		struct tce_client *client = tce_open(fx, v2);

		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), -EBUSY);
		tce_detach(client, grp);
	}
}

static void v1_has_one_group(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);

	KUNIT_EXPECT_EQ(test, tce_attach(client, tce_group(fx)), -EBUSY);
}

static void group_of_another_platform(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	struct tce_mock_group *other = tce_group(fx);

	other->tg.ops = &tce_mock_other_group_ops;
	KUNIT_EXPECT_EQ(test, tce_attach(client, other), -EPERM);
	KUNIT_EXPECT_EQ(test, tce_attach(tce_open(fx, true), other), 0);
}

/* Two windows, some memory mapped in both; for a second group to join. */
static struct tce_client *two_windows(struct kunit *test,
				      struct tce_mock_group **pgrp,
				      unsigned long *ua)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, pgrp);
	u64 start;

	*ua = tce_plain(fx, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_register(client, *ua, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, *ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, start, *ua, SZ_4K, TCE_RW), 0);
	return client;
}

static void second_group_gets_all_windows(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua, locked;
	struct tce_client *client = two_windows(test, &a, &ua);

	locked = charged(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	KUNIT_EXPECT_PTR_EQ(test, a->tg.tables[0], b->tg.tables[0]);
	KUNIT_EXPECT_PTR_EQ(test, a->tg.tables[1], b->tg.tables[1]);
	tce_expect_mapped(fx, b, 0, 0, ua, SZ_4K, TCE_RW);
	tce_expect_mapped(fx, b, 1, SECOND, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
}

/* ... or none of them, if one is refused. */
static void second_group_is_refused_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua;
	struct tce_client *client = two_windows(test, &a, &ua);
	int nth;

	for (nth = 1; nth <= 2; nth++) {
		tce_fault_arm(fx->mock, TCE_FAULT_SET, nth, -EPERM);
		KUNIT_EXPECT_EQ(test, tce_attach(client, b), -EIO);
		KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		KUNIT_EXPECT_NULL(test, b->hw[0]);
		KUNIT_EXPECT_NULL(test, b->hw[1]);

		/* refused, but reported as done */
		tce_fault_arm(fx->mock, TCE_FAULT_LINK, nth, 0);
		KUNIT_EXPECT_EQ(test, tce_attach(client, b), -ENOMEM);
		KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		KUNIT_EXPECT_NULL(test, b->hw[0]);
		KUNIT_EXPECT_NULL(test, b->hw[1]);
	}
	tce_expect_mapped(fx, a, 0, 0, ua, SZ_4K, TCE_RW);
	tce_expect_mapped(fx, a, 1, SECOND, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_attach(client, b), 0);
}

/* The first or the second leaves; the other keeps all its mappings. */
static void one_of_two_groups_leaves(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b, *stays;
	struct tce_client *client;
	unsigned long ua;
	int first;

	for (first = 0; first < 2; first++) {
		client = two_windows(test, &a, &ua);
		b = tce_group(fx);
		KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
		stays = first ? b : a;
		tce_detach(client, first ? a : b);
		KUNIT_EXPECT_NULL(test, (first ? a : b)->hw[0]);
		KUNIT_EXPECT_NULL(test, (first ? a : b)->hw[1]);
		tce_expect_mapped(fx, stays, 0, 0, ua, SZ_4K, TCE_RW);
		tce_expect_mapped(fx, stays, 1, SECOND, ua, SZ_4K, TCE_RW);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
		tce_expect_empty(fx, stays, 0, 0, SZ_4K);
		tce_close(client);
	}
}

static void last_group_takes_the_windows(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);

	tce_detach(client, grp);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -ENXIO);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENXIO);
	/* what is registered stays */
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, PAGE_SIZE), -EBUSY);

	/* the container can be used again, beginning with a default window */
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_NULL(test, grp->hw[1]);
}

static void detach_of_a_stranger(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);

	tce_detach(client, tce_group(fx));
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
}

/* ---- the default window ---- */

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
	unsigned long locked = charged(fx);
	u64 start;

	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
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
	unsigned long locked = charged(fx), ua = tce_plain(fx, PAGE_SIZE);

	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CREATE, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENOMEM);
	tce_fault_disarm(fx->mock);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_SET, -EPERM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EIO);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
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
	unsigned long locked = charged(fx);
	u64 start;

	tce_fault_arm(fx->mock, TCE_FAULT_CREATE, 2, -ENOSPC);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, start, ~0ULL);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
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
	locked = charged(fx);
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
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
}

/* ---- CREATE ---- */

/**
 * struct window_args - arguments of TCE_CREATE
 * @name: of the parameter
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 * @rc: expected
 */
struct window_args {
	const char *name;
	u32 shift;
	u64 size;
	u32 levels;
	long rc;
};

static const struct window_args args[] = {
	{ "4K", 12, SZ_16M, 1, 0 },
	{ "64K", 16, SZ_16M, 1, 0 },
	{ "2M", 21, SZ_1G, 1, 0 },
	{ "16M", 24, SZ_1G, 1, 0 },
	{ "of one page", 12, SZ_4K, 1, 0 },
	{ "as many levels as there are", 12, SZ_1G, 5, 0 },
	{ "2^40, two levels", 16, 1ULL << 40, 2, 0 },
	{ "page shift 0", 0, SZ_16M, 1, -EINVAL },
	{ "page shift 11", 11, SZ_16M, 1, -EINVAL },
	{ "page shift 13", 13, SZ_16M, 1, -EINVAL },
	{ "page shift 30", 30, 1ULL << 40, 1, -EINVAL },
	{ "page shift 63", 63, 1ULL << 63, 1, -EINVAL },
	{ "page shift 64", 64, SZ_16M, 1, -EINVAL },
	{ "page shift 76, which is 12 to a shift", 76, SZ_16M, 1, -EINVAL },
	{ "page shift 2^32 - 1", ~0U, SZ_16M, 1, -EINVAL },
	{ "size 0", 12, 0, 1, -EINVAL },
	{ "size 1", 12, 1, 1, -EINVAL },
	{ "less than a page", 16, SZ_32K, 1, -EINVAL },
	{ "no power of two", 12, SZ_16M + SZ_4K, 1, -EINVAL },
	{ "no power of two, misaligned", 12, SZ_16M - 1, 1, -EINVAL },
	{ "all bits", 12, ~0ULL, 1, -EINVAL },
	{ "no levels", 12, SZ_16M, 0, -EINVAL },
	{ "too many levels", 12, SZ_1G, 6, -EINVAL },
	{ "2^32 - 1 levels", 12, SZ_1G, ~0U, -EINVAL },
	{ "a level that no memory is large enough for", 12, 1ULL << 46, 1, -ENOMEM },
};

KUNIT_ARRAY_PARAM_DESC(args, args, name);

static void create(struct kunit *test)
{
	const struct window_args *arg = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked;
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, 0), 0);
	locked = charged(fx);
	fx->mock->created = 0;
	KUNIT_ASSERT_EQ(test, tce_create(client, arg->shift, arg->size,
					 arg->levels, &start), arg->rc);
	if (arg->rc) {
		/* pseries does not look at the size */
		if (arg->levels == 1)
			KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
		KUNIT_EXPECT_EQ(test, charged(fx), locked);
		KUNIT_EXPECT_NULL(test, grp->hw[1]);
		KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
		return;
	}
	KUNIT_EXPECT_EQ(test, start, SECOND);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_page_shift, arg->shift);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_size,
			arg->size >> arg->shift);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_indirect_levels,
			arg->levels - 1);
	KUNIT_EXPECT_EQ(test, charged(fx) - locked,
			charge(arg->size, arg->shift));
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
}

/* Platforms report errnos and what their firmware says. */
struct window_error {
	const char *name;
	int from;
	int to;
};

static const struct window_error errors[] = {
	{ "EPERM", -EPERM, -EPERM },
	{ "ENOMEM", -ENOMEM, -ENOMEM },
	{ "ENODEV", -ENODEV, -ENODEV },
	{ "EINVAL", -EINVAL, -EINVAL },
	{ "ENOSPC", -ENOSPC, -ENOSPC },
	{ "EIO", -EIO, -EIO },
	{ "firmware's -4", -4, -EIO },
	{ "firmware's -3", -3, -EIO },
	{ "firmware's -55", -55, -EIO },
	{ "firmware's 1", 1, -EIO },
	{ "firmware's 9900", 9900, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(error, errors, name);

/*
 * What makes a table says errnos on both platforms, as does what puts a window into the
 * bridge on pseries; on powernv that says OPAL's numbers, some of which look like errnos.
 */
static void platform_says_why(struct kunit *test)
{
	static const enum tce_fault faults[] = {
		TCE_FAULT_CREATE, TCE_FAULT_SET,
	};
	const struct window_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	u64 start;
	int i, nth;

	for (i = 0; i < 2 * ARRAY_SIZE(faults); i++) {
		enum tce_fault what = faults[i / 2];
		struct tce_mock_group *a, *b = tce_group(fx);
		struct tce_client *client;
		unsigned long locked;
		int to = err->to, sets = 1;

		fx->mock->hcalls = i & 1;
		client = tce_ready(fx, true, &a);
		locked = charged(fx);
		if (what == TCE_FAULT_SET && !fx->mock->hcalls)
			to = -EIO;
		if (!fx->mock->hcalls) {
			KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
			sets = 2;
		}
		KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
		/* set_window() is called for both groups, where there can be two */
		for (nth = 1; nth <= (what == TCE_FAULT_SET ? sets : 1); nth++) {
			tce_fault_arm(fx->mock, what, nth, err->from);
			KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1,
							 &start), to);
			KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
			KUNIT_EXPECT_NULL(test, a->hw[0]);
			KUNIT_EXPECT_NULL(test, b->hw[0]);
			KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
			KUNIT_EXPECT_EQ(test, charged(fx), locked);
		}
		KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
				0);
		tce_close(client);
	}
}

static void set_is_lost(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	tce_fault_arm(fx->mock, TCE_FAULT_LINK, 1, 0);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOMEM);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
}

static void table_without_cells(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = charged(fx);
	u64 start;

	fx->mock->no_userspace = true;
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOMEM);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
}

/* pseries can't say how large a table with levels would be. */
static void size_of_table_is_unknown(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = charged(fx);
	u64 start;
	int i;

	fx->mock->size_is_unknown = true;
	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 2, &start),
				-EINVAL);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
	/* what QEMU asks for if there is but one level */
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 0, &start), 0);
}

/* pseries gives a device up for good when it gets no memory for a table. */
static void table_beyond_all_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long created = fx->mock->created;
	u64 start;

	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, 1ULL << 53, 1, &start),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, fx->mock->created, created);
}

/* As much as there is may be asked for; it is the platform's to refuse. */
static void table_of_all_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	u64 start;

	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	fx->mock->table_size = (totalram_pages() + 1) << PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOMEM);
	fx->mock->table_size -= PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
}

/*
 * v1: no memory for the window, or for its cells. Those of a window of usual
 * size are in pieces, of which none is ever refused, so this is a small one.
 */
static void v1_no_memory_for_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned int round, nth, failed;
	unsigned long locked, refused = 0;
	struct tce_mock_group *grp;
	struct tce_client *client;
	long rc;

	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
	/* twice each: where a slab had to grow, the next one has another number */
	for (round = 0, failed = 1; failed || round % 2; round++) {
		nth = round / 2 + 1;
		client = tce_open(fx, false);
		grp = tce_group(fx);
		grp->tg.tce32_size = SZ_1M;
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
		locked = charged(fx);
		tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		rc = tce_unmap(client, 0, SZ_4K);
		failed = tce_fault_disarm(fx->mock);
		if (rc) {
			/* copies can be made to fail, too */
			if (!IS_ENABLED(CONFIG_FAULT_INJECTION_USERCOPY) ||
			    rc != -EFAULT)
				KUNIT_EXPECT_EQ_MSG(test, rc, -ENOMEM,
						    "failure %u", nth);
			if (rc == -ENOMEM)
				refused |= BIT(nth);
			KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
			KUNIT_EXPECT_EQ(test, charged(fx), locked);
		}
		tce_close(client);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	KUNIT_EXPECT_GE(test, hweight_long(refused), 2);
}

static void platform_has_no_such_operations(struct kunit *test)
{
	static struct iommu_table_group_ops ops;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	u64 start;

	ops = tce_mock_group_ops;
	grp->tg.ops = &ops;
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	ops.get_table_size = NULL;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-EPERM);
	ops = tce_mock_group_ops;
	ops.create_table = NULL;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-EPERM);
	ops = tce_mock_group_ops;
	ops.set_window = NULL;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-EPERM);
	ops = tce_mock_group_ops;
	ops.unset_window = NULL;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-EPERM);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
}

static void no_window_is_left(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	unsigned long locked;
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	locked = charged(fx);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
}

/* ---- REMOVE ---- */

static void remove_in_all_orders(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = charged(fx);
	u64 first, second;
	int order;

	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	for (order = 0; order < 4; order++) {
		KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &first),
				0);
		KUNIT_EXPECT_EQ(test, first, 0);
		KUNIT_ASSERT_EQ(test, tce_create(client, 16, SZ_1G, 1, &second),
				0);
		KUNIT_EXPECT_EQ(test, second, SECOND);
		if (order & 1)
			swap(first, second);
		KUNIT_EXPECT_EQ(test, tce_remove(client, first), 0);
		KUNIT_EXPECT_EQ(test, tce_remove(client, first), -EINVAL);
		if (order & 2) {
			u64 again;

			/* the lowest that is free */
			KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1,
							 &again), 0);
			KUNIT_EXPECT_EQ(test, again, first);
			KUNIT_EXPECT_EQ(test, tce_remove(client, again), 0);
		}
		KUNIT_EXPECT_EQ(test, tce_remove(client, second), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, charged(fx), locked);
	}
}

static void remove_by_a_wrong_address(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);

	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_64M - SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SECOND + SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SECOND >> 12), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, ~0ULL), -EINVAL);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
	tce_expect_mapped(fx, grp, 1, SECOND, ua, SZ_4K, TCE_RW);
}

/* What is mapped in a window that is removed is let go; other windows stay. */
static void remove_with_mappings(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);

	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	tce_expect_mapped(fx, grp, 1, SECOND, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SECOND), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
}

/* A bridge keeps a window: its table is empty and is never freed. */
static void bridge_keeps_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);
	u64 start;

	fx->tables_left = 1;
	tce_fault_arm(fx->mock, TCE_FAULT_UNSET, 1, -5);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SECOND), -EIO);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_NOT_NULL(test, grp->hw[1]);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
	/* to the container it is gone */
	KUNIT_EXPECT_EQ(test, tce_remove(client, SECOND), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, SECOND, ua, SZ_4K, TCE_RW),
			-ENXIO);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
	/* and another can take its place */
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_EXPECT_EQ(test, start, SECOND);
}

static void bridge_keeps_a_window_at_detach(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua;
	struct tce_client *client = two_windows(test, &a, &ua);

	fx->tables_left = 2;
	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -5);
	tce_detach(client, b);
	tce_fault_disarm(fx->mock);
	/* the first group goes on */
	tce_expect_mapped(fx, a, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	tce_detach(client, a);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 2);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

static void bridge_keeps_all_windows_at_the_end(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = two_windows(test, &grp, &ua);

	fx->tables_left = 2;
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -5);
	tce_close(client);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	tce_expect_balance(fx);
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

	/* nobody else will ever do that */
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < 2; i++)
		unpin_user_page(tce_page(fx, ua + i * PAGE_SIZE));
}

/*
 * The same with registered memory: its region is counted as mapped as long as
 * the process has containers, and then its pages stay, if nothing else does.
 */
static void bridge_keeps_a_region(struct kunit *test, bool listed)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
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
	tce_fault_disarm(fx->mock);
	fx->mock->also_unset = false;
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * PAGE_SIZE), -EBUSY);

	fx->mock->kept = true;
	tce_close(client);
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mm->locked_vm, fx->locked_vm);
	/* not even the process has them any more */
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
	bridge_keeps_a_region(test, true);
}

static void bridge_keeps_an_unlisted_region(struct kunit *test)
{
	bridge_keeps_a_region(test, false);
}

/* The bridge keeps what CREATE could not finish. */
static void bridge_keeps_a_new_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	struct tce_client *client = tce_ready(fx, true, &a);
	unsigned long locked = charged(fx);
	u64 start;

	fx->tables_left = 1;
	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	fx->mock->also_unset = true;
	tce_fault_arm(fx->mock, TCE_FAULT_SET, 2, -EPERM);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-EIO);
	tce_fault_disarm(fx->mock);
	fx->mock->also_unset = false;
	KUNIT_EXPECT_EQ(test, charged(fx), locked);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
}

/* It can't be told whether the bridge got it, and it can't be taken back. */
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

static struct kunit_case tce_window_cases[] = {
	KUNIT_CASE(attach_without_tables),
	KUNIT_CASE(attach_without_dynamic_windows),
	KUNIT_CASE(attach_of_an_emulated_device),
	KUNIT_CASE(attach_twice),
	KUNIT_CASE(v1_has_one_group),
	KUNIT_CASE(group_of_another_platform),
	KUNIT_CASE(second_group_gets_all_windows),
	KUNIT_CASE(second_group_is_refused_a_window),
	KUNIT_CASE(one_of_two_groups_leaves),
	KUNIT_CASE(last_group_takes_the_windows),
	KUNIT_CASE(detach_of_a_stranger),
	KUNIT_CASE(default_window_is_created_when_needed),
	KUNIT_CASE(default_window_removed_before),
	KUNIT_CASE(default_window_not_at_0),
	KUNIT_CASE(default_window_cannot_be_created),
	KUNIT_CASE(create_fails_after_the_default_window),
	KUNIT_CASE(default_window_stays_on_pseries),
	KUNIT_CASE_PARAM(create, args_gen_params),
	KUNIT_CASE_PARAM(platform_says_why, error_gen_params),
	KUNIT_CASE(set_is_lost),
	KUNIT_CASE(table_without_cells),
	KUNIT_CASE(size_of_table_is_unknown),
	KUNIT_CASE(table_beyond_all_memory),
	KUNIT_CASE(table_of_all_memory),
	KUNIT_CASE(v1_no_memory_for_a_window),
	KUNIT_CASE(platform_has_no_such_operations),
	KUNIT_CASE(no_window_is_left),
	KUNIT_CASE(remove_in_all_orders),
	KUNIT_CASE(remove_by_a_wrong_address),
	KUNIT_CASE(remove_with_mappings),
	KUNIT_CASE(bridge_keeps_a_window),
	KUNIT_CASE(bridge_keeps_a_window_at_detach),
	KUNIT_CASE(bridge_keeps_all_windows_at_the_end),
	KUNIT_CASE(bridge_keeps_pages),
	KUNIT_CASE(bridge_keeps_a_listed_region),
	KUNIT_CASE(bridge_keeps_an_unlisted_region),
	KUNIT_CASE(bridge_keeps_a_new_window),
	KUNIT_CASE(bridge_keeps_a_window_that_it_lost),
	{}
};

static struct kunit_suite tce_window_suite = {
	.name = "tce_window",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_window_cases,
};

kunit_test_suite(tce_window_suite);
