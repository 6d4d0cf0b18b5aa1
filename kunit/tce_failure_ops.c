// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations that can fail: the state in which each begins, what it does, which
 * failures can meet it, and what is true when it is done.
 */
#include "tce_failure.h"

#define SMALL	ALIGN(24 * SZ_4K, PAGE_SIZE)
/* runs are long enough to be cleared at once */
#define LARGE	(SZ_512K + SZ_64K)
#define PIECE	(8 * PAGE_SIZE)

static long map_one(struct failure *f);
static long map_into_other_leaves(struct failure *f);
static long map_one_into_other_leaf(struct failure *f);
static long attach_other(struct failure *f);
static long detach(struct failure *f);

/* Can it have a second group? On pseries groups share no tables. */
static bool shares_groups(const struct failure_op *op)
{
	return !op->hcalls && op->run != attach_other && op->run != detach;
}

/* REGISTER or UNREGISTER of memory, which may be two regions */
static void each_region(struct failure *f, unsigned long ua,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	unsigned long first = f->op->two ? PAGE_ALIGN(f->op->size / 2) : f->op->size;

	KUNIT_EXPECT_EQ(f->test, call(f->client, ua, first), 0);
	if (first < f->op->size)
		KUNIT_EXPECT_EQ(f->test, call(f->client, ua + first, f->op->size - first), 0);
}

/* A container with a group; nothing else was done yet. */
static void attached(struct failure *f)
{
	f->client = tce_open(f->fx, f->op->v2);
	KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->grp), 0);
	if (f->op->two && shares_groups(f->op))
		KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->other), 0);
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
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 12, f->window,
					    f->op->levels, &f->start), 0);
}

static void ready(struct failure *f)
{
	with_window(f);
	if (!f->op->v2)
		return;
	each_region(f, f->a, tce_register);
	each_region(f, f->b, tce_register);
	f->registered = f->op->run == failure_map || f->op->run == map_one ||
			f->op->run == failure_unmap || f->op->run == failure_unmap_one ||
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
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 16, SZ_64M, 1, &f->start),
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

long failure_map(struct failure *f)
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

long failure_unmap(struct failure *f)
{
	return tce_unmap(f->client, 0, f->window);
}

long failure_unmap_one(struct failure *f)
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

long failure_create(struct failure *f)
{
	return tce_create(f->client, 12, SZ_16M, f->op->levels, &f->start);
}

long failure_remove(struct failure *f)
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

#define FAULT(name)	BIT(TCE_FAULT_##name)

#define NOTHING		0
#define EXCHANGES	FAULT(XCHG)
#define SETS_RUNS	(FAULT(BUILD) | FAULT(LOST))
/* the first entry of each leaf by exchange, the others by the run if memory is in one piece */
#define GROWS		(FAULT(LEVEL) | FAULT(XCHG) | MAY(FAULT(BUILD) | FAULT(LOST)))
#define GROWS_RUNS	(FAULT(LEVEL) | FAULT(XCHG) | SETS_RUNS)
#define GROWS_BY_ONE	(FAULT(LEVEL) | FAULT(XCHG))
#define CLEARS		(FAULT(XCHG) | FAULT(CLEAR))
#define CLEARS_RUNS	FAULT(LOST)
#define SETS		(FAULT(SET) | FAULT(LINK))
#define CREATES		(FAULT(CREATE) | SETS)
#define UNSETS		FAULT(UNSET)
#define TAKES		FAULT(TAKE)
#define PINS		FAULT(PIN)
#define REGISTERS	FAULT(REGISTER)

