/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the cases of all suites share: a process with its memory, its containers, which are driven
 * through the driver's VFIO operations, and what to expect of them.
 *
 * After every call it checks that the platform saw no violation and that nothing
 * is left to be invalidated; and at the end of every case, even of one that failed, that
 * all that the driver counts is as before (tce_state.c).
 */
#ifndef TCE_KUNIT_FIXTURE_H
#define TCE_KUNIT_FIXTURE_H

#include <kunit/test.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "tce_mock.h"
#include "tce_wrap.h"

/* A suite, which has the name of its file, and its cases in an array called after it. */
#define TCE_SUITE(suite)						\
static struct kunit_suite suite##_suite = {				\
	.name = #suite,							\
	.init = tce_fixture_init,					\
	.exit = tce_fixture_exit,					\
	.test_cases = suite##_cases,					\
};									\
kunit_test_suite(suite##_suite)

/*
 * What is counted, in the order of its names in tce_state.c. While containers are open, the balance
 * is of what comes before TCE_ENTRIES.
 */
enum tce_count {
	TCE_PINS, TCE_REACHED, TCE_COUNTED, TCE_LOCKED,
	TCE_ENTRIES, TCE_SUM, TCE_TABLES, TCE_HIDDEN_TABLES,
	TCE_LEAKED_TABLES, TCE_LEAKED_PAGES, TCE_TABLE_PAGES, TCE_CLOSING, TCE_MODULE,
	TCE_CONTAINERS, TCE_CONTAINER_REFS, TCE_ENABLED, TCE_PENDING, TCE_GROUPS, TCE_WINDOWS,
	TCE_V1_PAGES, TCE_V1_CHARGED, TCE_UNCHARGE,
	TCE_MM_USERS, TCE_MM_OPEN, TCE_MM_LEAKED, TCE_MM_TABLES, TCE_LISTED, TCE_DRAINING,
	TCE_REGIONS, TCE_REGION_REFS, TCE_MAPPED,
	TCE_COUNTS,
};

/* All of it, at one time */
struct tce_state {
	long n[TCE_COUNTS];
};

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
 * @pages_left: pages that the driver has to keep for good
 * @hypercalls: of KVM that are under way, the invalidation of which is still to come
 * @kvm_left: KVM may have taken out entries, and does not ask for their invalidation
 * @begun: what there was at the start
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
	unsigned int pages_left;
	unsigned int hypercalls;
	bool kvm_left;
	struct tce_state begun;
};

/**
 * struct tce_client - a container
 * @list: in &tce_fixture.clients
 * @fx: the process
 * @data: what the driver knows it by
 * @v2: which interface it speaks
 * @slot: its part of &tce_fixture.args
 * @arg: where the arguments of its ioctls are
 */
struct tce_client {
	struct list_head list;
	struct tce_fixture *fx;
	void *data;
	bool v2;
	unsigned int slot;
	unsigned long arg;
};

/* Bits of a stamp that no user address has, and no address of the kernel */
#define TCE_STAMP	0x3c00000000000000ULL

/* Kinds of user memory */
enum tce_mem_kind {
	TCE_MEM_PLAIN,		/* private, anonymous, small pages, all touched */
	TCE_MEM_SCATTERED,	/* the same, touched so that neighbours are apart */
	TCE_MEM_SHARED,		/* shared memory (shmem) */
	TCE_MEM_THP,		/* transparent huge pages, which may be split at any time */
	TCE_MEM_HUGETLB,	/* pages of hugetlbfs */
};

int tce_fixture_init(struct kunit *test);
void tce_fixture_exit(struct kunit *test);
void tce_needs_faults(struct kunit *test);
void tce_settled(struct tce_fixture *fx);
void tce_get_state(struct tce_fixture *fx, struct tce_state *state);
void tce_expect_state(struct tce_fixture *fx, const struct tce_state *before, const char *what);
void tce_expect_less(struct tce_fixture *fx, const struct tce_state *before, const char *what,
		     u64 less);
void tce_expect_balance(struct tce_fixture *fx);
unsigned long tce_charged(struct tce_fixture *fx);
int tce_module_users(void);

