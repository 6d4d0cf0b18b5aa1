// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO IOMMU backend for POWER TCE tables: the face to the VFIO core.
 *
 * A container (/dev/vfio/vfio) that is set to VFIO_SPAPR_TCE_IOMMU (v1) or to
 * VFIO_SPAPR_TCE_v2_IOMMU (v2) is a struct tce_container here: the groups and
 * windows it has (tce_table.c) and the memory of its user (tce_memory.c).
 * Each ioctl copies, validates, and acts, in a function of its own.
 *
 * The VFIO core passes ioctls on without a lock: another thread may take the
 * last group away, and with it the container, while an ioctl is on its way to
 * us. So what the core keeps for us is not a pointer but a number that is
 * never used twice. An ioctl looks it up.
 *
 * Nobody waits for a client here. An ioctl may sleep for as long as its client
 * likes: in a copy of its argument, in a page fault, in the kernel's EEH code.
 * Meanwhile it holds a reference that keeps the container's memory, and no more:
 * release does not wait for it, but marks the container dead. A container that has
 * been released, and is in use still, keeps the module: rmmod fails. MAP and UNMAP that
 * need not sleep in such a place hold the container by its lock alone, taken under RCU.
 *
 * Locks, in the order in which they are taken:
 *   &tce_mem.charging, &tce_mm.registering	of the client alone; see tce_memory.c
 *   the VFIO core's	around open, attach, detach and release, not ioctls
 *   &tce_space.lock	the space, and all of the container but its memory's
 *			regions; see tce_table.h
 *   &tce_mem.lock	the same for MAP and UNMAP, which have only this one
 *   those of tce_table.c and tce_memory.c
 * With one of ours held but the first two, nobody copies from or to user space, pins
 * its pages, takes its mmap_lock, or does EEH.
 *
 * Never fails: detach, release.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat/kernel_range.h"

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include "compat/vfio_ops.h"
#include "tce_eeh.h"
#include "tce_memory.h"
#include "tce_page.h"
#include "tce_space.h"

#define CREATE_TRACE_POINTS
#include "tce_trace.h"

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @id: what the VFIO core knows it by; see container_is_v2()
 * @space: groups and windows; its locks guard what follows as well
 * @mem: the user's memory
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered
 * @dead: the VFIO core has released it
 * @settle: gives back what is owed in the end, if that can't be done at once
 * @rcu: for lookups
 */
struct tce_container {
	struct hlist_node node;
	unsigned long id;
	struct tce_space space;
	struct tce_mem mem;
	bool enabled;
	bool dead;
	struct delayed_work settle;
	struct rcu_head rcu;
};

/* Tries to give back what is owed while a container is closed, for some ms, and the next */
#define TCE_SETTLE_TRIES	50
#define TCE_SETTLE_DELAY	(HZ / 10)

/* All containers, by id; written under the lock, read under RCU. */
static DEFINE_HASHTABLE(tce_containers, 8);
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_next_id = ATOMIC_LONG_INIT(0);
static struct workqueue_struct *tce_workqueue;

/* The number tells which interface a container speaks. */
static __always_inline bool container_is_v2(void *iommu_data)
{
	return (unsigned long)iommu_data & 1;
}

static struct hlist_head *container_bucket(unsigned long id)
{
	return &tce_containers[(id >> 1) % HASH_SIZE(tce_containers)];
}

/*
 * What is found stays while the caller is in an RCU read-side section, or is
 * the VFIO core, which does not call others while it calls release
 * (litmus/container-walk.litmus).
 */
static struct tce_container *container_find(void *iommu_data)
{
	unsigned long id = (unsigned long)iommu_data;
	struct tce_container *container;

	rcu_read_lock();
	hlist_for_each_entry_rcu(container, container_bucket(id), node)
		if (container->id == id)
			break;
	rcu_read_unlock();
	return container;
}

/*
 * Keep a container's memory, not the container (litmus/container-get.litmus). Undone by
 * container_put().
 */
static __always_inline struct tce_container *container_get(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = container_find(iommu_data);
	if (container && !refcount_inc_not_zero(&container->mem.users))
		container = NULL;
	rcu_read_unlock();
	return container;
}

static void container_free(struct tce_container *container)
{
	tce_mem_destroy(&container->mem);
	kfree_rcu(container, rcu);
	/* release has taken it */
	module_put(THIS_MODULE);
}

