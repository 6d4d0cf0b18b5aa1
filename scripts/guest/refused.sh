# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Clients of both kinds are refused at attach, again and again, and nothing of them stays.

# shellcheck source=lib.sh
. /guest/lib.sh

dev=$(pci_find "$EDU")
[ -n "$dev" ] || die "no edu device"
modprobe vfio_iommu_spapr_tce || die "the driver does not load"
tce_version || die "another driver is loaded"
vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
for version in 1 2 1 2; do
	! /selftests/hold "$dev" "$version" exit >/tmp/hold 2>&1 ||
		die "v$version: a client got the group"
	grep -q 'set_iommu(.*) returned -ENODEV' /tmp/hold || {
		cat /tmp/hold; die "v$version: not refused with ENODEV"
	}
	say "v$version: ENODEV"
done
said=$(dmesg | grep 'this kernel gives no windows to user space here') ||
	die "the log does not say why"
echo "$said" | grep -q 'boot Linux 6\.11, .* or newer' ||
	die "the log does not say which kernel it takes"
vfio_release "$dev"
[ "$(pci_driver "$dev")" != vfio-pci ] || die "$dev stays with vfio-pci"
rmmod vfio_iommu_spapr_tce || die "the driver cannot be unloaded"
say "done"
