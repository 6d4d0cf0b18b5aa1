// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_failure: in every operation, everything that it depends on fails: the first call of it,
 * then the second, and so on to the 17th, and then some of the others (next_call()); once, or from
 * then on; with an errno, or without a word. After each failure the devices reach what they reached
 * before, or nothing by the entries that a MAP has begun to write, nothing that they can reach is
 * released, nothing is leaked, and user space gets the errno that is documented.
 *
 * Which failures can meet an operation is found out by doing it once without any.
 */
#include <asm/mmu_context.h>

#include "../tce_mm.h"
#include "../tce_table.h"
#include "tce_fixture.h"
#include "tce_guest.h"

/* ---- what an operation is ---- */

struct failure;

/**
 * struct failure_call - what an operation does
 * @run: the call
 * @done: expects what holds when it has succeeded; may be NULL
 * @at: first IOBA of a MAP
 * @size: bytes of a MAP or UNMAP; if 0, a MAP is of the operation's memory, and an UNMAP of the
 *	whole window
 * @write_only: a MAP lets the device write, and not read
 * @releases: it releases something, so that it fails for no lack of memory
 * @by_core: the VFIO core asks for it, and nobody can interrupt that
 */
struct failure_call {
	long (*run)(struct failure *f);
	void (*done)(struct failure *f);
	u64 at;
	u64 size;
	bool write_only;
	bool releases;
	bool by_core;
};

/**
 * struct failure_variant - for whom, and where, an operation is done
 * @name: of the parameter
 * @v2: which interface
 * @levels: of the table
 * @hcalls: see &tce_mock.hcalls
 * @kvm: the process has KVM
 * @two: the container has two groups, and the memory is two regions
 */
struct failure_variant {
	const char *name;
	bool v2;
	u32 levels;
	bool hcalls;
	bool kvm;
	bool two;
};

/**
 * struct failure_op - an operation
 * @name: of the parameter
 * @setup: makes the state in which it begins
 * @call: what it does then
 * @kind: of the memory
 * @size: bytes of memory
 * @variants: that it has, a bit for each
 */
struct failure_op {
	const char *name;
	void (*setup)(struct failure *f);
	const struct failure_call *call;
	enum tce_mem_kind kind;
	unsigned long size;
	u32 variants;
};

/**
 * struct failure - a variant of an operation, and what it is done with
 * @test: the case
 * @fx: the process
 * @op: the operation
 * @variant: which one
 * @client: the container
 * @grp: its group
 * @other: another group
 * @a: memory
 * @b: other memory of the same size
 * @window: its size
 * @start: of the window that is created or removed
 * @registered: both pieces of memory are
 * @pins: how often it pins memory if nothing fails
 * @before: what there was before the operation
 * @inj: how it is made to fail
 * @nth: at which call
 * @what: both, for messages
 */
struct failure {
	struct kunit *test;
	struct tce_fixture *fx;
	const struct failure_op *op;
	const struct failure_variant *variant;
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct tce_mock_group *other;
	unsigned long a;
	unsigned long b;
	u64 window;
	u64 start;
	bool registered;
	unsigned int pins;
	struct tce_state before;
	const struct failure_injection *inj;
	unsigned int nth;
	char what[48];
};

#define SMALL	ALIGN(24 * SZ_4K, PAGE_SIZE)
/* runs are long enough to be cleared at once */
#define LARGE	(SZ_512K + SZ_64K)
/* more than is changed before a call looks whether it is killed */
#define MUCH	((TCE_CHUNK + 64) * SZ_4K)
#define PIECE	(8 * PAGE_SIZE)

/* ---- what they do, and what holds when they have done it ---- */

static long map(struct failure *f);

/* How many bytes does a MAP map? 0 if the operation is none. */
static unsigned long map_size(const struct failure *f)
{
	return f->op->call->run == map ? f->op->call->size ?: f->op->size : 0;
}

static u32 map_flags(const struct failure *f)
{
	return f->op->call->write_only ? TCE_W : TCE_RW;
}

static long map(struct failure *f)
{
	return tce_map(f->client, f->op->call->at, f->b, map_size(f), map_flags(f));
}

static void map_done(struct failure *f)
{
	tce_expect_mapped(f->fx, f->grp, 0, f->op->call->at, f->b, map_size(f), map_flags(f));
}

static long unmap(struct failure *f)
{
	return tce_unmap(f->client, 0, f->op->call->size ?: f->window);
}

static void unmap_done(struct failure *f)
{
	if (f->op->call->size) {
		tce_expect_empty(f->fx, f->grp, 0, 0, f->op->call->size);
		KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live,
				f->before.n[TCE_ENTRIES] - f->op->call->size / SZ_4K);
		return;
	}
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live, 0);
	if (!f->variant->v2)
		KUNIT_EXPECT_EQ(f->test, tce_mock_pins(f->fx->mock), 0);
}

/* If both are of hugetlbfs, they are the same pages, with the stamps of @b. */
static long reg(struct failure *f)
{
	return tce_register(f->client, f->b, f->op->size);
}

/* It is charged, and can be mapped as it is in user space. */
static void reg_done(struct failure *f)
{
	unsigned long size = f->op->size;

	KUNIT_EXPECT_EQ(f->test, tce_charged(f->fx), size >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(f->test, tce_map(f->client, 0, f->b, size, TCE_RW), 0);
	tce_expect_mapped(f->fx, f->grp, 0, 0, f->b, size, TCE_RW);
	KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, size), 0);
}

static long unreg(struct failure *f)
{
	return tce_unregister(f->client, f->b, f->op->size);
}

