# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card goes to a client and comes back: closed by the client, with v1 and with v2, and
# after the client was killed with live mappings; then with the kernel's own backend in the place
# of ours, and with ours again. They change places while the card is vfio-pci's, and no container
# is open. Each time it must work again with the host's own driver.

# shellcheck source=card.sh
. /guest/card.sh

backend=vfio_iommu_spapr_tce
# replace_by DIRECTORY - load the backend that is there, instead of the one that is loaded
replace_by() {
	file=$(find "/lib/modules/$(uname -r)/$1" -name $backend.ko)
	rmmod $backend || die "$name: the backend is in use"
	insmod "$file" || die "$name: $file can't be loaded"
	[ "$(cat /sys/module/$backend/srcversion)" = "$(modinfo -F srcversion "$file")" ] || die "$name: it is not $file"
}

for round in 1:exit 2:exit 2:kill 2:kernel 2:updates; do
	how=${round#*:}
	name="v${round%:*}, $how"
	mark "$name"
	vfio_bind "$dev" || die "$name: $dev cannot be bound to vfio-pci"
	case $how in kernel|updates) replace_by "$how" ;; esac
	if [ "$how" = kill ]; then
		hold 2 wait
		hold_killed
	else
		/selftests/hold "$dev" "${round%:*}" exit || die "$name: the client failed"
	fi
	vfio_release "$dev"
	card_back "$name"
done
say "done"
