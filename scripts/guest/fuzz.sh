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
