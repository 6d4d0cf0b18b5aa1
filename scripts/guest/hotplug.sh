# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices come and go around a client, in each order that there is. A client gets a
# device with right DMA after each step. Each edu has a second function in its group.

# shellcheck source=lib.sh
. /guest/lib.sh

PCI=/sys/bus/pci
OPS=spapr_tce_iommu_ops
UPDATES=/lib/modules/$(uname -r)/updates
CLASS=/sys/class/iommu/spapr-tce
DEBUG=/sys/kernel/debug
FAIL=/sys/module/fail_load/parameters

# shellcheck disable=SC2046 # two words
set -- $(pci_find "$EDU")
dev=$1 other=$2
[ -n "$other" ] || die "no two edu devices"
second=${dev%.0}.1
port=$(basename "$(readlink -f "$PCI/devices/$dev/..")")

remove() { echo 1 >"$PCI/devices/$1/remove"; }
rescan() {
	echo 1 >"$PCI/rescan"
	for each in "$dev" "$second" "$other"; do
		[ -e "$PCI/devices/$each/iommu_group" ] || die "$1: $each is not back in a group"
	done
	marked "$1"
}

# open_while COMMAND... - takes $dev away, which a client has: it goes once he has gone.
open_while() {
	hold 2 wait
	"$@" &
	sleep 1
	[ -e "$PCI/devices/$dev" ] || die "$dev went, and a client had it open"
	hold_killed
	wait
	[ ! -e "$PCI/devices/$dev" ] || die "$dev was taken away, and stays"
}

# ops - does this kernel have its IOMMU operations from us?
ops() { [ -e "/sys/module/$OPS" ]; }

entries() { find "$1" -mindepth 1 -maxdepth 1 | wc -l; }

# marked STEP - each PCI device holds one reference of the module, as does the backend.
marked() {
	ops || return 0
	users=$(entries "/sys/module/$OPS/holders")
	devices=$(entries "$PCI/devices")
	count=$(cat "/sys/module/$OPS/refcnt")
	[ "$count" -eq $((users + devices)) ] ||
		die "$1: $OPS has $count references, with $devices devices and $users modules"
}

# load_failing - load $OPS after starts that fail at each allocation in turn, up to the one that the
# start can do without. On 6.1 that is the event for user space, number 14 of 14. All that follow
# fail, too, because one alone may be for nodes that sysfs preallocates, and can do without.
load_failing() {
	# An allocation of pages can fail without that of the object, which then takes fewer.
	echo 99 >"$DEBUG/fail_page_alloc/min-order"
	echo N >"$DEBUG/failslab/ignore-gfp-wait"
	echo 0 >"$DEBUG/failslab/verbose"
	echo Y >"$DEBUG/failslab/task-filter"
	echo -1 >"$DEBUG/failslab/times"
	echo 100 >"$DEBUG/failslab/probability"
	insmod /selftests/fail_load.ko || die "fail_load does not load"
	nth=1
	echo $nth >"$FAIL/nth"
	until insmod "$UPDATES/$OPS.ko" 2>/tmp/insmod; do
		grep -qi 'cannot allocate memory' /tmp/insmod ||
			die "allocation $nth failed: $(cat /tmp/insmod)"
		! ops || die "allocation $nth failed: $OPS is loaded"
		[ ! -e "$CLASS" ] || die "allocation $nth failed: $CLASS is still there"
		[ "$(pci_driver "$dev")" != vfio-pci ] ||
			die "allocation $nth failed: $dev was given to VFIO"
		nth=$((nth + 1))
		[ $nth -lt 200 ] || die "$OPS never loads"
		echo $nth >"$FAIL/nth"
	done
	echo 0 >"$DEBUG/failslab/probability"
	rmmod fail_load
	[ $nth -gt 12 ] ||
		die "the start of $OPS has hardly failed: only with allocations 1 to $((nth - 1))"
	say "its start failed with allocations 1 to $((nth - 1)), and left nothing"
}

# works STEP - a client of each kind gets the device, and its DMA is right.
works() {
	vfio_bind "$dev" || die "$1: $dev cannot be bound to vfio-pci"
	/selftests/demo 2 >/tmp/demo || { cat /tmp/demo; die "$1: the client failed"; }
	say "$1: DMA is right"
}

