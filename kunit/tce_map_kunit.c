// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map: what MAP and UNMAP do, for all shapes of memory, of its table and of its process,
 * which are drawn; and calls that are refused. What ends before it is done is in tce_failure.
 *
 * The platform checks every write (see tce_mock.h), so a case only has to say what
 * the device reaches in the end. What that is a model knows, whatever is called.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/prandom.h>

#include "../tce_map.h"
#include "../tce_table.h"
#include "tce_draw.h"
#include "tce_threads.h"

/* ---- shapes ---- */

enum { IFACE, SHIFT, MEMORY, LEVELS, HCALLS, PIECES, GROUPS, REGIONS, LARGE, SHAPE };

/* The process of the last has KVM, so that the table is shared, and the memory is in KVM's list. */
enum { V2, V1, GUEST };

static const u8 page_shifts[] = { 12, PAGE_SHIFT, 16, 21, 24 };
static const u8 all_levels[] = { 1, 2, 4 };
static const enum tce_mem_kind kinds[] = {
	TCE_MEM_PLAIN, TCE_MEM_SCATTERED, TCE_MEM_SHARED, TCE_MEM_THP, TCE_MEM_HUGETLB,
	TCE_MEM_HUGETLB, TCE_MEM_HUGETLB,
};

/* Of the CPU, that may be split at any time, that are not; what follows has ordinary ones, too */
#define CPU_PAGE	1
#define THP		3
#define HUGETLB		4
#define HUGE_FIRST	5

/* Firmware that has no calls for many entries is asked for one at a time. */
#define ONE_AT_A_TIME	2

static void fit_shape(u8 *v)
{
	/* the window of v1, and those of pseries, are simple */
	if (v[IFACE] == V1 || v[HCALLS]) {
		v[LEVELS] = 0;
		v[GROUPS] = 0;
	}
	if (v[IFACE] == V1) {
		v[SHIFT] = 0;
		v[REGIONS] = 0;
	}
	/* no other memory has larger pages that stay */
	if (v[MEMORY] < HUGETLB)
		v[SHIFT] = min_t(u8, v[SHIFT], CPU_PAGE);
	/* whose exchanges are counted: most_exchanges() */
	else if (!v[SHIFT])
		v[HCALLS] = min_t(u8, v[HCALLS], ONE_AT_A_TIME - 1);
}

static struct tce_shapes shapes = {
	.draw = {
		.n = SHAPE,
		.sizes = { 3, ARRAY_SIZE(page_shifts), ARRAY_SIZE(kinds), ARRAY_SIZE(all_levels),
			   3, 2, 2, 2, 2 },
		.fit = fit_shape,
	},
};

static const void *next_shape(const void *prev, char *desc)
{
	static const char *const ifaces[] = { "v2", "v1", "v2, guest" };
	static const char *const pages[] = { "4K", "the CPU's", "64K", "2M", "16M" };
	static const char *const memory[] = {
		"ordinary", "scattered", "shared", "transparent huge", "hugetlb",
		"hugetlb and ordinary", "ordinary and hugetlb",
	};
	static const char *const hcalls[] = { "", ", hypervisor calls", ", one at a time" };
	const u8 *v = tce_next_shape(&shapes, prev);

	if (v)
		snprintf(desc, KUNIT_PARAM_DESC_SIZE,
			 "%s, %s pages of %s%s memory, %u levels%s%s%s%s, seed %x",
			 ifaces[v[IFACE]], pages[v[SHIFT]], v[LARGE] ? "much " : "",
			 memory[v[MEMORY]], all_levels[v[LEVELS]], hcalls[v[HCALLS]],
			 v[PIECES] ? ", in pieces" : "", v[GROUPS] ? ", 2 groups" : "",
			 v[REGIONS] ? ", 2 regions" : "", TCE_SEED);
	return v;
}

TCE_GENERATOR(shape, next_shape)

/* More than one chunk of entries, some runs of which are long enough to be cleared at once */
#define MUCH	(SZ_2M + SZ_128K)

static unsigned long size_of(const u8 *shape)
{
	if (page_shifts[shape[SHIFT]] > 16)
		return page_shifts[shape[SHIFT]] == 24 ? 3 * SZ_16M : SZ_8M;
	if (shape[MEMORY] == THP || shape[MEMORY] == HUGETLB)
		return shape[LARGE] ? SZ_4M : SZ_2M;
	if (shape[MEMORY] > HUGETLB)
		return SZ_2M;
	return shape[LARGE] ? MUCH : SZ_128K;
}

/**
 * struct map_setup - a container, and memory that can be mapped in it
 * @client: the container
 * @grp: its group
 * @shape: what was drawn
 * @step: bytes of an IOMMU page
 * @size: bytes of the memory
 * @ua: the memory
 * @other: where in it ordinary pages are, beside huge ones
 * @others: bytes of these
 */
