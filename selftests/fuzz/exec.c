// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does operations, and compares the machine with the model: results at once, locked
 * memory, pinned pages and what the devices reach when asked to.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define HUGE_SIZE	(2 * MiB)
#define MAGIC		0xfa57000000000000ULL
#define MAGIC_BITS	0xffff000000000000ULL

struct report *report;

/* By index of struct op, -1 where nothing is open */
static int container_fd[SLOTS], group_fd[GROUPS];
/* The memory that is given to devices, and what was in it before they came. */
static uint8_t *arena, *before;
/* Pages that were pinned before the round. */
static long base_pins;

const char *const op_names[OP_KINDS] = {
	[OP_OPEN_CONTAINER] = "OPEN_CONTAINER", [OP_CLOSE_CONTAINER] = "CLOSE_CONTAINER",
	[OP_OPEN_GROUP] = "OPEN_GROUP", [OP_CLOSE_GROUP] = "CLOSE_GROUP",
	[OP_SET_CONTAINER] = "SET_CONTAINER", [OP_UNSET_CONTAINER] = "UNSET_CONTAINER",
	[OP_SET_IOMMU] = "SET_IOMMU", [OP_GET_INFO] = "GET_INFO", [OP_ENABLE] = "ENABLE",
	[OP_DISABLE] = "DISABLE", [OP_REGISTER] = "REGISTER", [OP_UNREGISTER] = "UNREGISTER",
	[OP_CREATE] = "CREATE", [OP_REMOVE] = "REMOVE", [OP_MAP] = "MAP",
	[OP_UNMAP] = "UNMAP", [OP_MUNMAP] = "MUNMAP", [OP_MMAP] = "MMAP",
	[OP_DONTNEED] = "DONTNEED", [OP_LOCKED] = "LOCKED", [OP_PINNED] = "PINNED",
	[OP_DMA] = "DMA",
};

__attribute__((format(printf, 3, 4), noreturn))
static void disagree(enum wrong wrong, long got, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, ap);
	va_end(ap);
	report->got = got;
	report->wrong = wrong;
	_exit(1);
}

static uint8_t *page_start(unsigned int p)
{
	return arena + p * host.page;
}

/* A word's number takes 13 bits in a page of 64K. */
static uint64_t word_of(uint64_t tag, uint32_t offset)
{
	return MAGIC | (tag << 13 & ~MAGIC_BITS) | offset / 8;
}

static bool is_content(uint64_t word)
{
	return (word & MAGIC_BITS) == MAGIC;
}

/* Content that no other page has or had, nor in a round before: a device keeps what it has read. */
static void page_fill(unsigned int p)
{
	struct phys *phys = &model.phys[model.page[p].phys];
	uint64_t *word = (uint64_t *)page_start(p);
	size_t i;

	phys->tag = ++model.next_tag;
	phys->unknown = false;
	for (i = 0; i < host.page / 8; i++)
		word[i] = word_of(phys->tag, i * 8);
}

static void arena_refresh(void)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		if (!model.page[p].there)
			continue;
		page_fill(p);
		memcpy(before + p * host.page, page_start(p), host.page);
	}
}

/* Where memory is seen in the arena, or -1. */
static int page_of(int phys)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++)
		if (model.page[p].there && model.page[p].phys == phys)
			return p;
	return -1;
}

