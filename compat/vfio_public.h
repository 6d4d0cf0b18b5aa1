/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Up to Linux 5.15 the VFIO core's interface to a backend is public. Nothing has to be
 * restated there. What we give the core is translated: attach_group() has no type there.
 * Groups of emulated devices have no TCE tables, by which they are refused.
 */
#ifndef TCE_COMPAT_VFIO_PUBLIC_H
#define TCE_COMPAT_VFIO_PUBLIC_H

#include <linux/vfio.h>

/**
 * enum vfio_group_type - how the devices of a group do DMA
 * @VFIO_IOMMU: through an IOMMU
 * @VFIO_EMULATED_IOMMU: not at all; not told here
 */
enum vfio_group_type {
	VFIO_IOMMU,
	VFIO_EMULATED_IOMMU,
};

/**
 * struct tce_driver_ops - what a backend of newer kernels has
 * @name: of the backend
 * @owner: the module
 * @open: a container chose this backend; returns its data
 * @release: the container is closed, or chose anew
 * @ioctl: a command to the container that the core does not know
 * @attach_group: a group joins the container
 * @detach_group: it leaves
 */
struct tce_driver_ops {
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
};

/* Set before the core can call anything. */
static const struct tce_driver_ops *tce_driver;
static struct vfio_iommu_driver_ops tce_driver_public;

/**
 * tce_driver_attach() - attach_group() without a type
 * @iommu_data: of the container
 * @group: the group
 *
 * Return: as the backend says.
 */
static inline int tce_driver_attach(void *iommu_data, struct iommu_group *group)
{
	return tce_driver->attach_group(iommu_data, group, VFIO_IOMMU);
}

/**
 * tce_driver_register() - vfio_register_iommu_driver()
 * @ops: of the backend
 *
 * Undone by tce_driver_unregister().
 *
 * Return: as the core says.
 */
static inline int tce_driver_register(const struct tce_driver_ops *ops)
{
	tce_driver = ops;
	tce_driver_public = (struct vfio_iommu_driver_ops) {
		.name		= ops->name,
		.owner		= ops->owner,
		.open		= ops->open,
		.release	= ops->release,
		.ioctl		= ops->ioctl,
		.attach_group	= tce_driver_attach,
		.detach_group	= ops->detach_group,
	};
	return vfio_register_iommu_driver(&tce_driver_public);
}

/**
 * tce_driver_unregister() - undo tce_driver_register()
 * @ops: of the backend
 */
static inline void tce_driver_unregister(const struct tce_driver_ops *ops)
{
	vfio_unregister_iommu_driver(&tce_driver_public);
}

#define vfio_iommu_driver_ops		tce_driver_ops
#define vfio_register_iommu_driver	tce_driver_register
#define vfio_unregister_iommu_driver	tce_driver_unregister

#endif /* TCE_COMPAT_VFIO_PUBLIC_H */
