// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that are made to fail, see tce_mock.h.
 *
 * Memory of the platform's own is allocated with faults switched off, since only the
 * driver's are to fail.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "tce_mock.h"

/**
 * tce_quiet_begin() - switch allocation faults of this thread off
 *
 * Return: what tce_quiet_end() wants to have back.
 */
unsigned int tce_quiet_begin(void)
{
	unsigned int nth = 0;

#ifdef CONFIG_FAULT_INJECTION
	nth = current->fail_nth;
	current->fail_nth = 0;
#endif
	return nth;
}

/**
 * tce_quiet_end() - undo tce_quiet_begin()
 * @nth: what it returned
 */
void tce_quiet_end(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = nth;
#endif
}

/**
 * tce_fault_arm() - make one call fail
 * @mock: the platform
 * @fault: a call of what
 * @nth: which one from now on, the next is 1
 * @rc: its result; for TCE_FAULT_ALLOC it has no meaning
 *
 * Context: the thread that will do the calls. Undone by tce_fault_disarm().
 */
void tce_fault_arm(struct tce_mock *mock, enum tce_fault fault,
		   unsigned int nth, int rc)
{
	mock->fault_left = nth;
	mock->fault_rc = rc;
	mock->fault_sticky = false;
	mock->fault_hits = 0;
	mock->fault = fault;
	if (fault == TCE_FAULT_ALLOC)
		tce_quiet_end(nth);
}

/**
 * tce_fault_arm_from() - make a call fail, and all that follow
 * @mock: the platform
 * @fault: calls of what
 * @nth: the first that fails, the next is 1
 * @rc: their result
 *
 * Undone by tce_fault_disarm().
 */
void tce_fault_arm_from(struct tce_mock *mock, enum tce_fault fault,
			unsigned int nth, int rc)
{
	tce_fault_arm(mock, fault, nth, rc);
	mock->fault_sticky = true;
}

/**
 * tce_fault_arm_sticky() - make all calls fail
 * @mock: the platform
 * @fault: calls of what
 * @rc: their result
 *
 * Undone by tce_fault_disarm().
 */
void tce_fault_arm_sticky(struct tce_mock *mock, enum tce_fault fault, int rc)
{
	tce_fault_arm_from(mock, fault, 1, rc);
}

/**
 * tce_fault_disarm() - let calls succeed again
 * @mock: the platform
 *
 * Return: how many calls were made to fail.
 */
unsigned int tce_fault_disarm(struct tce_mock *mock)
{
	unsigned int left = tce_quiet_begin();

	if (mock->fault == TCE_FAULT_ALLOC && mock->fault_left && !left)
		mock->fault_hits = 1;
	mock->fault = TCE_FAULT_NONE;
	mock->fault_left = 0;
	return mock->fault_hits;
}

/**
 * tce_fault_hit() - is this call to fail?
 * @mock: the platform
 * @fault: what is being called
 * @rc: its result is returned here if so
 *
 * Caller holds &tce_mock.lock.
 *
 * Return: true if it is.
 */
bool tce_fault_hit(struct tce_mock *mock, enum tce_fault fault, int *rc)
{
	mock->asked[fault]++;
	if (mock->fault != fault || !mock->fault_left)
		return false;
	if (mock->fault_left > 1) {
		mock->fault_left--;
		return false;
	}
	if (!mock->fault_sticky)
		mock->fault_left = 0;
	mock->fault_hits++;
	*rc = mock->fault_rc;
	return true;
}

/**
 * tce_fault_can_alloc() - can this kernel make an allocation fail?
 *
 * It needs CONFIG_FAILSLAB, and to be told that GFP_KERNEL may fail, too.
 *
 * Return: true if it can.
 */
bool tce_fault_can_alloc(void)
{
	void *p;

	tce_quiet_end(1);
	p = kmalloc(16, GFP_KERNEL | __GFP_NOWARN);
	tce_quiet_begin();
	kfree(p);
	return !p;
}
