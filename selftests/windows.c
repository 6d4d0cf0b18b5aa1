// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA windows of v2: the default one which exists only once it is needed,
 * CREATE and REMOVE, page sizes, levels, and what all of that is charged.
 */
#include "windows/windows.h"

TESTS_MAIN("windows", &default_rows, &slots_rows, &pages_rows, &shape_rows,
	   &failure_rows)
