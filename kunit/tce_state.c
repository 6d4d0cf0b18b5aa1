// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is: all that a call which fails leaves as it is, and that is as before when the last
 * container has gone. Whatever a leak or a forgotten step would change is counted here, and nowhere
 * else.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rbtree.h>

#include "../tce_window.h"
#include "../tce_region.h"
#include "../tce_v1.h"
#include "tce_fixture.h"

/* Of enum tce_count, in its order */
static const char *const names[] = {
	"pins", "reached pages", "mappings counted in the kernel's list", "locked_vm",
	"live entries", "what the devices reach", "tables", "kvm_tables",
	"leaked_tables", "leaked pages", "tce_table_pages", "closing", "references of the module",
	"containers", "references of containers", "enabled", "default_pending", "groups", "windows",
	"v1 pages", "v1 charged", "uncharge",
	"references of processes", "open", "table_leaked", "table_pages", "listed", "nr_draining",
	"regions", "references of regions", "mappings of regions",
};

static_assert(ARRAY_SIZE(names) == TCE_COUNTS);

/* What the devices can reach: the sum is of all that can be said about it */
static void count_platform(struct tce_mock *mock, struct tce_state *state)
{
	struct tce_mock_group *grp;
	struct tce_mock_table *mt;
	struct tce_mock_tce *tce;
	int i;

	list_for_each_entry(mt, &mock->tables, list) {
		state->n[TCE_TABLES]++;
		list_for_each_entry(tce, &mt->live, list) {
			state->n[TCE_ENTRIES]++;
			state->n[TCE_SUM] += hash_64(hash_64(tce->entry, 64) + tce->hpa + tce->dir,
						     64) ^
					     hash_64(tce_mock_pua(mt->tbl, tce->entry), 64);
		}
	}
	list_for_each_entry(grp, &mock->groups, list)
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
			state->n[TCE_SUM] += hash_64((u64)grp->hw[i] + i, 64);
	state->n[TCE_PINS] = tce_mock_pins(mock);
	state->n[TCE_REACHED] = mock->refs;
	state->n[TCE_COUNTED] = mock->counted;
}

static void count_container(const struct tce_container *container, struct tce_state *state)
{
	const struct tce_memory *mem = &container->mem;
	int i;

	state->n[TCE_CONTAINERS]++;
	/* without the one that is held here */
	state->n[TCE_CONTAINER_REFS] += refcount_read(&container->users) - 1;
	state->n[TCE_ENABLED] += container->enabled;
	state->n[TCE_PENDING] += container->default_pending;
	state->n[TCE_GROUPS] += list_count_nodes((struct list_head *)&container->groups);
	for (i = 0; i < ARRAY_SIZE(container->windows); i++) {
		if (!container->windows[i])
			continue;
		state->n[TCE_WINDOWS]++;
		state->n[TCE_MM_TABLES] -= container->windows[i]->table.npages;
	}
	state->n[TCE_UNCHARGE] += atomic_long_read(&mem->uncharge);
	if (mem->v1) {
		state->n[TCE_V1_PAGES] += atomic_long_read(&mem->v1->pages);
		state->n[TCE_V1_CHARGED] += mem->v1->charged;
	}
	/* the first call binds it, also one that is refused */
	state->n[TCE_MM_USERS] -= !!mem->tmm;
	state->n[TCE_MM_OPEN] -= mem->tmm && !mem->v1;
}

static void count_mm(const struct tce_mm *tmm, struct tce_state *state)
{
	const struct tce_region *region;
	struct rb_node *node;

	state->n[TCE_MM_USERS] += tmm->users - 1;
	state->n[TCE_MM_OPEN] += tmm->open;
	state->n[TCE_MM_LEAKED] += tmm->table_leaked;
	/* that of no window */
	state->n[TCE_MM_TABLES] += atomic_long_read(&tmm->table_pages);
	state->n[TCE_LISTED] += atomic_read(&tmm->listed);
	state->n[TCE_DRAINING] += tmm->nr_draining;
	for (node = rb_first(&tmm->regions); node; node = rb_next(node)) {
		region = rb_entry(node, struct tce_region, node);
		state->n[TCE_REGIONS]++;
		state->n[TCE_REGION_REFS] +=
			list_count_nodes((struct list_head *)&region->refs);
		state->n[TCE_MAPPED] += atomic64_read(&region->mapped);
	}
}

/* How many references keep the module loaded */
int tce_module_users(void)
{
	return module_refcount(THIS_MODULE);
}

