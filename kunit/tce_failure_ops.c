// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations that can fail: the state in which each begins, what it does, what is true when it
 * is done, and in which forms it exists.
 */
#include "../tce_table.h"
#include "tce_failure.h"

#define SMALL	ALIGN(24 * SZ_4K, PAGE_SIZE)
/* runs are long enough to be cleared at once */
#define LARGE	(SZ_512K + SZ_64K)
/* more than is changed before a call looks whether it is killed */
#define MUCH	((TCE_CHUNK + 64) * SZ_4K)
#define PIECE	(8 * PAGE_SIZE)

/* ---- what they do, and what holds when they have done it ---- */

/* How many bytes does a MAP map? 0 if the operation is none. */
static unsigned long map_size(const struct failure *f)
{
	return f->op->call->run == failure_map.run ? f->op->call->size ?: f->op->size : 0;
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
	if (!f->form->v2)
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
	return tce_create(f->client, 12, SZ_16M, f->form->levels, &f->start);
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
	tce_close(f->client);
	f->client = NULL;
	return 0;
}

static long open(struct failure *f)
{
	void *data = tce_driver->open(f->form->v2 ? VFIO_SPAPR_TCE_v2_IOMMU :
						    VFIO_SPAPR_TCE_IOMMU);

	if (IS_ERR(data))
		return PTR_ERR(data);
	tce_driver->release(data);
	return 0;
}

/* It either gets the memory that it needs, or is not begun. If killed, it goes on by itself. */
static long eeh(struct failure *f)
{
	unsigned int calls = f->grp->eeh.calls;
	long rc = tce_eeh(f->client, &(struct vfio_eeh_pe_op){ .op = VFIO_EEH_PE_ENABLE });

	if (rc != -EINTR)
		KUNIT_EXPECT_EQ(f->test, f->grp->eeh.calls != calls, !rc);
	return rc;
}

static void unmapped(struct failure *f)
{
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live, 0);
	if (!f->client || !f->form->v2)
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

const struct failure_call failure_map = { map, map_done };
const struct failure_call failure_map_one = { map, map_done, .size = SZ_4K };
const struct failure_call failure_unmap = { unmap, unmap_done, .releases = true };
const struct failure_call failure_register = { reg, reg_done };
const struct failure_call failure_create = { create, create_done };
const struct failure_call failure_remove = { remove, gone, .releases = true };
const struct failure_call failure_close = { close, gone, .releases = true, .by_core = true };

static const struct failure_call
	call_map_leaves = { map, map_done, SZ_16M - SMALL / 2, SMALL },
	call_map_other_leaf = { map, map_done, SZ_16M, SZ_4K },
	/* in the middle of what is mapped, and of a page of the CPU's where that is larger */
	call_map_part = { map, map_done, SZ_32K, SZ_32K },
	/* entry by entry, wherever the pages are */
	call_map_to_write = { map, map_done, .write_only = true },
	call_unmap_one = { unmap, unmap_done, .size = SZ_4K, .releases = true },
	call_first_unmap = { unmap, .size = SZ_4K },
	call_unreg = { unreg, unreg_done, .releases = true },
	call_enable = { enable }, call_eeh = { eeh },
	call_disable = { disable, disabled, .releases = true },
	call_open = { open, .by_core = true },
	call_attach = { attach, .by_core = true },
	call_attach_other = { attach_other, joined, .by_core = true },
	call_detach = { detach, gone, .releases = true, .by_core = true };

unsigned long failure_maps(const struct failure *f)
{
	return map_size(f) / SZ_4K;
}

/* None of the entries of a MAP is there, and all others are. */
void failure_expect_unmapped(struct failure *f)
{
	tce_expect_empty(f->fx, f->grp, 0, f->op->call->at, map_size(f));
	KUNIT_EXPECT_GE(f->test, tce_mock_count(f->fx->mock).live + failure_maps(f),
			f->before.n[TCE_ENTRIES]);
}

bool failure_unmaps(const struct failure *f)
{
	return f->op->call->run == unmap;
}

/* The operation was done; if in another way, then as well. */
void failure_expect_done(struct failure *f)
{
	if (f->op->call->done)
		f->op->call->done(f);
}

