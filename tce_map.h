/* SPDX-License-Identifier: GPL-2.0-only */
/* MAP: take hold of memory, write entries, and invalidate them. */
#ifndef TCE_MAP_H
#define TCE_MAP_H

#include <linux/dma-direction.h>

struct tce_pins;
struct tce_table;

int tce_table_map(struct tce_table *table, unsigned long first,
		  unsigned long ua, unsigned long n,
		  enum dma_data_direction dir, struct tce_pins *pins);

#endif /* TCE_MAP_H */
