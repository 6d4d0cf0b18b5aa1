// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model: what the ABI says about each operation in each state.
 *
 * model_predict() names every result that is right; where several things are
 * wrong with a request at once, any of their errnos is. model_apply() takes the
 * result (which was right) and changes the state.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define SLOT1_POWERNV	(1ULL << 59)
#define SIZE_REGISTER	24
#define SIZE_CREATE	40
#define SIZE_REMOVE	16
#define SIZE_MAP	32
#define SIZE_UNMAP	24
#define SIZE_INFO	16
#define SIZE_EEH	12
#define SIZE_EEH_LONG	40
/* Memory for tables up to this size is always to be had. */
#define SMALL_TABLE	MiB

struct machine machine;
struct model model;

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/*
 * What is right
 */
bool wanted_has(const struct wanted *want, long rc)
{
	if (rc >= 0)
		return (want->bits[0] & 1) && rc == want->value;
	return rc > -192 && want->bits[-rc / 64] >> (-rc % 64) & 1;
}

static void may(struct wanted *want, int err)
{
	want->bits[err / 64] |= 1ULL << err % 64;
}

/* @refused remembers that success would be wrong. */
static void must(struct wanted *want, bool *refused, int err)
{
	may(want, err);
	*refused = true;
}

void wanted_text(const struct wanted *want, char *buf, size_t size)
{
	size_t len = 0;
	int err;

	buf[0] = '\0';
	if (want->bits[0] & 1)
		len = snprintf(buf, size, "%ld", want->value);
	for (err = 1; err < 192 && len < size; err++)
		if (want->bits[err / 64] >> err % 64 & 1)
			len += snprintf(buf + len, size - len, "%s-%s",
					len ? " or " : "",
					strerrorname_np(err) ?: "?");
}

/*
 * State
 */
static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

struct container *model_at(int slot)
{
	return model.slot[slot] < 0 ? NULL : &model.object[model.slot[slot]];
}

static unsigned int groups_of(const struct container *c)
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

/* Removes all entries of [iova, iova + size). */
static void entries_drop(struct container *c, uint64_t iova, uint64_t size)
{
	int from, to = 0;

	for (from = 0; from < c->entries; from++)
		if (c->entry[from].iova - iova >= size)
			c->entry[to++] = c->entry[from];
	c->entries = to;
}

static bool region_mapped(int region)
{
	int i, j;

	for (i = 0; i < OBJECTS; i++)
		for (j = 0; j < model.object[i].entries; j++)
			if (model.object[i].entry[j].region == region)
				return true;
	return false;
}

/* Its only container wanted to unregister it, and was told that it is mapped. */
static bool given_up(const struct region *r)
{
	return r->used && r->unwanted && r->users &&
	       !(r->users & (r->users - 1));
}

static bool overlaps(const struct region *r, uint64_t va, uint64_t size)
{
	return r->used && va < r->va + r->pages * host.page && r->va < va + size;
}

/* Other devices of the bus answer below 4 GiB, if the device asks there. */
bool model_bus_address(uint64_t iova, uint64_t size)
{
	return iova + size > 2 * GiB && iova < 4 * GiB;
}

/* The region with these very bounds, or -1. */
static int region_find(uint64_t va, uint64_t size)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++)
		if (model.region[i].used && model.region[i].va == va &&
		    model.region[i].pages * host.page == size)
			return i;
	return -1;
}

/* The region that all of [va, va + size) is in, or -1. */
static int region_around(uint64_t va, uint64_t size)
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

static int page_at(uint64_t va)
{
	if (va < ARENA || va >= ARENA + machine.pages * host.page)
		return -1;
	return (va - ARENA) / host.page;
}

/* Whether the process could do this with all of [va, va + size). */
static bool accessible(uint64_t va, uint64_t size, bool write)
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
		if (!model.region[i].users && !region_mapped(i))
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
		if (r->users || region_mapped(i))
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

/* Something costs @least to @most bytes of locked memory. */
static void predict_charge(uint64_t least, uint64_t most, struct wanted *want, bool *refused)
{
	uint64_t now, now_most;

	if (!model.limit || !most)
		return;
	now = model_locked(&now_most);
	if (now + least > model.limit)
		must(want, refused, ENOMEM);
	else if (now_most + most > model.limit)
		may(want, ENOMEM);
}

