// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_predict() names every result that is right; where several things are wrong with
 * a request at once, any of their errnos is. model_allows() says what must not be asked
 * of the machine: what needs a file that is not open, and what the platform answers by
 * refusing windows until the next boot.
 */
#define _GNU_SOURCE
#include <string.h>

#include "fuzz.h"

/* Memory for tables up to this size is always to be had. */
#define SMALL_TABLE	MiB

bool wanted_has(const struct wanted *want, long rc)
{
	return rc <= 0 && rc > -64 && want->results >> -rc & 1;
}

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* The ABI leaves it open whether this is a reason to refuse. */
static void may(struct wanted *want, int err)
{
	want->results |= 1ULL << err;
	want->open |= err;
}

/* An errno that is right as well, where a rule refuses */
static void or_else(struct wanted *want, int err)
{
	want->results |= 1ULL << err;
}

static void must(struct wanted *want, enum rule rule, int err)
{
	or_else(want, err);
	want->rules |= 1ULL << rule;
}

/* The only rule that refuses it, or -1 */
int rule_alone(const struct wanted *want)
{
	if (!power_of_two(want->rules) || want->open)
		return -1;
	return __builtin_ctzll(want->rules);
}

void wanted_text(const struct wanted *want, char *buf, size_t size)
{
	size_t len = 0;
	int err;

	for (err = 0; err < 64 && len < size; err++)
		if (want->results >> err & 1)
			len += snprintf(buf + len, size - len, "%s%s", len ? " or -" : err ? "-" : "",
					err ? strerrorname_np(err) : "0");
}

/* Whether the process has memory in all of [va, va + size). */
static bool accessible(uint64_t va, uint64_t size)
{
	uint64_t at;

	if (va + size < va)
		return false;
	for (at = va & -host.page; at < va + size; at += host.page)
		if (page_at(at) < 0 || !model.page[page_at(at)].there)
			return false;
	return true;
}

/* A table for this window would be larger than all memory of the machine. */
static bool beyond_memory(const struct op *op)
{
	return 8 * (op->b >> op->a) > 2 * machine.memory;
}

static void predict_register(const struct container *c, const struct op *op, struct wanted *want)
{
	uint64_t va = op->a, size = op->b;
	bool fresh = true;
	int i;

	if (!size)
		must(want, RULE_REGISTER_NOTHING, EINVAL);
	if (va % host.page)
		must(want, RULE_REGISTER_VA, EINVAL);
	if (size % host.page)
		must(want, RULE_REGISTER_SIZE, EINVAL);
	if (va + size < va)
		or_else(want, EINVAL);
	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!overlaps(r, va, size))
			continue;
		if (!r->users) {
			/* left behind by a container that went */
			if (region_mapped(i, NULL)) {
				must(want, RULE_REGISTER_LEFT, EBUSY);
				or_else(want, EINVAL);
			}
			continue;
		}
		if (r->va != va || r->pages * host.page != size)
			must(want, RULE_REGISTER_OVERLAP, EINVAL);
		else if (r->users & 1u << (c - model.object))
			must(want, RULE_REGISTERED, EBUSY);
		else
			fresh = false;
	}
	if (fresh && !accessible(va, size))
		must(want, RULE_REGISTER_HOLE, EFAULT);
	if (size > GiB)
		may(want, ENOMEM);
}

static void predict_unregister(const struct container *c, const struct op *op, struct wanted *want)
{
	unsigned int me = 1u << (c - model.object);
	int i = region_find(op->a, op->b);

	if (i < 0)
		must(want, RULE_NOT_REGISTERED, ENOENT);
	else if (!(model.region[i].users & me))
		must(want, RULE_NOT_MINE, ENOENT);
	else if (model.region[i].users == me && region_mapped(i, c))
		must(want, RULE_STILL_MAPPED, EBUSY);
	/* These it has not registered either. */
	if (op->a % host.page || op->b % host.page || !op->b)
		or_else(want, EINVAL);
	if (!c->enabled)
		or_else(want, EPERM);
}

