/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One TCE exchanged through the platform's table operations.
 *
 * iommu_tce_xchg_no_kill() of the kernel does the same and then walks the
 * process's whole list of registered memory for each entry; we know who owns
 * a page and call the operation itself. Kernels before 5.14 have a further
 * "realmode" argument.
 */
#ifndef TCE_COMPAT_TABLE_OPS_H
#define TCE_COMPAT_TABLE_OPS_H

#include <asm/iommu.h>

/**
 * tce_xchg() - exchange an entry of a table
 * @ops: the platform's operations; @tbl may have been given others
 * @tbl: the table
 * @entry: the entry; nobody else checks that it is inside
 * @hpa: what it shall reach, or 0; returns what it did reach
 * @dir: how, or DMA_NONE; returns the same of what was there
 *
 * Does not invalidate the entry: iommu_tce_kill() does.
 *
 * Return: 0, or what the platform's firmware said, with nothing changed.
 */
static inline int tce_xchg(const struct iommu_table_ops *ops,
			   struct iommu_table *tbl, unsigned long entry,
			   unsigned long *hpa, enum dma_data_direction *dir)
{
	return ops->xchg_no_kill(tbl, entry, hpa, dir);
}

#endif /* TCE_COMPAT_TABLE_OPS_H */
