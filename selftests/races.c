// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of one process at the same time. Which of them wins is open; that
 * nothing is counted twice, lost, or used after it is gone is not. Most rows are
 * dangerous: a driver that loses a race corrupts memory.
 */
#include "races/races.h"

TESTS_MAIN("races", &pairs_rows)
