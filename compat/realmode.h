/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On PowerNV, KVM of RHEL 9 calls the operations of a table in real mode, where it can't access
 * the memory of a module. Because each table needs operations of this module that KVM calls
 * (tce_kvm.c), the module refuses groups there.
 */
#ifndef TCE_COMPAT_REALMODE_H
#define TCE_COMPAT_REALMODE_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/printk.h>

#include <asm/firmware.h>

#include "found.inc"

#ifdef TCE_HAS_REALMODE

/* The last argument says whether an operation is called in real mode, which we never do. */
#define xchg_no_kill(tbl, index, hpa, dir) \
	xchg_no_kill(tbl, index, hpa, dir, false)
#define tce_kill(tbl, index, pages) \
	tce_kill(tbl, index, pages, false)

/* The operations that tce_kvm.c defines have that argument, too. */
#define allowed_xchg(tbl, index, hpa, dir) \
	allowed_xchg(tbl, index, hpa, dir, bool realmode)
#define blocked_xchg(tbl, index, hpa, dir) \
	blocked_xchg(tbl, index, hpa, dir, bool realmode)
#define allowed_kill(tbl, index, pages) \
	allowed_kill(tbl, index, pages, bool realmode)
#define blocked_kill(tbl, index, pages) \
	blocked_kill(tbl, index, pages, bool realmode)

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
