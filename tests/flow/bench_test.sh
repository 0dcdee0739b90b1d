#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures: their names, and that there are all of
# them.  Whether they are good is not for a test on a busy machine to say.
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}
bench=$(dirname "$0")/../../bench
out=$(mktemp "${PCIRING_TEST_TMP:-/tmp}/bench.XXXXXX")
trap 'rm -rf "$out" "$out.all" "$out.svg"' EXIT
passed=0 failed=0 skipped=0

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
	echo "skipped: the polling consumer needs a CPU of its own"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

# bus and scale have tests of their own: in a short run, only what is left.
names=${PCIRING_TEST_FULL:+all}
for name in ${names:-irq proxy ring}; do
	timeout 250 "$bin/pciring-bench" "$name" --quick --json >>"$out.all"
	status=$?
	# 1: a bound was not kept, which this machine may be too busy for.
	[ $status -le 1 ] || fail "${name}_ends_with_at_most_1: $status"
done
cp "$out.all" "$out"
if [ -n "$names" ]; then
	holds all_measures_each \
		'[.[].bench] | unique == ["blk", "bus", "irq", "net", "proxy", "ring", "scale"]'
else
	holds irq_proxy_and_ring_measure_themselves_only \
		'[.[].bench] | unique == ["irq", "proxy", "ring"]'
fi
# figures_of BENCH: what the claims that follow are about.
figures_of() {
	jq -c "select(.bench == \"$1\")" "$out.all" >"$out"
}

figures_of irq
holds irq_writes_json_lines_and_nothing_else 'length > 40'
holds irq_lines_have_the_promised_keys \
	'all(.bench == "irq" and (.stage | type) == "string" and
	 (.sink | type) == "string" and
	 ([.ns, .p99_ns, .enqueue_ns, .call_ns] | all(type == "number")))'
holds irq_measures_each_stage_alone \
	'[.[].stage] | unique == ["cascade", "gsi", "intx", "ioapic", "msix",
	 "virtio", "virtio_pci"]'
holds irq_measures_the_cascade_at_depths_1_to_8_into_each_sink \
	'[.[] | select(.stage == "cascade")] | group_by(.sink) |
	 length >= 4 and all([.[].depth] == [range(1; 9)])'
holds irq_depth_is_of_the_cascade_only \
	'all((.stage == "cascade") == has("depth"))'
holds irq_takes_time 'all(.ns > 0 and .p99_ns >= .ns)'
holds irq_has_every_sink_of_this_machine \
	"[.[].sink] | unique - [\"kvm\"] ==
	 [\"callback\", \"eventfd\", \"none\", \"ring\"]"

figures_of ring
holds ring_writes_json_lines_and_nothing_else 'length > 40'
holds ring_lines_have_the_promised_keys \
	'all(.bench == "ring" and
	 ([.path, .what, .wait, .placement, .cpu] | all(type == "string")) and
	 ([.gap_us, .vcpus, .p50_ns, .p99_ns, .p999_ns, .ratio, .mmsg_s] |
	  all(type == "number")))'
holds ring_measures_every_path \
	'[.[].path] | unique == ["eventfd", "irq", "mailbox", "pingpong",
	 "posted", "rings", "rings_mp", "socket"]'
holds ring_measures_both_forms_with_1_8_and_64_vcpus_at_each_gap \
	'[.[] | select(.what == "whole channel" and .mmsg_s == 0)] |
	 group_by([.path, .gap_us]) | length == 6 and
	 all([.[].vcpus] | sort == [1, 8, 64])'
holds ring_measures_sleepers_on_each_side \
	'[.[] | select(.path == "mailbox") | .wait] | unique ==
	 ["futex", "idle", "spin"]'
holds ring_says_where_it_ran \
	'all((.cpus | length == 2 and .[0] != .[1]) and .page_bytes >= 4096 and
	 (.placement as $p | .placements | index($p) != null))'
holds ring_figures_are_in_order \
	'all(.p50_ns > 0 and .p99_ns >= .p50_ns and .p999_ns >= .p99_ns and
	 .ratio > 0 and .probe_ns > 0)'
holds ring_tells_a_rate_of_messages_and_of_them_only \
	'all((.mmsg_s > 0) == (.path == "posted" or .path == "irq"))'
if ! command -v gnuplot >/dev/null; then
	echo "skipped: no gnuplot to plot with (make deps)"
	skipped=1
elif "$bench/plot" "$out" "$out.svg" >/dev/null &&
	python3 -c 'import sys, xml.dom.minidom as xml
text = xml.parse(sys.argv[1]).documentElement.toxml()
assert all(path in text for path in sys.argv[2:]), text' \
		"$out.svg/ring.svg" pingpong mailbox rings socket eventfd &&
	[ -s "$out.svg/ring-one-way.svg" ]; then
	passed=$((passed + 1))
else
	fail ring_plot_is_xml_and_shows_each_path
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
