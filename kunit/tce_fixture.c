// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that uses VFIO, see tce_fixture.h.
 *
 * User memory carries a stamp in every 4K, its own address with a few bits
 * more, so that "the device reaches this memory" can be seen by looking at
 * what is at the address in an entry, whoever may have mapped it.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include <asm/mmu_context.h>

#include "tce_fixture.h"

/* Bits of a stamp that no user address has, and no address of the kernel */
#define STAMP		0x3c00000000000000ULL

#define FIRST_UA	0x20000000UL
#define UA_ALIGN	SZ_16M

static char *hugetlb = "/dev/hugepages";
module_param(hugetlb, charp, 0444);
MODULE_PARM_DESC(hugetlb, "where hugetlbfs is mounted");

static bool brief;
module_param(brief, bool, 0444);
MODULE_PARM_DESC(brief, "say which case begins, and begin none after one has failed");

/* Some case has failed. */
static bool failed;

/* Long-term pins before the last case */
static long last_pins;

/* Long-term pins in the whole system, what the CPUs have not added included */
static long foll_pins(void)
{
	static const enum node_stat_item items[] = {
		NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
	};
	long n[2];
	int i, node, cpu;

	for (i = 0; i < 2; i++) {
		n[i] = atomic_long_read(&vm_node_stat[items[i]]);
		for_each_online_node(node) {
			struct per_cpu_nodestat __percpu *stats =
				NODE_DATA(node)->per_cpu_nodestats;

			for_each_online_cpu(cpu)
				n[i] += per_cpu_ptr(stats, cpu)->vm_node_stat_diff[items[i]];
		}
	}
	return n[0] - n[1];
}

/*
 * The same, when it is @expected or has stayed something else: a CPU that adds
 * its own to the others has them nowhere for a moment.
 */
static long foll_pins_settled(long expected)
{
	int tries;

	for (tries = 0; tries < 10 && foll_pins() != expected; tries++)
		schedule_timeout_uninterruptible(1);
	return foll_pins();
}

/*
 * What is charged, when it is @expected or has stayed something else: who closes a
 * container does not wait for the process's mmap_lock, but has it given back later.
 */
static unsigned long locked_vm_settled(struct tce_fixture *fx,
				       unsigned long expected)
{
	int tries;

	for (tries = 0; tries < 50 && READ_ONCE(fx->mm->locked_vm) != expected;
	     tries++)
		schedule_timeout_uninterruptible(HZ / 20);
	return READ_ONCE(fx->mm->locked_vm);
}

/**
 * tce_settled() - check that the last call left nothing undone
 * @fx: the process
 */
void tce_settled(struct tce_fixture *fx)
{
	struct tce_mock *mock = fx->mock;
	unsigned int i;

	for (i = 0; i < min(mock->nr_violations, TCE_VIOLATIONS_KEPT); i++)
		KUNIT_FAIL(fx->test, "platform: %s", mock->violations[i]);
	if (i && mock->nr_violations > i)
		KUNIT_FAIL(fx->test, "and %u more of these",
			   mock->nr_violations - i);
	mock->nr_violations = 0;

	if (tce_mock_stale(mock))
		KUNIT_FAIL(fx->test, "%lu entries were changed, but not killed or flushed",
			   tce_mock_stale(mock));
}

/**
 * tce_unpinned() - wait for the kernel to unpin what it unpins later
 * @fx: the process
 *
 * Regions of its list live for a grace period more.
 */
void tce_unpinned(struct tce_fixture *fx)
{
	if (fx->mock->unlisted)
		rcu_barrier();
	fx->mock->unlisted = false;
}

/**
 * tce_expect_balance() - check that nothing is pinned or charged
 * @fx: the process, which has closed or unregistered everything
 */
void tce_expect_balance(struct tce_fixture *fx)
{
	tce_unpinned(fx);
	KUNIT_EXPECT_EQ(fx->test, tce_mock_pins(fx->mock), fx->filled);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->refs, 0);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->counted, 0);
	KUNIT_EXPECT_EQ(fx->test,
			locked_vm_settled(fx, fx->locked_vm + fx->filled),
			fx->locked_vm + fx->filled);
	KUNIT_EXPECT_EQ(fx->test,
			foll_pins_settled(fx->foll_pins + fx->filled),
			fx->foll_pins + fx->filled);
}

