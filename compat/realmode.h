/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM of RHEL 9 calls the operations of a table in real mode, where the memory of a module
 * is out of reach. So no operations of ours may be shown to it there, which v1 would need.
 */
#ifndef TCE_COMPAT_REALMODE_H
#define TCE_COMPAT_REALMODE_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/printk.h>

#include "found.inc"

#ifdef TCE_HAS_REALMODE

/* The operation is told if it is called so. We never do. */
#define xchg_no_kill(tbl, index, hpa, dir) \
	xchg_no_kill(tbl, index, hpa, dir, false)

/* Those of tce_kvm.c, which are never shown to anybody */
#define v1_xchg(tbl, index, hpa, dir) \
	v1_xchg(tbl, index, hpa, dir, bool realmode)
#define dead_xchg(tbl, index, hpa, dir) \
	dead_xchg(tbl, index, hpa, dir, bool realmode)

/**
 * tce_realmode_check() - would KVM have to be shown operations of ours?
 * @v2: which interface the container speaks
 * @group: the group that is to be attached
 *
 * Return: 0; -EPERM, as the kernel's own driver has it, and a line in the log.
 */
static inline int tce_realmode_check(bool v2, struct iommu_group *group)
{
	if (v2)
		return 0;
	pr_err_ratelimited(KBUILD_MODNAME ": group %d: this kernel can't keep KVM from what v1 has pinned; use v2, or a kernel whose KVM has no real mode for TCEs\n",
			   iommu_group_id(group));
	return -EPERM;
}

#else

static inline int tce_realmode_check(bool v2, struct iommu_group *group)
{
	return 0;
}

#endif

#endif /* TCE_COMPAT_REALMODE_H */
