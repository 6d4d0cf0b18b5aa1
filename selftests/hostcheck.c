// SPDX-License-Identifier: GPL-2.0-only
/*
 * One PCI function of any host, given to vfio-pci, drives DMA through the module:
 * what scripts/hostcheck runs on machines that this project does not have.
 *
 * usage: hostcheck --device PCI [OPTION of the harness]
 *
 * HOSTCHECK_SECONDS is how long each stress row runs (5). HOSTCHECK_STRAY is a command
 * that stops the device after each access that was not allowed, as hardware does.
 */
#include "hostcheck/check.h"

TESTS_MAIN("hostcheck", &map_rows, &window_rows, &account_rows, &stress_rows,
	   &msi_rows, &eeh_rows)
