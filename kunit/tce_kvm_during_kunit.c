// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm_during: KVM and a MAP or an UNMAP change the same entry at the same time,
 * each of them in the middle of the other, with a second vCPU or without. Whatever the result
 * is, memory that an entry reaches is counted, and so is not released. The count has to be
 * exact only if one follows the other.
 */
#include <asm/mmu_context.h>

#include "tce_guest.h"

/* What the entry holds at first: PUT_SAME is the page that MAP has, too */
enum content { EMPTY, MAPPED, PUT, PUT_SAME, BEFORE_STATES };

/* What a vCPU does to it */
enum vcpu { PUTS, PUTS_OTHER, CLEARS, GUESTS, NO_GUEST = GUESTS };

/* What user space does to it */
enum mapper { MAPS, MAPS_TWO, UNMAPS, UNMAPS_TWO, UNMAPS_AND_MAPS, MAPS_AND_UNMAPS,
	    MAPS_BETWEEN_UNMAPS, USERS };

/* Entries: the first two are raced for, one of KVM's and one of MAP stay */
#define OF_KVM	2
#define OF_MAP	3

/* How many regions may stay counted before the container is closed: the kernel's list is short. */
#define LEFT_MOST	64

/* In a table of levels only some of the races are tried: every so many */
#define SOME	11

/**
 * struct race - an entry, and everything that changes it
 * @levels: of the table
 * @s: the container and KVM; &kvm_setup.ua is what MAP maps
 * @later: the second vCPU comes after the first one
 * @its: what KVM puts there, but for PUTS_OTHER, which is of the other region
 * @before: what it holds at first
 * @guest: what the first vCPU does
 * @second: what the second one does
 * @early: whether the second one comes before user space, or before its exchange, and not
 *	after it
 * @user: what user space does
 * @step: at which step of the first vCPU, or of user space
 * @left: how many regions are left over
 */
struct race {
	u32 levels;
	struct kvm_setup s;
	struct tce_visit later;
	unsigned long its;
	enum content before;
	enum vcpu guest;
	enum vcpu second;
	bool early;
	enum mapper user;
	int step;
	unsigned int left;
};

static void guest_does(struct race *race, enum vcpu guest)
{
	switch (guest) {
	case PUTS:
		kvm_put(&race->s, 0, race->its);
		break;
	case PUTS_OTHER:
		kvm_put(&race->s, 0, race->s.ua);
		break;
	case CLEARS:
		kvm_clear(&race->s, 0);
		break;
	default:
		break;
	}
}

static void user_maps(struct race *race, unsigned long n)
{
	KUNIT_EXPECT_EQ(race->s.client->fx->test,
			tce_map(race->s.client, 0, race->s.ua, n * SZ_4K, TCE_RW), 0);
}

static void user_unmaps(struct race *race, unsigned long n)
{
	KUNIT_EXPECT_EQ(race->s.client->fx->test,
			tce_unmap(race->s.client, 0, n * SZ_4K), 0);
}

/* MAPs of so many entries, and UNMAPs of so many */
static const int does[USERS][3] = {
	[MAPS]			= { 1 },
	[MAPS_TWO]		= { 2 },
	[UNMAPS]		= { -1 },
	[UNMAPS_TWO]		= { -2 },
	[UNMAPS_AND_MAPS]	= { -1, 1 },
	[MAPS_AND_UNMAPS]	= { 1, -1 },
	[MAPS_BETWEEN_UNMAPS]	= { -1, 1, -1 },
};

static void user_does(struct race *race)
{
	const int *n;

	for (n = does[race->user]; n < does[race->user] + 3 && *n; n++) {
		if (*n > 0)
			user_maps(race, *n);
		else
			user_unmaps(race, -*n);
	}
}

static void both_do(struct kvm_setup *s)
{
	struct race *race = s->data;

	s->between = NULL;
	if (race->early)
		guest_does(race, race->second);
	user_does(race);
	if (!race->early)
		guest_does(race, race->second);
}

static void second_visits(void *data)
{
	struct race *race = data;

	guest_does(race, race->second);
}

static void guest_visits(void *data)
{
	struct race *race = data;

	guest_does(race, race->guest);
	race->later = (struct tce_visit) { .call = second_visits, .data = race };
	if (race->early)
		second_visits(race);
	else
		tce_mock_current()->visit = &race->later;
}

/* What @entry reaches is memory from @ua on. */
static bool reaches(struct race *race, unsigned long entry, unsigned long ua)
{
	struct tce_fixture *fx = race->s.client->fx;
	unsigned long hpa, at;

	if (tce_mock_entry(race->s.tbl, entry, &hpa) == DMA_NONE)
		return false;
	for (at = 0; at < 2 * SZ_4K; at += SZ_4K)
		if (page_to_pfn(tce_page(fx, ua + at)) == hpa >> PAGE_SHIFT)
			return true;
	return false;
}

/*
 * UNREGISTER unmaps what it finds. What it does not find is counted still, and so the
 * memory is not given back.
 */
