// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the rows have in common.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "check.h"

void check_begin(struct check *c, struct tce *t, size_t size)
{
	check_begin_at(c, t, size, t->info.dma32_window_start);
}

void check_begin_at(struct check *c, struct tce *t, size_t size, uint64_t start)
{
	uint64_t base = start + 16 * MiB;

	memset(c, 0, sizeof(*c));
	c->t = t;
	engine_open(&c->e, t, base);
	c->iova = base + 16 * MiB;
	c->size = size;
	c->mem = alloc(size, 64 * KiB);
	allow(t, c->mem, size);
}

void check_end(struct check *c)
{
	engine_close(&c->e);
}

void check_map(struct check *c, uint32_t flags)
{
	map(c->t->container, c->mem, c->iova, c->size, flags);
}

bool check_reaches(struct check *c, uint64_t iova, void *va)
{
	return engine_writes(&c->e, iova, va) &&
	       (!c->e.reads || engine_reads(&c->e, iova, va));
}

bool check_frozen(struct tce *t)
{
	long state;

	if (__check_extension(t->container, VFIO_EEH) <= 0)
		return false;
	state = __eeh(t->container, VFIO_EEH_PE_GET_STATE);
	if (state < 0)
		fail(__FILE__, __LINE__, "EEH has no state: %s", strerrorname_np(-state));
	return state != VFIO_EEH_PE_STATE_NORMAL;
}

void check_reset(struct tce *t, uint32_t kind)
{
	expect_rc(0, __eeh(t->container, kind));
	sleep_ms(250);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_RESET_DEACTIVATE));
	/* What PCI gives a device until it has to answer. */
	sleep_ms(1000);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_CONFIGURE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
}

/* Emulated bridges never stop a device. There a test says how that is done. */
static void stop_by_hand(void)
{
	const char *command = getenv("HOSTCHECK_STRAY");

	if (command)
		expect(!system(command));
}

void check_recover(struct check *c)
{
	bool frozen;

	stop_by_hand();
	frozen = check_frozen(c->t);
	if (frozen)
		check_reset(c->t, VFIO_EEH_PE_RESET_HOT);
	expect_rc(0, engine_restart(&c->e));
	if (frozen)
		note("figure: EEH: 1 freeze, from which the device came back");
}

unsigned int check_seconds(void)
{
	const char *text = getenv("HOSTCHECK_SECONDS");

	return text ? strtoul(text, NULL, 10) : 5;
}