/* Nor has it a place in the kernel's list any more. */
static void unreg_done(struct failure *f)
{
	struct tce_state now;

	tce_get_state(f->fx, &now);
	KUNIT_EXPECT_EQ(f->test, now.n[TCE_REGIONS], 0);
	KUNIT_EXPECT_EQ(f->test, now.n[TCE_LISTED], 0);
}

static long remove(struct failure *f)
{
	return tce_remove(f->client, f->start);
}

static long create(struct failure *f)
{
	return tce_create(f->client, 12, SZ_16M, f->variant->levels, &f->start);
}

static void create_done(struct failure *f)
{
	struct tce_mock *mock = f->fx->mock;
	struct kunit *test = f->test;

	KUNIT_EXPECT_EQ(test, tce_register(f->client, f->a, SMALL), 0);
	KUNIT_EXPECT_EQ(test, tce_map(f->client, f->start, f->a, SMALL, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_count(mock).live, SMALL / SZ_4K);
	KUNIT_EXPECT_EQ(test, tce_unmap(f->client, f->start, SMALL), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_count(mock).live, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(f->client, f->a, SMALL), 0);
	KUNIT_EXPECT_EQ(test, remove(f), 0);
}

static long enable(struct failure *f)
{
	return tce_enable(f->client);
}

static long attach(struct failure *f)
{
	return tce_attach(f->client, f->grp);
}

static long attach_other(struct failure *f)
{
	return tce_attach(f->client, f->other);
}

/* It has the windows of the container. */
static void joined(struct failure *f)
{
	int i;

	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++) {
		KUNIT_EXPECT_NOT_NULL(f->test, f->other->hw[i]);
		KUNIT_EXPECT_PTR_EQ(f->test, f->other->hw[i], f->grp->hw[i]);
	}
}

static long detach(struct failure *f)
{
	tce_detach(f->client, f->grp);
	return 0;
}

static long close(struct failure *f)
{
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	return 0;
}

static long open(struct failure *f)
{
	void *data = tce_driver->open(f->variant->v2 ? VFIO_SPAPR_TCE_v2_IOMMU :
						    VFIO_SPAPR_TCE_IOMMU);

	if (IS_ERR(data))
		return PTR_ERR(data);
	tce_driver->release(data);
	return 0;
}

/* It needs no memory. If killed, it goes on by itself. */
static long eeh(struct failure *f)
{
	unsigned int calls = f->grp->eeh.calls;
	long rc = tce_eeh(f->client, &(struct vfio_eeh_pe_op){ .op = VFIO_EEH_PE_ENABLE });

	if (rc != -EINTR) {
		KUNIT_EXPECT_EQ(f->test, rc, 0);
		KUNIT_EXPECT_NE(f->test, f->grp->eeh.calls, calls);
	}
	return rc;
}

static void unmapped(struct failure *f)
{
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live, 0);
	if (!f->client || !f->variant->v2)
		KUNIT_EXPECT_EQ(f->test, tce_mock_pins(f->fx->mock), 0);
}

static long disable(struct failure *f)
{
	return tce_disable(f->client);
}

/* The charge for the memory is given back, so all of that is unmapped. */
static void disabled(struct failure *f)
{
	unmapped(f);
	KUNIT_EXPECT_EQ(f->test, tce_charged(f->fx), f->fx->mock->priced);
}

static void gone(struct failure *f)
{
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).tables, 0);
	unmapped(f);
}

static const struct failure_call
	call_map = { map, map_done }, call_map_one = { map, map_done, .size = SZ_4K },
	call_map_leaves = { map, map_done, SZ_16M - SMALL / 2, SMALL },
	call_map_other_leaf = { map, map_done, SZ_16M, SZ_4K },
	/* in the middle of what is mapped, and of a page of the CPU's where that is larger */
	call_map_part = { map, map_done, SZ_32K, SZ_32K },
	/* entry by entry, wherever the pages are */
	call_map_to_write = { map, map_done, .write_only = true },
	call_unmap = { unmap, unmap_done, .releases = true },
	call_unmap_one = { unmap, unmap_done, .size = SZ_4K, .releases = true },
	call_first_unmap = { unmap, .size = SZ_4K },
	call_register = { reg, reg_done },
	call_unregister = { unreg, unreg_done, .releases = true },
	call_create = { create, create_done },
	call_remove = { remove, gone, .releases = true },
	call_enable = { enable }, call_eeh = { eeh },
	call_disable = { disable, disabled, .releases = true },
	call_open = { open, .by_core = true },
	call_attach = { attach, .by_core = true },
	call_attach_other = { attach_other, joined, .by_core = true },
	call_detach = { detach, gone, .releases = true, .by_core = true },
	call_close = { close, gone, .releases = true, .by_core = true };

/* How many entries does a MAP write? */
static unsigned long map_entries(const struct failure *f)
{
	return map_size(f) / SZ_4K;
}

/* None of the entries of a MAP is there, and all others are. */
static void expect_unmapped(struct failure *f)
{
	tce_expect_empty(f->fx, f->grp, 0, f->op->call->at, map_size(f));
	KUNIT_EXPECT_GE(f->test, tce_mock_count(f->fx->mock).live + map_entries(f),
			f->before.n[TCE_ENTRIES]);
}

static bool unmaps(const struct failure *f)
{
	return f->op->call->run == unmap;
}

/* The operation was done, be it in another way. */
static void expect_done(struct failure *f)
{
	if (f->op->call->done)
		f->op->call->done(f);
}

/* ---- the states in which they begin ---- */

