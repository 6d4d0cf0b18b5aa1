// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm: KVM at the same table. It has the table from the group, finds
 * the guest's memory in the kernel's list, counts its mappings there, and
 * changes entries and cells in the same way, but with no lock in common.
 *
 * What KVM does is played here by this thread, between our calls or, where a
 * moment in the middle matters, half of it before and half of it after.
 */
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

/* v1 memory is in no list: KVM takes it out, and puts it back. */
static void kvm_clears_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	setup(test, &s, false);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_clear(&s, 0);
	kvm_clear(&s, 5);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/*
 * A guest's page in place of one of v1: KVM writes its address over the cell in
 * user space's view. The pin of v1 is not forgotten with it. If we know that KVM
 * is there, UNMAP finds what it has mapped in other entries, too.
 */
static void kvm_writes_over_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *owner;
	unsigned long other;
	struct kvm_setup s;
	int seen;

	for (seen = 0; seen < 2; seen++) {
		setup(test, &s, false);
		owner = tce_ready(fx, true, NULL);
		other = tce_plain(fx, MEMORY);
		KUNIT_ASSERT_EQ(test, tce_register(owner, other, MEMORY), 0);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
					      TCE_RW), 0);
		if (seen)
			iommu_tce_table_get(s.tbl);
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, other));
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 7, other));
		tce_expect_mapped(fx, s.grp, 0, 3 * SZ_4K, other, SZ_4K,
				  TCE_RW);

		/* KVM may be about to put v1's page back over it */
		KUNIT_EXPECT_EQ(test, tce_map(s.client, 3 * SZ_4K, s.ua, SZ_4K,
					      TCE_RW), -EBUSY);
		KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY,
					      TCE_RW), -EBUSY);
		tce_expect_mapped(fx, s.grp, 0, 7 * SZ_4K, other, SZ_4K,
				  TCE_RW);

		if (seen) {
			KUNIT_ASSERT_TRUE(test, kvm_put(&s, SZ_1M / SZ_4K,
							other));
			KUNIT_ASSERT_TRUE(test, kvm_put(&s, SZ_2M / SZ_4K,
							other));
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, SZ_1M,
							SZ_4K), 0);
		}
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 3 * SZ_4K, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4M), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		if (seen)
			iommu_tce_table_put(s.tbl);
		tce_close(s.client);
		/* what is left of it is KVM's, and counted until its owner closes */
		KUNIT_EXPECT_EQ(test, tce_unregister(owner, other, MEMORY),
				-EBUSY);
		tce_close(owner);
		tce_expect_balance(fx);
	}
}

/* An entry that KVM has taken out, and not put back yet. */
struct kvm_taken {
	unsigned long entry;
	unsigned long hpa;
	enum dma_data_direction dir;
};

static void kvm_take(struct kvm_setup *s, struct kvm_taken *taken,
		     unsigned long entry)
{
	taken->entry = entry;
	taken->hpa = 0;
	taken->dir = DMA_NONE;
	s->tbl->it_ops->xchg_no_kill(s->tbl, entry, &taken->hpa, &taken->dir);
	iommu_tce_kill(s->tbl, entry, 1);
}

static void kvm_put_back(struct kvm_setup *s, struct kvm_taken *taken)
{
	s->tbl->it_ops->xchg_no_kill(s->tbl, taken->entry, &taken->hpa,
				     &taken->dir);
	iommu_tce_kill(s->tbl, taken->entry, 1);
}

/* UNMAP while KVM has the page of an entry: the page is kept for it. */
static void unmap_while_kvm_has_the_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_taken taken, other;
	struct kvm_setup s;

	setup(test, &s, false);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_take(&s, &taken, 0);
	kvm_take(&s, &other, 9);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, SZ_4K, MEMORY - SZ_4K), 0);
	kvm_put_back(&s, &taken);
	kvm_put_back(&s, &other);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* MAP while KVM has the page: it might put it back over the new one. */
