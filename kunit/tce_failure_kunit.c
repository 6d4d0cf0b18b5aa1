// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_failure: every operation, with everything that it depends on
 * failing once: the first time, the second, and so on until nothing fails any
 * more. After each failure the devices reach what they reached before, nothing
 * is leaked, and user space is told the errno that it was promised.
 */
#include "tce_fixture.h"

#define SMALL	ALIGN(24 * SZ_4K, PAGE_SIZE)
#define LARGE	(SZ_1M + SZ_64K)

struct failure;

/**
 * struct failure_op - an operation
 * @name: of the parameter
 * @v2: which interface
 * @levels: of the table
 * @setup: makes the state in which it begins
 * @run: the operation
 * @kind: of the memory
 * @size: bytes of memory
 * @never: it never fails, whatever happens
 * @hcalls: see &tce_mock.hcalls
 * @kvm: the process has KVM, and so has each table
 */
struct failure_op {
	const char *name;
	bool v2;
	u32 levels;
	void (*setup)(struct failure *f);
	long (*run)(struct failure *f);
	enum tce_mem_kind kind;
	unsigned long size;
	bool never;
	bool hcalls;
	bool kvm;
};

/**
 * struct failure - an operation, and what it is done with
 * @test: the case
 * @fx: the process
 * @op: the operation
 * @client: the container
 * @grp: its group
 * @other: another group
 * @a: memory
 * @b: other memory of the same size
 * @start: of the window that is created or removed
 * @registered: both pieces of memory are
 */
struct failure {
	struct kunit *test;
	struct tce_fixture *fx;
	const struct failure_op *op;
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct tce_mock_group *other;
	unsigned long a;
	unsigned long b;
	u64 start;
	bool registered;
};

static long map(struct failure *f);
static long map_one(struct failure *f);
static long map_into_other_leaves(struct failure *f);
static long map_one_into_other_leaf(struct failure *f);
static long unmap(struct failure *f);
static long unmap_one(struct failure *f);

/* ---- states ---- */

/* A container with a group; nothing else was done yet. */
static void attached(struct failure *f)
{
	f->client = tce_open(f->fx, f->op->v2);
	KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->grp), 0);
}

static void with_window(struct failure *f)
{
	attached(f);
	if (!f->op->v2) {
		KUNIT_ASSERT_EQ(f->test, tce_enable(f->client), 0);
		KUNIT_ASSERT_EQ(f->test, tce_unmap(f->client, 0, SZ_4K), 0);
		return;
	}
	KUNIT_ASSERT_EQ(f->test, tce_remove(f->client, 0), 0);
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 12, SZ_64M,
					    f->op->levels, &f->start), 0);
}

static void ready(struct failure *f)
{
	with_window(f);
	if (!f->op->v2)
		return;
	KUNIT_ASSERT_EQ(f->test, tce_register(f->client, f->a, f->op->size), 0);
	KUNIT_ASSERT_EQ(f->test, tce_register(f->client, f->b, f->op->size), 0);
	f->registered = f->op->run == map || f->op->run == map_one ||
			f->op->run == unmap || f->op->run == unmap_one ||
			f->op->run == map_into_other_leaves ||
			f->op->run == map_one_into_other_leaf;
}

static void mapped(struct failure *f)
{
	ready(f);
	KUNIT_ASSERT_EQ(f->test, tce_map(f->client, 0, f->a, f->op->size,
					 TCE_RW), 0);
}

/* Every third page. */
static void mapped_here_and_there(struct failure *f)
{
	unsigned long at;

	ready(f);
	for (at = 0; at < f->op->size; at += 3 * SZ_4K)
		KUNIT_ASSERT_EQ(f->test, tce_map(f->client, at, f->a + at,
						 SZ_4K, TCE_R), 0);
}

/* Two of three pages: where a page of the CPU's is larger, the rest of one. */
static void mapped_in_parts(struct failure *f)
{
	unsigned long at;

	mapped(f);
	for (at = 0; at < f->op->size; at += 3 * SZ_4K)
		KUNIT_ASSERT_EQ(f->test, tce_unmap(f->client, at, SZ_4K), 0);
}