/**
 * tce_fixture_init() - the .init of all suites
 * @test: the case
 *
 * Return: 0 or an errno.
 */
int tce_fixture_init(struct kunit *test)
{
	struct tce_fixture *fx;

	/* what the case before, with another parameter, has left there */
	test->priv = NULL;
	if (brief) {
		if (failed)
			kunit_skip(test, "another case has failed");
		pr_info("tce_kunit: case %s\n", test->name);
	}

	fx = kunit_kzalloc(test, sizeof(*fx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fx);
	KUNIT_ASSERT_NOT_NULL(test, tce_driver);
	fx->test = test;
	fx->next_ua = FIRST_UA;
	INIT_LIST_HEAD(&fx->clients);

	/* this makes a process out of the thread */
	fx->args = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
				 PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_TRUE(test, fx->args && !IS_ERR_VALUE(fx->args));
	KUNIT_ASSERT_EQ(test, clear_user((void __user *)fx->args, PAGE_SIZE), 0);
	mmgrab(current->mm);
	fx->mm = current->mm;
	fx->locked_vm = fx->mm->locked_vm;
	fx->foll_pins = foll_pins_settled(last_pins);
	last_pins = fx->foll_pins;

	fx->mock = tce_mock_create();
	test->priv = fx;
	KUNIT_ASSERT_NOT_NULL(test, fx->mock);
	return 0;
}

/**
 * tce_fixture_exit() - the .exit of all suites
 * @test: the case
 *
 * Runs in another thread, even if the case was given up half-way.
 */
void tce_fixture_exit(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client, *next;
	unsigned int left;

	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		failed = true;
	if (!fx)
		return;
	if (fx->mock) {
		tce_fault_disarm(fx->mock);
		list_for_each_entry_safe(client, next, &fx->clients, list)
			tce_close(client);
		fx->filled = 0;
		tce_settled(fx);
		left = tce_mock_forget_bridges(fx->mock);
		KUNIT_EXPECT_EQ(test, left, fx->tables_left);
		tce_expect_balance(fx);
		tce_mock_destroy(fx->mock);
	}
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		failed = true;
	mmdrop(fx->mm);
}

static void stamp(unsigned long ua, unsigned long size, unsigned long from,
		  unsigned long step)
{
	unsigned long at;

	for (at = from; at < size; at += step) {
		u64 value = STAMP | (ua + at);

		if (copy_to_user((void __user *)(ua + at), &value,
				 sizeof(value)))
			pr_warn("no user memory at %lx\n", ua + at);
		cond_resched();
	}
}

/*
 * Move the pages behind neighbouring addresses apart: other memory is touched
 * between them.
 */
static void scatter(unsigned long ua, unsigned long size, unsigned long other)
{
	unsigned long at;

	for (at = 0; at < size; at += PAGE_SIZE) {
		stamp(other + at, PAGE_SIZE, 0, PAGE_SIZE);
		stamp(ua + size - PAGE_SIZE - at, PAGE_SIZE, 0, PAGE_SIZE);
	}
}

static unsigned long map_user(struct tce_fixture *fx, struct file *file,
			      unsigned long size, unsigned long prot,
			      unsigned long flags)
{
	unsigned long ua = fx->next_ua;

	ua = vm_mmap(file, ua, size, prot, flags | MAP_FIXED, 0);
	if (IS_ERR_VALUE(ua))
		return 0;
	/* never adjacent, so that what is one byte too long is seen */
	fx->next_ua = round_up(ua + size + 1, UA_ALIGN);
	return ua;
}

static struct file *open_hugetlb(void)
{
	struct file *file;
	char path[64];

	snprintf(path, sizeof(path), "%s/tce_kunit", hugetlb);
	file = filp_open(path, O_RDWR | O_CREAT, 0600);
	if (!IS_ERR(file) && !is_file_hugepages(file)) {
		fput(file);
		return ERR_PTR(-ENODEV);
	}
	return file;
}

/* A piece whose pages lie one behind the other, of a larger one; 0 if there is none. */
static unsigned long contiguous(struct tce_fixture *fx, unsigned long size)
{
	unsigned long all = 32 * size, ua, at, run, last = 0;
	int tries;

	for (tries = 0; tries < 8; tries++) {
		ua = map_user(fx, NULL, all, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS);
		if (!ua)
			return 0;
		stamp(ua, all, 0, SZ_4K);
		for (at = 0, run = 0; at < all; at += PAGE_SIZE) {
			unsigned long pfn = page_to_pfn(tce_page(fx, ua + at));

			run = pfn == last + 1 ? run + PAGE_SIZE : PAGE_SIZE;
			last = pfn;
			if (run == size)
				return ua + at + PAGE_SIZE - size;
		}
	}
	return 0;
}

/**
 * tce_memory() - get a piece of user memory
 * @fx: the process
 * @kind: of what kind
 * @size: bytes, a multiple of PAGE_SIZE
 *
 * It is stamped (see the top of the file) if its kind can be written, starts
 * at a multiple of 16M, and nothing is mapped before and after it. It lives
 * as long as the process.
 *
 * Return: its address; 0 if this machine has no such memory.
 */
unsigned long tce_memory(struct tce_fixture *fx, enum tce_mem_kind kind,
			 unsigned long size)
{
	unsigned long private = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long rw = PROT_READ | PROT_WRITE;
	unsigned long ua = 0, other;
	struct file *file;

	switch (kind) {
	case TCE_MEM_PLAIN:
	case TCE_MEM_THP:
		ua = map_user(fx, NULL, size, rw, private);
		break;
	case TCE_MEM_SCATTERED:
		other = map_user(fx, NULL, size, rw, private);
		ua = map_user(fx, NULL, size, rw, private);
		if (ua && other)
			scatter(ua, size, other);
		break;
	case TCE_MEM_UNTOUCHED:
		return map_user(fx, NULL, size, rw, private);
	case TCE_MEM_READONLY:
		return map_user(fx, NULL, size, PROT_READ, private);
	case TCE_MEM_NOACCESS:
		return map_user(fx, NULL, size, PROT_NONE, private);
	case TCE_MEM_SHARED:
		ua = map_user(fx, NULL, size, rw, MAP_SHARED | MAP_ANONYMOUS);
		break;
	case TCE_MEM_CONTIGUOUS:
		return contiguous(fx, size);
	case TCE_MEM_HUGETLB:
		file = open_hugetlb();
		if (IS_ERR(file))
			return 0;
		ua = map_user(fx, file, size, rw, MAP_SHARED);
		fput(file);
		break;
	}
	if (ua)
		stamp(ua, size, 0, SZ_4K);
	return ua;
}

/**
 * tce_file() - the file behind shared memory, to map it once more
 * @fx: the process
 * @ua: address of the memory
 *
 * Return: the file; the caller has a reference.
 */
struct file *tce_file(struct tce_fixture *fx, unsigned long ua)
{
	struct vm_area_struct *vma;
	struct file *file = NULL;

	mmap_read_lock(fx->mm);
	vma = find_vma(fx->mm, ua);
	if (vma && vma->vm_start <= ua && vma->vm_file)
		file = get_file(vma->vm_file);
	mmap_read_unlock(fx->mm);
	KUNIT_ASSERT_NOT_NULL(fx->test, file);
	return file;
}

/**
 * tce_stamp() - stamp user memory that is not from tce_memory()
 * @ua: its address
 * @size: bytes
 */
void tce_stamp(unsigned long ua, unsigned long size)
{
	stamp(ua, size, 0, SZ_4K);
}

/**
 * tce_plain() - get a piece of user memory that is nothing special
 * @fx: the process
 * @size: bytes
 *
 * Return: its address.
 */
unsigned long tce_plain(struct tce_fixture *fx, unsigned long size)
{
	unsigned long ua = tce_memory(fx, TCE_MEM_PLAIN, PAGE_ALIGN(size));

	KUNIT_ASSERT_NE(fx->test, ua, 0);
	return ua;
}

/**
 * tce_hole() - get a range of user addresses where no memory is
 * @fx: the process
 * @size: bytes
 *
 * Return: its address.
 */
unsigned long tce_hole(struct tce_fixture *fx, unsigned long size)
{
	unsigned long ua = fx->next_ua;

	fx->next_ua = round_up(ua + size + 1, UA_ALIGN);
	return ua;
}

/**
 * tce_group() - a new group
 * @fx: the process
 *
 * Return: the group, see tce_mock_add_group().
 */
struct tce_mock_group *tce_group(struct tce_fixture *fx)
{
	struct tce_mock_group *grp = tce_mock_add_group(fx->mock);

	KUNIT_ASSERT_NOT_NULL(fx->test, grp);
	return grp;
}

/**
 * tce_open() - a new container
 * @fx: the process
 * @v2: which interface it speaks
 *
 * Undone by tce_close(), or by the end of the case.
 *
 * Return: the container.
 */
struct tce_client *tce_open(struct tce_fixture *fx, bool v2)
{
	struct tce_client *client = kzalloc(sizeof(*client), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fx->test, client);
	client->fx = fx;
	client->v2 = v2;
	client->slot = ffz(fx->slots);
	client->arg = fx->args + 64 * client->slot;
	client->data = tce_driver->open(v2 ? VFIO_SPAPR_TCE_v2_IOMMU :
					     VFIO_SPAPR_TCE_IOMMU);
	if (!IS_ERR_OR_NULL(client->data)) {
		fx->slots |= BIT(client->slot);
		list_add(&client->list, &fx->clients);
		return client;
	}
	kfree(client);
	KUNIT_FAIL_AND_ABORT(fx->test, "a container can't be opened");
	return NULL;
}

/**
 * tce_close() - undo tce_open(), as the VFIO core does
 * @client: the container
 */
void tce_close(struct tce_client *client)
{
	int i;

	for (i = 0; i < TCE_CLIENT_GROUPS; i++)
		if (client->groups[i])
			tce_driver->detach_group(client->data,
						 client->groups[i]->group);
	tce_driver->release(client->data);
	list_del(&client->list);
	client->fx->slots &= ~BIT(client->slot);
	if (!client->fx->busy)
		tce_settled(client->fx);
	kfree(client);
}

/**
 * tce_attach() - attach a group
 * @client: the container
 * @grp: the group
 *
 * Return: what the driver says.
 */
int tce_attach(struct tce_client *client, struct tce_mock_group *grp)
{
	int rc = tce_driver->attach_group(client->data, grp->group, VFIO_IOMMU);
	int i;

	tce_settled(client->fx);
	for (i = 0; !rc && i < TCE_CLIENT_GROUPS; i++) {
		if (!client->groups[i]) {
			client->groups[i] = grp;
			break;
		}
	}
	return rc;
}

/**
 * tce_detach() - detach a group
 * @client: the container
 * @grp: the group
 */
void tce_detach(struct tce_client *client, struct tce_mock_group *grp)
{
	int i;

	for (i = 0; i < TCE_CLIENT_GROUPS; i++)
		if (client->groups[i] == grp)
			client->groups[i] = NULL;
	tce_driver->detach_group(client->data, grp->group);
	if (!client->fx->busy)
		tce_settled(client->fx);
}

/**
 * tce_ready() - a container with a group, in which MAP works
 * @fx: the process
 * @v2: which interface it speaks
 * @pgrp: the group is returned here; may be NULL
 *
 * For v2 some memory is registered, because nothing can be mapped before.
 *
 * Return: the container.
 */
struct tce_client *tce_ready(struct tce_fixture *fx, bool v2,
			     struct tce_mock_group **pgrp)
{
	struct tce_client *client = tce_open(fx, v2);
	struct tce_mock_group *grp = tce_group(fx);

	KUNIT_ASSERT_EQ(fx->test, tce_attach(client, grp), 0);
	if (v2)
		KUNIT_ASSERT_EQ(fx->test,
				tce_register(client, tce_plain(fx, PAGE_SIZE),
					     PAGE_SIZE), 0);
	else
		KUNIT_ASSERT_EQ(fx->test, tce_enable(client), 0);
	if (pgrp)
		*pgrp = grp;
	return client;
}

/**
 * tce_fill_list() - have the driver keep regions to itself from now on
 * @fx: the process
 *
 * The driver registers the first regions of a process that has KVM with the
 * kernel. This becomes one, and registers single pages until the kernel does not
 * know the last one. They get memory only when they are pinned: that of all
 * would take long to fill. Undone by tce_empty_list(), or by the end of the case.
 *
 * Return: the address of the first; &tce_fixture.filled says how many there are.
 */
unsigned long tce_fill_list(struct tce_fixture *fx)
{
	unsigned long first, ua;

	first = tce_memory(fx, TCE_MEM_UNTOUCHED, SZ_2K * PAGE_SIZE);
	KUNIT_ASSERT_NE(fx->test, first, 0);
	tce_watch(fx);
	fx->filler = tce_open(fx, true);
	for (ua = first; fx->filled < SZ_2K; ua += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(fx->test,
				tce_register(fx->filler, ua, PAGE_SIZE), 0);
		fx->filled++;
		if (!mm_iommu_lookup(current->mm, ua, PAGE_SIZE))
			return first;
	}
	KUNIT_FAIL_AND_ABORT(fx->test, "the kernel knows all regions");
	return 0;
}

/**
 * tce_empty_list() - undo tce_fill_list(), if it was done
 * @fx: the process
 */
void tce_empty_list(struct tce_fixture *fx)
{
	if (fx->filler)
		tce_close(fx->filler);
	fx->filler = NULL;
	fx->filled = 0;
}

/**
 * tce_ready_window() - a v2 container with one window, which is empty
 * @fx: the process
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 * @pgrp: the group is returned here; may be NULL
 *
 * The window is number 0 and begins at IOBA 0. Some memory is registered.
 *
 * Return: the container.
 */
struct tce_client *tce_ready_window(struct tce_fixture *fx, u32 shift,
				    u64 size, u32 levels,
				    struct tce_mock_group **pgrp)
{
	struct tce_client *client = tce_ready(fx, true, pgrp);
	u64 start;

	KUNIT_ASSERT_EQ(fx->test, tce_remove(client, 0), 0);
	KUNIT_ASSERT_EQ(fx->test,
			tce_create(client, shift, size, levels, &start), 0);
	KUNIT_ASSERT_EQ(fx->test, start, 0);
	return client;
}

/**
 * tce_ioctl_raw() - an ioctl with an argument that is in user memory already
 * @client: the container
 * @cmd: command
 * @arg: address of the argument
 *
 * Return: what the driver says.
 */
long tce_ioctl_raw(struct tce_client *client, unsigned int cmd,
		   unsigned long arg)
{
	long rc = tce_driver->ioctl(client->data, cmd, arg);

	if (!client->fx->busy)
		tce_settled(client->fx);
	return rc;
}

/**
 * tce_ioctl() - an ioctl
 * @client: the container
 * @cmd: command
 * @arg: argument, which is copied to user memory and back
 * @size: bytes of it
 *
 * Return: what the driver says.
 */
long tce_ioctl(struct tce_client *client, unsigned int cmd, void *arg,
	       size_t size)
{
	void __user *uarg = (void __user *)client->arg;
	unsigned int nth = tce_quiet_begin();
	long rc;

	if (copy_to_user(uarg, arg, size))
		return -EFAULT;
	tce_quiet_end(nth);
	rc = tce_driver->ioctl(client->data, cmd, client->arg);
	nth = tce_quiet_begin();
	if (copy_from_user(arg, uarg, size))
		rc = -EFAULT;
	if (!client->fx->busy)
		tce_settled(client->fx);
	tce_quiet_end(nth);
	return rc;
}

/**
 * tce_info() - VFIO_IOMMU_SPAPR_TCE_GET_INFO
 * @client: the container
 * @info: returned here
 *
 * Return: what the driver says.
 */
long tce_info(struct tce_client *client,
	      struct vfio_iommu_spapr_tce_info *info)
{
	memset(info, 0xff, sizeof(*info));
	info->argsz = sizeof(*info);
	return tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_GET_INFO, info,
			 sizeof(*info));
}

