# SPDX-License-Identifier: BSD-3-Clause
#
# report_scale.jq - targets and blocks of the measurements with many functions
#
# A line that has a target carries it (bound); what it measures is its metric,
# and what goes on meanwhile is `what'.
include "plot";
include "plot_charts";

def called: .metric | gsub("_"; " ");
def many: "\(.functions) function" + (if .functions == 1 then ""
	else "s" end) + (if .machines == 1 then "" else
	" of \(.machines) machines" end);
def load: if (.what // "") == "" then "" else ", \(.what)" end;

def scale_targets: of("scale") | map(select(.bound)) |
	group_by([.metric, .what, .bound, .unit, .loops, .shared_cpu]) |
	map(max_by(.value) | { bench, claim: "\(called)\(load), \(many)",
		value, limit: .bound, unit }) |
	if length > 0 then . else [{ bench: "scale", value: null, limit: 1.1,
		claim: "one active among 4096 idle functions",
		unit: "times one alone" }, { bench: "scale", value: null,
		claim: "memory of an idle function", limit: 4096,
		unit: "bytes beside its rings" }, { bench: "scale",
		value: null, claim: "4096 functions are created", limit: 1000,
		unit: "ms" }] end;

def number: if . == null then "" elif . >= 1e6 then
	(. / 1e6 | short) + " M" else short end;
def scale_blocks: { h2: "scale: thousands of functions" },
	{ p: ("One service can give thousands of functions to many virtual " +
	"machines. What does not ask for anything should not cost anything: " +
	"neither time of those that do, nor much memory. A load generator " +
	"plays the machines: over real rings it reads registers, rings " +
	"doorbells (**kicks**), hands over requests (**chains**) and takes " +
	"interrupts. The devices are disks on nothing (`null`) and on memory " +
	"(`ram`).") },
	(if of("scale") == [] then { p: ("**Not measured.** No figure of " +
		"thousands of functions is there.") } else empty end),
	(. as $all | ["scale-rates", "scale-latency", "scale-costs"][] |
		{ plot: . }),
	(of("scale") | if any(.shared_cpu == true) then { p: ("Where the CPU " +
		"is **shared**, the load generator and a loop of the service " +
		"take turns on it, and the figures are those of both.") }
		else empty end,
	(group_by(.metric)[] | (map(load[2:]) | unique | . != [""]) as $loads |
	{ h3: "\(.[0] | called), \([.[].unit] | unique | join(" or "))" },
	{ table: { head: (["functions", "machines"] + (if $loads then
		["meanwhile"] else [] end) + ["loops", "backend", "CPU", "value",
		"target"]), rows: (sort_by([.what, .backend, .loops, .functions,
			.machines]) | map([(.functions | tostring),
		(.machines | tostring)] + (if $loads then [load[2:]] else []
		end) + [(.loops // "" | tostring), .backend // "",
		(if .shared_cpu then "shared" else "own" end),
		(.value | number), (.bound // null | number)])) } }));
