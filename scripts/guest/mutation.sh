# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loads one broken module after the other and looks what notices it; see
# scripts/mutation, which prepares /mutants and reads what is printed here.
#
#   /mutants/good.ko    the module without a fault
#   /mutants/list       "NAME TEST...", one a line: /mutants/NAME.ko, and what to try
#                       in this order: SUITE or SUITE.CASE of KUnit, or the name of a
#                       test program; with "+leaks" lost memory is looked for, too,
#                       and just "leaks" looks for what all tests before it have lost
#   /mutants/expected   "TEST RESULTS TENTHS" of tests with the good module; what is
#                       missing there is measured here
#
# Environment:
#   TCE_BUDGET  so many tenths of a second of tests for one mutant, by what they take
#               with the good module (900)
#   TCE_CONFIRM not empty: each test has to pass with the good module first
#   TCE_STAGE   kunit or selftest; lines: for each test of /mutants/list, one a line,
#               print what gcov has counted of it with the good module

# shellcheck source=lib.sh
. /guest/lib.sh

debug=/sys/kernel/debug
driver=vfio_iommu_spapr_tce
[ "$TCE_STAGE" = selftest ] || driver=${driver}_kunit

# Tenths of a second since the start; a leading 0 would make the number octal.
tenths() {
	read -r up _ </proc/uptime
	up=${up%?}
	up=${up%.*}${up#*.}
	echo "${up#0}"
}

# in_background COMMAND... - its output goes to /tmp/out. Return: its exit code, or
# 99 if it took longer than $limit tenths of a second. After an oops, which says
# enough and may have taken a lock with it, it gets only 3 more seconds.
in_background() {
	rm -f /tmp/rc
	( "$@" </dev/null >/tmp/out 2>&1; echo $? >/tmp/rc.new; mv /tmp/rc.new /tmp/rc ) &
	end=$(($(tenths) + limit))
	patience=$limit
	turns=0
	until [ -e /tmp/rc ]; do
		[ "$(tenths)" -lt "$end" ] || return 99
		sleep 0.1
		turns=$((turns + 1))
		if [ $((turns % 20)) -eq 0 ] && [ "$patience" -gt 30 ] && dmesg | grep -q "Oops: "; then
			patience=30
			end=$(($(tenths) + 30))
		fi
	done
	return "$(cat /tmp/rc)"
}

# step MODULE TEST - run it; leaves the number of results in $results, what is wrong,
# if something is, in $wrong, and the test that says so in $where.
step() {
	wrong=
	results=0
	where=$2
	if [ "$TCE_STAGE" = selftest ]; then
		in_background "/selftests/$2"
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
		printf %s "${2%+leaks}" >/sys/module/kunit/parameters/filter_glob
		in_background insmod "/mutants/$1.ko" brief=1
		case $? in
		99) wrong="it hangs" ;;
		0) ;;
		*) wrong="it does not load"; return ;;
		esac
		if [ -z "$wrong" ] && ! unload; then
			wrong="it cannot be unloaded"
		fi
	fi
	dmesg -c >/tmp/messages
	if [ "$TCE_STAGE" != selftest ]; then
		results=$(grep -c -E '^\[[ 0-9.]*\] *(not )?ok ' /tmp/messages)
		failed=$(sed -n 's/^\[[ 0-9.]*\] *not ok [0-9]* *//p' /tmp/messages | head -n 1)
		wrong=${wrong:-$failed}
	fi
	if grep -E -f /guest/complaints /tmp/messages >/tmp/complaints; then
		wrong="${wrong:+$wrong; }the kernel complained: $(head -n 1 /tmp/complaints)"
		echo 1 >$debug/clear_warn_once
	fi
	if [ -n "$wrong" ]; then
		# No case begins after the one that has failed.
		case=$(sed -n 's/^.*tce_kunit: case \([a-z0-9_]*\)$/\1/p' /tmp/messages | tail -n 1)
		where=${2%%[.+]*}${case:+.$case}
	fi
	case $wrong:$2 in
	:*+leaks) look_for_leaks ;;
	esac
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

# Leaves in $wrong what has been lost since the last time.
look_for_leaks() {
	wrong=
	[ -e $debug/kmemleak ] || return 0
	# An object must be some seconds old, and is only reported when seen twice.
	sleep 5.5
	echo scan >$debug/kmemleak
	echo scan >$debug/kmemleak
	if grep -q "unreferenced object" $debug/kmemleak; then
		wrong="lost memory: $(grep -m 1 -o "size [0-9]*" $debug/kmemleak)"
	fi
	echo clear >$debug/kmemleak
}

# expect TEST MODULE - sets $want and $limit; MODULE is the one that is being tried.
# Return: whether the good module passes the test.
expect() {
	want=
	while read -r name want took; do
		[ "$name" != "$1" ] || break
		want=
	done </mutants/expected
	if [ -z "$want" ]; then
		say "measure $1"
		change_to good || die "the good module cannot be loaded"
		# what others have lost before is not this one's
		case $1 in
		*+leaks) look_for_leaks ;;
		esac
		limit=6000
		start=$(tenths)
		step good "$1"
		took=$(($(tenths) - start))
		want=$results
		[ "$results" -gt 0 ] || wrong=${wrong:-no results}
		case $wrong in
		*"it hangs"*|*"be unloaded"*) die "the good module: $wrong" ;;
		esac
		if [ -n "$wrong" ]; then
			say "unusable $1 by $wrong"
			want=bad
			took=0
		else
			say "expected $1 $want $took"
		fi
		echo "$1 $want $took" >>/mutants/expected
		change_to "$2" || die "the module cannot be loaded any more"
	fi
	# what is slow today may be slower tomorrow
	limit=$((took * 4 + 100))
	[ "$want" != bad ]
}

