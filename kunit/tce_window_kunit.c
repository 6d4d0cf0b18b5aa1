// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window: windows that are created and removed, with a platform that may
 * refuse at every step.
 */
#include <linux/mm.h>

#include "tce_fixture.h"

/* CPU pages that the table of such a window is charged with */
static unsigned long charge(u64 size, u32 shift)
{
	return PAGE_ALIGN((size >> shift) * sizeof(u64)) >> PAGE_SHIFT;
}

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
	locked = tce_charged(fx);
	fx->mock->created = 0;
	KUNIT_ASSERT_EQ(test, tce_create(client, arg->shift, arg->size,
					 arg->levels, &start), arg->rc);
	if (arg->rc) {
		/* pseries does not look at the size */
		if (arg->levels == 1)
			KUNIT_EXPECT_EQ(test, fx->mock->created, 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
		KUNIT_EXPECT_NULL(test, grp->hw[1]);
		KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
		return;
	}
	KUNIT_EXPECT_EQ(test, start, TCE_SECOND);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_page_shift, arg->shift);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_size,
			arg->size >> arg->shift);
	KUNIT_EXPECT_EQ(test, grp->tg.tables[1]->it_indirect_levels,
			arg->levels - 1);
	KUNIT_EXPECT_EQ(test, tce_charged(fx) - locked,
			charge(arg->size, arg->shift));
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
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
		locked = tce_charged(fx);
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
			KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
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
	unsigned long locked = tce_charged(fx);
	u64 start;

	fx->mock->no_userspace = true;
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOMEM);
	KUNIT_EXPECT_NULL(test, grp->hw[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
}

/* What pseries before 6.16 leaves of a window is freed all the same. */
static void view_is_left(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	void *view;
	u64 start;

	fx->mock->hcalls = true;
	fx->mock->leaves_view = true;
	grp->tg.max_levels = 1;
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	view = grp->hw[0]->it_userspace;
	KUNIT_EXPECT_NOT_NULL(test, vmalloc_to_page(view));
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(view));
}

/* pseries can't say how large a table with levels would be. */
static void size_of_table_is_unknown(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = tce_charged(fx);
	u64 start;
	int i;

	fx->mock->size_is_unknown = true;
	fx->mock->hcalls = true;
	grp->tg.max_levels = 1;
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 2, &start),
				-EINVAL);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
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

	tce_needs_faults(test);
	/* twice each: where a slab had to grow, the next one has another number */
	for (round = 0, failed = 1; failed || round % 2; round++) {
		nth = round / 2 + 1;
		client = tce_open(fx, false);
		grp = tce_group(fx);
		grp->tg.tce32_size = SZ_1M;
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
		locked = tce_charged(fx);
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
			KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
		}
		tce_close(client);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	KUNIT_EXPECT_GE(test, hweight_long(refused), 2);
}

static void no_window_is_left(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	unsigned long locked;
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	locked = tce_charged(fx);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
}

static void remove_in_all_orders(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned long locked = tce_charged(fx);
	u64 first, second;
	int order;

	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	for (order = 0; order < 4; order++) {
		KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &first),
				0);
		KUNIT_EXPECT_EQ(test, first, 0);
		KUNIT_ASSERT_EQ(test, tce_create(client, 16, SZ_1G, 1, &second),
				0);
		KUNIT_EXPECT_EQ(test, second, TCE_SECOND);
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
		KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	}
}

static void remove_by_a_wrong_address(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = tce_two_windows(test, &grp, &ua);

	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, SZ_64M - SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, TCE_SECOND + SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, TCE_SECOND >> 12), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_remove(client, ~0ULL), -EINVAL);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
	tce_expect_mapped(fx, grp, 1, TCE_SECOND, ua, SZ_4K, TCE_RW);
}

/* What is mapped in a window that is removed is let go; other windows stay. */
static void remove_with_mappings(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua;
	struct tce_client *client = tce_two_windows(test, &grp, &ua);

	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	tce_expect_mapped(fx, grp, 1, TCE_SECOND, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_remove(client, TCE_SECOND), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
}

static struct kunit_case tce_window_cases[] = {
	KUNIT_CASE_PARAM(create, args_gen_params),
	KUNIT_CASE_PARAM(platform_says_why, error_gen_params),
	KUNIT_CASE(set_is_lost),
	KUNIT_CASE(table_without_cells),
	KUNIT_CASE(view_is_left),
	KUNIT_CASE(size_of_table_is_unknown),
	KUNIT_CASE(table_beyond_all_memory),
	KUNIT_CASE(table_of_all_memory),
	KUNIT_CASE(v1_no_memory_for_a_window),
	KUNIT_CASE(no_window_is_left),
	KUNIT_CASE(remove_in_all_orders),
	KUNIT_CASE(remove_by_a_wrong_address),
	KUNIT_CASE(remove_with_mappings),
	{}
};

TCE_SUITE(tce_window);
