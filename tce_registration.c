// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations: REGISTER and UNREGISTER. All containers of a process share its regions.
 * If two containers register the same range, it is one region with two registrations. Any
 * other overlap is refused.
 *
 * A region is released with its last registration, but only if nothing maps it. UNREGISTER
 * removes the container's own mappings first, and is refused if others are left. Closing a
 * container can't be refused, so regions that other containers still map stay as orphans, pinned
 * and charged, until the process's last container is closed.
 *
 * Locks, in the order in which they are taken:
 *   &tce_process.registering	one REGISTER of a process at a time. It is held while
 *				pages are pinned, for as long as the client likes.
 *				Nothing else takes it.
 *   &tce_process.region_lock	the registrations. Never held in a page fault.
 *   &tce_process.map_lock	the tree of regions; see tce_region.c
 *
 * Never fails: tce_registration_remove_all().
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "tce_account.h"
#include "tce_page.h"
#include "tce_refusal.h"
#include "tce_region.h"
#include "tce_registration.h"

static struct tce_registration *registration_find(struct tce_registered *registered,
						  struct tce_region *region)
{
	struct tce_registration *reg;

	list_for_each_entry(reg, &region->regs, in_region)
		if (reg->of == registered)
			return reg;
	return NULL;
}

static void registration_add(struct tce_registration *reg,
			     struct tce_region *region)
{
	struct tce_registered *registered = reg->of;

	lockdep_assert_held(&registered->process->region_lock);
	reg->region = region;
	list_add(&reg->in_registered, &registered->regs);
	list_add(&reg->in_region, &region->regs);
}

/*
 * Find the region of a range, if it exists. Orphans in the range are released if nothing maps
 * them, because their pages may no longer be those at these addresses.
 *
 * Return: the region, to be shared; NULL if there is none; -EINVAL; -EBUSY.
 */
static struct tce_region *region_share(struct tce_registered *registered,
				       unsigned long ua, unsigned long npages)
{
	unsigned long end = ua + (npages << PAGE_SHIFT);
	struct tce_process *process = registered->process;
	struct tce_region *region;

	lockdep_assert_held(&process->region_lock);
	if (registered->closed)
		return ERR_PTR(TCE_REFUSE(CONTAINER_GONE, EINVAL));
	/* nothing is released if one is registered */
	for (region = tce_region_first(process, ua, end);
	     region && region->ua < end;
	     region = rb_entry_safe(rb_next(&region->node), struct tce_region,
				    node)) {
		if (list_empty(&region->regs))
			continue;
		if (region->ua != ua || region->npages != npages)
			return ERR_PTR(TCE_REFUSE_VALUE(OVERLAPS, EINVAL,
							region->ua));
		if (registration_find(registered, region))
			return ERR_PTR(TCE_REFUSE_VALUE(REGISTERED_ALREADY,
							EBUSY, ua));
		return region;
	}
	while ((region = tce_region_first(process, ua, end))) {
		if (tce_region_release(process, region))
			return ERR_PTR(TCE_REFUSE_VALUE(OVERLAPS_MAPPED, EBUSY,
							region->ua));
		tce_region_free(region, registered->account);
	}
	return NULL;
}

/* Release all regions if the process has no open container. @closed: see tce_process_take_last() */
static void abandon_last(struct tce_registered *registered, int closed)
{
	struct tce_process *process = registered->process;
	struct tce_region *region, *next;
	struct rb_root regions;

	mutex_lock(&process->region_lock);
	regions = tce_process_take_last(process, closed);
	rbtree_postorder_for_each_entry_safe(region, next, &regions, node)
		tce_region_abandon(process, region, registered->account);
	mutex_unlock(&process->region_lock);
}

/* REGISTER of what no container has. Return: as tce_registration_add() */
static int register_new(struct tce_registration *reg, unsigned long ua,
			unsigned long npages, bool listable)
{
	struct tce_registered *registered = reg->of;
	struct tce_process *process = registered->process;
	struct tce_region *region;
	bool orphan = false;
	int rc;

	/* as long as the client likes */
	region = tce_region_create(process, ua, npages, listable);
	rc = PTR_ERR_OR_ZERO(region);

	mutex_lock(&process->region_lock);
	if (listable && rc)
		process->listed--;
	if (!rc && registered->closed) {
		rc = TCE_REFUSE(CONTAINER_GONE, EINVAL);
		/* KVM may have found it in the kernel's list, and mapped it */
		orphan = region->mem && tce_region_unlist(region);
		if (region->mem && !orphan)
			process->listed--;
	}
	if (!rc || orphan)
		tce_region_insert(process, region);
	if (!rc)
		registration_add(reg, region);
	mutex_unlock(&process->region_lock);

	if (orphan)
		abandon_last(registered, 0);
	else if (rc && !IS_ERR(region))
		tce_region_free(region, registered->account);
	return rc;
}

/* Can this be registered at all? Return: 0; -EINVAL; -EFAULT; -ENOMEM */
static int range_check(const struct tce_process *process, unsigned long ua,
		       unsigned long size)
{
	unsigned long npages = size >> PAGE_SHIFT;

	if (!size)
		return TCE_REFUSE(REGION_EMPTY, EINVAL);
	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(REGION_MISALIGNED, EINVAL);
	if (ua + size - 1 < ua)
		return TCE_REFUSE(REGION_WRAPS, EINVAL);
	/* the cookie of address 0 would say that nothing is mapped */
	if (!ua)
		return TCE_REFUSE(REGION_AT_ZERO, EFAULT);
	if (!access_ok((void __user *)ua, size))
		return TCE_REFUSE(NOT_USER_MEMORY, EFAULT);
	/* a process can map more device memory than the host has RAM, but not register a hole */
	if (npages > totalram_pages() &&
	    npages > READ_ONCE(process->mm->total_vm))
		return TCE_REFUSE(MORE_THAN_MAPPED, ENOMEM);
	/* kvmalloc() has a limit of INT_MAX, and older kernels warn */
	if (tce_book_words(ua, npages) >= SZ_128M)
		return TCE_REFUSE(MORE_THAN_BOOKS, ENOMEM);
	return 0;
}

