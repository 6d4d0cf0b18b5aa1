// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map: what MAP and UNMAP do, for all shapes of memory.
 *
 * The platform looks at every write (see tce_mock.h), so a case only has to
 * say what the device reaches in the end.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include <asm/mmu_context.h>

#include "tce_fixture.h"

/* Some runs of entries are long enough to be set at once: 1M and more. */
#define SMALL	SZ_256K
#define LARGE	(SZ_1M + SZ_256K)

/**
 * struct map_shape - memory, and how it is mapped
 * @name: of the parameter
 * @v2: which interface
 * @shift: log2 of the IOMMU page; v1 has 12
 * @levels: of the table; v1 has 1
 * @hcalls: see &tce_mock.hcalls
 * @opaque: see &tce_mock.opaque
 * @kvm: see &tce_mock.kvm
 * @kind: of the memory
 * @size: bytes
 * @guest: the process has KVM from the beginning
 */
struct map_shape {
	const char *name;
	bool v2;
	u32 shift;
	u32 levels;
	bool hcalls;
	bool opaque;
	bool kvm;
	enum tce_mem_kind kind;
	unsigned long size;
	bool guest;
};

static const struct map_shape shapes[] = {
	{ "v1, small", 0, 12, 1, 0, 0, 0, TCE_MEM_PLAIN, SMALL },
	{ "v1, large", 0, 12, 1, 0, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered", 0, 12, 1, 0, 0, 0, TCE_MEM_SCATTERED, LARGE },
	{ "v1, shared memory", 0, 12, 1, 0, 0, 0, TCE_MEM_SHARED, SMALL },
	{ "v1, huge pages that may be split", 0, 12, 1, 0, 0, 0, TCE_MEM_THP, SZ_2M },
	{ "v1, hugetlb", 0, 12, 1, 0, 0, 0, TCE_MEM_HUGETLB, SZ_2M },
	{ "v1, hypervisor calls", 0, 12, 1, 1, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered, hypervisor calls", 0, 12, 1, 1, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v1, large, KVM has the table", 0, 12, 1, 0, 0, 1, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered, KVM has the table", 0, 12, 1, 0, 0, 1, TCE_MEM_SCATTERED, SMALL },
	{ "v2, small", 1, 12, 1, 0, 0, 0, TCE_MEM_PLAIN, SMALL },
	{ "v2, large", 1, 12, 1, 0, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, scattered", 1, 12, 1, 0, 0, 0, TCE_MEM_SCATTERED, LARGE },
	{ "v2, scattered, small", 1, 12, 1, 0, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v2, shared memory", 1, 12, 1, 0, 0, 0, TCE_MEM_SHARED, SMALL },
	{ "v2, huge pages that may be split", 1, 12, 1, 0, 0, 0, TCE_MEM_THP, SZ_2M },
	{ "v2, hypervisor calls", 1, 12, 1, 1, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, small, KVM has the table", 1, 12, 1, 0, 0, 1, TCE_MEM_PLAIN, SMALL },
	{ "v2, large, KVM has the table", 1, 12, 1, 0, 0, 1, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels, KVM has the table", 1, 12, 4, 0, 0, 1, TCE_MEM_SCATTERED, LARGE },
	{ "v2, hypervisor calls, KVM has the table", 1, 12, 1, 1, 0, 1, TCE_MEM_PLAIN, SMALL },
	{ "v2, two levels", 1, 12, 2, 0, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels", 1, 12, 4, 0, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels, scattered", 1, 12, 4, 0, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v2, levels that can't be walked", 1, 12, 3, 0, 1, 0, TCE_MEM_PLAIN, SMALL },
	{ "v2, 64K", 1, 16, 1, 0, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, 64K, scattered", 1, 16, 1, 0, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v2, 4K of hugetlb", 1, 12, 1, 0, 0, 0, TCE_MEM_HUGETLB, SZ_2M },
	{ "v2, 64K of hugetlb", 1, 16, 1, 0, 0, 0, TCE_MEM_HUGETLB, SZ_4M },
	{ "v2, 2M of hugetlb", 1, 21, 1, 0, 0, 0, TCE_MEM_HUGETLB, SZ_8M },
	{ "v2, 16M of hugetlb", 1, 24, 1, 0, 0, 0, TCE_MEM_HUGETLB, SZ_32M },
	{ "v2, guest, small", 1, 12, 1, 0, 0, 1, TCE_MEM_PLAIN, SMALL, true },
	{ "v2, guest, large", 1, 12, 1, 0, 0, 1, TCE_MEM_PLAIN, LARGE, true },
	{ "v2, guest, four levels", 1, 12, 4, 0, 0, 1, TCE_MEM_SCATTERED, SMALL, true },
	{ "v2, guest, hypervisor calls", 1, 12, 1, 1, 0, 1, TCE_MEM_PLAIN, SMALL, true },
	{ "v2, guest without the table", 1, 12, 1, 0, 0, 0, TCE_MEM_SCATTERED, LARGE, true },
	{ "v2, guest, 64K", 1, 16, 1, 0, 0, 1, TCE_MEM_PLAIN, LARGE, true },
	{ "v2, guest, 4K of hugetlb", 1, 12, 1, 0, 0, 1, TCE_MEM_HUGETLB, SZ_2M, true },
	{ "v2, guest, 2M of hugetlb", 1, 21, 1, 0, 0, 1, TCE_MEM_HUGETLB, SZ_8M, true },
};

KUNIT_ARRAY_PARAM_DESC(shape, shapes, name);

/* A container, and memory that can be mapped in it. */
struct map_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	unsigned long step;
	unsigned long size;
	unsigned long ua;
};

static unsigned long memory(struct kunit *test, struct map_setup *s)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua;

	if (shape->kind == TCE_MEM_HUGETLB)
		tce_apart(fx);
	ua = tce_memory(fx, shape->kind, shape->size);
	if (shape->kind == TCE_MEM_HUGETLB)
		tce_apart(fx);
	if (!ua)
		kunit_skip(test, "this machine has no such memory");
	if (shape->v2) {
		long rc = tce_register(s->client, ua, shape->size);

		/* the pool of hugetlb pages is small */
		if (rc && shape->kind == TCE_MEM_HUGETLB)
			kunit_skip(test, "not enough hugetlb pages");
		KUNIT_ASSERT_EQ(test, rc, 0);
	}
	return ua;
}

static void setup(struct kunit *test, struct map_setup *s)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	int i;

	if (shape->kind != TCE_MEM_HUGETLB && 1UL << shape->shift > PAGE_SIZE)
		kunit_skip(test, "plain memory has no pages of %lx",
			   1UL << shape->shift);
	fx->mock->hcalls = shape->hcalls;
	fx->mock->opaque = shape->opaque;
	fx->mock->kvm = shape->kvm;
	if (shape->guest)
		tce_watch(fx);
	if (shape->v2)
		s->client = tce_ready_window(fx, shape->shift, SZ_64M,
					     shape->levels, &s->grp);
	else
		s->client = tce_ready(fx, false, &s->grp);
	s->step = 1UL << shape->shift;
	s->size = shape->size;
	s->ua = memory(test, s);
	if (shape->kind == TCE_MEM_HUGETLB && shape->v2) {
		/* each IOMMU page has to be inside one hugetlb page */
		for (i = 0; i < s->size >> PAGE_SHIFT; i++) {
			struct page *page = tce_page(fx, s->ua + i * PAGE_SIZE);

			if (page_size(compound_head(page)) < s->step)
				kunit_skip(test, "no hugetlb pages of %lx",
					   s->step);
		}
	}
}

static long map(struct map_setup *s, u64 ioba, unsigned long off,
		unsigned long size)
{
	return tce_map(s->client, ioba, s->ua + off, size, TCE_RW);
}

static void map_and_unmap(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;
	u64 ioba;

	setup(test, &s);
	ioba = s.step;
	KUNIT_ASSERT_EQ(test, map(&s, ioba, 0, s.size), 0);
	tce_expect_mapped(fx, s.grp, 0, ioba, s.ua, s.size, TCE_RW);
	tce_expect_empty(fx, s.grp, 0, 0, s.step);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), s.size / s.step);

	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, ioba, s.size), 0);
	tce_expect_empty(fx, s.grp, 0, 0, min(s.size + 2 * s.step, SZ_64M));
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->refs, 0);
}

