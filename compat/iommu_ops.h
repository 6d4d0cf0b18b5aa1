/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO core of Linux 5.19 and newer wants IOMMU operations of the PCI bus, which
 * POWER has since 6.4. Kernels between them get some by a module of this package
 * (iommu_ops.c), which this one depends on there.
 */
#ifndef TCE_COMPAT_IOMMU_OPS_H
#define TCE_COMPAT_IOMMU_OPS_H

#include "found.inc"

#if defined(TCE_HAS_CLAIM) && defined(TCE_HAS_BACKEND_OWNS)
#define TCE_NEEDS_IOMMU_OPS

/*
 * The blocking domain of iommu_ops.c blocks nothing: it is the backend that takes the group
 * from the host. By the VFIO cdev a device is opened without a backend, with its bypass on.
 */
#ifdef CONFIG_VFIO_DEVICE_CDEV
#error "a kernel with the VFIO cdev, whose POWER has no IOMMU operations, can't be made safe"
#endif

void spapr_tce_iommu_ops_need(void);
#else
static inline void spapr_tce_iommu_ops_need(void) {}
#endif

#endif /* TCE_COMPAT_IOMMU_OPS_H */
