# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs scripts/hostcheck as the owner of a POWER machine would: on each device that
# has an engine, where it has to refuse, and where it does not come to its end. After
# each of these the host has to be as it was.
#
# usage: hostcheck CASE...     (the functions case_NAME)
#
# Environment: TCE_HOSTCHECK, more options of scripts/hostcheck.

# shellcheck source=lib.sh
. /guest/lib.sh

NVME=1b36:0010
XHCI=1b36:000d
NEC_XHCI=1033:0194
IGB=8086:10c9
TESTDEV=1b36:0005
OUT=/tmp/report

# What must not be changed by a run.
snapshot() {
	for function in /sys/bus/pci/devices/*; do
		echo "${function##*/} driver=$(pci_driver "${function##*/}") override=$(cat "$function/driver_override")"
	done
	lsmod | cut -d ' ' -f 1 | sort
	cat /sys/kernel/mm/hugepages/*/nr_hugepages 2>/dev/null
	for disk in /dev/nvme?n?; do
		if [ -b "$disk" ]; then sha256sum "$disk"; fi
	done
}

# hostcheck DEVICE [OPTION...] - its exit code is in $rc, what it said in /tmp/said
hostcheck() {
	dev=$1
	shift
	snapshot >/tmp/before
	rc=0
	# shellcheck disable=SC2086 # a list of options
	sh /hostcheck/hostcheck "$@" $TCE_HOSTCHECK --programs /selftests --module /hostcheck/module.ko --source "$TCE_SOURCE" \
		--out $OUT "$dev" </dev/null >/tmp/said 2>&1 || rc=$?
	# Modules and their helpers go when the last user is gone.
	for _ in $(seq 20); do
		snapshot >/tmp/after
		[ "$(cat /tmp/before)" = "$(cat /tmp/after)" ] && return
		sleep 0.5
	done
	cat /tmp/said
	diff /tmp/before /tmp/after
	die "$dev: the host is not as it was"
}

# first ID - the first such device
first() {
	dev=$(pci_find "$1" | head -n 1)
	[ -n "$dev" ] || die "there is no $1"
	echo "$dev"
}

# passes NAME ID - all steps pass on that device, and the report is printed
passes() {
	hostcheck "$(first "$2")" --yes
	if [ $rc -ne 0 ]; then
		cat /tmp/said $OUT/ours.log
		die "$1: exit code $rc"
	fi
	cat $OUT/report.txt
	say "json $1"
	cat $OUT/report.json
	say "json end"
}

# refuses DEVICE WORDS [OPTION...] - and says why; nothing is taken
refuses() {
	dev=$1 words=$2
	shift 2
	hostcheck "$dev" "$@"
	grep "refused: .*$words" /tmp/said && [ $rc -eq 3 ] && return
	cat /tmp/said
	die "$dev is not refused ($words): exit code $rc"
}

case_edu() { passes edu "$EDU"; }
case_nvme() { passes nvme $NVME; }

# The keyboard stays on the bus, without a driver.
case_xhci() {
	for hid in /sys/bus/hid/devices/*; do
		if [ -e "$hid/driver" ]; then echo "${hid##*/}" >"$hid/driver/unbind"; fi
	done
	passes xhci $XHCI
}
case_nec() { passes nec $NEC_XHCI; }
case_igb() { passes igb $IGB; }

# The second function of the card keeps VFIO from the first until it has no driver.
case_e1000e() {
	for dev in $(pci_find "$E1000E" | sed 1d); do pci_unbind "$dev"; done
	passes e1000e "$E1000E"
}

# The kernel's own driver as well, and what a TCE costs.
case_both() {
	hostcheck "$(first "$EDU")" --yes --both --bench
	cat $OUT/report.txt
	[ $rc -eq 0 ] || die "both: exit code $rc"
	grep -q '^pass  pass  v2: .*reads what is mapped' $OUT/report.txt || die "the kernel's own driver has no column"
	grep -q 'figure: MAP: [0-9.]* ns' $OUT/report.txt || die "no figures"
}

case_refuse() {
	refuses "$(first "$EDU")" "nobody is there to be asked"
	refuses "$(first $TESTDEV)" "no engine for" --yes
	hostcheck 0099:01:00.0 --yes
	[ $rc -eq 2 ] || die "a function that does not exist: exit code $rc"
}