static void container_settle(struct work_struct *work)
{
	struct tce_container *container = container_of(to_delayed_work(work),
						       struct tce_container,
						       settle);

	if (tce_account_try_settle(&container->mem.account))
		container_free(container);
	else
		queue_delayed_work(tce_workqueue, &container->settle,
				   TCE_SETTLE_DELAY);
}

/* Nobody uses a container any more that has been released. */
static noinline void container_end(struct tce_container *container)
{
	int tries;

	tce_mem_owe_all(&container->mem);
	/*
	 * Somebody may have the process's mmap_lock, mostly for a moment. Who closes does
	 * not wait for longer than that.
	 */
	for (tries = 0; tries < TCE_SETTLE_TRIES; tries++) {
		if (tce_account_try_settle(&container->mem.account)) {
			container_free(container);
			return;
		}
		usleep_range(100, 200);
	}
	queue_delayed_work(tce_workqueue, &container->settle, TCE_SETTLE_DELAY);
}

static __always_inline void container_put(struct tce_container *container)
{
	if (unlikely(refcount_dec_and_test(&container->mem.users)))
		container_end(container);
}

/* Copy the first @min bytes of an argument, and see that it has as many. */
static int copy_arg(void *to, unsigned long arg, size_t min)
{
	/*
	 * Linux 7.2 does not ask, but turns an address that is not the user's
	 * into 1 << 63, which on powernv is the kernel's memory.
	 */
	if (!access_ok((void __user *)arg, min) ||
	    copy_from_user(to, (void __user *)arg, min))
		return -EFAULT;
	/* all arguments begin with their own size */
	if (*(u32 *)to < min)
		return -EINVAL;
	return 0;
}

/*
 * Copy a whole argument of @size bytes, a multiple of 8, if its page is there. Never
 * sleeps. False if it must be copied, or refused, by copy_arg().
 */
static __always_inline bool peek_arg(u64 *to, unsigned long arg, size_t size)
{
	const u64 __user *from = (void __user *)arg;
	size_t i;

	pagefault_disable();
	if (unlikely(!user_read_access_begin(from, size)))
		goto out_enable;
	for (i = 0; i < size / sizeof(*to); i++)
		unsafe_get_user(to[i], &from[i], out_end);
	user_read_access_end();
	pagefault_enable();
	return likely(*(u32 *)to >= size);

out_end:
	user_read_access_end();
out_enable:
	pagefault_enable();
	return false;
}

/* Make the caller's memory the container's, with &tce_space.lock kept. */
static int bind_locked(struct tce_container *container)
{
	struct tce_space *space = &container->space;
	int rc = down_write_killable(&space->lock);

	if (rc)
		return rc;
	rc = container->dead ? -EINVAL : tce_mem_bind(&container->mem);
	if (rc)
		up_write(&space->lock);
	return rc;
}

/* The same, and tce_space_lock() */
static int lock_and_bind(struct tce_container *container)
{
	struct tce_space *space = &container->space;
	int rc = bind_locked(container);

	if (rc)
		return rc;
	rc = down_write_killable(&container->mem.process->map_lock);
	if (rc)
		up_write(&space->lock);
	return rc;
}

/*
 * A container maps one process's memory, and obeys that process only. Who
 * asks with no lock held may be told "yes" just before another process binds
 * the container.
 */
static bool owned(struct tce_container *container)
{
	struct mm_struct *mm = smp_load_acquire(&container->mem.mm);

	return current->mm && (!mm || mm == current->mm);
}

/*
 * Create a window, or with no @create the default window if that is pending. What the
 * tables cost is charged before, since the lock that it takes may be held for as
 * long as the client likes.
 */
static long create_windows(struct tce_container *container,
			   struct vfio_iommu_spapr_tce_create *create)
{
	struct tce_space *space = &container->space;
	unsigned long paid = 0, price = 0;
	long rc;

	for (;;) {
		rc = lock_and_bind(container);
		if (rc && !paid)
			return rc;
		if (rc)
			break;
		if (create || container->enabled)
			rc = tce_space_price(space, create, &price);
		else
			rc = -EPERM;
		if (!rc && price <= paid)
			rc = create ? tce_space_create_window(space, create,
							      &paid) :
				      tce_space_create_default(space, &paid);
		else if (!rc)
			rc = -EAGAIN;
		tce_space_unlock(space);
		if (rc != -EAGAIN)
			break;
		rc = tce_account_charge(&container->mem.account, price - paid);
		if (rc)
			break;
		paid = price;
	}
	tce_account_uncharge(&container->mem.account, paid);
	tce_account_settle(&container->mem.account);
	return rc;
}