/* Pinned pages: at least and at most. v1 may pin a page once for each TCE. */
long model_pinned(long *most)
{
	static unsigned int stamp;
	long least = 0, extra = 0;
	int i, j;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!r->used)
			continue;
		if (r->users || region_mapped(i))
			least += r->pages;
		else
			extra += r->pages;
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

/*
 * Windows
 */
/* Levels are whole pages, and the hardware has 55 address bits for all of them. */
static bool levels_fit(unsigned int shift, uint64_t size, unsigned int levels)
{
	unsigned int page_bits = __builtin_ctzl(host.page) - 3;
	unsigned int bits = __builtin_ctzll(size) - shift;

	bits = (bits + levels - 1) / levels;
	if (bits < page_bits)
		bits = page_bits;
	return bits * levels + shift < 55;
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

static void default_created(struct container *c)
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
static bool beyond_memory(const struct op *op)
{
	return 8 * (op->b >> op->a) > 2 * machine.memory;
}

/*
 * Some things must not be asked of the machine: what needs a file that is not
 * open, and what the platform answers by refusing windows until the next boot.
 */
/* Is a region mapped, and its memory the same as when it was registered? */
static bool still_there(int i)
{
	const struct region *r = &model.region[i];
	unsigned int p;

	for (p = 0; p < r->pages; p++)
		if (r->phys[p] != model.page[page_at(r->va + p * host.page)].phys)
			return false;
	return region_mapped(i) && accessible(r->va, r->pages * host.page, true);
}

/*
 * What a client has given up may be registered again. Of that only the simple half is
 * predicted here: the very same, with the same memory. The rest are rows of memory.c.
 */
static bool allows_register(uint64_t va, uint64_t size)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (given_up(r) && overlaps(r, va, size) &&
		    (r->va != va || r->pages * host.page != size ||
		     !still_there(i)))
			return false;
	}
	return true;
}

bool model_allows(const struct op *op)
{
	const struct container *c = op->slot < SLOTS ? model_at(op->slot) : NULL;
	unsigned int p;
	uint64_t most;
	int num;

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		for (num = 0; num < OBJECTS; num++)
			if (!model.object[num].alive)
				return !c;
		return false;
	case OP_OPEN_GROUP:
		return op->group < machine.groups;
	case OP_REGISTER:
		return allows_register(op->a, op->b);
	case OP_CLOSE_GROUP:
		return op->group < GROUPS && model.group[op->group].open &&
		       !model.group[op->group].device;
	case OP_SET_CONTAINER:
		return op->group < GROUPS && model.group[op->group].open &&
		       (c || op->c);
	case OP_UNSET_CONTAINER:
		return op->group < GROUPS && model.group[op->group].open;
	case OP_OPEN_DEVICE:
		return op->group < GROUPS && model.group[op->group].open &&
		       !model.group[op->group].device && machine.dma;
	case OP_CLOSE_DEVICE:
		return op->group < GROUPS && model.group[op->group].device;
	case OP_MUNMAP:
	case OP_MMAP:
	case OP_MREMAP:
		if (op->a >= machine.pages || op->b > machine.pages - op->a)
			return false;
		return op->kind != OP_MREMAP ||
		       (op->c < machine.pages && op->c != op->a &&
			model.page[op->a].there);
	case OP_MPROTECT:
	case OP_DONTNEED:
		if (op->a >= machine.pages || op->b > machine.pages - op->a)
			return false;
		for (p = op->a; p < op->a + op->b; p++)
			if (!model.page[p].there ||
			    (op->kind == OP_DONTNEED && model.page[p].prot != PROT_RW))
				return false;
		return true;
	case OP_RESET:
		/* Takes seconds, and an open device's state along. */
		if (!machine.eeh || !c || !c->version || c->owner == OWNER_OTHER)
			return false;
		for (num = 0; num < GROUPS; num++)
			if (c->groups >> num & 1 && model.group[num].device)
				return false;
		return true;
	case OP_FORK_WRITE:
	case OP_LOCKED:
	case OP_PINNED:
		return true;
	case OP_FORK_USE:
		return c && (c->owner == OWNER_SELF || c->owner == OWNER_OTHER);
	case OP_FORK_BIND:
		return c && c->version == 2 && c->owner == OWNER_NONE && !model.limit &&
		       (host.powernv || groups_of(c) == 1) &&
		       op->a < machine.pages && op->b &&
		       op->b <= machine.pages - op->a &&
		       accessible(ARENA + op->a * host.page, op->b * host.page, true);
	case OP_DMA:
		if (op->group >= GROUPS || !machine.dma ||
		    model.group[op->group].object < 0 ||
		    model_bus_address(op->a, op->b))
			return false;
		c = &model.object[model.group[op->group].object];
		return c->version != 0;
	case OP_CREATE:
		if (!c)
			return false;
		/* What several levels cost is measured, so nothing else may be open. */
		if (op->c > 1 && model_locked(&most) != most)
			return false;
		if (host.powernv || c->version != 2)
			return true;
		/* Maybe too much for the hypervisor, and the driver can't tell. */
		if (op->b > 2 * GiB && power_of_two(op->b) && op->a < 64 &&
		    op->b >> op->a && !beyond_memory(op))
			return false;
		/* A second window of the hypervisor's own. */
		return !(c->window[0].dynamic && !c->window[1].used);
	default:
		return c;
	}
}

