/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that only the linker refers to, see tce_wrap.c. */
#ifndef TCE_KUNIT_WRAP_H
#define TCE_KUNIT_WRAP_H

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <asm/eeh.h>
#include <asm/hvcall.h>
#include <asm/mmu_context.h>

#include "../compat/vfio_ops.h"

/* What the driver has registered: the way into it */
extern const struct vfio_iommu_driver_ops *tce_driver;

/* What the driver calls instead of the kernel's, and the kernel's own where that is called */
typeof(vfio_register_iommu_driver) __wrap_vfio_register_iommu_driver;
typeof(vfio_unregister_iommu_driver) __wrap_vfio_unregister_iommu_driver;

typeof(__kmalloc_cache_noprof) __wrap___kmalloc_cache_noprof, __real___kmalloc_cache_noprof;

typeof(pin_user_pages_fast) __wrap_pin_user_pages_fast, __real_pin_user_pages_fast;
typeof(pin_user_pages) __wrap_pin_user_pages, __real_pin_user_pages;
typeof(unpin_user_page) __wrap_unpin_user_page, __real_unpin_user_page;
typeof(unpin_user_pages) __wrap_unpin_user_pages, __real_unpin_user_pages;
typeof(unpin_user_pages_dirty_lock) __wrap_unpin_user_pages_dirty_lock,
				    __real_unpin_user_pages_dirty_lock;
typeof(unpin_user_page_range_dirty_lock) __wrap_unpin_user_page_range_dirty_lock,
					 __real_unpin_user_page_range_dirty_lock;
typeof(unpin_user_folio) __wrap_unpin_user_folio, __real_unpin_user_folio;

typeof(mm_iommu_new) __wrap_mm_iommu_new, __real_mm_iommu_new;
typeof(mm_iommu_put) __wrap_mm_iommu_put, __real_mm_iommu_put;
typeof(mm_iommu_lookup) __wrap_mm_iommu_lookup, __real_mm_iommu_lookup;
typeof(mm_iommu_mapped_inc) __wrap_mm_iommu_mapped_inc, __real_mm_iommu_mapped_inc;
typeof(mm_iommu_mapped_dec) __wrap_mm_iommu_mapped_dec, __real_mm_iommu_mapped_dec;

typeof(plpar_hcall_norets) __wrap_plpar_hcall_norets;
typeof(pci_lock_rescan_remove) __wrap_pci_lock_rescan_remove, __real_pci_lock_rescan_remove;

typeof(eeh_iommu_group_to_pe) __wrap_eeh_iommu_group_to_pe;
typeof(eeh_pe_set_option) __wrap_eeh_pe_set_option;
typeof(eeh_pe_get_state) __wrap_eeh_pe_get_state;
typeof(eeh_pe_reset) __wrap_eeh_pe_reset;
typeof(eeh_pe_configure) __wrap_eeh_pe_configure;
typeof(eeh_pe_inject_err) __wrap_eeh_pe_inject_err;

#endif /* TCE_KUNIT_WRAP_H */
