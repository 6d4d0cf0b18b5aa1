// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzing with a model, see fuzz/fuzz.h. This part runs rounds: each is a
 * process that starts with nothing, does some thousand operations and ends in
 * one way or another. If it disagrees with its model, the operations that it
 * had made are tried again with ever more of them left out, until nothing can
 * be left out: what remains is printed, and repeated if it is in the file /replay.
 *
 * TCE_SEED is the seed of all of it, TCE_ROUND the first round and TCE_ROUNDS how many there are.
 * Otherwise they go on for TCE_SECONDS. Results are KTAP, one for each thing that is compared.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "test.h"

#define OPS		4000	/* in a round */
#define TRIES		300	/* to shorten what failed */
#define FAILURES	3	/* are enough */
#define ROUND_LIMIT	240	/* seconds */
#define SECONDS		20
#define RULE_ROUNDS	6	/* are enough for each rule to refuse something */
#define REPLAY		"/replay"	/* what was printed after "replay:" */

static unsigned long seed;
static unsigned int results;		/* that were given */
static struct op *ops;		/* of the round, shared with its process */
static long base_pins;

static const char *const compared[WRONGS] = {
	[WRONG_RESULT]	= "every result is one that the model allows",
	[WRONG_LOCKED]	= "locked memory is what the model says",
	[WRONG_PINNED]	= "pinned pages are what the model says",
	[WRONG_WINDOW]	= "windows are where the model says",
	[WRONG_DMA]	= "devices reach what is mapped and nothing else",
	[WRONG_END]	= "nothing is left at the end of a round",
	[WRONG_CRASH]	= "every round comes to its end",
	[WRONG_IDLE]	= "each kind of call is done and refused, for each reason alone, and all is compared",
};

static uint64_t round_seed(unsigned long round)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ULL + round;

	return random_next(&state);
}

/* In a process of its own: does @n operations of ops[], or makes new ones. */
static void round_child(bool make, int n, unsigned int how)
{
	int i;

	alarm(ROUND_LIMIT);
	model_init();
	exec_init(how);
	for (i = 0; i < n; i++) {
		if (make)
			gen_op(&ops[i], i ? &ops[i - 1] : NULL);
		report->ops = i + 1;
		report->at = i;
		report->kind = ops[i].kind;
		exec_op(&ops[i]);
	}
	report->at = n;
	exec_end(how);
	_exit(0);
}

/* Pinned pages, once nothing more is let go of: a driver may have leaked some. */
static long pinned_rest(void)
{
	long now = pinned(), last;
	int i, same = 0;

	for (i = 0; i < 50 && same < 5; i++) {
		usleep(20000);
		last = now;
		now = pinned();
		same = now == last ? same + 1 : 0;
	}
	return now;
}

/* The process of a round is gone: so must be everything that it had. */
static void check_left(void)
{
	int busy = busy_group();
	long now;

	if (busy >= 0) {
		report->wrong = WRONG_END;
		report->got = busy;
		snprintf(report->text, sizeof(report->text), "group %d can't be opened again",
			 busy);
		return;
	}
	now = report->hurry ? pinned_rest() : pinned_settled(base_pins);
	if (now == base_pins)
		return;
	report->wrong = WRONG_END;
	report->got = now - base_pins;
	snprintf(report->text, sizeof(report->text), "%ld pages stay pinned", now - base_pins);
	/* They will not come back: count from here. */
	base_pins = now;
}

static void tell_result(enum wrong of, bool bad)
{
	printf("%sok %u fuzz: %s\n", bad ? "not " : "", ++results, compared[of]);
	fflush(stdout);
}

