// SPDX-License-Identifier: GPL-2.0-only
/*
 * Version 1 beside a container of version 2, whose memory KVM knows.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "kvm.h"

static struct tce second;

static void prepare_v1(struct tce *t)
{
	guest_init();
	second.container = open_container();
	second.version = 2;
	set_container(t->group2, second.container);
	set_iommu(second.container, V2_IOMMU);
	register_mem(second.container, guest.mem, GUEST_SIZE);
	bounce_at(t, base(t) - CHUNK);
	give_table(t);
}

static void v1_put(struct tce *t)
{
	long pins, rc;
	bool reached;

	prepare_v1(t);
	pins = pinned();
	rc = put(base(t), 0);
	reached = reaches(t, base(t), 0);
	/* Whatever came of it, UNMAP ends it, and nothing is miscounted. */
	unmap(t->container, base(t), 4096);
	expect(!reaches(t, base(t), 0));
	expect_rc(pins, pinned_settled(pins));
	unregister_mem(second.container, guest.mem, GUEST_SIZE);
	/* KVM has nothing to map in a table of version 1. */
	expect_rc(NOT_IN_KERNEL, rc);
	expect(!reached);
}

static void v1_put_over(struct tce *t)
{
	uint8_t *mine = alloc(CHUNK, CHUNK);
	long pins, rc;
	int i;

	prepare_v1(t);
	pins = pinned();
	for (i = 0; i < 3; i++) {
		map(t->container, mine, base(t), CHUNK, RW);
		expect(can_write(t, base(t), mine));
		rc = put(base(t), 0);
		if (i == 1)
			rc = clear(base(t), 16);
		note("the guest: %ld", rc);
		expect(!reaches(t, base(t), 0));
		if (i == 2)
			map(t->container, mine, base(t), CHUNK, R);
		unmap(t->container, base(t), CHUNK);
		expect(!can_write(t, base(t), mine));
		expect(!reaches(t, base(t), 0));
		expect_rc(pins, pinned_settled(pins));
	}
	unregister_mem(second.container, guest.mem, GUEST_SIZE);
}

static void v1_goes_away(struct tce *t)
{
	uint8_t *mine = alloc(CHUNK, CHUNK);
	pthread_t thread;
	int round;

	prepare_v1(t);
	step = 1;
	pthread_create(&thread, NULL, guest_loop, t);
	for (round = 0; round < 200 || turns < 100; round++) {
		map(t->container, mine, base(t), CHUNK, RW);
		unmap(t->container, base(t), CHUNK);
	}
	map(t->container, mine, base(t), CHUNK, RW);
	container_goes(t, thread);
	note("%d rounds of ours, %lu of the guest's", round, turns);
}

static const struct test rows[] = {
	{ "UNMAP ends what KVM may put into its table", v1_put,
	  V1 | DMA | TWO | POWERNV | DANGEROUS },
	{ "KVM can't make MAP lose a page", v1_put_over,
	  V1 | DMA | TWO | POWERNV | DANGEROUS },
	{ "a guest goes on while MAP, UNMAP and its container go",
	  v1_goes_away, V1 | DMA | TWO | POWERNV | DANGEROUS },
};

const struct rows v1_rows = ROWS(rows);
