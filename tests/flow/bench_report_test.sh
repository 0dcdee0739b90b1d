#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a report has to say, whatever the figures: they are made up here.
set -u
bench=$(dirname "$0")/../../bench
tmp=$(mktemp -d "${PCIRING_TEST_TMP:-/tmp}/report.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

# claim NAME COMMAND...: the command succeeds.
claim() {
	if "${@:2}" >/dev/null 2>"$tmp/why"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1"
		head -n 5 "$tmp/why"
	fi
}
shows() { grep -qF -- "$1" "$page"; }
hides() { ! grep -qF -- "$1" "$page"; }
# row TEXT... : one row of a table has all of them, in that order.
row() {
	local re
	re=$(printf '%s.*' "$@")
	grep -q "<tr.*$re" "$page"
}
well_formed() {
	python3 -c 'import sys, xml.dom.minidom as xml
xml.parse(sys.argv[1])' "$page"
}

if ! command -v jq >/dev/null; then
	echo "skipped: no jq to read the figures with (make deps)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

machine='{"bench":"machine","cpu":"Made Up 9000","cpus":2,"virtual":"KVM",
	"kernel":"Linux 6","date":"2031-05-06 07:08 UTC","page_bytes":4096,
	"version":"0.1.0","commit":"abc1234"}'
# bus LAYOUT SIZE...: figures of three structures, 512 and up over the target.
bus() {
	jq -cn --arg layout "$1" 'range(0; 3) as $i |
	["pciring", "floor", "a&b<c"][$i] as $structure |
	$ARGS.positional[] | tonumber as $n |
	(if $i == 0 then if $n > 500 then 1.8 else 1.3 end
		else $i * 4 - 3 end) as $ratio |
	({ bench: "bus", structure: $structure, n: $n, layout: $layout,
		new_field: [1], ratio: $ratio, ns: ($ratio * 4) } |
		(.pattern = ("uniform", "hot-8", "miss") |
		.mode = ("latency", "throughput", "batch")),
		(.mode = ("insert", "remove", "move", "churn")),
		.mode = "build"),
	{ bench: "bus", structure: $structure, n: $n, layout: $layout,
		mode: "memory", bytes: (40 + $i * 41) }' \
		--args "${@:2}"
}
report() {
	page=$tmp/$1/report.html
	claim "$1_is_made" "$bench/report" "$tmp/$1.jsonl" "$tmp/$1"
	claim "$1_is_well_formed" well_formed
}
sections='The machine|Targets|What was measured|bus:|ring:|irq:|proxy:|blk:|net:|scale:'

