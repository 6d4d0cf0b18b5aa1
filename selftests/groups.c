// SPDX-License-Identifier: GPL-2.0-only
/*
 * More than one group: who may join which container, what a group that joins
 * later finds there, and that one which leaves takes away its own access only.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"


static void open_second(struct tce *t, struct edu *edu)
{
	expect_rc(0, edu_open(edu, t->group2, host.other));
}

static void v1_takes_one(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	int other;

	allow(t, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	expect_rc(-EBUSY, __set_container(t->group2, t->container));
	/* That did no harm to either of them. */
	bounce_at(t, base(t) - CHUNK);
	expect(can_write(t, base(t), mem));
	other = open_container();
	set_container(t->group2, other);
	set_iommu(other, V1_IOMMU);
}

static void v1_two_at_set_iommu(struct tce *t __attribute__((unused)))
{
	int c = open_container(), a = open_group(0), b = open_group(host.other);

	set_container(a, c);
	set_container(b, c);
	expect_rc(-EBUSY, __set_iommu(c, V1_IOMMU));
	unset_container(b);
	set_iommu(c, V1_IOMMU);
}

static void own_containers(struct tce *t)
{
	struct tce u = { .container = -1 };
	uint8_t *mine = alloc(CHUNK, CHUNK), *its = alloc(CHUNK, CHUNK);
	struct edu edu;

	/* The same address in two containers is two different things. */
	u = *t;
	u.enabled = false;
	u.bounce = NULL;
	u.container = open_container();
	set_container(t->group2, u.container);
	set_iommu(u.container, t->version == 1 ? V1_IOMMU : V2_IOMMU);
	open_second(t, &edu);
	u.edu = edu;

	allow(t, mine, CHUNK);
	bounce_at(t, base(t) - CHUNK);
	allow(&u, its, CHUNK);
	bounce_at(&u, base(t) - CHUNK);
	map(t->container, mine, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mine));
	expect(!can_write(&u, base(t), mine));
	expect(!can_read(&u, base(t), mine));
	map(u.container, its, base(t), CHUNK, RW);
	expect(can_write(&u, base(t), its));
	expect(!can_write(t, base(t), its));
	unmap(t->container, base(t), CHUNK);
	expect(can_write(&u, base(t), its));
	expect(!can_write(t, base(t), mine));
}

static void joins_later(struct tce *t)
{
	uint8_t *mem;
	uint64_t second, before;
	struct edu edu;

	need_sharing();
	if (!host.wide)
		skip("the device cannot address the second window");
	mem = prepare_dma(t, CHUNK);
	create(t->container, 12, GiB, 1, &second);
	map(t->container, mem, base(t), CHUNK, RW);
	map(t->container, mem, second, CHUNK, RW);
	before = locked();
	set_container(t->group2, t->container);
	/* Tables are shared, and so is what they cost. */
	expect_eq(before, locked());
	open_second(t, &edu);
	expect(edu_changes(t, &edu, base(t), mem));
	expect(edu_sees(t, &edu, base(t), mem));
	expect(edu_changes(t, &edu, second, mem));
	expect(can_write(t, base(t), mem));
	unmap(t->container, base(t), CHUNK);
	expect(!can_write(t, base(t), mem));
	expect(!edu_changes(t, &edu, base(t), mem));
	/* Windows come and go for all groups at once. */
	remove_window(t->container, second);
	expect(!edu_changes(t, &edu, second, mem));
	create(t->container, 12, GiB, 1, &second);
	map(t->container, mem, second, CHUNK, RW);
	expect(can_write(t, second, mem));
	expect(edu_changes(t, &edu, second, mem));
	expect_rc(-EINVAL, __set_container(t->group2, t->container));
}

static void one_leaves(struct tce *t)
{
	uint8_t *mem;
	uint64_t before;
	int i;

	need_sharing();
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	before = locked();
	for (i = 0; i < 3; i++) {
		set_container(t->group2, t->container);
		unset_container(t->group2);
		expect(can_read(t, base(t), mem));
		expect(can_write(t, base(t), mem));
		expect_eq(before, locked());
	}
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, CHUNK);
}

/* The group that was there first and made the windows is no exception. */
static void first_leaves(struct tce *t)
{
	uint8_t *mem;
	uint64_t start;
	struct edu edu;

	need_sharing();
	edu_close(&t->edu);
	set_container(t->group2, t->container);
	open_second(t, &edu);
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unset_container(t->group);
	expect(edu_changes(t, &edu, base(t), mem));
	expect(edu_sees(t, &edu, base(t), mem));
	get_info(t->container, &t->info);
	create(t->container, 12, 256 * MiB, 1, &start);
	remove_window(t->container, start);
	/* And back again. */
	set_container(t->group, t->container);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	expect(can_write(t, base(t), mem));
}

