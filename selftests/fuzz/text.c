// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations as text.
 */
#define _GNU_SOURCE
#include <string.h>

#include "exec.h"

const struct op_kind op_kinds[OP_KINDS] = {
	[OP_OPEN_CONTAINER]	= { "OPEN_CONTAINER" },
	[OP_CLOSE_CONTAINER]	= { "CLOSE_CONTAINER" },
	[OP_OPEN_GROUP]		= { "OPEN_GROUP" },
	[OP_CLOSE_GROUP]	= { "CLOSE_GROUP" },
	[OP_SET_CONTAINER]	= { "SET_CONTAINER" },
	[OP_UNSET_CONTAINER]	= { "UNSET_CONTAINER" },
	[OP_OPEN_DEVICE]	= { "OPEN_DEVICE" },
	[OP_CLOSE_DEVICE]	= { "CLOSE_DEVICE" },
	[OP_SET_IOMMU]		= { "SET_IOMMU", VFIO_SET_IOMMU },
	[OP_CHECK_EXTENSION]	= { "CHECK_EXTENSION", VFIO_CHECK_EXTENSION },
	[OP_GET_INFO]		= { "GET_INFO", VFIO_IOMMU_SPAPR_TCE_GET_INFO },
	[OP_ENABLE]		= { "ENABLE", VFIO_IOMMU_ENABLE },
	[OP_DISABLE]		= { "DISABLE", VFIO_IOMMU_DISABLE },
	[OP_REGISTER]		= { "REGISTER", VFIO_IOMMU_SPAPR_REGISTER_MEMORY },
	[OP_UNREGISTER]		= { "UNREGISTER", VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY },
	[OP_CREATE]		= { "CREATE", VFIO_IOMMU_SPAPR_TCE_CREATE },
	[OP_REMOVE]		= { "REMOVE", VFIO_IOMMU_SPAPR_TCE_REMOVE },
	[OP_MAP]		= { "MAP", VFIO_IOMMU_MAP_DMA },
	[OP_UNMAP]		= { "UNMAP", VFIO_IOMMU_UNMAP_DMA },
	[OP_EEH]		= { "EEH", VFIO_EEH_PE_OP },
	[OP_UNKNOWN]		= { "UNKNOWN" },
	[OP_RESET]		= { "RESET" },
	[OP_MUNMAP]		= { "MUNMAP" },
	[OP_MMAP]		= { "MMAP" },
	[OP_MPROTECT]		= { "MPROTECT" },
	[OP_DONTNEED]		= { "DONTNEED" },
	[OP_MREMAP]		= { "MREMAP" },
	[OP_FORK_WRITE]		= { "FORK_WRITE" },
	[OP_FORK_USE]		= { "FORK_USE" },
	[OP_FORK_BIND]		= { "FORK_BIND" },
	[OP_LOCKED]		= { "LOCKED" },
	[OP_PINNED]		= { "PINNED" },
	[OP_DMA]		= { "DMA" },
};

void op_text(const struct op *op, char *buf, size_t size)
{
	snprintf(buf, size, "%s %u %u %u %u %#x %#llx %#llx %#llx", op_kinds[op->kind].name,
		 op->slot, op->group, op->pointer, op->argsz, op->flags,
		 (unsigned long long)op->a, (unsigned long long)op->b,
		 (unsigned long long)op->c);
}

bool op_parse(const char *line, struct op *op)
{
	unsigned long long v[8];
	char name[32];
	int i;

	if (sscanf(line, "%31s %lli %lli %lli %lli %lli %lli %lli %lli", name,
		   (long long *)&v[0], (long long *)&v[1], (long long *)&v[2],
		   (long long *)&v[3], (long long *)&v[4], (long long *)&v[5],
		   (long long *)&v[6], (long long *)&v[7]) != 9)
		return false;
	for (i = 0; i < OP_KINDS; i++) {
		if (strcmp(name, op_kinds[i].name))
			continue;
		*op = (struct op){ i, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] };
		return true;
	}
	return false;
}

static const char *place(uint64_t va, char *buf, size_t size)
{
	if (va >= ARENA && va < ARENA + machine.pages * host.page)
		snprintf(buf, size, "page %llu+%#llx",
			 (unsigned long long)(va - ARENA) / host.page,
			 (unsigned long long)(va - ARENA) % host.page);
	else
		snprintf(buf, size, "%#llx", (unsigned long long)va);
	return buf;
}

void op_describe(const struct op *op, char *buf, size_t size)
{
	unsigned long long a = op->a, b = op->b, c = op->c;
	char va[64];

	switch (op->kind) {
	case OP_OPEN_GROUP: case OP_CLOSE_GROUP: case OP_UNSET_CONTAINER:
	case OP_OPEN_DEVICE: case OP_CLOSE_DEVICE:
		snprintf(buf, size, "group %u", op->group);
		break;
	case OP_SET_CONTAINER:
		snprintf(buf, size, "group %u to container %u%s", op->group, op->slot,
			 c ? ", wrong file" : "");
		break;
	case OP_SET_IOMMU: case OP_CHECK_EXTENSION: case OP_EEH: case OP_UNKNOWN:
		snprintf(buf, size, "container %u, %llu", op->slot, a);
		break;
	case OP_REGISTER: case OP_UNREGISTER:
		snprintf(buf, size, "container %u, %s, size %#llx", op->slot,
			 place(a, va, sizeof(va)), b);
		break;
	case OP_CREATE:
		snprintf(buf, size, "container %u, shift %llu, size %#llx, levels %llu",
			 op->slot, a, b, c);
		break;
	case OP_REMOVE:
		snprintf(buf, size, "container %u, %#llx", op->slot, a);
		break;
	case OP_MAP:
		snprintf(buf, size, "container %u, %s at %#llx, size %#llx, %s%s", op->slot,
			 place(a, va, sizeof(va)), b, c, op->flags & R ? "R" : "",
			 op->flags & W ? "W" : "");
		break;
	case OP_UNMAP:
		snprintf(buf, size, "container %u, %#llx, size %#llx", op->slot, b, c);
		break;
	case OP_MUNMAP: case OP_MMAP: case OP_DONTNEED: case OP_MPROTECT:
	case OP_MREMAP: case OP_FORK_BIND:
		snprintf(buf, size, "page %llu, %llu pages, %llu", a, b, c);
		break;
	case OP_DMA:
		snprintf(buf, size, "group %u, %#llx, %llu bytes%s%s", op->group, a, b,
			 op->flags & 1 ? ", read" : "", op->flags & 2 ? ", write" : "");
		break;
	default:
		snprintf(buf, size, "container %u", op->slot);
	}
}
