// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm of calls: see storm/storm.h. This part runs rounds, each a process that starts with
 * nothing. Its threads make some hundred calls each, stop for a pause, and go on. Then all is
 * closed in one order or another, or the process ends, or is killed while its calls are under way.
 *
 * TCE_SEED is the seed of all of it, TCE_ROUND the first round and TCE_ROUNDS how many there are.
 * Otherwise they go on for TCE_SECONDS, and until each kind of call has succeeded and been refused,
 * and has met each other one.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storm/storm.h"

#define SECONDS		15
#define MOST_ROUNDS	40	/* which need a few seconds each, and on a busy machine minutes */
#define CALLS		200	/* of a thread, until there is a pause */
#define PAUSES		2
#define HANGS		60	/* seconds without a call that ends */
#define LEAST		10	/* successes and refusals of each kind */
#define STACK		(64 * KiB)
#define TABLE		(16 * MiB)	/* with its userspace entries, at most */
#define LOST		(8 * MiB)	/* what the platform may lose, and other counts be off */

struct round r;
struct tally *tally;

static int version;	/* of the test */
static pthread_barrier_t barrier;

/* The task that makes a thread's calls: a process of its own, with the same memory and files. */
static int make_calls(void *arg)
{
	struct worker *w = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (w->left) {
		make_call(w);
		do_call(w);
	}
	return 0;
}

