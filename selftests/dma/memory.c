// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kinds of memory, and what becomes of them under DMA.
 */
#define _GNU_SOURCE
#include <linux/mman.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dma.h"

/*
 * Memory that the process itself may only read can be given to the device for
 * reading, and not for writing.
 */
static void readonly_memory(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	fill(mem, CHUNK, 1);
	mprotect(mem, CHUNK, PROT_READ);
	enable(t->container);
	t->enabled = true;
	bounce_at(t, base(t) - CHUNK);
	expect_rc(-EFAULT, __map(t->container, mem, base(t), CHUNK, RW));
	expect_rc(-EFAULT, __map(t->container, mem, base(t), CHUNK, W));
	map(t->container, mem, base(t), CHUNK, R);
	edu_copy(&t->edu, base(t), t->bounce_iova, PROBE);
	expect(!memcmp(t->bounce, mem, PROBE));
}

/* A page that DMA uses stays this process's own page over a fork. */
static void fork_keeps(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK);
	pid_t pid;

	map(t->container, mem, base(t), CHUNK, RW);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	expect(can_read(t, base(t), mem));
	expect(can_write(t, base(t), mem));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect(can_read(t, base(t), mem));
	expect(can_write(t, base(t), mem));
}

static void shared_memory(struct tce *t)
{
	int fd = memfd_create("dma", 0);
	uint8_t *a, *b, *at = alloc(CHUNK, CHUNK);

	expect(!ftruncate(fd, CHUNK));
	a = mmap(at, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0);
	b = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(a != MAP_FAILED && b != MAP_FAILED);
	allow(t, a, CHUNK);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, a, base(t), CHUNK, RW);
	/* The other view of the same memory. */
	expect(can_write(t, base(t), b));
	expect(can_read(t, base(t), b));
}

static void huge_memory(struct tce *t)
{
	uint8_t *mem = mmap(NULL, 2 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	long pins;

	if (mem == MAP_FAILED)
		skip("this host has no huge pages of 2 MiB");
	allow(t, mem, 2 * MiB);
	bounce_at(t, base(t) - CHUNK);
	pins = pinned();
	map(t->container, mem, base(t), 2 * MiB, RW);
	expect(can_write(t, base(t) + MiB - 512, mem + MiB - 512));
	unmap(t->container, base(t), MiB);
	expect(!can_write(t, base(t), mem));
	expect(can_read(t, base(t) + MiB, mem + MiB));
	unmap(t->container, base(t), 2 * MiB);
	expect_rc(pins, pinned_settled(pins));
}

/* What the process gives back to the system stays pinned until it is unmapped. */
static void munmapped(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK), *new;

	map(t->container, mem, base(t), CHUNK, RW);
	expect(!munmap(mem, CHUNK));
	new = mmap(mem, CHUNK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	expect(new == mem);
	expect(!can_write(t, base(t), new));
	unmap(t->container, base(t), CHUNK);
	expect(!can_write(t, base(t), new));
}

/* Memory that the process moves to another address is the device's as before. */
static void moved(struct tce *t)
{
	uint8_t *mem = prepare(t, CHUNK), *to = alloc(CHUNK, CHUNK), *new;

	map(t->container, mem, base(t), CHUNK, RW);
	fill(mem, CHUNK, 3);
	expect(mremap(mem, CHUNK, CHUNK, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	       to);
	expect(can_read(t, base(t), to));
	expect(can_write(t, base(t), to));
	expect(can_write(t, base(t) + CHUNK - PROBE, to + CHUNK - PROBE));

	new = mmap(mem, CHUNK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	expect(new == mem);
	expect(!can_write(t, base(t), new));
	expect(can_write(t, base(t), to));

	/* It can be mapped at its new address, too. */
	allow(t, to, CHUNK);
	map(t->container, to, base(t) + CHUNK, CHUNK, RW);
	unmap(t->container, base(t), CHUNK);
	expect(!can_write(t, base(t), to));
	expect(can_write(t, base(t) + CHUNK, to));
	unmap(t->container, base(t) + CHUNK, CHUNK);
	expect(!can_write(t, base(t) + CHUNK, to));
	if (t->version == 2) {
		/* By the addresses under which they were registered. */
		unregister_mem(t->container, mem, CHUNK);
		unregister_mem(t->container, to, CHUNK);
	}
}

static const struct test rows[] = {
	{ "memory that is read-only for the process can be read by the device",
	  readonly_memory, V1 | DMA },
	{ "fork does not part the process from its DMA memory", fork_keeps,
	  BOTH | DMA },
	{ "shared memory works", shared_memory, BOTH | DMA },
	{ "huge pages can be mapped in 4K steps", huge_memory, BOTH | DMA },
	{ "memory that the process unmapped is not reused under DMA",
	  munmapped, BOTH | DMA },
	{ "memory that the process moved is the device's as before", moved,
	  BOTH | DMA },
};

const struct rows memory_rows = ROWS(rows);