/* Could KVM clear entries of a v2 window, without killing them for a while? */
static bool kvm_may_clear(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;

	return shape->v2 && !shape->hcalls && (shape->kvm || shape->guest);
}

static void one_entry_at_a_time(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long at, kills, n = 20;
	struct map_setup s;

	setup(test, &s);
	n = min(n, s.size / s.step);
	for (at = 0; at < n * s.step; at += s.step) {
		KUNIT_ASSERT_EQ(test, map(&s, at, at, s.step), 0);
		tce_expect_mapped(fx, s.grp, 0, at, s.ua + at, s.step, TCE_RW);
	}
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, n * s.step, TCE_RW);
	for (at = 0; at < n * s.step; at += s.step) {
		KUNIT_ASSERT_EQ(test, tce_unmap(s.client, at, s.step), 0);
		tce_expect_empty(fx, s.grp, 0, at, s.step);
	}
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	/* nothing is there any more: if KVM could have cleared it, it is killed again */
	kills = fx->mock->kills;
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.step), 0);
	if (kvm_may_clear(test))
		kills++;
	KUNIT_EXPECT_EQ(test, fx->mock->kills, kills);
}

static void replace_by_other_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other;
	struct map_setup s;

	setup(test, &s);
	other = s.ua;
	s.ua = memory(test, &s);
	swap(other, s.ua);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, other, s.size, TCE_R), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, other, s.size, TCE_R);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), s.size / s.step);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

