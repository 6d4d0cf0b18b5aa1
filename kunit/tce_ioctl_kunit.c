// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_ioctl: arguments that can't be read or written, and which process may call.
 * The test programs check all other demands on arguments (selftests/abi).
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "../tce_container.h"
#include "tce_threads.h"

#define V1	1
#define V2	2
#define BOTH	(V1 | V2)

/* A command with an argument, and the interfaces that have it */
struct ioctl_command {
	const char *name;
	unsigned int cmd;
	unsigned int in;
};

static const struct ioctl_command commands[] = {
	{ "GET_INFO", VFIO_IOMMU_SPAPR_TCE_GET_INFO, BOTH },
	{ "MAP_DMA", VFIO_IOMMU_MAP_DMA, BOTH },
	{ "UNMAP_DMA", VFIO_IOMMU_UNMAP_DMA, BOTH },
	{ "REGISTER_MEMORY", VFIO_IOMMU_SPAPR_REGISTER_MEMORY, V2 },
	{ "UNREGISTER_MEMORY", VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, V2 },
	{ "TCE_CREATE", VFIO_IOMMU_SPAPR_TCE_CREATE, V2 },
	{ "TCE_REMOVE", VFIO_IOMMU_SPAPR_TCE_REMOVE, V2 },
	{ "EEH_PE_OP", VFIO_EEH_PE_OP, BOTH },
};

KUNIT_ARRAY_PARAM_DESC(command, commands, name);

/* The same for each interface that has it */
static void for_each_interface(struct kunit *test,
			       void (*check)(struct kunit *test,
					     struct tce_client *client,
					     const struct ioctl_command *cmd))
{
	const struct ioctl_command *cmd = test->param_value;
	struct tce_fixture *fx = test->priv;

	if (cmd->in & V1)
		check(test, tce_ready(fx, false, NULL), cmd);
	if (cmd->in & V2)
		check(test, tce_ready(fx, true, NULL), cmd);
}

static void expect_fault(struct kunit *test, struct tce_client *client,
			 const struct ioctl_command *cmd)
{
	struct tce_fixture *fx = test->priv;
	unsigned long page = tce_memory(fx, TCE_MEM_UNTOUCHED, PAGE_SIZE);
	unsigned long end = page + PAGE_SIZE;
	u32 argsz = 64;

	KUNIT_ASSERT_NE(test, page, 0);
	/* not mapped, outside of the address space, only the first half mapped */
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, cmd->cmd, end), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, cmd->cmd, 0), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, cmd->cmd, -8UL), -EFAULT);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)(end - 8), &argsz,
					   sizeof(argsz)), 0);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, cmd->cmd, end - 8),
			-EFAULT);
}

static void argument_cannot_be_read(struct kunit *test)
{
	for_each_interface(test, expect_fault);
}

/*
 * MAP and UNMAP with an argument whose page is not there yet: they wait for it, with
 * nothing held.
 */
static void argument_is_not_there_yet(struct kunit *test)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map) };
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	unsigned long ua = tce_plain(fx, PAGE_SIZE), at;
	struct tce_client *client;
	struct file *file;
	int v2;

	at = tce_memory(fx, TCE_MEM_SHARED, PAGE_SIZE);
	KUNIT_ASSERT_NE(test, at, 0);
	file = tce_file(fx, at);
	map.flags = TCE_RW;
	map.vaddr = ua;
	map.size = SZ_4K;
	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready(fx, v2, &grp);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(client, ua,
							   PAGE_SIZE), 0);
		map.flags = TCE_RW;
		KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)at, &map,
						   sizeof(map)), 0);
		KUNIT_ASSERT_EQ(test, vm_mmap(file, at, PAGE_SIZE, PROT_READ |
					      PROT_WRITE, MAP_SHARED | MAP_FIXED,
					      0), at);
		KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, VFIO_IOMMU_MAP_DMA,
						    at), 0);
		tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K, TCE_RW);
		KUNIT_ASSERT_EQ(test, put_user(0, (u32 __user *)(at + 4)), 0);
		/* UNMAP has iova and size where MAP has vaddr and iova */
		KUNIT_ASSERT_EQ(test, put_user(0, (u64 __user *)(at + 8)), 0);
		KUNIT_ASSERT_EQ(test, put_user(SZ_4K, (u64 __user *)(at + 16)),
				0);
		KUNIT_ASSERT_EQ(test, vm_mmap(file, at, PAGE_SIZE, PROT_READ |
					      PROT_WRITE, MAP_SHARED | MAP_FIXED,
					      0), at);
		KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, VFIO_IOMMU_UNMAP_DMA,
						    at), 0);
		tce_expect_empty(fx, grp, 0, 0, SZ_4K);
	}
	fput(file);
}

struct ioctl_call {
	struct tce_client *client;
	unsigned int cmd;
	long rc;
};

