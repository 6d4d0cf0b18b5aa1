// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands whose arguments are on a page that never comes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waits.h"

/*
 * Commands whose arguments are on such a page, as a whole or behind the first @there
 * bytes. Then the driver has read some of it, or writes there.
 */
static const struct call {
	const char *name;
	unsigned long cmd;
	unsigned int versions;
	size_t there;
	uint32_t op;			/* of EEH */
} calls[] = {
	{ "GET_INFO", VFIO_IOMMU_SPAPR_TCE_GET_INFO, BOTH },
	{ "GET_INFO, whose answer goes there", VFIO_IOMMU_SPAPR_TCE_GET_INFO,
	  V2, offsetof(struct vfio_iommu_spapr_tce_info, ddw) },
	{ "MAP", VFIO_IOMMU_MAP_DMA, BOTH },
	{ "UNMAP", VFIO_IOMMU_UNMAP_DMA, BOTH },
	{ "REGISTER", VFIO_IOMMU_SPAPR_REGISTER_MEMORY, V2 },
	{ "UNREGISTER", VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, V2 },
	{ "CREATE", VFIO_IOMMU_SPAPR_TCE_CREATE, V2 },
	{ "REMOVE", VFIO_IOMMU_SPAPR_TCE_REMOVE, V2 },
	{ "EEH", VFIO_EEH_PE_OP, BOTH },
	{ "EEH with the longer argument", VFIO_EEH_PE_OP, BOTH,
	  offsetof(struct vfio_eeh_pe_op, op) + sizeof(uint32_t),
	  VFIO_EEH_PE_INJECT_ERR },
};

#define CALLS	(int)(sizeof(calls) / sizeof(*calls))

static int first_call, last_call;
static uint8_t *arguments;		/* two pages for each call, one is there */

static uint8_t *argument(int i)
{
	return arguments + (2 * i + 1) * host.page - calls[i].there;
}

static bool has_call(int version, int i)
{
	return calls[i].versions & (version == 1 ? V1 : V2);
}

static void *make_call(void *arg)
{
	int i = (uintptr_t)arg;

	shared->result[i] = __raw(box.container, calls[i].cmd, argument(i));
	shared->returned[i] = true;
	return NULL;
}

static void prepare_argument(int i)
{
	const uint32_t argsz = 64;

	keep_back(arguments + (2 * i + 1) * host.page, host.page);
	if (!calls[i].there)
		return;
	memcpy(argument(i), &argsz, sizeof(argsz));
	if (calls[i].cmd == VFIO_EEH_PE_OP)
		memcpy(argument(i) + offsetof(struct vfio_eeh_pe_op, op),
		       &calls[i].op, sizeof(calls[i].op));
}

static void argument_client(void *arg)
{
	int version = *(int *)arg, i, waiting = 0;
	struct uffd_msg msg;
	pthread_t thread;

	init_userfaults();
	open_box(version);
	arguments = alloc(2 * CALLS * host.page, host.page);
	for (i = first_call; i <= last_call; i++) {
		if (!has_call(version, i))
			continue;
		prepare_argument(i);
		expect(!pthread_create(&thread, NULL, make_call,
				       (void *)(uintptr_t)i));
		if (!asked(&msg, LIMIT * 1000))
			fail(__FILE__, __LINE__, "%s does not wait", calls[i].name);
		waiting++;
	}
	expect(waiting);
	tell(CALLED);
	obey(CLOSE);
	close_box();
	for (;;)
		pause();
}

static pid_t start_arguments(struct tce *t, int first, int last)
{
	first_call = first;
	last_call = last;
	allow_userfaults();
	return start_client(argument_client, t, CALLED);
}

static void argument_close(struct tce *t)
{
	pid_t client;
	int i;

	for (i = 0; i < CALLS; i++) {
		if (!has_call(t->version, i))
			continue;
		client = start_arguments(t, i, i);
		expect_closes(calls[i].name);
		expect_others_go_on(t, "after that");
		expect_dies(client);
	}
}

static void argument_unbind(struct tce *t)
{
	pid_t client = start_arguments(t, 0, CALLS - 1);

	expect_all_go_on(t, "arguments of a client's");
	expect_dies(client);
}

/*
 * The driver can't be unloaded while a command is in it, though its container is gone.
 */
static long unload(void)
{
	return syscall(__NR_delete_module, "vfio_iommu_spapr_tce",
		       O_NONBLOCK) ? -errno : 0;
}

static void argument_unload(struct tce *t)
{
	pid_t client;
	int i, tries;
	long rc;

	for (i = 0; i < CALLS; i++) {
		if (!has_call(t->version, i))
			continue;
		client = start_arguments(t, i, i);
		expect(unload() < 0);
		expect_closes(calls[i].name);
		rc = unload();
		note("%s: %s", calls[i].name, rc ? strerrorname_np(-rc) :
		     "unloaded");
		expect_dies(client);
		/* what it owed, it gives back in a moment */
		for (tries = 0; rc && tries < 100; tries++) {
			rc = unload();
			nap(20);
		}
		expect_rc(0, rc);
		expect_rc(0, system("modprobe vfio_iommu_spapr_tce"));
	}
}

static const struct test rows[] = {
	{ "close does not wait for an argument that never comes",
	  argument_close, BOTH | APART | TWO | DANGEROUS },
	{ "root does not wait for arguments that never come", argument_unbind,
	  BOTH | APART | TWO | DANGEROUS },
	{ "the driver is not unloaded while a command waits for its argument",
	  argument_unload, BOTH | APART | TWO | DANGEROUS },
};

const struct rows argument_rows = ROWS(rows);
