# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
#
# Shared by the bash scripts here; sourced, never run.
#
# Sets: ROOT (the source tree), SCRIPTS, CACHE (everything downloaded or built
# once; safe to delete at any time).

set -euo pipefail
shopt -s inherit_errexit	# a $(command) ends with its first failure, too
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin	# depmod and the like

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$SCRIPTS")
CACHE=${XDG_CACHE_HOME:-~/.cache}/vfio-spapr-tce	# ~ holds without HOME, too

say() { printf '>> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 2; }

# What a script says of itself is at its head.
case ${1-} in
-h|--help)
	awk 'NR > 3 {if (!/^#/) exit; sub(/^# ?/, ""); print}' "$0"
	exit
	;;
esac

case $ROOT$CACHE in
*[[:space:]:]*) die "kbuild can't take spaces or colons in paths, as in $ROOT or $CACHE" ;;
esac
mkdir -p "$CACHE"

# Run a command as root: directly, or through sudo when we are somebody else.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this step needs root, and sudo is not installed: $*"
	fi
}

# quietly LOG COMMAND... - run what has much to say, the end of which is shown if it fails
quietly() (
	log=$1 what=$2
	exec 3>&2
	# With "||" behind the command, a function would go on after a failure.
	trap '[ $? -eq 0 ] || { tail -n 30 "$log" >&3; die "$what failed" 2>&3; }' EXIT
	"${@:2}" >"$log" 2>&1 </dev/null
)

# What judges a console: a module of scripts/harness
ktap() { PYTHONPATH=$SCRIPTS /usr/bin/python3 -m harness.ktap "$@"; }

# Hold the lock NAME until this script ends, so that two runs never build the
# same cache entry at once.
lock() {
	mkdir -p "$CACHE/locks"
	lock_file "$CACHE/locks/$1"
}

# The same for what is built in out/NAME.
lock_out() {
	mkdir -p "$ROOT/out/$1"
	lock_file "$ROOT/out/$1/build.lock"
}

lock_file() {
	exec {lock_fd}>"$1"
	if ! flock -n "$lock_fd"; then
		say "waiting for another run to finish with ${1##*/}"
		flock "$lock_fd"
	fi
}

work=
# Directory for building a cache entry: removed at exit unless it was renamed
# into its final place. Leaves its name in $work, and removes what that was before.
make_work() {
	drop_work
	mkdir -p "$CACHE/tmp"
	# What runs that were killed have left. (A directory into which a package is being unpacked
	# has the package's mtime.)
	find "$CACHE/tmp" -mindepth 1 -maxdepth 1 -ctime +3 -exec rm -rf {} + || true
	work=$(mktemp -d "$CACHE/tmp/XXXXXX")
	chmod 755 "$work"
	trap drop_work EXIT
}

# Some of it may be root's.
drop_work() {
	[ -z "$work" ] || rm -rf "$work" 2>/dev/null || as_root rm -rf "$work"
}

# cached ENTRY [FILE] - if the cache has it, say that it is in use, print where it is, and end
cached() {
	[ -e "$1${2:+/$2}" ] || return 0
	touch "$1"
	echo "$1${2:+/$2}"
	exit
}

# Put the finished $work (or its part $2) in its place $1, which is called
# .../what/key.
install_work() {
	rm -rf "$1"
	drop_old "$1"
	mv "$work${2:+/$2}" "$1"
}

# Drop what the other keys beside $1 left, unless it may still be in use, as by
# another checkout with another recipe.
drop_old() {
	mkdir -p "${1%/*}"
	find "${1%/*}" -mindepth 1 -maxdepth 1 -mtime +3 -exec rm -rf {} +
}

