// SPDX-License-Identifier: GPL-2.0-only
/*
 * EEH operations, each of which may want the lock of the device, or that of all devices
 * of the host (pci_rescan_remove_lock).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "waits.h"

static const char *const eeh_names[] = {
	"DISABLE", "ENABLE", "UNFREEZE_IO", "UNFREEZE_DMA", "GET_STATE",
	"RESET_DEACTIVATE", "RESET_HOT", "RESET_FUNDAMENTAL", "CONFIGURE",
	"INJECT_ERR",
};

#define EEH_OPS		10

static uint32_t first_op, last_op;
static bool again;			/* and again, until the container is gone */
static volatile bool over;

static long eeh_op(uint32_t op)
{
	struct vfio_eeh_pe_op arg = { .argsz = sizeof(arg), .op = op };

	return __raw(box.container, VFIO_EEH_PE_OP, &arg);
}

static void *operate(void *arg)
{
	uint32_t op = (uintptr_t)arg;

	do {
		shared->result[op] = eeh_op(op);
	} while (again && !over);
	shared->returned[op] = true;
	return NULL;
}

static int open_device(int group, int device)
{
	long fd = __raw(group, VFIO_GROUP_GET_DEVICE_FD, host.device[device].pci);

	if (fd < 0)
		fail_rc(__FILE__, __LINE__, "GET_DEVICE_FD", 0, fd);
	return fd;
}

static int open_for_eeh(int version)
{
	int fd;

	attach(&box, version);
	if (!__check_extension(box.container, VFIO_EEH))
		skip("this host has no EEH");
	fd = open_device(box.group, 0);
	expect_rc(0, eeh_op(VFIO_EEH_PE_ENABLE));
	return fd;
}

static pthread_t eeh_threads[EEH_OPS];

/* Returns when they wait for a lock, those that do. */
static void start_operations(void)
{
	uint32_t op;
	int i;

	for (op = first_op; op <= last_op; op++)
		expect(!pthread_create(&eeh_threads[op], NULL, operate,
				       (void *)(uintptr_t)op));
	for (i = 0; i < 50; i++) {
		nap(10);
		for (op = first_op; op <= last_op; op++)
			if (!shared->returned[op])
				break;
		if (op > last_op)
			break;
	}
}

static void join_operations(void)
{
	uint32_t op;

	for (op = first_op; op <= last_op; op++)
		pthread_join(eeh_threads[op], NULL);
}

static void eeh_client(void *arg)
{
	int fd = open_for_eeh(*(int *)arg);

	tell(OPENED);
	obey(CALL);
	start_operations();
	tell(CALLED);
	obey(CLOSE);
	over = true;
	close(fd);
	close(box.group);
	close(box.container);
	tell(CLOSED);
	join_operations();
}

/* Takes the device out of the reset that the last operations have left it in. */
static void eeh_recover(void *arg)
{
	attach(&box, *(int *)arg);
	expect_rc(0, eeh_op(VFIO_EEH_PE_ENABLE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_RESET_HOT));
	expect_rc(0, eeh_op(VFIO_EEH_PE_RESET_DEACTIVATE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_CONFIGURE));
	expect_rc(0, eeh_op(VFIO_EEH_PE_UNFREEZE_IO));
	expect_rc(0, eeh_op(VFIO_EEH_PE_UNFREEZE_DMA));
}

static void device_works(void *arg)
{
	attach(&box, *(int *)arg);
	expect_rc(0, edu_open(&box.edu, box.group, 0));
}

/*
 * The firmware of QEMU's POWER8 loses a slot that is reset while a reset of it ends
 * ("Unexpected slot state", "Error -6 on hot reset"): no driver gets the device then.
 */
static void need_firmware(void)
{
	char line[256];
	FILE *info = fopen("/proc/cpuinfo", "r");

	while (info && fgets(line, sizeof(line), info))
		if (host.powernv && strstr(line, "POWER8"))
			skip("the firmware loses slots that are reset in a row");
	if (info)
		fclose(info);
}

