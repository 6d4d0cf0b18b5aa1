// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_ioctl: the face to user space. Which commands there are, what
 * their arguments have to look like, and who may call them.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "tce_fixture.h"

#define V1	1
#define V2	2
#define BOTH	(V1 | V2)

/**
 * struct ioctl_command - a command with an argument
 * @name: of the parameter
 * @cmd: its number
 * @size: bytes it needs
 * @flags_at: where its flags are, 0 if it has none that are checked
 * @in: interfaces that have it
 */
struct ioctl_command {
	const char *name;
	unsigned int cmd;
	size_t size;
	size_t flags_at;
	unsigned int in;
};

static const struct ioctl_command commands[] = {
	{ "GET_INFO", VFIO_IOMMU_SPAPR_TCE_GET_INFO, 16, 0, BOTH },
	{ "MAP_DMA", VFIO_IOMMU_MAP_DMA, 32, 4, BOTH },
	{ "UNMAP_DMA", VFIO_IOMMU_UNMAP_DMA, 24, 4, BOTH },
	{ "REGISTER_MEMORY", VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 24, 4, V2 },
	{ "UNREGISTER_MEMORY", VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, 24, 4, V2 },
	{ "TCE_CREATE", VFIO_IOMMU_SPAPR_TCE_CREATE, 40, 4, V2 },
	{ "TCE_REMOVE", VFIO_IOMMU_SPAPR_TCE_REMOVE, 16, 4, V2 },
	{ "EEH_PE_OP", VFIO_EEH_PE_OP, 12, 4, BOTH },
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

static void expect_argsz(struct kunit *test, struct tce_client *client,
			 const struct ioctl_command *cmd)
{
	static const u32 bad[] = { 0, 1, 4, 8 };
	u32 arg[16] = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		arg[0] = bad[i];
		KUNIT_EXPECT_EQ_MSG(test,
				    tce_ioctl(client, cmd->cmd, arg,
					      sizeof(arg)),
				    -EINVAL, "argsz %u", bad[i]);
	}
	arg[0] = cmd->size - 1;
	KUNIT_EXPECT_EQ(test, tce_ioctl(client, cmd->cmd, arg, sizeof(arg)),
			-EINVAL);
}

static void argsz_too_small(struct kunit *test)
{
	for_each_interface(test, expect_argsz);
}

static void expect_flags(struct kunit *test, struct tce_client *client,
			 const struct ioctl_command *cmd)
{
	u32 arg[16] = { 64 };
	int bit;

	/* those of GET_INFO are output */
	for (bit = 0; cmd->flags_at && bit < 32; bit++) {
		/* MAP has two */
		if (cmd->cmd == VFIO_IOMMU_MAP_DMA && bit < 2)
			continue;
		arg[cmd->flags_at / 4] = BIT(bit);
		KUNIT_EXPECT_EQ_MSG(test,
				    tce_ioctl(client, cmd->cmd, arg,
					      sizeof(arg)),
				    -EINVAL, "flag %d", bit);
	}
}

static void unknown_flags(struct kunit *test)
{
	for_each_interface(test, expect_flags);
}

static void expect_fault(struct kunit *test, struct tce_client *client,
			 const struct ioctl_command *cmd)
{
	struct tce_fixture *fx = test->priv;
	unsigned long page = tce_memory(fx, TCE_MEM_UNTOUCHED, PAGE_SIZE);
	unsigned long end = page + PAGE_SIZE;
	u32 argsz = 64;

	KUNIT_ASSERT_NE(test, page, 0);
	/* nothing there, in no address space, only the first half there */
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

static void not_of_this_interface(struct kunit *test)
{
	struct tce_client *client = tce_ready(test->priv, false, NULL);
	u32 arg[16] = { 64 };
	int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!(commands[i].in & V1))
			KUNIT_EXPECT_EQ_MSG(test,
					    tce_ioctl(client, commands[i].cmd, arg,
						      sizeof(arg)), -ENOTTY,
					    "%s", commands[i].name);
	client = tce_ready(test->priv, true, NULL);
	KUNIT_EXPECT_EQ(test, tce_enable(client), -ENOTTY);
	KUNIT_EXPECT_EQ(test, tce_disable(client), -ENOTTY);
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

static void expect_gone(struct kunit *test, struct tce_client *client,
			const struct ioctl_command *cmd)
{
	struct tce_fixture *fx = test->priv;
	void *data = client->data;

	tce_close(client);
	TCE_REFUSED(fx, CONTAINER_GONE, EINVAL,
		    tce_driver->ioctl(data, cmd->cmd, 0));
}

static void container_is_gone(struct kunit *test)
{
	for_each_interface(test, expect_gone);
}

static void unknown_command(struct kunit *test)
{
	struct tce_client *v1 = tce_open(test->priv, false);
	struct tce_client *v2 = tce_open(test->priv, true);
	unsigned int i;

	for (i = VFIO_BASE + 22; i < 256; i++) {
		KUNIT_EXPECT_EQ(test, tce_ioctl_raw(v1, _IO(VFIO_TYPE, i), 0),
				-ENOTTY);
		KUNIT_EXPECT_EQ(test, tce_ioctl_raw(v2, _IO(VFIO_TYPE, i), 0),
				-ENOTTY);
	}
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(v1, 0, 0), -ENOTTY);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(v2, ~0U, 0), -ENOTTY);
}

