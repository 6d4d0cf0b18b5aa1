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
#include "tce_failure.h"
#include "tce_guest.h"

/**
 * struct failure_way - how operations are made to fail
 * @name: for messages
 * @fault: what fails
 * @rc: with this result
 * @want: what the operation says then
 * @when: the operations that are made to fail so; may be NULL: all that ask for @fault
 * @failed: expects what holds then
 * @may_succeed: or the operation succeeds in another way
 * @sticky: from then on it always fails
 * @keeps: from then on these bridges release no window, a bit for each of two groups
 * @once: only the first call is made to fail
 */
struct failure_way {
	const char *name;
	enum tce_fault fault;
	int rc;
	long want;
	bool (*when)(const struct failure *f);
	void (*failed)(struct failure *f, const struct failure_way *way, unsigned int nth, long rc);
	bool may_succeed;
	bool sticky;
	u8 keeps;
	bool once;
};

static bool maps(const struct failure *f)
{
	return failure_maps(f);
}

static bool makes(const struct failure *f)
{
	return !f->op->call->releases;
}

static bool releases(const struct failure *f)
{
	return f->op->call->releases;
}

static bool creates(const struct failure *f)
{
	return f->op->call == &failure_create;
}

/* It takes away what is mapped, and its window. */
static bool ends(const struct failure *f)
{
	return f->op->call == &failure_remove || f->op->call == &failure_close;
}

static bool ends_two(const struct failure *f)
{
	return ends(f) && f->form->two && !f->form->hcalls;
}

static bool powernv(const struct failure *f)
{
	return !f->form->hcalls;
}

static bool pseries(const struct failure *f)
{
	return f->form->hcalls;
}

/* What is pinned for v1 then stays so, see keeps_pages(). */
static bool is_v2(const struct failure *f)
{
	return f->form->v2;
}

/* What a call that ends in the middle has unmapped, or left to be unmapped */
static u64 may_be_less(const struct failure *f)
{
	return BIT_ULL(TCE_ENTRIES) | BIT_ULL(TCE_SUM) | BIT_ULL(TCE_REACHED) |
	       BIT_ULL(TCE_MAPPED) |
	       (f->form->v2 ? 0 : BIT_ULL(TCE_PINS) | BIT_ULL(TCE_V1_PAGES));
}

/*
 * A MAP that has failed in the middle has unmapped all of its range, and nothing else. Where it
 * fails before that, it changes nothing.
 */
static void expect_state(struct failure *f, const char *what)
{
	unsigned long n = failure_maps(f);
	struct tce_state now;

	tce_get_state(f->fx, &now);
	if (!n || now.n[TCE_SUM] == f->before.n[TCE_SUM]) {
		tce_expect_state(f->fx, &f->before, what);
		return;
	}
	KUNIT_EXPECT_LT_MSG(f->test, 1, n, "%s: one entry", what);
	failure_expect_unmapped(f);
	tce_expect_less(f->fx, &f->before, what, may_be_less(f));
	if (!f->form->v2 && !now.n[TCE_ENTRIES])
		KUNIT_EXPECT_EQ_MSG(f->test, now.n[TCE_PINS], 0, "%s: pins", what);
}

/* The operation has failed as it has to, or it has got along. */
static void has_failed(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	bool copy = way->fault == TCE_FAULT_ALLOC && tce_fault_hit_copy(rc);
	char what[48];

	if (!rc && way->may_succeed) {
		failure_expect_done(f);
		return;
	}
	snprintf(what, sizeof(what), "%s %u", way->name, nth);
	KUNIT_EXPECT_EQ_MSG(f->test, rc, copy ? -EFAULT : way->want, "%s", what);
	/* of CREATE the default window may be left, as made first */
	if (rc && (!copy || !creates(f)))
		expect_state(f, what);
}

/*
 * A run is not written, or only from its start to some entry. From then on no run is, nor is one
 * cleared from its start to its end.
 */
static void not_written(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, -EIO, "%s %u", way->name, nth);
	failure_expect_unmapped(f);
}

/* A run that is not cleared, or only from its start to some entry, is cleared in another way. */
static void cleared_all_the_same(struct failure *f, const struct failure_way *way,
				 unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, 0, "%s %u", way->name, nth);
	failure_expect_done(f);
}

/*
 * A bridge does not accept a window, and from then on does not release any: what had been
 * set in it before stays there, but the operation has failed all the same, and nothing but
 * tables is kept.
 */
