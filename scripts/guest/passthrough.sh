# shellcheck shell=dash disable=SC2016,SC2317
# SPDX-License-Identifier: GPL-2.0-only
#
# A POWER host that gives its network cards to a guest. Run by scripts/guest-run
# in the emulated host; the arguments are tests: NAME is test_NAME below, and so is
# ioctl-NAME: under KVM, but with the TCEs written by QEMU, as without KVM, only quicker.
#
# From the environment: GUEST_ACCEL (tcg or kvm), GUEST_MEM (1G), TCE_DRIVER,
# TCE_MACHINE (powernv9, or pseries: then this host is a partition itself).
# Exit code: 0 all tests passed, 1 one or more did not.

# shellcheck source=lib.sh
. /guest/lib.sh

TOOLS=/mnt/tools
WORK=/mnt/work
OUT=$WORK/out
TRACE=/sys/kernel/tracing
DDW_START=0x800000000000000
COUNTED="vfio_spapr_tce/tce_map vfio_spapr_tce/tce_unmap hcall/put hcall/put_indirect hcall/stuff"
NET=10.0.2.2
# A guest in an emulated host is slow: no watchdogs, and nothing that it can do without.
QUICK="nowatchdog cryptomgr.notests mitigations=off lsm= audit=0"

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
	mount -t ext2 -o ro /dev/vda $TOOLS || die "the disk with QEMU cannot be mounted"
	mount -t ext2 /dev/vdb $WORK || die "the disk with the guest cannot be mounted"
	mkdir -p $OUT
	if [ "$GUEST_ACCEL" = kvm ]; then
		modprobe kvm-hv
		[ -e /dev/kvm ] || die "the emulated host has no KVM (QEMU 10 is needed)"
	fi
	cards=$(pci_find "$E1000E" | xargs)
	[ -n "$cards" ] || die "no network card"
	partition_windows_before=$(partition_windows)
}
# Of the firmware, for all memory, for part of it: how many windows there are.
partition_windows() {
	for property in ibm,dma-window linux,direct64-ddr-window-info linux,dma64-ddr-window-info; do
		find /sys/firmware/devicetree/base/ -name $property | wc -l
	done | xargs
}

# Tracing: our tracepoints, counted and written down; with KVM its hypercalls too.
tracing_on() {
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	if [ "$kvm_has_tables" = 1 ] && [ ! -d $TRACE/events/hcall ]; then
		{
			echo "r:hcall/put kvmppc_h_put_tce liobn=\$arg2 ioba=\$arg3 value=\$arg4 rc=\$retval"
			echo "r:hcall/put_indirect kvmppc_h_put_tce_indirect liobn=\$arg2 ioba=\$arg3 n=\$arg5 rc=\$retval"
			echo "r:hcall/stuff kvmppc_h_stuff_tce liobn=\$arg2 ioba=\$arg3 value=\$arg4 n=\$arg5 rc=\$retval"
			echo "p:tables/free pnv_pci_ioda2_table_free_pages"
		} >$TRACE/kprobe_events || fail "KVM's hypercalls cannot be traced"
	fi
	tracing_switch 1 hist:keys=rc
}

tracing_off() { tracing_switch 0 '!hist:keys=rc'; }

tracing_switch() {
	for event in $COUNTED; do
		if [ -d "$TRACE/events/$event" ]; then echo "$2" >"$TRACE/events/$event/trigger"; fi
	done
	for dir in vfio_spapr_tce hcall tables; do
		if [ -d $TRACE/events/$dir ]; then echo "$1" >$TRACE/events/$dir/enable; fi
	done
	tracing_unmap 0
}

# A guest's kernel begins by clearing its window, entry by entry: without KVM that
# is 262,144 UNMAPs of nothing. They are counted, but not written down.
tracing_unmap() {
	event=vfio_spapr_tce/tce_unmap
	if [ -d $TRACE/events/$event ]; then echo "$1" >$TRACE/events/$event/enable; fi
}

