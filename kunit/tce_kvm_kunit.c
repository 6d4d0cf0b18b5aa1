// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm: KVM in the middle of each call, and each call in the middle of what KVM does.
 *
 * A race is a hypercall, a call of user space and a second vCPU, one in the middle of another, at
 * steps that are drawn or at each step in turn. Races are tried in tables of several shapes. Shapes
 * and races are drawn with a fixed seed, until any two values of two properties have been met
 * together: those of a shape in some shape, those of a race in every shape. Always,
 *  - memory that an entry reaches, or that a bridge may have cached, is not released (the mock);
 *  - UNREGISTER succeeds, whatever has raced before;
 *  - what a device could write is dirty when it is released (the mock);
 *  - once UNMAP has returned, nothing is reached;
 *  - KVM changes nothing in a table that it must not use, nothing where the window is gone, and
 *    nothing while the driver waits for it to end;
 *  - no count is lost if nothing races.
 * A call that waits for KVM to end is made by another thread, and ends after the hypercall.
 * selftests/kvm.c has the cases in which KVM and user space simply take turns.
 */
#include <asm/mmu_context.h>

#include "tce_draw.h"
#include "tce_guest.h"
#include "tce_threads.h"

/* ---- the shape of a table ---- */

enum { IFACE, LEVELS, HCALLS, GROUPS, LARGE, ENTRIES, REGIONS, SHAPE };

/* v2; v2, which had its table before there was KVM; v1. Only the first is shared. */
enum { SHARED, LATE, V1 };

/* Of a page of the guest's, and of a list of them, at most */
#define MOST_ENTRIES	3

static void fit_shape(u8 *v)
{
	/* the window of v1, and those of pseries, are simple */
	if (v[IFACE] == V1 || v[HCALLS]) {
		v[LEVELS] = 0;
		v[GROUPS] = 0;
	}
	if (v[IFACE] == V1)
		v[LARGE] = 0;
}

static struct tce_shapes shapes = {
	.draw = { .n = SHAPE, .sizes = { 3, 2, 2, 2, 2, 2, 2 }, .fit = fit_shape },
};

static const void *next_shape(const void *prev, char *desc)
{
	static const char *const ifaces[] = { "v2", "v2 before KVM", "v1" };
	const u8 *v = tce_next_shape(&shapes, prev);

	if (v)
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s%s%s%s%s%s, seed %x", ifaces[v[IFACE]],
			 v[LEVELS] ? ", 3 levels" : "", v[HCALLS] ? ", hypervisor calls" : "",
			 v[GROUPS] ? ", 2 groups" : "", v[LARGE] ? ", the CPU's pages" : "",
			 v[ENTRIES] ? ", 3 entries" : "", v[REGIONS] ? ", 2 regions" : "",
			 TCE_SEED);
	return v;
}

TCE_GENERATOR(shape, next_shape)

/* ---- what happens there ---- */

enum { BEFORE, GUEST, SECOND, CALL, WHERE, KILLED, RACE };

/* What the entries hold at first: PUT_SAME is the page that MAP has, MAPPED_LAST one of several. */
enum { EMPTY, MAPPED, PUT, PUT_SAME, MAPPED_LAST, BEFORE_STATES };

/* What a vCPU does, and the second one: after the call, or EARLY before it */
enum { PUTS, PUTS_OTHER, CLEARS, PUTS_NOTHING, PUTS_LIST, NOBODY, EARLY_PUTS_OTHER, SECONDS };
#define GUESTS		NOBODY

/* Parts of a call; those from REMOVE on take the window away */
enum part { NOTHING, MAP, MAP_ALL, UNMAP, UNMAP_ALL, UNMAP_WINDOW, UNREGISTER, REMOVE, DETACH,
	    CLOSE };

/* The first PLAIN_CALLS are about these entries only, those from GONE on end with the window. */
#define PLAIN_CALLS	7
#define WAITS		8
#define GONE		9

