// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_new: pseries puts a table into its group before create_table() returns, so KVM
 * can find it, and write to it, before it is hidden.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/mman.h>

#include <asm/mmu_context.h>

#include "../tce_container.h"
#include "tce_guest.h"
#include "tce_threads.h"

/* What KVM does with a new table, before the driver knows of it. May sleep, and may be NULL. */
static void (*kvm_finds)(struct iommu_table *tbl, void *data);
static void *kvm_data;

static long create_and_find(struct iommu_table_group *tg, int num, u32 shift, u64 size, u32 levels,
			    struct iommu_table **ptbl)
{
	long rc = tce_mock_group_ops.create_table(tg, num, shift, size, levels, ptbl);

	if (!rc && kvm_finds) {
		/* whatever the driver was called for, this has to be cleared */
		tce_mock_current()->calling = false;
		kvm_finds(*ptbl, kvm_data);
	}
	return rc;
}

/* A group of pseries joins, in which KVM finds each table. */
static void attach_with_kvm(struct kunit *test, struct tce_client *client,
			    struct tce_mock_group *grp)
{
	grp->mock->hcalls = true;
	grp->tg.max_levels = 1;
	kvm_finds = NULL;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	/* of the operations that a group has while it is attached */
	grp->tg.ops->create_table = create_and_find;
}

/**
 * struct finder - KVM that finds a table
 * @name: of the case
 * @v2: whose table it is
 * @kvm: the process has KVM, so that a table of v2 is shared
 * @entries: how many KVM writes, by turns at both ends
 * @own: it is KVM of this process, which counts in the same list
 * @leaves: it is gone again before create_table() returns
 * @no_pua: there is no memory for userspace entries, so that KVM can write nothing
 */
struct finder {
	const char *name;
	bool v2;
	bool kvm;
	unsigned int entries;
	bool own;
	bool leaves;
	bool no_pua;
};

static const struct finder finders[] = {
	{ "v1", false, true, 1, true },
	{ "v1, another process", false, true, 2, false },
	{ "v1, and leaves", false, true, 1, true, true },
	{ "v2, not shared", true, false, 4, false },
	{ "v2, not shared, and leaves", true, false, 4, false, true },
	{ "v2, shared", true, true, 1, true },
	{ "v2, shared, another process", true, true, 4, false },
	{ "v2, shared, and leaves", true, true, 1, true, true },
	{ "no userspace entries", true, true, 0, false, false, true },
	/* and KVM does not find it */
	{ "v1, no userspace entries, not found", false, true, 0, false, true, true },
	{ "v2, no userspace entries, not found", true, true, 0, false, true, true },
	{ "only finds it", false, true, 0, false },
};

KUNIT_ARRAY_PARAM_DESC(finder, finders, name);

/**
 * struct find - how it goes for one of them
 * @test: the case
 * @ua: memory that this process has registered, and KVM's guest has at the same address
 * @found: the table, with a reference
 */
struct find {
	struct kunit *test;
	unsigned long ua;
	struct iommu_table *found;
};

/* What KVM does when it maps, but for its count */
static void put_at(struct kunit *test, struct iommu_table *tbl, unsigned long entry,
		   unsigned long ua, unsigned long hpa)
{
	__be64 *pua = tbl->it_ops->useraddrptr(tbl, entry, true);
	enum dma_data_direction dir = DMA_TO_DEVICE;

	KUNIT_ASSERT_NOT_NULL(test, pua);
	KUNIT_EXPECT_EQ(test, iommu_tce_xchg_no_kill(current->mm, tbl, entry, &hpa, &dir), 0);
	*pua = cpu_to_be64(ua);
}

/* KVM of another process, whose memory of that address is the same, and which counts elsewhere */
static void put_as_other(struct find *find, struct iommu_table *tbl, unsigned long entry)
{
	put_at(find->test, tbl, entry, find->ua,
	       page_to_phys(tce_page(find->test->priv, find->ua)));
}

