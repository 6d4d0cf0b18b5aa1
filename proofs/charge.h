/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the proofs that a process is charged for what is held for it: locked_vm, as this module has changed it.
 * A proof says what its part of the module holds, and which state is possible; the rest is held elsewhere.
 *
 * Assumed: each amount is less than 2^BITS pages, and all of them are, so that the kernel's own sum does not wrap.
 */
#define MOST	(1UL << BITS)

static unsigned long any_amount(void)
{
	return any_ulong() >> (64 - BITS);
}

static struct mm_struct mm;
static struct task_struct task;
static unsigned long held(void);

static void check(void)
{
	prove(held() == mm.locked_vm);
}

/* A state in which this holds, and about which nothing else is known */
static void suppose(void)
{
	assume(held() < MOST);
	mm.locked_vm = held();
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

/* It waits for the mmap_lock, and so is only for the caller's own. */
static int account_locked_vm(struct mm_struct *its, unsigned long pages, bool inc)
{
#ifdef OTHERS
	prove(its == &mm && current->mm == &mm);
#endif
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

/* Memory, of which there may be none. Nothing is done when it is freed, which keeps these proofs small. */
#define some(size)		__CPROVER_allocate(size, true)
#define kzalloc(size, flags)	(any_bool() ? NULL : some(size))
static void kfree(void *p) {}
#define kvfree			kfree
#define kvzalloc			kzalloc
#define folio_page_idx(folio, page)	any_ulong()
#define folio_nr_pages(folio)		any_ulong()
#define folio_test_hugetlb(folio)	any_bool()
#define unpin_user_folio(folio, n)	((void)(n))
#define unpin_user_pages_dirty_lock(pages, n, dirty) ((void)(n))

/* The only container there is */
#undef hash_for_each_possible_rcu
#define hash_for_each_possible_rcu(table, p, m, key) for (p = only; p->id != (key); p = NULL)
#define hash_del_rcu(node)		((void)(node))
#define to_delayed_work(w)		container_of(w, struct delayed_work, work)
#define schedule_delayed_work(w, d)	((void)(w))
#define atomic_long_inc_return(a)	(++(a)->n)
#define __module_get(m)			((void)0)
#define module_put(m)			(freed = true)