struct map_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	const u8 *shape;
	unsigned long step;
	unsigned long size;
	unsigned long ua;
	unsigned long other;
	unsigned long others;
};

/* None of the IOMMU pages is larger than the smallest page of its region. */
static bool may_map(const struct map_setup *s, unsigned long at, unsigned long size)
{
	if (s->step <= PAGE_SIZE || !s->others)
		return true;
	return s->shape[REGIONS] && (at + size <= s->other || at >= s->other + s->others);
}

/* Bytes of the first of two regions, which ends with one kind of pages, or of the only one */
static unsigned long first_region(const struct map_setup *s)
{
	if (!s->shape[REGIONS])
		return s->size;
	if (s->others)
		return s->other ?: s->others;
	return round_up(s->size / 2, max(s->step, PAGE_SIZE));
}

/* REGISTER or UNREGISTER all of the memory */
static long each_region(const struct map_setup *s,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	unsigned long first = first_region(s);
	long rc;

	if (s->shape[IFACE] == V1)
		return 0;
	rc = call(s->client, s->ua, first);
	if (!rc && first < s->size)
		rc = call(s->client, s->ua + first, s->size - first);
	return rc;
}

/* Huge pages, and ordinary ones that begin where they end, or end where they begin */
static void set_up_both(struct map_setup *s, struct tce_fixture *fx)
{
	/* the hash MMU wants one size of pages between two such edges */
	unsigned long edge = round_up(fx->next_ua, SZ_256M) + SZ_256M, huge = s->size;

	s->others = max_t(unsigned long, s->step, s->shape[LARGE] ? SZ_1M : SZ_128K);
	s->other = s->shape[MEMORY] == HUGE_FIRST ? huge : 0;
	s->size += s->others;
	fx->next_ua = edge - s->other;
	s->ua = tce_memory(fx, TCE_MEM_HUGETLB, huge);
	fx->next_ua = edge + SZ_256M;
	if (!s->ua)
		return;
	if (!s->other)
		s->ua -= s->others;
	tce_renew(fx, s->ua + s->other, s->others);
}

static void set_up_memory(struct kunit *test, struct map_setup *s)
{
	bool hugetlb = s->shape[MEMORY] >= HUGETLB;
	struct tce_fixture *fx = test->priv;
	unsigned long at;
	long rc;

	if (hugetlb)
		tce_apart(fx);
	if (s->shape[MEMORY] > HUGETLB)
		set_up_both(s, fx);
	else
		s->ua = tce_memory(fx, kinds[s->shape[MEMORY]], s->size);
	if (hugetlb)
		tce_apart(fx);
	if (!s->ua)
		kunit_skip(test, "this machine has no such memory");
	rc = each_region(s, tce_register);
	/* the pool of hugetlb pages is small */
	if (rc && hugetlb)
		kunit_skip(test, "not enough hugetlb pages");
	KUNIT_ASSERT_EQ(test, rc, 0);
	/* each IOMMU page has to be inside one page of the memory */
	for (at = 0; hugetlb && s->shape[IFACE] != V1 && at < s->size; at += PAGE_SIZE)
		if (may_map(s, at, PAGE_SIZE) &&
		    page_size(compound_head(tce_page(fx, s->ua + at))) < s->step)
			kunit_skip(test, "no hugetlb pages of %lx", s->step);
}

static void set_up(struct kunit *test, struct map_setup *s)
{
	struct tce_fixture *fx = test->priv;
	const u8 *shape = test->param_value;
	u32 shift = page_shifts[shape[SHIFT]];

	s->shape = shape;
	s->step = 1UL << shift;
	s->size = size_of(shape);
	fx->mock->hcalls = shape[HCALLS];
	if (shape[HCALLS] == ONE_AT_A_TIME)
		powerpc_firmware_features &= ~(FW_FEATURE_PUT_TCE_IND | FW_FEATURE_STUFF_TCE);
	if (shape[IFACE] == GUEST)
		tce_watch(fx);
	if (shape[IFACE] == V1)
		s->client = tce_ready(fx, false, &s->grp);
	else
		s->client = tce_ready_window(fx, shift, SZ_64M, all_levels[shape[LEVELS]], &s->grp);
	if (shape[GROUPS])
		KUNIT_ASSERT_EQ(test, tce_attach(s->client, tce_group(fx)), 0);
	set_up_memory(test, s);
}

/* ---- calls ---- */

/* Entries that are drawn, of each end of the window */
#define MOST	(TCE_CHUNK + 32)
/* How many calls there are for each shape */
#define CALLS	64

