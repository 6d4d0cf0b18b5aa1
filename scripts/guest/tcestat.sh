# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# tcestat in a host: the doctor's commands are typed until only KVM is missing, which this
# host has not. Then a client comes, and is shown.

# shellcheck source=lib.sh
. /guest/lib.sh

export LD_LIBRARY_PATH=/python/lib PYTHONHOME=/python
mkdir -p /usr/bin
ln -s /python/bin/python3 /usr/bin/python3

dev=$(pci_find "$EDU" | head -n 1)
[ -n "$dev" ] || die "no edu device"
group=$(pci_group "$dev")

# told COMMAND... - what it says is in /tmp/said, its exit code in $rc
told() {
	rc=0
	"$@" >/tmp/said 2>&1 || rc=$?
	cat /tmp/said
}
doctor() { told /tcestat doctor "$dev"; }

# as_nobody COMMAND... - by a user who owns nothing, with 64K of locked memory
as_nobody() { (ulimit -l 64 && su nobody -c "$*"); }
PATH=$PATH:/usr/bin

# holds TEXT - is this, as Python sees it, true of the state? It may go on with more statements.
holds() {
	/tcestat --json >/tmp/json || die "tcestat --json fails"
	echo "import json; s = json.load(open('/tmp/json')); assert $1" | sed 's/^\t//' >/tmp/holds
	python3 /tmp/holds || { cat /tmp/json; die "this is not so: $1"; }
}

say "the doctor's commands, from the top"
for _ in 1 2 3 4 5 6 7 8; do
	doctor
	[ $rc -eq 1 ] || die "exit code $rc"
	command=$(sed -n '/^do: /{n;s/^ *//;p;q;}' /tmp/said)
	[ "$command" != "${command#modprobe kvm}" ] && break
	say "# $command"
	sh -c "$command" || die "the command fails"
done
grep -q '^>> doctor: .*: 1 of [0-9]* checks failed' /tmp/said || die "there is more to do than KVM"
grep -q "^ok  windows: .* for DMA of 32 bits" /tmp/said || die "no word of windows"
[ "$(pci_driver "$dev")" = vfio-pci ] || die "vfio-pci does not have it"
tce_version || die "another driver is loaded"

say "by somebody who may do nothing"
need=$(/tcestat memlock | sed -n 's/.*LimitMEMLOCK=//p')
told as_nobody /tcestat doctor "$dev"
[ $rc -eq 1 ] || die "exit code $rc"
grep -A1 '^do: access: ' /tmp/said | grep -q "^ *sudo chown nobody /dev/vfio/$group$" ||
	die "no word of the group's file"
grep -A1 '^do: memlock: ' /tmp/said | grep -q "^ *sudo prlimit .*--memlock=$need\$" ||
	die "no word of locked memory"
told as_nobody /tcestat
[ $rc -eq 2 ] || die "exit code $rc"

say "a report"
/tcestat report "$dev" --file /tmp/report || die "no report"
[ "$(stat -c %a /tmp/report)" = 600 ] || die "the report is not for root alone"
for text in '"format":' "MMU" "==== dmesg" "module: the installed build is loaded" \
	"reset_method"; do
	grep -q "$text" /tmp/report || { cat /tmp/report; die "the report lacks $text"; }
done

say "nothing is open"
/tcestat || die "tcestat fails"
holds "not s['containers'] and not s['processes'] and s['module']['references'] == 0"

for version in 1 2; do
	say "a client, version $version"
	hold $version wait
	locked=$(sed -n 's/VmLck:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$holder/status")
	/tcestat || die "tcestat fails"
	holds "[c['version'] for c in s['containers']] == [$version]
	c, p = s['containers'][0], s['processes']
	w, regions, page = c['windows'][0], p[0]['regions'], s['module']['page_size']
	pinned = (2 if page == 4096 else 1) * (4 << 20)
	assert (c['enabled'], c['default_pending'], c['uncharge']) == (1, 0, 0)
	if $version == 1: assert (c['pinned'], c['charged']) == (pinned, w['size'])
	else: assert (c['pinned'], c['charged']) == (0, 0)
	assert (w['by_kvm'], w['kvm']) == (0, 0) and w['charged'] == 2 * (w['size'] // 4096 * 8)
	assert all((r['page_shift'], r['kvm_list'], r['mapped'], r['written'], r['containers']) ==
		(page.bit_length() - 1, 0, w['mapped'], 1, [c['id']]) for r in regions)
	assert p[0]['locked_vm'] == $locked << 10
	assert (p[0]['alive'], p[0]['kvm'], p[0]['table_leaked']) == (1, 0, 0)
	assert [g['number'] for g in c['groups']] == [$group]
	assert {'address': '$dev', 'driver': 'vfio-pci'} in c['groups'][0]['devices']
	assert c['windows'][0]['mapped'] == 2 * (4 << 20) // 4096
	assert [x['comm'] for x in p] == ['hold'] and p[0]['tgid'] == $holder
	assert sum(r['size'] for x in p for r in x['regions']) == ($version - 1) * (4 << 20)"
	doctor
	grep -A1 '^do: windows: ' /tmp/said | grep -q "^ *fuser -v /dev/vfio/$group$" ||
		die "no word of who has the group"
	hold_killed
	holds "not s['containers'] and not s['processes']"
done
say "tcestat: all is as it should be"
