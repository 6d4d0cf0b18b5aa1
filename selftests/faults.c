// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every memory allocation of a command, and where the kernel can do that every
 * copy from or to user space, fails once: the first one, then the second one,
 * until the command needs no more. Each time the command must fail cleanly or get
 * along without, and afterwards it must work.
 *
 * Needs a kernel with CONFIG_FAULT_INJECTION (fail-nth of each task) and root.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults/faults.h"

#define CHUNK	(64 * KiB)
#define SIZE	(4 * MiB)

static struct tce *box;
static uint8_t *mem, *old;
static uint64_t start;
/* Brings back the state in which a command that failed needs all allocations. */
static void (*after_failure)(void);

static uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

/*
 * Runs @op with each of its allocations failing; @undo after each success but
 * the last. @may_fail is false for what releases, which must always work.
 */
static void each(const char *what, long (*op)(void), void (*undo)(void),
		 bool may_fail)
{
	unsigned int n, failed = 0;
	uint64_t before = locked();
	bool injected;
	long rc;

	for (n = 1; n < MANY; n++) {
		arm(n);
		rc = op();
		injected = disarm();
		if (!injected) {
			if (rc)
				fail_rc(__FILE__, __LINE__, what, 0, rc);
			note("%s: %u allocations, failed %u times", what, n - 1,
			     failed);
			return;
		}
		/* An argument that can't be read is nobody's fault. */
		if (rc && !may_fail && !(copies_fail && rc == -EFAULT))
			fail_rc(__FILE__, __LINE__, what, 0, rc);
		if (rc && rc != -ENOMEM && rc != -EFAULT && rc != -EAGAIN)
			fail_rc(__FILE__, __LINE__, what, -ENOMEM, rc);
		if (rc) {
			failed++;
			if (locked() != before)
				fail(__FILE__, __LINE__,
				     "%s: failure %u leaves %lld bytes locked",
				     what, n, (long long)(locked() - before));
			if (after_failure)
				after_failure();
		} else {
			undo();
		}
	}
	fail(__FILE__, __LINE__, "%s: there is no end of allocations", what);
}

static long do_attach(void)
{
	return __set_iommu(box->container, box->version == 1 ? V1_IOMMU :
			   V2_IOMMU);
}

static void undo_attach(void)
{
	unset_container(box->group);
	set_container(box->group, box->container);
}

static long do_allow(void)
{
	return box->version == 1 ? __enable(box->container) :
	       __register(box->container, mem, SIZE);
}

static void undo_allow(void)
{
	if (box->version == 1)
		disable(box->container);
	else
		unregister_mem(box->container, mem, SIZE);
}

static long do_map(void)
{
	return __map(box->container, mem, base(box), SIZE, RW);
}

static void undo_map(void)
{
	unmap(box->container, base(box), SIZE);
}

/* The first use makes the default window, which is undone with all else. */
static void undo_first(void)
{
	undo_attach();
	expect_rc(0, do_attach());
	expect_rc(0, do_allow());
}

static long do_first(void)
{
	return __unmap(box->container, base(box), CHUNK);
}

static long do_create(void)
{
	return __create(box->container, 12, GiB, 2, &start);
}

static long do_create_flat(void)
{
	return __create(box->container, 12, GiB, 1, &start);
}

static void undo_create(void)
{
	remove_window(box->container, start);
}

static long do_map_created(void)
{
	return __map(box->container, mem, start + 16 * MiB, SIZE, RW);
}

static void undo_map_created(void)
{
	unmap(box->container, start + 16 * MiB, SIZE);
}

static long do_replace(void)
{
	return __map(box->container, mem, base(box), SIZE, R);
}

static void nothing(void)
{
}

static long do_unmap(void)
{
	return __unmap(box->container, base(box), SIZE);
}

static void redo_map(void)
{
	map(box->container, mem, base(box), SIZE, RW);
}

