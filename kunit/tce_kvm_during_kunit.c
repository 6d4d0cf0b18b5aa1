// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_during: KVM changes an entry in the middle of a MAP or an UNMAP, and
 * between the two halves of what we do to it.
 */
#include <linux/file.h>
#include <linux/mman.h>

#include <asm/mmu_context.h>

#include "tce_guest.h"

/*
 * A MAP over what KVM has emptied, and goes on to empty, fails: the pages of
 * before are held again, and those that it had put there are not.
 */
static void kvm_clears_v1_under_a_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, last = KVM_MEMORY / SZ_4K - 1, pins;
	struct kvm_taken taken;
	struct kvm_setup s;
	int rc;

	kvm_set_up(test, &s, false);
	other = tce_memory(fx, TCE_MEM_SCATTERED, KVM_MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);
	pins = tce_mock_pins(fx->mock);
	kvm_clear(&s, 3);
	taken = (struct kvm_taken) { .s = &s, .entry = 5 };
	fx->mock->visit = &(struct tce_visit) {
		.skip = last, .call = kvm_takes, .data = &taken,
	};
	/* KVM's own is one, too */
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, last + 2, -EIO);
	rc = tce_map(s.client, 0, other, KVM_MEMORY, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, 3 * SZ_4K, TCE_RW);
	tce_expect_mapped(fx, s.grp, 0, 4 * SZ_4K, s.ua + 4 * SZ_4K,
			  KVM_MEMORY - 4 * SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
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

	s.ua = tce_plain(fx, KVM_MEMORY);
	other = tce_memory(fx, TCE_MEM_SCATTERED, KVM_MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);

	taken = (struct kvm_taken) { .s = &s, .entry = 0 };
	fx->mock->visit = &(struct tce_visit) {
		.skip = 1, .call = kvm_takes, .data = &taken,
	};
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 3, -EIO);
	rc = tce_map(s.client, 0, other, KVM_MEMORY, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, KVM_MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
	/* KVM might have kept the new page, as far as we know */
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, KVM_MEMORY), -EBUSY);
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

	other = tce_memory(fx, TCE_MEM_SCATTERED, KVM_MEMORY);
	KUNIT_ASSERT_NE(test, other, 0);
	third = tce_plain(fx, KVM_MEMORY);
	if (listed) {
		kvm_set_up(test, &s, true);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, other, KVM_MEMORY), 0);
	} else {
		s.ua = tce_plain(fx, KVM_MEMORY);
		s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
		s.tbl = s.grp->tg.tables[0];
		KUNIT_ASSERT_EQ(test, tce_register(s.client, other, KVM_MEMORY), 0);
		tce_watch(fx);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	}
	KUNIT_ASSERT_EQ(test, tce_register(s.client, third, KVM_MEMORY), 0);
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
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
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

	kvm_set_up(test, &s, true);
	other = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, KVM_MEMORY), 0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = other };
	fx->mock->visit = &(struct tce_visit) {
		.after = true, .call = kvm_puts, .data = &put,
	};
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, KVM_MEMORY), -EBUSY);
}

/*
 * KVM replaces what an UNMAP is about to take out by the same page, which is in
 * two regions, and counts it down in the first. We do not do that again: another
 * entry has it still.
 */
static void put_under_an_unmap(struct kunit *test, unsigned long n)
{
	const unsigned long last = KVM_MEMORY - SZ_4K;
	struct tce_fixture *fx = test->priv;
	unsigned long ua, also;
	struct kvm_taken put;
	struct kvm_setup s;
	struct file *file;

	kvm_set_up(test, &s, true);
	ua = tce_memory(fx, TCE_MEM_SHARED, KVM_MEMORY);
	KUNIT_ASSERT_NE(test, ua, 0);
	also = tce_plain(fx, KVM_MEMORY);
	file = tce_file(fx, ua);
	KUNIT_ASSERT_EQ(test, vm_mmap(file, also, KVM_MEMORY,
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, 0), also);
	fput(file);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, also, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, ua, KVM_MEMORY, TCE_RW),
			0);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = also };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_puts, .data = &put,
	};
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, n * SZ_4K), 0);
	KUNIT_EXPECT_NE(test, put.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, last), 0);
	tce_expect_mapped(fx, s.grp, 0, last, ua + last, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, last, SZ_4K), 0);
	/* had it been counted down twice, it would count as mapped now */
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, KVM_MEMORY), 0);
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

