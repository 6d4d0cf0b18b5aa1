# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Counts what drivers cost, in this boot, one driver after the other.
#
# /bench/ours.ko is ours.

# shellcheck source=lib.sh
. /guest/lib.sh

MODULE=vfio_iommu_spapr_tce

edu_bind
modprobe kvm-hv 2>/dev/null || say "no KVM"
# what is measured with huge pages has 256 MiB at most
echo 128 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages || say "no pages of 2 MiB"
for driver in intree ours; do
	rmmod $MODULE || die "the driver stays"
	regions=65536
	if [ -f "/bench/$driver.ko" ]; then
		insmod "/bench/$driver.ko" || die "$driver does not load"
	else
		modprobe $MODULE || die "$driver does not load"
		# what each of them costs it grows with their number
		regions=4096
	fi
	say "$driver: $(cat /sys/module/$MODULE/srcversion)"
	{ /bench/bench "$driver" "$regions" || : >/tmp/bad; } | tee -a /tmp/bench.csv
done
# once more: a message of the firmware may have hit a line
cat /tmp/bench.csv
[ ! -e /tmp/bad ]
