// SPDX-License-Identifier: GPL-2.0-only
/*
 * spapr_tce_iommu_ops.ko: IOMMU operations for the PCI bus of POWER, for kernels from 5.19, whose
 * VFIO core refuses every device without them, to 6.3, because the platform has its own since 6.4.
 *
 * They report that DMA is coherent, and provide the blocking domain that the kernel attaches when
 * it claims a group. The platform creates the groups, and the backend takes them from the host.
 *
 * For a device in a claimed group the kernel dereferences dev->iommu without a check, and the host
 * would crash if it were NULL. So this module marks each PCI device by a dev->iommu of its own:
 *
 * - Marking never fails.
 * - The bus gets its operations, without which no group can be claimed, only when all devices are
 *   marked.
 * - A new device is marked by the bus notifier, before the platform adds it to a group.
 * - A claim fails if a device has no mark.
 *
 * iommu_device_register() would leave the operations set if it failed for lack of memory, and would
 * remove the marks of devices that have no group yet. So the operations are set here.
 *
 * The kernel removes a mark, with its reference to this module, when it removes the device. (Linux
 * before 6.1 and RHEL 9.2 lose both.) This module can't be unloaded, because groups keep its domain
 * and the bus keeps its operations. That is why it is separate from the backend.
 *
 * Locks: marking, the innermost lock, inside those of the bus notifier and of rescans.
 *
 * Never fails: marking. A claim does not fail for lack of memory.
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

/* Otherwise the VFIO core needs none, or the platform has some. */
#ifdef TCE_NEEDS_IOMMU_OPS

static struct iommu_device iommu;
static DEFINE_MUTEX(marking);

static bool is_marked(struct device *dev)
{
	return dev->iommu && dev->iommu->iommu_dev == &iommu;
}

/* Undone by the kernel, in iommu_release_device() */
static int mark(struct device *dev, void *unused)
{
	struct dev_iommu *param;

	mutex_lock(&marking);
	if (!dev->iommu) {
		/* small, once per device, and a failure could not be reported */
		param = kzalloc(sizeof(*param), GFP_KERNEL | __GFP_NOFAIL);
		mutex_init(&param->lock);
		param->iommu_dev = &iommu;
		__module_get(THIS_MODULE);
		/* pairs with the address dependency of readers (litmus/publish.litmus) */
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

/* The platform creates the groups. On return the kernel removes the mark, if there is one. */
static struct iommu_device *ops_probe_device(struct device *dev)
{
	return ERR_PTR(-ENODEV);
}

/* Also called when a device joins a claimed group. The backend does the rest. */
static int blocking_attach(struct iommu_domain *domain, struct device *dev)
{
	return is_marked(dev) ? 0 : -ENODEV;
}

/* The backend gives a released group back to the host. */
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

/* It has no state, so one domain serves all groups. */
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

/* Comes after the kernel's own notifier, which calls ops_probe_device() */
static struct notifier_block bus_notifier = {
	.notifier_call	= bus_event,
	.priority	= INT_MIN,
};

/**
 * spapr_tce_iommu_ops_need() - make the caller depend on this module
 *
 * Works with any loader, unlike a soft dependency.
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
	/* the kernel needs this directory when it removes a mark */
	rc = iommu_device_sysfs_add(&iommu, NULL, NULL, "spapr-tce");
	if (rc)
		return rc;
	iommu.ops = &ops;

	/* a device that is removed while it is being marked would keep its mark */
	pci_lock_rescan_remove();
	rc = bus_register_notifier(&pci_bus_type, &bus_notifier);
	if (rc) {
		pci_unlock_rescan_remove();
		iommu_device_sysfs_remove(&iommu);
		return rc;
	}
	bus_for_each_dev(&pci_bus_type, NULL, NULL, mark);
	/*
	 * a claim that races with this may find a device without its mark, and fails
	 * (litmus/claim.litmus)
	 */
	smp_store_release(&pci_bus_type.iommu_ops, &ops);
	pci_unlock_rescan_remove();
	pr_info("PCI devices can be given to VFIO now\n");
	return 0;
}

module_init(iommu_ops_init);

#endif /* TCE_NEEDS_IOMMU_OPS */

MODULE_VERSION(TCE_VERSION);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio_iommu_spapr_tce developers");
MODULE_DESCRIPTION("IOMMU operations for POWER, on kernels whose VFIO lacks them");
