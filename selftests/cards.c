// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients as those of AI cards in partitions: each card has a container of its own, one
 * large window, and as much memory registered and mapped as the window is for. They are
 * not root, and end in all ways. The figures are those of a machine with cards, scaled down,
 * and parameters:
 *
 *	CARD_ENTRIES	of a window (32768; 2097152 with cards)
 *	CARD_MIB	registered and mapped for each (32)
 *
 * They end three times in each way, TCE_TIMES as often.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define LIMIT	60
#define CGROUP	"/tmp/cards"

/* How a client uses its card. */
struct shape {
	unsigned int shift;	/* log2 of the window's pages, 0 for that of the CPU's */
	uint64_t piece;		/* what one REGISTER takes, 0 for all */
	bool remove;		/* the default window goes first */
};

static const struct shape shapes[] = {
	{ 0, 0, false }, { 0, 4 * MiB, true }, { 0, 16 * MiB, false },
	{ 21, 0, true }, { 21, 4 * MiB, false },
};

static uint64_t card_bytes(void)
{
	return knob("CARD_MIB", 32) * MiB;
}

static unsigned int card_shift(const struct shape *s)
{
	return s->shift ? s->shift : (unsigned int)__builtin_ctzl(host.page);
}

static uint64_t window_bytes(const struct shape *s)
{
	return knob("CARD_ENTRIES", 32768) << card_shift(s);
}

/* What is locked for a card of the CPU's pages */
static uint64_t card_locks(const struct shape *s)
{
	return table_bytes(card_shift(s), window_bytes(s), 1) + card_bytes();
}

static long huge_pages_free(void)
{
	return read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "");
}

/*
 * How many cards get pages of 2M, of which there were @free. The kernel promises the pages of a
 * client that has ended to the next one at once, even if they are still pinned, and then has
 * none for it: REGISTER is EFAULT. So nobody gets one before all of them have come back.
 */
static int huge_cards(long free)
{
	expect(within(10, huge_pages_free() == free));
	return free / 2;
}

