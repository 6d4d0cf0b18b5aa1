// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups and their bridges. The operations of a table group create tables, and set them in
 * bridges.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "tce_mock.h"

/* More userspace entries than this in one piece are more than a real platform has */
#define MOCK_MAX_PUAS	SZ_2M

static struct tce_mock_group *to_group(struct iommu_table_group *tg)
{
	return container_of(tg, struct tce_mock_group, tg);
}

static unsigned long mock_get_table_size(u32 shift, u64 size, u32 levels)
{
	/* and a page for each level, so that it can't be guessed */
	return round_up((size >> shift) * sizeof(u64), PAGE_SIZE) + levels * PAGE_SIZE;
}

static int table_fill(struct tce_mock_group *grp, struct iommu_table *tbl,
		      int num, u32 shift, u64 size, u32 levels)
{
	unsigned int bits = ilog2(size) - shift;
	struct tce_mock_table *mt;

	tbl->it_page_shift = shift;
	tbl->it_offset = grp->start[num] >> shift;
	tbl->it_size = size >> shift;
	tbl->it_index = grp->mock->hcalls ? ++grp->mock->liobn : 0;
	tbl->it_ops = grp->mock->hcalls ? &mock_hcall_table_ops :
					  &mock_table_ops;
	INIT_LIST_HEAD_RCU(&tbl->it_group_list);
	kref_init(&tbl->it_kref);
	tbl->it_level_size = tbl->it_size;
	if (levels > 1) {
		tbl->it_indirect_levels = levels - 1;
		tbl->it_level_size = 1UL << DIV_ROUND_UP(bits, levels);
	}
	if (tbl->it_level_size > MOCK_MAX_PUAS)
		return -ENOMEM;

	mt = kvzalloc(struct_size(mt, tces, tbl->it_level_size), GFP_KERNEL);
	if (!mt)
		return -ENOMEM;
	/* the nodes of a tree are found by their real addresses; pseries has no trees */
	if (levels > 1)
		mt->root = kcalloc(tbl->it_level_size, sizeof(__be64), GFP_KERNEL);
	else if (grp->mock->hcalls)
		mt->root = vcalloc(tbl->it_level_size, sizeof(__be64));
	else
		mt->root = kvcalloc(tbl->it_level_size, sizeof(__be64), GFP_KERNEL);
	if (!mt->root) {
		kvfree(mt);
		return -ENOMEM;
	}
	tbl->it_userspace = mt->root;
	tbl->it_base = (unsigned long)mt->tces;
	mt->mock = grp->mock;
	mt->tbl = tbl;
	INIT_LIST_HEAD(&mt->stale);
	INIT_LIST_HEAD(&mt->invalidated);
	INIT_LIST_HEAD(&mt->live);

	mt->price = grp->tg.ops->get_table_size(shift, size, levels) >> PAGE_SHIFT;
	spin_lock(&mt->mock->lock);
	mt->mock->priced += mt->price;
	list_add(&mt->list, &mt->mock->tables);
	spin_unlock(&mt->mock->lock);
	return 0;
}

/* What was stuck there is lost, and its reference with it. */
static void bridge_set(struct tce_mock_group *grp, int num,
		       struct iommu_table *tbl)
{
	if (grp->hw[num])
		mock_table_reach(to_mock(grp->hw[num]), -1);
	if (grp->host[0] || grp->host[1])
		tce_mock_violation(grp->mock, "a client has the host's window or bypass");
	grp->stuck[num] = false;
	grp->used = true;
	grp->hw[num] = tbl;
	mock_table_reach(to_mock(tbl), 1);
}

static long mock_create_table(struct iommu_table_group *tg, int num, u32 shift,
			      u64 size, u32 levels, struct iommu_table **ptbl)
{
	struct tce_mock_group *grp = to_group(tg);
	unsigned int nth = tce_quiet_begin();
	struct iommu_table *tbl;
	bool hit;
	int rc;

	might_sleep();
	if (num < 0 || num >= IOMMU_TABLE_GROUP_MAX_TABLES)
		tce_mock_violation(grp->mock, "window %d is created", num);
	spin_lock(&grp->mock->lock);
	hit = tce_fault_hit(grp->mock, TCE_FAULT_CREATE, &rc);
	spin_unlock(&grp->mock->lock);
	if (hit)
		goto out;
	rc = -EINVAL;
	/* pseries does not look at the number of levels if it is 0 */
	if ((!levels && !grp->mock->hcalls) ||
	    levels > max(tg->max_levels, 1U) || !is_power_of_2(size))
		goto out;

	rc = -ENOMEM;
	tbl = kzalloc(sizeof(*tbl), GFP_KERNEL);
	if (!tbl)
		goto out;
	rc = table_fill(grp, tbl, num, shift, size, levels);
	if (rc) {
		kfree(tbl);
		goto out;
	}
	*ptbl = tbl;
	/* pseries opens the window, and gives the group the table, right away */
	if (grp->mock->hcalls) {
		spin_lock(&grp->mock->lock);
		bridge_set(grp, num, tbl);
		tg->tables[num] = iommu_tce_table_get(tbl);
		spin_unlock(&grp->mock->lock);
	}
	tce_run_hook(grp->mock, TCE_AT_CREATED);
out:
	tce_quiet_end(nth);
	return rc;
}

