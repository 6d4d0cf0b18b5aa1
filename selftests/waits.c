// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can make whom wait. A client may make itself wait for as long as it likes: by an
 * argument or memory on a page that never comes, or by an EEH operation on a device
 * whose lock somebody has. Nobody else may wait for it: not root who takes the device
 * away, not another client, and not the client's own close.
 *
 * A page that never comes is one of userfaultfd: the kernel asks user space for it, and
 * nobody answers. A page whose lock is kept is one of FUSE. The rows take devices from
 * vfio-pci, so that they stay root; their clients are processes of their own with the
 * rights of the tests' user.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/*
 * Seconds after which somebody is said to wait for ever. Nothing here takes three, an
 * emulated machine on a busy one included.
 */
#define LIMIT		20
#define MOST_THREADS	16

/* What a row and its clients have told each other. */
enum step {
	OPENED,			/* client: all is open */
	CALL,			/* row: make the call that waits */
	CALLED,			/* client: it waits, or has returned */
	CLOSE,			/* row: close all that is open */
	CLOSED,			/* client: done */
	SERVE,			/* row: provide the page */
	WRITTEN,		/* server: it has what it does not take */
	STEPS
};

struct shared {
	sem_t steps[STEPS];
	/* the call of each thread, as far as it has come */
	volatile bool returned[MOST_THREADS];
	volatile long result[MOST_THREADS];
	volatile bool page_stays;	/* the FUSE server takes no more */
};

#define expect_others_go_on(t, when) do {				\
	if (!ends(spawn(true, neighbour, &(t)->version), LIMIT))		\
		fail(__FILE__, __LINE__, "another client waits, " when);	\
} while (0)

/* Pages that never come. */

static int uffd;

/* Root lets everybody have them. */
static void allow_userfaults(void)
{
	write_to("/proc/sys/vm/unprivileged_userfaultfd", "1");
}

static void init_userfaults(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		skip("this host has no userfaultfd");
	expect_rc(0, __raw(uffd, UFFDIO_API, &api));
}

/* Takes what lies at @mem away, and lets everybody who wants it wait. */
static void keep_back(uint8_t *mem, size_t size)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)mem, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	expect(!madvise(mem, size, MADV_DONTNEED));
	expect_rc(0, __raw(uffd, UFFDIO_REGISTER, &range));
}

/* Whether somebody asks for a page soon, and for which one. */
static bool asked(struct uffd_msg *msg, int ms)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1 &&
	       read(uffd, msg, sizeof(*msg)) == sizeof(*msg) &&
	       msg->event == UFFD_EVENT_PAGEFAULT;
}

static uint64_t page_of(const struct uffd_msg *msg)
{
	return msg->arg.pagefault.address & -(uint64_t)host.page;
}

static void provide(uint64_t page)
{
	struct uffdio_zeropage zero = {
		.range = { .start = page, .len = host.page },
	};

	expect_rc(0, __raw(uffd, UFFDIO_ZEROPAGE, &zero));
}

/*
 * A row's clients, the client beside them, and root, and how they tell each other how far
 * they are.
 */

static struct shared *shared;

static void share(void)
{
	int i;

	shared = alloc_shared(sizeof(*shared));
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

/* The same of a process of the row that may end before, as who is skipped does. */
static bool hears_of(pid_t pid, enum step step)
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
static void obey(enum step step)
{
	while (!hears(step))
		;
}

/* A container with the other group, in which memory is mapped */
static void attach_other(struct tce *t, int version)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	*t = (struct tce){ .group2 = -1 };
	attach_at(t, version, host.other);
	allow(t, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
}

static void neighbour(void *arg)
{
	struct tce other;

	attach_other(&other, *(int *)arg);
	unmap(other.container, base(&other), CHUNK);
	detach(&other);
}

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
 * Does @pid wait for a device's file to be closed? The kernel takes the device's name away
 * before it waits, but for old ones, as 6.1.
 */
static bool waits_for_file(pid_t pid, const char *name)
{
	char path[32], line[64] = "", *where = line;
	FILE *f;

	if (name && access(name, F_OK))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	/* in big endian the name of a function's code begins with a dot */
	if (*where == '.')
		where++;
	return !strcmp(where, "vfio_unregister_group_dev");
}

/*
 * Root takes the device away while its file is open: this waits, with the lock of the
 * device.
 */
static pid_t start_taking(void (*take)(void *), int device)
{
	char path[300], *name = path;
	pid_t pid;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 host.device[device].pci);
	/* since 6.1 */
	if (access(path, F_OK))
		name = NULL;
	pid = spawn(false, take, host.device[device].pci);
	for (i = 0; i < LIMIT * 50 && !waits_for_file(pid, name); i++)
		nap(20);
	expect(waits_for_file(pid, name));
	nap(100);
	expect(lives(pid));
	return pid;
}

