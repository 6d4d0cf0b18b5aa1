/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On PowerNV, KVM of RHEL 9 calls the operations of a table in real mode, where it can't access
 * the memory of a module. So KVM must not see operations of this module there, which each table
 * would need (tce_kvm.c).
 */
#ifndef TCE_COMPAT_REALMODE_H
#define TCE_COMPAT_REALMODE_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/printk.h>

#include <asm/firmware.h>

#include "found.inc"

#ifdef TCE_HAS_REALMODE

/* An argument tells the operations that they are called in real mode, which we never do. */
#define xchg_no_kill(tbl, index, hpa, dir) \
	xchg_no_kill(tbl, index, hpa, dir, false)
#define tce_kill(tbl, index, pages) \
	tce_kill(tbl, index, pages, false)

/* Those of tce_kvm.c */
#define open_xchg(tbl, index, hpa, dir) \
	open_xchg(tbl, index, hpa, dir, bool realmode)
#define closed_xchg(tbl, index, hpa, dir) \
	closed_xchg(tbl, index, hpa, dir, bool realmode)

/**
 * tce_realmode_check() - would KVM call this module's operations in real mode?
 * @group: the group that is to be attached
 *
 * Return: 0; -EPERM, and a line in the log.
 */
static inline int tce_realmode_check(struct iommu_group *group)
{
	if (!IS_ENABLED(CONFIG_KVM_BOOK3S_HV_POSSIBLE) ||
	    !firmware_has_feature(FW_FEATURE_OPAL))
		return 0;
	pr_err_ratelimited(KBUILD_MODNAME ": group %d: this kernel can't keep KVM from what is mapped; use one without KVM, or whose KVM has no real mode for TCEs\n",
			   iommu_group_id(group));
	return -EPERM;
}

#else

static inline int tce_realmode_check(struct iommu_group *group)
{
	return 0;
}

#endif

#endif /* TCE_COMPAT_REALMODE_H */
