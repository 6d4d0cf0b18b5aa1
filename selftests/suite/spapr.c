// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sPAPR mode for the kernel's VFIO selftests, built in the place of the suite's lib/iommu.c.
 *
 * Memory is registered before it is mapped and unregistered after it was unmapped. The default
 * window is used, or, with SPAPR_CREATE_WINDOW in the environment, it is removed for one of 4 GiB
 * with pages of the CPU's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include <linux/iommufd.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include "../../../kselftest.h"
#include <libvfio.h>

#define CREATED_SIZE	(4ULL << 30)

static const struct iommu_mode mode = { "spapr_tce_v2", "/dev/vfio/vfio", VFIO_SPAPR_TCE_v2_IOMMU };

const char *default_iommu_mode = "spapr_tce_v2";

struct iommu *iommu_init(const char *name)
{
	struct iommu *iommu = calloc(1, sizeof(*iommu));

	VFIO_ASSERT_NOT_NULL(iommu);
	VFIO_ASSERT_EQ(strcmp(name, mode.name), 0, "no such mode: %s\n", name);
	iommu->mode = &mode;
	INIT_LIST_HEAD(&iommu->dma_regions);
	iommu->container_fd = open(iommu->mode->container_path, O_RDWR);
	VFIO_ASSERT_GE(iommu->container_fd, 0);
	return iommu;
}

void iommu_cleanup(struct iommu *iommu)
{
	VFIO_ASSERT_EQ(close(iommu->container_fd), 0);
	free(iommu);
}

/*
 * The window that the mode wants, created at the first call. That this was done is remembered
 * in the number of iommufd's IOAS, of which sPAPR has none.
 */
static struct iommu_iova_range window(struct iommu *iommu)
{
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info) };
	struct vfio_iommu_spapr_tce_remove remove = { .argsz = sizeof(remove) };
	struct vfio_iommu_spapr_tce_create create = {
		.argsz = sizeof(create),
		.window_size = CREATED_SIZE,
		.levels = 1,
	};

	ioctl_assert(iommu->container_fd, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info);
	if (!getenv("SPAPR_CREATE_WINDOW"))
		return (struct iommu_iova_range){
			.start = info.dma32_window_start,
			.last = info.dma32_window_start + info.dma32_window_size - 1,
		};
	if (!iommu->ioas_id) {
		create.page_shift = __builtin_ctz(getpagesize());
		remove.start_addr = info.dma32_window_start;
		ioctl_assert(iommu->container_fd, VFIO_IOMMU_SPAPR_TCE_REMOVE, &remove);
		ioctl_assert(iommu->container_fd, VFIO_IOMMU_SPAPR_TCE_CREATE, &create);
		VFIO_ASSERT_EQ(create.start_addr, 0);
		iommu->ioas_id = 1;
	}
	return (struct iommu_iova_range){ .start = 0, .last = CREATED_SIZE - 1 };
}

struct iommu_iova_range *iommu_iova_ranges(struct iommu *iommu, u32 *nranges)
{
	struct iommu_iova_range *range = malloc(sizeof(*range));

	VFIO_ASSERT_NOT_NULL(range);
	*range = window(iommu);
	*nranges = 1;
	return range;
}

/* Which pieces of memory are registered is what the suite's list of mapped regions says. */
static int registration(struct iommu *iommu, unsigned long call, const struct dma_region *region)
{
	struct vfio_iommu_spapr_register_memory args = {
		.argsz = sizeof(args),
		.vaddr = (u64)region->vaddr,
		.size = region->size,
	};

	return ioctl(iommu->container_fd, call, &args) ? -errno : 0;
}

/* The suite wants another errno for a range that goes round the end of all addresses. */
static int result(const struct dma_region *region, int err)
{
	return region->iova + region->size < region->iova && (err == -ENXIO || err == -EINVAL) ?
	       -EOVERFLOW : err;
}

int __iommu_map(struct iommu *iommu, struct dma_region *region)
{
	struct vfio_iommu_type1_dma_map args = {
		.argsz = sizeof(args),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (u64)region->vaddr,
		.iova = region->iova,
		.size = region->size,
	};
	int err;

	window(iommu);
	err = registration(iommu, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, region);
	if (err)
		return err;
	if (ioctl(iommu->container_fd, VFIO_IOMMU_MAP_DMA, &args)) {
		err = -errno;
		registration(iommu, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, region);
		return result(region, err);
	}
	list_add(&region->link, &iommu->dma_regions);
	return 0;
}

int __iommu_unmap(struct iommu *iommu, struct dma_region *region, u64 *unmapped)
{
	struct vfio_iommu_type1_dma_unmap args = {
		.argsz = sizeof(args),
		.iova = region->iova,
		.size = region->size,
	};
	int err;

	if (ioctl(iommu->container_fd, VFIO_IOMMU_UNMAP_DMA, &args))
		return result(region, -errno);
	err = registration(iommu, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, region);
	if (err)
		return err;
	if (unmapped)
		*unmapped = args.size;
	list_del_init(&region->link);
	return 0;
}

/* There is no flag for this: one by one. */
int __iommu_unmap_all(struct iommu *iommu, u64 *unmapped)
{
	struct dma_region *region, *next;
	u64 size, all = 0;
	int err;

	list_for_each_entry_safe(region, next, &iommu->dma_regions, link) {
		err = __iommu_unmap(iommu, region, &size);
		if (err)
			return err;
		all += size;
	}
	if (unmapped)
		*unmapped = all;
	return 0;
}

int __iommu_hva2iova(struct iommu *iommu, void *vaddr, iova_t *iova)
{
	struct dma_region *region;

	list_for_each_entry(region, &iommu->dma_regions, link) {
		u64 offset = (char *)vaddr - (char *)region->vaddr;

		if (offset < region->size) {
			if (iova)
				*iova = region->iova + offset;
			return 0;
		}
	}
	return -ENOENT;
}

iova_t iommu_hva2iova(struct iommu *iommu, void *vaddr)
{
	iova_t iova;

	VFIO_ASSERT_EQ(__iommu_hva2iova(iommu, vaddr, &iova), 0, "%p is not mapped\n", vaddr);
	return iova;
}
