# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the test programs of /selftests: as root, then as a user who owns nothing
# but the group files.
#
# Environment:
#   TCE_USERS   "root user" (default), or one of the two
#   TCE_TEST    glob, or several with "|" between them: only rows with such a name
#   TCE_WITHOUT programs that are not run
#   TCE_SECONDS how long the rows of races and storm run at least
#   TCE_SEED, TCE_ROUND, TCE_ROUNDS, TCE_REPEATS    what is drawn, see selftests/README.md
#   TCE_PATIENCE how many times as long any row may take (1), on slow kernels
#   TCE_GCOV    not empty: with tracepoints on, and print the coverage data
#
# Good only if every program is there and has nothing to complain about; whether each test has a
# result, and may be skipped, scripts/selftest judges.

# shellcheck source=lib.sh
. /guest/lib.sh

# Written out, so that a program that is missing is noticed
PROGRAMS="abi dma memory windows eeh races storm waits kvm"
NOBODY=65534

bad=0
run() {
	program=$1
	shift
	if [ ! -x "/selftests/$program" ]; then
		say "$program is missing"
		bad=$((bad + 1))
		return
	fi
	set -- "$@" ${TCE_TEST:+--test "$TCE_TEST"}
	# again: some tests unload the module
	[ -z "$TCE_GCOV" ] || echo 1 >/sys/kernel/tracing/events/vfio_spapr_tce/enable ||
		die "nothing can be traced"
	say "running $program${*:+ $*}"
	"/selftests/$program" "$@"
	status=$?
	case $status in
	0|4) ;; # 4: no test has such a name, or all of them skipped
	*) say "$program failed ($status)"; bad=$((bad + 1)) ;;
	esac
}

edu_bind
insmod /selftests/host_map.ko || die "host_map does not load"
for dev in $devices; do
	# All that the user of the tests gets; root does not need to own it.
	chown "$NOBODY" "/dev/vfio/$(pci_group "$dev")"
done
if modprobe kvm-hv 2>/dev/null && [ -e /dev/kvm ]; then chown "$NOBODY" /dev/kvm; fi

# For rows about huge pages, which skip where the host has none.
echo 16 >/proc/sys/vm/nr_hugepages 2>/dev/null
# One of 1 GiB takes half of most hosts.
giant=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
if [ -e "$giant" ] &&
	[ "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)" -gt 2500000 ]; then
	echo 1 >"$giant"
fi
say "huge pages: $(sed -n 's/^HugePages_Total: *//p' /proc/meminfo)"

# all PROGRAM... - as each user
all() {
	for user in ${TCE_USERS:-root user}; do
		for program in "$@"; do
			case "$user $TCE_WITHOUT " in
			*" $program "*) ;;
			root*) run "$program" ;;
			user*) run "$program" --uid "$NOBODY" ;;
			esac
		done
	done
}

# shellcheck disable=SC2086 # words
all $PROGRAMS
# Where allocations are made to fail, the platform loses some by itself.
lost_memory
all faults
[ -z "$TCE_GCOV" ] || coverage_data
# How much KCSAN, where there is one, has watched.
grep -s watchpoints /sys/kernel/debug/kcsan | sed 's/^/>> kcsan: /'
[ $bad -eq 0 ] || die "$bad of the runs failed"