static bool held(struct race *race, unsigned long ua)
{
	struct kunit *test = race->s.client->fx->test;
	int rc = tce_unregister(race->s.client, ua, KVM_MEMORY);
	unsigned long entry;

	for (entry = 0; !rc && entry <= OF_MAP; entry++) {
		if (!reaches(race, entry, ua))
			continue;
		KUNIT_FAIL(test, "%d, %d, %d%s, %d, step %d: entry %lu reaches freed memory",
			   race->before, race->guest, race->second,
			   race->early ? " (early)" : "", race->user, race->step,
			   entry);
		return false;
	}
	KUNIT_EXPECT_EQ(test, rc, rc ? -EBUSY : 0);
	if (!rc)
		KUNIT_EXPECT_EQ(test, tce_register(race->s.client, ua, KVM_MEMORY),
				0);
	return true;
}

static bool all_held(struct race *race)
{
	return held(race, race->s.ua) && held(race, race->its);
}

static void race_begin(struct kunit *test, struct race *race)
{
	bool same = race->before == PUT_SAME;
	struct kvm_setup *s = &race->s;

	s->between = NULL;
	if (!s->client) {
		kvm_set_up_levels(test, s, race->levels);
		race->its = tce_plain(test->priv, KVM_MEMORY);
		KUNIT_ASSERT_EQ(test, tce_register(s->client, race->its,
						   KVM_MEMORY), 0);
	}
	KUNIT_ASSERT_TRUE(test, kvm_put(s, OF_KVM, same ? s->ua : race->its));
	KUNIT_ASSERT_EQ(test, tce_map(s->client, OF_MAP * SZ_4K,
				      same ? race->its : s->ua, SZ_4K, TCE_RW), 0);
	if (race->before == MAPPED)
		user_maps(race, 2);
	if (race->before == PUT)
		KUNIT_ASSERT_TRUE(test, kvm_put(s, 0, race->its));
	if (same)
		KUNIT_ASSERT_TRUE(test, kvm_put(s, 0, s->ua));
	s->data = race;
}

/*
 * What stays counted is pinned, and after that nothing is. What was counted too often, which
 * only a race may have caused, is corrected.
 */