static struct tce box, box2;		/* the client's */

static long unload(void)
{
	return syscall(__NR_delete_module, "vfio_iommu_spapr_tce", O_NONBLOCK) ? -errno : 0;
}

/* The client's other container */
static void open_box2(int version)
{
	attach_other(&box2, version);
}

/* A client that has come so far; after share() */
static pid_t begin_client(void (*run)(void *), struct tce *t, enum step step)
{
	pid_t client = spawn(true, run, &t->version);

	if (!hears_of(client, step)) {
		ends(client, 0);
		fail(__FILE__, __LINE__, "the client does not begin");
	}
	return client;
}

static pid_t start_client(void (*run)(void *), struct tce *t, enum step step)
{
	share();
	return begin_client(run, t, step);
}

/* A client that waits dies when it is told to, and soon. */
static void expect_dies(pid_t client)
{
	int i, status;

	expect(lives(client));
	kill(client, SIGKILL);
	for (i = 0; i < LIMIT * 50; i++) {
		if (waitpid(client, &status, WNOHANG) == client)
			return;
		nap(20);
	}
	fail(__FILE__, __LINE__, "the client can't be killed");
}

/* Opens and maps what a client has, so that there is something to be given back. */
static void open_box(int version)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	attach(&box, version);
	allow(&box, mem, CHUNK);
	map(box.container, mem, base(&box), CHUNK, RW);
}

static void close_box(void)
{
	close(box.group);
	close(box.container);
	tell(CLOSED);
}

/* For a client that waits by now: it closes when it is told to, and lives on until it is killed. */
static void await_close(void)
{
	tell(CALLED);
	obey(CLOSE);
	close_box();
	for (;;)
		pause();
}

static void expect_closes(const char *what)
{
	tell(CLOSE);
	if (!hears(CLOSED))
		fail(__FILE__, __LINE__, "close waits for %s", what);
}

/* A client waits, and nobody else: not root, nor another one, nor its own close. */
static void expect_all_go_on(struct tce *t, const char *what)
{
	pid_t root;

	expect_others_go_on(t, "while a client does");
	root = spawn(false, unbind, host.device[0].pci);
	if (!ends(root, LIMIT))
		fail(__FILE__, __LINE__, "root waits for %s", what);
	expect_others_go_on(t, "after that");
	expect_closes(what);
}

/*
 * EEH operations, each of which may want the lock of the device, or that of all devices
 * of the host (pci_rescan_remove_lock).
 */

static const char *const eeh_names[] = {
	"DISABLE", "ENABLE", "UNFREEZE_IO", "UNFREEZE_DMA", "GET_STATE",
	"RESET_DEACTIVATE", "RESET_HOT", "RESET_FUNDAMENTAL", "CONFIGURE",
	"INJECT_ERR",
};

#define EEH_OPS		10

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

static int open_device(int group, int device)
{
	long fd = __raw(group, VFIO_GROUP_GET_DEVICE_FD, host.device[device].pci);

	if (fd < 0)
		fail_rc(__FILE__, __LINE__, "GET_DEVICE_FD", 0, fd);
	return fd;
}

static int open_for_eeh(int version)
{
	int fd;

	attach(&box, version);
	need_eeh(&box);
	fd = open_device(box.group, 0);
	expect_rc(0, eeh_op(VFIO_EEH_PE_ENABLE));
	return fd;
}

static pthread_t eeh_threads[EEH_OPS];