static void two_windows(struct failure *f)
{
	mapped(f);
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 16, SZ_1G, 1, &f->start),
			0);
}

static void registered(struct failure *f)
{
	attached(f);
	KUNIT_ASSERT_EQ(f->test, tce_register(f->client, f->a, f->op->size), 0);
}

static void opened(struct failure *f)
{
	f->client = tce_open(f->fx, f->op->v2);
}

static void nothing(struct failure *f)
{
	f->client = NULL;
}

/* ---- operations ---- */

static long map(struct failure *f)
{
	return tce_map(f->client, 0, f->b, f->op->size, TCE_RW);
}

static long map_one(struct failure *f)
{
	return tce_map(f->client, 0, f->b, SZ_4K, TCE_RW);
}

static long map_into_other_leaves(struct failure *f)
{
	return tce_map(f->client, SZ_16M - SMALL / 2, f->b, SMALL, TCE_RW);
}

static long map_one_into_other_leaf(struct failure *f)
{
	return tce_map(f->client, SZ_16M, f->b, SZ_4K, TCE_RW);
}

static long unmap(struct failure *f)
{
	return tce_unmap(f->client, 0, SZ_64M);
}

static long unmap_one(struct failure *f)
{
	return tce_unmap(f->client, 0, SZ_4K);
}

static long reg(struct failure *f)
{
	return tce_register(f->client, f->a, f->op->size);
}

static long unreg(struct failure *f)
{
	return tce_unregister(f->client, f->a, f->op->size);
}

static long create(struct failure *f)
{
	return tce_create(f->client, 12, SZ_16M, f->op->levels, &f->start);
}

static long remove(struct failure *f)
{
	return tce_remove(f->client, f->start);
}

static long first_unmap(struct failure *f)
{
	return tce_unmap(f->client, 0, SZ_4K);
}

static long enable(struct failure *f)
{
	return tce_enable(f->client);
}

static long disable(struct failure *f)
{
	return tce_disable(f->client);
}

static long attach(struct failure *f)
{
	return tce_attach(f->client, f->grp);
}

static long attach_other(struct failure *f)
{
	return tce_attach(f->client, f->other);
}

static long detach(struct failure *f)
{
	tce_detach(f->client, f->grp);
	return 0;
}

static long close(struct failure *f)
{
	tce_close(f->client);
	f->client = NULL;
	return 0;
}

static long open(struct failure *f)
{
	void *data = tce_driver->open(f->op->v2 ? VFIO_SPAPR_TCE_v2_IOMMU :
						  VFIO_SPAPR_TCE_IOMMU);

	if (IS_ERR(data))
		return PTR_ERR(data);
	tce_driver->release(data);
	return 0;
}

#define PLAIN		TCE_MEM_PLAIN
#define SCATTERED	TCE_MEM_SCATTERED
#define THP		TCE_MEM_THP