static bool race_end(struct kunit *test, struct race *race, bool raced)
{
	struct tce_fixture *fx = test->priv;
	struct mm_iommu_table_group_mem_t *mem;
	struct kvm_setup *s = &race->s;
	int i, when = (race->step + race->before + race->second + race->early) % 3;
	bool good = true;

	/* KVM has an entry beside those that are raced for */
	KUNIT_EXPECT_GE(test, fx->mock->counted, 1);
	/* at once, or when KVM and user space have gone on */
	if (when == 0)
		good = all_held(race);
	guest_does(race, race->user % 2 ? CLEARS : PUTS);
	if (when == 1)
		good = all_held(race);
	user_unmaps(race, 1);
	if (when == 2)
		good = all_held(race);
	KUNIT_EXPECT_EQ(test, tce_unmap(s->client, 0, SZ_64K), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
	if (!raced)
		KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	/* with what waits for the next hypercall */
	kvm_clear(s, 0);
	for (i = 0; i < 8; i++) {
		mem = mm_iommu_lookup(current->mm, i % 2 ? race->its : s->ua, SZ_4K);
		if (mem)
			mm_iommu_mapped_dec(mem);
	}
	fx->mock->counted = 0;
	if (tce_unregister(s->client, s->ua, KVM_MEMORY)) {
		KUNIT_EXPECT_TRUE(test, raced);
		/* it stays until the container is closed */
		if (!(++race->left % LEFT_MOST)) {
			tce_close(s->client);
			s->client = NULL;
			return good;
		}
		s->ua = tce_plain(fx, KVM_MEMORY);
	}
	KUNIT_EXPECT_EQ(test, tce_register(s->client, s->ua, KVM_MEMORY), 0);
	return good;
}

/* Race number @n of all, but for the step. Return: false if there are no more. */
static bool race_pick(struct race *race, unsigned int n)
{
	race->user = n % USERS;
	n /= USERS;
	race->guest = n % GUESTS;
	n /= GUESTS;
	race->before = n % BEFORE_STATES;
	n /= BEFORE_STATES;
	race->early = n > GUESTS;
	race->second = race->early ? PUTS_OTHER : n;
	return n <= GUESTS + 1;
}

/* A vCPU is preempted at each step, and the others do what they do. */
static void preempt_guest(struct kunit *test, u32 levels)
{
	struct race race = { .levels = levels };
	bool raced, good;
	unsigned int n;

	for (n = 0, good = true; good && race_pick(&race, n); n += levels > 1 ? SOME : 1) {
		race.step = 0;
		do {
			race_begin(test, &race);
			race.s.steps = race.step++;
			race.s.between = both_do;
			guest_does(&race, race.guest);
			raced = !race.s.between;
			if (!raced)
				both_do(&race.s);
			good = race_end(test, &race, raced);
		} while (raced && good);
	}
	if (race.s.client)
		tce_close(race.s.client);
	tce_expect_balance(test->priv);
}

static void guest_is_preempted(struct kunit *test)
{
	preempt_guest(test, 1);
}

/* A vCPU comes before and after each exchange of user space. */
static void visit_user(struct kunit *test, u32 levels)
{
	struct tce_fixture *fx = test->priv;
	struct race race = { .levels = levels };
	struct tce_visit visit = { .call = guest_visits, .data = &race };
	bool good, raced;
	unsigned int n;

	for (n = 0, good = true; good && race_pick(&race, n); n += levels > 1 ? SOME : 1) {
		race.step = 0;
		do {
			race_begin(test, &race);
			visit.skip = race.step;
			fx->mock->visit = &visit;
			user_does(&race);
			raced = fx->mock->visit != &visit;
			fx->mock->visit = NULL;
			race.step++;
			good = race_end(test, &race, raced);
		} while (raced && good);
	}
	if (race.s.client)
		tce_close(race.s.client);
	tce_expect_balance(fx);
}

static void user_is_visited(struct kunit *test)
{
	visit_user(test, 1);
}

static void races_in_levels(struct kunit *test)
{
	preempt_guest(test, 3);
	visit_user(test, 3);
}

static void unmaps_behind_the_exchange(void *data)
{
	struct race *race = data;

	user_unmaps(race, 1);
	guest_does(race, race->second);
}

static void maps_before_the_exchange(void *data)
{
	struct race *race = data;

	user_maps(race, 1);
	race->later = (struct tce_visit) { .call = unmaps_behind_the_exchange, .data = race };
	tce_mock_current()->visit = &race->later;
}

/*
 * A vCPU is preempted before its exchange and after it. What it takes out was mapped in between,
 * and is unmapped before it decrements a count; another vCPU may have put the same page there.
 */
static void guest_is_preempted_twice(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct race race = { .levels = 1 };
	unsigned int n;
	bool good;

	for (n = 0, good = true; good && race_pick(&race, n); n++) {
		race.step = n % 3;
		race_begin(test, &race);
		race.later = (struct tce_visit) { .call = maps_before_the_exchange, .data = &race };
		fx->mock->visit = &race.later;
		guest_does(&race, race.guest);
		fx->mock->visit = NULL;
		good = race_end(test, &race, true);
	}
	if (race.s.client)
		tce_close(race.s.client);
	tce_expect_balance(fx);
}

static void puts_what_was_cleared(void *data)
{
	struct kvm_setup *s = data;
	bool *put = s->data;

	*put = kvm_put(s, 0, s->ua);
}

/* A vCPU puts an entry that REMOVE has cleared already: that is left to user space. */
static void remove_is_visited(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_visit visit = { .skip = 2, .call = puts_what_was_cleared };
	struct kvm_setup s;
	bool put = true;

	kvm_set_up(test, &s, true);
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, 2 * SZ_4K, TCE_RW), 0);
	s.data = &put;
	visit.data = &s;
	fx->mock->visit = &visit;
	KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
	KUNIT_EXPECT_FALSE(test, put);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
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
	struct kvm_setup s;

	kvm_set_up(test, &s, true);
	kvm_put_and_lose(test, &s, false);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), -EBUSY);
	tce_close(s.client);
	tce_settled(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), before);
	KUNIT_EXPECT_EQ(test, tce_map(v1, 0, s.ua, SZ_4K, TCE_RW), 0);
}

static void puts_and_is_killed(void *data)
{
	struct race *race = data;

	kvm_put(&race->s, 0, race->its);
	tce_be_killed(true);
}

/* MAP of one entry is done completely, even if it is killed, and KVM has just been there. */
static void map_is_visited_and_killed(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct race race = { .levels = 1 };
	struct tce_visit visit = { .call = puts_and_is_killed, .data = &race };

	kvm_set_up(test, &race.s, true);
	race.its = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(race.s.client, race.its, KVM_MEMORY), 0);
	fx->mock->visit = &visit;
	KUNIT_EXPECT_EQ(test, tce_map(race.s.client, 0, race.s.ua, SZ_4K, TCE_RW), 0);
	tce_be_killed(false);
	fx->mock->visit = NULL;
	KUNIT_EXPECT_EQ(test, tce_unmap(race.s.client, 0, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(race.s.client, race.s.ua, KVM_MEMORY), 0);
	/* what KVM has lost goes with the container */
	tce_close(race.s.client);
	tce_expect_balance(fx);
}

static struct kunit_case tce_kvm_during_cases[] = {
	KUNIT_CASE(guest_is_preempted),
	KUNIT_CASE(guest_is_preempted_twice),
	KUNIT_CASE(user_is_visited),
	KUNIT_CASE(map_is_visited_and_killed),
	KUNIT_CASE(races_in_levels),
	KUNIT_CASE(remove_is_visited),
	KUNIT_CASE(leftovers_go_beside_v1),
	{}
};

TCE_SUITE(tce_kvm_during);
