// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_map_memory: which memory MAP refuses, and whose. A MAP that is refused leaves nothing
 * behind.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "../tce_map.h"
#include "tce_threads.h"

#define SMALL	SZ_256K

/* What is wrong with the addresses is found before anything is pinned. */
static void v1_refuses_before_it_pins(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);
	unsigned long ua = tce_plain(fx, SMALL);

	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua + SZ_2K, SMALL, TCE_R), -EINVAL);
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

static struct kunit_case tce_map_memory_cases[] = {
	KUNIT_CASE(v1_refuses_before_it_pins),
	KUNIT_CASE(not_the_owners),
	KUNIT_CASE(v2_killed_between_regions),
	{}
};

TCE_SUITE(tce_map_memory);
