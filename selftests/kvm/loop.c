// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that does not stop.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
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
 * Two processors put and clear an entry that MAP and UNMAP change, until its memory is
 * unregistered. Another entry of KVM's maps that memory all the time. If any of them counts down
 * what it did not take out, UNREGISTER lets go of what this one still maps. If it counts down too
 * little, UNREGISTER is refused, which may be, but not each time.
 */
#define ROUNDS		40
#define CALLS		100
#define MORE		(256 * MiB)	/* memory for each round */

static struct {
	pthread_barrier_t barrier;
	struct tce *t;
	uint64_t at;
} same;

static long put_same(uint64_t entry, uint64_t page)
{
	return hcall(H_PUT_TCE, LIOBN, base(same.t) + entry * 4096,
		     (same.at + page * 4096) | TCE_RW, 0);
}

static void *processor(void *arg)
{
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&same.barrier);
		for (i = 0; i < CALLS; i++) {
			put_same(0, i % 2);
			clear(base(same.t), 1);
		}
		pthread_barrier_wait(&same.barrier);
	}
	return arg;
}

/* Does the device write to this memory, by the end of one entry and the begin of the next? */
static bool writes(uint8_t *mem)
{
	uint64_t i;

	memset(mem, 0, CHUNK);
	edu_write(&same.t->edu, base(same.t) + 4096 - 8, 0, 16);
	for (i = 0; i < CHUNK && !mem[i]; i++)
		;
	return i < CHUNK;
}

static void same_entries(struct tce *t)
{
	uint8_t *mem = alloc(ROUNDS * CHUNK, CHUNK);
	int round, i, kept = 0;
	pthread_t thread[2];

	prepare(t);
	add_memory(1, MORE, mem, ROUNDS * CHUNK);
	fill(t->bounce, 16, 1);
	edu_read(&t->edu, t->bounce_iova, 0, 16);
	same.t = t;
	pthread_barrier_init(&same.barrier, NULL, 3);
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, processor, NULL);
	for (round = 0; round < ROUNDS; round++, mem += CHUNK) {
		same.at = MORE + round * CHUNK;
		register_mem(t->container, mem, CHUNK);
		expect_rc(0, put_same(1, 2));
		expect(round || writes(mem));
		pthread_barrier_wait(&same.barrier);
		for (i = 0; i < CALLS; i++) {
			map(t->container, mem, base(t) - i % 2 * 4096,
			    (1 + i % 2) * 4096, RW);
			unmap(t->container, base(t) - i % 4 / 2 * 4096,
			      (1 + i % 4 / 2) * 4096);
		}
		pthread_barrier_wait(&same.barrier);
		if (__unregister(t->container, mem, CHUNK)) {
			kept++;
			unmap(t->container, base(t) - 4096, 3 * 4096);
		}
		expect(!writes(mem));
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	note("%d rounds, memory of %d stays registered", round, kept);
	expect(kept < round);
	unregister_mem(t->container, guest.mem, GUEST_SIZE);
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
	{ "two processors map and unmap an entry that MAP and UNMAP change",
	  same_entries, V2 | DMA | POWERNV | DANGEROUS },
	{ "a guest goes on mapping while its container goes", goes_away,
	  V2 | DMA | POWERNV | DANGEROUS },
	{ "a guest goes on while its containers come and go", comes_and_goes,
	  BOTH | DANGEROUS },
};

const struct rows loop_rows = ROWS(rows);