/**
 * tce_enable() - VFIO_IOMMU_ENABLE
 * @client: the container
 *
 * Return: what the driver says.
 */
long tce_enable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_ENABLE, 0);
}

/**
 * tce_disable() - VFIO_IOMMU_DISABLE
 * @client: the container
 *
 * Return: what the driver says.
 */
long tce_disable(struct tce_client *client)
{
	return tce_ioctl_raw(client, VFIO_IOMMU_DISABLE, 0);
}

/**
 * tce_register() - VFIO_IOMMU_SPAPR_REGISTER_MEMORY
 * @client: the container
 * @ua: start
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_register(struct tce_client *client, u64 ua, u64 size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg), .vaddr = ua, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &arg,
			 sizeof(arg));
}

/**
 * tce_unregister() - VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY
 * @client: the container
 * @ua: start
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_unregister(struct tce_client *client, u64 ua, u64 size)
{
	struct vfio_iommu_spapr_register_memory arg = {
		.argsz = sizeof(arg), .vaddr = ua, .size = size,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, &arg,
			 sizeof(arg));
}

/**
 * tce_create() - VFIO_IOMMU_SPAPR_TCE_CREATE
 * @client: the container
 * @shift: log2 of the IOMMU page
 * @size: bytes
 * @levels: of the table
 * @start: first IOBA, returned here; ~0 if there is none
 *
 * Return: what the driver says.
 */
