// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER and UNREGISTER, and the locked memory that is charged for them, for
 * tables and for ENABLE, in amounts or at limits that the fuzzer does not have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* What the container maps of it goes with it, and nothing else does. */
static void unregister_mapped(struct tce *t)
{
	uint8_t *mem = alloc(2 * CHUNK, CHUNK), *stays = alloc(CHUNK, CHUNK);
	uint64_t before;

	bounce_at(t, base(t) - CHUNK);
	register_mem(t->container, stays, CHUNK);
	map(t->container, stays, base(t), CHUNK, RW);
	before = locked();
	register_mem(t->container, mem, 2 * CHUNK);
	map(t->container, mem + CHUNK, base(t) + CHUNK, CHUNK, RW);
	map(t->container, mem, base(t) + 16 * MiB, 4096, RW);
	expect(can_write(t, base(t) + CHUNK, mem + CHUNK));
	expect(can_write(t, base(t) + 16 * MiB, mem));
	unregister_mem(t->container, mem, 2 * CHUNK);
	expect_eq(before, locked());
	expect(!can_write(t, base(t) + CHUNK, mem + CHUNK));
	expect(!can_write(t, base(t) + 16 * MiB, mem));
	expect(can_write(t, base(t), stays));
	expect_rc(-ENOENT, __unregister(t->container, mem, 2 * CHUNK));
	expect_rc(-EINVAL, __map(t->container, mem, base(t) + CHUNK, 4096, RW));
	/* Clients of old unmap it now. */
	unmap(t->container, base(t) + CHUNK, CHUNK);
}

/* A v1 container of the process maps a page whose hpa is the user address of that memory. */
static void unregister_at_hpa(struct tce *t)
{
	uint8_t *page, *mem;
	struct tce v1;

	if (geteuid())
		skip("needs root");
	close(t->group2);
	attach_at(&v1, 1, host.other);
	enable(v1.container);
	bounce_at(t, base(t) - CHUNK);
	/* unless something else of the program is there */
	do {
		page = alloc(host.page, host.page);
		mem = (uint8_t *)real_address(page);
	} while (mmap(mem, host.page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != mem);
	map(v1.container, page, base(&v1), 4096, VFIO_DMA_MAP_FLAG_READ);
	register_mem(t->container, mem, host.page);
	map(t->container, mem, base(t), 4096, RW);
	expect(can_write(t, base(t), mem));
	unregister_mem(t->container, mem, host.page);
	expect(!can_write(t, base(t), mem));
}

/* Limits. Root is above RLIMIT_MEMLOCK, so these tests give up root, with the group open. */

#define NOBODY	65534

static void limited(uint64_t more)
{
	set_memlock(locked() + more);
	if (!geteuid())
		expect(!setresuid(NOBODY, NOBODY, NOBODY));
}

/* A command may charge what it needs. A byte less allowed, and it is ENOMEM and costs nothing. */
static void expect_limit(struct tce *t, long (*call)(struct tce *t), uint64_t need)
{
	uint64_t before = locked();
	int i;

	limited(need - 1);
	/* twice, so that what adds up is seen; the log takes only ten messages in five seconds */
	for (i = 0; i < 2; i++)
		expect_rc(-ENOMEM, call(t));
	expect_eq(before, locked());
	limited(need);
	expect_rc(0, call(t));
	expect_eq(before + need, locked());
}

static uint8_t *limited_mem;		/* 128 KiB */

static long do_enable(struct tce *t)
{
	return __enable(t->container);
}

static long do_register(struct tce *t)
{
	return __register(t->container, limited_mem, 2 * CHUNK);
}

static long use_default(struct tce *t)
{
	return __map(t->container, limited_mem, base(t), CHUNK, RW) ?:
	       __unmap(t->container, base(t), CHUNK);
}

/* The window that is to be created, and where it is then */
static struct window {
	unsigned int shift;
	uint64_t size;
	unsigned int levels;
} window = { 12, 256 * MiB, 1 };
static uint64_t created;

static long do_create(struct tce *t)
{
	return __create(t->container, window.shift, window.size, window.levels, &created);
}

/* What it will say from now on, or -1 */
static int open_log(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	lseek(log, 0, SEEK_END);
	return log;
}

/* Has the kernel's log a line with that, of those that were not read yet? */
static bool log_says(int log, const char *text)
{
	char line[2048];
	ssize_t len;

	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		if (strstr(line, text))
			return true;
	}
	return false;
}

