// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH: the operations of VFIO_EEH_PE_OP, done for each PE of a container in turn, up to the first
 * failure. The state of a container is the worst state of its PEs.
 *
 * A reset takes the locks of the PE's devices and the rescan lock. Root holds these while unbinding
 * a device, until the client closes it, and not even a killed client can close it while it sleeps
 * in a reset. So a work item does the operation, and the client's wait for it is killable. In some
 * kernels the EEH recovery (eehd) deadlocks while it holds the rescan lock; then only work items
 * hang. GET_STATE takes no such lock, so its caller does it directly, beside other operations.
 *
 * The work item is a part of the group, and so are its operation and result. So a group has one
 * operation at a time, also if it is in another container by now, however often clients are killed
 * and restarted, and no reset waits for another one between looking up the PE and using it. The
 * client and the work item both use these fields; the next client's turn comes when both are done.
 *
 * The kernel frees a PE when its last device is unplugged, even if the PE is in use. So an
 * operation that may sleep first waits for an unplug under way. A later one can't be prevented.
 *
 * Locks: &tce_container.lock while the next group is looked for, &tce_group.lock while its PE is
 * looked up, none during the operation.
 *
 * Never fails: op_end(), tce_eeh_exit().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>

#include <asm/eeh.h>

#include "tce_container.h"
#include "tce_eeh.h"
#include "tce_group.h"
#include "tce_trace.h"

/* Warn after this time; a reset takes a few seconds */
#define EEH_PATIENCE	(20 * HZ)

static struct workqueue_struct *eeh_wq;

/* The kernel's EEH code may return firmware codes. */
static long eeh_errno(u32 op, long rc)
{
	switch (rc) {
	case -ENODEV:
	case -ENOENT:
	case -EINVAL:
	case -EPERM:
	case -ENOMEM:
		break;
	/* The platform can't inject this error. */
	case -ERANGE:
	case -ENXIO:
		rc = op == VFIO_EEH_PE_INJECT_ERR ? rc : -EIO;
		break;
	default:
		/* positive: a state, or a code of firmware that has refused */
		if (rc < 0 || (rc > 0 && op != VFIO_EEH_PE_GET_STATE))
			rc = -EIO;
	}
	return rc;
}

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
	long rc;

	if (nr < ARRAY_SIZE(pe_options))
		rc = eeh_pe_set_option(pe, pe_options[nr]);
	else if (nr == VFIO_EEH_PE_GET_STATE)
		rc = eeh_pe_get_state(pe);
	else if (nr < ARRAY_SIZE(pe_resets))
		rc = eeh_pe_reset(pe, pe_resets[nr], true);
	else if (nr == VFIO_EEH_PE_CONFIGURE)
		rc = eeh_pe_configure(pe);
	else if (nr == VFIO_EEH_PE_INJECT_ERR)
		rc = eeh_pe_inject_err(pe, op->err.type, op->err.func,
				       op->err.addr, op->err.mask);
	else
		return -EINVAL;
	return eeh_errno(nr, rc);
}

/* Operations that may wait for device locks or the rescan lock, which pseries takes to inject */
static bool op_waits(u32 nr)
{
	return nr == VFIO_EEH_PE_ENABLE || nr == VFIO_EEH_PE_INJECT_ERR ||
	       (nr < ARRAY_SIZE(pe_resets) && nr >= VFIO_EEH_PE_RESET_DEACTIVATE);
}

static int first_device(struct device *dev, void *found)
{
	*(struct device **)found = get_device(dev);
	return 1;
}

/*
 * Look up the PE of a group that is in a container, NULL if it has none. The reference to a device
 * keeps its bus, which EEH uses. Return: false if the group has left, and may belong to the host or
 * to another client
 */
static bool find_pe(struct tce_group *grp, unsigned long container, struct eeh_pe **pe,
		    struct device **dev)
{
	bool here;

	*dev = NULL;
	mutex_lock(&grp->lock);
	here = grp->container == container;
	if (here) {
		iommu_group_for_each_dev(grp->group, dev, first_device);
		*pe = eeh_iommu_group_to_pe(grp->group);
	}
	mutex_unlock(&grp->lock);
	return here;
}

/* The group has left, and its PE is not looked up. No result of EEH is this errno. */
#define GROUP_HAS_LEFT	(-ESTALE)

/* Return: as tce_eeh_op(); GROUP_HAS_LEFT */
static long group_op(struct tce_group *grp, unsigned long container,
		     const struct vfio_eeh_pe_op *op)
{
	struct device *dev;
	struct eeh_pe *pe;
	long rc;

	if (op_waits(op->op)) {
		/* an unplug holds this lock until the PE is gone */
		pci_lock_rescan_remove();
		pci_unlock_rescan_remove();
	}
	if (!find_pe(grp, container, &pe, &dev))
		return GROUP_HAS_LEFT;
	rc = pe ? pe_op(pe, op) : -ENODEV;
	put_device(dev);
	return rc;
}

