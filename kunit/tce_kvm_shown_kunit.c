// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_shown: which tables and which memory KVM is shown, and what it goes
 * on to use when we have given them up.
 */

#include <linux/completion.h>
#include <linux/delay.h>

#include <asm/mmu_context.h>

#include "tce_guest.h"

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
		kvm_set_up(test, &s, false);
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
	unsigned long later = tce_plain(fx, KVM_MEMORY);
	struct kvm_setup s;
	int v2;

	s.ua = tce_plain(fx, KVM_MEMORY);
	for (v2 = 0; v2 < 2; v2++) {
		s.client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, &s.grp) :
				tce_ready(fx, false, &s.grp);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua,
							   KVM_MEMORY), 0);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY,
					      TCE_RW), 0);
		s.tbl = iommu_tce_table_get(s.grp->tg.tables[0]);
		kvm_clear(&s, 3);
		if (v2) {
			tce_watch(fx);
			KUNIT_EXPECT_FALSE(test, kvm_put(&s, 4, s.ua));
			KUNIT_ASSERT_EQ(test, tce_register(s.client, later,
							   KVM_MEMORY), 0);
			KUNIT_EXPECT_TRUE(test, kvm_put(&s, 4, later));
			KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
		}
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
		iommu_tce_table_put(s.tbl);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
		tce_close(s.client);
		tce_expect_balance(fx);
	}
}

static struct tce_mock_group *looked_up;
static DECLARE_COMPLETION(looking);

/* KVM looks a table up in a group, and has no reference of it yet. */
static void look_up(struct tce_thread *thread)
{
	struct tce_mock *mock = thread->view.fx->mock;
	unsigned int ms;

	rcu_read_lock();
	complete(&looking);
	for (ms = 0; ms < 5000 && READ_ONCE(looked_up->tg.tables[0]); ms++)
		mdelay(1);
	mdelay(50);
	thread->rc = tce_mock_tables(mock);
	rcu_read_unlock();
}

static void kvm_looks_a_table_up(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_thread thread;
	struct tce_client *client;

	client = tce_ready_window(fx, 12, SZ_64M, 1, &looked_up);
	reinit_completion(&looking);
	tce_thread_start(&thread, client, look_up);
	wait_for_completion(&looking);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), 0);
	tce_thread_join(&thread);
	fx->busy = false;
	/* it is not freed before KVM has its reference, or has found nothing */
	KUNIT_EXPECT_EQ(test, thread.rc, 1);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 0);
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

	s.ua = tce_plain(fx, KVM_MEMORY);
	its = tce_plain(fx, KVM_MEMORY);
	s.client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);

	/* H_STUFF_TCE puts back what it can't uncount */
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);
	kvm_clear(&s, 3);
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, KVM_MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
	kvm_expect_free(test, &s);

	/* nor uncount what it replaces: that stays counted, it does not */
	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);
	tce_watch(fx);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, its, KVM_MEMORY), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, its));
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, KVM_MEMORY / SZ_4K, its));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, its, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), -EBUSY);
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
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	}
	/* had something else been counted down, it would count as mapped now */
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

	kvm_set_up(test, &s, true);
	if (other)
		also = tce_open(fx, false);
	page = tce_page(fx, s.ua);
	mem = mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
	tce_close(s.client);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	/* the pin is given back after a grace period */
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, tce_holders(page), 1 + other);
	for (i = 0; other && i < KVM_MEMORY; i += PAGE_SIZE)
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

	kvm_set_up(test, &s, true);
	iommu_tce_table_get(s.tbl);
	tce_close(s.client);

	client = tce_ready(fx, true, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), -EBUSY);
	tce_close(client);

	/* as long as the process lives */
	for (again = 0; again < 2; again++) {
		client = tce_ready(fx, true, NULL);
		KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
		KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua,
							SZ_4K));
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, s.ua, SZ_4K, TCE_RW),
				0);
		kvm_clear(&s, 0);
		/* had KVM counted it down, it would count as mapped now */
		KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
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
		kvm_set_up(test, &s, v2);
		iommu_tce_table_get(s.tbl);
		tce_close(s.client);
		users = kvm_module_users();
		client = tce_ready(fx, true, NULL);
		KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
		writes = fx->mock->writes;
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
		kvm_clear(&s, 0);
		KUNIT_EXPECT_EQ(test, fx->mock->writes, writes);
		/* if the bridge had kept it, the host would use it */
		KUNIT_EXPECT_NOT_NULL(test, s.tbl->it_ops->set);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
		/* the module does not go before the table */
		kvm_expect_module_users(test, users);
		iommu_tce_table_put(s.tbl);
		kvm_expect_module_users(test, users - 1);
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
		kvm_set_up(test, &s, v2);
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

	kvm_set_up(test, &s, true);
	tce_fill_list(fx);
	ua = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, KVM_MEMORY), 0);
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
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, ua, SZ_4K));
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	kvm_clear(&s, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, KVM_MEMORY), 0);
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

	kvm_set_up(test, &s, true);
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
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 1, s.ua));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
	tce_close(client);
	KUNIT_EXPECT_EQ(test, tce_holders(page), 2);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < KVM_MEMORY; i += PAGE_SIZE)
		put_page(tce_page(fx, s.ua + i));
}

static struct kunit_case tce_kvm_shown_cases[] = {
	KUNIT_CASE(closed_after_kvm_cleared_v1),
	KUNIT_CASE(kvm_comes_later),
	KUNIT_CASE(kvm_looks_a_table_up),
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

TCE_SUITE(tce_kvm_shown);
