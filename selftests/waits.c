// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can make whom wait. A client may make itself wait for as long as it likes: by an
 * argument or memory on a page that never comes, or by an EEH operation on a device
 * whose lock somebody has. Nobody else may wait for it: not root who takes the device
 * away, not another client, and not the client's own close.
 *
 * All tests are the same client, which makes all calls of a kind in a table at once and then waits
 * in them. A test says what the others do meanwhile, and how that client ends. Which lock of the
 * driver each command waits for is in KUnit's suite tce_threads_wait.
 *
 * A page that never comes is one of userfaultfd: the kernel asks user space for it, and
 * nobody answers. A page whose lock is kept has it from module/host_map.c. The tests take
 * devices from vfio-pci, so that they stay root; their clients are processes of their own with
 * the rights of the tests' user.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/kvm.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/*
 * Seconds after which somebody is said to wait for ever. Nothing here takes three, an
 * emulated machine on a busy one included.
 */
#define LIMIT		20

/* What a call waits behind. */
enum behind {
	DEVICE,			/* a lock of a device, or that of all devices */
	ARGUMENT,		/* a page that never comes, of which @there bytes lie before it */
	ANSWER,			/* such a page, which was there when the driver read it */
	MEMORY,			/* such a page amid many, to be pinned */
	PAGE,			/* nothing, but somebody has the lock of a page that is mapped */
};

static const struct call {
	const char *name;
	enum behind behind;
	unsigned int versions;
	unsigned long cmd;
	size_t there;		/* then the driver has read some of it, or writes there */
} calls[] = {
	/* EEH operations, by number */
	[VFIO_EEH_PE_DISABLE ... VFIO_EEH_PE_INJECT_ERR] = { "an EEH operation", DEVICE, BOTH },
	{ "GET_INFO", ARGUMENT, BOTH, VFIO_IOMMU_SPAPR_TCE_GET_INFO },
	{ "MAP", ARGUMENT, BOTH, VFIO_IOMMU_MAP_DMA },
	{ "UNMAP", ARGUMENT, BOTH, VFIO_IOMMU_UNMAP_DMA },
	{ "REGISTER", ARGUMENT, V2, VFIO_IOMMU_SPAPR_REGISTER_MEMORY },
	{ "UNREGISTER", ARGUMENT, V2, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY },
	{ "CREATE", ARGUMENT, V2, VFIO_IOMMU_SPAPR_TCE_CREATE },
	{ "REMOVE", ARGUMENT, V2, VFIO_IOMMU_SPAPR_TCE_REMOVE },
	{ "EEH", ARGUMENT, BOTH, VFIO_EEH_PE_OP },
	{ "EEH with the longer argument", ARGUMENT, BOTH, VFIO_EEH_PE_OP,
	  offsetof(struct vfio_eeh_pe_op, op) + sizeof(uint32_t) },
	/* comes last, because it overwrites what is there */
	{ "GET_INFO, whose answer goes there", ARGUMENT, V2, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
	  offsetof(struct vfio_iommu_spapr_tce_info, ddw) },
	{ "CREATE, which tells where its window is", ANSWER, V2, VFIO_IOMMU_SPAPR_TCE_CREATE },
	{ "MAP of memory", MEMORY, V1 },
	{ "REGISTER of memory", MEMORY, V2 },
};

#define CALLS	(int)(sizeof(calls) / sizeof(*calls))

/* What a client does; set by the test before it begins. */
static struct plan {
	enum behind behind;
	bool again;			/* and again, until the container is gone */
	int flags;			/* of mmap(), for memory */
	bool kvm;			/* in a process that has KVM */
} plan;

static bool is_made(int version, int i)
{
	return calls[i].behind == plan.behind && calls[i].versions & (version == 1 ? V1 : V2);
}

#define for_each_call(i, version)	\
	for (i = 0; i < CALLS; i++)	\
		if (is_made(version, i))

