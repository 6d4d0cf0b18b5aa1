// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generator: looks at the model to ask for what makes sense, most of the
 * time. Of the rest most is nearly right, for that is where checks are missing.
 */
#include <string.h>

#include "fuzz.h"

static uint64_t state;

/* How often an operation was asked for that this rule alone refuses */
static unsigned int asked[RULES];

void gen_seed(uint64_t seed)
{
	state = seed;
	memset(asked, 0, sizeof(asked));
}

static uint64_t below(uint64_t n)
{
	return n ? random_next(&state) % n : 0;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

#define pick(array) ((array)[below(sizeof(array) / sizeof(*(array)))])

/* An address that is nearly @x. */
static uint64_t spoil(uint64_t x)
{
	static const uint64_t off[] = { 1, 8, 2048, 4095, 4096, 65535, 65536 };

	return one_in(2) ? x + pick(off) : x - pick(off);
}

static uint64_t wild(void)
{
	static const uint64_t some[] = {
		0, -1ULL, -4096ULL, -65536ULL, 1ULL << 32, 1ULL << 59, 1ULL << 63,
		0xc000000000000000ULL, 0x7fffffffffffffffULL, ARENA, 4096,
		(1ULL << 59) - 65536,
	};

	return one_in(3) ? random_next(&state) & -4096ULL : pick(some);
}

/* Mostly @x. One in @spoiled is nearly that, and one in @any has nothing to do with it. */
static uint64_t maybe_odd(uint64_t x, unsigned int spoiled, unsigned int any)
{
	if (one_in(any))
		return wild();
	return one_in(spoiled) ? spoil(x) : x;
}

static uint64_t arena_end(void)
{
	return ARENA + machine.pages * host.page;
}

/* Places within a window where things meet again. */
static uint64_t hot_iova(const struct window *w)
{
	uint64_t page = 1ULL << w->shift;
	uint64_t step = page > host.page ? page : host.page, at;

	switch (below(8)) {
	case 0:
		at = w->size - step * (1 + below(4));
		break;
	case 1:
		at = w->size / 2 + step * below(8);
		break;
	default:
		at = step * below(machine.pages);
	}
	if (page < host.page)
		at += page * below(host.page / page);
	return w->start + (at < w->size ? at : 0);
}

static const struct window *some_window(const struct container *c)
{
	const struct window *w = &c->window[below(2)];

	return w->used ? w : &c->window[w == c->window];
}

static uint64_t any_iova(const struct container *c, const struct window *w)
{
	static const struct window nowhere = { .size = GiB, .shift = 12 };

	if (!w->used)
		w = &nowhere;
	if (one_in(60))
		return wild();
	if (one_in(25))
		return spoil(hot_iova(w));
	if (one_in(40))
		return w->start + w->size;
	if (c->entries && one_in(4))
		return c->entry[below(c->entries)].iova;
	return hot_iova(w);
}

static unsigned int some_pages(void)
{
	return one_in(12) ? 1 + below(machine.pages) : 1 + below(4);
}

/* A region of the process, or NULL. */
static const struct region *some_region(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX_REGIONS; i++)
		n += model.region[i].used;
	n = below(n);
	for (i = 0; i < MAX_REGIONS; i++)
		if (model.region[i].used && !n--)
			return &model.region[i];
	return NULL;
}

static void gen_map(const struct container *c, struct op *op)
{
	const struct window *w = some_window(c);
	uint64_t page = w->used ? 1ULL << w->shift : 4096, n;
	const struct region *r = c->version == 2 ? some_region() : NULL;

	op->flags = one_in(40) ? below(8) : 1 + below(3);
	op->b = any_iova(c, w);
	n = one_in(10) ? some_pages() * ((host.page + page - 1) / page) : 1 + below(6);
	if (r && !one_in(6)) {
		uint64_t most = r->pages * host.page / page, first = below(most);

		op->a = r->va + first * page;
		if (most && n > most - first)
			n = most - first;
	} else {
		op->a = ARENA + below(machine.pages) * host.page;
		if (page < host.page)
			op->a += below(host.page / page) * page;
		if (n * page > arena_end() - op->a && !one_in(4))
			n = 1;
	}
	op->a = maybe_odd(op->a, 40, 100);
	op->c = maybe_odd(n * page, 40, 100);
}

static void gen_unmap(const struct container *c, struct op *op)
{
	const struct window *w = some_window(c);
	uint64_t page = w->used ? 1ULL << w->shift : 4096;

	op->b = any_iova(c, w);
	op->c = page * (1 + below(one_in(15) ? 64 : 4));
	if (one_in(60) || c->entries > MAX_ENTRIES - 1024) {
		op->b = w->start;
		op->c = w->size;
	}
	op->c = maybe_odd(op->c, 40, 100);
}