static const struct failure_op ops[] = {
	{ "v1: open", 0, 1, nothing, open, PLAIN, SMALL,
	  NOTHING },
	{ "v1: attach", 0, 1, opened, attach, PLAIN, SMALL,
	  TAKES },
	{ "v1: enable", 0, 1, attached, enable, PLAIN, SMALL,
	  NOTHING },
	{ "v1: disable", 0, 1, mapped, disable, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v1: map", 0, 1, ready, failure_map, SCATTERED, LARGE,
	  EXCHANGES | PINS },
	{ "v1: map one", 0, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace", 0, 1, mapped, failure_map, PLAIN, LARGE,
	  EXCHANGES | PINS },
	{ "v1: replace some", 0, 1, mapped_here_and_there, failure_map, SCATTERED, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace one that is alone", 0, 1, mapped_here_and_there, map_one, PLAIN, SMALL,
	  EXCHANGES | PINS },
	{ "v1: replace parts", 0, 1, mapped_in_parts, failure_map, SCATTERED, SMALL,
	  EXCHANGES | PINS },
	{ "v1: unmap", 0, 1, mapped, failure_unmap, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v1: unmap one", 0, 1, mapped, failure_unmap_one, PLAIN, SMALL,
	  CLEARS, .never = true },
	{ "v1: unmap one that is alone", 0, 1, mapped_here_and_there, failure_unmap_one,
	  PLAIN, SMALL,
	  CLEARS, .never = true },
	{ "v1: unmap parts", 0, 1, mapped_in_parts, failure_unmap, SCATTERED, SMALL,
	  CLEARS, .never = true },
	{ "v1: detach", 0, 1, mapped, detach, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v1: close", 0, 1, mapped, close, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: open", 1, 1, nothing, open, PLAIN, SMALL,
	  NOTHING },
	{ "v2: attach", 1, 1, opened, attach, PLAIN, SMALL,
	  TAKES },
	{ "v2: attach another", 1, 1, two_windows, attach_other, PLAIN, SMALL,
	  SETS | TAKES },
	{ "v2: register, large", 1, 1, opened, reg, PLAIN, LARGE,
	  PINS },
	{ "v2: register one", 1, 1, opened, reg, PLAIN, PAGE_SIZE,
	  PINS },
	{ "v2: unregister, small", 1, 1, registered, unreg, PLAIN, SMALL,
	  NOTHING, .never = true },
	{ "v2: default window", 1, 1, registered, first_unmap, PLAIN, SMALL,
	  CREATES },
	{ "v2: create", 1, 1, with_window, failure_create, PLAIN, SMALL,
	  CREATES },
	{ "v2: create, with the default window", 1, 1, attached, failure_create, PLAIN, SMALL,
	  CREATES },
	/* whose last leaf is made at once, to look at it */
	{ "v2: create, four levels", 1, 4, with_window, failure_create, PLAIN, SMALL,
	  CREATES | FAULT(LEVEL) },
	{ "v2: remove", 1, 1, mapped, failure_remove, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: map, small region", 1, 1, ready, failure_map, SCATTERED, SMALL,
	  EXCHANGES },
	{ "v2: map one", 1, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES },
	{ "v2: map, four levels", 1, 4, ready, failure_map, PLAIN, LARGE,
	  GROWS },
	{ "v2: map, into two leaves", 1, 2, ready, map_into_other_leaves, PLAIN, SMALL,
	  GROWS },
	{ "v2: map one, into another leaf", 1, 2, ready, map_one_into_other_leaf, PLAIN, SMALL,
	  GROWS_BY_ONE },
	{ "v2: replace", 1, 1, mapped, failure_map, PLAIN, LARGE,
	  EXCHANGES },
	{ "v2: replace one", 1, 1, mapped, map_one, PLAIN, SMALL,
	  EXCHANGES },
	{ "v2: replace some", 1, 1, mapped_here_and_there, failure_map, SCATTERED, SMALL,
	  EXCHANGES },
	{ "v2: replace, four levels", 1, 4, mapped, failure_map, SCATTERED, SMALL,
	  EXCHANGES },
	{ "v2: unmap", 1, 1, mapped, failure_unmap, PLAIN, LARGE,
	  CLEARS_RUNS, .never = true },
	{ "v2: unmap one", 1, 1, mapped, failure_unmap_one, PLAIN, SMALL,
	  CLEARS, .never = true },
	{ "v2: register, KVM", 1, 1, opened, reg, PLAIN, LARGE,
	  REGISTERS, .kvm = true },
	{ "v2: register one, KVM", 1, 1, opened, reg, PLAIN, PAGE_SIZE,
	  REGISTERS, .kvm = true },
	{ "v2: unregister, KVM", 1, 1, registered, unreg, PLAIN, SMALL,
	  NOTHING, .never = true, .kvm = true },
	{ "v1: map one run", 0, 1, ready, failure_map, IN_ONE, PIECE,
	  SETS_RUNS | PINS },
	{ "v2: map one run", 1, 1, ready, failure_map, IN_ONE, PIECE,
	  SETS_RUNS },
	{ "v2: map one run, hypervisor calls", 1, 1, ready, failure_map, IN_ONE, PIECE,
	  SETS_RUNS, .hcalls = true },
	{ "v1: map runs", 0, 1, ready, failure_map, THP, SZ_2M,
	  SETS_RUNS | PINS },
	{ "v1: replace runs", 0, 1, mapped, failure_map, THP, SZ_2M,
	  EXCHANGES | PINS },
	{ "v1: unmap runs", 0, 1, mapped, failure_unmap, THP, SZ_2M,
	  CLEARS_RUNS, .never = true },
	{ "v2: map runs", 1, 1, ready, failure_map, THP, SZ_2M,
	  SETS_RUNS },
	{ "v2: map runs, two levels", 1, 2, ready, failure_map, THP, SZ_2M,
	  GROWS_RUNS },
	{ "v2: map runs, four levels", 1, 4, ready, failure_map, THP, SZ_2M,
	  GROWS },
	{ "v2: unmap runs", 1, 1, mapped, failure_unmap, THP, SZ_2M,
	  CLEARS_RUNS, .never = true },
	{ "v2: map one, hypervisor calls", 1, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES, .hcalls = true },
	{ "v2: replace some, hypervisor calls", 1, 1, mapped_here_and_there, failure_map,
	  PLAIN, SMALL,
	  EXCHANGES, .hcalls = true },
	{ "v2: unmap, hypervisor calls", 1, 1, mapped, failure_unmap, PLAIN, SMALL,
	  CLEARS_RUNS, .never = true, .hcalls = true },
	{ "v2: map, KVM", 1, 1, ready, failure_map, PLAIN, LARGE,
	  EXCHANGES, .kvm = true },
	{ "v2: map one, KVM", 1, 1, ready, map_one, PLAIN, SMALL,
	  EXCHANGES, .kvm = true },
	{ "v2: replace some, KVM", 1, 1, mapped_here_and_there, failure_map, PLAIN, SMALL,
	  EXCHANGES, .kvm = true },
	{ "v2: unmap, KVM", 1, 1, mapped, failure_unmap, PLAIN, SMALL,
	  CLEARS, .never = true, .kvm = true },
	{ "v2: close, KVM", 1, 4, mapped, close, PLAIN, SMALL,
	  CLEARS | UNSETS, .never = true, .kvm = true },
	{ "v2: detach", 1, 1, two_windows, detach, SCATTERED, LARGE,
	  CLEARS_RUNS | UNSETS, .never = true },
	{ "v2: close", 1, 4, mapped, close, SCATTERED, LARGE,
	  CLEARS | UNSETS, .never = true },
};

