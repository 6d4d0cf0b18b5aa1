# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the program of scripts/check-emulator for so many seconds.

# shellcheck source=lib.sh
. /guest/lib.sh

[ "$(nproc)" -gt 1 ] || die "there is but one processor"
said=$(/emulator "$1") || die "${said:-the program ended with $?}"
say "$said"
