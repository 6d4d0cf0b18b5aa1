// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER and UNREGISTER, and the locked memory that is charged for them, for
 * tables and for ENABLE. Rows compare exact amounts before and after.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define CHUNK	(64 * KiB)

static uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

static void charge(struct tce *t)
{
	static const size_t sizes[] = { CHUNK, 3 * CHUNK, 16 * MiB };
	uint64_t before = locked();
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *mem = alloc(sizes[i], CHUNK);

		register_mem(t->container, mem, sizes[i]);
		expect_eq(before + sizes[i], locked());
		unregister_mem(t->container, mem, sizes[i]);
		expect_eq(before, locked());
	}
}

/* A mapping is paid for by its registration; only the table comes on top. */
static void map_is_free(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	before = locked();
	map(t->container, mem, base(t) + CHUNK, CHUNK, RW);
	map(t->container, mem, base(t), CHUNK, R);
	expect_eq(before, locked());
	unmap(t->container, base(t), 2 * CHUNK);
	expect_eq(before, locked());
}

static void pins(struct tce *t)
{
	const long pages = 4 * MiB / host.page;
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	long before = pinned();

	if (before < 0)
		skip("this kernel does not count pinned pages");
	register_mem(t->container, mem, 4 * MiB);
	expect_rc(before + pages, pinned_settled(before + pages));
	map(t->container, mem, base(t), 4 * MiB, RW);
	expect_rc(before + pages, pinned_settled(before + pages));
	unmap(t->container, base(t), 4 * MiB);
	unregister_mem(t->container, mem, 4 * MiB);
	expect_rc(before, pinned_settled(before));
}

/* The number after @key in @line; false if it is not there. */
static bool number_after(const char *line, const char *key, uint64_t *number)
{
	const char *at = strstr(line, key);

	if (at)
		*number = strtoull(at + strlen(key), NULL, 10);
	return at;
}

/* Memory that the system wants to be able to empty, in pages: [start, end). */
static void movable_zone(uint64_t *start, uint64_t *end)
{
	uint64_t spanned = 0;
	bool movable = false;
	char line[256];
	FILE *f = fopen("/proc/zoneinfo", "r");

	*start = *end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Node", 4))
			movable = strstr(line, "zone  Movable") != NULL;
		if (!movable)
			continue;
		number_after(line, "spanned", &spanned);
		if (number_after(line, "start_pfn:", start))
			*end = *start + spanned;
	}
	if (f)
		fclose(f);
}

/* How many of the pages of @mem are there; -1 if the kernel doesn't tell. */
static long pages_in_zone(uint8_t *mem, size_t size, uint64_t start,
			  uint64_t end)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry, pfn;
	long count = 0;
	size_t at;

	for (at = 0; at < size && count >= 0; at += host.page) {
		if (pread(fd, &entry, sizeof(entry),
			  ((uintptr_t)mem + at) / host.page * 8) !=
		    sizeof(entry))
			entry = 0;
		pfn = entry & ((1ULL << 55) - 1);
		if (!pfn)
			count = -1;
		else if (pfn >= start && pfn < end)
			count++;
	}
	close(fd);
	return count;
}

/*
 * Pages that a device is given stay where they are for as long as the client
 * likes, so they have no place in memory that is to be taken out of the machine.
 */
static void not_in_movable(struct tce *t)
{
	uint8_t *mem = alloc(MiB, CHUNK);
	uint64_t start, end;

	movable_zone(&start, &end);
	if (start == end)
		skip("this host has no movable memory (movablecore=512M)");
	if (pages_in_zone(mem, MiB, start, end) <= 0)
		skip("where memory lies is for root to see");
	allow(t, mem, MiB);
	map(t->container, mem, base(t), MiB, RW);
	expect_rc(0, pages_in_zone(mem, MiB, start, end));
	bounce_at(t, base(t) - CHUNK);
	expect(can_write(t, base(t), mem));
	expect(can_read(t, base(t) + MiB - PROBE, mem + MiB - PROBE));
}

