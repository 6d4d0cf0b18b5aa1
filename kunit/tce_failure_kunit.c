// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_failure: every operation, with everything that it depends on
 * failing once: the first time, the second, and so on until nothing fails any
 * more. After each failure the devices reach what they reached before, nothing
 * is leaked, and user space is told the errno that it was promised.
 *
 * The table of operations says which failure can meet which operation, and only
 * these pairs are parameters. The case nothing_fails holds the driver to
 * that table.
 */
#include "tce_fixture.h"

#define SMALL	ALIGN(24 * SZ_4K, PAGE_SIZE)
#define LARGE	(SZ_1M + SZ_64K)
#define PIECE	(8 * PAGE_SIZE)

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
 * @meets: the failures that can meet it: a bit for each that it certainly asks
 *	for, and MAY() of those that it asks for if the memory lies so
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
	u32 meets;
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
#define IN_ONE		TCE_MEM_CONTIGUOUS

/* What operations certainly ask for, and what they ask for if the memory lies so */
#define FAULT(name)	BIT(TCE_FAULT_##name)
#define MAY(faults)	((faults) << TCE_FAULTS)

#define NOTHING		0
#define EXCHANGES	FAULT(XCHG)
#define SETS_RUNS	(FAULT(BUILD) | FAULT(LOST))
/* by exchange or, where the memory is in one piece, by the run */
#define WRITES		MAY(FAULT(XCHG) | FAULT(BUILD) | FAULT(LOST))
/* the first entry of each leaf by exchange */
#define GROWS		(FAULT(LEVEL) | FAULT(XCHG) | MAY(FAULT(BUILD) | FAULT(LOST)))
#define GROWS_BY_ONE	(FAULT(LEVEL) | FAULT(XCHG))
#define CLEARS		(FAULT(XCHG) | FAULT(CLEAR))
#define CLEARS_RUNS	FAULT(LOST)
/* where the CPU's pages are larger, the part of a page that others have as well */
#define CLEARS_ONE	MAY(CLEARS | CLEARS_RUNS)
#define SETS		(FAULT(SET) | FAULT(LINK))
#define CREATES		(FAULT(CREATE) | SETS)
#define UNSETS		FAULT(UNSET)
#define PINS		FAULT(PIN)
#define REGISTERS	FAULT(REGISTER)
#define COUNTS		FAULT(COUNT)

