// SPDX-License-Identifier: GPL-2.0-only
/*
 * The containers of the process, their groups and windows, see tce_fixture.h.
 */
#include <linux/slab.h>

#include <asm/mmu_context.h>

#include "tce_fixture.h"

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
			tce_mock_detach(client->data, client->groups[i]);
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
	int rc = tce_mock_attach(client->data, grp);
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
	tce_mock_detach(client->data, grp);
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
 * tce_two_windows() - a v2 container with two windows and an entry in each
 * @test: the case
 * @pgrp: the group is returned here
 * @ua: address of the page that both reach is returned here; it is registered
 *
 * Return: the container.
 */
struct tce_client *tce_two_windows(struct kunit *test,
				   struct tce_mock_group **pgrp,
				   unsigned long *ua)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client = tce_ready(fx, true, pgrp);
	u64 start;

	*ua = tce_plain(fx, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, tce_register(client, *ua, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, tce_create(client, 12, SZ_16M, 1, &start), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, 0, *ua, SZ_4K, TCE_RW), 0);
	KUNIT_ASSERT_EQ(test, tce_map(client, start, *ua, SZ_4K, TCE_RW), 0);
	return client;
}
