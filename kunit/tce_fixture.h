/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the cases of all suites share: a process, and its containers, which are
 * driven through the driver's VFIO operations.
 *
 * After every call it checks that the platform saw no violation and that nothing
 * is left to be killed; and at the end of every case, even of one that failed, that
 * all pins, charges, tables and references have been given back.
 */
#ifndef TCE_KUNIT_FIXTURE_H
#define TCE_KUNIT_FIXTURE_H

#include <kunit/test.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "tce_mock_group.h"
#include "tce_mock_page.h"
#include "tce_wrap.h"

#define TCE_CLIENT_GROUPS	4

/* A suite, which has the name of its file, and its cases in an array called after it. */
#define TCE_SUITE(suite)						\
static struct kunit_suite suite##_suite = {				\
	.name = #suite,							\
	.init = tce_fixture_init,					\
	.exit = tce_fixture_exit,					\
	.test_cases = suite##_cases,					\
};									\
kunit_test_suite(suite##_suite)

/**
 * struct tce_fixture - a process that uses VFIO
 * @test: the case
 * @mock: the platform
 * @mm: its memory, that of the thread that runs the case
 * @args: user page for arguments of ioctls
 * @slots: the parts of it that are in use, one for each container
 * @next_ua: where the next piece of user memory goes
 * @clients: its containers (struct tce_client)
 * @busy: how many other threads are at work: calls can't be checked one by one
 * @filler: has the regions of tce_fill_list()
 * @filled: pages of these
 * @tables_left: tables that will stay in bridges for good
 * @locked_vm: of @mm at the start
 * @foll_pins: long-term pins in the whole system at the start
 */
struct tce_fixture {
	struct kunit *test;
	struct tce_mock *mock;
	struct mm_struct *mm;
	unsigned long args;
	unsigned long slots;
	unsigned long next_ua;
	struct list_head clients;
	unsigned int busy;
	struct tce_client *filler;
	unsigned int filled;
	unsigned int tables_left;
	unsigned long locked_vm;
	long foll_pins;
};

/**
 * struct tce_client - a container
 * @list: in &tce_fixture.clients
 * @fx: the process
 * @data: what the driver knows it by
 * @v2: which interface it speaks
 * @slot: its part of &tce_fixture.args
 * @arg: where the arguments of its ioctls are
 * @groups: what is attached
 */
struct tce_client {
	struct list_head list;
	struct tce_fixture *fx;
	void *data;
	bool v2;
	unsigned int slot;
	unsigned long arg;
	struct tce_mock_group *groups[TCE_CLIENT_GROUPS];
};

int tce_fixture_init(struct kunit *test);
void tce_fixture_exit(struct kunit *test);
void tce_needs_faults(struct kunit *test);
void tce_settled(struct tce_fixture *fx);
void tce_unpinned(struct tce_fixture *fx);
void tce_expect_balance(struct tce_fixture *fx);
unsigned long tce_charged(struct tce_fixture *fx);

struct tce_mock_group *tce_group(struct tce_fixture *fx);
struct tce_client *tce_open(struct tce_fixture *fx, bool v2);
void tce_close(struct tce_client *client);
int tce_attach(struct tce_client *client, struct tce_mock_group *grp);
void tce_detach(struct tce_client *client, struct tce_mock_group *grp);

void tce_drop_cap(struct tce_fixture *fx, unsigned long pages);
void tce_restore_cap(struct tce_fixture *fx);
void tce_be_killed(bool killed);
void tce_watch(struct tce_fixture *fx);

#endif /* TCE_KUNIT_FIXTURE_H */
