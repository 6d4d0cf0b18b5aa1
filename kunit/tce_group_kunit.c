// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_group: groups that join a container and leave it, and their windows.
 */
#include <kunit/test-bug.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/pci.h>

#include <asm/hvcall.h>
#include <asm/pci-bridge.h>

#include "../tce_group.h"
#include "tce_fixture.h"

/* A table without userspace entries, as pseries gives to clients from Linux 6.4 to 6.10 */
static struct iommu_table_ops ops_without_pua;
static struct iommu_table without_pua = { .it_ops = &ops_without_pua };

static void attach_without_tables(struct kunit *test)
{
	static struct iommu_table_group_ops ops;
	void *missing[] = {
		&ops.get_table_size, &ops.create_table, &ops.set_window,
		&ops.unset_window,
	};
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp = tce_group(fx);
	int v2, i;

	for (v2 = 0; v2 < 2; v2++) {
		struct tce_client *client = tce_open(fx, v2);

		tce_mock_show_group(grp, false);
		TCE_REFUSED(fx, check_group, ENODEV, tce_attach(client, grp));
		tce_mock_show_group(grp, true);
		grp->tg.ops = NULL;
		TCE_REFUSED(fx, NO_WINDOW_CALLS, ENODEV, tce_attach(client, grp));
		for (i = 0; i < ARRAY_SIZE(missing); i++) {
			ops = tce_mock_group_ops;
			*(void **)missing[i] = NULL;
			grp->tg.ops = &ops;
			KUNIT_EXPECT_EQ(test, tce_attach(client, grp), -ENODEV);
		}
		grp->tg.ops = &tce_mock_group_ops;
		grp->tg.tables[1] = &without_pua;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), -ENODEV);
		grp->tg.tables[1] = NULL;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
		tce_detach(client, grp);
	}
}

/* If the host has no table, PowerNV takes nothing from it, and leaves its bypass on. */
static void host_keeps_its_bypass(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);

	grp->host_table = false;
	tce_fault_arm(fx->mock, TCE_FAULT_TAKE, 2, -5);
	TCE_REFUSED(fx, HOST_KEEPS_GROUP, EIO, tce_attach(client, grp));
	tce_fault_disarm(fx->mock);
	KUNIT_EXPECT_PTR_EQ(test, grp->tg.ops, &tce_mock_group_ops);
	grp->host_table = false;
	KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_FALSE(test, grp->host[0]);
	KUNIT_EXPECT_FALSE(test, grp->host[1]);
}

/* A device behind a bridge, whose window the device tree shows as pseries does */
struct tree {
	struct device *dev;
	struct pci_dn slot_dn, dn;
	struct device_node slot, node;
	struct property window;
};

static void tree_add(struct kunit *test, struct tree *tree, struct tce_mock_group *grp)
{
	*tree = (struct tree){ .dev = root_device_register("tce_kunit") };
	KUNIT_ASSERT_FALSE(test, IS_ERR(tree->dev));
	tree->slot_dn.table_group = &grp->tg;
	tree->slot.data = &tree->slot_dn;
	tree->node.data = &tree->dn;
	tree->node.parent = &tree->slot;
	tree->dev->of_node = &tree->node;
	KUNIT_EXPECT_EQ(test, iommu_group_add_device(grp->group, tree->dev), 0);
}

static void tree_remove(struct tree *tree)
{
	iommu_group_remove_device(tree->dev);
	tree->dev->of_node = NULL;
	root_device_unregister(tree->dev);
}

/* pseries does the same with a dynamic window, which only the device tree shows. */
static void host_keeps_its_dynamic_window(struct kunit *test)
{
	static const char *const windows[] = {
		"linux,direct64-ddr-window-info", "linux,dma64-ddr-window-info",
	};
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);
	struct tree tree;
	int i;

	tree_add(test, &tree, grp);
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		tree.window.name = (char *)windows[i];
		tree.slot.properties = &tree.window;
		TCE_REFUSED(fx, HOST_KEEPS_GROUP, EIO, tce_attach(client, grp));
		tree.slot.properties = NULL;
		/* of something behind the same bridge */
		tree.node.properties = &tree.window;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
		tce_detach(client, grp);
		tree.node.properties = NULL;
	}
	tree_remove(&tree);
}

