/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net.h - what the files of `pciring-bench net' share: cases and figures
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include "bench/slices.h"

#define NET_ROUNDS_MAX 60
#define NET_BURST      32u
#define NET_SLICE      1024u /* frames */
#define NET_LEAST      4u    /* slices of a block, however long that takes */

/* As the guest sees it. */
enum net_way {
	NET_TX,
	NET_RX,
	NET_LOOP, /* what it sends comes back */
	NR_NET_WAYS
};
extern const char *const net_way_name[NR_NET_WAYS];

struct net_case {
	const char *backend; /* null, net_ring */
	bool packed;
	enum net_way way;
	unsigned int size;
};

/* Of one block of frames of one round, of ours and of the rival's: 0 if that
 * was not measured. */
struct net_round {
	double ns, cpu_ns, rival_ns, rival_cpu_ns, before, after, kicks;
};

struct net_series {
	struct net_case what;
	unsigned int nr;
	struct net_round round[NET_ROUNDS_MAX];
};

unsigned int net_report(const struct bench_options *o,
			const struct net_series *s, const char *cpu);
void net_report_begin(const struct bench_options *o, const char *cpu);
void net_report_end(const struct bench_options *o, unsigned int missed);

#endif
