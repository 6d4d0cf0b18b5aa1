// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_table: runs of entries, which are set and cleared by one operation, and calls that
 * are refused, or end before they are done.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "../tce_map.h"
#include "../tce_table.h"
#include "tce_threads.h"

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
		client = tce_ready_for(fx, v2, ua, SZ_2M, NULL);
		runs = fx->mock->runs;
		writes = fx->mock->writes;
		/* all of it, and invalidated, even if it is killed; v1 would end while it pins */
		KUNIT_ASSERT_EQ(test, TCE_KILLED_IF(v2, tce_map(client, SZ_4K, ua, SZ_2M, TCE_RW)),
				0);
		KUNIT_EXPECT_EQ(test, fx->mock->runs, runs + 1);
		KUNIT_EXPECT_EQ(test, fx->mock->writes, writes + SZ_2M / SZ_4K);
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->runs, runs + 2);
	}
}

/* Even if ordinary memory comes before it, the rest is written at once. */
static void one_run_behind_other_pages(struct kunit *test)
{
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
	tce_renew(fx, ua, few);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	exchanges = fx->mock->asked[TCE_FAULT_XCHG];
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, few + SZ_2M, TCE_RW), 0);
	/* the run is found where half of the least one is contiguous */
	KUNIT_EXPECT_LE(test, fx->mock->asked[TCE_FAULT_XCHG],
			exchanges + few / SZ_4K + SZ_256K / SZ_4K);
	KUNIT_EXPECT_EQ(test, fx->mock->runs, 1);
}

/*
 * Firmware without calls for runs is asked for one entry at a time: the kernel's own loop goes on
 * after an entry that is refused, and reports nothing.
 */
static void no_runs(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_1M);
	struct tce_mock_group *grp;
	struct tce_client *client;

	fx->mock->hcalls = true;
	powerpc_firmware_features &= ~(FW_FEATURE_PUT_TCE_IND | FW_FEATURE_STUFF_TCE);
	client = tce_ready_for(fx, true, ua, SZ_1M, &grp);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_1M, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_1M, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_1M), 0);
	tce_expect_empty(fx, grp, 0, 0, SZ_1M);
	KUNIT_EXPECT_EQ(test, fx->mock->runs, 0);
}

static void be_killed(void *unused)
{
	tce_be_killed(true);
}

/* What a call that ends early begins with, and whose it is */
enum { EMPTY, FULL, HOLES, CONTENTS };

static const struct early {
	const char *name;
	bool v2;
	bool kvm;
} early_clients[] = {
	{ "v1", false, false }, { "v2", true, false }, { "v2, KVM", true, true },
};

KUNIT_ARRAY_PARAM_DESC(early, early_clients, name);

/* More than a call changes before it looks whether it is killed */
#define ENTRIES		(TCE_CHUNK + 64)

static void read_entries(struct tce_mock_group *grp, unsigned long *hpas)
{
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		tce_mock_entry(grp->hw[0], i, &hpas[i]);
}

/* Are these entries as they were, or empty? */
static bool is_left(const unsigned long *now, const unsigned long *before, unsigned int n,
		    bool as_before)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (now[i] != (as_before ? before[i] : 0))
			return false;
	return true;
}

/*
 * A call is killed, or an entry is refused, at an exchange. MAP unmaps its range, unless it has
 * written nothing. UNMAP goes on after an entry that is refused, and when it is killed it stops.
 */
