/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that only the linker refers to, see tce_wrap.c. */
#ifndef TCE_KUNIT_WRAP_H
#define TCE_KUNIT_WRAP_H

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <asm/eeh.h>
#include <asm/hvcall.h>
#include <asm/mmu_context.h>

#include "../compat/vfio_ops.h"

/* What the driver has registered: the way into it */
extern const struct vfio_iommu_driver_ops *tce_driver;

/*
 * What the driver calls instead of the kernel's, and the kernel's own where that is called. Without
 * "extern", sparse takes them for variables.
 */
extern typeof(vfio_register_iommu_driver) __wrap_vfio_register_iommu_driver;
extern typeof(vfio_unregister_iommu_driver) __wrap_vfio_unregister_iommu_driver;

extern typeof(__kmalloc_cache_noprof) __wrap___kmalloc_cache_noprof, __real___kmalloc_cache_noprof;
extern typeof(__kmalloc_noprof) __wrap___kmalloc_noprof, __real___kmalloc_noprof;
extern typeof(__kvmalloc_node_noprof) __wrap___kvmalloc_node_noprof,
				      __real___kvmalloc_node_noprof;

extern typeof(pin_user_pages_fast) __wrap_pin_user_pages_fast, __real_pin_user_pages_fast;
extern typeof(pin_user_pages) __wrap_pin_user_pages, __real_pin_user_pages;
extern typeof(unpin_user_page) __wrap_unpin_user_page, __real_unpin_user_page;
extern typeof(unpin_user_pages) __wrap_unpin_user_pages, __real_unpin_user_pages;
extern typeof(unpin_user_pages_dirty_lock) __wrap_unpin_user_pages_dirty_lock,
					   __real_unpin_user_pages_dirty_lock;
extern typeof(unpin_user_page_range_dirty_lock) __wrap_unpin_user_page_range_dirty_lock,
						__real_unpin_user_page_range_dirty_lock;
extern typeof(unpin_user_folio) __wrap_unpin_user_folio, __real_unpin_user_folio;

extern typeof(mm_iommu_new) __wrap_mm_iommu_new, __real_mm_iommu_new;
extern typeof(mm_iommu_put) __wrap_mm_iommu_put, __real_mm_iommu_put;
extern typeof(mm_iommu_lookup) __wrap_mm_iommu_lookup, __real_mm_iommu_lookup;
extern typeof(mm_iommu_mapped_inc) __wrap_mm_iommu_mapped_inc, __real_mm_iommu_mapped_inc;
extern typeof(mm_iommu_mapped_dec) __wrap_mm_iommu_mapped_dec, __real_mm_iommu_mapped_dec;

extern typeof(mmu_interval_notifier_insert) __wrap_mmu_interval_notifier_insert,
					    __real_mmu_interval_notifier_insert;

extern typeof(plpar_hcall_norets) __wrap_plpar_hcall_norets;
extern typeof(plpar_hcall) __wrap_plpar_hcall;
extern typeof(synchronize_rcu) __wrap_synchronize_rcu, __real_synchronize_rcu;
#ifdef CONFIG_TASKS_RCU
extern typeof(synchronize_rcu_tasks) __wrap_synchronize_rcu_tasks, __real_synchronize_rcu_tasks;
#endif
extern typeof(wait_for_completion_killable_timeout)
	__wrap_wait_for_completion_killable_timeout,
	__real_wait_for_completion_killable_timeout;
extern typeof(pci_lock_rescan_remove) __wrap_pci_lock_rescan_remove, __real_pci_lock_rescan_remove;

extern typeof(eeh_iommu_group_to_pe) __wrap_eeh_iommu_group_to_pe;
extern typeof(eeh_pe_set_option) __wrap_eeh_pe_set_option;
extern typeof(eeh_pe_get_state) __wrap_eeh_pe_get_state;
extern typeof(eeh_pe_reset) __wrap_eeh_pe_reset;
extern typeof(eeh_pe_configure) __wrap_eeh_pe_configure;
extern typeof(eeh_pe_inject_err) __wrap_eeh_pe_inject_err;

#endif /* TCE_KUNIT_WRAP_H */