# confirm TEST MODULE - go on only if the good module passes, as quickly as it should.
confirm() {
	enough=$limit
	change_to good || die "the good module cannot be loaded"
	limit=$enough
	say "try $1 with the good module"
	step good "$1"
	[ "$results" -gt 0 ] || wrong=${wrong:-no results}
	[ -z "$wrong" ] || die "the good module: $wrong"
	say "good $1"
	change_to "$2" || doubt "$2" loading "it cannot be loaded or unloaded"
	limit=$enough
}

# doubt MODULE TEST WHY - no more can be done here, and another guest has to tell
# whether it was the mutant's fault.
doubt() {
	say "doubt $1 by $2: $3"
	exit 0
}

# run_mutant MODULE TEST - does it fail, or give other than $want results?
run_mutant() {
	step "$1" "$2"
	if [ -z "$wrong" ] && [ "$results" -ne "$want" ]; then
		wrong="$results results, not $want"
	fi
	[ -n "$wrong" ]
}

# try MODULE TEST - is it caught?
try() {
	expect "$2" "$1" || return 1
	[ -z "$TCE_CONFIRM" ] || confirm "$2" "$1"
	say "try $2"
	run_mutant "$1" "$2"
}

# The same for lost memory, which may have been another's.
try_for_leaks() {
	case $2 in
	leaks)
		say "try leaks"
		look_for_leaks
		[ -n "$wrong" ] || return 1
		# Again, as it may have been lost by another mutant.
		for one in $tried; do
			! try "$1" "$one" || return 0
		done
		look_for_leaks
		[ -n "$wrong" ] || return 1
		# Which was it? If it is none of these alone, then all together.
		together=$wrong
		for one in $(echo "$tried" | cut -d " " -f 1-5); do
			! try "$1" "$one+leaks" || return 0
		done
		where=leaks
		wrong=$together
		;;
	*)
		try "$1" "$2" && try "$1" "$2"
		;;
	esac
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
# A thread that oopses is one caught mutant; the others can be tried all the same,
# unless it took something with it. What locks up the machine ends it.
echo 0 >/proc/sys/kernel/panic_on_oops
for what in softlockup_panic panic_on_rcu_stall; do
	[ ! -e "/proc/sys/kernel/$what" ] || echo 1 >"/proc/sys/kernel/$what"
done
dmesg -c >/dev/null
touch /mutants/expected
change_to good || die "the good module does not load"

# Which lines does each test run?
while [ "$TCE_STAGE" = lines ] && read -r test; do
	echo 0 >$debug/gcov/reset
	limit=6000
	start=$(tenths)
	step good "$test"
	took=$(($(tenths) - start))
	[ "$results" -gt 0 ] || wrong=${wrong:-no results}
	if [ -n "$wrong" ]; then
		say "unusable $test by $wrong"
		case $wrong in
		*"it hangs"*|*"be unloaded"*) die "no more can be done here" ;;
		esac
		continue
	fi
	say "lines $test $results $took"
	coverage_data
done </mutants/list
[ "$TCE_STAGE" != lines ] || exit 0

while read -r mutant tests; do
	say "mutant $mutant"
	if ! change_to "$mutant"; then
		doubt "$mutant" loading "it cannot be loaded or unloaded"
	fi
	caught=
	tried=
	spent=0
	early=100
	for test in $tests; do
		case $test in
		*leaks) try_for_leaks "$mutant" "$test" || continue ;;
		*)
			[ "$spent" -lt "${TCE_BUDGET:-900}" ] || continue
			if try "$mutant" "$test"; then :; else
				tried="$tried $test"
				spent=$((spent + took))
				# what is lost is lost early as a rule
				case $tests in
				*" leaks") [ "$spent" -gt "$early" ] || continue ;;
				*) continue ;;
				esac
				early=1000000
				try_for_leaks "$mutant" leaks || continue
			fi
			;;
		esac
		caught="$where: $wrong"
		break
	done
	if [ -z "$caught" ]; then
		say "survived $mutant"
		continue
	fi
	case $wrong in
	*"it hangs"*|*"be unloaded"*) doubt "$mutant" "$where" "$wrong" ;;
	esac

	# Was it the mutant, what another one has left behind, or chance? The good module
	# has to pass, and the mutant must fail a second time. The kernel's complaint needs
	# no second one. Where a doubt is looked into, this is the second time.
	case $where in
	*leaks) ;;
	*)
		change_to good || die "the good module cannot be loaded"
		limit=1200
		say "try $where with the good module"
		step good "$where"
		[ "$results" -gt 0 ] || wrong=${wrong:-no results}
		if [ -n "$wrong" ]; then
			doubt "$mutant" "${caught%%:*}" "${caught#*: }; then the good module: $wrong"
		fi
		case $TCE_CONFIRM:$caught in
		:*"the kernel complained"*) ;;
		:*)
			want=$results
			change_to "$mutant" || doubt "$mutant" loading "it cannot be loaded or unloaded"
			limit=1200
			say "try $where again"
			run_mutant "$mutant" "$where" ||
				doubt "$mutant" "${caught%%:*}" "${caught#*: }; not so the second time"
			case $wrong in
			*"it hangs"*|*"be unloaded"*) doubt "$mutant" "${caught%%:*}" "$wrong" ;;
			esac
			;;
		esac
		;;
	esac
	say "caught $mutant by $caught"
	# After its first complaint lockdep sees nothing more, and an oops leaves locks and
	# memory behind: the others get a new guest.
	! grep -qs "debug_locks: *0" /proc/lockdep_stats || exit 0
	case "$caught; $wrong" in
	*"BUG: "*) exit 0 ;;
	esac
done </mutants/list
say "all done"