static const struct failure_op ops[] = {
	{ "v1: open", 0, 1, nothing, open, PLAIN, SMALL, false },
	{ "v1: attach", 0, 1, opened, attach, PLAIN, SMALL, false },
	{ "v1: enable", 0, 1, attached, enable, PLAIN, SMALL, false },
	{ "v1: disable", 0, 1, mapped, disable, PLAIN, LARGE, true },
	{ "v1: map", 0, 1, ready, map, PLAIN, LARGE, false },
	{ "v1: map one", 0, 1, ready, map_one, PLAIN, SMALL, false },
	{ "v1: map, scattered", 0, 1, ready, map, SCATTERED, SMALL, false },
	{ "v1: replace", 0, 1, mapped, map, PLAIN, LARGE, false },
	{ "v1: replace one", 0, 1, mapped, map_one, PLAIN, SMALL, false },
	{ "v1: replace some", 0, 1, mapped_here_and_there, map, SCATTERED, SMALL, false },
	{ "v1: replace one that is alone", 0, 1, mapped_here_and_there, map_one, PLAIN, SMALL,
	  false },
	{ "v1: replace parts", 0, 1, mapped_in_parts, map, SCATTERED, SMALL, false },
	{ "v1: unmap", 0, 1, mapped, unmap, PLAIN, LARGE, true },
	{ "v1: unmap, scattered", 0, 1, mapped, unmap, SCATTERED, LARGE, true },
	{ "v1: unmap one", 0, 1, mapped, unmap_one, PLAIN, SMALL, true },
	{ "v1: unmap one that is alone", 0, 1, mapped_here_and_there, unmap_one, PLAIN, SMALL,
	  true },
	{ "v1: unmap parts", 0, 1, mapped_in_parts, unmap, SCATTERED, SMALL, true },
	{ "v1: detach", 0, 1, mapped, detach, SCATTERED, LARGE, true },
	{ "v1: close", 0, 1, mapped, close, SCATTERED, LARGE, true },
	{ "v2: open", 1, 1, nothing, open, PLAIN, SMALL, false },
	{ "v2: attach", 1, 1, opened, attach, PLAIN, SMALL, false },
	{ "v2: attach another", 1, 1, two_windows, attach_other, PLAIN, SMALL, false },
	{ "v2: register, small", 1, 1, opened, reg, PLAIN, SMALL, false },
	{ "v2: register, large", 1, 1, opened, reg, PLAIN, LARGE, false },
	{ "v2: register one", 1, 1, opened, reg, PLAIN, PAGE_SIZE, false },
	{ "v2: unregister, small", 1, 1, registered, unreg, PLAIN, SMALL, true },
	{ "v2: unregister, large", 1, 1, registered, unreg, PLAIN, LARGE, true },
	{ "v2: default window", 1, 1, registered, first_unmap, PLAIN, SMALL, false },
	{ "v2: create", 1, 1, with_window, create, PLAIN, SMALL, false },
	{ "v2: create, with the default window", 1, 1, attached, create, PLAIN, SMALL, false },
	{ "v2: create, four levels", 1, 4, with_window, create, PLAIN, SMALL, false },
	{ "v2: remove", 1, 1, mapped, remove, SCATTERED, LARGE, true },
	{ "v2: map, small region", 1, 1, ready, map, PLAIN, SMALL, false },
	{ "v2: map, large region", 1, 1, ready, map, PLAIN, LARGE, false },
	{ "v2: map one", 1, 1, ready, map_one, PLAIN, SMALL, false },
	{ "v2: map, scattered", 1, 1, ready, map, SCATTERED, SMALL, false },
	{ "v2: map, four levels", 1, 4, ready, map, PLAIN, LARGE, false },
	{ "v2: map, into two leaves", 1, 2, ready, map_into_other_leaves, PLAIN, SMALL, false },
	{ "v2: map one, into another leaf", 1, 2, ready, map_one_into_other_leaf, PLAIN, SMALL,
	  false },
	{ "v2: replace", 1, 1, mapped, map, PLAIN, LARGE, false },
	{ "v2: replace one", 1, 1, mapped, map_one, PLAIN, SMALL, false },
	{ "v2: replace some", 1, 1, mapped_here_and_there, map, SCATTERED, SMALL, false },
	{ "v2: replace, four levels", 1, 4, mapped, map, SCATTERED, SMALL, false },
	{ "v2: unmap", 1, 1, mapped, unmap, PLAIN, LARGE, true },
	{ "v2: unmap, scattered", 1, 4, mapped, unmap, SCATTERED, LARGE, true },
	{ "v2: unmap one", 1, 1, mapped, unmap_one, PLAIN, SMALL, true },
	{ "v2: register, KVM", 1, 1, opened, reg, PLAIN, LARGE, false, false, true },
	{ "v2: register one, KVM", 1, 1, opened, reg, PLAIN, PAGE_SIZE, false, false, true },
	{ "v2: unregister, KVM", 1, 1, registered, unreg, PLAIN, SMALL, true, false, true },
	{ "v1: map runs", 0, 1, ready, map, THP, SZ_2M, false },
	{ "v1: replace runs", 0, 1, mapped, map, THP, SZ_2M, false },
	{ "v1: unmap runs", 0, 1, mapped, unmap, THP, SZ_2M, true },
	{ "v2: map runs", 1, 1, ready, map, THP, SZ_2M, false },
	{ "v2: map runs, four levels", 1, 4, ready, map, THP, SZ_2M, false },
	{ "v2: unmap runs", 1, 1, mapped, unmap, THP, SZ_2M, true },
	{ "v1: map, hypervisor calls", 0, 1, ready, map, PLAIN, SMALL, false, true },
	{ "v1: unmap, hypervisor calls", 0, 1, mapped, unmap, PLAIN, SMALL, true, true },
	{ "v2: map, hypervisor calls", 1, 1, ready, map, PLAIN, SMALL, false, true },
	{ "v2: replace some, hypervisor calls", 1, 1, mapped_here_and_there, map, PLAIN, SMALL,
	  false, true },
	{ "v2: unmap, hypervisor calls", 1, 1, mapped, unmap, PLAIN, SMALL, true, true },
	{ "v2: map, KVM", 1, 1, ready, map, PLAIN, LARGE, false, false, true },
	{ "v2: map one, KVM", 1, 1, ready, map_one, PLAIN, SMALL, false, false, true },
	{ "v2: replace some, KVM", 1, 1, mapped_here_and_there, map, PLAIN, SMALL, false, false,
	  true },
	{ "v2: unmap, KVM", 1, 1, mapped, unmap, PLAIN, SMALL, true, false, true },
	{ "v2: close, KVM", 1, 4, mapped, close, PLAIN, SMALL, true, false, true },
	{ "v1: map, KVM", 0, 1, ready, map, SCATTERED, LARGE, false, false, true },
	{ "v1: replace, KVM", 0, 1, mapped, map, SCATTERED, LARGE, false, false, true },
	{ "v1: unmap, KVM", 0, 1, mapped, unmap, SCATTERED, LARGE, true, false, true },
	{ "v1: close, KVM", 0, 1, mapped, close, SCATTERED, LARGE, true, false, true },
	{ "v2: detach", 1, 1, two_windows, detach, SCATTERED, LARGE, true },
	{ "v2: close", 1, 4, mapped, close, SCATTERED, LARGE, true },
};

