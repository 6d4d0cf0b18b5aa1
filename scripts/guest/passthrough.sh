# shellcheck shell=dash disable=SC2016,SC2317
# SPDX-License-Identifier: GPL-2.0-only
#
# A POWER host that gives its network cards to a guest. Run by scripts/guests
# in the emulated host; the arguments are tests: NAME is test_NAME below.
#
# From the environment: TCE_MEMLOCK, the limit of locked memory that tcestat has computed.
# Exit code: 0 all tests passed, 1 one or more did not; the report is for scripts/harness/ktap.py.

# shellcheck source=lib.sh
. /guest/lib.sh
# shellcheck source=passthrough-qemu.sh
. /guest/passthrough-qemu.sh
# shellcheck source=passthrough-bridge.sh
. /guest/passthrough-bridge.sh

DISK=/mnt	# QEMU, and its guest
OUT=/tmp/out
MEM=1024	# MiB of a guest
TRACE=/sys/kernel/tracing
DDW_START=0x800000000000000
COUNTED="vfio_spapr_tce/tce_map hcall/put hcall/put_indirect hcall/stuff"

# ---- the host ----

cards=
prepare() {
	modprobe -a crc32c_generic ext4 virtio_pci virtio_blk e1000e ||
		die "modules of the host do not load"
	mkdir -p $DISK $OUT
	wait_for 10 [ -b /dev/vda ] || die "the disk is missing"
	mount -t ext2 -o ro /dev/vda $DISK || die "the disk cannot be mounted"
	modprobe kvm-hv
	[ -e /dev/kvm ] || die "the emulated host has no KVM (QEMU 11 is needed)"
	cards=$(pci_find "$E1000E" | xargs)
	[ -n "$cards" ] || die "no network card"
	export DEVICE="${cards%% *}"	# as the documents call it
	card_1="-device vfio-pci,host=$DEVICE,id=card1"
	windows_before=$(windows)
}

# ---- the guest, seen from the host: our tracepoints, and KVM's hypercalls ----

# tracing_on - our tracepoints and the results of KVM's hypercalls are counted from here on, and
# written down.
tracing_on() {
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	if [ ! -d $TRACE/events/hcall ]; then
		{
			echo "r:hcall/put kvmppc_h_put_tce rc=\$retval"
			echo "r:hcall/put_indirect kvmppc_h_put_tce_indirect rc=\$retval"
			echo "r:hcall/stuff kvmppc_h_stuff_tce rc=\$retval"
			echo "r:tables/given kvm_spapr_tce_attach_iommu_group rc=\$retval"
			echo "p:tables/released kvm_spapr_tce_iommu_table_free"
		} >$TRACE/kprobe_events || fail "KVM's hypercalls cannot be traced"
	fi
	for event in $COUNTED; do
		echo '!hist:keys=rc' >$TRACE/events/"$event"/trigger 2>/dev/null
		echo hist:keys=rc >$TRACE/events/"$event"/trigger
	done
	for dir in vfio_spapr_tce hcall tables; do echo 1 >$TRACE/events/$dir/enable; done
}

# count EVENT [RC] - how often it happened (with that result).
count() {
	awk -v want="${2-any}" '
		/hitcount:/ { gsub(/[{}:,]/, " "); if (want == "any" || $2 + 0 == want) n += $NF }
		END { print n + 0 }' "$TRACE"/events/"$1"/hist
}

# made - the windows created, as our tracepoints tell.
made() {
	sed -n 's/.*tce_window_create: \(.* rc=0\)$/\1/p' "$TRACE"/trace
}

# live_tces - how many entries of the tables of all open containers are in use, whoever has put
# them there.
live_tces() {
	sed -n 's/^window .* mapped=\([0-9]*\) .*/\1/p' \
		/sys/kernel/debug/vfio_iommu_spapr_tce/state | awk '{ n += $1 } END { print n + 0 }'
}

