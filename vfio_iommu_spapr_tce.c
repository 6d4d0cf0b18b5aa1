// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO IOMMU backend for POWER TCE tables: what the VFIO core calls, and a function for each ioctl.
 *
 * A container (/dev/vfio/vfio) that is set to VFIO_SPAPR_TCE_IOMMU (v1) or to
 * VFIO_SPAPR_TCE_v2_IOMMU (v2) is a struct tce_container here. MAP of v2 and UNMAP are done in
 * map_quickly() and unmap_quickly() if they can be done without waiting. tce_command_do() does
 * everything else: it copies and checks the argument, calls the ioctl's function, and copies its
 * result, with no lock held.
 *
 * Locks: see struct tce_container. A quick MAP or UNMAP takes &tce_process.map_lock alone.
 *
 * Never fails: detach, release. A check that refuses a command reports its name (TCE_REFUSE()).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat/kernel_range.h"

#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/iommu_ops.h"
#include "compat/older.h"
#include "compat/vfio_ops.h"
#include "tce_container.h"
#include "tce_trace.h"

/**
 * tce_map_dir() - the DMA direction of a MAP
 * @flags: VFIO_DMA_MAP_FLAG_*
 *
 * Return: the direction; DMA_NONE if the flags are not valid.
 */
static __always_inline enum dma_data_direction tce_map_dir(u32 flags)
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

/* Copy the first @min bytes of an argument, and check that it has as many. */
static int copy_arg(void *to, unsigned long arg, size_t min)
{
	/*
	 * Linux 7.2 has no access_ok() in copy_from_user(), but masks a kernel address to
	 * 1 << 63, which on powernv is memory of the kernel.
	 */
	if (!access_ok((void __user *)arg, min) ||
	    copy_from_user(to, (void __user *)arg, min))
		return TCE_REFUSE_VALUE(ARGUMENT_FAULT, EFAULT, arg);
	/* Each argument begins with its size. */
	if (*(u32 *)to < min)
		return TCE_REFUSE_VALUE(ARGUMENT_SHORT, EINVAL, min);
	return 0;
}

/**
 * union tce_arg - the argument of a command, copied from user space
 * @argsz: its size in bytes, the first field of each argument
 * @flags: the second field of each argument
 * @map: MAP_DMA
 * @unmap: UNMAP_DMA
 * @info: GET_INFO
 * @reg: REGISTER_MEMORY and UNREGISTER_MEMORY
 * @create: TCE_CREATE
 * @remove: TCE_REMOVE
 * @eeh: EEH_PE_OP
 */
union tce_arg {
	struct {
		u32 argsz;
		u32 flags;
	};
	struct vfio_iommu_type1_dma_map map;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_iommu_spapr_tce_info info;
	struct vfio_iommu_spapr_register_memory reg;
	struct vfio_iommu_spapr_tce_create create;
	struct vfio_iommu_spapr_tce_remove remove;
	struct vfio_eeh_pe_op eeh;
};

static int check_window(struct tce_container *container,
			const struct vfio_iommu_type1_dma_map *map)
{
	int rc = tce_container_lock(container);

	if (rc)
		return rc;
	rc = tce_space_check(&container->space, map->iova, map->vaddr, map->size);
	tce_container_unlock(container);
	return rc;
}

/* v1: MAP of any size. The pages are pinned with no lock held. */
static int map_pages(struct tce_container *container,
		     const struct vfio_iommu_type1_dma_map *map,
		     enum dma_data_direction dir)
{
	struct tce_pins pins __uninitialized;
	int rc;

	/* for one entry, pinning is cheaper than checking the window twice */
	rc = map->size == SZ_4K ? 0 : check_window(container, map);
	if (rc || !map->size)
		return rc;
	rc = tce_pins_get(&pins, &container->mem.pinned, map->vaddr,
			  map->size, dir != DMA_TO_DEVICE);
	/* what is wrong with the window comes first, as for any size */
	if (rc)
		return check_window(container, map) ?: rc;
	rc = tce_container_lock(container);
	if (!rc) {
		rc = tce_space_map(&container->space, map->iova, map->vaddr,
				   map->size, dir, &pins);
		tce_container_unlock(container);
	}
	tce_pins_put(&pins);
	return rc;
}

/* MAP for which the caller may have to wait */
static long ioctl_map(struct tce_container *container, union tce_arg *arg)
{
	const struct vfio_iommu_type1_dma_map *map = &arg->map;
	enum dma_data_direction dir = tce_map_dir(map->flags);
	long rc;

	if (dir == DMA_NONE)
		return TCE_REFUSE_VALUE(FLAGS, EINVAL, map->flags);
	if (!container->mem.v2) {
		rc = map_pages(container, map, dir);
	} else {
		rc = tce_container_lock(container);
		if (rc)
			return rc;
		rc = tce_space_map(&container->space, map->iova, map->vaddr,
				   map->size, dir, NULL);
		tce_container_unlock(container);
	}
	trace_tce_map(container->id, map->iova, map->vaddr, map->size,
		      map->flags, rc);
	return rc;
}