/* With which of these an operation of the table is done elsewhere */
enum { ON_HCALLS = 1, WITH_TWO = 2, WAYS = 4 };

/* Is an operation done in this way, too? */
static bool has_way(const struct failure_op *op, unsigned int way)
{
	if (way & ON_HCALLS &&
	    (op->hcalls || op->kvm || op->levels > 1 || op->run == attach_other ||
	     (op->setup == attached && op->run == failure_create)))
		return false;
	if (way & WITH_TWO && (!op->v2 || op->setup == nothing || op->setup == opened))
		return false;
	/* huge pages take long, and are huge in any way */
	return op->kind != THP;
}

/* The next operation that @applies to, as a generator of parameters has to say it. */
const void *failure_next_op(const struct failure_op *prev, char *desc,
			    bool (*applies)(const struct failure_op *op))
{
	static struct failure_op all[ARRAY_SIZE(ops) * WAYS];
	unsigned int i = prev ? prev - all + 1 : 0;

	for (; i < ARRAY_SIZE(all); i++) {
		const struct failure_op *op = &ops[i / WAYS];
		unsigned int way = i % WAYS;

		if (way && !has_way(op, way))
			continue;
		all[i] = *op;
		all[i].elsewhere = way;
		all[i].hcalls |= way & ON_HCALLS;
		all[i].two = way & WITH_TWO;
		if (!applies(&all[i]))
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s%s", op->name,
			 way & ON_HCALLS ? ", on pseries" : "", way & WITH_TWO ? ", with two" : "");
		return &all[i];
	}
	return NULL;
}

