/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of the API: its files, its memory, and its device.
 */
#ifndef SELFTESTS_TCE_H
#define SELFTESTS_TCE_H

#include "edu.h"
#include "host.h"
#include "mem.h"
#include "result.h"
#include "vfio.h"

/* A multiple of every page size of 4K and 64K */
#define CHUNK		(64 * KiB)

struct tce {
	int version;			/* 1 or 2 */
	bool enabled;			/* v1: ENABLE was done */
	int container;			/* fd */
	int group;			/* fd of device 0's group */
	int group2;			/* fd of device other's group, or -1 */
	struct edu edu;			/* of device 0 */
	struct vfio_iommu_spapr_tce_info info;
	unsigned int arg;		/* of the test: see struct test */
	void *bounce;			/* see bounce_at() */
	uint64_t bounce_iova;
};

/* Opens a container with device 0 in it, or with that one; undone by detach(). */
void attach(struct tce *t, int version);
void attach_at(struct tce *t, int version, int device);
void detach(struct tce *t);

/* Allows DMA to @va: ENABLE for v1 (once), REGISTER for v2. */
long __allow(struct tce *t, const void *va, uint64_t size);
#define allow(...)		expect_rc(0, __allow(__VA_ARGS__))

/* Where tests put things */
static inline uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

/* Memory that the device may be given, and a bounce page mapped below base(). */
uint8_t *prepare_dma(struct tce *t, size_t size);

/* Skips the test where the host has no EEH. */
void need_eeh(const struct tce *t);

/* True when the platform offers this IOMMU page size. */
bool has_shift(const struct tce *t, unsigned int shift);

/*
 * Questions to the device: does it read what is in memory at @va, does it
 * change that memory, when it is told to use @iova? Both ask with PROBE bytes
 * and through a bounce page, which must be mapped first.
 */
#define PROBE	1024
void bounce_at(struct tce *t, uint64_t iova);
bool can_read(struct tce *t, uint64_t iova, void *va);
bool can_write(struct tce *t, uint64_t iova, void *va);
/*
 * Stops a device that has been writing all the time to memory which was then given back. The system
 * is asked for some again: none of that, filled by another @its_seed than the device's buffer, is
 * written to.
 */
void stop_in_new_memory(struct edu *edu, unsigned int its_seed);

#endif
