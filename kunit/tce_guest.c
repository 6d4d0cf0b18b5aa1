// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM at a table, played by the thread of the case, see tce_guest.h.
 */
#include <linux/module.h>

#include <asm/mmu_context.h>

#include "tce_guest.h"

/* A container and a table that KVM has as well, with memory of the guest's. */
void kvm_set_up(struct kunit *test, struct kvm_setup *s, bool v2)
{
	struct tce_fixture *fx = test->priv;

	fx->mock->kvm = true;
	tce_watch(fx);
	s->ua = tce_plain(fx, KVM_MEMORY);
	if (v2) {
		s->client = tce_ready_window(fx, 12, SZ_64M, 1, &s->grp);
		KUNIT_ASSERT_EQ(test, tce_register(s->client, s->ua, KVM_MEMORY),
				0);
	} else {
		s->client = tce_ready(fx, false, &s->grp);
		KUNIT_ASSERT_EQ(test, tce_unmap(s->client, 0, SZ_4K), 0);
	}
	s->tbl = s->grp->tg.tables[0];
}

/* The old mapping of an entry is counted no more, if KVM finds it. */
bool kvm_uncount(struct kvm_setup *s, unsigned long entry)
{
	__be64 *cell = s->tbl->it_ops->useraddrptr(s->tbl, entry, false);
	struct mm_iommu_table_group_mem_t *mem;

	if (!cell)
		return true;
	mem = mm_iommu_lookup(current->mm, be64_to_cpu(*cell), SZ_4K);
	if (!mem)
		return false;
	mm_iommu_mapped_dec(mem);
	*cell = 0;
	return true;
}

/* The first half of kvm_put(): a page in an entry, whose cell says nothing of it yet. */
bool kvm_put_entry(struct kvm_setup *s, unsigned long entry, unsigned long ua)
{
	__be64 *cell = s->tbl->it_ops->useraddrptr(s->tbl, entry, true);
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long hpa;

	if (!cell)
		return false;
	mem = mm_iommu_lookup(current->mm, ua, SZ_4K);
	if (!mem || mm_iommu_ua_to_hpa(mem, ua, 12, &hpa) ||
	    mm_iommu_mapped_inc(mem))
		return false;
	s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &hpa, &dir);
	if (dir != DMA_NONE)
		kvm_uncount(s, entry);
	return true;
}

/* The second half */
void kvm_puts_cell(void *data)
{
	struct kvm_taken *put = data;
	struct iommu_table *tbl = put->s->tbl;

	*tbl->it_ops->useraddrptr(tbl, put->entry, true) = cpu_to_be64(put->ua);
	iommu_tce_kill(tbl, put->entry, 1);
}

/* A guest puts a page of its memory into an entry. Return: KVM could do it. */
bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua)
{
	struct kvm_taken put = { .s = s, .entry = entry, .ua = ua };

	if (!kvm_put_entry(s, entry, ua))
		return false;
	kvm_puts_cell(&put);
	return true;
}

/* A guest empties an entry; KVM puts it back if it does not know the page. */
void kvm_clear(struct kvm_setup *s, unsigned long entry)
{
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;

	s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &hpa, &dir);
	if (dir != DMA_NONE && !kvm_uncount(s, entry))
		s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &hpa, &dir);
	iommu_tce_kill(s->tbl, entry, 1);
}

/* H_PUT_TCE of what KVM can't map or uncount: it empties the entry. */
void kvm_takes(void *data)
{
	struct kvm_taken *taken = data;
	struct iommu_table *tbl = taken->s->tbl;
	unsigned long hpa = 0;

	taken->dir = DMA_NONE;
	tbl->it_ops->xchg_no_kill(tbl, taken->entry, &hpa, &taken->dir);
	iommu_tce_kill(tbl, taken->entry, 1);
}

/* H_PUT_TCE of a page of the guest's. */
void kvm_puts(void *data)
{
	struct kvm_taken *put = data;

	put->dir = kvm_put(put->s, put->entry, put->ua) ? DMA_BIDIRECTIONAL :
							  DMA_NONE;
}

/* All regions can be given back: nothing is counted that is not there. */
void kvm_expect_free(struct kunit *test, struct kvm_setup *s)
{
	struct tce_fixture *fx = test->priv;

	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s->client, s->ua, KVM_MEMORY), 0);
}

/* Who keeps the module from being unloaded. Built in, it stays in any case: 0. */
int kvm_module_users(void)
{
#ifdef MODULE
	return module_refcount(THIS_MODULE);
#else
	return 0;
#endif
}

/* ... are so many, if it is a module. */
void kvm_expect_module_users(struct kunit *test, int users)
{
#ifdef MODULE
	KUNIT_EXPECT_EQ(test, kvm_module_users(), users);
#endif
}
