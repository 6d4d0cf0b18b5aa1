# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loads the KUnit suites' module, which runs them, and unloads it again. The
# reports are in the kernel's messages; scripts/kunit judges them.
#
# Environment:
#   TCE_GCOV  not empty: print the coverage data in the end

# shellcheck source=lib.sh
. /guest/lib.sh

# From here on the kernel's messages are what it is about.
dmesg -n 7
# The suites make the n-th allocation of a thread fail, whatever its flags are, and do not want a
# stack trace each time.
for what in failslab fail_page_alloc; do
	[ -d "/sys/kernel/debug/$what" ] || continue
	echo 0 >"/sys/kernel/debug/$what/ignore-gfp-wait"
	echo 0 >"/sys/kernel/debug/$what/verbose"
done
if [ -d /sys/kernel/debug/fail_page_alloc ]; then
	echo 0 >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
fi
# Where the machine has huge pages, they map some.
echo always >/sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null
mkdir -p /dev/hugepages
if mount -t hugetlbfs hugetlbfs /dev/hugepages 2>/dev/null; then
	echo 32 >/proc/sys/vm/nr_hugepages 2>/dev/null
fi

# insmod waits for each case; with KASAN on a busy machine that may take longer than the minute
# after which the kernel thinks it hangs. KUnit itself gives a case 300 s. What hangs is to be
# reported before that, because KUnit does not say where.
if [ -e /proc/sys/kernel/hung_task_timeout_secs ]; then
	echo 280 >/proc/sys/kernel/hung_task_timeout_secs
	echo 5 >/proc/sys/kernel/hung_task_check_interval_secs
fi

as_before() { [ "$(pinned)" -eq "$before" ]; }
before=$(pinned)
insmod /kunit/vfio_iommu_spapr_tce_kunit.ko || die "the suites' module does not load"
rmmod vfio_iommu_spapr_tce_kunit || die "the suites' module cannot be unloaded"
wait_for 10 as_before || die "the suites have left $(($(pinned) - before)) pages pinned"
lost_memory
dmesg -n 5
echo "<6>on the console until here" >/dev/kmsg

[ -z "$TCE_GCOV" ] || coverage_data
say "the suites have run"
