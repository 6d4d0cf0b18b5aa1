/* SPDX-License-Identifier: GPL-2.0-only */
/* EEH operations. */
#ifndef TCE_EEH_H
#define TCE_EEH_H

struct tce_container;
struct vfio_eeh_pe_op;

long tce_eeh_op(struct tce_container *container, const struct vfio_eeh_pe_op *op);
int tce_eeh_init(void);
void tce_eeh_exit(void);

#endif /* TCE_EEH_H */
