// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_page.ko: keeps the lock of a page for as long as it likes, as a FUSE server can.
 *
 * "echo PFN >parameters/pfn" locks the page with that number, and 0 unlocks it.
 *
 * Used by selftests/waits.c, built by scripts/image/build-selftests.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>

static struct folio *folio;

static int set(const char *val, const struct kernel_param *kp)
{
	unsigned long pfn;
	int rc = kstrtoul(val, 0, &pfn);

	if (rc)
		return rc;
	if (folio) {
		folio_unlock(folio);
		folio_put(folio);
		folio = NULL;
	}
	if (!pfn)
		return 0;
	folio = page_folio(pfn_to_page(pfn));
	folio_get(folio);
	folio_lock(folio);
	/* so that whoever unpins it has to mark it, which takes the lock */
	folio_clear_dirty(folio);
	return 0;
}

static const struct kernel_param_ops pfn_ops = { .set = set };

module_param_cb(pfn, &pfn_ops, NULL, 0200);
MODULE_PARM_DESC(pfn, "the page to lock, or 0");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Keep a page locked");
