// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a container. This is the only file that decides between v1 (tce_pin.c) and v2
 * (tce_region.c, tce_registration.c).
 *
 * A container serves one process, to which the first call that needs memory binds it.
 *
 * Locks: the callers', &tce_process.map_lock as a rule; see the header of each file that
 * is called.
 *
 * Never fails: tce_mem_close(), tce_mem_destroy().
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "tce_memory.h"
#include "tce_page.h"
#include "tce_refusal.h"
#include "tce_region.h"

/**
 * tce_mem_init() - start a container's user memory
 * @mem: zeroed
 * @v2: which of the two interfaces the container speaks
 *
 * Undone by tce_mem_close(), and then tce_mem_destroy().
 */
void tce_mem_init(struct tce_mem *mem, bool v2)
{
	refcount_set(&mem->users, 1);
	mem->v2 = v2;
	tce_pinned_init(&mem->pinned, &mem->account);
	INIT_LIST_HEAD(&mem->registered.regs);
}

/**
 * tce_mem_process() - get the process that a container is to be bound to
 * @mem: the container's memory
 *
 * Undone by tce_process_put(). Context: no lock held, as tce_process_get().
 *
 * Return: the caller's process; NULL if the container is bound; -EPERM if the caller has no
 * memory; -ENOMEM.
 */
struct tce_process *tce_mem_process(struct tce_mem *mem)
{
	/* litmus/bind.litmus */
	if (smp_load_acquire(&mem->mm))
		return NULL;
	if (!current->mm)
		return ERR_PTR(TCE_REFUSE(NOT_OWNER, EPERM));
	return tce_process_get(current->mm) ?:
	       ERR_PTR(TCE_REFUSE(PROCESS_MEMORY, ENOMEM));
}

/**
 * tce_mem_bind() - make the caller's memory the container's
 * @mem: the container's memory
 * @process: from tce_mem_process()
 *
 * Context: process; caller keeps other calls for @mem out.
 *
 * Return: 0, also if it was bound to the same memory before; -EPERM if to another one;
 * -EINTR.
 */
int tce_mem_bind(struct tce_mem *mem, struct tce_process *process)
{
	int rc;

	if (mem->mm)
		return mem->mm == current->mm ? 0 : TCE_REFUSE(NOT_OWNER, EPERM);
	/*
	 * The last container may be releasing regions that KVM can still find: there must not
	 * be a table yet in which KVM could map them.
	 */
	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		return rc;
	tce_process_join(process, mem->v2);
	mutex_unlock(&process->region_lock);

	mem->process = process;
	mem->account.mm = current->mm;
	mem->registered.process = process;
	mem->registered.account = &mem->account;
	mmgrab(current->mm);
	/* a lockless reader that sees it sees the rest as well (litmus/bind.litmus) */
	smp_store_release(&mem->mm, current->mm);
	return 0;
}

/**
 * tce_mem_close() - give up all registrations of a container
 * @mem: the container's memory, none of which its own windows map any more
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory.
 */
void tce_mem_close(struct tce_mem *mem)
{
	if (mem->process && mem->v2)
		tce_registration_remove_all(&mem->registered);
}

/**
 * tce_mem_owe_all() - nothing that was charged is needed any more
 * @mem: of a container that is closed, and that nobody uses any more
 */
void tce_mem_owe_all(struct tce_mem *mem)
{
	tce_account_owe(&mem->account, mem->pinned.charged);
	mem->pinned.charged = 0;
}

/**
 * tce_mem_destroy() - undo tce_mem_init()
 * @mem: closed, nobody uses it any more, and nothing is owed
 */
void tce_mem_destroy(struct tce_mem *mem)
{
	if (mem->process)
		tce_process_put(mem->process);
	if (mem->mm)
		mmdrop(mem->mm);
	tce_pinned_destroy(&mem->pinned);
}

/**
 * tce_mem_check() - may this memory be mapped?
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @ua: start, aligned to the IOMMU page
 * @size: bytes, a multiple of the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 *
 * After it, tce_mem_get() for v2 does not fail as long as the lock is held.
 *
 * Return: 0; -EINVAL if some IOMMU page is not inside one registered region, or is larger
 * than the pages behind it (v2); -EINTR on SIGKILL (v2); -EFAULT if the range can't be user
 * memory (v1).
 */
int tce_mem_check(struct tce_mem *mem, unsigned long ua, unsigned long size,
		  unsigned int shift, bool write)
{
	unsigned long end = ua + size;
	struct tce_region *region;

	if (!mem->v2)
		return access_ok((void __user *)ua, size) ?
			0 : TCE_REFUSE(NOT_USER_MEMORY, EFAULT);
	if (end < ua)
		return TCE_REFUSE(UA_WRAPS, EINVAL);

	lockdep_assert_held(&mem->process->map_lock);
	for (;;) {
		region = tce_region_find(mem->process, ua);
		if (!region)
			return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
		if (region->page_shift < shift)
			return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
						1UL << region->page_shift);
		tce_region_written(region, write);
		ua = tce_region_end(region);
		if (ua >= end)
			return 0;
		/* there may be as many regions as pages */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (need_resched())
			cond_resched();
	}
}

/**
 * tce_mem_get() - take holds on the memory of some entries
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @pins: v1: the pages, none of which may be looked at twice
 * @ua: of the first entry, aligned to the IOMMU page
 * @n: entries wanted, at least 1
 * @shift: log2 of the IOMMU page
 * @hpas: room for @n addresses, which are returned here
 *
 * Each hold is released through a struct tce_holds. Context: waits for nobody.
 *
 * Return: how many of the entries could be served, at least 1 (v1: all); or -EINVAL (v2,
 * if tce_mem_check() was not asked).
 */
long tce_mem_get(struct tce_mem *mem, struct tce_pins *pins, unsigned long ua,
		 unsigned long n, unsigned int shift, unsigned long *hpas)
{
	struct tce_region *region;

	if (!mem->v2) {
		tce_pins_take(pins, ua, n, hpas);
		return n;
	}
	region = tce_region_find(mem->process, ua);
	if (!region)
		return TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
	return tce_region_get(region, ua, n, shift, hpas);
}

/**
 * tce_mem_get_one() - tce_mem_check() and tce_mem_get() for one entry
 * @mem: a bound container's memory, with &tce_process.map_lock held
 * @pins: v1: the page
 * @ua: aligned to the IOMMU page
 * @shift: log2 of the IOMMU page
 * @write: the device will be allowed to write
 * @hpa: the address is returned here
 *
 * Undone by tce_hold_put(). Context: atomic.
 *
 * Return: 0; -EINVAL as those two (v2).
 */
int tce_mem_get_one(struct tce_mem *mem, struct tce_pins *pins,
		    unsigned long ua, unsigned int shift, bool write,
		    unsigned long *hpa)
{
	struct tce_region *region;
	int rc;

	if (!mem->v2) {
		tce_pins_take(pins, ua, 1, hpa);
		return 0;
	}
	region = tce_region_find(mem->process, ua);
	rc = region ? tce_region_get_one(region, ua, shift, hpa) :
		      TCE_REFUSE_VALUE(NOT_REGISTERED, EINVAL, ua);
	if (unlikely(rc))
		return rc;
	tce_region_written(region, write);
	return 0;
}
