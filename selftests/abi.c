// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the fuzzer does not know of the API: which structures, flags and pointers a command takes,
 * and who may call it.
 */
#define _GNU_SOURCE
#include <asm/eeh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define INFO_V1_SIZE	16	/* before ddw was added */
#define INFO_SIZE	32
#define BAD_POINTER	((void *)0xc000000000000000UL)	/* of the kernel */

static void expect_extensions(int container)
{
	long eeh = __check_extension(container, VFIO_EEH);

	/* DPDK counts an extension only if the answer is exactly 1. */
	expect_rc(1, __check_extension(container, V1_IOMMU));
	expect_rc(1, __check_extension(container, V2_IOMMU));
	expect(eeh == 0 || eeh == 1);
	expect_rc(0, __check_extension(container, VFIO_TYPE1_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_TYPE1v2_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_DMA_CC_IOMMU));
	expect_rc(0, __check_extension(container, 0));
	expect_rc(0, __check_extension(container, 1000));
	expect_rc(0, __check_extension(container, -1));
}

/* Without a group, with one, and with a driver. What SET_IOMMU refuses is the fuzzer's. */
static void extensions(struct tce *t __attribute__((unused)))
{
	int c = open_container();

	expect_extensions(c);
	set_container(open_group(0), c);
	expect_extensions(c);
	set_iommu(c, V1_IOMMU);
	expect_extensions(c);
}

static void info_short(struct tce *t)
{
	const unsigned long cmd = VFIO_IOMMU_SPAPR_TCE_GET_INFO;
	struct {
		struct vfio_iommu_spapr_tce_info info;
		uint8_t guard[32];
	} arg;
	struct vfio_iommu_spapr_tce_info *info = &arg.info;
	uint8_t ff[sizeof(arg)];
	uint32_t argsz;

	memset(ff, 0xff, sizeof(ff));
	for (argsz = 0; argsz <= INFO_SIZE + 8; argsz++) {
		memset(&arg, 0xff, sizeof(arg));
		info->argsz = argsz;
		if (argsz < INFO_V1_SIZE) {
			expect_rc(-EINVAL, __raw(t->container, cmd, &arg));
			continue;
		}
		expect_rc(0, __raw(t->container, cmd, &arg));
		expect_eq(t->info.dma32_window_start, info->dma32_window_start);
		expect_eq(t->info.dma32_window_size, info->dma32_window_size);
		/* Nothing beyond what the caller said it has room for. */
		if (argsz < INFO_SIZE)
			expect(!memcmp(&info->ddw, ff, sizeof(info->ddw)));
		else
			expect(!memcmp(&info->ddw, &t->info.ddw,
				       sizeof(info->ddw)));
		expect(!memcmp(arg.guard, ff, sizeof(arg.guard)));
	}
}

/* What the machine offers, as somebody has written it down who did not ask the driver. */
static void expect_offered(const struct tce *t)
{
	const char *offers = getenv("TCE_OFFERS");
	unsigned long long sizes;
	unsigned int windows, levels;

	if (!offers || !*offers)
		return;
	expect(sscanf(offers, "%u %u %llx", &windows, &levels, &sizes) == 3);
	expect_eq(windows, t->info.ddw.max_dynamic_windows_supported);
	expect_eq(levels, t->info.ddw.levels);
	expect_eq(sizes, t->info.ddw.pgsizes);
}

static void info(struct tce *t)
{
	if (t->version == 1) {
		expect_eq(0, t->info.flags);
		expect(t->info.dma32_window_size);
		expect_eq(0, t->info.ddw.pgsizes);
		expect_eq(0, t->info.ddw.max_dynamic_windows_supported);
		expect_eq(0, t->info.ddw.levels);
		return;
	}
	expect_eq(VFIO_IOMMU_SPAPR_INFO_DDW, t->info.flags);
	expect(t->info.dma32_window_size);
	expect(has_shift(t, 12));
	expect(t->info.ddw.max_dynamic_windows_supported >= 1);
	expect(t->info.ddw.levels >= 1);
	note("window %#x..%#x, page sizes %#llx, %u windows, %u levels",
	     t->info.dma32_window_start,
	     t->info.dma32_window_start + t->info.dma32_window_size - 1,
	     t->info.ddw.pgsizes, t->info.ddw.max_dynamic_windows_supported,
	     t->info.ddw.levels);
	expect_offered(t);
}

static void unknown_commands(struct tce *t)
{
	uint8_t arg[64] = { sizeof(arg) };
	int nr;

	for (nr = 22; nr < 32; nr++)
		expect_rc(-ENOTTY, __raw(t->container,
					 _IO(VFIO_TYPE, VFIO_BASE + nr), arg));
	/* The number of GET_INFO with another type. */
	expect_rc(-ENOTTY, __raw(t->container, _IO('V', VFIO_BASE + 12), arg));
}

/* Sizes, flags and pointers of arguments. */