static void limits(struct tce *t)
{
	int log = open_log();

	limited_mem = alloc(2 * CHUNK, CHUNK);
	set_memlock(RLIM_INFINITY);
	if (t->version == 1) {
		expect_limit(t, do_enable, t->info.dma32_window_size);
	} else {
		expect_limit(t, do_register, 2 * CHUNK);
		/* Only root may read it. The kernel's own driver leaves the administrator without a word. */
		if (log >= 0)
			expect(log_says(log, "128 KiB of locked memory refused: "));
	}
	expect_limit(t, use_default, table_bytes(12, t->info.dma32_window_size, 1));
	if (t->version == 1)
		return;
	remove_window(t->container, t->info.dma32_window_start);
	expect_limit(t, do_create, table_bytes(12, 256 * MiB, 1));
}

/*
 * Windows as clients create them: with one level, as many as QEMU and DPDK ask for, and more. A
 * shift of 0 is that of the CPU's pages. scripts/harness/selfcheck compares table_bytes() with
 * "tcestat memlock".
 */
static const struct window windows[] = {
	{ 12, GiB, 1 }, { 12, GiB, 2 }, { 0, GiB, 1 }, { 0, 4 * GiB, 1 }, { 0, 4 * GiB, 2 },
	{ 0, 64 * GiB, 2 }, { 0, 64 * GiB, 3 }, { 0, 64 * GiB, 4 }, { 21, 1024 * GiB, 1 },
};

/* Return: can this host have the window? */
static bool choose(const struct tce *t, const struct window *of)
{
	window = *of;
	if (!window.shift)
		window.shift = __builtin_ctzl(host.page);
	return has_shift(t, window.shift) && window.levels <= t->info.ddw.levels &&
	       levels_fit(window.shift, window.size, window.levels);
}

static void each_window(struct tce *t)
{
	size_t i;

	set_memlock(RLIM_INFINITY);
	remove_window(t->container, t->info.dma32_window_start);
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		if (!choose(t, &windows[i]))
			continue;
		expect_limit(t, do_create, table_bytes(window.shift, window.size, window.levels));
		remove_window(t->container, created);
	}
}

static void common_limit(struct tce *t)
{
	struct tce second;
	uint64_t before;

	limited_mem = alloc(2 * CHUNK, CHUNK);
	close(t->group2);
	attach_at(&second, 2, host.other);
	set_memlock(RLIM_INFINITY);
	expect_rc(0, do_register(t));
	remove_window(t->container, t->info.dma32_window_start);
	remove_window(second.container, second.info.dma32_window_start);
	expect_rc(0, do_create(t));
	before = locked();
	expect_rc(0, do_register(&second));
	expect_eq(before, locked());
	expect_limit(&second, do_create, table_bytes(12, 256 * MiB, 1));
}

/*
 * A client in a control group with a limit of memory: what the driver allocates for it is charged
 * to the group. It is refused or killed, and leaves nothing, as after each test.
 */
#define CGROUP		"/tmp/cgroup"
#define READY		1
/* The blocks of so much take 128 MiB, and are allocated before anything is pinned. */
#define RESERVED	(32ULL << 40)
/* v1 has 32 bytes for each page that is pinned: 256 KiB with pages of 64K */
#define PINNED		(512 * MiB)

static volatile long *result;

/* It has opened all before it is in the control group, so that only the last command counts. */
static void needs_much(void *arg)
{
	struct tce *t = arg;
	uint64_t start, at;
	uint8_t *mem;
	long rc = 0;

	attach(t, t->version);
	start = t->info.dma32_window_start;
	if (t->version == 2) {
		mem = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
		expect(mem != MAP_FAILED);
	} else {
		mem = alloc(PINNED, MiB);
		enable(t->container);
		unmap(t->container, start, MiB);	/* creates the window */
	}
	*result = READY;
	while (*result == READY)
		usleep(1000);
	if (t->version == 2)
		rc = __register(t->container, mem, RESERVED);
	for (at = 0; t->version == 1 && !rc && at < PINNED; at += MiB)
		rc = __map(t->container, mem + at, start + at, MiB, RW);
	*result = rc;
}

/* Starts a client that sets *result to READY, and is let go on in a group with that limit. */
static pid_t spawn_in_group(struct tce *t, void (*run)(void *arg), const char *limit)
{
	char text[16];
	pid_t pid;

	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		skip("this kernel has no cgroup2");
	expect_rc(0, write_to(CGROUP "/cgroup.subtree_control", "+memory"));
	mkdir(CGROUP "/pod", 0755);
	expect_rc(0, write_to(CGROUP "/pod/memory.max", limit));
	result = alloc_shared(host.page);
	pid = spawn(true, run, t);
	while (*result != READY && lives(pid))
		usleep(1000);
	snprintf(text, sizeof(text), "%d", pid);
	expect_rc(0, write_to(CGROUP "/pod/cgroup.procs", text));
	*result = 0;
	return pid;
}

