# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/passthrough.sh and libvirt.sh: QEMU with its guest, and what is said to the
# guest. $OUT and the like are theirs.

# A guest in an emulated host is slow: no watchdogs, and nothing that it can do without.
QUICK="nowatchdog cryptomgr.notests mitigations=off lsm= audit=0"
qemu_pid=
number=0

step() { say "$(($(now) - started)) s: $*"; }
# fail TEXT - a test goes on to its end, but not as a good one.
fail() { echo "!! $*"; failed=1; }

# Shows the guest's console, as "guest| ...", and leaves marks for what the guest has done:
# /tmp/g/ready.N, /tmp/g/done.N.
follow() {
	ready=0
	while IFS= read -r line; do
		line=${line%"$cr"}
		case $line in	# It is only slow: this is not trouble of the host.
		*"blocked for more than "*|*"rcu: INFO: "*|*"detected stall"*)
			line=$(echo "$line" | sed 's/[aeiou]/_/g') ;;
		esac
		echo "guest| $line"
		case $line in
		*GUEST-READY*) ready=$((ready + 1)); : >/tmp/g/ready."$ready" ;;
		*"GUEST-DONE "*)
			# shellcheck disable=SC2086 # three words
			set -- ${line##*GUEST-DONE }
			# a message of its kernel may follow at once
			echo "${2%%[!0-9]*}" >/tmp/g/done.new && mv /tmp/g/done.new "/tmp/g/done.$1"
			;;
		esac
	done
}
cr=$(printf '\r')

# The mitigations are hardware that the emulator does not have.
MACHINE=pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,x-vof=on

# guest_start QEMU-ARGUMENT... - start a guest, with the devices given.
guest_start() {
	rm -rf /tmp/g
	mkdir -p /tmp/g
	mkfifo /tmp/g/con.in /tmp/g/con.out /tmp/g/mon.in /tmp/g/mon.out
	follow </tmp/g/con.out &
	cat /tmp/g/mon.out >"$OUT/monitor" &
	set -- "$DISK"/lib/ld64.so.2 --library-path "$DISK/lib" "$DISK"/bin/qemu-system-ppc64 \
		-L "$DISK"/share \
		-M "$MACHINE,accel=kvm,cap-large-decr=off" -cpu host \
		-m "${mem:-${MEM}M,slots=2,maxmem=4G}" -nodefaults -display none \
		-chardev pipe,id=con,path=/tmp/g/con -serial chardev:con \
		-chardev pipe,id=mon,path=/tmp/g/mon -mon chardev=mon,mode=readline \
		-kernel "$DISK"/vmlinux -initrd "$DISK"/initrd \
		-append "console=hvc0 rdinit=/init panic=0 $QUICK" "$@"
	(
		if [ -n "$memlock" ]; then	# by a user, who may lock that much
			chmod 666 /dev/kvm /dev/vfio/* /tmp/g/*
			ulimit -l $((memlock / 1024))
			# shellcheck disable=SC2016 # expanded by that shell
			set -- su -c 'exec "$@"' -- nobody sh "$@"
		fi
		exec "$@"
	) >"$OUT/qemu" 2>&1 &
	qemu_pid=$!
	guest_up 1 || { cat "$OUT/qemu"; return 1; }
}

guest_lives() { kill -0 "$qemu_pid" 2>/dev/null; }

# marked FILE - the guest has left this mark (see follow), or it will leave none any more
marked() { [ -e "$1" ] || gone; }

# guest_up N - wait for the guest to have booted N times.
guest_up() {
	if wait_for 1800 marked "/tmp/g/ready.$1" && [ -e "/tmp/g/ready.$1" ]; then
		step "the guest is up"
	else
		fail "the guest does not start"
		return 1
	fi
}

# guest SECONDS COMMAND... - run a command in the guest. The time is meant for an idle machine; here
# it may be one of many.
guest() {
	limit=$(($1 * 4))
	shift
	guest_send "$@"
	wait_for "$limit" marked "/tmp/g/done.$number"
	[ -e "/tmp/g/done.$number" ] || { fail "the guest did not answer"; return 124; }
	return "$(cat "/tmp/g/done.$number")"
}
guest_send() {
	number=$((number + 1))
	guest_lives || return
	echo "$number $*" >/tmp/g/con.in
}

monitor() { guest_lives && echo "$*" >/tmp/g/mon.in; }
gone() { ! guest_lives; }

# guest_stop - as an administrator would: quit, with the monitor.
guest_stop() {
	monitor quit
	wait_for 60 gone || { fail "QEMU does not quit"; kill -9 "$qemu_pid"; }
	wait "$qemu_pid" || fail "QEMU ended with $?"
}

# traffic [N] - the guest's card N (0) works: packets, and a file that goes out and comes back.
traffic() {
	net=10.0.$((${1-0} + 2))
	guest 20 'dmesg | grep -e pe-dma-window -e "direct mapping"'
	guest 20 net_up "eth${1-0}" $net.15 || fail "the card does not come up"
	guest 60 ping -c 3 $net.2 || fail "no packets"
	guest 100 net_echo 2 $net.100 || fail "a file did not come back as it was"
}