/* What a test and its clients tell each other. */
enum step {
	OPENED,			/* client: all is open */
	CALL,			/* test: make the calls that wait */
	CALLED,			/* client: they wait, or have returned */
	CLOSE,			/* test: close all that is open */
	CLOSED,			/* client: done */
	SERVE,			/* test: provide the page, if there is one; and end */
	STEPS
};

static struct shared {
	volatile bool told[STEPS];
	/* each call, as far as it has come */
	volatile bool returned[CALLS];
	volatile long result[CALLS];
	void *volatile page;		/* that the device may write to */
} *shared;

static void tell(enum step step)
{
	shared->told[step] = true;
}

/* For a client, which waits for its orders longer than the test for others. */
static void obey(enum step step)
{
	while (!shared->told[step])
		nap(5);
}

static struct tce first, second;		/* the client's */

/* Opens and maps what a client has, so that there is something to be given back: this memory. */
static uint8_t *open_and_map(struct tce *t, int version, int device)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	*t = (struct tce){ .group2 = -1 };
	attach_at(t, version, device);
	allow(t, mem, CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	return mem;
}

/* Pages that never come. */

static int uffd;
static uint8_t *memory;
static uint8_t *missing;		/* the page, in the midst of that or of arguments */

/* So many pages that they are pinned in several steps, of which some are done. */
#define SIZE	(24 * MiB)
#define HOLE	(17 * MiB)
#define HUGE	(2 * MiB)

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

/* Lets everybody wait who wants a page that is missing at @mem. */
static void watch(uint8_t *mem, size_t size)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)mem, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	expect_rc(0, __raw(uffd, UFFDIO_REGISTER, &range));
}

/*
 * Takes away what lies at @mem, and lets everybody who wants it wait. It is watched first, because
 * khugepaged may fill what is missing anywhere else.
 */
static void keep_back(uint8_t *mem, size_t size)
{
	watch(mem, size);
	expect(!madvise(mem, size, MADV_DONTNEED));
}

/* Whether somebody asks for a page soon, and for which one. */
static bool asked(struct uffd_msg *msg, int ms)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1 &&
	       read(uffd, msg, sizeof(*msg)) == sizeof(*msg) &&
	       msg->event == UFFD_EVENT_PAGEFAULT;
}

static void provide(uint8_t *at, const void *content, size_t size)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)at, .src = (uintptr_t)content, .len = size };

	expect_rc(0, __raw(uffd, UFFDIO_COPY, &copy));
}

static void prepare_arguments(void)
{
	/* argsz, and then argsz, flags and op of EEH, which are none of the others' arguments */
	static const uint32_t there[] = { 64, 64, 0, VFIO_EEH_PE_INJECT_ERR };

	missing = (uint8_t *)alloc(2 * host.page, host.page) + host.page;
	memcpy(missing - sizeof(there), there, sizeof(there));
	keep_back(missing, host.page);
}

static uint8_t *argument(int i)
{
	return missing - calls[i].there;
}

static size_t page_size(void)
{
	return plan.flags & MAP_HUGETLB ? HUGE : host.page;
}

static void prepare_memory(void)
{
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, plan.flags | MAP_ANONYMOUS, -1, 0);
	expect(memory != MAP_FAILED);
	/*
	 * Watched and populated as a whole, so that nothing splits the mapping: Linux 6.1.176 does
	 * not take the lock that it needs to split one of huge pages.
	 */
	if (plan.flags & MAP_HUGETLB)
		watch(memory, SIZE);
	missing = memory + HOLE / page_size() * page_size();
	keep_back(missing, page_size());
}

/* The client's calls, each in a thread. */

static pthread_t threads[CALLS];
static volatile bool over;

static long do_call(int i)
{
	struct vfio_eeh_pe_op op = { .argsz = sizeof(op), .op = i };

	switch (calls[i].behind) {
	case DEVICE:
		return __raw(first.container, VFIO_EEH_PE_OP, &op);
	case MEMORY:
		if (first.version == 2)
			return __register(first.container, memory, SIZE);
		return __map(first.container, memory, base(&first) + 32 * MiB, SIZE, RW);
	default:
		return __raw(first.container, calls[i].cmd, argument(i));
	}
}