/* ---- the states in which they begin ---- */

/* Bytes of the first of two regions, or of the only one */
unsigned long failure_region(const struct failure *f)
{
	return f->form->two ? PAGE_ALIGN(f->op->size / 2) : f->op->size;
}

/* REGISTER or UNREGISTER of memory, which may be two regions */
static void each_region(struct failure *f, unsigned long ua,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	unsigned long first = failure_region(f);

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
	f->client = tce_open(f->fx, f->form->v2);
}

/* A container with a group; nothing else was done yet. On pseries groups share no tables. */
static void attached(struct failure *f)
{
	opened(f);
	KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->grp), 0);
	if (f->form->two && !f->form->hcalls && f->op->call != &call_attach_other &&
	    f->op->call != &call_detach)
		KUNIT_ASSERT_EQ(f->test, tce_attach(f->client, f->other), 0);
}

/* Some memory may be mapped, but there is no window yet. */
static void allowed(struct failure *f)
{
	attached(f);
	KUNIT_ASSERT_EQ(f->test, f->form->v2 ? reg(f) : enable(f), 0);
}

static void with_window(struct failure *f)
{
	attached(f);
	if (!f->form->v2) {
		KUNIT_ASSERT_EQ(f->test, tce_enable(f->client), 0);
		KUNIT_ASSERT_EQ(f->test, tce_unmap(f->client, 0, SZ_4K), 0);
		return;
	}
	KUNIT_ASSERT_EQ(f->test, tce_remove(f->client, 0), 0);
	KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 12, f->window, f->form->levels,
					    &f->start), 0);
}

static void ready(struct failure *f)
{
	with_window(f);
	if (!f->form->v2)
		return;
	each_region(f, f->a, tce_register);
	each_region(f, f->b, tce_register);
	f->registered = failure_maps(f) || failure_unmaps(f);
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
	if (f->form->v2)
		KUNIT_ASSERT_EQ(f->test, tce_create(f->client, 16, SZ_64M, 1, &f->start), 0);
}

/* ---- which of them there are ---- */

