/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slices.h - a stretch of work, cut into parts of which the median counts
 *
 * A part in which another program had a core, or the host took it away, then
 * does not count, as long as most parts were left alone.
 */
#ifndef BENCH_SLICES_H
#define BENCH_SLICES_H

#include "bench/bench.h"

#define SLICES_MAX 4096u

struct slices {
	unsigned int unit;		  /* things a slice, at least */
	uint64_t begin, took[SLICES_MAX]; /* ticks a unit */
	uint64_t done;
	unsigned int nr;
};

void slices_begin(struct slices *s, unsigned int unit);
/* Ticks of one thing; 0: there was no whole slice.  Sorts them. */
double slices_median(struct slices *s);

/* @n more are done. */
static inline void slices_add(struct slices *s, unsigned int n)
{
	uint64_t now;

	s->done += n;
	if (s->done < s->unit)
		return;
	now = __rdtsc();
	if (s->nr < SLICES_MAX)
		s->took[s->nr++] = (now - s->begin) * s->unit / s->done;
	s->begin = now;
	s->done = 0;
}

#endif
