/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that only the linker refers to, see tce_wrap.c. */
#ifndef TCE_KUNIT_WRAP_H
#define TCE_KUNIT_WRAP_H

#include <linux/mm_types.h>
#include <linux/types.h>

#include "../compat/vfio_ops.h"

struct eeh_pe;
struct folio;
struct kmem_cache;
struct mm_iommu_table_group_mem_t;
struct mm_struct;

/* What the driver has registered: the way into it */
extern const struct vfio_iommu_driver_ops *tce_driver;

int __wrap_vfio_register_iommu_driver(const struct vfio_iommu_driver_ops *ops);
void
__wrap_vfio_unregister_iommu_driver(const struct vfio_iommu_driver_ops *ops);

void *__real___kmalloc_cache_noprof(struct kmem_cache *s, gfp_t flags,
				    size_t size);
void *__wrap___kmalloc_cache_noprof(struct kmem_cache *s, gfp_t flags,
				    size_t size);

int __real_pin_user_pages_fast(unsigned long start, int nr_pages,
			       unsigned int gup_flags, struct page **pages);
int __wrap_pin_user_pages_fast(unsigned long start, int nr_pages,
			       unsigned int gup_flags, struct page **pages);
long __real_pin_user_pages(unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages);
long __wrap_pin_user_pages(unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages);
void __real_unpin_user_page(struct page *page);
void __wrap_unpin_user_page(struct page *page);
void __real_unpin_user_pages(struct page **pages, unsigned long npages);
void __wrap_unpin_user_pages(struct page **pages, unsigned long npages);
void __real_unpin_user_pages_dirty_lock(struct page **pages,
					unsigned long npages, bool make_dirty);
void __wrap_unpin_user_pages_dirty_lock(struct page **pages,
					unsigned long npages, bool make_dirty);
void __real_unpin_user_page_range_dirty_lock(struct page *page,
					     unsigned long npages,
					     bool make_dirty);
void __wrap_unpin_user_page_range_dirty_lock(struct page *page,
					     unsigned long npages,
					     bool make_dirty);
void __real_unpin_user_folio(struct folio *folio, unsigned long npages);
void __wrap_unpin_user_folio(struct folio *folio, unsigned long npages);

long __real_mm_iommu_new(struct mm_struct *mm, unsigned long ua,
			 unsigned long entries,
			 struct mm_iommu_table_group_mem_t **pmem);
long __wrap_mm_iommu_new(struct mm_struct *mm, unsigned long ua,
			 unsigned long entries,
			 struct mm_iommu_table_group_mem_t **pmem);
long __real_mm_iommu_put(struct mm_struct *mm,
			 struct mm_iommu_table_group_mem_t *mem);
long __wrap_mm_iommu_put(struct mm_struct *mm,
			 struct mm_iommu_table_group_mem_t *mem);
long __real_mm_iommu_mapped_inc(struct mm_iommu_table_group_mem_t *mem);
long __wrap_mm_iommu_mapped_inc(struct mm_iommu_table_group_mem_t *mem);
void __real_mm_iommu_mapped_dec(struct mm_iommu_table_group_mem_t *mem);
void __wrap_mm_iommu_mapped_dec(struct mm_iommu_table_group_mem_t *mem);

long __wrap_plpar_hcall_norets(unsigned long opcode, ...);

void __real_pci_lock_rescan_remove(void);
void __wrap_pci_lock_rescan_remove(void);

struct eeh_pe *__wrap_eeh_iommu_group_to_pe(struct iommu_group *group);
int __wrap_eeh_pe_set_option(struct eeh_pe *pe, int option);
int __wrap_eeh_pe_get_state(struct eeh_pe *pe);
int __wrap_eeh_pe_reset(struct eeh_pe *pe, int option, bool include_passed);
int __wrap_eeh_pe_configure(struct eeh_pe *pe);
int __wrap_eeh_pe_inject_err(struct eeh_pe *pe, int type, int func,
			     unsigned long addr, unsigned long mask);

#endif /* TCE_KUNIT_WRAP_H */
