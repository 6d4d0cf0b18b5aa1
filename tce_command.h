/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands: what each ioctl does. */
#ifndef TCE_COMMAND_H
#define TCE_COMMAND_H

#include <linux/dma-direction.h>
#include <linux/types.h>
#include <linux/vfio.h>

struct tce_container;

long tce_command_do(struct tce_container *container, unsigned int cmd,
		    unsigned long arg);

/**
 * tce_map_dir() - the DMA direction of a MAP
 * @flags: VFIO_DMA_MAP_FLAG_*
 *
 * Return: the direction; DMA_NONE if the flags are not valid.
 */
static __always_inline enum dma_data_direction tce_map_dir(u32 flags)
{
	switch (flags) {
	case VFIO_DMA_MAP_FLAG_READ:
		return DMA_TO_DEVICE;
	case VFIO_DMA_MAP_FLAG_WRITE:
		return DMA_FROM_DEVICE;
	case VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE:
		return DMA_BIDIRECTIONAL;
	default:
		return DMA_NONE;
	}
}

#endif /* TCE_COMMAND_H */
