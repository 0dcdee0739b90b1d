#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures of `pciring-bench scale': names, and that
# there are all of them.  Whether they are good is not for a test on a busy
# machine to say.  That answers were right and whatever was offered came back
# is checked by the measurement itself, which ends with 2 if not.
# shellcheck disable=SC2016 # jq has variables, too
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}
dir=$(mktemp -d "${PCIRING_TEST_TMP:-/tmp}/bench_scale.XXXXXX")
out=$dir/figures
trap 'rm -rf "$dir"' EXIT
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

timeout 100 "$bin/pciring-bench" scale --quick --json \
	--functions 32 --machines 4 >"$out" || fail "scale_ends_with_0: $?"
holds scale_writes_json_lines_and_nothing_else 'length > 40'
holds scale_lines_have_the_promised_keys \
	'all(.bench == "scale" and
	 ([.functions, .machines, .loops, .value, .lanes, .rounds] |
	  all(type == "number")) and
	 ([.metric, .unit, .what, .backend, .cpu] | all(type == "string")) and
	 (.shared_cpu | type) == "boolean")'
holds scale_measures_the_size_it_was_told_beside_one_alone \
	'all((.what == "alone" and .functions == 1 and .machines == 1) or
	 (.functions == 32 and .machines == 4))'
holds scale_rates_are_of_both_backends_and_of_one_and_two_loops \
	'[.[] | select(.unit == "1/s" and .what == "")] |
	 group_by([.backend, .loops]) | length == 4 and
	 all([.[].metric] | sort ==
	  ["chains", "interrupts", "kicks", "registers"])'
holds scale_tells_whether_kicks_were_posted \
	'all((.metric | IN("kicks", "chains", "interrupts")) as $kicks |
	 ($kicks | not) or (.posted | type) == "boolean")'
holds scale_latency_is_alone_among_idle_and_among_busy_ones \
	'[.[] | select(.unit == "ns")] | group_by(.what) | length == 3 and
	 all([.[].metric] | sort == ["register_p50", "register_p99",
	  "register_p999", "roundtrip_p50", "roundtrip_p99", "roundtrip_p999"])'
holds scale_quantiles_are_in_order \
	'def q($what): . as $all | ["50", "99", "999"] | map(. as $p | $all[] |
	  select(.what == $what and .metric == "register_p" + $p) | .value);
	 [q("alone"), q("idle"), q("busy")] | all(length == 3 and . == sort)'
holds scale_compares_idle_and_busy_with_alone \
	'[.[] | select(.unit == "ratio") | .metric + " " + .what] | sort ==
	 ["register_ratio busy", "register_ratio idle",
	  "roundtrip_ratio busy", "roundtrip_ratio idle"]'
holds scale_tells_what_functions_and_machines_cost \
	'[.[] | select(.unit | IN("ms", "us", "bytes")) | .metric] | unique ==
	 ["create", "create_one", "destroy", "destroy_machines", "destroy_one",
	  "function_memory", "machine_memory"]'
holds scale_fairness_is_of_equals_and_beside_a_flood_with_each_loops \
	'[.[] | select(.unit == "jain") | "\(.what) \(.loops)"] | sort ==
	 ["equal 1", "equal 2", "flood 1", "flood 2"]'
holds scale_fairness_is_an_index_and_a_share_a_share \
	'all(.unit != "jain" and .unit != "share" or
	 (.value > 0 and .value <= 1))'
holds scale_values_are_positive 'all(.value > 0)'

"$bin/pciring-bench" scale --functions >"$out" 2>&1
[ $? = 2 ] || fail scale_refuses_an_option_without_a_value

# ours: processes that use a directory of a measurement of ours.
ours() {
	pgrep -f -- "--dir $dir/pciring-bench-"
}

# is_ended_cleanly SIGNAL STATUS MEASUREMENT [OPTION...]: by SIGNAL, once its
# programs run.
is_ended_cleanly() {
	local signal=$1 want=$2 bench status
	shift 2
	# Not a job of this shell's: these ignore SIGINT.
	TMPDIR=$dir python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$bin/pciring-bench" "$@" \
		>/dev/null 2>&1 &
	bench=$!
	for _ in $(seq 500); do
		ours >/dev/null && break
		kill -0 $bench 2>/dev/null || break
		sleep 0.02
	done
	kill "-$signal" $bench
	wait $bench
	status=$?
	if [ $status != "$want" ]; then
		fail "$1_ends_by_the_signal_that_ends_it: $signal: $status"
	elif find "$dir" -name 'pciring-bench-*' | grep -q .; then
		fail "$1_leaves_no_files_behind_after_a_signal: $signal"
	elif ours; then
		fail "$1_leaves_no_processes_behind_after_a_signal: $signal"
	else
		passed=$((passed + 1))
	fi
}

is_ended_cleanly TERM 143 scale --json --functions 512 --machines 4
is_ended_cleanly INT 130 scale --json --functions 512 --machines 4
is_ended_cleanly TERM 143 proxy
is_ended_cleanly INT 130 proxy
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
