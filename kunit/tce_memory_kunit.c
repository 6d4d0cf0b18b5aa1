// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory: the life of registered memory, from one to many pages. The regions
 * of a process that has KVM are in the kernel's list, those of others are kept by the
 * driver alone; the cases try both.
 */
#include <linux/mman.h>

#include "tce_fixture.h"

/**
 * struct memory_size - how large a region is
 * @name: of the parameter
 * @size: bytes
 * @kvm: the process has KVM
 */
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

/* CPU pages of the table of a window of 64M */
#define TABLE	(PAGE_ALIGN(SZ_64M / SZ_4K * sizeof(u64)) >> PAGE_SHIFT)

static unsigned long size_of(struct kunit *test)
{
	const struct memory_size *param = test->param_value;

	if (param->kvm)
		tce_watch(test->priv);
	return param->size;
}

static void register_and_unregister(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
	tce_expect_balance(fx);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), 0);
}

static void closed_without_unregister(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);
	unsigned long size = size_of(test);

	KUNIT_ASSERT_EQ(test, tce_register(client, tce_plain(fx, size), size),
			0);
	KUNIT_ASSERT_EQ(test, tce_register(client, tce_plain(fx, size), size),
			0);
	tce_close(client);
	tce_expect_balance(fx);
}

/* The end of the range has no memory; what was pinned before is let go. */
static void register_into_a_hole(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_EXPECT_EQ(test, tce_register(tce_open(test->priv, true), ua,
					   size + PAGE_SIZE), -EFAULT);
	tce_expect_balance(fx);
}

/* The same memory in two containers is pinned and charged once. */
static void shared_by_two_containers(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *a = tce_open(test->priv, true), *b = tce_open(test->priv, true);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_register(b, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_unregister(a, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(a, ua, size), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_register(a, ua, size), 0);
	tce_close(a);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
	tce_expect_balance(fx);
}

static void unregister_while_mapped(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);
	unsigned long last = size - SZ_4K;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_16M, ua + last, SZ_4K, TCE_R),
			0);
	TCE_REFUSED(fx, REGION_MAPPED, EBUSY, tce_unregister(client, ua, size));
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), -EBUSY);
	/* whether it is the same memory still can't be known */
	tce_fault_arm(fx->mock, TCE_FAULT_PIN, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	/* it is registered as before, which the client may want again */
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), 0);
	TCE_REFUSED(fx, REGISTERED_ALREADY, EBUSY, tce_register(client, ua, size));
	tce_expect_mapped(fx, grp, 0, SZ_16M, ua + last, SZ_4K, TCE_R);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EINVAL);
}

/* New memory at an address, as after memory was unplugged and plugged in. */
static void replace_memory(struct kunit *test, unsigned long ua,
			   unsigned long size)
{
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, ua, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				      0), ua);
	tce_stamp(ua, size);
}

/*
 * UNREGISTER was refused, and the client has taken the memory away all the same. What is
 * there now can be registered, and the device does not reach what was there before.
 */
static void register_what_was_given_up(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp, *other_grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	struct tce_client *other = tce_ready_window(fx, 12, SZ_64M, 1,
						    &other_grp);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);
	unsigned long stays = tce_plain(fx, PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, tce_register(client, stays, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, stays, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_16M, ua, size, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_32M, ua, SZ_4K, TCE_R), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), -EBUSY);
	replace_memory(test, ua, size);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), 0);
	tce_expect_empty(fx, grp, 0, SZ_16M, size);
	tce_expect_empty(fx, grp, 0, SZ_32M, SZ_4K);
	tce_expect_mapped(fx, grp, 0, 0, stays, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_map(client, SZ_16M, ua, size, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, SZ_16M, ua, size, TCE_RW);

	/* the same, and another container of the process is the first to come */
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), -EBUSY);
	replace_memory(test, ua, size);
	KUNIT_EXPECT_EQ(test, tce_register(other, ua, size), 0);
	tce_expect_empty(fx, grp, 0, SZ_16M, size);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(other, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
}