/**
 * tce_registration_add() - pin a range of memory for DMA
 * @registered: of a bound container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Charges locked_vm. The same range registered by another container of the process is
 * shared and costs nothing. Undone by tce_registration_remove() and by
 * tce_registration_remove_all().
 * Context: the owner of the memory; sleeps, ends early on SIGKILL.
 *
 * Return: 0; -EINVAL if misaligned, empty or overlapping another region, or if the
 * container is closed; -EBUSY if this container has it already, or if it overlaps what a
 * closed container has left mapped in another; -ENOMEM if out of memory or over RLIMIT_MEMLOCK;
 * -EFAULT if the range is not all writable memory that can be pinned, or begins at
 * address 0; -EINTR.
 */
int tce_registration_add(struct tce_registered *registered, unsigned long ua,
			 unsigned long size)
{
	struct tce_process *process = registered->process;
	unsigned long npages = size >> PAGE_SHIFT;
	struct tce_registration *reg;
	struct tce_region *region;
	bool listable;
	int rc;

	rc = range_check(process, ua, size);
	if (rc)
		return rc;
	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg)
		return TCE_REFUSE(REGISTRATION_MEMORY, ENOMEM);
	reg->of = registered;

	rc = mutex_lock_killable(&process->registering);
	if (rc)
		goto err_free;
	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		goto err_unlock;
	region = region_share(registered, ua, npages);
	listable = !region && tce_region_listable(process);
	process->listed += listable;
	if (!IS_ERR_OR_NULL(region))
		registration_add(reg, region);
	mutex_unlock(&process->region_lock);

	/* orphans that were released must not count against the limit */
	tce_account_settle(registered->account);
	rc = PTR_ERR_OR_ZERO(region);
	if (!region)
		rc = register_new(reg, ua, npages, listable);
	if (rc)
		goto err_unlock;
	mutex_unlock(&process->registering);
	return 0;

err_unlock:
	mutex_unlock(&process->registering);
err_free:
	kfree(reg);
	return rc;
}

/**
 * tce_registration_remove() - undo tce_registration_add()
 * @registered: of a bound container
 * @ua: start, as registered
 * @size: bytes, as registered
 * @unmap: is called to remove the container's mappings of the region, if it is mapped and no
 *	other container has registered it
 *
 * The kernel's own driver returns 0 for memory that is mapped, and QEMU and DPDK rely on that:
 * they later register whatever is mapped at the same address. So the mappings are removed as
 * well, with &tce_process.region_lock held, so that no other thread can register other memory
 * at the address meanwhile.
 *
 * Context: process; sleeps.
 *
 * Return: 0; -EINVAL if misaligned; -ENOENT if the container has no region
 * of exactly these bounds; -EBUSY if it is mapped elsewhere; -EINTR.
 */
int tce_registration_remove(struct tce_registered *registered, unsigned long ua,
			    unsigned long size,
			    int (*unmap)(struct tce_registered *registered,
					 const struct tce_region *region))
{
	struct tce_process *process = registered->process;
	struct tce_region *region, *released = NULL;
	struct tce_registration *reg = NULL;
	int rc;

	if (!PAGE_ALIGNED(ua) || !PAGE_ALIGNED(size))
		return TCE_REFUSE(REGION_MISALIGNED, EINVAL);

	rc = mutex_lock_killable(&process->region_lock);
	if (rc)
		return rc;

	region = registered->closed ? NULL : tce_region_find(process, ua);
	if (region && region->ua == ua && region->npages == size >> PAGE_SHIFT)
		reg = registration_find(registered, region);
	if (!reg) {
		rc = TCE_REFUSE(NO_SUCH_REGION, ENOENT);
		goto out_unlock;
	}

	if (list_is_singular(&region->regs)) {
		rc = tce_region_release(process, region);
		if (rc) {
			rc = unmap(registered, region);
			if (!rc && tce_region_release(process, region))
				rc = TCE_REFUSE(REGION_MAPPED, EBUSY);
		}
		if (rc)
			goto out_unlock;
		released = region;
	} else {
		list_del(&reg->in_region);
	}
	list_del(&reg->in_registered);
	kfree(reg);

out_unlock:
	mutex_unlock(&process->region_lock);
	if (released)
		tce_region_free(released, registered->account);
	return rc;
}

/**
 * tce_registration_remove_all() - give up all registrations of a container
 * @registered: of a bound container, none of whose windows is left
 *
 * Context: sleeps, but waits for no client; need not be the owner of the memory. Never
 * fails: regions that other containers map stay until the last of them is closed. A
 * REGISTER that is under way undoes itself when it has its pages.
 */
void tce_registration_remove_all(struct tce_registered *registered)
{
	struct tce_process *process = registered->process;
	struct tce_registration *reg, *next;
	struct tce_region *region;

	mutex_lock(&process->region_lock);
	registered->closed = true;
	list_for_each_entry_safe(reg, next, &registered->regs, in_registered) {
		region = reg->region;
		list_del(&reg->in_region);
		kfree(reg);
		if (list_empty(&region->regs) &&
		    !tce_region_release(process, region))
			tce_region_free(region, registered->account);
		cond_resched();
	}
	INIT_LIST_HEAD(&registered->regs);
	mutex_unlock(&process->region_lock);
	abandon_last(registered, 1);
}
