# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs scripts/hostcheck as the owner of a POWER machine would: on each device that has an engine,
# where it has to refuse, and where it does not come to its end. After each of these the host has
# to be as it was, its disk included.
#
# Arguments: CASE... (all), which is NAME or NAME:ENGINE for the function case_NAME.

# shellcheck source=lib.sh
. /guest/lib.sh
# shellcheck source=passthrough-bridge.sh
. /guest/passthrough-bridge.sh

OUT=/hostcheck/out/hostcheck/report
DEVICES=/sys/bus/pci/devices
NVME=1b36:0010
XHCI=1b36:000d
no_eeh=
case $TCE_MACHINE in pseries*) no_eeh=--no-eeh ;; esac

# Where the owner of a checkout has them
prepare() {
	mkdir -p /hostcheck/out/hostcheck
	ln -s /selftests/hostcheck /hostcheck/out/hostcheck/
	for ops in /lib/modules/*/updates/spapr_tce_iommu_ops.ko; do ln -s "$ops" /hostcheck/; done
	# As on a real host: busybox's shell prefers its own modprobe, which knows nothing of soft
	# dependencies.
	sed -i 's,modprobe vfio,/bin/&,g' /hostcheck/scripts/hostcheck
	grep -q /bin/modprobe /hostcheck/scripts/hostcheck ||
		die "hostcheck loads VFIO in another way"
	modprobe -a nvme xhci-pci
	wait_for 20 [ -b /dev/nvme0n1 ] || die "there is no disk"
	# One partition from sector 1 on, of 0x1000 sectors, which is swap
	printf '\0\0\0\0\202\0\0\0\001\0\0\0\0\020\0\0' |
		dd of=/dev/nvme0n1 bs=1 seek=446 2>/dev/null
	printf '\125\252' | dd of=/dev/nvme0n1 bs=1 seek=510 2>/dev/null
	blockdev --rereadpt /dev/nvme0n1
	mkswap /dev/nvme0n1p1 || die "the disk can't be swap"
	sync
}

# What must not be changed by a run. The second module of Linux 6.1 can't be unloaded.
snapshot() {
	# shellcheck disable=SC2012 # no odd characters in these names
	ls -ld $DEVICES/*/driver | sed 's,.* /sys,/sys,'
	grep . $DEVICES/*/driver_override
	cut -d ' ' -f 1 /proc/modules | grep -v spapr_tce_iommu_ops | sort
	sha256sum /dev/nvme?n1
}

# hostcheck DEVICE [OPTION...] - its exit code is in $rc, what it said in /tmp/said. It has a
# process group of its own, which ^C is for.
hostcheck() {
	snapshot >/tmp/before
	{
		# shellcheck disable=SC2086 # or nothing
		setsid sh /hostcheck/scripts/hostcheck $no_eeh "$@" </dev/null
		echo $? >/tmp/rc
	} 2>&1 | tee /tmp/said
	rc=$(cat /tmp/rc)
	# Modules go when the last user is gone.
	wait_for 60 as_before && return
	diff /tmp/before /tmp/after
	die "$1: the host is not as it was"
}
as_before() {
	snapshot >/tmp/after
	[ "$(cat /tmp/before)" = "$(cat /tmp/after)" ]
}

# must CONDITION... - else the case fails, with all that was said
must() {
	"$@" && return
	cat $OUT/*.log
	die "exit code $rc, and this is not so: $*"
}
ended() { [ "$rc" -eq "$1" ]; }
said() { grep -q "$1" /tmp/said; }
reported() { grep -q "$1" $OUT/report.txt; }

# complete - does the report have each fact, and what the tests say?
complete() {
	for fact in machine firmware cpu platform phb kernel "page size" "function" module date \
		"# device:"; do
		reported "^$fact  *[^ ]" || return 1
	done
	reported '^ok [0-9]* hostcheck: v2: '
}

# ready ENGINE - its device is free: $dev. What shares its group keeps VFIO from it until it has no
# driver.
ready() {
	case $1 in nvme) dev=$(pci_find $NVME) ;; xhci) dev=$(pci_find $XHCI | head -n 1) ;; esac
	for other in "$DEVICES/$dev/iommu_group/devices"/*; do
		[ "${other##*/}" = "$dev" ] || pci_unbind "${other##*/}"
	done
}

# case_passes ENGINE [OPTION...] - all of its tests, or those that the options choose
case_passes() {
	ready "$1"
	shift
	hostcheck "$dev" --yes "$@"
	must ended 0
	must complete
}

# Only the tests in which engines differ: what make check has time for. Each reset by EEH
# takes the emulated firmware ten seconds.
case_some() {
	case_passes "$1" --tests \
		'*: the device *|*replaced another*|*IOMMU pages*|*killed*|*mapped*, the device*'
	must not reported 'leave the mappings'
	must reported '^tests  *only'
}

