# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card goes to a client and comes back, three times: closed by the
# client, with v1 and with v2, and after the client was killed with live mappings.
# Each time it must work again with the host's own driver.

# shellcheck source=card.sh
. /guest/card.sh

for round in 1:exit 2:exit 2:kill; do
	name="v${round%:*}, $([ "${round#*:}" = kill ] && echo killed || echo closed)"
	mark "$name"
	vfio_bind "$dev" || die "$name: $dev cannot be bound to vfio-pci"
	if [ "${round#*:}" = exit ]; then
		/selftests/hold "$dev" "${round%:*}" exit || die "$name: the client failed"
	else
		hold "${round%:*}" wait
		hold_killed
	fi
	vfio_release "$dev"
	card_back "$name"
done
say "done"