# count EVENT [RC] - how often it happened (with that result).
count() {
	[ -e "$TRACE"/events/"$1"/hist ] || { echo 0; return; }
	awk -v want="${2-any}" '
		/hitcount:/ { gsub(/[{}:,]/, " "); if (want == "any" || $2 + 0 == want) n += $NF }
		END { print n + 0 }' "$TRACE"/events/"$1"/hist
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
		mangle=
		if [ -e /tmp/g/mangle ]; then mangle=1; fi	# it is meant to crash
		case $line in	# it is only slow; what hangs meets a time limit here
		*"blocked for more than "*|*"rcu: INFO: "*|*"detected stall"*) mangle=1 ;;
		esac
		if [ -n "$mangle" ]; then	# this is not trouble of the host
			line=$(echo "$line" | sed 's/[aeiou]/_/g')
		fi
		echo "guest| $line"
		case $line in
		*"Preparing to boot Linux"*) step "the guest's firmware starts the kernel" ;;
		*"Run /init as"*) 
			tracing_unmap 1
			step "the guest's kernel starts /init"
			;;
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
	machine=pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off
	if [ "${GUEST_FIRMWARE-}" = vof ]; then machine=$machine,x-vof=on; fi
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
	LD_LIBRARY_PATH=$TOOLS/lib LD_PRELOAD=$WORK/$preload.so TCE_REFUSE="$refuse" TCE_KEEP="$keep" \
		"$TOOLS"/bin/qemu-system-ppc64 -L "$TOOLS"/share \
		$(machine) -m "${mem:-$GUEST_MEM,slots=2,maxmem=4G}" -nodefaults -display none \
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

# ---- what can be seen from outside ----

# windows - those created, as our tracepoints tell.
windows() {
	sed -n 's/.*tce_window_create: //p' "$TRACE"/trace
}

# live_tces - how many entries of the host's tables are in use, from the trace of
# all that was put into them and taken out, by whatever way.
live_tces() {
	# The guest's own page size in its second window: the shift, in hex.
	shift=$(sed -n 's/.*ibm,create-pe-dma-window([^)]*) [^ ]* [^ ]* [^ ]* \([^ ]*\) .* returned 0.*/\1/p' "$OUT/$test.console" | tail -n 1)
	awk -v guest_shift="$((0x${shift:-10}))" '
	function hex(s,   n, i) {
		sub(/.*=0x/, "", s)
		for (n = i = 0; i++ < length(s); )
			n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
		return n
	}
	function pow2(n,   p) { for (p = 1; n > 0; n--) p *= 2; return p }
	function window(ioba) { return ioba >= 576460752303423488 }	# 1 << 59
	function put(ioba, size,   w) {
		w = window(ioba)
		if (!((ioba, w) in live)) {
			live[ioba, w] = size / host[w]
			used[w]++
		}
	}
	function clear(ioba, size, step,   w, end) {
		w = window(ioba)
		for (end = ioba + size; used[w] && ioba < end; ioba += step)
			if ((ioba, w) in live) {
				delete live[ioba, w]
				used[w]--
			}
	}
	BEGIN { guest[0] = 4096; guest[1] = pow2(guest_shift) }
	{ for (i = 1; i <= NF; i++) { split($i, kv, "="); f[kv[1]] = $i } }
	/tce_window_create:/ { host[window(hex(f["start"]))] = pow2(substr(f["page_shift"], 12)) }
	/tce_map:/ && $NF == "rc=0" { put(hex(f["ioba"]), hex(f["size"])) }
	/tce_unmap:/ && $NF == "rc=0" { a = hex(f["ioba"]); clear(a, hex(f["size"]), guest[window(a)]) }
	/ put: / && $NF ~ /=(0x)?0$/ {
		a = hex(f["ioba"])
		if (f["value"] ~ /[1-35-79abdef]$/) put(a, guest[window(a)]); else clear(a, 1, 1)
	}
	/ put_indirect: / && $NF ~ /=(0x)?0$/ {
		a = hex(f["ioba"]); n = hex(f["n"])
		for (i = 0; i < n; i++) put(a + i * guest[window(a)], guest[window(a)])
	}
	/ stuff: / && $NF ~ /=(0x)?0$/ {
		a = hex(f["ioba"]); clear(a, hex(f["n"]) * guest[window(a)], guest[window(a)])
	}
	END { for (i in live) total += live[i]; print total + 0 }' "$TRACE"/trace
}

