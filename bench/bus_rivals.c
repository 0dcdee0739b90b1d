/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_rivals.h"

#include <stdlib.h>

const struct bus_structure *const bus_structures[] = {
	&bus_floor_structure,
	&bus_pciring,
	&bus_sorted,
	NULL,
};

static int by_base(const void *a, const void *b)
{
	const struct bus_item *x = a, *y = b;

	return (x->base > y->base) - (x->base < y->base);
}

void bus_items_sorted(struct bus_item *out, struct bus_range *const *r,
		      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = bus_item_of(r[i]);
	qsort(out, n, sizeof(*out), by_base);
}
