// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: RLIMIT_MEMLOCK, and the memory of a control group.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"

/*
 * Limits. Root is above them, so these rows give up root, with the group open.
 */
void limited(uint64_t more)
{
	set_memlock(locked() + more);
	drop_root();
}

static void limit_register(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK);
	uint64_t before = locked();

	limited(CHUNK + host.page - 1);
	expect_rc(-ENOMEM, __register(t->container, mem, 2 * CHUNK));
	expect_rc(-ENOMEM, __register(t->container, mem, CHUNK + host.page));
	expect_eq(before, locked());
	register_mem(t->container, mem, CHUNK);
	expect_rc(-ENOMEM, __register(t->container, mem + CHUNK, host.page));
	unregister_mem(t->container, mem, CHUNK);
	expect_eq(before, locked());
	register_mem(t->container, mem + CHUNK, CHUNK);
}

static void limit_register_root(struct tce *t)
{
	uint8_t *mem = alloc(4 * CHUNK, CHUNK);

	if (geteuid())
		skip("needs CAP_IPC_LOCK");
	set_memlock(0);
	register_mem(t->container, mem, 4 * CHUNK);
	map(t->container, mem, base(t), CHUNK, RW);
	unmap(t->container, base(t), CHUNK);
	unregister_mem(t->container, mem, 4 * CHUNK);
}

static void limit_create(struct tce *t)
{
	uint64_t need = table_bytes(12, 256 * MiB, 1), before, start;
	int i;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	limited(need - host.page);
	for (i = 0; i < 10; i++)
		expect_rc(-ENOMEM, __create(t->container, 12, 256 * MiB, 1,
					    &start));
	expect_eq(before, locked());
	/* Half the size fits. */
	create(t->container, 12, 128 * MiB, 1, &start);
	expect_eq(t->info.dma32_window_start, start);
	remove_window(t->container, start);
	expect_eq(before, locked());
}

static void limit_create_enough(struct tce *t)
{
	uint64_t need = table_bytes(12, 256 * MiB, 1), before, start;

	remove_window(t->container, t->info.dma32_window_start);
	before = locked();
	/* What libvirt reckons with must be enough. */
	limited(need);
	create(t->container, 12, 256 * MiB, 1, &start);
	note("a window of 256 MiB is charged %llu KiB",
	     (unsigned long long)(locked() - before) / 1024);
	expect(locked() - before <= need);
	remove_window(t->container, start);
	expect_eq(before, locked());
}

static void limit_default(struct tce *t)
{
	uint64_t need = table_bytes(12, t->info.dma32_window_size, 1), before;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	int i;

	allow(t, mem, CHUNK);
	before = locked();
	limited(need - host.page);
	for (i = 0; i < 5; i++) {
		expect_rc(-ENOMEM, __map(t->container, mem, base(t), CHUNK, RW));
		expect_rc(-ENOMEM, __unmap(t->container, base(t), CHUNK));
	}
	expect_eq(before, locked());
	/* It is still there to be removed, for nothing. */
	if (t->version == 2) {
		remove_window(t->container, t->info.dma32_window_start);
		expect_eq(before, locked());
	}
}

static void limit_enable(struct tce *t)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before = locked();

	limited(t->info.dma32_window_size - host.page);
	expect_rc(-ENOMEM, __enable(t->container));
	expect_rc(-ENOMEM, __enable(t->container));
	expect_eq(before, locked());
	expect_rc(-EPERM, __map(t->container, mem, base(t), CHUNK, RW));
}

static void limit_enable_enough(struct tce *t)
{
	uint64_t before = locked();

	limited(t->info.dma32_window_size);
	enable(t->container);
	expect_eq(before + t->info.dma32_window_size, locked());
	disable(t->container);
	expect_eq(before, locked());
}

/* No sum of charges wraps, no array of pages is too large to be refused. */
static void limit_overflow(struct tce *t)
{
	static const uint64_t sizes[] = {
		1ULL << 46, 1ULL << 52, 1ULL << 60, 1ULL << 62, 1ULL << 63,
		-2 * CHUNK,
	};
	uint8_t *mem = alloc(CHUNK, CHUNK);
	uint64_t before, start;
	long pins = pinned();
	size_t i;

	remove_window(t->container, t->info.dma32_window_start);
	register_mem(t->container, mem, CHUNK);
	before = locked();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		long rc = __register(t->container, mem + CHUNK, sizes[i]);

		expect(rc == -ENOMEM || rc == -EFAULT || rc == -EINVAL);
		expect_eq(before, locked());
	}
	expect(__create(t->container, 12, 1ULL << 62, 1, &start) < 0);
	expect(__create(t->container, 12, 1ULL << 63, 5, &start) < 0);
	expect_eq(before, locked());
	unregister_mem(t->container, mem, CHUNK);
	expect_eq(before - CHUNK, locked());
	expect_rc(pins, pinned_settled(pins));
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

#define CGROUP	"/tmp/cgroup"

static void cgroup_limit(struct tce *t)
{
	int version = t->version, status, i;
	long pins;
	pid_t pid;

	if (geteuid())
		skip("needs root");
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		skip("this kernel has no cgroup2");
	if (!write_file(CGROUP "/cgroup.subtree_control", "+memory")) {
		umount(CGROUP);
		skip("this kernel has no limit of memory");
	}
	detach(t);
	pins = pinned();
	mkdir(CGROUP "/small", 0755);
	expect(write_file(CGROUP "/small/memory.max", "33554432"));
	/* The kernel tells at length whom it killed. */
	write_file("/proc/sys/kernel/printk", "1");
	for (i = 0; i < 4; i++) {
		pid = fork();
		if (!pid) {
			const size_t size = 128 * MiB;
			uint8_t *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			long rc;

			expect(write_file(CGROUP "/small/cgroup.procs", "0"));
			attach(t, version);
			rc = __allow(t, mem, size);
			if (!rc)
				rc = __map(t->container, mem, base(t), size, RW);
			_exit(rc ? 0 : 1);
		}
		expect(waitpid(pid, &status, 0) == pid);
		/* Refused, or the choice of the kernel's OOM killer. */
		expect(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
		       !WEXITSTATUS(status));
		expect_rc(pins, pinned_settled(pins));
	}
	write_file("/proc/sys/kernel/printk", "5");
	rmdir(CGROUP "/small");
	umount(CGROUP);
	attach(t, version);
}

static const struct test rows[] = {
	{ "REGISTER over RLIMIT_MEMLOCK is ENOMEM", limit_register, V2 },
	{ "CAP_IPC_LOCK is above RLIMIT_MEMLOCK", limit_register_root, V2 },
	{ "CREATE over RLIMIT_MEMLOCK is ENOMEM and keeps nothing",
	  limit_create, V2 },
	{ "CREATE is charged no more than libvirt reckons with",
	  limit_create_enough, V2 },
	{ "the first MAP over RLIMIT_MEMLOCK is ENOMEM and keeps nothing",
	  limit_default, BOTH },
	{ "ENABLE over RLIMIT_MEMLOCK is ENOMEM and does not enable",
	  limit_enable, V1 },
	{ "ENABLE within RLIMIT_MEMLOCK works", limit_enable_enough, V1 },
	{ "a charge that would overflow is refused", limit_overflow, V2 },
	{ "less memory in the control group than is asked for", cgroup_limit,
	  BOTH },
};

const struct rows limit_rows = ROWS(rows);
