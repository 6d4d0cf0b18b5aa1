# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/passthrough.sh: what can be seen of a guest from outside. Our
# tracepoints, KVM's hypercalls, and what a test expects of them.

TRACE=/sys/kernel/tracing
DDW_START=0x800000000000000
COUNTED="vfio_spapr_tce/tce_map vfio_spapr_tce/tce_unmap hcall/put hcall/put_indirect hcall/stuff"

# Tracing: our tracepoints, counted and written down; with KVM its hypercalls too. What a
# hypercall was asked is only known at its begin, its result at its end: two probes each.
# The arguments are in registers by name: Linux 6.1 has no $argN on POWER.
tracing_on() {
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	if [ "$kvm_has_tables" = 1 ] && [ ! -d $TRACE/events/hcall ]; then
		{
			echo "p:hcall/begin_put kvmppc_h_put_tce liobn=%gpr4 ioba=%gpr5 value=%gpr6"
			echo "p:hcall/begin_put_indirect kvmppc_h_put_tce_indirect liobn=%gpr4 ioba=%gpr5 n=%gpr7"
			echo "p:hcall/begin_stuff kvmppc_h_stuff_tce liobn=%gpr4 ioba=%gpr5 value=%gpr6 n=%gpr7"
			echo "r:hcall/put kvmppc_h_put_tce rc=\$retval"
			echo "r:hcall/put_indirect kvmppc_h_put_tce_indirect rc=\$retval"
			echo "r:hcall/stuff kvmppc_h_stuff_tce rc=\$retval"
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

# windows - those created, as our tracepoints tell.
windows() {
	sed -n 's/.*tce_window_create: \(.* rc=0\)$/\1/p' "$TRACE"/trace
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
	{ task = $0; sub(/ *\[[0-9]+\] .*/, "", task) }
	/ begin_(put|put_indirect|stuff): / { asked[task] = $0; next }
	/ (put|put_indirect|stuff): / { $0 = asked[task] " " $NF; delete asked[task] }
	{ for (i = 1; i <= NF; i++) { split($i, kv, "="); f[kv[1]] = $i } }
	/tce_window_create:/ && $NF == "rc=0" { host[window(hex(f["start"]))] = pow2(substr(f["page_shift"], 12)) }
	/tce_map:/ && $NF == "rc=0" { put(hex(f["ioba"]), hex(f["size"])) }
	/tce_unmap:/ && $NF == "rc=0" { a = hex(f["ioba"]); clear(a, hex(f["size"]), guest[window(a)]) }
	/ begin_put: / && $NF ~ /=(0x)?0$/ {
		a = hex(f["ioba"])
		if (f["value"] ~ /[1-35-79abdef]$/) put(a, guest[window(a)]); else clear(a, 1, 1)
	}
	/ begin_put_indirect: / && $NF ~ /=(0x)?0$/ {
		a = hex(f["ioba"]); n = hex(f["n"])
		for (i = 0; i < n; i++) put(a + i * guest[window(a)], guest[window(a)])
	}
	/ begin_stuff: / && $NF ~ /=(0x)?0$/ {
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
