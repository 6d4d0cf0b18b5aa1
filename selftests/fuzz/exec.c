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

struct report *report;
int group_fd[GROUPS];

static int container_fd[SLOTS];
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

void disagree(enum wrong wrong, long got, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, ap);
	va_end(ap);
	report->got = got;
	report->wrong = wrong;
	_exit(1);
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

static void check_pinned(void)
{
	long most, least = model_pinned(&most), now = 0;
	int i;

	report->pin_checks++;
	for (i = 0; i < (report->hurry ? 20 : 200); i++) {
		now = pinned() - base_pins;
		if (now >= least && now <= most)
			return;
		usleep(20000);
	}
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
		want = dynamic ? machine.dynamic_start[num] :
		       num ? 1ULL << 59 : machine.info[2].dma32_window_start;
	if (start != want)
		disagree(WRONG_WINDOW, 1, "the window is at %#llx, not at %#llx",
			 (unsigned long long)start, (unsigned long long)want);
	return 0;
}

static long exec_open(const struct op *op)
{
	int fd;

	switch (op->kind) {
	case OP_OPEN_CONTAINER:
		container_fd[op->slot] = open_container();
		return 0;
	case OP_OPEN_GROUP:
		fd = __open_group(op->group);
		if (fd < 0)
			return fd;
		/* Wrong, if it was open: let the comparison say so. */
		group_fd[op->group] = fd;
		return 0;
	case OP_CLOSE_CONTAINER:
		close(container_fd[op->slot]);
		container_fd[op->slot] = -1;
		return 0;
	default:
		close(group_fd[op->group]);
		group_fd[op->group] = -1;
		return 0;
	}
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
	case OP_OPEN_CONTAINER: case OP_CLOSE_CONTAINER: case OP_OPEN_GROUP:
	case OP_CLOSE_GROUP:
		return exec_open(op);
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

	report->ioctls += op->kind == OP_SET_CONTAINER || op->kind == OP_UNSET_CONTAINER ||
			  (op->kind >= OP_SET_IOMMU && op->kind <= OP_UNMAP);
	if (rc >= 0)
		report->count[op->kind].passed++;
	else
		report->count[op->kind].refused++;

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
	long now = 0;
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
	for (i = 0; i < (report->hurry ? 20 : 200); i++) {
		now = pinned() - base_pins;
		if (!now)
			return;
		usleep(20000);
	}
	disagree(WRONG_END, now, "%ld pages stay pinned", now);
}
