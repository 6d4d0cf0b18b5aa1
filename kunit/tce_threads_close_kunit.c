// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_threads_close: a container is closed, or the first one is opened, while the
 * lock of the process's regions is held, or by two threads at the same moment.
 */
#include <linux/mm.h>

#include <asm/mmu_context.h>

#include "../compat/older.h"
#include "../tce_container.h"
#include "../tce_mm.h"
#include "tce_guest.h"
#include "tce_threads.h"

/*
 * A container that closes waits for no MAP of v1, which pins. A detached group, and DISABLE,
 * wait for none either. REGISTER is in selftests/waits.
 */
static void close_beside_map(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;
	struct tce_thread a;
	int how, pages;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	for (how = 0; how < 6; how++) {
		pages = how & 1;
		client = tce_ready(fx, false, &grp);
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M, tce_shared, SZ_64K,
					      TCE_RW), 0);
		tce_thread_stop(&a, client, pages ? &tce_op_map : &tce_op_map_one, TCE_AT_PIN);
		switch (how / 2) {
		case 0:
			tce_close(client);
			break;
		case 1:
			tce_detach(client, grp);
			break;
		case 2:
			KUNIT_EXPECT_EQ(test, tce_disable(client), 0);
			break;
		}
		KUNIT_EXPECT_FALSE(test, tce_thread_is_done(&a));
		KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, 0);
		tce_thread_go_on(&a);
		KUNIT_EXPECT_EQ_MSG(test, a.rc,
				    how / 2 == 0 ? -EINVAL :
				    how / 2 == 1 ? -ENXIO : -EPERM, "%d", how);
		if (how / 2)
			tce_close(client);
		tce_expect_balance(fx);
	}
}

/*
 * Another thread holds the mmap_lock of the process for as long as it likes: close uncharges
 * what it owes when it can.
 */
static void close_beside_the_mmap_lock(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;
	unsigned long ua = tce_plain(fx, TCE_SHARED_SIZE), locked;
	struct tce_container *container;
	struct tce_thread thread;
	struct tce_state now;
	int how;

	for (how = 0; how < 3; how++) {
		if (how == 2)
			tce_watch(fx);
		client = tce_ready(fx, !!how, NULL);
		if (how)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua, TCE_SHARED_SIZE),
					0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, TCE_SHARED_SIZE, TCE_RW), 0);
		container = tce_container_find(client->data);
		locked = fx->mm->locked_vm;
		mmap_read_lock(fx->mm);
		tce_thread_op(&thread, client, &tce_op_close);
		KUNIT_EXPECT_TRUE(test, tce_thread_ends(&thread));
		KUNIT_EXPECT_TRUE(test, tce_tries_again(container));
		tce_get_state(fx, &now);
		KUNIT_EXPECT_EQ(test, now.n[TCE_CLOSING], fx->begun.n[TCE_CLOSING] + 1);
		/* each of which keeps the module */
		KUNIT_EXPECT_EQ(test, now.n[TCE_MODULE], fx->begun.n[TCE_MODULE]);
		KUNIT_EXPECT_EQ(test, now.n[TCE_LOCKED], locked);
		KUNIT_EXPECT_EQ(test, now.n[TCE_ENTRIES], 0);
		mmap_read_unlock(fx->mm);
		tce_thread_join(&thread);
		tce_expect_balance(fx);
	}
}

/*
 * The first container of a process is being bound, and waits for memory. That delays neither
 * another container of the process, nor the last one of another process, which is about to
 * be forgotten, nor a group that joins the container, nor another call of it, after which it is not
 * bound once more. All containers of the first process share its regions.
 */
static void first_container_of_a_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *first = tce_open(fx, true);
	struct tce_client *second = tce_open(fx, true);
	struct tce_client *leaving = tce_open(fx, true);
	unsigned long pages = (TCE_SHARED_SIZE >> PAGE_SHIFT) + 1, other = tce_plain(fx, PAGE_SIZE);
	struct tce_thread a;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	tce_do_as_other(fx, tce_use_as_other, leaving);
	tce_thread_stop(&a, first, &tce_op_register, TCE_AT_ALLOC);
	KUNIT_EXPECT_EQ(test, tce_register(second, tce_shared, TCE_SHARED_SIZE), 0);
	tce_close(leaving);
	KUNIT_EXPECT_EQ(test, tce_attach(first, tce_group(fx)), 0);
	KUNIT_EXPECT_EQ(test, tce_register(first, other, PAGE_SIZE), 0);
	tce_thread_go_on(&a);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
	/* whoever else has opened one meanwhile */
	tce_do_as_other(fx, tce_use_as_other, tce_open(fx, true));
	KUNIT_EXPECT_EQ(test, tce_register(tce_open(fx, true), tce_shared, TCE_SHARED_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pages);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), pages);
}

