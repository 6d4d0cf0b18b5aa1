// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP, judged by what the device can then reach. What a driver says
 * about a mapping proves little; memory that changed, or did not, proves it.
 */
#include "dma/dma.h"

TESTS_MAIN("dma", &reach_rows, &unmap_rows, &bounds_rows, &refusal_rows, &memory_rows)
