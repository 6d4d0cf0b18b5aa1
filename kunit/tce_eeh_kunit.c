// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_eeh: which EEH operation each argument of VFIO_EEH_PE_OP becomes, and what it
 * returns about the PEs of a container's groups.
 */
#include <asm/iommu.h>

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "tce_guest.h"
#include "tce_threads.h"

/* The kernel's numbers, as its EEH code gets them */
#define OPT_DISABLE	0
#define OPT_ENABLE	1
#define OPT_THAW_MMIO	2
#define OPT_THAW_DMA	3
#define DEACTIVATE	0
#define HOT		1
#define FUNDAMENTAL	3

static long eeh(struct tce_client *client, struct vfio_eeh_pe_op *op)
{
	op->argsz = sizeof(*op);
	return tce_ioctl(client, VFIO_EEH_PE_OP, op, sizeof(*op));
}

static long eeh_op(struct tce_client *client, u32 number)
{
	struct vfio_eeh_pe_op op = { .op = number };

	return eeh(client, &op);
}

/* An operation, and the call that it becomes */
struct eeh_call {
	const char *name;
	u32 op;
	const char *what;
	unsigned long arg;
};

static const struct eeh_call calls[] = {
	{ "disable", VFIO_EEH_PE_DISABLE, "set_option", OPT_DISABLE },
	{ "enable", VFIO_EEH_PE_ENABLE, "set_option", OPT_ENABLE },
	{ "unfreeze I/O", VFIO_EEH_PE_UNFREEZE_IO, "set_option", OPT_THAW_MMIO },
	{ "unfreeze DMA", VFIO_EEH_PE_UNFREEZE_DMA, "set_option", OPT_THAW_DMA },
	{ "get state", VFIO_EEH_PE_GET_STATE, "get_state", 0 },
	{ "deactivate reset", VFIO_EEH_PE_RESET_DEACTIVATE, "reset", DEACTIVATE },
	{ "hot reset", VFIO_EEH_PE_RESET_HOT, "reset", HOT },
	{ "fundamental reset", VFIO_EEH_PE_RESET_FUNDAMENTAL, "reset", FUNDAMENTAL },
	{ "configure", VFIO_EEH_PE_CONFIGURE, "configure", 0 },
	{ "inject", VFIO_EEH_PE_INJECT_ERR, "inject_err", 0 },
	{ "10", 10, NULL, 0 },
	{ "2^31", 1U << 31, NULL, 0 },
	{ "all bits", ~0U, NULL, 0 },
};

KUNIT_ARRAY_PARAM_DESC(call, calls, name);

static void operation(struct kunit *test)
{
	const struct eeh_call *call = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned int refusals;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		struct tce_client *client = tce_ready(fx, v2, &grp);

		if (!call->what) {
			TCE_REFUSED(fx, tce_eeh_op, EINVAL, eeh_op(client, call->op));
			KUNIT_EXPECT_EQ(test, fx->mock->refused.value, call->op);
			KUNIT_EXPECT_EQ(test, grp->eeh.calls, 0);
			continue;
		}
		refusals = fx->mock->refusals;
		KUNIT_EXPECT_EQ(test, eeh_op(client, call->op), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->refusals, refusals);
		KUNIT_EXPECT_EQ(test, grp->eeh.calls, 1);
		KUNIT_ASSERT_NOT_NULL(test, grp->eeh.what);
		KUNIT_EXPECT_STREQ(test, grp->eeh.what, call->what);
		KUNIT_EXPECT_EQ(test, grp->eeh.args[0], call->arg);
		if (!strcmp(call->what, "reset"))
			KUNIT_EXPECT_EQ(test, grp->eeh.args[1], true);
		/* only a state can be positive: anything else is firmware that has not done it */
		for (grp->eeh_rc = VFIO_EEH_PE_STATE_NORMAL;
		     grp->eeh_rc <= VFIO_EEH_PE_STATE_UNAVAIL; grp->eeh_rc++)
			KUNIT_EXPECT_EQ(test, eeh_op(client, call->op),
					!grp->eeh_rc || call->op == VFIO_EEH_PE_GET_STATE ?
					grp->eeh_rc : -EIO);
	}
}