/*
 * The last container of a process closes, and releases what KVM still seems to map. A new
 * container waits for that before it registers the same memory, or gets a window in which
 * KVM could map it again.
 */
static void opened_after_the_last_container(struct kunit *test)
{
	static const struct tce_op create_window = { TCE_CREATE, .size = SZ_16M };
	struct tce_client *leaving, *next;
	struct tce_fixture *fx = test->priv;
	struct tce_thread a, b;
	struct tce_stop stop;
	struct tce_mm *tmm;
	int registers;

	tce_watch(fx);
	for (registers = 0; registers < 2; registers++) {
		next = tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_attach(next, tce_group(fx)), 0);
		tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
		leaving = tce_open(fx, true);
		KUNIT_ASSERT_EQ(test, tce_register(leaving, tce_shared, TCE_SHARED_SIZE), 0);
		kvm_count(test, tce_shared, 1);
		tmm = tce_container_find(leaving->data)->mem.tmm;

		tce_stop_at(fx->mock, TCE_AT_PIN, &stop);
		stop.hook.skip = 1;
		tce_thread_op(&a, leaving, &tce_op_close);
		wait_for_completion(&stop.reached);
		tce_thread_op(&b, next, registers ? &tce_op_register : &create_window);
		KUNIT_EXPECT_TRUE(test, tce_thread_waits_mutex(&b, &tmm->region_lock));
		complete(&stop.go_on);
		tce_thread_join(&a);
		tce_thread_join(&b);
		KUNIT_EXPECT_EQ(test, b.rc, 0);
		KUNIT_EXPECT_EQ(test, !!mm_iommu_lookup(current->mm, tce_shared, TCE_SHARED_SIZE),
				registers);
		/* what is in the list, that has pinned as well */
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock),
				registers ? 2 * TCE_SHARED_SIZE >> PAGE_SHIFT : 0);
		tce_close(next);
	}
}

/*
 * KVM maps what is registered too late in the table of another container, if there is one: it stays
 * until that is undone, or until the process's last container closes.
 */
static void found_late(struct kunit *test, struct tce_thread *a, struct kvm_setup *s)
{
	struct tce_fixture *fx = test->priv;
	struct tce_stop after;

	tce_stop_at(fx->mock, TCE_AT_PINNED, &after);
	/* until it is in the list */
	after.hook.skip = 1;
	complete(&a->stop.go_on);
	wait_for_completion(&after.reached);
	if (s->tbl)
		KUNIT_EXPECT_TRUE(test, kvm_put(s, 0, tce_shared));
	else
		kvm_count(test, tce_shared, 1);
	/* the REGISTER does not flush what KVM has changed */
	fx->kvm_left = true;
	complete(&after.go_on);
}

/*
 * A container closes while it registers memory. That goes at once, and so does its place in KVM's
 * list, unless KVM has found it there. It may be what another container has registered already.
 */
