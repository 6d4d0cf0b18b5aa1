# shellcheck shell=dash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
#
# For guest scripts (busybox sh): ". /guest/lib.sh".

say() { echo ">> $*"; }
die() { echo "!! $*"; exit 1; }

# result STATUS TEST [REASON] - a line of a report in KTAP
nth=0 failures=0
result() {
	nth=$((nth + 1)) verdict=ok
	[ "$1" -eq 0 ] || verdict="not ok" failures=$((failures + 1))
	echo "$verdict $nth - $2${3:+ # $3}"
}

# check TEST COMMAND... - the same: does the command succeed? If not, the end of what it said
# follows, and that of the files $logs.
check() {
	title=$1
	shift
	"$@" >/tmp/check 2>&1 </dev/null
	status=$?
	result $status "$title"
	# shellcheck disable=SC2086 # several, or patterns
	[ $status -eq 0 ] || tail -n 15 /tmp/check ${logs-} 2>/dev/null | sed 's/^/# /'
}
not() { ! "$@"; }

# doc NAME [EDIT] - the very commands that a document shows to an administrator, which
# harness/doc-commands has put into /doc, after sed's EDIT of what is only an example in them
doc() {
	sed "${2-}" "/doc/$1" >/tmp/doc.sh
	sh -ex /tmp/doc.sh
}

# pci_find VENDOR:DEVICE - the addresses of all such devices, one a line.
pci_find() {
	for dev in /sys/bus/pci/devices/*; do
		read -r vendor <"$dev/vendor"
		read -r device <"$dev/device"
		if [ "$vendor:$device" = "0x${1%:*}:0x${1#*:}" ]; then echo "${dev##*/}"; fi
	done
}

EDU=1234:11e8
E1000E=8086:10d3
IGB=8086:10c9

# pci_group ADDR - the number of its IOMMU group; fails if it has none.
pci_group() {
	[ -e "/sys/bus/pci/devices/$1/iommu_group" ] &&
		basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}

# pci_driver ADDR - the driver that it is bound to, empty if none.
pci_driver() {
	if [ -e "/sys/bus/pci/devices/$1/driver" ]; then
		basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
	fi
}

# pci_unbind ADDR - take it from its driver, if it has one.
pci_unbind() {
	if [ -e "/sys/bus/pci/devices/$1/driver" ]; then
		echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	fi
}

# vfio_bind ADDR - give the device to vfio-pci (loads it, and with it the VFIO
# core and, through the core's soft dependency, the IOMMU driver).
vfio_bind() {
	# On Linux 6.1 the kernel's own driver needs it, too, and does not ask for it.
	if [ "$TCE_DRIVER" = intree ] &&
		[ -e "/lib/modules/$(uname -r)/updates/spapr_tce_iommu_ops.ko" ]; then
		modprobe spapr_tce_iommu_ops || return 1
	fi
	modprobe vfio-pci || return 1
	# Where there is no kmod (big endian) nobody follows soft dependencies.
	if [ ! -e /sys/module/vfio_iommu_spapr_tce ]; then
		modprobe vfio_iommu_spapr_tce || return 1
	fi
	pci_unbind "$1"
	echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(pci_driver "$1")" = vfio-pci ] && [ -e "/dev/vfio/$(pci_group "$1")" ]
}

# edu_bind - give all edu devices, in $devices, to vfio-pci, and see that the driver is the one on
# the disk.
edu_bind() {
	devices=$(pci_find "$EDU")
	[ -n "$devices" ] || die "no edu device"
	for dev in $devices; do
		vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
	done
	tce_version || die "another driver is loaded"
}

# vfio_release ADDR - take it from vfio-pci and let the host's driver have it again.
vfio_release() {
	pci_unbind "$1"
	echo >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
}

# tce_version - which driver is loaded: its srcversion and that of the file that
# modprobe would load. One that is built in has to be ours, which has tracepoints.
tce_version() {
	if [ -e /sys/module/vfio_iommu_spapr_tce ] &&
		[ ! -e /sys/module/vfio_iommu_spapr_tce/initstate ]; then
		say "vfio_iommu_spapr_tce: built in," \
			"version $(cat /sys/module/vfio_iommu_spapr_tce/version)"
		[ -d /sys/kernel/tracing/events/vfio_spapr_tce ]
		return
	fi
	loaded=$(cat /sys/module/vfio_iommu_spapr_tce/srcversion 2>/dev/null)
	file=$(modinfo -F filename vfio_iommu_spapr_tce)
	on_disk=$(modinfo -F srcversion vfio_iommu_spapr_tce)
	say "vfio_iommu_spapr_tce: loaded ${loaded:-none}, $file has $on_disk"
	[ -n "$loaded" ] && [ "$loaded" = "$on_disk" ]
}