# report - what is in the tables, and by which way it came there.
report() {
	cp "$TRACE"/trace "$OUT/$test.trace"
	if guest_lives; then guest 20 'dmesg | grep pe-dma-window'; fi
	if [ "$TCE_DRIVER" = ours ]; then
		windows | while read -r line; do say "window: $line"; done
		say "live TCEs: $(live_tces)"
		say "MAP ioctls: $(count vfio_spapr_tce/tce_map), failed: $(($(count vfio_spapr_tce/tce_map) - $(count vfio_spapr_tce/tce_map 0)))"
		say "UNMAP ioctls: $(count vfio_spapr_tce/tce_unmap), failed: $(($(count vfio_spapr_tce/tce_unmap) - $(count vfio_spapr_tce/tce_unmap 0)))"
	fi
	if [ "$kvm_has_tables" = 1 ]; then
		for event in put put_indirect stuff; do
			say "$(hcall_name "$event"): $(count "hcall/$event"), done in the kernel: $(count "hcall/$event" 0)"
		done
	fi
}

hcall_name() {
	case $1 in
	put) echo H_PUT_TCE ;;
	put_indirect) echo H_PUT_TCE_INDIRECT ;;
	stuff) echo H_STUFF_TCE ;;
	esac
}

# expect_windows N - so many were created, the first at 0, the second at 1<<59.
expect_windows() {
	[ "$TCE_DRIVER" = ours ] || return
	starts=$(windows | sed 's/.*start=\([^ ]*\) .*/\1/' | sort | uniq | xargs)
	case $1 in
	1) [ "$starts" = 0x0 ] ;;
	2) [ "$starts" = "0x0 $DDW_START" ] ;;
	esac || fail "windows at $starts"
}

# expect_ways - with KVM the kernel does all, without it our ioctls do.
expect_ways() {
	maps=$(count vfio_spapr_tce/tce_map)
	if [ "$kvm_has_tables" = 1 ]; then
		for event in put put_indirect stuff; do
			[ "$(count hcall/"$event")" = "$(count hcall/"$event" 0)" ] || fail "KVM left some of $event to QEMU"
		done
		[ $(($(count hcall/put 0) + $(count hcall/put_indirect 0))) -gt 0 ] || fail "KVM put no TCE"
		[ "$maps" = 0 ] || fail "$maps MAP ioctls, with KVM there should be none"
	elif [ "$TCE_DRIVER" = ours ]; then
		[ "$maps" -gt 0 ] || fail "no MAP ioctl reached us"
		[ "$maps" = "$(count vfio_spapr_tce/tce_map 0)" ] || fail "MAP ioctls failed"
	fi
}

# expect_live MIB - all of a guest's memory is in its second window, page by page of
# the host.
expect_live() {
	[ "$TCE_DRIVER" = ours ] || return
	[ "$(live_tces)" = $(($1 * 16)) ] || fail "$(live_tces) live TCEs, not $(($1 * 16)), for $1 MiB in pages of 64 KiB"
}

# expect_outlived - a table stays when its window goes, until KVM has let go of it as
# well; and then it does not stay. (We trace a removal when our reference is gone.)
expect_outlived() {
	[ "$TCE_DRIVER" = ours ] || return
	outlived=$(awk '
		/tce_attach:/ { removed = freed = 0 }
		/tce_window_remove:/ { removed++; if (freed < removed) outlived++ }
		/ free: / { freed++ }
		END {
			print "windows removed: " removed + 0 ", tables freed: " freed + 0 ", later than that: " outlived + 0
			exit !(removed && removed == freed && outlived)
		}' "$TRACE"/trace) || fail "tables were not kept for KVM, or for good"
	say "$outlived"
}

# What is free, with the pages on the processors' own lists, which MemFree leaves out:
# with 64 KiB each that is some 64 MiB just after a guest has ended.
free_mib() {
	echo 3 >/proc/sys/vm/drop_caches
	lists=$(awk '$1 == "count:" { n += $2 } END { print n + 0 }' /proc/zoneinfo)
	awk -v lists="$lists" -v page="$(awk '/^KernelPageSize:/ { print $2 * 1024; exit }' /proc/self/smaps)" \
		'/^MemFree:/ { print int($2 / 1024 + lists * page / 1048576) }' /proc/meminfo
}

# pins - pages of processes that are pinned in the whole system, exactly.
pins() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired / { n += $2 } /^nr_foll_pin_released / { n -= $2 } END { print n + 0 }' /proc/vmstat
}
pins_are_back() { [ "$TCE_DRIVER" = intree ] || [ "$(pins)" = "$pins_before" ]; }

