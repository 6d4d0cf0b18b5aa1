// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does operations, and compares the machine with the model: results at once, locked
 * memory, pinned pages and what the devices reach when asked to.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec.h"

static void *readonly;

/* The ioctls among the operations, to be counted. */
static bool is_ioctl(int kind)
{
	return (kind >= OP_SET_CONTAINER && kind <= OP_UNSET_CONTAINER) ||
	       (kind >= OP_SET_IOMMU && kind <= OP_RESET);
}

/* Root without the one capability that is above the limit. */
static void give_up_ipc_lock(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		disagree(WRONG_CRASH, 0, "capget: %m");
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	data[0].permitted &= ~(1u << CAP_IPC_LOCK);
	data[0].inheritable &= ~(1u << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, data))
		disagree(WRONG_CRASH, 0, "capset: %m");
}

void exec_init(unsigned int how)
{
	int i;

	if (how & HOW_LIMIT) {
		model.limit = model_limit(how / (2 * HOW_LIMIT) % HOW_LIMITS);
		set_memlock(model.limit);
		give_up_ipc_lock();
	}

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
	readonly = alloc(host.page, host.page);
	base_pins = pinned();
	for (i = 0; i < (int)machine.pages; i++)
		page_fill(i);
}

/*
 * A device is reset as after an error, as a guest does it. Windows and mappings
 * are not the reset's business: later DMA finds them as they were.
 */
static long exec_reset(const struct op *op)
{
	static const uint32_t steps[] = {
		VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_GET_STATE,
		VFIO_EEH_PE_RESET_DEACTIVATE, VFIO_EEH_PE_CONFIGURE,
		VFIO_EEH_PE_GET_STATE,
	};
	long rc = 0;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		rc = __eeh(container_fd[op->slot], steps[i]);
		/* The state in the middle is the platform's to say. */
		if (rc < 0 || (rc && i != 1))
			disagree(WRONG_RESULT, rc, "EEH operation %u returned %ld, not 0",
				 steps[i], rc);
	}
	report->ioctls += i - 1;
	return rc;
}

union argument {
	uint64_t words[64];
	struct vfio_iommu_spapr_tce_info info;
	struct vfio_iommu_type1_dma_map map;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_iommu_spapr_register_memory reg;
	struct vfio_iommu_spapr_tce_create create;
	struct vfio_iommu_spapr_tce_remove remove;
	struct vfio_eeh_pe_op eeh;
};

static void fill_argument(const struct op *op, union argument *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->map.argsz = op->argsz;
	arg->map.flags = op->flags;
	switch (op->kind) {
	case OP_REGISTER:
	case OP_UNREGISTER:
		arg->reg.vaddr = op->a;
		arg->reg.size = op->b;
		break;
	case OP_CREATE:
		arg->create.page_shift = op->a;
		arg->create.window_size = op->b;
		arg->create.levels = op->c;
		arg->create.start_addr = ~0ULL;
		break;
	case OP_REMOVE:
		arg->remove.start_addr = op->a;
		break;
	case OP_MAP:
		arg->map.vaddr = op->a;
		arg->map.iova = op->b;
		arg->map.size = op->c;
		break;
	case OP_UNMAP:
		arg->unmap.iova = op->b;
		arg->unmap.size = op->c;
		break;
	case OP_EEH:
		arg->eeh.op = op->a;
		/* No such function, and no such type. */
		arg->eeh.err.type = 1000;
		arg->eeh.err.func = 1000;
		break;
	default:
		break;
	}
}

/* Where the kernel is told that the argument is. */
static void *argument_at(const struct op *op, union argument *arg)
{
	switch (op->pointer) {
	case PTR_NULL:
		return NULL;
	case PTR_BAD:
		return (void *)8;
	case PTR_READONLY:
		mprotect(readonly, host.page, PROT_READ | PROT_WRITE);
		memcpy(readonly, arg, sizeof(*arg));
		mprotect(readonly, host.page, PROT_READ);
		return readonly;
	default:
		return arg;
	}
}

static void check_info(const struct op *op, const struct container *c,
		       const union argument *arg)
{
	const struct vfio_iommu_spapr_tce_info *want = &machine.info[c->version];

	if (arg->info.dma32_window_start != want->dma32_window_start ||
	    arg->info.dma32_window_size != want->dma32_window_size ||
	    (op->argsz >= sizeof(*want) &&
	     memcmp(&arg->info.ddw, &want->ddw, sizeof(want->ddw))))
		disagree(WRONG_WINDOW, 0, "GET_INFO tells other windows than before");
}

