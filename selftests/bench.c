// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver costs, counted and not timed: instructions of the CPU, kernel
 * and firmware included, calls of the hypervisor or of the firmware, contended
 * locks, pages of memory. On an emulated machine these repeat to within a
 * percent, whatever else its host has to do.
 *
 * Results are lines "csv,DRIVER,TEST,VERSION,MEMORY,N,UNIT,VALUE"; scripts/bench
 * knows what they should be. VERSION is 0 where no container is involved.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

static const struct {
	const char *name;
	void (*run)(struct tce *t);
} benches[] = {
	{ "v1-scattered", tce_v1_scattered },
	{ "v2-scattered", tce_v2_scattered },
	{ "v1-contiguous", tce_v1_contiguous },
	{ "v2-contiguous", tce_v2_contiguous },
	{ "v1-thp", tce_v1_thp },
	{ "v2-thp", tce_v2_thp },
	{ "v1-hugetlb", tce_v1_hugetlb },
	{ "v2-hugetlb", tce_v2_hugetlb },
	{ "registrations", registrations },
	{ "register-scattered", register_scattered },
	{ "register-thp", register_thp },
	{ "register-hugetlb", register_hugetlb },
	{ "register-again", register_again },
	{ "register-giant", register_giant },
	{ "holds", holds },
	{ "close-v1", close_v1 },
	{ "close-v2", close_v2 },
	{ "sparse-37", sparse_37 },
	{ "sparse-40", sparse_40 },
	{ "sparse-46", sparse_46 },
	{ "dpdk", dpdk_sequence },
	{ "parallel-v1", parallel_v1 },
	{ "parallel-v2", parallel_v2 },
	{ "calls", calls },
	{ "counter", counter_rows },
	{ "floor", floor_rows },
	{ "floor-pins", floor_pins },
};

/* In a process of its own, so that nothing is left of it. Returns the status. */
static int run(size_t i)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct tce t = { .container = -1, .group = -1, .group2 = -1 };

		stay_on(0);
		counter_open(&insns, PERF_TYPE_HARDWARE,
			     PERF_COUNT_HW_INSTRUCTIONS);
		benches[i].run(&t);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	set_vm("nr_hugepages", 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool parse(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "driver", required_argument, NULL, 'd' },
		{ "max-bytes", required_argument, NULL, 'm' },
		{ "max-regs", required_argument, NULL, 'r' },
		{ "reg-bytes", required_argument, NULL, 'b' },
		{ "segments", required_argument, NULL, 's' },
		{ "few", no_argument, NULL, 'f' },
		{ "profile", no_argument, NULL, 'p' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt.driver = optarg;
			break;
		case 'm':
			opt.max_bytes = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			opt.max_regs = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			opt.reg_bytes = strtoull(optarg, NULL, 0);
			break;
		case 's':
			opt.segments = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			opt.few = true;
			break;
		case 'p':
			opt.profile = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* Runs the benches of that name, all if it is empty. Returns how many failed. */
static int run_named(const char *name)
{
	bool found = false;
	int failed = 0, status;
	size_t i;

	for (i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		if (*name && strcmp(name, benches[i].name))
			continue;
		found = true;
		note("%s", benches[i].name);
		status = run(i);
		if (status && status != SKIPPED) {
			note("%s failed (%d)", benches[i].name, status);
			failed++;
		}
	}
	if (!found) {
		note("there is no %s", name);
		failed++;
	}
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0, j;

	if (!parse(argc, argv))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	tce_init();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (optind == argc)
		failed = run_named("");
	for (j = optind; j < argc; j++)
		failed += run_named(argv[j]);
	return !!failed;
}
