// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can make whom wait. A client may make itself wait for as long as it likes: by an
 * argument or memory on a page that never comes, or by an EEH operation on a device
 * whose lock somebody has. Nobody else may wait for it: not root who takes the device
 * away, not another client, and not the client's own close.
 *
 * A page that never comes is one of userfaultfd: the kernel asks user space for it, and
 * nobody answers. The rows take devices from vfio-pci, so that they stay root; their
 * clients are processes of their own with the rights of the tests' user.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

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
	STEPS
};

static struct {
	sem_t steps[STEPS];
	/* the call of each thread, as far as it has come */
	volatile bool returned[MOST_THREADS];
	volatile long result[MOST_THREADS];
} *shared;

static void share(void)
{
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(shared != MAP_FAILED);
	for (i = 0; i < STEPS; i++)
		sem_init(&shared->steps[i], 1, 0);
}

static void tell(enum step step)
{
	sem_post(&shared->steps[step]);
}

/* Whether the other side has come so far in time. */
static bool hears(enum step step)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LIMIT;
	while (sem_timedwait(&shared->steps[step], &end))
		if (errno != EINTR)
			return false;
	return true;
}

static void nap(int ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* For a client, which waits for its orders longer than the row for others. */
static void obey(enum step step)
{
	while (!hears(step))
		;
}

/*
 * Another client, on another group
 */
static void neighbour(void *arg)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	struct tce other = { .version = *(int *)arg };
	uint64_t iova;

	other.container = open_container();
	other.group = open_group(host.other);
	set_container(other.group, other.container);
	set_iommu(other.container, other.version == 1 ? V1_IOMMU : V2_IOMMU);
	get_info(other.container, &other.info);
	iova = other.info.dma32_window_start + 32 * MiB;
	allow(&other, mem, CHUNK);
	map(other.container, mem, iova, CHUNK, RW);
	unmap(other.container, iova, CHUNK);
	detach(&other);
}

#define expect_others_go_on(t, when) do {				\
	if (!ends(spawn(true, neighbour, &(t)->version), LIMIT))		\
		fail(__FILE__, __LINE__, "another client waits, " when);	\
} while (0)

/*
 * What root does with the device
 */
static void unbind(void *pci)
{
	expect_rc(0, write_to("/sys/bus/pci/drivers/vfio-pci/unbind", pci));
}

static void unplug(void *pci)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
		 (char *)pci);
	expect_rc(0, write_to(path, "1"));
}

/*
 * Root takes the device away while its file is open: this waits, with the lock of the
 * device. The kernel takes the name away before it waits.
 */
static pid_t start_taking(void (*take)(void *))
{
	char path[300];
	pid_t pid;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 host.device[0].pci);
	expect(!access(path, F_OK));
	pid = spawn(false, take, host.device[0].pci);
	for (i = 0; i < LIMIT * 50 && !access(path, F_OK); i++)
		nap(20);
	expect(access(path, F_OK));
	nap(100);
	expect(lives(pid));
	return pid;
}

/*
 * EEH operations, each of which may want the lock of the device, or that of all devices
 * of the host (pci_rescan_remove_lock)
 */
static const char *const eeh_names[] = {
	"DISABLE", "ENABLE", "UNFREEZE_IO", "UNFREEZE_DMA", "GET_STATE",
	"RESET_DEACTIVATE", "RESET_HOT", "RESET_FUNDAMENTAL", "CONFIGURE",
	"INJECT_ERR",
};

#define EEH_OPS		10

static struct tce box;			/* the client's */
static uint32_t first_op, last_op;
static bool again;			/* and again, until the container is gone */
static volatile bool over;

static long eeh_op(uint32_t op)
{
	struct vfio_eeh_pe_op arg = { .argsz = sizeof(arg), .op = op };

	return __raw(box.container, VFIO_EEH_PE_OP, &arg);
}

static void *operate(void *arg)
{
	uint32_t op = (uintptr_t)arg;

	do {
		shared->result[op] = eeh_op(op);
	} while (again && !over);
	shared->returned[op] = true;
	return NULL;
}

