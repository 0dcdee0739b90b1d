# SPDX-License-Identifier: BSD-3-Clause
#
# plot.jq - a chart, described as data, as a gnuplot script
#
# A chart is { title, subtitle, width, height, panels }.  A panel is either
#   lines { title, xlabel, ylabel, x, y, series: [{ name, points: [[x, y]],
#           dash, colour, width }] }            x, y: "log" or "linear"
#   bars  { title, xlabel, x, rows: [{ name, value, to, text, colour }] }
# and has a box: [left, right, bottom, top], parts of the whole.
#
# How: each line carries its name at its end instead of in a key.  Names whose
# ends are too near to each other are pushed apart, each as little as possible.

def colours: ["#c8553d", "#2a9d8f", "#8f5fbf", "#d99000", "#5b8c2a", "#b0438f",
	"#3f7fbf", "#8a6d3b", "#607080", "#d05f8a", "#00838f", "#795548"];
def ours: "#0b4f9c";

def quoted: "'" + (tostring | gsub("'"; "''")) + "'";

# 1024 is 1 Ki: sizes are powers of two.
def size:
	if . >= 1048576 and . % 1048576 == 0 then "\(. / 1048576) Mi"
	elif . >= 1024 and . % 1024 == 0 then "\(. / 1024) Ki"
	else tostring end;

# Three digits that count, and spaces in what is long.
def grouped:
	tostring | if length > 4 then
		[while(length > 0; .[:-3]) | .[-3:]] | reverse | join(" ")
	else . end;
def short:
	if . == null then "" else
	(if . < 0 then "-" else "" end) + (fabs |
	if . == 0 then "0"
	elif . >= 100 then round | grouped
	elif . >= 10 then (. * 10 | round) / 10 | tostring
	else (. * 100 | round) / 100 | tostring end) end;

def span: { low: min, high: max };
# The 1, 2, 5 below and above.
def step_down: (log10 | floor) as $d | pow(10; $d) as $p | . / $p |
	if . >= 5 then 5 elif . >= 2 then 2 else 1 end | . * $p;
def step_up: (log10 | floor) as $d | pow(10; $d) as $p | . / $p |
	if . > 5 then 10 elif . > 2 then 5 elif . > 1 then 2 else 1 end |
	. * $p;
def next_step: . * 1.01 | step_up;
def steps($to): [limit(40; recurse(next_step; . <= $to * 1.001))] |
	if length > 9 then map(select((log10 | . - round | fabs) < 0.001))
	else . end;
# A step has one digit that counts: the rest is the arithmetic of floats.
def tidy: if . >= 1e6 then (. / 1e6 | tidy) + " M"
	elif . >= 1 then round | grouped
	else . * 1e6 | round / 1e6 end;

# $few: there is room for some five numbers only.
def axis($name; $kind; $values; $few):
	($values | map(select(. > 0)) | if length > 0 then span
		else { low: 1, high: 10 } end) as $s |
	if $kind == "size" then
		"set logscale \($name) 2",
		"set \($name)range [\($s.low / 1.3):\($s.high * 1.3)]",
		"set \($name)tics (" + ([range(0; 31; 1) | pow(2; .) |
			select(. >= $s.low / 1.1 and . <= $s.high * 1.1)] |
			(if $few then 4 elif length > 11 then 2 else 1 end) as $by |
			map(select((log2 | round) % $by == 0)) |
			map("\(size | quoted) \(.)") | join(", ")) + ")"
	elif $kind == "log" then
		($s.low | step_down) as $low |
		($s.high | step_up |
			if . <= $low then . * 10 else . end) as $high |
		"set logscale \($name) 10",
		"set \($name)range [\($low):\($high)]",
		"set \($name)tics (" + ($low | steps($high) |
			map("\(tidy | quoted) \(.)") | join(", ")) + ")"
	else
		"unset logscale \($name)",
		"set \($name)range [0:\($s.high * 1.12)]",
		"set \($name)tics autofreq"
	end;

# Where the names go: { at, y } for each of a column of line ends, by height.
# $near is how near two may be.  Blocks of names that touch move as one.
def apart($near):
	reduce (sort_by(.y) | to_entries[]) as $e ([];
		. + [{ sum: $e.value.y, n: 1, of: [$e.value] }] |
		until(length < 2 or (.[-2] as $a | .[-1] as $b |
			$a.sum / $a.n + ($a.n - 1) * $near / 2 + $near <=
			$b.sum / $b.n - ($b.n - 1) * $near / 2);
			.[:-2] + [{ sum: (.[-2].sum + .[-1].sum),
				n: (.[-2].n + .[-1].n),
				of: (.[-2].of + .[-1].of) }])) |
	# The lowest may not hang below the axis, into its numbers.
	map(([.sum / .n - (.n - 1) * $near / 2, 0.02] | max) as $first |
		.of | to_entries | map(.value + { y: ($first + .key * $near) })) |
	add // [];