static const struct failure_form forms[] = {
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

/* An operation, and bits of the forms that it exists in */
static const struct {
	struct failure_op op;
	u32 forms;
} ops[] = {
	{ { "open", nothing, &call_open, PLAIN, SMALL }, V1 | V2 },
	{ { "attach", opened, &call_attach, PLAIN, SMALL }, ALL_V1 | V2 | PSERIES },
	{ { "attach another", two_windows, &call_attach_other, PLAIN, SMALL }, V2 | KVM },
	{ { "EEH", attached, &call_eeh, PLAIN, SMALL }, V1 | V2 },
	{ { "enable", attached, &call_enable, PLAIN, SMALL }, ALL_V1 },
	{ { "disable", mapped, &call_disable, PLAIN, LARGE }, ALL_V1 },
	{ { "disable what was read", here_and_there, &call_disable, PLAIN, LARGE }, V1 },
	{ { "register", attached, &failure_register, PLAIN, LARGE }, V2 | KVM },
	{ { "register one", attached, &failure_register, PLAIN, PAGE_SIZE }, V2 | KVM },
	/* huge pages, and some ordinary ones behind them */
	{ { "register blocks", attached, &failure_register, THP, SZ_4M + SZ_128K }, V2 },
	{ { "register hugetlb", attached, &failure_register, HUGETLB, SZ_4M }, V2 },
	{ { "unregister", allowed, &call_unreg, PLAIN, SMALL }, V2 | KVM },
	{ { "default window", allowed, &call_first_unmap, PLAIN, SMALL }, ALL & ~(KVM | LEVELS) },
	{ { "create", with_window, &failure_create, PLAIN, SMALL }, ALL_V2 },
	{ { "create, with the default window", attached, &failure_create, PLAIN, SMALL },
	  ALL_V2 & ~PSERIES },
	{ { "remove", mapped, &failure_remove, SCATTERED, LARGE }, RELEASES & ~ALL_V1 },
	{ { "map", ready, &failure_map, SCATTERED, LARGE }, ALL },
	{ { "map one", ready, &failure_map_one, PLAIN, SMALL }, ALL },
	{ { "map, into other leaves", ready, &call_map_leaves, PLAIN, SMALL }, LEVELS },
	{ { "map one, into another leaf", ready, &call_map_other_leaf, PLAIN, SMALL }, LEVELS },
	{ { "map much", ready, &call_map_to_write, PLAIN, MUCH }, V1 | V2 | KVM },
	{ { "replace", mapped, &failure_map, PLAIN, LARGE }, ALL },
	{ { "replace much", mapped, &call_map_to_write, PLAIN, MUCH }, V1 | V2 | KVM },
	{ { "replace part", mapped, &call_map_part, PLAIN, SMALL }, ALL },
	{ { "replace one", mapped, &failure_map_one, PLAIN, SMALL }, ALL },
	{ { "replace some", here_and_there, &failure_map, SCATTERED, SMALL }, ALL },
	{ { "replace one that is alone", here_and_there, &failure_map_one, PLAIN, SMALL }, ALL },
	{ { "replace parts", in_parts, &failure_map, SCATTERED, SMALL }, ALL },
	{ { "unmap", mapped, &failure_unmap, PLAIN, LARGE }, RELEASES },
	{ { "unmap much", mapped, &failure_unmap, PLAIN, MUCH }, V1 | V2 | KVM },
	{ { "unmap what can't be read", mapped_to_write, &failure_unmap, PLAIN, LARGE }, V1 | V2 },
	{ { "unmap one", mapped, &call_unmap_one, PLAIN, SMALL }, RELEASES },
	{ { "unmap one that is alone", here_and_there, &call_unmap_one, PLAIN, SMALL }, ALL },
	{ { "unmap parts", in_parts, &failure_unmap, SCATTERED, SMALL }, ALL },
	{ { "detach", two_windows, &call_detach, SCATTERED, LARGE }, RELEASES },
	{ { "close", mapped, &failure_close, SCATTERED, LARGE }, RELEASES },
	{ { "map one run", ready, &failure_map, THP, PIECE }, ALL },
	{ { "map runs", ready, &failure_map, THP, SZ_2M }, RUNS },
	{ { "replace runs", mapped, &failure_map, THP, SZ_2M }, RUNS },
	{ { "unmap runs", mapped, &failure_unmap, THP, SZ_2M }, RUNS },
};

/* The parameter of a case */
struct param {
	const struct failure_op *op;
	const struct failure_form *form;
};

/* The next one, as a generator of parameters has to say it */
const void *failure_next(const void *prev, char *desc)
{
	static struct param all[ARRAY_SIZE(ops) * ARRAY_SIZE(forms)];
	struct param *param = prev ? (struct param *)prev + 1 : all;
	unsigned int i;

	for (; (i = param - all) < ARRAY_SIZE(all); param++) {
		unsigned int form = i % ARRAY_SIZE(forms);

		if (!(ops[i / ARRAY_SIZE(forms)].forms & BIT(form)))
			continue;
		param->op = &ops[i / ARRAY_SIZE(forms)].op;
		param->form = &forms[form];
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s: %s", param->form->name,
			 param->op->name);
		return param;
	}
	return NULL;
}

/* What the operation of the case's parameter needs, but not yet its state */
void failure_init(struct kunit *test, struct failure *f)
{
	const struct param *param = test->param_value;
	unsigned long size = param->op->size;
	struct tce_fixture *fx = test->priv;

	*f = (struct failure){ .test = test, .fx = fx, .op = param->op, .form = param->form };
	fx->mock->hcalls = f->form->hcalls;
	if (f->form->kvm)
		tce_watch(fx);
	/* as small as can be: all of it is looked at each time */
	f->window = f->form->levels > 1 && !f->form->kvm ? SZ_64M :
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
void failure_end(struct failure *f)
{
	/* memory that is mapped no more can be given back: nothing is miscounted */
	if (f->client && f->form->v2 && f->registered) {
		KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
		each_region(f, f->a, tce_unregister);
		each_region(f, f->b, tce_unregister);
	}
	f->registered = false;
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	KUNIT_EXPECT_PTR_EQ(f->test, f->grp->tg.ops, &tce_mock_group_ops);
	tce_expect_balance(f->fx);
}
