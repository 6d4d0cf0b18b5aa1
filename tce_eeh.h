/* SPDX-License-Identifier: GPL-2.0-only */
/* EEH: error handling for the PEs of a container's groups. */
#ifndef TCE_EEH_H
#define TCE_EEH_H

#include <linux/vfio.h>

struct tce_space;

bool tce_eeh_enabled(void);
long tce_eeh_op(struct tce_space *space, const struct vfio_eeh_pe_op *op);

#endif /* TCE_EEH_H */
