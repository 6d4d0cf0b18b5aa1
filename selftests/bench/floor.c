// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor: the platform's operations on the same window, by tce_floor.ko.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static uint64_t floor_op(const char *op, uint64_t first, uint64_t n, int section)
{
	static const char path[] = "/sys/module/tce_floor/parameters/run";
	unsigned int domain, bus, dev, fn;
	int fd = open(path, O_WRONLY | O_CLOEXEC), len;
	uint64_t cost;
	char cmd[128];

	if (fd < 0)
		leave_out("%s: %s", path, strerror(errno));
	if (sscanf(host.device[0].pci, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		fail(__FILE__, __LINE__, "%s is no PCI address", host.device[0].pci);
	len = snprintf(cmd, sizeof(cmd), "%x %x %x 0 %s %llu %llu", domain, bus,
		       dev << 3 | fn, op, (unsigned long long)first,
		       (unsigned long long)n);
	counter_start(&insns);
	mark(section);
	if (write(fd, cmd, len) != len)
		fail(__FILE__, __LINE__, "%s: %m", cmd);
	mark(13);
	cost = counter_stop(&insns);
	close(fd);
	return cost;
}

void floor_rows(struct tce *t)
{
	/* What each one needs before and leaves behind. */
	static const char *const ops[] = {
		"exchange", "exchange0", "set", "clear", "kill"
	};
	uint8_t *page;
	size_t i, o;
	int r;

	attach(t, 2);
	page = memory(CONTIGUOUS, host.page);
	/* The first MAP makes the window. */
	allow(t, page, host.page);
	map(t->container, page, first_iova(t), TCE, RW);
	unmap(t->container, first_iova(t), TCE);

	for (i = 0; i < NR_SIZES && sizes[i] <= opt.max_bytes; i++) {
		int reps = sizes[i] > 4 * MiB ? 2 : MAX_REPS;
		uint64_t n = sizes[i] / TCE, first = 64 * MiB / TCE;
		uint64_t cost[5][MAX_REPS], nop[MAX_REPS];

		for (r = -1; r < reps; r++) {
			for (o = 0; o < 5; o++) {
				/* sections 9, 10: exchanges of 4 MiB */
				bool last = sizes[i] == 4 * MiB &&
					    r == reps - 1 && o < 2;
				uint64_t c = floor_op(ops[o], first, n,
						      last ? 9 + o : 13);

				if (r >= 0)
					cost[o][r] = c;
			}
			if (r >= 0)
				nop[r] = floor_op("nop", first, n, 13);
			floor_op("wipe", first, n, 13);
		}
		for (o = 0; o < 5; o++) {
			uint64_t c = cheapest(cost[o], reps);
			uint64_t none = cheapest(nop, reps);

			row(ops[o], 0, "floor", sizes[i], "insn/tce",
			    c > none ? 1.0 * (c - none) / n : 0);
		}
	}
}

/*
 * What v1 cannot do without besides: pinning and unpinning, alone, by the same
 * module. Per TCE, as the rest: with large pages there are fewer pages to pin.
 */
static void floor_pins_of(enum memory kind)
{
	static const char *const ops[] = {
		"pin", "unpin", "pin-short", "unpin-folio",
		"pin-each", "unpin-each"
	};
	uint64_t cost[6][MAX_REPS], nop[MAX_REPS], size = 4 * MiB;
	uint8_t *mem = memory(kind, size);
	size_t o;
	int r;

	if (!mem)
		return;
	for (r = -1; r < MAX_REPS; r++) {
		for (o = 0; o < 6; o++) {
			bool each = !strcmp(ops[o], "pin-each");
			uint64_t c = floor_op(ops[o], (uintptr_t)mem, size /
					      (each ? TCE : host.page), 13);

			if (r >= 0)
				cost[o][r] = c;
		}
		if (r >= 0)
			nop[r] = floor_op("pin", (uintptr_t)mem, 0, 13);
	}
	for (o = 0; o < 6; o++) {
		uint64_t c = cheapest(cost[o], MAX_REPS);
		uint64_t none = cheapest(nop, MAX_REPS);

		row(ops[o], 0, memory_name[kind], size, "insn/tce",
		    c > none ? 1.0 * (c - none) / (size / TCE) : 0);
	}
}

void floor_pins(struct tce *t)
{
	(void)t;	/* no window has a part in it */
	floor_pins_of(SCATTERED);
	floor_pins_of(CONTIGUOUS);
	floor_pins_of(THP);
	floor_pins_of(HUGETLB);
}
