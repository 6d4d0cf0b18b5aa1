// SPDX-License-Identifier: GPL-2.0-only
/*
 * For how long REGISTER and UNREGISTER keep MAP and UNMAP waiting: the instructions
 * between the entry and the return of the two functions that hold the lock. The kernel
 * reads the counter there, since it is in one group with probes of these functions.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bench.h"

/* One for the head of the buffer; the others are a power of two */
#define BUFFER_PAGES	(1 + 8)

static void probe(const char *line)
{
	int fd = open("/sys/kernel/tracing/kprobe_events",
		      O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		fail(__FILE__, __LINE__, "%s: %m", line);
	close(fd);
}

static int probe_open(const char *event, int leader)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = tracepoint(event),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_READ,
		.read_format = PERF_FORMAT_GROUP,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, leader,
			 PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "%s: %m", event);
	return fd;
}

/* What the kernel writes each time that a probe is met; the counter is the first value. */
struct met {
	struct perf_event_header header;
	uint64_t values;
	uint64_t value[3];
};

/* The longest of the calls that are in the buffer, which is emptied: in, out, in, out ... */
static uint64_t longest(struct perf_event_mmap_page *head)
{
	uint64_t end = __atomic_load_n(&head->data_head, __ATOMIC_ACQUIRE), at;
	const uint8_t *data = (uint8_t *)head + host.page;
	uint64_t in = 0, most = 0, n = 0;

	for (at = head->data_tail; at < end; n++) {
		const struct met *met = (void *)(data + at % (8 * host.page));

		if (met->header.type != PERF_RECORD_SAMPLE || met->values != 3 ||
		    at % (8 * host.page) + sizeof(*met) > 8 * host.page)
			fail(__FILE__, __LINE__, "the kernel writes something else");
		if (n % 2 && met->value[0] - in > most)
			most = met->value[0] - in;
		in = met->value[0];
		at += met->header.size;
	}
	if (!n || n % 2)
		fail(__FILE__, __LINE__, "%llu probes met", (unsigned long long)n);
	__atomic_store_n(&head->data_tail, end, __ATOMIC_RELEASE);
	return most;
}

/* Counts what happens between the entry and the return of a function of the driver. */
static struct perf_event_mmap_page *hold_open(const char *function)
{
	struct perf_event_mmap_page *head;
	int leader = perf_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	char line[128];
	int in, out;

	snprintf(line, sizeof(line), "p:bench/in_%s %s", function, function);
	probe(line);
	snprintf(line, sizeof(line), "r:bench/out_%s %s", function, function);
	probe(line);
	snprintf(line, sizeof(line), "bench/in_%s", function);
	in = probe_open(line, leader);
	snprintf(line, sizeof(line), "bench/out_%s", function);
	out = probe_open(line, leader);
	head = mmap(NULL, BUFFER_PAGES * host.page, PROT_READ | PROT_WRITE,
		    MAP_SHARED, in, 0);
	if (head == MAP_FAILED || ioctl(out, PERF_EVENT_IOC_SET_OUTPUT, in))
		fail(__FILE__, __LINE__, "buffer of %s: %m", function);
	return head;
}

void holds(struct tce *t)
{
	static const uint64_t size[] = { GiB, AGAIN };
	struct perf_event_mmap_page *insert, *release;
	uint8_t *mem;
	size_t i;

	if (strcmp(opt.driver, "ours"))
		leave_out("the functions are those of our driver");
	attach(t, 2);
	mem = same_huge_pages(AGAIN, 2 * MiB);
	if (!mem)
		leave_out("this host has no huge pages of 2 MiB");
	insert = hold_open("tce_region_insert");
	release = hold_open("tce_region_release");
	for (i = 0; i < sizeof(size) / sizeof(*size); i++) {
		uint64_t best[2] = { ~0ULL, ~0ULL }, now;
		int r;

		for (r = 0; r < MAX_REPS; r++) {
			register_mem(t->container, mem, size[i]);
			now = longest(insert);
			best[0] = now < best[0] ? now : best[0];
			unregister_mem(t->container, mem, size[i]);
			now = longest(release);
			best[1] = now < best[1] ? now : best[1];
		}
		row("hold-register", 2, "again", size[i], "insn", best[0]);
		row("hold-unregister", 2, "again", size[i], "insn", best[1]);
	}
}
