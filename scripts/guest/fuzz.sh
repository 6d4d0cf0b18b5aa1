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
say "fuzz $TCE_FUZZ"
# shellcheck disable=SC2086 # a list of arguments
/selftests/fuzz $TCE_FUZZ
status=$?
# Each round makes the platform tell about its windows. What was a warning or worse
# has been on the console already, and the rest would take longer than the rounds.
lines=$(dmesg | wc -l)
if [ $status -eq 0 ]; then
	dmesg -c >/dev/null
	say "the kernel's log of $lines lines is left out"
fi
exit $status
