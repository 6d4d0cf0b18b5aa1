/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of this program have in common.
 */
#ifndef SELFTESTS_ABI_H
#define SELFTESTS_ABI_H

#include "test.h"

#define INFO_V1_SIZE	16	/* before ddw was added */
#define INFO_SIZE	32
#define BAD_POINTER	((void *)8)

/* Only type and number: the direction bits of _IO() differ by architecture. */
#define expect_number(nr, cmd)	expect_eq(';' << 8 | (nr), (cmd) & 0xffff)

/* container.c */
extern const struct rows container_rows;

/* command.c */
extern const struct rows command_rows;

/* argument.c */
extern const struct rows argument_rows;

/* owner.c */
extern const struct rows owner_rows;

/* log.c */
extern const struct rows log_rows;

#endif