/* Returns when they wait for a lock, those that do. */
static void start_operations(void)
{
	uint32_t op;
	int i;

	for (op = first_op; op <= last_op; op++)
		expect(!pthread_create(&eeh_threads[op], NULL, operate,
				       (void *)(uintptr_t)op));
	for (i = 0; i < 50; i++) {
		nap(10);
		for (op = first_op; op <= last_op; op++)
			if (!shared->returned[op])
				break;
		if (op > last_op)
			break;
	}
}

static void join_operations(void)
{
	uint32_t op;

	for (op = first_op; op <= last_op; op++)
		pthread_join(eeh_threads[op], NULL);
}

static void eeh_client(void *arg)
{
	int fd = open_for_eeh(*(int *)arg);

	tell(OPENED);
	obey(CALL);
	start_operations();
	tell(CALLED);
	obey(CLOSE);
	over = true;
	close(fd);
	close(box.group);
	close(box.container);
	tell(CLOSED);
	join_operations();
}

/* Takes the device out of the reset that the last operations have left it in. */
static void eeh_recover(void *arg)
{
	attach(&box, *(int *)arg);
	expect_rc(0, eeh_op(VFIO_EEH_PE_ENABLE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_RESET_HOT));
	expect_rc(0, eeh_op(VFIO_EEH_PE_RESET_DEACTIVATE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_CONFIGURE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_UNFREEZE_IO));
	expect_rc(0, eeh_op(VFIO_EEH_PE_UNFREEZE_DMA));
}

static void device_works(void *arg)
{
	attach(&box, *(int *)arg);
	expect_rc(0, edu_open(&box.edu, box.group, 0));
}

/*
 * The firmware of QEMU's POWER8 loses a slot that is reset while a reset of it ends
 * ("Unexpected slot state", "Error -6 on hot reset"): no driver gets the device then.
 */
static void need_firmware(void)
{
	char line[256];
	FILE *info = fopen("/proc/cpuinfo", "r");

	while (info && fgets(line, sizeof(line), info))
		if (host.powernv && strstr(line, "POWER8"))
			skip("the firmware loses slots that are reset in a row");
	if (info)
		fclose(info);
}

/*
 * Gives the device back as it was. What the kernel knows of its registers it may have
 * read when EEH had closed them, so it has to find it anew.
 */
static void eeh_mend(struct tce *t)
{
	expect(host_restore());
	expect(ends(spawn(true, eeh_recover, &t->version), LIMIT));
	expect(ends(spawn(false, unplug, host.device[0].pci), LIMIT));
	expect(host_restore());
	expect(ends(spawn(true, device_works, &t->version), LIMIT));
}

/* @before: root comes before the operations, and has the lock when they do. */
static void eeh_against(struct tce *t, void (*take)(void *), bool before)
{
	pid_t client, root = 0;
	uint32_t op;

	first_op = 0;
	last_op = EEH_OPS - 1;
	again = !before;
	client = start_client(eeh_client, t, OPENED);
	if (before)
		root = start_taking(take, 0);
	tell(CALL);
	expect(hears(CALLED));
	if (!before)
		root = start_taking(take, 0);
	expect_others_go_on(t, "before the device is closed");
	tell(CLOSE);
	if (!ends(root, LIMIT))
		fail(__FILE__, __LINE__, "the device was closed, root still can't have it");
	if (!hears(CLOSED))
		fail(__FILE__, __LINE__, "the client can't close");
	if (!ends(client, LIMIT)) {
		for (op = 0; op < EEH_OPS; op++)
			if (!shared->returned[op])
				note("%s has not returned", eeh_names[op]);
		fail(__FILE__, __LINE__, "the operation does not end");
	}
	for (op = 0; op < EEH_OPS; op++)
		note("%s: %ld", eeh_names[op], shared->result[op]);
	expect_others_go_on(t, "after all");
	eeh_mend(t);
}

/*
 * A client that closes nothing, but is killed. Its files are open for as long as one of
 * its threads is there, so that none may wait for the lock of a device in a way that no
 * signal ends: root waits for the device's file.
 */