/*
 * Lock what MAP and UNMAP use, if nobody has to be waited for and nothing is to be done
 * first. The caller keeps the container's memory. Undone by up_read(). Return: whether
 */
static __always_inline bool lock_if_ready(struct tce_container *container)
{
	/*
	 * Who is bound has an owner and a lock, which stay the same
	 * (litmus/bind.litmus, litmus/container-lookup.litmus). The trylock is also
	 * the cheaper half of it.
	 */
	if (unlikely(smp_load_acquire(&container->mem.mm) != current->mm ||
		     !down_read_trylock(&container->mem.process->map_lock)))
		return false;
	/* enabled: release is to come, and waits */
	if (likely(container->enabled && !container->space.default_pending))
		return true;
	up_read(&container->mem.process->map_lock);
	return false;
}

/*
 * Find a container, and lock_if_ready(). Undone by unlock_mapping().
 *
 * Return: the container; NULL if it must be done by lock_for_mapping().
 */
static __always_inline struct tce_container *lock_quickly(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = container_find(iommu_data);
	if (container && unlikely(!lock_if_ready(container)))
		container = NULL;
	rcu_read_unlock();
	return container;
}

static __always_inline void unlock_mapping(struct tce_container *container)
{
	/* kfree_rcu() waits until the lock, too, is done with itself */
	rcu_read_lock();
	up_read(&container->mem.process->map_lock);
	rcu_read_unlock();
}

/*
 * Lock what MAP and UNMAP use, as they want it: enabled, and with the default window
 * created if it was still pending. Undone by unlock_mapping(). Caller has a
 * reference of the container.
 *
 * Return: 0; -EPERM; -EINVAL if the container is gone; -EINTR; an errno of
 * create_windows().
 */
static int lock_for_mapping(struct tce_container *container)
{
	int rc;

	if (!current->mm ||
	    smp_load_acquire(&container->mem.mm) != current->mm)
		return -EPERM;
	for (;;) {
		rc = down_read_killable(&container->mem.process->map_lock);
		if (rc)
			return rc;
		if (container->dead)
			rc = -EINVAL;
		else if (!container->enabled)
			rc = -EPERM;
		else if (container->space.default_pending)
			rc = -EAGAIN;
		else
			return 0;
		up_read(&container->mem.process->map_lock);
		if (rc == -EAGAIN)
			rc = create_windows(container, NULL);
		if (rc)
			return rc;
	}
}

/* Which way do the flags of a MAP let data go? DMA_NONE: they are not valid */
static __always_inline enum dma_data_direction map_dir(u32 flags)
{
	switch (flags) {
	case VFIO_DMA_MAP_FLAG_READ:
		return DMA_TO_DEVICE;
	case VFIO_DMA_MAP_FLAG_WRITE:
		return DMA_FROM_DEVICE;
	case VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE:
		return DMA_BIDIRECTIONAL;
	default:
		return DMA_NONE;
	}
}

/* v1: MAP of any size. The pages are pinned while no lock is held. */
static int map_pages(struct tce_container *container,
		     const struct vfio_iommu_type1_dma_map *map,
		     enum dma_data_direction dir)
{
	struct tce_space *space = &container->space;
	struct tce_pins pins __uninitialized;
	int rc;

	rc = lock_for_mapping(container);
	if (rc)
		return rc;
	rc = tce_space_check(space, map->iova, map->vaddr, map->size);
	unlock_mapping(container);
	if (rc || !map->size)
		return rc;

	rc = tce_pins_get(&pins, &container->mem.pinned, map->vaddr,
			  map->size, dir != DMA_TO_DEVICE);
	if (rc)
		return rc;
	rc = lock_for_mapping(container);
	if (!rc) {
		rc = tce_space_map(space, map->iova, map->vaddr, map->size,
				   dir, &pins);
		unlock_mapping(container);
	}
	tce_pins_put(&pins);
	return rc;
}