/*
 * Predictions
 */
static void predict_argument(const struct op *op, uint32_t size,
			     struct wanted *want, bool *refused)
{
	if (op->pointer == PTR_NULL || op->pointer == PTR_BAD)
		must(want, refused, EFAULT);
	if (op->argsz < size)
		must(want, refused, EINVAL);
}

/* The command needs a version of the interface. */
static void predict_version(const struct container *c, int version,
			    struct wanted *want, bool *refused)
{
	if (c->version != version)
		must(want, refused, ENOTTY);
}

static void predict_register(const struct container *c, const struct op *op,
			     struct wanted *want, bool *refused)
{
	uint64_t va = op->a, size = op->b;
	bool fresh = true;
	int i;

	if (op->flags)
		must(want, refused, EINVAL);
	if (!size || va % host.page || size % host.page || va + size < va) {
		must(want, refused, EINVAL);
		/* where there is nothing either */
		may(want, EFAULT);
		return;
	}
	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!overlaps(r, va, size))
			continue;
		if (!r->users) {
			/* left behind by a container that went */
			if (region_mapped(i)) {
				must(want, refused, EBUSY);
				may(want, EINVAL);
			}
			continue;
		}
		if (r->va != va || r->pages * host.page != size)
			must(want, refused, EINVAL);
		else if (given_up(r))
			fresh = false;	/* wanted again, as model_allows() */
		else if (r->users & 1u << (c - model.object))
			must(want, refused, EBUSY);
		else
			fresh = false;
	}
	if (fresh && !accessible(va, size, true))
		must(want, refused, EFAULT);
	if (fresh)
		predict_charge(size, size, want, refused);
	if (size > GiB)
		may(want, ENOMEM);
}

static void predict_unregister(const struct container *c, const struct op *op,
			       struct wanted *want, bool *refused)
{
	unsigned int me = 1u << (c - model.object);
	int i;

	if (op->flags || op->a % host.page || op->b % host.page)
		must(want, refused, EINVAL);
	if (!op->b)
		may(want, EINVAL);
	i = region_find(op->a, op->b);
	if (i < 0 || !(model.region[i].users & me))
		must(want, refused, ENOENT);
	else if (model.region[i].users == me && region_mapped(i))
		must(want, refused, EBUSY);
	if (!c->enabled)
		must(want, refused, EPERM);
}

static void predict_create(const struct container *c, const struct op *op,
			   struct wanted *want, bool *refused)
{
	const struct vfio_iommu_spapr_tce_info *info = &machine.info[2];
	uint64_t shift = op->a, size = op->b, levels = op->c;
	uint64_t table = 0, pending = 0;
	bool dynamic, shape = true;
	int num;