static const struct failure_op ops[] = {
	{ "v1: open", 0, 1, nothing, open, PLAIN, SMALL,
	  NOTHING },
	{ "v1: attach", 0, 1, opened, attach, PLAIN, SMALL,
	  NOTHING },
	{ "v1: enable", 0, 1, attached, enable, PLAIN, SMALL,
	  NOTHING },
	{ "v1: disable", 0, 1, mapped, disable, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v1: map", 0, 1, ready, map, PLAIN, LARGE,
	  WRITES | PINS },
	{ "v1: map one", 0, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES | PINS },
	{ "v1: map, scattered", 0, 1, ready, map, SCATTERED, SMALL,
	  WRITES | PINS },
	{ "v1: replace", 0, 1, mapped, map, PLAIN, LARGE,
	  EXCHANGES | PINS },
	{ "v1: replace one", 0, 1, mapped, map_one, PLAIN, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace some", 0, 1, mapped_here_and_there, map, SCATTERED, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace one that is alone", 0, 1, mapped_here_and_there, map_one, PLAIN, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace parts", 0, 1, mapped_in_parts, map, SCATTERED, SMALL,
	  EXCHANGES | PINS },
	{ "v1: unmap", 0, 1, mapped, unmap, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v1: unmap, scattered", 0, 1, mapped, unmap, SCATTERED, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v1: unmap one", 0, 1, mapped, unmap_one, PLAIN, SMALL,
	  CLEARS_ONE, .never = true },
	{ "v1: unmap one that is alone", 0, 1, mapped_here_and_there, unmap_one, PLAIN, SMALL,
	  CLEARS, .never = true },
	{ "v1: unmap parts", 0, 1, mapped_in_parts, unmap, SCATTERED, SMALL,
	  CLEARS, .never = true },
	{ "v1: detach", 0, 1, mapped, detach, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v1: close", 0, 1, mapped, close, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: open", 1, 1, nothing, open, PLAIN, SMALL,
	  NOTHING },
	{ "v2: attach", 1, 1, opened, attach, PLAIN, SMALL,
	  NOTHING },
	{ "v2: attach another", 1, 1, two_windows, attach_other, PLAIN, SMALL,
	  SETS },
	{ "v2: register, small", 1, 1, opened, reg, PLAIN, SMALL,
	  PINS },
	{ "v2: register, large", 1, 1, opened, reg, PLAIN, LARGE,
	  PINS },
	{ "v2: register one", 1, 1, opened, reg, PLAIN, PAGE_SIZE,
	  PINS },
	{ "v2: unregister, small", 1, 1, registered, unreg, PLAIN, SMALL,
	  NOTHING, .never = true },
	{ "v2: unregister, large", 1, 1, registered, unreg, PLAIN, LARGE,
	  NOTHING, .never = true },
	{ "v2: default window", 1, 1, registered, first_unmap, PLAIN, SMALL,
	  CREATES },
	{ "v2: create", 1, 1, with_window, create, PLAIN, SMALL,
	  CREATES },
	{ "v2: create, with the default window", 1, 1, attached, create, PLAIN, SMALL,
	  CREATES },
	/* whose first leaf is made at once, to look at it */
	{ "v2: create, four levels", 1, 4, with_window, create, PLAIN, SMALL,
	  CREATES | FAULT(LEVEL) },
	{ "v2: remove", 1, 1, mapped, remove, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: map, small region", 1, 1, ready, map, PLAIN, SMALL,
	  WRITES },
	{ "v2: map, large region", 1, 1, ready, map, PLAIN, LARGE,
	  WRITES },
	{ "v2: map one", 1, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES },
	{ "v2: map, scattered", 1, 1, ready, map, SCATTERED, SMALL,
	  WRITES },
	{ "v2: map, four levels", 1, 4, ready, map, PLAIN, LARGE,
	  GROWS },
	{ "v2: map, into two leaves", 1, 2, ready, map_into_other_leaves, PLAIN, SMALL,
	  GROWS },
	{ "v2: map one, into another leaf", 1, 2, ready, map_one_into_other_leaf, PLAIN, SMALL,
	  GROWS_BY_ONE },
	{ "v2: replace", 1, 1, mapped, map, PLAIN, LARGE,
	  EXCHANGES },
	{ "v2: replace one", 1, 1, mapped, map_one, PLAIN, SMALL,
	  EXCHANGES },
	{ "v2: replace some", 1, 1, mapped_here_and_there, map, SCATTERED, SMALL,
	  EXCHANGES },
	{ "v2: replace, four levels", 1, 4, mapped, map, SCATTERED, SMALL,
	  EXCHANGES },
	{ "v2: unmap", 1, 1, mapped, unmap, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v2: unmap, scattered", 1, 4, mapped, unmap, SCATTERED, LARGE,
	  CLEARS, .never = true },
	{ "v2: unmap one", 1, 1, mapped, unmap_one, PLAIN, SMALL,
	  CLEARS, .never = true },
	{ "v2: register, KVM", 1, 1, opened, reg, PLAIN, LARGE,
	  REGISTERS, .kvm = true },
	{ "v2: register one, KVM", 1, 1, opened, reg, PLAIN, PAGE_SIZE,
	  REGISTERS, .kvm = true },
	{ "v2: unregister, KVM", 1, 1, registered, unreg, PLAIN, SMALL,
	  NOTHING, .never = true, .kvm = true },
	{ "v1: map one run", 0, 1, ready, map, IN_ONE, PIECE,
	  SETS_RUNS | PINS },
	{ "v2: map one run", 1, 1, ready, map, IN_ONE, PIECE,
	  SETS_RUNS },
	{ "v2: map one run, hypervisor calls", 1, 1, ready, map, IN_ONE, PIECE,
	  SETS_RUNS, .hcalls = true },
	{ "v1: map runs", 0, 1, ready, map, THP, SZ_2M,
	  WRITES | PINS },
	{ "v1: replace runs", 0, 1, mapped, map, THP, SZ_2M,
	  EXCHANGES | PINS },
	{ "v1: unmap runs", 0, 1, mapped, unmap, THP, SZ_2M,
	  CLEARS_RUNS, .never = true },
	{ "v2: map runs", 1, 1, ready, map, THP, SZ_2M,
	  WRITES },
	{ "v2: map runs, four levels", 1, 4, ready, map, THP, SZ_2M,
	  GROWS },
	{ "v2: unmap runs", 1, 1, mapped, unmap, THP, SZ_2M,
	  CLEARS_RUNS, .never = true },
	{ "v1: map, hypervisor calls", 0, 1, ready, map, PLAIN, SMALL,
	  WRITES | PINS, .hcalls = true },
	{ "v1: unmap, hypervisor calls", 0, 1, mapped, unmap, PLAIN, SMALL,
	  CLEARS_RUNS, .never = true, .hcalls = true },
	{ "v2: map, hypervisor calls", 1, 1, ready, map, PLAIN, SMALL,
	  WRITES, .hcalls = true },
	{ "v2: replace some, hypervisor calls", 1, 1, mapped_here_and_there, map, PLAIN, SMALL,
	  EXCHANGES, .hcalls = true },
	{ "v2: unmap, hypervisor calls", 1, 1, mapped, unmap, PLAIN, SMALL,
	  CLEARS_RUNS, .never = true, .hcalls = true },
	{ "v2: map, KVM", 1, 1, ready, map, PLAIN, LARGE,
	  EXCHANGES | COUNTS, .kvm = true },
	{ "v2: map one, KVM", 1, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES | COUNTS, .kvm = true },
	{ "v2: replace some, KVM", 1, 1, mapped_here_and_there, map, PLAIN, SMALL,
	  EXCHANGES | COUNTS, .kvm = true },
	{ "v2: unmap, KVM", 1, 1, mapped, unmap, PLAIN, SMALL,
	  CLEARS, .never = true, .kvm = true },
	{ "v2: close, KVM", 1, 4, mapped, close, PLAIN, SMALL,
	  CLEARS | UNSETS, .never = true, .kvm = true },
	{ "v1: map, KVM", 0, 1, ready, map, SCATTERED, LARGE,
	  EXCHANGES | PINS, .kvm = true },
	{ "v1: replace, KVM", 0, 1, mapped, map, SCATTERED, LARGE,
	  EXCHANGES | PINS, .kvm = true },
	{ "v1: unmap, KVM", 0, 1, mapped, unmap, SCATTERED, LARGE,
	  CLEARS, .never = true, .kvm = true },
	{ "v1: close, KVM", 0, 1, mapped, close, SCATTERED, LARGE,
	  CLEARS | UNSETS, .never = true, .kvm = true },
	{ "v2: detach", 1, 1, two_windows, detach, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: close", 1, 4, mapped, close, SCATTERED, LARGE,
	  CLEARS | UNSETS, .never = true },
};

