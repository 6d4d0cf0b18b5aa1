// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_eeh: which EEH operation each argument of VFIO_EEH_PE_OP becomes, what it returns about
 * the PEs of a container's groups, and who waits for it. That it fails for want of memory before it
 * is begun is in suite tce_failure.
 */
#include <asm/iommu.h>

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>

#include "tce_threads.h"

/* The kernel's numbers, as its EEH code gets them */
#define OPT_DISABLE	0
#define OPT_ENABLE	1
#define OPT_THAW_MMIO	2
#define OPT_THAW_DMA	3
#define DEACTIVATE	0
#define HOT		1
#define FUNDAMENTAL	3

/* Of an error to inject: the last type and function that there are, and any address and mask */
#define TYPE		1
#define FUNCTION	19
#define ADDRESS		0x123456789abcdef0ULL
#define MASK		0xfedcba9876543210ULL

static long eeh_op(struct tce_client *client, u32 number)
{
	return tce_eeh(client, &(struct vfio_eeh_pe_op){
		.op = number, .err = { TYPE, FUNCTION, ADDRESS, MASK } });
}

/* An operation, the call that it becomes, and whether that may sleep */
struct eeh_call {
	const char *name;
	u32 op;
	const char *what;
	unsigned long args[4];
	bool sleeps;
};

static const struct eeh_call calls[] = {
	{ "disable", VFIO_EEH_PE_DISABLE, "set_option", { OPT_DISABLE } },
	{ "enable", VFIO_EEH_PE_ENABLE, "set_option", { OPT_ENABLE }, true },
	{ "unfreeze I/O", VFIO_EEH_PE_UNFREEZE_IO, "set_option", { OPT_THAW_MMIO } },
	{ "unfreeze DMA", VFIO_EEH_PE_UNFREEZE_DMA, "set_option", { OPT_THAW_DMA } },
	{ "get state", VFIO_EEH_PE_GET_STATE, "get_state" },
	{ "deactivate reset", VFIO_EEH_PE_RESET_DEACTIVATE, "reset", { DEACTIVATE, true }, true },
	{ "hot reset", VFIO_EEH_PE_RESET_HOT, "reset", { HOT, true }, true },
	{ "fundamental reset", VFIO_EEH_PE_RESET_FUNDAMENTAL, "reset", { FUNDAMENTAL, true },
	  true },
	{ "configure", VFIO_EEH_PE_CONFIGURE, "configure" },
	{ "inject", VFIO_EEH_PE_INJECT_ERR, "inject_err", { TYPE, FUNCTION, ADDRESS, MASK }, true },
};

KUNIT_ARRAY_PARAM_DESC(call, calls, name);

/*
 * What the kernel's EEH code and firmware say, and what user space is told, of an injected error if
 * that differs. Only a state can be positive: anything else is firmware that has not done it.
 */
static const struct {
	int from;
	long to;
	long injected;
} results[] = {
	{ -ENODEV, -ENODEV }, { -ENOENT, -ENOENT }, { -EINVAL, -EINVAL }, { -EPERM, -EPERM },
	{ -ENOMEM, -ENOMEM }, { -EIO, -EIO }, { -ERANGE, -EIO, -ERANGE }, { -ENXIO, -EIO, -ENXIO },
	/* firmware's */
	{ -4, -EIO }, { -100, -EIO }, { VFIO_EEH_PE_STATE_RESET, -EIO },
	{ VFIO_EEH_PE_STATE_STOPPED, -EIO }, { VFIO_EEH_PE_STATE_STOPPED_DMA, -EIO },
	{ VFIO_EEH_PE_STATE_UNAVAIL, -EIO },
};

/* The case's operation */
static const struct eeh_call *wanted;

/* What may sleep waits first until no device is being unplugged, and nothing else does. */
static void expect_call(struct kunit *test, struct tce_client *client, struct tce_mock_group *grp)
{
	struct tce_mock *mock = grp->mock;
	unsigned int refusals = mock->refusals, rescans = mock->rescans, i;

	KUNIT_EXPECT_EQ(test, eeh_op(client, wanted->op), 0);
	KUNIT_EXPECT_EQ(test, mock->refusals, refusals);
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, 1);
	KUNIT_EXPECT_EQ(test, grp->eeh.rescans, rescans + wanted->sleeps);
	KUNIT_EXPECT_STREQ(test, grp->eeh.what, wanted->what);
	for (i = 0; i < ARRAY_SIZE(wanted->args); i++)
		KUNIT_EXPECT_EQ(test, grp->eeh.args[i], wanted->args[i]);
}

static void expect_results(struct kunit *test, struct tce_client *client,
			   struct tce_mock_group *grp)
{
	unsigned int i;
	long want;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		grp->eeh_rc = results[i].from;
		want = results[i].to;
		if (wanted->op == VFIO_EEH_PE_INJECT_ERR && results[i].injected)
			want = results[i].injected;
		else if (wanted->op == VFIO_EEH_PE_GET_STATE && grp->eeh_rc > 0)
			want = grp->eeh_rc;
		KUNIT_EXPECT_EQ_MSG(test, eeh_op(client, wanted->op), want, "%d", grp->eeh_rc);
	}
	grp->eeh_rc = 0;
}

