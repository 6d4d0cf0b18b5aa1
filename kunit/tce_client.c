// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers that are ready for use, their ioctls, and what the devices are expected to reach.
 */
#include <linux/uaccess.h>

#include "../tce_container.h"
#include "../tce_table.h"
#include "tce_fixture.h"

/* A container with a group, in which MAP works. For v2 that takes some registered memory. */
struct tce_client *tce_ready(struct tce_fixture *fx, bool v2,
			     struct tce_mock_group **pgrp)
{
	struct tce_client *client = tce_open(fx, v2);
	struct tce_mock_group *grp = tce_group(fx);

	KUNIT_ASSERT_EQ(fx->test, tce_attach(client, grp), 0);
	if (v2)
		KUNIT_ASSERT_EQ(fx->test,
				tce_register(client, tce_plain(fx, PAGE_SIZE),
					     PAGE_SIZE), 0);
	else
		KUNIT_ASSERT_EQ(fx->test, tce_enable(client), 0);
	if (pgrp)
		*pgrp = grp;
	return client;
}

/* A v2 container with one window, which is empty, and begins at IOBA 0 */
struct tce_client *tce_ready_window(struct tce_fixture *fx, u32 shift,
				    u64 size, u32 levels,
				    struct tce_mock_group **pgrp)
{
	struct tce_client *client = tce_ready(fx, true, pgrp);
	u64 start;

	KUNIT_ASSERT_EQ(fx->test, tce_remove(client, 0), 0);
	KUNIT_ASSERT_EQ(fx->test,
			tce_create(client, shift, size, levels, &start), 0);
	KUNIT_ASSERT_EQ(fx->test, start, 0);
	return client;
}

/* A container with a window at 0, in which this memory may be mapped */
struct tce_client *tce_ready_for(struct tce_fixture *fx, bool v2, unsigned long ua,
				 unsigned long size, struct tce_mock_group **pgrp)
{
	struct tce_client *client;

	if (!v2)
		return tce_ready(fx, false, pgrp);
	client = tce_ready_window(fx, 12, SZ_64M, 1, pgrp);
	KUNIT_ASSERT_EQ(fx->test, tce_register(client, ua, size), 0);
	return client;
}

/* How many of the process's regions are in the kernel's list, as the driver counts them */
int tce_listed(const struct tce_client *client)
{
	return atomic_read(&tce_container_find(client->data)->mem.tmm->listed);
}

/* Expect that the tracepoint says why a call failed. */
static void expect_told(struct tce_fixture *fx, unsigned int refusals, long rc)
{
	unsigned int nth = tce_quiet_begin();

	if (rc < 0 && rc != -EINTR)
		KUNIT_EXPECT_NE_MSG(fx->test, fx->mock->refusals, refusals,
				    "result %ld", rc);
	tce_quiet_end(nth);
}

/* With an argument that is in user memory already */
long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg)
{
	/* of use only if nobody else is at work */
	unsigned int refusals = data_race(client->fx->mock->refusals);
	long rc;

	atomic_inc(&client->fx->mock->calls);
	rc = tce_driver->ioctl(client->data, cmd, arg);
	atomic_dec(&client->fx->mock->calls);
	if (!client->fx->busy) {
		expect_told(client->fx, refusals, rc);
		tce_settled(client->fx);
	}
	return rc;
}

long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size)
{
	void __user *uarg = (void __user *)client->arg;
	unsigned int nth = tce_quiet_begin();
	long rc;

	if (copy_to_user(uarg, arg, size))
		return -EFAULT;
	tce_quiet_end(nth);
	rc = tce_ioctl_raw(client, cmd, client->arg);
	nth = tce_quiet_begin();
	if (copy_from_user(arg, uarg, size))
		rc = -EFAULT;
	tce_quiet_end(nth);
	return rc;
}

long tce_enable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_ENABLE, 0);
}

long tce_disable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_DISABLE, 0);
}

long tce_eeh(struct tce_client *client, struct vfio_eeh_pe_op *op)
{
	op->argsz = sizeof(*op);
	return tce_ioctl(client, VFIO_EEH_PE_OP, op, sizeof(*op));
}

static long about_region(struct tce_client *client, unsigned int cmd, u64 ua, u64 size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg), .vaddr = ua, .size = size,
	};

	return tce_ioctl(client, cmd, &arg, sizeof(arg));
}

long tce_register(struct tce_client *client, u64 ua, u64 size)
{
	return about_region(client, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, ua, size);
}

long tce_unregister(struct tce_client *client, u64 ua, u64 size)
{
	return about_region(client, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, ua, size);
}

/* If there is no window, @start is ~0. */
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

long tce_remove(struct tce_client *client, u64 start)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.argsz = sizeof(arg), .start_addr = start,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg, sizeof(arg));
}

long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg), .flags = flags, .vaddr = ua,
		.iova = ioba, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_MAP_DMA, &arg, sizeof(arg));
}

long tce_unmap(struct tce_client *client, u64 ioba, u64 size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg), .iova = ioba, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_UNMAP_DMA, &arg, sizeof(arg));
}

/* What the bridge translates with */
static struct iommu_table *table_of(struct tce_fixture *fx,
				    struct tce_mock_group *grp, int num)
{
	KUNIT_ASSERT_NOT_NULL(fx->test, grp->hw[num]);
	return grp->hw[num];
}

static enum dma_data_direction dir_of(u32 flags)
{
	switch (flags) {
	case TCE_R:
		return DMA_TO_DEVICE;
	case TCE_W:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

/* Expect that the device reaches memory. Only the first difference is reported. */
void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += SZ_4K) {
		unsigned long hpa;
		enum dma_data_direction dir =
			tce_mock_entry(tbl, (ioba + at) >> shift, &hpa);
		u64 found;

		if (dir != dir_of(flags)) {
			KUNIT_FAIL(fx->test, "%llx: the direction is %d, not %d",
				   ioba + at, dir, dir_of(flags));
			return;
		}
		hpa += (ioba + at) & ((1UL << shift) - 1);
		found = *(u64 *)__va(hpa);
		if (found != (TCE_STAMP | (ua + at))) {
			KUNIT_FAIL(fx->test, "%llx: the device finds %llx, not %llx",
				   ioba + at, found, TCE_STAMP | (ua + at));
			return;
		}
	}
}

/* Expect that the device reaches nothing. Only the first difference is reported. */
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += 1UL << shift) {
		unsigned long hpa, entry = (ioba + at) >> shift;

		if (tce_mock_entry(tbl, entry, &hpa) != DMA_NONE) {
			KUNIT_FAIL(fx->test, "%llx: the device reaches %lx",
				   ioba + at, hpa);
			return;
		}
		/* in a table of KVM's it says that it was in use */
		if (tce_mock_pua(tbl, entry) > TCE_UA_USED) {
			KUNIT_FAIL(fx->test, "%llx: the userspace entry still has %llx",
				   ioba + at, tce_mock_pua(tbl, entry));
			return;
		}
	}
}

/* Expect a reason for the last refusal. */
void tce_expect_why(struct tce_fixture *fx, const char *by)
{
	KUNIT_EXPECT_STREQ(fx->test, fx->mock->refused_by ?: "none", by);
}