static void register_late(struct kunit *test)
{
	enum { ALONE, SHARED, FOUND, FOUND_IN_THE_LAST, HOW };
	struct tce_client *leaving, *other;
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s = {};
	struct tce_thread a;
	int how;

	tce_watch(fx);
	for (how = 0; how < HOW; how++) {
		tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
		other = how == FOUND_IN_THE_LAST ? NULL :
						   tce_ready_window(fx, 12, SZ_64M, 1, &s.grp);
		s.tbl = other ? s.grp->tg.tables[0] : NULL;
		if (how == SHARED)
			KUNIT_ASSERT_EQ(test, tce_register(other, tce_shared, TCE_SHARED_SIZE), 0);
		leaving = tce_open(fx, true);
		/* is refused, and binds it */
		KUNIT_EXPECT_EQ(test, tce_register(leaving, tce_shared, 0), -EINVAL);
		tce_thread_stop(&a, leaving, &tce_op_register,
				how == SHARED ? TCE_AT_ALLOC : TCE_AT_PIN);
		tce_close(leaving);
		KUNIT_EXPECT_FALSE(test, tce_thread_is_done(&a));
		if (how >= FOUND)
			found_late(test, &a, &s);
		else
			complete(&a.stop.go_on);
		tce_thread_join(&a);
		KUNIT_EXPECT_EQ(test, a.rc, -EINVAL);
		if (how == ALONE) {
			KUNIT_EXPECT_EQ(test, tce_listed(other), 1);
			/* its own page, by the list as well */
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 2);
		}
		if (how == SHARED)
			tce_expect_why(fx, "region_share");
		if (how == FOUND) {
			KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock),
					2 * ((TCE_SHARED_SIZE >> PAGE_SHIFT) + 1));
			KUNIT_EXPECT_EQ(test, tce_register(other, tce_shared, TCE_SHARED_SIZE),
					-EBUSY);
		}
		if (other)
			tce_close(other);
		tce_expect_balance(fx);
	}
}

/*
 * Other pages come to two of three addresses between the pin of a REGISTER and the one of KVM's
 * list, which is refused, since more would be pinned than is charged, also if nothing could watch
 * the addresses. KVM may have mapped its pages by then: they are dirty, and go once their entries
 * are cleared, or, if that fails and a bridge keeps the window, never.
 */
static void page_changes_between_pins(struct kunit *test)
{
	enum { NOT_FOUND, NOT_WATCHED, FOUND, KEPT, HOW };
	enum { FIRST, CHANGED, ALSO, PAGES };
	static const struct tce_op register_pages = { TCE_REGISTER, .size = PAGES * PAGE_SIZE };
	struct tce_fixture *fx = test->priv;
	struct page *pages[2][PAGES];
	unsigned long charged, hpa;
	struct tce_stop put;
	struct kvm_setup s;
	struct tce_thread a;
	int how, i;
	long pins;

	kvm_set_up(test, &s);
	tce_shared = tce_plain(fx, PAGES * PAGE_SIZE);
	pins = tce_mock_pins(fx->mock);
	charged = tce_charged(fx);
	for (how = 0; how < HOW; how++) {
		bool found = how >= FOUND, kept = how == KEPT;

		if (how == NOT_WATCHED)
			tce_fault_arm(fx->mock, TCE_FAULT_WATCH, 1, -ENOMEM);
		for (i = 0; i < PAGES; i++)
			pages[0][i] = tce_page(fx, tce_shared + i * PAGE_SIZE);
		tce_thread_stop(&a, s.client, &register_pages, TCE_AT_PINNED);
		tce_renew(fx, tce_shared + CHANGED * PAGE_SIZE, 2 * PAGE_SIZE);
		for (i = 0; i < PAGES; i++)
			pages[1][i] = tce_page(fx, tce_shared + i * PAGE_SIZE);
		tce_stop_at(fx->mock, TCE_AT_PINNED, &put);
		complete(&a.stop.go_on);
		wait_for_completion(&put.reached);
		if (found) {
			KUNIT_EXPECT_TRUE(test, kvm_put(&s, 0, tce_shared + CHANGED * PAGE_SIZE));
			tce_mock_entry(s.tbl, 0, &hpa);
			KUNIT_EXPECT_EQ(test, hpa, page_to_phys(pages[1][CHANGED]));
			/* the REGISTER does not flush what KVM has changed */
			fx->kvm_left = true;
		}
		if (kept)
			tce_fault_arm_sticky(fx->mock, TCE_FAULT_CLEAR, -4);
		complete(&put.go_on);
		tce_thread_join(&a);
		KUNIT_EXPECT_EQ(test, a.rc, -EFAULT);
		for (i = 0; i < PAGES; i++)
			KUNIT_EXPECT_TRUE(test, i == FIRST || PageDirty(pages[1][i]));
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock) - pins, kept ? 2 * PAGES : 0);
		KUNIT_EXPECT_EQ(test, tce_charged(fx) - charged, kept ? PAGES : 0);
		KUNIT_EXPECT_EQ(test, tce_map(s.client, SZ_4K, tce_shared, SZ_4K, TCE_R),
				kept ? 0 : -EINVAL);
		if (kept)
			break;
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_8K), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
		KUNIT_EXPECT_EQ(test, tce_register(s.client, tce_shared, PAGES * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, tce_unregister(s.client, tce_shared, PAGES * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), pins);
		KUNIT_EXPECT_EQ(test, tce_charged(fx), charged);
	}
	s.grp->keeps = true;
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CLEAR, -4);
	fx->mock->kept = true;
	kvm_close(&s);
	/* with those of kvm_set_up(): any region of the list may be mapped there */
	fx->pages_left = PAGES + (KVM_MEMORY >> PAGE_SHIFT) + 1;
	/* regions of the kernel's list live for a grace period more */
	rcu_barrier();
	KUNIT_ASSERT_EQ(test, vm_munmap(tce_shared, PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < 2 * PAGES; i++) {
		struct page *page = pages[i / PAGES][i % PAGES];

		/* it is the same, which is held once */
		if (i == PAGES + FIRST)
			continue;
		KUNIT_EXPECT_EQ(test, tce_holders(page), 1);
		if (tce_holders(page))
			put_page(page);
	}
}