static void check_created(const struct op *op, const struct container *c,
			  const union argument *arg)
{
	uint64_t want = ~0ULL;
	bool dynamic;
	int num;

	if (model_create_slot(c, op, &num, &dynamic))
		want = dynamic ? machine.dynamic_start[num] :
		       num ? 1ULL << 59 : machine.info[2].dma32_window_start;
	if (arg->create.start_addr != want)
		disagree(WRONG_WINDOW, 1, "the window is at %#llx, not at %#llx",
			 (unsigned long long)arg->create.start_addr,
			 (unsigned long long)want);
}

static long exec_argument(const struct op *op)
{
	const struct container *c = model_at(op->slot);
	union argument arg;
	long rc;

	fill_argument(op, &arg);
	rc = __raw(container_fd[op->slot], op_kinds[op->kind].cmd,
		   argument_at(op, &arg));
	if (rc)
		return rc;
	if (op->kind == OP_GET_INFO && c->version)
		check_info(op, c, &arg);
	if (op->kind == OP_CREATE && c->version == 2)
		check_created(op, c, &arg);
	return rc;
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
	case OP_CLOSE_GROUP:
		close(group_fd[op->group]);
		group_fd[op->group] = -1;
		return 0;
	case OP_OPEN_DEVICE:
		return edu_open(&edu[op->group], group_fd[op->group], op->group);
	default:
		edu_close(&edu[op->group]);
		return 0;
	}
}

static long exec_memory(const struct op *op)
{
	static const int prots[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	uint8_t *at = page_start(op->a);
	size_t size = op->b * host.page;
	int rc = 0;

	switch (op->kind) {
	case OP_MUNMAP:
		rc = munmap(at, size);
		break;
	case OP_MMAP:
		map_pages(op->a, op->b);
		break;
	case OP_MPROTECT:
		rc = mprotect(at, size, prots[op->c % 3]);
		break;
	case OP_DONTNEED:
		rc = madvise(at, size, MADV_DONTNEED);
		break;
	case OP_MREMAP:
		if (mremap(at, host.page, host.page, MREMAP_MAYMOVE | MREMAP_FIXED,
			   page_start(op->c)) == MAP_FAILED)
			rc = -1;
		break;
	}
	if (rc)
		disagree(WRONG_CRASH, rc, "%s: %m", op_kinds[op->kind].name);
	return 0;
}

static long perform(const struct op *op)
{
	int bad = -1;

	switch (op->kind) {
	case OP_OPEN_CONTAINER: case OP_CLOSE_CONTAINER: case OP_OPEN_GROUP:
	case OP_CLOSE_GROUP: case OP_OPEN_DEVICE: case OP_CLOSE_DEVICE:
		return exec_open(op);
	case OP_SET_CONTAINER:
		if (op->c)
			bad = op->c == 8 ? group_fd[op->group] : 1000;
		return __set_container(group_fd[op->group], op->c ? bad : container_fd[op->slot]);
	case OP_UNSET_CONTAINER:
		return __unset_container(group_fd[op->group]);
	case OP_SET_IOMMU: case OP_CHECK_EXTENSION: case OP_ENABLE: case OP_DISABLE:
		return __raw(container_fd[op->slot], op_kinds[op->kind].cmd, (void *)op->a);
	case OP_UNKNOWN:
		/* Numbers from 22 are nobody's; below, of another type. */
		return __raw(container_fd[op->slot], op->a >= 22 ?
			     _IO(VFIO_TYPE, VFIO_BASE + op->a) : _IO('V', VFIO_BASE + op->a),
			     readonly);
	case OP_MUNMAP: case OP_MMAP: case OP_MPROTECT: case OP_DONTNEED: case OP_MREMAP:
		return exec_memory(op);
	case OP_RESET:
		return exec_reset(op);
	case OP_FORK_WRITE:
		fork_write();
		return 0;
	case OP_FORK_USE:
		fork_use(op);
		return 0;
	case OP_FORK_BIND:
		fork_bind(op);
		return 0;
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
		return exec_argument(op);
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

	report->ioctls += is_ioctl(op->kind);
	if (rc >= 0)
		report->count[op->kind].passed++;
	else
		report->count[op->kind].refused++;
	if (rc < 0 && rc > -160)
		report->count[op->kind].errnos[-rc]++;

	if (!wanted_has(&want, rc)) {
		char text[128], got[32];

		wanted_text(&want, text, sizeof(text));
		if (rc < 0)
			snprintf(got, sizeof(got), "-%s", strerrorname_np(-rc) ?: "?");
		else
			snprintf(got, sizeof(got), "%ld", rc);
		disagree(WRONG_RESULT, rc, "%s returned %s, not %s", op_kinds[op->kind].name,
			 got, text);
	}
	model_apply(op, rc);
	settled = rc >= 0 && (op->kind == OP_CREATE || op->c);
	if (pending && !settled)
		settle_default(op->slot);
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
	for (i = 0; i < GROUPS; i++)
		if (model.group[i].device)
			edu_close(&edu[i]);
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