static void not_set(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	unsigned int set = way->fault == TCE_FAULT_LINK ? nth : nth - 1;

	KUNIT_EXPECT_EQ_MSG(f->test, rc, way->want, "%s %u", way->name, nth);
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(f->fx->mock).live, 0, "%s %u", way->name, nth);
	/* each window that was set in any bridge has left one table there */
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_forget_bridges(f->fx->mock),
			    f->form->two ? DIV_ROUND_UP(set, 2) : set, "%s %u", way->name, nth);
}

/* MAP fails, and so does unmapping its range; still nothing is released. */
static void not_undone(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, -EIO, "%s %u", way->name, nth);
	/* in the end all can be unmapped */
	KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(f->fx->mock).live, 0);
}

/*
 * A bridge keeps a window. REMOVE says so, whoever else takes windows away can't; the window is
 * empty, its table stays, and nothing else does. For the container it is gone, and another window
 * can take its place, but on pseries, where the group keeps it.
 */
static void not_unset(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	bool removes = f->op->call == &failure_remove;
	struct tce_mock *mock = f->fx->mock;
	u64 start;

	KUNIT_EXPECT_EQ_MSG(f->test, rc, removes ? -EIO : 0, "%s %u", way->name, nth);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(mock).live, 0, "%s %u", way->name, nth);
	if (removes)
		KUNIT_EXPECT_EQ(f->test, tce_remove(f->client, f->start), -EINVAL);
	if (removes && !f->form->hcalls) {
		KUNIT_EXPECT_EQ(f->test, tce_create(f->client, 12, SZ_16M, 1, &start), 0);
		KUNIT_EXPECT_EQ(f->test, start, f->start);
	}
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_count(mock).tables, 1, "%s %u", way->name, nth);
	KUNIT_EXPECT_EQ(f->test, tce_mock_forget_bridges(mock), 1);
}

/*
 * Entries can't be cleared: the first, the second, ... or none from then on. UNMAP goes on with the
 * next ones, in other chunks as well, says so, and tries again when it is asked again. Nothing that
 * a device still reaches is let go, and in the end nothing is left.
 */
static void not_cleared(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, failure_unmaps(f) ? -EIO : 0, "%s %u", way->name, nth);
	if (!failure_unmaps(f))
		return;
	/* with KVM it may have been an empty one */
	if (f->op->call == &failure_unmap && !way->sticky)
		KUNIT_EXPECT_LE_MSG(f->test, tce_mock_count(f->fx->mock).live, 1, "%s %u",
				    way->name, nth);
	KUNIT_EXPECT_EQ(f->test, f->op->call->run(f), 0);
	failure_expect_done(f);
}

/*
 * The platform refuses to exchange any entry, from the operation to the end of the
 * container. A call that reports this has to report it correctly, and then devices
 * reach nothing.
 */
static void is_dead(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	struct tce_fixture *fx = f->fx;
	long left;

	/* MAP and UNMAP; nobody else can do anything about it */
	KUNIT_EXPECT_EQ(f->test, rc, makes(f) || failure_unmaps(f) ? -EIO : 0);
	tce_fault_arm_sticky(fx->mock, way->fault, way->rc);
	if (f->client)
		tce_close(f->client);
	f->client = NULL;
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(fx->mock).live, 0);
	KUNIT_EXPECT_EQ(f->test, tce_mock_count(fx->mock).tables, 0);
	/* what is left in a table of pseries the next user of the window reaches */
	left = atomic_long_read(&tce_leaked_pages) - fx->begun.n[TCE_LEAKED_PAGES] -
	       fx->pages_left;
	if (f->form->hcalls && left)
		fx->pages_left += f->op->size >> PAGE_SHIFT;
}

