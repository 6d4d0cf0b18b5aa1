// SPDX-License-Identifier: GPL-2.0-only
/*
 * One PCI function of any host, given to vfio-pci, drives DMA through the module:
 * what scripts/hostcheck runs on machines that this project does not have.
 *
 * usage: hostcheck --device PCI [OPTION of the harness]
 *
 * HOSTCHECK_SECONDS is how long the stress rows run (5). HOSTCHECK_BENCH=1 also
 * measures what a TCE costs.
 */
#include "hostcheck/check.h"

TESTS_MAIN("hostcheck", &map_rows, &window_rows, &account_rows, &stress_rows,
	   &msi_rows, &eeh_rows, &bench_rows)