/* ... or what overlaps it; but not if somebody else has it registered, or only a part */
static void register_around_what_was_given_up(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long size = max(size_of(test), 4 * PAGE_SIZE);
	unsigned long ua = tce_plain(fx, size), half = size / 2 & PAGE_MASK;
	unsigned long rest = size - half;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, half), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua + half, rest), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, half, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, half, ua + half, rest, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, half), -EBUSY);
	/* the second half is wanted still */
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), -EINVAL);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua + half, rest), -EBUSY);
	replace_memory(test, ua, size);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), 0);
	tce_expect_empty(fx, grp, 0, 0, size);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, size), 0);
}

/* Replaced by a MAP: no more mapped. */
static void unregister_after_replacement(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	unsigned long size = size_of(test);
	unsigned long a = tce_plain(fx, size), b = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(client, a, size), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, b, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, a, size, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, b, size, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, b, size), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, a, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, b, size), 0);
}

/* Mapped by another container of the process, which did not register it. */
static void unregister_while_others_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *a = tce_open(test->priv, true);
	struct tce_client *b = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(b, 0, ua, size, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_unregister(a, ua, size), -EBUSY);
	/* one of two owners may go: the other answers for it */
	KUNIT_ASSERT_EQ(test, tce_register(b, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(a, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -EBUSY);
	tce_expect_mapped(fx, grp, 0, 0, ua, size, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
}

/* Its owner is closed, which can't be refused, while others map it. */
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

	/* nobody's, but still there: no other can take its place */
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -ENOENT);
	TCE_REFUSED(fx, OVERLAPS_MAPPED, EBUSY, tce_register(b, ua, size));
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
	/* until nobody maps it any more */
	KUNIT_EXPECT_EQ(test, tce_register(b, ua, size), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), (size >> PAGE_SHIFT) + TABLE + 1);
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
}

/* ... and nobody asks for it again. */
static void closed_for_good(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *a = tce_open(test->priv, true);
	struct tce_client *b = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	unsigned long size = size_of(test), ua = tce_plain(fx, size);

	KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_map(b, 0, ua, size, TCE_RW), 0);
	tce_close(a);
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
	tce_close(b);
	tce_expect_balance(fx);
}

/* Whether the pages have to be made or are there. */
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
		tce_be_killed(true);
		KUNIT_EXPECT_EQ(test, tce_register(client, ua, size), -EINTR);
		tce_be_killed(false);
		tce_expect_balance(fx);
	}
}

/* A container of v2 may MAP after its first REGISTER that succeeded. */
static void failed_register_enables_nothing(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, SZ_64K);

	KUNIT_ASSERT_EQ(test, tce_attach(client, tce_group(fx)), 0);
	KUNIT_EXPECT_EQ(test, tce_register(client, tce_hole(fx, SZ_64K), SZ_64K),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EPERM);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EPERM);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, SZ_64K), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
}

static struct kunit_case tce_memory_cases[] = {
	KUNIT_CASE_PARAM(register_and_unregister, size_gen_params),
	KUNIT_CASE_PARAM(closed_without_unregister, size_gen_params),
	KUNIT_CASE_PARAM(register_into_a_hole, size_gen_params),
	KUNIT_CASE(failed_register_enables_nothing),
	KUNIT_CASE_PARAM(shared_by_two_containers, size_gen_params),
	KUNIT_CASE_PARAM(register_what_was_given_up, size_gen_params),
	KUNIT_CASE_PARAM(register_around_what_was_given_up, size_gen_params),
	KUNIT_CASE_PARAM(unregister_while_mapped, size_gen_params),
	KUNIT_CASE_PARAM(unregister_after_replacement, size_gen_params),
	KUNIT_CASE_PARAM(unregister_while_others_map, size_gen_params),
	KUNIT_CASE_PARAM(closed_while_others_map, size_gen_params),
	KUNIT_CASE_PARAM(closed_for_good, size_gen_params),
	KUNIT_CASE_PARAM(killed_while_registering, size_gen_params),
	{}
};

TCE_SUITE(tce_memory);