/*
 * Gives the device back as it was. What the kernel knows of its registers it may have
 * read when EEH had closed them, so it has to find it anew.
 */
static void eeh_mend(struct tce *t)
{
	expect(host_restore());
	expect(ends(spawn(true, eeh_recover, &t->version), LIMIT));
	expect(ends(spawn(false, unplug, host.device[0].pci), LIMIT));
	expect(host_restore());
	expect(ends(spawn(true, device_works, &t->version), LIMIT));
}

/* @before: root comes before the operations, and has the lock when they do. */
static void eeh_against(struct tce *t, void (*take)(void *), uint32_t first,
			uint32_t last, bool before)
{
	pid_t client, root = 0;
	uint32_t op;

	first_op = first;
	last_op = last;
	again = !before;
	client = start_client(eeh_client, t, OPENED);
	if (before)
		root = start_taking(take, 0);
	tell(CALL);
	expect(hears(CALLED));
	if (!before)
		root = start_taking(take, 0);
	expect_others_go_on(t, "before the device is closed");
	tell(CLOSE);
	if (!ends(root, LIMIT))
		fail(__FILE__, __LINE__,
		     "the device was closed, root still can't have it (%s)",
		     first == last ? eeh_names[first] : "all at once");
	if (!hears(CLOSED))
		fail(__FILE__, __LINE__, "the client can't close");
	if (!ends(client, LIMIT)) {
		for (op = first; op <= last; op++)
			if (!shared->returned[op])
				note("%s has not returned", eeh_names[op]);
		fail(__FILE__, __LINE__, "the operation does not end");
	}
	for (op = first; op <= last; op++)
		note("%s: %ld", eeh_names[op], shared->result[op]);
	expect_others_go_on(t, "after all");
	/* The others leave the device as it was. */
	if (last < VFIO_EEH_PE_RESET_DEACTIVATE)
		expect(host_restore());
	else
		eeh_mend(t);
}

/*
 * A client that closes nothing, but is killed. Its files are open for as long as one of
 * its threads is there, so that none may wait for the lock of a device in a way that no
 * signal ends: root waits for the device's file.
 */
static void eeh_killed(struct tce *t)
{
	static const uint32_t ops[] = { VFIO_EEH_PE_RESET_HOT,
					VFIO_EEH_PE_RESET_FUNDAMENTAL };
	pid_t client, root;
	int i;

	need_firmware();
	again = false;
	for (i = 0; i < 2; i++) {
		first_op = ops[i];
		last_op = ops[i];
		client = start_client(eeh_client, t, OPENED);
		root = start_taking(unbind, 0);
		tell(CALL);
		expect(hears(CALLED));
		expect_dies(client);
		if (!ends(root, LIMIT))
			fail(__FILE__, __LINE__, "root waits for the dead");
		expect_others_go_on(t, "after all");
		eeh_mend(t);
	}
}

static void eeh_unbind_one_by_one(struct tce *t)
{
	uint32_t op;

	for (op = 0; op < EEH_OPS; op++)
		eeh_against(t, unbind, op, op, true);
}

static void eeh_unbind(struct tce *t)
{
	eeh_against(t, unbind, 0, EEH_OPS - 1, true);
}

static void eeh_unbind_loop(struct tce *t)
{
	eeh_against(t, unbind, 0, EEH_OPS - 1, false);
}

static void eeh_unplug(struct tce *t)
{
	need_firmware();
	eeh_against(t, unplug, 0, EEH_OPS - 1, true);
}

/*
 * The kernel's reset walks the devices of the bus and waits for the lock of each. One
 * that is unplugged meanwhile is not in the list any more: no reset may have begun to
 * wait by then.
 */
