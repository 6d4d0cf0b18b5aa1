// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads: several threads at the same container. The platform
 * looks at every write, lockdep and, where they are configured, KASAN and KCSAN
 * at everything else.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include <asm/mmu_context.h>

#include "../tce_memory.h"
#include "tce_fixture.h"

#define MEMORY	SZ_256K
#define ROUNDS	100

/* What the threads of a case share */
static unsigned long memory;

static void start_all(struct tce_thread *threads, int n,
		      struct tce_client *client,
		      void (*const *whats)(struct tce_thread *thread))
{
	int i;

	for (i = 0; i < n; i++)
		tce_thread_start(&threads[i], client, whats[i]);
}

static void join_all(struct kunit *test, struct tce_thread *threads, int n)
{
	struct tce_fixture *fx = test->priv;
	int i;

	for (i = 0; i < n; i++)
		tce_thread_join(&threads[i]);
	fx->busy = false;
	tce_settled(fx);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ_MSG(test, threads[i].rc, 0, "thread %d", i);
}

static struct tce_client *setup(struct kunit *test, bool v2,
				struct tce_mock_group **pgrp)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;

	memory = tce_plain(fx, MEMORY);
	client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, pgrp) :
		      tce_ready(fx, false, pgrp);
	if (v2)
		KUNIT_ASSERT_EQ(test, tce_register(client, memory, MEMORY), 0);
	return client;
}

static void keep_first_error(struct tce_thread *thread, long rc)
{
	if (!thread->rc)
		thread->rc = rc;
}

static void map_all(struct tce_thread *thread)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		keep_first_error(thread, tce_map(&thread->view, 0, memory,
						 MEMORY, TCE_RW));
}

static void map_single_pages(struct tce_thread *thread)
{
	u64 at;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		at = (i * 7 * SZ_4K) % MEMORY;
		keep_first_error(thread, tce_map(&thread->view, at,
						 memory + at, SZ_4K, TCE_RW));
	}
}

static void unmap_all(struct tce_thread *thread)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		keep_first_error(thread, tce_unmap(&thread->view, 0, SZ_64M));
}

static void unmap_single_pages(struct tce_thread *thread)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		keep_first_error(thread,
				 tce_unmap(&thread->view,
					   (i * 5 * SZ_4K) % MEMORY, SZ_4K));
}

static void map_and_unmap(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		map_all, map_single_pages, unmap_all, unmap_single_pages,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = setup(test, v2, NULL);
		start_all(threads, ARRAY_SIZE(whats), client, whats);
		join_all(test, threads, ARRAY_SIZE(whats));
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		if (v2)
			KUNIT_EXPECT_EQ(test, tce_unregister(client, memory,
							     MEMORY), 0);
	}
}

/* With KVM the entries are exchanged one by one. */
static void map_and_unmap_beside_kvm(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	fx->mock->kvm = true;
	map_and_unmap(test);
	tce_watch(fx);
	map_and_unmap(test);
}

static void create_and_remove(struct tce_thread *thread)
{
	u64 start;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		keep_first_error(thread, tce_create(&thread->view, 12, SZ_16M,
						    1, &start));
		keep_first_error(thread, tce_remove(&thread->view, start));
	}
}

/* In a window that comes and goes: both is right. */
static void map_if_there(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		rc = tce_map(&thread->view, 1ULL << 59, memory, MEMORY, TCE_RW);
		if (rc != -ENXIO)
			keep_first_error(thread, rc);
		rc = tce_unmap(&thread->view, 1ULL << 59, MEMORY);
		if (rc != -ENXIO)
			keep_first_error(thread, rc);
	}
}

static void windows_come_and_go(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		create_and_remove, map_if_there, map_if_there, map_all,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_client *client = setup(test, true, NULL);

	start_all(threads, ARRAY_SIZE(whats), client, whats);
	join_all(test, threads, ARRAY_SIZE(whats));
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, memory, MEMORY), 0);
}

/* The first to map creates the default window; there is only one. */
static void first_map(struct tce_thread *thread)
{
	keep_first_error(thread, tce_map(&thread->view, 0, memory, SZ_4K,
					 TCE_RW));
}

static void one_default_window(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		first_map, first_map, first_map, first_map,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	int i;

	memory = tce_plain(fx, MEMORY);
	for (i = 0; i < 20; i++) {
		client = tce_ready(fx, false, NULL);
		fx->mock->created = 0;
		start_all(threads, ARRAY_SIZE(whats), client, whats);
		join_all(test, threads, ARRAY_SIZE(whats));
		KUNIT_EXPECT_EQ(test, fx->mock->created, 1);
		tce_close(client);
	}
}

static void register_and_unregister(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		rc = tce_unregister(&thread->view, memory, MEMORY);
		/* mapped, or the other was quicker */
		if (rc != -EBUSY && rc != -ENOENT)
			keep_first_error(thread, rc);
		rc = tce_register(&thread->view, memory, MEMORY);
		if (rc != -EBUSY)
			keep_first_error(thread, rc);
	}
}

