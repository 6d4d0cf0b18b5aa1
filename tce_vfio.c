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
 * never used twice; an ioctl looks it up and holds the container, and release
 * waits for those who hold it. MAP and UNMAP hold it by its lock alone, taken
 * under RCU: if release came first, the container is not enabled any more.
 *
 * Locks, in the order in which they are taken:
 *   the VFIO core's	around open, attach, detach and release, not ioctls
 *   &tce_space.lock	the space, and all of the container but its memory's
 *			regions; see tce_table.h
 *   &tce_mem.lock	the same for MAP and UNMAP, which have only this one
 *   those of tce_table.c and tce_memory.c
 * User space is copied from and to with none of ours held.
 *
 * Never fails: detach, release.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat/kernel_range.h"

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/vfio_ops.h"
#include "tce_eeh.h"
#include "tce_memory.h"
#include "tce_table.h"

#define CREATE_TRACE_POINTS
#include "tce_trace.h"

/**
 * struct tce_container - a VFIO container
 * @node: in tce_containers
 * @id: what the VFIO core knows it by
 * @users: ioctls at work, and one for the container itself
 * @idle: completed when @users has dropped to 0
 * @space: groups and windows; its locks guard what follows as well
 * @mem: the user's memory
 * @enabled: v1: between ENABLE and DISABLE; v2: something was registered
 * @charged: v1: CPU pages charged by ENABLE
 * @rcu: for lookups
 */
struct tce_container {
	struct hlist_node node;
	unsigned long id;
	refcount_t users;
	struct completion idle;
	struct tce_space space;
	struct tce_mem mem;
	bool enabled;
	unsigned long charged;
	struct rcu_head rcu;
};

/* All containers, by id; written under the lock, read under RCU. */
static DEFINE_HASHTABLE(tce_containers, 8);
static DEFINE_SPINLOCK(tce_containers_lock);
static atomic_long_t tce_next_id = ATOMIC_LONG_INIT(0);

static struct hlist_head *container_bucket(unsigned long id)
{
	return &tce_containers[id % HASH_SIZE(tce_containers)];
}

/*
 * What is found stays while the caller is in an RCU read-side section, or is
 * the VFIO core, which does not call others while it calls release.
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

static struct tce_container *container_get(void *iommu_data)
{
	struct tce_container *container;

	rcu_read_lock();
	container = container_find(iommu_data);
	if (container && !refcount_inc_not_zero(&container->users))
		container = NULL;
	rcu_read_unlock();
	return container;
}

static __always_inline void container_put(struct tce_container *container)
{
	if (refcount_dec_and_test(&container->users))
		complete(&container->idle);
}

/* Copy the first @min bytes of an argument, and see that it has as many. */
static __always_inline int copy_arg(void *to, unsigned long arg, size_t min)
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

