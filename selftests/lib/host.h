/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: its platform, and the edu devices that vfio-pci has.
 */
#ifndef SELFTESTS_HOST_H
#define SELFTESTS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MAX_DEVICES	24

/* What the machine has, found once before the first test. */
struct host {
	bool powernv;
	int kernel;			/* its version: 601 is Linux 6.1 */
	size_t page;			/* CPU page size */
	int devices;
	struct {
		char pci[32];
		int group;		/* number of the IOMMU group */
		uid_t owner;		/* of the group's file */
	} device[MAX_DEVICES];
	int other;			/* a device of another group, or -1 */
	bool given;			/* somebody chose the device: host_use() */
};

extern struct host host;

/* Finds out what there is, and uses nothing of it. */
void host_init(void);
bool host_use(const char *pci);
/* Somebody chose the device, and it is there no more. */
bool host_lost(void);
/* Gives vfio-pci the devices that it had at first, and their files to their owners. */
bool host_restore(void);
void host_refresh(void);
/* What the PCI device's file says, 0 if there is none */
unsigned long read_hex(const char *dev, const char *attr);
/* Root only: takes the device's second function away, or has it found again, in its group. */
bool host_second(int device, bool there);
/* Is the text in a line of the file? */
bool find_line(const char *path, const char *text);
/* Writes to a file of the kernel's: 0 or -errno. */
long write_to(const char *path, const char *text);

#endif