static void register_twice(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, 2 * CHUNK);
	before = locked();
	expect_rc(-EBUSY, __register(t->container, mem, 2 * CHUNK));
	expect_rc(-EBUSY, __register(t->container, mem, 2 * CHUNK));
	expect_eq(before, locked());
	/* The refusals count for nothing: one UNREGISTER is enough. */
	unregister_mem(t->container, mem, 2 * CHUNK);
	expect_eq(before - 2 * CHUNK, locked());
	expect_rc(-ENOENT, __unregister(t->container, mem, 2 * CHUNK));
}

static void overlaps(struct tce *t)
{
	uint8_t *mem = alloc(6 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem + 2 * CHUNK, 2 * CHUNK);
	before = locked();
	expect_rc(-EINVAL, __register(t->container, mem + CHUNK, 2 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 3 * CHUNK, 2 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2 * CHUNK, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 3 * CHUNK, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, 6 * CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2 * CHUNK, 3 * CHUNK));
	expect_eq(before, locked());
	/* Neighbours do not overlap. */
	register_mem(t->container, mem, 2 * CHUNK);
	register_mem(t->container, mem + 4 * CHUNK, 2 * CHUNK);
	expect_eq(before + 4 * CHUNK, locked());
}

static void exact_bounds(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, 4 * CHUNK);
	before = locked();
	expect_rc(-ENOENT, __unregister(t->container, mem, CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem + CHUNK, CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem, 8 * CHUNK));
	expect_rc(-ENOENT, __unregister(t->container, mem + 64 * CHUNK, CHUNK));
	expect_eq(before, locked());
	map(t->container, mem, base(t), 4 * CHUNK, RW);
}

static void misaligned(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	expect_rc(-EINVAL, __register(t->container, mem + 1, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem + 2048, CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, host.page - 1));
	expect_rc(-EINVAL, __register(t->container, mem, host.page + 2048));
	register_mem(t->container, mem, CHUNK);
	expect_rc(-EINVAL, __unregister(t->container, mem + 1, CHUNK));
	expect_rc(-EINVAL, __unregister(t->container, mem, CHUNK - 1));
	expect_eq(before + CHUNK, locked());
}

static void wraps(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	expect_rc(-EINVAL, __register(t->container, mem, -CHUNK));
	expect_rc(-EINVAL, __register(t->container, mem, -(uint64_t)(uintptr_t)mem + CHUNK));
	expect_rc(-EINVAL, __register(t->container, (void *)-CHUNK, 2 * CHUNK));
	expect_eq(before, locked());
}

static void nothing(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	expect_rc(-EINVAL, __register(t->container, mem, 0));
}

/* Refused with an errno, not with the number of pages that were found. */
static void no_memory_there(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);
	uint64_t before = locked();
	long pins = pinned();

	munmap(mem + 2 * CHUNK, CHUNK);
	mprotect(mem + 3 * CHUNK, CHUNK, PROT_NONE);
	expect_rc(-EFAULT, __register(t->container, mem + 2 * CHUNK, CHUNK));
	expect_rc(-EFAULT, __register(t->container, mem + 3 * CHUNK, CHUNK));
	expect_rc(-EFAULT, __register(t->container, NULL, CHUNK));
	expect_eq(before, locked());
	expect_rc(-EFAULT, __register(t->container, mem, 3 * CHUNK));
	expect_rc(-EFAULT, __register(t->container, mem + CHUNK, 3 * CHUNK));
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	register_mem(t->container, mem, 2 * CHUNK);
}

static void readonly_memory(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	mprotect(mem, CHUNK, PROT_READ);
	expect_rc(-EFAULT, __register(t->container, mem, CHUNK));
	expect_eq(before, locked());
}