static void map_if_registered(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		rc = tce_map(&thread->view, SZ_1M, memory, MEMORY, TCE_RW);
		if (rc != -EINVAL)
			keep_first_error(thread, rc);
		keep_first_error(thread, tce_unmap(&thread->view, SZ_1M,
						   MEMORY));
	}
}

static void regions_come_and_go(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		register_and_unregister, register_and_unregister,
		map_if_registered, map_if_registered,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	int kvm;

	for (kvm = 0; kvm < 2; kvm++) {
		if (kvm)
			tce_watch(fx);
		client = setup(test, true, NULL);
		start_all(threads, ARRAY_SIZE(whats), client, whats);
		join_all(test, threads, ARRAY_SIZE(whats));
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(client, memory, MEMORY),
				0);
	}
}

/* Two containers with the same memory: each for itself. */
static void two_containers(struct kunit *test)
{
	struct tce_thread threads[4];
	struct tce_client *a = setup(test, true, NULL), *b;
	struct tce_fixture *fx = test->priv;

	b = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	tce_thread_start(&threads[0], a, register_and_unregister);
	tce_thread_start(&threads[1], b, register_and_unregister);
	tce_thread_start(&threads[2], a, map_if_registered);
	tce_thread_start(&threads[3], b, map_if_registered);
	join_all(test, threads, 4);
	KUNIT_EXPECT_EQ(test, tce_unmap(a, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(b, 0, SZ_64M), 0);
}

static struct tce_mock_group *second;

static void attach_and_detach(struct tce_thread *thread)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		keep_first_error(thread,
				 tce_driver->attach_group(thread->view.data,
							  second->group,
							  VFIO_IOMMU));
		tce_driver->detach_group(thread->view.data, second->group);
	}
}

static void ask(struct tce_thread *thread)
{
	struct vfio_iommu_spapr_tce_info info;
	struct vfio_eeh_pe_op op = {
		.argsz = sizeof(op), .op = VFIO_EEH_PE_GET_STATE,
	};
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		keep_first_error(thread, tce_info(&thread->view, &info));
		if (IS_ENABLED(CONFIG_EEH))
			keep_first_error(thread,
					 tce_ioctl(&thread->view,
						   VFIO_EEH_PE_OP, &op,
						   sizeof(op)));
	}
}

static void groups_come_and_go(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		attach_and_detach, ask, map_all, unmap_single_pages,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *first;
	struct tce_client *client = setup(test, true, &first);

	second = tce_group(fx);
	start_all(threads, ARRAY_SIZE(whats), client, whats);
	join_all(test, threads, ARRAY_SIZE(whats));
	KUNIT_EXPECT_NULL(test, second->hw[0]);
	KUNIT_EXPECT_NOT_NULL(test, first->hw[0]);
}

static void until_it_is_gone(struct tce_thread *thread)
{
	long rc;

	do {
		rc = tce_map(&thread->view, 0, memory, MEMORY, TCE_RW);
		if (!rc)
			rc = tce_unmap(&thread->view, 0, MEMORY);
		cond_resched();
	} while (!rc);
	/* its group has left, or it has */
	if (rc != -EINVAL && rc != -ENXIO)
		thread->rc = rc;
}

/* The container goes while ioctls are on their way to it. */
static void released_while_in_use(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		until_it_is_gone, until_it_is_gone,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	int i;

	for (i = 0; i < 20; i++) {
		client = setup(test, i & 1, NULL);
		start_all(threads, ARRAY_SIZE(whats), client, whats);
		cond_resched();
		if (i & 2)
			msleep(2);
		tce_close(client);
		join_all(test, threads, ARRAY_SIZE(whats));
		tce_expect_balance(fx);
	}
}

/* ---- one thread is held up in the middle ---- */

static void gate_close(struct tce_fixture *fx, struct tce_gate *gate)
{
	gate->skip = 0;
	init_completion(&gate->reached);
	init_completion(&gate->open);
	fx->mock->gate = gate;
}

/* The same for who writes entries, rather than who pins pages */
static void gate_close_table(struct tce_fixture *fx, struct tce_gate *gate)
{
	gate_close(fx, gate);
	fx->mock->gate = NULL;
	fx->mock->table_gate = gate;
}

static void map_in_front(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, memory, SZ_64K, TCE_RW);
}

static void map_the_same(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, SZ_32K, memory, SZ_64K, TCE_R);
}

static void map_one_of_the_same(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, SZ_32K, memory, SZ_4K, TCE_R);
}

static void unmap_one_of_the_same(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, SZ_32K, SZ_4K);
}

static bool is_done(struct tce_thread *thread)
{
	return completion_done(&thread->done);
}

