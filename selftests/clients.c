// SPDX-License-Identifier: GPL-2.0-only
/*
 * What DPDK does, call by call. QEMU itself runs in scripts/guests.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define SEGMENT		(2 * MiB)

static unsigned int base_shift(void)
{
	return host.page == CHUNK ? 16 : 12;
}

/*
 * DPDK's window must begin at 0. A hypervisor gives it that address only as the
 * default window: DPDK works there as long as this is enough.
 */
static unsigned int dpdk_shift(void)
{
	return host.powernv ? base_shift() : 12;
}

static uint64_t dpdk_window(void)
{
	return host.powernv ? 8 * GiB : GiB;
}

/* DPDK's set-up up to its window: for one container, once per process. */
static void dpdk_setup(int c, int g, uint64_t window_size)
{
	struct vfio_iommu_spapr_tce_info info;
	struct vfio_group_status status = { .argsz = sizeof(status) };
	uint64_t start;
	unsigned int levels;
	long rc;

	expect_rc(VFIO_API_VERSION, __raw(c, VFIO_GET_API_VERSION, NULL));
	expect_rc(0, __check_extension(c, VFIO_TYPE1_IOMMU));
	expect_rc(1, __check_extension(c, V2_IOMMU));
	expect_rc(0, __check_extension(c, VFIO_NOIOMMU_IOMMU));
	expect_rc(0, __raw(g, VFIO_GROUP_GET_STATUS, &status));
	expect(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	set_container(g, c);
	set_iommu(c, V2_IOMMU);

	get_info(c, &info);
	remove_window(c, info.dma32_window_start);
	rc = __create(c, dpdk_shift(), window_size, 1, &start);
	for (levels = 2; rc && levels <= info.ddw.levels; levels++)
		rc = __create(c, dpdk_shift(), window_size, levels, &start);
	expect_rc(0, rc);
	/* Anything else is fatal for DPDK. */
	expect_eq(0, start);
}

static void dpdk(struct tce *t __attribute__((unused)))
{
	uint64_t before = locked(), window = dpdk_window();
	int c = open_container(), g = open_group(0), i, round;
	uint8_t *mem = alloc(4 * SEGMENT, SEGMENT);
	struct tce u = { .container = c, .group = g, .version = 2 };

	/* DPDK keeps the container's fd and may start again on it. */
	for (round = 0; round < 2; round++) {
		dpdk_setup(c, g, window);
		expect_rc(0, edu_open(&u.edu, g, 0));
		for (i = 0; i < 4; i++) {
			register_mem(c, mem + i * SEGMENT, SEGMENT);
			map(c, mem + i * SEGMENT, GiB / 8 + i * SEGMENT, SEGMENT,
			    RW);
		}
		u.bounce = mem;
		u.bounce_iova = GiB / 8;
		expect(can_write(&u, GiB / 8 + SEGMENT, mem + SEGMENT));

		/* A segment goes and comes: 19.08 and later, in this order. */
		unmap(c, GiB / 8 + 3 * SEGMENT, SEGMENT);
		unregister_mem(c, mem + 3 * SEGMENT, SEGMENT);
		expect(!can_write(&u, GiB / 8 + 3 * SEGMENT, mem + 3 * SEGMENT));
		register_mem(c, mem + 3 * SEGMENT, SEGMENT);
		map(c, mem + 3 * SEGMENT, GiB / 8 + 3 * SEGMENT, SEGMENT, RW);
		expect(can_write(&u, GiB / 8 + 3 * SEGMENT, mem + 3 * SEGMENT));

		edu_close(&u.edu);
		close(g);
		expect_eq(before, locked());
		g = open_group(0);
	}
}

static const struct test tests[] = {
	{ "DPDK: set-up, hotplug of memory, and again on the same container",
	  dpdk, BARE },
};

TEST_MAIN("clients", tests)