# expect_windows N - so many were created, the first at 0, the second at 1<<59.
expect_windows() {
	starts=$(made | sed 's/.*start=\([^ ]*\) .*/\1/' | sort | uniq | xargs)
	case $1 in
	1) [ "$starts" = 0x0 ] ;;
	2) [ "$starts" = "0x0 $DDW_START" ] ;;
	esac || fail "windows at $starts"
}

# expect_kvm - KVM writes all TCEs.
expect_kvm() {
	for event in put put_indirect stuff; do
		[ "$(count "hcall/$event")" = "$(count "hcall/$event" 0)" ] ||
			fail "KVM left some of $event to QEMU"
	done
	[ $(($(count hcall/put) + $(count hcall/put_indirect))) -gt 0 ] || fail "KVM put no TCE"
	maps=$(count vfio_spapr_tce/tce_map)
	[ "$maps" = 0 ] || fail "$maps MAP ioctls, with KVM there should be none"
}

# expect_live MIB - all of a guest's memory is in its second window, page by page of
# the host.
expect_live() {
	[ "$(live_tces)" = $(($1 * 16)) ] ||
		fail "$(live_tces) live TCEs, not $(($1 * 16)), for $1 MiB in pages of 64 KiB"
}

# ---- the host, after a guest ----

pins_are_back() { [ "$(pinned)" = "$pins_before" ]; }

users() { cat /sys/module/vfio_iommu_spapr_tce/refcnt; }
# Each table that KVM still has keeps the module. It never releases one that it was given twice, for
# two groups of a container (kernel-defects.rst), so here are as many as it was given more often
# than it put any.
kept_by_kvm=0
tables_of_kvm() {
	awk '/ given: .* rc=0$/ { n++ } / released: / { n-- } END { print n + 0 }' "$TRACE"/trace
}
no_users() { [ "$(users)" = $((kept_by_kvm + $(tables_of_kvm))) ]; }

# silence CARD - stop a card that a killed guest has left at work. The slots of the
# emulated bridge refuse every other reset. When the host's driver then lets the card
# do DMA again, just before it resets it itself, the card would go on receiving to the
# guest's addresses; but there the host has its bypass, to its own memory, by now.
silence() {
	pci_unbind "$1"
	read -r bar _ <"/sys/bus/pci/devices/$1/resource"
	echo 1 >"/sys/bus/pci/devices/$1/enable"	# its registers, no DMA
	devmem $((bar + 0x100)) 32 0	# RCTL: receive nothing
	devmem $((bar + 0x400)) 32 0	# TCTL: send nothing
	echo 0 >"/sys/bus/pci/devices/$1/enable"
}

# back - the host has its cards back, with window and bypass, and nothing is left.
back() {
	wait_for 120 no_users ||
		fail "the module is still in use: $(users), $kept_by_kvm + $(tables_of_kvm) by KVM"
	kept_by_kvm=$(users)
	[ "$test" = two ] || [ "$(tables_of_kvm)" = 0 ] || fail "KVM keeps tables of one group"
	wait_for 120 pins_are_back ||
		fail "$(pinned) pages are pinned, $pins_before before the test"
	for card in $cards; do
		# demo has given it back.
		if [ "$(pci_driver "$card")" = vfio-pci ]; then silence "$card"; fi
		vfio_release "$card"
	done
	window_back "$test" || fail "the host's windows are not back"
	n=2
	for card in $cards; do
		card_works "$card" 10.0.$n.20 10.0.$n.2 ||
			fail "$card does not work in the host any more"
		n=$((n + 1))
	done
}

# ---- tests ----

# begin ARGUMENT... - a guest is started with the first card, which works.
begin() {
	# shellcheck disable=SC2086 # $card_1: an option and its value
	guest_start "$@" $card_1 && traffic
}

# seen N - what can be seen of the guest from outside is as it should be, with N windows.
seen() {
	expect_windows "$1"
	expect_kvm
}

documented() {
	step "documentation: $1"
	doc "$1" "s/^ *DEVICE=.*/DEVICE=$DEVICE/" >/tmp/doc 2>&1 ||
		fail "the commands do not work"
	sed 's/^/   /' /tmp/doc
	[ "$failed" = 0 ]
}