/* UNMAP for which the caller may have to wait */
static long ioctl_unmap(struct tce_container *container, union tce_arg *arg)
{
	const struct vfio_iommu_type1_dma_unmap *unmap = &arg->unmap;
	long rc;

	rc = tce_container_lock(container);
	if (rc)
		return rc;
	rc = tce_space_unmap(&container->space, unmap->iova, unmap->size);
	tce_container_unlock(container);
	trace_tce_unmap(container->id, unmap->iova, unmap->size, rc);
	return rc;
}

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
	return table_group ? 0 : TCE_REFUSE(NO_GROUP, ENXIO);
}

/* v1: the CPU pages that ENABLE has to charge. Return: 0; -EBUSY; -ENODEV; -EPERM */
static int enable_price(struct tce_container *container, unsigned long *price)
{
	struct iommu_table_group *table_group =
		tce_space_table_group(&container->space);

	if (container->enabled)
		return TCE_REFUSE(ENABLED_ALREADY, EBUSY);
	if (!table_group)
		return TCE_REFUSE(NO_GROUP, ENODEV);
	if (!table_group->tce32_size)
		return TCE_REFUSE(NO_32BIT_WINDOW, EPERM);
	*price = table_group->tce32_size >> PAGE_SHIFT;
	return 0;
}

static long enable(struct tce_container *container, void *unused,
		   unsigned long *paid, unsigned long *price)
{
	int rc = enable_price(container, price);

	if (rc)
		return rc;
	if (*price > *paid)
		return -EAGAIN;
	tce_pinned_allow(&container->mem.pinned, *price);
	*paid -= *price;
	WRITE_ONCE(container->enabled, true);
	return 0;
}

/*
 * v1: charge the whole window in advance, so that no MAP of a well-behaved client fails for
 * lack of RLIMIT_MEMLOCK in the middle of a guest's life.
 */
static long ioctl_enable(struct tce_container *container, union tce_arg *arg)
{
	unsigned long price;
	long rc;

	/* An ENABLE that is refused does not bind the container to its caller. */
	rc = down_read_killable(&container->space.lock);
	if (rc)
		return rc;
	rc = enable_price(container, &price);
	up_read(&container->space.lock);
	return rc ?: tce_container_pay(container, enable, NULL);
}

static long ioctl_disable(struct tce_container *container, union tce_arg *arg)
{
	long rc;

	/* A container that is not bound (litmus/bind.litmus) was never enabled. */
	if (!smp_load_acquire(&container->mem.mm))
		return 0;
	rc = tce_container_lock_all(container);
	if (rc)
		return rc;
	tce_container_disable(container);
	tce_space_unlock(&container->space);
	tce_account_settle(&container->mem.account);
	return 0;
}

static long ioctl_register(struct tce_container *container, union tce_arg *arg)
{
	struct tce_space *space = &container->space;
	struct tce_mem *mem = &container->mem;
	u64 ua = arg->reg.vaddr, size = arg->reg.size;
	int rc;

	rc = tce_container_bind(container);
	if (rc)
		return rc;
	up_write(&space->lock);

	/* Only other REGISTERs of the process wait while the pages are pinned. */
	rc = tce_registration_add(&mem->registered, ua, size);
	if (!rc && !READ_ONCE(container->enabled)) {
		tce_space_lock(space);
		if (!container->dead)
			WRITE_ONCE(container->enabled, true);
		tce_space_unlock(space);
	}
	tce_account_settle(&mem->account);
	trace_tce_register(container->id, ua, size, rc);
	return rc;
}

/* UNREGISTER removes the container's own mappings of the memory first. */
static int unmap_registered(struct tce_registered *registered,
			    const struct tce_region *region)
{
	struct tce_container *container =
		container_of(registered, struct tce_container, mem.registered);
	struct tce_process *process = registered->process;
	int rc = down_write_killable(&process->map_lock);

	if (rc)
		return rc;
	rc = tce_space_unmap_region(&container->space, region);
	up_write(&process->map_lock);
	return rc;
}

static long ioctl_unregister(struct tce_container *container,
			     union tce_arg *arg)
{
	struct tce_mem *mem = &container->mem;
	u64 ua = arg->reg.vaddr, size = arg->reg.size;
	int rc;

	/* litmus/bind.litmus */
	if (smp_load_acquire(&mem->mm) != current->mm)
		return TCE_REFUSE(NOT_OWNER, EPERM);
	rc = tce_registration_remove(&mem->registered, ua, size,
				     unmap_registered);
	tce_account_settle(&mem->account);
	trace_tce_unregister(container->id, ua, size, rc);
	return rc;
}

static long ioctl_create(struct tce_container *container, union tce_arg *arg)
{
	return tce_container_pay(container, tce_container_create_windows,
				 &arg->create);
}

static long remove_window(struct tce_container *container, u64 start)
{
	int rc = tce_container_lock_all(container);

	if (rc)
		return rc;
	rc = tce_space_remove_window(&container->space, start);
	tce_space_unlock(&container->space);
	tce_account_settle(&container->mem.account);
	return rc;
}