# Without them: nothing works. While they come, somebody tries all the time.
if [ -e "$UPDATES/$OPS.ko" ]; then
	# This modprobe knows nothing of soft dependencies.
	busybox modprobe vfio-pci || die "vfio-pci does not load"
	! ops || die "$OPS came with VFIO"
	pci_unbind "$dev"
	echo vfio-pci >"$PCI/devices/$dev/driver_override"
	echo "$dev" >"$PCI/drivers_probe" 2>/dev/null
	[ "$(pci_driver "$dev")" != vfio-pci ] || die "VFIO works without $OPS: it is not needed"
	(
		while [ "$(pci_driver "$dev")" != vfio-pci ] && [ ! -e /tmp/enough ]; do
			echo "$dev" >"$PCI/drivers_probe"
			remove "$second"
			echo 1 >"$PCI/rescan"
		done 2>/dev/null
		/selftests/hold "$dev" 2 exit
	) &
	trying=$!
	sleep 2
	if [ -e /proc/self/fail-nth ]; then
		load_failing
	else
		modprobe "$OPS" || die "$OPS does not load"
	fi
	modprobe vfio_iommu_spapr_tce
	(sleep 30; touch /tmp/enough) &
	wait "$trying" || say "the client came before the backend was loaded"
	touch /tmp/enough
	[ "$(pci_driver "$dev")" = vfio-pci ] ||
		die "the client that kept trying never got the device"
	[ -e "$CLASS" ] || die "$OPS is loaded and does nothing"
	rescan "loaded"
fi
works "loaded"

hold 2 wait
remove "$second"
marked "removed"
rescan "a function comes to a claimed group"
[ "$(pci_group "$second")" = "$(pci_group "$dev")" ] || die "$second is in another group now"
hold_killed
works "after a function came to a claimed group"

remove "$second"
rescan "a function comes to a group that nobody has"
works "after a function came"

open_while remove "$dev"
rescan "the device was removed while it was open"
works "after it was removed while it was open"

hold 2 lose
remove "$dev"
wait "$holder" || { cat /tmp/hold; die "the client did not lose its group"; }
rescan "the device was removed while its group was claimed"
works "after it was removed while its group was claimed"

vfio_release "$dev"
remove "$port"
[ ! -e "$PCI/devices/$second" ] || die "a function stays without its port"
rescan "the port was removed"
works "after the port was removed"

# Virtual functions come and go with their groups, of which each has its own.
functions() { echo "$1" >"$PCI/devices/$pf/sriov_numvfs"; }
function_nr() { basename "$(readlink -f "$PCI/devices/$pf/virtfn$1")"; }
if [ -n "${TCE_SRIOV-}" ]; then
	pf=$(pci_find "$IGB")
	modprobe pci-pf-stub || die "pci-pf-stub does not load"
	pci_unbind "$pf"
	echo pci-pf-stub >"$PCI/devices/$pf/driver_override"
	echo "$pf" >"$PCI/drivers_probe"
	edu=$dev
	for n in 1 2 3; do
		functions 2 || die "$pf gives no virtual functions"
		marked "virtual functions came"
		dev=$(function_nr 0)
		[ "$(pci_group "$dev")" != "$(pci_group "$(function_nr 1)")" ] ||
			die "virtual functions share a group"
		vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
		/selftests/hold "$dev" 2 exit ||
			die "the client of a virtual function failed"
		open_while functions 0
		marked "virtual functions went"
		say "virtual functions came and went: $n"
	done
	dev=$edu
	works "after virtual functions came and went"
fi

for group in /sys/kernel/iommu_groups/*; do
	cat "$group/type" "$group/reserved_regions" >/dev/null
	echo DMA >"$group/type" 2>/dev/null && die "$group has taken another type"
done
rmmod vfio_iommu_spapr_tce || die "the backend cannot be unloaded"
if ops; then
	! rmmod "$OPS" 2>/dev/null || die "$OPS can be unloaded"
fi
marked "without a backend"
modprobe vfio_iommu_spapr_tce || die "the backend does not load again"
works "with the backend loaded anew"
tce_version || die "another driver is loaded"
say "done"
