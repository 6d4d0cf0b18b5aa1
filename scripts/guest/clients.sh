# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Clients that others wrote, with our driver or the kernel's own. Run by scripts/clients, which
# makes a table of the lines that begin with ">> client|".
#
# Arguments: ours|intree CLIENT...

depmod
# shellcheck source=lib.sh
. /guest/lib.sh

# card_of N - the address of the card with that MAC address
card_of() {
	for net in /sys/class/net/*; do
		if [ "$(cat "$net/address")" = "52:54:00:00:00:1$1" ]; then
			basename "$(readlink -f "$net/device")"
		fi
	done
}

# row CLIENT WHAT RESULT - a line of the table
row() { echo ">> client|$1|$2|$driver|$3"; }

# run CLIENT WHAT COMMAND... - a row, from what the command returns
run() {
	client=$1 what=$2
	shift 2
	say "$client: $what, $driver"
	if "$@" >/tmp/said 2>&1; then
		row "$client" "$what" ok
	else
		sed 's/^/   /' /tmp/said | tail -n 200
		row "$client" "$what" FAILED
	fi
	# What a client has left behind would be seen by the next.
	if [ "$driver" = ours ] && tcestat | grep -q '^container'; then
		tcestat
		row "$client" "$what: leaves nothing behind" FAILED
	fi
}

# use DRIVER - load it and give it the card
use() {
	modprobe vfio || return 1
	if [ "$1" = intree ]; then
		rmmod vfio_iommu_spapr_tce 2>/dev/null
		insmod "/lib/modules/$(uname -r)/kernel/drivers/vfio/vfio_iommu_spapr_tce.ko.xz" || return 1
	fi
	modprobe vfio-pci || return 1
	vfio_bind "$card" || return 1
	say "driver: $1, $(cat /sys/module/vfio_iommu_spapr_tce/srcversion)"
}

# received - packets that have come to the other end
received() { ip netns exec wire cat "/sys/class/net/$peer/statistics/rx_packets"; }

# until_true SECONDS COMMAND... - wait for it
until_true() {
	left=$1
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 1
	done
}

# pings ADDRESS - once the link is up, each of ten is answered
pings() {
	until_true 20 ip netns exec wire ping -q -c 1 -W 1 "$1"
	ip netns exec wire ping -c 10 -i 0.3 -W 10 "$1" | tee /tmp/ping
	grep -q ' 0% packet loss' /tmp/ping
}

# testpmd ARGS... - start it with its commands on descriptor 9, and its words in /tmp/testpmd
testpmd() {
	rm -f /tmp/commands
	mkfifo /tmp/commands
	: >/tmp/testpmd
	dpdk-testpmd -a "$port" "$@" </tmp/commands >/tmp/testpmd 2>&1 &
	pid=$!
	exec 9>/tmp/commands
	until_true 240 grep -q 'testpmd> ' /tmp/testpmd && return
	kill -KILL "$pid"
	wait "$pid"
	exec 9>&-
	cat /tmp/testpmd
	return 1
}

# quit - end it, and have it end well
quit() {
	echo stop >&9
	echo quit >&9
	exec 9>&-
	wait "$pid"
	status=$?
	cat /tmp/testpmd
	return $status
}

options() { echo "$1 -- -i --nb-cores=1 --total-num-mbufs=4096"; }

# dpdk_pings OPTIONS - it answers pings
dpdk_pings() {
	# shellcheck disable=SC2046 # words
	testpmd -l 0,1 $(options "$1") --forward-mode=icmpecho || return 1
	echo start >&9
	pings 10.1.0.9
	answered=$?
	quit && [ $answered -eq 0 ]
}

# dpdk_sends OPTIONS - 128 packets leave, and 128 arrive
dpdk_sends() {
	# shellcheck disable=SC2046 # words
	testpmd -l 0,1 $(options "$1") --eth-peer=0,52:54:00:00:00:11 || return 1
	sleep 1
	before=$(received)
	echo start tx_first 4 >&9
	sleep 5
	came=$(($(received) - before))
	quit || return 1
	echo "$came packets came"
	[ $came -eq 128 ]
}

# dpdk_dies OPTIONS - killed at work, and started again
dpdk_dies() {
	# shellcheck disable=SC2046 # words
	testpmd -l 0,1 $(options "$1") --forward-mode=icmpecho || return 1
	echo start >&9
	pings 10.1.0.9 || return 1
	kill -KILL "$pid"
	wait "$pid"
	exec 9>&-
	dpdk_pings "$1"
}

client_dpdk() {
	name="DPDK $(dpkg-query -W -f '${Version}' dpdk | sed 's/-.*//')"
	port=$card
	run "$name" "testpmd, pages of the system: answers pings" dpdk_pings "--no-huge -m 128"
	run "$name" "testpmd, pages of the system: 128 packets arrive" dpdk_sends "--no-huge -m 128"
	run "$name" "testpmd, 2M pages as they are needed: answers pings" dpdk_pings ""
	run "$name" "testpmd, 2M pages as they are needed: 128 packets arrive" dpdk_sends ""
	run "$name" "testpmd, 2M pages: killed and started again" dpdk_dies ""
}

