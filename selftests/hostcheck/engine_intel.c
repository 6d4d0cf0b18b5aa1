// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel's network cards of the e1000e and igb kinds, in loopback: a frame that is
 * sent comes back at once, and nothing gets to the wire. Sending reads memory,
 * receiving writes it, and the bytes are free to choose.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>

#include "engine.h"

#define CTRL			0x00000
#define  CTRL_DUPLEX		1u
#define  CTRL_LINK_UP		(1u << 6)
#define  CTRL_1000		(2u << 8)
#define  CTRL_FORCE		(3u << 11)	/* speed and duplex */
#define  CTRL_RESET		(1u << 26)
#define STATUS			0x00008
#define  STATUS_LINK_UP		(1u << 1)
#define MDIC			0x00020		/* the way to the PHY's registers */
#define  MDIC_READY		(1u << 28)
/* Write to register 0 of PHY 1: negotiate, again. */
#define  MDIC_NEGOTIATE		(1u << 26 | 1u << 21 | 0x1340u)
#define ICS			0x000c8			/* e1000e: makes a cause */
#define IMS			0x000d0
#define IMC			0x000d8
#define  CAUSE			(1u << 2)		/* link status */
#define GPIE			0x01514			/* igb: by vectors of MSI-X */
#define  GPIE_MSIX		(1u << 4)
#define EICS			0x01520			/* makes vectors interrupt */
#define EIMS			0x01524
#define  VECTOR_0		1u
#define RCTL			0x00100
/* On; all addresses, broadcasts too; loopback of the MAC; the checksum is cut off. */
#define  RCTL_VALUE		(1u << 1 | 3u << 3 | 1u << 6 | 1u << 15 | 1u << 26)
#define TCTL			0x00400
#define  TCTL_VALUE		(1u << 1 | 1u << 3 | 0xfu << 4 | 0x3fu << 12)

/* What the form of descriptors and the choice of a queue depend on: nothing special. */
#define RXCSUM			0x05000
#define RFCTL			0x05008
#define MRQC			0x05818

/* A queue, from where its registers begin */
#define BASE			0x00
#define LENGTH			0x08
#define SRRCTL			0x0c		/* igb, of what is received */
#define  SRRCTL_VALUE		(1u << 25 | 2)	/* advanced descriptors, 2 KiB */
#define HEAD			0x10
#define TAIL			0x18
#define DCTL			0x28
#define  DCTL_ENABLE		(1u << 25)

/* Both kinds of descriptors of what is sent: where the length is, and what to do. */
#define SEND_LEGACY		(0xbu << 24)
#define SEND_ADVANCED		(0x2bu << 24 | 3u << 20)
#define DONE			1u

#define RING			8
#define FRAME			256
#define HEADER			14

/* In the engine's own memory */
#define RX_RING			0
#define TX_RING			(4 * KiB)
#define RX_DATA			(64 * KiB)
#define TX_DATA			(128 * KiB)

static struct {
	bool igb;
	uint32_t rx, tx;		/* queue 0 */
	unsigned int next;
} card;

static const uint16_t e1000e_ids[] = { 0x10d3, 0x10f6, 0x150c, 0x105e, 0x10b9, 0x10a4, 0x10bc };
static const uint16_t igb_ids[] = {
	0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x1526, 0x150a, 0x1518, 0x150d,	/* 82576 */
	0x150e, 0x150f, 0x1510, 0x1511, 0x1516,				/* 82580 */
	0x1521, 0x1522, 0x1523, 0x1524,					/* I350 */
	0x1533, 0x1536, 0x1537, 0x1538, 0x1539,				/* I210, I211 */
};

static bool is_among(uint16_t id, const uint16_t *ids, size_t count)
{
	while (count--)
		if (ids[count] == id)
			return true;
	return false;
}

static bool match(uint16_t vendor, uint16_t device,
		  uint32_t class __attribute__((unused)))
{
	if (vendor != 0x8086)
		return false;
	card.igb = is_among(device, igb_ids, sizeof(igb_ids) / sizeof(*igb_ids));
	return card.igb || is_among(device, e1000e_ids,
				    sizeof(e1000e_ids) / sizeof(*e1000e_ids));
}

static int start_queue(struct engine *e, uint32_t queue, uint64_t ring)
{
	engine_set64(e, queue + BASE, ring);
	engine_set32(e, queue + LENGTH, RING * 16);
	engine_set32(e, queue + HEAD, 0);
	engine_set32(e, queue + TAIL, 0);
	if (!card.igb)
		return 0;
	engine_set32(e, queue + DCTL, engine_get32(e, queue + DCTL) | DCTL_ENABLE);
	return until(ENGINE_MS, engine_get32(e, queue + DCTL) & DCTL_ENABLE) ? 0 : -ETIMEDOUT;
}

static int reset(struct engine *e)
{
	if (engine_get32(e, STATUS) == ~0u)
		return -EIO;
	engine_set32(e, IMC, ~0u);
	engine_set32(e, RCTL, 0);
	engine_set32(e, TCTL, 0);
	sleep_ms(10);
	engine_set32(e, CTRL, engine_get32(e, CTRL) | CTRL_RESET);
	sleep_ms(20);
	if (!until(ENGINE_MS, !(engine_get32(e, CTRL) & CTRL_RESET)))
		return -ETIMEDOUT;
	engine_set32(e, IMC, ~0u);
	return 0;
}