struct ioctl_extension {
	const char *name;
	unsigned long number;
	long rc;
};

static const struct ioctl_extension extensions[] = {
	{ "v1", VFIO_SPAPR_TCE_IOMMU, 1 },
	{ "v2", VFIO_SPAPR_TCE_v2_IOMMU, 1 },
	{ "type1", VFIO_TYPE1_IOMMU, 0 },
	{ "type1 v2", VFIO_TYPE1v2_IOMMU, 0 },
	{ "no-iommu", VFIO_NOIOMMU_IOMMU, 0 },
	{ "0", 0, 0 },
	{ "all bits", ~0UL, 0 },
	{ "v1, with a high bit", VFIO_SPAPR_TCE_IOMMU | BIT(32), 0 },
};

KUNIT_ARRAY_PARAM_DESC(extension, extensions, name);

static void check_extension(struct kunit *test)
{
	const struct ioctl_extension *ext = test->param_value;
	struct tce_client *client = tce_open(test->priv, true);

	/* asked of the driver, and of a container */
	KUNIT_EXPECT_EQ(test, tce_driver->ioctl(NULL, VFIO_CHECK_EXTENSION,
						ext->number), ext->rc);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, VFIO_CHECK_EXTENSION,
					    ext->number), ext->rc);
	if (!ext->rc)
		KUNIT_EXPECT_PTR_EQ(test, tce_driver->open(ext->number),
				    ERR_PTR(-EINVAL));
}

struct ioctl_direction {
	const char *name;
	u32 flags;
	long rc;
};

static const struct ioctl_direction directions[] = {
	{ "none", 0, -EINVAL },
	{ "read", TCE_R, 0 },
	{ "write", TCE_W, 0 },
	{ "both", TCE_RW, 0 },
	{ "both and another", TCE_RW | 4, -EINVAL },
	{ "vaddr", VFIO_DMA_MAP_FLAG_VADDR, -EINVAL },
	{ "all bits", ~0U, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(direction, directions, name);

static void map_flags(struct kunit *test)
{
	const struct ioctl_direction *dir = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_mock_group *grp;
	struct tce_client *client;
	int v2;

	for (v2 = 0; v2 < 2; v2++) {
		client = tce_ready(fx, v2, &grp);
		if (v2)
			tce_register(client, ua, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K,
					      dir->flags), dir->rc);
		if (!dir->rc)
			tce_expect_mapped(fx, grp, 0, 0, ua, SZ_4K,
					  dir->flags);
	}
}

static void info_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct vfio_iommu_spapr_tce_info info;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, false);

	grp->tg.tce32_start = SZ_16M;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_info(client, &info), 0);
	KUNIT_EXPECT_EQ(test, info.argsz, sizeof(info));
	KUNIT_EXPECT_EQ(test, info.flags, 0);
	KUNIT_EXPECT_EQ(test, info.dma32_window_start, SZ_16M);
	KUNIT_EXPECT_EQ(test, info.dma32_window_size, SZ_64M);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(&info.ddw, 0, sizeof(info.ddw)));
}

static void info_v2(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct vfio_iommu_spapr_tce_info info;
	struct tce_mock_group *grp = tce_group(fx);
	struct tce_client *client = tce_open(fx, true);

	grp->tg.pgsizes = SZ_4K | SZ_16M;
	KUNIT_ASSERT_EQ(test, tce_attach(client, grp), 0);
	KUNIT_ASSERT_EQ(test, tce_info(client, &info), 0);
	KUNIT_EXPECT_EQ(test, info.flags, VFIO_IOMMU_SPAPR_INFO_DDW);
	KUNIT_EXPECT_EQ(test, info.dma32_window_start, 0);
	KUNIT_EXPECT_EQ(test, info.dma32_window_size, SZ_64M);
	KUNIT_EXPECT_EQ(test, info.ddw.pgsizes, SZ_4K | SZ_16M);
	KUNIT_EXPECT_EQ(test, info.ddw.max_dynamic_windows_supported, 2);
	KUNIT_EXPECT_EQ(test, info.ddw.levels, 5);
}