static void many_regions(struct tce *t)
{
	const int n = 512;
	uint8_t *mem = alloc(2 * n * host.page, CHUNK);
	uint64_t before = locked();
	int i;

	/* Every other page, so that none are neighbours. */
	for (i = 0; i < n; i++)
		register_mem(t->container, mem + 2 * i * host.page, host.page);
	expect_eq(before + n * host.page, locked());
	for (i = 0; i < n; i++)
		map(t->container, mem + 2 * i * host.page, base(t) + i * host.page,
		    host.page, RW);
	for (i = 0; i < n; i++)
		expect_rc(-EBUSY, __register(t->container,
					     mem + 2 * i * host.page, host.page));
	unmap(t->container, base(t), n * host.page);
	for (i = n - 1; i >= 0; i--)
		unregister_mem(t->container, mem + 2 * i * host.page, host.page);
}

static void register_cycles(struct tce *t)
{
	uint8_t *mem = alloc(MiB, CHUNK);
	uint64_t before = locked(), free = mem_free();
	long pins = pinned();
	int i;

	for (i = 0; i < 500; i++) {
		register_mem(t->container, mem, MiB);
		unregister_mem(t->container, mem, MiB);
	}
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	expect(mem_free_returns(free - 16 * MiB));
}

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

static void unregister_mapped(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before;

	register_mem(t->container, mem, 2 * CHUNK);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem + CHUNK, base(t), 4096, RW);
	before = locked();
	expect_rc(-EBUSY, __unregister(t->container, mem, 2 * CHUNK));
	expect_rc(-EBUSY, __unregister(t->container, mem, 2 * CHUNK));
	/* Nothing changed: it is mapped, registered and can be mapped. */
	expect_eq(before, locked());
	expect(can_write(t, base(t), mem + CHUNK));
	/* The client may want it again, but not twice. */
	register_mem(t->container, mem, 2 * CHUNK);
	expect_rc(-EBUSY, __register(t->container, mem, 2 * CHUNK));
	map(t->container, mem, base(t) + CHUNK, CHUNK, RW);
	expect(can_write(t, base(t) + CHUNK, mem));

	unmap(t->container, base(t), CHUNK);
	expect_rc(-EBUSY, __unregister(t->container, mem, 2 * CHUNK));
	unmap(t->container, base(t) + CHUNK, CHUNK);
	unregister_mem(t->container, mem, 2 * CHUNK);
	expect_eq(before - 2 * CHUNK, locked());
}

/*
 * Memory that is given up while it is mapped, and something else comes to its address,
 * as when QEMU unplugs memory and plugs in other. UNREGISTER can't let go of it, but
 * what is there now can be registered.
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
	expect_rc(-EBUSY, __unregister(t->container, mem, old));
	expect(!munmap(mem, old));
	expect(mmap(mem, new, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	memset(mem, 0, new);
	/* The old mappings lead to what was given up. */
	expect(!can_write(t, base(t), mem));
	register_mem(t->container, mem, new);
	map(t->container, mem, base(t) + 16 * MiB, new, RW);
	for (i = 0; i < 2; i++) {
		expect(can_write(t, base(t) + 16 * MiB + (parts[i] - mem),
				 parts[i]));
		expect(can_read(t, base(t) + 16 * MiB + (parts[i] - mem),
				parts[i]));
		expect(!can_write(t, base(t) + (parts[i] - mem), parts[i]));
	}
	/* Over the old ones, too. */
	map(t->container, mem, base(t), old < new ? old : new, RW);
	expect(can_write(t, base(t), mem));
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

static void plug_in_smaller(struct tce *t)
{
	plug_in(t, alloc(8 * CHUNK, CHUNK), 4 * CHUNK, 2 * CHUNK);
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

static void unregister_replacing(struct tce *t)
{
	uint8_t *old = alloc(CHUNK, CHUNK), *new = alloc(CHUNK, CHUNK);

	register_mem(t->container, old, CHUNK);
	register_mem(t->container, new, CHUNK);
	map(t->container, old, base(t), CHUNK, RW);
	/* Half of it is still the old memory. */
	map(t->container, new, base(t), CHUNK / 2, RW);
	expect_rc(-EBUSY, __unregister(t->container, old, CHUNK));
	expect_rc(-EBUSY, __unregister(t->container, new, CHUNK));
	map(t->container, new, base(t), CHUNK, RW);
	unregister_mem(t->container, old, CHUNK);
	expect_rc(-EBUSY, __unregister(t->container, new, CHUNK));
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, new, CHUNK);
}