/*
 * The argument is accepted where its page is not there yet and nothing lies behind it, but not if
 * its end is on no page.
 */
static void on_other_pages(int container, unsigned long cmd, const void *arg, uint32_t size)
{
	uint8_t *page = alloc_shared(2 * host.page), *end = page + host.page;

	expect(!munmap(end, host.page));
	memcpy(end - 8, arg, 8);
	expect_rc(-EFAULT, __raw(container, cmd, end - 8));
	memcpy(end - size, arg, size);
	expect(!madvise(page, host.page, MADV_DONTNEED));
	expect_rc(0, __raw(container, cmd, end - size));
}

/*
 * Calls @cmd with each argsz below @size, then with each flag that is not in
 * @flags, then with bad pointers: all must be refused. @arg is valid otherwise, and a
 * newer, longer structure is none of our business.
 */
static void refuse_arguments(int container, unsigned long cmd, void *arg, uint32_t size,
			     uint32_t flags)
{
	uint32_t *argsz = arg, *flag = argsz + 1, good = *flag;
	uint64_t before = locked();
	int bit;

	for (*argsz = 0; *argsz < size; (*argsz)++)
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	for (bit = 0; bit < 32; bit++) {
		if (flags & (1u << bit))
			continue;
		*flag = good | 1u << bit;
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	}
	*flag = good;
	expect_rc(-EFAULT, __raw(container, cmd, NULL));
	expect_rc(-EFAULT, __raw(container, cmd, BAD_POINTER));
	expect_eq(before, locked());
	*argsz = size + 100;
	on_other_pages(container, cmd, arg, size);
}

static void arguments_v2(struct tce *t, struct vfio_iommu_spapr_register_memory *reg)
{
	struct vfio_iommu_spapr_tce_remove first = {
		.start_addr = t->info.dma32_window_start,
	};
	struct vfio_iommu_spapr_tce_create window = {
		.page_shift = 12, .window_size = 256 * MiB, .levels = 1,
	};
	int c = t->container;

	refuse_arguments(c, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, reg, sizeof(*reg), 0);
	refuse_arguments(c, VFIO_IOMMU_SPAPR_TCE_REMOVE, &first, sizeof(first), 0);
	expect_rc(-EINVAL, __raw(c, VFIO_IOMMU_SPAPR_TCE_REMOVE, &first));
	refuse_arguments(c, VFIO_IOMMU_SPAPR_TCE_CREATE, &window, sizeof(window), 0);
}

/* Any operation but INJECT_ERR takes the structure up to op. */
static void eeh_arguments(int container)
{
	static const uint32_t no_ops[] = { 10, 11, 100, INT32_MAX, UINT32_MAX };
	static const struct vfio_eeh_pe_err no_errors[] = {
		{ .type = EEH_ERR_TYPE_64 + 1 }, { .type = UINT32_MAX },
		{ .func = EEH_ERR_FUNC_MAX + 1 }, { .func = UINT32_MAX },
	};
	const size_t up_to_op = offsetof(struct vfio_eeh_pe_op, op) + sizeof(uint32_t);
	struct vfio_eeh_pe_op op = { .op = VFIO_EEH_PE_GET_STATE };
	uint8_t *page = alloc_shared(2 * host.page), *end = page + host.page;
	size_t i;

	if (!__check_extension(container, VFIO_EEH)) {
		expect(__eeh(container, VFIO_EEH_PE_GET_STATE) < 0);
		expect(__eeh(container, VFIO_EEH_PE_ENABLE) < 0);
		return;
	}
	refuse_arguments(container, VFIO_EEH_PE_OP, &op, up_to_op, 0);
	for (i = 0; i < sizeof(no_ops) / sizeof(*no_ops); i++)
		expect_rc(-EINVAL, __eeh(container, no_ops[i]));
	op.op = VFIO_EEH_PE_INJECT_ERR;
	for (op.argsz = up_to_op; op.argsz < sizeof(op); op.argsz++)
		expect_rc(-EINVAL, __raw(container, VFIO_EEH_PE_OP, &op));
	expect(!munmap(end, host.page));
	memcpy(end - up_to_op, &op, up_to_op);
	expect_rc(-EFAULT, __raw(container, VFIO_EEH_PE_OP, end - up_to_op));
	for (i = 0; i < sizeof(no_errors) / sizeof(*no_errors); i++) {
		op.err = no_errors[i];
		expect_rc(-EINVAL, __raw(container, VFIO_EEH_PE_OP, &op));
	}
}