/* A call that wants entries at which another is at work waits for it. */
static void same_range_waits(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		map_the_same, map_one_of_the_same, unmap_one_of_the_same,
	};
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = setup(test, false, &grp);
	struct tce_thread a, b;
	struct tce_gate gate;
	int i;

	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		gate_close_table(fx, &gate);
		tce_thread_start(&a, client, map_in_front);
		wait_for_completion(&gate.reached);
		tce_thread_start(&b, client, whats[i]);
		msleep(30);
		KUNIT_EXPECT_FALSE(test, is_done(&b));
		/* others are not kept */
		KUNIT_EXPECT_EQ(test, tce_map(client, SZ_1M, memory, SZ_64K,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, SZ_1M, SZ_64K), 0);
		KUNIT_EXPECT_EQ(test, tce_map(client, SZ_1M, memory, SZ_4K,
					      TCE_RW), 0);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, SZ_1M, SZ_4K), 0);
		complete(&gate.open);
		tce_thread_join(&a);
		tce_thread_join(&b);
		fx->busy = false;
		tce_settled(fx);
		KUNIT_EXPECT_EQ(test, a.rc, 0);
		KUNIT_EXPECT_EQ(test, b.rc, 0);
		tce_expect_mapped(fx, grp, 0, 0, memory, SZ_32K, TCE_RW);
		if (whats[i] == unmap_one_of_the_same)
			tce_expect_empty(fx, grp, 0, SZ_32K, SZ_4K);
		else
			tce_expect_mapped(fx, grp, 0, SZ_32K, memory, SZ_4K,
					  TCE_R);
	}
}

/**
 * struct two_unmaps - an entry that is unmapped twice
 * @killing: the first has emptied it, and is about to kill it
 * @begun: the second has begun
 * @done: and is done
 * @waited: the first has waited for that
 */
struct two_unmaps {
	struct completion killing;
	struct completion begun;
	struct completion done;
	bool waited;
};

static struct two_unmaps twice;

/* Atomic. The second spins as well, so that two CPUs are in use. */
static void let_the_second_try(void *unused)
{
	int ms;

	complete(&twice.killing);
	for (ms = 0; ms < 10000 && !completion_done(&twice.begun); ms++)
		mdelay(1);
	twice.waited = completion_done(&twice.begun);
	for (ms = 0; ms < 100 && !completion_done(&twice.done); ms++)
		mdelay(1);
}

static void unmap_the_only_one(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, 0, SZ_4K);
}

static void unmap_it_again(struct tce_thread *thread)
{
	wait_for_completion(&twice.killing);
	complete(&twice.begun);
	unmap_the_only_one(thread);
	/* what the device can reach still, though it is unmapped */
	if (!thread->rc && tce_mock_stale(thread->view.fx->mock))
		thread->rc = -EBUSY;
	complete(&twice.done);
}

/*
 * Who unmaps an entry that another has just emptied does not return before that entry
 * is killed (litmus/unmap-twice.litmus).
 */
static void unmapped_is_killed(struct kunit *test)
{
	struct tce_visit visit = { .call = let_the_second_try };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct tce_thread a, b;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = setup(test, v2, NULL);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, memory, SZ_4K, TCE_RW),
				0);
		init_completion(&twice.killing);
		init_completion(&twice.begun);
		init_completion(&twice.done);
		fx->mock->kill_visit = &visit;
		tce_thread_start(&b, client, unmap_it_again);
		tce_thread_start(&a, client, unmap_the_only_one);
		tce_thread_join(&a);
		tce_thread_join(&b);
		fx->busy = false;
		tce_settled(fx);
		KUNIT_EXPECT_TRUE(test, twice.waited);
		KUNIT_EXPECT_EQ(test, a.rc, 0);
		KUNIT_EXPECT_EQ(test, b.rc, 0);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	}
}

/* What is at work, in one_common_entry(), and those who come meanwhile */
#define MIDDLE		SZ_1M
#define MIDDLE_END	(MIDDLE + SZ_64K)

static void map_the_middle(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, MIDDLE, memory, SZ_64K, TCE_R);
}

static void unmap_the_first(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, MIDDLE, SZ_4K);
}

static void unmap_up_to_the_first(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, 0, MIDDLE + SZ_4K);
}

static void unmap_the_last(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, MIDDLE_END - SZ_4K, SZ_4K);
}

static void unmap_from_the_last(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, MIDDLE_END - SZ_4K, SZ_1M);
}

/*
 * So does one that has but one entry in common with it. Who has none, and none
 * that could share a pin with one of its entries, does not wait.
 */
