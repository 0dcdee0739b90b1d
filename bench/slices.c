/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/slices.h"

void slices_begin(struct slices *s, unsigned int unit)
{
	s->unit = unit;
	s->nr = 0;
	s->done = 0;
	s->begin = __rdtsc();
}

double slices_median(struct slices *s)
{
	if (!s->nr)
		return 0;
	bench_sort(s->took, s->nr);
	return (double)bench_part(s->took, s->nr, 50) / s->unit;
}