	if (c->window[0].pending)
		pending = table_bytes(12, c->window[0].size, 1);
	if (op->flags)
		must(want, refused, EINVAL);
	if (op->pointer == PTR_READONLY)
		must(want, refused, EFAULT);
	if (shift > 63 || !(info->ddw.pgsizes >> shift & 1) || !power_of_two(size) ||
	    size >> shift == 0)
		shape = false;
	if (levels > info->ddw.levels || (!levels && host.powernv))
		shape = false;
	if (shape && host.powernv && !levels_fit(shift, size, levels)) {
		/* It has a price all the same, which may be too high. */
		predict_charge(0, pending + table_bytes(shift, size, levels), want, refused);
		shape = false;
	}
	if (!shape) {
		must(want, refused, EINVAL);
		/* as tables go it may be too large as well */
		if (size > 64 * GiB)
			may(want, ENOMEM);
	} else if (!host.powernv && beyond_memory(op)) {
		must(want, refused, ENOMEM);
	} else if (8 * (size >> shift) > SMALL_TABLE) {
		may(want, ENOMEM);
		may(want, EINVAL);
	}
	if (shape)
		table = table_bytes(shift, size, levels ?: 1);
	predict_charge(pending + (levels > 1 ? 0 : table), pending + table, want, refused);
	if (!host.powernv && groups_of(c) > 1)
		must(want, refused, EPERM);
	if (!model_create_slot(c, op, &num, &dynamic))
		must(want, refused, ENOSPC);
	else if (!host.powernv && num == 0 && c->window[1].used)
		must(want, refused, EPERM);
}

/* What MAP and UNMAP have in common. Returns the window. */
static const struct window *predict_range(const struct container *c, const struct op *op,
					  uint64_t iova, uint64_t size,
					  struct wanted *want, bool *refused)
{
	const struct window *w = model_window(c, iova);

	if (!c->enabled)
		must(want, refused, EPERM);
	if (!host.powernv && groups_of(c) > 1 && c->window[0].pending)
		must(want, refused, EPERM);
	if (c->window[0].pending)
		predict_charge(table_bytes(12, c->window[0].size, 1),
			       table_bytes(12, c->window[0].size, 1), want, refused);
	if (!w) {
		must(want, refused, ENXIO);
		if ((iova | size) % 4096 || iova + size < iova || op->a % 4096)
			may(want, EINVAL);
		return NULL;
	}
	if (size > w->size - (iova - w->start))
		must(want, refused, EINVAL);
	if ((iova | size) & ((1ULL << w->shift) - 1))
		must(want, refused, EINVAL);
	if (!size)
		may(want, EINVAL);
	return w;
}

static void predict_map(const struct container *c, const struct op *op,
			struct wanted *want, bool *refused)
{
	uint64_t va = op->a, iova = op->b, size = op->c, page, at;
	const struct window *w;

	if (op->flags & ~RW || !(op->flags & RW))
		must(want, refused, EINVAL);
	w = predict_range(c, op, iova, size, want, refused);
	if (!w)
		return;
	page = 1ULL << w->shift;
	if (va % page)
		must(want, refused, EINVAL);
	if (!size) {
		may(want, EFAULT);
		return;
	}
	if (va + size < va) {
		must(want, refused, EINVAL);
		may(want, EFAULT);
		return;
	}
	if (c->version == 1) {
		/* Pages of the device are as large as those behind it, or smaller. */
		if (!accessible(va, size, op->flags & W))
			must(want, refused, EFAULT);
		return;
	}
	if (page > host.page) {
		must(want, refused, EINVAL);
		may(want, EPERM);
	}
	for (at = va; at < va + size; at += page) {
		int i = region_around(at, page);

		if (i < 0) {
			must(want, refused, EINVAL);
			return;
		}
		/* Held, but nobody's: the ABI does not say. */
		if (!model.region[i].users)
			may(want, EINVAL);
	}
}

static void predict_eeh(const struct op *op, struct wanted *want, bool *refused)
{
	if (op->flags)
		must(want, refused, EINVAL);
	if (!machine.eeh) {
		must(want, refused, ENODEV);
		may(want, EINVAL);
		may(want, EPERM);
		may(want, EIO);
		return;
	}
	if (op->a > VFIO_EEH_PE_INJECT_ERR)
		must(want, refused, EINVAL);
	/* The generator never asks for an error that there is. */
	if (op->a == VFIO_EEH_PE_INJECT_ERR)
		must(want, refused, EINVAL);
}

static void predict_command(const struct container *c, const struct op *op,
			    struct wanted *want, bool *refused)
{
	if (!c->version) {
		must(want, refused, EINVAL);
		return;
	}
	if (c->owner == OWNER_OTHER)
		must(want, refused, EPERM);

