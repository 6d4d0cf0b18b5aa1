# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the kernel shows at the end of a guest even if it has said nothing: a lockdep that
# has switched itself off, and a taint that was not there when the guest began. A line for
# each, which counts as a complaint of the kernel (scripts/harness/data/complaints).
#
# usage: health.sh TAINTED [PROC]
#   TAINTED   what /proc/sys/kernel/tainted said at the begin
#   PROC      in place of /proc

proc=${2:-/proc}
if grep -qs "^ *debug_locks: *0" "$proc/lockdep_stats"; then
	echo "VM-COMPLAINT: lockdep has switched itself off"
fi
# Modules that are not the kernel's own (O) and not signed (E), and KUnit's tests (N)
taint=$(($(cat "$proc/sys/kernel/tainted") & ~($1 | 1 << 12 | 1 << 13 | 1 << 18)))
if [ "$taint" -ne 0 ]; then
	echo "VM-COMPLAINT: the kernel is tainted by $taint"
fi
