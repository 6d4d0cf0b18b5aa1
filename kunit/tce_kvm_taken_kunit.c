// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_taken: what KVM takes out of entries waits until KVM asks for one invalidation of
 * all entries of a guest's page. It is not counted down before that, by whatever else is done
 * meanwhile, and not lost if KVM never asks.
 */
#include <asm/mmu_context.h>

#include "tce_guest.h"

/* Entries that a guest's page of 64K is in a table of 4K */
#define PAGE_ENTRIES	(KVM_MEMORY / SZ_4K)

/* One invalidation for each hypercall of a guest's page, whatever was there before */
static void one_kill_for_a_page(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long kills;
	int levels, round;

	for (levels = 1; levels <= 3; levels += 2) {
		kvm_set_up_levels(test, &s, levels);
		/* all of its levels */
		KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, KVM_MEMORY, TCE_RW), 0);
		KUNIT_ASSERT_EQ(test, tce_unmap(s.client, 0, KVM_MEMORY), 0);
		kills = fx->mock->kills;
		for (round = 0; round < 2; round++) {
			KUNIT_EXPECT_TRUE(test, kvm_put_page(&s, 0, s.ua, PAGE_ENTRIES));
			KUNIT_EXPECT_EQ(test, fx->mock->counted, PAGE_ENTRIES);
			KUNIT_EXPECT_EQ(test, tce_mock_stale(fx->mock), 0);
			tce_expect_kill(fx, s.grp, 0, kills++, 0, KVM_MEMORY);
		}
		for (round = 0; round < 2; round++) {
			KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, PAGE_ENTRIES));
			KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
			KUNIT_EXPECT_EQ(test, tce_mock_stale(fx->mock), 0);
			tce_expect_kill(fx, s.grp, 0, kills++, 0, KVM_MEMORY);
		}
		kvm_expect_free(test, &s);
		tce_close(s.client);
	}
}

/* On pseries, where nothing is to be invalidated, it is counted down all the same. */
static void counted_without_kills(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	fx->mock->hcalls = true;
	kvm_set_up(test, &s, true);
	KUNIT_EXPECT_TRUE(test, kvm_put_page(&s, 0, s.ua, PAGE_ENTRIES));
	KUNIT_EXPECT_TRUE(test, kvm_put_page(&s, 0, s.ua, PAGE_ENTRIES));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, PAGE_ENTRIES);
	KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, PAGE_ENTRIES));
	KUNIT_EXPECT_EQ(test, fx->mock->kills, 0);
	kvm_expect_free(test, &s);
}

/* A guest's page of two regions: one of them waits, and the other does not. */
static void page_of_two_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long ua, i;

	kvm_set_up(test, &s, true);
	ua = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, KVM_MEMORY), 0);
	for (i = 0; i < PAGE_ENTRIES; i++)
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, i, i % 3 ? s.ua : ua));
	KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, PAGE_ENTRIES));
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, KVM_MEMORY), 0);
	kvm_expect_free(test, &s);
}

/* What ends the wait of what KVM took out after an error, and did not invalidate */
enum end { HYPERCALL, FAR_HYPERCALL, UNREGISTER, UNMAP, REMOVE, CLOSE, ENDS };

/*
 * KVM can't do all of a guest's page, because user space has mapped a part of it. Then it takes out
 * again what it has put, after its invalidation. The device still reaches that, and so it stays
 * counted.
 */
static void taken_after_an_error(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long half = PAGE_ENTRIES / 2;
	enum end end;

	for (end = 0; end < ENDS; end++) {
		kvm_set_up(test, &s, true);
		KUNIT_ASSERT_EQ(test, tce_map(s.client, half * SZ_4K, s.ua, SZ_4K, TCE_RW), 0);
		KUNIT_EXPECT_FALSE(test, kvm_put_page(&s, 0, s.ua, PAGE_ENTRIES));
		KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 1);
		KUNIT_EXPECT_EQ(test, tce_mock_stale(fx->mock), half);
		KUNIT_EXPECT_EQ(test, fx->mock->counted, half);
		switch (end) {
		case HYPERCALL:
			KUNIT_EXPECT_FALSE(test, kvm_clear_page(&s, 0, PAGE_ENTRIES));
			break;
		case FAR_HYPERCALL:
			/* which has something to take out as well */
			KUNIT_ASSERT_TRUE(test, kvm_put(&s, 200, s.ua));
			KUNIT_EXPECT_FALSE(test, kvm_put_page(&s, 0, s.ua, PAGE_ENTRIES));
			KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 200));
			break;
		case UNREGISTER:
			KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
			break;
		case UNMAP:
			KUNIT_EXPECT_EQ(test, tce_unmap(s.client, 0, SZ_1M), 0);
			KUNIT_EXPECT_EQ(test, fx->mock->counted, half);
			KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
			break;
		case REMOVE:
			KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
			break;
		default:
			break;
		}
		if (end != CLOSE) {
			KUNIT_EXPECT_EQ_MSG(test, fx->mock->counted, 0, "%d", end);
			KUNIT_EXPECT_EQ_MSG(test, tce_mock_stale(fx->mock), 0, "%d", end);
			KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
		}
		tce_close(s.client);
		tce_expect_balance(fx);
	}
}

