/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO sPAPR TCE API as the tests speak it, by numbers of files.
 *
 * Each operation exists twice: __x() returns what the kernel returned or
 * -errno, and x() fails the test unless that is 0.
 */
#ifndef SELFTESTS_VFIO_H
#define SELFTESTS_VFIO_H

#include <errno.h>
#include <linux/vfio.h>
#include <stdint.h>

#include "host.h"
#include "result.h"

#define V1_IOMMU	VFIO_SPAPR_TCE_IOMMU
#define V2_IOMMU	VFIO_SPAPR_TCE_v2_IOMMU

#define R		VFIO_DMA_MAP_FLAG_READ
#define W		VFIO_DMA_MAP_FLAG_WRITE
#define RW		(R | W)

/* Bit 59 selects the second window on PowerNV. */
#define SECOND_WINDOW	(1ULL << 59)

/* Files */
int open_container(void);
int __open_group(int device);
int open_group(int device);
/* A group that can't be opened, as while somebody has it, or -1 */
int busy_group(void);
long __set_container(int group, int container);
long __unset_container(int group);
long __set_iommu(int container, long type);
long __check_extension(int container, long extension);
#define set_container(g, c)	expect_rc(0, __set_container(g, c))
#define unset_container(g)	expect_rc(0, __unset_container(g))
#define set_iommu(c, type)	expect_rc(0, __set_iommu(c, type))

/* The commands of the container */
long __get_info(int container, struct vfio_iommu_spapr_tce_info *info);
long __enable(int container);
long __disable(int container);
long __register(int container, const void *va, uint64_t size);
long __unregister(int container, const void *va, uint64_t size);
long __create(int container, uint32_t shift, uint64_t size, uint32_t levels,
	      uint64_t *start);
long __remove(int container, uint64_t start);
long __map(int container, const void *va, uint64_t iova, uint64_t size,
	   uint32_t flags);
long __unmap(int container, uint64_t iova, uint64_t size);
long __eeh(int container, uint32_t op);
long __raw(int fd, unsigned long cmd, void *arg);

#define get_info(c, info)	expect_rc(0, __get_info(c, info))
#define enable(c)		expect_rc(0, __enable(c))
#define disable(c)		expect_rc(0, __disable(c))
#define register_mem(...)	expect_rc(0, __register(__VA_ARGS__))
#define unregister_mem(...)	expect_rc(0, __unregister(__VA_ARGS__))
#define create(...)		expect_rc(0, __create(__VA_ARGS__))
#define remove_window(...)	expect_rc(0, __remove(__VA_ARGS__))
#define map(...)		expect_rc(0, __map(__VA_ARGS__))
#define unmap(...)		expect_rc(0, __unmap(__VA_ARGS__))

/* The tables that a window of this size needs, as libvirt accounts for them. */
uint64_t table_bytes(unsigned int shift, uint64_t size, unsigned int levels);

/* Can hardware have that many levels? */
bool levels_fit(unsigned int shift, uint64_t size, unsigned int levels);

#endif