def place($chart; $panel):
	($panel.series | map(.points[][1])) as $all |
	($all | map(select(. > 0)) | if length > 0 then span
		else { low: 1, high: 10 } end) as $s |
	(if $panel.y == "log" then
		($s.low | step_down) as $l | ($s.high | step_up |
			if . <= $l then . * 10 else . end) as $h |
		{ from: ($l | log10), to: ($h | log10) }
	else { from: 0, to: ($s.high * 1.12) } end) as $r |
	(15 / ($chart.height * ($panel.box[3] - $panel.box[2]))) as $near |
	$panel.series | map(select(.points | length > 0)) |
	group_by(.points[-1][0]) | map(
		map(.points[-1] as $tip | { name, colour, x: $tip[0],
			y: (((if $panel.y == "log" then $tip[1] | log10
				else $tip[1] end) - $r.from) /
				($r.to - $r.from)) }) | apart($near)) | add // [];

def with_colours:
	to_entries | map(.value + { colour: (.value.colour //
		colours[.key % (colours | length)]) });

def lines($chart; $k):
	.series |= with_colours |
	. as $panel |
	(.series | to_entries[] | "$p\($k)s\(.key) << END",
		(.value.points[] | "\(.[0]) \(.[1])"), "END"),
	axis("x"; .x; [.series[].points[][0]]; .box[1] - .box[0] < 0.3),
	axis("y"; .y; [.series[].points[][1]]; false),
	"set grid xtics ytics linecolor rgb '#e4e4e4' linetype 1",
	"set ylabel \(.ylabel // "" | quoted) noenhanced",
	(place($chart; .)[] | "set label \(.name | quoted) at first \(.x)," +
		"graph \(.y) left offset 0.8,0 noenhanced " +
		"textcolor rgb '\(.colour)'"),
	"plot " + (.series | to_entries | map(
		"$p\($k)s\(.key) using 1:2 with " +
		(if .value.dash then "lines dashtype (6,4)"
			else "linespoints pointtype 7 pointsize 0.45" end) +
		" linecolor rgb '\(.value.colour)'" +
		" linewidth \(.value.width // 1.6) notitle") | join(", "));

def bars($chart; $k):
	"$p\($k) << END",
	(.rows | to_entries[] | [.key, .value.value, .value.to // .value.value,
		.value.name, .value.text // "", .value.colour // "#4477aa"] |
		map(tostring) | join("\t")),
	"END",
	"set datafile separator \"\\t\"",
	axis("x"; .x; [.rows[] | .value, .to // .value] |
		. + [max * (if $chart.panels[$k].x == "log" then 2
			else 1.08 end)]; false),
	"unset logscale y",
	"set yrange [\(.rows | length - 0.4):-0.6]",
	"set ytics noenhanced",
	"unset ylabel",
	"set grid xtics linecolor rgb '#e4e4e4' linetype 1",
	"rgb(s) = int('0x' . s[2:7])",
	"plot $p\($k) using 2:1:(\(if .x == "log" then
		[.rows[].value] | min | step_down else 0 end)):2:" +
		"($1-0.34):($1+0.34):(rgb(strcol(6))):ytic(4) " +
		"with boxxyerror linecolor rgb variable notitle, " +
	(if any(.rows[]; .to) then "$p\($k) using 2:1:2:3 with xerrorbars " +
		"linecolor rgb '#444444' pointtype 0 notitle, " else "" end) +
	"$p\($k) using 3:1:5 with labels left offset 0.7,0 noenhanced " +
		"notitle",
	"set datafile separator whitespace",
	"set ytics enhanced";

def script($terminal; $out):
	. as $chart |
	"reset",
	"set terminal \($terminal)",
	"set output \($out | quoted)",
	"set encoding utf8",
	"set style fill solid 0.85 noborder",
	"set border 3 linecolor rgb '#888888'",
	"set tics nomirror textcolor rgb '#222222'",
	"unset key",
	"set multiplot",
	"set label 1 \(.title | quoted) at screen 0.015,screen \(
		1 - 18 / .height) left noenhanced font ',16'",
	"set label 2 \(.subtitle | quoted) at screen 0.015,screen \(
		1 - 40 / .height) left noenhanced textcolor rgb '#555555'",
	(.panels | to_entries[] | .key as $k | .value |
		"set lmargin at screen \(.box[0])",
		"set rmargin at screen \(.box[1])",
		"set bmargin at screen \(.box[2])",
		"set tmargin at screen \(.box[3])",
		"set title \(.title // "" | quoted) noenhanced offset 0,-0.3",
		"set xlabel \(.xlabel | quoted) noenhanced",
		if .rows then bars($chart; $k) else lines($chart; $k) end,
		"unset label"),
	"unset multiplot",
	"unset output";
