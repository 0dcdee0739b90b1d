# SPDX-License-Identifier: BSD-3-Clause
#
# report_queue.jq - the blocks of the measurements of virtqueues: blk and net
include "plot";
include "plot_charts";

def million: if . == null then "" else (. / 1e6 * 100 | round) / 100 end;
def figured: map(if . == null then "" elif type == "number" then short
	else tostring end);

def blk_blocks: { h2: "blk: requests of a disk" },
	{ p: ("A driver on one core plays the guest, the service is on " +
	"another: real rings in shared memory, a real service, no virtual " +
	"machine. `ram` is a disk in the memory of the service, `null` one " +
	"that is nowhere, `file` a file through io_uring. At **depth** 1 the " +
	"driver waits for each request, so that ns is how long one takes; at " +
	"32 so many are under way, and ns is one through their rate. **cpu " +
	"ns** is the time of the service's process, which polls, so that it " +
	"is all of it.") },
	(if of("blk") == [] then { p: ("**Not measured.** No figure of " +
		"disks is there.") } else empty end),
	(of("blk") | select(length > 0) |
	{ p: ("Cores that are *apart* need some 200 ns for a line there and " +
	"back, *close* ones some 60: hosts move the cores of a virtual " +
	"machine about, so the figures are told apart by the ping-pong of " +
	"their round. **ping-pongs** is ns in that unit. **kicks** are " +
	"doorbells that the device asked for, a request.") },
	{ plot: "blk" },
	{ table: { open: true, head: ["backend", "ring", "chain", "what",
		"bytes", "depth", "cores", "million a second", "ns", "99 %",
		"cpu ns", "ping-pong", "ping-pongs", "kicks"],
	rows: map([.backend, .ring, .chain, .op + (.among // "" |
		if . == "" or . == "disk" then "" else ", " + . end), .size,
		.depth, .placement, (.iops | million), .ns, .ns_p99, .cpu_ns,
		.pingpong_ns, .ratio, .kicks] | figured) } },
	(map(select(.depth == 1)) | select(length > 0) |
	{ h3: "Where the time of one request goes, ns" },
	{ p: ("As the driver sees it, with a look at the clock between the " +
	"stages, which takes some ns of each. **write**: header and " +
	"descriptors. **show**: the index, or the first descriptor's flags, " +
	"are written; then comes a fence, after which the driver looks " +
	"whether the device wants a doorbell, and rings it if so. The " +
	"device is already at work meanwhile. **wait**: until the used " +
	"element is there. **take**: used element and status are read. " +
	"Read it by pairs: `null` writes moves no data at all; `null` reads " +
	"fills the buffer with zeroes; `ram` reads copies what has to come " +
	"from the disk's memory, *one sector* always the same, which is in " +
	"the nearest cache.") },
	{ plot: "blk-stages" },
	{ table: { open: true, head: ["backend", "ring", "chain", "what",
		"bytes", "cores", "write", "show", "wait", "take"],
	rows: map([.backend, .ring, .chain, .op + (.among // "" |
		if . == "" or . == "disk" then "" else ", " + . end), .size,
		.placement, .write_ns, .show_ns, .wait_ns, .take_ns] |
		figured) } }));

def net_blocks: { h2: "net: frames of a NIC" },
	{ p: ("The same for a NIC, beside DPDK's own on the same two cores " +
	"in the same rounds: `net_vhost` is the device there and " +
	"`net_virtio_user` the driver. **tx**: the guest sends, and the " +
	"other end drops; **rx**: the other end has frames without end; " +
	"**loop**: what is sent comes back from a DPDK `net_ring`.") },
	(if of("net") == [] then { p: ("**Not measured.** No figure of " +
		"frames is there.") } else empty end),
	(of("net") | select(length > 0) | { plot: "net" },
	{ table: { open: true, head: ["device", "port", "ring", "way", "bytes",
		"million a second", "ns", "99 %", "cpu ns", "ping-pong",
		"times vhost"],
	rows: map([.service, .backend, .ring, .way, .size, (.iops | million),
		.ns, .ns_p99, .cpu_ns, .pingpong_ns, .ratio] | figured) } });
