# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# checks.sh - a table of claims, each with what the guest and the service say
#
# Sourced.  A row is one check; the last line adds them up.

nr_passed=0
nr_failed=0
nr_skipped=0

table_head()
{
	printf '\n%-38s %-22s %-22s %s\n' "$1" "$2" "$3" verdict
	printf '%.0s-' {1..90}
	echo
}

# check WHAT LEFT RIGHT CONDITION...: a row.  CONDITION is a command; it holds
# if it succeeds.
check()
{
	local what=$1 left=$2 right=$3 verdict=ok
	shift 3

	if "$@"; then
		nr_passed=$((nr_passed + 1))
	else
		nr_failed=$((nr_failed + 1))
		verdict=WRONG
	fi
	printf '%-38s %-22s %-22s %s\n' "$what" "${left:--}" "${right:--}" \
		"$verdict"
}

skip()
{
	echo "skipped: $*"
	nr_skipped=$((nr_skipped + 1))
}

# number VALUE...: each is a plain decimal number.
number()
{
	local value

	for value; do
		[[ $value =~ ^[0-9]+$ ]] || return 1
	done
}

positive() { number "$1" && ((10#$1 > 0)); }
at_least() { number "$1" "$2" && ((10#$1 >= 10#$2)); }
at_most() { number "$1" "$2" && ((10#$1 <= 10#$2)); }
# Above 0, and at most the other's.
some_of() { positive "$1" && number "$2" && ((10#$1 <= 10#$2)); }
same() { [ -n "$1" ] && [ "$1" = "$2" ]; }

# The last line of a script, and its exit status.
summary()
{
	echo "$nr_passed passed, $nr_failed failed, $nr_skipped skipped"
	exit $((nr_failed > 0 || nr_passed + nr_skipped == 0))
}
