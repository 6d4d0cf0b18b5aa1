# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# The amounts of locked memory that tcestat computes, against what the module charges: memlock.py.

# shellcheck source=lib.sh
. /guest/lib.sh

export LD_LIBRARY_PATH=/python/lib PYTHONHOME=/python
# a module, to take its functions from
cp /tcestat /guest/tcestat.py
edu_bind
groups=
for dev in $devices; do groups="$groups $(pci_group "$dev")"; done
for group in $groups; do chown 65534 "/dev/vfio/$group"; done
# shellcheck disable=SC2086 # two words
/python/bin/python3 /guest/memlock.py $groups || die "the amounts are not those that are charged"