/* MAP where somebody may have to be waited for */
static long ioctl_map(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map = {};
	enum dma_data_direction dir;
	long rc;

	rc = copy_arg(&map, arg, offsetofend(typeof(map), size));
	dir = map_dir(map.flags);
	if (!rc && dir == DMA_NONE)
		rc = -EINVAL;
	/* what is wrong with it is told only to who may ask */
	if (!READ_ONCE(container->enabled) || !owned(container))
		return -EPERM;
	if (rc)
		return rc;

	if (!container->mem.v2) {
		rc = map_pages(container, &map, dir);
		tce_pinned_trim(&container->mem.pinned);
	} else {
		rc = lock_for_mapping(container);
		if (rc)
			return rc;
		rc = tce_space_map(&container->space, map.iova, map.vaddr,
				   map.size, dir, NULL);
		unlock_mapping(container);
	}
	trace_tce_map(map.iova, map.vaddr, map.size, map.flags, rc);
	return rc;
}

/* UNMAP where somebody may have to be waited for */
static long ioctl_unmap(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap unmap = {};
	long rc;

	rc = copy_arg(&unmap, arg, offsetofend(typeof(unmap), size));
	if (!rc && unmap.flags)
		rc = -EINVAL;
	if (!READ_ONCE(container->enabled) || !owned(container))
		return -EPERM;
	if (rc)
		return rc;

	rc = lock_for_mapping(container);
	if (rc)
		return rc;
	rc = tce_space_unmap(&container->space, unmap.iova, unmap.size);
	unlock_mapping(container);
	tce_pinned_trim(&container->mem.pinned);
	trace_tce_unmap(unmap.iova, unmap.size, rc);
	return rc;
}

/* v1: MAP of one page that is pinned with no lock held. -EAGAIN: by ioctl_map() */
static __always_inline long map_page(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map __uninitialized;
	struct tce_container *container;
	enum dma_data_direction dir;
	struct page *page;
	int bad, rc = -EAGAIN;

	if (unlikely(!peek_arg((u64 *)&map, arg, sizeof(map)) ||
		     map.size != SZ_4K))
		return -EAGAIN;
	dir = map_dir(map.flags);
	container = container_get(iommu_data);
	if (unlikely(dir == DMA_NONE || !container))
		goto out_put;
	/* who is not bound yet has no account to be charged */
	if (unlikely(smp_load_acquire(&container->mem.mm) != current->mm))
		goto out_put;

	/* as long as the client likes */
	bad = tce_pin_get(&container->mem.pinned, map.vaddr,
			  dir != DMA_TO_DEVICE, &page);
	if (likely(bad != -EAGAIN && lock_if_ready(container))) {
		if (likely(!bad))
			rc = tce_space_map_page(&container->space, map.iova,
						map.vaddr, page, dir);
		else
			rc = tce_space_check(&container->space, map.iova,
					     map.vaddr, SZ_4K) ?: bad;
		up_read(&container->mem.process->map_lock);
		if (rc != -EAGAIN)
			trace_tce_map(map.iova, map.vaddr, map.size, map.flags,
				      rc);
	}
	if (unlikely(rc) && !bad)
		tce_pin_put(&container->mem.pinned, page, 1, false);
out_put:
	if (likely(container))
		container_put(container);
	return rc;
}

/* v2: MAP that needs nobody to be waited for. -EAGAIN: by ioctl_map() */
static __always_inline long map_quickly(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map __uninitialized;
	struct tce_container *container;
	enum dma_data_direction dir;
	int rc;

	if (unlikely(!peek_arg((u64 *)&map, arg, sizeof(map))))
		return -EAGAIN;
	dir = map_dir(map.flags);
	if (unlikely(dir == DMA_NONE))
		return -EAGAIN;
	container = lock_quickly(iommu_data);
	if (unlikely(!container))
		return -EAGAIN;
	rc = tce_space_map(&container->space, map.iova, map.vaddr, map.size,
			   dir, NULL);
	unlock_mapping(container);
	trace_tce_map(map.iova, map.vaddr, map.size, map.flags, rc);
	return rc;
}

/* The same of UNMAP, for v1 as well, unless that is charged for more than a window */
static __always_inline long unmap_quickly(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap unmap __uninitialized;
	struct tce_container *container;
	int rc;

	BUILD_BUG_ON(offsetofend(typeof(unmap), size) != 24);
	if (unlikely(!peek_arg((u64 *)&unmap, arg, 24) || unmap.flags))
		return -EAGAIN;
	container = lock_quickly(iommu_data);
	if (unlikely(!container))
		return -EAGAIN;
	if (unlikely(tce_pinned_excess(&container->mem.pinned))) {
		unlock_mapping(container);
		return -EAGAIN;
	}
	rc = tce_space_unmap(&container->space, unmap.iova, unmap.size);
	unlock_mapping(container);
	trace_tce_unmap(unmap.iova, unmap.size, rc);
	return rc;
}

