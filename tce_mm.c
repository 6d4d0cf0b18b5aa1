// SPDX-License-Identifier: GPL-2.0-only
/*
 * State shared by the containers of an mm: locks, the tree of regions, locked_vm, and the memory of
 * tables. Pins pages.
 *
 * Charging, uncharging and pinning take the mmap_lock, which a client can hold for as long as it
 * likes by a page fault in another thread. So no lock but &tce_mm.registering may be held then, and
 * a holder of another lock leaves uncharging to a later tce_uncharge().
 *
 * Locks: tce_mms_lock guards the list and its counts. It is innermost, and its holders neither wait
 * nor allocate.
 *
 * Never fails: everything but tce_mm_get(), tce_charge(), tce_tables_take() and tce_pin_pages().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat/older.h"
#include "tce_mm.h"
#include "tce_trace.h"

/* Retries, 1 ms apart: pinning movable memory can fail if another task does the same */
#define TCE_PIN_TRIES	20

static DEFINE_MUTEX(tce_mms_lock);
static LIST_HEAD(tce_mms);
static unsigned long tce_mm_last_id;

atomic_long_t tce_leaked_pages = ATOMIC_LONG_INIT(0);
atomic_long_t tce_table_pages = ATOMIC_LONG_INIT(0);

static void mm_free(struct tce_mm *tmm)
{
	lockdep_assert_held(&tce_mms_lock);
	list_del(&tmm->list);
	mmdrop(tmm->mm);
	put_pid(tmm->pid);
	mutex_destroy(&tmm->registering);
	mutex_destroy(&tmm->region_lock);
	kfree(tmm);
}

/*
 * NULL if out of memory. Undone by tce_mm_put(). No lock may be held, because a client at its
 * cgroup's limit is throttled here.
 */
struct tce_mm *tce_mm_get(struct mm_struct *mm)
{
	struct tce_mm *tmm, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	mutex_lock(&tce_mms_lock);
	list_for_each_entry(tmm, &tce_mms, list)
		if (tmm->mm == mm)
			goto found;

	tmm = new;
	new = NULL;
	mmgrab(mm);
	tmm->mm = mm;
	tmm->id = ++tce_mm_last_id;
	tmm->pid = get_pid(task_tgid(current));
	init_rwsem(&tmm->map_lock);
	mutex_init(&tmm->registering);
	mutex_init(&tmm->region_lock);
	INIT_LIST_HEAD(&tmm->tables);
	INIT_LIST_HEAD(&tmm->listed_regions);
	tmm->regions = RB_ROOT;
	list_add(&tmm->list, &tce_mms);
found:
	tmm->users++;
	mutex_unlock(&tce_mms_lock);
	kfree(new);
	return tmm;
}

/* Add a container. Undone by tce_mm_take_regions(), if it is one of v2, and then tce_mm_put(). */
void tce_mm_join(struct tce_mm *tmm, bool v2)
{
	lockdep_assert_held(&tmm->region_lock);
	mutex_lock(&tce_mms_lock);
	tmm->open += v2;
	tmm->users++;
	mutex_unlock(&tce_mms_lock);
}

/* The newest older than @id, or NULL. Undone by tce_mm_put(). */
struct tce_mm *tce_mm_next(unsigned long id)
{
	struct tce_mm *tmm, *found = NULL;

	mutex_lock(&tce_mms_lock);
	list_for_each_entry(tmm, &tce_mms, list)
		if (tmm->id < id && (!found || tmm->id > found->id))
			found = tmm;
	if (found)
		found->users++;
	mutex_unlock(&tce_mms_lock);
	return found;
}

void tce_mm_put(struct tce_mm *tmm)
{
	mutex_lock(&tce_mms_lock);
	if (!--tmm->users)
		mm_free(tmm);
	mutex_unlock(&tce_mms_lock);
}

/*
 * Take the tree of regions, which is empty if a container of v2 is open. @closed: 1 if the caller's
 * container has just been closed, else 0. Needs no &tce_mm.map_lock, because nothing can be mapped
 * any more, and a container that is being bound waits for &tce_mm.region_lock first.
 */
struct rb_root tce_mm_take_regions(struct tce_mm *tmm, int closed)
{
	struct rb_root regions = RB_ROOT;

	lockdep_assert_held(&tmm->region_lock);
	mutex_lock(&tce_mms_lock);
	tmm->open -= closed;
	if (!tmm->open)
		swap(regions, tmm->regions);
	mutex_unlock(&tce_mms_lock);
	return regions;
}

/*
 * Charge @npages to locked_vm of the caller's @mm. Undone by account_locked_vm() or
 * tce_uncharge_later(). Context: waits for the mmap_lock. Return: 0; -ENOMEM over RLIMIT_MEMLOCK
 */
int tce_charge(struct mm_struct *mm, unsigned long npages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK);

	if (!account_locked_vm(mm, npages, true))
		return 0;
	pr_warn_ratelimited("%s[%d]: %lu KiB of locked memory refused: %lu KiB are in use, and RLIMIT_MEMLOCK is %lu KiB\n",
			    current->comm, task_tgid_nr(current),
			    npages << (PAGE_SHIFT - 10),
			    /* may be outdated */
			    data_race(mm->locked_vm) << (PAGE_SHIFT - 10), limit >> 10);
	return TCE_REFUSE(-ENOMEM, "LOCKED_LIMIT", limit);
}

/* In any context: an ioctl of the owner does it when it ends, or the end of the container. */
void tce_uncharge_later(struct tce_memory *mem, unsigned long npages)
{
	atomic_long_add(npages, &mem->uncharge);
}

