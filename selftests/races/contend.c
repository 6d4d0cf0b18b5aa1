// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sides that run against each other, each in a loop, for some seconds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "races.h"

struct tce *box;
uint8_t *mem;			/* four chunks */
volatile bool over;

#define MOST_SIDES	6

static struct side {
	struct turn turn;
	volatile unsigned long turns;
} sides[MOST_SIDES];

static void *side_loop(void *arg)
{
	struct side *side = arg;

	while (!over) {
		side->turn.run();
		side->turns++;
	}
	return NULL;
}

/*
 * Runs all of @turns against each other, each in a loop, for some seconds and on a
 * busy machine for as long as it takes.
 */
void contend_all(const struct turn *turns, int n)
{
	pthread_t threads[MOST_SIDES];
	const char *wanted = getenv("TCE_SECONDS");
	int seconds = wanted ? atoi(wanted) : SECONDS;
	unsigned long least = 0;
	int i, second;

	over = false;
	for (i = 0; i < n; i++)
		sides[i] = (struct side){ .turn = turns[i] };
	for (i = 0; i < n; i++)
		expect(!pthread_create(&threads[i], NULL, side_loop, &sides[i]));
	for (second = 1; second <= seconds + MOST_SECONDS; second++) {
		sleep(1);
		least = sides[0].turns;
		for (i = 1; i < n; i++)
			if (sides[i].turns < least)
				least = sides[i].turns;
		if (second >= seconds && least >= TURNS)
			break;
	}
	over = true;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	note("%d threads, at least %lu turns each", n, least);
	if (least < TURNS)
		fail(__FILE__, __LINE__, "a side had %lu turns, not %d: that is no race",
		     least, TURNS);
}

void contend(void (*a)(void), void (*b)(void))
{
	const struct turn turns[] = { { a }, { b } };

	contend_all(turns, 2);
}

void prepare(struct tce *t)
{
	box = t;
	mem = alloc(4 * CHUNK, CHUNK);
	allow(t, mem, 4 * CHUNK);
}