static void eeh_client(void *arg)
{
	pthread_t threads[EEH_OPS];
	uint32_t op;
	int i, fd;

	attach(&box, *(int *)arg);
	if (!__check_extension(box.container, VFIO_EEH))
		skip("this host has no EEH");
	fd = __raw(box.group, VFIO_GROUP_GET_DEVICE_FD, host.device[0].pci);
	expect(fd >= 0);
	expect_rc(0, eeh_op(VFIO_EEH_PE_ENABLE));
	tell(OPENED);
	obey(CALL);
	for (op = first_op; op <= last_op; op++)
		expect(!pthread_create(&threads[op], NULL, operate,
				       (void *)(uintptr_t)op));
	/* Until they wait for the device's lock, those that do. */
	for (i = 0; i < 50; i++) {
		nap(10);
		for (op = first_op; op <= last_op; op++)
			if (!shared->returned[op])
				break;
		if (op > last_op)
			break;
	}
	tell(CALLED);
	obey(CLOSE);
	over = true;
	close(fd);
	close(box.group);
	close(box.container);
	tell(CLOSED);
	for (op = first_op; op <= last_op; op++)
		pthread_join(threads[op], NULL);
}

/* @before: root comes before the operations, and has the lock when they do. */
static void eeh_against(struct tce *t, void (*take)(void *), uint32_t first,
			uint32_t last, bool before)
{
	pid_t client, root = 0;
	uint32_t op;

	first_op = first;
	last_op = last;
	again = !before;
	share();
	client = spawn(true, eeh_client, &t->version);
	if (!hears(OPENED)) {
		ends(client, 0);
		fail(__FILE__, __LINE__, "the client does not begin");
	}
	if (before)
		root = start_taking(take);
	tell(CALL);
	expect(hears(CALLED));
	if (!before)
		root = start_taking(take);
	expect_others_go_on(t, "before the device is closed");
	tell(CLOSE);
	if (!ends(root, LIMIT))
		fail(__FILE__, __LINE__,
		     "the device was closed, root still can't have it (%s)",
		     first == last ? eeh_names[first] : "all at once");
	if (!hears(CLOSED))
		fail(__FILE__, __LINE__, "the client can't close");
	if (!ends(client, LIMIT)) {
		for (op = first; op <= last; op++)
			if (!shared->returned[op])
				note("%s has not returned", eeh_names[op]);
		fail(__FILE__, __LINE__, "the operation does not end");
	}
	for (op = first; op <= last; op++)
		note("%s: %ld", eeh_names[op], shared->result[op]);
	expect_others_go_on(t, "after all");
	expect(host_restore());
}

static void eeh_unbind_one_by_one(struct tce *t)
{
	uint32_t op;

	for (op = 0; op < EEH_OPS; op++)
		eeh_against(t, unbind, op, op, true);
}

static void eeh_unbind(struct tce *t)
{
	eeh_against(t, unbind, 0, EEH_OPS - 1, true);
}

static void eeh_unbind_loop(struct tce *t)
{
	eeh_against(t, unbind, 0, EEH_OPS - 1, false);
}

static void eeh_unplug(struct tce *t)
{
	eeh_against(t, unplug, 0, EEH_OPS - 1, true);
}

static void eeh_unplug_loop(struct tce *t)
{
	eeh_against(t, unplug, 0, EEH_OPS - 1, false);
}

static const struct test tests[] = {
	{ "root unbinds a device that EEH operations wait for", eeh_unbind,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unbinds a device that an EEH operation waits for, each of them",
	  eeh_unbind_one_by_one, V2 | APART | TWO | DANGEROUS },
	{ "root unbinds a device amid EEH operations", eeh_unbind_loop,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unplugs a device that EEH operations wait for", eeh_unplug,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unplugs a device amid EEH operations", eeh_unplug_loop,
	  BOTH | APART | TWO | DANGEROUS },
};

TEST_MAIN("waits", tests)
