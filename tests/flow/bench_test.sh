#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the figures: their names, and that there are all of
# them.  Whether they are good is not for a test on a busy machine to say.
set -u
bin=${PCIRING_BIN:-$(dirname "$0")/../../build/bin}
out=$(mktemp "${PCIRING_TEST_TMP:-/tmp}/bench.XXXXXX")
trap 'rm -f "$out"' EXIT
passed=0 failed=0

# holds CLAIM FILTER: the jq FILTER over all lines is true.
holds() {
	if jq -es "$2" "$out" >/dev/null 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1"
		head -n 3 "$out"
	fi
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

timeout 50 "$bin/pciring-bench" irq --quick --json >"$out"
status=$?
# 1: a bound was not kept, which this machine may be too busy for.
[ $status -le 1 ] || echo "pciring-bench ended with $status"
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
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
