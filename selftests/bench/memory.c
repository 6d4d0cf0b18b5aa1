// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of each kind: scattered, contiguous, in large pages.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

/* A line of /proc/meminfo in bytes, 0 if there is none. */
static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "r");
	uint64_t kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key))) {
			kib = strtoull(line + strlen(key), NULL, 10);
			break;
		}
	}
	if (f)
		fclose(f);
	return kib * KiB;
}

/* What the kernel has allocated for itself in small or scattered pieces. */
uint64_t kernel_memory(void)
{
	pinned();	/* which folds the counters of all CPUs */
	return meminfo("VmallocUsed:") + meminfo("Slab:");
}

bool set_vm(const char *what, size_t n)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", what);
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f, "%zu\n", n);
	return !fclose(f);
}

/* Physical page numbers of @n pages from @va on; the caller frees them. */
static uint64_t *page_numbers(const void *va, size_t n)
{
	uint64_t *pfn = malloc(n * sizeof(*pfn));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0 || !pfn ||
	    pread(fd, pfn, n * 8, (uintptr_t)va / host.page * 8) != (ssize_t)n * 8)
		fail(__FILE__, __LINE__, "pagemap: %m");
	close(fd);
	for (i = 0; i < n; i++)
		pfn[i] &= (1ULL << 55) - 1;
	return pfn;
}

/* Of how many pieces the memory consists. */
uint64_t physical_runs(const void *va, size_t size)
{
	size_t n = size / host.page, i;
	uint64_t *pfn = page_numbers(va, n), runs = 1;

	for (i = 1; i < n; i++)
		runs += pfn[i] != pfn[i - 1] + 1;
	free(pfn);
	return runs;
}

const char *const memory_name[] = {
	"scattered", "contiguous", "thp", "hugetlb"
};

static uint8_t *reserve_at(size_t size, size_t align)
{
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size);
	return (uint8_t *)(((uintptr_t)p + align - 1) / align * align);
}

static uint8_t *reserve(size_t size)
{
	return reserve_at(size, 2 * MiB);
}