static void one_common_entry(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		unmap_the_first, unmap_up_to_the_first,
		unmap_the_last, unmap_from_the_last,
	};
	static const struct {
		u64 from;
		u64 to;
	} near[] = {
		{ 0, MIDDLE - PAGE_SIZE + SZ_4K },
		{ MIDDLE - PAGE_SIZE, MIDDLE - PAGE_SIZE + SZ_4K },
		{ MIDDLE_END - SZ_4K + PAGE_SIZE, SZ_2M },
		{ MIDDLE_END - SZ_4K + PAGE_SIZE, MIDDLE_END + PAGE_SIZE },
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = setup(test, false, NULL);
	struct tce_thread a, b;
	struct tce_gate gate;
	int i, k;

	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		gate_close_table(fx, &gate);
		tce_thread_start(&a, client, map_the_middle);
		wait_for_completion(&gate.reached);
		tce_thread_start(&b, client, whats[i]);
		msleep(30);
		KUNIT_EXPECT_FALSE_MSG(test, is_done(&b), "%d", i);
		for (k = 0; k < ARRAY_SIZE(near); k++)
			KUNIT_EXPECT_EQ(test,
					tce_unmap(client, near[k].from,
						  near[k].to - near[k].from), 0);
		complete(&gate.open);
		tce_thread_join(&a);
		tce_thread_join(&b);
		fx->busy = false;
		tce_settled(fx);
		KUNIT_EXPECT_EQ(test, a.rc, 0);
		KUNIT_EXPECT_EQ(test, b.rc, 0);
		/* it came second */
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 15);
		KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4M), 0);
	}
}

/*
 * A MAP of so much is done in pieces: each of 16M, if its memory begins with a
 * page of the CPU's. Here it begins with half of one.
 */
#define PIECES		(SZ_16M + PAGE_SIZE)
#define LAST_PAGE	(SZ_16M - PAGE_SIZE / 2)

static void map_in_pieces(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, memory + PAGE_SIZE / 2, PIECES,
			     TCE_R);
}

/*
 * v1, and entries that share pins: the pages are looked up once, before the first
 * entry is written. User space may put others there meanwhile: the device gets
 * those of then, all of them.
 */
static void page_changes_under_a_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long other, at;
	struct tce_mock_group *grp;
	struct tce_client *client;
	struct tce_thread thread;
	struct tce_gate gate;
	struct file *file;

	if (PAGE_SIZE == SZ_4K)
		kunit_skip(test, "the CPU's pages have 4K");
	client = tce_ready(fx, false, &grp);
	memory = tce_plain(fx, SZ_16M + 2 * PAGE_SIZE);
	other = tce_memory(fx, TCE_MEM_SHARED, PAGE_SIZE);
	KUNIT_ASSERT_NE(test, other, 0);
	file = tce_file(fx, other);
	at = memory + PAGE_SIZE / 2 + LAST_PAGE;
	KUNIT_ASSERT_EQ(test, tce_map(client, LAST_PAGE, other, PAGE_SIZE / 2,
				      TCE_R), 0);

	gate_close_table(fx, &gate);
	tce_thread_start(&thread, client, map_in_pieces);
	wait_for_completion(&gate.reached);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, at, PAGE_SIZE,
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, 0), at);
	complete(&gate.open);
	tce_thread_join(&thread);
	fput(file);
	fx->busy = false;
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, thread.rc, 0);
	tce_expect_mapped(fx, grp, 0, LAST_PAGE, at, PAGE_SIZE, TCE_R);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

static void killed_while_waiting(struct tce_thread *thread)
{
	tce_be_killed(true);
	map_the_same(thread);
	tce_be_killed(false);
}

static void same_range_is_killed(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = setup(test, false, NULL);
	struct tce_thread a, b;
	struct tce_gate gate;

	gate_close_table(fx, &gate);
	tce_thread_start(&a, client, map_in_front);
	wait_for_completion(&gate.reached);
	tce_thread_start(&b, client, killed_while_waiting);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, b.rc, -EINTR);
	complete(&gate.open);
	tce_thread_join(&a);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	fx->busy = false;
}

/* More calls at work than a window has places for. */
#define AT_ONCE	24

static void map_far_apart(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view,
			     SZ_1M + thread->view.slot * SZ_1M, memory,
			     SZ_64K, TCE_RW);
}

static void many_at_once(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = setup(test, false, NULL);
	struct tce_thread *threads;
	struct tce_gate *gates;
	int i, n = 0;

	threads = kunit_kcalloc(test, AT_ONCE, sizeof(*threads), GFP_KERNEL);
	gates = kunit_kcalloc(test, AT_ONCE, sizeof(*gates), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, threads);
	KUNIT_ASSERT_NOT_NULL(test, gates);
	while (n < AT_ONCE) {
		gate_close_table(fx, &gates[n]);
		tce_thread_start(&threads[n], client, map_far_apart);
		/* from some number on they wait before they write anything */
		if (!wait_for_completion_timeout(&gates[n++].reached, HZ / 10))
			break;
	}
	KUNIT_EXPECT_GE(test, n, 8);
	for (i = 0; i < n; i++)
		complete_all(&gates[i].open);
	for (i = 0; i < n; i++)
		tce_thread_join(&threads[i]);
	fx->mock->table_gate = NULL;
	fx->busy = false;
	tce_settled(fx);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, threads[i].rc, 0);
}