static long check_extension(unsigned long arg)
{
	switch (arg) {
	case VFIO_SPAPR_TCE_IOMMU:
	case VFIO_SPAPR_TCE_v2_IOMMU:
		return 1;
	case VFIO_EEH:
		return tce_eeh_enabled();
	default:
		return 0;
	}
}

/**
 * union tce_arg - the argument of a command, copied from the user
 * @argsz: how many bytes of it there are
 * @info: GET_INFO
 * @reg: REGISTER_MEMORY and UNREGISTER_MEMORY
 * @create: TCE_CREATE
 * @remove: TCE_REMOVE
 * @eeh: EEH_PE_OP
 */
union tce_arg {
	u32 argsz;
	struct vfio_iommu_spapr_tce_info info;
	struct vfio_iommu_spapr_register_memory reg;
	struct vfio_iommu_spapr_tce_create create;
	struct vfio_iommu_spapr_tce_remove remove;
	struct vfio_eeh_pe_op eeh;
};

static long ioctl_get_info(struct tce_container *container, union tce_arg *arg)
{
	struct vfio_iommu_spapr_tce_info *info = &arg->info;
	struct iommu_table_group *table_group;

	*info = (struct vfio_iommu_spapr_tce_info){ .argsz = info->argsz };
	down_read(&container->space.lock);
	table_group = tce_space_table_group(&container->space);
	if (table_group) {
		info->dma32_window_start = table_group->tce32_start;
		info->dma32_window_size = table_group->tce32_size;
		if (container->mem.v2) {
			info->flags = VFIO_IOMMU_SPAPR_INFO_DDW;
			info->ddw.pgsizes = table_group->pgsizes;
			info->ddw.max_dynamic_windows_supported =
				table_group->max_dynamic_windows_supported;
			info->ddw.levels = table_group->max_levels;
		}
	}
	up_read(&container->space.lock);
	return table_group ? 0 : -ENXIO;
}

/*
 * v1: enable the container if @paid is what its window costs. Return: 0; -EAGAIN if
 * it costs *@price; another errno.
 */
static int try_enable(struct tce_container *container, unsigned long paid,
		      unsigned long *price)
{
	struct tce_space *space = &container->space;
	struct iommu_table_group *table_group;
	int rc;

	rc = down_write_killable(&space->lock);
	if (rc)
		return rc;
	table_group = tce_space_table_group(space);
	if (container->dead)
		rc = -EINVAL;
	else if (container->enabled)
		rc = -EBUSY;
	else if (!table_group)
		rc = -ENODEV;
	else if (!table_group->tce32_size)
		rc = -EPERM;
	else
		rc = tce_mem_bind(&container->mem);
	if (!rc) {
		*price = table_group->tce32_size >> PAGE_SHIFT;
		rc = paid == *price ? 0 : -EAGAIN;
	}
	if (!rc) {
		tce_pinned_allow(&container->mem.pinned, paid);
		/* MAP and UNMAP look at it */
		down_write(&container->mem.process->map_lock);
		WRITE_ONCE(container->enabled, true);
		up_write(&container->mem.process->map_lock);
	}
	up_write(&space->lock);
	return rc;
}

/*
 * v1: charge the whole window in advance, so that no MAP of a well-behaved client
 * can fail for lack of RLIMIT_MEMLOCK in the middle of a guest's life.
 */
static long ioctl_enable(struct tce_container *container, union tce_arg *arg)
{
	struct tce_mem *mem = &container->mem;
	unsigned long paid = 0, price = 0;
	long rc;

	rc = mutex_lock_killable(&mem->pinned.charging);
	if (rc)
		return rc;
	for (;;) {
		rc = try_enable(container, paid, &price);
		if (rc != -EAGAIN)
			break;
		/* or another group has come since */
		tce_account_uncharge(&mem->account, paid);
		paid = 0;
		rc = tce_account_charge(&mem->account, price);
		if (rc)
			break;
		paid = price;
	}
	if (rc)
		tce_account_uncharge(&mem->account, paid);
	mutex_unlock(&mem->pinned.charging);
	tce_account_settle(&mem->account);
	return rc;
}

