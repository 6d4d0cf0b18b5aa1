/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM, and what it is shown of a table. */
#ifndef TCE_KVM_H
#define TCE_KVM_H

#include <linux/types.h>

#include "tce_table.h"

int tce_kvm_prepare(struct tce_table *table);
void tce_kvm_free(struct tce_table *table);
int tce_kvm_hide(struct tce_table *table, bool in_group);
void tce_kvm_open(struct tce_table *table);
void tce_kvm_close(struct tce_table *table);
long tce_kvm_tables(void);

#endif /* TCE_KVM_H */
