/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO core needs IOMMU operations of the PCI bus since Linux 5.19, and POWER has them since
 * 6.4. For kernels in between a second module provides them (iommu_ops.c).
 */
#ifndef TCE_COMPAT_IOMMU_OPS_H
#define TCE_COMPAT_IOMMU_OPS_H

#include "found.inc"

#if defined(TCE_HAS_CLAIM) && defined(TCE_HAS_BACKEND_OWNS)
#define TCE_NEEDS_IOMMU_OPS

/*
 * The blocking domain of iommu_ops.c blocks nothing, because the backend takes the group from the
 * host. A device opened through the VFIO cdev has no backend, and would have its bypass on.
 */
#ifdef CONFIG_VFIO_DEVICE_CDEV
#error "a kernel with the VFIO cdev, whose POWER has no IOMMU operations, can't be made safe"
#endif

void spapr_tce_iommu_ops_need(void);
#else
static inline void spapr_tce_iommu_ops_need(void) {}
#endif

#endif /* TCE_COMPAT_IOMMU_OPS_H */
