/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a row and its clients have told each other, and what clients have open.
 */
#ifndef SELFTESTS_WAITS_H
#define SELFTESTS_WAITS_H

#include <linux/userfaultfd.h>
#include <semaphore.h>

#include "test.h"

/*
 * Seconds after which somebody is said to wait for ever. Nothing here takes three, an
 * emulated machine on a busy one included.
 */
#define LIMIT		20
#define CHUNK		(64 * KiB)
#define MOST_THREADS	16

/* What a row and its clients have told each other. */
enum step {
	OPENED,			/* client: all is open */
	CALL,			/* row: make the call that waits */
	CALLED,			/* client: it waits, or has returned */
	CLOSE,			/* row: close all that is open */
	CLOSED,			/* client: done */
	SERVE,			/* row: provide the page */
	ASKED,			/* server: somebody wants the page */
	STEPS
};

struct shared {
	sem_t steps[STEPS];
	/* the call of each thread, as far as it has come */
	volatile bool returned[MOST_THREADS];
	volatile long result[MOST_THREADS];
	pid_t server;
};

#define expect_others_go_on(t, when) do {				\
	if (!ends(spawn(true, neighbour, &(t)->version), LIMIT))		\
		fail(__FILE__, __LINE__, "another client waits, " when);	\
} while (0)

/* steps.c */
extern struct shared *shared;
void share(void);
void tell(enum step step);
bool hears(enum step step);
void nap(int ms);
bool hears_of(pid_t pid, enum step step);
void obey(enum step step);

/* clients.c */
void neighbour(void *arg);
void unbind(void *pci);
void unplug(void *pci);
pid_t start_taking(void (*take)(void *), int device);
extern struct tce box, box2;
void open_box2(int version);
pid_t start_client(void (*run)(void *), struct tce *t, enum step step);
void expect_dead(pid_t client);
void expect_dies(pid_t client);
void open_box(int version);
void close_box(void);
void expect_closes(const char *what);
void expect_all_go_on(struct tce *t, const char *what);

/* eeh.c */
extern const struct rows eeh_rows;

/* userfault.c */
extern int uffd;
void allow_userfaults(void);
void init_userfaults(void);
void keep_back(uint8_t *mem, size_t size);
bool asked(struct uffd_msg *msg, int ms);
uint64_t page_of(const struct uffd_msg *msg);
void provide(uint64_t page);

/* argument.c */
extern const struct rows argument_rows;

/* answer.c */
extern const struct rows answer_rows;

/* memory.c */
extern const struct rows memory_rows;

/* state.c */
extern const struct rows state_rows;

#endif
