// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory: the life of registered memory, from one to many pages, and when it is
 * uncharged. How much is charged is compared after each case of all suites. The regions of a
 * process that has KVM are in the kernel's list, those of others are kept by the driver alone; the
 * cases try both.
 */
#include "../tce_mm.h"
#include "tce_fixture.h"

/* The container that registered it is closed, which can't be refused, while another maps it. */
static void closed_while_others_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *a, *b;
	unsigned long size, ua;
	int i;

	for (i = 0; i < 4; i++) {
		/* begins and ends within a block, and is more than is pinned at once */
		size = i & 1 ? (TCE_PIN_CHUNK - 2) * PAGE_SIZE + SZ_2M : PAGE_SIZE;
		if (i == 2)
			tce_watch(fx);
		ua = tce_plain(fx, size + 2 * PAGE_SIZE) + PAGE_SIZE;
		a = tce_open(fx, true);
		b = tce_ready_window(fx, 12, SZ_128M, 1, &grp);
		KUNIT_ASSERT_EQ(test, tce_register(a, ua, size), 0);
		KUNIT_ASSERT_EQ(test, tce_map(b, 0, ua, size, TCE_RW), 0);
		/* and the page before it, at the end of the window */
		KUNIT_ASSERT_EQ(test, tce_register(a, ua - PAGE_SIZE, PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, tce_map(b, SZ_128M - SZ_4K, ua - PAGE_SIZE, SZ_4K, TCE_R), 0);
		KUNIT_EXPECT_EQ(test, tce_register(b, ua, size + PAGE_SIZE), -EINVAL);
		tce_close(a);
		tce_expect_mapped(fx, grp, 0, 0, ua, size, TCE_RW);

		/* an orphan that is still mapped: no other region can take its place */
		KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), -ENOENT);
		TCE_REFUSED(fx, region_share, EBUSY, tce_register(b, ua, size));
		KUNIT_EXPECT_EQ(test, fx->mock->refused_value, ua);
		/* a REGISTER of both takes the one along that is not mapped any more */
		KUNIT_EXPECT_EQ(test, tce_unmap(b, SZ_128M - SZ_4K, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, tce_register(b, ua - PAGE_SIZE, size + PAGE_SIZE), -EBUSY);
		KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, size), 0);
		/* until it is not mapped any more; what the orphan was charged is free for it */
		KUNIT_EXPECT_EQ(test, TCE_LIMITED(fx, fx->mm->locked_vm,
						  tce_register(b, ua, size)), 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx),
				(size >> PAGE_SHIFT) + fx->mock->priced + 1);
		KUNIT_EXPECT_EQ(test, tce_unregister(b, ua, size), 0);
		tce_close(b);
		tce_expect_balance(fx);
	}
}

/* What is over the limit is refused before anything of its size is allocated. */
static void charged_before_it_is_allocated(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, SZ_64K);
	unsigned int nth, hits;
	long rc;

	tce_needs_faults(test);
	/* what a container allocates only once */
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, tce_unregister(client, ua, SZ_64K), 0);
	for (nth = 1, hits = 1; hits; nth++) {
		tce_drop_cap(fx, 0);
		tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		rc = tce_register(client, ua, SZ_64K);
		hits = tce_fault_disarm(fx->mock);
		tce_restore_cap(fx);
		KUNIT_EXPECT_EQ(test, rc, hits && tce_fault_hit_copy(rc) ? -EFAULT : -ENOMEM);
		KUNIT_EXPECT_STRNEQ(test, fx->mock->refused_by, "region_create");
	}
	tce_expect_why(fx, "LOCKED_LIMIT");
}

static struct kunit_case tce_memory_cases[] = {
	KUNIT_CASE(closed_while_others_map),
	KUNIT_CASE(charged_before_it_is_allocated),
	{}
};

TCE_SUITE(tce_memory);