/* Bytes of the first of two regions, or of the only one */
static unsigned long first_region(const struct failure *f)
{
	return f->variant->two ? PAGE_ALIGN(f->op->size / 2) : f->op->size;
}

/* REGISTER or UNREGISTER of memory, which may be two regions */
static void each_region(struct failure *f, unsigned long ua,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	unsigned long first = first_region(f);

	KUNIT_EXPECT_EQ(f->test, call(f->client, ua, first), 0);
	if (first < f->op->size)
		KUNIT_EXPECT_EQ(f->test, call(f->client, ua + first, f->op->size - first), 0);
}

static void nothing(struct failure *f)
{
	f->client = NULL;
}

static void opened(struct failure *f)
{
	f->client = tce_open(f->fx, f->variant->v2);
}

/* A container with a group; nothing else was done yet. On pseries groups share no tables. */
static void attached(struct failure *f)
{
	opened(f);
	KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->grp), 0);
	if (f->variant->two && !f->variant->hcalls && f->op->call != &call_attach_other &&
	    f->op->call != &call_detach)
		KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->other), 0);
}

/* Some memory may be mapped, but there is no window yet. */
static void allowed(struct failure *f)
{
	attached(f);
	KUNIT_ASSERT_EQ(f->test, f->variant->v2 ? reg(f) : enable(f), 0);
}

static void with_window(struct failure *f)
{
	attached(f);
	if (!f->variant->v2) {
		KUNIT_ASSERT_EQ(f->test, tce_enable(f->client), 0);
		KUNIT_ASSERT_EQ(f->test, tce_unmap(f->client, 0, SZ_4K), 0);
		return;
	}
	KUNIT_ASSERT_EQ(f->test, tce_remove(f->client, 0), 0);
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 12, f->window, f->variant->levels,
					    &f->start), 0);
}

static void ready(struct failure *f)
{
	with_window(f);
	if (!f->variant->v2)
		return;
	each_region(f, f->a, tce_register);
	each_region(f, f->b, tce_register);
	f->registered = map_entries(f) || unmaps(f);
}

static void mapped(struct failure *f)
{
	ready(f);
	KUNIT_ASSERT_EQ(f->test, tce_map(f->client, 0, f->a, f->op->size, TCE_RW), 0);
}

/* The device can't read it. */
static void mapped_to_write(struct failure *f)
{
	ready(f);
	KUNIT_ASSERT_EQ(f->test, tce_map(f->client, 0, f->a, f->op->size, TCE_W), 0);
}

/* Every third page. */
static void here_and_there(struct failure *f)
{
	unsigned long at;

	ready(f);
	for (at = 0; at < f->op->size; at += 3 * SZ_4K)
		KUNIT_ASSERT_EQ(f->test, tce_map(f->client, at, f->a + at, SZ_4K, TCE_R), 0);
}

/* Two of three pages: where a page of the CPU's is larger, the rest of one. */
static void in_parts(struct failure *f)
{
	unsigned long at;

	mapped(f);
	for (at = 0; at < f->op->size; at += 3 * SZ_4K)
		KUNIT_ASSERT_EQ(f->test, tce_unmap(f->client, at, SZ_4K), 0);
}

/* Of v1 one */
static void two_windows(struct failure *f)
{
	mapped(f);
	if (f->variant->v2)
		KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 16, SZ_64M, 1, &f->start), 0);
}

/* ---- which of them there are ---- */

static const struct failure_variant variants[] = {
	{ "v1", 0, 1 },
	{ "v1, pseries", 0, 1, .hcalls = true },
	{ "v2", 1, 1 },
	{ "v2, pseries", 1, 1, .hcalls = true, .two = true },
	{ "v2, two", 1, 1, .two = true },
	{ "v2, KVM", 1, 1, .kvm = true },
	{ "v2, levels", 1, 3 },
	{ "v2, levels, KVM", 1, 3, .kvm = true },
};

#define V1		BIT(0)
#define V2		BIT(2)
#define PSERIES		BIT(3)
#define TWO		BIT(4)
#define KVM		BIT(5)
#define LEVELS		BIT(6)
#define ALL_V1		(V1 | BIT(1))
#define ALL_V2		(V2 | PSERIES | TWO | KVM | LEVELS)
#define ALL		(ALL_V1 | ALL_V2)
/* pages of v1 and v2, and a run that ends with a leaf; huge pages take long */
#define RUNS		(V1 | V2 | LEVELS)
#define RELEASES	(ALL | BIT(7))

#define PLAIN		TCE_MEM_PLAIN
#define SCATTERED	TCE_MEM_SCATTERED
#define THP		TCE_MEM_THP
#define HUGETLB		TCE_MEM_HUGETLB

