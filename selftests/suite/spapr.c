// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sPAPR mode for the kernel's VFIO selftests: their own lib/iommu.c, in which type1 is the second
 * version of sPAPR TCE, and around it what that wants in addition.
 *
 * Memory is registered before it is mapped and unregistered after it was unmapped. The default
 * window is used, or, with SPAPR_CREATE_WINDOW in the environment, it is removed for one of 4 GiB
 * with pages of the CPU's size.
 */
#include <libvfio.h>

#include <linux/vfio.h>

#undef VFIO_TYPE1_IOMMU
#define VFIO_TYPE1_IOMMU	VFIO_SPAPR_TCE_v2_IOMMU
#undef MODE_VFIO_TYPE1_IOMMU
#define MODE_VFIO_TYPE1_IOMMU	"spapr_tce_v2"
/* The default */
#undef MODE_IOMMUFD
#define MODE_IOMMUFD		MODE_VFIO_TYPE1_IOMMU
/* What the functions below of these names are built on, or take the place of */
#define __iommu_map		map_registered
#define __iommu_unmap		unmap_registered
#define __iommu_unmap_all	type1_unmap_all
#define iommu_iova_ranges	type1_iova_ranges
#include "iommu.c"
#undef __iommu_map
#undef __iommu_unmap
#undef __iommu_unmap_all
#undef iommu_iova_ranges

#define CREATED_SIZE	(4ULL << 30)

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
	int err;

	window(iommu);
	err = registration(iommu, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, region);
	if (err)
		return err;
	err = map_registered(iommu, region);
	if (err)
		registration(iommu, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, region);
	return result(region, err);
}

int __iommu_unmap(struct iommu *iommu, struct dma_region *region, u64 *unmapped)
{
	int err = unmap_registered(iommu, region, unmapped);

	return err ? result(region, err) :
	       registration(iommu, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, region);
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
