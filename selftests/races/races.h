/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What runs against what, and how long.
 */
#ifndef SELFTESTS_RACES_H
#define SELFTESTS_RACES_H

#include "test.h"

#define CHUNK		(64 * KiB)
#define SECONDS		1	/* or as TCE_SECONDS in the environment says */
#define MOST_SECONDS	150	/* on a busy machine, with all checkers */
#define TURNS		20	/* of each side, at least */

static inline uint64_t base(const struct tce *t)
{
	return t->info.dma32_window_start + 32 * MiB;
}

/* Fails the test unless the result is one of those; 0 always is. */
#define expect_one_of(call, ...) do {					\
	static const long allowed_[] = { 0, __VA_ARGS__ };		\
	long rc_ = (call);						\
	size_t i_;							\
									\
	for (i_ = 0; i_ < sizeof(allowed_) / sizeof(long); i_++)	\
		if (rc_ == allowed_[i_])				\
			break;						\
	if (i_ == sizeof(allowed_) / sizeof(long))			\
		fail_rc(__FILE__, __LINE__, #call, 0, rc_);		\
} while (0)

/* contend.c */
extern struct tce *box;
extern uint8_t *mem;
extern volatile bool over;
/* What a side does, again and again. */
struct turn {
	void (*run)(void);
};

void contend_all(const struct turn *turns, int n);
void contend(void (*a)(void), void (*b)(void));
void prepare(struct tce *t);

/* pairs.c */
extern const struct rows pairs_rows;

/* turns.c */
void mapping(void);
void mapping_mirrored(void);
void windows(void);
void registrations(void);
void joining(void);
void eeh_state(void);
void enabling(void);
void mapping_v1(void);
void leaving(void);
void mapping_anyhow(void);
void even_neighbour(void);
void odd_neighbour(void);
extern uint8_t *fleeting;
void mapping_fleeting(void);
void unmapping_memory(void);
void forking(void);
void asking(void);

#endif