# All kinds of figures; the last line is what a killed measurement leaves.
{
	jq -c . <<<"$machine"
	bus random 8 512 65536
	bus host 173
	cat <<-'END'
	{"bench":"run","name":"bus","form":"quick","status":1,"seconds":12}
	{"bench":"ring","path":"pingpong","what":"one word","wait":"spin","gap_us":4,"gap_min_us":0.1,"gap_max_us":8,"vcpus":1,"pace_ns":0,"p50_ns":200,"p99_ns":300,"p999_ns":400,"ratio":1,"mmsg_s":0,"placement":"one L3","cpus":[0,1],"cpu":"x"}
	{"bench":"ring","path":"mailbox","what":"whole channel","wait":"spin","gap_us":4,"gap_min_us":0.1,"gap_max_us":8,"vcpus":1,"pace_ns":0,"p50_ns":230,"p99_ns":300,"p999_ns":400,"ratio":1.15,"mmsg_s":0,"bound":1.25,"placement":"one L3","cpus":[0,1],"cpu":"x"}
	{"bench":"ring","path":"posted","what":"channel","wait":"spin","gap_us":0,"gap_min_us":0,"gap_max_us":0,"vcpus":1,"pace_ns":100,"p50_ns":30,"p99_ns":30,"p999_ns":40,"ratio":0.1,"mmsg_s":33,"placement":"one L3","cpus":[0,1],"cpu":"x"}
	{"bench":"irq","stage":"msix","what":"masked raise","sink":"none","ns":3,"p99_ns":4,"enqueue_ns":3,"over_enqueue_ns":0,"call_ns":7,"eventfd_ns":200,"per_s":300000000}
	{"bench":"irq","stage":"cascade","what":"virtio","sink":"ring","depth":3,"ns":30,"p99_ns":40,"enqueue_ns":9,"over_enqueue_ns":21,"call_ns":7,"eventfd_ns":200,"per_s":30000000}
	{"bench":"irq","stage":"cascade","what":"more","sink":"ring","depth":4,"ns":31,"p99_ns":40,"enqueue_ns":9,"over_enqueue_ns":22,"call_ns":7,"eventfd_ns":200,"per_s":30000000}
	{"bench":"run","name":"irq","form":"full","status":2,"seconds":3}
	{"bench":"proxy","path":"proxy","p50_ns":5000,"p99_ns":9000,"ratio":1.4}
	{"bench":"scale","functions":1,"machines":1,"metric":"latency_p50","value":1000,"unit":"ns","loops":1,"backend":"null"}
	{"bench":"scale","functions":4096,"machines":1,"metric":"create","value":1200,"unit":"ms","bound":1000,"loops":1,"backend":"null"}
	{"bench":"from another version"}
	{"bench":"scale","functions":40
	END
} >"$tmp/all.jsonl"
report all
for text in "Made Up 9000" "under KVM" "2031-05-06" "abc1234"; do
	claim "the_machine_is_told: $text" shows "$text"
done
IFS='|'
for section in $sections; do
	claim "section_is_there: $section" shows "$section"
done
unset IFS
claim a_missed_target_is_missed row "up to 512 ranges" 1.75 '>1.8<' '>missed<'
claim a_target_met_is_met row "65536 ranges" spread "2 times" '>1.8<' '>met<'
claim layouts_are_judged_apart row "65536 ranges" packed 'not measured'
claim a_minimum_is_one_from_below row "doorbells one way" "at least 50" \
	'>33<' '>missed<'
claim a_bound_that_a_line_carries_is_judged row scale "1000 ms" '1 \?200' \
	'>missed<'
claim what_has_no_figure_is_not_measured row "1048576 ranges" 'not measured'
claim the_cascade_of_a_function_counts row "whole cascade" '>21<' '>missed<'
claim the_form_and_the_end_are_said row bus "bound was not kept" "quick form"
claim one_that_broke_off_says_so_beside_its_figures row irq \
	"broken off (status 2)" "3 figures"
claim names_are_escaped shows 'a&amp;b&lt;c'
claim no_path_is_told hides "$PWD"
if command -v gnuplot >/dev/null; then
	for chart in bus-latency-random bus-ratio bus-change bus-memory ring \
		ring-one-way irq irq-cascade bus-latency-host; do
		claim "chart_is_drawn: $chart" shows "id=\"$chart-canvas\""
	done
else
	echo "skipped: no gnuplot to draw charts with (make deps)"
	skipped=1
fi

# One measurement came to nothing, one was killed, the others were not run.
{
	jq -c . <<<"$machine"
	echo '{"bench":"run","name":"bus","form":"full","status":2,"seconds":0}'
	echo '{"bench":"run","name":"irq","form":"full","status":124,"seconds":9}'
} >"$tmp/none.jsonl"
report none
claim a_failure_is_said row '>bus<' "could not be measured (status 2)"
claim running_out_of_time_is_said row '>irq<' "took too long"
claim what_was_not_run_is_said row '>scale<' "it was not run"
claim nothing_is_met_by_no_figures hides '>met<'

anonymous() {
	"$bench/report_machine" 0.1.0 >"$tmp/machine" &&
		jq -e '.bench == "machine" and .cpus > 0 and .version ==
			"0.1.0" and (.date | length) > 9' "$tmp/machine" &&
		! grep -wF -e "$(uname -n)" -e "$PWD" -e "$HOME" "$tmp/machine"
}
claim the_machine_is_described_without_its_name anonymous
claim tables_come_as_markdown sh -c "'$bench/report' --markdown \
	'$tmp/all.jsonl' | grep -q '^| bus | .*65536.* | 1.8 | met |\$'"
# What a document says of its own is left alone, what was generated goes.
into() {
	printf '%s\n' '# Mine' '<!-- figures -->' 'old' >"$tmp/doc.md"
	"$bench/report" --into "$tmp/doc.md" "$tmp/all.jsonl" &&
		grep -qx '# Mine' "$tmp/doc.md" && ! grep -qx old "$tmp/doc.md" &&
		grep -q '^| bus | .*| missed |$' "$tmp/doc.md"
}
claim a_document_takes_the_tables into
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
