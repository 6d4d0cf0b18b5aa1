// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe: the admin queue alone, and no command that touches the medium.
 *
 * It writes memory by Identify Controller (4096 bytes that are known). It reads
 * memory by Set Features, Timestamp: eight bytes, which Get Features gives back. The
 * low part of a timestamp counts milliseconds, so a token is above it. A controller
 * without timestamps (before NVMe 1.3) can only write.
 *
 * The controller forgets both at its next reset, and no queue for I/O exists: no
 * byte of memory that the device reads by mistake can be taken for a command that
 * writes to the medium, since the admin queue is never remapped.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>

#include "hostcheck.h"

#define CAP			0x00
#define CC			0x14
#define  CC_ENABLE		1u
#define  CC_ENTRIES		(6u << 16 | 4u << 20)
#define CSTS			0x1c
#define  CSTS_READY		1u
#define  CSTS_FATAL		2u
#define AQA			0x24
#define ASQ			0x28
#define ACQ			0x30
#define DOORBELL		0x1000

#define ENTRIES			16
#define IDENTIFY		0x06
#define  CONTROLLER		1
#define SET_FEATURES		0x09
#define GET_FEATURES		0x0a
#define TIMESTAMP		0x0e
#define TOKEN_SHIFT		16	/* more than a minute, in milliseconds */

/* In the engine's own memory */
#define SQ			0
#define CQ			(128 * KiB)
#define KNOWN			(256 * KiB)	/* what Identify says */
#define PAGE			4096

static struct {
	unsigned int tail, head, phase;
	uint32_t stride;		/* between doorbells */
	uint16_t id;
} queue;

/* One command, to its end: 0, -EIO if the device refuses it, -ETIMEDOUT. */
static int admin(struct engine *e, uint8_t opcode, uint64_t data, uint32_t cdw10)
{
	volatile uint32_t *sqe = (void *)(e->own + SQ + queue.tail * 64);
	volatile uint32_t *cqe = (void *)(e->own + CQ + queue.head * 16);
	uint16_t status;
	int i;

	queue.id++;
	for (i = 0; i < 16; i++)
		sqe[i] = 0;
	sqe[0] = htole32(opcode | (uint32_t)queue.id << 16);
	sqe[6] = htole32(data);
	sqe[7] = htole32(data >> 32);
	sqe[10] = htole32(cdw10);
	queue.tail = (queue.tail + 1) % ENTRIES;
	set32(e, DOORBELL, queue.tail);
	if (!until(ENGINE_MS, (le32toh(cqe[3]) >> 16 & 1) == queue.phase))
		return -ETIMEDOUT;
	__sync_synchronize();
	status = le32toh(cqe[3]) >> 17;
	if ((le32toh(cqe[3]) & 0xffff) != queue.id)
		return -EPROTO;
	queue.head = (queue.head + 1) % ENTRIES;
	queue.phase ^= !queue.head;
	set32(e, DOORBELL + queue.stride, queue.head);
	return status & 0x7ff ? -EIO : 0;
}

/* The controller says how long it may take to be ready, or not ready. */
static unsigned int ready_ms(struct engine *e)
{
	return 500 * ((get32(e, CAP) >> 24) + 1);
}

static int reset(struct engine *e)
{
	set32(e, CC, get32(e, CC) & ~CC_ENABLE);
	return until(ready_ms(e), !(get32(e, CSTS) & CSTS_READY)) ? 0 : -ETIMEDOUT;
}

static int start(struct engine *e)
{
	const uint8_t *known = e->own + KNOWN;
	uint32_t cap2 = get32(e, CAP + 4), page = cap2 >> 16 & 15;
	int rc, i;

	memset(&queue, 0, sizeof(queue));
	queue.phase = 1;
	queue.stride = 4u << (cap2 & 15);
	set32(e, AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set64(e, ASQ, e->own_iova + SQ);
	set64(e, ACQ, e->own_iova + CQ);
	set32(e, CC, CC_ENABLE | CC_ENTRIES | page << 7);
	if (!until(ready_ms(e), get32(e, CSTS) & (CSTS_READY | CSTS_FATAL)))
		return -ETIMEDOUT;
	if (get32(e, CSTS) & CSTS_FATAL)
		return -EIO;
	rc = admin(e, IDENTIFY, e->own_iova + KNOWN, CONTROLLER);
	if (rc)
		return rc;
	snprintf(e->what, sizeof(e->what), "NVMe %.40s", known + 24);
	for (i = strlen(e->what); i && e->what[i - 1] == ' '; i--)
		e->what[i - 1] = '\0';
	e->reads = known[520] & 1 << 6;
	e->tokens = e->reads ? 0x7fffffff : 1;
	e->span = PAGE;
	return 0;
}

static void put(struct engine *e __attribute__((unused)), void *va, uint32_t token)
{
	uint64_t le = htole64((uint64_t)token << TOKEN_SHIFT);

	memcpy(va, &le, 8);
}

/* All of Identify, and over the first bytes of it the timestamp that was read. */
static int copy(struct engine *e, uint64_t from, uint64_t to)
{
	int rc = e->reads ? admin(e, SET_FEATURES, from, TIMESTAMP) : 0;

	rc = rc ?: admin(e, IDENTIFY, to, CONTROLLER);
	if (!rc && e->reads)
		rc = admin(e, GET_FEATURES, to, TIMESTAMP);
	return rc;
}

static uint32_t token(struct engine *e, const void *va)
{
	const uint8_t *is = va, *known = e->own + KNOWN;
	uint64_t le;

	if (memcmp(is + 8, known + 8, PAGE - 8))
		return 0;
	if (!e->reads)
		return !memcmp(is, known, 8);
	memcpy(&le, is, 8);
	return le64toh(le) << 16 >> 16 >> TOKEN_SHIFT;
}

const struct engine_ops nvme_engine = {
	.name = "nvme", .reset = reset, .start = start, .put = put, .copy = copy, .token = token,
};
