# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# The commands of Documentation/tracepoints.rst, each around a client that maps what is
# not registered: it has to say so. CLIENT in them is that client.

# shellcheck source=lib.sh
. /guest/lib.sh

TRACE=/sys/kernel/tracing/trace
EVENT=/sys/kernel/tracing/events/vfio_spapr_tce/tce_refused
# What it shows of a refusal: the text of the event, or the keys of a histogram
LINE='reason=NOT_REGISTERED value=0x[1-9a-f][0-9a-f]*000 rc=-22 at=check_memory:[1-9]'
KEYS='reason: NOT_REGISTERED *, function: check_memory *, rc: .*} hitcount: *[1-9]'

edu_bind

cat >/tmp/client <<'EOC'
#!/bin/sh
unset LD_LIBRARY_PATH
/selftests/memory --test "*v2: UNREGISTER of mapped*$1" >/tmp/client.out
EOC
chmod 755 /tmp/client
/tmp/client || { cat /tmp/client.out; die "the client fails"; }
grep -q '^ok .*UNREGISTER of mapped[^#]*$' /tmp/client.out || die "the client has not done anything"

# clean - nothing is traced, and nothing was
clean() {
	echo 0 >"$EVENT/enable"
	echo 0 >"$EVENT/filter"
	echo '!hist:keys=reason,function,rc' >"$EVENT/trigger" 2>/dev/null
	echo >$TRACE
}

shown=0
for commands in /doc/*; do
	name=${commands##*/}
	clean
	(
		export PATH="$PATH:/tools/bin" LD_LIBRARY_PATH=/tools/lib
		doc "$name" s,CLIENT,/tmp/client,
	) >/tmp/shown 2>/tmp/errors ||
		{ cat /tmp/shown /tmp/errors /tmp/client.out; die "$name: it fails"; }
	case $name in
	hist) want=$KEYS ;;
	*) want=$LINE ;;
	esac
	grep -q "$want" /tmp/shown || {
		head -n 40 /tmp/shown; cat /tmp/errors; die "$name: does not show it"
	}
	if [ "$name" = filter ] && grep reason= /tmp/shown | grep -v reason=NOT_REGISTERED; then
		die "filter: lets others through"
	fi
	say "$name: $(grep "$want" /tmp/shown | head -n 1)"
	shown=$((shown + 1))
done
clean
[ $shown -ge 5 ] || die "only $shown of the page's commands were run"

# The other events, refused ones too: one of each that the client gives rise to
echo 1 >"${EVENT%/*}/enable"
# That test looks for messages of the module, which limits their rate, so it runs only once.
/tmp/client "|*v2: each command may*" ||
	{ cat /tmp/client.out; die "the client fails when it is traced"; }
echo 0 >"${EVENT%/*}/enable"
for event in register:-12 unregister:-2; do
	grep -q "tce_${event%:*}: .*rc=${event#*:}\$" $TRACE || die "no tce_$event"
done
# Those of one test have the same container, that of what it unregisters and maps then.
number=$(sed -n 's/.*tce_unregister: container=\([1-9][0-9]*\) .*/\1/p' $TRACE | head -n 1)
for event in attach:0 register:0 window_create:0 map:0 map:-22 unmap:0 unregister:0 \
	window_remove:0 detach:0; do
	grep -q "tce_${event%:*}: container=$number .*rc=${event#*:}\$" $TRACE ||
		die "no tce_$event of container $number"
done
# The event at the end of something has the fields of the one at its beginning.
all_said() { sed -n "s/.*tce_$1: container=$number \(.*\) rc=0\$/\1/p" $TRACE; }
said() { all_said "$1" | head -n 1; }
# expect EVENT FIELDS
expect() { [ "$(said "$1")" = "$2" ] || die "tce_$1 has $(said "$1"), not $2"; }
expect detach "$(said attach)"
all_said register | grep -qxF "$(said unregister)" || die "tce_unregister has $(said unregister)"
all_said map | sed 's/ioba=\(.*\) ua=.* size=\(.*\) flags=.*/start=\1 size=\2/' |
	grep -qxF "$(said unmap)" || die "tce_unmap has $(said unmap)"
expect window_remove "$(said window_create | sed 's/ start=.*//')"
# What is not registered is what the MAP was about, or a part of it that is.
value='' ua='' size=''
eval "$(sed -nE '/reason=NOT_REGISTERED/{
	N; s/.*(value=[^ ]*) .*tce_map: .* (ua=[^ ]* size=[^ ]*) .* rc=-22$/\1 \2/p; q; }' $TRACE)"
[ $((value >= ua && value < ua + size)) -eq 1 ] ||
	die "tce_refused names $value, and tce_map $size bytes at $ua"
# what the device may do
echo >$TRACE
echo 1 >"${EVENT%/*}/enable"
/selftests/dma --test '*v2: the device reaches what is mapped*' >/tmp/client.out ||
	{ cat /tmp/client.out; die "the client with each permission fails"; }
echo 0 >"${EVENT%/*}/enable"
for flags in r- -w rw; do
	grep -q "tce_map: .* flags=$flags rc=0" $TRACE || die "no MAP with $flags"
done
# What a client has is in the state file as well.
STATE=/sys/kernel/debug/vfio_iommu_spapr_tce/state
echo >$TRACE
echo 1 >"${EVENT%/*}/enable"
hold 2 wait
echo 0 >"${EVENT%/*}/enable"
eval "$(sed -n 's/^window //p' $STATE)"
window=$number number=$container
expect attach "num=$(sed -n 's/^group .* number=//p' $STATE)"
# shellcheck disable=SC2154 # of the window
expect window_create "$(printf 'num=%d start=%s size=0x%x page_shift=%d levels=%d' \
	"$window" "$start" "$size" "$page_shift" "$levels")"
eval "$(sed -n 's/^region //p' $STATE)"
expect register "$(printf 'start=%s size=0x%x' "$ua" "$size")"
expect map "$(printf 'ioba=%s ua=%s size=0x%x flags=rw' "$start" "$ua" "$size")"
hold_killed
say "passed: $shown of the page's commands"
