# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs scripts/hostcheck as the owner of a POWER machine would: on each device that
# has an engine, where it has to refuse, and where it does not come to its end. After
# each of these the host has to be as it was.
#
# usage: hostcheck CASE...     (NAME or NAME:ENGINE: the functions case_NAME)
#
# Environment: TCE_HOSTCHECK, more options of scripts/hostcheck.

# shellcheck source=lib.sh
. /guest/lib.sh
# shellcheck source=passthrough-bridge.sh
. /guest/passthrough-bridge.sh

TESTDEV=1b36:0005
OUT=/hostcheck/out/hostcheck/report

# first ENGINE|ID - the first such device
first() {
	case $1 in
	nvme) id=1b36:0010 ;;
	xhci) id=1b36:000d ;;
	e1000e) id=$E1000E ;;
	*) id=$1 ;;
	esac
	pci_find "$id" | head -n 1 | grep . || die "there is no $1"
}

# What must not be changed by a run. The second module of Linux 6.1 can't be unloaded.
# scripts/check-hostcheck looks at the disk. In a subshell: it goes into directories, since
# an emulated machine is slow to start processes.
snapshot() (
	for function in /sys/bus/pci/devices/*; do
		driver='' override=''
		if cd -P "$function/driver" 2>/dev/null; then driver=${PWD##*/}; fi
		read -r override <"$function/driver_override"
		echo "${function##*/} driver=$driver override=$override"
	done
	cut -d ' ' -f 1 /proc/modules | grep -v spapr_tce_iommu_ops | sort
)

# hostcheck DEVICE [OPTION...] - its exit code is in $rc, what it said in /tmp/said
afterwards=:
hostcheck() {
	snapshot >/tmp/before
	{
		# shellcheck disable=SC2086 # a list of options
		sh /hostcheck/scripts/hostcheck $TCE_HOSTCHECK "$@" </dev/null
		echo $? >/tmp/rc
	} 2>&1 | tee /tmp/said
	rc=$(cat /tmp/rc)
	$afterwards
	# Modules go when the last user is gone.
	for _ in $(seq 60); do
		snapshot >/tmp/after
		[ "$(cat /tmp/before)" = "$(cat /tmp/after)" ] && return
		sleep 0.5
	done
	diff /tmp/before /tmp/after
	die "$1: the host is not as it was"
}

# wants WHAT CONDITION... - else the case fails, with all that was said
wants() {
	what=$1
	shift
	"$@" && return
	cat $OUT/*.log
	die "$what, exit code $rc"
}
ended() { [ "$rc" -eq "$1" ]; }
not() { ! "$@"; }
said() { grep -q "$1" /tmp/said; }
reported() { grep -q "$1" $OUT/report.txt; }

# complete - does the report have each fact, and what the rows say?
complete() {
	for fact in machine firmware cpu platform phb kernel "page size" "function" engine module date; do
		grep -q "^  \"$fact\": \"..*\",$" $OUT/report.json || return 1
	done
	grep -q '"pass", "step": "v2: .*"note": "..*"' $OUT/report.json
}

# ready ENGINE - its device is free: $dev
ready() {
	dev=$(first "$1")
	case $1 in
	# The keyboard stays on the bus, without a driver.
	xhci)
		for hid in /sys/bus/hid/devices/*; do
			if [ -e "$hid/driver" ]; then echo "${hid##*/}" >"$hid/driver/unbind"; fi
		done ;;
	# The second function of the card keeps VFIO from the first until it has no driver.
	e1000e) for other in $(pci_find "$E1000E" | sed 1d); do pci_unbind "$other"; done ;;
	esac
}

# All steps pass.
case_passes() {
	ready "$1"
	hostcheck "$dev" --yes
	wants "$1: not all has passed" ended 0
	wants "$1: a fact is missing" complete
}

# Only the rows in which engines differ: what make check has time for. Each reset by EEH
# takes the emulated firmware ten seconds.
case_some() {
	ready "$1"
	hostcheck "$dev" --yes --rows '*: the device *|*replaced another*|*IOMMU pages*|*killed*|*mapped*, the device*'
	wants "$1: not all has passed" ended 0
	wants "$1: rows that nobody wanted" not reported 'leave the mappings'
	wants "$1: it does not say that rows were left out" reported '^rows  *only'
	wants "$1: a fact is missing" complete
}

# Each access that was not allowed stops the device, as hardware does it. The bridge has
# the registers for that. The rows reset it and go on.
case_frozen() {
	ready "$1"
	bridge=$(bridge_at "$dev")
	pe=$(($(cat "/sys/bus/pci/devices/$dev/eeh_pe_config_addr")))
	export HOSTCHECK_STRAY=". /guest/passthrough-bridge.sh; bridge=$bridge; freeze $pe"
	hostcheck "$dev" --yes --rows '*mapped*, the device*'
	unfrozen "$pe"
	wants "$1: not all has passed" ended 0
	wants "$1: not all rows were stopped" [ "$(grep -c '^pass .*mapped.*1 freeze, from which' $OUT/report.txt)" -eq 4 ]
	wants "$1: it is still stopped" [ "$(frozen "$pe")" = "0 0" ]
}

# A row that is not there is none that passed.
case_no_rows() {
	ready nvme
	hostcheck "$dev" --yes --rows 'no such row'
	wants "no rows: it passes" reported '^fail  the program came to its end (0 of 0 rows'
	wants "no rows" ended 1
}

