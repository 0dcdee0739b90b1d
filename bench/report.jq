# SPDX-License-Identifier: BSD-3-Clause
#
# report.jq - the report as data: a list of blocks, in the order of the page
#
# A block has one of h2, h3, p, plot (a chart's name), or table: { head, rows }.
# A cell is text or { text, class }; a table with open is never folded.  `word`
# and **word** are as in Markdown.
include "plot";
include "plot_charts";
include "report_queue";
include "report_scale";
include "report_targets";

def figure: if . == null then "" elif type == "number" then short
	else tostring end;
def p($text): { p: $text };
def mib: if . >= 10240 then "\(. / 1024 | round) GiB" else "\(.) MiB" end;

# A table with a row for each of what rows(f) says, a column for each size.
def sizes: [.[].n] | unique | if length <= 9 then . else
	map(select(among([8, 64, 512, 4096, 16384, 65536, 262144,
		1048576]))) end;
def pivot($head; by; f): sizes as $n | if length == 0 then empty else
	{ table: { head: ($head + ($n | map(size))), rows: (
		[group_by(by)[] | . as $g | (first | by) + [$n[] | . as $k |
			[$g[] | select(.n == $k) | f] | min | figure]]) } } end;

def machine_rows: [
	["processor", .cpu + if .model then
		" (family/model/stepping \(.model))" else "" end],
	["CPUs", "\(.cpus)" + if .threads_per_core then
		", \(.threads_per_core) to a core" else "" end +
		if .numa then ", \(.numa) NUMA node" + if .numa == 1 then ""
		else "s" end else "" end],
	["caches", ([if .l1d then "L1d " + .l1d else empty end,
		if .l2 then "L2 " + .l2 else empty end,
		if .l3 then "L3 " + .l3 else empty end] | join("; "))],
	["memory", (.memory_mib // 0 | mib)],
	["pages", "\(.page_bytes) bytes; \(.huge_pages // 0) huge pages of " +
		"\(.huge_page_kib // 0) KiB set aside; transparent ones: " +
		(.transparent_huge_pages // "not known")],
	["clock speed", .governor // "its governor cannot be read"],
	["virtual", if .virtual == "none" then "no"
		else "yes, under " + .virtual end],
	["kernel", .kernel], ["system", .system], ["compiler", .compiler],
	["load at the beginning", .load],
	["date", .date],
	["pciring", (.version // "") + if .commit then
		", commit " + .commit else "" end]] |
	map(select(.[1] != null and .[1] != "" and .[1] != "0 MiB"));

def machine_blocks: { h2: "The machine" },
	(of("machine") | first | if . then
		{ table: { head: ["", ""], rows: machine_rows } }
	else p("It was not written down with the figures.") end);

# A digit more, so that what just misses does not look as if it did not.
def exact: if . != null and fabs < 10 then (. * 1000 | round) / 1000 | tostring
	else figure end;
def limit_text: (if .least then "at least " else "at most " end) +
	"\(.limit) \(.unit)";
def target_blocks: { h2: "Targets" },
	p("What the project asks of itself. Most targets are ratios " +
	"to something measured in the same rounds, so that they mean the " +
	"same on another machine; those in ns or bytes are not, and a " +
	"slow or a busy machine may miss them. What is measured here is " +
	"the worst of all sizes and layouts that a target is about. " +
	"**spread**: ranges far from each other (layout *random*); " +
	"**packed**: side by side, large ones beside small ones " +
	"(layouts *dense* and *host*)."),
	(targets | (map(verdict) | group_by(.) | map("\(length) \(.[0])") |
		join(", ")) as $sum |
	p("**" + $sum + "**."),
	{ table: { open: true,
	head: ["measurement", "what", "target", "measured", ""],
	rows: map([.bench, .claim, limit_text, (.value | exact),
		(verdict | { text: ., class: gsub(" "; "-") })]) } });

# What ran, and how it ended.
def ending: if .status == 0 then "measured"
	elif .status == 1 then "measured; it says that a bound was not kept"
	elif .status == 124 then "stopped: it took too long"
	else "could not be measured (status \(.status))" end;
def known: ["bus", "ring", "irq", "proxy", "blk", "net", "scale"];
# A measurement may be made in several parts.
def ran($name): . as $all | (of("run") | map(select(.name == $name)) |
	if . == [] then null else last + { status: (map(.status) | max),
		seconds: (map(.seconds) | add) } end) as $run | ($all | of($name) | length) as $n |
	if $n == 0 then "no figures" + if $run then ": " + ($run | ending)
		else ": it was not run" end
	else ($run | if . then (if .status > 1 and .status != 124 then
			"broken off (status \(.status))" else ending end) + ", \(.form) form, \(.seconds) s"
		else "measured" end) + ", \($n) figures" end;
def missing($name): select(of($name) == []) |
	p("**Not measured.** There are " + ran($name) + ".");
def ran_blocks: . as $all | { h2: "What was measured" },
	p("The short form looks at less and repeats less; where it says so, " +
	"take the figures for a first look."),
	{ table: { head: ["measurement", "question", "this time"], rows: [
	["bus", "How fast is the handler of an address found, among up to a million?"],
	["ring", "What does a question to another core cost, and a message?"],
	["irq", "What does an interrupt cost on its way out?"],
	["proxy", "What does an access cost that comes over a vfio-user socket?"],
	["blk", "How many requests a second does a disk serve, and how fast is one?"],
	["net", "And a NIC's frames, beside those of DPDK's vhost?"],
	["scale", "Does one service stay fast with thousands of functions?"]] |
	map(. + [.[0] as $n | $all | ran($n)]) } };

def layouts: ["random", "dense", "host", "pio"];
def layout_text: { random: ("**random**: BARs of devices as servers have " +
	"them, each anywhere in 64 TiB. Every size is a power of two, and " +
	"every place a multiple of it, as PCI has it. Hardly any has a " +
	"neighbour."), dense: ("**dense**: the same devices, packed as " +
	"firmware does it: up to eight functions behind a bridge, their BARs " +
	"side by side, the biggest first, and the next bridge's behind them. " +
	"Most have neighbours of very different sizes."),
	host: ("**host**: where the ranges of one machine lie, read from its " +
	"`/proc/iomem`, and that as often over as it takes."),
	pio: ("**pio**: I/O ports, of which there are 65536. The floor here " +
	"is a table with an entry for each port.") };

def bus_blocks: . as $all | { h2: "bus: from an address to its handler" },
	p("When a guest touches a register of a device, the service is " +
	"handed an address and has to find which device, and which register " +
	"of it, that is. The more devices there are, the more address ranges " +
	"there are to search, and the less of them is in the processor's " +
	"caches. Every structure here answers the same questions, and every " +
	"answer is checked against a search so simple that it cannot be " +
	"wrong. `pciring` is what the service uses. `floor` is no structure " +
	"that one could use: it is one cache line, found by hashing the " +
	"address, which is the least that any structure has to read. The " +
	"others are written as other programs do it: an array searched from " +
	"its start, a sorted array, trees, page maps, and the same behind a " +
	"lock."),
	missing("bus"),
	(of("bus") | select(length > 0) |
	p("How to read it: **latency** is the time of a look-up that has to " +
	"wait for the one before it, as a vCPU does; **throughput** is the " +
	"time of one among many that need not wait for each other; **batch** " +
	"is the time of one of 16 that are asked together. A **ratio** is to " +
	"the floor of the same round."),
	(layouts[] as $layout | select(any(.layout == $layout)) |
		p(layout_text[$layout]),
		($all | charts | .["bus-latency-" + $layout] // empty |
			{ plot: ("bus-latency-" + $layout) }),
		{ h3: "Random hits, \($layout) layout, ns a look-up" },
		(uniform("latency") | map(select(.layout == $layout)) |
			pivot(["structure"]; [.structure]; .ns))),
	{ h3: "The same as multiples of the floor, random layout" },
	{ plot: "bus-ratio" },
	(uniform("latency") | map(select(.layout == "random" and
		.structure != "floor")) | pivot(["structure"]; [.structure]; .ratio)),
	(["random", "dense"][] as $layout |
	(map(select((.structure | among(["pciring", "floor"])) and
		.layout == $layout and (.mode | among(["latency",
		"throughput", "batch"])))) | select(length > 0) |
		{ h3: ("pciring and the floor by pattern, \($layout) layout, " +
			"ns a look-up") },
		pivot(["pattern", "mode", "structure"];
			[.pattern, .mode, .structure]; .ns))),
	{ plot: "bus-change" },
	(["insert", "remove", "move"][] as $mode |
		{ h3: "To \($mode) one, the others being there, ns" },
		(map(select(.mode == $mode and (one_by_one | not))) |
			at_random | pivot(["structure"]; [.structure]; .ns))),
	(map(select(one_by_one)) | at_random | select(length > 0) |
		{ h3: "All one by one, from none and to none, ns for each" },
		pivot(["what", "structure"]; [.mode, .structure]; .ns)),
	{ h3: "Building it at once, ms" },
	(map(select(.mode == "build")) | at_random |
		pivot(["structure"]; [.structure]; build_ms)),
	{ plot: "bus-memory" },
	{ h3: "Memory, bytes a range, all told" },
	(map(select(.mode == "memory")) | at_random |
		pivot(["structure"]; [.structure]; .bytes)),
	(map(select(.mode | among(["churn", "readers"]))) | at_random | select(length > 0) |
		{ h3: "Readers while a writer changes it all the time, ns a look-up" },
		p("One thread looks up, another one on another CPU takes a range " +
		"out and puts it back all the time. `rcu` is the bus for several " +
		"readers, whose look-ups wait for nobody; `mutex` and `rwlock` " +
		"are the bus of one owner behind a lock. An empty cell: reader " +
		"and writer did not run at the same time."),
		pivot(["structure"]; [.structure]; .ns),
		(map(select(.changes_s)) | select(length > 0) |
			{ h3: "And the writer's changes a second meanwhile" },
			pivot(["structure"]; [.structure]; .changes_s))));

def ring_blocks: { h2: "ring: from one core to another" },
	p("The virtual machine runs in one process and on one core, its " +
	"devices live in another process on another core. What one core " +
	"writes reaches the other through the caches that they share, and " +
	"that is the price of everything here. Its unit is the ping-pong: " +
	"one word that two cores write in turn, the cheapest question and " +
	"answer that there can be. `mailbox` is how pciring asks a device " +
	"for a register; `rings`, sockets and eventfds are other ways. " +
	"Messages that nobody waits for - doorbells (`posted`) and " +
	"interrupts (`irq`) - go one way, and there it is their number that " +
	"counts."),
	missing("ring"),
	(ring_place | select(length > 0) | { plot: "ring" },
	{ table: { head: ["path", "what", "who waits", "vCPUs", "pauses, us",
		"median, ns", "99 %", "99.9 %", "ping-pongs", "target"],
	rows: (map(select(.mmsg_s == 0)) | map([.path, .what, .wait, .vcpus,
		if .gap_min_us < .gap_max_us then
			"\(.gap_min_us) to \(.gap_max_us)" else .gap_min_us end,
		.p50_ns, .p99_ns, .p999_ns, .ratio, .bound // ""] |
		map(figure))) } },
	{ h3: "One way, million messages a second" },
	p("A consumer that looks all the time takes each message as it comes; " +
	"one that looks away for a moment (its **pace**) finds many at once."),
	{ plot: "ring-one-way" },
	{ table: { head: ["path", "what", "pace, ns", "million a second"],
	rows: (map(select(.mmsg_s > 0)) | map([.path, .what, .pace_ns,
		.mmsg_s] | map(figure))) } });

def irq_blocks: { h2: "irq: an interrupt on its way out" },
	p("A device that is done tells its driver by an interrupt. On its way " +
	"it passes stages: the virtio device, its PCI function, the table of " +
	"message vectors or a shared wire, the routing of the machine. Where " +
	"it ends is the sink: `none` (it is only remembered), `callback` (a " +
	"function is called), `ring` (a message to the virtual machine's " +
	"process), `eventfd` (a system call, which wakes somebody), `kvm` (a " +
	"system call, by which the kernel gives it to a guest). " +
	"Beside each the same moment's cost of a bare enqueue, the least that " +
	"a message to another process takes."),
	missing("irq"),
	(of("irq") | select(length > 0) | { plot: "irq" },
	{ plot: "irq-cascade" },
	{ table: { head: ["stage", "what", "stages", "sink", "median, ns",
		"99 %", "bare enqueue", "million a second"],
	rows: map([.stage, .what, .depth // "", .sink, .ns, .p99_ns,
		.enqueue_ns, (.per_s / 1e6)] | map(figure)) } });

def proxy_blocks: { h2: "proxy: a stock QEMU's access" },
	p("A VMM that knows nothing of pciring reaches it by the vfio-user " +
	"protocol, over a Unix socket, through a proxy. That costs system " +
	"calls and a process switch, whoever is at the other end; so the " +
	"rival is a server that only echoes."),
	missing("proxy"),
	(of("proxy") | select(length > 0) | { table: {
	head: ["path", "median, ns", "99 %", "times the socket"],
	rows: map([.path, .p50_ns, .p99_ns, .ratio] | map(figure)) } });

def introduction: { h1: "pciring: measurements" },
	p("pciring is a service that gives virtual machines their PCI devices " +
	"from a process of its own, outside the programs that run the " +
	"machines. Virtual machines reach it over shared memory: they write " +
	"a question into a cache line, and a loop of the service, which " +
	"polls, answers. This page says what that costs, on one machine, " +
	"beside what other ways of doing it cost there."),
	p("Shorter is better unless a unit says *a second*. ns is a " +
	"thousand-millionth of a second: light goes 30 cm, and a core of " +
	"today does some ten instructions. A median is what half of all " +
	"were no slower than; 99 % is what 99 of 100 were no slower than. " +
	"How it was measured, and what cannot be concluded from it, is in " +
	"`docs/performance.md`.");

def report: introduction, { nav: true }, { charts: true }, machine_blocks,
	target_blocks, ran_blocks,
	bus_blocks, ring_blocks, irq_blocks, proxy_blocks, blk_blocks,
	net_blocks, scale_blocks;
# What a document of the project shows of it.
def results: machine_blocks, target_blocks, ran_blocks, bus_blocks, ring_blocks,
	irq_blocks, proxy_blocks, blk_blocks, net_blocks, scale_blocks;