/* Returns true if the round was as the model says. */
static bool run_round(bool make, int n, unsigned int how)
{
	int status;
	pid_t pid;

	report->wrong = WRONG_NOTHING;
	report->ops = 0;
	fflush(stdout);
	pid = fork();
	if (!pid)
		round_child(make, n, how);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(2);
	}
	if (!report->wrong && status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
					  report->at == n && (how & HOW_MODE) == HOW_KILL)) {
		report->wrong = WRONG_CRASH;
		report->got = status;
		snprintf(report->text, sizeof(report->text), WIFSIGNALED(status) ?
			 "the program ended by signal %d" : "the program ended with status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	if (!report->wrong)
		check_left();
	else
		base_pins = pinned_rest();
	return !report->wrong;
}

/*
 * Leaves out operations, in ever smaller pieces, as long as the same goes wrong.
 * Returns how many are left in ops[].
 */
static int shorten(int n, unsigned int how)
{
	const struct report first = *report;
	struct op *good = malloc(n * sizeof(*good));
	unsigned int tries = TRIES;
	double end = seconds() + 120;
	bool again = true;
	int piece, from, len;

	report->hurry = true;
	memcpy(good, ops, n * sizeof(*good));
	for (piece = n / 2; piece >= 1; piece = piece > 1 || !again ? piece / 2 : 1) {
		again = false;
		for (from = n - piece; n > 1 && from > -piece; from -= piece) {
			if (!tries-- || seconds() > end)
				goto out;
			if (from >= n)
				continue;
			if (from < 0)
				from = 0;
			len = piece < n - from ? piece : n - from;
			memcpy(ops, good, from * sizeof(*ops));
			memcpy(ops + from, good + from + len, (n - from - len) * sizeof(*ops));
			if (!run_round(false, n - len, how) && report->wrong == first.wrong &&
			    (first.wrong == WRONG_END || report->kind == first.kind) &&
			    (first.wrong != WRONG_RESULT || report->got == first.got)) {
				/* What comes after it went wrong is of no use. */
				n = first.wrong == WRONG_END ? n - len : report->at + 1;
				memcpy(good, ops, n * sizeof(*good));
				again = true;
			}
		}
	}
out:
	memcpy(ops, good, n * sizeof(*good));
	free(good);
	report->hurry = false;
	/* Once more, for what it says now. */
	if (run_round(false, n, how)) {
		printf("# it does not happen every time\n");
		*report = first;
	}
	return n;
}

static bool parse_op(const char *line, struct op *op)
{
	unsigned int slot, group, flags;
	unsigned long long a, b, c;
	char name[32];
	int i;

	if (sscanf(line, "%31s %u %u %x %llx %llx %llx", name, &slot, &group, &flags, &a,
		   &b, &c) != 7 || slot >= SLOTS || group >= GROUPS)
		return false;
	for (i = 0; i < OP_KINDS; i++) {
		if (strcmp(name, op_names[i]))
			continue;
		*op = (struct op){ i, slot, group, flags, a, b, c };
		return true;
	}
	return false;
}

/* The operations after "replay:", as they are read again */
static void print_failure(long round, unsigned int how, int n, bool whole)
{
	const struct op *op;

	printf("# %s: %s\n", compared[report->wrong], report->text);
	printf("# seed %lu round %ld, operation %d of %d%s\n", seed, round, report->at, n,
	       whole ? "" : " left, shortened:");
	for (op = ops; !whole && op < ops + n && op < ops + 100; op++)
		printf("replay: %s %u %u %#x %#llx %#llx %#llx\n", op_names[op->kind], op->slot,
		       op->group, op->flags, (unsigned long long)op->a,
		       (unsigned long long)op->b, (unsigned long long)op->c);
	if (!whole)
		printf("replay: END %u\n", how);
	fflush(stdout);
}

/* What the machine is like, asked once */
static struct machine *answer;

static void ask_info(void *version)
{
	struct tce t;

	attach(&t, (intptr_t)version);
	answer->info[t.version] = t.info;
}

/* pseries: the hypervisor says where a window goes. A failure shows in what is predicted. */
static void ask_window(void *start)
{
	struct tce t;

	attach(&t, 2);
	if (start == &answer->dynamic_start[0])
		__remove(t.container, t.info.dma32_window_start);
	__create(t.container, 16, 256 * MiB, 1, start);
}

static void ask_machine(void)
{
	intptr_t i;

	host_init();
	answer = alloc_shared(sizeof(*answer));
	answer->groups = host.devices < GROUPS ? host.devices : GROUPS;
	answer->pages = MAX_PAGES;
	answer->memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * host.page;
	for (i = 1; i <= 2; i++)
		expect(ends(spawn(false, ask_info, (void *)i), 60));
	for (i = 0; !host.powernv && i < 2; i++)
		expect(ends(spawn(false, ask_window, &answer->dynamic_start[i]), 60));
	machine = *answer;
	base_pins = pinned();
	note("%d groups, windows of %#x bytes", machine.groups, machine.info[2].dma32_window_size);
}

/*
 * Reports
 */
static void print_counts(void)
{
	int i;

	for (i = OP_SET_CONTAINER; i <= OP_UNMAP; i++)
		printf("# %-16s %8lu done, %lu refused\n", op_names[i],
		       report->count[i].passed, report->count[i].refused);
}

/*
 * A rule that never refused anything alone was not tested: without it, the driver would have
 * refused the same for another reason.
 */
static bool rule_idle(void)
{
	bool idle = false;
	enum rule rule;

	for (rule = 0; rule < RULES; rule++) {
		if (report->alone[rule] || !rule_here(rule))
			continue;
		note("nothing was refused for this alone: %s", rule_text(rule));
		idle = true;
	}
	return idle;
}

/* Was there less than one of each in a round? Refusals are rarer: one in four rounds. */
static bool idle(unsigned long rounds)
{
	bool less = report->lock_checks < rounds || report->pin_checks < rounds ||
		    report->dma_reads < rounds || report->dma_writes < rounds ||
		    report->dma_none < rounds;
	int i;

	for (i = OP_SET_CONTAINER; i <= OP_UNMAP; i++)
		less |= report->count[i].passed < rounds || 4 * report->count[i].refused < rounds;
	return less || !rounds;
}

/* Repeats the sequences, each of which ends with "END", and counts the failures of each kind. */
static void replay(unsigned int *bad)
{
	int n = 0, total = 0;
	char line[512], *at;
	FILE *f = fopen(REPLAY, "r");
	unsigned int how;

	expect(f);
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "replay: ");
		at = at ? at + strlen("replay: ") : line;
		if (sscanf(at, "END %u", &how) != 1) {
			if (n < OPS && parse_op(at, &ops[n]))
				n++;
			continue;
		}
		note("%d operations to repeat", n);
		total += n;
		if (!run_round(false, n, how)) {
			print_failure(-1, how, n, true);
			if (!bad[report->wrong]++)
				tell_result(report->wrong, true);
		}
		n = 0;
	}
	fclose(f);
	expect(total);
}