static void replace_by_itself(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long pins;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	pins = tce_mock_pins(fx->mock);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
}

static void replace_a_part(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long third;
	struct map_setup s;

	setup(test, &s);
	third = round_down(s.size / 3, s.step);
	if (!third)
		kunit_skip(test, "too few pages");
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, 2 * third), 0);
	/* the last third of the memory, half over what was mapped */
	KUNIT_ASSERT_EQ(test, map(&s, third, 0, 2 * third), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, third, TCE_RW);
	tce_expect_mapped(fx, s.grp, 0, third, s.ua, 2 * third, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 3 * third / s.step);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, third, third), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, third, TCE_RW);
	tce_expect_empty(fx, s.grp, 0, third, third);
	tce_expect_mapped(fx, s.grp, 0, 2 * third, s.ua + third, third, TCE_RW);
}

/* Every other page, then all of them. */
static void unmap_over_holes(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;
	unsigned long at;

	setup(test, &s);
	for (at = 0; at < s.size; at += 2 * s.step)
		KUNIT_ASSERT_EQ(test, map(&s, at, at, s.step), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
}

/* MAP over a range of which every other page is mapped. */
static void map_over_holes(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;
	unsigned long at;

	setup(test, &s);
	for (at = 0; at < s.size; at += 2 * s.step)
		KUNIT_ASSERT_EQ(test, map(&s, at, 0, s.step), 0);
	KUNIT_EXPECT_EQ(test, map(&s, 0, 0, s.size), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* A long run, in the middle of which something is mapped already. */
static void map_over_one_entry(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;
	unsigned long mid;

	setup(test, &s);
	mid = round_down(s.size / 2, s.step);
	KUNIT_ASSERT_EQ(test, map(&s, mid, 0, s.step), 0);
	KUNIT_EXPECT_EQ(test, map(&s, 0, 0, s.size), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), s.size / s.step);
}

static void one_page_at_two_places(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.step), 0);
	KUNIT_ASSERT_EQ(test, map(&s, s.step, 0, s.step), 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.step), 0);
	tce_expect_mapped(fx, s.grp, 0, s.step, s.ua, s.step, TCE_RW);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, s.step, s.step), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* All directions, each changed into each. */
static void directions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;
	u32 from, to;

	setup(test, &s);
	for (from = TCE_R; from <= TCE_RW; from++) {
		for (to = TCE_R; to <= TCE_RW; to++) {
			KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, s.size,
						      from), 0);
			tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, from);
			KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, s.size,
						      to), 0);
			tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, to);
			KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.size),
					0);
		}
	}
}

/* One kill over the right range, where entries are written one by one. */
static void kill_once(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long kills, size;
	struct map_setup s;

	setup(test, &s);
	if (shape->hcalls)
		kunit_skip(test, "hypervisor calls do not need it");
	if (!shape->kvm)
		kunit_skip(test, "runs may be written at once");
	size = min(s.size, 8 * s.step);

	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, map(&s, s.step, 0, size), 0);
	tce_expect_kill(fx, s.grp, 0, kills, s.step, size);

	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, map(&s, s.step, 0, size), 0);
	tce_expect_kill(fx, s.grp, 0, kills, s.step, size);

	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, s.step, size), 0);
	tce_expect_kill(fx, s.grp, 0, kills, s.step, size);

	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, s.step, size), 0);
	if (kvm_may_clear(test))
		tce_expect_kill(fx, s.grp, 0, kills, s.step, size);
	else
		KUNIT_EXPECT_EQ(test, fx->mock->kills, kills);

	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.step), 0);
	tce_expect_kill(fx, s.grp, 0, kills, 0, s.step);
	kills = fx->mock->kills;
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.step), 0);
	tce_expect_kill(fx, s.grp, 0, kills, 0, s.step);
}

