// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of the API: which command exists where, which structures, flags and
 * pointers it takes, who may call it, and with which errno it refuses.
 */
#include "abi/abi.h"

TESTS_MAIN("abi", &container_rows, &command_rows, &argument_rows, &owner_rows,
	   &log_rows)
