# SPDX-License-Identifier: BSD-3-Clause
#
# plot_charts.jq - which charts there are, each made from all figures
#
# charts: { name: chart }, of those for which there are figures.
include "plot";

def of($bench): map(select(.bench == $bench));
def among($list): . as $x | $list | index($x) != null;

# "AMD EPYC 1234, 8 CPUs, virtual machine": under every title.
def machine: (of("machine") | first) as $m |
	if $m then $m.cpu + ", \($m.cpus) CPUs" + (if
		($m.virtual // "none") != "none" then ", virtual machine"
		else "" end) + ", \($m.date[:10])"
	else ([.[].cpu // empty] | first) // "machine not recorded" end;

def chart($all; $title; $more; $height; $panels): {
	title: $title, width: 1000, height: $height, panels: $panels,
	subtitle: (($all | machine) + (if $more then "; " + $more
		else "" end)),
};
def across: [[0.08, 0.245, 0.15, 0.80], [0.405, 0.57, 0.15, 0.80],
	[0.73, 0.895, 0.15, 0.80]];
def in_a_row: to_entries | map(.value + { box: across[.key] });
def one_box: [0.085, 0.86, 0.13, 0.84];
# Rows of one height, however many; room for a title above, a scale below.
def bar_height: 26 * length + 125;
def bar_box($left): (26 * length + 125) as $h |
	[$left, 0.93, 62 / $h, 1 - 62 / $h];

# pciring is thick and dark, the floor dashed and black; each rival has the
# colour that it has in all charts, by its place among all names.
def colour_of($names): . as $name |
	if . == "pciring" then ours
	elif . == "floor" then "#000000"
	else colours[(($names | index($name)) // 0) % (colours | length)] end;
def rivals: [.[].structure] | unique - ["pciring", "floor"];
def series($names; by; f): group_by(by) | map({
	name: (first | by), points: (map(select(f != null)) |
		group_by(.n) | map([.[0].n, (map(f) | min)])) } |
	.colour = (.name | colour_of($names)) |
	if .name == "pciring" then .width = 3.2
	elif .name == "floor" then .dash = true else . end);
def limit_line($points):
	{ name: "target", points: $points, dash: true, colour: "#b00020" };

def uniform($mode): map(select(.mode == $mode and .pattern == "uniform"));

def bus_latency($layout): . as $all | of("bus") | rivals as $names |
	uniform("latency") | map(select(.layout == $layout)) |
	([.[].n] | unique) as $sizes |
	"each look-up waits for the one before it" as $more |
	"Finding the range of an address, \($layout) layout" as $title |
	if length == 0 then empty
	elif ($sizes | length) > 1 then
		{ ("bus-latency-" + $layout): chart($all; $title; $more; 520; [{
			xlabel: "ranges on the bus", ylabel: "ns a look-up",
			x: "size", y: "log", box: one_box,
			series: series($names; .structure; .ns) }]) }
	else { ("bus-latency-" + $layout): chart($all;
		$title + ", \($sizes[0]) ranges"; $more; bar_height; [{
		xlabel: "ns a look-up", x: "linear", box: bar_box(0.17),
		rows: (sort_by(.ns) | map({ name: .structure, value: .ns,
			text: (.ns | short),
			colour: (.structure | colour_of($names)) })) }]) }
	end;

# Changes and memory differ little by layout: one of them will do.
def at_random: if any(.layout == "random") then
	map(select(.layout == "random")) else . end;

def target_ratio: if . <= 512 then 1.75 elif . <= 4096 then 2.1
	elif . <= 262144 then 2 else 1.2 end;

def bus_ratio: . as $all | of("bus") | uniform("latency") |
	map(select(.structure == "pciring")) |
	([.[].n] | unique) as $sizes |
	if ($sizes | length) < 2 then empty else
	{ "bus-ratio": chart($all;
		"pciring's look-up as a multiple of the floor";
		"floor: one hashed cache line, in the same round"; 420; [{
		xlabel: "ranges on the bus", ylabel: "times the floor",
		x: "size", y: "linear", box: one_box, series: (
			(map(select(.layout | among(["random", "dense"]))) |
				series(["dense", "random"]; .layout; .ratio) |
				map(if .name == "random" then .colour = ours |
					.width = 3.2 else . end)) +
			[limit_line($sizes | map(select(. <= 512 or
				among([4096, 65536, 262144, 1048576])) |
				[., target_ratio]))]) }]) }
	end;

# Means over a bus that fills or empties; others are of one that stays as full.
def one_by_one: .pattern | among(["grow", "shrink"]);
def per_size($modes): . as $all | of("bus") | rivals as $names |
	(at_random | map(select(one_by_one | not))) as $bus |
	[$modes[] | . as $m | $bus | map(select(.mode == $m.mode)) |
		([.[].n] | unique) as $sizes | select($sizes | length > 1) |
		{ title: $m.title, xlabel: "ranges", ylabel: $m.ylabel,
		x: "size", y: "log", series: (series($names; .structure;
				if $m.field == "bytes" then .bytes else .ns end) +
			if $m.limit then [limit_line($sizes |
				map([., $m.limit]))] else [] end) }];

def bus_change: . as $all | per_size([
		{ mode: "insert", title: "insert one, ns", limit: 200 },
		{ mode: "remove", title: "remove one, ns", limit: 200 },
		{ mode: "move", title: "move one, ns", limit: 200 }]) |
	if . == [] then empty else { "bus-change": chart($all;
		"Changing a bus that has so many ranges, random layout"; null;
		480; in_a_row) } end;

def bus_memory: . as $all | per_size([{ mode: "memory", ylabel: "bytes a range",
		limit: 64, field: "bytes" }]) |
	if . == [] then empty else { "bus-memory": chart($all;
		"Memory for each range, all told, random layout"; null; 460;
		map(. + { box: one_box, xlabel: "ranges on the bus" })) } end;

# The first placement of two cores that there is.
def ring_place: of("ring") | (first.placement) as $p |
	map(select(.placement == $p));
def vcpus: if .vcpus > 1 then ", \(.vcpus) vCPUs" else "" end;
def ring_colour: if .path == "pingpong" then "#666666"
	elif .what | test("bare") then "#c8553d"
	elif .path | among(["mailbox", "rings", "posted", "irq"]) then ours
	else "#c8553d" end;

def ring: . as $all | ring_place | if length == 0 then empty else
	first as $any | map(select(.mmsg_s == 0 and
		(.gap_min_us < .gap_max_us or .wait == "idle"))) |
	if length == 0 then empty else { ring: chart($all;
		"A question to another core, and its answer";
		"CPUs \($any.cpus | join(" and ")) (\($any.placement)); bar: " +
			"median, whisker: 99 of 100, then times the ping-pong";
		bar_height; [{ xlabel: ("ns a question, after pauses of " +
				"0.1 to 8 us (where the service sleeps: 250 us)"),
			x: "log", box: bar_box(0.27), rows: map({
			name: ("\(.path), \(.what)\(vcpus)" + (if
				.wait | among(["futex", "idle"]) then
				", \(.wait)" else "" end)),
			value: .p50_ns, to: .p99_ns, colour: ring_colour,
			text: (.ratio | short) }) }]) } end end;

def ring_pass: . as $all | ring_place | map(select(.mmsg_s > 0)) |
	group_by([.path, .what]) | map(max_by(.mmsg_s)) |
	if length == 0 then empty else { "ring-one-way": chart($all;
		"Messages one way, to another core";
		"put one at a time, at the best pace of the consumer";
		bar_height; [{ xlabel: "million messages a second",
			x: "linear", box: bar_box(0.31), rows: map({
			name: "\(.path), \(.what), looks each \(.pace_ns) ns",
			value: .mmsg_s, text: (.mmsg_s | short),
			colour: (if .what | test("bare") then "#c8553d"
				else ours end) }) }]) } end;

def sink_colour: . as $s | ["none", "callback", "ring", "eventfd", "kvm"] |
	index($s) // 5 | ["#666666", "#2a9d8f", ours, "#c8553d", "#8f5fbf",
		"#8a6d3b"][.];

def irq: . as $all | of("irq") | map(select(.stage != "cascade")) |
	if length == 0 then empty else { irq: chart($all;
		"An interrupt at each stage, each stage alone";
		"colour: where it ends; bar: median, whisker: 99 of 100";
		bar_height; [{ xlabel: "ns a raise", x: "log",
			box: bar_box(0.31), rows: map({
			name: "\(.stage): \(.what), to \(.sink)", value: .ns,
			to: .p99_ns, text: (.ns | short),
			colour: (.sink | sink_colour) }) }]) } end;

def irq_cascade: . as $all | of("irq") | map(select(.stage == "cascade")) |
	if length == 0 then empty else { "irq-cascade": chart($all;
		"An interrupt through the whole cascade";
		"one line for each place where it can end"; 440; [{
			xlabel: "stages that it passes",
			ylabel: "ns a raise", x: "linear", y: "log",
			box: one_box, series: (group_by(.sink) | map({
			name: .[0].sink, colour: (.[0].sink | sink_colour),
			points: map([.depth, .ns]) })) }]) } end;

def load_colour: if . == "alone" then "#666666" elif . == "idle" then ours
	else "#c8553d" end;
def load_place: . as $l | ["alone", "idle", "busy"] | index($l) // 3;

def scale_latency($path; $title): . as $all | of("scale") |
	[group_by([.functions, .machines, .shared_cpu])[] | group_by(.what)[] |
		. as $g | (map(select(.metric == $path + "_p50")) | first) |
		select(.) | .to = ([$g[] | select(.metric == $path + "_p999") |
			.value] | max) |
		.ratio = ([$g[] | select(.metric == $path + "_ratio") |
			.value] | max)] |
	sort_by([.functions, .machines, (.what | load_place)]) |
	if length == 0 then empty else
	{ ("scale-" + $path): chart($all; $title;
		"bar: median, whisker: 999 of 1000; then times one alone";
		bar_height; [{ xlabel: "ns", x: "log", box: bar_box(0.34),
			rows: map({ value, to, text: (.ratio | short),
			colour: (.what | load_colour), name: (
			if .what == "alone" then "alone"
			else "among \(.functions) \(.what), machines: " +
				"\(.machines)" end) }) }]) } end;

def four: [[0.08, 0.40, 0.56, 0.86], [0.58, 0.90, 0.56, 0.86],
	[0.08, 0.40, 0.09, 0.39], [0.58, 0.90, 0.09, 0.39]];
def two: [[0.08, 0.38, 0.15, 0.80], [0.57, 0.87, 0.15, 0.80]];

def scale_rates: . as $all | of("scale") | map(select(.loops == 1)) |
	[["registers", "registers read"], ["kicks", "doorbells"],
		["chains", "requests"], ["interrupts", "interrupts"]] as $of |
	[range(4) as $i | { title: ($of[$i][1] + ", a second"), x: "size",
		y: "log", box: four[$i], xlabel: "functions", ylabel: "",
		series: [map(select(.metric == $of[$i][0] and
			.backend != "ram")) | group_by(.machines)[] |
			{ name: "\(.[0].machines) machine\(
				if .[0].machines == 1 then "" else "s" end)",
			points: (map([.functions, .value]) | sort) }] }] |
	map(select(.series | length > 0)) |
	# Two sizes are no curve.
	select(any(.[].series[].points; length > 2)) |
	{ "scale-rates": chart($all; "What one loop of the service serves";
		"all functions ask at once"; 700; .) };
# Few sizes make no line.
def scale_few_rates: . as $all | of("scale") | map(select(.loops == 1 and
		.backend != "ram" and (.metric | among(["registers", "kicks",
		"chains", "interrupts"])))) | select(length > 0) |
	{ "scale-rates": chart($all; "What one loop of the service serves";
		"all functions ask at once"; bar_height; [{ x: "linear",
		xlabel: "thousand a second", box: bar_box(0.34),
		rows: (sort_by([.metric, .functions, .machines]) | map({
			name: ("\(.metric): functions: \(.functions), " +
				"machines: \(.machines)"),
			value: (.value / 1e3), text: (.value / 1e3 | short),
			colour: ours })) }]) };

def curve($metric; $what): [.[] | select(.metric == $metric and
	($what == null or .what == $what)) | [.functions, .value]] |
	group_by(.[0]) | map([.[0][0], (map(.[1]) | max)]);
def curves($of; $limit): [$of[] as [$name, $metric, $what, $colour] |
	{ name: $name, colour: $colour, points: curve($metric; $what) } |
	select(.points | length > 0)] | if . == [] then . else
	. + [limit_line([[.[].points[][0]] | (min, 4096) | [., $limit]])] end;

def scale_costs: . as $all | of("scale") | [
	{ title: "time for all, ms", series: curves([["create", "create",
		null, ours], ["destroy", "destroy", null, "#c8553d"],
		["with machines", "destroy_machines", null, "#8f5fbf"]];
		1000) },
	{ title: "memory of one, bytes", series: curves([["idle",
		"function_memory", "idle", ours], ["plugged",
		"function_memory", "plugged", "#2a9d8f"]]; 4096) }] |
	map(select(any(.series[]; .name != "target" and
		(.points | length > 1))) | . + { x: "size",
		y: "log", xlabel: "functions" }) |
	if length == 0 then empty else { "scale-costs": chart($all;
		"What functions cost the service"; null; 430;
		to_entries | map(.value + { box: two[.key] })) } end;

def queue_colour: if .service == "vhost" or .backend == "null" then "#8a9bb0"
	elif .backend == "file" then "#8f5fbf" else ours end;
def blk_row: "\(.backend), \(.ring)" + (if .chain == "indirect" then
	", indirect" else "" end) + ", \(.op) \(.size) B" + (.among // "" |
	if . == "" or . == "disk" then "" else ", " + . end);
# Of two placements the one with more rounds.
def blk_place: of("blk") | group_by(.placement) |
	max_by(map(.rounds) | add) // [];
def blk_cores: first | "cores \(.placement): ping-pong \(.pingpong_ns |
	short) ns";
def blk: . as $all | blk_place | select(length > 0) |
	{ blk: chart($all; "Requests of a disk, a second"; blk_cores;
		bar_height; [{ xlabel: "million a second", x: "linear",
			box: bar_box(0.34), rows: (sort_by([.depth, -.iops]) |
			map({ name: "depth \(.depth): \(blk_row)",
				value: (.iops / 1e6),
				text: (.iops / 1e6 | short),
				colour: queue_colour })) }]) };
def blk_stages: . as $all | blk_place | map(select(.depth == 1)) |
	select(length > 0) | { "blk-stages": chart($all;
		"Where the time of one request goes"; blk_cores + "; the " +
			"driver waits that long; whisker: with what it does " +
			"itself; then ping-pongs in all";
		bar_height; [{ xlabel: "ns", x: "linear", box: bar_box(0.34),
			rows: (sort_by(.wait_ns) | map({ name: blk_row,
				value: .wait_ns, to: (.write_ns + .show_ns +
					.wait_ns + .take_ns),
				text: (.ratio | short),
				colour: queue_colour })) }]) };
def net: . as $all | of("net") | select(length > 0) |
	{ net: chart($all; "Frames of a NIC, a second";
		"blue: pciring, grey: DPDK's vhost and virtio-user";
		bar_height; [{ xlabel: "million a second", x: "linear",
			box: bar_box(0.34), rows: (sort_by([.size, .way, .ring,
				.service]) | map({
				name: "\(.way) \(.size) B, \(.ring): \(
					.service)\(if .backend == "net_ring"
					then ", net_ring" else "" end)",
				value: (.iops / 1e6),
				text: (.iops / 1e6 | short),
				colour: (if .service == "vhost" then "#8a9bb0"
					else ours end) })) }]) };

def charts: [ bus_latency("random"), bus_latency("dense"), bus_latency("host"),
	bus_latency("pio"), bus_ratio, bus_change, bus_memory, ring, ring_pass,
	irq, irq_cascade, blk, blk_stages, net,
	scale_latency("register"; "One function among many: a register is read"),
	scale_latency("roundtrip";
		"One function among many: a request, until its interrupt"),
	(scale_rates // scale_few_rates), scale_costs ] | add // {};