static void find_table(struct iommu_table *tbl, void *data)
{
	struct find *find = data;
	const struct finder *finder = find->test->param_value;
	struct kvm_setup s = { .tbl = tbl };
	unsigned int i;

	/* pseries does not say so */
	if (finder->no_pua)
		tbl->it_userspace = NULL;
	for (i = 0; i < finder->entries; i++) {
		/* at both ends */
		unsigned long entry = tbl->it_offset + (i % 2 ? tbl->it_size - i : i);

		if (finder->own)
			KUNIT_EXPECT_TRUE(find->test, kvm_put(&s, entry, find->ua));
		else
			put_as_other(find, tbl, entry);
	}
	if (!finder->leaves)
		find->found = iommu_tce_table_get(tbl);
}

/* The table is not used, and nothing that KVM has written there is taken for the module's own. */
static void kvm_finds_a_new_table(struct kunit *test)
{
	const struct finder *finder = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct find find = { .test = test };
	struct tce_mock_group *grp = tce_group(fx);
	unsigned int kvms = finder->own ? finder->entries : 0;
	struct tce_client *owner, *client;
	struct tce_state before;
	u64 start;
	int i;

	fx->mock->hcalls = true;
	if (finder->kvm)
		tce_watch(fx);
	/* what would be counted down is mapped elsewhere */
	find.ua = tce_plain(fx, KVM_MEMORY);
	owner = tce_ready_window(fx, 12, SZ_1M, 1, NULL);
	KUNIT_ASSERT_EQ(test, tce_register(owner, find.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(owner, 0, find.ua, KVM_MEMORY, TCE_RW), 0);
	client = tce_open(fx, finder->v2);
	attach_with_kvm(test, client, grp);
	if (!finder->v2)
		KUNIT_ASSERT_EQ(test, tce_enable(client), 0);

	tce_get_state(fx, &before);
	kvm_finds = find_table;
	kvm_data = &find;
	KUNIT_EXPECT_EQ(test, finder->v2 ? tce_create(client, 12, SZ_64K, 1, &start) :
					   tce_unmap(client, 0, SZ_4K),
			finder->no_pua ? -ENOMEM : -EBUSY);
	if (!finder->no_pua || !finder->leaves)
		tce_expect_why(fx, "KVM_HAS_TABLE");
	kvm_finds = NULL;
	if (find.found)
		iommu_tce_table_put(find.found);
	before.n[TCE_COUNTED] += kvms;
	tce_expect_state(fx, &before, finder->name);

	/* and without KVM all is as ever */
	KUNIT_EXPECT_EQ(test, finder->v2 ? tce_create(client, 12, SZ_64K, 1, &start) :
					   tce_unmap(client, 0, SZ_4K), 0);
	tce_close(client);
	KUNIT_EXPECT_EQ(test, tce_unmap(owner, 0, KVM_MEMORY), 0);
	for (i = 0; i < kvms; i++)
		mm_iommu_mapped_dec(mm_iommu_lookup(current->mm, find.ua, KVM_MEMORY));
	KUNIT_EXPECT_EQ(test, tce_unregister(owner, find.ua, KVM_MEMORY), 0);
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

static void close_last(struct tce_thread *thread)
{
	struct leave *leave = container_of(thread, struct leave, thread);

	tce_close(leave->client);
}

static long unset_slowly(struct iommu_table_group *tg, int num)
{
	msleep(100);
	return tce_mock_group_ops.unset_window(tg, num);
}

static void leave_meanwhile(struct iommu_table *tbl, void *data)
{
	struct leave *leave = data;
	struct tce_container *leaving = tce_container_find(leave->client->data);
	struct tce_fixture *fx = leave->client->fx;
	struct kunit *test = fx->test;

	if (leave->hpa) {
		put_at(test, tbl, tbl->it_offset, leave->ua, leave->hpa);
		tce_fault_arm_sticky(fx->mock, TCE_FAULT_LOST, 0);
		leave->maker->groups[0]->tg.ops->unset_window = unset_slowly;
	}
	tce_thread_start(&leave->thread, leave->client, close_last);
	/* it waits for no other client's table */
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&leave->thread));
	KUNIT_EXPECT_TRUE(test, tce_tries_again(leaving) && tce_tries_again(leaving));
	KUNIT_EXPECT_TRUE(test, tce_mock_pins(fx->mock));
}