/* v1: what was charged is not needed any more, so all that it paid for goes. */
static void container_disable(struct tce_container *container)
{
	lockdep_assert_held_write(&container->space.lock);
	if (container->mem.v2 || !container->enabled)
		return;
	tce_space_unmap_all(&container->space);
	WRITE_ONCE(container->enabled, false);
	tce_pinned_allow(&container->mem.pinned, 0);
}

static long ioctl_disable(struct tce_container *container, union tce_arg *arg)
{
	struct tce_pinned *pinned = &container->mem.pinned;
	long rc;

	rc = mutex_lock_killable(&pinned->charging);
	if (rc)
		return rc;
	tce_space_lock(&container->space);
	if (owned(container))
		container_disable(container);
	else
		rc = -EPERM;
	tce_space_unlock(&container->space);
	mutex_unlock(&pinned->charging);
	tce_pinned_trim(pinned);
	return rc;
}

/*
 * What keeps memory from being registered may be mapped memory that a client has given
 * up before: it wanted to unregister it, was told that it is mapped, and has taken it
 * away all the same. What is there now is another memory, and nobody can want the old
 * mappings. Return: whether some were unmapped.
 */
static bool forget_unwanted(struct tce_mem *mem, unsigned long ua,
			    unsigned long size)
{
	struct tce_mem *owner = tce_mem_unwanted(mem, &ua, &size);
	struct tce_container *container;
	bool some;

	if (!owner)
		return false;
	container = container_of(owner, struct tce_container, mem);
	tce_space_lock(&container->space);
	some = tce_space_unmap_memory(&container->space, ua, size);
	tce_space_unlock(&container->space);
	container_put(container);
	return some;
}

static long ioctl_register(struct tce_container *container, union tce_arg *arg)
{
	struct tce_space *space = &container->space;
	struct tce_mem *mem = &container->mem;
	u64 ua = arg->reg.vaddr, size = arg->reg.size;
	int rc;

	if (arg->reg.flags)
		return -EINVAL;
	rc = bind_locked(container);
	if (rc)
		return rc;
	up_write(&space->lock);

	/* Pinning takes its time: nobody but other REGISTERs waits for it. */
	rc = tce_registration_add(&mem->registered, ua, size);
	if (rc == -EBUSY)
		rc = tce_registration_again(&mem->registered, ua, size);
	while (rc == -EBUSY && !fatal_signal_pending(current) &&
	       forget_unwanted(mem, ua, size))
		rc = tce_registration_add(&mem->registered, ua, size);
	if (!rc && !READ_ONCE(container->enabled)) {
		tce_space_lock(space);
		if (!container->dead)
			WRITE_ONCE(container->enabled, true);
		tce_space_unlock(space);
	}
	tce_account_settle(&mem->account);
	return rc;
}

static long ioctl_unregister(struct tce_container *container,
			     union tce_arg *arg)
{
	struct tce_mem *mem = &container->mem;
	int rc;

	if (arg->reg.flags)
		return -EINVAL;
	if (smp_load_acquire(&mem->mm) != current->mm)
		return -EPERM;
	rc = tce_registration_remove(&mem->registered, arg->reg.vaddr, arg->reg.size);
	tce_account_settle(&mem->account);
	return rc;
}

static long ioctl_create(struct tce_container *container, union tce_arg *arg)
{
	return arg->create.flags ? -EINVAL :
				   create_windows(container, &arg->create);
}

static long remove_window(struct tce_container *container, u64 start)
{
	struct tce_space *space = &container->space;
	int rc;

	rc = lock_and_bind(container);
	if (rc)
		return rc;
	if (!tce_space_table_group(space))
		rc = -ENXIO;
	else
		rc = tce_space_remove_window(space, start);
	tce_space_unlock(space);
	tce_account_settle(&container->mem.account);
	return rc;
}

static long ioctl_remove(struct tce_container *container, union tce_arg *arg)
{
	return arg->remove.flags ? -EINVAL :
				   remove_window(container,
						 arg->remove.start_addr);
}

static long ioctl_eeh(struct tce_container *container, union tce_arg *arg)
{
	return arg->eeh.flags ? -EINVAL :
				tce_eeh_op(&container->space, &arg->eeh);
}

