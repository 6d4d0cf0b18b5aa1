# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# The least that must work: vfio-pci loads the IOMMU driver by itself, every edu
# device can be bound and gets a group of its own, and goes back afterwards.

# shellcheck source=lib.sh
. /guest/lib.sh

devices=$(pci_find "$EDU")
[ -n "$devices" ] || die "no edu device"
modprobe vfio-pci || die "vfio-pci does not load"
if modprobe --version >/dev/null 2>&1; then
	[ -e /sys/module/vfio_iommu_spapr_tce ] || die "the IOMMU driver was not loaded with vfio-pci"
fi
for dev in $devices; do
	vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
	say "$dev is in group $(pci_group "$dev")"
done
tce_version || die "another driver is loaded"
ls -l /dev/vfio
for dev in $devices; do
	vfio_release "$dev"
	[ "$(pci_driver "$dev")" != vfio-pci ] || die "$dev stays with vfio-pci"
done
rmmod vfio_iommu_spapr_tce || die "the IOMMU driver cannot be unloaded"
say "done"
