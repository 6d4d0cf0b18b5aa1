// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model's state: containers, groups, windows, entries, regions and memory.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "model.h"

struct machine machine;

struct model model;

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

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
		model.page[i] = (struct vpage){ true, PROT_RW, model_new_phys() };
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

void entry_add(struct container *c, const struct entry *e)
{
	if (!c->entry) {
		c->entry = malloc(MAX_ENTRIES * sizeof(*c->entry));
		if (!c->entry)
			abort();
	}
	if (c->entries == MAX_ENTRIES)
		abort();
	c->entry[c->entries++] = *e;
}

/* Removes all entries of [iova, iova + size). */
void entries_drop(struct container *c, uint64_t iova, uint64_t size)
{
	int from, to = 0;

	for (from = 0; from < c->entries; from++)
		if (c->entry[from].iova - iova >= size)
			c->entry[to++] = c->entry[from];
	c->entries = to;
}

/* UNREGISTER unmaps what its container maps of it. */
void entries_of_region_drop(struct container *c, int region)
{
	int from, to = 0;

	for (from = 0; from < c->entries; from++)
		if (c->entry[from].region != region)
			c->entry[to++] = c->entry[from];
	c->entries = to;
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

/* Whether the process could do this with all of [va, va + size). */
bool accessible(uint64_t va, uint64_t size, bool write)
{
	uint64_t at;

	if (va + size < va)
		return false;
	for (at = va & -host.page; at < va + size; at += host.page) {
		int p = page_at(at);

		if (p < 0 || !model.page[p].there || model.page[p].prot == PROT_NO ||
		    (write && model.page[p].prot == PROT_RO))
			return false;
	}
	return true;
}

/* The last user of these has gone: they stay as long as something maps them. */
static void regions_settle(void)
{
	bool bound = false;
	int i;

	for (i = 0; i < OBJECTS; i++)
		bound |= model.object[i].version == 2 &&
			 (model.object[i].owner == OWNER_SELF ||
			  model.object[i].owner == OWNER_MAYBE);
	for (i = 0; i < MAX_REGIONS; i++)
		if (model.region[i].used && !model.region[i].users && !bound)
			model.region[i].used = false;
}

/* The last group has left: nothing of SET_IOMMU and later is there any more. */
static void container_reset(struct container *c)
{
	unsigned int me = 1u << (c - model.object);
	int i;

	c->version = 0;
	c->owner = OWNER_NONE;
	c->enabled = false;
	c->entries = 0;
	c->foreign_pins = 0;
	memset(c->window, 0, sizeof(c->window));
	for (i = 0; i < MAX_REGIONS; i++) {
		if (!model.region[i].used || !(model.region[i].users & me))
			continue;
		model.region[i].users &= ~me;
		if (!model.region[i].users && !region_mapped(i, NULL))
			model.region[i].used = false;
	}
	regions_settle();
}

void group_leaves(int group)
{
	struct container *c = &model.object[model.group[group].object];

	c->groups &= ~(1u << group);
	model.group[group].object = NOBODY_AT;
	if (c->groups)
		return;
	container_reset(c);
	c->alive = c->slot >= 0;
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

		if (!c->version || c->owner == OWNER_OTHER)
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

/* Limits that are interesting: what they allow and what is just too much. */
uint64_t model_limit(unsigned int which)
{
	uint64_t window = machine.info[2].dma32_window_size;
	uint64_t table = table_bytes(12, window, 1);

	switch (which % 4) {
	case 0:
		return machine.pages * host.page;
	case 1:
		return table + machine.pages / 2 * host.page;
	case 2:
		return window + table - host.page;
	default:
		return window + table + machine.pages / 2 * host.page;
	}
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

		least += c->foreign_pins;
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
	if (c->window[*num].used)
		return false;
	*dynamic = !host.powernv && (*num || op->a != 12 || op->b > limit);
	return true;
}

void default_window(struct container *c)
{
	c->window[0] = (struct window) {
		.used = true,
		.pending = true,
		.start = machine.info[c->version].dma32_window_start,
		.size = machine.info[c->version].dma32_window_size,
		.shift = 12,
	};
}

void default_created(struct container *c)
{
	struct window *w = &c->window[0];

	w->pending = false;
	w->charge = table_bytes(12, w->size, 1);
}

void model_default_created(int slot)
{
	default_created(model_at(slot));
}

/* Whether a failed operation may have brought the default window into being. */
bool model_may_create_default(const struct op *op)
{
	const struct container *c;

	if (op->kind != OP_MAP && op->kind != OP_UNMAP && op->kind != OP_CREATE)
		return false;
	c = model_at(op->slot);
	return c && c->window[0].used && c->window[0].pending &&
	       c->owner != OWNER_OTHER &&
	       (c->enabled || (op->kind == OP_CREATE && c->version == 2));
}

/* A table for this window would be larger than all memory of the machine. */
bool beyond_memory(const struct op *op)
{
	return 8 * (op->b >> op->a) > 2 * machine.memory;
}