struct tce_mock_group *tce_group(struct tce_fixture *fx);
struct tce_mock_group *tce_group_of(const struct tce_client *client);
struct tce_client *tce_open(struct tce_fixture *fx, bool v2);
void tce_close(struct tce_client *client);
int tce_attach(struct tce_client *client, struct tce_mock_group *grp);
void tce_detach(struct tce_client *client, struct tce_mock_group *grp);

void tce_drop_cap(struct tce_fixture *fx, unsigned long pages);
void tce_restore_cap(struct tce_fixture *fx);

/* What a call says while a SIGKILL is pending, if it is */
#define TCE_KILLED_IF(killed, call) ({					\
	typeof(call) _rc;						\
									\
	tce_be_killed(killed);						\
	_rc = call;							\
	tce_be_killed(false);						\
	_rc;								\
})

/* What has no result */
#define TCE_DO_KILLED(call) do {					\
	tce_be_killed(true);						\
	call;								\
	tce_be_killed(false);						\
} while (0)

/* What a call says to somebody who may lock so many pages */
#define TCE_LIMITED(fx, pages, call) ({					\
	struct tce_fixture *_fx = fx;					\
	typeof(call) _rc;						\
									\
	tce_drop_cap(_fx, pages);					\
	_rc = call;							\
	tce_restore_cap(_fx);						\
	_rc;								\
})

void tce_watch(struct tce_fixture *fx);

/* tce_user_memory.c */
unsigned long tce_memory(struct tce_fixture *fx, enum tce_mem_kind kind,
			 unsigned long size);
void tce_stamp(unsigned long ua, unsigned long size);
void tce_renew(struct tce_fixture *fx, unsigned long ua, unsigned long size);
unsigned long tce_plain(struct tce_fixture *fx, unsigned long size);
struct page *tce_page(struct tce_fixture *fx, unsigned long ua);
int tce_holders(struct page *page);
void tce_apart(struct tce_fixture *fx);

/* tce_client.c */
#define TCE_R	VFIO_DMA_MAP_FLAG_READ
#define TCE_W	VFIO_DMA_MAP_FLAG_WRITE
#define TCE_RW	(TCE_R | TCE_W)

/* A generator of parameters from @next(prev, desc). Linux 6.18 gives it its case as well. */
#ifdef kunit_register_params_array
#define TCE_GENERATOR(name, next)					\
static const void *name##_gen_params(struct kunit *test,		\
				     const void *prev, char *desc)	\
{									\
	return next(prev, desc);					\
}
#else
#define TCE_GENERATOR(name, next)					\
static const void *name##_gen_params(const void *prev, char *desc)	\
{									\
	return next(prev, desc);					\
}
#endif

struct tce_client *tce_ready(struct tce_fixture *fx, bool v2,
			     struct tce_mock_group **pgrp);
struct tce_client *tce_ready_window(struct tce_fixture *fx, u32 shift,
				    u64 size, u32 levels,
				    struct tce_mock_group **pgrp);
struct tce_client *tce_ready_for(struct tce_fixture *fx, bool v2, unsigned long ua,
				 unsigned long size, struct tce_mock_group **pgrp);
int tce_listed(const struct tce_client *client);

long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg);
long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size);
long tce_enable(struct tce_client *client);
long tce_disable(struct tce_client *client);
long tce_eeh(struct tce_client *client, struct vfio_eeh_pe_op *op);
long tce_register(struct tce_client *client, u64 ua, u64 size);
long tce_unregister(struct tce_client *client, u64 ua, u64 size);
long tce_create(struct tce_client *client, u32 shift, u64 size, u32 levels,
		u64 *start);
long tce_remove(struct tce_client *client, u64 start);
long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags);
long tce_unmap(struct tce_client *client, u64 ioba, u64 size);

void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags);
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size);

void tce_expect_why(struct tce_fixture *fx, const char *by);

/* Expect that a call is refused, for a reason or else by a function, and changes nothing. */
#define TCE_REFUSED(fx, why, errno, call) do {				\
	struct tce_fixture *_fx = fx;					\
	struct tce_state _before;					\
									\
	tce_get_state(_fx, &_before);					\
	_fx->mock->refused_by = NULL;					\
	KUNIT_EXPECT_EQ(_fx->test, call, -(errno));			\
	tce_expect_why(_fx, #why);					\
	tce_expect_state(_fx, &_before, #why);				\
} while (0)

#endif /* TCE_KUNIT_FIXTURE_H */