	switch (op->kind) {
	case OP_GET_INFO:
		predict_argument(op, SIZE_INFO, want, refused);
		if (op->pointer == PTR_READONLY)
			must(want, refused, EFAULT);
		break;
	case OP_ENABLE:
		predict_version(c, 1, want, refused);
		if (c->version == 1 && c->enabled)
			must(want, refused, EBUSY);
		if (c->version == 1)
			predict_charge(machine.info[1].dma32_window_size,
				       machine.info[1].dma32_window_size, want, refused);
		break;
	case OP_DISABLE:
		predict_version(c, 1, want, refused);
		break;
	case OP_REGISTER:
		predict_version(c, 2, want, refused);
		predict_argument(op, SIZE_REGISTER, want, refused);
		if (c->version == 2)
			predict_register(c, op, want, refused);
		break;
	case OP_UNREGISTER:
		predict_version(c, 2, want, refused);
		predict_argument(op, SIZE_REGISTER, want, refused);
		if (c->version == 2)
			predict_unregister(c, op, want, refused);
		break;
	case OP_CREATE:
		predict_version(c, 2, want, refused);
		predict_argument(op, SIZE_CREATE, want, refused);
		if (c->version == 2)
			predict_create(c, op, want, refused);
		break;
	case OP_REMOVE:
		predict_version(c, 2, want, refused);
		predict_argument(op, SIZE_REMOVE, want, refused);
		if (c->version != 2)
			break;
		if (op->flags)
			must(want, refused, EINVAL);
		if (!(c->window[0].used && c->window[0].start == op->a) &&
		    !(c->window[1].used && c->window[1].start == op->a))
			must(want, refused, EINVAL);
		break;
	case OP_MAP:
		predict_argument(op, SIZE_MAP, want, refused);
		predict_map(c, op, want, refused);
		break;
	case OP_UNMAP:
		predict_argument(op, SIZE_UNMAP, want, refused);
		if (op->flags)
			must(want, refused, EINVAL);
		predict_range(c, op, op->b, op->c, want, refused);
		break;
	case OP_EEH:
		predict_argument(op, op->a == VFIO_EEH_PE_INJECT_ERR ? SIZE_EEH_LONG :
				 SIZE_EEH, want, refused);
		predict_eeh(op, want, refused);
		break;
	default:
		must(want, refused, ENOTTY);
	}
}

void model_predict(const struct op *op, struct wanted *want)
{
	const struct container *c = op->slot < SLOTS ? model_at(op->slot) : NULL;
	bool refused = false;
	int i;

	memset(want, 0, sizeof(*want));
	switch (op->kind) {
	case OP_OPEN_GROUP:
		if (model.group[op->group].open)
			must(want, &refused, EBUSY);
		break;
	case OP_SET_CONTAINER:
		if (op->c == 9)
			must(want, &refused, EBADF);
		if (op->c == 8) {
			must(want, &refused, EBADFD);
			may(want, EINVAL);
		}
		if (model.group[op->group].object >= 0)
			must(want, &refused, EINVAL);
		if (op->c || !c)
			break;
		if (c->version == 1)
			must(want, &refused, EBUSY);
		for (i = 0; i < 2; i++)
			if (c->version == 2 && !host.powernv &&
			    c->window[i].used && !c->window[i].pending)
				must(want, &refused, EPERM);
		break;
	case OP_UNSET_CONTAINER:
		if (model.group[op->group].object < 0)
			must(want, &refused, EINVAL);
		else if (model.group[op->group].device)
			must(want, &refused, EBUSY);
		break;
	case OP_OPEN_DEVICE:
		if (model.group[op->group].object < 0 ||
		    !model.object[model.group[op->group].object].version)
			must(want, &refused, EINVAL);
		break;
	case OP_SET_IOMMU:
		if (!c->groups || c->version)
			must(want, &refused, EINVAL);
		else if (op->a == VFIO_EEH) {
			must(want, &refused, EINVAL);
			may(want, ENODEV);
		} else if (op->a != V1_IOMMU && op->a != V2_IOMMU)
			must(want, &refused, ENODEV);
		else if (op->a == V1_IOMMU && groups_of(c) > 1)
			must(want, &refused, EBUSY);
		break;
	case OP_CHECK_EXTENSION:
		want->value = op->a == V1_IOMMU || op->a == V2_IOMMU ||
			      (op->a == VFIO_EEH && machine.eeh);
		break;
	case OP_GET_INFO: case OP_ENABLE: case OP_DISABLE: case OP_REGISTER:
	case OP_UNREGISTER: case OP_CREATE: case OP_REMOVE: case OP_MAP:
	case OP_UNMAP: case OP_EEH: case OP_UNKNOWN:
		predict_command(c, op, want, &refused);
		break;
	default:
		break;
	}
	if (!refused)
		want->bits[0] |= 1;
}