static long ioctl_remove(struct tce_container *container, union tce_arg *arg)
{
	return remove_window(container, arg->remove.start_addr);
}

static long ioctl_eeh(struct tce_container *container, union tce_arg *arg)
{
	return tce_eeh_op(&container->space, &arg->eeh);
}

/**
 * struct tce_command - an ioctl
 * @cmd: its number
 * @v1: containers of v1 have it
 * @v2: containers of v2 have it
 * @min: the smallest size of its argument; 0 if it has none
 * @flags: the flags that it knows
 * @act: what it does
 */
struct tce_command {
	unsigned int cmd;
	bool v1;
	bool v2;
	size_t min;
	u32 flags;
	long (*act)(struct tce_container *container, union tce_arg *arg);
};

static const struct tce_command tce_commands[] = {
	{ VFIO_IOMMU_MAP_DMA, true, true,
	  offsetofend(struct vfio_iommu_type1_dma_map, size),
	  VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, ioctl_map },
	{ VFIO_IOMMU_UNMAP_DMA, true, true,
	  offsetofend(struct vfio_iommu_type1_dma_unmap, size), 0, ioctl_unmap },
	{ VFIO_IOMMU_SPAPR_TCE_GET_INFO, true, true,
	  offsetofend(struct vfio_iommu_spapr_tce_info, dma32_window_size),
	  U32_MAX, ioctl_get_info },
	{ VFIO_IOMMU_ENABLE, true, false, 0, 0, ioctl_enable },
	{ VFIO_IOMMU_DISABLE, true, false, 0, 0, ioctl_disable },
	{ VFIO_IOMMU_SPAPR_REGISTER_MEMORY, false, true,
	  offsetofend(struct vfio_iommu_spapr_register_memory, size), 0,
	  ioctl_register },
	{ VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, false, true,
	  offsetofend(struct vfio_iommu_spapr_register_memory, size), 0,
	  ioctl_unregister },
	{ VFIO_IOMMU_SPAPR_TCE_CREATE, false, true,
	  offsetofend(struct vfio_iommu_spapr_tce_create, start_addr), 0,
	  ioctl_create },
	{ VFIO_IOMMU_SPAPR_TCE_REMOVE, false, true,
	  offsetofend(struct vfio_iommu_spapr_tce_remove, start_addr), 0,
	  ioctl_remove },
	{ VFIO_EEH_PE_OP, true, true, offsetofend(struct vfio_eeh_pe_op, op), 0,
	  ioctl_eeh },
};

/* Copy a command's argument. Return: 0; -EFAULT; -EINVAL if it is too short. */
static int copy_command(const struct tce_command *command, union tce_arg *arg,
			unsigned long from)
{
	int rc = command->min ? copy_arg(arg, from, command->min) : 0;

	if (rc)
		return rc;
	if (arg->flags & ~command->flags)
		return TCE_REFUSE_VALUE(FLAGS, EINVAL, arg->flags);
	if (command->cmd != VFIO_EEH_PE_OP ||
	    arg->eeh.op != VFIO_EEH_PE_INJECT_ERR)
		return 0;
	/* The argument of this operation is longer, and may have changed since it was read. */
	rc = copy_arg(arg, from, offsetofend(struct vfio_eeh_pe_op, err.mask));
	arg->eeh.op = VFIO_EEH_PE_INJECT_ERR;
	return rc;
}

/* Copy the result of a command to user space. Return: 0; -EFAULT */
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
	/* The client does not know the address of its window. */
	if (command->cmd == VFIO_IOMMU_SPAPR_TCE_CREATE)
		remove_window(container, arg->create.start_addr);
	return TCE_REFUSE(ANSWER_FAULT, EFAULT);
}

/**
 * tce_command_do() - do an ioctl
 * @container: the container, of which the caller has a reference
 * @cmd: the ioctl
 * @arg: its argument, in user space
 *
 * Context: sleeps for as long as the client likes, and so with no lock held.
 *
 * Return: the result of the ioctl.
 */
static long tce_command_do(struct tce_container *container, unsigned int cmd,
			   unsigned long arg)
{
	const struct tce_command *command = tce_commands;
	const struct tce_command *end = command + ARRAY_SIZE(tce_commands);
	union tce_arg copy = {};

	while (command < end && (command->cmd != cmd ||
				 !(container->mem.v2 ? command->v2 : command->v1)))
		command++;

	/* Only the owner learns what is wrong with a call. */
	if (!tce_container_owned(container))
		return TCE_REFUSE(NOT_OWNER, EPERM);
	if (command == end)
		return TCE_REFUSE_VALUE(NO_COMMAND, ENOTTY, cmd);
	if ((cmd == VFIO_IOMMU_MAP_DMA || cmd == VFIO_IOMMU_UNMAP_DMA) &&
	    !READ_ONCE(container->enabled))
		return TCE_REFUSE(NOT_ENABLED, EPERM);
	return copy_command(command, &copy, arg) ?:
	       command->act(container, &copy) ?:
	       copy_result(container, command, &copy, arg);
}

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
