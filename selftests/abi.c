// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of the API: which command exists where, which structures, flags and
 * pointers it takes, who may call it, and with which errno it refuses.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define INFO_V1_SIZE	16	/* before ddw was added */
#define INFO_SIZE	32
#define BAD_POINTER	((void *)8)

/* Only type and number: the direction bits of _IO() differ by architecture. */
#define expect_number(nr, cmd)	expect_eq(';' << 8 | (nr), (cmd) & 0xffff)

static void sizes(struct tce *t __attribute__((unused)))
{
	expect_eq(INFO_SIZE, sizeof(struct vfio_iommu_spapr_tce_info));
	expect_eq(24, sizeof(struct vfio_iommu_spapr_register_memory));
	expect_eq(40, sizeof(struct vfio_iommu_spapr_tce_create));
	expect_eq(16, sizeof(struct vfio_iommu_spapr_tce_remove));
	expect_eq(40, sizeof(struct vfio_eeh_pe_op));
	expect_eq(32, sizeof(struct vfio_iommu_type1_dma_map));
	expect_eq(24, sizeof(struct vfio_iommu_type1_dma_unmap));
	expect_number(112, VFIO_IOMMU_SPAPR_TCE_GET_INFO);
	expect_number(113, VFIO_IOMMU_MAP_DMA);
	expect_number(114, VFIO_IOMMU_UNMAP_DMA);
	expect_number(115, VFIO_IOMMU_ENABLE);
	expect_number(116, VFIO_IOMMU_DISABLE);
	expect_number(117, VFIO_IOMMU_SPAPR_REGISTER_MEMORY);
	expect_number(118, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY);
	expect_number(119, VFIO_IOMMU_SPAPR_TCE_CREATE);
	expect_number(120, VFIO_IOMMU_SPAPR_TCE_REMOVE);
	expect_number(121, VFIO_EEH_PE_OP);
}

static void expect_extensions(int container)
{
	long eeh = __check_extension(container, VFIO_EEH);

	/* DPDK counts an extension only if the answer is exactly 1. */
	expect_rc(1, __check_extension(container, V1_IOMMU));
	expect_rc(1, __check_extension(container, V2_IOMMU));
	expect(eeh == 0 || eeh == 1);
	expect_rc(0, __check_extension(container, VFIO_TYPE1_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_TYPE1v2_IOMMU));
	expect_rc(0, __check_extension(container, VFIO_DMA_CC_IOMMU));
	expect_rc(0, __check_extension(container, 0));
	expect_rc(0, __check_extension(container, 1000));
	expect_rc(0, __check_extension(container, -1));
}

static void extensions_unset(struct tce *t __attribute__((unused)))
{
	expect_extensions(open_container());
}

static void extensions_set(struct tce *t)
{
	expect_extensions(t->container);
}

static void no_group(struct tce *t __attribute__((unused)))
{
	struct vfio_iommu_spapr_tce_info info;
	int c = open_container();

	expect_rc(-EINVAL, __set_iommu(c, V1_IOMMU));
	expect_rc(-EINVAL, __set_iommu(c, V2_IOMMU));
	expect_rc(-EINVAL, __get_info(c, &info));
	expect_rc(-EINVAL, __enable(c));
}

static void set_iommu_fallback(struct tce *t __attribute__((unused)))
{
	int c = open_container(), g = open_group(0);

	set_container(g, c);
	/* QEMU goes on with the next type after any errno. */
	expect_rc(-ENODEV, __set_iommu(c, VFIO_TYPE1v2_IOMMU));
	expect_rc(-ENODEV, __set_iommu(c, 1000));
	/* Known as an extension, and still no type. */
	expect(__set_iommu(c, VFIO_EEH) < 0);
	set_iommu(c, V1_IOMMU);
	expect_rc(-EINVAL, __set_iommu(c, V1_IOMMU));
	expect_rc(-EINVAL, __set_iommu(c, V2_IOMMU));
	expect_extensions(c);
}

