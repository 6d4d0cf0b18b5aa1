// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_memory_register: what can be registered, by whom, and what is said when
 * it fails.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>

#include "../tce_memory.h"
#include "tce_fixture.h"

/*
 * Containers hold the description of the process's memory, in case that they are
 * closed after its end, and let go of it.
 */
static void memory_of_the_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, PAGE_SIZE);
	struct tce_client *a, *b;
	int v2, count;

	for (v2 = 0; v2 < 2; v2++) {
		count = atomic_read(&fx->mm->mm_count);
		a = tce_ready(fx, v2, NULL);
		b = tce_ready(fx, v2, NULL);
		if (v2)
			KUNIT_ASSERT_EQ(test, tce_register(a, ua, PAGE_SIZE), 0);
		KUNIT_EXPECT_GT(test, atomic_read(&fx->mm->mm_count), count);
		tce_close(b);
		KUNIT_EXPECT_GT(test, atomic_read(&fx->mm->mm_count), count);
		tce_close(a);
		tce_expect_balance(fx);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->mm->mm_count), count);
	}
}

/**
 * struct memory_bounds - arguments of REGISTER, relative to 64K of memory
 * @name: of the parameter
 * @off: from its start
 * @size: bytes
 * @pages: both are in pages
 * @rc: expected
 */
struct memory_bounds {
	const char *name;
	long off;
	u64 size;
	bool pages;
	long rc;
};

static const struct memory_bounds bounds[] = {
	{ "all of it", 0, 16, true, 0 },
	{ "its last page", 15, 1, true, 0 },
	{ "nothing", 0, 0, true, -EINVAL },
	{ "one byte", 0, 1, false, -EINVAL },
	{ "a page less a byte", 0, PAGE_SIZE - 1, false, -EINVAL },
	{ "a page and a byte", 0, PAGE_SIZE + 1, false, -EINVAL },
	{ "from the second byte on", 1, PAGE_SIZE, false, -EINVAL },
	{ "from half a page on", PAGE_SIZE / 2, PAGE_SIZE, false, -EINVAL },
	{ "up to 2^64 and beyond", 0, -PAGE_SIZE, false, -EINVAL },
	{ "2^63", 0, 1ULL << 63, false, -EFAULT },
	{ "a page too many", 0, 17, true, -EFAULT },
	{ "a page too early", -1, 2, true, -EFAULT },
	{ "behind it", 16, 1, true, -EFAULT },
};

KUNIT_ARRAY_PARAM_DESC(bound, bounds, name);

static void register_bounds(struct kunit *test)
{
	const struct memory_bounds *bound = test->param_value;
	unsigned int shift = bound->pages ? PAGE_SHIFT : 0;
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, 16 * PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, tce_register(client, ua + (bound->off << shift),
					   bound->size << shift), bound->rc);
	if (!bound->rc)
		return;
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), 0);
	/* no trace of it is left */
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, 16 * PAGE_SIZE), 0);
}

static void register_of_no_user_memory(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);

	KUNIT_EXPECT_EQ(test, tce_register(client, 0, PAGE_SIZE), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_register(client, (unsigned long)fx &
					   PAGE_MASK, PAGE_SIZE), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_register(client, -PAGE_SIZE, PAGE_SIZE),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, tce_register(client, PAGE_OFFSET - PAGE_SIZE,
					   2 * PAGE_SIZE), -EFAULT);
	KUNIT_EXPECT_EQ(test, tce_register(client, tce_hole(fx, SZ_2M), SZ_2M),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), 0);
}

static void register_more_than_there_is(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_hole(fx, 1ULL << 40);

	TCE_REFUSED(fx, MORE_THAN_MAPPED, ENOMEM,
		    tce_register(tce_open(test->priv, true), ua, 1ULL << 40));
	KUNIT_EXPECT_EQ(test, tce_charged(fx), 0);
}

