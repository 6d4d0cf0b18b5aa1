// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page sizes, and the memory behind them.
 */
#define _GNU_SOURCE
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>

#include "windows.h"

static void every_shift(struct tce *t)
{
	uint64_t before, start, size;
	unsigned int shift;

	remove_window(t->container, first(t));
	before = locked();
	for (shift = 12; shift < 40; shift++) {
		if (!has_shift(t, shift))
			continue;
		size = some_size(shift);
		create(t->container, shift, size, 1, &start);
		note("page shift %u: window of %#llx at %#llx, %llu KiB", shift,
		     (unsigned long long)size, (unsigned long long)start,
		     (unsigned long long)(locked() - before) / 1024);
		expect(locked() - before <= table_bytes(shift, size, 1));
		/*
		 * Where DPDK must have it, whatever the page size. Of other
		 * than the default pages a hypervisor has its own opinion.
		 */
		if (host.powernv || shift == 12)
			expect_eq(first(t), start);
		remove_window(t->container, start);
		expect_eq(before, locked());
	}
}

static void page_64k(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);
	uint64_t start;
	long rc;

	if (!has_shift(t, 16))
		skip("the platform has no 64K IOMMU pages");
	remove_window(t->container, first(t));
	create(t->container, 16, some_size(16), 1, &start);
	register_mem(t->container, mem, 4 * CHUNK);

	/* Half an IOMMU page is none. */
	expect_rc(-EINVAL, __map(t->container, mem, start, 4096, RW));
	expect_rc(-EINVAL, __map(t->container, mem + 4096, start, CHUNK, RW));
	expect_rc(-EINVAL, __unmap(t->container, start, 4096));

	if (host.page < CHUNK) {
		/* The memory is made of smaller pages than the device sees. */
		rc = __map(t->container, mem, start, CHUNK, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		rc = __map(t->container, mem, start, 4 * CHUNK, R);
		expect(rc == -EINVAL || rc == -EPERM);
		unregister_mem(t->container, mem, 4 * CHUNK);
		return;
	}
	bounce_at(t, start);
	map(t->container, mem + 2 * CHUNK, start + CHUNK, CHUNK, RW);
	map(t->container, mem, start + 2 * CHUNK, CHUNK, R);
	expect(can_write(t, start + CHUNK, mem + 2 * CHUNK));
	expect(can_write(t, start + 2 * CHUNK - PROBE, mem + 3 * CHUNK - PROBE));
	expect(can_read(t, start + 2 * CHUNK, mem));
	expect(!can_write(t, start + 2 * CHUNK, mem));
	unmap(t->container, start + CHUNK, CHUNK);
	expect(!can_write(t, start + CHUNK, mem + 2 * CHUNK));
}

static void page_64k_misaligned(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t start;

	if (!has_shift(t, 16))
		skip("the platform has no 64K IOMMU pages");
	remove_window(t->container, first(t));
	create(t->container, 16, some_size(16), 1, &start);
	register_mem(t->container, mem, CHUNK);
	expect_rc(-EINVAL, __map(t->container, mem, start + 4096, CHUNK, RW));
	expect_rc(-EINVAL, __unmap(t->container, start + 4096, CHUNK));
}

/* IOMMU pages that only huge pages can back, and this memory is not. */
static void page_huge(struct tce *t)
{
	unsigned int shift;
	uint64_t start;
	uint8_t *mem;
	bool any = false;
	long rc;

	remove_window(t->container, first(t));
	for (shift = 21; shift <= 24; shift++) {
		if (!has_shift(t, shift))
			continue;
		any = true;
		mem = alloc(1UL << shift, 1UL << shift);
		create(t->container, shift, some_size(shift), 1, &start);
		register_mem(t->container, mem, 1UL << shift);
		rc = __map(t->container, mem, start, 1UL << shift, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		unregister_mem(t->container, mem, 1UL << shift);
		remove_window(t->container, start);
	}
	if (!any)
		skip("the platform has no such IOMMU pages");
}

/*
 * Memory of huge pages at an address of its own, or anywhere. Of 2 MiB: 6.12 with
 * the hash MMU and 4K pages never comes back from pinning the second 2 MiB of a
 * 16 MiB page, whatever the driver.
 */
static uint8_t *alloc_huge(size_t size, void *at)
{
	uint8_t *p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB |
			  (at ? MAP_FIXED : 0),
			  -1, 0);

	if (p == MAP_FAILED)
		skip("this host has no huge pages of 2 MiB");
	memset(p, 0, size);
	return p;
}

