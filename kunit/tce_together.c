// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads at the same container, see tce_together.h.
 */
#include "tce_together.h"

/* What the threads of a case share */
unsigned long tce_shared;

/* A container with a window, and memory that may be mapped there. */
struct tce_client *tce_share(struct kunit *test, bool v2,
			     struct tce_mock_group **pgrp)
{
	struct tce_fixture *fx = test->priv;
	struct tce_client *client;

	tce_shared = tce_plain(fx, TCE_SHARED_SIZE);
	client = v2 ? tce_ready_window(fx, 12, SZ_64M, 1, pgrp) :
		      tce_ready(fx, false, pgrp);
	if (v2)
		KUNIT_ASSERT_EQ(test, tce_register(client, tce_shared, TCE_SHARED_SIZE), 0);
	return client;
}

/* Hold up the next thread that pins memory, or takes a region from the list. */
void tce_gate_close(struct tce_fixture *fx, struct tce_gate *gate)
{
	gate->skip = 0;
	init_completion(&gate->reached);
	init_completion(&gate->open);
	fx->mock->gate = gate;
}

/* Has it done what it had to do? */
bool tce_thread_is_done(struct tce_thread *thread)
{
	return completion_done(&thread->done);
}

/* Map all of the shared memory. */
void tce_map_shared(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, tce_shared, TCE_SHARED_SIZE, TCE_RW);
}

/* Map the first entry of it. */
void tce_map_first(struct tce_thread *thread)
{
	thread->rc = tce_map(&thread->view, 0, tce_shared, SZ_4K, TCE_RW);
}

unsigned long tce_spare;

/* Register the spare page. */
void tce_register_spare(struct tce_thread *thread)
{
	thread->rc = tce_register(&thread->view, tce_spare, PAGE_SIZE);
}