/* Nothing but the device has these pages of the process any more. Undoes what nothing else will. */
static void expect_left(struct failure *f, struct page **pages, unsigned long n, bool mapped)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		if (!f->form->v2) {
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
 * A bridge keeps a window, and in it entries that can't be cleared: the devices still reach the
 * pages, so that these stay when the container and the process have let them go, and nothing else
 * does, but for the pages of a region that KVM still counts: any entry may have these. A region
 * counts as mapped as long as the process has containers.
 */
static void keeps_pages(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	struct tce_mock_group *keeper = way->keeps & 1 ? f->grp : f->other;
	unsigned long n = f->op->size >> PAGE_SHIFT, i;
	bool removes = f->op->call == &failure_remove;
	bool counted = removes && f->form->kvm;
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
			    tce_unregister(f->client, f->a, failure_region(f)));
	if (counted)
		kvm_count(f->test, f->b, 1);
	/* all the same if its process is being killed */
	tce_fault_arm_sticky(fx->mock, way->fault, way->rc);
	if (f->client)
		TCE_DO_KILLED(tce_close(f->client));
	f->client = NULL;
	tce_fault_disarm(fx->mock);
	fx->pages_left += counted ? 2 * n : n;
	/* regions of the kernel's list live for a grace period more */
	rcu_barrier();
	KUNIT_EXPECT_EQ(f->test, tce_mock_pins(fx->mock), f->form->v2 ? 0 : n);
	tce_expect_mapped(fx, keeper, 0, 0, f->a, f->op->size, TCE_RW);
	tce_renew(fx, f->a, f->op->size);
	tce_renew(fx, f->b, f->op->size);
	KUNIT_EXPECT_EQ(f->test, tce_mock_forget_bridges(fx->mock), 1);
	expect_left(f, pages, n, true);
	if (counted)
		expect_left(f, pages + n, n, false);
}

/* There are more pins to come, or more than one chunk, or as many regions as pages. */
static bool has_to_end(const struct failure *f, unsigned int nth)
{
	if (f->op->call == &failure_register)
		return nth <= f->pins;
	if (nth > 1)
		return false;
	return (f->form->two && failure_maps(f) * SZ_4K > failure_region(f)) ||
	       ((failure_maps(f) || failure_unmaps(f)) && f->op->size > TCE_CHUNK * SZ_4K);
}

/*
 * It is done completely, or can be repeated; what makes something has changed nothing then, and
 * what releases something has at most unmapped some of it.
 */
static void is_killed(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	if (rc) {
		KUNIT_EXPECT_FALSE(f->test, f->op->call->by_core);
		KUNIT_EXPECT_EQ_MSG(f->test, rc, -EINTR, "%s %u", way->name, nth);
		if (makes(f))
			expect_state(f, way->name);
		else
			tce_expect_less(f->fx, &f->before, way->name, may_be_less(f));
		KUNIT_EXPECT_EQ(f->test, f->op->call->run(f), 0);
	}
	if (has_to_end(f, nth))
		KUNIT_EXPECT_EQ_MSG(f->test, rc, -EINTR, "%s %u", way->name, nth);
	failure_expect_done(f);
}

static const struct failure_way ways[] = {
	{ "SIGKILL", TCE_FAULT_SIGKILL, 0, -EINTR, NULL, is_killed },
	{ "allocation", TCE_FAULT_ALLOC, 0, -ENOMEM, makes, has_failed, .may_succeed = true },
	{ "allocation of a release", TCE_FAULT_ALLOC, 0, 0, releases, has_failed,
	  .may_succeed = true },
	{ "pin", TCE_FAULT_PIN, -EINTR, -EINTR, NULL, has_failed },
	/* somebody else holds the page for a moment */
	{ "pin once", TCE_FAULT_PIN, -ENOMEM, 0, NULL, has_failed, .may_succeed = true },
	{ "registration", TCE_FAULT_REGISTER, -ENOMEM, -ENOMEM, NULL, has_failed },
	/* the bridge does not release the host's windows */
	{ "take", TCE_FAULT_TAKE, -5, -EIO, NULL, has_failed },
	{ "create_table", TCE_FAULT_CREATE, -ENOSPC, -ENOSPC, NULL, has_failed },
	/* what becomes of set_window()'s -EPERM: on powernv that is a number of OPAL's */
	{ "set_window", TCE_FAULT_SET, -EPERM, -EIO, powernv, has_failed },
	{ "set_window", TCE_FAULT_SET, -EPERM, -EPERM, pseries, has_failed },
	{ "set_window is lost", TCE_FAULT_LINK, 0, -ENOMEM, NULL, has_failed },
	{ "set_window and unset_window", TCE_FAULT_SET, -EPERM, -EIO, powernv, not_set,
	  .keeps = 3 },
	/* it is unknown whether the bridge has the window, and it keeps it */
	{ "set_window is lost, and unset_window", TCE_FAULT_LINK, 0, -ENOMEM, powernv, not_set,
	  .keeps = 3 },
	{ "unset_window", TCE_FAULT_UNSET, -5, 0, NULL, not_unset },
	{ "level", TCE_FAULT_LEVEL, 0, -ENOMEM, maps, has_failed },
	/* a window whose leaf can't be looked at has its userspace entries elsewhere */
	{ "level of a new window", TCE_FAULT_LEVEL, 0, -ENOMEM, creates, has_failed,
	  .may_succeed = true },
	{ "exchange", TCE_FAULT_XCHG, -4, -EIO, makes, has_failed },
	{ "exchange and undo", TCE_FAULT_XCHG, -4, -EIO, maps, not_undone, .sticky = true },
	{ "set", TCE_FAULT_BUILD, -ENOMEM, -ENOMEM, NULL, has_failed },
	{ "set is lost", TCE_FAULT_LOST, 0, -EIO, makes, not_written, .sticky = true },
	{ "clear is lost", TCE_FAULT_LOST, 0, 0, releases, cleared_all_the_same, .sticky = true },
	{ "clear once", TCE_FAULT_CLEAR, -4, 0, releases, not_cleared },
	{ "clear for good", TCE_FAULT_CLEAR, -4, 0, releases, not_cleared, .sticky = true },
	{ "clear, and unset_window", TCE_FAULT_CLEAR, -4, 0, ends, keeps_pages, .sticky = true,
	  .once = true, .keeps = 1 },
	{ "clear, and unset_window of the other", TCE_FAULT_CLEAR, -4, 0, ends_two, keeps_pages,
	  .sticky = true, .once = true, .keeps = 2 },
	{ "dead platform", TCE_FAULT_XCHG, -4, 0, is_v2, is_dead, .sticky = true, .once = true },
};

