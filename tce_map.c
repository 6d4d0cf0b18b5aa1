// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP, from an IOBA to the entries of a table, and the commands that allow them: ENABLE
 * (v1), which charges the window in advance, and REGISTER (v2), which pins the memory. The platform
 * does not check bounds, and would write beyond the end of a table, so only find_entries() turns an
 * IOBA into an entry.
 *
 * Locks: MAP and UNMAP take &tce_mm.map_lock for reading. Before that, with no lock held, MAP of v1
 * pins its pages, and a pending default window is created. ENABLE and DISABLE take
 * tce_container_lock(), REGISTER and UNREGISTER the locks of tce_region.c, and REGISTER at its end
 * tce_container_lock_always().
 *
 * Never fails: DISABLE once it has the lock, but entries that the platform refuses to clear keep
 * their pages.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "compat/older.h"
#include "tce_group.h"
#include "tce_map.h"
#include "tce_region.h"
#include "tce_table.h"
#include "tce_trace.h"
#include "tce_v1.h"
#include "tce_window.h"

static int check_owner(const struct tce_mm *tmm)
{
	return tmm && tmm->mm == current->mm ? 0 : TCE_REFUSE(-EPERM, "NOT_OWNER", 0);
}

/* Drop the lock to create the default window, or to find out why the container is not enabled. */
static int make_ready(struct tce_container *container)
{
	struct rw_semaphore *lock = &container->mem.tmm->map_lock;
	bool enabled;
	int rc;

	do {
		enabled = container->enabled;
		up_read(lock);
		rc = enabled ? tce_window_create(container, NULL) :
			       tce_container_disabled(container);
		rc = rc ?: down_read_killable(lock);
		if (rc)
			return rc;
	} while (!container->enabled || container->default_pending);
	return 0;
}

/*
 * Lock a container that is enabled, and create its default window if that is pending. Return: 0;
 * -EPERM; -EINVAL if the container is gone; -EINTR; an errno of tce_window_create()
 */
static __always_inline int lock_for_map(struct tce_container *container)
{
	struct tce_mm *tmm = tce_memory_mm(&container->mem);
	int rc = check_owner(tmm) ?: down_read_killable(&tmm->map_lock);

	if (rc || (container->enabled && !container->default_pending))
		return rc;
	return make_ready(container);
}

static void unlock_for_map(struct tce_container *container)
{
	up_read(&container->mem.tmm->map_lock);
}

/* @ua, 0 for UNMAP, has to be a multiple of the IOMMU page. Return: as tce_container_map() */
static __always_inline int find_entries(struct tce_container *container, u64 ioba, u64 ua,
					u64 size, struct tce_table **found, unsigned long *first,
					unsigned long *n)
{
	int i;

	lockdep_assert_held(&container->mem.tmm->map_lock);
	for (i = 0; i < ARRAY_SIZE(container->windows); i++) {
		struct iommu_table *tbl;
		unsigned int shift;
		unsigned long at;

		if (!container->windows[i])
			continue;
		*found = &container->windows[i]->table;
		tbl = (*found)->tbl;
		shift = tbl->it_page_shift;
		*first = ioba >> shift;
		at = *first - tbl->it_offset;
		if (*first < tbl->it_offset || at >= tbl->it_size)
			continue;
		if ((ioba | size) & ((1UL << shift) - 1))
			return TCE_REFUSE(-EINVAL, "IOBA_MISALIGNED", 0);
		*n = size >> shift;
		if (*n > tbl->it_size - at)
			return TCE_REFUSE(-EINVAL);
		return ua & ((1UL << shift) - 1) ? TCE_REFUSE(-EINVAL, "UA_MISALIGNED", 0) : 0;
	}
	return TCE_REFUSE(-ENXIO, "NO_WINDOW_THERE", 0);
}

static int check_map(struct tce_container *container, u64 ioba, u64 ua, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries(container, ioba, ua, size, &table, &first, &n);
	if (!rc && n && !access_ok((void __user *)ua, size))
		rc = TCE_REFUSE(-EFAULT);
	unlock_for_map(container);
	return rc;
}

/*
 * A bridge of PowerNV keeps these addresses for its own MMIO and MSIs, whatever the table says. A
 * client that maps them has no other way to learn it.
 */
static void tell_of_hole(struct tce_container *container, const struct tce_table *table)
{
	if (!table->ops->tce_kill || READ_ONCE(container->hole_told))
		return;
	WRITE_ONCE(container->hole_told, true);
	pr_warn_ratelimited("%s[%d]: maps bus addresses from 2 to 4 GiB, at which a device reaches no memory\n",
			    current->comm, task_tgid_nr(current));
}

static __always_inline int map_range(struct tce_container *container, u64 ioba, u64 ua, u64 size,
				     enum dma_data_direction dir, struct tce_v1_batch *batch)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries(container, ioba, ua, size, &table, &first, &n);
	if (unlikely(ioba < SZ_4G && ioba + size > SZ_2G) && !rc && size)
		tell_of_hole(container, table);
	rc = rc ?: tce_table_map(table, first, ua, n, dir, batch);
	unlock_for_map(container);
	return rc;
}

