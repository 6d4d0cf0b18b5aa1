// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_apply() takes the result, which was right, and changes the state.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void entry_add(struct container *c, const struct entry *e)
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

/* Removes all entries of [iova, iova + size) that are of @region, or of any if that is negative. */
static void entries_drop(struct container *c, uint64_t iova, uint64_t size, int region)
{
	int from, to = 0;

	for (from = 0; from < c->entries; from++)
		if (c->entry[from].iova - iova >= size ||
		    (region >= 0 && c->entry[from].region != region))
			c->entry[to++] = c->entry[from];
	c->entries = to;
}

/* UNREGISTER unmaps what its container maps of it. */
static void entries_of_region_drop(struct container *c, int region)
{
	entries_drop(c, 0, ~0ULL, region);
}

/* The last user of these has gone: they stay as long as something maps them. */
static void regions_settle(void)
{
	bool bound = false;
	int i;

	for (i = 0; i < OBJECTS; i++)
		bound |= model.object[i].version == 2 && model.object[i].bound;
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
	c->bound = false;
	c->enabled = false;
	c->entries = 0;
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

static void group_leaves(int group)
{
	struct container *c = &model.object[model.group[group].object];

	c->groups &= ~(1u << group);
	model.group[group].object = NOBODY_AT;
	if (c->groups)
		return;
	container_reset(c);
	c->alive = c->slot >= 0;
}

static void default_window(struct container *c)
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

/* Whether a failed operation may have brought the default window into being. */
bool model_may_create_default(const struct op *op)
{
	const struct container *c;

	if (op->kind != OP_MAP && op->kind != OP_UNMAP && op->kind != OP_CREATE)
		return false;
	c = model_at(op->slot);
	return c && c->window[0].used && c->window[0].pending &&
	       (c->enabled || (op->kind == OP_CREATE && c->version == 2));
}

static void apply_register(struct container *c, const struct op *op)
{
	unsigned int me = 1u << (c - model.object), p;
	struct region *r = NULL;
	int i;

	c->bound = true;
	c->enabled = true;
	for (i = 0; i < MAX_REGIONS; i++) {
		if (!overlaps(&model.region[i], op->a, op->b))
			continue;
		if (model.region[i].users) {
			model.region[i].users |= me;
			return;
		}
		/* Left behind, no longer mapped, and now replaced. */
		model.region[i].used = false;
	}
	for (i = 0; i < MAX_REGIONS && !r; i++)
		if (!model.region[i].used)
			r = &model.region[i];
	if (!r)
		abort();
	r->used = true;
	r->va = op->a;
	r->pages = op->b / host.page;
	r->users = me;
	for (p = 0; p < r->pages; p++)
		r->phys[p] = model.page[page_at(op->a + p * host.page)].phys;
}

static void apply_unregister(struct container *c, const struct op *op)
{
	int i = region_find(op->a, op->b);
	struct region *r = &model.region[i];

	r->users &= ~(1u << (c - model.object));
	entries_of_region_drop(c, i);
	r->used = r->users;
}

static void apply_create(struct container *c, const struct op *op)
{
	struct window *w;
	bool dynamic = false;
	int num;

	c->bound = true;
	if (c->window[0].pending)
		default_created(c);
	model_create_slot(c, op, &num, &dynamic);
	w = &c->window[num];
	model.created = w;
	w->used = true;
	w->pending = false;
	w->dynamic = dynamic;
	w->shift = op->a;
	w->size = op->b;
	/* PowerNV has no table of less than a page. */
	if (host.powernv && w->size < (host.page / 8) << w->shift)
		w->size = (host.page / 8) << w->shift;
	w->charge = table_bytes(op->a, op->b, op->c ?: 1);
	w->start = model_create_start(num, dynamic);
}

static void apply_map(struct container *c, const struct op *op)
{
	const struct window *w = model_window(c, op->b);
	uint64_t page = 1ULL << w->shift, at;

	entries_drop(c, op->b, op->c, -1);
	for (at = 0; at < op->c; at += page) {
		uint64_t va = op->a + at;
		struct entry e = {
			.iova = op->b + at,
			.region = -1,
			.offset = va % host.page,
			.dir = op->flags,
			.shift = w->shift,
		};

		if (c->version == 2) {
			e.region = region_around(va, page);
			e.phys = model.region[e.region].phys[
				(va - model.region[e.region].va) / host.page];
		} else {
			e.phys = model.page[page_at(va)].phys;
		}
		entry_add(c, &e);
	}
}

static void apply_open(const struct op *op)
{
	int i;

	for (i = 0; model.object[i].alive; i++)
		;
	model.slot[op->slot] = i;
	model.object[i].alive = true;
	model.object[i].slot = op->slot;
}

static void apply_remove(struct container *c, const struct op *op)
{
	int i;

	c->bound = true;
	for (i = 0; i < 2; i++) {
		struct window *w = &c->window[i];

		if (!w->used || w->start != op->a)
			continue;
		entries_drop(c, w->start, w->size, -1);
		memset(w, 0, sizeof(*w));
	}
}

/* What happened to pages of the arena. */
static void apply_pages(const struct op *op)
{
	unsigned int p;

	for (p = op->a; p < op->a + op->b; p++) {
		model.page[p].there = op->kind != OP_MUNMAP;
		if (model.page[p].there)
			model.page[p].phys = model_new_phys();
	}
}

/* MAP and UNMAP use the default window. */
static void apply_use(struct container *c, const struct op *op)
{
	if (!op->c)
		return;
	if (c->window[0].pending)
		default_created(c);
	if (op->kind == OP_MAP)
		apply_map(c, op);
	else if (op->kind == OP_UNMAP)
		entries_drop(c, op->b, op->c, -1);
}

static void apply_success(struct container *c, const struct op *op)
{
	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		apply_open(op);
		break;
	case OP_CLOSE_CONTAINER:
		model.slot[op->slot] = NOBODY_AT;
		c->slot = -1;
		c->alive = c->groups;
		break;
	case OP_OPEN_GROUP:
		model.group[op->group].open = true;
		break;
	case OP_CLOSE_GROUP:
		model.group[op->group].open = false;
		if (model.group[op->group].object >= 0)
			group_leaves(op->group);
		break;
	case OP_SET_CONTAINER:
		model.group[op->group].object = model.slot[op->slot];
		c->groups |= 1u << op->group;
		break;
	case OP_UNSET_CONTAINER:
		group_leaves(op->group);
		break;
	case OP_SET_IOMMU:
		c->version = op->a == V1_IOMMU ? 1 : 2;
		default_window(c);
		break;
	case OP_ENABLE:
		c->enabled = true;
		c->bound = true;
		break;
	case OP_DISABLE:
		c->enabled = false;
		c->entries = 0;
		break;
	case OP_REGISTER:
		apply_register(c, op);
		break;
	case OP_UNREGISTER:
		apply_unregister(c, op);
		break;
	case OP_CREATE:
		apply_create(c, op);
		break;
	case OP_REMOVE:
		apply_remove(c, op);
		break;
	case OP_MAP:
	case OP_UNMAP:
		apply_use(c, op);
		break;
	case OP_MUNMAP:
	case OP_MMAP:
	case OP_DONTNEED:
		apply_pages(op);
		break;
	}
}

void model_apply(const struct op *op, long rc)
{
	struct container *c = model_at(op->slot);

	if (rc >= 0) {
		apply_success(c, op);
		return;
	}
	if (op->kind == OP_UNREGISTER && rc == -EBUSY)
		entries_of_region_drop(c, region_find(op->a, op->b));
	/* Whether the attempt made the container this process's is left open. */
	if (c && c->version == 2 &&
	    (op->kind == OP_REGISTER || op->kind == OP_CREATE || op->kind == OP_REMOVE))
		c->bound = true;
}