static const u8 calls[TCE_MOST_VALUES][4] = {
	{ MAP }, { MAP_ALL }, { UNMAP }, { UNMAP_ALL }, { UNMAP, MAP }, { MAP, UNMAP },
	{ UNMAP, MAP, UNMAP }, { UNMAP_WINDOW }, { UNREGISTER }, { REMOVE }, { DETACH }, { CLOSE },
};

/*
 * The call, or its parts one after the other, is done from a step of the hypercall on; or the
 * hypercall is done at an exchange, or an invalidation, of the call.
 */
enum { IN_GUEST, PARTS_IN_GUEST, AT_EXCHANGE, AT_INVALIDATE, WHERES };

/* These may end early when they are killed. */
static void fit_race(u8 *v)
{
	u8 part = calls[v[CALL]][0];

	if (part == UNREGISTER || part == UNMAP_WINDOW || part == MAP_ALL)
		v[KILLED] = 0;
}

/* A process that has KVM by now would share the next table. */
static void fit_race_before_kvm(u8 *v)
{
	v[CALL] = min_t(u8, v[CALL], GONE - 1);
	fit_race(v);
}

/* Entries that one of KVM's and one of MAP have meanwhile */
#define OF_KVM	4
#define OF_MAP	5

/**
 * struct race - a table, and everything that changes it
 * @s: the container and KVM; &kvm_setup.ua is what MAP maps
 * @test: the case
 * @shape: of the table
 * @draw: draws what happens
 * @v: what happens
 * @other: a second group
 * @keeper: another container of v2, so that no region has to go. Has those of v1
 * @its: what KVM puts, but for PUTS_OTHER
 * @entries: of the guest's page
 * @part: the next part of the call
 * @step: at which step
 * @every_step: none is left out
 * @exact: no count can have been lost
 * @gone: the window is gone
 * @writes: how many there were when it went
 * @thread: makes a call that waits for KVM to end
 * @apart: it does
 * @waits: it waits, or has ended
 * @go_on: KVM has ended
 * @grace: where it waits
 */
struct race {
	struct kvm_setup s;
	struct kunit *test;
	const u8 *shape;
	struct tce_draw draw;
	u8 v[TCE_MOST_PROPERTIES];
	struct tce_mock_group *other;
	struct tce_client *keeper;
	unsigned long its;
	unsigned int entries;
	const u8 *part;
	int step;
	bool every_step;
	bool exact;
	bool gone;
	unsigned long writes;
	struct tce_thread thread;
	bool apart;
	struct completion waits;
	struct completion go_on;
	struct tce_hook grace;
};

/* Bytes of each of the two pieces of memory, the first page of which may be a region of its own */
#define SIZE	(4 * PAGE_SIZE)

static unsigned long step_of(const struct race *race)
{
	return 1UL << race->s.tbl->it_page_shift;
}

/* What comes behind the first entry is in the second region. */
static unsigned long first_of(const struct race *race, unsigned long ua)
{
	return ua + PAGE_SIZE - step_of(race);
}

/* REGISTER or UNREGISTER a piece of memory */
static void each_region(struct race *race, unsigned long ua,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	struct tce_client *client = race->shape[IFACE] == V1 ? race->keeper : race->s.client;
	unsigned long first = race->shape[REGIONS] ? PAGE_SIZE : SIZE;

	KUNIT_EXPECT_EQ(race->test, call(client, ua, first), 0);
	if (first < SIZE)
		KUNIT_EXPECT_EQ(race->test, call(client, ua + first, SIZE - first), 0);
}

/* With other memory at that address, in the middle of a race */
static void register_again(struct race *race, unsigned long ua)
{
	each_region(race, ua, tce_unregister);
	if (race->part)
		tce_renew(race->test->priv, ua, SIZE);
	each_region(race, ua, tce_register);
}