static void gen_register(struct op *op)
{
	const struct region *r = some_region();
	uint64_t large = model_large_page();
	unsigned int n = some_pages();

	if (r && one_in(4)) {
		/* The same again, or what nearly is. */
		op->a = r->va;
		op->b = r->pages * host.page;
	} else if (large && one_in(r ? 10 : 2)) {
		/* Room for what only a window of too large pages can map. */
		op->a = ARENA + below(machine.pages * host.page / large) * large;
		op->b = large;
	} else {
		op->a = ARENA + below(machine.pages) * host.page;
		op->b = n * host.page;
		if (op->b > arena_end() - op->a && !one_in(10))
			op->b = host.page;
	}
	op->a = maybe_odd(op->a, 25, 60);
	op->b = maybe_odd(op->b, 25, 60);
}

static void gen_unregister(struct op *op)
{
	const struct region *r = some_region();

	gen_register(op);
	if (!r || one_in(12))
		return;
	op->a = one_in(20) ? spoil(r->va) : r->va;
	op->b = one_in(20) ? spoil(r->pages * host.page) : r->pages * host.page;
}

static unsigned int some_shift(void)
{
	uint64_t sizes = machine.info[2].ddw.pgsizes, large = model_large_page();
	const struct region *r = some_region();
	unsigned int shift;

	/* Pages that the region has room for, but no pages that are as large */
	if (r && large && r->pages * host.page >= large && !one_in(4))
		return __builtin_ctzll(large);
	if (one_in(2))
		return 12;
	do {
		shift = below(40);
	} while (!(sizes >> shift & 1));
	return shift;
}

static void gen_create(const struct container *c, struct op *op)
{
	static const uint64_t shifts[] = { 0, 11, 13, 15, 17, 32, 63, 64, 80, 0xffffffff };
	static const uint64_t levels[] = { 0, 2, 7, 100, 0xffffffff };
	unsigned int bits = below(16);
	bool dynamic;
	int num;

	op->a = some_shift();
	op->c = 1;
	if (host.powernv && one_in(5))
		op->c = 1 + below(machine.info[2].ddw.levels);
	/* QEMU from 10.1 on asks for none where the platform has one. */
	if (!host.powernv && one_in(4))
		op->c = 0;
	op->b = 1ULL << (op->a + bits);
	if (model_create_slot(c, op, &num, &dynamic) && dynamic)
		op->b = 256 * MiB << below(3);
	if (one_in(12))
		op->a = pick(shifts);
	if (one_in(12))
		op->b = one_in(3) ? 1ULL << below(12) : one_in(2) ? op->b + 4096 : op->b * 3;
	if (one_in(12))
		op->c = pick(levels);
	if (one_in(20))
		op->b = 1ULL << (host.powernv ? 30 + below(34) : 50 + below(14));
}

static void gen_remove(const struct container *c, struct op *op)
{
	op->a = some_window(c)->start;
	if (one_in(5))
		op->a = one_in(2) ? wild() : spoil(op->a);
}

/* Memory: mostly there, or nothing else would happen. */
static void gen_memory(struct op *op)
{
	static const uint8_t kinds[] = { OP_MUNMAP, OP_MMAP, OP_DONTNEED };
	unsigned int p = below(machine.pages), n = 1 + below(3);

	op->a = p;
	op->b = n > machine.pages - p ? 1 : n;
	op->kind = model.page[p].there ? pick(kinds) : OP_MMAP;
}

static void gen_dma(struct op *op)
{
	const struct container *c;

	op->kind = OP_DMA;
	/* Mostly of a container with something in it. */
	do {
		op->group = below(machine.groups);
		c = model.group[op->group].object < 0 ? NULL :
		    &model.object[model.group[op->group].object];
	} while ((!c || !c->entries) && !one_in(10));
	op->flags = one_in(3) ? 3 : 1 + below(2);
	op->c = below(1000);
	op->b = 8 * (1 + below(96));
	if (!c)
		return;
	if (c->entries && !one_in(3)) {
		const struct entry *e = &c->entry[below(c->entries)];

		op->a = e->iova + 8 * below(500);
		/* Over the end of the page, too. */
		if (one_in(3))
			op->a = e->iova + (1ULL << e->shift) - 8 * below(64);
	} else {
		struct window w = *some_window(c);

		/* Other things answer at addresses of 2 to 4 GiB. */
		if (!w.used || w.size > 2 * GiB)
			w = (struct window){ .size = GiB, .shift = 12 };
		op->a = hot_iova(&w);
	}
}

