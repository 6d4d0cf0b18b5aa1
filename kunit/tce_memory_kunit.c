// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory: the life of registered memory, from one to many pages, when it is uncharged,
 * and that a huge page which is mapped as a whole has one pin. How much is charged is compared
 * after each case of all suites. The regions of a process that has KVM are in the kernel's list,
 * those of others are kept by the driver alone.
 */
#include <linux/mm.h>

#include "../tce_mm.h"
#include "tce_draw.h"
#include "tce_threads.h"

/* The container that registered it is closed, which can't be refused, while another maps it. */
static void closed_while_others_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *a, *b;
	unsigned long size, ua;
	int i;

	for (i = 0; i < 4; i++) {
		/* begins and ends within a block, and is more than is pinned at once */
		size = i & 1 ? (TCE_PIN_CHUNK - 2) * PAGE_SIZE + SZ_2M : PAGE_SIZE;
		if (i == 2)
			tce_watch(fx);
		ua = tce_plain(fx, size + 2 * PAGE_SIZE) + PAGE_SIZE;
		a = tce_open(fx, true);
		b = tce_ready_window(fx, 12, SZ_128M, 1, &grp);
		KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
		KUNIT_ASSERT_EQ(test, tce_map(b, 0, ua, size, TCE_RW), 0);
		/* and the page before it, at the end of the window */
		KUNIT_ASSERT_EQ(test, tce_register(a, ua - PAGE_SIZE, PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, tce_map(b, SZ_128M - SZ_4K, ua - PAGE_SIZE, SZ_4K, TCE_R), 0);
		KUNIT_EXPECT_EQ(test, tce_register(b, ua, size + PAGE_SIZE), -EINVAL);
		tce_close(a);
		tce_expect_mapped(fx, grp, 0, 0, ua, size, TCE_RW);

		/* an orphan that is still mapped: no other region can take its place */
		KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -ENOENT);
		TCE_REFUSED(fx, region_share, EBUSY, tce_register(b, ua, size));
		KUNIT_EXPECT_EQ(test, fx->mock->refused_value, ua);
		/* a REGISTER of both takes the one along that is not mapped any more */
		KUNIT_EXPECT_EQ(test, tce_unmap(b, SZ_128M - SZ_4K, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, tce_register(b, ua - PAGE_SIZE, size + PAGE_SIZE), -EBUSY);
		KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
		/* until it is not mapped any more; what the orphan was charged is free for it */
		KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm,
						  tce_register(b, ua, size)), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx),
				(size >> PAGE_SHIFT) + fx->mock->priced + 1);
		KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
		tce_close(b);
		tce_expect_balance(fx);
	}
}

/*
 * A userspace entry of v1 has an hpa. It maps nothing of what a v2 container of the process has
 * registered at a user address of the same value.
 */
static void registered_at_hpa_of_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1, *v2, *another;
	struct tce_mock_group *grp;
	unsigned long next, page, ua;
	int i;

	for (i = 0; i < 4; i++) {
		/* in both orders; alone, or shared with another container */
		v1 = i & 1 ? tce_ready(fx, false, NULL) : NULL;
		v2 = tce_ready_window(fx, 12, SZ_16M, 1, &grp);
		v1 = v1 ?: tce_ready(fx, false, NULL);
		another = tce_open(fx, true);
		page = tce_plain(fx, PAGE_SIZE);
		next = fx->next_ua;
		fx->next_ua = page_to_phys(tce_page(fx, page));
		ua = tce_plain(fx, PAGE_SIZE);
		fx->next_ua = next;
		KUNIT_ASSERT_EQ(test, tce_map(v1, 0, page, SZ_4K, TCE_R), 0);
		KUNIT_ASSERT_EQ(test, tce_register(v2, ua, PAGE_SIZE), 0);
		if (i & 2)
			KUNIT_ASSERT_EQ(test, tce_register(another, ua, PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, tce_map(v2, SZ_64K, ua, SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(v2, ua, PAGE_SIZE), 0);
		tce_expect_empty(fx, grp, 0, SZ_64K, SZ_4K);
		tce_close(another);
		tce_close(v2);
		tce_close(v1);
		tce_expect_balance(fx);
	}
}

/* What is over the limit is refused before anything of its size is allocated. */
static void charged_before_it_is_allocated(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, SZ_64K);
	unsigned int before = fx->mock->kvmallocs;

	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, 0, tce_register(client, ua, SZ_64K)), -ENOMEM);
	tce_expect_why(fx, "LOCKED_LIMIT");
	KUNIT_EXPECT_EQ(test, fx->mock->kvmallocs, before);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, SZ_64K), 0);
	KUNIT_EXPECT_NE(test, fx->mock->kvmallocs, before);
}

