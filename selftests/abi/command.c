// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which command exists where.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "abi.h"

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

static void info_v1(struct tce *t)
{
	expect_eq(0, t->info.flags);
	expect(t->info.dma32_window_size);
	expect_eq(0, t->info.ddw.pgsizes);
	expect_eq(0, t->info.ddw.max_dynamic_windows_supported);
	expect_eq(0, t->info.ddw.levels);
}

static void info_v2(struct tce *t)
{
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

static void v1_has_no_v2(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	uint64_t start;

	expect_rc(-ENOTTY, __register(t->container, mem, host.page));
	expect_rc(-ENOTTY, __unregister(t->container, mem, host.page));
	expect_rc(-ENOTTY, __create(t->container, 12, GiB, 1, &start));
	expect_rc(-ENOTTY, __remove(t->container, 0));
	enable(t->container);
	expect_rc(-ENOTTY, __register(t->container, mem, host.page));
	expect_rc(-ENOTTY, __remove(t->container, 0));
}

static void v2_has_no_v1(struct tce *t)
{
	uint64_t before = locked();

	expect_rc(-ENOTTY, __enable(t->container));
	expect_rc(-ENOTTY, __disable(t->container));
	expect_eq(before, locked());
}

static void not_enabled(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	uint64_t before = locked();

	expect_rc(-EPERM, __map(t->container, mem, 0, host.page, RW));
	expect_rc(-EPERM, __unmap(t->container, 0, host.page));
	expect_eq(before, locked());
}

static void unregister_first(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);

	expect_rc(-EPERM, __unregister(t->container, mem, host.page));
}

static const struct test rows[] = {
	{ "GET_INFO takes every argsz from 16 and writes no more than that",
	  info_short, BOTH },
	{ "GET_INFO has no dynamic windows", info_v1, V1 },
	{ "GET_INFO tells the dynamic windows", info_v2, V2 },
	{ "unknown commands are ENOTTY", unknown_commands, BOTH },
	{ "commands of v2 are ENOTTY", v1_has_no_v2, V1 },
	{ "commands of v1 are ENOTTY", v2_has_no_v1, V2 },
	{ "MAP and UNMAP are EPERM before memory is allowed", not_enabled,
	  BOTH },
	{ "UNREGISTER before the first REGISTER is EPERM", unregister_first,
	  V2 },
};

const struct rows command_rows = ROWS(rows);