/* Memory in one piece takes one operation of the platform, whatever its size. */
static void one_run(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long ua, runs, writes;
	int v2;

	tce_apart(fx);
	ua = tce_memory(fx, TCE_MEM_HUGETLB, SZ_2M);
	if (!ua)
		kunit_skip(test, "this machine has no hugetlb pages");
	for (v2 = 0; v2 < 2; v2++) {
		client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, NULL) :
			      tce_ready(fx, false, NULL);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_2M),
					0);
		runs = fx->mock->runs;
		writes = fx->mock->writes;
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_4K, ua, SZ_2M, TCE_RW),
				0);
		KUNIT_EXPECT_EQ(test, fx->mock->runs, runs + 1);
		KUNIT_EXPECT_EQ(test, fx->mock->writes, writes + SZ_2M / SZ_4K);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->runs, runs + 2);
	}
}

/* Nor does ordinary memory before it keep the rest from being written at once. */
static void one_run_behind_other_pages(struct kunit *test)
{
	unsigned long rw = PROT_READ | PROT_WRITE;
	unsigned long edge, ua, few = 3 * PAGE_SIZE, exchanges;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);

	/* the hash MMU wants one size of pages between two such edges */
	edge = round_up(fx->next_ua, SZ_256M) + SZ_256M;
	fx->next_ua = edge;
	ua = tce_memory(fx, TCE_MEM_HUGETLB, SZ_2M);
	if (!ua)
		kunit_skip(test, "this machine has no hugetlb pages");
	fx->next_ua = edge + SZ_256M;
	ua -= few;
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, ua, few, rw, MAP_PRIVATE |
				      MAP_ANONYMOUS | MAP_FIXED, 0), ua);
	tce_stamp(ua, few);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	exchanges = fx->mock->asked[TCE_FAULT_XCHG];
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, few + SZ_2M, TCE_RW), 0);
	KUNIT_EXPECT_LE(test, fx->mock->asked[TCE_FAULT_XCHG],
			exchanges + few / SZ_4K);
	KUNIT_EXPECT_EQ(test, fx->mock->runs, 1);
}

/* A large hole between two entries is not invalidated with them, a small one is. */
static void large_hole(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, SZ_64K), kills;
	u64 second;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_64K), 0);
	for (second = 513 * SZ_4K; second <= 514 * SZ_4K; second += SZ_4K) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, second, ua, SZ_4K,
					      TCE_RW), 0);
		kills = fx->mock->kills;
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		if (second == 513 * SZ_4K)
			tce_expect_kill(fx, grp, 0, kills, 0, second + SZ_4K);
		else	/* the second one of two */
			tce_expect_kill(fx, grp, 0, kills + 1, second, SZ_4K);
	}
}

/* What the device may have written is dirty when it is let go. */
static void written_pages_are_dirty(struct kunit *test)
{
	static const u32 flags[] = { TCE_R, TCE_W, TCE_RW };
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct page *first, *last;
	struct map_setup s;
	int i;

	setup(test, &s);
	if (shape->v2)
		KUNIT_ASSERT_EQ(test, tce_unregister(s.client, s.ua, s.size),
				0);
	if (shape->kind == TCE_MEM_HUGETLB)
		kunit_skip(test, "hugetlb pages are always dirty");
	/* the kernel's own list does it when it is written by exchange */
	first = tce_page(fx, s.ua);
	last = tce_page(fx, s.ua + s.size - PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (shape->v2)
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua,
							   s.size), 0);
		ClearPageDirty(first);
		ClearPageDirty(last);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, s.size,
					      flags[i]), 0);
		KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
		if (shape->v2)
			KUNIT_ASSERT_EQ(test, tce_unregister(s.client, s.ua,
							     s.size), 0);
		KUNIT_EXPECT_EQ(test, PageDirty(first), flags[i] != TCE_R);
		KUNIT_EXPECT_EQ(test, PageDirty(last), flags[i] != TCE_R);
	}
}