/* Has the window a shape that there can be? */
static bool predict_shape(const struct op *op, struct wanted *want)
{
	const struct vfio_iommu_spapr_tce_info *info = &machine.info[2];
	uint64_t shift = op->a, size = op->b, levels = op->c;

	if (shift > 63 || !(info->ddw.pgsizes >> shift & 1))
		must(want, RULE_WINDOW_SHIFT, EINVAL);
	if (!power_of_two(size))
		must(want, RULE_WINDOW_POWER, EINVAL);
	else if (shift <= 63 && size >> shift == 0)
		must(want, RULE_WINDOW_SMALL, EINVAL);
	if (levels > info->ddw.levels)
		must(want, RULE_WINDOW_LEVELS, EINVAL);
	if (!levels && host.powernv)
		must(want, RULE_WINDOW_NO_LEVEL, EINVAL);
	if (!want->rules && host.powernv && !levels_fit(shift, size, levels))
		must(want, RULE_WINDOW_ADDRESS, EINVAL);
	return !want->rules;
}

static void predict_create(const struct container *c, const struct op *op, struct wanted *want)
{
	bool dynamic;
	int num;

	if (!predict_shape(op, want)) {
		/* as tables go it may be too large as well */
		if (op->b > 64 * GiB)
			may(want, ENOMEM);
	} else if (!host.powernv && beyond_memory(op)) {
		must(want, RULE_WINDOW_MEMORY, ENOMEM);
	} else if (8 * (op->b >> op->a) > SMALL_TABLE) {
		may(want, ENOMEM);
		may(want, EINVAL);
	}
	if (!host.powernv && groups_of(c) > 1)
		must(want, RULE_WINDOW_GROUPS, EPERM);
	if (!model_create_slot(c, op, &num, &dynamic))
		must(want, RULE_WINDOW_ROOM, ENOSPC);
	else if (!host.powernv && num == 0 && c->window[1].used)
		must(want, RULE_WINDOW_ORDER, EPERM);
}

/* What MAP and UNMAP have in common. Returns the window. */
static const struct window *predict_range(const struct container *c, const struct op *op,
					  uint64_t iova, uint64_t size, struct wanted *want)
{
	const struct window *w = model_window(c, iova);
	const int un = op->kind == OP_UNMAP;

	if (!c->enabled)
		must(want, RULE_DISABLED + un, EPERM);
	if (!host.powernv && groups_of(c) > 1 && c->window[0].pending)
		must(want, RULE_SHARED + un, EPERM);
	if (!w) {
		must(want, RULE_OUTSIDE + un, ENXIO);
		if ((iova | size) % 4096 || iova + size < iova || op->a % 4096)
			or_else(want, EINVAL);
		return NULL;
	}
	if (size > w->size - (iova - w->start))
		must(want, RULE_END + un, EINVAL);
	if (iova & ((1ULL << w->shift) - 1))
		must(want, RULE_IOVA + un, EINVAL);
	if (size & ((1ULL << w->shift) - 1))
		must(want, RULE_SIZE + un, EINVAL);
	if (!size)
		may(want, EINVAL);
	return w;
}

/* v2: all of it is registered, in pages of memory as large as the window's. */
static void predict_registered(uint64_t va, uint64_t size, uint64_t page, struct wanted *want)
{
	uint64_t at;

	if (page > host.page) {
		must(want, RULE_PAGE, EINVAL);
		or_else(want, EPERM);
	}
	for (at = va; at < va + size; at += page) {
		int i = region_around(at, page);

		if (i < 0) {
			must(want, at == va ? RULE_NO_REGION : RULE_REGION_END, EINVAL);
			return;
		}
		/* Held, but nobody's: the ABI does not say. */
		if (!model.region[i].users)
			may(want, EINVAL);
	}
}