static bool do_guest(struct race *race, unsigned int guest)
{
	unsigned long its = first_of(race, race->its), ua = first_of(race, race->s.ua);

	switch (guest) {
	case PUTS:
		return kvm_hcall(&race->s, H_KVM_PUT, 0, its, race->entries);
	case PUTS_LIST:
		return kvm_hcall(&race->s, H_KVM_PUT_INDIRECT, 0, its, race->entries);
	case PUTS_OTHER:
	case EARLY_PUTS_OTHER:
		return kvm_hcall(&race->s, H_KVM_PUT, 0, ua, race->entries);
	case PUTS_NOTHING:
		return kvm_hcall(&race->s, H_KVM_PUT, 0, 0, race->entries);
	case CLEARS:
		return kvm_hcall(&race->s, H_KVM_STUFF, 0, 0, race->entries);
	}
	return true;
}

static void do_second(void *data)
{
	struct race *race = data;

	do_guest(race, race->v[SECOND]);
}

static void do_map(struct race *race, unsigned long entry, unsigned long n)
{
	unsigned long step = step_of(race);

	KUNIT_EXPECT_EQ(race->test, tce_map(race->s.client, entry * step,
					    first_of(race, race->s.ua), n * step, TCE_RW), 0);
}

static void do_unmap(struct race *race, unsigned long n)
{
	KUNIT_EXPECT_EQ(race->test, tce_unmap(race->s.client, 0, n * step_of(race)), 0);
}

static void do_part(struct race *race, enum part part)
{
	struct tce_client *client = race->s.client;
	struct tce_fixture *fx = race->test->priv;
	bool v2 = client->v2;

	/* v1 would end while it pins */
	tce_be_killed(race->v[KILLED] && v2);
	switch (part) {
	case NOTHING:
		break;
	case MAP:
	case MAP_ALL:
		do_map(race, 0, part == MAP ? 1 : race->entries);
		break;
	case UNMAP:
	case UNMAP_ALL:
		do_unmap(race, part == UNMAP ? 1 : race->entries);
		/* the device reaches nothing, though KVM has yet to ask for the invalidation */
		if (race->v[WHERE] <= PARTS_IN_GUEST && (part == UNMAP_ALL || race->entries == 1))
			KUNIT_EXPECT_EQ(race->test, tce_mock_count(fx->mock).stale, 0);
		break;
	case UNMAP_WINDOW:
		do_unmap(race, race->s.tbl->it_size);
		break;
	case UNREGISTER:
		if (v2) {
			register_again(race, race->its);
			register_again(race, race->s.ua);
		} else {
			KUNIT_EXPECT_EQ(race->test, tce_disable(client), 0);
			KUNIT_EXPECT_EQ(race->test, tce_enable(client), 0);
		}
		break;
	case REMOVE:
		if (v2) {
			KUNIT_EXPECT_EQ(race->test, tce_remove(client, 0), 0);
			break;
		}
		fallthrough;
	case DETACH:
		tce_detach(client, race->s.grp);
		if (race->shape[GROUPS])
			tce_detach(client, race->other);
		break;
	case CLOSE:
		kvm_close(&race->s);
		break;
	}
	tce_be_killed(false);
	race->gone = part >= REMOVE;
	if (race->gone)
		KUNIT_EXPECT_EQ(race->test, fx->mock->refs, 0);
	race->writes = fx->mock->writes;
}

/* What is left of the call */
static void do_call(struct race *race)
{
	while (*race->part)
		do_part(race, *race->part++);
}

static void call_apart(struct tce_thread *thread)
{
	struct race *race = container_of(thread, struct race, thread);

	do_call(race);
	complete(&race->waits);
}

/* KVM begins nothing new now: it has not seen the operations that a call waits for the end of. */
static void wait_for_kvm(void *data)
{
	struct race *race = data;

	if (race->shape[IFACE] == SHARED)
		KUNIT_EXPECT_NULL(race->test,
				  race->s.tbl->it_ops->useraddrptr(race->s.tbl, 0, true));
	complete(&race->waits);
	wait_for_completion(&race->go_on);
}

