# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# A real Debian gives its network card to a guest by libvirt, with what
# Documentation/passthrough.rst says, and gets it back: from a guest that runs on, and from one
# that ends. Run by scripts/nightly/libvirt, which puts the document's pieces into /libvirt/doc.

depmod
# shellcheck source=card.sh
. /guest/card.sh
# shellcheck source=passthrough-qemu.sh
. /guest/passthrough-qemu.sh

OUT=/tmp
NET=$PEER
test=guest
MEMORY=1073741824
failed=0 started=$(now)
fail() { die "$*"; }	# all that follows needs what was before

cd /libvirt/doc || die "there are no pieces of the document"

# doc NAME - the very commands that the document shows to an administrator.
doc() {
	step "documentation: $(sed '/^$/d; s/^ *//' "$1" | paste -sd ';')"
	sh -e "./$1" >/tmp/doc 2>&1 || {
		cat /tmp/doc
		tail -n 5 /var/log/libvirt/qemu/guest.log
		die "the commands do not work"
	}
	sed '/^$/d; s/^/   /' /tmp/doc
}

# The document's guest.xml, as it is but for less memory, with a kernel that starts at once, and
# with what the document has for a processor without mitigations, as the emulated one is. The large
# decrementer is one more thing that this one does not have, and libvirt has no word for it.
domain() {
	qemu=http://libvirt.org/schemas/domain/qemu/1.0
	sed -e "s,<memory unit='GiB'>4</memory>,<memory unit='b'>$MEMORY</memory>," \
		-e "s,<domain type='kvm'>,<domain type='kvm' xmlns:qemu='$qemu'>," \
		-e "/<type arch=/r kernel.xml" -e "/<features>/r mitigations.xml" \
		-e "/<\/devices>/r more.xml" guest.xml
}
cmdline="console=hvc0 rdinit=/init nowatchdog cryptomgr.notests mitigations=off lsm= audit=0"
cat >kernel.xml <<-EOF
	<kernel>/var/lib/libvirt/images/vmlinux</kernel>
	<initrd>/var/lib/libvirt/images/initrd</initrd>
	<cmdline>$cmdline</cmdline>
EOF
cat >more.xml <<-EOF
	<qemu:commandline>
	  <qemu:arg value='-machine'/>
	  <qemu:arg value='cap-large-decr=off'/>
	</qemu:commandline>
EOF
truncate -s 64M /var/lib/libvirt/images/guest.img

# start - by virsh; the guest has the card then, and a file goes both ways.
start() {
	doc virsh-start
	rm -rf /tmp/g
	mkdir -p /tmp/g
	ln -s "$(virsh ttyconsole guest)" /tmp/g/con.in
	follow </tmp/g/con.in &
	qemu_pid=$(cat /run/libvirt/qemu/guest.pid)
	guest_up 1
	[ "$(pci_driver "$dev")" = vfio-pci ] || die "the card's driver is '$(pci_driver "$dev")'"
	tce_version || die "another driver is loaded"
	traffic
}

# seen - what the host knows of the guest.
seen() {
	user=$(stat -c %U "/proc/$qemu_pid")
	limit=$(awk '/^Max locked memory/ { print $4 }' "/proc/$qemu_pid/limits")
	locked=$(awk '/^VmLck/ { print $2 * 1024 }' "/proc/$qemu_pid/status")
	say "QEMU: user $user, locked memory $locked, limit $limit," \
		"AppArmor $(cat "/proc/$qemu_pid/attr/current")"
	[ "$user" != root ] || die "it has no limit, since it is root's"
	{ [ "$limit" -ge "$locked" ] && [ "$locked" -ge $MEMORY ]; } ||
		die "not all of the guest's memory is locked, by a limit"
	tcestat | tee /tmp/tcestat
	grep -q "^container .*: version 2, process $qemu_pid qemu-system-ppc" /tmp/tcestat ||
		die "tcestat does not show its container"
	grep -q "$dev (vfio-pci)" /tmp/tcestat || die "tcestat does not show the card"
	# The second window, with all of the guest's memory in it; KVM leaves what needs a new level
	# of the table to QEMU
	tcestat --json | python3 -c "
import json, sys
container, = json.load(sys.stdin)['containers']
first, second = container['windows']
live = second['mapped'] << second['page_shift']
print(f'>> second window at {second[\"start\"]:#x}: {live} bytes are mapped')
sys.exit(second['start'] != 1 << 59 or live != $MEMORY)" ||
		die "the second window does not have the guest's memory"
}

given_back() {
	[ "$(pci_driver "$dev")" = e1000e ] &&
		[ "$(cat /sys/module/vfio_iommu_spapr_tce/refcnt)" = 0 ]
}
# back WHAT - libvirt gives the card back to the host's driver, by itself.
back() {
	wait_for 120 given_back || {
		virsh dumpxml guest
		tcestat
		die "$1: the card's driver is '$(pci_driver "$dev")'"
	}
	card_back "$1"
}
shut_off() { [ "$(virsh domstate guest)" = "shut off" ]; }
has_card() { virsh dumpxml guest | grep -q '<hostdev '; }
lost_card() { ! has_card; }

say "host: $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r), card: $dev"
[ ! -e /sys/module/vfio_pci ] || die "vfio-pci is loaded already"
domain >changed.xml
mv changed.xml guest.xml

doc virsh-define
mark detached
start
virsh version
seen
has_card || die "libvirt does not know of the card"
doc virsh-detach
say "before the guest starts anew, its driver is $(pci_driver "$dev")"
guest_send 'reboot -f'
guest_up 2
wait_for 120 lost_card || die "libvirt does not know that the card is gone"
back detached
guest 20 '[ ! -e /sys/class/net/eth0 ]' || die "the guest has the card still"
virsh destroy guest
wait_for 60 shut_off || die "the guest is $(virsh domstate guest)"

mark ended
start
guest_send 'poweroff -f'
wait_for 240 shut_off || die "the guest does not end"
back ended
say "done"
