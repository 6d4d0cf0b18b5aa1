// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all engines have in common: the device's files and registers, its memory, and what it is
 * told to read and write.
 *
 * Registers go through the device's file and not through a mapping. So they work
 * on each page size and in each byte order.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "hostcheck.h"

/* A device that is gone, or frozen, reads as ones. */
uint32_t get32(struct engine *e, uint32_t reg)
{
	uint32_t value;

	__sync_synchronize();
	if (pread(e->fd, &value, 4, e->bar + reg) != 4)
		return ~0u;
	__sync_synchronize();
	return le32toh(value);
}

/* What a write that fails means is seen by what the device does then. */
void set32(struct engine *e, uint32_t reg, uint32_t value)
{
	uint32_t le = htole32(value);

	__sync_synchronize();
	if (pwrite(e->fd, &le, 4, e->bar + reg) != 4)
		note("%s: register %#x can't be written: %m", e->ops->name, reg);
	__sync_synchronize();
}

void set64(struct engine *e, uint32_t reg, uint64_t value)
{
	set32(e, reg, value);
	set32(e, reg + 4, value >> 32);
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

	return pread(e->fd, &value, 4, e->config + at) == 4 ? le32toh(value) : ~0u;
}

/* scripts/hostcheck gives us no other devices of these classes than the engines know. */
static const struct engine_ops *find(struct engine *e)
{
	uint32_t class = config_get(e, PCI_CLASS_REVISION) >> 8;

	if (class == 0x010802)
		return &nvme_engine;
	if (class == 0x0c0330)
		return &xhci_engine;
	skip("there is no engine for devices of class %06x", class);
}

int restart(struct engine *e)
{
	uint16_t cmd = htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			       (config_get(e, PCI_COMMAND) & 0xffff));
	int rc;

	if (pwrite(e->fd, &cmd, 2, e->config + PCI_COMMAND) != 2)
		return -EIO;
	/* It is frozen, or gone. */
	if (get32(e, 0) == ~0u)
		return -EIO;
	rc = e->ops->reset(e);
	if (rc)
		return rc;
	memset(e->own, 0, ENGINE_OWN);
	rc = e->ops->start(e);
	/* Does it work? Better known before the tests ask for more. */
	return rc ?: write_token(e, e->own_iova + TARGET, e->own + TARGET, 1);
}

static uint8_t *some_memory(struct tce *t, size_t size, uint64_t iova)
{
	uint8_t *mem = alloc(size, SMALL);

	allow(t, mem, size);
	map(t->container, mem, iova, size, RW);
	return mem;
}

void begin(struct engine *e, struct tce *t, size_t size)
{
	int rc;

	memset(e, 0, sizeof(*e));
	e->t = t;
	e->fd = __raw(t->group, VFIO_GROUP_GET_DEVICE_FD, host.device[0].pci);
	expect(e->fd >= 0);
	expect_rc(0, region_offset(e->fd, VFIO_PCI_CONFIG_REGION_INDEX, &e->config));
	e->ops = find(e);
	expect_rc(0, region_offset(e->fd, VFIO_PCI_BAR0_REGION_INDEX, &e->bar));
	e->own_iova = t->info.dma32_window_start + 16 * MiB;
	e->own = some_memory(t, ENGINE_OWN, e->own_iova);
	rc = restart(e);
	if (rc)
		fail(__FILE__, __LINE__, "%s %s does not start: %s", e->ops->name,
		     host.device[0].pci, strerrorname_np(-rc));
	e->iova = e->own_iova + 16 * MiB;
	e->size = size;
	e->mem = some_memory(t, size, e->iova);
}

void end(struct engine *e)
{
	if (e->ops->reset(e))
		note("the device does not stop");
	close(e->fd);
	unmap(e->t->container, e->own_iova, ENGINE_OWN);
}

int read_token(struct engine *e, uint64_t iova, uint32_t *token)
{
	int rc;

	memset(e->own + TARGET, 0, e->span);
	rc = e->ops->copy(e, iova, e->own_iova + TARGET);
	if (rc)
		return rc;
	until(ENGINE_MS, (*token = e->ops->token(e, e->own + TARGET)));
	return *token ? 0 : -ETIMEDOUT;
}

int write_token(struct engine *e, uint64_t iova, void *va, uint32_t token)
{
	int rc;

	e->ops->put(e, e->own + SOURCE, token);
	rc = e->ops->copy(e, e->own_iova + SOURCE, iova);
	if (!rc && !until(ENGINE_MS, e->ops->token(e, va) == token))
		rc = -ETIMEDOUT;
	return rc;
}
