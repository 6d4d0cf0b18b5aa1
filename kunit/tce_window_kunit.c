// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window: windows that are created and removed, with a platform that may refuse at every
 * step. What becomes of the memory in a window that a bridge does not release, and which errno a
 * client gets, is in tce_failure.
 */
#include <linux/prandom.h>

#include "../tce_container.h"
#include "../tce_table.h"
#include "tce_fixture.h"
#include "tce_draw.h"

/*
 * What a platform has. pseries says -1 windows if there is only the default one, and size 0 if that
 * has 4 GiB or more, in which case there is none. It is asked only for what it can give: otherwise
 * it would never create a window for the device again, or lose a table.
 */
static const struct platform {
	const char *name;
	bool pseries;
	u32 windows;
	u64 at;
	u64 size;
} platforms[] = {
	{ "PowerNV", false, 2, 0, SZ_64M },
	{ "PowerNV, not at 0", false, 2, SZ_1G, SZ_64M },
	{ "pseries, 2 windows", true, 2, 0, SZ_64M },
	{ "pseries, 1 window", true, 1, 0, SZ_64M },
	{ "pseries, only the default window", true, -1, 0, SZ_64M },
	{ "pseries, no default window", true, 1, TCE_SECOND, 0 },
};

KUNIT_ARRAY_PARAM_DESC(platform, platforms, name);

struct win {
	u32 shift;
	u64 size;
};

/* The last one is none. */
static const struct win wanted[] = {
	{ 12, SZ_16M }, { 12, SZ_128M }, { 16, SZ_8M }, { 16, SZ_16M }, { 16, SZ_32M },
	{ 13, SZ_16M },
};

/* Which windows there are, as far as one knows, and what the hypervisor does, see ask() */
struct model {
	const struct platform *platform;
	struct rnd_state random;
	struct tce_client *client;
	struct tce_mock_group *grp;
	bool pending;
	struct win wins[2];
	unsigned int asked;
	unsigned int fails_at;
	int fault;
	int refused;
	u64 refused_entries;
};

static unsigned int draw(struct model *m, unsigned int below)
{
	return prandom_u32_state(&m->random) % below;
}

static bool is_default(const struct model *m, struct win win)
{
	return win.shift == 12 && win.size <= m->platform->size;
}

/* Is there room for one more window, which pseries can give? */
static int predict_room(const struct model *m, struct win win)
{
	bool first = m->pending || m->wins[0].size, second = m->wins[1].size;

	if (first && second)
		return -ENOSPC;
	if (!m->platform->pseries)
		return 0;
	if (second)
		return -EPERM;
	if (first && (m->platform->windows != 2 || !(m->pending || is_default(m, m->wins[0]))))
		return -ENOSPC;
	return m->platform->windows > 2 && !is_default(m, win) ? -ENOSPC : 0;
}

/*
 * What the hypervisor has refused, it is not asked for again until the group has left: after
 * -EINVAL, no window as large as the one for which it has no block, of which the default window is
 * no part; otherwise none at all.
 */
static int ask(struct model *m, int num, struct win win)
{
	u64 entries = !num && is_default(m, win) ? 0 : win.size >> win.shift;

	if (m->refused && entries >= m->refused_entries)
		return m->refused;
	if (++m->asked != m->fails_at) {
		m->wins[num] = win;
		return 0;
	}
	if (m->platform->pseries) {
		m->refused = m->fault;
		m->refused_entries = m->fault == -EINVAL ? entries : 0;
	}
	return m->fault;
}

static int ask_for_default(struct model *m)
{
	int rc = m->pending ? ask(m, 0, (struct win){ 12, m->platform->size }) : 0;

	m->pending &= rc != 0;
	return rc;
}

/* The default window comes first, and stays on pseries, where it could not be had again. */
static int predict_create(struct model *m, struct win win)
{
	bool pending = m->pending;
	int rc;

	rc = win.shift == 13 ? -EINVAL : predict_room(m, win) ?: ask_for_default(m);
	if (rc)
		return rc;
	rc = ask(m, m->wins[0].size ? 1 : 0, win);
	if (rc && pending && !m->platform->pseries) {
		m->pending = true;
		m->wins[0].size = 0;
	}
	return rc;
}

/* The window that begins there; NULL if there is none */
static struct win *window_at(struct model *m, u64 start)
{
	int num = start != m->grp->start[0];

	return m->wins[num].size && start == m->grp->start[num] ? &m->wins[num] : NULL;
}

static void group_comes(struct kunit *test, struct model *m)
{
	KUNIT_ASSERT_EQ(test, tce_attach(m->client, m->grp), 0);
	m->pending = m->platform->size;
	m->wins[0].size = 0;
	m->wins[1].size = 0;
	m->refused = 0;
}

