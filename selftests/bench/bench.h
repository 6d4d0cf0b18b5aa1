/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the benchmark have in common.
 */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

#include <string.h>
#include <unistd.h>

#include "tce.h"

#define TCE		4096ULL		/* windows here have 4K pages */
#define MAX_REPS	9
#define AGAIN		(16 * GiB)	/* of the same huge pages again and again */
#define GIANT_AGAIN	(1024 * GiB)	/* the same of 1 GiB */

struct options {
	const char *driver;
	uint64_t max_bytes;		/* largest MAP */
	uint64_t max_regs;		/* most registrations */
	uint64_t reg_bytes;		/* largest REGISTER */
	uint64_t segments;		/* of the DPDK sequence */
	bool few;			/* only the ends of long series */
	bool profile;			/* mark what is counted, see mark() */
};

extern struct options opt;

#define SKIPPED	4

/* Leaves the process: the host has not what this one needs. */
#define leave_out(...) do {				\
	note("left out: " __VA_ARGS__);			\
	_exit(SKIPPED);					\
} while (0)

static inline uint64_t perf_read(int fd)
{
	uint64_t val;

	if (read(fd, &val, sizeof(val)) != sizeof(val))
		fail(__FILE__, __LINE__, "reading a counter: %m");
	return val;
}

/* Of the calling thread. */
struct counter {
	int fd;
	uint64_t overhead;		/* of looking at it */
	uint64_t start;
};

static inline void counter_start(struct counter *c)
{
	c->start = perf_read(c->fd);
}

static inline uint64_t counter_stop(struct counter *c)
{
	uint64_t now = perf_read(c->fd);

	return now - c->start > c->overhead ? now - c->start - c->overhead : 0;
}

/*
 * An instruction that does nothing and that no compiler emits tells the profiler
 * outside of the emulated machine (scripts/data/bench-profile.c) where a section
 * begins (1..12) and ends (13).
 */
#define MARK(n)	asm volatile(".long 0x68000000 | " #n "<<21 | " #n "<<16" ::: "memory")

static inline void mark(int section)
{
	if (!opt.profile)
		return;
	switch (section) {
	case 1: MARK(1); break;
	case 2: MARK(2); break;
	case 3: MARK(3); break;
	case 4: MARK(4); break;
	case 5: MARK(5); break;
	case 6: MARK(6); break;
	case 7: MARK(7); break;
	case 8: MARK(8); break;
	case 9: MARK(9); break;
	case 10: MARK(10); break;
	case 11: MARK(11); break;
	case 12: MARK(12); break;
	default: MARK(13); break;
	}
}

#define counted_as(section, ...) ({			\
	counter_start(&insns);				\
	mark(section);					\
	__VA_ARGS__;					\
	mark(13);					\
	counter_stop(&insns);				\
})
#define counted(...)	counted_as(13, __VA_ARGS__)

enum memory { SCATTERED, CONTIGUOUS, THP, HUGETLB };

/* The kernel's own driver has no v1 on PowerNV before Linux 6.4. */
static inline void attach_or_leave_out(struct tce *t, int version)
{
	if (version == 1 && host.powernv && host.kernel < 604 &&
	    !strcmp(opt.driver, "intree"))
		leave_out("no v1");
	attach(t, version);
}

static inline uint64_t first_iova(const struct tce *t)
{
	return t->info.dma32_window_start;
}

#define NR_SIZES	8

/* report.c */
extern int cpus;
void row(const char *test, int version, const char *memory, uint64_t n,
	 const char *unit, double value);

/* counter.c */
int perf_open(uint32_t type, uint64_t config);
extern struct counter insns;
uint64_t median(uint64_t *val, int n);
uint64_t cheapest(const uint64_t *val, int n);
void counter_open(struct counter *c, uint32_t type, uint64_t config);
void stay_on(int cpu);
void counter_rows(struct tce *t);
int tracepoint(const char *name);

/* memory.c */
uint64_t kernel_memory(void);
bool set_vm(const char *what, size_t n);
uint64_t physical_runs(const void *va, size_t size);
extern const char *const memory_name[];
uint8_t *memory(enum memory kind, size_t size);
uint8_t *address_space(size_t n);
uint8_t *same_huge_pages(size_t size, size_t huge);

/* entries.c */
extern const uint64_t sizes[NR_SIZES];
void tce_v1_scattered(struct tce *t);
void tce_v1_contiguous(struct tce *t);
void tce_v1_thp(struct tce *t);
void tce_v1_hugetlb(struct tce *t);
void tce_v2_scattered(struct tce *t);
void tce_v2_contiguous(struct tce *t);
void tce_v2_thp(struct tce *t);
void tce_v2_hugetlb(struct tce *t);
void close_v1(struct tce *t);
void close_v2(struct tce *t);

/* floor.c */
void floor_rows(struct tce *t);
void floor_pins(struct tce *t);

/* registrations.c */
void registrations(struct tce *t);
void register_scattered(struct tce *t);
void register_thp(struct tce *t);
void register_hugetlb(struct tce *t);
void register_again(struct tce *t);
void register_giant(struct tce *t);
void sparse_37(struct tce *t);
void sparse_40(struct tce *t);
void sparse_46(struct tce *t);
void dpdk_sequence(struct tce *t);

/* parallel.c */
void parallel_v1(struct tce *t);
void parallel_v2(struct tce *t);

/* holds.c */
void holds(struct tce *t);

/* calls.c */
void calls(struct tce *t);

#endif
