// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO IOMMU backend for POWER TCE tables: the operations that the VFIO core calls.
 *
 * A container (/dev/vfio/vfio) that is set to VFIO_SPAPR_TCE_IOMMU (v1) or VFIO_SPAPR_TCE_v2_IOMMU
 * (v2) is a struct tce_container. Ioctls access user space with no lock held. For the locks see
 * tce_container.c.
 *
 * Never fails: detach, release. All refusals of ioctls go through TCE_REFUSE().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat/kernel_range.h"

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include <asm/eeh.h>

#include "compat/iommu_ops.h"
#include "compat/older.h"
#include "compat/vfio_ops.h"
#include "tce_container.h"
#include "tce_debugfs.h"
#include "tce_eeh.h"
#include "tce_group.h"
#include "tce_map.h"
#include "tce_trace.h"
#include "tce_window.h"

/* Copy the first @min bytes of an argument, which begins with its size. */
static __always_inline int copy_arg(void *to, unsigned long arg, size_t min)
{
	/*
	 * copy_from_user() of Linux 7.2 has no access_ok(), but masks a kernel address to 1 << 63,
	 * which is kernel memory on powernv.
	 */
	if (!access_ok((void __user *)arg, min) ||
	    copy_from_user(to, (void __user *)arg, min))
		return TCE_REFUSE(-EFAULT, "", arg);
	if (*(u32 *)to < min)
		return TCE_REFUSE(-EINVAL, "", min);
	return 0;
}

/* The same for an argument whose second field may have the flags @known */
static __always_inline int copy_flags_arg(void *to, unsigned long arg, size_t min, u32 known)
{
	int rc = copy_arg(to, arg, min);
	u32 flags;

	if (rc)
		return rc;
	flags = ((u32 *)to)[1];
	return flags & ~known ? TCE_REFUSE(-EINVAL, "", flags) : 0;
}

/* DMA_NONE if the flags are not valid */
static enum dma_data_direction map_dir(u32 flags)
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

