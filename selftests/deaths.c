// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients that are killed, one after the other, each in the middle of something:
 * commands in a random order in two threads, with a child that has the same files.
 * After each of them the host must have all pages back, and the group free.
 *
 * usage: deaths PCI-ADDRESS SEED CLIENTS [loading]
 *   loading    the driver comes and goes meanwhile: wait for it
 *
 * The sequence of commands and the number of those before the end depend on SEED
 * only. Exit codes: 0 good, 1 not, 2 wrong usage.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tce.h"

#define REGIONS		6
#define MOST_COMMANDS	60
#define LATE		120		/* seconds for so many commands */

static struct client {
	struct tce t;
	uint8_t *mem[REGIONS];
	uint64_t window;
	bool loading;
	const char *pci;
} me;

/* Shared with the parent: how many commands were begun. */
static volatile unsigned int *begun;

static size_t region_size(int i)
{
	return CHUNK << (2 * (i % 4) + 1);	/* 128 KiB to 8 MiB */
}

/* What comes out of it is not the question here. */
static void command(uint64_t *state)
{
	int c = me.t.container, i = next_random(state) % REGIONS;
	uint64_t at = me.t.info.dma32_window_start +
		      next_random(state) % 256 * MiB / 2;
	unsigned int what = next_random(state) % 12;

	__atomic_fetch_add(begun, 1, __ATOMIC_RELAXED);
	if (what < 6) {
		__map(c, me.mem[i], what & 1 ? at : me.window + at, region_size(i), RW);
	} else if (what < 8) {
		__unmap(c, at, 16 * MiB);
	} else if (what < 10 && me.t.version == 1) {
		__disable(c);
		__enable(c);
	} else if (what < 10) {
		__unregister(c, me.mem[i], region_size(i));
		__register(c, me.mem[i], region_size(i));
	} else if (what == 10 && host.powernv) {
		/*
		 * pseries remembers one that failed until it is restarted, and
		 * makes no large window for the host any more.
		 */
		__create(c, 12, 256 * MiB << next_random(state) % 4, 1, &me.window);
	} else {
		__remove(c, next_random(state) & 1 ? me.window : me.t.info.dma32_window_start);
	}
}

static void *commands(void *seed)
{
	uint64_t state = (uintptr_t)seed;

	for (;;)
		command(&state);
	return NULL;
}

static void client(uint64_t seed)
{
	uint64_t state = seed;
	pthread_t thread;
	long rc;
	int i;

	me.t.version = 1 + next_random(&state) % 2;
	for (i = 0; i < REGIONS; i++)
		me.mem[i] = alloc(region_size(i), CHUNK);
	me.t.container = open_container();
	me.t.group = open_group(0);
	set_container(me.t.group, me.t.container);
	do {
		rc = __set_iommu(me.t.container, me.t.version == 1 ? V1_IOMMU :
				 V2_IOMMU);
	} while (me.loading && rc == -ENODEV);
	expect_rc(0, rc);
	get_info(me.t.container, &me.t.info);
	for (i = 0; i < REGIONS; i++)
		if (i & 1)
			allow(&me.t, me.mem[i], region_size(i));
	if (next_random(&state) & 1)
		__raw(me.t.group, VFIO_GROUP_GET_DEVICE_FD, (void *)me.pci);
	if (next_random(&state) % 4 == 0 && !fork())
		for (;;)
			pause();
	pthread_create(&thread, NULL, commands, (void *)(seed | 1ULL << 63));
	commands((void *)state);
}

static bool group_is_free(void)
{
	int i, fd;

	/* The client's child, which has the same files, dies a moment later. */
	for (i = 0; i < 200; i++) {
		fd = __open_group(0);
		if (fd >= 0) {
			close(fd);
			return true;
		}
		nap(20);
	}
	note("the group cannot be opened again: %s", strerror(-fd));
	return false;
}

static bool one_death(uint64_t *state)
{
	uint64_t seed = next_random(state);
	unsigned int end = next_random(state) % MOST_COMMANDS;
	unsigned int later = next_random(state) % 2000;
	time_t late = time(NULL) + LATE;
	long pins = pinned();
	bool ended = false;
	int status;
	pid_t pid;

	*begun = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		client(seed);
		_exit(1);
	}
	setpgid(pid, pid);
	/* Some die before their first command, most in the middle of one. */
	while (end && *begun < end && time(NULL) < late && !ended) {
		usleep(100);
		ended = waitpid(pid, &status, WNOHANG) == pid;
	}
	usleep(later);
	kill(-pid, SIGKILL);
	if (!ended && waitpid(pid, &status, 0) != pid)
		return false;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		note("the client ended by itself");
		return false;
	}
	if (end && *begun < end) {
		note("only %u of %u commands", *begun, end);
		return false;
	}
	if (!group_is_free())
		return false;
	if (pinned_settled(pins) != pins) {
		note("%ld pages stay pinned", pinned() - pins);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	unsigned int i, clients, commands_seen = 0;
	uint64_t state;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: %s PCI-ADDRESS SEED CLIENTS [loading]\n",
			argv[0]);
		return 2;
	}
	me.pci = argv[1];
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	clients = strtoul(argv[3], NULL, 0);
	me.loading = argc == 5;
	host_init();
	if (!host_use(argv[1])) {
		fprintf(stderr, "%s is not bound to vfio-pci\n", argv[1]);
		return 2;
	}
	begun = alloc_shared(host.page);
	for (i = 0; i < clients; i++) {
		if (!one_death(&state)) {
			printf("client %u of seed %s left something\n", i, argv[2]);
			return 1;
		}
		commands_seen += *begun;
	}
	printf("%u clients killed, seed %s, after %u commands: nothing left\n",
	       clients, argv[2], commands_seen);
	return clients ? 0 : 1;
}