static void arguments(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	struct vfio_iommu_spapr_register_memory reg = {
		.vaddr = (uintptr_t)mem, .size = CHUNK,
	};
	struct vfio_iommu_type1_dma_map map = {
		.flags = RW, .vaddr = (uintptr_t)mem, .iova = base(t), .size = CHUNK,
	};
	struct vfio_iommu_type1_dma_unmap unmap = { .iova = base(t), .size = CHUNK };
	uint8_t *page = alloc_shared(host.page);
	int c = t->container;

	*(uint32_t *)page = INFO_SIZE;
	expect(!mprotect(page, host.page, PROT_READ));
	expect_rc(-EFAULT, __raw(c, VFIO_IOMMU_SPAPR_TCE_GET_INFO, page));
	expect_rc(-EFAULT, __raw(c, VFIO_IOMMU_SPAPR_TCE_GET_INFO, NULL));
	expect_rc(-EFAULT, __raw(c, VFIO_IOMMU_SPAPR_TCE_GET_INFO, BAD_POINTER));
	if (t->version == 2)
		refuse_arguments(c, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &reg, sizeof(reg), 0);
	else
		enable(c);
	/* The default window comes with it. */
	expect_rc(0, __unmap(c, base(t), CHUNK));
	refuse_arguments(c, VFIO_IOMMU_MAP_DMA, &map, sizeof(map), RW);
	/* A mapping with no permission at all is not a mapping. */
	map.flags = 0;
	expect_rc(-EINVAL, __raw(c, VFIO_IOMMU_MAP_DMA, &map));
	refuse_arguments(c, VFIO_IOMMU_UNMAP_DMA, &unmap, sizeof(unmap), 0);
	eeh_arguments(c);
	if (t->version == 2)
		arguments_v2(t, &reg);
}

/* Who may call: the process that the container is bound to. */

/*
 * Windows, enabling and registered memory belong to the process that bound the container
 * to its address space. Another one that has the file, by a fork or over a socket, may only ask
 * what the container can do. It can't have the device reach memory of its own, which is at the
 * same address, nor take the owner's away from it.
 */
static void of_another_process(struct tce *t)
{
	struct vfio_iommu_spapr_tce_info info;
	uint8_t *mem = prepare_dma(t, CHUNK);
	uint64_t at = base(t), before, start;
	volatile bool *done = alloc_shared(host.page);
	int c = t->container;
	pid_t pid;

	map(t->container, mem, at, CHUNK, RW);
	before = locked();

	pid = fork();
	if (!pid) {
		expect_rc(1, __check_extension(c, V2_IOMMU));
		expect_rc(-EPERM, __get_info(c, &info));
		if (t->version == 1) {
			expect_rc(-EPERM, __enable(c));
			expect_rc(-EPERM, __disable(c));
		} else {
			expect_rc(-EPERM, __register(c, mem, CHUNK));
			expect_rc(-EPERM, __unregister(c, mem, CHUNK));
			expect_rc(-EPERM, __create(c, 12, GiB, 1, &start));
			expect_rc(-EPERM, __remove(c, t->info.dma32_window_start));
		}
		expect_rc(-EPERM, __map(c, mem, at, CHUNK, RW));
		expect_rc(-EPERM, __map(c, mem, at + MiB, CHUNK, RW));
		expect_rc(-EPERM, __unmap(c, at, CHUNK));
		expect_rc(-EPERM, __eeh(c, VFIO_EEH_PE_GET_STATE));
		*done = true;
		pause();
	}
	expect(within(60, *done || !lives(pid)));
	expect_eq(before, locked());
	/* a write to memory that both have must not give the owner another page than the device's */
	expect(can_read(t, at, mem));
	expect(can_write(t, at, mem));
	expect(!can_read(t, at + MiB, mem));
	kill_child(pid);
	expect(can_read(t, at, mem));
	expect(can_write(t, at, mem));
}

/* Before anything is bound a container may be prepared here and used there. */
static void handed_over(struct tce *t)
{
	struct vfio_iommu_spapr_tce_info info;
	int c = t->container;
	pid_t pid;

	pid = fork();
	if (!pid) {
		uint8_t *mem = alloc(64 * KiB, 64 * KiB);
		struct tce child = *t;

		get_info(c, &info);
		allow(&child, mem, 64 * KiB);
		map(c, mem, t->info.dma32_window_start, 64 * KiB, RW);
		unmap(c, t->info.dma32_window_start, 64 * KiB);
		_exit(0);
	}
	expect(ends(pid, 60));
	/* Now it is bound, though its owner is gone. */
	expect_rc(-EPERM, __get_info(c, &info));
}

static const struct test tests[] = {
	{ "CHECK_EXTENSION knows both types, and none that the host has not", extensions, BARE },
	{ "GET_INFO takes every argsz from 16 and writes no more than that",
	  info_short, BOTH },
	{ "GET_INFO tells the window, and the dynamic ones of v2", info, BOTH },
	{ "unknown commands are ENOTTY", unknown_commands, BOTH },
	{ "each command refuses bad argsz, flags and pointers", arguments, BOTH },
	{ "another process, which has the container's file, is refused and takes no memory along",
	  of_another_process, BOTH | DMA },
	{ "a container that is not bound yet can be handed to another process",
	  handed_over, BOTH },
};

TEST_MAIN("abi", tests)
