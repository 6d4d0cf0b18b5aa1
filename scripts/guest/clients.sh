# shellcheck shell=dash disable=SC2119,SC2120 # run() calls functions
# SPDX-License-Identifier: GPL-2.0-only
#
# Clients that others wrote, with our driver or the kernel's own. Run by scripts/clients, which
# makes a table of the report: KTAP, of tests that are called "CLIENT: WHAT IT DOES".
#
# Arguments: CLIENT...

# shellcheck source=lib.sh
. /guest/lib.sh
# shellcheck source=podman.sh
. /guest/podman.sh
# shellcheck source=libvirt.sh
. /guest/libvirt.sh

# card_of N - the address of the card with that MAC address
card_of() {
	for net in /sys/class/net/*; do
		if [ "$(cat "$net/address")" = "52:54:00:00:00:1$1" ]; then
			basename "$(readlink -f "$net/device")"
		fi
	done
}

# run CLIENT WHAT COMMAND... - a test, which fails if the command does, or leaves pages pinned
run() {
	test="$1: $2" pins=$(pinned) why=
	shift 2
	say "$test, $TCE_DRIVER"
	"$@" >/tmp/said 2>&1
	status=$?
	[ $status -eq 0 ] || sed 's/^/   /' /tmp/said | tail -n 200
	left=$(($(pinned) - pins))
	[ $left -eq 0 ] || status=1 why="leaves $left pages pinned"
	result $status "$test" "$why"
}

# far - the other end is in a network of its own, so that the host has the near end's address.
far() {
	ip netns add far || return
	ip link set "$peer" netns far
	ip -n far addr add 10.1.0.1/24 dev "$peer"
	ip -n far link set "$peer" up
}

# pings PING... - once the link is up, which takes long on a busy machine, each of ten is answered
pings() {
	wait_for 120 "$@" -q -c 1 -W 1 10.1.0.9
	"$@" -c 10 -i 0.3 -W 10 10.1.0.9 | tee /tmp/ping
	grep -q ' 0% packet loss' /tmp/ping
}

# programs - make those of this DPDK commands, with its own libraries and drivers
programs() {
	PATH=/tmp/bin:${PATH#/tmp/bin:}
	mkdir -p /tmp/bin
	for program in dpdk-test dpdk-testpmd; do
		cat >/tmp/bin/$program <<-EOF
			#!/bin/sh
			exec $dpdk/lib/ld64.so.2 --library-path $dpdk/lib $dpdk/bin/$program \
				-d $dpdk/lib/librte_mempool_ring.so \
				-d $dpdk/lib/librte_mempool_stack.so \
				-d $dpdk/lib/librte_net_e1000.so "\$@"
		EOF
		chmod 755 /tmp/bin/$program
	done
}

# start PROMPT COMMAND... - with its commands on descriptor 9, and its words in /tmp/dpdk
start() {
	prompt=$1
	shift
	rm -f /tmp/commands
	mkfifo /tmp/commands
	: >/tmp/dpdk
	"$@" </tmp/commands >/tmp/dpdk 2>&1 &
	pid=$!
	exec 9>/tmp/commands
	wait_for 240 grep -q "$prompt" /tmp/dpdk && return
	kill -KILL "$pid"
	wait "$pid"
	exec 9>&-
	cat /tmp/dpdk
	return 1
}

# quit - end it, and have it end well
quit() {
	echo quit >&9
	exec 9>&-
	wait "$pid"
	status=$?
	cat /tmp/dpdk
	return $status
}

# answers COMMAND... - which starts testpmd: it answers pings, and ends
answers() {
	start 'testpmd> ' "$@" || return 1
	printf 'set fwd icmpecho\nstart\n' >&9
	pings ping
	answered=$?
	quit && [ $answered -eq 0 ]
}
# dpdk_pings OPTION... - testpmd, with these of EAL
dpdk_pings() {
	answers dpdk-testpmd -a "$card" -l 0,1 "$@" -- -i --nb-cores=1 --total-num-mbufs=4096
}

locked() { sed -n 's/^VmLck:[^0-9]*//p' "/proc/$pid/status"; }

# dpdk_hotplug - memory comes and goes, while it has the card
dpdk_hotplug() {
	start 'RTE>>' dpdk-test -a "$card" || return 1
	before=$(locked) came=$(pins acquired)
	echo mempool_autotest >&9
	wait_for 240 grep -q '^Test [OF]' /tmp/dpdk
	after=$(locked) came=$(($(pins acquired) - came))
	quit && grep '^Test OK' /tmp/dpdk || return 1
	echo "$came pins, locked: $before, then $after"
	[ $came -gt 0 ] && [ "$before" = "$after" ]
}

# dpdk_function - a virtual function of the igb, which the host keeps, answers pings
dpdk_function() {
	kept=$card pf=/sys/bus/pci/devices/$(pci_find "$IGB")
	modprobe igb
	wait_for 20 [ -e "$pf/net" ] && echo 1 >"$pf/sriov_numvfs" &&
		ip link set "$(ls "$pf/net")" up || return 1
	card=$(basename "$(readlink "$pf/virtfn0")")
	# QEMU loses the interrupt with which the igb hears of a reset.
	echo >"/sys/bus/pci/devices/$card/reset_method"
	vfio_bind "$card" && dpdk_pings
	answered=$?
	echo 0 >"$pf/sriov_numvfs"
	card=$kept
	return $answered
}

# carol LIMIT NAME - the page's commands, by a user who may lock so much
carol() {
	prlimit --memlock="$1:$1" setpriv --reuid carol --regid carol --init-groups --reset-env \
		env PATH=/tmp/bin:/usr/bin:/bin sh -e "/doc/$2"
}

# dpdk_user - as dpdk.rst says: a user who may lock what tcestat computes answers pings, and with a
# page less DPDK gets no card
dpdk_user() {
	groupadd --system vfio
	useradd -G vfio carol
	large=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
	echo 0 >$large
	apt-get -q install driverctl && doc dpdk-bind && doc dpdk-pages || return 1
	chgrp vfio "/dev/vfio/$(pci_group "$card")" && chmod 660 "/dev/vfio/$(pci_group "$card")"
	said=$(carol 65536 dpdk-highest) && echo "$said" || return 1
	highest=${said##*0x}
	need=$(tcestat memlock --mem 1G --highest "$highest" --huge-page 2M |
		sed -n 's/.*LimitMEMLOCK=//p')
	echo "limit: $need"
	carol $((need - $(getconf PAGESIZE))) dpdk-start </dev/null >/tmp/dpdk 2>&1
	cat /tmp/dpdk
	grep -E 'No probed ethernet devices|Cannot (init|probe)' /tmp/dpdk || return 1
	answers carol "$need" dpdk-start
	answered=$?
	rm -rf /etc/driverctl.d
	echo 1 >$large
	echo 256 >/proc/sys/vm/nr_hugepages
	return $answered
}

client_dpdk() {
	# A DPDK of Debian's version would load the drivers of Debian's Open vSwitch in addition to
	# its own.
	drivers=$(echo /usr/lib/*-linux-gnu/dpdk)
	[ ! -d "$drivers" ] || mount -t tmpfs none "$drivers"
	for dpdk in /dpdk/*; do
		programs
		name="DPDK $(cat "$dpdk/version")"
		run "$name" "testpmd, pages of the system: answers pings" \
			dpdk_pings --no-huge -m 128
		run "$name" "testpmd, 2M pages as they are needed: answers pings" dpdk_pings
		run "$name" "mempool_autotest: memory comes and goes" dpdk_hotplug
	done
	[ ! -e /doc ] ||
		run "$name" "testpmd, by the page on DPDK: a user with the limit answers pings" \
		dpdk_user
	run "$name" "testpmd, a virtual function of an igb: answers pings" dpdk_function
	[ ! -d "$drivers" ] || umount "$drivers"
}

# The kernel's VFIO selftests, built with a sPAPR mode by scripts/image/build-vfio-selftests: each
# program has a report of its own.
suite() {
	for program in /suite/*/*; do
		name="Linux $(basename "${program%/*}") selftests, $1" device=$card
		case $program in
		# It copies with an igb, and from addresses beyond a default window.
		*driver_test)
			[ "$1" = "created window" ] || continue
			device=$(pci_find "$IGB")
			vfio_bind "$device"
			;;
		esac
		"$program" "$device" >/tmp/suite 2>&1 && grep -q '^ok ' /tmp/suite
		status=$?
		sed -E "s/^((not )?ok [0-9]+) /\\1 $name: /; s/^/    /" /tmp/suite
		result $status "$name: ${program##*/} ends well" "exit code $status"
	done
}
client_suite() {
	suite "default window"
	export SPAPR_CREATE_WINDOW=1
	suite "created window"
	unset SPAPR_CREATE_WINDOW
}

# Open vSwitch with DPDK, as Debian's service: a bridge with the card and an address of the host's.
# Of each packet it loses four bytes with QEMU's e1000e, which is why short ones are sent: these are
# padded.
ovs_answers() {
	ip addr replace 10.1.0.9/24 dev br0 && ip link set br0 up &&
		ip netns exec far ping -q -s 8 -c 1 -W 1 10.1.0.9
}
# The page's commands may wait for an ovs-vswitchd that does not come up: what is said of it shows
# why.
ovs_works() {
	timeout 1200 sh -ex /doc/ovs >/tmp/ovs 2>&1 && [ "$(tail -n 1 /tmp/ovs)" = "[]" ] &&
		wait_for 120 ovs_answers && pings ip netns exec far ping -s 8
	works=$?
	cat /tmp/ovs /var/log/openvswitch/ovs-vswitchd.log
	systemctl --no-pager list-jobs
	systemctl --no-pager --lines=30 status ovs-vswitchd
	systemctl stop ovs-vswitchd	# which holds pages
	return $works
}
client_ovs() {
	far
	doc dpdk-pages
	# The page has Open vSwitch look at all cards that are bound to vfio-pci.
	vfio_release "$(pci_find "$IGB")"
	ovs-vsctl --no-wait set Open_vSwitch . other_config:pmd-cpu-mask=2
	name="Open vSwitch $(ovs-vswitchd --version | sed -n '1s/.* //p')"
	run "$name" "by the page on DPDK: the card is a port of a bridge, which answers pings" \
		ovs_works
}

say "host: Linux $(uname -r)"
udevadm settle 2>/dev/null
modprobe e1000e
card=$(card_of 0)
peer=$(basename "/sys/bus/pci/devices/$(card_of 1)/net/"*)
if [ -z "$card" ] || [ -z "$peer" ]; then die "no cards"; fi
echo 1 >"/proc/sys/net/ipv6/conf/$peer/disable_ipv6"
ip addr add 10.1.0.1/24 dev "$peer"
ip link set "$peer" up
echo 1 >/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
echo 256 >/proc/sys/vm/nr_hugepages
mkdir -p /dev/hugepages /var/run
grep -q ' /dev/hugepages ' /proc/mounts || mount -t hugetlbfs hugetlbfs /dev/hugepages
grep -E '^Huge' /proc/meminfo

case $TCE_DRIVER in ours) place=updates ;; intree) place=kernel ;; esac
modprobe vfio
rmmod vfio_iommu_spapr_tce 2>/dev/null
insmod "$(find "/lib/modules/$(uname -r)/$place" -name 'vfio_iommu_spapr_tce.ko*')" ||
	die "no driver"
vfio_bind "$card" || die "not for VFIO"
say "driver: $TCE_DRIVER, $(cat /sys/module/vfio_iommu_spapr_tce/srcversion)"
echo "KTAP version 1"
for client in "$@"; do
	"client_$client"
done
echo "1..$nth"
