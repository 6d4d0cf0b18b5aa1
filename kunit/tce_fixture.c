// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that uses VFIO (see tce_fixture.h): how it begins, what it may become, its
 * containers and their groups, what is checked after each of its calls, and its end.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../tce_mm.h"
#include "tce_fixture.h"

#define FIRST_UA	0x20000000UL

/* Check that the last call left nothing undone. */
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

	KUNIT_EXPECT_EQ(fx->test, atomic_long_read(&tce_table_pages) - fx->begun.n[TCE_TABLE_PAGES],
			tce_mock_table_pages(mock));
	if (!tce_mock_count(mock).stale)
		fx->kvm_left = false;
	else if (!fx->hypercalls && !fx->kvm_left)
		KUNIT_FAIL(fx->test, "%lu entries were changed, but not invalidated or flushed",
			   tce_mock_count(mock).stale);
}

/* What the driver has charged the process with. Return: that, in CPU pages. */
unsigned long tce_charged(struct tce_fixture *fx)
{
	return fx->mm->locked_vm - fx->begun.n[TCE_LOCKED];
}

/* Become somebody whose locked memory is limited. Undone by tce_restore_cap(). */
void tce_drop_cap(struct tce_fixture *fx, unsigned long pages)
{
	struct cred *cred = prepare_creds();

	KUNIT_ASSERT_NOT_NULL(fx->test, cred);
	cap_lower(cred->cap_effective, CAP_IPC_LOCK);
	/* this thread's own, since it is a process of its own */
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = pages << PAGE_SHIFT;
	override_creds(cred);
}

/* Undo tce_drop_cap(). */
void tce_restore_cap(struct tce_fixture *fx)
{
	const struct cred *cred = current_cred();

	revert_creds(current_real_cred());
	put_cred(cred);
}

static const struct mmu_notifier_ops watch_ops = {};

static void unwatch(void *data)
{
	struct mmu_notifier *watcher = data;

	mmu_notifier_unregister(watcher, watcher->mm);
}

/*
 * Become a process that has KVM. The driver knows it by a notifier that watches its memory.
 * Undone by the end of the case.
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

struct tce_mock_group *tce_group(struct tce_fixture *fx)
{
	struct tce_mock_group *grp = tce_mock_add_group(fx->mock);

	KUNIT_ASSERT_NOT_NULL(fx->test, grp);
	return grp;
}

/* The first group of a container; NULL if there is none */
struct tce_mock_group *tce_group_of(const struct tce_client *client)
{
	struct tce_mock_group *grp;

	list_for_each_entry(grp, &client->fx->mock->groups, list)
		if (grp->owner == client->data)
			return grp;
	return NULL;
}

/* A new container, which the end of the case closes if nobody else does */
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

/* The devices have been switched off. */
static void detach(struct tce_client *client, struct tce_mock_group *grp)
{
	if (grp->owner == client->data)
		grp->owner = NULL;
	atomic_inc(&grp->mock->calls);
	tce_driver->detach_group(client->data, grp->group);
	atomic_dec(&grp->mock->calls);
	grp->tg.ops->release_ownership(&grp->tg, NULL);
}

/* Undo tce_open(), as the VFIO core does. */
void tce_close(struct tce_client *client)
{
	struct tce_mock_group *grp;

	while ((grp = tce_group_of(client)))
		detach(client, grp);
	atomic_inc(&client->fx->mock->calls);
	tce_driver->release(client->data);
	atomic_dec(&client->fx->mock->calls);
	list_del(&client->list);
	client->fx->slots &= ~BIT(client->slot);
	if (!client->fx->busy)
		tce_settled(client->fx);
	kfree(client);
}

/* Attach a group, as the VFIO core does. Undone by tce_detach(). */
int tce_attach(struct tce_client *client, struct tce_mock_group *grp)
{
	int rc;

	if (grp->tg.ops)
		grp->tg.ops->take_ownership(&grp->tg, NULL);
	atomic_inc(&grp->mock->calls);
	rc = tce_driver->attach_group(client->data, grp->group, VFIO_IOMMU);
	atomic_dec(&grp->mock->calls);
	if (!rc)
		grp->owner = client->data;
	else if (grp->tg.ops)
		grp->tg.ops->release_ownership(&grp->tg, NULL);
	tce_settled(client->fx);
	return rc;
}

void tce_detach(struct tce_client *client, struct tce_mock_group *grp)
{
	detach(client, grp);
	if (!client->fx->busy)
		tce_settled(client->fx);
}

/* Skip the case if this kernel can't make allocations fail. */
void tce_needs_faults(struct kunit *test)
{
	if (!tce_fault_can_alloc())
		kunit_skip(test, "this kernel can't make allocations fail");
}

/* The .init of all suites. Return: 0 or an errno. */
int tce_fixture_init(struct kunit *test)
{
	struct tce_fixture *fx;

	/* what the case before, with another parameter, has left there */
	test->priv = NULL;

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
	fx->mock = tce_mock_create();
	test->priv = fx;
	KUNIT_ASSERT_NOT_NULL(test, fx->mock);
	tce_get_state(fx, &fx->begun);
	return 0;
}

/* The .exit of all suites. Runs in another thread, even if the case was given up half-way. */
void tce_fixture_exit(struct kunit *test)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client, *next;
	unsigned int stuck;

	if (!fx)
		return;
	if (fx->mock) {
		tce_fault_disarm(fx->mock);
		list_for_each_entry_safe(client, next, &fx->clients, list)
			tce_close(client);
		tce_settled(fx);
		stuck = tce_mock_count(fx->mock).stuck;
		KUNIT_EXPECT_EQ(test, tce_mock_forget_bridges(fx->mock), stuck);
		tce_expect_balance(fx);
		KUNIT_EXPECT_EQ(test, tce_mock_forget_groups(fx->mock), 0);
		tce_mock_destroy(fx->mock);
	}
	mmdrop(fx->mm);
}