static void cycles(struct tce *t __attribute__((unused)))
{
	struct vfio_iommu_spapr_tce_info info;
	uint64_t before = locked();
	int c = open_container(), g, i;
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);

	for (i = 0; i < 12; i++) {
		bool v2 = i % 2;

		g = open_group(0);
		set_container(g, c);
		set_iommu(c, v2 ? V2_IOMMU : V1_IOMMU);
		get_info(c, &info);
		/* On and off leave something mapped, registered, enabled. */
		if (i % 4 < 2) {
			if (v2)
				register_mem(c, mem, 64 * KiB);
			else
				enable(c);
			map(c, mem, info.dma32_window_start, 64 * KiB, RW);
		}
		/* Closing the group detaches it as well. */
		if (i % 3)
			unset_container(g);
		close(g);
		expect_eq(before, locked());
		expect_rc(-EINVAL, __get_info(c, &info));
	}
}

static void info_short(struct tce *t)
{
	const unsigned long cmd = VFIO_IOMMU_SPAPR_TCE_GET_INFO;
	struct {
		struct vfio_iommu_spapr_tce_info info;
		uint8_t guard[32];
	} arg;
	struct vfio_iommu_spapr_tce_info *info = &arg.info;
	uint8_t ff[sizeof(arg)];
	uint32_t argsz;

	memset(ff, 0xff, sizeof(ff));
	for (argsz = 0; argsz <= INFO_SIZE + 8; argsz++) {
		memset(&arg, 0xff, sizeof(arg));
		info->argsz = argsz;
		if (argsz < INFO_V1_SIZE) {
			expect_rc(-EINVAL, __raw(t->container, cmd, &arg));
			continue;
		}
		expect_rc(0, __raw(t->container, cmd, &arg));
		expect_eq(t->info.dma32_window_start, info->dma32_window_start);
		expect_eq(t->info.dma32_window_size, info->dma32_window_size);
		/* Nothing beyond what the caller said it has room for. */
		if (argsz < INFO_SIZE)
			expect(!memcmp(&info->ddw, ff, sizeof(info->ddw)));
		else
			expect(!memcmp(&info->ddw, &t->info.ddw,
				       sizeof(info->ddw)));
		expect(!memcmp(arg.guard, ff, sizeof(arg.guard)));
	}
}

static void info_v1(struct tce *t)
{
	expect_eq(0, t->info.flags);
	expect(t->info.dma32_window_size);
	expect_eq(0, t->info.ddw.pgsizes);
	expect_eq(0, t->info.ddw.max_dynamic_windows_supported);
	expect_eq(0, t->info.ddw.levels);
}

static void info_v2(struct tce *t)
{
	expect_eq(VFIO_IOMMU_SPAPR_INFO_DDW, t->info.flags);
	expect(t->info.dma32_window_size);
	expect(has_shift(t, 12));
	expect(t->info.ddw.max_dynamic_windows_supported >= 1);
	expect(t->info.ddw.levels >= 1);
	note("window %#x..%#x, page sizes %#llx, %u windows, %u levels",
	     t->info.dma32_window_start,
	     t->info.dma32_window_start + t->info.dma32_window_size - 1,
	     t->info.ddw.pgsizes, t->info.ddw.max_dynamic_windows_supported,
	     t->info.ddw.levels);
}

static void unknown_commands(struct tce *t)
{
	uint8_t arg[64] = { sizeof(arg) };
	int nr;

	for (nr = 22; nr < 32; nr++)
		expect_rc(-ENOTTY, __raw(t->container,
					 _IO(VFIO_TYPE, VFIO_BASE + nr), arg));
	/* The number of GET_INFO with another type. */
	expect_rc(-ENOTTY, __raw(t->container, _IO('V', VFIO_BASE + 12), arg));
}

static void v1_has_no_v2(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	uint64_t start;

	expect_rc(-ENOTTY, __register(t->container, mem, host.page));
	expect_rc(-ENOTTY, __unregister(t->container, mem, host.page));
	expect_rc(-ENOTTY, __create(t->container, 12, GiB, 1, &start));
	expect_rc(-ENOTTY, __remove(t->container, 0));
	enable(t->container);
	expect_rc(-ENOTTY, __register(t->container, mem, host.page));
	expect_rc(-ENOTTY, __remove(t->container, 0));
}

