// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_shown: which tables and which memory KVM can see, and what it still uses after the
 * driver has released them. On pseries KVM can find a table, and write to it, before it is hidden,
 * because that is in its group before create_table() returns.
 */
#include <asm/mmu_context.h>

#include "../tce_container.h"
#include "../tce_region.h"
#include "tce_guest.h"
#include "tce_threads.h"

/* ---- tables ---- */

/* A group of pseries joins, in which KVM finds each table. */
static void attach_pseries(struct kunit *test, struct tce_client *client)
{
	client->fx->mock->hcalls = true;
	KUNIT_ASSERT_EQ(test, tce_attach(client, tce_group(client->fx)), 0);
}

static long make_table(struct tce_client *client)
{
	u64 start;

	return client->v2 ? tce_create(client, 12, SZ_64K, 1, &start) :
			    tce_unmap(client, 0, SZ_4K);
}

/* Unless it is freed already */
static void take_reference(void *data)
{
	struct iommu_table **taken = data;
	struct tce_mock *mock = tce_mock_current();

	if (tce_mock_count(mock).tables)
		*taken = iommu_tce_table_get(tce_mock_newest(mock));
}

/*
 * KVM has looked a table up, and takes its reference while the driver waits for RCU. CREATE must
 * then return -EBUSY rather than use the table, and REMOVE must not free it.
 */
static void kvm_is_just_looking(struct kunit *test)
{
	enum { CREATE, CREATE_KILLED, REMOVE, REMOVE_ON_POWERNV, HOW };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct iommu_table *taken;
	struct tce_hook hook = { .call = take_reference, .data = &taken };
	u64 start;
	int how;

	attach_pseries(test, client);
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	for (how = 0; how < HOW; how++) {
		bool removes = how >= REMOVE;

		/* PowerNV gives a group its table after that is hidden: only REMOVE has to wait */
		fx->mock->hcalls = how != REMOVE_ON_POWERNV;
		if (removes)
			KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_64K, 1, &start), 0);
		taken = NULL;
		fx->mock->at[TCE_AT_GRACE] = &hook;
		if (removes)
			KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
		else
			KUNIT_EXPECT_EQ(test, TCE_KILLED_IF(how == CREATE_KILLED,
							    make_table(client)), -EBUSY);
		fx->mock->at[TCE_AT_GRACE] = NULL;
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_count(fx->mock).tables, 1, "%d", how);
		if (taken)
			iommu_tce_table_put(taken);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_count(fx->mock).tables, 0, "%d", how);
	}
}

/**
 * struct find - KVM finds a new table
 * @test: the case
 * @name: for messages
 * @ua: memory that this process has registered, and KVM's guest has at the same address
 * @entries: how many KVM writes, by turns at both ends
 * @own: it is KVM of this process, which counts in the same list
 * @leaves: it is gone again before create_table() returns
 * @no_pua: there is no memory for userspace entries, so that KVM can write nothing
 * @found: the table, with a reference
 */
struct find {
	struct kunit *test;
	char name[24];
	unsigned long ua;
	unsigned int entries;
	bool own;
	bool leaves;
	bool no_pua;
	struct iommu_table *found;
};

/* What KVM of any process does when it maps, but for its count */
static void put_at(struct kunit *test, struct iommu_table *tbl, unsigned long entry,
		   unsigned long ua, unsigned long hpa)
{
	__be64 *pua = tbl->it_ops->useraddrptr(tbl, entry, true);
	enum dma_data_direction dir = DMA_TO_DEVICE;

	KUNIT_ASSERT_NOT_NULL(test, pua);
	KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, tbl, entry, &hpa, &dir), 0);
	*pua = cpu_to_be64(ua);
}

