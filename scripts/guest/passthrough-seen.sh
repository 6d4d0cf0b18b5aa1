# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/passthrough.sh: what can be seen of a guest from outside. Our
# tracepoints, KVM's hypercalls, and what a test expects of them.

TRACE=/sys/kernel/tracing
DDW_START=0x800000000000000
COUNTED="vfio_spapr_tce/tce_map vfio_spapr_tce/tce_unmap hcall/put hcall/put_indirect hcall/stuff"

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
	# A guest's kernel begins by clearing its window, entry by entry: without KVM that is
	# 262,144 UNMAPs of nothing. They are counted, but not written down.
	echo 0 >$TRACE/events/vfio_spapr_tce/tce_unmap/enable
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

# report - what has come into the tables, and by which way
report() {
	made | sed 's/^/>> window: /'
	for event in $COUNTED; do
		say "$event: $(count "$event"), without an error: $(count "$event" 0)"
	done
}

# expect_windows N - so many were created, the first at 0, the second at 1<<59.
expect_windows() {
	starts=$(made | sed 's/.*start=\([^ ]*\) .*/\1/' | sort | uniq | xargs)
	case $1 in
	1) [ "$starts" = 0x0 ] ;;
	2) [ "$starts" = "0x0 $DDW_START" ] ;;
	esac || fail "windows at $starts"
}

# expect_ways - with KVM the kernel does all, without it our ioctls do.
expect_ways() {
	if [ "$kvm_has_tables" = 0 ]; then
		expect_maps
		return
	fi
	for event in put put_indirect stuff; do
		[ "$(count hcall/$event)" = "$(count hcall/$event 0)" ] ||
			fail "KVM left some of $event to QEMU"
	done
	[ $(($(count hcall/put) + $(count hcall/put_indirect))) -gt 0 ] || fail "KVM put no TCE"
	maps=$(count vfio_spapr_tce/tce_map)
	[ "$maps" = 0 ] || fail "$maps MAP ioctls, with KVM there should be none"
}

expect_maps() {
	maps=$(count vfio_spapr_tce/tce_map)
	[ "$maps" -gt 0 ] || fail "no MAP ioctl reached us"
	[ "$maps" = "$(count vfio_spapr_tce/tce_map 0)" ] || fail "MAP ioctls failed"
}

# expect_live MIB - all of a guest's memory is in its second window, page by page of
# the host.
expect_live() {
	[ "$(live_tces)" = $(($1 * 16)) ] ||
		fail "$(live_tces) live TCEs, not $(($1 * 16)), for $1 MiB in pages of 64 KiB"
}