/* Mapped by one container, registered by both: the last to let go is refused. */
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

/*
 * Limits. Root is above them, so these rows give up root, with the group open.
 */
static void limited(uint64_t more)
{
	set_memlock(locked() + more);
	drop_root();
}

static void limit_register(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before = locked();

	limited(CHUNK + host.page - 1);
	expect_rc(-ENOMEM, __register(t->container, mem, 2 * CHUNK));
	expect_rc(-ENOMEM, __register(t->container, mem, CHUNK + host.page));
	expect_eq(before, locked());
	register_mem(t->container, mem, CHUNK);
	expect_rc(-ENOMEM, __register(t->container, mem + CHUNK, host.page));
	unregister_mem(t->container, mem, CHUNK);
	expect_eq(before, locked());
	register_mem(t->container, mem + CHUNK, CHUNK);
}

static void limit_register_root(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);

	if (geteuid())
		skip("needs CAP_IPC_LOCK");
	set_memlock(0);
	register_mem(t->container, mem, 4 * CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, 4 * CHUNK);
}

static void limit_create(struct tce *t)
{
	uint64_t need = table_bytes(12, 256 * MiB, 1), before, start;
	int i;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	limited(need - host.page);
	for (i = 0; i < 10; i++)
		expect_rc(-ENOMEM, __create(t->container, 12, 256 * MiB, 1,
					    &start));
	expect_eq(before, locked());
	/* Half the size fits. */
	create(t->container, 12, 128 * MiB, 1, &start);
	expect_eq(t->info.dma32_window_start, start);
	remove_window(t->container, start);
	expect_eq(before, locked());
}

static void limit_create_enough(struct tce *t)
{
	uint64_t need = table_bytes(12, 256 * MiB, 1), before, start;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	/* What libvirt reckons with must be enough. */
	limited(need);
	create(t->container, 12, 256 * MiB, 1, &start);
	note("a window of 256 MiB is charged %llu KiB",
	     (unsigned long long)(locked() - before) / 1024);
	expect(locked() - before <= need);
	remove_window(t->container, start);
	expect_eq(before, locked());
}

static void limit_default(struct tce *t)
{
	uint64_t need = table_bytes(12, t->info.dma32_window_size, 1), before;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	int i;

	allow(t, mem, CHUNK);
	before = locked();
	limited(need - host.page);
	for (i = 0; i < 5; i++) {
		expect_rc(-ENOMEM, __map(t->container, mem, base(t), CHUNK, RW));
		expect_rc(-ENOMEM, __unmap(t->container, base(t), CHUNK));
	}
	expect_eq(before, locked());
	/* It is still there to be removed, for nothing. */
	if (t->version == 2) {
		remove_window(t->container, t->info.dma32_window_start);
		expect_eq(before, locked());
	}
}

static void limit_enable(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	limited(t->info.dma32_window_size - host.page);
	expect_rc(-ENOMEM, __enable(t->container));
	expect_rc(-ENOMEM, __enable(t->container));
	expect_eq(before, locked());
	expect_rc(-EPERM, __map(t->container, mem, base(t), CHUNK, RW));
}

static void limit_enable_enough(struct tce *t)
{
	uint64_t before = locked();

	limited(t->info.dma32_window_size);
	enable(t->container);
	expect_eq(before + t->info.dma32_window_size, locked());
	disable(t->container);
	expect_eq(before, locked());
}