static void predict_map(const struct container *c, const struct op *op, struct wanted *want)
{
	uint64_t va = op->a, size = op->c, page;
	const struct window *w;

	if (op->flags & ~RW)
		must(want, RULE_FLAG, EINVAL);
	if (!(op->flags & RW))
		must(want, RULE_NO_FLAG, EINVAL);
	w = predict_range(c, op, op->b, size, want);
	if (!w)
		return;
	page = 1ULL << w->shift;
	if (va % page)
		must(want, RULE_VA, EINVAL);
	if (!size) {
		may(want, EFAULT);
	} else if (va + size < va) {
		/* no memory is there */
		must(want, c->version == 1 ? RULE_NO_MEMORY : RULE_NO_REGION, EINVAL);
		or_else(want, EFAULT);
	} else if (c->version == 2) {
		predict_registered(va, size, page, want);
	} else if (!accessible(va, size)) {
		/* Pages of the device are as large as those behind it, or smaller. */
		must(want, RULE_NO_MEMORY, EFAULT);
	}
}

static void predict_remove(const struct container *c, const struct op *op, struct wanted *want)
{
	if (!(c->window[0].used && c->window[0].start == op->a) &&
	    !(c->window[1].used && c->window[1].start == op->a))
		must(want, RULE_NO_WINDOW, EINVAL);
}

static void predict_command(const struct container *c, const struct op *op, struct wanted *want)
{
	static const int version_of[OP_KINDS] = {
		[OP_ENABLE] = 1, [OP_DISABLE] = 1, [OP_REGISTER] = 2, [OP_UNREGISTER] = 2,
		[OP_CREATE] = 2, [OP_REMOVE] = 2,
	};

	if (!c->version) {
		must(want, RULE_NO_IOMMU, EINVAL);
		return;
	}
	if (version_of[op->kind] && version_of[op->kind] != c->version) {
		must(want, RULE_VERSION, ENOTTY);
		return;
	}
	switch (op->kind) {
	case OP_ENABLE:
		if (c->enabled)
			must(want, RULE_ENABLED, EBUSY);
		break;
	case OP_REGISTER:
		predict_register(c, op, want);
		break;
	case OP_UNREGISTER:
		predict_unregister(c, op, want);
		break;
	case OP_CREATE:
		predict_create(c, op, want);
		break;
	case OP_REMOVE:
		predict_remove(c, op, want);
		break;
	case OP_MAP:
		predict_map(c, op, want);
		break;
	case OP_UNMAP:
		predict_range(c, op, op->b, op->c, want);
		break;
	}
}

/* A group that joins a container. */
static void predict_join(const struct container *c, const struct op *op, struct wanted *want)
{
	int i;

	if (model.group[op->group].object >= 0)
		must(want, RULE_JOINED, EINVAL);
	if (c->version == 1)
		must(want, RULE_V1_ALONE, EBUSY);
	for (i = 0; i < 2; i++)
		if (c->version == 2 && !host.powernv && c->window[i].used &&
		    !c->window[i].pending)
			must(want, RULE_JOIN_WINDOWS, EPERM);
}

static void predict_set_iommu(const struct container *c, const struct op *op, struct wanted *want)
{
	if (!c->groups)
		must(want, RULE_NO_GROUP, EINVAL);
	else if (c->version)
		must(want, RULE_IOMMU_SET, EINVAL);
	if (want->rules) {
		want->open = op->a != V1_IOMMU && op->a != V2_IOMMU;
	} else if (op->a == VFIO_EEH) {
		must(want, RULE_IOMMU_EEH, EINVAL);
		or_else(want, ENODEV);
	} else if (op->a != V1_IOMMU && op->a != V2_IOMMU) {
		must(want, RULE_IOMMU_TYPE, ENODEV);
	} else if (op->a == V1_IOMMU && groups_of(c) > 1) {
		must(want, RULE_V1_GROUPS, EBUSY);
	}
}

void model_predict(const struct op *op, struct wanted *want)
{
	const struct container *c = model_at(op->slot);

	memset(want, 0, sizeof(*want));
	switch (op->kind) {
	case OP_OPEN_GROUP:
		if (model.group[op->group].open)
			must(want, RULE_GROUP_OPEN, EBUSY);
		break;
	case OP_SET_CONTAINER:
		predict_join(c, op, want);
		break;
	case OP_UNSET_CONTAINER:
		if (model.group[op->group].object < 0)
			must(want, RULE_NOT_JOINED, EINVAL);
		break;
	case OP_SET_IOMMU:
		predict_set_iommu(c, op, want);
		break;
	case OP_GET_INFO: case OP_ENABLE: case OP_DISABLE: case OP_REGISTER:
	case OP_UNREGISTER: case OP_CREATE: case OP_REMOVE: case OP_MAP:
	case OP_UNMAP:
		predict_command(c, op, want);
		break;
	default:
		break;
	}
	if (!want->rules)
		may(want, 0);
}

