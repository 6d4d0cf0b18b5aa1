// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_range: which IOBAs and sizes MAP and UNMAP accept. What they refuse is proved by
 * proofs/range.c.
 *
 * The windows are where mistakes are likely: in the middle of the address space, one right
 * after the other, and at the very end.
 */
#include "tce_client.h"

#define MEMORY	SZ_256K

/* A window to be tested */
struct range_window {
	const char *name;
	u64 start;
	u32 shift;
	u64 size;
	u32 levels;
};

static const struct range_window windows[] = {
	{ "4K at 2^59, two levels", 1ULL << 59, 12, SZ_64M, 2 },
	{ "64K at 1G", SZ_1G, 16, SZ_64M, 1 },
	{ "4K, up to 2^64", -(u64)SZ_64M, 12, SZ_64M, 1 },
	{ "4K, of one page", SZ_1G, 12, SZ_4K, 1 },
};

KUNIT_ARRAY_PARAM_DESC(window, windows, name);

/* A v2 container with this one window, and registered memory. */
struct range_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	const struct range_window *win;
	u64 step;
	u64 last;
	unsigned long ua;
};

static void setup(struct kunit *test, struct range_setup *s)
{
	struct tce_fixture *fx = test->priv;
	u64 start;

	s->win = test->param_value;
	s->grp = tce_group(fx);
	s->grp->start[0] = s->win->start;
	s->client = tce_open(fx, true);
	KUNIT_ASSERT_EQ(test, tce_attach(s->client, s->grp), 0);
	/* not the default window, which is pending */
	KUNIT_ASSERT_EQ(test, tce_remove(s->client, 0), 0);
	KUNIT_ASSERT_EQ(test, tce_create(s->client, s->win->shift,
					 s->win->size, s->win->levels,
					 &start), 0);
	KUNIT_ASSERT_EQ(test, start, s->win->start);

	s->step = 1ULL << s->win->shift;
	s->last = start + s->win->size - s->step;
	s->ua = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s->client, s->ua, MEMORY), 0);
}

static void expect_accepted(struct kunit *test, struct range_setup *s,
			    u64 ioba, u64 size)
{
	struct tce_fixture *fx = test->priv;

	KUNIT_EXPECT_EQ(test, tce_map(s->client, ioba, s->ua, size, TCE_RW), 0);
	tce_expect_mapped(fx, s->grp, 0, ioba, s->ua, size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), size >> s->win->shift);
	KUNIT_EXPECT_EQ(test, tce_unmap(s->client, ioba, size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* The first entry, the last one, some up to the last, and UNMAP of all. */
static void accepted(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct range_setup s;
	u64 size;

	setup(test, &s);
	if (s.step > PAGE_SIZE)
		kunit_skip(test, "plain memory has no pages of %llx", s.step);
	size = min(s.win->size, (u64)MEMORY);
	expect_accepted(test, &s, s.win->start, s.step);
	expect_accepted(test, &s, s.last, s.step);
	expect_accepted(test, &s, s.last + s.step - size, size);

	KUNIT_EXPECT_EQ(test, tce_map(s.client, s.win->start, s.ua, s.step, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_map(s.client, s.last, s.ua, s.step, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, s.win->start, s.win->size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* Two windows, the second begins where the first ends. */
static void neighbours_do_not_meet(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua, writes;
	u64 second;

	grp->start[0] = SZ_1G;
	grp->start[1] = SZ_1G + SZ_64M;
	grp->tg.tce32_start = SZ_1G;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 16, SZ_64M, 1, &second), 0);
	KUNIT_ASSERT_EQ(test, second, SZ_1G + SZ_64M);
	ua = tce_plain(fx, SZ_128K);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_128K), 0);

	/* from the first into the second: no window has all of it */
	writes = fx->mock->writes;
	KUNIT_EXPECT_EQ(test, tce_map(client, second - SZ_64K, ua, SZ_128K, TCE_RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, second - SZ_64K, SZ_128K), -EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->writes, writes);

	/* each has its own page size */
	KUNIT_EXPECT_EQ(test, tce_map(client, second - SZ_4K, ua, SZ_4K,
				      TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, second, ua, SZ_4K, TCE_RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, second, ua, SZ_64K, TCE_RW),
			PAGE_SIZE < SZ_64K ? -EINVAL : 0);
	tce_expect_mapped(fx, grp, 0, second - SZ_4K, ua, SZ_4K, TCE_RW);
}

static struct kunit_case tce_range_cases[] = {
	KUNIT_CASE_PARAM(accepted, window_gen_params),
	KUNIT_CASE(neighbours_do_not_meet),
	{}
};

TCE_SUITE(tce_range);
