// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm: KVM at the same table. It has the table from the group, finds
 * the guest's memory in the kernel's list, counts its mappings there, and
 * changes entries and cells in the same way, but with no lock in common.
 *
 * What KVM does is played here by this thread, between our calls or, where a
 * moment in the middle matters, half of it before and half of it after.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/sched/mm.h>

#include <asm/mmu_context.h>

#include "tce_fixture.h"

#define MEMORY	SZ_256K

struct kvm_setup {
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct iommu_table *tbl;
	unsigned long ua;
};

static void setup(struct kunit *test, struct kvm_setup *s, bool v2)
{
	struct tce_fixture *fx = test->priv;

	fx->mock->kvm = true;
	tce_watch(fx);
	s->ua = tce_plain(fx, MEMORY);
	if (v2) {
		s->client = tce_ready_window(fx, 12, SZ_64M, 1, &s->grp);
		KUNIT_ASSERT_EQ(test, tce_register(s->client, s->ua, MEMORY),
				0);
	} else {
		s->client = tce_ready(fx, false, &s->grp);
		KUNIT_ASSERT_EQ(test, tce_unmap(s->client, 0, SZ_4K), 0);
	}
	s->tbl = s->grp->tg.tables[0];
}

/* The old mapping of an entry is counted no more, if KVM finds it. */
static bool kvm_uncount(struct kvm_setup *s, unsigned long entry)
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

/* A guest puts a page of its memory into an entry. Return: KVM could do it. */
static bool kvm_put(struct kvm_setup *s, unsigned long entry, unsigned long ua)
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
	*cell = cpu_to_be64(ua);
	iommu_tce_kill(s->tbl, entry, 1);
	return true;
}

/* A guest empties an entry; KVM puts it back if it does not know the page. */
static void kvm_clear(struct kvm_setup *s, unsigned long entry)
{
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;

	s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &hpa, &dir);
	if (dir != DMA_NONE && !kvm_uncount(s, entry))
		s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &hpa, &dir);
	iommu_tce_kill(s->tbl, entry, 1);
}

/* What KVM does while one of our calls is under way */
struct kvm_taken {
	struct kvm_setup *s;
	unsigned long entry;
	unsigned long ua;
	enum dma_data_direction dir;
};

/* H_PUT_TCE of what KVM can't map or uncount: it empties the entry. */
static void kvm_takes(void *data)
{
	struct kvm_taken *taken = data;
	struct iommu_table *tbl = taken->s->tbl;
	unsigned long hpa = 0;

	taken->dir = DMA_NONE;
	tbl->it_ops->xchg_no_kill(tbl, taken->entry, &hpa, &taken->dir);
	iommu_tce_kill(tbl, taken->entry, 1);
}

static void kvm_puts(void *data)
{
	struct kvm_taken *put = data;

	put->dir = kvm_put(put->s, put->entry, put->ua) ? DMA_BIDIRECTIONAL :
							  DMA_NONE;
}

/* All regions can be given back: nothing is counted that is not there. */
static void expect_all_free(struct kunit *test, struct kvm_setup *s)
{
	struct tce_fixture *fx = test->priv;

	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s->client, s->ua, MEMORY), 0);
}

static void unmap_what_kvm_put(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long i;

	setup(test, &s, true);
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, i, s.ua + i * SZ_4K));
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, 4 * SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_64M), 0);
	expect_all_free(test, &s);
}

static void unmap_what_kvm_cleared(struct kunit *test)
{
	struct kvm_setup s;
	unsigned long i;

	setup(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	for (i = 0; i < MEMORY / SZ_4K; i += 3)
		kvm_clear(&s, i);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	expect_all_free(test, &s);
}

static void map_over_what_kvm_put(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long i;

	setup(test, &s, true);
	for (i = 0; i < MEMORY / SZ_4K; i += 2)
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, i, s.ua));
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, MEMORY / SZ_4K);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	expect_all_free(test, &s);
}