static int map_v1(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		  enum dma_data_direction dir)
{
	struct tce_v1_batch batch __uninitialized;
	int rc;

	/*
	 * For one entry, pinning is cheaper than checking the window twice, but only the owner may
	 * be charged.
	 */
	rc = size == SZ_4K ? check_owner(tce_memory_mm(&container->mem)) :
			     check_map(container, ioba, ua, size);
	if (rc || !size)
		return rc;
	rc = tce_v1_pin(&batch, &container->mem, ua, size, tce_dir_writes(dir));
	/* report errors of the range first, as for any size */
	if (rc)
		return check_map(container, ioba, ua, size) ?: rc;
	rc = map_range(container, ioba, ua, size, dir, &batch);
	tce_v1_unpin(&batch);
	return rc;
}

/**
 * tce_container_map() - MAP
 * @container: the container, not locked
 * @ioba: first I/O address
 * @ua: start of the memory in the caller's address space
 * @size: bytes; 0 maps nothing
 * @dir: the devices' permissions
 *
 * Undone by tce_container_unmap(). Context: the owner of the memory; sleeps, ends early on SIGKILL.
 *
 * Return: 0; -ENXIO if no window has @ioba; -EINVAL if misaligned or leaving the window; -EFAULT if
 * @ua can't be user memory (v1); as lock_for_map(), tce_table_map(), or in v1 tce_v1_pin().
 */
int tce_container_map(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		      enum dma_data_direction dir)
{
	return container->mem.v1 ? map_v1(container, ioba, ua, size, dir) :
				   map_range(container, ioba, ua, size, dir, NULL);
}

/* UNMAP. Return: as tce_container_map() for the range; as lock_for_map() or tce_table_unmap() */
int tce_container_unmap(struct tce_container *container, u64 ioba, u64 size)
{
	struct tce_table *table;
	unsigned long first, n;
	int rc = lock_for_map(container);

	if (rc)
		return rc;
	rc = find_entries(container, ioba, 0, size, &table, &first, &n) ?:
	     tce_table_unmap(table, first, n);
	unlock_for_map(container);
	return rc;
}

/* Return: CPU pages to be charged; -EBUSY; -ENODEV; -EPERM */
static long check_enable(struct tce_container *container)
{
	struct iommu_table_group *table_group = tce_group_platform(container);

	if (container->enabled)
		return TCE_REFUSE(-EBUSY);
	if (!table_group)
		return TCE_REFUSE(-ENODEV);
	if (!table_group->tce32_size)
		return TCE_REFUSE(-EPERM);
	return table_group->tce32_size >> PAGE_SHIFT;
}

/**
 * tce_container_enable() - v1: ENABLE: charge the whole window in advance
 * @container: the container
 *
 * So no MAP of a well-behaved client fails for lack of RLIMIT_MEMLOCK in the middle of a guest's
 * life. Context: no lock held.
 *
 * Return: 0; -EBUSY if it is enabled; -ENODEV without a group; -EPERM if that has no 32-bit window;
 * -ENOMEM; as tce_container_lock().
 */
long tce_container_enable(struct tce_container *container)
{
	long npages, rc;

	do {
		/* a refused ENABLE must not bind the container to its caller */
		rc = down_read_killable(&container->lock);
		if (rc)
			return rc;
		npages = check_enable(container);
		/* the charge that DISABLE had left for a MAP in flight */
		if (npages >= 0)
			tce_v1_disallow(&container->mem);
		up_read(&container->lock);
		rc = npages < 0 ? npages : tce_container_lock_charged(container, npages);
		if (rc)
			return rc;
		/* there may be another group by now */
		rc = check_enable(container);
		if (rc == npages) {
			tce_v1_allow(container->mem.v1, npages);
			WRITE_ONCE(container->enabled, true);
		} else {
			tce_uncharge_later(&container->mem, npages);
		}
		tce_container_unlock(container);
	} while (rc >= 0 && rc != npages);
	return min(rc, 0L);
}

/*
 * v1: DISABLE. Pages may be pinned only while they are charged, so everything is unmapped. Return:
 * 0; as tce_container_lock()
 */
long tce_container_disable(struct tce_container *container)
{
	long rc;
	int i;

	/* a container that is not bound was never enabled */
	if (!tce_memory_mm(&container->mem))
		return 0;
	rc = tce_container_lock(container);
	if (rc)
		return rc;
	for (i = 0; i < ARRAY_SIZE(container->windows); i++)
		if (container->windows[i])
			tce_table_unmap_all(&container->windows[i]->table);
	WRITE_ONCE(container->enabled, false);
	tce_v1_disallow(&container->mem);
	tce_container_unlock(container);
	return 0;
}

/**
 * tce_container_register() - v2: REGISTER, which also allows MAP and UNMAP
 * @container: the container
 * @ua: start, a multiple of PAGE_SIZE
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * Context: no lock held. Only other REGISTERs of the process wait while the pages are pinned.
 *
 * Return: as tce_container_lock() or tce_region_register().
 */
long tce_container_register(struct tce_container *container, u64 ua, u64 size)
{
	int rc = tce_container_bind(container);

	if (rc)
		return rc;
	rc = tce_region_register(&container->mem, ua, size, &tce_tables);
	if (!rc && !READ_ONCE(container->enabled)) {
		/* the registration can no longer be undone */
		tce_container_lock_always(container);
		if (!container->closed)
			WRITE_ONCE(container->enabled, true);
		tce_container_unlock(container);
	}
	return rc;
}

/* v2: UNREGISTER. Return: as tce_region_unregister(); -EPERM if the caller is not the owner */
long tce_container_unregister(struct tce_container *container, u64 ua, u64 size)
{
	return check_owner(tce_memory_mm(&container->mem)) ?:
	       tce_region_unregister(&container->mem, ua, size, &tce_tables);
}