# Make a chroot $4 (or a tar) by mmdebstrap: variant $1, architecture $2, packages $3, of
# suites $5 and more; options in the array $debian_options. Its own apt sees these suites only;
# mirror and key are those of private-apt. The variant "extract", which installs nothing, needs no
# root.
debian_options=()
debian_root() {
	local variant=$1 cpu=$2 packages=$3 target=$4 sources suite command=(as_root mmdebstrap)
	shift 4
	if [ "$variant" = extract ]; then command=(mmdebstrap --mode=chrootless); fi
	sources=$(dirname "$("$SCRIPTS/image/private-apt" config)")/sources.list
	# How the machine reaches the mirror (proxy, stale mirrors) holds here too.
	apt-config dump | grep -E '^Acquire::(https?|ftp|Check)' >"$work/apt.conf" || true
	echo 'Acquire::Retries "5";' >>"$work/apt.conf"
	for suite in "$@"; do
		sed -n "s/^\(deb .*\) bookworm main$/\1 $suite main/p" "$sources"
	done | "${command[@]}" --quiet --variant="$variant" --architectures="$cpu" \
		"${debian_options[@]}" \
		--aptopt="$work/apt.conf" --include="$packages" "$1" "$target" - >&2 ||
		die "mmdebstrap could not make the chroot"
}

# in_chroot ROOT rw|ro "DIRECTORY..." COMMAND... - run it as root there, where these directories are
# those of this machine. The mounts are in a namespace of their own, and vanish with the command.
in_chroot() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_root unshare --mount sh -euc '
		root=$1
		# else nothing there could have mounts of its own
		mount --bind "$root" "$root"
		mount --bind /dev "$root/dev"
		mount -t proc proc "$root/proc"
		for dir in $3; do
			mkdir -p "$root$dir"
			mount --bind -o "$2" "$dir" "$root$dir"
		done
		shift 3
		exec chroot "$root" env -i PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root LC_ALL=C \
			"$@"
	' sh "$@"
}

# Short content key of its arguments (files are hashed by content).
key_of() {
	local arg files=()
	{
		for arg in "$@"; do
			if [ -f "$arg" ]; then files+=("$arg"); continue; fi
			if [ ${#files[@]} -gt 0 ]; then cat "${files[@]}"; files=(); fi
			printf '%s\n' "$arg"
		done
		if [ ${#files[@]} -gt 0 ]; then cat "${files[@]}"; fi
	} | sha256sum | cut -c1-12
}

# The row of kernels.conf for kernel $1, or of a source tree (build-kernel --tree), in the array
# $row; dies on an unknown name.
kernel_row() {
	local line files=("$SCRIPTS/image/kernels.conf")
	if [ -e "$ROOT/out/kernels.conf" ]; then files+=("$ROOT/out/kernels.conf"); fi
	line=$(awk -v n="$1" '$1 == n' "${files[@]}")
	[ -n "$line" ] || die "unknown kernel '$1' (known:" \
		"$(awk '/^[^#]/ { print $1 }' "${files[@]}" | xargs))"
	read -ra row <<<"$line"
}

# use_kernel NAME|FILE - read what fetch-kernel prints the path of, which is $env then, or such a
# FILE. What goes before the command that needs the tools of this kernel is in the array $tools.
use_kernel() {
	env=$1 tools=()
	[ -f "$env" ] || env=$("$SCRIPTS/image/fetch-kernel" "$1")
	# shellcheck disable=SC1090
	source "$env"
	if [ "$TOOLCHAIN" = sid ]; then tools=("$SCRIPTS/image/newest-debian"); fi
}

# write_env FILE CONFIG VARIABLE=VALUE... - what fetch-kernel prints the path of, for a kernel with
# this configuration
write_env() {
	local pages=4k order=big
	if grep -q '^CONFIG_PPC_64K_PAGES=y' "$2"; then pages=64k; fi
	if grep -q '^CONFIG_CPU_LITTLE_ENDIAN=y' "$2"; then order=little; fi
	printf '%s\n' ARCH=powerpc "PAGE=$pages" "ENDIAN=$order" "${@:3}" >"$1"
}
