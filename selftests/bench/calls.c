// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that leave the kernel: of the hypervisor (pseries) or of the firmware.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static int trace_open(const char *event, const char *filter)
{
	int id = tracepoint(event), fd;

	if (id < 0)
		leave_out("the kernel has no event %s", event);
	fd = perf_open(PERF_TYPE_TRACEPOINT, id);
	if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter))
		fail(__FILE__, __LINE__, "filter %s: %m", filter);
	return fd;
}

static const struct platform_call {
	const char *name;
	const char *event;
	const char *filter;
	bool powernv;
} platform_calls[] = {
	{ "H_GET_TCE", "powerpc/hcall_entry", "opcode == 0x1c", false },
	{ "H_PUT_TCE", "powerpc/hcall_entry", "opcode == 0x20", false },
	{ "H_PUT_TCE_INDIRECT", "powerpc/hcall_entry", "opcode == 0x138", false },
	{ "H_STUFF_TCE", "powerpc/hcall_entry", "opcode == 0x13c", false },
	{ "OPAL_PCI_TCE_KILL", "powerpc/opal_entry", "opcode == 126", true },
};

#define NR_CALLS (sizeof(platform_calls) / sizeof(*platform_calls))

static void bench_calls(struct tce *t, int version, enum memory kind)
{
	static const uint64_t entries[] = { 1, 16, 512, 1024 };
	uint64_t iova, before[NR_CALLS], sum[2], val;
	int fd[NR_CALLS];
	uint8_t *mem;
	size_t i, c;
	int r, op;

	attach_or_leave_out(t, version);
	mem = memory(kind, 4 * MiB);
	if (!mem)
		return;
	allow(t, mem, 4 * MiB);
	iova = first_iova(t) + 64 * MiB;
	for (c = 0; c < NR_CALLS; c++) {
		fd[c] = -1;
		if (platform_calls[c].powernv == host.powernv)
			fd[c] = trace_open(platform_calls[c].event,
					   platform_calls[c].filter);
	}
	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		for (r = 0; r < 2; r++) {
			for (op = 0; op < 2; op++) {
				sum[op] = 0;
				for (c = 0; c < NR_CALLS; c++)
					if (fd[c] >= 0)
						before[c] = perf_read(fd[c]);
				if (op)
					unmap(t->container, iova, entries[i] * TCE);
				else
					map(t->container, mem, iova,
					    entries[i] * TCE, RW);
				for (c = 0; c < NR_CALLS; c++) {
					if (fd[c] < 0)
						continue;
					val = perf_read(fd[c]) - before[c];
					sum[op] += val;
					if (val && r)
						note("v%d %s %s of %llu entries: %llu %s",
						     version, memory_name[kind],
						     op ? "UNMAP" : "MAP",
						     (unsigned long long)entries[i],
						     (unsigned long long)val,
						     platform_calls[c].name);
				}
			}
		}
		row("map-calls", version, memory_name[kind], entries[i], "calls",
		    sum[0]);
		row("unmap-calls", version, memory_name[kind], entries[i], "calls",
		    sum[1]);
	}
}

void calls(struct tce *t)
{
	int version;
	pid_t pid;

	for (version = 1; version <= 2; version++) {
		enum memory kind;

		for (kind = SCATTERED; kind <= CONTIGUOUS; kind++) {
			int status;

			fflush(stdout);
			pid = fork();
			if (!pid) {
				bench_calls(t, version, kind);
				fflush(stdout);
				_exit(0);
			}
			if (waitpid(pid, &status, 0) != pid ||
			    !WIFEXITED(status))
				_exit(1);
			if (WEXITSTATUS(status) && WEXITSTATUS(status) != SKIPPED)
				_exit(WEXITSTATUS(status));
		}
	}
}
