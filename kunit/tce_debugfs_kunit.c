// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite tce_debugfs: what root reads in the state file, but for what scripts/system tcestat reads
 * of a client that has some memory mapped. That a reader who waits can be killed is in suite
 * tce_threads_wait.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "../tce_container.h"
#include "../tce_debugfs.h"
#include "../tce_table.h"
#include "../tce_window.h"
#include "tce_guest.h"
#include "tce_threads.h"

#define STATE_SIZE	SZ_64K

/* Read as seq_file does. Return: 0; -E2BIG if it begins anew with a larger buffer; -EINTR */
static int read_state(struct kunit *test, char *buf, size_t size)
{
	struct seq_file m = { .buf = buf, .size = size };
	int rc = tce_debugfs_show(&m, NULL);

	KUNIT_EXPECT_LE(test, m.count, size);
	if (rc || seq_has_overflowed(&m))
		return rc ?: -E2BIG;
	buf[m.count] = '\0';
	return 0;
}

static char *state(struct kunit *test)
{
	char *text = kunit_kzalloc(test, STATE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	/* so that each line follows another one */
	text[0] = '\n';
	KUNIT_EXPECT_EQ(test, read_state(test, text + 1, STATE_SIZE - 1), 0);
	return text;
}

/* Is there exactly one line with this text? Return: its place */
__printf(3, 4)
static const char *expect_line(struct kunit *test, const char *text,
			       const char *fmt, ...)
{
	char *line = kunit_kzalloc(test, 512, GFP_KERNEL);
	const char *at;
	va_list args;

	KUNIT_ASSERT_NOT_NULL(test, line);
	line[0] = '\n';
	va_start(args, fmt);
	vsnprintf(line + 1, 511, fmt, args);
	va_end(args);
	at = strstr(text, line);
	if (!at)
		KUNIT_FAIL(test, "no line:%s\nin:\n%s", line, text);
	else
		KUNIT_EXPECT_NULL(test, strstr(at + 1, line));
	return at;
}

static unsigned long number(const struct tce_client *client)
{
	return (unsigned long)client->data;
}

static struct tce_mm *mm_of(const struct tce_client *client)
{
	return tce_container_find(client->data)->mem.tmm;
}

/*
 * Two containers share a region. The first has two groups and two windows. The second has a
 * region of its own, of which the first has mapped a page, and closes. The newest container, whose
 * line is before theirs, has not been used yet.
 */
static void shared_regions(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	unsigned long ua = tce_plain(fx, SZ_256K), orphan = tce_plain(fx, SZ_64K), id;
	struct tce_mock_group *grp, *other = tce_group(fx);
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	struct tce_client *a = tce_open(fx, true), *unused = tce_open(fx, false);
	unsigned long charged = fx->mock->priced << PAGE_SHIFT;
	const char *text, *newest;
	u64 start;

	KUNIT_ASSERT_EQ(test, tce_attach(client, other), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 16, SZ_1G, 2, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_attach(a, tce_group(fx)), 0);
	KUNIT_ASSERT_EQ(test, tce_register(a, ua, SZ_256K), 0);
	KUNIT_ASSERT_EQ(test, tce_register(client, ua, SZ_256K), 0);
	KUNIT_ASSERT_EQ(test, tce_register(a, orphan, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, SZ_1M, ua, 3 * SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, orphan, SZ_4K, TCE_R), 0);
	id = mm_of(client)->id;
	text = state(test);
	newest = expect_line(test, text,
			     "container id=%lu version=1 process=0 enabled=0 default_pending=0 pinned=0 charged=0 uncharge=0\n",
			     number(unused));
	KUNIT_EXPECT_TRUE(test, newest < expect_line(test, text,
						     "container id=%lu version=2 process=%lu enabled=1 default_pending=1 ",
						     number(a), id));
	expect_line(test, text, "group container=%lu number=%d\n",
		    number(client), iommu_group_id(grp->group));
	expect_line(test, text, "group container=%lu number=%d\n",
		    number(client), iommu_group_id(other->group));
	expect_line(test, text,
		    "window container=%lu number=0 start=0x0 size=%u page_shift=12 levels=1 mapped=4 by_kvm=0 charged=%lu kvm=0\n",
		    number(client), SZ_64M, charged);
	expect_line(test, text,
		    "window container=%lu number=1 start=0x%llx size=%u page_shift=16 levels=2 mapped=0 by_kvm=0 charged=%lu kvm=0\n",
		    number(client), start, SZ_1G, (fx->mock->priced << PAGE_SHIFT) - charged);
	expect_line(test, text,
		    "region process=%lu ua=0x%lx size=%u page_shift=%u kvm_list=0 mapped=3 written=1 containers=%lu,%lu\n",
		    id, ua, SZ_256K, PAGE_SHIFT, number(client), number(a));
	tce_close(a);
	text = state(test);
	expect_line(test, text,
		    "region process=%lu ua=0x%lx size=%u page_shift=%u kvm_list=0 mapped=3 written=1 containers=%lu\n",
		    id, ua, SZ_256K, PAGE_SHIFT, number(client));
	expect_line(test, text,
		    "region process=%lu ua=0x%lx size=%u page_shift=%u kvm_list=0 mapped=1 written=0 containers=-\n",
		    id, orphan, SZ_64K, PAGE_SHIFT);
}

static void with_kvm(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct kvm_setup s;
	const char *text;

	kvm_set_up(test, &s);
	KUNIT_ASSERT_TRUE(test, kvm_put(&s, 7, s.ua));
	KUNIT_ASSERT_EQ(test, tce_map(s.client, 0, s.ua, SZ_4K, TCE_R), 0);
	text = state(test);
	expect_line(test, text,
		    "window container=%lu number=0 start=0x0 size=%u page_shift=12 levels=1 mapped=2 by_kvm=1 charged=%lu kvm=1\n",
		    number(s.client), SZ_1M, fx->mock->priced << PAGE_SHIFT);
	expect_line(test, text,
		    "region process=%lu ua=0x%lx size=%u page_shift=%u kvm_list=1 mapped=? written=1 containers=%lu\n",
		    mm_of(s.client)->id, s.ua, KVM_MEMORY, PAGE_SHIFT,
		    number(s.client));
	expect_line(test, text,
		    "process id=%lu tgid=%d table_leaked=0 kvm=1 locked_vm=%lu ",
		    mm_of(s.client)->id, task_tgid_nr(current),
		    fx->mm->locked_vm << PAGE_SHIFT);
}

/* A line has its fields, whatever the name of the process contains. */
static void strange_name(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, NULL);
	char before[TASK_COMM_LEN];
	const char *text;

	KUNIT_ASSERT_TRUE(test, thread_group_leader(current));
	get_task_comm(before, current);
	strscpy(current->comm, "a b=\"\\\n\x01z", TASK_COMM_LEN);
	text = state(test);
	strscpy(current->comm, before, TASK_COMM_LEN);
	KUNIT_EXPECT_NOT_NULL(test,
			      strstr(text, " alive=1 comm=a\\040b\\075\\042\\134\\012\\001z\n"));
	expect_line(test, text, "process id=%lu ", mm_of(client)->id);
}