static bool meets(const struct failure_op *op, enum tce_fault fault)
{
	return op->meets & BIT(fault);
}

static bool may_meet(const struct failure_op *op, enum tce_fault fault)
{
	return op->meets & (BIT(fault) | MAY(BIT(fault)));
}

static const void *next_op(const struct failure_op *prev, char *desc,
			   bool (*applies)(const struct failure_op *op))
{
	const struct failure_op *op = prev ? prev + 1 : ops;

	for (; op < ops + ARRAY_SIZE(ops); op++) {
		if (!applies(op))
			continue;
		strscpy(desc, op->name, KUNIT_PARAM_DESC_SIZE);
		return op;
	}
	return NULL;
}

/* Linux 6.18 gives a generator its case as well. */
#ifdef kunit_register_params_array
#define GENERATOR(name)							\
static const void *name##_gen_params(struct kunit *test,		\
				     const void *prev, char *desc)	\
{									\
	return next_op(prev, desc, name##_op);				\
}
#else
#define GENERATOR(name)							\
static const void *name##_gen_params(const void *prev, char *desc)	\
{									\
	return next_op(prev, desc, name##_op);				\
}
#endif

/* The operations for which @condition is true. */
#define OPS_THAT(name, condition)					\
static bool name##_op(const struct failure_op *op)			\
{									\
	return condition;						\
}									\
									\
GENERATOR(name)

OPS_THAT(every, true)
OPS_THAT(fails_to_exchange, !op->never && may_meet(op, TCE_FAULT_XCHG))
/* one entry needs no more room than there is */
OPS_THAT(fails_to_exchange_many, fails_to_exchange_op(op) && op->run == map)
OPS_THAT(fails_to_set, !op->never && may_meet(op, TCE_FAULT_BUILD))
OPS_THAT(fails_to_grow, meets(op, TCE_FAULT_LEVEL))
OPS_THAT(fails_to_pin, meets(op, TCE_FAULT_PIN))
OPS_THAT(fails_to_register, meets(op, TCE_FAULT_REGISTER))
OPS_THAT(fails_to_count, meets(op, TCE_FAULT_COUNT))
OPS_THAT(fails_to_create, meets(op, TCE_FAULT_CREATE))
OPS_THAT(fails_to_set_window, meets(op, TCE_FAULT_SET))
OPS_THAT(fails_to_unset_window, meets(op, TCE_FAULT_UNSET))
OPS_THAT(fails_to_clear, op->never && may_meet(op, TCE_FAULT_CLEAR))
OPS_THAT(fails_to_clear_runs, op->never && may_meet(op, TCE_FAULT_LOST))
OPS_THAT(fails_with_the_platform, may_meet(op, TCE_FAULT_XCHG))

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
 * The failure was never asked for. Where the table says that the operation always
 * asks for it, the table is wrong, or the driver.
 */
static void never_met(struct failure *f, enum tce_fault fault)
{
	if (meets(f->op, fault))
		KUNIT_FAIL(f->test, "the table says so, but it does not ask for failure %d",
			   fault);
	else
		kunit_skip(f->test, "%s",
			   fault == TCE_FAULT_XCHG || fault == TCE_FAULT_CLEAR ?
			   "all is done by the run here" :
			   "all is done one by one here");
}

/* The operation was done; if in another way, then as well. */
static void expect_done(struct failure *f)
{
	long (*run)(struct failure *f) = f->op->run;
	struct tce_mock *mock = f->fx->mock;
	struct vfio_iommu_spapr_tce_info info;
	struct kunit *test = f->test;
	int i;

	if (run == map) {
		tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, f->op->size,
				  TCE_RW);
	} else if (run == map_one) {
		tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, SZ_4K, TCE_RW);
	} else if (run == map_into_other_leaves) {
		tce_expect_mapped(f->fx, f->grp, 0, SZ_16M - SMALL / 2, f->b,
				  SMALL, TCE_RW);
	} else if (run == map_one_into_other_leaf) {
		tce_expect_mapped(f->fx, f->grp, 0, SZ_16M, f->b, SZ_4K,
				  TCE_RW);
	} else if (run == unmap) {
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
		if (!f->op->v2)
			KUNIT_EXPECT_EQ(test, tce_mock_pins(mock), 0);
	} else if (run == unmap_one) {
		tce_expect_empty(f->fx, f->grp, 0, 0, SZ_4K);
	} else if (run == reg) {
		KUNIT_EXPECT_EQ(test, tce_mock_pins(mock),
				f->op->size / PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, unreg(f), 0);
	} else if (run == unreg) {
		tce_unpinned(f->fx);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(mock), 0);
		KUNIT_EXPECT_EQ(test, unreg(f), -ENOENT);
	} else if (run == create) {
		KUNIT_EXPECT_EQ(test, tce_register(f->client, f->a, SMALL), 0);
		KUNIT_EXPECT_EQ(test, tce_map(f->client, f->start, f->a, SMALL,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), SMALL / SZ_4K);
		KUNIT_EXPECT_EQ(test, tce_unmap(f->client, f->start, SMALL), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(f->client, f->a, SMALL), 0);
		KUNIT_EXPECT_EQ(test, remove(f), 0);
	} else if (run == remove) {
		KUNIT_EXPECT_EQ(test, tce_mock_tables(mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
		KUNIT_EXPECT_EQ(test, remove(f), -EINVAL);
	} else if (run == first_unmap || run == enable) {
		/* the default window is there, and memory may be mapped */
		KUNIT_EXPECT_EQ(test, tce_map(f->client, 0, f->a, SZ_4K, TCE_RW),
				0);
		tce_expect_mapped(f->fx, f->grp, 0, 0, f->a, SZ_4K, TCE_RW);
		KUNIT_EXPECT_EQ(test, tce_unmap(f->client, 0, SZ_4K), 0);
	} else if (run == disable) {
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(mock), 0);
		KUNIT_EXPECT_EQ(test, tce_map(f->client, 0, f->a, SZ_4K, TCE_RW),
				-EPERM);
	} else if (run == attach) {
		KUNIT_EXPECT_EQ(test, tce_info(f->client, &info), 0);
		KUNIT_EXPECT_EQ(test, tce_attach(f->client, f->grp), -EBUSY);
	} else if (run == attach_other) {
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++) {
			KUNIT_EXPECT_NOT_NULL(test, f->grp->hw[i]);
			KUNIT_EXPECT_PTR_EQ(test, f->other->hw[i], f->grp->hw[i]);
		}
	} else if (run == detach || run == close) {
		KUNIT_EXPECT_EQ(test, tce_mock_tables(mock), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
		tce_unpinned(f->fx);
		if (run == close || !f->op->v2)
			KUNIT_EXPECT_EQ(test, tce_mock_pins(mock), 0);
	} else {
		/* of what is opened and released again nothing is left to look at */
		KUNIT_EXPECT_TRUE(test, run == open);
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
			expect_done(&f);
		}
		clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, got, 0);
	expect_done(&f);
	clean_up(&f);
	if (nth == 1 && fault != TCE_FAULT_ALLOC)
		never_met(&f, fault);
}

