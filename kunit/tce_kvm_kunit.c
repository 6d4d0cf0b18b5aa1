// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_kvm: KVM in the middle of each call, and each call in the middle of what KVM does.
 *
 * A race is a hypercall, a call of user space and a second vCPU, one in the middle of another, at
 * steps that are drawn or at each step in turn. Races are tried in tables of several shapes. Shapes
 * and races are drawn with a fixed seed, until any two values of two properties have been met
 * together: those of a shape in some shape, those of a race in every shape. Always,
 *  - at each step, memory that an entry reaches is counted (kvm_expect_counted()), and so not
 *    released, which the mock checks as well;
 *  - UNREGISTER succeeds, or is refused because something is still counted;
 *  - what a device could write is dirty when it is released (the mock);
 *  - once UNMAP has returned, nothing is reached;
 *  - KVM changes nothing in a table that it must not use, and nothing where the window is gone;
 *  - no count is lost unless KVM was preempted while it put an entry, or in the middle of an
 *    exchange.
 * selftests/kvm.c has the cases in which KVM and user space simply take turns.
 */
#include <asm/mmu_context.h>

#include "tce_draw.h"
#include "tce_guest.h"

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
 * @ops: what KVM has seen before
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
	struct iommu_table_ops *ops;
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

/*
 * REGISTER or UNREGISTER a piece of memory: both of its regions, or none. UNREGISTER unmaps what it
 * finds, and is refused only if something else is counted. Return: it was refused
 */
static bool each_region(struct race *race, unsigned long ua,
			long (*call)(struct tce_client *client, u64 ua, u64 size))
{
	struct tce_client *client = race->shape[IFACE] == V1 ? race->keeper : race->s.client;
	unsigned long first = race->shape[REGIONS] ? PAGE_SIZE : SIZE;
	long rc[2] = {};

	rc[0] = call(client, ua, first);
	if (first < SIZE)
		rc[1] = call(client, ua + first, SIZE - first);
	if (rc[0] || rc[1]) {
		KUNIT_EXPECT_TRUE(race->test, call == tce_unregister && !race->exact);
		KUNIT_EXPECT_EQ(race->test, rc[0] ?: rc[1], -EBUSY);
		KUNIT_EXPECT_EQ(race->test, rc[1] ?: rc[0], -EBUSY);
	}
	if (rc[0] && !rc[1] && first < SIZE)
		KUNIT_EXPECT_EQ(race->test, tce_register(client, ua + first, SIZE - first), 0);
	if (rc[1] && !rc[0])
		KUNIT_EXPECT_EQ(race->test, tce_register(client, ua, first), 0);
	return rc[0] || rc[1];
}