static void remove_group(void)
{
	rmdir(CGROUP "/pod");
	umount(CGROUP);
}

static void bounded(struct tce *t)
{
	int status;
	pid_t pid;

	if (t->version == 1 && host.page == 4096)
		skip("the CPU's pages are no larger than the window's");
	/* the kernel tells at length whom it killed */
	write_to("/proc/sys/kernel/printk", "1");
	pid = spawn_in_group(t, needs_much, t->version == 2 ? "64M" : "128K");
	expect(waitpid(pid, &status, 0) == pid);
	expect((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || *result == -ENOMEM);
	write_to("/proc/sys/kernel/printk", "5");
	remove_group();
}

/*
 * Tables are no control group's, and a client that may lock any amount of memory is bounded by a
 * share of the machine's: an eighth, to which comes what else is allocated meanwhile.
 */
#define MEMINFO		"/proc/meminfo"
#define BESIDE		(64 * MiB)

static uint64_t free_at_first;

static void expect_an_eighth(const char *of)
{
	uint64_t share = read_number(MEMINFO, "MemTotal:") * KiB / 8, now = mem_free();
	uint64_t taken = free_at_first > now ? free_at_first - now : 0;

	note("%s: %llu MiB of %llu", of, (unsigned long long)(taken / MiB),
	     (unsigned long long)(share / MiB));
	expect(taken < share + BESIDE);
}

/* The largest window that can be had. Return: is there one? */
static bool create_largest(struct tce *t, unsigned int levels, uint64_t *size, uint64_t *start)
{
	for (*size = 1ULL << 46; *size >= GiB; *size /= 2)
		if (!__create(t->container, 12, *size, levels, start))
			return true;
	return false;
}

/* Has MAP make one leaf of a window's table after the other, until it is refused. */
static void fill_with_leaves(struct tce *t, unsigned int levels, void *mem)
{
	uint64_t start, size, leaf, at;
	long rc = 0;

	if (levels > t->info.ddw.levels || !create_largest(t, levels, &size, &start))
		return;
	leaf = 1ULL << (12 + (__builtin_ctzll(size) - 12 + levels - 1) / levels);
	for (at = 0; !rc && at < size; at += leaf)
		rc = __map(t->container, mem, start + at, host.page, RW);
	note("%u levels: %llu of %llu leaves", levels, (unsigned long long)(at / leaf),
	     (unsigned long long)(size / leaf));
	expect_rc(-ENOMEM, rc);
}

/* With one container after the other, which stay. */
static void takes_tables(void *arg)
{
	uint64_t size, start;
	struct tce clients[2];
	int n = host.other < 0 ? 1 : 2, i;
	uint8_t *mem;

	(void)arg;
	mem = alloc(CHUNK, CHUNK);
	for (i = 0; i < n; i++) {
		attach_at(&clients[i], 2, i ? host.other : 0);
		register_mem(clients[i].container, mem, CHUNK);
		remove_window(clients[i].container, clients[i].info.dma32_window_start);
	}
	*result = READY;
	while (*result == READY)
		usleep(1000);
	free_at_first = mem_free();
	for (i = 0; i < n; i++)
		while (create_largest(&clients[i], 1, &size, &start))
			note("a table for %llu GiB", (unsigned long long)(size / GiB));
	expect_an_eighth("tables of one level");
	for (i = 0; i < n; i++) {
		detach(&clients[i]);
		attach_at(&clients[i], 2, i ? host.other : 0);
		register_mem(clients[i].container, mem, CHUNK);
		remove_window(clients[i].container, clients[i].info.dma32_window_start);
		fill_with_leaves(&clients[i], 3, mem);
		fill_with_leaves(&clients[i], 2, mem);
	}
	expect_an_eighth("leaves");
	/* it is given back */
	for (i = 0; i < n; i++) {
		detach(&clients[i]);
		attach_at(&clients[i], 2, i ? host.other : 0);
		remove_window(clients[i].container, clients[i].info.dma32_window_start);
		create(clients[i].container, 12, 4 * GiB, 1, &start);
	}
}

/* Half of what is there, while nobody has much */
static void has_memory(void *arg)
{
	size_t size = *(uint64_t *)arg, at;
	volatile uint8_t *mem = alloc(size, host.page);

	for (at = 0; at < size; at += host.page)
		mem[at] = 1;
	*result = READY;
	for (;;)
		pause();
}

static void tables(struct tce *t)
{
	int log = open_log(), again = open_log();
	uint64_t half = read_number(MEMINFO, "MemAvailable:") * KiB / 2;
	pid_t other;

	result = alloc_shared(host.page);
	other = spawn(false, has_memory, &half);
	expect(within(120, *result == READY));
	expect(ends(spawn_in_group(t, takes_tables, "64M"), 200));
	expect(lives(other));
	kill_child(other);
	remove_group();
	expect(log_says(log, "KiB for a table refused: "));
	expect(!log_says(again, "invoked oom-killer"));
}

/* Long work, which lets others run. */

#define PIECE	(64 * MiB)

static void wants_the_cpu(void *unused __attribute__((unused)))
{
	for (;;)
		usleep(200);
}

/* From now on this is one of two processes on a CPU, and the other one wants it again and again. */
static void share_cpu(void)
{
	stay_on(0);
	spawn(false, wants_the_cpu, NULL);
}

/* How often this process had to give it up so far */
static long turns_of_others(void)
{
	struct rusage usage;

	expect(!getrusage(RUSAGE_SELF, &usage));
	return usage.ru_nivcsw;
}

/* Of three turns of another process in one call, two may be at the ends of it. */
#define ENOUGH	3

/*
 * On a fast machine a call takes fewer ticks. There it is enough if five calls more had two turns
 * than had not: without one inside, two come of every fourth call at most.
 */
static void unmap_yields(struct tce *t)
{
	uint64_t start = t->info.dma32_window_start, at;
	uint64_t end = start + t->info.dma32_window_size;
	uint8_t *mem = alloc(PIECE, CHUNK);
	int calls, ahead = 0;
	long turns = 0;

	share_cpu();
	allow(t, mem, PIECE);
	for (calls = 0; calls < 50 && turns < ENOUGH && ahead < 5; calls++) {
		for (at = start; at < end; at += PIECE)
			map(t->container, mem, at, PIECE, RW);
		turns = turns_of_others();
		unmap(t->container, start, end - start);
		turns = turns_of_others() - turns;
		ahead += turns == 2 ? 1 : -1;
	}
	note("%d calls, %ld turns in the last, %d more had two than had not", calls, turns, ahead);
	expect(turns >= ENOUGH || ahead == 5);
}

/*
 * Where the CPU's pages are larger than the window's, each entry of a MAP of its own maps a
 * whole page. There are more entries than ENABLE has charged pages, so a page is pinned and
 * charged once.
 */
static void v1_once(struct tce *t)
{
	uint64_t from = t->info.dma32_window_start, i, charged, before = locked();
	const uint64_t room = t->info.dma32_window_size / host.page;
	uint8_t *mem = alloc(2 * host.page, host.page);
	long pins;

	if (host.page == 4096)
		skip("the CPU's pages are no larger than the window's");
	enable(t->container);
	t->enabled = true;
	expect_eq(before + t->info.dma32_window_size, locked());
	/* The default window comes with it. */
	unmap(t->container, from, CHUNK);
	limited(0);
	pins = pinned();
	charged = locked();
	for (i = 0; i < room + room / 8; i++)
		map(t->container, mem, from + i * 4096, 4096, RW);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	expect_eq(charged, locked());
	/* It stays as long as one maps it. */
	unmap(t->container, from, (i - 1) * 4096);
	expect_rc(pins + 1, pinned_settled(pins + 1));
	map(t->container, mem + host.page, from, 4096, RW);
	expect_rc(pins + 2, pinned_settled(pins + 2));
	unmap(t->container, from, t->info.dma32_window_size);
	expect_rc(pins, pinned_settled(pins));
	/* All that was charged is for use: whole pages fill the window. */
	map(t->container, mem, from, host.page, RW);
	disable(t->container);
	expect_rc(pins, pinned_settled(pins));
	detach(t);
	expect_eq(before, locked());
}

static const struct test tests[] = {
	{ "UNREGISTER of mapped memory unmaps it", unregister_mapped, V2 | DMA },
	{ "UNREGISTER of memory at the hpa of a v1 page unmaps it", unregister_at_hpa, V2 | TWO | DMA },
	{ "each command may lock what it needs, and with less is ENOMEM and costs nothing", limits, BOTH },
	{ "a control group's limit bounds what is allocated for a client", bounded, BOTH | APART },
	{ "tables are a share of memory, whatever a client may lock", tables, V2 | APART },
	{ "a window may lock what its table needs, and with less is ENOMEM", each_window, V2 },
	{ "containers of a process have one limit, and charge common memory once",
	  common_limit, V2 | TWO },
	{ "UNMAP lets others run", unmap_yields, BOTH },
	{ "a page that is mapped over and over is pinned once", v1_once, V1 },
};

TEST_MAIN("memory", tests)