/**
 * struct tce_command - an ioctl, but for MAP and UNMAP
 * @cmd: its number
 * @v1: which containers know it
 * @v2: the same
 * @min: bytes that its argument must have; 0 if there is none
 * @act: what it does
 */
struct tce_command {
	unsigned int cmd;
	bool v1;
	bool v2;
	size_t min;
	long (*act)(struct tce_container *container, union tce_arg *arg);
};

static const struct tce_command tce_commands[] = {
	{ VFIO_IOMMU_SPAPR_TCE_GET_INFO, true, true,
	  offsetofend(struct vfio_iommu_spapr_tce_info, dma32_window_size),
	  ioctl_get_info },
	{ VFIO_IOMMU_ENABLE, true, false, 0, ioctl_enable },
	{ VFIO_IOMMU_DISABLE, true, false, 0, ioctl_disable },
	{ VFIO_IOMMU_SPAPR_REGISTER_MEMORY, false, true,
	  offsetofend(struct vfio_iommu_spapr_register_memory, size),
	  ioctl_register },
	{ VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, false, true,
	  offsetofend(struct vfio_iommu_spapr_register_memory, size),
	  ioctl_unregister },
	{ VFIO_IOMMU_SPAPR_TCE_CREATE, false, true,
	  offsetofend(struct vfio_iommu_spapr_tce_create, start_addr),
	  ioctl_create },
	{ VFIO_IOMMU_SPAPR_TCE_REMOVE, false, true,
	  offsetofend(struct vfio_iommu_spapr_tce_remove, start_addr),
	  ioctl_remove },
	{ VFIO_EEH_PE_OP, true, true, offsetofend(struct vfio_eeh_pe_op, op),
	  ioctl_eeh },
};

/* Copy a command's argument. Return: 0; -EFAULT; -EINVAL if it is too short. */
static int copy_command(const struct tce_command *command, union tce_arg *arg,
			unsigned long from)
{
	int rc = command->min ? copy_arg(arg, from, command->min) : 0;

	/* one EEH operation has more of it */
	if (rc || command->cmd != VFIO_EEH_PE_OP ||
	    arg->eeh.op != VFIO_EEH_PE_INJECT_ERR)
		return rc;
	rc = copy_arg(arg, from, offsetofend(struct vfio_eeh_pe_op, err.mask));
	/* user space may have written to it since */
	arg->eeh.op = VFIO_EEH_PE_INJECT_ERR;
	return rc;
}

/* Give the user what the command has found out. Return: 0 or -EFAULT */
static long copy_result(struct tce_container *container,
			const struct tce_command *command, union tce_arg *arg,
			unsigned long to)
{
	size_t size = command->min;

	if (command->cmd == VFIO_IOMMU_SPAPR_TCE_GET_INFO) {
		if (arg->argsz >= sizeof(arg->info))
			size = sizeof(arg->info);
	} else if (command->cmd != VFIO_IOMMU_SPAPR_TCE_CREATE) {
		return 0;
	}
	if (!copy_to_user((void __user *)to, arg, size))
		return 0;
	/* a window whose address its owner does not know */
	if (command->cmd == VFIO_IOMMU_SPAPR_TCE_CREATE)
		remove_window(container, arg->create.start_addr);
	return -EFAULT;
}

/* All commands that may wait for something that is the client's */
static noinline long ioctl_slowly(struct tce_container *container,
				  unsigned int cmd, unsigned long arg)
{
	const struct tce_command *command = NULL;
	union tce_arg copy = {};
	long bad = -ENOTTY;
	int i;

	if (cmd == VFIO_IOMMU_MAP_DMA)
		return ioctl_map(container, arg);
	if (cmd == VFIO_IOMMU_UNMAP_DMA)
		return ioctl_unmap(container, arg);

	for (i = 0; i < ARRAY_SIZE(tce_commands); i++)
		if (tce_commands[i].cmd == cmd &&
		    (container->mem.v2 ? tce_commands[i].v2 : tce_commands[i].v1))
			command = &tce_commands[i];
	if (command)
		bad = copy_command(command, &copy, arg);

	/* what is wrong with it is told only to who may ask */
	if (!owned(container))
		return -EPERM;
	return bad ?: command->act(container, &copy) ?:
		      copy_result(container, command, &copy, arg);
}

