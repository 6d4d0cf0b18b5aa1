// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_shown: which tables and which memory KVM can see, and what it still uses
 * after the driver has released them.
 */

#include <linux/completion.h>
#include <linux/delay.h>

#include <asm/mmu_context.h>

#include "../tce_container.h"
#include "../tce_region.h"
#include "tce_guest.h"
#include "tce_threads.h"

/*
 * A vCPU has looked up where it writes an address, and does so after the table was hidden: what it
 * has written there stands for nothing, and what KVM maps elsewhere stays counted.
 */
static void kvm_writes_late(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, KVM_MEMORY);
	struct mm_iommu_table_group_mem_t *mem;
	struct tce_client *clients[4];
	struct tce_mock_group *groups[4];
	int i;

	/* while the process has no KVM */
	for (i = 0; i < 4; i++)
		clients[i] = tce_ready_window(fx, 12, SZ_64M, 1, &groups[i]);
	tce_watch(fx);
	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_EQ(test, tce_register(clients[i], ua, KVM_MEMORY), 0);
		mem = mm_iommu_lookup(current->mm, ua, KVM_MEMORY);
		KUNIT_ASSERT_NOT_NULL(test, mem);
		KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
		groups[i]->tg.tables[0]->it_userspace[0] = cpu_to_be64(ua);
		if (i == 0)
			KUNIT_EXPECT_EQ(test, tce_map(clients[i], 0, ua, SZ_4K, TCE_RW), 0);
		if (i == 1)
			KUNIT_EXPECT_EQ(test, tce_map(clients[i], 0, ua, KVM_MEMORY, TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(clients[i], 0, i == 2 ? SZ_4K : SZ_64M), 0);
		KUNIT_EXPECT_EQ_MSG(test, fx->mock->counted, 1, "%d", i);
		KUNIT_EXPECT_EQ(test, tce_unregister(clients[i], ua, KVM_MEMORY), -EBUSY);
		mm_iommu_mapped_dec(mem);
		KUNIT_EXPECT_EQ(test, tce_unregister(clients[i], ua, KVM_MEMORY), 0);
	}
}

static struct tce_mock_group *looked_up;
static DECLARE_COMPLETION(looking);

/* KVM looks a table up in a group, and has no reference to it yet. */
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

/* Registered memory is counted @n times, though nothing maps it. */
static void count_memory(struct kunit *test, unsigned long ua, unsigned int n)
{
	struct mm_iommu_table_group_mem_t *mem = mm_iommu_lookup(current->mm, ua, KVM_MEMORY);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	while (n--)
		KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
}

/* A client whose memory is counted @n times. Return: its first page */
static struct page *set_up_counted(struct kunit *test, struct kvm_setup *s, unsigned int n)
{
	kvm_set_up(test, s);
	count_memory(test, s->ua, n);
	return tce_page(test->priv, s->ua);
}

/* KVM's list has let go of memory, or a work item sees to it, and then nobody holds its pages. */
static void expect_let_go(struct kunit *test, unsigned long ua, struct page *first)
{
	int i;

	for (i = 0; i < 3000 && mm_iommu_lookup(current->mm, ua, KVM_MEMORY); i++)
		msleep(20);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, ua, KVM_MEMORY));
	/* the pin is given back after a grace period */
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, tce_holders(first), 1);
}

/* KVM has lost a count. It keeps no pages, whoever else has a container. */
static void kvm_has_lost_count(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *also;
	struct kvm_setup s;
	struct page *page;

	page = set_up_counted(test, &s, 1);
	also = tce_ready(fx, false, NULL);
	/* with a page that kvm_set_up() has registered */
	KUNIT_EXPECT_EQ(test, tce_listed(also), 2);
	ClearPageDirty(page);
	kvm_close(&s);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	KUNIT_EXPECT_EQ(test, tce_listed(also), 0);
	expect_let_go(test, s.ua, page);
	/* nothing could write there */
	KUNIT_EXPECT_FALSE(test, PageDirty(page));
	tce_close(also);
	tce_expect_balance(fx);
}

static struct tce_gate creating;

/* Somebody creates a table, and takes long. */
static void be_creating(struct tce_thread *thread)
{
	down_read(&tce_create_lock);
	complete(&creating.reached);
	wait_for_completion_timeout(&creating.open, 30 * HZ);
	up_read(&tce_create_lock);
}

