/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory, what the kernel counts of it, and the rights to it.
 */
#ifndef SELFTESTS_MEM_H
#define SELFTESTS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KiB		1024ULL
#define MiB		(1024 * KiB)
#define GiB		(1024 * MiB)

void *alloc(size_t size, size_t align);
/* Zeroed memory that this process and its children share. */
void *alloc_shared(size_t size);
/* Huge pages of 2 MiB, at @at or anywhere; skips the test where there are none. */
uint8_t *alloc_huge(size_t size, void *at);
/* Where the page of @va lies in the host's memory, of a process or of this one, for root; else 0 */
uint64_t real_address_of(pid_t pid, const void *va);
uint64_t real_address(const void *va);
/* Has the page with this number the flag KPF_...? Is the page of @va dirty? For root */
bool page_has(uint64_t pfn, int flag);
bool is_dirty(const void *va);
void nap(unsigned int ms);
/* Since some time or other */
double seconds(void);
uint64_t random_next(uint64_t *state);
uint64_t draw(uint64_t *state, uint64_t below);
/* Does @cond come true within so many seconds? It is not asked again once it has. */
#define within(seconds, cond) ({					\
	int left_ = (seconds) * 50;					\
	bool met_ = (cond);						\
									\
	while (!met_ && left_--) {					\
		nap(20);						\
		met_ = (cond);						\
	}								\
	met_;								\
})

void fill(void *buf, size_t size, unsigned int seed);
bool filled(const void *buf, size_t size, unsigned int seed);
/* What follows @key in a file of the kernel's, -1 if nothing does */
long long read_number(const char *path, const char *key);
/* Locked memory of this process in bytes (VmLck). */
uint64_t locked(void);
/*
 * The same, when it is expected to get to @want: close waits for nobody, and leaves the uncharging
 * for later if another thread faults or ends at that moment.
 */
uint64_t locked_settled(uint64_t want);
/* Pages pinned for DMA in the whole system, -1 when the kernel cannot tell. */
long pinned(void);
/* Lets pinned() be exact after this process has given up root. */
void start_counter(void);
/* The same, when everybody else is expected to get to @want. */
long pinned_settled(long want);
uint64_t mem_free(void);
bool mem_free_returns(uint64_t want);

void set_memlock(uint64_t bytes);

#endif
