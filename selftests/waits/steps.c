// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a row and its clients tell each other how far they are.
 */
#define _GNU_SOURCE
#include <semaphore.h>
#include <sys/mman.h>
#include <time.h>

#include "waits.h"

struct shared *shared;

void share(void)
{
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(shared != MAP_FAILED);
	for (i = 0; i < STEPS; i++)
		sem_init(&shared->steps[i], 1, 0);
}

void tell(enum step step)
{
	sem_post(&shared->steps[step]);
}

/* Whether the other side has come so far in time. */
bool hears(enum step step)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT;
	while (sem_timedwait(&shared->steps[step], &end))
		if (errno != EINTR)
			return false;
	return true;
}

void nap(int ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* The same of a process of the row that may end before, as who is skipped does. */
bool hears_of(pid_t pid, enum step step)
{
	int i;

	for (i = 0; i < LIMIT * 50; i++) {
		if (!sem_trywait(&shared->steps[step]))
			return true;
		if (!lives(pid))
			return false;
		nap(20);
	}
	return false;
}

/* For a client, which waits for its orders longer than the row for others. */
void obey(enum step step)
{
	while (!hears(step))
		;
}