static const struct failure_op ops[] = {
	{ "open", nothing, &call_open, PLAIN, SMALL, V1 | V2 },
	{ "attach", opened, &call_attach, PLAIN, SMALL, ALL_V1 | V2 | PSERIES },
	{ "attach another", two_windows, &call_attach_other, PLAIN, SMALL, V2 | KVM },
	{ "EEH", attached, &call_eeh, PLAIN, SMALL, V1 | V2 },
	{ "enable", attached, &call_enable, PLAIN, SMALL, ALL_V1 },
	{ "disable", mapped, &call_disable, PLAIN, LARGE, ALL_V1 },
	{ "disable what was read", here_and_there, &call_disable, PLAIN, LARGE, V1 },
	{ "register", attached, &call_register, PLAIN, LARGE, V2 | KVM },
	{ "register one", attached, &call_register, PLAIN, PAGE_SIZE, V2 | KVM },
	/* huge pages, and some ordinary ones behind them */
	{ "register blocks", attached, &call_register, THP, SZ_4M + SZ_128K, V2 },
	{ "register hugetlb", attached, &call_register, HUGETLB, SZ_4M, V2 },
	{ "unregister", allowed, &call_unregister, PLAIN, SMALL, V2 | KVM },
	{ "default window", allowed, &call_first_unmap, PLAIN, SMALL, ALL & ~(KVM | LEVELS) },
	{ "create", with_window, &call_create, PLAIN, SMALL, ALL_V2 },
	{ "create, with the default window", attached, &call_create, PLAIN, SMALL,
	  ALL_V2 & ~PSERIES },
	{ "remove", mapped, &call_remove, SCATTERED, LARGE, RELEASES & ~ALL_V1 },
	{ "map", ready, &call_map, SCATTERED, LARGE, ALL },
	{ "map one", ready, &call_map_one, PLAIN, SMALL, ALL },
	{ "map, into other leaves", ready, &call_map_leaves, PLAIN, SMALL, LEVELS },
	{ "map one, into another leaf", ready, &call_map_other_leaf, PLAIN, SMALL, LEVELS },
	{ "map much", ready, &call_map_to_write, PLAIN, MUCH, V1 | V2 | KVM },
	{ "replace", mapped, &call_map, PLAIN, LARGE, ALL },
	{ "replace much", mapped, &call_map_to_write, PLAIN, MUCH, V1 | V2 | KVM },
	{ "replace part", mapped, &call_map_part, PLAIN, SMALL, ALL },
	{ "replace one", mapped, &call_map_one, PLAIN, SMALL, ALL },
	{ "replace some", here_and_there, &call_map, SCATTERED, SMALL, ALL },
	{ "replace one that is alone", here_and_there, &call_map_one, PLAIN, SMALL, ALL },
	{ "replace parts", in_parts, &call_map, SCATTERED, SMALL, ALL },
	{ "unmap", mapped, &call_unmap, PLAIN, LARGE, RELEASES },
	{ "unmap much", mapped, &call_unmap, PLAIN, MUCH, V1 | V2 | KVM },
	{ "unmap what can't be read", mapped_to_write, &call_unmap, PLAIN, LARGE, V1 | V2 },
	{ "unmap one", mapped, &call_unmap_one, PLAIN, SMALL, RELEASES },
	{ "unmap one that is alone", here_and_there, &call_unmap_one, PLAIN, SMALL, ALL },
	{ "unmap parts", in_parts, &call_unmap, SCATTERED, SMALL, ALL },
	{ "detach", two_windows, &call_detach, SCATTERED, LARGE, RELEASES },
	{ "close", mapped, &call_close, SCATTERED, LARGE, RELEASES },
	{ "map one run", ready, &call_map, THP, PIECE, ALL },
	{ "map runs", ready, &call_map, THP, SZ_2M, RUNS },
	{ "replace runs", mapped, &call_map, THP, SZ_2M, RUNS },
	{ "unmap runs", mapped, &call_unmap, THP, SZ_2M, RUNS },
};

/* The parameter of a case */
struct param {
	const struct failure_op *op;
	const struct failure_variant *variant;
};

/* The next one, as a generator of parameters has to say it */
static const void *next_operation(const void *prev, char *desc)
{
	static struct param all[ARRAY_SIZE(ops) * ARRAY_SIZE(variants)];
	struct param *param = prev ? (struct param *)prev + 1 : all;
	unsigned int i;

	for (; (i = param - all) < ARRAY_SIZE(all); param++) {
		unsigned int variant = i % ARRAY_SIZE(variants);

		if (!(ops[i / ARRAY_SIZE(variants)].variants & BIT(variant)))
			continue;
		param->op = &ops[i / ARRAY_SIZE(variants)];
		param->variant = &variants[variant];
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s: %s", param->variant->name,
			 param->op->name);
		return param;
	}
	return NULL;
}

/* What the operation of the case's parameter needs, but not yet its state */
static void set_up(struct kunit *test, struct failure *f)
{
	const struct param *param = test->param_value;
	unsigned long size = param->op->size;
	struct tce_fixture *fx = test->priv;

	*f = (struct failure){ .test = test, .fx = fx, .op = param->op, .variant = param->variant };
	fx->mock->hcalls = f->variant->hcalls;
	if (f->variant->kvm)
		tce_watch(fx);
	/* as small as can be: all of it is looked at each time */
	f->window = f->variant->levels > 1 && !f->variant->kvm ? SZ_64M :
		    max(SZ_2M, roundup_pow_of_two(size));
	f->grp = tce_group(fx);
	f->other = tce_group(fx);
	/* twice what v1 maps: a MAP that replaces counts old pages and new ones */
	f->grp->tg.tce32_size = max(SZ_2M, roundup_pow_of_two(2 * size));
	f->other->tg.tce32_size = f->grp->tg.tce32_size;
	/* a part of a huge page is contiguous as well */
	if (f->op->kind == THP)
		size = max(size, SZ_2M);
	if (f->op->kind == HUGETLB) {
		size = SZ_16M;
		tce_apart(fx);
	}
	f->a = tce_memory(fx, f->op->kind, size);
	f->b = tce_memory(fx, f->op->kind, size);
	tce_apart(fx);
	if (!f->a || !f->b)
		kunit_skip(test, "this machine has no such memory");
	if (f->op->kind == THP && !(PageTransCompound(tce_page(fx, f->a)) &&
				    PageTransCompound(tce_page(fx, f->b))))
		kunit_skip(test, "these pages are not huge");
}

