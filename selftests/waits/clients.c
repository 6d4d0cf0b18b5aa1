// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row's clients, the client beside them, and root.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "waits.h"

void neighbour(void *arg)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);
	struct tce other = { .version = *(int *)arg };
	uint64_t iova;

	other.container = open_container();
	other.group = open_group(host.other);
	set_container(other.group, other.container);
	set_iommu(other.container, other.version == 1 ? V1_IOMMU : V2_IOMMU);
	get_info(other.container, &other.info);
	iova = other.info.dma32_window_start + 32 * MiB;
	allow(&other, mem, CHUNK);
	map(other.container, mem, iova, CHUNK, RW);
	unmap(other.container, iova, CHUNK);
	detach(&other);
}

void unbind(void *pci)
{
	expect_rc(0, write_to("/sys/bus/pci/drivers/vfio-pci/unbind", pci));
}

void unplug(void *pci)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
		 (char *)pci);
	expect_rc(0, write_to(path, "1"));
}

/*
 * Does @pid wait for a device's file to be closed? The kernel takes the device's name away
 * before it waits, but for old ones, as 6.1.
 */
static bool waits_for_file(pid_t pid, const char *name)
{
	char path[32], line[64] = "", *where = line;
	FILE *f;

	if (name && access(name, F_OK))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	/* in big endian the name of a function's code begins with a dot */
	if (*where == '.')
		where++;
	return !strcmp(where, "vfio_unregister_group_dev");
}

/*
 * Root takes the device away while its file is open: this waits, with the lock of the
 * device.
 */
pid_t start_taking(void (*take)(void *), int device)
{
	char path[300], *name = path;
	pid_t pid;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 host.device[device].pci);
	/* since 6.1 */
	if (access(path, F_OK))
		name = NULL;
	pid = spawn(false, take, host.device[device].pci);
	for (i = 0; i < LIMIT * 50 && !waits_for_file(pid, name); i++)
		nap(20);
	expect(waits_for_file(pid, name));
	nap(100);
	expect(lives(pid));
	return pid;
}

struct tce box, box2;		/* the client's */

/* The client's other container, which has the other group */
void open_box2(int version)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	box2.version = version;
	box2.container = open_container();
	box2.group = open_group(host.other);
	set_container(box2.group, box2.container);
	set_iommu(box2.container, version == 1 ? V1_IOMMU : V2_IOMMU);
	get_info(box2.container, &box2.info);
	allow(&box2, mem, CHUNK);
	map(box2.container, mem, box2.info.dma32_window_start + 32 * MiB, CHUNK,
	    RW);
}

/* A client that has come so far. */
pid_t start_client(void (*run)(void *), struct tce *t, enum step step)
{
	pid_t client;

	share();
	client = spawn(true, run, &t->version);
	if (!hears_of(client, step)) {
		ends(client, 0);
		fail(__FILE__, __LINE__, "the client does not begin");
	}
	return client;
}

/* Who was killed is gone soon. */
void expect_dead(pid_t client)
{
	int i, status;

	for (i = 0; i < LIMIT * 50; i++) {
		if (waitpid(client, &status, WNOHANG) == client)
			return;
		nap(20);
	}
	fail(__FILE__, __LINE__, "the client can't be killed");
}

/* A client that waits dies when it is told to. */
void expect_dies(pid_t client)
{
	expect(lives(client));
	kill(client, SIGKILL);
	expect_dead(client);
}

/* Opens and maps what a client has, so that there is something to be given back. */
void open_box(int version)
{
	uint8_t *mem = alloc(CHUNK, CHUNK);

	attach(&box, version);
	allow(&box, mem, CHUNK);
	map(box.container, mem, box.info.dma32_window_start + 32 * MiB, CHUNK,
	    RW);
}

void close_box(void)
{
	close(box.group);
	close(box.container);
	tell(CLOSED);
}

void expect_closes(const char *what)
{
	tell(CLOSE);
	if (!hears(CLOSED))
		fail(__FILE__, __LINE__, "close waits for %s", what);
}

/* A client waits, and nobody else: not root, nor another one, nor its own close. */
void expect_all_go_on(struct tce *t, const char *what)
{
	pid_t root;

	expect_others_go_on(t, "while a client does");
	root = spawn(false, unbind, host.device[0].pci);
	if (!ends(root, LIMIT))
		fail(__FILE__, __LINE__, "root waits for %s", what);
	expect_others_go_on(t, "after that");
	expect_closes(what);
}
