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

static void may(struct wanted *want, int err)
{
	want->results |= 1ULL << err;
}

static void must(struct wanted *want, int err)
{
	may(want, err);
	want->refused = true;
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

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
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

	if (!size || va % host.page || size % host.page || va + size < va) {
		must(want, EINVAL);
		if (!accessible(va, size))
			may(want, EFAULT);
		return;
	}
	for (i = 0; i < MAX_REGIONS; i++) {
		const struct region *r = &model.region[i];

		if (!overlaps(r, va, size))
			continue;
		if (!r->users) {
			/* left behind by a container that went */
			if (region_mapped(i, NULL)) {
				must(want, EBUSY);
				may(want, EINVAL);
			}
			continue;
		}
		if (r->va != va || r->pages * host.page != size)
			must(want, EINVAL);
		else if (r->users & 1u << (c - model.object))
			must(want, EBUSY);
		else
			fresh = false;
	}
	if (fresh && !accessible(va, size))
		must(want, EFAULT);
	if (size > GiB)
		may(want, ENOMEM);
}

static void predict_unregister(const struct container *c, const struct op *op, struct wanted *want)
{
	unsigned int me = 1u << (c - model.object);
	int i;

	if (op->a % host.page || op->b % host.page)
		must(want, EINVAL);
	if (!op->b)
		may(want, EINVAL);
	i = region_find(op->a, op->b);
	if (i < 0 || !(model.region[i].users & me))
		must(want, ENOENT);
	else if (model.region[i].users == me && region_mapped(i, c))
		must(want, EBUSY);
	if (!c->enabled)
		must(want, EPERM);
}

static void predict_create(const struct container *c, const struct op *op, struct wanted *want)
{
	const struct vfio_iommu_spapr_tce_info *info = &machine.info[2];
	uint64_t shift = op->a, size = op->b, levels = op->c;
	bool dynamic, shape = true;
	int num;

	if (shift > 63 || !(info->ddw.pgsizes >> shift & 1) || !power_of_two(size) ||
	    size >> shift == 0)
		shape = false;
	if (levels > info->ddw.levels || (!levels && host.powernv))
		shape = false;
	if (shape && host.powernv && !levels_fit(shift, size, levels))
		shape = false;
	if (!shape) {
		must(want, EINVAL);
		/* as tables go it may be too large as well */
		if (size > 64 * GiB)
			may(want, ENOMEM);
	} else if (!host.powernv && beyond_memory(op)) {
		must(want, ENOMEM);
	} else if (8 * (size >> shift) > SMALL_TABLE) {
		may(want, ENOMEM);
		may(want, EINVAL);
	}
	if (!host.powernv && groups_of(c) > 1)
		must(want, EPERM);
	if (!model_create_slot(c, op, &num, &dynamic))
		must(want, ENOSPC);
	else if (!host.powernv && num == 0 && c->window[1].used)
		must(want, EPERM);
}

/* What MAP and UNMAP have in common. Returns the window. */
static const struct window *predict_range(const struct container *c, const struct op *op,
					  uint64_t iova, uint64_t size, struct wanted *want)
{
	const struct window *w = model_window(c, iova);

	if (!c->enabled)
		must(want, EPERM);
	if (!host.powernv && groups_of(c) > 1 && c->window[0].pending)
		must(want, EPERM);
	if (!w) {
		must(want, ENXIO);
		if ((iova | size) % 4096 || iova + size < iova || op->a % 4096)
			may(want, EINVAL);
		return NULL;
	}
	if (size > w->size - (iova - w->start))
		must(want, EINVAL);
	if ((iova | size) & ((1ULL << w->shift) - 1))
		must(want, EINVAL);
	if (!size)
		may(want, EINVAL);
	return w;
}

static void predict_map(const struct container *c, const struct op *op, struct wanted *want)
{
	uint64_t va = op->a, iova = op->b, size = op->c, page, at;
	const struct window *w;

	if (op->flags & ~RW || !(op->flags & RW))
		must(want, EINVAL);
	w = predict_range(c, op, iova, size, want);
	if (!w)
		return;
	page = 1ULL << w->shift;
	if (va % page)
		must(want, EINVAL);
	if (!size) {
		may(want, EFAULT);
		return;
	}
	if (va + size < va) {
		must(want, EINVAL);
		may(want, EFAULT);
		return;
	}
	if (c->version == 1) {
		/* Pages of the device are as large as those behind it, or smaller. */
		if (!accessible(va, size))
			must(want, EFAULT);
		return;
	}
	if (page > host.page) {
		must(want, EINVAL);
		may(want, EPERM);
	}
	for (at = va; at < va + size; at += page) {
		int i = region_around(at, page);

		if (i < 0) {
			must(want, EINVAL);
			return;
		}
		/* Held, but nobody's: the ABI does not say. */
		if (!model.region[i].users)
			may(want, EINVAL);
	}
}

static void predict_remove(const struct container *c, const struct op *op, struct wanted *want)
{
	if (!(c->window[0].used && c->window[0].start == op->a) &&
	    !(c->window[1].used && c->window[1].start == op->a))
		must(want, EINVAL);
}

static void predict_command(const struct container *c, const struct op *op, struct wanted *want)
{
	static const int version_of[OP_KINDS] = {
		[OP_ENABLE] = 1, [OP_DISABLE] = 1, [OP_REGISTER] = 2, [OP_UNREGISTER] = 2,
		[OP_CREATE] = 2, [OP_REMOVE] = 2,
	};

	if (!c->version) {
		must(want, EINVAL);
		return;
	}
	if (version_of[op->kind] && version_of[op->kind] != c->version) {
		must(want, ENOTTY);
		return;
	}
	switch (op->kind) {
	case OP_ENABLE:
		if (c->enabled)
			must(want, EBUSY);
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
		must(want, EINVAL);
	if (c->version == 1)
		must(want, EBUSY);
	for (i = 0; i < 2; i++)
		if (c->version == 2 && !host.powernv && c->window[i].used &&
		    !c->window[i].pending)
			must(want, EPERM);
}

static void predict_set_iommu(const struct container *c, const struct op *op, struct wanted *want)
{
	if (!c->groups || c->version) {
		must(want, EINVAL);
	} else if (op->a == VFIO_EEH) {
		must(want, EINVAL);
		may(want, ENODEV);
	} else if (op->a != V1_IOMMU && op->a != V2_IOMMU) {
		must(want, ENODEV);
	} else if (op->a == V1_IOMMU && groups_of(c) > 1) {
		must(want, EBUSY);
	}
}

void model_predict(const struct op *op, struct wanted *want)
{
	const struct container *c = model_at(op->slot);

	memset(want, 0, sizeof(*want));
	switch (op->kind) {
	case OP_OPEN_GROUP:
		if (model.group[op->group].open)
			must(want, EBUSY);
		break;
	case OP_SET_CONTAINER:
		predict_join(c, op, want);
		break;
	case OP_UNSET_CONTAINER:
		if (model.group[op->group].object < 0)
			must(want, EINVAL);
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
	if (!want->refused)
		may(want, 0);
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