static void *make_call(void *arg)
{
	int i = (uintptr_t)arg;

	do {
		shared->result[i] = do_call(i);
	} while (plan.again && !over);
	shared->returned[i] = true;
	return NULL;
}

static void start_call(int i)
{
	shared->returned[i] = false;
	expect(!pthread_create(&threads[i], NULL, make_call, (void *)(uintptr_t)i));
}

/* Whether the kernel asks for a page, before the call returns without it. */
static bool waits_for_page(int i)
{
	struct uffd_msg msg;

	return within(LIMIT, shared->returned[i] || asked(&msg, 0)) && !shared->returned[i];
}

/*
 * CREATE, whose argument goes away while it works: it waits to tell the address of a
 * window that is there already.
 */
static void start_create(int i)
{
	struct vfio_iommu_spapr_tce_create create = {
		.argsz = sizeof(create),
		.page_shift = 12,
		.window_size = GiB,
		.levels = 1,
	};
	uint8_t *page = alloc(host.page, host.page);
	struct uffd_msg msg;
	int tries;

	memcpy(page, &create, sizeof(create));
	for (tries = 0; tries < 500; tries++) {
		__remove(first.container, first.info.dma32_window_start);
		start_call(i);
		while (!shared->returned[i]) {
			if (!asked(&msg, 10))
				continue;
			if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE) {
				note("CREATE waits, after %d tries", tries + 1);
				return;
			}
			provide(argument(i), page, host.page);
			usleep(tries % 50 * 20);
			expect(!madvise(argument(i), host.page, MADV_DONTNEED));
		}
		pthread_join(threads[i], NULL);
	}
	skip("CREATE was quicker each time");
}

/*
 * Returns when all of them wait, those that do. Of several that wait for arguments each has a
 * container of its own, which has gone when the next one comes, so that each keeps the driver.
 */
static void start_calls(int version)
{
	int i, made = 0;

	for_each_call(i, version) {
		if (plan.behind == ARGUMENT && made++) {
			detach(&first);
			open_and_map(&first, version, 0);
		}
		if (plan.behind == ANSWER) {
			start_create(i);
			continue;
		}
		start_call(i);
		if (plan.behind == DEVICE || waits_for_page(i))
			continue;
		if (plan.behind == MEMORY && host.kernel < 612 && shared->result[i] == -EFAULT)
			skip("this kernel pins no page that user space is asked for");
		fail(__FILE__, __LINE__, "%s does not wait (%ld)", calls[i].name, shared->result[i]);
	}
	/* which of them wait for a lock nobody tells */
	if (plan.behind == DEVICE)
		nap(500);
}

/* The client, as the test's plan says. */

/* Only the calls wait, and not for the other container that the client has. */
static void use_second(void)
{
	get_info(second.container, &second.info);
	unmap(second.container, base(&second), CHUNK);
	close(second.group);
	close(second.container);
}

static void client(void *arg)
{
	const struct tce *t = arg;
	uint64_t before = locked();
	bool in_time;
	int fd = -1, i;

	if (plan.kvm)
		expect(__raw(open("/dev/kvm", O_RDWR | O_CLOEXEC), KVM_CREATE_VM, NULL) >= 0);
	shared->page = open_and_map(&first, t->version, 0);
	if (plan.behind == DEVICE) {
		need_eeh(&first);
		fd = __raw(first.group, VFIO_GROUP_GET_DEVICE_FD, host.device[0].pci);
		expect(fd >= 0);
		expect_rc(0, do_call(VFIO_EEH_PE_ENABLE));
	} else {
		open_and_map(&second, t->version, host.other);
		init_userfaults();
		if (plan.behind == MEMORY)
			prepare_memory();
		else
			prepare_arguments();
	}
	tell(OPENED);
	obey(CALL);
	start_calls(t->version);
	if (plan.behind != DEVICE)
		use_second();
	tell(CALLED);
	while (!shared->told[CLOSE] && !shared->told[SERVE])
		nap(5);
	in_time = !shared->told[CLOSE];
	if (!in_time) {
		over = true;
		close(fd);
		close(first.group);
		close(first.container);
		tell(CLOSED);
		obey(SERVE);
	}
	if (plan.behind == MEMORY)
		provide(missing, alloc(page_size(), page_size()), page_size());
	for_each_call(i, t->version) {
		pthread_join(threads[i], NULL);
		/* If its page came too late, there is no container any more. */
		if (plan.behind == MEMORY)
			expect(in_time ? !shared->result[i] : shared->result[i] < 0);
	}
	if (in_time)
		detach(&first);
	if (plan.behind == MEMORY)
		expect_eq(before, locked_settled(before));
}