/* Where a rule can refuse anything. LARGE: with pages of the IOMMU that are larger than the CPU's */
enum where { EVERYWHERE, POWERNV, PARTITION, LARGE };

static const struct {
	const char *text;
	enum where where;
} rules[RULES] = {
	[RULE_GROUP_OPEN]	= { "OPEN_GROUP: it is open" },
	[RULE_JOINED]		= { "SET_CONTAINER: the group is in a container" },
	[RULE_V1_ALONE]		= { "SET_CONTAINER: v1 has one group" },
	[RULE_JOIN_WINDOWS]	= { "SET_CONTAINER: a partition shares no window", PARTITION },
	[RULE_NOT_JOINED]	= { "UNSET_CONTAINER: the group is in none" },
	[RULE_NO_GROUP]		= { "SET_IOMMU: no group" },
	[RULE_IOMMU_SET]	= { "SET_IOMMU: it is set" },
	[RULE_IOMMU_EEH]	= { "SET_IOMMU: EEH is no IOMMU" },
	[RULE_IOMMU_TYPE]	= { "SET_IOMMU: no such type" },
	[RULE_V1_GROUPS]	= { "SET_IOMMU: v1 has one group" },
	[RULE_NO_IOMMU]		= { "any command: before SET_IOMMU" },
	[RULE_VERSION]		= { "any command: of the other version" },
	[RULE_ENABLED]		= { "ENABLE: it is enabled" },
	[RULE_REGISTER_NOTHING]	= { "REGISTER: no size" },
	[RULE_REGISTER_VA]	= { "REGISTER: the address is misaligned" },
	[RULE_REGISTER_SIZE]	= { "REGISTER: the size is misaligned" },
	[RULE_REGISTER_LEFT]	= { "REGISTER: left by a container that went, and mapped" },
	[RULE_REGISTER_OVERLAP]	= { "REGISTER: overlaps another region" },
	[RULE_REGISTERED]	= { "REGISTER: the container has it" },
	[RULE_REGISTER_HOLE]	= { "REGISTER: no memory there" },
	[RULE_NOT_REGISTERED]	= { "UNREGISTER: no such region" },
	[RULE_NOT_MINE]		= { "UNREGISTER: another container's region" },
	[RULE_STILL_MAPPED]	= { "UNREGISTER: others map it" },
	[RULE_WINDOW_SHIFT]	= { "CREATE: no such page size" },
	[RULE_WINDOW_POWER]	= { "CREATE: the size is no power of two" },
	[RULE_WINDOW_SMALL]	= { "CREATE: smaller than a page" },
	[RULE_WINDOW_LEVELS]	= { "CREATE: too many levels" },
	[RULE_WINDOW_NO_LEVEL]	= { "CREATE: no level", POWERNV },
	[RULE_WINDOW_ADDRESS]	= { "CREATE: more address bits than there are", POWERNV },
	[RULE_WINDOW_MEMORY]	= { "CREATE: a table larger than the memory", PARTITION },
	[RULE_WINDOW_GROUPS]	= { "CREATE: several groups of a partition", PARTITION },
	[RULE_WINDOW_ROOM]	= { "CREATE: no more windows" },
	[RULE_WINDOW_ORDER]	= { "CREATE: the default window beside another", PARTITION },
	[RULE_NO_WINDOW]	= { "REMOVE: no window there" },
	[RULE_DISABLED]		= { "MAP: not enabled" },
	[RULE_UNMAP_DISABLED]	= { "UNMAP: not enabled" },
	[RULE_SHARED]		= { "MAP: several groups of a partition", PARTITION },
	[RULE_UNMAP_SHARED]	= { "UNMAP: several groups of a partition", PARTITION },
	[RULE_OUTSIDE]		= { "MAP: no window there" },
	[RULE_UNMAP_OUTSIDE]	= { "UNMAP: no window there" },
	[RULE_END]		= { "MAP: leaves the window" },
	[RULE_UNMAP_END]	= { "UNMAP: leaves the window" },
	[RULE_IOVA]		= { "MAP: the IOVA is misaligned" },
	[RULE_UNMAP_IOVA]	= { "UNMAP: the IOVA is misaligned" },
	[RULE_SIZE]		= { "MAP: the size is misaligned" },
	[RULE_UNMAP_SIZE]	= { "UNMAP: the size is misaligned" },
	[RULE_FLAG]		= { "MAP: an unknown flag" },
	[RULE_NO_FLAG]		= { "MAP: no permission" },
	[RULE_VA]		= { "MAP: the memory is misaligned" },
	[RULE_NO_MEMORY]	= { "MAP of v1: no memory there" },
	[RULE_PAGE]		= { "MAP of v2: the window's pages are larger than the memory's", LARGE },
	[RULE_NO_REGION]	= { "MAP of v2: not registered" },
	[RULE_REGION_END]	= { "MAP of v2: registered in its first part only" },
};