/*
 * Without a failure: each operation asks for what the table says, and for nothing
 * else.
 */
static void nothing_fails(struct kunit *test)
{
	enum tce_fault fault;
	struct failure f;
	unsigned int *asked;

	failure_init(test, &f);
	asked = f.fx->mock->asked;
	f.op->setup(&f);
	memset(asked, 0, sizeof(f.fx->mock->asked));
	KUNIT_EXPECT_EQ(test, f.op->run(&f), 0);
	for (fault = TCE_FAULT_NONE + 1; fault < TCE_FAULTS; fault++) {
		if (!asked[fault] && meets(f.op, fault))
			never_met(&f, fault);
		if (asked[fault] && !may_meet(f.op, fault))
			KUNIT_FAIL(test, "it asks for failure %d, which the table does not say",
				   fault);
	}
	/* in one way or the other */
	if (may_meet(f.op, TCE_FAULT_LOST))
		KUNIT_EXPECT_TRUE(test, asked[TCE_FAULT_XCHG] ||
				  asked[TCE_FAULT_LOST]);
	expect_done(&f);
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

static void exchange(struct kunit *test)
{
	fail_each(test, TCE_FAULT_XCHG, -4, -EIO, false);
}

/* And then there is no memory to note what is to be let go: that takes none. */
static void exchange_and_no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
	fx->mock->then_no_memory = true;
	fail_each_of(test, TCE_FAULT_XCHG, -4, -EIO, false, 2);
}

