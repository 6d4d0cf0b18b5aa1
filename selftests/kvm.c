// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM at the same tables. A process here is what QEMU is to a guest: it has a
 * container, and a virtual machine whose hypercalls KVM answers by itself, in the
 * tables of the container's windows, without a lock in common. The guest is five
 * instructions: it makes the hypercall that it is told, and asks for the next one.
 *
 * Needs a host with KVM; the rows are skipped where there is none.
 */
#include "kvm/kvm.h"

TESTS_MAIN("kvm", &tables_rows, &loop_rows, &v1_rows)