static void ends_early(struct kunit *test)
{
	static const unsigned int places[] = { 0, 1, 2, TCE_CHUNK, TCE_CHUNK + 1, ENTRIES };
	const unsigned long size = ENTRIES * SZ_4K;
	const struct early *early = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, 2 * size), *before, *now;
	unsigned int n, at, i, ended = 0;
	struct tce_mock_group *grp;
	struct tce_client *client;
	struct tce_visit visit;
	long rc;

	before = kunit_kcalloc(test, 2 * ENTRIES, sizeof(*before), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, before);
	now = before + ENTRIES;
	if (early->kvm)
		tce_watch(fx);
	client = tce_ready_for(fx, early->v2, ua, 2 * size, &grp);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, size), 0);
	for (n = 0; n < 4 * CONTENTS * ARRAY_SIZE(places); n++) {
		bool map = n & 1, killed = n & 2;

		at = places[n / 4 / CONTENTS];
		if (n / 4 % CONTENTS != EMPTY)
			KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, size, TCE_RW), 0);
		for (i = 0; n / 4 % CONTENTS == HOLES && i < ENTRIES; i += 2)
			KUNIT_ASSERT_EQ(test, tce_unmap(client, i * SZ_4K, SZ_4K), 0);
		read_entries(grp, before);
		visit = (struct tce_visit){ .call = be_killed, .skip = at ? 2 * at - 2 : 0 };
		tce_be_killed(killed && !at);
		if (killed && at)
			fx->mock->visit = &visit;
		else if (!killed)
			tce_fault_arm(fx->mock, TCE_FAULT_XCHG, at + 1, -4);
		/* MAP for writing is done entry by entry, wherever the pages are */
		rc = map ? tce_map(client, 0, ua + size, size, TCE_W) : tce_unmap(client, 0, size);
		tce_be_killed(false);
		fx->mock->visit = NULL;
		tce_fault_disarm(fx->mock);
		read_entries(grp, now);
		KUNIT_EXPECT_TRUE_MSG(test, !rc || rc == (killed ? -EINTR : -EIO), "%u: %ld", n,
				      rc);
		for (i = 0; i < ENTRIES && !now[i]; i++)
			;
		if (!rc && map)
			tce_expect_mapped(fx, grp, 0, 0, ua + size, size, TCE_W);
		else if (map)
			KUNIT_EXPECT_TRUE_MSG(test, i == ENTRIES ||
					      is_left(now, before, ENTRIES, true), "%u", n);
		else if (!rc)
			KUNIT_EXPECT_EQ_MSG(test, i, ENTRIES, "%u", n);
		else if (i < ENTRIES)
			/* all that follows, or what was refused, unless that was empty */
			KUNIT_EXPECT_TRUE_MSG(test, now[i] == before[i] &&
					      is_left(now + i + 1, before + i + 1, ENTRIES - i - 1,
						      killed), "%u", n);
		ended |= rc ? 1 << (n & 3) : 0;
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, size), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		if (!early->v2)
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	}
	KUNIT_EXPECT_EQ(test, ended, 15);
	if (early->v2)
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * size), 0);
}

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
	unsigned long ua = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, 0);

	KUNIT_EXPECT_EQ(fx->test, tce_container_map(container, 0, ua, SZ_4K, DMA_BIDIRECTIONAL),
			-EPERM);
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
		tce_do_as_other(fx, true, map_and_unmap_as_other, client);
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_PIN], pins);
	}
}

/* There may be as many regions as pages, and who is killed need not wait for all of them. */
static void v2_killed_between_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_256K);
	struct tce_client *client = tce_ready_for(fx, true, ua, SZ_256K / 2, NULL);
	struct tce_state before;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua + SZ_256K / 2, SZ_256K / 2), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + SZ_256K / 2, SZ_4K, TCE_RW), 0);
	tce_get_state(fx, &before);
	KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_map(client, 0, ua, SZ_256K, TCE_RW)), -EINTR);
	tce_expect_state(fx, &before, "MAP");
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_256K, TCE_RW), 0);
}

static struct kunit_case tce_map_table_cases[] = {
	KUNIT_CASE(one_run),
	KUNIT_CASE(one_run_behind_other_pages),
	KUNIT_CASE(no_runs),
	KUNIT_CASE_PARAM(ends_early, early_gen_params),
	KUNIT_CASE(v1_refuses_before_it_pins),
	KUNIT_CASE(not_the_owners),
	KUNIT_CASE(v2_killed_between_regions),
	{}
};

TCE_SUITE(tce_map_table);
