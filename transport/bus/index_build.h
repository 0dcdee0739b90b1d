/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_build.h - a node of an index from entries in order, and back
 *
 * For index.c only.
 */
#ifndef TRANSPORT_BUS_INDEX_BUILD_H
#define TRANSPORT_BUS_INDEX_BUILD_H

#include "transport/bus/index.h"

/* Lines that a node for @n entries has at most. */
#define BUS_NODE_LINES(n) (((n) + 1) / 2)

/* -ENOMEM: nothing is left of it. */
int bus_node_build(struct bus_index *ix, struct bus_node *node,
		   const struct bus_entry *e, uint32_t n);
void bus_node_free(struct bus_index *ix, struct bus_node *n);
/* node->nr entries, in order. */
void bus_node_gather(const struct bus_node *n, struct bus_entry *e);

/* A line of @n entries, 0 to 4, in order; how many there are, and which. */
void bus_line_set(union bus_line *l, const struct bus_entry *e, unsigned int n);
unsigned int bus_line_get(const union bus_line *l, struct bus_entry *e);

#endif