/* The window goes between KVM's exchange and the invalidation that it asks for. */
static void removed_before_the_kill(struct kvm_setup *s)
{
	struct tce_fixture *fx = s->client->fx;

	s->between = NULL;
	KUNIT_EXPECT_EQ(fx->test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(fx->test, tce_remove(s->client, 0), 0);
	KUNIT_EXPECT_EQ(fx->test, tce_mock_stale(fx->mock), 0);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(fx->test, tce_unregister(s->client, s->ua, KVM_MEMORY), 0);
	*(unsigned long *)s->data = fx->mock->kills;
}

static void window_goes_before_the_kill(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long kills = 0;

	kvm_set_up(test, &s, true);
	s.data = &kills;
	iommu_tce_table_get(s.tbl);
	KUNIT_ASSERT_TRUE(test, kvm_put_page(&s, 0, s.ua, 2));
	s.between = removed_before_the_kill;
	/* both of its exchanges have a step */
	s.steps = 2;
	KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, 2));
	KUNIT_EXPECT_NULL(test, s.between);
	/* REMOVE has done it, and KVM has no more to do there */
	KUNIT_EXPECT_EQ(test, fx->mock->kills, kills);
	iommu_tce_table_put(s.tbl);
}

/* Memory that is taken out, and not invalidated, can't be released; or UNREGISTER does it. */
static void unregistered_before_the_kill(struct kvm_setup *s)
{
	struct tce_fixture *fx = s->client->fx;

	s->between = NULL;
	KUNIT_EXPECT_EQ(fx->test, tce_mock_stale(fx->mock), 2);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->counted, 2);
	KUNIT_EXPECT_EQ(fx->test, tce_unregister(s->client, s->ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_EQ(fx->test, tce_mock_stale(fx->mock), 0);
}

static void unregister_before_the_kill(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put_page(&s, 0, s.ua, 2));
	s.between = unregistered_before_the_kill;
	/* both of its exchanges have a step */
	s.steps = 2;
	KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, 2));
	KUNIT_EXPECT_NULL(test, s.between);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	tce_close(s.client);
	tce_expect_balance(fx);
}

static void takes_the_next_one(void *data)
{
	struct kvm_setup *s = data;
	enum dma_data_direction dir = DMA_NONE;
	unsigned long hpa = 0;

	KUNIT_EXPECT_EQ(s->client->fx->test,
			iommu_tce_xchg_no_kill(current->mm, s->tbl, 1, &hpa, &dir), 0);
}

/* What another processor takes out when the invalidation is done already waits for its own. */
static void taken_behind_the_kill(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	struct tce_visit visit = { .skip = 1, .call = takes_the_next_one, .data = &s };

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_TRUE(test, kvm_put_page(&s, 0, s.ua, 2));
	fx->mock->kill_visit = &visit;
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 0));
	KUNIT_EXPECT_NULL(test, fx->mock->kill_visit);
	KUNIT_EXPECT_EQ(test, tce_mock_stale(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	iommu_tce_kill(s.tbl, 1, 1);
	kvm_expect_free(test, &s);
}

static void expects_all(void *data)
{
	struct kvm_setup *s = data;

	KUNIT_EXPECT_EQ(s->client->fx->test, s->client->fx->mock->counted,
			*(unsigned long *)s->data);
}

/* Nothing is counted down before the invalidation, whoever asks for it. */
static void counted_until_the_kill(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	struct tce_visit visit = { .call = expects_all, .data = &s };
	unsigned long how, counted;

	for (how = 0; how < 2; how++) {
		kvm_set_up(test, &s, true);
		/* and what replaces one of the two */
		counted = 2 + how;
		s.data = &counted;
		KUNIT_ASSERT_TRUE(test, kvm_put_page(&s, 0, s.ua, 2));
		fx->mock->kill_visit = &visit;
		if (how)
			KUNIT_EXPECT_TRUE(test, kvm_put_page(&s, 0, s.ua, 1));
		else
			KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, 2));
		KUNIT_EXPECT_NULL(test, fx->mock->kill_visit);
		if (how)
			KUNIT_EXPECT_TRUE(test, kvm_clear_page(&s, 0, 2));
		kvm_expect_free(test, &s);
		tce_close(s.client);
	}
}

/* A hypercall for entries past the end of the table invalidates no others. */
static void kill_past_the_end(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long end, kills;

	kvm_set_up(test, &s, true);
	end = s.tbl->it_offset + s.tbl->it_size;
	kills = fx->mock->kills;
	KUNIT_EXPECT_FALSE(test, kvm_put_page(&s, end - 1, s.ua, 2));
	KUNIT_EXPECT_EQ(test, fx->mock->kill_first, end - 1);
	KUNIT_EXPECT_EQ(test, fx->mock->kill_n, 1);
	KUNIT_EXPECT_EQ(test, fx->mock->kills, kills + 1);
	KUNIT_EXPECT_FALSE(test, kvm_clear_page(&s, end, 2));
	KUNIT_EXPECT_FALSE(test, kvm_clear_page(&s, ULONG_MAX, 2));
	KUNIT_EXPECT_EQ(test, fx->mock->kills, kills + 1);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
}

static struct kunit_case tce_kvm_taken_cases[] = {
	KUNIT_CASE(one_kill_for_a_page),
	KUNIT_CASE(counted_without_kills),
	KUNIT_CASE(page_of_two_regions),
	KUNIT_CASE(taken_after_an_error),
	KUNIT_CASE(window_goes_before_the_kill),
	KUNIT_CASE(unregister_before_the_kill),
	KUNIT_CASE(taken_behind_the_kill),
	KUNIT_CASE(counted_until_the_kill),
	KUNIT_CASE(kill_past_the_end),
	{}
};

TCE_SUITE(tce_kvm_taken);