/**
 * struct memory_kind - memory that may or may not be registered
 * @name: of the parameter
 * @kind: its kind
 * @rc: expected
 */
struct memory_kind {
	const char *name;
	enum tce_mem_kind kind;
	long rc;
};

static const struct memory_kind kinds[] = {
	{ "untouched", TCE_MEM_UNTOUCHED, 0 },
	{ "scattered", TCE_MEM_SCATTERED, 0 },
	{ "shared", TCE_MEM_SHARED, 0 },
	{ "huge pages that may be split", TCE_MEM_THP, 0 },
	{ "hugetlb", TCE_MEM_HUGETLB, 0 },
	{ "read-only", TCE_MEM_READONLY, -EFAULT },
	{ "no access", TCE_MEM_NOACCESS, -EFAULT },
};

KUNIT_ARRAY_PARAM_DESC(kind, kinds, name);

static void register_kinds_of_memory(struct kunit *test)
{
	const struct memory_kind *kind = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long size, ua;

	/* small and large */
	for (size = SZ_256K; size <= SZ_4M; size *= 16) {
		tce_apart(fx);
		ua = tce_memory(fx, kind->kind, max(size, SZ_2M));
		if (!ua)
			kunit_skip(test, "this machine has no such memory");
		KUNIT_EXPECT_EQ(test, tce_register(tce_open(test->priv, true), ua, size),
				kind->rc);
	}
}

/**
 * struct memory_overlap - a range beside pages 4 to 7, which are registered
 * @name: of the parameter
 * @from: first page
 * @to: page behind the last one
 * @rc: expected for the container that has registered
 * @other_rc: expected for another one of the same process
 */
struct memory_overlap {
	const char *name;
	unsigned int from;
	unsigned int to;
	long rc;
	long other_rc;
};

static const struct memory_overlap overlaps[] = {
	{ "the same", 4, 8, -EBUSY, 0 },
	{ "before", 0, 4, 0, 0 },
	{ "behind", 8, 12, 0, 0 },
	{ "over its start", 3, 5, -EINVAL, -EINVAL },
	{ "over its end", 7, 9, -EINVAL, -EINVAL },
	{ "its first page", 4, 5, -EINVAL, -EINVAL },
	{ "its last page", 7, 8, -EINVAL, -EINVAL },
	{ "inside", 5, 7, -EINVAL, -EINVAL },
	{ "around it", 3, 9, -EINVAL, -EINVAL },
	{ "the same start, longer", 4, 9, -EINVAL, -EINVAL },
	{ "the same end, longer", 3, 8, -EINVAL, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlaps, name);

static void overlapping_ranges(struct kunit *test)
{
	const struct memory_overlap *o = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_client *a = tce_open(test->priv, true), *b = tce_open(test->priv, true);
	unsigned long ua, from, size = (o->to - o->from) * PAGE_SIZE;
	int kvm;
	long rc;

	for (kvm = 0; kvm < 2; kvm++) {
		if (kvm)
			tce_watch(fx);
		ua = tce_plain(fx, 12 * PAGE_SIZE);
		from = ua + o->from * PAGE_SIZE;
		KUNIT_ASSERT_EQ(test, tce_register(a, ua + 4 * PAGE_SIZE,
						   4 * PAGE_SIZE), 0);
		rc = tce_register(a, from, size);
		KUNIT_EXPECT_EQ(test, rc, o->rc);
		if (!rc)
			KUNIT_EXPECT_EQ(test, tce_unregister(a, from, size), 0);
		else if (rc == -EINVAL)
			KUNIT_EXPECT_EQ(test, tce_unregister(a, from, size),
					-ENOENT);
		KUNIT_EXPECT_EQ(test, tce_register(b, from, size), o->other_rc);
	}
}

static void unregister_of_other_bounds(struct kunit *test)
{
	const struct memory_overlap *o = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_client *a = tce_open(test->priv, true), *b = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, 12 * PAGE_SIZE);
	unsigned long size = (o->to - o->from) * PAGE_SIZE;
	bool same = o->rc == -EBUSY;

	KUNIT_ASSERT_EQ(test, tce_register(a, ua + 4 * PAGE_SIZE,
					   4 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_register(b, ua, PAGE_SIZE), 0);
	/* by another container, and by its own */
	KUNIT_EXPECT_EQ(test, tce_unregister(b, ua + o->from * PAGE_SIZE, size),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, tce_unregister(a, ua + o->from * PAGE_SIZE, size),
			same ? 0 : -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), same ? 1 : 5);
}