static void register_other(struct tce_thread *thread)
{
	thread->rc = tce_register(&thread->view, memory + MEMORY / 2, PAGE_SIZE);
}

static void register_when_killed(struct tce_thread *thread)
{
	tce_be_killed(true);
	thread->rc = tce_register(&thread->view, memory, PAGE_SIZE);
	tce_be_killed(false);
}

/*
 * REGISTER takes as long as its client likes: all but other REGISTERs goes on, and
 * those give up when they are killed.
 */
static void register_keeps_nobody(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	unsigned long other = tce_plain(fx, PAGE_SIZE);
	struct tce_thread a, b;
	struct tce_gate gate;

	memory = tce_plain(fx, MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(client, other, PAGE_SIZE), 0);
	gate_close(fx, &gate);
	tce_thread_start(&a, client, register_other);
	wait_for_completion(&gate.reached);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, other, SZ_4K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	tce_thread_start(&b, client, register_when_killed);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, b.rc, -EINTR);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, other, PAGE_SIZE), 0);
	complete(&gate.open);
	tce_thread_join(&a);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	fx->busy = false;
}

/* ---- the test itself holds the lock of the process's regions ---- */

static void map_some(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, memory, MEMORY, TCE_RW);
}

static void unmap_some(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, 0, MEMORY);
}

static void map_one(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, memory, SZ_4K, TCE_RW);
}

static void unmap_one(struct tce_thread *thread)
{
	thread->rc = tce_unmap(&thread->view, 0, SZ_4K);
}

static void remove_the_window(struct tce_thread *thread)
{
	thread->rc = tce_remove(&thread->view, 0);
}

static void killed_on_the_way(struct tce_thread *thread)
{
	tce_be_killed(true);
	remove_the_window(thread);
	tce_be_killed(false);
}

static unsigned long spare;

static void register_spare(struct tce_thread *thread)
{
	thread->rc = tce_register(&thread->view, spare, PAGE_SIZE);
}

static void unregister_spare(struct tce_thread *thread)
{
	thread->rc = tce_unregister(&thread->view, spare, PAGE_SIZE);
}

/*
 * Entries are written only while no region can come or go, and the other way
 * round. All containers of a process have the lock in common, so one more of
 * them, which the test does not reach through the driver, has it, too.
 */
static void entries_and_regions_wait(struct kunit *test)
{
	static const struct {
		void (*what)(struct tce_thread *thread);
		bool changes_regions;
	} steps[] = {
		{ map_one }, { unmap_one }, { map_some }, { unmap_some },
		{ map_some }, { killed_on_the_way }, { remove_the_window },
		{ register_spare, true }, { unregister_spare, true },
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = setup(test, true, NULL);
	struct tce_thread thread;
	struct tce_mem *other;
	bool waited, killed;
	int i;

	spare = tce_plain(fx, PAGE_SIZE);
	other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	tce_mem_init(other, true);
	KUNIT_EXPECT_EQ(test, tce_mem_bind(other), 0);
	for (i = 0; other->process && i < ARRAY_SIZE(steps); i++) {
		struct rw_semaphore *map_lock = &other->process->map_lock;

		if (steps[i].changes_regions)
			down_read(map_lock);
		else
			down_write(map_lock);
		tce_thread_start(&thread, client, steps[i].what);
		msleep(30);
		waited = !is_done(&thread);
		if (steps[i].changes_regions)
			up_read(map_lock);
		else
			up_write(map_lock);
		tce_thread_join(&thread);
		fx->busy = false;
		tce_settled(fx);
		killed = steps[i].what == killed_on_the_way;
		KUNIT_EXPECT_EQ_MSG(test, waited, !killed, "step %d", i);
		KUNIT_EXPECT_EQ_MSG(test, thread.rc, killed ? -EINTR : 0,
				    "step %d", i);
	}
	tce_mem_close(other);
	tce_mem_destroy(other);
}

static struct tce_client *leaving;

static void leave(struct tce_thread *thread)
{
	tce_close(leaving);
}

/*
 * A container that closes waits for no REGISTER, be it of another container of the
 * process or its own. Its own finds out when it has its pages, and keeps none.
 */
static void close_beside_register(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	struct tce_thread a, b;
	struct tce_gate gate;
	int kvm, own;

	spare = tce_plain(fx, PAGE_SIZE);
	for (kvm = 0; kvm < 2; kvm++) {
		if (kvm)
			tce_watch(fx);
		for (own = 0; own < 2; own++) {
			client = tce_ready(fx, true, NULL);
			leaving = own ? client : tce_ready(fx, true, NULL);
			gate_close(fx, &gate);
			tce_thread_start(&a, client, register_spare);
			wait_for_completion(&gate.reached);
			tce_thread_start(&b, leaving, leave);
			tce_thread_join(&b);
			KUNIT_EXPECT_FALSE(test, is_done(&a));
			complete(&gate.open);
			tce_thread_join(&a);
			fx->busy = false;
			tce_settled(fx);
			KUNIT_EXPECT_EQ(test, a.rc, own ? -EINVAL : 0);
			if (!own)
				tce_close(client);
			tce_expect_balance(fx);
		}
	}
}

/* A REGISTER gets to the gate only if there is a place for it in the kernel's list. */
static void reaches(struct kunit *test, struct tce_gate *gate)
{
	struct tce_fixture *fx = test->priv;

	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate->reached, 10 * HZ),
			0);
	fx->mock->gate = NULL;
}

