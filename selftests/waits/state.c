// SPDX-License-Identifier: GPL-2.0-only
/*
 * Root reads the module's state into memory that never comes: nobody waits for him.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "waits.h"

#define STATE	"/sys/kernel/debug/vfio_iommu_spapr_tce/state"

static int state = -1;

static void client(void *arg)
{
	open_box(*(int *)arg);
	tell(CALLED);
	obey(CLOSE);
	close_box();
}

static void *read_there(void *mem)
{
	return (void *)read(state, mem, host.page);
}

static void reader(void *arg __attribute__((unused)))
{
	uint8_t *mem = alloc(host.page, host.page);
	struct uffd_msg msg;
	pthread_t thread;

	init_userfaults();
	keep_back(mem, host.page);
	expect(!pthread_create(&thread, NULL, read_there, mem));
	expect(asked(&msg, LIMIT * 1000));
	tell(ASKED);
	pthread_join(thread, NULL);
}

static void never_comes(struct tce *t)
{
	pid_t user, root;

	state = open(STATE, O_RDONLY | O_CLOEXEC);
	if (state < 0 && errno == ENOENT)
		skip("this driver has no such file");
	expect(state >= 0);
	/* a host without them skips the row; the reader needs its own */
	init_userfaults();
	close(uffd);
	user = start_client(client, t, CALLED);
	root = spawn(false, reader, NULL);
	if (!hears_of(root, ASKED))
		fail(__FILE__, __LINE__, "the reader does not begin");
	expect_all_go_on(t, "who reads the state");
	expect(ends(user, LIMIT));
	expect_dies(root);
	close(state);
}

static const struct test rows[] = {
	{ "nobody waits for root who reads the state into memory that never comes",
	  never_comes, BOTH | APART | TWO | DANGEROUS },
};

const struct rows state_rows = ROWS(rows);