/* What the tests have: clients, another client beside them, and root. */

static void neighbour(void *arg)
{
	const struct tce *t = arg;
	struct tce other;

	open_and_map(&other, t->version, host.other);
	unmap(other.container, base(&other), CHUNK);
	detach(&other);
}

static void others_go_on(struct tce *t, const char *when)
{
	if (!ends(spawn(true, neighbour, t), LIMIT))
		fail(__FILE__, __LINE__, "another client waits, %s", when);
}

/* A process of the test has come so far. It may end before, as who is skipped does. */
static void expect_comes(pid_t pid, enum step step)
{
	static const char *const steps[STEPS] = {
		[OPENED] = "open", [CALLED] = "call", [CLOSED] = "close",
	};

	/* until CREATE waits it takes some tries */
	if (within(5 * LIMIT, shared->told[step] || !lives(pid)) && shared->told[step])
		return;
	ends(pid, 0);
	fail(__FILE__, __LINE__, "a client can't %s", steps[step]);
}

/* A client that has opened all, and waits for its order to make the calls */
static pid_t begin(struct tce *t)
{
	pid_t pid;

	shared = alloc_shared(sizeof(*shared));
	allow_userfaults();
	pid = spawn(true, client, t);
	expect_comes(pid, OPENED);
	return pid;
}

static void expect_calls(pid_t pid)
{
	tell(CALL);
	expect_comes(pid, CALLED);
}

static void expect_closes(pid_t pid)
{
	tell(CLOSE);
	expect_comes(pid, CLOSED);
}

/* A client that waits dies when it is told to, and soon. */
static void expect_dies(pid_t pid)
{
	int status;

	expect(lives(pid));
	kill(pid, SIGKILL);
	if (!within(LIMIT, waitpid(pid, &status, WNOHANG) == pid))
		fail(__FILE__, __LINE__, "the client can't be killed");
}

static void expect_ends(pid_t pid, const char *what)
{
	if (!ends(pid, LIMIT))
		fail(__FILE__, __LINE__, "%s does not end", what);
}

static void unbind(void *pci)
{
	expect_rc(0, write_to("/sys/bus/pci/drivers/vfio-pci/unbind", pci));
}

static void unplug(void *pci)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", (char *)pci);
	expect_rc(0, write_to(path, "1"));
}

/*
 * Root takes the device away while its file is open: this waits, with the lock of the device. The
 * kernel takes the device's name away before it waits, but for old ones, as 6.1.
 */
static pid_t start_taking(void (*take)(void *))
{
	char name[300], wchan[32];
	pid_t pid;
	bool named;

	snprintf(name, sizeof(name), "/sys/bus/pci/devices/%s/vfio-dev", host.device[0].pci);
	named = !access(name, F_OK);
	pid = spawn(false, take, host.device[0].pci);
	snprintf(wchan, sizeof(wchan), "/proc/%d/wchan", pid);
	expect(within(LIMIT, (named && access(name, F_OK)) ||
		      find_line(wchan, "vfio_unregister_group_dev")));
	nap(100);
	expect(lives(pid));
	return pid;
}

static int module_users(void)
{
	return read_number("/sys/module/vfio_iommu_spapr_tce/refcnt", "");
}

/* So many calls keep the driver, but for one that is built in, which has no count. */
static void expect_kept(int users, int calls)
{
	int want = users < 0 ? users : users + calls;

	/* a container without a call goes a moment after its close */
	within(LIMIT, module_users() <= want);
	expect_rc(want, module_users());
}

