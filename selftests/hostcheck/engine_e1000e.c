// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel's network cards of the e1000e kind, in loopback: a frame that is sent comes back
 * at once, and nothing gets to the wire. Sending reads memory, receiving writes it, and
 * the bytes are free to choose.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>

#include "hostcheck.h"

#define CTRL			0x00000
/* Full duplex, link up, 1000 Mb/s, forced: there need be no cable. */
#define  CTRL_LINK		(1u | 1u << 6 | 2u << 8 | 3u << 11)
#define  CTRL_RESET		(1u << 26)
#define STATUS			0x00008
#define  STATUS_LINK_UP		(1u << 1)
#define IMC			0x000d8
#define RCTL			0x00100
/* On; all addresses, broadcasts too; loopback of the MAC; the checksum is cut off. */
#define  RCTL_VALUE		(1u << 1 | 3u << 3 | 1u << 6 | 1u << 15 | 1u << 26)
#define TCTL			0x00400
#define  TCTL_VALUE		(1u << 1 | 1u << 3 | 0xfu << 4 | 0x3fu << 12)

/* What the form of descriptors and the choice of a queue depend on: nothing special. */
#define RXCSUM			0x05000
#define RFCTL			0x05008
#define MRQC			0x05818

/* Queue 0 of each direction, and its registers */
#define RX			0x2800
#define TX			0x3800
#define BASE			0x00
#define LENGTH			0x08
#define HEAD			0x10
#define TAIL			0x18

/* End of the frame, its checksum, a report when it is sent */
#define SEND			(0xbu << 24)
#define DONE			1u

#define RING			8
#define FRAME			256
#define HEADER			14

/* In the engine's own memory */
#define RX_RING			0
#define TX_RING			(4 * KiB)

static unsigned int next;	/* descriptor of both rings */

static void start_queue(struct engine *e, uint32_t queue, uint64_t ring)
{
	set64(e, queue + BASE, ring);
	set32(e, queue + LENGTH, RING * 16);
	set32(e, queue + HEAD, 0);
	set32(e, queue + TAIL, 0);
}

static int reset(struct engine *e)
{
	set32(e, IMC, ~0u);
	set32(e, RCTL, 0);
	set32(e, TCTL, 0);
	nap(10);
	set32(e, CTRL, get32(e, CTRL) | CTRL_RESET);
	nap(20);
	return until(ENGINE_MS, !(get32(e, CTRL) & CTRL_RESET)) ? 0 : -ETIMEDOUT;
}

static volatile uint32_t *set_descriptor(struct engine *e, size_t ring, uint64_t data,
					 uint32_t command)
{
	volatile uint32_t *d = (void *)(e->own + ring + next * 16);

	d[0] = htole32(data);
	d[1] = htole32(data >> 32);
	d[2] = htole32(command);
	d[3] = 0;
	return d;
}

/*
 * Sends the frame at @from, and lets it be received at @to. -ETIMEDOUT: it was not
 * sent, -ENOMSG: it did not come back.
 */
static int copy(struct engine *e, uint64_t from, uint64_t to)
{
	volatile uint32_t *received = set_descriptor(e, RX_RING, to, 0);
	volatile uint32_t *sent = set_descriptor(e, TX_RING, from, FRAME | SEND);

	next = (next + 1) % RING;
	set32(e, RX + TAIL, next);
	set32(e, TX + TAIL, next);
	if (!until(ENGINE_MS, le32toh(sent[3]) & DONE))
		return -ETIMEDOUT;
	return until(ENGINE_MS, le32toh(received[3]) & DONE) ? 0 : -ENOMSG;
}

static void put(struct engine *e __attribute__((unused)), void *va, uint32_t token)
{
	uint8_t *frame = va;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\x02hostc\x88\xb5", 8);
	memcpy(frame + HEADER, &token, 4);
	fill(frame + HEADER + 4, FRAME - HEADER - 4, token);
}

static uint32_t token(struct engine *e __attribute__((unused)), const void *va)
{
	const uint8_t *frame = va;
	uint32_t is;

	memcpy(&is, frame + HEADER, 4);
	return filled(frame + HEADER + 4, FRAME - HEADER - 4, is) ? is : 0;
}

static int start(struct engine *e)
{
	next = 0;
	set32(e, CTRL, CTRL_LINK);
	if (!until(ENGINE_MS, get32(e, STATUS) & STATUS_LINK_UP))
		return -ENETDOWN;
	/* QEMU's cards keep these over a reset. */
	set32(e, RXCSUM, 0);
	set32(e, RFCTL, 0);
	set32(e, MRQC, 0);
	set32(e, RCTL, RCTL_VALUE);
	set32(e, TCTL, TCTL_VALUE);
	start_queue(e, RX, e->own_iova + RX_RING);
	start_queue(e, TX, e->own_iova + TX_RING);
	e->tokens = 0x7fffffff;
	e->span = FRAME;
	e->reads = true;
	snprintf(e->what, sizeof(e->what), "e1000e in loopback");
	return 0;
}

const struct engine_ops e1000e_engine = {
	.name = "e1000e", .reset = reset, .start = start, .put = put, .copy = copy, .token = token,
};
