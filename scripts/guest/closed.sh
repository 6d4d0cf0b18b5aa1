# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# The example vfio-only-this-module.conf: with the in-tree driver alone, no backend is loaded, by
# hand or with VFIO, and a client is refused, while vfio-pci has the device; once this module is
# installed, the same commands load it. /closed has the rule, and the module, which is not installed
# yet.

# shellcheck source=lib.sh
. /guest/lib.sh

# kmod's, where the rule and the kernel look for it: this shell prefers busybox's own.
ln -sf /bin/kmod /sbin/modprobe
modprobe() { /sbin/modprobe "$@"; }
depmod() { /bin/depmod; }
modinfo() { /bin/modinfo "$@"; }

modules=/lib/modules/$(uname -r)
rm -rf "$modules/updates"
# Another package may have put a module that this one depends on where ours would be.
mkdir "$modules/updates"
cp "$modules"/kernel/drivers/vfio/vfio.ko* "$modules/updates/"
depmod
case $(modinfo -F filename vfio_iommu_spapr_tce) in
*/kernel/drivers/vfio/*) ;;
*) die "the in-tree driver is not the one that modprobe finds" ;;
esac
mkdir -p /etc/modprobe.d
cp /closed/rule /etc/modprobe.d/vfio-only-this-module.conf
dev=$(pci_find "$EDU")
[ -n "$dev" ] || die "no edu device"

say "with the in-tree driver"
modprobe vfio-pci || die "vfio-pci does not load"
[ -e /sys/module/vfio_pci ] || die "vfio-pci is not loaded"
echo vfio-pci >"/sys/bus/pci/devices/$dev/driver_override"
echo "$dev" >/sys/bus/pci/drivers_probe
[ "$(pci_driver "$dev")" = vfio-pci ] || die "vfio-pci does not have the device"
# kmod's modprobe says that the command has failed, and may end with 0.
modprobe vfio_iommu_spapr_tce 2>/tmp/said
cat /tmp/said
grep -q 'see tcestat doctor' /tmp/said || die "modprobe does not say why"
[ ! -e /sys/module/vfio_iommu_spapr_tce ] || die "a driver is loaded"
dmesg | grep 'there is only the in-tree driver, which vfio-only-this-module.conf' ||
	die "the kernel log does not say why"
for version in 1 2; do
	! /selftests/hold "$dev" $version exit >/tmp/hold 2>&1 ||
		die "v$version: a client got the device"
	cat /tmp/hold
done

say "with this module"
mkdir -p "$modules/updates/dkms"
cp /closed/*.ko "$modules/updates/dkms/"
depmod
modprobe vfio_iommu_spapr_tce || die "modprobe does not load it"
tce_version || die "another driver is loaded"
for version in 1 2; do
	/selftests/hold "$dev" $version exit || die "v$version: the client fails"
done
rmmod vfio_iommu_spapr_tce vfio_pci || die "the modules can't be unloaded"
modprobe -r vfio_pci_core vfio 2>/dev/null

say "loaded with VFIO, by its soft dependency"
modprobe vfio-pci
tce_version || die "another driver is loaded"
say "done"
