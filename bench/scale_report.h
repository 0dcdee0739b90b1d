/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_report.h - the figures of `pciring-bench scale', for people and programs
 */
#ifndef BENCH_SCALE_REPORT_H
#define BENCH_SCALE_REPORT_H

#include "bench/bench.h"
#include "bench/scale_load.h"

struct scale_figure {
	const char *metric, *unit;
	const char *what; /* under which load; or NULL */
	double value;
	double bound;	     /* not to be exceeded; 0: there is none */
	unsigned int rounds; /* of which it is the median */
	bool kicks;	     /* it has to do with doorbells */
};

struct scale_report {
	const struct bench_options *options;
	/* What the figures that follow are of. */
	const struct scale_size *size;
	const char *backend;
	unsigned int loops, lanes;
	bool shared, posted;
	char cpu[96]; /* the model */
	unsigned int missed;
	bool tty; /* stderr is one: progress is shown */
	uint64_t begin;
	unsigned int done, steps;
};

void scale_report_init(struct scale_report *r, const struct bench_options *o,
		       unsigned int steps);
/* The next of the steps: what is done now. */
void scale_report_step(struct scale_report *r, const char *what,
		       const struct scale_size *size, const char *backend);
/* How the service is now that it is there; @l NULL: not asked. */
void scale_report_of(struct scale_report *r, const struct scale_load *l);
void scale_report_add(struct scale_report *r, const struct scale_figure *f);
/* How many bounds were not kept. */
unsigned int scale_report_end(struct scale_report *r);

#endif