/* A container of two groups has not done what one of them has not done. */
static void expect_both(struct kunit *test, struct tce_client *client,
			struct tce_mock_group *groups[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		groups[i]->eeh_rc = -ENOENT;
		KUNIT_EXPECT_EQ(test, eeh_op(client, wanted->op), -ENOENT);
		groups[i]->eeh_rc = 0;
		groups[i]->has_no_pe = true;
		KUNIT_EXPECT_EQ(test, eeh_op(client, wanted->op), -ENODEV);
		groups[i]->has_no_pe = false;
	}
	KUNIT_EXPECT_EQ(test, eeh_op(client, wanted->op), 0);
}

/* Errors of a type or function that does not exist: the platform is not asked, which may log it. */
static void no_such_error(struct kunit *test)
{
	static const struct vfio_eeh_pe_err errors[] = {
		{ TYPE + 1, 0 }, { ~0U, 0 }, { TYPE, FUNCTION + 1 }, { 0, ~0U },
	};
	struct vfio_eeh_pe_op op = { .op = VFIO_EEH_PE_INJECT_ERR };
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(test->priv, true, &grp);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		op.err = errors[i];
		KUNIT_EXPECT_EQ_MSG(test, tce_eeh(client, &op), -EINVAL, "error %u", i);
	}
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, 0);
}

/* Two devices of a group, which nobody else knows */
struct devices {
	struct device *dev[2];
	unsigned int refs[2];
};

static void add_devices(struct kunit *test, struct devices *devs, struct tce_mock_group *grp)
{
	char name[] = "tce_kunit0";
	int i;

	for (i = 0; i < 2; i++, name[9]++) {
		devs->dev[i] = root_device_register(name);
		KUNIT_ASSERT_FALSE(test, IS_ERR(devs->dev[i]));
		KUNIT_EXPECT_EQ(test, iommu_group_add_device(grp->group, devs->dev[i]), 0);
	}
	for (i = 0; i < 2; i++)
		devs->refs[i] = kref_read(&devs->dev[i]->kobj.kref);
}

/* References to them since they were added */
static unsigned int held(const struct devices *devs)
{
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++)
		n += kref_read(&devs->dev[i]->kobj.kref) - devs->refs[i];
	return n;
}

static void remove_devices(struct devices *devs)
{
	int i;

	for (i = 0; i < 2; i++) {
		iommu_group_remove_device(devs->dev[i]);
		root_device_unregister(devs->dev[i]);
	}
}

/* Whatever an operation returns, it has put the devices by which it kept the bus. */
static void operation(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *groups[2];
	struct tce_client *client;
	struct devices devs;
	int v2;

	wanted = test->param_value;
	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready(fx, v2, &groups[0]);
		add_devices(test, &devs, groups[0]);
		expect_call(test, client, groups[0]);
		KUNIT_EXPECT_EQ(test, held(&devs), 0);
		expect_results(test, client, groups[0]);
		KUNIT_EXPECT_EQ(test, held(&devs), 0);
		if (!v2)
			remove_devices(&devs);
	}
	groups[1] = tce_group(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(client, groups[1]), 0);
	expect_both(test, client, groups);
	KUNIT_EXPECT_EQ(test, held(&devs), 0);
	remove_devices(&devs);
}

/* It sleeps for its operation, or for its turn. An operation whose turn it is holds the module. */
static void await_sleep(struct tce_thread *thread)
{
	TCE_SOON(tce_thread_is_done(thread) ||
		 READ_ONCE(thread->task->__state) & TASK_WAKEKILL);
}

/* Two groups in the order in which a container of both does an operation for them */
static void two_groups(struct tce_fixture *fx, struct tce_mock_group **a,
		       struct tce_mock_group **b)
{
	*a = tce_group(fx);
	*b = tce_group(fx);
	if (iommu_group_id((*a)->group) > iommu_group_id((*b)->group))
		swap(*a, *b);
}

/*
 * An operation hangs, as when the rescan lock never gets free. It holds the module, and a device,
 * which keeps the PE's bus in memory. But it delays nobody: GET_STATE of the same group and
 * operations of other groups go on; its groups may leave and be unplugged, and the container be
 * closed. Nothing is done for a group that has left before its turn. The client waits for the end.
 */
