// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does operations, and compares the machine with the model: results at once,
 * locked memory, pinned pages and what the devices reach when asked to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

struct report *report;

static int container_fd[SLOTS], group_fd[GROUPS];
static struct edu edu[GROUPS];
static uint8_t *arena, *before;
static void *readonly;
static long base_pins;

static const struct {
	const char *name;
	unsigned long cmd;	/* of a container's ioctl */
} kinds[OP_KINDS] = {
	[OP_OPEN_CONTAINER]	= { "OPEN_CONTAINER" },
	[OP_CLOSE_CONTAINER]	= { "CLOSE_CONTAINER" },
	[OP_OPEN_GROUP]		= { "OPEN_GROUP" },
	[OP_CLOSE_GROUP]	= { "CLOSE_GROUP" },
	[OP_SET_CONTAINER]	= { "SET_CONTAINER" },
	[OP_UNSET_CONTAINER]	= { "UNSET_CONTAINER" },
	[OP_OPEN_DEVICE]	= { "OPEN_DEVICE" },
	[OP_CLOSE_DEVICE]	= { "CLOSE_DEVICE" },
	[OP_SET_IOMMU]		= { "SET_IOMMU", VFIO_SET_IOMMU },
	[OP_CHECK_EXTENSION]	= { "CHECK_EXTENSION", VFIO_CHECK_EXTENSION },
	[OP_GET_INFO]		= { "GET_INFO", VFIO_IOMMU_SPAPR_TCE_GET_INFO },
	[OP_ENABLE]		= { "ENABLE", VFIO_IOMMU_ENABLE },
	[OP_DISABLE]		= { "DISABLE", VFIO_IOMMU_DISABLE },
	[OP_REGISTER]		= { "REGISTER", VFIO_IOMMU_SPAPR_REGISTER_MEMORY },
	[OP_UNREGISTER]		= { "UNREGISTER", VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY },
	[OP_CREATE]		= { "CREATE", VFIO_IOMMU_SPAPR_TCE_CREATE },
	[OP_REMOVE]		= { "REMOVE", VFIO_IOMMU_SPAPR_TCE_REMOVE },
	[OP_MAP]		= { "MAP", VFIO_IOMMU_MAP_DMA },
	[OP_UNMAP]		= { "UNMAP", VFIO_IOMMU_UNMAP_DMA },
	[OP_EEH]		= { "EEH", VFIO_EEH_PE_OP },
	[OP_UNKNOWN]		= { "UNKNOWN" },
	[OP_RESET]		= { "RESET" },
	[OP_MUNMAP]		= { "MUNMAP" },
	[OP_MMAP]		= { "MMAP" },
	[OP_MPROTECT]		= { "MPROTECT" },
	[OP_DONTNEED]		= { "DONTNEED" },
	[OP_MREMAP]		= { "MREMAP" },
	[OP_FORK_WRITE]		= { "FORK_WRITE" },
	[OP_FORK_USE]		= { "FORK_USE" },
	[OP_FORK_BIND]		= { "FORK_BIND" },
	[OP_LOCKED]		= { "LOCKED" },
	[OP_PINNED]		= { "PINNED" },
	[OP_DMA]		= { "DMA" },
};

/* The ioctls among the operations, to be counted. */
static bool is_ioctl(int kind)
{
	return (kind >= OP_SET_CONTAINER && kind <= OP_UNSET_CONTAINER) ||
	       (kind >= OP_SET_IOMMU && kind <= OP_RESET);
}

/*
 * Operations as text
 */
void op_text(const struct op *op, char *buf, size_t size)
{
	snprintf(buf, size, "%s %u %u %u %u %#x %#llx %#llx %#llx", kinds[op->kind].name,
		 op->slot, op->group, op->pointer, op->argsz, op->flags,
		 (unsigned long long)op->a, (unsigned long long)op->b,
		 (unsigned long long)op->c);
}