/* Does the kernel's list take one more region of the process, and no other? */
static void expect_one_place(struct kunit *test, struct tce_client *client)
{
	unsigned long ua = memory;
	int i;

	for (i = 0; i < 2; i++, ua += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, !mm_iommu_lookup(current->mm, ua, PAGE_SIZE),
				i);
	}
	while (i--)
		KUNIT_EXPECT_EQ(test, tce_unregister(client, memory + i * PAGE_SIZE,
						     PAGE_SIZE), 0);
}

/*
 * The place in the list that a region had, or was to have, is the next one's: whether
 * it was unregistered, failed, or came too late for its container.
 */
static void places_in_the_list(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct tce_thread a, b;
	struct tce_gate gate;
	unsigned long first;

	memory = tce_plain(fx, MEMORY);
	spare = tce_plain(fx, PAGE_SIZE);
	first = tce_fill_list(fx);
	KUNIT_ASSERT_EQ(test, tce_unregister(fx->filler, first, PAGE_SIZE), 0);
	expect_one_place(test, client);
	expect_one_place(test, client);

	tce_fault_arm(fx->mock, TCE_FAULT_REGISTER, 1, -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_register(client, spare, PAGE_SIZE), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	expect_one_place(test, client);

	leaving = tce_open(fx, true);
	gate_close(fx, &gate);
	tce_thread_start(&a, leaving, register_spare);
	reaches(test, &gate);
	tce_thread_start(&b, leaving, leave);
	tce_thread_join(&b);
	complete(&gate.open);
	tce_thread_join(&a);
	fx->busy = false;
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, a.rc, -EINVAL);
	expect_one_place(test, client);
}

/*
 * So are the places of regions that go with the last container. Their number outlives it:
 * a REGISTER is under way for a container that is closed.
 */
static void places_of_the_last_container(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long first, i;
	struct tce_thread a, b;
	struct tce_gate gate;

	memory = tce_plain(fx, MEMORY);
	spare = tce_plain(fx, PAGE_SIZE);
	client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	leaving = tce_open(fx, true);
	first = tce_fill_list(fx);
	for (i = 1; i < fx->filled; i++)
		KUNIT_ASSERT_EQ(test, tce_map(client, i * SZ_4K,
					      first + i * PAGE_SIZE, SZ_4K,
					      TCE_R), 0);
	/* for the one that is under way */
	KUNIT_ASSERT_EQ(test, tce_unregister(fx->filler, first, PAGE_SIZE), 0);
	gate_close(fx, &gate);
	tce_thread_start(&a, leaving, register_spare);
	reaches(test, &gate);
	tce_thread_start(&b, leaving, leave);
	tce_thread_join(&b);
	tce_empty_list(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), i - 1);
	tce_close(client);
	client = tce_open(fx, true);
	/* to be refused is enough to be known as one of the process's */
	KUNIT_EXPECT_EQ(test, tce_register(client, memory, 0), -EINVAL);
	complete(&gate.open);
	tce_thread_join(&a);
	fx->busy = false;
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, a.rc, -EINVAL);
	for (i = 0; i < MEMORY; i += MEMORY / 2) {
		KUNIT_ASSERT_EQ(test, tce_register(client, memory + i,
						   PAGE_SIZE), 0);
		KUNIT_EXPECT_NOT_NULL(test,
				      mm_iommu_lookup(current->mm, memory + i,
						      PAGE_SIZE));
	}
}

/*
 * As close_beside_register() for v1, whose MAP pins. A detached group, and DISABLE, wait
 * for none either.
 */
