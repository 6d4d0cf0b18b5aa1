// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH: the PE operations of VFIO_EEH_PE_OP, for each group of a container.
 *
 * An operation is done for one PE after the other and ends at the first that
 * fails. The state of a container is the worst of its PEs' states.
 *
 * Locks: the caller holds &tce_space.lock for reading, so that the groups
 * stay; the kernel's EEH code has its own for the PEs.
 */
#include <linux/iommu.h>

#include <asm/eeh.h>

#include "tce_eeh.h"
#include "tce_table.h"

/* What the kernel's EEH code returns may come from firmware. */
static long eeh_errno(u32 op, long rc)
{
	switch (rc) {
	case -ENODEV:
	case -ENOENT:
	case -EINVAL:
	case -EPERM:
	case -ENOMEM:
		return rc;
	/* the platform can't inject such an error */
	case -ERANGE:
	case -ENXIO:
		return op == VFIO_EEH_PE_INJECT_ERR ? rc : -EIO;
	default:
		return rc < 0 ? -EIO : rc;
	}
}

/* The kernel's names for the operations that only differ by an argument */
static const int pe_options[] = {
	[VFIO_EEH_PE_DISABLE]		= EEH_OPT_DISABLE,
	[VFIO_EEH_PE_ENABLE]		= EEH_OPT_ENABLE,
	[VFIO_EEH_PE_UNFREEZE_IO]	= EEH_OPT_THAW_MMIO,
	[VFIO_EEH_PE_UNFREEZE_DMA]	= EEH_OPT_THAW_DMA,
};

static const int pe_resets[] = {
	[VFIO_EEH_PE_RESET_DEACTIVATE]	= EEH_RESET_DEACTIVATE,
	[VFIO_EEH_PE_RESET_HOT]		= EEH_RESET_HOT,
	[VFIO_EEH_PE_RESET_FUNDAMENTAL]	= EEH_RESET_FUNDAMENTAL,
};

static long pe_op(struct eeh_pe *pe, const struct vfio_eeh_pe_op *op)
{
	u32 nr = op->op;

	if (nr < ARRAY_SIZE(pe_options))
		return eeh_pe_set_option(pe, pe_options[nr]);
	if (nr == VFIO_EEH_PE_GET_STATE)
		return eeh_pe_get_state(pe);
	if (nr < ARRAY_SIZE(pe_resets))
		return eeh_pe_reset(pe, pe_resets[nr], true);
	if (nr == VFIO_EEH_PE_CONFIGURE)
		return eeh_pe_configure(pe);
	if (nr == VFIO_EEH_PE_INJECT_ERR)
		return eeh_pe_inject_err(pe, op->err.type, op->err.func,
					 op->err.addr, op->err.mask);
	return -EINVAL;
}

/**
 * tce_eeh_enabled() - does this machine do EEH?
 *
 * Return: true if it does.
 */
bool tce_eeh_enabled(void)
{
	return eeh_enabled();
}

/**
 * tce_eeh_op() - one operation on the PEs of all groups
 * @space: the space, locked for reading
 * @op: the operation, with its arguments copied and its sizes checked
 *
 * Context: sleeps; a reset takes seconds.
 *
 * Return: for VFIO_EEH_PE_GET_STATE the worst state (VFIO_EEH_PE_STATE_*),
 * else 0; -ENODEV if a group has no PE; -EINVAL for an unknown operation or
 * error to inject; -ERANGE or -ENXIO for one that the platform can't inject; an
 * errno of the kernel's EEH code; -EIO for any other failure.
 */
long tce_eeh_op(struct tce_space *space, const struct vfio_eeh_pe_op *op)
{
	struct tce_group *grp;
	long rc = 0;

	lockdep_assert_held(&space->lock);
	/* powernv would log a wrong type, each time */
	if (op->op == VFIO_EEH_PE_INJECT_ERR &&
	    (op->err.type > EEH_ERR_TYPE_64 || op->err.func > EEH_ERR_FUNC_MAX))
		return -EINVAL;

	list_for_each_entry(grp, &space->groups, list) {
		struct eeh_pe *pe = eeh_iommu_group_to_pe(grp->group);
		long one;

		if (!pe)
			return -ENODEV;
		one = eeh_errno(op->op, pe_op(pe, op));
		if (one < 0)
			return one;
		rc = max(rc, one);
	}
	/* 0 but for the state; nothing else returns a positive value */
	return op->op == VFIO_EEH_PE_GET_STATE ? rc : 0;
}