const char *rule_text(enum rule rule)
{
	return rules[rule].text;
}

bool rule_here(enum rule rule)
{
	switch (rules[rule].where) {
	case POWERNV:
		return host.powernv;
	case PARTITION:
		return !host.powernv;
	case LARGE:
		return model_large_page();
	default:
		return true;
	}
}

static bool allows_group(const struct op *op, const struct container *c)
{
	bool open = op->group < GROUPS && model.group[op->group].open;

	switch (op->kind) {
	case OP_OPEN_GROUP:
		return op->group < machine.groups;
	case OP_CLOSE_GROUP:
	case OP_UNSET_CONTAINER:
		return open;
	default:
		return open && c;
	}
}

/* Whether an operation can be done with these pages of the arena. */
static bool allows_pages(const struct op *op)
{
	unsigned int p;

	if (op->a >= machine.pages || op->b > machine.pages - op->a)
		return false;
	for (p = op->a; op->kind == OP_DONTNEED && p < op->a + op->b; p++)
		if (!model.page[p].there)
			return false;
	return true;
}

static bool allows_dma(const struct op *op)
{
	/* QEMU's bridges ignore the address bits above a table: what crosses its end gets to its start. */
	const uint64_t least_table = 2 * MiB;	/* a page of 512 entries */

	if (op->group >= GROUPS ||
	    model.group[op->group].object < 0 || model_bus_address(op->a, op->b) ||
	    op->a / least_table != (op->a + op->b - 1) / least_table)
		return false;
	return model.object[model.group[op->group].object].version != 0;
}

static bool allows_create(const struct op *op, const struct container *c)
{
	uint64_t most;

	if (!c)
		return false;
	/* What several levels cost is measured, so nothing else may be open. */
	if (op->c > 1 && model_locked(&most) != most)
		return false;
	if (host.powernv || c->version != 2)
		return true;
	/* Maybe too much for the hypervisor, and the driver can't tell. */
	return !(op->b > 2 * GiB && power_of_two(op->b) && op->a < 64 &&
		 op->b >> op->a && !beyond_memory(op));
}

bool model_allows(const struct op *op)
{
	const struct container *c = model_at(op->slot);
	int num;

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		for (num = 0; num < OBJECTS; num++)
			if (!model.object[num].alive)
				return !c;
		return false;
	case OP_OPEN_GROUP: case OP_CLOSE_GROUP: case OP_SET_CONTAINER:
	case OP_UNSET_CONTAINER:
		return allows_group(op, c);
	case OP_MUNMAP: case OP_MMAP: case OP_DONTNEED:
		return allows_pages(op);
	case OP_LOCKED: case OP_PINNED:
		return true;
	case OP_DMA:
		return allows_dma(op);
	case OP_CREATE:
		return allows_create(op, c);
	default:
		return c;
	}
}
