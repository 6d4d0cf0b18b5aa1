// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_failure: in every operation, everything that it depends on fails once: the
 * first call of it, then the second, and so on until none is left to fail. After each
 * failure the devices reach what they reached before, or nothing by the entries that a
 * MAP has begun to write, nothing is leaked, and user space gets the errno that is
 * documented.
 *
 * The table of operations says which failure can meet which operation, and only
 * these pairs are parameters. The case nothing_fails checks that table.
 */
#include "tce_failure.h"

OPS_THAT(every, true)
/* attach asks for nothing else, and not where a group has no window of its own */
OPS_ELSEWHERE(elsewhere, !op->never && op->meets & ~BIT(TCE_FAULT_TAKE))
OPS_THAT(fails_to_exchange, !op->never && failure_meets(op, TCE_FAULT_XCHG))
/* one entry needs no more room than there is */
OPS_THAT(fails_to_exchange_many, fails_to_exchange_op(op) && op->run == failure_map)
OPS_THAT(fails_to_set, !op->never && failure_meets(op, TCE_FAULT_BUILD))
OPS_THAT(fails_to_grow, failure_meets(op, TCE_FAULT_LEVEL))
OPS_THAT(fails_to_pin, failure_meets(op, TCE_FAULT_PIN))
OPS_THAT(fails_to_register, failure_meets(op, TCE_FAULT_REGISTER))
OPS_THAT(fails_to_take, failure_meets(op, TCE_FAULT_TAKE))
OPS_THAT(fails_to_create, failure_meets(op, TCE_FAULT_CREATE))
OPS_THAT(fails_to_set_window, failure_meets(op, TCE_FAULT_SET))

/*
 * A MAP that has failed in the middle has unmapped all of its range. Where it fails before
 * that, it changes nothing.
 */
static void expect_state(struct failure *f, unsigned int nth)
{
	unsigned long n = failure_maps(f);
	struct tce_state now;
	char what[32];

	snprintf(what, sizeof(what), "failure %u", nth);
	tce_get_state(f->fx, &now);
	if (!n || now.n[TCE_SUM] == f->before.n[TCE_SUM]) {
		tce_expect_state(f->fx, &f->before, what);
		return;
	}
	KUNIT_EXPECT_LT_MSG(f->test, 1, n, "failure %u: one entry", nth);
	failure_expect_unmapped(f);
	tce_expect_less(f->fx, &f->before, what, BIT_ULL(TCE_ENTRIES) | BIT_ULL(TCE_SUM) |
			BIT_ULL(TCE_REACHED) | BIT_ULL(TCE_MAPPED) |
			(f->op->v2 ? 0 : BIT_ULL(TCE_PINS) | BIT_ULL(TCE_V1_PAGES)));
	if (!f->op->v2 && !now.n[TCE_ENTRIES])
		KUNIT_EXPECT_EQ_MSG(f->test, now.n[TCE_PINS], 0, "failure %u: pins", nth);
}

/* The operation has failed as it has to, or it has got along. */
static void has_failed(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	/* an allocation was meant, but copies can fail, too */
	bool copy = way->fault == TCE_FAULT_ALLOC && rc == -EFAULT &&
		    IS_ENABLED(CONFIG_FAULT_INJECTION_USERCOPY);

	if (!rc && way->may_succeed) {
		failure_expect_done(f);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(f->test, rc, copy ? -EFAULT : way->want, "failure %u", nth);
	/* of CREATE the default window may be left, as made first */
	if (rc && (!copy || f->op->run != failure_create))
		expect_state(f, nth);
}

static void fail_each(struct kunit *test, enum tce_fault fault, int rc, long want, bool may_succeed)
{
	failure_each(test, &(struct failure_way){
		.fault = fault, .rc = rc, .want = want, .may_succeed = may_succeed,
		.failed = has_failed,
	});
}

/*
 * Without a failure: each operation asks for what the table says, and for nothing
 * else.
 */
static void nothing_fails(struct kunit *test)
{
	struct failure f = { .test = test, .op = test->param_value };
	unsigned int asked[TCE_FAULTS];
	enum tce_fault fault;

	failure_asks(test, asked);
	for (fault = TCE_FAULT_NONE + 1; fault < TCE_FAULTS; fault++) {
		if (!asked[fault] && failure_meets(f.op, fault))
			failure_never_met(&f, fault);
		if (asked[fault] && !failure_may_meet(f.op, fault))
			KUNIT_FAIL(test, "it asks for failure %d, which the table does not say",
				   fault);
	}
	/* in one way or the other */
	if (failure_may_meet(f.op, TCE_FAULT_LOST))
		KUNIT_EXPECT_TRUE(test, asked[TCE_FAULT_XCHG] || asked[TCE_FAULT_LOST]);
}

static void allocation(struct kunit *test)
{
	const struct failure_op *op = test->param_value;

	tce_needs_faults(test);
	fail_each(test, TCE_FAULT_ALLOC, 0, op->never ? 0 : -ENOMEM, true);
}

static void exchange(struct kunit *test)
{
	fail_each(test, TCE_FAULT_XCHG, -4, -EIO, false);
}

/* And then memory is short while what was replaced is gathered, which needs none. */
static void exchange_and_no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	tce_needs_faults(test);
	fx->mock->then_no_memory = true;
	failure_each(test, &(struct failure_way){
		.fault = TCE_FAULT_XCHG, .rc = -4, .want = -EIO, .all = 2, .failed = has_failed,
	});
}