static long do_unregister(void)
{
	return __unregister(box->container, mem, SIZE);
}

static void redo_register(void)
{
	register_mem(box->container, mem, SIZE);
}

static long do_remove(void)
{
	return __remove(box->container, start);
}

static void redo_create(void)
{
	expect_rc(0, do_create_flat());
}

static long do_info(void)
{
	struct vfio_iommu_spapr_tce_info info;

	return __get_info(box->container, &info);
}

/* Where there is no EEH there is nothing to fail but the copy. */
static long do_eeh(void)
{
	long rc = __eeh(box->container, VFIO_EEH_PE_GET_STATE);

	return rc == -ENODEV ? 0 : rc;
}

static long do_disable(void)
{
	return __disable(box->container);
}

static void redo_enable(void)
{
	enable(box->container);
	redo_map();
}

/* The last group takes all along: windows, regions, pins. */
static long do_leave(void)
{
	return __unset_container(box->group);
}

static void redo_all(void)
{
	set_container(box->group, box->container);
	expect_rc(0, do_attach());
	expect_rc(0, do_allow());
	redo_map();
}

static long do_close(void)
{
	return close(box->group);
}

static void redo_open(void)
{
	box->group = open_group(0);
	redo_all();
}

static long do_join(void)
{
	return __set_container(box->group2, box->container);
}

static void undo_join(void)
{
	unset_container(box->group2);
}

static void prepare(struct tce *t)
{
	need_faults();
	box = t;
	mem = alloc(SIZE, CHUNK);
}

/* What failed has left nothing in the table; what was replaced is still there. */
static void expect_unmapped(void)
{
	expect(!can_write(box, base(box), mem));
	expect(!can_write(box, base(box) + SIZE - PROBE, mem + SIZE - PROBE));
}

static void expect_mapped(void)
{
	expect(can_write(box, base(box), old));
	expect(can_write(box, base(box) + SIZE - PROBE, old + SIZE - PROBE));
}

static long do_map_over(void)
{
	return __map(box->container, mem, base(box), SIZE, RW);
}

static void redo_old(void)
{
	map(box->container, old, base(box), SIZE, RW);
}

static void entries(struct tce *t)
{
	long pins;

	prepare(t);
	old = alloc(SIZE, CHUNK);
	allow(t, old, SIZE);
	allow(t, mem, SIZE);
	bounce_at(t, base(t) - CHUNK);
	pins = pinned();
	after_failure = expect_unmapped;
	each("MAP", do_map, undo_map, true);
	redo_old();
	after_failure = expect_mapped;
	each("MAP over MAP", do_map_over, redo_old, true);
	undo_map();
	expect_rc(pins, pinned_settled(pins));
	if (t->version == 2) {
		unregister_mem(t->container, old, SIZE);
		unregister_mem(t->container, mem, SIZE);
	}
}

static void acquire(struct tce *t)
{
	long pins;

	prepare(t);
	pins = pinned();
	undo_attach();
	each("SET_IOMMU", do_attach, undo_attach, true);
	each(t->version == 1 ? "ENABLE" : "REGISTER", do_allow, undo_allow,
	     true);
	each("the default window", do_first, undo_first, true);
	each("MAP", do_map, undo_map, true);
	each("MAP over MAP", do_replace, nothing, true);
	undo_map();
	undo_allow();
	expect_rc(pins, pinned_settled(pins));
}

static void windows(struct tce *t)
{
	prepare(t);
	expect_rc(0, do_allow());
	remove_window(t->container, t->info.dma32_window_start);
	each("CREATE", do_create_flat, undo_create, true);
	undo_create();
	if (host.powernv)
		each("CREATE of two levels", do_create, undo_create, true);
	else
		expect_rc(0, do_create_flat());
	each("MAP into it", do_map_created, undo_map_created, true);
	undo_map_created();
	undo_create();
	undo_allow();
}