static void call(struct tce_fixture *fx, void *arg)
{
	struct ioctl_call *call = arg;

	call->rc = tce_ioctl_raw(call->client, call->cmd, 0);
}

static void expect_other_mm(struct kunit *test, struct tce_client *client,
			    const struct ioctl_command *cmd)
{
	struct ioctl_call arg = { .client = client, .cmd = cmd->cmd };

	tce_do_as_other(test->priv, true, call, &arg);
	KUNIT_EXPECT_EQ(test, arg.rc, -EPERM);
	tce_expect_why(client->fx, "NOT_OWNER");
	tce_do_as_other(test->priv, false, call, &arg);
	KUNIT_EXPECT_EQ(test, arg.rc, -EPERM);
}

static void from_another_process(struct kunit *test)
{
	for_each_interface(test, expect_other_mm);
}

static void map_and_unmap(struct tce_fixture *fx, void *arg)
{
	struct ioctl_call *call = arg;
	struct tce_container *container = tce_container_find(call->client->data);
	unsigned long ua = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, 0);

	KUNIT_EXPECT_EQ(fx->test, tce_container_map(container, 0, ua, SZ_4K, DMA_BIDIRECTIONAL),
			-EPERM);
	tce_expect_why(fx, "NOT_OWNER");
	call->rc = tce_container_unmap(container, 0, 0);
}

/* Another process has bound and enabled the container since MAP or UNMAP looked at its owner. */
static void bound_after_the_look(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct ioctl_call arg = {};
	unsigned int pins;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		arg.client = tce_ready(fx, v2, NULL);
		pins = fx->mock->asked[TCE_FAULT_PIN];
		tce_do_as_other(fx, true, map_and_unmap, &arg);
		KUNIT_EXPECT_EQ(test, arg.rc, -EPERM);
		tce_expect_why(fx, "NOT_OWNER");
		KUNIT_EXPECT_EQ(test, fx->mock->asked[TCE_FAULT_PIN], pins);
	}
}

/* More than there are hash buckets of containers */
#define OTHERS	512

static void expect_gone(struct kunit *test, struct tce_client *client,
			const struct ioctl_command *cmd)
{
	struct tce_fixture *fx = test->priv;
	void *data = client->data, **others;
	int i;

	others = kunit_kcalloc(test, OTHERS, sizeof(*others), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, others);

	tce_close(client);
	/* Not even if another one is in the same hash bucket. */
	for (i = 0; i < OTHERS; i++) {
		others[i] = tce_driver->open(VFIO_SPAPR_TCE_v2_IOMMU);
		KUNIT_ASSERT_FALSE(test, IS_ERR(others[i]));
	}
	TCE_REFUSED(fx, tce_vfio_ioctl, EINVAL,
		    tce_driver->ioctl(data, cmd->cmd, 0));
	while (i--)
		tce_driver->release(others[i]);
}

static void container_is_gone(struct kunit *test)
{
	for_each_interface(test, expect_gone);
}

/* GET_INFO says what the platform's side of the group has. */
static void info_is_the_platforms(struct kunit *test)
{
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info) };
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);

	grp->tg.tce32_start = SZ_1G;
	KUNIT_EXPECT_EQ(test, tce_info(client, &info), 0);
	KUNIT_EXPECT_EQ(test, info.dma32_window_start, grp->tg.tce32_start);
	KUNIT_EXPECT_EQ(test, info.dma32_window_size, grp->tg.tce32_size);
	KUNIT_EXPECT_EQ(test, info.ddw.pgsizes, grp->tg.pgsizes);
	KUNIT_EXPECT_EQ(test, info.ddw.levels, grp->tg.max_levels);
}

/* The page ends right after what is read, but the answer is longer. */
static void info_cannot_be_written(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	unsigned long page = tce_memory(fx, TCE_MEM_UNTOUCHED, PAGE_SIZE);
	unsigned long at = page + PAGE_SIZE - 16;
	u32 argsz = sizeof(struct vfio_iommu_spapr_tce_info);

	KUNIT_ASSERT_NE(test, page, 0);
	KUNIT_ASSERT_EQ(test, put_user(argsz, (u32 __user *)at), 0);
	TCE_REFUSED(fx, ioctl_get_info, EFAULT,
		    tce_ioctl_raw(client, VFIO_IOMMU_SPAPR_TCE_GET_INFO, at));
}

static struct kunit_case tce_ioctl_cases[] = {
	KUNIT_CASE_PARAM(argument_cannot_be_read, command_gen_params),
	KUNIT_CASE(argument_is_not_there_yet),
	KUNIT_CASE_PARAM(from_another_process, command_gen_params),
	KUNIT_CASE(bound_after_the_look),
	KUNIT_CASE_PARAM(container_is_gone, command_gen_params),
	KUNIT_CASE(info_is_the_platforms),
	KUNIT_CASE(info_cannot_be_written),
	{}
};

TCE_SUITE(tce_ioctl);
