/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct bus_structure *bus_structures[] = {
	&bus_floor_structure, /* the first */
	&bus_pciring,	      &bus_linear,    &bus_sorted, &bus_rbtree,
	&bus_btree,	      &bus_eytzinger, &bus_stree,  &bus_pagemap,
	&bus_granule,	      &bus_mutex,     &bus_rwlock, NULL,
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

void bus_structures_init(void)
{
	for (size_t i = 0; bus_structures[i]; i++)
		if (bus_structures[i] == &bus_stree &&
		    (!__builtin_cpu_supports("avx2") ||
		     !__builtin_cpu_supports("popcnt")))
			bus_structures[i] = &bus_stree_scalar;
}

static uint32_t rank(const struct bus_item *item, uint32_t nr, uint64_t addr)
{
	uint32_t lo = 0, hi = nr;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (item[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int bus_items_insert(struct bus_item *item, uint32_t nr, struct bus_range *r)
{
	uint32_t at = rank(item, nr, r->base);

	if ((at && bus_item_overlaps(&item[at - 1], r)) ||
	    (at < nr && bus_item_overlaps(&item[at], r)))
		return -EEXIST;
	memmove(&item[at + 1], &item[at], (nr - at) * sizeof(*item));
	item[at] = bus_item_of(r);
	return 0;
}

void bus_items_remove(struct bus_item *item, uint32_t nr,
		      const struct bus_range *r)
{
	uint32_t at = rank(item, nr, r->base);

	memmove(&item[at - 1], &item[at], (nr - at) * sizeof(*item));
}
