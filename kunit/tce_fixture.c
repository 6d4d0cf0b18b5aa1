// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that uses VFIO (see tce_fixture.h): how it begins, what is checked after
 * each of its calls, and what has to be balanced at its end.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "tce_fixture.h"

#define FIRST_UA	0x20000000UL

static bool brief;
module_param(brief, bool, 0444);
MODULE_PARM_DESC(brief, "say which case begins, and begin none after one has failed");

/* Some case has failed. */
static bool failed;

/* Long-term pins before the last case */
static long last_pins;

/* Long-term pins in the whole system, what the CPUs have not added included */
static long foll_pins(void)
{
	static const enum node_stat_item items[] = {
		NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
	};
	long n[2];
	int i, node, cpu;

	for (i = 0; i < 2; i++) {
		n[i] = atomic_long_read(&vm_node_stat[items[i]]);
		for_each_online_node(node) {
			struct per_cpu_nodestat __percpu *stats =
				NODE_DATA(node)->per_cpu_nodestats;

			for_each_online_cpu(cpu)
				n[i] += per_cpu_ptr(stats, cpu)->vm_node_stat_diff[items[i]];
		}
	}
	return n[0] - n[1];
}

/*
 * The same, when it is @expected or has stayed something else: a CPU that adds
 * its own to the others has them nowhere for a moment.
 */
static long foll_pins_settled(long expected)
{
	int tries;

	for (tries = 0; tries < 10 && foll_pins() != expected; tries++)
		schedule_timeout_uninterruptible(1);
	return foll_pins();
}

/*
 * What is charged, when it is @expected or has stayed something else: who closes a
 * container does not wait for the process's mmap_lock, but has it given back later.
 */
static unsigned long locked_vm_settled(struct tce_fixture *fx,
				       unsigned long expected)
{
	int tries;

	for (tries = 0; tries < 50 && READ_ONCE(fx->mm->locked_vm) != expected;
	     tries++)
		schedule_timeout_uninterruptible(HZ / 20);
	return READ_ONCE(fx->mm->locked_vm);
}

/* Check that the last call left nothing undone. */
void tce_settled(struct tce_fixture *fx)
{
	struct tce_mock *mock = fx->mock;
	unsigned int i;

	for (i = 0; i < min(mock->nr_violations, TCE_VIOLATIONS_KEPT); i++)
		KUNIT_FAIL(fx->test, "platform: %s", mock->violations[i]);
	if (i && mock->nr_violations > i)
		KUNIT_FAIL(fx->test, "and %u more of these",
			   mock->nr_violations - i);
	mock->nr_violations = 0;

	if (tce_mock_stale(mock))
		KUNIT_FAIL(fx->test, "%lu entries were changed, but not killed or flushed",
			   tce_mock_stale(mock));
}

/*
 * Wait for the kernel to unpin what it unpins later. Regions of its list live for a grace
 * period more.
 */
void tce_unpinned(struct tce_fixture *fx)
{
	if (fx->mock->unlisted)
		rcu_barrier();
	fx->mock->unlisted = false;
}

/* Check that nothing is pinned or charged. */
void tce_expect_balance(struct tce_fixture *fx)
{
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(fx->test, tce_mock_pins(fx->mock), fx->filled);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->refs, 0);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(fx->test,
			locked_vm_settled(fx, fx->locked_vm + fx->filled),
			fx->locked_vm + fx->filled);
	KUNIT_EXPECT_EQ(fx->test,
			foll_pins_settled(fx->foll_pins + fx->filled),
			fx->foll_pins + fx->filled);
}

/* What the driver has charged the process with. Return: that, in CPU pages. */
unsigned long tce_charged(struct tce_fixture *fx)
{
	return fx->mm->locked_vm - fx->locked_vm;
}

/* Skip the case if this kernel can't make allocations fail. */
void tce_needs_faults(struct kunit *test)
{
	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
}

/* The .init of all suites. Return: 0 or an errno. */
int tce_fixture_init(struct kunit *test)
{
	struct tce_fixture *fx;

	/* what the case before, with another parameter, has left there */
	test->priv = NULL;
	if (brief) {
		if (failed)
			kunit_skip(test, "another case has failed");
		pr_info("tce_kunit: case %s\n", test->name);
	}

	fx = kunit_kzalloc(test, sizeof(*fx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fx);
	KUNIT_ASSERT_NOT_NULL(test, tce_driver);
	fx->test = test;
	fx->next_ua = FIRST_UA;
	INIT_LIST_HEAD(&fx->clients);

	/* this makes a process out of the thread */
	fx->args = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
				 PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_TRUE(test, fx->args && !IS_ERR_VALUE(fx->args));
	KUNIT_ASSERT_EQ(test, clear_user((void __user *)fx->args, PAGE_SIZE), 0);
	mmgrab(current->mm);
	fx->mm = current->mm;
	fx->locked_vm = fx->mm->locked_vm;
	fx->foll_pins = foll_pins_settled(last_pins);
	last_pins = fx->foll_pins;

	fx->mock = tce_mock_create();
	test->priv = fx;
	KUNIT_ASSERT_NOT_NULL(test, fx->mock);
	return 0;
}

/* The .exit of all suites. Runs in another thread, even if the case was given up half-way. */
void tce_fixture_exit(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client, *next;
	unsigned int left;

	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		failed = true;
	if (!fx)
		return;
	if (fx->mock) {
		tce_fault_disarm(fx->mock);
		list_for_each_entry_safe(client, next, &fx->clients, list)
			tce_close(client);
		fx->filled = 0;
		tce_settled(fx);
		left = tce_mock_forget_bridges(fx->mock);
		KUNIT_EXPECT_EQ(test, left, fx->tables_left);
		tce_expect_balance(fx);
		KUNIT_EXPECT_EQ(test, tce_mock_forget_groups(fx->mock), 0);
		tce_mock_destroy(fx->mock);
	}
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		failed = true;
	mmdrop(fx->mm);
}