/* Memory for a card, or NULL if the machine has none of that kind. */
static uint8_t *card_memory(const struct shape *s)
{
	uint8_t *mem;

	if (!s->shift)
		return alloc(card_bytes(), 2 * MiB);
	/* pages of 2M, of which the guest has few */
	mem = mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

/* Its container, with the group in it */
static int open_card(int device)
{
	int container = open_container();

	set_container(open_group(device), container);
	set_iommu(container, V2_IOMMU);
	return container;
}

/* 0 or what the first command that failed says */
static long __use_card(int container, const struct shape *s, uint8_t *mem)
{
	uint64_t bytes = s->shift ? 4 * MiB : card_bytes(), start, at;
	uint64_t piece = s->piece ? s->piece : bytes;
	struct vfio_iommu_spapr_tce_info info;
	long rc;

	get_info(container, &info);
	if (s->remove)
		remove_window(container, info.dma32_window_start);
	/* not all machines have windows of 2M pages */
	if (!(info.ddw.pgsizes & (1ULL << card_shift(s))))
		return 0;
	rc = __create(container, card_shift(s), window_bytes(s), 1, &start);
	for (at = 0; !rc && at < bytes; at += piece)
		rc = __register(container, mem + at,
				piece < bytes - at ? piece : bytes - at);
	return rc ? rc : __map(container, mem, start, bytes, RW);
}

/* All cards from device @first to @last, in one process */
struct cards {
	const struct shape *s;
	int first;
	int last;
	int huge;		/* so many of them can have pages of 2M */
	volatile bool *go;	/* where it waits, if anywhere */
	volatile bool *ready;
};

static void use_cards(void *arg)
{
	const struct cards *cards = arg;
	const struct shape *s = cards->s;
	int i;

	while (cards->go && !*cards->go)
		usleep(1000);
	for (i = cards->first; i <= cards->last; i++) {
		int container = open_card(i);

		if (s->shift && i >= cards->huge)
			break;
		expect_rc(0, __use_card(container, s, card_memory(s)));
	}
	if (cards->ready)
		*cards->ready = true;
}

/* All cards in a process, and then each in one of its own */
static void all_shapes(struct tce *t __attribute__((unused)))
{
	struct cards cards[MAX_DEVICES];
	pid_t pid[MAX_DEVICES];
	long free = huge_pages_free();
	unsigned int i;
	int d, n, huge, each;

	for (i = 0; i < 2 * sizeof(shapes) / sizeof(*shapes); i++) {
		huge = huge_cards(free);
		n = i % 2 ? host.devices : 1;
		each = host.devices / n;
		for (d = 0; d < n; d++) {
			cards[d] = (struct cards){ &shapes[i / 2], d, d + each - 1, huge };
			pid[d] = spawn(true, use_cards, &cards[d]);
		}
		for (d = 0; d < n; d++)
			expect(ends(pid[d], LIMIT));
	}
}

/* What an administrator has to allow for each card, and not a page less */
struct allowance {
	struct shape shape;
	bool enough;
};

static void limited(void *arg)
{
	const struct allowance *a = arg;
	const struct shape *s = &a->shape;
	uint64_t need = card_locks(s);
	int container[MAX_DEVICES], last = host.devices - 1, i;

	for (i = 0; i <= last; i++)
		container[i] = open_card(i);
	set_memlock(host.devices * need - (a->enough ? 0 : host.page));
	drop_root();
	for (i = 0; i <= last; i++) {
		bool refused = i == last && !a->enough;
		uint8_t *mem = card_memory(s);

		expect(mem);
		expect_rc(refused ? -ENOMEM : 0, __use_card(container[i], s, mem));
		/* where it is refused, the window and all pieces but the last are there */
		expect_eq((i + 1) * need - (refused ? s->piece ?: card_bytes() : 0), locked());
	}
}

static void memlock(struct tce *t __attribute__((unused)))
{
	static struct allowance allowances[] = {
		{ { 0, 0, true }, true }, { { 0, 4 * MiB, true }, true },
		{ { 0, 0, true }, false }, { { 0, 4 * MiB, true }, false },
	};
	unsigned int i;

	for (i = 0; i < sizeof(allowances) / sizeof(*allowances); i++)
		expect(ends(spawn(true, limited, &allowances[i]), LIMIT));
}

static void stays(void *arg)
{
	use_cards(arg);
	for (;;)
		pause();
}

static void grows(void *arg)
{
	use_cards(arg);
	for (;;)
		alloc(MiB, host.page);
}

/* @client is killed when it has its cards, or by the kernel in the control group @group. */
static void end_all(void (*client)(void *), const char *group)
{
	volatile bool *flags = alloc_shared(host.page);
	struct cards cards = { &shapes[1], 0, host.devices - 1, 0, flags, flags + 1 };
	uint64_t free = 0, times = 3 * knob("TCE_TIMES", 1), i;
	long pins = pinned();
	char text[16];
	int status;
	pid_t pid;

	/* the first ones fill caches */
	for (i = 0; i < times + 2; i++) {
		if (i == 2)
			free = mem_free();
		flags[0] = flags[1] = false;
		pid = spawn(true, client, &cards);
		if (group) {
			snprintf(text, sizeof(text), "%d", pid);
			expect_rc(0, write_to(group, text));
		}
		flags[0] = true;
		while (!group && !flags[1] && lives(pid))
			usleep(1000);
		if (!group)
			kill(pid, SIGKILL);
		expect(waitpid(pid, &status, 0) == pid);
		expect(flags[1]);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		expect_rc(pins, pinned_settled(pins));
	}
	/* khugepaged may have taken a huge page, of 16 MiB on POWER8 */
	expect(mem_free_returns(free - 32 * MiB));
}

static void killed(struct tce *t __attribute__((unused)))
{
	end_all(stays, NULL);
}

/* A control group whose members get so much memory; undone by unlimit() */
static void limit_memory(uint64_t bytes)
{
	char limit[24];

	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		skip("this kernel has no cgroup2");
	if (write_to(CGROUP "/cgroup.subtree_control", "+memory")) {
		umount(CGROUP);
		skip("this kernel has no limit of memory");
	}
	mkdir(CGROUP "/pod", 0755);
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)bytes);
	expect_rc(0, write_to(CGROUP "/pod/memory.max", limit));
	/* the kernel tells at length whom it killed */
	write_to("/proc/sys/kernel/printk", "1");
}