# Nothing of a guest's memory stays pinned, to the page. What is free besides differs by
# what the kernel keeps in caches of its own and by our logs, which are in memory, too;
# but no guest here has as little memory as LEAST_LOST.
LEAST_LOST=16
memory_is_back() {
	free=$(free_mib)
	[ "$free" -gt $((free_before - LEAST_LOST)) ]
}

users() { cat /sys/module/vfio_iommu_spapr_tce/refcnt; }
no_users() { [ "$(users)" = 0 ]; }

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
	wait_for 120 no_users || fail "the module is still in use: $(users)"
	wait_for 120 pins_are_back || fail "$(pins) pages are pinned, $pins_before before the test"
	wait_for 120 memory_is_back || fail "memory is missing: $free MiB free, $free_before before the test"
	say "host: $free MiB free, $free_before before the test"
	for card in $cards; do
		# (the test of the documentation has given it back)
		if [ "$(pci_driver "$card")" = vfio-pci ]; then silence "$card"; fi
		vfio_release "$card"
	done
	dmesg | tail -n +"$dmesg_from" >"$OUT/$test.dmesg"
	if [ "$TCE_MACHINE" = pseries ]; then
		say "host: windows of the partition: $(partition_windows), $partition_windows_before before the test"
		[ "$(partition_windows)" = "$partition_windows_before" ] || fail "the partition's windows are not back"
	else
		taken=$(grep -c 'Disabling 64-bit DMA bypass' "$OUT/$test.dmesg")
		given=$(grep -c 'Enabling 64-bit DMA bypass' "$OUT/$test.dmesg")
		say "host: bypass taken $taken times, given back $given times"
		if [ "$taken" = 0 ] || [ "$taken" != "$given" ]; then fail "the host's bypass is not back"; fi
	fi
	n=2
	for card in $cards; do
		host_works "$card" 10.0.$n.20 10.0.$n.2 || fail "$card does not work in the host any more"
		n=$((n + 1))
	done
}

# host_works CARD ADDR PEER - the host's own driver uses the card again.
host_works() {
	[ "$(pci_driver "$1")" = e1000e ] || return
	if=$(ls "/sys/bus/pci/devices/$1/net")
	ip link set "$if" up && ip addr add "$2/24" dev "$if" || return
	wait_for 120 ping -q -c 1 -W 1 "$3" >/dev/null
}

# ---- tests ----

card_1() { echo "-device vfio-pci,host=${cards%% *},id=card1"; }

test_demo() {
	# shellcheck disable=SC2046 # several words
	guest_start $(card_1) || return
	traffic
	report
	expect_windows 2
	case $GUEST_MEM in *G) expect_live $((${GUEST_MEM%G} * 1024)) ;; *M) expect_live "${GUEST_MEM%M}" ;; esac
	expect_ways
	guest_stop
}

# Without the second window all goes through the small one, page by page.
test_noddw() {
	# shellcheck disable=SC2046
	guest_start -global spapr-pci-host-bridge.ddw=off $(card_1) || return
	traffic
	report
	expect_windows 1
	expect_ways
	# A packet at a time, so all three of the hypercalls.
	if [ "$kvm_has_tables" = 1 ]; then
		for event in put put_indirect stuff; do
			[ "$(count "hcall/$event")" -gt 0 ] || fail "no $(hcall_name "$event")"
		done
	fi
	guest_stop
}

# A window for more memory than the host has: two levels.
test_huge() {
	mem=2G,slots=2,maxmem=256G
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	report
	expect_windows 2
	expect_live 2048
	[ "$TCE_DRIVER" = intree ] || windows | grep -q 'num=1.* levels=2' || fail "not a window of two levels"
	expect_ways
	guest_stop
}

