/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory: what Linux 6.1 lacks. */
#ifndef TCE_COMPAT_MM_H
#define TCE_COMPAT_MM_H

#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/version.h>

/* Since 6.8; MAX_ORDER was one more then */
#ifndef MAX_PAGE_ORDER
#define MAX_PAGE_ORDER	(MAX_ORDER - 1)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
/**
 * unpin_user_folio() - let go of pins of one folio
 * @folio: the folio
 * @npages: pins
 */
static inline void unpin_user_folio(struct folio *folio, unsigned long npages)
{
	while (npages--)
		unpin_user_page(&folio->page);
}
#endif

#endif /* TCE_COMPAT_MM_H */