static void begin_apart(struct race *race)
{
	struct tce_fixture *fx = race->test->priv;

	race->apart = true;
	init_completion(&race->waits);
	init_completion(&race->go_on);
	race->grace = (struct tce_hook){ .call = wait_for_kvm, .data = race };
	fx->mock->at[TCE_AT_GRACE] = &race->grace;
	tce_thread_start(&race->thread, race->keeper, call_apart);
	wait_for_completion(&race->waits);
}

static void end_apart(struct race *race)
{
	struct tce_fixture *fx = race->test->priv;

	race->apart = false;
	complete(&race->go_on);
	tce_thread_join(&race->thread);
	fx->mock->at[TCE_AT_GRACE] = NULL;
	if (race->v[SECOND] != EARLY_PUTS_OTHER)
		do_second(race);
}

static void call_between(struct kvm_setup *s)
{
	struct race *race = s->data;
	bool first = race->part == calls[race->v[CALL]];

	s->between = NULL;
	race->exact = false;
	if (first && race->v[SECOND] == EARLY_PUTS_OTHER)
		do_second(race);
	if (race->v[CALL] >= WAITS) {
		begin_apart(race);
		return;
	}
	if (race->v[WHERE] == PARTS_IN_GUEST)
		do_part(race, *race->part++);
	else
		do_call(race);
	if (*race->part) {
		s->steps = 0;
		s->between = call_between;
	} else if (race->v[SECOND] != EARLY_PUTS_OTHER) {
		do_second(race);
	}
}

static void guest_acts(void *data)
{
	struct race *race = data;

	race->exact = false;
	if (race->v[SECOND] == EARLY_PUTS_OTHER)
		do_second(race);
	do_guest(race, race->v[GUEST]);
}

static void set_up(struct race *race)
{
	u32 shift = race->shape[LARGE] ? PAGE_SHIFT : 12, levels = race->shape[LEVELS] ? 3 : 1;
	struct tce_fixture *fx = race->test->priv;
	bool v2 = race->shape[IFACE] != V1;
	struct kvm_setup *s = &race->s;
	u64 start;

	race->keeper = tce_open(fx, true);
	s->client = tce_open(fx, v2);
	KUNIT_ASSERT_EQ(race->test, tce_attach(s->client, s->grp), 0);
	if (race->shape[GROUPS])
		KUNIT_ASSERT_EQ(race->test, tce_attach(s->client, race->other), 0);
	if (v2) {
		KUNIT_ASSERT_EQ(race->test, tce_remove(s->client, 0), 0);
		/* small, so that UNMAP of all has few steps */
		KUNIT_ASSERT_EQ(race->test, tce_create(s->client, shift, 16UL << shift, levels,
						       &start), 0);
	} else {
		KUNIT_ASSERT_EQ(race->test, tce_enable(s->client), 0);
		KUNIT_ASSERT_EQ(race->test, tce_unmap(s->client, 0, SZ_4K), 0);
	}
	s->tbl = iommu_tce_table_get(s->grp->tg.tables[0]);
	if (!race->its) {
		race->its = tce_plain(fx, SIZE);
		s->ua = tce_plain(fx, SIZE);
		if (race->shape[IFACE] == LATE)
			tce_watch(fx);
	}
	each_region(race, race->its, tce_register);
	each_region(race, s->ua, tce_register);
	/* KVM makes no levels */
	do_map(race, 0, 1);
	do_map(race, OF_KVM, 1);
	do_unmap(race, s->tbl->it_size);
}

static void tear_down(struct race *race)
{
	int users = tce_module_users();

	iommu_tce_table_put(race->s.tbl);
	/* the module does not go before a table that KVM keeps */
	if (race->gone)
		KUNIT_EXPECT_EQ(race->test, tce_module_users(), users - 1);
	if (race->s.client)
		kvm_close(&race->s);
	tce_close(race->keeper);
}

