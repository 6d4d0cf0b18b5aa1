/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults that the kernel injects into this task.
 */
#ifndef SELFTESTS_FAULTS_H
#define SELFTESTS_FAULTS_H

#include "test.h"

/* No command needs so many allocations. */
#define MANY	2000

/* Copies from and to user space can fail as well. */
extern bool copies_fail;

/* Skips the row where the kernel has no fault injection. */
void need_faults(void);
/* Makes the @n-th allocation from now on fail; 0: none. */
void arm(unsigned int n);
/* True if a fault was injected since arm(). */
bool disarm(void);

extern const struct rows bypass_rows;

#endif
