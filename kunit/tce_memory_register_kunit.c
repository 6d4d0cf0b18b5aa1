// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory_register: what can be registered, by which process, and the errno if
 * it can't.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>

#include "tce_client.h"

/*
 * Containers hold a reference to the process's mm_struct, because they may be closed after
 * its end, and release it.
 */
static void memory_of_the_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *a, *b;
	int v2, count;

	for (v2 = 0; v2 < 2; v2++) {
		count = atomic_read(&fx->mm->mm_count);
		a = tce_ready(fx, v2, NULL);
		b = tce_ready(fx, v2, NULL);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(a, ua, PAGE_SIZE), 0);
		KUNIT_EXPECT_GT(test, atomic_read(&fx->mm->mm_count), count);
		tce_close(b);
		KUNIT_EXPECT_GT(test, atomic_read(&fx->mm->mm_count), count);
		tce_close(a);
		tce_expect_balance(fx);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->mm->mm_count), count);
	}
}

/* The kernel pins less than it was asked for: the rest is asked for again. */
static void pinned_in_pieces(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, 8 * PAGE_SIZE);

	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, 3);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, 8 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 3);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 8 * PAGE_SIZE, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, 8 * PAGE_SIZE, TCE_RW);
}

/* How pinning fails, and which errno user space gets. */
struct memory_error {
	const char *name;
	int from;
	int to;
};

static const struct memory_error errors[] = {
	{ "EFAULT", -EFAULT, -EFAULT },
	{ "ENOMEM", -ENOMEM, -ENOMEM },
	{ "EINTR", -EINTR, -EINTR },
	{ "EINVAL", -EINVAL, -EFAULT },
	{ "EOPNOTSUPP", -EOPNOTSUPP, -EFAULT },
	{ "EAGAIN", -EAGAIN, -EFAULT },
	{ "nothing is pinned", 0, -EFAULT },
};

KUNIT_ARRAY_PARAM_DESC(error, errors, name);

static void pinning_fails(struct kunit *test)
{
	const struct memory_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, SZ_256K), locked;

	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	locked = tce_charged(fx);
	/* pages that may have to move are tried more than once */
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, err->from);
	KUNIT_EXPECT_EQ(test, tce_register(v2, ua, SZ_256K), err->to);
	KUNIT_EXPECT_GE(test, tce_fault_disarm(fx->mock), 1);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, err->from);
	KUNIT_EXPECT_EQ(test, tce_map(v1, 0, ua, SZ_256K, TCE_RW), err->to);
	KUNIT_EXPECT_GE(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* The kernel's own registration reports a short pin as a number of pages. */
static void registering_with_the_kernel_fails(struct kunit *test)
{
	const struct memory_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_2M);
	int from = err->from ?: 17;
	long rc;

	tce_watch(fx);
	tce_fault_arm(fx->mock, TCE_FAULT_REGISTER, 1, from);
	rc = tce_register(tce_open(test->priv, true), ua, SZ_2M);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, rc, from == -EINVAL ? -EINVAL : err->to);
	if (rc != -EINTR)
		tce_expect_why(fx, from == -EINVAL ? "region_create" : "PIN");
}

static struct kunit_case tce_memory_register_cases[] = {
	KUNIT_CASE(memory_of_the_process),
	KUNIT_CASE(pinned_in_pieces),
	KUNIT_CASE_PARAM(pinning_fails, error_gen_params),
	KUNIT_CASE_PARAM(registering_with_the_kernel_fails, error_gen_params),
	{}
};

TCE_SUITE(tce_memory_register);
