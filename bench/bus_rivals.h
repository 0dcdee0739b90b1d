/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_rivals.h - the structures, each in the file of its name
 */
#ifndef BENCH_BUS_RIVALS_H
#define BENCH_BUS_RIVALS_H

#include "bench/bus_structure.h"

extern const struct bus_structure bus_floor_structure;
extern const struct bus_structure bus_floor_pio; /* of the 16-bit space */
extern const struct bus_structure bus_pciring;
extern const struct bus_structure bus_linear;
extern const struct bus_structure bus_sorted;
extern const struct bus_structure bus_eytzinger;
extern const struct bus_structure bus_stree, bus_stree_scalar;
extern const struct bus_structure bus_rbtree;
extern const struct bus_structure bus_btree;
extern const struct bus_structure bus_pagemap;
extern const struct bus_structure bus_granule;
extern const struct bus_structure bus_mutex, bus_rwlock; /* bus_locked.c */

/* The items of @r, by their bases. */
void bus_items_sorted(struct bus_item *out, struct bus_range *const *r,
		      uint32_t n);

/* One more or less of @nr that are in order.  -EEXIST: it overlaps. */
int bus_items_insert(struct bus_item *item, uint32_t nr, struct bus_range *r);
void bus_items_remove(struct bus_item *item, uint32_t nr,
		      const struct bus_range *r);

#endif