/* Close what the operation has left open: nothing is pinned or charged then. */
static void tear_down(struct failure *f)
{
	/* memory that is mapped no more can be given back: nothing is miscounted */
	if (f->client && f->variant->v2 && f->registered) {
		KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
		each_region(f, f->a, tce_unregister);
		each_region(f, f->b, tce_unregister);
	}
	f->registered = false;
	close(f);
	KUNIT_EXPECT_PTR_EQ(f->test, f->grp->tg.ops, &tce_mock_group_ops);
	tce_expect_balance(f->fx);
}

/* ---- how they are made to fail ---- */

/* Traits of a variant of an operation: what it does, and where */
#define IF_MAPS		BIT(0)
#define IF_CREATES	BIT(1)
/* it takes away what is mapped, and its window */
#define IF_ENDS		BIT(2)
#define IF_MAKES	BIT(3)
#define IF_RELEASES	BIT(4)
#define IF_POWERNV	BIT(5)
#define IF_PSERIES	BIT(6)
#define IF_V2		BIT(7)
#define IF_TWO		BIT(8)

/**
 * struct failure_injection - what is made to fail in an operation, and what has to come of it
 * @name: for messages
 * @fault: what fails
 * @rc: with this result
 * @want: what the operation says then
 * @when: the traits of the operations into which it is injected
 * @failed: expects what holds then
 * @may_succeed: or the operation succeeds in another way
 * @sticky: from then on it always fails
 * @keeps: from then on these bridges release no window, a bit for each of two groups
 * @once: only the first call is made to fail
 */
struct failure_injection {
	const char *name;
	enum tce_fault fault;
	int rc;
	long want;
	unsigned int when;
	void (*failed)(struct failure *f, long rc);
	bool may_succeed;
	bool sticky;
	u8 keeps;
	bool once;
};

/* The variant of the operation, as an injection may want it to be */
static unsigned int traits(const struct failure *f)
{
	const struct failure_call *call = f->op->call;

	return (call->releases ? IF_RELEASES : IF_MAKES) |
	       (f->variant->hcalls ? IF_PSERIES : IF_POWERNV) |
	       (f->variant->v2 ? IF_V2 : 0) | (f->variant->two ? IF_TWO : 0) |
	       (map_entries(f) ? IF_MAPS : 0) | (call == &call_create ? IF_CREATES : 0) |
	       (call == &call_remove || call == &call_close ? IF_ENDS : 0);
}

/* What a call that ends in the middle has unmapped, or left to be unmapped */
static u64 may_be_less(const struct failure *f)
{
	return BIT_ULL(TCE_ENTRIES) | BIT_ULL(TCE_SUM) | BIT_ULL(TCE_REACHED) |
	       BIT_ULL(TCE_MAPPED) |
	       (f->variant->v2 ? 0 : BIT_ULL(TCE_PINS) | BIT_ULL(TCE_V1_PAGES));
}

/*
 * A MAP that has failed in the middle has unmapped all of its range, and nothing else. Where it
 * fails before that, it changes nothing.
 */
static void expect_state(struct failure *f)
{
	unsigned long n = map_entries(f);
	struct tce_state now;

	tce_get_state(f->fx, &now);
	if (!n || now.n[TCE_SUM] == f->before.n[TCE_SUM]) {
		tce_expect_state(f->fx, &f->before, f->what);
		return;
	}
	KUNIT_EXPECT_LT_MSG(f->test, 1, n, "%s: one entry", f->what);
	expect_unmapped(f);
	tce_expect_less(f->fx, &f->before, f->what, may_be_less(f));
	if (!f->variant->v2 && !now.n[TCE_ENTRIES])
		KUNIT_EXPECT_EQ_MSG(f->test, now.n[TCE_PINS], 0, "%s: pins", f->what);
}

/* The operation has failed as it has to, or it has got along. */
static void has_failed(struct failure *f, long rc)
{
	bool copy = f->inj->fault == TCE_FAULT_ALLOC && tce_fault_hit_copy(rc);

	if (!rc && f->inj->may_succeed) {
		expect_done(f);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(f->test, rc, copy ? -EFAULT : f->inj->want, "%s", f->what);
	/* of CREATE the default window may be left, as made first */
	if (rc && (!copy || !(traits(f) & IF_CREATES)))
		expect_state(f);
}

/*
 * A run is not written, or only from its start to some entry. From then on no run is, nor is one
 * cleared from its start to its end.
 */
static void not_written(struct failure *f, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, -EIO, "%s", f->what);
	expect_unmapped(f);
}

/* A run that is not cleared, or only from its start to some entry, is cleared in another way. */
static void cleared_all_the_same(struct failure *f, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, 0, "%s", f->what);
	expect_done(f);
}

/*
 * A bridge does not accept a window, and from then on does not release any: what had been
 * set in it before stays there, but the operation has failed all the same, and nothing but
 * tables is kept.
 */
static void not_set(struct failure *f, long rc)
{
	unsigned int set = f->inj->fault == TCE_FAULT_LINK ? f->nth : f->nth - 1;

	KUNIT_EXPECT_EQ_MSG(f->test, rc, f->inj->want, "%s", f->what);
	close(f);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(f->fx->mock).live, 0, "%s", f->what);
	/* each window that was set in any bridge has left one table there */
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_forget_bridges(f->fx->mock),
			    f->variant->two ? DIV_ROUND_UP(set, 2) : set, "%s", f->what);
}