/* Before the driver knows of it */
static void find_table(void *data)
{
	struct find *find = data;
	struct iommu_table *tbl = tce_mock_newest(tce_mock_current());
	unsigned long hpa = page_to_phys(tce_page(find->test->priv, find->ua));
	unsigned int i;

	/* pseries does not say so */
	if (find->no_pua)
		tbl->it_userspace = NULL;
	if (find->own)
		kvm_count(find->test, find->ua, find->entries);
	for (i = 0; i < find->entries; i++)
		put_at(find->test, tbl, tbl->it_offset + (i % 2 ? tbl->it_size - i : i), find->ua,
		       hpa);
	if (!find->leaves)
		find->found = iommu_tce_table_get(tbl);
}

/* The table is not used, and nothing that KVM has written there is taken for the module's own. */
static void find_in(struct find *find, bool v2)
{
	struct tce_fixture *fx = find->test->priv;
	struct tce_client *client = tce_open(fx, v2);
	unsigned int counted = find->own ? find->entries : 0;
	struct tce_hook hook = { .call = find_table, .data = find };
	struct tce_state before;

	attach_pseries(find->test, client);
	if (!v2)
		KUNIT_ASSERT_EQ(find->test, tce_enable(client), 0);
	tce_get_state(fx, &before);
	fx->mock->at[TCE_AT_CREATED] = &hook;
	find->found = NULL;
	KUNIT_EXPECT_EQ_MSG(find->test, make_table(client), find->no_pua ? -ENOMEM : -EBUSY, "%s",
			    find->name);
	if (!find->no_pua || find->found)
		tce_expect_why(fx, "KVM_HAS_TABLE");
	if (find->found)
		iommu_tce_table_put(find->found);
	before.n[TCE_COUNTED] += counted;
	tce_expect_state(fx, &before, find->name);
	/* and without KVM all is as ever */
	KUNIT_EXPECT_EQ(find->test, make_table(client), 0);
	tce_close(client);
	while (counted--)
		mm_iommu_mapped_dec(mm_iommu_lookup(current->mm, find->ua, KVM_MEMORY));
}

/* Any KVM that there can be, and that finds the table or writes something */
static void kvm_finds_a_new_table(struct kunit *test)
{
	static const unsigned int entries[] = { 0, 0, 1, 4 };
	struct tce_fixture *fx = test->priv;
	struct find find = { .test = test };
	struct tce_client *owner;
	unsigned int kvm, i;

	fx->mock->hcalls = true;
	for (kvm = 0; kvm < 2; kvm++) {
		if (kvm)
			tce_watch(fx);
		/* what would be counted down is mapped elsewhere */
		find.ua = tce_plain(fx, KVM_MEMORY);
		owner = tce_ready_for(fx, true, find.ua, KVM_MEMORY, NULL);
		KUNIT_ASSERT_EQ(test, tce_map(owner, 0, find.ua, KVM_MEMORY, TCE_RW), 0);
		for (i = 0; i < 32; i++) {
			find.own = i & 2;
			find.leaves = i & 4;
			find.no_pua = i < 8;
			find.entries = entries[i / 8];
			snprintf(find.name, sizeof(find.name), "kvm %u, case %u", kvm, i);
			if ((!find.own || (kvm && find.entries)) &&
			    (!find.leaves || find.no_pua || find.entries))
				find_in(&find, i & 1);
		}
		KUNIT_EXPECT_EQ(test, tce_unmap(owner, 0, KVM_MEMORY), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(owner, find.ua, KVM_MEMORY), 0);
		tce_close(owner);
	}
}

/**
 * struct leave - the last container of a process closes while another process makes a table
 * @client: that container
 * @maker: the other one
 * @ua: what it has registered, and KVM maps
 * @hpa: where that is, if KVM maps it in this table, and nothing can be cleared there
 * @thread: closes it
 */
struct leave {
	struct tce_client *client;
	struct tce_client *maker;
	unsigned long ua;
	unsigned long hpa;
	struct tce_thread thread;
};

static long unset_slowly(struct iommu_table_group *tg, int num)
{
	msleep(100);
	return tce_mock_group_ops.unset_window(tg, num);
}

