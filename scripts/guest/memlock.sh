# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# The amounts of locked memory that tcestat computes, against what the module charges: memlock.py.

# shellcheck source=lib.sh
. /guest/lib.sh

export LD_LIBRARY_PATH=/python/lib PYTHONHOME=/python
edu_bind
dev=$(echo "$devices" | head -n 1)
group=$(pci_group "$dev")
chown 65534 "/dev/vfio/$group"
/python/bin/python3 /guest/memlock.py "$group" || die "the amounts are not those that are charged"