/* Finds a shorter sequence that fails in the same way. */
static void shorten_failure(long round, unsigned int how)
{
	struct report counts = *report;
	int n;

	n = shorten(report->at < report->ops ? report->at + 1 : report->ops, how);
	print_failure(round, how, n, false);
	memcpy(report->count, counts.count, sizeof(counts.count));
	memcpy(report->alone, counts.alone, sizeof(counts.alone));
	report->ioctls = counts.ioctls;
}

/* Rounds, until there is enough of them. Returns how many failed, and counts by what. */
static unsigned int fuzz(unsigned int *bad)
{
	double begun = seconds(), end = begun + knob("TCE_SECONDS", SECONDS);
	unsigned long rounds = 0, total = 0, most = knob("TCE_ROUNDS", 0);
	unsigned int failures = 0;
	long round = knob("TCE_ROUND", 0);

	for (; most ? rounds < most : seconds() <= end; round++) {
		uint64_t state = round_seed(round);
		unsigned int how;

		/* In case the kernel does not survive it: TCE_ROUND repeats it. */
		note("round %ld of seed %lu, %lu ioctls in %.0f s so far", round, seed,
		     report->ioctls, seconds() - begun);
		how = random_next(&state) % HOW_ALL;
		gen_seed(state);
		rounds++;
		if (run_round(true, OPS, how)) {
			total += report->ops;
			continue;
		}
		print_failure(round, how, report->ops, true);
		/* at once, since looking for less may not come to its end */
		if (!bad[report->wrong]++)
			tell_result(report->wrong, true);
		shorten_failure(round, how);
		if (++failures >= FAILURES)
			break;
	}
	print_counts();
	note("locked memory was looked at %lu times, pinned pages %lu times", report->lock_checks,
	     report->pin_checks);
	note("DMA: %lu reads, %lu writes, of which %lu to nothing", report->dma_reads,
	     report->dma_writes, report->dma_none);
	bad[WRONG_IDLE] = !failures && (idle(rounds) | (rule_idle() && rounds >= RULE_ROUNDS));
	note("seed %lu: %lu rounds, %lu operations, %lu ioctls in %.0f s", seed, rounds, total,
	     report->ioctls, seconds() - begun);
	return failures + bad[WRONG_IDLE];
}

int main(void)
{
	const bool repeats = !access(REPLAY, F_OK);
	/* what is repeated is a part of a round */
	const int last = repeats ? WRONG_IDLE : WRONGS;
	unsigned int bad[WRONGS] = { }, failures = 0;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ops = alloc_shared(OPS * sizeof(*ops));
	report = alloc_shared(sizeof(*report));
	printf("KTAP version 1\n1..%d\n", last - 1);
	seed = seed_of_run();
	ask_machine();
	if (machine.groups < GROUPS)
		fail(__FILE__, __LINE__, "%d groups are needed", GROUPS);

	if (!repeats)
		failures = fuzz(bad);
	else
		replay(bad);
	for (i = 1; i < last; i++) {
		failures += bad[i] && repeats;
		if (!bad[i] || i == WRONG_IDLE)
			tell_result(i, bad[i]);
	}
	return failures ? 1 : 0;
}
