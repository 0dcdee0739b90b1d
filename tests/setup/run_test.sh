#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The test runner: what must not pass unnoticed.
set -u
run=$(dirname "$0")/../run
PCIRING_BUILD=$(mktemp -d)
export PCIRING_BUILD
trap 'rm -rf "$PCIRING_BUILD"' EXIT
passed=0 failed=0

# expect CLAIM LAST-LINE STATUS PATTERN COMMAND...
expect() {
	local claim=$1 last=$2 status=$3 pattern=$4 out rc
	shift 4
	out=$("$run" "$@" 2>&1)
	rc=$?
	if [ "$(tail -n 1 <<<"$out")" = "$last" ] && [ $rc = "$status" ] &&
		grep -q -- "$pattern" <<<"$out"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED: %s (status %s)\n%s\n' "$claim" $rc "$out"
	fi
}

sum='echo 2 passed, 0 failed, 1 skipped'
expect adds_up_what_two_scripts_say \
	'4 passed, 0 failed, 2 skipped' 0 . "$sum" "$sum"
expect counts_tap_and_shows_the_reason_of_a_skip \
	'1 passed, 0 failed, 1 skipped' 0 'sk: no kvm here' \
	"printf '1..2\nok 1 - a\nno kvm here\nnot ok 2 # SKIP sk\n'"
expect shows_the_output_of_a_failing_program \
	'1 passed, 1 failed, 0 skipped' 1 '0x1 != 0x2' \
	"printf '1..2\nok 1 - a\nnot ok 2 - b\n# 0x1 != 0x2\n'; exit 1"
expect a_crash_is_a_failure \
	'1 passed, 1 failed, 0 skipped' 1 'signal 11' \
	"printf '1..2\nok 1 - a\n'; kill -SEGV \$\$"
expect a_bad_exit_status_is_a_failure_whatever_was_said \
	'2 passed, 1 failed, 1 skipped' 1 'exit status 66' "$sum; exit 66"
expect stopping_half_way_is_a_failure \
	'1 passed, 1 failed, 0 skipped' 1 'after 1 of 2' \
	"printf '1..2\nok 1 - a\n'"
expect testing_nothing_is_a_failure \
	'0 passed, 1 failed, 0 skipped' 1 'tested nothing' true
expect running_out_of_time_is_a_failure \
	'0 passed, 1 failed, 0 skipped' 1 'killed after 1 s' -t 1 'sleep 9'
expect a_grandchild_that_stays_holds_up_nobody \
	'2 passed, 0 failed, 1 skipped' 0 . -v -t 5 "sleep 9 & $sum"
expect a_failing_part_does_not_hide_the_next \
	'2 passed, 1 failed, 1 skipped' 1 'exit status 1' -v false "$sum"
all_skipped='echo 0 passed, 0 failed, 1 skipped'
expect skipping_is_no_failure \
	'0 passed, 0 failed, 1 skipped' 0 . "$all_skipped"
expect skipping_is_not_enough_where_something_must_pass \
	'0 passed, 0 failed, 1 skipped' 1 . -p "$all_skipped"
# The first ends when the second did what it waits for.
met=$PCIRING_BUILD/met
expect two_at_a_time_may_wait_for_each_other \
	'4 passed, 0 failed, 2 skipped' 0 . -j 2 -t 20 \
	"until [ -e $met ]; do sleep 0.01; done; $sum" "touch $met; $sum"
expect a_failure_beside_others_is_counted_and_named \
	'4 passed, 1 failed, 2 skipped' 1 'bad *0 passed, 1 FAILED (died' -j 3 \
	"$sum #one" "kill -ABRT \$\$ #/bad" "$sum #two"
rm -f "$met"
expect one_at_a_time_is_what_it_does_otherwise \
	'2 passed, 1 failed, 1 skipped' 1 'killed after 1 s' -t 1 \
	"until [ -e $met ]; do sleep 0.01; done; $sum" "touch $met; $sum"
expect no_commands_at_all_is_a_failure \
	'0 passed, 0 failed, 0 skipped' 1 .

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