static long unload(void)
{
	return syscall(__NR_delete_module, "vfio_iommu_spapr_tce", O_NONBLOCK) ? -errno : 0;
}

/* What it owes, whoever was killed gives back in a moment. */
static void expect_unloads(void)
{
	/* a part of the kernel never is */
	if (access("/sys/module/vfio_iommu_spapr_tce/initstate", F_OK))
		return;
	expect(within(LIMIT, !unload()));
	expect_rc(0, system("modprobe vfio_iommu_spapr_tce"));
}

/* Has the lock of a page until it is killed, as it is with a test that fails. */
static void keep_lock(void *pfn)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", (unsigned long)pfn);
	write_to("/sys/module/host_map/parameters/lock", text);
}

static pid_t start_keeping_lock(pid_t client)
{
	unsigned long pfn = real_address_of(client, shared->page) / host.page;
	pid_t pid;

	expect(pfn);
	pid = spawn(false, keep_lock, (void *)pfn);
	expect(within(LIMIT, page_has(pfn, KPF_LOCKED)));
	return pid;
}

/*
 * A client waits, and nobody else: not another one, nor root, nor its own close. The driver stays
 * for as long as any of the commands is in it, though their containers are gone.
 */
static void nobody_waits(struct tce *t)
{
	long pins = pinned();
	int users = module_users(), waiting = 0, i;
	pid_t pid, keeper = 0;

	/* Since Linux 6.5 no page can be pinned whose lock somebody may keep: those of FUSE were. */
	if (t->arg == PAGE && host.kernel >= 605)
		skip("nobody keeps the lock of a pinned page on this kernel");
	plan = (struct plan){ t->arg, .flags = MAP_PRIVATE };
	pid = begin(t);
	expect_calls(pid);
	if (t->arg == PAGE)
		keeper = start_keeping_lock(pid);
	others_go_on(t, "while a client does");
	expect_ends(spawn(false, unbind, host.device[0].pci), "unbinding");
	others_go_on(t, "after that");
	expect_closes(pid);
	if (t->arg == PAGE) {
		/* it is marked though nobody gets its lock */
		expect(within(LIMIT, page_has(real_address_of(pid, shared->page) / host.page,
					      KPF_DIRTY)));
	} else {
		expect(unload() < 0);
		for_each_call(i, t->version)
			waiting++;
		expect_kept(users, waiting);
	}
	expect_dies(pid);
	if (keeper)
		expect_dies(keeper);
	expect_unloads();
	expect_rc(pins, pinned_settled(pins));
}

/*
 * While there is a container, and when there is none any more; and once more in a process that has
 * KVM, whose list pins as well
 */
static void comes_late(struct tce *t)
{
	bool has_kvm = t->version == 2 && !access("/dev/kvm", R_OK | W_OK);
	long pins = pinned();
	pid_t pid;
	int i;

	if (t->arg & MAP_HUGETLB)
		munmap(alloc_huge(SIZE, NULL), SIZE);
	for (i = 0; i < (has_kvm ? 4 : 2); i++) {
		plan = (struct plan){ MEMORY, .flags = t->arg, .kvm = i / 2 };
		pid = begin(t);
		expect_calls(pid);
		if (i % 2)
			expect_closes(pid);
		expect(lives(pid));
		tell(SERVE);
		expect_ends(pid, "the call");
		expect_rc(pins, pinned_settled(pins));
	}
}

/* EEH operations, each of which may want the lock of the device, or that of all the host's. */

/* Takes the device out of the reset that the last operations have left it in. */
static void eeh_recover(void *arg)
{
	static const int ops[] = {
		VFIO_EEH_PE_ENABLE, VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_DEACTIVATE,
		VFIO_EEH_PE_CONFIGURE, VFIO_EEH_PE_UNFREEZE_IO, VFIO_EEH_PE_UNFREEZE_DMA,
	};
	const struct tce *t = arg;
	unsigned int i;

	attach(&first, t->version);
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		expect_rc(0, do_call(ops[i]));
}

static void device_works(void *arg)
{
	const struct tce *t = arg;

	attach(&first, t->version);
	expect_rc(0, edu_open(&first.edu, first.group, 0));
}