static void make_as_other(struct tce_fixture *fx, void *arg)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .size = SZ_4K };
	struct leave *leave = arg;
	unsigned long ua;

	ua = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_EXPECT_EQ(fx->test, copy_to_user((void __user *)ua, &unmap, sizeof(unmap)), 0);
	KUNIT_EXPECT_EQ(fx->test, tce_ioctl_raw(leave->maker, VFIO_IOMMU_ENABLE, 0), 0);
	kvm_finds = leave_meanwhile;
	kvm_data = leave;
	KUNIT_EXPECT_EQ(fx->test, tce_ioctl_raw(leave->maker, VFIO_IOMMU_UNMAP_DMA, ua),
			leave->hpa ? -EBUSY : 0);
	kvm_finds = NULL;
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
	struct mm_iommu_table_group_mem_t *mem;
	struct leave leave;
	int cleared, ms;

	tce_watch(fx);
	for (cleared = 0; cleared < 2; cleared++) {
		leave = (struct leave){ .ua = tce_plain(fx, KVM_MEMORY) };
		leave.client = tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_register(leave.client, leave.ua, KVM_MEMORY), 0);
		mem = mm_iommu_lookup(current->mm, leave.ua, KVM_MEMORY);
		KUNIT_ASSERT_NOT_NULL(test, mem);
		KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
		if (!cleared)
			KUNIT_ASSERT_EQ(test, mm_iommu_ua_to_hpa(mem, leave.ua, 0, &leave.hpa), 0);
		leave.maker = tce_open(fx, false);
		attach_with_kvm(test, leave.maker, tce_group(fx));
		tce_do_as_other(fx, true, make_as_other, &leave);
		tce_thread_join(&leave.thread);
		for (ms = 0; ms < 10000 && tce_mock_pins(fx->mock); ms += 10)
			msleep(10);
		tce_expect_balance(fx);
	}
}

static struct iommu_table *looked_at;
static DECLARE_COMPLETION(made);
static DECLARE_COMPLETION(looking);

static void look_up(struct tce_thread *thread)
{
	const struct iommu_table_ops *ops;
	int ms;

	if (!wait_for_completion_timeout(&made, 30 * HZ))
		return;
	rcu_read_lock();
	ops = READ_ONCE(looked_at->it_ops);
	complete(&looking);
	/* until it is hidden, and is given some time to be found unused */
	for (ms = 0; ms < 5000 && READ_ONCE(looked_at->it_ops) == ops; ms++)
		mdelay(1);
	mdelay(50);
	thread->rc = !!iommu_tce_table_get(looked_at);
	rcu_read_unlock();
}

static void let_look(struct iommu_table *tbl, void *data)
{
	looked_at = tbl;
	complete(&made);
	wait_for_completion(&looking);
}

/* KVM has found a new table, and takes its reference while that is being hidden. */
static void kvm_is_just_looking(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);
	struct tce_thread thread;
	int killed;
	u64 start;
	long rc;

	/* the reader keeps one of them busy */
	if (num_online_cpus() < 2)
		kunit_skip(test, "this machine has one CPU");
	attach_with_kvm(test, client, grp);
	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	for (killed = 0; killed < 2; killed++) {
		reinit_completion(&made);
		reinit_completion(&looking);
		tce_thread_start(&thread, client, look_up);
		kvm_finds = let_look;
		tce_be_killed(killed);
		rc = tce_create(client, 12, SZ_64K, 1, &start);
		tce_be_killed(false);
		kvm_finds = NULL;
		tce_thread_join(&thread);
		KUNIT_EXPECT_EQ(test, rc, -EBUSY);
		KUNIT_EXPECT_EQ(test, thread.rc, 1);
		if (thread.rc)
			iommu_tce_table_put(looked_at);
	}
}

static struct kunit_case tce_kvm_new_cases[] = {
	KUNIT_CASE_PARAM(kvm_finds_a_new_table, finder_gen_params),
	KUNIT_CASE(kvm_has_mapped_in_a_new_table),
	KUNIT_CASE(kvm_is_just_looking),
	{}
};

TCE_SUITE(tce_kvm_new);