static void kvm_puts_over_what_is_mapped(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long i;

	setup(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	for (i = 0; i < MEMORY / SZ_4K; i += 2)
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, i, s.ua));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, MEMORY / SZ_4K);
	tce_expect_mapped(fx, s.grp, 0, SZ_4K, s.ua + SZ_4K, SZ_4K, TCE_RW);
	tce_expect_mapped(fx, s.grp, 0, 2 * SZ_4K, s.ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	expect_all_free(test, &s);
}

/* The window, the group and the container go while the guest runs. */
static void removed_under_kvm(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	setup(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 7, s.ua));
	KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
	expect_all_free(test, &s);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
}

static void detached_under_kvm(struct kunit *test)
{
	struct kvm_setup s;

	setup(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 7, s.ua));
	tce_detach(s.client, s.grp);
	expect_all_free(test, &s);
}

static void closed_under_kvm(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	setup(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 7, s.ua));
	tce_close(s.client);
	tce_expect_balance(fx);
}

/* KVM counts what it finds: it must find what we have registered. */
static void kvm_finds_registered_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long large;

	setup(test, &s, true);
	large = tce_plain(fx, SZ_2M);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, s.ua, MEMORY));
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, large, SZ_2M));
	KUNIT_ASSERT_EQ(test, tce_register(s.client, large, SZ_2M), 0);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, large, SZ_2M));
	KUNIT_ASSERT_EQ(test, tce_unregister(s.client, large, SZ_2M), 0);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, large, SZ_2M));
}

/* What the list is too full for, KVM leaves to us. */
static void kvm_does_not_find_all(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long ua;

	setup(test, &s, true);
	tce_fill_list(fx);
	/* 256 are: the client's two, and all of these but the last */
	KUNIT_EXPECT_EQ(test, fx->filled + 2 - 1, 256);
	ua = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, MEMORY), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, ua));
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, ua, MEMORY, TCE_RW), 0);
	/* nor can it take it out */
	kvm_clear(&s, 3);
	tce_expect_mapped(fx, s.grp, 0, 0, ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, MEMORY), 0);
}

/*
 * KVM sees no cells of v1, and so can't count: it empties entries, and that is
 * it. Their pins are ours, whether they are unmapped, mapped anew, one or many,
 * or closed.
 */
static void kvm_clears_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long i;
	int n;

	for (n = 0; n < 4; n++) {
		setup(test, &s, false);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
					      TCE_RW), 0);
		for (i = 0; i < MEMORY / SZ_4K; i += 3)
			kvm_clear(&s, i);
		KUNIT_EXPECT_EQ(test, tce_mock_entry(s.tbl, 3, &i), DMA_NONE);
		if (n == 1) {
			KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K,
						      TCE_RW), 0);
			KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
						      TCE_RW), 0);
			tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY,
					  TCE_RW);
		}
		if (n == 2) {
			for (i = 0; i < MEMORY; i += SZ_4K)
				KUNIT_EXPECT_EQ(test, tce_unmap(s.client, i,
								SZ_4K), 0);
		}
		if (n < 3) {
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY),
					0);
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
		}
		tce_close(s.client);
		tce_expect_balance(fx);
	}
}

/*
 * A MAP over what KVM has emptied, and goes on to empty, fails: the pages of
 * before are held again, and those that it had put there are not.
 */
static void kvm_clears_v1_under_a_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, last = MEMORY / SZ_4K - 1, pins;
	struct kvm_taken taken;
	struct kvm_setup s;
	int rc;

	setup(test, &s, false);
	other = tce_memory(fx, TCE_MEM_SCATTERED, MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	pins = tce_mock_pins(fx->mock);
	kvm_clear(&s, 3);
	taken = (struct kvm_taken) { .s = &s, .entry = 5 };
	fx->mock->visit = &(struct tce_visit) {
		.skip = last, .call = kvm_takes, .data = &taken,
	};
	/* KVM's own is one, too */
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, last + 2, -EIO);
	rc = tce_map(s.client, 0, other, MEMORY, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, 3 * SZ_4K, TCE_RW);
	tce_expect_mapped(fx, s.grp, 0, 4 * SZ_4K, s.ua + 4 * SZ_4K,
			  MEMORY - 4 * SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/*
 * A guest's page in place of one of v1, or in an entry that is empty: KVM leaves
 * that to user space, so that it neither writes over a pin nor counts a page of
 * another container that v1 could not count down.
 */
static void kvm_can_not_map_in_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *owner;
	unsigned long other;
	struct kvm_setup s;
	int users;

	setup(test, &s, false);
	owner = tce_ready(fx, true, NULL);
	other = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(owner, other, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 3, other));
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, SZ_1M / SZ_4K, other));
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(owner, other, MEMORY), 0);

	/* the table outlives the window, and the module is not to go before */
	iommu_tce_table_get(s.tbl);
	tce_close(s.client);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 3, other));
	users = module_refcount(THIS_MODULE);
	iommu_tce_table_put(s.tbl);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users - 1);
	tce_close(owner);
	tce_expect_balance(fx);
}

