// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all engines have in common: the device's files and registers, the memory
 * that it keeps, and the two questions that the rows ask.
 *
 * Registers go through the device's file and not through a mapping. So they work
 * on each page size and in each byte order.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#define PCI_ID			0x00
#define PCI_COMMAND		0x04
#define  PCI_COMMAND_MEMORY	0x2
#define  PCI_COMMAND_MASTER	0x4
#define PCI_CLASS		0x08

static const struct engine_ops *const engines[] = {
	&edu_engine, &nvme_engine, &xhci_engine, &intel_engine,
};

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	const struct timespec nap = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};

	nanosleep(&nap, NULL);
}

/* A device that is gone, or frozen, reads as ones. */
uint32_t engine_get32(struct engine *e, uint32_t reg)
{
	uint32_t value;

	__sync_synchronize();
	if (pread(e->fd, &value, 4, e->bar + reg) != 4)
		return ~0u;
	__sync_synchronize();
	return le32toh(value);
}

/* What a write that fails means is seen by what the device does then. */
void engine_set32(struct engine *e, uint32_t reg, uint32_t value)
{
	uint32_t le = htole32(value);

	__sync_synchronize();
	if (pwrite(e->fd, &le, 4, e->bar + reg) != 4)
		note("%s: register %#x can't be written: %m", e->ops->name, reg);
	__sync_synchronize();
}

void engine_set64(struct engine *e, uint32_t reg, uint64_t value)
{
	engine_set32(e, reg, value);
	engine_set32(e, reg + 4, value >> 32);
}

static long region_offset(int fd, unsigned int index, uint64_t *offset)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	long rc = __raw(fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	*offset = info.offset;
	return rc < 0 ? rc : info.size ? 0 : -ENODEV;
}

static uint32_t config_get(struct engine *e, unsigned int at)
{
	uint32_t value;

	if (pread(e->fd, &value, 4, e->config + at) != 4)
		return ~0u;
	return le32toh(value);
}

static int find(struct engine *e)
{
	uint32_t id = config_get(e, PCI_ID), class = config_get(e, PCI_CLASS) >> 8;
	size_t i;

	e->vendor = id;
	e->device = id >> 16;
	for (i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		if (engines[i]->match(e->vendor, e->device, class)) {
			e->ops = engines[i];
			return 0;
		}
	}
	return -ENOTSUP;
}

/* The device may use memory from now on. */
static int enable_device(struct engine *e)
{
	uint16_t cmd = htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			       (config_get(e, PCI_COMMAND) & 0xffff));

	return pwrite(e->fd, &cmd, 2, e->config + PCI_COMMAND) == 2 ? 0 : -EIO;
}

int __engine_open(struct engine *e, struct tce *t, uint64_t own_iova)
{
	int rc;

	memset(e, 0, sizeof(*e));
	e->t = t;
	e->fd = __raw(t->group, VFIO_GROUP_GET_DEVICE_FD, host.device[0].pci);
	if (e->fd < 0)
		return e->fd;
	rc = region_offset(e->fd, VFIO_PCI_CONFIG_REGION_INDEX, &e->config);
	if (!rc)
		rc = find(e);
	if (!rc)
		rc = region_offset(e->fd, VFIO_PCI_BAR0_REGION_INDEX, &e->bar);
	if (!rc)
		rc = enable_device(e);
	if (rc)
		return rc;
	e->own = alloc(ENGINE_OWN, 64 * KiB);
	e->own_iova = own_iova;
	allow(t, e->own, ENGINE_OWN);
	map(t->container, e->own, own_iova, ENGINE_OWN, RW);
	return e->ops->start(e);
}

void engine_open(struct engine *e, struct tce *t, uint64_t own_iova)
{
	int rc = __engine_open(e, t, own_iova);

	if (rc == -ENOTSUP)
		skip("there is no engine for devices %04x:%04x", e->vendor, e->device);
	if (rc)
		fail(__FILE__, __LINE__, "%s %s does not start: %s",
		     e->ops ? e->ops->name : "device", host.device[0].pci,
		     strerrorname_np(-rc));
}

int engine_restart(struct engine *e)
{
	int rc = enable_device(e);

	return rc ?: e->ops->start(e);
}

/* The device must not use memory any more once that is let go. */
void engine_close(struct engine *e)
{
	e->ops->stop(e);
	close(e->fd);
	expect_rc(0, __unmap(e->t->container, e->own_iova, ENGINE_OWN));
}

/* Never 0, which is what fresh memory has. */
uint32_t engine_token(struct engine *e)
{
	static uint32_t last;

	do {
		last++;
	} while (!(last & e->tokens));
	return last & e->tokens;
}

/*
 * A device that can't tell what it read (e->reads) makes no row pass: rows that need
 * it look first.
 */
bool engine_reads(struct engine *e, uint64_t iova, void *va)
{
	uint32_t token = engine_token(e), seen = 0;
	int rc;

	expect(e->reads);
	e->ops->put(e, va, token);
	rc = e->ops->read(e, iova, &seen);
	return !rc && seen == token;
}

bool engine_writes(struct engine *e, uint64_t iova, void *va)
{
	static unsigned int seed = 1000;
	uint32_t token = engine_token(e);
	int rc;

	fill(va, e->span, ++seed);
	rc = e->ops->write(e, iova, token);
	if (e->ops->got(e, va, token)) {
		if (rc)
			fail(__FILE__, __LINE__, "it wrote, and says %s",
			     strerrorname_np(-rc));
		return true;
	}
	if (!filled(va, e->span, seed))
		fail(__FILE__, __LINE__, "memory at IOVA %#llx changed in part",
		     (unsigned long long)iova);
	return false;
}
