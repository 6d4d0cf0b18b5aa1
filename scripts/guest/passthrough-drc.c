// SPDX-License-Identifier: GPL-2.0-only
/*
 * Give a slot of a pseries machine back to the hypervisor, or ask for it, by
 * RTAS. The kernel does this by itself for memory and CPUs only; for PCI cards
 * it is the business of programs like this one.
 *
 * usage: drc release|acquire INDEX	(hexadecimal)
 * Exit codes: 0 done, 1 refused, 2 wrong usage, or no RTAS here.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ISOLATION_STATE	9001	/* 0: isolated, 1: in use */

/* What the system call wants; all of it is big endian. */
struct rtas_call {
	uint32_t token;
	uint32_t nargs;
	uint32_t nret;
	uint32_t args[16];
	uint32_t *rets;		/* for the kernel's use */
};

static int set_indicator(uint32_t token, uint32_t indicator, uint32_t index,
			 uint32_t value)
{
	struct rtas_call call = {
		.token = token,
		.nargs = htonl(3),
		.nret = htonl(1),
		.args = { htonl(indicator), htonl(index), htonl(value) },
	};
	int status;

	if (syscall(SYS_rtas, &call)) {
		perror("rtas");
		return 1;
	}
	status = (int32_t)ntohl(call.args[3]);
	if (status)
		fprintf(stderr, "indicator %u of %x to %u: %d\n", indicator,
			index, value, status);
	return status != 0;
}

int main(int argc, char **argv)
{
	uint32_t token, index;
	FILE *file;

	if (argc != 3 || (strcmp(argv[1], "release") && strcmp(argv[1], "acquire"))) {
		fprintf(stderr, "usage: drc release|acquire INDEX\n");
		return 2;
	}
	file = fopen("/proc/device-tree/rtas/set-indicator", "r");
	if (!file || fread(&token, sizeof(token), 1, file) != 1) {
		fprintf(stderr, "drc: no RTAS here\n");
		return 2;
	}
	index = strtoul(argv[2], NULL, 16);
	return set_indicator(token, ISOLATION_STATE, index,
			     !strcmp(argv[1], "acquire"));
}
