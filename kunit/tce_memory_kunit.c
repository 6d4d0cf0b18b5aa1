// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory: the life of registered memory, from one to many pages. The regions
 * of a process that has KVM are in the kernel's list, those of others are kept by the
 * driver alone; the cases try both.
 */
#include "../tce_mm.h"
#include "tce_client.h"

/* How large a region is */
struct memory_size {
	const char *name;
	unsigned long size;
	bool kvm;
};

static const struct memory_size sizes[] = {
	{ "one page", PAGE_SIZE, false },
	{ "256K", SZ_256K, false },
	{ "4M and a page", SZ_4M + PAGE_SIZE, false },
	{ "one page, KVM", PAGE_SIZE, true },
	{ "256K, KVM", SZ_256K, true },
	{ "4M and a page, KVM", SZ_4M + PAGE_SIZE, true },
};

KUNIT_ARRAY_PARAM_DESC(size, sizes, name);

static unsigned long size_of(struct kunit *test)
{
	const struct memory_size *param = test->param_value;

	if (param->kvm)
		tce_watch(test->priv);
	return param->size;
}

/*
 * What the container maps of a region goes with it, and nothing else does. Then something else
 * comes to its address, as when memory is unplugged and plugged in. A REGISTER of it by another
 * container of the process is refused as long as the first one has it, and unmaps nothing.
 */
static void unregister_while_mapped(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long size = size_of(test), ua = tce_plain(fx, size);
	unsigned long stays = tce_plain(fx, PAGE_SIZE), pins;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_for(fx, true, ua, size, &grp);
	struct tce_client *other = tce_open(fx, true);
	/* the kernel has pinned it, too, if it is in KVM's list */
	unsigned long each = list_empty(&fx->mock->listed) ? 1 : 2;
	u64 start;

	/* the first page in two windows, and the last one */
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_64M, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, start, ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_16M, ua + size - SZ_4K, SZ_4K, TCE_R), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, stays, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_32M, stays, SZ_4K, TCE_RW), 0);
	pins = tce_mock_pins(fx->mock);
	KUNIT_EXPECT_EQ(test, tce_register(other, ua, size + PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 4);
	/* a client that is killed need not look at all of its windows */
	KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_unregister(client, ua, size)), -EINTR);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
	tce_expect_mapped(fx, grp, 0, SZ_32M, stays, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins - each * (size >> PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EINVAL);
	tce_renew(fx, ua, size);
	KUNIT_EXPECT_EQ(test, tce_register(other, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, size, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, size, TCE_RW);
}

/* The container that registered it is closed, which can't be refused, while another maps it. */
static void closed_while_others_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *a = tce_open(test->priv, true);
	struct tce_client *b = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(b, 0, ua, size, TCE_RW), 0);
	tce_close(a);
	tce_expect_mapped(fx, grp, 0, 0, ua, size, TCE_RW);

	/* an orphan that is still mapped: no other region can take its place */
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -ENOENT);
	TCE_REFUSED(fx, region_share, EBUSY, tce_register(b, ua, size));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua);
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
	/* until it is not mapped any more; what the orphan was charged is free for it */
	KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm, tce_register(b, ua, size)), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), (size >> PAGE_SHIFT) + fx->mock->priced + 1);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
}

/* Pages that have to be allocated first, and pages that are there. */
static void killed_while_registering(struct kunit *test)
{
	static const enum tce_mem_kind kinds[] = {
		TCE_MEM_UNTOUCHED, TCE_MEM_PLAIN,
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);
	unsigned long size = size_of(test), ua;
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ua = tce_memory(fx, kinds[i], size);
		KUNIT_EXPECT_EQ(test, TCE_KILLED(tce_register(client, ua, size)), -EINTR);
		tce_expect_balance(fx);
	}
}

/* It begins and ends within a block, and is more than is pinned at once. */
static void cut_off_and_large(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long pages = TCE_PIN_CHUNK + SZ_2M / PAGE_SIZE - 2, size = pages * PAGE_SIZE;
	unsigned long ua = tce_plain(fx, size + 2 * PAGE_SIZE) + PAGE_SIZE, at, part;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_for(fx, true, ua, size, &grp);

	/* and the page of tce_ready() */
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pages + 1);
	for (at = 0; at < size; at += part) {
		part = min_t(unsigned long, size - at, SZ_32M);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + at, part, TCE_RW), 0);
		tce_expect_mapped(fx, grp, 0, 0, ua + at, part, TCE_RW);
	}
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 1);
}

static struct kunit_case tce_memory_cases[] = {
	KUNIT_CASE(cut_off_and_large),
	KUNIT_CASE_PARAM(unregister_while_mapped, size_gen_params),
	KUNIT_CASE_PARAM(closed_while_others_map, size_gen_params),
	KUNIT_CASE_PARAM(killed_while_registering, size_gen_params),
	{}
};

TCE_SUITE(tce_memory);
