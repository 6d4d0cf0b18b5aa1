// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of the process.
 *
 * User memory has a stamp in every 4K, which is its own address with a few more bits.
 * So what is at the address in an entry shows which memory the device reaches, whoever
 * has mapped it.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "tce_fixture.h"

#define UA_ALIGN	SZ_16M

static char *hugetlb = "/dev/hugepages";
module_param(hugetlb, charp, 0444);
MODULE_PARM_DESC(hugetlb, "where hugetlbfs is mounted");

void tce_stamp(unsigned long ua, unsigned long size)
{
	unsigned long at;

	for (at = 0; at < size; at += SZ_4K) {
		u64 value = TCE_STAMP | (ua + at);

		if (copy_to_user((void __user *)(ua + at), &value,
				 sizeof(value)))
			pr_warn("no user memory at %lx\n", ua + at);
		cond_resched();
	}
}

/* Put other memory, private and anonymous, in the place of what is there. */
void tce_renew(struct tce_fixture *fx, unsigned long ua, unsigned long size)
{
	KUNIT_ASSERT_EQ(fx->test, vm_mmap(NULL, ua, size, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0), ua);
	tce_stamp(ua, size);
}

/*
 * Move the pages behind neighbouring addresses apart: other memory is touched
 * between them.
 */
static void scatter(unsigned long ua, unsigned long size, unsigned long other)
{
	unsigned long at;

	for (at = 0; at < size; at += PAGE_SIZE) {
		tce_stamp(other + at, PAGE_SIZE);
		tce_stamp(ua + size - PAGE_SIZE - at, PAGE_SIZE);
	}
}

/* Are two of the pages neighbours all the same, as what other cases have left may be? */
static bool has_neighbours(struct tce_fixture *fx, unsigned long ua, unsigned long size)
{
	unsigned long at, pfn, last = 0;

	for (at = 0; at < size; at += PAGE_SIZE, last = pfn) {
		pfn = page_to_pfn(tce_page(fx, ua + at));
		if (pfn == last + 1)
			return true;
	}
	return false;
}

static unsigned long map_user(struct tce_fixture *fx, struct file *file,
			      unsigned long size, unsigned long prot,
			      unsigned long flags)
{
	unsigned long ua = fx->next_ua;

	ua = vm_mmap(file, ua, size, prot, flags | MAP_FIXED, 0);
	if (IS_ERR_VALUE(ua))
		return 0;
	/* never adjacent, so that what is one byte too long is seen */
	fx->next_ua = round_up(ua + size + 1, UA_ALIGN);
	return ua;
}

/* Anonymous memory in pages of the CPU's, whatever the machine likes best. */
static unsigned long map_small(struct tce_fixture *fx, unsigned long size)
{
	unsigned long ua = map_user(fx, NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS);

	if (ua) {
		mmap_write_lock(fx->mm);
		vm_flags_set(find_vma(fx->mm, ua), VM_NOHUGEPAGE);
		mmap_write_unlock(fx->mm);
	}
	return ua;
}

static struct file *open_hugetlb(void)
{
	struct file *file;
	char path[64];

	snprintf(path, sizeof(path), "%s/tce_kunit", hugetlb);
	file = filp_open(path, O_RDWR | O_CREAT, 0600);
	if (!IS_ERR(file) && !is_file_hugepages(file)) {
		fput(file);
		return ERR_PTR(-ENODEV);
	}
	return file;
}

/*
 * Get a piece of user memory. It is stamped (see the top of the file) if its kind can be
 * written, starts at a multiple of 16M, and nothing is mapped before and after it. It lives as
 * long as the process. Return: its address; 0 if this machine has no such memory.
 */
unsigned long tce_memory(struct tce_fixture *fx, enum tce_mem_kind kind,
			 unsigned long size)
{
	unsigned long private = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long rw = PROT_READ | PROT_WRITE;
	unsigned long ua = 0, other;
	struct file *file;
	int tries;

	switch (kind) {
	case TCE_MEM_PLAIN:
		ua = map_small(fx, size);
		break;
	case TCE_MEM_THP:
		ua = map_user(fx, NULL, size, rw, private);
		break;
	case TCE_MEM_SCATTERED:
		for (tries = 0; tries < 16; tries++) {
			other = map_small(fx, size);
			ua = map_small(fx, size);
			if (!ua || !other)
				return 0;
			scatter(ua, size, other);
			if (!has_neighbours(fx, ua, size))
				break;
		}
		break;
	case TCE_MEM_SHARED:
		ua = map_user(fx, NULL, size, rw, MAP_SHARED | MAP_ANONYMOUS);
		break;
	case TCE_MEM_HUGETLB:
		file = open_hugetlb();
		if (IS_ERR(file))
			return 0;
		ua = map_user(fx, file, size, rw, MAP_SHARED);
		fput(file);
		break;
	}
	if (ua)
		tce_stamp(ua, size);
	return ua;
}

/* Get a piece of user memory that is nothing special. */
unsigned long tce_plain(struct tce_fixture *fx, unsigned long size)
{
	unsigned long ua = tce_memory(fx, TCE_MEM_PLAIN, PAGE_ALIGN(size));

	KUNIT_ASSERT_NE(fx->test, ua, 0);
	return ua;
}

/* The page behind a user address. Return: the page, on which no reference is held. */
struct page *tce_page(struct tce_fixture *fx, unsigned long ua)
{
	struct page *page;

	KUNIT_ASSERT_EQ(fx->test, get_user_pages_fast(ua, 1, 0, &page), 1);
	put_page(page);
	return page;
}

/*
 * Count the references to a page. A new page may also be in a batch for the LRU lists, whose
 * reference is not counted.
 */
int tce_holders(struct page *page)
{
	int n;
	bool lru;

	do {
		lru = PageLRU(page);
		n = page_count(page) - !lru;
	} while (PageLRU(page) != lru);
	return n;
}

/*
 * The next memory may have pages of another size. The hash MMU wants all pages of 256M to be of
 * one size.
 */
void tce_apart(struct tce_fixture *fx)
{
	fx->next_ua = round_up(fx->next_ua, SZ_256M);
}