/* MAP fails, and so does unmapping its range; still nothing is released. */
static void not_undone(struct failure *f, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, -EIO, "%s", f->what);
	/* in the end all can be unmapped */
	KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live, 0);
}

/*
 * A bridge keeps a window. REMOVE says so, whoever else takes windows away can't; the window is
 * empty, its table stays, and nothing else does. For the container it is gone, and another window
 * can take its place, but on pseries, where the group keeps it.
 */
static void not_unset(struct failure *f, long rc)
{
	bool removes = f->op->call == &call_remove;
	struct tce_mock *mock = f->fx->mock;
	u64 start;

	KUNIT_EXPECT_EQ_MSG(f->test, rc, removes ? f->inj->want : 0, "%s", f->what);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(mock).live, 0, "%s", f->what);
	if (removes)
		KUNIT_EXPECT_EQ(f->test, tce_remove(f->client, f->start), -EINVAL);
	if (removes && !f->variant->hcalls) {
		KUNIT_EXPECT_EQ(f->test, tce_create(f->client, 12, SZ_16M, 1, &start), 0);
		KUNIT_EXPECT_EQ(f->test, start, f->start);
	}
	close(f);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(mock).tables, 1, "%s", f->what);
	/* the next client gets the group, from which pseries takes the table */
	if (f->variant->hcalls) {
		opened(f);
		KUNIT_EXPECT_EQ(f->test, tce_attach(f->client, f->grp), 0);
		KUNIT_EXPECT_NULL(f->test, f->grp->tg.tables[0]);
		close(f);
	}
	KUNIT_EXPECT_EQ(f->test, tce_mock_forget_bridges(mock), 1);
}

/*
 * Entries can't be cleared: the first, the second, ... or none from then on. UNMAP goes on with the
 * next ones, in other chunks as well, says so, and tries again when it is asked again. Nothing that
 * a device still reaches is let go, and in the end nothing is left.
 */
static void not_cleared(struct failure *f, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, unmaps(f) ? -EIO : 0, "%s", f->what);
	if (!unmaps(f))
		return;
	/* with KVM it may have been an empty one */
	if (f->op->call == &call_unmap && !f->inj->sticky)
		KUNIT_EXPECT_LE_MSG(f->test, tce_mock_count(f->fx->mock).live, 1, "%s", f->what);
	KUNIT_EXPECT_EQ(f->test, f->op->call->run(f), 0);
	expect_done(f);
}

/* Nothing but the device has these pages of the process any more. Undoes what nothing else will. */
static void expect_left(struct failure *f, struct page **pages, unsigned long n, bool mapped)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		if (!f->variant->v2) {
			unpin_user_pages_dirty_lock(&pages[i], 1, true);
			continue;
		}
		KUNIT_EXPECT_TRUE(f->test, !mapped || PageDirty(pages[i]));
		KUNIT_EXPECT_EQ(f->test, tce_holders(pages[i]), 1);
		/* only the first difference is reported */
		if (tce_holders(pages[i]) != 1)
			return;
		put_page(pages[i]);
	}
}

/*
 * The platform refuses to exchange, or to clear, any entry, from the operation to the end of the
 * container. A call that reports this has to report it correctly, and then devices reach nothing,
 * but what is left in the default window of pseries: those pages stay when the container and the
 * process have let them go.
 */
static void is_dead(struct failure *f, long rc)
{
	unsigned long n = f->op->size >> PAGE_SHIFT, left, i;
	struct tce_fixture *fx = f->fx;
	struct page **pages;

	pages = kunit_kcalloc(f->test, n, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(f->test, pages);
	for (i = 0; i < n; i++)
		pages[i] = tce_page(fx, f->a + i * PAGE_SIZE);
	/* MAP and UNMAP; nobody else can do anything about it */
	KUNIT_EXPECT_EQ(f->test, rc, traits(f) & IF_MAKES || unmaps(f) ? -EIO : 0);
	tce_fault_arm_sticky(fx->mock, f->inj->fault, f->inj->rc);
	close(f);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(fx->mock).live, 0);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(fx->mock).tables, 0);
	left = tce_mock_forget_left(fx->mock);
	KUNIT_EXPECT_TRUE(f->test, !left || f->variant->hcalls);
	if (!left)
		return;
	fx->pages_left += n;
	tce_renew(fx, f->a, f->op->size);
	expect_left(f, pages, n, false);
}

/*
 * A bridge keeps a window, and in it entries that can't be cleared: the devices still reach the
 * pages, so that these stay when the container and the process have let them go, and nothing else
 * does, but for the regions of KVM's list: any entry may have these. A region counts as mapped as
 * long as the process has containers.
 */
