/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_report.h - figures of the bus: JSON lines or tables, and the verdict
 *
 * ns     of one lookup (of each in a batch), of one change, or of one whole
 *        build; the median of the rounds
 * ratio  to the floor of the same round, in the median
 */
#ifndef BENCH_BUS_REPORT_H
#define BENCH_BUS_REPORT_H

#include "bench/bench.h"

struct bus_figure {
	const char *structure, *layout, *pattern, *mode;
	uint32_t n;
	double ns; /* NaN: of memory */
	double ratio;
	double bytes;	/* a range, of memory; else 0 */
	double changes; /* a second, beside readers; else 0 */
	double hot;	/* hot-8: ratio to a floor of 8 ranges; else 0 */
};

struct bus_report {
	bool json;
	unsigned int nr, room;
	struct bus_figure *figure; /* owned */
	unsigned int done, total;  /* steps, for the progress bar */
	char cpu[128];
};

void bus_report_init(struct bus_report *r, bool json, unsigned int total);
void bus_report_fini(struct bus_report *r);

/* JSON goes out at once, the rest with bus_report_tables(). */
void bus_report_add(struct bus_report *r, const struct bus_figure *f);
void bus_report_step(struct bus_report *r);
void bus_report_tables(const struct bus_report *r);

/* bus_judge.c: how many targets were missed; each is named on stderr. */
unsigned int bus_judge(const struct bus_report *r);

#endif