KUNIT_ARRAY_PARAM_DESC(op, ops, name);

static void failure_init(struct kunit *test, struct failure *f)
{
	memset(f, 0, sizeof(*f));
	f->test = test;
	f->fx = test->priv;
	f->op = test->param_value;
	f->fx->mock->hcalls = f->op->hcalls;
	f->fx->mock->kvm = f->op->kvm;
	if (f->op->kvm)
		tce_watch(f->fx);
	f->grp = tce_group(f->fx);
	f->other = tce_group(f->fx);
	f->a = tce_memory(f->fx, f->op->kind, f->op->size);
	f->b = tce_memory(f->fx, f->op->kind, f->op->size);
	KUNIT_ASSERT_NE(test, f->a, 0);
	KUNIT_ASSERT_NE(test, f->b, 0);
}

/* What must be the same after a failure */
struct failure_state {
	struct tce_snapshot snap;
	unsigned long pins;
	unsigned long locked;
	long counted;
};

static void get_state(struct failure *f, struct failure_state *state)
{
	tce_unpinned(f->fx);
	tce_mock_snapshot(f->fx->mock, &state->snap);
	state->pins = tce_mock_pins(f->fx->mock);
	state->locked = f->fx->mm->locked_vm;
	state->counted = f->fx->mock->counted;
}

static void expect_same_state(struct failure *f, unsigned int nth,
			      const struct failure_state *before)
{
	struct failure_state now;

	get_state(f, &now);
	KUNIT_EXPECT_EQ_MSG(f->test, now.snap.n, before->snap.n,
			    "failure %u: live entries", nth);
	KUNIT_EXPECT_EQ_MSG(f->test, now.snap.sum, before->snap.sum,
			    "failure %u: what the devices reach", nth);
	KUNIT_EXPECT_EQ_MSG(f->test, now.snap.tables, before->snap.tables,
			    "failure %u: tables", nth);
	KUNIT_EXPECT_EQ_MSG(f->test, now.pins, before->pins,
			    "failure %u: pins", nth);
	KUNIT_EXPECT_EQ_MSG(f->test, now.locked, before->locked,
			    "failure %u: locked_vm", nth);
	KUNIT_EXPECT_EQ_MSG(f->test, now.counted, before->counted,
			    "failure %u: mappings of regions", nth);
}

