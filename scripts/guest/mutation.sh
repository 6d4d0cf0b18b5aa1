# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loads one broken module after the other and looks what notices it; see
# scripts/mutation, which prepares /mutants and reads what is printed here.
#
#   /mutants/good.ko    the module without a fault
#   /mutants/list       the names of the others, /mutants/NAME.ko
#   /mutants/steps      the tests, one a line, in their order: globs of KUnit, or
#                       names of test programs
#   /mutants/expected   "STEP RESULTS TENTHS" of each step with the good module;
#                       measured here if it is missing
#
# Environment:
#   TCE_STAGE   kunit, kunit-leaks (also looks for lost memory) or selftest

# shellcheck source=lib.sh
. /guest/lib.sh

debug=/sys/kernel/debug
driver=vfio_iommu_spapr_tce
[ "$TCE_STAGE" = selftest ] || driver=${driver}_kunit
complaint='Oops|BUG:|kernel BUG at|WARNING:|cut here|KASAN:|UBSAN:|corruption|refcount_t:|DEBUG_LOCKS|Bad page|suspicious RCU|sleeping function|unreferenced object'

tenths() { read -r up _ </proc/uptime; up=${up%?}; echo "${up%.*}${up#*.}"; }

# in_background COMMAND... - its output goes to /tmp/out. Return: its exit code, or
# 99 if it took longer than $limit tenths of a second.
in_background() {
	rm -f /tmp/rc
	( "$@" </dev/null >/tmp/out 2>&1; echo $? >/tmp/rc.new; mv /tmp/rc.new /tmp/rc ) &
	end=$(($(tenths) + limit))
	until [ -e /tmp/rc ]; do
		[ "$(tenths)" -lt "$end" ] || return 99
		sleep 0.1
	done
	return "$(cat /tmp/rc)"
}

# step MODULE STEP - run it; leaves the number of results in $results and what is
# wrong, if something is, in $wrong.
step() {
	wrong=
	results=0
	if [ "$TCE_STAGE" = selftest ]; then
		in_background "/selftests/$2" --safe
		status=$?
		case $status in
		99) wrong="it hangs"; return ;;
		0|4) ;;
		*) wrong=$(sed -n 's/^not ok [0-9]* *//p' /tmp/out | head -n 1)
			wrong=${wrong:-exit code $status} ;;
		esac
		results=$(grep -c -E '^(not )?ok ' /tmp/out)
	else
		# without a newline, which would be part of the glob
		printf %s "$2" >/sys/module/kunit/parameters/filter_glob
		in_background insmod "/mutants/$1.ko"
		case $? in
		99) wrong="it hangs"; return ;;
		0) ;;
		*) wrong="it does not load"; return ;;
		esac
		if ! unload; then
			wrong="it cannot be unloaded"
			return
		fi
	fi
	dmesg -c >/tmp/messages
	if [ "$TCE_STAGE" != selftest ]; then
		results=$(grep -c -E '^\[[ 0-9.]*\] *(not )?ok ' /tmp/messages)
		wrong=$(sed -n 's/^\[[ 0-9.]*\] *not ok [0-9]* *//p' /tmp/messages | head -n 1)
	fi
	if grep -E "$complaint" /tmp/messages >/tmp/complaints; then
		wrong="${wrong:+$wrong; }the kernel complained: $(head -n 1 /tmp/complaints)"
		echo 1 >$debug/clear_warn_once
	fi
}

unload() {
	limit=100
	in_background rmmod $driver
}

# Where the module is not loaded for each step.
change_to() {
	[ "$TCE_STAGE" = selftest ] || return 0
	unload && limit=100 && in_background insmod "/mutants/$1.ko"
}

look_for_leaks() {
	[ "$TCE_STAGE" = kunit-leaks ] && [ -e $debug/kmemleak ] || return 0
	# An object must be some seconds old, and is only reported when seen twice.
	sleep 5.5
	echo scan >$debug/kmemleak
	echo scan >$debug/kmemleak
	if grep -q "unreferenced object" $debug/kmemleak; then
		wrong="lost memory: $(grep -m 1 -o "size [0-9]*" $debug/kmemleak)"
	fi
	echo clear >$debug/kmemleak
}

# expect STEP - sets $want and $limit; what is slow today may be slower tomorrow.
expect() {
	while read -r name want took; do
		[ "$name" != "$1" ] || break
	done </mutants/expected
	limit=$((took * 4 + 100))
}

if [ "$TCE_STAGE" = selftest ]; then
	for dev in $(pci_find "$EDU"); do
		vfio_bind "$dev" || die "$dev cannot be bound to vfio-pci"
	done
	echo 16 >/proc/sys/vm/nr_hugepages 2>/dev/null
else
	prepare_suites
fi
[ ! -e $debug/kmemleak ] || echo scan=off >$debug/kmemleak
dmesg -c >/dev/null

if [ ! -e /mutants/expected ]; then
	: >/mutants/expected
	: >/mutants/steps.good
	change_to good || die "the good module does not load"
	while read -r name; do
		limit=6000
		start=$(tenths)
		step good "$name"
		took=$(($(tenths) - start))
		[ "$results" -gt 0 ] || wrong=${wrong:-no results}
		if [ -n "$wrong" ]; then
			say "unusable $name by $wrong"
			continue
		fi
		say "expected $name $results $took"
		echo "$name $results $took" >>/mutants/expected
		echo "$name" >>/mutants/steps.good
	done </mutants/steps
	mv /mutants/steps.good /mutants/steps
	wrong=
	look_for_leaks
	[ -z "$wrong" ] || say "unusable kmemleak by $wrong"
fi
if [ ! -s /mutants/steps ]; then
	die "there is no test that the good module passes"
fi

while read -r mutant; do
	say "mutant $mutant"
	caught=
	if ! change_to "$mutant"; then
		say "caught $mutant by loading: it cannot be loaded or unloaded"
		exit 0
	fi
	while read -r name; do
		expect "$name"
		say "try $name"
		step "$mutant" "$name"
		if [ -z "$wrong" ] && [ "$results" -ne "$want" ]; then
			wrong="$results results, not $want"
		fi
		[ -n "$wrong" ] || continue
		caught="$name: $wrong"
		break
	done </mutants/steps
	if [ -z "$caught" ] && look_for_leaks && [ -n "$wrong" ]; then
		# It may have been another one before it: once more, from nothing.
		while read -r name; do
			expect "$name"
			say "try $name again"
			step "$mutant" "$name"
		done </mutants/steps
		wrong=
		look_for_leaks
		caught=$wrong
		name=kmemleak
	fi
	if [ -z "$caught" ]; then
		say "survived $mutant"
		continue
	fi
	case $caught in
	*"it hangs"*|*"be unloaded"*)
		# No more can be done here.
		say "caught $mutant by $caught"
		exit 0
		;;
	esac

	# Was it the mutant, or what another one has left behind?
	if [ "$name" != kmemleak ]; then
		expect "$name"
		change_to good || die "the good module cannot be loaded"
		say "try $name with the good module"
		step good "$name"
		if [ -n "$wrong" ] || [ "$results" -ne "$want" ]; then
			say "spoiled $mutant by $caught; the good module: $wrong"
			exit 0
		fi
	fi
	say "caught $mutant by $caught"
done </mutants/list
say "all done"