long tce_create(struct tce_client *client, u32 shift, u64 size, u32 levels,
		u64 *start)
{
	struct vfio_iommu_spapr_tce_create arg = {
		.argsz = sizeof(arg), .page_shift = shift, .window_size = size,
		.levels = levels, .start_addr = ~0ULL,
	};
	long rc = tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_CREATE, &arg,
			    sizeof(arg));

	*start = arg.start_addr;
	return rc;
}

/**
 * tce_remove() - VFIO_IOMMU_SPAPR_TCE_REMOVE
 * @client: the container
 * @start: first IOBA
 *
 * Return: what the driver says.
 */
long tce_remove(struct tce_client *client, u64 start)
{
	struct vfio_iommu_spapr_tce_remove arg = {
		.argsz = sizeof(arg), .start_addr = start,
	};

	return tce_ioctl(client, VFIO_IOMMU_SPAPR_TCE_REMOVE, &arg,
			 sizeof(arg));
}

/* A MAP or UNMAP, which must touch no entries but its own */
static long watched_ioctl(struct tce_client *client, unsigned int cmd,
			  void *arg, size_t argsz, u64 ioba, u64 size)
{
	struct tce_mock *mock = client->fx->mock;
	/* the smallest IOMMU page: more entries than that it can't be */
	u64 entries = max(size >> 12, 1ULL);
	long rc;

	if (client->fx->busy)
		return tce_ioctl(client, cmd, arg, argsz);
	tce_mock_call(mock, ioba, size);
	rc = tce_ioctl(client, cmd, arg, argsz);
	tce_mock_called(mock, cmd == VFIO_IOMMU_MAP_DMA, rc ? 0 : entries);
	return rc;
}

