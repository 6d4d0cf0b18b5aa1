// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations that are mapped, or that two containers share.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

/*
 * Two containers of one process that use the same memory: it is pinned and
 * charged once, and is there until both are done with it.
 */
static void shared_region(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	struct vfio_iommu_spapr_tce_info info;
	uint64_t before = locked();
	int other = open_container();

	set_container(t->group2, other);
	set_iommu(other, V2_IOMMU);
	get_info(other, &info);

	register_mem(t->container, mem, CHUNK);
	expect_eq(before + CHUNK, locked());
	expect_rc(-EINVAL, __register(other, mem, CHUNK / 2));
	expect_rc(-ENOENT, __unregister(other, mem, CHUNK));
	register_mem(other, mem, CHUNK);
	expect_eq(before + CHUNK, locked());
	expect_rc(-EBUSY, __register(other, mem, CHUNK));

	unregister_mem(t->container, mem, CHUNK);
	expect_rc(-ENOENT, __unregister(t->container, mem, CHUNK));
	expect_eq(before + CHUNK, locked());
	unregister_mem(other, mem, CHUNK);
	expect_eq(before, locked());
}

/* Closing one of them does not take the memory from the other. */
static void shared_region_close(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();
	int other = open_container();

	set_container(t->group2, other);
	set_iommu(other, V2_IOMMU);
	register_mem(t->container, mem, CHUNK);
	register_mem(other, mem, CHUNK);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unset_container(t->group2);
	close(other);
	expect(can_write(t, base(t), mem));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, CHUNK);
	unmap(t->container, t->bounce_iova, CHUNK);
	unregister_mem(t->container, t->bounce, CHUNK);
	remove_window(t->container, t->info.dma32_window_start);
	expect_eq(before, locked());
}

/* What the container maps of it goes with it, and nothing else does. */
static void unregister_mapped(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK), *stays = alloc(CHUNK, CHUNK);
	uint64_t before;

	bounce_at(t, base(t) - CHUNK);
	register_mem(t->container, stays, CHUNK);
	map(t->container, stays, base(t), CHUNK, RW);
	before = locked();
	register_mem(t->container, mem, 2 * CHUNK);
	map(t->container, mem + CHUNK, base(t) + CHUNK, 4096, RW);
	map(t->container, mem, base(t) + 16 * MiB, CHUNK, RW);
	expect(can_write(t, base(t) + CHUNK, mem + CHUNK));
	unregister_mem(t->container, mem, 2 * CHUNK);
	expect_eq(before, locked());
	expect(!can_write(t, base(t) + CHUNK, mem + CHUNK));
	expect(!can_write(t, base(t) + 16 * MiB, mem));
	expect(can_write(t, base(t), stays));
	expect_rc(-ENOENT, __unregister(t->container, mem, 2 * CHUNK));
	expect_rc(-EINVAL, __map(t->container, mem, base(t) + CHUNK, 4096, RW));
	/* Clients of old unmap it now. */
	unmap(t->container, base(t) + CHUNK, CHUNK);
}

/*
 * Memory that is given up while it is mapped, and something else comes to its address,
 * as when QEMU unplugs memory and plugs in other.
 */