static void one_hangs(struct kunit *test)
{
	enum { STAYS, LEAVES, CLOSES, HOW };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client, *another;
	struct tce_mock_group *a, *b, *c;
	struct tce_thread thread;
	struct devices devs;
	int how, users;

	another = tce_ready(fx, true, &c);
	for (how = 0; how < HOW; how++) {
		two_groups(fx, &a, &b);
		client = tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_attach(client, a), 0);
		KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
		add_devices(test, &devs, a);
		users = tce_module_users();
		fx->mock->late = false;
		tce_thread_stop(&thread, client, &tce_op_reset, TCE_AT_EEH);
		KUNIT_EXPECT_TRUE(test, TCE_SOON(READ_ONCE(fx->mock->late)));
		await_sleep(&thread);
		KUNIT_EXPECT_EQ(test, tce_module_users(), users + 1);
		KUNIT_EXPECT_EQ(test, held(&devs), 1);
		a->eeh_rc = VFIO_EEH_PE_STATE_STOPPED;
		KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_GET_STATE),
				VFIO_EEH_PE_STATE_STOPPED);
		a->eeh_rc = 0;
		KUNIT_EXPECT_EQ(test, eeh_op(another, VFIO_EEH_PE_RESET_HOT), 0);
		KUNIT_EXPECT_EQ(test, c->eeh.calls, how + 1);
		/* the argument of another call has room of its own */
		if (how == CLOSES)
			tce_close(client);
		else if (how == LEAVES)
			tce_detach(client, b);
		KUNIT_EXPECT_EQ(test, held(&devs), 1);
		if (how == CLOSES) {
			remove_devices(&devs);
			KUNIT_EXPECT_TRUE(test, tce_mock_unplug(a));
		}
		if (how != STAYS)
			KUNIT_EXPECT_TRUE(test, tce_mock_unplug(b));
		KUNIT_EXPECT_FALSE(test, completion_done(&thread.done));
		tce_thread_go_on(&thread);
		KUNIT_EXPECT_EQ(test, thread.rc, 0);
		/* and GET_STATE */
		KUNIT_EXPECT_EQ(test, a->eeh.calls, 2);
		KUNIT_EXPECT_EQ(test, b->eeh.calls, how == STAYS ? 2 : 1);
		if (how == CLOSES)
			continue;
		KUNIT_EXPECT_EQ(test, held(&devs), 0);
		remove_devices(&devs);
		tce_close(client);
	}
}

/*
 * Operations of a group take turns. The second one is of the same container, whose only group
 * leaves meanwhile; or the group, of which the first one also was the only one or one of two, is in
 * another container by now, with another group or alone.
 */
static void take_turns(struct kunit *test)
{
	enum { SAME, ALONE, SECOND, HOW };
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp, *other;
	struct tce_client *client, *next;
	struct tce_thread a, b;
	int how, users;

	for (how = 0; how < HOW; how++) {
		two_groups(fx, &grp, &other);
		client = tce_open(fx, true);
		next = how == SAME ? client : tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
		if (how != SAME)
			KUNIT_ASSERT_EQ(test, tce_attach(how == ALONE ? client : next, other), 0);
		tce_thread_stop(&a, client, &tce_op_reset, TCE_AT_EEH);
		if (how != SAME) {
			tce_detach(client, grp);
			KUNIT_ASSERT_EQ(test, tce_attach(next, grp), 0);
		}
		users = tce_module_users();
		tce_thread_op(&b, next, &tce_op_reset);
		await_sleep(&b);
		KUNIT_EXPECT_EQ(test, tce_module_users(), users);
		KUNIT_EXPECT_EQ(test, other->eeh.calls + grp->eeh.calls, 0);
		if (how == SAME)
			tce_detach(client, grp);
		tce_thread_go_on(&a);
		tce_thread_join(&b);
		KUNIT_EXPECT_EQ(test, a.rc, 0);
		KUNIT_EXPECT_EQ(test, b.rc, how == SAME ? -ENODEV : 0);
		KUNIT_EXPECT_EQ(test, grp->eeh.calls, how == SAME ? 1 : 2);
		if (how == SAME)
			tce_expect_why(fx, "tce_eeh_op");
		else
			KUNIT_EXPECT_EQ(test, other->eeh.calls, 1);
	}
}

static void reset_until_killed(struct tce_thread *thread)
{
	allow_signal(SIGKILL);
	thread->rc = tce_op_do(&thread->view, &tce_op_reset);
	flush_signals(current);
	disallow_signal(SIGKILL);
}

/*
 * A client asks for a reset, which hangs, is killed, and does it again: it waits neither for the
 * end of its operation, nor for its turn, and only the first one is done.
 */
static void killed(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	struct tce_thread thread;
	struct tce_stop stop;
	unsigned int round;

	tce_stop_at(fx->mock, TCE_AT_EEH, &stop);
	for (round = 0; round < 4; round++) {
		tce_thread_start(&thread, client, reset_until_killed);
		await_sleep(&thread);
		send_sig(SIGKILL, thread.task, 1);
		tce_thread_join(&thread);
		KUNIT_EXPECT_EQ(test, thread.rc, -EINTR);
	}
	wait_for_completion(&stop.reached);
	complete(&stop.go_on);
	/* comes after all of them */
	KUNIT_EXPECT_EQ(test, eeh_op(client, VFIO_EEH_PE_RESET_HOT), 0);
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, 2);
}

static struct kunit_case tce_eeh_cases[] = {
	KUNIT_CASE_PARAM(operation, call_gen_params),
	KUNIT_CASE(no_such_error),
	KUNIT_CASE(one_hangs),
	KUNIT_CASE(take_turns),
	KUNIT_CASE(killed),
	{}
};

TCE_SUITE(tce_eeh);
