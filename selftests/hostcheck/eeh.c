// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH: the bridge's state, and the way back from a reset.
 */
#define _GNU_SOURCE
#include "check.h"

#define SMALL	(64 * KiB)

static void need_eeh(struct tce *t)
{
	if (__check_extension(t->container, VFIO_EEH) <= 0)
		skip("this host has no EEH");
}

static void state(struct tce *t)
{
	struct check c;

	need_eeh(t);
	check_begin(&c, t, SMALL);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
	check_end(&c);
}

/* Windows and mappings are not the reset's business. */
static void reset(struct tce *t, uint32_t kind)
{
	struct check c;

	need_eeh(t);
	check_begin(&c, t, SMALL);
	check_map(&c, RW);
	expect(check_reaches(&c, c.iova, c.mem));
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_ENABLE));
	check_reset(t, kind);
	expect_rc(0, engine_restart(&c.e));
	expect(check_reaches(&c, c.iova, c.mem));
	check_end(&c);
}

static void hot(struct tce *t)
{
	reset(t, VFIO_EEH_PE_RESET_HOT);
}

static void fundamental(struct tce *t)
{
	reset(t, VFIO_EEH_PE_RESET_FUNDAMENTAL);
}

static const struct test tests[] = {
	{ "EEH: the state is normal, and stays so beside DMA", state, BOTH },
	{ "EEH: a hot reset leaves the mappings", hot, BOTH },
	{ "EEH: a fundamental reset leaves the mappings", fundamental, BOTH },
};

const struct rows eeh_rows = ROWS(tests);
