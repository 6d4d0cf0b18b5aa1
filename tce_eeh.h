/* SPDX-License-Identifier: GPL-2.0-only */
/* EEH: error handling of the PEs behind a container's groups. */
#ifndef TCE_EEH_H
#define TCE_EEH_H

#include <linux/errno.h>
#include <linux/vfio.h>

struct tce_space;

#ifdef CONFIG_EEH
bool tce_eeh_enabled(void);
long tce_eeh_op(struct tce_space *space, const struct vfio_eeh_pe_op *op);
#else
static inline bool tce_eeh_enabled(void)
{
	return false;
}

static inline long tce_eeh_op(struct tce_space *space,
			      const struct vfio_eeh_pe_op *op)
{
	return -ENODEV;
}
#endif

#endif /* TCE_EEH_H */