/*
 * A guest has raised the count, and while a table is created nothing is taken back. Neither the
 * close nor whoever creates another table waits for that, and the pages are released afterwards.
 */
static void kvm_has_lost_many_counts(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	static struct tce_thread thread;
	struct kvm_setup s;
	struct page *page;
	unsigned int i;
	u64 start;

	page = set_up_counted(test, &s, 600000);
	init_completion(&creating.reached);
	init_completion(&creating.open);
	tce_thread_start(&thread, s.client, be_creating);
	wait_for_completion(&creating.reached);
	kvm_close(&s);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	/* KVM could map it there, and then it must not go */
	client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
	/* until then, what is registered anew does not come to the list, where that is still */
	KUNIT_EXPECT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
	complete(&creating.open);
	tce_thread_join(&thread);
	expect_let_go(test, s.ua, page);
	for (i = 0; i < 3000 && tce_listed(client); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, tce_listed(client), 0);
	/* afterwards a new window is KVM's again */
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_64M, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_EXPECT_TRUE(test, kvm_put(&s, 0, s.ua));
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 0));
	tce_close(client);
	tce_expect_balance(fx);
}

/*
 * A guest has raised the counts of three regions, each by half of what a close takes back at most.
 * The rest is left to a work item.
 */
static void kvm_has_lost_too_many_counts(struct kunit *test)
{
	const unsigned int half = 8 * 65536;
	struct tce_fixture *fx = test->priv;
	struct page *pages[3];
	unsigned long ua[3];
	struct kvm_setup s;
	int i;

	pages[0] = set_up_counted(test, &s, half);
	ua[0] = s.ua;
	for (i = 1; i < 3; i++) {
		ua[i] = tce_plain(fx, KVM_MEMORY);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, ua[i], KVM_MEMORY), 0);
		count_memory(test, ua[i], half);
		pages[i] = tce_page(fx, ua[i]);
	}
	fx->mock->taken_back = 0;
	/* all the same if its process is being killed */
	TCE_DO_KILLED(kvm_close(&s));
	KUNIT_EXPECT_LE(test, fx->mock->taken_back, 2UL * half);
	for (i = 0; i < 3; i++)
		expect_let_go(test, ua[i], pages[i]);
	tce_expect_balance(fx);
}

/*
 * A bridge does not release a window. KVM maps nothing there any more, not even memory of the
 * process's next container. What stays counted when the container closes may still be mapped by
 * some entry: the pages are kept, though they do not belong to the container any more.
 */
static void kvm_keeps_a_table_and_so_does_the_bridge(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct kvm_setup s;
	struct page *page;
	unsigned long i;

	page = set_up_counted(test, &s, 1);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -EIO);
	KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), -EIO);
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
	fx->mock->kept = true;
	TCE_DO_KILLED(kvm_close(&s));
	fx->pages_left = KVM_MEMORY >> PAGE_SHIFT;
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_holders(page), 2);

	client = tce_ready(fx, true, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 1, s.ua));
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
	tce_close(client);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < KVM_MEMORY; i += PAGE_SIZE)
		put_page(tce_page(fx, s.ua + i));
}

/* A bridge has kept a window of v1, in which KVM maps nothing. What stays counted is given back. */
static void counted_beside_a_bridge_of_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct kvm_setup s;
	struct page *page;

	/* the default window is made by the first MAP or UNMAP */
	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	page = set_up_counted(test, &s, 1);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -EIO);
	tce_close(v1);
	tce_fault_disarm(fx->mock);
	kvm_close(&s);
	expect_let_go(test, s.ua, page);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
}

static struct kunit_case tce_kvm_shown_cases[] = {
	KUNIT_CASE(kvm_writes_late),
	KUNIT_CASE(kvm_looks_a_table_up),
	KUNIT_CASE(kvm_has_lost_count),
	KUNIT_CASE(kvm_has_lost_many_counts),
	KUNIT_CASE(kvm_has_lost_too_many_counts),
	KUNIT_CASE(counted_beside_a_bridge_of_v1),
	KUNIT_CASE(kvm_keeps_a_table_and_so_does_the_bridge),
	{}
};

TCE_SUITE(tce_kvm_shown);
