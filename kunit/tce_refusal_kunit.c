// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_refusal: which check the tracepoint names, for calls about containers, groups,
 * windows and EEH. tce_refusal_memory has those about memory. Checks that take more to reach
 * are expected in other suites, which get there anyway. scripts/harness/tests/test_tracepoints.py
 * finds a check that no case expects.
 */
#include <linux/mm.h>

#include "../compat/older.h"
#include "tce_client.h"

static void any_call(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	u32 arg[16] = { 4 };

	TCE_REFUSED(fx, copy_arg, EFAULT,
		    tce_ioctl_raw(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, -8UL));
	TCE_REFUSED(fx, copy_arg, EINVAL,
		    tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, arg,
			      sizeof(arg)));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, 16);
	arg[0] = 64;
	arg[1] = 8;
	TCE_REFUSED(fx, copy_flags_arg, EINVAL,
		    tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, arg,
			      sizeof(arg)));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, 8);
	TCE_REFUSED(fx, copy_flags_arg, EINVAL, tce_map(client, 0, 0, SZ_4K, 4));
	TCE_REFUSED(fx, copy_flags_arg, EINVAL,
		    tce_ioctl(client, VFIO_IOMMU_UNMAP_DMA, arg, sizeof(arg)));
	TCE_REFUSED(fx, do_ioctl, ENOTTY, tce_enable(client));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, VFIO_IOMMU_ENABLE);
}

static void containers(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_open(fx, false), *v2 = tce_open(fx, true);
	struct vfio_iommu_spapr_tce_info info;
	struct tce_mock_group *grp = tce_group(fx);
	u64 start;

	TCE_REFUSED(fx, tce_vfio_open, EINVAL,
		    PTR_ERR(tce_driver->open(VFIO_TYPE1_IOMMU)));
	TCE_REFUSED(fx, tce_window_info, ENXIO, tce_info(v1, &info));
	TCE_REFUSED(fx, tce_window_info, ENXIO, tce_info(v2, &info));
	TCE_REFUSED(fx, check_enable, ENODEV, tce_enable(v1));
	TCE_REFUSED(fx, create_windows, ENXIO, tce_create(v2, 12, SZ_16M, 1, &start));
	TCE_REFUSED(fx, remove_window, ENXIO, tce_remove(v2, 0));
	TCE_REFUSED(fx, NOT_ENABLED, EPERM, tce_unmap(v1, 0, SZ_4K));
	TCE_REFUSED(fx, NOT_ENABLED, EPERM, tce_map(v2, 0, 0, SZ_4K, TCE_RW));
	KUNIT_ASSERT_EQ(test, tce_attach(v1, grp), 0);
	grp->tg.tce32_size = 0;
	TCE_REFUSED(fx, check_enable, EPERM, tce_enable(v1));
	grp->tg.tce32_size = SZ_64M;
	KUNIT_ASSERT_EQ(test, tce_enable(v1), 0);
	TCE_REFUSED(fx, check_enable, EBUSY, tce_enable(v1));
	KUNIT_EXPECT_EQ(test, tce_disable(v1), 0);
	KUNIT_EXPECT_EQ(test, tce_disable(v1), 0);
	KUNIT_EXPECT_EQ(test, tce_enable(v1), 0);
}

static void groups(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_ready(fx, true, NULL);
	struct tce_client *first = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);

	TCE_REFUSED(fx, tce_vfio_attach_group, EINVAL,
		    tce_driver->attach_group(v2->data, grp->group,
					     VFIO_EMULATED_IOMMU));
	grp->tg.ops = &tce_mock_other_group_ops;
	TCE_REFUSED(fx, check_group, EPERM, tce_attach(v2, grp));
	/* alone it is as good as any other */
	KUNIT_EXPECT_EQ(test, tce_attach(first, grp), 0);
	tce_detach(first, grp);
	grp->tg.ops = &tce_mock_group_ops;
	grp->tg.max_dynamic_windows_supported = 0;
	TCE_REFUSED(fx, check_group, EINVAL, tce_attach(v2, grp));
	TCE_REFUSED(fx, SECOND_GROUP, EBUSY, tce_attach(v1, grp));
	/* user space then falls back to this */
	KUNIT_EXPECT_EQ(test, tce_attach(tce_open(fx, false), grp), 0);
	grp->tg.max_dynamic_windows_supported = 2;
	grp = tce_group(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(v2, grp), 0);
	TCE_REFUSED(fx, check_group, EBUSY, tce_attach(v2, grp));
}

static unsigned long no_size(u32 shift, u64 size, u32 levels)
{
	return 0;
}