/* ---- what holds when they are done ---- */

static void map_done(struct failure *f)
{
	tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, f->op->size, TCE_RW);
}

static void map_one_done(struct failure *f)
{
	tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, SZ_4K, TCE_RW);
}

static void map_into_other_leaves_done(struct failure *f)
{
	tce_expect_mapped(f->fx, f->grp, 0, SZ_16M - SMALL / 2, f->b, SMALL, TCE_RW);
}

static void map_one_into_other_leaf_done(struct failure *f)
{
	tce_expect_mapped(f->fx, f->grp, 0, SZ_16M, f->b, SZ_4K, TCE_RW);
}

static void unmap_done(struct failure *f)
{
	KUNIT_EXPECT_EQ(f->test, tce_mock_live(f->fx->mock), 0);
	if (!f->op->v2)
		KUNIT_EXPECT_EQ(f->test, tce_mock_pins(f->fx->mock), 0);
}

static void unmap_one_done(struct failure *f)
{
	tce_expect_empty(f->fx, f->grp, 0, 0, SZ_4K);
}

static void create_done(struct failure *f)
{
	struct tce_mock *mock = f->fx->mock;
	struct kunit *test = f->test;

	KUNIT_EXPECT_EQ(test, tce_register(f->client, f->a, SMALL), 0);
	KUNIT_EXPECT_EQ(test, tce_map(f->client, f->start, f->a, SMALL, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(mock), SMALL / SZ_4K);
	KUNIT_EXPECT_EQ(test, tce_unmap(f->client, f->start, SMALL), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(f->client, f->a, SMALL), 0);
	KUNIT_EXPECT_EQ(test, failure_remove(f), 0);
}

/* What takes mappings away leaves none. */
static void gone(struct failure *f)
{
	KUNIT_EXPECT_EQ(f->test, tce_mock_live(f->fx->mock), 0);
	if (f->op->run != disable)
		KUNIT_EXPECT_EQ(f->test, tce_mock_tables(f->fx->mock), 0);
	tce_unpinned(f->fx);
	if (f->op->run == close || !f->op->v2)
		KUNIT_EXPECT_EQ(f->test, tce_mock_pins(f->fx->mock), 0);
}

/* How many entries does a MAP map? 0 if the operation is none. */
unsigned long failure_maps(const struct failure *f)
{
	if (f->op->run == failure_map)
		return f->op->size / SZ_4K;
	if (f->op->run == map_into_other_leaves)
		return SMALL / SZ_4K;
	return f->op->run == map_one || f->op->run == map_one_into_other_leaf;
}

/* ... and none of them is there. */
void failure_expect_unmapped(struct failure *f)
{
	tce_expect_empty(f->fx, f->grp, 0,
			 f->op->run == map_into_other_leaves ? SZ_16M - SMALL / 2 : 0,
			 failure_maps(f) * SZ_4K);
}

static const struct {
	long (*run)(struct failure *f);
	void (*done)(struct failure *f);
} results[] = {
	{ failure_map, map_done }, { map_one, map_one_done },
	{ map_into_other_leaves, map_into_other_leaves_done },
	{ map_one_into_other_leaf, map_one_into_other_leaf_done },
	{ failure_unmap, unmap_done }, { failure_unmap_one, unmap_one_done },
	{ failure_create, create_done }, { failure_remove, gone },
	{ disable, gone }, { detach, gone }, { close, gone },
};

/* The operation was done; if in another way, then as well. */
void failure_expect_done(struct failure *f)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(results); i++)
		if (results[i].run == f->op->run)
			results[i].done(f);
}

/* Does the operation certainly ask for it? */
bool failure_meets(const struct failure_op *op, enum tce_fault fault)
{
	return op->meets & BIT(fault);
}

/* Does it ask for it, certainly or if the memory lies so? */
bool failure_may_meet(const struct failure_op *op, enum tce_fault fault)
{
	return op->meets & (BIT(fault) | MAY(BIT(fault)));
}

