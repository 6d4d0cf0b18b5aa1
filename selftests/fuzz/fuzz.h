/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer with a model: random sequences of operations on two containers and
 * three groups, each with a prediction that the machine has to meet.
 *
 *   gen.c	makes operations, most of them sensible in the model's state
 *   exec.c	does one, with real DMA, and compares what happened with what the model says
 *   model.c	knows the ABI: predict.c says what must happen, apply.c what state that
 *		leaves
 *   ../fuzz.c	rounds, each in a process of its own, and shortens what fails
 *
 * An operation is plain numbers, so that any part of a sequence can be done
 * again without the generator. The model is written from the documented ABI,
 * not from the driver; where the ABI leaves a choice it allows each.
 *
 * What depends on no state is not asked here, since other programs go through all of
 * it: sizes, flags and pointers of arguments, unknown commands, other processes, EEH,
 * RLIMIT_MEMLOCK and memory that is protected.
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
	OP_SET_CONTAINER, OP_UNSET_CONTAINER, OP_SET_IOMMU, OP_GET_INFO,
	OP_ENABLE, OP_DISABLE, OP_REGISTER, OP_UNREGISTER, OP_CREATE,
	OP_REMOVE, OP_MAP, OP_UNMAP, OP_MUNMAP, OP_MMAP, OP_DONTNEED,
	OP_LOCKED, OP_PINNED, OP_DMA, OP_KINDS
};

/*
 * What the fields mean depends on the kind:
 *   slot	container (index of a file)
 *   group	group
 *   a, b, c	va, iova, size; or shift, size, levels; or first page, count
 */
struct op {
	uint8_t kind, slot, group;
	uint32_t flags;			/* of MAP; OP_DMA: 1 read, 2 write */
	uint64_t a, b, c;
};

/*
 * Why the ABI refuses an operation: predict.c has each of them in words. What MAP and UNMAP have
 * in common comes in pairs.
 */
enum rule {
	RULE_GROUP_OPEN, RULE_JOINED, RULE_V1_ALONE, RULE_JOIN_WINDOWS, RULE_NOT_JOINED,
	RULE_NO_GROUP, RULE_IOMMU_SET, RULE_IOMMU_EEH, RULE_IOMMU_TYPE, RULE_V1_GROUPS,
	RULE_NO_IOMMU, RULE_VERSION, RULE_ENABLED,
	RULE_REGISTER_NOTHING, RULE_REGISTER_VA, RULE_REGISTER_SIZE, RULE_REGISTER_LEFT,
	RULE_REGISTER_OVERLAP, RULE_REGISTERED, RULE_REGISTER_HOLE,
	RULE_NOT_REGISTERED, RULE_NOT_MINE, RULE_STILL_MAPPED,
	RULE_WINDOW_SHIFT, RULE_WINDOW_POWER, RULE_WINDOW_SMALL, RULE_WINDOW_LEVELS,
	RULE_WINDOW_NO_LEVEL, RULE_WINDOW_ADDRESS, RULE_WINDOW_MEMORY, RULE_WINDOW_GROUPS,
	RULE_WINDOW_ROOM, RULE_WINDOW_ORDER, RULE_NO_WINDOW,
	RULE_DISABLED, RULE_UNMAP_DISABLED, RULE_SHARED, RULE_UNMAP_SHARED,
	RULE_OUTSIDE, RULE_UNMAP_OUTSIDE, RULE_END, RULE_UNMAP_END,
	RULE_IOVA, RULE_UNMAP_IOVA, RULE_SIZE, RULE_UNMAP_SIZE,
	RULE_FLAG, RULE_NO_FLAG, RULE_VA, RULE_NO_MEMORY, RULE_PAGE, RULE_NO_REGION,
	RULE_REGION_END, RULES
};

/*
 * Results that are right: bit 0 is success, bit n is errno n. @rules: why success would be wrong.
 * @open: whether the ABI lets it be refused for something else as well
 */