static void begin(struct race *race)
{
	bool shared = race->shape[IFACE] == SHARED, same = race->v[BEFORE] == PUT_SAME;
	struct kvm_setup *s = &race->s;

	race->exact = true;
	race->gone = false;
	race->part = calls[race->v[CALL]];
	s->between = NULL;
	s->data = race;
	if (!s->client)
		set_up(race);
	KUNIT_EXPECT_EQ(race->test,
			kvm_put(s, OF_KVM, first_of(race, same ? s->ua : race->its)), shared);
	do_map(race, OF_MAP, 1);
	if (race->v[BEFORE] == MAPPED)
		do_map(race, 0, race->entries);
	if (race->v[BEFORE] == MAPPED_LAST)
		do_map(race, race->entries - 1, 1);
	if (race->v[BEFORE] == PUT || same)
		KUNIT_EXPECT_EQ(race->test, do_guest(race, same ? PUTS_OTHER : PUTS), shared);
}

static void check_counts(struct race *race)
{
	struct tce_fixture *fx = race->test->priv;

	if (race->exact)
		KUNIT_EXPECT_EQ(race->test, fx->mock->counted, 0);
}

/* KVM and user space go on, and at some time memory is unregistered. */
static void end(struct race *race)
{
	unsigned int i, when = (race->step + race->v[BEFORE] + race->v[SECOND]) % 3;
	unsigned int guest = race->v[CALL] % 2 ? CLEARS : PUTS;
	struct tce_fixture *fx = race->test->priv;
	bool v2 = race->shape[IFACE] != V1;

	race->s.between = NULL;
	race->part = NULL;
	if (race->gone) {
		KUNIT_EXPECT_FALSE(race->test, do_guest(race, guest));
		KUNIT_EXPECT_EQ(race->test, fx->mock->writes, race->writes);
		/* the host would use it if the bridge had kept it */
		KUNIT_EXPECT_NOT_NULL(race->test, race->s.tbl->it_ops->set);
		check_counts(race);
		tear_down(race);
		return;
	}
	for (i = 0; i < 3; i++) {
		if (i == when && v2) {
			register_again(race, race->s.ua);
			register_again(race, race->its);
		}
		if (i)
			do_unmap(race, i == 1 ? 1 : race->s.tbl->it_size);
		else
			do_guest(race, guest);
	}
	KUNIT_EXPECT_EQ(race->test, tce_mock_count(fx->mock).live, 0);
	KUNIT_EXPECT_EQ(race->test, tce_mock_count(fx->mock).stale, 0);
	check_counts(race);
	if (v2)
		register_again(race, race->s.ua);
}

/* The hypercall, and then the call. KVM does it, with one invalidation, or leaves it all to us. */
static void one_after_the_other(struct race *race)
{
	bool mapped = race->v[BEFORE] == MAPPED || race->v[BEFORE] == MAPPED_LAST;
	struct tce_fixture *fx = race->test->priv;
	unsigned long before, writes;

	begin(race);
	before = fx->mock->invalidations;
	writes = fx->mock->writes;
	if (do_guest(race, race->v[GUEST])) {
		KUNIT_EXPECT_TRUE(race->test, race->shape[IFACE] == SHARED && !mapped);
		KUNIT_EXPECT_EQ(race->test, tce_mock_count(fx->mock).stale, 0);
		KUNIT_EXPECT_EQ(race->test, fx->mock->invalidations,
				before + !race->shape[HCALLS]);
	} else if (race->shape[IFACE] == SHARED) {
		KUNIT_EXPECT_TRUE(race->test, mapped);
	} else {
		KUNIT_EXPECT_EQ(race->test, fx->mock->writes, writes);
	}
	do_call(race);
	end(race);
}

/* Return: there was such a step */
static bool one_in_the_other(struct race *race)
{
	struct tce_hook second = { .call = do_second, .data = race };
	struct tce_hook hook = { race->step, guest_acts, race, &second };
	struct tce_hook **at = &tce_mock_current()->at[race->v[WHERE] == AT_INVALIDATE ?
							 TCE_AT_INVALIDATE : TCE_AT_EXCHANGE];
	bool raced;

	begin(race);
	if (race->v[WHERE] == IN_GUEST || race->v[WHERE] == PARTS_IN_GUEST) {
		race->s.steps = race->step;
		race->s.between = call_between;
		do_guest(race, race->v[GUEST]);
		if (race->apart)
			end_apart(race);
		raced = race->part != calls[race->v[CALL]];
		race->s.between = NULL;
		do_call(race);
	} else {
		if (race->v[SECOND] == EARLY_PUTS_OTHER)
			hook.next = NULL;
		*at = &hook;
		do_call(race);
		raced = *at != &hook;
		*at = NULL;
	}
	end(race);
	return raced;
}

