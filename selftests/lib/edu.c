// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's "edu" device as a DMA engine.
 *
 * Its registers have the endianness of the emulated target, which for POWER
 * means big endian even under a little endian kernel; later QEMU versions may
 * say otherwise, so the identification register decides.
 */
#define _GNU_SOURCE
#include <byteswap.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edu.h"
#include "host.h"
#include "mem.h"
#include "result.h"
#include "vfio.h"

#define EDU_ID			0x00
#define  EDU_ID_VALUE		0x010000edu
#define EDU_SRC			0x80
#define EDU_DST			0x88
#define EDU_COUNT		0x90
#define EDU_CMD			0x98
#define  EDU_CMD_START		0x1
#define  EDU_CMD_TO_MEMORY	0x2
#define  EDU_CMD_AGAIN		0x8	/* scripts/image/qemu/edu-repeat.patch */
#define EDU_BUFFER		0x40000

#define PCI_COMMAND		0x04
#define  PCI_COMMAND_MEMORY	0x2
#define  PCI_COMMAND_MASTER	0x4

#define BAR_SIZE		0x1000	/* more than the registers need */

static void reg_write(struct edu *edu, unsigned int reg, uint64_t val)
{
	__sync_synchronize();
	*(volatile uint64_t *)(edu->bar + reg) = edu->swap ? bswap_64(val) : val;
	__sync_synchronize();
}

static uint32_t reg_read(struct edu *edu, unsigned int reg)
{
	uint32_t val;

	__sync_synchronize();
	val = *(volatile uint32_t *)(edu->bar + reg);
	__sync_synchronize();
	return edu->swap ? bswap_32(val) : val;
}

static void wait_idle(struct edu *edu)
{
	int i;

	/* A transfer takes 100 ms of the emulated machine's time. */
	for (i = 0; i < 2000; i++) {
		if (!(reg_read(edu, EDU_CMD) & EDU_CMD_START))
			return;
		nap(5);
	}
	fail(__FILE__, __LINE__, "the DMA engine does not finish");
}

static size_t bar_size(void)
{
	return BAR_SIZE > host.page ? BAR_SIZE : host.page;
}

/* @config: where the file has the device's configuration, which is little endian, by bytes */
static bool enable_dma(int fd, off_t config)
{
	uint8_t cmd;

	if (pread(fd, &cmd, 1, config + PCI_COMMAND) != 1)
		return false;
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return pwrite(fd, &cmd, 1, config + PCI_COMMAND) == 1;
}

/* @bar: where the file has the registers */
static int edu_start(struct edu *edu, int fd, off_t bar)
{
	edu->fd = fd;
	edu->bar = mmap(NULL, bar_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, bar);
	if (edu->bar == MAP_FAILED)
		return -EIO;
	edu->swap = false;
	if (reg_read(edu, EDU_ID) != EDU_ID_VALUE) {
		edu->swap = true;
		if (reg_read(edu, EDU_ID) != EDU_ID_VALUE)
			return -ENXIO;
	}
	/* A process that was killed may have left a transfer on its way. */
	edu_stop(edu);
	return 0;
}

int edu_open(struct edu *edu, int group, int device)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, host.device[device].pci);

	if (fd < 0)
		return -errno;
	region.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region) || !enable_dma(fd, region.offset))
		return -EIO;
	region.index = VFIO_PCI_BAR0_REGION_INDEX;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		return -EIO;
	return edu_start(edu, fd, region.offset);
}

/* As the host has it, with no VFIO. For root, while nobody has the device open. */
int edu_open_host(struct edu *edu, int device)
{
	const char *pci = host.device[device].pci;
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", pci);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !enable_dma(fd, 0))
		return -EIO;
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", pci);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : edu_start(edu, fd, 0);
}

void edu_close(struct edu *edu)
{
	munmap((void *)edu->bar, bar_size());
	close(edu->fd);
}

static void start(struct edu *edu, uint64_t src, uint64_t dst, size_t len,
		  uint64_t cmd)
{
	expect(len <= EDU_MAX);
	reg_write(edu, EDU_SRC, src);
	reg_write(edu, EDU_DST, dst);
	reg_write(edu, EDU_COUNT, len);
	reg_write(edu, EDU_CMD, cmd | EDU_CMD_START);
}

static void transfer(struct edu *edu, uint64_t src, uint64_t dst, size_t len,
		     uint64_t cmd)
{
	start(edu, src, dst, len, cmd);
	wait_idle(edu);
}

/* The device reads memory at @iova into its buffer at @off. */
void edu_read(struct edu *edu, uint64_t iova, unsigned int off, size_t len)
{
	transfer(edu, iova, EDU_BUFFER + off, len, 0);
}

/* The device writes memory at @iova from its buffer at @off. */
void edu_write(struct edu *edu, uint64_t iova, unsigned int off, size_t len)
{
	transfer(edu, EDU_BUFFER + off, iova, len, EDU_CMD_TO_MEMORY);
}

void edu_keep_writing(struct edu *edu, uint64_t iova, unsigned int off, size_t len)
{
	start(edu, EDU_BUFFER + off, iova, len, EDU_CMD_TO_MEMORY | EDU_CMD_AGAIN);
}

void edu_stop(struct edu *edu)
{
	reg_write(edu, EDU_CMD, 0);
	wait_idle(edu);
}

void edu_copy(struct edu *edu, uint64_t from, uint64_t to, size_t len)
{
	edu_read(edu, from, 0, len);
	edu_write(edu, to, 0, len);
}