/*
 * What success leaves behind
 */
static void apply_register(struct container *c, const struct op *op)
{
	unsigned int me = 1u << (c - model.object), p;
	struct region *r = NULL;
	int i;

	c->owner = OWNER_SELF;
	c->enabled = true;
	for (i = 0; i < MAX_REGIONS; i++) {
		if (!overlaps(&model.region[i], op->a, op->b))
			continue;
		if (model.region[i].users) {
			model.region[i].users |= me;
			model.region[i].unwanted = false;
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
	r->unwanted = false;
	for (p = 0; p < r->pages; p++)
		r->phys[p] = model.page[page_at(op->a + p * host.page)].phys;
}

static void apply_unregister(struct container *c, const struct op *op)
{
	struct region *r = &model.region[region_find(op->a, op->b)];

	r->users &= ~(1u << (c - model.object));
	if (!r->users)
		r->used = false;
}

static void apply_create(struct container *c, const struct op *op)
{
	struct window *w;
	bool dynamic = false;
	int num;

	c->owner = OWNER_SELF;
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
	if (dynamic)
		w->start = machine.dynamic_start[num];
	else
		w->start = num ? SLOT1_POWERNV : machine.info[2].dma32_window_start;
}

static void apply_map(struct container *c, const struct op *op)
{
	const struct window *w = model_window(c, op->b);
	uint64_t page = 1ULL << w->shift, at;

	entries_drop(c, op->b, op->c);
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

static void apply_success(struct container *c, const struct op *op)
{
	unsigned int p;
	int i;

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		for (i = 0; model.object[i].alive; i++)
			;
		model.slot[op->slot] = i;
		model.object[i].alive = true;
		model.object[i].slot = op->slot;
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
	case OP_OPEN_DEVICE:
	case OP_CLOSE_DEVICE:
		model.group[op->group].device = op->kind == OP_OPEN_DEVICE;
		break;
	case OP_SET_IOMMU:
		c->version = op->a == V1_IOMMU ? 1 : 2;
		default_window(c);
		break;
	case OP_ENABLE:
		c->enabled = true;
		c->owner = OWNER_SELF;
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
		c->owner = OWNER_SELF;
		for (i = 0; i < 2; i++) {
			struct window *w = &c->window[i];

			if (!w->used || w->start != op->a)
				continue;
			entries_drop(c, w->start, w->size);
			memset(w, 0, sizeof(*w));
		}
		break;
	case OP_MAP:
		if (!op->c)
			break;
		if (c->window[0].pending)
			default_created(c);
		apply_map(c, op);
		break;
	case OP_UNMAP:
		if (!op->c)
			break;
		if (c->window[0].pending)
			default_created(c);
		entries_drop(c, op->b, op->c);
		break;
	case OP_MUNMAP:
		for (p = op->a; p < op->a + op->b; p++)
			model.page[p].there = false;
		break;
	case OP_MMAP:
	case OP_DONTNEED:
		for (p = op->a; p < op->a + op->b; p++) {
			if (op->kind == OP_MMAP)
				model.page[p].prot = PROT_RW;
			model.page[p].there = true;
			model.page[p].phys = model_new_phys();
		}
		break;
	case OP_MPROTECT:
		for (p = op->a; p < op->a + op->b; p++)
			model.page[p].prot = op->c % 3;
		break;
	case OP_MREMAP:
		model.page[op->c] = model.page[op->a];
		model.page[op->a].there = false;
		break;
	case OP_FORK_BIND:
		c->owner = OWNER_OTHER;
		c->enabled = true;
		c->foreign_pins = op->b;
		if (c->window[0].pending)
			default_created(c);
		break;
	default:
		break;
	}
}

void model_apply(const struct op *op, long rc)
{
	struct container *c = op->slot < SLOTS ? model_at(op->slot) : NULL;

	if (rc >= 0) {
		apply_success(c, op);
		return;
	}
	if (op->kind == OP_UNREGISTER && rc == -EBUSY)
		model.region[region_find(op->a, op->b)].unwanted = true;
	/* Whether the attempt made the container this process's is left open. */
	if (c && c->version == 2 && c->owner == OWNER_NONE &&
	    (op->kind == OP_REGISTER || op->kind == OP_CREATE || op->kind == OP_REMOVE))
		c->owner = OWNER_MAYBE;
}
