/* SPDX-License-Identifier: GPL-2.0-only */
/* Registrations: which container has registered which regions (v2). */
#ifndef TCE_REGISTRATION_H
#define TCE_REGISTRATION_H

#include <linux/list.h>
#include <linux/types.h>

#include "tce_process.h"

struct tce_account;
struct tce_region;

/**
 * struct tce_registered - what a container has registered
 * @process: whose memory it is
 * @account: what is charged
 * @regs: struct tce_registration; guarded by &tce_process.region_lock
 * @closed: nothing can be registered any more; guarded by &tce_process.region_lock
 */
struct tce_registered {
	struct tce_process *process;
	struct tce_account *account;
	struct list_head regs;
	bool closed;
};

/**
 * struct tce_registration - one container's use of a region
 * @in_registered: in &tce_registered.regs
 * @in_region: in &tce_region.regs
 * @of: whose it is
 * @region: what is registered
 */
struct tce_registration {
	struct list_head in_registered;
	struct list_head in_region;
	struct tce_registered *of;
	struct tce_region *region;
};

int tce_registration_add(struct tce_registered *registered, unsigned long ua,
			 unsigned long size);
int tce_registration_remove(struct tce_registered *registered, unsigned long ua,
			    unsigned long size,
			    int (*unmap)(struct tce_registered *registered,
					 const struct tce_region *region));
void tce_registration_remove_all(struct tce_registered *registered);

#endif /* TCE_REGISTRATION_H */