/**
 * tce_map() - VFIO_IOMMU_MAP_DMA
 * @client: the container
 * @ioba: first I/O address
 * @ua: of the memory
 * @size: bytes
 * @flags: TCE_R, TCE_W, TCE_RW
 *
 * Return: what the driver says.
 */
long tce_map(struct tce_client *client, u64 ioba, u64 ua, u64 size, u32 flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg), .flags = flags, .vaddr = ua,
		.iova = ioba, .size = size,
	};

	return watched_ioctl(client, VFIO_IOMMU_MAP_DMA, &arg, sizeof(arg),
			     ioba, size);
}

/**
 * tce_unmap() - VFIO_IOMMU_UNMAP_DMA
 * @client: the container
 * @ioba: first I/O address
 * @size: bytes
 *
 * Return: what the driver says.
 */
long tce_unmap(struct tce_client *client, u64 ioba, u64 size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg), .iova = ioba, .size = size,
	};

	return watched_ioctl(client, VFIO_IOMMU_UNMAP_DMA, &arg, sizeof(arg),
			     ioba, size);
}

static struct iommu_table *table_of(struct tce_fixture *fx,
				    struct tce_mock_group *grp, int num)
{
	KUNIT_ASSERT_NOT_NULL(fx->test, grp->tg.tables[num]);
	return grp->tg.tables[num];
}