static void windows(struct kunit *test)
{
	static const u64 elsewhere[] = { 1, TCE_SECOND + SZ_4K, TCE_SECOND >> 12 };
	static struct iommu_table_group_ops ops;
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);
	u64 start;
	int i;

	TCE_REFUSED(fx, table_pages, EINVAL,
		    tce_create(client, 13, SZ_16M, 1, &start));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, 13);
	TCE_REFUSED(fx, table_pages, EINVAL,
		    tce_create(client, 12, SZ_16M - 1, 1, &start));
	TCE_REFUSED(fx, table_pages, EINVAL,
		    tce_create(client, 12, SZ_16M, 6, &start));
	KUNIT_EXPECT_EQ(test, fx->mock->refused.value, 6);
	TCE_REFUSED(fx, LEVEL_TOO_LARGE, ENOMEM,
		    tce_create(client, 12, 1ULL << 46, 1, &start));
	/* twice what can be allocated */
	TCE_REFUSED(fx, LEVEL_TOO_LARGE, ENOMEM,
		    tce_create(client, 12, 1ULL << (12 + PAGE_SHIFT + MAX_PAGE_ORDER - 2), 1,
			       &start));
	ops = tce_mock_group_ops;
	grp->tg.ops = &ops;
	ops.get_table_size = no_size;
	TCE_REFUSED(fx, table_pages, EINVAL,
		    tce_create(client, 12, SZ_16M, 1, &start));
	grp->tg.ops = &tce_mock_group_ops;
	grp->tg.max_levels = 1;
	fx->mock->table_size = (totalram_pages() + 1) << PAGE_SHIFT;
	TCE_REFUSED(fx, TABLE_TOO_LARGE, ENOMEM,
		    tce_create(client, 12, SZ_16M, 1, &start));
	/* a table that just fits into the host's memory is left to the platform */
	fx->mock->table_size -= PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), 0);
	fx->mock->table_size = 0;
	TCE_REFUSED(fx, TABLE_TOO_LARGE, ENOMEM,
		    tce_create(client, 12, 1ULL << 53, 1, &start));
	grp->tg.max_levels = 5;
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	for (i = 0; i < ARRAY_SIZE(elsewhere); i++)
		TCE_REFUSED(fx, remove_window, EINVAL, tce_remove(client, elsewhere[i]));
	TCE_REFUSED(fx, TOO_MANY_WINDOWS, ENOSPC,
		    tce_create(client, 12, SZ_16M, 1, &start));
}

static void the_platform(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	struct tce_mock *mock = fx->mock;
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_remove(client, 0), 0);
	mock->no_userspace = true;
	TCE_REFUSED(fx, tce_table_init, ENOMEM,
		    tce_create(client, 12, SZ_16M, 1, &start));
	/* pseries has opened the window by then */
	mock->hcalls = true;
	TCE_REFUSED(fx, tce_table_init, ENOMEM,
		    tce_create(client, 12, SZ_16M, 1, &start));
	KUNIT_EXPECT_EQ(test, tce_mock_tables(mock), 0);
	mock->hcalls = false;
	mock->no_userspace = false;
	mock->opaque = true;
	TCE_REFUSED(fx, tce_table_init, ENOMEM,
		    tce_create(client, 12, SZ_16M, 2, &start));
	mock->opaque = false;
	tce_fault_arm(mock, TCE_FAULT_CREATE, 1, -ENOSPC);
	TCE_REFUSED(fx, ask_for_table, ENOSPC,
		    tce_create(client, 12, SZ_16M, 1, &start));
	tce_fault_arm(mock, TCE_FAULT_SET, 1, -EPERM);
	TCE_REFUSED(fx, window_set, EIO,
		    tce_create(client, 12, SZ_16M, 1, &start));
	tce_fault_arm(mock, TCE_FAULT_LINK, 1, 0);
	TCE_REFUSED(fx, window_set, ENOMEM,
		    tce_create(client, 12, SZ_16M, 1, &start));
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	tce_fault_arm(mock, TCE_FAULT_UNSET, 1, -EIO);
	KUNIT_EXPECT_EQ(test, tce_remove(client, start), -EIO);
	tce_expect_why(fx, "window_unset");
	tce_fault_disarm(mock);
}

static void nothing(struct tce_client *client)
{
}

static void attached(struct tce_client *client)
{
	struct tce_mock_group *grp = tce_group(client->fx);

	/* whose userspace entries are in one piece */
	grp->tg.tce32_size = SZ_1M;
	KUNIT_ASSERT_EQ(client->fx->test, tce_attach(client, grp), 0);
}

static void enabled(struct tce_client *client)
{
	attached(client);
	KUNIT_ASSERT_EQ(client->fx->test, tce_enable(client), 0);
}

static long open_another(struct tce_client *client)
{
	void *data = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);

	if (!IS_ERR(data))
		tce_driver->release(data);
	return 0;
}

static long attach(struct tce_client *client)
{
	return tce_attach(client, list_first_entry(&client->fx->mock->groups,
						   struct tce_mock_group, list));
}

static long create(struct tce_client *client)
{
	u64 start;

	return tce_create(client, 12, SZ_16M, 1, &start);
}

static long first_window(struct tce_client *client)
{
	return tce_unmap(client, 0, SZ_4K);
}

static void no_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;

	tce_needs_faults(test);
	tce_group(fx);
	tce_fail_allocations(fx, true, nothing, open_another);
	TCE_MET(fx, tce_container_open);
	tce_fail_allocations(fx, true, nothing, attach);
	TCE_MET(fx, group_create);
	tce_fail_allocations(fx, true, attached, create);
	TCE_MET(fx, bind_and_lock);
	TCE_MET(fx, new_window);
	TCE_MET(fx, tce_kvm_prepare);
	tce_fail_allocations(fx, false, enabled, first_window);
}

static struct kunit_case tce_refusal_cases[] = {
	KUNIT_CASE(any_call),
	KUNIT_CASE(containers),
	KUNIT_CASE(groups),
	KUNIT_CASE(windows),
	KUNIT_CASE(the_platform),
	KUNIT_CASE(no_memory),
	{}
};

TCE_SUITE(tce_refusal);
