# SPDX-License-Identifier: BSD-3-Clause
#
# report_targets.jq - what was promised, and what the figures say to it
#
# targets: [{ bench, claim, value, limit, least, unit, note }].  value is null
# if it was not measured; least: the limit is one from below.
include "plot_charts";

def at_most($bench; $claim; $limit; $unit; value): { bench: $bench,
	claim: $claim, limit: $limit, unit: $unit, value: ([value] | max) };
def at_least($bench; $claim; $limit; $unit; value):
	at_most($bench; $claim; $limit; $unit; value) + { least: true };

def shipped: of("bus") | map(select(.structure == "pciring"));
# How ranges lie decides much: far from each other, or packed behind bridges.
def groups: [{ name: "spread", layouts: ["random"] },
	{ name: "packed", layouts: ["dense", "host"] }][];
def all_groups: groups, { name: "ports", layouts: ["pio"] };
def lies($group): select(.layout | among($group.layouts));
def hits($what; $limit; $from; $to): groups as $group |
	at_most("bus"; "hits, \($what), \($group.name)"; $limit;
		"times the floor"; shipped | uniform("latency")[] |
		lies($group) | select(.n >= $from and .n <= $to) | .ratio);
# One by one from none, or to none, is asked beside a bus that stays as full.
def changed($all; $group): shipped[] | lies($group) |
	select(.mode | among(["insert", "remove", "move"])) |
	select((.pattern | among(["grow", "shrink"])) == $all) | .ns;
def build_ms: .ns / 1e6;

# A figure through that of a like one, which has the other mode or structure.
def over(pick; like): . as $all | pick | . as $f | $all[] |
	select(.n == $f.n and .layout == $f.layout and like) | $f.ns / .ns;

def bus_targets: [
	hits("up to 512 ranges"; 1.75; 0; 512),
	hits("4096 ranges"; 2.1; 513; 4096),
	hits("65536 ranges (up to 262144)"; 2; 4097; 262144),
	hits("1048576 ranges"; 1.2; 262145; 1048576),
	(groups as $group |
	at_most("bus"; "batches of 16, 1048576 ranges, \($group.name)"; 0.2;
		"times the floor of single look-ups";
		of("bus") | over(shipped | uniform("batch")[] | lies($group) |
			select(.n >= 1048576); .structure == "floor" and
			.mode == "latency" and .pattern == "uniform"))),
	(groups as $group |
	at_most("bus"; "hits in a hot set of 8, at every size, \($group.name)";
		2; "times the floor of 8 ranges";
		shipped[] | lies($group) | select(.mode == "latency" and
			.pattern == "hot-8") | .ratio_floor8 // empty)),
	(all_groups as $group |
	at_most("bus"; "misses, at every size, \($group.name)"; 1;
		"times a hit"; shipped | over(.[] | lies($group) |
			select(.mode == "latency" and .pattern == "miss");
			.mode == "latency" and .pattern == "uniform"))),
	at_most("bus"; "hits among I/O ports"; 1.75; "times one load";
		shipped | uniform("latency")[] | select(.layout == "pio") |
		.ratio),
	(all_groups as $group |
	at_most("bus"; "insert, remove or move one of many, at every size, " +
		$group.name; 200; "ns"; changed(false; $group))),
	(groups as $group |
	at_most("bus"; "insert all one by one, remove all, at every size, " +
		$group.name; 200; "ns each"; changed(true; $group))),
	at_most("bus"; "build of 65536 ranges at once"; 15; "ms";
		shipped[] | select(.mode == "build" and .n == 65536) |
		build_ms),
	(groups as $group |
	at_most("bus"; "memory a range, from 512 ranges on, \($group.name)";
		64; "bytes"; shipped[] | lies($group) |
		select(.mode == "memory" and .n >= 512) | .bytes))];

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

# Lines of the size that a target is about have a bound.
def judged($metric; $what): map(select(.metric == $metric and .bound and
	($what == null or .what == $what))) | .[].value;
def scale_targets: of("scale") | [
	at_most("scale"; "reading one among 4096 idle functions"; 1.1;
		"times one alone"; judged("register_ratio"; "idle")),
	at_most("scale"; "a request of one among 4096 idle functions"; 1.1;
		"times one alone"; judged("roundtrip_ratio"; "idle")),
	at_most("scale"; "memory of an idle function, of 4096"; 4096;
		"bytes beside its rings"; judged("function_memory"; "idle")),
	at_most("scale"; "4096 functions are created"; 1000; "ms";
		judged("create"; null))];

# Each figure carries its own limit, which depends on where the cores were.
def nearness: if .placement == "apart" then "cores apart"
	else "cores \(.placement)" end;
def blk_name: "\(.backend)\(if .among | . == null or . == "disk" then "" else
	", \(.among)" end), \(.ring) ring, 512 B, depth \(.depth), \(nearness)";
def blk_targets: [of("blk")[] | select(.bound) | at_most("blk"; blk_name;
		.bound; "ping-pongs of the same round"; .ratio)] +
	[of("blk")[] | select(.least_iops) | at_least("blk"; blk_name;
		.least_iops / 1e6; "million a second"; .iops / 1e6)] |
	if length > 0 then . else
		[at_most("blk"; "512 B, depth 1"; 5;
			"ping-pongs of the same round"; empty)] end;

def net_targets: [of("net")[] | select(.ratio) | at_least("net";
		"\(.way), \(.ring) ring, \(.size) B"; .least_ratio;
		"times vhost and virtio-user"; .ratio)] |
	if length > 0 then . else
		[at_least("net"; "frames a second"; 1;
			"times vhost and virtio-user"; empty)] end;

def targets: bus_targets + ring_targets + irq_targets + proxy_targets +
	blk_targets + net_targets + scale_targets;
def verdict: if .value == null then "not measured"
	elif (if .least then .value >= .limit else .value <= .limit end)
	then "met" else "missed" end;