/* pseries takes the default window without telling the hypervisor, which keeps what is there. */
static void default_window_is_cleared(struct kunit *test)
{
	static const char *const names[] = { "ibm,dma-window", "ibm,dma-window-saved" };
	__be32 window[] = { cpu_to_be32(TCE_LIOBN), 0, 0, 0, cpu_to_be32(SZ_4M + SZ_4K) };
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);
	struct tree tree;
	int i, rc;

	tree_add(test, &tree, grp);
	tree.window.value = window;
	tree.slot.properties = &tree.window;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		tree.window.name = (char *)names[i];
		tree.window.length = sizeof(window);
		fx->mock->cleared = 0;
		KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
		KUNIT_EXPECT_EQ(test, fx->mock->cleared, SZ_4M + SZ_4K);
		tce_detach(client, grp);
		/* the hypervisor has no such window; it refuses, or has less */
		for (rc = 0; rc < 4; rc++) {
			fx->mock->cleared = 0;
			tce_fault_arm(fx->mock, TCE_FAULT_HCALL, 1 + rc / 2,
				      rc & 1 ? H_HARDWARE : H_PARAMETER);
			if (rc) {
				TCE_REFUSED(fx, HOST_KEEPS_GROUP, EIO, tce_attach(client, grp));
			} else {
				KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
				tce_detach(client, grp);
			}
			KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
		}
		tree.window.length = sizeof(window) - sizeof(*window);
		TCE_REFUSED(fx, HOST_KEEPS_GROUP, EIO, tce_attach(client, grp));
	}
	tree_remove(&tree);
}

/* What pseries restores when a group is given back: one table, for the first device only */
static struct iommu_table host_table;
static struct tce_group *leaving;
static unsigned int restored;

static void restore_host(struct iommu_table_group *tg, struct device *dev)
{
	/* an EEH operation that has not begun must not reset a device of the host's */
	KUNIT_EXPECT_TRUE(kunit_get_current_test(), !READ_ONCE(leaving->container));
	/* a function that is added from now on finds what the platform has */
	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(), tg->ops, leaving->platform);
	if (tg->tables[0])
		return;
	restored++;
	tg->tables[0] = &host_table;
	set_iommu_table_base(dev, &host_table);
}

static int use_table(struct device *dev, void *table)
{
	set_iommu_table_base(dev, table);
	return 0;
}

/*
 * pseries gives each new table to a device of the group, for which a driver of the host may still
 * unmap something. Before that it may have had all memory mapped directly below bus_dma_limit.
 */
static void use_host_table(void *data)
{
	struct tce_mock_group *grp = data;

	iommu_group_for_each_dev(grp->group, &host_table, use_table);
}

static void only_the_host_has_a_devices_table(struct kunit *test)
{
	static struct iommu_table_group_ops ops;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_hook hook = { .call = use_host_table, .data = grp, .next = &hook };
	struct device *devs[2];
	char name[] = "tce_kunit0";
	u64 start;
	int i;

	ops = tce_mock_group_ops;
	fx->mock->at[TCE_AT_CREATED] = &hook;
	ops.release_ownership = restore_host;
	grp->tg.ops = &ops;
	for (i = 0; i < ARRAY_SIZE(devs); i++, name[9]++) {
		devs[i] = root_device_register(name);
		KUNIT_ASSERT_FALSE(test, IS_ERR(devs[i]));
		KUNIT_EXPECT_EQ(test, iommu_group_add_device(grp->group, devs[i]), 0);
		devs[i]->bus_dma_limit = SZ_4G;
	}
	KUNIT_EXPECT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		KUNIT_EXPECT_NULL(test, get_iommu_table_base(devs[i]));
		KUNIT_EXPECT_EQ(test, devs[i]->bus_dma_limit, 0);
	}
	fx->mock->at[TCE_AT_CREATED] = NULL;
	leaving = list_first_entry(&tce_container_find(client->data)->groups,
				   struct tce_group, list);
	refcount_inc(&leaving->refs);
	restored = 0;
	powerpc_firmware_features |= FW_FEATURE_LPAR;
	/* all the same if its process is being killed */
	TCE_DO_KILLED(tce_detach(client, grp));
	KUNIT_EXPECT_EQ(test, restored, 1);
	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		KUNIT_EXPECT_PTR_EQ(test, get_iommu_table_base(devs[i]), &host_table);
		iommu_group_remove_device(devs[i]);
		root_device_unregister(devs[i]);
	}
	tce_group_put(leaving);
	grp->tg.tables[0] = NULL;
	grp->tg.ops = &tce_mock_group_ops;
}

static struct kunit_case tce_group_cases[] = {
	KUNIT_CASE(attach_without_tables),
	KUNIT_CASE(host_keeps_its_bypass),
	KUNIT_CASE(host_keeps_its_dynamic_window),
	KUNIT_CASE(default_window_is_cleared),
	KUNIT_CASE(only_the_host_has_a_devices_table),
	{}
};

TCE_SUITE(tce_group);