static void leave_meanwhile(void *data)
{
	struct leave *leave = data;
	struct iommu_table *tbl = tce_mock_newest(tce_mock_current());
	struct tce_container *leaving = tce_container_find(leave->client->data);
	struct tce_fixture *fx = leave->client->fx;
	struct kunit *test = fx->test;

	if (leave->hpa) {
		put_at(test, tbl, tbl->it_offset, leave->ua, leave->hpa);
		tce_fault_arm_sticky(fx->mock, TCE_FAULT_LOST, 0);
		tce_group_of(leave->maker)->tg.ops->unset_window = unset_slowly;
	}
	tce_thread_op(&leave->thread, leave->client, &tce_op_close);
	/* it waits for no other client's table */
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&leave->thread));
	KUNIT_EXPECT_TRUE(test, tce_tries_again(leaving));
	KUNIT_EXPECT_TRUE(test, tce_mock_pins(fx->mock));
}

static void make_as_other(struct tce_fixture *fx, void *arg)
{
	struct leave *leave = arg;
	struct tce_hook hook = { .call = leave_meanwhile, .data = leave };

	KUNIT_EXPECT_EQ(fx->test, tce_enable(leave->maker), 0);
	fx->mock->at[TCE_AT_CREATED] = &hook;
	KUNIT_EXPECT_EQ(fx->test, make_table(leave->maker), leave->hpa ? -EBUSY : 0);
	tce_fault_disarm(fx->mock);
}

/*
 * KVM has mapped a process's memory in a table that another process is making. When the first
 * process leaves, the memory stays pinned until that table is hidden and cleared, or, if the
 * hypervisor refuses to clear it, until its window is removed.
 */
static void kvm_has_mapped_in_a_new_table(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct leave leave;
	int cleared;

	tce_watch(fx);
	for (cleared = 0; cleared < 2; cleared++) {
		leave = (struct leave){ .ua = tce_plain(fx, KVM_MEMORY) };
		leave.client = tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_register(leave.client, leave.ua, KVM_MEMORY), 0);
		kvm_count(test, leave.ua, 1);
		if (!cleared)
			leave.hpa = page_to_phys(tce_page(fx, leave.ua));
		leave.maker = tce_open(fx, false);
		attach_pseries(test, leave.maker);
		tce_do_as_other(fx, make_as_other, &leave);
		tce_thread_join(&leave.thread);
		KUNIT_EXPECT_TRUE(test, TCE_SOON(!tce_mock_pins(fx->mock)));
		tce_expect_balance(fx);
	}
}

/*
 * A vCPU has looked up where it writes an address, and does so after the table was hidden: what it
 * has written there stands for nothing, and what KVM maps elsewhere stays counted.
 */
static void kvm_writes_late(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, KVM_MEMORY);
	struct tce_mock_group *grp;
	/* while the process has no KVM */
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	int i;

	tce_watch(fx);
	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_EQ(test, tce_register(client, ua, KVM_MEMORY), 0);
		kvm_count(test, ua, 1);
		grp->tg.tables[0]->it_userspace[0] = cpu_to_be64(ua);
		if (i < 2)
			KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, i ? KVM_MEMORY : SZ_4K,
						      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, i == 2 ? SZ_4K : SZ_64M), 0);
		KUNIT_EXPECT_EQ_MSG(test, fx->mock->counted, 1, "%d", i);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, KVM_MEMORY), 0);
		KUNIT_EXPECT_EQ_MSG(test, fx->mock->counted, 0, "%d", i);
	}
}

/* ---- memory ---- */

/* A client whose memory is counted @n times. Return: its first page */
static struct page *set_up_counted(struct kunit *test, struct kvm_setup *s, unsigned int n)
{
	kvm_set_up(test, s);
	kvm_count(test, s->ua, n);
	return tce_page(test->priv, s->ua);
}

/* KVM's list has let go of memory, or a work item sees to it, and then nobody holds its pages. */
static void expect_let_go(struct kunit *test, unsigned long ua, struct page *first)
{
	KUNIT_EXPECT_TRUE(test, TCE_SOON(!mm_iommu_lookup(current->mm, ua, KVM_MEMORY)));
	/* the list's pin goes after a grace period, the region's own once it has left the list */
	KUNIT_EXPECT_TRUE(test, TCE_SOON(tce_holders(first) == 1));
}