/* What the kernel's EEH code and firmware say, and what user space is told. */
struct eeh_result {
	const char *name;
	int from;
	long to;
	long injected;
};

static const struct eeh_result results[] = {
	{ "ENODEV", -ENODEV, -ENODEV },
	{ "ENOENT", -ENOENT, -ENOENT },
	{ "EINVAL", -EINVAL, -EINVAL },
	{ "EPERM", -EPERM, -EPERM },
	{ "ENOMEM", -ENOMEM, -ENOMEM },
	{ "EIO", -EIO, -EIO },
	{ "ERANGE", -ERANGE, -EIO, -ERANGE },
	{ "ENXIO", -ENXIO, -EIO, -ENXIO },
	{ "firmware's -4", -4, -EIO },
	{ "firmware's -100", -100, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(result, results, name);

static void operation_fails(struct kunit *test)
{
	const struct eeh_result *result = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	int i;

	grp->eeh_rc = result->from;
	for (i = 0; i < 9; i++)
		KUNIT_EXPECT_EQ(test, eeh_op(client, calls[i].op), result->to);
	KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_INJECT_ERR),
			result->injected ?: result->to);
}

/* A container of two groups has not done what one of them has not done. */
static void one_of_two_groups_fails(struct kunit *test)
{
	const struct eeh_call *call = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *groups[2];
	struct tce_client *client = tce_ready(fx, true, &groups[0]);
	const int failed = call->what ? -ENOENT : -EINVAL;
	int i;

	groups[1] = tce_group(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(client, groups[1]), 0);
	for (i = 0; i < 2; i++) {
		groups[i]->eeh_rc = -ENOENT;
		KUNIT_EXPECT_EQ(test, eeh_op(client, call->op), failed);
		groups[i]->eeh_rc = 0;
		groups[i]->has_no_pe = true;
		/* of an unknown operation the first group tells */
		KUNIT_EXPECT_EQ(test, eeh_op(client, call->op),
				call->what || !i ? -ENODEV : -EINVAL);
		groups[i]->has_no_pe = false;
	}
	KUNIT_EXPECT_EQ(test, eeh_op(client, call->op), call->what ? 0 : -EINVAL);
}

/* An operation either gets the memory that it needs, or is not begun. */
static void no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned int nth, hits = 1, refused = 0, calls;
	long rc;

	tce_needs_faults(test);
	for (nth = 1; hits; nth++) {
		calls = grp->eeh.calls;
		tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		rc = eeh_op(client, VFIO_EEH_PE_ENABLE);
		hits = tce_fault_disarm(fx->mock);
		refused += rc == -ENOMEM;
		KUNIT_EXPECT_EQ(test, grp->eeh.calls, calls + !rc);
	}
	KUNIT_EXPECT_NE(test, refused, 0);
}

/* An error to inject */
struct eeh_error {
	const char *name;
	u32 type;
	u32 func;
	long rc;
};

