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

# shellcheck source=lib.sh
. /guest/lib.sh

MODULE=vfio_iommu_spapr_tce

devices=$(pci_find "$EDU")
[ -n "$devices" ] || die "no edu device"
for dev in $devices; do
	vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
done

load() {
	rmmod $MODULE || return 1
	if [ -f "/bench/$1.ko" ]; then
		insmod "/bench/$1.ko"
	else
		modprobe $MODULE
	fi
}

cat /sys/kernel/mm/transparent_hugepage/enabled
ls /sys/kernel/mm/hugepages 2>/dev/null
bad=0
for driver in ${BENCH_DRIVERS:-intree ours}; do
	load "$driver" || die "$driver does not load"
	say "$driver: $(cat /sys/module/$MODULE/srcversion)"
	# shellcheck disable=SC2086 # lists of words
	/bench/bench --driver "$driver" $BENCH_ARGS $BENCH_TESTS || bad=1
done
if [ -f /bench/tce_floor.ko ]; then
	insmod /bench/tce_floor.ko || die "tce_floor.ko does not load"
	/bench/bench --driver floor floor || bad=1
	rmmod tce_floor
fi
if [ -n "$BENCH_SYMBOLS" ]; then
	grep '\[' /proc/kallsyms | grep -i ' t ' | sed 's/^/sym /'
fi
exit $bad