/* No sum of charges wraps, no array of pages is too large to be refused. */
static void limit_overflow(struct tce *t)
{
	static const uint64_t sizes[] = {
		1ULL << 46, 1ULL << 52, 1ULL << 60, 1ULL << 62, 1ULL << 63,
		-2 * CHUNK,
	};
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, start;
	long pins = pinned();
	size_t i;

	remove_window(t->container, t->info.dma32_window_start);
	register_mem(t->container, mem, CHUNK);
	before = locked();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		long rc = __register(t->container, mem + CHUNK, sizes[i]);

		expect(rc == -ENOMEM || rc == -EFAULT || rc == -EINVAL);
		expect_eq(before, locked());
	}
	expect(__create(t->container, 12, 1ULL << 62, 1, &start) < 0);
	expect(__create(t->container, 12, 1ULL << 63, 5, &start) < 0);
	expect_eq(before, locked());
	unregister_mem(t->container, mem, CHUNK);
	expect_eq(before - CHUNK, locked());
	expect_rc(pins, pinned_settled(pins));
}

/*
 * Long work
 */
#define PIECE	(64 * MiB)

/*
 * Memory that is not there yet, in small pages: as slow to pin as can be. More than
 * the machine has can't be registered, so it is half of what is free.
 */
static uint8_t *slow_memory(size_t *size)
{
	uint8_t *mem;

	*size = mem_free() / 2 / PIECE * PIECE;
	expect(*size >= PIECE);
	mem = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect(mem != MAP_FAILED);
	madvise(mem, *size, MADV_NOHUGEPAGE);
	return mem;
}

static volatile struct progress {
	bool working;
} *progress;

static void share_progress(void)
{
	progress = mmap(NULL, host.page, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(progress != MAP_FAILED);
}

/*
 * Bounded in pages, not in time: the machine may be busy, and emulated. REGISTER has
 * to end when it is killed, so early that it got no further than half the pages.
 */
static void killed_registering(struct tce *t)
{
	const struct timespec nap = { .tv_nsec = 500 * 1000 };
	int version = t->version, status, i;
	long pins, begin, pages = 0;
	bool early = false;
	size_t size;
	pid_t pid;

	if (geteuid())
		skip("the kernel counts exactly for root only");
	detach(t);
	pins = pinned();
	for (i = 0; i < 20 && !early; i++) {
		uint8_t *mem = slow_memory(&size);

		begin = ever_pinned();
		pid = fork();
		if (!pid) {
			attach(t, version);
			register_mem(t->container, mem, size);
			pause();
		}
		do {
			nanosleep(&nap, NULL);
			if (waitpid(pid, &status, WNOHANG))
				fail(__FILE__, __LINE__, "REGISTER failed");
		} while (ever_pinned() == begin);
		kill(pid, SIGKILL);
		expect(waitpid(pid, &status, 0) == pid);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		expect_rc(pins, pinned_settled(pins));
		pages = ever_pinned() - begin;
		early = pages < (long)(size / host.page / 2);
		munmap(mem, size);
	}
	note("attempt %d: killed after %ld of %zu pages", i, pages,
	     size / host.page);
	expect(early);
	attach(t, version);
}

static void on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	expect(!sched_setaffinity(0, sizeof(set), &set));
}

/*
 * Runs @work in a child on our own CPU, and counts how often we get to run between
 * the beginning and the end of what it does: hardly ever if that never yields.
 */
static unsigned int turns_beside(void (*work)(struct tce *t), struct tce *t)
{
	const struct timespec nap = { .tv_nsec = 1000 * 1000 };
	int version = t->version, status = 0;
	unsigned int turns = 0;
	pid_t pid;

	share_progress();
	on_one_cpu();
	detach(t);
	pid = fork();
	if (!pid) {
		attach(t, version);
		work(t);
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		if (progress->working)
			turns++;
		nanosleep(&nap, NULL);
	}
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	attach(t, version);
	note("%u turns", turns);
	return turns;
}

static void register_much(struct tce *t)
{
	size_t size;
	uint8_t *mem = slow_memory(&size);

	progress->working = true;
	register_mem(t->container, mem, size);
	progress->working = false;
}

