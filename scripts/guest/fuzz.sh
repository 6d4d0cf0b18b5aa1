# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs selftests/fuzz against three edu devices. Its report is KTAP.

# shellcheck source=lib.sh
. /guest/lib.sh

edu_bind
/selftests/fuzz
