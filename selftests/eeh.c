// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH operations: that they get through to the platform and its answer back. What the driver
 * checks itself is in selftests/abi, and in KUnit's suite tce_eeh.
 */
#define _GNU_SOURCE
#include <asm/eeh.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define LONG_SIZE	40	/* INJECT_ERR takes the whole structure */

static void operation(struct tce *t, uint32_t op)
{
	expect_rc(0, __eeh(t->container, op));
}

static void expect_state(struct tce *t, long state)
{
	expect_rc(state, __eeh(t->container, VFIO_EEH_PE_GET_STATE));
}

/* Recovery as a guest does it. Return: the state in reset */
static long recover(struct tce *t, uint32_t reset)
{
	long state;

	operation(t, reset);
	state = __eeh(t->container, VFIO_EEH_PE_GET_STATE);
	note("state in reset: %ld", state);
	expect(state >= 0);
	operation(t, VFIO_EEH_PE_RESET_DEACTIVATE);
	operation(t, VFIO_EEH_PE_CONFIGURE);
	expect_state(t, VFIO_EEH_PE_STATE_NORMAL);
	return state;
}

/* Windows and mappings are not the reset's business. */
static void expect_works(struct tce *t, uint8_t *mem)
{
	edu_close(&t->edu);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	expect(can_write(t, base(t), mem));
	expect(can_read(t, base(t), mem));
}

static void resets(struct tce *t)
{
	uint8_t *mem;

	need_eeh(t);
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	operation(t, VFIO_EEH_PE_DISABLE);
	operation(t, VFIO_EEH_PE_ENABLE);
	recover(t, t->arg);
	expect_works(t, mem);
}

/*
 * The registers of the bridge that a device is behind (PHB4, PHB5). Its tables are
 * reached through an address and a data register; all are big endian.
 */
#define IODA_ADDR	0x220
#define IODA_DATA	0x228
#define PESTA		7	/* bit 0: the CPU's accesses are stopped */
#define PESTB		8	/* bit 0: DMA is stopped */
#define PEEV		20	/* a bit for each PE in trouble */
#define INJECT_CTL	0x2b0
#define INJECT_READ	(0x8ULL << 56)
#define INJECT_CFG	(0x10ULL << 56)
#define BIT0		(1ULL << 63)

struct bridge {
	volatile uint64_t *regs;
	unsigned int pe;
};

/* The devices here are QEMU's, and so is the bridge: a real one would not like this. */
static struct bridge bridge_open(int device)
{
	const char *pci = host.device[device].pci;
	struct bridge bridge;
	char path[80], *node;
	void *regs;
	int fd;

	if (geteuid())
		skip("the bridge is root's");
	if (find_line("/proc/cpuinfo", "POWER8"))
		skip("neither a PHB4 nor a PHB5");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/of_node", pci);
	node = realpath(path, NULL);
	expect(node);
	/* which has the address of its registers in its name */
	node = strstr(node, "/pciex@");
	expect(node);
	fd = open("/dev/mem", O_RDWR | O_SYNC);
	if (fd < 0)
		skip("no /dev/mem");
	regs = mmap(NULL, host.page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    strtoull(node + strlen("/pciex@"), NULL, 16));
	expect(regs != MAP_FAILED);
	close(fd);
	bridge.regs = regs;
	bridge.pe = read_hex(pci, "eeh_pe_config_addr");
	return bridge;
}

static volatile uint64_t *entry(struct bridge *bridge, uint64_t table,
				unsigned int index)
{
	bridge->regs[IODA_ADDR / 8] = htobe64(table << 48 | index);
	return &bridge->regs[IODA_DATA / 8];
}

static void set_entry(struct bridge *bridge, uint64_t table,
		      unsigned int index, uint64_t value)
{
	*entry(bridge, table, index) = htobe64(value);
}

static bool stopped(struct bridge *bridge, uint64_t table)
{
	return be64toh(*entry(bridge, table, bridge->pe)) & BIT0;
}

/*
 * What the hardware does after an error. The emulated bridge has the registers,
 * but never writes these by itself, and lets everything through to a PE that is
 * frozen.
 */
