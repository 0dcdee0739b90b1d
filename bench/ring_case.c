/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a kind stands for a row for each of its pauses (or paces) and numbers of
 * vCPUs.
 */
#include "bench/ring_case.h"

#include "bench/ring_rival.h"

#define SPIN_NS 1000000

enum gap {
	RECORD, /* as real exits come; the figures of record are of this */
	NO_GAP,
	MICROSECOND,
	LONG,
	NR_GAPS
};

static const struct {
	unsigned int min, max;
} gaps[NR_GAPS] = {
	[RECORD] = { 100, 8000 },
	[NO_GAP] = { 0, 0 },
	[MICROSECOND] = { 1000, 1000 },
	[LONG] = { 250000, 250000 },
};
#define THREE_GAPS (BIT(RECORD) | BIT(NO_GAP) | BIT(MICROSECOND))

static const unsigned int paces[] = { 0, 100, 300, 1000 };
#define PACES (BIT(ARRAY_SIZE(paces)) - 1)

#define ONE_VCPU  BIT(0)
#define ALL_VCPUS (BIT(RIG_LANES) - 1)

struct kind {
	const char *path, *what, *wait;
	const struct ring_way *way;
	unsigned int vcpus; /* BIT(index of ring_rig_lanes) */
	unsigned int gaps;  /* BIT(enum gap); 0: one way, a row for a pace */
	unsigned int spin_ns, rarer;
	double bound, bound_many; /* 1 and 64 vCPUs, at gap RECORD */
	double minimum;
	unsigned int first_vm; /* of RIG_LANES */
};

#define ALL(way)  &(way), ALL_VCPUS, THREE_GAPS, SPIN_NS, 1
#define ONE(way)  &(way), ONE_VCPU, THREE_GAPS, SPIN_NS, 1
#define SLOW(way) &(way), ONE_VCPU, THREE_GAPS, 0, 4
#define IDLE(way) &(way), ONE_VCPU, BIT(LONG), SPIN_NS, 20
#define PASS(way) &(way), ONE_VCPU, 0, SPIN_NS, 1

static const struct kind kinds[] = {
	{ "pingpong", "one word", "spin", ALL(ring_pingpong), 0, 0, 0, 0 },
	{ "mailbox", "whole channel", "spin", ALL(ring_access), 1.25, 1.4, 0,
	  0 },
	{ "mailbox", "client sleeps", "futex", SLOW(ring_access), 0, 0, 0, 0 },
	{ "mailbox", "service sleeps", "idle", IDLE(ring_access_idle), 0, 0, 0,
	  0 },
	{ "mailbox", "bare line", "spin", ONE(ring_line), 0, 0, 0, 0 },
	{ "rings", "whole channel", "spin", ALL(ring_access), 2.1, 0, 0,
	  RIG_LANES },
	{ "rings", "client sleeps", "futex", SLOW(ring_access), 0, 0, 0,
	  RIG_LANES },
	{ "rings", "bare rte_ring", "spin", ONE(ring_two), 0, 0, 0, 0 },
	{ "rings_mp", "bare rte_ring", "spin", ONE(ring_mp), 0, 0, 0, 0 },
	{ "socket", "bare stream", "block", SLOW(ring_socket), 0, 0, 0, 0 },
	{ "eventfd", "bare line", "block", SLOW(ring_eventfd), 0, 0, 0, 0 },
	{ "posted", "channel", "spin", PASS(ring_posted), 0, 0, 50, 0 },
	{ "posted", "whole channel", "spin", PASS(ring_posted_whole), 0, 0, 0,
	  0 },
	{ "posted", "bare rte_ring", "spin", PASS(ring_posted_plain), 0, 0, 0,
	  0 },
	{ "irq", "channel", "spin", PASS(ring_irq), 0, 0, 50, 0 },
	{ "irq", "bare rte_ring", "spin", PASS(ring_irq_plain), 0, 0, 0, 0 },
};

static void fill(const struct kind *k, unsigned int vcpus, unsigned int variant,
		 struct ring_case *out)
{
	*out = (struct ring_case){
		.path = k->path,
		.what = k->what,
		.wait = k->wait,
		.way = k->way,
		.vm = k->first_vm + vcpus,
		.vcpus = ring_rig_lanes[vcpus],
		.spin_ns = k->spin_ns,
		.rarer = k->rarer,
		.minimum = k->minimum,
	};
	if (!k->gaps) {
		out->pace_ns = paces[variant];
		return;
	}
	out->gap_min = gaps[variant].min;
	out->gap_max = gaps[variant].max;
	if (variant == RECORD && vcpus == 0)
		out->bound = k->bound;
	if (variant == RECORD && vcpus == RIG_LANES - 1)
		out->bound = k->bound_many;
}

bool ring_case_get(unsigned int i, struct ring_case *out)
{
	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		unsigned int variants = k->gaps ? k->gaps : PACES;

		for (unsigned int v = 0; v < 32; v++) {
			for (unsigned int n = 0; n < RIG_LANES; n++) {
				if (!(variants & BIT(v)) ||
				    !(k->vcpus & BIT(n)))
					continue;
				if (i-- == 0) {
					fill(k, n, v, out);
					return true;
				}
			}
		}
	}
	return false;
}
