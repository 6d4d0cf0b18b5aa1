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
 * The kernel frees a PE when its last device is unplugged, even if the PE is in use. So an
 * operation that may sleep first waits for an unplug under way. A later one can't be prevented.
 *
 * Operations that share an IOMMU group, even across containers, take turns before they are queued.
 * So there are never more work items than groups, however often clients are killed and restarted,
 * and no reset waits for another one between looking up the PE and using it.
 *
 * Locks: &tce_container.lock while the groups are listed, &tce_group.lock while a PE is looked up,
 * none during the operation. jobs_lock protects jobs.
 *
 * Never fails: job_end(), job_put(), tce_eeh_exit().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <asm/eeh.h>

#include "compat/older.h"
#include "tce_container.h"
#include "tce_eeh.h"
#include "tce_group.h"
#include "tce_trace.h"

/* Warn after this time; a reset takes a few seconds */
#define JOB_PATIENCE	(20 * HZ)

/* Operations that have their turn, and clients that wait for theirs */
static LIST_HEAD(jobs);
static DEFINE_SPINLOCK(jobs_lock);
static DECLARE_WAIT_QUEUE_HEAD(jobs_wait);
static struct workqueue_struct *jobs_wq;

/**
 * struct tce_eeh_job - an operation under way
 * @list: in jobs
 * @refs: the client's and @work's
 * @work: the work item
 * @op: the operation
 * @rc: its result
 * @done: completed with @rc
 * @n: number of groups
 * @groups: with a reference to each, which does not keep the IOMMU group
 */
struct tce_eeh_job {
	struct list_head list;
	refcount_t refs;
	struct work_struct work;
	struct vfio_eeh_pe_op op;
	long rc;
	struct completion done;
	unsigned int n;
	struct tce_group *groups[] __counted_by(n);
};

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

static void job_work(struct work_struct *work);

static void job_put(struct tce_eeh_job *job)
{
	unsigned int i;

	if (!refcount_dec_and_test(&job->refs))
		return;
	for (i = 0; i < job->n; i++)
		tce_group_put(job->groups[i]);
	kfree(job);
}

static struct tce_eeh_job *job_create(struct tce_container *container,
				      const struct vfio_eeh_pe_op *op)
{
	struct tce_eeh_job *job;
	struct tce_group *grp;
	unsigned int n;

	down_read(&container->lock);
	n = list_count_nodes(&container->groups);
	job = kzalloc(struct_size(job, groups, n), GFP_KERNEL);
	if (!job) {
		up_read(&container->lock);
		return ERR_PTR(TCE_REFUSE(-ENOMEM));
	}
	job->n = n;
	n = 0;
	list_for_each_entry(grp, &container->groups, list) {
		refcount_inc(&grp->refs);
		job->groups[n++] = grp;
	}
	up_read(&container->lock);
	refcount_set(&job->refs, 1);
	init_completion(&job->done);
	INIT_WORK(&job->work, job_work);
	job->op = *op;
	return job;
}

/*
 * Compares only addresses, because an IOMMU group may have been freed. A new one at the same
 * address waits without need.
 */
static bool jobs_share_a_group(const struct tce_eeh_job *a,
			       const struct tce_eeh_job *b)
{
	unsigned int i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < b->n; k++)
			if (a->groups[i]->group == b->groups[k]->group)
				return true;
	return false;
}

/* Take the turn, unless another job shares a group. Undone by job_end(). */
static bool job_begin(struct tce_eeh_job *job)
{
	struct tce_eeh_job *other;
	bool free = true;

	spin_lock(&jobs_lock);
	list_for_each_entry(other, &jobs, list)
		if (jobs_share_a_group(job, other))
			free = false;
	if (free)
		list_add(&job->list, &jobs);
	spin_unlock(&jobs_lock);
	return free;
}