/* At each step in turn, or at some that are drawn */
static void try(struct race *race)
{
	bool raced;

	race->step = 0;
	one_after_the_other(race);
	do {
		raced = one_in_the_other(race);
		if (READ_ONCE(race->test->status) == KUNIT_FAILURE)
			KUNIT_FAIL_AND_ABORT(race->test,
					     "before %u, guest %u, %u, call %u, where %u, step %d",
					     race->v[BEFORE], race->v[GUEST], race->v[SECOND],
					     race->v[CALL], race->v[WHERE], race->step);
		race->step++;
		if (!race->every_step)
			race->step += prandom_u32_state(&race->draw.random) % 8;
	} while (raced);
}

static struct race *race_init(struct kunit *test, const u8 *shape)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct tce_fixture *fx = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, race);
	race->test = test;
	race->shape = shape;
	race->entries = race->shape[ENTRIES] ? MOST_ENTRIES : 1;
	race->draw = (struct tce_draw){
		.n = RACE,
		.sizes = { BEFORE_STATES, GUESTS, SECONDS, ARRAY_SIZE(calls), WHERES, 2 },
		.fit = race->shape[IFACE] == LATE ? fit_race_before_kvm : fit_race,
	};
	fx->mock->hcalls = race->shape[HCALLS];
	race->s.grp = tce_group(fx);
	race->other = tce_group(fx);
	if (race->shape[IFACE] != LATE)
		tce_watch(fx);
	tce_seed_by(&race->draw.random, shape, SHAPE);
	return race;
}

static void race_exit(struct race *race)
{
	if (race->s.client)
		tear_down(race);
	tce_expect_balance(race->test->priv);
}

static void any_race(struct kunit *test)
{
	struct race *race = race_init(test, test->param_value);

	while (tce_draw_next(&race->draw)) {
		memcpy(race->v, race->draw.v, sizeof(race->v));
		try(race);
	}
	race_exit(race);
}

/* What the entries of a plain table hold at first, and what is in the middle of what */
static const struct plain_race {
	const char *name;
	u8 before;
	u8 where;
} plain_races[] = {
	{ "empty, a call in a hypercall", EMPTY, IN_GUEST },
	{ "empty, a hypercall in a call", EMPTY, AT_EXCHANGE },
	{ "mapped, a call in a hypercall", MAPPED, IN_GUEST },
	{ "mapped, a hypercall in a call", MAPPED, AT_EXCHANGE },
	{ "put, a call in a hypercall", PUT, IN_GUEST },
	{ "put, a hypercall in a call", PUT, AT_EXCHANGE },
	{ "the same put, a call in a hypercall", PUT_SAME, IN_GUEST },
	{ "the same put, a hypercall in a call", PUT_SAME, AT_EXCHANGE },
};

KUNIT_ARRAY_PARAM_DESC(plain, plain_races, name);

/* All races of one or two hypercalls and a call that are about the same entry */
static void each_plain_race(struct kunit *test)
{
	static const u8 seconds[] = { PUTS, PUTS_OTHER, CLEARS, NOBODY, EARLY_PUTS_OTHER };
	const struct plain_race *plain = test->param_value;
	static const u8 shape[TCE_MOST_PROPERTIES];
	struct race *race = race_init(test, shape);
	u8 *v = race->v;
	unsigned int i;

	race->every_step = true;
	v[BEFORE] = plain->before;
	v[WHERE] = plain->where;
	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		v[SECOND] = seconds[i];
		for (v[GUEST] = 0; v[GUEST] < PUTS_NOTHING; v[GUEST]++)
			for (v[CALL] = 0; v[CALL] < PLAIN_CALLS; v[CALL]++)
				try(race);
	}
	race_exit(race);
}

