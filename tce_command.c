// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands: a function for each ioctl. MAP and UNMAP are here for when somebody has to be
 * waited for; vfio_iommu_spapr_tce.c has the quick ones.
 *
 * A command copies its argument, validates, acts, and copies its answer. No lock is held
 * while it copies.
 *
 * Locks: see tce_container.c.
 *
 * Never fails: nothing. A command that is refused says why: see tce_refusal.h.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat/older.h"
#include "tce_command.h"
#include "tce_container.h"
#include "tce_eeh.h"
#include "tce_refusal.h"
#include "tce_trace.h"

/* Copy the first @min bytes of an argument, and see that it has as many. */
static int copy_arg(struct tce_call *call, void *to, unsigned long arg,
		    size_t min)
{
	/*
	 * Linux 7.2 does not ask, but turns an address that is not the user's
	 * into 1 << 63, which on powernv is the kernel's memory.
	 */
	call->value = arg;
	if (!access_ok((void __user *)arg, min) ||
	    copy_from_user(to, (void __user *)arg, min))
		return TCE_REFUSE(ARGUMENT_FAULT, EFAULT);
	/* all arguments begin with their own size */
	call->value = min;
	if (*(u32 *)to < min)
		return TCE_REFUSE(ARGUMENT_SHORT, EINVAL);
	call->value = 0;
	return 0;
}

/* There are flags that the command does not know. */
static int refuse_flags(struct tce_call *call, u32 flags)
{
	call->value = flags;
	return TCE_REFUSE(FLAGS, EINVAL);
}

/* May the caller MAP and UNMAP? */
static int check_may_map(struct tce_container *container)
{
	if (!READ_ONCE(container->enabled))
		return TCE_REFUSE(NOT_ENABLED, EPERM);
	if (!tce_container_owned(container))
		return TCE_REFUSE(NOT_OWNER, EPERM);
	return 0;
}

/* v1: MAP of any size. The pages are pinned while no lock is held. */
static int map_pages(struct tce_container *container,
		     const struct vfio_iommu_type1_dma_map *map,
		     enum dma_data_direction dir, u64 *value)
{
	struct tce_space *space = &container->space;
	struct tce_pins pins __uninitialized;
	int rc;

	rc = tce_container_lock(container);
	if (rc)
		return rc;
	rc = tce_space_check(space, map->iova, map->vaddr, map->size);
	tce_container_unlock(container);
	if (rc || !map->size)
		return rc;

	rc = tce_pins_get(&pins, &container->mem.pinned, map->vaddr,
			  map->size, dir != DMA_TO_DEVICE);
	if (rc) {
		*value = tce_pins_end(&pins);
		return rc;
	}
	rc = tce_container_lock(container);
	if (!rc) {
		rc = tce_space_map(space, map->iova, map->vaddr, map->size,
				   dir, &pins);
		tce_container_unlock(container);
	}
	tce_pins_put(&pins);
	return rc;
}

/* MAP where somebody may have to be waited for */
static long ioctl_map(struct tce_container *container, unsigned long arg,
		      struct tce_call *call)
{
	struct vfio_iommu_type1_dma_map map = {};
	enum dma_data_direction dir;
	long rc;

	rc = copy_arg(call, &map, arg, offsetofend(typeof(map), size));
	call->ioba = map.iova;
	call->ua = map.vaddr;
	call->size = map.size;
	dir = tce_map_dir(map.flags);
	if (!rc && dir == DMA_NONE)
		rc = refuse_flags(call, map.flags);
	/* what is wrong with it is told only to who may ask */
	rc = check_may_map(container) ?: rc;
	if (rc)
		return rc;

	if (!container->mem.v2) {
		rc = map_pages(container, &map, dir, &call->value);
		tce_pinned_trim(&container->mem.pinned);
	} else {
		rc = tce_container_lock(container);
		if (rc)
			return rc;
		rc = tce_space_map(&container->space, map.iova, map.vaddr,
				   map.size, dir, NULL);
		call->value = tce_mem_value(&container->mem, rc, map.vaddr,
					    map.size);
		tce_container_unlock(container);
	}
	trace_tce_map(call->container, map.iova, map.vaddr, map.size, map.flags,
		      rc);
	return rc;
}

/* UNMAP where somebody may have to be waited for */
static long ioctl_unmap(struct tce_container *container, unsigned long arg,
			struct tce_call *call)
{
	struct vfio_iommu_type1_dma_unmap unmap = {};
	long rc;