/*
 * A guest has raised the counts of three regions: a little, or each by half of what a close takes
 * back at most, whose rest is left to a work item. It keeps no pages, whoever else has a container,
 * and even if a bridge has kept a window of v1, in which KVM maps nothing.
 */
static void kvm_has_lost_counts(struct kunit *test)
{
	const unsigned int half = 8 * 65536;
	struct tce_fixture *fx = test->priv;
	unsigned int i, n;
	struct page *pages[3];
	unsigned long ua[3];
	struct tce_client *also, *v1;
	struct kvm_setup s;

	for (n = 1; n <= half; n += half - 1) {
		pages[0] = set_up_counted(test, &s, n);
		ua[0] = s.ua;
		for (i = 1; i < 3; i++) {
			ua[i] = tce_plain(fx, KVM_MEMORY);
			KUNIT_ASSERT_EQ(test, tce_register(s.client, ua[i], KVM_MEMORY), 0);
			kvm_count(test, ua[i], n);
			pages[i] = tce_page(fx, ua[i]);
		}
		v1 = tce_ready(fx, false, NULL);
		/* the default window is made by the first MAP or UNMAP */
		KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
		tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -EIO);
		tce_close(v1);
		tce_fault_disarm(fx->mock);
		also = tce_ready(fx, false, NULL);
		/* with a page that kvm_set_up() has registered */
		KUNIT_EXPECT_EQ(test, tce_listed(also), 4);
		fx->mock->taken_back = 0;
		/* all the same if its process is being killed */
		TCE_DO_KILLED(kvm_close(&s));
		KUNIT_EXPECT_LE(test, fx->mock->taken_back, 2UL * half);
		if (n == 1)
			KUNIT_EXPECT_EQ(test, tce_listed(also), 0);
		for (i = 0; i < 3; i++)
			expect_let_go(test, ua[i], pages[i]);
		tce_close(also);
		KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
		tce_expect_balance(fx);
	}
}

/*
 * A guest has raised the count, and while a table is created nothing is taken back. Neither the
 * close nor whoever creates another table waits for that, and the pages are released afterwards.
 */
static void counts_stay_while_a_table_is_made(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct kvm_setup s;
	struct page *page;
	u64 start;

	page = set_up_counted(test, &s, 0);
	/* without lockdep, since the lock is meant to be that of whoever creates the table */
	down_read_non_owner(&tce_create_lock);
	/* KVM may have mapped it in that table, whatever the count is */
	TCE_REFUSED(fx, REGION_MAPPED, EBUSY, tce_unregister(s.client, s.ua, KVM_MEMORY));
	kvm_count(test, s.ua, 1);
	kvm_close(&s);
	KUNIT_EXPECT_NOT_NULL(test, mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	/* KVM could map it there, and then it must not go */
	client = tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
	s.tbl = s.grp->tg.tables[0];
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
	/* until then, what is registered anew does not come to the list, where that is still */
	KUNIT_EXPECT_EQ(test, tce_register(client, s.ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, s.ua, KVM_MEMORY), 0);
	up_read_non_owner(&tce_create_lock);
	expect_let_go(test, s.ua, page);
	KUNIT_EXPECT_TRUE(test, TCE_SOON(!tce_listed(client)));
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

static struct kunit_case tce_kvm_shown_cases[] = {
	KUNIT_CASE(kvm_is_just_looking),
	KUNIT_CASE(kvm_finds_a_new_table),
	KUNIT_CASE(kvm_has_mapped_in_a_new_table),
	KUNIT_CASE(kvm_writes_late),
	KUNIT_CASE(kvm_has_lost_counts),
	KUNIT_CASE(counts_stay_while_a_table_is_made),
	{}
};

TCE_SUITE(tce_kvm_shown);