static enum dma_data_direction dir_of(u32 flags)
{
	switch (flags) {
	case TCE_R:
		return DMA_TO_DEVICE;
	case TCE_W:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

/**
 * tce_expect_mapped() - expect that the device reaches memory
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @ioba: first I/O address
 * @ua: address of the memory, which is stamped
 * @size: bytes
 * @flags: what the device may do
 *
 * Only the first difference is reported.
 */
void tce_expect_mapped(struct tce_fixture *fx, struct tce_mock_group *grp,
		       int num, u64 ioba, unsigned long ua, u64 size,
		       u32 flags)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += SZ_4K) {
		unsigned long hpa;
		enum dma_data_direction dir =
			tce_mock_entry(tbl, (ioba + at) >> shift, &hpa);
		u64 found;

		if (dir != dir_of(flags)) {
			KUNIT_FAIL(fx->test, "%llx: the direction is %d, not %d",
				   ioba + at, dir, dir_of(flags));
			return;
		}
		hpa += (ioba + at) & ((1UL << shift) - 1);
		found = *(u64 *)__va(hpa);
		if (found != (STAMP | (ua + at))) {
			KUNIT_FAIL(fx->test, "%llx: the device finds %llx, not %llx",
				   ioba + at, found, STAMP | (ua + at));
			return;
		}
	}
}

