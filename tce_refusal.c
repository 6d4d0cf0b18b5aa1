// SPDX-License-Identifier: GPL-2.0-only
/*
 * Refusals: the names of calls and checks, and the only place where a client's call is
 * told to have failed.
 *
 * Locks: none.
 *
 * Never fails: anything here.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/vfio.h>

#include "tce_refusal.h"
#include "tce_trace.h"

/* A refusal has to fit into an ERR_PTR() */
static_assert(TCE_WHY_END * TCE_ERRNOS <= MAX_ERRNO);

/* from TCE_WHY_FIRST on */
static const char *const why_names[] = {
	TCE_WHYS(TCE_WHY_NAME)
};

/**
 * tce_why_name() - the name of a check
 * @why: the check
 *
 * Return: the name.
 */
const char *tce_why_name(enum tce_why why)
{
	return why == TCE_WHY_NONE ? "?" : why_names[why - TCE_WHY_FIRST];
}

/**
 * tce_call_name() - the name of a call
 * @cmd: the ioctl's number. VFIO_SET_IOMMU stands for the VFIO core's request to open a
 *	container, VFIO_GROUP_SET_CONTAINER for that to attach a group
 *
 * Return: the name.
 */
const char *tce_call_name(unsigned int cmd)
{
	switch (cmd) {
	case VFIO_SET_IOMMU:
		return "OPEN";
	case VFIO_GROUP_SET_CONTAINER:
		return "ATTACH";
	case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
		return "GET_INFO";
	case VFIO_IOMMU_ENABLE:
		return "ENABLE";
	case VFIO_IOMMU_DISABLE:
		return "DISABLE";
	case VFIO_IOMMU_SPAPR_REGISTER_MEMORY:
		return "REGISTER_MEMORY";
	case VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY:
		return "UNREGISTER_MEMORY";
	case VFIO_IOMMU_SPAPR_TCE_CREATE:
		return "TCE_CREATE";
	case VFIO_IOMMU_SPAPR_TCE_REMOVE:
		return "TCE_REMOVE";
	case VFIO_IOMMU_MAP_DMA:
		return "MAP_DMA";
	case VFIO_IOMMU_UNMAP_DMA:
		return "UNMAP_DMA";
	case VFIO_EEH_PE_OP:
		return "EEH_PE_OP";
	default:
		return "?";
	}
}

/**
 * tce_refused() - a call of the client's fails
 * @call: the call
 * @rc: a refusal, or an errno
 *
 * Return: the errno.
 */
long tce_refused(struct tce_call *call, long rc)
{
	if (tce_why_of(rc) == TCE_WHY_LOCKED_LIMIT)
		call->value = rlimit(RLIMIT_MEMLOCK);
	trace_tce_refused(call, rc);
	return tce_errno(rc);
}
