// SPDX-License-Identifier: GPL-2.0-only
/*
 * The platform that checks what the driver does, see tce_mock.h: its begin and end, and where
 * its other parts note violations, hold threads up, and fail.
 *
 * Locks: &tce_mock.lock guards everything and is taken last.
 */
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tce_mock.h"

static struct tce_mock *mock_now;

/* Note that something does not hold. */
void tce_mock_violation(struct tce_mock *mock, const char *fmt, ...)
{
	va_list args;

	if (mock->nr_violations < TCE_VIOLATIONS_KEPT) {
		va_start(args, fmt);
		vsnprintf(mock->violations[mock->nr_violations],
			  TCE_VIOLATION_LEN, fmt, args);
		va_end(args);
	}
	mock->nr_violations++;
}

/* What there is in all tables, see struct tce_mock_count */
struct tce_mock_count tce_mock_count(struct tce_mock *mock)
{
	struct tce_mock_count n = {};
	struct tce_mock_table *mt;

	spin_lock(&mock->lock);
	list_for_each_entry(mt, &mock->tables, list) {
		n.tables++;
		n.stuck += mt->stuck;
		n.live += list_count_nodes(&mt->live);
		n.stale += list_count_nodes(&mt->stale) + mt->unflushed;
	}
	spin_unlock(&mock->lock);
	return n;
}

/* The platform of the test that runs. Return: the platform, NULL if there is none. */
struct tce_mock *tce_mock_current(void)
{
	return mock_now;
}

/*
 * Switch a platform on. There is only one at a time. Undone by tce_mock_destroy(). Return: the
 * platform; NULL if there is no memory.
 */
struct tce_mock *tce_mock_create(void)
{
	struct tce_mock *mock = kzalloc(sizeof(*mock), GFP_KERNEL);

	if (!mock)
		return NULL;
	spin_lock_init(&mock->lock);
	INIT_LIST_HEAD(&mock->tables);
	INIT_LIST_HEAD(&mock->groups);
	INIT_LIST_HEAD(&mock->listed);
	INIT_LIST_HEAD(&mock->spare);
	INIT_LIST_HEAD(&mock->left);
	mock_now = mock;
	/* only pseries looks at them */
	powerpc_firmware_features |= FW_FEATURE_PUT_TCE_IND | FW_FEATURE_STUFF_TCE;
	return mock;
}

/* Switch it off: its groups and tables are gone. */
void tce_mock_destroy(struct tce_mock *mock)
{
	struct tce_mock_tce *tce, *tmp;
	struct tce_mock_page *page;
	struct hlist_node *at;
	int i;

	list_for_each_entry_safe(tce, tmp, &mock->spare, list)
		kfree(tce);
	for (i = 0; i < ARRAY_SIZE(mock->pages); i++)
		hlist_for_each_entry_safe(page, at, &mock->pages[i], node)
			kfree(page);
	hlist_for_each_entry_safe(page, at, &mock->spare_pages, node)
		kfree(page);
	mock_now = NULL;
	kfree(mock);
}

/* A hook stands for another thread, so it runs outside of the caller's RCU section. */
static void call_outside_rcu(struct tce_hook *hook)
	__must_hold(RCU)
{
	rcu_read_unlock();
	hook->call(hook->data);
	rcu_read_lock();
}

static void call_hook(struct tce_hook *hook)
{
	int inside = IS_ENABLED(CONFIG_PREEMPT_RCU) ? rcu_preempt_depth() : preempt_count();

	if (IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC) ? rcu_read_lock_held() : inside)
		call_outside_rcu(hook);
	else
		hook->call(hook->data);
}

/* What a hook does if this is its time; of several threads at a point, it comes to one. */
void tce_run_hook(struct tce_mock *mock, enum tce_point point)
{
	struct tce_hook *hook, *next;

	if (!mock || !READ_ONCE(mock->at[point]))
		return;
	spin_lock(&mock->lock);
	hook = mock->at[point];
	if (hook && hook->skip) {
		hook->skip--;
		hook = NULL;
	} else {
		WRITE_ONCE(mock->at[point], NULL);
	}
	spin_unlock(&mock->lock);
	if (!hook)
		return;
	/* when a stopped thread goes on, its struct tce_stop may be gone */
	next = hook->next;
	call_hook(hook);
	if (next)
		WRITE_ONCE(mock->at[point], next);
}

static void stop_here(void *data)
{
	struct tce_stop *stop = data;

	complete(&stop->reached);
	wait_for_completion(&stop->go_on);
}

/* Stop the next thread that gets there. */
void tce_stop_at(struct tce_mock *mock, enum tce_point point, struct tce_stop *stop)
{
	stop->hook = (struct tce_hook){ .call = stop_here, .data = stop };
	init_completion(&stop->reached);
	init_completion(&stop->go_on);
	WRITE_ONCE(mock->at[point], &stop->hook);
}

/* ---- calls that are made to fail; memory of the platform's own does not ---- */

/*
 * Switch allocation faults of this thread off. Return: what tce_quiet_end() wants to have back.
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

/* Undo tce_quiet_begin(). */
void tce_quiet_end(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = nth;
#endif
}

/* Have a SIGKILL pending. */
void tce_be_killed(bool killed)
{
	if (killed) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		clear_tsk_thread_flag(current, TIF_SIGPENDING);
	}
}

/* Nothing fails because of it. */
static void count_to_sigkill(struct tce_mock *mock)
{
	if (mock->fault != TCE_FAULT_SIGKILL || --mock->fault_left)
		return;
	mock->fault = TCE_FAULT_NONE;
	mock->fault_hits = 1;
	tce_be_killed(true);
}

/*
 * Make one call fail. Context: the thread that will do the calls. Undone by tce_fault_disarm().
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
	count_to_sigkill(mock);
}

/* Make all calls fail. Undone by tce_fault_disarm(). */
void tce_fault_arm_sticky(struct tce_mock *mock, enum tce_fault fault, int rc)
{
	tce_fault_arm(mock, fault, 1, rc);
	mock->fault_sticky = true;
}

/* Let calls succeed again. Return: how many calls were made to fail. */
unsigned int tce_fault_disarm(struct tce_mock *mock)
{
	unsigned int left = tce_quiet_begin();

	if (mock->fault == TCE_FAULT_ALLOC && mock->fault_left && !left)
		mock->fault_hits = 1;
	mock->fault = TCE_FAULT_NONE;
	mock->fault_left = 0;
	tce_be_killed(false);
	return mock->fault_hits;
}

/* Is this call to fail? Caller holds &tce_mock.lock. Return: true if it is. */
bool tce_fault_hit(struct tce_mock *mock, enum tce_fault fault, int *rc)
{
	mock->asked[fault]++;
	count_to_sigkill(mock);
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

/*
 * Can this kernel make an allocation fail? It needs CONFIG_FAILSLAB, and to be told that
 * GFP_KERNEL may fail, too. Return: true if it can.
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