static void map_pages(unsigned int p, unsigned int n)
{
	if (mmap(page_start(p), n * host.page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		disagree(WRONG_CRASH, 0, "mmap: %m");
}

/*
 * The arena as a part of a huge page: what is next to each other there is so in
 * memory, and stays one large folio however much of it is unmapped.
 */
static void map_huge(void)
{
	void *end = page_start(machine.pages);

	if (mmap(arena, HUGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		disagree(WRONG_CRASH, 0, "mmap: %m");
	/* Without huge pages it is memory like any other. */
	madvise(arena, HUGE_SIZE, MADV_HUGEPAGE);
	*arena = 1;
	munmap(end, arena + HUGE_SIZE - (uint8_t *)end);
}

static bool may_read(const struct entry *e)
{
	return e && e->dir & R;
}

/* PowerNV lets a device read what it may write. */
static bool maybe_read(const struct entry *e)
{
	return e && host.powernv;
}

/* The arena is as it was before, but for @n words that may differ at @except. */
static void compare_arena(const uint8_t *except, size_t len, const struct op *op)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		const uint64_t *now = (uint64_t *)page_start(p);
		const uint64_t *old = (uint64_t *)(before + p * host.page);
		size_t i;

		if (!model.page[p].there || !memcmp(now, old, host.page))
			continue;
		for (i = 0; i < host.page / 8; i++) {
			const uint8_t *at = (uint8_t *)(now + i);

			if (now[i] == old[i] || (at >= except && at < except + len))
				continue;
			disagree(WRONG_DMA, 1, "DMA to %#llx changed page %u+%#zx, which is not there",
				 (unsigned long long)op->a, p, i * 8);
		}
	}
}

/* An entry of the container through which the device can show what it read. */
static const struct entry *find_bounce(const struct container *c, uint64_t select,
				       size_t len)
{
	int i;

	for (i = 0; i < c->entries; i++) {
		const struct entry *e = &c->entry[(select + i) % c->entries];

		if (e->dir & W && page_of(e->phys) >= 0 && len <= 1u << e->shift &&
		    !model_bus_address(e->iova, len))
			return e;
	}
	return NULL;
}

static void dma_read(struct edu *dev, const struct container *c, const struct op *op)
{
	const struct entry *bounce = find_bounce(c, op->c, op->b);
	uint64_t got[EDU_MAX / 8];
	uint8_t *at;
	size_t i;

	if (!bounce)
		return;
	arena_refresh();
	at = page_start(page_of(bounce->phys)) + bounce->offset;
	edu_read(dev, op->a, 0, op->b);
	edu_write(dev, bounce->iova, 0, op->b);
	memcpy(got, at, op->b);
	compare_arena(at, op->b, op);
	model.phys[bounce->phys].unknown = true;
	report->dma_reads++;

	for (i = 0; i < op->b / 8; i++) {
		uint64_t iova = op->a + i * 8, want;
		const struct entry *e = model_entry(c, iova);
		uint32_t offset;
		int p;

		if (!may_read(e)) {
			if (is_content(got[i]) && !maybe_read(e))
				disagree(WRONG_DMA, 2, "the device read memory at %#llx (%#llx)",
					 (unsigned long long)iova, (unsigned long long)got[i]);
			continue;
		}
		offset = e->offset + (iova - e->iova);
		p = page_of(e->phys);
		if (p >= 0)
			memcpy(&want, before + p * host.page + offset, 8);
		else if (e->phys != bounce->phys && !model.phys[e->phys].unknown)
			want = word_of(model.phys[e->phys].tag, offset);
		else
			continue;
		if (got[i] != want)
			disagree(WRONG_DMA, 3, "the device read %#llx at %#llx, not %#llx",
				 (unsigned long long)got[i], (unsigned long long)iova,
				 (unsigned long long)want);
	}
}

static void dma_write(struct edu *dev, const struct container *c, const struct op *op)
{
	bool none = true;
	size_t i;

	/* New content: what the device has in its buffer is not it. */
	arena_refresh();
	edu_write(dev, op->a, 0, op->b);
	report->dma_writes++;
	for (i = 0; i < op->b / 8; i++) {
		uint64_t iova = op->a + i * 8;
		const struct entry *e = model_entry(c, iova);
		uint64_t *now, *old;
		size_t at;
		int p;

		if (!e || !(e->dir & W))
			continue;
		none = false;
		model.phys[e->phys].unknown = true;
		p = page_of(e->phys);
		if (p < 0)
			continue;
		at = p * host.page + e->offset + (iova - e->iova);
		now = (uint64_t *)(arena + at);
		old = (uint64_t *)(before + at);
		if (*now == *old)
			disagree(WRONG_DMA, 4, "the device did not write memory at %#llx",
				 (unsigned long long)iova);
		/* Seen and right, so no longer a difference. */
		*old = *now;
	}
	report->dma_none += none;
	compare_arena(NULL, 0, op);
}

static void exec_dma(const struct op *op)
{
	int group = op->group;
	const struct container *c = &model.object[model.group[group].object];
	struct edu dev;
	long rc = edu_open(&dev, group_fd[group], group);

	if (rc)
		disagree(WRONG_RESULT, rc, "the device can't be opened: %s", strerror(-rc));
	if (op->flags & 1)
		dma_read(&dev, c, op);
	if (op->flags & 2)
		dma_write(&dev, c, op);
	edu_close(&dev);
}

static void check_locked(void)
{
	uint64_t most, least = model_locked(&most), now = locked();

	report->lock_checks++;
	if (now < least || now > most)
		disagree(WRONG_LOCKED, now - least, "locked memory is %llu KiB, not %llu%s",
			 (unsigned long long)now / 1024, (unsigned long long)least / 1024,
			 most > least ? " or somewhat more" : "");
}

/* Seconds, until what is let go of late has gone */
static int patience(void)
{
	return report->hurry ? 1 : 4;
}

static void check_pinned(void)
{
	long most, least = model_pinned(&most), now;

	report->pin_checks++;
	within(patience(), (now = pinned() - base_pins) >= least && now <= most);
	if (now < least || now > most)
		disagree(WRONG_PINNED, now - least, "%ld pages are pinned, not %ld to %ld", now,
			 least, most);
}

/* After a failure: did it bring the default window into being or not? */
static void settle_default(struct container *c)
{
	uint64_t most, least = model_locked(&most);

	if (locked() >= least + table_bytes(12, c->window[0].size, 1))
		default_created(c);
	check_locked();
}

/* Tables of several levels may cost less than they could; find out what. */
static void settle_levels(const struct op *op)
{
	struct window *w = model.created;
	uint64_t most, least, now;

	most = w->charge;
	w->charge = 0;
	least = model_locked(&now);
	now = locked();
	if (now <= least || now > least + most)
		disagree(WRONG_LOCKED, now - least,
			 "a window of %llu levels is charged %lld KiB, not up to %llu",
			 (unsigned long long)op->c, (long long)(now - least) / 1024,
			 (unsigned long long)most / 1024);
	w->charge = now - least;
}

void exec_init(unsigned int how)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		container_fd[i] = -1;
	for (i = 0; i < GROUPS; i++)
		group_fd[i] = -1;
	arena = (uint8_t *)ARENA;
	if (how & HOW_HUGE)
		map_huge();
	else
		map_pages(0, machine.pages);
	before = alloc(machine.pages * host.page, host.page);
	/* each round is a process of its own */
	model.next_tag = (uint64_t)getpid() << 16;
	base_pins = pinned();
	for (i = 0; i < (int)machine.pages; i++)
		page_fill(i);
}

static long exec_info(const struct op *op)
{
	const struct container *c = model_at(op->slot);
	const struct vfio_iommu_spapr_tce_info *want = &machine.info[c->version];
	struct vfio_iommu_spapr_tce_info info;
	long rc = __get_info(container_fd[op->slot], &info);

	if (!rc && c->version &&
	    (info.dma32_window_start != want->dma32_window_start ||
	     info.dma32_window_size != want->dma32_window_size ||
	     memcmp(&info.ddw, &want->ddw, sizeof(want->ddw))))
		disagree(WRONG_WINDOW, 0, "GET_INFO tells other windows than before");
	return rc;
}

static long exec_create(const struct op *op)
{
	const struct container *c = model_at(op->slot);
	uint64_t want = ~0ULL, start;
	bool dynamic;
	long rc;
	int num;

	rc = __create(container_fd[op->slot], op->a, op->b, op->c, &start);
	if (rc)
		return rc;
	if (model_create_slot(c, op, &num, &dynamic))
		want = model_create_start(num, dynamic);
	if (start != want)
		disagree(WRONG_WINDOW, 1, "the window is at %#llx, not at %#llx",
			 (unsigned long long)start, (unsigned long long)want);
	return 0;
}

static long open_op_group(const struct op *op)
{
	int fd = __open_group(op->group);

	/* Wrong, if it was open: let the comparison say so. */
	if (fd >= 0)
		group_fd[op->group] = fd;
	return fd < 0 ? fd : 0;
}

static long close_op(int *fd)
{
	close(*fd);
	*fd = -1;
	return 0;
}

static long exec_memory(const struct op *op)
{
	uint8_t *at = page_start(op->a);
	size_t size = op->b * host.page;
	int rc = 0;

	if (op->kind == OP_MUNMAP)
		rc = munmap(at, size);
	else if (op->kind == OP_MMAP)
		map_pages(op->a, op->b);
	else
		rc = madvise(at, size, MADV_DONTNEED);
	if (rc)
		disagree(WRONG_CRASH, rc, "%s: %m", op_names[op->kind]);
	return 0;
}

static long perform(const struct op *op)
{
	int fd = container_fd[op->slot];

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		container_fd[op->slot] = open_container();
		return 0;
	case OP_CLOSE_CONTAINER:
		return close_op(&container_fd[op->slot]);
	case OP_OPEN_GROUP:
		return open_op_group(op);
	case OP_CLOSE_GROUP:
		return close_op(&group_fd[op->group]);
	case OP_SET_CONTAINER:
		return __set_container(group_fd[op->group], fd);
	case OP_UNSET_CONTAINER:
		return __unset_container(group_fd[op->group]);
	case OP_SET_IOMMU:
		return __set_iommu(fd, op->a);
	case OP_GET_INFO:
		return exec_info(op);
	case OP_ENABLE:
		return __enable(fd);
	case OP_DISABLE:
		return __disable(fd);
	case OP_REGISTER:
		return __register(fd, (void *)op->a, op->b);
	case OP_UNREGISTER:
		return __unregister(fd, (void *)op->a, op->b);
	case OP_CREATE:
		return exec_create(op);
	case OP_REMOVE:
		return __remove(fd, op->a);
	case OP_MAP:
		return __map(fd, (void *)op->a, op->b, op->c, op->flags);
	case OP_UNMAP:
		return __unmap(fd, op->b, op->c);
	case OP_LOCKED:
		check_locked();
		return 0;
	case OP_PINNED:
		check_pinned();
		return 0;
	case OP_DMA:
		exec_dma(op);
		return 0;
	default:
		return exec_memory(op);
	}
}

