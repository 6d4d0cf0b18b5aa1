// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA windows of v2, as far as the fuzzer does not get: huge pages, a window of 2^46 bytes, the
 * host's own mappings, a function that comes.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "test.h"

static uint64_t first(const struct tce *t)
{
	return t->info.dma32_window_start;
}

/* A window of a size that is big enough for one page of TCEs on each platform. */
static uint64_t some_size(unsigned int shift)
{
	uint64_t size = (host.page / 8) << shift;

	return size > 256 * MiB ? size : 256 * MiB;
}

/* Page sizes, and the memory behind them. */

/*
 * Of 2 MiB: 6.12 with the hash MMU and 4K pages never comes back from pinning the second
 * 2 MiB of a 16 MiB page, whatever the driver.
 */
static void huge_backed(struct tce *t)
{
	uint8_t *mem = alloc_huge(4 * MiB, NULL);
	unsigned int shift;
	uint64_t start, page;

	remove_window(t->container, first(t));
	for (shift = 12; shift <= 21; shift++) {
		if (!has_shift(t, shift))
			continue;
		page = 1ULL << shift;
		create(t->container, shift, some_size(shift), 1, &start);
		register_mem(t->container, mem, 4 * MiB);
		/* The second page doubles as the bounce page. */
		t->bounce = mem + 2 * MiB;
		t->bounce_iova = start + 16 * MiB;
		map(t->container, t->bounce, t->bounce_iova, 2 * MiB, RW);
		map(t->container, mem, start + 32 * MiB, 2 * MiB, RW);
		expect(can_write(t, start + 32 * MiB, mem));
		expect(can_read(t, start + 34 * MiB - PROBE,
				mem + 2 * MiB - PROBE));
		expect(can_write(t, start + 33 * MiB - 512, mem + MiB - 512));
		if (page < 2 * MiB) {
			unmap(t->container, start + 32 * MiB, page);
			expect(!can_read(t, start + 32 * MiB, mem));
			expect(can_read(t, start + 32 * MiB + page, mem + page));
		}
		unmap(t->container, start, some_size(shift));
		expect(!can_write(t, start + 32 * MiB, mem));
		remove_window(t->container, start);
		unregister_mem(t->container, mem, 4 * MiB);
		note("page shift %u works with huge pages", shift);
	}
	t->bounce = NULL;
}

/* DPDK's window on a big machine: 2^46 bytes with little in it, and that is found in each level. */
static void unmap_huge(struct tce *t)
{
	uint64_t start, size = 1ULL << 46;
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	unsigned int shift = host.page == CHUNK ? 16 : 12;
	double begun;

	register_mem(t->container, mem, 2 * CHUNK);
	remove_window(t->container, first(t));
	create(t->container, shift, size, host.page == CHUNK ? 2 : 3, &start);
	bounce_at(t, start);
	/* Below 4 GiB there are other things on this bus. */
	map(t->container, mem, start + 5 * GiB, CHUNK, RW);
	map(t->container, mem, start + size / 2, CHUNK, RW);
	map(t->container, mem + CHUNK, start + size - CHUNK, CHUNK, RW);
	expect(can_write(t, start + 5 * GiB, mem));
	expect(can_write(t, start + size / 2, mem));
	expect(can_write(t, start + size - PROBE, mem + 2 * CHUNK - PROBE));
	begun = seconds();
	unmap(t->container, start, size);
	note("UNMAP of 2^46 bytes took %.2f s", seconds() - begun);
	expect(seconds() - begun < 20);
	bounce_at(t, start);
	expect(!can_read(t, start + size / 2, mem));
	expect(!can_write(t, start + size - CHUNK, mem + CHUNK));
	begun = seconds();
	remove_window(t->container, start);
	expect(seconds() - begun < 20);
}

/*
 * A driver of the host (module/host_map.c) leaves a page mapped in the host's window. A client
 * does not reach it, and keeps its own mapping there when the driver unmaps the page after all.
 */

#define HOST_MAP	"/sys/module/host_map/parameters/"
#define HOST_MAP_FILL	0x5a

/* Takes the device from vfio-pci, and maps a page for it. Return: its bus address */
static uint64_t map_as_host(const char *pci)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", pci);
	expect(write_to(path, "none") >= 0);
	expect(write_to("/sys/bus/pci/drivers/vfio-pci/unbind", pci) >= 0);
	expect(write_to(HOST_MAP "map", pci) >= 0);
	return read_number(HOST_MAP "handle", "");
}