static void clean_up(struct failure *f)
{
	/* memory that is mapped no more can be given back: nothing is miscounted */
	if (f->client && f->op->v2 && f->registered) {
		KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(f->test, tce_unregister(f->client, f->a,
							f->op->size), 0);
		KUNIT_EXPECT_EQ(f->test, tce_unregister(f->client, f->b,
							f->op->size), 0);
	}
	f->registered = false;
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	tce_expect_balance(f->fx);
}

/* Each of the first @all, and then fewer and fewer. */
static unsigned int next_after(unsigned int nth, unsigned int all)
{
	return nth < all ? nth + 1 : nth + 1 + nth / 3;
}

static unsigned int next(unsigned int nth)
{
	return next_after(nth, 16);
}

/*
 * How often each operation asks for each of the things that can fail, when
 * nothing does; found out when it is first needed. Setting up a case costs far
 * more than not to run one in which nothing could have failed.
 */
static struct {
	bool known;
	unsigned int asked[TCE_FAULTS];
} costs[ARRAY_SIZE(ops)];

static bool asks_for(struct kunit *test, enum tce_fault fault)
{
	const struct failure_op *op = test->param_value;
	unsigned int *asked = costs[op - ops].asked;
	struct failure f;

	if (!costs[op - ops].known) {
		failure_init(test, &f);
		op->setup(&f);
		memset(f.fx->mock->asked, 0, sizeof(f.fx->mock->asked));
		KUNIT_ASSERT_EQ(test, op->run(&f), 0);
		memcpy(asked, f.fx->mock->asked, sizeof(f.fx->mock->asked));
		clean_up(&f);
		costs[op - ops].known = true;
	}
	return asked[fault];
}

/* It was done in another way: as well, and nothing is left for later. */
static void expect_done(struct failure *f, unsigned int nth)
{
	if (f->op->run == unmap) {
		KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_live(f->fx->mock), 0,
				    "failure %u", nth);
		if (!f->op->v2)
			KUNIT_EXPECT_EQ_MSG(f->test,
					    tce_mock_pins(f->fx->mock), 0,
					    "failure %u", nth);
	} else if (f->op->run == map) {
		tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, f->op->size,
				  TCE_RW);
	} else if (f->op->run == reg) {
		KUNIT_EXPECT_EQ_MSG(f->test, unreg(f), 0, "failure %u", nth);
	} else if (f->op->run == create) {
		KUNIT_EXPECT_EQ_MSG(f->test, remove(f), 0, "failure %u", nth);
	}
}

/*
 * Fail what @fault says with @rc; the operation then has to fail with @want,
 * or, if @or_succeed, may succeed in another way.
 */
static void fail_each_of(struct kunit *test, enum tce_fault fault, int rc,
			 long want, bool or_succeed, unsigned int all)
{
	struct failure_state before;
	struct failure f;
	unsigned int nth;
	bool copy;
	long got;

	if (fault != TCE_FAULT_ALLOC && !asks_for(test, fault))
		kunit_skip(test, "does not depend on that");
	failure_init(test, &f);
	for (nth = 1; ; nth = next_after(nth, all)) {
		f.op->setup(&f);
		get_state(&f, &before);
		tce_fault_arm(f.fx->mock, fault, nth, rc);
		got = f.op->run(&f);
		if (!tce_fault_disarm(f.fx->mock))
			break;
		if (got) {
			/* an allocation was meant, but copies can fail, too */
			copy = fault == TCE_FAULT_ALLOC && got == -EFAULT &&
			       IS_ENABLED(CONFIG_FAULT_INJECTION_USERCOPY);
			KUNIT_EXPECT_EQ_MSG(test, got, copy ? -EFAULT : want,
					    "failure %u", nth);
			/* of CREATE the default window may be left, as made first */
			if (!copy || f.op->run != create)
				expect_same_state(&f, nth, &before);
		} else if (!or_succeed) {
			KUNIT_FAIL(test, "failure %u goes unnoticed", nth);
		} else {
			expect_done(&f, nth);
		}
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, got, 0);
	clean_up(&f);
}