static void plug_in(struct tce *t, uint8_t *mem, size_t old, size_t new)
{
	uint8_t *parts[] = { mem, mem + (old < new ? old : new) - CHUNK };
	uint64_t before = locked();
	size_t i;

	register_mem(t->container, mem, old);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), old, RW);
	expect(can_write(t, base(t), mem));
	unregister_mem(t->container, mem, old);
	expect(!munmap(mem, old));
	expect(mmap(mem, new, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	memset(mem, 0, new);
	expect(!can_write(t, base(t), mem));
	register_mem(t->container, mem, new);
	map(t->container, mem, base(t) + 16 * MiB, new, RW);
	for (i = 0; i < 2; i++) {
		expect(can_write(t, base(t) + 16 * MiB + (parts[i] - mem),
				 parts[i]));
		expect(!can_write(t, base(t) + (parts[i] - mem), parts[i]));
	}
	unmap(t->container, base(t), 32 * MiB);
	unregister_mem(t->container, mem, new);
	unmap(t->container, t->bounce_iova, CHUNK);
	unregister_mem(t->container, t->bounce, CHUNK);
	remove_window(t->container, t->info.dma32_window_start);
	expect_eq(before, locked());
}

static void plug_in_same(struct tce *t)
{
	plug_in(t, alloc(8 * CHUNK, CHUNK), 4 * CHUNK, 4 * CHUNK);
}

static void plug_in_larger(struct tce *t)
{
	plug_in(t, alloc(8 * CHUNK, CHUNK), 4 * CHUNK, 8 * CHUNK);
}

/*
 * A little memory that is mapped so often that it takes more addresses than the host
 * has memory, as persistent memory may be larger than that.
 */
static void more_than_ram(struct tce *t)
{
	const uint64_t piece = 4 * MiB, before = locked();
	uint64_t size = ram() / piece * piece + 2 * piece, at;
	long pins = pinned();
	uint8_t *mem;
	int fd;

	fd = memfd_create("small", MFD_CLOEXEC);
	if (fd < 0)
		skip("this kernel has no memfd_create()");
	expect(!ftruncate(fd, piece));
	mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_NORESERVE, -1, 0);
	expect(mem != MAP_FAILED);
	for (at = 0; at < size; at += piece)
		expect(mmap(mem + at, piece, PROT_READ | PROT_WRITE, MAP_SHARED |
			    MAP_FIXED, fd, 0) == mem + at);
	memset(mem, 0, piece);
	register_mem(t->container, mem, size);
	expect_eq(before + size, locked());
	/* The last of it is the first of it. */
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem + size - CHUNK, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem + piece - CHUNK));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, size);
	if (pins >= 0)
		pins += CHUNK / host.page;	/* the bounce page's */
	expect_rc(pins, pinned_settled(pins));
}

/* A MAP has replaced what was there: UNREGISTER of that takes the new mappings not along. */
static void unregister_replacing(struct tce *t)
{
	uint8_t *old = alloc(CHUNK, CHUNK), *new = alloc(CHUNK, CHUNK);

	register_mem(t->container, old, CHUNK);
	register_mem(t->container, new, CHUNK);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, old, base(t), CHUNK, RW);
	/* Half of it is still the old memory. */
	map(t->container, new, base(t), CHUNK / 2, RW);
	unregister_mem(t->container, old, CHUNK);
	expect(can_write(t, base(t), new));
	expect(!can_write(t, base(t) + CHUNK / 2, old + CHUNK / 2));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, new, CHUNK);
}

/*
 * Mapped by one container, registered by both: the last to let go is refused while the
 * other one maps it.
 */
static void shared_region_mapped(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	int other = open_container();

	set_container(t->group2, other);
	set_iommu(other, V2_IOMMU);
	register_mem(t->container, mem, CHUNK);
	register_mem(other, mem, CHUNK);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unregister_mem(t->container, mem, CHUNK);
	expect(can_write(t, base(t), mem));
	expect_rc(-EBUSY, __unregister(other, mem, CHUNK));
	expect(can_write(t, base(t), mem));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(other, mem, CHUNK);
}

static const struct test rows[] = {
	{ "two containers share one registration", shared_region, V2 | TWO },
	{ "a container that closes leaves the other's registration",
	  shared_region_close, V2 | TWO | DMA },
	{ "REGISTER of more than the host has memory", more_than_ram, V2 | DMA },
	{ "UNREGISTER of mapped memory unmaps it", unregister_mapped,
	  V2 | DMA | DANGEROUS },
	{ "what comes to the address of mapped memory can be registered",
	  plug_in_same, V2 | DMA | DANGEROUS },
	{ "more may come to the address of mapped memory", plug_in_larger,
	  V2 | DMA | DANGEROUS },
	{ "UNREGISTER leaves what MAP has put in its place", unregister_replacing,
	  V2 | DMA | DANGEROUS },
	{ "shared memory that is mapped is held by the last registration",
	  shared_region_mapped, V2 | TWO | DMA | DANGEROUS },
};

const struct rows mapped_rows = ROWS(rows);
