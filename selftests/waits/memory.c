// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that never comes: of MAP (v1), of REGISTER (v2). Only the client itself waits,
 * and not for the other container that it has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waits.h"
#include "fuse.h"

static uint8_t *memory;
static size_t memory_size, memory_hole;

/* Or it is a file of FUSE, whose server is another process of the client. */
#define FUSE_FILE	"/tmp/fuse"

static int fuse = -1;

static void server_is_asked(void)
{
	tell(ASKED);
}

/* Private: the kernel pins no other memory of FUSE to be written. */
static void map_fuse(void)
{
	pid_t server = fork();
	struct stat st;
	int file;

	expect(server >= 0);
	if (!server)
		fuse_serve(fuse, server_is_asked);
	shared->server = server;
	close(fuse);
	file = open(FUSE_FILE, O_RDONLY);
	expect(file >= 0);
	/* the kernel asks how large it is */
	expect(!fstat(file, &st));
	memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		      file, 0);
	expect(memory != MAP_FAILED);
}

static void *pin_memory(void *arg)
{
	struct tce *t = arg;
	uint64_t iova = t->info.dma32_window_start + 64 * MiB;

	shared->result[0] = t->version == 1 ?
		__map(t->container, memory, iova, memory_size, RW) :
		__register(t->container, memory, memory_size);
	shared->returned[0] = true;
	return NULL;
}

/* Whether the kernel asks for the page, before the command returns without it. */
static bool asked_for_memory(struct uffd_msg *msg)
{
	int i;

	for (i = 0; i < LIMIT * 10 && !shared->returned[0]; i++)
		if (asked(msg, 100))
			return true;
	return false;
}

static void memory_client(void *arg)
{
	uint64_t before = locked();
	struct uffd_msg msg;
	pthread_t thread;

	if (fuse < 0) {
		init_userfaults();
		memory = alloc(memory_size, host.page);
		keep_back(memory + memory_hole, host.page);
	} else {
		map_fuse();
	}
	open_box(*(int *)arg);
	open_box2(*(int *)arg);
	expect(!pthread_create(&thread, NULL, pin_memory, &box));
	if (fuse < 0 ? !asked_for_memory(&msg) : !hears(ASKED)) {
		if (fuse < 0 && host.kernel < 612 && shared->result[0] == -EFAULT)
			skip("this kernel pins no page that user space is asked for");
		fail(__FILE__, __LINE__, "MAP or REGISTER does not wait (%ld)",
		     shared->result[0]);
	}
	if (fuse < 0)
		expect_eq((uintptr_t)memory + memory_hole, page_of(&msg));
	/* The other container's is all there. */
	get_info(box2.container, &box2.info);
	unmap(box2.container, box2.info.dma32_window_start + 32 * MiB, CHUNK);
	close(box2.group);
	close(box2.container);
	tell(CALLED);
	obey(CLOSE);
	close_box();
	if (fuse < 0) {
		obey(SERVE);
		provide(page_of(&msg));
	}
	pthread_join(thread, NULL);
	/* It came too late: there is no container any more. */
	expect(shared->result[0] < 0);
	expect_eq(before, locked());
}

static pid_t start_memory(struct tce *t)
{
	allow_userfaults();
	return start_client(memory_client, t, CALLED);
}

static void memory_unbind(struct tce *t)
{
	long pins = pinned();
	pid_t client = start_memory(t);

	expect_all_go_on(t, "memory of a client's");
	expect_dies(client);
	expect_rc(pins, pinned_settled(pins));
}

static void memory_served(struct tce *t)
{
	long pins = pinned();
	pid_t client = start_memory(t);

	expect_closes("memory that never comes");
	expect(lives(client));
	tell(SERVE);
	if (!ends(client, LIMIT))
		fail(__FILE__, __LINE__, "the command does not end");
	expect_rc(pins, pinned_settled(pins));
}

static void one_page_unbind(struct tce *t)
{
	memory_size = host.page;
	memory_hole = 0;
	memory_unbind(t);
}

static void one_page_served(struct tce *t)
{
	memory_size = host.page;
	memory_hole = 0;
	memory_served(t);
}

/* So many that they are pinned in several steps, of which some are done. */
static void many_pages_unbind(struct tce *t)
{
	memory_size = 24 * MiB;
	memory_hole = 17 * MiB;
	memory_unbind(t);
}

static void many_pages_served(struct tce *t)
{
	memory_size = 24 * MiB;
	memory_hole = 17 * MiB;
	memory_served(t);
}

/*
 * What a FUSE server has read is waited for without regard to signals, so that the
 * client can't even be killed. Nobody else waits, and the end of the server is the end
 * of it.
 */
static void fuse_ends(struct tce *t, bool aborted)
{
	long pins = pinned();
	pid_t client;

	memory_size = host.page;
	memory_hole = 0;
	fuse = fuse_mount(FUSE_FILE);
	client = start_client(memory_client, t, CALLED);
	close(fuse);
	expect_all_go_on(t, "memory of a FUSE server's");
	expect(!shared->returned[0]);
	if (aborted) {
		fuse_abort(FUSE_FILE);
		if (!ends(client, LIMIT))
			fail(__FILE__, __LINE__, "the command does not end");
	} else {
		kill(client, SIGKILL);
		nap(500);
		note("who was killed %s", lives(client) ? "waits" : "is gone");
		kill(shared->server, SIGKILL);
		expect_dead(client);
	}
	expect_rc(pins, pinned_settled(pins));
	fuse_umount(FUSE_FILE);
}

static void fuse_killed(struct tce *t)
{
	fuse_ends(t, false);
}

static void fuse_aborted(struct tce *t)
{
	fuse_ends(t, true);
}

static const struct test rows[] = {
	{ "nobody waits for a page of memory that never comes",
	  one_page_unbind, BOTH | APART | TWO | DANGEROUS },
	{ "close does not wait for a page of memory, which comes at last",
	  one_page_served, BOTH | APART | TWO | DANGEROUS },
	{ "nobody waits for one of many pages that never comes",
	  many_pages_unbind, BOTH | APART | TWO | DANGEROUS },
	{ "close does not wait for one of many pages, which comes at last",
	  many_pages_served, BOTH | APART | TWO | DANGEROUS },
	{ "nobody waits for memory of FUSE, and who does until its server is killed",
	  fuse_killed, BOTH | APART | TWO | DANGEROUS },
	{ "nobody waits for memory of FUSE, and who does until root aborts it",
	  fuse_aborted, BOTH | APART | TWO | DANGEROUS },
};

const struct rows memory_rows = ROWS(rows);