# Killed in the middle of it.
test_kill() {
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	guest_send net_get 67108864 1
	sleep 3
	[ ! -e /tmp/g/done."$number" ] || fail "the traffic ended too early"
	kill -9 "$qemu_pid"
	wait "$qemu_pid"
	[ $? = 137 ] || fail "QEMU was not killed"
	step "QEMU is killed"
	report
}

# A guest that is started anew finds its card as it should be.
test_reboot() {
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	guest_send 'reboot -f'
	guest_up 2 || return
	traffic
	report
	expect_windows 2
	expect_ways
	guest_stop
	[ "$kvm_has_tables" = 0 ] || expect_outlived
}

# Another kernel takes over in the guest, without the firmware in between: it finds
# windows and mappings where the first one left them. (Linux 6.12 then uses the second
# window as it does the first: an entry of 16 MiB for each packet on its way. For a
# card's rings that takes more than the 256 entries of a window of 4 GiB.)
test_kexec() {
	initrd=kexec.initrd
	mem=1G,slots=2,maxmem=64G
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	guest 60 'cat /proc/sys/kernel/random/boot_id >/tmp/boot; kexec -l /vmlinux --initrd=/initrd --append="$(cat /proc/cmdline) kexeced"' ||
		fail "the guest cannot load another kernel"
	guest_send 'kexec -e -x'
	guest_up 2 || return
	guest 20 'grep kexeced /proc/cmdline' || fail "it is not the other kernel"
	traffic
	report
	expect_windows 2
	expect_ways
	guest_stop
}

# A guest that crashes with its card at work.
test_crash() {
	guest_panic=1
	# shellcheck disable=SC2046
	guest_start -action panic=none $(card_1) || return
	traffic
	: >/tmp/g/mangle	# what it says now is not the host's trouble
	guest_send 'net_get 67108864 1 & sleep 2; echo c >/proc/sysrq-trigger'
	guest_up 2 || return
	rm /tmp/g/mangle
	traffic
	report
	expect_windows 2
	guest_stop
}

# The first version of the interface, to which QEMU falls back (on the same file
# descriptor) when the second is refused. What refuses it here is a library between
# QEMU and the kernel. Not with a second window: there is none in this version, and
# QEMU aborts when its guest asks for one. Not with tables in KVM: QEMU does not tell
# KVM which table is whose then, and the kernel's KVM warns at the end of each guest.
test_v1() {
	refuse="$refuse v2"
	# shellcheck disable=SC2046
	guest_start -global spapr-pci-host-bridge.ddw=off $(card_1) || return
	traffic
	report
	if [ "$TCE_DRIVER" = ours ]; then
		if grep -q tce_register: "$OUT/$test.trace"; then fail "memory was registered: that is the second version"; fi
		expect_ways
	fi
	guest_stop
}

