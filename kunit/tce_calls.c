// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a container, see tce_fixture.h.
 */
#include <linux/uaccess.h>

#include "tce_fixture.h"

/**
 * tce_ioctl_raw() - an ioctl with an argument that is in user memory already
 * @client: the container
 * @cmd: command
 * @arg: address of the argument
 *
 * Return: what the driver says.
 */
long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg)
{
	/* of use only if nobody else is at work */
	unsigned int refusals = data_race(client->fx->mock->refusals);
	long rc = tce_driver->ioctl(client->data, cmd, arg);

	if (!client->fx->busy) {
		tce_expect_told(client->fx, refusals, rc);
		tce_settled(client->fx);
	}
	return rc;
}

/**
 * tce_ioctl() - an ioctl
 * @client: the container
 * @cmd: command
 * @arg: argument, which is copied to user memory and back
 * @size: bytes of it
 *
 * Return: what the driver says.
 */
long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size)
{
	void __user *uarg = (void __user *)client->arg;
	unsigned int nth = tce_quiet_begin();
	/* of use only if nobody else is at work */
	unsigned int refusals = data_race(client->fx->mock->refusals);
	long rc;

	if (copy_to_user(uarg, arg, size))
		return -EFAULT;
	tce_quiet_end(nth);
	rc = tce_driver->ioctl(client->data, cmd, client->arg);
	nth = tce_quiet_begin();
	if (!client->fx->busy) {
		tce_expect_told(client->fx, refusals, rc);
		tce_settled(client->fx);
	}
	if (copy_from_user(arg, uarg, size))
		rc = -EFAULT;
	tce_quiet_end(nth);
	return rc;
}

/**
 * tce_info() - VFIO_IOMMU_SPAPR_TCE_GET_INFO
 * @client: the container
 * @info: returned here
 *
 * Return: what the driver says.
 */
long tce_info(struct tce_client *client,
	      struct vfio_iommu_spapr_tce_info *info)
{
	memset(info, 0xff, sizeof(*info));
	info->argsz = sizeof(*info);
	return tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_GET_INFO, info,
			 sizeof(*info));
}

/**
 * tce_enable() - VFIO_IOMMU_ENABLE
 * @client: the container
 *
 * Return: what the driver says.
 */
long tce_enable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_ENABLE, 0);
}

/**
 * tce_disable() - VFIO_IOMMU_DISABLE
 * @client: the container
 *
 * Return: what the driver says.
 */
long tce_disable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_DISABLE, 0);
}

/**
 * tce_register() - VFIO_IOMMU_SPAPR_REGISTER_MEMORY
 * @client: the container
 * @ua: start
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_register(struct tce_client *client, u64 ua, u64 size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg), .vaddr = ua, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &arg,
			 sizeof(arg));
}

/**
 * tce_unregister() - VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY
 * @client: the container
 * @ua: start
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_unregister(struct tce_client *client, u64 ua, u64 size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg), .vaddr = ua, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, &arg,
			 sizeof(arg));
}

/**
 * tce_create() - VFIO_IOMMU_SPAPR_TCE_CREATE
 * @client: the container
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 * @start: first IOBA, returned here; ~0 if there is none
 *
 * Return: what the driver says.
 */
long tce_create(struct tce_client *client, u32 shift, u64 size, u32 levels,
		u64 *start)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.argsz = sizeof(arg), .page_shift = shift, .window_size = size,
		.levels = levels, .start_addr = ~0ULL,
	};
	long rc = tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg,
			    sizeof(arg));

	*start = arg.start_addr;
	return rc;
}

/**
 * tce_remove() - VFIO_IOMMU_SPAPR_TCE_REMOVE
 * @client: the container
 * @start: first IOBA
 *
 * Return: what the driver says.
 */
long tce_remove(struct tce_client *client, u64 start)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.argsz = sizeof(arg), .start_addr = start,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg,
			 sizeof(arg));
}

/* A MAP or UNMAP, which must touch no entries but its own */
static long watched_ioctl(struct tce_client *client, unsigned int cmd,
			  void *arg, size_t argsz, u64 ioba, u64 size)
{
	struct tce_mock *mock = client->fx->mock;
	/* the smallest IOMMU page: more entries than that it can't be */
	u64 entries = max(size >> 12, 1ULL);
	long rc;

	if (client->fx->busy)
		return tce_ioctl(client, cmd, arg, argsz);
	tce_mock_call(mock, ioba, size);
	rc = tce_ioctl(client, cmd, arg, argsz);
	tce_mock_called(mock, cmd == VFIO_IOMMU_MAP_DMA, rc ? 0 : entries);
	return rc;
}

/**
 * tce_map() - VFIO_IOMMU_MAP_DMA
 * @client: the container
 * @ioba: first I/O address
 * @ua: of the memory
 * @size: bytes
 * @flags: TCE_R, TCE_W, TCE_RW
 *
 * Return: what the driver says.
 */
long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg), .flags = flags, .vaddr = ua,
		.iova = ioba, .size = size,
	};

	return watched_ioctl(client, VFIO_IOMMU_MAP_DMA, &arg, sizeof(arg),
			     ioba, size);
}

/**
 * tce_unmap() - VFIO_IOMMU_UNMAP_DMA
 * @client: the container
 * @ioba: first I/O address
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_unmap(struct tce_client *client, u64 ioba, u64 size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg), .iova = ioba, .size = size,
	};

	return watched_ioctl(client, VFIO_IOMMU_UNMAP_DMA, &arg, sizeof(arg),
			     ioba, size);
}

#define TRIES	4

/**
 * tce_fail_allocations() - make each allocation of a call fail
 * @fx: the process
 * @v2: which interface the containers speak
 * @setup: what is done to a new container before
 * @what: the call, which is made to it, first with the first allocation failing, then the
 *	second, and so on, until none fails any more
 */
void tce_fail_allocations(struct tce_fixture *fx, bool v2,
			  void (*setup)(struct tce_client *client),
			  long (*what)(struct tce_client *client))
{
	unsigned int nth, try, failed = 1;

	for (nth = 1; failed; nth++) {
		failed = 0;
		/* where a slab had to grow, the next allocation has another number */
		for (try = 0; try < TRIES; try++) {
			struct tce_client *client = tce_open(fx, v2);

			setup(client);
			tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
			what(client);
			failed += tce_fault_disarm(fx->mock);
			tce_close(client);
		}
	}
}