static void eeh_unplug_resets(struct tce *t)
{
	int i;

	need_firmware();
	for (i = 0; i < 2; i++)
		eeh_against(t, unplug, VFIO_EEH_PE_RESET_HOT,
			    VFIO_EEH_PE_RESET_FUNDAMENTAL, false);
}

static void eeh_unplug_loop(struct tce *t)
{
	need_firmware();
	eeh_against(t, unplug, 0, EEH_OPS - 1, false);
}

/*
 * Root unplugs another device, and waits for its file with the lock that resets wait
 * for. The VFIO core lets a group leave its container once its own devices are closed.
 */
static void leaving_client(void *arg)
{
	int fd = open_for_eeh(*(int *)arg), other, container;
	uint8_t *mem = alloc(CHUNK, CHUNK);
	long rc;

	open_box2(*(int *)arg);
	other = open_device(box2.group, host.other);
	tell(OPENED);
	obey(CALL);
	start_operations();
	expect_rc(-EBUSY, __unset_container(box.group));
	close(fd);
	unset_container(box.group);
	tell(CALLED);
	/* and is of use elsewhere */
	container = box.container;
	box.container = open_container();
	set_container(box.group, box.container);
	set_iommu(box.container, box.version == 1 ? V1_IOMMU : V2_IOMMU);
	allow(&box, mem, CHUNK);
	map(box.container, mem, box.info.dma32_window_start, CHUNK, RW);
	tell(CLOSED);
	obey(CLOSE);
	close(other);
	/* the last device of a group may have done this already */
	rc = __unset_container(box2.group);
	expect(!rc || rc == -EINVAL);
	join_operations();
	detach(&box);
	close(container);
}

static void eeh_unset(struct tce *t)
{
	/* of which each waits, or comes behind one that does */
	static const uint32_t ops[] = {
		VFIO_EEH_PE_ENABLE, VFIO_EEH_PE_RESET_DEACTIVATE,
		VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_FUNDAMENTAL,
	};
	pid_t client, root;
	unsigned int i;

	again = false;
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		first_op = ops[i];
		last_op = ops[i];
		client = start_client(leaving_client, t, OPENED);
		root = start_taking(unplug, host.other);
		tell(CALL);
		if (!hears(CALLED))
			fail(__FILE__, __LINE__, "UNSET_CONTAINER waits for %s",
			     eeh_names[ops[i]]);
		if (!hears(CLOSED))
			fail(__FILE__, __LINE__, "the group can't be used");
		expect(!shared->returned[ops[i]]);
		expect(lives(root));
		tell(CLOSE);
		expect(ends(root, LIMIT));
		expect(ends(client, LIMIT));
		/* by its turn the group was not the container's any more */
		expect_rc(-ENODEV, shared->result[ops[i]]);
		expect(host_restore());
		expect_others_go_on(t, "after all");
	}
}

static const struct test rows[] = {
	{ "root unbinds a device that EEH operations wait for", eeh_unbind,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unbinds a device that an EEH operation waits for, each of them",
	  eeh_unbind_one_by_one, V2 | APART | TWO | DANGEROUS },
	{ "root unbinds a device amid EEH operations", eeh_unbind_loop,
	  V2 | APART | TWO | DANGEROUS },
	{ "a client that is killed while EEH waits for its device", eeh_killed,
	  BOTH | APART | TWO | DANGEROUS },
	{ "root unplugs a device that EEH operations wait for", eeh_unplug,
	  V2 | APART | TWO | DANGEROUS },
	{ "root unplugs a device amid EEH operations", eeh_unplug_loop,
	  V2 | APART | TWO | DANGEROUS },
	{ "root unplugs a device amid EEH resets", eeh_unplug_resets,
	  V2 | APART | TWO | DANGEROUS },
	{ "a group leaves its container while an EEH operation waits", eeh_unset,
	  BOTH | APART | TWO | DANGEROUS },
};

const struct rows eeh_rows = ROWS(rows);
