/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_build.h - nodes of an index from entries in order, and back
 *
 * For index.c only.
 */
#ifndef TRANSPORT_BUS_INDEX_BUILD_H
#define TRANSPORT_BUS_INDEX_BUILD_H

#include "transport/bus/index.h"

/* Lines of an even node for @n entries.  One for every 1.83 of them is what 64
 * bytes a range allow; the root of a small index should rather be fast. */
#define BUS_NODE_LINES(n) ((n) / 11 * 6 + 2)
#define BUS_ROOT_LINES(n) ((n) < 512 ? (n)*3 / 4 : BUS_NODE_LINES(n))

/* -ENOMEM: nothing is left of it. */
int bus_node_build(struct bus_index *ix, struct bus_node *node,
		   const struct bus_entry *e, uint32_t n);

/* Into which lines, evenly if @lines of them serve nearly all; false if not.
 * bus_node_build() is this and _fill(). */
bool bus_node_cut(struct bus_node *node, const struct bus_entry *e, uint32_t n,
		  uint32_t lines);
int bus_node_fill(struct bus_index *ix, struct bus_node *node,
		  const struct bus_entry *e, uint32_t n);
/* Of a line's entries and one more; takes a spare of the lines. */
#define BUS_SPLIT_ENTRIES (BUS_LINE_ENTRIES + 1)
void bus_node_split(struct bus_index *ix, struct bus_node *node,
		    const struct bus_entry e[BUS_SPLIT_ENTRIES]);
void bus_node_free(struct bus_index *ix, struct bus_node *n);
/* Behind the @nr entries of @e those that are not among them, in order; how
 * many there are then. */
uint32_t bus_node_gather(const struct bus_node *n, struct bus_entry *e,
			 uint32_t nr);

/* All roots of @ix, which is all zero, for @n entries.  -ENOMEM: some of them. */
int bus_roots_build(struct bus_index *ix, const struct bus_entry *e,
		    uint32_t n);
void bus_roots_free(struct bus_index *ix);
/* One that is to replace root @i. */
int bus_root_build(struct bus_index *ix, unsigned int i, struct bus_node *root,
		   const struct bus_entry *e, uint32_t n);
/* What lookups need, from the roots. */
void bus_pieces_set(struct bus_index *ix);

/* A line of @n entries, 0 to 4, in order; how many there are, and which. */
void bus_line_set(union bus_line *l, const struct bus_entry *e, unsigned int n);
unsigned int bus_line_get(const union bus_line *l, struct bus_entry *e);

#endif
