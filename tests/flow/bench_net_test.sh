#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures of `pciring-bench net': names, and that
# there are all of them.  Whether they are good is not for a test on a busy
# machine to say.  That frames have their length is checked by the measurement
# itself, which ends with 2 if not.
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}
out=$(mktemp "${PCIRING_TEST_TMP:-/tmp}/bench_net.XXXXXX")
trap 'rm -f "$out"' EXIT
passed=0 failed=0

# holds CLAIM FILTER: the jq FILTER over all lines is true.
holds() {
	if jq -es "$2" "$out" >/dev/null 2>&1; then
		passed=$((passed + 1))
	else
		fail "$1"
		head -n 3 "$out"
	fi
}
fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
}
# refuses CLAIM OPTION...: a usage error, said on stderr.
refuses() {
	"$bin/pciring-bench" net --json "${@:2}" >"$out" 2>"$out.why"
	if [ $? = 2 ] && [ ! -s "$out" ] && grep -q -- --ring "$out.why"; then
		passed=$((passed + 1))
	else
		fail "$1"
	fi
	rm -f "$out.why"
}

if ! command -v jq >/dev/null; then
	echo "skipped: no jq to read the figures with (make deps)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
if [ "$(nproc)" -lt 2 ]; then
	echo "skipped: a service that polls needs a CPU of its own"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

refuses net_refuses_an_option_that_it_does_not_have --machines 4
refuses net_refuses_a_backend_that_there_is_not --backend ram
refuses net_refuses_a_ring_that_there_is_not --ring round
refuses net_refuses_no_rounds --rounds 0
refuses net_refuses_an_option_without_a_value --backend

timeout 100 "$bin/pciring-bench" net --quick --json --rounds 1 \
	--ring split >"$out" ||
	fail "net_ends_with_0: $?"
holds net_writes_json_lines_and_nothing_else 'length >= 4'
holds net_lines_have_the_promised_keys \
	'all(.bench == "net" and
	 ([.size, .depth, .iops, .ns, .ns_p99, .cpu_ns, .pingpong_ns, .kicks,
	   .rounds] | all(type == "number")) and
	 ([.service, .backend, .ring, .way, .cpu] | all(type == "string")))'
holds net_measures_the_rival_each_way_with_both_sizes \
	'[.[] | select(.service == "vhost") | [.ring, .way, .size]] | sort ==
	 ([["split"], ["rx", "tx"], [64, 1500]] | [combinations] | sort)'
holds net_compares_ours_with_the_rival_of_the_same_round \
	'[.[] | select(.service == "pciring" and .backend == "null")] |
	 all(.ratio > 0 and .least_ratio == 1)'
holds net_frames_a_second_are_what_ns_say \
	'all(.ns > 0 and .iops > 0 and ((.iops * .ns / 1e9) - 1 | fabs) < 0.01)'
holds net_takes_cpu_time_and_a_ping_pong_of_the_same_round \
	'all(.cpu_ns > 0 and .pingpong_ns > 0 and .ns_p99 >= .ns)'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
