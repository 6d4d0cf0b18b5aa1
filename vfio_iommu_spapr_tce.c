// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO IOMMU backend for POWER TCE tables: what the VFIO core calls.
 *
 * A container (/dev/vfio/vfio) that is set to VFIO_SPAPR_TCE_IOMMU (v1) or to
 * VFIO_SPAPR_TCE_v2_IOMMU (v2) is a struct tce_container here. MAP of v2 and UNMAP are done here
 * if they can be done without waiting. Everything else is a command (tce_command.c).
 *
 * Locks: see tce_container.c. A quick MAP or UNMAP takes &tce_process.map_lock alone.
 *
 * Never fails: detach, release.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat/kernel_range.h"

#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/iommu_ops.h"
#include "compat/older.h"
#include "compat/vfio_ops.h"
#include "tce_command.h"
#include "tce_container.h"
#include "tce_debugfs.h"
#include "tce_eeh.h"
#include "tce_refusal.h"

#include "tce_trace.h"

/*
 * Copy an argument of @size bytes, which is a multiple of 8, without a page fault. If this
 * returns false, copy_arg() has to copy or refuse it.
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

/* MAP of v2 that does not have to wait. Return: -EAGAIN if tce_command_do() has to do it */
static __always_inline long map_quickly(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map map __uninitialized;
	struct tce_container *container;
	enum dma_data_direction dir;
	int rc;

	if (unlikely(!peek_arg((u64 *)&map, arg, sizeof(map))))
		return -EAGAIN;
	dir = tce_map_dir(map.flags);
	if (unlikely(dir == DMA_NONE))
		return -EAGAIN;
	container = tce_container_find_locked(iommu_data);
	if (unlikely(!container))
		return -EAGAIN;
	rc = tce_space_map(&container->space, map.iova, map.vaddr, map.size,
			   dir, NULL);
	tce_container_unlock(container);
	trace_tce_map((unsigned long)iommu_data, map.iova, map.vaddr, map.size,
		      map.flags, rc);
	return rc;
}

/* The same for UNMAP, also of v1 */
static __always_inline long unmap_quickly(void *iommu_data, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap unmap __uninitialized;
	struct tce_container *container;
	int rc;

	BUILD_BUG_ON(offsetofend(typeof(unmap), size) != 24);
	if (unlikely(!peek_arg((u64 *)&unmap, arg, 24) || unmap.flags))
		return -EAGAIN;
	container = tce_container_find_locked(iommu_data);
	if (unlikely(!container))
		return -EAGAIN;
	rc = tce_space_unmap(&container->space, unmap.iova, unmap.size);
	tce_container_unlock(container);
	trace_tce_unmap((unsigned long)iommu_data, unmap.iova, unmap.size, rc);
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

/* Everything that may have to wait */
static noinline long do_command(void *iommu_data, unsigned int cmd,
				unsigned long arg)
{
	struct tce_container *container = tce_container_get(iommu_data);
	long rc;

	if (!container)
		return TCE_REFUSE(CONTAINER_GONE, EINVAL);
	rc = tce_command_do(container, cmd, arg);
	tce_container_put(container);
	return rc;
}

static long tce_vfio_ioctl(void *iommu_data, unsigned int cmd,
			   unsigned long arg)
{
	long rc = -EAGAIN;

	if (cmd == VFIO_IOMMU_MAP_DMA && tce_container_is_v2(iommu_data))
		rc = map_quickly(iommu_data, arg);
	else if (cmd == VFIO_IOMMU_UNMAP_DMA)
		rc = unmap_quickly(iommu_data, arg);
	/* Also called without a container, to ask the driver. */
	else if (cmd == VFIO_CHECK_EXTENSION)
		return check_extension(arg);
	if (likely(rc != -EAGAIN))
		return rc;
	return do_command(iommu_data, cmd, arg);
}

static void *tce_vfio_open(unsigned long arg)
{
	bool v2 = arg == VFIO_SPAPR_TCE_v2_IOMMU;

	if (arg == VFIO_SPAPR_TCE_IOMMU || v2)
		return tce_container_open(v2);
	return ERR_PTR(TCE_REFUSE_VALUE(CONTAINER_TYPE, EINVAL, arg));
}

static int tce_vfio_attach_group(void *iommu_data, struct iommu_group *group,
				 enum vfio_group_type type)
{
	struct tce_container *container = tce_container_find(iommu_data);
	int rc;

	if (type == VFIO_EMULATED_IOMMU) {
		/* It would need a backend that pins pages for its driver. */
		rc = TCE_REFUSE(EMULATED_DEVICE, EINVAL);
	} else {
		tce_space_lock(&container->space);
		rc = tce_space_attach(&container->space, group);
		tce_space_unlock(&container->space);
	}
	trace_tce_attach((unsigned long)iommu_data, iommu_group_id(group), rc);
	return rc;
}

static void tce_vfio_detach_group(void *iommu_data, struct iommu_group *group)
{
	struct tce_container *container = tce_container_find(iommu_data);

	tce_space_lock(&container->space);
	tce_space_detach(&container->space, group);
	tce_space_unlock(&container->space);
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
	rc = vfio_register_iommu_driver(&tce_vfio_ops);
	if (!rc)
		tce_debugfs_init();
	return rc;
}

static void __exit tce_vfio_exit(void)
{
	tce_debugfs_exit();
	vfio_unregister_iommu_driver(&tce_vfio_ops);
	/* A task that has put the last reference may be preempted before it has left this code. */
	synchronize_rcu_tasks();
}

module_init(tce_vfio_init);
module_exit(tce_vfio_exit);

MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("VFIO IOMMU backend for POWER TCE tables");