static void fail_each(struct kunit *test, enum tce_fault fault, int rc,
		      long want, bool or_succeed)
{
	fail_each_of(test, fault, rc, want, or_succeed, 16);
}

static void allocation(struct kunit *test)
{
	const struct failure_op *op = test->param_value;

	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
	fail_each(test, TCE_FAULT_ALLOC, 0, op->never ? 0 : -ENOMEM, true);
}

/* Operations that pass through a fault of the platform, and fail with it */
static bool op_is(const struct failure_op *op,
		  long (*const *runs)(struct failure *f), int n)
{
	while (n--)
		if (op->run == runs[n])
			return true;
	return false;
}

static void exchange(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = {
		map, map_one, map_into_other_leaves,
		map_one_into_other_leaf,
	};

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "writes no entries, or never fails");
	fail_each(test, TCE_FAULT_XCHG, -4, -EIO, false);
}

/* And then there is no memory to note what is to be let go: that takes none. */
static void exchange_and_no_memory(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = { map };
	struct tce_fixture *fx = test->priv;

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "holds no more than there is room for");
	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
	fx->mock->then_no_memory = true;
	fail_each_of(test, TCE_FAULT_XCHG, -4, -EIO, false, 2);
}

static void exchange_without_memory(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = {
		map, map_one, map_into_other_leaves,
		map_one_into_other_leaf,
	};

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "writes no entries, or never fails");
	/* only the errno is another than in exchange() */
	fail_each_of(test, TCE_FAULT_XCHG, -ENOMEM, -ENOMEM, false, 2);
}

static void set(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = { map, map_one };

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "sets no runs of entries");
	fail_each(test, TCE_FAULT_BUILD, -ENOMEM, -ENOMEM, false);
}

static void set_is_lost(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = { map, map_one };

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "sets no runs of entries");
	fail_each(test, TCE_FAULT_LOST, 0, -EIO, false);
}

static void level(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = {
		map, map_one, map_into_other_leaves,
		map_one_into_other_leaf,
	};

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)))
		kunit_skip(test, "needs no levels");
	fail_each(test, TCE_FAULT_LEVEL, 0, -ENOMEM, false);
}

static void pin(struct kunit *test)
{
	fail_each(test, TCE_FAULT_PIN, -ENOMEM, -ENOMEM, false);
}

static void pin_of_nothing(struct kunit *test)
{
	fail_each(test, TCE_FAULT_PIN, 0, -EFAULT, false);
}

static void registration(struct kunit *test)
{
	fail_each(test, TCE_FAULT_REGISTER, -ENOMEM, -ENOMEM, false);
}

static void counting(struct kunit *test)
{
	fail_each(test, TCE_FAULT_COUNT, -ENXIO, -EINVAL, false);
}

static void create_table(struct kunit *test)
{
	fail_each(test, TCE_FAULT_CREATE, -ENOSPC, -ENOSPC, false);
}

/* What becomes of set_window()'s -EPERM: on powernv that is a number of OPAL's. */
static long bridge_says(struct kunit *test)
{
	const struct failure_op *op = test->param_value;

	return op->hcalls ? -EPERM : -EIO;
}

static void set_window(struct kunit *test)
{
	fail_each(test, TCE_FAULT_SET, -EPERM, bridge_says(test), false);
}

static void set_window_is_lost(struct kunit *test)
{
	fail_each(test, TCE_FAULT_LINK, 0, -ENOMEM, false);
}

/*
 * A bridge keeps a window. REMOVE says so, whoever else takes windows away can't;
 * the window is empty, its table stays, and nothing else does.
 */