/*
 * References of the module, but for those of tables and of closing containers. The work item of an
 * EEH operation drops its own when its client may have gone on.
 */
static long module_users(void)
{
	static long least = LONG_MAX;
	long users;
	int tries;

	for (tries = 0; tries < 20; tries++) {
		users = tce_module_users();
		if (__is_defined(MODULE))
			users -= atomic_long_read(&tce_kvm_tables) + atomic_long_read(&tce_closing);
		if (users <= least)
			break;
		schedule_timeout_uninterruptible(1);
	}
	least = min(least, users);
	return users;
}

/* What there is now, while nobody else is at work */
void tce_get_state(struct tce_fixture *fx, struct tce_state *state)
{
	struct tce_container *container;
	struct tce_mm *tmm;
	unsigned long id;

	memset(state, 0, sizeof(*state));
	count_platform(fx->mock, state);
	state->n[TCE_LOCKED] = READ_ONCE(fx->mm->locked_vm);
	state->n[TCE_HIDDEN_TABLES] = atomic_long_read(&tce_kvm_tables);
	state->n[TCE_LEAKED_TABLES] = atomic_long_read(&tce_leaked_tables);
	state->n[TCE_LEAKED_PAGES] = atomic_long_read(&tce_leaked_pages);
	/* that of no table */
	state->n[TCE_TABLE_PAGES] = atomic_long_read(&tce_table_pages) -
				    tce_mock_table_pages(fx->mock);
	state->n[TCE_CLOSING] = atomic_long_read(&tce_closing);
	state->n[TCE_MODULE] = module_users();
	for (id = ULONG_MAX; (container = tce_container_next(id)); tce_container_put(container)) {
		count_container(container, state);
		id = container->id;
	}
	for (id = ULONG_MAX; (tmm = tce_mm_next(id)); tce_mm_put(tmm)) {
		count_mm(tmm, state);
		id = tmm->id;
	}
}

/* Are the first @n as wanted, what the devices reach in an empty table not included? */
static bool same(const struct tce_state *now, const struct tce_state *want, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (now->n[i] != want->n[i] && i != TCE_SUM)
			return false;
	return true;
}

/* @less: what may be less than wanted, a bit for each; the sum is anything then */
static void expect(struct tce_fixture *fx, const struct tce_state *now,
		   const struct tce_state *want, unsigned int n, const char *what, u64 less)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!(less & BIT_ULL(i)))
			KUNIT_EXPECT_EQ_MSG(fx->test, now->n[i], want->n[i], "%s: %s", what,
					    names[i]);
		else if (i != TCE_SUM)
			KUNIT_EXPECT_LE_MSG(fx->test, now->n[i], want->n[i], "%s: %s", what,
					    names[i]);
}

/*
 * Expect that a call which has failed, @what, has changed nothing, except that it has taken @less
 * away.
 */
void tce_expect_less(struct tce_fixture *fx, const struct tce_state *before, const char *what,
		     u64 less)
{
	struct tce_state now;

	tce_get_state(fx, &now);
	expect(fx, &now, before, TCE_COUNTS, what, less);
}

/* ... nothing at all. */
void tce_expect_state(struct tce_fixture *fx, const struct tce_state *before, const char *what)
{
	tce_expect_less(fx, before, what, 0);
}

/*
 * Expect that all is as it was when the case began, except for what the platform has refused to
 * give back; if containers are open, that nothing is pinned or charged. Some is given back later:
 * close waits neither for the mmap_lock nor for KVM.
 */
void tce_expect_balance(struct tce_fixture *fx)
{
	unsigned int n = list_empty(&fx->clients) ? TCE_COUNTS : TCE_ENTRIES, tries, stuck;
	struct tce_state want = fx->begun, now;

	stuck = tce_mock_count(fx->mock).stuck;
	want.n[TCE_TABLES] += stuck;
	want.n[TCE_HIDDEN_TABLES] += stuck;
	want.n[TCE_LEAKED_TABLES] += fx->mock->ever_stuck;
	want.n[TCE_LEAKED_PAGES] += fx->pages_left;
	tce_get_state(fx, &now);
	for (tries = 0; tries < 60 && !same(&now, &want, n); tries++) {
		schedule_timeout_uninterruptible(tries < 10 ? 1 : HZ / 20);
		tce_get_state(fx, &now);
	}
	/* empty tables in bridges that keep them */
	expect(fx, &now, &want, n, "balance", BIT_ULL(TCE_SUM));
}