# refuses DEVICE WORDS [OPTION...] - and says why; nothing is taken
refuses() {
	who=$1 words=$2
	shift 2
	hostcheck "$who" "$@"
	wants "$who is not refused ($words)" said "refused: .*$words"
	wants "$who is not refused ($words)" ended 3
}

case_refuse() {
	refuses "$(first nvme)" "nobody is there to be asked"
	wants "it does not say what it takes" said "is taken from its driver nvme,"
	wants "it does not say which disk goes" said "these are gone: nvme0n1 nvme0n1p1"
	refuses "$(first $TESTDEV)" "no engine for" --yes
	hostcheck 0099:01:00.0 --yes
	wants "a function that does not exist is taken" ended 2
}

case_refuse_eeh() {
	TCE_HOSTCHECK=
	refuses "$(first nvme)" "has no EEH" --yes
}

# A part of a disk that is swap, a file system on a USB stick, and a keyboard
case_refuse_disk() {
	swapon /dev/nvme0n1p1 || die "the disk can't be swap"
	refuses "$(first nvme)" "has the disk [^ ]*: in use" --yes
	swapoff /dev/nvme0n1p1
	mkdir -p /mnt
	mount -t ext4 -o ro /dev/sda /mnt || die "the disk can't be mounted"
	refuses "$(first xhci)" "has the disk [^ ]*: in use" --yes
	umount /mnt
	refuses "$(first xhci)" "keyboard" --yes
}

case_refuse_net() {
	dev=$(first e1000e)
	# A case before this one may have taken its driver.
	for other in $(pci_find "$E1000E"); do echo "$other" >/sys/bus/pci/drivers_probe; done
	net=$(basename "/sys/bus/pci/devices/$dev/net/"*)
	refuses "$dev" "same IOMMU group" --yes
	ready e1000e
	ip link set "$net" up
	refuses "$dev" "$net, which is up" --yes
	ip link set "$net" down
	ip link add hostcheck type bridge
	ip link set "$net" master hostcheck
	refuses "$dev" "$net is part of hostcheck" --yes
	ip link delete hostcheck
}

# A client has a device: neither may the module be replaced then.
case_refuse_client() {
	ready e1000e
	held=$dev
	vfio_bind "$held"
	hold 2 wait
	# Its keyboard would be a reason as well.
	ready xhci
	refuses "$dev" "is in use" --yes
	hold_killed
	vfio_release "$held"
	rmmod vfio_pci vfio_pci_core vfio_iommu_spapr_tce vfio
}

# amid COMMAND... - have hostcheck run for $dev, and the command done in the middle of it. That row has
# only DMA: a function that is let go amid a reset by EEH stays in reset, and the host with it.
amid() {
	rm -rf $OUT
	(
		until grep -qs '^1\.\.' $OUT/all.log || [ -e $OUT/report.txt ]; do sleep 0.1; done
		"$@"
	) &
	echo $! >/tmp/later
	export HOSTCHECK_SECONDS=60
	hostcheck "$dev" --yes --rows '*replaced another*'
}

# ^C in the middle
end() { kill -INT "$(dmesg | sed -n 's/.*hostcheck \([0-9]*\) of .* begins$/\1/p' | tail -n 1)"; }
case_interrupt() {
	ready "$1"
	amid end
	wants "interrupted: no report" reported '^fail  all steps are done (.* 130)'
	wants "interrupted: not given back" reported "^pass .*the host's own driver works again"
	wants "interrupted" ended 130
}

# It may not use memory, and so never answers: the command register is written again and again, without
# a new process, so that no client finds it otherwise. (The first four bytes can't be written.) Then the
# other rows are not even tried.
overwrite() {
	until [ -e $OUT/report.txt ]; do
		if [ -e "/sys/bus/pci/drivers/vfio-pci/$dev" ]; then printf '\000\000\000\000\002\000' >"/sys/bus/pci/devices/$dev/config"; fi
	done
}
case_never() {
	ready "$1"
	rm -rf $OUT
	overwrite &
	echo $! >/tmp/later
	hostcheck "$dev" --yes
	wants "never: it does not say so" reported '^fail .*other rows are run (the device does not work)'
	wants "never: not given back" reported "^pass .*the host's own driver works again"
	wants "never" ended 1
}

# It is unplugged, and plugged in again when all is over.
unplug() { echo 1 >"/sys/bus/pci/devices/$dev/remove"; }
plug() { echo 1 >/sys/bus/pci/rescan; }
case_unplug() {
	ready "$1"
	afterwards=plug
	amid unplug
	wants "unplugged: no word" reported "^fail .*the host's own driver works again ($dev is gone)"
	wants "unplugged" ended 4
}

for module in nvme xhci-pci e1000e bridge usbhid hid-generic evdev usb-storage sd_mod crc32c_generic ext4; do modprobe $module 2>/dev/null; done
sleep 3
bad=
for name in "$@"; do
	say "case $name"
	begun=$(cut -d . -f 1 /proc/uptime)
	if ("case_${name%:*}" "${name#*:}"); then verdict=passed; else verdict=FAILED bad="$bad $name"; fi
	# What a case that failed has in the background is not for the next one.
	if [ -e /tmp/later ]; then kill "$(cat /tmp/later)" 2>/dev/null; fi
	rm -f /tmp/later
	say "$verdict $name in $(($(cut -d . -f 1 /proc/uptime) - begun)) s"
done
[ -z "$bad" ] || die "failed:$bad"
[ $# -gt 0 ] || die "no case"
say "passed all $#"
