// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client: its files, its memory, and its device.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tce.h"

void attach_at(struct tce *t, int version, int device)
{
	t->version = version;
	t->group2 = -1;
	t->enabled = false;
	t->bounce = NULL;
	t->container = open_container();
	t->group = open_group(device);
	set_container(t->group, t->container);
	set_iommu(t->container, version == 1 ? V1_IOMMU : V2_IOMMU);
	get_info(t->container, &t->info);
}

void attach(struct tce *t, int version)
{
	attach_at(t, version, 0);
}

void detach(struct tce *t)
{
	unset_container(t->group);
	close(t->group);
	close(t->container);
}

long __allow(struct tce *t, const void *va, uint64_t size)
{
	long rc;

	if (t->version == 2)
		return __register(t->container, va, size);
	if (t->enabled)
		return 0;
	rc = __enable(t->container);
	t->enabled = !rc;
	return rc;
}

bool has_shift(const struct tce *t, unsigned int shift)
{
	return t->info.ddw.pgsizes & (1ULL << shift);
}

void need_eeh(const struct tce *t)
{
	if (!__check_extension(t->container, VFIO_EEH))
		skip("this host has no EEH");
}

uint8_t *prepare_dma(struct tce *t, size_t size)
{
	uint8_t *mem = alloc(size, CHUNK);

	allow(t, mem, size);
	bounce_at(t, base(t) - CHUNK);
	return mem;
}

/*
 * Does DMA get there? Each question uses new content, so that nothing an
 * earlier transfer left in the device can be taken for an answer.
 */
static unsigned int seed = 100;

void bounce_at(struct tce *t, uint64_t iova)
{
	if (!t->bounce) {
		t->bounce = alloc(64 * KiB, 64 * KiB);
		allow(t, t->bounce, 64 * KiB);
	}
	map(t->container, t->bounce, iova, 64 * KiB, RW);
	t->bounce_iova = iova;
}

bool can_read(struct tce *t, uint64_t iova, void *va)
{
	fill(va, PROBE, ++seed);
	memset(t->bounce, 0, PROBE);
	edu_copy(&t->edu, iova, t->bounce_iova, PROBE);
	return filled(t->bounce, PROBE, seed);
}

bool can_write(struct tce *t, uint64_t iova, void *va)
{
	unsigned int old = ++seed;

	fill(va, PROBE, old);
	fill(t->bounce, PROBE, ++seed);
	edu_copy(&t->edu, t->bounce_iova, iova, PROBE);
	if (filled(va, PROBE, seed))
		return true;
	if (!filled(va, PROBE, old))
		fail(__FILE__, __LINE__, "part of the memory at IOVA %#llx changed",
		     (unsigned long long)iova);
	return false;
}

void stop_in_new_memory(struct edu *edu, unsigned int its_seed)
{
	const size_t size = 8 * MiB;
	uint8_t *mem = alloc(size, CHUNK);
	size_t at;

	for (at = 0; at < size; at += host.page)
		fill(mem + at, PROBE, its_seed);
	nap(5);
	edu_stop(edu);
	for (at = 0; at < size; at += host.page)
		expect(filled(mem + at, PROBE, its_seed));
	munmap(mem, size);
}