/*
 * A REGISTER that has released an orphan waits for the mmap_lock, which somebody holds for as long
 * as they like. A container that closes does not wait for that.
 */
static void close_beside_an_orphan(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *first = tce_open(fx, true);
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *leaving;
	struct tce_thread a, b;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	KUNIT_ASSERT_EQ(test, tce_register(first, tce_shared, TCE_SHARED_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, tce_shared, SZ_4K, TCE_R), 0);
	tce_close(first);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	leaving = tce_open(fx, true);
	KUNIT_ASSERT_EQ(test, tce_register(leaving, ua, PAGE_SIZE), 0);
	mmap_read_lock(fx->mm);
	tce_thread_op(&a, client, &tce_op_register);
	KUNIT_EXPECT_TRUE(test, tce_thread_waits_rwsem(&a, &fx->mm->mmap_lock));
	tce_thread_op(&b, leaving, &tce_op_close);
	KUNIT_EXPECT_TRUE(test, tce_thread_ends(&b));
	mmap_read_unlock(fx->mm);
	tce_thread_join(&a);
	tce_thread_join(&b);
	KUNIT_EXPECT_EQ(test, a.rc, 0);
}

#define ROUNDS	2000

static atomic_t arrived;

/*
 * The first container of a process, and its last one. Even a refused call binds it. Every tenth
 * time the threads begin at once, and both have the same memory registered.
 */
static void open_and_close(struct tce_thread *thread)
{
	long rc;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bool at_once = i % 10 == 0;
		void *data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);

		if (at_once)
			atomic_inc(&arrived);
		while (at_once && atomic_read(&arrived) < i / 5 + 2)
			cond_resched();
		if (IS_ERR_OR_NULL(data)) {
			thread->rc = -ENODEV;
			continue;
		}
		thread->view.data = data;
		rc = tce_register(&thread->view, tce_shared, at_once ? PAGE_SIZE : 0);
		if (rc != (at_once ? 0 : -EINVAL))
			thread->rc = rc ?: -EIO;
		tce_driver->release(data);
	}
}

/* All containers of a process find each other, even if none was there before. */
static void containers_come_and_go(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, false);
	struct tce_thread threads[2];
	int i;

	tce_shared = tce_plain(fx, PAGE_SIZE);
	atomic_set(&arrived, 0);
	for (i = 0; i < 2; i++)
		tce_thread_start(&threads[i], client, open_and_close);
	for (i = 0; i < 2; i++) {
		tce_thread_join(&threads[i]);
		KUNIT_EXPECT_EQ_MSG(test, threads[i].rc, 0, "thread %d", i);
	}
	tce_expect_balance(fx);
}

static struct kunit_case tce_threads_close_cases[] = {
	KUNIT_CASE(close_beside_map),
	KUNIT_CASE(close_beside_the_mmap_lock),
	KUNIT_CASE(first_container_of_a_process),
	KUNIT_CASE(opened_after_the_last_container),
	KUNIT_CASE(register_late),
	KUNIT_CASE(page_changes_between_pins),
	KUNIT_CASE(close_beside_an_orphan),
	KUNIT_CASE(containers_come_and_go),
	{}
};

TCE_SUITE(tce_threads_close);
