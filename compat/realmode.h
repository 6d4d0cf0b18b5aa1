/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On PowerNV, KVM of RHEL 9 calls a table's operations in real mode, where the memory of a module
 * is out of reach. Each table needs this module's operations (tce_kvm.c), so groups are refused
 * there.
 */
#ifndef TCE_COMPAT_REALMODE_H
#define TCE_COMPAT_REALMODE_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/printk.h>

#include <asm/firmware.h>

#include "found.inc"

#ifdef TCE_HAS_REALMODE

/* The last argument tells of a call in real mode, which we never make. */
#define xchg_no_kill(tbl, index, hpa, dir) \
	xchg_no_kill(tbl, index, hpa, dir, false)
#define tce_kill(tbl, index, pages) \
	tce_kill(tbl, index, pages, false)

/* The operations of tce_kvm.c have that argument, too. */
#define flat_xchg(tbl, index, hpa, dir) \
	flat_xchg(tbl, index, hpa, dir, bool realmode)
#define levels_xchg(tbl, index, hpa, dir) \
	levels_xchg(tbl, index, hpa, dir, bool realmode)
#define hcall_xchg(tbl, index, hpa, dir) \
	hcall_xchg(tbl, index, hpa, dir, bool realmode)
#define blocked_xchg(tbl, index, hpa, dir) \
	blocked_xchg(tbl, index, hpa, dir, bool realmode)
#define blocked_kill(tbl, index, pages) \
	blocked_kill(tbl, index, pages, bool realmode)

/**
 * tce_realmode_check() - refuse a group if KVM would call this module's operations in real mode
 * @group: the group that is to be attached
 *
 * Return: 0; -EPERM, with a line in the log.
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