/* Entry by entry, or all at once */
static void map_as(struct kunit *test, struct map_setup *s, bool singly,
		   unsigned long ua, unsigned long size, u32 flags)
{
	unsigned long at, step = singly ? s->step : size;

	for (at = 0; at < size; at += step)
		KUNIT_ASSERT_EQ(test, tce_map(s->client, at, ua + at, step,
					      flags), 0);
}

/*
 * So is what is replaced by other memory, and what is mapped entry by entry and
 * unmapped in one go. Nothing else is.
 */
static void replaced_pages_are_dirty(struct kunit *test)
{
	static const u32 flags[] = { TCE_R, TCE_W, TCE_RW };
	static const struct {
		bool singly;
		bool replaced;
		bool replaced_singly;
	} ways[] = {
		{ true }, { true, true }, { false, true }, { false, true, true },
	};
	const struct map_shape *shape = test->param_value;
	unsigned long other, size = max(PAGE_SIZE, SZ_64K);
	struct tce_fixture *fx = test->priv;
	struct page *first, *last;
	struct map_setup s;
	int i, k;

	if (shape->kind == TCE_MEM_HUGETLB)
		kunit_skip(test, "hugetlb pages are always dirty");
	setup(test, &s);
	other = memory(test, &s);
	if (shape->v2)
		KUNIT_ASSERT_EQ(test, tce_unregister(s.client, s.ua, s.size),
				0);
	first = tce_page(fx, s.ua);
	last = tce_page(fx, s.ua + size - PAGE_SIZE);
	for (k = 0; k < ARRAY_SIZE(ways) * ARRAY_SIZE(flags); k++) {
		i = k / ARRAY_SIZE(flags);
		if (shape->v2)
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua,
							   s.size), 0);
		ClearPageDirty(first);
		ClearPageDirty(last);
		map_as(test, &s, ways[i].singly, s.ua, size,
		       flags[k % ARRAY_SIZE(flags)]);
		if (ways[i].replaced)
			map_as(test, &s, ways[i].replaced_singly, other, size,
			       TCE_R);
		KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
		if (shape->v2)
			KUNIT_ASSERT_EQ(test, tce_unregister(s.client, s.ua,
							     s.size), 0);
		KUNIT_EXPECT_EQ_MSG(test, PageDirty(first),
				    flags[k % ARRAY_SIZE(flags)] != TCE_R,
				    "way %d", i);
		KUNIT_EXPECT_EQ_MSG(test, PageDirty(last),
				    flags[k % ARRAY_SIZE(flags)] != TCE_R,
				    "way %d", i);
	}
}

/* The owner unmaps the memory; the device goes on to reach it. */
static void memory_goes_away(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(s.ua, s.size), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, TCE_RW);

	if (shape->v2)	/* registered is registered */
		KUNIT_EXPECT_EQ(test, map(&s, 0, 0, s.size), 0);
	else
		KUNIT_EXPECT_EQ(test, map(&s, 0, 0, s.size), -EFAULT);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, s.size, TCE_RW);

	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

static void closed_while_mapped(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	tce_close(s.client);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	tce_expect_balance(fx);
}

static void unmapped_by_a_dying_owner(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.size), 0);
	tce_be_killed(true);
	tce_close(s.client);
	tce_be_killed(false);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
	tce_expect_balance(fx);
}

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

/* A region of hugetlb memory that does not begin with a whole huge page. */
static void v2_region_cuts_a_huge_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, 21, SZ_64M, 1, NULL);
	unsigned long ua;

	tce_apart(fx);
	ua = tce_memory(fx, TCE_MEM_HUGETLB, SZ_8M);
	if (!ua || page_size(compound_head(tce_page(fx, ua))) != SZ_2M)
		kunit_skip(test, "no hugetlb pages of 2M");
	KUNIT_ASSERT_EQ(test, tce_register(client, ua + SZ_1M, SZ_4M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_2M, SZ_2M, TCE_RW),
			-EINVAL);
	KUNIT_ASSERT_EQ(test, tce_unregister(client, ua + SZ_1M, SZ_4M), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_4M + SZ_1M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_2M, TCE_RW), -EINVAL);
	KUNIT_ASSERT_EQ(test, tce_unregister(client, ua, SZ_4M + SZ_1M), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua + SZ_2M, SZ_4M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_2M, SZ_4M, TCE_RW), 0);
}

/*
 * Ordinary pages behind a hugetlb page, or before it, in one region: none of
 * them may be mapped as a huge page, by KVM neither, and each by itself may.
 */