/* The buffer is full, so seq_file starts over with a larger one. */
static void full_buffer(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, NULL);
	unsigned long ua = tce_plain(fx, 8 * PAGE_SIZE);
	size_t size, all;
	char *text;
	int i;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, tce_register(client, ua + i * PAGE_SIZE,
						   PAGE_SIZE), 0);
	text = state(test);
	all = strlen(text);
	for (size = 64; size < all; size += 64)
		KUNIT_EXPECT_EQ(test, read_state(test, text, size), -E2BIG);
}

/*
 * What a group has left charged, and a container that is closed and can't give that back yet; and
 * what a bridge has kept, which tce_expect_balance() compares after each case.
 */
static void given_back_later(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_mock_group *grp;
	struct tce_client *client = tce_ready_window(fx, 12, SZ_64M, 1, &grp);
	unsigned long id = mm_of(client)->id, priced = fx->mock->priced << PAGE_SHIFT;
	const char *text;

	tce_detach(client, grp);
	/* with no table there, the mark has no other effect */
	mm_of(client)->table_leaked = true;
	expect_line(test, state(test),
		    "container id=%lu version=2 process=%lu enabled=1 default_pending=0 pinned=0 charged=0 uncharge=%lu\n",
		    number(client), id, priced);
	/* without lockdep, since the lock is meant to be that of another thread */
	down_read_non_owner(&fx->mm->mmap_lock);
	tce_close(client);
	atomic_long_add(5, &tce_leaked_pages);
	atomic_long_add(7, &tce_leaked_tables);
	text = state(test);
	atomic_long_sub(5, &tce_leaked_pages);
	atomic_long_sub(7, &tce_leaked_tables);
	up_read_non_owner(&fx->mm->mmap_lock);
	expect_line(test, text,
		    "module format=4 page_size=%lu closing=1 kvm_tables=%ld leaked=%lu leaked_tables=%ld\n",
		    PAGE_SIZE, fx->begun.n[TCE_HIDDEN_TABLES],
		    (fx->begun.n[TCE_LEAKED_PAGES] + 5) << PAGE_SHIFT,
		    fx->begun.n[TCE_LEAKED_TABLES] + 7);
	expect_line(test, text, "process id=%lu tgid=%d table_leaked=1 ", id,
		    task_tgid_nr(current));
	KUNIT_EXPECT_NULL(test, strstr(text, "\ncontainer "));
}

/* A process that has ended, and somebody else has its container open still */
static void process_has_ended(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_open(fx, true);

	tce_do_as_other(fx, tce_use_as_other, client);
	KUNIT_ASSERT_NOT_NULL(test, mm_of(client));
	/* it is on its way still */
	KUNIT_EXPECT_TRUE(test, TCE_SOON(strstr(state(test), " alive=0 ")));
	expect_line(test, state(test),
		    "process id=%lu tgid=%d table_leaked=0 kvm=0 locked_vm=0 alive=0 comm=\n",
		    mm_of(client)->id, pid_nr(mm_of(client)->pid));
}

static struct kunit_case tce_debugfs_cases[] = {
	KUNIT_CASE(shared_regions),
	KUNIT_CASE(with_kvm),
	KUNIT_CASE(strange_name),
	KUNIT_CASE(full_buffer),
	KUNIT_CASE(given_back_later),
	KUNIT_CASE(process_has_ended),
	{}
};

TCE_SUITE(tce_debugfs);