static void eeh_killed(struct tce *t)
{
	static const uint32_t ops[] = { VFIO_EEH_PE_RESET_HOT,
					VFIO_EEH_PE_RESET_FUNDAMENTAL };
	pid_t client, root;
	int i;

	need_firmware();
	again = false;
	for (i = 0; i < 2; i++) {
		first_op = ops[i];
		last_op = ops[i];
		client = start_client(eeh_client, t, OPENED);
		root = start_taking(unbind, 0);
		tell(CALL);
		expect(hears(CALLED));
		expect_dies(client);
		if (!ends(root, LIMIT))
			fail(__FILE__, __LINE__, "root waits for the dead");
		expect_others_go_on(t, "after all");
		eeh_mend(t);
	}
}

/* Keeps the other device open, so that root's unplugging holds the lock that resets wait for */
static void keeping_client(void *arg)
{
	open_box2(*(int *)arg);
	open_device(box2.group, host.other);
	tell(CLOSED);
	for (;;)
		pause();
}

static int module_users(void)
{
	return read_number("/sys/module/vfio_iommu_spapr_tce/refcnt", "");
}

/*
 * The driver can't be unloaded while the operation of a client that was killed waits, and whoever
 * tries is told at once. Afterwards it can.
 */
static void eeh_unload(struct tce *t)
{
	pid_t client, keeper, root;
	int users, i;

	needs_module();
	need_firmware();
	again = false;
	first_op = VFIO_EEH_PE_RESET_HOT;
	last_op = first_op;
	share();
	keeper = begin_client(keeping_client, t, CLOSED);
	users = module_users();
	client = begin_client(eeh_client, t, OPENED);
	root = start_taking(unplug, host.other);
	tell(CALL);
	expect(hears(CALLED));
	expect(!shared->returned[first_op]);
	expect_dies(client);
	for (i = 0; i < LIMIT * 50 && module_users() > users + 1; i++)
		nap(20);
	expect_rc(users + 1, module_users());
	expect(unload() < 0);
	expect(lives(root));
	expect_dies(keeper);
	expect(ends(root, LIMIT));
	for (i = 0; i < LIMIT * 50 && unload(); i++)
		nap(20);
	expect(i < LIMIT * 50);
	expect_rc(0, system("modprobe vfio_iommu_spapr_tce"));
	eeh_mend(t);
}

static void eeh_unbind(struct tce *t)
{
	eeh_against(t, unbind, true);
}

static void eeh_unplug(struct tce *t)
{
	need_firmware();
	eeh_against(t, unplug, true);
}

/*
 * The kernel's reset walks the devices of the bus and waits for the lock of each. One
 * that is unplugged meanwhile is not in the list any more: no reset may have begun to
 * wait by then.
 */
static void eeh_unplug_loop(struct tce *t)
{
	need_firmware();
	eeh_against(t, unplug, false);
}

/*
 * Root unplugs another device, and waits for its file with the lock that resets wait
 * for. The VFIO core lets a group leave its container once its own devices are closed.
 */
static void leaving_client(void *arg)
{
	int fd = open_for_eeh(*(int *)arg), other, container;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	long rc;

	open_box2(*(int *)arg);
	other = open_device(box2.group, host.other);
	tell(OPENED);
	obey(CALL);
	start_operations();
	expect_rc(-EBUSY, __unset_container(box.group));
	close(fd);
	unset_container(box.group);
	tell(CALLED);
	/* and is of use elsewhere */
	container = box.container;
	box.container = open_container();
	set_container(box.group, box.container);
	set_iommu(box.container, box.version == 1 ? V1_IOMMU : V2_IOMMU);
	allow(&box, mem, CHUNK);
	map(box.container, mem, box.info.dma32_window_start, CHUNK, RW);
	tell(CLOSED);
	obey(CLOSE);
	close(other);
	/* the last device of a group may have done this already */
	rc = __unset_container(box2.group);
	expect(!rc || rc == -EINVAL);
	join_operations();
	detach(&box);
	close(container);
}