	rc = copy_arg(call, &unmap, arg, offsetofend(typeof(unmap), size));
	call->ioba = unmap.iova;
	call->size = unmap.size;
	if (!rc && unmap.flags)
		rc = refuse_flags(call, unmap.flags);
	rc = check_may_map(container) ?: rc;
	if (rc)
		return rc;

	rc = tce_container_lock(container);
	if (rc)
		return rc;
	rc = tce_space_unmap(&container->space, unmap.iova, unmap.size);
	tce_container_unlock(container);
	tce_pinned_trim(&container->mem.pinned);
	trace_tce_unmap(call->container, unmap.iova, unmap.size, rc);
	return rc;
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

static long ioctl_get_info(struct tce_container *container, union tce_arg *arg,
			   struct tce_call *call)
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
		rc = TCE_REFUSE(CONTAINER_GONE, EINVAL);
	else if (container->enabled)
		rc = TCE_REFUSE(ENABLED_ALREADY, EBUSY);
	else if (!table_group)
		rc = TCE_REFUSE(NO_GROUP, ENODEV);
	else if (!table_group->tce32_size)
		rc = TCE_REFUSE(NO_32BIT_WINDOW, EPERM);
	else
		rc = tce_mem_bind(&container->mem);
	if (!rc) {
		*price = table_group->tce32_size >> PAGE_SHIFT;
		rc = paid == *price ? 0 : -EAGAIN;
	}
	if (!rc) {
		/* MAP and UNMAP look at it */
		rc = down_write_killable(&container->mem.process->map_lock);
	}
	if (!rc) {
		tce_pinned_allow(&container->mem.pinned, paid);
		WRITE_ONCE(container->enabled, true);
		up_write(&container->mem.process->map_lock);
	}
	up_write(&space->lock);
	return rc;
}

/*
 * v1: charge the whole window in advance. So no MAP of a well-behaved client fails for
 * lack of RLIMIT_MEMLOCK in the middle of a guest's life.
 */
static long ioctl_enable(struct tce_container *container, union tce_arg *arg,
			 struct tce_call *call)
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

static long ioctl_disable(struct tce_container *container, union tce_arg *arg,
			  struct tce_call *call)
{
	struct tce_pinned *pinned = &container->mem.pinned;
	long rc;

	rc = mutex_lock_killable(&pinned->charging);
	if (rc)
		return rc;
	rc = tce_space_lock_killable(&container->space);
	if (!rc) {
		if (tce_container_owned(container))
			tce_container_disable(container);
		else
			rc = TCE_REFUSE(NOT_OWNER, EPERM);
		tce_space_unlock(&container->space);
	}
	mutex_unlock(&pinned->charging);
	tce_pinned_trim(pinned);
	return rc;
}

/*
 * A REGISTER may meet a region that its client has given up before. The client wanted to
 * unregister that, was told that it is mapped, and has taken the memory away all the same.
 * What is there now is another memory, and nobody can want the old mappings.
 *
 * Return: whether some were unmapped.
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
	tce_container_put(container);
	return some;
}

/*
 * REGISTER of a range that tce_registration_add() said -EBUSY to, @rc. Return: as that, which
 * it may do again.
 */
static int register_again(struct tce_mem *mem, u64 ua, u64 size, int rc,
			  struct tce_found *found)
{
	int again = tce_registration_again(&mem->registered, ua, size, found);

	if (again != -EAGAIN)
		rc = again;
	while (tce_errno(rc) == -EBUSY && !fatal_signal_pending(current) &&
	       forget_unwanted(mem, ua, size))
		rc = tce_registration_add(&mem->registered, ua, size, found);
	return rc;
}

static long ioctl_register(struct tce_container *container, union tce_arg *arg,
			   struct tce_call *call)
{
	struct tce_space *space = &container->space;
	struct tce_mem *mem = &container->mem;
	u64 ua = arg->reg.vaddr, size = arg->reg.size;
	struct tce_found found;
	int rc;

	call->ua = ua;
	call->size = size;
	if (arg->reg.flags)
		return refuse_flags(call, arg->reg.flags);
	rc = tce_container_bind(container);
	if (rc)
		return rc;
	up_write(&space->lock);

	/* Pinning takes its time: nobody but other REGISTERs waits for it. */
	rc = tce_registration_add(&mem->registered, ua, size, &found);
	if (tce_errno(rc) == -EBUSY)
		rc = register_again(mem, ua, size, rc, &found);
	if (!rc && !READ_ONCE(container->enabled)) {
		tce_space_lock(space);
		if (!container->dead)
			WRITE_ONCE(container->enabled, true);
		tce_space_unlock(space);
	}
	tce_account_settle(&mem->account);
	call->value = found.stop;
	trace_tce_register(call->container, ua, size, found.page_shift,
			   found.listed, rc);
	return rc;
}

