# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# lib.sh - what every script in this folder needs: places, words, a cache
#
# Sourced, never run.  Sets
#   top     the root of the tree
#   cache   where QEMU, the guest kernel and the initramfs are kept; it is
#           the same for every flavour of build
#   bin     the programs under test (PCIRING_BIN=DIR chooses another flavour)

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
top=$(cd "$guest_dir/../.." && pwd -P)
cache=$top/build/cache
bin=${PCIRING_BIN:-$top/build/bin}
me=$(basename "$0")

# Progress goes to stderr with the seconds since the script began.
say()
{
	printf '%s: [%3d s] %s\n' "$me" "$SECONDS" "$*" >&2
}

# No script ends without a word: this one is for what nobody foresaw.
trap 'say "stopped at: $BASH_COMMAND"' ERR

die()
{
	printf '%s: error: %s\n' "$me" "$*" >&2
	exit 1
}

need()
{
	local program=$1 package=$2

	command -v "$program" >/dev/null 2>&1 ||
		die "'$program' is missing; install it: apt-get install $package"
}

# show_tail FILE [LINES]: the end of a log, indented, on stderr.
show_tail()
{
	[ -s "$1" ] || return 0
	printf '%s: the end of %s:\n' "$me" "$1" >&2
	tail -n "${2:-20}" "$1" | tr -d '\r' | sed 's/^/    /' >&2
}

# cached DIR COMMAND...: make DIR exist and be complete.
#
# COMMAND fills DIR.new, which becomes DIR by a rename, so an interrupted run
# leaves no DIR and is simply done again.  Of two that run at the same time
# the second waits, and then finds the work done.
cached()
{
	local dir=$1
	shift

	[ -d "$dir" ] && return 0
	need flock util-linux
	mkdir -p "$(dirname "$dir")"
	[ -w "$(dirname "$dir")" ] ||
		die "$(dirname "$dir") belongs to another user; remove it first"
	(
		flock -n 9 || { say "waiting for another run"; flock 9; }
		[ -d "$dir" ] && exit 0
		rm -rf "$dir.new"
		mkdir "$dir.new"
		"$@" "$dir.new" 9>&-
		mv -T "$dir.new" "$dir"
	) 9>"$dir.lock"
}
