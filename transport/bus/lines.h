/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lines.h - where the lines of an index come from
 *
 * Arrays of cache lines.  Few lines come from slabs, and return to a list for
 * their number; many come from the heap, on huge pages if there are enough.
 * What must not fail half-way takes from the spares, which are filled up
 * before it begins.
 *
 * Threads   as the bus that it is part of
 */
#ifndef TRANSPORT_BUS_LINES_H
#define TRANSPORT_BUS_LINES_H

#include "ring/base.h"

#define BUS_LINE_BYTES	 64
#define BUS_LINE_ENTRIES 4
/* Up to as many come from slabs. */
#define BUS_LINES_FEW	 16
/* Arrays kept for what must not fail, and how long they are. */
#define BUS_SPARES	 2
#define BUS_SPARE_LINES	 2

union bus_line;
struct bus_slab;

struct bus_lines {
	struct bus_slab *slabs;	       /* owned; the newest first */
	union bus_line *next;	       /* in the newest: not given out yet */
	uint32_t left;		       /* of those */
	void *free[BUS_LINES_FEW + 1]; /* by their number; linked */
	union bus_line *spare[BUS_SPARES];
	size_t bytes; /* all there is */
};

/* All zero is an empty one. */
void bus_lines_fini(struct bus_lines *ls);

/* @n lines, not cleared, or NULL. */
union bus_line *bus_lines_get(struct bus_lines *ls, uint32_t n);
void bus_lines_put(struct bus_lines *ls, union bus_line *l, uint32_t n);

/* -ENOMEM; else bus_lines_spare() does not fail for the next BUS_SPARES
 * times. */
int bus_lines_reserve(struct bus_lines *ls);
/* BUS_SPARE_LINES lines. */
union bus_line *bus_lines_spare(struct bus_lines *ls);

#endif
