# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Clients of a network card that die, lose it, or lose the driver; after each of them
# the host must have it back, and in the end of each part its own driver must work:
#   - 200 clients, killed at random moments, for the last 50 of which somebody tries
#     to unload the driver all the time;
#   - the driver is unloaded while it is used, which must be refused, and afterwards;
#   - the card is taken from vfio-pci while a client has its group, or uses it.
#
# Environment: TCE_SEED (a number).

# shellcheck source=card.sh
. /guest/card.sh

MODULE=vfio_iommu_spapr_tce
seed=${TCE_SEED:-1}
clients=50

loaded() { [ -e /sys/module/$MODULE ]; }

# Somebody who wants the driver unloaded, and somebody else who wants it back.
unload_and_load() {
	refused=0
	unloaded=0
	while [ ! -e /tmp/enough ]; do
		if rmmod $MODULE 2>/dev/null; then
			unloaded=$((unloaded + 1))
			/bin/modprobe $MODULE
		else
			refused=$((refused + 1))
		fi
	done
	echo "$unloaded $refused" >/tmp/tries
}

for part in 1 2 3 4; do
	mark "part $part"
	vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
	loading=
	if [ $part -eq 4 ]; then
		loading=loading
		unload_and_load &
		loader=$!
	fi
	# shellcheck disable=SC2086 # may be nothing
	/selftests/deaths "$dev" $((seed * 10 + part)) "$clients" $loading ||
		die "seed $seed, part $part: failed"
	if [ $part -eq 4 ]; then
		touch /tmp/enough
		wait "$loader"
		read -r unloaded refused </tmp/tries
		say "meanwhile the driver was unloaded $unloaded times, refused $refused times"
		[ "$unloaded" -gt 0 ] || die "that is no proof"
		[ "$refused" -gt 0 ] || die "that is no proof"
		loaded || die "the driver is gone"
	fi
	vfio_release "$dev"
	card_back "part $part"
done

name="unloading"
mark "$name"
vfio_bind "$dev" || die "$name: $dev cannot be bound to vfio-pci"
hold 2 wait
for _ in 1 2 3; do
	rmmod $MODULE 2>/dev/null && die "$name: the driver was unloaded in use"
	loaded || die "$name: the driver is gone"
done
hold_killed
for _ in 1 2 3; do
	rmmod $MODULE || die "$name: the driver can't be unloaded"
	loaded && die "$name: the driver is still there"
	/bin/modprobe $MODULE || die "$name: the driver can't be loaded again"
done
/selftests/hold "$dev" 1 exit || die "$name: a client of the new driver failed"
say "$name: refused in use, works afterwards"
vfio_release "$dev"
card_back "$name"

# The kernel takes a group whose last device leaves vfio-pci from the container.
for version in 1 2; do
	name="v$version loses the group"
	mark "$name"
	vfio_bind "$dev" || die "$name: $dev cannot be bound to vfio-pci"
	hold $version lose
	vfio_release "$dev"
	wait "$holder" || { cat /tmp/hold; die "$name: the client failed"; }
	tail -n 1 /tmp/hold
	card_back "$name"
done

# As long as a client has the device's own file open, whoever unbinds it waits.
name="unbinding waits"
mark "$name"
vfio_bind "$dev" || die "$name: $dev cannot be bound to vfio-pci"
hold 2 wait
waits=
vfio_release "$dev" &
waiter=$!
sleep 3
kill -0 $waiter && waits=yes
# First of all: a machine with a device that is not let go can't be switched off.
hold_killed
wait $waiter
[ -n "$waits" ] || die "$name: the device was taken from a client that uses it"
say "$name: until the client was killed"
card_back "$name"
say "done"
