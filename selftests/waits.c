// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can make whom wait. A client may make itself wait for as long as it likes: by an
 * argument or memory on a page that never comes, or by an EEH operation on a device
 * whose lock somebody has. Nobody else may wait for it: not root who takes the device
 * away, not another client, and not the client's own close.
 *
 * A page that never comes is one of userfaultfd: the kernel asks user space for it, and
 * nobody answers. The rows take devices from vfio-pci, so that they stay root; their
 * clients are processes of their own with the rights of the tests' user.
 */
#include "waits/waits.h"

TESTS_MAIN("waits", &eeh_rows, &argument_rows, &answer_rows, &memory_rows, &state_rows)