/* ---- what the kernel's list adds to that ---- */

/* KVM leaves mappings of regions for which the list is too full to us. */
static void list_is_full(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned long ua, i;

	kvm_set_up(test, &s);
	/* there is room for 256, two of which it has already; Documentation/design.rst */
	ua = tce_plain(fx, 255 * PAGE_SIZE);
	for (i = 0; i < 255; i++, ua += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, !!mm_iommu_lookup(current->mm, ua, PAGE_SIZE), i < 254);
	}
	ua = tce_plain(fx, KVM_MEMORY);
	KUNIT_ASSERT_EQ(test, tce_register(s.client, ua, KVM_MEMORY), 0);
	KUNIT_EXPECT_FALSE(test, kvm_put(&s, 0, ua));
	KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, ua, KVM_MEMORY, TCE_RW), 0);
	/* nor can it take it out */
	KUNIT_EXPECT_FALSE(test, kvm_clear(&s, 3));
	tce_expect_mapped(fx, s.grp, 0, 0, ua, KVM_MEMORY, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, ua, KVM_MEMORY), 0);
}

/* ---- what a search finds ---- */

static long unregister(struct kvm_setup *s)
{
	return tce_unregister(s->client, s->ua, KVM_MEMORY);
}

/*
 * KVM maps memory in the table of a container that has not registered it. UNREGISTER and close of
 * the one that has leave it alone, and it goes as soon as nothing maps it.
 */
static void another_container_maps(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *other;
	struct kvm_setup s;

	kvm_set_up(test, &s);
	other = tce_ready_window(fx, 12, SZ_1M, 1, &grp);
	s.tbl = grp->tg.tables[0];
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
	KUNIT_ASSERT_EQ(test, tce_map(other, 4 * SZ_4K, s.ua, SZ_4K, TCE_RW), 0);
	TCE_REFUSED(fx, REGION_MAPPED, EBUSY, unregister(&s));
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 3));
	TCE_REFUSED(fx, REGION_MAPPED, EBUSY, unregister(&s));
	KUNIT_EXPECT_EQ(test, tce_unmap(other, 4 * SZ_4K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, unregister(&s), 0);

	KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
	kvm_close(&s);
	/* an orphan */
	KUNIT_EXPECT_EQ(test, tce_register(other, s.ua, KVM_MEMORY), -EBUSY);
	KUNIT_EXPECT_EQ(test, tce_remove(other, 0), 0);
	KUNIT_EXPECT_EQ(test, tce_register(other, s.ua, KVM_MEMORY), 0);
	tce_close(other);
	tce_expect_balance(fx);
}

/*
 * KVM takes out what it has put, after its invalidation. Whatever comes next invalidates that
 * before the page can go: UNREGISTER, the undo of a MAP, or the removal of the window.
 */
static void cleared_without_invalidation(struct kunit *test)
{
	enum { UNREGISTERS, FAILED_MAP, REMOVES, HOW };
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned int how;
	u64 start;

	kvm_set_up(test, &s);
	for (how = 0; how < HOW; how++) {
		/* what follows the last page of the region is not registered */
		KUNIT_EXPECT_FALSE(test, kvm_hcall(&s, H_KVM_PUT, 1, s.ua + KVM_MEMORY - SZ_4K, 2));
		KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).live, 0);
		KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).stale, 1);
		if (how == FAILED_MAP) {
			tce_fault_arm(fx->mock, TCE_FAULT_XCHG, 2, -ENOMEM);
			KUNIT_EXPECT_EQ(test, tce_map(s.client, 0, s.ua, 2 * SZ_4K, TCE_RW),
					-ENOMEM);
			tce_fault_disarm(fx->mock);
		} else if (how == REMOVES) {
			KUNIT_EXPECT_EQ(test, tce_remove(s.client, 0), 0);
		}
		if (how != UNREGISTERS)
			KUNIT_EXPECT_EQ_MSG(test, tce_mock_count(fx->mock).stale, 0, "%u", how);
		KUNIT_EXPECT_EQ(test, unregister(&s), 0);
		KUNIT_EXPECT_EQ_MSG(test, tce_mock_count(fx->mock).stale, 0, "%u", how);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	}
	KUNIT_EXPECT_EQ(test, tce_create(s.client, 12, SZ_1M, 1, &start), 0);
}