/*
 * The kernel marks what it takes out for KVM dirty. A page of v1 may be let go
 * at that moment: it is marked when we do that, and not by KVM.
 */
static void kvm_clears_v1_and_page_is_dirty(struct kunit *test)
{
	enum dma_data_direction dir = DMA_NONE;
	struct tce_fixture *fx = test->priv;
	unsigned long hpa = 0;
	struct kvm_setup s;
	struct page *page;

	setup(test, &s, false);
	page = tce_page(fx, s.ua);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	ClearPageDirty(page);
	KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, s.tbl, 0,
						     &hpa, &dir), 0);
	iommu_tce_kill(s.tbl, 0, 1);
	KUNIT_EXPECT_NE(test, dir, DMA_NONE);
	KUNIT_EXPECT_FALSE(test, PageDirty(page));
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_TRUE(test, PageDirty(page));
}

/* KVM has found the table before we hid its cells: it is not used. */
static void kvm_finds_a_new_v1_table(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, false, NULL);

	fx->mock->find = true;
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EBUSY);
	KUNIT_ASSERT_NOT_NULL(test, fx->mock->found);
	iommu_tce_table_put(fx->mock->found);
	fx->mock->find = false;
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
}

/*
 * A MAP of v2 fails after KVM has come, emptied an entry that it had replaced,
 * and gone: what was there before is back, and can be unmapped.
 */
static void kvm_visits_a_map_that_fails(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_taken taken;
	unsigned long other;
	struct kvm_setup s;
	int rc;

	s.ua = tce_plain(fx, MEMORY);
	other = tce_memory(fx, TCE_MEM_SCATTERED, MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);

	taken = (struct kvm_taken) { .s = &s, .entry = 0 };
	fx->mock->visit = &(struct tce_visit) {
		.skip = 1, .call = kvm_takes, .data = &taken,
	};
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 3, -EIO);
	rc = tce_map(s.client, 0, other, MEMORY, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), 0);
	/* KVM might have kept the new page, as far as we know */
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, MEMORY), -EBUSY);
}

/*
 * KVM replaces what a MAP has just written, and counts down what was there before
 * that, by the cell. If the MAP then fails, that is not put back.
 */
static void put_under_a_map_that_fails(struct kunit *test, bool listed)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, third;
	struct kvm_taken put;
	struct kvm_setup s;
	int rc;

	other = tce_memory(fx, TCE_MEM_SCATTERED, MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	third = tce_plain(fx, MEMORY);
	if (listed) {
		setup(test, &s, true);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);
	} else {
		s.ua = tce_plain(fx, MEMORY);
		s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
		s.tbl = s.grp->tg.tables[0];
		KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);
		tce_watch(fx);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);
	}
	KUNIT_ASSERT_EQ(test, tce_register(s.client, third, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = third };
	fx->mock->visit = &(struct tce_visit) {
		.after = true, .call = kvm_puts, .data = &put,
	};
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 3, -EIO);
	rc = tce_map(s.client, 0, other, 2 * SZ_4K, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

static void kvm_puts_under_a_map_that_fails(struct kunit *test)
{
	put_under_a_map_that_fails(test, true);
}

/* What is mapped KVM does not find, and it has the table only now. */
static void kvm_comes_under_a_map_that_fails(struct kunit *test)
{
	put_under_a_map_that_fails(test, false);
}

/*
 * The same with one entry, which does not fail. Whose cell it is can't be told: what
 * is taken out of the entry then is given back to nobody.
 */
static void kvm_puts_under_a_map_of_one(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other;
	struct kvm_taken put;
	struct kvm_setup s;

	setup(test, &s, true);
	other = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = other };
	fx->mock->visit = &(struct tce_visit) {
		.after = true, .call = kvm_puts, .data = &put,
	};
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, MEMORY), -EBUSY);
}

