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

# id ENGINE - what a device of that kind is known by
id() {
	case $1 in
	nvme) echo 1b36:0010 ;;
	xhci) echo 1b36:000d ;;
	e1000e) echo "$E1000E" ;;
	*) die "no such engine: $1" ;;
	esac
}

# first ID - the first such device
first() {
	pci_find "$1" | head -n 1 | grep . || die "there is no $1"
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
	# Modules and their helpers go when the last user is gone; who was killed has a guard.
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

# report NAME - for scripts/check-hostcheck
report() {
	say "json $1"
	cat $OUT/report.json
	say "json end"
}

# ready ENGINE - its device is free: $dev
ready() {
	dev=$(first "$(id "$1")")
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
	report "$1"
}

# Only the rows in which engines differ: what make check has time for. Each reset by EEH
# takes the emulated firmware ten seconds.
case_some() {
	ready "$1"
	hostcheck "$dev" --yes --rows '*: the device *|*replaced another*|*IOMMU pages*|*killed*|*mapped*, the device*'
	wants "$1: not all has passed" ended 0
	wants "$1: rows that nobody wanted" not reported 'reset leaves'
	wants "$1: it does not say that rows were left out" reported '^rows  *only'
	report "$1"
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
	wants "$1: not six rows were stopped" [ "$(grep -c '^pass .*mapped.*1 freeze, from which' $OUT/report.txt)" -eq 6 ]
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
	refuses "$(first "$(id nvme)")" "nobody is there to be asked"
	refuses "$(first $TESTDEV)" "no engine for" --yes
	hostcheck 0099:01:00.0 --yes
	wants "a function that does not exist is taken" ended 2
}

case_refuse_eeh() {
	more=$TCE_HOSTCHECK
	TCE_HOSTCHECK=
	refuses "$(first "$(id nvme)")" "has no EEH" --yes
	TCE_HOSTCHECK=$more
}

# refuses_mounted DISK - of $dev, or a part of it
refuses_mounted() {
	mkdir -p /mnt
	mount -t ext4 -o ro "/dev/$1" /mnt || die "the disk can't be mounted"
	refuses "$dev" "has the disk [^ ]*: in use" --yes
	umount /mnt
}

case_refuse_disk() {
	dev=$(first "$(id nvme)")
	refuses_mounted nvme0n1p1
	swapon /dev/nvme0n1p2 || die "the disk can't be swap"
	refuses "$dev" "has the disk [^ ]*: in use" --yes
	swapoff /dev/nvme0n1p2
	refuses "$dev" "nobody is there to be asked"
	wants "it does not say what it takes" said "is taken from its driver nvme,"
	wants "it does not say which disk goes" said "these are gone: nvme0n1 nvme0n1p1 nvme0n1p2"
}

case_refuse_net() {
	dev=$(first "$E1000E")
	net=$(basename "/sys/bus/pci/devices/$dev/net/"*)
	# A case before this one may have taken its driver.
	for other in $(pci_find "$E1000E"); do echo "$other" >/sys/bus/pci/drivers_probe; done
	refuses "$dev" "same IOMMU group" --yes
	for other in $(pci_find "$E1000E" | sed 1d); do pci_unbind "$other"; done
	ip link set "$net" up
	refuses "$dev" "$net, which is up" --yes
	ip link set "$net" down
	ip link add hostcheck type bridge
	ip link set "$net" master hostcheck
	refuses "$dev" "$net is part of hostcheck" --yes
	ip link set "$net" nomaster
	ip link delete hostcheck
}

# A disk on the USB
case_refuse_stick() {
	dev=$(first "$(id xhci)")
	refuses_mounted sda
}

case_refuse_console() {
	refuses "$(first "$(id xhci)")" "keyboard" --yes
}

# A client has a device: neither may the module be replaced then.
case_refuse_client() {
	held=$(first "$(id e1000e)")
	ready e1000e
	vfio_bind "$held"
	hold 2 wait
	# Its keyboard would be a reason as well.
	ready xhci
	refuses "$dev" "is in use" --yes
	hold_killed
	vfio_release "$held"
	rmmod vfio_pci vfio_pci_core vfio_iommu_spapr_tce vfio
}

# done_rows [LOG] - how many rows have ended
done_rows() { { grep -c "^\(not \)\?ok" "$OUT/${1-all}.log" || echo 0; } 2>/dev/null | head -n 1; }

# later ROWS COMMAND... - in the background, once so many rows have ended
later() {
	rows=$1
	shift
	rm -rf $OUT
	(
		for _ in $(seq 600); do
			[ "$(done_rows)" -ge "$rows" ] && break
			sleep 0.1
		done
		"$@"
	) &
	echo $! >/tmp/later
}

# end SIGNAL - to the script
end() {
	for _ in $(seq 600); do
		pid=$(dmesg | sed -n 's/.*hostcheck \([0-9]*\) of .* begins$/\1/p' | tail -n 1)
		kill "-$1" "$pid" 2>/dev/null && return
		sleep 0.1
	done
}

# ^C in the middle
case_interrupt() {
	later 5 end INT
	ready "$1"
	hostcheck "$dev" --yes
	wants "interrupted: not given back" said "is given back"
	wants "interrupted: no report" reported '^fail  all steps are done (.* 130)'
	wants "interrupted" ended 130
}

# Nothing can be done after that; the guard does it. In the middle, and before it has begun.
case_kill() {
	for rows in 5 0; do
		# Each time, since a keyboard has its driver again.
		ready "$1"
		later $rows end KILL
		hostcheck "$dev" --yes
		wants "killed" ended 137
		wants "killed: not given back" said "is given back"
	done
}

# The program dies, not the script, which has the same name.
kill_program() {
	for process in /proc/[0-9]*; do
		if tr '\0' ' ' <"$process/cmdline" | grep -q 'hostcheck --device'; then kill -KILL "${process#/proc/}"; fi
	done 2>/dev/null
}
case_crash() {
	later 5 kill_program
	ready "$1"
	hostcheck "$dev" --yes
	wants "the program died: no word" reported '^fail .*the program came to its end'
	wants "the program died: not given back" reported "^pass .*the host's own driver works again"
	wants "the program died" ended 1
}

# overwrite VALUE LOG ROWS - the command register of a device that a client has, until so many
# rows have ended. Those who own it write there, too: so quickly, without a new process, and
# without a pause before a client has it.
# The first four bytes of the configuration can't be written.
overwrite() {
	while ! [ -e $OUT/report.txt ]; do
		if [ -e "/sys/bus/pci/drivers/vfio-pci/$dev" ]; then printf '%b' "\000\000\000\000$1" >"/sys/bus/pci/devices/$dev/config"; fi
	done &
	while [ "$(done_rows "$2")" -lt "$3" ] && ! [ -e $OUT/report.txt ]; do nap; done
	kill $!
}

# It may not use memory, and does not answer for some rows. The rows after that pass again.
case_mute() {
	ready "$1"
	later 5 overwrite '\002\000' all 8
	hostcheck "$dev" --yes
	wants "mute: nothing failed" reported '^fail  v.: '
	wants "mute: it does not come back" reported "^pass  v2: clients that are killed amid DMA"
	wants "mute: not given back" reported "^pass .*the host's own driver works again"
	wants "mute" ended 1
}

# It never answers: then the other rows are not even tried.
case_never() {
	ready "$1"
	later 0 overwrite '\002\000' first 2
	hostcheck "$dev" --yes
	wants "never: it does not say so" reported '^fail .*other rows are run (the device does not work)'
	wants "never: not given back" reported "^pass .*the host's own driver works again"
	wants "never" ended 1
}

# It dies half way: it has no registers any more, and what is read are ones.
case_dead() {
	ready "$1"
	later 5 overwrite '\000\000' all 20
	hostcheck "$dev" --yes
	wants "dead: nothing failed" reported '^fail  v.: '
	wants "dead: not given back" reported "^pass .*the host's own driver works again"
	wants "dead" ended 1
}

# It is unplugged, and plugged in again when all is over.
unplug() { echo 1 >"/sys/bus/pci/devices/$dev/remove"; }
plug() { echo 1 >/sys/bus/pci/rescan; }
case_unplug() {
	ready "$1"
	later 5 unplug
	afterwards=plug
	hostcheck "$dev" --yes
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