/* Gets the parts together that a container needs. Returns false if they are. */
static bool gen_setup(struct op *op)
{
	int slot = below(SLOTS), group = below(machine.groups);
	const struct container *c = model_at(slot);

	op->slot = slot;
	op->group = group;
	if (!c)
		op->kind = OP_OPEN_CONTAINER;
	else if (!model.group[group].open)
		op->kind = OP_OPEN_GROUP;
	else if (model.group[group].object < 0 &&
		 (!c->groups || one_in(c->window[0].used && !c->window[0].pending ? 6 : 2)))
		op->kind = OP_SET_CONTAINER;
	else if (c->groups && !c->version) {
		op->kind = OP_SET_IOMMU;
		op->a = one_in(8) ? below(12) : one_in(20) ? VFIO_EEH :
			below(6) < (groups_of(c) > 1 ? 5 : 2) ? V1_IOMMU : V2_IOMMU;
	} else {
		return false;
	}
	return true;
}

static void gen_structure(struct op *op)
{
	static const uint8_t kinds[] = {
		OP_CLOSE_CONTAINER, OP_OPEN_GROUP, OP_CLOSE_GROUP,
		OP_SET_CONTAINER, OP_SET_CONTAINER, OP_UNSET_CONTAINER,
		OP_UNSET_CONTAINER, OP_UNSET_CONTAINER, OP_SET_IOMMU,
	};

	op->kind = pick(kinds);
	op->group = below(machine.groups);
	if (op->kind == OP_SET_IOMMU)
		op->a = one_in(2) ? below(12) : random_next(&state);
}

static enum kind command_kind(const struct container *c)
{
	static const uint8_t any[] = {
		OP_SET_IOMMU, OP_GET_INFO, OP_ENABLE, OP_DISABLE, OP_REGISTER,
		OP_UNREGISTER, OP_CREATE, OP_REMOVE, OP_MAP, OP_UNMAP,
	};
	unsigned int dice = below(20);

	if (c->version == 0 || one_in(12))
		return pick(any);
	if (c->version == 1 && !c->enabled && !one_in(4))
		return OP_ENABLE;
	if (c->version == 1 && one_in(120))
		return OP_DISABLE;
	if (c->version == 2 && !c->enabled && one_in(3))
		return OP_REGISTER;
	if (c->version == 2 && one_in(25))
		return one_in(3) ? OP_REMOVE : OP_CREATE;
	if (c->version == 2 && dice < 5)
		return dice < 3 ? OP_REGISTER : OP_UNREGISTER;
	return dice < 13 ? OP_MAP : dice < 19 ? OP_UNMAP : OP_GET_INFO;
}

static void gen_command(struct op *op)
{
	const struct container *c = model_at(op->slot);

	op->kind = command_kind(c);
	switch (op->kind) {
	case OP_SET_IOMMU:
		op->a = one_in(10) ? wild() : below(12);
		break;
	case OP_REGISTER:
		gen_register(op);
		break;
	case OP_UNREGISTER:
		gen_unregister(op);
		break;
	case OP_CREATE:
		gen_create(c, op);
		break;
	case OP_REMOVE:
		gen_remove(c, op);
		break;
	case OP_MAP:
		gen_map(c, op);
		break;
	case OP_UNMAP:
		gen_unmap(c, op);
		break;
	default:
		break;
	}
}

static void gen_any(struct op *op)
{
	unsigned int dice = below(10000);

	memset(op, 0, sizeof(*op));
	op->slot = below(SLOTS);
	if (dice < 1200 && gen_setup(op))
		return;
	if (dice < 1200)
		dice = 1800 + below(8200);
	if (dice < 1240)
		gen_structure(op);
	else if (dice < 1266)
		gen_dma(op);
	else if (dice < 1274)
		op->kind = OP_PINNED;
	else if (dice < 1500)
		op->kind = OP_LOCKED;
	else if (dice < 1800)
		gen_memory(op);
	else if (model_at(op->slot))
		gen_command(op);
	else
		gen_setup(op);
}

/* The container's region in which a page of the IOMMU's has room that is too large for the memory */
static const struct region *large_region(const struct container *c, uint64_t large)
{
	unsigned int me = 1u << (c - model.object);
	uint64_t va;
	int i;

	for (va = ARENA; va < arena_end(); va += large) {
		i = region_around(va, large);
		if (i >= 0 && model.region[i].users & me)
			return &model.region[i];
	}
	return NULL;
}