/*
 * KVM replaces what an UNMAP is about to take out by the same page, which is in
 * two regions, and counts it down in the first. We do not do that again: another
 * entry has it still.
 */
static void put_under_an_unmap(struct kunit *test, unsigned long n)
{
	const unsigned long last = MEMORY - SZ_4K;
	struct tce_fixture *fx = test->priv;
	unsigned long ua, also;
	struct kvm_taken put;
	struct kvm_setup s;
	struct file *file;

	setup(test, &s, true);
	ua = tce_memory(fx, TCE_MEM_SHARED, MEMORY);
	KUNIT_ASSERT_NE(test, ua, 0);
	also = tce_plain(fx, MEMORY);
	file = tce_file(fx, ua);
	KUNIT_ASSERT_EQ(test, vm_mmap(file, also, MEMORY,
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, 0), also);
	fput(file);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, also, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, ua, MEMORY, TCE_RW),
			0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = also };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_puts, .data = &put,
	};
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, n * SZ_4K), 0);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, last), 0);
	tce_expect_mapped(fx, s.grp, 0, last, ua + last, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, MEMORY),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, last, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, MEMORY), 0);
	tce_close(s.client);
	tce_expect_balance(fx);
}

static void kvm_puts_under_an_unmap(struct kunit *test)
{
	put_under_an_unmap(test, 1);
}

static void kvm_puts_under_an_unmap_of_two(struct kunit *test)
{
	put_under_an_unmap(test, 2);
}

/*
 * KVM replaces what a MAP that fails has put there while that takes it out again,
 * and counts it down by the cell. What was there before is back; the page of KVM's
 * stays counted, as nobody can tell that KVM is done with it.
 */
static void kvm_puts_under_an_undo(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, third;
	struct kvm_taken put;
	struct kvm_setup s;
	int rc;

	setup(test, &s, true);
	other = tce_memory(fx, TCE_MEM_SCATTERED, MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	third = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, third, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = third };
	fx->mock->visit = &(struct tce_visit) {
		.skip = 2, .call = kvm_puts, .data = &put,
	};
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 2, -EIO);
	rc = tce_map(s.client, 0, other, 2 * SZ_4K, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, third, MEMORY), -EBUSY);
}

/*
 * KVM takes out what an UNMAP is about to take out, and may put it back: it does
 * that if it can't count. So the page stays counted.
 */
static void take_under_an_unmap(struct kunit *test, unsigned long n)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_taken taken;
	struct kvm_setup s;

	setup(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, 2 * SZ_4K,
				      TCE_RW), 0);
	taken = (struct kvm_taken) { .s = &s, .entry = 0 };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_takes, .data = &taken,
	};
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, n * SZ_4K), 0);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, SZ_4K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY),
			-EBUSY);
	tce_close(s.client);
	tce_expect_balance(fx);
}

static void kvm_takes_under_an_unmap(struct kunit *test)
{
	take_under_an_unmap(test, 1);
}

static void kvm_takes_under_an_unmap_of_two(struct kunit *test)
{
	take_under_an_unmap(test, 2);
}

/* Two processors of a guest: one takes a page out, the other puts its own there. */
struct kvm_swapped {
	struct kvm_setup *s;
	unsigned long ua;
	unsigned long hpa;
	enum dma_data_direction dir;
};

static void kvm_swaps(void *data)
{
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct mm_iommu_table_group_mem_t *mem;
	struct kvm_swapped *swapped = data;
	struct iommu_table *tbl = swapped->s->tbl;
	unsigned long hpa;

	swapped->hpa = 0;
	swapped->dir = DMA_NONE;
	tbl->it_ops->xchg_no_kill(tbl, 0, &swapped->hpa, &swapped->dir);
	mem = mm_iommu_lookup(current->mm, swapped->ua, SZ_4K);
	if (mem && !mm_iommu_ua_to_hpa(mem, swapped->ua, 12, &hpa) &&
	    !mm_iommu_mapped_inc(mem))
		tbl->it_ops->xchg_no_kill(tbl, 0, &hpa, &dir);
}

