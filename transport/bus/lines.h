/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lines.h - where the lines of an index come from
 *
 * Arrays of cache lines.  Few lines come from slabs, so that there can be a
 * reserve, and return to a list for their number; many come from the heap,
 * on huge pages if there are enough.
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

union bus_line;
struct bus_slab;

struct bus_lines {
	struct bus_slab *slabs;	       /* owned; the newest first */
	union bus_line *next;	       /* in the newest: not given out yet */
	uint32_t left;		       /* of those */
	void *free[BUS_LINES_FEW + 1]; /* by their number; linked */
	size_t bytes;		       /* all there is */
};

/* All zero is an empty one. */
void bus_lines_fini(struct bus_lines *ls);

/* @n lines, not cleared, or NULL. */
union bus_line *bus_lines_get(struct bus_lines *ls, uint32_t n);
void bus_lines_put(struct bus_lines *ls, union bus_line *l, uint32_t n);

/* -ENOMEM; else up to @n lines can be had, as few at a time as fit. */
int bus_lines_reserve(struct bus_lines *ls, uint32_t n);

#endif
