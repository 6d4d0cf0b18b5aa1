/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a VFIO IOMMU backend registers with the VFIO core.
 *
 * This is private to the kernel (drivers/vfio/vfio.h), so an external module has to restate it.
 * Symbol versions would not reveal a wrong copy, but scripts/harness/check-btf compares it with the
 * type information in the vfio module of each kernel.
 *
 * Up to 6.2 there is a 14th member, notify, called when a container is closed. Distributions may
 * have dropped it without a trace in their headers. It is declared for all versions before 6.3,
 * because a core that does not know it never looks beyond the first 13 members.
 */
#ifndef TCE_COMPAT_VFIO_OPS_H
#define TCE_COMPAT_VFIO_OPS_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include <linux/version.h>

struct iommu_domain;
struct iommu_group;
struct module;
struct page;
struct vfio_device;

/**
 * enum vfio_group_type - how the devices of a group do DMA
 * @VFIO_IOMMU: through an IOMMU
 * @VFIO_EMULATED_IOMMU: not at all; their drivers copy (mdev)
 * @VFIO_NO_IOMMU: without an IOMMU
 */
enum vfio_group_type {
	VFIO_IOMMU,
	VFIO_EMULATED_IOMMU,
	VFIO_NO_IOMMU,
};

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/**
 * enum vfio_iommu_notify_type - an event for a backend
 * @VFIO_IOMMU_CONTAINER_CLOSE: a container's file is closed
 */
enum vfio_iommu_notify_type {
	VFIO_IOMMU_CONTAINER_CLOSE = 0,
};
#endif

/**
 * struct vfio_iommu_driver_ops - the operations of a backend
 * @name: its name
 * @owner: its module
 * @open: a container chose this backend; returns its data
 * @release: the last group has left, or SET_IOMMU could not attach the groups
 * @ioctl: a command that the core does not know
 * @attach_group: a group joins the container; the core owns its DMA
 * @detach_group: a group leaves
 * @pin_pages: for emulated devices, as are all below except @group_iommu_domain
 * @unpin_pages: undoes @pin_pages
 * @register_device: a device can be told that memory goes away
 * @unregister_device: undoes @register_device
 * @dma_rw: copy to or from a container's memory
 * @group_iommu_domain: the domain of a group
 * @notify: up to 6.2, for emulated devices too
 */
struct vfio_iommu_driver_ops {
	char		*name;
	struct module	*owner;
	void		*(*open)(unsigned long arg);
	void		(*release)(void *iommu_data);
	long		(*ioctl)(void *iommu_data, unsigned int cmd,
				 unsigned long arg);
	int		(*attach_group)(void *iommu_data,
					struct iommu_group *group,
					enum vfio_group_type type);
	void		(*detach_group)(void *iommu_data,
					struct iommu_group *group);
	int		(*pin_pages)(void *iommu_data,
				     struct iommu_group *group,
				     dma_addr_t user_iova, int npage, int prot,
				     struct page **pages);
	void		(*unpin_pages)(void *iommu_data, dma_addr_t user_iova,
				       int npage);
	void		(*register_device)(void *iommu_data,
					   struct vfio_device *vdev);
	void		(*unregister_device)(void *iommu_data,
					     struct vfio_device *vdev);
	int		(*dma_rw)(void *iommu_data, dma_addr_t user_iova,
				  void *data, size_t count, bool write);
	struct iommu_domain *(*group_iommu_domain)(void *iommu_data,
						   struct iommu_group *group);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	void		(*notify)(void *iommu_data,
				  enum vfio_iommu_notify_type event);
#endif
};

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static_assert(sizeof(struct vfio_iommu_driver_ops) == 112);
static_assert(offsetof(struct vfio_iommu_driver_ops, notify) == 104);
#else
static_assert(sizeof(struct vfio_iommu_driver_ops) == 104);
#endif
static_assert(offsetof(struct vfio_iommu_driver_ops, attach_group) == 40);

int vfio_register_iommu_driver(const struct vfio_iommu_driver_ops *ops);
void vfio_unregister_iommu_driver(const struct vfio_iommu_driver_ops *ops);

#endif /* TCE_COMPAT_VFIO_OPS_H */