# By the very commands that Documentation/passthrough.rst shows to an administrator
test_demo() {
	for card in $cards; do vfio_release "$card"; done
	echo 0 >"$TRACE"/events/enable
	documented group && documented bind && documented trace-on || return
	begin || return
	seen 2
	expect_live "$MEM"
	documented trace-read
	grep -q 'tce_window_create: .* num=1 ' /tmp/doc || fail "the trace does not show the window"
	guest_stop
	documented give-back
	[ "$(pci_driver "$DEVICE")" = e1000e ] || fail "the card is not back"
}

# Without the second window all goes through the small one, page by page.
test_noddw() {
	begin -global spapr-pci-host-bridge.ddw=off || return
	seen 1
	# A packet at a time, so all three of the hypercalls.
	for event in put put_indirect stuff; do
		[ "$(count "hcall/$event")" -gt 0 ] || fail "no $event"
	done
	guest_stop
}

# A window for more memory than the host has, which has two levels, for a user who may lock what
# "tcestat memlock" says for such a guest
test_huge() {
	mem=2G,slots=2,maxmem=256G memlock=$TCE_MEMLOCK
	begin || return
	grep "^Max locked memory  *$memlock  *$memlock " "/proc/$qemu_pid/limits" ||
		fail "QEMU has another limit"
	locked=$(awk '/^VmLck/ { print $2 * 1024 }' "/proc/$qemu_pid/status")
	[ "$locked" -le "$memlock" ] || fail "it has locked more than it may"
	expect_windows 2
	expect_live 2048
	made | grep -q 'num=1.* levels=2' || fail "not a window of two levels"
	# The only call in which the guest puts TCEs finds levels missing, which KVM does not make:
	# QEMU does, by MAP.
	maps=$(count vfio_spapr_tce/tce_map)
	[ "$maps" -gt 0 ] || fail "no MAP ioctl reached us"
	[ "$maps" = "$(count vfio_spapr_tce/tce_map 0)" ] || fail "MAP ioctls failed"
	guest_stop
}

# Killed in the middle of it.
test_kill() {
	begin || return
	guest_send 'while net_echo 2 10.0.2.100; do :; done'
	sleep 5
	[ ! -e /tmp/g/done."$number" ] || fail "the traffic has ended"
	kill -9 "$qemu_pid"
	wait "$qemu_pid"
	[ $? = 137 ] || fail "QEMU was not killed"
	step "QEMU is killed"
}

# Error handling, from the guest by RTAS to QEMU, and from there by VFIO_EEH_PE_OP to
# us: state, reset, and what else it takes. The card's PE is frozen, as the bridge's
# registers have it; the guest asks, is told, recovers its card, and it is not.
test_eeh() {
	echo 'p:eeh/op tce_eeh_op op=+8(%gpr4):u32' >>"$TRACE"/kprobe_events
	echo 'hist:keys=op' >"$TRACE"/events/eeh/op/trigger
	echo 'r:eehstate/rc eeh_pe_get_state rc=$retval' >>"$TRACE"/kprobe_events
	echo 'hist:keys=rc' >"$TRACE"/events/eehstate/rc/trigger
	begin || return
	pe=$(($(cat "/sys/bus/pci/devices/$DEVICE/eeh_pe_config_addr")))
	bridge=$(bridge_at "$DEVICE")
	[ "$(frozen "$pe")" = "0 0" ] || fail "it is frozen before the error"
	freeze "$pe"
	[ "$(frozen "$pe")" = "1 1" ] || fail "the bridge does not say that it is frozen"
	guest 60 'dmesg -n 1; echo 0000:00:00.0 >/sys/kernel/debug/powerpc/eeh_dev_check' ||
		fail "the guest has no error handling"
	guest 90 'for i in $(seq 60); do' \
		'dmesg | grep -q "EEH: Recovery successful" && break; sleep 1; done;' \
		'dmesg | grep EEH: | tail -n 30; [ $i -lt 60 ]' ||
		fail "the guest does not recover its card"
	traffic
	[ "$(frozen "$pe")" = "0 0" ] || fail "the PE is still frozen after the recovery"
	# the state "stopped"
	[ "$(count eehstate/rc 2)" -gt 0 ] || fail "the guest was not told of the error"
	unfrozen "$pe"
	# VFIO_EEH_PE_CONFIGURE, which comes last
	[ "$(count eeh/op 8)" -gt 0 ] || fail "no EEH call reached us"
	guest_stop
}