static void unregister_misaligned(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua + 1, PAGE_SIZE),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE + 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, 0, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, tce_unregister(client, ua, PAGE_SIZE), 0);
}

#define MANY	600

/* Single pages, in no order; each is found, and no other is. */
static void many_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, 2 * MANY * PAGE_SIZE), i, at;

	/* every second page; 7 and MANY have no common divisor */
	for (i = 0; i < MANY; i++) {
		at = ua + 2 * (i * 7 % MANY) * PAGE_SIZE;
		KUNIT_ASSERT_EQ(test, tce_register(client, at, PAGE_SIZE), 0);
	}
	for (i = 0; i < MANY; i++) {
		at = ua + 2 * i * PAGE_SIZE;
		KUNIT_ASSERT_EQ(test, tce_map(client, i * SZ_4K, at, SZ_4K,
					      TCE_RW), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, SZ_16M, at + PAGE_SIZE,
					      SZ_4K, TCE_RW), -EINVAL);
	}
	for (i = 0; i < MANY; i += 50)
		tce_expect_mapped(fx, grp, 0, i * SZ_4K,
				  ua + 2 * i * PAGE_SIZE, SZ_4K, TCE_RW);
	KUNIT_ASSERT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	for (i = 0; i < MANY; i++) {
		at = ua + 2 * (i * 11 % MANY) * PAGE_SIZE;
		KUNIT_ASSERT_EQ(test, tce_unregister(client, at, PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, tce_map(client, 0, at, SZ_4K, TCE_RW),
				-EINVAL);
	}
}

/* Many large regions, of which the kernel's list has the first ones. */
static void many_large_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long n = 280, i, at, ua = tce_hole(fx, n * SZ_2M);
	struct file *file = tce_file(fx, tce_memory(fx, TCE_MEM_SHARED, SZ_1M));

	tce_watch(fx);
	/* the same memory at many addresses */
	for (i = 0; i < n; i++) {
		at = vm_mmap(file, ua + i * SZ_2M, SZ_1M,
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0);
		KUNIT_ASSERT_EQ(test, at, ua + i * SZ_2M);
		KUNIT_ASSERT_EQ(test, tce_register(client, at, SZ_1M), 0);
	}
	fput(file);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, tce_map(client, i * SZ_4K,
					      ua + i * SZ_2M, SZ_4K, TCE_R), 0);
	KUNIT_EXPECT_EQ(test, tce_mock_live(fx->mock), n);
	KUNIT_EXPECT_EQ(test, tce_unmap(client, 0, SZ_64M), 0);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, tce_unregister(client, ua + i * SZ_2M,
						     SZ_1M), 0);
}

/* On 4K hosts the number of its pages is itself a multiple of the page. */
static void many_small_pages(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, SZ_16M);

	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_16M), 0);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, SZ_16M, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, PAGE_SIZE, TCE_RW);
	tce_expect_mapped(fx, grp, 0, SZ_16M - PAGE_SIZE,
			  ua + SZ_16M - PAGE_SIZE, PAGE_SIZE, TCE_RW);
}