/**
 * tce_expect_empty() - expect that the device reaches nothing
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @ioba: first I/O address
 * @size: bytes
 *
 * Only the first difference is reported.
 */
void tce_expect_empty(struct tce_fixture *fx, struct tce_mock_group *grp,
		      int num, u64 ioba, u64 size)
{
	struct iommu_table *tbl = table_of(fx, grp, num);
	unsigned long shift = tbl->it_page_shift;
	u64 at;

	for (at = 0; at < size; at += 1UL << shift) {
		unsigned long hpa, entry = (ioba + at) >> shift;

		if (tce_mock_entry(tbl, entry, &hpa) != DMA_NONE) {
			KUNIT_FAIL(fx->test, "%llx: the device reaches %lx",
				   ioba + at, hpa);
			return;
		}
		if (tce_mock_cell(tbl, entry)) {
			KUNIT_FAIL(fx->test, "%llx: the cell still has %llx",
				   ioba + at, tce_mock_cell(tbl, entry));
			return;
		}
	}
}

/**
 * tce_expect_kill() - expect that one kill was enough
 * @fx: the process
 * @grp: the group of the device
 * @num: number of the window
 * @kills: how many there were before
 * @ioba: first I/O address that it should cover
 * @size: bytes that it should cover
 */
void tce_expect_kill(struct tce_fixture *fx, struct tce_mock_group *grp,
		     int num, unsigned long kills, u64 ioba, u64 size)
{
	unsigned long shift = table_of(fx, grp, num)->it_page_shift;

	KUNIT_EXPECT_EQ(fx->test, fx->mock->kills - kills, 1);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->kill_first, ioba >> shift);
	KUNIT_EXPECT_EQ(fx->test, fx->mock->kill_n, size >> shift);
}

/**
 * tce_page() - the page behind a user address
 * @fx: the process
 * @ua: an address that is mapped
 *
 * Return: the page, on which no reference is held.
 */
struct page *tce_page(struct tce_fixture *fx, unsigned long ua)
{
	struct page *page;

	KUNIT_ASSERT_EQ(fx->test, get_user_pages_fast(ua, 1, 0, &page), 1);
	put_page(page);
	return page;
}

/**
 * tce_drop_cap() - become somebody whose locked memory is limited
 * @fx: the process
 * @pages: the limit, in CPU pages
 *
 * Undone by tce_restore_cap().
 */
void tce_drop_cap(struct tce_fixture *fx, unsigned long pages)
{
	struct cred *cred = prepare_creds();

	KUNIT_ASSERT_NOT_NULL(fx->test, cred);
	cap_lower(cred->cap_effective, CAP_IPC_LOCK);
	/* this thread's own, since it is a process of its own */
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = pages << PAGE_SHIFT;
	override_creds(cred);
}

/**
 * tce_restore_cap() - undo tce_drop_cap()
 * @fx: the process
 */
void tce_restore_cap(struct tce_fixture *fx)
{
	const struct cred *cred = current_cred();

	revert_creds(current_real_cred());
	put_cred(cred);
}

/**
 * tce_be_killed() - have a SIGKILL pending
 * @killed: or not, any more
 */
void tce_be_killed(bool killed)
{
	if (killed) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		clear_tsk_thread_flag(current, TIF_SIGPENDING);
	}
}

static const struct mmu_notifier_ops watch_ops = {};