static long mock_set_window(struct iommu_table_group *tg, int num,
			    struct iommu_table *tbl)
{
	struct tce_mock_group *grp = to_group(tg);
	struct tce_mock *mock = grp->mock;
	unsigned int nth = tce_quiet_begin();
	int rc = 0;

	might_sleep();
	spin_lock(&mock->lock);
	if (tce_fault_hit(mock, TCE_FAULT_SET, &rc))
		goto out;
	if (mock->hcalls) {
		rc = tbl == tg->tables[num] ? 0 : -EPERM;
		goto out;
	}
	if (grp->hw[num] && !grp->stuck[num])
		tce_mock_violation(mock, "window %d is set twice", num);
	if (tbl->it_offset != grp->start[num] >> tbl->it_page_shift)
		tce_mock_violation(mock, "window %d is set to a table of another",
				   num);

	bridge_set(grp, num, tbl);
	if (!tce_fault_hit(mock, TCE_FAULT_LINK, &rc))
		tg->tables[num] = iommu_tce_table_get(tbl);
	rc = 0;
out:
	spin_unlock(&mock->lock);
	tce_quiet_end(nth);
	return rc;
}

static bool refuses_to_unset(struct tce_mock_group *grp, int *rc)
{
	struct tce_mock *mock = grp->mock;

	*rc = -EIO;
	return (grp->keeps && mock->fault) || tce_fault_hit(mock, TCE_FAULT_UNSET, rc);
}

/*
 * pseries takes its default window away without a word to the hypervisor, where it stays. Only for
 * tests that know that entries are left (&tce_mock.kept), and look what they reach.
 */
static bool stays(const struct tce_mock_group *grp, int num)
{
	const struct iommu_table *tbl = grp->hw[num];

	return grp->mock->hcalls && grp->mock->kept && !num &&
	       tbl->it_page_shift == IOMMU_PAGE_SHIFT_4K &&
	       (u64)tbl->it_size << tbl->it_page_shift <= grp->tg.tce32_size;
}

static long mock_unset_window(struct iommu_table_group *tg, int num)
{
	struct tce_mock_group *grp = to_group(tg);
	struct tce_mock *mock = grp->mock;
	struct iommu_table *linked = NULL;
	unsigned int nth = tce_quiet_begin();
	int rc;

	might_sleep();
	spin_lock(&mock->lock);
	if (!grp->hw[num]) {
		rc = 0;
		if (grp->used)
			tce_mock_violation(mock, "window %d is unset, but is not set",
					   num);
		if (!tce_fault_hit(mock, TCE_FAULT_TAKE, &rc))
			grp->host[num] = false;
	} else if (refuses_to_unset(grp, &rc)) {
		grp->stuck[num] = true;
		mock->ever_stuck += !to_mock(grp->hw[num])->stuck;
		to_mock(grp->hw[num])->stuck = true;
		if (!mock->hcalls)
			swap(linked, tg->tables[num]);
	} else {
		if (stays(grp, num))
			mock_entries_leave(to_mock(grp->hw[num]));
		mock_table_reach(to_mock(grp->hw[num]), -1);
		swap(linked, tg->tables[num]);
		grp->hw[num] = NULL;
		rc = 0;
	}
	spin_unlock(&mock->lock);

	if (linked)
		iommu_tce_table_put(linked);
	tce_quiet_end(nth);
	return rc;
}

/*
 * As PowerNV does it: what the host has goes, if there is a table of its own to tell. If the
 * table is a client's, that goes. pseries puts one that is stuck, whether that helps or not.
 */
static long mock_take_ownership(struct iommu_table_group *tg, struct device *dev)
{
	struct tce_mock_group *grp = to_group(tg);
	struct iommu_table *tbl = tg->tables[0];

	if (grp->host_table) {
		grp->host_table = false;
		grp->host[0] = false;
		grp->host[1] = false;
	}
	if (!tbl)
		return 0;
	if (grp->stuck[0]) {
		tg->tables[0] = NULL;
		iommu_tce_table_put(tbl);
		return 0;
	}
	spin_lock(&grp->mock->lock);
	if (grp->hw[1])
		mock_table_reach(to_mock(grp->hw[1]), -1);
	grp->hw[1] = NULL;
	spin_unlock(&grp->mock->lock);
	mock_unset_window(tg, 0);
	iommu_tce_table_put(tbl);
	return 0;
}

