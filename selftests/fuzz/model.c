// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model's state: containers, groups, windows, entries, regions and memory.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct machine machine;

struct model model;

struct container *model_at(int slot)
{
	return model.slot[slot] < 0 ? NULL : &model.object[model.slot[slot]];
}

unsigned int groups_of(const struct container *c)
{
	return __builtin_popcount(c->groups);
}

int model_new_phys(void)
{
	if (model.physes == model.phys_room) {
		model.phys_room = model.phys_room ? 2 * model.phys_room : 1024;
		model.phys = realloc(model.phys, model.phys_room * sizeof(*model.phys));
		if (!model.phys)
			abort();
	}
	model.phys[model.physes] = (struct phys){ .unknown = true };
	return model.physes++;
}

void model_init(void)
{
	unsigned int i;

	memset(&model, 0, sizeof(model));
	for (i = 0; i < SLOTS; i++)
		model.slot[i] = NOBODY_AT;
	for (i = 0; i < GROUPS; i++)
		model.group[i].object = NOBODY_AT;
	for (i = 0; i < machine.pages; i++)
		model.page[i] = (struct vpage){ true, model_new_phys() };
}

const struct window *model_window(const struct container *c, uint64_t iova)
{
	int i;

	for (i = 0; i < 2; i++)
		if (c->window[i].used && iova - c->window[i].start < c->window[i].size)
			return &c->window[i];
	return NULL;
}

const struct entry *model_entry(const struct container *c, uint64_t iova)
{
	int i;

	for (i = 0; i < c->entries; i++)
		if (iova >> c->entry[i].shift == c->entry[i].iova >> c->entry[i].shift)
			return &c->entry[i];
	return NULL;
}

/* Does some container map it, but for @c, which may be NULL? */
bool region_mapped(int region, const struct container *c)
{
	int i, j;

	for (i = 0; i < OBJECTS; i++)
		for (j = 0; j < model.object[i].entries; j++)
			if (&model.object[i] != c &&
			    model.object[i].entry[j].region == region)
				return true;
	return false;
}

bool overlaps(const struct region *r, uint64_t va, uint64_t size)
{
	return r->used && va < r->va + r->pages * host.page && r->va < va + size;
}

/* A page of the IOMMU's that is larger than the CPU's and for which the arena has memory, or 0 */
uint64_t model_large_page(void)
{
	uint64_t page;

	for (page = 2 * host.page; page <= machine.pages * host.page; page *= 2)
		if (machine.info[2].ddw.pgsizes & page)
			return page;
	return 0;
}

/* Other devices of the bus answer below 4 GiB, if the device asks there. */
bool model_bus_address(uint64_t iova, uint64_t size)
{
	return iova + size > 2 * GiB && iova < 4 * GiB;
}

/* The region with these very bounds, or -1. */
int region_find(uint64_t va, uint64_t size)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++)
		if (model.region[i].used && model.region[i].va == va &&
		    model.region[i].pages * host.page == size)
			return i;
	return -1;
}

/* The region that all of [va, va + size) is in, or -1. */
int region_around(uint64_t va, uint64_t size)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (r->used && va >= r->va && va - r->va < r->pages * host.page &&
		    size <= r->pages * host.page - (va - r->va))
			return i;
	}
	return -1;
}

int page_at(uint64_t va)
{
	if (va < ARENA || va >= ARENA + machine.pages * host.page)
		return -1;
	return (va - ARENA) / host.page;
}

/* Locked memory of this process: at least and at most. */
uint64_t model_locked(uint64_t *most)
{
	uint64_t least = 0;
	int i, w;

	*most = 0;
	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!r->used)
			continue;
		if (r->users || region_mapped(i, NULL))
			least += r->pages * host.page;
		else
			*most += r->pages * host.page;
	}
	for (i = 0; i < OBJECTS; i++) {
		const struct container *c = &model.object[i];

		if (!c->version)
			continue;
		if (c->version == 1 && c->enabled)
			least += machine.info[1].dma32_window_size;
		for (w = 0; w < 2; w++)
			if (c->window[w].used && !c->window[w].pending)
				least += c->window[w].charge;
	}
	*most += least;
	return least;
}

/*
 * Pinned pages: at least and at most. v1 may pin a page once for each TCE. A region has one
 * pin for pages that follow each other in a large folio.
 */
long model_pinned(long *most)
{
	static unsigned int stamp;
	long least = 0, extra = 0;
	int i, j;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!r->used)
			continue;
		extra += r->pages;
		if (r->users || region_mapped(i, NULL)) {
			least++;
			extra--;
		}
	}
	for (i = 0; i < OBJECTS; i++) {
		const struct container *c = &model.object[i];

		stamp++;
		for (j = 0; c->version == 1 && j < c->entries; j++) {
			struct phys *phys = &model.phys[c->entry[j].phys];

			if (phys->stamp == stamp) {
				extra++;
			} else {
				phys->stamp = stamp;
				least++;
			}
		}
	}
	*most = least + extra;
	return least;
}

/* Where CREATE puts a window: false if there is no room. */
bool model_create_slot(const struct container *c, const struct op *op, int *num,
		       bool *dynamic)
{
	uint64_t limit = machine.info[2].dma32_window_size;

	*num = !c->window[0].used ? 0 : 1;
	/* A partition has one window beside the default one. */
	if (c->window[*num].used || c->window[0].dynamic)
		return false;
	*dynamic = !host.powernv && (*num || op->a != 12 || op->b > limit);
	return true;
}

/* And the address that it has there */
uint64_t model_create_start(int num, bool dynamic)
{
	if (dynamic)
		return machine.dynamic_start[num];
	return num ? SECOND_WINDOW : machine.info[2].dma32_window_start;
}
