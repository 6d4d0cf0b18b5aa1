# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/clients.sh: a user starts clients in containers of Podman, by the commands of
# Documentation/containers.rst (in /doc).

# What a client here needs, by tcestat: a window's memory and its table
NEED="--cards 1 --mem 8M"

uid() { id -u alice; }
as_alice() {
	setpriv --reuid alice --regid alice --init-groups --reset-env env \
		-C / "XDG_RUNTIME_DIR=/run/user/$(uid)" "$@"
}

# contained KIB BLOCK EDIT COMMAND... - alice starts it as this block of containers.rst says, after
# sed's EDIT of that, and may lock so much. The container has the programs of the host, and a
# control group below her own.
contained() {
	limit=$1 group=$(mktemp -d /sys/fs/cgroup/alice-XXXXXX)
	options="--rm --cgroups=split --network=none --volume=/usr:/usr:ro"
	sed "$3; s,podman run,podman --cgroup-manager=cgroupfs run $options,
		s,IMAGE,--rootfs /home/alice/root \"\$@\"," "/doc/$2" >/tmp/contained.sh
	shift 3
	chmod 755 "$group"
	chown alice "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control"
	(
		echo 0 >"$group/cgroup.procs" && ulimit -l "$limit" &&
			as_alice sh -e /tmp/contained.sh "$@"
	) >/tmp/contained 2>&1
	code=$?
	cat /tmp/contained
	return $code
}
# doctored KIB EDIT - what tcestat doctor says in such a container
doctored() { contained "$1" podman-doctor "$2; s/ADDRESS.*/$card $NEED/"; }
# What the client and doctor say
says() { grep -q -- "$1" /tmp/contained; }

without_group() {
	! contained unlimited podman s/--group-add=keep-groups// hold "$card" 2 exit &&
		says "Permission denied" &&
		! doctored unlimited s/--group-add=keep-groups// && says keep-groups
}
without_memlock() {
	! contained 1024 podman "" hold "$card" 2 exit && says ENOMEM &&
		! doctored 1024 "" && says limits.conf
}

# served - a client as alice, in a container that Podman's service starts, which is asked by its
# socket
served() {
	sed "s,podman.sock run,& --user=$(uid) --rm --network=none --volume=/usr:/usr:ro,
		s,IMAGE,--rootfs /home/alice/root hold $card 2 exit," /doc/podman-socket \
		>/tmp/served.sh
	sh -e /tmp/served.sh >/tmp/contained 2>&1
	code=$?
	cat /tmp/contained
	return $code
}
# service EDIT - the service has what the page says, after sed's EDIT of that. Its file comes before
# the one by which doctor raises the limit.
service() {
	sed "$1" /doc/podman-service >/etc/systemd/system/podman.service.d/card.conf
	systemctl daemon-reload
	systemctl restart podman.service
	served
}
# doctor UNIT - what tcestat doctor says of its limit
# shellcheck disable=SC2086 # words
doctor() {
	tcestat doctor "$card" $NEED --unit "$1" >/tmp/doctor
	cat /tmp/doctor
}

root_service() {
	mkdir -p /etc/systemd/system/podman.service.d
	systemctl start podman.socket && service "" || return 1
	! service /SupplementaryGroups/d && says "Permission denied" || return 1
	! service s/infinity/1M/ && says ENOMEM || return 1
	doctor podman.service
	sh -ec "$(sed -n '/^do: memlock/{n;p;}' /tmp/doctor)" && served
}

# By the page's commands, but for the image: the user's systemd, which each boot starts, starts the
# container.
quadlet_holds() {
	pgrep -x hold && { [ "$TCE_DRIVER" != ours ] || tcestat | grep "^container .* hold$"; }
}
quadlet() {
	place=/home/alice/.config/containers/systemd unit=user@$(uid).service
	mkdir -p $place
	image="Rootfs=/home/alice/root\nVolume=/usr:/usr:ro\nNetwork=none\nExec=hold $card 2 wait"
	sed "s/^ *//; s,^Image=IMAGE,$image," \
		/doc/quadlet >$place/card.container
	chown -R alice:alice /home/alice/.config
	doc quadlet-host "s/NAME/alice/; s/UID/$(uid)/" && wait_for 120 quadlet_holds
	held=$?
	as_alice systemctl --user --no-pager status card.service
	doctor "$unit"
	grep '^ok  memlock' /tmp/doctor || held=1
	as_alice systemctl --user stop card.service
	return $held
}

client_podman() {
	name="Podman $(podman --version | sed 's/.* //')"
	groupadd sentient
	chgrp sentient "/dev/vfio/$(pci_group "$card")"
	chmod 660 "/dev/vfio/$(pci_group "$card")"
	useradd -m -G sentient alice
	mkdir -p /home/alice/root/dev /home/alice/root/etc /home/alice/root/proc \
		/home/alice/root/sys /home/alice/root/usr
	for dir in bin lib lib64 sbin; do ln -sf "usr/$dir" "/home/alice/root/$dir"; done
	chown -R alice:alice /home/alice
	loginctl enable-linger alice
	wait_for 60 [ -S "/run/user/$(uid)/systemd/private" ] ||
		die "alice has no systemd of her own"
	run "$name" "rootless: a client opens the card and maps memory" contained unlimited podman \
		"s/IMAGE/--memory=64m IMAGE/" hold "$card" 2 exit
	run "$name" "rootless: without keep-groups EACCES, and doctor says why" without_group
	run "$name" "rootless: with 1 MiB to lock ENOMEM, and doctor says why" without_memlock
	what="without the group EACCES, with 1 MiB ENOMEM, and what doctor says helps"
	run "$name" "root's service: $what" root_service
	# the last one, since alice has no limit from then on
	run "$name" "a Quadlet: the user's systemd starts the container, with the limit" quadlet
}
