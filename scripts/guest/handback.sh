# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card, with all its functions, goes to a client and comes back: closed by the client,
# with v1 and with v2, and after the client was killed with live mappings; then with the kernel's
# own backend in the place of ours, and with ours again. They change places while the card is
# vfio-pci's, and no container is open. Each time it must work again with the host's own driver.
# TCE_ROUNDS has other rounds.

# shellcheck source=card.sh
. /guest/card.sh

backend=vfio_iommu_spapr_tce
# replace_by DIRECTORY - load the backend that is there, instead of the one that is loaded
replace_by() {
	file=$(find "/lib/modules/$(uname -r)/$1" -name $backend.ko)
	rmmod $backend || die "$name: the backend is in use"
	insmod "$file" || die "$name: $file can't be loaded"
	[ "$(cat /sys/module/$backend/srcversion)" = "$(modinfo -F srcversion "$file")" ] ||
		die "$name: it is not $file"
}

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
	for card in $cards; do vfio_release "$card"; done
	card_back "$name"
done
say "done"