#define UNMAPS 12

static void unmap_much(struct tce *t)
{
	uint64_t start = t->info.dma32_window_start, at;
	uint64_t end = start + t->info.dma32_window_size;
	uint8_t *mem = alloc(PIECE, CHUNK);
	int i;

	allow(t, mem, PIECE);
	for (i = 0; i < UNMAPS; i++) {
		for (at = start; at < end; at += PIECE)
			map(t->container, mem, at, PIECE, RW);
		progress->working = true;
		unmap(t->container, start, end - start);
		progress->working = false;
	}
}

static void register_yields(struct tce *t)
{
	expect(turns_beside(register_much, t) >= 5);
}

static void unmap_yields(struct tce *t)
{
	/* One turn for each of the calls, at its end, proves nothing. */
	expect(turns_beside(unmap_much, t) >= UNMAPS * 5 / 3);
}

/*
 * A control group that has less memory than is to be pinned
 */
static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

#define CGROUP	"/tmp/cgroup"

static void cgroup_limit(struct tce *t)
{
	int version = t->version, status, i;
	long pins;
	pid_t pid;

	if (geteuid())
		skip("needs root");
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		skip("this kernel has no cgroup2");
	if (!write_file(CGROUP "/cgroup.subtree_control", "+memory")) {
		umount(CGROUP);
		skip("this kernel has no limit of memory");
	}
	detach(t);
	pins = pinned();
	mkdir(CGROUP "/small", 0755);
	expect(write_file(CGROUP "/small/memory.max", "33554432"));
	/* The kernel tells at length whom it killed. */
	write_file("/proc/sys/kernel/printk", "1");
	for (i = 0; i < 4; i++) {
		pid = fork();
		if (!pid) {
			const size_t size = 128 * MiB;
			uint8_t *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			long rc;

			expect(write_file(CGROUP "/small/cgroup.procs", "0"));
			attach(t, version);
			rc = __allow(t, mem, size);
			if (!rc)
				rc = __map(t->container, mem, base(t), size, RW);
			_exit(rc ? 0 : 1);
		}
		expect(waitpid(pid, &status, 0) == pid);
		/* Refused, or the choice of the kernel's OOM killer. */
		expect(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
		       !WEXITSTATUS(status));
		expect_rc(pins, pinned_settled(pins));
	}
	write_file("/proc/sys/kernel/printk", "5");
	rmdir(CGROUP "/small");
	umount(CGROUP);
	attach(t, version);
}

/*
 * v1
 */
static void enable_charges(struct tce *t)
{
	uint64_t before = locked();
	int i;

	for (i = 0; i < 3; i++) {
		enable(t->container);
		expect_eq(before + t->info.dma32_window_size, locked());
		expect_rc(-EBUSY, __enable(t->container));
		expect_eq(before + t->info.dma32_window_size, locked());
		disable(t->container);
		expect_eq(before, locked());
		/* Once more does nothing, successfully. */
		disable(t->container);
		expect_eq(before, locked());
	}
}

static void disable_unmaps(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	long before;

	enable(t->container);
	t->enabled = true;
	unmap(t->container, base(t), CHUNK);
	before = pinned();
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
	disable(t->container);
	expect_rc(-EPERM, __map(t->container, mem, base(t), CHUNK, RW));
	expect_rc(-EPERM, __unmap(t->container, base(t), CHUNK));
	/* What is no longer charged is no longer pinned nor reachable. */
	expect_rc(before, pinned_settled(before));
	enable(t->container);
	bounce_at(t, base(t) - CHUNK);
	expect(!can_write(t, base(t), mem));
}

/*
 * Where the CPU's pages are larger than the window's, each entry of a MAP of its own
 * pins a whole page. So more pages can be pinned than the window has room for, or than
 * ENABLE has charged.
 */
static uint64_t room;			/* in the window, in CPU pages */
static uint64_t others;			/* locked before ENABLE, and for the table */