/*
 * The firmware of QEMU's POWER8 loses a slot that is reset while a reset of it ends
 * ("Unexpected slot state", "Error -6 on hot reset"): no driver gets the device then.
 */
static void need_firmware(void)
{
	if (host.powernv && find_line("/proc/cpuinfo", "POWER8"))
		skip("the firmware loses slots that are reset in a row");
}

/*
 * Gives the device back as it was. What the kernel knows of its registers it may have
 * read when EEH had closed them, so it has to find it anew.
 */
static void eeh_mend(struct tce *t)
{
	expect(host_restore());
	others_go_on(t, "after all");
	expect_ends(spawn(true, eeh_recover, t), "recovery");
	expect_ends(spawn(false, unplug, host.device[0].pci), "unplugging");
	expect(host_restore());
	expect_ends(spawn(true, device_works, t), "the device");
}

/*
 * Root unbinds the device, or unplugs it: before the operations, so that it has the lock when they
 * come, or amid them. The kernel's reset walks the devices of the bus and waits for the lock of
 * each; one that is unplugged meanwhile is not in the list any more, so that no reset may have
 * begun to wait by then. The client closes its files, or is killed: as long as one of its threads
 * is there they are open, so that none may wait for the lock of a device and ignore signals.
 */
#define UNPLUG	1
#define AMID	2
#define KILLED	4

static void eeh_against(struct tce *t)
{
	void (*take)(void *) = t->arg & UNPLUG ? unplug : unbind;
	const bool late = t->arg & AMID, killed = t->arg & KILLED;
	pid_t pid, root = 0;
	int op;

	if (t->arg)
		need_firmware();
	plan = (struct plan){ DEVICE, .again = late };
	pid = begin(t);
	if (!late)
		root = start_taking(take);
	expect_calls(pid);
	if (late)
		root = start_taking(take);
	others_go_on(t, "before the device is closed");
	if (killed)
		expect_dies(pid);
	else
		tell(CLOSE);
	expect_ends(root, "root, who waits for the device's file,");
	if (!killed) {
		expect_closes(pid);
		tell(SERVE);
		within(LIMIT, !lives(pid));
		for_each_call(op, t->version)
			note("EEH operation %d: %ld%s", op, shared->result[op],
			     shared->returned[op] ? "" : " or nothing yet");
		expect_ends(pid, "an operation");
	}
	eeh_mend(t);
}

#define ALL	(APART | TWO)

static const struct test tests[] = {
	{ "root unbinds a device that EEH operations wait for", eeh_against, BOTH | ALL },
	{ "a client is killed while EEH waits for its device", eeh_against, BOTH | ALL, .arg = KILLED },
	{ "a client is killed while EEH waits for an unplug", eeh_against, BOTH | ALL,
	  .arg = KILLED | UNPLUG },
	{ "root unplugs a device amid EEH operations", eeh_against, V2 | ALL, .arg = UNPLUG | AMID },
	{ "nobody waits for arguments that never come, and the driver is not unloaded", nobody_waits,
	  BOTH | ALL, .arg = ARGUMENT },
	{ "nobody waits for CREATE to tell its answer", nobody_waits, V2 | ALL, .arg = ANSWER },
	{ "nobody waits for one of many pages that never comes", nobody_waits, BOTH | ALL,
	  .arg = MEMORY },
	{ "nobody waits for the lock of a page that is kept", nobody_waits, BOTH | ALL, .arg = PAGE },
	{ "one of many pages that comes late is the device's, or nobody's once all is closed",
	  comes_late, BOTH | ALL, .arg = MAP_PRIVATE },
	{ "one of many shared pages that comes late, in the same way", comes_late, BOTH | ALL,
	  .arg = MAP_SHARED },
	{ "one of many huge pages that comes late, in the same way", comes_late, BOTH | ALL,
	  .arg = MAP_PRIVATE | MAP_HUGETLB | MAP_HUGE_2MB | MAP_POPULATE },
};

TEST_MAIN("waits", tests)
