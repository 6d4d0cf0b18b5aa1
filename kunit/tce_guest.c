// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM at a table, played by the thread of the case. See tce_guest.h.
 */
#include <kunit/test-bug.h>

#include <asm/mmu_context.h>

#include "../tce_container.h"
#include "../tce_region.h"
#include "tce_guest.h"

/* A container of v2 and a table that KVM has as well, with memory of the guest's. */
void kvm_set_up(struct kunit *test, struct kvm_setup *s)
{
	struct tce_fixture *fx = test->priv;

	tce_watch(fx);
	s->between = NULL;
	s->ua = tce_plain(fx, KVM_MEMORY);
	s->client = tce_ready_window(fx, 12, SZ_1M, 1, &s->grp);
	KUNIT_ASSERT_EQ(test, tce_register(s->client, s->ua, KVM_MEMORY), 0);
	s->tbl = s->grp->tg.tables[0];
}

/* The container goes. KVM may keep its table. */
void kvm_close(struct kvm_setup *s)
{
	struct tce_client *client = s->client;

	s->client = NULL;
	tce_close(client);
}

/*
 * Other processors go on while KVM does this: something else happens there, if the case wants it.
 */
static void kvm_step(struct kvm_setup *s)
{
	if (s->between && !s->steps--)
		s->between(s);
}

static long kvm_xchg(struct kvm_setup *s, unsigned long entry, unsigned long *hpa,
		     enum dma_data_direction *dir)
{
	long rc = iommu_tce_xchg_no_kill(current->mm, s->tbl, entry, hpa, dir);

	mock_direct(s->tbl, entry);
	return rc;
}

static void kvm_invalidate(struct kvm_setup *s, unsigned long entry, unsigned long n)
{
	kvm_step(s);
	iommu_tce_kill(s->tbl, entry, n);
	kvm_step(s);
}

/* kvmppc_tce_iommu_mapped_dec(). Return: false for H_TOO_HARD */
static bool kvm_uncount(struct kvm_setup *s, unsigned long entry)
{
	__be64 *pua = s->tbl->it_ops->useraddrptr(s->tbl, entry, false);
	struct mm_iommu_table_group_mem_t *mem;

	if (!pua)
		return true;
	kvm_step(s);
	mem = mm_iommu_lookup(current->mm, be64_to_cpu(*pua), SZ_4K);
	if (!mem)
		return false;
	kvm_step(s);
	mm_iommu_mapped_dec(mem);
	kvm_step(s);
	*pua = 0;
	return true;
}

/* kvmppc_tce_iommu_do_map() */
static bool kvm_do_map(struct kvm_setup *s, unsigned long entry, unsigned long ua)
{
	__be64 *pua = s->tbl->it_ops->useraddrptr(s->tbl, entry, true);
	unsigned int shift = s->tbl->it_page_shift;
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct mm_iommu_table_group_mem_t *mem;
	unsigned long hpa;

	if (!pua)
		return false;
	kvm_step(s);
	mem = mm_iommu_lookup(current->mm, ua, 1UL << shift);
	if (!mem || mm_iommu_ua_to_hpa(mem, ua, shift, &hpa) || mm_iommu_mapped_inc(mem))
		return false;
	kvm_step(s);
	if (kvm_xchg(s, entry, &hpa, &dir)) {
		mm_iommu_mapped_dec(mem);
		return false;
	}
	kvm_step(s);
	if (dir != DMA_NONE)
		kvm_uncount(s, entry);
	kvm_step(s);
	*pua = cpu_to_be64(ua);
	return true;
}

/* kvmppc_tce_iommu_do_unmap() */
static bool kvm_do_unmap(struct kvm_setup *s, unsigned long entry)
{
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;

	if (kvm_xchg(s, entry, &hpa, &dir)) {
		tce_mock_violation(tce_mock_current(), "KVM warns of entry %lx", entry);
		return false;
	}
	if (dir == DMA_NONE)
		return true;
	kvm_step(s);
	if (kvm_uncount(s, entry))
		return true;
	kvm_step(s);
	kvm_xchg(s, entry, &hpa, &dir);
	return false;
}

/* kvmppc_clear_tce() */
static void kvm_drop(struct kvm_setup *s, unsigned long entry, unsigned long n)
{
	enum dma_data_direction dir;
	unsigned long hpa, i;

	for (i = 0; i < n; i++) {
		dir = DMA_NONE;
		hpa = 0;
		kvm_step(s);
		kvm_xchg(s, entry + i, &hpa, &dir);
	}
}

/*
 * A hypercall for a page of the guest's, or a list of its pages, which are @n pages of the table
 * and begin at @ua; of nothing if that is 0. KVM asks for the invalidation at the end, and after an
 * error of H_PUT_TCE not of what it then takes out. Return: KVM could do it.
 */
bool kvm_hcall(struct kvm_setup *s, enum kvm_hcall call, unsigned long entry, unsigned long ua,
	       unsigned long n)
{
	struct tce_fixture *fx = kunit_get_current_test()->priv;
	unsigned long step = 1UL << s->tbl->it_page_shift, i;
	bool done = true;

	if (ua && !mm_iommu_lookup(current->mm, ua, step))
		return false;
	fx->hypercalls++;
	for (i = 0; done && i < n; i++)
		done = ua ? kvm_do_map(s, entry + i, ua + i * step) : kvm_do_unmap(s, entry + i);
	if (!done && call == H_KVM_PUT_INDIRECT)
		kvm_drop(s, entry, 1);
	kvm_invalidate(s, entry, n);
	if (!done && call == H_KVM_PUT)
		kvm_drop(s, entry, n);
	fx->hypercalls--;
	fx->kvm_left |= !done;
	return done;
}

/* H_PUT_TCE of a page of the table's */
bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua)
{
	return kvm_hcall(s, H_KVM_PUT, entry, ua, 1);
}

/* H_STUFF_TCE of one */
bool kvm_clear(struct kvm_setup *s, unsigned long entry)
{
	return kvm_hcall(s, H_KVM_STUFF, entry, 0, 1);
}

/* A region of the kernel's list is counted @n times more, though nothing maps it. */
struct mm_iommu_table_group_mem_t *kvm_count(struct kunit *test, unsigned long ua, unsigned int n)
{
	struct mm_iommu_table_group_mem_t *mem = mm_iommu_lookup(current->mm, ua, PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	while (n--)
		KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
	return mem;
}