/* The kernel pins less than it was asked for: the rest is asked for again. */
static void pinned_in_pieces(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long ua = tce_plain(fx, 8 * PAGE_SIZE);

	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, 3);
	KUNIT_EXPECT_EQ(test, tce_register(client, ua, 8 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 3);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 8 * PAGE_SIZE, TCE_RW), 0);
	tce_expect_mapped(fx, grp, 0, 0, ua, 8 * PAGE_SIZE, TCE_RW);
}

static void pinned_in_pieces_v1(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready(fx, false, &grp);
	unsigned long ua = tce_plain(fx, 8 * PAGE_SIZE);

	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, 3);
	KUNIT_EXPECT_EQ(test, tce_map(client, 0, ua, 8 * PAGE_SIZE, TCE_RW), 0);
	tce_fault_disarm(fx->mock);
	tce_expect_mapped(fx, grp, 0, 0, ua, 8 * PAGE_SIZE, TCE_RW);
}

/* How pinning fails, and what user space is told. */
struct memory_error {
	const char *name;
	int from;
	int to;
};

static const struct memory_error errors[] = {
	{ "EFAULT", -EFAULT, -EFAULT },
	{ "ENOMEM", -ENOMEM, -ENOMEM },
	{ "EINTR", -EINTR, -EINTR },
	{ "EINVAL", -EINVAL, -EFAULT },
	{ "EOPNOTSUPP", -EOPNOTSUPP, -EFAULT },
	{ "EAGAIN", -EAGAIN, -EFAULT },
	{ "nothing is pinned", 0, -EFAULT },
};

KUNIT_ARRAY_PARAM_DESC(error, errors, name);

static void pinning_fails(struct kunit *test)
{
	const struct memory_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, SZ_256K), locked;

	KUNIT_ASSERT_EQ(test, tce_unmap(v1, 0, SZ_4K), 0);
	locked = tce_charged(fx);
	/* pages that may have to move are tried more than once */
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, err->from);
	KUNIT_EXPECT_EQ(test, tce_register(v2, ua, SZ_256K), err->to);
	KUNIT_EXPECT_GE(test, tce_fault_disarm(fx->mock), 1);
	tce_fault_arm_sticky(fx->mock, TCE_FAULT_PIN, err->from);
	KUNIT_EXPECT_EQ(test, tce_map(v1, 0, ua, SZ_256K, TCE_RW), err->to);
	KUNIT_EXPECT_GE(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, tce_charged(fx), locked);
	KUNIT_EXPECT_EQ(test, tce_mock_pins(fx->mock), 0);
}

/* Pages that have to move, while somebody else holds them for a moment */
static void pinning_fails_for_a_moment(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *v1 = tce_ready(fx, false, NULL);
	struct tce_client *v2 = tce_open(test->priv, true);
	unsigned long ua = tce_plain(fx, SZ_256K);

	tce_fault_arm(fx->mock, TCE_FAULT_PIN, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_register(v2, ua, SZ_256K), 0);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	tce_fault_arm(fx->mock, TCE_FAULT_PIN, 1, -ENOMEM);
	KUNIT_EXPECT_EQ(test, tce_map(v1, 0, ua, SZ_256K, TCE_RW), 0);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
}

/* The kernel's own registration reports a short pin as a number of pages. */
static void registering_with_the_kernel_fails(struct kunit *test)
{
	const struct memory_error *err = test->param_value;
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_2M);
	int from = err->from ?: 17;
	long rc;

	tce_watch(fx);
	tce_fault_arm(fx->mock, TCE_FAULT_REGISTER, 1, from);
	rc = tce_register(tce_open(test->priv, true), ua, SZ_2M);
	KUNIT_EXPECT_EQ(test, tce_fault_disarm(fx->mock), 1);
	KUNIT_EXPECT_EQ(test, rc, from == -EINVAL ? -EINVAL : err->to);
}

struct memory_bind {
	struct tce_client *client;
	long rc;
};

static void register_by_other(struct tce_fixture *fx, void *arg)
{
	struct memory_bind *bind = arg;

	/* far enough to see who is asking, no further */
	bind->rc = tce_ioctl_raw(bind->client, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
				 0);
}

