# shellcheck shell=dash disable=SC2317 # functions that try() calls
# SPDX-License-Identifier: GPL-2.0-only
#
# What "make demo" shows: which host this is, that our module is the one that
# vfio-pci loads, a device used through both versions of the API, that the
# host has its own DMA window back afterwards, and on PowerNV what the in-tree driver
# answers to three calls. Good only if every step is ok. With the argument "each",
# the in-tree driver has to get each of these wrong.

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
fact "version" "$(cat /sys/module/vfio_iommu_spapr_tce/version)"
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

# answers NAME FILE - what this driver answers to the client. The module of the kernel has no other
# name than ours.
answers() {
	{ rmmod vfio_iommu_spapr_tce && insmod "$2" && vfio_bind "$dev"; } ||
		die "$1 does not load"
	/selftests/demo answers >/tmp/"$1" || { cat /tmp/"$1"; die "the client failed with $1"; }
	vfio_release "$dev"
}

# compare WHAT - the next line of both
compare() {
	read -r theirs <&3
	read -r mine <&4
	printf '   %s\n      in-tree       %s\n      this module   %s\n' "$1" "$theirs" "$mine"
	echo "$theirs" >>/tmp/all-theirs
	echo "$mine" >>/tmp/all-mine
}

if [ "$TCE_DRIVER" = ours ] && grep -q PowerNV /proc/cpuinfo; then
	echo
	echo "Why: the same calls, with the in-tree driver of this kernel and with this module"
	intree=$(find /lib/modules/*/kernel -name vfio_iommu_spapr_tce.ko)
	answers in-tree "$intree"
	answers ours "$file"
	exec 3</tmp/in-tree 4</tmp/ours
	compare "MAP over a mapping fails, as a part of the memory is not registered (v2)"
	compare "DISABLE, while 32 pages are mapped (v1)"
	compare "MAP of 2 pages that begins in the last page of a window (v2)"
	exec 3<&- 4<&-
	printf '%s\n' "EINVAL, and what was mapped there is kept" \
		"0 pages stay pinned, and the device has no access" \
		"EINVAL, and an entry behind the end is not written" >/tmp/wanted
	try "this module's answers" "as they should be" cmp -s /tmp/all-mine /tmp/wanted
	# make check has a kernel whose driver is known.
	if [ "${1-}" = each ]; then
		printf '%s\n' "EINVAL, and what was mapped there is lost" \
			"32 pages stay pinned, and the device writes to them" \
			"0, and an entry behind the end is written" >/tmp/wanted
		try "the in-tree driver's answers" "all three are wrong" \
			cmp -s /tmp/all-theirs /tmp/wanted
	fi
fi

echo
if [ $failed -eq 0 ]; then
	echo "All steps are ok."
else
	echo "Some steps FAILED."
fi
exit $failed
