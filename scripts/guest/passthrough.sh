# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# A POWER host that gives its network cards to a guest. Run by scripts/guest-run
# in the emulated host; the arguments are tests: NAME is test_NAME below.
#
# From the environment: GUEST_ACCEL (tcg or kvm), GUEST_MEM (1G), TCE_DRIVER.
# Exit code: 0 all tests passed, 1 one or more did not.

# shellcheck source=lib.sh
. /guest/lib.sh

TOOLS=/mnt/tools
WORK=/mnt/work
OUT=$WORK/out
TRACE=/sys/kernel/tracing
DDW_START=0x800000000000000
PEER=10.0.2.100
NET=10.0.2.2

now() { cut -d. -f1 /proc/uptime; }
step() { say "$(($(now) - started)) s: $*"; }
# fail TEXT - a test goes on to its end, but not as a good one.
fail() { echo "!! $*"; failed=1; }

# wait_for SECONDS COMMAND... - until it succeeds.
wait_for() {
	end=$(($(now) + $1))
	shift
	until "$@"; do
		[ "$(now)" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# ---- the host ----

cards=
prepare() {
	modprobe -a crc32c_generic ext4 virtio_blk e1000e || die "modules of the host do not load"
	mkdir -p $TOOLS $WORK
	wait_for 10 [ -b /dev/vdb ] || die "the disks are missing"
	mount -t ext2 -o ro /dev/vda $TOOLS && mount -t ext2 /dev/vdb $WORK || die "the disks cannot be mounted"
	mkdir -p $OUT
	if [ "$GUEST_ACCEL" = kvm ]; then
		modprobe kvm-hv
		[ -e /dev/kvm ] || die "the emulated host has no KVM (QEMU 10 is needed)"
	fi
	cards=$(pci_find "$E1000E")
	[ -n "$cards" ] || die "no network card"
}

# Tracing: our tracepoints, counted and written down; with KVM its hypercalls too.
tracing_on() {
	echo 8192 >$TRACE/buffer_size_kb
	if [ -d $TRACE/events/vfio_spapr_tce ]; then
		for event in tce_map tce_unmap; do
			echo 'hist:keys=rc' >$TRACE/events/vfio_spapr_tce/$event/trigger
		done
		echo 1 >$TRACE/events/vfio_spapr_tce/enable
	fi
	if [ "$GUEST_ACCEL" = kvm ]; then
		{
			echo "r:hcall/put kvmppc_h_put_tce liobn=\$arg2 ioba=\$arg3 value=\$arg4 rc=\$retval"
			echo "r:hcall/put_indirect kvmppc_h_put_tce_indirect liobn=\$arg2 ioba=\$arg3 n=\$arg5 rc=\$retval"
			echo "r:hcall/stuff kvmppc_h_stuff_tce liobn=\$arg2 ioba=\$arg3 value=\$arg4 n=\$arg5 rc=\$retval"
		} >$TRACE/kprobe_events || fail "KVM's hypercalls cannot be traced"
		for event in put put_indirect stuff; do
			echo 'hist:keys=rc' >$TRACE/events/hcall/$event/trigger
		done
		echo 1 >$TRACE/events/hcall/enable
	fi
}

# tracing_reset - forget what was counted so far.
tracing_reset() {
	for event in vfio_spapr_tce/tce_map vfio_spapr_tce/tce_unmap hcall/put hcall/put_indirect hcall/stuff; do
		if [ -d $TRACE/events/$event ]; then
			echo 'hist:keys=rc:clear' >$TRACE/events/$event/trigger
		fi
	done
	echo >$TRACE/trace
}

# count EVENT [RC] - how often it happened (with that result).
count() {
	[ -e $TRACE/events/"$1"/hist ] || { echo 0; return; }
	awk -v want="${2-any}" '
		/hitcount:/ { gsub(/[{}:,]/, " "); if (want == "any" || $2 + 0 == want) n += $NF }
		END { print n + 0 }' $TRACE/events/"$1"/hist
}

# ---- the guest ----

qemu_pid=
number=0

# Follows the guest's console: $OUT/NAME.console, shown as "guest| ...", and
# leaves marks for what the guest has done: /tmp/g/ready.N, /tmp/g/done.N.
follow() {
	ready=0
	while IFS= read -r line; do
		line=${line%"$cr"}
		echo "$line" >&3
		if [ -e /tmp/g/mangle ]; then	# it is meant to crash: not the host's trouble
			line=$(echo "$line" | sed 's/[aeiou]/_/g')
		fi
		echo "guest| $line"
		case $line in
		*GUEST-READY*) ready=$((ready + 1)); : >/tmp/g/ready.$ready ;;
		*"GUEST-DONE "*)
			# shellcheck disable=SC2086 # three words
			set -- ${line##*GUEST-DONE }
			echo "$2" >/tmp/g/done.new && mv /tmp/g/done.new "/tmp/g/done.$1"
			;;
		esac
	done 3>>"$OUT/$test.console"
}
cr=$(printf '\r')

machine() {
	# The mitigations are hardware that the emulator does not have.
	machine=pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off
	if [ "$GUEST_ACCEL" = kvm ]; then
		echo "-M $machine,accel=kvm,cap-large-decr=off -cpu host"
	else
		echo "-M $machine,accel=tcg -cpu power9"
	fi
}

# guest_start QEMU-ARGUMENT... - start a guest, with the devices given.
guest_start() {
	rm -rf /tmp/g
	mkdir -p /tmp/g
	mkfifo /tmp/g/con.in /tmp/g/con.out /tmp/g/mon.in /tmp/g/mon.out
	follow </tmp/g/con.out &
	cat /tmp/g/mon.out >>"$OUT/$test.monitor" &
	# shellcheck disable=SC2046 # several words
	LD_LIBRARY_PATH=$TOOLS/lib ${QEMU_WRAPPER-} $TOOLS/bin/qemu-system-ppc64 -L $TOOLS/share \
		$(machine) -m "${mem:-$GUEST_MEM,slots=2,maxmem=4G}" -nodefaults -display none \
		-chardev pipe,id=con,path=/tmp/g/con -serial chardev:con \
		-chardev pipe,id=mon,path=/tmp/g/mon -mon chardev=mon,mode=readline \
		-kernel $WORK/vmlinux -initrd $WORK/initrd \
		-append "console=hvc0 rdinit=/init panic=${guest_panic:-0}" \
		"$@" >"$OUT/$test.qemu" 2>&1 &
	qemu_pid=$!
	guest_up 1 || { cat "$OUT/$test.qemu"; return 1; }
}

guest_lives() { kill -0 "$qemu_pid" 2>/dev/null; }

# guest_up N - wait for the guest to have booted N times.
guest_up() {
	if wait_for 400 ready_or_gone "$1" && [ -e "/tmp/g/ready.$1" ]; then
		step "the guest is up"
	else
		fail "the guest does not start"
		return 1
	fi
}
ready_or_gone() { [ -e "/tmp/g/ready.$1" ] || ! guest_lives; }

# guest SECONDS COMMAND... - run a command in the guest.
guest() {
	limit=$1
	shift
	guest_send "$@"
	guest_done "$limit"
}
guest_send() {
	number=$((number + 1))
	echo "$number $*" >/tmp/g/con.in
}
guest_done() {
	wait_for "$1" done_or_gone
	[ -e /tmp/g/done.$number ] || { fail "the guest did not answer"; return 124; }
	return "$(cat /tmp/g/done.$number)"
}
done_or_gone() { [ -e /tmp/g/done.$number ] || ! guest_lives; }

monitor() { echo "$*" >/tmp/g/mon.in; }
gone() { ! guest_lives; }

# guest_stop - as an administrator would: quit, with the monitor.
guest_stop() {
	monitor quit
	wait_for 60 gone || { fail "QEMU does not quit"; kill -9 "$qemu_pid"; }
	wait "$qemu_pid" || fail "QEMU ended with $?"
}

# traffic - the card works: packets, a file in, a file out.
traffic() {
	guest 20 'dmesg | grep -e pe-dma-window -e "direct mapping"'
	guest 20 net_up eth0 10.0.2.15 || fail "the card does not come up"
	guest 60 ping -c 3 $NET || fail "no packets"
	guest 100 net_get 2097152 7 || fail "a file did not arrive as it was sent"
	guest 100 net_put 2097152 || fail "a file sent did not arrive as it was"
}

# ---- what can be seen from outside ----

# back - the host has its card back, with window and bypass, and nothing is left.
back() {
	for card in $cards; do vfio_release "$card"; done
	sleep 1
	card=${cards%% *}
	if [ "$(pci_driver "$card")" != e1000e ]; then fail "the host's driver does not take the card back"; fi
	tail -n +"$dmesg_from" /tmp/dmesg.now >/dev/null 2>&1
	dmesg | tail -n +"$dmesg_from" >"$OUT/$test.dmesg"
	taken=$(grep -c 'Disabling 64-bit DMA bypass' "$OUT/$test.dmesg")
	given=$(grep -c 'Enabling 64-bit DMA bypass' "$OUT/$test.dmesg")
	say "host: bypass taken $taken times, given back $given times"
	[ "$taken" -gt 0 ] && [ "$taken" = "$given" ] || fail "the host's bypass is not back"
}

# ---- tests ----

test_demo() {
	guest_start -device "vfio-pci,host=${cards%% *}" || return
	traffic
	cp $TRACE/trace "$OUT/$test.trace"
	say "MAP ioctls: $(count vfio_spapr_tce/tce_map), UNMAP ioctls: $(count vfio_spapr_tce/tce_unmap)"
	for event in put put_indirect stuff; do
		say "KVM $event: $(count hcall/$event), in the kernel: $(count hcall/$event 0)"
	done
	guest_stop
}

# ---- all of it ----

started=$(now)
all=0
prepare
say "host $(uname -r), $(getconf PAGESIZE 2>/dev/null) cards: $(echo "$cards" | xargs)"
for test in "$@"; do
	failed=0
	started=$(now)
	dmesg_from=$(($(dmesg | wc -l) + 1))
	for card in $cards; do vfio_bind "$card" || die "$card cannot be bound to vfio-pci"; done
	tce_version || die "another driver is loaded"
	tracing_on
	step "test $test"
	"test_$test"
	back
	if [ $failed = 0 ]; then say "ok $test"; else say "NOT ok $test"; all=1; fi
done
cp $TRACE/trace $OUT/trace 2>/dev/null
umount $WORK
exit $all
