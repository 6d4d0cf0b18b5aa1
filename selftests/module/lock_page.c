// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_page.ko: keeps the lock of a page for as long as it likes, as a FUSE server can.
 *
 * Whoever writes PFN to /proc/lock_page has the page with that number locked until he closes the
 * file, or dies.
 *
 * Used by selftests/waits.c, built by scripts/image/build-selftests.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/proc_fs.h>

static ssize_t lock(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	struct folio *folio;
	unsigned long pfn;
	int rc = kstrtoul_from_user(buf, size, 0, &pfn);

	if (rc)
		return rc;
	if (file->private_data)
		return -EBUSY;
	folio = page_folio(pfn_to_page(pfn));
	folio_get(folio);
	folio_lock(folio);
	/* so that whoever unpins it has to mark it, which takes the lock */
	folio_clear_dirty(folio);
	file->private_data = folio;
	return size;
}

static int unlock(struct inode *inode, struct file *file)
{
	struct folio *folio = file->private_data;

	if (folio) {
		folio_unlock(folio);
		folio_put(folio);
	}
	return 0;
}

static const struct proc_ops ops = { .proc_write = lock, .proc_release = unlock };

static int __init lock_page_init(void)
{
	return proc_create("lock_page", 0200, NULL, &ops) ? 0 : -ENOMEM;
}
module_init(lock_page_init);

static void __exit lock_page_exit(void)
{
	remove_proc_entry("lock_page", NULL);
}
module_exit(lock_page_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Keep a page locked");