bool op_parse(const char *line, struct op *op)
{
	unsigned long long v[8];
	char name[32];
	int i;

	if (sscanf(line, "%31s %lli %lli %lli %lli %lli %lli %lli %lli", name,
		   (long long *)&v[0], (long long *)&v[1], (long long *)&v[2],
		   (long long *)&v[3], (long long *)&v[4], (long long *)&v[5],
		   (long long *)&v[6], (long long *)&v[7]) != 9)
		return false;
	for (i = 0; i < OP_KINDS; i++) {
		if (strcmp(name, kinds[i].name))
			continue;
		*op = (struct op){ i, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] };
		return true;
	}
	return false;
}

static const char *place(uint64_t va, char *buf, size_t size)
{
	if (va >= ARENA && va < ARENA + machine.pages * host.page)
		snprintf(buf, size, "page %llu+%#llx",
			 (unsigned long long)(va - ARENA) / host.page,
			 (unsigned long long)(va - ARENA) % host.page);
	else
		snprintf(buf, size, "%#llx", (unsigned long long)va);
	return buf;
}

void op_describe(const struct op *op, char *buf, size_t size)
{
	unsigned long long a = op->a, b = op->b, c = op->c;
	char va[64];

	switch (op->kind) {
	case OP_OPEN_GROUP: case OP_CLOSE_GROUP: case OP_UNSET_CONTAINER:
	case OP_OPEN_DEVICE: case OP_CLOSE_DEVICE:
		snprintf(buf, size, "group %u", op->group);
		break;
	case OP_SET_CONTAINER:
		snprintf(buf, size, "group %u to container %u%s", op->group, op->slot,
			 c ? ", wrong file" : "");
		break;
	case OP_SET_IOMMU: case OP_CHECK_EXTENSION: case OP_EEH: case OP_UNKNOWN:
		snprintf(buf, size, "container %u, %llu", op->slot, a);
		break;
	case OP_REGISTER: case OP_UNREGISTER:
		snprintf(buf, size, "container %u, %s, size %#llx", op->slot,
			 place(a, va, sizeof(va)), b);
		break;
	case OP_CREATE:
		snprintf(buf, size, "container %u, shift %llu, size %#llx, levels %llu",
			 op->slot, a, b, c);
		break;
	case OP_REMOVE:
		snprintf(buf, size, "container %u, %#llx", op->slot, a);
		break;
	case OP_MAP:
		snprintf(buf, size, "container %u, %s at %#llx, size %#llx, %s%s", op->slot,
			 place(a, va, sizeof(va)), b, c, op->flags & R ? "R" : "",
			 op->flags & W ? "W" : "");
		break;
	case OP_UNMAP:
		snprintf(buf, size, "container %u, %#llx, size %#llx", op->slot, b, c);
		break;
	case OP_MUNMAP: case OP_MMAP: case OP_DONTNEED: case OP_MPROTECT:
	case OP_MREMAP: case OP_FORK_BIND:
		snprintf(buf, size, "page %llu, %llu pages, %llu", a, b, c);
		break;
	case OP_DMA:
		snprintf(buf, size, "group %u, %#llx, %llu bytes%s%s", op->group, a, b,
			 op->flags & 1 ? ", read" : "", op->flags & 2 ? ", write" : "");
		break;
	default:
		snprintf(buf, size, "container %u", op->slot);
	}
}

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

/*
 * Memory
 */
#define HUGE_SIZE	(2 * MiB)
#define MAGIC		0xfa57000000000000ULL

static uint8_t *page_start(unsigned int p)
{
	return arena + p * host.page;
}

static uint64_t word_of(uint32_t tag, uint32_t offset)
{
	return MAGIC | (uint64_t)(tag & 0xffffff) << 24 | offset / 8;
}

static bool is_content(uint64_t word)
{
	return (word & 0xffff000000000000ULL) == MAGIC;
}

/* Content that no other page has or had. */
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

static bool page_readable(unsigned int p)
{
	return model.page[p].there && model.page[p].prot != PROT_NO;
}