static void info_writes_only_what_fits(struct kunit *test)
{
	struct vfio_iommu_spapr_tce_info info;
	struct tce_client *client = tce_ready(test->priv, true, NULL);
	u32 argsz;

	for (argsz = 16; argsz <= 2 * sizeof(info); argsz++) {
		memset(&info, 0xff, sizeof(info));
		info.argsz = argsz;
		KUNIT_EXPECT_EQ(test,
				tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
					  &info, sizeof(info)), 0);
		KUNIT_EXPECT_EQ(test, info.dma32_window_size, SZ_64M);
		if (argsz < sizeof(info))
			KUNIT_EXPECT_TRUE(test, !memchr_inv(&info.ddw, 0xff,
							    sizeof(info.ddw)));
		else
			KUNIT_EXPECT_EQ(test, info.ddw.levels, 5);
	}
}

/* An argument in memory that the driver can read, but not write */
static unsigned long readonly_arg(struct kunit *test, void *arg, size_t size)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_memory(fx, TCE_MEM_SHARED, PAGE_SIZE);
	struct file *file;

	KUNIT_ASSERT_NE(test, ua, 0);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)ua, arg, size), 0);
	/* the same page once more */
	file = tce_file(fx, ua);
	ua = vm_mmap(file, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(ua));
	fput(file);
	return ua;
}

static void info_cannot_be_written(struct kunit *test)
{
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info) };
	struct tce_client *client = tce_ready(test->priv, true, NULL);

	TCE_REFUSED(client->fx, ANSWER_FAULT, EFAULT,
		    tce_ioctl_raw(client, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
				  readonly_arg(test, &info, sizeof(info))));
}

static void map_before_register(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *client = tce_open(fx, true);

	KUNIT_ASSERT_EQ(test, tce_attach(client, tce_group(fx)), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EPERM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EPERM);
	/* not even its argument is looked at */
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, VFIO_IOMMU_MAP_DMA, 0),
			-EPERM);
	KUNIT_EXPECT_EQ(test, tce_ioctl_raw(client, VFIO_IOMMU_UNMAP_DMA, 0),
			-EPERM);
	KUNIT_EXPECT_EQ(test, fx->mock->created, 0);

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
}

static void map_before_enable(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *client = tce_open(fx, false);

	KUNIT_ASSERT_EQ(test, tce_attach(client, tce_group(fx)), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EPERM);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_4K), -EPERM);
	KUNIT_ASSERT_EQ(test, tce_enable(client), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_disable(client), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_4K, TCE_RW), -EPERM);
}

static void unregister_before_register(struct kunit *test)
{
	struct tce_client *client = tce_open(test->priv, true);

	KUNIT_EXPECT_EQ(test, tce_unregister(client, PAGE_SIZE, PAGE_SIZE),
			-EPERM);
}

/* The window whose address the caller will never know is taken back. */
static void created_window_cannot_be_told(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct vfio_iommu_spapr_tce_create arg = {
		.argsz = sizeof(arg), .page_shift = 12, .window_size = SZ_16M,
		.levels = 1,
	};
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, true, &grp);

	KUNIT_EXPECT_EQ(test,
			tce_ioctl_raw(client, VFIO_IOMMU_SPAPR_TCE_CREATE,
				      readonly_arg(test, &arg, sizeof(arg))),
			-EFAULT);
	KUNIT_EXPECT_NULL(test, grp->tg.tables[1]);
	KUNIT_EXPECT_LE(test, tce_mock_tables(fx->mock), 1);
}

static void first_register_without_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	long rc = -EFAULT;
	unsigned int nth;

	tce_needs_faults(test);
	/* some kernels can make the copy of the arguments fail, too */
	for (nth = 1; nth <= 2 && rc == -EFAULT; nth++) {
		tce_fault_arm(fx->mock, TCE_FAULT_ALLOC, nth, 0);
		rc = tce_register(client, ua, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	}
	KUNIT_EXPECT_EQ(test, rc, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
}

static struct kunit_case tce_ioctl_cases[] = {
	KUNIT_CASE_PARAM(argsz_too_small, command_gen_params),
	KUNIT_CASE_PARAM(unknown_flags, command_gen_params),
	KUNIT_CASE_PARAM(argument_cannot_be_read, command_gen_params),
	KUNIT_CASE(argument_is_not_there_yet),
	KUNIT_CASE(not_of_this_interface),
	KUNIT_CASE_PARAM(from_another_process, command_gen_params),
	KUNIT_CASE_PARAM(container_is_gone, command_gen_params),
	KUNIT_CASE(unknown_command),
	KUNIT_CASE_PARAM(check_extension, extension_gen_params),
	KUNIT_CASE_PARAM(map_flags, direction_gen_params),
	KUNIT_CASE(info_v1),
	KUNIT_CASE(info_v2),
	KUNIT_CASE(info_writes_only_what_fits),
	KUNIT_CASE(info_cannot_be_written),
	KUNIT_CASE(first_register_without_memory),
	KUNIT_CASE(map_before_register),
	KUNIT_CASE(map_before_enable),
	KUNIT_CASE(unregister_before_register),
	KUNIT_CASE(created_window_cannot_be_told),
	{}
};

TCE_SUITE(tce_ioctl);
