// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map: what MAP and UNMAP do, for all shapes of memory.
 *
 * The platform checks every write (see tce_mock.h), so a case only has to say what
 * the device reaches in the end. What that is a model knows, whatever is called.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/prandom.h>

#include "tce_client.h"

/* Some runs of entries are long enough to be cleared at once: more than 64. */
#define SMALL	SZ_128K
#define LARGE	(SZ_512K + SZ_128K)

/* Memory, and how it is mapped */
struct map_shape {
	const char *name;
	bool v2;
	u32 shift;
	u32 levels;
	bool hcalls;
	bool kvm;
	enum tce_mem_kind kind;
	unsigned long size;
	bool guest;
};

static const struct map_shape shapes[] = {
	{ "v1, small", 0, 12, 1, 0, 0, TCE_MEM_PLAIN, SMALL },
	{ "v1, large", 0, 12, 1, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered", 0, 12, 1, 0, 0, TCE_MEM_SCATTERED, LARGE },
	{ "v1, shared memory", 0, 12, 1, 0, 0, TCE_MEM_SHARED, SMALL },
	{ "v1, huge pages that may be split", 0, 12, 1, 0, 0, TCE_MEM_THP, SZ_2M },
	{ "v1, hugetlb", 0, 12, 1, 0, 0, TCE_MEM_HUGETLB, SZ_2M },
	{ "v1, hypervisor calls", 0, 12, 1, 1, 0, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered, hypervisor calls", 0, 12, 1, 1, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v1, large, KVM has the table", 0, 12, 1, 0, 1, TCE_MEM_PLAIN, LARGE },
	{ "v1, scattered, KVM has the table", 0, 12, 1, 0, 1, TCE_MEM_SCATTERED, SMALL },
	{ "v2, small", 1, 12, 1, 0, 0, TCE_MEM_PLAIN, SMALL },
	{ "v2, large", 1, 12, 1, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, scattered", 1, 12, 1, 0, 0, TCE_MEM_SCATTERED, LARGE },
	{ "v2, scattered, small", 1, 12, 1, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v2, shared memory", 1, 12, 1, 0, 0, TCE_MEM_SHARED, SMALL },
	{ "v2, huge pages that may be split", 1, 12, 1, 0, 0, TCE_MEM_THP, SZ_2M },
	{ "v2, hypervisor calls", 1, 12, 1, 1, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, small, KVM has the table", 1, 12, 1, 0, 1, TCE_MEM_PLAIN, SMALL },
	{ "v2, large, KVM has the table", 1, 12, 1, 0, 1, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels, KVM has the table", 1, 12, 4, 0, 1, TCE_MEM_SCATTERED, LARGE },
	{ "v2, hypervisor calls, KVM has the table", 1, 12, 1, 1, 1, TCE_MEM_PLAIN, SMALL },
	{ "v2, two levels", 1, 12, 2, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels", 1, 12, 4, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, four levels, scattered", 1, 12, 4, 0, 0, TCE_MEM_SCATTERED, SMALL },
	{ "v2, 64K", 1, 16, 1, 0, 0, TCE_MEM_PLAIN, LARGE },
	{ "v2, 64K, scattered", 1, 16, 1, 0, 0, TCE_MEM_SCATTERED, LARGE },
	{ "v2, 4K of hugetlb", 1, 12, 1, 0, 0, TCE_MEM_HUGETLB, SZ_2M },
	{ "v2, 64K of hugetlb", 1, 16, 1, 0, 0, TCE_MEM_HUGETLB, SZ_4M },
	{ "v2, 2M of hugetlb", 1, 21, 1, 0, 0, TCE_MEM_HUGETLB, SZ_8M },
	{ "v2, 16M of hugetlb", 1, 24, 1, 0, 0, TCE_MEM_HUGETLB, 3 * SZ_16M },
	{ "v2, guest, small", 1, 12, 1, 0, 1, TCE_MEM_PLAIN, SMALL, true },
	{ "v2, guest, large", 1, 12, 1, 0, 1, TCE_MEM_PLAIN, LARGE, true },
	{ "v2, guest, four levels", 1, 12, 4, 0, 1, TCE_MEM_SCATTERED, SMALL, true },
	{ "v2, guest, hypervisor calls", 1, 12, 1, 1, 1, TCE_MEM_PLAIN, SMALL, true },
	{ "v2, guest without the table", 1, 12, 1, 0, 0, TCE_MEM_SCATTERED, LARGE, true },
	{ "v2, guest, 64K", 1, 16, 1, 0, 1, TCE_MEM_PLAIN, LARGE, true },
	{ "v2, guest, 4K of hugetlb", 1, 12, 1, 0, 1, TCE_MEM_HUGETLB, SZ_2M, true },
	{ "v2, guest, 2M of hugetlb", 1, 21, 1, 0, 1, TCE_MEM_HUGETLB, SZ_8M, true },
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

/* Entries that are drawn, of each end of the window */
#define MOST	160
/* How many calls there are for each shape */
#define CALLS	64

/**
 * struct map_model - what the entries at both ends of the window say, as far as one knows
 * @s: the container, and memory
 * @random: decides what is called; its seed is that of the shape
 * @n: entries of each end
 * @entries: at first those of the start, and then those of the end
 */
struct map_model {
	struct map_setup s;
	struct rnd_state random;
	unsigned int n;
	struct {
		u32 flags;
		unsigned long ua;
	} entries[2 * MOST];
};

static unsigned int draw(struct map_model *m, unsigned int below)
{
	return prandom_u32_state(&m->random) % below;
}

static u64 ioba_of(const struct map_model *m, unsigned int i)
{
	return i < m->n ? i * m->s.step : SZ_64M - (2 * m->n - i) * m->s.step;
}

/* So many entries say what they have to, and reach what is pinned once for each page. */
static void expect_model(struct kunit *test, struct map_model *m, unsigned int from, unsigned int n)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long live = 0;
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < 2 * m->n; i++) {
		if (!m->entries[i].flags)
			continue;
		live++;
		if (!shape->v2 && PAGE_SIZE > SZ_4K)
			pages |= BIT_ULL((m->entries[i].ua - m->s.ua) >> PAGE_SHIFT);
	}
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), live);
	if (!shape->v2)
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock),
				PAGE_SIZE > SZ_4K ? hweight64(pages) : live);
	for (i = from; i < from + n; i++) {
		if (m->entries[i].flags)
			tce_expect_mapped(fx, m->s.grp, 0, ioba_of(m, i), m->entries[i].ua,
					  m->s.step, m->entries[i].flags);
		else
			tce_expect_empty(fx, m->s.grp, 0, ioba_of(m, i), m->s.step);
	}
}