static void eeh_unset(struct tce *t)
{
	/* of which each waits, or comes behind one that does */
	static const uint32_t ops[] = {
		VFIO_EEH_PE_ENABLE, VFIO_EEH_PE_RESET_DEACTIVATE,
		VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_FUNDAMENTAL,
	};
	pid_t client, root;
	unsigned int i;

	again = false;
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		first_op = ops[i];
		last_op = ops[i];
		client = start_client(leaving_client, t, OPENED);
		root = start_taking(unplug, host.other);
		tell(CALL);
		if (!hears(CALLED))
			fail(__FILE__, __LINE__, "UNSET_CONTAINER waits for %s",
			     eeh_names[ops[i]]);
		if (!hears(CLOSED))
			fail(__FILE__, __LINE__, "the group can't be used");
		expect(!shared->returned[ops[i]]);
		expect(lives(root));
		tell(CLOSE);
		expect(ends(root, LIMIT));
		expect(ends(client, LIMIT));
		/* by its turn the group was not the container's any more */
		expect_rc(-ENODEV, shared->result[ops[i]]);
		expect(host_restore());
		expect_others_go_on(t, "after all");
	}
}

/* Commands whose arguments are on a page that never comes. */

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
	await_close();
}

static pid_t start_arguments(struct tce *t, int first, int last)
{
	first_call = first;
	last_call = last;
	allow_userfaults();
	return start_client(argument_client, t, CALLED);
}

static void argument_unbind(struct tce *t)
{
	pid_t client = start_arguments(t, 0, CALLS - 1);

	expect_all_go_on(t, "arguments of a client's");
	expect_dies(client);
}

/* The driver can't be unloaded while a command is in it, though its container is gone. */
static void argument_unload(struct tce *t)
{
	pid_t client;
	int i, tries;
	long rc;

	needs_module();
	for (i = 0; i < CALLS; i++) {
		if (!has_call(t->version, i))
			continue;
		client = start_arguments(t, i, i);
		expect(unload() < 0);
		expect_closes(calls[i].name);
		expect_others_go_on(t, "after that");
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

/*
 * CREATE, whose argument goes away while it works: it waits to tell the address of a
 * window that is there already.
 */

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
	await_close();
}

static void create_close(struct tce *t)
{
	pid_t client;

	allow_userfaults();
	client = start_client(create_client, t, CALLED);
	expect_all_go_on(t, "CREATE's answer");
	expect_dies(client);
}

/*
 * Memory that never comes: of MAP (v1), of REGISTER (v2). Only the client itself waits,
 * and not for the other container that it has.
 */

static uint8_t *memory;
/* So many that they are pinned in several steps, of which some are done. */
#define SIZE	(24 * MiB)
#define HOLE	(17 * MiB)

static void *pin_memory(void *arg)
{
	struct tce *t = arg;
	uint64_t iova = t->info.dma32_window_start + 64 * MiB;

	shared->result[0] = t->version == 1 ?
		__map(t->container, memory, iova, SIZE, RW) :
		__register(t->container, memory, SIZE);
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

	init_userfaults();
	memory = alloc(SIZE, host.page);
	keep_back(memory + HOLE, host.page);
	open_box(*(int *)arg);
	open_box2(*(int *)arg);
	expect(!pthread_create(&thread, NULL, pin_memory, &box));
	if (!asked_for_memory(&msg)) {
		if (host.kernel < 612 && shared->result[0] == -EFAULT)
			skip("this kernel pins no page that user space is asked for");
		fail(__FILE__, __LINE__, "MAP or REGISTER does not wait (%ld)",
		     shared->result[0]);
	}
	expect_eq((uintptr_t)memory + HOLE, page_of(&msg));
	/* The other container's is all there. */
	get_info(box2.container, &box2.info);
	unmap(box2.container, base(&box2), CHUNK);
	close(box2.group);
	close(box2.container);
	tell(CALLED);
	obey(CLOSE);
	close_box();
	obey(SERVE);
	provide(page_of(&msg));
	pthread_join(thread, NULL);
	/* It came too late: there is no container any more. */
	expect(shared->result[0] < 0);
	expect_eq(before, locked_settled(before));
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

/*
 * Memory that user space provides as soon as it is asked, whatever it consists of. The client waits
 * for it in MAP (v1) or REGISTER (v2), and then has it.
 */

#define UNITS		32		/* of ordinary pages */

static size_t unit, provided;		/* at once, and all of it */

static void *provide_all(void *arg __attribute__((unused)))
{
	uint8_t *source = alloc(unit, unit);
	struct uffdio_copy copy = { .src = (uintptr_t)source, .len = unit };
	struct uffd_msg msg;
	uint8_t *at;

	for (at = memory; at < memory + provided; at += unit) {
		while (!asked(&msg, 100))
			;
		expect_eq((uintptr_t)at, msg.arg.pagefault.address & -(uint64_t)unit);
		memset(source, ++shared->result[1], unit);
		copy.dst = (uintptr_t)at;
		expect_rc(0, __raw(uffd, UFFDIO_COPY, &copy));
	}
	return NULL;
}

static void expect_provided(const char *what, int version)
{
	pthread_t thread;
	uint8_t *at;
	long rc;

	if (memory == MAP_FAILED) {
		note("this host has no %s", what);
		return;
	}
	init_userfaults();
	keep_back(memory, provided);
	shared->result[1] = 0;
	expect(!pthread_create(&thread, NULL, provide_all, NULL));
	open_box(version);
	rc = version == 1 ? 0 : __register(box.container, memory, provided);
	if (!rc)
		rc = __map(box.container, memory, base(&box) + CHUNK, provided, RW);
	if (host.kernel < 612 && rc == -EFAULT)
		skip("this kernel pins no page that user space is asked for");
	if (rc)
		fail(__FILE__, __LINE__, "%s: %ld", what, rc);
	pthread_join(thread, NULL);
	for (at = memory; at < memory + provided; at += unit)
		expect_eq((uint8_t)((at - memory) / unit + 1), *at);
	close(uffd);
	detach(&box);
}

static void provided_client(void *arg)
{
	int version = *(int *)arg;

	unit = host.page;
	provided = UNITS * unit;
	memory = alloc(provided, unit);
	expect_provided("pages", version);
	memory = alloc_shared(provided);
	expect_provided("shared memory", version);
	unit = 2 * MiB;
	provided = 2 * unit;
	memory = mmap(NULL, provided, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
		      MAP_HUGE_2MB, -1, 0);
	expect_provided("huge pages", version);
}

static void memory_provided(struct tce *t)
{
	allow_userfaults();
	share();
	if (!ends(spawn(true, provided_client, &t->version), LIMIT))
		fail(__FILE__, __LINE__, "the command does not end");
}

/*
 * A page whose lock a FUSE server keeps. In the end it does not answer WRITE, and who writes to the
 * page then waits for that with the lock held. Linux from 6.5 on pins no such page.
 */

#define FUSE_DIR	"/tmp/fuse"
#define FUSE_FILE_ID	2

static int fuse;

static void fuse_answer(const struct fuse_in_header *in, const void *answer, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size, .unique = in->unique, .error = answer ? 0 : -EOPNOTSUPP,
	};
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)answer, size } };

	expect(writev(fuse, parts, 2) == head.len);
}