# Each access that was not allowed stops the device, as hardware does it. The bridge has
# the registers for that. The tests reset it and go on.
case_frozen() {
	ready "$1"
	bridge=$(bridge_at "$dev")
	pe=$(($(cat "$DEVICES/$dev/eeh_pe_config_addr")))
	export HOSTCHECK_STRAY=". /guest/passthrough-bridge.sh; bridge=$bridge; freeze $pe"
	hostcheck "$dev" --yes --tests '*mapped*, the device*'
	unfrozen "$pe"
	must ended 0
	# A write to what is read-only; a write and a read of what is not mapped; by v1 and v2
	must [ "$(grep -c '1 freeze, from which' $OUT/report.txt)" -eq 6 ]
	must [ "$(frozen "$pe")" = "0 0" ]
}

# refuses DEVICE WORDS [OPTION...] - and says why; nothing is taken
refuses() {
	who=$1 words=$2
	shift 2
	hostcheck "$who" "$@"
	must said "refused: .*$words"
	must ended 3
}

case_refuse() {
	nvme=$(pci_find $NVME)
	refuses "$nvme" "no terminal"
	must said "is taken from its driver nvme,"
	must said "these are gone: nvme0n1$"
	refuses "$(pci_find 1b36:0005 | head -n 1)" "no driver here for" --yes
	hostcheck 0099:01:00.0 --yes
	must ended 2
	# A part of the disk is swap.
	swapon /dev/nvme0n1p1 || die "the disk can't be swap"
	refuses "$nvme" "has the disk nvme0n1: in use" --yes
	swapoff /dev/nvme0n1p1
	# A keyboard is at the last controller. The first one's neighbour may have lost its driver.
	refuses "$(pci_find $XHCI | tail -n 1)" "plugged in: .*Keyboard" --yes
	for xhci in $(pci_find $XHCI); do echo "$xhci" >/sys/bus/pci/drivers_probe; done
	refuses "$(pci_find $XHCI | head -n 1)" "same IOMMU group, and xhci" --yes
	# Somebody may have a device of it.
	modprobe vfio_iommu_spapr_tce
	refuses "$nvme" "vfio_iommu_spapr_tce is loaded" --yes
	rmmod vfio_iommu_spapr_tce vfio
	if [ -n "$no_eeh" ]; then
		no_eeh=
		refuses "$nvme" "has no EEH" --yes
	fi
}

# A run of no tests is not a pass.
case_nothing() {
	hostcheck "$(pci_find $NVME)" --yes --tests nothing
	fails 1 'the tests were run'
}

# amid ENGINE COMMAND... - have hostcheck run, and the command done in the middle of it. That row
# has only DMA: a function that is let go amid a reset by EEH stays in reset, and the host with it.
amid() {
	ready "$1"
	shift
	rm -rf $OUT
	(
		until grep -qs '^1\.\.' $OUT/all.log || [ -e $OUT/kernel.log ]; do sleep 0.1; done
		"$@"
	) &
	echo $! >/tmp/later
	export HOSTCHECK_SECONDS=60
	hostcheck "$dev" --yes --tests '*replaced another*'
}

# fails CODE WORDS - and says why, and the host's own driver works again
fails() {
	must reported "^not ok .*$2"
	must reported "^ok .*the host's own driver works again"
	must ended "$1"
}

# ^C in the middle. Before, the kernel says something that scripts/vm does not mind.
end() {
	echo "<7>WARNING: nvram corruption detected: 0-length partition" >/dev/kmsg
	kill -INT "-$(dmesg | sed -n 's/.*hostcheck \([0-9]*\) of .* begins$/\1/p' | tail -n 1)"
}
case_interrupt() {
	amid nvme end
	fails 130 'all steps were run # .* 130$'
	fails 130 'has no complaint # 1 lines'
}

# From then on it may not use memory, and so never answers: the command register is written again
# and again, without a new process, so that no client finds it otherwise. (The first four bytes
# can't be written.)
overwrite() {
	until [ -e $OUT/kernel.log ]; do
		if [ -e "/sys/bus/pci/drivers/vfio-pci/$dev" ]; then
			printf '\000\000\000\000\002\000' >"$DEVICES/$dev/config"
		fi
	done
}
case_never() {
	amid "$1" overwrite
	fails 1 'v1: a page that replaced'
	fails 1 'v2: a page that replaced'
}

# It is unplugged, and plugged in again when all is over.
unplug() {
	echo 1 >"$DEVICES/$dev/remove"
	until [ -e $OUT/kernel.log ]; do sleep 1; done
	echo 1 >/sys/bus/pci/rescan
}
case_unplug() {
	amid nvme unplug
	must reported "^not ok .*the host's own driver works again # .*$dev is gone"
	must ended 4
}

prepare
if [ $# -eq 0 ]; then
	set -- refuse nothing passes:nvme passes:xhci never:nvme never:xhci interrupt unplug
	# Of which bridges we know the registers
	case $TCE_MACHINE in powernv9|powernv10) set -- "$@" frozen:nvme ;; esac
fi
export HOSTCHECK_SECONDS=1
bad=
for name in "$@"; do
	say "case $name"
	begun=$(now)
	verdict=passed
	("case_${name%:*}" "${name#*:}") || verdict=FAILED bad="$bad $name"
	# What a case that failed has in the background is not for the next one.
	if [ -e /tmp/later ]; then kill "$(cat /tmp/later)" 2>/dev/null; fi
	rm -f /tmp/later
	say "$verdict $name in $(($(now) - begun)) s"
done
[ -z "$bad" ] || die "failed:$bad"
say "done: $# cases"
