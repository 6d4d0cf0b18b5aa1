// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER and UNREGISTER, and the locked memory that is charged for them, for
 * tables and for ENABLE. Rows compare exact amounts before and after.
 */
#include "memory/memory.h"

TESTS_MAIN("memory", &registration_rows, &pins_rows, &mapped_rows, &limit_rows,
	   &work_rows, &enable_rows, &end_rows)
