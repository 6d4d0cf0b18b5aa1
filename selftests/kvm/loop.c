// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that does not stop.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <pthread.h>
#include <unistd.h>

#include "kvm.h"

volatile bool over;

volatile unsigned long turns;

unsigned int step;		/* it leaves out this many less one */

void *guest_loop(void *arg)
{
	struct tce *t = arg;
	unsigned int i;

	while (!over) {
		for (i = 0; i < 16; i += step)
			put(base(t) + i * 4096, i * 4096);
		for (i = 0; i < 16; i += step)
			clear(base(t) + i * 4096, 1);
		turns++;
	}
	return NULL;
}

static void wait_for_turns(unsigned long n)
{
	unsigned long from = turns;
	int i;

	for (i = 0; i < 1000 && turns - from < n; i++)
		usleep(20000);
	expect(turns - from >= n);
}

static void neighbours(struct tce *t)
{
	uint8_t *mine = alloc(CHUNK, CHUNK);
	pthread_t thread;
	int round, i;

	prepare(t);
	register_mem(t->container, mine, CHUNK);
	step = 2;
	pthread_create(&thread, NULL, guest_loop, t);
	for (round = 0; round < 400 || turns < 200; round++) {
		for (i = 1; i < 16; i += 2)
			map(t->container, mine + i * 4096,
			    base(t) + i * 4096, 4096, RW);
		for (i = 1; i < 16; i += 2)
			unmap(t->container, base(t) + i * 4096, 4096);
	}
	over = true;
	pthread_join(thread, NULL);
	note("%d rounds of ours, %lu of the guest's", round, turns);
	unregister_mem(t->container, mine, CHUNK);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
}

/*
 * The guest changes what MAP and UNMAP change. Whatever comes of that, in the end UNMAP has
 * taken all of it away.
 */
static void same_entries(struct tce *t)
{
	uint8_t *mine = alloc(CHUNK, CHUNK);
	pthread_t thread;
	int round, i;

	prepare(t);
	register_mem(t->container, mine, CHUNK);
	step = 1;
	pthread_create(&thread, NULL, guest_loop, t);
	for (round = 0; round < 400 || turns < 200; round++) {
		for (i = 0; i < 16; i += 1 + round % 2)
			map(t->container, mine + i * 4096,
			    base(t) + i * 4096, 4096, RW);
		map(t->container, mine, base(t), CHUNK, RW);
		unmap(t->container, base(t) + round % 16 * 4096, 4096);
		unmap(t->container, base(t), CHUNK);
	}
	over = true;
	pthread_join(thread, NULL);
	note("%d rounds of ours, %lu of the guest's", round, turns);
	unmap(t->container, base(t), CHUNK);
	for (i = 0; i < 16; i++) {
		expect(!can_write(t, base(t) + i * 4096, mine + i * 4096));
		expect(!reaches(t, base(t) + i * 4096, i * 4096));
	}
	note("UNREGISTER: %ld, %ld", __unregister(t->container, mine, CHUNK),
	     __unregister(t->container, guest.mem, GUEST_SIZE));
}

/* The container goes while the guest goes on; then the guest ends. */
void container_goes(struct tce *t, pthread_t thread)
{
	wait_for_turns(10);
	edu_close(&t->edu);
	detach(t);
	wait_for_turns(10);
	over = true;
	pthread_join(thread, NULL);
}

static void goes_away(struct tce *t)
{
	pthread_t thread;

	prepare(t);
	step = 1;
	pthread_create(&thread, NULL, guest_loop, t);
	wait_for_turns(50);
	unmap(t->container, t->info.dma32_window_start, GiB);
	wait_for_turns(10);
	remove_window(t->container, t->info.dma32_window_start);
	container_goes(t, thread);
	note("%lu rounds of the guest's", turns);
}

/*
 * On pseries KVM keeps a table whose window is gone, by operations that do nothing, and
 * its guest's processors go on using it while they are put in the place of the others.
 */
static void *clear_loop(void *arg)
{
	struct tce *t = arg;

	while (!over) {
		clear(base(t), 64);
		turns++;
	}
	return NULL;
}

static void comes_and_goes(struct tce *t)
{
	struct kvm_vfio_spapr_tce both;
	int32_t group = t->group;
	pthread_t thread;
	int round;

	guest_init();
	allow(t, guest.mem, GUEST_SIZE);
	unmap(t->container, base(t), CHUNK);
	give_table(t);
	pthread_create(&thread, NULL, clear_loop, t);
	for (round = 0; round < 60; round++) {
		unset_container(t->group);
		set_container(t->group, t->container);
		set_iommu(t->container, t->version == 1 ? V1_IOMMU : V2_IOMMU);
		t->enabled = false;
		allow(t, guest.mem, GUEST_SIZE);
		unmap(t->container, base(t), CHUNK);
		/* Without the old tables, of which there would be more and more. */
		expect_rc(0, vfio_attr(KVM_DEV_VFIO_GROUP_DEL, &group));
		expect_rc(0, vfio_attr(KVM_DEV_VFIO_GROUP_ADD, &group));
		both = (struct kvm_vfio_spapr_tce){
			.groupfd = t->group,
			.tablefd = guest.table,
		};
		expect_rc(0, vfio_attr(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, &both));
		wait_for_turns(1);
	}
	over = true;
	pthread_join(thread, NULL);
	note("%d containers, %lu rounds of the guest's", round, turns);
}

static const struct test rows[] = {
	{ "a guest maps beside MAP and UNMAP of neighbouring entries",
	  neighbours, V2 | DMA | POWERNV | DANGEROUS },
	{ "a guest maps and unmaps the entries that MAP and UNMAP change",
	  same_entries, V2 | DMA | POWERNV | DANGEROUS },
	{ "a guest goes on mapping while its container goes", goes_away,
	  V2 | DMA | POWERNV | DANGEROUS },
	{ "a guest goes on while its containers come and go", comes_and_goes,
	  BOTH | DANGEROUS },
};

const struct rows loop_rows = ROWS(rows);
