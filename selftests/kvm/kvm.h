/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest: a virtual machine that makes the hypercalls that it is told.
 */
#ifndef SELFTESTS_KVM_H
#define SELFTESTS_KVM_H

#include <linux/kvm.h>
#include <pthread.h>

#include "test.h"

#define H_PUT_TCE		0x20
#define H_STUFF_TCE		0x138
#define H_PUT_TCE_INDIRECT	0x13c
#define NEXT			0x7ff0	/* no hypercall: back to us */
#define TCE_RW			3
#define CODE			0x1000
#define LIST			0x2000	/* of TCEs, for H_PUT_TCE_INDIRECT */
#define DATA			0x100000
#define GUEST_SIZE		(2 * MiB)
#define LIOBN			0x80000000UL
#define CHUNK			(64 * KiB)
#define MSR_SF			(1ULL << 63)
#define MSR_LE			1ULL
#define NOT_IN_KERNEL		9999	/* KVM left the hypercall to us */

struct guest {
	int kvm, vm, vfio, table;
	uint8_t *mem;
};

static inline uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

/* guest.c */
extern struct guest guest;
long hcall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
long put(uint64_t iova, uint64_t offset);
long clear(uint64_t iova, uint64_t pages);
long put_list(uint64_t iova, unsigned int pages);
void add_memory(uint32_t slot, uint64_t at, void *mem, uint64_t size);
void guest_init(void);
long vfio_attr(uint64_t attr, void *arg);
void give_table_as(struct tce *t, uint32_t shift);
void give_table(struct tce *t);
void prepare(struct tce *t);
uint8_t *data(uint64_t offset);
bool reaches(struct tce *t, uint64_t iova, uint64_t offset);

/* tables.c */
extern const struct rows tables_rows;

/* loop.c */
extern const struct rows loop_rows;
extern volatile bool over;
extern volatile unsigned long turns;
extern unsigned int step;
void *guest_loop(void *arg);
void container_goes(struct tce *t, pthread_t thread);

/* v1.c */
extern const struct rows v1_rows;

#endif
