// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, which the device writes through a window of the bridge's, not of the
 * module's. They must work while the module has the others.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

/* The kind of interrupts that the device has: an index of VFIO's, or -1. */
static int kind(struct check *c)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };
	unsigned int index;

	for (index = VFIO_PCI_MSI_IRQ_INDEX; index <= VFIO_PCI_MSIX_IRQ_INDEX; index++) {
		info.index = index;
		if (c->e.kinds & 1u << index &&
		    !__raw(c->e.fd, VFIO_DEVICE_GET_IRQ_INFO, &info) && info.count)
			return index;
	}
	return -1;
}

static int listen_to(struct check *c, int index)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int)];
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = index, .count = 1,
		},
	};
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	expect(event >= 0);
	memcpy(arg.set.data, &event, sizeof(event));
	expect_rc(0, __raw(c->e.fd, VFIO_DEVICE_SET_IRQS, &arg));
	return event;
}

/* A device has to know of its interrupts when it starts. What that made does not count. */
static void forget(struct check *c, int event)
{
	uint64_t count;

	expect_rc(0, engine_restart(&c->e));
	sleep_ms(100);
	if (read(event, &count, sizeof(count)) < 0)
		expect(errno == EAGAIN);
}

static void arrives(struct tce *t)
{
	struct pollfd event = { .events = POLLIN };
	struct check c;
	int index;

	check_begin(&c, t, 64 * KiB);
	index = kind(&c);
	if (index < 0)
		skip("this device has no MSI of a kind that the engine knows");
	event.fd = listen_to(&c, index);
	forget(&c, event.fd);
	expect(poll(&event, 1, 0) == 0);
	expect_rc(0, c.e.ops->interrupt(&c.e));
	if (poll(&event, 1, ENGINE_MS) != 1)
		fail(__FILE__, __LINE__, "no interrupt came");
	note("%s", index == VFIO_PCI_MSI_IRQ_INDEX ? "MSI" : "MSI-X");
	check_end(&c);
}

static const struct test tests[] = {
	{ "an interrupt arrives", arrives, BOTH },
};

const struct rows msi_rows = ROWS(tests);