static void op_end(struct tce_group *grp)
{
	if (atomic_dec_and_test(&grp->op_users))
		wake_up_var(&grp->op_users);
}

static void op_work(struct work_struct *work)
{
	struct tce_group *grp = container_of(work, struct tce_group, op_work);

	grp->op_rc = group_op(grp, grp->op_container, &grp->op);
	complete(&grp->op_done);
	op_end(grp);
	tce_group_put(grp);
	/* tce_eeh_exit() waits until this returns */
	module_put(THIS_MODULE);
}

/* Return: as group_op(); -EINTR if killed, though an operation that has begun goes on */
static long group_op_killable(struct tce_group *grp, unsigned long container,
			      const struct vfio_eeh_pe_op *op)
{
	long rc;

	/* one for this client, one for the work item */
	if (wait_var_event_killable(&grp->op_users, !atomic_cmpxchg(&grp->op_users, 0, 2)))
		return -EINTR;
	grp->op = *op;
	grp->op_container = container;
	init_completion(&grp->op_done);
	INIT_WORK(&grp->op_work, op_work);
	refcount_inc(&grp->refs);
	__module_get(THIS_MODULE);
	queue_work(eeh_wq, &grp->op_work);
	rc = wait_for_completion_killable_timeout(&grp->op_done, EEH_PATIENCE);
	if (!rc) {
		pr_warn_ratelimited("%s[%d]: EEH operation %u has not ended after %d seconds; it may wait for the PCI rescan lock, which an unplug or the kernel's EEH recovery (eehd) holds\n",
				    current->comm, task_tgid_nr(current), op->op,
				    EEH_PATIENCE / HZ);
		rc = wait_for_completion_killable(&grp->op_done);
	}
	rc = rc < 0 ? -EINTR : grp->op_rc;
	op_end(grp);
	return rc;
}

/* The group whose number comes after @id, with a reference, or NULL */
static struct tce_group *next_group(struct tce_container *container, int id)
{
	struct tce_group *grp, *next = NULL;

	down_read(&container->lock);
	list_for_each_entry(grp, &container->groups, list)
		if (grp->id > id && (!next || grp->id < next->id))
			next = grp;
	if (next)
		refcount_inc(&next->refs);
	up_read(&container->lock);
	return next;
}

/**
 * tce_eeh_op() - do an EEH operation for all groups of a container
 * @container: the container, not locked
 * @op: the operation, with its arguments copied and its sizes checked
 *
 * A group that leaves before its operation has begun is skipped. Context: sleeps, with no lock
 * held; a reset takes seconds.
 *
 * Return: the worst state (VFIO_EEH_PE_STATE_*) for VFIO_EEH_PE_GET_STATE, otherwise 0; -ENODEV if
 * a group has no PE, or if all groups have left; -EINVAL for an unknown operation or error; -ERANGE
 * or -ENXIO for an error that the platform can't inject; an errno of the kernel's EEH code; -EINTR
 * on SIGKILL, though an operation that has begun goes on; otherwise -EIO.
 */
long tce_eeh_op(struct tce_container *container, const struct vfio_eeh_pe_op *op)
{
	long rc, worst = GROUP_HAS_LEFT;
	struct tce_group *grp;
	int id = -1;

	/* powernv would log each unknown type */
	if (op->op == VFIO_EEH_PE_INJECT_ERR &&
	    (op->err.type > EEH_ERR_TYPE_64 || op->err.func > EEH_ERR_FUNC_MAX))
		return TCE_REFUSE(-EINVAL);

	while ((grp = next_group(container, id))) {
		id = grp->id;
		rc = op->op == VFIO_EEH_PE_GET_STATE ? group_op(grp, container->id, op) :
						       group_op_killable(grp, container->id, op);
		tce_group_put(grp);
		if (rc == -EINTR)
			return rc;
		if (rc < 0 && rc != GROUP_HAS_LEFT)
			return TCE_REFUSE(rc, "", op->op);
		worst = max(worst, rc);
	}
	if (worst >= 0)
		return worst;
	/* no group has joined, or all have left */
	return id < 0 ? 0 : TCE_REFUSE(-ENODEV, "", op->op);
}

/* Return: 0; -ENOMEM */
int tce_eeh_init(void)
{
	eeh_wq = alloc_workqueue("tce-eeh", WQ_UNBOUND, 0);
	return eeh_wq ? 0 : -ENOMEM;
}

/* No operation is under way, except for the end of op_work(). */
void tce_eeh_exit(void)
{
	destroy_workqueue(eeh_wq);
}