static void arena_refresh(void)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++) {
		if (model.page[p].there && model.page[p].prot == PROT_RW)
			page_fill(p);
		if (page_readable(p))
			memcpy(before + p * host.page, page_start(p), host.page);
	}
}

/* Where memory is seen in the arena, or -1. */
static int page_of(int phys)
{
	unsigned int p;

	for (p = 0; p < machine.pages; p++)
		if (page_readable(p) && model.page[p].phys == phys)
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
 * Comparisons
 */
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
static void settle_default(int slot)
{
	uint64_t most, least = model_locked(&most);
	uint64_t charge = table_bytes(12, model_at(slot)->window[0].size, 1);

	if (locked() >= least + charge)
		model_default_created(slot);
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

/*
 * DMA
 */
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

		if (!page_readable(p) || !memcmp(now, old, host.page))
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
		/* A page that is read-only here has no new content. */
		if (*now == *old && model.page[p].prot == PROT_RW)
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
	struct edu own, *dev = &edu[group];
	long rc;

	if (!model.group[group].device) {
		dev = &own;
		rc = edu_open(dev, group_fd[group], group);
		if (rc)
			disagree(WRONG_RESULT, rc, "the device can't be opened: %s",
				 strerror(-rc));
	}
	/* What another process had mapped there is its own. */
	if (op->flags & 1 && c->owner != OWNER_OTHER)
		dma_read(dev, c, op);
	if (op->flags & 2)
		dma_write(dev, c, op);
	if (dev == &own)
		edu_close(dev);
}

/*
 * Other processes
 */
static void wait_child(pid_t pid, const char *what)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		disagree(WRONG_CRASH, 0, "%s: %m", what);
	if (status && report->wrong)
		_exit(1);	/* it has said why */
	if (status)
		disagree(WRONG_CRASH, status, "%s: status %#x", what, status);
}

static void fork_write(void)
{
	pid_t pid = fork();

	if (!pid) {
		unsigned int p;

		for (p = 0; p < machine.pages; p++)
			if (model.page[p].there && model.page[p].prot == PROT_RW)
				memset(page_start(p), 0x5a, host.page);
		_exit(0);
	}
	wait_child(pid, "a child that writes to its memory");
}

/* The container is somebody else's: all it says is no. */
static void fork_use(const struct op *op)
{
	static const uint8_t all[] = {
		OP_GET_INFO, OP_ENABLE, OP_DISABLE, OP_REGISTER, OP_UNREGISTER,
		OP_CREATE, OP_REMOVE, OP_MAP, OP_UNMAP, OP_EEH, OP_UNKNOWN,
	};
	pid_t pid = fork();
	size_t i;

	if (!pid) {
		int fd = container_fd[op->slot];

		for (i = 0; i < sizeof(all); i++) {
			union {
				struct vfio_iommu_type1_dma_map map;
				struct vfio_iommu_spapr_tce_create longest;
			} arg = { .map = {
				.argsz = sizeof(arg),
				.flags = all[i] == OP_MAP ? RW : 0,
				.vaddr = ARENA,
				.size = host.page,
			} };
			unsigned long cmd = kinds[all[i]].cmd ?: _IO(VFIO_TYPE, VFIO_BASE + 40);
			long rc;

			rc = __raw(fd, cmd, &arg);
			if (rc != -EPERM && rc != -ENOTTY)
				disagree(WRONG_RESULT, rc, "another process: %s is %ld, not -EPERM",
					 kinds[all[i]].name, rc);
		}
		_exit(0);
	}
	wait_child(pid, "a child that uses the container");
	report->ioctls += sizeof(all);
}