/*
 * An UNMAP takes out the page of the second processor, before the cell is its own.
 * The first one does not find what the cell said, and puts the page back that it
 * has taken out: that is still counted.
 */
static void put_back_after_an_unmap(struct kunit *test, unsigned long n)
{
	struct tce_fixture *fx = test->priv;
	struct mm_iommu_table_group_mem_t *mem;
	enum dma_data_direction dir = DMA_NONE;
	struct kvm_swapped swapped;
	unsigned long other, hpa = 0;
	struct kvm_setup s;

	s.ua = tce_plain(fx, MEMORY);
	other = tce_plain(fx, MEMORY);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, n * SZ_4K, TCE_RW), 0);
	tce_watch(fx);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, MEMORY), 0);
	s.tbl = iommu_tce_table_get(s.grp->tg.tables[0]);

	swapped = (struct kvm_swapped) { .s = &s, .ua = other };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_swaps, .data = &swapped,
	};
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, n * SZ_4K), 0);
	KUNIT_EXPECT_NE(test, swapped.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	s.tbl->it_ops->xchg_no_kill(s.tbl, 0, &swapped.hpa, &swapped.dir);
	iommu_tce_kill(s.tbl, 0, 1);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);

	s.tbl->it_ops->xchg_no_kill(s.tbl, 0, &hpa, &dir);
	iommu_tce_kill(s.tbl, 0, 1);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	mem = mm_iommu_lookup(current->mm, other, SZ_4K);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	mm_iommu_mapped_dec(mem);
	iommu_tce_table_put(s.tbl);
	tce_close(s.client);
	tce_expect_balance(fx);
}

static void kvm_puts_back_after_an_unmap(struct kunit *test)
{
	put_back_after_an_unmap(test, 1);
}

static void kvm_puts_back_after_an_unmap_of_two(struct kunit *test)
{
	put_back_after_an_unmap(test, 2);
}

/* KVM has emptied many entries of v1, and there is no memory to note all pages. */
static void closed_after_kvm_cleared_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua, size = 64 * PAGE_SIZE;
	struct kvm_setup s;
	unsigned int nth;
	u64 at;

	for (nth = 0; nth < 3; nth++) {
		if (nth && !tce_fault_can_alloc())
			break;
		setup(test, &s, false);
		ua = tce_memory(fx, TCE_MEM_SCATTERED, size);
		KUNIT_ASSERT_NE(test, ua, 0);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, ua, size, TCE_RW), 0);
		for (at = 0; at < size; at += SZ_4K)
			kvm_clear(&s, at >> 12);
		if (nth)
			tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		tce_close(s.client);
		tce_fault_disarm(fx->mock);
		tce_expect_balance(fx);
	}
}

/*
 * KVM gets hold of the table when something is mapped in runs already. It finds
 * the memory that is registered from then on, but none from before.
 */
static void kvm_comes_later(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long later = tce_plain(fx, MEMORY);
	struct kvm_setup s;
	int v2;

	s.ua = tce_plain(fx, MEMORY);
	for (v2 = 0; v2 < 2; v2++) {
		s.client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, &s.grp) :
				tce_ready(fx, false, &s.grp);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua,
							   MEMORY), 0);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
					      TCE_RW), 0);
		s.tbl = iommu_tce_table_get(s.grp->tg.tables[0]);
		kvm_clear(&s, 3);
		if (v2) {
			tce_watch(fx);
			KUNIT_EXPECT_FALSE(test, kvm_put(&s, 4, s.ua));
			KUNIT_ASSERT_EQ(test, tce_register(s.client, later,
							   MEMORY), 0);
			KUNIT_EXPECT_TRUE(test, kvm_put(&s, 4, later));
			KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
		}
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
		iommu_tce_table_put(s.tbl);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
		tce_close(s.client);
		tce_expect_balance(fx);
	}
}

