// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_table: how entries are written, in tables with holes and levels, and for
 * more than one bridge. Runs of entries are set and cleared by one operation.
 */
#include <linux/mm.h>

#include "../tce_table.h"
#include "tce_client.h"

#define SMALL	SZ_256K

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

/* A hole between two entries is invalidated with them, but not if it is larger than a chunk. */
static void large_hole(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua = tce_plain(fx, SZ_64K), kills;
	struct tce_client *client = tce_ready_for(fx, true, ua, SZ_64K, &grp);
	u64 second;

	for (second = 511 * SZ_4K; second <= 512 * SZ_4K; second += SZ_4K) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, second, ua, SZ_4K,
					      TCE_RW), 0);
		kills = fx->mock->kills;
		KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		if (second == 511 * SZ_4K)
			tce_expect_kill(fx, grp, 0, kills, 0, second + SZ_4K);
		else	/* the second one of two */
			tce_expect_kill(fx, grp, 0, kills + 1, second, SZ_4K);
	}
}

/* A few pages, far apart in a large window, cleared by one UNMAP. */
static void sparse_window(struct kunit *test)
{
	static const u64 places[] = {
		0, SZ_1M, SZ_1G, SZ_1G + SZ_4K, (1ULL << 33) - SZ_4K,
		1ULL << 33, (1ULL << 34) - SZ_4K,
	};
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_mock_group *grp;
	struct tce_client *client;
	u32 levels;
	int i;

	for (levels = 2; levels <= 5; levels += 3) {
		client = tce_ready_window(fx, 12, 1ULL << 34, levels, &grp);
		KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			KUNIT_ASSERT_EQ(test, tce_map(client, places[i], ua, SZ_4K,
						      TCE_RW), 0);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			tce_expect_mapped(fx, grp, 0, places[i], ua, SZ_4K, TCE_RW);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, 1ULL << 34), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
	}
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

/* A killed process need not wait for the end: MAP unmaps its range, UNMAP stops. */
static void killed_half_way(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_32M);
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready_for(fx, v2, ua, SZ_32M, &grp);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		tce_be_killed(true);
		/* one entry is done at once, and completely; v1 would not pin */
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
		tce_be_killed(v2);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_map(client, 0, ua + SZ_4K, SZ_32M - SZ_4K,
							 TCE_RW)), -EINTR);
		/* v1 ends while it pins, before it has written anything */
		if (v2)
			tce_expect_empty(fx, grp, 0, 0, SZ_4K);
		else
			tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
		tce_expect_empty(fx, grp, 0, SZ_4K, SZ_32M - SZ_4K);

		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_32M, TCE_RW), 0);
		/* so that there is an end of a run in the middle */
		KUNIT_ASSERT_EQ(test, tce_unmap(client, SZ_16M, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_unmap(client, 0, SZ_32M)), -EINTR);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_32M), 0);
		tce_expect_empty(fx, grp, 0, 0, SZ_32M);
	}
}

/* A MAP that is done in one chunk is done and invalidated, even if it is killed. */
static void killed_in_the_last_chunk(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_64K);
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_for(fx, true, ua, SZ_64K, &grp);

	/* so that no run of empty entries is set at once */
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_map(client, 0, ua, SZ_64K, TCE_RW)), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, SZ_64K, TCE_RW);
}

/* Holes between the entries: each is exchanged, and what a killed UNMAP took out is released. */
static void killed_between_holes(struct kunit *test)
{
	/* behind the entries that an UNMAP clears before it looks whether it is killed */
	const u64 second = 1024 * SZ_4K;
	struct tce_fixture *fx = test->priv;
	const unsigned long size = 32 * PAGE_SIZE;
	unsigned long ua = tce_plain(fx, size), at;
	struct tce_mock_group *grp;
	struct tce_client *client;
	int how;

	for (how = 0; how < 3; how++) {
		bool v2 = how;

		/* entries are exchanged in a table that is shared with KVM */
		if (how == 2)
			tce_watch(fx);
		client = tce_ready_for(fx, v2, ua, size, &grp);
		for (at = 0; at < size; at += 2 * PAGE_SIZE)
			KUNIT_ASSERT_EQ(test, tce_map(client, at, ua + at, SZ_4K, TCE_RW), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, second, ua, SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_unmap(client, 0, second + SZ_4K)), -EINTR);
		tce_expect_empty(fx, grp, 0, 0, size);
		tce_expect_mapped(fx, grp, 0, second, ua, SZ_4K, TCE_RW);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
		if (!v2)
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, second + SZ_4K), 0);
		if (v2)
			KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
		tce_close(client);
		tce_expect_balance(fx);
	}
}

/*
 * A MAP checks its memory in parts, and fails in the second: what it has not written
 * is released, and what it has written is unmapped.
 */
static void second_part_fails(struct kunit *test)
{
	const unsigned long size = SZ_16M + SZ_256K, at = 4096 + 10;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long ua;
	int rc;

	/* with KVM entry by entry, wherever the pages are */
	fx->mock->kvm = true;
	tce_watch(fx);
	client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	ua = tce_plain(fx, size);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, size), 0);
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, at, -EIO);
	rc = tce_map(client, 0, ua, size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
}

static void be_killed(void *unused)
{
	tce_be_killed(true);
}

/*
 * v1 is killed once all is pinned, just before it writes the first entry. The second time the next
 * entry is refused as well, and the third time it is killed when a chunk has been written.
 */
static void killed_after_the_pins(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, SZ_8M);
	struct tce_visit visit;
	int refused, i;

	for (i = 0; i < 3; i++) {
		refused = i == 1;
		visit = (struct tce_visit){
			.call = be_killed, .skip = i == 2 ? 2 * TCE_CHUNK + 1 : 0
		};
		fx->mock->visit = &visit;
		if (refused)
			tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 2, -4);
		/* entry by entry, wherever the pages are */
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_8M, TCE_W),
				refused ? -EIO : -EINTR);
		tce_be_killed(false);
		fx->mock->visit = NULL;
		if (refused)
			KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	}
}

static struct kunit_case tce_map_table_cases[] = {
	KUNIT_CASE(one_run),
	KUNIT_CASE(one_run_behind_other_pages),
	KUNIT_CASE(large_hole),
	KUNIT_CASE(sparse_window),
	KUNIT_CASE(no_runs),
	KUNIT_CASE(killed_half_way),
	KUNIT_CASE(killed_in_the_last_chunk),
	KUNIT_CASE(killed_between_holes),
	KUNIT_CASE(second_part_fails),
	KUNIT_CASE(killed_after_the_pins),
	{}
};

TCE_SUITE(tce_map_table);