/* Another process is the first to use a container, and its end. */
static void fork_bind(const struct op *op)
{
	const struct window *w = &model_at(op->slot)->window[0];
	pid_t pid = fork();

	if (!pid) {
		void *va = page_start(op->a);
		int fd = container_fd[op->slot];
		long rc;

		rc = __register(fd, va, op->b * host.page);
		if (!rc && w->used && 1u << w->shift <= host.page && w->size >= host.page)
			rc = __map(fd, va, w->start, host.page, RW);
		if (rc)
			disagree(WRONG_RESULT, rc, "another process that comes first: %ld", rc);
		_exit(0);
	}
	wait_child(pid, "a child that comes first");
	report->ioctls += 2;
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

/*
 * Operations
 */
static long exec_argument(const struct op *op)
{
	int fd = container_fd[op->slot];
	union {
		uint64_t words[64];
		struct vfio_iommu_spapr_tce_info info;
		struct vfio_iommu_type1_dma_map map;
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_iommu_spapr_register_memory reg;
		struct vfio_iommu_spapr_tce_create create;
		struct vfio_iommu_spapr_tce_remove remove;
		struct vfio_eeh_pe_op eeh;
	} arg, *ptr = &arg;
	const struct container *c = model_at(op->slot);
	long rc;

	memset(&arg, 0, sizeof(arg));
	arg.map.argsz = op->argsz;
	arg.map.flags = op->flags;
	switch (op->kind) {
	case OP_REGISTER:
	case OP_UNREGISTER:
		arg.reg.vaddr = op->a;
		arg.reg.size = op->b;
		break;
	case OP_CREATE:
		arg.create.page_shift = op->a;
		arg.create.window_size = op->b;
		arg.create.levels = op->c;
		arg.create.start_addr = ~0ULL;
		break;
	case OP_REMOVE:
		arg.remove.start_addr = op->a;
		break;
	case OP_MAP:
		arg.map.vaddr = op->a;
		arg.map.iova = op->b;
		arg.map.size = op->c;
		break;
	case OP_UNMAP:
		arg.unmap.iova = op->b;
		arg.unmap.size = op->c;
		break;
	case OP_EEH:
		arg.eeh.op = op->a;
		/* No such function, and no such type. */
		arg.eeh.err.type = 1000;
		arg.eeh.err.func = 1000;
		break;
	default:
		break;
	}
	if (op->pointer == PTR_NULL)
		ptr = NULL;
	else if (op->pointer == PTR_BAD)
		ptr = (void *)8;
	else if (op->pointer == PTR_READONLY)
		ptr = readonly;
	if (op->pointer == PTR_READONLY) {
		mprotect(readonly, host.page, PROT_READ | PROT_WRITE);
		memcpy(readonly, &arg, sizeof(arg));
		mprotect(readonly, host.page, PROT_READ);
	}
	rc = __raw(fd, kinds[op->kind].cmd, ptr);
	if (rc)
		return rc;

	if (op->kind == OP_GET_INFO && c->version) {
		const struct vfio_iommu_spapr_tce_info *want = &machine.info[c->version];

		if (arg.info.dma32_window_start != want->dma32_window_start ||
		    arg.info.dma32_window_size != want->dma32_window_size ||
		    (op->argsz >= sizeof(*want) &&
		     memcmp(&arg.info.ddw, &want->ddw, sizeof(want->ddw))))
			disagree(WRONG_WINDOW, 0, "GET_INFO tells other windows than before");
	}
	if (op->kind == OP_CREATE && c->version == 2) {
		bool dynamic;
		int num;
		uint64_t want = ~0ULL;

		if (model_create_slot(c, op, &num, &dynamic))
			want = dynamic ? machine.dynamic_start[num] :
			       num ? 1ULL << 59 : machine.info[2].dma32_window_start;
		if (arg.create.start_addr != want)
			disagree(WRONG_WINDOW, 1, "the window is at %#llx, not at %#llx",
				 (unsigned long long)arg.create.start_addr,
				 (unsigned long long)want);
	}
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
		disagree(WRONG_CRASH, rc, "%s: %m", kinds[op->kind].name);
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
		return __raw(container_fd[op->slot], kinds[op->kind].cmd, (void *)op->a);
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
		disagree(WRONG_RESULT, rc, "%s returned %s, not %s", kinds[op->kind].name,
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