static void expect_charged(long pins)
{
	long pages = pinned() - pins;

	if (pages > (long)((locked() - others) / host.page))
		fail(__FILE__, __LINE__, "%ld pages are pinned, %llu are charged",
		     pages, (unsigned long long)(locked() - others) / host.page);
}

static void prepare_pins(struct tce *t)
{
	others = locked();
	enable(t->container);
	t->enabled = true;
	others = locked() - others;
	room = t->info.dma32_window_size / host.page;
	expect_eq(room, others / host.page);
	/* The default window comes with it. */
	unmap(t->container, t->info.dma32_window_start, CHUNK);
	others = locked() - others;
	if (t->info.dma32_window_size / 4096 <= room)
		skip("the CPU's pages are no larger than the window's");
}

static void v1_charged(struct tce *t)
{
	uint64_t before = locked(), from = t->info.dma32_window_start, i;
	uint8_t *mem = alloc(host.page, host.page);
	long pins;

	prepare_pins(t);
	pins = pinned();
	for (i = 0; i < room + room / 8; i++)
		map(t->container, mem, from + i * 4096, 4096, RW);
	expect_charged(pins);
	unmap(t->container, from, i * 4096);
	expect_rc(pins, pinned_settled(pins));
	disable(t->container);
	detach(t);
	expect_eq(before, locked());
}

/* The same for whom the limit is the window, and not more: a page is pinned once. */
static void v1_once(struct tce *t)
{
	uint64_t from = t->info.dma32_window_start, i, charged, before = locked();
	uint8_t *mem = alloc(2 * host.page, host.page);
	long pins;

	prepare_pins(t);
	limited(0);
	pins = pinned();
	charged = locked();
	for (i = 0; i < room + room / 8; i++)
		map(t->container, mem, from + i * 4096, 4096, RW);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	expect_eq(charged, locked());
	/* It stays as long as one maps it. */
	unmap(t->container, from, (i - 1) * 4096);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	map(t->container, mem + host.page, from, 4096, RW);
	expect_rc(pins + 2, pinned_settled(pins + 2));
	unmap(t->container, from, t->info.dma32_window_size);
	expect_rc(pins, pinned_settled(pins));
	/* All that was charged is for use: whole pages fill the window. */
	map(t->container, mem, from, host.page, RW);
	disable(t->container);
	expect_rc(pins, pinned_settled(pins));
	detach(t);
	expect_eq(before, locked());
}

/*
 * The end
 */
static void by_close(struct tce *t)
{
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	uint64_t before = locked(), start;
	long pins = pinned();

	allow(t, mem, 4 * MiB);
	map(t->container, mem, base(t), 4 * MiB, RW);
	if (t->version == 2)
		create(t->container, has_shift(t, 16) ? 16 : 12, GiB, 1, &start);
	expect(locked() > before);
	/* No command, nothing but the files. */
	close(t->container);
	expect(locked() > before);
	close(t->group);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
}

static void by_close_reversed(struct tce *t)
{
	uint8_t *mem = alloc(4 * MiB, CHUNK);
	uint64_t before = locked();
	long pins = pinned();

	allow(t, mem, 4 * MiB);
	map(t->container, mem, base(t), 4 * MiB, RW);
	close(t->group);
	expect_eq(before, locked());
	expect_rc(pins, pinned_settled(pins));
	/* The container is as good as new. */
	t->group = open_group(0);
	set_container(t->group, t->container);
	set_iommu(t->container, V2_IOMMU);
	register_mem(t->container, mem, 4 * MiB);
}

