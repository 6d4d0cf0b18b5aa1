// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes, flags and pointers of arguments.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "abi.h"

/*
 * Calls @cmd with each argsz below @size, then with each flag that is not in
 * @flags: both must be refused. @arg is valid otherwise.
 */
static void refuse_argsz_and_flags(int container, unsigned long cmd, void *arg,
				   uint32_t size, uint32_t flags)
{
	uint32_t *argsz = arg, *flag = argsz + 1, good = *flag;
	int bit;

	for (*argsz = 0; *argsz < size; (*argsz)++)
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	for (bit = 0; bit < 32; bit++) {
		if (flags & (1u << bit))
			continue;
		*flag = good | 1u << bit;
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	}
	*flag = good;
	expect_rc(-EFAULT, __raw(container, cmd, NULL));
	expect_rc(-EFAULT, __raw(container, cmd, BAD_POINTER));
}

static void map_arguments(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_type1_dma_map arg = {
		.flags = RW,
		.vaddr = (uintptr_t)mem,
		.iova = t->info.dma32_window_start,
		.size = 64 * KiB,
	};

	allow(t, mem, 64 * KiB);
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_MAP_DMA, &arg,
			       sizeof(arg), RW);
	/* A mapping with no permission at all is not a mapping. */
	arg.flags = 0;
	expect_rc(-EINVAL, __raw(t->container, VFIO_IOMMU_MAP_DMA, &arg));
	arg.flags = RW;
	/* A newer, longer structure is none of our business. */
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_MAP_DMA, &arg));
}

static void unmap_arguments(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_type1_dma_unmap arg = {
		.iova = t->info.dma32_window_start,
		.size = 64 * KiB,
	};

	allow(t, mem, 64 * KiB);
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_UNMAP_DMA, &arg,
			       sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_UNMAP_DMA, &arg));
}

static void register_arguments(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	struct vfio_iommu_spapr_register_memory arg = {
		.vaddr = (uintptr_t)mem,
		.size = host.page,
	};
	uint64_t before = locked();

	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
			       &arg, sizeof(arg), 0);
	expect_eq(before, locked());
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
			   &arg));
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
			       &arg, sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
			   &arg));
	expect_eq(before, locked());
}

static void create_arguments(struct tce *t)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.page_shift = 12,
		.window_size = 256 * MiB,
		.levels = 1,
	};
	uint64_t before;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg,
			       sizeof(arg), 0);
	expect_eq(before, locked());
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg));
}

static void remove_arguments(struct tce *t)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.start_addr = t->info.dma32_window_start,
	};

	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg,
			       sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg));
	expect_rc(-EINVAL, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE,
				 &arg));
}

static void info_pointer(struct tce *t)
{
	uint8_t *ro = mmap(NULL, host.page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(uint32_t *)ro = INFO_SIZE;
	mprotect(ro, host.page, PROT_READ);
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
				 NULL));
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
				 ro));
}

static const struct test rows[] = {
	{ "GET_INFO refuses bad pointers", info_pointer, BOTH },
	{ "MAP refuses bad argsz, flags and pointers", map_arguments, BOTH },
	{ "UNMAP refuses bad argsz, flags and pointers", unmap_arguments,
	  BOTH },
	{ "REGISTER and UNREGISTER refuse bad argsz, flags and pointers",
	  register_arguments, V2 },
	{ "CREATE refuses bad argsz, flags and pointers", create_arguments,
	  V2 },
	{ "REMOVE refuses bad argsz, flags and pointers", remove_arguments,
	  V2 },
};

const struct rows argument_rows = ROWS(rows);