static void huge_backed(struct tce *t)
{
	uint8_t *mem = alloc_huge(4 * MiB, NULL);
	unsigned int shift;
	uint64_t start, page;

	if (!host.wide && !host.powernv)
		skip("the device cannot address such a window");
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
		map(t->container, mem, start + 32 * MiB, 2 * MiB, R);
		expect(!can_write(t, start + 32 * MiB, mem));
		if (page < 2 * MiB) {
			unmap(t->container, start + 32 * MiB, page);
			expect(!can_read(t, start + 32 * MiB, mem));
			expect(can_read(t, start + 32 * MiB + page, mem + page));
		} else {
			expect_rc(-EINVAL, __map(t->container, mem,
						 start + 48 * MiB, MiB, RW));
			expect_rc(-EINVAL, __unmap(t->container,
						   start + 32 * MiB, MiB));
		}
		unmap(t->container, start, some_size(shift));
		expect(!can_write(t, start + 32 * MiB, mem));
		remove_window(t->container, start);
		unregister_mem(t->container, mem, 4 * MiB);
		note("page shift %u works with huge pages", shift);
	}
	t->bounce = NULL;
}

/* One huge page in a registration does not make the others huge. */
static void huge_beside_small(struct tce *t)
{
	uint8_t *mem = alloc(8 * MiB, 2 * MiB);
	unsigned int shift;
	uint64_t start;
	long rc;

	alloc_huge(2 * MiB, mem + 2 * MiB);
	remove_window(t->container, first(t));
	register_mem(t->container, mem, 8 * MiB);
	for (shift = 16; shift <= 21; shift++) {
		if (!has_shift(t, shift) || host.page >> shift)
			continue;
		create(t->container, shift, some_size(shift), 1, &start);
		rc = __map(t->container, mem, start, 2 * MiB, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		rc = __map(t->container, mem + 4 * MiB, start, 2 * MiB, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		/* From a huge page on into small ones. */
		rc = __map(t->container, mem + 2 * MiB, start, 4 * MiB, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		remove_window(t->container, start);
	}
	unregister_mem(t->container, mem, 8 * MiB);

	/* The same with the huge page in front. */
	register_mem(t->container, mem + 2 * MiB, 6 * MiB);
	for (shift = 16; shift <= 21; shift++) {
		if (!has_shift(t, shift) || host.page >> shift)
			continue;
		create(t->container, shift, some_size(shift), 1, &start);
		rc = __map(t->container, mem + 4 * MiB, start, 2 * MiB, RW);
		expect(rc == -EINVAL || rc == -EPERM);
		remove_window(t->container, start);
	}
	unregister_mem(t->container, mem + 2 * MiB, 6 * MiB);
}

static const struct test rows[] = {
	{ "each offered page size makes a window", every_shift, V2 },
	{ "64K IOMMU pages map memory of such pages and no other", page_64k,
	  V2 | DMA },
	{ "64K IOMMU pages refuse an address within a page with EINVAL",
	  page_64k_misaligned, V2 },
	{ "huge IOMMU pages refuse memory of smaller pages", page_huge, V2 },
	{ "IOMMU pages up to the size of the huge pages behind them",
	  huge_backed, V2 | DMA },
	{ "a huge page does not make its neighbours huge", huge_beside_small,
	  V2 },
};

const struct rows pages_rows = ROWS(rows);