static void v2_huge_and_ordinary(struct kunit *test, bool behind, bool kvm)
{
	unsigned long rw = PROT_READ | PROT_WRITE;
	struct tce_fixture *fx = test->priv;
	unsigned long edge, huge, ua = 0, plain, hpa;
	struct mm_iommu_table_group_mem_t *mem;
	struct tce_mock_group *grp;
	struct tce_client *client;
	u64 start;
	long rc;

	/* the hash MMU wants one size of pages between two such edges */
	edge = round_up(fx->next_ua, SZ_256M) + SZ_256M;
	for (huge = SZ_2M; huge <= SZ_16M; huge <<= 3) {
		fx->next_ua = behind ? edge - huge : edge;
		ua = tce_memory(fx, TCE_MEM_HUGETLB, huge);
		if (ua)
			break;
	}
	if (!ua)
		kunit_skip(test, "this machine has no hugetlb pages");
	KUNIT_ASSERT_EQ(test, page_size(compound_head(tce_page(fx, ua))), huge);
	fx->next_ua = edge + SZ_256M;
	if (kvm)
		tce_watch(fx);
	plain = behind ? ua + huge : ua - huge;
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, plain, huge, rw, MAP_PRIVATE |
				      MAP_ANONYMOUS | MAP_FIXED, 0), plain);
	tce_stamp(plain, huge);
	client = tce_ready_window(fx, ilog2(huge), SZ_64M, 1, &grp);
	KUNIT_ASSERT_EQ(test, tce_create(client, PAGE_SHIFT, SZ_64M, 1, &start),
			0);
	ua = min(ua, plain);
	if (behind) {
		/* the kernel's list is no place for it, and then the pages are gone */
		tce_fault_arm(fx->mock, TCE_FAULT_PIN, 1, -ENOMEM);
		rc = tce_register(client, ua, 2 * huge);
		if (tce_fault_disarm(fx->mock))
			KUNIT_EXPECT_EQ(test, rc, -ENOMEM);
		else
			KUNIT_ASSERT_EQ(test, tce_unregister(client, ua,
							     2 * huge), 0);
	}
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * huge), 0);
	mem = mm_iommu_lookup(fx->mm, plain, huge);
	KUNIT_EXPECT_TRUE(test, !mem || mm_iommu_ua_to_hpa(mem, plain,
							   ilog2(huge), &hpa));

	KUNIT_EXPECT_EQ(test, tce_map(client, 0, plain, huge, TCE_RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 2 * huge, TCE_RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, fx->mock->writes, 0);

	KUNIT_EXPECT_EQ(test, tce_map(client, start, ua, 2 * huge, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 1, start, ua, 2 * huge, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * huge), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, start, 2 * huge), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * huge), 0);
}

static void v2_ordinary_pages_behind_a_huge_one(struct kunit *test)
{
	v2_huge_and_ordinary(test, true, false);
}

static void v2_ordinary_pages_before_a_huge_one(struct kunit *test)
{
	v2_huge_and_ordinary(test, false, false);
}

static void v2_ordinary_pages_behind_a_huge_one_with_kvm(struct kunit *test)
{
	v2_huge_and_ordinary(test, true, true);
}

static void v2_ordinary_pages_before_a_huge_one_with_kvm(struct kunit *test)
{
	v2_huge_and_ordinary(test, false, true);
}

/*
 * Huge pages are mapped as such, if they are whole, whether their region is in
 * the kernel's list or not.
 */
static void v2_huge_pages(struct kunit *test, bool kvm)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = 0, huge, cut;
	struct tce_mock_group *grp;
	struct tce_client *client;

	tce_apart(fx);
	for (huge = SZ_2M; huge <= SZ_16M && !ua; huge <<= 3) {
		ua = tce_memory(fx, TCE_MEM_HUGETLB, 2 * huge);
		if (ua && page_size(compound_head(tce_page(fx, ua))) == huge)
			break;
	}
	if (!ua)
		kunit_skip(test, "this machine has no hugetlb pages");
	KUNIT_ASSERT_EQ(test, page_size(compound_head(tce_page(fx, ua))), huge);
	tce_apart(fx);
	if (kvm)
		tce_watch(fx);
	client = tce_ready_window(fx, ilog2(huge), SZ_64M, 1, &grp);

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * huge), 0);
	KUNIT_EXPECT_EQ(test, !!mm_iommu_lookup(fx->mm, ua, PAGE_SIZE), kvm);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 2 * huge, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, 2 * huge, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_map(client, huge, ua, huge, TCE_R), 0);
	tce_expect_mapped(fx, grp, 0, huge, ua, huge, TCE_R);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * huge), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, 2 * huge), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * huge), 0);

	cut = huge / 2;
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, huge + cut), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, huge, TCE_RW), -EINVAL);
	KUNIT_ASSERT_EQ(test, tce_unregister(client, ua, huge + cut), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua + cut, huge + cut), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + huge, huge, TCE_RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