static void close_beside_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
	struct tce_thread a, b;
	struct tce_gate gate;
	int how, pages;

	memory = tce_plain(fx, MEMORY);
	for (how = 0; how < 6; how++) {
		pages = how & 1;
		client = tce_ready(fx, false, &grp);
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M, memory, SZ_64K,
					      TCE_RW), 0);
		gate_close(fx, &gate);
		tce_thread_start(&a, client, pages ? map_some : map_one);
		wait_for_completion(&gate.reached);
		switch (how / 2) {
		case 0:
			leaving = client;
			tce_thread_start(&b, client, leave);
			tce_thread_join(&b);
			break;
		case 1:
			tce_detach(client, grp);
			break;
		case 2:
			KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
			break;
		}
		KUNIT_EXPECT_FALSE(test, is_done(&a));
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		complete(&gate.open);
		tce_thread_join(&a);
		fx->busy = false;
		tce_settled(fx);
		KUNIT_EXPECT_EQ_MSG(test, a.rc,
				    how / 2 == 0 ? -EINVAL :
				    how / 2 == 1 ? -ENXIO : -EPERM, "%d", how);
		if (how / 2)
			tce_close(client);
		tce_expect_balance(fx);
	}
}

/*
 * Somebody has the mmap_lock of the process, for as long as he likes: close gives back
 * what it owes when it can.
 */
static void close_beside_the_mmap_lock(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long ua = tce_plain(fx, MEMORY), locked;
	struct tce_thread thread;
	int how, tries;

	for (how = 0; how < 3; how++) {
		if (how == 2)
			tce_watch(fx);
		client = tce_ready(fx, !!how, NULL);
		if (how)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, MEMORY),
					0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, MEMORY, TCE_RW), 0);
		leaving = client;
		locked = fx->mm->locked_vm;
		mmap_read_lock(fx->mm);
		tce_thread_start(&thread, client, leave);
		for (tries = 0; tries < 200 && !is_done(&thread); tries++)
			msleep(20);
		KUNIT_EXPECT_TRUE(test, is_done(&thread));
		KUNIT_EXPECT_EQ(test, fx->mm->locked_vm, locked);
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
		mmap_read_unlock(fx->mm);
		tce_thread_join(&thread);
		fx->busy = false;
		tce_settled(fx);
		tce_expect_balance(fx);
	}
}

static void register_memory(struct tce_thread *thread)
{
	thread->rc = tce_register(&thread->view, memory, MEMORY);
}

/* To be refused is enough to be the one process that a container serves. */
static void use_as_other(struct tce_fixture *fx, void *arg)
{
	struct vfio_iommu_spapr_register_memory reg = { .argsz = sizeof(reg) };
	unsigned long ua;

	ua = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_EXPECT_EQ(fx->test, copy_to_user((void __user *)ua, &reg,
					       sizeof(reg)), 0);
	KUNIT_EXPECT_EQ(fx->test,
			tce_ioctl_raw(arg, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
				      ua), -EINVAL);
}

/*
 * The first container of a process is being made known. Another one of it waits
 * for that, and then shares its regions. So does the last one of another process,
 * which is about to be forgotten.
 */
static void first_container_of_a_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *first = tce_open(fx, true);
	struct tce_client *second = tce_open(fx, true);
	struct tce_thread a, b, c;
	struct tce_gate gate;

	memory = tce_plain(fx, MEMORY);
	leaving = tce_open(fx, true);
	tce_do_as_other(fx, true, use_as_other, leaving);
	gate_close(fx, &gate);
	fx->mock->gate = NULL;
	fx->mock->alloc_gate = &gate;
	tce_thread_start(&a, first, register_memory);
	wait_for_completion(&gate.reached);
	tce_thread_start(&b, second, register_memory);
	tce_thread_start(&c, first, leave);
	msleep(30);
	KUNIT_EXPECT_FALSE(test, is_done(&b));
	KUNIT_EXPECT_FALSE(test, is_done(&c));
	complete(&gate.open);
	tce_thread_join(&a);
	tce_thread_join(&b);
	tce_thread_join(&c);
	fx->busy = false;
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	KUNIT_EXPECT_EQ(test, b.rc, 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), MEMORY >> PAGE_SHIFT);
}

static void create_window(struct tce_thread *thread)
{
	u64 start;

	thread->rc = tce_create(&thread->view, 12, SZ_16M, 1, &start);
}

/*
 * The last container of a process closes, and lets go of what KVM seems to map
 * still. One that is new by then waits for that: before it registers the same, or
 * has a window in which KVM could map it again.
 */
