/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TCE_PREREG_H
#define TCE_PREREG_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <asm/mmu_context.h>

#include "tce_mm.h"
#include "tce_trace.h"

/*
 * The book of a region: where its pages are, and their pins (v2).
 *
 * A region has a word for each grain, which is an aligned range of TCE_GRAIN bytes. If the pages
 * of the grain are contiguous in one folio, the word is the hpa of the grain, and one pin holds
 * them and those of the next grains in the same folio. Otherwise the word points to an array of
 * the pages, each of which has a pin. No page of hugetlbfs is smaller than a grain.
 */

/* Set in a word that points to an array of pages, which begins with the grain's first page */
#define TCE_BOOK_ARRAY		1UL

#define TCE_GRAIN_SHIFT		21
#define TCE_GRAIN		BIT(TCE_GRAIN_SHIFT)

int tce_book_pin(unsigned long *words, unsigned long ua, unsigned long npages,
		 unsigned int *page_shift);
void tce_book_unpin(unsigned long *words, unsigned long ua,
		    unsigned long npages, bool dirty);

/**
 * tce_book_words() - how many words does a region need?
 * @ua: first byte
 * @npages: CPU pages, at least 1
 *
 * Return: that.
 */
static inline unsigned long tce_book_words(unsigned long ua,
					   unsigned long npages)
{
	return ((ua + (npages << PAGE_SHIFT) - 1) >> TCE_GRAIN_SHIFT) -
		(ua >> TCE_GRAIN_SHIFT) + 1;
}

/**
 * tce_book_array() - the array of the pages of a grain
 * @word: its word
 *
 * Return: the array; NULL if the pages are contiguous.
 */
static __always_inline struct page **tce_book_array(unsigned long word)
{
	return word & TCE_BOOK_ARRAY ? (struct page **)(word ^ TCE_BOOK_ARRAY) :
				       NULL;
}

/**
 * tce_book_hpa() - where a byte of a region is
 * @word: the word of its grain
 * @ua: where user space sees it
 *
 * Return: its hpa.
 */
static __always_inline unsigned long tce_book_hpa(unsigned long word,
						  unsigned long ua)
{
	unsigned long offset = ua & (TCE_GRAIN - 1);
	struct page **pages = tce_book_array(word);

	if (unlikely(pages))
		return tce_page_hpa(pages[offset >> PAGE_SHIFT]) +
			offset_in_page(ua);
	return word + offset;
}

/*
 * A region: a range of user memory that is pinned before it is mapped (v2).
 *
 * "ua" is a userspace address, "hpa" a host physical address. An IOMMU page is what one
 * TCE maps, 2^shift bytes. It may be smaller or larger than the CPU's page (PAGE_SIZE).
 */

struct tce_account;

/**
 * struct tce_region - a range of user memory that is pinned for DMA
 * @node: in &tce_process.regions
 * @ua: first byte; page aligned
 * @npages: length in CPU pages
 * @regs: registrations of it; empty for an orphan; guarded by &tce_process.region_lock
 * @page_shift: log2 of the largest IOMMU page for which all backing pages are large enough
 * @written: some device may have written to it
 * @mem: the kernel's own entry if the region is listed, else NULL
 * @mapped: TCEs that map it, except for those of KVM, which @mem counts
 * @words: if not listed: where its pages are, see tce_book.h
 */
struct tce_region {
	struct rb_node node;
	unsigned long ua;
	unsigned long npages;
	struct list_head regs;
	unsigned int page_shift;
	bool written;
	struct mm_iommu_table_group_mem_t *mem;
	atomic64_t mapped;
	unsigned long words[];
};

/**
 * tce_region_end() - where a region ends
 * @region: the region
 *
 * Return: the first address behind it.
 */
static inline unsigned long tce_region_end(const struct tce_region *region)
{
	return region->ua + (region->npages << PAGE_SHIFT);
}

struct tce_region *tce_region_first(const struct tce_process *process,
				    unsigned long ua, unsigned long end);
void tce_region_insert(struct tce_process *process, struct tce_region *region);

bool tce_region_listable(const struct tce_process *process);
struct tce_region *tce_region_create(struct tce_process *process,
				     unsigned long ua, unsigned long npages,
				     bool listable);
void tce_region_free(struct tce_region *region, struct tce_account *account);
int tce_region_release(struct tce_process *process, struct tce_region *region);
void tce_region_abandon(struct tce_process *process, struct tce_region *region,
			struct tce_account *account);
int tce_region_unlist(struct tce_region *region);

long tce_region_get(struct tce_region *region, unsigned long ua,
		    unsigned long n, unsigned int shift, unsigned long *hpas);

/*
 * These are inline because a MAP or UNMAP of one entry would otherwise cost 2 % more, which on
 * pseries is nearly all of its lead over the kernel's own driver.
 */

