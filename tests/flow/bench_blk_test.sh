#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures of `pciring-bench blk': names, and that
# there are all of them.  Whether they are good is not for a test on a busy
# machine to say.  That disks gave what was written to them is checked by the
# measurement itself, which ends with 2 if not.
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}
out=$(mktemp "${PCIRING_TEST_TMP:-/tmp}/bench_blk.XXXXXX")
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
	"$bin/pciring-bench" blk --json "${@:2}" >"$out" 2>"$out.why"
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

refuses blk_refuses_an_option_that_it_does_not_have --functions 4
refuses blk_refuses_a_backend_that_there_is_not --backend floppy
refuses blk_refuses_a_ring_that_there_is_not --ring round
refuses blk_refuses_an_order_that_there_is_not --order out
refuses blk_refuses_no_rounds --rounds 0
refuses blk_refuses_too_many_rounds --rounds 61
refuses blk_refuses_an_option_without_a_value --ring

timeout 100 "$bin/pciring-bench" blk --quick --json --rounds 1 >"$out" ||
	fail "blk_ends_with_0: $?"
holds blk_writes_json_lines_and_nothing_else 'length >= 10'
holds blk_lines_have_the_promised_keys \
	'all(.bench == "blk" and
	 ([.size, .depth, .iops, .ns, .ns_p99, .cpu_ns, .pingpong_ns, .ratio,
	   .kicks, .rounds] | all(type == "number")) and
	 ([.backend, .ring, .op, .chain, .among, .order, .placement, .cpu] |
	  all(type == "string")))'
holds blk_measures_each_backend_size_and_depth_on_split_rings \
	'[.[] | select(.ring == "split" and .op == "read" and
	   .chain == "direct" and .among == "disk" and (.backend | IN("ram", "null"))) |
	  [.backend, .size, .depth]] | unique - [["ram", 512, 4]] ==
	 [["null", 512, 1], ["null", 512, 32], ["null", 4096, 1],
	  ["null", 4096, 32], ["ram", 512, 1], ["ram", 512, 32],
	  ["ram", 4096, 1], ["ram", 4096, 32]]'
holds blk_measures_files_on_both_rings \
	'[.[] | select(.backend == "file" and .size == 512) |
	  [.ring, .depth]] | unique == [["packed", 1], ["packed", 4],
	  ["packed", 32], ["split", 1], ["split", 4], ["split", 32]]'
holds blk_tells_one_sector_and_huge_pages_from_any_of_the_disk \
	'[.[].among] | unique == ["disk", "disk, huge pages", "one sector"]'
holds blk_iops_are_what_ns_say \
	'all(.ns > 0 and .iops > 0 and ((.iops * .ns / 1e9) - 1 | fabs) < 0.01)'
# In one short block the host's clock of CPU time may not have ticked.
holds blk_takes_cpu_time_and_a_ping_pong_of_the_same_round \
	'any(.cpu_ns > 0) and
	 all(.cpu_ns >= 0 and .pingpong_ns > 0 and .ns_p99 >= .ns)'
holds blk_tells_the_stages_of_one_request_at_depth_1_only \
	'all((.depth == 1) == (([.write_ns, .show_ns, .wait_ns, .take_ns] |
	  all(type == "number" and . > 0))))'
holds blk_asks_of_512_bytes_at_depth_1_five_ping_pongs_where_they_are_known \
	'[.[] | select(.placement != "mixed" and .size == 512 and
	   .depth == 1 and .op == "read" and .chain == "direct" and
	   .among == "disk" and .backend != "file")] | all(.bound == 5)'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