/*
 * Levels of a sparse table come into being with MAP, and that can fail. Those
 * that did stay, so each attempt needs a new window.
 */
static void new_sparse(void)
{
	undo_create();
	create(box->container, 12, 1ULL << 40, 3, &start);
}

static void sparse(struct tce *t)
{
	prepare(t);
	expect_rc(0, do_allow());
	remove_window(t->container, t->info.dma32_window_start);
	create(t->container, 12, 1ULL << 40, 3, &start);
	after_failure = new_sparse;
	each("MAP into a sparse table", do_map_created, new_sparse, true);
	undo_create();
	undo_allow();
}

static void release(struct tce *t)
{
	prepare(t);
	expect_rc(0, do_allow());
	redo_map();
	each("GET_INFO", do_info, nothing, true);
	each("EEH", do_eeh, nothing, true);
	each("UNMAP", do_unmap, redo_map, false);
	redo_map();
	if (t->version == 1) {
		each("DISABLE", do_disable, redo_enable, false);
		redo_enable();
	}
	each("UNSET_CONTAINER", do_leave, redo_all, false);
	redo_all();
	each("close", do_close, redo_open, false);
	redo_open();
	if (t->version == 1)
		return;
	undo_map();
	each("UNREGISTER", do_unregister, redo_register, false);
	remove_window(t->container, t->info.dma32_window_start);
	redo_create();
	each("REMOVE", do_remove, redo_create, false);
}

/* Leaves the container. True if allocation @n of that was there to fail. */
static bool leave_failing(unsigned int n)
{
	bool injected;
	long rc;

	arm(n);
	rc = do_leave();
	injected = disarm();
	if (rc == -EFAULT && copies_fail)
		rc = do_leave();
	expect_rc(0, rc);
	return injected;
}

/*
 * A host that has no memory for a window of its own, when it gets the group back,
 * has none when the next client comes. That client may have no memory either.
 */
static void no_window(struct tce *t)
{
	unsigned int n, m, failed = 0;
	bool injected;
	long rc;

	prepare(t);
	for (n = 1; leave_failing(n); n++) {
		m = 0;
		do {
			if (m++)
				leave_failing(n);
			set_container(t->group, t->container);
			arm(m);
			rc = do_attach();
			injected = disarm();
			if (rc && rc != -ENOMEM && rc != -EFAULT)
				fail_rc(__FILE__, __LINE__, "SET_IOMMU", -ENOMEM, rc);
			failed += !!rc;
			if (rc)
				expect_rc(0, do_attach());
			expect_rc(0, do_allow());
			redo_map();
			expect(m < MANY);
		} while (injected);
		expect(n < MANY);
	}
	redo_all();
	note("UNSET_CONTAINER: %u allocations; SET_IOMMU failed %u times after one had failed",
	     n - 1, failed);
}

static void join(struct tce *t)
{
	prepare(t);
	if (!host.powernv)
		skip("the platform does not share tables between groups");
	expect_rc(0, do_allow());
	redo_map();
	each("a second group", do_join, undo_join, true);
	undo_join();
	undo_map();
	undo_allow();
}

static const struct test tests[] = {
	{ "attaching, allowing memory and mapping it", acquire,
	  BOTH | DANGEROUS },
	{ "what a MAP that failed leaves in the table", entries,
	  BOTH | DMA | DANGEROUS },
	{ "windows", windows, V2 | DANGEROUS },
	{ "sparse tables", sparse, V2 | POWERNV | DANGEROUS },
	{ "what releases does not fail for lack of memory", release,
	  BOTH | DANGEROUS },
	{ "a host without memory for a window of its own, and the next client", no_window,
	  BOTH | POWERNV | DANGEROUS },
	{ "a second group", join, V2 | TWO | DANGEROUS },
};

static const struct rows command_rows = ROWS(tests);

TESTS_MAIN("faults", &command_rows, &bypass_rows)