static void unlimit(void)
{
	write_to("/proc/sys/kernel/printk", "5");
	rmdir(CGROUP "/pod");
	umount(CGROUP);
}

static void out_of_memory(struct tce *t __attribute__((unused)))
{
	limit_memory(host.devices * card_bytes() + 64 * MiB);
	end_all(grows, CGROUP "/pod/cgroup.procs");
	unlimit();
}

/* A client waits until it is in the control group: what it has by then is not charged to that. */
static void wait_for_group(volatile long *rc)
{
	*rc = 1;
	while (*rc == 1)
		usleep(1000);
}

/* @client leaves in its argument what it was told, in a control group of @bytes. */
static void expect_bounded(uint64_t bytes, void (*client)(void *))
{
	volatile long *rc = alloc_shared(host.page);
	char text[16];
	int status;
	pid_t pid;

	limit_memory(bytes);
	pid = spawn(true, client, (void *)rc);
	while (*rc != 1 && lives(pid))
		usleep(1000);
	snprintf(text, sizeof(text), "%d", pid);
	expect_rc(0, write_to(CGROUP "/pod/cgroup.procs", text));
	*rc = 0;
	expect(waitpid(pid, &status, 0) == pid);
	expect((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || *rc == -ENOMEM);
	unlimit();
}

/* The blocks of so much take 128 MiB, and are allocated before anything is pinned. */
#define RESERVED	(32ULL << 40)

static void registers_reserved(void *rc)
{
	void *mem = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int container = open_card(0);

	expect(mem != MAP_FAILED);
	wait_for_group(rc);
	*(volatile long *)rc = __register(container, mem, RESERVED);
}

/* Each of so many pages has a record of its own, of 8 bytes */
#define SCATTERED	(1ULL << 18)

static void registers_scattered(void *rc)
{
	const uint64_t size = SCATTERED * host.page;
	void *mem = alloc_repeated(size);
	int container = open_card(0);

	wait_for_group(rc);
	*(volatile long *)rc = __register(container, mem, size);
}

static void bounded(struct tce *t __attribute__((unused)))
{
	expect_bounded(64 * MiB, registers_reserved);
	expect_bounded(MiB, registers_scattered);
}

/* v1's set has 32 bytes for each page that is pinned: 256 KiB with pages of 64K */
#define PINNED		(512 * MiB)

static void maps_piece_by_piece(void *rc)
{
	int container = open_container();
	struct vfio_iommu_spapr_tce_info info;
	uint8_t *mem = alloc(PINNED, MiB);
	uint64_t at;
	long done;

	set_container(open_group(0), container);
	set_iommu(container, V1_IOMMU);
	get_info(container, &info);
	enable(container);
	/* which creates the window */
	unmap(container, info.dma32_window_start, MiB);
	wait_for_group(rc);
	for (at = 0, done = 0; !done && at < PINNED; at += MiB)
		done = __map(container, mem + at, info.dma32_window_start + at, MiB, RW);
	*(volatile long *)rc = done;
}

static void bounded_set(struct tce *t __attribute__((unused)))
{
	if (host.page == 4096)
		skip("the CPU's pages are no larger than the window's");
	expect_bounded(128 * KiB, maps_piece_by_piece);
}

static const struct test tests[] = {
	{ "all cards in one process, and in one for each, in windows of small and large pages", all_shapes, V2 | APART },
	{ "memory to lock for each card is enough, a page less is ENOMEM", memlock, V2 | APART },
	{ "who is killed with all cards leaves nothing", killed, V2 | APART },
	{ "a container that runs out of memory leaves nothing", out_of_memory, V2 | APART },
	{ "a control group's limit bounds what REGISTER allocates", bounded, V2 | APART },
	{ "a control group's limit bounds the set of pinned pages", bounded_set, V1 | APART },
};

TEST_MAIN("cards", tests)
