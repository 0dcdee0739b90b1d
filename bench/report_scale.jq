# SPDX-License-Identifier: BSD-3-Clause
#
# report_scale.jq - the blocks of the measurements with many functions
#
# What a line measures is its metric, what goes on meanwhile is `what'.
include "plot";
include "plot_charts";

def called: .metric | gsub("_"; " ");
def amount: if . == null then "" elif . >= 1e6 then
	(. / 1e6 | short) + " M" else short end;
# Figures side by side: a row for each of what key gives, a column for each of
# $columns: { head, metric, what }, of which what may be missing.
def cross($title; $text; $keys; key; $columns):
	map(select(.metric | among([$columns[].metric]))) |
	if length == 0 then empty else
	{ h3: $title }, { p: $text },
	{ table: { head: ($keys + [$columns[].head]), rows: [group_by(key)[] |
		. as $g | (first | key | map(tostring)) + [$columns[] as $c |
			[$g[] | select(.metric == $c.metric and
				($c.what == null or .what == $c.what)) |
				.value] | max | amount]] } } end;

def cpu: if .shared_cpu == true then "shared" else "own" end;
def place: [.functions, .machines, .loops // 1, .backend // "", cpu];
def columns($names): $names | map({ head: .[0], metric: .[1], what: .[2] });

def latency_columns($path): columns([["median, ns", $path + "_p50"],
	["99 %", $path + "_p99"], ["99.9 %", $path + "_p999"],
	["times alone", $path + "_ratio"]]);
def latency_blocks($path; $title): cross($title;
	"**alone**: the service has this one function only. **idle**: the " +
	"others are there, and their drivers ask for nothing. **busy**: " +
	"they are being served.";
	["functions", "machines", "the others", "CPU"];
	[.functions, .machines, .what // "", cpu]; latency_columns($path));

def told: ["registers", "kicks", "chains", "interrupts", "create",
	"create_one", "destroy", "destroy_one", "destroy_machines",
	"machine_memory", "function_memory", "fairness", "flooder_share",
	"machine_chains", "register_p50", "register_p99", "register_p999",
	"register_ratio", "roundtrip_p50", "roundtrip_p99", "roundtrip_p999",
	"roundtrip_ratio"];

def scale_blocks: { h2: "scale: thousands of functions" },
	{ p: ("One service can give thousands of functions to many virtual " +
	"machines. What asks for nothing should cost nothing: neither the " +
	"time of those that ask, nor much memory. A load generator plays " +
	"the machines: over real rings it reads registers, rings doorbells " +
	"(**kicks**), hands over requests (**chains**) and takes " +
	"interrupts. The devices are disks on nothing (`null`) and on " +
	"memory (`ram`); a **loop** is a thread of the service.") },
	(if of("scale") == [] then { p: ("**Not measured.** No figure of " +
		"thousands of functions is there.") } else empty end),
	(of("scale") | select(length > 0) |
	if any(.shared_cpu == true) then { p: ("Where the CPU is **shared**, " +
		"the load generator and a loop of the service take turns on " +
		"it: a figure is then that of both.") } else empty end,
	{ plot: "scale-register" },
	latency_blocks("register"; "One active function: a register is read"),
	{ plot: "scale-roundtrip" },
	latency_blocks("roundtrip";
		"One active function: a request, until its interrupt came"),
	{ plot: "scale-rates" },
	cross("What one service serves, a second";
		"All functions ask at once; M is a million.";
		["functions", "machines", "loops", "backend", "CPU"]; place;
		columns([["registers", "registers"], ["kicks", "kicks"],
		["chains", "chains"], ["interrupts", "interrupts"]])),
	{ plot: "scale-costs" },
	cross("What functions cost";
		"Time to create and to destroy them, and memory that only the " +
		"service has: what a machine lends it, and the rings, are not " +
		"in it. An idle function is one whose driver runs.";
		["functions", "machines"]; [.functions, .machines];
		columns([["create all, ms", "create"],
		["create one, us", "create_one"], ["destroy all, ms", "destroy"],
		["with their machines, ms", "destroy_machines"],
		["bytes, plugged", "function_memory", "plugged"],
		["bytes, idle", "function_memory", "idle"],
		["bytes, a machine", "machine_memory"]])),
	cross("Who gets how much";
		"Jain's index is 1 if all machines get the same, 1 over their " +
		"number if one gets all. **flood**: one machine asks as " +
		"much as it can; the index is then that of the others.";
		["functions", "machines", "loops", "CPU"];
		[.functions, .machines, .loops // 1, cpu];
		columns([["index, equal load", "fairness", "equal"],
		["index, flood", "fairness", "flood"],
		["the flooder's part", "flooder_share"],
		["chains a second each, equal", "machine_chains", "equal"],
		["and under flood", "machine_chains", "flood"]])),
	(map(select(.metric | among(told) | not)) | group_by(.metric)[] |
		cross(first | called; "In \(first.unit).";
			["functions", "machines", "loops", "backend", "CPU",
			"meanwhile"]; place + [.what // ""];
			[{ head: "value", metric: first.metric }])));
