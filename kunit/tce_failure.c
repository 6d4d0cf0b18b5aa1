// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the suites of failures share, see tce_failure.h.
 */
#include "tce_failure.h"

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
	f->grp = tce_group(f->fx);
	f->other = tce_group(f->fx);
	f->a = tce_memory(f->fx, f->op->kind, f->op->size);
	f->b = tce_memory(f->fx, f->op->kind, f->op->size);
	KUNIT_ASSERT_NE(test, f->a, 0);
	KUNIT_ASSERT_NE(test, f->b, 0);
}

/* Close what the operation has left open: nothing is pinned or charged then. */
void failure_clean_up(struct failure *f)
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
unsigned int failure_next_after(unsigned int nth, unsigned int all)
{
	return nth < all ? nth + 1 : nth + 1 + nth / 3;
}

/* The same for the first 16. */
unsigned int failure_next(unsigned int nth)
{
	return failure_next_after(nth, 16);
}

/*
 * The failure was never asked for. Where the table says that the operation always
 * asks for it, the table is wrong, or the driver. Else the case is skipped, unless it
 * has failed already: KUnit would forget that.
 */
void failure_never_met(struct failure *f, enum tce_fault fault)
{
	if (failure_meets(f->op, fault))
		KUNIT_FAIL(f->test, "the table says so, but it does not ask for failure %d",
			   fault);
	else if (f->test->status != KUNIT_FAILURE)
		kunit_skip(f->test, "%s",
			   fault == TCE_FAULT_XCHG || fault == TCE_FAULT_CLEAR ?
			   "all is done by the run here" :
			   "all is done one by one here");
}