static void left_by_the_host(struct tce *t)
{
	uint64_t handle = map_as_host(host.device[0].pci), start, iova;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	size_t i, seen = 0;

	expect(handle < 4 * GiB - MiB);
	expect(host_restore());
	attach(t, 2);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	remove_window(t->container, first(t));
	/* elsewhere in a partition, and on PowerNV where the host's window was */
	create(t->container, 12, 4 * GiB, 1, &start);
	bounce_at(t, start + 4 * GiB - MiB);
	memset(t->bounce, 0, EDU_MAX);
	edu_copy(&t->edu, handle, t->bounce_iova, EDU_MAX);
	for (i = 0; i < EDU_MAX; i++)
		seen += ((uint8_t *)t->bounce)[i] == HOST_MAP_FILL;
	expect_eq(0, seen);

	iova = start + handle - first(t);
	register_mem(t->container, mem, CHUNK);
	map(t->container, mem, iova, CHUNK, RW);
	expect(can_write(t, iova, mem));
	/* The kernel warns if it looks for the page in a window of the client's. */
	expect(write_to(HOST_MAP "unmap", host.device[0].pci) >= 0);
	expect(can_write(t, iova, mem));
	expect(can_read(t, iova, mem));
	unmap(t->container, iova, CHUNK);
	unregister_mem(t->container, mem, CHUNK);
}

/* Leaves a mapping where the host has its own, for the host to take away. */
static void use_window(void *arg)
{
	struct tce *t = arg;
	uint8_t *mem;

	attach(t, t->version);
	mem = alloc(CHUNK, CHUNK);
	allow(t, mem, CHUNK);
	map(t->container, mem, first(t), CHUNK, RW);
}

/*
 * After a client the host's driver has its window again: a device that addresses 32 bits reaches
 * what it is given there, and nothing of the client's.
 */
static void host_again(struct tce *t)
{
	const char *pci = host.device[0].pci;
	uint64_t handle;
	struct edu edu;
	long filled;

	expect(ends(spawn(true, use_window, t), 60));
	handle = map_as_host(pci);
	expect(handle < 4 * GiB);
	filled = read_number(HOST_MAP "filled", "");
	expect_rc(host.page / 2, filled);
	expect_rc(0, edu_open_host(&edu, 0));
	edu_copy(&edu, handle, handle + filled, KiB);
	expect_rc(filled + KiB, read_number(HOST_MAP "filled", ""));
	edu_close(&edu);
	expect(write_to(HOST_MAP "unmap", pci) >= 0);
}

/* A function that comes. */

static void expect_dma(struct tce *t, uint64_t a, uint64_t b, void *mem)
{
	expect(can_write(t, a, mem));
	expect(can_write(t, b, mem));
}

/* PowerNV takes the group from the host once more, if it is let. */
static void function_comes(struct tce *t)
{
	uint64_t start, low;
	void *mem;

	expect(host_second(0, false));
	attach(t, 2);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	low = base(t);
	mem = alloc(CHUNK, CHUNK);
	bounce_at(t, low - CHUNK);
	allow(t, mem, CHUNK);
	create(t->container, 12, 256 * MiB, 1, &start);
	map(t->container, mem, low, CHUNK, RW);
	map(t->container, mem, start, CHUNK, RW);
	expect_dma(t, low, start, mem);
	expect(host_second(0, true));
	expect_dma(t, low, start, mem);
	unmap(t->container, low, CHUNK);
	unmap(t->container, start, CHUNK);
	expect(!can_write(t, low, mem));
	expect(!can_write(t, start, mem));
	map(t->container, mem, low + CHUNK, CHUNK, RW);
	map(t->container, mem, start + CHUNK, CHUNK, RW);
	expect_dma(t, low + CHUNK, start + CHUNK, mem);
}

/* What failed leaves nothing. */

/* The window cannot be told to the caller, who could never remove it. */
static void result_unwritable(struct tce *t)
{
	struct vfio_iommu_spapr_tce_create *arg;
	uint64_t before, start;

	remove_window(t->container, first(t));
	before = locked();
	arg = alloc(host.page, host.page);
	arg->argsz = sizeof(*arg);
	arg->page_shift = 12;
	arg->window_size = 256 * MiB;
	arg->levels = 1;
	mprotect(arg, host.page, PROT_READ);
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE,
				 arg));
	expect_eq(before, locked());
	create(t->container, 12, 256 * MiB, 1, &start);
	expect_eq(first(t), start);
}

static const struct test tests[] = {
	{ "what the host has left mapped is not the client's, and is unmapped late for the host alone",
	  left_by_the_host, BARE | APART },
	{ "after a client the host has its own window", host_again, BOTH | APART },
	{ "IOMMU pages up to the size of the huge pages behind them",
	  huge_backed, V2 | DMA },
	{ "UNMAP of 2^46 bytes is quick", unmap_huge, V2 | DMA | POWERNV },
	{ "a function that comes to a claimed group takes no window away",
	  function_comes, V2 | POWERNV | APART },
	{ "CREATE that cannot return its result keeps nothing",
	  result_unwritable, V2 },
};

TEST_MAIN("windows", tests)