static void exchange_without_memory(struct kunit *test)
{
	/* only the errno is another than in exchange() */
	fail_each_of(test, TCE_FAULT_XCHG, -ENOMEM, -ENOMEM, false, 2);
}

static void set(struct kunit *test)
{
	fail_each(test, TCE_FAULT_BUILD, -ENOMEM, -ENOMEM, false);
}

static void set_is_lost(struct kunit *test)
{
	fail_each(test, TCE_FAULT_LOST, 0, -EIO, false);
}

/* A window whose leaf can't be looked at is there, its cells are found otherwise. */
static void level(struct kunit *test)
{
	const struct failure_op *op = test->param_value;

	fail_each(test, TCE_FAULT_LEVEL, 0, -ENOMEM, op->run == create);
}

static void pin(struct kunit *test)
{
	fail_each(test, TCE_FAULT_PIN, -EINTR, -EINTR, false);
}

/* No memory for it may mean that it has to move, which is tried again. */
static void pin_without_memory(struct kunit *test)
{
	fail_each(test, TCE_FAULT_PIN, -ENOMEM, -ENOMEM, true);
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
	expect_done(&f);
	clean_up(&f);
	if (nth == 1)
		never_met(&f, TCE_FAULT_UNSET);
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
	expect_done(&f);
	clean_up(&f);
	if (nth == 1)
		never_met(&f, TCE_FAULT_SET);
}

/*
 * Entries can't be cleared: the first, the second, ... or none from then on.
 * UNMAP says so, and tries again when it is asked again. Nothing that a device
 * still reaches is let go, and in the end nothing is left.
 */
