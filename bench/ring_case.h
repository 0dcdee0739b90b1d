/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_case.h - what `pciring-bench ring' measures, one row after another
 */
#ifndef BENCH_RING_CASE_H
#define BENCH_RING_CASE_H

#include "bench/ring_rig.h"

#define RING_CASES_MAX 128u

struct ring_case {
	const char *path; /* the word in the figures */
	const char *what; /* which form of it */
	const char *wait; /* how the two sides wait */
	const struct ring_way *way;
	unsigned int vm, vcpus;
	unsigned int gap_min, gap_max; /* ns between two accesses */
	unsigned int spin_ns, pace_ns;
	unsigned int rarer;    /* slow ones: samples are divided by it */
	double bound, minimum; /* of the ratio, of M/s; 0: none */
};

/* Row @i; false: there are no more. */
bool ring_case_get(unsigned int i, struct ring_case *out);

#endif