static void freeze(struct bridge *bridge)
{
	set_entry(bridge, PEEV, bridge->pe / 64, BIT0 >> (bridge->pe % 64));
	set_entry(bridge, PESTA, bridge->pe, BIT0);
	set_entry(bridge, PESTB, bridge->pe, BIT0);
}

/* From an injected error to a device that works, step by step. */
static void injected(struct tce *t)
{
	struct vfio_eeh_pe_op op = { .argsz = LONG_SIZE,
				     .op = VFIO_EEH_PE_INJECT_ERR };
	uint64_t iova = base(t);
	struct bridge bridge;
	uint8_t *mem;
	long state;

	need_eeh(t);
	bridge = bridge_open(0);
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, iova, CHUNK, RW);
	expect(can_write(t, iova, mem));
	operation(t, VFIO_EEH_PE_ENABLE);

	/* The firmware of PHB4 knows errors of accesses to the config space. */
	op.err.type = EEH_ERR_TYPE_32;
	op.err.func = EEH_ERR_FUNC_LD_CFG_ADDR;
	expect_rc(0, __raw(t->container, VFIO_EEH_PE_OP, &op));
	expect_eq(INJECT_CFG | INJECT_READ, be64toh(bridge.regs[INJECT_CTL / 8]));
	bridge.regs[INJECT_CTL / 8] = 0;

	/* Let free by halves */
	freeze(&bridge);
	expect_state(t, VFIO_EEH_PE_STATE_STOPPED);
	operation(t, VFIO_EEH_PE_UNFREEZE_IO);
	expect(!stopped(&bridge, PESTA) && stopped(&bridge, PESTB));
	expect_state(t, VFIO_EEH_PE_STATE_STOPPED_DMA);
	operation(t, VFIO_EEH_PE_UNFREEZE_DMA);
	expect(!stopped(&bridge, PESTA) && !stopped(&bridge, PESTB));
	expect_state(t, VFIO_EEH_PE_STATE_NORMAL);
	expect(can_read(t, iova, mem));

	/* Let free by a reset */
	freeze(&bridge);
	expect_state(t, VFIO_EEH_PE_STATE_STOPPED);
	state = recover(t, VFIO_EEH_PE_RESET_HOT);
	expect(state == VFIO_EEH_PE_STATE_RESET || state == VFIO_EEH_PE_STATE_STOPPED);
	expect(!stopped(&bridge, PESTA) && !stopped(&bridge, PESTB));
	set_entry(&bridge, PEEV, bridge.pe / 64, 0);
	expect_works(t, mem);
}

/* One group stands still, of the other only the DMA; then the other way round. */
static void worst_of_two(struct tce *t)
{
	struct bridge bridges[2];
	int turn;

	need_eeh(t);
	bridges[0] = bridge_open(0);
	bridges[1] = bridge_open(host.other);
	set_container(t->group2, t->container);
	operation(t, VFIO_EEH_PE_ENABLE);
	for (turn = 0; turn < 2; turn++) {
		freeze(&bridges[turn]);
		freeze(&bridges[!turn]);
		set_entry(&bridges[!turn], PESTA, bridges[!turn].pe, 0);
		expect_state(t, VFIO_EEH_PE_STATE_STOPPED_DMA);
		operation(t, VFIO_EEH_PE_UNFREEZE_IO);
		operation(t, VFIO_EEH_PE_UNFREEZE_DMA);
		expect_state(t, VFIO_EEH_PE_STATE_NORMAL);
		set_entry(&bridges[0], PEEV, bridges[0].pe / 64, 0);
		set_entry(&bridges[1], PEEV, bridges[1].pe / 64, 0);
	}
}

static const struct test tests[] = {
	{ "hot reset, and the device works again", resets, BOTH | DMA, .arg = VFIO_EEH_PE_RESET_HOT },
	{ "fundamental reset, and the device works again", resets, BOTH | DMA,
	  .arg = VFIO_EEH_PE_RESET_FUNDAMENTAL },
	{ "an injected error reaches the bridge, and its end the device", injected,
	  BOTH | DMA | POWERNV },
	{ "the state of two groups is the worst, whichever came first",
	  worst_of_two, V2 | TWO | POWERNV },
};

TEST_MAIN("eeh", tests)