/**
 * struct map_model - what the entries at both ends of the window say, as far as one knows
 * @s: the container, and memory
 * @random: decides what is called
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
	bool v1 = m->s.shape[IFACE] == V1;
	struct tce_fixture *fx = test->priv;
	unsigned long live = 0;
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < 2 * m->n; i++) {
		if (!m->entries[i].flags)
			continue;
		live++;
		if (v1 && PAGE_SIZE > SZ_4K)
			pages |= BIT_ULL((m->entries[i].ua - m->s.ua) >> PAGE_SHIFT);
	}
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, live);
	if (v1)
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
	unsigned int kind = draw(m, 16), from = draw(m, m->n), n, i, page;
	/* one entry, or some, or any number */
	const unsigned int most[] = { 1, 20, 20, m->n };
	struct tce_fixture *fx = test->priv;
	unsigned long before = fx->mock->invalidations;
	u32 flags = 0;
	bool may;

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
		if (m->s.shape[HCALLS] && flags == TCE_W)
			flags = TCE_RW;
		may = may_map(&m->s, page * m->s.step, n * m->s.step);
		KUNIT_ASSERT_EQ(test, tce_map(m->s.client, ioba_of(m, from),
					      m->s.ua + page * m->s.step, n * m->s.step, flags),
				may ? 0 : -EINVAL);
		/* those of a leaf in batches, and not entry by entry */
		KUNIT_EXPECT_LE(test, fx->mock->invalidations - before, n / 8 + 2);
		if (!may)
			n = 0;
	}
	for (i = 0; i < n; i++) {
		m->entries[from + i].flags = flags;
		m->entries[from + i].ua = m->s.ua + (page + i) * m->s.step;
	}
	expect_model(test, m, from, n);
}

/*
 * The kernel's list may take all pages of the region for huge ones, and some ordinary pages are
 * where a huge one could be. KVM is not believed, and leaves huge pages to user space.
 */
static void kvm_puts_huge(struct kunit *test, const struct map_setup *s)
{
	struct iommu_table *tbl = s->grp->tg.tables[0];
	unsigned long at, hpa;

	for (at = 0; at < s->size; at += s->step) {
		enum dma_data_direction dir = DMA_BIDIRECTIONAL;

		hpa = round_down(page_to_phys(tce_page(test->priv, s->ua + at)), s->step);
		KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, tbl, 0, &hpa, &dir), 0);
		KUNIT_EXPECT_NULL(test, tbl->it_ops->useraddrptr(tbl, 0, true));
	}
}

/*
 * Runs of huge pages are found even if ordinary ones come before them, where half of the least run
 * is contiguous, and are written and cleared at once. The end of a call may be shorter than a run.
 */
static unsigned long most_exchanges(const struct map_setup *s)
{
	if (s->shape[MEMORY] < HUGETLB || s->shape[SHIFT] || s->shape[IFACE] == GUEST ||
	    s->shape[LEVELS])
		return ULONG_MAX;
	return s->others ? (s->others + SZ_512K) / SZ_4K : 0;
}

/*
 * What the device could only read is clean, and UNMAP of what is empty invalidates nothing.
 * Afterwards the memory may be pinned in pieces, because the kernel pins less than it was asked
 * for.
 */
static void read_and_unmap(struct kunit *test, struct map_setup *s)
{
	struct tce_fixture *fx = test->priv;
	struct page *first = tce_page(fx, s->ua), *last = tce_page(fx, s->ua + s->size - PAGE_SIZE);
	unsigned long before, exchanges = fx->mock->asked[TCE_FAULT_XCHG];
	bool may = may_map(s, 0, s->size);

	ClearPageDirty(first);
	ClearPageDirty(last);
	KUNIT_ASSERT_EQ(test, tce_map(s->client, 0, s->ua, s->size, TCE_R), may ? 0 : -EINVAL);
	if (!may)
		KUNIT_EXPECT_EQ(test, fx->mock->writes, 0);
	KUNIT_ASSERT_EQ(test, tce_unmap(s->client, 0, s->size), 0);
	KUNIT_EXPECT_LE(test, fx->mock->asked[TCE_FAULT_XCHG] - exchanges, most_exchanges(s));
	before = fx->mock->invalidations;
	KUNIT_EXPECT_EQ(test, tce_unmap(s->client, 0, s->step), 0);
	/* but for what KVM could have cleared */
	if (s->shape[IFACE] == GUEST && !s->shape[HCALLS] && s->step <= PAGE_SIZE)
		before++;
	KUNIT_EXPECT_EQ(test, fx->mock->invalidations, before);
	KUNIT_ASSERT_EQ(test, each_region(s, tce_unregister), 0);
	/* nobody knows what KVM has let a device write */
	KUNIT_EXPECT_EQ(test, PageDirty(first), s->shape[IFACE] == GUEST);
	KUNIT_EXPECT_EQ(test, PageDirty(last), s->shape[IFACE] == GUEST);
	if (s->shape[PIECES])
		tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, 3);
	KUNIT_ASSERT_EQ(test, each_region(s, tce_register), 0);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock) > 0,
			s->shape[PIECES] && s->shape[IFACE] != V1);
}

