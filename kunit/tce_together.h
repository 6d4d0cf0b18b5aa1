/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several threads at the same container, for the suites tce_threads,
 * tce_threads_wait and tce_threads_close.
 */
#ifndef TCE_KUNIT_TOGETHER_H
#define TCE_KUNIT_TOGETHER_H

#include "tce_fixture.h"

#define TCE_SHARED_SIZE	SZ_256K

/* Memory of TCE_SHARED_SIZE bytes that the threads of a case share */
extern unsigned long tce_shared;

/* A page that tce_register_spare() registers */
extern unsigned long tce_spare;

struct tce_client *tce_share(struct kunit *test, bool v2,
			     struct tce_mock_group **pgrp);
void tce_gate_close(struct tce_fixture *fx, struct tce_gate *gate);
bool tce_thread_is_done(struct tce_thread *thread);

/* What a thread may do */
void tce_map_shared(struct tce_thread *thread);
void tce_map_first(struct tce_thread *thread);
void tce_register_spare(struct tce_thread *thread);

#endif /* TCE_KUNIT_TOGETHER_H */