/* What the operation of the case's parameter needs, but not yet its state. */
void failure_init(struct kunit *test, struct failure *f)
{
	memset(f, 0, sizeof(*f));
	f->test = test;
	f->fx = test->priv;
	f->op = test->param_value;
	f->fx->mock->hcalls = f->op->hcalls;
	f->fx->mock->kvm = f->op->kvm;
	if (f->op->kvm)
		tce_watch(f->fx);
	/* as small as can be: all of it is looked at each time */
	f->window = f->op->levels > 1 && !f->op->kvm ? SZ_64M : SZ_2M;
	f->grp = tce_group(f->fx);
	/* twice what v1 maps: a MAP that replaces counts old pages and new ones */
	f->grp->tg.tce32_size = max(SZ_2M, 2 * f->op->size);
	f->other = tce_group(f->fx);
	f->other->tg.tce32_size = f->grp->tg.tce32_size;
	if (f->op->elsewhere && f->op->hcalls)
		f->grp->tg.max_levels = 1;
	f->a = tce_memory(f->fx, f->op->kind, f->op->size);
	f->b = tce_memory(f->fx, f->op->kind, f->op->size);
	KUNIT_ASSERT_NE(test, f->a, 0);
	KUNIT_ASSERT_NE(test, f->b, 0);
	if (f->op->kind == THP && !(PageTransCompound(tce_page(f->fx, f->a)) &&
				    PageTransCompound(tce_page(f->fx, f->b))))
		kunit_skip(test, "these pages are not huge");
}

/* Close what the operation has left open: nothing is pinned or charged then. */
void failure_clean_up(struct failure *f)
{
	/* memory that is mapped no more can be given back: nothing is miscounted */
	if (f->client && f->op->v2 && f->registered) {
		KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
		each_region(f, f->a, tce_unregister);
		each_region(f, f->b, tce_unregister);
	}
	f->registered = false;
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	tce_expect_balance(f->fx);
}

/* What an operation asks for if nothing fails. Return: it is anything */
bool failure_asks(struct kunit *test, unsigned int asked[TCE_FAULTS])
{
	enum tce_fault fault;
	struct failure f;
	bool any = false;

	failure_init(test, &f);
	f.op->setup(&f);
	memset(f.fx->mock->asked, 0, sizeof(f.fx->mock->asked));
	KUNIT_EXPECT_EQ(test, f.op->run(&f), 0);
	memcpy(asked, f.fx->mock->asked, sizeof(f.fx->mock->asked));
	for (fault = TCE_FAULT_NONE + 1; fault < TCE_FAULTS; fault++)
		any |= asked[fault];
	failure_expect_done(&f);
	failure_clean_up(&f);
	return any;
}

/* The failure was never asked for: the table is wrong, or the driver. */
void failure_never_met(struct failure *f, enum tce_fault fault)
{
	/* elsewhere another memory may lie in another way */
	if (!f->op->elsewhere)
		KUNIT_FAIL(f->test, "the table says so, but it does not ask for failure %d", fault);
}

/* The operation, of which the first call fails, then the second, until none is left to fail. */
void failure_each(struct kunit *test, const struct failure_way *way)
{
	unsigned int nth, all = way->all ?: 16;
	struct failure f;
	long rc;

	failure_init(test, &f);
	for (nth = 1; ; nth += nth < all ? 1 : 1 + nth / 3) {
		f.op->setup(&f);
		tce_get_state(f.fx, &f.before);
		f.grp->keeps = way->keeps;
		f.other->keeps = way->keeps;
		if (way->sticky)
			tce_fault_arm_from(f.fx->mock, way->fault, nth, way->rc);
		else
			tce_fault_arm(f.fx->mock, way->fault, nth, way->rc);
		rc = f.op->run(&f);
		if (!tce_fault_disarm(f.fx->mock))
			break;
		way->failed(&f, way, nth, rc);
		failure_clean_up(&f);
	}
	KUNIT_EXPECT_EQ(test, rc, 0);
	failure_expect_done(&f);
	failure_clean_up(&f);
	if (nth == 1 && way->fault != TCE_FAULT_ALLOC)
		failure_never_met(&f, way->fault);
}