/*
 * KVM has come and gone between two of our calls, and nothing tells. What it
 * put is not taken for ours, although everything is unmapped by the run.
 */
static void kvm_visits_unseen(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long its;

	s.ua = tce_plain(fx, MEMORY);
	its = tce_plain(fx, MEMORY);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);

	/* H_STUFF_TCE puts back what it can't uncount */
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_clear(&s, 3);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	expect_all_free(test, &s);

	/* nor uncount what it replaces: that stays counted, it does not */
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	tce_watch(fx);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, its, MEMORY), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, its));
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, MEMORY / SZ_4K, its));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, its, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);
	tce_close(s.client);
	tce_expect_balance(fx);
}

/*
 * KVM of another process, which was given the group, maps pages that both have at
 * the same address. It counts them in a region of its own: it is not ours that
 * they are given back to.
 */
static void kvm_of_another_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct tce_mock_group *grp;
	struct iommu_table *tbl;
	unsigned long ua = tce_plain(fx, 2 * PAGE_SIZE), i, n;
	int how;

	client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	tbl = grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, 2 * PAGE_SIZE), 0);
	for (how = 0; how < 3; how++) {
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua + PAGE_SIZE, SZ_4K,
					      TCE_RW), 0);
		n = how == 1 ? 2 : 1;
		for (i = 8; i < 8 + n; i++) {
			unsigned long hpa = page_to_phys(tce_page(fx, ua));
			enum dma_data_direction dir = DMA_BIDIRECTIONAL;
			__be64 *cell = tbl->it_ops->useraddrptr(tbl, i, true);

			tbl->it_ops->xchg_no_kill(tbl, i, &hpa, &dir);
			iommu_tce_kill(tbl, i, 1);
			*cell = cpu_to_be64(ua);
		}
		/* one entry, two, or one that is mapped anew */
		if (how == 2)
			KUNIT_EXPECT_EQ(test, tce_map(client, 8 * SZ_4K, ua,
						      SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 8 * SZ_4K, n * SZ_4K),
				0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * PAGE_SIZE),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	}
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 2 * PAGE_SIZE), 0);
}

/*
 * KVM has put memory of this process into a table of another container, whose
 * group it was given. If there is one, the pages are not free again.
 */
static void closed_and_mapped_elsewhere(struct kunit *test, bool other)
{
	struct mm_iommu_table_group_mem_t *mem;
	struct tce_client *also = NULL;
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	struct page *page;
	unsigned long i;

	setup(test, &s, true);
	if (other)
		also = tce_open(fx, false);
	page = tce_page(fx, s.ua);
	mem = mm_iommu_lookup(current->mm, s.ua, MEMORY);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
	tce_close(s.client);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua, MEMORY));
	/* the pin is given back after a grace period */
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, tce_holders(page), 1 + other);
	for (i = 0; other && i < MEMORY; i += PAGE_SIZE)
		put_page(tce_page(fx, s.ua + i));
	if (other)
		tce_close(also);
	tce_expect_balance(fx);
}

static void kvm_maps_elsewhere(struct kunit *test)
{
	closed_and_mapped_elsewhere(test, true);
}

static void kvm_has_lost_count(struct kunit *test)
{
	closed_and_mapped_elsewhere(test, false);
}

/*
 * KVM keeps a table whose window is gone, puts memory of the process's next
 * container there, and takes it out again when the third has mapped other pages
 * at the same address: those it must not count down.
 */
static void kvm_keeps_a_table(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct kvm_setup s;
	int again;

	setup(test, &s, true);
	iommu_tce_table_get(s.tbl);
	tce_close(s.client);

	client = tce_ready(fx, true, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, MEMORY), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, MEMORY), -EBUSY);
	tce_close(client);

	/* as long as the process lives */
	for (again = 0; again < 2; again++) {
		client = tce_ready(fx, true, NULL);
		KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, MEMORY), 0);
		KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua,
							SZ_4K));
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, s.ua, SZ_4K, TCE_RW),
				0);
		kvm_clear(&s, 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, MEMORY),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, MEMORY), 0);
		tce_close(client);
	}
	iommu_tce_table_put(s.tbl);
	tce_expect_balance(fx);
}