/* The harness looks for what stays behind after each row. */
static void by_kill(struct tce *t)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		uint8_t *mem = alloc(4 * MiB, CHUNK);

		allow(t, mem, 4 * MiB);
		map(t->container, mem, base(t), 4 * MiB, RW);
		kill(getpid(), SIGKILL);
	}
	expect(waitpid(pid, &status, 0) == pid);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static const struct test tests[] = {
	{ "REGISTER charges its size and UNREGISTER returns it", charge, V2 },
	{ "MAP and UNMAP charge nothing", map_is_free, V2 },
	{ "pages are pinned from REGISTER to UNREGISTER", pins, V2 },
	{ "pages of movable memory move out of it before a device gets them",
	  not_in_movable, BOTH | DMA },
	{ "REGISTER of the same range is EBUSY and counts for nothing",
	  register_twice, V2 },
	{ "REGISTER of an overlapping range is EINVAL", overlaps, V2 },
	{ "UNREGISTER needs the exact bounds, else ENOENT", exact_bounds, V2 },
	{ "REGISTER and UNREGISTER refuse misaligned ranges with EINVAL",
	  misaligned, V2 },
	{ "REGISTER past 2^64 is EINVAL", wraps, V2 },
	{ "REGISTER of a range with a hole is EFAULT and keeps nothing",
	  no_memory_there, V2 },
	{ "REGISTER of read-only memory is EFAULT", readonly_memory, V2 },
	{ "hundreds of regions", many_regions, V2 },
	{ "500 cycles of REGISTER and UNREGISTER leave nothing",
	  register_cycles, V2 },
	{ "two containers share one registration", shared_region, V2 | TWO },
	{ "a container that closes leaves the other's registration",
	  shared_region_close, V2 | TWO | DMA },
	{ "REGISTER over RLIMIT_MEMLOCK is ENOMEM", limit_register, V2 },
	{ "CAP_IPC_LOCK is above RLIMIT_MEMLOCK", limit_register_root, V2 },
	{ "CREATE over RLIMIT_MEMLOCK is ENOMEM and keeps nothing",
	  limit_create, V2 },
	{ "CREATE is charged no more than libvirt reckons with",
	  limit_create_enough, V2 },
	{ "the first MAP over RLIMIT_MEMLOCK is ENOMEM and keeps nothing",
	  limit_default, BOTH },
	{ "ENABLE over RLIMIT_MEMLOCK is ENOMEM and does not enable",
	  limit_enable, V1 },
	{ "ENABLE within RLIMIT_MEMLOCK works", limit_enable_enough, V1 },
	{ "a charge that would overflow is refused", limit_overflow, V2 },
	{ "less memory in the control group than is asked for", cgroup_limit,
	  BOTH },
	{ "REGISTER ends when the client is killed",
	  killed_registering, V2 },
	{ "REGISTER lets others run", register_yields, V2 },
	{ "UNMAP lets others run", unmap_yields, BOTH },
	{ "ENABLE charges the window once, DISABLE returns it",
	  enable_charges, V1 },
	{ "DISABLE takes all memory away from the device", disable_unmaps,
	  V1 | DMA },
	{ "close without any cleanup releases everything", by_close, BOTH },
	{ "the group's close alone releases everything", by_close_reversed,
	  V2 },
	{ "a killed process leaves nothing behind", by_kill, BOTH },
	{ "no more pages are pinned than are charged", v1_charged, V1 },
	{ "a page that is mapped over and over is pinned once", v1_once, V1 },
	{ "REGISTER of more than the host has memory", more_than_ram, V2 | DMA },
	{ "REGISTER of nothing is EINVAL", nothing, V2 | DANGEROUS },
	{ "UNREGISTER of mapped memory is EBUSY and changes nothing",
	  unregister_mapped, V2 | DMA | DANGEROUS },
	{ "what comes to the address of mapped memory can be registered",
	  plug_in_same, V2 | DMA | DANGEROUS },
	{ "more may come to the address of mapped memory", plug_in_larger,
	  V2 | DMA | DANGEROUS },
	{ "less may come to the address of mapped memory", plug_in_smaller,
	  V2 | DMA | DANGEROUS },
	{ "UNREGISTER follows what MAP replaced", unregister_replacing,
	  V2 | DANGEROUS },
	{ "shared memory that is mapped is held by the last registration",
	  shared_region_mapped, V2 | TWO | DMA | DANGEROUS },
};

TEST_MAIN("memory", tests)
