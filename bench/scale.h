/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale.h - what the measurements of `pciring-bench scale' have in common
 *
 * Each of them makes a service of its own (or two, to compare), measures, and
 * reports.  -errno after a line on stderr; -EINTR quietly, after a signal.
 */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "bench/scale_report.h"

#define SCALE_ROUNDS_MAX 32
#define SCALE_MANY	 4096 /* functions for which bounds count */

struct scale_plan {
	unsigned int rate_ms, rate_rounds;
	unsigned int cost_rounds;
	unsigned int wait_rounds, reads, trips;
	unsigned int share_ms, share_rounds;
};

struct scale_run {
	const struct scale_plan *plan;
	struct scale_cpus cpus;
	struct scale_report report;
};

/* Sorts @values. */
double scale_median(double *values, unsigned int n);

/* Registers, kicks, chains and interrupts a second. */
int scale_measure_rates(struct scale_run *run, const struct scale_size *size,
			const char *backend, unsigned int loops);
/* What machines and functions cost in time and memory. */
int scale_measure_costs(struct scale_run *run, const struct scale_size *size,
			const char *backend);
/* How long one function waits: alone, among idle ones, among busy ones. */
int scale_measure_waits(struct scale_run *run, const struct scale_size *size,
			const char *backend);
/* Which part each machine gets, of equals and beside one that floods. */
int scale_measure_shares(struct scale_run *run, const struct scale_size *size,
			 const char *backend, unsigned int loops);

#endif