/*
 * UNREGISTER takes away what is mapped of its region in each window, and of no other. A client that
 * is killed need not look at all of them.
 */
static void unregister_mapped(struct kunit *test, struct map_model *m)
{
	unsigned long first = first_region(&m->s);
	struct tce_client *client = m->s.client;
	unsigned int i;
	u64 start;
	long rc;

	/* pseries has no room for another one */
	if (!m->s.shape[HCALLS]) {
		KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_64K, 1, &start), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, start, m->s.ua, SZ_4K, TCE_RW), 0);
	}
	rc = TCE_KILLED_IF(draw(m, 2), tce_unregister(client, m->s.ua, first));
	if (rc) {
		KUNIT_EXPECT_EQ(test, rc, -EINTR);
		KUNIT_ASSERT_EQ(test, tce_unregister(client, m->s.ua, first), 0);
	}
	for (i = 0; i < 2 * m->n; i++)
		if (m->entries[i].ua < m->s.ua + first)
			m->entries[i].flags = 0;
	expect_model(test, m, 0, 2 * m->n);
	KUNIT_ASSERT_EQ(test, tce_register(client, m->s.ua, first), 0);
}

/*
 * Any MAPs and UNMAPs, one entry at a time or many, that fill what is empty, replace what is there
 * by other memory or in another direction, and leave holes.
 */
static void any_calls(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct map_model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	set_up(test, &m->s);
	tce_seed_by(&m->random, m->s.shape, SHAPE);
	if (m->s.shape[IFACE] == GUEST && m->s.step > PAGE_SIZE)
		kvm_puts_huge(test, &m->s);
	read_and_unmap(test, &m->s);
	m->n = min3((unsigned long)MOST, m->s.size / m->s.step, SZ_64M / m->s.step / 2);
	for (i = 0; i < CALLS; i++) {
		call_and_expect(test, m);
		if (READ_ONCE(test->status) == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "call %u", i);
	}
	/* a function comes to the group, and PowerNV takes that once more; a stranger leaves */
	KUNIT_EXPECT_EQ(test, m->s.grp->tg.ops->take_ownership(&m->s.grp->tg, NULL), 0);
	tce_detach(m->s.client, tce_group(fx));
	expect_model(test, m, 0, 2 * m->n);
	if (m->s.shape[IFACE] != V1)
		unregister_mapped(test, m);
	if (m->s.shape[HCALLS] == ONE_AT_A_TIME)
		KUNIT_EXPECT_EQ(test, fx->mock->runs, 0);

	/* a process that is killed closes its container as it is */
	if (draw(m, 2)) {
		TCE_DO_KILLED(tce_close(m->s.client));
		KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).tables, 0);
		tce_expect_balance(fx);
		return;
	}
	KUNIT_ASSERT_EQ(test, tce_unmap(m->s.client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, 0);
	KUNIT_EXPECT_EQ(test, fx->mock->refs, 0);
	KUNIT_EXPECT_EQ(test, each_region(&m->s, tce_unregister), 0);
	if (m->s.shape[IFACE] == V1)
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* ---- calls that are refused ---- */

/* What is wrong with the addresses is found before anything is pinned. */
static void v1_refuses_before_it_pins(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, SZ_256K);

	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_2K, SZ_256K, TCE_R), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, -SZ_64K, SZ_64K, TCE_R), -EFAULT);
	KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_PIN], 0);
}

static void map_and_unmap_as_other(struct tce_fixture *fx, void *arg)
{
	struct tce_client *client = arg;
	struct tce_container *container = tce_container_find(client->data);

	KUNIT_EXPECT_EQ(fx->test, tce_container_map(container, 0, fx->args, SZ_4K,
						    DMA_BIDIRECTIONAL), -EPERM);
	tce_expect_why(fx, "NOT_OWNER");
	KUNIT_EXPECT_EQ(fx->test, tce_container_unmap(container, 0, 0), -EPERM);
}

/* Another process has bound and enabled the container since MAP or UNMAP looked at its owner. */
static void not_the_owners(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned int pins;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		struct tce_client *client = tce_ready(fx, v2, NULL);

		pins = fx->mock->asked[TCE_FAULT_PIN];
		tce_do_as_other(fx, map_and_unmap_as_other, client);
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_PIN], pins);
	}
}

static struct kunit_case tce_map_cases[] = {
	KUNIT_CASE(v1_refuses_before_it_pins),
	KUNIT_CASE(not_the_owners),
	KUNIT_CASE_PARAM(any_calls, shape_gen_params),
	{}
};

TCE_SUITE(tce_map);
