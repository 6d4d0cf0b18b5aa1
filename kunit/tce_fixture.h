/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the cases of all suites share: a process with memory, containers that
 * are driven through the driver's VFIO operations, and what to expect of them.
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
#include "tce_mock_table.h"
#include "tce_wrap.h"

#define TCE_R	VFIO_DMA_MAP_FLAG_READ
#define TCE_W	VFIO_DMA_MAP_FLAG_WRITE
#define TCE_RW	(TCE_R | TCE_W)

#define TCE_CLIENT_GROUPS	4

/* Bits of a stamp that no user address has, and no address of the kernel */
#define TCE_STAMP	0x3c00000000000000ULL

/* A suite, which has the name of its file, and its cases in an array called after it. */
#define TCE_SUITE(suite)						\
static struct kunit_suite suite##_suite = {				\
	.name = #suite,							\
	.init = tce_fixture_init,					\
	.exit = tce_fixture_exit,					\
	.test_cases = suite##_cases,					\
};									\
kunit_test_suite(suite##_suite)

struct tce_client;

/* What a call that fails does not change */
struct tce_state {
	struct tce_snapshot snap;
	unsigned long pins;
	unsigned long locked;
	long counted;
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

/**
 * enum tce_mem_kind - kinds of user memory
 * @TCE_MEM_PLAIN: private, anonymous, in small pages, touched from the start to the end
 * @TCE_MEM_SCATTERED: the same, touched so that neighbours are apart
 * @TCE_MEM_UNTOUCHED: private, anonymous, no page is there yet
 * @TCE_MEM_READONLY: private, anonymous, may not be written
 * @TCE_MEM_NOACCESS: private, anonymous, may not be touched
 * @TCE_MEM_SHARED: shared memory (shmem)
 * @TCE_MEM_THP: transparent huge pages, which may be split at any time
 * @TCE_MEM_HUGETLB: pages of hugetlbfs
 * @TCE_MEM_CONTIGUOUS: the same as @TCE_MEM_PLAIN, few pages, one behind the other
 */
enum tce_mem_kind {
	TCE_MEM_PLAIN,
	TCE_MEM_SCATTERED,
	TCE_MEM_UNTOUCHED,
	TCE_MEM_READONLY,
	TCE_MEM_NOACCESS,
	TCE_MEM_SHARED,
	TCE_MEM_THP,
	TCE_MEM_HUGETLB,
	TCE_MEM_CONTIGUOUS,
};

int tce_fixture_init(struct kunit *test);
void tce_fixture_exit(struct kunit *test);
void tce_needs_faults(struct kunit *test);
void tce_settled(struct tce_fixture *fx);
void tce_unpinned(struct tce_fixture *fx);
void tce_expect_balance(struct tce_fixture *fx);
void tce_get_state(struct tce_fixture *fx, struct tce_state *state);
void tce_expect_state(struct tce_fixture *fx, const struct tce_state *before,
		      const char *what);
unsigned long tce_charged(struct tce_fixture *fx);

unsigned long tce_memory(struct tce_fixture *fx, enum tce_mem_kind kind,
			 unsigned long size);
void tce_stamp(unsigned long ua, unsigned long size);
struct file *tce_file(struct tce_fixture *fx, unsigned long ua);
unsigned long tce_plain(struct tce_fixture *fx, unsigned long size);
unsigned long tce_hole(struct tce_fixture *fx, unsigned long size);

struct tce_mock_group *tce_group(struct tce_fixture *fx);
struct tce_client *tce_open(struct tce_fixture *fx, bool v2);
void tce_close(struct tce_client *client);
int tce_attach(struct tce_client *client, struct tce_mock_group *grp);
void tce_detach(struct tce_client *client, struct tce_mock_group *grp);
struct tce_client *tce_ready(struct tce_fixture *fx, bool v2,
			     struct tce_mock_group **pgrp);
unsigned long tce_fill_list(struct tce_fixture *fx);
struct tce_client *tce_ready_window(struct tce_fixture *fx, u32 shift,
				    u64 size, u32 levels,
				    struct tce_mock_group **pgrp);
struct tce_client *tce_ready_for(struct tce_fixture *fx, bool v2, unsigned long ua,
				 unsigned long size, struct tce_mock_group **pgrp);
struct tce_client *tce_two_windows(struct kunit *test,
				   struct tce_mock_group **pgrp,
				   unsigned long *ua);

long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg);
long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size);
long tce_info(struct tce_client *client,
	      struct vfio_iommu_spapr_tce_info *info);