void exec_op(const struct op *op)
{
	bool pending, settled;
	struct wanted want;
	unsigned int p;
	long rc;

	if (!model_allows(op))
		return;
	model_predict(op, &want);
	pending = model_may_create_default(op);
	rc = perform(op);

	report->ioctls += op->kind >= OP_SET_CONTAINER && op->kind <= OP_UNMAP;
	if (rc >= 0)
		report->count[op->kind].passed++;
	else
		report->count[op->kind].refused++;
	if (rc < 0 && rule_alone(&want) >= 0)
		report->alone[rule_alone(&want)]++;

	if (!wanted_has(&want, rc)) {
		char text[128];

		wanted_text(&want, text, sizeof(text));
		disagree(WRONG_RESULT, rc, "%s returned %ld (%s), not %s",
			 op_names[op->kind], rc, rc < 0 ? strerrorname_np(-rc) : "", text);
	}
	model_apply(op, rc);
	settled = rc >= 0 && (op->kind == OP_CREATE || op->c);
	if (pending && !settled)
		settle_default(model_at(op->slot));
	if (op->kind == OP_CREATE && rc >= 0 && op->c > 1)
		settle_levels(op);
	if (op->kind == OP_MMAP || op->kind == OP_DONTNEED)
		for (p = op->a; p < op->a + op->b; p++)
			page_fill(p);
}

/* The end of a round: by closing everything, by exit, or by a signal. */
void exec_end(unsigned int how)
{
	long now;
	int i;

	if ((how & HOW_MODE) == HOW_EXIT)
		return;
	if ((how & HOW_MODE) == HOW_KILL)
		kill(getpid(), SIGKILL);
	for (i = 0; i < SLOTS; i++)
		if (how & HOW_CONTAINER && container_fd[i] >= 0)
			close(container_fd[i]);
	for (i = 0; i < GROUPS; i++)
		if (group_fd[i] >= 0)
			close(group_fd[i]);
	if (locked())
		disagree(WRONG_END, locked(), "%llu KiB stay locked",
			 (unsigned long long)locked() / 1024);
	within(patience(), (now = pinned() - base_pins) == 0);
	if (now)
		disagree(WRONG_END, now, "%ld pages stay pinned", now);
}