static struct fuse_attr fuse_attr(uint64_t id)
{
	return (struct fuse_attr){
		.ino = id, .size = CHUNK, .nlink = 1,
		.mode = id == FUSE_FILE_ID ? S_IFREG | 0666 : S_IFDIR | 0777,
	};
}

static void fuse_serve(void *fd)
{
	static union {
		struct fuse_in_header head;
		uint8_t room[MiB];
	} in;
	static uint8_t zeros[CHUNK];
	const struct fuse_read_in *read_in = (void *)(&in.head + 1);
	const struct fuse_write_in *write_in = (void *)(&in.head + 1);
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = CHUNK,
	};
	struct fuse_entry_out entry = {
		.nodeid = FUSE_FILE_ID, .entry_valid = 1000, .attr_valid = 1000,
		.attr = fuse_attr(FUSE_FILE_ID),
	};
	struct fuse_open_out opened = { .fh = 1 };
	struct fuse_write_out written = {};
	struct fuse_attr_out attr = { .attr_valid = 1000 };

	fuse = *(int *)fd;
	while (read(fuse, &in, sizeof(in)) > 0) {
		switch (in.head.opcode) {
		case FUSE_INIT:
			fuse_answer(&in.head, &init, sizeof(init));
			break;
		case FUSE_LOOKUP:
			fuse_answer(&in.head, &entry, sizeof(entry));
			break;
		case FUSE_GETATTR:
			attr.attr = fuse_attr(in.head.nodeid);
			fuse_answer(&in.head, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			fuse_answer(&in.head, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			expect(read_in->size <= sizeof(zeros));
			fuse_answer(&in.head, zeros, read_in->size);
			break;
		case FUSE_WRITE:
			if (shared->page_stays) {
				tell(WRITTEN);
				break;
			}
			written.size = write_in->size;
			fuse_answer(&in.head, &written, sizeof(written));
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
			break;
		default:
			fuse_answer(&in.head, NULL, 0);
		}
	}
}

/* It has nothing else of the client's. */
static void page_writer(int fd)
{
	while (!shared->page_stays)
		nap(20);
	do {
		*memory = ++shared->result[0];
	} while (!sync_file_range(fd, 0, CHUNK, SYNC_FILE_RANGE_WRITE));
	_exit(0);
}

/* Does it sleep where no signal wakes it, for longer than for a moment? */
static bool stays_asleep(pid_t pid)
{
	long writes = shared->result[0];
	char path[32], state = 0;
	FILE *f;

	nap(500);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	expect(f && fscanf(f, "%*d %*s %c", &state) == 1);
	fclose(f);
	return state == 'D' && writes == shared->result[0];
}

static void page_client(void *arg)
{
	int version = *(int *)arg, fd = open(FUSE_DIR "/file", O_RDWR | O_CLOEXEC);
	pid_t writer;
	long rc;

	expect(fd >= 0);
	memory = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(memory != MAP_FAILED);
	writer = fork();
	if (!writer)
		page_writer(fd);
	open_box(version);
	rc = version == 1 ? 0 : __register(box.container, memory, CHUNK);
	if (!rc)
		rc = __map(box.container, memory, base(&box) + CHUNK, CHUNK, RW);
	if (rc == -EFAULT)
		skip("this kernel pins no page of FUSE");
	expect_rc(0, rc);
	shared->page_stays = true;
	obey(WRITTEN);
	while (!stays_asleep(writer))
		;
	await_close();
}

static void page_close(struct tce *t)
{
	char options[100];
	pid_t server, client;

	expect(system("modprobe -q fuse") >= 0);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		skip("this kernel has no FUSE");
	/* what is mounted goes with the row */
	expect(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	mkdir(FUSE_DIR, 0755);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
	expect(!mount("fuse", FUSE_DIR, "fuse", 0, options));
	share();
	server = spawn(false, fuse_serve, &fuse);
	close(fuse);
	client = begin_client(page_client, t, CALLED);
	expect_all_go_on(t, "the lock of a client's page");
	kill_child(server);
	expect_dies(client);
}

static const struct test tests[] = {
	{ "root unbinds a device that EEH operations wait for", eeh_unbind,
	  BOTH | APART | TWO | DANGEROUS },
	{ "a client that is killed while EEH waits for its device", eeh_killed,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unplugs a device that EEH operations wait for", eeh_unplug,
	  V2 | APART | TWO | DANGEROUS },
	{ "root unplugs a device amid EEH operations", eeh_unplug_loop,
	  V2 | APART | TWO | DANGEROUS },
	{ "a group leaves its container while an EEH operation waits", eeh_unset,
	  BOTH | APART | TWO | DANGEROUS },
	{ "the driver is not unloaded while the EEH operation of a killed client waits", eeh_unload,
	  V2 | APART | TWO | DANGEROUS },
	{ "root does not wait for arguments that never come", argument_unbind,
	  BOTH | APART | TWO | DANGEROUS },
	{ "the driver is not unloaded while a command waits for its argument",
	  argument_unload, BOTH | APART | TWO | DANGEROUS },
	{ "nobody waits for CREATE to tell its answer", create_close,
	  V2 | APART | TWO | DANGEROUS },
	{ "nobody waits for one of many pages that never comes",
	  memory_unbind, BOTH | APART | TWO | DANGEROUS },
	{ "close does not wait for one of many pages, which comes at last",
	  memory_served, BOTH | APART | TWO | DANGEROUS },
	{ "memory that comes as soon as it is asked for is the device's", memory_provided, BOTH | APART },
	{ "nobody waits for the lock of a page, which a FUSE server keeps",
	  page_close, BOTH | APART | TWO | DANGEROUS },
};

TEST_MAIN("waits", tests)
