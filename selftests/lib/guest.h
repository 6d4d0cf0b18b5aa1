/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest of KVM's, whose hypercalls KVM answers by itself in the tables that it was given.
 * It is five instructions: it makes the hypercall that it is told, and asks for the next one.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "mem.h"

#define H_PUT_TCE		0x20
#define H_STUFF_TCE		0x138
#define H_PUT_TCE_INDIRECT	0x13c
#define H_PARAMETER		(-4)
#define NOT_IN_KERNEL		9999	/* KVM left the hypercall to us */
#define TCE_RW			3
#define LIOBN			0x80000000UL
#define GUEST_LIST		0x2000	/* room for TCEs, for H_PUT_TCE_INDIRECT */
#define GUEST_SIZE		(2 * MiB)
#define GUEST_WINDOW		(256 * MiB)

struct guest {
	int kvm, vm, vfio, table;
	uint8_t *mem;
};

extern struct guest guest;

/* A machine without processors; skips the test where there is no KVM. */
void guest_init(void);
/* Memory that the guest has, too. */
void guest_add_memory(uint32_t slot, uint64_t at, void *mem, uint64_t size);
/* Its view of a window at @start, in pages of its own, for guest_add_group(). */
void guest_view(uint64_t start, uint64_t size, uint32_t shift);
/* KVM gets the tables that the group has now: 0 or -errno. */
long guest_add_group(int32_t group);
long guest_del_group(int32_t group);
/* Each thread that makes a hypercall is a processor. */
long hcall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

#endif