/* With other memory at that address, in the middle of a race */
static void register_again(struct race *race, unsigned long ua)
{
	if (each_region(race, ua, tce_unregister))
		return;
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

/* A count is lost only if an entry is put, or in the middle of an exchange. */
static void in_the_middle(struct race *race, bool inside)
{
	static const u8 clears[SECONDS] = { [CLEARS] = 1, [PUTS_NOTHING] = 1, [NOBODY] = 1 };

	race->exact &= !inside && clears[race->v[GUEST]] && clears[race->v[SECOND]];
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

static void call_between(struct kvm_setup *s)
{
	struct race *race = s->data;
	bool first = race->part == calls[race->v[CALL]];

	s->between = NULL;
	in_the_middle(race, s->inside);
	if (first && race->v[SECOND] == EARLY_PUTS_OTHER)
		do_second(race);
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

	in_the_middle(race, true);
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
	race->ops = READ_ONCE(s->tbl->it_ops);
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

/* What was counted too often, which only a race may have caused, is corrected. */
static void correct(struct race *race)
{
	struct tce_fixture *fx = race->test->priv;
	struct mm_iommu_table_group_mem_t *mem;
	/* so often in each region, at most */
	unsigned int i, n = fx->mock->counted ? 4 * 4 * MOST_ENTRIES : 0;

	KUNIT_EXPECT_GE(race->test, fx->mock->counted, 0);
	if (race->exact)
		KUNIT_EXPECT_EQ(race->test, fx->mock->counted, 0);
	for (i = 0; i < n; i++) {
		mem = mm_iommu_lookup(current->mm, (i & 1 ? race->its : race->s.ua) +
				      (i & 2 ? PAGE_SIZE : 0), PAGE_SIZE);
		if (mem)
			mm_iommu_mapped_dec(mem);
	}
	fx->mock->counted = 0;
}

/* KVM and user space go on, and at some time memory is unregistered. */
static void end(struct race *race)
{
	unsigned int i, when = (race->step + race->v[BEFORE] + race->v[SECOND]) % 3;
	unsigned int guest = race->v[CALL] % 2 ? CLEARS : PUTS;
	struct tce_fixture *fx = race->test->priv;
	enum dma_data_direction dir = DMA_NONE;
	bool v2 = race->shape[IFACE] != V1;
	unsigned long hpa = 0;

	race->s.between = NULL;
	race->part = NULL;
	if (race->gone) {
		KUNIT_EXPECT_FALSE(race->test, do_guest(race, guest));
		/* by an operation that it has looked up before */
		KUNIT_EXPECT_EQ(race->test, race->ops->xchg_no_kill(race->s.tbl, 0, &hpa, &dir), 0);
		KUNIT_EXPECT_NE(race->test, dir, DMA_NONE);
		KUNIT_EXPECT_EQ(race->test, fx->mock->writes, race->writes);
		/* the host would use it if the bridge had kept it */
		KUNIT_EXPECT_NOT_NULL(race->test, race->s.tbl->it_ops->set);
		correct(race);
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
	/* with what waits for the next hypercall */
	kvm_clear(&race->s, 0);
	KUNIT_EXPECT_EQ(race->test, tce_mock_count(fx->mock).stale, 0);
	correct(race);
	if (v2 && each_region(race, race->s.ua, tce_unregister))
		tear_down(race);
	else if (v2)
		each_region(race, race->s.ua, tce_register);
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
		if (!race->shape[REGIONS])
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
		race->s.outside = race->v[CALL] >= GONE;
		race->s.between = call_between;
		do_guest(race, race->v[GUEST]);
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

static void put_third_page(void *data)
{
	struct kvm_setup *s = data;

	KUNIT_EXPECT_TRUE(s->client->fx->test, kvm_put(s, 0, s->ua + 2 * SZ_4K));
}

/*
 * A vCPU takes out a page, and finds the address of another one, which a vCPU has written that was
 * preempted until now. It gives that back, unless another vCPU has put a page there meanwhile.
 */
static void foreign_address_stays(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	struct tce_hook hook = { .call = put_third_page, .data = &s };
	__be64 *pua;

	kvm_set_up(test, &s);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 0, s.ua));
	pua = s.tbl->it_ops->useraddrptr(s.tbl, 0, true);
	KUNIT_ASSERT_NOT_NULL(test, pua);
	*pua = cpu_to_be64(s.ua + SZ_4K);
	fx->mock->at[TCE_AT_LOOKUP] = &hook;
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 0));
	KUNIT_EXPECT_NULL(test, fx->mock->at[TCE_AT_LOOKUP]);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(*pua), s.ua + 2 * SZ_4K);
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 2);
	/* what was put meanwhile is counted down, and the first page stays counted */
	KUNIT_EXPECT_TRUE(test, kvm_clear(&s, 0));
	KUNIT_EXPECT_EQ(test, fx->mock->counted, 1);
	mm_iommu_mapped_dec(mm_iommu_lookup(current->mm, s.ua, KVM_MEMORY));
	KUNIT_EXPECT_EQ(test, tce_unregister(s.client, s.ua, KVM_MEMORY), 0);
}

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

static struct kunit_case tce_kvm_cases[] = {
	KUNIT_CASE(foreign_address_stays),
	KUNIT_CASE(list_is_full),
	KUNIT_CASE_PARAM(any_race, shape_gen_params),
	KUNIT_CASE_PARAM(each_plain_race, plain_gen_params),
	{}
};

TCE_SUITE(tce_kvm);