static const struct eeh_error injected[] = {
	{ "32 bits, load of memory by address", 0, 0, 0 },
	{ "64 bits, load of memory by address", 1, 0, 0 },
	{ "64 bits, the last function", 1, 19, 0 },
	{ "64 bits, one more", 1, 20, -EINVAL },
	{ "a type too many", 2, 0, -EINVAL },
	{ "all bits of the type", ~0U, 0, -EINVAL },
	{ "all bits of the function", 0, ~0U, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(injected, injected, name);

static void inject(struct kunit *test)
{
	const struct eeh_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	struct vfio_eeh_pe_op op = {
		.op = VFIO_EEH_PE_INJECT_ERR,
		.err = {
			.type = err->type, .func = err->func,
			.addr = 0x123456789abcdef0ULL,
			.mask = 0xfedcba9876543210ULL,
		},
	};

	KUNIT_EXPECT_EQ(test, eeh(client, &op), err->rc);
	if (err->rc) {
		KUNIT_EXPECT_EQ(test, grp->eeh.calls, 0);
		return;
	}
	KUNIT_ASSERT_EQ(test, grp->eeh.calls, 1);
	KUNIT_EXPECT_STREQ(test, grp->eeh.what, "inject_err");
	KUNIT_EXPECT_EQ(test, grp->eeh.args[0], err->type);
	KUNIT_EXPECT_EQ(test, grp->eeh.args[1], err->func);
	KUNIT_EXPECT_EQ(test, grp->eeh.args[2], 0x123456789abcdef0ULL);
	KUNIT_EXPECT_EQ(test, grp->eeh.args[3], 0xfedcba9876543210ULL);
}

static void reset_hot(struct tce_thread *thread)
{
	thread->rc = eeh_op(&thread->view, VFIO_EEH_PE_RESET_HOT);
}

static void reset_when_killed(struct tce_thread *thread)
{
	TCE_DO_KILLED(reset_hot(thread));
}

/*
 * An operation that takes long delays nobody: the group may leave and be unplugged, and the
 * container be closed. A group that has left before its turn is skipped.
 */
static void keeps_nobody(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b;
	struct tce_client *client;
	struct tce_thread thread;
	int how;

	for (how = 0; how < 3; how++) {
		b = tce_group(fx);
		client = tce_ready(fx, true, &a);
		KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
		tce_thread_stop(&thread, client, reset_hot, &fx->mock->eeh_gate);
		/* the argument of another call has room of its own */
		if (how == 0)
			tce_close(client);
		else if (how == 1)
			tce_detach(client, b);
		if (how == 0)
			KUNIT_EXPECT_TRUE(test, tce_mock_unplug(a));
		if (how < 2)
			KUNIT_EXPECT_TRUE(test, tce_mock_unplug(b));
		KUNIT_EXPECT_FALSE(test, completion_done(&thread.done));
		tce_thread_go_on(&thread);
		KUNIT_EXPECT_EQ(test, thread.rc, 0);
		KUNIT_EXPECT_EQ(test, a->eeh.calls, 1);
		KUNIT_EXPECT_EQ(test, b->eeh.calls, how == 2);
		if (how)
			tce_close(client);
	}
}

/* It sleeps for its operation, or for its turn. An operation whose turn it is holds the module. */
static void await_sleep(struct tce_thread *thread)
{
	while (!tce_thread_is_done(thread) &&
	       !(READ_ONCE(thread->task->__state) & TASK_WAKEKILL))
		msleep(1);
}

/*
 * A group of an operation is in another container by now, as its second one or alone, whose
 * operation has to wait.
 */
static void waits_for_any_group(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp, *other;
	struct tce_client *client, *next;
	struct tce_thread a, b;
	int alone, users;

	for (alone = 0; alone < 2; alone++) {
		grp = tce_group(fx);
		client = alone ? tce_ready(fx, true, &other) : tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		tce_thread_stop(&a, client, reset_hot, &fx->mock->eeh_gate);
		tce_detach(client, grp);
		next = alone ? tce_open(fx, true) : tce_ready(fx, true, &other);
		KUNIT_ASSERT_EQ(test, tce_attach(next, grp), 0);
		users = tce_module_users();
		tce_thread_start(&b, next, reset_hot);
		await_sleep(&b);
		KUNIT_EXPECT_EQ(test, tce_module_users(), users);
		KUNIT_EXPECT_EQ(test, other->eeh.calls + grp->eeh.calls, 0);
		tce_thread_go_on(&a);
		tce_thread_join(&b);
		KUNIT_EXPECT_EQ(test, b.rc, 0);
		KUNIT_EXPECT_EQ(test, other->eeh.calls, 1);
		KUNIT_EXPECT_EQ(test, grp->eeh.calls, alone ? 1 : 2);
	}
}

/* Operations of two clients with a group each do not wait for each other. */
static void different_groups(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp, *other;
	struct tce_client *client = tce_ready(fx, true, &grp);
	struct tce_client *another = tce_ready(fx, true, &other);
	struct tce_thread thread;

	tce_thread_stop(&thread, client, reset_hot, &fx->mock->eeh_gate);
	KUNIT_EXPECT_EQ(test, eeh_op(another, VFIO_EEH_PE_RESET_HOT), 0);
	KUNIT_EXPECT_EQ(test, other->eeh.calls, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&thread.done));
	tce_thread_go_on(&thread);
	KUNIT_EXPECT_EQ(test, thread.rc, 0);
}

/*
 * An operation hangs, as when the rescan lock never gets free: GET_STATE of the same group does not
 * wait for it, nor does the group's leaving, and the module stays as long as it hangs.
 */
static void one_hangs(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	int users = tce_module_users();
	struct tce_thread thread;

	tce_thread_stop(&thread, client, reset_hot, &fx->mock->eeh_gate);
	tce_expect_module_users(test, users + 1);
	grp->eeh_rc = VFIO_EEH_PE_STATE_STOPPED;
	KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_GET_STATE), VFIO_EEH_PE_STATE_STOPPED);
	grp->eeh_rc = 0;
	tce_detach(client, grp);
	KUNIT_EXPECT_FALSE(test, completion_done(&thread.done));
	tce_thread_go_on(&thread);
	KUNIT_EXPECT_EQ(test, thread.rc, 0);
}