/* A hypervisor that does not say what an entry maps, or does not clear it: the region stays. */
static void hypervisor_refuses(struct kunit *test)
{
	static const enum tce_fault faults[] = { TCE_FAULT_HCALL, TCE_FAULT_CLEAR };
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	unsigned int i;

	fx->mock->hcalls = true;
	kvm_set_up(test, &s);
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
		tce_fault_arm_sticky(fx->mock, faults[i], H_HARDWARE);
		KUNIT_EXPECT_EQ_MSG(test, unregister(&s), -EBUSY, "%u", i);
		tce_fault_disarm(fx->mock);
		KUNIT_EXPECT_EQ_MSG(test, unregister(&s), 0, "%u", i);
		KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
	}
}

/* vCPUs that have raced leave an entry with the userspace entry of another page, or with none. */
static void userspace_entry_is_wrong(struct kunit *test)
{
	const u64 wrong[] = { 0, 1, 0x1000, 0 };
	struct tce_fixture *fx = test->priv;
	unsigned int i, hcalls;
	struct kvm_setup s;
	__be64 *pua;

	for (hcalls = 0; hcalls < 2; hcalls++) {
		fx->mock->hcalls = hcalls;
		kvm_set_up(test, &s);
		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
			pua = s.tbl->it_ops->useraddrptr(s.tbl, 3, true);
			KUNIT_ASSERT_NOT_NULL(test, pua);
			/*
			 * 0 means that an entry was never in use, so nobody writes that on pseries
			 */
			*pua = cpu_to_be64(wrong[i] ?: hcalls ? s.ua + SZ_4K : 0);
			KUNIT_EXPECT_EQ(test, unregister(&s), 0);
			KUNIT_ASSERT_EQ(test, tce_register(s.client, s.ua, KVM_MEMORY), 0);
		}
		kvm_close(&s);
	}
}

/* While a driver's call waits for KVM, a guest's clears are left to user space, in any table. */
static void clear_meanwhile(void *data)
{
	struct kvm_setup *s = data;

	KUNIT_EXPECT_FALSE(s->client->fx->test, kvm_hcall(s, H_KVM_STUFF, 3, 0, 2));
	KUNIT_EXPECT_EQ(s->client->fx->test, tce_mock_count(s->client->fx->mock).live, 1);
}

static void nobody_waits_for_a_clear(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *other = tce_ready_window(fx, 12, SZ_1M, 1, NULL);
	struct kvm_setup s;
	struct tce_hook hook = { .call = clear_meanwhile, .data = &s };

	kvm_set_up(test, &s);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 3, s.ua));
	fx->mock->at[TCE_AT_GRACE] = &hook;
	KUNIT_EXPECT_EQ(test, tce_remove(other, 0), 0);
	KUNIT_EXPECT_NULL(test, fx->mock->at[TCE_AT_GRACE]);
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 3));
	KUNIT_EXPECT_EQ(test, unregister(&s), 0);
}

static struct kunit_case tce_kvm_cases[] = {
	KUNIT_CASE(another_container_maps),
	KUNIT_CASE(cleared_without_invalidation),
	KUNIT_CASE(hypervisor_refuses),
	KUNIT_CASE(userspace_entry_is_wrong),
	KUNIT_CASE(nobody_waits_for_a_clear),
	KUNIT_CASE(list_is_full),
	KUNIT_CASE_PARAM(any_race, shape_gen_params),
	KUNIT_CASE_PARAM(each_plain_race, plain_gen_params),
	{}
};

TCE_SUITE(tce_kvm);