static void v2_has_no_v1(struct tce *t)
{
	uint64_t before = locked();

	expect_rc(-ENOTTY, __enable(t->container));
	expect_rc(-ENOTTY, __disable(t->container));
	expect_eq(before, locked());
}

static void not_enabled(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	uint64_t before = locked();

	expect_rc(-EPERM, __map(t->container, mem, 0, host.page, RW));
	expect_rc(-EPERM, __unmap(t->container, 0, host.page));
	expect_eq(before, locked());
}

static void unregister_first(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);

	expect_rc(-EPERM, __unregister(t->container, mem, host.page));
}

/*
 * Calls @cmd with each argsz below @size, then with each flag that is not in
 * @flags: both must be refused. @arg is valid otherwise.
 */
static void refuse_argsz_and_flags(int container, unsigned long cmd, void *arg,
				   uint32_t size, uint32_t flags)
{
	uint32_t *argsz = arg, *flag = argsz + 1, good = *flag;
	int bit;

	for (*argsz = 0; *argsz < size; (*argsz)++)
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	for (bit = 0; bit < 32; bit++) {
		if (flags & (1u << bit))
			continue;
		*flag = good | 1u << bit;
		expect_rc(-EINVAL, __raw(container, cmd, arg));
	}
	*flag = good;
	expect_rc(-EFAULT, __raw(container, cmd, NULL));
	expect_rc(-EFAULT, __raw(container, cmd, BAD_POINTER));
}

static void map_arguments(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_type1_dma_map arg = {
		.flags = RW,
		.vaddr = (uintptr_t)mem,
		.iova = t->info.dma32_window_start,
		.size = 64 * KiB,
	};

	allow(t, mem, 64 * KiB);
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_MAP_DMA, &arg,
			       sizeof(arg), RW);
	/* A mapping with no permission at all is not a mapping. */
	arg.flags = 0;
	expect_rc(-EINVAL, __raw(t->container, VFIO_IOMMU_MAP_DMA, &arg));
	arg.flags = RW;
	/* A newer, longer structure is none of our business. */
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_MAP_DMA, &arg));
}

static void unmap_arguments(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_type1_dma_unmap arg = {
		.iova = t->info.dma32_window_start,
		.size = 64 * KiB,
	};

	allow(t, mem, 64 * KiB);
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_UNMAP_DMA, &arg,
			       sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_UNMAP_DMA, &arg));
}

static void register_arguments(struct tce *t)
{
	uint8_t *mem = alloc(host.page, host.page);
	struct vfio_iommu_spapr_register_memory arg = {
		.vaddr = (uintptr_t)mem,
		.size = host.page,
	};
	uint64_t before = locked();

	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
			       &arg, sizeof(arg), 0);
	expect_eq(before, locked());
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
			   &arg));
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
			       &arg, sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
			   &arg));
	expect_eq(before, locked());
}

static void create_arguments(struct tce *t)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.page_shift = 12,
		.window_size = 256 * MiB,
		.levels = 1,
	};
	uint64_t before;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg,
			       sizeof(arg), 0);
	expect_eq(before, locked());
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg));
}

static void remove_arguments(struct tce *t)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.start_addr = t->info.dma32_window_start,
	};

	refuse_argsz_and_flags(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg,
			       sizeof(arg), 0);
	arg.argsz = sizeof(arg) + 100;
	expect_rc(0, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg));
	expect_rc(-EINVAL, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE,
				 &arg));
}

static void info_pointer(struct tce *t)
{
	uint8_t *ro = mmap(NULL, host.page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(uint32_t *)ro = INFO_SIZE;
	mprotect(ro, host.page, PROT_READ);
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
				 NULL));
	expect_rc(-EFAULT, __raw(t->container, VFIO_IOMMU_SPAPR_TCE_GET_INFO,
				 ro));
}

/*
 * Windows, enabling and registered memory belong to the process that bound the
 * container to its address space. Another one that inherited the fd is refused
 * everything but the question what the container can do.
 */