# Memory that the guest gets while it runs, that is taken away and plugged in once more, and DMA
# into it.
test_memory() {
	mem=512M,slots=2,maxmem=4G
	begin || return
	monitor object_add memory-backend-ram,id=more,size=256M
	plug 1 online_movable || return		# movable: what can be taken away again
	step "the memory is unplugged"
	monitor device_del dimm1
	wait_for 240 traced unregister 1 || fail "the guest does not let go of the memory"
	plug 2 online || return
	# Most of the old memory is taken, so that packets lie in the new.
	guest 60 'mount -o remount,size=90% /tmp;' \
		'dd if=/dev/zero of=/tmp/hog bs=1M count=380 2>/dev/null;' \
		'grep MemFree /proc/meminfo; ls -l /tmp/hog'
	traffic
	expect_windows 2
	guest_stop
}
# plug N HOW - plug the memory in for the N-th time; the guest takes it into use like HOW.
plug() {
	step "memory is plugged in"
	guest 10 "echo $2 >/sys/devices/system/memory/auto_online_blocks"
	monitor "device_add pc-dimm,id=dimm$1,memdev=more"
	# its blocks are as large as that
	guest 60 'for i in $(seq 50); do' \
		'[ $(cat /sys/devices/system/memory/memory*/state | grep -c ^online) = 3 ] &&' \
		'break; sleep 1; done; grep MemTotal /proc/meminfo; [ $i -lt 50 ]' ||
		fail "the guest has no more memory than before"
	traced register $((1 + $1)) || fail "the memory was not registered"
	[ "$failed" = 0 ]
}
# traced WHAT N - that it was done so often
traced() { [ "$(grep -c "tce_$1: .* rc=0" "$TRACE"/trace)" = "$2" ]; }

# Two cards, each in a group of its own, in one container. One is unplugged and plugged in again;
# the guest has no program that would let go of it, so that either is done when it starts anew.
test_two() {
	second=${cards##* }
	# shellcheck disable=SC2086
	guest_start $card_1,addr=1 -device "vfio-pci,host=$second,id=card2,addr=2" || return
	traffic
	traffic 1
	step "the second card is unplugged"
	monitor device_del card2
	guest_send 'reboot -f'
	guest_up 2 || return
	wait_for 30 detached || fail "QEMU keeps the second card"
	guest 20 '[ ! -e /sys/class/net/eth1 ]' || fail "the guest has it still"
	traffic
	step "and plugged in again"
	monitor device_add "vfio-pci,host=$second,id=card2,addr=2"
	guest_send 'reboot -f'
	guest_up 3 || return
	traffic
	traffic 1
	seen 2
	guest_stop
}
detached() { grep -q tce_detach: "$TRACE"/trace; }

# ---- all of it ----

started=$(now)
all=0
prepare
echo "KTAP version 1"
echo "1..$#"
say "host: Linux $(uname -r), cards: $cards"
for test in "$@"; do
	failed=0
	mem='' memlock=''
	started=$(now)
	mark "$test"
	for card in $cards; do vfio_bind "$card" || die "$card cannot be bound to vfio-pci"; done
	tce_version || die "another driver is loaded"
	tracing_on
	pins_before=$(pinned)
	step "test $test"
	"test_$test"
	if [ -n "$qemu_pid" ] && guest_lives; then
		kill -9 "$qemu_pid"
		wait "$qemu_pid"
	fi
	back
	[ $failed = 0 ] || tail -n 40 "$TRACE"/trace $OUT/* | sed "s/^/   /"
	result $failed "$test" "$(($(now) - started)) s"
	if [ $failed != 0 ]; then all=1; fi
done
exit $all
