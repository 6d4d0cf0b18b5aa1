// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE, whose argument goes away while it works: it waits to tell the address of a
 * window that is there already.
 */
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "waits.h"

static struct vfio_iommu_spapr_tce_create *creation;

static void *create_there(void *unused __attribute__((unused)))
{
	shared->result[0] = __raw(box.container, VFIO_IOMMU_SPAPR_TCE_CREATE,
				  creation);
	shared->returned[0] = true;
	return NULL;
}

/* Whether CREATE waits to write its answer; false if it was quicker. */
static bool create_waits(int us)
{
	struct vfio_iommu_spapr_tce_create create = {
		.argsz = sizeof(create),
		.page_shift = 12,
		.window_size = GiB,
		.levels = 1,
	};
	uint8_t *page = alloc(host.page, host.page);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)creation,
		.src = (uintptr_t)page,
		.len = host.page,
	};
	struct uffd_msg msg;
	pthread_t thread;

	shared->returned[0] = false;
	memcpy(page, &create, sizeof(create));
	expect(!madvise(creation, host.page, MADV_DONTNEED));
	expect(!pthread_create(&thread, NULL, create_there, NULL));
	for (;;) {
		while (!asked(&msg, 10))
			if (shared->returned[0]) {
				pthread_join(thread, NULL);
				munmap(page, host.page);
				return false;
			}
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE)
			return true;
		copy.copy = 0;
		expect_rc(0, __raw(uffd, UFFDIO_COPY, &copy));
		usleep(us);
		expect(!madvise(creation, host.page, MADV_DONTNEED));
	}
}

static void create_client(void *arg)
{
	int tries;

	init_userfaults();
	attach(&box, *(int *)arg);
	creation = (void *)alloc(host.page, host.page);
	keep_back((uint8_t *)creation, host.page);
	for (tries = 0; tries < 500; tries++) {
		__remove(box.container, box.info.dma32_window_start);
		if (create_waits(tries % 50 * 20))
			break;
	}
	if (tries == 500)
		skip("CREATE was quicker each time");
	note("CREATE waits, after %d tries", tries + 1);
	tell(CALLED);
	obey(CLOSE);
	close_box();
	for (;;)
		pause();
}

static void create_close(struct tce *t)
{
	pid_t client;

	allow_userfaults();
	client = start_client(create_client, t, CALLED);
	expect_all_go_on(t, "CREATE's answer");
	expect_dies(client);
}

static const struct test rows[] = {
	{ "nobody waits for CREATE to tell its answer", create_close,
	  V2 | APART | TWO | DANGEROUS },
};

const struct rows answer_rows = ROWS(rows);