struct wanted {
	uint64_t results, rules;
	bool open;
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

struct container {
	bool alive;		/* has a file or a group */
	int slot;		/* -1: its file is closed */
	int version;		/* 0 before SET_IOMMU */
	unsigned int groups;	/* mask */
	bool bound;		/* to this process, or maybe */
	bool enabled;
	struct window window[2];
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

/* A page of the arena: what is there, and which memory that is. */
struct vpage {
	bool there;
	int phys;
};

/* A page of memory: content that only it has, until a device changed it. */
struct phys {
	uint64_t tag;
	bool unknown;
	unsigned int stamp;	/* for counting different ones */
};

struct model {
	struct container object[OBJECTS];
	int slot[SLOTS];	/* index of the object or -1 */
	struct {
		bool open;
		int object;	/* or -1 */
	} group[GROUPS];
	struct region region[MAX_REGIONS];
	struct vpage page[MAX_PAGES];
	struct phys *phys;
	int physes, phys_room;
	uint64_t next_tag;
	struct window *created;		/* by the last CREATE */
};

/* What never changes on this machine; found by main() before the first round. */
struct machine {
	int groups;
	unsigned int pages;
	uint64_t memory;
	struct vfio_iommu_spapr_tce_info info[3];	/* by version */
	uint64_t dynamic_start[2];	/* pseries, by number of other windows */
};

extern struct machine machine;
extern struct model model;

/* What went wrong, by what noticed it. */
enum wrong {
	WRONG_NOTHING, WRONG_RESULT, WRONG_LOCKED, WRONG_PINNED, WRONG_WINDOW,
	WRONG_DMA, WRONG_END, WRONG_CRASH, WRONG_IDLE, WRONGS
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
	} count[OP_KINDS];
	unsigned long alone[RULES];	/* operations that this rule alone has refused */
	unsigned long ioctls, dma_reads, dma_writes, dma_none, lock_checks, pin_checks;
};

extern struct report *report;

/*
 * How a round goes: in bits 0 to 2 its end, by exit, by SIGKILL or by closing all, the
 * container first or last; in bit 3 whether the arena begins as a part of one huge page,
 * where the machine has those.
 */
#define HOW_EXIT	0
#define HOW_KILL	1
#define HOW_MODE	3
#define HOW_CONTAINER	4
#define HOW_HUGE	8
#define HOW_ALL		16

/* model.c */
void model_init(void);
struct container *model_at(int slot);
unsigned int groups_of(const struct container *c);
const struct entry *model_entry(const struct container *c, uint64_t iova);
const struct window *model_window(const struct container *c, uint64_t iova);
uint64_t model_large_page(void);
bool model_bus_address(uint64_t iova, uint64_t size);
uint64_t model_locked(uint64_t *most);
long model_pinned(long *most);
bool model_create_slot(const struct container *c, const struct op *op, int *num,
		       bool *dynamic);
uint64_t model_create_start(int num, bool dynamic);
int model_new_phys(void);
bool region_mapped(int region, const struct container *c);
bool overlaps(const struct region *r, uint64_t va, uint64_t size);
int region_find(uint64_t va, uint64_t size);
int region_around(uint64_t va, uint64_t size);
int page_at(uint64_t va);

/* predict.c */
bool model_allows(const struct op *op);
void model_predict(const struct op *op, struct wanted *want);
const char *rule_text(enum rule rule);
bool rule_here(enum rule rule);
int rule_alone(const struct wanted *want);
bool wanted_has(const struct wanted *want, long rc);
void wanted_text(const struct wanted *want, char *buf, size_t size);

/* apply.c */
void model_apply(const struct op *op, long rc);
void default_created(struct container *c);
bool model_may_create_default(const struct op *op);

/* gen.c */
void gen_seed(uint64_t seed);
void gen_op(struct op *op, const struct op *before);

/* exec.c */
extern const char *const op_names[OP_KINDS];
void exec_init(unsigned int how);
void exec_op(const struct op *op);
void exec_end(unsigned int how);

#endif