static long tce_vfio_ioctl(void *iommu_data, unsigned int cmd,
			   unsigned long arg)
{
	struct tce_container *container;
	long rc = -EAGAIN;

	if (cmd == VFIO_IOMMU_MAP_DMA)
		rc = container_is_v2(iommu_data) ? map_quickly(iommu_data, arg) :
						   map_page(iommu_data, arg);
	else if (cmd == VFIO_IOMMU_UNMAP_DMA)
		rc = unmap_quickly(iommu_data, arg);
	/* asked of the driver too, with no container */
	else if (cmd == VFIO_CHECK_EXTENSION)
		return check_extension(arg);
	if (likely(rc != -EAGAIN))
		return rc;

	container = container_get(iommu_data);
	if (!container)
		return -EINVAL;
	rc = ioctl_slowly(container, cmd, arg);
	container_put(container);
	return rc;
}

static void *tce_vfio_open(unsigned long arg)
{
	bool v2 = arg == VFIO_SPAPR_TCE_v2_IOMMU;
	struct tce_container *container;

	if (arg != VFIO_SPAPR_TCE_IOMMU && !v2)
		return ERR_PTR(-EINVAL);

	container = kzalloc(sizeof(*container), GFP_KERNEL_ACCOUNT);
	if (!container)
		return ERR_PTR(-ENOMEM);
	container->id = atomic_long_inc_return(&tce_next_id) << 1 | v2;
	INIT_DELAYED_WORK(&container->settle, container_settle);
	tce_mem_init(&container->mem, v2);
	tce_space_init(&container->space, &container->mem);

	spin_lock(&tce_containers_lock);
	hlist_add_head_rcu(&container->node, container_bucket(container->id));
	spin_unlock(&tce_containers_lock);
	return (void *)container->id;
}

static void tce_vfio_release(void *iommu_data)
{
	struct tce_container *container = container_find(iommu_data);

	spin_lock(&tce_containers_lock);
	hlist_del_rcu(&container->node);
	spin_unlock(&tce_containers_lock);

	tce_space_lock(&container->space);
	container_disable(container);
	/* for those who have found it, but don't have the lock yet */
	WRITE_ONCE(container->enabled, false);
	container->dead = true;
	tce_space_unlock(&container->space);

	tce_mem_close(&container->mem);
	/* the VFIO core lets go of the module after this, but others may be here still */
	__module_get(THIS_MODULE);
	container_put(container);
}

static int tce_vfio_attach_group(void *iommu_data, struct iommu_group *group,
				 enum vfio_group_type type)
{
	struct tce_container *container = container_find(iommu_data);
	int rc;

	/* an emulated device needs its pages pinned for it, which we don't do */
	if (type == VFIO_EMULATED_IOMMU)
		return -EINVAL;

	tce_space_lock(&container->space);
	rc = tce_space_attach(&container->space, group);
	tce_space_unlock(&container->space);
	return rc;
}

static void tce_vfio_detach_group(void *iommu_data, struct iommu_group *group)
{
	struct tce_container *container = container_find(iommu_data);

	tce_space_lock(&container->space);
	tce_space_detach(&container->space, group);
	tce_space_unlock(&container->space);
}

static const struct vfio_iommu_driver_ops tce_vfio_ops = {
	.name		= "iommu-vfio-powerpc",
	.owner		= THIS_MODULE,
	.open		= tce_vfio_open,
	.release	= tce_vfio_release,
	.ioctl		= tce_vfio_ioctl,
	.attach_group	= tce_vfio_attach_group,
	.detach_group	= tce_vfio_detach_group,
};

static int __init tce_vfio_init(void)
{
	int rc;

	tce_workqueue = alloc_workqueue("vfio_spapr_tce", WQ_UNBOUND, 0);
	if (!tce_workqueue)
		return -ENOMEM;
	rc = vfio_register_iommu_driver(&tce_vfio_ops);
	if (rc)
		destroy_workqueue(tce_workqueue);
	return rc;
}

static void __exit tce_vfio_exit(void)
{
	vfio_unregister_iommu_driver(&tce_vfio_ops);
	destroy_workqueue(tce_workqueue);
	/* who has put the last reference may be preempted on his way out */
	synchronize_rcu_tasks();
	tce_process_exit();
}

module_init(tce_vfio_init);
module_exit(tce_vfio_exit);

MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("VFIO IOMMU backend for POWER TCE tables");