static void any_call(struct kunit *test, struct model *m)
{
	u64 start, at = ((u64[]) { m->grp->start[0], m->grp->start[1], 0 })[draw(m, 3)];
	struct win win = wanted[draw(m, ARRAY_SIZE(wanted))], *there;
	struct tce_mock *mock = m->grp->mock;
	/* a refusal lasts until the group leaves: then it leaves more often, for further ones */
	unsigned int kind = m->refused && !draw(m, 8) ? 63 : draw(m, 64);
	int rc;

	/* again what is smaller than it has refused */
	m->fails_at = draw(m, m->refused ? 2 : 4) ? 0 : m->asked + 1 + draw(m, 2);
	m->fault = draw(m, 2) ? -EINVAL : -ENODEV;
	if (m->fails_at)
		tce_fault_arm(mock, TCE_FAULT_CREATE, m->fails_at - m->asked, m->fault);
	if (kind < 32) {
		rc = predict_create(m, win);
		KUNIT_EXPECT_EQ(test, tce_create(m->client, win.shift, win.size, 1, &start), rc);
		KUNIT_EXPECT_EQ(test, !!window_at(m, start), !rc);
	} else if (kind < 44) {
		rc = ask_for_default(m) ?: (window_at(m, at) ? 0 : -ENXIO);
		KUNIT_EXPECT_EQ(test, tce_unmap(m->client, at, SZ_64K), rc);
	} else if (kind < 62) {
		there = window_at(m, at);
		rc = there || (m->pending && at == m->platform->at) ? 0 : -EINVAL;
		KUNIT_EXPECT_EQ(test, tce_remove(m->client, at), rc);
		if (there)
			there->size = 0;
		else if (!rc)
			m->pending = false;
	} else {
		tce_detach(m->client, m->grp);
		group_comes(test, m);
	}
	tce_fault_disarm(mock);
	KUNIT_EXPECT_EQ(test, mock->asked[TCE_FAULT_CREATE], m->asked);
	/* what the group has left charged goes with the next ioctl */
	if (kind < 62)
		KUNIT_EXPECT_EQ(test, tce_charged(m->client->fx), mock->priced + 1);
}

/* Whatever a client has tried, it has the windows that it should have, and is charged for these. */
static void any_windows(struct kunit *test)
{
	struct model m = { .platform = test->param_value };
	struct tce_fixture *fx = test->priv;
	struct iommu_table *tbl;
	unsigned int i, num;

	fx->mock->hcalls = m.platform->pseries;
	m.grp = tce_group(fx);
	m.grp->start[0] = m.platform->at;
	m.grp->tg.tce32_start = m.platform->size ? m.platform->at : 0;
	m.grp->tg.tce32_size = m.platform->size;
	m.grp->tg.max_dynamic_windows_supported = m.platform->windows;
	m.client = tce_open(fx, true);
	KUNIT_ASSERT_EQ(test, tce_register(m.client, tce_plain(fx, PAGE_SIZE), PAGE_SIZE), 0);
	prandom_seed_state(&m.random, TCE_SEED);
	group_comes(test, &m);
	for (i = 0; i < 1024; i++) {
		any_call(test, &m);
		for (num = 0; num < 2; num++) {
			tbl = m.grp->hw[num];
			KUNIT_EXPECT_EQ(test, tbl ? tbl->it_size << m.wins[num].shift : 0,
					m.wins[num].size);
		}
		if (READ_ONCE(test->status) == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(test, "call %u", i);
	}
}

static void bridge_keeps_a_window_at_detach(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *client = tce_ready_for(fx, true, ua, PAGE_SIZE, &a);

	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -5);
	tce_detach(client, b);
	tce_fault_disarm(fx->mock);
	/* the first group is not affected */
	tce_expect_mapped(fx, a, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	tce_detach(client, a);
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).tables, 1);
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, 0);
}

/* Which limit of tables is met */
static const struct limit {
	const char *name;
	bool of_all;
	unsigned int share;
} limits[] = {
	{ "of one process", false, 8 },
	{ "of all", true, 4 },
};

KUNIT_ARRAY_PARAM_DESC(limit, limits, name);

/* Have tables of others so that so many pages are left. Return: their pages, to be taken off */
static long leave(struct kunit *test, const struct tce_client *client, unsigned long npages)
{
	const struct limit *limit = test->param_value;
	atomic_long_t *used = limit->of_all ? &tce_table_pages :
			      &tce_container_find(client->data)->mem.tmm->table_pages;
	long others = totalram_pages() / limit->share - npages - atomic_long_read(used);

	atomic_long_add(others, used);
	if (limit->of_all)
		((struct tce_fixture *)test->priv)->begun.n[TCE_TABLE_PAGES] += others;
	return others;
}

static void take_off(struct kunit *test, const struct tce_client *client, long others)
{
	const struct limit *limit = test->param_value;

	if (limit->of_all)
		((struct tce_fixture *)test->priv)->begun.n[TCE_TABLE_PAGES] -= others;
	atomic_long_sub(others, limit->of_all ? &tce_table_pages :
			&tce_container_find(client->data)->mem.tmm->table_pages);
}

