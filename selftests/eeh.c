// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH operations: what the driver checks itself, and that everything else gets
 * through to the platform and its answer back.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

#define CHUNK		(64 * KiB)
#define SHORT_SIZE	12	/* up to op */
#define LONG_SIZE	40	/* INJECT_ERR takes the whole structure */

static long eeh(int container, struct vfio_eeh_pe_op *op)
{
	return __raw(container, VFIO_EEH_PE_OP, op);
}

static void need_eeh(struct tce *t)
{
	if (!__check_extension(t->container, VFIO_EEH))
		skip("this host has no EEH");
}

/* Without EEH there is no PE that an operation could be for. */
static void unavailable(struct tce *t)
{
	if (__check_extension(t->container, VFIO_EEH))
		skip("this host has EEH");
	expect(__eeh(t->container, VFIO_EEH_PE_GET_STATE) < 0);
	expect(__eeh(t->container, VFIO_EEH_PE_ENABLE) < 0);
}

static void arguments(struct tce *t)
{
	struct vfio_eeh_pe_op op = { .op = VFIO_EEH_PE_GET_STATE };
	int bit;

	need_eeh(t);
	for (op.argsz = 0; op.argsz < SHORT_SIZE; op.argsz++)
		expect_rc(-EINVAL, eeh(t->container, &op));
	for (bit = 0; bit < 32; bit++) {
		op.flags = 1u << bit;
		expect_rc(-EINVAL, eeh(t->container, &op));
	}
	op.flags = 0;
	expect_rc(0, eeh(t->container, &op));
	op.argsz = 1000;
	expect_rc(0, eeh(t->container, &op));
	expect_rc(-EFAULT, __raw(t->container, VFIO_EEH_PE_OP, NULL));
}

/* The short structure at the very end of what the caller may read. */
static void short_structure(struct tce *t)
{
	uint8_t *page = alloc(2 * host.page, host.page);
	struct vfio_eeh_pe_op *op;

	need_eeh(t);
	munmap(page + host.page, host.page);
	op = (void *)(page + host.page - SHORT_SIZE);
	op->argsz = SHORT_SIZE;
	op->flags = 0;
	op->op = VFIO_EEH_PE_GET_STATE;
	expect_rc(0, eeh(t->container, op));
	op->op = VFIO_EEH_PE_INJECT_ERR;
	op->argsz = LONG_SIZE;
	expect_rc(-EFAULT, eeh(t->container, op));
}

static void unknown(struct tce *t)
{
	static const uint32_t ops[] = { 10, 11, 100, 0x7fffffff, 0xffffffff };
	size_t i;

	need_eeh(t);
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		expect_rc(-EINVAL, __eeh(t->container, ops[i]));
}

static void simple_ops(struct tce *t)
{
	need_eeh(t);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_DISABLE));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL,
		  __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_UNFREEZE_IO));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_UNFREEZE_DMA));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL,
		  __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_CONFIGURE));
}

/* Recovery as a guest does it, and the device works afterwards. */
static void reset(struct tce *t, uint32_t kind)
{
	uint64_t iova = t->info.dma32_window_start + MiB;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	long state;

	need_eeh(t);
	allow(t, mem, CHUNK);
	bounce_at(t, iova - CHUNK);
	map(t->container, mem, iova, CHUNK, RW);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	expect_rc(0, __eeh(t->container, kind));
	state = __eeh(t->container, VFIO_EEH_PE_GET_STATE);
	note("state in reset: %ld", state);
	expect(state >= 0);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_RESET_DEACTIVATE));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_CONFIGURE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL,
		  __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	/* Windows and mappings are not the reset's business. */
	edu_close(&t->edu);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	expect(can_write(t, iova, mem));
	expect(can_read(t, iova, mem));
}

static void hot_reset(struct tce *t)
{
	reset(t, VFIO_EEH_PE_RESET_HOT);
}

static void fundamental_reset(struct tce *t)
{
	reset(t, VFIO_EEH_PE_RESET_FUNDAMENTAL);
}

static void inject_arguments(struct tce *t)
{
	struct vfio_eeh_pe_op op = { .op = VFIO_EEH_PE_INJECT_ERR };

	need_eeh(t);
	for (op.argsz = SHORT_SIZE; op.argsz < LONG_SIZE; op.argsz++)
		expect_rc(-EINVAL, eeh(t->container, &op));
	op.argsz = LONG_SIZE;
	/* There is no such function: that is for the platform to say. */
	op.err.func = 1000;
	expect_rc(-EINVAL, eeh(t->container, &op));
	op.err.func = 0;
	op.err.type = 1000;
	expect(eeh(t->container, &op) < 0);
}

static void two_groups(struct tce *t)
{
	need_eeh(t);
	if (!host.powernv)
		skip("the platform does not share tables between groups");
	set_container(t->group2, t->container);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	expect_rc(-EINVAL, __eeh(t->container, 100));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_DISABLE));
	unset_container(t->group2);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
}

static const struct test tests[] = {
	{ "operations fail where there is no EEH", unavailable, BOTH },
	{ "bad argsz, flags and pointers are refused", arguments, BOTH },
	{ "no more is read than the operation needs", short_structure, BOTH },
	{ "unknown operations are EINVAL", unknown, BOTH },
	{ "enable, disable, unfreeze, configure, and the state", simple_ops,
	  BOTH },
	{ "INJECT_ERR needs the longer structure", inject_arguments, BOTH },
	{ "hot reset, and the device works again", hot_reset, BOTH | DMA },
	{ "fundamental reset, and the device works again", fundamental_reset,
	  BOTH | DMA },
	{ "operations on two groups", two_groups, V2 | TWO },
};

TEST_MAIN("eeh", tests)
