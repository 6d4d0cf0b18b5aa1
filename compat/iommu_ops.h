/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO core needs IOMMU operations of the PCI bus since Linux 5.19, which POWER has since 6.4.
 * In between, a second module provides them (iommu_ops.c).
 */
#ifndef TCE_COMPAT_IOMMU_OPS_H
#define TCE_COMPAT_IOMMU_OPS_H

#include "found.inc"

#if defined(TCE_HAS_CLAIM) && defined(TCE_HAS_BACKEND_OWNS)
#define TCE_NEEDS_IOMMU_OPS

/*
 * The blocking domain of iommu_ops.c blocks nothing, because that is left to the backend. A device
 * opened through the VFIO cdev has no backend, and would keep its bypass.
 */
#ifdef CONFIG_VFIO_DEVICE_CDEV
#error "a kernel with the VFIO cdev, whose POWER has no IOMMU operations, can't be made safe"
#endif

void spapr_tce_iommu_ops_need(void);
#else
static inline void spapr_tce_iommu_ops_need(void) {}
#endif

#endif /* TCE_COMPAT_IOMMU_OPS_H */