/* Make the caller's memory the container's, with &tce_space.lock kept. */
static int bind_locked(struct tce_container *container)
{
	struct tce_space *space = &container->space;
	int rc = down_write_killable(&space->lock);

	if (rc)
		return rc;
	rc = tce_mem_bind(&container->mem);
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
	if (container->mem.lock != &space->lock)
		rc = down_write_killable(container->mem.lock);
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

/* The default window is created only when it is needed. */
static int create_default(struct tce_container *container)
{
	int rc = lock_and_bind(container);

	if (rc)
		return rc;
	if (container->enabled)
		rc = tce_space_create_default(&container->space);
	tce_space_unlock(&container->space);
	return rc;
}

/* lock_for_mapping(), if somebody has to be waited for or a window created */
static noinline struct tce_container *lock_for_mapping_slowly(void *iommu_data)
{
	struct tce_container *container = container_get(iommu_data);
	int rc;

	if (!container)
		return ERR_PTR(-EINVAL);
	rc = -EPERM;
	if (!current->mm ||
	    smp_load_acquire(&container->mem.mm) != current->mm)
		goto out_put;
	for (;;) {
		rc = down_read_killable(container->mem.lock);
		if (rc)
			break;
		if (!container->enabled)
			rc = -EPERM;
		else if (container->space.default_pending)
			rc = -EAGAIN;
		else
			rc = 0;
		if (!rc)
			break;
		up_read(container->mem.lock);
		if (rc == -EAGAIN)
			rc = create_default(container);
		if (rc)
			break;
	}
out_put:
	container_put(container);
	return rc ? ERR_PTR(rc) : container;
}

static __always_inline void unlock_mapping(struct tce_container *container)
{
	/* kfree_rcu() waits until the lock, too, is done with itself */
	rcu_read_lock();
	up_read(container->mem.lock);
	rcu_read_unlock();
}

/*
 * Find a container and lock what MAP and UNMAP use, as they want it: enabled,
 * and with the default window created if it was still pending. Undone by
 * unlock_mapping().
 *
 * Return: 0; -EINVAL if there is none; -EPERM; -EINTR; an errno of
 * tce_space_create_default().
 */
static __always_inline int lock_for_mapping(void *iommu_data,
					    struct tce_container **locked)
{
	struct tce_container *container;

	rcu_read_lock();
	container = container_find(iommu_data);
	/*
	 * Who is bound has an owner and a lock, which stay the same. The trylock
	 * is also the cheaper half of it.
	 */
	if (likely(container &&
		   smp_load_acquire(&container->mem.mm) == current->mm &&
		   down_read_trylock(container->mem.lock))) {
		/* enabled: release is to come, and waits */
		if (likely(container->enabled &&
			   !container->space.default_pending)) {
			rcu_read_unlock();
			*locked = container;
			return 0;
		}
		up_read(container->mem.lock);
	}
	rcu_read_unlock();
	container = lock_for_mapping_slowly(iommu_data);
	if (IS_ERR(container))
		return PTR_ERR(container);
	*locked = container;
	return 0;
}

/* MAP and UNMAP with bad arguments. Return: @rc; or -EINVAL or -EPERM first */
static noinline long refuse_mapping(void *iommu_data, int rc)
{
	struct tce_container *container = container_get(iommu_data);

	if (!container)
		return -EINVAL;
	if (!READ_ONCE(container->enabled) || !owned(container))
		rc = -EPERM;
	container_put(container);
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

static long ioctl_get_info(struct tce_container *container, unsigned long arg)
{
	size_t size = offsetofend(struct vfio_iommu_spapr_tce_info,
				  dma32_window_size);
	struct vfio_iommu_spapr_tce_info info = {};
	struct iommu_table_group *table_group;
	u32 argsz;
	int rc;

	rc = copy_arg(&info, arg, size);
	if (rc)
		return rc;
	argsz = info.argsz;
	if (argsz >= sizeof(info))
		size = sizeof(info);

	info.flags = 0;
	down_read(&container->space.lock);
	table_group = tce_space_table_group(&container->space);
	if (table_group) {
		info.dma32_window_start = table_group->tce32_start;
		info.dma32_window_size = table_group->tce32_size;
		if (container->mem.v2) {
			info.flags = VFIO_IOMMU_SPAPR_INFO_DDW;
			info.ddw.pgsizes = table_group->pgsizes;
			info.ddw.max_dynamic_windows_supported =
				table_group->max_dynamic_windows_supported;
			info.ddw.levels = table_group->max_levels;
		}
	}
	up_read(&container->space.lock);
	if (!table_group)
		return -ENXIO;
	return copy_to_user((void __user *)arg, &info, size) ? -EFAULT : 0;
}

static long ioctl_map(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map __uninitialized;
	struct tce_container *container;
	enum dma_data_direction dir;
	int rc;

	rc = copy_arg(&map, arg, offsetofend(typeof(map), size));
	if (unlikely(rc))
		return refuse_mapping(iommu_data, rc);

	switch (map.flags) {
	case VFIO_DMA_MAP_FLAG_READ:
		dir = DMA_TO_DEVICE;
		break;
	case VFIO_DMA_MAP_FLAG_WRITE:
		dir = DMA_FROM_DEVICE;
		break;
	case VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE:
		dir = DMA_BIDIRECTIONAL;
		break;
	default:
		return refuse_mapping(iommu_data, -EINVAL);
	}

	rc = lock_for_mapping(iommu_data, &container);
	if (unlikely(rc))
		return rc;
	rc = tce_space_map(&container->space, map.iova, map.vaddr, map.size,
			   dir);
	unlock_mapping(container);
	trace_tce_map(map.iova, map.vaddr, map.size, map.flags, rc);
	return rc;
}

static long ioctl_unmap(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap unmap __uninitialized;
	struct tce_container *container;
	int rc;

	rc = copy_arg(&unmap, arg, offsetofend(typeof(unmap), size));
	if (unlikely(rc))
		return refuse_mapping(iommu_data, rc);
	if (unmap.flags)
		return refuse_mapping(iommu_data, -EINVAL);

	rc = lock_for_mapping(iommu_data, &container);
	if (unlikely(rc))
		return rc;
	rc = tce_space_unmap(&container->space, unmap.iova, unmap.size);
	unlock_mapping(container);
	trace_tce_unmap(unmap.iova, unmap.size, rc);
	return rc;
}

/*
 * v1: charge the whole window in advance, so that no MAP can fail for lack of
 * RLIMIT_MEMLOCK in the middle of a guest's life.
 */
static long ioctl_enable(struct tce_container *container)
{
	struct tce_space *space = &container->space;
	struct iommu_table_group *table_group;
	int rc;

	rc = down_write_killable(&space->lock);
	if (rc)
		return rc;
	table_group = tce_space_table_group(space);
	if (container->enabled)
		rc = -EBUSY;
	else if (!table_group)
		rc = -ENODEV;
	else if (!table_group->tce32_size)
		rc = -EPERM;
	else
		rc = tce_mem_bind(&container->mem);
	if (rc)
		goto out_unlock;

	container->charged = table_group->tce32_size >> PAGE_SHIFT;
	rc = tce_mem_charge(&container->mem, container->charged);
	if (!rc)
		container->enabled = true;
out_unlock:
	up_write(&space->lock);
	return rc;
}

/* v1: the charge is given back, so all that it paid for goes before it. */
static void container_disable(struct tce_container *container)
{
	lockdep_assert_held_write(&container->space.lock);
	if (container->mem.v2 || !container->enabled)
		return;
	tce_space_unmap_all(&container->space);
	container->enabled = false;
	tce_mem_uncharge(&container->mem, container->charged);
}

static long ioctl_disable(struct tce_container *container)
{
	int rc = down_write_killable(&container->space.lock);

	if (rc)
		return rc;
	if (owned(container))
		container_disable(container);
	else
		rc = -EPERM;
	up_write(&container->space.lock);
	return rc;
}

static int copy_register(struct vfio_iommu_spapr_register_memory *param,
			 unsigned long arg)
{
	int rc = copy_arg(param, arg, offsetofend(typeof(*param), size));

	if (!rc && param->flags)
		rc = -EINVAL;
	return rc;
}

static long ioctl_register(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_register_memory param;
	int rc;

	rc = copy_register(&param, arg);
	if (rc)
		return rc;
	rc = bind_locked(container);
	if (rc)
		return rc;
	up_write(&container->space.lock);

	/* Pinning takes its time: MAPs of other memory need not wait for it. */
	rc = tce_mem_register(&container->mem, param.vaddr, param.size);
	if (!rc && !READ_ONCE(container->enabled)) {
		tce_space_lock(&container->space);
		container->enabled = true;
		tce_space_unlock(&container->space);
	}
	return rc;
}

static long ioctl_unregister(struct tce_container *container,
			     unsigned long arg)
{
	struct vfio_iommu_spapr_register_memory param;
	int rc;

	rc = copy_register(&param, arg);
	if (rc)
		return rc;
	if (smp_load_acquire(&container->mem.mm) != current->mm)
		return -EPERM;
	return tce_mem_unregister(&container->mem, param.vaddr, param.size);
}

static long ioctl_create(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_tce_create create;
	struct tce_space *space = &container->space;
	int rc;

	rc = copy_arg(&create, arg, offsetofend(typeof(create), start_addr));
	if (rc)
		return rc;
	if (create.flags)
		return -EINVAL;

	rc = lock_and_bind(container);
	if (rc)
		return rc;
	if (!tce_space_table_group(space))
		rc = -ENXIO;
	else
		rc = tce_space_create_window(space, create.page_shift,
					     create.window_size, create.levels,
					     &create.start_addr);
	tce_space_unlock(space);
	if (rc)
		return rc;

	if (copy_to_user((void __user *)arg, &create,
			 offsetofend(typeof(create), start_addr))) {
		/* a window whose address its owner does not know */
		tce_space_lock(space);
		tce_space_remove_window(space, create.start_addr);
		tce_space_unlock(space);
		return -EFAULT;
	}
	return 0;
}

static long ioctl_remove(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_tce_remove remove;
	struct tce_space *space = &container->space;
	int rc;

	rc = copy_arg(&remove, arg, offsetofend(typeof(remove), start_addr));
	if (rc)
		return rc;
	if (remove.flags)
		return -EINVAL;

	rc = lock_and_bind(container);
	if (rc)
		return rc;
	if (!tce_space_table_group(space))
		rc = -ENXIO;
	else
		rc = tce_space_remove_window(space, remove.start_addr);
	tce_space_unlock(space);
	return rc;
}

static long ioctl_eeh(struct tce_container *container, unsigned long arg)
{
	struct vfio_eeh_pe_op op;
	long rc;

	rc = copy_arg(&op, arg, offsetofend(typeof(op), op));
	if (rc)
		return rc;
	if (op.flags)
		return -EINVAL;
	if (op.op == VFIO_EEH_PE_INJECT_ERR) {
		rc = copy_arg(&op, arg, offsetofend(typeof(op), err.mask));
		if (rc)
			return rc;
		/* user space may have written to it since */
		op.op = VFIO_EEH_PE_INJECT_ERR;
	}

	down_read(&container->space.lock);
	rc = tce_eeh_op(&container->space, &op);
	up_read(&container->space.lock);
	return rc;
}

static noinline long container_ioctl(struct tce_container *container,
				     unsigned int cmd, unsigned long arg)
{
	bool v2 = container->mem.v2;

	if (!owned(container))
		return -EPERM;

	switch (cmd) {
	case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
		return ioctl_get_info(container, arg);
	case VFIO_IOMMU_ENABLE:
		return v2 ? -ENOTTY : ioctl_enable(container);
	case VFIO_IOMMU_DISABLE:
		return v2 ? -ENOTTY : ioctl_disable(container);
	case VFIO_IOMMU_SPAPR_REGISTER_MEMORY:
		return v2 ? ioctl_register(container, arg) : -ENOTTY;
	case VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY:
		return v2 ? ioctl_unregister(container, arg) : -ENOTTY;
	case VFIO_IOMMU_SPAPR_TCE_CREATE:
		return v2 ? ioctl_create(container, arg) : -ENOTTY;
	case VFIO_IOMMU_SPAPR_TCE_REMOVE:
		return v2 ? ioctl_remove(container, arg) : -ENOTTY;
	case VFIO_EEH_PE_OP:
		return ioctl_eeh(container, arg);
	default:
		return -ENOTTY;
	}
}

static long tce_vfio_ioctl(void *iommu_data, unsigned int cmd,
			   unsigned long arg)
{
	struct tce_container *container;
	long rc;

	if (cmd == VFIO_IOMMU_MAP_DMA)
		return ioctl_map(iommu_data, arg);
	if (cmd == VFIO_IOMMU_UNMAP_DMA)
		return ioctl_unmap(iommu_data, arg);
	/* asked of the driver too, with no container */
	if (cmd == VFIO_CHECK_EXTENSION)
		return check_extension(arg);

	container = container_get(iommu_data);
	if (!container)
		return -EINVAL;
	rc = container_ioctl(container, cmd, arg);
	container_put(container);
	return rc;
}

static void *tce_vfio_open(unsigned long arg)
{
	struct tce_container *container;

	if (arg != VFIO_SPAPR_TCE_IOMMU && arg != VFIO_SPAPR_TCE_v2_IOMMU)
		return ERR_PTR(-EINVAL);

	container = kzalloc(sizeof(*container), GFP_KERNEL_ACCOUNT);
	if (!container)
		return ERR_PTR(-ENOMEM);
	container->id = atomic_long_inc_return(&tce_next_id);
	refcount_set(&container->users, 1);
	init_completion(&container->idle);
	tce_mem_init(&container->mem, arg == VFIO_SPAPR_TCE_v2_IOMMU);
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

	container_put(container);
	wait_for_completion(&container->idle);

	tce_space_lock(&container->space);
	container_disable(container);
	/* v2, for those who have found it, but don't have the lock yet */
	container->enabled = false;
	tce_space_destroy(&container->space);
	tce_space_unlock(&container->space);

	tce_mem_destroy(&container->mem);
	kfree_rcu(container, rcu);
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
	return vfio_register_iommu_driver(&tce_vfio_ops);
}

static void __exit tce_vfio_exit(void)
{
	vfio_unregister_iommu_driver(&tce_vfio_ops);
	tce_mem_exit();
}

module_init(tce_vfio_init);
module_exit(tce_vfio_exit);

MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("VFIO IOMMU backend for POWER TCE tables");