static void unset_window(struct kunit *test)
{
	struct failure f;
	unsigned int nth;
	long rc;

	if (!asks_for(test, TCE_FAULT_UNSET))
		kunit_skip(test, "does not depend on that");
	failure_init(test, &f);
	for (nth = 1; ; nth++) {
		f.op->setup(&f);
		tce_fault_arm(f.fx->mock, TCE_FAULT_UNSET, nth, -5);
		rc = f.op->run(&f);
		if (!tce_fault_disarm(f.fx->mock))
			break;
		KUNIT_EXPECT_EQ_MSG(test, rc, f.op->run == remove ? -EIO : 0,
				    "failure %u", nth);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_live(f.fx->mock), 0,
				    "failure %u", nth);
		if (f.client)
			tce_close(f.client);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_tables(f.fx->mock), 1,
				    "failure %u", nth);
		KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(f.fx->mock), 1);
		f.client = NULL;
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	clean_up(&f);
}

/*
 * A bridge does not take a window, and from then on lets go of none: what had
 * been put into it before stays there, but the operation has failed all the
 * same, and nothing but tables is kept.
 */
static void set_and_unset_window(struct kunit *test)
{
	struct failure f;
	unsigned int nth;
	long rc;

	if (!asks_for(test, TCE_FAULT_SET))
		kunit_skip(test, "does not depend on that");
	failure_init(test, &f);
	for (nth = 1; ; nth++) {
		f.op->setup(&f);
		f.fx->mock->also_unset = true;
		tce_fault_arm(f.fx->mock, TCE_FAULT_SET, nth, -EPERM);
		rc = f.op->run(&f);
		f.fx->mock->also_unset = false;
		if (!tce_fault_disarm(f.fx->mock))
			break;
		KUNIT_EXPECT_EQ_MSG(test, rc, bridge_says(test), "failure %u",
				    nth);
		if (f.client)
			tce_close(f.client);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_live(f.fx->mock), 0,
				    "failure %u", nth);
		/* each attempt before this one has left one table there */
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_forget_bridges(f.fx->mock),
				    nth - 1, "failure %u", nth);
		f.client = NULL;
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	clean_up(&f);
}

/*
 * Entries can't be cleared: the first, the second, ... or none from then on.
 * UNMAP says so, and tries again when it is asked again. Nothing that a device
 * still reaches is let go, and in the end nothing is left.
 */
static void clear_fails(struct kunit *test, bool for_good)
{
	const struct failure_op *op = test->param_value;
	struct failure f;
	unsigned int nth, hits;
	long rc;

	if (!op->never || !asks_for(test, TCE_FAULT_CLEAR))
		kunit_skip(test, "clears no entries, or undoes what it did");
	failure_init(test, &f);
	for (nth = 1; ; nth = next(nth)) {
		f.op->setup(&f);
		if (for_good)
			tce_fault_arm_from(f.fx->mock, TCE_FAULT_CLEAR, nth,
					   -4);
		else
			tce_fault_arm(f.fx->mock, TCE_FAULT_CLEAR, nth, -4);
		rc = f.op->run(&f);
		hits = tce_fault_disarm(f.fx->mock);
		if (!hits)
			break;
		if (f.op->run == unmap || f.op->run == unmap_one) {
			KUNIT_EXPECT_EQ(test, rc, -EIO);
			KUNIT_EXPECT_EQ(test, f.op->run(&f), 0);
			tce_expect_empty(f.fx, f.grp, 0, 0,
					 f.op->run == unmap ? SZ_4M : SZ_4K);
		} else {
			KUNIT_EXPECT_EQ(test, rc, 0);
		}
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	clean_up(&f);
}

static void clear_once(struct kunit *test)
{
	clear_fails(test, false);
}

static void clear_for_good(struct kunit *test)
{
	clear_fails(test, true);
}

/* And then there is no memory to note what is left in them. */
static void clear_and_no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
	fx->mock->then_no_memory = true;
	clear_fails(test, true);
}