static void mock_release_ownership(struct iommu_table_group *tg, struct device *dev)
{
	struct tce_mock_group *grp = to_group(tg);
	int i;

	grp->used = false;
	if (tg->tables[0])
		return;
	/* on PowerNV that takes the place of what is stuck, unless the bridge refuses it as well */
	spin_lock(&grp->mock->lock);
	for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++) {
		if (!grp->stuck[i] || grp->mock->hcalls || grp->mock->fault)
			continue;
		mock_table_reach(to_mock(grp->hw[i]), -1);
		grp->hw[i] = NULL;
		grp->stuck[i] = false;
	}
	spin_unlock(&grp->mock->lock);
	grp->host_table = true;
	grp->host[0] = true;
	grp->host[1] = true;
}

struct iommu_table_group_ops tce_mock_group_ops = {
	.get_table_size	= mock_get_table_size,
	.create_table	= mock_create_table,
	.set_window	= mock_set_window,
	.unset_window	= mock_unset_window,
	.take_ownership	= mock_take_ownership,
	.release_ownership = mock_release_ownership,
};

static void group_gone(void *data)
{
	struct tce_mock_group *grp =
		container_of(data, struct tce_mock_group, tg);

	complete_all(&grp->gone);
}

/* Does the driver find the tables of a group? */
void tce_mock_show_group(struct tce_mock_group *grp, bool shown)
{
	if (shown)
		iommu_group_set_iommudata(grp->group, &grp->tg, group_gone);
	else
		iommu_group_set_iommudata(grp->group, NULL, NULL);
}

/*
 * One more group, in no container yet. Its properties, which may be changed before it is
 * attached, are those of a PowerNV bridge, but with a small default window, and on pseries without
 * levels. Return: the group, which lives as long as the platform; NULL if there is no memory.
 */
struct tce_mock_group *tce_mock_add_group(struct tce_mock *mock)
{
	struct tce_mock_group *grp = kzalloc(sizeof(*grp), GFP_KERNEL);

	if (!grp)
		return NULL;
	grp->group = iommu_group_alloc();
	if (IS_ERR(grp->group)) {
		kfree(grp);
		return NULL;
	}
	grp->mock = mock;
	grp->start[1] = TCE_SECOND;
	grp->tg.tce32_start = 0;
	grp->tg.tce32_size = SZ_64M;
	grp->tg.pgsizes = SZ_4K | SZ_64K | SZ_2M | SZ_16M;
	grp->tg.max_dynamic_windows_supported = IOMMU_TABLE_GROUP_MAX_TABLES;
	grp->tg.max_levels = mock->hcalls ? 1 : 5;
	grp->tg.group = grp->group;
	grp->tg.ops = &tce_mock_group_ops;
	mock_release_ownership(&grp->tg, NULL);
	init_completion(&grp->gone);
	tce_mock_show_group(grp, true);
	list_add_tail(&grp->list, &mock->groups);
	return grp;
}

/* Unplug the last device of a group. Return: has the group gone, as the platform requires? */
bool tce_mock_unplug(struct tce_mock_group *grp)
{
	if (grp->group)
		iommu_group_put(grp->group);
	grp->group = NULL;
	/* a kernel that looks for such faults frees groups only later */
	return wait_for_completion_timeout(&grp->gone, 10 * HZ);
}

/* Free all groups. Return: the number of groups of which the driver has a reference still. */
unsigned int tce_mock_forget_groups(struct tce_mock *mock)
{
	struct tce_mock_group *grp, *next;
	unsigned int held = 0;

	list_for_each_entry_safe(grp, next, &mock->groups, list) {
		list_del(&grp->list);
		if (tce_mock_unplug(grp))
			kfree(grp);
		else
			held++;
	}
	return held;
}

static struct tce_mock_table *find_table(struct tce_mock *mock)
{
	return list_first_entry_or_null(&mock->tables, struct tce_mock_table,
					list);
}

/*
 * Reset all bridges, and free what is left. Like a machine that is switched off: takes what
 * nobody gave back. Return: the number of tables that were left.
 */
unsigned int tce_mock_forget_bridges(struct tce_mock *mock)
{
	unsigned int left = tce_mock_count(mock).tables;
	struct tce_mock_table *mt;
	struct tce_mock_group *grp;
	int i;

	tce_fault_disarm(mock);
	list_for_each_entry(grp, &mock->groups, list)
		for (i = 0; i < IOMMU_TABLE_GROUP_MAX_TABLES; i++)
			if (grp->hw[i])
				mock_unset_window(&grp->tg, i);
	tce_mock_forget_left(mock);

	while ((mt = find_table(mock))) {
		struct iommu_table *tbl = mt->tbl;
		unsigned int refs = kref_read(&tbl->it_kref);

		while (refs--)
			iommu_tce_table_put(tbl);
	}
	return left;
}
