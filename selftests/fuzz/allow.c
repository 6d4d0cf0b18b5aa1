// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not be asked of the machine: what needs a file that is not open, and what
 * the platform answers by refusing windows until the next boot.
 */
#define _GNU_SOURCE
#include "model.h"

static bool allows_group(const struct op *op, const struct container *c)
{
	bool open = op->group < GROUPS && model.group[op->group].open;

	switch (op->kind) {
	case OP_OPEN_GROUP:
		return op->group < machine.groups;
	case OP_CLOSE_GROUP:
		return open && !model.group[op->group].device;
	case OP_SET_CONTAINER:
		return open && (c || op->c);
	case OP_UNSET_CONTAINER:
		return open;
	case OP_OPEN_DEVICE:
		return open && !model.group[op->group].device && machine.dma;
	default:
		return op->group < GROUPS && model.group[op->group].device;
	}
}

/* Whether an operation can be done with these pages of the arena. */
static bool allows_pages(const struct op *op)
{
	unsigned int p;

	if (op->a >= machine.pages || op->b > machine.pages - op->a)
		return false;
	switch (op->kind) {
	case OP_MREMAP:
		return op->c < machine.pages && op->c != op->a &&
		       model.page[op->a].there;
	case OP_MPROTECT:
	case OP_DONTNEED:
		for (p = op->a; p < op->a + op->b; p++)
			if (!model.page[p].there ||
			    (op->kind == OP_DONTNEED && model.page[p].prot != PROT_RW))
				return false;
		return true;
	default:
		return true;
	}
}

/* A reset takes seconds, and an open device's state along. */
static bool allows_reset(const struct container *c)
{
	int group;

	if (!machine.eeh || !c || !c->version || c->owner == OWNER_OTHER)
		return false;
	for (group = 0; group < GROUPS; group++)
		if (c->groups >> group & 1 && model.group[group].device)
			return false;
	return true;
}

static bool allows_bind(const struct op *op, const struct container *c)
{
	return c && c->version == 2 && c->owner == OWNER_NONE && !model.limit &&
	       (host.powernv || groups_of(c) == 1) && op->a < machine.pages &&
	       op->b && op->b <= machine.pages - op->a &&
	       accessible(ARENA + op->a * host.page, op->b * host.page, true);
}

static bool allows_dma(const struct op *op)
{
	if (op->group >= GROUPS || !machine.dma ||
	    model.group[op->group].object < 0 || model_bus_address(op->a, op->b))
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
	if (op->b > 2 * GiB && power_of_two(op->b) && op->a < 64 &&
	    op->b >> op->a && !beyond_memory(op))
		return false;
	/* A second window of the hypervisor's own. */
	return !(c->window[0].dynamic && !c->window[1].used);
}

bool model_allows(const struct op *op)
{
	const struct container *c = op->slot < SLOTS ? model_at(op->slot) : NULL;
	int num;

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		for (num = 0; num < OBJECTS; num++)
			if (!model.object[num].alive)
				return !c;
		return false;
	case OP_OPEN_GROUP: case OP_CLOSE_GROUP: case OP_SET_CONTAINER:
	case OP_UNSET_CONTAINER: case OP_OPEN_DEVICE: case OP_CLOSE_DEVICE:
		return allows_group(op, c);
	case OP_MUNMAP: case OP_MMAP: case OP_MREMAP: case OP_MPROTECT: case OP_DONTNEED:
		return allows_pages(op);
	case OP_RESET:
		return allows_reset(c);
	case OP_FORK_WRITE: case OP_LOCKED: case OP_PINNED:
		return true;
	case OP_FORK_USE:
		return c && (c->owner == OWNER_SELF || c->owner == OWNER_OTHER);
	case OP_FORK_BIND:
		return allows_bind(op, c);
	case OP_DMA:
		return allows_dma(op);
	case OP_CREATE:
		return allows_create(op, c);
	default:
		return c;
	}
}