static void unwatch(void *data)
{
	struct mmu_notifier *watcher = data;

	mmu_notifier_unregister(watcher, watcher->mm);
}

/**
 * tce_watch() - become a process that has KVM
 * @fx: the process
 *
 * The driver knows it by a notifier that watches its memory. Undone by the end
 * of the case.
 */
void tce_watch(struct tce_fixture *fx)
{
	struct mmu_notifier *watcher;

	watcher = kunit_kzalloc(fx->test, sizeof(*watcher), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fx->test, watcher);
	watcher->ops = &watch_ops;
	KUNIT_ASSERT_EQ(fx->test, mmu_notifier_register(watcher, fx->mm), 0);
	KUNIT_ASSERT_EQ(fx->test, kunit_add_action_or_reset(fx->test, unwatch,
							    watcher), 0);
}

/**
 * tce_holders() - who has a page?
 * @page: the page
 *
 * A new one is in a list of such as well, until others come.
 *
 * Return: how many have it but for that list.
 */
int tce_holders(struct page *page)
{
	int n;
	bool lru;

	do {
		lru = PageLRU(page);
		n = page_count(page) - !lru;
	} while (PageLRU(page) != lru);
	return n;
}

/**
 * tce_apart() - the next memory may have pages of another size
 * @fx: the process
 *
 * The hash MMU wants all pages of 256M to be of one size.
 */
void tce_apart(struct tce_fixture *fx)
{
	fx->next_ua = round_up(fx->next_ua, SZ_256M);
}

struct other {
	struct tce_fixture *fx;
	bool has_mm;
	void (*what)(struct tce_fixture *fx, void *arg);
	void *arg;
	struct completion done;
};

static int other_thread(void *data)
{
	struct other *other = data;

	if (other->has_mm)
		kunit_vm_mmap(other->fx->test, NULL, 0, PAGE_SIZE,
			      PROT_READ | PROT_WRITE,
			      MAP_ANONYMOUS | MAP_PRIVATE, 0);
	other->what(other->fx, other->arg);
	kthread_complete_and_exit(&other->done, 0);
}

/**
 * tce_do_as_other() - do something in another process
 * @fx: the process, which waits for it
 * @has_mm: whether the other has any memory (of its own)
 * @what: what to do
 * @arg: for @what
 */
void tce_do_as_other(struct tce_fixture *fx, bool has_mm,
		     void (*what)(struct tce_fixture *fx, void *arg),
		     void *arg)
{
	struct other other = {
		.fx = fx, .has_mm = has_mm, .what = what, .arg = arg,
	};
	struct task_struct *thread;

	init_completion(&other.done);
	thread = kthread_run(other_thread, &other, "tce_other");
	KUNIT_ASSERT_FALSE(fx->test, IS_ERR(thread));
	wait_for_completion(&other.done);
}

static int thread_fn(void *data)
{
	struct tce_thread *thread = data;
	struct mm_struct *mm = thread->view.fx->mm;

	kthread_use_mm(mm);
	thread->what(thread);
	kthread_unuse_mm(mm);
	kthread_complete_and_exit(&thread->done, 0);
}

/**
 * tce_thread_start() - do something in another thread of the process
 * @thread: on the stack; set up here
 * @client: the container that it uses
 * @what: what it does
 *
 * From now on calls are not checked one by one. Undone by tce_thread_join().
 */
void tce_thread_start(struct tce_thread *thread, struct tce_client *client,
		      void (*what)(struct tce_thread *thread))
{
	struct tce_fixture *fx = client->fx;

	fx->busy = true;
	thread->view = *client;
	thread->view.slot = ffz(fx->slots);
	thread->view.arg = fx->args + 64 * thread->view.slot;
	fx->slots |= BIT(thread->view.slot);
	thread->what = what;
	thread->rc = 0;
	init_completion(&thread->done);
	thread->task = kthread_run(thread_fn, thread, "tce_thread");
	if (IS_ERR(thread->task))
		KUNIT_FAIL_AND_ABORT(fx->test, "no more threads");
}

/**
 * tce_thread_join() - wait for a thread
 * @thread: the thread
 */
void tce_thread_join(struct tce_thread *thread)
{
	wait_for_completion(&thread->done);
	thread->view.fx->slots &= ~BIT(thread->view.slot);
}
