/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels that this module supports.
 *
 * compat/ restates private structures of the kernel, which have not been compared outside this
 * range, where a wrong copy could corrupt memory. README and dkms.conf repeat the range;
 * scripts/harness/tests/test_range.py compares the three.
 *
 * The rest of the module is written for the newest kernel, and the other headers in this directory
 * provide what older ones lack.
 */
#ifndef TCE_COMPAT_KERNEL_RANGE_H
#define TCE_COMPAT_KERNEL_RANGE_H

#include <linux/version.h>

#include "found.inc"

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "vfio_iommu_spapr_tce supports Linux 5.14 to 7.3 only; see README.md"
#endif

/* RHEL 9.2 and later have a newer VFIO than their version, 5.14, tells. */
#ifndef TCE_HAS_CLAIM
#error "vfio_iommu_spapr_tce needs the VFIO of Linux 5.19 or newer; RHEL has that since 9.2"
#endif

#ifndef CONFIG_PPC64
#error "vfio_iommu_spapr_tce is a driver for 64-bit POWER (set ARCH=powerpc CROSS_COMPILE=...)"
#endif

#if !IS_ENABLED(CONFIG_SPAPR_TCE_IOMMU) || !IS_ENABLED(CONFIG_EEH)
#error "this kernel has no sPAPR TCE IOMMU (CONFIG_SPAPR_TCE_IOMMU), or no PCI and so no EEH"
#endif

/* With two backends for the same extensions, the VFIO core could pick either. */
#if IS_BUILTIN(CONFIG_VFIO_IOMMU_SPAPR_TCE)
#error "CONFIG_VFIO_IOMMU_SPAPR_TCE=y: the kernel has its own driver built in; it must be =m"
#endif

#endif /* TCE_COMPAT_KERNEL_RANGE_H */