static long ioctl_unregister(struct tce_container *container,
			     union tce_arg *arg, struct tce_call *call)
{
	struct tce_mem *mem = &container->mem;
	u64 ua = arg->reg.vaddr, size = arg->reg.size;
	int rc;

	call->ua = ua;
	call->size = size;
	if (arg->reg.flags)
		return refuse_flags(call, arg->reg.flags);
	/* litmus/bind.litmus */
	if (smp_load_acquire(&mem->mm) != current->mm)
		return TCE_REFUSE(NOT_OWNER, EPERM);
	rc = tce_registration_remove(&mem->registered, ua, size);
	tce_account_settle(&mem->account);
	trace_tce_unregister(call->container, ua, size, rc);
	return rc;
}

static long ioctl_create(struct tce_container *container, union tce_arg *arg,
			 struct tce_call *call)
{
	struct vfio_iommu_spapr_tce_create *create = &arg->create;
	long rc;

	call->size = create->window_size;
	if (create->flags)
		return refuse_flags(call, create->flags);
	rc = tce_container_create_windows(container, create);
	call->value = create->levels;
	if (tce_why_of(rc) == TCE_WHY_WINDOW_PAGE)
		call->value = create->page_shift;
	return rc;
}

static long remove_window(struct tce_container *container, u64 start)
{
	struct tce_space *space = &container->space;
	int rc;

	rc = tce_container_lock_all(container);
	if (rc)
		return rc;
	if (!tce_space_table_group(space))
		rc = TCE_REFUSE(NO_GROUP, ENXIO);
	else
		rc = tce_space_remove_window(space, start);
	tce_space_unlock(space);
	tce_account_settle(&container->mem.account);
	return rc;
}

static long ioctl_remove(struct tce_container *container, union tce_arg *arg,
			 struct tce_call *call)
{
	call->ioba = arg->remove.start_addr;
	if (arg->remove.flags)
		return refuse_flags(call, arg->remove.flags);
	return remove_window(container, arg->remove.start_addr);
}

static long ioctl_eeh(struct tce_container *container, union tce_arg *arg,
		      struct tce_call *call)
{
	if (arg->eeh.flags)
		return refuse_flags(call, arg->eeh.flags);
	call->value = arg->eeh.op;
	return tce_eeh_op(&container->space, &arg->eeh);
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
	long (*act)(struct tce_container *container, union tce_arg *arg,
		    struct tce_call *call);
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
			unsigned long from, struct tce_call *call)
{
	int rc = command->min ? copy_arg(call, arg, from, command->min) : 0;

	/* one EEH operation has more of it */
	if (rc || command->cmd != VFIO_EEH_PE_OP ||
	    arg->eeh.op != VFIO_EEH_PE_INJECT_ERR)
		return rc;
	rc = copy_arg(call, arg, from,
		      offsetofend(struct vfio_eeh_pe_op, err.mask));
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
	return TCE_REFUSE(ANSWER_FAULT, EFAULT);
}

/**
 * tce_command_do() - do an ioctl
 * @container: the container, of which the caller has a reference
 * @arg: its argument, in user space
 * @call: the ioctl; what its argument says is returned there
 *
 * Context: sleeps for as long as the client likes, so with no lock held.
 *
 * Return: what the ioctl shall return; or a refusal.
 */
long tce_command_do(struct tce_container *container, unsigned long arg,
		    struct tce_call *call)
{
	const struct tce_command *command = NULL;
	long bad = TCE_REFUSE(NO_COMMAND, ENOTTY);
	union tce_arg copy = {};
	int i;

	if (call->cmd == VFIO_IOMMU_MAP_DMA)
		return ioctl_map(container, arg, call);
	if (call->cmd == VFIO_IOMMU_UNMAP_DMA)
		return ioctl_unmap(container, arg, call);

	call->value = call->cmd;
	for (i = 0; i < ARRAY_SIZE(tce_commands); i++)
		if (tce_commands[i].cmd == call->cmd &&
		    (container->mem.v2 ? tce_commands[i].v2 : tce_commands[i].v1))
			command = &tce_commands[i];
	if (command)
		bad = copy_command(command, &copy, arg, call);

	/* what is wrong with it is told only to who may ask */
	if (!tce_container_owned(container))
		return TCE_REFUSE(NOT_OWNER, EPERM);
	return bad ?: command->act(container, &copy, call) ?:
		      copy_result(container, command, &copy, arg);
}