/* Does nothing in another process, which must not wait for the owner's mmap_lock, as this does. */
void tce_uncharge(struct tce_memory *mem)
{
	struct tce_mm *tmm = tce_memory_mm(mem);

	if (tmm && tmm->mm == current->mm)
		account_locked_vm(tmm->mm, atomic_long_xchg(&mem->uncharge, 0), false);
}

/* For a container that is being freed. Returns false if the mmap_lock is not free. */
bool tce_uncharge_try(struct tce_memory *mem)
{
	unsigned long npages = atomic_long_read(&mem->uncharge);
	struct mm_struct *mm;

	if (!npages)
		return true;
	mm = mem->tmm->mm;
	/* newer kernels have no mmap_write_trylock(); no mapping is changed here */
	if (!down_write_trylock(&mm->mmap_lock))
		return false;
	__account_locked_vm(mm, npages, false, current, true);
	up_write(&mm->mmap_lock);
	atomic_long_set(&mem->uncharge, 0);
	return true;
}

/*
 * The tables of all clients may take a quarter of memory, and those of one process half of that,
 * however much it may lock: no control group counts them, and levels come from the memory that is
 * kept for those who can't wait.
 */
#define TCE_TABLES_SHARE	4
#define TCE_TABLES_SHARE_OF_ONE	8

static bool take_below(atomic_long_t *used, unsigned long npages, unsigned long limit)
{
	long now = atomic_long_read(used);

	do {
		if (npages > limit || now > limit - npages)
			return false;
	} while (!atomic_long_try_cmpxchg_relaxed(used, &now, now + npages));
	return true;
}

/*
 * Count @npages that a table is about to take. Undone by tce_tables_give() or, for a table, by
 * tce_kvm_put() and by freeing it. Context: does not sleep. Return: 0; -ENOMEM over one of the
 * limits
 */
int tce_tables_take(struct tce_mm *tmm, unsigned long npages)
{
	unsigned long limit = totalram_pages() / TCE_TABLES_SHARE;
	unsigned long limit_of_one = totalram_pages() / TCE_TABLES_SHARE_OF_ONE;

	if (take_below(&tmm->table_pages, npages, limit_of_one)) {
		if (take_below(&tce_table_pages, npages, limit))
			return 0;
		atomic_long_sub(npages, &tmm->table_pages);
	}
	pr_warn_ratelimited("%s[%d]: %lu KiB for a table refused: its process has tables of %lu KiB, and may have %lu; all tables take %lu KiB, and may take %lu\n",
			    current->comm, task_tgid_nr(current), npages << (PAGE_SHIFT - 10),
			    atomic_long_read(&tmm->table_pages) << (PAGE_SHIFT - 10),
			    limit_of_one << (PAGE_SHIFT - 10),
			    atomic_long_read(&tce_table_pages) << (PAGE_SHIFT - 10),
			    limit << (PAGE_SHIFT - 10));
	return TCE_REFUSE(-ENOMEM, "TABLES_LIMIT", limit_of_one << PAGE_SHIFT);
}

void tce_tables_give(struct tce_mm *tmm, unsigned long npages)
{
	atomic_long_sub(npages, &tmm->table_pages);
	atomic_long_sub(npages, &tce_table_pages);
}

/* @rc was returned by pin_user_pages(), which stopped at @ua. */
int tce_pin_errno(long rc, u64 ua)
{
	if (rc == -EINTR)
		return -EINTR;
	return TCE_REFUSE(rc == -ENOMEM ? -ENOMEM : -EFAULT, "PIN", ua);
}

/* A page can't be migrated while another task holds a reference, usually for a moment. */
static bool pin_again(long got, unsigned int *tries)
{
	if (got != -ENOMEM || (*tries)++ == TCE_PIN_TRIES)
		return false;
	msleep(1);
	return true;
}

/**
 * tce_pin_pages() - pin pages for as long as a device may use them
 * @pages: array for the pages
 * @ua: userspace address of the first
 * @n: number of pages
 * @write: a device will be allowed to write
 * @rc: returns 0, -ENOMEM, -EFAULT or -EINTR
 *
 * Undone by tce_unpin_pages().
 *
 * Context: the owner of the memory; sleeps for as long as the client likes, ends early on SIGKILL.
 *
 * Return: how many pages are pinned, which the caller has to unpin even if they are not all.
 */
unsigned long tce_pin_pages(struct page **pages, unsigned long ua, unsigned long n,
			    bool write, int *rc)
{
	unsigned long done = 0;
	unsigned int tries = 0;
	long got;

	*rc = 0;
	while (done < n) {
		/* present pages are pinned without checking for signals */
		got = fatal_signal_pending(current) ? -EINTR :
		      pin_user_pages_fast(ua + (done << PAGE_SHIFT),
					  min_t(unsigned long, n - done, TCE_PIN_CHUNK),
					  FOLL_LONGTERM | (write ? FOLL_WRITE : 0),
					  pages + done);
		if (pin_again(got, &tries))
			continue;
		if (got <= 0) {
			*rc = tce_pin_errno(got, ua + (done << PAGE_SHIFT));
			break;
		}
		done += got;
		if (need_resched())
			cond_resched();
	}
	return done;
}

/* No device has written to the pages. */
void tce_unpin_pages(struct page **pages, unsigned long n)
{
	unsigned long now;

	for (; n; n -= now, pages += now) {
		now = min_t(unsigned long, n, TCE_PIN_CHUNK);
		unpin_user_pages(pages, now);
		cond_resched();
	}
}