static void v2_huge_pages_by_themselves(struct kunit *test)
{
	v2_huge_pages(test, false);
}

static void v2_huge_pages_with_kvm(struct kunit *test)
{
	v2_huge_pages(test, true);
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

/* 4K of a CPU page that is larger: each part is found, none lets go of all. */
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
		client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, &grp) :
			      tce_ready(fx, false, &grp);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua,
							   4 * PAGE_SIZE), 0);
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

/* One pin for all the parts that came together, as long as there is one. */
static void parts_share_a_pin(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, PAGE_SIZE), at;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (at = 0; at < PAGE_SIZE; at += 2 * SZ_4K) {
		KUNIT_ASSERT_EQ(test, tce_map(client, at, ua + at, 2 * SZ_4K,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
	}
	for (at = 0; at < PAGE_SIZE; at += SZ_4K) {
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, at, SZ_4K), 0);
	}
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* A page has one pin, however its parts come, and whatever takes them away. */
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
	unsigned long ua = tce_plain(fx, 2 * PAGE_SIZE);
	unsigned long last = PAGE_SIZE - SZ_4K;
	u64 end = grp->tg.tce32_size;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
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

/* The part that the device could write goes first, by the entry or by the run. */
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

/* v1: a page that the device could only read is none that it has written to. */
static void one_entry_is_dirty(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct page *page = tce_page(fx, ua);
	int write;

	for (write = 0; write < 2; write++) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K,
					      write ? TCE_RW : TCE_R), 0);
		ClearPageDirty(page);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, PageDirty(page), write);
	}
}

/* A few pages, far apart in a large window, cleared by one UNMAP. */
static void sparse_window(struct kunit *test, u32 levels, bool opaque)
{
	static const u64 places[] = {
		0, SZ_1M, SZ_1G, SZ_1G + SZ_4K, (1ULL << 33) - SZ_4K,
		1ULL << 33, (1ULL << 34) - SZ_4K,
	};
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_mock_group *grp;
	struct tce_client *client;
	unsigned long lookups;
	int i;

	fx->mock->opaque = opaque;
	client = tce_ready_window(fx, 12, 1ULL << 34, levels, &grp);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		KUNIT_ASSERT_EQ(test, tce_map(client, places[i], ua, SZ_4K,
					      TCE_RW), 0);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		tce_expect_mapped(fx, grp, 0, places[i], ua, SZ_4K, TCE_RW);
	lookups = fx->mock->lookups;
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, 1ULL << 34), 0);
	/* the platform would have to be asked for one leaf after the other */
	if (!opaque)
		KUNIT_EXPECT_EQ(test, fx->mock->lookups, lookups);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
}

static void sparse_window_of_two_levels(struct kunit *test)
{
	sparse_window(test, 2, false);
}

static void sparse_window_of_five_levels(struct kunit *test)
{
	sparse_window(test, 5, false);
}

static void sparse_window_that_cannot_be_walked(struct kunit *test)
{
	sparse_window(test, 2, true);
}

/* A killed process is not kept: MAP undoes what it did, UNMAP stops. */
static void killed_half_way(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_32M);
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, &grp) :
			      tce_ready(fx, false, &grp);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_32M),
					0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		tce_be_killed(true);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_4K,
					      SZ_32M - SZ_4K, TCE_RW), -EINTR);
		tce_be_killed(false);
		tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
		tce_expect_empty(fx, grp, 0, SZ_4K, SZ_32M - SZ_4K);

		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_32M, TCE_RW), 0);
		tce_be_killed(true);
		tce_unmap(client, 0, SZ_32M);
		tce_be_killed(false);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_32M), 0);
		tce_expect_empty(fx, grp, 0, 0, SZ_32M);
	}
}

