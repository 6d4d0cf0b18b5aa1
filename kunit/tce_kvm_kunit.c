// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm: KVM changes the same table between the driver's calls. It counts mappings
 * of registered memory, and clears what it can't count. The test program selftests/kvm.c
 * has the cases in which KVM and user space simply take turns.
 */
#include <linux/page-flags.h>

#include <asm/mmu_context.h>

#include "tce_guest.h"

/* The kernel marks what KVM takes out dirty, if the device could write. */
static void kvm_clears_and_page_is_dirty(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	struct page *page;
	int killed;

	kvm_set_up(test, &s, true);
	page = tce_page(fx, s.ua);
	for (killed = 0; killed < 2; killed++) {
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
		ClearPageDirty(page);
		KUNIT_EXPECT_TRUE(test, TCE_KILLED_IF(killed, kvm_clear(&s, 0)));
		KUNIT_EXPECT_TRUE(test, PageDirty(page));
	}
	kvm_expect_free(test, &s);
}

/* A device may have written to what KVM has mapped, and UNMAP or REMOVE has taken out. */
static void what_kvm_mapped_is_dirty(struct kunit *test)
{
	struct kvm_setup s;
	struct page *page;
	int how;

	/* the second time its process is being killed */
	for (how = 0; how < 6; how++) {
		kvm_set_up(test, &s, true);
		page = tce_page(test->priv, s.ua);
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
		ClearPageDirty(page);
		tce_be_killed(how >= 3);
		if (how % 3 == 0)
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_4K), 0);
		else if (how % 3 == 1)
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_1M), 0);
		else
			KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
		tce_be_killed(false);
		kvm_expect_free(test, &s);
		tce_unpinned(test->priv);
		KUNIT_EXPECT_TRUE(test, PageDirty(page));
		tce_close(s.client);
	}
}

/* It is dirty, too, if the userspace entry does not say yet what was taken out. */
static void lost_count_is_dirty(struct kunit *test)
{
	struct kvm_setup s;
	struct page *page;
	int vcpu;

	for (vcpu = 0; vcpu < 2; vcpu++) {
		kvm_set_up(test, &s, true);
		page = tce_page(test->priv, s.ua);
		ClearPageDirty(page);
		kvm_put_and_lose(test, &s, vcpu);
		KUNIT_EXPECT_TRUE(test, PageDirty(page));
		tce_close(s.client);
		tce_expect_balance(test->priv);
	}
}

/* KVM makes no level of a table. Where MAP has made one, KVM maps as anywhere else. */
static void kvm_in_a_table_of_levels(struct kunit *test)
{
	const unsigned long near = SZ_256K / SZ_4K, far = SZ_512K / SZ_4K, last = SZ_1M / SZ_4K - 1;
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned int asked;
	int how;

	for (how = 0; how < 3; how++) {
		kvm_set_up_levels(test, &s, 3);
		asked = fx->mock->asked[TCE_FAULT_LEVEL];
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, far, s.ua));
		KUNIT_EXPECT_TRUE(test, kvm_clear(&s, far));
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_LEVEL], asked);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, far * SZ_4K, s.ua, SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, far, s.ua + SZ_4K));
		KUNIT_ASSERT_EQ(test, tce_unmap(s.client, far * SZ_4K, SZ_4K), 0);
		KUNIT_EXPECT_TRUE(test, kvm_put(&s, far, s.ua));
		KUNIT_EXPECT_TRUE(test, kvm_put(&s, 1, s.ua));
		KUNIT_EXPECT_EQ(test, tce_unmap(s.client, SZ_4K, SZ_4K), 0);
		/* CREATE makes the levels of the last userspace entry, but not those of its TCE, */
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, last, s.ua));
		/* and a MAP that fails may leave an entry so */
		tce_fault_arm(fx->mock, TCE_FAULT_LEVEL, 3, -ENOMEM);
		KUNIT_EXPECT_EQ(test, tce_map(s.client, near * SZ_4K, s.ua, SZ_4K, TCE_RW),
				-ENOMEM);
		KUNIT_EXPECT_TRUE(test, tce_fault_disarm(fx->mock));
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, near, s.ua));
		if (how == 0)
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_1M), 0);
		else if (how == 1)
			KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
		else
			KUNIT_EXPECT_TRUE(test, kvm_clear(&s, far));
		kvm_expect_free(test, &s);
		tce_close(s.client);
	}
}

