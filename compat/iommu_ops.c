// SPDX-License-Identifier: GPL-2.0-only
/*
 * spapr_tce_iommu_ops.ko: IOMMU operations for the PCI bus of POWER, on kernels that have
 * none (before 6.4) and whose VFIO core wants them (since 5.19). Without them that core
 * refuses every device, whatever the backend.
 *
 * They do next to nothing. The platform makes the groups, and the backend takes a group
 * from the host. All that is left is to say that DMA is coherent, and to have a blocking
 * domain, which the kernel attaches when it claims a group.
 *
 * The kernel asks a device of a claimed group for its operations by way of dev->iommu,
 * and does not look whether there is one. So each PCI device has to be marked with one:
 * a device in a claimed group that is not would crash the host. That is why
 *
 * - to mark a device never fails;
 * - the bus gets its operations when all devices have been marked. No group can be
 *   claimed before that;
 * - a device that comes is marked before it can join a group. The platform adds it to
 *   one after the bus has told of it;
 * - a claim looks at each mark, and fails where it finds none.
 *
 * The bus gets its operations by hand. iommu_device_register() would leave them there if
 * it failed for lack of memory, and take the marks of devices off that have no group yet.
 *
 * The kernel takes the mark off when the device goes, with the reference to this module.
 *
 * This module can't be unloaded. Groups keep its domain for good, and the bus keeps its
 * operations. So it is not a part of the backend, which can.
 *
 * Locks: marking serializes those who mark. It is the last lock, taken below that of a
 * bus notifier, and that of PCI rescans.
 *
 * Never fails: to mark a device; a claim, for lack of memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "kernel_range.h"

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "iommu_ops.h"

/* Else the VFIO core wants none yet, or the platform has some. Nothing is done then. */
#ifdef TCE_NEEDS_IOMMU_OPS

static struct iommu_device iommu;
static DEFINE_MUTEX(marking);

static bool is_marked(struct device *dev)
{
	return dev->iommu && dev->iommu->iommu_dev == &iommu;
}

/* Undone by the kernel, in iommu_release_device(). Context: process. */
static int mark(struct device *dev, void *unused)
{
	struct dev_iommu *param;

	mutex_lock(&marking);
	if (!dev->iommu) {
		/* small, once per device; and there is nobody to tell of a failure */
		param = kzalloc(sizeof(*param), GFP_KERNEL | __GFP_NOFAIL);
		mutex_init(&param->lock);
		param->iommu_dev = &iommu;
		__module_get(THIS_MODULE);
		/* litmus/mark.litmus: who finds it finds all of it */
		smp_store_release(&dev->iommu, param);
	}
	mutex_unlock(&marking);
	return 0;
}

#ifdef TCE_HAS_CAPABLE_DEVICE
static bool ops_capable(struct device *dev, enum iommu_cap cap)
#else
static bool ops_capable(enum iommu_cap cap)
#endif
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

/* The platform makes the groups. The kernel takes a mark off, if there is one. */
static struct iommu_device *ops_probe_device(struct device *dev)
{
	return ERR_PTR(-ENODEV);
}

/* A group is claimed, or a device joins a claimed one. The backend does the rest. */
static int blocking_attach(struct iommu_domain *domain, struct device *dev)
{
	return is_marked(dev) ? 0 : -ENODEV;
}

/* A group is released: the host gets it back from the backend. */
#ifdef TCE_HAS_PLATFORM_DMA
static void ops_set_platform_dma(struct device *dev)
#else
static void blocking_detach(struct iommu_domain *domain, struct device *dev)
#endif
{
}

static void blocking_free(struct iommu_domain *domain)
{
}

static const struct iommu_domain_ops blocking_ops = {
	.attach_dev	= blocking_attach,
#ifndef TCE_HAS_PLATFORM_DMA
	.detach_dev	= blocking_detach,
#endif
	.free		= blocking_free,
};

/* One for all groups: there is nothing in it. */
static struct iommu_domain blocking = {
	.type		= IOMMU_DOMAIN_BLOCKED,
	.ops		= &blocking_ops,
};

static struct iommu_domain *ops_domain_alloc(unsigned int type)
{
	return type == IOMMU_DOMAIN_BLOCKED ? &blocking : NULL;
}

static const struct iommu_ops ops = {
	.capable	= ops_capable,
	.domain_alloc	= ops_domain_alloc,
	.probe_device	= ops_probe_device,
#ifdef TCE_HAS_PLATFORM_DMA
	.set_platform_dma_ops = ops_set_platform_dma,
#endif
	.owner		= THIS_MODULE,
};

static int bus_event(struct notifier_block *nb, unsigned long event, void *dev)
{
	if (event == BUS_NOTIFY_ADD_DEVICE)
		mark(dev, NULL);
	return NOTIFY_DONE;
}

/* After the kernel's own, which asks ops_probe_device() */
static struct notifier_block bus_notifier = {
	.notifier_call	= bus_event,
	.priority	= INT_MIN,
};

/**
 * spapr_tce_iommu_ops_need() - have this module loaded
 *
 * Who calls it depends on this module, also where nobody follows soft dependencies.
 */
void spapr_tce_iommu_ops_need(void)
{
}
EXPORT_SYMBOL_GPL(spapr_tce_iommu_ops_need);

static int __init iommu_ops_init(void)
{
	int rc;

	if (pci_bus_type.iommu_ops)
		return 0;
	/* the kernel wants a directory there when it takes a mark off */
	rc = iommu_device_sysfs_add(&iommu, NULL, NULL, "spapr-tce");
	if (rc)
		return rc;
	iommu.ops = &ops;

	/* a device that goes while it is marked would keep its mark */
	pci_lock_rescan_remove();
	rc = bus_register_notifier(&pci_bus_type, &bus_notifier);
	if (rc) {
		pci_unlock_rescan_remove();
		iommu_device_sysfs_remove(&iommu);
		return rc;
	}
	bus_for_each_dev(&pci_bus_type, NULL, NULL, mark);
	/*
	 * litmus/claim.litmus: a claim at that moment may still find a device without
	 * its mark. It fails then.
	 */
	smp_store_release(&pci_bus_type.iommu_ops, &ops);
	pci_unlock_rescan_remove();
	pr_info("PCI devices can be given to VFIO now\n");
	return 0;
}

module_init(iommu_ops_init);

#endif /* TCE_NEEDS_IOMMU_OPS */

MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("IOMMU operations for POWER, on kernels whose VFIO lacks them");
