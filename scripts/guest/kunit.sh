# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loads the KUnit suites' module, which runs them, and unloads it again. The
# reports are in the kernel's messages; scripts/kunit judges them.
#
# Environment:
#   TCE_GCOV   not empty: print the coverage data in the end

# shellcheck source=lib.sh
. /guest/lib.sh

# The suites make the n-th allocation of a thread fail, whatever its flags are,
# and do not want a stack trace each time.
debug=/sys/kernel/debug
for what in failslab fail_page_alloc; do
	[ -d "$debug/$what" ] || continue
	echo 0 >"$debug/$what/ignore-gfp-wait"
	echo 0 >"$debug/$what/verbose"
done
if [ -d "$debug/fail_page_alloc" ]; then
	echo 0 >"$debug/fail_page_alloc/ignore-gfp-highmem"
	echo 0 >"$debug/fail_page_alloc/min-order"
fi

# Where the machine has huge pages, the suites map some.
echo always >/sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null
mkdir -p /dev/hugepages
if mount -t hugetlbfs hugetlbfs /dev/hugepages 2>/dev/null; then
	echo 32 >/proc/sys/vm/nr_hugepages 2>/dev/null
fi

# From here on the kernel's messages are what it is about.
dmesg -n 7
insmod /kunit/vfio_iommu_spapr_tce_kunit.ko || die "the suites' module does not load"
rmmod vfio_iommu_spapr_tce_kunit || die "the suites' module cannot be unloaded"

if [ -e "$debug/kmemleak" ]; then
	# An object is only reported when it was seen twice.
	echo scan >"$debug/kmemleak"
	sleep 6
	echo scan >"$debug/kmemleak"
	cat "$debug/kmemleak"
fi
dmesg -n 5

if [ -n "$TCE_GCOV" ]; then
	# shellcheck disable=SC2044 # no spaces in these
	for file in $(find "$debug/gcov" -name '*.gcda'); do
		say "gcov $file"
		gzip -c "$file" | base64
	done
	say "gcov end"
fi
say "the suites have run"
