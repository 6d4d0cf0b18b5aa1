/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer with a model: random sequences of operations on two containers and
 * three groups, each with a prediction that the machine has to meet.
 *
 *   gen.c	makes operations, most of them sensible in the model's state
 *   exec.c	does one, and compares what happened with what the model says; its
 *		parts (exec.h): text.c, arena.c, check.c, dma.c, process.c
 *   model.c	knows the ABI; its parts (model.h): allow.c, predict.c says what must
 *		happen, wanted.c, apply.c what state that leaves
 *   ../fuzz.c	rounds, each in a process of its own, and shortens what fails
 *
 * An operation is plain numbers, so that any part of a sequence can be done
 * again without the generator. The model is written from the documented ABI,
 * not from the driver; where the ABI leaves a choice it allows each.
 */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include "tce.h"

#define SLOTS		2	/* container files of the program */
#define OBJECTS		8	/* containers: one without a file may live on */
#define GROUPS		3
#define MAX_PAGES	32	/* of the arena, in CPU pages */
#define MAX_REGIONS	128
#define MAX_ENTRIES	8192	/* live TCEs of a container */
#define NOBODY_AT	(-1)

/* The memory that is given to devices; nothing lies within 64 MiB around it. */
#define ARENA		0x2000000000ULL

enum kind {
	OP_OPEN_CONTAINER, OP_CLOSE_CONTAINER, OP_OPEN_GROUP, OP_CLOSE_GROUP,
	OP_SET_CONTAINER, OP_UNSET_CONTAINER, OP_OPEN_DEVICE, OP_CLOSE_DEVICE,
	OP_SET_IOMMU, OP_CHECK_EXTENSION, OP_GET_INFO, OP_ENABLE, OP_DISABLE,
	OP_REGISTER, OP_UNREGISTER, OP_CREATE, OP_REMOVE, OP_MAP, OP_UNMAP,
	OP_EEH, OP_UNKNOWN, OP_RESET,
	OP_MUNMAP, OP_MMAP, OP_MPROTECT, OP_DONTNEED, OP_MREMAP,
	OP_FORK_WRITE, OP_FORK_USE, OP_FORK_BIND,
	OP_LOCKED, OP_PINNED, OP_DMA,
	OP_KINDS
};

/* How the pointer to the argument is wrong. */
enum pointer { PTR_GOOD, PTR_NULL, PTR_BAD, PTR_READONLY };

/*
 * What the fields mean depends on the kind:
 *   slot	container (index of a file)
 *   group	group; SET_CONTAINER: 9 is a file that does not exist, 8 one that
 *		is no container, in slot
 *   a, b, c	va, iova, size; or shift, size, levels; or first page, count, how
 */
struct op {
	uint8_t kind, slot, group, pointer;
	uint32_t argsz, flags;
	uint64_t a, b, c;
};

/* Results that are right: bit 0 is success, bit n is errno n. */
struct wanted {
	uint64_t bits[3];
	long value;		/* of success */
};

struct window {
	bool used, pending;
	uint64_t start, size, charge;
	unsigned int shift;
	bool dynamic;		/* pseries: made by the hypervisor */
};

struct entry {
	uint64_t iova;
	int region;		/* v2: index of the region, v1: -1 */
	int phys;
	uint32_t offset;	/* in the CPU page */
	uint8_t dir, shift;
};

enum owner { OWNER_NONE, OWNER_MAYBE, OWNER_SELF, OWNER_OTHER };

struct container {
	bool alive;		/* has a file or a group */
	int slot;		/* -1: its file is closed */
	int version;		/* 0 before SET_IOMMU */
	unsigned int groups;	/* mask */
	enum owner owner;
	bool enabled;
	struct window window[2];
	long foreign_pins;	/* of a process that is gone */
	struct entry *entry;
	int entries;
};

struct region {
	bool used;
	uint64_t va;
	unsigned int pages;
	unsigned int users;	/* mask of containers; 0: one that went left it */
	int phys[MAX_PAGES];
};