long tce_enable(struct tce_client *client);
long tce_disable(struct tce_client *client);
long tce_register(struct tce_client *client, u64 ua, u64 size);
long tce_unregister(struct tce_client *client, u64 ua, u64 size);
long tce_create(struct tce_client *client, u32 shift, u64 size, u32 levels,
		u64 *start);
long tce_remove(struct tce_client *client, u64 start);
long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags);
long tce_unmap(struct tce_client *client, u64 ioba, u64 size);
void tce_fail_allocations(struct tce_fixture *fx, bool v2,
			  void (*setup)(struct tce_client *client),
			  long (*what)(struct tce_client *client));

void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags);
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size);
void tce_expect_kill(struct tce_fixture *fx, struct tce_mock_group *grp,
		     int num, unsigned long kills, u64 ioba, u64 size);

void tce_expect_told(struct tce_fixture *fx, unsigned int refusals, long rc);
void tce_expect_why(struct tce_fixture *fx, const char *reason);
bool tce_met(const struct tce_mock *mock, const char *reason);

/* Expect that a call is refused, by the check @name, and changes nothing. */
#define TCE_REFUSED(fx, name, errno, call) do {				\
	struct tce_fixture *_fx = fx;					\
	struct tce_state _before;					\
									\
	tce_get_state(_fx, &_before);					\
	_fx->mock->refused.reason = NULL;				\
	KUNIT_EXPECT_EQ(_fx->test, call, -(errno));			\
	tce_expect_why(_fx, #name);					\
	tce_expect_state(_fx, &_before, #name);				\
} while (0)

/* Expect that some call of the case was refused by the check @name. */
#define TCE_MET(fx, name) do {						\
	struct tce_fixture *_fx = fx;					\
									\
	KUNIT_EXPECT_TRUE_MSG(_fx->test, tce_met(_fx->mock, #name), #name); \
} while (0)

struct page *tce_page(struct tce_fixture *fx, unsigned long ua);

void tce_drop_cap(struct tce_fixture *fx, unsigned long pages);
void tce_restore_cap(struct tce_fixture *fx);
void tce_be_killed(bool killed);
void tce_watch(struct tce_fixture *fx);
int tce_holders(struct page *page);
void tce_apart(struct tce_fixture *fx);

void tce_do_as_other(struct tce_fixture *fx, bool has_mm,
		     void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg);

#define TCE_SHARED_SIZE	SZ_256K

/* Memory of TCE_SHARED_SIZE bytes that the threads of a case share, and a page */
extern unsigned long tce_shared;
extern unsigned long tce_spare;

struct tce_client *tce_share(struct kunit *test, bool v2,
			     struct tce_mock_group **pgrp);

/* A call, about the shared memory from @from on, or about the spare page */
struct tce_op {
	enum {
		TCE_MAP, TCE_UNMAP, TCE_REGISTER, TCE_UNREGISTER, TCE_CREATE, TCE_REMOVE,
		TCE_ENABLE, TCE_DISABLE,
	} call;
	u64 ioba;
	u64 size;
	u32 flags;
	unsigned long from;
	bool spare;
	bool killed;
};

extern const struct tce_op tce_map_shared;
extern const struct tce_op tce_map_first;
extern const struct tce_op tce_register_spare;

long tce_op_do(struct tce_client *client, const struct tce_op *op);

/**
 * struct tce_thread - another thread of the process
 * @view: the container, with room for this thread's own arguments
 * @what: what it does
 * @op: or the call that it makes
 * @task: the thread
 * @done: completed when it has done it
 * @rc: what it has to say
 */
struct tce_thread {
	struct tce_client view;
	void (*what)(struct tce_thread *thread);
	const struct tce_op *op;
	struct task_struct *task;
	struct completion done;
	long rc;
};

void tce_thread_start(struct tce_thread *thread, struct tce_client *client,
		      void (*what)(struct tce_thread *thread));
void tce_thread_op(struct tce_thread *thread, struct tce_client *client,
		   const struct tce_op *op);
bool tce_thread_is_done(struct tce_thread *thread);
void tce_thread_join(struct tce_thread *thread);

#endif /* TCE_KUNIT_FIXTURE_H */
