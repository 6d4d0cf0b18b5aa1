# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/clients.sh: libvirt gives the card to a guest with KVM, by the XML and the
# commands of Documentation/passthrough.rst, and gets it back from the running guest. (Guests that
# end are in scripts/guests.)

# shellcheck source=passthrough-qemu.sh
. /guest/passthrough-qemu.sh

MEMORY=1073741824
IMAGES=/var/lib/libvirt/images	# also has a kernel that starts at once

# The page's guest.xml, as it is but for less memory, with that kernel, and with what
# troubleshooting.rst has for a processor without mitigations, as the emulated one is. The large
# decrementer is one more thing that this one does not have, and libvirt has no word for it.
domain() {
	qemu=http://libvirt.org/schemas/domain/qemu/1.0
	cat >/tmp/kernel.xml <<-EOF
		<kernel>$IMAGES/vmlinux</kernel>
		<initrd>$IMAGES/initrd</initrd>
		<cmdline>console=hvc0 rdinit=/init $QUICK</cmdline>
	EOF
	cat >/tmp/more.xml <<-EOF
		<qemu:commandline>
		  <qemu:arg value='-machine'/>
		  <qemu:arg value='cap-large-decr=off'/>
		</qemu:commandline>
	EOF
	sed -e "s,<memory unit='GiB'>4</memory>,<memory unit='b'>$MEMORY</memory>," \
		-e "s,<domain type='kvm'>,<domain type='kvm' xmlns:qemu='$qemu'>," \
		-e "/<type arch=/r /tmp/kernel.xml" -e "/<features>/r /doc/mitigations.xml" \
		-e "/<\/devices>/r /tmp/more.xml" /doc/guest.xml
}

# libvirt_start - by virsh; the guest has the card then, and all of its memory is locked, by a user
# who may not lock any amount.
libvirt_start() {
	doc virsh-start || { tail -n 5 /var/log/libvirt/qemu/guest.log; return 1; }
	rm -rf /tmp/g
	mkdir -p /tmp/g
	ln -s "$(virsh ttyconsole guest)" /tmp/g/con.in
	follow </tmp/g/con.in &
	qemu_pid=$(cat /run/libvirt/qemu/guest.pid)
	guest_up 1 && guest 20 net_up eth0 10.1.0.9 && pings ip netns exec far ping || return 1
	user=$(stat -c %U "/proc/$qemu_pid")
	limit=$(awk '/^Max locked memory/ { print $4 }' "/proc/$qemu_pid/limits")
	locked=$(awk '/^VmLck/ { print $2 * 1024 }' "/proc/$qemu_pid/status")
	echo "QEMU: user $user, locked memory $locked, limit $limit"
	[ "$user" != root ] && [ "$limit" -ge "$locked" ] && [ "$locked" -ge $MEMORY ]
}

given_back() {
	[ "$(pci_driver "$card")" = e1000e ] &&
		[ "$(cat /sys/module/vfio_iommu_spapr_tce/refcnt)" = 0 ]
}
# back MARK - libvirt gives it back to the host's driver by itself, with window and bypass.
back() {
	wait_for 120 given_back && window_back "$1" || return 1
	net=$(ls "/sys/bus/pci/devices/$card/net")
	ip addr replace 10.1.0.9/24 dev "$net" && ip link set "$net" up &&
		pings ip netns exec far ping
	works=$?
	ip link set "$net" down
	return $works
}
has_card() { virsh dumpxml guest | grep -q '<hostdev '; }

libvirt_detaches() {
	mark detached
	doc virsh-define && libvirt_start && has_card && doc virsh-detach || return 1
	guest_send 'reboot -f'
	guest_up 2 && wait_for 120 not has_card && back detached &&
		guest 20 '[ ! -e /sys/class/net/eth0 ]' && virsh destroy guest
}
client_libvirt() {
	echo 0 >/proc/sys/vm/nr_hugepages
	far
	started=$(now)
	vfio_release "$card"
	cd /doc || die "there are no pieces of the documents"
	domain >/tmp/guest.xml
	mv /tmp/guest.xml guest.xml
	truncate -s 64M $IMAGES/guest.img
	name="libvirt $(virsh --version)"
	run "$name" "by the page on passthrough: a guest has the card, which is detached from it" \
		libvirt_detaches
	virsh destroy guest
	vfio_bind "$card"
}