static void last_and_first_container(struct kunit *test,
				     void (*what)(struct tce_thread *thread))
{
	struct mm_iommu_table_group_mem_t *mem;
	struct tce_fixture *fx = test->priv;
	struct tce_client *next = tce_open(fx, true);
	struct tce_thread a, b;
	struct tce_gate gate;
	unsigned long i;

	tce_watch(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(next, tce_group(fx)), 0);
	memory = tce_plain(fx, MEMORY);
	leaving = tce_open(fx, true);
	KUNIT_ASSERT_EQ(test, tce_register(leaving, memory, MEMORY), 0);
	mem = mm_iommu_lookup(current->mm, memory, MEMORY);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, mm_iommu_mapped_inc(mem), 0);
	/* there are two containers: the pages are kept */
	fx->mock->kept = true;

	gate_close(fx, &gate);
	gate.skip = 1;
	tce_thread_start(&a, next, leave);
	wait_for_completion(&gate.reached);
	tce_thread_start(&b, next, what);
	msleep(30);
	KUNIT_EXPECT_FALSE(test, is_done(&b));
	complete(&gate.open);
	tce_thread_join(&a);
	tce_thread_join(&b);
	fx->busy = false;
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, b.rc, 0);
	KUNIT_EXPECT_NULL(test, mm_iommu_lookup(current->mm, memory, MEMORY));
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock),
			what == register_memory ? MEMORY >> PAGE_SHIFT : 0);
	tce_close(next);
	for (i = 0; i < MEMORY; i += PAGE_SIZE)
		put_page(tce_page(fx, memory + i));
}

static void register_after_the_last_container(struct kunit *test)
{
	last_and_first_container(test, register_memory);
}

static void create_after_the_last_container(struct kunit *test)
{
	last_and_first_container(test, create_window);
}

static atomic_t arrived;

/* The first of a process to register something, and the last to have it. */
static void open_and_close(struct tce_thread *thread)
{
	void *data;
	int i;

	for (i = 1; i <= 2 * ROUNDS; i++) {
		data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);
		thread->view.data = data;
		atomic_inc(&arrived);
		/* both at once */
		while (atomic_read(&arrived) < 2 * i)
			cond_resched();
		if (IS_ERR_OR_NULL(data)) {
			keep_first_error(thread, -ENODEV);
			continue;
		}
		keep_first_error(thread, tce_register(&thread->view, memory,
						      PAGE_SIZE));
		tce_driver->release(data);
	}
}

/* All containers of a process find each other, even if none was there before. */
static void containers_come_and_go(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		open_and_close, open_and_close,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;

	memory = tce_plain(fx, MEMORY);
	atomic_set(&arrived, 0);
	start_all(threads, ARRAY_SIZE(whats), tce_open(fx, false), whats);
	join_all(test, threads, ARRAY_SIZE(whats));
	tce_expect_balance(fx);
}

/* To be refused is enough to be known as one of the process's. */
static void bind_and_close(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < 20 * ROUNDS; i++) {
		thread->view.data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);
		if (IS_ERR_OR_NULL(thread->view.data)) {
			keep_first_error(thread, -ENODEV);
			return;
		}
		rc = tce_register(&thread->view, memory, 0);
		if (rc != -EINVAL)
			keep_first_error(thread, rc ?: -EIO);
		tce_driver->release(thread->view.data);
	}
}

/* The last of a process's containers goes just when another one comes. */
static void last_container_goes(struct kunit *test)
{
	static void (*const whats[])(struct tce_thread *thread) = {
		bind_and_close, bind_and_close,
	};
	struct tce_thread threads[ARRAY_SIZE(whats)];
	struct tce_fixture *fx = test->priv;

	memory = tce_plain(fx, PAGE_SIZE);
	start_all(threads, ARRAY_SIZE(whats), tce_open(fx, false), whats);
	join_all(test, threads, ARRAY_SIZE(whats));
}

static struct kunit_case tce_threads_cases[] = {
	KUNIT_CASE(map_and_unmap),
	KUNIT_CASE(map_and_unmap_beside_kvm),
	KUNIT_CASE(windows_come_and_go),
	KUNIT_CASE(one_default_window),
	KUNIT_CASE(regions_come_and_go),
	KUNIT_CASE(two_containers),
	KUNIT_CASE(groups_come_and_go),
	KUNIT_CASE(released_while_in_use),
	KUNIT_CASE(same_range_waits),
	KUNIT_CASE(unmapped_is_killed),
	KUNIT_CASE(one_common_entry),
	KUNIT_CASE(page_changes_under_a_map),
	KUNIT_CASE(same_range_is_killed),
	KUNIT_CASE(many_at_once),
	KUNIT_CASE(register_keeps_nobody),
	KUNIT_CASE(entries_and_regions_wait),
	KUNIT_CASE(close_beside_register),
	KUNIT_CASE(places_in_the_list),
	KUNIT_CASE(places_of_the_last_container),
	KUNIT_CASE(close_beside_map),
	KUNIT_CASE(close_beside_the_mmap_lock),
	KUNIT_CASE(first_container_of_a_process),
	KUNIT_CASE(register_after_the_last_container),
	KUNIT_CASE(create_after_the_last_container),
	KUNIT_CASE(containers_come_and_go),
	KUNIT_CASE(last_container_goes),
	{}
};

static struct kunit_suite tce_threads_suite = {
	.name = "tce_threads",
	.init = tce_fixture_init,
	.exit = tce_fixture_exit,
	.test_cases = tce_threads_cases,
};

kunit_test_suite(tce_threads_suite);
