/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A storm: threads that make any calls at once, with arguments that are odd as often as they are
 * right.
 *
 *   call.c	makes calls of random numbers, and does them
 *   pause.c	what has to hold while no call is under way, asked of the device
 *   ../storm.c	threads, rounds, and what has to hold once all is closed
 *
 * What a thread does depends on its random numbers alone, not on what became of its calls, so that
 * a seed repeats the sequence of each thread.
 */
#ifndef SELFTESTS_STORM_H
#define SELFTESTS_STORM_H

#include "guest.h"
#include "test.h"

#define PAGE		4096ULL
#define PAGES		512ULL			/* what the module does without dropping a lock */
#define PLAYGROUND	(4 * PAGES * PAGE)	/* at the start of a window, where most calls go */
#define ARENA		((uint8_t *)0x2000000000)
#define ARENA_SIZE	(4 * PAGES * PAGE)
#define GUEST_ARENA	(256 * MiB)		/* where a guest has the arena */
#define WORKERS		4
#define SLOTS		2
#define REGIONS		24
#define SPOTS		2

enum kind {
	MAP, UNMAP, REGISTER, UNREGISTER, CREATE, REMOVE, ENABLE, DISABLE, GET_INFO, EEH,
	LEAVE, CLOSE, HCALL, GIVE, MEMORY, FORK, STATE, KINDS
};

/* How a round ends */
enum { END_GROUPS_FIRST, END_CONTAINERS_FIRST, END_EXIT, END_KILLED, ENDS };

struct call {
	enum kind kind;
	int slot, group, how;
	uint64_t a, b, c, any;
};

/* What several threads aim at: a MAP of more than one chunk, and what is around its chunks' ends */
struct spot {
	int group;
	uint64_t iova, at, size;	/* @at in the arena */
};

/* A thread of the round. The task that makes its calls may be killed, and is replaced then. */
struct worker {
	int id;
	uint64_t seed, random;
	unsigned int left;		/* calls until the pause */
	enum kind favourite;
	volatile enum kind now;		/* what is under way, or KINDS */
	volatile unsigned int turns;
	volatile int task;
	struct call call;
	uint64_t mapped[16];		/* some of the addresses that it has mapped */
	unsigned int nmapped;
	uint8_t *stack;
};

/* What a round is like: all of it follows from its seed. */
struct round {
	uint64_t random;
	int containers, groups, workers, end;
	bool kvm, kills;
	struct {
		int fd, version;
	} slot[SLOTS];
	int group[SLOTS];
	struct {
		uint8_t *at;
		uint64_t size;
	} region[REGIONS];
	uint64_t start[2];		/* of windows */
	uint64_t size;			/* of the default window */
	struct spot spot[SPOTS];	/* others after each pause */
	struct worker worker[WORKERS];
	long pins;
};

/* What has come about, in all rounds of the test */
struct tally {
	unsigned long done[KINDS], refused[KINDS], both[KINDS][KINDS];
	unsigned long pauses, probes;
	bool kill;			/* the round asks to be killed */
};

extern struct round r;
extern struct tally *tally;
extern const char *const kinds[KINDS];

/* Whose container a group is in */
static inline int slot_of(int group)
{
	return r.containers == 1 ? 0 : group;
}

/* call.c */
void arena_init(void);
void arena_fill_holes(void);
void regions_init(void);
void spots_init(void);
void make_call(struct worker *w);
void do_call(struct worker *w);
long join(int group);
long state_text(char *text, size_t size);

/* pause.c */
void pause_check(void);

#endif
