// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU plugin: which instructions of the emulated machine are executed, and how
 * often, between marks that selftests/bench/bench.h sets (--profile). Exact, unlike
 * samples, and knows the firmware as well as the kernel.
 *
 * Argument: out=FILE. Lines of FILE: "SECTION ADDRESS INSTRUCTIONS TIMES SEEN", for
 * a run of instructions that was executed so many times.
 *
 * SEEN is 0 if the performance monitor that QEMU 7.2 emulates does not count them:
 * it forgets blocks which end in an indirect branch (a return, a call through a
 * pointer) or in a branch to another page (most calls). So the emulated machine's
 * own count is lower than the truth, by as much for each driver as it calls and
 * returns; it repeats exactly all the same.
 *
 * The few declarations of QEMU's plugin interface (version 1) that it takes are
 * restated here: Debian has no package with the header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*tb_trans_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_fn)(unsigned int vcpu, void *userdata);
typedef void (*exit_fn)(qemu_plugin_id_t id, void *userdata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_fn fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, vcpu_fn fn,
					  int flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    vcpu_fn fn, int flags, void *userdata);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_fn fn,
				    void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t idx);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

#define SECTIONS	13		/* the last one: nothing is counted */
#define MAX_CPUS	16

struct block {
	struct block *next;
	uint64_t address;
	size_t n;
	bool seen;
	uint64_t times[SECTIONS];
};

static struct block *blocks;
static unsigned int section[MAX_CPUS];	/* 0: none */
static const char *out;

static void executed(unsigned int vcpu, void *userdata)
{
	struct block *b = userdata;

	if (vcpu < MAX_CPUS && section[vcpu])
		b->times[section[vcpu]]++;
}

static void marked(unsigned int vcpu, void *userdata)
{
	unsigned int n = (uintptr_t)userdata;

	if (vcpu < MAX_CPUS)
		section[vcpu] = n < SECTIONS ? n : 0;
}

/* In the guest's byte order, which shows in the mark; little endian until then. */
static bool big_endian;

static uint32_t insn_of(const uint8_t *insn, bool big)
{
	if (big)
		return (uint32_t)insn[0] << 24 | insn[1] << 16 | insn[2] << 8 | insn[3];
	return (uint32_t)insn[3] << 24 | insn[2] << 16 | insn[1] << 8 | insn[0];
}

/* "xori rN,rN,0": N, or 0 if it is something else. */
static unsigned int mark_in(uint32_t i)
{
	if (i >> 26 != 26 || (i & 0xffff) || (i >> 21 & 31) != (i >> 16 & 31))
		return 0;
	return i >> 21 & 31;
}

static unsigned int mark_of(const uint8_t *insn)
{
	unsigned int n = mark_in(insn_of(insn, false));

	if (!n) {
		n = mark_in(insn_of(insn, true));
		big_endian |= n;
	}
	return n;
}

/* Does the emulated performance monitor see the block that ends so? */
static bool is_seen(uint64_t start, uint64_t at, uint32_t insn)
{
	unsigned int op = insn >> 26, xo = insn >> 1 & 0x3ff;
	uint64_t target = at + 4;

	if (op == 19 && (xo == 16 || xo == 528 || xo == 560))
		return false;
	if (op == 18) {
		/* 26 bits with sign, relative unless AA is set */
		int64_t offset = (int64_t)((uint64_t)(insn & 0x03fffffc) << 38) >> 38;

		target = insn & 2 ? (uint64_t)offset : at + offset;
	}
	return target >> 12 == start >> 12;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));
	size_t i;

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->n = qemu_plugin_tb_n_insns(tb);
	do {
		b->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
	} while (!__sync_bool_compare_and_swap(&blocks, b->next, b));

	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed,
					     QEMU_PLUGIN_CB_NO_REGS, b);
	for (i = 0; i < b->n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned int n = mark_of(qemu_plugin_insn_data(insn));

		if (n)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
					QEMU_PLUGIN_CB_NO_REGS,
					(void *)(uintptr_t)n);
		if (i == b->n - 1)
			b->seen = is_seen(b->address, b->address + 4 * i,
					  insn_of(qemu_plugin_insn_data(insn), big_endian));
	}
}

static void finish(qemu_plugin_id_t id, void *userdata)
{
	FILE *f = fopen(out, "w");
	struct block *b;
	int s;

	(void)id;
	(void)userdata;
	if (!f) {
		perror(out);
		return;
	}
	for (b = blocks; b; b = b->next)
		for (s = 1; s < SECTIONS; s++)
			if (b->times[s])
				fprintf(f, "%d %" PRIx64 " %zu %" PRIu64 " %d\n", s,
					b->address, b->n, b->times[s], b->seen);
	fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
			       char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