/* Single pages, touched @stride apart, forwards or backwards. */
static uint8_t *single_pages(size_t size, size_t stride, bool backwards)
{
	size_t n = size / host.page, i, at;
	uint8_t *p = reserve(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	for (i = at = 0; i < n; i++, at = (at + stride) % n)
		p[(backwards ? n - 1 - at : at) * host.page] = 1;
	return p;
}

/*
 * Huge pages, touched forwards or backwards, and split into the single pages that
 * they consist of; or NULL.
 */
static uint8_t *split_pages(size_t size, bool backwards)
{
	FILE *f = fopen("/sys/kernel/debug/split_huge_pages", "w");
	size_t n = size / (2 * MiB), i;
	uint8_t *p = reserve(size);

	if (!f)
		return NULL;
	if (madvise(p, size, MADV_HUGEPAGE)) {
		fclose(f);
		return NULL;
	}
	for (i = 0; i < n; i++)
		p[(backwards ? n - 1 - i : i) * 2 * MiB] = 1;
	memset(p, 1, size);
	fprintf(f, "%d,0x%lx,0x%lx\n", getpid(), (unsigned long)p,
		(unsigned long)p + size);
	return fclose(f) ? NULL : p;
}

/* Is none of @n pages part of a larger one? */
static bool all_single(const uint64_t *pfn, size_t n)
{
	const uint64_t compound = 1 << 15 | 1 << 16;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t flags = compound;
	size_t i;

	if (fd < 0)
		return false;
	for (i = 0; i < n; i++)
		if (pread(fd, &flags, 8, pfn[i] * 8) != 8 || flags & compound)
			break;
	close(fd);
	return i == n;
}

/*
 * The kernel hands out pages of a large free block in the order of their
 * addresses or against it, once smaller blocks are used up: so take more than
 * is wanted and look for the piece with the fewest breaks. Where memory was much
 * used before, huge pages have to be split for it, and pieces of a large run may
 * be as short as they are.
 */
static uint8_t *contiguous_pages(size_t size)
{
	size_t n = size / host.page, total = 2 * n + 128 * MiB / host.page, i;
	size_t least = ~0UL, at = 0;
	int try;

	for (try = 0; try < 6; try++) {
		size_t breaks = 0, best = ~0UL;
		uint8_t *p = NULL;
		uint64_t *pfn;
		bool single;

		set_vm("compact_memory", 1);
		if (try > 1)
			p = split_pages(total * host.page, try % 2);
		if (!p)
			p = single_pages(total * host.page, 1, try % 2);
		pfn = page_numbers(p, total);
		for (i = 1; i < total; i++) {
			breaks += pfn[i] != pfn[i - 1] + 1;
			if (i >= n)
				breaks -= pfn[i - n + 1] != pfn[i - n] + 1;
			if (i + 1 >= n && breaks < best) {
				best = breaks;
				at = i + 1 - n;
			}
		}
		single = all_single(pfn + at, n);
		free(pfn);
		if (single && (best <= size / (16 * MiB) ||
			       (try > 3 && size > 16 * MiB &&
				best <= size / (2 * MiB))))
			return p + at * host.page;
		note("contiguous pages, try %d: %zu breaks%s", try, best,
		     single ? "" : ", in larger pages");
		if (best < least)
			least = best;
	}
	fail(__FILE__, __LINE__, "no %zu bytes of contiguous pages: %zu breaks",
	     size, least);
}

/* @size bytes of memory that is there, or NULL where there is none of a kind. */
uint8_t *memory(enum memory kind, size_t size)
{
	size_t n = size / host.page, stride, huge;
	uint8_t *p;

	switch (kind) {
	case SCATTERED:
		/* prime, so that each page's turn comes */
		for (stride = 104729; n % stride == 0; stride = 7919)
			;
		return single_pages(size, stride % n ?: 1, false);
	case CONTIGUOUS:
		return contiguous_pages(size);
	case THP:
		p = reserve(size);
		/* without the file the CPU, as described to the kernel, has none */
		if (access("/sys/kernel/mm/transparent_hugepage", F_OK) ||
		    size < 2 * MiB || madvise(p, size, MADV_HUGEPAGE))
			return NULL;
		memset(p, 1, size);
		return physical_runs(p, size) <= size / (2 * MiB) ? p : NULL;
	case HUGETLB:
		huge = meminfo("Hugepagesize:");
		if (!huge)
			return NULL;
		size = (size + huge - 1) / huge * huge;
		if (!set_vm("nr_hugepages", size / huge))
			return NULL;
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	return NULL;
}

/* The same memory, of a memfd with these flags, again and again from @p on. */
#define SAME	(32 * MiB)

static void fill_with_the_same(uint8_t *p, size_t size, size_t same,
			       unsigned int flags)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | flags);
	size_t at;

	if (fd < 0 || ftruncate(fd, same))
		fail(__FILE__, __LINE__, "memfd: %m");
	for (at = 0; at < size; at += same)
		if (mmap(p + at, same, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fail(__FILE__, __LINE__, "mmap: %m");
	close(fd);
}

/*
 * @n pages at successive addresses. Where they are many, the same few pages of
 * memory again and again: a registration neither knows nor cares.
 */
uint8_t *address_space(size_t n)
{
	size_t size = n * host.page;
	uint8_t *p = reserve(size);

	if (size <= 512 * MiB) {
		madvise(p, size, MADV_NOHUGEPAGE);
		memset(p, 1, size);
	} else {
		fill_with_the_same(p, size, SAME, 0);
	}
	return p;
}

/* The kernel shall have @n huge pages of @huge bytes. Returns whether it has. */
static bool set_huge_pages(size_t huge, size_t n)
{
	unsigned int now = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages", huge / 1024);
	f = fopen(path, "r+");
	if (!f)
		return false;
	fprintf(f, "%zu\n", n);
	rewind(f);
	if (fscanf(f, "%u", &now) != 1)
		now = 0;
	fclose(f);
	return now == n;
}

/* @size bytes of such huge pages, which are the same 16, or one, all over; or NULL. */
uint8_t *same_huge_pages(size_t size, size_t huge)
{
	size_t same = huge > SAME ? huge : SAME;
	uint8_t *p = reserve_at(size, huge);

	if (!set_huge_pages(huge, same / huge))
		return NULL;
	fill_with_the_same(p, size, same,
			   MFD_HUGETLB | (__builtin_ctzl(huge) << MAP_HUGE_SHIFT));
	return p;
}