/* ---- one pin for each huge page ---- */

/* Of one kind, but for a page in the middle of the second huge page that may be another one */
static const struct blocks_kind {
	const char *name;
	enum tce_mem_kind kind;
	bool other;
} kinds[] = {
	{ "hugetlb", TCE_MEM_HUGETLB },
	{ "transparent", TCE_MEM_THP },
	{ "transparent, but for a page", TCE_MEM_THP, true },
};

KUNIT_ARRAY_PARAM_DESC(kind, kinds, name);

/* Within this size pages are either contiguous or pinned one by one. */
#define BLOCK	SZ_2M

/* What a case has; if @other is not 0, another page is there */
struct blocks_case {
	struct tce_fixture *fx;
	struct tce_mock_group *grp;
	struct tce_client *client;
	unsigned long ua;
	unsigned long huge;
	unsigned long other;
	long pins;
};

/* @n huge pages, and a container with a window of 4K pages. */
static void blocks_init(struct kunit *test, struct blocks_case *b,
			enum tce_mem_kind kind, unsigned long n)
{
	struct tce_fixture *fx = test->priv;

	b->fx = fx;
	tce_apart(fx);
	/* 16M, or less */
	b->ua = tce_memory(fx, kind, n * SZ_16M);
	tce_apart(fx);
	if (!b->ua)
		kunit_skip(test, "this machine has no such memory");
	b->huge = page_size(compound_head(tce_page(fx, b->ua)));
	if (b->huge < SZ_2M)
		kunit_skip(test, "these pages are not huge");
	b->other = 0;
	b->client = tce_ready_window(fx, 12, SZ_64M, 1, &b->grp);
	b->pins = tce_mock_pins(fx->mock);
}

static long pins_of(struct blocks_case *b)
{
	return tce_mock_pins(b->fx->mock) - b->pins;
}

/* All of a range can be mapped, and each entry reaches the page that is at its address. */
static void expect_all(struct kunit *test, struct blocks_case *b, unsigned long ua,
		       unsigned long size)
{
	KUNIT_ASSERT_EQ(test, tce_map(b->client, 0, ua, size, TCE_RW), 0);
	tce_expect_mapped(b->fx, b->grp, 0, 0, ua, size, TCE_RW);
	KUNIT_ASSERT_EQ(test, tce_unmap(b->client, 0, size), 0);
	/* one by one, and not from the start */
	KUNIT_ASSERT_EQ(test, tce_map(b->client, 0, ua + size - SZ_4K, SZ_4K, TCE_R), 0);
	tce_expect_mapped(b->fx, b->grp, 0, 0, ua + size - SZ_4K, SZ_4K, TCE_R);
	KUNIT_ASSERT_EQ(test, tce_unmap(b->client, 0, size), 0);
}

/* One for each huge page, but one for each page of a block that has another page as well */
static unsigned long pins_for(const struct blocks_case *b, unsigned long from, unsigned long to)
{
	bool apart = b->other && from <= b->other && b->other < to;
	unsigned long at, n = 0, last = ULONG_MAX;

	for (at = from; at < to; at += PAGE_SIZE) {
		bool alone = apart && at / BLOCK == b->other / BLOCK;

		n += alone || at / b->huge != last;
		last = alone ? ULONG_MAX : at / b->huge;
	}
	return n;
}

/* Where a huge page begins or ends, or any page does */
static unsigned long draw_place(const struct blocks_case *b, struct rnd_state *random)
{
	unsigned long pages = prandom_u32_state(random) % (3 * b->huge / PAGE_SIZE + 1);
	unsigned long place = pages * PAGE_SIZE;

	return prandom_u32_state(random) % 2 ? place : round_up(place, b->huge);
}