/**
 * tce_region_find() - the region that has an address
 * @process: the process, with &tce_process.map_lock or &tce_process.region_lock held
 * @ua: the address
 *
 * Return: the region; NULL if there is none.
 */
static __always_inline struct tce_region *
tce_region_find(const struct tce_process *process, unsigned long ua)
{
	struct rb_node *node = process->regions.rb_node;

	while (node) {
		struct tce_region *region = rb_entry(node, struct tce_region,
						     node);

		if (ua < region->ua)
			node = node->rb_left;
		else if (ua >= tce_region_end(region))
			node = node->rb_right;
		else
			return region;
	}
	return NULL;
}

/**
 * tce_region_written() - a device is allowed to write to a region
 * @region: the region
 * @write: false if it may only read
 *
 * This is remembered until the region is released, when its pages are marked dirty.
 */
static __always_inline void tce_region_written(struct tce_region *region,
					       bool write)
{
	if (write && !READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
}

/**
 * tce_region_word() - the word of a grain
 * @region: the region, which is not listed
 * @ua: an address inside
 *
 * Return: where the word is.
 */
static __always_inline const unsigned long *
tce_region_word(const struct tce_region *region, unsigned long ua)
{
	return &region->words[(ua >> TCE_GRAIN_SHIFT) -
			      (region->ua >> TCE_GRAIN_SHIFT)];
}

/**
 * tce_region_hpa() - where a byte of a region is
 * @region: the region
 * @ua: an address inside
 *
 * Return: its hpa; 0 if the kernel's list does not have it, which would be a bug there.
 */
static __always_inline unsigned long
tce_region_hpa(const struct tce_region *region, unsigned long ua)
{
	unsigned long hpa;

	if (!region->mem)
		return tce_book_hpa(*tce_region_word(region, ua), ua);
	if (mm_iommu_ua_to_hpa(region->mem, ua, 0, &hpa))
		return 0;
	return hpa;
}

/**
 * tce_region_hold() - count TCEs by which MAP maps a region
 * @region: the region
 * @n: TCEs
 *
 * Undone by tce_region_drop(). Context: atomic. Caller holds &tce_process.map_lock.
 */
static __always_inline void tce_region_hold(struct tce_region *region,
					    unsigned long n)
{
	atomic64_add(n, &region->mapped);
}

/**
 * tce_region_drop() - undo tce_region_hold(), tce_region_get()
 * @region: the region
 * @n: TCEs that no longer map it
 *
 * Context: atomic. Caller holds &tce_process.map_lock.
 */
static __always_inline void tce_region_drop(struct tce_region *region,
					    unsigned long n)
{
	atomic64_sub(n, &region->mapped);
}

/**
 * tce_region_get_one() - tce_region_get() of one TCE
 * @region: the region
 * @ua: aligned to the IOMMU page
 * @shift: log2 of the IOMMU page
 * @hpa: the address is returned here
 *
 * Undone by tce_region_drop(). Context: atomic. Caller holds &tce_process.map_lock.
 *
 * Return: 0; -EINVAL as tce_region_get().
 */
static __always_inline int tce_region_get_one(struct tce_region *region,
					      unsigned long ua,
					      unsigned int shift,
					      unsigned long *hpa)
{
	unsigned long size = 1UL << shift;

	if (region->page_shift < shift || tce_region_end(region) - ua < size)
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	*hpa = tce_region_hpa(region, ua);
	/* the platform has a BUG_ON() for a misaligned address */
	if (unlikely(!*hpa || *hpa & (size - 1)))
		return TCE_REFUSE_VALUE(PAGE_TOO_SMALL, EINVAL,
					1UL << region->page_shift);
	tce_region_hold(region, 1);
	return 0;
}

/* Registrations: which container has registered which regions (v2). */

struct tce_account;
struct tce_region;

/**
 * struct tce_registered - what a container has registered
 * @process: whose memory it is
 * @account: what is charged
 * @regs: struct tce_registration; guarded by &tce_process.region_lock
 * @closed: nothing can be registered any more; guarded by &tce_process.region_lock
 */
struct tce_registered {
	struct tce_process *process;
	struct tce_account *account;
	struct list_head regs;
	bool closed;
};

/**
 * struct tce_registration - one container's use of a region
 * @in_registered: in &tce_registered.regs
 * @in_region: in &tce_region.regs
 * @of: whose it is
 * @region: what is registered
 */
struct tce_registration {
	struct list_head in_registered;
	struct list_head in_region;
	struct tce_registered *of;
	struct tce_region *region;
};

int tce_registration_add(struct tce_registered *registered, unsigned long ua,
			 unsigned long size);
int tce_registration_remove(struct tce_registered *registered, unsigned long ua,
			    unsigned long size,
			    int (*unmap)(struct tce_registered *registered,
					 const struct tce_region *region));
void tce_registration_remove_all(struct tce_registered *registered);

#endif /* TCE_PREREG_H */
