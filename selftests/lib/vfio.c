// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO's files, and the commands of a container.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"
#include "result.h"
#include "vfio.h"

long __raw(int fd, unsigned long cmd, void *arg)
{
	long rc = ioctl(fd, cmd, arg);

	return rc < 0 ? -errno : rc;
}

int open_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "/dev/vfio/vfio: %m");
	return fd;
}

int __open_group(int device)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", host.device[device].group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_group(int device)
{
	int fd;

	if (device >= host.devices)
		fail(__FILE__, __LINE__, "no edu device is bound to vfio-pci");
	fd = __open_group(device);
	if (fd < 0)
		fail(__FILE__, __LINE__, "group %d: %s",
		     host.device[device].group, strerror(-fd));
	return fd;
}

int busy_group(void)
{
	int i, fd;

	for (i = 0; i < host.devices; i++) {
		fd = __open_group(i);
		if (fd < 0)
			return host.device[i].group;
		close(fd);
	}
	return -1;
}

long __set_container(int group, int container)
{
	return __raw(group, VFIO_GROUP_SET_CONTAINER, &container);
}

long __unset_container(int group)
{
	return __raw(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

long __set_iommu(int container, long type)
{
	return __raw(container, VFIO_SET_IOMMU, (void *)type);
}

long __check_extension(int container, long extension)
{
	return __raw(container, VFIO_CHECK_EXTENSION, (void *)extension);
}

long __get_info(int container, struct vfio_iommu_spapr_tce_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	return __raw(container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, info);
}

long __enable(int container)
{
	return __raw(container, VFIO_IOMMU_ENABLE, NULL);
}

long __disable(int container)
{
	return __raw(container, VFIO_IOMMU_DISABLE, NULL);
}

static long registration(int container, unsigned long cmd, const void *va,
			 uint64_t size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg),
		.vaddr = (uintptr_t)va,
		.size = size,
	};

	return __raw(container, cmd, &arg);
}

long __register(int container, const void *va, uint64_t size)
{
	return registration(container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, va,
			    size);
}

long __unregister(int container, const void *va, uint64_t size)
{
	return registration(container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, va,
			    size);
}

long __create(int container, uint32_t shift, uint64_t size, uint32_t levels,
	      uint64_t *start)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.argsz = sizeof(arg),
		.page_shift = shift,
		.window_size = size,
		.levels = levels,
		.start_addr = ~0ULL,
	};
	long rc = __raw(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg);

	*start = arg.start_addr;
	return rc;
}

long __remove(int container, uint64_t start)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.argsz = sizeof(arg),
		.start_addr = start,
	};

	return __raw(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg);
}

long __map(int container, const void *va, uint64_t iova, uint64_t size,
	   uint32_t flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = size,
	};

	return __raw(container, VFIO_IOMMU_MAP_DMA, &arg);
}

long __unmap(int container, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.iova = iova,
		.size = size,
	};

	return __raw(container, VFIO_IOMMU_UNMAP_DMA, &arg);
}

/* INJECT_ERR has a command of its own: it takes the longer structure. */
long __eeh(int container, uint32_t op)
{
	struct vfio_eeh_pe_op arg = {
		.argsz = offsetof(struct vfio_eeh_pe_op, op) + sizeof(arg.op),
		.op = op,
	};

	return __raw(container, VFIO_EEH_PE_OP, &arg);
}

/*
 * PowerNV allocates whole pages for each level and twice, for the hardware and
 * for user addresses; pseries accounts for the single view in this kernel.
 */
uint64_t table_bytes(unsigned int shift, uint64_t size, unsigned int levels)
{
	uint64_t entries = size >> shift, level, total = 0, part;
	unsigned int entry_shift = 0;

	if (!host.powernv)
		return entries * 8 / host.page * host.page;

	while ((1ULL << entry_shift) < entries)
		entry_shift++;
	entry_shift = (entry_shift + levels - 1) / levels;
	level = 8ULL << entry_shift;
	if (level < host.page)
		level = host.page;
	for (part = entries * 8; levels; levels--) {
		part = (part + level - 1) / level * level;
		total += part;
		part = part / level * 8;
	}
	return 2 * total;
}

/* Levels are whole pages, and hardware has 55 address bits for all of them. */
bool levels_fit(unsigned int shift, uint64_t size, unsigned int levels)
{
	unsigned int page_bits = __builtin_ctzl(host.page) - 3;
	unsigned int bits = __builtin_ctzll(size) - shift;

	bits = (bits + levels - 1) / levels;
	if (bits < page_bits)
		bits = page_bits;
	return bits * levels + shift < 55;
}