/* With a page less than @npages it is ENOMEM, and changes nothing. Return: the result with them */
#define NEEDS(npages, call) ({						\
	long _least = npages, _rc, _others;				\
	struct tce_state _before;					\
	int _less;							\
									\
	for (_less = 1; _less >= 0; _less--) {				\
		_others = leave(test, client, _least - _less);		\
		tce_get_state(fx, &_before);				\
		fx->mock->refused_by = NULL;				\
		_rc = call;						\
		if (_less) {						\
			KUNIT_EXPECT_EQ(test, _rc, -ENOMEM);		\
			tce_expect_why(fx, "TABLES_LIMIT");		\
			tce_expect_state(fx, &_before, "TABLES_LIMIT");	\
		}							\
		take_off(test, client, _others);			\
	}								\
	_rc;								\
})

/*
 * Whatever a process may lock, its tables and all tables are bounded, with the levels that MAP
 * adds. The platform is not asked for a table that would be too much.
 */
static void tables_are_bounded(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	unsigned int asked;
	struct iommu_table *tbl;
	u64 start;
	long used;

	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	/* the default window and that one, or neither */
	KUNIT_EXPECT_EQ(test, NEEDS((grp->tg.ops->get_table_size(12, grp->tg.tce32_size, 1) +
				     grp->tg.ops->get_table_size(16, SZ_64M, 1)) >> PAGE_SHIFT,
				    tce_create(client, 16, SZ_64M, 1, &start)), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_CREATE], 2);
	/* once more, since what is removed is given back */
	KUNIT_ASSERT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_EQ(test, NEEDS(grp->tg.ops->get_table_size(16, SZ_64M, 1) >> PAGE_SHIFT,
				    tce_create(client, 16, SZ_64M, 1, &start)), 0);
	asked = fx->mock->asked[TCE_FAULT_CREATE];
	KUNIT_EXPECT_EQ(test, asked, 3);
	/* for all it counts until KVM has put it, too */
	tbl = iommu_tce_table_get(grp->hw[1]);
	used = atomic_long_read(&tce_table_pages);
	KUNIT_ASSERT_EQ(test, tce_remove(client, start), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&tce_table_pages), used);
	iommu_tce_table_put(tbl);
	KUNIT_EXPECT_LT(test, atomic_long_read(&tce_table_pages), used);

	/* three levels of a page each, those of the last entry first; a MAP adds two */
	KUNIT_EXPECT_EQ(test, NEEDS(2 * 3, tce_create(client, 12, SZ_64M, 3, &start)), 0);
	KUNIT_EXPECT_EQ(test, NEEDS(2 * 2, tce_map(client, start, ua, SZ_4K, TCE_RW)), 0);
	KUNIT_EXPECT_EQ(test, NEEDS(2 * 1, tce_map(client, start + SZ_1M, ua, SZ_4K, TCE_RW)), 0);
	used = leave(test, client, 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, start + SZ_4K, ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, start, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, start + SZ_1M, ua, SZ_4K, TCE_RW), 0);
	take_off(test, client, used);
}

/* Of a new table, which userspace entry KVM has written before the table is hidden from it */
static unsigned long written_at;

static void kvm_writes(void *mock)
{
	WRITE_ONCE(tce_mock_newest(mock)->it_userspace[written_at], cpu_to_be64(PAGE_SIZE));
}

/* pseries: one entry, wherever it is, and the table can't be used. The next one can. */
static void kvm_was_faster(struct kunit *test)
{
	static const unsigned long places[] = {
		0, 1, TCE_CHUNK / 2, TCE_CHUNK - 1, TCE_CHUNK, 3 * TCE_CHUNK / 2,
		SZ_16M / SZ_4K - 1,
	};
	struct tce_fixture *fx = test->priv;
	struct tce_hook hook = { .call = kvm_writes, .data = fx->mock };
	struct tce_client *client = tce_open(fx, true);
	unsigned int i;
	u64 start;

	fx->mock->hcalls = true;
	KUNIT_ASSERT_EQ(test, tce_attach(client, tce_group(fx)), 0);
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		written_at = places[i];
		fx->mock->at[TCE_AT_CREATED] = &hook;
		TCE_REFUSED(fx, KVM_HAS_TABLE, EBUSY, tce_create(client, 12, SZ_16M, 1, &start));
		KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).tables, 0);
	}
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
}

static struct kunit_case tce_window_cases[] = {
	KUNIT_CASE_PARAM(any_windows, platform_gen_params),
	KUNIT_CASE_PARAM(tables_are_bounded, limit_gen_params),
	KUNIT_CASE(bridge_keeps_a_window_at_detach),
	KUNIT_CASE(kvm_was_faster),
	{}
};

TCE_SUITE(tce_window);
