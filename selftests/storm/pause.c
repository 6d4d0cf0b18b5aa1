// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pause: no call is under way. All windows are unmapped, and the device must reach nothing; then
 * some memory is mapped, and it must reach exactly that.
 *
 * The device reports no errors: an access that the bridge refuses changes no memory, and leaves
 * zeros in the device's buffer or what was there. So both are told by their content. The buffer has
 * a pattern, the arena is never all zeros, and each page of the yard has its number.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "storm.h"

#define YARD_PAGES	(2 * PAGES + 64)
#define YARD_SIZE	(YARD_PAGES * PAGE)
#define MARK		64		/* bytes of each page that are looked at */
#define READS		5		/* each into a part of the buffer of its own, behind the mark */
#define WRITES		3
#define BUFFER		((1 + READS) * MARK)

/* Memory that no thread touches */
static uint8_t *yard;
static unsigned int seed = 1 << 20;	/* the arena has lower ones */

struct window {
	uint64_t start, size, page;
};

static void stamp_yard(void)
{
	unsigned int i;

	for (i = 0; i < YARD_PAGES; i++)
		memset(yard + i * PAGE, 1 + i % 255, MARK);
}

static bool has_stamp(const uint8_t *at, uint64_t page)
{
	uint8_t mark[MARK];

	memset(mark, 1 + page % 255, MARK);
	return !memcmp(at, mark, MARK);
}

/* The device has written its mark to two pages of the yard, and to no other memory. */
static void expect_written(uint64_t one, uint64_t two)
{
	uint64_t i;

	for (i = 0; i < YARD_PAGES; i++)
		if (i == one || i == two ? !filled(yard + i * PAGE, MARK, seed) :
					   !has_stamp(yard + i * PAGE, i))
			fail(__FILE__, __LINE__, "page %llu of the yard was %swritten",
			     (unsigned long long)i, i == one || i == two ? "not " : "");
	for (i = 0; i < ARENA_SIZE; i += PAGE)
		if (filled(ARENA + i, MARK, seed))
			fail(__FILE__, __LINE__, "page %llu of the arena was written",
			     (unsigned long long)i / PAGE);
}

/* All groups are where they belong again. Some were nowhere, or in a container that has no file. */
static void join_all(void)
{
	struct vfio_iommu_spapr_tce_info info;
	int i;

	for (i = 0; i < r.groups; i++)
		join(i);
	for (i = 0; i < r.groups; i++) {
		if (r.groups == r.containers && !__get_info(r.slot[i].fd, &info))
			continue;
		/* if the other one of the container stays, so do the windows */
		__unset_container(r.group[i]);
		join(i);
	}
	for (i = 0; i < r.containers; i++)
		get_info(r.slot[i].fd, &info);
}

/* So that it may be mapped, and that UNMAP works */
static void allow_yard(int slot)
{
	long rc;

	if (r.slot[slot].version == 2) {
		register_mem(r.slot[slot].fd, yard, YARD_SIZE);
		return;
	}
	rc = __enable(r.slot[slot].fd);
	if (rc != -EBUSY)
		expect_rc(0, rc);
}

static void disallow_yard(int slot)
{
	if (r.slot[slot].version == 2)
		unregister_mem(r.slot[slot].fd, yard, YARD_SIZE);
}

/* The largest range that UNMAP takes there is the window. */
static bool unmap_window(int fd, uint64_t start, struct window *win)
{
	long rc = -EINVAL;
	int bits;

	for (bits = 58; rc; bits--) {
		win->size = 1ULL << bits;
		rc = __unmap(fd, start, win->size);
		if (rc == -ENXIO)
			return false;
		if (rc && (rc != -EINVAL || bits == 12))
			fail_rc(__FILE__, __LINE__, "UNMAP of a whole window", 0, rc);
	}
	win->start = start;
	for (win->page = PAGE; win->page < win->size; win->page *= 2)
		if (!__unmap(fd, start + win->page, win->page))
			break;
	return true;
}

/* Returns how many windows there are. */
static int unmap_all(int slot, struct window windows[2])
{
	int n = unmap_window(r.slot[slot].fd, r.start[0], &windows[0]);

	return n + unmap_window(r.slot[slot].fd, r.start[1], &windows[n]);
}

static void unregister_all(int slot)
{
	long rc;
	int i;

	for (i = 0; i < REGIONS; i++) {
		rc = __unregister(r.slot[slot].fd, r.region[i].at, r.region[i].size);
		/* KVM loses count of what two of its processors put into an entry */
		if (rc && rc != -ENOENT && !(rc == -EBUSY && r.kvm) &&
		    !(rc == -EINVAL && ((uintptr_t)r.region[i].at | r.region[i].size) % host.page))
			fail_rc(__FILE__, __LINE__, "UNREGISTER of what nothing maps", 0, rc);
	}
}

/*
 * A container that closes while its memory is mapped in another one, or in the one that takes its
 * place, leaves the region behind. A REGISTER of any part of it lets go of it, even one that fails.
 */
