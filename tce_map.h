/* SPDX-License-Identifier: GPL-2.0-only */
/* MAP and UNMAP, and the commands that allow them. */
#ifndef TCE_MAP_H
#define TCE_MAP_H

#include <linux/dma-direction.h>
#include <linux/types.h>

#include "tce_container.h"

long tce_container_enable(struct tce_container *container);
long tce_container_disable(struct tce_container *container);
long tce_container_register(struct tce_container *container, u64 ua, u64 size);
long tce_container_unregister(struct tce_container *container, u64 ua, u64 size);
int tce_container_map(struct tce_container *container, u64 ioba, u64 ua, u64 size,
		      enum dma_data_direction dir);
int tce_container_unmap(struct tce_container *container, u64 ioba, u64 size);

#endif /* TCE_MAP_H */
