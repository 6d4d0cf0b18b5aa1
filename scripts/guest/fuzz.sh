# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs selftests/fuzz against three edu devices. Its report is KTAP.
#
# Environment:
#   TCE_FUZZ  arguments of the program

# shellcheck source=lib.sh
. /guest/lib.sh

edu_bind
case $TCE_DRIVER:$(modinfo -F filename vfio_iommu_spapr_tce) in
ours:*/updates/* | intree:*/kernel/*) ;;
*) die "not the driver that was asked for" ;;
esac
say "fuzz $TCE_FUZZ"
# shellcheck disable=SC2086 # a list of arguments
/selftests/fuzz $TCE_FUZZ
status=$?
say "huge pages given: $(sed -n 's/^thp_fault_alloc //p' /proc/vmstat)"
# Each round makes the platform tell about its windows. What was a warning or worse
# has been on the console already, and the rest would take longer than the rounds.
lines=$(dmesg | wc -l)
if [ $status -eq 0 ]; then
	dmesg -c >/dev/null
	say "the kernel's log of $lines lines is left out"
fi
exit $status
