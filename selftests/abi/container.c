// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structures, extensions, and the states of a container.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "abi.h"

static void sizes(struct tce *t __attribute__((unused)))
{
	expect_eq(INFO_SIZE, sizeof(struct vfio_iommu_spapr_tce_info));
	expect_eq(24, sizeof(struct vfio_iommu_spapr_register_memory));
	expect_eq(40, sizeof(struct vfio_iommu_spapr_tce_create));
	expect_eq(16, sizeof(struct vfio_iommu_spapr_tce_remove));
	expect_eq(40, sizeof(struct vfio_eeh_pe_op));
	expect_eq(32, sizeof(struct vfio_iommu_type1_dma_map));
	expect_eq(24, sizeof(struct vfio_iommu_type1_dma_unmap));
	expect_number(112, VFIO_IOMMU_SPAPR_TCE_GET_INFO);
	expect_number(113, VFIO_IOMMU_MAP_DMA);
	expect_number(114, VFIO_IOMMU_UNMAP_DMA);
	expect_number(115, VFIO_IOMMU_ENABLE);
	expect_number(116, VFIO_IOMMU_DISABLE);
	expect_number(117, VFIO_IOMMU_SPAPR_REGISTER_MEMORY);
	expect_number(118, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY);
	expect_number(119, VFIO_IOMMU_SPAPR_TCE_CREATE);
	expect_number(120, VFIO_IOMMU_SPAPR_TCE_REMOVE);
	expect_number(121, VFIO_EEH_PE_OP);
}

static void expect_extensions(int container)
{
	long eeh = __check_extension(container, VFIO_EEH);

	/* DPDK counts an extension only if the answer is exactly 1. */
	expect_rc(1, __check_extension(container, V1_IOMMU));
	expect_rc(1, __check_extension(container, V2_IOMMU));
	expect(eeh == 0 || eeh == 1);
	expect_rc(0, __check_extension(container, VFIO_TYPE1_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_TYPE1v2_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_DMA_CC_IOMMU));
	expect_rc(0, __check_extension(container, 0));
	expect_rc(0, __check_extension(container, 1000));
	expect_rc(0, __check_extension(container, -1));
}

static void extensions_unset(struct tce *t __attribute__((unused)))
{
	expect_extensions(open_container());
}

static void extensions_set(struct tce *t)
{
	expect_extensions(t->container);
}

static void no_group(struct tce *t __attribute__((unused)))
{
	struct vfio_iommu_spapr_tce_info info;
	int c = open_container();

	expect_rc(-EINVAL, __set_iommu(c, V1_IOMMU));
	expect_rc(-EINVAL, __set_iommu(c, V2_IOMMU));
	expect_rc(-EINVAL, __get_info(c, &info));
	expect_rc(-EINVAL, __enable(c));
}

static void set_iommu_fallback(struct tce *t __attribute__((unused)))
{
	int c = open_container(), g = open_group(0);

	set_container(g, c);
	/* QEMU goes on with the next type after any errno. */
	expect_rc(-ENODEV, __set_iommu(c, VFIO_TYPE1v2_IOMMU));
	expect_rc(-ENODEV, __set_iommu(c, 1000));
	/* Known as an extension, and still no type. */
	expect(__set_iommu(c, VFIO_EEH) < 0);
	set_iommu(c, V1_IOMMU);
	expect_rc(-EINVAL, __set_iommu(c, V1_IOMMU));
	expect_rc(-EINVAL, __set_iommu(c, V2_IOMMU));
	expect_extensions(c);
}

static void cycles(struct tce *t __attribute__((unused)))
{
	struct vfio_iommu_spapr_tce_info info;
	uint64_t before = locked();
	int c = open_container(), g, i;
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);

	for (i = 0; i < 12; i++) {
		bool v2 = i % 2;

		g = open_group(0);
		set_container(g, c);
		set_iommu(c, v2 ? V2_IOMMU : V1_IOMMU);
		get_info(c, &info);
		/* On and off leave something mapped, registered, enabled. */
		if (i % 4 < 2) {
			if (v2)
				register_mem(c, mem, 64 * KiB);
			else
				enable(c);
			map(c, mem, info.dma32_window_start, 64 * KiB, RW);
		}
		/* Closing the group detaches it as well. */
		if (i % 3)
			unset_container(g);
		close(g);
		expect_eq(before, locked());
		expect_rc(-EINVAL, __get_info(c, &info));
	}
}

static const struct test rows[] = {
	{ "structures and numbers are those of the documented API", sizes,
	  BARE },
	{ "CHECK_EXTENSION answers before SET_IOMMU", extensions_unset, BARE },
	{ "CHECK_EXTENSION answers the same after SET_IOMMU", extensions_set,
	  BOTH },
	{ "a container without a group takes no command", no_group, BARE },
	{ "SET_IOMMU works after a refused type, and once", set_iommu_fallback,
	  BARE },
	{ "one container fd survives attach and SET_IOMMU cycles", cycles,
	  BARE },
};

const struct rows container_rows = ROWS(rows);
