# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/passthrough.sh and libvirt.sh: QEMU with its guest, and what is said to the
# guest. $OUT, $test and the like are theirs.

# A guest in an emulated host is slow: no watchdogs, and nothing that it can do without.
QUICK="nowatchdog cryptomgr.notests mitigations=off lsm= audit=0"
qemu_pid=
number=0

step() { say "$(($(now) - started)) s: $*"; }
# fail TEXT - a test goes on to its end, but not as a good one.
fail() { echo "!! $*"; failed=1; }

# Follows the guest's console: $OUT/NAME.console, shown as "guest| ...", and
# leaves marks for what the guest has done: /tmp/g/ready.N, /tmp/g/done.N.
follow() {
	ready=0
	while IFS= read -r line; do
		line=${line%"$cr"}
		echo "$line" >&3
		mangle=
		if [ -e /tmp/g/mangle ]; then mangle=1; fi	# it is meant to crash
		case $line in	# it is only slow; what hangs meets a time limit here
		*"blocked for more than "*|*"rcu: INFO: "*|*"detected stall"*) mangle=1 ;;
		*"nvram corruption detected"*) mangle=1 ;;	# the first boot's, under QEMU 11
		esac
		if [ -n "$mangle" ]; then	# this is not trouble of the host
			line=$(echo "$line" | sed 's/[aeiou]/_/g; s/WARNING/W_RNING/')
		fi
		echo "guest| $line"
		case $line in
		*"Preparing to boot Linux"*) step "the guest's firmware starts the kernel" ;;
		*"Run /init as"*) step "the guest's kernel starts /init" ;;
		*GUEST-READY*) ready=$((ready + 1)); : >/tmp/g/ready."$ready" ;;
		*"GUEST-DONE "*)
			# shellcheck disable=SC2086 # three words
			set -- ${line##*GUEST-DONE }
			# a message of its kernel may follow at once
			echo "${2%%[!0-9]*}" >/tmp/g/done.new && mv /tmp/g/done.new "/tmp/g/done.$1"
			;;
		esac
	done 3>>"$OUT/$test.console"
}
cr=$(printf '\r')

machine() {
	# The mitigations are hardware that the emulator does not have.
	machine=pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,x-vof=on
	if grep -q '^KernelPageSize: *4 kB' /proc/self/smaps; then
		machine=$machine,cap-hpt-max-page-size=4k
	fi
	echo "-M $machine,accel=kvm,cap-large-decr=off -cpu host"
}

# guest_start QEMU-ARGUMENT... - start a guest, with the devices given.
guest_start() {
	rm -rf /tmp/g
	mkdir -p /tmp/g
	mkfifo /tmp/g/con.in /tmp/g/con.out /tmp/g/mon.in /tmp/g/mon.out
	follow </tmp/g/con.out &
	cat /tmp/g/mon.out >>"$OUT/$test.monitor" &
	# shellcheck disable=SC2046 # several words
	LD_PRELOAD=$WORK/preload.so TCE_REFUSE="$refuse" TCE_MEMLOCK="${memlock-}" \
		"$TOOLS"/lib/ld64.so.2 --library-path "$TOOLS/lib" "$TOOLS"/bin/qemu-system-ppc64 \
		-L "$TOOLS"/share \
		$(machine) -m "${mem:-${MEM}M,slots=2,maxmem=4G}" -nodefaults -display none \
		-chardev pipe,id=con,path=/tmp/g/con -serial chardev:con \
		-chardev pipe,id=mon,path=/tmp/g/mon -mon chardev=mon,mode=readline \
		-kernel "$WORK"/vmlinux -initrd "$WORK/${initrd:-initrd}" \
		-append "console=hvc0 rdinit=/init panic=${guest_panic:-0} $QUICK" \
		"$@" >"$OUT/$test.qemu" 2>&1 &
	qemu_pid=$!
	guest_up 1 || { cat "$OUT/$test.qemu"; return 1; }
}

guest_lives() { kill -0 "$qemu_pid" 2>/dev/null; }

# guest_up N - wait for the guest to have booted N times.
guest_up() {
	if wait_for 1800 ready_or_gone "$1" && [ -e "/tmp/g/ready.$1" ]; then
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
	guest_lives || return
	echo "$number $*" >/tmp/g/con.in
}
guest_done() {
	# Meant for an idle machine; here it may be one of many.
	wait_for $(($1 * 4)) done_or_gone
	[ -e /tmp/g/done."$number" ] || { fail "the guest did not answer"; return 124; }
	return "$(cat /tmp/g/done."$number")"
}
done_or_gone() { [ -e /tmp/g/done."$number" ] || ! guest_lives; }

monitor() { guest_lives && echo "$*" >/tmp/g/mon.in; }
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
	guest 60 ping -c 3 "$NET" || fail "no packets"
	guest 100 net_get 2097152 7 || fail "a file did not arrive as it was sent"
	guest 100 net_put 2097152 || fail "a file sent did not arrive as it was"
}