# The registers of the bridge that a card is behind, as of a PHB4: tables are read and
# written through an address and a data register, all of them big endian.
IODA_ADDR=0x220
IODA_DATA=0x228
PESTA=7
PESTB=8
PEEV=20
bridge_at() {
	node=$(readlink -f "/sys/bus/pci/devices/$1/of_node")
	while [ ! -e "$node/ibm,phb-index" ] && [ "$node" != / ]; do node=$(dirname "$node"); done
	echo "0x$(od -An -tx1 -N8 "$node/reg" | tr -d ' \n')"
}
swapped() { printf %016x "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/0x\8\7\6\5\4\3\2\1/'; }
# bridge_table TABLE INDEX [VALUE] - read or write an entry
bridge_table() {
	devmem $((bridge + IODA_ADDR)) 64 "$(swapped $(($1 << 48 | $2)))"
	if [ $# = 3 ]; then
		devmem $((bridge + IODA_DATA)) 64 "$(swapped "$3")"
	else
		swapped "$(devmem $((bridge + IODA_DATA)) 64)"
	fi
}
# frozen PE - what stands still: accesses of the CPU, DMA.
frozen() { echo "$(($(bridge_table "$PESTA" "$1") >> 63 & 1)) $(($(bridge_table "$PESTB" "$1") >> 63 & 1))"; }
# freeze PE - what the hardware does when a PE has made an error. The emulated bridge
# has the registers for it, but never does it by itself: it stops a stray access, and
# that is all. Nor does it keep anybody from a PE that is frozen.
freeze() {
	bridge_table "$PEEV" $(($1 / 64)) $((1 << (63 - $1 % 64)))
	bridge_table "$PESTA" "$1" $((1 << 63))
	bridge_table "$PESTB" "$1" $((1 << 63))
}
unfrozen() { bridge_table "$PEEV" $(($1 / 64)) 0; }

# Error handling, from the guest by RTAS to QEMU, and from there by VFIO_EEH_PE_OP to
# us: state, reset, and what else it takes. The card's PE is frozen, as the bridge's
# registers have it; the guest asks, is told, recovers its card, and it is not.
test_eeh() {
	if [ "$TCE_DRIVER" = ours ]; then
		echo 'p:eeh/op tce_eeh_op op=+8($arg2):u32' >>"$TRACE"/kprobe_events
		echo 'hist:keys=op' >"$TRACE"/events/eeh/op/trigger
	fi
	echo 'r:eehstate/rc eeh_pe_get_state rc=$retval' >>"$TRACE"/kprobe_events
	echo 'hist:keys=rc' >"$TRACE"/events/eehstate/rc/trigger
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	pe=$(($(cat "/sys/bus/pci/devices/${cards%% *}/eeh_pe_config_addr")))
	bridge=$(bridge_at "${cards%% *}")
	say "the bridge at $bridge, PE $pe, frozen: $(frozen "$pe")"
	[ "$(frozen "$pe")" = "0 0" ] || fail "it is frozen before the error"
	freeze "$pe"
	[ "$(frozen "$pe")" = "1 1" ] || fail "the bridge does not say that it is frozen"
	guest 60 'dmesg -n 1; echo 0000:00:00.0 >/sys/kernel/debug/powerpc/eeh_dev_check' || fail "the guest has no error handling"
	guest 90 'for i in $(seq 60); do dmesg | grep -q "EEH: Recovery successful" && break; sleep 1; done; dmesg | grep EEH: | tail -n 30; [ $i -lt 60 ]' ||
		fail "the guest does not recover its card"
	guest 60 'for i in $(seq 30); do [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && break; sleep 1; done'
	guest 60 ping -c 3 "$NET" || fail "no packets after the recovery"
	guest 100 net_get 2097152 8 || fail "a file did not arrive as it was sent, after the recovery"
	say "frozen: $(frozen "$pe"); answers of the state \"stopped\": $(count eehstate/rc 2)"
	[ "$(frozen "$pe")" = "0 0" ] || fail "the PE is still frozen after the recovery"
	[ "$(count eehstate/rc 2)" -gt 0 ] || fail "the guest was not told of the error"
	unfrozen "$pe"
	if [ "$TCE_DRIVER" = ours ]; then
		for op in "1 ENABLE" "4 GET_STATE" "5 RESET_DEACTIVATE" "6 RESET_HOT" "7 RESET_FUNDAMENTAL" "8 CONFIGURE"; do
			say "EEH ${op#* }: $(count eeh/op "${op% *}")"
		done
		[ "$(count eeh/op 8)" -gt 0 ] || fail "no EEH call reached us"
	fi
	report
	guest_stop
}

# The very commands that Documentation/passthrough.rst shows to an administrator.
test_doc() {
	for card in $cards; do vfio_release "$card"; done
	tracing_off
	doc group && doc bind && doc which && doc trace-on || return
	# shellcheck disable=SC2046
	guest_start $(card_1) || return
	traffic
	doc trace-read
	[ "$TCE_DRIVER" = intree ] || grep -q 'tce_window_create: num=1' /tmp/doc || fail "the trace does not show the window"
	guest_stop
	doc give-back
	[ "$(pci_driver "${cards%% *}")" = e1000e ] || fail "the card is not back"
}
doc() {
	step "documentation: $1"
	DEVICE=${cards%% *} sh -e "$WORK/doc/$1" >/tmp/doc 2>&1 || fail "the commands do not work"
	sed 's/^/   /' /tmp/doc
	[ "$failed" = 0 ]
}

# Memory that the guest gets while it runs, and DMA into it.
test_memory() {
	# shellcheck disable=SC2046
	mem=512M,slots=2,maxmem=4G guest_start $(card_1) || return
	traffic
	guest 10 'echo online >/sys/devices/system/memory/auto_online_blocks'
	monitor object_add memory-backend-ram,id=more,size=512M
	monitor device_add pc-dimm,id=dimm,memdev=more
	guest 60 'for i in $(seq 50); do [ $(sed -n "s/MemTotal: *\\(.*\\) kB/\\1/p" /proc/meminfo) -gt 700000 ] && break; sleep 1; done; grep MemTotal /proc/meminfo; [ $i -lt 50 ]' ||
		fail "the guest has no more memory than before"
	if [ "$TCE_DRIVER" = ours ]; then
		[ "$(grep -c tce_register: "$TRACE"/trace)" = 2 ] || fail "the new memory was not registered"
	fi
	# Most of the old memory is taken, so that packets lie in the new.
	guest 60 'mount -o remount,size=90% /tmp; dd if=/dev/zero of=/tmp/hog bs=1M count=380 2>/dev/null; grep MemFree /proc/meminfo; ls -l /tmp/hog'
	traffic
	report
	expect_windows 2
	guest_stop
}

# Memory that is unplugged while a page of it is still mapped, as passthrough-keep.c sees
# to: UNREGISTER is refused, but QEMU takes the memory away all the same. Then it is
# plugged in again; and once more, when other memory is in its place. REGISTER must
# succeed each time, for QEMU can't go on without it.
test_replug() {
	preload=keep keep=$((256 << 20)) pinned=''
	# shellcheck disable=SC2046
	mem=512M,slots=2,maxmem=4G guest_start $(card_1) || return
	traffic
	monitor "object_add memory-backend-ram,id=more,size=$keep"
	plug 1 online_movable && unplug 1 || return	# movable: what can be taken away again
	plug 2 online_movable && unplug 2 || return
	wait_for 10 kept REPLACE || fail "there is no other memory in its place"
	plug 3 online || return
	[ "$(kept MAP | sed 's/.*: //')" = 0 ] || fail "no page was kept mapped"
	[ "$(kept REGISTER | sort -u | wc -l)" = 1 ] || fail "it is not always the same address"
	# Each time the same memory is registered, or as much of other memory in its place.
	say "pages pinned: $pinned"
	[ "$(echo "$pinned" | xargs -n 1 | sort -u | wc -l)" = 1 ] || fail "the memory that was replaced is still pinned"
	# Most of the old memory is taken, so that packets lie in the new.
	guest 60 'mount -o remount,size=90% /tmp; dd if=/dev/zero of=/tmp/hog bs=1M count=380 2>/dev/null; grep MemFree /proc/meminfo; ls -l /tmp/hog'
	traffic
	report
	expect_windows 2
	# All of its memory, and the page that was kept: that it was forgotten is not traced.
	[ "$(live_tces)" = $((768 * 16 + 1)) ] || fail "the new memory is not in the second window"
	guest_stop
}
# plug N HOW - plug the memory in for the N-th time; the guest takes it into use like HOW.
plug() {
	step "memory is plugged in"
	guest 10 "echo $2 >/sys/devices/system/memory/auto_online_blocks"
	monitor "device_add pc-dimm,id=dimm$1,memdev=more"
	# its blocks are as large as that
	guest 60 'for i in $(seq 50); do [ $(cat /sys/devices/system/memory/memory*/state | grep -c ^online) = 3 ] && break; sleep 1; done; grep MemTotal /proc/meminfo; [ $i -lt 50 ]' ||
		fail "the guest has no more memory than before"
	kept REGISTER
	guest_lives || fail "QEMU did not survive it: $(grep -v ^keep "$OUT/$test.qemu" | head -n 1)"
	[ "$(kept REGISTER | grep -c ': 0$')" = "$1" ] || fail "the memory was not registered"
	pinned="$pinned $(pins)"
	[ "$failed" = 0 ]
}
# unplug N - unplug it again, for the N-th time.
unplug() {
	step "the memory is unplugged"
	monitor "device_del dimm$1"
	wait_for 240 unplugged "$1" || fail "the guest does not let go of the memory"
	kept UNREGISTER
	[ "$(kept UNREGISTER | grep -c ': 16$')" = "$1" ] || fail "UNREGISTER was not refused with EBUSY"
	[ "$failed" = 0 ]
}
unplugged() { [ "$(kept UNREGISTER | wc -l)" = "$1" ] || ! guest_lives; }
# kept WHAT - what passthrough-keep.c told of that
kept() { grep "^keep: $1 " "$OUT/$test.qemu"; }

# Two cards, each in a group of its own, in one container. One is taken out and put
# back in while the other one works.
test_two() {
	second=${cards##* }
	# shellcheck disable=SC2046
	guest_start $(card_1),addr=1 -device "vfio-pci,host=$second,id=card2,addr=2" || return
	traffic
	guest 20 net_up eth1 10.0.3.15 || fail "the second card does not come up"
	guest 60 ping -c 3 10.0.3.2 || fail "no packets on the second card"
	guest 100 net_get 1048576 5 10.0.3.100 || fail "a file did not arrive on the second card"
	report
	guest 20 'ping -i 0.2 10.0.2.2 >/tmp/ping.log & echo $! >/tmp/ping.pid'
	step "the second card is unplugged"
	monitor device_del card2
	sleep 2
	guest 60 card_remove 0000:00:02.0 || fail "the guest does not let go of its second card"
	monitor info pci
	wait_for 30 detached || fail "QEMU keeps the second card"
	guest 100 net_get 1048576 6 || fail "the first card suffers from it"
	step "and plugged in again"
	monitor device_add "vfio-pci,host=$second,id=card2,addr=2"
	sleep 2
	guest 60 card_add || fail "the guest does not take its second card back"
	guest 20 'sleep 3; ip addr show; net_up eth1 10.0.3.15' || fail "the second card does not come up again"
	guest 60 ping -c 3 10.0.3.2 || fail "no packets on the second card, back in"
	guest 100 net_get 1048576 5 10.0.3.100 || fail "a file did not arrive on the second card, back in"
	# The last one may be on its way.
	guest 20 'kill -INT $(cat /tmp/ping.pid); sleep 1; tail -n 3 /tmp/ping.log; set -- $(grep transmitted /tmp/ping.log); [ $(($1 - $4)) -le 1 ]' ||
		fail "the first card lost packets"
	if [ "$kvm_has_tables" = 1 ]; then
		# QEMU tells KVM of a group only with the next window; and about a group
		# that it was never told of, KVM warns in the end. A guest that starts
		# anew has its windows anew.
		guest_send 'reboot -f'
		guest_up 2 || return
		guest 20 net_up eth1 10.0.3.15
		guest 60 ping -c 3 10.0.3.2 || fail "no packets on the second card after a new start"
	fi
	expect_windows 2
	guest_stop
}
detached() { [ "$TCE_DRIVER" != ours ] || grep -q tce_detach: "$TRACE"/trace; }

# ---- all of it ----

started=$(now)
all=0
prepare
say "host: Linux $(uname -r), cards: $cards"
for test in "$@"; do
	failed=0
	mem='' initrd='' preload=refuse refuse='' keep='' guest_panic=''
	# Does KVM write the TCEs?
	kvm_has_tables=0
	case $GUEST_ACCEL-$TCE_MACHINE-$test in
	kvm-*-ioctl-*) refuse=kvm-tces ;;
	kvm-*) kvm_has_tables=1 ;;
	esac
	started=$(now)
	dmesg_from=$(($(dmesg | wc -l) + 1))
	for card in $cards; do vfio_bind "$card" || die "$card cannot be bound to vfio-pci"; done
	tce_version || die "another driver is loaded"
	tracing_on
	free_before=$(free_mib) pins_before=$(pins)
	step "test $test"
	"test_${test#ioctl-}"
	if [ -n "$qemu_pid" ] && guest_lives; then
		kill -9 "$qemu_pid"
		wait "$qemu_pid"
	fi
	back
	tracing_off
	sync
	if [ $failed = 0 ]; then
		say "ok $test ($(($(now) - started)) s)"
	else
		say "NOT ok $test ($(($(now) - started)) s)"
		all=1
	fi
done
umount $WORK
exit $all
