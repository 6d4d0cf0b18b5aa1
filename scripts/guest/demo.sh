# shellcheck shell=dash disable=SC2317 # functions that try() calls
# SPDX-License-Identifier: GPL-2.0-only
#
# What "make demo" shows: which host this is, that our module is the one that
# vfio-pci loads, a device used through both versions of the API, and that the
# host has its own DMA window back afterwards. Good only if every step is ok.

# shellcheck source=lib.sh
. /guest/lib.sh

# Warnings between the lines would spoil the report; the whole log comes after it.
dmesg -n 4

failed=0
# step STATUS WHAT FIGURE
step() {
	if [ "$1" -eq 0 ]; then verdict=ok; else verdict=FAILED; failed=1; fi
	printf '   %-30s %-42s %s\n' "$2" "$3" "$verdict"
}
fact() { printf '   %-30s %s\n' "$1" "$2"; }
# try WHAT FIGURE COMMAND... - a step that is ok if the command succeeds
try() {
	what=$1 figure=$2
	shift 2
	"$@"
	step $? "$what" "$figure"
}

dev=$(pci_find "$EDU" | head -n 1)
[ -n "$dev" ] || die "no edu device"

echo
echo "Host"
fact "machine" "$(tr '\0' '\n' </proc/device-tree/model), $TCE_MACHINE in QEMU"
cpu=$(sed -n 's/^cpu[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
fact "processors" "$(grep -c ^processor /proc/cpuinfo), $cpu"
fact "kernel" "$(uname -sr) $(uname -m)"
fact "device" "$dev, QEMU's edu, a DMA engine"

echo
echo "Module"
mark "loading"
lsmod | grep -q '^vfio' && die "VFIO is loaded already"
# By full path: this shell prefers busybox's modprobe, which knows nothing of soft
# dependencies, to the real one.
try "modprobe vfio-pci" "and nothing else" /bin/modprobe vfio-pci
if ! /bin/modprobe --version >/dev/null 2>&1; then
	fact "(no kmod here)" "the soft dependency is followed by hand"
	modprobe vfio_iommu_spapr_tce
fi
loaded=$(cat /sys/module/vfio_iommu_spapr_tce/srcversion 2>/dev/null)
file=$(/bin/modinfo -F filename vfio_iommu_spapr_tce)
fact "file" "${file#/lib/modules/}"
[ "$TCE_DRIVER" = intree ] ||
	try "it is" "this module, not the in-tree driver" test "${file#*/updates/}" != "$file"
try "it is loaded" "srcversion ${loaded:-none}" \
	test "$loaded" = "$(/bin/modinfo -F srcversion vfio_iommu_spapr_tce)"

windows_before=$(windows)
for version in 1 2; do
	echo
	if [ $version = 1 ]; then name=VFIO_SPAPR_TCE_IOMMU; else name=VFIO_SPAPR_TCE_v2_IOMMU; fi
	echo "v$version: $name"
	mark "v$version"
	try "device to vfio-pci" "group $(pci_group "$dev")" vfio_bind "$dev"
	/selftests/demo $version || failed=1
	try "device back to the host" "unbound from vfio-pci" vfio_release "$dev"
	# of PowerNV alone
	log_since "v$version" | grep -E 'PE# .*(DMA window|window#|DMA bypass)' |
		sed -n 's/^.*PE# [^]]*\] /     log: /p'
	try "host's windows" "are back" window_back "v$version"
done

echo
if [ $failed -eq 0 ]; then
	echo "All steps are ok."
else
	echo "Some steps FAILED."
fi
exit $failed
