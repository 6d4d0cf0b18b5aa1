// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all engines have in common: the device's files and registers, its memory, the
 * questions that the rows ask, and a way back after an access that the bridge refused.
 *
 * Registers go through the device's file and not through a mapping. So they work
 * on each page size and in each byte order.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostcheck.h"

#define PCI_ID			0x00
#define PCI_COMMAND		0x04
#define  PCI_COMMAND_MEMORY	0x2
#define  PCI_COMMAND_MASTER	0x4
#define PCI_CLASS		0x08

/* 82574, 82567, 82583, 82571, 82572: what QEMU has is the first */
static const uint16_t e1000e_ids[] = { 0x10d3, 0x10f6, 0x150c, 0x105e, 0x10b9, 0x10a4, 0x10bc };

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

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

static const struct engine_ops *find(struct engine *e)
{
	uint32_t class = config_get(e, PCI_CLASS) >> 8, id = config_get(e, PCI_ID);
	size_t i;

	if (class == 0x010802)
		return &nvme_engine;
	if (class == 0x0c0330)
		return &xhci_engine;
	for (i = 0; i < sizeof(e1000e_ids) / sizeof(*e1000e_ids); i++)
		if (id == ((uint32_t)e1000e_ids[i] << 16 | 0x8086))
			return &e1000e_engine;
	skip("there is no engine for devices %04x:%04x", id & 0xffff, id >> 16);
}

int restart(struct engine *e)
{
	uint16_t cmd = htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			       (config_get(e, PCI_COMMAND) & 0xffff));

	if (pwrite(e->fd, &cmd, 2, e->config + PCI_COMMAND) != 2)
		return -EIO;
	/* It is frozen, or gone. */
	if (get32(e, 0) == ~0u)
		return -EIO;
	return e->ops->start(e);
}

static uint8_t *some_memory(struct tce *t, size_t size)
{
	uint8_t *mem = alloc(size, SMALL);

	allow(t, mem, size);
	return mem;
}

void begin_at(struct engine *e, struct tce *t, size_t size, uint64_t start)
{
	int rc;

	memset(e, 0, sizeof(*e));
	e->t = t;
	e->fd = __raw(t->group, VFIO_GROUP_GET_DEVICE_FD, host.device[0].pci);
	expect(e->fd >= 0);
	expect_rc(0, region_offset(e->fd, VFIO_PCI_CONFIG_REGION_INDEX, &e->config));
	e->ops = find(e);
	expect_rc(0, region_offset(e->fd, VFIO_PCI_BAR0_REGION_INDEX, &e->bar));
	e->own = some_memory(t, ENGINE_OWN);
	e->own_iova = start + 16 * MiB;
	map(t->container, e->own, e->own_iova, ENGINE_OWN, RW);
	rc = restart(e);
	if (rc)
		fail(__FILE__, __LINE__, "%s %s does not start: %s", e->ops->name,
		     host.device[0].pci, strerrorname_np(-rc));
	e->iova = e->own_iova + 16 * MiB;
	e->size = size;
	e->mem = some_memory(t, size);
}

void begin(struct engine *e, struct tce *t, size_t size)
{
	begin_at(e, t, size, t->info.dma32_window_start);
}

void end(struct engine *e)
{
	if (e->ops->stop(e))
		note("the device does not stop");
	close(e->fd);
	unmap(e->t->container, e->own_iova, ENGINE_OWN);
}

void map_all(struct engine *e, uint32_t flags)
{
	map(e->t->container, e->mem, e->iova, e->size, flags);
}

/* Never 0, which is what fresh memory has. */
static uint32_t next_token(struct engine *e)
{
	static uint32_t last;

	do {
		last++;
	} while (!(last & e->tokens));
	return last & e->tokens;
}

/* Rows that need a device which tells what it read look at e->reads first. */
bool engine_reads(struct engine *e, uint64_t iova, void *va)
{
	uint32_t token = next_token(e), seen = 0;

	expect(e->reads);
	e->ops->put(e, va, token);
	return !e->ops->read(e, iova, &seen) && seen == token;
}

bool engine_writes(struct engine *e, uint64_t iova, void *va)
{
	static unsigned int seed = 1000;
	uint32_t token = next_token(e);
	int rc;

	fill(va, e->span, ++seed);
	rc = e->ops->write(e, iova, token);
	if (e->ops->got(e, va, token)) {
		expect_rc(0, rc);
		return true;
	}
	if (!filled(va, e->span, seed))
		fail(__FILE__, __LINE__, "memory at IOVA %#llx changed in part",
		     (unsigned long long)iova);
	return false;
}

bool reaches(struct engine *e, uint64_t iova, void *va)
{
	return engine_writes(e, iova, va) && (!e->reads || engine_reads(e, iova, va));
}

static bool frozen(struct tce *t)
{
	long state;

	if (__check_extension(t->container, VFIO_EEH) <= 0)
		return false;
	state = __eeh(t->container, VFIO_EEH_PE_GET_STATE);
	expect(state >= 0);
	return state != VFIO_EEH_PE_STATE_NORMAL;
}

void eeh_reset(struct tce *t, uint32_t kind)
{
	expect_rc(0, __eeh(t->container, kind));
	nap(250);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_RESET_DEACTIVATE));
	/* What PCI gives a device until it has to answer. */
	nap(1000);
	expect_rc(0, __eeh(t->container, VFIO_EEH_PE_CONFIGURE));
	expect_rc(VFIO_EEH_PE_STATE_NORMAL, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
}

void recover(struct engine *e)
{
	/* Emulated bridges never stop a device. There a test says how that is done. */
	const char *stray = getenv("HOSTCHECK_STRAY");

	if (stray)
		expect(!system(stray));
	if (frozen(e->t)) {
		eeh_reset(e->t, VFIO_EEH_PE_RESET_HOT);
		note("EEH: 1 freeze, from which the device came back");
	}
	expect_rc(0, restart(e));
}
