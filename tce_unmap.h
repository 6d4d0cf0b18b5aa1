/* SPDX-License-Identifier: GPL-2.0-only */
/* UNMAP: clear entries, invalidate them, and release what they held. */
#ifndef TCE_UNMAP_H
#define TCE_UNMAP_H

#include <linux/types.h>

struct tce_region;
struct tce_table;

int tce_table_unmap(struct tce_table *table, unsigned long first,
		    unsigned long n);
void tce_unmap_failed(struct tce_table *table, unsigned long first,
		      unsigned long n);
void tce_unmap_table(struct tce_table *table);
void tce_unmap_leftovers(struct tce_table *table);
int tce_unmap_region(struct tce_table *table, const struct tce_region *region);

#endif /* TCE_UNMAP_H */
