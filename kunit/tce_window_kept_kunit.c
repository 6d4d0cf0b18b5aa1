// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_window_kept: a bridge that refuses to release a window. What its entries
 * reach stays pinned or is cleared, whatever else is released.
 */
#include <asm/mmu_context.h>

#include "../tce_mm.h"
#include "tce_client.h"

static void bridge_keeps_a_window_at_detach(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *a, *b = tce_group(fx);
	unsigned long ua;
	struct tce_client *client = tce_two_windows(test, &a, &ua);

	KUNIT_ASSERT_EQ(test, tce_attach(client, b), 0);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_UNSET, -5);
	tce_detach(client, b);
	tce_fault_disarm(fx->mock);
	/* the first group is not affected */
	tce_expect_mapped(fx, a, 0, 0, ua, SZ_4K, TCE_RW);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), 0);
	tce_detach(client, a);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 2);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), 0);
}

/* On pseries it stays in its group, from which the platform takes it for the next client. */
static void group_keeps_a_window(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client;

	fx->mock->hcalls = true;
	client = tce_ready_window(fx, 12, SZ_1M, 1, &grp);
	grp->tg.max_levels = 1;
	tce_fault_arm(fx->mock, TCE_FAULT_UNSET, 1, -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_PTR_EQ(test, grp->tg.tables[0], grp->hw[0]);
	tce_detach(client, grp);
	KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_NULL(test, grp->tg.tables[0]);
	KUNIT_EXPECT_EQ(test, tce_mock_tables(fx->mock), 1);
}

/**
 * struct kept - somebody whose bridge keeps pages
 * @v2: the interface
 * @listed: the pages are in the kernel's list
 * @hcalls: the platform, see &tce_mock.hcalls
 * @groups: how many there are
 * @keeps: which of them has the bridge
 */
struct kept {
	bool v2;
	bool listed;
	bool hcalls;
	unsigned int groups;
	unsigned int keeps;
};

/* Whoever can be: v1 has one group, and pseries shares no tables between groups. */
static const void *next_kept(const void *prev, char *desc)
{
	static struct kept kept[32];
	struct kept *k = prev ? (struct kept *)prev + 1 : kept;

	for (; k < kept + ARRAY_SIZE(kept); k++) {
		unsigned int bits = k - kept;

		*k = (struct kept){ bits & 1, bits & 2, bits & 4, bits & 8 ? 2 : 1, !!(bits & 16) };
		if (k->keeps >= k->groups || (k->listed && !k->v2) ||
		    (k->groups == 2 && (!k->v2 || k->hcalls)))
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "v%d%s, %s, bridge %u of %u", k->v2 + 1,
			 k->listed ? ", KVM" : "", k->hcalls ? "hypervisor calls" : "PowerNV",
			 k->keeps + 1, k->groups);
		return k;
	}
	return NULL;
}

TCE_GENERATOR(kept, next_kept)

/* What a device still reaches is nobody else's. Undoes what nothing else will ever undo. */
static void expect_kept(struct kunit *test, struct tce_mock_group *grp, struct page *pages[2],
			bool pinned)
{
	struct tce_fixture *fx = test->priv;
	unsigned long hpa;
	int i;

	for (i = 0; i < 2; i++) {
		tce_mock_entry(grp->hw[0], i * PAGE_SIZE >> 12, &hpa);
		KUNIT_EXPECT_EQ(test, hpa, page_to_phys(pages[i]));
	}
	KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), 1);
	for (i = 0; i < 2; i++) {
		if (pinned) {
			unpin_user_pages_dirty_lock(&pages[i], 1, true);
			continue;
		}
		KUNIT_EXPECT_TRUE(test, PageDirty(pages[i]));
		KUNIT_EXPECT_EQ(test, tce_holders(pages[i]), 1);
		if (tce_holders(pages[i]))
			put_page(pages[i]);
	}
}

/*
 * A bridge keeps a table, and in it entries that can't be cleared: the devices still reach the
 * pages, of two regions, so that they are kept, too. A region counts as mapped as long as the
 * process has containers. After that its pages are kept, and nothing else is.
 */
static void keeps_pages(struct kunit *test)
{
	const struct kept *kept = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *groups[2];
	struct tce_client *client;
	struct page *pages[2];
	unsigned long ua;
	int i;

	fx->mock->hcalls = kept->hcalls;
	if (kept->listed)
		tce_watch(fx);
	ua = tce_plain(fx, 2 * PAGE_SIZE);
	client = tce_ready_for(fx, kept->v2, ua, PAGE_SIZE, &groups[0]);
	if (kept->v2)
		KUNIT_ASSERT_EQ(test, tce_register(client, ua + PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, !!mm_iommu_lookup(fx->mm, ua, PAGE_SIZE), kept->listed);
	if (kept->groups > 1) {
		groups[1] = tce_group(fx);
		KUNIT_ASSERT_EQ(test, tce_attach(client, groups[1]), 0);
	}
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, ua, 2 * PAGE_SIZE, TCE_RW), 0);
	for (i = 0; i < 2; i++) {
		pages[i] = tce_page(fx, ua + i * PAGE_SIZE);
		ClearPageDirty(pages[i]);
	}
	groups[kept->keeps]->keeps = true;
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_CLEAR, -4);
	if (kept->v2)
		KUNIT_EXPECT_EQ(test, tce_remove(client, 0), -EIO);
	for (i = 0; kept->v2 && i < 2; i++)
		TCE_REFUSED(fx, REGION_MAPPED, EBUSY,
			    tce_unregister(client, ua + i * PAGE_SIZE, PAGE_SIZE));

	fx->mock->kept = kept->v2;
	/* all the same if its process is being killed */
	TCE_DO_KILLED(tce_close(client));
	tce_fault_disarm(fx->mock);
	fx->pages_left = 2;
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), kept->v2 ? 0 : 2);
	tce_expect_mapped(fx, groups[kept->keeps], 0, 0, ua, 2 * PAGE_SIZE, TCE_RW);
	/* the process does not have them any more either */
	KUNIT_ASSERT_EQ(test, vm_munmap(ua, 2 * PAGE_SIZE), 0);
	expect_kept(test, groups[kept->keeps], pages, !kept->v2);
}

static struct kunit_case tce_window_kept_cases[] = {
	KUNIT_CASE(bridge_keeps_a_window_at_detach),
	KUNIT_CASE(group_keeps_a_window),
	KUNIT_CASE_PARAM(keeps_pages, kept_gen_params),
	{}
};

TCE_SUITE(tce_window_kept);