static long ioctl_map(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map __uninitialized;
	enum dma_data_direction dir;
	long rc;

	rc = copy_flags_arg(&map, arg, offsetofend(typeof(map), size),
			    VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	if (rc)
		return rc;
	dir = map_dir(map.flags);
	if (dir == DMA_NONE)
		return TCE_REFUSE(-EINVAL, "", map.flags);
	rc = tce_container_map(container, map.iova, map.vaddr, map.size, dir);
	trace_tce_map(container->id, map.iova, map.vaddr, map.size, map.flags, rc);
	return rc;
}

static long ioctl_unmap(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap unmap __uninitialized;
	long rc;

	rc = copy_flags_arg(&unmap, arg, offsetofend(typeof(unmap), size), 0);
	if (rc)
		return rc;
	rc = tce_container_unmap(container, unmap.iova, unmap.size);
	trace_tce_unmap(container->id, unmap.iova, unmap.size, rc);
	return rc;
}

static long ioctl_get_info(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_tce_info info = {};
	const size_t min = offsetofend(typeof(info), dma32_window_size);
	size_t size;
	long rc;

	rc = copy_arg(&info, arg, min);
	if (rc)
		return rc;
	info = (struct vfio_iommu_spapr_tce_info){ .argsz = info.argsz };
	rc = tce_window_info(container, &info);
	if (rc)
		return rc;
	size = info.argsz >= sizeof(info) ? sizeof(info) : min;
	if (copy_to_user((void __user *)arg, &info, size))
		return TCE_REFUSE(-EFAULT);
	return 0;
}

static long ioctl_register(struct tce_container *container, unsigned int cmd,
			   unsigned long arg)
{
	struct vfio_iommu_spapr_register_memory reg;
	long rc;

	rc = copy_flags_arg(&reg, arg, offsetofend(typeof(reg), size), 0);
	if (rc)
		return rc;
	if (cmd == VFIO_IOMMU_SPAPR_REGISTER_MEMORY) {
		rc = tce_container_register(container, reg.vaddr, reg.size);
		trace_tce_register(container->id, reg.vaddr, reg.size, rc);
	} else {
		rc = tce_container_unregister(container, reg.vaddr, reg.size);
		trace_tce_unregister(container->id, reg.vaddr, reg.size, rc);
	}
	return rc;
}

static long ioctl_create(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_tce_create create;
	const size_t size = offsetofend(typeof(create), start_addr);
	long rc;

	rc = copy_flags_arg(&create, arg, size, 0);
	if (rc)
		return rc;
	/* before there is a window, of which a client could not be told */
	if (copy_to_user((void __user *)arg, &create, size))
		return TCE_REFUSE(-EFAULT, "", arg);
	rc = tce_window_create(container, &create);
	/* if the client has taken that memory away meanwhile, it keeps the window */
	if (!rc && copy_to_user((void __user *)arg, &create, size))
		return TCE_REFUSE(-EFAULT, "", arg);
	return rc;
}

static long ioctl_remove(struct tce_container *container, unsigned long arg)
{
	struct vfio_iommu_spapr_tce_remove remove;
	long rc;

	rc = copy_flags_arg(&remove, arg, offsetofend(typeof(remove), start_addr), 0);
	return rc ?: tce_window_remove(container, remove.start_addr);
}

static long ioctl_eeh(struct tce_container *container, unsigned long arg)
{
	struct vfio_eeh_pe_op op = {};
	long rc;

	rc = copy_flags_arg(&op, arg, offsetofend(typeof(op), op), 0);
	if (!rc && op.op == VFIO_EEH_PE_INJECT_ERR) {
		/* The argument is longer, and may have changed since it was read. */
		rc = copy_arg(&op, arg, offsetofend(typeof(op), err.mask));
		op.op = VFIO_EEH_PE_INJECT_ERR;
	}
	return rc ?: tce_eeh_op(container, &op);
}

static long check_extension(unsigned long arg)
{
	switch (arg) {
	case VFIO_SPAPR_TCE_IOMMU:
	case VFIO_SPAPR_TCE_v2_IOMMU:
		return 1;
	case VFIO_EEH:
		return eeh_enabled();
	default:
		return 0;
	}
}

static long do_ioctl(struct tce_container *container, unsigned int cmd, unsigned long arg)
{
	bool v1 = container->mem.v1;

	/* Only the owner may learn why a call is refused. */
	if (!tce_container_owned(container))
		return TCE_REFUSE(-EPERM, "NOT_OWNER", 0);
	switch (cmd) {
	case VFIO_IOMMU_MAP_DMA:
	case VFIO_IOMMU_UNMAP_DMA:
		if (!READ_ONCE(container->enabled))
			return tce_container_disabled(container);
		return cmd == VFIO_IOMMU_MAP_DMA ? ioctl_map(container, arg) :
						   ioctl_unmap(container, arg);
	case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
		return ioctl_get_info(container, arg);
	case VFIO_EEH_PE_OP:
		return ioctl_eeh(container, arg);
	case VFIO_IOMMU_ENABLE:
		if (v1)
			return tce_container_enable(container);
		break;
	case VFIO_IOMMU_DISABLE:
		if (v1)
			return tce_container_disable(container);
		break;
	case VFIO_IOMMU_SPAPR_REGISTER_MEMORY:
	case VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY:
		if (!v1)
			return ioctl_register(container, cmd, arg);
		break;
	case VFIO_IOMMU_SPAPR_TCE_CREATE:
		if (!v1)
			return ioctl_create(container, arg);
		break;
	case VFIO_IOMMU_SPAPR_TCE_REMOVE:
		if (!v1)
			return ioctl_remove(container, arg);
		break;
	}
	return TCE_REFUSE(-ENOTTY, "", cmd);
}

static long tce_vfio_ioctl(void *iommu_data, unsigned int cmd, unsigned long arg)
{
	struct tce_container *container;
	long rc;

	/* Also called without a container */
	if (cmd == VFIO_CHECK_EXTENSION)
		return check_extension(arg);
	container = tce_container_get(iommu_data);
	if (!container)
		return TCE_REFUSE(-EINVAL);
	rc = do_ioctl(container, cmd, arg);
	/* what it has left, or others have, now that no lock is held */
	if (unlikely(atomic_long_read(&container->mem.uncharge)))
		tce_uncharge(&container->mem);
	tce_container_put(container);
	return rc;
}

static void *tce_vfio_open(unsigned long arg)
{
	bool v2 = arg == VFIO_SPAPR_TCE_v2_IOMMU;

	if (arg == VFIO_SPAPR_TCE_IOMMU || v2)
		return tce_container_open(v2);
	return ERR_PTR(TCE_REFUSE(-EINVAL, "", arg));
}

static int attach(struct tce_container *container, struct iommu_group *group)
{
	struct tce_group *grp = tce_group_take(container, group);
	int rc;

	if (IS_ERR(grp))
		return PTR_ERR(grp);
	rc = tce_windows_set(container, grp);
	if (rc)
		tce_group_give_back(grp);
	else
		list_add_tail(&grp->list, &container->groups);
	return rc;
}

/*
 * Attach a group that the VFIO core has claimed. A failure changes nothing, unless a bridge refuses
 * to release a window that was just set.
 */
static int tce_vfio_attach_group(void *iommu_data, struct iommu_group *group,
				 enum vfio_group_type type)
{
	struct tce_container *container = tce_container_find(iommu_data);
	int rc;

	/* It would need a backend that pins pages for its driver. */
	if (type == VFIO_EMULATED_IOMMU)
		return TCE_REFUSE(-EINVAL);
	tce_container_lock_always(container);
	rc = attach(container, group);
	tce_container_unlock(container);
	trace_tce_attach(container->id, iommu_group_id(group), rc);
	return rc;
}

/*
 * Unset the windows of a group, and give it back to the host. The last group takes the windows
 * along, whose charge is dropped at release, if not by an earlier ioctl.
 *
 * On return the group's devices can't reach any memory of the container, unless other groups stay
 * and the bridge refused to release a window. Such a bridge misses all later invalidations, because
 * the platform unlinks the group from the table anyway. But the core has disabled the devices, the
 * host invalidates everything that the bridge has cached for them when it sets its own window, and
 * no other container gets the group until the bridge has released that window.
 */
static void tce_vfio_detach_group(void *iommu_data, struct iommu_group *group)
{
	struct tce_container *container = tce_container_find(iommu_data);
	struct tce_group *grp;

	tce_container_lock_always(container);
	list_for_each_entry(grp, &container->groups, list) {
		if (grp->group != group)
			continue;
		tce_windows_unset(container, grp);
		list_del(&grp->list);
		trace_tce_detach(container->id, iommu_group_id(group), 0);
		tce_group_give_back(grp);
		break;
	}
	tce_container_unlock(container);
}

static const struct vfio_iommu_driver_ops tce_vfio_ops = {
	.name		= "iommu-vfio-powerpc",
	.owner		= THIS_MODULE,
	.open		= tce_vfio_open,
	.release	= tce_container_release,
	.ioctl		= tce_vfio_ioctl,
	.attach_group	= tce_vfio_attach_group,
	.detach_group	= tce_vfio_detach_group,
};

static int __init tce_vfio_init(void)
{
	int rc;

	spapr_tce_iommu_ops_need();
	rc = tce_eeh_init();
	if (rc)
		return rc;
	rc = vfio_register_iommu_driver(&tce_vfio_ops);
	if (rc)
		tce_eeh_exit();
	else
		tce_debugfs_init();
	return rc;
}

static void __exit tce_vfio_exit(void)
{
	tce_debugfs_exit();
	vfio_unregister_iommu_driver(&tce_vfio_ops);
	tce_eeh_exit();
	/* A task that has put the last reference may be preempted before it has left this code. */
	synchronize_rcu_tasks();
}

module_init(tce_vfio_init);
module_exit(tce_vfio_exit);

MODULE_VERSION(TCE_VERSION);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("VFIO IOMMU backend for POWER TCE tables");