/* The only group leaves while another operation has it. */
static void waits_for_its_turn(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_thread first, second;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);

	tce_thread_stop(&first, client, reset_hot, &fx->mock->eeh_gate);
	tce_thread_start(&second, client, reset_hot);
	await_sleep(&second);
	tce_detach(client, grp);
	tce_thread_go_on(&first);
	tce_thread_join(&second);
	KUNIT_EXPECT_EQ(test, first.rc, 0);
	KUNIT_EXPECT_EQ(test, second.rc, -ENODEV);
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, 1);
	tce_expect_why(fx, "tce_eeh_op");
}

/* A reference to a device keeps the PE's bus in memory while the operation uses it. */
static void holds_a_device(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned int refs[2], i, more = 0;
	char name[] = "tce_kunit0";
	struct device *devs[2];
	struct tce_thread thread;

	for (i = 0; i < 2; i++, name[9]++) {
		devs[i] = root_device_register(name);
		KUNIT_ASSERT_FALSE(test, IS_ERR(devs[i]));
		KUNIT_EXPECT_EQ(test, iommu_group_add_device(grp->group, devs[i]), 0);
	}
	for (i = 0; i < 2; i++)
		refs[i] = kref_read(&devs[i]->kobj.kref);
	tce_thread_stop(&thread, client, reset_hot, &fx->mock->eeh_gate);
	for (i = 0; i < 2; i++)
		more += kref_read(&devs[i]->kobj.kref) - refs[i];
	KUNIT_EXPECT_EQ(test, more, 1);
	tce_thread_go_on(&thread);
	KUNIT_EXPECT_EQ(test, thread.rc, 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kref_read(&devs[i]->kobj.kref), refs[i]);
		iommu_group_remove_device(devs[i]);
		root_device_unregister(devs[i]);
	}
}

/*
 * A client that is killed does not wait for the end of its operation, whether or not that
 * has a thread by then.
 */