/* Both windows of a container, and both of its groups. */
static void two_windows_two_groups(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b;
	struct tce_client *client = tce_ready(fx, true, &a);
	unsigned long ua = tce_plain(fx, SMALL);
	u64 start;

	b = tce_group(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SMALL), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_1G, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, start, BIT_ULL(59));
	KUNIT_ASSERT_EQ(test, tce_map(client, start + SZ_1M, ua, SMALL, TCE_R),
			0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M, ua, SMALL, TCE_W), 0);
	tce_expect_mapped(fx, a, 1, start + SZ_1M, ua, SMALL, TCE_R);
	tce_expect_mapped(fx, b, 1, start + SZ_1M, ua, SMALL, TCE_R);
	tce_expect_mapped(fx, a, 0, SZ_1M, ua, SMALL, TCE_W);
	tce_expect_mapped(fx, b, 0, SZ_1M, ua, SMALL, TCE_W);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, start, SZ_1G), 0);
	tce_expect_empty(fx, b, 1, start + SZ_1M, SMALL);
	tce_expect_mapped(fx, b, 0, SZ_1M, ua, SMALL, TCE_W);
}

static struct kunit_case tce_map_cases[] = {
	KUNIT_CASE_PARAM(map_and_unmap, shape_gen_params),
	KUNIT_CASE_PARAM(one_entry_at_a_time, shape_gen_params),
	KUNIT_CASE_PARAM(replace_by_other_memory, shape_gen_params),
	KUNIT_CASE_PARAM(replace_by_itself, shape_gen_params),
	KUNIT_CASE_PARAM(replace_a_part, shape_gen_params),
	KUNIT_CASE_PARAM(unmap_over_holes, shape_gen_params),
	KUNIT_CASE_PARAM(map_over_holes, shape_gen_params),
	KUNIT_CASE_PARAM(map_over_one_entry, shape_gen_params),
	KUNIT_CASE_PARAM(one_page_at_two_places, shape_gen_params),
	KUNIT_CASE_PARAM(directions, shape_gen_params),
	KUNIT_CASE_PARAM(kill_once, shape_gen_params),
	KUNIT_CASE(one_run),
	KUNIT_CASE(one_run_behind_other_pages),
	KUNIT_CASE(large_hole),
	KUNIT_CASE_PARAM(written_pages_are_dirty, shape_gen_params),
	KUNIT_CASE_PARAM(replaced_pages_are_dirty, shape_gen_params),
	KUNIT_CASE_PARAM(memory_goes_away, shape_gen_params),
	KUNIT_CASE_PARAM(closed_while_mapped, shape_gen_params),
	KUNIT_CASE_PARAM(unmapped_by_a_dying_owner, shape_gen_params),
	KUNIT_CASE(v1_no_memory),
	KUNIT_CASE(v1_the_last_page_is_missing),
	KUNIT_CASE(v1_memory_of_the_kernel),
	KUNIT_CASE(v1_readonly_memory),
	KUNIT_CASE(v1_untouched_memory),
	KUNIT_CASE(v1_new_memory_at_the_same_address),
	KUNIT_CASE(v2_not_registered),
	KUNIT_CASE_PARAM(v2_partly_registered, cover_gen_params),
	KUNIT_CASE(v2_pages_too_large),
	KUNIT_CASE(v2_region_cuts_a_huge_page),
	KUNIT_CASE(v2_ordinary_pages_behind_a_huge_one),
	KUNIT_CASE(v2_ordinary_pages_before_a_huge_one),
	KUNIT_CASE(v2_ordinary_pages_behind_a_huge_one_with_kvm),
	KUNIT_CASE(v2_ordinary_pages_before_a_huge_one_with_kvm),
	KUNIT_CASE(v2_huge_pages_by_themselves),
	KUNIT_CASE(v2_huge_pages_with_kvm),
	KUNIT_CASE(v2_new_memory_at_the_same_address),
	KUNIT_CASE(parts_of_a_page),
	KUNIT_CASE(parts_share_a_pin),
	KUNIT_CASE(parts_alone),
	KUNIT_CASE(parts_at_the_ends),
	KUNIT_CASE(parts_of_two_runs),
	KUNIT_CASE(parts_are_dirty),
	KUNIT_CASE(one_entry_is_dirty),
	KUNIT_CASE(sparse_window_of_two_levels),
	KUNIT_CASE(sparse_window_of_five_levels),
	KUNIT_CASE(sparse_window_that_cannot_be_walked),
	KUNIT_CASE(killed_half_way),
	KUNIT_CASE(two_windows_two_groups),
	{}
};

static struct kunit_suite tce_map_suite = {
	.name = "tce_map",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_map_cases,
};

kunit_test_suite(tce_map_suite);
