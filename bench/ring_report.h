/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_report.h - the figures of `pciring-bench ring', for people and programs
 */
#ifndef BENCH_RING_REPORT_H
#define BENCH_RING_REPORT_H

#include "bench/bench.h"
#include "bench/ring_case.h"

struct ring_figure {
	const struct ring_case *what;
	unsigned int samples;
	double p50, p99, p999; /* ns */
	double ratio;	       /* to the ping-pong of the same rounds, */
	double probe;	       /* which took so many ns */
	double mmsg_s;	       /* 0: does not apply */
};

#define RING_REPORT_RATES 2 /* paths with a minimum: posted, irq */

struct ring_report {
	const struct bench_options *options;
	const struct placement *places; /* borrowed; all that there are */
	unsigned int nr_places;
	const struct placement *at;
	char cpu[96]; /* the model */
	unsigned int missed;
	/* The best of all paces and placements counts. */
	struct {
		const char *path;
		double best, minimum;
	} rate[RING_REPORT_RATES];
};

void ring_report_init(struct ring_report *r, const struct bench_options *o,
		      const struct placement *places, unsigned int n);
/* The figures that follow are of @at. */
void ring_report_begin(struct ring_report *r, const struct placement *at);
void ring_report_add(struct ring_report *r, const struct ring_figure *f);
/* How many bounds were not kept. */
unsigned int ring_report_end(struct ring_report *r);

#endif
