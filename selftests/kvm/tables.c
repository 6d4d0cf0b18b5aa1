// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's hypercalls and our commands, one after the other.
 */
#define _GNU_SOURCE
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm.h"

static void guest_maps(struct tce *t)
{
	prepare(t);
	expect_rc(0, put(base(t), 0));
	expect_rc(0, put_list(base(t) + CHUNK, 32));
	expect(reaches(t, base(t), 0));
	expect(reaches(t, base(t) + CHUNK, 0));
	expect(reaches(t, base(t) + CHUNK + 31 * 4096, 31 * 4096));
	expect_rc(0, clear(base(t) + CHUNK, 32));
	expect(reaches(t, base(t), 0));
	expect(!reaches(t, base(t) + CHUNK, 0));
	expect(!reaches(t, base(t) + CHUNK + 31 * 4096, 31 * 4096));
	expect_rc(0, clear(base(t), 1));
	expect(!reaches(t, base(t), 0));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

static void guest_counts(struct tce *t)
{
	prepare(t);
	expect_rc(0, put(base(t), 0));
	expect_rc(0, put(base(t), 4096));
	expect(reaches(t, base(t), 4096));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
	expect(!reaches(t, base(t), 4096));
	/* What is not registered KVM leaves to user space. */
	expect_rc(NOT_IN_KERNEL, put(base(t), 0));
	expect(!reaches(t, base(t), 0));
}

static void unmap_guests(struct tce *t)
{
	prepare(t);
	expect_rc(0, put_list(base(t), 16));
	unmap(t->container, base(t) + 4096, 4096);
	expect(!reaches(t, base(t) + 4096, 4096));
	expect(reaches(t, base(t), 0));
	unmap(t->container, base(t), CHUNK);
	expect(!reaches(t, base(t), 0));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

static void over_each_other(struct tce *t)
{
	uint8_t *mine = alloc(CHUNK, CHUNK);
	long rc;

	prepare(t);
	register_mem(t->container, mine, CHUNK);
	expect_rc(0, put_list(base(t), 16));
	map(t->container, mine, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mine));
	expect(!reaches(t, base(t), 0));
	/* nothing of the guest's is left in the table */
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
	register_mem(t->container, guest.mem, GUEST_SIZE);
	/* a driver may leave to user space what MAP has mapped: nothing has changed then */
	rc = put_list(base(t), 16);
	if (rc == NOT_IN_KERNEL) {
		expect(can_write(t, base(t), mine));
		expect_rc(NOT_IN_KERNEL, clear(base(t), 16));
		expect(can_write(t, base(t), mine));
		map(t->container, data(0), base(t), CHUNK, RW);
	} else {
		expect_rc(0, rc);
	}
	expect(reaches(t, base(t), 0));
	expect(!can_write(t, base(t), mine));
	unregister_mem(t->container, mine, CHUNK);
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/* What is not in the kernel, user space does. */
static void either_maps(struct tce *t, long rc)
{
	if (rc == NOT_IN_KERNEL)
		map(t->container, data(0), base(t), 4096, RW);
	else
		expect_rc(0, rc);
	expect(reaches(t, base(t), 0));
}

static void either_unmaps(struct tce *t, long rc)
{
	if (rc == NOT_IN_KERNEL)
		unmap(t->container, base(t), 4096);
	else
		expect_rc(0, rc);
	expect(!reaches(t, base(t), 0));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/* Memory is registered before there is a machine: a driver may say no to KVM. */
static void later(struct tce *t)
{
	guest.mem = alloc(GUEST_SIZE, CHUNK);
	allow(t, guest.mem, GUEST_SIZE);
	guest_init();
	bounce_at(t, base(t) - CHUNK);
	give_table(t);
	either_maps(t, put(base(t), 0));
	either_unmaps(t, clear(base(t), 1));
	/* and to the window that was there before the machine */
	register_mem(t->container, guest.mem, GUEST_SIZE);
	either_maps(t, put(base(t), 0));
	either_unmaps(t, clear(base(t), 1));
}

static void removed(struct tce *t)
{
	uint64_t start;

	prepare(t);
	expect_rc(0, put_list(base(t), 16));
	/* KVM has the table still, but it is empty, and the device has none. */
	remove_window(t->container, t->info.dma32_window_start);
	unregister_mem(t->container, t->bounce, CHUNK);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
	register_mem(t->container, guest.mem, GUEST_SIZE);
	register_mem(t->container, t->bounce, CHUNK);
	create(t->container, 12, GiB, 1, &start);
	expect_eq(t->info.dma32_window_start, start);
	map(t->container, t->bounce, t->bounce_iova, CHUNK, RW);
	put(base(t), 0);
	expect(!reaches(t, base(t), 0));
	clear(base(t), 1);
}

/* One entry of the guest's is sixteen of the table's. */
static void larger_pages(struct tce *t)
{
	guest_init();
	allow(t, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table_as(t, 16);
	expect_rc(0, put(base(t), 0));
	expect(reaches(t, base(t), 0));
	expect(reaches(t, base(t) + 15 * 4096, 15 * 4096));
	unmap(t->container, base(t) + 15 * 4096, 4096);
	expect(!reaches(t, base(t) + 15 * 4096, 15 * 4096));
	expect(reaches(t, base(t) + 14 * 4096, 14 * 4096));
	expect_rc(0, clear(base(t), 1));
	expect(!reaches(t, base(t), 0));
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

static void two_levels(struct tce *t)
{
	uint64_t start;

	guest_init();
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 12, 4 * GiB, 2, &start);
	expect_eq(t->info.dma32_window_start, start);
	allow(t, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table(t);
	expect_rc(0, clear(base(t) + 128 * MiB, 4096));
	expect_rc(0, put(base(t) + 128 * MiB, 0));
	expect(reaches(t, base(t) + 128 * MiB, 0));
	unmap(t->container, start, 4 * GiB);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * A huge page and ordinary ones behind it are one region. An entry of 2 MiB may
 * only be put for the first of them: the others are of 2 MiB by address alone.
 */
static void behind_a_huge_one(struct tce *t)
{
	const uint64_t huge = 2 * MiB, at = 256 * MiB;
	uint64_t start;
	uint8_t *mem;

	guest_init();
	if (!has_shift(t, 21))
		skip("no IOMMU pages of 2 MiB");
	mem = mmap(NULL, 4 * huge, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(mem != MAP_FAILED);
	madvise(mem, 4 * huge, MADV_NOHUGEPAGE);
	mem = (uint8_t *)(((uintptr_t)mem + huge - 1) & -huge);
	if (mmap(mem, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_HUGETLB | MAP_HUGE_2MB | MAP_FIXED, -1, 0) != mem)
		skip("this host has no huge pages of 2 MiB");
	memset(mem, 0, 2 * huge);
	add_memory(1, at, mem, 2 * huge);
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 21, GiB, 1, &start);
	expect_eq(t->info.dma32_window_start, start);
	register_mem(t->container, mem, 2 * huge);
	give_table_as(t, 21);
	note("the huge page: %ld", hcall(H_PUT_TCE, LIOBN, base(t), at | TCE_RW, 0));
	expect(hcall(H_PUT_TCE, LIOBN, base(t), (at + huge) | TCE_RW, 0) != 0);
	expect_rc(0, clear(base(t), 2));
	unregister_mem(t->container, mem, 2 * huge);
}

static void left_mapped(struct tce *t)
{
	prepare(t);
	expect_rc(0, put_list(base(t), 16));
}

static void detached_mapped(struct tce *t)
{
	prepare(t);
	expect_rc(0, put_list(base(t), 16));
	edu_close(&t->edu);
	detach(t);
	/* KVM has a table without a window, and memory that is not registered. */
	put(base(t), 0);
	clear(base(t), 16);
}

static void next_container(struct tce *t)
{
	unset_container(t->group);
	close(t->container);
	t->container = open_container();
	set_container(t->group, t->container);
	set_iommu(t->container, V2_IOMMU);
	register_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * KVM keeps the table of a first container, puts memory of the second there, and
 * takes it out again when the third has the same mapped for its device.
 */
static void table_kept(struct tce *t)
{
	prepare(t);
	edu_close(&t->edu);
	next_container(t);
	note("the guest puts: %ld", put(base(t), 0));
	next_container(t);
	map(t->container, data(0), base(t), 4096, RW);
	note("the guest clears: %ld", clear(base(t), 1));
	/* had the guest counted it down, it would count as mapped for good */
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

static const struct test rows[] = {
	{ "what a guest maps the device reaches, while it is mapped",
	  guest_maps, V2 | DMA | POWERNV },
	{ "UNREGISTER takes away what a guest has mapped", guest_counts,
	  V2 | DMA | POWERNV },
	{ "UNMAP takes away what a guest has mapped", unmap_guests,
	  V2 | DMA | POWERNV },
	{ "MAP replaces what a guest has mapped, and the guest what MAP has",
	  over_each_other, V2 | DMA | POWERNV },
	{ "a guest that comes later maps what was registered before it", later,
	  V2 | DMA | POWERNV },
	{ "a guest's page may be many of the table's", larger_pages,
	  V2 | DMA | POWERNV },
	{ "a guest maps in a table of two levels", two_levels,
	  V2 | DMA | POWERNV },
	{ "a guest can't have ordinary pages behind a huge one as huge",
	  behind_a_huge_one, V2 | POWERNV | DANGEROUS },
	{ "a window that is removed is the guest's no more", removed,
	  V2 | DMA | POWERNV | DANGEROUS },
	{ "a process that ends leaves nothing of what its guest has mapped",
	  left_mapped, V2 | DMA | POWERNV | DANGEROUS },
	{ "a group that leaves takes away what a guest has mapped",
	  detached_mapped, V2 | DMA | POWERNV | DANGEROUS },
	{ "a table that KVM keeps does not count down what is mapped later",
	  table_kept, V2 | DMA | POWERNV | DANGEROUS },
};

const struct rows tables_rows = ROWS(rows);