/* A run that is not cleared, and nobody says so, is cleared in another way. */
static void clear_is_lost(struct kunit *test)
{
	const struct failure_op *op = test->param_value;
	struct failure f;
	long rc;

	if (!op->never || !asks_for(test, TCE_FAULT_LOST))
		kunit_skip(test, "clears no runs of entries, or undoes what it did");
	failure_init(test, &f);
	f.op->setup(&f);
	tce_fault_arm_sticky(f.fx->mock, TCE_FAULT_LOST, 0);
	rc = f.op->run(&f);
	tce_fault_disarm(f.fx->mock);
	KUNIT_EXPECT_EQ(test, rc, 0);
	if (f.op->run == unmap)
		KUNIT_EXPECT_EQ(test, tce_mock_live(f.fx->mock), 0);
	clean_up(&f);
}

/* MAP fails, and so does the attempt to undo it: still nothing is let go. */
static void undo_fails(struct kunit *test)
{
	static long (*const runs[])(struct failure *f) = {
		map, map_one, map_into_other_leaves,
	};
	struct failure f;
	unsigned int nth;
	long rc;

	if (!op_is(test->param_value, runs, ARRAY_SIZE(runs)) ||
	    !asks_for(test, TCE_FAULT_XCHG))
		kunit_skip(test, "has nothing to undo");
	failure_init(test, &f);
	for (nth = 1; ; nth = next(nth)) {
		f.op->setup(&f);
		tce_fault_arm_from(f.fx->mock, TCE_FAULT_XCHG, nth, -4);
		rc = f.op->run(&f);
		if (!tce_fault_disarm(f.fx->mock))
			break;
		KUNIT_EXPECT_EQ(test, rc, -EIO);
		/* in the end all can be unmapped */
		KUNIT_EXPECT_EQ(test, tce_unmap(f.client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(f.fx->mock), 0);
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	clean_up(&f);
}

/* The platform refuses every entry from the first MAP to the end. */
static void platform_is_dead(struct kunit *test)
{
	struct failure f;

	failure_init(test, &f);
	f.op->setup(&f);
	tce_fault_arm_sticky(f.fx->mock, TCE_FAULT_XCHG, -4);
	f.op->run(&f);
	if (f.client)
		tce_close(f.client);
	f.client = NULL;
	tce_fault_disarm(f.fx->mock);
	tce_expect_balance(f.fx);
}

static struct kunit_case tce_failure_cases[] = {
	KUNIT_CASE_PARAM(allocation, op_gen_params),
	KUNIT_CASE_PARAM(exchange, op_gen_params),
	KUNIT_CASE_PARAM(exchange_and_no_memory, op_gen_params),
	KUNIT_CASE_PARAM(exchange_without_memory, op_gen_params),
	KUNIT_CASE_PARAM(set, op_gen_params),
	KUNIT_CASE_PARAM(set_is_lost, op_gen_params),
	KUNIT_CASE_PARAM(level, op_gen_params),
	KUNIT_CASE_PARAM(pin, op_gen_params),
	KUNIT_CASE_PARAM(pin_of_nothing, op_gen_params),
	KUNIT_CASE_PARAM(registration, op_gen_params),
	KUNIT_CASE_PARAM(counting, op_gen_params),
	KUNIT_CASE_PARAM(create_table, op_gen_params),
	KUNIT_CASE_PARAM(set_window, op_gen_params),
	KUNIT_CASE_PARAM(set_window_is_lost, op_gen_params),
	KUNIT_CASE_PARAM(unset_window, op_gen_params),
	KUNIT_CASE_PARAM(set_and_unset_window, op_gen_params),
	KUNIT_CASE_PARAM(clear_once, op_gen_params),
	KUNIT_CASE_PARAM(clear_for_good, op_gen_params),
	KUNIT_CASE_PARAM(clear_and_no_memory, op_gen_params),
	KUNIT_CASE_PARAM(clear_is_lost, op_gen_params),
	KUNIT_CASE_PARAM(undo_fails, op_gen_params),
	KUNIT_CASE_PARAM(platform_is_dead, op_gen_params),
	{}
};

static struct kunit_suite tce_failure_suite = {
	.name = "tce_failure",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_failure_cases,
};

kunit_test_suite(tce_failure_suite);