/* MAP or UNMAP of some entries of one end, or UNMAP of all */
static void call_and_expect(struct kunit *test, struct map_model *m)
{
	const struct map_shape *shape = test->param_value;
	unsigned int kind = draw(m, 16), from = draw(m, m->n), n, i, page;
	/* one entry, or some, or any number */
	const unsigned int most[] = { 1, 20, 20, m->n };
	u32 flags = 0;

	n = 1 + draw(m, min(most[draw(m, ARRAY_SIZE(most))], m->n - from));
	page = draw(m, m->s.size / m->s.step);
	if (draw(m, 2))
		from += m->n;
	if (!kind) {
		from = 0;
		n = 2 * m->n;
		KUNIT_ASSERT_EQ(test, tce_unmap(m->s.client, 0, SZ_64M), 0);
	} else if (kind < 7) {
		KUNIT_ASSERT_EQ(test, tce_unmap(m->s.client, ioba_of(m, from), n * m->s.step), 0);
	} else {
		n = min_t(unsigned int, n, m->s.size / m->s.step - page);
		flags = 1 + draw(m, 3);
		/* a run that pseries lets the device write it may read as well */
		if (shape->hcalls && flags == TCE_W)
			flags = TCE_RW;
		KUNIT_ASSERT_EQ(test, tce_map(m->s.client, ioba_of(m, from),
					      m->s.ua + page * m->s.step, n * m->s.step, flags), 0);
	}
	for (i = 0; i < n; i++) {
		m->entries[from + i].flags = flags;
		m->entries[from + i].ua = m->s.ua + (page + i) * m->s.step;
	}
	expect_model(test, m, from, n);
}

/*
 * Any MAPs and UNMAPs, one entry at a time or many, that fill what is empty, replace what is there
 * by other memory or in another direction, and leave holes.
 */
static void any_calls(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct map_model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	setup(test, &m->s);
	m->n = min3((unsigned long)MOST, m->s.size / m->s.step, SZ_64M / m->s.step / 2);
	prandom_seed_state(&m->random, 1 + shape - shapes);
	for (i = 0; i < CALLS; i++) {
		call_and_expect(test, m);
		if (READ_ONCE(test->status) == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "call %u", i);
	}
	expect_model(test, m, 0, 2 * m->n);

	/* a process that is killed closes its container as it is */
	if (draw(m, 2)) {
		TCE_DO_KILLED(tce_close(m->s.client));
		KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
		tce_expect_balance(fx);
		return;
	}
	KUNIT_ASSERT_EQ(test, tce_unmap(m->s.client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->refs, 0);
	if (shape->v2)
		KUNIT_EXPECT_EQ(test, tce_unregister(m->s.client, m->s.ua, m->s.size), 0);
	else
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* UNMAP of what is empty kills nothing, but for what KVM could have cleared. */
static void unmap_nothing(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long kills;
	struct map_setup s;

	setup(test, &s);
	KUNIT_ASSERT_EQ(test, map(&s, 0, 0, s.step), 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.step), 0);
	kills = fx->mock->kills;
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, s.step), 0);
	if (shape->guest && !shape->hcalls && shape->shift <= PAGE_SHIFT)
		kills++;
	KUNIT_EXPECT_EQ(test, fx->mock->kills, kills);
}

/* The pages are not dirty if the device could only read them. */
static void read_pages_are_clean(struct kunit *test)
{
	const struct map_shape *shape = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct page *first, *last;
	struct map_setup s;

	setup(test, &s);
	first = tce_page(fx, s.ua);
	last = tce_page(fx, s.ua + s.size - PAGE_SIZE);
	ClearPageDirty(first);
	ClearPageDirty(last);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, s.size, TCE_R), 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, s.size), 0);
	if (shape->v2)
		KUNIT_ASSERT_EQ(test, tce_unregister(s.client, s.ua, s.size), 0);
	KUNIT_EXPECT_FALSE(test, PageDirty(first));
	KUNIT_EXPECT_FALSE(test, PageDirty(last));
}

static struct kunit_case tce_map_cases[] = {
	KUNIT_CASE_PARAM(any_calls, shape_gen_params),
	KUNIT_CASE_PARAM(unmap_nothing, shape_gen_params),
	KUNIT_CASE_PARAM(read_pages_are_clean, shape_gen_params),
	{}
};

TCE_SUITE(tce_map);
