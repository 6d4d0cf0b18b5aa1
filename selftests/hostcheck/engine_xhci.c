// SPDX-License-Identifier: GPL-2.0-only
/*
 * xHCI: the command ring and the event ring, with No-Op commands only. No port and
 * no device on the bus is touched.
 *
 * It reads memory that holds a Link: to one of the No-Ops in the engine's own
 * memory. The event of a completion names the command that was done, so it tells which
 * one the Link led to. It writes memory where the event ring is: the event of a
 * No-Op, which again tells which one it was.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>

#include "hostcheck.h"

/* Capabilities */
#define HCSPARAMS2		0x08
#define HCCPARAMS1		0x10
#define  HCC_64BIT		1u
#define DBOFF			0x14
#define RTSOFF			0x18
/* Operational registers */
#define USBCMD			(xhci.op + 0x00)
#define  CMD_RUN		1u
#define  CMD_RESET		2u
#define USBSTS			(xhci.op + 0x04)
#define  STS_HALTED		1u
#define  STS_NOT_READY		(1u << 11)
#define CRCR			(xhci.op + 0x18)
#define  CRCR_CYCLE		1u
#define DCBAAP			(xhci.op + 0x30)
#define CONFIG			(xhci.op + 0x38)
/* Interrupter 0 */
#define ERSTSZ			(xhci.runtime + 0x28)
#define ERSTBA			(xhci.runtime + 0x30)
#define ERDP			(xhci.runtime + 0x38)

#define TRB_LINK		6
#define TRB_NOOP		23
#define TRB_COMPLETION		33
#define CODE_SUCCESS		1

/* In the engine's own memory */
#define CONTEXTS		0		/* device contexts' addresses */
#define SCRATCH_ARRAY		(4 * KiB)
#define SEGMENTS		(8 * KiB)	/* the event ring's table */
#define NOOPS			(128 * KiB)
#define NOOPS_SIZE		(64 * KiB)
#define NOOP_STEP		64
#define SCRATCH			(256 * KiB)
#define EVENTS_COUNT		16

struct trb {
	uint64_t pointer;
	uint32_t status;
	uint32_t control;
};

static struct {
	uint32_t op, runtime, doorbell;
} xhci;

/* One No-Op in 64 bytes, where a ring can begin; what follows it isn't valid and ends it. */
static uint64_t noop_at(struct engine *e, uint32_t token)
{
	return e->own_iova + NOOPS + token * NOOP_STEP;
}

static void make_noops(struct engine *e)
{
	struct trb *noop = (void *)(e->own + NOOPS);
	size_t i;

	for (i = 0; i < NOOPS_SIZE / sizeof(*noop); i += NOOP_STEP / sizeof(*noop))
		noop[i].control = htole32(TRB_NOOP << 10 | 1);
}

/* Which No-Op the events at @va say is done */
static uint32_t token(struct engine *e, const void *va)
{
	const volatile struct trb *event = va;
	uint64_t at;
	int i;

	for (i = 0; i < EVENTS_COUNT; i++) {
		uint32_t control = le32toh(event[i].control);

		if ((control & 1) && (control >> 10 & 63) == TRB_COMPLETION &&
		    le32toh(event[i].status) >> 24 == CODE_SUCCESS) {
			at = le64toh(event[i].pointer) - noop_at(e, 0);
			return at < NOOPS_SIZE ? at / NOOP_STEP : 0;
		}
	}
	return 0;
}

static int halt(struct engine *e)
{
	set32(e, USBCMD, 0);
	return until(ENGINE_MS, get32(e, USBSTS) & STS_HALTED) ? 0 : -ETIMEDOUT;
}

/*
 * Runs the commands at @commands. Nothing says that the event of their completion was written at
 * @events but the event.
 */
static int copy(struct engine *e, uint64_t commands, uint64_t events)
{
	struct trb *segment = (void *)(e->own + SEGMENTS);
	int rc = halt(e);

	if (rc)
		return rc;
	segment->pointer = htole64(events);
	segment->status = htole32(EVENTS_COUNT);
	set32(e, ERSTSZ, 1);
	set64(e, ERDP, events);
	set64(e, ERSTBA, e->own_iova + SEGMENTS);
	set64(e, CRCR, commands | CRCR_CYCLE);
	set32(e, USBCMD, CMD_RUN);
	if (!until(ENGINE_MS, !(get32(e, USBSTS) & STS_HALTED)))
		return -ETIMEDOUT;
	set32(e, xhci.doorbell, 0);
	return 0;
}

/* Pages that some controllers keep for themselves. */
static int give_scratch(struct engine *e)
{
	uint32_t params = get32(e, HCSPARAMS2), i;
	uint32_t pages = (params >> 21 & 31) << 5 | params >> 27;
	uint32_t shift = __builtin_ctz(get32(e, xhci.op + 8) | 1u << 31) + 12;
	uint64_t *contexts = (void *)(e->own + CONTEXTS);
	uint64_t *array = (void *)(e->own + SCRATCH_ARRAY);

	if (!pages)
		return 0;
	if (shift > 16 || (uint64_t)pages << shift > ENGINE_OWN - SCRATCH)
		return -ENOTSUP;
	contexts[0] = htole64(e->own_iova + SCRATCH_ARRAY);
	for (i = 0; i < pages; i++)
		array[i] = htole64(e->own_iova + SCRATCH + ((uint64_t)i << shift));
	return 0;
}

static int reset(struct engine *e)
{
	uint32_t caps = get32(e, 0);
	int rc;

	xhci.op = caps & 0xff;
	xhci.runtime = get32(e, RTSOFF) & ~31u;
	xhci.doorbell = get32(e, DBOFF) & ~3u;
	rc = halt(e);
	if (rc)
		return rc;
	set32(e, USBCMD, CMD_RESET);
	if (!until(ENGINE_MS, !(get32(e, USBCMD) & CMD_RESET)) ||
	    !until(ENGINE_MS, !(get32(e, USBSTS) & STS_NOT_READY)))
		return -ETIMEDOUT;
	return 0;
}

static int start(struct engine *e)
{
	/* Windows may begin beyond 32 bits. */
	int rc = get32(e, HCCPARAMS1) & HCC_64BIT ? give_scratch(e) : -ENOTSUP;

	if (rc)
		return rc;
	make_noops(e);
	set32(e, CONFIG, 1);
	set64(e, DCBAAP, e->own_iova + CONTEXTS);
	snprintf(e->what, sizeof(e->what), "xHCI %x.%02x", get32(e, 0) >> 24,
		 get32(e, 0) >> 16 & 0xff);
	e->tokens = NOOPS_SIZE / NOOP_STEP - 1;
	e->span = EVENTS_COUNT * sizeof(struct trb);
	e->reads = true;
	return 0;
}

static void put(struct engine *e, void *va, uint32_t token)
{
	const struct trb link = {
		.pointer = htole64(noop_at(e, token)),
		.control = htole32(TRB_LINK << 10 | 1),
	};

	memcpy(va, &link, sizeof(link));
}

const struct engine_ops xhci_engine = {
	.name = "xhci", .reset = reset, .start = start, .put = put, .copy = copy, .token = token,
};