static void set_descriptor(struct engine *e, size_t ring, uint64_t data, uint32_t low,
			   uint32_t high)
{
	volatile uint32_t *d = (void *)(e->own + ring + card.next * 16);

	d[0] = htole32(data);
	d[1] = htole32(data >> 32);
	d[2] = htole32(low);
	d[3] = htole32(high);
}

/*
 * Sends the frame at @from, and lets it be received at @to. -ETIMEDOUT: it was not
 * sent, -ENOMSG: it did not come back.
 */
static int transfer(struct engine *e, uint64_t from, uint64_t to)
{
	volatile uint32_t *sent = (void *)(e->own + TX_RING + card.next * 16);
	volatile uint32_t *received = (void *)(e->own + RX_RING + card.next * 16);
	unsigned int place = card.igb ? 2 : 3, tail = (card.next + 1) % RING;

	set_descriptor(e, RX_RING, to, 0, 0);
	set_descriptor(e, TX_RING, from, FRAME | (card.igb ? SEND_ADVANCED : SEND_LEGACY),
		       card.igb ? FRAME << 14 : 0);
	engine_set32(e, card.rx + TAIL, tail);
	engine_set32(e, card.tx + TAIL, tail);
	card.next = tail;
	if (!until(ENGINE_MS, le32toh(sent[3]) & DONE))
		return -ETIMEDOUT;
	return until(ENGINE_MS, le32toh(received[place]) & DONE) ? 0 : -ENOMSG;
}

static void put(struct engine *e __attribute__((unused)), void *va, uint32_t token)
{
	uint8_t *frame = va;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\x02hostc\x88\xb5", 8);
	memcpy(frame + HEADER, &token, 4);
	fill(frame + HEADER + 4, FRAME - HEADER - 4, token);
}

static bool got(struct engine *e __attribute__((unused)), const void *va,
		uint32_t token)
{
	const uint8_t *frame = va;

	return !memcmp(frame + HEADER, &token, 4) &&
	       filled(frame + HEADER + 4, FRAME - HEADER - 4, token);
}

static int read_memory(struct engine *e, uint64_t iova, uint32_t *token)
{
	int rc;

	memset(e->own + RX_DATA, 0, FRAME);
	rc = transfer(e, iova, e->own_iova + RX_DATA);
	if (rc)
		return rc;
	memcpy(token, e->own + RX_DATA + HEADER, 4);
	return got(e, e->own + RX_DATA, *token) ? 0 : -EIO;
}

static int write_memory(struct engine *e, uint64_t iova, uint32_t token)
{
	put(e, e->own + TX_DATA, token);
	return transfer(e, e->own_iova + TX_DATA, iova);
}

static int interrupt(struct engine *e)
{
	if (card.igb) {
		engine_set32(e, GPIE, GPIE_MSIX);
		engine_set32(e, EIMS, VECTOR_0);
		engine_set32(e, EICS, VECTOR_0);
	} else {
		engine_set32(e, IMS, CAUSE);
		engine_set32(e, ICS, CAUSE);
	}
	return 0;
}

/* A link without a cable is forced. QEMU's igb only has one after it negotiated. */
static int link_up(struct engine *e)
{
	engine_set32(e, CTRL, CTRL_DUPLEX | CTRL_LINK_UP | CTRL_1000 | CTRL_FORCE);
	if (until(100, engine_get32(e, STATUS) & STATUS_LINK_UP))
		return 0;
	engine_set32(e, MDIC, MDIC_NEGOTIATE);
	if (!until(ENGINE_MS, engine_get32(e, MDIC) & MDIC_READY))
		return -ETIMEDOUT;
	return until(5 * ENGINE_MS, engine_get32(e, STATUS) & STATUS_LINK_UP) ? 0 : -ENETDOWN;
}

static int start(struct engine *e)
{
	int rc = reset(e);

	if (rc)
		return rc;
	memset(e->own, 0, ENGINE_OWN);
	card.next = 0;
	card.rx = card.igb ? 0xc000 : 0x2800;
	card.tx = card.igb ? 0xe000 : 0x3800;
	rc = link_up(e);
	if (rc)
		return rc;
	/* QEMU's cards keep these over a reset. */
	engine_set32(e, RXCSUM, 0);
	engine_set32(e, RFCTL, 0);
	engine_set32(e, MRQC, 0);
	engine_set32(e, RCTL, RCTL_VALUE);
	engine_set32(e, TCTL, TCTL_VALUE);
	if (card.igb)
		engine_set32(e, card.rx + SRRCTL, SRRCTL_VALUE);
	rc = start_queue(e, card.rx, e->own_iova + RX_RING);
	if (!rc)
		rc = start_queue(e, card.tx, e->own_iova + TX_RING);
	e->tokens = 0x7fffffff;
	e->span = FRAME;
	e->reads = true;
	e->wide = true;
	e->kinds = card.igb ? ENGINE_MSIX : ENGINE_MSI;
	snprintf(e->what, sizeof(e->what), "%s, 8086:%04x, in loopback",
		 card.igb ? "igb" : "e1000e", e->device);
	if (rc)
		return rc;
	/* Is it in loopback? Better known before the rows ask for more. */
	put(e, e->own + TX_DATA, 1);
	return transfer(e, e->own_iova + TX_DATA, e->own_iova + RX_DATA);
}

static void stop(struct engine *e)
{
	if (reset(e))
		note("the card does not stop");
}

const struct engine_ops intel_engine = {
	.name = "intel", .match = match, .start = start, .stop = stop,
	.put = put, .read = read_memory, .write = write_memory, .got = got,
	.interrupt = interrupt,
};