static void *thread(void *arg)
{
	struct worker *w = arg;
	int pause, status;

	for (pause = 0; pause <= PAUSES; pause++) {
		pthread_barrier_wait(&barrier);
		while (w->left) {
			w->task = clone(make_calls, w->stack + STACK, CLONE_VM | CLONE_FILES | SIGCHLD, w);
			expect(w->task > 0 && waitpid(w->task, &status, 0) == w->task);
			w->task = 0;
			w->now = KINDS;
			if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
				fail(__FILE__, __LINE__, "task %d ends with status %#x in %s", w->id,
				     status, kinds[w->call.kind]);
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* How many calls are left, those under way among them */
static unsigned int calls_left(unsigned int *turns)
{
	unsigned int left = 0;
	int i;

	*turns = 0;
	for (i = 0; i < r.workers; i++) {
		left += r.worker[i].left + !!r.worker[i].task;
		*turns += r.worker[i].turns;
	}
	return left;
}

/* Until all have made their calls, or the round has been killed in their midst */
static void watch(bool last)
{
	unsigned int left, turns, before = 0, hangs = 0, ms, i;
	unsigned int most = HANGS * 100 * knob("TCE_PATIENCE", 1);
	struct worker *w;
	int task;

	for (ms = 0; (left = calls_left(&turns)); ms += 10) {
		nap(10);
		hangs = turns == before ? hangs + 1 : 0;
		before = turns;
		for (i = 0; hangs > most && i < (unsigned int)r.workers; i++) {
			w = &r.worker[i];
			note("thread %u, %u calls left, %s: %s, %#llx %#llx %#llx", i, w->left,
			     w->now == KINDS ? "after" : "in", kinds[w->call.kind],
			     (unsigned long long)w->call.a, (unsigned long long)w->call.b,
			     (unsigned long long)w->call.c);
		}
		if (hangs > most)
			fail(__FILE__, __LINE__, "no call ends");
		if (last && r.end == END_KILLED && left < CALLS)
			tally->kill = true;
		task = r.worker[ms / 10 % r.workers].task;
		if (r.kills && ms % 50 == 0 && task)
			kill(task, SIGKILL);
	}
}

static bool has_kvm(void)
{
	return !access("/dev/kvm", R_OK | W_OK);
}

/* Can it succeed in the test, or on this host? */
static bool counts(enum kind kind)
{
	switch (kind) {
	case REGISTER:
	case UNREGISTER:
	case CREATE:
	case REMOVE:
		return version == 2;
	case ENABLE:
	case DISABLE:
		return version == 1;
	case EEH:
		return host.powernv;
	case HCALL:
	case GIVE:
		return version == 2 && has_kvm();
	case STATE:
		return !access("/sys/kernel/debug/vfio_iommu_spapr_tce/state", R_OK);
	default:
		return true;
	}
}

/*
 * Can two threads do these at once? One alone gives KVM its tables, while no group leaves. In a
 * table of version 1 a hypercall never succeeds, but has to be tried while a group leaves.
 */
static bool meets(enum kind a, enum kind b)
{
	if (a < b)
		return meets(b, a);
	if (a == HCALL && b == LEAVE)
		return has_kvm();
	return counts(a) && counts(b) && !(a == GIVE && (b == GIVE || b == LEAVE));
}

/* The calls of all threads until a pause. Each has a kind that it makes more often. */
static void stretch(int pause)
{
	static const enum kind favourites[] = { MAP, MAP, UNMAP, UNMAP, KINDS, KINDS, KINDS };
	struct worker *w;
	int i;

	spots_init();
	for (i = 0; i < r.workers; i++) {
		w = &r.worker[i];
		w->favourite = favourites[draw(&r.random, 7)];
		while (w->favourite == KINDS || !counts(w->favourite) || w->favourite == LEAVE ||
		       w->favourite == CLOSE ||
		       (!r.kvm && (w->favourite == HCALL || w->favourite == GIVE)))
			w->favourite = draw(&r.random, KINDS);
		w->seed = draw(&r.random, ~0ULL);
		w->now = KINDS;
		w->left = CALLS;
	}
	pthread_barrier_wait(&barrier);
	watch(pause == PAUSES);
	pthread_barrier_wait(&barrier);
}

static void draw_round(int version, uint64_t seed)
{
	static const char *const ends[ENDS] = {
		"groups close first", "containers close first", "it ends", "it is killed",
	};
	int i;

	r.random = seed;
	r.groups = 1 + draw(&r.random, 2);
	r.containers = 1;
	if (r.groups > 1 && (draw(&r.random, 2) || version == 1 || !host.powernv))
		r.containers = 2;
	r.workers = 2 + draw(&r.random, WORKERS - 1);
	r.end = draw(&r.random, ENDS);
	r.kvm = draw(&r.random, 3) && has_kvm();
	/* where tasks are killed, KVM gets no other tables */
	r.kills = !draw(&r.random, r.kvm ? 4 : 2);
	for (i = 0; i < r.containers; i++) {
		r.slot[i].version = i && !draw(&r.random, 4) ? 3 - version : version;
		r.slot[i].fd = open_container();
	}
	note("round %llu: %d groups, %d containers, %d threads%s%s, %s",
	     (unsigned long long)seed & 0xffffffff, r.groups, r.containers, r.workers,
	     r.kvm ? ", KVM" : "", r.kills ? ", tasks are killed" : "", ends[r.end]);
}

static void guest_begin(void)
{
	int i;

	guest_init();
	guest_add_memory(1, GUEST_ARENA, ARENA, ARENA_SIZE);
	guest_view(r.start[0], GUEST_WINDOW, 12);
	for (i = 0; i < r.containers; i++)
		guest_add_group(r.group[i]);
}

/* Everything is closed, and this process is charged for nothing. */
static void close_all(uint64_t before)
{
	int i, last = 0;

	for (i = 0; r.kvm && i < r.groups; i++)
		guest_del_group(r.group[i]);
	for (i = 0; r.end == END_CONTAINERS_FIRST && i < r.containers; i++)
		close(r.slot[i].fd);
	for (i = 0; i < r.groups; i++) {
		__unset_container(r.group[i]);
		last = r.group[i] > last ? r.group[i] : last;
	}
	/* with those that killed tasks have left */
	syscall(SYS_close_range, 3, ~0U, 0);
	expect_eq(before, locked_settled(before));
}

static uint64_t round_seed;

static void round_process(void *unused __attribute__((unused)))
{
	struct vfio_iommu_spapr_tce_info info;
	pthread_t threads[WORKERS];
	uint64_t before = locked();
	int i, pause;

	draw_round(version, round_seed);
	arena_init();
	regions_init();
	r.pins = pinned();
	for (i = 0; i < r.groups; i++) {
		r.group[i] = open_group(i ? host.other : 0);
		expect_rc(0, join(i));
	}
	get_info(r.slot[0].fd, &info);
	r.start[0] = info.dma32_window_start;
	r.start[1] = SECOND_WINDOW;
	r.size = info.dma32_window_size;
	if (r.kvm)
		guest_begin();
	pthread_barrier_init(&barrier, NULL, r.workers + 1);
	for (i = 0; i < r.workers; i++) {
		r.worker[i] = (struct worker){ .id = i, .now = KINDS, .stack = alloc(STACK, STACK) };
		expect(!pthread_create(&threads[i], NULL, thread, &r.worker[i]));
	}
	for (pause = 0; pause < PAUSES; pause++) {
		stretch(pause);
		pause_check();
	}
	stretch(PAUSES);
	for (i = 0; i < r.workers; i++)
		pthread_join(threads[i], NULL);
	if (r.end < END_EXIT)
		close_all(before);
	while (r.end == END_KILLED)
		tally->kill = true;
}

/* What the next client finds: groups that it can have, and memory that only it reaches */
static void next_client(void *version)
{
	struct tce t;
	uint8_t *mem;

	attach(&t, (intptr_t)version);
	mem = prepare_dma(&t, CHUNK);
	expect_rc(0, edu_open(&t.edu, t.group, 0));
	expect(!can_write(&t, base(&t), mem));
	map(t.container, mem, base(&t), CHUNK, RW);
	expect(can_write(&t, base(&t), mem));
}

static void run_round(long pins)
{
	pid_t pid = spawn(false, round_process, NULL);

	tally->kill = false;
	while (!ends(pid, 0)) {
		if (tally->kill) {
			kill_child(pid);
			break;
		}
		nap(5);
	}
	/* its tasks end a moment later */
	expect(within(20 * knob("TCE_PATIENCE", 1), busy_group() < 0));
	expect_rc(pins, pinned_settled(pins));
	expect(ends(spawn(true, next_client, (void *)(intptr_t)(1 + draw(&round_seed, 2))),
		    60 * knob("TCE_PATIENCE", 1)));
}

/* Those that nobody can refuse, or only while the container has no driver */
static bool is_never_refused(enum kind kind)
{
	return kind == CLOSE || kind == MEMORY || kind == FORK || kind == STATE || kind == DISABLE;
}

/* Has everything come about that the test is for? Says what has not, if it is asked to. */
static bool all_met(bool say)
{
	enum kind a, b;
	bool all = true;

	for (a = 0; a < KINDS; a++) {
		if (counts(a) && (tally->done[a] < LEAST ||
				  (!is_never_refused(a) && tally->refused[a] < LEAST))) {
			all = false;
			if (say)
				note("%s: %lu done, %lu refused", kinds[a], tally->done[a], tally->refused[a]);
		}
		for (b = 0; b <= a; b++) {
			if (!meets(a, b) || tally->both[a][b])
				continue;
			all = false;
			if (say)
				note("%s and %s never met", kinds[a], kinds[b]);
		}
	}
	return all && tally->pauses;
}

static void report(unsigned int rounds, unsigned int seconds)
{
	enum kind a;

	for (a = 0; a < KINDS; a++)
		note("%-32s %6lu done, %6lu refused", kinds[a], tally->done[a], tally->refused[a]);
	note("%u rounds in %u s; %lu pauses, %lu accesses by the device", rounds, seconds,
	     tally->pauses, tally->probes);
}

/*
 * KVM loses a reference to a table, and keeps it for good, if it is given it a second time, as
 * when a group of two leaves and joins. Takes their number out of what the state file says.
 */
static long without_kvm(char *text)
{
	char *at = strstr(text, " kvm_tables="), *end;
	long n;

	if (!at)
		return 0;
	n = strtol(strchr(at, '=') + 1, &end, 10);
	memmove(at, end, strlen(end) + 1);
	return n;
}

static void storm(struct tce *t)
{
	uint64_t seconds = knob("TCE_SECONDS", SECONDS), rounds = knob("TCE_ROUNDS", 0);
	uint64_t first = knob("TCE_ROUND", 1), n, high = seed_of_run() << 32, free = 0;
	char before[2048] = "", after[2048] = "";
	time_t begun = time(NULL);
	long pins = pinned(), kept = 0;
	int i;

	version = t->version;
	tally = alloc_shared(sizeof(*tally));
	state_text(before, sizeof(before));
	without_kvm(before);
	for (n = 0; rounds ? n < rounds : time(NULL) - begun < (time_t)seconds || !all_met(false); n++) {
		if (!rounds && n >= MOST_ROUNDS && time(NULL) - begun >= (time_t)seconds) {
			all_met(true);
			fail(__FILE__, __LINE__, "not everything has come about");
		}
		round_seed = high | (first + n);
		run_round(pins);
		/* the first round has made what the platform makes once */
		if (!n)
			free = mem_free();
	}
	report(n, time(NULL) - begun);
	/* with the counters of what is leaked */
	for (i = 0; i < 200; i++) {
		state_text(after, sizeof(after));
		kept = without_kvm(after);
		if (!strcmp(before, after))
			break;
		nap(20);
	}
	if (strcmp(before, after))
		fail(__FILE__, __LINE__, "the state file says\n# %s# and has said\n# %s", after, before);
	if (kept)
		note("KVM keeps %ld tables", kept);
	expect(!kept || !access("/dev/kvm", F_OK));
	/* KASAN keeps what was freed for a while */
	if (!find_line("/proc/kallsyms", " kasan_quarantine_put"))
		expect(mem_free_returns(free - LOST - kept * TABLE));
}

static const struct test tests[] = {
	{ "any calls of several threads at once leave nothing", storm,
	  BOTH | TWO | APART, 900 },
};

TEST_MAIN("storm", tests)