/* The leaver itself has lost its access. */
static void leaver_is_out(struct tce *t)
{
	uint8_t *mem;
	struct tce u;

	need_sharing();
	set_container(t->group2, t->container);
	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unset_container(t->group2);

	u = *t;
	u.bounce = NULL;
	u.container = open_container();
	set_container(t->group2, u.container);
	set_iommu(u.container, V2_IOMMU);
	open_second(t, &u.edu);
	bounce_at(&u, base(t) - CHUNK);
	expect(!can_write(&u, base(t), mem));
	expect(can_write(t, base(t), mem));
}

static void both_leave(struct tce *t)
{
	struct vfio_iommu_spapr_tce_info info;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	need_sharing();
	set_container(t->group2, t->container);
	register_mem(t->container, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unset_container(t->group);
	expect(locked() > before);
	unset_container(t->group2);
	expect_eq(before, locked());
	expect_rc(-EINVAL, __get_info(t->container, &info));
	/* Another type is possible now. */
	set_container(t->group2, t->container);
	set_iommu(t->container, V1_IOMMU);
	enable(t->container);
}

/* pseries: refused, and the one that is there goes on working. */
static void second_refused(struct tce *t)
{
	uint8_t *mem;
	uint64_t before;

	mem = prepare_dma(t, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	before = locked();
	expect_rc(-EPERM, __set_container(t->group2, t->container));
	expect_rc(-EPERM, __set_container(t->group2, t->container));
	expect_eq(before, locked());
	expect(can_write(t, base(t), mem));
	expect(can_read(t, base(t), mem));
}

/* ... and where both are there already, it is the window that is refused. */
static void window_refused(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, start;

	set_container(t->group2, t->container);
	register_mem(t->container, mem, CHUNK);
	before = locked();
	expect_rc(-EPERM, __map(t->container, mem, base(t), CHUNK, RW));
	expect_rc(-EPERM, __create(t->container, 12, 256 * MiB, 1, &start));
	expect_eq(before, locked());
	unset_container(t->group2);
	bounce_at(t, base(t) - CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	expect(can_write(t, base(t), mem));
}

static void expect_dma(struct tce *t, uint64_t a, uint64_t b, void *mem)
{
	expect(can_write(t, a, mem));
	expect(can_write(t, b, mem));
}

/* PowerNV takes the group from the host once more, if it is let. */
static void function_comes(struct tce *t)
{
	uint64_t start, first;
	void *mem;

	if (!host_second(0, false))
		skip("the device has no second function");
	attach(t, 2);
	expect_rc(0, edu_open(&t->edu, t->group, 0));
	first = base(t);
	mem = alloc(CHUNK, CHUNK);
	bounce_at(t, first - CHUNK);
	allow(t, mem, CHUNK);
	create(t->container, 12, 256 * MiB, 1, &start);
	map(t->container, mem, first, CHUNK, RW);
	map(t->container, mem, start, CHUNK, RW);
	expect_dma(t, first, start, mem);
	expect(host_second(0, true));
	expect_dma(t, first, start, mem);
	unmap(t->container, first, CHUNK);
	unmap(t->container, start, CHUNK);
	expect(!can_write(t, first, mem));
	expect(!can_write(t, start, mem));
	map(t->container, mem, first + CHUNK, CHUNK, RW);
	map(t->container, mem, start + CHUNK, CHUNK, RW);
	expect_dma(t, first + CHUNK, start + CHUNK, mem);
}

static const struct test tests[] = {
	{ "a second group is EBUSY", v1_takes_one, V1 | TWO | DMA },
	{ "SET_IOMMU of v1 with two groups is EBUSY, with one it works",
	  v1_two_at_set_iommu, BARE | TWO },
	{ "containers do not see each other's mappings", own_containers,
	  BOTH | TWO | DMA },
	{ "a group that joins shares windows and mappings", joins_later,
	  V2 | TWO | DMA },
	{ "a group that goes leaves the others their mappings", one_leaves,
	  V2 | TWO | DMA },
	{ "the first group can leave as well", first_leaves, V2 | TWO | DMA },
	{ "a group that left has no access any more", leaver_is_out,
	  V2 | TWO | DMA },
	{ "the last group to leave releases everything", both_leave,
	  V2 | TWO },
	{ "a second group is EPERM where tables cannot be shared",
	  second_refused, V2 | TWO | DMA | PSERIES },
	{ "a function that comes to a claimed group takes no window away",
	  function_comes, V2 | POWERNV | APART | DANGEROUS },
	{ "a window for two groups is EPERM where tables cannot be shared",
	  window_refused, V2 | TWO | DMA | PSERIES },
};

TEST_MAIN("groups", tests)