/* KVM at a table, and two pieces of memory more: one to map, one for KVM to put there. */
static void set_up_two_more(struct kunit *test, struct kvm_setup *s,
			    unsigned long *other, unsigned long *third)
{
	struct tce_fixture *fx = test->priv;

	kvm_set_up(test, s, true);
	*other = tce_memory(fx, TCE_MEM_SCATTERED, KVM_MEMORY);
	KUNIT_ASSERT_NE(test, *other, 0);
	*third = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s->client, *other, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_register(s->client, *third, KVM_MEMORY), 0);
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

	set_up_two_more(test, &s, &other, &third);
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
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, third, KVM_MEMORY), -EBUSY);
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

	kvm_set_up(test, &s, true);
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
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY),
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

/*
 * What stays counted goes with the process's last container of v2. One of v1 has no part
 * in the regions, and keeps none.
 */
static void leftovers_go_beside_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	unsigned long before = tce_charged(fx);
	struct kvm_taken taken;
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_RW), 0);
	taken = (struct kvm_taken) { .s = &s, .entry = 0 };
	fx->mock->visit = &(struct tce_visit) {
		.call = kvm_takes, .data = &taken,
	};
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	tce_close(s.client);
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), before);
	KUNIT_EXPECT_EQ(test, tce_map(v1, 0, s.ua, SZ_4K, TCE_RW), 0);
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

	s.ua = tce_plain(fx, KVM_MEMORY);
	other = tce_plain(fx, KVM_MEMORY);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, n * SZ_4K, TCE_RW), 0);
	tce_watch(fx);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, other, KVM_MEMORY), 0);
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
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), -EBUSY);

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

/*
 * An UNMAP comes after KVM has taken a page out, and before it counts that down. KVM
 * reads the cell for it: without it KVM would put the page back.
 */
static void unmap_before_kvm_counts(struct kunit *test, unsigned long n)
{
	struct kvm_taken taken;
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, 2 * SZ_4K, TCE_RW), 0);
	taken = (struct kvm_taken) { .s = &s, .entry = 0 };
	kvm_takes(&taken);
	KUNIT_EXPECT_NE(test, taken.dir, DMA_NONE);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, n * SZ_4K), 0);
	KUNIT_EXPECT_TRUE(test, kvm_uncount(&s, 0));
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, SZ_4K, SZ_4K), 0);
	kvm_expect_free(test, &s);
}

static void kvm_counts_after_an_unmap(struct kunit *test)
{
	unmap_before_kvm_counts(test, 1);
}

static void kvm_counts_after_an_unmap_of_two(struct kunit *test)
{
	unmap_before_kvm_counts(test, 2);
}

/*
 * KVM has put a page into an entry, and writes the cell only after a MAP has replaced
 * that page. The MAP fails, and empties both. It does not put the page back, which no cell
 * would say anything of. Both pages stay counted: nobody can tell whose they are.
 */
static void kvm_writes_the_cell_of_a_map_that_fails(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, third;
	struct kvm_taken put;
	struct kvm_setup s;
	int rc;

	set_up_two_more(test, &s, &other, &third);

	put = (struct kvm_taken) { .s = &s, .entry = 0, .ua = third };
	KUNIT_ASSERT_TRUE(test, kvm_put_entry(&s, 0, third));
	fx->mock->visit = &(struct tce_visit) {
		.skip = 1, .call = kvm_puts_cell, .data = &put,
	};
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 2, -EIO);
	rc = tce_map(s.client, 0, other, 2 * SZ_4K, TCE_RW);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, rc, -EIO);
	KUNIT_EXPECT_NULL(test, fx->mock->visit);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, third, KVM_MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, other, KVM_MEMORY), -EBUSY);
}

static struct kunit_case tce_kvm_during_cases[] = {
	KUNIT_CASE(kvm_clears_v1_under_a_map),
	KUNIT_CASE(kvm_visits_a_map_that_fails),
	KUNIT_CASE(kvm_puts_under_a_map_that_fails),
	KUNIT_CASE(kvm_comes_under_a_map_that_fails),
	KUNIT_CASE(kvm_puts_under_a_map_of_one),
	KUNIT_CASE(kvm_puts_under_an_unmap),
	KUNIT_CASE(kvm_puts_under_an_unmap_of_two),
	KUNIT_CASE(kvm_puts_under_an_undo),
	KUNIT_CASE(kvm_takes_under_an_unmap),
	KUNIT_CASE(kvm_takes_under_an_unmap_of_two),
	KUNIT_CASE(leftovers_go_beside_v1),
	KUNIT_CASE(kvm_puts_back_after_an_unmap),
	KUNIT_CASE(kvm_puts_back_after_an_unmap_of_two),
	KUNIT_CASE(kvm_counts_after_an_unmap),
	KUNIT_CASE(kvm_counts_after_an_unmap_of_two),
	KUNIT_CASE(kvm_writes_the_cell_of_a_map_that_fails),
	{}
};

TCE_SUITE(tce_kvm_during);
