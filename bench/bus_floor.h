/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_floor.h - one hashed cache line: what no lookup of this kind goes below
 *
 * A table of lines, each of which has all that a lookup answers for one range.
 * It is no structure anybody could use: it knows at which address each range
 * will be asked for, and these were chosen so that each has a line of its own.
 * In the 16-bit space it is a table with an entry for each port.
 */
#ifndef BENCH_BUS_FLOOR_H
#define BENCH_BUS_FLOOR_H

#include "bench/bus_structure.h"

/* Choose @set's keys. */
int bus_floor_choose(struct bus_set *set);

#endif