static void map_while_kvm_has_the_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other;
	struct kvm_taken taken;
	struct kvm_setup s;

	setup(test, &s, false);
	other = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_take(&s, &taken, 5);
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 5 * SZ_4K, other, SZ_4K,
				      TCE_RW), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, other, MEMORY, TCE_RW),
			-EBUSY);
	kvm_put_back(&s, &taken);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, other, MEMORY, TCE_RW), 0);
	tce_expect_mapped(fx, s.grp, 0, 0, other, MEMORY, TCE_RW);
}

/* The window goes while KVM has the page: it is let go with the window. */
static void closed_while_kvm_has_the_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_taken taken;
	struct kvm_setup s;

	setup(test, &s, false);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_take(&s, &taken, 5);
	tce_close(s.client);
	tce_expect_balance(fx);
}

/* It has many of them, apart from each other, and there is no memory to note all. */
static void closed_while_kvm_has_many_pages(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua, size = 64 * PAGE_SIZE;
	struct kvm_taken taken;
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
			kvm_take(&s, &taken, at >> 12);
		if (nth)
			tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		tce_close(s.client);
		tce_fault_disarm(fx->mock);
		tce_expect_balance(fx);
	}
}

/* KVM gets hold of the table when something is mapped in runs already. */
static void kvm_comes_later(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
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
		if (v2)
			KUNIT_EXPECT_TRUE(test, kvm_put(&s, 4, s.ua));
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
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

	s.ua = tce_plain(fx, MEMORY);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);

	/* H_STUFF_TCE puts back what it can't uncount */
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	kvm_clear(&s, 3);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, MEMORY), 0);
	expect_all_free(test, &s);

	/* nor uncount what it replaces: that stays counted, it does not */
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, MEMORY, TCE_RW), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, MEMORY / SZ_4K, s.ua));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, MEMORY), -EBUSY);
	tce_close(s.client);
	tce_expect_balance(fx);
}

/*
 * KVM has put memory of this process into a table of another container, whose
 * group it was given. If there is one, the pages are not free again.
 */
static void kvm_maps_elsewhere(struct kunit *test)
{
	struct mm_iommu_table_group_mem_t *mem;
	struct tce_fixture *fx = test->priv;
	unsigned long i, also;
	struct tce_client *other;
	struct kvm_setup s;
	struct page *page;
	int refs[2];

	for (also = 0; also < 2; also++) {
		setup(test, &s, true);
		other = also ? tce_open(fx, false) : NULL;
		page = tce_page(fx, s.ua);
		mem = mm_iommu_lookup(current->mm, s.ua, MEMORY);
		KUNIT_ASSERT_NOT_NULL(test, mem);
		KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
		tce_close(s.client);
		KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua,
							MEMORY));
		/* the pin is given back after a grace period */
		rcu_barrier();
		refs[also] = page_count(page);
		for (i = 0; also && i < MEMORY; i += PAGE_SIZE)
			put_page(tce_page(fx, s.ua + i));
		if (other)
			tce_close(other);
		tce_expect_balance(fx);
	}
	KUNIT_EXPECT_EQ(test, refs[1], refs[0] + 1);
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
	KUNIT_CASE(kvm_writes_over_v1),
	KUNIT_CASE(unmap_while_kvm_has_the_page),
	KUNIT_CASE(map_while_kvm_has_the_page),
	KUNIT_CASE(closed_while_kvm_has_the_page),
	KUNIT_CASE(closed_while_kvm_has_many_pages),
	KUNIT_CASE(kvm_comes_later),
	KUNIT_CASE(kvm_visits_unseen),
	KUNIT_CASE(kvm_maps_elsewhere),
	{}
};

static struct kunit_suite tce_kvm_suite = {
	.name = "tce_kvm",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_kvm_cases,
};

kunit_test_suite(tce_kvm_suite);