static void free_orphans(int slot)
{
	if (!__register(r.slot[slot].fd, ARENA, ARENA_SIZE))
		unregister_mem(r.slot[slot].fd, ARENA, ARENA_SIZE);
}

/* Where the device may still find what was mapped */
static uint64_t mapped_before(const struct window *win)
{
	const struct worker *w = &r.worker[draw(&r.random, r.workers)];
	uint64_t at = draw(&r.random, w->nmapped < 16 ? w->nmapped + 1 : 16);

	if (at < w->nmapped)
		return w->mapped[at];
	return win->start + draw(&r.random, PLAYGROUND / PAGE) * PAGE;
}

static void expect_nothing_reached(struct edu *edu, const struct window *win)
{
	int i;

	for (i = 0; i < READS; i++)
		edu_read(edu, mapped_before(win), (1 + i) * MARK, MARK);
	for (i = 0; i < WRITES; i++)
		edu_write(edu, mapped_before(win), 0, MARK);
	expect_written(~0ULL, ~0ULL);
	tally->probes += READS + WRITES;
}

/* @buffer is what the device had in its buffer after that. */
static void expect_nothing_read(const uint8_t *buffer)
{
	static const uint8_t zeros[MARK];
	uint8_t pattern[BUFFER];
	int at;

	fill(pattern, BUFFER, seed);
	for (at = MARK; at < BUFFER; at += MARK)
		if (memcmp(buffer + at, zeros, MARK) && memcmp(buffer + at, pattern + at, MARK))
			fail(__FILE__, __LINE__, "the device has read what is not mapped");
}

static void check_device(struct edu *edu, int fd, const struct window *win)
{
	uint64_t room = YARD_SIZE / win->page, n = 1 + draw(&r.random, room);
	uint64_t from = draw(&r.random, room - n + 1) * win->page;
	uint64_t iova = win->start + (1 + draw(&r.random, PLAYGROUND / win->page - room)) * win->page;
	uint64_t end = n * win->page, middle = draw(&r.random, end / PAGE) * PAGE;
	uint8_t *first = yard + from;

	/* the pattern, by way of the first page that is mapped */
	fill(yard, BUFFER, ++seed);
	map(fd, yard, win->start, win->page, R);
	edu_read(edu, win->start, 0, BUFFER);
	unmap(fd, win->start, win->page);
	stamp_yard();
	expect_nothing_reached(edu, win);

	map(fd, first, iova, end, RW);
	edu_write(edu, iova, 0, BUFFER);
	expect_nothing_read(first);
	edu_write(edu, iova + end - PAGE, 0, MARK);
	edu_write(edu, iova - PAGE, 0, MARK);
	edu_write(edu, iova + end, 0, MARK);
	expect_written(from / PAGE, (from + end) / PAGE - 1);
	stamp_yard();
	edu_read(edu, iova + middle, 0, MARK);
	edu_write(edu, iova, 0, MARK);
	expect(has_stamp(first, (from + middle) / PAGE));
	unmap(fd, iova, end);
	tally->probes += 7;
}

/*
 * A window that the yard, of ordinary pages, can be mapped in; if there is none, the default window
 * of a new container
 */
static void choose_window(int slot, struct window windows[2], int n, struct window *win)
{
	int at = n ? draw(&r.random, n) : 0, i;

	for (i = 0; i < n; i++, at = (at + 1) % n) {
		if (windows[at].page > host.page)
			continue;
		*win = windows[at];
		return;
	}
	for (i = 0; i < r.groups; i++)
		if (slot_of(i) == slot)
			unset_container(r.group[i]);
	for (i = 0; i < r.groups; i++)
		if (slot_of(i) == slot)
			join(i);
	allow_yard(slot);
	expect(unmap_window(r.slot[slot].fd, r.start[0], win));
	disallow_yard(slot);
}

void pause_check(void)
{
	int n[SLOTS], i, group = draw(&r.random, r.groups), slot = slot_of(group);
	struct window windows[SLOTS][2], win;
	struct edu edu;

	if (!yard)
		yard = alloc(YARD_SIZE, CHUNK);
	arena_fill_holes();
	join_all();
	for (i = 0; i < r.containers; i++) {
		allow_yard(i);
		n[i] = unmap_all(i, windows[i]);
		disallow_yard(i);
	}
	for (i = 0; i < r.containers; i++)
		if (r.slot[i].version == 2)
			unregister_all(i);
	/* KVM may have lost counts, which keep a region */
	if (!r.kvm) {
		for (i = 0; i < r.containers; i++)
			if (r.slot[i].version == 2)
				free_orphans(i);
		expect_rc(r.pins, pinned_settled(r.pins));
	}

	choose_window(slot, windows[slot], n[slot], &win);
	expect_rc(0, edu_open(&edu, r.group[group], group ? host.other : 0));
	allow_yard(slot);
	check_device(&edu, r.slot[slot].fd, &win);
	disallow_yard(slot);
	edu_close(&edu);
	tally->pauses++;
}
