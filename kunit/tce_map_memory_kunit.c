// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_memory: which memory MAP accepts, and which it refuses. A MAP that is
 * refused leaves nothing behind. And what becomes of the memory when it is unmapped.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "../tce_map.h"
#include "tce_threads.h"

#define SMALL	SZ_256K
#define LARGE	(SZ_1M + SZ_256K)

/* v1 pins the pages that are there. */
static void expect_refused(struct tce_client *client, unsigned long ua, unsigned long size)
{
	struct tce_fixture *fx = client->fx;
	struct tce_state before;

	tce_get_state(fx, &before);
	KUNIT_EXPECT_EQ(fx->test, tce_map(client, 0, ua, size, TCE_RW), -EFAULT);
	tce_expect_state(fx, &before, "MAP");
}

static void v1_refuses(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, SMALL);
	unsigned int pins;

	KUNIT_EXPECT_EQ(test, tce_map(client, SZ_32M, ua, SMALL, TCE_R), 0);
	/* what is wrong with the addresses is found before anything is pinned */
	pins = fx->mock->asked[TCE_FAULT_PIN];
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_2K, SMALL, TCE_R), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, -SZ_64K, SZ_64K, TCE_R), -EFAULT);
	KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_PIN], pins);
	/* not all of it is there: nothing stays pinned */
	expect_refused(client, tce_plain(fx, SMALL), SMALL + PAGE_SIZE);
	expect_refused(client, tce_plain(fx, LARGE), 2 * LARGE);
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

/* A device may have written to each region that a MAP was about, not just to the last. */
static void v2_both_regions_are_dirty(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SMALL);
	struct tce_client *client = tce_ready_for(fx, true, ua, SMALL / 2, NULL);
	struct page *first = tce_page(fx, ua), *last = tce_page(fx, ua + SMALL / 2);
	unsigned int write;

	for (write = 0; write < 2; write++) {
		if (write)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, SMALL / 2), 0);
		KUNIT_ASSERT_EQ(test, tce_register(client, ua + SMALL / 2, SMALL / 2), 0);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SMALL, write ? TCE_RW : TCE_R), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SMALL), 0);
		ClearPageDirty(first);
		ClearPageDirty(last);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, SMALL / 2), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua + SMALL / 2, SMALL / 2), 0);
		KUNIT_EXPECT_EQ(test, PageDirty(first), write);
		KUNIT_EXPECT_EQ(test, PageDirty(last), write);
	}
}

/* There may be as many regions as pages, and who is killed need not wait for all of them. */
static void v2_killed_between_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SMALL);
	struct tce_client *client = tce_ready_for(fx, true, ua, SMALL / 2, NULL);
	struct tce_state before;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua + SMALL / 2, SMALL / 2), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + SMALL / 2, SZ_4K, TCE_RW), 0);
	tce_get_state(fx, &before);
	KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_map(client, 0, ua, SMALL, TCE_RW)), -EINTR);
	tce_expect_state(fx, &before, "MAP");
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SMALL, TCE_RW), 0);
}

/*
 * MAP replaces pages of two regions. The first is larger than the sum of their addresses, so that
 * it matters whether its address is subtracted or added.
 */
static void v2_replaces_in_two_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long low, large, other;
	struct tce_client *client;

	fx->next_ua = SZ_1M;
	low = tce_plain(fx, PAGE_SIZE);
	large = tce_plain(fx, SZ_32M);
	other = tce_plain(fx, 2 * PAGE_SIZE);
	KUNIT_ASSERT_LT(test, low + large, SZ_32M);
	client = tce_ready_for(fx, true, large, SZ_32M, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, low, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, other, 2 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, large, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_4K, low, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, other, 2 * SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, low, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, large, SZ_32M), 0);
}

/*
 * The part of a page that the device could write is unmapped first, as an entry or as a run; or it
 * is replaced, and the page remembers.
 */
static void v1_parts_are_dirty(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, PAGE_SIZE), size;
	struct page *page = tce_page(fx, ua);
	int replaced;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	for (size = SZ_4K; size < PAGE_SIZE; size *= 2) {
		for (replaced = 0; replaced < 2; replaced++) {
			KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, PAGE_SIZE, TCE_R), 0);
			KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, size, TCE_RW), 0);
			ClearPageDirty(page);
			if (replaced)
				KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, PAGE_SIZE, TCE_R), 0);
			else
				KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, size), 0);
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
			KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, PAGE_SIZE), 0);
			KUNIT_EXPECT_TRUE(test, PageDirty(page));
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
		}
	}
}

static struct kunit_case tce_map_memory_cases[] = {
	KUNIT_CASE(v1_refuses),
	KUNIT_CASE(not_the_owners),
	KUNIT_CASE(v1_parts_are_dirty),
	KUNIT_CASE(v2_both_regions_are_dirty),
	KUNIT_CASE(v2_killed_between_regions),
	KUNIT_CASE(v2_replaces_in_two_regions),
	{}
};

TCE_SUITE(tce_map_memory);
