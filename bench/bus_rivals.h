/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_rivals.h - the structures, each in the file of its name
 */
#ifndef BENCH_BUS_RIVALS_H
#define BENCH_BUS_RIVALS_H

#include "bench/bus_structure.h"

extern const struct bus_structure bus_floor_structure;
extern const struct bus_structure bus_pciring;
extern const struct bus_structure bus_sorted;

/* The items of @r, by their bases. */
void bus_items_sorted(struct bus_item *out, struct bus_range *const *r,
		      uint32_t n);

#endif
