/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts that do operations have in common.
 */
#ifndef SELFTESTS_EXEC_H
#define SELFTESTS_EXEC_H

#include "fuzz.h"

struct op_kind {
	const char *name;
	unsigned long cmd;	/* of a container's ioctl */
};

/* text.c */
extern const struct op_kind op_kinds[OP_KINDS];

/* arena.c */
extern uint8_t *arena, *before;
uint8_t *page_start(unsigned int p);
uint64_t word_of(uint32_t tag, uint32_t offset);
bool is_content(uint64_t word);
void page_fill(unsigned int p);
bool page_readable(unsigned int p);
void arena_refresh(void);
int page_of(int phys);
void map_pages(unsigned int p, unsigned int n);
void map_huge(void);

/* check.c: by index of struct op, -1 where nothing is open */
extern int container_fd[SLOTS], group_fd[GROUPS];
extern struct edu edu[GROUPS];
/* Pages that were pinned before the round. */
extern long base_pins;
void check_locked(void);
void check_pinned(void);
void settle_default(int slot);
void settle_levels(const struct op *op);

/* dma.c */
void exec_dma(const struct op *op);

/* process.c */
void fork_write(void);
void fork_use(const struct op *op);
void fork_bind(const struct op *op);

#endif
