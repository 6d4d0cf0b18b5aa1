/* SPDX-License-Identifier: GPL-2.0-only */
/* EEH: error handling for the PEs of a container's groups. */
#ifndef TCE_EEH_H
#define TCE_EEH_H

#include <linux/vfio.h>

#include "tce_refusal.h"

struct tce_space;

#ifdef CONFIG_EEH
bool tce_eeh_enabled(void);
long tce_eeh_op(struct tce_space *space, const struct vfio_eeh_pe_op *op);
#else
/**
 * tce_eeh_enabled() - does the machine support EEH?
 *
 * Return: false, because the kernel does not.
 */
static inline bool tce_eeh_enabled(void)
{
	return false;
}

/**
 * tce_eeh_op() - do an EEH operation for all groups of a space
 * @space: the space
 * @op: the operation
 *
 * Return: -ENODEV, because the kernel has no EEH.
 */
static inline long tce_eeh_op(struct tce_space *space,
			      const struct vfio_eeh_pe_op *op)
{
	return TCE_REFUSE_VALUE(EEH, ENODEV, op->op);
}
#endif

#endif /* TCE_EEH_H */