now() { cut -d. -f1 /proc/uptime; }
# wait_for SECONDS COMMAND... - until it succeeds. The big-endian busybox sleeps whole seconds only.
wait_for() {
	end=$(($(now) + $1))
	shift
	until "$@"; do
		[ "$(now)" -lt "$end" ] || return 1
		sleep 0.2 2>/dev/null || sleep 1
	done
}

# pins acquired|released - of all pages of processes since the start, exactly; pinned - how many are
pins() {
	echo 1 >/proc/sys/vm/stat_refresh
	sed -n "s/^nr_foll_pin_$1 //p" /proc/vmstat
}
pinned() { echo $(($(pins acquired) - $(pins released))); }

# hold VERSION wait|lose|idle - a client in the background that has $dev.
hold() {
	# The client's own shell empties it too late: what the last one said would count.
	: >/tmp/hold
	/selftests/hold "$dev" "$1" "$2" >/tmp/hold &
	holder=$!
	wait_for 60 grep -q '^holding' /tmp/hold || { cat /tmp/hold; die "the client failed"; }
	cat /tmp/hold
}

hold_killed() {
	kill -KILL "$holder"
	wait "$holder"
	[ $? -eq 137 ] || die "the client was not killed"
}

# card_works CARD ADDRESS PEER - the host's own driver uses the network card: with this address, it
# has link, and the peer answers
card_works() {
	[ "$(pci_driver "$1")" = e1000e ] || return
	net=$(basename "/sys/bus/pci/devices/$1/net/"*)
	ip addr replace "$2/24" dev "$net" && ip link set "$net" up || return
	wait_for 120 ping -q -c 1 -W 1 "$3" >/dev/null
	works=$?
	ip link set "$net" down
	return $works
}

# mark TEXT, log_since TEXT - a place in the kernel's log, and what came after it
mark() { echo "<6>mark: $1" >/dev/kmsg; }
log_since() { dmesg | sed -n "/mark: $1\$/,\$p"; }

# windows - of the host's own, how many a partition has: of the firmware, for all of memory, for a
# part of it. They are properties of the host bridges.
windows() {
	for kind in ibm,dma-window linux,direct64-ddr-window-info linux,dma64-ddr-window-info; do
		find /sys/firmware/devicetree/base/ -name $kind | wc -l
	done | xargs
}

# window_back MARK - after the mark the host's window was taken away, and the last thing that
# happened is that it came back, with its bypass, as often as that was taken. On pseries the kernel
# logs nothing: there are as many as before ($windows_before).
window_back() {
	if ! grep -q PowerNV /proc/cpuinfo; then
		[ "$(windows)" = "$windows_before" ]
		return
	fi
	log_since "$1" >/tmp/log
	taken=$(grep -c 'Disabling 64-bit DMA bypass' /tmp/log)
	[ "$taken" -gt 0 ] && grep -q 'Removing DMA window #0' /tmp/log &&
		[ "$(grep -c 'Enabling 64-bit DMA bypass' /tmp/log)" -eq "$taken" ] &&
		[ "$(grep -E 'DMA window #|window#|DMA bypass' /tmp/log | tail -n 2 |
			grep -cE 'Setting up window#0|Enabling 64-bit DMA bypass')" -eq 2 ]
}

# coverage_data - print what the kernel has counted for gcov, for scripts/nightly/coverage.
coverage_data() {
	# shellcheck disable=SC2044 # no spaces in these
	for file in $(find /sys/kernel/debug/gcov -name '*.gcda'); do
		say "gcov $file"
		gzip -c "$file" | base64
	done
	say "gcov end"
}

# lost_memory - have kmemleak say what nobody points to any more, if the kernel has it. What is lost
# later is not looked for.
lost_memory() {
	leaks=/sys/kernel/debug/kmemleak
	[ -e $leaks ] || return 0
	# An object is only reported when it was seen twice.
	echo scan >$leaks || die "kmemleak does not work"
	sleep 6
	echo scan >$leaks
	head -n 150 $leaks
	echo scan=off >$leaks
	say "objects that kmemleak found: $(grep -c '^unreferenced' $leaks)"
}
