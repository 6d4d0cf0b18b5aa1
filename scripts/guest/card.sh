# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card that clients get and the host gets back: ". /guest/card.sh". $cards are its
# functions of that kind, and $dev is the last one. With the host's own driver each must have link
# and ping; on PowerNV the host's DMA window and bypass must have been taken away and returned.

# shellcheck source=lib.sh
. /guest/lib.sh

PEER=10.0.2.2	# QEMU's user network

cards=$(pci_find "$E1000E")
[ -n "$cards" ] || die "no e1000e"
dev=$(echo "$cards" | tail -n 1)
modprobe e1000e || die "e1000e does not load"

# network ROUND - bring the card up with its own driver and ask the peer, a function at a time.
network() { for card in $cards; do function_works "$1"; done; }
function_works() {
	[ "$(pci_driver "$card")" = e1000e ] || die "$1: $card is driven by '$(pci_driver "$card")'"
	net=$(basename "/sys/bus/pci/devices/$card/net/"*)
	ip addr replace 10.0.2.15/24 dev "$net" || die "$1: $net gets no address"
	ip link set "$net" up || die "$1: $net does not come up"
	wait_for 20 grep -qs 1 "/sys/class/net/$net/carrier" || die "$1: $net has no link"
	ping -c 3 -W 5 "$PEER" >/tmp/ping || { cat /tmp/ping; die "$1: no answer from $PEER"; }
	say "$1: $net has link, $(grep transmitted /tmp/ping)"
	ip link set "$net" down
}

# The windows that the host made for all of memory (pseries).
bypasses() { find /sys/firmware/devicetree/base/ -name linux,direct64-ddr-window-info | wc -l; }

# card_back ROUND - all of that, after vfio_release.
card_back() {
	window_back "$1" || { cat /tmp/log; die "$1: the host's window and bypass are not back"; }
	say "$1: the host's window is back"
	network "$1"
	[ "$(bypasses)" -eq "$bypasses_before" ] ||
		die "$1: $(bypasses) of $bypasses_before 64-bit windows of the host are back"
}

windows_before=$(windows)
network "before"
bypasses_before=$(bypasses)