/*
 * The same on pseries, where such a table is but a number that somebody else has
 * by now: nothing is written there.
 */
static void kvm_keeps_a_table_of_pseries(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long writes;
	struct kvm_setup s;
	int v2, users;

	fx->mock->hcalls = true;
	for (v2 = 0; v2 < 2; v2++) {
		setup(test, &s, v2);
		iommu_tce_table_get(s.tbl);
		tce_close(s.client);
		users = module_refcount(THIS_MODULE);
		client = tce_ready(fx, true, NULL);
		KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, MEMORY), 0);
		writes = fx->mock->writes;
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
		kvm_clear(&s, 0);
		KUNIT_EXPECT_EQ(test, fx->mock->writes, writes);
		/* if the bridge had kept it, the host would use it */
		KUNIT_EXPECT_NOT_NULL(test, s.tbl->it_ops->set);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, MEMORY), 0);
		/* the module does not go before the table */
		KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users);
		iommu_tce_table_put(s.tbl);
		KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users - 1);
		tce_close(client);
		tce_expect_balance(fx);
	}
}

/*
 * KVM has looked at a table's operations, and calls one when the table has others by
 * then, and others again: each finds the platform's.
 */
static void kvm_uses_operations_of_before(struct kunit *test)
{
	struct iommu_table_ops *before[2];
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	int v2, i;

	fx->mock->hcalls = true;
	for (v2 = 0; v2 < 2; v2++) {
		setup(test, &s, v2);
		iommu_tce_table_get(s.tbl);
		before[0] = READ_ONCE(s.tbl->it_ops);
		tce_close(s.client);
		before[1] = READ_ONCE(s.tbl->it_ops);
		KUNIT_EXPECT_PTR_NE(test, before[0], before[1]);
		for (i = 0; i < 2; i++) {
			enum dma_data_direction dir = DMA_NONE;
			unsigned long hpa = 0;

			KUNIT_EXPECT_EQ(test,
					before[i]->xchg_no_kill(s.tbl, 0, &hpa,
								&dir), 0);
			KUNIT_EXPECT_EQ(test, dir, DMA_NONE);
		}
		iommu_tce_table_put(s.tbl);
	}
}

/*
 * The same with memory that KVM does not find: it takes the entry out while the
 * container closes, and puts it back since it can't count.
 */
static void kvm_keeps_what_it_can_not_count(struct kunit *test)
{
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct kvm_taken taken;
	unsigned long ua, hpa;
	struct kvm_setup s;

	setup(test, &s, true);
	tce_fill_list(fx);
	ua = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, ua, SZ_4K, TCE_RW), 0);
	tce_mock_entry(s.tbl, 0, &hpa);
	iommu_tce_table_get(s.tbl);
	taken = (struct kvm_taken) { .s = &s };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_takes, .data = &taken,
	};
	tce_close(s.client);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	s.tbl->it_ops->xchg_no_kill(s.tbl, 0, &hpa, &dir);
	iommu_tce_kill(s.tbl, 0, 1);
	tce_empty_list(fx);

	client = tce_ready(fx, true, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, MEMORY), 0);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, ua, SZ_4K));
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	kvm_clear(&s, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	tce_close(client);
	iommu_tce_table_put(s.tbl);
	tce_expect_balance(fx);
}

/*
 * KVM takes an entry out while the container closes, and puts it back. It was not
 * counted by KVM, but the bridge of a group that has left has the table still.
 */
static void kvm_puts_back_under_a_bridge(struct kunit *test)
{
	enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *leaves = tce_group(fx);
	struct kvm_taken taken;
	struct kvm_setup s;
	struct page *page;
	unsigned long hpa;

	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	KUNIT_ASSERT_EQ(test, tce_attach(s.client, leaves), 0);
	s.ua = tce_plain(fx, PAGE_SIZE);
	page = tce_page(fx, s.ua);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	s.tbl = iommu_tce_table_get(s.grp->tg.tables[0]);
	tce_mock_entry(s.tbl, 0, &hpa);
	tce_fault_arm(fx->mock, TCE_FAULT_UNSET, 1, -EIO);
	tce_detach(s.client, leaves);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);

	taken = (struct kvm_taken) { .s = &s };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_takes, .data = &taken,
	};
	fx->mock->kept = true;
	tce_close(s.client);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	s.tbl->it_ops->xchg_no_kill(s.tbl, 0, &hpa, &dir);
	iommu_tce_kill(s.tbl, 0, 1);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(s.ua, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_holders(page), 1);

	kvm_takes(&taken);
	iommu_tce_table_put(s.tbl);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	if (tce_holders(page))
		put_page(page);
}