/* A container serves the process that first used it. */
static void belongs_to_the_first_process(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct memory_bind bind = { .client = tce_open(test->priv, true) };
	unsigned long ua = tce_plain(fx, PAGE_SIZE);

	tce_do_as_other(fx, true, register_by_other, &bind);
	KUNIT_EXPECT_EQ(test, bind.rc, -EFAULT);
	tce_do_as_other(fx, false, register_by_other, &bind);
	KUNIT_EXPECT_EQ(test, bind.rc, -EPERM);
	KUNIT_EXPECT_EQ(test, tce_register(bind.client, ua, PAGE_SIZE), 0);
	tce_do_as_other(fx, true, register_by_other, &bind);
	KUNIT_EXPECT_EQ(test, bind.rc, -EPERM);
}

/**
 * struct gone - a process of which something is kept, even without a container
 * @mem: its container's memory
 * @id: the process's number
 */
struct gone {
	struct tce_mem mem;
	unsigned long id;
};

static int mem_join(struct tce_mem *mem)
{
	struct tce_process *process;
	int rc;

	tce_mem_init(mem, true);
	process = tce_mem_process(mem);
	if (IS_ERR_OR_NULL(process))
		return -ENOMEM;
	rc = tce_mem_bind(mem, process);
	tce_process_put(process);
	return rc;
}

static void mem_leave(struct tce_mem *mem)
{
	tce_mem_close(mem);
	tce_mem_destroy(mem);
}

static void leave_something(struct tce_fixture *fx, void *arg)
{
	struct gone *gone = arg;

	KUNIT_EXPECT_EQ(fx->test, mem_join(&gone->mem), 0);
	gone->id = gone->mem.process->id;
	tce_process_worsen(gone->mem.process, TCE_PROCESS_STUCK);
	mem_leave(&gone->mem);
}

static bool is_remembered(unsigned long id)
{
	unsigned long other = ULONG_MAX;

	do {
		other = tce_process_older(other);
	} while (other > id);
	return other == id;
}

/* What is kept of a process goes when it is gone, though nobody else comes or goes. */
static void process_is_gone(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct gone *gone;
	int i;

	gone = kunit_kzalloc(test, sizeof(*gone), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, gone);
	tce_do_as_other(fx, true, leave_something, gone);
	for (i = 0; i < 1500 && is_remembered(gone->id); i++)
		msleep(20);
	KUNIT_EXPECT_GT(test, i, 0);
	KUNIT_EXPECT_FALSE(test, is_remembered(gone->id));
}

static struct kunit_case tce_memory_register_cases[] = {
	KUNIT_CASE(memory_of_the_process),
	KUNIT_CASE_PARAM(register_bounds, bound_gen_params),
	KUNIT_CASE(register_of_no_user_memory),
	KUNIT_CASE(register_more_than_there_is),
	KUNIT_CASE_PARAM(register_kinds_of_memory, kind_gen_params),
	KUNIT_CASE_PARAM(overlapping_ranges, overlap_gen_params),
	KUNIT_CASE_PARAM(unregister_of_other_bounds, overlap_gen_params),
	KUNIT_CASE(unregister_misaligned),
	KUNIT_CASE(many_regions),
	KUNIT_CASE(many_large_regions),
	KUNIT_CASE(many_small_pages),
	KUNIT_CASE(pinned_in_pieces),
	KUNIT_CASE(pinned_in_pieces_v1),
	KUNIT_CASE_PARAM(pinning_fails, error_gen_params),
	KUNIT_CASE(pinning_fails_for_a_moment),
	KUNIT_CASE_PARAM(registering_with_the_kernel_fails, error_gen_params),
	KUNIT_CASE(belongs_to_the_first_process),
	KUNIT_CASE(process_is_gone),
	{}
};

TCE_SUITE(tce_memory_register);
