// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the emulator keep what a guest with two processors writes? One thread forks and
 * then writes to a page, which is copied for it; the other one goes on storing to the
 * same page and looks whether all of it is still there. An emulator that does not wait
 * until each of its processors has flushed the old translation lets stores go to the
 * page that was there before. The stores follow each other without a branch, because an
 * emulated processor notices a flush only between blocks of instructions.
 *
 * usage: emulator SECONDS
 *
 * Exit codes: 0 nothing was lost, 1 something was, 2 it could not run.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 128	/* as below */

static struct {
	volatile unsigned long word[WORDS], copied;
} page __attribute__((aligned(65536)));
static atomic_bool done;

static void quit(const char *what)
{
	perror(what);
	exit(2);
}

static struct rounds {
	unsigned long made, lost;
} rounds;

static unsigned long forks, died;

static void *store(void *arg)
{
	struct rounds *rounds = arg;
	unsigned long wrong;
	int i;

	while (!done) {
		rounds->made++;
#pragma GCC unroll 128
		for (i = 0; i < WORDS; i++)
			page.word[i] = rounds->made;
		wrong = 0;
		for (i = 0; i < WORDS; i++)
			wrong |= page.word[i] ^ rounds->made;
		rounds->lost += wrong != 0;
	}
	return NULL;
}

/* Nothing is locked here, so that a signal may do it, too. */
static void report(const char *how)
{
	dprintf(STDOUT_FILENO, "%lu of %lu rounds lost a write, %lu of %lu children died%s\n",
		rounds.lost, rounds.made, died, forks, how);
}

static void hangs(int sig)
{
	(void)sig;
	report(", and then it hung");
	_exit(1);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc == 2 ? atoi(argv[1]) : 0;
	time_t end = time(NULL) + seconds;
	pthread_t thread;
	int status;

	/* Whatever is lost may be what somebody waits for. */
	signal(SIGALRM, hangs);
	alarm(seconds + 30);
	if (pthread_create(&thread, NULL, store, &rounds))
		quit("thread");
	while (time(NULL) < end) {
		pid_t child = fork();

		if (child < 0)
			quit("fork");
		if (child == 0)
			_exit(0);
		page.copied = ++forks;
		if (waitpid(child, &status, 0) != child)
			quit("wait");
		died += status != 0;
	}
	done = true;
	pthread_join(thread, NULL);
	report("");
	return rounds.lost || died || !forks ? 1 : 0;
}
