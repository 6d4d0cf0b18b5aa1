// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process is charged is what is held for it: what is to be uncharged later, what ENABLE and
 * MAP have charged in v1, and what regions and windows use, of which this knows only the sum. Each
 * call below keeps it so, whatever fails. No page of v1 is pinned that is not charged, or about to
 * be by another MAP, and none charges more than its own pages (MAP). Only the process itself waits
 * for its mmap_lock (UNCHARGE, TRY).
 *
 * Whether CREATE, REMOVE, REGISTER, UNREGISTER, ENABLE, DISABLE and the end of a container call
 * these as they should is not shown here, but by KUnit's balance.
 *
 * Assumed: each amount, and their sum, is below 2^40 pages, so that the kernel's own sum does not
 * wrap.
 *
 * each: CALL=UNCHARGE,TRY,MAP PAGE_SHIFT=12
 *
 * control: tce_uncharge account_locked_vm(any) CALL=UNCHARGE
 * control: tce_uncharge_try __account_locked_vm(any) CALL=TRY
 * control: count_pages tce_charge(any) tce_v1_allow be_owner CALL=MAP
 */
#define MOST			(1UL << 40)

static struct mm_struct mm, other;
static struct task_struct task;

static unsigned long any_amount(void)
{
	return any_ulong() % MOST;
}

static int change(unsigned long pages, bool inc)
{
	if (inc) {
		if (pages && any_bool())
			return -ENOMEM;
		prove(pages < MOST);
		assume(mm.locked_vm + pages < MOST);
		mm.locked_vm += pages;
		return 0;
	}
	/* what others are charged stays */
	prove(pages <= mm.locked_vm);
	mm.locked_vm -= pages;
	return 0;
}

/* It waits for the mmap_lock. */
static int account_locked_vm(struct mm_struct *its, unsigned long pages, bool inc)
{
	prove(its == &mm && current->mm == &mm);
	return change(pages, inc);
}

static int __account_locked_vm(struct mm_struct *its, unsigned long pages, bool inc,
			       struct task_struct *whose, bool bypass)
{
	prove(its == &mm && !inc);
	return change(pages, inc);
}

#define rlimit(which)			any_ulong()
#define task_tgid(t)			((struct pid *)NULL)
#define task_tgid_nr(t)			0
#define get_pid(pid)			(pid)
#define put_pid(pid)			((void)0)
#define mmgrab(its)			((void)0)
#define mmdrop(its)			((void)0)
#define down_write_trylock(lock)	any_bool()

#include "../tce_mm.c"
#include "../tce_v1.c"
#include "../tce_trace.c"

enum { UNCHARGE, TRY, MAP };

static struct tce_mm tmm = { .mm = &mm };
static struct tce_v1 v1;
static struct tce_memory mem = { .tmm = &tmm };
/* Pages of windows and regions, and what other MAPs have counted and are about to charge */
static unsigned long used, others_charge;

static unsigned long held(void)
{
	return (unsigned long)v1.charged + used + (unsigned long)mem.uncharge.n;
}

/* A state in which this holds, and about which nothing else is known */
static void any_state(void)
{
	mem.uncharge.n = any_amount();
	v1.charged = CALL == MAP ? any_amount() : 0;
	used = any_amount();
	assume(held() < MOST);
	mm.locked_vm = held();
}

/* Each page that is counted is charged, or about to be. */
static bool all_charged(void)
{
	return (wide)v1.pages.n <= (wide)v1.charged + others_charge;
}

static void be_owner(void)
{
	task.mm = &mm;
}

static void call(unsigned long n)
{
	unsigned long locked = mm.locked_vm, was;
	int rc;

	switch (CALL) {
	case UNCHARGE:
		if (any_bool())
			be_owner();
		tce_uncharge(&mem);
		prove(!mem.uncharge.n || current->mm != &mm);
		break;
	case TRY:
		prove(!tce_uncharge_try(&mem) || !mem.uncharge.n);
		break;
	case MAP:
		v1.pages.n = any_amount();
		others_charge = any_amount();
		assume(all_charged());
		was = v1.pages.n;
		rc = count_pages(&mem, n);
		prove(rc ? v1.pages.n == was : v1.pages.n == was + n);
		prove(all_charged());
		prove(mm.locked_vm - locked <= n);
		break;
	}
}

int main(void)
{
	current = &task;
	task.mm = &other;
	if (CALL == MAP)
		be_owner();
	mem.v1 = CALL == MAP ? &v1 : NULL;
	any_state();
	call(any_amount());
	prove(held() == mm.locked_vm);
	return 0;
}