static void killed(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	struct tce_thread thread;
	struct tce_gate gate;

	tce_gate_close(&fx->mock->eeh_gate, &gate);
	tce_thread_start(&thread, client, reset_when_killed);
	tce_thread_join(&thread);
	KUNIT_EXPECT_EQ(test, thread.rc, -EINTR);
	if (wait_for_completion_timeout(&gate.reached, HZ / 2))
		complete(&gate.open);
	spin_lock(&fx->mock->lock);
	fx->mock->eeh_gate = NULL;
	spin_unlock(&fx->mock->lock);
	/* the next one comes after it */
	KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_RESET_HOT), 0);
}

static void reset_until_killed(struct tce_thread *thread)
{
	allow_signal(SIGKILL);
	reset_hot(thread);
	flush_signals(current);
	disallow_signal(SIGKILL);
}

/*
 * Root unplugs a device, and waits for something. Meanwhile a client asks for a reset, is
 * killed, and does it again: only the first one is done.
 */
static void one_at_a_time(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	unsigned int before = grp->eeh.calls, round, tries;
	struct tce_thread thread;

	pci_lock_rescan_remove();
	for (round = 0; round < 4; round++) {
		tce_thread_start(&thread, client, reset_until_killed);
		await_sleep(&thread);
		send_sig(SIGKILL, thread.task, 1);
		tce_thread_join(&thread);
		fx->busy = false;
		KUNIT_EXPECT_EQ(test, thread.rc, -EINTR);
	}
	pci_unlock_rescan_remove();
	for (tries = 0; tries < 500 && grp->eeh.calls == before; tries++)
		msleep(20);
	/* comes after all of them */
	KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_RESET_HOT), 0);
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, before + 2);
}

static u32 wanted;

static void do_wanted(struct tce_thread *thread)
{
	thread->rc = eeh_op(&thread->view, wanted);
}

/* A device is being unplugged: what may sleep waits until that is over, nothing else does. */
static void sleepers_wait_for_unplugging(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	const struct eeh_call *call;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	struct tce_thread thread;
	unsigned int before, lockers, tries;
	bool waits;

	for (call = calls; call->what; call++) {
		waits = call->op == VFIO_EEH_PE_ENABLE ||
			call->op == VFIO_EEH_PE_INJECT_ERR ||
			!strcmp(call->what, "reset");
		before = grp->eeh.calls;
		wanted = call->op;
		pci_lock_rescan_remove();
		lockers = atomic_read(&fx->mock->lockers);
		tce_thread_start(&thread, client, do_wanted);
		for (tries = 0; tries < 1500 && !completion_done(&thread.done) &&
		     atomic_read(&fx->mock->lockers) == lockers; tries++)
			msleep(20);
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&fx->mock->lockers) - lockers, waits,
				    "%s", call->name);
		KUNIT_EXPECT_EQ_MSG(test, completion_done(&thread.done),
				    !waits, "%s", call->name);
		KUNIT_EXPECT_EQ_MSG(test, grp->eeh.calls - before,
				    waits ? 0 : 1, "%s", call->name);
		pci_unlock_rescan_remove();
		tce_thread_join(&thread);
		KUNIT_EXPECT_EQ(test, grp->eeh.calls - before, 1);
	}
}

static struct kunit_case tce_eeh_cases[] = {
	KUNIT_CASE_PARAM(operation, call_gen_params),
	KUNIT_CASE_PARAM(operation_fails, result_gen_params),
	KUNIT_CASE_PARAM(one_of_two_groups_fails, call_gen_params),
	KUNIT_CASE(no_memory),
	KUNIT_CASE_PARAM(inject, injected_gen_params),
	KUNIT_CASE(keeps_nobody),
	KUNIT_CASE(waits_for_its_turn),
	KUNIT_CASE(waits_for_any_group),
	KUNIT_CASE(different_groups),
	KUNIT_CASE(one_hangs),
	KUNIT_CASE(holds_a_device),
	KUNIT_CASE(killed),
	KUNIT_CASE(one_at_a_time),
	KUNIT_CASE(sleepers_wait_for_unplugging),
	{}
};

TCE_SUITE(tce_eeh);
