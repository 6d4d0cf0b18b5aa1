// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_refusal: what is refused where no program gets, because it takes another platform, or
 * a moment between two calls. And the reason that the tracepoint gives for a refusal, with the
 * value that Documentation/errnos.rst promises, unless another suite gets there anyway. Which
 * errnos there are is shown by proofs/, selftests/abi and the fuzzer's model.
 */
#include <linux/mm.h>

#include "../tce_container.h"
#include "tce_fixture.h"

/* More than there are hash buckets of containers */
#define OTHERS	512

/* A call that comes after release finds no other container, also if one is in the same bucket. */
static void container_is_gone(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL), *other;
	void *data = client->data;
	int i;

	tce_close(client);
	for (i = 0; i < OTHERS; i++) {
		other = tce_open(fx, true);
		TCE_REFUSED(fx, tce_vfio_ioctl, EINVAL,
			    tce_driver->ioctl(data, VFIO_IOMMU_SPAPR_TCE_GET_INFO, 0));
		tce_close(other);
	}
}

/* Another platform, which keeps userspace entries in another way */
static __be64 *pua_elsewhere(struct iommu_table *tbl, long index, bool alloc)
{
	static __be64 pua;

	return &pua;
}

static struct iommu_table_ops other_puas;

static long create_with_other_puas(struct iommu_table_group *tg, int num, u32 shift, u64 size,
				   u32 levels, struct iommu_table **ptbl)
{
	long rc = tce_mock_group_ops.create_table(tg, num, shift, size, levels, ptbl);

	other_puas = mock_table_ops;
	other_puas.useraddrptr = pua_elsewhere;
	if (!rc)
		(*ptbl)->it_ops = &other_puas;
	return rc;
}

/* Groups that the container's other groups, or the platform's windows, do not go with */
static void groups(struct kunit *test)
{
	static struct iommu_table_group_ops elsewhere;
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_ready(fx, true, NULL);
	struct tce_client *first = tce_open(fx, true);
	struct tce_mock_group *grp = tce_group(fx);

	TCE_REFUSED(fx, tce_vfio_attach_group, EINVAL,
		    tce_driver->attach_group(v2->data, grp->group, VFIO_EMULATED_IOMMU));
	elsewhere = tce_mock_group_ops;
	elsewhere.create_table = create_with_other_puas;
	grp->tg.ops = &elsewhere;
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
	grp = tce_group(fx);
	KUNIT_ASSERT_EQ(test, tce_attach(v2, grp), 0);
	TCE_REFUSED(fx, check_group, EBUSY, tce_attach(v2, grp));
}

/* Windows of a platform that has none for v1, or keeps userspace entries in another way */
static void windows(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_open(fx, false), *v2;
	struct tce_mock_group *grp = tce_group(fx);
	u64 start;

	grp->tg.tce32_size = 0;
	KUNIT_ASSERT_EQ(test, tce_attach(v1, grp), 0);
	TCE_REFUSED(fx, check_enable, EPERM, tce_enable(v1));
	/* which does not make the container its caller's */
	KUNIT_EXPECT_NULL(test, tce_container_find(v1->data)->mem.tmm);
	v2 = tce_ready(fx, true, &grp);
	KUNIT_ASSERT_EQ(test, tce_remove(v2, 0), 0);
	/* of the operations that a group has while it is attached */
	grp->tg.ops->create_table = create_with_other_puas;
	TCE_REFUSED(fx, tce_table_init, ENOMEM, tce_create(v2, 12, SZ_16M, 1, &start));
	TCE_REFUSED(fx, tce_table_init, ENOMEM, tce_create(v2, 12, SZ_16M, 2, &start));
	KUNIT_EXPECT_EQ(test, tce_mock_count(fx->mock).tables, 0);
}

/* Expect that a call is refused, for a reason or else by a function, which has a value. */
#define REASON(why, errno, looked_at, call) do {			\
	TCE_REFUSED(fx, why, errno, call);				\
	KUNIT_EXPECT_EQ(test, fx->mock->refused_value, looked_at);	\
} while (0)