# The kernel's VFIO selftests, built with a sPAPR mode by scripts/build-suite: each test is a row.
suite() {
	for program in /suite/*; do
		"$program" "$card" >/tmp/suite 2>&1
		sed -n 's/^\(ok\|not ok\) [0-9]* \([^ ]*\)\(.*SKIP.*\)\{0,1\}.*/\1|\2|\3/p' /tmp/suite | while IFS='|' read -r result test skip; do
			case $result$skip in
			ok) row "Linux 7.2 selftests, $1" "$test" ok ;;
			ok*) row "Linux 7.2 selftests, $1" "$test" "skipped:${skip#*SKIP}" ;;
			*)
				row "Linux 7.2 selftests, $1" "$test" FAILED
				sed 's/^/   /' /tmp/suite
				;;
			esac
		done
	done
}
client_suite() {
	suite "default window"
	export SPAPR_CREATE_WINDOW=1
	suite "created window"
	unset SPAPR_CREATE_WINDOW
}

# A client that knows only type1 fails with a reason that its user can read.
nvme() {
	qemu-img info "nvme://$card/1" && return 1
	qemu-img info "nvme://$card/1" 2>&1 | grep 'VFIO IOMMU Type1 is not supported'
}
client_type1() {
	run "QEMU $(dpkg-query -W -f '${Version}' qemu-utils | sed 's/^[0-9]*://; s/[+-].*//')" \
		"nvme://, which knows only type1, is refused with that reason" nvme
}

# contained LIMIT OPTIONS COMMAND... - alice runs it in a container of her own, as installation.rst says,
# and may lock so much. The container has the programs of the host.
contained() {
	limit=$1 options=$2
	shift 2
	# shellcheck disable=SC2086 # words
	prlimit --memlock="$limit" setpriv --reuid alice --regid alice --init-groups --reset-env \
		env -C / XDG_RUNTIME_DIR=/run/alice podman --cgroup-manager=cgroupfs run --rm --cgroups=disabled \
		--network=none --device=/dev/vfio --userns=keep-id --security-opt label=disable $options \
		--volume=/usr:/usr:ro --rootfs /home/alice/root "$@" >/tmp/contained 2>&1
	code=$?
	cat /tmp/contained
	return $code
}
# What the client and doctor say
says() { grep -q "$1" /tmp/contained; }
refused_without_group() {
	! contained unlimited "" hold "$card" 2 exit && says "Permission denied" &&
		! contained unlimited "" tcestat doctor "$card" --mem 64M && says keep-groups
}
refused_without_memlock() {
	! contained 1048576 --group-add=keep-groups hold "$card" 2 exit && says ENOMEM &&
		! contained 1048576 --group-add=keep-groups tcestat doctor "$card" --mem 64M && says limits.conf
}
client_podman() {
	name="Podman $(podman --version | sed 's/.* //')"
	groupadd -f vfio
	chgrp vfio "/dev/vfio/$(pci_group "$card")"
	chmod 660 "/dev/vfio/$(pci_group "$card")"
	useradd -m -G vfio alice
	mkdir -p /home/alice/root/dev /home/alice/root/etc /home/alice/root/proc /home/alice/root/sys /home/alice/root/usr /run/alice
	for dir in bin lib lib64 sbin; do ln -sf "usr/$dir" "/home/alice/root/$dir"; done
	chown -R alice:alice /home/alice /run/alice
	run "$name" "rootless: a client opens the card and maps memory" contained unlimited --group-add=keep-groups hold "$card" 2 exit
	run "$name" "rootless: without keep-groups EACCES, and doctor says why" refused_without_group
	run "$name" "rootless: with 1 MiB to lock ENOMEM, and doctor says why" refused_without_memlock
}

say "host: $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r)"
card=$(card_of 0)
peer_card=$(card_of 1)
peer=$(basename "/sys/bus/pci/devices/$peer_card/net/"*)
if [ -z "$card" ] || [ -z "$peer" ]; then die "no cards"; fi
# In a namespace of its own, what goes to an address of the host has to go over the wire.
ip netns add wire
ip link set "$peer" netns wire
ip netns exec wire sh -c "echo 1 >/proc/sys/net/ipv6/conf/$peer/disable_ipv6"
ip -n wire addr add 10.1.0.1/24 dev "$peer"
ip -n wire link set "$peer" up
echo 512 >/proc/sys/vm/nr_hugepages
mkdir -p /dev/hugepages
mountpoint -q /dev/hugepages || mount -t hugetlbfs hugetlbfs /dev/hugepages
grep -E '^Huge' /proc/meminfo

driver=$1
shift
use "$driver" || die "$driver: does not load"
for client in "$@"; do
	"client_$client"
done