/* A region may begin and end within huge pages. */
static void one_pin_for_each(struct kunit *test)
{
	const struct blocks_kind *kind = test->param_value;
	unsigned long from, to, charged;
	struct rnd_state random;
	struct blocks_case b;
	unsigned int i;
	u64 start;

	blocks_init(test, &b, kind->kind, 3);
	if (kind->other) {
		b.other = b.huge + 5 * PAGE_SIZE;
		tce_renew(b.fx, b.ua + b.other, PAGE_SIZE);
	}
	prandom_seed_state(&random, TCE_SEED);
	for (i = 0; i < 24; i++) {
		from = draw_place(&b, &random);
		to = draw_place(&b, &random);
		if (from >= to)
			continue;
		charged = tce_charged(b.fx);
		KUNIT_ASSERT_EQ(test, tce_register(b.client, b.ua + from, to - from), 0);
		KUNIT_EXPECT_EQ_MSG(test, pins_of(&b), pins_for(&b, from, to), "%lx to %lx", from,
				    to);
		KUNIT_EXPECT_EQ(test, tce_charged(b.fx) - charged, (to - from) >> PAGE_SHIFT);
		expect_all(test, &b, b.ua + from, to - from);
		KUNIT_EXPECT_EQ(test, tce_unregister(b.client, b.ua + from, to - from), 0);
		KUNIT_EXPECT_EQ(test, pins_of(&b), 0);
	}
	/* IOMMU pages of hugetlbfs can be as large as there */
	KUNIT_ASSERT_EQ(test, tce_create(b.client, ilog2(b.huge), SZ_64M, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_register(b.client, b.ua, 3 * b.huge), 0);
	KUNIT_EXPECT_EQ(test, tce_map(b.client, start, b.ua, b.huge, TCE_RW),
			kind->kind == TCE_MEM_THP ? -EINVAL : 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(b.client, b.ua, 3 * b.huge), 0);
	/* but not if not all of them is registered */
	KUNIT_ASSERT_EQ(test, tce_register(b.client, b.ua, b.huge + b.huge / 2), 0);
	KUNIT_EXPECT_EQ(test, tce_map(b.client, start, b.ua + b.huge, b.huge, TCE_RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_unregister(b.client, b.ua, b.huge + b.huge / 2), 0);
	KUNIT_EXPECT_EQ(test, pins_of(&b), 0);
}

/*
 * Other memory is mapped at the address when the first pages there have been pinned. What was
 * pinned before stays registered, and the rest is registered as it is by then.
 */
static void another_thread_maps(struct kunit *test)
{
	struct tce_op op = { TCE_REGISTER };
	unsigned long size, at, hpa, old = 0;
	struct page *before[3];
	struct iommu_table *tbl;
	struct tce_thread a;
	struct blocks_case b;
	int i;

	blocks_init(test, &b, TCE_MEM_THP, 4);
	size = 2 * b.huge;
	tce_shared = b.ua;
	op.size = size;
	for (i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = tce_page(b.fx, b.ua + i * PAGE_SIZE);
	tce_fault_arm(b.fx->mock, TCE_FAULT_PIN, 1, ARRAY_SIZE(before));
	tce_thread_stop(&a, b.client, &op, TCE_AT_PINNED);
	tce_renew(b.fx, b.ua, size);
	tce_thread_go_on(&a);
	tce_fault_disarm(b.fx->mock);
	KUNIT_ASSERT_EQ(test, a.rc, 0);

	KUNIT_ASSERT_EQ(test, tce_map(b.client, 0, b.ua, size, TCE_RW), 0);
	tbl = b.grp->tg.tables[0];
	for (at = 0; at < size; at += PAGE_SIZE) {
		tce_mock_entry(tbl, at / SZ_4K, &hpa);
		if (at / PAGE_SIZE == old && old < ARRAY_SIZE(before) &&
		    hpa == page_to_phys(before[old]))
			old++;
		else if (hpa != page_to_phys(tce_page(b.fx, b.ua + at)))
			break;
	}
	KUNIT_EXPECT_EQ(test, at, size);
	KUNIT_EXPECT_GE(test, old, 1);
	KUNIT_EXPECT_EQ(test, tce_unmap(b.client, 0, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(b.client, b.ua, size), 0);
	KUNIT_EXPECT_EQ(test, pins_of(&b), 0);
}

static struct kunit_case tce_memory_cases[] = {
	KUNIT_CASE(closed_while_others_map),
	KUNIT_CASE(registered_at_hpa_of_v1),
	KUNIT_CASE(charged_before_it_is_allocated),
	KUNIT_CASE_PARAM(one_pin_for_each, kind_gen_params),
	KUNIT_CASE(another_thread_maps),
	{}
};

TCE_SUITE(tce_memory);
