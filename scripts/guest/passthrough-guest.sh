# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a guest inside the emulated host does (see passthrough.sh): it says "GUEST-READY" and then
# does, line by line, what it is told on its console. A line "N COMMAND" is answered by
# "GUEST-DONE N EXITCODE".
#
# Commands that it knows beside those of busybox:
#   net_up IF ADDR       bring a network card up, with an address
#   net_echo MIB PEER    send a file to the peer, which sends it back

net_up() {
	ip link set "$1" up || return
	ip addr show dev "$1" | grep -q "inet $2/" || ip addr add "$2/24" dev "$1" || return
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		if [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; then return 0; fi
		sleep 1
	done
	echo "$1 has no carrier"
	return 1
}

net_echo() {
	dd if=/dev/urandom of=/tmp/sent bs=1M count="$1" 2>/dev/null || return
	nc "$2" 7 </tmp/sent >/tmp/back
	cmp /tmp/sent /tmp/back && echo "$1 MiB came back"
}

stty -echo
modprobe e1000e
ip link set lo up
echo "GUEST-READY $(uname -mr)"
while IFS=' ' read -r number command; do
	eval "$command"
	echo "GUEST-DONE $number $?"
done