static void from_other_process(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	struct vfio_iommu_spapr_tce_info info;
	uint64_t start, before;
	int c = t->container, status;
	pid_t pid;

	allow(t, mem, 64 * KiB);
	map(c, mem, t->info.dma32_window_start, 64 * KiB, RW);
	before = locked();

	pid = fork();
	if (!pid) {
		expect_rc(1, __check_extension(c, V2_IOMMU));
		expect_rc(-EPERM, __get_info(c, &info));
		expect_rc(-EPERM, __map(c, mem, 0, 64 * KiB, RW));
		expect_rc(-EPERM, __unmap(c, t->info.dma32_window_start,
					  64 * KiB));
		if (t->version == 1) {
			expect_rc(-EPERM, __enable(c));
			expect_rc(-EPERM, __disable(c));
		} else {
			expect_rc(-EPERM, __register(c, mem, 64 * KiB));
			expect_rc(-EPERM, __unregister(c, mem, 64 * KiB));
			expect_rc(-EPERM, __create(c, 12, GiB, 1, &start));
			expect_rc(-EPERM, __remove(c, 0));
		}
		expect_rc(-EPERM, __eeh(c, VFIO_EEH_PE_GET_STATE));
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	expect_eq(before, locked());
	unmap(c, t->info.dma32_window_start, 64 * KiB);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	expect(recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	expect(sendmsg(socket, &msg, 0) == 1);
}

/*
 * A process that was sent the container can't have the device reach memory of its
 * own, which is at the same address, nor take the owner's away from it.
 */
static void over_a_socket(struct tce *t)
{
	uint64_t at = t->info.dma32_window_start + 32 * MiB;
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	int pair[2], status, c;
	pid_t pid;

	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	allow(t, mem, 64 * KiB);
	bounce_at(t, at - 64 * KiB);
	map(t->container, mem, at, 64 * KiB, RW);

	pid = fork();
	if (!pid) {
		close(t->container);
		c = receive_fd(pair[1]);
		memset(mem, 0x5a, 64 * KiB);
		if (t->version == 2)
			expect_rc(-EPERM, __register(c, mem, 64 * KiB));
		else
			expect_rc(-EPERM, __enable(c));
		expect_rc(-EPERM, __map(c, mem, at, 64 * KiB, RW));
		expect_rc(-EPERM, __map(c, mem, at + MiB, 64 * KiB, RW));
		expect_rc(-EPERM, __unmap(c, at, 64 * KiB));
		_exit(0);
	}
	send_fd(pair[0], t->container);
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	expect(can_write(t, at, mem));
	expect(can_read(t, at, mem));
	expect(!can_read(t, at + MiB, mem));
}

/* How many messages of the driver are in the kernel's log, from here on. */
static int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static unsigned int kmsg_count(int fd)
{
	unsigned int count = 0;
	char line[2048];
	ssize_t len;

	while ((len = read(fd, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		if (strstr(line, "tce"))
			count++;
	}
	return count;
}

/* A client may be refused as often as he likes; nobody has to read of it. */
static void quiet(struct tce *t)
{
	uint8_t *mem = alloc(64 * KiB, 64 * KiB);
	uint64_t at = t->info.dma32_window_start, start;
	int c = t->container, log, i;
	unsigned int count;

	if (geteuid())
		skip("the log is for root to read");
	log = kmsg_open();
	if (log < 0)
		skip("this kernel has no /dev/kmsg");
	allow(t, mem, 64 * KiB);
	for (i = 0; i < 200; i++) {
		expect(__map(c, NULL, at, 64 * KiB, RW) < 0);
		expect(__map(c, mem, at + 1, 64 * KiB, RW) < 0);
		expect(__map(c, mem, -4096ULL, 64 * KiB, RW) < 0);
		expect(__unmap(c, -4096ULL, 4096) < 0);
		expect(__set_container(t->group, c) < 0);
		expect(__set_iommu(c, 99) < 0);
		if (t->version == 2) {
			expect(__register(c, NULL, -1) < 0);
			expect(__register(c, mem, 64 * KiB) < 0);
			expect(__unregister(c, mem, 4096) < 0);
			expect(__create(c, 13, GiB, 1, &start) < 0);
			expect(__create(c, 12, GiB, 100, &start) < 0);
			expect(__remove(c, 12345) < 0);
		} else {
			expect(__enable(c) < 0);
		}
	}
	count = kmsg_count(log);
	note("%u messages", count);
	expect(count <= 10);
}

/*
 * The platform tells of each window that comes or goes, as often as it may. We don't.
 */
static void windows_told(struct tce *t)
{
	unsigned int told = 0, ours = 0;
	struct timespec begin, end;
	const int cycles = 100;
	char line[2048];
	uint64_t start;
	ssize_t len;
	double took;
	int log, i;

	if (geteuid())
		skip("the log is for root to read");
	log = kmsg_open();
	if (log < 0)
		skip("this kernel has no /dev/kmsg");
	remove_window(t->container, t->info.dma32_window_start);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < cycles; i++) {
		create(t->container, 12, 256 * MiB, 1, &start);
		remove_window(t->container, start);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9;
	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		told++;
		if (strstr(line, ";vfio_iommu_spapr_tce:"))
			ours++;
	}
	/* Else some were lost, and this is no count. */
	expect(len < 0 && errno == EAGAIN);
	note("%.1f lines a cycle from the platform, %.0f cycles a second",
	     (double)(told - ours) / cycles, cycles / took);
	expect_eq(0, ours);
}

/* Before anything is bound a container may be prepared here and used there. */
static void handed_over(struct tce *t)
{
	struct vfio_iommu_spapr_tce_info info;
	int c = t->container, status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		uint8_t *mem = alloc(64 * KiB, 64 * KiB);
		struct tce child = *t;

		get_info(c, &info);
		allow(&child, mem, 64 * KiB);
		map(c, mem, t->info.dma32_window_start, 64 * KiB, RW);
		unmap(c, t->info.dma32_window_start, 64 * KiB);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid);
	if (status)
		fail(__FILE__, __LINE__, "the other process failed");
	/* Now it is bound, though its owner is gone. */
	expect_rc(-EPERM, __get_info(c, &info));
}

static const struct test tests[] = {
	{ "structures and numbers are those of the documented API", sizes,
	  BARE },
	{ "CHECK_EXTENSION answers before SET_IOMMU", extensions_unset, BARE },
	{ "CHECK_EXTENSION answers the same after SET_IOMMU", extensions_set,
	  BOTH },
	{ "a container without a group takes no command", no_group, BARE },
	{ "SET_IOMMU works after a refused type, and once", set_iommu_fallback,
	  BARE },
	{ "one container fd survives attach and SET_IOMMU cycles", cycles,
	  BARE },
	{ "GET_INFO takes every argsz from 16 and writes no more than that",
	  info_short, BOTH },
	{ "GET_INFO has no dynamic windows", info_v1, V1 },
	{ "GET_INFO tells the dynamic windows", info_v2, V2 },
	{ "GET_INFO refuses bad pointers", info_pointer, BOTH },
	{ "unknown commands are ENOTTY", unknown_commands, BOTH },
	{ "commands of v2 are ENOTTY", v1_has_no_v2, V1 },
	{ "commands of v1 are ENOTTY", v2_has_no_v1, V2 },
	{ "MAP and UNMAP are EPERM before memory is allowed", not_enabled,
	  BOTH },
	{ "UNREGISTER before the first REGISTER is EPERM", unregister_first,
	  V2 },
	{ "MAP refuses bad argsz, flags and pointers", map_arguments, BOTH },
	{ "UNMAP refuses bad argsz, flags and pointers", unmap_arguments,
	  BOTH },
	{ "REGISTER and UNREGISTER refuse bad argsz, flags and pointers",
	  register_arguments, V2 },
	{ "CREATE refuses bad argsz, flags and pointers", create_arguments,
	  V2 },
	{ "REMOVE refuses bad argsz, flags and pointers", remove_arguments,
	  V2 },
	{ "another process is refused with EPERM and changes nothing",
	  from_other_process, BOTH },
	{ "a container passed over a socket obeys its owner only", over_a_socket,
	  BOTH | DMA },
	{ "a client who is refused does not fill the log", quiet, BOTH },
	{ "windows that come and go are not told to the log by us",
	  windows_told, V2 },
	{ "a container that is not bound yet can be handed to another process",
	  handed_over, BOTH },
};

TEST_MAIN("abi", tests)