static void job_end(struct tce_eeh_job *job)
{
	spin_lock(&jobs_lock);
	list_del(&job->list);
	spin_unlock(&jobs_lock);
	wake_up_all(&jobs_wait);
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
 * The reference to a device keeps its bus, which EEH uses. Return: false if the group has left the
 * container, and may belong to the host or to another client
 */
static bool find_pe(struct tce_group *grp, struct eeh_pe **pe, struct device **dev)
{
	bool here;

	*dev = NULL;
	mutex_lock(&grp->lock);
	here = !grp->left;
	if (here) {
		iommu_group_for_each_dev(grp->group, dev, first_device);
		*pe = eeh_iommu_group_to_pe(grp->group);
	}
	mutex_unlock(&grp->lock);
	return here;
}

/* Return: the worst state, or the first error; -ENODEV if all groups have left */
static long job_do(struct tce_eeh_job *job)
{
	long rc = -ENODEV, one;
	struct device *dev;
	struct eeh_pe *pe;
	unsigned int i;

	for (i = 0; i < job->n; i++) {
		if (op_waits(job->op.op)) {
			/* an unplug holds this lock until the PE is gone */
			pci_lock_rescan_remove();
			pci_unlock_rescan_remove();
		}
		if (!find_pe(job->groups[i], &pe, &dev))
			continue;
		one = pe ? pe_op(pe, &job->op) : -ENODEV;
		put_device(dev);
		if (one < 0)
			return one;
		rc = max(rc, one);
	}
	return rc;
}

static void job_work(struct work_struct *work)
{
	struct tce_eeh_job *job = container_of(work, struct tce_eeh_job, work);

	job->rc = job_do(job);
	job_end(job);
	complete(&job->done);
	job_put(job);
	/* tce_eeh_exit() waits until this returns */
	module_put(THIS_MODULE);
}

/* Return: the result; -EINTR if killed, though the job goes on */
static long job_run(struct tce_eeh_job *job)
{
	long left;

	refcount_inc(&job->refs);
	__module_get(THIS_MODULE);
	queue_work(jobs_wq, &job->work);
	left = wait_for_completion_killable_timeout(&job->done, JOB_PATIENCE);
	if (!left) {
		pr_warn_ratelimited("%s[%d]: EEH operation %u has not ended after %d seconds; it may wait for the PCI rescan lock, which an unplug or the kernel's EEH recovery (eehd) holds\n",
				    current->comm, task_tgid_nr(current), job->op.op,
				    JOB_PATIENCE / HZ);
		left = wait_for_completion_killable(&job->done) ?: 1;
	}
	return left < 0 ? -EINTR : job->rc;
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
 * or -ENXIO for an error that the platform can't inject; an errno of the kernel's EEH code;
 * -ENOMEM; -EINTR on SIGKILL, though an operation that has begun goes on; otherwise -EIO.
 */
long tce_eeh_op(struct tce_container *container, const struct vfio_eeh_pe_op *op)
{
	struct tce_eeh_job *job;
	long rc;

	/* powernv would log each unknown type */
	if (op->op == VFIO_EEH_PE_INJECT_ERR &&
	    (op->err.type > EEH_ERR_TYPE_64 || op->err.func > EEH_ERR_FUNC_MAX))
		return TCE_REFUSE(-EINVAL);

	job = job_create(container, op);
	if (IS_ERR(job))
		return PTR_ERR(job);
	if (!job->n)
		rc = 0;
	else if (op->op == VFIO_EEH_PE_GET_STATE)
		rc = job_do(job);
	else if (wait_event_killable(jobs_wait, job_begin(job)))
		rc = -EINTR;
	else
		rc = job_run(job);
	if (rc < 0 && rc != -EINTR)
		rc = TCE_REFUSE_VALUE(rc, op->op);
	job_put(job);
	return rc;
}

/* Return: 0; -ENOMEM */
int tce_eeh_init(void)
{
	jobs_wq = alloc_workqueue("tce-eeh", WQ_UNBOUND, 0);
	return jobs_wq ? 0 : -ENOMEM;
}

/* No operation is under way, except for the end of job_work(). */
void tce_eeh_exit(void)
{
	destroy_workqueue(jobs_wq);
}