static void set(struct kunit *test)
{
	fail_each(test, TCE_FAULT_BUILD, -ENOMEM, -ENOMEM, false);
}

/*
 * A run is not written, or only from its start to some entry. From then on no run is, nor is one
 * cleared from its start to its end.
 */
static void not_written(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, -EIO, "failure %u after %d", nth, way->rc);
	failure_expect_unmapped(f);
}

static void set_is_lost(struct kunit *test)
{
	const struct failure_op *op = test->param_value;
	int done;

	for (done = 0; done < op->size / SZ_4K; done = 2 * done + 1)
		failure_each(test, &(struct failure_way){
			.fault = TCE_FAULT_LOST, .rc = done, .sticky = true, .failed = not_written,
		});
}

/* A window whose leaf can't be looked at exists, and its userspace entries are found elsewhere. */
static void level(struct kunit *test)
{
	const struct failure_op *op = test->param_value;

	fail_each(test, TCE_FAULT_LEVEL, 0, -ENOMEM, op->run == failure_create);
}

static void pin(struct kunit *test)
{
	fail_each(test, TCE_FAULT_PIN, -EINTR, -EINTR, false);
}

static void registration(struct kunit *test)
{
	fail_each(test, TCE_FAULT_REGISTER, -ENOMEM, -ENOMEM, false);
}

/* The bridge does not release the host's windows. */
static void take(struct kunit *test)
{
	fail_each(test, TCE_FAULT_TAKE, -5, -EIO, false);
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
 * A bridge does not accept a window, and from then on does not release any: what had been
 * set in it before stays there, but the operation has failed all the same, and nothing but
 * tables is kept.
 */
static void not_set(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ_MSG(f->test, rc, way->want, "failure %u", nth);
	if (f->client)
		tce_close(f->client);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_live(f->fx->mock), 0, "failure %u", nth);
	/* each window that was set in any bridge before has left one table there */
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_forget_bridges(f->fx->mock),
			    f->op->two ? nth / 2 : nth - 1, "failure %u", nth);
	f->client = NULL;
}

static void set_and_unset_window(struct kunit *test)
{
	failure_each(test, &(struct failure_way){
		.fault = TCE_FAULT_SET, .rc = -EPERM, .want = bridge_says(test), .keeps = true,
		.failed = not_set,
	});
}

/* MAP fails, and so does unmapping its range; still nothing is released. */
static void not_undone(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	KUNIT_EXPECT_EQ(f->test, rc, -EIO);
	/* in the end all can be unmapped */
	KUNIT_EXPECT_EQ(f->test, tce_unmap(f->client, 0, f->window), 0);
	KUNIT_EXPECT_EQ(f->test, tce_mock_live(f->fx->mock), 0);
}

static void undo_fails(struct kunit *test)
{
	failure_each(test, &(struct failure_way){
		.fault = TCE_FAULT_XCHG, .rc = -4, .sticky = true, .failed = not_undone,
	});
}

/* The same on the other platform, with two groups, and with two regions. */
static void elsewhere(struct kunit *test)
{
	static void (*const fails[TCE_FAULTS])(struct kunit *test) = {
		[TCE_FAULT_CREATE] = create_table, [TCE_FAULT_SET] = set_window,
		[TCE_FAULT_LINK] = set_window_is_lost, [TCE_FAULT_TAKE] = take,
		[TCE_FAULT_XCHG] = exchange, [TCE_FAULT_BUILD] = set,
		[TCE_FAULT_LOST] = set_is_lost, [TCE_FAULT_LEVEL] = level,
		[TCE_FAULT_PIN] = pin, [TCE_FAULT_REGISTER] = registration,
	};
	const struct failure_op *op = test->param_value;
	unsigned int asked[TCE_FAULTS];
	enum tce_fault fault;

	if (!failure_asks(test, asked))
		KUNIT_FAIL(test, "it asks for nothing");
	for (fault = TCE_FAULT_NONE + 1; fault < TCE_FAULTS; fault++)
		if (asked[fault] && fails[fault])
			fails[fault](test);
	if (asked[TCE_FAULT_SET] && !op->hcalls)
		set_and_unset_window(test);
}

static struct kunit_case tce_failure_cases[] = {
	KUNIT_CASE_PARAM(nothing_fails, every_gen_params),
	KUNIT_CASE_PARAM(allocation, every_gen_params),
	KUNIT_CASE_PARAM(exchange, fails_to_exchange_gen_params),
	KUNIT_CASE_PARAM(exchange_and_no_memory, fails_to_exchange_many_gen_params),
	KUNIT_CASE_PARAM(set, fails_to_set_gen_params),
	KUNIT_CASE_PARAM(set_is_lost, fails_to_set_gen_params),
	KUNIT_CASE_PARAM(level, fails_to_grow_gen_params),
	KUNIT_CASE_PARAM(pin, fails_to_pin_gen_params),
	KUNIT_CASE_PARAM(registration, fails_to_register_gen_params),
	KUNIT_CASE_PARAM(take, fails_to_take_gen_params),
	KUNIT_CASE_PARAM(create_table, fails_to_create_gen_params),
	KUNIT_CASE_PARAM(set_window, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(set_window_is_lost, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(set_and_unset_window, fails_to_set_window_gen_params),
	KUNIT_CASE_PARAM(undo_fails, fails_to_exchange_gen_params),
	KUNIT_CASE_PARAM(elsewhere, elsewhere_gen_params),
	{}
};

TCE_SUITE(tce_failure);
