// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a test, what the kernel counts of it, and the rights to it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "mem.h"
#include "result.h"

void *alloc(size_t size, size_t align)
{
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap of %zu bytes: %m", size + align);
	p = (uint8_t *)(((uintptr_t)p + align - 1) / align * align);
	memset(p, 0, size);
	return p;
}

void *alloc_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED);
	return p;
}

uint8_t *alloc_huge(size_t size, void *at)
{
	uint8_t *p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			  MAP_HUGETLB | MAP_HUGE_2MB | (at ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		skip("this host has no huge pages of 2 MiB");
	memset(p, 0, size);
	return p;
}

static uint64_t read_entry(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), index * sizeof(entry)) != sizeof(entry))
		fail(__FILE__, __LINE__, "%s: %m", path);
	close(fd);
	return entry;
}

uint64_t real_address_of(pid_t pid, const void *va)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	return (read_entry(path, (uintptr_t)va / host.page) & ((1ULL << 55) - 1)) * host.page;
}

uint64_t real_address(const void *va)
{
	return real_address_of(getpid(), va);
}

bool page_has(uint64_t pfn, int flag)
{
	return read_entry("/proc/kpageflags", pfn) >> flag & 1;
}

bool is_dirty(const void *va)
{
	return page_has(real_address(va) / host.page, KPF_DIRTY);
}

void nap(unsigned int ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t draw(uint64_t *state, uint64_t below)
{
	return random_next(state) % below;
}

/* A sequence that repeats neither within a page nor from page to page. */
static uint8_t pattern(size_t i, unsigned int seed)
{
	uint32_t x = i * 2654435761u + seed * 40503u + 12345u;

	return x >> 24 ^ x >> 11;
}

void fill(void *buf, size_t size, unsigned int seed)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = pattern(i, seed);
}

bool filled(const void *buf, size_t size, unsigned int seed)
{
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != pattern(i, seed))
			return false;
	return true;
}

long long read_number(const char *path, const char *key)
{
	char line[256];
	long long val = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key))) {
			val = atoll(line + strlen(key));
			break;
		}
	}
	if (f)
		fclose(f);
	return val;
}

uint64_t locked(void)
{
	return read_number("/proc/self/status", "VmLck:") * 1024;
}

uint64_t locked_settled(uint64_t want)
{
	uint64_t now;

	within(4, (now = locked()) == want);
	return now;
}

/* With what the CPUs keep in lists of their own: many MiB, after a process has ended. */
uint64_t mem_free(void)
{
	uint64_t pages = 0;
	unsigned long n;
	char line[256];
	FILE *f = fopen("/proc/zoneinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " count: %lu", &n) == 1)
			pages += n;
	}
	if (f)
		fclose(f);
	return read_number("/proc/meminfo", "MemFree:") * 1024 + pages * sysconf(_SC_PAGESIZE);
}

/* What is freed after grace periods and by workers takes its time. */
bool mem_free_returns(uint64_t want)
{
	if (within(20, mem_free() >= want))
		return true;
	note("%lld KiB less memory is free than expected",
	     (long long)(want - mem_free()) / 1024);
	return false;
}

/*
 * The counters are kept per CPU and folded once a second, or at once when root
 * asks for it. Tests of another user have a process of root's that does.
 */
static long count_pinned(void)
{
	long acquired;

	write_to("/proc/sys/vm/stat_refresh", "1");
	acquired = read_number("/proc/vmstat", "nr_foll_pin_acquired ");
	if (acquired < 0)
		return -1;
	return acquired - read_number("/proc/vmstat", "nr_foll_pin_released ");
}

static int counter = -1;

void start_counter(void)
{
	int pair[2];
	long count;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail(__FILE__, __LINE__, "socketpair: %m");
	if (!fork()) {
		close(pair[0]);
		while (read(pair[1], &count, sizeof(count)) == sizeof(count)) {
			count = count_pinned();
			if (write(pair[1], &count, sizeof(count)) < 0)
				break;
		}
		_exit(0);
	}
	close(pair[1]);
	counter = pair[0];
}

long pinned(void)
{
	long count = 0;

	if (counter < 0)
		return count_pinned();
	if (write(counter, &count, sizeof(count)) != sizeof(count) ||
	    read(counter, &count, sizeof(count)) != sizeof(count))
		fail(__FILE__, __LINE__, "nobody counts pinned pages");
	return count;
}

/* Regions are released after an RCU grace period. */
long pinned_settled(long want)
{
	long now;

	within(4, (now = pinned()) == want);
	return now;
}

void set_memlock(uint64_t bytes)
{
	struct rlimit limit;

	expect(!getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = bytes;
	if (limit.rlim_max < bytes)
		limit.rlim_max = bytes;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		fail(__FILE__, __LINE__, "RLIMIT_MEMLOCK: %m");
}