/*
 * A bridge does not let go of a window, and KVM goes on to put pages there. It finds
 * none of the process's next container.
 */
static void kvm_keeps_a_table_and_so_does_the_bridge(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct kvm_setup s;
	struct page *page;
	unsigned long i;

	setup(test, &s, true);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -EIO);
	KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), -EIO);
	tce_fault_disarm(fx->mock);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	page = tce_page(fx, s.ua);
	fx->mock->kept = true;
	tce_close(s.client);
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_holders(page), 2);

	client = tce_ready(fx, true, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, MEMORY), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 1, s.ua));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, MEMORY), 0);
	tce_close(client);
	KUNIT_EXPECT_EQ(test, tce_holders(page), 2);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < MEMORY; i += PAGE_SIZE)
		put_page(tce_page(fx, s.ua + i));
}

static struct kunit_case tce_kvm_cases[] = {
	KUNIT_CASE(unmap_what_kvm_put),
	KUNIT_CASE(unmap_what_kvm_cleared),
	KUNIT_CASE(map_over_what_kvm_put),
	KUNIT_CASE(kvm_puts_over_what_is_mapped),
	KUNIT_CASE(removed_under_kvm),
	KUNIT_CASE(detached_under_kvm),
	KUNIT_CASE(closed_under_kvm),
	KUNIT_CASE(kvm_finds_registered_memory),
	KUNIT_CASE(kvm_does_not_find_all),
	KUNIT_CASE(kvm_clears_v1),
	KUNIT_CASE(kvm_clears_v1_under_a_map),
	KUNIT_CASE(kvm_clears_v1_and_page_is_dirty),
	KUNIT_CASE(kvm_can_not_map_in_v1),
	KUNIT_CASE(kvm_finds_a_new_v1_table),
	KUNIT_CASE(closed_after_kvm_cleared_v1),
	KUNIT_CASE(kvm_visits_a_map_that_fails),
	KUNIT_CASE(kvm_puts_under_a_map_that_fails),
	KUNIT_CASE(kvm_comes_under_a_map_that_fails),
	KUNIT_CASE(kvm_puts_under_a_map_of_one),
	KUNIT_CASE(kvm_puts_under_an_unmap),
	KUNIT_CASE(kvm_puts_under_an_unmap_of_two),
	KUNIT_CASE(kvm_puts_under_an_undo),
	KUNIT_CASE(kvm_takes_under_an_unmap),
	KUNIT_CASE(kvm_takes_under_an_unmap_of_two),
	KUNIT_CASE(kvm_puts_back_after_an_unmap),
	KUNIT_CASE(kvm_puts_back_after_an_unmap_of_two),
	KUNIT_CASE(kvm_comes_later),
	KUNIT_CASE(kvm_visits_unseen),
	KUNIT_CASE(kvm_of_another_process),
	KUNIT_CASE(kvm_maps_elsewhere),
	KUNIT_CASE(kvm_has_lost_count),
	KUNIT_CASE(kvm_keeps_a_table),
	KUNIT_CASE(kvm_puts_back_under_a_bridge),
	KUNIT_CASE(kvm_keeps_a_table_of_pseries),
	KUNIT_CASE(kvm_uses_operations_of_before),
	KUNIT_CASE(kvm_keeps_what_it_can_not_count),
	KUNIT_CASE(kvm_keeps_a_table_and_so_does_the_bridge),
	{}
};

static struct kunit_suite tce_kvm_suite = {
	.name = "tce_kvm",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_kvm_cases,
};

kunit_test_suite(tce_kvm_suite);
