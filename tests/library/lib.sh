# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - what the tests of the installed library share
#
# claim NAME FUNCTION: the function proves it, silently, or says why not.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${PCIRING_BUILD:-$top/build}
tmp=$(mktemp -d "${PCIRING_TEST_TMP:-/tmp}/library.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

claim() {
	local out
	out=$("$1" 2>&1)
	if [ -z "$out" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED: %s\n%s\n' "$1" "$out"
	fi
}

summary() {
	echo "$passed passed, $failed failed, 0 skipped"
	[ $failed = 0 ]
}

# The calls that the public header declares.
declared() {
	gcc -E -P "$top/ring/pciring.h" | grep -v '^typedef' | tr '\n' ' ' |
		grep -oE 'pciring_[a-z_]+ ?\(' | tr -d ' (' | sort -u
}