/* Operations that were made to fail in each of these ways */
static unsigned int met[ARRAY_SIZE(ways)];

/* Each of the first 17 calls, then only the 32nd and the 33rd, the 64th and the 65th, and so on. */
static unsigned int next_call(unsigned int nth)
{
	if (nth <= 16)
		return nth + 1;
	return nth % 2 ? 2 * nth - 2 : nth + 1;
}

/* Fail one call of each run (next_call()), until a run makes fewer calls than that. */
static void fail_each(struct failure *f, const struct failure_way *way)
{
	struct tce_mock *mock = f->fx->mock;
	unsigned int nth, hits = 1;
	long rc;

	for (nth = 1; hits && !(way->once && nth > 1); nth = next_call(nth)) {
		f->op->setup(f);
		tce_get_state(f->fx, &f->before);
		f->grp->keeps = way->keeps & 1;
		f->other->keeps = way->keeps & 2;
		mock->kept = way->failed == keeps_pages && f->form->v2;
		tce_fault_arm(mock, way->fault, nth, way->rc);
		mock->fault_sticky = way->sticky;
		rc = f->op->call->run(f);
		hits = tce_fault_disarm(mock);
		if (hits) {
			way->failed(f, way, nth, rc);
		} else {
			KUNIT_EXPECT_EQ_MSG(f->test, rc, 0, "%s", way->name);
			failure_expect_done(f);
		}
		failure_end(f);
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
	failure_expect_done(f);
	failure_end(f);
}

static void operation(struct kunit *test)
{
	unsigned int asked[TCE_FAULTS], i;
	struct failure f;

	failure_init(test, &f);
	find_asked(&f, asked);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		struct failure_way way = ways[i];

		/* entries that are cleared as a run are asked for if that fails */
		if (!(asked[way.fault] || way.failed == keeps_pages) || (way.when && !way.when(&f)))
			continue;
		met[i]++;
		do {
			fail_each(&f, &way);
			/* so many entries of a run are not lost */
			way.rc = 2 * way.rc + 1;
		} while (way.fault == TCE_FAULT_LOST && way.rc < f.op->size / SZ_4K);
	}
}

TCE_GENERATOR(operations, failure_next)

/* Each way to fail has met some operation of the case before; says if allocations can't fail. */
static void each_was_met(struct kunit *test)
{
	unsigned int i;

	tce_needs_faults(test);
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		KUNIT_EXPECT_NE_MSG(test, met[i], 0, "%s", ways[i].name);
}

static struct kunit_case tce_failure_cases[] = {
	KUNIT_CASE_PARAM(operation, operations_gen_params),
	KUNIT_CASE(each_was_met),
	{}
};

TCE_SUITE(tce_failure);
