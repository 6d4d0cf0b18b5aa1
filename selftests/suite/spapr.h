/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Given to each file of the kernel's VFIO selftests by -include: the variants of a test are
 * those of sPAPR in the place of type1's and iommufd's.
 */
#ifndef TCE_SUITE_SPAPR_H
#define TCE_SUITE_SPAPR_H

#include <stdlib.h>
#include <libvfio/iommu.h>

#undef FIXTURE_VARIANT_ADD_ALL_IOMMU_MODES
#define FIXTURE_VARIANT_ADD_ALL_IOMMU_MODES(...) \
	FIXTURE_VARIANT_ADD_IOMMU_MODE(spapr_tce_v2, ##__VA_ARGS__)

/* Linux 7.2.13 uses this and does not have it. */
#ifndef calloc_assert
#define calloc_assert(n, size) ({ \
	void *__memory = calloc(n, size); \
	VFIO_ASSERT_NOT_NULL(__memory); \
	__memory; \
})
#endif

#endif