static void clear_fails(struct kunit *test, bool for_good)
{
	struct failure f;
	unsigned int nth, hits;
	long rc;

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
	expect_done(&f);
	clean_up(&f);
	if (nth == 1)
		never_met(&f, TCE_FAULT_CLEAR);
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
	unsigned int hits;
	struct failure f;
	long rc;

	failure_init(test, &f);
	f.op->setup(&f);
	tce_fault_arm_sticky(f.fx->mock, TCE_FAULT_LOST, 0);
	rc = f.op->run(&f);
	hits = tce_fault_disarm(f.fx->mock);
	KUNIT_EXPECT_EQ(test, rc, 0);
	expect_done(&f);
	clean_up(&f);
	if (!hits)
		never_met(&f, TCE_FAULT_LOST);
}

/* MAP fails, and so does the attempt to undo it: still nothing is let go. */
static void undo_fails(struct kunit *test)
{
	struct failure f;
	unsigned int nth;
	long rc;

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
	expect_done(&f);
	clean_up(&f);
	if (nth == 1)
		never_met(&f, TCE_FAULT_XCHG);
}

/*
 * The platform refuses to exchange any entry, from the operation to the end of the
 * container: who is told of it is told the truth, and then devices reach nothing.
 */
static void platform_is_dead(struct kunit *test)
{
	struct failure f;
	unsigned int hits;
	bool told;
	long rc;

	failure_init(test, &f);
	f.op->setup(&f);
	tce_fault_arm_sticky(f.fx->mock, TCE_FAULT_XCHG, -4);
	rc = f.op->run(&f);
	hits = f.fx->mock->fault_hits;
	if (f.client)
		tce_close(f.client);
	f.client = NULL;
	tce_fault_disarm(f.fx->mock);
	/* MAP and UNMAP; nobody else can do anything about it */
	told = !f.op->never || f.op->run == unmap || f.op->run == unmap_one;
	KUNIT_EXPECT_EQ(test, rc, hits && told ? -EIO : 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(f.fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(f.fx->mock), 0);
	tce_expect_balance(f.fx);
	if (!hits)
		never_met(&f, TCE_FAULT_XCHG);
}

static struct kunit_case tce_failure_cases[] = {
	KUNIT_CASE_PARAM(nothing_fails, every_gen_params),
	KUNIT_CASE_PARAM(allocation, every_gen_params),
	KUNIT_CASE_PARAM(exchange, fails_to_exchange_gen_params),
	KUNIT_CASE_PARAM(exchange_and_no_memory, fails_to_exchange_many_gen_params),
	KUNIT_CASE_PARAM(exchange_without_memory, fails_to_exchange_gen_params),
	KUNIT_CASE_PARAM(set, fails_to_set_gen_params),
	KUNIT_CASE_PARAM(set_is_lost, fails_to_set_gen_params),
	KUNIT_CASE_PARAM(level, fails_to_grow_gen_params),
	KUNIT_CASE_PARAM(pin, fails_to_pin_gen_params),
	KUNIT_CASE_PARAM(pin_without_memory, fails_to_pin_gen_params),
	KUNIT_CASE_PARAM(pin_of_nothing, fails_to_pin_gen_params),
	KUNIT_CASE_PARAM(registration, fails_to_register_gen_params),
	KUNIT_CASE_PARAM(counting, fails_to_count_gen_params),
	KUNIT_CASE_PARAM(create_table, fails_to_create_gen_params),
	KUNIT_CASE_PARAM(set_window, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(set_window_is_lost, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(unset_window, fails_to_unset_window_gen_params),
	KUNIT_CASE_PARAM(set_and_unset_window, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(clear_once, fails_to_clear_gen_params),
	KUNIT_CASE_PARAM(clear_for_good, fails_to_clear_gen_params),
	KUNIT_CASE_PARAM(clear_and_no_memory, fails_to_clear_gen_params),
	KUNIT_CASE_PARAM(clear_is_lost, fails_to_clear_runs_gen_params),
	KUNIT_CASE_PARAM(undo_fails, fails_to_exchange_gen_params),
	KUNIT_CASE_PARAM(platform_is_dead, fails_with_the_platform_gen_params),
	{}
};

static struct kunit_suite tce_failure_suite = {
	.name = "tce_failure",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_failure_cases,
};

kunit_test_suite(tce_failure_suite);
