// SPDX-License-Identifier: GPL-2.0-only
/*
 * What existing clients do, call by call: DPDK and QEMU. A row here breaks when a
 * client would break.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define SEGMENT		(2 * MiB)
#define QEMU_DDW	0x0800000000000000ULL

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

/* QEMU's way of asking: the first type with a non-zero answer is taken. */
static void qemu_attach(int c, int g)
{
	static const long types[] = { VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU,
				      V2_IOMMU, V1_IOMMU };
	size_t i;

	for (i = 0; i < 4; i++)
		if (__check_extension(c, types[i]) > 0)
			break;
	expect(i < 4 && types[i] == V2_IOMMU);
	set_container(g, c);
	set_iommu(c, V2_IOMMU);
}

static uint32_t qemu_levels(uint64_t size, unsigned int shift)
{
	unsigned int page = __builtin_ctzl(host.page);
	unsigned int bits = __builtin_ctzll(size) - shift + 3;

	return (bits + page + 7) / (page + 8);
}

/* A guest's window as QEMU makes it on the host, retrying with more levels. */
static uint64_t qemu_window(int c, unsigned int shift, uint64_t size,
			    unsigned int max_levels)
{
	uint32_t levels = qemu_levels(size, shift), most;
	unsigned int page = __builtin_ctzl(host.page);
	uint64_t start;
	long rc;

	most = (64 - shift) / page;
	if (max_levels == 1) {
		levels = 1;
		most = 1;
	}
	do {
		rc = __create(c, shift, size, levels, &start);
	} while (rc && ++levels <= most);
	expect_rc(0, rc);
	return start;
}

static void qemu(struct tce *t __attribute__((unused)))
{
	uint64_t before = locked(), start, ram_size = 32 * MiB, iova;
	int c = open_container(), g = open_group(0), i;
	uint8_t *ram = alloc(ram_size, 16 * MiB);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct tce u = { .container = c, .group = g, .version = 2 };
	unsigned int step = 1u << base_shift();

	expect_rc(0, __raw(g, VFIO_GROUP_GET_STATUS, &status));
	expect(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	qemu_attach(c, g);
	register_mem(c, ram, ram_size);
	get_info(c, &u.info);
	remove_window(c, u.info.dma32_window_start);

	/* The guest's default window: 1 GiB of 4K pages at 0. */
	start = qemu_window(c, 12, GiB, u.info.ddw.levels);
	expect_eq(0, start);
	expect_rc(0, edu_open(&u.edu, g, 0));
	for (i = 0; i < 32; i++)
		map(c, ram + i * 4096, i * 4096, 4096, i % 2 ? RW : R);
	u.bounce = ram + MiB;
	u.bounce_iova = 64 * MiB;
	map(c, ram + MiB, 64 * MiB, 4096, RW);
	expect(can_write(&u, 4096, ram + 4096));
	expect(!can_write(&u, 0, ram));
	for (i = 0; i < 32; i++)
		unmap(c, i * 4096, 4096);
	expect(!can_write(&u, 4096, ram + 4096));
	/* A guest's IOMMU page of 64K over host pages of 4K: one call for all. */
	map(c, ram + CHUNK, CHUNK, CHUNK, RW);
	expect(can_write(&u, CHUNK + 0xf000, ram + CHUNK + 0xf000));
	unmap(c, CHUNK, CHUNK);

	/* The guest's driver asks for a DDW and maps all its memory there. */
	if (host.powernv && has_shift(&u, base_shift())) {
		start = qemu_window(c, base_shift(), 2 * GiB,
				    u.info.ddw.levels);
		expect_eq(QEMU_DDW, start);
		for (iova = 0; iova < ram_size; iova += 16 * step)
			map(c, ram + iova, start + iova, 16 * step, RW);
		if (host.wide)
			expect(can_write(&u, start + 5 * MiB, ram + 5 * MiB));
		/* Mapping once more what is mapped. */
		map(c, ram, start, step, RW);
		/* The guest reboots: all of the window, then the window. */
		unmap(c, start, 2 * GiB);
		remove_window(c, start);
	}
	edu_close(&u.edu);
	unmap(c, 0, GiB);
	remove_window(c, 0);
	/* Back to the default for the next boot. */
	start = qemu_window(c, 12, GiB, u.info.ddw.levels);
	expect_eq(0, start);
	unmap(c, 0, GiB);
	remove_window(c, 0);
	unregister_mem(c, ram, ram_size);
	expect_eq(before, locked());
	unset_container(g);
	close(g);
	close(c);
}

static const struct test tests[] = {
	{ "DPDK: set-up, hotplug of memory, and again on the same container",
	  dpdk, BARE },
	{ "QEMU: guest windows from boot to end", qemu, BARE },
};

TEST_MAIN("clients", tests)