/* KVM hears of it when the platform refuses an entry, and leaves the call to user space. */
static void kvm_is_refused(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 1, -EIO);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, s.ua));
	KUNIT_EXPECT_TRUE(test, tce_fault_disarm(fx->mock));
	kvm_expect_free(test, &s);
}

/* An entry that can't be cleared stays mapped and counted, and is left to user space. */
static void kvm_can_not_clear(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	tce_fault_arm(fx->mock, TCE_FAULT_CLEAR, 1, -EIO);
	KUNIT_EXPECT_FALSE(test, kvm_clear(&s, 0));
	KUNIT_EXPECT_TRUE(test, tce_fault_disarm(fx->mock));
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	/* with H_PUT_TCE, KVM tries a second time, and does not ask for an invalidation of that */
	tce_fault_arm(fx->mock, TCE_FAULT_CLEAR, 1, -EIO);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, 0));
	KUNIT_EXPECT_TRUE(test, tce_fault_disarm(fx->mock));
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	/* the next hypercall does */
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 1));
	kvm_expect_free(test, &s);
}

/* KVM leaves mappings of regions for which the list is too full to us. */
static void kvm_does_not_find_all(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long ua;

	kvm_set_up(test, &s, true);
	tce_fill_list(fx);
	/* 256 are: the client's two, and all of these but the last */
	KUNIT_EXPECT_EQ(test, fx->filled + 2 - 1, 256);
	ua = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, ua));
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, ua, KVM_MEMORY, TCE_RW), 0);
	/* nor can it take it out */
	kvm_clear(&s, 3);
	tce_expect_mapped(fx, s.grp, 0, 0, ua, KVM_MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, KVM_MEMORY), 0);
}

/*
 * A guest's page in place of one of v1, or in an entry that is empty: KVM leaves
 * that to user space, so that it neither overwrites a pin nor counts a page of
 * another container, whose count v1 could not decrement.
 */
static void kvm_can_not_map_in_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *owner;
	unsigned long other, i;
	struct kvm_setup s;
	int users;

	kvm_set_up(test, &s, false);
	owner = tce_ready(fx, true, NULL);
	other = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(owner, other, KVM_MEMORY), 0);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);
	for (i = 0; i <= KVM_MEMORY / SZ_4K; i++) {
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, i, other));
		KUNIT_EXPECT_FALSE(test, kvm_put(&s, i, 0));
		KUNIT_EXPECT_FALSE(test, kvm_clear(&s, i));
	}
	tce_expect_mapped(fx, s.grp, 0, 0, s.ua, KVM_MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(owner, other, KVM_MEMORY), 0);

	/* the table outlives the window, and the module is not to go before */
	iommu_tce_table_get(s.tbl);
	tce_close(s.client);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 3, other));
	users = tce_module_users();
	iommu_tce_table_put(s.tbl);
	tce_expect_module_users(test, users - 1);
	tce_close(owner);
	tce_expect_balance(fx);
}

/*
 * A vCPU is preempted after it has taken an entry out, before it has killed it. An UNMAP
 * that finds nothing there kills it all the same: when it returns, the device reaches
 * nothing.
 */
static void unmap_kills(struct kvm_setup *s)
{
	unsigned long *n = s->data;
	struct kunit *test = s->client->fx->test;

	s->between = NULL;
	KUNIT_EXPECT_EQ(test, tce_unmap(s->client, 0, *n * SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_stale(s->client->fx->mock), 0);
}

static void unmap_kills_what_kvm_emptied(struct kunit *test)
{
	struct kvm_setup s;
	unsigned long n;

	for (n = 1; n <= 2; n++) {
		kvm_set_up(test, &s, true);
		s.data = &n;
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
		s.between = unmap_kills;
		s.steps = 0;
		KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 0));
		KUNIT_EXPECT_NULL(test, s.between);
		kvm_expect_free(test, &s);
		tce_close(s.client);
	}
}

static struct kunit_case tce_kvm_cases[] = {
	KUNIT_CASE(unmap_kills_what_kvm_emptied),
	KUNIT_CASE(kvm_clears_and_page_is_dirty),
	KUNIT_CASE(what_kvm_mapped_is_dirty),
	KUNIT_CASE(lost_count_is_dirty),
	KUNIT_CASE(kvm_in_a_table_of_levels),
	KUNIT_CASE(kvm_is_refused),
	KUNIT_CASE(kvm_can_not_clear),
	KUNIT_CASE(kvm_does_not_find_all),
	KUNIT_CASE(kvm_can_not_map_in_v1),
	{}
};

TCE_SUITE(tce_kvm);