static void reasons(struct kunit *test)
{
	const unsigned int shift = PAGE_SHIFT == 12 ? 16 : 21;
	const unsigned long size = 1UL << shift;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, size), hole = ua + size, limit;
	struct tce_mock_group *grp, *partition;
	struct tce_client *client = tce_ready_for(fx, true, ua, size, &grp);
	struct tce_client *other = tce_ready(fx, true, &partition);
	struct tce_client *v1 = tce_ready(fx, false, NULL), *new = tce_open(fx, false);
	u32 too_short[16] = { 4 };
	u64 second, start;

	partition->tg.max_levels = 1;
	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, shift, SZ_64M, 1, &second), 0);

	REASON(do_ioctl, ENOTTY, VFIO_IOMMU_ENABLE, tce_enable(client));
	REASON(copy_arg, EINVAL, sizeof(struct vfio_iommu_spapr_tce_remove),
	       tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, too_short, sizeof(too_short)));
	REASON(copy_flags_arg, EINVAL, 4, tce_map(client, 0, ua, SZ_4K, 4));
	REASON(tce_eeh_op, EINVAL, 10, tce_eeh(client, &(struct vfio_eeh_pe_op){ .op = 10 }));
	KUNIT_EXPECT_EQ(test, grp->eeh.calls, 0);
	REASON(table_pages, EINVAL, 13, tce_create(client, 13, SZ_16M, 1, &start));
	REASON(table_pages, EINVAL, 6, tce_create(client, 12, SZ_16M, 6, &start));

	TCE_REFUSED(fx, NOT_ENABLED, EPERM, tce_unmap(new, 0, SZ_4K));
	TCE_REFUSED(fx, NO_WINDOW_THERE, ENXIO, tce_map(client, SZ_64M, ua, SZ_4K, TCE_RW));
	TCE_REFUSED(fx, IOBA_MISALIGNED, EINVAL, tce_map(client, 1, ua, SZ_4K, TCE_RW));
	TCE_REFUSED(fx, UA_MISALIGNED, EINVAL, tce_map(client, 0, ua + 1, SZ_4K, TCE_RW));
	/* one entry, and a range; the first address that is not registered */
	REASON(NOT_REGISTERED, EINVAL, hole, tce_map(client, 0, hole, SZ_4K, TCE_RW));
	REASON(NOT_REGISTERED, EINVAL, hole, tce_map(client, 0, hole - SZ_4K, SZ_8K, TCE_RW));
	REASON(PAGE_TOO_SMALL, EINVAL, PAGE_SIZE, tce_map(client, second, ua, size, TCE_RW));
	TCE_REFUSED(fx, TOO_MANY_WINDOWS, ENOSPC, tce_create(client, 12, SZ_16M, 1, &start));
	REASON(LEVEL_TOO_LARGE, ENOMEM, 1, tce_create(client, 12, 1ULL << 46, 1, &start));
	limit = totalram_pages() / 8 << PAGE_SHIFT;
	REASON(TABLES_LIMIT, ENOMEM, limit, tce_create(other, 12, 1ULL << 53, 1, &start));
	REASON(REGISTERED_ALREADY, EBUSY, ua, tce_register(client, ua, size));
	TCE_REFUSED(fx, NO_SUCH_REGION, ENOENT, tce_unregister(client, ua, size - PAGE_SIZE));
	REASON(PIN, EFAULT, hole, tce_map(v1, 0, hole - PAGE_SIZE, 2 * PAGE_SIZE, TCE_RW));
	REASON(PIN, EFAULT, hole, tce_register(client, hole, PAGE_SIZE));
	ua = tce_plain(fx, PAGE_SIZE);
	limit = fx->mm->locked_vm << PAGE_SHIFT;
	tce_drop_cap(fx, fx->mm->locked_vm);
	REASON(LOCKED_LIMIT, ENOMEM, limit, tce_register(client, ua, PAGE_SIZE));
	tce_restore_cap(fx);
}

static struct kunit_case tce_refusal_cases[] = {
	KUNIT_CASE(container_is_gone),
	KUNIT_CASE(groups),
	KUNIT_CASE(windows),
	KUNIT_CASE(reasons),
	{}
};

TCE_SUITE(tce_refusal);