/* A step to a MAP that only the size of the window's pages forbids */
static bool gen_large(struct op *op)
{
	uint64_t large = model_large_page(), start = ARENA + below(2) * large;
	const struct container *c = model_at(op->slot);
	int i, w;

	if (!large || !c || c->version != 2)
		return false;
	if (!large_region(c, large)) {
		if (start + large > arena_end())
			start = ARENA;
		*op = (struct op){ OP_REGISTER, op->slot, .a = start, .b = large };
		for (i = 0; i < MAX_REGIONS; i++)
			if (overlaps(&model.region[i], start, large) && model.region[i].users)
				*op = (struct op){ OP_UNREGISTER, op->slot,
					.a = model.region[i].va,
					.b = model.region[i].pages * host.page };
		for (i = 0; i < (int)machine.pages; i++)
			if (!model.page[i].there)
				*op = (struct op){ OP_MMAP, .a = i, .b = 1 };
		return true;
	}
	for (w = 0; w < 2; w++)
		if (c->window[w].used && 1ULL << c->window[w].shift == large)
			return false;
	w = !c->window[0].used || (c->window[1].used && one_in(2)) ? 0 : 1;
	if (c->window[0].used && c->window[1].used)
		*op = (struct op){ OP_REMOVE, op->slot, .a = c->window[w].start };
	else
		*op = (struct op){ OP_CREATE, op->slot, .a = __builtin_ctzll(large),
			.b = 256 * MiB, .c = 1 };
	return true;
}

/* A container goes whose memory another one maps. */
static bool gen_left(struct op *op)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];
		const struct container *c = &model.object[r->users ? __builtin_ctz(r->users) : 0];

		if (!r->used || r->users != 1u << (c - model.object) || !region_mapped(i, c))
			continue;
		*op = (struct op){ OP_UNSET_CONTAINER, .group = __builtin_ctz(c->groups) };
		return true;
	}
	return false;
}

/* Is there a rule, not yet asked, for a second group of this container? */
static bool wants_second(const struct container *c)
{
	switch (c->version) {
	case 0:
		return !asked[RULE_V1_GROUPS];
	case 1:
		return !asked[RULE_V1_ALONE];
	default:
		return !host.powernv && c->window[0].pending && !asked[RULE_SHARED];
	}
}

/* A group joins another one, which v1 and a partition refuse at once or later. */
static bool gen_together(struct op *op)
{
	const struct container *c = model_at(op->slot);
	int i;

	if (!c || !c->groups || !wants_second(c))
		return false;
	op->kind = OP_SET_IOMMU;
	op->a = V1_IOMMU;
	if (groups_of(c) > 1)
		return !c->version;
	for (i = 0; i < machine.groups; i++) {
		if (model.group[i].object >= 0)
			continue;
		op->group = i;
		op->kind = model.group[i].open ? OP_SET_CONTAINER : OP_OPEN_GROUP;
		return true;
	}
	return false;
}

/* A step to where a rule can refuse that has not yet, and seldom would */
static bool gen_step(struct op *op)
{
	*op = (struct op){ .slot = below(SLOTS) };
	return gen_together(op) || (!asked[RULE_PAGE] && gen_large(op)) ||
	       (!asked[RULE_REGISTER_LEFT] && gen_left(op));
}

/* Which rule alone refuses the operation, or -1 */
static int only_rule(const struct op *op)
{
	struct wanted want;

	model_predict(op, &want);
	return rule_alone(&want);
}

/* Of many operations the one that is refused by the rule which refused least so far */
static bool gen_refused(struct op *best)
{
	unsigned int tries, least = -1;
	struct op op;

	for (tries = 0; tries < 100 && least; tries++) {
		int rule;

		gen_any(&op);
		rule = model_allows(&op) ? only_rule(&op) : -1;
		if (rule < 0 || asked[rule] >= least)
			continue;
		least = asked[rule];
		*best = op;
	}
	return least != -1U;
}

static void choose(struct op *op, const struct op *before)
{
	const struct container *c;

	/* A group soon joins a container again. It leaves once more before that, which is refused. */
	if (before && before->kind == OP_UNSET_CONTAINER && one_in(2)) {
		*op = *before;
		return;
	}
	/* After a MAP, whether or not it was refused, a device sometimes tries what is mapped there. */
	c = before && before->kind == OP_MAP ? model_at(before->slot) : NULL;
	if (c && c->groups && model_window(c, before->b) && one_in(10)) {
		gen_dma(op);
		op->group = __builtin_ctz(c->groups);
		/* The MAP may have been refused for an odd address, and DMA is compared by words. */
		op->a = before->b & -8ULL;
		if (model_allows(op))
			return;
	}
	if (one_in(15) && gen_step(op) && model_allows(op))
		return;
	if (one_in(25) && gen_refused(op))
		return;
	do {
		gen_any(op);
	} while (!model_allows(op));
}

/* @before: the operation before it in the round, or NULL */
void gen_op(struct op *op, const struct op *before)
{
	int rule;

	choose(op, before);
	rule = only_rule(op);
	if (rule >= 0)
		asked[rule]++;
}
