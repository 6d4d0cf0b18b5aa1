// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_account: when what was charged to locked_vm is uncharged, and what fails when the limit
 * is reached. How much is charged is compared after each case of all suites.
 */
#include "tce_threads.h"

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
		KUNIT_EXPECT_STRNEQ(test, fx->mock->refused.by, "region_create");
	}
	tce_expect_why(fx, "LOCKED_LIMIT");
}

static void close_it(struct tce_fixture *fx, void *arg)
{
	tce_close(arg);
}

/* The owner gets the charge back, whichever process closes the container. */
static void closed_by_another_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_4M);
	struct tce_client *client;
	int i;

	for (i = 0; i < 4; i++) {
		bool v2 = i & 1;

		client = tce_ready(fx, v2, NULL);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_4M),
					0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4M, TCE_RW), 0);
		tce_do_as_other(fx, i & 2, close_it, client);
		tce_expect_balance(fx);
	}
}

static struct kunit_case tce_account_cases[] = {
	KUNIT_CASE(charged_before_it_is_allocated),
	KUNIT_CASE(closed_by_another_process),
	{}
};

TCE_SUITE(tce_account);
