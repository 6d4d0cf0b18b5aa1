# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A card is taken away from a partition and given back (DLPAR), with its host bridge: without a
# client, from one that is killed while the removal waits for it, and after one that was killed
# before. Each time a client's DMA is right afterwards, and nothing stays pinned. The card has one
# function: of several, QEMU gives back only the last.

# shellcheck source=lib.sh
. /guest/lib.sh

PCI=/sys/bus/pci
TREE=/sys/firmware/devicetree/base

dev=$(pci_find "$EDU" | tail -n 1)
modprobe rpadlpar_io || die "rpadlpar_io does not load"
bridge=$(readlink -f "$PCI/devices/$dev/of_node")
bridge=${bridge%/*}
# words FILE - the numbers that a property consists of, one a line
words() { hexdump -v -e '1/1 "%02x"' "$1" | sed 's/......../0x&\n/g' | grep .; }
index=$(words "$bridge/ibm,my-drc-index")
# Both lists begin with a count.
nth=$(words $TREE/ibm,drc-indexes | sed 1d | grep -n -x "$index" | cut -d: -f1)
name=$(dd if=$TREE/ibm,drc-names bs=4 skip=1 2>/dev/null | tr '\0' '\n' | sed -n "${nth}p")
[ -n "$name" ] || die "$dev: its host bridge $bridge, $index, has no name"
say "$dev is behind $name, $index"

# behind NODE - the card behind this host bridge
behind() {
	for each in $(pci_find "$EDU"); do
		case $(readlink -f "$PCI/devices/$each/of_node") in "$1"/*) echo "$each" ;; esac
	done
}

works() {
	vfio_bind "$dev" || die "$1: $dev can't be bound to vfio-pci"
	/selftests/demo 2 >/tmp/demo || { cat /tmp/demo; die "$1: the client failed"; }
	say "$1: DMA is right"
}

# take_away STEP - the card, which waits for a client, then the bridge, then its node
take_away() {
	echo 1 >"$PCI/devices/$dev/remove" || die "$1: $dev can't be removed"
	echo "$name" >$PCI/slots/control/remove_slot || die "$1: $name can't be taken away"
	[ ! -e "$PCI/devices/$dev" ] || die "$1: $dev is still there"
	echo "dt remove index $index" >/sys/kernel/dlpar || die "$1: $index is not removed"
	[ ! -e "$bridge" ] || die "$1: $bridge is still there"
}

give_back() {
	echo "dt add index $index" >/sys/kernel/dlpar || die "$1: $index is not added"
	echo "$name" >$PCI/slots/control/add_slot || die "$1: $name can't be given back"
	# in another domain
	dev=$(behind "$bridge")
	[ -n "$dev" ] || die "$1: the card is not back"
	works "$1"
	[ "$(pinned)" -eq "$before" ] || die "$1: $(pinned) pages are pinned, not $before"
}

works "at first"
before=$(pinned)
take_away "no client"
give_back "no client"

hold 2 wait
hold_killed
take_away "a client that was killed"
give_back "a client that was killed"

hold 2 wait
take_away "a client that has it" &
sleep 3
[ -e "$PCI/devices/$dev" ] || die "$dev went, and a client had it open"
hold_killed
wait $! || die "it can't be taken away from a client that has it"
give_back "a client that had it"
say "done"