enum prot { PROT_RW, PROT_RO, PROT_NO };

/* A page of the arena: what is there, and which memory that is. */
struct vpage {
	bool there;
	enum prot prot;
	int phys;
};

/* A page of memory: content that only it has, until a device changed it. */
struct phys {
	uint32_t tag;
	bool unknown;
	unsigned int stamp;	/* for counting different ones */
};

struct model {
	struct container object[OBJECTS];
	int slot[SLOTS];	/* index of the object or -1 */
	struct {
		bool open, device;
		int object;	/* or -1 */
	} group[GROUPS];
	struct region region[MAX_REGIONS];
	struct vpage page[MAX_PAGES];
	struct phys *phys;
	int physes, phys_room;
	uint32_t next_tag;
	struct window *created;		/* by the last CREATE */
	uint64_t limit;			/* RLIMIT_MEMLOCK, 0: above it */
};

/* What never changes on this machine; found by main() before the first round. */
struct machine {
	int groups;
	unsigned int pages;
	bool eeh, dma;
	uint64_t memory;
	struct vfio_iommu_spapr_tce_info info[3];	/* by version */
	uint64_t dynamic_start[2];	/* pseries, by number of other windows */
};

extern struct machine machine;
extern struct model model;

/* What went wrong, by what noticed it. */
enum wrong {
	WRONG_NOTHING, WRONG_RESULT, WRONG_LOCKED, WRONG_PINNED, WRONG_WINDOW,
	WRONG_DMA, WRONG_END, WRONG_CRASH, WRONGS
};

/* Shared by the process of a round and its parent. */
struct report {
	enum wrong wrong;
	int at;			/* index of the operation */
	uint8_t kind;
	long got;
	char text[512];
	int ops;		/* made so far */
	bool hurry;		/* not the first time: what is wrong will stay so */
	struct {
		unsigned long passed, refused;
		unsigned long errnos[160];
	} count[OP_KINDS];
	unsigned long ioctls, dma_reads, dma_writes, dma_none, lock_checks, pin_checks;
};

extern struct report *report;

/*
 * How a round goes: in bits 0 to 2 its end, by exit, by SIGKILL or by closing
 * all, the container first or last; in bit 3 whether RLIMIT_MEMLOCK holds, in
 * bits 4 and 5 which limit that is; in bit 6 whether the arena begins as a part of
 * one huge page, where the machine has those.
 */
#define HOW_EXIT	0
#define HOW_KILL	1
#define HOW_MODE	3
#define HOW_CONTAINER	4
#define HOW_LIMIT	8
#define HOW_LIMITS	4
#define HOW_HUGE	64
#define HOW_ALL		128

/* model.c, allow.c, predict.c, wanted.c, apply.c */
void model_init(void);
bool model_bus_address(uint64_t iova, uint64_t size);
bool model_allows(const struct op *op);
void model_predict(const struct op *op, struct wanted *want);
void model_apply(const struct op *op, long rc);
void model_default_created(int slot);
bool model_may_create_default(const struct op *op);
uint64_t model_limit(unsigned int which);
uint64_t model_locked(uint64_t *most);
long model_pinned(long *most);
struct container *model_at(int slot);
const struct entry *model_entry(const struct container *c, uint64_t iova);
const struct window *model_window(const struct container *c, uint64_t iova);
bool model_create_slot(const struct container *c, const struct op *op, int *num,
		       bool *dynamic);
int model_new_phys(void);
bool wanted_has(const struct wanted *want, long rc);
void wanted_text(const struct wanted *want, char *buf, size_t size);
uint64_t random_next(uint64_t *state);

/* gen.c */
void gen_seed(uint64_t seed);
void gen_op(struct op *op);

/* exec.c, text.c, check.c */
void exec_init(unsigned int how);
void exec_op(const struct op *op);
void exec_end(unsigned int how);
void op_text(const struct op *op, char *buf, size_t size);
bool op_parse(const char *line, struct op *op);
void op_describe(const struct op *op, char *buf, size_t size);
void disagree(enum wrong wrong, long got, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

#endif
