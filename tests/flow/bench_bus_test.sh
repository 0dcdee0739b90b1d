#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures of the bus: names, and that all are there.
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}/pciring-bench
out=$(mktemp "${PCIRING_TEST_TMP:-/tmp}/bench_bus.XXXXXX")
trap 'rm -f "$out" "$out.ranges"' EXIT
passed=0 failed=0

# holds CLAIM FILTER: the jq FILTER over all lines is true.
holds() {
	if jq -es "$2" "$out" >/dev/null 2>&1; then
		passed=$((passed + 1))
	else
		fail "$1"
	fi
}
fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
}
# ends CLAIM STATUS ARGUMENT...
ends() {
	local claim=$1 want=$2 got
	shift 2
	timeout 100 "$bin" bus "$@" >"$out" 2>&1
	got=$?
	if [ $got = "$want" ]; then
		passed=$((passed + 1))
	else
		fail "$claim: $got, not $want"
	fi
}

if ! command -v jq >/dev/null; then
	echo "skipped: no jq to read the figures with (make deps)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

ends measures_part_of_it 0 --quick --json --rounds 1 --n 8,64 \
	--layout random,dense --pattern uniform,miss \
	--mode latency,throughput,batch,insert,remove,move,build,memory
all='["btree", "eytzinger", "floor", "granule", "linear", "mutex", "pagemap",
      "pciring", "rbtree", "rwlock", "sorted", "stree"]'
holds writes_json_lines_with_the_promised_keys \
	'all(.bench == "bus" and
	 ([.structure, .layout, .pattern, .mode, .cpu] |
	  all(type == "string")) and
	 ([.n, .ratio] | all(type == "number")) and
	 (if .mode == "memory" then .ns == null and .bytes > 0
	  else .ns > 0 end))'
holds has_every_structure_of_every_lookup \
	'[.[] | select(.mode == "latency" or .mode == "batch" or
		       .mode == "throughput")] |
	 group_by([.n, .layout, .pattern, .mode]) | length == 24 and
	 all([.[].structure] | sort == '"$all"')'
holds has_every_structure_of_every_change \
	'[.[] | select(.mode == "build" or .mode == "insert" or
		       .mode == "remove" or .mode == "move")] |
	 group_by([.n, .layout, .pattern, .mode]) | length == 24 and
	 all([.[].structure] | sort == '"$all"')'
holds ratio_of_the_floor_is_1 \
	'[.[] | select(.structure == "floor").ratio] | all(. == 1)'

printf '# two\nfebf0000-febf0fff : a name\n  febf1000-febf10ff\n' >"$out.ranges"
ends measures_a_range_file 0 --quick --json --rounds 1 --n 2,64 --layout host \
	--ranges "$out.ranges" --mode latency --structure pciring
holds range_file_is_repeated_for_more '[.[].n] | unique == [2, 64]'
echo 'febf0fff-febf0000' >"$out.ranges"
ends refuses_a_range_that_ends_before_it_begins 2 --quick --layout host \
	--ranges "$out.ranges"
ends refuses_an_unknown_layout 2 --layout square
ends refuses_no_ranges 2 --n 0
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