static void keeps_pages(struct failure *f, long rc)
{
	struct tce_mock_group *keeper = f->inj->keeps & 1 ? f->grp : f->other;
	unsigned long n = f->op->size >> PAGE_SHIFT, i;
	bool removes = f->op->call == &call_remove;
	struct tce_fixture *fx = f->fx;
	struct page **pages;

	pages = kunit_kcalloc(f->test, 2 * n, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(f->test, pages);
	for (i = 0; i < n; i++) {
		pages[i] = tce_page(fx, f->a + i * PAGE_SIZE);
		pages[n + i] = tce_page(fx, f->b + i * PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(f->test, rc, removes ? -EIO : 0);
	if (removes)
		TCE_REFUSED(fx, REGION_MAPPED, EBUSY,
			    tce_unregister(f->client, f->a, first_region(f)));
	/* all the same if its process is being killed */
	tce_fault_arm_sticky(fx->mock, f->inj->fault, f->inj->rc);
	TCE_DO_KILLED(close(f));
	tce_fault_disarm(fx->mock);
	fx->pages_left += f->variant->kvm ? 2 * n : n;
	/* regions of the kernel's list live for a grace period more */
	rcu_barrier();
	KUNIT_EXPECT_EQ(f->test, tce_mock_pins(fx->mock), f->variant->v2 ? 0 : n);
	tce_expect_mapped(fx, keeper, 0, 0, f->a, f->op->size, TCE_RW);
	tce_renew(fx, f->a, f->op->size);
	tce_renew(fx, f->b, f->op->size);
	KUNIT_EXPECT_EQ(f->test, tce_mock_forget_bridges(fx->mock), 1);
	expect_left(f, pages, n, true);
	if (f->variant->kvm)
		expect_left(f, pages + n, n, false);
}

/* There are more pins to come, or more than one chunk, or as many regions as pages. */
static bool has_to_end(const struct failure *f)
{
	if (f->op->call == &call_register)
		return f->nth <= f->pins;
	if (f->nth > 1)
		return false;
	return (f->variant->two && map_entries(f) * SZ_4K > first_region(f)) ||
	       ((map_entries(f) || unmaps(f)) && f->op->size > TCE_CHUNK * SZ_4K);
}

/*
 * It is done completely, or can be repeated; what makes something has changed nothing then, and
 * what releases something has at most unmapped some of it.
 */
static void is_killed(struct failure *f, long rc)
{
	if (rc) {
		KUNIT_EXPECT_FALSE(f->test, f->op->call->by_core);
		KUNIT_EXPECT_EQ_MSG(f->test, rc, -EINTR, "%s", f->what);
		if (traits(f) & IF_MAKES)
			expect_state(f);
		else
			tce_expect_less(f->fx, &f->before, f->what, may_be_less(f));
		KUNIT_EXPECT_EQ(f->test, f->op->call->run(f), 0);
	}
	if (has_to_end(f))
		KUNIT_EXPECT_EQ_MSG(f->test, rc, -EINTR, "%s", f->what);
	expect_done(f);
}

static const struct failure_injection injections[] = {
	{ "SIGKILL", TCE_FAULT_SIGKILL, 0, -EINTR, 0, is_killed },
	{ "allocation", TCE_FAULT_ALLOC, 0, -ENOMEM, IF_MAKES, has_failed, .may_succeed = true },
	{ "allocation of a release", TCE_FAULT_ALLOC, 0, 0, IF_RELEASES, has_failed,
	  .may_succeed = true },
	{ "pin", TCE_FAULT_PIN, -EINTR, -EINTR, 0, has_failed },
	/* sticky, because what can't be pinned as a huge page is pinned page by page */
	{ "pin, with another errno", TCE_FAULT_PIN, -EAGAIN, -EFAULT, 0, has_failed,
	  .sticky = true },
	/* somebody else holds the page for a moment */
	{ "pin once", TCE_FAULT_PIN, -ENOMEM, 0, 0, has_failed, .may_succeed = true },
	{ "pin for good", TCE_FAULT_PIN, -ENOMEM, -ENOMEM, 0, has_failed, .sticky = true,
	  .once = true },
	{ "registration", TCE_FAULT_REGISTER, -ENOMEM, -ENOMEM, 0, has_failed },
	{ "registration of what is there", TCE_FAULT_REGISTER, -EINVAL, -EINVAL, 0, has_failed },
	/* it returns the number of pages if it has pinned fewer than it was asked for */
	{ "registration of some pages", TCE_FAULT_REGISTER, 1, -EFAULT, 0, has_failed },
	{ "watch", TCE_FAULT_WATCH, -ENOMEM, 0, 0, has_failed, .may_succeed = true },
	/* the bridge does not release the host's windows */
	{ "take", TCE_FAULT_TAKE, -5, -EIO, 0, has_failed },
	{ "create_table", TCE_FAULT_CREATE, -ENOSPC, -ENOSPC, 0, has_failed },
	{ "create_table, with another errno", TCE_FAULT_CREATE, -EAGAIN, -EIO, 0, has_failed },
	{ "create_table, with firmware's code", TCE_FAULT_CREATE, 9900, -EIO, 0, has_failed },
	/* what becomes of set_window()'s -EPERM: on powernv that is a number of OPAL's */
	{ "set_window", TCE_FAULT_SET, -EPERM, -EIO, IF_POWERNV, has_failed },
	{ "set_window", TCE_FAULT_SET, -EPERM, -EPERM, IF_PSERIES, has_failed },
	{ "set_window is lost", TCE_FAULT_LINK, 0, -ENOMEM, 0, has_failed },
	{ "set_window and unset_window", TCE_FAULT_SET, -EPERM, -EIO, IF_POWERNV, not_set,
	  .keeps = 3 },
	/* it is unknown whether the bridge has the window, and it keeps it */
	{ "set_window is lost, and unset_window", TCE_FAULT_LINK, 0, -ENOMEM, IF_POWERNV, not_set,
	  .keeps = 3 },
	{ "unset_window", TCE_FAULT_UNSET, -6, -EIO, IF_POWERNV, not_unset },
	{ "unset_window", TCE_FAULT_UNSET, -ENODEV, -ENODEV, IF_PSERIES, not_unset },
	{ "level", TCE_FAULT_LEVEL, 0, -ENOMEM, IF_MAPS, has_failed },
	/* a window whose leaf can't be looked at has its userspace entries elsewhere */
	{ "level of a new window", TCE_FAULT_LEVEL, 0, -ENOMEM, IF_CREATES, has_failed,
	  .may_succeed = true },
	{ "exchange", TCE_FAULT_XCHG, -4, -EIO, IF_MAKES, has_failed },
	{ "exchange and undo", TCE_FAULT_XCHG, -4, -EIO, IF_MAPS, not_undone, .sticky = true },
	{ "set", TCE_FAULT_BUILD, -ENOMEM, -ENOMEM, 0, has_failed },
	{ "set is lost", TCE_FAULT_LOST, 0, -EIO, IF_MAKES, not_written, .sticky = true },
	{ "clear is lost", TCE_FAULT_LOST, 0, 0, IF_RELEASES, cleared_all_the_same,
	  .sticky = true },
	{ "clear once", TCE_FAULT_CLEAR, -4, 0, IF_RELEASES, not_cleared },
	{ "clear for good", TCE_FAULT_CLEAR, -4, 0, IF_RELEASES, not_cleared, .sticky = true },
	{ "clear, and unset_window", TCE_FAULT_CLEAR, -4, 0, IF_ENDS, keeps_pages, .sticky = true,
	  .once = true, .keeps = 1 },
	{ "clear, and unset_window of the other", TCE_FAULT_CLEAR, -4, 0,
	  IF_ENDS | IF_TWO | IF_POWERNV, keeps_pages, .sticky = true, .once = true, .keeps = 2 },
	/* what is pinned for v1 then stays so, see keeps_pages() */
	{ "dead platform", TCE_FAULT_XCHG, -4, 0, IF_V2, is_dead, .sticky = true, .once = true },
	{ "nothing is cleared", TCE_FAULT_CLEAR, -4, 0, IF_V2 | IF_RELEASES, is_dead,
	  .sticky = true, .once = true },
};

/* Operations into which each of these was injected */
static unsigned int met[ARRAY_SIZE(injections)];

/* Each of the first 17 calls, then only the 32nd and the 33rd, the 64th and the 65th, and so on. */
static unsigned int next_call(unsigned int nth)
{
	if (nth <= 16)
		return nth + 1;
	return nth % 2 ? 2 * nth - 2 : nth + 1;
}

/* Fail one call of each run (next_call()), until a run makes fewer calls than that. */
static void fail_each(struct failure *f, const struct failure_injection *inj)
{
	struct tce_mock *mock = f->fx->mock;
	unsigned int nth, hits = 1;
	long rc;

	for (nth = 1; hits && !(inj->once && nth > 1); nth = next_call(nth)) {
		f->op->setup(f);
		f->inj = inj;
		f->nth = nth;
		snprintf(f->what, sizeof(f->what), "%s %u", inj->name, nth);
		tce_get_state(f->fx, &f->before);
		f->grp->keeps = inj->keeps & 1;
		f->other->keeps = inj->keeps & 2;
		mock->kept = f->variant->v2 && (inj->failed == keeps_pages ||
				(inj->failed == is_dead && f->variant->hcalls));
		tce_fault_arm(mock, inj->fault, nth, inj->rc);
		mock->fault_sticky = inj->sticky;
		rc = f->op->call->run(f);
		hits = tce_fault_disarm(mock);
		if (hits) {
			inj->failed(f, rc);
		} else {
			KUNIT_EXPECT_EQ_MSG(f->test, rc, 0, "%s", f->what);
			expect_done(f);
		}
		tear_down(f);
		mock->kept = false;
	}
}

/* What it asks for if nothing fails, which is what can fail */
static void find_asked(struct failure *f, unsigned int asked[TCE_FAULTS])
{
	struct tce_mock *mock = f->fx->mock;

	f->op->setup(f);
	tce_get_state(f->fx, &f->before);
	memset(mock->asked, 0, sizeof(mock->asked));
	KUNIT_EXPECT_EQ(f->test, f->op->call->run(f), 0);
	memcpy(asked, mock->asked, sizeof(mock->asked));
	asked[TCE_FAULT_ALLOC] = tce_fault_can_alloc();
	asked[TCE_FAULT_SIGKILL] = true;
	f->pins = asked[TCE_FAULT_PIN];
	expect_done(f);
	tear_down(f);
}

static void operation(struct kunit *test)
{
	unsigned int asked[TCE_FAULTS], i;
	struct failure f;

	set_up(test, &f);
	find_asked(&f, asked);
	for (i = 0; i < ARRAY_SIZE(injections); i++) {
		struct failure_injection inj = injections[i];

		/* entries that are cleared as a run are asked for if that fails */
		if (!(asked[inj.fault] || inj.failed == keeps_pages) || inj.when & ~traits(&f))
			continue;
		met[i]++;
		do {
			fail_each(&f, &inj);
			/* so many entries of a run are not lost */
			inj.rc = 2 * inj.rc + 1;
		} while (inj.fault == TCE_FAULT_LOST && inj.rc < f.op->size / SZ_4K);
	}
}

TCE_GENERATOR(operations, next_operation)

/* Each injection has met some operation of the case before. Skipped if no allocation can fail. */
static void each_was_met(struct kunit *test)
{
	unsigned int i;

	tce_needs_faults(test);
	for (i = 0; i < ARRAY_SIZE(injections); i++)
		KUNIT_EXPECT_NE_MSG(test, met[i], 0, "%s", injections[i].name);
}

static struct kunit_case tce_failure_cases[] = {
	KUNIT_CASE_PARAM(operation, operations_gen_params),
	KUNIT_CASE(each_was_met),
	{}
};

TCE_SUITE(tce_failure);
