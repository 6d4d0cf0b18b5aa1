# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Counts what drivers cost, in this boot, one driver after the other: the
# kernel's own, then ours, then the bare platform (tce_floor.ko).
#
# Environment:
#   BENCH_DRIVERS  "intree ours" (default); /bench/DRIVER.ko, if there, is
#                  loaded in place of the kernel's own
#   BENCH_TESTS    tests of selftests/bench.c, all if empty
#   BENCH_ARGS     more arguments for it
#   BENCH_TESTS_INTREE, BENCH_ARGS_INTREE  in place of and beside these for the
#                  kernel's own driver, which may take long
#   BENCH_SYMBOLS  not empty: print where the functions of the modules are

# shellcheck source=lib.sh
. /guest/lib.sh

MODULE=vfio_iommu_spapr_tce

devices=$(pci_find "$EDU")
[ -n "$devices" ] || die "no edu device"
for dev in $devices; do
	vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
done

# One of 1 GiB, as long as there is room for one.
giant=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
[ ! -e "$giant" ] || echo 1 >"$giant"

load() {
	rmmod $MODULE || return 1
	if [ -f "/bench/$1.ko" ]; then
		insmod "/bench/$1.ko"
	else
		modprobe $MODULE
	fi
}

symbols() {
	[ -z "$BENCH_SYMBOLS" ] || grep -i ' t .*\[' /proc/kallsyms | sed 's/^/sym /'
}

bad=0
for driver in ${BENCH_DRIVERS:-intree ours}; do
	load "$driver" || die "$driver does not load"
	say "$driver: $(cat /sys/module/$MODULE/srcversion)"
	tests=$BENCH_TESTS
	more=
	if [ "$driver" = intree ]; then
		tests=${BENCH_TESTS_INTREE:-$tests}
		more=$BENCH_ARGS_INTREE
	fi
	# shellcheck disable=SC2086 # lists of words
	/bench/bench --driver "$driver" $BENCH_ARGS $more $tests || bad=1
	symbols
done
if [ -f /bench/tce_floor.ko ]; then
	insmod /bench/tce_floor.ko || die "tce_floor.ko does not load"
	# shellcheck disable=SC2086
	/bench/bench --driver floor $BENCH_ARGS floor floor-pins || bad=1
	symbols
	rmmod tce_floor
fi
# once more: a message of the firmware may have hit a line
cat /tmp/bench.csv
exit $bad
