// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_refusal_memory: which check the tracepoint names, for calls about memory.
 * See tce_refusal_kunit.c.
 */
#include <linux/mm.h>

#include "tce_client.h"

/* Memory that is mapped in the cases of failed allocations */
#define SOME	(32 * PAGE_SIZE)

static unsigned long some;

static void map_arguments(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE), page = SZ_4K;
	struct tce_client *client = tce_ready_for(fx, true, ua, PAGE_SIZE, NULL);
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	unsigned long hole = tce_hole(fx, SZ_64K);

	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	TCE_REFUSED(fx, NO_WINDOW_THERE, ENXIO,
		    tce_map(client, SZ_64M, ua, page, TCE_RW));
	TCE_REFUSED(fx, IOBA_MISALIGNED, EINVAL,
		    tce_map(client, 1, ua, page, TCE_RW));
	TCE_REFUSED(fx, IOBA_MISALIGNED, EINVAL, tce_unmap(client, 0, 1));
	TCE_REFUSED(fx, find_entries, EINVAL,
		    tce_map(client, SZ_64M - page, ua, 2 * page, TCE_RW));
	TCE_REFUSED(fx, UA_MISALIGNED, EINVAL,
		    tce_map(client, 0, ua + 1, page, TCE_RW));
	/* that comes first, even where there is no memory */
	TCE_REFUSED(fx, UA_MISALIGNED, EINVAL, tce_map(v1, 0, hole + 1, page, TCE_RW));
	TCE_REFUSED(fx, UA_MISALIGNED, EINVAL, tce_map(v1, 0, hole + 1, 2 * page, TCE_RW));
	TCE_REFUSED(fx, check_memory, EINVAL,
		    tce_map(client, 0, -page, 2 * page, TCE_RW));
	/* one entry, and a range */
	TCE_REFUSED(fx, NOT_REGISTERED, EINVAL,
		    tce_map(client, 0, ua + PAGE_SIZE, page, TCE_RW));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua + PAGE_SIZE);
	TCE_REFUSED(fx, NOT_REGISTERED, EINVAL,
		    tce_map(client, 0, ua, 2 * PAGE_SIZE, TCE_RW));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua + PAGE_SIZE);
	TCE_REFUSED(fx, check_map, EFAULT,
		    tce_map(v1, 0, PAGE_OFFSET, 2 * page, TCE_RW));
}

static void map_of_pages_too_small(struct kunit *test)
{
	unsigned int shift = PAGE_SHIFT == 12 ? 16 : 21, n;
	unsigned long size = 1UL << shift, ua, at;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, shift, SZ_64M, 1, NULL);

	ua = tce_plain(fx, 3 * size);
	at = ALIGN(ua, size);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 3 * size), 0);
	for (n = 1; n <= 2; n++) {
		TCE_REFUSED(fx, PAGE_TOO_SMALL, EINVAL,
			    tce_map(client, 0, at, n * size, TCE_RW));
		KUNIT_EXPECT_EQ(test, fx->mock->refused.value, PAGE_SIZE);
	}
}

static void the_platform(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	struct tce_client *tall = tce_ready_window(fx, 12, SZ_64M, 2, NULL);
	unsigned long size = 8 * PAGE_SIZE, ua;
	struct tce_mock *mock = fx->mock;

	ua = tce_memory(fx, TCE_MEM_CONTIGUOUS, size);
	KUNIT_ASSERT_NE(test, ua, 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, size), 0);
	KUNIT_ASSERT_EQ(test, tce_register(tall, ua, size), 0);
	tce_fault_arm(mock, TCE_FAULT_XCHG, 1, -4);
	TCE_REFUSED(fx, write_each, EIO, tce_map(client, 0, ua, SZ_4K, TCE_RW));
	tce_fault_arm(mock, TCE_FAULT_XCHG, 1, -ENOMEM);
	TCE_REFUSED(fx, write_each, ENOMEM,
		    tce_map(client, 0, ua, SZ_4K, TCE_RW));
	tce_fault_arm(mock, TCE_FAULT_BUILD, 1, -ENOMEM);
	TCE_REFUSED(fx, tce_table_set, ENOMEM, tce_map(client, 0, ua, size, TCE_RW));
	tce_fault_arm(mock, TCE_FAULT_LOST, 1, 0);
	TCE_REFUSED(fx, tce_table_set, EIO, tce_map(client, 0, ua, size, TCE_RW));
	tce_fault_arm(mock, TCE_FAULT_LEVEL, 1, 0);
	TCE_REFUSED(fx, map_chunk, ENOMEM,
		    tce_map(tall, SZ_16M, ua, SZ_4K, TCE_RW));
	tce_fault_arm(mock, TCE_FAULT_LEVEL, 1, 0);
	TCE_REFUSED(fx, map_chunk, ENOMEM,
		    tce_map(tall, SZ_16M, ua, size, TCE_RW));
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	tce_fault_arm(mock, TCE_FAULT_CLEAR, 1, -4);
	TCE_REFUSED(fx, erase_each, EIO, tce_unmap(client, 0, SZ_4K));
	tce_fault_disarm(mock);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
}

