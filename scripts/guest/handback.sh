# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card, with all its functions, goes to a client and comes back: closed by the client,
# with v1 and with v2, and after the client was killed with live mappings; then with the kernel's
# own backend in the place of ours, and with ours again. They change places while the card is
# vfio-pci's, and no container is open. Each time it must work again with the host's own driver:
# each function must have link and ping, and on PowerNV the host's DMA window and bypass must have
# been taken away and returned. TCE_ROUNDS has other rounds.

# shellcheck source=lib.sh
. /guest/lib.sh

PEER=10.0.2.2	# QEMU's user network
BACKEND=vfio_iommu_spapr_tce
HOST_MAP=/sys/module/host_map/parameters

works() {
	card_works "$card" 10.0.2.15 $PEER || die "$name: $card does not work in the host"
	say "$name: $card works"
}

# replace_by DIRECTORY - load the backend that is there, instead of the one that is loaded
replace_by() {
	file=$(find "/lib/modules/$(uname -r)/$1" -name $BACKEND.ko)
	rmmod $BACKEND || die "$name: the backend is in use"
	insmod "$file" || die "$name: $file can't be loaded"
	[ "$(cat /sys/module/$BACKEND/srcversion)" = "$(modinfo -F srcversion "$file")" ] ||
		die "$name: it is not $file"
}

# maps_low - the window in which the host had mapped all memory is gone, so a driver that needs
# addresses below 4 GiB gets one there. From Linux 7.0 on a partition may remember the window.
maps_low() {
	pci_unbind "$dev"
	echo "$dev" >$HOST_MAP/map || die "$name: a page can't be mapped for $dev"
	handle=$(cat $HOST_MAP/handle)
	echo "$dev" >$HOST_MAP/unmap
	[ "$handle" -lt 4294967296 ] || die "$name: a page below 4 GiB of $dev is at $handle"
}

cards=$(pci_find "$E1000E")
[ -n "$cards" ] || die "no e1000e"
dev=$(echo "$cards" | tail -n 1)
modprobe e1000e || die "e1000e does not load"
insmod /selftests/host_map.ko || die "host_map does not load"
windows_before=$(windows)
name=before
for card in $cards; do works; done

for round in ${TCE_ROUNDS:-1:exit 2:exit 2:wait 2:kernel 2:updates}; do
	how=${round#*:}
	name="v${round%:*}, $how"
	mark "$name"
	for card in $cards; do
		vfio_bind "$card" || die "$name: $card cannot be bound to vfio-pci"
	done
	case $how in kernel|updates) replace_by "$how" ;; esac
	case $how in
	wait|idle)
		hold "${round%:*}" "$how"
		hold_killed
		;;
	*) /selftests/hold "$dev" "${round%:*}" exit || die "$name: the client failed" ;;
	esac
	maps_low
	for card in $cards; do vfio_release "$card"; done
	window_back "$name" ||
		{ cat /tmp/log; die "$name: the host's window and bypass are not back"; }
	say "$name: the host's window is back"
	for card in $cards; do works; done
done
say "done"
