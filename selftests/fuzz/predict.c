// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_predict() names every result that is right; where several things are wrong with
 * a request at once, any of their errnos is.
 */
#define _GNU_SOURCE
#include <string.h>

#include "model.h"

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
			if (region_mapped(i, NULL)) {
				must(want, refused, EBUSY);
				may(want, EINVAL);
			}
			continue;
		}
		if (r->va != va || r->pages * host.page != size)
			must(want, refused, EINVAL);
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
	else if (model.region[i].users == me && region_mapped(i, c))
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

static void predict_enable(const struct container *c, struct wanted *want, bool *refused)
{
	if (c->enabled)
		must(want, refused, EBUSY);
	predict_charge(machine.info[1].dma32_window_size,
		       machine.info[1].dma32_window_size, want, refused);
}

static void predict_remove(const struct container *c, const struct op *op,
			   struct wanted *want, bool *refused)
{
	if (op->flags)
		must(want, refused, EINVAL);
	if (!(c->window[0].used && c->window[0].start == op->a) &&
	    !(c->window[1].used && c->window[1].start == op->a))
		must(want, refused, EINVAL);
}

/* Commands that version 2 alone has. */
static void predict_v2(const struct container *c, const struct op *op,
		       struct wanted *want, bool *refused)
{
	uint32_t size = op->kind == OP_CREATE ? SIZE_CREATE :
			op->kind == OP_REMOVE ? SIZE_REMOVE : SIZE_REGISTER;

	predict_version(c, 2, want, refused);
	predict_argument(op, size, want, refused);
	if (c->version != 2)
		return;
	switch (op->kind) {
	case OP_REGISTER:
		predict_register(c, op, want, refused);
		break;
	case OP_UNREGISTER:
		predict_unregister(c, op, want, refused);
		break;
	case OP_CREATE:
		predict_create(c, op, want, refused);
		break;
	default:
		predict_remove(c, op, want, refused);
	}
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
	case OP_DISABLE:
		predict_version(c, 1, want, refused);
		if (c->version == 1 && op->kind == OP_ENABLE)
			predict_enable(c, want, refused);
		break;
	case OP_REGISTER:
	case OP_UNREGISTER:
	case OP_CREATE:
	case OP_REMOVE:
		predict_v2(c, op, want, refused);
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

/* A group that joins a container. */
static void predict_join(const struct container *c, const struct op *op,
			 struct wanted *want, bool *refused)
{
	int i;

	if (op->c == 9)
		must(want, refused, EBADF);
	if (op->c == 8) {
		must(want, refused, EBADFD);
		may(want, EINVAL);
	}
	if (model.group[op->group].object >= 0)
		must(want, refused, EINVAL);
	if (op->c || !c)
		return;
	if (c->version == 1)
		must(want, refused, EBUSY);
	for (i = 0; i < 2; i++)
		if (c->version == 2 && !host.powernv && c->window[i].used &&
		    !c->window[i].pending)
			must(want, refused, EPERM);
}

static void predict_set_iommu(const struct container *c, const struct op *op,
			      struct wanted *want, bool *refused)
{
	if (!c->groups || c->version) {
		must(want, refused, EINVAL);
	} else if (op->a == VFIO_EEH) {
		must(want, refused, EINVAL);
		may(want, ENODEV);
	} else if (op->a != V1_IOMMU && op->a != V2_IOMMU) {
		must(want, refused, ENODEV);
	} else if (op->a == V1_IOMMU && groups_of(c) > 1) {
		must(want, refused, EBUSY);
	}
}

void model_predict(const struct op *op, struct wanted *want)
{
	const struct container *c = op->slot < SLOTS ? model_at(op->slot) : NULL;
	bool refused = false;

	memset(want, 0, sizeof(*want));
	switch (op->kind) {
	case OP_OPEN_GROUP:
		if (model.group[op->group].open)
			must(want, &refused, EBUSY);
		break;
	case OP_SET_CONTAINER:
		predict_join(c, op, want, &refused);
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
		predict_set_iommu(c, op, want, &refused);
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