static void pinning(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, 2 * PAGE_SIZE);
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_ready(fx, true, NULL);

	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	tce_fault_arm(fx->mock, TCE_FAULT_PIN, 1, 0);
	TCE_REFUSED(fx, PIN, EFAULT, tce_map(v1, 0, ua, 2 * PAGE_SIZE, TCE_RW));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, -ENOMEM);
	TCE_REFUSED(fx, PIN, ENOMEM, tce_register(v2, ua, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua);
	tce_fault_disarm(fx->mock);

	tce_be_killed(true);
	KUNIT_EXPECT_EQ(test, tce_register(v2, ua, PAGE_SIZE), -EINTR);
	tce_be_killed(false);

	tce_drop_cap(fx, fx->mm->locked_vm);
	TCE_REFUSED(fx, LOCKED_LIMIT, ENOMEM, tce_register(v2, ua, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value,
			fx->mm->locked_vm << PAGE_SHIFT);
	tce_restore_cap(fx);
}

static void register_arguments(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, 4 * PAGE_SIZE), total_vm;
	struct tce_client *client = tce_open(fx, true);

	TCE_REFUSED(fx, check_range, EINVAL, tce_register(client, ua, 0));
	TCE_REFUSED(fx, check_range, EINVAL,
		    tce_register(client, ua + 1, PAGE_SIZE));
	TCE_REFUSED(fx, check_range, EINVAL,
		    tce_register(client, ua, PAGE_SIZE + 1));
	TCE_REFUSED(fx, check_range, EINVAL,
		    tce_register(client, ua, -PAGE_SIZE));
	TCE_REFUSED(fx, check_range, EFAULT,
		    tce_register(client, 0, PAGE_SIZE));
	TCE_REFUSED(fx, check_range, EFAULT,
		    tce_register(client, PAGE_OFFSET, PAGE_SIZE));
	/* it ends where all addresses end, but does not wrap */
	TCE_REFUSED(fx, check_range, EFAULT,
		    tce_register(client, -PAGE_SIZE, PAGE_SIZE));
	TCE_REFUSED(fx, check_range, ENOMEM,
		    tce_register(client, tce_hole(fx, 1ULL << 40), 1ULL << 40));
	/* as if it had mapped as much of a device */
	total_vm = fx->mm->total_vm;
	fx->mm->total_vm = ULONG_MAX;
	/* where a process may have so many addresses */
	if (access_ok((void __user *)ua, 1UL << 48))
		TCE_REFUSED(fx, check_range, ENOMEM,
			    tce_register(client, ua, 1UL << 48));
	fx->mm->total_vm = total_vm;

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * PAGE_SIZE), 0);
	TCE_REFUSED(fx, region_share, EINVAL,
		    tce_register(client, ua + PAGE_SIZE, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, ua);
	TCE_REFUSED(fx, find_registered, EINVAL,
		    tce_unregister(client, ua, 1));
	TCE_REFUSED(fx, find_registered, EINVAL,
		    tce_unregister(client, ua + 1, PAGE_SIZE));
	TCE_REFUSED(fx, NO_SUCH_REGION, ENOENT,
		    tce_unregister(client, ua, PAGE_SIZE));
}

static void nothing(struct tce_client *client)
{
}

static long reg(struct tce_client *client)
{
	return tce_register(client, some, 2 * PAGE_SIZE);
}

static void v1_attached(struct tce_client *client)
{
	KUNIT_ASSERT_EQ(client->fx->test,
			tce_attach(client, list_first_entry(&client->fx->mock->groups,
							    struct tce_mock_group,
							    list)), 0);
}

static long enable(struct tce_client *client)
{
	return tce_enable(client);
}

static void v1_ready(struct tce_client *client)
{
	v1_attached(client);
	KUNIT_ASSERT_EQ(client->fx->test, tce_enable(client), 0);
	KUNIT_ASSERT_EQ(client->fx->test, tce_unmap(client, 0, SZ_4K), 0);
}

static long map(struct tce_client *client)
{
	return tce_map(client, 0, some, SOME, TCE_RW);
}

static void no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	tce_needs_faults(test);
	tce_group(fx);
	some = tce_plain(fx, SOME);
	tce_fail_allocations(fx, true, nothing, reg);
	TCE_MET(fx, tce_region_register);
	TCE_MET(fx, region_create);
	TCE_MET(fx, pin_blocks);
	TCE_MET(fx, record_block);
	tce_fail_allocations(fx, false, v1_ready, map);
	TCE_MET(fx, tce_v1_pin);
	/* the set is of pages that are larger than an entry */
	if (PAGE_SIZE > SZ_4K)
		TCE_MET(fx, share_pages);
	tce_fail_allocations(fx, false, v1_attached, enable);
}

static struct kunit_case tce_refusal_memory_cases[] = {
	KUNIT_CASE(map_arguments),
	KUNIT_CASE(map_of_pages_too_small),
	KUNIT_CASE(the_platform),
	KUNIT_CASE(pinning),
	KUNIT_CASE(register_arguments),
	KUNIT_CASE(no_memory),
	{}
};

TCE_SUITE(tce_refusal_memory);
