# SPDX-License-Identifier: BSD-3-Clause
#
# report_targets.jq - what was promised, and what the figures say to it
#
# targets: [{ bench, claim, value, limit, least, unit, note }].  value is null
# if it was not measured; least: the limit is one from below.
include "plot_charts";
include "report_scale";

def at_most($bench; $claim; $limit; $unit; value): { bench: $bench,
	claim: $claim, limit: $limit, unit: $unit, value: ([value] | max) };
def at_least($bench; $claim; $limit; $unit; value):
	at_most($bench; $claim; $limit; $unit; value) + { least: true };

def shipped: of("bus") | map(select(.structure == "pciring"));
def hits($mode): uniform($mode) | map(select(.layout == "random"));
def ratio_of($from; $to): shipped | hits("latency")[] |
	select(.n >= $from and .n <= $to) | .ratio;

# The floor of dependent look-ups that a figure is to be compared with.
def floor_at($n): of("bus") | hits("latency") |
	map(select(.structure == "floor" and .n == $n) | .ns) | first;
def build_ms: .ns / 1e6;

def bus_targets: . as $all | [
	at_most("bus"; "random hits, up to 512 ranges"; 1.75;
		"times the floor"; ratio_of(0; 512)),
	at_most("bus"; "random hits, 4096 ranges"; 2.1; "times the floor";
		ratio_of(4096; 4096)),
	at_most("bus"; "random hits, 65536 ranges"; 2; "times the floor";
		ratio_of(65536; 65536)),
	at_most("bus"; "random hits, 1 Mi ranges"; 1.2; "times the floor";
		ratio_of(1048576; 1048576)),
	at_most("bus"; "batches of 16, 1 Mi ranges"; 0.2;
		"times the floor of dependent look-ups";
		floor_at(1048576) as $floor | shipped | hits("batch")[] |
		select(.n == 1048576 and $floor != null) | .ns / $floor),
	at_most("bus"; "build of 65536 ranges at once"; 15; "ms";
		shipped[] | select(.mode == "build" and .n == 65536) |
		build_ms),
	at_most("bus"; "insert, remove or move one, at every size"; 200; "ns";
		shipped[] | select(.mode | among(["insert", "remove",
			"move"])) | .ns),
	at_most("bus"; "memory a range, at every size"; 64; "bytes";
		shipped[] | select(.mode == "memory") | .bytes),
	at_most("bus"; "hits in a hot set of 8, at every size"; 2;
		"times the floor of 8 ranges";
		floor_at(8) as $floor | shipped[] | select($floor != null and
			.mode == "latency" and .layout == "random" and
			(.pattern | test("hot"))) | .ns / $floor),
	at_most("bus"; "misses, at every size"; 1; "times a hit";
		(shipped | hits("latency")) as $hits | shipped[] |
		select(.mode == "latency" and .layout == "random" and
			.pattern == "miss") | . as $miss | $hits[] |
		select(.n == $miss.n) | $miss.ns / .ns)];

def one_way($path): ring_place | map(select(.path == $path and
	(.what | test("bare") | not)) | .mmsg_s) | max;
def ring_targets: . as $all |
	[ring_place[] | select(.bound) | at_most("ring";
		"\(.path), \(.what)\(vcpus)"; .bound; "times the ping-pong";
		.ratio)] |
	if length > 0 then . else
		[at_most("ring"; "a question and its answer by mailbox"; 1.25;
			"times the ping-pong"; empty)] end +
	($all | [at_least("ring"; "doorbells one way"; 50;
			"million a second"; one_way("posted") // empty),
		at_least("ring"; "interrupts one way"; 50;
			"million a second"; one_way("irq") // empty)]);

def irq_targets: of("irq") | [
	at_most("irq"; "the whole cascade into the interrupt ring"; 10;
		"ns more than a bare enqueue"; .[] | select(.stage == "cascade"
			and .sink == "ring" and .depth == 3) | .over_enqueue_ns),
	at_most("irq"; "an interrupt that is masked"; 5; "ns";
		.[] | select(.what == "masked raise") | .ns)];

def proxy_targets: [at_most("proxy"; "an access through the proxy"; 2;
	"times a bare socket's round trip";
	of("proxy")[] | select(.path == "proxy") | .ratio)];

def targets: bus_targets + ring_targets + irq_targets + proxy_targets +
	scale_targets;
def verdict: if .value == null then "not measured"
	elif (if .least then .value >= .limit else .value <= .limit end)
	then "met" else "missed" end;