case_refuse_eeh() {
	more=$TCE_HOSTCHECK
	TCE_HOSTCHECK=
	refuses "$(first "$EDU")" "has no EEH" --yes
	TCE_HOSTCHECK=$more
}

case_refuse_disk() {
	mkdir -p /mnt
	mount -t ext4 -o ro /dev/nvme0n1 /mnt || die "the disk can't be mounted"
	refuses "$(first $NVME)" "mounted at /mnt" --yes
	umount /mnt
}

case_refuse_net() {
	dev=$(first "$E1000E")
	net=$(basename "/sys/bus/pci/devices/$dev/net/"*)
	refuses "$dev" "same IOMMU group" --yes
	for other in $(pci_find "$E1000E" | sed 1d); do pci_unbind "$other"; done
	ifconfig "$net" up
	refuses "$dev" "$net, which is up" --yes
	ifconfig "$net" down
}

case_refuse_console() {
	refuses "$(first $XHCI)" "keyboard" --yes
}

# A client has a device: neither may the module be replaced then.
case_refuse_client() {
	dev=$(first "$EDU")
	vfio_bind "$dev"
	/selftests/hold "$dev" 2 wait >/tmp/hold &
	holder=$!
	for _ in $(seq 50); do grep -q '^holding' /tmp/hold && break; sleep 0.2; done
	refuses "$(first $NVME)" "is in use" --yes
	kill -KILL $holder
	wait $holder
	vfio_release "$dev"
	rmmod vfio_pci vfio_pci_core vfio_iommu_spapr_tce vfio
}

# later ROWS COMMAND... - in the background, once so many rows are done
later() {
	rows=$1
	shift
	rm -rf $OUT
	(
		for _ in $(seq 600); do
			[ "$(cat $OUT/ours.log 2>/dev/null | grep -c '^ok')" -ge "$rows" ] && break
			sleep 0.1
		done
		"$@"
	) &
}

interrupt() { kill -INT "$(dmesg | sed -n 's/.*hostcheck \([0-9]*\) of .* begins$/\1/p' | tail -n 1)"; }
crash() { killall -KILL hostcheck; }

# ^C in the middle
case_interrupt() {
	later 5 interrupt
	hostcheck "$(first $NVME)" --yes
	[ $rc -eq 130 ] && grep -q "is given back" /tmp/said && return
	cat /tmp/said
	die "interrupted: exit code $rc"
}

# The program dies
case_crash() {
	later 5 crash
	hostcheck "$(first $NVME)" --yes
	[ $rc -eq 1 ] && grep -q '^fail .*the program came to its end' $OUT/report.txt &&
		grep -q "^pass .*the host's own driver works again" $OUT/report.txt && return
	cat /tmp/said
	die "the program died: exit code $rc"
}

# A device that dies half way, and does not answer for many rows: somebody forbids it to
# use memory. The rows after that pass again.
mute() {
	dev=$(first $NVME)
	while [ "$(grep -c 'ok ' $OUT/ours.log)" -lt 30 ]; do
		printf '\002\000' | dd of="/sys/bus/pci/devices/$dev/config" bs=1 seek=4 count=2 conv=notrunc 2>/dev/null
	done
}
case_mute() {
	later 5 mute
	hostcheck "$(first $NVME)" --yes
	grep '^fail' $OUT/report.txt
	[ $rc -eq 1 ] && grep -q '^fail .*reads what is mapped\|^fail .*does not start: ETIMEDOUT' $OUT/report.txt &&
		grep -q "^pass .*the host's own driver works again" $OUT/report.txt && return
	cat /tmp/said
	die "a device that never answers: exit code $rc"
}

# An edu that drives 28 bits only reads other memory than it was told to: rows fail.
case_narrow() {
	hostcheck "$(pci_find "$EDU" | tail -n 1)" --yes
	grep '^fail' $OUT/report.txt
	[ $rc -eq 1 ] && grep -q '^fail .*the last page of the window' $OUT/report.txt && return
	cat /tmp/said
	die "a device that is broken: exit code $rc"
}

for module in nvme xhci-pci e1000e igb usbhid hid-generic evdev crc32c_generic ext4; do modprobe $module 2>/dev/null; done
sleep 3
bad=
for name in "$@"; do
	say "case $name"
	if ("case_$name"); then say "passed $name"; else bad="$bad $name"; fi
done
[ -z "$bad" ] || die "failed:$bad"
[ $# -gt 0 ] || die "no case"
say "passed all $#"
