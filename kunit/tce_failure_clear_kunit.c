// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_failure_clear: what removes mappings and windows fails once, for good, or
 * without an errno. Nothing that a device can reach is released.
 */
#include "../tce_mm.h"
#include "tce_failure.h"

OPS_THAT(fails_to_unset_window, failure_meets(op, TCE_FAULT_UNSET))
OPS_THAT(fails_to_clear, op->never && failure_meets(op, TCE_FAULT_CLEAR))
OPS_THAT(fails_to_clear_runs, op->never && failure_meets(op, TCE_FAULT_LOST))
/* what is pinned for v1 then stays so, see tce_debugfs.kept_for_good */
OPS_ELSEWHERE(clear_elsewhere, op->never && op->meets)
OPS_THAT(fails_with_the_platform, op->v2 && failure_meets(op, TCE_FAULT_XCHG))

/*
 * A bridge keeps a window. REMOVE says so, whoever else takes windows away can't;
 * the window is empty, its table stays, and nothing else does.
 */
static void not_unset(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	struct tce_mock *mock = f->fx->mock;

	KUNIT_EXPECT_EQ_MSG(f->test, rc, f->op->run == failure_remove ? -EIO : 0, "failure %u",
			    nth);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_live(mock), 0, "failure %u", nth);
	if (f->client)
		tce_close(f->client);
	KUNIT_EXPECT_EQ_MSG(f->test, tce_mock_tables(mock), 1, "failure %u", nth);
	KUNIT_EXPECT_EQ(f->test, tce_mock_forget_bridges(mock), 1);
	f->client = NULL;
}

static void unset_window(struct kunit *test)
{
	failure_each(test, &(struct failure_way){
		.fault = TCE_FAULT_UNSET, .rc = -5, .failed = not_unset,
	});
}

/*
 * Entries can't be cleared: the first, the second, ... or none from then on.
 * UNMAP says so, and tries again when it is asked again. Nothing that a device
 * still reaches is let go, and in the end nothing is left.
 */
static void not_cleared(struct failure *f, const struct failure_way *way, unsigned int nth, long rc)
{
	if (f->op->run != failure_unmap && f->op->run != failure_unmap_one) {
		KUNIT_EXPECT_EQ(f->test, rc, 0);
		return;
	}
	KUNIT_EXPECT_EQ(f->test, rc, -EIO);
	KUNIT_EXPECT_EQ(f->test, f->op->run(f), 0);
	tce_expect_empty(f->fx, f->grp, 0, 0, f->op->run == failure_unmap ? SZ_2M : SZ_4K);
}

static void clear_fails(struct kunit *test, bool for_good)
{
	failure_each(test, &(struct failure_way){
		.fault = TCE_FAULT_CLEAR, .rc = -4, .sticky = for_good, .failed = not_cleared,
	});
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

	tce_needs_faults(test);
	fx->mock->then_no_memory = true;
	clear_fails(test, true);
}

/*
 * A run that is not cleared, or only from its start to some entry, though no error is reported, is
 * cleared in another way.
 */
static void clear_is_lost(struct kunit *test)
{
	unsigned int hits = 1;
	struct failure f;
	int done;
	long rc;

	failure_init(test, &f);
	for (done = 0; hits && done < f.op->size / SZ_4K; done = 2 * done + 1) {
		f.op->setup(&f);
		tce_fault_arm_sticky(f.fx->mock, TCE_FAULT_LOST, done);
		rc = f.op->run(&f);
		hits = tce_fault_disarm(f.fx->mock);
		KUNIT_EXPECT_EQ(test, rc, 0);
		failure_expect_done(&f);
		failure_clean_up(&f);
	}
	if (!hits)
		failure_never_met(&f, TCE_FAULT_LOST);
}

/* An entry in the first chunk of an UNMAP can't be cleared. All others are, and UNMAP says so. */
static void clear_fails_in_the_first_chunk(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_8M);
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready_for(fx, v2, ua, SZ_8M, &grp);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_8M, TCE_RW), 0);
		/* so that the first entry is no part of a run, which is cleared in another way */
		KUNIT_ASSERT_EQ(test, tce_unmap(client, SZ_4K, SZ_4K), 0);
		tce_fault_arm(fx->mock, TCE_FAULT_CLEAR, 1, -4);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_8M), -EIO);
		KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		tce_expect_empty(fx, grp, 0, SZ_4M, SZ_4M);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_8M), 0);
		tce_expect_empty(fx, grp, 0, 0, SZ_8M);
		tce_close(client);
	}
}

/*
 * The platform refuses to exchange any entry, from the operation to the end of the
 * container. A call that reports this has to report it correctly, and then devices
 * reach nothing.
 */
static void platform_is_dead(struct kunit *test)
{
	struct failure f;
	unsigned int hits;
	long rc, left;
	bool told;

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
	told = !f.op->never || f.op->run == failure_unmap || f.op->run == failure_unmap_one;
	KUNIT_EXPECT_EQ(test, rc, hits && told ? -EIO : 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(f.fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(f.fx->mock), 0);
	/* what is left in a table of pseries the next user of the window reaches */
	left = atomic_long_read(&tce_leaked_pages) - f.fx->begun.n[TCE_LEAKED_PAGES];
	f.fx->pages_left = f.op->hcalls && left ? f.op->size >> PAGE_SHIFT : 0;
	tce_expect_balance(f.fx);
	if (!hits)
		failure_never_met(&f, TCE_FAULT_XCHG);
}

/* Entries that a device may only write are not taken for empty ones either. */
static void clear_of_write_only_is_lost(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_512K);
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready_for(fx, v2, ua, SZ_512K, &grp);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_512K, TCE_W), 0);
		tce_fault_arm_sticky(fx->mock, TCE_FAULT_LOST, 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_512K), 0);
		KUNIT_EXPECT_GE(test, tce_fault_disarm(fx->mock), 1);
		tce_expect_empty(fx, grp, 0, 0, SZ_512K);
	}
}

/* The same on the other platform, with two groups, and with two regions. */
static void clear_elsewhere(struct kunit *test)
{
	const struct failure_op *op = test->param_value;
	unsigned int asked[TCE_FAULTS];

	if (!failure_asks(test, asked))
		KUNIT_FAIL(test, "it asks for nothing");
	if (asked[TCE_FAULT_UNSET])
		unset_window(test);
	if (asked[TCE_FAULT_CLEAR]) {
		clear_once(test);
		clear_for_good(test);
	}
	if (asked[TCE_FAULT_LOST])
		clear_is_lost(test);
	if (asked[TCE_FAULT_XCHG] && op->v2)
		platform_is_dead(test);
}

static struct kunit_case tce_failure_clear_cases[] = {
	KUNIT_CASE_PARAM(unset_window, fails_to_unset_window_gen_params),
	KUNIT_CASE_PARAM(clear_once, fails_to_clear_gen_params),
	KUNIT_CASE_PARAM(clear_for_good, fails_to_clear_gen_params),
	KUNIT_CASE_PARAM(clear_and_no_memory, fails_to_clear_gen_params),
	KUNIT_CASE(clear_fails_in_the_first_chunk),
	KUNIT_CASE(clear_of_write_only_is_lost),
	KUNIT_CASE_PARAM(clear_is_lost, fails_to_clear_runs_gen_params),
	KUNIT_CASE_PARAM(platform_is_dead, fails_with_the_platform_gen_params),
	KUNIT_CASE_PARAM(clear_elsewhere, clear_elsewhere_gen_params),
	{}
};

TCE_SUITE(tce_failure_clear);
