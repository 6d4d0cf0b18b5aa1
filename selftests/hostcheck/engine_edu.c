// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu device: it copies bytes as they are, and reports no errors.
 */
#define _GNU_SOURCE
#include <string.h>

#include "engine.h"

static struct edu edu;

static bool match(uint16_t vendor, uint16_t device,
		  uint32_t class __attribute__((unused)))
{
	return vendor == 0x1234 && device == 0x11e8;
}

static void put(struct engine *e __attribute__((unused)), void *va, uint32_t token)
{
	memcpy(va, &token, 4);
	fill((uint8_t *)va + 4, PROBE - 4, token);
}

static bool got(struct engine *e __attribute__((unused)), const void *va,
		uint32_t token)
{
	return !memcmp(va, &token, 4) &&
	       filled((const uint8_t *)va + 4, PROBE - 4, token);
}

static int start(struct engine *e)
{
	int rc = edu_open(&edu, e->t->group, 0);

	e->tokens = 0x7fffffff;
	e->span = PROBE;
	e->reads = true;
	e->wide = true;		/* as the machines here have it */
	e->kinds = ENGINE_MSI;
	snprintf(e->what, sizeof(e->what), "QEMU's edu");
	return rc;
}

static void stop(struct engine *e __attribute__((unused)))
{
	edu_close(&edu);
}

static int read_memory(struct engine *e, uint64_t iova, uint32_t *token)
{
	memset(e->own, 0, PROBE);
	edu_copy(&edu, iova, e->own_iova, PROBE);
	memcpy(token, e->own, 4);
	return got(e, e->own, *token) ? 0 : -EIO;
}

static int write_memory(struct engine *e, uint64_t iova, uint32_t token)
{
	put(e, e->own, token);
	edu_copy(&edu, e->own_iova, iova, PROBE);
	return 0;
}

static int interrupt(struct engine *e __attribute__((unused)))
{
	edu_interrupt(&edu);
	return 0;
}

const struct engine_ops edu_engine = {
	.name = "edu", .match = match, .start = start, .stop = stop,
	.put = put, .read = read_memory, .write = write_memory, .got = got,
	.interrupt = interrupt,
};
