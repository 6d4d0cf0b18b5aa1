/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists and arrays: what kernels before 6.3, and 6.6, lack. */
#ifndef TCE_COMPAT_LIST_H
#define TCE_COMPAT_LIST_H

#include <linux/compiler.h>
#include <linux/list.h>

#include "found.inc"

#ifndef __counted_by
#define __counted_by(...)
#endif

#ifndef TCE_HAS_LIST_COUNT
/**
 * list_count_nodes() - how long is a list?
 * @head: the list
 *
 * Return: its entries.
 */
static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *at;
	size_t n = 0;

	list_for_each(at, head)
		n++;
	return n;
}
#endif

#endif /* TCE_COMPAT_LIST_H */
